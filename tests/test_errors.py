"""A message says what is wrong, where (the first five) and what is allowed."""

import pytest

import evalkit as ek
from evalkit.errors import first_five, nearest, unknown


@pytest.mark.parametrize(
    ("offenders", "sentence"),
    [([], ""), ([1], "1"), (range(5), "0, 1, 2, 3, 4"), (range(6), "0, 1, 2, 3, 4 and 1 more")],
)
def test_five_offenders_are_shown_and_the_rest_are_counted(offenders, sentence: str) -> None:
    assert first_five(offenders) == sentence


def test_thousands_of_offenders_are_counted_readably() -> None:
    assert first_five(range(12_005)).endswith("and 12,000 more")


def test_a_slip_of_the_pen_finds_the_name_that_was_meant() -> None:
    allowed = ["county_id", "year", "log_income", "income"]
    assert nearest("log_incme", allowed)[0] == "log_income"
    assert nearest("conty_id", allowed)[0] == "county_id"
    assert nearest("zzzz", allowed) == []


def test_an_unknown_name_is_told_with_the_nearest_and_all_that_are_allowed() -> None:
    message = unknown("cluster", "conty", ["county", "village"])
    assert message == "There is no cluster 'conty'. Did you mean 'county'? Allowed: county, village."


def test_nothing_near_means_no_suggestion_and_long_lists_are_cut() -> None:
    message = unknown("column", "zzzz", [f"column_{i}" for i in range(40)])
    assert "Did you mean" not in message
    assert message.endswith("column_29, ....") and "column_30" not in message


@pytest.mark.parametrize("error", [ek.PanelError, ek.RolloutError, ek.DesignError, ek.EstimateError, ek.StudyError])
def test_whoever_catches_the_family_catches_every_refusal(error: type[Exception]) -> None:
    assert issubclass(error, ek.EvalkitError)
