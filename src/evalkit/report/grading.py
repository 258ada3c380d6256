"""The evidence grade read aloud: on the first page with its main reasons, and rule by rule in a table."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit import numerals
from evalkit.errors import ReportError
from evalkit.evidence_limits import UNLIMITED
from evalkit.firm_records import Overturn
from evalkit.grade_records import Grade, Reason
from evalkit.report.blocks import Block, Cell, Column, Paragraph, Row
from evalkit.report.cells import Made, column, text_cell
from evalkit.report.sources import capitalised
from evalkit.report.voice import StudyVoice

FILE = "data/codes/grade_rules.csv"
SHARES = ("comparison_share", "pretrend_power", "overlap", "bundle_share", "missing_share")
SIZES = ("breakdown", "largest_imbalance")
COUNTS = {"smaller_side": "cluster", "periods_before": "year"}
SHOWN = 3  # reasons on the first page


def named(voice: StudyVoice, grade: Grade) -> str:
    """Return the grade with its word: B (fairly strong)."""
    return voice.phrase("grade.named", letter=grade.letter, word=voice.phrase(f"grade.word_{grade.letter}"))


def label(voice: StudyVoice, verdict: str, grade: Grade | None) -> str:
    """Return the label of a bottom line: the verdict, and the evidence grade where there is one."""
    if grade is None or grade.letter == "N":
        return verdict
    return voice.say("grade.label", verdict=verdict, letter=grade.letter, word=voice.phrase(f"grade.word_{grade.letter}"))


def first_reasons(voice: StudyVoice, grade: Grade, table: str) -> str:
    """Say on the first page why the grade is what it is: the ceiling, and the reasons that weigh most."""
    ceiling, *moved = grade.reasons
    down = sorted((one for one in moved if one.kind in ("down", "cap")), key=_weight, reverse=True)[:SHOWN]
    up = [one for one in moved if one.kind == "up"][:1] if down else []  # above the ceiling nothing raises a grade
    if grade.letter == "N":
        return voice.say("grade.first", named=named(voice, grade), reasons=reason(voice, ceiling), table=table)
    told = _lowered(voice, grade, down) if down else voice.phrase("grade.plain", ceiling=ceiling.to)
    parts = [told, *([voice.phrase("grade.raised", reasons=_listed(voice, up))] if up else [])]
    return voice.say("grade.first", named=named(voice, grade), reasons=voice.phrase("language.pause").join(parts), table=table)


def _lowered(voice: StudyVoice, grade: Grade, down: list[Reason]) -> str:
    return voice.phrase("grade.lowered", ceiling=grade.ceiling, reasons=_listed(voice, down))


def _listed(voice: StudyVoice, reasons: list[Reason]) -> str:
    return voice.phrase("language.pause").join(reason(voice, one) for one in reasons)


def _weight(one: Reason) -> int:
    return 9 if one.kind == "cap" else one.steps


def reason(voice: StudyVoice, one: Reason, held: bool = False) -> str:
    """Return a rule as a clause, with the numbers it read."""
    facts = {name: _told(voice, name, value) for name, value in one.facts.items() if value is not None}
    key = f"grade_{'held' if held else 'rule'}.{one.rule}"
    key += _variant(voice, key, one)
    if any(f"{{{name}}}" in voice.catalogue.sentences[key] for name in one.facts if name not in facts):
        if voice.catalogue.has(f"{key}_hidden"):
            return voice.phrase(f"{key}_hidden")
        return voice.phrase("grade.hidden_held" if held else "grade.hidden", family=voice.phrase(f"grade_family.{one.family}"))
    return voice.phrase(key, **facts)


def _variant(voice: StudyVoice, key: str, one: Reason) -> str:
    """Return the ending of a sentence that has words of its own for nought, or for what no multiple reaches."""
    values = [value for value in one.facts.values() if not isinstance(value, str)]
    ending = "_never" if any((value or 0) >= UNLIMITED for value in values) else "_none" if not any(values) else ""
    if ending == "_none" and "breakdown" in one.facts and of_small_change(voice):
        ending = "_small"
    return ending if voice.catalogue.has(key + ending) else ""


def of_small_change(voice: StudyVoice) -> bool:
    """Return whether what would be overturned is that the change is too small to be worth telling."""
    firm = getattr(voice.findings, "firm", None)
    return firm is not None and isinstance(firm.overturn, Overturn) and firm.overturn.stays_small is not None


def _told(voice: StudyVoice, name: str, value: object) -> str:
    if isinstance(value, (bool, str)):
        return f"{value}"
    if not isinstance(value, (int, float)):
        raise ReportError(f"The fact {name!r} of a grade is no number: {value!r}.")
    if name in SHARES:
        return numerals.percent(100 * value) if 0 < value < 0.01 else numerals.whole_percent(round(value, 2))
    if name == "attrition_gap":
        return numerals.points(100 * value, voice.lang)
    if name in COUNTS:
        return voice.count(value if isinstance(value, int) else round(value), COUNTS[name])  # a plain int would lose its origin
    if name in SIZES:
        return numerals.fixed(value, 2)
    return numerals.p_sentence(value) if name.endswith("_p") else numerals.fixed(value)


def section(voice: StudyVoice, grade: Grade, table: Block) -> Iterator[Block]:
    """Yield the blocks of the section on the grade: how it comes about, rule by rule, and what was not checked."""
    yield Paragraph(voice.say("grade.explained", file=FILE))
    yield table
    if grade.letter == "N":
        return
    families = [voice.phrase(f"grade_family.{family}") for family in grade.unknown]
    key = "grade.unknown" if families else "grade.unknown_none"
    yield Paragraph(voice.say(key, families=voice.catalogue.listing(families, shown=20)))


def made(voice: StudyVoice, grade: Grade) -> Made:
    """Return the table of the grade: what applied, what was looked at and held, and what was not looked at."""
    columns: list[Column] = [column(voice, f"grade_{name}", align="left") for name in ("family", "seen", "moves")]
    rows = [_row(voice, one, marked=True) for one in grade.reasons]
    seen = {one.family for one in grade.reasons}
    by_family: dict[str, list[Reason]] = {}
    for one in grade.held:
        if one.family not in seen:
            by_family.setdefault(one.family, []).append(one)
    for family, members in by_family.items():
        told = voice.phrase("language.pause").join(reason(voice, one, held=True) for one in _distinct(members))
        rows.append(Row((_family(voice, family), text_cell(capitalised(told)), text_cell(voice.say("grade.moves_held")))))
    for family in grade.unknown:
        cells = (text_cell(voice.say("grade.not_looked")), text_cell(voice.say("grade.moves_unknown")))
        rows.append(Row((_family(voice, family), *cells)))
    return columns, rows, []


def _distinct(members: list[Reason]) -> list[Reason]:
    """Return rules of a family without those that differ from another by their limit alone."""
    kept: dict[tuple[str, ...], Reason] = {}
    for one in members:
        kept.setdefault(tuple(sorted(one.facts)), one)
    return list(kept.values())


def _family(voice: StudyVoice, family: str) -> Cell:
    return text_cell(voice.say(f"grade_family.{family}"))


def _row(voice: StudyVoice, one: Reason, marked: bool) -> Row:
    moves = voice.phrase("grade.word_N") if one.to == "N" else voice.phrase(f"grade.moves_{one.kind}", to=one.to, steps=one.steps)
    return Row((_family(voice, one.family), text_cell(capitalised(reason(voice, one))), text_cell(capitalised(moves))), marked)
