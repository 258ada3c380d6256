"""Pictures that stand alone say what the tables say: comparisons, placebos, balance, overlap, incomes, problems, paths and counties."""

from __future__ import annotations

import re
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
from matplotlib.patches import StepPatch
from matplotlib.text import Text

import evalkit as ek
from evalkit.diagnostics.bacon import FORBIDDEN, bacon
from evalkit.diagnostics.balance import balance
from evalkit.diagnostics.placebos import placebo_in_time
from evalkit.errors import ReportError
from evalkit.inference.replay import placebo
from evalkit.plots.bacon import MARKS, plot_bacon
from evalkit.plots.caterpillar import NAMED, plot_caterpillar
from evalkit.plots.funnel import plot_funnel
from evalkit.plots.income_distribution import _hidden, histogram, plot_income_distribution
from evalkit.plots.look import NARROW, WIDE, Picture
from evalkit.plots.love import plot_balance
from evalkit.plots.notes import CLOSING, broken, ems
from evalkit.plots.overlap import plot_overlap
from evalkit.plots.placebos import plot_placebos
from evalkit.plots.synthetic_paths import plot_synthetic_paths
from evalkit.proportion import wilson
from evalkit.words import LANGUAGES

DESIGN = ek.example_design(units=40)
FUNNEL = pd.DataFrame({"state": ["found", "reported", "rechecked", "verified"], "count": [412, 388, 120, 96]})
LONG = "积石山保安族东乡族撒拉族自治县"


def overall(design: ek.Design) -> ek.Estimate:
    return ek.aggregate(ek.GroupTime()(design))


def few_treated() -> ek.Design:
    frame = ek.example_frame(units=24).assign(start=lambda f: f["first_treated"].where(f["village_id"] <= 4, 0))
    panel = ek.Panel(frame, unit="village_id", period="year")
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "log_income")


@pytest.fixture(scope="module")
def things() -> dict[str, Any]:
    """What the library returns for small designs, a thing for each picture."""
    covered = ek.example_design(covariates=["labour_share", "rainfall"], comparison="never_treated")
    one = ek.example_design(units=8, cohorts=1)
    return {
        "bacon": bacon(ek.example_design()),
        "controlled": bacon(covered),
        "permuted": ek.permute(ek.TwoWay(), one, interval="none"),
        "permuted_t": ek.permute(ek.TwoWay(), one, statistic="t", interval="none"),
        "rows": placebo_in_time(ek.TwoWay(), DESIGN),
        "placebo": placebo(overall, few_treated(), draws=30, seed=2),
        "balance": balance(covered, ek.Weighted("propensity")),
        "donors": ek.against_donors(DESIGN, 2),
        "one": ek.one_unit(DESIGN, 2),
        "incomes": incomes(),
        "counties": counties(12),
    }


