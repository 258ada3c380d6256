"""From a study and its data to findings: the whole evaluation, without a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

import evalkit
from evalkit.aggregation import aggregate
from evalkit.alike import alike
from evalkit.alone import alone
from evalkit.alternatives import alternatives
from evalkit.background import background_notices, bundle_words, bundled, judge_prices, unit_level
from evalkit.before_after import rise_of_covered
from evalkit.before_after_records import BeforeAfter
from evalkit.comparison import Comparison
from evalkit.components_found import components_found
from evalkit.cost import cost_found
from evalkit.county import within
from evalkit.described import described
from evalkit.design import Design
from evalkit.errors import NoComparison
from evalkit.estimate import Estimate
from evalkit.estimators import GroupTime
from evalkit.findings import Alone, Cohort, Described, Findings, Headline, PathPoint, Pretrend, Sample, TrendPoint, Verdict
from evalkit.how_firm import PRETREND_LEVEL, TOO_FEW_CLUSTERS, firm
from evalkit.income_effect import headline
from evalkit.inference.joint_test import wald
from evalkit.inference.linear import Inference, has_own_noise
from evalkit.intake.personal_patterns import masked
from evalkit.judgement import judge_noise, judged
from evalkit.notices import Notice
from evalkit.plan import followed
from evalkit.public_findings import disclosed, judge_size
from evalkit.records import Interval, Remark, number
from evalkit.study import Study
from evalkit.study_data import Loaded, designed, load, run_id, says_simulated
from evalkit.yardsticks import Show, other_dates, planted

Array = np.ndarray[Any, Any]

FEW_CLUSTERS = 10  # fewer treated or comparison clusters make the usual interval too narrow, and fewer in all the band


def evaluate(
    study: Study, data: str | Path | None = None, folder: str | Path = ".", county: str | None = None
) -> Findings | Described:
    """Return the findings of a study, or what can be told of one that has nobody to compare with.

    Parameters
    ----------
    study : Study
    data : path, optional
        The data file; the study's own ``data``, relative to ``folder``, without it.
    folder : path
        Where the study file lies.
    county : str, optional
        The code or name of one county, for the findings of that county alone (see :func:`evalkit.county.within`).

    Raises
    ------
    StudyError, PanelError, RolloutError, DesignError
        When the file cannot be found or the data do not allow the comparison.
    """
    loaded = load(study, data, folder)
    return evaluate_loaded(study, loaded) if county is None else evaluate_loaded(*within(study, loaded, county))


def evaluate_loaded(study: Study, loaded: Loaded) -> Findings | Described:
    """Return the findings of a study whose data are loaded already; raises as :func:`evaluate` does.

    With ``public: true`` and households as units, what rests on few of them is left out.
    """
    judge_prices(study, loaded)
    try:
        return estimated(study, loaded)
    except NoComparison:
        return described(study, loaded)


def estimated(study: Study, loaded: Loaded) -> Findings:
    """Return the findings of a study with an estimate; raises NoComparison, besides what :func:`evaluate` raises, where there is none."""
    judge_prices(study, loaded)
    design, notices = designed(study, loaded.frame, loaded.events)
    found = _found(study, loaded, design, notices)
    return disclosed(found) if study.public and unit_level(study, loaded) == "household" else found


def _found(study: Study, loaded: Loaded, design: Design, notices: tuple[Notice, ...]) -> Findings:
    frame = loaded.frame
    comparison = Comparison.of(design)
    cells = GroupTime(study.method)(design)
    judge_noise(study, design)
    sample = _sample(study, design, comparison, frame)
    if study.public and unit_level(study, loaded) == "household":
        judge_size(covered=sample.treated_used, compared=sample.comparison_units)
    truth = loaded.data.parent / "truth.json" if loaded.data else None
    too_few = min(sample.treated_clusters, sample.comparison_clusters) < TOO_FEW_CLUSTERS
    show = shown(study, too_few)
    together, dates = bundled(study, design, loaded), other_dates(study, design, loaded, show)
    top = headline_found(study.scale, design, cells, show)
    path_points, critical = _path(study, cells, show, too_few)
    pretrend = None if too_few else _pretrend(study, cells, sample)
    others = alternatives(study, design, cells, show)
    other = _in_levels(study, design, show, None if too_few else sample)
    lone = None if of_households(study, loaded) else alone(study, design, comparison, top)
    if isinstance(lone, Alone):
        ends = {point.event_time: {"low": point.low, "high": point.high} for point in lone.path}
        path_points = [point.model_copy(update=ends.get(point.event_time, {})) for point in path_points]
    verdict: Verdict = "one_unit" if isinstance(lone, Alone) else "too_few" if too_few else _verdict(study, top, pretrend)
    found = Findings(
        run_id=run_id(study, loaded, truth),
        version=evalkit.__version__,
        study=study.name,
        county=loaded.county,
        source=study.source.name,
        source_url=study.source.url,
        licence=study.source.licence,
        simulated=study.source.simulated or says_simulated(frame),
        bundle=bundle_words(loaded, together),
        dates=dates,
        headline=top,
        other_scale=other[0],
        other_pretrend=other[1],
        verdict=verdict,
        firm=firm(study, design, cells, top, pretrend, sample, verdict),
        alone=lone,
        path=path_points,
        path_critical=critical,
        estimators=others.rows,
        not_used=others.not_used,
        two_way_weights=others.weights,
        cohorts=_cohorts(design, comparison, cells, show),
        trends=_trends(study, design, comparison),
        pretrend=pretrend,
        sample=sample,
        remarks=_remarks(
            study,
            design,
            sample,
            (*background_notices(study, design, loaded, together), *notices, *cells.notices, *others.notices),
            of_households(study, loaded),
        ),
        truth=planted(study, truth, top),
        covariates=list(study.covariates),
        alike=alike(design),
        components=components_found(study, design, loaded, show, None if too_few else lambda part: _pretrend(study, part, sample)),
        published=list(study.published),
        groups_named=None if study.who is None else [group.word for group in study.who.groups.values()],
        **{name: getattr(study, name) for name in _COPIED},
    )
    found = judged(found, study, design, comparison, loaded)
    rise = rise_of_covered(found)
    told: dict[str, Any] = {"before_after": rise if isinstance(rise, BeforeAfter) else None}
    if loaded.county is None:  # the money, the people and the plan are those of the whole programme
        told["cost"] = cost_found(study, design, found.headline, found.verdict, show, loaded.events, bool(found.bundle))
        told["plan"] = followed(study, design, loaded.plan) if loaded.plan else None
    return found.model_copy(update=told)


_COPIED = (
    "title", "programme", "unit_word", "outcome_word", "money", "prices", "income_definition", "scale", "window",
    "comparison", "anticipation", "base", "method", "covariate_words", "weight", "level", "seed", "smallest_meaningful_percent",
)  # fmt: skip


def shown(study: Study, too_few: bool, **choices: Any) -> Show:
    """Return how estimates are tabulated in this study; with too few clusters nothing that rests on a standard error is."""
    inference = Inference(cluster=study.cluster or study.unit, level=study.level, **choices)

    def table(estimate: Estimate) -> pd.DataFrame:
        made = inference(estimate)
        blank = dict.fromkeys(("std_error", "statistic", "p_value", "conf_low", "conf_high"), np.nan)
        return made.assign(**blank) if too_few else made

    return table


def headline_found(scale: str, design: Design, cells: Estimate, show: Show) -> Headline:
    """Return the average effect in the outcome's unit, in money and in per cent, with the base income."""
    rows = {row["name"]: Interval.of(row) for _, row in show(headline(cells, design, scale)).iterrows()}
    return Headline(**{name: rows[name] for name in ("effect", "money", "percent", "base")})


