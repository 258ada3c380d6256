"""A specification curve: every estimate in the order of its size, and below it the choices that it came from."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from evalkit import numerals
from evalkit.diagnostics.specification_curve import AXES, SpecificationCurve
from evalkit.errors import ReportError, first_five
from evalkit.plots.given import factor, judged, marked, numbered
from evalkit.plots.look import COMPARISON, INK, PALE, TREATED, WIDE, axes_for, look, value_ticks
from evalkit.plots.notes import broken, key, room
from evalkit.plots.texts import money, ranged, sentence
from evalkit.words import catalogue

SOURCE = "ek.specification_curve(design, estimators).table"
COLUMNS = ("estimate", "conf_low", "conf_high")
UPPER = 2.3  # inches for the estimates
LINE = 0.19  # inches for a choice
EDGES = 0.95  # inches for title and key
MOST = 40  # choices that can be read


def plot_specification_curve(
    curve: SpecificationCurve | pd.DataFrame,
    *,
    outcome: str | None = None,
    lang: str = "zh",
    scale: str = "log",
    unit: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float | None = None,
) -> Axes:
    """Return the estimates of all specifications from the smallest to the largest, with the choices of each below.

    Parameters
    ----------
    curve : SpecificationCurve or DataFrame
        What :func:`evalkit.specification_curve` returns, or its ``table``: ``estimate``, ``conf_low``, ``conf_high``, some of the choices
        (sample, outcome, covariates, comparison, base, anticipation, weight, estimator), and if there are, ``refused`` and
        ``repeats``, whose rows are not drawn but counted in the note.
    outcome : which one, where there are several: effects in different units do not stand on one axis
    lang, scale, unit, simulated, axes, width : as in :func:`evalkit.plots.event_study.plot_event_study`
    height : inches of a new picture; without it as many as the choices need

    Raises
    ------
    ReportError
        For frames without these columns or without estimates, several outcomes, an unknown one, and more than forty choices.

    Notes
    -----
    Simonsohn, Simmons & Nelson (2020, Nature Human Behaviour 4), figure 2. Filled dots have an interval without zero. Only choices
    that differ between specifications are listed.

    Examples
    --------
    >>> import evalkit as ek
    >>> found = ek.specification_curve(
    ...     ek.example_design(), {"two_way": ek.TwoWay(), "group_time": ek.GroupTime()}, covariates={"none": (), "rain": ("rainfall",)}
    ... )
    >>> axes = plot_specification_curve(found, lang="en")
    >>> [text.get_text() for text in axes.texts][-1]
    'Two-way fixed effects'
    """
    table, left_out = _judged(curve.table if isinstance(curve, SpecificationCurve) else curve, outcome)
    level = curve.level if isinstance(curve, SpecificationCurve) else 0.95
    choices = _choices(table)
    times = factor(scale)
    with look():
        lines = sum(1 + len(values) for values in choices.values())
        axes = axes_for(axes, lang, simulated, "specification_curve", width, height or EDGES + UPPER + LINE * lines)
        part = LINE * lines / (UPPER + LINE * lines)
        _estimates(axes, table, times, lang, numerals.whole_percent(level))
        _room_below(axes, part, scale)
        _dots(axes, table, choices, part, lang)
        axes.set_title(sentence(lang, f"axis.{scale}", money=money(lang, unit)))
        axes.set_xticks([])
        axes.set_xlim(-1, len(table))
        axes.spines["bottom"].set_visible(False)
        key(axes, _note(lang, len(table), left_out))
    return axes


def _judged(table: pd.DataFrame, outcome: str | None) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the estimates in their order, and how many rows were refused or repeat another."""
    table = judged(table, COLUMNS, SOURCE)
    if "outcome" in table and (outcome is not None or len(set(table["outcome"])) > 1):
        known = list(dict.fromkeys(table["outcome"]))
        if outcome not in known:
            asked = (
                "There are several outcomes, whose effects have different units"
                if outcome is None
                else f"There is no outcome {outcome!r}"
            )
            raise ReportError(f"{asked}. Say outcome=, one of: {first_five(known)}.")
        table = table[table["outcome"] == outcome]
    nothing = pd.Series(False, index=table.index)
    refused = table["refused"].fillna("").astype(str) != "" if "refused" in table else nothing
    repeats = marked(table, "repeats") & ~refused
    told = table[~refused & ~repeats]
    if told.empty:
        raise ReportError("No specification has an estimate, so there is nothing to draw: the column 'refused' says why.")
    told = numbered(told, ("estimate",), "estimator" if "estimator" in told else "estimate", COLUMNS[1:])
    counts = {"refused": int(refused.sum()), "repeats": int(repeats.sum())}
    return told.sort_values("estimate", kind="stable", ignore_index=True), counts


