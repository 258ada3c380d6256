"""The check of wording: what a text about results says beyond its data, by rules in a table that a reader can argue with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from evalkit.codes import lines_of, table
from evalkit.errors import ReportError, unknown
from evalkit.places import shared
from evalkit.words import LANGUAGES, catalogue

VERDICTS = (
    "gain",
    "loss",
    "small_change",
    "unclear",
    "pretrend_failed",
    "too_few",
    "one_unit",
    "cannot_show",
    "weak",
    "refused",
    "description",
)
GRADES = ("A", "B", "C", "D", "N")
TABLE = "data/codes/wording.csv"
WRAPPED = 56  # columns from which a line counts as wrapped, and its sentence as going on in the next one
ENDS = re.compile(r"[。！？]+[”’）」』]*|[.!?]+[\"'”’)\]]*(?=\s+[^a-z\s]|\s*$)")
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|al|[Ff]ig|[Ee]q|[Ss]ec|pp?|Dr|Mr|Ms|St|ref|approx|resp|[A-Z]))\.$")
NEW_BLOCK = re.compile(r"\s*(?:[-*+>#|]|\d+[.)]\s|[◆▲▼◇○■□]|$)")


@dataclass(frozen=True)
class Sentence:
    """A sentence and the line it begins on, counted from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class Rule:
    """What must not be said in a language, with which verdicts and grades of evidence, and under which words it is in order."""

    name: str
    lang: str
    verdicts: frozenset[str]
    grades: frozenset[str]
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None
    source: str


@dataclass(frozen=True)
class Objection:
    """Words that say more than the data carry.

    Attributes
    ----------
    rule
        The name of the rule in data/codes/wording.csv.
    words
        The offending words.
    lang
        The language of the rule.
    place
        Which cell of a notebook, empty elsewhere.
    line
        The line, counted from 1: of the text, of the file of a report, or of a cell or its output.
    sentence
        The sentence they stand in.
    why, instead
        Why they are not in order, and what to write, in this language.
    """

    rule: str
    words: str
    lang: str
    place: str
    line: int
    sentence: str
    why: str
    instead: str

    def __str__(self) -> str:
        """Return the objection in one line of its language."""
        return catalogue(self.lang).say("wording_check.line", **vars(self))


@cache
def rules(lang: str) -> tuple[Rule, ...]:
    """Return the rules of a language.

    Raises
    ------
    ReportError
        For a row of the table with an unknown language or verdict, or a pattern that is none; it names the file and the line.

    Example
    -------
    >>> [rule.name for rule in rules("en")][:3]
    ['causal', 'no_effect', 'proof']
    """
    if lang not in LANGUAGES:
        raise ReportError(unknown("language", lang, LANGUAGES))
    rows = table("wording")
    lines = lines_of(shared(*TABLE.split("/")), len(rows))
    made = [_rule(line, *row) for line, row in zip(lines, rows.itertuples(index=False, name=None), strict=True)]
    return tuple(rule for rule in made if rule.lang == lang)


def _rule(
    line: int, name: str, lang: str, verdicts: str, grades: str, pattern: str, unless: str, source: str, verified: str
) -> Rule:  # fmt: skip
    """Return a row of the table as a rule."""
    at = f"{TABLE}, line {line}: "
    named, graded = (frozenset(listed.split("|")) if listed else frozenset() for listed in (verdicts, grades))
    for kind, given, known in (("verdict", named, VERDICTS), ("grade", graded, GRADES)):
        for one in sorted(given - set(known)):
            raise ReportError(at + unknown(kind, one, known))
    if lang not in LANGUAGES:
        raise ReportError(at + unknown("language", lang, LANGUAGES))
    flags = re.IGNORECASE if lang == "en" else 0
    try:
        return Rule(name, lang, named, graded, re.compile(pattern, flags), re.compile(unless, flags) if unless else None, source)
    except re.error as wrong:
        raise ReportError(
            f"{at}the rule {name!r} holds a pattern that is no regular expression ({wrong}). Mend the pattern."
        ) from wrong


