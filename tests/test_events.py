"""Events become a roll-out: which date counts, who is left open, what ended, and which programmes arrive together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evalkit as ek
from evalkit.codes import table
from evalkit.events import Events, Programmes, bundle, dates_compared, doses, effects_by_date, overlap
from evalkit.events.dates import span
from evalkit.events.judging import EVENTS, STARTS
from evalkit.notices import Notice
from evalkit.places import shared

YEARS = range(2012, 2021)


def panel(units: Any = ("a", "b", "c", "d"), years: Any = YEARS, **columns: Any) -> ek.Panel:
    frame = pd.MultiIndex.from_product([list(units), list(years)], names=["village", "year"]).to_frame(index=False)
    return ek.Panel(frame.assign(**columns), "village", "year")


def long(*rows: tuple[Any, ...], programme: str = "relocation") -> pd.DataFrame:
    """A table of (unit, event, date) or (unit, programme, event, date) rows."""
    full = [row if len(row) == 4 else (row[0], programme, *row[1:]) for row in rows]
    return pd.DataFrame(full, columns=["unit", "programme", "event", "date"])


def start(events: pd.DataFrame | Events, on: ek.Panel | None = None, programme: str = "relocation", **choices: Any) -> ek.Rollout:
    return ek.Rollout.from_events(
        on or panel(), events if isinstance(events, Events) else Events.read(events), programme, **choices
    )


def notice(rollout: ek.Rollout | Events, code: str) -> Notice:
    return next(found for found in rollout.notices if found.code == code)


def codes(rollout: ek.Rollout | Events) -> list[str]:
    return [found.code for found in rollout.notices]


MOVE = long(
    ("a", "listed", "2013"), ("a", "funded", "2014-11"), ("a", "built", "2015"), ("a", "moved_in", "2016-02-01"),
    ("b", "listed", "2014"), ("b", "funded", "2015"), ("b", "built", "2015"), ("b", "moved_in", "2015"),
)  # fmt: skip


# The start


@pytest.mark.parametrize(
    ("date", "expected"),
    [("listed", [2013, 2014]), ("funded", [2014, 2015]), ("built", [2015, 2015]), ("moved_in", [2016, 2015])],
)
def test_the_choice_of_date_moves_the_start(date: str, expected: list[int]) -> None:
    np.testing.assert_array_equal(start(MOVE, date=date).first_treated, [*expected, np.inf, np.inf])


def test_the_first_of_several_payments_is_the_start() -> None:
    rows = long(("a", "funded", "2017"), ("a", "funded", "2014-12-31"), ("a", "funded", "2015"))
    assert start(rows).first_treated[0] == 2014


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(STARTS), st.integers(2008, 2024)), min_size=1, unique=True),
    st.sampled_from(STARTS),
    st.randoms(use_true_random=False),
)
def test_the_start_is_the_earliest_chosen_date_of_each_unit_in_any_order_of_rows(
    rows: list[tuple[str, str, int]], date: str, chance: Any
) -> None:
    expected = [min((year for unit, event, year in rows if unit == u and event == date), default=np.inf) for u in "abcd"]
    left = [u for u, first in zip("abcd", expected, strict=True) if np.isinf(first) and any(row[0] == u for row in rows)]
    chance.shuffle(rows)
    events = Events.read(long(*rows))
    assert list(events.undated(panel(), "relocation", date)) == left
    if left:
        with pytest.raises(ek.RolloutError, match=rf"{len(left)} units have events"):
            start(events, date=date)
    else:
        np.testing.assert_array_equal(start(events, date=date).first_treated, expected)


def test_the_order_of_rows_changes_nothing() -> None:
    shuffled = Events.read(MOVE.iloc[[5, 2, 7, 0, 3, 6, 1, 4]])
    columns = ["unit", "programme", "event", "date", "year"]
    pd.testing.assert_frame_equal(shuffled.frame[columns], Events.read(MOVE).frame[columns])


def test_one_programme_does_not_start_another() -> None:
    rows = long(("a", "industry", "funded", 2014), ("b", "relocation", "funded", 2016))
    np.testing.assert_array_equal(start(rows, programme="industry").first_treated, [2014, np.inf, np.inf, np.inf])


def test_units_without_an_event_are_untreated_and_counted() -> None:
    assert notice(start(MOVE), "UNTREATED_WITHOUT_EVENT").facts == {"units": 2}


def test_a_rollout_from_events_equals_one_from_a_column_of_first_years() -> None:
    first = panel(first=np.repeat([2014, 2015, 0, 0], len(YEARS)))
    by_column = ek.Rollout.from_first_treated(first, "first", never=0, programme="relocation")
    by_events = start(MOVE, first)
    np.testing.assert_array_equal(by_events.first_treated, by_column.first_treated)
    assert repr(by_events) == repr(by_column)


def test_a_start_after_the_window_is_told_as_by_every_other_way_in() -> None:
    assert notice(start(long(("a", "funded", 2014), ("b", "funded", 2023))), "TREATED_AFTER_WINDOW").facts["units"] == 1


@pytest.mark.parametrize("units", [(1, 2, 3, 4), ("1", "2", "3", "4"), (1.0, 2.0, 3.0, 4.0)])
@pytest.mark.parametrize("kind", [int, float, str])
def test_labels_are_compared_as_text_whatever_their_type(units: tuple[Any, ...], kind: type) -> None:
    rows = long((1, "funded", 2014), (3, "funded", 2016)).assign(unit=lambda frame: frame["unit"].map(kind))
    if kind is float:
        rows["unit"] = rows["unit"].astype(float)
    else:
        rows["unit"] = rows["unit"].astype(str if kind is str else int)
    rows["unit"] = rows["unit"].replace({"1.0": "1", "3.0": "3"})
    np.testing.assert_array_equal(start(rows, panel(units)).first_treated, [2014, np.inf, 2016, np.inf])


@pytest.mark.parametrize("written", ["漳　县", " 漳 县", "漳\u200b县"])
def test_a_unit_that_differs_from_one_of_the_panel_in_blanks_only_is_never_taken_for_another(written: str) -> None:
    rows = long((written, "funded", 2014), ("b", "funded", 2015))
    with pytest.raises(ek.RolloutError, match=r"1 unit.*in blanks only.*\(in the panel: '漳县'\)"):
        start(rows, panel(["漳县", "b", "c"]))
    with pytest.raises(ek.RolloutError, match="in blanks only"):
        start(rows.iloc[:1], panel(["漳县", "b", "c"]))
    assert start(rows.assign(unit=["漳县", "b"]), panel(["漳县", "b", "c"])).first_treated.tolist() == [2015, np.inf, 2014]


def test_events_of_units_outside_the_panel_are_counted_and_named() -> None:
    rollout = start(long(("a", "funded", 2014), ("x", "funded", 2014), ("y", "listed", 2014)))
    assert notice(rollout, "EVENTS_OUTSIDE_PANEL").facts == {"units": 2, "of_units": 3, "first": ["x", "y"]}


# Without the chosen date

PARTLY = long(
    ("a", "funded", 2014), ("b", "listed", 2013), ("b", "moved_in", 2016), ("c", "listed", 2015), ("d", "listed", 2014), ("d", "funded", None)
)  # fmt: skip


def test_units_that_took_part_without_the_date_stop_the_run_with_their_counts_and_the_choices() -> None:
    with pytest.raises(ek.RolloutError) as stopped:
        start(PARTLY)
    said = str(stopped.value)
    assert "3 units have events of 'relocation' but no dated 'funded' event" in said
    for part in ("1 has listed;", "1 has listed + funded without a date", "1 has listed + moved_in", "b, c, d"):
        assert part in said
    for choice, settled in (("later_event", 1), ("any_event", 3), ("listed_untreated", 1)):
        assert f"missing_date='{choice}'" in said
        assert f"settles {settled})" in said
    assert "listed 3, funded 1, built 0, moved_in 1" in said


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("any_event", [2014, 2013, 2015, 2014]),
        (("later_event", "any_event"), [2014, 2016, 2015, 2014]),
        (("later_event", "listed_untreated", "any_event"), [2014, 2016, np.inf, 2014]),
    ],
)
def test_each_choice_settles_whom_it_can_in_the_order_given(choice: Any, expected: list[float]) -> None:
    rollout = start(PARTLY, missing_date=choice)
    np.testing.assert_array_equal(rollout.first_treated, expected)
    settled = [found.facts["units"] for found in rollout.notices if found.code == "START_FROM_OTHER_EVENT"]
    assert sum(settled) == 3


@pytest.mark.parametrize(("choice", "left"), [("later_event", "2 units"), ("listed_untreated", "2 units")])
def test_a_choice_that_does_not_settle_everyone_still_stops(choice: str, left: str) -> None:
    with pytest.raises(ek.RolloutError, match=left):
        start(PARTLY, missing_date=choice)


def test_a_payment_without_a_date_is_never_read_as_a_mere_listing() -> None:
    with pytest.raises(ek.RolloutError, match="funded without a date"):
        start(long(("a", "funded", 2014), ("b", "listed", 2013), ("b", "funded", "")), missing_date="listed_untreated")


def test_the_way_to_leave_units_out_that_the_message_shows_works() -> None:
    whole, events = panel(), Events.read(PARTLY)
    left = events.undated(whole, "relocation", "funded")
    assert list(left) == ["b", "c", "d"]
    smaller = ek.Panel(whole.frame[~whole.frame["village"].isin(left)], "village", "year")
    rollout = start(events, smaller)
    assert list(rollout.units) == ["a"] and rollout.first_treated[0] == 2014


# What ended, and what did not


def test_exit_from_the_register_changes_nothing() -> None:
    exits = MOVE.assign(exit_year=2016, 脱贫年份=2017)
    words = pd.concat([exits, long(("a", "脱贫", 2016), ("b", "出列", 2017), ("c", "摘帽", "2018年"))])
    with_exits = Events.read(words)
    assert notice(with_exits, "REGISTER_EXITS_LEFT_OUT").facts == {"rows": 3}
    assert with_exits.ignored == ("exit_year", "脱贫年份")
    np.testing.assert_array_equal(start(with_exits).first_treated, start(MOVE).first_treated)
    assert "SUPPORT_ENDED" not in codes(start(with_exits))


def ending(count: int, units: int = 40) -> pd.DataFrame:
    names = [f"v{i:02}" for i in range(units)]
    rows = [(name, "funded", 2014) for name in names] + [(name, "ended", 2017) for name in names[:count]]
    return long(*rows)


@pytest.mark.parametrize(("count", "many"), [(1, False), (2, False), (3, True)])
def test_support_that_ended_is_counted_and_many_means_more_than_a_twentieth(count: int, many: bool) -> None:
    rollout = start(ending(count), panel([f"v{i:02}" for i in range(41)]))
    facts = notice(rollout, "SUPPORT_ENDED").facts
    assert facts == {"units": count, "treated_units": 40, "share": count / 40, "limit": 0.05, "many": many}
    assert np.isfinite(rollout.first_treated).sum() == 40


@pytest.mark.parametrize("end", ["", 2031])
def test_support_of_units_that_start_after_the_panel_ends_is_no_support_that_ended_within_it(end: object) -> None:
    late = long(("a", "funded", 2030), ("a", "ended", end))
    assert "SUPPORT_ENDED" not in codes(start(late))
    both = start(pd.concat([late, long(("b", "funded", 2014), ("b", "ended", 2016))]))
    assert notice(both, "SUPPORT_ENDED").facts["units"] == 1 and notice(both, "SUPPORT_ENDED").facts["share"] == 1


def test_support_that_ended_can_be_refused() -> None:
    with pytest.raises(ek.RolloutError, match=r"Support ended for 2 treated units within the panel: v00, v01"):
        start(ending(2), panel([f"v{i:02}" for i in range(41)]), ended="refuse")


@pytest.mark.parametrize(
    ("rows", "counted"),
    [
        ([("a", "funded", 2014), ("a", "ended", 2020)], True),
        ([("a", "funded", 2014), ("a", "ended", 2021)], False),
        ([("a", "funded", 2014), ("a", "ended", None)], True),
        ([("a", "listed", 2012), ("a", "ended", 2013), ("a", "funded", 2015)], False),
        ([("a", "funded", 2014), ("a", "ended", 2016), ("a", "funded", 2018)], True),
    ],
)
def test_an_end_counts_between_the_start_and_the_last_period(rows: list[tuple[Any, ...]], counted: bool) -> None:
    assert ("SUPPORT_ENDED" in codes(start(long(*rows)))) is counted


def test_an_end_in_the_year_of_the_start_is_no_contradiction() -> None:
    Events.read(long(("a", "funded", "2016-08"), ("a", "ended", "2016")))
    with pytest.raises(ek.RolloutError, match="ended before it started"):
        Events.read(long(("a", "funded", "2016-08"), ("a", "ended", "2016-07")))


# Words, dates, files


@pytest.mark.parametrize(
    ("written", "event"),
    [
        ("列入", "listed"),
        ("到账", "funded"),
        ("建成", "built"),
        ("入住", "moved_in"),
        ("结束", "ended"),
        ("Moved In", "moved_in"),
        (" 资金到账 ", "funded"),
    ],
)
def test_event_words_of_both_languages_are_understood(written: str, event: str) -> None:
    rows = long(("a", "listed", 2012), ("a", written, 2015))
    assert event in set(Events.read(rows).frame["event"])


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("产业扶贫", "industry"), ("易地搬迁", "relocation"), ("易地扶贫搬迁", "relocation"), ("扶持生产发展一批", "industry"), ("转移就业一批", "employment"),
        ("扶贫搬迁安置一批", "relocation"), ("低保政策兜底一批", "dibao"), ("应急救助一批", "dibao"), ("小额信贷", "finance"), ("整村推进", "whole_village"),
        ("whole village", "whole_village"), ("HEALTH", "health"), ("“电商”", "ecommerce"), ("两后生", "training"), ("危房改造", "housing"),
    ],
)  # fmt: skip
def test_local_names_of_programmes_map_to_their_codes(name: str, code: str) -> None:
    assert Programmes.shipped().code(name) == code


def test_the_dictionary_holds_fourteen_programmes_with_a_name_in_each_language() -> None:
    known = Programmes.shipped()
    expected = "industry employment training relocation housing health education dibao finance ecommerce infrastructure whole_village ecology society"
    assert known.codes == tuple(expected.split())
    assert all(zh and en for zh, en in known.names.values())
    assert all(known.code(word) == code for code, names in known.names.items() for word in (code, *names))


def test_the_table_of_words_gives_no_word_to_two_meanings() -> None:
    for role, rows in table("events").groupby("role"):
        words = [
            word for row in rows.to_dict("records") for word in dict.fromkeys([row["code"], row["zh"], *row["words"].split("|")])
        ]
        assert len(words) == len(set(words)), role


def test_a_file_of_local_names_adds_names_and_new_programmes(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text(
        "name,programme\n金猪计划,industry\n大棚,greenhouse\ngreenhouse,greenhouse\n", encoding="utf-8"
    )
    rows = long(("a", "金猪计划", "funded", 2014), ("b", "大棚", "funded", 2015))
    events = Events.read(rows, programmes=tmp_path / "names.csv")
    assert events.present == ("industry", "greenhouse")
    assert start(events, programme="大棚").programme == "greenhouse"


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2016", "2016"), (2016, "2016"), (2016.0, "2016"), ("2016年", "2016"), ("２０１６", "2016"), ("2016-08", "2016-08"), ("2016年8月", "2016-08"),
        ("2016/8", "2016-08"), ("2016.08", "2016-08"), ("2016-08-03", "2016-08-03"), ("2016年8月3日", "2016-08-03"), ("2016.8.3", "2016-08-03"),
        (pd.Timestamp("2016-08-03"), "2016-08-03"), (pd.Period("2016-08"), "2016-08"), (pd.Period("2016", freq="Y"), "2016"),
    ],
)  # fmt: skip
def test_dates_are_read_as_exactly_as_they_are_written(written: Any, iso: str) -> None:
    found = span(written)
    assert found is not None and found.text == iso and found.year == 2016


@pytest.mark.parametrize(
    "written",
    ["16年", "201608", "2016.1", 2016.1, "2016-13", "2016-02-30", "8/3/2016", "年底", 42583, "20160803", True, "2016上半年"],
)
def test_dates_that_need_a_guess_are_not_read(written: Any) -> None:
    assert span(written) is None


def test_a_blank_date_stays_and_is_counted() -> None:
    events = Events.read(PARTLY)
    assert notice(events, "EVENTS_WITHOUT_DATE").facts == {"rows": 1, "of_rows": 6}
    assert (events.frame["date"] == "").sum() == 1


CHINESE = MOVE.assign(
    event=MOVE["event"].map({"listed": "列入", "funded": "到账", "built": "建成", "moved_in": "入住"}), programme="易地搬迁"
)
CHINESE = CHINESE.rename(columns={"unit": "村编码", "programme": "项目名称", "event": "环节", "date": "时间"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_csv_is_read_in_either_encoding_and_codes_keep_their_zeros(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "events.csv"
    CHINESE.assign(村编码="00" + CHINESE["村编码"]).to_csv(file, index=False, encoding=encoding)
    assert list(Events.read(file).frame["unit"].unique()) == ["00a", "00b"]


def test_a_workbook_gives_what_the_frame_gives(tmp_path: Path) -> None:
    CHINESE.to_excel(tmp_path / "events.xlsx", index=False)
    columns = ["unit", "programme", "event", "date", "year"]
    pd.testing.assert_frame_equal(Events.read(tmp_path / "events.xlsx").frame[columns], Events.read(MOVE).frame[columns])


def test_a_message_quotes_the_line_that_an_editor_shows(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("unit,programme,event,date\na,industry,funded,2014\n\n,,,\nb,industry,funded,soon\n", encoding="utf-8")
    with pytest.raises(ek.RolloutError, match=r"1 dates cannot be read: 'soon' \(line 5\)"):
        Events.read(file)


def test_a_comma_at_the_end_of_every_row_shifts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("unit,programme,event,date\na,industry,funded,2014,\nb,industry,built,2015,\n", encoding="utf-8")
    assert Events.read(path).frame[["unit", "event", "year"]].to_numpy().tolist() == [["a", "funded", 2014], ["b", "built", 2015]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"events\.csv is empty: it has neither headings nor a row\. It needs the columns unit, programme, event, date"),
        ("\n\n", r"events\.csv is empty"),
        ("unit,programme,event,date\na,industry,funded,2014,x\n", r"more cells than headings.*in quotation marks"),
        (
            "unit,programme,event,date\na,industry,funded,2014\nb,industry,funded,2015,x\n",
            r"no regular csv.*line 3.*in quotation marks",
        ),
        ('unit,programme,event,date\na,"industry,funded,2014\n', r"no regular csv.*in quotation marks"),
    ],
)
def test_a_csv_that_cannot_be_read_says_so_and_how_to_mend_it(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "events.csv").write_text(content, encoding="utf-8")
    with pytest.raises(ek.RolloutError, match=message):
        Events.read(tmp_path / "events.csv")


@pytest.mark.parametrize("name", ["events.xlsx", "events.xls"])
def test_a_file_that_is_no_workbook_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("unit,programme,event,date\n", encoding="utf-8")
    with pytest.raises(ek.RolloutError, match=r"cannot be read as a workbook.*Save it again"):
        Events.read(tmp_path / name)


def test_headings_can_be_said() -> None:
    odd = MOVE.rename(columns={"unit": "cm", "programme": "xm"}).assign(village_id=1)
    with pytest.raises(ek.RolloutError, match="no column for the programme"):
        Events.read(odd)
    events = Events.read(odd, columns={"cm": "unit", "xm": "programme"})
    np.testing.assert_array_equal(start(events).first_treated, start(MOVE).first_treated)
    assert events.ignored == ("village_id",)


# Messages

GOOD = ("a", "funded", 2014)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            long(GOOD, ("b", "资金到帐", 2014)),
            r"There is no event '资金到帐'. Did you mean '资金到账' \(funded\).*Allowed: listed \(列入\).*1 row \(1\)",
        ),
        (long(GOOD, ("b", "", 2014)), "The event is blank. Found in 1 row"),
        (long(GOOD, ("b", "funded", "年底")), r"1 dates cannot be read: '年底' \(row 1\).*2016-08"),
        (
            long(GOOD, ("b", "产业扶平", "funded", 2014)),
            r"There is no programme '产业扶平'. Did you mean '产业扶[贫持]' \(industry\)",
        ),
        (
            long(GOOD, ("b", "转、扶、搬、保、救", "funded", 2014)),
            "a name for several programmes: employment, industry, relocation, dibao",
        ),
        (long(GOOD, ("b", None, "funded", 2014)), "The programme is blank. Found in 1 row"),
        (long(GOOD, (" ", "funded", 2014)), r"The unit is blank in 1 row \(1\)"),
        (long(GOOD, GOOD, GOOD), r"2 events repeat an earlier row in every column: a relocation funded 2014 \(row 1\)"),
        (
            long(GOOD, ("b", "ended", 2016)),
            r"1 times support ended without a start: b relocation \(row 1\).*exit from the register is no end",
        ),
        (
            long(GOOD, ("a", "ended", 2012)),
            r"1 times support ended before it started: a relocation \(ended 2012, started 2014-01-01, row 1\)",
        ),
        (long(("a", "脱贫", 2016)), "exits from the register only"),
        (long().iloc[:0], "has no rows yet"),
        (long(GOOD).drop(columns="date"), "no column for the date.*日期.*columns="),
        (long(GOOD).assign(year=2014), r"2 columns may hold the date: date, year.*columns=\{'date': 'date'\}"),
        (long(GOOD).assign(dose="0.5万"), r"1 doses are no amount in yuan: '0.5万' \(row 0\)"),
        (long(GOOD).assign(dose=-5), "1 doses are no amount in yuan: '-5'"),
    ],
)
def test_a_table_that_cannot_be_understood_says_what_where_and_what_to_do(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(ek.RolloutError, match=message):
        Events.read(frame)


def test_all_problems_of_a_table_are_told_at_once() -> None:
    with pytest.raises(ek.RolloutError) as stopped:
        Events.read(long(("", "funded", 2014), ("b", "nowhere", "funded", 2014), ("c", "paint", 2014), ("d", "funded", "soon")))
    assert len(str(stopped.value).splitlines()) == 4


def test_many_unknown_names_are_counted_beyond_the_first_five() -> None:
    rows = [(f"u{i}", f"计划{i}", "funded", 2014) for i in range(8)]
    with pytest.raises(ek.RolloutError, match="3 more names of a programme are not known: 计划5, 计划6, 计划7"):
        Events.read(long(*rows))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: start(MOVE, date="fundet"), "no choice of date 'fundet'. Did you mean 'funded'"),
        (lambda: start(MOVE, date="ended"), "no choice of date 'ended'"),
        (lambda: start(MOVE, missing_date="later"), "no choice of missing_date 'later'. Did you mean 'later_event'"),
        (lambda: start(MOVE, ended="drop"), "no choice of ended 'drop'"),
        (lambda: start(MOVE, programme="relocaton"), r"no programme 'relocaton'. Did you mean 'relocation' \(relocation\)"),
        (lambda: start(MOVE, programme="health"), "no event of 'health'. It has events of: relocation"),
        (
            lambda: start(MOVE, panel(["07", "08"])),
            "None of the 2 units with events is in the panel. The events have a, b; the panel has 07, 08",
        ),
        (
            lambda: start(MOVE, panel(years=range(1, 9))),
            r"2 units start 'relocation' more than 50 years from the panel's periods \(1-8\): a \(2014\)",
        ),
        (lambda: start(MOVE, panel(["a", "a "])), "differ in spaces or width only: a"),
        (lambda: ek.Rollout.from_events(panel(), MOVE, "relocation"), r"Events.read\(frame\)"),
        (lambda: ek.Rollout.from_events(panel(), "events.csv", "relocation"), r"Events.read\(frame\)"),  # type: ignore[arg-type]
        (lambda: start(MOVE, ek.Panel(panel().frame, None, "year")), "repeated cross-section has no units.*from_first_treated"),
        (lambda: effects_by_date(panel(), Events.read(MOVE), "relocation", average, dates=()), "no choice of date ''"),
        (lambda: effects_by_date(panel(), Events.read(MOVE), "relocation", average, sample="all"), "no choice of sample 'all'"),
        (lambda: dates_compared(panel(), Events.read(MOVE), "relocation", default="start"), "no choice of date 'start'"),
        (lambda: Events.read("nowhere.csv"), "no file of events 'nowhere.csv'"),
        (lambda: Events.read(MOVE, columns={"x": "unit"}), "names headings that the table does not have: x"),
        (lambda: Events.read(MOVE, columns={"unit": "village"}), "gives roles that are not known: village. Allowed: unit"),
        (lambda: Events.read(MOVE, programmes="nowhere.csv"), "no file of local names"),
        (lambda: Events.read(MOVE, programmes=pd.DataFrame({"a": [1]})), "no column name, programme"),
        (
            lambda: Events.read(MOVE, programmes=pd.DataFrame({"name": ["x"], "programme": ["industy"]})),
            "Did you mean 'industry'.*introduces itself",
        ),
        (
            lambda: Events.read(MOVE, programmes=pd.DataFrame({"name": ["x", "X"], "programme": ["industry", "health"]})),
            "to two programmes",
        ),
        (lambda: overlap(None, Events.read(MOVE), window=-1), "window counts years"),
        (lambda: overlap(["zz"], Events.read(MOVE)), "None of these units has an event: zz"),
        (lambda: bundle(Events.read(MOVE), "health"), "No unit starts 'health'"),
        (lambda: doses(Events.read(MOVE), "relocation"), "No event of 'relocation' has a dose"),
    ],
)
def test_a_call_that_cannot_be_met_says_why(call: Any, message: str) -> None:
    with pytest.raises(ek.RolloutError, match=message):
        call()


def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "events.pdf").write_bytes(b"")
    with pytest.raises(ek.RolloutError, match=r"not '\.pdf'"):
        Events.read(tmp_path / "events.pdf")


# Doses


def test_payments_are_summed_and_missing_amounts_counted() -> None:
    rows = long(("a", "funded", 2014), ("a", "funded", 2015), ("b", "funded", 2015), ("b", "moved_in", 2016)).assign(
        dose=["5,000", 1500, None, None]
    )
    found = doses(Events.read(rows), "relocation")
    assert found.to_dict("list")["unit"] == ["a", "b"]
    assert found["yuan"].iloc[0] == 6500 and np.isnan(found["yuan"].iloc[1])
    assert list(found["payments"]) == [2, 1] and list(found["without_dose"]) == [0, 1]


def test_planned_and_paid_amounts_are_never_added() -> None:
    events = Events.read(long(("a", "listed", 2014), ("a", "funded", 2015)).assign(dose=[9000, 6000]))
    with pytest.raises(ek.RolloutError, match=r"several kinds of event: listed \(1\), funded \(1\).*event='funded'"):
        doses(events, "relocation")
    assert doses(events, "relocation", event="funded")["yuan"].tolist() == [6000]


def test_a_payment_that_two_sources_tell_is_kept_and_pointed_out() -> None:
    rows = long(("a", "funded", 2014), ("a", "funded", 2014)).assign(dose=3000, source=["财政局", "乡村振兴局"])
    events = Events.read(rows)
    assert notice(events, "PAYMENT_TOLD_TWICE").facts == {"rows": 1, "yuan": 3000.0}
    assert doses(events, "relocation")["yuan"].tolist() == [6000]


# Which date


def test_the_kinds_of_date_are_compared_by_hand_arithmetic() -> None:
    rows = pd.concat([MOVE, long(("c", "listed", 2013), ("x", "built", 2001))])
    found = dates_compared(panel(), Events.read(rows), "易地搬迁")
    assert list(found.index) == list(STARTS)
    assert list(found["units"]) == [3, 2, 2, 2] and list(found["without"]) == [0, 1, 1, 1]
    assert list(found["first_cohort"]) == [2013, 2014, 2015, 2015] and list(found["last_cohort"]) == [2014, 2015, 2015, 2016]
    assert list(found["years_after_listed"]) == [0, 1, 1.5, 2]
    assert list(found["same_year_as_default"]) == [0, 1, 0.5, 0.5]


def test_what_no_unit_has_does_not_apply() -> None:
    found = dates_compared(panel(), Events.read(long(("a", "funded", 2014))), "relocation")
    assert found.loc["built", "units"] == 0
    assert found.loc["built", ["first_cohort", "last_cohort", "years_after_listed", "same_year_as_default"]].isna().all()


def effect_world() -> tuple[ek.Panel, Events]:
    """Twelve villages; six move in 2016 with +100 yuan from then on, were listed in 2014 and funded in 2015, one without a funding date."""
    units, years = [f"v{i:02}" for i in range(12)], np.arange(2012, 2020)
    year, unit = np.tile(years, 12), np.repeat(np.arange(12), 8)
    income = 3000.0 + 50 * (year - 2012) + 10 * unit + 100.0 * ((unit < 6) & (year >= 2016))
    rows = [(name, event, date) for name in units[:6] for event, date in (("listed", 2014), ("funded", 2015), ("moved_in", 2016))]
    return panel(units, years, income=income), Events.read(long(*rows[:-3], ("v05", "listed", 2014), ("v05", "moved_in", 2016)))


def average(on: ek.Panel, rollout: ek.Rollout) -> ek.Estimate:
    return ek.aggregate(ek.GroupTime()(ek.Design(on, rollout, "income")), by="overall")


def test_the_effect_under_each_date_is_known_by_hand() -> None:
    on, events = effect_world()
    found = effects_by_date(on, events, "relocation", average)
    assert [row.date for row in found.rows] == list(STARTS)
    by_date = found.table.set_index("date")
    # 100 yuan in 2016-2019: over 6 years from listing, 5 from funding, 4 from moving in.
    for date, expected in (("listed", 400 / 6), ("funded", 80.0), ("moved_in", 100.0)):
        assert by_date.loc[date, "effect"] == pytest.approx(expected, abs=1e-8)  # exact up to rounding of sums near 4000
    assert list(by_date["units"]) == [6, 5, 0, 6] and list(by_date["left_out"]) == [0, 1, 6, 0]
    assert by_date.loc["built", "reason"] == "No unit has a dated 'built' event."
    assert found.table["low"].isna().all()


def test_a_range_and_a_refusal_are_rows_too() -> None:
    on, events = effect_world()

    def estimate(smaller: ek.Panel, rollout: ek.Rollout) -> tuple[float, float, float]:
        if rollout.first_treated.min() == 2014:
            raise ek.DesignError("Nothing to compare with.")
        return float(len(smaller.units)), 1.0, 2.0

    found = effects_by_date(on, events, "relocation", estimate, dates=("funded", "listed"))
    listed, funded = found.rows
    assert listed.reason == "Nothing to compare with." and listed.effect is None
    assert (funded.effect, funded.low, funded.high) == (11.0, 1.0, 2.0)


def test_a_date_that_cannot_be_a_start_is_a_row_with_the_reason_and_leaves_the_other_dates_alone() -> None:
    on, events = effect_world()
    slip = events.frame[["unit", "programme", "event", "date"]].copy()
    slip.loc[(slip["unit"] == "v00") & (slip["event"] == "listed"), "date"] = "1955"
    found = effects_by_date(on, Events.read(slip), "relocation", average)
    listed, funded = found.rows[:2]
    assert "more than 50 years" in listed.reason and listed.effect is None
    assert (listed.units, listed.left_out, listed.first_cohort, listed.last_cohort) == (6, 0, 1955, 2014)
    assert funded == effects_by_date(on, events, "relocation", average).rows[1]


def test_a_range_that_is_not_there_is_none_and_an_effect_that_is_not_there_has_a_reason() -> None:
    on, events = effect_world()
    nothing = float("nan")
    (row,) = effects_by_date(on, events, "relocation", lambda p, r: (5.0, nothing, nothing), dates="funded").rows
    assert (row.effect, row.low, row.high, row.reason) == (5.0, None, None, "")
    (row,) = effects_by_date(on, events, "relocation", lambda p, r: (nothing, nothing, nothing), dates="funded").rows
    assert row.effect is None and row.reason == "The estimate is not a number."


def test_a_common_sample_holds_the_units_that_have_every_date() -> None:
    on, events = effect_world()
    found = effects_by_date(on, events, "relocation", average, dates=("listed", "funded", "moved_in"), sample="common")
    assert [row.units for row in found.rows] == [5, 5, 5] and [row.left_out for row in found.rows] == [1, 1, 1]


def test_the_order_of_the_panel_changes_no_effect() -> None:
    on, events = effect_world()
    turned = ek.Panel(on.frame.iloc[::-1], "village", "year")
    pd.testing.assert_frame_equal(
        effects_by_date(turned, events, "relocation", average).table, effects_by_date(on, events, "relocation", average).table
    )


def test_an_estimate_of_several_effects_is_not_a_row() -> None:
    on, events = effect_world()
    found = effects_by_date(on, events, "relocation", lambda p, r: ek.GroupTime()(ek.Design(p, r, "income")), dates=("moved_in",))
    assert "holds one effect" in found.rows[0].reason


# Together


def two_programmes(together: int, treated: int = 10, years_apart: int = 1, other: str = "health") -> Events:
    rows = [(f"u{i}", "industry", "funded", 2015) for i in range(treated)]
    rows += [(f"u{i}", other, "funded", 2015 + years_apart) for i in range(together)]
    return Events.read(long(*rows))


@pytest.mark.parametrize(
    ("together", "years_apart", "bundled"), [(5, 1, False), (6, 1, True), (6, -1, True), (6, 2, False), (10, 0, True)]
)
def test_exactly_half_is_no_bundle_and_more_than_half_is(together: int, years_apart: int, bundled: bool) -> None:
    found = bundle(two_programmes(together, years_apart=years_apart), "industry")
    assert (found is not None) is bundled
    if found is not None:
        assert found.programmes == ("industry", "health") and found.share == together / 10
        assert found.notice.code == "BUNDLE" and found.notice.facts["shares"] == {"health": together / 10}


def test_a_wider_window_finds_more() -> None:
    assert bundle(two_programmes(6, years_apart=2), "industry", window=2) is not None


def test_several_small_overlaps_make_a_bundle_and_the_most_frequent_name_it() -> None:
    rows = [(f"u{i}", "industry", "funded", 2015) for i in range(10)]
    rows += [(f"u{i}", "health", "funded", 2015) for i in range(4)] + [(f"u{i}", "relocation", "funded", 2016) for i in range(4, 7)]
    rows += [("u7", "ecology", "funded", 2015)]
    found = bundle(Events.read(long(*rows)), "industry")
    assert found is not None
    assert found.programmes == ("industry", "health", "relocation")
    assert found.shares == {"health": 0.4, "relocation": 0.3, "ecology": 0.1} and found.units == 8


def test_a_bundle_is_judged_among_the_units_given() -> None:
    events = two_programmes(5)
    assert bundle(events, "industry", units=[f"u{i}" for i in range(9)]) is not None
    assert bundle(events, "industry", units=panel([f"u{i}" for i in range(10)])) is None


def test_a_programme_that_is_only_planned_makes_no_bundle_but_one_that_is_built_does() -> None:
    rows = [(f"u{i}", "industry", "funded", 2015) for i in range(4)]
    planned = [(f"u{i}", "health", "listed", 2015) for i in range(4)]
    built = [(f"u{i}", "health", "built", 2015) for i in range(4)]
    assert bundle(Events.read(long(*rows, *planned)), "industry") is None
    assert list(overlap(None, Events.read(long(*rows, *planned))).listed_only) == [0, 4]
    assert bundle(Events.read(long(*rows, *built)), "industry") is not None


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.sampled_from(["industry", "health", "relocation"]),
            st.just("funded"),
            st.integers(2012, 2018),
        ),
        min_size=1,
        unique_by=lambda row: row[:2],
    )
)
def test_the_overlap_is_symmetric_its_diagonal_is_who_started_and_shares_lie_between_0_and_1(rows: list[tuple[Any, ...]]) -> None:
    found = overlap(None, Events.read(long(*rows)))
    assert (found.both == found.both.T).all() and (found.together == found.together.T).all()
    assert (found.together <= found.both).all()
    started = {code: sum(row[1] == code for row in rows) for code in found.programmes}
    assert dict(zip(found.programmes, np.diag(found.both), strict=True)) == started
    assert ((found.shares >= 0) & (found.shares <= 1)).all(axis=None) and (np.diag(found.shares) == 1).all()
    years = {row[:2]: row[3] for row in rows}
    for one in found.programmes:
        for other in found.programmes:
            near = [u for u in "abcdef" if (u, one) in years and (u, other) in years and abs(years[u, one] - years[u, other]) <= 1]
            assert found.shares.loc[one, other] == len(near) / started[one]


# The demo


@pytest.fixture(scope="module")
def demo() -> tuple[ek.Panel, Events, pd.DataFrame]:
    frame = pd.read_csv(
        shared("data", "demo", "households.csv.gz"),
        usecols=lambda name: name.endswith("first_year") or name in ("household_id", "year"),
    )
    first = frame.groupby("household_id").first().drop(columns="year").reset_index()
    parts = []
    for programme in ("industry", "relocation", "health"):
        own = first.loc[first[f"{programme}_first_year"] > 0, ["household_id", f"{programme}_first_year"]].set_axis(
            ["unit", "funded"], axis=1
        )
        own = own.assign(listed=own["funded"] - 1)
        own = own.assign(moved_in=own["funded"] + 1) if programme == "relocation" else own
        parts.append(own.melt("unit", var_name="event", value_name="date").assign(programme=programme))
    return ek.Panel(frame, "household_id", "year"), Events.read(pd.concat(parts)), first


@pytest.mark.parametrize("programme", ["industry", "relocation", "health"])
def test_the_demo_events_give_back_the_first_years_of_the_demo(demo: tuple[ek.Panel, Events, pd.DataFrame], programme: str) -> None:
    on, events, _ = demo
    by_column = ek.Rollout.from_first_treated(on, f"{programme}_first_year", never=0)
    np.testing.assert_array_equal(start(events, on, programme).first_treated, by_column.first_treated)
    np.testing.assert_array_equal(start(events, on, programme, date="listed").first_treated, by_column.first_treated - 1)


def test_the_demo_moves_two_years_after_listing(demo: tuple[ek.Panel, Events, pd.DataFrame]) -> None:
    on, events, first = demo
    found = dates_compared(on, events, "relocation")
    assert list(found["units"]) == [(first["relocation_first_year"] > 0).sum()] * 2 + [0] + [
        (first["relocation_first_year"] > 0).sum()
    ]
    assert found.loc["moved_in", "years_after_listed"] == 2 and found.loc["moved_in", "same_year_as_default"] == 0


def test_the_demo_overlap_is_counted_by_hand(demo: tuple[ek.Panel, Events, pd.DataFrame]) -> None:
    on, events, first = demo
    industry, health = first["industry_first_year"], first["health_first_year"]
    both = (industry > 0) & (health > 0)
    found = overlap(on, events)
    assert found.counts.loc["industry", "health"] == both.sum()
    near = both & ((industry - health).abs() <= 1)
    assert found.shares.loc["industry", "health"] == pytest.approx(near.sum() / (industry > 0).sum(), abs=1e-15)  # one division


def test_every_kind_of_event_is_in_the_table_of_words_in_order() -> None:
    rows = table("events")
    assert tuple(rows.loc[rows["role"] == "event", "code"]) == EVENTS
