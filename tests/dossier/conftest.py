"""A small invented province, in which every check of the dossier has something to find or not to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalkit.alike import alike
from evalkit.diagnostics.variations import with_outcome
from evalkit.dossier.checking import Work, work_of
from evalkit.study import Study
from evalkit.study_data import Loaded
from evalkit.study_parts import Checks, Who

YEARS = range(2011, 2019)
PLACES, EACH = 12, 5
EFFECT = 0.08


def province(spill: float = 0.0, seed: int = 7) -> pd.DataFrame:
    """Return 60 counties in 12 places and 3 regions over 8 years: twelve start in 2014, eight in 2015, the others never.

    ``spill`` what uncovered counties of a place with covered ones gain from its start on.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for county in range(PLACES * EACH):
        place, number = divmod(county, EACH)
        # The first eight places have covered counties, the last four none.
        first = 2014 if place < 4 and number < 3 else 2015 if 4 <= place < 8 and number < 2 else 0
        near = 2014 if place < 4 else 2015 if place < 8 else 0
        level, labour, other = 9.0 + generator.normal(0, 0.1), generator.uniform(0.4, 0.6), generator.normal(0, 1)
        for year in YEARS:
            on = bool(first) and year >= first
            touched = not first and near and year >= near
            income = level + 0.05 * (year - 2011) + EFFECT * on + spill * touched
            rows.append(
                {
                    "county": f"c{county:02d}", "year": year, "place": f"p{place:02d}", "region": f"r{place % 3}", "first": first,
                    "income": float(np.exp(income + generator.normal(0, 0.02))),
                    "labour": labour, "fund": other + generator.normal(0, 0.1) + 0.5 * on, "price": other + generator.normal(0, 0.1),
                    "rain": generator.normal(0, 1), "hills": number % 2, "tiny": int(county < 4), "people": 100.0 + county,
                    "health_first": 0 if county % 4 else (first or 2016), "road_first": first + 1 if first else 0,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def study(**changes: Any) -> Study:
    """Return the study of the province."""
    both = {"zh": "县", "en": "county"}
    content: dict[str, Any] = {
        "name": "province", "title": both, "programme": {"zh": "产业帮扶", "en": "industry support"},
        "source": {"name": both, "simulated": True}, "unit": "county", "unit_word": both, "unit_level": "county",
        "outcome": "income", "outcome_word": both, "prices": both, "nominal": True, "income_def": "disposable", "window": [2011, 2018],
        "treatment": {"first_year": "first", "never": [0]}, "cluster": "county", "seed": 7,
    }  # fmt: skip
    return Study.parse(content | changes)


def made(frame: pd.DataFrame, draws: int = 99, **changes: Any) -> Work:
    """Return what checks read of a frame."""
    return work_of(study(**changes), Loaded(frame, {}), draws)


def asking(work: Work, who: dict[str, Any] | None = None, **checks: Any) -> Work:
    """Return the same work with other columns named for checks and groups; nothing is evaluated again."""
    update: dict[str, Any] = {"checks": Checks.model_validate(checks)}
    if who is not None:
        update["who"] = Who.model_validate(who)
    return replace(work, study=work.study.model_copy(update=update))


def found(work: Work, **changes: Any) -> Work:
    """Return the same work with other findings."""
    return replace(work, findings=work.findings.model_copy(update=changes))


@pytest.fixture(scope="session")
def quiet() -> Work:
    """The province with an effect and nothing else."""
    return made(province())


@pytest.fixture(scope="session")
def drifting(quiet: Work) -> Work:
    """The province in which the covered grew faster all along, without any effect; the findings are those of the quiet one."""
    covered = np.isfinite(quiet.design.cohort)[quiet.design.unit_index]
    ahead = 0.02 * (quiet.design.periods[quiet.design.period_index] - 2014) * covered
    return replace(quiet, design=with_outcome(quiet.design, quiet.design.y + ahead - EFFECT * quiet.design.treated))


@pytest.fixture(scope="session")
def controlled(quiet: Work) -> Work:
    """The province with controls: one fixed, one that the programme moves, one that it does not."""
    names = ("labour", "fund", "price")
    design = replace(quiet.design, covariates=names)
    study = quiet.study.model_copy(update={"covariates": names})
    findings = quiet.findings.model_copy(update={"alike": alike(design), "covariates": list(names)})
    return replace(quiet, study=study, design=design, findings=findings)


@pytest.fixture(scope="session")
def with_columns() -> Callable[..., Work]:
    """See :func:`asking`."""
    return asking


@pytest.fixture(scope="session")
def with_findings() -> Callable[..., Work]:
    """See :func:`found`."""
    return found


@pytest.fixture(scope="session")
def invented() -> Callable[..., pd.DataFrame]:
    """See :func:`province`."""
    return province
