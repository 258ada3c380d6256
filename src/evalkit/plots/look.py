"""The look of all pictures: one canvas, one style, and the same bytes on every run."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any
from weakref import WeakSet

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evalkit import numerals
from evalkit.errors import ReportError
from evalkit.plots.vector import add_font, svg_text
from evalkit.words import catalogue

TREATED, COMPARISON, BAND, INK, PALE, WARNING = "#12436d", "#b35900", "#c3d5e6", "#24292f", "#8a929b", "#8c1d18"
TOTAL = "#6f97bf"
WIDE, NARROW = 6.9, 3.75  # inches
NARROW_BELOW = 5.0  # inches
SMALLEST_WIDTH, LARGEST_SIZE = 2.5, 60.0  # inches
_TAKEN: WeakSet[Axes] = WeakSet()  # axes that hold a picture

STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelsize": 9,
    "axes.edgecolor": "#5b646e",
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.7,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "evalkit",
    "pdf.fonttype": 42,
}


class Picture(Figure):
    """A figure that a notebook shows as SVG, the same on every run, whatever its settings for pictures are."""

    def _repr_svg_(self) -> str:
        return svg(self, str(self.get_label()))


def svg(figure: Figure, prefix: str) -> str:
    """Return a figure as SVG text, the same on every run; a prefix makes its ids its own, so that several fit in one page."""
    with look():
        return svg_text(figure, prefix)


def look() -> Any:
    """Return the look of all figures, as a context that leaves the caller's settings alone."""
    return mpl.rc_context(_style())


@cache
def _style() -> Any:
    family = add_font()
    return {**sns.axes_style("ticks"), **STYLE, **({"font.family": family} if family else {})}


def canvas(mark: str, name: str, narrow: bool, height: float, width: float | None = None) -> tuple[Picture, Axes]:
    """Return an empty figure with a mark at its upper right, such as that data are simulated; a narrow one is for telephones."""
    figure = Picture(figsize=(width or (NARROW if narrow else WIDE), height), layout="constrained")
    figure.set_label(f"{name}-narrow" if narrow else name)
    axes = figure.add_subplot(axes_class=Drawn)
    axes.use_sticky_edges = False
    sns.despine(ax=axes)
    if mark:
        if narrow:
            figure.suptitle(mark, x=0.995, ha="right", fontsize=8, color=WARNING)
        else:
            axes.set_title(mark, loc="right", fontsize=8, color=WARNING)
    return figure, axes


class Drawn(Axes):
    """Axes that a notebook shows as the whole picture they stand in."""

    def _repr_svg_(self) -> str:
        figure = self.get_figure(root=True)
        return svg(figure, str(figure.get_label()) if figure is not None else "")  # type: ignore[arg-type]


def axes_for(axes: Axes | None, lang: str, simulated: bool, name: str, width: float = WIDE, height: float = 3.9) -> Axes:
    """Return the axes to draw on, within :func:`look`: new ones of a width and height in inches, or those given, dressed alike.

    Parameters
    ----------
    axes : the caller's axes, or None for a new picture
    lang : "zh" or "en"
    simulated : whether the axes say at their upper right that data are simulated
    name : str
        What the picture is called: the prefix of the ids in its SVG.

    Raises
    ------
    ReportError
        For axes that are not plain or hold a picture already, and for sizes that no page has.
    """
    mark = catalogue(lang).say("status.simulated") if simulated else ""
    if axes is None:
        _judge_size(width, height)
        axes = canvas(mark, name, width < NARROW_BELOW, height, width)[1]
        _TAKEN.add(axes)
        return axes
    judge_axes(axes)
    _TAKEN.add(axes)
    sns.despine(ax=axes)
    outside = axes.xaxis.label.get_color()  # the caller's, on the caller's ground
    axes.set_facecolor("white")
    axes.tick_params(colors=outside)
    axes.tick_params(labelfontfamily=mpl.rcParams["font.family"][0], labelsize=8.5)
    beside = [
        getattr(axes, name) for name in ("_left_title", "_right_title") if hasattr(axes, name)
    ]  # not every matplotlib has them
    for text in (axes.title, *beside, axes.xaxis.label, axes.yaxis.label):
        text.set_fontfamily(mpl.rcParams["font.family"])
        text.set_parse_math(False)
    axes.set_axisbelow(True)
    axes.grid(True, axis="y", color=STYLE["grid.color"], linewidth=STYLE["grid.linewidth"])
    axes.grid(False, axis="x")
    if mark:
        axes.set_title(mark, loc="right", fontsize=8, color=outside if _luminance(outside) > 0.5 else WARNING)
    return axes


def _judge_size(width: float, height: float) -> None:
    if not all(
        isinstance(size, int | float) and low <= size <= LARGEST_SIZE for size, low in ((width, SMALLEST_WIDTH), (height, 0.5))
    ):
        raise ReportError(
            f"A picture is {SMALLEST_WIDTH:g} to {LARGEST_SIZE:g} inches wide and up to {LARGEST_SIZE:g} high, not {width!r} x {height!r}."
        )


def judge_axes(axes: Axes) -> None:
    """Raise ReportError for what is no plain axes, and for axes that hold a picture already."""
    if not isinstance(axes, Axes):
        raise ReportError(f"A {type(axes).__name__} is no axes to draw on. Give one axes, such as plt.subplots()[1].")
    if axes in _TAKEN and axes.has_data():
        raise ReportError(
            "These axes hold a picture already, and two in one cannot be told apart. Give each its own, or call axes.clear()."
        )
    if axes.name != "rectilinear" or (axes.get_xscale(), axes.get_yscale()) != ("linear", "linear"):
        raise ReportError(
            f"These axes are {axes.name}, {axes.get_xscale()} across and {axes.get_yscale()} upwards; pictures choose their scale "
            "themselves. Give plain axes, such as plt.subplots()[1]."
        )


def _luminance(color: Any) -> float:
    red, green, blue = mpl.colors.to_rgb(color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def is_narrow(axes: Axes) -> bool:
    """Return whether axes are as narrow as on a telephone, so that fewer ticks and shorter keys fit."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    if isinstance(figure, Picture):
        return bool(figure.get_figwidth() < NARROW_BELOW)
    return bool(axes.get_position().width * figure.get_figwidth() < 0.8 * NARROW_BELOW)


def value_ticks(axis: Any, scale: str, count: int = 7) -> None:
    """Freeze the ticks of an axis of effects, with true minus signs."""
    low, high = axis.get_view_interval()
    ticks = [tick for tick in MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= tick <= high]
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    decimals = 0 if step >= 1 and all(float(tick).is_integer() for tick in ticks) else 1 if step >= 0.5 or scale == "level" else 2
    axis.set_ticks(ticks, labels=[numerals.fixed(tick, decimals) for tick in ticks])