def _in_levels(
    study: Study, design: Design, show: Show, sample: Sample | None
) -> tuple[Headline | None, Pretrend | None]:  # fmt: skip
    """Return the same comparison on income instead of its logarithm, which assumes equal growth in money, and its own joint test."""
    if study.scale != "log":
        return None, None
    levels = replace(design, outcome=study.outcome)
    cells = GroupTime(study.method)(levels)
    return headline_found("level", levels, cells, show), None if sample is None else _pretrend(study, cells, sample)


def _path(study: Study, cells: Estimate, show: Show, too_few: bool) -> tuple[list[PathPoint], float | None]:
    """Return the path with its simultaneous band, where clusters are enough for one, and the critical value of that."""
    path = aggregate(cells, "event_time").select(kind="event_time")
    plain = show(path)
    banded = not too_few and int(plain["clusters"].iloc[0]) >= FEW_CLUSTERS
    band = shown(study, False, band="uniform", seed=study.seed)(path) if banded else plain.assign(conf_low=np.nan, conf_high=np.nan)
    points = [
        PathPoint(
            event_time=int(row["event_time"]),
            estimate=float(row["estimate"]),
            std_error=number(row["std_error"]),
            low=number(row["conf_low"]),
            high=number(row["conf_high"]),
            band_low=number(wide["conf_low"]),
            band_high=number(wide["conf_high"]),
            units=int(row["units"]),
            reference=bool(row["reference"]),
        )
        for (_, row), (_, wide) in zip(plain.iterrows(), band.iterrows(), strict=True)
    ]
    return points, float(band["critical"].max()) if banded else None


