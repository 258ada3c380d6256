"""The terms of the reports in one place, as a page of the documentation and as a page beside the reports."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

from evalkit.errors import ReportError, first_five
from evalkit.fonts import font_faces
from evalkit.words import LANGUAGES, catalogue

PREFIX = "glossary."
# Terms that readers know or ask for, which the reports say in other words or leave to other work.
GENERAL = frozenset({"cliff", "counterfactual", "discontinuity", "marginal_household", "sensitivity"})
PAGES = {"en": "glossary.md", "zh": "glossary.zh-CN.md"}
STYLE = """
:root{color-scheme:light dark}
body{margin:0 auto;max-width:42rem;padding:1rem 1.2rem 3rem;line-height:1.7;font-family:"Report serif","Noto Serif SC","Source Han Serif SC","Songti SC",SimSun,serif}
h1,dt,nav{font-family:"Report sans","Noto Sans SC","Source Han Sans SC","PingFang SC","Microsoft YaHei",sans-serif}
h1{font-size:1.6rem;font-weight:400;margin:.5rem 0}
nav{text-align:end;font-size:.9rem}
dt{font-size:1.08rem;margin-top:1.3rem;scroll-margin-top:1rem}
dt small{font-size:.8em;opacity:.75;margin-inline-start:.5em}
dd{margin:.2rem 0 0}
dd.see{font-size:.9rem;opacity:.85}
dt:target{text-decoration:underline;text-underline-offset:.3em}
@media print{nav{display:none}dt{break-after:avoid}}
""".strip()


@dataclass(frozen=True)
class Term:
    """One term in one language.

    Attributes
    ----------
    key
        The same in both languages, and the anchor on every page.
    word
        The word as the reports use it.
    text
        What it means, in a sentence or two.
    see
        The keys of related terms.
    general
        Whether the reports say it in other words.
    """

    key: str
    word: str
    text: str
    see: tuple[str, ...]
    general: bool


def entries(lang: str) -> tuple[Term, ...]:
    """Return all terms of a language, in its order.

    Parameters
    ----------
    lang
        "zh" or "en".

    Returns
    -------
    tuple of Term
        English by the alphabet. Chinese by the bytes of GB 18030, which is the order of pinyin for the 3,755 most common characters;
        words that begin with a Latin letter come first.

    Raises
    ------
    WordsError
        For an unknown language.
    ReportError
        Where a term refers to one that does not exist.

    Example
    -------
    >>> [term.word for term in entries("en")][:3]
    ['anticipation', 'average effect', 'base income']
    >>> [term.word for term in entries("zh")][:3]
    ['p值', '安慰剂', '百分点']
    """
    words = catalogue(lang)
    keys = [
        key.removeprefix(PREFIX).removesuffix(".word")
        for key in words.sentences
        if key.startswith(PREFIX) and key.endswith(".word")
    ]
    terms = [
        Term(
            key,
            words.say(f"glossary.{key}.word"),
            words.say(f"glossary.{key}.text"),
            tuple(words.say(f"glossary.{key}.see").split()),
            key in GENERAL,
        )
        for key in keys
    ]
    lost = [f"{term.key}: {other}" for term in terms for other in term.see if other not in keys]
    if lost:
        raise ReportError(
            f"The {lang} glossary refers to terms it does not have: {first_five(lost)}. Mend see= in locale/{lang}/glossary.toml."
        )
    return tuple(sorted(terms, key=_pinyin if lang == "zh" else _alphabet))


def _pinyin(term: Term) -> bytes:
    return term.word.encode("gb18030")


def _alphabet(term: Term) -> str:
    return term.word.casefold()


def page(lang: str) -> str:
    """Return the glossary as Markdown for the documentation, with a link to the page of the other language.

    >>> page("en").splitlines()[0], page("zh").splitlines()[0]
    ('# Glossary', '# 术语')
    """
    words, terms, others = catalogue(lang), entries(lang), _other_words(lang)
    names = {term.key: term.word for term in terms}
    lines = [f"# {words.say('glossary_page.title')}", "", f"[{words.say('glossary_page.other')}]({PAGES[_other(lang)]})", ""]
    lines += [words.say("glossary_page.intro"), "", f"<!-- {words.say('glossary_page.generated')} -->"]
    for term in terms:
        general = words.say("glossary_page.general") if term.general else ""
        see = words.say("glossary_page.see_comma").join(f"[{names[key]}](#{key})" for key in term.see)
        lines += ["", f'<a id="{term.key}"></a>', f"**{term.word}**{general}", ""]
        lines += [
            term.text,
            "",
            f"{words.say('glossary_page.english', word=others[term.key])} · {words.say('glossary_page.see')}{see}",
        ]
    return "\n".join(lines) + "\n"


def html(lang: str) -> str:
    """Return the glossary as one page of HTML with everything in it, and a link to ``glossary.<other language>.html`` beside it.

    >>> '<a hreflang="en" lang="en" href="glossary.en.html">' in html("zh")
    True
    """
    words, terms, others = catalogue(lang), entries(lang), _other_words(lang)
    names = {term.key: term.word for term in terms}
    other = _other(lang)
    tags = {code: catalogue(code).say("language.tag") for code in (lang, other)}
    title, switch = escape(words.say("glossary_page.title")), escape(words.say("glossary_page.other"))
    items = []
    for term in terms:
        general = escape(words.say("glossary_page.general")) if term.general else ""
        links = (f'<a href="#{key}">{escape(names[key])}</a>' for key in term.see)
        items += [
            f'<dt id="{term.key}">{escape(term.word)}{general} <small lang="{tags[other]}">{escape(others[term.key])}</small></dt>',
            f"<dd>{escape(term.text)}</dd>",
            f'<dd class="see">{escape(words.say("glossary_page.see"))}{escape(words.say("glossary_page.see_comma")).join(links)}</dd>',
        ]
    body = [
        "<body>", f'<nav><a hreflang="{tags[other]}" lang="{tags[other]}" href="glossary.{other}.html">{switch}</a></nav>', "<main>",
        f"<h1>{title}</h1>", f"<p>{escape(words.say('glossary_page.intro'))}</p>", "<dl>", *items, "</dl>", "</main>", "</body>", "</html>",
    ]  # fmt: skip
    fonts = font_faces("".join(body))
    head = [
        "<!doctype html>", f'<html lang="{tags[lang]}">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">', f"<title>{title}</title>", f"<style>{fonts}{STYLE}</style>", "</head>",
    ]  # fmt: skip
    return "\n".join([*head, *body]) + "\n"


def _other(lang: str) -> str:
    return next(code for code in LANGUAGES if code != lang)


def _other_words(lang: str) -> dict[str, str]:
    return {term.key: term.word for term in entries(_other(lang))}


def write(folder: str | Path) -> list[Path]:
    """Write the pages of the documentation into a folder and return them."""
    paths = []
    for lang, name in PAGES.items():
        path = Path(folder) / name
        path.write_text(page(lang), encoding="utf-8", newline="\n")
        paths.append(path)
    return paths


if __name__ == "__main__":
    write(sys.argv[1])
