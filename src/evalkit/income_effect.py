"""The headline, defined once: the average effect over treated unit-periods, in log points, in money and in per cent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.aggregation import aggregate
from evalkit.design import Design
from evalkit.errors import EstimateError, unknown
from evalkit.estimate import Estimate, cell_frame, require_kinds
from evalkit.shares import position_of_shares

Array = np.ndarray[Any, Any]

SCALES = ("log", "level")


def headline(cells: Estimate, design: Design, scale: str = "log") -> Estimate:
    """Return the headline of group-time effects: four parameters with their joint influence.

    Parameters
    ----------
    cells : Estimate
        Group-time effects of the design.
    design : Design
        Its outcome is log income (``scale="log"``) or income (``scale="level"``).
    scale : "log" or "level"

    Returns
    -------
    Estimate
        Cells of kind ``headline`` named

        - ``effect``: the average over treated unit-periods in the unit of the outcome (did's "simple")
        - ``money``: the same in the unit of income (yuan per person per year). On the log scale the treated-cell average
          of mean(y) (1 - exp(-tau)), where mean(y) is the treated mean income of a cell
        - ``base``: the counterfactual mean income of the treated in the window, mean(y) exp(-tau)
        - ``percent``: 100 money / base

    Notes
    -----
    Cells are weighted by their shares, which are estimated too where the estimator says so. Mean incomes are estimated too: they join as parameters with their own
    influence, and the delta method does the rest. On the log scale the money assumes that within a cell the programme
    changes all incomes by the same per cent: where it raises some and lowers others, mean(y) (1 - exp(-tau)) is not the mean
    gain. On unbalanced data mean(y) is over all rows of the cell.
    """
    if scale not in SCALES:
        raise EstimateError(unknown("scale", scale, SCALES))
    require_kinds(cells, ("group_time",), "The headline")
    overall = aggregate(cells, "overall")
    table = cells.cells
    after = ((table["kind"] == "group_time") & (table["event_time"] >= 0)).to_numpy()
    treated = cells.select(after)
    if scale == "log" and np.abs(design.y).max() > 50:
        raise EstimateError(
            f"The outcome {design.outcome!r} reaches {np.abs(design.y).max():,.0f}: that is no logarithm. Say scale='level'."
        )
    income = np.exp(design.y) if scale == "log" else design.y
    means = _treated_means(treated.cells, income, design, cells)
    used, owner = np.unique(position_of_shares(table)[after], return_inverse=True)
    shares = cells.select(np.isin(np.arange(len(table)), used))
    k = len(treated.theta)

    def money(parameters: Array) -> Array:
        tau, mean, share = parameters[:k], parameters[k : 2 * k], parameters[2 * k :]
        weight = share[owner] / share[owner].sum()
        without = mean * np.exp(-tau) if scale == "log" else mean - tau
        gain, base = weight @ (mean - without), weight @ without
        return np.array([gain, base, 100 * gain / base])

    names = cell_frame(
        "headline",
        3,
        name=["money", "base", "percent"],
        units=overall.cells["units"][0],
        noisy_units=overall.cells["noisy_units"][0],
    )
    joint = treated.join(means).join(shares)
    effect = overall.map(
        overall.theta,
        np.eye(1),
        cell_frame("headline", 1, name="effect", units=overall.cells["units"][0], noisy_units=overall.cells["noisy_units"][0]),
    )
    return effect.join(joint.apply(money, names))


def _treated_means(cells: pd.DataFrame, income: Array, design: Design, like: Estimate) -> Estimate:
    """Return the treated mean income of each cell as parameters with their influence."""
    k = len(cells)
    w = np.ones(len(income)) if design.w is None else design.w
    when, cohort = design.periods[design.period_index], design.cohort[design.unit_index]
    theta, contributions = np.empty(k), np.empty((len(design.units), k))
    for j, (g, t) in enumerate(zip(cells["cohort"], cells["period"], strict=True)):
        rows = np.flatnonzero((cohort == g) & (when == t))
        weight = w[rows] / w[rows].sum()
        theta[j] = weight @ income[rows]
        contributions[:, j] = np.bincount(design.unit_index[rows], weight * (income[rows] - theta[j]), len(design.units))
    frame = cells.assign(kind="treated_mean")
    return Estimate(theta, design.psi_from_units(contributions), frame, like.rows, like.facts)
