"""The same effect in every county of a study, each with its range and a prediction, and how far the counties differ beyond chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evalkit.alone import alone
from evalkit.codes import value
from evalkit.comparison import Comparison
from evalkit.county import counties as counties_reached
from evalkit.county import within
from evalkit.design import Design
from evalkit.diagnostics.pretrend import in_yuan
from evalkit.errors import DesignError, EstimateError, StudyError
from evalkit.estimators import GroupTime
from evalkit.evaluation import evaluate_loaded, headline_found, of_households, shown, sides
from evalkit.findings import Alone, Described, Findings
from evalkit.firm_records import NotTold
from evalkit.how_firm import TOO_FEW_CLUSTERS
from evalkit.intake.personal_patterns import safe
from evalkit.records import County, Interval
from evalkit.scan_records import ByChance, CountyEffect, Differences, Predicted, Scan, Without
from evalkit.shrinkage import FEWEST, reach, shrunken, spread
from evalkit.study import Study
from evalkit.study_data import Loaded, designed, load

Array = np.ndarray[Any, Any]


def county_scan(study: Study, data: str | Path | None = None, folder: str | Path = ".", counties: Sequence[str] = ()) -> Scan:
    """Return the study's effect in every county, in the order of the codes, which is no ranking.

    Parameters
    ----------
    study : Study
        With ``county:``, the column of counties.
    data, folder : as in :func:`evalkit.evaluate`
    counties : codes or names; all that the programme reached without any

    Raises
    ------
    NoCounty
        For a county that is not there or that the programme has not reached, with the nearest names.
    StudyError
        Without a column of counties, and for a study that gives no causal figure.

    Notes
    -----
    A county's headline and range are those of ``evaluate(study, county=...)``, without the rest of that evaluation. A county that has no
    figure is told with its reason.
    """
    return scan_loaded(study, load(study, data, folder), counties)


def scan_loaded(study: Study, loaded: Loaded, counties: Sequence[str] = (), whole: Findings | Described | None = None) -> Scan:
    """Return the scan of a study whose data are loaded already, and evaluated as a whole where ``whole`` is given; raises as
    :func:`county_scan` does."""
    there = counties_reached(study, loaded)
    chosen = _chosen(study, loaded, counties or list(there))
    whole = whole or evaluate_loaded(study, loaded)
    if isinstance(whole, Described) or any(refusal.code == "only_exited" for refusal in whole.refusals):
        codes = ", ".join(refusal.code for refusal in whole.refusals)
        raise StudyError(
            f"The study {study.name!r} has nothing to compare with ({codes}), and neither has any of its counties. Its report (evalkit run) "
            "says what can be told, and which data would cure it."
        )
    found = [_one(part, rows) for part, rows in chosen]
    told = [one for one in found if isinstance(one, Estimated)]
    shared = len({one.record.single for one in told}) == 1 and all(one.record.single for one in told)
    differences, predicted = _together(told, study.level)
    return Scan(
        findings=whole,
        kind=_kind(told),
        shared=shared,
        asked=bool(counties),
        counties=[one.record.model_copy(update={"predicted": each}) for one, each in zip(told, predicted, strict=True)],
        without=[one for one in found if isinstance(one, Without)],
        differences=differences,
        by_chance=_by_chance([one.record for one in told], study.level),
    )


@dataclass(frozen=True)
class Estimated:
    """One county's record; the errors behind its range, of its own and shared with other counties; degrees of freedom; the scale."""

    record: CountyEffect
    own: float | None
    shared: float
    degrees: int | None
    scale: str


def _chosen(study: Study, loaded: Loaded, counties: Iterable[str]) -> list[tuple[Study, Loaded]]:
    """Return the study and the data of each county asked for, once, in the order of the codes."""
    parts: dict[str, tuple[Study, Loaded]] = {}
    for county in counties:
        part, rows = within(study, loaded, county)
        parts[_of(rows).code] = (part, rows)
    return [parts[code] for code in sorted(parts)]


def _of(loaded: Loaded) -> County:
    assert loaded.county is not None  # within() says which
    return loaded.county


