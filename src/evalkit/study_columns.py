"""The columns that a study names for checks and groups, judged before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from pandas.api.types import is_numeric_dtype

from evalkit.errors import StudyError, nearest
from evalkit.study import Study

NUMBERS = ("coordinates", "untouched", "intensity", "other_programmes", "second_comparison")  # keys whose columns hold numbers


def judge_columns(study: Study, frame: pd.DataFrame) -> None:
    """Judge what a study names under ``checks`` and ``who``.

    Raises
    ------
    StudyError
        For every column that the data do not have, for text where numbers are needed, for the outcome or a part of it as an outcome
        that the programme cannot touch, and for the start of the programme itself as that of another.
    """
    columns = [str(name) for name in frame.columns]
    named = list(_named(study))
    lost = [
        f"{key}: there is no column {name!r}" + (f" (is {' or '.join(near)} meant?)" if (near := nearest(name, columns)) else "")
        for key, name in named
        if name not in columns
    ]
    if lost:
        raise StudyError("; ".join(lost) + f". The data have {', '.join(columns)}.")
    for key, name in named:
        if key.removeprefix("checks.") in NUMBERS and not is_numeric_dtype(frame[name]):
            raise StudyError(f"{key}: the column {name!r} holds text. Name one with numbers.")
    if study.checks is None:
        return
    own = {study.outcome, *(part.column for part in study.components.values())}
    if touched := [name for name in study.checks.untouched if name in own]:
        raise StudyError(
            f"checks.untouched: {touched[0]!r} is the outcome of the study or a part of it, which the programme is meant to change. "
            "Name an outcome that it cannot touch."
        )
    if study.treatment.first_year in study.checks.other_programmes:
        raise StudyError(
            f"checks.other_programmes: {study.treatment.first_year!r} is the start of the programme itself. Name those of others."
        )


def _named(study: Study) -> Iterator[tuple[str, str]]:
    """Yield the key and the column of everything that a check or a group reads besides the headline's own columns."""
    if study.checks is not None:
        named = study.checks
        yield from (
            (f"checks.{key}", str(name))
            for key in ("same_place", "intensity", "second_comparison")
            if (name := getattr(named, key))
        )
        yield from (("checks.coordinates", name) for name in named.coordinates or ())
        yield from (("checks.regions", name) for name in named.regions)
        yield from (("checks.untouched", name) for name in named.untouched)
        yield from (("checks.other_programmes", name) for name in named.other_programmes)
    if study.who is not None:
        yield from ((f"who.groups.{name}.column", group.column) for name, group in study.who.groups.items())
        if study.who.registered is not None:
            yield "who.registered", study.who.registered