def _choices(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the values of each choice in which specifications differ, in the order of the table's first mention."""
    found = {axis: sorted({str(value) for value in table[axis]}) for axis in AXES if axis in table and axis != "outcome"}
    found = {axis: values for axis, values in found.items() if len(values) > 1}
    if (count := sum(len(values) for values in found.values())) > MOST:
        raise ReportError(
            f"{count} choices cannot be read in one picture ({first_five(found)}). Draw a part of the table with at most {MOST}."
        )
    return found


def _estimates(axes: Axes, table: pd.DataFrame, times: float, lang: str, percent: str) -> None:
    """Draw intervals as pale lines and estimates as dots, filled where the interval holds no zero."""
    kept = ranged(table)
    thick = 1.6 if len(table) <= 60 else 0.7
    label = sentence(lang, "plot.specification_curve.range", level=percent)
    axes.vlines(kept.index, times * kept["conf_low"], times * kept["conf_high"], color="#9db4ca", linewidth=thick, label=label)
    axes.axhline(0, color=INK, linewidth=0.8, xmin=0, xmax=1)
    significant = (table["conf_low"] > 0) | (table["conf_high"] < 0)
    size = 5.0 if len(table) <= 60 else 2.6
    for name, face, side in (("significant", TREATED, significant), ("other", "white", ~significant)):
        if side.any():
            label = sentence(lang, f"plot.specification_curve.{name}")
            axes.plot(
                table.index[side],
                times * table["estimate"][side],
                "o",
                markersize=size,
                color=TREATED,
                markerfacecolor=face,
                label=label,
            )
    middle = times * float(table["estimate"].median())
    label = sentence(lang, "plot.specification_curve.median")
    axes.axhline(middle, color=COMPARISON, linewidth=1.2, linestyle=(0, (5, 2)), zorder=1.9, label=label)


def _room_below(axes: Axes, part: float, scale: str) -> None:
    """Leave the lower part of the axes to the choices: the scale of effects ends above it."""
    axes.margins(y=0.06)
    low, high = axes.get_ylim()
    value_ticks(axes.yaxis, scale, 6)
    axes.set_ylim(low - (high - low) * part / (1 - part), high)
    axes.spines["left"].set_bounds(low, high)
    axes.grid(False)
    for tick in axes.get_yticks():
        axes.axhline(tick, color="#e4e7eb", linewidth=0.7, zorder=0)


def _dots(axes: Axes, table: pd.DataFrame, choices: dict[str, list[str]], part: float, lang: str) -> None:
    """Draw a row of dots for each value of each choice, named at the left."""
    lines = sum(1 + len(values) for values in choices.values())
    across, place = axes.get_xaxis_transform(), 0
    used = ("o", TREATED)
    for axis, values in choices.items():
        y = part * (1 - (place + 0.6) / lines)
        axes.text(
            0,
            y,
            sentence(lang, f"plot.specification_curve.{axis}"),
            transform=axes.transAxes,
            fontsize=8,
            va="center",
            color="#5b646e",
        )
        place += 1
        for value in values:
            y = part * (1 - (place + 0.5) / lines)
            at = table.index[table[axis].astype(str) == value]
            axes.plot([0, len(table) - 1], [y, y], color="#e4e7eb", linewidth=0.7, transform=across, zorder=0)
            axes.plot(
                at, [y] * len(at), used[0], color=used[1], markersize=3.6 if len(table) <= 60 else 1.8, transform=across, zorder=3
            )
            name = broken(_called(axis, value, lang), 0.34 * room(axes, 8)).split("\n")[0]
            axes.annotate(
                name,
                (0, y),
                xycoords="axes fraction",
                xytext=(-5, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=8,
                color=axes.xaxis.label.get_color(),
            )
            place += 1
    if choices:
        axes.plot([0, 1], [part, part], color=PALE, linewidth=0.7, transform=axes.transAxes, clip_on=False)


def _called(axis: str, value: str, lang: str) -> str:
    key = f"estimator.{value}.name" if axis == "estimator" else f"plot.specification_curve.value.{value}"
    return sentence(lang, key) if catalogue(lang).has(key) else value


def _note(lang: str, drawn: int, left_out: dict[str, int]) -> str:
    told = [sentence(lang, "plot.specification_curve.drawn", count=f"{drawn:,}")]
    told += [sentence(lang, f"plot.specification_curve.{name}", count=f"{count:,}") for name, count in left_out.items() if count]
    return ("" if lang == "zh" else " ").join(told)
