"""Worlds of households whose incomes are known: everybody grows alike, the covered start poorer, and an effect is planted or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalkit.study import Study

YEARS = range(2013, 2020)
VILLAGES = 24


def households(effect: Any = 0.0, seed: int = 5, per_village: int = 25) -> pd.DataFrame:
    """Households in villages: the covered (from 2016 or 2017) start at half the income of others; log income grows alike for all.

    ``effect`` is in logs, one number or a function of the frame of households.
    """
    rng = np.random.default_rng(seed)
    n = VILLAGES * per_village
    village = np.repeat(np.arange(VILLAGES), per_village)
    registered = rng.random(n) < 0.5
    start = np.where(registered & (rng.random(n) < 0.6), np.where(village % 2, 2016, 2017), 0)
    labour = (rng.random(n) < 0.6).astype(int)
    own = np.where(registered, 7.9, 8.6) + rng.normal(0, 0.35, n)
    people = pd.DataFrame({"household": np.arange(n), "village": village, "registered": registered.astype(int), "start": start})
    people["labour"] = labour
    planted = effect(people) if callable(effect) else np.full(n, float(effect))
    rows = []
    for year in YEARS:
        on = (start > 0) & (year >= start)
        log = own + 0.09 * (year - 2013) + rng.normal(0, 0.12, n) + planted * on
        rows.append(people.assign(year=year, income=np.round(np.exp(log), 1)))
    return pd.concat(rows, ignore_index=True).sort_values(["household", "year"], ignore_index=True)


WHO = {
    "groups": {
        "labour": {"column": "labour", "values": [1], "word": {"zh": "有劳动力户", "en": "households with labour"}},
        "none": {"column": "labour", "values": [0], "word": {"zh": "无劳动力户", "en": "households without labour"}},
    },
    "registered": "registered",
}


def study(**changes: Any) -> Study:
    """A study of these households; ``who`` and other keys may be changed."""
    words = {"zh": "搬迁", "en": "relocation"}
    content: dict[str, Any] = {
        "name": "world", "title": words, "programme": words, "source": {"name": words, "simulated": True}, "unit": "household",
        "unit_level": "household", "unit_word": {"zh": "户", "en": "household"}, "outcome": "income",
        "outcome_word": {"zh": "人均收入", "en": "income per head"}, "prices": words, "nominal": True, "income_def": "disposable",
        "scale": "log", "window": [2013, 2019], "treatment": {"first_year": "start", "never": [0]}, "cluster": "village", "seed": 11,
        "who": WHO,
    }  # fmt: skip
    return Study.parse(content | changes)


@pytest.fixture(scope="session")
def world() -> Any:
    return households


@pytest.fixture(scope="session")
def asked() -> Any:
    return study
