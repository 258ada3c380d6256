"""Numbers as readers see them: thousands separators, the true minus sign, digits that the data can carry, and each language's words.

Tables and axes show digits with separators (``fixed``, ``money``); sentences say large amounts in the language's own units
(``amount``): 1.23万, 1.23 million. A number that knows where it comes from (it has a method ``told``) marks the text it is told as.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import wraps
from typing import Concatenate, ParamSpec

MINUS = "\u2212"
NO_BREAK = "\u00a0"
UNITS: dict[str, tuple[tuple[int, str], ...]] = {"zh": ((10**8, "亿"), (10**4, "万")), "en": ((10**6, " million"),)}
"""What sentences count large amounts in, largest first."""

P = ParamSpec("P")


def told(text: str, of: object) -> str:
    """Return the text that tells a value; a value that knows where it comes from marks it.

    >>> told("0", of=0.0)
    '0'
    """
    tell = getattr(of, "told", None)
    return text if tell is None else str(tell(text))


def _traceable(make: Callable[Concatenate[float, P], str]) -> Callable[Concatenate[float, P], str]:
    """Let a text be made of the plain value, and marked by the value itself."""

    @wraps(make)
    def tell(value: float, /, *args: P.args, **options: P.kwargs) -> str:
        return told(make(float(value), *args, **options), of=value)

    return tell


@_traceable
def fixed(value: float, decimals: int = 0, plus: bool = False) -> str:
    """Return a number with a fixed count of decimals.

    >>> fixed(-1234.5, 1), fixed(-0.00001, 4), fixed(3, plus=True)
    ('−1,234.5', '0.0000', '+3')
    """
    if not math.isfinite(value):
        raise ValueError(f"A number of the findings is {value}; what has no value must be absent, with a remark that says why.")
    return _signed(f"{abs(value):,.{decimals}f}", value, plus)


def _signed(text: str, value: float, plus: bool) -> str:
    """Return digits with the sign of their value; what is shown as nought has none."""
    if not any(digit in text for digit in "123456789"):
        return text
    return (MINUS if value < 0 else "+" if plus else "") + text


def _rounded(value: float, digits: int) -> Decimal:
    """Return the size of a number rounded to a power of ten, a half away from zero: 10**-digits, as on paper."""
    return Decimal(repr(abs(value))).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


@_traceable
def measured(value: float) -> str:
    """Return a mean of any unit with three significant digits, all digits of larger numbers.

    >>> measured(0.6042), measured(79.85), measured(312912.4), measured(-3.456), measured(0)
    ('0.604', '79.8', '312,912', '−3.46', '0')
    """
    size = abs(value)
    if size == 0 or not math.isfinite(value):
        return fixed(value)
    return fixed(value, max(0, 2 - math.floor(math.log10(size))))


@_traceable
def money(value: float, plus: bool = False) -> str:
    """Return money with about three significant digits, and never more than one decimal; a half is rounded away from zero.

    >>> money(9823.4), money(436.2), money(43.62), money(-4.36), money(12345678), money(12250)
    ('9,820', '436', '44', '−4.4', '12,300,000', '12,300')
    """
    size = abs(value)
    if not math.isfinite(value) or size < 9.95:
        return fixed(value, 1, plus)
    digits = max(0, math.floor(math.log10(size)) - 2)
    return _signed(f"{int(_rounded(value, -digits)):,}", value, plus)


def amount(value: float, lang: str, plus: bool = False) -> str:
    """Return money for a sentence: three significant digits, large amounts in the language's own unit.

    Notes
    -----
    Chinese counts in 万 from 10,000 and in 亿 from 100,000,000, English in million from 1,000,000, judged after rounding: 9,996 is
    shown as 1.00万. There are no thousands separators before 万 and 亿. Smaller amounts are as in tables (``money``).

    >>> amount(12300, "zh"), amount(99960, "zh"), amount(12345678, "zh"), amount(9823.4, "zh"), amount(-1.5e8, "zh", plus=True)
    ('1.23万', '10.0万', '1230万', '9,820', '−1.50亿')
    >>> amount(12300, "en"), amount(2345678, "en")
    ('12,300', '2.35 million')
    """
    return amounts([value], lang, plus)[0]


def amounts(values: Sequence[float], lang: str, plus: bool = False) -> tuple[str, ...]:
    """Return amounts that stand side by side, in one unit and with equal decimals: the ends of a range, a change from and to.

    Notes
    -----
    The unit is that of the smallest (nought aside), so that 7,350 beside 16,000 stays as it is instead of turning into 0.74万; where the
    largest would leave the smallest with fewer than two digits, all are told as in tables.

    >>> amounts([12000, 34000], "zh"), amounts([7350, 16000], "zh"), amounts([-12000, 0], "zh")
    (('1.20万', '3.40万'), ('7,350', '16,000'), ('−1.20万', '0'))
    """
    sizes = [float(abs(value)) for value in values if value != 0] or [0.0]
    unit, word = _unit(min(sizes), lang)
    decimals = 2 - math.floor(math.log10(float(_significant(max(sizes))) / unit)) if word else 0
    if word and min(sizes) >= unit * 10.0 ** (1 - decimals):
        return tuple(_in_unit(value, unit, word, decimals, plus) for value in values)
    return tuple(money(value, plus) for value in values)


def _unit(size: float, lang: str) -> tuple[int, str]:
    """Return what an amount is counted in, judged by what is shown of it."""
    shown = _significant(size)
    return next(((unit, word) for unit, word in UNITS[lang] if shown >= unit), (1, ""))


def _significant(size: float) -> Decimal:
    """Return an amount rounded to three significant digits."""
    return _rounded(size, 2 - math.floor(math.log10(size))) if size and math.isfinite(size) else Decimal(0)


@_traceable
def _in_unit(value: float, unit: int, word: str, decimals: int, plus: bool) -> str:
    if value == 0:
        return "0"
    size = _rounded(value, decimals - round(math.log10(unit))) / unit
    return _signed(f"{size:.{max(0, decimals)}f}", value, plus) + word


@_traceable
def points(value: float, lang: str, plus: bool = False) -> str:
    """Return a difference between two percentages, which is not per cent of anything.

    >>> points(-3.456, "zh"), points(1, "en", plus=True)
    ('−3.5个百分点', '+1.0 percentage points')
    """
    return fixed(value, 1, plus) + ("个百分点" if lang == "zh" else " percentage points")


@_traceable
def percent(value: float, plus: bool = False) -> str:
    """Return per cent with one decimal.

    >>> percent(-3.456), percent(3, plus=True)
    ('−3.5%', '+3.0%')
    """
    return fixed(value, 1, plus) + "%"


@_traceable
def whole_percent(share: float) -> str:
    """Return a level of confidence as per cent without superfluous zeros.

    >>> whole_percent(0.95), whole_percent(0.975)
    ('95%', '97.5%')
    """
    return f"{100 * share:.4g}%"


@_traceable
def p_value(value: float) -> str:
    """Return a p-value with three decimals, or that it is smaller.

    >>> p_value(0.0004), p_value(0.0123)
    ('<0.001', '0.012')
    """
    return "<0.001" if value < 0.001 else fixed(value, 3)


def p_sentence(value: float) -> str:
    """Return a p-value with its relation, for a sentence, kept on one line.

    >>> p_sentence(0.0004).replace(NO_BREAK, " "), p_sentence(0.0123).replace(NO_BREAK, " ")
    ('< 0.001', '= 0.012')
    """
    return f"<{NO_BREAK}{told('0.001', of=value)}" if value < 0.001 else f"={NO_BREAK}{fixed(value, 3)}"


@_traceable
def short(value: float) -> str:
    """Return a percentage agreed beforehand without superfluous zeros.

    >>> short(3.0), short(2.5)
    ('3%', '2.5%')
    """
    return f"{value:.4g}%"


@_traceable
def ordinal(value: float, lang: str) -> str:
    """Return a place in an order.

    >>> [ordinal(place, "en") for place in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '102nd', '111th']
    >>> ordinal(3, "zh")
    '第3'
    """
    place = int(value)
    if lang == "zh":
        return f"第{place}"
    end = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{end}"
