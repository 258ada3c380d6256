"""R14: does the effect rest on one place, on the last years, or on city districts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.design import Design
from evalkit.diagnostics.leave_out import leave_out
from evalkit.diagnostics.replays import Change
from evalkit.diagnostics.variations import Periods, vary
from evalkit.dossier.checking import Work, constant_values, not_applicable
from evalkit.dossier.lines import excludes_zero, opposed, refused_line
from evalkit.dossier_records import Check, Line, Passed
from evalkit.errors import DesignError
from evalkit.how_firm import REPLAYED_CLUSTERS
from evalkit.records import Interval, Remark
from evalkit.subset import without_units

Array = np.ndarray[Any, Any]

MADE = "evalkit.dossier.samples.samples"
LAST_YEARS = 2  # how many of the last years are taken away, one after the other
EPIDEMIC = 2020  # incomes of this year and later are those of the epidemic
COUNTY_CODE = re.compile(r"\d{4}(\d{2})(?:\d{6})?")
DISTRICTS = range(1, 21)  # the last two digits of the code of a city district (GB/T 2260)


def samples(work: Work) -> Check:
    """Return the effect without each place in turn, without the last years, and without city districts.

    Notes
    -----
    Single clusters are not named: their lines are in the order of the effect without them. Regions are named as the study names them.
    """
    if work.findings.verdict == "one_unit":
        return not_applicable("R14", Remark(code="one_unit", facts={}), MADE)
    places = [*_without_clusters(work), *(line for region in work.checks.regions for line in _without_regions(work, region))]
    changed = [*_fewer_years(work), *_without_districts(work)]
    told = [line.effect.estimate for line in places if line.effect]
    flips = sum(opposed(work, line.effect) for line in places)
    others = sum(opposed(work, line.effect) for line in changed)
    said = (
        Remark(code="left_out", facts={"places": len(told), "low": min(told), "high": max(told), "flips": flips})
        if told
        else Remark(code="changed", facts={"samples": sum(line.effect is not None for line in changed)})
    )
    verdict, because = _judged(work, flips, others, changed)
    return Check(
        rule="R14", name="samples", verdict=verdict, statistic=said, because=because, lines=[*places, *changed], made_by=MADE
    )  # fmt: skip


def _judged(work: Work, flips: int, others: int, changed: list[Line]) -> tuple[Passed, Remark | None]:
    """Return the verdict: another sign without one place undoes an effect that was told from zero, and is a doubt elsewhere."""
    effect = work.findings.headline.effect
    shown = excludes_zero(effect)
    if flips:
        return "fail" if shown else "doubt", Remark(code="one_place", facts={"flips": flips})
    if others:
        return "doubt", Remark(code="other_sign", facts={"samples": others})
    lost = [line for line in changed if line.effect and line.effect.low is not None and not excludes_zero(line.effect)]
    if shown and lost:
        return "doubt", Remark(code="range_holds_zero", facts={"samples": len(lost)})
    return "pass", None


def _inference(work: Work) -> dict[str, Any]:
    return {"cluster": work.cluster, "level": work.study.level}


def line(work: Work, name: str, row: Any, numbers: dict[str, Any] | None = None, words: dict[str, str] | None = None) -> Line:
    """Return a row of a table of replays as a line; without a range where clusters are too few for one."""
    numbers, words = numbers or {}, words or {}
    if row["refused"]:
        return refused_line(name, row["refused"], words, **numbers)
    effect = Interval(estimate=float(row["estimate"])) if work.too_few else Interval.of(row)
    counts = {"units": int(row["units"]), "observations": int(row["observations"])}
    return Line(name=name, effect=effect, numbers={**counts, **numbers}, words=words)


def _without_clusters(work: Work) -> Iterator[Line]:
    """Yield the effect without each cluster, from the lowest to the highest, without its name."""
    clusters = work.design.codes(work.cluster)[1]
    if clusters > REPLAYED_CLUSTERS:
        yield Line(name="without.cluster", words={"column": work.cluster}, reason="many_clusters", numbers={"clusters": clusters})
        return
    table = leave_out(work.overall, work.design, work.cluster, **_inference(work)).table.sort_values("estimate", kind="stable")
    for place, (_, row) in enumerate(table.iterrows(), start=1):
        yield line(work, "without.cluster", row, {"place": place}, {"column": work.cluster})


def _without_regions(work: Work, region: str) -> Iterator[Line]:
    if region == work.cluster:
        return
    values = constant_values(work, region, "checks.regions")
    if len(set(values)) < 2:
        yield Line(name="without.region", words={"column": region}, reason="one_region")
        return
    table = leave_out(work.overall, work.design, region, **_inference(work)).table
    for _, row in table.iterrows():
        yield line(work, "without.region", row, words={"column": region, "value": str(row[region])})


def _fewer_years(work: Work) -> Iterator[Line]:
    """Yield the effect without the last years, and without the years of the epidemic."""
    periods = [int(period) for period in work.design.periods]
    ends = dict.fromkeys(periods[-1 - drop] for drop in range(1, LAST_YEARS + 1) if len(periods) > drop + 2)
    if periods[0] < EPIDEMIC <= periods[-1] and (before := [period for period in periods if period < EPIDEMIC]):
        ends[before[-1]] = None
    if not ends:
        return
    changes: dict[str, Change] = {str(end): Periods(last=end) for end in sorted(ends, reverse=True)}
    for _, row in vary(work.overall, work.design, changes, **_inference(work)).table.iterrows():
        yield line(work, "sample.until", row, {"year": int(row["variant"])})


@dataclass(frozen=True)
class _Fewer:
    """Leave out the units marked."""

    leave: Array

    def __call__(self, design: Design) -> Design:
        """Return the design without them."""
        if self.leave.all():
            raise DesignError("No unit would be left.")
        return without_units(design, self.leave)


def _without_districts(work: Work) -> Iterator[Line]:
    """Yield the effect without city districts, told by the code of the county."""
    column = work.study.county or work.study.unit
    codes = work.design.panel.column(column).astype(str)
    codes = codes if work.design.keep is None else codes[work.design.keep]
    inside = districts(codes.to_numpy()[work.design.first_rows])
    if inside is None or not inside.any():
        yield Line(name="sample.without_districts", reason="no_codes" if inside is None else "no_districts")
        return
    changes: dict[str, Change] = {"districts": _Fewer(inside)}
    row = vary(work.overall, work.design, changes, **_inference(work)).table.iloc[0]
    yield line(work, "sample.without_districts", row, {"districts": int(inside.sum())})


def districts(codes: Array) -> Array | None:
    """Return (N,) whether a county's code is that of a city district; None where these are no codes of counties.

    Notes
    -----
    GB/T 2260: the last two of six digits are 01-20 for districts, 21-80 for counties, 81-99 for county-level cities.

    Examples
    --------
    >>> import numpy as np
    >>> districts(np.array(["500101", "500229", "512081"])).tolist(), districts(np.array(["a1"])) is None
    ([True, False, False], True)
    """
    found = [COUNTY_CODE.fullmatch(str(code)) for code in codes]
    if not all(found):
        return None
    return np.array([one is not None and int(one[1]) in DISTRICTS for one in found])
