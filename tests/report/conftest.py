"""Findings to write reports about: one for every verdict, on both scales, simulated and not."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.before_after import rise_of_covered
from evalkit.before_after_records import BeforeAfter
from evalkit.cost_records import Bought, CostFound, Lasting
from evalkit.findings import (
    Alike,
    Alone,
    AlonePoint,
    Cohort,
    ComponentRow,
    Components,
    CovariateBalance,
    DateRow,
    EarnedShare,
    EstimatorRow,
    Findings,
    Headline,
    NotUsed,
    Overlap,
    OverlapBin,
    PathPoint,
    Pretrend,
    Sample,
    TrendPoint,
    Truth,
    TwoWayWeights,
)
from evalkit.firm_records import Drifted, Firm, LeftOut, Method, Needed, NotTold, Overturn, Permuted, Power, Seen
from evalkit.grade import graded
from evalkit.grade_records import Evidence
from evalkit.plan_records import Departure, Followed
from evalkit.records import County, Interval, Remark
from evalkit.study import Published, Words

BASE = 9823.4
EFFECTS = {"gain": 0.0561, "loss": -0.0472, "small_change": 0.0031, "unclear": 0.0185, "pretrend_failed": 0.0629, "too_few": 0.0385}
ERRORS = {"gain": 0.0092, "loss": 0.0121, "small_change": 0.0071, "unclear": 0.0203, "pretrend_failed": 0.0131, "too_few": 0.01}
LEADS = {"pretrend_failed": [-0.0874, -0.0621, -0.0402, -0.0228], "other": [0.0041, -0.0063, 0.0018, -0.0037]}

EVERY_REMARK = [
    Remark(code="SINGLE_UNIT_COMPARISON", facts={"units": 1}),
    Remark(code="TREATMENT_STOPS", facts={"units": 3, "treated_units": 59}),
    Remark(code="START_BETWEEN_ROWS", facts={"units": 2, "treated_units": 59}),
    Remark(
        code="OF_ESTIMATOR",
        facts={
            "estimator": "weighted",
            "code": "WEIGHTED_POOR_OVERLAP",
            "facts": {"cohort": 2016, "units": 2, "treated_units": 20, "first": "530602, 530603"},
        },
    ),
    Remark(code="TREATED_AFTER_WINDOW", facts={"units": 3, "last_period": 2022}),
    Remark(code="MISSING_ROWS", facts={"rows": 14, "columns": {"labour_share": 12, "income": 2}}),
    Remark(code="UNBALANCED", facts={"choice": "pairwise", "units": 99, "rows": 976, "complete_units": 90, "periods": 10}),
    Remark(code="UNBALANCED", facts={"choice": "drop_units", "units": 99, "rows": 976, "complete_units": 90, "periods": 10}),
    Remark(
        code="UNBALANCED", facts={"choice": "repeated_cross_section", "units": 99, "rows": 976, "complete_units": 1, "periods": 10}
    ),
    Remark(code="UNIVERSAL", facts={"last_cohort": 2019}),
    Remark(code="PERIOD_GAP", facts={"periods": [2014, 2015, 2018]}),
    Remark(code="TREATED_FROM_START", facts={"units": 2, "treated_units": 59, "first_period": 2013}),
    Remark(code="SINGLE_UNIT_COHORT", facts={"cohorts": [2018, 2020]}),
    Remark(code="CELLS_NOT_ESTIMATED", facts={"cells": [f"2016 in {year}" for year in range(2013, 2022)]}),
    Remark(code="ABSORBED_COVARIATES", facts={"columns": ["distance_km"]}),
    Remark(code="SECOND_REFERENCE", facts={"event_time": -6}),
    Remark(code="NEVER_CODES", facts={"codes": {"0": 30, "missing": 10}}),
    Remark(code="NOMINAL", facts={}),
    Remark(code="FEW_CLUSTERS", facts={"clusters": 12, "treated_clusters": 5, "comparison_clusters": 6}),
    Remark(code="TWO_WAY_NOT_ESTIMATED", facts={}),
    Remark(code="TOO_FEW_COMPARISONS", facts={"units": 6, "smallest_p": 0.143, "needed": 19}),
    Remark(code="UNITS_LEFT_OUT", facts={"units": 4}),
    Remark(code="PRICE_INDEX_NATIONAL", facts={"provinces": {"52": [2013, 2014], "99": [2016]}}),
    Remark(code="PRICE_INDEX_UNVERIFIED", facts={"unverified": 3, "used": 20, "years": [2013, 2014, 2016]}),
    Remark(code="INCOME_DEF_UNKNOWN", facts={"rows": 12, "of_rows": 976, "units": 4, "of_units": 99, "crosses": True}),
    Remark(
        code="INCOME_DEF_SWITCH",
        facts={"years": {2014: 3}, "units": 3, "of_units": 99, "staggered": False, "units_back": 0},
    ),
    Remark(
        code="INCOME_DEF_SWITCH",
        facts={
            "years": {"2014": 3, "2015": 90}, "units": 93, "of_units": 99, "staggered": True, "units_back": 1,
            "treated": 59, "treated_near": 7,
        },
    ),
    Remark(code="UNTREATED_WITHOUT_EVENT", facts={"units": 40}),
    *(
        Remark(code="START_FROM_OTHER_EVENT", facts={"choice": choice, "date": "funded", "units": 5})
        for choice in ("later_event", "any_event", "listed_untreated")
    ),
    Remark(code="EVENTS_OUTSIDE_PANEL", facts={"units": 2, "of_units": 61, "first": ["520199", "520198"]}),
    Remark(code="EVENTS_OUTSIDE_PANEL", facts={"units": 2, "of_units": 61, "first": []}),
    Remark(code="SUPPORT_ENDED", facts={"units": 2, "treated_units": 59, "share": 2 / 59, "limit": 0.05, "many": False}),
    Remark(code="SUPPORT_ENDED", facts={"units": 6, "treated_units": 59, "share": 6 / 59, "limit": 0.05, "many": True}),
    Remark(code="EVENTS_WITHOUT_DATE", facts={"rows": 1, "of_rows": 210}),
    Remark(code="REGISTER_EXITS_LEFT_OUT", facts={"rows": 30}),
    Remark(code="PAYMENT_TOLD_TWICE", facts={"rows": 2, "yuan": 150000.0}),
    Remark(
        code="BUNDLE",
        facts={
            "programmes": ["industry", "health"], "share": 35 / 59, "shares": {"health": 35 / 59}, "units": 35, "treated_units": 59,
            "window": 1,
        },
    ),
    Remark(
        code="BUNDLE",
        facts={"programmes": ["industry", "health"], "share": 0.6, "shares": {"health": 0.6}, "units": 35, "treated_units": 59, "window": 2},
    ),
    Remark(code="PLAUSIBILITY_ON_A_PART", facts={"rows": 20000, "of_rows": 1200000}),
    Remark(code="INTAKE_FLAGS", facts={"masked": 1, "dash": 0, "bounds": 12}),
    Remark(code="INTAKE_FLAGS", facts={"masked": 14, "dash": 1, "bounds": 1}),
    Remark(code="INTAKE_FLAGS", facts={"masked": 0, "dash": 3, "bounds": 0}),
]  # fmt: skip
MEMBERS = [
    Words(zh="产业扶贫", en="industry"),
    Words(zh="健康扶贫", en="health"),
    Words(zh="易地扶贫搬迁", en="relocation"),
]


def dates(*effects: float | None, unit: float = 1.0) -> list[DateRow]:
    """Rows of the four dates: an effect, or none because the event is not on record; the second is the study's own."""
    kinds = ("listed", "funded", "built", "moved_in")
    return [
        DateRow(
            date=kind, units=0, left_out=59, first_cohort=None, last_cohort=None, effect=None, low=None, high=None,
            reason=f"No unit has a dated {kind!r} event.", used=kind == "funded",
        )
        if effect is None
        else DateRow(
            date=kind, units=59, left_out=0, first_cohort=2015 + place, last_cohort=2017 + place, effect=unit * effect,
            low=unit * (effect - 0.02), high=unit * (effect + 0.02), reason="", used=kind == "funded",
        )
        for place, (kind, effect) in enumerate(zip(kinds, effects, strict=True))
    ]  # fmt: skip


