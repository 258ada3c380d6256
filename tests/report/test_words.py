"""Both catalogues say the same things, and only what the data carry."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.findings import Cohort, EarnedShare, NotUsed
from evalkit.firm_records import Method, Needed, NotTold
from evalkit.grade_records import Refusal
from evalkit.public_findings import disclosed
from evalkit.records import Interval, Remark
from evalkit.report import remarks
from evalkit.report.blocks import Callout, Document, Facts, Figure, Heading, Listing, Paragraph, Table
from evalkit.report.document import compose
from evalkit.report.remarks import REMARKS
from evalkit.report.voice import Voice
from evalkit.study import Words
from evalkit.wording import check
from evalkit.words import LANGUAGES, Catalogue, WordsError, catalogue, placeholders

VARIANTS = [
    ("gain", True, "log"),
    ("loss", False, "level"),
    ("loss", False, "log"),
    ("small_change", True, "log"),
    ("unclear", False, "log"),
    ("unclear", False, "level"),
    ("pretrend_failed", False, "log"),
    ("pretrend_failed", True, "level"),
    ("too_few", True, "log"),
    ("too_few", False, "level"),
]
BANNED = {
    "zh": r"证明|完全由|根本原因|造假|虚报|显著(?!性)|无影响|没有影响|(?<!不等于)没有效果|通过检验|通过了",
    "en": r"\bprov(e|es|ed|en)\b|\bproof\b|entirely due|\bfraud|significant|(?<!not the same as )\bno effect|\bpass(ed|es)\b|fabricat",
}
CAUSAL = {
    "zh": r"使(?!用)|带来|带动|导致|促进|拉动|造成|归功",
    "en": r"\brais(e|ed|es)\b|\blowered\b|\bcaused\b|\bled to\b|\bbrought\b|\bboost|\bincreased\b|\bthanks to\b|\bdue to\b",
}
DENIED = {"zh": "不能说明", "en": "does not show that"}


def texts(document: Document) -> list[str]:
    """Every text a reader of the document sees, in order."""
    found = [document.title, document.kicker, document.page_title, document.banner, document.banner_text, document.footer]
    for block in document.blocks:
        match block:
            case Heading() | Paragraph():
                found.append(block.text)
            case Facts():
                found += [part for fact in block.items for part in (fact.label, fact.value)]
            case Callout():
                found += [block.label, block.lead, *block.points]
                found += [part for fact in block.numbers for part in (fact.label, fact.value)]
            case Listing():
                found += [part for item in block.items for part in (item.label, item.text)]
            case Figure():
                found += [block.caption, block.description, *block.notes]
            case Table():
                found += [block.caption, *(column.label for column in block.columns), *block.notes]
                found += [part for row in block.rows for cell in row.cells for part in (cell.text, cell.detail)]
    return found


def page(name: str) -> set[str]:
    """The keys of one page of the catalogue."""
    return keys_of(tomllib.loads((Path(evalkit.__file__).parent / "locale" / "en" / f"{name}.toml").read_text(encoding="utf-8")))


def keys_of(content: Any, path: str = "") -> set[str]:
    """The keys of a part of a page, joined by dots."""
    if not isinstance(content, dict):
        return {path}
    return {key for name, part in content.items() for key in keys_of(part, f"{path}.{name}".lstrip("."))}


def callout(document: Document) -> Callout:
    return next(block for block in document.blocks if isinstance(block, Callout))


@pytest.fixture(scope="module", params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=VARIANTS, ids="-".join(["%s"] * 3).__mod__)
def document(request: Any, lang: str, example_findings: Any, whole: Any) -> Document:
    verdict, simulated, scale = request.param
    return compose(whole(example_findings(verdict, simulated, scale)), lang)


def test_both_catalogues_have_the_same_keys_and_placeholders() -> None:
    chinese, english = (catalogue(code).sentences for code in LANGUAGES)
    assert chinese.keys() == english.keys()
    assert [key for key in chinese if placeholders(chinese[key]) != placeholders(english[key])] == []


def test_no_sentence_claims_more_than_the_data_carry(document: Document) -> None:
    for text in texts(document):
        assert not re.search(BANNED[document.lang], text, re.IGNORECASE), text


def test_no_catalogue_holds_a_banned_word(lang: str) -> None:
    for key, sentence in catalogue(lang).sentences.items():
        assert not re.search(BANNED[lang], sentence, re.IGNORECASE), key


@pytest.mark.parametrize("verdict", ["pretrend_failed", "unclear", "too_few"])
@pytest.mark.parametrize("scale", ["log", "level"])
def test_no_causal_verb_without_a_verdict_that_carries_one(
    verdict: str, scale: str, lang: str, example_findings: Any, whole: Any
) -> None:
    document = compose(whole(example_findings(verdict, False, scale)), lang)
    ends = "。" if lang == "zh" else ". "
    for text in texts(document):
        for sentence in text.split(ends):
            if DENIED[lang] not in sentence and "caused it" not in sentence:
                assert not re.search(CAUSAL[lang], sentence), sentence


def test_nothing_is_left_unsaid(document: Document) -> None:
    for text in texts(document):
        assert not re.search(r"[{}]|\bnan\b|\bNone\b|\binf\b", text), text


def test_a_failed_pretrend_comes_first(lang: str, example_findings: Any) -> None:
    findings = example_findings("pretrend_failed", False)
    first = callout(compose(findings, lang))
    said = {
        "zh": ("开始之前", "增长就已经不同", "8.7%", "不能说明"),
        "en": ("Before", "already growing differently", "8.7%", "does not show"),
    }
    assert all(word in first.lead for word in said[lang])
    assert not first.numbers
    assert "618" in first.points[0] and "618" not in first.lead


def test_the_first_and_the_largest_difference_are_both_quoted(lang: str, example_findings: Any) -> None:
    findings = example_findings("pretrend_failed", False)
    pretrend = findings.pretrend.model_copy(update={"first": -0.011, "largest": 0.052, "largest_event_time": -3})
    lead = callout(compose(findings.model_copy(update={"pretrend": pretrend}), lang)).lead
    assert "1.1%" in lead and "5.2%" in lead
    assert ("累计快约1.1%" in lead and "累计慢约5.2%" in lead) if lang == "zh" else ("faster" in lead and "slowly" in lead)


def test_with_a_varying_base_a_positive_lead_is_faster_growth(lang: str, example_findings: Any) -> None:
    findings = example_findings("pretrend_failed", False, base="varying")
    pretrend = findings.pretrend.model_copy(
        update={"first": 0.02, "first_event_time": -3, "largest_event_time": -3, "largest": 0.02}
    )
    lead = callout(compose(findings.model_copy(update={"pretrend": pretrend}), lang)).lead
    assert ("快约2.0%" if lang == "zh" else "faster than in comparison counties by about 2.0%") in lead


def test_a_difference_from_few_units_says_so(lang: str, example_findings: Any) -> None:
    findings = example_findings("pretrend_failed", False)
    path = [point.model_copy(update={"units": 1}) if point.event_time == -5 else point for point in findings.path]
    lead = callout(compose(findings.model_copy(update={"path": path}), lang)).lead
    assert ("依据1个县" if lang == "zh" else "(resting on 1 county)") in lead


def test_every_verdict_shows_shape_and_words(document: Document) -> None:
    shown = callout(document)
    assert shown.mark in "▲▼◆○■□" and shown.label and shown.lead


def test_a_headline_without_a_range_says_so(lang: str, example_findings: Any) -> None:
    findings = example_findings("gain")
    headline = findings.headline.model_copy(update={"money": Interval(estimate=551.0)})
    lead = callout(compose(findings.model_copy(update={"headline": headline}), lang)).lead
    assert ("没有可用的置信区间" if lang == "zh" else "no confidence interval is available") in lead


def test_every_remark_in_the_code_has_its_sentence() -> None:
    folder = Path(evalkit.__file__).parent
    sources = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    codes = set(re.findall(r'Notice\(\s*"([A-Z0-9_]+)"', sources))
    of_estimators = {
        key.removeprefix("estimator_notice.") for key in catalogue("en").sentences if key.startswith("estimator_notice.")
    }
    assert codes and codes <= set(REMARKS) | of_estimators, codes - set(REMARKS) - of_estimators
    for code in REMARKS:
        for lang in LANGUAGES:
            assert any(key == f"remark.{code}" or key.startswith(f"remark.{code}_") for key in catalogue(lang).sentences), code


def test_an_unknown_remark_is_an_error_that_names_it(example_findings: Any) -> None:
    with pytest.raises(WordsError, match=r"NOMINAL_PRICES.*NOMINAL"):
        compose(example_findings(remarks=[Remark(code="NOMINAL_PRICES", facts={})]), "zh")


def test_a_remark_without_its_facts_is_an_error(example_findings: Any) -> None:
    with pytest.raises(WordsError, match=r"PERIOD_GAP lacks the fact 'periods'"):
        compose(example_findings(remarks=[Remark(code="PERIOD_GAP", facts={})]), "en")


def test_an_unknown_language_is_an_error(example_findings: Any) -> None:
    with pytest.raises(WordsError, match="There is no language 'fr'"):
        compose(example_findings(), "fr")


def test_households_count_without_a_second_measure_word() -> None:
    chinese, english = catalogue("zh"), catalogue("en")
    assert [chinese.count(3000, "户"), chinese.count(2, "项目户"), chinese.count(99, "县")] == ["3,000户", "2户项目户", "99个县"]
    assert [chinese.number(2, "户"), chinese.number(2, "区县"), english.number(2, "county")] == ["2户", "2个", "2"]
    assert [english.count(1, "county"), english.count(99, "county")] == ["1 county", "99 counties"]


def test_tables_name_cluster_count_correction_and_reference(document: Document) -> None:
    table = next(block for block in document.blocks if isinstance(block, Table) and block.name == "estimators")
    cells = [row.cells[-1] for row in table.rows][:5]
    assert all("99" in cell.text for cell in cells)
    few = callout(document).verdict == "too_few"
    assert (
        [cell.detail for cell in cells[:2]] == ["", ""]
        if few
        else cells[0].detail.endswith("t(98)") and cells[1].detail.endswith("z")
    )
    assert sum(row.marked for row in table.rows) == 1


def joined(document: Document) -> str:
    return "\n".join(texts(document))


def test_too_few_clusters_come_first_and_no_range_is_given(lang: str, example_findings: Any) -> None:
    document = compose(example_findings("too_few"), lang)
    first = callout(document)
    assert first.mark == "□" and not first.numbers and "378" in first.lead
    assert ("2组" in first.points[0] and "40组" in first.points[0]) if lang == "zh" else "into 2 clusters" in first.points[0]
    assert ("更多的项目组或对照组" if lang == "zh" else "needs more treated or comparison clusters") in first.points[1]
    told = joined(document)
    assert ("不够，无法检验" if lang == "zh" else "too few years") not in told
    assert ("没有做“开始之前" if lang == "zh" else "is not tested") in told
    assert not re.search(r"\[[−\d]|z$|临界值|critical value", told, re.MULTILINE)


def test_units_covered_after_the_window_are_never_called_never_covered(
    lang: str, example_findings: Any, with_later_units: Any
) -> None:
    never, later = ("从未实施", "评估期之后才实施") if lang == "zh" else ("never covered", "covered only after the window")
    for comparison in ("not_yet_treated", "never_treated"):
        findings = with_later_units(example_findings(remarks=[]), comparison)
        parts = Voice(findings, lang).compared_with()
        assert (
            "37个县从未实施，3个县评估期之后才实施" if lang == "zh" else "37 counties never covered and 3 counties covered only"
        ) in parts
        only = with_later_units(example_findings(remarks=[]), comparison, never=0, later=40)
        only = only.model_copy(update={"sample": only.sample.model_copy(update={"never_codes": {}})})
        told = joined(compose(only, lang))
        assert never not in told and later in told
        assert ("用作对照" if lang == "zh" else "covered after the window, serves as comparison") in told


def test_the_last_cohort_is_the_comparison_until_it_starts(lang: str, example_findings: Any, with_last_cohort: Any) -> None:
    findings = with_last_cohort(example_findings(remarks=[]))
    told = joined(compose(findings, lang))
    assert ("从未实施" if lang == "zh" else "never covered") not in told
    who = {
        "zh": "当时尚未实施产业帮扶的县（其中最后一批12个县，2019年开始）",
        "en": "counties not yet covered by industry support at the time; the last of them, 12 counties, start in 2019",
    }
    assert Voice(findings, lang).compared_with() == who[lang]
    assert ("最后一批，用作对照" if lang == "zh" else "last cohort, serves as comparison") in told
    # Of 71 treated units 2 were covered from the start and 12 are the last cohort: both are named.
    bullet = callout(compose(findings, lang)).points[-1]
    assert all(number in bullet for number in ("57", "71", "2", "12", "2019"))


def test_the_callout_says_of_how_many_treated_units_the_figure_is(document: Document) -> None:
    bullet = callout(document).points[-1]
    assert "57" in bullet and "59" in bullet and "2013" in bullet


def test_with_anticipation_the_start_of_the_window_moves_on(lang: str, example_findings: Any) -> None:
    told = joined(compose(example_findings(anticipation=1), lang))
    assert ("没有不受预期影响的实施前年份" if lang == "zh" else "no: no clean year before") in told
    assert (
        "2个在2014年或更早" if lang == "zh" else "Covered in 2014 or earlier, without a clean year before: 2 of 59 treated counties"
    ) in told


def test_what_was_read_and_what_the_headline_rests_on_are_both_told(lang: str, example_findings: Any) -> None:
    told = joined(compose(example_findings(), lang))
    rows = (
        ("976行", "956行", "97组", "198行", "14行")
        if lang == "zh"
        else ("976 rows", "956 rows", "97 clusters", "198 rows", "14 rows")
    )
    assert all(row in told for row in rows)
    assert ("没有一行被剔除" if lang == "zh" else "No row was left out") not in told
    sample = example_findings().sample.model_copy(update={"rows_left_out": 0, "rows_outside": 0})
    assert ("没有一行被剔除" if lang == "zh" else "No row was left out") not in joined(
        compose(example_findings(sample=sample), lang)
    )


def test_one_other_estimate_is_told_as_one(lang: str, example_findings: Any) -> None:
    rows = example_findings().estimators[:2]
    told = joined(compose(example_findings(estimators=rows), lang))
    assert ("另一项估计（双向固定效应" if lang == "zh" else "The one other estimate (Two-way fixed effects") in told
    assert ("0.0482，主估计为0.0561" if lang == "zh" else "is 0.0482, the main one 0.0561") in told


def test_the_log_scale_is_checked_by_money_and_says_what_money_assumes(lang: str, example_findings: Any) -> None:
    told = joined(compose(example_findings("gain"), lang))
    assert (
        "731元（95%置信区间457到1,010元），相当于基准收入的+7.2%" if lang == "zh" else "+731 yuan per person per year (95%"
    ) in told
    assert told.count("是同一个百分比" if lang == "zh" else "by the same per cent") == 2
    level = joined(compose(example_findings("loss", scale="level"), lang))
    assert ("同一个百分比" if lang == "zh" else "by the same per cent") not in level


def test_one_is_singular(example_findings: Any) -> None:
    sample = example_findings().sample.model_copy(update={"treated_used": 1, "treated_from_start": 0, "treated_units": 1})
    told = joined(
        compose(example_findings(sample=sample, remarks=[Remark(code="SINGLE_UNIT_COHORT", facts={"cohorts": [2018]})]), "en")
    )
    assert (
        "the average of 1 treated county over all years since the start" in told and "The cohort of 2018 holds one county" in told
    )
    assert not re.search(r"\b1 (counties|clusters|rows|years)\b|cohorts of 2018 hold|any one county or year", told)


PLAIN_NEEDS = [
    Remark(code="every_period", facts={"complete": 990, "missing": 4}),
    Remark(code="lasting", facts={"units": 3}),
    Remark(code="universal_base", facts={"base": "varying"}),
    Remark(code="not_yet_treated", facts={"comparison": "never_treated"}),
    Remark(code="eligible", facts={"column": "eligible"}),
    *(Remark(code=code, facts={}) for code in ("intensity", "weighted_on", "others")),
]


def test_why_an_estimator_is_not_used_is_told_without_words_of_code(lang: str, example_findings: Any) -> None:
    document = compose(example_findings(not_used=[NotUsed(estimator="switching", reasons=PLAIN_NEEDS)]), lang)
    told = next(text for text in texts(document) if text.startswith({"zh": "以下方法不适用", "en": "Not used on"}[lang]))
    assert "4" in told and not re.search(r"\w+=|\w\(\w*=|evalkit\.|'\w+_\w+'|[A-Z][a-z]+[A-Z]\w+\(|Rollout", told)


def test_the_licence_is_told_in_the_language(lang: str, example_findings: Any) -> None:
    assert ("知识共享署名4.0" if lang == "zh" else "CC BY 4.0") in joined(compose(example_findings(simulated=False), lang))


# Keys that a name in the findings chooses: the names of clusters, corrections and estimators.
NAMED_BY_DATA = ("cluster.", "correction.", "correction_note.", "reference.", "estimator.")
# Programmes in a bundle, and the effect by date: all four, one, none.
BUNDLES = ((2, (0.0482, 0.0561, 0.06, 0.05)), (3, (None, 0.0561, None, None)), (3, (None, None, None, None)))


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(("multiple", "told"), [(0.0, ("四分之一", "a quarter")), (0.5, ("0.50倍", "0.50 times")), (1e9, ("所考察的倍数", "all multiples"))])  # fmt: skip
def test_of_a_small_change_it_is_told_what_would_make_it_worth_telling(
    multiple: float, told: tuple[str, str], lang: str, example_findings: Any, example_firm: Any
) -> None:
    overturn = example_firm("small_change").overturn.model_copy(update={"stays_small": multiple})
    text = joined(compose(example_findings("small_change", firm=example_firm("small_change", overturn=overturn)), lang))
    assert told[lang == "en"] in text and {"zh": "推翻本结论需要", "en": "What would overturn this conclusion"}[lang] not in text


def firm_in_every_way(example_findings: Any, example_firm: Any) -> list[Any]:
    """Findings that are firm or not in all the ways there are words for."""
    plain, few = example_firm(), example_firm("too_few")
    overturn, permuted, power = plain.overturn, plain.permuted, plain.power

    def overturned(**changes: Any) -> Any:
        return example_findings(firm=example_firm(overturn=overturn.model_copy(update=changes)))

    def moved(**changes: Any) -> Any:
        return example_findings(firm=example_firm(permuted=permuted.model_copy(update=changes)))

    rows = [Method(name="permutation", p_value=0.01, draws=99, reason="costly")]
    rows += [Method(name="jackknife", reason=why) for why in ("no_noise", "many_clusters", "lost", "refused", "hidden")]
    rows += [
        plain.methods[0],
        plain.methods[0].model_copy(update={"low": 1.0, "high": None}),
        plain.methods[0].model_copy(update={"low": -1.0}),
    ]
    reasons = ("too_few", "no_reference", "two_references", "few_units", "refused", "hidden")
    needed = Needed(percent=3.0, power=0.8, units=4240, clusters=85, units_today=3000, clusters_today=60)
    changes = [
        *({"overturn": NotTold(reason=reason)} for reason in reasons),
        *({"permuted": NotTold(reason=reason)} for reason in ("refused", "hidden")),
        {"power": power.model_copy(update={"weak": True, "power": 0.31})},
        {"methods": rows},
        {"methods": [row.model_copy(update={"low": -1.0, "high": 1.0}) for row in plain.methods]},
        {"methods": [row.model_copy(update={"low": 1.0, "high": 2.0}) for row in plain.methods]},
        {"seen": NotTold(reason="refused")},
        {"without": plain.without.model_copy(update={"flips": 2})},
        {"proportional": False},
    ]
    return [
        *(example_findings(firm=example_firm(**change)) for change in changes),
        example_findings("unclear", firm=example_firm("unclear", needed=needed)),
        example_findings("unclear", firm=example_firm("unclear", needed=NotTold(reason="enough"))),
        example_findings("too_few", firm=few.model_copy(update={"permuted": few.permuted.model_copy(update={"cannot": True})})),
        overturned(breakdown=None),
        overturned(largest_before=None),
        overturned(breakdown=20.0),
        overturned(whole=False),
        moved(moves="clusters"),
        moved(moves="within"),
        example_findings(path_critical=None),
    ]


def test_every_sentence_of_the_catalogue_is_used(
    example_findings: Any,
    with_later_units: Any,
    with_last_cohort: Any,
    of_a_bundle: Any,
    few_households: Any,
    with_covariates: Any,
    with_components: Any,
    whole: Any,
    example_firm: Any,
    of_one_county: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from evalkit.report import figures

    said: set[str] = set()
    say = Catalogue.say
    monkeypatch.setattr(Catalogue, "say", lambda self, key, **facts: (said.add(key), say(self, key, **facts))[1])
    plain = example_findings()
    dates_of_few = [row.model_copy(update={"units": 3}) for row in of_a_bundle(plain).dates]
    complete = {"rows_left_out": 0, "rows_outside": 0, "rows_used": 976, "treated_from_start": 0}
    shown = [
        *(example_findings(verdict, simulated, scale) for verdict, simulated, scale in VARIANTS),
        *(with_later_units(plain, "never_treated", never, 3) for never in (0, 37)),
        example_findings(comparison="never_treated", covariates=["distance_km"], weight="people"),
        *(example_findings(covariates=["distance_km"], method=method) for method in ("ipw", "reg")),
        with_last_cohort(plain),
        *(of_a_bundle(plain, members, effects) for members, effects in BUNDLES),
        example_findings(anticipation=1, remarks=[Remark(code="SINGLE_UNIT_COHORT", facts={"cohorts": [2018]})]),
        example_findings(dates=[of_a_bundle(plain).dates[1].model_copy(update={"effect": None})]),
        disclosed(few_households(plain, dates=dates_of_few)),
        example_findings(pretrend=None, truth=plain.truth.model_copy(update={"inside": False})),
        example_findings(estimators=plain.estimators[1:2], cohorts=plain.cohorts[:1]),
        example_findings(estimators=plain.estimators[:2], cohorts=[*plain.cohorts, Cohort(year=2019, units=1, used=True)]),
        example_findings(
            estimators=[plain.estimators[0].model_copy(update={"effect": Interval(estimate=-1.0)}), *plain.estimators[1:]]
        ),
        example_findings(cohorts=[*plain.cohorts, Cohort(year=2020, units=2, used=False)]),
        example_findings(headline=plain.headline.model_copy(update={"money": Interval(estimate=1.0)})),
        example_findings("unclear", headline=plain.headline),
        example_findings(sample=plain.sample.model_copy(update=complete)),
        example_findings(sample=plain.sample.model_copy(update={"treated_used": 1, "units": 103})),
        whole(plain),
        with_covariates(plain, weighted=False),
        with_covariates(plain, after=0.2, large_before=[]),
        with_covariates(plain, covariates=[], cohorts=[], histogram=[]),
        with_covariates(
            plain, cohorts=[row.model_copy(update={"outside_units": 0}) for row in with_covariates(plain).alike.cohorts]
        ),
        with_components(plain, rows=with_components(plain).components.rows[:3], share=EarnedShare(estimate=1.4, low=1.1, high=1.9)),
        *(with_components(plain, share=None, no_share=why) for why in ("undefined", "without_noise")),
        *(whole(example_findings(verdict, False, "level")) for verdict in ("too_few", "loss")),
        example_findings(path=plain.path[:7]),
        example_findings(path=[point.model_copy(update={"low": None, "units": 1}) for point in plain.path]),
        *firm_in_every_way(example_findings, example_firm),
        of_one_county(example_findings("too_few")),
        of_one_county(example_findings("too_few")).model_copy(update={"county": None}),
        example_findings("too_few", alone=NotTold(reason="refused")),
        example_findings("too_few", alone=NotTold(reason="too_few_comparisons", facts={"units": 12, "needed": 19})),
        example_findings("too_few", cohorts=[*plain.cohorts, Cohort(year=2019, units=1, used=True)]),
        example_findings(two_way_weights=plain.two_way_weights.model_copy(update={"forbidden_weight": 0.0})),
        example_findings(not_used=[NotUsed(estimator="switching", reasons=PLAIN_NEEDS)]),
    ]
    for scale in ("log", "level"):
        for base in ("universal", "varying"):
            for sign in (1, -1):
                failed = example_findings("pretrend_failed", False, scale, base=base)
                turned = failed.pretrend.model_copy(update={"first": sign * failed.pretrend.first, "largest_event_time": -5})
                shown.append(failed.model_copy(update={"pretrend": turned}))
    fell = failed.headline.model_copy(update={"money": Interval(estimate=-1.0)})
    far = failed.pretrend.model_copy(update={"first": -0.21})
    shown += [failed.model_copy(update={"headline": fell}), example_findings("pretrend_failed", False, pretrend=far)]
    for findings in shown:
        for lang in LANGUAGES:
            compose(findings, lang)
    for scale in ("log", "level"):
        for draw in figures.DRAW.values():
            draw(whole(example_findings("loss", False, scale)), "en")
    one = [cohort for cohort in plain.cohorts if cohort.year in (2013, 2016)]
    figures.trends(example_findings(cohorts=one), "en")
    remarked = {key for key in catalogue("en").sentences if key.startswith("remark.")}  # of every page
    keys = {key for key in page("report") if not key.startswith(NAMED_BY_DATA)} | remarked
    assert keys - said == set()


def test_a_lead_says_as_much_as_its_grade_carries(lang: str, example_findings: Any, example_firm: Any) -> None:
    strong = {
        "zh": {"A": "有力证据", "B": "很可能", "C": "证据有限"},
        "en": {"A": "strong evidence", "B": "probably", "C": "evidence is limited"},
    }
    for verdict in ("gain", "loss", "small_change"):
        for letter, words in strong[lang].items():
            grade = example_findings(verdict).grade.model_copy(update={"letter": letter})
            first = callout(compose(example_findings(verdict, grade=grade), lang))
            assert words in first.lead and f"{'证据等级' if lang == 'zh' else 'evidence grade '}{letter}" in first.label
            assert [one for one in check(first.lead, lang, verdict, letter) if one.rule in ("strong_words", "probable_words")] == []


def test_groups_named_beforehand_are_told_and_lead_to_their_page(lang: str, example_findings: Any) -> None:
    named = example_findings(groups_named=[Words(zh="有劳动力户", en="households with labour")])
    told = joined(compose(named, lang))
    assert ("有劳动力户" if lang == "zh" else "households with labour") in told and (
        "另行制作" if lang == "zh" else "made separately"
    ) in told
    assert ("另行制作" if lang == "zh" else "made separately") not in joined(compose(example_findings(), lang))


def test_what_cannot_be_told_says_so_and_why(lang: str, example_findings: Any) -> None:
    plain = example_findings("gain")
    refusals = [
        Refusal(code="only_exited", may_tell=[Remark(code="rise", facts={})], cures=[Remark(code="never_registered", facts={"first": 2013, "last": 2022})]),
        Refusal(code="nearly_everybody", facts={"share": 0.03}, may_tell=[Remark(code="difference", facts={})]),
        Refusal(code="definition_break", facts={"years": [2013]}, cures=[Remark(code="window_after", facts={"year": 2013})]),
        Refusal(code="arrive_together", facts={"share": 0.6}, may_tell=[Remark(code="bundle", facts={})]),
    ]  # fmt: skip
    told = {
        "weak": plain.model_copy(update={"verdict": "weak", "headline": example_findings("loss").headline}),
        "cannot_show": plain.model_copy(update={"verdict": "cannot_show"}),
        "refused": plain.model_copy(update={"verdict": "refused", "refusals": refusals}),
    }
    for verdict, findings in told.items():
        document = compose(findings, lang)
        first = callout(document)
        assert first.numbers == () and check(joined(document), lang, verdict, "D") == []
        assert ("尚不能判断" if lang == "zh" else "we cannot tell") in first.lead.lower() or verdict == "refused"
    assert ("收入已经提高" if lang == "zh" else "whose income had risen") in callout(compose(told["refused"], lang)).lead


def test_few_clusters_are_told_beside_the_range_that_rests_on_them(lang: str, example_findings: Any) -> None:
    points = " ".join(callout(compose(example_findings("gain"), lang)).points)
    assert ("任何一边组数少" if lang == "zh" else "With few on either side") in points
    none = example_findings("gain", remarks=[])
    assert ("组数少" if lang == "zh" else "few on either side") not in " ".join(callout(compose(none, lang)).points)


def test_a_bundle_is_named_wherever_an_effect_is(lang: str, example_findings: Any, of_a_bundle: Any) -> None:
    names = {
        2: {"zh": "产业扶贫与健康扶贫的组合", "en": "the bundle of industry and health"},
        3: {"zh": "产业扶贫与健康扶贫、易地扶贫搬迁的组合", "en": "the bundle of industry, health and relocation"},
    }
    for members, said in names.items():
        document = compose(of_a_bundle(example_findings(), members), lang)
        strip = next(block for block in document.blocks if isinstance(block, Facts))
        first = callout(document)
        assert strip.items[0].value.lower() == said[lang]
        premise = "如果没有" if lang == "zh" else "one premise: without "
        assert said[lang] in first.lead and any(premise + said[lang] in point for point in first.points)
        assert document.title == example_findings().title.model_dump()[lang]
        assert ("不能归于其中单项" if lang == "zh" else "cannot be told apart among its parts") in first.points[0]


def test_who_is_covered_is_told_of_the_programme_whose_start_is_known(lang: str, example_findings: Any, of_a_bundle: Any) -> None:
    voice = Voice(of_a_bundle(example_findings()), lang)
    # A comparison county may well have one of the other programmes of the bundle.
    assert voice.compared_with() == Voice(example_findings(), lang).compared_with()
    told = joined(compose(voice.findings, lang))
    assert ("事件表中没有产业帮扶任何记录" if lang == "zh" else "Without any event of industry support") in told


def test_without_a_bundle_nothing_is_called_one(lang: str, example_findings: Any) -> None:
    told = joined(compose(example_findings(remarks=[]), lang))
    assert ("组合" if lang == "zh" else "bundle") not in told


def test_the_effects_by_date_say_how_far_apart_they_are(lang: str, example_findings: Any, of_a_bundle: Any) -> None:
    document = compose(of_a_bundle(example_findings()), lang)
    table = next(block for block in document.blocks if isinstance(block, Table) and block.name == "dates")
    assert [row.marked for row in table.rows] == [False, True, False, False]
    assert [row.cells[4].text for row in table.rows] == ["0.0482", "0.0561", "—", "—"]
    assert [row.cells[0].detail for row in table.rows[2:]] == [
        "没有这一环节的记录" if lang == "zh" else "No record of this event"
    ] * 2
    told = joined(document)
    # 0.0561 - 0.0482 = 0.0079
    said = "估计值在0.0482到0.0561之间，相差0.0079" if lang == "zh" else "lie between 0.0482 and 0.0561, 0.0079 apart"
    assert said in told and "No unit has a dated" not in told


def test_a_date_without_an_estimate_keeps_the_words_of_code_off_the_page(
    lang: str, example_findings: Any, of_a_bundle: Any
) -> None:
    rows = of_a_bundle(example_findings()).dates
    refused = rows[0].model_copy(update={"effect": None, "low": None, "high": None, "reason": "Cohort 2015 has no comparison."})
    told = joined(compose(example_findings(dates=[refused, rows[1]]), lang))
    assert "no comparison" not in told and ("未能估计" if lang == "zh" else "Not estimated") in told


def test_without_a_table_of_events_there_is_no_table_of_dates(lang: str, example_findings: Any) -> None:
    assert not [block for block in compose(example_findings(), lang).blocks if isinstance(block, Table) and block.name == "dates"]


def test_with_too_few_clusters_dates_have_no_range(lang: str, example_findings: Any, of_a_bundle: Any) -> None:
    document = compose(of_a_bundle(example_findings("too_few")), lang)
    table = next(block for block in document.blocks if isinstance(block, Table) and block.name == "dates")
    assert {row.cells[5].text for row in table.rows} == {"—"}


def remark(lang: str, findings: Any, code: str, **facts: Any) -> str:
    return remarks.sentence(Voice(findings, lang), Remark(code=code, facts=facts))


def test_only_what_was_hidden_or_missing_is_told(lang: str, example_findings: Any) -> None:
    one = remark(lang, example_findings(), "INTAKE_FLAGS", masked=1, dash=0, bounds=0)
    said = (
        "收到的数据中，1个数字在来源中被遮盖，按缺失处理。"
        if lang == "zh"
        else "1 cell was hidden at the source and counts as missing."
    )
    assert one.endswith(said)
    two = remark(lang, example_findings(), "INTAKE_FLAGS", masked=0, dash=3, bounds=1)
    assert ("3处标为“无数据”；1个数字只是" if lang == "zh" else "3 cells were marked as not available; 1 figure is") in two


def test_provinces_on_the_national_index_are_named(lang: str, example_findings: Any) -> None:
    told = remark(lang, example_findings(), "PRICE_INDEX_NATIONAL", provinces={"52": [2013, 2014]})
    assert ("贵州省（2013—2014年）" if lang == "zh" else "Guizhou (2013–2014)") in told


def test_a_staggered_change_of_definition_names_its_years(lang: str, example_findings: Any) -> None:
    facts = {"units": 93, "of_units": 99, "units_back": 0, "staggered": True, "years": {"2014": 3, "2015": 90}}
    told = remark(lang, example_findings(), "INCOME_DEF_SWITCH", **facts)
    years = (
        "2014年（3个县）、2015年（90个县）"
        if lang == "zh"
        else "93 of 99 counties change from net to disposable income, in different years: 2014 (3 counties) and 2015 (90 counties)"
    )
    assert years in told
    near = remark(lang, example_findings(), "INCOME_DEF_SWITCH", **facts, treated=59, treated_near=7)
    assert ("59个中，有7个" if lang == "zh" else "7 of 59 change definition") in near and "59" not in told


def test_covariates_are_called_by_the_studys_words_and_named_where_they_differ(
    lang: str, example_findings: Any, with_covariates: Any
) -> None:
    told = joined(compose(with_covariates(example_findings()), lang))
    named = "标准化差异超过0.25）的有：到市区的距离（公里）。" if lang == "zh" else "standard deviations: distance to town (km)."
    assert named in told and "distance_km" not in told and "labour_share" in told
    # 0 + 11 + 1 of 20 + 36 + 1 treated counties have nobody alike; weights cost most where 41 count as 9.3.
    outside = "57个项目县中，有12个至少有一项" if lang == "zh" else "at least one of them: 12 of 57 treated counties"
    worth = "对照有41个县，加权后的有效数量只有9.3" if lang == "zh" else "holds 41 counties, and an effective number of 9.3"
    assert outside in told and worth in told


def test_without_weights_no_weighted_figure_is_shown(lang: str, example_findings: Any, with_covariates: Any) -> None:
    document = compose(with_covariates(example_findings(), weighted=False), lang)
    table = next(block for block in document.blocks if isinstance(block, Table) and block.name == "balance")
    assert len(table.columns) == 4 and [row.cells[3].text for row in table.rows] == ["+1.09", "−0.08"]
    said = joined(document)
    assert ("找不到一组权重" if lang == "zh" else "No weights give") in said
    assert ("给对照加权之后，各项" if lang == "zh" else "After weighting the comparison") not in said


def test_without_covariates_one_sentence_says_so_and_no_section_appears(lang: str, example_findings: Any, whole: Any) -> None:
    plain, full = compose(example_findings(), lang), compose(whole(example_findings()), lang)
    said = "没有列入协变量" if lang == "zh" else "names no covariates"
    assert said in joined(plain) and said not in joined(full)
    anchors = [[block.anchor for block in one.blocks if isinstance(block, Heading)] for one in (plain, full)]
    assert set(anchors[1]) - set(anchors[0]) == {"alike", "components", "cost"}


def test_figures_and_tables_are_numbered_without_gaps(lang: str, example_findings: Any, whole: Any, with_components: Any) -> None:
    for findings in (example_findings(), whole(example_findings()), with_components(example_findings())):
        blocks = compose(findings, lang).blocks
        for kind in (Figure, Table):
            numbers = [re.sub(r"\D", "", block.number) for block in blocks if isinstance(block, kind)]
            assert numbers == [str(n) for n in range(1, len(numbers) + 1)]


def test_components_are_told_with_their_total_and_the_share_that_is_earned(
    lang: str, example_findings: Any, with_components: Any
) -> None:
    # 520 - 80 + 4 + 96 + 11 = 551, of which 520 - 80 + 11 = 451 are earned: 81.9%.
    document = compose(with_components(example_findings()), lang)
    table = next(block for block in document.blocks if isinstance(block, Table) and block.name == "components")
    assert [row.cells[1].values[0] for row in table.rows] == [520.0, -80.0, 4.0, 96.0, 11.0, 551.0] and table.rows[-1].marked
    told = joined(document)
    assert (
        "占合计的81.9%，95%置信区间61.0%到108.0%" if lang == "zh" else "81.9% of the total, 95% interval 61.0% to 108.0%"
    ) in told
    assert ("就已经不同步（联合检验p小于0.10）：转移净收入" if lang == "zh" else "(joint test p below 0.10): transfers.") in told
    assert ("牧业收入" if lang == "zh" else "herding") in told


def test_a_share_that_cannot_be_told_says_why(lang: str, example_findings: Any, with_components: Any) -> None:
    why = {
        "undefined": ("是增是减还不能确定", "rise or a fall is not certain"),
        "without_noise": ("误差无法估计", "to know its error"),
        "too_few": ("合计没有范围", "the total has no range"),
    }
    for code, said in why.items():
        told = joined(compose(with_components(example_findings(), share=None, no_share=code), lang))
        assert said[LANGUAGES.index(lang)] in told and ("占合计的" if lang == "zh" else "makes up") not in told


def test_what_several_estimators_remark_alike_is_told_once_of_all_of_them(lang: str, example_findings: Any) -> None:
    inner = {"code": "ABSORBED_COVARIATES", "facts": {"columns": ["distance_km"]}}
    names = ("event_study", "imputation", "two_stage")
    said = [Remark(code="OF_ESTIMATOR", facts={"estimator": name, **inner}) for name in names]
    other = Remark(code="OF_ESTIMATOR", facts={"estimator": "imputation", "code": "NOMINAL", "facts": {}})
    document = compose(example_findings(remarks=[*said, other]), lang)
    told = [
        text for text in texts(document) if catalogue(lang).say("estimator.imputation.name") + {"zh": "：", "en": ":"}[lang] in text
    ]
    joined_names = [text for text in texts(document) if text.startswith(catalogue(lang).say("estimator.event_study.name"))]
    assert len(joined_names) == 1 and all(catalogue(lang).say(f"estimator.{name}.name") in joined_names[0] for name in names)
    assert sum(text.startswith(catalogue(lang).say("estimator.imputation.name")) for text in told) == 1
