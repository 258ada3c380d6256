"""The key and the note below a picture, broken into lines that fit, in Chinese as in English."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from evalkit.plots.look import INK, Picture, is_narrow

CLOSING, OPENING = "，。、；：）”》？！—%", "（“《"
LABEL_SIZE, KEY_SIZE, NOTE_SIZE, KEY_SIZE_WITHIN = 9.0, 8.5, 8.0, 7.5
LINES_COUNTED, LINE = 3, 0.185  # lines of the key that a height holds, and inches for every further one
HANDLE, COLUMN = 2.8, 1.4  # em: a handle with its room, and the room between columns


def ems(text: str) -> float:
    """Return the width of a text in units of its size, a little more rather than less.

    >>> ems("农户"), ems("ab"), ems("12")
    (2.0, 1.04, 1.14)
    """
    return round(sum(_em(character) for character in text), 2)


def _em(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WFA":
        return 1.0
    return 0.66 if character.isupper() else 0.57 if character.isdigit() else 0.32 if character in " .,:;()'|" else 0.52


def broken(text: str, width: float) -> str:
    """Return a text in lines of a width in ems: Chinese breaks anywhere but before closing marks, English between words.

    >>> broken("按估计值大小排列，不是名次。", 8).split(chr(10))
    ['按估计值大小排', '列，不是名次。']
    >>> broken("order is by estimate", 8).split(chr(10))
    ['order is by', 'estimate']
    """
    lines, line = [], ""
    for part in _parts(text):
        if line and ems((line + part).rstrip(" ")) > width:
            lines.append(line.rstrip())
            line = part.lstrip()
        else:
            line += part
    return "\n".join([*lines, line.rstrip()])


def _balanced(text: str, width: float) -> str:
    """Return a text in as few lines as fit, about equally long, so that no single word is left over."""
    lines = broken(text, width).count("\n") + 1
    even = broken(text, min(width, ems(text) / lines + 3))
    return even if even.count("\n") + 1 == lines else broken(text, width)


def _parts(text: str) -> list[str]:
    """Return the pieces of a text that must not be broken."""
    parts: list[str] = []
    for piece in re.findall(r" +|[^ \u2e80-\uffef“”—]+|.", text):
        if parts and (piece in CLOSING or parts[-1][-1] in OPENING):
            parts[-1] += piece
        else:
            parts.append(piece)
    return parts


def room(axes: Axes, size: float) -> float:
    """Return how many ems of a size stand side by side: across a picture of our own, within the caller's axes elsewhere."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    inches = figure.get_figwidth() if isinstance(figure, Picture) else axes.get_position().width * figure.get_figwidth()
    return float(0.96 * 72 * inches / size)


def is_own(axes: Axes) -> bool:
    """Return whether axes stand in a picture of our own, where the key has its place below; on others it needs room within."""
    return isinstance(axes.get_figure(root=True), Picture)


def label(axes: Axes, title: str = "", below: str = "", taken: float = 0.0) -> None:
    """Write the title, which says what is measured upwards, and the label of the horizontal axis, broken where they would be cut off.

    ``taken`` is the room in ems that names to the left of the axes need.
    """
    across = room(axes, LABEL_SIZE) - (max(taken, 3.0) if is_own(axes) else 0.0)
    figure = axes.get_figure(root=True)
    assert figure is not None
    if title:
        mark = 0.0 if is_narrow(axes) else ems(axes.get_title(loc="right"))
        axes.set_title(_balanced(title, across - mark), loc="left", linespacing=1.3)
    if below:
        axes.set_xlabel(_balanced(below, across), linespacing=1.3)
    if isinstance(figure, Picture):
        more = axes.get_title(loc="left").count("\n") + axes.get_xlabel().count("\n")
        figure.set_figheight(figure.get_figheight() + LINE * more)


def key(axes: Axes, *notes: str) -> None:
    """Put the key, and a note above it, below a picture of our own; within the caller's axes the key goes where there is room."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    note = _together(notes)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: (isinstance(handles[i], Line2D) is False, i))
    handles, labels = [handles[i] for i in order], [labels[i][:1].upper() + labels[i][1:] for i in order]
    if not isinstance(figure, Picture):
        if labels:
            fitting = [broken(told, 0.7 * room(axes, KEY_SIZE_WITHIN)) for told in labels]
            axes.legend(
                handles, fitting, handlelength=1.6, fontsize=KEY_SIZE_WITHIN, frameon=True, edgecolor="none", framealpha=0.85
            )
        _beneath(axes, note)
        return
    if not (labels or note):
        return
    wide = room(axes, KEY_SIZE)
    fitting = [broken(told, wide - HANDLE) for told in labels]
    longest = max((ems(told) for told in labels), default=0.0) + HANDLE
    columns = max(1, min(3, len(labels), int((wide + COLUMN) // (longest + COLUMN))))
    placed = figure.legend(
        handles, fitting, loc="outside lower left", ncols=columns,
        handlelength=1.6, columnspacing=COLUMN, borderaxespad=0, fontsize=KEY_SIZE, alignment="left",
    )  # fmt: skip
    lines = math.ceil(sum(told.count("\n") + 1 for told in fitting) / columns)
    if note:
        said = broken(note, room(axes, NOTE_SIZE))
        lines += said.count("\n") + 1
        placed.set_title(said, prop=FontProperties(size=NOTE_SIZE))
        placed.get_title().set(multialignment="left", color=INK, linespacing=1.4)
    figure.set_figheight(figure.get_figheight() + LINE * max(0, lines - LINES_COUNTED))


def _together(notes: Sequence[str]) -> str:
    """Return sentences in one text, each once: Chinese ones stand side by side, English ones a space apart."""
    said = [note for note in dict.fromkeys(notes) if note]
    return "".join(note + ("" if note[-1] in CLOSING else " ") for note in said).rstrip(" ")


def _beneath(axes: Axes, note: str) -> None:
    """Write a note below the label of the horizontal axis of the caller's axes."""
    if note:
        axes.annotate(
            broken(note, room(axes, NOTE_SIZE)), (0, 0), xycoords=("axes fraction", axes.xaxis.label), xytext=(0, -4),
            textcoords="offset points", va="top", ha="left", fontsize=NOTE_SIZE, annotation_clip=False, linespacing=1.4,
            color=axes.xaxis.label.get_color(),
        )  # fmt: skip