def interval(estimate: float, error: float) -> Interval:
    p = 0.0002 if abs(estimate) > 3.3 * error else 0.362
    return Interval(estimate=estimate, std_error=error, low=estimate - 1.96 * error, high=estimate + 1.96 * error, p_value=p)


def path(effect: float, error: float, leads: list[float], scale: float) -> list[PathPoint]:
    values = {e: scale * v for e, v in zip(range(-5, -1), leads, strict=True)} | {-1: 0.0}
    values |= {e: effect * (0.55 + 0.13 * e) for e in range(7)}
    points = []
    for e, value in sorted(values.items()):
        spread = error * (1.05 + 0.09 * abs(e))
        reference = e == -1
        points.append(
            PathPoint(
                event_time=e,
                estimate=value,
                std_error=None if reference else spread,
                low=None if reference else value - 1.96 * spread,
                high=None if reference else value + 1.96 * spread,
                band_low=None if reference else value - 2.74 * spread,
                band_high=None if reference else value + 2.74 * spread,
                units=57 if e < 5 else 38,
                reference=reference,
            )
        )
    return points


def example_firm(verdict: str = "gain", **changes: Any) -> Firm:
    """How firm the findings of a verdict are: money from the effect and its error, differences before the start of 68 yuan."""
    effect, error, before = BASE * EFFECTS[verdict], BASE * ERRORS[verdict], 68.0
    few, already = verdict == "too_few", abs(effect) < 1.96 * error
    breakdown = 0.0 if already else (abs(effect) - 1.96 * error) / 3

    def drifted(drift: float) -> Drifted:
        reach = 1.96 * error + 3 * drift
        return Drifted(drift=drift, low=effect - reach, high=effect + reach)

    marks = sorted({0.0, before / 2, before, breakdown})
    ends = {"low": effect - 1.96 * error, "high": effect + 1.96 * error}
    ends |= {f"{name}_percent": 100 * end / BASE for name, end in ends.items()}
    methods = [
        Method(name="interval", **ends, p_value=0.0002, clusters=97, reference="z"),
        Method(name="jackknife", **ends, p_value=0.0004, clusters=99, reference="t(98)"),
        Method(name="wild", **(ends | {"low": None, "low_percent": None}), p_value=0.001, clusters=97, draws=999),
    ]  # fmt: skip
    moved = {"draws": 499, "exact": False, "smallest_p": 0.002, "p_value": 0.004, "cannot": False, "possible": None}
    if few:
        moved = {"draws": None, "exact": True, "smallest_p": 1 / 861, "p_value": 0.021, "cannot": False, "possible": 861}
    bare = {} if few else ends
    values: dict[str, Any] = {
        "overturn": NotTold(reason="too_few") if few else Overturn(
            effect=effect, breakdown=breakdown, already=already, largest_before=before, relative=None if already else 0.67,
            rows=[drifted(mark) for mark in marks], curve=[drifted(x) for x in (*marks, 1.25 * marks[-1])], first=-5, last=6, whole=True,
        ),
        "power": NotTold(reason="untested" if few else "failed") if few or verdict == "pretrend_failed" else Power(power=0.73, slope=88.0, weak=False),
        "methods": [*([] if few else methods), Method(name="permutation", **bare, p_value=moved["p_value"], draws=499, reason="too_few" if few else "")],
        "permuted": Permuted(moves="units", items=42 if few else 99, treated=2 if few else 59, **moved),
        "seen": Seen(percent=2.1, money=230.0, power=0.8),
        "needed": Needed(percent=3.0, power=0.8, units=140, clusters=140, units_today=99, clusters_today=99) if verdict == "unclear" else NotTold(reason="clear"),
        "without": NotTold(reason="too_few") if few else LeftOut(low=effect - 0.2 * error, high=effect + 0.2 * error, flips=0, clusters=99),
    }  # fmt: skip
    return Firm(**(values | changes))


