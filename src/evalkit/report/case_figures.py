"""The figures of a case: where the unit stands, its path beside its synthetic self, and the gap beside those of donors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from evalkit.case_records import Case, Matched
from evalkit.plots.look import INK, NARROW, PALE, TREATED, WIDE, Picture, axes_for, look, value_ticks
from evalkit.plots.notes import broken, key, label
from evalkit.plots.synthetic_paths import plot_synthetic_paths
from evalkit.plots.texts import year_ticks
from evalkit.report.one_unit import where
from evalkit.report.voice import Voice

GREY = "#c3c9cf"
STEPS = 7  # dots of the comparison stand on so many lines, so that they do not cover one another


def standing(case: Case, lang: str, narrow: bool = False) -> Picture:
    """Return where the growth of the unit stands within the comparison, before the start and after it; nobody else is named."""
    voice = Voice(case.findings, lang)
    scale, place = voice.findings.scale, where(voice)
    with look():
        axes = axes_for(None, lang, voice.simulated, "case_standing", NARROW if narrow else WIDE, 1.5 + 0.75 * len(case.standing))
        axes.grid(False)
        for row, one in enumerate(case.standing):
            others = _growth(one.growths, scale)
            lift = 0.05 * (np.arange(len(others)) % STEPS - STEPS // 2)
            told = voice.say("case.figure.others", count=voice.count_units(one.units)) if row == 0 else ""
            axes.plot(
                others, -row + lift, "o", color=PALE, markersize=3.6, markeredgewidth=0, alpha=0.75, linestyle="none", label=told
            )
            own = voice.say("case.figure.own", where=place) if row == 0 else ""
            axes.plot(
                _growth([one.growth], scale), [-row], "s", color=TREATED, markersize=7.5, linestyle="none", zorder=4, label=own
            )
        names = [
            voice.say(
                f"case.figure.{'after' if one.until[1] >= case.start else 'before'}", first=f"{one.first}", until=voice.window(*one.until)
            )
            for one in case.standing
        ]  # fmt: skip
        axes.set_yticks(range(0, -len(names), -1), [broken(name, 9 if narrow else 16) for name in names])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-len(names) + 0.45, 0.5)
        value_ticks(axes.xaxis, "level", 5 if narrow else 8)
        label(axes, below=voice.say(f"case.figure.standing.x_{scale}"), taken=10 if narrow else 17)
        key(axes)
    return _picture(axes)


def _growth(values: Sequence[float], scale: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return growths as they are drawn: in per cent where they are logs."""
    numbers = np.array([float(value) for value in values])
    return 100 * np.expm1(numbers) if scale == "log" else numbers


def path(case: Case, lang: str, narrow: bool = False) -> Picture:
    """Return the incomes of the unit and of its synthetic self by year."""
    voice = Voice(case.findings, lang)
    one = _shown(case)
    table = pd.DataFrame([point.model_dump() for point in one.path])
    if voice.findings.scale == "log":
        table = table.assign(actual=np.log(table["actual"]), synthetic=np.log(table["synthetic"]))
    drawn = plot_synthetic_paths(
        table,
        lang=lang,
        scale=voice.findings.scale,
        unit=voice.common["money"],
        simulated=voice.simulated,
        width=NARROW if narrow else WIDE,
    )
    return _picture(drawn)


def gap(case: Case, lang: str, narrow: bool = False) -> Picture:
    """Return the gap to the synthetic unit by year, with those of donors treated on paper pale behind."""
    voice = Voice(case.findings, lang)
    one, scale = _shown(case), voice.findings.scale
    times = 100.0 if scale == "log" else 1.0
    periods = np.array([float(point.period) for point in one.path])
    with look():
        axes = axes_for(None, lang, voice.simulated, "case_gap", NARROW if narrow else WIDE, 3.7)
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.axvline(case.start - 0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        lines = [np.column_stack([periods, times * np.array([float(value) for value in donor.gaps])]) for donor in one.paper]
        told = voice.say("case.figure.others", count=voice.count_units(one.placebos))
        axes.add_collection(LineCollection(lines, colors=GREY, linewidths=0.8, zorder=1, label=told))
        gaps = [times * float(point.gap) for point in one.path]
        axes.plot(
            periods,
            gaps,
            "o-",
            color=TREATED,
            markersize=4.8,
            linewidth=1.9,
            zorder=4,
            label=voice.say("case.figure.own", where=where(voice)),
        )
        axes.autoscale_view()
        axes.annotate(
            voice.say("case.figure.starts"), (case.start - 0.5, 1), xycoords=("data", "axes fraction"), xytext=(4, -2),
            textcoords="offset points", va="top", fontsize=8.5,
        )  # fmt: skip
        value_ticks(axes.yaxis, scale)
        year_ticks(axes, [int(period) for period in periods])
        label(axes, voice.say(f"case.figure.gap.y_{scale}"))
        key(axes)
    return _picture(axes)


def _shown(case: Case) -> Matched:
    """Return the form that is drawn: the one told first, and the first there is where none can be read."""
    return next((one for one in case.matched if one.form == case.chosen), case.matched[0])


def _picture(axes: Axes) -> Picture:
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Picture)
    return figure


DRAW = {"case_standing": standing, "case_path": path, "case_gap": gap}
