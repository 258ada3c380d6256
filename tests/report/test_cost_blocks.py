"""What a report says of public money and of what is left when support ends."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.cost_records import Bought, CostFound, Lasting
from evalkit.firm_records import NotTold
from evalkit.records import Interval
from evalkit.report import numbering, tables
from evalkit.report.blocks import Paragraph, Table
from evalkit.report.cost_blocks import cost_section, cost_table, lasting, money
from evalkit.report.sources import spans, traced, without_marks
from evalkit.report.voice import Voice
from evalkit.study_parts import Words
from evalkit.wording import check
from evalkit.words import LANGUAGES

GAIN = Interval(estimate=300.0, std_error=75.0, low=200.0, high=500.0)
BOUGHT = Bought(
    per_yuan=2.0, per_yuan_low=1.0, per_yuan_high=4.0, per_lasting_yuan=0.424, per_lasting_yuan_low=0.212, per_lasting_yuan_high=0.848,
    gain=GAIN, people=10_000, counted="summed", money=6e6, money_low=5e6, money_high=8e6, transfers="counted", discount_rate=0.03,
    lasting_years=5, present_yuan=4.717, source=Words(zh="县财政局决算", en="county finance bureau, final accounts"),
)  # fmt: skip
LASTING = Lasting(
    during=Interval(estimate=320.0, std_error=60.0, low=202.0, high=438.0), after=Interval(estimate=90.0, std_error=70.0, low=-47.0, high=227.0),
    difference=Interval(estimate=-230.0, std_error=50.0, low=-328.0, high=-132.0), units=21, years=3, undated=2, left_out=1,
)  # fmt: skip
NOT_ENDED = NotTold(reason="support_has_not_ended")
VERDICTS = ("gain", "loss", "small_change", "unclear", "pretrend_failed", "too_few")


@pytest.fixture(params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a report know the table of costs."""
    if "cost" not in numbering.ORDER:
        monkeypatch.setattr(numbering, "ORDER", (*numbering.ORDER, "cost"))
        monkeypatch.setitem(numbering._NEEDS, ("table", "cost"), "cost.bought")
        monkeypatch.setitem(tables._MAKERS, "cost", cost_table)


def of(found: Any, bought: Any = BOUGHT, after: Any = NOT_ENDED) -> Any:
    return found.model_copy(update={"cost": CostFound(bought=bought, lasting=after)})


def said(blocks: Any) -> str:
    return without_marks("\n".join(block.text for block in blocks if isinstance(block, Paragraph)))


def test_the_cost_of_a_yuan_is_told_low_to_high_with_what_it_rests_on(example_findings, registered, lang):
    text, table, reading, after = cost_section(Voice(of(example_findings()), lang))
    sentence = {
        "zh": "每增加1元年收入，财政投入约2.00元（低—高：1.00—4.00元）。",
        "en": "For each yuan of yearly income gained, about 2.00 yuan of public money was spent (low to high: 1.00 to 4.00 yuan).",
    }
    told = without_marks(text.text)
    assert sentence[lang] in told and "0.42" in told and "3%" in told
    assert reading.role == "help" and isinstance(table, Table) and after.text
    cells = [[cell.text for cell in row.cells[1:]] for row in table.rows]
    assert [[without_marks(cell) for cell in row] for row in cells] == [
        ["5,000,000", "6,000,000", "8,000,000"], ["200", "300", "500"], ["—", "10,000", "—"], ["1.00", "2.00", "4.00"],
        ["0.21", "0.42", "0.85"],
    ]  # fmt: skip
    assert [row.marked for row in table.rows] == [False, False, False, True, False]
    assert [cell.values for cell in table.rows[0].cells[1:]] == [(5e6,), (6e6,), (8e6,)]


def test_an_open_end_is_told_as_not_less_than(example_findings, registered, lang):
    open_end = BOUGHT.model_copy(update={"per_yuan_high": None, "per_lasting_yuan_high": None})
    text, table, *_ = cost_section(Voice(of(example_findings(), open_end), lang))
    told = without_marks(text.text)
    assert ("不低于1.00元" if lang == "zh" else "not less than 1.00 yuan") in told and "4.00" not in told
    assert without_marks(table.rows[3].cells[3].text) == ("无上限" if lang == "zh" else "no upper end")


