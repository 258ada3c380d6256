"""Numbers as readers of either language write them, redone with a pencil."""

from __future__ import annotations

import math

import pytest

from evalkit import numerals
from evalkit.numerals import MINUS, amount, amounts, fixed, measured, money, ordinal, p_sentence, p_value, percent, points
from evalkit.report.voice import Voice

ZH = [
    (0, "0.0"),
    (4.36, "4.4"),
    (436.2, "436"),
    (9823.4, "9,820"),
    (9994.9, "9,990"),
    (9995, "1.00万"),  # ten thousand once it is rounded
    (10000, "1.00万"),
    (12300, "1.23万"),
    (12350, "1.24万"),  # a half goes up, as on paper
    (12250, "1.23万"),  # and not to the even digit
    (99949, "9.99万"),
    (99960, "10.0万"),
    (123456, "12.3万"),
    (9.996e6, "1000万"),
    (12345678, "1230万"),  # three digits, no separator before 万
    (99_949_999, "9990万"),
    (99_950_000, "1.00亿"),
    (1.5e8, "1.50亿"),
    (1.2345e12, "12300亿"),
]
ENDS = [
    *((n, "st") for n in (1, 21, 101, 121)),
    *((n, "nd") for n in (2, 22, 102)),
    *((n, "rd") for n in (3, 23)),
    *((n, "th") for n in (4, 10, 11, 12, 13, 20, 111, 112, 113)),
]
EN = [
    (9995, "10,000"),
    (12300, "12,300"),
    (999_400, "999,000"),
    (999_500, "1.00 million"),
    (2345678, "2.35 million"),
    (1.2345e9, "1230 million"),
]


@pytest.mark.parametrize(("value", "text"), ZH)
def test_chinese_counts_in_ten_thousands_from_ten_thousand(value: float, text: str) -> None:
    assert amount(value, "zh") == text
    if value:
        assert amount(-value, "zh") == MINUS + text
        assert amount(value, "zh", plus=True) == "+" + text


@pytest.mark.parametrize(("value", "text"), EN)
def test_english_counts_in_millions_from_a_million(value: float, text: str) -> None:
    assert amount(value, "en") == text
    assert amount(-value, "en", plus=True) == MINUS + text


def test_what_is_shown_as_nought_has_no_sign() -> None:
    for text in (
        fixed(-0.04, 1),
        fixed(0.0, 1, plus=True),
        money(-0.04),
        money(0, plus=True),
        percent(-0.04, plus=True),
        amount(-0.0, "zh"),
    ):
        assert text.rstrip("%") == "0.0"


def test_amounts_side_by_side_share_one_unit() -> None:
    assert amounts([12000, 34000], "zh") == ("1.20万", "3.40万")
    assert amounts([12000, 340000], "zh") == ("1.2万", "34.0万")
    assert amounts([-12000, 34000], "zh", plus=True) == (MINUS + "1.20万", "+3.40万")
    assert amounts([0, 34000], "zh") == ("0", "3.40万")
    assert amounts([1.2e6, 3.4e6], "en") == ("1.20 million", "3.40 million")


def test_amounts_of_different_size_keep_to_plain_digits() -> None:
    assert amounts([7350, 16000], "zh") == ("7,350", "16,000")  # and not 0.74万
    assert amounts([120, 750], "zh") == ("120", "750")
    assert amounts([12000, 3.4e8], "zh") == ("12,000", "340,000,000")  # beside 34000万 a 1万 would have one digit
    assert amounts([0, 0], "zh") == ("0.0", "0.0")
    assert amounts([], "zh") == ()


def test_tables_keep_separators_and_never_count_in_ten_thousands() -> None:
    assert money(12345678) == "12,300,000" and fixed(12345678) == "12,345,678"
    assert money(12250) == "12,300" and money(-12250) == MINUS + "12,300"
    assert money(9.96) == "10" and money(9.94) == "9.9"


def test_percentage_points_are_not_per_cent() -> None:
    assert points(-3.25, "zh") == MINUS + "3.2个百分点" and points(3.0, "en") == "3.0 percentage points"
    assert percent(3.0) == "3.0%"


def test_ordinals_end_as_english_writes_them() -> None:
    assert [ordinal(n, "en") for n, _ in ENDS] == ([f"{n}{end}" for n, end in ENDS])
    assert [ordinal(n, "zh") for n in (1, 21)] == ["第1", "第21"]


def test_small_p_values_are_told_as_smaller() -> None:
    assert [p_value(p) for p in (0.0009999, 0.001, 0.0499, 1)] == ["<0.001", "0.001", "0.050", "1.000"]
    assert p_sentence(0.0009) == "<\u00a00.001" and p_sentence(0.25) == "=\u00a00.250"


def test_means_show_three_digits() -> None:
    assert [measured(value) for value in (0.6042, 79.85, 312912.4, -3.456, 0)] == ["0.604", "79.8", "312,912", MINUS + "3.46", "0"]


@pytest.mark.parametrize("tell", [fixed, money, percent, measured])
def test_what_has_no_value_is_refused(tell: object) -> None:
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match=r"A number of the findings is -?(nan|inf); what has no value must be absent"):
            tell(value)  # type: ignore[operator]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_amount_without_a_value_is_refused(lang: str) -> None:
    with pytest.raises(ValueError, match="what has no value must be absent"):
        amount(math.nan, lang)


def test_a_value_that_knows_its_origin_marks_its_text() -> None:
    class Known(float):
        def told(self, text: str) -> str:
            return f"<{text}>"

    assert fixed(Known(-3.4), 1) == f"<{MINUS}3.4>" and money(Known(436.2)) == "<436>" and amount(Known(12300), "zh") == "<1.23万>"
    assert p_sentence(Known(0.0001)) == "<\u00a0<0.001>" and numerals.told("0", of=Known(0)) == "<0>"


def test_years_are_told_as_runs(report_findings: object) -> None:
    said = {lang: Voice(report_findings, lang) for lang in ("zh", "en")}  # type: ignore[arg-type]
    assert said["zh"].years([2018, 2016, 2017, 2020]) == "2016—2018年、2020年" and said["en"].years([2016]) == "2016"
    assert said["zh"].window(2016, 2018) == "2016—2018年" and said["en"].window(2016, 2018) == "2016–2018"
    assert said["zh"].window(2016, 2016) == "2016年"


@pytest.fixture
def report_findings() -> object:
    """Findings are asked for their words only."""
    from types import SimpleNamespace

    from evalkit.study import Words

    word = Words(zh="县", en="county")
    money_word = Words(zh="元/人·年", en="yuan per person per year")
    return SimpleNamespace(
        unit_word=word,
        programme=word,
        outcome_word=word,
        money=money_word,
        prices=word,
        bundle=[],
        level=0.95,
        simulated=False,
        alone=None,
    )
