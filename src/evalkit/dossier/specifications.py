"""R12: outliers, scale, weights, covariates and estimators, every combination estimated and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evalkit.aggregation import aggregate
from evalkit.design import Design
from evalkit.diagnostics.replays import Array, Change, Estimator, unchanged
from evalkit.diagnostics.specification_curve import SpecificationCurve, specification_curve
from evalkit.diagnostics.variations import Trimmed, Winsorised
from evalkit.dossier.baseline import Verdict
from evalkit.dossier.checking import Work
from evalkit.dossier.lines import REFUSED, contradicts, line_of, line_of_row, refused_line
from evalkit.dossier_records import Check, Line
from evalkit.errors import EvalkitError
from evalkit.estimate import Estimate
from evalkit.estimators import ExtendedTwoWay, TwoWay
from evalkit.records import Remark, number

CURVE = "evalkit.diagnostics.specification_curve.specification_curve"
SPREAD: dict[str, Callable[[Array], Any]] = {"smallest": np.min, "median": np.median, "largest": np.max}
AXES = ("sample", "outcome", "covariates", "comparison", "weight", "estimator")


@dataclass(frozen=True)
class _Average:
    """The average effect of an estimator over treated unit-periods."""

    estimator: Any

    def __call__(self, design: Design) -> Estimate:
        """Return it for a design."""
        return aggregate(self.estimator(design), "overall")


def specifications(work: Work) -> Check:
    """Return R12: the effect in per cent by every combination of sample, scale, covariates, comparison, weights and estimator."""
    design = _with_both_scales(work)
    found = _curve(work, design)
    lines = [*_lines(work, found), *_poisson(work, design)]
    told = [line for line in lines if line.effect is not None and not line.numbers["repeats"]]
    verdict, because = _judged(work, told)
    facts = {
        "estimated": len(told), "refused": sum(line.reason == REFUSED for line in lines),
        "significant": sum(int(line.numbers["significant"] or 0) for line in told),
        "headline_percent": work.findings.headline.percent.estimate,
        **_summary(work, told, own=True), **_summary(work, told, own=False),
    }  # fmt: skip
    return Check(
        rule="R12",
        name="specifications",
        verdict=verdict,
        statistic=Remark(code="curve", facts=facts),
        because=because,
        lines=lines,
        made_by=CURVE,
        remarks=_rejected(work),
    )


def _summary(work: Work, told: list[Line], own: bool) -> dict[str, float | int | None]:
    """Return how many estimates there are on the study's own scale (or the other one), how many agree, and their spread in per cent."""
    part = [line for line in told if _own_scale(work, line) == own]
    per_cent = np.array([float(line.numbers["per_cent"] or 0.0) for line in part])
    name = "own" if own else "other"
    return {
        f"{name}_scale": len(part), f"{name}_agree": len(part) - len(_opposed(work, part)),
        **{f"{name}_{what}_percent": float(of(per_cent)) if part else None for what, of in SPREAD.items()},
    }  # fmt: skip


def _own_scale(work: Work, line: Line) -> bool:
    """Return whether a line shares the premise of the study: growth in per cent (logarithms and Poisson), or in money."""
    return (line.words["outcome"] == "level") == (work.study.scale == "level")


def _judged(work: Work, told: list[Line]) -> tuple[Verdict, Remark | None]:
    """Return the verdict: signs that change within the study's own scale weigh more than those of the other one.

    Equal growth in money and equal growth in per cent are two premises, which cannot both hold where the groups differ in income.
    """
    if not told:
        return "not_applicable", Remark(code="no_specification", facts={})
    other = _opposed(work, told)
    own = [line for line in other if _own_scale(work, line)]
    sure = [line for line in own if line.numbers["significant"]]
    facts = {"opposed": len(other), "own_scale": len(own), "sure": len(sure), "of": len(told)}
    if sure:
        return "fail", Remark(code="sign_changes", facts=facts)
    if own:
        return "doubt", Remark(code="sign_changes", facts=facts)
    if other and not _rejected(work):
        return "doubt", Remark(code="scale_opposed", facts=facts)
    return "pass", None


def _opposed(work: Work, told: list[Line]) -> list[Line]:
    return [line for line in told if contradicts(work, line.numbers["per_cent"] or 0.0)]


