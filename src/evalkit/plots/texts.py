"""The words in a picture: sentences of the catalogue begun with a capital letter, years that fit, and ranges."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit.errors import ReportError, first_five
from evalkit.plots.given import floats, said
from evalkit.plots.look import is_narrow
from evalkit.plots.notes import broken, room
from evalkit.words import catalogue


def sentence(lang: str, key: str, /, **facts: object) -> str:
    """Return a sentence of the catalogue, begun with a capital letter.

    >>> sentence("en", "figure.event_study.starts")
    'Start'
    """
    text = catalogue(lang).say(key, **facts)
    return text[:1].upper() + text[1:]


def money(lang: str, unit: str | None) -> str:
    """Return the unit of money: the caller's, or yuan per person per year."""
    return unit or catalogue(lang).say("plot_b.unit_level")


def span(lang: str, low: float, high: float, scale: str) -> str:
    """Return an interval as figures show it.

    >>> span("en", 0.021, 0.084, "log")
    '[2.1, 8.4]'
    """
    return catalogue(lang).say("language.interval", low=said(low, scale), high=said(high, scale))


def year_ticks(axes: Axes, years: Iterable[int], wide: int = 14, narrow: int = 6) -> None:
    """Mark as many years as fit, the last one always among them."""
    backwards = sorted(set(years), reverse=True)
    step = math.ceil(len(backwards) / (narrow if is_narrow(axes) else wide))
    axes.set_xticks(backwards[::step], [str(year) for year in backwards[::step]])


def whole(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a table whose column holds whole numbers, or refuse it.

    Raises
    ------
    ReportError
        For cells that are no whole numbers, and for a number that stands in two rows.
    """
    values = floats(frame[column])
    bad = ~np.isfinite(values) | (values != np.round(np.nan_to_num(values)))
    if bad.any():
        raise ReportError(
            f"{column!r} must hold whole numbers; {int(bad.sum())} rows do not: {first_five(frame[column][bad])}. A year is 2016, no date."
        )
    return frame.assign(**{column: values.astype(int)})


def across(axes: Axes, text: str) -> str:
    """Return the label of a horizontal axis in lines that fit below it."""
    return broken(text, 0.9 * room(axes, 9))


def ranged(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have an interval with two ends."""
    two_ended = np.isfinite(frame["conf_low"].to_numpy(float)) & np.isfinite(frame["conf_high"].to_numpy(float))
    kept: pd.DataFrame = frame.loc[two_ended]
    return kept
