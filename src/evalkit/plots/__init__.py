"""Figures of the field, one function each: every one draws on the Axes it is given, or on new ones, and returns them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Loaded when first used: matplotlib is heavy.
_PLOTS = {
    "plot_rollout": "rollout_map",
    "plot_trends": "trends",
    "plot_event_study": "event_study",
    "plot_cohort_paths": "cohort_paths",
    "plot_forest": "forest",
    "plot_sensitivity": "sensitivity",
    "plot_specification_curve": "specification_curve",
    "plot_bacon": "bacon",
    "plot_placebos": "placebos",
    "plot_balance": "love",
    "plot_overlap": "overlap",
    "plot_components": "components",
    "plot_before_after": "before_after",
    "plot_income_distribution": "income_distribution",
    "plot_synthetic_paths": "synthetic_paths",
    "plot_caterpillar": "caterpillar",
    "plot_funnel": "funnel",
}

__all__ = list(_PLOTS)


def __getattr__(name: str) -> Any:
    if name not in _PLOTS:
        raise AttributeError(f"module 'evalkit.plots' has no attribute {name!r}")
    value = getattr(import_module(f"evalkit.plots.{_PLOTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
