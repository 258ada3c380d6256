"""The rows of the list: each report and each failed run as the texts of its cells, in both languages."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from evalkit import numerals
from evalkit.site.bilingual import both, each, said, sentence, word
from evalkit.site.entries import FORMATS, Entry, Refusal, Shown
from evalkit.site.strips import Axis, axis, beyond, strip
from evalkit.study import Words
from evalkit.words import catalogue

CURES = {
    "StudyError": "study",
    "DesignError": "design",
    "RolloutError": "design",
    "EstimateError": "design",
    "PanelError": "data",
    "IntakeError": "data",
    "WordsError": "words",
    "ReportError": "words",
}
"""What to do about a failed run, by the kind of its error; any other kind is answered by its notebook, or by its own words."""


@dataclass(frozen=True)
class Common:
    """What reports are shown against: the most frequent unit of money with its axis, and the most frequent kind of range."""

    unit: Words | None
    kind: Words | None
    axis: Axis
    titles: Counter[tuple[str, str]]


@dataclass(frozen=True)
class ReportRow:
    """One report as the cells of its row."""

    place: Markup
    simulated: str
    programme: Markup
    window: Markup
    verdict: str
    grade: str
    judgement: Markup
    effect: str
    unit: Markup
    interval: Markup
    path: str
    sides: str
    percent: str
    links: Markup
    notebooks: Markup


@dataclass(frozen=True)
class FailureRow:
    """One failed run as the cells of its row."""

    place: Markup
    programme: Markup
    reason: Markup
    cure: Markup
    notebooks: Markup


def common_of(reports: list[Shown]) -> Common:
    """Return the usual unit, axis and kind of range of reports, and the programmes that more than one study is about."""
    units = Counter((shown.money.zh, shown.money.en) for shown in reports)
    unit = Words(zh=(most := units.most_common(1)[0][0])[0], en=most[1]) if units else None
    kinds = Counter((kind.zh, kind.en) for kind in map(_kind, reports) if kind)
    ends = [end for shown in reports if shown.money == unit for end in shown.ends or ()]
    titles = Counter(programme for programme, _ in {(s.programme.zh, s.title.zh) for s in reports})
    several = Counter({(s.programme.zh, s.title.zh): titles[s.programme.zh] for s in reports})
    kind = Words(zh=(usual := kinds.most_common(1)[0][0])[0], en=usual[1]) if kinds else None
    return Common(unit, kind, axis(ends), several)


def _kind(shown: Shown) -> Words | None:
    """Return what the range of a report is called, a confidence interval or a prediction interval of one unit, None without one."""
    if shown.ends is None:
        return None
    return said("one_unit.range" if shown.predicted else "label.range", level=numerals.whole_percent(shown.level))


def judgement(shown: Shown) -> Words:
    """Return the judgement of a report in words."""
    return said(f"verdict.{shown.verdict}", unit=shown.unit_word)


def report_row(entry: Entry, shown: Shown, common: Common) -> ReportRow:
    """Return the cells of a report."""
    money, drawn = shown.amount, shown.money == common.unit
    title = Markup("<div>{}</div>").format(both(shown.title))
    programme = both(_programme(shown))
    if shown.county is None:
        place = Markup("{}{}").format(both(said("site.whole")), title)
    else:
        place = _county(shown.county.code, shown.county.name)
        programme += title if common.titles[shown.programme.zh, shown.title.zh] > 1 else ""
    ends = shown.ends if drawn else None
    missing = sentence("zh", "language.missing")
    return ReportRow(
        place=place,
        simulated=sentence("zh", "status.simulated") if shown.simulated else "",
        programme=programme,
        window=Markup("{}–{}").format(*shown.window),
        verdict=shown.verdict,
        grade=shown.grade.letter if shown.grade else "",
        judgement=both(judgement(shown)),
        effect=numerals.money(money.estimate, plus=True) if money else missing,
        unit=Markup("") if drawn else both(shown.money),
        interval=both(_interval(shown, common)),
        path=strip(common.axis, money.estimate, ends) if money and ends else "",
        sides=beyond(common.axis, money.estimate, ends) if money and ends else "",
        percent=numerals.percent(shown.headline.percent.estimate, plus=True) if shown.headline else missing,
        links=links(entry),
        notebooks=notebooks(entry),
    )


def _programme(shown: Shown) -> Words:
    """Return what the effect is that of: a programme, or a bundle of which no member can be told apart."""
    if not shown.bundle:
        return shown.programme
    first, *others = shown.bundle

    def bundle(lang: str) -> str:
        rest = catalogue(lang).listing(str(word(lang, other)) for other in others)
        key = "two" if len(others) == 1 else "more"
        names = sentence(lang, f"term.bundle_{key}", first=first, others=rest) if others else first
        return sentence(lang, "term.bundle", programmes=names)

    return each(bundle)


def _interval(shown: Shown, common: Common) -> Words:
    """Return the interval of a report, or why there is none."""
    ends = shown.ends
    if ends is None:
        return said("site.no_range_few" if shown.verdict == "too_few" else "site.no_range")
    low, high = (numerals.money(end) for end in ends)
    interval = said("language.interval", low=low, high=high)
    if (kind := _kind(shown)) != common.kind:
        interval = said("language.parenthesis", outer=interval, inner=kind)
    return interval if shown.money == common.unit else said("site.other_unit", interval=interval)


def _county(code: str, name: str) -> Markup:
    """Return a county by name and code; where the data give no name the code stands for it."""
    return Markup("{} <small>{}</small>").format(name, code) if name != code else Markup("<small>{}</small>").format(code)


def failure_row(entry: Entry, failure: Refusal) -> FailureRow:
    """Return the cells of a run that failed."""
    message = failure.message
    if failure.county:
        place = _county(failure.county, failure.county_name or failure.county)
    else:
        place = Markup("{}<div>{}</div>").format(both(said("site.whole")), both(failure.title) if failure.title else failure.study)
    return FailureRow(
        place=place,
        programme=both(failure.programme) if failure.programme else Markup("{}").format(failure.study),
        reason=both(message if isinstance(message, Words) else Words(zh=message, en=message)),
        cure=both(said(f"site.cure_{CURES.get(failure.kind, 'read' if entry.files.notebooks else 'mend')}")),
        notebooks=notebooks(entry),
    )


def links(entry: Entry) -> Markup:
    """Return the links to the files of a folder, those of each language in that language."""
    lines = []
    for lang, pages in entry.files.pages.items():
        told = (_link(entry, pages[kind], sentence(lang, f"site.link_{kind}")) for kind in FORMATS if kind in pages)
        if line := Markup("").join(told):
            lines.append(Markup("<p lang={}>{}").format(lang, line))
    return Markup("").join(lines)


def notebooks(entry: Entry) -> Markup:
    """Return the links to the notebooks of a folder, which speak both languages."""
    told = {"notebook.ipynb": Markup("ipynb"), "data_intake.ipynb": both(said("site.link_data_notebook"))}
    return Markup(" ").join(_link(entry, name, told[name]) for name in entry.files.notebooks)


def _link(entry: Entry, name: str, text: str) -> Markup:
    """Return a link to a file of a folder; whatever the folder is called, its address needs no quotes."""
    return Markup("<a href={}/{}>{}</a>").format(quote(os.fsencode(entry.folder), safe=""), name, text)


def printable(name: str) -> str:
    """Return the name of a folder as text, whatever bytes the file system holds."""
    return os.fsencode(name).decode("utf-8", errors="replace")
