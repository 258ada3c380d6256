"""R8: other programmes in the same places at the same time, and the effect without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.diagnostics.replays import Array
from evalkit.dossier.baseline import Verdict
from evalkit.dossier.checking import Work, constant_values, not_named
from evalkit.dossier.lines import excludes_zero, line_of, opposed, outside, refused_line
from evalkit.dossier_records import Check, Line
from evalkit.errors import EvalkitError, StudyError
from evalkit.estimators import TwoWay
from evalkit.events.judging import STARTS
from evalkit.events.policy import threshold
from evalkit.events.reading import labels
from evalkit.records import Interval, Remark
from evalkit.subset import without_units

OVERLAP = "evalkit.events.bundles.overlap"
WINDOW = 1  # years before and after: starts so close cannot be told apart (domain.md 2.4)
SOME = 0.2  # share of the treated from which another programme is told as a doubt: a fifth can move an average


@dataclass(frozen=True, eq=False)
class Other:
    """Another programme: its words, and the year (N,) in which each unit starts it, inf for never."""

    words: Mapping[str, str]
    start: Array


def other_programmes(work: Work) -> Check:
    """Return R8: how many treated units start another programme at about the same time, and the effect without them or beside it."""
    others = [*_of_columns(work), *_of_events(work)]
    if not others:
        return not_named("R8", "checks.other_programmes", OVERLAP)
    design = work.design
    treated = with_effect(design)
    near = [treated & (np.abs(other.start - np.where(treated, design.cohort, 0)) <= WINDOW) for other in others]
    any_near = np.logical_or.reduce(near)
    shares = [float(one.sum() / treated.sum()) for one in near]
    lines = [_shares(work, other, one) for other, one in zip(others, near, strict=True)]
    effects = [*_without(work, any_near), *_beside(work, others)]
    share = float(any_near.sum() / treated.sum())
    verdict, because = _judged(work, share, effects)
    facts = {"programmes": len(others), "share": share, "largest_share": max(shares), "window": WINDOW, "headline": work.main}
    return Check(
        rule="R8",
        name="other_programmes",
        verdict=verdict,
        statistic=Remark(code="overlap", facts=facts),
        because=because,
        lines=[*lines, *effects, *_by_year(work, others)],
        made_by=OVERLAP,
    )


def with_effect(design: Design) -> Array:
    """Return (N,) which units are treated and seen before it, so that they have an effect."""
    comparison = Comparison.of(design)
    return np.asarray(np.isin(comparison.cohort, comparison.cohorts))


def _judged(work: Work, share: float, effects: list[Line]) -> tuple[Verdict, Remark | None]:
    limit = threshold("bundle_share")
    if share > limit or work.findings.bundle:
        return "fail", Remark(code="bundle", facts={"share": share, "limit": limit})
    # What holds others constant is a two-way regression, and is held against the one without them.
    beside = {"dropped.near": work.findings.headline.effect, "absorbed.held_constant": _effect(effects, "absorbed.two_way")}
    told = [(line, beside[line.name]) for line in effects if line.name in beside]
    other = [line for line, main in told if main is not None and opposed(work, line.effect) and not opposed(work, main)]
    if strong := [line.name for line in other if excludes_zero(line.effect)]:
        return "fail", Remark(code="opposed_without", facts={"lines": strong})
    if other:
        return "doubt", Remark(code="opposed_without", facts={"lines": [line.name for line in other]})
    if apart := [line.name for line, main in told if main is not None and outside(line.effect, main)]:
        return "doubt", Remark(code="outside_without", facts={"lines": apart})
    if share > SOME:
        return "doubt", Remark(code="some_together", facts={"share": share, "limit": SOME})
    return "pass", None


def _effect(lines: list[Line], name: str) -> Interval | None:
    return next((line.effect for line in lines if line.name == name), None)


def _of_columns(work: Work) -> Iterator[Other]:
    """Yield the programmes whose first year stands in a column: 0 and missing are never."""
    for column, said in work.checks.other_programmes.items():
        key = f"checks.other_programmes.{column}"
        try:
            years = pd.to_numeric(pd.Series(constant_values(work, column, key)), errors="raise").to_numpy(dtype=float)
        except (ValueError, TypeError):
            raise StudyError(f"{key}: {column!r} holds something else than first years (0 or missing for never).") from None
        start = np.where(np.isnan(years) | (years == 0), np.inf, years)
        yield Other({"column": column, "zh": said.zh, "en": said.en}, start)


def _of_events(work: Work) -> Iterator[Other]:
    """Yield the other programmes of the table of events, each from the study's kind of date or the first other event but a listing."""
    events = work.loaded.events
    if events is None:
        return
    own, date = events.programmes.code(str(work.study.treatment.programme)), work.study.treatment.date
    units = labels(np.asarray(work.design.units, dtype=object))
    started = events.frame[events.frame["event"].isin([date, *STARTS[1:]])]
    for code in events.present:
        rows = started[started["programme"] == code]
        chosen = rows[rows["event"] == date].groupby("unit")["year"].min()
        start = chosen.combine_first(rows.groupby("unit")["year"].min()).reindex(units).to_numpy(dtype=float)
        if code != own:
            zh, en = events.programmes.names[code]
            yield Other({"column": code, "zh": zh, "en": en}, np.where(np.isnan(start), np.inf, start))


