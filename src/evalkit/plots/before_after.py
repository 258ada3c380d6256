"""A rise before and after as bars of its parts, beside a world without any programme."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from matplotlib.axes import Axes

from evalkit import numerals
from evalkit.before_after_records import BeforeAfter, ZeroProgramme
from evalkit.errors import ReportError, first_five
from evalkit.plots.look import BAND, INK, TOTAL, TREATED, WARNING, WIDE, Picture, axes_for, is_narrow, look, value_ticks
from evalkit.plots.notes import ems, key, label
from evalkit.plots.texts import money, sentence
from evalkit.words import catalogue

SOURCE = "before_after_decomposition, claimed_rise or rise_of_covered of evalkit.before_after"
ROWS = ("observed", "zero")
LOOKS = {
    "start": ("white", ""),
    "general_growth": (BAND, ""),
    "selection": ("#f2dcc3", "////"),
    "undivided": ("#eceff2", "...."),
    "policy": (TREATED, ""),
    "rest": (TOTAL, "\\\\\\\\"),
}
"""The face and the hatch of each part: hatches tell them apart without colour."""
THICK, PITCH, LINE, INCHES = 0.36, 1.0, 0.24, 0.82  # heights in units of the axis, and inches of such a unit
NAME, TOTALS, SIZE = 9.0, 8.5, 8.0  # of letters


class Part(NamedTuple):
    """A part of a bar, or its start, and how long it is in money."""

    name: str
    amount: float


def plot_before_after(
    rise: BeforeAfter,
    *,
    names: Mapping[str, str] | None = None,
    lang: str = "zh",
    unit: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float | None = None,
) -> Axes:
    """Return a rise as one bar from nought to the mean afterwards, in its parts, and below it a world without any programme.

    Parameters
    ----------
    rise : BeforeAfter
        What ``before_after_decomposition``, ``claimed_rise`` or ``rise_of_covered`` of :mod:`evalkit.before_after` return; the world
        without a programme is drawn where the record holds one.
    names : mapping, optional
        What readers call the bars ("observed", "zero") and the parts ("start", "general_growth", "selection", "undivided", "policy", "rest").
    unit : of money; yuan per person per year without it
    lang, simulated, axes, width : as in :func:`evalkit.plots.event_study.plot_event_study`
    height : inches of a new picture; without it as many as the bars need

    Raises
    ------
    ReportError
        For what is no such record, for parts that do not add up to the rise, and for unknown names.

    Notes
    -----
    A part that lowers the mean is drawn back from the end of those that raise it. The line below the first bar is the range of
    what would have come anyway, where the rise was split with ranges.

    Examples
    --------
    >>> from evalkit.before_after import claimed_rise
    >>> axes = plot_before_after(claimed_rise(2350, 6040, years=4), lang="en")
    >>> [text.get_text() for text in axes.texts][-3::2]
    ['2,350 → 6,040 (+157.0%)', '2,180 → 5,480 (+151.6%)']
    """
    called = _called(_judged(rise), names or {}, lang)
    bars = [(called["observed"], _parts(rise))]
    if rise.zero is not None:
        bars.append((called["zero"], _of_zero(rise.zero)))
    headings = [(name, _told(parts, lang)) for name, parts in bars]
    with look():
        axes = axes_for(axes, lang, simulated, "before_after", width, 3.0)
        pitch = PITCH + (LINE if any(not _side_by_side(axes, *both) for both in headings) else 0.0)
        figure = axes.get_figure(root=True)
        if isinstance(figure, Picture):
            figure.set_figheight(height or 1.2 + 0.2 * simulated + INCHES * pitch * len(bars))
        axes.grid(False)
        ends = _anyway(rise)
        reach = max([*(sum(max(part.amount, 0.0) for part in parts) for _, parts in bars), *(ends or ())])
        axes.set_xlim(0, 1.02 * reach)
        axes.set_ylim(-pitch * (len(bars) - 1) - (0.55 if ends else 0.42), pitch - 0.42)
        for name in LOOKS:  # part by part, so that the key has their order
            label_of: str | None = called[name]
            for place, (_, parts) in enumerate(bars):
                for start, part in (one for one in _laid(parts) if one[1].name == name):
                    _stack(axes, -pitch * place, start, part, label_of)
                    label_of = None
        for place, (_, parts) in enumerate(bars):
            _amounts(axes, -pitch * place, parts, 0.47 if ends and not place else 0.31)
        for place, heading in enumerate(headings):
            _heading(axes, -pitch * place, *heading, apart=pitch > PITCH)
            axes.vlines(0, -pitch * place - 0.24, -pitch * place + 0.24, color=INK, linewidth=0.9)
        if ends:
            _range(axes, ends, called["range"])
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        value_ticks(axes.xaxis, "level", 5 if is_narrow(axes) else 8)
        label(axes, below=sentence(lang, "before_after.plot.x", money=money(lang, unit)))
        key(axes)
    return axes


def _judged(rise: BeforeAfter) -> BeforeAfter:
    if not isinstance(rise, BeforeAfter):
        raise ReportError(f"A {type(rise).__name__} cannot be drawn here. Give it what comes from {SOURCE}.")
    gap = rise.rise - sum(part.amount for part in rise.parts)
    if abs(gap) > 1e-6 * max(abs(rise.before), abs(rise.after), 1.0):
        raise ReportError(
            f"The parts of the rise add up to {rise.rise - gap:g}, and the rise is {rise.rise:g}. Give it what comes from {SOURCE}."
        )
    return rise


def _called(rise: BeforeAfter, names: Mapping[str, str], lang: str) -> dict[str, str]:
    known = {name: sentence(lang, f"before_after.plot.{name}") for name in (*ROWS, *LOOKS, "range")}
    if odd := [name for name in names if name not in known]:
        raise ReportError(f"There is nothing called {first_five(odd)} in this picture. Allowed: {', '.join(known)}.")
    claimed = {"observed": sentence(lang, "before_after.plot.claimed")} if rise.claimed else {}
    return known | claimed | dict(names)


def _parts(rise: BeforeAfter) -> list[Part]:
    """Return what a bar is made of: the start and the parts of the rise."""
    return [Part("start", rise.before), *(Part(part.name, part.amount) for part in rise.parts)]


def _of_zero(zero: ZeroProgramme) -> list[Part]:
    """Return the bar of a world without a programme: its start, everybody's growth, and what choosing the group makes."""
    grown = zero.before * zero.everyone
    return [Part("start", zero.before), Part("general_growth", grown), Part("selection", zero.after - zero.before - grown)]


