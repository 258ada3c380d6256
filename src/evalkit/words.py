"""The two catalogues of sentences, and the error for what has no words."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Formatter

from evalkit.errors import EvalkitError, nearest, unknown

LANGUAGES = ("zh", "en")


class WordsError(EvalkitError):
    """Something that a catalogue has no words for."""


@dataclass(frozen=True)
class Catalogue:
    """All sentences of one language, by key."""

    lang: str
    sentences: Mapping[str, str]

    def say(self, key: str, /, **facts: object) -> str:
        """Return a sentence with its facts; raises WordsError for an unknown key or a missing fact."""
        try:
            template = self.sentences[key]
        except KeyError:
            close = nearest(key, list(self.sentences))
            hint = f" Nearest: {', '.join(close)}." if close else ""
            raise WordsError(
                f"The {self.lang} catalogue has no sentence {key!r}.{hint} Add it to locale, in every language."
            ) from None
        try:
            return template.format(**facts)
        except (KeyError, IndexError) as missing:
            raise WordsError(f"The sentence {key!r} needs {missing}, which was not given.") from None

    def has(self, key: str) -> bool:
        """Return whether there is such a sentence."""
        return key in self.sentences

    def listing(self, items: Iterable[object], shown: int = 8) -> str:
        """Return items in one phrase, and how many more there are."""
        parts = [f"{item}" for item in items]
        kept = parts if len(parts) <= shown else parts[:shown]
        more = self.say("language.more", count=len(parts) - len(kept)) if len(parts) > len(kept) else ""
        if len(kept) < 2 or more:
            return self.say("language.separator").join(kept) + more
        return self.say("language.separator").join(kept[:-1]) + self.say("language.last_separator") + kept[-1]

    def count(self, number: int, noun: str) -> str:
        """Return a number of things, with the measure word or the plural."""
        many = noun if number == 1 else self.plural(noun)
        return self.say("language.count", count=f"{number:,}", measure=self._measure(noun), noun=many)

    def number(self, number: int, noun: str) -> str:
        """Return a number of things named before, with the measure word where there is one."""
        return f"{number:,}{self._measure(noun) or (noun if noun in self.say('language.own_measure').split() else '')}"

    def one(self, noun: str) -> str:
        """Return a single thing in words: one county."""
        return self.say("language.a_unit", measure=self._measure(noun), noun=noun)

    def _measure(self, noun: str) -> str:
        """Return the measure word of a noun; some nouns are their own."""
        for own in self.say("language.own_measure").split():
            if noun.endswith(own):
                return "" if noun == own else own
        return self.say("language.measure")

    def plural(self, noun: str) -> str:
        """Return the plural of a noun, which Chinese does not have."""
        return english_plural(noun) if self.lang == "en" else noun


@cache
def catalogue(lang: str) -> Catalogue:
    """Return the catalogue of a language, "zh" or "en"."""
    if lang not in LANGUAGES:
        raise WordsError(unknown("language", lang, LANGUAGES))
    sentences: dict[str, str] = {}
    for page in sorted(files("evalkit").joinpath("locale", lang).iterdir(), key=lambda page: page.name):
        for key, sentence in _flat(tomllib.loads(page.read_text(encoding="utf-8"))):
            if key in sentences:
                raise WordsError(f"The {lang} catalogue says {key!r} twice, the second time in {page.name}. Keep one.")
            sentences[key] = sentence
    return Catalogue(lang, sentences)


def _flat(tree: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, str(value)


def placeholders(template: str) -> set[str]:
    """Return the names a sentence wants filled in.

    >>> sorted(placeholders("{low} to {high}"))
    ['high', 'low']
    """
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def english_plural(noun: str) -> str:
    """Return the regular plural of a noun phrase that ends in its noun.

    >>> [english_plural(word) for word in ("county", "household", "township", "bus")]
    ['counties', 'households', 'townships', 'buses']
    """
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")