def incomes(rows: int = 400, seed: int = 4) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    group = np.repeat(["a", "b"], rows // 2)
    income = np.exp(generator.normal(8.6, 0.5, rows) + 0.2 * (group == "b"))
    return pd.DataFrame(
        {"income": income, "year": 2015, "group": group, "people": generator.integers(1, 7, rows), "id": range(rows)}
    )


def counties(count: int, seed: int = 5) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    estimate, half = generator.normal(0.05, 0.03, count), generator.uniform(0.05, 0.1, count)
    names = [LONG, *(f"第{i}县" for i in range(1, count))]
    return pd.DataFrame(
        {"name": names, "estimate": estimate, "conf_low": estimate - half, "conf_high": estimate + half, "shrunken": 0.5 * estimate}
    )


Draw = Callable[..., Axes]
PICTURES: dict[str, Callable[[dict[str, Any]], Draw]] = {
    "bacon": lambda things: lambda **k: plot_bacon(things["bacon"], **k),
    "permuted": lambda things: lambda **k: plot_placebos(things["permuted"], **k),
    "donors": lambda things: lambda **k: plot_placebos(things["donors"], **k),
    "rows": lambda things: lambda **k: plot_placebos(things["rows"], **k),
    "balance": lambda things: lambda **k: plot_balance(things["balance"], **k),
    "overlap": lambda things: lambda **k: plot_overlap(things["balance"], **k),
    "income": lambda things: lambda **k: plot_income_distribution(things["incomes"], group="group", weight="people", **k),
    "income_public": lambda things: (
        lambda **k: plot_income_distribution(things["incomes"], household="id", public=True, log=False, **k)
    ),
    "funnel": lambda things: lambda **k: plot_funnel(FUNNEL, **k),
    "paths": lambda things: lambda **k: plot_synthetic_paths(things["donors"], DESIGN, **k),
    "gap": lambda things: lambda **k: plot_synthetic_paths(things["one"], gap=True, **k),
    "counties": lambda things: lambda **k: plot_caterpillar(things["counties"], overall=(0.05, 0.03, 0.07), **k),
}


@pytest.fixture(params=PICTURES)
def draw(request: Any, things: dict[str, Any]) -> Draw:
    return PICTURES[request.param](things)


def texts(axes: Axes) -> list[str]:
    """Every text of a picture, the key and the note included."""
    figure = axes.get_figure()
    assert figure is not None
    return [text.get_text() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def markers(axes: Axes) -> dict[str, Any]:
    """Lines of an axes by their label."""
    return {str(line.get_label()): line for line in axes.get_lines()}


# --- all pictures ---


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_label_is_cut_off_and_the_plot_keeps_its_room(
    draw: Draw, lang: str, width: float, cut_off: Callable[[Any], list[str]]
) -> None:
    axes = draw(lang=lang, width=width, simulated=True)
    figure = axes.get_figure()
    assert isinstance(figure, Picture) and cut_off(figure) == []
    assert axes.get_position().height > 0.3 and axes.get_position().width > 0.5


def test_given_axes_are_drawn_on_in_chinese_and_settings_stay(draw: Draw) -> None:
    before = dict(mpl.rcParams)
    figure = Figure(figsize=(10, 4))
    left, right = figure.subplots(1, 2)
    assert draw(axes=right, lang="zh", simulated=True) is right
    assert dict(mpl.rcParams) == before
    FigureCanvasAgg(figure).draw()
    chinese = [text for text in figure.findobj(Text) if re.search("[\u4e00-\u9fff]", text.get_text())]
    assert chinese and all("Noto Sans SC" in text.get_fontfamily() for text in chinese)
    assert not left.has_data() and not figure.legends


def test_the_same_bytes_come_twice_simulated_data_say_so_and_both_languages_are_complete(draw: Draw) -> None:
    plain = draw(lang="en")
    assert plain._repr_svg_() == draw(lang="en")._repr_svg_()  # type: ignore[attr-defined]
    chinese, english = texts(draw(lang="zh", simulated=True)), texts(plain)
    assert any("模拟数据" in text for text in chinese) and not any("imulated" in text for text in english)
    assert not [text for text in chinese + english if re.search(r"[{}]|\bnan\b|\bNone\b|\binf\b", text)]
    names = f"第|县|{LONG}"
    assert not [text for text in english if re.search("[\u4e00-\u9fff]", re.sub(names, "", text))]


# --- notes ---


@pytest.mark.parametrize("width", [6, 11, 20])
def test_broken_lines_fit_and_lose_nothing(width: float) -> None:
    text = "按估计值大小排列，不是名次（共200个县）；p = 0.012。order is by estimate, not a ranking"
    lines = broken(text, width).split("\n")
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(line[0] not in CLOSING for line in lines)
    assert all(ems(line) <= width + 2 for line in lines)


# --- bacon ---


def test_each_comparison_stands_at_its_weight_and_estimate(things: dict[str, Any]) -> None:
    told = things["bacon"]
    axes = plot_bacon(told, lang="en")
    drawn = [line for line in axes.get_lines() if line.get_linestyle() == "None"]
    points = np.concatenate([line.get_xydata() for line in drawn])
    expected = 100 * told.comparisons[["weight", "estimate"]].to_numpy()
    assert np.allclose(sorted(map(tuple, points)), sorted(map(tuple, expected)))
    assert any(np.allclose(line.get_ydata(), 100 * told.coefficient) for line in axes.get_lines())


def test_types_of_comparison_differ_in_shape() -> None:
    assert len({mark["marker"] for mark in MARKS.values()}) == len(MARKS)


def test_the_weight_of_forbidden_comparisons_is_told(things: dict[str, Any]) -> None:
    share = things["bacon"].forbidden_weight
    assert any(f"{100 * share:.1f}%" in text for text in texts(plot_bacon(things["bacon"], lang="en")) if "already" in text)
    clean = things["bacon"].comparisons[~things["bacon"].comparisons["type"].isin(FORBIDDEN)]
    assert any("No comparison is with units already covered" in text for text in texts(plot_bacon(clean, lang="en")))


def test_with_covariates_all_weights_drawn_add_to_one(things: dict[str, Any]) -> None:
    told = things["controlled"]
    axes = plot_bacon(told, lang="en")
    drawn = sum(line.get_xdata().sum() for line in axes.get_lines() if line.get_linestyle() == "None")
    star = any(line.get_marker() == "*" for line in axes.get_lines())
    assert star == (told.within_weight >= 0.001)
    assert drawn == pytest.approx(100 * (1 if star else 1 - told.within_weight))
    assert star or any("is not drawn" in text for text in texts(axes))


# --- placebos ---


def test_hatched_bars_count_those_at_least_as_large(things: dict[str, Any]) -> None:
    """By hand: p = (1 + hatched) / assignments, for every kind of draws."""
    for name in ("permuted", "permuted_t", "placebo", "donors"):
        found = things[name]
        axes = plot_placebos(found, lang="en")
        hatched = sum(bar.get_height() for bar in axes.patches if bar.get_hatch())
        every = sum(bar.get_height() for bar in axes.patches)
        p = found.p_value_effect if name == "donors" else found.table["p_value"].iloc[0]
        assert (1 + hatched) / (1 + every) == pytest.approx(p)
        plain = {bar.get_x(): bar.get_height() for bar in axes.patches if not bar.get_hatch()}
        assert all(bar.get_y() == plain[bar.get_x()] for bar in axes.patches if bar.get_hatch())


def test_the_estimate_its_p_and_the_smallest_p_are_told(things: dict[str, Any]) -> None:
    found = things["permuted"]
    axes = plot_placebos(found, lang="en")
    at = [line.get_xdata()[0] for line in axes.get_lines() if str(line.get_label()).startswith("actual")]
    assert at == [pytest.approx(100 * found.table["estimate"].iloc[0])]
    said = " ".join(texts(axes)).replace("\n", " ").replace("\u00a0", " ")
    assert f"p = {found.table['p_value'].iloc[0]:.3f}" in said and f"{found.smallest.smallest_p:.3f}" in said


def test_refused_assignments_are_told_and_count(things: dict[str, Any]) -> None:
    from dataclasses import replace

    found = things["permuted"]
    draws = found.draws.copy()
    draws[:2] = np.nan
    said = "".join(texts(plot_placebos(replace(found, draws=draws), lang="zh"))).replace("\n", "")
    assert "其中2个无法估计" in said


def test_several_effects_ask_which_is_meant() -> None:
    found = ek.permute(
        lambda d: ek.aggregate(ek.GroupTime()(d), by="event_time"), ek.example_design(units=8, cohorts=1), interval="none"
    )
    with pytest.raises(ReportError, match=r"Choose one: row=0"):
        plot_placebos(found)
    axes = plot_placebos(found, row=len(found.table) - 1, lang="en")
    at = [line.get_xdata()[0] for line in axes.get_lines() if str(line.get_label()).startswith("actual")]
    assert at == [pytest.approx(100 * found.table["estimate"].iloc[-1])]


def test_placebos_with_intervals_stand_in_rows(things: dict[str, Any]) -> None:
    told = things["rows"].told
    axes = plot_placebos(things["rows"], lang="en")
    points = markers(axes)["placebo estimate"]
    assert np.allclose(points.get_xdata(), 100 * told["estimate"])
    segments = next(found for found in axes.collections if isinstance(found, LineCollection)).get_segments()
    assert np.allclose([segment[:, 0] for segment in segments], 100 * told[["conf_low", "conf_high"]].to_numpy())


# --- balance and overlap ---


def test_marks_stand_at_the_mean_of_cohorts_by_treated_units(things: dict[str, Any]) -> None:
    found = things["balance"]
    axes = plot_balance(found, lang="en")
    units = found.table["cohort"].map(found.cohorts.set_index("cohort")["treated_units"]).to_numpy()
    for when, marker in (("before", "s"), ("after", "o")):
        line = markers(axes)[f"{when} weighting"]
        part = found.table["covariate"] == "rainfall"
        expected = np.average(found.table.loc[part, f"difference_{when}"], weights=units[part])
        assert line.get_xdata()[1] == pytest.approx(expected) and line.get_marker() == marker


def test_means_of_cohorts_by_hand() -> None:
    """One unit at 0.4 and three at 0 are 0.1 in the mean, on a line from 0 to 0.4."""
    frame = pd.DataFrame({"cohort": [1, 2], "covariate": "age", "difference_before": [0.4, 0.0], "treated_units": [1, 3]})
    axes = plot_balance(frame, lang="en")
    assert markers(axes)["before weighting"].get_xdata().tolist() == [pytest.approx(0.1)]
    (line,) = (found.get_segments()[0] for found in axes.collections if isinstance(found, LineCollection))
    assert line[:, 0].tolist() == [0.0, 0.4]


def test_without_weights_only_before_is_drawn_and_thresholds_stand() -> None:
    frame = pd.DataFrame({"covariate": ["age", "size"], "difference_before": [0.4, -0.1]})
    axes = plot_balance(frame, names={"age": "年龄"}, lang="en")
    assert markers(axes)["before weighting"].get_xdata().tolist() == [0.4, -0.1]
    assert "after weighting" not in markers(axes)
    upright = {
        round(float(line.get_xdata()[0]), 2)
        for line in axes.get_lines()
        if len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]
    }
    assert upright == {-0.25, -0.1, 0.0, 0.1, 0.25}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["年龄", "size"]


def test_what_cannot_be_standardised_is_named() -> None:
    frame = pd.DataFrame({"covariate": ["age", "share"], "difference_before": [0.4, np.inf]})
    axes = plot_balance(frame, lang="en")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["age"]
    assert any("share" in text and "Not drawn" in text for text in texts(axes))
    with pytest.raises(ReportError, match="No difference can be standardised"):
        plot_balance(frame[1:])


def test_bars_of_overlap_are_the_shares_up_and_down(things: dict[str, Any]) -> None:
    bins = things["balance"].histogram
    axes = plot_overlap(bins, lang="en")
    bars = [bar for bar in axes.patches if not isinstance(bar, StepPatch)]
    for arm, hatched, sign in (("treated", False, 1), ("comparison", True, -1)):
        drawn = [bar for bar in bars if bool(bar.get_hatch()) == hatched]
        kept = bins[(bins["arm"] == arm) & (bins["share"] > 0)]
        assert np.allclose([sign * bar.get_height() for bar in drawn], kept["share"])
        assert np.allclose([bar.get_x() for bar in drawn], kept["low"])
    assert len({bar.get_y() for bar in bars}) == bins["cohort"].nunique()
    outlines = [bar for bar in axes.patches if isinstance(bar, StepPatch)]
    first = bins[(bins["arm"] == "weighted") & (bins["cohort"] == bins["cohort"].min())]
    assert np.allclose(-outlines[0].get_data().values, first["share"])


# --- incomes ---


def test_shares_below_the_lines_are_those_of_the_people(things: dict[str, Any]) -> None:
    frame = things["incomes"]
    said = " ".join(texts(plot_income_distribution(frame, group="group", weight="people", names={"a": "A", "b": "B"}, lang="en")))
    for line in (2855, 2968):
        for group in "ab":
            part = frame[frame["group"] == group]
            share = part["people"][part["income"] < line].sum() / part["people"].sum()
            assert f"{group.upper()} {100 * share:.1f}%" in said.replace("\n", " ")


def test_areas_are_the_people_of_each_group(things: dict[str, Any]) -> None:
    axes = plot_income_distribution(things["incomes"], group="group", weight="people")
    first, second = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    assert [patch.get_data().values.sum() for patch in (first, second)] == pytest.approx([100, 100])
    assert first.get_fill() and not second.get_fill() and second.get_linestyle() != first.get_linestyle()


@pytest.mark.parametrize("log", [True, False])
def test_in_public_no_bin_holds_fewer_than_ten_households(log: bool) -> None:
    frame = incomes(300, seed=9)
    axes = plot_income_distribution(frame, household="id", public=True, log=log, lang="en")
    (patch,) = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    edges = np.asarray(patch.get_data().edges)
    assert np.histogram(frame["income"], edges)[0].min() >= 10
    assert np.histogram(frame["income"], edges)[0].sum() == 300
    assert any("joined" in text for text in texts(axes))
    plain = plot_income_distribution(frame, log=log)
    (bare,) = (patch for patch in plain.patches if isinstance(patch, StepPatch))
    assert len(bare.get_data().edges) > len(edges)


def test_bins_join_by_hand() -> None:
    """Of 3, 0, 1, 5 and 1 households, bins of at least four are 3+0+1 and 5+1."""
    income = np.repeat([0.5, 2.5, 3.5, 4.5], [3, 1, 5, 1])
    bins = histogram(income, np.ones(10), np.arange(6.0), least=4)
    assert bins.edges.tolist() == [0, 3, 5] and bins.households.tolist() == [4, 6]
    assert np.allclose(bins.share, [0.4 / 3, 0.6 / 2])


def test_shares_that_tell_of_few_households_are_hidden_in_public() -> None:
    """Nobody, ten, and all but ten may be told; nine may not, neither below, nor above, nor between two lines."""
    assert _hidden([0, 10], 100, 10) == [False, False]
    assert _hidden([9, 25], 100, 10) == [True, False]
    assert _hidden([20, 29], 100, 10) == [False, True]
    assert _hidden([20, 91], 100, 10) == [False, True]
    assert _hidden([9, 29], 100, 0) == [False, False]
    frame = pd.DataFrame({"income": np.r_[np.full(4, 2000.0), np.full(96, 9000.0)], "year": 2015, "id": range(100)})
    said = " ".join(texts(plot_income_distribution(frame, household="id", public=True, lang="en")))
    assert "4.0%" not in said and "not told" in said
    assert "4.0%" in " ".join(texts(plot_income_distribution(frame, lang="en")))


def test_two_years_have_lines_of_their_own_and_equal_lines_are_drawn_once() -> None:
    frame = pd.concat([incomes(200).assign(year=2014), incomes(200, 6).assign(year=2019)])
    axes = plot_income_distribution(frame, lang="en")
    upright = sorted(float(line.get_xdata()[0]) for line in axes.get_lines())
    assert upright == [2800, 3218, 3747]


def test_a_provincial_line_comes_from_a_file(tmp_path: Any) -> None:
    path = tmp_path / "lines.csv"
    path.write_text("schedule,year,value,source,verified\nprovince,2015,3500,a document,yes\n", encoding="utf-8")
    axes = plot_income_distribution(incomes(), schedules=("registry", "province"), extra=path, lang="en")
    assert sorted(float(line.get_xdata()[0]) for line in axes.get_lines()) == [2968, 3500]


def test_incomes_without_a_place_are_told() -> None:
    frame = incomes(200)
    frame.loc[:2, "income"] = [0, -5, np.nan]
    said = " ".join(texts(plot_income_distribution(frame, lang="en"))).replace("\n", " ")
    assert "1 households without an income" in said and "2 households with an income of zero or less" in said
    public = " ".join(texts(plot_income_distribution(frame, household="id", public=True, lang="en"))).replace("\n", " ")
    assert "fewer than 10 households without an income" in public


# --- problems, paths, counties ---


def test_the_interval_of_the_funnel_is_wilsons_in_problems() -> None:
    axes = plot_funnel(FUNNEL, lang="en")
    low, high = wilson(96, 120)
    segments = [found.get_segments()[0] for found in axes.collections if str(found.get_label()).startswith("95%")]
    assert np.allclose([segment[:, 0] for segment in segments], 120 * np.array([low, high]))
    assert len({bar.get_hatch() for bar in axes.patches}) == 3
    assert "80.0% of those re-checked" in " ".join(texts(axes))


def test_a_funnel_without_re_checks_has_no_share() -> None:
    axes = plot_funnel(FUNNEL.assign(count=[412, 388, 0, 0]), lang="en")
    assert not any(str(found.get_label()).startswith("95%") for found in axes.collections)
    assert any("Nothing has been re-checked" in text for text in texts(axes))


def test_paths_are_the_unit_and_its_synthetic_self_before_its_donors(things: dict[str, Any]) -> None:
    found = things["donors"]
    axes = plot_synthetic_paths(found, DESIGN, lang="en")
    assert np.allclose(markers(axes)["2"].get_ydata(), np.exp(found.path["actual"]))
    assert np.allclose(markers(axes)["synthetic unit"].get_ydata(), np.exp(found.path["synthetic"]))
    assert markers(axes)["2"].get_linestyle() != markers(axes)["synthetic unit"].get_linestyle()
    lines = sum(len(group.get_segments()) for group in axes.collections if isinstance(group, LineCollection))
    assert lines == len(found.placebos)
    plain = plot_synthetic_paths(found, lang="en", scale="level")
    assert np.allclose(markers(plain)["2"].get_ydata(), found.path["actual"]) and plain.get_yscale() == "linear"


def test_the_gap_of_one_unit_has_its_prediction_interval(things: dict[str, Any]) -> None:
    design = ek.example_design()
    found = ek.one_unit(design, 2)
    axes = plot_synthetic_paths(found, gap=True, lang="en")
    told = found.path[found.path["period"].notna()]
    assert np.allclose(markers(axes)["gap"].get_ydata(), 100 * told["effect"])
    assert ("prediction interval" in [str(group.get_label()) for group in axes.collections]) == told["conf_low"].notna().any()
    with pytest.raises(ReportError, match="gap=True"):
        plot_synthetic_paths(found)


def test_a_cohort_of_the_synthetic_estimator_stands_beside_its_mean_less_the_effects() -> None:
    design = ek.example_design()
    cells = ek.Synthetic()(design)
    axes = plot_synthetic_paths(cells, design, cohort=2016, lang="en")
    mean = design.wide(design.y)[design.cohort == 2016].mean(axis=0)
    assert np.allclose(markers(axes)["2016"].get_ydata(), np.exp(mean))
    gap = plot_synthetic_paths(cells, design, cohort=2016, gap=True, lang="en")
    told = cells.cells.assign(theta=cells.theta).query("kind == 'group_time' and cohort == 2016").sort_values("period")
    assert np.allclose(markers(gap)["gap"].get_ydata(), 100 * told["theta"])
    with pytest.raises(ReportError, match=r"cohort=: 2015, 2016, 2017"):
        plot_synthetic_paths(cells, design)


def test_counties_stand_by_estimate_with_their_intervals_and_never_with_a_number() -> None:
    frame = counties(12)
    axes = plot_caterpillar(frame.sample(frac=1, random_state=3), overall=(0.05, 0.03, 0.07), lang="en")
    ordered = frame.sort_values("estimate", ascending=False)
    assert [label.get_text() for label in axes.get_yticklabels()] == ordered["name"].tolist()
    assert np.allclose(markers(axes)["estimate"].get_xdata(), 100 * ordered["estimate"])
    segments = next(found for found in axes.collections if isinstance(found, LineCollection)).get_segments()
    assert np.allclose([segment[:, 0] for segment in segments], 100 * ordered[["conf_low", "conf_high"]].to_numpy())
    assert markers(axes)["estimate"].get_marker() != markers(axes)["estimate drawn towards the overall one"].get_marker()
    assert any("no ranking" in text for text in texts(axes)) and any("不是名次" in text for text in texts(plot_caterpillar(frame)))


@pytest.mark.parametrize("count", [NAMED, NAMED + 1])
def test_beyond_sixty_counties_nobody_is_named(count: int) -> None:
    axes = plot_caterpillar(counties(count), lang="en")
    assert len(axes.get_yticklabels()) == (count if count <= NAMED else 0)
    assert any("none named" in text for text in texts(axes)) == (count > NAMED)


def test_small_axes_of_the_caller_name_nobody() -> None:
    axes = Figure(figsize=(6, 2)).subplots()
    plot_caterpillar(counties(40), axes=axes)
    assert not axes.get_yticklabels()


def test_neighbours_that_lie_apart_are_not_said_to_overlap() -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "estimate": [0.1, 0.0], "conf_low": [0.09, -0.01], "conf_high": [0.11, 0.01]})
    assert any("whose intervals overlap" in text for text in texts(plot_caterpillar(frame, lang="en")))
    wide = frame.assign(conf_low=-1.0, conf_high=1.0)
    assert any("intervals of neighbours overlap" in text for text in texts(plot_caterpillar(wide, lang="en")))


