"""The picture of a rise before and after: bars as long as the parts, and a world without a programme below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from evalkit.before_after import claimed_rise
from evalkit.before_after_records import BeforeAfter, RisePart
from evalkit.errors import ReportError
from evalkit.plots.before_after import LOOKS, plot_before_after
from evalkit.plots.look import NARROW, WIDE, svg
from evalkit.words import LANGUAGES


def rise(*parts: tuple[Any, float], rest: tuple[float, float] | None = None) -> BeforeAfter:
    after = 2000 + sum(amount for _, amount in parts)
    ranges = {"rest": dict(zip(("low", "high"), rest or (None, None), strict=True))}
    made = [RisePart(name=name, amount=amount, share=None, **ranges.get(name, {})) for name, amount in parts]
    return BeforeAfter(first=2014, last=2018, before=2000, after=after, units=40, selected="covered", parts=made)


RISES = {
    "claim": claimed_rise(2350, 6040, years=4),
    "claim with growth": claimed_rise(2350, 6040, years=4, general_growth=0.09),
    "split": rise(("general_growth", 800.0), ("selection", 1500.0), ("rest", 300.0), rest=(-100.0, 700.0)),
    "narrow rest": rise(("general_growth", 800.0), ("selection", 1500.0), ("rest", 9.0), rest=(-400.0, 420.0)),
    "policy": rise(("general_growth", 7000.0), ("policy", 550.0), ("rest", -120.0)),
}


def bars(record: BeforeAfter, **options: Any) -> list[tuple[float, float]]:
    """From where to where each bar goes."""
    axes = plot_before_after(record, **options)
    return [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches if isinstance(bar, Rectangle)]


@pytest.mark.parametrize("name", RISES)
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_label_is_cut_off(name: str, lang: str, width: float, cut_off: Callable[[Any], list[str]]) -> None:
    assert cut_off(plot_before_after(RISES[name], lang=lang, simulated=True, width=width).get_figure()) == []


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
def test_texts_do_not_lie_on_each_other(lang: str, width: float) -> None:
    for record in (RISES[name] for name in ("claim", "narrow rest", "policy")):
        axes = plot_before_after(record, lang=lang, width=width)
        figure = axes.get_figure(root=True)
        assert figure is not None
        FigureCanvasAgg(figure).draw()
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not [(one, other) for i, one in enumerate(boxes) for other in boxes[:i] if one.overlaps(other)]


def test_parts_follow_each_other_from_the_start_to_the_mean_afterwards() -> None:
    assert bars(RISES["split"]) == [(0, 2000), (2000, 2800), (2800, 4300), (4300, 4600)]


def test_a_part_that_lowers_the_mean_goes_back_from_the_end() -> None:
    assert (9550, 9430) in bars(RISES["policy"])


def test_the_world_without_a_programme_stands_below() -> None:
    record = RISES["claim"]
    assert record.zero is not None
    drawn = bars(record)
    assert sorted(end for _, end in drawn)[-1] == 6040
    assert any(end == pytest.approx(record.zero.after) for _, end in drawn)
    assert (record.zero.before, pytest.approx(record.zero.before * (1 + record.zero.everyone))) in drawn


def test_the_range_is_that_of_the_mean_that_would_have_come_anyway() -> None:
    axes = plot_before_after(RISES["split"])
    lines = [part for found in axes.collections if isinstance(found, LineCollection) for part in found.get_segments()]
    across = [(float(a[0]), float(b[0])) for a, b in lines if a[1] == b[1]]
    assert across == [(3900, 4700)]
    assert axes.get_xlim()[1] > 4700


def test_parts_are_told_apart_without_colour() -> None:
    hatches = [hatch for name, (_, hatch) in LOOKS.items() if name in ("selection", "undivided", "rest")]
    assert len(set(hatches)) == 3 and all(hatches)


def test_the_key_names_each_part_once_in_order() -> None:
    axes = plot_before_after(RISES["claim with growth"], lang="en")
    assert axes.get_legend_handles_labels()[1] == ["Start", "General growth", "Selection and mean reversion", "Cannot be divided"]


def test_it_draws_on_axes_of_the_caller_and_leaves_settings_alone() -> None:
    before = dict(mpl.rcParams)
    axes = Figure(figsize=(12, 5)).subplots(1, 2)[0]
    assert plot_before_after(RISES["claim"], lang="zh", simulated=True, axes=axes) is axes
    assert dict(mpl.rcParams) == before
    assert "模拟数据 / Simulated data" in {text.get_text() for text in axes.findobj(Text)}


def test_the_same_rise_gives_the_same_picture_and_only_simulated_data_say_so() -> None:
    first, again = (svg(plot_before_after(RISES["split"], lang="en").get_figure(), "x") for _ in range(2))  # type: ignore[arg-type]
    assert first == again and "模拟数据" not in first


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ReportError, match=r"A list cannot be drawn here. Give it what comes from before_after_decomposition"):
        plot_before_after([1, 2])  # type: ignore[arg-type]
    wrong = RISES["split"].model_copy(update={"after": 9000.0})
    with pytest.raises(ReportError, match="parts of the rise add up to 2600, and the rise is 7000"):
        plot_before_after(wrong)
    with pytest.raises(ReportError, match=r"nothing called growth in this picture. Allowed: observed, zero, start"):
        plot_before_after(RISES["split"], names={"growth": "x"})
