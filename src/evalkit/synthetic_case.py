"""One county in depth: where its growth stands, its path beside its synthetic self, and whether that may be read at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evalkit.case_records import Case, CasePoint, Donor, Matched, Placebo, Standing
from evalkit.comparison import Comparison
from evalkit.county import within
from evalkit.design import Design
from evalkit.donors import WORSE, AgainstDonors, against_donors
from evalkit.errors import DesignError, StudyError
from evalkit.estimators.synthetic import Synthetic, covariates, weighted
from evalkit.evaluation import evaluate_loaded
from evalkit.findings import Described
from evalkit.firm_records import NotTold
from evalkit.intake.personal_patterns import safe
from evalkit.records import Remark
from evalkit.study import Study
from evalkit.study_data import Loaded, designed, load

Array = np.ndarray[Any, Any]
Form = Literal["synthetic_control", "synthdid"]

FORMS: tuple[Form, ...] = ("synthetic_control", "synthdid")
SOLVERS = {"synthetic_control": "exact", "synthdid": "frank_wolfe"}
NOUGHT = 0.1  # of the yearly noise: donors that reproduce a unit so closely would reproduce anybody


def synthetic_case(study: Study, county: str, data: str | Path | None = None, folder: str | Path = ".") -> Case:
    """Return one county beside its synthetic self.

    Parameters
    ----------
    study : Study
        Its units are counties (or villages); without ``county:`` the unit itself is the case.
    county : code or name
    data, folder : as in :func:`evalkit.evaluate`

    Raises
    ------
    NoCounty
        For a county that is not there, or that the programme has not reached.
    StudyError
        Where the county holds several units, and for households, which no case may show.
    DesignError
        Where the county has no year before its start.

    Notes
    -----
    Weights know outcomes alone: covariates, sampling weights and a varying base have no part in them. A synthetic control must match
    the level too; synthetic difference-in-differences allows a constant difference. Which of them is told first depends on the fit
    before the start and never on the gap after it. Abadie (2021, Journal of Economic Literature 59); Arkhangelsky, Athey, Hirshberg,
    Imbens and Wager (2021, American Economic Review 111).
    """
    return case_loaded(study, county, load(study, data, folder))


def case_loaded(study: Study, county: str, loaded: Loaded) -> Case:
    """Return the case of a study whose data are loaded already; raises as :func:`synthetic_case` does."""
    if (study.unit_level or (loaded.received.mapping.level if loaded.received else None)) == "household":
        raise StudyError(
            "A case shows one unit year by year, and a household may not be shown. Use a study of counties or villages."
        )
    here, rows = within(study if study.county else study.model_copy(update={"county": study.unit}), loaded, county)
    design, _ = designed(here, rows.frame, rows.events)
    comparison = Comparison.of(design)
    treated = design.units[np.isin(comparison.cohort, comparison.cohorts)]
    if len(treated) != 1:
        raise StudyError(
            f"County {county!r} holds {len(treated)} treated units of the study {study.name!r}, and a case is about one. Use a study whose unit is "
            "the county, or evalkit.evaluate(study, county=...), which compares units within it."
        )
    found = evaluate_loaded(here, rows)
    if isinstance(found, Described):
        raise StudyError(
            f"The study {study.name!r} has nobody to compare {county!r} with, so there is no synthetic one. Widen the data."
        )
    bare = replace(design, covariates=(), base="universal")
    matched, reason = _matched(here, bare, treated[0], _names(here, rows))
    base = comparison.base_of(comparison.cohorts[0])
    return Case(
        findings=found,
        unit=str(treated[0]),
        start=comparison.cohorts[0],
        base=base,
        standing=_standing(design, comparison, treated[0], base),
        matched=matched,
        not_matched=reason,
        chosen=next((one.form for one in matched if one.refusal is None), None),
        remarks=[Remark(code="COVARIATES_NOT_USED", facts={"columns": list(design.covariates)})] if design.covariates else [],
    )


def _names(study: Study, loaded: Loaded) -> dict[str, str]:
    """Return the name of each unit in its last year, where the study names the column of names."""
    frame = loaded.frame.sort_values(study.period, kind="stable")
    if study.county_name is None:
        return {}
    return dict(zip(frame[study.unit].astype(str), frame[study.county_name].astype(str), strict=True))


def _standing(design: Design, comparison: Comparison, unit: object, base: int) -> list[Standing]:
    """Return where the unit's growth stands before the start and after it."""
    Y = design.wide(design.y)
    periods = [int(period) for period in comparison.periods]
    columns = {period: list(design.periods).index(period) for period in periods}
    i = [str(label) for label in design.units].index(str(unit))
    others = np.isinf(comparison.cohort)
    after = [period for period in periods if period >= comparison.cohorts[0]]
    spans = [(periods[0], [base])] if periods[0] < base else []
    found = []
    for first, until in [*spans, (base, after)]:
        growth = Y[:, [columns[period] for period in until]].mean(axis=1) - Y[:, columns[first]]
        if not np.isnan(growth[i]):
            found.append(standing(float(growth[i]), growth[others], first, (until[0], until[-1])))
    return found


def standing(growth: float, others: Array, first: int, until: tuple[int, int]) -> Standing:
    """Return where a growth stands among others, those that are missing left out; ties count half.

    >>> standing(3.0, np.array([1.0, 2.0, 3.0, 4.0]), 2014, (2015, 2018)).percentile
    62.5
    """
    known = np.sort(others[~np.isnan(others)])
    below, ties = int((known < growth).sum()), int((known == growth).sum())
    return Standing(
        first=first, until=until, growth=growth, median=float(np.median(known)), below=below, units=len(known),
        percentile=100 * (below + ties / 2) / len(known), growths=[float(one) for one in known],
    )  # fmt: skip


