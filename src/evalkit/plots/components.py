"""Which incomes moved, as bars with their ranges, the total last."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from evalkit import numerals
from evalkit.errors import ReportError, first_five
from evalkit.plots.given import judge_names, judged, numbered
from evalkit.plots.look import BAND, INK, TOTAL, TREATED, WIDE, axes_for, is_narrow, look, value_ticks
from evalkit.plots.texts import across, money, sentence, span
from evalkit.words import catalogue

SOURCE = "ek.infer(income_components(design, components, estimator).effects)"
COLUMNS = ("name", "estimate", "conf_low", "conf_high")
LAST = "total"


def plot_components(
    effects: pd.DataFrame,
    *,
    names: Mapping[str, str] | None = None,
    self_generated: tuple[str, ...] = (),
    lang: str = "zh",
    unit: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float | None = None,
) -> Axes:
    """Return the effects on the components of income as bars with their ranges, the total last.

    Parameters
    ----------
    effects : DataFrame
        ``name`` (one of them "total"), ``estimate``, ``conf_low``, ``conf_high`` in money, as
        ``ek.infer(income_components(...).effects)`` returns; rows with an event time are not drawn.
    names : what readers call the components; wage, business, property and transfer have theirs already
    self_generated : the components that households earn themselves, hatched
    unit : of money; yuan per person per year without it
    lang, simulated, axes, width : as in :func:`evalkit.plots.event_study.plot_event_study`
    height : inches of a new picture; without it as many as the rows need

    Raises
    ------
    ReportError
        For frames without these columns or without a total, and for a component that stands there twice or is unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> parts = pd.DataFrame({"name": ["total", "wage", "transfer"], "estimate": [500.0, 420.0, 80.0],
    ...                       "conf_low": [300.0, 250.0, -20.0], "conf_high": [700.0, 590.0, 180.0]})
    >>> axes = plot_components(parts, self_generated=("wage",), lang="en")
    >>> [text.get_text() for text in axes.texts][::2]
    ['Wages', 'Transfers', 'Total']
    """
    table = _judged(effects, self_generated)
    called = [_called(str(name), dict(names or {}), lang) for name in table["name"]]
    with look():
        axes = axes_for(axes, lang, simulated, "components", width, height or 1.0 + 0.56 * len(table))
        axes.grid(False)
        rows: Iterable[Any] = table.itertuples()
        for place, (name, row) in enumerate(zip(called, rows, strict=True)):
            _bar(axes, -place, row, row.name in self_generated)
            value = numerals.money(row.estimate, plus=True)
            if math.isfinite(row.conf_low) and math.isfinite(row.conf_high):
                value += "  " + span(lang, row.conf_low, row.conf_high, "level")
            side = axes.get_yaxis_transform()
            axes.text(0, -place + 0.36, name, transform=side, va="center", fontsize=9)
            axes.text(1, -place + 0.36, value, transform=side, va="center", ha="right", fontsize=8.5)
        axes.axhline(-len(table) + 1.58, color="#5b646e", linewidth=0.8)
        axes.set_ylim(-len(table) + 0.65, 0.66)
        axes.margins(x=0.06)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        value_ticks(axes.xaxis, "level", 5 if is_narrow(axes) else 8)
        axes.set_xlabel(across(axes, sentence(lang, "figure.components.x", money=money(lang, unit))))
    return axes


def _judged(effects: pd.DataFrame, self_generated: tuple[str, ...]) -> pd.DataFrame:
    """Return the components in their order, the total at the end."""
    table = judged(effects, COLUMNS, SOURCE)
    if "event_time" in table:
        table = table[table["event_time"].isna()]
    judge_names(table, "name")
    table = numbered(table, ("estimate",), "name", COLUMNS[2:])
    if (twice := table["name"].duplicated()).any():
        raise ReportError(
            f"These components stand in several rows: {first_five(table['name'][twice].unique())}. Each is drawn once."
        )
    if LAST not in set(table["name"]):
        raise ReportError(f"No row is called {LAST!r}; there are {first_five(table['name'])}. Such a table comes from {SOURCE}.")
    if unknown_ones := [name for name in self_generated if name not in set(table["name"])]:
        raise ReportError(f"There are no components {first_five(unknown_ones)}; there are {first_five(table['name'])}.")
    last = table["name"] == LAST
    return pd.concat([table[~last], table[last]], ignore_index=True)


def _called(name: str, names: Mapping[str, str], lang: str) -> str:
    if name in names:
        return names[name]
    return sentence(lang, f"component.{name}") if catalogue(lang).has(f"component.{name}") else name


def _bar(axes: Axes, y: float, row: Any, earned: bool) -> None:
    """Draw a bar, hatched where it is earned and darker where it is the total, with its range as a line with two ends."""
    face = TOTAL if row.name == LAST else BAND
    axes.barh(y, row.estimate, 0.3, linewidth=0.7, facecolor=face, edgecolor=TREATED, hatch="////" if earned else "")
    axes.vlines(0, y - 0.19, y + 0.19, color=INK, linewidth=0.9)
    if math.isfinite(row.conf_low) and math.isfinite(row.conf_high):
        axes.hlines(y, row.conf_low, row.conf_high, color=INK, linewidth=1.3)
        axes.vlines((row.conf_low, row.conf_high), y - 0.07, y + 0.07, color=INK, linewidth=1.3)
