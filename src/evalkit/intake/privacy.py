"""Personal data in a table: found by heading and by pattern, then dropped, hashed or masked, and never shown.

What neither a heading nor a pattern betrays is not found: only people see a person's name inside a remark.
"""

from __future__ import annotations

import hmac
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from evalkit.codes import table
from evalkit.errors import nearest
from evalkit.intake.observations import SHOWN, IntakeError, Place, Problem, Question
from evalkit.words import Catalogue

MASK = "＊＊＊"
WAYS = ("drop", "hash", "mask")
HASH_LENGTH = 16  # hexadecimal characters
EXACT = 2.0**53  # from here on a floating-point number no longer keeps every digit

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

# One character for one character, so that places in the text stay where they are.
_PLAIN = str.maketrans("０１２３４５６７８９Ｘｘ＋．－‐‑‒–—　\u00a0\u200b", "0123456789Xx+.------   ")
_WIDE = re.compile("[０-９Ｘｘ＋．－‐‑‒–—　\u00a0\u200b]")


def _first(digit: str) -> str:
    """Return the pattern of a number's first digit: no letter, digit or decimal point stands before it ("Tel.138" is no decimal).

    The digit comes first and looks behind itself, because a pattern that begins with a class of characters is searched fast.
    """
    words = "|".join(
        f"(?<={word}{digit})"
        for word in (r"[A-Za-z一-鿿]{2}\.", "[Tt][Ee][Ll]", "[Pp][Hh][Oo][Nn][Ee]", "[Mm][Oo][Bb][Ii][Ll][Ee]")
    )
    return f"{digit}(?<![0-9]{digit})(?:(?<![A-Za-z.¥￥$]{digit})|{words})"


# No letter, digit or decimal stands after it, and it is no sum of money.
_END = r"(?![0-9A-Za-z]|\.[0-9]| ?(?:元|万|亿|公斤|千克|吨|亩|平方|%|％))"
_ALONE = r"(?![ -][0-9])"  # one of a row of numbers is no group of digits
_DATE = r"(?:0[1-9]|1[0-2])[ -]?(?:0[1-9]|[12][0-9]|3[01])"
_ID = re.compile(rf"[1-9](?<![0-9][1-9])[0-9]{{5}}[ -]?(?:19|20)[0-9]{{2}}[ -]?{_DATE}[ -]?[0-9]{{3}}[0-9Xx](?![0-9])")
_OLD_ID = re.compile(rf"{_first('[1-9]')}[0-9]{{7}}{_DATE}[0-9]{{3}}{_END}")
_LOST_ID = re.compile(r"[Ee]\+?17(?![0-9])"), re.compile(r"(?<![0-9A-Za-z.])[1-8]\.[0-9]{1,16}$")  # 5.30602E+17
_CARD = re.compile(
    rf"{_first('[3-9]')}[0-9]{{3}}(?:[0-9]{{12,15}}|(?<![0-9][ -][0-9]{{4}})([ -])[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{4}}(?:\1[0-9]{{1,3}})?{_ALONE}){_END}"
)
_DIALLED = "|".join(
    rf"(?<={code}1)(?<![0-9A-Za-z.]{code}1)" for code in ("86", "0086", "0")
)  # codes dialled before a mobile number
_PHONE = re.compile(
    rf"(?:{_first('1')}|1(?:{_DIALLED}))[3-9][0-9](?:[0-9]{{8}}|(?:(?<![0-9][ -][0-9]{{3}})|(?<=86[ -][0-9]{{3}}))([ -])[0-9]{{4}}\1[0-9]{{4}}{_ALONE}){_END}"
)
_LANDLINE = re.compile(
    r"[话話机式lLeE](?:(?<=电话)|(?<=電話)|(?<=固话)|(?<=座机)|(?<=手机)|(?<=联系方式)|(?<=[Tt][Ee][Ll])|(?<=[Pp][Hh][Oo][Nn][Ee]))"
    rf"[号码是为:： .]{{0,4}}((?:\(?0[0-9]{{2,3}}\)?[ -]?)?[2-8][0-9]{{6,7}}){_END}"
)
_ID_WORD = re.compile("(?i)身份|证件|证号|id")
_CARD_WORD = re.compile("(?i)卡号|账号|帐号|账户|帐户|银行|一卡通|存折|card|account")
_BESIDE = 12  # characters before a number in which a word counts as standing beside it

_NUMBER = r"^[\s0-9０-９.,+\-eE]+$"