def check(text: str, lang: str, verdict: str | None = None, grade: str | None = None) -> list[Objection]:
    """Return what a text says beyond its data.

    Parameters
    ----------
    text
        Plain text; sentences that are wrapped over lines are read as one.
    lang
        "zh" or "en".
    verdict
        That of the finding, or "description" for a text that claims no effect; rules on verbs of cause need it.
    grade
        The evidence grade of the finding, "A" to "D" or "N"; rules on how sure a text may sound need it.

    Returns
    -------
    list of Objection
        In the order of the text, empty for a text in order.

    Raises
    ------
    ReportError
        For an unknown language, verdict or grade.

    Notes
    -----
    The rules are patterns and not understanding: they find words that a careful report does not need, and miss what is said in
    others. A denial ("does not prove", 不等于没有效果) is in order. Accusations are not, even when denied: they have no place in a report.

    Example
    -------
    >>> [(one.rule, one.words) for one in check("The programme raised income. This does not prove it.", "en", "unclear")]
    [('causal', 'raised')]
    >>> [one.rule for one in check("收入提高了3%百分点。", "zh")]
    ['percent_points']
    """
    if verdict is not None and verdict not in VERDICTS:
        raise ReportError(unknown("verdict", verdict, VERDICTS))
    if grade is not None and grade not in GRADES:
        raise ReportError(unknown("grade", grade, GRADES))
    asked = [
        rule
        for rule in rules(lang)
        if (not rule.verdicts or verdict in rule.verdicts) and (not rule.grades or grade in rule.grades)
    ]
    return [one for sentence in sentences(text, lang) for rule in asked for one in _objections(rule, sentence)]


def _objections(rule: Rule, sentence: Sentence) -> Iterator[Objection]:
    """Yield what a rule objects to in a sentence: the matches of its pattern outside every match of its exceptions."""
    hits = list(rule.pattern.finditer(sentence.text))
    excused = [found.span() for found in rule.unless.finditer(sentence.text)] if hits and rule.unless else []
    words = catalogue(rule.lang)
    for found in hits:
        if any(start <= found.start() and found.end() <= end for start, end in excused):
            continue
        why, instead = (words.say(f"wording.{rule.name}.{part}") for part in ("why", "instead"))
        yield Objection(rule.name, found.group(), rule.lang, "", sentence.line, sentence.text, why, instead)


def sentences(text: str, lang: str) -> list[Sentence]:
    """Split a text into sentences; a line break ends one, except where a long line is wrapped.

    Example
    -------
    >>> [one.text for one in sentences("Income rose by 3.5%, e.g. in 2016. See Fig. 2.", "en")]
    ['Income rose by 3.5%, e.g. in 2016.', 'See Fig. 2.']
    >>> [(one.line, one.text) for one in sentences("甲。乙！", "zh")]
    [(1, '甲。'), (1, '乙！')]
    """
    if lang not in LANGUAGES:
        raise ReportError(unknown("language", lang, LANGUAGES))
    return [sentence for line, passage in _passages(text, lang) for sentence in _split(line, passage)]


def _passages(text: str, lang: str) -> Iterator[tuple[int, str]]:
    """Yield lines with the lines they are wrapped into, and the number of the first."""
    held, start, goes_on = "", 1, False
    for number, line in enumerate(text.splitlines(), 1):
        if goes_on and not NEW_BLOCK.match(line):
            held += (" " if lang == "en" or held[-1:].isascii() else "") + line.strip()
        else:
            if held:
                yield start, held
            held, start = line.strip(), number
        wide = len(line) + sum(letter > "\u2e80" for letter in line)
        goes_on = wide >= WRAPPED and not re.search(r"[。！？.!?:：|]\s*$", line)
    if held:
        yield start, held


def _split(line: int, passage: str) -> Iterator[Sentence]:
    """Yield the sentences of a passage without line breaks."""
    start = 0
    for end in ENDS.finditer(passage):
        if not ABBREVIATION.search(passage[start : end.end()]) or end.end() == len(passage):
            if told := passage[start : end.end()].strip():
                yield Sentence(line, told)
            start = end.end()
    if rest := passage[start:].strip():
        yield Sentence(line, rest)


