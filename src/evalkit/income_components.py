"""Where a gain in income comes from: effects on wages, business, property and transfers that add up to the effect on the total."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evalkit.aggregation import aggregate
from evalkit.design import Design
from evalkit.errors import DesignError, EstimateError, first_five, unknown
from evalkit.estimate import Estimate
from evalkit.inference.linear import SmallSample, covariance, has_own_noise
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]
Estimator = Callable[[Design], Estimate]

TOTAL = "total"
BY = ("overall", "event_time")
ADDING = 1e-9  # relative to the largest income: rounding of double precision, not of yuan
LINEAR = 1e-8  # relative: an estimator that is linear in the outcome adds up to this


@dataclass(frozen=True)
class SelfGenerated:
    """The part of the gain that households earn themselves, with two intervals.

    Attributes
    ----------
    components : the components counted as earned
    share : their effects over the effect on the total, a ratio (0.8 is 80%); outside 0 to 1 when components move apart
    delta : (low, high) by the delta method
    fieller : (low, high) of the ratios that a test of ``earned - ratio * total = 0`` does not reject
    level, cluster, clusters, reference : what the intervals rest on
    """

    components: tuple[str, ...]
    share: float
    delta: tuple[float, float]
    fieller: tuple[float, float]
    level: float
    cluster: str
    clusters: int
    reference: str


@dataclass(frozen=True)
class UndefinedShare:
    """Why there is no share: the effect on the total has no sign, or its noise cannot be learned."""

    components: tuple[str, ...]
    reason: Notice


@dataclass(frozen=True, eq=False)
class IncomeComponents:
    """Effects on income and on its components, in the unit of income.

    Attributes
    ----------
    components : names, in the order given
    effects : Estimate
        Cells of kind ``overall`` (and ``event_time`` if asked for) whose ``name`` is "total" or the component. The components add up
        to the total exactly, in every cell.
    self_generated : SelfGenerated, UndefinedShare, or None when it was not asked for
    """

    components: tuple[str, ...]
    effects: Estimate
    self_generated: SelfGenerated | UndefinedShare | None


def income_components(
    design: Design,
    components: Mapping[str, str] | Sequence[str],
    estimator: Estimator,
    self_generated: Sequence[str] = (),
    by: str = "overall",
    cluster: str | Sequence[str] | None = None,
    correction: str | SmallSample | None = None,
    reference: str | None = None,
    level: float = 0.95,
) -> IncomeComponents:
    """Return the effects on the components of income, which add up to the effect on the total.

    Parameters
    ----------
    design : Design
        Its outcome is total income in levels, for example yuan per person per year.
    components : mapping of name to column, or sequence of columns
        In every row they add up to the total, to 1e-9 of the largest income.
    estimator : callable
        Design -> Estimate, linear in the outcome, for example ``GroupTime()`` or ``TwoWay()``.
    self_generated : sequence of str
        Components that households earn themselves (wages and business, as a rule without transfers).
    by : "overall" or "event_time"
        Whether the path over event time comes after the overall effects.
    cluster, correction, reference, level : for the intervals of the share, see :func:`evalkit.covariance`

    Raises
    ------
    DesignError
        When the outcome is a logarithm, when components do not add up, are missing where the total is not, or carry unknown names.
    EstimateError
        When the estimator is not linear in the outcome, so that effects do not add up although incomes do.

    Notes
    -----
    The same design and a linear estimator give each component the weights of the total, so effects and their influence add up
    exactly; a joint Wald test has one direction fewer than parameters. Components that are often zero or negative have no logarithm:
    levels are the only scale on which they add. The share is a ratio of two estimates. Fieller (1954) inverts the test that
    ``earned - ratio * total`` is zero; its interval is bounded exactly when the interval of the total excludes zero at the same
    level, and otherwise no share is given.

    Examples
    --------
    >>> import evalkit as ek
    >>> frame = ek.example_frame()
    >>> frame["wage"], frame["transfer"] = 3000 + 10 * frame["labour_share"] * frame["year"], 500.0 * frame["log_income"]
    >>> frame["income"] = frame["wage"] + frame["transfer"]
    >>> panel = ek.Panel(frame, unit="village_id", period="year")
    >>> design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), "income")
    >>> told = income_components(design, ["wage", "transfer"], ek.GroupTime())
    >>> list(told.effects.cells["name"]), bool(abs(told.effects.theta @ [-1, 1, 1]) < 1e-8)
    (['total', 'wage', 'transfer'], True)
    """
    columns = _named(components)
    earned = (self_generated,) if isinstance(self_generated, str) else tuple(dict.fromkeys(self_generated))
    for name in earned:
        if name not in columns:
            raise DesignError(unknown("component", name, list(columns)))
    if by not in BY:
        raise DesignError(unknown("choice of by", by, BY))
    _judge_columns(design, columns)
    parts = [named_effects(estimator(design), by, TOTAL)]
    parts += [named_effects(estimator(replace(design, outcome=column)), by, name) for name, column in columns.items()]
    _judge_linearity(parts, list(columns))
    effects = _by_kind(parts)
    share = None
    if earned:
        share = self_generated_share(effects.select(kind="overall"), earned, cluster, correction, reference, level)
    return IncomeComponents(tuple(columns), effects, share)


def self_generated_share(
    effects: Estimate,
    components: Sequence[str],
    cluster: str | Sequence[str] | None = None,
    correction: str | SmallSample | None = None,
    reference: str | None = None,
    level: float = 0.95,
) -> SelfGenerated | UndefinedShare:
    """Return the share of the effect on the total that comes from these components, or why there is none.

    ``effects`` holds one overall effect a name, "total" among them, as in :attr:`IncomeComponents.effects`.
    """
    if not 0 < level < 1:
        raise EstimateError(f"The level is a probability between 0 and 1, not {level}.")
    names = list(effects.cells["name"])
    earned = (components,) if isinstance(components, str) else tuple(dict.fromkeys(components))
    for name in (TOTAL, *earned):
        if name not in names:
            raise EstimateError(unknown("component", name, names))
    pair = np.zeros((2, len(names)))
    pair[0, [names.index(name) for name in earned]] = 1.0
    pair[1, names.index(TOTAL)] = 1.0
    if not has_own_noise(effects)[names.index(TOTAL)]:
        return UndefinedShare(earned, Notice("SHARE_WITHOUT_NOISE", {"units": int(effects.cells["units"].max())}))
    both = effects.map(pair @ effects.theta, pair, effects.cells.iloc[[names.index(TOTAL)] * 2])
    spread = covariance(both, cluster, correction, reference)
    critical = float(spread.quantile(0.5 + level / 2).max())
    (a, b), V = both.theta, spread.matrix
    half = critical * float(spread.std_error[1])
    if abs(b) <= half:
        facts = {"total": float(b), "conf_low": float(b - half), "conf_high": float(b + half), "level": level}
        return UndefinedShare(earned, Notice("SHARE_UNDEFINED", facts))
    delta = covariance(
        both.map(np.array([a / b]), np.array([[1 / b, -a / b**2]]), both.cells.iloc[:1]), cluster, correction, reference
    )
    width = critical * float(delta.std_error[0])
    return SelfGenerated(
        earned, float(a / b), (float(a / b - width), float(a / b + width)), _fieller(a, b, V, critical),
        level, spread.cluster, spread.clusters, "z" if spread.reference == "z" else f"t({spread.least_degrees:g})",
    )  # fmt: skip


def _fieller(a: float, b: float, V: Array, q: float) -> tuple[float, float]:
    """Return the two roots r of (a - r b)^2 = q^2 (V_aa - 2 r V_ab + r^2 V_bb), for b^2 > q^2 V_bb."""
    A, B, C = b**2 - q**2 * V[1, 1], a * b - q**2 * V[0, 1], a**2 - q**2 * V[0, 0]
    root = float(np.sqrt(max(B**2 - A * C, 0.0)))
    return float((B - root) / A), float((B + root) / A)


def _named(components: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """Return name -> column."""
    if isinstance(components, str):
        components = [components]
    columns = dict(components) if isinstance(components, Mapping) else {name: name for name in components}
    if len(columns) < 2:
        raise DesignError(f"Income has at least two components that add up to it; {len(columns)} was named.")
    if TOTAL in columns:
        raise DesignError(
            "'total' names the effect on the total itself: give the component another name, for example {'wages': column}."
        )
    if len(set(columns.values())) < len(columns):
        twice = [c for c in dict.fromkeys(columns.values()) if list(columns.values()).count(c) > 1]
        raise DesignError(f"Columns are named as more than one component: {first_five(twice)}. Each part of income counts once.")
    return columns


def _judge_columns(design: Design, columns: dict[str, str]) -> None:
    """Refuse components that are not seen where the total is, or do not add up to it."""
    panel = design.panel
    total = panel.numbers(design.outcome)
    parts = {name: panel.numbers(column) for name, column in columns.items()}
    for name, values in parts.items():
        if (other := np.isnan(values) != np.isnan(total)).any():
            raise DesignError(
                f"Component {name!r} ({columns[name]!r}) and the total {design.outcome!r} are missing in different rows, {other.sum():,} in all: "
                f"{first_five(panel.places(np.flatnonzero(other)))}. The same rows must stand behind both: fill in zeros where a kind of "
                "income was none, or take these rows out."
            )
    seen = ~np.isnan(total)
    added = np.sum(list(parts.values()), axis=0)
    allowed = ADDING * max(1.0, float(np.abs(total[seen]).max()))
    gap = np.where(seen, added - total, 0.0)
    if (apart := np.abs(gap) > allowed).any():
        raise DesignError(_apart(design, columns, total, added, np.flatnonzero(apart), allowed))


def _apart(design: Design, columns: dict[str, str], total: Array, added: Array, rows: Array, allowed: float) -> str:
    listed = ", ".join(columns)
    positive = added > 0
    logged = np.full(len(added), np.inf)
    logged[positive] = np.abs(np.log(added[positive]) - total[positive])
    # Half of the rows: a log may have been taken of an income that was mended in some rows.
    if design.outcome.lower().startswith(("log", "ln_")) or np.nanmedian(logged) < 1e-3:
        return (
            f"The outcome {design.outcome!r} is a logarithm: components ({listed}) add up in levels only. Make the design with the income "
            "itself as its outcome."
        )
    gaps = [f"{place} {added[row] - total[row]:+,.2f}" for row, place in zip(rows[:1000], design.panel.places(rows), strict=False)]
    return (
        f"The components ({listed}) do not add up to {design.outcome!r} in {len(rows):,} rows; allowed is a gap of {allowed:.2g}. Their sum "
        f"minus the total: {first_five(gaps)}. Add the difference as a component of its own "
        f"(frame['other'] = frame[{design.outcome!r}] - the sum of the components), or mend these rows."
    )


def named_effects(estimate: Estimate, by: str, name: str) -> Estimate:
    """Return the overall effect, and the path if asked for, under a component's name."""
    kinds = set(estimate.cells["kind"])
    wanted = dict.fromkeys(("overall", by))
    found: list[Estimate] = []
    for kind in wanted:
        if "group_time" in kinds:
            found.append(aggregate(estimate, kind).select(kind=kind))
        elif kind in kinds:
            found.append(estimate.select(kind=kind))
        else:
            raise EstimateError(
                f"The estimator returns {', '.join(sorted(kinds))} parameters and no {kind} effect. Use one that returns group-time effects "
                "or this kind itself."
            )
    joint = found[0] if len(found) == 1 else found[0].join(found[1])
    return replace(joint, cells=joint.cells.assign(name=name))