def _one(study: Study, loaded: Loaded) -> Estimated | Without:
    """Return the effect in one county, or why there is none."""
    county = _of(loaded)
    try:
        design, _ = designed(study, loaded.frame, loaded.events)
        if reason := _no_figure(design):
            return Without(county=county, reason=reason)
        comparison = Comparison.of(design)
        treated, compared = sides(design, comparison)
        households = of_households(study, loaded)
        if study.public and households and (hidden := _hidden(treated, compared)):
            return Without(county=county, reason=hidden)
        return _estimated(study, households, county, design, comparison, treated, compared)
    except (DesignError, EstimateError) as refusal:
        return Without(county=county, reason=NotTold(reason="refused", facts={"said": safe(str(refusal))}))


def _no_figure(design: Design) -> NotTold | None:
    """Return why a county has no figure, as far as its dates tell: all covered alike, or none seen before the start."""
    treated = np.isfinite(design.cohort)
    first = int(design.periods[0])
    if not treated.any():
        return NotTold(reason="not_seen")
    if (design.cohort[treated] <= first + design.anticipation).all():
        return NotTold(reason="from_start", facts={"year": int(design.cohort[treated].min()), "first": first})
    if treated.all() and len(np.unique(design.cohort)) == 1:
        return NotTold(reason="no_comparison", facts={"units": int(treated.sum())})
    return None


def _hidden(treated: Array, compared: Array) -> NotTold | None:
    """Return that a public report hides a county, where its effect rests on few households."""
    least = int(value("disclosure", "minimum_households"))
    return NotTold(reason="hidden", facts={"minimum": least}) if min(treated.sum(), compared.sum()) < least else None


def _estimated(
    study: Study, households: bool, county: County, design: Design, comparison: Comparison, treated: Array, compared: Array
) -> Estimated:
    """Return the effect in one county as its own evaluation gives it, with the errors that the differences between counties rest on."""
    cluster = study.cluster or study.unit
    codes, _ = design.codes(cluster)
    clusters = [len(np.unique(codes[side[design.unit_index]])) for side in (treated, compared)]
    too_few = min(clusters) < TOO_FEW_CLUSTERS
    top = headline_found(study.scale, design, GroupTime(study.method)(design), shown(study, too_few))
    lone = None if households else alone(study, design, comparison, top)
    told_of = {"effect": top.effect, "money": top.money, "percent": top.percent}
    own, shared, degrees = top.effect.std_error, 0.0, None
    no_range = NotTold(reason="too_few", facts={"treated": clusters[0], "compared": clusters[1]}) if too_few else None
    if isinstance(lone, Alone):
        told_of = {"effect": lone.effect, "money": lone.money, "percent": lone.percent}
        own, shared, degrees = errors_of_one(design, comparison, treated)
        no_range = None
    elif isinstance(lone, NotTold):
        no_range = lone
    told = not (study.public and households)
    record = CountyEffect(
        county=county, single=lone is not None, starts=sorted({int(year) for year in comparison.cohort[treated]}),
        treated_units=int(treated.sum()) if told else None, comparison_units=int(compared.sum()) if told else None,
        base=top.base, own_error=own, no_range=no_range, predicted=None, **told_of,
    )  # fmt: skip
    return Estimated(record, own, shared, degrees, study.scale)


