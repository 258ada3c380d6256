"""`evalkit init`: a commented mapping, study and table of events for a file nobody has described yet."""

from __future__ import annotations

import os
import re
from pathlib import Path

import yaml

from evalkit.codes import value
from evalkit.errors import StudyError
from evalkit.intake.dictionary import ColumnDictionary
from evalkit.intake.formats import read_table
from evalkit.intake.guess import Guess, guess_mapping
from evalkit.intake.prices import price_basis
from evalkit.words import LANGUAGES, catalogue

FILES = ("intake.yml", "study.yml", "events.csv")
COMBINED = {"money": "sum", "persons": "sum", "households": "sum", "area": "sum", "tonnes": "sum", "count": "sum"}
WEIGHTS = ("pop_rural", "pop_registered")


def begin(folder: Path, data: Path, sheet: str | None = None) -> list[Path]:
    """Write intake.yml, study.yml and events.csv for a data file, and return their paths; nothing is overwritten.

    Raises
    ------
    StudyError
        When one of the files exists already.
    IntakeError
        When the file cannot be read as a table.
    """
    if existing := [name for name in FILES if (folder / name).exists()]:
        raise StudyError(f"{folder} already has {', '.join(existing)}. Choose another folder, or move them away first.")
    guess = guess_mapping(read_table(data, sheet=sheet), sheet)
    place = Path(os.path.relpath(data.resolve(), folder.resolve())).as_posix()
    texts = {
        "intake.yml": mapping_text(guess),
        "study.yml": study_text(_slug(folder.resolve().name), place, guess),
        "events.csv": "unit,programme,event,date,dose,source\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def mapping_text(guess: Guess) -> str:
    """Return the mapping as commented YAML; every guess is marked to be confirmed."""
    mapping, words = guess.mapping, ColumnDictionary.shipped()
    lines = [f"# {_both('init.mapping')}", f"# {_both('init.confirm')}", ""]
    for key in ("level", "unit", "period"):
        lines.append(_line(key, getattr(mapping, key), f"init.{key}", key in guess.confirm))
    if mapping.sheet:
        lines.append(_line("sheet", mapping.sheet, "init.sheet"))
    lines += ["", f"# {_both('init.columns')}", "columns:"]
    for heading, rule in mapping.columns.items():
        lines.append(f"  {_text(heading)}: {_text(rule.name)}    # ← {_both('init.check_this')}")
    for use in guess.uses:
        if use.column and use.column in words.columns and use.heading not in (use.column, *mapping.columns):
            label = f"{words.label(use.column, 'zh')} | {words.label(use.column, 'en')}"
            lines.append(f"  #{_text(use.heading)}: {_text(use.column)}    # {label}")
    if guess.ambiguous:
        lines += ["", f"# {_both('init.ambiguous')}"]
        lines += [f"#   {_text(heading)} → {' / '.join(names)}" for heading, names in guess.ambiguous.items()]
    lines += ["", f"# {_both('init.ignore')}"]
    if mapping.ignore:
        lines.append("ignore:")
        for heading in mapping.ignore:
            near = ", ".join(guess.unrecognised.get(heading, guess.ambiguous.get(heading, ())))
            lines.append(f"  - {_text(heading)}    # ≈ {near or '—'}")
    else:
        lines.append("ignore: []")
    lines += ["", _line("income_def", mapping.income_def, "init.income_def", "income_def" in guess.confirm)]
    if mapping.level == "county":
        lines += ["", f"# {_both('init.counties')}", *_counties(guess)]
    lines += ["", f"# {_both('init.prices')}", "#prices: {base_year: 2015, index: price_index.csv, area: county_code}"]
    lines += ["", f"# {_both('init.more')}", "#missing_codes: [-8, -9]", "#year_means: edition", "#personal: {户编号: hash}"]
    lines.append("#salt_file: salt.txt")
    if mapping.simulated:
        lines.append("simulated: true")
    return "\n".join(lines) + "\n"


def _counties(guess: Guess) -> list[str]:
    """Return the commented lines on changes of codes, with a rule suggested for every column of numbers."""
    known = ColumnDictionary.shipped().columns
    weight = next((name for name in WEIGHTS if name in guess.kinds), None)
    # What the dictionary knows of households is an average in a county's table, not a sum.
    total = {
        name for name, kind in guess.kinds.items() if kind in COMBINED and not (name in known and known[name].level == "household")
    }
    rule = {name: COMBINED[kind] for name, kind in guess.kinds.items() if name in total}
    heads = [name for name, kind in guess.kinds.items() if kind in ("money_per_head", "share", *COMBINED) and name not in total]
    rule |= dict.fromkeys(heads, f"mean by {weight}" if weight else "drop")
    last = guess.years[1] if guess.years else 2020
    lines = ["counties:", "  history: county_history.csv", f"  to_year: {last}", "  rule:"]
    lines += [f"    {_text(name)}: {_text(how)}" for name, how in rule.items()]
    return [f"#{line}" for line in (lines if rule else lines[:-1])]


def study_text(name: str, data: str, guess: Guess) -> str:
    """Return a study for the panel as commented YAML."""
    first, last = guess.years or (2013, 2020)
    money = (column for column, kind in guess.kinds.items() if kind.startswith("money"))
    outcome = "income_pc" if "income_pc" in guess.kinds else next(money, "income_pc")
    label = {code: ColumnDictionary.shipped().label(outcome, code) for code in LANGUAGES}
    level = {code: catalogue(code).say(f"init.level_word.{guess.mapping.level}") for code in LANGUAGES}
    check = _both("init.check_this")
    return "\n".join(
        [
            f"# {_both('init.study')}",
            f"name: {_text(name)}",
            f"title: {_text({'zh': '某项目增收效应评估', 'en': 'Effect of a programme on income'})}    # ← {check}",
            f"programme: {_text({'zh': '产业帮扶', 'en': 'industry support'})}    # ← {check}",
            f"data: {_text(data)}",
            "intake: intake.yml",
            "source:",
            f"  name: {_text({'zh': '数据提供方', 'en': 'who supplied the data'})}    # ← {check}",
            *(["  simulated: true"] if guess.mapping.simulated else []),
            f"unit: {_text(guess.mapping.unit)}",
            f"unit_word: {_text(level)}",
            f"period: {_text(guess.mapping.period)}",
            f"outcome: {_text(outcome)}    # ← {check}",
            f"outcome_word: {_text(label)}",
            f"prices: {_text({code: price_basis(code) for code in LANGUAGES})}",
            "nominal: true",
            "scale: log",
            f"window: [{first}, {last}]    # ← {check}",
            f"# {_both('init.treatment')}",
            f"#   {_both('init.events')}",
            f"treatment: {{events: events.csv, programme: industry, date: funded}}    # ← {check}",
            "comparison: not_yet_treated",
            f"cluster: {_text(guess.mapping.unit)}",
            *_county_of(guess),
            f"# {_both('init.unbalanced')}",
            "#unbalanced: pairwise",
            f"# {_both('init.public', minimum=value('disclosure', 'minimum_households'))}",
            "public: false",
            "seed: 20200101",
            "",
        ]
    )


def _county_of(guess: Guess) -> list[str]:
    """Return the lines that allow reports county by county, where the file says which county a row belongs to."""
    code = guess.mapping.unit if guess.mapping.level == "county" else "county_code"
    if code != guess.mapping.unit and code not in guess.kinds:
        return []
    lines = [f"county: {_text(code)}"]
    if "county_name" in guess.kinds and code != "county_name":
        lines.append("county_name: county_name")
    return lines


def _line(key: str, content: object, comment: str, guessed: bool = False) -> str:
    mark = f"← {_both('init.check_this')}  " if guessed else ""
    return f"{key}: {_text(content)}    # {mark}{_both(comment)}"


def _text(content: object) -> str:
    """Return a value as YAML writes it in one line."""
    quoted = '"' if "\n" in str(content) else None  # the only style that keeps a line break in one line
    written = yaml.safe_dump(
        content, allow_unicode=True, default_flow_style=True, default_style=quoted, sort_keys=False, width=10_000
    ).strip()
    return written.removesuffix("...").strip()


def _both(key: str, **facts: object) -> str:
    """Return a sentence in both languages, one after the other, for a comment in a file that anyone may open."""
    return " | ".join(catalogue(code).say(key, **facts) for code in LANGUAGES)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "study"
