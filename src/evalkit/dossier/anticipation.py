"""R15: did units react before the start, and does the effect hang on the date that counts as the start."""

from __future__ import annotations

from dataclasses import replace

from evalkit.aggregation import aggregate
from evalkit.diagnostics.variations import AroundStart
from evalkit.dossier.checking import Work
from evalkit.dossier.lines import opposed, refused_line
from evalkit.dossier_records import Check, Line, Passed
from evalkit.errors import DesignError, EstimateError
from evalkit.estimators import GroupTime
from evalkit.records import Interval, Remark

MADE = "evalkit.dossier.anticipation.anticipation"


def anticipation(work: Work) -> Check:
    """Return the gap in the last year before the start, the effect measured from the year before that, and the effect by date.

    Notes
    -----
    In the headline the last clean year is the base, whose gap is zero by construction. One year of anticipation more makes the year
    before it the base, so that the last year before the start has an estimate of its own. A gap there is early reaction or a differing
    trend: the check does not tell which.
    """
    lines: list[Line] = []
    wider = replace(work.design, anticipation=work.design.anticipation + 1)
    event = -wider.anticipation
    lead = None
    try:
        cells = GroupTime(work.study.method)(wider)
        path = aggregate(cells, "event_time").select(kind="event_time")
        early = path.select(path.cells["event_time"].to_numpy() == event)
        if len(early.theta):
            lead = work.intervals(early)[0]
            lines.append(Line(name="start.lead", effect=lead, numbers={"event_time": event}))
        lines.append(
            Line(
                name="start.earlier_base", effect=work.intervals(aggregate(cells, "overall"))[0], numbers={"event_time": event - 1}
            )
        )
    except (DesignError, EstimateError) as refusal:
        lines.append(refused_line("start.earlier_base", refusal, event_time=event - 1))
    lines.append(_without_start(work))
    lines += _by_date(work)
    verdict, because = _judged(work, lead, lines)
    facts = {"event_time": event} | ({} if lead is None else {"gap": lead.estimate, "low": lead.low, "high": lead.high})
    code = "untested" if lead is None else "lead_plain" if lead.low is None else "lead"
    said = Remark(code=code, facts=facts)
    return Check(rule="R15", name="anticipation", verdict=verdict, statistic=said, because=because, lines=lines, made_by=MADE)


def _without_start(work: Work) -> Line:
    """Return the effect without the year of the start and the one before it, when support is neither absent nor whole."""
    try:
        return Line(name="start.without_start", effect=work.intervals(work.overall(AroundStart(-1, 0)(work.design)))[0])
    except (DesignError, EstimateError) as refusal:
        return refused_line("start.without_start", refusal)


def _by_date(work: Work) -> list[Line]:
    """Return the effect by the date that counts as the start, as the main report has it."""
    lines = []
    for row in work.findings.dates:
        words = {"date": row.date, "used": "yes" if row.used else ""}
        if row.effect is None:
            lines.append(refused_line("start.date", row.reason, words))
        else:
            effect = Interval(estimate=row.effect, low=row.low, high=row.high)
            lines.append(Line(name="start.date", words=words, effect=effect, numbers={"units": row.units}))
    return lines


def _judged(work: Work, lead: Interval | None, lines: list[Line]) -> tuple[Passed, Remark | None]:
    moved = [
        line for line in lines if line.effect and line.name in ("start.earlier_base", "start.date") and opposed(work, line.effect)
    ]
    if moved:
        return "fail", Remark(code="sign_by_date", facts={"lines": len(moved)})
    if lead is None:
        return "not_applicable", Remark(code="no_earlier_year", facts={})
    if lead.low is None or lead.high is None:
        return "not_applicable", Remark(code="too_few_clusters_for_range", facts={})
    if not lead.low <= 0 <= lead.high:
        return "doubt", Remark(code="lead_apart", facts={"gap": lead.estimate})
    return "pass", None
