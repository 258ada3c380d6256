"""Headings and names as they are written, and the plain words in them."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

from evalkit.intake.units import find_unit

CJK = r"㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff々〇"
_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe00-\ufe0f]")
# Before NFKC, which would turn ① into a 1 that belongs to the heading.
_CIRCLED = re.compile("[\u2460-\u249b\u24ea-\u24ff\u2776-\u2793\u3251-\u325f\u32b1-\u32bf]+")
_MARKS_KEPT = re.compile("([\u2460-\u249b\u24b6-\u24ff\u2776-\u2793\u3200-\u32ff²³¹⁰-₟]+)")
_RAISED = re.compile(r"(?<![mM\d])[¹²³⁰⁴-⁹]+$")
_BESIDE_CJK = re.compile(rf"(?<=[{CJK}()|、:/%])\s+|\s+(?=[{CJK}()|、:/%])")
_BRACKETED_WORD = re.compile(rf"(?<=[{CJK}])\(([^()\d{CJK}]{{1,20}})\)")
_MARK_AT_END = re.compile(r"(?:[*#†‡]+|\[(?:注)?\d{1,2}\]|\((?:注)?\d{1,2}\)|\(注[^()]{0,3}\)|注\d{1,2})$")
_UNIT_BRACKET = re.compile(r"[(\[](?:(?:计量)?单位:)?((?:[^()\[\]]|\([^()\[\]]*\))+)[)\]]")
_SEPARATOR = re.compile(r"\s*[/:\-—_,、|]\s*(?:(?:计量)?单位:)?|(?=[%‰]$)")


@lru_cache(maxsize=65_536)
def normalise(text: str) -> str:
    """Return a heading or a name in plain simplified characters.

    Full-width forms become ordinary ones, blanks between Chinese characters and invisible characters go, so do line
    breaks, footnote marks at the end and the pinyin that some pages put in brackets after a character; traditional
    characters become simplified ones. Doing it twice changes nothing.

    >>> normalise("漳　县"), normalise("人均纯收入（元）①"), normalise("國(guó)家"), normalise("县（市、区）")
    ('漳县', '人均纯收入(元)', '国家', '县(市、区)')
    >>> normalise("乾县"), normalise("２０１３年\\n农村居民  人均純收入*")
    ('乾县', '2013年农村居民人均纯收入')
    """
    for _ in range(8):
        cleaned = _cleaned(text)
        if cleaned == text:
            break
        text = cleaned
    return text


@lru_cache(maxsize=65_536)
def label(text: str) -> str:
    """Return the label of a row as it is compared: one form for every width, spacing and script, and every mark kept.

    In a heading a (1) at the end is a footnote; in the name of a village it tells one village from another.

    >>> label("漳　县"), label("城关村（１）"), label("1#"), label("城关村①"), label("漳縣")
    ('漳县', '城关村(1)', '1#', '城关村①', '漳县')
    """
    return simplified(respaced(text))


def respaced(text: str) -> str:
    """Return a text in half-width forms without invisible characters and blanks beside Chinese characters.

    >>> respaced("農村　收入（元）"), respaced("H 1")
    ('農村收入(元)', 'H 1')
    """
    # NFKC makes the 1 of a name of ① and ¹, and two villages one.
    parts = _MARKS_KEPT.split(_INVISIBLE.sub("", text))
    plain = "".join(part if _MARKS_KEPT.fullmatch(part) else unicodedata.normalize("NFKC", part) for part in parts)
    return _BESIDE_CJK.sub("", " ".join(plain.split()))


def short_code(text: str) -> str:
    """Return a statistical code of twelve digits that ends in six zeros as the county code it stands for, another text as it is.

    >>> short_code("622428000000"), short_code("622428100201")
    ('622428', '622428100201')
    """
    return text[:6] if len(text) == 12 and text.isdecimal() and text.endswith("000000") else text


def _cleaned(text: str) -> str:
    text = _RAISED.sub("", _CIRCLED.sub("", _INVISIBLE.sub("", text)).rstrip())
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    text = without_pinyin(_BESIDE_CJK.sub("", text))
    text = _without_marks(text)
    return simplified(text)


def _without_marks(text: str) -> str:
    """Return a heading without footnote marks at its end; marks and nothing else stay, for a masked name is no empty name."""
    while (shorter := _MARK_AT_END.sub("", text).rstrip()) not in ("", text):
        text = shorter
    return text


def without_pinyin(text: str) -> str:
    """Return a text without the pinyin in brackets after a character: a word in Latin letters with at least one tone mark.

    >>> without_pinyin("國(guó)家扶貧開發(fā)"), without_pinyin("人均纯收入(yuan)")
    ('國家扶貧開發', '人均纯收入(yuan)')
    """
    return _BRACKETED_WORD.sub(lambda found: "" if _is_pinyin(found[1]) else found[0], text)


def _is_pinyin(word: str) -> bool:
    spelled = unicodedata.normalize("NFD", word.strip().lower())
    letters = [c for c in spelled if not unicodedata.combining(c)]
    return all("a" <= c <= "z" or c in " '" for c in letters) and any(c in "\u0300\u0301\u0304\u030c\u0306" for c in spelled)


def simplified(text: str) -> str:
    """Return a text in simplified characters, left alone unless it holds a character that only the traditional script has.

    乾 and 瞭 are characters of both scripts: 乾县 is the name of a county and must not become 干县. A text is converted
    when at least one of its characters is outside GB 2312, the set of the simplified script, and has a simplified form.

    >>> simplified("農村居民人均純收入"), simplified("乾安县瞭望台")
    ('农村居民人均纯收入', '乾安县瞭望台')
    """
    try:
        text.encode("gb2312")
    except UnicodeEncodeError:
        return str(_converter().convert(text)) if any(map(_traditional_only, text)) else text
    return text


@lru_cache(maxsize=32_768)
def _traditional_only(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return not character.isascii() and _converter().convert(character) != character
    return False


@cache
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


def split_unit(heading: str) -> tuple[str, str | None]:
    """Return a heading without its unit, and the unit: in brackets anywhere, or after a slash, a colon or a dash at the end.

    Brackets that hold something else stay; a heading that is nothing but a unit stays whole.

    >>> split_unit("地区生产总值（万元）"), split_unit("收入/元"), split_unit("人口：万人")
    (('地区生产总值', '万元'), ('收入', '元'), ('人口', '万人'))
    >>> split_unit("县（市、区）"), split_unit("县(市)"), split_unit("人均纯收入(元)2013年")
    (('县(市、区)', None), ('县(市)', None), ('人均纯收入2013年', '元'))
    """
    text = normalise(heading)
    for bracket in reversed(list(_UNIT_BRACKET.finditer(text))):
        stem = (text[: bracket.start()] + text[bracket.end() :]).strip()
        if stem and (unit := heading_unit(bracket[1])):
            return stem, unit
    for separator in _SEPARATOR.finditer(text):
        if (stem := text[: separator.start()].strip()) and (unit := heading_unit(text[separator.end() :])):
            return stem, unit
    return text, None


def heading_unit(text: str) -> str | None:
    """Return the unit that a word in a heading means, None when it is no unit there: 市 in 县(市) is not.

    >>> heading_unit("万元"), heading_unit("市")
    ('万元', None)
    """
    unit = find_unit(text)
    return unit.name if unit and unit.heading else None