def example_evidence(verdict: str) -> Evidence:
    """Facts with nothing to object to in a gain, and something in the others: grades B, C, B, D, D and D."""
    clean: dict[str, Any] = {
        "design": "parallel", "comparison_share": 0.41, "periods_before": 4, "pretrend_p": 0.431, "pretrend_power": 0.73, "breakdown": 0.67,
        "smaller_side": 40, "permutation_p": 0.004, "smallest_p": 0.002, "estimators": 5, "estimators_opposed": 0, "estimators_outside": 0,
        "money_opposed": False, "missing_share": 0.014, "attrition_gap": 0.0, "flags": 0, "definition_break": False, "flips": 0,
    }  # fmt: skip
    changes: dict[str, dict[str, Any]] = {
        "loss": {"flags": 2},
        "unclear": {"breakdown": 0.0, "straddles": True},
        "pretrend_failed": {"pretrend_p": 0.0003, "breakdown": 0.3},
        "too_few": {"pretrend_p": None, "pretrend_power": None, "breakdown": None, "smaller_side": 2},
    }
    return Evidence(**(clean | changes.get(verdict, {})))


def example_findings(verdict: str = "gain", simulated: bool = True, scale: str = "log", **changes: Any) -> Findings:
    """Return valid findings with a verdict; changes replace fields."""
    unit = 1.0 if scale == "log" else BASE
    effect, error = unit * EFFECTS[verdict], unit * ERRORS[verdict]
    leads = LEADS.get(verdict, LEADS["other"])
    share, share_error = EFFECTS[verdict], ERRORS[verdict]
    too_few = verdict == "too_few"
    failed = verdict == "pretrend_failed"
    apart = 0.01 if verdict == "loss" else 1.0  # in losses estimators differ by more than chance

    def row(name: str, average: str, comparison: str, factor: float, headline: bool = False) -> EstimatorRow:
        two_way = name == "two_way"
        return EstimatorRow(
            estimator=name, average=average, comparison=comparison, effect=interval(effect * factor, error * (0.8 + 0.2 * factor)),
            cluster="county_key", clusters=99, correction="nested" if two_way else "none", factor=1.012 if two_way else 1.0,
            reference="t(98)" if two_way else "z", headline=headline,
            difference=None if headline else interval(effect * (factor - 1), error * apart),
        )  # fmt: skip

    years = range(2013, 2023)
    trends = [
        TrendPoint(group=group, period=year, mean=start * growth ** (year - 2013) * (1 + share * max(0, min(1, (year - 2015) / 3)) * own), units=units)
        for group, start, growth, own, units in (("treated", 6230.0, 1.091, 1, 57), ("comparison", 7350.0, 1.090, 0, 40))
        for year in years
    ]  # fmt: skip
    values: dict[str, Any] = {
        "run_id": "industry-1f2e3d4c5b",
        "version": "0.1.0",
        "study": "industry",
        "title": Words(zh="产业帮扶增收效应评估", en="Effect of industry support on rural income"),
        "programme": Words(zh="产业帮扶", en="industry support"),
        "unit_word": Words(zh="县", en="county"),
        "outcome_word": Words(zh="农村居民人均收入", en="rural income per head"),
        "money": Words(zh="元/人·年", en="yuan per person per year"),
        "prices": Words(zh="名义值，未扣除物价", en="nominal, not deflated"),
        "income_definition": Words(zh="可支配收入（2013年起）", en="disposable income (from 2013)"),
        "source": Words(zh="模拟数据：虚构的一个省", en="Simulated data: an invented province")
        if simulated
        else Words(zh="县域统计年鉴整理（埇桥、鄠邑等）", en="county yearbooks, compiled"),
        "source_url": None if simulated else "https://example.org/yearbooks",
        "licence": None if simulated else Words(zh="知识共享署名4.0", en="CC BY 4.0"),
        "simulated": simulated,
        "bundle": [],
        "dates": [],
        "scale": scale,
        "window": (2013, 2022),
        "comparison": "not_yet_treated",
        "anticipation": 0,
        "base": "universal",
        "method": "dr",
        "covariates": [],
        "weight": None,
        "level": 0.95,
        "seed": 20130101,
        "smallest_meaningful_percent": 3.0,
        "verdict": verdict,
        "headline": Headline(
            effect=interval(effect, error),
            money=interval(BASE * share, BASE * share_error),
            percent=interval(100 * share, 100 * share_error),
            base=interval(BASE, 212.0),
        ),
        "other_scale": None
        if scale == "level"
        else Headline(
            effect=interval(731.0, 140.0), money=interval(731.0, 140.0), percent=interval(7.2, 1.4), base=interval(BASE, 212.0)
        ),
        "path": path(effect, error, leads, unit),
        "path_critical": 2.74,
        "estimators": [
            row("two_way", "static", "all", 0.86),
            row("group_time", "overall", "not_yet_treated", 1.0, headline=True),
            row("group_time", "dynamic", "not_yet_treated", 1.07),
            row("group_time", "overall", "never_treated", 0.97),
            row("group_time", "dynamic", "never_treated", 1.04),
            row("imputation", "overall", "not_yet_treated", 0.98),
            row("stacked", "window", "not_yet_treated", 1.02),
        ],
        "not_used": [
            NotUsed(estimator="weighted", reasons=[Remark(code="weighted_on", facts={})]),
            NotUsed(estimator="synthetic", reasons=[Remark(code="refused", facts={})]),
        ],
        "two_way_weights": TwoWayWeights(
            cells=15, negative=0 if scale == "level" else 4, negative_sum=0.0 if scale == "level" else -0.058, forbidden_weight=0.246
        ),
        "cohorts": [
            Cohort(year=2013, units=2, used=False),
            Cohort(year=2016, units=20, used=True, effect=interval(effect * 1.1, error * 1.4)),
            Cohort(year=2017, units=36, used=True, effect=interval(effect * 0.9, error * 1.5)),
            Cohort(year=2018, units=1, used=True, effect=Interval(estimate=effect * 1.6)),
        ],
        "trends": trends,
        "pretrend": None if too_few else Pretrend(
            event_times=[-5, -4, -3, -2],
            statistic=21.4 if failed else 3.82,
            distribution="chi2(4)",
            p_value=0.0003 if failed else 0.431,
            failed=failed,
            largest_event_time=-5 if failed else -4,
            largest=unit * min(leads),
            first_event_time=-5,
            first=unit * leads[0],
        ),
        "sample": Sample(
            rows=976, units=99, periods=list(years), treated_units=59, treated_used=57, treated_from_start=2, comparison_units=40,
            never_units=40, later_units=0, last_cohort_units=0, cluster="county_key", clusters=99, rows_used=956, clusters_used=97,
            treated_clusters=2 if too_few else 57, comparison_clusters=40, rows_left_out=14, rows_outside=198, never_codes={"0": 40},
        ),
        "remarks": EVERY_REMARK,
        "published": [] if simulated else [
            Published(what=Words(zh="论文：双向固定效应", en="Paper: two-way fixed effects"), estimate=unit * 0.018, std_error=unit * 0.013),
            Published(what=Words(zh="论文：动态效应", en="Paper: dynamic effect"), estimate=unit * 0.093),
        ],
        "truth": Truth(effect=unit * 0.0582, inside=True) if simulated else None,
        "firm": example_firm(verdict),
        "evidence": example_evidence(verdict),
        "grade": graded(example_evidence(verdict)),
    }  # fmt: skip
    if too_few:
        values |= without_ranges(values)
    found = Findings(**(values | changes))
    rise = rise_of_covered(found)
    return (
        found if "before_after" in changes or not isinstance(rise, BeforeAfter) else found.model_copy(update={"before_after": rise})
    )


