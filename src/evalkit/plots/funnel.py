"""The funnel of problems: how many were found, reported as rectified, checked again, and seen to be rectified."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from evalkit import numerals
from evalkit.errors import ReportError, first_five
from evalkit.plots.given import judge_names, judged, numbered
from evalkit.plots.look import BAND, INK, TOTAL, TREATED, WIDE, axes_for, is_narrow, look
from evalkit.plots.notes import key, label
from evalkit.proportion import wilson
from evalkit.words import Catalogue, catalogue

STATES = ("found", "reported", "rechecked", "verified")
SOURCE = f"the register of problems, counted by state: a row each for {', '.join(STATES)}"
HATCHES = ("", "....", "////", "")


def plot_funnel(
    table: pd.DataFrame,
    *,
    lang: str = "zh",
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float = 3.1,
) -> Axes:
    """Return the funnel of problems as bars of counts, with the 95% interval of the share of re-checked ones seen to be rectified.

    Parameters
    ----------
    table : DataFrame
        ``state`` ("found", "reported" as rectified, "rechecked" and "verified" on the re-check, one row each) and ``count``.
    lang, simulated, axes, width, height : as in :func:`evalkit.plots.bacon.plot_bacon`

    Raises
    ------
    ReportError
        For missing columns, missing, unknown or repeated states, counts that are no whole numbers, and a state with more problems than
        the one before.

    Notes
    -----
    Only the last share has an interval (Wilson): re-checks are a sample of what was reported, the counts before are complete. It tells
    of the problems reported as rectified if those re-checked were chosen at random among them, and is a little wide where a large part
    of them was. On the bar of verified problems the interval is drawn in problems: the share times those re-checked.

    Examples
    --------
    >>> import pandas as pd
    >>> states = pd.DataFrame({"state": ["found", "reported", "rechecked", "verified"], "count": [412, 388, 120, 96]})
    >>> axes = plot_funnel(states, lang="en")
    >>> [round(bar.get_width()) for bar in axes.patches]
    [412, 388, 120, 96]
    """
    words, counts = catalogue(lang), _counts(table)
    with look():
        axes = axes_for(axes, lang, simulated, "funnel", width, height)
        axes.grid(False)
        for place, (state, count) in enumerate(counts.items()):
            face = TREATED if state == "verified" else TOTAL if state == "found" else BAND
            hatch = HATCHES[place]
            axes.barh(-place, count, 0.5, facecolor=face, edgecolor=TREATED, hatch=hatch, linewidth=0.7)
            axes.annotate(
                _said(words, state, counts), (0, -place + 0.27), xycoords=("axes fraction", "data"), xytext=(3, 2),
                textcoords="offset points", va="bottom", fontsize=8.5,
            )  # fmt: skip
        low, high = wilson(counts["verified"], counts["rechecked"])
        if low is not None and high is not None:
            ends = counts["rechecked"] * np.array([low, high])
            axes.hlines(-3, *ends, color="white", linewidth=4)
            axes.hlines(-3, *ends, color=INK, linewidth=1.6, label=_interval(words, low, high))
            axes.vlines(ends, -3.12, -2.88, color=INK, linewidth=1.6)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.vlines(0, -3.35, 0.35, color=INK, linewidth=0.9)
        axes.set_ylim(-3.45, 0.75)
        axes.set_xlim(0, 1.02 * max(counts["found"], 1))
        ticks = MaxNLocator(4 if is_narrow(axes) else 7, integer=True).tick_values(0, counts["found"])
        inside = [tick for tick in ticks if 0 <= tick <= 1.02 * max(counts["found"], 1)]
        axes.set_xticks(inside, [numerals.fixed(tick) for tick in inside])
        label(axes, below=words.say("plot.funnel.x"))
        key(axes, words.say("plot.funnel.note" if low is not None else "plot.funnel.unchecked"))
    return axes


def _counts(table: pd.DataFrame) -> dict[str, int]:
    """Return the count of each state, in order."""
    given = judged(table, ("state", "count"), SOURCE)
    judge_names(given, "state")
    given = numbered(given, ("count",), "state")
    if odd := [str(state) for state in given["state"] if state not in STATES]:
        raise ReportError(f"Unknown states: {first_five(odd)}. Allowed: {', '.join(STATES)}.")
    if (twice := given["state"].duplicated()).any():
        raise ReportError(f"States stand twice: {first_five(given['state'][twice])}. Count the problems of each state once.")
    if missing := [state for state in STATES if state not in set(given["state"])]:
        raise ReportError(f"The table lacks the states {', '.join(missing)}. Such a table comes from {SOURCE}.")
    counts = dict(zip(given["state"], given["count"].astype(float), strict=True))
    if odd := [f"{state} {count:g}" for state, count in counts.items() if count < 0 or count % 1]:
        raise ReportError(f"Counts of problems are whole numbers from 0 on, not {first_five(odd)}.")
    for before, after in pairwise(STATES):
        if counts[after] > counts[before]:
            raise ReportError(
                f"More problems are {after} ({counts[after]:,.0f}) than {before} ({counts[before]:,.0f}); each state counts a part of the one "
                "before. Count problems, not visits."
            )
    return {state: int(counts[state]) for state in STATES}


def _said(words: Catalogue, state: str, counts: dict[str, int]) -> str:
    """Return what a state is called, its count, and its share of the state before."""
    name, count = words.say(f"plot.funnel.{state}"), f"{counts[state]:,}"
    before = STATES[max(STATES.index(state) - 1, 0)]
    if state == "found" or counts[before] == 0:
        return words.say("plot.funnel.count", state=name, count=count)
    share = numerals.percent(100 * counts[state] / counts[before])
    return words.say("plot.funnel.share", state=name, count=count, before=words.say(f"plot.funnel.of_{before}"), share=share)


def _interval(words: Catalogue, low: float, high: float) -> str:
    return words.say("plot.funnel.interval", low=numerals.percent(100 * low), high=numerals.percent(100 * high))