def _matched(study: Study, design: Design, unit: object, names: dict[str, str]) -> tuple[list[Matched], NotTold | None]:
    """Return what each form finds, or why none finds anything."""
    try:
        return [_of_form(study, design, unit, names, form) for form in FORMS], None
    except DesignError as refusal:
        return [], NotTold(reason=_why(design, unit), facts={"said": safe(str(refusal))})


def _why(design: Design, unit: object) -> str:
    """Return why one unit has no synthetic self, as a code."""
    comparison = Comparison.of(design)
    Y = design.wide(design.y)[:, np.isin(design.periods, comparison.periods)]
    seen = np.asarray(np.isfinite(Y).all(axis=1))
    i = [str(label) for label in design.units].index(str(unit))
    clean = [period for period in comparison.periods if period + design.anticipation < comparison.cohorts[0]]
    if design.w is not None:
        return "weighted"
    if not seen[i]:
        return "not_seen"
    if len(clean) < 2:
        return "one_year"
    return "few_donors" if (seen & np.isinf(comparison.cohort)).sum() < 3 else "refused"


def _of_form(study: Study, design: Design, unit: object, names: dict[str, str], form: Form) -> Matched:
    """Return one unit against its donors by one form of weights."""
    found = against_donors(design, unit, form, solver=SOLVERS[form])
    income = np.exp if study.scale == "log" else np.asarray
    table = found.path
    actual, synthetic = (np.asarray(income(table[name].to_numpy(dtype=float)), dtype=float) for name in ("actual", "synthetic"))
    after = np.asarray(table["event_time"].to_numpy() >= 0)
    money, base = float((actual - synthetic)[after].mean()), float(synthetic[after].mean())
    noise = _noise(design, found)
    typical = float(found.placebos["before"].median())
    return Matched(
        form=form,
        refusal=readable(found.before, typical, noise, len(found.period_weights)),
        doubt=NotTold(reason="within_misfit") if found.before > abs(found.effect) else None,
        effect=found.effect,
        money=money,
        percent=100 * money / base,
        before=found.before,
        typical_before=typical,
        noise=noise,
        after=found.after,
        ratio=found.ratio if np.isfinite(found.ratio) else None,
        rank=found.rank,
        placebos=len(found.placebos),
        p_value=found.p_value,
        p_value_effect=found.p_value_effect,
        smallest_p=1 / (len(found.placebos) + 1),
        low_without=found.range_without_a_donor[0],
        high_without=found.range_without_a_donor[1],
        path=[
            CasePoint(period=int(row["period"]), event_time=int(row["event_time"]), actual=a, synthetic=s, gap=float(row["gap"]))
            for (_, row), a, s in zip(table.iterrows(), actual.tolist(), synthetic.tolist(), strict=True)
        ],
        donors=[
            Donor(unit=str(label), name=names.get(str(label), str(label)), weight=float(weight))
            for label, weight in zip(found.donor_weights["unit"], found.donor_weights["weight"], strict=True)
            if weight > 0
        ],
        paper=_on_paper(design, found),
    )


def readable(before: float, typical: float, noise: float, years: int) -> NotTold | None:
    """Return why a gap after the start is not to be read, judged by the years before it alone.

    Parameters
    ----------
    before, typical : root mean squared gaps before the start, of the unit and of the median donor treated on paper
    noise : how far a donor's outcome strays from one year to the next, as a standard deviation of one year
    years : before the start

    Examples
    --------
    >>> readable(0.20, 0.02, 0.02, 6).reason, readable(0.001, 0.0005, 0.02, 3).reason, readable(0.02, 0.02, 0.02, 6)
    ('unlike', 'fits_anything', None)
    """
    facts = {"before": before, "typical": typical, "noise": noise, "years": years}
    if before > np.sqrt(WORSE) * max(typical, noise):
        return NotTold(reason="unlike", facts=facts)
    if min(before, typical) < NOUGHT * noise:
        return NotTold(reason="fits_anything", facts=facts)
    return None


def _noise(design: Design, found: AgainstDonors) -> float:
    """Return how far a donor strays in one year before the start, growth common to all aside; first differences hold it twice."""
    Y = design.wide(design.y)
    columns = np.isin(design.periods, found.period_weights["period"].to_numpy())
    donors = np.isin(design.units, found.donor_weights["unit"].to_numpy())
    growth = np.diff(Y[donors][:, columns], axis=1)
    return float(np.sqrt(((growth - growth.mean(axis=0)) ** 2).sum() / (2 * (len(growth) - 1) * growth.shape[1])))


def _on_paper(design: Design, found: AgainstDonors) -> list[Placebo]:
    """Return each donor's gaps when it is treated on paper, in the order of :func:`evalkit.against_donors`."""
    specification = Synthetic(found.form, "joint", solver=SOLVERS[found.form])
    Y, X = design.wide(design.y), covariates(design)
    periods = np.searchsorted(design.periods, found.path["period"].to_numpy())
    when = found.path["event_time"].to_numpy()
    before, after = periods[when + design.anticipation < 0], periods[when >= 0]
    donors = np.flatnonzero(np.isin(design.units, found.placebos["unit"].to_numpy()))
    told = []
    for j, (_, row) in zip(donors, found.placebos.iterrows(), strict=True):
        others = donors[donors != j]
        weights, adjusted = weighted(specification, design, Y, X, (np.array([j]), others), (before, after))
        difference = adjusted[j] - weights.omega @ adjusted[others]
        gaps = difference[periods] - weights.lam @ difference[before]
        told.append(Placebo(before=float(row["before"]), after=float(row["after"]), gaps=[float(gap) for gap in gaps]))
    return told