def bare(interval: Interval | None) -> Interval | None:
    return None if interval is None else Interval(estimate=interval.estimate)


def without_ranges(values: dict[str, Any]) -> dict[str, Any]:
    """The same findings without any standard error, range or p-value."""
    headlines = {
        name: values[name] and Headline(**{part: bare(getattr(values[name], part)) for part in Headline.model_fields})
        for name in ("headline", "other_scale")
    }
    none = dict.fromkeys(("std_error", "low", "high", "band_low", "band_high"))
    return {
        **headlines,
        "path": [point.model_copy(update=none) for point in values["path"]],
        "path_critical": None,
        "estimators": [
            row.model_copy(update={"effect": bare(row.effect), "difference": bare(row.difference)}) for row in values["estimators"]
        ],
        "cohorts": [cohort.model_copy(update={"effect": bare(cohort.effect)}) for cohort in values["cohorts"]],
        "truth": values["truth"] and values["truth"].model_copy(update={"inside": False}),
    }


def later_units(findings: Findings, comparison: str = "not_yet_treated", never: int = 37, later: int = 3) -> Findings:
    """Some of the comparison is treated after the window."""
    sample = findings.sample.model_copy(update={"never_units": never, "later_units": later, "comparison_units": never + later})
    cohorts = [*findings.cohorts, Cohort(year=2024, units=later, used=False)]
    return findings.model_copy(update={"sample": sample, "cohorts": cohorts, "comparison": comparison})


