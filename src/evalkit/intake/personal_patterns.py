"""What looks personal in a text: identity, card and telephone numbers, told from ordinary numbers by date, check digit and neighbours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evalkit.codes import table
from evalkit.codes import value as value_of

MASK = "＊＊＊"

Flags = npt.NDArray[np.bool_]

# One character for one character, so that places in the text stay where they are.
_PLAIN = str.maketrans("０１２３４５６７８９Ｘｘ＋．－‐‑‒–—　\u00a0\u200b", "0123456789Xx+.------   ")
_WIDE = re.compile("[０-９Ｘｘ＋．－‐‑‒–—　\u00a0\u200b]")


def _first(digit: str) -> str:
    """Return the pattern of a number's first digit: no letter, digit or decimal point stands before it ("Tel.138" is no decimal).

    The digit comes first and looks behind itself, because a pattern that begins with a class of characters is searched fast.
    """
    words = "|".join(
        f"(?<={word}{digit})"
        for word in (
            r"[A-Za-z一-鿿]{2}\.",
            "[Tt][Ee][Ll]",
            "[Pp][Hh][Oo][Nn][Ee]",
            "[Mm][Oo][Bb][Ii][Ll][Ee]",
            "[VvWw][Xx]",
            "[Qq][Qq]",
        )
    )
    return f"{digit}(?<![0-9]{digit})(?:(?<![A-Za-z.¥￥$]{digit})|{words})"


# No letter, digit or decimal stands after it, and it is no sum of money.
_END = r"(?![0-9A-Za-z]|\.[0-9]| ?(?:元|万|亿|公斤|千克|吨|亩|平方|%|％))"
_ALONE = r"(?![ -][0-9])"  # one of a row of numbers is no group of digits
_DATE = r"(?:0[1-9]|1[0-2])[ -]?(?:0[1-9]|[12][0-9]|3[01])"
_GAP = r"[ ._\-]{0,3}"
# Two digits more make it the number of a disability card or of a member of the household; its first 18 tell the person.
_ID = re.compile(
    rf"[1-9](?<![0-9][1-9])[0-9]{{5}}{_GAP}(?:19|20)[0-9]{{2}}{_GAP}(?:0[1-9]|1[0-2]){_GAP}(?:0[1-9]|[12][0-9]|3[01]){_GAP}"
    r"[0-9]{3}[0-9Xx×][0-9]{0,2}(?![0-9])"
)
_OLD_ID = re.compile(rf"{_first('[1-9]')}[0-9]{{7}}{_DATE}[0-9]{{3}}{_END}")
_LOST_ID = re.compile(r"[Ee]\+?17(?![0-9])"), re.compile(r"(?<![0-9A-Za-z.])[1-8]\.[0-9]{1,16}$")  # 5.30602E+17
_CARD = re.compile(
    rf"{_first('[3-9]')}[0-9]{{3}}(?:[0-9]{{12,15}}|(?<![0-9][ -][0-9]{{4}})([ -])[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{4}}(?:\1[0-9]{{1,3}})?{_ALONE}){_END}"
)
_DIALLED = "|".join(
    rf"(?<={code}1)(?<![0-9A-Za-z.]{code}1)" for code in ("86", "0086", "0")
)  # codes dialled before a mobile number
_PHONE = re.compile(
    rf"(?:{_first('1')}|1(?:{_DIALLED}))[3-9][0-9](?:[0-9]{{8}}|(?:(?<![0-9][ -][0-9]{{3}})|(?<=86[ -][0-9]{{3}}))([ .\-])[0-9]{{4}}\1[0-9]{{4}}{_ALONE}){_END}"
)
_LANDLINE = re.compile(
    r"[话話机式lLeE](?:(?<=电话)|(?<=電話)|(?<=固话)|(?<=座机)|(?<=手机)|(?<=联系方式)|(?<=[Tt][Ee][Ll])|(?<=[Pp][Hh][Oo][Nn][Ee]))"
    rf"[号码是为:： .]{{0,4}}((?:\(?0[0-9]{{2,3}}\)?[ -]?)?[2-8][0-9]{{6,7}}){_END}"
)
_ID_WORD = re.compile("(?i)身份|证件|证号|id")
_CARD_WORD = re.compile("(?i)卡号|账号|帐号|账户|帐户|银行|一卡通|存折|card|account")
_BESIDE = 12  # characters before a number in which a word counts as standing beside it

NUMBER = r"^[\s0-9０-９.,+\-eE]+$"


@cache
def near() -> str:
    """Return the patterns above once more, for arrow and somewhat wider: a cell that does not match holds none of them."""
    digit, gap, before, after = "[0-9０-９]", "[ ._．＿\\-－‐‑‒–—　\u00a0\u200b]{0,3}", "(?:^|[^0-9])", "(?:$|[^0-9])"
    group = f"{gap}{digit}{{4}}"
    prefixes = "|".join("".join(f"[{one}{chr(ord(one) + 0xFEE0)}]" for one in prefix) for prefix in policy("card_prefixes").split())
    card = f"{group}{group}{group}{gap}{digit}{{0,3}}{after}"
    parts = (
        rf"(?:{before}(?:[0０]{{0,2}}[8８][6６]{gap}|[0０])?|[8８][6６]{gap})[1１][3-9３-９]{digit}{group}{group}{after}",
        rf"{before}[1-9１-９]{digit}{{5}}{gap}[12１２]{digit}{{3}}{gap}{digit}{{2}}{gap}{digit}{{2}}{gap}{digit}{{3}}[0-9０-９XxＸｘ×]",
        rf"{before}[1-9１-９]{digit}{{14}}{after}",
        rf"{before}(?:{prefixes}){digit}{{2}}{card}",
        rf"(?:卡号|账号|帐号|账户|帐户|银行|一卡通|存折|(?i:card|account)).{{0,12}}[3-9３-９]{digit}{{3}}{card}",
        r"[1-8１-８][.．][0-9０-９]+[EeＥｅ][+＋]?[1１][7７]",
        rf"(?:电话|電話|固话|座机|联系方式|手机|(?i:tel|phone)).{{0,12}}{digit}{{7}}",
    )
    return "|".join(parts)


class Span(NamedTuple):
    """A stretch of text that looks personal; ``certain`` when a date with a check digit, or a word beside it, says so."""

    start: int
    end: int
    what: str
    certain: bool
    digits_lost: bool = False


def policy(name: str) -> str:
    """Return a choice of data/codes/disclosure.csv, as text."""
    return value_of("disclosure", name)


@cache
def _provinces() -> frozenset[str]:
    return frozenset(table("provinces")["code"])


@cache
def _born(digits: str) -> bool:
    """Return whether somebody on a register can have been born on this day, written yyyymmdd."""
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:  # no such day, as 31 February
        return False
    return int(policy("earliest_birth_year")) <= day.year and day <= date.today()


def _check_digits(numbers: Sequence[str]) -> Flags:
    """Return (n,) flags: which identity numbers of 18 digits carry the check digit of GB 11643."""
    digits = np.frombuffer("".join(numbers).encode(), dtype=np.uint8).reshape(-1, 18)
    weights = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
    sums = (digits[:, :17].astype(np.int64) - ord("0")) @ weights % 11
    good: Flags = np.frombuffer(b"10X98765432", dtype=np.uint8)[sums] == digits[:, 17]
    return good


def _luhn(numbers: Sequence[str]) -> Flags:
    """Return (n,) flags: which card numbers of at most 19 digits carry Luhn's check digit."""
    padded = "".join(number.zfill(20) for number in numbers)  # zeros in front change no sum
    digits = np.frombuffer(padded.encode(), dtype=np.uint8).reshape(-1, 20).astype(np.int64) - ord("0")
    digits[:, 0::2] = np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9])[digits[:, 0::2]]
    good: Flags = digits.sum(axis=1) % 10 == 0
    return good


