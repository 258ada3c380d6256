"""All pages of the catalogue: both languages say the same, in their own letters and punctuation, and nothing is dead or missing."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.words import LANGUAGES, catalogue, placeholders

SOURCE = Path(evalkit.__file__).parent
CHINESE = re.compile(r"[\u3400-\u9fff]")
SPEAKING = {"say", "phrase", "has"}

# Families of keys whose last part is a code: f"{self.kind}.{self.code}". The code must be written somewhere in the package.
OF_CODES = ("problem.", "question.", "distribution.")
# Keys that nobody says yet, and why they stay for now; the list shrinks when they go or are said.
WAITING = {
    r"(threat|check)\.\w+\.(name|what|sees)": "the ladder of threats is printed by a program of its own, tests/diagnostics reads the words",
    r"estimator\.\w+\.(answers|limits)": "what a method answers stands in docs/estimators; a report does not quote it yet",
}


def pages(lang: str) -> list[Path]:
    return sorted((SOURCE / "locale" / lang).glob("*.toml"))


def flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, str(value)


@cache
def keys() -> frozenset[str]:
    return frozenset(catalogue("en").sentences)


@cache
def trees() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple((path, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(SOURCE.rglob("*.py")))


def written(node: ast.AST) -> list[str]:
    """Return the strings a node may be, as patterns: what is not written there is a wildcard; nothing for what is no string."""
    if isinstance(node, ast.Constant):
        return [re.escape(node.value)] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return [*(written(node.body) or [".*"]), *(written(node.orelse) or [".*"])]
    if isinstance(node, ast.JoinedStr):
        return ["".join(parts) for parts in product(*(written(part) or [".*"] for part in node.values))]
    return written(node.value) if isinstance(node, ast.FormattedValue) else []


@cache
def patterns() -> dict[str, list[re.Pattern[str]]]:
    """Return every string of the package that may be a key, by the section it begins with."""
    found: dict[str, set[str]] = {key.partition(".")[0]: set() for key in keys()}
    for _, tree in trees():
        for node in ast.walk(tree):
            for pattern in written(node):
                section, dot, _ = pattern.partition("\\.")
                if dot and section in found:
                    found[section].add(pattern)
    return {section: [re.compile(pattern) for pattern in sorted(some)] for section, some in found.items()}


def may_be_said(key: str) -> bool:
    return any(pattern.fullmatch(key) for pattern in patterns()[key.partition(".")[0]])


def codes() -> list[re.Pattern[str]]:
    """Return every string of capitals that the package writes, as patterns."""
    found = {pattern for _, tree in trees() for node in ast.walk(tree) for pattern in written(node)}
    return [re.compile(pattern) for pattern in sorted(found) if re.fullmatch(r"(?:\.\*)?[A-Z0-9_]{3,}(?:\.\*)?[A-Z0-9_]*", pattern)]


@cache
def said() -> frozenset[str]:
    """Return the keys that the package may say."""
    known = codes()
    found = {key for key in keys() if may_be_said(key)}
    of_codes = {key: key.rpartition(".")[2] for key in keys() - found if key.startswith(OF_CODES)}
    return frozenset(found | {key for key, code in of_codes.items() if any(one.fullmatch(code) for one in known)})


# What a page may hold against the rules of its language, and why.
LETTERS = {
    "zh": {
        r"glossary\.\w+\.see": "keys of terms, which no reader sees",
        r"glossary_page\.other": "the name of the other language in its own words",
        r"language\.tag|(method|data)\.version\w*": "names of a language and of the package",
        r"site\.link_\w+": "names of programs and formats",
    },
    "en": {
        r"status\.simulated\w*": "simulated data say so in both languages on every page",
        r"glossary_page\.other": "the name of the other language in its own words",
        r"problem\.\w+|data\.values\.help": "quotes the Chinese words of a file",
    },
}
PUNCTUATION = {
    "zh": {
        r"correction_note\.\w+": "formulas",
        r"init\.\w+|problem\.(DATABASE|MAPPING|NO_DATABASE|SALT|UNKNOWN_HEADING)\w*": "quotes what is typed into a file or a terminal",
    },
    "en": {
        r"problem\.FULL_WIDTH_COMMA": "speaks of the sign",
    },
}
BLANKS = {
    r"check_(study|file)\.\w+": "columns and lists on a terminal",
    r"(language|data)\.(ordinals|own_measure)": "lists that are split at blanks",
    r"page\.print_page\w*": "stands before and after a number that a style sheet sets",
}
# Parts of English sentences that are put one after another, or before a value.
PARTS = {
    r"language\.\w+|[\w.]+\.(between|separator|see_comma|colon)|data\.more_lines": "what stands between two parts",
    r"agree\.other_range|firm\.possible\w*|glossary_page\.general": "brackets after a word",
    r"figure\.\w+\.(row\w*|before|cohort)": "sentences of a description, one a row",
    r"glossary_page\.see|wording_check\.(cell|output)": "stands before what it introduces",
    r"income_definition\.switch_near_start": "a sentence after another",
}
# Sentences that end with a full stop or a question mark in one language only.
ENDS = {
    r"heading\.\w+|data\.heading\.\w+|column\.used": "English asks where Chinese names",
    r"data\.column\.no|figure\.event_study\.reference_tick": "abbreviations",
}
HALF_WIDTH = re.compile(
    r"(?<=[\u3400-\u9fff])[,;:!?()](?!\d)|[,;!?()](?=[\u3400-\u9fff])|\"|'(?=[\u3400-\u9fff])|(?<=[\u3400-\u9fff])'"
)
FULL_WIDTH = re.compile("[，。；：（）“”、！？]")
FULL_STOP = {"zh": re.compile(r"[。？！][”）]?$"), "en": re.compile(r"[.?!]['\")]?$")}


def of_family(key: str, families: dict[str, str]) -> bool:
    return any(re.fullmatch(pattern, key) for pattern in families)


def filled(text: str) -> str:
    """A sentence without what is filled into it."""
    return re.sub(r"\{[^{}]*\}", "", text)


@pytest.fixture(params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


def test_every_page_stands_in_both_languages_with_the_same_keys_in_the_same_order() -> None:
    names = [[path.name for path in pages(lang)] for lang in LANGUAGES]
    assert names[0] == names[1]
    for chinese, english in zip(*(pages(lang) for lang in LANGUAGES), strict=True):
        tables = [[key for key, _ in flat(tomllib.loads(path.read_text(encoding="utf-8")))] for path in (chinese, english)]
        assert tables[0] == tables[1], chinese.name


def test_a_sentence_has_the_same_placeholders_in_both_languages() -> None:
    chinese, english = (catalogue(lang).sentences for lang in LANGUAGES)
    assert [key for key in chinese if placeholders(chinese[key]) != placeholders(english[key])] == []


def test_no_sentence_is_dead() -> None:
    assert sorted(key for key in keys() - said() if not of_family(key, WAITING)) == []


def test_what_is_listed_as_waiting_is_there() -> None:
    for pattern in WAITING:
        assert any(re.fullmatch(pattern, key) for key in keys()), pattern


def test_every_key_that_is_said_exists() -> None:
    missing = []
    for path, tree in trees():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
        for call in (call for call in calls if call.func.attr in SPEAKING and call.args):  # type: ignore[attr-defined]
            for pattern in written(call.args[0]):
                if r"\." in pattern and not any(re.fullmatch(pattern, key) for key in keys()):
                    missing.append(f"{path.name}:{call.lineno} {pattern}")
    assert missing == []


def test_a_page_speaks_its_own_language(lang: str) -> None:
    foreign = []
    for key, text in catalogue(lang).sentences.items():
        own = filled(text)
        wrong = CHINESE.search(own) if lang == "en" else not CHINESE.search(own) and re.search("[A-Za-z]{2}", own)
        if wrong and not of_family(key, LETTERS[lang]):
            foreign.append((key, text))
    assert foreign == []


def test_punctuation_is_that_of_the_language(lang: str) -> None:
    signs = HALF_WIDTH if lang == "zh" else FULL_WIDTH
    wrong = {key: text for key, text in catalogue(lang).sentences.items() if signs.search(text)}
    assert [(key, text) for key, text in wrong.items() if not of_family(key, PUNCTUATION[lang])] == []


def test_no_blank_is_doubled_or_trails(lang: str) -> None:
    wrong = {}
    for key, text in catalogue(lang).sentences.items():
        between = lang == "zh" and re.search(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])", text)
        trails = text != text.strip() and not (lang == "en" and of_family(key, PARTS))
        if "  " in text or between or trails:
            wrong[key] = text
    loose = {**BLANKS, **(PUNCTUATION["zh"] if lang == "zh" else {})}
    assert [(key, text) for key, text in wrong.items() if not of_family(key, loose)] == []


def test_a_sentence_ends_in_one_language_as_in_the_other() -> None:
    zh, en = (catalogue(lang).sentences for lang in LANGUAGES)
    differ = [key for key in zh if bool(FULL_STOP["zh"].search(zh[key].strip())) != bool(FULL_STOP["en"].search(en[key].strip()))]
    assert [(key, zh[key], en[key]) for key in differ if not of_family(key, ENDS)] == []


def test_every_exception_is_one_of_a_key_that_exists(lang: str) -> None:
    for families in (LETTERS[lang], PUNCTUATION[lang], BLANKS, PARTS, ENDS):
        for pattern in families:
            assert any(re.fullmatch(pattern, key) for key in keys()), pattern


def test_the_signs_of_the_other_language_would_be_found() -> None:
    assert all(HALF_WIDTH.search(text) for text in ("甲,乙", "甲:", "(甲)", '甲"乙', "甲;乙", "对吗?"))
    assert not any(HALF_WIDTH.search(text) for text in ("甲，乙", "p < 0.05, z", "（甲）", "G/(G−1)", "“甲”"))
    assert FULL_WIDTH.search("a，b") and not FULL_WIDTH.search("a, 'b' (c): d — e")
