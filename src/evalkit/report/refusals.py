"""Refusals read aloud: why no causal figure is given, what may still be said, and which data would allow a judgement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from evalkit import numerals
from evalkit.evidence_limits import SHOWN
from evalkit.findings import Findings
from evalkit.grade_records import Refusal
from evalkit.records import Remark
from evalkit.report.blocks import Block, Item, Listing, Paragraph
from evalkit.report.sources import capitalised, distinct
from evalkit.report.voice import StudyVoice, Voice


def because(voice: StudyVoice, refusal: Refusal) -> str:
    """Return the reason of a refusal as a clause."""
    told = voice.phrase(f"refusal.{refusal.code}{_ending(refusal)}", **_facts(voice, refusal))
    smallest = refusal.facts.get("smallest_p") if refusal.code == "too_few" else None
    if smallest is None or not isinstance(voice, Voice) or (not voice.ranges and smallest <= SHOWN):
        return told
    rank = voice.phrase("refusal.too_few_rank", smallest_p=numerals.p_value(smallest))
    return rank if voice.ranges else voice.phrase("language.pause").join((told, rank))


def _ending(refusal: Refusal) -> str:
    """Return the ending of a sentence that has words of its own where a public report tells no number, or where one unit is all."""
    if refusal.facts.get("share", 0) is None:
        return "_hidden"
    return "_one" if refusal.code == "no_comparison" and refusal.facts["units"] == 1 else ""


def _facts(voice: StudyVoice, refusal: Refusal) -> dict[str, Any]:
    facts: dict[str, Any] = {name: value for name, value in refusal.facts.items() if name == "start"}
    if "units" in refusal.facts:
        facts["count"] = voice.count_units(refusal.facts["units"])
    if refusal.facts.get("share") is not None:
        facts["share"] = numerals.whole_percent(round(refusal.facts["share"], 3))
    if "years" in refusal.facts:
        facts["years"] = voice.years(refusal.facts["years"])
    for side in ("treated_clusters", "comparison_clusters"):
        if side in refusal.facts:
            facts[side] = voice.count(refusal.facts[side], "cluster")
    return facts


def section(voice: StudyVoice, refusals: list[Refusal]) -> Iterator[Block]:
    """Yield what is refused and why, what may still be said, and what would cure it."""
    for refusal in refusals:
        key = "single" if refusal.code == "arrive_together" else "effect"
        told = voice.phrase("language.pause").join(voice.phrase(f"may_tell.{one.code}") for one in refusal.may_tell)
        yield Paragraph(
            voice.join([voice.say(f"refusal.{key}", because=because(voice, refusal)), voice.say("refusal.may_tell", told=told)])
        )
        if refusal.cures:
            yield Paragraph(voice.say("refusal.cures" if sum(bool(one.cures) for one in refusals) == 1 else "refusal.cures_this"))
            yield Listing(tuple(Item(capitalised(cure(voice, one))) for one in refusal.cures))


def cures(voice: StudyVoice, refusals: list[Refusal]) -> list[str]:
    """Return in one sentence which data would cure refusals, each of which has to be; nothing where none would."""
    pause = voice.phrase("language.pause")
    told = [pause.join(distinct(cure(voice, one) for one in refusal.cures)) for refusal in refusals if refusal.cures]
    if len(told) < 2:
        return [voice.say("refusal.cures_listed", cures=told[0])] if told else []
    numbered = (voice.phrase("refusal.cures_numbered", number=number, cures=one) for number, one in enumerate(told, 1))
    return [voice.say("refusal.cures_each", cures=pause.join(numbered))]


def cure(voice: StudyVoice, remark: Remark) -> str:
    """Return as a phrase which data would cure a refusal."""
    hidden = remark.code == "not_covered" and remark.facts["units"] is None
    return voice.phrase(f"cure.{remark.code}{'_hidden' if hidden else ''}", **_CURES.get(remark.code, _plain)(voice, remark.facts))


def _plain(voice: StudyVoice, facts: dict[str, Any]) -> dict[str, Any]:
    return dict(facts)


def _units(voice: StudyVoice, facts: dict[str, Any]) -> dict[str, Any]:
    return {**facts, "count": voice.count_units(facts["units"]), "units": voice.common["units"]}


def _more_years(voice: StudyVoice, facts: dict[str, Any]) -> dict[str, Any]:
    return {**facts, "more": voice.count(facts["more"], "year")}


def _more_clusters(voice: StudyVoice, facts: dict[str, Any]) -> dict[str, Any]:
    assert isinstance(voice.findings, Findings)
    sample = voice.findings.sample
    cluster = voice.cluster(sample.cluster, sample.clusters) if isinstance(voice, Voice) else voice.common["unit"]
    return {"more": numerals.fixed(facts["more"]), "least": numerals.fixed(facts["least"]), "cluster": cluster}


def _more_to_rank(voice: StudyVoice, facts: dict[str, Any]) -> dict[str, Any]:
    return {"more": numerals.fixed(facts["more"])}


_CURES: dict[str, Callable[[StudyVoice, dict[str, Any]], dict[str, Any]]] = {
    "not_covered": _units,
    "years_before": _more_years,
    "more_treated": _more_clusters,
    "more_comparison": _more_clusters,
    "more_to_rank": _more_to_rank,
}


def warning(voice: StudyVoice, remark: Remark) -> str:
    """Return a standard warning as a sentence; one whose numbers a public report does not tell has words of its own."""
    facts: dict[str, Any] = dict(remark.facts)
    if any(value is None for value in facts.values()):
        return voice.say(f"warning.{remark.code}_hidden")
    for name, value in remark.facts.items():
        if name in ("power", "share", "low"):
            facts[name] = numerals.whole_percent(round(value, 3))
        elif name == "smallest_p":
            facts[name] = numerals.p_value(value)
        elif name == "years":
            facts[name] = voice.years(value)
    return voice.say(f"warning.{remark.code}", **facts)
