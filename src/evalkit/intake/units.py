"""Units of measure: which there are, how they are written, and what one is in another."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from evalkit.codes import table
from evalkit.intake.observations import IntakeError, Place, Problem

_SLASH = re.compile(r"[/每]")
_WITHIN_PER = re.compile(r"[·.・*()]+|每")
_TIMES_OF_YEAR = {"月", "日", "季", "季度", "小时"}


@dataclass(frozen=True)
class Unit:
    """One unit of measure.

    Attributes
    ----------
    name : str
        As evalkit writes it: 万元, ㎡, 元/人·年.
    quantity : str
        What it measures: money, persons, area, ... ; "multiplier" for a bare 万 or 亿.
    factor : float
        How many base units of the quantity it is: 万元 is 10,000 yuan.
    per : frozenset of str
        What it is counted for: 元/人·年 is per 人 and per 年; empty when it does not say.
    heading : bool
        Whether the word may stand as a unit in a heading; 市 in 县(市) may not.
    """

    name: str
    quantity: str
    factor: float
    per: frozenset[str] = frozenset()
    heading: bool = True


@cache
def _simple() -> dict[str, Unit]:
    """Return the units of the table by every spelling, in compatible and lower-case letters."""
    units = {}
    for row in table("units").to_dict("records"):
        unit = Unit(row["unit"], row["quantity"], float(row["factor"]), heading=row["heading"] == "yes")
        for spelling in (row["unit"], *filter(None, row["aliases"].split("|"))):
            units[_plain(spelling)] = unit
    return units


@cache
def _multipliers() -> dict[str, Unit]:
    return {spelling: unit for spelling, unit in _simple().items() if unit.quantity == "multiplier"}


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().lower()


@lru_cache(maxsize=4096)
def find_unit(text: str) -> Unit | None:
    """Return the unit that a text names, None when it names none.

    >>> find_unit("万元").factor, find_unit("m²").name, find_unit("元/(人·年)").name
    (10000.0, '㎡', '元/人·年')
    >>> find_unit("千公顷").quantity, find_unit("百分点").quantity, find_unit("地、州、盟")
    ('area', 'percentage_points', None)
    """
    head, *pers = _SLASH.split(_plain(text))
    unit = _head(re.sub(r"\s+", "", head)) or _head(head)
    if unit is None or not pers:
        return unit
    parts = [_plain(part) for per in pers for part in _WITHIN_PER.split(per) if part.strip()]
    found = [_simple().get(part) for part in parts]
    if not parts or any(part not in _TIMES_OF_YEAR and known is None for part, known in zip(parts, found, strict=True)):
        return None
    names = [known.name if known else part for part, known in zip(parts, found, strict=True)]
    return Unit(f"{unit.name}/{'·'.join(names)}", unit.quantity, unit.factor, frozenset(names), unit.heading)


def _head(text: str) -> Unit | None:
    """Return a unit of the table, or one with a multiplier before it: 万元, 千公顷."""
    if text in _simple():
        return _simple()[text]
    for spelling, multiplier in _multipliers().items():
        rest = _simple().get(text.removeprefix(spelling)) if text.startswith(spelling) else None
        if rest and rest.quantity not in ("multiplier", "share", "percentage_points"):
            # 万村 is no heading's word, yet 千人 is one although a bare 千 is not.
            return Unit(multiplier.name + rest.name, rest.quantity, multiplier.factor * rest.factor, heading=rest.heading)
    return None


@cache
def unit_pattern() -> str:
    """Return the regular expression of a unit right after a figure, for text in compatible lower-case letters."""
    # Without bare 百 and 千: 10千伏 is no ten thousand.
    heads = sorted((s for s, unit in _simple().items() if unit.quantity != "multiplier"), key=len, reverse=True)
    counted = [s for s in heads if _simple()[s].quantity not in ("share", "percentage_points")]
    multipliers = "|".join(sorted((s for s in _multipliers() if not s.isascii()), key=len, reverse=True))
    subject = "|".join(map(re.escape, [*heads, *_TIMES_OF_YEAR]))
    ascii_end = r"(?![a-z])"
    per = rf"(?:\s?/\s?\(?(?:{subject})(?:[·.](?:{subject}))*\)?)*"
    atom, more = (
        "|".join(re.escape(s) + (ascii_end if s[-1].isascii() and s[-1].isalpha() else "") for s in words)
        for words in (heads, counted)
    )
    return rf"(?:(?:{atom}|(?:{multipliers})(?:{more})){per}|万亿|万|亿)"


def comparable(source: Unit, target: Unit) -> bool:
    """Return whether a value in one unit can be said in the other.

    A unit that does not say for whom (元) takes over what the other says (元/人·年); two that both say must agree, and a
    month is no year. A bare 万 takes over the other's quantity.

    >>> comparable(find_unit("万元"), find_unit("元/人·年")), comparable(find_unit("元/月"), find_unit("元"))
    (True, False)
    >>> comparable(find_unit("人次"), find_unit("人")), comparable(find_unit("百分点"), find_unit("%"))
    (False, False)
    """
    if "multiplier" not in (source.quantity, target.quantity) and source.quantity != target.quantity:
        return False
    if "multiplier" in (source.quantity, target.quantity) and {source.quantity, target.quantity} & {"share", "percentage_points"}:
        return False
    ours, theirs = source.per - {"年"}, target.per - {"年"}
    return ours == theirs or (not ours and not theirs & _TIMES_OF_YEAR) or (not theirs and not ours & _TIMES_OF_YEAR)


def require_unit(name: str) -> Unit:
    """Return a unit by its name; raises IntakeError (UNKNOWN_UNIT) when there is none."""
    unit = find_unit(name)
    if unit is None:
        listed = ", ".join(dict.fromkeys(known.name for known in _simple().values() if known.heading))
        raise IntakeError(Problem.at("UNKNOWN_UNIT", [], unit=name, allowed=listed))
    return unit


def convert(value: Any, source: str, target: str, column: str | None = None) -> Any:
    """Return values in another unit of the same quantity.

    Parameters
    ----------
    value : number or array
    source, target : names of units, such as 万元 and 元
    column : heading of the values, for the message

    Raises
    ------
    IntakeError
        UNKNOWN_UNIT for a name that is no unit, UNIT_MISMATCH when one cannot be said in the other.

    Examples
    --------
    >>> convert(4.7, "亿元", "元"), convert(30.0, "亩", "公顷")
    (470000000.0, 2.0)
    """
    one, other = require_unit(source), require_unit(target)
    if not comparable(one, other):
        places = [Place(column=column)] if column else []
        raise IntakeError(Problem.at("UNIT_MISMATCH", places, unit=one.name, wanted=other.name))
    return rescale(value, one, other)


def rescale(value: Any, source: Unit, target: Unit) -> Any:
    """Return values in another unit, for units known to be comparable; powers of ten are exact on the way up."""
    if source.factor >= target.factor:
        return value * (source.factor / target.factor)
    return value / (target.factor / source.factor)