def _pretrend(study: Study, cells: Estimate, sample: Sample) -> Pretrend | None:
    """Return the joint test of the leads that rest on enough units, with the degrees of freedom of the smaller side."""
    path = aggregate(cells, "event_time").select(kind="event_time")
    event = path.cells["event_time"].to_numpy()
    # A lead that rests on a handful of units has no standard error to trust: it can be neither tested nor quoted.
    enough = path.cells["noisy_units"].to_numpy() >= TOO_FEW_CLUSTERS
    before = (event < -study.anticipation) & has_own_noise(path) & enough
    if not before.any():
        return None
    degrees = min(sample.treated_clusters, sample.comparison_clusters) - 1
    nearest = np.sort(event[before])[-max(1, degrees // 2) :]  # more leads than half the degrees of freedom cannot be told apart
    leads = path.select(before & np.isin(event, nearest))
    test = wald(leads, study.cluster or study.unit, degrees=degrees)
    times, theta = leads.cells["event_time"].to_numpy(), leads.theta
    largest = int(np.abs(theta).argmax())
    return Pretrend(
        event_times=[int(e) for e in times],
        statistic=test.statistic,
        distribution=test.distribution,
        p_value=test.p_value,
        failed=test.p_value < PRETREND_LEVEL,
        largest_event_time=int(times[largest]),
        largest=float(theta[largest]),
        first_event_time=int(times[0]),
        first=float(theta[0]),
    )


def _verdict(study: Study, top: Headline, pretrend: Pretrend | None) -> Verdict:
    """Return what the interval says beside the smallest meaningful effect; a failed pre-trend comes before everything."""
    if pretrend is not None and pretrend.failed:
        return "pretrend_failed"
    low, high = top.percent.low, top.percent.high
    if low is None or high is None:
        return "unclear"
    if max(-low, high) < study.smallest_meaningful_percent:
        return "small_change"
    if low > 0:
        return "gain"
    return "loss" if high < 0 else "unclear"


def _cohorts(design: Design, comparison: Comparison, cells: Estimate, show: Show) -> list[Cohort]:
    table = {row["cohort"]: Interval.of(row) for _, row in show(aggregate(cells, "cohort")).iterrows()}
    first = design.rollout.first_treated
    years, counts = np.unique(first[np.isfinite(first) & np.isin(design.panel.units, design.units)], return_counts=True)
    return [
        Cohort(
            year=int(year),
            units=int(count),
            used=year in comparison.cohorts,
            effect=table.get(year),
        )
        for year, count in zip(years, counts, strict=True)
    ]


def _groups(comparison: Comparison) -> dict[Literal["treated", "comparison"], Array]:
    """Return who has an effect and who is compared, as (N,) masks."""
    return {"treated": np.isin(comparison.cohort, comparison.cohorts), "comparison": np.isinf(comparison.cohort)}


def _trends(study: Study, design: Design, comparison: Comparison) -> list[TrendPoint]:
    income = np.exp(design.y) if study.scale == "log" else design.y
    weight = np.ones(len(income)) if design.w is None else design.w
    points = []
    for group, member in _groups(comparison).items():
        for j, period in enumerate(design.periods):
            rows = member[design.unit_index] & (design.period_index == j)
            if rows.any() and period in comparison.periods:
                mean = float(np.average(income[rows], weights=weight[rows]))
                points.append(TrendPoint(group=group, period=int(period), mean=mean, units=int(rows.sum())))
    return points


def _sample(study: Study, design: Design, comparison: Comparison, frame: pd.DataFrame) -> Sample:
    covered, compared = sides(design, comparison)
    used = (covered | compared)[design.unit_index] & np.isin(design.periods[design.period_index], comparison.periods)
    cluster = study.cluster or study.unit
    codes, clusters = design.codes(cluster)
    of_side = [len(np.unique(codes[member[design.unit_index]])) for member in (covered, compared)]
    first = design.rollout.first_treated[np.isin(design.panel.units, design.units)]
    treated = np.isfinite(design.cohort)
    return Sample(
        rows=design.observations,
        units=len(design.units),
        periods=[int(p) for p in design.periods],
        treated_units=int(treated.sum()),
        treated_used=int(covered.sum()),
        treated_from_start=int((treated & (design.cohort <= design.periods[0] + design.anticipation)).sum()),
        comparison_units=int(compared.sum()),
        never_units=int(np.isinf(first).sum()),
        later_units=int((np.isfinite(first) & ~treated).sum()),
        last_cohort_units=int((compared & treated).sum()),
        cluster=cluster,
        clusters=clusters,
        rows_used=int(used.sum()),
        clusters_used=len(np.unique(codes[used])),
        treated_clusters=of_side[0],
        comparison_clusters=of_side[1],
        rows_left_out=len(design.panel.unit_index) - design.observations,
        rows_outside=len(frame) - len(design.panel.unit_index),
        never_codes=design.rollout.never_codes,
    )


def sides(design: Design, comparison: Comparison) -> tuple[Array, Array]:
    """Return (N,) who has an effect, and who is compared; with gaps, the former are those seen before and after their start."""
    groups = _groups(comparison)
    if not design.balanced and design.unbalanced == "pairwise":
        groups["treated"] &= _seen_before_and_after(design, comparison)
    return groups["treated"], groups["comparison"]


def _seen_before_and_after(design: Design, comparison: Comparison) -> Array:
    """Return (N,) whether a unit is seen in its cohort's last clean period and at some time after the start."""
    seen = ~np.isnan(design.wide(design.y))
    base = np.full(len(design.units), -1)
    for cohort in comparison.cohorts:
        base[comparison.cohort == cohort] = list(design.periods).index(comparison.base_of(cohort))
    after = (seen & (design.periods[None, :] >= comparison.cohort[:, None])).any(axis=1)
    return np.asarray(after & seen[np.arange(len(base)), base])


def _remarks(study: Study, design: Design, sample: Sample, notices: Iterable[Notice], households: bool) -> list[Remark]:
    found = list(notices)
    if study.nominal:
        found.append(Notice("NOMINAL"))
    if min(sample.treated_clusters, sample.comparison_clusters) < FEW_CLUSTERS:
        names = ("clusters", "treated_clusters", "comparison_clusters")
        found.append(Notice("FEW_CLUSTERS", {name: getattr(sample, name) for name in names}))
    if left := len(design.panel.units) - len(design.units):
        found.append(Notice("UNITS_LEFT_OUT", {"units": left}))
    return [Remark(code=notice.code, facts=_told(notice, households)) for notice in found]


def _told(notice: Notice, households: bool) -> dict[str, Any]:
    """Return the facts of a notice for readers: what looks personal is masked, and households are counted, not named."""
    facts = {name: masked(fact) for name, fact in notice.facts.items()}
    return facts | {"first": []} if households and notice.code == "EVENTS_OUTSIDE_PANEL" else facts


def of_households(study: Study, loaded: Loaded) -> bool:
    """Return whether units are known to be households."""
    level = study.unit_level or (loaded.received.mapping.level if loaded.received else None)
    return level == "household"
