"""One estimator on changed designs, a row for each: what it found, what left the sample, or why it refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, EstimateError, EvalkitError, first_five
from evalkit.estimate import Estimate, cell_frame
from evalkit.income_components import named_effects
from evalkit.inference.linear import infer
from evalkit.parallel import Map
from evalkit.subset import on_rows_of

Array = np.ndarray[Any, Any]
Estimator = Callable[[Design], Estimate]
Change = Callable[[Design], Design]

COUNTS = ("units", "treated_units", "observations", "units_left_out", "rows_left_out", "rows_changed", "cohorts_changed")
NUMBERS = ("estimate", "std_error", "conf_low", "conf_high", "p_value")
DIFFERENCE = ("difference", "difference_std_error", "difference_p_value")
NOTHING = "There is no estimate."
SAME = "It is the main estimate."
SINGLE = "It rests on cohorts of a single treated unit, whose noise cannot be learned."
NOISELESS = "Outcomes do not vary beyond unit and period, so there is no noise to learn from."
NOISE = 1e-12  # of the largest outcome: a standard error no larger is rounding
ROUNDING = 1e-9  # relative: a difference that small is the arithmetic of two routes


def unchanged(design: Design) -> Design:
    """Return the design itself."""
    return design


def one_effect(estimate: Estimate) -> Estimate:
    """Return the one effect of an estimate: its only parameter, its overall effect, or the average of its group-time effects.

    Raises EstimateError when there is none or more than one.
    """
    if not isinstance(estimate, Estimate):
        raise EstimateError(f"An estimator returns an Estimate, not a {type(estimate).__name__}.")
    if len(estimate.theta) == 1:
        return estimate
    kinds = set(estimate.cells["kind"])
    found = named_effects(estimate, "overall", "") if kinds & {"overall", "group_time"} else estimate
    if len(found.theta) != 1:
        raise EstimateError(
            f"One row holds one effect; this estimate has {len(found.theta)} ({', '.join(sorted(kinds))}). Choose one, for example "
            "lambda design: aggregate(GroupTime()(design), by='overall')."
        )
    return found


@dataclass(frozen=True)
class Variant:
    """A change of the design, the estimator called on it, and what the row is called.

    Attributes
    ----------
    labels : column -> value
    change : Design -> Design, or an evalkit error that says why it cannot be
    estimator : Design -> Estimate
    """

    labels: Mapping[str, object]
    change: Change
    estimator: Estimator


@dataclass(frozen=True, eq=False)
class Found:
    """What one variant gave: an estimate of one parameter or the reason for none, its sample, and the size of its outcomes."""

    estimate: Estimate | None
    refused: str
    counts: Mapping[str, int | None]
    size: float = 0.0

    @property
    def rounding(self) -> float:
        """What is no larger is rounding, next to the largest outcome."""
        return NOISE * self.size


@dataclass(frozen=True, eq=False)
class Run:
    """A variant estimated from the main design: the task that goes to a map."""

    design: Design

    def __call__(self, variant: Variant) -> Found:
        """Return what the variant gave."""
        counts: dict[str, int | None] = dict.fromkeys(COUNTS)
        try:
            changed = variant.change(self.design)
            if not isinstance(changed, Design):
                raise DesignError(f"A change returns a Design, not a {type(changed).__name__}.")
            counts = counted(self.design, changed)
            return Found(one_effect(variant.estimator(changed)), "", counts, float(np.abs(changed.y).max()))
        except EvalkitError as refusal:
            return Found(None, str(refusal), counts)


def counted(design: Design, changed: Design) -> dict[str, int | None]:
    """Return the sample of a changed design, and what is not as in the first one."""
    if design.panel.unit is None:  # rows without a name that lasts
        unmatched = len(changed.units) != len(design.units)
        moved = None if unmatched else int((changed.cohort != design.cohort).sum())
        left = len(design.units) - len(changed.units)
    else:
        position = pd.Index(design.units).get_indexer(pd.Index(changed.units))
        common = position >= 0
        moved = int((changed.cohort[common] != design.cohort[position[common]]).sum())
        left = len(design.units) - int(common.sum())
    same = changed.outcome == design.outcome and changed.observations == design.observations
    return {
        "units": len(changed.units),
        "treated_units": int(np.isfinite(changed.cohort).sum()),
        "observations": changed.observations,
        "units_left_out": left,
        "rows_left_out": design.observations - changed.observations,
        "rows_changed": int((changed.y != design.y).sum()) if same else None,
        "cohorts_changed": moved,
    }


@dataclass(frozen=True, eq=False)
class Replays:
    """What an estimator found on variants of a design.

    Attributes
    ----------
    table : frame, one row a variant, none dropped
        The labels; estimate, std_error, conf_low, conf_high, p_value, and ``no_error``, the reason why an estimate has no standard
        error (its single treated unit, its single cluster; "" where it has one); units, treated_units, observations, units_left_out,
        rows_left_out, rows_changed (outcomes that differ from the main design's; missing where its rows or outcome are others) and
        cohorts_changed (units that start in another period; missing
        where units have no name that lasts); ``refused``, the reason why there is no estimate ("" where there is one).
        Where variants are set against a main estimate: difference, difference_std_error, difference_p_value, and ``no_difference``,
        the reason why that is not told.
    main : the main estimate of one parameter, None where there is none to compare with
    found : what each variant gave, in the order of the table
    """

    table: pd.DataFrame
    main: Estimate | None = field(repr=False)
    found: tuple[Found, ...] = field(repr=False)

    @property
    def refused(self) -> pd.DataFrame:
        """The rows without an estimate."""
        return self.table[self.table["refused"] != ""]

    @property
    def told(self) -> pd.DataFrame:
        """The rows with an estimate."""
        return self.table[self.table["refused"] == ""]

    def __repr__(self) -> str:
        told = self.told["estimate"]
        span = f", from {told.min():.4g} to {told.max():.4g}" if len(told) else ""
        return f"{len(told)} estimates of {len(self.table)} variants{span}; {len(self.refused)} refused (see .table)"


def replays(
    design: Design,
    variants: Sequence[Variant],
    main: Estimator | None = None,
    *,
    map: Map = map,
    inference: Mapping[str, Any] | None = None,
) -> Replays:
    """Return what every variant gives, beside the main estimate if there is one.

    Parameters
    ----------
    main : the estimator on the unchanged design; every variant's difference to it then has its own standard error
    map : how the estimations are run, see :mod:`evalkit.parallel`
    inference : choices of :func:`evalkit.infer`, such as ``{"cluster": "county_id"}``

    Raises
    ------
    DesignError
        Without variants, and for labels that are names of the table's own columns.
    EstimateError
        When ``inference`` can be used for no estimate at all (an unknown cluster, a level of 95).

    Notes
    -----
    A difference uses the joint influence of both estimates, row by row, so that data they share cancel. It is tested with the main
    estimate's reference distribution, and with G/(G-1) where that has a small-sample factor, unless ``inference`` says otherwise.
    """
    _judge(variants, main)
    choices = dict(inference or {})
    whole = None if main is None else one_effect(main(design))
    if whole is not None:
        infer(whole, **choices)  # choices that cannot be are told before the work
    found = tuple(map(Run(design), variants))
    rows = []
    for variant, one in zip(variants, found, strict=True):
        row = dict(variant.labels) | numbers(one, choices) | dict(one.counts)
        if whole is not None:
            row |= _difference(one.estimate, whole, choices)
        rows.append(row | {"refused": one.refused})
    frame = pd.DataFrame(rows)
    told = [one.estimate for one in found if one.estimate is not None]
    if whole is None and told and frame["std_error"].isna().all():
        infer(told[0], **choices)  # no choices fit no estimate: that is the choices' fault and not a variant's
    return Replays(frame.astype(dict.fromkeys(COUNTS, "Int64")), whole, found)


def _judge(variants: Sequence[Variant], main: Estimator | None) -> None:
    if not variants:
        raise DesignError("There is nothing to estimate: name one variant at least.")
    own = {*NUMBERS, *COUNTS, *DIFFERENCE, "no_error", "refused"}
    if clash := sorted({str(label) for variant in variants for label in variant.labels} & own):
        raise DesignError(f"The table has a column of its own named {first_five(clash)}. Rename that column of the data first.")
    estimators = [main, *(variant.estimator for variant in variants)]
    if odd := [one for one in estimators if one is not None and not callable(one)]:
        raise EstimateError(f"An estimator is called with a design, such as TwoWay(); {odd[0]!r} cannot be called.")


def numbers(found: Found, choices: Mapping[str, Any]) -> dict[str, object]:
    """Return the numbers of one row, and the reason why there is no standard error."""
    row: dict[str, object] = dict.fromkeys(NUMBERS, np.nan)
    if (estimate := found.estimate) is None:
        return row | {"no_error": NOTHING}
    row["estimate"] = float(estimate.theta[0])
    try:
        told = infer(estimate, **choices).iloc[0]
    except EstimateError as refusal:
        return row | {"no_error": str(refusal)}
    if not told["std_error"] > found.rounding:
        return row | {"no_error": SINGLE if np.isnan(told["std_error"]) else NOISELESS}
    return row | {name: float(told[name]) for name in NUMBERS} | {"no_error": ""}


def _difference(estimate: Estimate | None, main: Estimate, choices: Mapping[str, Any]) -> dict[str, object]:
    """Return the difference to the main estimate with its error, or the reason why it is not told."""
    row: dict[str, object] = dict.fromkeys(DIFFERENCE, np.nan) | {"no_difference": ""}
    if estimate is None:
        return row | {"no_difference": NOTHING}
    row["difference"] = float(estimate.theta[0] - main.theta[0])
    try:
        apart = difference(estimate, main)
        if not apart.psi.any():
            return row | {"difference": float(apart.theta[0]), "no_difference": NOISELESS if apart.theta[0] else SAME}
        told = infer(apart, **choices).iloc[0]
    except EstimateError as refusal:
        return row | {"no_difference": str(refusal)}
    reason = SINGLE if np.isnan(told["std_error"]) else ""
    numbers = (row["difference"], float(told["std_error"]), float(told["p_value"]))
    return row | dict(zip(DIFFERENCE, numbers, strict=True)) | {"no_difference": reason}


def difference(estimate: Estimate, main: Estimate) -> Estimate:
    """Return an effect minus the main effect, with the covariance between the two; exact zeros where they are the same.

    Raises EstimateError when the rows of the two cannot be matched.
    """
    both = main.join(on_rows_of(estimate, main.rows))
    contrast = np.array([[-1.0, 1.0]])
    behind = {name: both.cells[name].min() for name in ("units", "noisy_units")}
    cells = cell_frame("difference", 1, **behind)
    apart = both.map(contrast @ both.theta, contrast, cells)
    facts = main.facts
    correction = "none" if facts.correction == "none" else "clusters"
    apart = replace(apart, facts=replace(apart.facts, correction=correction, reference=facts.reference))
    alike = np.abs(apart.theta[0]) <= ROUNDING * np.abs(main.theta[0])
    if alike and np.abs(apart.psi).max() <= ROUNDING * np.abs(main.psi).max():
        return apart.map(np.zeros(1), np.zeros((1, 1)), cells)
    return apart


def constant_in_units(design: Design, name: str) -> tuple[Array, Array]:
    """Return (N,) codes of a column's values in the units, and the values; DesignError when it varies within units."""
    codes, _ = design.codes(name)
    first = codes[design.first_rows]
    if (moved := codes != first[design.unit_index]).any():
        raise DesignError(
            f"{name!r} varies within units: {first_five(np.unique(design.units[design.unit_index[moved]]))}. Use a column that lasts, such "
            "as the county at the start."
        )
    labels = np.empty(int(first.max()) + 1, dtype=object)
    column = design.panel.column(name)
    column = column if design.keep is None else column[design.keep]
    labels[codes] = column.to_numpy()
    return first, labels