# --- refusals ---

PUBLIC = pd.DataFrame({"income": [3000.0] * 9, "year": 2015, "id": range(9)})
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "bacon columns": (lambda: plot_bacon(pd.DataFrame({"type": ["a"]})), r"lacks the columns estimate, weight.*bacon\(design\)"),
    "bacon types": (
        lambda: plot_bacon(pd.DataFrame({"type": ["later"], "estimate": [0.1], "weight": [1.0]})),
        r"Unknown types of comparison: later\. Allowed: treated_untreated",
    ),
    "scale": (lambda: plot_bacon(pd.DataFrame(), scale="logs"), r"no scale 'logs'.*'log'"),
    "no table": (lambda: plot_funnel([1, 2]), r"A list cannot be drawn here"),  # type: ignore[arg-type]
    "no rows": (lambda: plot_funnel(FUNNEL[:0]), r"no rows"),
    "no placebos": (lambda: plot_placebos(FUNNEL), r"A DataFrame holds no placebos.*evalkit\.permute"),  # type: ignore[arg-type]
    "balance columns": (lambda: plot_balance(FUNNEL), r"lacks the columns covariate, difference_before.*balance\(design"),
    "balance twice": (
        lambda: plot_balance(pd.DataFrame({"covariate": ["age", "age"], "difference_before": [0.1, 0.2]})),
        r"stand twice in one cohort: age",
    ),
    "overlap columns": (lambda: plot_overlap(FUNNEL), r"lacks the columns cohort, arm, low, high, share.*histogram"),
    "overlap arms": (
        lambda: plot_overlap(pd.DataFrame({"cohort": [2015], "arm": ["control"], "low": [0.0], "high": [0.5], "share": [1.0]})),
        r"Unknown arms: control\. Allowed: treated, comparison, weighted",
    ),
    "overlap of one": (
        lambda: plot_overlap(pd.DataFrame({"cohort": [2015], "arm": ["treated"], "low": [0.0], "high": [0.5], "share": [1.0]})),
        r"Cohorts without bins of both groups: 2015",
    ),
    "overlap range": (
        lambda: plot_overlap(
            pd.DataFrame({"cohort": 2015, "arm": ["treated", "comparison"], "low": 0.0, "high": [50.0, 0.5], "share": 1.0})
        ),
        r"A propensity lies between 0 and 1.*2015",
    ),
    "three groups": (
        lambda: plot_income_distribution(incomes().assign(group=lambda f: f["id"] % 3), group="group"),
        r"one or two groups, not 3: 0, 1, 2",
    ),
    "years in a group": (
        lambda: plot_income_distribution(incomes().assign(year=lambda f: 2014 + f["id"] % 2), group="group"),
        r"Group 'a' holds the years 2014, 2015",
    ),
    "weights": (
        lambda: plot_income_distribution(incomes().assign(people=-1), weight="people"),
        r"negative in 400 rows of 'people'",
    ),
    "public without names": (lambda: plot_income_distribution(incomes(), public=True), r"household='household_id'"),
    "public too few": (
        lambda: plot_income_distribution(PUBLIC, household="id", public=True),
        r"Group '2015' holds fewer than 10 households",
    ),
    "public twice": (
        lambda: plot_income_distribution(incomes().assign(id=0), household="id", public=True),
        r"stand twice in group '2015': 399",
    ),
    "nobody": (lambda: plot_income_distribution(incomes().assign(income=np.nan)), r"Nobody in group 2015 has an income"),
    "nobody above zero": (lambda: plot_income_distribution(incomes().assign(income=-1.0)), r"Use log=False"),
    "funnel states": (
        lambda: plot_funnel(FUNNEL.assign(state=["found", "reported", "rechecked", "closed"])),
        r"Unknown states: closed",
    ),
    "funnel twice": (lambda: plot_funnel(pd.concat([FUNNEL, FUNNEL[:1]])), r"States stand twice: found"),
    "funnel missing": (lambda: plot_funnel(FUNNEL[:3]), r"lacks the states verified"),
    "funnel halves": (lambda: plot_funnel(FUNNEL.assign(count=[4, 3, 2, 0.5])), r"whole numbers from 0 on, not verified 0\.5"),
    "funnel grows": (lambda: plot_funnel(FUNNEL.assign(count=[4, 5, 2, 1])), r"More problems are reported \(5\) than found \(4\)"),
    "funnel empty": (lambda: plot_funnel(FUNNEL.assign(count=[4, 3, 2, np.nan])), r"1 rows have no number in 'count'.*verified"),
    "paths": (lambda: plot_synthetic_paths(FUNNEL), r"lacks the columns period, actual, synthetic.*against_donors"),
    "counties": (lambda: plot_caterpillar(FUNNEL), r"lacks the columns name, estimate, conf_low, conf_high.*one_unit"),
    "counties twice": (lambda: plot_caterpillar(counties(3).assign(name="甲县")), r"Names stand twice: 甲县"),
    "counties as text": (lambda: plot_caterpillar(counties(3).assign(conf_low="some")), r"no number in 'conf_low', by 'name'"),
    "counties unnamed": (lambda: plot_caterpillar(counties(3).assign(name=None)), r"3 rows have no name in 'name'"),
    "weightless": (
        lambda: plot_bacon(pd.DataFrame({"type": ["earlier_later"], "estimate": [0.1], "weight": [0.0]})),
        r"Weights are shares from 0 to 1, some above 0",
    ),
    "balance as text": (
        lambda: plot_balance(pd.DataFrame({"covariate": ["age"], "difference_before": ["some"]})),
        r"no number in 'difference_before', by 'covariate': age",
    ),
    "overlap of nobody": (
        lambda: plot_overlap(
            pd.DataFrame({"cohort": 2015, "arm": ["treated", "comparison"], "low": 0.0, "high": 0.5, "share": 0.0})
        ),
        r"Shares of an arm are 0 or more, and some above 0",
    ),
    "paths in yuan": (
        lambda: plot_synthetic_paths(
            pd.DataFrame({"period": [2015, 2016], "actual": [8000.0, 9000.0], "synthetic": [8000.0, 8500.0]})
        ),
        r"reaches 9,000, so it is no log\. Say scale='level'",
    ),
    "counties apart": (
        lambda: plot_caterpillar(counties(3).assign(conf_low=1.0, conf_high=2.0)),
        r"does not hold its estimate in 3 rows",
    ),
    "overall": (lambda: plot_caterpillar(counties(3), overall=(0.1, 0.2, 0.3)), r"three numbers, estimate, lower and upper end"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_drawn_is_refused_with_the_reason(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(ReportError, match=message):
        call()


def test_separated_cohorts_have_no_overlap_to_draw(things: dict[str, Any]) -> None:
    from dataclasses import replace

    found = replace(things["balance"], histogram=things["balance"].histogram[:0], separated=(2015,))
    with pytest.raises(ReportError, match=r"tell the groups apart perfectly in every cohort \(2015\)"):
        plot_overlap(found)


def test_a_design_without_the_donors_is_refused(things: dict[str, Any]) -> None:
    with pytest.raises(ReportError, match="does not hold the donors"):
        plot_synthetic_paths(things["donors"], ek.example_design(units=12))
