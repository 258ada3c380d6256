"""A brief read aloud: the findings of each run in the words of its report, with references that lead to that report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from evalkit.findings import Described
from evalkit.report import grading, refusals
from evalkit.report.blocks import Fact
from evalkit.report.bottom_line import MARKS, callout
from evalkit.report.sources import capitalised, distinct, without_marks
from evalkit.report.voice import Voice
from evalkit.supervision.brief_records import Brief, Reported
from evalkit.supervision.recommendations import CARRIED, ENOUGH, UNRECORDED, letter


@dataclass(frozen=True)
class Detail:
    """How many of a kind a brief tells one by one: proposals, limits of the run, groups, widespread kinds of problem; the rest is counted."""

    proposals: int = 5
    limits: int = 3
    groups: int = 4
    kinds: int = 3


DETAILS = (Detail(), Detail(4, 2, 3, 2), Detail(3, 1, 2, 1))
"""From the fullest brief to the shortest: the first that fits on its pages in type of a readable size is taken."""


@dataclass(frozen=True)
class BriefVoice(Voice):
    """One run of a brief and a language; what a report shows in a figure or a table, a brief only refers to."""

    run: Reported
    several: bool
    detail: Detail = DETAILS[0]
    name: str = ""
    """What the run is called beside others: its programme, where these are of one its title, and with one title its number."""

    @property
    def described(self) -> Described | None:
        """The record of a study without a causal figure, nothing where there is one."""
        return self.findings if isinstance(self.findings, Described) else None

    @property
    def single(self) -> bool:
        """Whether the findings are about one treated unit."""
        return getattr(self.findings, "alone", None) is not None

    @property
    def carried(self) -> bool:
        """Whether verdict and grade carry a causal verb; results of a version without grades say no more than grade C does."""
        return str(self.findings.verdict) in CARRIED and letter(self.findings) in (*ENOUGH, UNRECORDED)

    def see(self, kind: Literal["figure", "table"], name: str) -> str:
        """Return how a brief refers to what stands in the report of the run: its numbers are not those of this page."""
        return self.phrase("brief.see_grade" if name == "grade" else f"brief.see_{kind}")

    def label(self, key: str) -> str:
        """Return the label of an entry."""
        return self.say(f"brief.label.{key}")

    def named(self, text: str) -> str:
        """Return a text with the programme before it, where the brief has several."""
        return self.phrase("brief.label.of_programme", programme=self.name, label=text) if self.several else text

    def missing(self) -> str:
        """Return that something was not computed."""
        return self.say("brief.not_computed")


def voices(brief: Brief, lang: str, detail: Detail = DETAILS[0]) -> list[BriefVoice]:
    """Return one voice for each run of a brief."""
    several = len(brief.runs) > 1
    findings: Any
    made = []
    for run in brief.runs:
        findings = run.findings
        made.append(BriefVoice(findings, lang, run, several, detail))
    return [replace(voice, name=name) for voice, name in zip(made, _names(made), strict=True)]


def _names(made: list[BriefVoice]) -> list[str]:
    """Return what each run is called: the first of programme, title and number that tells all of them apart."""
    names = [[capitalised(voice.common["own_programme"]) for voice in made], [voice.title for voice in made]]
    return next((each for each in names if len(set(each)) == len(each)), [voice.run.folder for voice in made])


def parts(voice: BriefVoice) -> tuple[str, str, str, list[str]]:
    """Return mark, label, lead and points of the bottom line: those of the report, without what stands in a section of the brief."""
    if voice.described is not None:
        return MARKS["refused"], voice.say("verdict.refused"), *_refused(voice, voice.described)
    made = callout(voice)
    below = {without_marks(text) for text in (voice.say("bottom.compared", who=voice.compared_with()), *reasons(voice))}
    return made.mark, made.label, made.lead, [point for point in made.points if without_marks(point) not in below]


def reasons(voice: BriefVoice) -> list[str]:
    """Say why the evidence has its grade, as the report does; nothing where no grade is recorded."""
    grade = voice.findings.grade
    return [] if grade is None else [grading.first_reasons(voice, grade, voice.see("table", "grade"))]


def numbers_of(voice: BriefVoice) -> tuple[Fact, ...]:
    """Return the key numbers of the report's bottom line, and the grade where its label does not tell it."""
    shown = () if voice.described is not None else callout(voice).numbers
    grade = letter(voice.findings)
    told = grade not in ("N", UNRECORDED)
    return shown if told else (*shown, Fact(voice.say("brief.label.grade"), voice.say(f"brief.grade.{grade}")))


def _refused(voice: BriefVoice, found: Described) -> tuple[str, list[str]]:
    """Say why no causal figure can be given, what may be described, and which data would cure it."""
    because = distinct(refusals.because(voice, refusal) for refusal in found.refusals)
    ends = voice.ends("treated")
    told = []
    if ends is not None:
        first, last = ends
        before, after = voice.amounts(first.mean, last.mean)
        told.append(voice.say("brief.may_tell", first=first.period, last=last.period, before=before, after=after))
    cures = distinct(refusals.cure(voice, cure) for refusal in found.refusals for cure in refusal.cures)
    if cures:
        told.append(voice.join([voice.say("refusal.cures"), voice.phrase("language.pause").join(cures)]))
    return voice.say("bottom.refused", because=voice.phrase("language.pause").join(because)), told
