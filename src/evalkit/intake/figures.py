"""One figure as people write it: the number, its unit, and what kind of answer it is when there is none."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, lru_cache

from evalkit.codes import table
from evalkit.intake.headers import simplified, without_pinyin
from evalkit.intake.units import Unit, comparable, find_unit, require_unit, rescale, unit_pattern


class Flag(IntEnum):
    """What stands in a cell; only OK, the bounds and APPROXIMATE carry a number. The words are in both catalogues, ``flag``."""

    OK = 0
    BLANK = 1
    DASH = 2
    MASKED = 3
    PLACEHOLDER = 4
    LOWER_BOUND = 5
    UPPER_BOUND = 6
    APPROXIMATE = 7
    UNREADABLE = 8
    MISSING_CODE = 9
    OTHER_UNIT = 10


WITH_NUMBER = (Flag.OK, Flag.LOWER_BOUND, Flag.UPPER_BOUND, Flag.APPROXIMATE)


@dataclass(frozen=True)
class Number:
    """One figure: its value in ``unit`` (nan when there is none), the unit as far as it is said, and the flag."""

    value: float
    unit: str | None = None
    flag: Flag = Flag.OK


_MASK = "*∗✱#×✕╳■□█▇"
_HIDES = rf"(?:[{_MASK}]|(?<![a-wyz])x(?![a-wyz]))"
# Runs are bounded and possessive, so that no text makes the search slow.
_HIDDEN = rf"(?:\d[\d.,]{{0,30}}+\s?)?{_HIDES}(?:[\d.]|{_HIDES}|\s(?=[\d.]{{0,30}}+{_HIDES}))*+"
_FOOTNOTE = re.compile("(?:[\u2460-\u249b\u24ea-\u24ff\u2776-\u2793†‡]|\\[(?:注)?\\d{1,2}\\]|[(（]注\\d{0,2}[)）]|注\\d{1,2})+$")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe00-\ufe0f]")
_LOOKALIKES = str.maketrans({"−": "-", "’": "'", "‘": "'", "・": "·", "•": "·", "⋅": "·", "＊": "*"})
_SQUARES = {"㎡": "平方米", "㎢": "平方公里", "㎥": "立方米"} | {
    f"{letters}{power}": name
    for letters, powers, name in (("m", "2²", "平方米"), ("km", "2²", "平方公里"), ("hm", "2²", "公顷"), ("m", "3³", "立方米"))
    for power in powers
}
_SQUARE = re.compile(r"[㎡㎢㎥]|(?<![a-wyz])[kh]?m[2²](?![\da-z])|(?<![a-wyz])m[3³](?![\da-z])", re.I)
_CLEAN = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_EXCEL_ERROR = re.compile(r"#(?:n/a|ref!|div/0!|value!|name\?|num!|null!|spill!|calc!|getting_data)", re.I)
_DASHES = re.compile(r"[-‐-―−ー—_/.…~·]+")
_PLACEHOLDERS = re.compile(r"[x×✕╳○〇]\D*")
LONGEST = 200  # characters; a longer cell is prose
_GROUPED = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:'\d{3})+(?:\.\d+)?|\d{1,3}(?: \d{3})+(?:\.\d+)?"
_PLAIN = r"\d+\.?\d*(?:e[+-]?\d{1,3})?|\.\d+"
_BEFORE = {
    Flag.UPPER_BOUND: "不能超过|不得超过|不超过|不高于|不大于|不多于|低于|小于|少于|不足|不到|至多|最多|≤|<=|<",
    Flag.LOWER_BOUND: "不得低于|不能低于|不低于|不少于|不小于|超过|高于|大于|多于|至少|最少|突破|≥|>=|>",
    Flag.APPROXIMATE: "大约|约为|将近|接近|约|近|≈",
}
_AFTER = {
    Flag.UPPER_BOUND: "及以下|以内|以下|之内",
    Flag.LOWER_BOUND: "及以上|以上|多|余|\\+",
    Flag.APPROXIMATE: "左右|上下",
}
_PEOPLE = "(?:农村|农业|贫困|乡村|城镇|常住|户籍|剩余|脱贫|未脱贫|城乡|低保|建档立卡)*(?:人口|群众|劳动力|农民|居民|村民)"


@cache
def _figure() -> re.Pattern[str]:
    """Return the pattern of one figure: words before, number, words between, unit, words after."""
    before = "|".join(_BEFORE.values())
    after = "|".join(_AFTER.values())
    return re.compile(
        rf"(?P<before>{before})?\s*(?P<sign>[-−+])?\s*(?P<number>{_GROUPED}|{_PLAIN})\s*(?P<between>(?:多|余|来)(?=\s*[^\s\d]))?\s*"
        rf"(?P<unit>{unit_pattern()})?(?P<after>{after})?"
    )


def parse(text: str, unit: str | None = None) -> Number:
    """Return the figure that a cell holds.

    Parameters
    ----------
    text : the cell; anything may stand in it
    unit : unit of the column
        Assumed where the text says none; a text that says another one of the same quantity is converted to it. A bare
        万 or 亿 multiplies the base unit: 21.3万 in a column of 人 or 万人 are 213,000 persons. A fraction such as 1/10 is
        read in a column of 比值 only, for elsewhere it may be a date.

    Nothing is guessed: a mask anywhere makes the figure missing, for it hides an unknown number of digits; 1.234,5 and
    (123) are unreadable; a figure in a unit that the column's cannot hold is flagged OTHER_UNIT.

    Raises
    ------
    IntakeError
        UNKNOWN_UNIT when ``unit`` is none. No text raises anything.

    Examples
    --------
    >>> parse("１,２３４.５"), parse("4.7亿元", "元")
    (Number(value=1234.5, unit=None, flag=<Flag.OK: 0>), Number(value=470000000.0, unit='元', flag=<Flag.OK: 0>))
    >>> parse("1**元").flag, parse("—").flag, parse("70多条"), parse("7.6%", "元").flag
    (<Flag.MASKED: 3>, <Flag.DASH: 2>, Number(value=70.0, unit='条', flag=<Flag.LOWER_BOUND: 5>), <Flag.OTHER_UNIT: 10>)
    """
    column = require_unit(unit) if unit else None
    if _CLEAN.fullmatch(text):
        return Number(float(text), column.name if column else None)
    if len(text) > LONGEST and len(text.strip()) > LONGEST:
        return Number(math.nan, column.name if column else None, Flag.UNREADABLE)
    plain = _plain(text)
    if (flag := _no_number(plain)) is not None:
        return Number(math.nan, column.name if column else _unit_beside(plain), flag)
    if column and column.name == "比值" and (ratio := _ratio(plain)) is not None:
        return Number(ratio, column.name)
    found = _figure().fullmatch(plain)
    number = _number_of(found) if found else None
    if number is None:
        return Number(math.nan, column.name if column else None, Flag.UNREADABLE)
    return _in_unit(number, column)


@lru_cache(maxsize=65_536)
def _plain(text: str) -> str:
    """Return a cell in compatible lower-case letters without its footnote marks and invisible characters."""
    text = _INVISIBLE.sub("", text).strip()
    if (shorter := _FOOTNOTE.sub("", text).rstrip()) and any(c.isdigit() or c in _MASK for c in shorter):
        text = shorter
    # ¥2,350 is an amount in yuan in every table this reads.
    return _moved_more(re.sub(r"^¥\s*([\d.,' ]+)$", r"\1元", _compatible(text)))


def _compatible(text: str) -> str:
    """Return a text in compatible lower-case letters; ½, ① or ² among the digits make it unreadable, not another number."""
    # The 2 of m² is no digit of the figure.
    text = _SQUARE.sub(lambda found: _SQUARES[found[0].lower()], text)
    if not text.isascii():
        if not _odd_digits().isdisjoint(text):
            text = "".join("?" if c in _odd_digits() else c for c in text)
        text = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)
    return " ".join(text.lower().split())


@cache
def _odd_digits() -> frozenset[str]:
    """Return the digits that are no plain digits: raised, circled, fractions."""
    return frozenset(c for c in map(chr, range(128, 0x20000)) if unicodedata.category(c) == "No")


def _moved_more(plain: str) -> str:
    """Return 5.5万多人 as 5.5多万人: the multiplier belongs to the unit."""
    return re.sub(r"(?<=[\d\s])([万亿])([多余])(?!额)", r"\2\1", plain)


@cache
def _missing_words() -> dict[str, Flag]:
    return {row["text"]: Flag[row["flag"]] for row in table("text_missing").to_dict("records")}


def _no_number(plain: str) -> Flag | None:
    """Return why a cell holds no number, None when it may hold one."""
    packed = plain.replace(" ", "")
    if not packed:
        return Flag.BLANK
    if packed in _missing_words():
        return _missing_words()[packed]
    if _DASHES.fullmatch(packed):
        return Flag.DASH
    if _EXCEL_ERROR.fullmatch(packed):
        return Flag.UNREADABLE
    if _PLACEHOLDERS.fullmatch(packed) and not re.search(r"[a-wyz]", packed):
        return Flag.PLACEHOLDER
    return Flag.MASKED if _is_masked(packed) else None


def _is_masked(packed: str) -> bool:
    """Return whether any character hides digits; an x counts beside a digit or another x only, for it may be a letter."""
    return re.search(rf"[{_MASK}]|\dx|x\d|xx", packed) is not None


def _unit_beside(plain: str) -> str | None:
    """Return the unit that stands after the last hidden digit, if any."""
    found = re.search(rf"[{_MASK}x\d]\s*({unit_pattern()})\D*$", plain)
    unit = find_unit(found[1]) if found else None
    return unit.name if unit else None


def _ratio(plain: str) -> float | None:
    found = re.fullmatch(r"(\d{1,6})\s?/\s?([1-9]\d{0,5})", plain)
    return int(found[1]) / int(found[2]) if found else None


def _number_of(found: re.Match[str]) -> Number | None:
    """Return the figure of a match, None when it is beyond what a double holds."""
    value = float(re.sub("[,' ]", "", found["number"])) * (-1 if found["sign"] and found["sign"] in "-−" else 1)
    if not math.isfinite(value):
        return None
    unit = find_unit(found["unit"]) if found["unit"] else None
    return Number(value, unit.name if unit else None, _flag_of(found))


def _flag_of(found: re.Match[str]) -> Flag:
    """Return what the words around a figure make of it; an upper or lower bound says more than 约."""
    if found["between"]:
        return Flag.LOWER_BOUND
    said = {
        flag for words, which in ((_BEFORE, "before"), (_AFTER, "after")) for flag, w in words.items() if _says(w, found[which])
    }
    return min(said - {Flag.APPROXIMATE}, default=Flag.APPROXIMATE) if said else Flag.OK


def _says(words: str, said: str | None) -> bool:
    return said is not None and said in words.replace("\\", "").split("|")


def _in_unit(number: Number, column: Unit | None) -> Number:
    """Return a figure in the unit of its column."""
    said = find_unit(number.unit) if number.unit else None
    if column is None or said is None:
        return Number(number.value, column.name if column else number.unit, number.flag)
    if not comparable(said, column):
        return Number(math.nan, said.name, Flag.OTHER_UNIT)
    return Number(float(rescale(number.value, said, column)), column.name, number.flag)


def figures_in(text: str) -> list[Number]:
    """Return the figures of a running sentence in their order, each with the unit that stands beside it.

    Years and other dates are figures in 年, 月 and 日. A figure that is hidden (1**元, X户) is missing, and so is a range of
    which one end is hidden; 5 18 N are two figures. 1/10 is a ratio where it is no part of a date.

    >>> [(figure.value, figure.unit) for figure in figures_in("贫困发生率从7.6%下降到1.8%，下降5.8个百分点")]
    [(7.6, '%'), (1.8, '%'), (5.8, '百分点')]
    >>> [(figure.unit, figure.flag.name) for figure in figures_in("增收近1**元，因病致贫X户")]
    [('元', 'MASKED'), ('户', 'PLACEHOLDER')]
    """
    plain = _moved_more(simplified(without_pinyin(_compatible(_INVISIBLE.sub("", text)))))
    return [number for number in (_running(found) for found in _sentence().finditer(plain)) if number is not None]


@cache
def _sentence() -> re.Pattern[str]:
    """Return the pattern of a figure in running text: hidden ones first, then ratios, then numbers."""
    before, after, unit = "|".join(_BEFORE.values()), "|".join(_AFTER.values()), unit_pattern()
    to = r"\s?[至到~\-—–]{1,3}\s?"
    hidden = rf"(?:{before})?\s?(?:(?<!\d)\d[\d.,]{{0,30}}+\s?(?:{unit})?{to})?(?P<hidden>{_HIDDEN})(?:{to}[\d.,]++)?\s?(?P<hidden_unit>{unit})?"
    ratio = r"(?<![\d./])(?P<part>\d{1,3})/(?P<whole>[1-9]\d{0,3})(?![\d./年月日])"
    people = rf"(?P<people>(?<=[万亿]){_PEOPLE})?"
    number = r"\d{1,3}(?:,\d{3})+(?![\d])(?:\.\d+)?|\d+(?:\.\d+)?"
    # A dash right after a figure is no sign: 2013-2017, 10元-20元.
    plain = (
        rf"(?P<before>{before})?\s*(?P<sign>(?<![\da-z%元人户年月日万亿.)])[-+])?(?<![a-z\d.])(?P<number>{number})(?![\d.,]{{0,30}}+\s?{_HIDES})(?:\s?(?P<between>[多余](?!额)|来(?={unit})))?"
        rf"(?:\s?(?P<unit>{unit}))?{people}(?P<after>{after})?"
    )
    return re.compile(rf"{hidden}|{ratio}|{plain}")


def _running(found: re.Match[str]) -> Number | None:
    """Return the figure of a match in running text; hidden characters without digits and without a unit are a hidden name."""
    if (hidden := found["hidden"]) is not None:
        unit = find_unit(found["hidden_unit"]) if found["hidden_unit"] else None
        if unit is None and not re.search(r"\d", hidden):
            return None
        flag = Flag.PLACEHOLDER if re.fullmatch(r"[x×✕╳\s]+", hidden) else Flag.MASKED
        return Number(math.nan, unit.name if unit else None, flag)
    if found["part"] is not None:
        return Number(int(found["part"]) / int(found["whole"]))
    number = _number_of(found)
    if number is not None and found["people"]:
        return Number(number.value, f"{number.unit}人", number.flag)
    return number