def last_cohort(findings: Findings) -> Findings:
    """Everybody is treated within the window, and the last cohort serves as comparison."""
    counts = {
        "never_units": 0,
        "last_cohort_units": 12,
        "comparison_units": 12,
        "units": 71,
        "treated_units": 71,
        "never_codes": {},
    }
    sample = findings.sample.model_copy(update=counts)
    cohorts = [*findings.cohorts, Cohort(year=2019, units=12, used=False)]
    rows = [row for row in findings.estimators if row.comparison != "never_treated"]
    return findings.model_copy(update={"sample": sample, "cohorts": cohorts, "estimators": rows})


def of_a_bundle(findings: Findings, members: int = 3, effects: tuple[float | None, ...] = (0.0482, 0.0561, None, None)) -> Findings:
    """Programmes arrive together, and the start was read from a table of events."""
    unit = 1.0 if findings.scale == "log" else BASE
    return findings.model_copy(update={"bundle": MEMBERS[:members], "dates": dates(*effects, unit=unit)})


def with_covariates(findings: Findings, weighted: bool = True, after: float = 0.0, **changes: Any) -> Findings:
    """The study names two covariates: one differs much, most in one cohort, and some treated counties have nobody alike."""

    def row(name: str, treated: float, comparison: float, before: float, largest: float) -> CovariateBalance:
        return CovariateBalance(
            covariate=name, treated=treated, comparison=comparison, weighted=treated if weighted else None, before=before,
            after=after if weighted else None, largest_before=largest, largest_cohort=2016, largest_after=after if weighted else None,
        )  # fmt: skip

    arms = ("treated", "comparison", "weighted") if weighted else ("treated", "comparison")
    bins = [
        OverlapBin(cohort=cohort, arm=arm, low=0.1 * n, high=0.1 * (n + 1), share=0.1 if arm == "treated" else (10 - n) / 55)
        for cohort in (2016, 2017) for arm in arms for n in range(10)
    ]  # fmt: skip
    values: dict[str, Any] = {
        "covariates": [row("distance_km", 69.97, 55.21, 1.09, 1.77), row("labour_share", 0.5885, 0.6132, -0.08, -0.21)],
        "cohorts": [
            Overlap(cohort=year, base=year - 1, treated_units=treated, comparison_units=40 + more, effective_units=worth if weighted else None,
                    outside_units=outside, separated=year == 2018)
            for year, treated, more, worth, outside in ((2016, 20, 37, 27.4, 0), (2017, 36, 1, 9.3, 11), (2018, 1, 0, 38.0, 1))
        ],
        "histogram": bins, "weighted": weighted, "large_before": ["distance_km"], "large_after": ["distance_km"] if after > 0.1 else [],
    }  # fmt: skip
    words = {"distance_km": Words(zh="到市区的距离（公里）", en="distance to town (km)")}
    told = {"covariates": ["distance_km", "labour_share"], "covariate_words": words, "alike": Alike(**(values | changes))}
    return findings.model_copy(update=told)


