"""R18: does a comparison that is weighted to resemble the treated before the start tell the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from evalkit.aggregation import aggregate
from evalkit.donors import AgainstDonors, against_donors
from evalkit.dossier.checking import Work, not_applicable
from evalkit.dossier.lines import opposed, refused_line
from evalkit.dossier_records import Check, Line, Passed
from evalkit.errors import DesignError, EstimateError
from evalkit.estimate import Estimate
from evalkit.estimators import Synthetic
from evalkit.inference.linear import Inference
from evalkit.records import Interval, Remark

Array = np.ndarray[Any, Any]

MADE = "evalkit.dossier.synthetic.synthetic"
FORMS = ("synthdid", "demeaned", "synthetic_control")
MOST_UNITS = 1000  # weights of more are searched for too long here
SHOWN = 0.05


def synthetic(work: Work) -> Check:
    """Return the effect against weighted means of comparison units: synthetic difference-in-differences, and synthetic controls.

    Notes
    -----
    One treated unit is ranked among its donors (Abadie, Diamond & Hainmueller 2010); more of them have the jackknife of Arkhangelsky
    et al. (2021) with the weights held. Covariates and weights of the study play no part. The fit before the start is the root mean
    squared gap over all cohorts and years before it.
    """
    if len(work.design.units) > MOST_UNITS:
        facts = {"units": len(work.design.units), "most": MOST_UNITS}
        return not_applicable("R18", Remark(code="many_units", facts=facts), MADE)
    if work.findings.verdict == "one_unit":
        return _of_one(work)
    plain = replace(work.design, covariates=(), base="universal")
    lines = [_line(work, form, plain) for form in FORMS]
    told = [line for line in lines if line.effect]
    if not told:
        return not_applicable("R18", Remark(code="refused", facts={"said": lines[0].words["said"]}), MADE)
    first = told[0]
    assert first.effect is not None
    fit = float(first.numbers["before"] or 0.0)
    said = Remark(code="weighted", facts={"estimate": first.effect.estimate, "before": fit, "main": work.main})
    verdict, because = _judged(work, first.effect, fit)
    return Check(rule="R18", name="synthetic", verdict=verdict, statistic=said, because=because, lines=lines, made_by=MADE)


def _line(work: Work, form: str, design: Any) -> Line:
    try:
        cells = Synthetic(form)(design)
        row = Inference(level=work.study.level)(aggregate(cells, "overall")).iloc[0]
    except (DesignError, EstimateError) as refusal:
        return refused_line(f"weights.{form}", refusal)
    effect = Interval(estimate=float(row["estimate"])) if work.too_few else Interval.of(row)
    return Line(name=f"weights.{form}", effect=effect, numbers={"before": fit_before(cells)})


def fit_before(cells: Estimate) -> float:
    """Return the root mean squared gap over the cells before the start."""
    table = cells.cells
    before = (table["kind"] == "group_time").to_numpy() & (table["event_time"] < 0).to_numpy()
    return float(np.sqrt(np.mean(cells.theta[before] ** 2))) if before.any() else 0.0


def _judged(work: Work, effect: Interval, fit: float) -> tuple[Passed, Remark | None]:
    if opposed(work, effect):
        return "fail", Remark(code="other_sign", facts={"estimate": effect.estimate, "main": work.main})
    if fit > abs(effect.estimate):
        return "doubt", Remark(code="poor_fit", facts={"before": fit, "estimate": effect.estimate})
    if effect.low is not None and effect.high is not None and not effect.low <= work.main <= effect.high:
        return "doubt", Remark(code="outside", facts={"main": work.main, "low": effect.low, "high": effect.high})
    return "pass", None


def _of_one(work: Work) -> Check:
    """Return the one treated unit among its donors."""
    unit = work.design.units[np.isfinite(work.design.cohort)][0]
    plain = replace(work.design, covariates=(), base="universal")
    found: list[tuple[str, AgainstDonors]] = []
    lines = []
    for form in ("synthdid", "synthetic_control"):
        try:
            made = against_donors(plain, unit, form)
        except (DesignError, EstimateError) as refusal:
            lines.append(refused_line(f"weights.{form}", refusal))
            continue
        found.append((form, made))
        low, high = made.range_without_a_donor if len(made.left_out) else (None, None)
        numbers = {
            "before": made.before, "after": made.after, "ratio": made.ratio, "rank": made.rank, "donors": len(made.placebos),
            "p_value": made.p_value, "low_without_donor": low, "high_without_donor": high,
        }  # fmt: skip
        lines.append(Line(name=f"weights.{form}", effect=Interval(estimate=made.effect), numbers=numbers))
    if not found:
        return not_applicable("R18", Remark(code="refused", facts={"said": lines[0].words["said"]}), MADE)
    made = found[0][1]
    facts = {"estimate": made.effect, "rank": made.rank, "of": len(made.placebos) + 1, "ratio": made.ratio, "before": made.before}
    verdict, because = _judged(work, Interval(estimate=made.effect), made.before)
    if verdict == "pass" and made.p_value > SHOWN:
        verdict, because = "doubt", Remark(code="rank_not_extreme", facts={"rank": made.rank, "of": len(made.placebos) + 1})
    return Check(
        rule="R18", name="synthetic", verdict=verdict, statistic=Remark(code="ranked", facts=facts), because=because, lines=lines, made_by=MADE
    )  # fmt: skip
