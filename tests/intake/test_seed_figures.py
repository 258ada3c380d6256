"""Every figure of the seed documents is read as it stands, and no hidden one becomes a number."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit.intake.headers import normalise
from evalkit.intake.numbers import Flag, Number, figures_in
from evalkit.intake.units import find_unit

with (Path(__file__).parents[1] / "reference" / "seed_facts.csv").open(encoding="utf-8", newline="") as file:
    FACTS = {row["id"]: row for row in csv.DictReader(file)}

# The table's value is an interpretation there, not a figure that stands in the quote.
NO_FIGURE = {
    "F25": "四级 is a Chinese numeral in a set phrase",
    "F35": "达到全市农民平均水平 is a ratio of 1 in meaning; no digit stands there",
}
# The quote says August before April (同年4月), the table lists them in the order of time.
OTHER_ORDER = {"F56"}


def wanted(fact: dict[str, str]) -> list[float]:
    return [math.nan if value == "NA" else float(value) for value in fact["values"].split(";")]


def same(found: float, value: float) -> bool:
    return (math.isnan(found) and math.isnan(value)) or found == value


def picked(figures: list[Number], values: list[float], in_order: bool) -> list[Number]:
    """Return the figures with the wanted values; one that is missing breaks the test."""
    rest: Iterator[Number] = iter(figures)
    chosen = []
    for value in values:
        candidates = rest if in_order else iter(figures)
        match = next((figure for figure in candidates if same(figure.value, value)), None)
        assert match is not None, f"{value} is not among {figures}"
        chosen.append(match)
    return chosen


def says_the_same(found: str | None, stated: str) -> bool:
    """Return whether the unit beside a figure is the stated one: 元 for 元/人·年, 万 for 万人, nothing where nothing stands."""
    return (
        found is None or find_unit(found) == find_unit(stated.split("/")[0]) or (found in ("万", "亿") and stated.startswith(found))
    )


def test_there_are_67_facts() -> None:
    assert len(FACTS) == 67


@pytest.mark.parametrize("key", [key for key in FACTS if key not in NO_FIGURE])
def test_a_quoted_figure_is_read_with_its_unit(key: str) -> None:
    fact = FACTS[key]
    values, units = wanted(fact), fact["unit"].split(";")
    chosen = picked(figures_in(normalise(fact["quote"])), values, in_order=key not in OTHER_ORDER)
    for number, figure in enumerate(chosen):
        allowed = [units[number]] if len(units) == len(values) else units
        assert any(says_the_same(figure.unit, unit) for unit in allowed), figure


def test_nearly_every_figure_has_its_unit_beside_it() -> None:
    """The rule above lets a figure without a unit pass; only those that have none in the quote may."""
    bare = {
        (key, figure.value)
        for key in FACTS
        for figure in picked(
            figures_in(FACTS[key]["quote"]), [] if key in NO_FIGURE else wanted(FACTS[key]), key not in OTHER_ORDER
        )
        if figure.unit is None
    }
    assert bare == {("F26", 0.1), ("F67", 5.0), ("F67", 18.0)}


@pytest.mark.parametrize("key", NO_FIGURE)
def test_words_are_no_figures(key: str) -> None:
    assert figures_in(FACTS[key]["quote"]) == []


HIDDEN = [key for key, fact in FACTS.items() if "NA" in fact["values"]]


@pytest.mark.parametrize("key", HIDDEN)
def test_a_hidden_figure_is_missing_and_flagged(key: str) -> None:
    figures = figures_in(FACTS[key]["quote"])
    hidden = [figure for figure in figures if math.isnan(figure.value)]
    assert hidden and {figure.flag for figure in hidden} <= {Flag.MASKED, Flag.PLACEHOLDER}
    assert not {figure.value for figure in figures} & {1.0, 17.0, 100.0, 300.0}
    assert {figure.unit for figure in hidden} <= set(FACTS[key]["unit"].split(";"))


def test_five_documents_hide_figures() -> None:
    assert HIDDEN == ["F62", "F63", "F64", "F65", "F66"]


def test_bounds_say_that_they_are_bounds() -> None:
    flags = {key: {figure.flag for figure in figures_in(FACTS[key]["quote"])} for key in FACTS}
    assert all(Flag.UPPER_BOUND in flags[key] for key in ("F10", "F17", "F18", "F36"))
    assert all(Flag.LOWER_BOUND in flags[key] for key in ("F19", "F34", "F37", "F44", "F45", "F46", "F47", "F54"))
    assert flags["F01"] == {Flag.OK}


def test_a_lost_plus_sign_joins_no_figures() -> None:
    assert 518.0 not in {figure.value for figure in figures_in(FACTS["F67"]["quote"])}


@pytest.mark.parametrize("key", [f"F{number}" for number in range(38, 48)])
def test_traditional_characters_read_like_simplified_ones(key: str) -> None:
    quote = FACTS[key]["quote"]
    assert normalise(quote) != quote and figures_in(quote) == figures_in(normalise(quote))
