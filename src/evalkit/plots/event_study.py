"""An event study as a picture: the gap between treated and comparison by years since the start."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes

from evalkit import numerals
from evalkit.errors import ReportError, first_five
from evalkit.plots.given import coverage, factor, judged, marked, numbered
from evalkit.plots.look import BAND, INK, TREATED, WIDE, axes_for, is_narrow, look, value_ticks
from evalkit.plots.notes import key
from evalkit.plots.texts import across, money, ranged, sentence, whole

SOURCE = 'ek.infer(ek.aggregate(cells, by="event_time"))'
COLUMNS = ("event_time", "estimate", "conf_low", "conf_high")


def plot_event_study(
    path: pd.DataFrame,
    *,
    band: pd.DataFrame | None = None,
    lang: str = "zh",
    scale: str = "log",
    unit: str | None = None,
    level: float | None = None,
    ranges: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float = 3.9,
) -> Axes:
    """Return the effects by years since the start: hollow dots before it, filled ones after, thin lines for single years.

    Parameters
    ----------
    path : DataFrame
        ``event_time``, ``estimate``, ``conf_low``, ``conf_high`` and, if there is one, ``reference`` (true where the effect is zero
        by definition), as ``ek.infer(ek.aggregate(cells, by="event_time"))`` returns. Rows without an event time, such as its average,
        are not drawn. A table inferred with ``band="uniform"`` is drawn as a band.
    band : the same with simultaneous ranges, drawn as wide pale bars behind the ranges of single years
    lang : "zh" or "en"
    scale : "log" (drawn as log points x 100) or "level"
    unit : the unit of a level; yuan per person per year without it
    level : coverage of the ranges; the column ``level`` of the table, or 0.95, without it
    ranges : what the thin lines are called in the key; pointwise intervals without it
    simulated : whether the picture says that the data are simulated
    axes : the caller's axes; a new picture of ``width`` x ``height`` inches without them

    Raises
    ------
    ReportError
        For frames without these columns, an event time that stands there twice, and estimates that are no numbers.

    Examples
    --------
    >>> import evalkit as ek
    >>> path = ek.aggregate(ek.GroupTime()(ek.example_design()), by="event_time")
    >>> axes = plot_event_study(ek.infer(path), band=ek.infer(path, band="uniform", seed=7), lang="en")
    >>> axes.get_xlabel()
    'Years since the start (0 is the first year)'
    """
    told, times = _judged(path), factor(scale)
    bars = None if band is None else _judged(band)
    if bars is None and "band" in told and (told["band"] == "uniform").any():
        told, bars = told.assign(conf_low=math.nan, conf_high=math.nan), told
    percent = numerals.whole_percent(coverage(told, level))
    reference = marked(told, "reference")
    with look():
        axes = axes_for(axes, lang, simulated, "event_study", width, height)
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.axvline(-0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        if bars is not None:
            _band(
                axes,
                bars[~bars["event_time"].isin(told["event_time"][reference])],
                times,
                sentence(lang, "figure.event_study.band", level=percent),
            )
        _points(axes, told[~reference], times, lang, ranges or sentence(lang, "figure.event_study.pointwise", level=percent))
        _reference(axes, told["event_time"][reference], lang)
        _ticks(axes, told["event_time"], told["event_time"][reference], lang)
        axes.set_title(sentence(lang, f"axis.{scale}", money=money(lang, unit)))
        axes.set_xlabel(across(axes, sentence(lang, "figure.event_study.x")))
        value_ticks(axes.yaxis, scale)
        axes.annotate(
            sentence(lang, "figure.event_study.starts"), (-0.5, 1), xycoords=("data", "axes fraction"),
            xytext=(4, -2), textcoords="offset points", va="top", fontsize=8.5,
        )  # fmt: skip
        key(axes)
    return axes


def _judged(path: pd.DataFrame) -> pd.DataFrame:
    table = judged(path, COLUMNS, SOURCE)
    table = table[table["event_time"].notna()]
    if table.empty:
        raise ReportError(f"No row has an event time, so there is no path to draw. Such a table comes from {SOURCE}.")
    table = numbered(table, ("estimate",), "event_time", COLUMNS[2:])
    table = whole(table, "event_time").sort_values("event_time", ignore_index=True)
    if (twice := table["event_time"].duplicated()).any():
        raise ReportError(
            f"These event times stand in several rows: {first_five(table['event_time'][twice].unique())}. One path has one row for "
            f"each event time: {SOURCE}; several cohorts are for plot_cohort_paths."
        )
    return table


def _band(axes: Axes, bars: pd.DataFrame, times: float, label: str) -> None:
    kept = ranged(bars)
    if len(kept):
        low, high = times * kept["conf_low"].to_numpy(float), times * kept["conf_high"].to_numpy(float)
        axes.bar(kept["event_time"], high - low, 0.56, low, color=BAND, edgecolor="#9db4ca", linewidth=0.6, label=label)


def _points(axes: Axes, told: pd.DataFrame, times: float, lang: str, ranges: str) -> None:
    """Draw thin lines for single years, and dots: hollow before the start, filled after it."""
    kept = ranged(told)
    if len(kept):
        axes.vlines(
            kept["event_time"], times * kept["conf_low"], times * kept["conf_high"], color=TREATED, linewidth=1.3, label=ranges
        )
    for name, face, side in (("before", "white", told["event_time"] < 0), ("after", TREATED, told["event_time"] >= 0)):
        if side.any():
            axes.plot(
                told["event_time"][side], times * told["estimate"][side], "o", markersize=5.5, color=TREATED, markerfacecolor=face,
                markeredgewidth=1.3, label=sentence(lang, f"figure.event_study.estimate_{name}"),
            )  # fmt: skip


def _reference(axes: Axes, references: pd.Series[int], lang: str) -> None:
    if len(references):
        label = sentence(lang, "figure.event_study.reference", event_time=numerals.fixed(int(references.max())))
        axes.plot(references, [0] * len(references), "D", markersize=6, markerfacecolor="white", color=INK, label=label)


def _ticks(axes: Axes, event_times: pd.Series[int], references: pd.Series[int], lang: str) -> None:
    """Mark as many event times as fit, the reference always among them and named."""
    low, high = int(event_times.min()), int(event_times.max())
    named = int(references.max()) if len(references) else None
    step = math.ceil((high - low + 1) / (9 if is_narrow(axes) else 16))
    shown = [
        time
        for time in range(low, high + 1)
        if time == named or (time % step == 0 and abs(time - (named or time + step)) >= step / 2)
    ]
    tick = sentence(lang, "figure.event_study.reference_tick")
    tick = tick[:1].lower() + tick[1:]
    labels = [numerals.fixed(time) + (f"\n{tick}" if time == named else "") for time in shown]
    axes.set_xticks(shown, labels, linespacing=1.5)
    axes.set_xlim(min(low, 0) - 0.6, max(high, -1) + 0.6)  # the start is always in the picture
