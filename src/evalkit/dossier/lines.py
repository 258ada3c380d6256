"""Lines of a check, made from estimates and from tables of replays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from evalkit.dossier.checking import Work
from evalkit.dossier_records import Line
from evalkit.estimate import Estimate
from evalkit.intake.personal_patterns import safe
from evalkit.records import Interval, number

REFUSED = "refused"


def line_of(
    work: Work, name: str, estimate: Estimate, words: Mapping[str, str] | None = None, **numbers: float | int | None
) -> Line:
    """Return the line of an estimate of one parameter."""
    return Line(name=name, effect=work.intervals(estimate)[0], numbers=dict(numbers), words=dict(words or {}))


def refused_line(name: str, said: object, words: Mapping[str, str] | None = None, **numbers: float | int | None) -> Line:
    """Return the line of what could not be estimated, with what was said."""
    return Line(name=name, numbers=dict(numbers), words={**(words or {}), "said": safe(str(said))}, reason=REFUSED)


def line_of_row(
    work: Work,
    name: str,
    row: Mapping[Any, Any] | pd.Series[Any],
    words: Mapping[str, str] | None = None,
    **numbers: float | int | None,
) -> Line:
    """Return the line of a row of a table of replays, with its counts; the reason where it was refused."""
    counts: dict[str, float | int | None] = {
        count: whole(row[count]) for count in ("units", "treated_units", "observations", "rows_changed") if count in row
    }
    if row["refused"]:
        return refused_line(name, row["refused"], words, **(counts | numbers))
    told = {"std_error": "std_error", "low": "conf_low", "high": "conf_high", "p_value": "p_value"}
    ends = {} if work.too_few else {end: number(row[column]) for end, column in told.items()}
    said = {"said": safe(row["no_error"])} if row["no_error"] and not work.too_few else {}
    effect = Interval(estimate=float(row["estimate"]), **ends)
    return Line(
        name=name, effect=effect, numbers=counts | numbers, words={**(words or {}), **said}, reason="no_range" if said else ""
    )


def whole(value: Any) -> int | None:
    """Return a count, or None where it is not known."""
    return None if pd.isna(value) else int(value)


def excludes_zero(effect: Interval | None) -> bool:
    """Return whether a range is known and holds no zero."""
    return effect is not None and effect.low is not None and effect.high is not None and (effect.low > 0 or effect.high < 0)


def opposed(work: Work, effect: Interval | None) -> bool:
    """Return whether an estimate speaks against the headline: by its sign, or by its size where that is too small to tell.

    The estimate is in the outcome's unit, as the headline is.
    """
    if effect is None:
        return False
    percent = work.money.percent(effect.estimate)
    return percent is not None and contradicts(work, percent)


def contradicts(work: Work, percent: float) -> bool:
    """Return whether an estimate in per cent of base income speaks against the headline, as the evidence grade counts it."""
    if work.findings.verdict == "small_change":
        return abs(percent) >= work.study.smallest_meaningful_percent
    return percent * work.main < 0


def outside(effect: Interval | None, main: Interval) -> bool:
    """Return whether an estimate lies outside the range of the headline; False where that has none."""
    if effect is None or main.low is None or main.high is None:
        return False
    return not main.low <= effect.estimate <= main.high