def _beside(word: re.Pattern[str], text: str, start: int) -> bool:
    """Return whether a word stands shortly before a place, in the same line."""
    return bool(word.search(text[max(0, start - _BESIDE) : start].rpartition("\n")[2]))


def _ids(text: str) -> Iterator[Span]:
    matches = list(_ID.finditer(text))
    numbers = [re.sub(r"[ ._-]", "", match.group()).upper().replace("×", "X")[:18] for match in matches]
    for match, number, checked in zip(matches, numbers, _check_digits(numbers), strict=True):
        # A spreadsheet keeps 15 digits of a number and writes zeros for the rest.
        lost = not checked and number.endswith("000")
        if (checked or lost) and number[:2] in _provinces() and _born(number[6:14]):
            yield Span(*match.span(), "id", True, lost)
    for match in _LOST_ID[0].finditer(text):
        mantissa = _LOST_ID[1].search(text[max(0, match.start() - 20) : match.start()])
        if mantissa and mantissa.group()[0] + mantissa.group()[2] in _provinces():
            yield Span(match.start() - len(mantissa.group()), match.end(), "id", False, True)


def _old_ids(text: str) -> Iterator[Span]:
    for match in _OLD_ID.finditer(text):
        number, beside = match.group(), _beside(_ID_WORD, text, match.start())
        old_enough = beside or int(number[6:8]) >= int(policy("old_id_first_year"))
        if old_enough and number[:2] in _provinces() and _born("19" + number[6:12]):
            yield Span(*match.span(), "id", beside)


