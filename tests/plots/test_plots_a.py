"""Pictures on their own say what the tables say: event studies, cohorts, roll-outs, trends, forests, components, sensitivity, curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

import evalkit as ek
from evalkit.errors import ReportError
from evalkit.plots.cohort_paths import plot_cohort_paths
from evalkit.plots.components import plot_components
from evalkit.plots.event_study import plot_event_study
from evalkit.plots.forest import plot_forest
from evalkit.plots.look import NARROW, WIDE, svg
from evalkit.plots.rollout_map import _apart, plot_rollout
from evalkit.plots.sensitivity import plot_sensitivity
from evalkit.plots.specification_curve import plot_specification_curve
from evalkit.plots.trends import plot_trends
from evalkit.words import LANGUAGES

DESIGN = ek.example_design(units=40)
CELLS = ek.GroupTime()(DESIGN)
PATH = ek.aggregate(CELLS, by="event_time")
COHORTS, MANY = ek.infer(CELLS), ek.example_design(units=90)
POINTS, BAND = ek.infer(PATH), ek.infer(PATH, band="uniform", seed=7)
DRIFT, RELATIVE = (ek.honest(PATH, restriction=name, base_income=8000) for name in ("drift", "relative"))
CURVE = ek.specification_curve(
    DESIGN, {"two_way": ek.TwoWay(), "group_time": ek.GroupTime()}, covariates={"none": (), "rain": ("rainfall",)}
)
BOTH = ek.infer(ek.compare(DESIGN, {"two_way": ek.TwoWay(), "group_time": ek.GroupTime()}).estimate)
COMPONENTS = pd.DataFrame(
    {
        "name": ["total", "wage", "business", "transfer"],
        "estimate": [500.0, 420.0, -40.0, 120.0],
        "conf_low": [300.0, 250.0, -90.0, math.nan],
        "conf_high": [700.0, 590.0, 10.0, math.nan],
    }
)
PICTURES: dict[str, Callable[..., Axes]] = {
    "event_study": lambda **k: plot_event_study(POINTS, band=BAND, **k),
    "cohort_paths": lambda **k: plot_cohort_paths(COHORTS, **k),
    "rollout": lambda **k: plot_rollout(DESIGN, **k),
    "rollout_many": lambda **k: plot_rollout(MANY, **k),
    "trends": lambda **k: plot_trends(DESIGN, **k),
    "forest": lambda **k: plot_forest(BOTH, **k),
    "components": lambda **k: plot_components(COMPONENTS, self_generated=("wage",), **k),
    "drift": lambda **k: plot_sensitivity(DRIFT, **k),
    "relative": lambda **k: plot_sensitivity(RELATIVE, **k),
    "curve": lambda **k: plot_specification_curve(CURVE, **k),
}


def dots(axes: Axes, marker: str = "o") -> list[tuple[float, float]]:
    return [(float(x), float(y)) for line in axes.get_lines() if line.get_marker() == marker for x, y in line.get_xydata()]


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(list(found), float), np.asarray(list(expected), float), rtol=1e-12, atol=1e-12)


def segments(axes: Axes) -> list[tuple[float, float, float]]:
    """Upright lines of collections: where, from, to."""
    lines = [part for found in axes.collections if isinstance(found, LineCollection) for part in found.get_segments()]
    return [(float(a[0]), float(a[1]), float(b[1])) for a, b in lines if a[0] == b[0]]


@pytest.mark.parametrize("name", sorted(PICTURES))
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_label_is_cut_off(name: str, lang: str, width: float, cut_off: Callable[[Any], list[str]]) -> None:
    assert cut_off(PICTURES[name](lang=lang, simulated=True, width=width).get_figure()) == []


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_a_picture_draws_on_axes_of_the_caller_in_chinese_and_leaves_settings_alone(name: str) -> None:
    before = dict(mpl.rcParams)
    axes = Figure(figsize=(12, 5)).subplots(1, 2)[0]
    assert PICTURES[name](lang="zh", simulated=True, axes=axes) is axes
    assert dict(mpl.rcParams) == before
    FigureCanvasAgg(axes.get_figure()).draw()
    texts = [text for text in axes.findobj(Text) if any(ord(character) > 0x2E80 for character in text.get_text())]
    assert texts and all(text.get_fontfamily() == ["Noto Sans SC"] for text in texts)
    assert "模拟数据 / Simulated data" in {text.get_text() for text in texts}


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_the_same_table_gives_the_same_picture_and_only_simulated_data_say_so(name: str) -> None:
    first, again = (svg(PICTURES[name](lang="en").get_figure(), "x") for _ in range(2))
    assert first == again and "模拟数据" not in first


def test_dots_of_an_event_study_are_the_estimates_hollow_before_the_start() -> None:
    axes = plot_event_study(POINTS, band=BAND)
    told = POINTS[POINTS["event_time"].notna() & ~POINTS["reference"]]
    close(sorted(dots(axes)), sorted(zip(told["event_time"], 100 * told["estimate"], strict=True)))
    assert dots(axes, "D") == [(-1.0, 0.0)]
    for line in axes.get_lines():
        if line.get_marker() == "o":
            assert (line.get_markerfacecolor() == "white") == (max(line.get_xdata()) < 0)
    expected = [(t, 100 * a, 100 * b) for t, a, b in zip(told["event_time"], told["conf_low"], told["conf_high"], strict=True)]
    close(sorted(segments(axes)), sorted(expected))


def test_bars_behind_an_event_study_are_the_simultaneous_band() -> None:
    given, alone = plot_event_study(POINTS, band=BAND), plot_event_study(BAND)
    told = BAND[BAND["event_time"].notna() & ~BAND["reference"]]
    for axes in (given, alone):
        bars = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches]
        close(bars, zip(100 * told["conf_low"], 100 * told["conf_high"], strict=True))
    assert segments(given) and not segments(alone)  # a table of simultaneous ranges holds no ranges of single years


def test_paths_of_cohorts_differ_in_marker_and_dash() -> None:
    axes = plot_cohort_paths(ek.infer(CELLS))
    drawn = [line for line in axes.get_lines() if line.get_marker() != "None" and not line.get_label().startswith("_")]
    assert len({line.get_marker() for line in drawn}) == len(drawn) == 3
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in drawn}) == 3
    table = ek.infer(CELLS)
    for line, cohort in zip(drawn, (2015, 2016, 2017), strict=True):
        part = table[(table["cohort"] == cohort) & table["event_time"].notna()].sort_values("event_time")
        assert line.get_ydata() == pytest.approx(100 * part["estimate"].to_numpy())
        assert line.get_xdata() == pytest.approx(part["event_time"].to_numpy(), abs=0.2)


def test_many_cohorts_are_drawn_without_ranges_and_the_picture_says_so() -> None:
    cells = ek.infer(ek.GroupTime()(ek.example_design(units=120, cohorts=5)))
    axes = plot_cohort_paths(cells, over="period", lang="en")
    assert not segments(axes)
    assert "not drawn" in axes.get_figure().legends[0].get_title().get_text()


def test_a_roll_out_shows_starts_gaps_and_those_never_treated() -> None:
    # a starts in 2015; b has no row in 2014; c is never treated.
    frame = pd.DataFrame({"unit": [*"aaabbccc"], "year": [2014, 2015, 2016, 2015, 2016, 2014, 2015, 2016]})
    frame["start"] = frame["unit"].map({"a": 2015, "b": 2016, "c": 0})
    panel = ek.Panel(frame, unit="unit", period="year")
    axes = plot_rollout(ek.Rollout.from_first_treated(panel, "start", never=0), panel=panel, lang="en")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    dark = mpl.colors.to_rgba("#12436d")
    area = {
        kind: sum(p.get_width() * p.get_height() for p in axes.patches if chosen(p))
        for kind, chosen in {
            "treated": lambda p: p.get_facecolor() == dark,
            "missing": lambda p: p.get_hatch() is not None,
            "all": lambda p: True,
        }.items()
    }
    assert area == {"treated": 3, "missing": 1, "all": 9}


def test_a_treatment_that_stops_is_drawn_as_it_is() -> None:
    frame = pd.DataFrame({"unit": [*"aaabbb"], "year": [2014, 2015, 2016] * 2, "on": [0, 1, 0, 0, 0, 0]})
    panel = ek.Panel(frame, unit="unit", period="year")
    axes = plot_rollout(ek.Rollout.from_status(panel, "on", reversals="keep"), panel=panel)
    dark = [p for p in axes.patches if p.get_facecolor() == mpl.colors.to_rgba("#12436d")]
    assert [(p.get_x(), p.get_width()) for p in dark] == [(0.5, 1)]


def test_many_units_are_counted_by_their_start() -> None:
    axes = plot_rollout(ek.example_design(units=101), lang="zh")
    counts = [int(label.get_text().split("：")[1]) for label in axes.get_yticklabels()]
    assert sum(counts) == 101 and len(axes.patches) < 20


def test_labels_that_would_cover_each_other_are_moved_apart() -> None:
    assert _apart([0, 0.2, 5], 1, 5) == [0, 1, 5]
    assert _apart([0, 4.8, 5], 1, 5) == [0, 4, 5]


def test_trends_of_a_design_are_its_means() -> None:
    axes = plot_trends(DESIGN)
    ever = np.isfinite(DESIGN.cohort)[DESIGN.unit_index]
    for line, side in zip(axes.get_lines()[:2], (ever, ~ever), strict=True):
        means = pd.Series(DESIGN.y[side]).groupby(DESIGN.periods[DESIGN.period_index][side]).mean()
        assert line.get_ydata() == pytest.approx(means.to_numpy())


def test_weighted_panels_have_weighted_trends() -> None:
    frame = pd.DataFrame({"u": [1, 1, 2, 2, 3, 3], "t": [1, 2] * 3, "y": [1.0, 2.0, 3.0, 4.0, 9.0, 9.0], "w": [1, 1, 3, 3, 1, 1]})
    frame["start"] = frame["u"].map({1: 2, 2: 2, 3: 0})
    panel = ek.Panel(frame, unit="u", period="t", weight="w")
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), outcome="y")
    assert list(plot_trends(design).get_lines()[0].get_ydata()) == [2.5, 3.5]  # (1 + 3 * 3) / 4, (2 + 3 * 4) / 4


def test_a_forest_stands_in_the_order_given_and_marks_the_main_estimate() -> None:
    table = BOTH.assign(role=["other", "main"], detail=["one coefficient", ""])
    axes = plot_forest(table, lang="en", names={"two_way": "Plain regression"})
    assert dots(axes) == [(pytest.approx(100 * table["estimate"].iloc[0]), 0.0)]
    assert dots(axes, "D") == [(pytest.approx(100 * table["estimate"].iloc[1]), -1.0)]
    assert {"Plain regression", "one coefficient", "Group-time effects"} <= {text.get_text() for text in axes.texts}


def test_details_too_long_for_a_telephone_are_broken() -> None:
    table = BOTH.assign(
        detail=["all years since the start with equal weights, against units that are not treated by then, and more", ""]
    )
    axes = plot_forest(table, lang="en", width=NARROW)
    assert any("\n" in text.get_text() for text in axes.texts)


def test_cohorts_in_a_forest_are_called_by_their_start() -> None:
    axes = plot_forest(ek.infer(ek.aggregate(CELLS, by="cohort")), lang="en")
    assert [text.get_text() for text in axes.texts][::2] == ["Cohort of 2015", "Cohort of 2016", "Cohort of 2017", "Average"]


def test_the_total_of_components_stands_last_and_bars_are_as_long_as_the_effects() -> None:
    axes = plot_components(COMPONENTS, self_generated=("wage", "business"), lang="en")
    assert [bar.get_width() for bar in axes.patches] == [420, -40, 120, 500]
    assert [str(bar.get_hatch()) for bar in axes.patches] == ["////", "////", "", ""]
    assert "Transfers" in {text.get_text() for text in axes.texts}
    assert "+120" in {text.get_text() for text in axes.texts}  # no interval, so none is told


def test_the_drift_that_undoes_an_effect_is_marked_in_yuan() -> None:
    axes = plot_sensitivity(DRIFT, lang="en")
    upright = [float(line.get_xdata()[0]) for line in axes.get_lines() if list(line.get_xdata()) == [line.get_xdata()[0]] * 2]
    assert any(at == pytest.approx(DRIFT.breakdown_yuan) for at in upright)
    bounds = zip(DRIFT.table["size"], DRIFT.table["conf_low_yuan"], DRIFT.table["conf_high_yuan"], strict=True)
    expected = [(8000 * math.expm1(size), low, high) for size, low, high in bounds]
    close(segments(axes), expected)
    assert dots(axes, "D") == [(0.0, pytest.approx(8000 * math.expm1(DRIFT.estimate)))]


def test_without_yuan_the_picture_is_in_log_points() -> None:
    bounds = ek.honest(PATH, restriction="relative")
    axes = plot_sensitivity(bounds, lang="en")
    assert "log points" in axes.get_title(loc="left")
    assert segments(axes)[0] == pytest.approx((0, 100 * bounds.table["conf_low"].iloc[0], 100 * bounds.table["conf_high"].iloc[0]))


def test_open_ends_contradicted_sizes_and_a_breakdown_outside_are_told() -> None:
    table = pd.DataFrame(
        {"size": [0.0, 1.0, 2.0, 3.0], "conf_low": [1.0, 0.5, -np.inf, np.nan], "conf_high": [2.0, 3.0, np.inf, np.nan]}
    )
    axes = plot_sensitivity(table, breakdown=9.0, lang="en")
    assert len(dots(axes, "^")) == len(dots(axes, "v")) == len(dots(axes, "x")) == 1
    labels = axes.get_legend_handles_labels()[1]
    assert {"Range without an end", "Contradicted by the data: no range"} <= set(labels)
    assert any("outside" in label for label in labels)


def test_a_specification_curve_rises_and_its_choices_are_below() -> None:
    axes = plot_specification_curve(CURVE, lang="en")
    drawn = dots(axes)
    estimates = CURVE.curve["estimate"].to_numpy()
    assert [y for x, y in drawn][: len(estimates)] == pytest.approx(100 * estimates)
    assert {"None", "none", "rain", "Group-time effects", "Two-way fixed effects"} & {text.get_text() for text in axes.texts}
    assert len(drawn) == len(estimates) * 3  # itself, its covariates, its estimator


def test_refused_and_repeated_specifications_are_counted_in_the_picture() -> None:
    table = CURVE.table.assign(refused=["", "", "", "no comparison"], repeats=[False, False, True, False])
    note = plot_specification_curve(table, lang="en").get_figure().legends[0].get_title().get_text()
    assert "2 specifications" in note and note.count("Another 1") == 2


def test_empty_cells_mark_no_reference() -> None:
    told = POINTS.assign(reference=POINTS["reference"].astype(object).where(POINTS["reference"], np.nan))
    assert dots(plot_event_study(told)) == dots(plot_event_study(POINTS))


def test_numbers_written_as_text_are_numbers() -> None:
    means = pd.DataFrame(
        {"group": [*"ab"] * 2, "period": ["2015", "2015", "2016", "2016"], "mean": ["5000", "5200", "5600", "5500"]}
    )
    assert [list(line.get_ydata()) for line in plot_trends(means).get_lines()[:2]] == [[5000, 5600], [5200, 5500]]


@pytest.mark.parametrize("event_time", [-5, 3])
def test_the_start_is_in_a_picture_of_one_year(event_time: int, cut_off: Callable[[Any], list[str]]) -> None:
    axes = plot_event_study(FRAME.assign(event_time=event_time))
    assert cut_off(axes.get_figure()) == [] and axes.get_xlim()[0] < -0.5 < axes.get_xlim()[1]


def test_texts_beside_axes_on_a_dark_ground_have_its_colour() -> None:
    axes = plt_axes()
    axes.xaxis.label.set_color("white")
    plot_specification_curve(CURVE, axes=axes, lang="en")
    FigureCanvasAgg(axes.get_figure()).draw()
    assert {text.get_color() for text in (*axes.get_yticklabels(), *axes.texts) if text.get_text() in ("rain", "0.0")} == {"white"}
    assert axes.get_facecolor() == (1, 1, 1, 1)


def plt_axes(**looks: Any) -> Axes:
    """Axes of a caller's own."""
    return Figure().add_subplot(**looks)


