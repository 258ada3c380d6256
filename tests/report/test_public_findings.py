"""A public report of households tells nothing that rests on fewer than ten of them, and nothing that would tell it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.findings import Alike, Cohort, Findings, Hidden
from evalkit.firm_records import LeftOut, NotTold
from evalkit.public_findings import disclosed, smallest_hidden
from evalkit.records import Interval, Remark
from evalkit.report import figures
from evalkit.report.blocks import Table
from evalkit.report.document import compose
from evalkit.report.tables import csv_text
from evalkit.report.voice import Voice
from evalkit.words import LANGUAGES


def cohort(year: int, units: int, used: bool = True) -> Cohort:
    return Cohort(
        year=year, units=units, used=used, effect=Interval(estimate=0.05, std_error=0.01, low=0.03, high=0.07) if used else None
    )


@pytest.fixture(scope="module", name="large")
def _large(example_findings: Any, example_firm: Any, few_households: Any) -> Findings:
    """Households in large cells only: nothing to hide."""
    sample = example_findings().sample.model_copy(
        update={
            "treated_from_start": 20,
            "treated_used": 100,
            "treated_units": 120,
            "units": 520,
            "rows": 5200,
            "rows_used": 5000,
            "never_units": 400,
            "comparison_units": 400,
            "clusters": 520,
            "never_codes": {"0": 400},
        }
    )
    # More than a hundred clusters are not left out one by one.
    firm = example_firm(without=NotTold(reason="many_clusters"))
    plain = example_findings("gain", simulated=False, sample=sample, remarks=[], firm=firm)
    cohorts = [cohort(2013, 20, False), cohort(2016, 40), cohort(2017, 60)]
    path = [point.model_copy(update={"units": 100 if point.event_time < 6 else 40}) for point in plain.path]
    return few_households(plain, cohorts=cohorts, path=path, trends=plain.trends)


def table(findings: Findings, name: str, lang: str = "en") -> Table:
    return next(block for block in compose(findings, lang).blocks if isinstance(block, Table) and block.name == name)


def from_start(findings: Findings, units: int) -> Findings:
    """Some households were covered from the start, the others are in the estimate; 120 together."""
    used = 120 - units
    counts = {
        "treated_from_start": units,
        "treated_used": used,
        "rows_used": 10 * (used + 400),
        "clusters_used": used + 400,
        "treated_clusters": used,
    }
    rows = [
        row.model_copy(update={"clusters": used + 400, "reference": f"t({used + 399})"}) if row.estimator != "two_way" else row
        for row in findings.estimators
    ]
    cohorts = [cohort(2013, units, False), cohort(2016, used - 60), cohort(2017, 60)]
    path = [point.model_copy(update={"units": used if point.event_time < 6 else used - 60}) for point in findings.path]
    trends = [point.model_copy(update={"units": used}) if point.group == "treated" else point for point in findings.trends]
    told = [
        Remark(code="TREATED_FROM_START", facts={"units": units, "treated_units": 120, "first_period": 2013}),
        Remark(code="FEW_CLUSTERS", facts={"clusters": 520, "treated_clusters": used, "comparison_clusters": 400}),
    ]
    return findings.model_copy(
        update={
            "sample": findings.sample.model_copy(update=counts),
            "estimators": rows, "cohorts": cohorts, "path": path, "trends": trends, "remarks": told,
        }
    )  # fmt: skip


def test_the_next_smallest_group_is_hidden_in_the_remarks_as_well(large: Findings) -> None:
    counts = {"treated_from_start": 4, "treated_used": 116, "later_units": 15, "comparison_units": 415, "units": 535}
    told = [Remark(code="TREATED_AFTER_WINDOW", facts={"units": 15, "last_period": 2022})]
    public = disclosed(large.model_copy(update={"sample": large.sample.model_copy(update=counts), "remarks": told}))
    assert public.sample.later_units is None and public.sample.never_units == 400
    assert public.remarks[0].facts["units"] is None


def test_with_large_cells_nothing_is_hidden(large: Findings) -> None:
    assert disclosed(large) == large and disclosed(large).hidden is None


def test_the_threshold_is_that_of_the_table_of_policies(large: Findings) -> None:
    for units, hidden in ((9, True), (10, False)):
        cohorts = [cohort(2016, units), cohort(2017, 100 - units), large.cohorts[0]]
        assert (disclosed(large.model_copy(update={"cohorts": cohorts})).hidden is not None) is hidden
    assert disclosed(large, 30).hidden is not None


def test_a_single_small_cohort_takes_the_next_smallest_with_it(large: Findings) -> None:
    cohorts = [*large.cohorts[:1], cohort(2016, 4), cohort(2017, 26), cohort(2018, 70)]
    told = disclosed(large.model_copy(update={"cohorts": cohorts})).cohorts
    assert [one.units for one in told] == [20, None, None, 70]
    assert [one.effect is None for one in told] == [True, True, True, False]


def test_small_cohorts_that_are_enough_together_hide_no_other(large: Findings) -> None:
    cohorts = [*large.cohorts[:1], cohort(2016, 6), cohort(2017, 5), cohort(2018, 89)]
    assert [one.units for one in disclosed(large.model_copy(update={"cohorts": cohorts})).cohorts] == [20, None, None, 89]


def test_what_is_hidden_cannot_be_worked_out_from_the_findings(large: Findings) -> None:
    # Households that move between two hidden groups change nothing that is told: no sum, difference or degree of freedom tells them.
    told = {disclosed(from_start(large, units)).model_dump_json() for units in range(1, 10)}
    assert len(told) == 1
    assert disclosed(from_start(large, 12)).model_dump_json() not in told


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), st.integers(0, 60), max_size=8), st.integers(1, 20))
def test_hidden_parts_of_a_whole_are_never_alone(counts: dict[str, int], minimum: int) -> None:
    hidden = smallest_hidden(counts, minimum)
    small = {name for name, count in counts.items() if 0 < count < minimum}
    assert small <= hidden
    assert not hidden or small
    together = sum(counts[name] for name in hidden)
    everything = hidden == {name for name, count in counts.items() if count}
    assert not hidden or everything or (len(hidden) > 1 and together >= minimum)


def test_points_and_means_of_few_households_are_taken_off(large: Findings) -> None:
    path = [point.model_copy(update={"units": 7}) if point.event_time == 6 else point for point in large.path]
    trends = [point.model_copy(update={"units": 3}) if point.period == 2022 else point for point in large.trends]
    told = disclosed(large.model_copy(update={"path": path, "trends": trends}))
    assert told.hidden is not None and (told.hidden.event_times, told.hidden.periods) == ([6], [2022])
    assert max(point.event_time for point in told.path) == 5 and max(point.period for point in told.trends) == 2021
    rows = table(told, "path").rows
    assert [cell.text for cell in rows[-1].cells] == ["6", "—", "—", "—", "—", "<10"]


def test_the_pretrend_quotes_no_lead_that_was_taken_off(large: Findings) -> None:
    assert large.pretrend is not None
    lead = large.pretrend.largest_event_time
    path = [point.model_copy(update={"units": 5}) if point.event_time == lead else point for point in large.path]
    told = disclosed(large.model_copy(update={"path": path})).pretrend
    assert told is not None and told.largest_event_time != lead
    kept = {point.event_time: point.estimate for point in path if point.event_time in told.event_times and point.event_time != lead}
    assert abs(told.largest) == max(map(abs, kept.values()))


def test_a_date_of_few_households_has_no_effect(large: Findings, of_a_bundle: Any) -> None:
    rows = of_a_bundle(large).dates
    few = [
        rows[0].model_copy(update={"units": 4, "left_out": 116}),
        rows[1].model_copy(update={"units": 118, "left_out": 2}),
        *rows[2:],
    ]
    told = disclosed(large.model_copy(update={"dates": few})).dates
    assert (told[0].units, told[0].left_out, told[0].effect) == (None, None, None)
    assert (told[1].units, told[1].left_out, told[1].effect) == (None, None, rows[1].effect)
    shown = table(large.model_copy(update={"dates": told, "hidden": Hidden(minimum=10, event_times=[], periods=[])}), "dates", "zh")
    assert shown.rows[0].cells[0].detail == "不公布"
    assert [cell.text for cell in shown.rows[0].cells[1:5]] == ["<10", "—", "—", "—"]
    assert [cell.text for cell in shown.rows[1].cells[1:3]] == ["—", "—"]  # not told, but not few: 118
    assert "据此可以推算出" in shown.notes[-1]


def test_words_of_code_and_names_of_households_stay_in_the_house(large: Findings, of_a_bundle: Any) -> None:
    rows = of_a_bundle(large).dates
    refused = [rows[0].model_copy(update={"effect": None, "reason": "Unit HH-0417 has no comparison."})]
    told = [
        Remark(code="EVENTS_OUTSIDE_PANEL", facts={"units": 30, "of_units": 150, "first": ["HH-0417", "HH-0418"]}),
        Remark(code="UNITS_LEFT_OUT", facts={"units": ["HH-0417"]}),
        Remark(code="SINGLE_UNIT_COHORT", facts={"cohorts": [2018]}),
    ]
    public = disclosed(large.model_copy(update={"dates": refused, "remarks": told}))
    assert "HH-04" not in public.model_dump_json() and "SINGLE_UNIT" not in public.model_dump_json()
    for lang in LANGUAGES:
        compose(public, lang)


@pytest.mark.parametrize(
    ("code", "facts", "gone"),
    [
        ("SUPPORT_ENDED", {"units": 2, "treated_units": 120, "share": 2 / 120, "limit": 0.05, "many": False}, ("units", "share")),
        ("BUNDLE", {"programmes": ["a", "b"], "share": 115 / 120, "shares": {"b": 3 / 120}, "units": 115, "treated_units": 120, "window": 1}, ("units", "share")),
        ("UNBALANCED", {"choice": "pairwise", "units": 160, "rows": 1590, "complete_units": 155, "periods": 10}, ("complete_units",)),
        ("INCOME_DEF_UNKNOWN", {"rows": 30, "of_rows": 1600, "units": 3, "of_units": 160, "crosses": True}, ("units",)),
    ],
)  # fmt: skip
def test_a_remark_tells_of_few_households_neither_by_count_nor_by_share(
    code: str, facts: dict[str, Any], gone: tuple[str, ...], large: Findings
) -> None:
    public = disclosed(large.model_copy(update={"remarks": [Remark(code=code, facts=facts)]}))
    found = public.remarks[0].facts
    assert all(found[name] is None for name in gone) and not found.get("shares")
    for lang in LANGUAGES:
        said = compose(public, lang)
        assert "None" not in str([block for block in said.blocks if block.kind == "list"])


def test_cells_are_marked_with_a_note_that_says_why(large: Findings) -> None:
    public = disclosed(from_start(large, 4))
    for lang, why in (("zh", "只涉及不到10户"), ("en", "rests on fewer than 10 households")):
        for name in ("sample", "cohorts"):
            shown = table(public, name, lang)
            assert any(why in note for note in shown.notes) and "<10" in [cell.text for row in shown.rows for cell in row.cells]
            rows = list(csv.reader(io.StringIO(csv_text(shown))))
            assert any("<10" in row for row in rows)
        assert ("若干户" if lang == "zh" else "some treated households") in str(compose(public, lang))


def test_public_findings_are_read_back_as_they_were_written(large: Findings) -> None:
    public = disclosed(from_start(large, 4))
    again = Findings.model_validate_json(public.model_dump_json())
    assert json.loads(again.model_dump_json()) == json.loads(public.model_dump_json())
    assert disclosed(public) is public


def test_public_findings_are_drawn(large: Findings) -> None:
    public = disclosed(from_start(large, 4))
    for name, draw in figures.DRAW.items():
        if name not in ("overlap", "components", "before_after"):  # of studies that have them; the last is never public
            assert draw(public, "en") is not None
    assert Voice(public, "en").mark == "<10"


def overlaps(balance: Alike, *outside: int, treated: int = 30) -> Alike:
    update = {"treated_units": treated, "comparison_units": 400, "separated": False}
    cohorts = [row.model_copy(update=update | {"outside_units": n}) for row, n in zip(balance.cohorts, outside, strict=False)]
    return balance.model_copy(update={"cohorts": cohorts})


def test_the_picture_of_overlap_is_not_published_and_few_without_anybody_alike_are_not_counted(
    large: Findings, with_covariates: Any
) -> None:
    found = with_covariates(large)
    public = disclosed(found.model_copy(update={"alike": overlaps(found.alike, 4, 12)}))
    assert public.hidden is not None and public.alike is not None and public.alike.histogram == []
    assert [row.outside_units for row in public.alike.cohorts] == [None, 12]
    for lang in LANGUAGES:
        assert [cell.cells[-1].text for cell in table(public, "overlap", lang).rows] == ["<10", "12"]
        assert ("有若干至少有一项" if lang == "zh" else "at least one of them: some of 60") in str(compose(public, lang))
    # All but a few tell of the few.
    most = disclosed(found.model_copy(update={"alike": overlaps(found.alike, 26)}))
    assert most.alike is not None and most.alike.cohorts[0].outside_units is None


def test_where_a_cohort_is_hidden_no_size_by_cohort_is_told(large: Findings, with_covariates: Any) -> None:
    found = with_covariates(large)
    cohorts = [*large.cohorts[:1], cohort(2016, 4), cohort(2017, 26), cohort(2018, 70)]
    for balance, hidden in ((overlaps(found.alike, 0, 0), cohorts), (overlaps(found.alike, 0, 0, treated=4), large.cohorts)):
        public = disclosed(found.model_copy(update={"alike": balance, "cohorts": hidden})).alike
        assert public is not None and public.cohorts == [] and all(row.largest_cohort is None for row in public.covariates)
        assert [row.before for row in public.covariates] == [1.09, -0.08]


def test_units_without_income_before_are_not_counted_where_they_are_few(large: Findings, with_components: Any) -> None:
    public = disclosed(with_components(large))
    assert public.components is not None and public.components.left_out is None and public.components.units is None
    assert "若干户没有开始之前的收入数据" in str(compose(public, "zh"))
    assert disclosed(with_components(large, left_out=0)).hidden is None


def test_remarks_of_other_estimators_name_nobody_and_count_no_few(large: Findings) -> None:
    def told(units: int) -> Remark:
        facts = {"cohort": 2016, "units": units, "treated_units": 120, "first": "HH-0417, HH-0418"}
        return Remark(code="OF_ESTIMATOR", facts={"estimator": "weighted", "code": "WEIGHTED_POOR_OVERLAP", "facts": facts})

    public = disclosed(large.model_copy(update={"remarks": [told(3), told(30)]}))
    assert "HH-04" not in public.model_dump_json()
    assert [remark.facts["facts"]["units"] for remark in public.remarks] == [30]


def test_what_rests_on_hidden_years_or_tells_hidden_sizes_is_left_out_of_how_firm(large: Findings, example_firm: Any) -> None:
    path = [point.model_copy(update={"units": 4}) if point.event_time == -5 else point for point in large.path]
    told = disclosed(large.model_copy(update={"path": path})).firm
    assert told is not None and told.overturn == NotTold(reason="hidden") and told.power == NotTold(reason="hidden")
    kept = disclosed(from_start(large, 3)).firm
    assert kept is not None and kept.overturn == large.firm.overturn
    assert (kept.permuted.items, kept.permuted.treated, kept.permuted.possible) == (None, None, None)
    assert kept.permuted.p_value == large.firm.permuted.p_value
    assert {row.clusters for row in kept.methods} == {None} and "(98)" not in json.dumps(kept.model_dump())


def test_all_assignments_counted_would_tell_how_many_there_are(large: Findings, example_firm: Any) -> None:
    permuted = large.firm.permuted.model_copy(update={"exact": True, "draws": None, "smallest_p": 1 / 44, "possible": 44})
    few = from_start(large.model_copy(update={"firm": example_firm(permuted=permuted, without=NotTold(reason="lost"))}), 3)
    told = disclosed(few).firm
    assert told.permuted == NotTold(reason="hidden")
    assert [(row.reason, row.p_value, row.draws) for row in told.methods if row.name == "permutation"] == [("hidden", None, None)]


def test_leaving_out_one_household_would_tell_that_household(large: Findings, example_firm: Any) -> None:
    found = large.model_copy(update={"firm": example_firm()})
    assert isinstance(found.firm.without, LeftOut) and disclosed(found).firm.without == NotTold(reason="hidden")
    villages = found.model_copy(update={"sample": found.sample.model_copy(update={"clusters": 60})})
    assert disclosed(villages).firm.without == found.firm.without


def test_the_words_of_a_refusal_are_for_the_house(large: Findings, example_firm: Any) -> None:
    said = NotTold(reason="refused", facts={"said": "Household 12 varies."})
    found = large.model_copy(update={"firm": example_firm(seen=said, without=NotTold(reason="lost"))})
    assert disclosed(found).firm.seen == NotTold(reason="refused")
