"""The look of all pictures: one canvas, one style, and the same bytes on every run."""

from __future__ import annotations

import io
import re
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from evalkit import fonts, numerals

TREATED, COMPARISON, BAND, INK, PALE, WARNING = "#12436d", "#b35900", "#c3d5e6", "#24292f", "#8a929b", "#8c1d18"
TOTAL = "#6f97bf"

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
    out = io.StringIO()
    with look():
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", text)


def look() -> Any:
    """Return the look of all figures, as a context that leaves the caller's settings alone."""
    style = {**sns.axes_style("ticks"), **STYLE}
    if path := fonts.files().get("sans"):
        if not any(entry.fname == str(path) for entry in font_manager.fontManager.ttflist):
            font_manager.fontManager.addfont(path)
        style["font.family"] = [fonts.FACES["sans"]]
    return mpl.rc_context(style)


def canvas(mark: str, name: str, narrow: bool, height: float) -> tuple[Picture, Axes]:
    """Return an empty figure with a mark at its upper right, such as that data are simulated; a narrow one is for telephones."""
    figure = Picture(figsize=(3.75 if narrow else 6.9, height), layout="constrained")
    figure.set_label(f"{name}-narrow" if narrow else name)
    axes = figure.add_subplot()
    axes.use_sticky_edges = False
    sns.despine(ax=axes)
    if mark:
        if narrow:
            figure.suptitle(mark, x=0.995, ha="right", fontsize=8, color=WARNING)
        else:
            axes.set_title(mark, loc="right", fontsize=8, color=WARNING)
    return figure, axes


def value_ticks(axis: Any, scale: str, count: int = 7) -> None:
    """Freeze the ticks of an axis of effects, with true minus signs."""
    low, high = axis.get_view_interval()
    ticks = [tick for tick in MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= tick <= high]
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    decimals = 0 if step >= 1 and all(float(tick).is_integer() for tick in ticks) else 1 if step >= 0.5 or scale == "level" else 2
    axis.set_ticks(ticks, labels=[numerals.fixed(tick, decimals) for tick in ticks])


def legend(figure: Figure, axes: Axes, narrow: bool) -> None:
    """Put the key below the figure: what the dots are, then what the ranges are."""
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: (isinstance(handles[i], Line2D) is False, i))
    figure.legend(
        [handles[i] for i in order], [labels[i] for i in order], loc="outside lower left", ncols=2 if narrow else 3,
        handlelength=1.6, columnspacing=1.4, borderaxespad=0,
    )  # fmt: skip