def errors_of_one(design: Design, comparison: Comparison, treated: Array) -> tuple[float, float, int]:
    """Return how far one unit's average change is expected to stray from its comparison by chance.

    Parameters
    ----------
    design, comparison : with one treated unit, ``treated`` (N,) says which

    Returns
    -------
    own, shared : float
        Standard errors from the unit's own noise, and from the comparison, which other units compared with it share.
    degrees : int
        Degrees of freedom of the noise level, learned from the comparison units' changes around their regression on the covariates of the
        base period (their mean without any).

    Notes
    -----
    The textbook error of a prediction from a regression, s sqrt(1 + x'(X'X)^-1 x), in its two parts. It assumes that the unit's noise is
    as large as that of the comparison, as its prediction interval does (:func:`evalkit.one_unit`).
    """
    i = int(np.flatnonzero(treated)[0])
    cohort = int(comparison.cohort[i])
    Y = design.wide(design.y)
    column = {int(period): j for j, period in enumerate(design.periods)}
    base, used = column[comparison.base_of(cohort)], [column[p] for p in comparison.periods]
    seen = ~np.isnan(Y[:, used]).any(axis=1)
    after = [column[p] for p in comparison.periods if p >= cohort and not np.isnan(Y[i, column[p]])]
    change = Y[:, after].mean(axis=1) - Y[:, base]
    X = np.column_stack([np.ones(len(Y)), *(design.wide(np.ascontiguousarray(x))[:, base] for x in design.x.T)])
    donors = np.isinf(comparison.cohort) & seen
    inverse = np.linalg.pinv(X[donors].T @ X[donors])
    residual = change[donors] - X[donors] @ (inverse @ X[donors].T @ change[donors])
    degrees = int(donors.sum() - np.linalg.matrix_rank(X[donors]))
    own = float(np.sqrt(residual @ residual / degrees))
    return own, own * float(np.sqrt(X[i] @ inverse @ X[i])), degrees


def _together(told: Sequence[Estimated], level: float) -> tuple[Differences | NotTold, list[Predicted | None]]:
    """Return how far counties differ beyond chance, and each drawn towards their mean; neither with too few of them."""
    with_error = [one for one in told if one.own is not None and one.own > 0]
    if len(with_error) < FEWEST:
        nothing: list[Predicted | None] = [None] * len(told)
        return NotTold(reason="few_counties", facts={"counties": len(with_error), "needed": FEWEST}), nothing
    y = np.array([one.record.effect.estimate for one in with_error])
    own = np.array([one.own for one in with_error], dtype=float)
    shared = np.array([one.shared for one in with_error])
    known = [one.degrees for one in with_error]
    degrees = min(known) if all(one is not None for one in known) else None  # type: ignore[type-var]
    found = spread(y, own, degrees, level)
    drawn, times = shrunken(y, own, found), reach(level)
    error = np.sqrt(drawn.errors**2 + shared**2)
    middle = float(np.sqrt(found.mean_error**2 + (shared**2).mean()))
    differences = Differences(
        counties=len(y),
        mean=Interval(estimate=found.mean, std_error=middle, low=found.mean - times * middle, high=found.mean + times * middle),
        observed=float(y.std(ddof=1)),
        chance=float(np.sqrt((own**2).mean())),
        tau=found.tau,
        tau_low=found.low,
        tau_high=found.high,
        q=found.q,
        distribution=f"chi2({found.degrees})" if degrees is None else f"F({found.degrees}, {degrees})",
        p_value=found.p_value,
        i_squared=found.i_squared,
    )
    ready = iter(
        _predicted(one, float(drawn.values[k]), times * float(error[k]), float(drawn.pull[k])) for k, one in enumerate(with_error)
    )
    return differences, [next(ready) if one.own is not None and one.own > 0 else None for one in told]


def _predicted(one: Estimated, effect: float, half: float, pull: float) -> Predicted:
    """Return a prediction in all units, turned into money at base income: a county's own rate is as noisy as its estimate."""
    base = one.record.base.estimate
    ends = {"estimate": effect, "low": effect - half, "high": effect + half}
    money = {name: float(in_yuan(np.array(end), base, one.scale)) for name, end in ends.items()}
    return Predicted(
        effect=Interval(**ends),
        money=Interval(**money),
        percent=Interval(**{name: 100 * end / base for name, end in money.items()}),
        pull=pull,
    )


def _by_chance(records: Sequence[CountyEffect], level: float) -> ByChance | None:
    """Return how many ranges leave out zero beside the number expected by chance; nothing without a range."""
    ranges = [one.effect for one in records if one.effect.low is not None and one.effect.high is not None]
    if not ranges:
        return None
    outside = sum(not low <= 0 <= high for low, high in ((one.low or 0.0, one.high or 0.0) for one in ranges))
    return ByChance(ranges=len(ranges), outside=outside, expected=(1 - level) * len(ranges))


def _kind(told: Sequence[Estimated]) -> Literal["single", "within", "mixed"]:
    kinds = {one.record.single for one in told}
    return "mixed" if len(kinds) > 1 else "single" if kinds == {True} else "within"
