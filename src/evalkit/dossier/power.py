"""R22: the smallest effect that the design could have shown, known before the effect is."""

from __future__ import annotations

from evalkit.dossier.checking import Work, not_applicable
from evalkit.dossier_records import Check, Line
from evalkit.firm_records import Needed, NotTold
from evalkit.records import Remark

MADE = "evalkit.how_firm.firm"
LARGE = 10.0  # per cent of base income: few programmes move income by more, so such a design sees hardly any


def power(work: Work) -> Check:
    """Return the smallest effect that the design shows with 80 per cent power, as the main report has it."""
    firm = work.findings.firm
    if firm is None:
        return not_applicable("R22", Remark(code="not_computed", facts={}), MADE)
    seen = firm.seen
    if isinstance(seen, NotTold):
        return not_applicable("R22", Remark(code="refused", facts={"said": str(seen.facts.get("said", seen.reason))}), MADE)
    smallest = work.study.smallest_meaningful_percent
    facts = {"percent": seen.percent, "money": seen.money, "power": seen.power, "meaningful_percent": smallest}
    lines = [Line(name="size.seen", numbers=dict(facts))]
    if isinstance(firm.needed, Needed):
        found = firm.needed
        names = ("percent", "power", "units", "clusters", "units_today", "clusters_today")
        lines.append(Line(name="size.needed", numbers={name: getattr(found, name) for name in names}))
    large = seen.percent > LARGE
    because = Remark(code="blind", facts={"percent": seen.percent, "limit": LARGE}) if large else None
    return Check(
        rule="R22", name="power", verdict="doubt" if large else "pass", statistic=Remark(code="smallest_seen", facts=facts),
        because=because, lines=lines, made_by=MADE,
    )  # fmt: skip
