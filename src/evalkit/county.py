"""One county of a study: which counties there are, and the study on the rows of one of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit.errors import StudyError, first_five, nearest, unknown
from evalkit.records import County
from evalkit.study import Study
from evalkit.study_data import Loaded, rolled
from evalkit.words import LANGUAGES, catalogue

SHOWN = 10  # counties that a message lists


class NoCounty(StudyError):
    """A county that has no effect to tell: what is said in English by ``str()``, in either language by ``say``."""

    def __init__(self, said: Mapping[str, str]) -> None:
        self.said = dict(said)
        super().__init__(self.said["en"])

    def say(self, lang: str) -> str:
        """Return the reason and the cure in one language."""
        return self.said[lang]


def counties(study: Study, loaded: Loaded) -> dict[str, str]:
    """Return the counties in which the programme reached somebody by the end of the window: code -> name, in the order of the codes.

    Raises
    ------
    StudyError
        Where the study names no column of counties, the data lack it, or a unit lies in several counties.
    """
    return _reached(_names(study, loaded), _listed(study, loaded))


def within(study: Study, loaded: Loaded, county: str) -> tuple[Study, Loaded]:
    """Return the study and the data of one county.

    Parameters
    ----------
    study, loaded : the study and its data
    county : a code, or a name that one county alone has

    Notes
    -----
    Where units lie within counties (villages, households), a county is compared with itself: its rows alone, so that what
    happened to the whole county in some year is in both groups. Where the unit is the county, it is compared with the units
    that are not covered by the end of the window; all others leave. Figures that stand for the whole area
    (``published``, ``truth``) leave with them. One unit has no odds of being treated that could be learned, so covariates then
    enter by a regression among the comparison (``method: reg``).

    Raises
    ------
    NoCounty
        For a county that is not there, or that the programme has not reached.
    """
    names, listed = _names(study, loaded), _listed(study, loaded)
    found = _reached(names, listed)
    county = code_of(county, names)
    if county not in found:
        raise _not_found(county, study, names, found)
    alone = not listed["county"].duplicated().any()
    kept = listed["unit"][(listed["county"] == county) | (alone & ~listed["covered"])]
    frame = loaded.frame[loaded.frame[study.unit].isin(kept)].reset_index(drop=True)
    events = loaded.events
    if events is not None:
        events = replace(events, frame=events.frame[events.frame["unit"].astype(str).isin(set(kept.astype(str)))])
    here = replace(loaded, frame=frame, events=events, county=County(code=county, name=found[county]))
    method = "reg" if alone else study.method
    return study.model_copy(update={"truth": None, "published": (), "method": method}), here


def code_of(said: str, names: Mapping[str, str]) -> str:
    """Return the code of a county that is given by its code or by its name; what is neither is returned as it is.

    Raises NoCounty for a name that several counties have.

    >>> code_of(" 甲水县", {"990122": "甲水县"}), code_of("９９０１２２", {"990122": "甲水县"}), code_of("乙县", {"990122": "甲水县"})
    ('990122', '990122', '乙县')
    """
    said = unicodedata.normalize("NFKC", said).strip()
    codes = [code for code, name in names.items() if unicodedata.normalize("NFKC", name).strip() == said]
    if said in names or not codes:
        return said
    if len(codes) > 1:
        raise NoCounty(_said("several", name=said, codes=codes))
    return codes[0]


def _not_found(county: str, study: Study, names: Mapping[str, str], found: Mapping[str, str]) -> NoCounty:
    allowed = [_called(code, found) for code in found]
    if county in names:
        facts = {"county": _called(county, names), "end": study.window[1]}
        return NoCounty(
            {
                lang: _say(lang, "not_reached", programme=getattr(study.programme, lang), listed=allowed, **facts)
                for lang in LANGUAGES
            }
        )
    codes = {name: code for code, name in found.items()} | {code: code for code in found}
    near = dict.fromkeys(codes[one] for one in nearest(county, list(codes)))
    key = "unknown_near" if near else "unknown"
    return NoCounty(_said(key, county=county, near=[_called(code, found) for code in near], listed=allowed))


def _called(code: str, names: Mapping[str, str]) -> str:
    return code if names[code] == code else f"{code} {names[code]}"


def _said(key: str, **facts: object) -> dict[str, str]:
    return {lang: _say(lang, key, **facts) for lang in LANGUAGES}


def _say(lang: str, key: str, **facts: object) -> str:
    words = catalogue(lang)
    told = {name: words.listing(fact, shown=SHOWN) if isinstance(fact, list) else fact for name, fact in facts.items()}
    return words.say(f"batch.county.{key}", **told)


def _reached(names: dict[str, str], listed: pd.DataFrame) -> dict[str, str]:
    reached = set(listed.loc[listed["covered"], "county"])
    return {code: name for code, name in names.items() if code in reached}


def _listed(study: Study, loaded: Loaded) -> pd.DataFrame:
    """Return a row per unit: unit, its county's code, and whether the programme reached it by the end of the window."""
    column = _column(study, loaded)
    panel, rollout, _ = rolled(study, loaded.frame, loaded.events)  # no design: where all are covered at once there is none
    start = pd.Series(rollout.first_treated, index=panel.units)
    listed = pd.DataFrame({"unit": loaded.frame[study.unit], "county": _codes(loaded.frame[column])}).drop_duplicates(
        ignore_index=True
    )
    if (twice := listed["unit"].duplicated()).any():
        units = listed.loc[twice, "unit"].unique().tolist()
        raise StudyError(
            f"county {column!r} changes over time within {len(units):,} units: {first_five(units)}. A unit lies in one county: give the "
            "county of one fixed year."
        )
    return listed.assign(covered=listed["unit"].map(start) <= study.window[1])


def _column(study: Study, loaded: Loaded) -> str:
    if study.county is None:
        raise StudyError(
            f"The study {study.name!r} names no column of counties. Add county: (the column with each row's county code) to the "
            "study, and county_name: where the data have their names."
        )
    for name in (study.county, study.county_name):
        if name is not None and name not in loaded.frame.columns:
            raise StudyError(unknown("column", name, [str(c) for c in loaded.frame.columns]))
    return study.county


def _codes(values: pd.Series) -> pd.Series:
    """Return codes as text: 990121 whether the file holds a whole number, a decimal or text."""
    if pd.api.types.is_float_dtype(values) and values.notna().all() and (values == np.floor(values)).all():
        values = values.astype("int64")
    return values.astype(str)


def _names(study: Study, loaded: Loaded) -> dict[str, str]:
    """Return every county's code and its name of the last period, the code itself where the data have no names."""
    column = _column(study, loaded)
    frame = loaded.frame.sort_values(study.period, kind="stable")
    codes = _codes(frame[column])
    names = codes if study.county_name is None else frame[study.county_name].astype(str)
    last = dict(zip(codes, names, strict=True))
    return {code: last[code] for code in sorted(last)}
