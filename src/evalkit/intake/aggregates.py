"""Rows that sum up or average other rows: totals, "of which", whole provinces and prefectures in a table of counties."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.codes import table
from evalkit.intake.headers import short_code

Reasons = npt.NDArray[np.object_]
PLACES = frozenset({"county", "township", "village"})
_NUMBERING = re.compile(r"^(?:[（(]?[一二三四五六七八九十\d]{1,2}[)）、.．]|[#＃*★])+")
_NUMBERED = r"[0-9A-Za-z_-]*[0-9][0-9A-Za-z_-]*"  # numbers of households by the million, and never a word
_BRACKETS = re.compile(r"[（(][^（）()]*[）)]$")


def aggregate_rows(
    name: pd.Series[Any] | None, code: pd.Series[Any] | None, level: str, known_names: Collection[str] = frozenset()
) -> Reasons:
    """Return (n,) why a row is no unit of its own: total, subtotal, of_which, average, province, prefecture; "" for a unit.

    Nothing is removed here. A name that is not known is a unit; so is a county-level city, whose name ends like a prefecture's.

    Parameters
    ----------
    name, code : (n,) names and administrative codes; either may be None
    level : what a row is: household, village, township, county, prefecture or province
    known_names : names of provinces and prefectures, for rows of a county table that have no code

    Examples
    --------
    >>> names = pd.Series(["合  计", "甘肃省", "漳县", "射洪市", "其中：贫困县"])
    >>> aggregate_rows(names, None, "county").tolist()
    ['total', 'province', '', '', 'of_which']
    """
    if name is None and code is None:
        raise ValueError("aggregate_rows needs names or codes")
    count = len(name if name is not None else code)  # type: ignore[arg-type]
    reasons = np.full(count, "", dtype=object)
    codes = None if code is None else _as_codes(code)
    if name is not None:
        names, index = _distinct(name)
        reasons = np.array([_by_word(one, level) for one in names] or [""], dtype=object)[index]
    if codes is not None and level in {"county", "prefecture"}:
        reasons = np.where(reasons == "", _by_code(codes, level), reasons)
    if name is not None and level == "county":
        without_code = np.ones(count, dtype=bool) if codes is None else codes == ""
        known = {compact(one) for one in known_names}
        by_name = np.array([_by_place(one, known) for one in names] or [""], dtype=object)[index]
        reasons = np.where((reasons == "") & without_code, by_name, reasons)
        if codes is not None:
            reasons = np.where((reasons == "") & _districts_together(names[index], codes), "subtotal", reasons)
    return reasons


def compact(text: str) -> str:
    """Return a name without any space, in half-width forms.

    >>> compact("合　 计 ")
    '合计'
    """
    return "".join(unicodedata.normalize("NFKC", text).split())


def _distinct(name: pd.Series[Any]) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.intp]]:
    """Return the distinct compacted names, numbers such as H0001 as "", and (n,) which of them each row has."""
    text = name.astype("str").fillna("").str.strip()
    index, values = pd.factorize(text.mask(text.str.fullmatch(_NUMBERED), ""))
    return np.array([compact(str(value)) for value in values], dtype=object), index


def _as_codes(code: pd.Series[Any]) -> npt.NDArray[np.object_]:
    """Return codes as text of six digits, "" for anything that is no county, prefecture or province code."""
    text = code.astype("Int64").astype("str") if pd.api.types.is_numeric_dtype(code) else code.astype("str")
    text = text.fillna("").str.strip().map(short_code)
    codes: npt.NDArray[np.object_] = text.where(text.str.fullmatch(r"[1-9]\d{5}"), "").to_numpy(dtype=object)
    return codes


@cache
def _words(level: str) -> tuple[tuple[str, str, str], ...]:
    """Return the words that count at a level, without spaces: word, match and reason, exact ones first."""
    words = table("layout_aggregates")
    fits = (words["level"] == "any") | ((words["level"] == "place") & (level in PLACES))
    chosen = words[fits].sort_values("match", key=lambda match: match != "exact", kind="stable")
    rows = chosen[["word", "match", "reason"]].itertuples(index=False, name=None)
    return tuple((compact(word), match, reason) for word, match, reason in rows)


_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "exact": lambda name, word: name.casefold() == word.casefold(),
    "prefix": str.startswith,
    "suffix": str.endswith,
}


def _by_word(name: str, level: str) -> str:
    bare = _NUMBERING.sub("", _BRACKETS.sub("", name)).rstrip(":：")
    for word, match, reason in _words(level):
        if _MATCHES[match](bare, word) or _MATCHES[match](name, word):
            return reason
    return ""


def _by_code(codes: npt.NDArray[np.object_], level: str) -> Reasons:
    of_their_own = set(table("layout_prefecture_counties")["code"])

    def reason(code: str) -> str:
        if code.endswith("0000"):
            return "province"
        return "prefecture" if code.endswith("00") and level == "county" and code not in of_their_own else ""

    index, values = pd.factorize(codes)
    return np.array([reason(str(value)) for value in values], dtype=object)[index]


def _by_place(name: str, known: Collection[str]) -> str:
    for word, reason in _endings():
        if name.endswith(word) and name != word:
            return reason
    if not name or name not in known:
        return ""
    return "province" if name in _provinces() else "prefecture"


@cache
def _endings() -> tuple[tuple[str, str], ...]:
    """Return how names of provinces and prefectures end, and which of them it is."""
    words = table("layout_aggregates")
    return tuple(words.loc[words["level"] == "county", ["word", "reason"]].itertuples(index=False, name=None))


@cache
def _provinces() -> frozenset[str]:
    return frozenset(table("provinces")["zh"])


def _districts_together(names: npt.NDArray[np.object_], codes: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Return (n,) whether a row 市辖区 (…01) stands beside rows of the same city's districts (…02 to …20)."""
    together = np.array([code[4:] == "01" and name == "市辖区" for name, code in zip(names, codes, strict=True)], dtype=bool)
    if together.any():
        cities = {code[:4] for code in codes if "02" <= code[4:] <= "20"}
        together &= np.array([code[:4] in cities for code in codes], dtype=bool)
    return together
