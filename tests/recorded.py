"""Numbers that other tools made: where they lie, how their arguments are said here, and how near is equal."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit as ek
from evalkit.inference.linear import SmallSample

OWN = Path(__file__).parent / "reference" / "own"
# Data of others are read where they lie and never kept in the repository.
SHARED = Path(os.environ.get("EVALKIT_REFERENCE") or Path(__file__).parents[2] / "shared")
THIRD_PARTY = SHARED / "oracles"

ESTIMATE = 1e-8  # relative, for estimates: both sides compute in double precision
SPREAD = 1e-6  # relative, for standard errors


def needs(folder: str) -> pytest.MarkDecorator:
    """Return the mark that skips a test when the third-party folder is not there."""
    missing = not (THIRD_PARTY / folder).is_dir()
    reason = f"the third-party reference folder {folder!r} is not there: set EVALKIT_REFERENCE to the folder that holds it"
    return pytest.mark.skipif(missing, reason=reason)


@lru_cache
def case(name: str) -> dict[str, dict[str, Any]]:
    """Return the recorded results of one R package on our own data, by id."""
    recorded = json.loads((OWN / name / "expected.json").read_text(encoding="utf-8"))
    return {result["id"]: result for result in recorded["results"]}


@lru_cache
def own(name: str) -> pd.DataFrame:
    """Return one of our own data sets, named as R's results name it."""
    return pd.read_csv(OWN / "data" / f"{Path(name).name.removesuffix('.csv')}.csv.gz")


@lru_cache
def third_party(path: str) -> Any:
    """Return a third-party file: a frame, or what its JSON says."""
    file = THIRD_PARTY / path
    if not file.exists():  # asked for while tests are collected: the mark of `needs` skips them
        return None
    return pd.read_csv(file) if file.suffix == ".csv" else json.loads(file.read_text(encoding="utf-8"))


def close(ours: Any, theirs: Any, tolerance: float = ESTIMATE, floor: float = 1e-12) -> None:
    """Assert equality up to a relative tolerance; ``floor`` is for numbers that are zero up to rounding."""
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=floor)


def without_never_treated(frame: pd.DataFrame, first: str, period: str) -> pd.DataFrame:
    """Return the data as R's did changes them when nobody is never treated and never-treated units are asked for.

    The last cohort becomes the comparison and the years from its start go. evalkit refuses instead (a comparison that is
    not there is not replaced in silence), so that the same numbers have to be asked for.
    """
    last = frame[first].max()
    kept = frame[frame[period] < last].copy()
    kept.loc[kept[first] == last, first] = 0
    return kept


COMPARISON = {"nevertreated": "never_treated", "notyettreated": "not_yet_treated"}


def design(frame: pd.DataFrame, unit: str | None, period: str, first: str, outcome: str, **choices: Any) -> ek.Design:
    """Return a design; never (0 if not said), clusters and weight are taken from the choices."""
    panel = ek.Panel(frame, unit, period, choices.pop("clusters", ()), choices.pop("weight", None))
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, first, never=choices.pop("never", 0)), outcome, **choices)


# fixest's ssc(), said here.
POLICIES = {
    "default": SmallSample(),
    "K_adj_off": SmallSample("none"),
    "K_fixef_none": SmallSample("slopes"),
    "K_fixef_full": SmallSample("full"),
    "G_adj_off": SmallSample(clusters=False),
    "G_df_conventional": SmallSample(smallest=False),
    "t_df_conventional": SmallSample(residual_degrees=True),
    "all_off": SmallSample("none", clusters=False),
}

# R did's aggte, said here: name of the type -> arguments of evalkit.aggregate.
AGGREGATES: dict[str, dict[str, Any]] = {
    "simple": {"by": "overall"},
    "group": {"by": "cohort"},
    "calendar": {"by": "period"},
    "dynamic": {"by": "event_time"},
    "dynamic_balance_e1": {"by": "event_time", "balance": 1},
    "dynamic_min_e_-2_max_e_2": {"by": "event_time", "first": -2, "last": 2},
    "dynamic_min_e_m2_max_e_1": {"by": "event_time", "first": -2, "last": 1},
}