@cache
def _near() -> str:
    """Return the patterns above once more, for arrow and somewhat wider: a cell that does not match holds none of them."""
    digit, gap, before, after = "[0-9０-９]", "[ \\-－‐‑‒–—　\u00a0\u200b]?", "(?:^|[^0-9])", "(?:$|[^0-9])"
    group = f"{gap}{digit}{{4}}"
    prefixes = "|".join("".join(f"[{one}{chr(ord(one) + 0xFEE0)}]" for one in prefix) for prefix in policy("card_prefixes").split())
    card = f"{group}{group}{group}{gap}{digit}{{0,3}}{after}"
    parts = (
        rf"(?:{before}(?:[0０]{{0,2}}[8８][6６]{gap}|[0０])?|[8８][6６]{gap})[1１][3-9３-９]{digit}{group}{group}{after}",
        rf"{before}[1-9１-９]{digit}{{5}}{gap}[12１２]{digit}{{3}}{gap}{digit}{{2}}{gap}{digit}{{2}}{gap}{digit}{{3}}[0-9０-９XxＸｘ]{after}",
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


@dataclass(frozen=True)
class Personal:
    """A column with personal data: where and how much, never which.

    Attributes
    ----------
    position : int
        Position of the column, from 0.
    heading : str
        The heading in the file's own words; what looks personal in it is masked.
    what : "name" | "id" | "phone" | "account" | "address"
    found_by : "heading" | "pattern"
    count : int
        Cells that hold it: all filled cells when the heading says so.
    rows : the first five rows, from 0
    digits_lost : bool
        Whether long numbers were saved as floating-point numbers, so that their last digits are gone.
    """

    position: int
    heading: str
    what: str
    found_by: str
    count: int
    rows: tuple[int, ...] = ()
    digits_lost: bool = False


@dataclass(frozen=True)
class Removal:
    """What was done to one column: its heading, what it held, in how many cells, and the way: drop, hash or mask."""

    heading: str
    what: str
    way: str
    found_by: str
    count: int

    def say(self, words: Catalogue) -> str:
        """Return the removal in words."""
        what = words.say(f"personal.{self.what}")
        return words.say(f"privacy.{self.way}", heading=self.heading, what=what, count=f"{self.count:,}")


@dataclass(frozen=True)
class Protected:
    """The record of what was removed, without a value: ``kept`` holds the old positions of the columns that are left."""

    removed: tuple[Removal, ...]
    kept: tuple[int, ...]
    headings: tuple[str, ...]

    def say(self, words: Catalogue) -> tuple[str, ...]:
        """Return one sentence for each removal, or one that says that nothing personal was found."""
        return tuple(removal.say(words) for removal in self.removed) or (words.say("privacy.nothing"),)


@cache
def policy(name: str) -> str:
    """Return a choice of data/codes/disclosure.csv, as text."""
    return str(table("disclosure").set_index("name")["value"][name])


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
    numbers = [match.group().replace(" ", "").replace("-", "").upper() for match in matches]
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


def _plain_heading(heading: str) -> str:
    """Return a heading without spaces, marks, pinyin in brackets and width, in small letters."""
    text = re.sub(r"\s|[*#★※_]+$", "", unicodedata.normalize("NFKC", heading).lower().strip())
    return re.sub(r"(?<=[\u3400-\u9fff])\([a-z\u00df-\u024f]+\)", "", text)


@cache
def _heading_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return what each row of the table stands for and its pattern, in order of precedence."""
    rows = table("personal_headings")
    rank = {("exact", True): 0, ("exact", False): 1, ("contains", True): 2, ("contains", False): 3}
    found = []
    for pattern, what, match in zip(rows["pattern"], rows["what"], rows["match"], strict=True):
        word = re.escape(_plain_heading(pattern))
        inside = rf"(?<![a-z]){word}(?![a-z])" if pattern.isascii() else word
        # The lowest line of a heading of several lines says what the column holds.
        whole = rf"(?:^|\|){word}(?:\([^|]*\)|[0-9]+)?$"
        found.append((rank[match, what in ("none", "amount")], what, re.compile(whole if match == "exact" else inside)))
    return tuple((what, pattern) for _, what, pattern in sorted(found, key=lambda row: row[0]))


@cache
def _reading(heading: str) -> str | None:
    plain = _plain_heading(heading)
    return next((what for what, pattern in _heading_patterns() if pattern.search(plain)), None)


def personal_heading(heading: str) -> str | None:
    """Return what personal data a heading announces, or None.

    >>> [personal_heading(heading) for heading in ("户主姓名", "联系电话", "县名", "固定电话用户（户）", "basic|id_card")]
    ['name', 'phone', None, None, 'id']
    """
    return what if (what := _reading(heading)) not in ("none", "amount") else None


def _arrow(column: pd.Series) -> pa.Array:
    """Return a column as an arrow array of numbers or texts; mixed cells become texts."""
    if column.dtype == object:
        column = column.astype("str")
    values = pa.array(column.array, from_pandas=True)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _is_text(values: pa.Array) -> bool:
    return bool(pa.types.is_string(values.type) or pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type))


def _is_number(values: pa.Array) -> bool:
    return bool(pa.types.is_integer(values.type) or pa.types.is_floating(values.type))


def _matching(values: pa.Array, pattern: str) -> Flags:
    flags: Flags = pc.fill_null(pc.match_substring_regex(values, pattern), False).to_numpy(zero_copy_only=False)
    return flags


def _filled(values: pa.Array) -> Flags:
    """Return (n,) flags: which cells hold something."""
    if _is_text(values):
        return _matching(values, r"\S")
    flags: Flags = pc.is_valid(values).to_numpy(zero_copy_only=False)
    return flags


def _is_hashed(values: pa.Array) -> bool:
    """Return whether every filled cell is a hash as ``protect`` writes it."""
    if not _is_text(values) or not len(first := values.drop_null().slice(0, 1)) or len(first[0].as_py()) != HASH_LENGTH:
        return False
    hashed = _matching(values, f"^[0-9a-f]{{{HASH_LENGTH}}}$")
    return bool((hashed == _filled(values)).all() and _matching(values, "[a-f]").any())


def _can_hold(values: pa.Array, what: str) -> bool:
    """Return whether cells below a personal heading can be personal: 1 and 0 below "mobile phone" are not numbers of phones."""
    if _is_number(values):
        largest = pc.max(values).as_py()
        return what not in ("name", "address") and largest is not None and largest >= 1e5
    if not _is_text(values):
        return False
    if (
        what == "name"
        and _matching(values, r"[省市县區区州盟旗乡镇村组处]\s*$|街道\s*$").sum() * 2 > _matching(values, r"\S").sum()
    ):
        return False  # the names of places
    pattern = r"\p{L}" if what in ("name", "address") else r"(?:[0-9０-９A-Za-z*＊][ \-－]?){5}"
    return bool(_matching(values, pattern).any())


def _digits_lost(values: pa.Array) -> bool:
    """Return whether long numbers below a personal heading were saved as floating-point numbers."""
    if _is_number(values):
        return bool(pa.types.is_floating(values.type)) and pc.max(values).as_py() >= EXACT
    filled = int(_filled(values).sum())
    return bool(
        _matching(values, r"^\s*[1-9](?:\.[0-9]+)?[Ee]\+?1[5-8]\s*$").any()
        or _matching(values, "^[0-9]{15}0{3}$").sum() * 2 > filled
    )


def _candidates(values: pa.Array) -> tuple[Rows, list[str]]:
    """Return the rows whose cells may hold something personal, and their texts."""
    if _is_text(values):
        longest = pc.max(pc.binary_length(values)).as_py()
        rows = np.flatnonzero(_matching(values, _near())) if longest is not None and longest >= 9 else np.empty(0, dtype=np.int64)
        return rows, values.take(pa.array(rows)).to_pylist() if len(rows) else []
    if not _is_number(values):
        return np.empty(0, dtype=np.int64), []
    sizes = np.nan_to_num(pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False), posinf=0, neginf=0)
    rows = np.flatnonzero((sizes >= 1e10) & (sizes < 1e19) & (sizes == np.floor(sizes)))
    numbers = [int(number) for number in values.take(pa.array(rows)).to_pylist()]
    # A floating-point number keeps 15 to 17 digits: what a spreadsheet would have written is left of it.
    floating = pa.types.is_floating(values.type)
    return rows, [str(round(number, -3)) if floating and number >= 1e17 else str(number) for number in numbers]


def _spans_by_cell(texts: Sequence[str]) -> list[tuple[int, Span, bool]]:
    """Return (cell, span, whether the span is the whole cell and uncertain) for everything recognised in many cells."""
    number = re.compile(_NUMBER)
    lines = [text.replace("\n", " ") for text in texts]
    starts = np.cumsum([0, *(len(line) + 1 for line in lines)])
    spans = recognise("\n".join(lines))
    cells = np.searchsorted(starts, [span.start for span in spans], side="right") - 1
    return [
        (cell, span, not span.certain and bool(number.match(lines[cell]))) for cell, span in zip(cells.tolist(), spans, strict=True)
    ]


def _by_pattern(position: int, heading: str, values: pa.Array) -> Iterator[Personal]:
    rows, texts = _candidates(values)
    found = _spans_by_cell(texts) if texts else []
    if not found:
        return
    numbers = int(_matching(values, _NUMBER).sum()) if _is_text(values) else int(_filled(values).sum())
    floating = pa.types.is_floating(values.type)
    for what in ("id", "account", "phone"):
        alone = {cell for cell, span, whole in found if span.what == what and whole}
        # Sums of money have eleven digits now and then, a column of telephone numbers always.
        amounts = _reading(heading) == "amount" or len(alone) < float(policy("own_number_share")) * numbers
        cells = sorted({cell for cell, span, whole in found if span.what == what and not (whole and amounts)})
        if cells:
            # Of numbers in a floating-point column, those of 18 digits are no longer exact even if the check digit agrees by chance.
            lost = any(span.digits_lost or (floating and span.certain) for _, span, _ in found if span.what == what)
            yield Personal(position, safe(heading), what, "pattern", len(cells), tuple(rows[cells[:SHOWN]].tolist()), lost)


def find_personal(cells: pd.DataFrame, headings: Sequence[str]) -> tuple[Personal, ...]:
    """Return the columns that hold personal data, by what their headings say or by what their cells look like.

    A column can be named more than once, as when remarks hold telephone and identity numbers. Columns that ``protect`` hashed are
    not named. No value is kept.

    Parameters
    ----------
    cells : (n, k) frame
    headings : k headings in the file's own words, in the order of the columns

    Examples
    --------
    >>> cells = pd.DataFrame({0: ["张某", "李某"], 1: ["2350", "2410"], 2: ["电话13800000000", None]})
    >>> [(column.heading, column.what, column.found_by, column.count) for column in find_personal(cells, ["户主", "收入", "备注"])]
    [('户主', 'name', 'heading', 2), ('备注', 'phone', 'pattern', 1)]
    """
    found: list[Personal] = []
    for position, heading in enumerate(headings):
        values = _arrow(cells.iloc[:, position])
        if _is_hashed(values):
            continue
        what = personal_heading(heading)
        if what and _can_hold(values, what):
            rows = np.flatnonzero(_filled(values))
            lost = what in ("id", "account") and _digits_lost(values)
            found.append(Personal(position, safe(heading), what, "heading", len(rows), tuple(rows[:SHOWN].tolist()), lost))
        else:
            found.extend(_by_pattern(position, heading, values))
    return tuple(found)


def question_lost_digits(personal: Sequence[Personal], lines: Rows | None = None) -> tuple[Question, ...]:
    """Return a question for every column whose long numbers were saved as floating-point numbers and lost their last digits.

    ``lines`` are (n,) lines of the file by row, to say where.
    """
    return tuple(
        Question(
            "ID_DIGITS_LOST",
            {"heading": column.heading},
            tuple(Place(None if lines is None else int(lines[row]), column.heading) for row in column.rows),
            column.count,
        )
        for column in personal
        if column.digits_lost
    )


def read_salt(source: str) -> bytes:
    """Return the salt that a file holds, or an environment variable when the source is ``env:NAME``.

    Raises
    ------
    IntakeError
        When there is no such file or variable, or the salt is shorter than 16 bytes.
    """
    if source.startswith("env:"):
        salt = os.environ.get(source.removeprefix("env:"), "").strip().encode()
    else:
        salt = Path(source).read_bytes().strip() if Path(source).is_file() else b""
    if not salt:
        raise IntakeError(Problem("SALT_NOT_FOUND", {"source": source if source.startswith("env:") else Path(source).name}))
    return _long_enough(salt)


def _long_enough(salt: str | bytes) -> bytes:
    salt, least = salt.encode() if isinstance(salt, str) else salt, int(policy("salt_length"))
    if len(salt) < least:
        raise IntakeError(Problem("SALT_TOO_SHORT", {"least": least}))
    return salt


def _ways(headings: Sequence[str], personal: Sequence[Personal], how: Mapping[str, str], salted: bool) -> dict[int, str]:
    """Return the way of every column that is to be changed, by position; raises IntakeError with all problems at once."""
    problems: list[Problem] = []
    for heading, way in how.items():
        if heading not in headings:
            close = nearest(heading, list(headings))
            problems.append(
                Problem("PRIVACY_HEADING_ABSENT", {"heading": safe(heading), "nearest": "、".join(map(safe, close)) or "-"})
            )
        if way not in WAYS:
            problems.append(Problem("PRIVACY_WAY_UNKNOWN", {"heading": safe(heading), "way": way}))
    ways = {column.position: how.get(headings[column.position], "drop") for column in personal}
    ways |= {position: how[heading] for position, heading in enumerate(headings) if heading in how}
    hashed = [position for position in sorted(ways) if ways[position] == "hash"]
    if hashed and not salted:
        problems.append(Problem("SALT_NEEDED", {"headings": "、".join(safe(headings[position]) for position in hashed)}))
    for column in personal:
        if column.digits_lost and column.position in hashed:
            problems.append(Problem("LOST_DIGITS_HASHED", {"heading": column.heading}, count=column.count))
    if problems:
        raise IntakeError(problems)
    return ways


def _hashed(values: pa.Array, salt: bytes) -> pd.Series:
    """Return (n,) hashes: HMAC-SHA-256 of the value without width, spaces and hyphens, its first 16 hexadecimal characters."""
    encoded = values.dictionary_encode()
    hashes = []
    for value in encoded.dictionary.to_pylist():
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        plain = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", str(whole))).upper()
        hashes.append(hmac.digest(salt, plain.encode(), "sha256").hex()[:HASH_LENGTH] if plain else None)
    return pd.Series(pa.array(hashes, pa.large_string()).take(encoded.indices).to_pandas(), dtype="str")


def _masked(values: pa.Array, whole: bool) -> pd.Series:
    """Return the column with what looks personal masked: the whole cell, or the stretch of text; numbers become missing."""
    rows, texts = (np.flatnonzero(_filled(values)), []) if whole else _candidates(values)
    if not _is_text(values):
        gone = np.isin(np.arange(len(values)), rows)
        return pd.Series(values.to_numpy(zero_copy_only=False), dtype="float64").mask(gone)
    column: pd.Series = values.to_pandas().astype(object)
    column.iloc[rows] = MASK if whole else [safe(text) for text in texts]
    return pd.Series(column, dtype="str")


def protect(
    cells: pd.DataFrame,
    headings: Sequence[str],
    personal: Sequence[Personal],
    how: Mapping[str, str] | None = None,
    *,
    salt: str | bytes | None = None,
) -> tuple[pd.DataFrame, Protected]:
    """Return the cells without personal data, their columns numbered anew from 0, and the record of what was removed.

    Parameters
    ----------
    personal : what ``find_personal`` found
    how : heading -> "drop" (whatever is not named), "hash" (an identifier by which households are followed) or "mask"
        Mask replaces what looks personal inside a text, and the whole cell below a personal heading. A column that nobody found can be
        named too.
    salt : str or bytes
        The secret of the hashes, at least 16 bytes, from ``read_salt``; the same salt gives the same hash. It is kept nowhere.

    Raises
    ------
    IntakeError
        When a heading or a way is unknown, a hash lacks its salt, or a column to hash has lost digits, so that persons would merge.

    Examples
    --------
    >>> cells = pd.DataFrame({0: ["张某", "李某"], 1: ["2350", "2410"]})
    >>> left, record = protect(cells, ["户主", "收入"], find_personal(cells, ["户主", "收入"]))
    >>> record.headings, [(removal.heading, removal.way, removal.count) for removal in record.removed]
    (('收入',), [('户主', 'drop', 2)])
    """
    ways = _ways(headings, personal, how or {}, salt is not None)
    secret = _long_enough(salt) if salt is not None else b""
    by_heading = {column.position for column in personal if column.found_by == "heading"}
    kept = tuple(position for position in range(len(headings)) if ways.get(position) != "drop")
    columns: dict[int, pd.Series] = {}
    for new, position in enumerate(kept):
        column = cells.iloc[:, position]
        if way := ways.get(position):
            values = _arrow(column)
            column = _hashed(values, secret) if way == "hash" else _masked(values, position in by_heading)
            column.index = cells.index
        columns[new] = column
    record = Protected(
        tuple(_removals(cells, headings, personal, ways)), kept, tuple(safe(headings[position]) for position in kept)
    )
    return pd.DataFrame(columns, index=cells.index), record


def _removals(
    cells: pd.DataFrame, headings: Sequence[str], personal: Sequence[Personal], ways: Mapping[int, str]
) -> Iterator[Removal]:
    named = {column.position for column in personal}
    for column in personal:
        yield Removal(column.heading, column.what, ways[column.position], column.found_by, column.count)
    for position in sorted(set(ways) - named):
        count = int(_filled(_arrow(cells.iloc[:, position])).sum())
        yield Removal(safe(headings[position]), "chosen", ways[position], "choice", count)