def check_report(path: str | Path, verdict: str | None = None) -> list[Objection]:
    """Return the objections to the visible text of a report in HTML, in the language and with the verdict and grade that its page names.

    Parameters
    ----------
    path
        A page that :func:`evalkit.report.write` made.
    verdict
        Another verdict than that of the page's bottom line.

    Raises
    ------
    ReportError
        For a page that names no language.
    """
    page = _Page(Path(path).read_text(encoding="utf-8"))
    if page.lang not in LANGUAGES:
        raise ReportError(f"{Path(path).name} names no language in its <html lang>. Allowed: {', '.join(LANGUAGES)}.")
    told = verdict or page.verdict
    return [replace(one, line=line) for line, text in page.texts for one in check(text, page.lang, told, page.grade)]


def check_notebook(path: str | Path, verdict: str | None = None, grade: str | None = None) -> list[Objection]:
    """Return the objections to the words of an executed notebook, its markdown and the texts and tables it printed, in both languages.

    Parameters
    ----------
    path
        A notebook; what is code is not read.
    verdict
        The verdict of its finding; without it the rules on verbs of cause are left out.
    grade
        Its evidence grade; without it the rules on how sure a text may sound are left out.

    Raises
    ------
    ReportError
        For a file that is no notebook.
    """
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    except (json.JSONDecodeError, KeyError, TypeError) as wrong:
        raise ReportError(f"{Path(path).name} is no notebook ({wrong}). Give the .ipynb file of an executed notebook.") from wrong
    found = []
    for number, cell in enumerate(cells, 1):
        for output, line, text in _told(cell):
            for lang in LANGUAGES:
                key = "wording_check.output" if output else "wording_check.cell"
                place = catalogue(lang).say(key, cell=number, output=output)
                found += [replace(one, place=place, line=one.line + line) for one in check(text, lang, verdict, grade)]
    return found


def _told(cell: dict[str, object]) -> Iterator[tuple[int, int, str]]:
    """Yield the texts of a cell with the number of the output, 0 for its own, and the lines before them."""
    if cell.get("cell_type") == "markdown":
        yield 0, 0, _joined(cell.get("source"))
    outputs = cell.get("outputs")
    for count, output in enumerate(outputs if isinstance(outputs, list) else [], 1):
        data = output.get("data", {})
        if "text" in output:
            yield count, 0, _joined(output["text"])
        if "text/markdown" in data:
            yield count, 0, _joined(data["text/markdown"])
        if "text/html" in data:
            for line, text in _Page(_joined(data["text/html"])).texts:
                yield count, line - 1, text
        elif "text/plain" in data:
            yield count, 0, _joined(data["text/plain"])


def _joined(text: object) -> str:
    return "".join(text) if isinstance(text, list) else str(text or "")


class _Page(HTMLParser):
    """The texts of a page that a reader sees or hears, each with its line, and the language and verdict it names."""

    INLINE = re.compile("a|abbr|b|bdi|bdo|cite|code|data|dfn|em|i|ins|kbd|mark|q|s|span|strong|sub|sup|time|u|var|wbr")
    UNSEEN = frozenset({"style", "script", "svg", "template"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.lang = ""
        self.verdict: str | None = None
        self.grade: str | None = None
        self.texts: list[tuple[int, str]] = []
        self._held, self._line, self._unseen = "", 1, 0
        self.feed(text)
        self.close()
        self._end()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag says about the page, and end the text before a block."""
        known = {name: value or "" for name, value in attrs}
        classes = known.get("class", "").split()
        if tag == "html":
            self.lang = known.get("lang", "").partition("-")[0]
        if "callout" in classes:
            self.verdict = next((name for name in classes if name in VERDICTS), None)
            self.grade = known.get("data-grade") or None
        if not self.INLINE.fullmatch(tag):
            self._end()
        if tag in self.UNSEEN:
            self._unseen += 1
        elif not self._unseen and known.get("aria-label"):
            self.texts.append((self.getpos()[0], known["aria-label"]))

    def handle_endtag(self, tag: str) -> None:
        """End the text of a block."""
        if not self.INLINE.fullmatch(tag):
            self._end()
        if tag in self.UNSEEN and self._unseen:
            self._unseen -= 1

    def handle_data(self, data: str) -> None:
        """Hold what is seen."""
        if self._unseen:
            return
        if not self._held.strip():
            self._line = self.getpos()[0]
        self._held += data

    def _end(self) -> None:
        told = " ".join(self._held.split())
        if told:
            self.texts.append((self._line, told))
        self._held = ""