def _judge_linearity(parts: list[Estimate], names: list[str]) -> None:
    total, components = parts[0], parts[1:]
    different = [name for name, part in zip(names, components, strict=True) if len(part.theta) != len(total.theta)]
    if different:
        raise EstimateError(
            f"The estimator returns other parameters for {first_five(different)} than for the total, so they do not add up."
        )
    added = np.sum([part.theta for part in components], axis=0)
    scale = max(np.abs(part.theta).max() for part in parts)
    if np.abs(added - total.theta).max() > LINEAR * max(1.0, scale):
        worst = int(np.abs(added - total.theta).argmax())
        raise EstimateError(
            f"The effects on components add up to {added[worst]:,.6g}, the effect on the total is {total.theta[worst]:,.6g}: the estimator is "
            "not linear in the outcome. Use one that is, such as GroupTime() or TwoWay()."
        )


def _by_kind(parts: list[Estimate]) -> Estimate:
    """Return all components side by side, the overall effects first, then path after path."""
    joint = parts[0]
    for part in parts[1:]:
        joint = joint.join(part)
    kinds = joint.cells["kind"].to_numpy()
    order = np.argsort(kinds != "overall", kind="stable")
    if (order == np.arange(len(order))).all():
        return joint
    jacobian = np.eye(len(order))[order]
    return joint.map(joint.theta[order], jacobian, joint.cells.iloc[order])