def _rejected(work: Work) -> list[Remark]:
    """Return the remark that the years before the start already contradict equal growth on the other scale, which is then no witness."""
    test = work.findings.other_pretrend
    return [Remark(code="other_scale_rejected", facts={"p_value": test.p_value})] if test is not None and test.failed else []


def _with_both_scales(work: Work) -> Design:
    """Return the design with income and its logarithm as columns; the logarithm only where every income is positive."""
    design, study = work.design, work.study
    name = f"log {study.outcome}"
    frame = design.panel.frame
    if name in frame or not (frame[study.outcome] > 0).all():
        return design
    logged = np.log(frame[study.outcome].to_numpy(dtype=float))
    return replace(design, panel=replace(design.panel, frame=frame.assign(**{name: logged})))


def _curve(work: Work, design: Design) -> SpecificationCurve:
    study, panel = work.study, design.panel
    own: dict[str, str] = {"log": f"log {study.outcome}", "level": study.outcome}
    outcomes = {name: column for name, column in own.items() if column in panel.frame}
    samples: dict[str, Change] = {
        "all": unchanged, "winsorised": Winsorised(), "trimmed_rows": Trimmed(), "trimmed_units": Trimmed(whole_units=True)
    }  # fmt: skip
    estimators: dict[str, Estimator] = {
        "group_time": work.overall,
        "two_way": TwoWay(),
        "extended_two_way": _Average(ExtendedTwoWay()),
    }
    covariates = {"own": design.covariates, "none": ()} if design.covariates else None
    staggered = len(np.unique(design.cohort[np.isfinite(design.cohort)])) > 1
    both = ["not_yet_treated", "never_treated"] if staggered and np.isinf(design.cohort).any() else None
    weights = {"own": study.weight, "none": None} if study.weight else None
    scale: dict[str, str | float] = {"log": "log", "level": work.findings.headline.base.estimate}
    return specification_curve(
        design, estimators, samples=samples, outcomes=outcomes, covariates=covariates, comparisons=both, weights=weights,
        scale={name: scale[name] for name in outcomes}, level=study.level, cluster=work.cluster,
    )  # fmt: skip


def _lines(work: Work, found: SpecificationCurve) -> Iterator[Line]:
    for _, row in found.table.iterrows():
        words = {axis: str(row[axis]) for axis in AXES}
        line = line_of_row(work, f"specification.{row['outcome']}", row, words)
        ends = {} if work.too_few else {f"per_cent_{end}": number(row[f"per_cent_{end}"]) for end in ("low", "high")}
        yield line.model_copy(
            update={
                "numbers": {
                    **line.numbers, "per_cent": number(row["per_cent"]), **ends, "repeats": int(bool(row["repeats"])),
                    "significant": int(bool(row["significant"]) and not work.too_few),
                }
            }
        )  # fmt: skip


def _poisson(work: Work, design: Design) -> Iterator[Line]:
    """Yield the ratio to what would have been by Poisson quasi-likelihood, on everybody and without outliers."""
    estimator = _Average(ExtendedTwoWay(family="poisson", measure="ratio"))
    samples: dict[str, Change] = {"all": unchanged, "winsorised": Winsorised()}
    for sample, change in samples.items():
        words = {"sample": sample, "outcome": "poisson", "covariates": "none", "weight": "none", "estimator": "extended_two_way"}
        words["comparison"] = work.study.comparison
        try:
            changed = change(replace(design, outcome=work.study.outcome, covariates=()))
            line = line_of(work, "specification.poisson", estimator(changed), words)
        except EvalkitError as refusal:
            yield refused_line("specification.poisson", refusal, words, repeats=0, significant=0)
            continue
        effect = line.effect
        assert effect is not None
        ends = {"per_cent_low": effect.low, "per_cent_high": effect.high} if effect.low is not None else {}
        sure = effect.low is not None and effect.high is not None and (effect.low > 0 or effect.high < 0)
        numbers = {"per_cent": 100 * effect.estimate, **{name: 100 * (end or 0.0) for name, end in ends.items()}}
        yield line.model_copy(update={"numbers": {**numbers, "repeats": 0, "significant": int(sure)}})