def _told(parts: list[Part], lang: str) -> str:
    """Return from what to what the mean rose."""
    before, after = parts[0].amount, sum(part.amount for part in parts)
    rise = numerals.percent(100 * (after / before - 1), plus=True)
    return catalogue(lang).say("before_after.plot.total", before=numerals.money(before), after=numerals.money(after), rise=rise)


def _side_by_side(axes: Axes, name: str, told: str) -> bool:
    """Return whether a name and what is told of it have room in one line."""
    return ems(name) * NAME + ems(told) * TOTALS < 72 * 0.92 * _inches(axes)


def _inches(axes: Axes) -> float:
    """Return the width of the axes: nearly all of a picture of our own."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    share = 0.97 if isinstance(figure, Picture) else axes.get_position().width
    return float(share * figure.get_figwidth())


def _heading(axes: Axes, y: float, name: str, told: str, apart: bool) -> None:
    """Write above a bar what it is, and from what to what the mean rose, in two lines where one has no room."""
    side = axes.get_yaxis_transform()
    axes.text(0, y + 0.33 + (LINE if apart else 0.0), name, transform=side, va="center", fontsize=NAME)
    axes.text(0 if apart else 1, y + 0.33, told, transform=side, va="center", ha="left" if apart else "right", fontsize=TOTALS)


def _laid(parts: list[Part]) -> list[tuple[float, Part]]:
    """Return each part with where it begins: one after another, those that lower the mean back from the end."""
    ordered = sorted(parts, key=lambda part: part.amount < 0)
    ends = [sum(part.amount for part in ordered[:place]) for place in range(len(ordered))]
    return list(zip(ends, ordered, strict=True))


def _stack(axes: Axes, y: float, start: float, part: Part, name: str | None) -> None:
    """Draw a part of a bar; one that lowers the mean is red and hatched."""
    face, hatch = LOOKS[part.name]
    back = part.amount < 0
    axes.barh(
        y, part.amount, THICK, left=start, linewidth=0.8, facecolor="white" if back else face, label=name,
        hatch=hatch or ("xxxx" if back else ""), edgecolor=WARNING if back else TREATED, zorder=3 if back else 2,
    )  # fmt: skip


def _amounts(axes: Axes, y: float, parts: list[Part], below: float) -> None:
    """Write the amounts into the parts, and below those that are too narrow, from the right one beside the other."""
    edge = axes.get_xlim()[1]
    unit = edge / (72 * _inches(axes))  # money to a point of the paper
    for start, part in sorted(_laid(parts), key=lambda laid: -(laid[0] + laid[1].amount / 2)):
        told = numerals.money(part.amount, plus=part.name != "start")
        long, centre = unit * SIZE * ems(told), start + part.amount / 2
        if long + 6 * unit < abs(part.amount):
            plain = not LOOKS[part.name][1] and part.amount > 0
            box = None if plain else {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
            color = "white" if plain and part.name == "policy" else INK
            axes.text(centre, y, told, ha="center", va="center", fontsize=SIZE, bbox=box, color=color, zorder=4)
            continue
        right = min(max(centre + long / 2, long), edge)
        axes.text(right, y - below, told, ha="right", va="center", fontsize=SIZE)
        edge = right - long - SIZE * unit


def _anyway(rise: BeforeAfter) -> tuple[float, float] | None:
    """Return the range of the mean that would have come anyway, where a rise was split with ranges."""
    rest = rise.part("rest")
    if rise.part("selection") is None or rest is None or rest.low is None or rest.high is None:
        return None
    return rise.after - rest.high, rise.after - rest.low


def _range(axes: Axes, ends: tuple[float, float], name: str) -> None:
    """Draw a range below the first bar."""
    y = -THICK / 2 - 0.1
    axes.hlines(y, *ends, color=INK, linewidth=1.7, label=name)
    axes.vlines(ends, y - 0.055, y + 0.055, color=INK, linewidth=1.7)
