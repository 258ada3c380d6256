"""The figures of the page on the self-check: rates with their targets, coverage, and the threat x check matrix; readable in grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evalkit.firm_records import NotTold
from evalkit.plots.look import COMPARISON, INK, PALE, TREATED, WARNING, Picture, canvas, look
from evalkit.plots.notes import broken, key, label
from evalkit.report.selfcheck_voice import SelfCheckVoice
from evalkit.selfcheck_records import Fired, SelfCheck, Share, WorldRates

LABEL_WIDTH = {False: 21.0, True: 11.5}  # ems of a world's name
THREAT_WIDTH = {False: 19.0, True: 12.0}
NOMINAL = 0.95
ROW = 0.36  # inches of a world
LINE = 0.235  # inches of a planted problem
DARK_FROM = 0.55  # rates whose squares are so dark that their number is white
EDGE = "#b7c0c9"


def firm(record: SelfCheck, lang: str, narrow: bool = False) -> Picture:
    """Return the share of firm verdicts in each world with its interval, and the targets."""
    voice = SelfCheckVoice(record, lang)
    rows = record.recorded.rows
    with look():
        figure, axes = canvas(voice.warning, "selfcheck_firm", narrow, 1.25 + ROW * len(rows))
        for place, row in enumerate(rows):
            _dot(axes, place, row.firm, hollow=row.met == "not_met")
            if row.world.target is not None and row.world.share is not None:
                dash = (0, (3, 1.5)) if row.world.target == "at_most" else "-"
                x = 100 * row.world.share
                axes.plot([x, x], [place - 0.42, place + 0.42], color=WARNING, linewidth=1.6, linestyle=dash, zorder=2)
        _legend_firm(axes, voice, rows)
        axes.set_xlim(-2, 102)
        axes.set_xticks([0, 20, 40, 60, 80, 100])
        _names(axes, voice, rows, narrow)
        label(axes, below=voice.say("selfcheck.figure.firm_x"), taken=LABEL_WIDTH[narrow])
        key(axes)
    return figure


def _dot(axes: Any, place: int, share: Share, hollow: bool = False) -> None:
    axes.plot([100 * share.low, 100 * share.high], [place, place], color=TREATED, linewidth=1.6, zorder=3, solid_capstyle="butt")
    face = "white" if hollow else TREATED
    axes.plot([100 * share.share], [place], "o", color=TREATED, markerfacecolor=face, markeredgewidth=1.4, markersize=6, zorder=4)


def _legend_firm(axes: Any, voice: SelfCheckVoice, rows: Sequence[WorldRates]) -> None:
    """Put into the key what is drawn, and nothing else."""
    axes.plot([], [], "o-", color=TREATED, markersize=6, label=voice.say("selfcheck.figure.firm_key"))
    if any(row.met == "not_met" for row in rows):
        told = voice.say("selfcheck.figure.firm_missed")
        axes.plot([], [], "o", color=TREATED, markerfacecolor="white", markeredgewidth=1.4, markersize=6, label=told)
    targets = {row.world.target for row in rows}
    for name, dash in (("at_most", (0, (3, 1.5))), ("at_least", "-")):
        if name in targets:
            axes.plot([], [], color=WARNING, linewidth=1.6, linestyle=dash, label=voice.say(f"selfcheck.figure.firm_{name}"))


def _names(axes: Any, voice: SelfCheckVoice, rows: Sequence[WorldRates], narrow: bool) -> None:
    """Write the worlds at the left, the first at the top."""
    axes.set_yticks(range(len(rows)), [broken(voice.world(row.world), LABEL_WIDTH[narrow]) for row in rows])
    axes.tick_params(axis="y", length=0, labelsize=7.5 if narrow else 8.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.grid(True, axis="x", color="#e4e7eb", linewidth=0.7)
    axes.spines["left"].set_visible(False)


def coverage(record: SelfCheck, lang: str, narrow: bool = False) -> Picture:
    """Return how often the 95% interval held the truth in each world, with the interval of that share."""
    voice = SelfCheckVoice(record, lang)
    rows = [row for row in record.recorded.rows if not isinstance(row.covered, NotTold)]
    with look():
        figure, axes = canvas(voice.warning, "selfcheck_coverage", narrow, 1.25 + ROW * len(rows))
        lowest = 100.0
        for place, row in enumerate(rows):
            if isinstance(row.covered, Share):
                _dot(axes, place, row.covered)
                lowest = min(lowest, 100 * row.covered.low)
        axes.axvline(100 * NOMINAL, color=WARNING, linewidth=1.2, linestyle=(0, (3, 1.5)), zorder=1)
        axes.plot([], [], "o-", color=TREATED, markersize=6, label=voice.say("selfcheck.figure.coverage_key"))
        axes.plot(
            [], [], color=WARNING, linewidth=1.2, linestyle=(0, (3, 1.5)), label=voice.say("selfcheck.figure.coverage_nominal")
        )
        step = 20 if lowest < 50 else 10 if lowest < 80 else 5
        floor = step * np.floor(lowest / step)
        axes.set_xlim(floor - 1, 101)
        axes.set_xticks([*np.arange(floor, 100, step).tolist(), 100])
        _names(axes, voice, rows, narrow)
        label(axes, below=voice.say("selfcheck.figure.coverage_x"), taken=LABEL_WIDTH[narrow])
        key(axes)
    return figure


def matrix(record: SelfCheck, lang: str, narrow: bool = False) -> Picture:
    """Return the threat x check matrix: a line for each problem and size, a square for each check, the darker the more often it fired."""
    voice = SelfCheckVoice(record, lang)
    rows = record.matrix.rows
    checks = rows[0].checks
    with look():
        figure, axes = canvas(voice.warning, "selfcheck_matrix", narrow, 1.3 + LINE * len(rows))
        axes.grid(False)
        claims = sum(one.meaning == "claim" for one in checks)
        for line, row in enumerate(rows):
            for place, one in enumerate(row.checks):
                _square(axes, line, place, one, written=not narrow)
        for line in range(1, len(rows)):
            if rows[line].threat != rows[line - 1].threat:
                axes.plot([-0.5, len(checks) - 0.5], [line - 0.5, line - 0.5], color=PALE, linewidth=1.0, zorder=3)
        axes.plot([claims - 0.5, claims - 0.5], [-0.5, len(rows) - 0.5], color=INK, linewidth=1.4, zorder=4)
        axes.set_xlim(-0.5, len(checks) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.xaxis.tick_top()
        every = range(len(checks)) if not narrow else range(0, len(checks), 3)
        axes.set_xticks(list(every), [str(place + 1) for place in every])
        names = [broken(voice.threat(row), THREAT_WIDTH[narrow]).split("\n")[0] for row in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.tick_params(length=0, labelsize=7.5 if narrow else 8)
        for spine in axes.spines.values():
            spine.set_visible(False)
        for name, color in (("claims", COMPARISON), ("warnings", TREATED)):
            axes.plot([], [], "s", color=color, markersize=7, label=voice.say(f"selfcheck.figure.matrix_{name}"))
        key(axes)
    return figure


def _square(axes: Any, line: int, place: int, fired: Fired, written: bool) -> None:
    """Draw one square: hatched where the check does not apply."""
    x, y = (place - 0.5, place + 0.5), (line - 0.5, line + 0.5)
    if isinstance(fired.rate, NotTold):
        axes.fill_between(x, y[0], y[1], facecolor="white", edgecolor=EDGE, hatch="////", linewidth=0.5)
        return
    share = float(fired.rate.share)
    axes.fill_between(
        x, y[0], y[1], facecolor=_shade(share, COMPARISON if fired.meaning == "claim" else TREATED), edgecolor=EDGE, linewidth=0.5
    )
    if written:
        color = "white" if share > DARK_FROM else INK
        axes.text(place, line, f"{100 * share:.0f}", ha="center", va="center_baseline", fontsize=7, color=color)


def _shade(share: float, color: str) -> str:
    """Return a colour as deep as a share: white for none, the colour itself for all.

    >>> _shade(0.0, "#12436d"), _shade(1.0, "#12436d")
    ('#ffffff', '#12436d')
    """
    parts = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + share * (part - 255)):02x}" for part in parts)


DRAW = {"selfcheck_firm": firm, "selfcheck_coverage": coverage, "selfcheck_matrix": matrix}
