"""What pictures are looked at with: each is measured as it is shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from evalkit.plots.vector import SvgCanvas


@pytest.fixture(scope="session")
def cut_off() -> Callable[[Figure], list[str]]:
    """Texts that reach beyond the edge of a picture, drawn as SVG."""

    def found(figure: Figure) -> list[str]:
        figure.dpi = 72
        renderer = SvgCanvas(figure).get_renderer()
        figure.draw(renderer)
        right, top, out = figure.bbox.width, figure.bbox.height, []
        for text in (artist for artist in figure.findobj(Text) if artist.get_text() and artist.get_visible()):
            box = text.get_window_extent(renderer)
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= right + 1 and box.y1 <= top + 1
            off_axis = text.axes is not None and (box.x0 > right or box.y0 > top or box.x1 < 0 or box.y1 < 0)
            out += [] if inside or off_axis else [text.get_text()]
        return out

    return found