FRAME = pd.DataFrame({"event_time": [0.0], "estimate": [0.1], "conf_low": [0.0], "conf_high": [0.2]})


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot_event_study(FRAME.drop(columns="conf_low")), r"lacks the columns conf_low.*ek\.infer\(ek\.aggregate"),
        (lambda: plot_event_study([1, 2]), "A list cannot be drawn here"),
        (lambda: plot_event_study(FRAME.assign(event_time=np.nan)), "No row has an event time"),
        (lambda: plot_event_study(pd.concat([FRAME, FRAME])), "event times stand in several rows: 0"),
        (lambda: plot_event_study(FRAME.assign(event_time=0.5)), "must hold whole numbers"),
        (lambda: plot_event_study(FRAME.assign(estimate=np.nan)), "no number in 'estimate'"),
        (lambda: plot_event_study(FRAME.assign(conf_low="some")), "1 rows have no number in 'conf_low'"),
        (lambda: plot_event_study(FRAME.assign(estimate=pd.Timestamp("2016-01-01"))), r"Dates are no numbers"),
        (lambda: plot_event_study(FRAME.assign(estimate=1e300)), r"beyond 1e\+15 in 'estimate'"),
        (lambda: plot_event_study(FRAME.assign(reference="x")), "'reference' holds True or False, not x"),
        (lambda: plot_event_study(FRAME.assign(level="x")), "coverage is one number between 0 and 1"),
        (lambda: plot_event_study(FRAME, axes=plt_axes(projection="polar")), "These axes are polar"),
        (lambda: plot_event_study(FRAME, axes=plt_axes(xscale="log")), "log across and linear upwards"),
        (lambda: plot_forest(BOTH, axes=Figure()), "A Figure is no axes to draw on"),
        (lambda: plot_event_study(FRAME, axes=plot_event_study(FRAME)), "hold a picture already"),
        (lambda: plot_event_study(FRAME, width=0), "2.5 to 60 inches wide"),
        (lambda: plot_trends(pd.DataFrame({"group": ["a"], "period": [pd.Timestamp("2016-01-01")], "mean": [1.0]})), "A year is 2016"),
        (lambda: plot_components(COMPONENTS.assign(name=["total", "wage", None, "transfer"])), r"1 rows have no name in 'name': rows 3"),
        (lambda: plot_event_study(FRAME, scale="logs"), "There is no scale 'logs'"),
        (lambda: plot_cohort_paths(FRAME), r"lacks the columns cohort.*GroupTime"),
        (lambda: plot_cohort_paths(FRAME.assign(cohort=2015), over="year"), "There is no time to draw over 'year'"),
        (lambda: plot_cohort_paths(pd.concat([FRAME.assign(cohort=2000 + i) for i in range(9)])), "9 cohorts cannot be told apart"),
        (lambda: plot_cohort_paths(pd.concat([FRAME.assign(cohort=2015)] * 2)), r"several rows: 2015 \(0\)"),
        (lambda: plot_cohort_paths(FRAME.assign(cohort=np.nan)), "No row has both a cohort"),
        (lambda: plot_rollout(DESIGN.rollout), r"Give the panel too: plot_rollout\(rollout, panel=panel\)"),
        (lambda: plot_rollout(FRAME), "A DataFrame is no roll-out"),
        (lambda: plot_rollout(DESIGN.rollout, panel=ek.example_design(units=30).panel), "tells of 40 units and the panel of 30"),
        (lambda: plot_trends(FRAME), "lacks the columns group, period, mean"),
        (lambda: plot_trends(pd.DataFrame({"group": ["a"], "period": [2015], "mean": [0.0]})), "no place on a log axis"),
        (lambda: plot_trends(pd.DataFrame({"group": ["a"] * 2, "period": [2015] * 2, "mean": [1.0] * 2})), r"one period: a \(2015\)"),
        (lambda: plot_trends(pd.DataFrame({"group": [*"abcde"], "period": 2015, "mean": 1.0})), "5 groups cannot be told apart"),
        (lambda: plot_forest(FRAME), "neither 'name' nor 'cohort'"),
        (lambda: plot_forest(FRAME.assign(name="a", role="first")), "There is no role of a row 'first'"),
        (lambda: plot_components(COMPONENTS[1:]), "No row is called 'total'"),
        (lambda: plot_components(pd.concat([COMPONENTS, COMPONENTS])), "several rows: total, wage"),
        (lambda: plot_components(COMPONENTS, self_generated=("wages",)), "There are no components wages"),
        (lambda: plot_sensitivity(FRAME), r"lacks the columns size.*ek\.honest"),
        (lambda: plot_sensitivity(FRAME.assign(size=[0.0], conf_low=-np.inf)), "No size of the table has an interval"),
        (lambda: plot_specification_curve(FRAME.assign(refused="no comparison")), "No specification has an estimate"),
        (lambda: plot_specification_curve(pd.concat([FRAME.assign(outcome="a"), FRAME.assign(outcome="b")])), "There are several outcomes"),
        (lambda: plot_specification_curve(FRAME.assign(outcome="a"), outcome="b"), "There is no outcome 'b'"),
        (
            lambda: plot_specification_curve(pd.concat([FRAME.assign(sample=str(i)) for i in range(41)])),
            "41 choices cannot be read",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_with_the_reason(draw: Callable[[], Any], message: str) -> None:
    with pytest.raises(ReportError, match=message):
        draw()
