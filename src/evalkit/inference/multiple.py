"""P-values of several effects at once: how likely any of them would be this extreme if none were there."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import EstimateError, first_five, unknown
from evalkit.estimate import Estimate, sum_within
from evalkit.inference.attainable import judge_draws
from evalkit.inference.linear import covariance, has_own_noise
from evalkit.notices import Notice
from evalkit.subset import on_rows_of

Array = np.ndarray[Any, Any]

METHODS = ("romano_wolf", "holm", "bh", "by")
WEIGHTS = ("rademacher", "webb", "normal")
NO_EFFECTS = ("cohort_share", "cell_share", "covariate")
WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))


def adjusted(
    estimates: Estimate | Mapping[str, Estimate] | Mapping[str, float] | pd.Series[float],
    method: str = "romano_wolf",
    cluster: str | tuple[str, ...] | None = None,
    draws: int = 9_999,
    seed: int | None = None,
    weights: str = "rademacher",
    correction: str | None = None,
    reference: str | None = None,
) -> pd.DataFrame:
    """Return the p-values of several effects (outcomes, groups, programmes), adjusted for there being several.

    Parameters
    ----------
    estimates : Estimate, mapping of names to Estimates, or mapping or Series of p-values
        The family. Estimates made on parts of the units (groups) are brought to common rows, so that their dependence counts.
        P-values alone are enough for "holm", "bh" and "by".
    method : "romano_wolf", "holm", "bh" or "by"
        *romano_wolf* and *holm* bound the chance of even one false finding, the first by drawing the effects together,
        which gains where they move together; *bh* bounds the expected share of false findings among findings (independent or positively
        dependent effects), *by* the same under any dependence.
    cluster, correction, reference : see :func:`evalkit.inference.linear.covariance`; the estimates' own without them
    draws, seed : of Romano and Wolf
    weights : "rademacher", "webb" or "normal"
        Multipliers of cluster sums of psi, each draw studentised with its own standard error; Webb's six points where
        clusters are few. *normal* draws from the joint covariance instead (t with the fewest degrees of freedom).

    Returns
    -------
    DataFrame
        A row an effect: label, estimate, std_error, p_value (for itself), p_adjusted and method; for p-values alone label,
        p_value, p_adjusted and method. Parameters without noise of their own, and shares and covariates, are left out and counted in
        a Notice in ``.attrs["notices"]``.

    Raises
    ------
    EstimateError
        Without a seed for Romano-Wolf, for p-values that are missing or outside 0 to 1, and for rows that cannot be joined.

    Notes
    -----
    Romano & Wolf (2005, Econometrica 73; 2016, Statistics & Probability Letters 113): the j-th largest \\|t\\| is held against the largest
    drawn \\|t\\| among those not larger, p = (1 + #) / (1 + draws), made monotone. Holm (1979); Benjamini & Hochberg (1995) and Benjamini &
    Yekutieli (2001) as in R's ``p.adjust``. The draws of Romano and Wolf replace the reference distribution: with few clusters p_adjusted
    can lie below p_value.

    Examples
    --------
    >>> adjusted({"wages": 0.01, "farming": 0.04, "transfers": 0.03}, "holm")["p_adjusted"].tolist()
    [0.03, 0.06, 0.06]
    """
    for name, value, allowed in (("method", method, METHODS), ("kind of weights", weights, WEIGHTS)):
        if value not in allowed:
            raise EstimateError(unknown(name, str(value), allowed))
    family = {"": estimates} if isinstance(estimates, Estimate) else dict(estimates.items())
    if not family:
        raise EstimateError("There is nothing to adjust: the family is empty.")
    made = {str(name): one for name, one in family.items() if isinstance(one, Estimate)}
    if not made:
        return _of_p_values({str(name): value for name, value in family.items()}, method)
    if len(made) < len(family):
        raise EstimateError(
            f"A family is made of Estimates or of p-values, not both; there are {len(made)} Estimates of {len(family)}."
        )
    members = [_Member.of(name, one, cluster, correction, reference) for name, one in made.items()]
    table = pd.concat([member.table for member in members], ignore_index=True)
    if table.empty:
        raise EstimateError("No parameter has noise of its own: all are references, shares, covariates or single units.")
    if not np.isfinite(table["p_value"]).all():
        raise EstimateError(f"Some effects have no variance at all: {first_five(table['label'][~np.isfinite(table['p_value'])])}.")
    p = table["p_value"].to_numpy()
    if method == "romano_wolf":
        if seed is None:
            raise EstimateError("Romano and Wolf draw at random: say the seed, for example seed=7.")
        draws = judge_draws(draws)
        drawn = _normal if weights == "normal" else _multiplied
        statistic = np.abs((table["estimate"] / table["std_error"]).to_numpy())
        table["p_adjusted"] = step_down(statistic, drawn(members, cluster, draws, seed, weights))
    else:
        table["p_adjusted"] = ADJUSTMENTS[method](p)
    table["method"] = method
    if left := sum(len(member.estimate.theta) for member in members) - len(table):
        table.attrs["notices"] = (Notice("LEFT_OUT_OF_FAMILY", {"left": left, "family": len(table)}),)
    return table


@dataclass(frozen=True, eq=False)
class _Member:
    """One estimate of a family: its effects with their own p-values, and what makes a drawn standard error like its own."""

    estimate: Estimate
    shown: Array
    table: pd.DataFrame
    factor: float
    clusters: int
    degrees: float

    @classmethod
    def of(
        cls, name: str, estimate: Estimate, cluster: str | tuple[str, ...] | None, correction: str | None, reference: str | None
    ) -> _Member:
        spread = covariance(estimate, cluster, correction, reference)
        shown = has_own_noise(estimate) & ~estimate.cells["kind"].isin(NO_EFFECTS).to_numpy()
        labels = [_label(cell) for cell in estimate.cells[shown].to_dict("records")]
        if name:
            labels = [name] if len(labels) == 1 else [f"{name}: {label}" for label in labels]
        theta, std_error = estimate.theta[shown], spread.std_error[shown]
        with np.errstate(divide="ignore", invalid="ignore"):
            p = np.where(std_error > 0, spread.p_value(theta / std_error), np.nan)
        table = pd.DataFrame({"label": labels, "estimate": theta, "std_error": std_error, "p_value": p})
        return cls(estimate, shown, table, spread.factor, spread.clusters, spread.least_degrees)


def _label(cell: dict[Hashable, Any]) -> str:
    """Return a cell as words: its kind and name, and the numbers that tell it from others."""
    numbers = ["cohort", "period", "at"] + (["event_time"] if np.isnan(cell["cohort"]) else [])
    words = [str(cell["kind"]), *([str(cell["name"])] if cell["name"] else [])]
    return " ".join([*words, *(f"{cell[number]:g}" for number in numbers if not np.isnan(cell[number]))])


def _joined(members: Sequence[_Member]) -> Estimate:
    """Return the effects of all members side by side on common rows."""
    rows = [member.estimate.rows for member in members]
    keys = {str(frame.columns[0]) for frame in rows}
    common = rows[0]
    if len(keys) == 1 and any(len(frame) != len(common) or not frame.iloc[:, 0].equals(common.iloc[:, 0]) for frame in rows):
        columns = [column for column in common.columns if all(column in frame for frame in rows)]
        common = pd.concat([frame[columns] for frame in rows]).drop_duplicates(columns[0], ignore_index=True)
    parts = [on_rows_of(m.estimate, common) if m.estimate.rows is not common else m.estimate for m in members]
    parts = [part.select(m.shown) for part, m in zip(parts, members, strict=True) if m.shown.any()]
    joint = parts[0]
    for part in parts[1:]:
        joint = joint.join(part)
    return joint


def _multiplied(members: Sequence[_Member], cluster: str | tuple[str, ...] | None, draws: int, seed: int, weights: str) -> Array:
    """Return drawn |t| (draws, k): cluster sums of psi times random weights, over the draw's own standard error."""
    if isinstance(cluster, tuple):
        raise EstimateError("Multipliers are drawn for one kind of cluster. With two-way clusters say weights='normal'.")
    joint = _joined(members)
    codes = pd.factorize(joint.cluster(str(joint.rows.columns[0]) if cluster is None else cluster))[0]
    sums = sum_within(joint.psi, codes, int(codes.max()) + 1) / len(joint.psi)

    def each(values: Sequence[float]) -> Array:
        return np.repeat(values, [len(member.table) for member in members])

    factor, groups = each([member.factor for member in members]), each([member.clusters for member in members])
    generator, out = np.random.default_rng(seed), np.empty((draws, sums.shape[1]))
    block = max(1, 20_000_000 // (8 * len(sums)))
    for start in range(0, draws, block):
        size = (min(block, draws - start), len(sums))
        w = 2.0 * generator.integers(0, 2, size) - 1.0
        if weights == "webb":
            w *= WEBB[generator.integers(0, 3, size)]
        deviation = w @ sums
        variance = factor * (w**2 @ sums**2 - deviation**2 / groups)
        with np.errstate(divide="ignore", invalid="ignore"):
            out[start : start + len(w)] = np.abs(deviation) / np.sqrt(np.maximum(variance, 0))
    return out


def _normal(members: Sequence[_Member], cluster: str | tuple[str, ...] | None, draws: int, seed: int, weights: str) -> Array:
    """Return drawn |t| (draws, k) from the joint covariance, with the fewest degrees of freedom of the family."""
    matrix = covariance(_joined(members), cluster, "none", "z").matrix
    scale = np.sqrt(np.diag(matrix))
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    generator = np.random.default_rng(seed)
    out = np.abs(generator.standard_normal((draws, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0))).T)
    degrees = min(member.degrees for member in members)
    if np.isfinite(degrees):
        out /= np.sqrt(generator.chisquare(degrees, draws) / degrees)[:, None]
    return np.asarray(out)


def step_down(statistic: Array, drawn: Array) -> Array:
    """Return adjusted p-values (k,) of |t| (k,) from drawn |t| (B, k): Romano & Wolf (2016), algorithm 4.1 and 4.2.

    >>> step_down(np.array([3.0, 1.0]), np.array([[0.5, 2.0], [1.5, 0.5], [0.2, 0.1]])).tolist()
    [0.25, 0.5]
    """
    order = np.argsort(-statistic, kind="stable")
    largest = np.maximum.accumulate(drawn[:, order[::-1]], axis=1)[:, ::-1]  # among those not larger
    as_large = ~(largest < statistic[order] * (1 - 1e-9))  # a draw without variance counts as larger
    p = np.maximum.accumulate((1 + as_large.sum(axis=0)) / (1 + len(drawn)))
    out = np.empty(len(p))
    out[order] = p
    return out


def holm(p: Array) -> Array:
    """Return Holm's adjusted p-values (k,).

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    out = np.empty(len(p))
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return out


def benjamini_hochberg(p: Array) -> Array:
    """Return Benjamini and Hochberg's adjusted p-values (k,).

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(-p, kind="stable")
    out = np.empty(len(p))
    out[order] = np.minimum(np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1)), 1)
    return out