def with_components(findings: Findings, **changes: Any) -> Findings:
    """The study names four components; wages carry the change, and a fifth has words of its own."""
    amounts = {"wage": 520.0, "business": -80.0, "property": 4.0, "transfer": 96.0, "herd": 11.0}
    ranges = findings.verdict != "too_few"

    def row(name: str, amount: float, error: float) -> ComponentRow:
        effect = interval(amount, error)
        return ComponentRow(
            name=name, word=Words(zh="牧业收入", en="herding") if name == "herd" else None, earned=name in ("wage", "business", "herd"),
            effect=effect if ranges else Interval(estimate=amount), pretrend_p=0.04 if name == "transfer" and ranges else 0.41 if ranges else None,
        )  # fmt: skip

    rows = [*(row(name, amount, 30.0) for name, amount in amounts.items()), row("total", sum(amounts.values()), 90.0)]
    share = EarnedShare(estimate=451 / 551, low=0.61, high=1.08) if ranges else None
    growth = findings.scale == "log"
    values: dict[str, Any] = {
        "rows": rows, "growth": growth, "composition": growth, "measured_by": (2013, 2015) if growth else None, "units": 97,
        "left_out": 2, "gap": 1e-12, "share": share, "no_share": "" if ranges else "too_few",
    }  # fmt: skip
    return findings.model_copy(update={"components": Components(**(values | changes))})


