"""What speaks for and against a discontinuity: covariates, false cutoffs, other bandwidths, donuts; each a table of estimates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.cutoffs import NUMBERS
from evalkit.discontinuity import Discontinuity, Fitted, Sample
from evalkit.errors import DesignError, first_five
from evalkit.inference.linear import infer
from evalkit.notices import Notice
from evalkit.panel import Panel

Array = np.ndarray[Any, Any]

COLUMNS = ("estimate", "std_error", "p_value", "conf_low", "conf_high")


@dataclass(frozen=True, eq=False)
class Variants:
    """Estimates of one discontinuity done in several ways.

    Attributes
    ----------
    table : frame with a row per variant: what varied (first column), estimate (bias-corrected), std_error, p_value, conf_low and conf_high
        (robust), bandwidth_left, bandwidth_right, rows_left, rows_right, and refusal, the reason why a variant has no estimate (empty if it has)
    notices : remarks on the sample
    """

    table: pd.DataFrame
    notices: tuple[Notice, ...]


def covariate_continuity(
    discontinuity: Discontinuity,
    data: Panel | pd.DataFrame,
    covariates: Sequence[str],
    cluster: str | None = None,
    level: float = 0.95,
) -> Variants:
    """Return the jumps of characteristics settled before the programme: where the sides are alike there is none.

    Each is put in the outcome's place, without take-up or covariates, with a bandwidth of its own. The density test is not asked, because this
    table is evidence on manipulation too.

    Raises
    ------
    DesignError
        When no covariates are named.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> income = 2736 + np.linspace(-900, 900, 1201)
    >>> frame = pd.DataFrame({"income": income, "gain": 1.0 * (income < 2736), "size": 4 + np.sin(7 * income)})
    >>> line = Discontinuity("income", 2736, "gain", treated="below", other_policies=[])
    >>> bool(covariate_continuity(line, frame, ["size"]).table["p_value"][0] > 0.05)
    True
    """
    if not covariates or isinstance(covariates, str):
        raise DesignError("Name the characteristics that were settled before the programme, as a list: covariates=['size', ...].")
    plain = replace(discontinuity, take_up=None, covariates=())
    variants = []
    for name in covariates:
        one = replace(plain, outcome=name)
        variants.append((name, one, one.sample(data)))
    return _variants("covariate", variants, cluster, level)


def placebo_cutoffs(
    discontinuity: Discontinuity,
    data: Panel | pd.DataFrame,
    cutoffs: Sequence[float],
    cluster: str | None = None,
    level: float = 0.95,
) -> Variants:
    """Return the jumps of the outcome at cutoffs where nothing happens.

    Each uses the rows on its own side of the true cutoff only, so that the true jump is in none of them. Take-up does not enter, a donut
    neither: it belongs to the true line.

    Raises
    ------
    DesignError
        As the discontinuity itself does, and when a false cutoff is the true one.
    """
    cutoffs = _numbers(cutoffs, "cutoffs=[2300, 3200]")
    sample = discontinuity.judged(data)
    truth = discontinuity.cutoff
    if truth in cutoffs:
        raise DesignError(
            f"{truth:g} is the cutoff itself. Placebo cutoffs are others: {first_five(c for c in cutoffs if c != truth) or 'none given'}."
        )
    above = sample.score > truth if discontinuity.cutoff_belongs == "below" else sample.score >= truth
    plain = replace(discontinuity, take_up=None, donut=0.0)
    variants = [(c, replace(plain, cutoff=c), sample.where(above if c > truth else ~above)) for c in cutoffs]
    return _variants("cutoff", variants, cluster, level)


def bandwidth_sensitivity(
    discontinuity: Discontinuity,
    data: Panel | pd.DataFrame,
    factors: Sequence[float] = (0.5, 1.0, 2.0),
    cluster: str | None = None,
    level: float = 0.95,
) -> Variants:
    """Return the effect with both bandwidths multiplied by factors.

    Raises
    ------
    DesignError
        As the discontinuity itself does.
    """
    factors = _numbers(factors, "factors=[0.5, 1, 2]")
    if min(factors) <= 0:
        raise DesignError(f"A bandwidth is multiplied by positive factors, not by {first_five(f for f in factors if f <= 0)}.")
    sample = discontinuity.judged(data)
    chosen = discontinuity.fitted(sample)
    variants = []
    for factor in factors:
        h, b = ((factor * left, factor * right) for left, right in (chosen.h, chosen.b))
        variants.append((factor, replace(discontinuity, bandwidth=h, bias_bandwidth=b), sample))
    return _variants("factor", variants, cluster, level)


def donut_sensitivity(
    discontinuity: Discontinuity,
    data: Panel | pd.DataFrame,
    widths: Sequence[float],
    cluster: str | None = None,
    level: float = 0.95,
) -> Variants:
    """Return the effect without the scores nearest to the cutoff, for several widths: it answers heaping and rounding, not sorting.

    Raises
    ------
    DesignError
        As the discontinuity itself does.
    """
    widths = _numbers(widths, "widths=[0, 50, 100]")
    sample = discontinuity.judged(data)
    variants = [(width, replace(discontinuity, donut=width), sample) for width in widths]
    return _variants("donut", variants, cluster, level)


def _numbers(values: Sequence[float], example: str) -> list[float]:
    """Return a list of numbers that is not empty."""
    listed = list(values) if isinstance(values, (list, tuple, range, np.ndarray, pd.Series)) else []
    if not listed or not all(isinstance(value, NUMBERS) and np.isfinite(value) for value in listed):
        raise DesignError(f"Name one number or more in a list, such as {example}; got {values!r}.")
    return [float(value) for value in listed]


def _variants(what: str, variants: Iterable[tuple[object, Discontinuity, Sample]], cluster: str | None, level: float) -> Variants:
    rows, notices = [], []
    for label, how, sample in variants:
        notices += [notice for notice in sample.notices if notice not in notices]
        try:
            rows.append({what: label} | _row(how.fitted(sample), cluster, level))
        except DesignError as reason:
            rows.append({what: label, "refusal": str(reason)})
    columns = [what, *COLUMNS, "bandwidth_left", "bandwidth_right", "rows_left", "rows_right", "refusal"]
    table = pd.DataFrame(rows, columns=columns)
    kinds: dict[str, Any] = dict.fromkeys(("rows_left", "rows_right"), "Int64")
    kinds |= dict.fromkeys((*COLUMNS, "bandwidth_left", "bandwidth_right"), float)
    return Variants(table.astype(kinds), tuple(notices))


def _row(fitted: Fitted, cluster: str | None, level: float) -> dict[str, object]:
    robust = fitted.estimate.select(kind="discontinuity", name="bias_corrected")
    told = infer(robust, cluster=cluster, level=level).iloc[0]
    sides = {
        "bandwidth_left": fitted.h[0],
        "bandwidth_right": fitted.h[1],
        "rows_left": fitted.within[0],
        "rows_right": fitted.within[1],
    }
    return {name: float(told[name]) for name in COLUMNS} | sides | {"refusal": ""}
