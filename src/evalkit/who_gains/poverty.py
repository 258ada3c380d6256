"""Poverty under a line: how many are poor, how far below the line, and how unequally (Foster, Greer & Thorbecke)."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.firm_records import NotTold
from evalkit.study import Study
from evalkit.who_records import Measure

Array = np.ndarray[Any, Any]

ORDERS: dict[Measure, int] = {"headcount": 0, "gap": 1, "severity": 2}


def shortfall(income: Array, line: Array | float, order: int) -> Array:
    """Return (n,) each household's part in a measure of poverty: ((line - income) / line)**order below the line, else 0.

    Parameters
    ----------
    income, line : (n,) in one unit of money; where either is missing so is the answer
    order : 0 (headcount), 1 (gap) or 2 (severity)

    Notes
    -----
    Foster, Greer & Thorbecke (1984, Econometrica 52); an income at the line is not below it.

    Examples
    --------
    >>> shortfall(np.array([1400.0, 2800.0, 700.0]), 2800.0, 2).tolist()
    [0.25, 0.0, 0.5625]
    """
    missing = np.isnan(income) | np.isnan(line)
    share = np.where(income < line, (line - income) / line, 0.0)
    return np.where(missing, np.nan, np.where(income < line, share**order, 0.0))


def measured(income: Array, line: Array | float, just_above: float) -> dict[Measure, Array]:
    """Return every household's part in each measure (n,), the last that its income is below ``just_above`` times the line."""
    found: dict[Measure, Array] = {name: shortfall(income, line, order) for name, order in ORDERS.items()}
    return {**found, "near": shortfall(income, just_above * line, 0)}


def unfit_money(study: Study) -> NotTold | None:
    """Return why incomes of a study cannot be held against a poverty line, None where they can.

    Lines are in yuan per person per year at the prices of each year.
    """
    if not study.nominal:
        return NotTold(reason="deflated")
    if study.money.zh.partition("/")[0] != "元":
        return NotTold(reason="other_money")
    return None
