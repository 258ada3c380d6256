"""Several estimates with their intervals, one below the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit.errors import ReportError, unknown
from evalkit.plots.given import factor, judged, numbered, said
from evalkit.plots.look import INK, TREATED, WIDE, axes_for, is_narrow, judge_axes, look, value_ticks
from evalkit.plots.notes import broken
from evalkit.plots.texts import across, money, sentence, span
from evalkit.plots.vector import text_width
from evalkit.words import catalogue

SOURCE = "ek.infer(ek.compare(design).estimate)"
COLUMNS = ("estimate", "conf_low", "conf_high")
ROLES = ("main", "other", "published")
GREY, SMALL = "#5b646e", 7.5
# Inches: from the estimate up to its name, for each line of details, and from there to the estimate above.
FIRST, DETAIL, AROUND = 0.20, 0.14, 0.22


def plot_forest(
    estimates: pd.DataFrame,
    *,
    names: Mapping[str, str] | None = None,
    lang: str = "zh",
    scale: str = "log",
    unit: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float | None = None,
) -> Axes:
    """Return estimates with their intervals, one below the other in the order given: estimators, groups or cohorts.

    Parameters
    ----------
    estimates : DataFrame
        ``estimate``, ``conf_low`` and ``conf_high`` (absent numbers where there is no interval), as ``ek.infer`` returns. A row is
        called by its ``name``, else by its ``cohort``; ``detail`` is a smaller line below it, ``role`` the shape: "main" (a filled
        diamond), "other" (a hollow dot) or "published" (a hollow square). Columns that are not there are not needed.
    names : what readers call a ``name``; estimators have their names already
    lang, scale, unit, simulated, axes, width : as in :func:`evalkit.plots.event_study.plot_event_study`
    height : inches of a new picture; without it as many as the rows need

    Raises
    ------
    ReportError
        For frames without these columns, unknown roles, and estimates that are no numbers.

    Examples
    --------
    >>> import evalkit as ek
    >>> both = ek.compare(ek.example_design(), {"two_way": ek.TwoWay(), "group_time": ek.GroupTime()})
    >>> axes = plot_forest(ek.infer(both.estimate), lang="en")
    >>> [text.get_text() for text in axes.texts][0]
    'Two-way fixed effects'
    """
    table, times = _judged(estimates), factor(scale)
    called = [_called(row, dict(names or {}), lang) for row in table.to_dict("records")]
    with look():
        narrow_text = 72 * width if axes is None else 0.98 * 72 * _inches(axes)
        details = [_lines(row, narrow_text) for row in table.to_dict("records")]
        most = max(detail.count("\n") + 1 if detail else 0 for detail in details)
        pitch = FIRST + DETAIL * most + AROUND
        axes = axes_for(axes, lang, simulated, "estimators", width, height or 0.9 + pitch * len(table))
        axes.grid(False)
        _rows(axes, table, times)
        rows: Iterable[Any] = table.itertuples()
        for place, (name, detail, row) in enumerate(zip(called, details, rows, strict=True)):
            value = said(row.estimate, scale)
            if math.isfinite(row.conf_low) and math.isfinite(row.conf_high):
                value += "  " + span(lang, row.conf_low, row.conf_high, scale)
            _texts(axes, -place, (name, detail, value), most, pitch)
        dividers = -np.arange(1, len(table)) + (FIRST + DETAIL * most + 0.13) / pitch
        axes.hlines(dividers, 0, 1, color="#e4e7eb", linewidth=0.7, transform=axes.get_yaxis_transform())
        axes.set_ylim(-len(table) + 1 - AROUND / pitch / 2, (pitch - AROUND / 2) / pitch)
        axes.margins(x=0.06)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        value_ticks(axes.xaxis, scale, 5 if is_narrow(axes) else 8)
        axes.set_xlabel(across(axes, sentence(lang, f"axis.forest_{scale}", money=money(lang, unit))))
    return axes


def _judged(estimates: pd.DataFrame) -> pd.DataFrame:
    table = judged(estimates, COLUMNS, SOURCE)
    if "name" not in table and "cohort" not in table:
        raise ReportError(
            f"The table has neither 'name' nor 'cohort', so its rows have no names. Such a table comes from {SOURCE}."
        )
    table = numbered(table, ("estimate",), "name" if "name" in table else "cohort", COLUMNS[1:])
    roles = (
        table["role"].astype(object).where(table["role"].notna(), "other")
        if "role" in table
        else pd.Series("other", index=table.index)
    )
    if odd := [role for role in roles.unique() if role not in ROLES]:
        raise ReportError(unknown("role of a row", str(odd[0]), ROLES))
    return table.assign(role=roles)


def _called(row: Mapping[Any, Any], names: Mapping[str, str], lang: str) -> str:
    """Return what a row is called: the caller's name, the estimator's, or its cohort."""
    words, name = catalogue(lang), row.get("name")
    if name in names:
        return names[str(name)]
    if name and words.has(f"estimator.{name}.name"):
        return sentence(lang, f"estimator.{name}.name")
    cohort = row.get("cohort")
    if isinstance(cohort, int | float) and cohort == cohort:
        return sentence(lang, "figure.overlap.panel", year=f"{cohort:g}")
    return sentence(lang, "plot.forest.average") if not name or name == "cohort" else str(name)


def _rows(axes: Axes, table: pd.DataFrame, times: float) -> None:
    """Draw a mark at zero, the interval and the estimate of every row, in few artists."""
    y = -np.arange(len(table), dtype=float)
    axes.vlines(np.zeros(len(table)), y - 0.16, y + 0.16, color=INK, linewidth=0.9)
    main = (table["role"] == "main").to_numpy()
    low, high = times * table["conf_low"].to_numpy(), times * table["conf_high"].to_numpy()
    known = np.isfinite(low) & np.isfinite(high)
    axes.hlines(y[known], low[known], high[known], color=TREATED, linewidth=np.where(main, 2.2, 1.3)[known])
    for role, shape in (("main", "D"), ("other", "o"), ("published", "s")):
        chosen = (table["role"] == role).to_numpy()
        if chosen.any():
            face, size = (TREATED, 7) if role == "main" else ("white", 6)
            estimates = times * table["estimate"].to_numpy()[chosen]
            axes.plot(estimates, y[chosen], shape, color=TREATED, markerfacecolor=face, markersize=size)


def _texts(axes: Axes, y: float, texts: tuple[str, str, str], most: int, pitch: float) -> None:
    """Write the name of a row above it at the left, its numbers at the right, its details below the name."""
    side, (name, detail, value) = axes.get_yaxis_transform(), texts
    above = y + (FIRST + DETAIL * most) / pitch
    looks: dict[str, Any] = {"transform": side, "va": "center", "in_layout": False}
    axes.text(0, above, name, fontsize=9, **looks)
    axes.text(1, above, value, ha="right", fontsize=8.5, **looks)
    if detail:
        axes.text(0, above - 0.085 / pitch, detail, color=GREY, fontsize=SMALL, **{**looks, "va": "top"})


def _lines(row: Mapping[Any, Any], width: float) -> str:
    """Return the details of a row in lines that fit into a width in points."""
    detail = row.get("detail")
    if not isinstance(detail, str) or not detail:
        return ""
    return detail if text_width(detail, SMALL) <= 0.96 * width else broken(detail, 0.96 * width / SMALL)


def _inches(axes: Axes) -> float:
    judge_axes(axes)
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(axes.get_position().width * figure.get_figwidth())
