"""The glossary explains the words that the reports use, in both languages."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from evalkit import glossary, words
from evalkit.errors import ReportError
from evalkit.words import LANGUAGES, WordsError, catalogue

DOCS = Path(__file__).parents[1] / "docs"
OWN = ("glossary.", "glossary_page.", "wording.")


@pytest.fixture(params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


def spoken(lang: str) -> str:
    """All sentences of the catalogue but those of the glossary itself, one a line, with a blank for what is filled in."""
    said = (re.sub(r"\{[^}]*\}", " ", text) for key, text in catalogue(lang).sentences.items() if not key.startswith(OWN))
    return "\n".join(re.sub(r" +", " ", text) for text in said).casefold()


def test_every_word_is_one_that_reports_use_or_is_listed_as_general() -> None:
    used = {code: {term.key for term in glossary.entries(code) if term.word.casefold() in spoken(code)} for code in LANGUAGES}
    everywhere = set.intersection(*used.values())
    assert {term.key for term in glossary.entries("zh")} - everywhere == glossary.GENERAL


def test_both_languages_explain_the_same_terms_with_the_same_neighbours() -> None:
    zh, en = ({term.key: term.see for term in glossary.entries(code)} for code in LANGUAGES)
    assert zh == en and len(zh) >= 35


def test_every_term_has_words_of_its_own_and_leads_to_others(lang: str) -> None:
    terms = glossary.entries(lang)
    assert len({term.word.casefold() for term in terms}) == len(terms)
    for term in terms:
        assert term.see and term.key not in term.see and len(set(term.see)) == len(term.see)
        assert term.text.endswith("。" if lang == "zh" else (".", "?'")) and len(term.text) < (150 if lang == "zh" else 330), (
            term.key
        )
        assert not re.search(r"[*_<>\[\]`]", term.word + term.text), term.key


def test_english_is_in_alphabetical_order_and_chinese_in_that_of_pinyin() -> None:
    english = [term.word.casefold() for term in glossary.entries("en")]
    assert english == sorted(english)
    order = [term.word for term in glossary.entries("zh")]
    # a, b, c, d, f, g
    some = ["安慰剂", "百分点", "参照期", "倾向得分", "双重差分", "一致"]
    assert [word for word in order if word in some] == some[:-1]


def test_a_reference_to_no_term_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = catalogue("en")
    broken = words.Catalogue("en", {**real.sentences, "glossary.did.see": "parallel_trends nonsense"})
    monkeypatch.setattr(glossary, "catalogue", lambda lang: broken)
    with pytest.raises(ReportError, match=r"does not have: did: nonsense\. Mend see="):
        glossary.entries("en")


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(WordsError, match="There is no language 'fr'"):
        glossary.entries("fr")


@pytest.mark.parametrize(("code", "name"), sorted(glossary.PAGES.items()))
def test_the_pages_of_the_documentation_are_current(code: str, name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == glossary.page(code), "Run: python -m evalkit.glossary docs"


def test_pages_are_written_where_told(tmp_path: Path) -> None:
    assert [path.name for path in glossary.write(tmp_path)] == ["glossary.md", "glossary.zh-CN.md"]
    assert (tmp_path / "glossary.md").read_bytes() == glossary.page("en").encode()


def test_links_on_a_page_of_the_documentation_lead_somewhere(lang: str) -> None:
    text = glossary.page(lang)
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= set(re.findall(r'<a id="(\w+)">', text))
    assert (DOCS / re.findall(r"\]\((glossary[^)]*)\)", text)[0]).exists()


class Reader(HTMLParser):
    """Tags that are open, anchors, links and everything that would be loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)
        self.anchors |= {str(known["id"])} if "id" in known else set()
        self.links += [str(known["href"])] if "href" in known else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_beside_the_reports_is_whole_and_loads_nothing(lang: str) -> None:
    text = glossary.html(lang)
    page = Reader(text)
    assert page.open == [] and not {"script", "link", "img"} & set(page.tags) and not re.search(r"https?:|url\((?!data:)", text)
    other = "en" if lang == "zh" else "zh"
    assert page.links[0] == f"glossary.{other}.html" and {link[1:] for link in page.links[1:]} <= page.anchors
    assert page.tags.count("dt") == len(glossary.entries(lang)) == len(page.anchors)
    assert f'<html lang="{catalogue(lang).say("language.tag")}">' in text
