"""What would overturn an effect, as a picture: its range by how far the groups would have drifted apart anyway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import numerals
from evalkit.errors import ReportError, first_five
from evalkit.inference.honest import Honest
from evalkit.plots.given import coverage, factor, judged, numbered
from evalkit.plots.look import BAND, COMPARISON, INK, TREATED, WARNING, WIDE, axes_for, is_narrow, look, value_ticks
from evalkit.plots.notes import key
from evalkit.plots.texts import across, money, ranged, sentence
from evalkit.words import catalogue

SOURCE = 'ek.honest(path, restriction="drift", base_income=...)'
COLUMNS = ("size", "conf_low", "conf_high")
DENSE = 12  # from so many sizes on, the table is a curve and single sizes are not marked


@dataclass(frozen=True)
class Curve:
    """The range of an effect by the size of a violation, all in the units of the picture's axes."""

    table: pd.DataFrame
    x: str
    scale: str
    estimate: float | None
    breakdown: float | None
    largest_before: float | None
    level: float


def plot_sensitivity(
    bounds: Honest | pd.DataFrame,
    *,
    estimate: float | None = None,
    breakdown: float | None = None,
    largest_before: float | None = None,
    level: float | None = None,
    lang: str = "zh",
    scale: str = "log",
    unit: str | None = None,
    noun: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float = 3.6,
) -> Axes:
    """Return the range of an effect by the size of the violation of parallel trends, with the size at which it reaches zero.

    Parameters
    ----------
    bounds : Honest or DataFrame
        What :func:`evalkit.honest` returns. Where it knows yuan, effects are drawn in yuan, and so are sizes under the restriction
        "drift": yuan of yearly drift. Or a frame with ``size`` (yearly drift), ``conf_low`` and ``conf_high``, all in money.
    estimate, breakdown, largest_before, level : of a frame, in its unit; an Honest knows its own
    lang, simulated, axes, width, height : as in :func:`evalkit.plots.event_study.plot_event_study`
    scale : the outcome's, "log" or "level", where no yuan are known
    unit, noun : what money is counted in: yuan per person per year, and yuan, without them

    Raises
    ------
    ReportError
        For frames without these columns, and bounds of which no size has an interval.

    Notes
    -----
    Between the sizes of the table the range is drawn straight, and the sizes are marked where they are few. Where an end is open
    an arrow leaves the picture; sizes that the data contradict are crossed on the axis: none is left out.

    Examples
    --------
    >>> import evalkit as ek
    >>> path = ek.aggregate(ek.GroupTime()(ek.example_design()), by="event_time")
    >>> axes = plot_sensitivity(ek.honest(path, restriction="drift", base_income=8000), lang="en")
    >>> axes.get_xlabel()
    'Yearly drift anyway (yuan)'
    """
    if isinstance(bounds, Honest):
        curve = _of_honest(bounds, scale)
    else:
        table = numbered(judged(bounds, COLUMNS, SOURCE), ("size",), "size", COLUMNS[1:])
        curve = Curve(table, "drift", "yuan", estimate, breakdown, largest_before, coverage(table, level))
    finite = ranged(curve.table).sort_values("size")
    if finite.empty:
        raise ReportError(
            f"No size of the table has an interval with two ends: {first_five(curve.table['size'])}. Ask for smaller sizes."
        )
    yuan = noun or catalogue(lang).say("plot.sensitivity.yuan")
    with look():
        axes = axes_for(axes, lang, simulated, "firmness", width, height)
        _range(axes, finite, sentence(lang, "figure.firmness.range", level=numerals.whole_percent(curve.level)))
        axes.axhline(0, color=INK, linewidth=0.8)
        _marks(axes, curve, lang, yuan)
        if curve.estimate is not None:
            label = sentence(lang, "figure.firmness.estimate")
            axes.plot([0], [curve.estimate], "D", color=TREATED, markersize=6, clip_on=False, label=label)
        axes.set_xlim(0, 1.0 * float(curve.table["size"].max()) or 1.0)
        axes.margins(y=0.08)
        _outside(axes, curve.table, lang)
        title = (
            sentence(lang, "figure.firmness.y", money=money(lang, unit))
            if curve.scale == "yuan"
            else sentence(lang, f"axis.{curve.scale}", money=money(lang, unit))
        )
        axes.set_title(title)
        axes.set_xlabel(
            across(
                axes,
                sentence(lang, "figure.firmness.x", noun=yuan)
                if curve.x == "drift"
                else sentence(lang, f"plot.sensitivity.{curve.x}"),
            )
        )
        value_ticks(axes.yaxis, "level" if curve.scale == "yuan" else curve.scale)
        value_ticks(axes.xaxis, "level" if curve.x == "drift" else "log", 5 if is_narrow(axes) else 8)
        key(axes)
    return axes


