"""A caterpillar: the same effect in many counties with its intervals; ordered by estimate to be read, and no ranking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit.errors import ReportError, first_five
from evalkit.plots.given import factor, judge_names, judged, numbered, said, unit_of
from evalkit.plots.look import BAND, COMPARISON, INK, TREATED, WIDE, axes_for, is_narrow, look, value_ticks
from evalkit.plots.notes import ems, key, label
from evalkit.words import catalogue

SOURCE = "one estimate a county, for example evalkit.one_unit(design, unit) or evalkit.infer(...) of each county's own study"
NAMED = 60  # rows above which nobody is named
ROW, THIN, TALLEST = 0.165, 0.055, 7.0  # inches: a row with names, one without, and all rows without names
SMALLEST = 4.5  # points: names that are smaller cannot be read


def plot_caterpillar(
    table: pd.DataFrame,
    *,
    overall: Sequence[float] | None = None,
    lang: str = "zh",
    scale: str = "log",
    unit: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float | None = None,
) -> Axes:
    """Return one effect a county with its interval, in the order of the estimates, which the picture itself says is no ranking.

    Parameters
    ----------
    table : DataFrame
        ``name`` (of the county), ``estimate``, ``conf_low`` and ``conf_high`` (missing where there is no interval), and where there is
        one ``shrunken``, the estimate drawn towards the others.
    overall : estimate, lower and upper end of the effect over all counties, drawn as a band
    lang, scale, unit, simulated, axes, width, height : as in :func:`evalkit.plots.bacon.plot_bacon`; the height follows the counties
        without one

    Raises
    ------
    ReportError
        For frames without these columns, names that stand twice, missing estimates, intervals that do not hold their estimate, and an
        overall effect that is not three numbers in order.

    Notes
    -----
    Names are written for up to sixty counties, and beyond that, or where the caller's axes leave no room, for none: naming some
    would single them out. No place in the order is ever numbered.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"name": ["甲县", "乙县"], "estimate": [0.06, 0.02], "conf_low": [0.01, -0.03], "conf_high": [0.11, 0.07]})
    >>> [label.get_text() for label in plot_caterpillar(frame).get_yticklabels()]
    ['甲县', '乙县']
    """
    words, times, rows = catalogue(lang), factor(scale), _rows(table)
    band = _judged_overall(overall)
    count = len(rows)
    with look():
        axes = axes_for(
            axes,
            lang,
            simulated,
            "caterpillar",
            width,
            height or 1.5 + (ROW * count if count <= NAMED else min(THIN * count, TALLEST)),
        )
        axes.grid(False)
        if band is not None:
            told = words.say(
                "plot.caterpillar.overall", value=said(band[0], scale), low=said(band[1], scale), high=said(band[2], scale)
            )
            axes.axvspan(times * band[1], times * band[2], facecolor=BAND, edgecolor="none", alpha=0.6, zorder=0.5)
            axes.axvline(times * band[0], color=TREATED, linestyle=(0, (5, 2)), linewidth=1.2, label=told)
        axes.axvline(0, color=INK, linewidth=0.9)
        _intervals(axes, rows, times, words.say("plot_b.interval"), words.say("plot.caterpillar.estimate"))
        if "shrunken" in rows:
            values, told = times * rows["shrunken"], words.say("plot.caterpillar.shrunken")
            axes.plot(
                values, -rows.index, "D", color=COMPARISON, markerfacecolor="white", markersize=3.4, linestyle="none", label=told
            )
        axes.set_ylim(-count + 0.3, 0.7)
        named = _write_names(axes, rows["name"].tolist())
        axes.margins(x=0.04)
        value_ticks(axes.xaxis, scale, 5 if is_narrow(axes) else 8)
        taken = 3 + max(map(ems, rows["name"])) if named else 0
        label(axes, below=words.say("plot.caterpillar.x", unit=unit_of(words, scale, unit)), taken=taken)
        without = int(rows["conf_low"].isna().sum())
        key(
            axes,
            words.say(f"plot.caterpillar.{'note' if _all_overlap(rows) else 'note_apart'}"),
            "" if named else words.say("plot.caterpillar.unnamed", count=f"{count:,}"),
            words.say("plot.caterpillar.without", count=f"{without:,}") if without else "",
        )
    return axes


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows from the largest estimate to the smallest, ties by name."""
    given = judged(table, ("name", "estimate", "conf_low", "conf_high"), SOURCE)
    judge_names(given, "name")
    needed = [name for name in ("estimate", "shrunken") if name in given]
    given = numbered(given, needed, "name", ("conf_low", "conf_high")).astype({"name": str})
    if (twice := given["name"].duplicated()).any():
        raise ReportError(
            f"Names stand twice: {first_five(given['name'][twice].unique())}. One row a county; add the prefecture to names alike."
        )
    low, high, value = (given[name].to_numpy(dtype=float) for name in ("conf_low", "conf_high", "estimate"))
    wrong = (np.isnan(low) != np.isnan(high)) | (low > value) | (high < value)
    if wrong.any():
        raise ReportError(
            f"The interval does not hold its estimate in {int(wrong.sum()):,} rows: {first_five(given['name'][wrong])}."
        )
    given.loc[~np.isfinite(low) | ~np.isfinite(high), ["conf_low", "conf_high"]] = np.nan
    return given.sort_values(["estimate", "name"], ascending=[False, True], kind="stable", ignore_index=True)


def _all_overlap(rows: pd.DataFrame) -> bool:
    """Return whether the intervals of all neighbours overlap."""
    told = rows[rows["conf_low"].notna()]
    low, high = told["conf_low"].to_numpy(dtype=float), told["conf_high"].to_numpy(dtype=float)
    return bool((low[:-1] <= high[1:]).all() and (low[1:] <= high[:-1]).all())


def _judged_overall(overall: Sequence[float] | None) -> tuple[float, float, float] | None:
    if overall is None:
        return None
    values = [float(value) for value in overall]
    if len(values) != 3 or not values[1] <= values[0] <= values[2]:
        raise ReportError(f"The overall effect is three numbers, estimate, lower and upper end, not {overall!r}.")
    return values[0], values[1], values[2]


def _intervals(axes: Axes, rows: pd.DataFrame, times: float, interval: str, estimate: str) -> None:
    ranged = rows["conf_low"].notna()
    thick, dot = (1.3, 4.2) if len(rows) <= NAMED else (0.7, 2.2)
    if ranged.any():
        low, high = (times * rows.loc[ranged, name] for name in ("conf_low", "conf_high"))
        axes.hlines(-rows.index[ranged].to_numpy(), low, high, color=TREATED, linewidth=thick, label=interval)
    axes.plot(times * rows["estimate"], -rows.index, "o", color=TREATED, markersize=dot, linestyle="none", label=estimate)


def _write_names(axes: Axes, names: list[str]) -> bool:
    """Write the names beside the rows where there is room for all of them, and say whether there was."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    # The axis and the key below take about an inch of a picture of our own.
    inches = axes.get_position().height * figure.get_figheight()
    size = min(8.0, 0.8 * 72 * inches / len(names))
    axes.tick_params(axis="y", length=0)
    if len(names) > NAMED or size < SMALLEST:
        axes.set_yticks([])
        return False
    axes.set_yticks([-place for place in range(len(names))], names)
    axes.tick_params(axis="y", labelsize=size)
    return True
