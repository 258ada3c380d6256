"""evalkit: by how much did a programme raise income, compared with whom, and how sure are we."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Loaded when first used, so that ``import evalkit`` stays light.
_PUBLIC = {
    "Panel": "evalkit.panel",
    "Rollout": "evalkit.rollout",
    "Design": "evalkit.design",
    "Estimate": "evalkit.estimate",
    "Notice": "evalkit.notices",
    "ESTIMATORS": "evalkit.estimators",
    "applicable": "evalkit.estimators.needs",
    "compare": "evalkit.side_by_side",
    "aggregate": "evalkit.aggregation",
    "headline": "evalkit.income_effect",
    "one_unit": "evalkit.single_unit",
    "against_donors": "evalkit.donors",
    "infer": "evalkit.inference.linear",
    "Inference": "evalkit.inference.linear",
    "covariance": "evalkit.inference.linear",
    "wald": "evalkit.inference.joint_test",
    "wild_bootstrap": "evalkit.inference.wild",
    "permute": "evalkit.inference.permutation",
    "smallest_p": "evalkit.inference.attainable",
    "adjusted": "evalkit.inference.multiple",
    "honest": "evalkit.inference.honest",
    "pretrend": "evalkit.diagnostics.pretrend",
    "detectable_effect": "evalkit.diagnostics.detectable",
    "units_needed": "evalkit.diagnostics.detectable",
    "leave_out": "evalkit.diagnostics.leave_out",
    "specification_curve": "evalkit.diagnostics.specification_curve",
    "threat_matrix": "evalkit.diagnostics.threats",
    "Discontinuity": "evalkit.discontinuity",
    "density_test": "evalkit.cutoffs",
    "receive": "evalkit.intake.receiving",
    "harmonise_counties": "evalkit.intake.counties",
    "Events": "evalkit.events",
    "Study": "evalkit.study",
    "evaluate": "evalkit.evaluation",
    "Findings": "evalkit.findings",
    "example_design": "evalkit.examples",
    "example_frame": "evalkit.examples",
    "EvalkitError": "evalkit.errors",
    "PanelError": "evalkit.errors",
    "RolloutError": "evalkit.errors",
    "DesignError": "evalkit.errors",
    "EstimateError": "evalkit.errors",
    "StudyError": "evalkit.errors",
    "IntakeError": "evalkit.intake.observations",
}

# The estimators by their classes' names: each is one line of evalkit.ESTIMATORS.
_ESTIMATORS = (
    "TwoByTwo", "TwoWay", "EventStudy", "GroupTime", "InteractionWeighted", "Imputation", "TwoStage", "ExtendedTwoWay", "Stacked",
    "LocalProjections", "Weighted", "Synthetic", "ChangesInChanges", "Switching", "DoseResponse", "TripleDifference",
    "SeveralProgrammes",
)  # fmt: skip
_PUBLIC |= dict.fromkeys(_ESTIMATORS, "evalkit.estimators")

__all__ = ["__version__", "plots", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name == "plots":
        return import_module("evalkit.plots")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
