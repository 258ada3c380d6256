"""Who is treated when, as a map of units by years."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from evalkit.design import Design
from evalkit.errors import ReportError
from evalkit.panel import Panel
from evalkit.plots.look import BAND, INK, PALE, TREATED, WIDE, axes_for, is_narrow, look
from evalkit.plots.notes import key
from evalkit.plots.texts import sentence
from evalkit.rollout import Rollout

Array = np.ndarray[Any, Any]
NOT_YET, TREATED_NOW, MISSING = 0, 1, 2
LOOKS: dict[int, dict[str, Any]] = {
    NOT_YET: {"facecolor": BAND, "edgecolor": "white"},
    TREATED_NOW: {"facecolor": TREATED, "edgecolor": "white"},
    MISSING: {"facecolor": "white", "edgecolor": PALE, "hatch": "////"},
}
NAMES = {NOT_YET: "not_yet", TREATED_NOW: "treated", MISSING: "missing"}
NAMED = 60  # up to so many units each has a line of its own; beyond, groups are counted


@dataclass(frozen=True)
class Map:
    """The state of every unit in every period, units by their start; ``first`` is inf for units never treated."""

    states: Array
    units: Sequence[object]
    first: Array
    periods: Array


def plot_rollout(
    rollout: Design | Rollout,
    *,
    panel: Panel | None = None,
    lang: str = "zh",
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float | None = None,
) -> Axes:
    """Return the map of a roll-out: a line for each unit, a column for each period, dark where it is treated, hatched without a row.

    Parameters
    ----------
    rollout : Design or Rollout
        A Rollout needs its ``panel``, which knows the periods and the rows that are missing.
    panel : the panel of a Rollout
    lang, simulated, axes, width : as in :func:`evalkit.plots.event_study.plot_event_study`
    height : inches of a new picture; without it as many as the units need

    Raises
    ------
    ReportError
        For a Rollout without its panel, a panel of other units, repeated cross-sections, and what is neither Design nor Rollout.

    Notes
    -----
    Units stand by their start, the earliest above, those never treated below. Up to 60 units are named; beyond, the units of each
    start stand sorted by their rows, and their number is told at the side. A treatment that switches on and off is drawn as it is.

    Examples
    --------
    >>> import evalkit as ek
    >>> axes = plot_rollout(ek.example_design(units=100), lang="en")
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['From 2015: 25', 'From 2016: 25', 'From 2017: 25', 'Not in these years: 25']
    """
    found = _map(rollout, panel)
    count = len(found.units)
    with look():
        axes = axes_for(axes, lang, simulated, "rollout", width, height or (1.1 + 0.155 * count if count <= NAMED else 4.2))
        axes.grid(False)
        _blocks_drawn(axes, found, lang)
        for edge in _edges(found.first)[1:-1]:
            axes.axhline(edge - 0.5, color=INK, linewidth=0.9)
        axes.set_ylim(count - 0.5, -0.5)
        _period_axis(axes, found.periods)
        _unit_axis(axes, found, lang)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        key(axes, "" if count <= NAMED else sentence(lang, "plot.rollout.counted", units=f"{count:,}"))
    return axes


def _map(rollout: Design | Rollout, panel: Panel | None) -> Map:
    if isinstance(rollout, Design):
        panel, rollout = rollout.panel, rollout.rollout
    if not isinstance(rollout, Rollout):
        raise ReportError(
            f"A {type(rollout).__name__} is no roll-out. Give it an evalkit.Design, or an evalkit.Rollout and its panel=."
        )
    if panel is None:
        raise ReportError(
            "A Rollout alone does not know its years and missing rows. Give the panel too: plot_rollout(rollout, panel=panel)."
        )
    if panel.unit is None:
        raise ReportError("A repeated cross-section has no units that come back, so there are no lines to draw.")
    if not np.array_equal(panel.units, rollout.units):
        raise ReportError(
            f"The roll-out tells of {len(rollout.units):,} units and the panel of {len(panel.units):,}; they must be the same."
        )
    first = np.asarray(rollout.first_treated, float)
    periods = np.arange(int(panel.periods[0]), int(panel.periods[-1]) + 1)
    states = np.full((len(panel.units), len(periods)), MISSING)
    at = np.asarray(panel.periods)[panel.period_index] - periods[0]
    plain = rollout.intensity is None
    treated = periods[at] >= first[panel.unit_index] if plain else np.asarray(rollout.intensity, float) != 0
    states[panel.unit_index, at] = np.where(treated, TREATED_NOW, NOT_YET)
    first = np.where(first > periods[-1], np.inf, np.maximum(first, periods[0]))
    patterns = states if len(panel.units) > NAMED else np.zeros((len(panel.units), 0))
    order = np.lexsort((*patterns.T[::-1], first))
    return Map(states[order], [panel.units[place] for place in order], first[order], periods)


def _blocks(states: Array) -> list[tuple[int, int, int, int, int]]:
    """Return rectangles (top, bottom, left, right, state) that cover the map: equal neighbouring lines are one."""
    blocks = []
    changes = np.flatnonzero((states[1:] != states[:-1]).any(axis=1)) + 1
    tops = [0, *changes.tolist()] if len(states) > NAMED else list(range(len(states)))
    for top, bottom in zip(tops, [*tops[1:], len(states)], strict=True):
        line = states[top]
        lefts = [0, *(np.flatnonzero(line[1:] != line[:-1]) + 1).tolist()]
        for left, right in zip(lefts, [*lefts[1:], len(line)], strict=True):
            blocks.append((top, bottom, left, right, int(line[left])))
    return blocks


def _blocks_drawn(axes: Axes, found: Map, lang: str) -> None:
    """Draw the map, each state once in the key."""
    thin, told = 0.6 if len(found.units) <= NAMED else 0.0, set()
    for top, bottom, left, right, state in sorted(_blocks(found.states), key=lambda block: block[-1]):
        label = "_" if state in told else sentence(lang, f"plot.rollout.{NAMES[state]}")
        width = 0.4 if state == MISSING else thin
        axes.add_artist(
            Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, linewidth=width, label=label, **LOOKS[state])
        )
        told.add(state)


def _edges(first: Array) -> list[int]:
    """Return where each group of one start begins, and the end."""
    return [0, *(np.flatnonzero(first[1:] != first[:-1]) + 1).tolist(), len(first)]


def _period_axis(axes: Axes, periods: Array) -> None:
    count = len(periods)
    step = -(-count // (6 if is_narrow(axes) else 14))
    shown = range(count - 1, -1, -step)
    axes.set_xticks(list(shown), [str(int(periods[place])) for place in shown])
    axes.set_xlim(-0.5, count - 0.5)


def _unit_axis(axes: Axes, found: Map, lang: str) -> None:
    """Name the units, or, where they are many, each group of one start with its number."""
    if len(found.units) <= NAMED:
        size = 7.5 if len(found.units) <= 40 else 6.5
        axes.set_yticks(range(len(found.units)), [str(unit) for unit in found.units], fontsize=size)
        return
    edges = _edges(found.first)
    middles = [(top + bottom - 1) / 2 for top, bottom in pairwise(edges)]
    labels = []
    for top, bottom in pairwise(edges):
        start = found.first[top]
        name = "never" if np.isinf(start) else "from_first" if start == found.periods[0] else "from"
        year = "" if np.isinf(start) else int(start)
        labels.append(sentence(lang, f"plot.rollout.{name}", year=year, units=f"{bottom - top:,}"))
    separate = _apart(middles, len(found.units) / (18 if is_narrow(axes) else 22), len(found.units) - 1)
    axes.set_yticks(separate, labels)


def _apart(places: Sequence[float], least: float, last: float) -> list[float]:
    """Return places moved so that neighbours are a least distance apart and none lies beyond the last one allowed."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + least) if moved else place)
    for after in range(len(moved) - 1, -1, -1):
        bound = last if after == len(moved) - 1 else moved[after + 1] - least
        moved[after] = min(moved[after], bound)
    return moved