def _of_honest(bounds: Honest, scale: str) -> Curve:
    """Return bounds in yuan where they know yuan; of sizes only a drift is money."""
    table, times = bounds.table, factor(scale)
    if "conf_low_yuan" not in table:
        ends = {name: times * table[name] for name in ("conf_low", "conf_high")}
        x = {"drift": "drift_in_outcome"}.get(bounds.restriction, bounds.restriction.replace(" ", "_"))
        in_outcome = times if bounds.restriction in ("drift", "smoothness") else 1.0
        before = (
            None
            if bounds.largest_before is None or bounds.restriction not in ("drift", "smoothness")
            else times * bounds.largest_before
        )
        return Curve(
            table.assign(size=in_outcome * table["size"], **ends),
            x,
            scale,
            times * bounds.estimate,
            in_outcome * bounds.breakdown,
            before,
            bounds.level,
        )
    in_yuan = table.assign(conf_low=table["conf_low_yuan"], conf_high=table["conf_high_yuan"])
    convert = _converter(bounds)
    estimate = convert(bounds.estimate)
    if bounds.restriction != "drift":
        x = bounds.restriction.replace(" ", "_")
        return Curve(in_yuan, x, "yuan", estimate, bounds.breakdown, None, bounds.level)
    sizes = in_yuan.assign(size=[convert(size) for size in table["size"]])
    return Curve(sizes, "drift", "yuan", estimate, bounds.breakdown_yuan, bounds.largest_before_yuan, bounds.level)


def _converter(bounds: Honest) -> Any:
    """Return the conversion of the outcome into yuan, read off the table: base income times (exp(d) - 1), or nothing for levels."""
    ends = np.concatenate([bounds.table[name].to_numpy(float) for name in ("conf_low", "conf_high")])
    yuan = np.concatenate([bounds.table[f"{name}_yuan"].to_numpy(float) for name in ("conf_low", "conf_high")])
    known = np.isfinite(ends) & np.isfinite(yuan) & (np.abs(ends) > 1e-9)
    if not known.any():
        raise ReportError("No size of the table has an interval, so its yuan cannot be read. Ask for smaller sizes.")
    end, money_of = ends[known][0], yuan[known][0]
    if np.allclose(ends[known], yuan[known], rtol=1e-12, atol=0):
        return float
    base = money_of / np.expm1(end)
    return lambda value: float(base * np.expm1(value))


def _range(axes: Axes, finite: pd.DataFrame, label: str) -> None:
    """Draw the range as an area with its edges, and where sizes are few, each size as a bar with two ends."""
    size, low, high = (finite[name].to_numpy(float) for name in COLUMNS)
    axes.fill_between(size, low, high, color=BAND, linewidth=0, label=label)
    for end in (low, high):
        axes.plot(size, end, color=TREATED, linewidth=1.3)
    if len(finite) < DENSE:
        axes.vlines(size, low, high, color=TREATED, linewidth=1.3)
        axes.plot(
            np.tile(size, 2), np.concatenate([low, high]), "_", color=TREATED, markersize=8, markeredgewidth=1.3, clip_on=False
        )


def _marks(axes: Axes, curve: Curve, lang: str, noun: str) -> None:
    """Mark the largest difference before the start by dots, and the size that undoes the effect by dashes."""
    marks: tuple[tuple[str, float | None, Any, str], ...] = (
        ("before", curve.largest_before, (0, (1, 2)), COMPARISON),
        ("breakdown", curve.breakdown, (0, (5, 2)), WARNING),
    )
    largest = float(curve.table["size"].max())
    for name, value, style, color in marks:
        if not value or not np.isfinite(value):
            continue
        amount = numerals.money(value) if curve.x == "drift" else numerals.fixed(value, 2)
        label = sentence(lang, f"figure.firmness.{name}", amount=amount, noun=noun if curve.x == "drift" else "").rstrip()
        if value > largest:
            axes.plot(
                [], [], color=color, linestyle=style, linewidth=1.5, label=sentence(lang, "plot.sensitivity.beyond", mark=label)
            )
        else:
            axes.axvline(value, color=color, linestyle=style, linewidth=1.5, label=label)


def _outside(axes: Axes, table: pd.DataFrame, lang: str) -> None:
    """Mark sizes whose range is open by arrows at the edge, and sizes that the data contradict by crosses."""
    low, high = table["conf_low"].astype(float), table["conf_high"].astype(float)
    empty = low.isna() | high.isna()
    across = axes.get_xaxis_transform()
    if empty.any():
        sizes = table["size"][empty]
        axes.plot(sizes, [0.02] * len(sizes), "x", color=WARNING, transform=across, label=sentence(lang, "plot.sensitivity.empty"))
    label = sentence(lang, "plot.sensitivity.open")
    for ends, at, shape in ((high, 0.98, "^"), (low, 0.02, "v")):
        sizes = table["size"][np.isinf(ends)]
        if len(sizes):
            axes.plot(sizes, [at] * len(sizes), shape, color=TREATED, transform=across, label=label)
            label = "_"