def with_money_and_plan(findings: Findings, **changes: Any) -> Findings:
    """Six million yuan on ten thousand people, support that ended for some, and a window that was planned otherwise."""
    gain = interval(300.0, 51.0)
    bought = Bought(
        per_yuan=2.0, per_yuan_low=1.0, per_yuan_high=4.0, per_lasting_yuan=0.42, per_lasting_yuan_low=0.21, per_lasting_yuan_high=0.85,
        gain=gain, people=10000.0, counted="given", money=6e6, money_low=5e6, money_high=8e6, transfers="counted", discount_rate=0.03,
        lasting_years=5, present_yuan=4.717, source=Words(zh="县财政局决算", en="accounts of the county"),
    )  # fmt: skip
    lasting = Lasting(
        during=gain, after=interval(120.0, 60.0), difference=interval(-180.0, 70.0), units=12, years=3, undated=0, left_out=1
    )
    plan = Followed(
        hash="abcd1234" * 8, made_on="2021-03-01", outcome_present=False,
        departures=[Departure(key="window", planned=[2013, 2020], done=[2013, 2022])],
    )  # fmt: skip
    return findings.model_copy(update={"cost": CostFound(bought=bought, lasting=lasting), "plan": plan} | changes)


def of_one_county(findings: Findings, reach: float = 0.12) -> Findings:
    """Return findings of one county alone, made of findings with too few clusters; reach is half the width of its range."""
    effect, base = findings.headline.effect.estimate, findings.headline.base.estimate
    per_unit = 1.0 if findings.scale == "log" else 1 / base
    low, high = effect - reach / per_unit, effect + reach / per_unit
    ends = {"low": base * low * per_unit, "high": base * high * per_unit}
    told = [point for point in findings.path if not point.reference]
    points = [
        AlonePoint(event_time=p.event_time, low=p.estimate - reach / per_unit, high=p.estimate + reach / per_unit) for p in told
    ]
    by_time = {point.event_time: {"low": point.low, "high": point.high} for point in points}
    return findings.model_copy(
        update={
            "verdict": "one_unit",
            "county": County(code="530602", name="昭阳区"),
            "comparison": "never_treated",
            "sample": findings.sample.model_copy(update={"treated_used": 1, "treated_units": 1, "treated_clusters": 1}),
            "path": [point.model_copy(update=by_time.get(point.event_time, {})) for point in findings.path],
            "alone": Alone(
                comparison_units=40,
                effect=Interval(estimate=effect, low=low, high=high),
                money=Interval(estimate=findings.headline.money.estimate, **ends),
                percent=Interval(
                    estimate=findings.headline.percent.estimate, low=100 * ends["low"] / base, high=100 * ends["high"] / base
                ),
                path=points,
            ),
        }
    )


@pytest.fixture(scope="session", name="of_one_county")
def _of_one_county() -> Any:
    return of_one_county


@pytest.fixture(scope="session", name="with_covariates")
def _with_covariates() -> Any:
    return with_covariates


@pytest.fixture(scope="session", name="with_components")
def _with_components() -> Any:
    return with_components


@pytest.fixture(scope="session", name="whole")
def _whole() -> Any:
    """A report with every part: covariates and components, what the money bought, and a plan that was not quite followed."""
    return lambda findings: with_money_and_plan(with_components(with_covariates(findings)))


@pytest.fixture(scope="session", name="with_later_units")
def _with_later_units() -> Any:
    return later_units


@pytest.fixture(scope="session", name="with_last_cohort")
def _with_last_cohort() -> Any:
    return last_cohort


def few_households(findings: Findings, **changes: Any) -> Findings:
    """The same study of households, some cells of which hold fewer than ten of them."""
    words = {"unit_word": Words(zh="户", en="household")}
    path = [point.model_copy(update={"units": 4}) if point.event_time in (-5, 6) else point for point in findings.path]
    trends = [
        point.model_copy(update={"units": 8}) if (point.group, point.period) == ("comparison", 2013) else point
        for point in findings.trends
    ]
    return findings.model_copy(update=words | {"path": path, "trends": trends} | changes)


@pytest.fixture(scope="session", name="few_households")
def _few_households() -> Any:
    return few_households


@pytest.fixture(scope="session", name="of_a_bundle")
def _of_a_bundle() -> Any:
    return of_a_bundle


@pytest.fixture(scope="session", name="example_firm")
def _example_firm() -> Any:
    return example_firm


@pytest.fixture(scope="session", name="example_findings")
def _example_findings() -> Any:
    return example_findings


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what writes whole reports as slow: subsetting fonts takes seconds."""
    for item in items:
        if "folder" in getattr(item, "fixturenames", ()) and "report" in item.path.parts:
            item.add_marker(pytest.mark.slow)
