"""Specification curve: every defensible way to estimate one effect, each estimated once, none dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.diagnostics.replays import Change, Estimator, Replays, Variant, replays, unchanged
from evalkit.errors import DesignError, unknown
from evalkit.parallel import Map

Scale = str | float
AXES = ("sample", "outcome", "covariates", "comparison", "base", "anticipation", "weight", "estimator")


@dataclass(frozen=True)
class Specified:
    """One combination of sample, outcome, covariates and the choices of a comparison."""

    sample: Change
    choices: Mapping[str, Any]
    weight: str | None

    def __call__(self, design: Design) -> Design:
        """Return the design of this combination."""
        # The outcome comes first: a sample may be made from it (winsorised, trimmed), and its rows from what is missing in it.
        choices = {name: value for name, value in self.choices.items() if value != getattr(design, name)}
        if not choices and self.weight == design.panel.weight:
            return self.sample(design)
        panel = design.panel if self.weight == design.panel.weight else replace(design.panel, weight=self.weight)
        return self.sample(replace(design, panel=panel, **choices))


@dataclass(frozen=True, eq=False)
class SpecificationCurve:
    """The effect by every combination of choices.

    Attributes
    ----------
    table : frame, one row a combination, in the order of the axes; none dropped
        The columns of :class:`~evalkit.diagnostics.replays.Replays`, the axes first; ``significant`` (its interval excludes zero; an
        estimate without a standard error, whose reason stands in ``no_error``, is not significant); ``repeats`` (an earlier row with the
        same sample, outcome and estimator has the same numbers: the estimator does not read the choice in which the two differ);
        where a scale is given, per_cent, per_cent_low and per_cent_high.
    summary : frame, one row an outcome
        estimated, repeated, refused, median, smallest, largest (in the outcome's own unit), median_per_cent, share_positive,
        share_significant and share_positive_significant; estimates that repeat another count once
    level : of the intervals
    replays : the same with the estimates behind the rows
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    level: float
    design: Design = field(repr=False)
    variants: tuple[Variant, ...] = field(repr=False)
    scale: Mapping[str, Scale] = field(repr=False)
    inference: Mapping[str, Any] = field(repr=False)
    replays: Replays = field(repr=False)

    def __repr__(self) -> str:
        lines = [f"{len(self.replays.told)} of {len(self.table)} specifications estimated, {len(self.replays.refused)} refused"]
        lines += [
            f"  {row.outcome}: median {row.median:.4g} ({row.smallest:.4g} to {row.largest:.4g}), {row.share_positive:.0%} positive, "
            f"{row.share_significant:.0%} significant"
            if row.estimated
            else f"  {row.outcome}: none estimated"
            for row in self.summary.itertuples()
        ]
        return "\n".join(lines)

    @property
    def curve(self) -> pd.DataFrame:
        """The estimated rows, none twice, in the order of a figure: outcome by outcome, from the smallest to the largest effect."""
        told = self.table[(self.table["refused"] == "") & ~self.table["repeats"]]
        return told.sort_values(["outcome", "estimate"], kind="stable", ignore_index=True)


def specification_curve(
    design: Design,
    estimators: Mapping[str, Estimator],
    *,
    samples: Mapping[str, Change] | None = None,
    outcomes: Mapping[str, str] | Sequence[str] | None = None,
    covariates: Mapping[str, Sequence[str]] | None = None,
    comparisons: Sequence[str] | None = None,
    bases: Sequence[str] | None = None,
    anticipations: Sequence[int] | None = None,
    weights: Mapping[str, str | None] | None = None,
    scale: Mapping[str, Scale] | None = None,
    level: float = 0.95,
    map: Map = map,
    **inference: Any,
) -> SpecificationCurve:
    """Return the effect by every combination of samples, outcomes, covariates, comparisons and estimators.

    Parameters
    ----------
    estimators : name -> Design -> Estimate with one effect
    samples : name -> Design -> Design, the changes of :mod:`evalkit.diagnostics.variations`; the design as it is without them
    outcomes : name -> column
    covariates : name -> columns
    comparisons, bases, anticipations : choices of :class:`evalkit.Design`
    weights : name -> column, or None for no weights
    scale : name of an outcome -> "log" (per cent is 100 (exp(effect) - 1)) or a number (per cent of it, such as base income in yuan)
    level : of the intervals, which also say what is significant
    map : how the estimations are run, see :mod:`evalkit.parallel`
    inference : choices of :func:`evalkit.infer`

    Raises
    ------
    DesignError
        For axes that are empty or no mappings. A combination that evalkit refuses is a row with the reason.

    Notes
    -----
    Simonsohn, Simmons & Nelson (2020, Nature Human Behaviour 4). What belongs on the curve is a judgement: specifications that are
    equally sensible and answer the same question. Effects in different units are never put together: the summary is by outcome.
    A choice that an estimator does not read (the comparison of a two-way regression) would count it several times: such rows stay in
    the table, marked ``repeats``, and count once. Axes left out stay as the design has them. :func:`evalkit.diagnostics.joint_curve.joint_test` tests all of it at once.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.specification_curve import specification_curve
    >>> found = specification_curve(
    ...     ek.example_design(), {"twfe": ek.TwoWay(), "cs": ek.GroupTime()}, covariates={"none": (), "rain": ("rainfall",)}
    ... )
    >>> len(found.table), float(found.summary.loc[0, "share_positive"])
    (4, 1.0)
    """
    axes = _axes(design, estimators, samples, outcomes, covariates, comparisons, bases, anticipations, weights)
    if scale is not None and not isinstance(scale, Mapping):
        raise DesignError(f'A scale is told by outcome, such as {{"{next(iter(axes["outcome"]))}": "log"}}, not {scale!r}.')
    told = dict(scale or {})
    for name, kind in told.items():
        if name not in axes["outcome"]:
            raise DesignError(unknown("outcome", name, list(axes["outcome"])))
        if kind != "log" and (isinstance(kind, str) or not kind > 0):
            raise DesignError(f'The scale of {name!r} is "log" or a positive number to take per cent of, not {kind!r}.')
    variants = tuple(_variant(axes, names) for names in product(*(axes[axis] for axis in AXES)))
    found = replays(design, variants, map=map, inference=inference | {"level": level})
    table = found.table.assign(significant=(found.table["conf_low"] > 0) | (found.table["conf_high"] < 0))
    table = _per_cent(table.assign(repeats=_repeats(table)), told)
    return SpecificationCurve(table, _summary(table), level, design, variants, told, inference, found)


def _axes(
    design: Design,
    estimators: Mapping[str, Estimator],
    samples: Mapping[str, Change] | None,
    outcomes: Mapping[str, str] | Sequence[str] | None,
    covariates: Mapping[str, Sequence[str]] | None,
    comparisons: Sequence[str] | None,
    bases: Sequence[str] | None,
    anticipations: Sequence[int] | None,
    weights: Mapping[str, str | None] | None,
) -> dict[str, Mapping[Any, Any]]:
    """Return name -> value for every axis, the design's own choice where an axis was left out."""

    def listed(values: Any, own: Any) -> Any:
        if values is None:
            return {own: own}
        if isinstance(values, Mapping):
            return values
        values = (values,) if isinstance(values, str) else np.atleast_1d(np.asarray(values, object)).tolist()
        return {value: value for value in values}

    own_covariates = {", ".join(design.covariates) or "none": tuple(design.covariates)}
    axes: dict[str, Any] = {
        "sample": {"all": unchanged} if samples is None else samples,
        "outcome": listed(outcomes, design.outcome),
        "covariates": own_covariates if covariates is None else covariates,
        "comparison": listed(comparisons, design.comparison),
        "base": listed(bases, design.base),
        "anticipation": listed(anticipations, design.anticipation),
        "weight": {design.panel.weight or "none": design.panel.weight} if weights is None else weights,
        "estimator": estimators,
    }
    for axis, values in axes.items():
        if not isinstance(values, Mapping) or not values:
            raise DesignError(f"The axis {axis!r} is a mapping of names to choices, with one at least, not {values!r}.")
    return axes


def _variant(axes: Mapping[str, Mapping[Any, Any]], names: Sequence[Any]) -> Variant:
    chosen = {axis: axes[axis][name] for axis, name in zip(AXES, names, strict=True)}
    choices = {axis: chosen[axis] for axis in ("outcome", "covariates", "comparison", "base", "anticipation")}
    change = Specified(chosen["sample"], choices, chosen["weight"])
    return Variant(dict(zip(AXES, names, strict=True)), change, chosen["estimator"])


def _repeats(table: pd.DataFrame) -> pd.Series[bool]:
    """Return whether a row has the numbers of an earlier one, up to rounding, with the same sample, outcome and estimator."""
    numbers = table[["estimate", "std_error"]].map(lambda value: f"{value:.9g}")
    same = pd.concat([table[["sample", "outcome", "estimator", "observations"]], numbers], axis=1).duplicated()
    return same & (table["refused"] == "")


def _per_cent(table: pd.DataFrame, scale: Mapping[str, Scale]) -> pd.DataFrame:
    if not scale:
        return table
    columns = {}
    for name, source in (("per_cent", "estimate"), ("per_cent_low", "conf_low"), ("per_cent_high", "conf_high")):
        values = zip(table["outcome"], table[source], strict=True)
        columns[name] = [in_per_cent(value, scale[outcome]) if outcome in scale else np.nan for outcome, value in values]
    return table.assign(**columns)


def in_per_cent(effect: float, scale: Scale) -> float:
    """Return an effect in per cent: of a level, or from logs.

    >>> in_per_cent(120.0, 8000.0), round(in_per_cent(0.1, "log"), 2)
    (1.5, 10.52)
    """
    return float(100 * np.expm1(effect)) if isinstance(scale, str) else float(100 * effect / scale)


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for outcome, of_outcome in table.groupby("outcome", sort=False):
        every = of_outcome[of_outcome["refused"] == ""]
        told = every[~every["repeats"]]
        effect = told["estimate"]
        positive = effect > 0
        row = {
            "outcome": outcome,
            "estimated": len(every),
            "repeated": len(every) - len(told),
            "refused": len(of_outcome) - len(every),
            "median": effect.median(),
            "smallest": effect.min(),
            "largest": effect.max(),
            "median_per_cent": told["per_cent"].median() if "per_cent" in told else np.nan,
            "share_positive": positive.mean(),
            "share_significant": told["significant"].mean(),
            "share_positive_significant": (told["significant"] & positive).mean(),
        }
        rows.append(row)
    return pd.DataFrame(rows)