def benjamini_yekutieli(p: Array) -> Array:
    """Return Benjamini and Yekutieli's adjusted p-values (k,): the former times 1 + 1/2 + ... + 1/k.

    >>> benjamini_yekutieli(np.array([0.01, 0.04, 0.03])).round(4).tolist()
    [0.055, 0.0733, 0.0733]
    """
    return np.asarray(np.minimum(benjamini_hochberg(p) * (1 / np.arange(1, len(p) + 1)).sum(), 1))


ADJUSTMENTS: dict[str, Callable[[Array], Array]] = {"holm": holm, "bh": benjamini_hochberg, "by": benjamini_yekutieli}


def _of_p_values(values: Mapping[str, Any], method: str) -> pd.DataFrame:
    if method == "romano_wolf":
        raise EstimateError(
            "Romano and Wolf need the Estimates, which know how effects move together. P-values alone allow holm, bh and by."
        )
    p = np.array([float(value) for value in values.values()])
    if (bad := ~((p >= 0) & (p <= 1))).any():
        found = [f"{name} ({value:g})" for name, value, odd in zip(values, p, bad, strict=True) if odd]
        raise EstimateError(
            f"P-values are missing or outside 0 to 1: {first_five(found)}. Leave out what was not tested; a missing p-value is no p-value."
        )
    return pd.DataFrame({"label": list(values), "p_value": p, "p_adjusted": ADJUSTMENTS[method](p), "method": method})