def _shares(work: Work, other: Other, near: Array) -> Line:
    """Return who starts another programme: near the own start, before it, ever, and among those compared."""
    treated, never = with_effect(work.design), np.isinf(work.design.cohort)
    last = work.design.periods[-1]
    ever = other.start <= last
    numbers = {
        "near": float(near.sum() / treated.sum()),
        "ever": float((ever & treated).sum() / treated.sum()),
        "before": float((treated & (other.start < work.design.cohort)).sum() / treated.sum()),
        "comparison": float((ever & never).sum() / never.sum()) if never.any() else None,
        "units": int(near.sum()),
    }
    return Line(name="programme.share", numbers=numbers, words=dict(other.words))


def _without(work: Work, near: Array) -> Iterator[Line]:
    """Yield the effect without the treated units that start another programme at about the same time."""
    if not near.any():
        return
    left = int(near.sum())
    try:
        yield line_of(work, "dropped.near", work.overall(without_units(work.design, near)), units_left_out=left)
    except EvalkitError as refusal:
        yield refused_line("dropped.near", refusal, units_left_out=left)


def _beside(work: Work, others: list[Other]) -> Iterator[Line]:
    """Yield the two-way coefficient with the status of the other programmes held constant, and the same without them."""
    design = replace(work.design, covariates=())
    when = design.periods[design.period_index]
    status = {f"started {other.words['column']}": (when >= other.start[design.unit_index]).astype(float) for other in others}
    varying = {name: values for name, values in status.items() if values.min() < values.max()}
    for name, made in (("absorbed.two_way", {}), ("absorbed.held_constant", varying)):
        try:
            held = _with_columns(design, made) if made else design
            yield line_of(work, name, TwoWay()(held).select(kind="overall"), programmes=len(made))
        except EvalkitError as refusal:
            yield refused_line(name, refusal, programmes=len(made))


def _with_columns(design: Design, columns: Mapping[str, Array]) -> Design:
    """Return the design with these (n,) columns as covariates."""
    panel = design.panel
    rows = np.arange(len(panel.unit_index)) if design.keep is None else np.flatnonzero(design.keep)
    placed = {}
    for name, values in columns.items():
        sorted_rows = np.full(len(panel.unit_index), np.nan)
        sorted_rows[rows] = values
        out = np.empty_like(sorted_rows)
        out[slice(None) if panel.order is None else panel.order] = sorted_rows
        placed[name] = out
    return replace(design, panel=replace(panel, frame=panel.frame.assign(**placed)), covariates=tuple(columns))


def _by_year(work: Work, others: list[Other]) -> Iterator[Line]:
    """Yield how many treated units have started each programme by the end of each year, the study's own first."""
    treated = with_effect(work.design)
    own = Other({"column": "own", "zh": work.study.programme.zh, "en": work.study.programme.en}, work.design.cohort)
    for other in (own, *others):
        numbers: dict[str, float | int | None] = {
            str(int(year)): int((treated & (other.start <= year)).sum()) for year in work.design.periods
        }
        yield Line(name="started.by_year", numbers=numbers, words=dict(other.words))
