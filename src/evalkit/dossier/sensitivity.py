"""R4: how far trends may differ before the conclusion falls, as a multiple of what was seen before and in yuan a year."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from evalkit.aggregation import aggregate
from evalkit.dossier.baseline import Verdict
from evalkit.dossier.checking import Work, not_applicable
from evalkit.dossier.lines import refused_line
from evalkit.dossier_records import Check, Line
from evalkit.errors import EvalkitError
from evalkit.evidence import breakdown
from evalkit.evidence_limits import UNLIMITED
from evalkit.firm_records import Overturn
from evalkit.how_firm import stretch
from evalkit.inference.honest import honest
from evalkit.records import Interval, Remark

HONEST = "evalkit.inference.honest.honest"
FAILS_BELOW = 0.25  # of the largest difference before the start: two steps of the grade (domain.md 2.4)
DOUBT_BELOW = 0.5  # one step of the grade, and the limit of R4


def sensitivity(work: Work) -> Check:
    """Return R4: the breakdown of the bounds under differing trends, read from the findings, and that under changing drifts."""
    firm = work.findings.firm
    overturn = firm.overturn if firm else None
    if not isinstance(overturn, Overturn):
        because = Remark(code=overturn.reason, facts=dict(overturn.facts)) if overturn else Remark(code="untold", facts={})
        return not_applicable("R4", because, HONEST)
    verdict, because_of = _judged(overturn)
    size = breakdown(overturn)
    facts = {
        "breakdown": None if size is None or size >= UNLIMITED else size, "breakdown_money": overturn.breakdown,
        "largest_before_money": overturn.largest_before, "effect_money": overturn.effect,
        "first": overturn.first, "last": overturn.last,
    }  # fmt: skip
    return Check(
        rule="R4",
        name="sensitivity",
        verdict=verdict,
        statistic=Remark(code=_code(overturn), facts=facts),
        because=because_of,
        lines=[*_drifts(overturn), *_bends(work)],
        made_by=HONEST,
        remarks=overturn.remarks,
    )


def _code(overturn: Overturn) -> str:
    """Return which sentence the numbers make."""
    if overturn.stays_small is not None:
        return "stays_small"
    if overturn.already:
        return "already"
    if overturn.breakdown is None:
        return "never"
    return "drift_alone" if overturn.relative is None else "breakdown"


def _judged(overturn: Overturn) -> tuple[Verdict, Remark | None]:
    if overturn.stays_small is None and overturn.already:
        return "doubt", Remark(code="holds_zero_already", facts={})
    if overturn.largest_before is None:
        return "doubt", Remark(code="no_yardstick", facts={})
    size = breakdown(overturn)
    if size is None or size >= UNLIMITED:
        return "pass", None
    facts = {"breakdown": size, "doubt": DOUBT_BELOW, "fail": FAILS_BELOW}
    if size < FAILS_BELOW:
        return "fail", Remark(code="falls_early", facts=facts)
    return ("doubt", Remark(code="falls_early", facts=facts)) if size < DOUBT_BELOW else ("pass", None)


def _drifts(overturn: Overturn) -> Iterator[Line]:
    """Yield the ranges of the effect under yearly drifts, all in money: rows that are named, and points of the picture."""
    for part, rows in (("drift", overturn.rows), ("curve", overturn.curve)):
        for row in rows:
            yield Line(name=f"{part}.money", numbers={"drift_money": row.drift, "low_money": row.low, "high_money": row.high})


def _bends(work: Work) -> Iterator[Line]:
    """Yield the breakdown when the drift may change by so much from one year to the next: smoothness instead of relative size."""
    found = stretch(aggregate(work.cells, "event_time").select(kind="event_time"))
    if isinstance(found, str):
        yield Line(name="smoothness.breakdown", reason=found)
        return
    try:
        bounds = honest(
            found[0], restriction="smoothness", at="headline", sizes=[0.0], cluster=work.cluster, level=work.study.level,
            base_income=work.money.rate, scale=work.study.scale,
        )  # fmt: skip
    except EvalkitError as refusal:
        yield refused_line("smoothness.breakdown", refusal)
        return
    low, high = (float(bounds.table[end].iloc[0]) for end in ("conf_low", "conf_high"))
    told = float(bounds.breakdown) if np.isfinite(bounds.breakdown) else None
    yield Line(
        name="smoothness.breakdown",
        effect=Interval(estimate=bounds.estimate, std_error=bounds.std_error, low=low, high=high),
        numbers={"breakdown": told, "breakdown_money": work.money.yuan(told)},
    )  # fmt: skip
