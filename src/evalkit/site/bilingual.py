"""Every text of the site in both languages at once: the page shows one, and switches without loading anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from markupsafe import Markup, escape

from evalkit.study import Words
from evalkit.words import LANGUAGES, catalogue

Fact = object
"""What a sentence quotes: a Words is told in the language of the sentence, anything else as it is."""


def sentence(lang: str, key: str, /, **facts: Fact) -> str:
    """Return a sentence of the catalogue in one language."""
    return catalogue(lang).say(key, **{name: word(lang, fact) for name, fact in facts.items()})


def word(lang: str, fact: Fact) -> Fact:
    """Return an expression in one language."""
    return getattr(fact, lang) if isinstance(fact, Words) else fact


def said(key: str, /, **facts: Fact) -> Words:
    """Return a sentence in both languages."""
    return each(lambda lang: sentence(lang, key, **facts))


def each(tell: Callable[[str], str]) -> Words:
    """Return what is told in each language."""
    return Words(**{lang: tell(lang) for lang in LANGUAGES})


def tags() -> Mapping[str, str]:
    """Return the tag of each language as HTML wants it."""
    return {lang: catalogue(lang).say("language.tag") for lang in LANGUAGES}


def both(words: Words) -> Markup:
    """Return an expression as HTML that holds both languages, each marked as what it is; once where they are the same.

    >>> print(both(Words(zh="县", en="county")), both(Words(zh="<b>", en="<b>")))
    <i lang=zh>县</i><i lang=en>county</i> &lt;b&gt;
    """
    if words.zh == words.en:
        return escape(words.zh)
    return Markup("").join(Markup("<i lang={}>{}</i>").format(lang, word(lang, words)) for lang in LANGUAGES)
