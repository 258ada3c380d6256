"""R20: who was lost between the last clean year and the end, whether the arms differ, and bounds on what that can hide."""

from __future__ import annotations

from typing import Any

from evalkit.diagnostics.attrition import APART, HIGH, Attrition, attrition
from evalkit.diagnostics.attrition_bounds import AttritionBounds, lee_bounds
from evalkit.dossier.checking import Work
from evalkit.dossier.lines import refused_line
from evalkit.dossier_records import Check, Line, Passed
from evalkit.records import Interval, Remark, number

MADE = "evalkit.dossier.losses.losses"


def losses(work: Work) -> Check:
    """Return the shares lost by arm, their difference, and Lee's bounds on the change of those who stay whatever happens.

    Notes
    -----
    The bounds are on the simple difference of changes from the last clean year to the last year, not on the headline. A repeated
    cross-section follows nobody: the check is then refused by :func:`evalkit.diagnostics.attrition.attrition`.
    """
    choices: dict[str, Any] = {"cluster": work.cluster, "level": work.study.level}
    found = attrition(work.design, **choices)
    shares: dict[Any, Any] = found.table.set_index("arm").to_dict("index")
    lines = [_share(work, arm, shares[arm]) for arm in ("treated", "comparison", "difference")]
    bounds = None
    lost = {arm: float(shares[arm]["estimate"]) for arm in ("treated", "comparison")}
    if not work.too_few and any(lost.values()):
        bounds = lee_bounds(work.design, base=found.base, at=found.at, **choices)
        lines += _bounds(bounds)
    facts = {
        "treated_share": lost["treated"], "comparison_share": lost["comparison"], "base": found.base, "at": found.at,
    }  # fmt: skip
    verdict, because = _judged(found, bounds)
    said = Remark(code="lost" if any(lost.values()) else "nobody_lost", facts=facts)
    return Check(rule="R20", name="losses", verdict=verdict, statistic=said, because=because, lines=lines, made_by=MADE)


def _share(work: Work, arm: str, row: dict[str, Any]) -> Line:
    effect = Interval(estimate=float(row["estimate"])) if work.too_few or row["no_error"] else Interval.of(row)
    return Line(name=f"lost.{arm}", effect=effect, numbers={"units": int(row["units"]), "seen": int(row["seen"])})


def _bounds(found: AttritionBounds) -> list[Line]:
    if found.reason:
        return [refused_line("bounds.lee", found.reason)]
    low, high = (float(end) for end in found.table["estimate"])
    effect = Interval(estimate=found.without_bounds, low=number(found.conf_low), high=number(found.conf_high))
    words = {"arm": found.trimmed_arm}
    return [
        Line(
            name="bounds.lee",
            effect=effect,
            numbers={"lower": low, "upper": high, "trimmed_share": found.trimmed_share},
            words=words,
        )
    ]


def _judged(found: Attrition, bounds: AttritionBounds | None) -> tuple[Passed, Remark | None]:
    """Return the verdict: many lost, or arms apart, is a doubt; it is a fail where the bounds then hold effects of both signs."""
    if not found.high and not found.apart:
        return "pass", None
    points = 100 * abs(float(found.estimate.theta[2]))
    facts = {"points": points, "limit_points": 100 * APART, "limit_share": HIGH}
    if bounds is not None and not bounds.reason:
        low, high = (float(end) for end in bounds.table["estimate"])
        if low < 0 < high:
            return "fail", Remark(code="bounds_hold_zero", facts={**facts, "lower": low, "upper": high})
    return "doubt", Remark(code="apart" if found.apart else "many_lost", facts=facts)
