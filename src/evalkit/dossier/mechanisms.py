"""R10: which incomes moved, in parts that add up to the whole; no share of any path is claimed."""

from __future__ import annotations

from evalkit.dossier.baseline import Verdict
from evalkit.dossier.checking import Work, not_named
from evalkit.dossier_records import Check, Line
from evalkit.findings import ComponentRow, Components
from evalkit.how_firm import PRETREND_LEVEL
from evalkit.records import Remark

COMPONENTS = "evalkit.income_components.income_components"
TOTAL = "total"
ADDING = 1e-6  # of the largest effect: the parts add up to this, which is rounding


def mechanisms(work: Work) -> Check:
    """Return R10: the effects on the components of income, read from the findings, and how far they are from adding up.

    The part of an effect that runs through a mechanism is not offered: it would need the mechanism to be as good as random given the
    programme, which no study of this kind has.
    """
    found = work.findings.components
    if found is None:
        return not_named("R10", "components", COMPONENTS).model_copy(update={"remarks": [no_share()]})
    verdict, because = _judged(found)
    largest = max((abs(row.effect.estimate) for row in found.rows), default=0.0)
    parts = [row for row in found.rows if row.name != TOTAL]
    facts = {
        "components": len(parts), "total_money": _total(found), "gap_money": found.gap, "largest_money": largest,
        "share": found.share.estimate if found.share else None, "left_out": found.left_out,
    }  # fmt: skip
    return Check(
        rule="R10",
        name="mechanisms",
        verdict=verdict,
        statistic=Remark(code="adding", facts=facts),
        because=because,
        lines=[_line(row) for row in found.rows],
        made_by=COMPONENTS,
        remarks=[no_share()],
    )


def no_share() -> Remark:
    """Return the remark that no share of a mechanism in the effect is told."""
    return Remark(code="no_mediation_share", facts={})


def _judged(found: Components) -> tuple[Verdict, Remark | None]:
    largest = max((abs(row.effect.estimate) for row in found.rows), default=0.0)
    if abs(found.gap) > ADDING * largest:
        return "fail", Remark(code="not_adding", facts={"gap_money": found.gap})
    apart = [row.name for row in found.rows if row.pretrend_p is not None and row.pretrend_p < PRETREND_LEVEL]
    if apart:
        return "doubt", Remark(code="components_differ_before", facts={"components": apart})
    if all(row.pretrend_p is None for row in found.rows):
        return "doubt", Remark(code="components_untested", facts={})
    return "pass", None


def _total(found: Components) -> float | None:
    return next((row.effect.estimate for row in found.rows if row.name == TOTAL), None)


def _line(row: ComponentRow) -> Line:
    words = {"zh": row.word.zh, "en": row.word.en} if row.word else {}
    numbers = {"pretrend_p": row.pretrend_p, "earned": int(row.earned)}
    return Line(name=f"component.{row.name}", effect=row.effect, numbers=numbers, words=words)