def _cards(text: str) -> Iterator[Span]:
    matches = list(_CARD.finditer(text))
    prefixes = tuple(policy("card_prefixes").split())
    numbers = [match.group().replace(" ", "").replace("-", "") for match in matches]
    for match, number, checked in zip(matches, numbers, _luhn(numbers), strict=True):
        if checked and ((beside := _beside(_CARD_WORD, text, match.start())) or number.startswith(prefixes)):
            yield Span(*match.span(), "account", beside)


def _phones(text: str) -> Iterator[Span]:
    yield from (Span(*match.span(), "phone", False) for match in _PHONE.finditer(text))
    yield from (Span(*match.span(1), "phone", True) for match in _LANDLINE.finditer(text))


def recognise(text: str) -> list[Span]:
    """Return what looks personal in a text: identity, card and telephone numbers, none of them overlapping.

    An identity number has 18 digits, begins with a province, holds a birthday from 1900 to today and the check digit of GB 11643,
    or 15 digits with a birthday; a card 16 to 19 digits with Luhn's check digit; a landline counts beside a word only.

    >>> [(span.start, span.what) for span in recognise("电话１３８-0000-0000，补贴13800000000元")]
    [(2, 'phone')]
    """
    plain = text.translate(_PLAIN) if _WIDE.search(text) else text
    kept: list[Span] = []
    taken = bytearray(len(plain))
    for find in (_ids, _old_ids, _cards, _phones):
        for span in find(plain):
            if not any(taken[span.start : span.end]):
                taken[span.start : span.end] = b"\1" * (span.end - span.start)
                kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def safe(value: str) -> str:
    """Return a text in which everything that looks personal is masked.

    >>> safe("手机13800000000")
    '手机＊＊＊'
    """
    while spans := recognise(value):  # what stood beside one number may be another
        for span in reversed(spans):
            value = value[: span.start] + MASK + value[span.end :]
    return value


def masked(said: object) -> object:
    """Return something said in which every text is masked by ``safe``, inside lists and mappings too; all else is as it was.

    >>> masked({"first": ["手机13800000000", 13]})
    {'first': ['手机＊＊＊', 13]}
    """
    if isinstance(said, str):
        return safe(said)
    if isinstance(said, Mapping):
        return {masked(name): masked(value) for name, value in said.items()}
    if isinstance(said, (list, tuple)):
        kept = [masked(value) for value in said]
        return kept if isinstance(said, list) else tuple(kept)
    return said