def test_without_a_gain_no_figure_is_given_and_nothing_asked_is_not_mentioned(example_findings, lang):
    none = NotTold(reason="no_gain", facts={"verdict": "unclear"})
    told = said(cost_section(Voice(of(example_findings("unclear"), none), lang)))
    assert ("没有给出每增加1元收入的财政投入" if lang == "zh" else "No cost of a yuan gained is given") in told
    assert list(money(Voice(example_findings(), lang), NotTold(reason="not_given"))) == []
    assert list(cost_section(Voice(example_findings(), lang))) == []


@pytest.mark.parametrize("transfers", ["counted", "left_out"])
@pytest.mark.parametrize("counted", ["given", "summed"])
def test_every_assumption_stands_under_the_table(example_findings, registered, lang, transfers, counted):
    other = BOUGHT.model_copy(update={"transfers": transfers, "counted": counted})
    _, table, *_ = cost_section(Voice(of(example_findings(), other), lang))
    voice = Voice(example_findings(), lang)
    assert voice.say(f"cost.note_transfers_{transfers}") in table.notes and voice.say(f"cost.note_people_{counted}") in table.notes
    assert any("3%" in note and "4.72" in note for note in map(without_marks, table.notes))


def test_after_support_both_differences_and_their_change_are_told(example_findings, lang):
    told = without_marks("".join(lasting(Voice(example_findings(), lang), LASTING)))
    for number in ("+320", "+90", "−230", "202", "438", "−47", "227", "−328", "−132", "21"):
        assert number in told, number
    assert ("比支持期间小" if lang == "zh" else "smaller after the end") in told
    assert ("结束年份不详" if lang == "zh" else "a year that is not known") in told


@pytest.mark.parametrize(
    ("low", "high", "zh", "en"),
    [
        (5.0, 90.0, "比支持期间大", "larger after the end"),
        (-20.0, 90.0, "还不能判断", "cannot yet tell"),
        (None, None, "还不能判断", "cannot yet tell"),
    ],
)
def test_a_change_whose_range_holds_zero_or_is_not_there_is_not_judged(example_findings, lang, low, high, zh, en):
    other = LASTING.model_copy(update={"difference": Interval(estimate=40.0, low=low, high=high), "undated": 0, "left_out": 0})
    told = without_marks("".join(lasting(Voice(example_findings(), lang), other)))
    assert (zh if lang == "zh" else en) in told and ("不详" if lang == "zh" else "not known") not in told


@pytest.mark.parametrize("reason", ["support_has_not_ended", "too_few", "refused", "not_judged"])
def test_why_nothing_is_known_of_the_time_after_support_is_told(example_findings, lang, reason):
    assert len(list(lasting(Voice(example_findings(), lang), NotTold(reason=reason)))) == 1


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_wording_holds_for_every_verdict(example_findings, registered, lang, verdict):
    bought = BOUGHT if verdict == "gain" else NotTold(reason="no_gain", facts={"verdict": verdict})
    found = example_findings(verdict)
    for after in (LASTING, NOT_ENDED, *(NotTold(reason=reason) for reason in ("too_few", "refused", "not_judged"))):
        for block in cost_section(Voice(of(found, bought, after), lang)):
            for text in [block.text] if isinstance(block, Paragraph) else [block.caption, *block.notes]:
                assert check(without_marks(text), lang, verdict) == [], text


def test_numbers_of_the_section_know_where_they_come_from(example_findings, registered, lang):
    found = traced(of(example_findings(), BOUGHT, LASTING))
    blocks = list(cost_section(Voice(found, lang)))
    texts = [
        text
        for block in blocks
        for text in ([block.text] if isinstance(block, Paragraph) else [c.text for r in block.rows for c in r.cells])
    ]
    sources = {source for text in texts for _, _, told in spans(text)[1] for source in getattr(told, "sources", ())}
    assert sources >= {
        "cost.bought.per_yuan",
        "cost.bought.people",
        "cost.bought.gain.low",
        "cost.lasting.difference.high",
        "cost.lasting.units",
    }
    assert not any(c.isdigit() for text in texts for c in _outside(text) if c != "1")  # one yuan is a word of the catalogue


def _outside(text: str) -> str:
    plain, told = spans(text)
    for start, end, _ in reversed(told):
        plain = plain[:start] + plain[end:]
    return plain.replace("95%", "")
