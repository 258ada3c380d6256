"""Numbers as readers see them: thousands separators, the true minus sign, and digits that the data can carry."""

from __future__ import annotations

import math

MINUS = "\u2212"
NO_BREAK = "\u00a0"


def fixed(value: float, decimals: int = 0, plus: bool = False) -> str:
    """Return a number with a fixed count of decimals.

    >>> fixed(-1234.5, 1), fixed(-0.00001, 4), fixed(3, plus=True)
    ('−1,234.5', '0.0000', '+3')
    """
    if not math.isfinite(value):
        raise ValueError(f"A number of the findings is {value}; what has no value must be absent, with a remark that says why.")
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text
    return (MINUS if value < 0 else "+" if plus else "") + text


def measured(value: float) -> str:
    """Return a mean of any unit with three significant digits, all digits of larger numbers.

    >>> measured(0.6042), measured(79.85), measured(312912.4), measured(-3.456), measured(0)
    ('0.604', '79.8', '312,912', '−3.46', '0')
    """
    size = abs(value)
    if size == 0 or not math.isfinite(value):
        return fixed(value)
    return fixed(value, max(0, 2 - math.floor(math.log10(size))))


def money(value: float, plus: bool = False) -> str:
    """Return money with about three significant digits, and never more than one decimal.

    >>> money(9823.4), money(436.2), money(43.62), money(-4.36), money(12345678)
    ('9,820', '436', '44', '−4.4', '12,300,000')
    """
    size = abs(value)
    if not math.isfinite(value) or size < 9.95:
        return fixed(value, 1, plus)
    digits = max(0, math.floor(math.log10(size)) - 2)
    return fixed(round(value / 10**digits) * 10**digits, 0, plus)


def percent(value: float, plus: bool = False) -> str:
    """Return per cent with one decimal.

    >>> percent(-3.456), percent(3, plus=True)
    ('−3.5%', '+3.0%')
    """
    return fixed(value, 1, plus) + "%"


def whole_percent(share: float) -> str:
    """Return a level of confidence as per cent without superfluous zeros.

    >>> whole_percent(0.95), whole_percent(0.975)
    ('95%', '97.5%')
    """
    return f"{100 * share:.4g}%"


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
    return f"<{NO_BREAK}0.001" if value < 0.001 else f"={NO_BREAK}{fixed(value, 3)}"


def short(value: float) -> str:
    """Return a percentage agreed beforehand without superfluous zeros.

    >>> short(3.0), short(2.5)
    ('3%', '2.5%')
    """
    return f"{value:.4g}%"
