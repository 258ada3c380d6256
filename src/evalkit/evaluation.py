"""From a study and its data to findings: the whole evaluation, without a sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

import evalkit
from evalkit.aggregation import aggregate
from evalkit.design import Design
from evalkit.errors import PanelError, StudyError, first_five, nearest, unknown
from evalkit.estimate import Estimate
from evalkit.estimators import GroupTime, TwoWay
from evalkit.estimators.group_time import Comparison
from evalkit.findings import (
    Cohort,
    EstimatorRow,
    Findings,
    Headline,
    Interval,
    PathPoint,
    Pretrend,
    Remark,
    Sample,
    TrendPoint,
    Truth,
    Verdict,
)
from evalkit.income_effect import headline
from evalkit.inference.linear import Inference, has_own_noise, wald
from evalkit.notices import Notice
from evalkit.panel import Panel
from evalkit.rollout import Rollout
from evalkit.study import Study

Array = np.ndarray[Any, Any]

PRETREND_LEVEL = 0.10
FEW_CLUSTERS = 10  # fewer treated or comparison clusters make the usual interval too narrow


def evaluate(study: Study, data: str | Path | None = None, folder: str | Path = ".") -> Findings:
    """Return the findings of a study.

    Parameters
    ----------
    study : Study
    data : path, optional
        The data file; the study's own ``data``, relative to ``folder``, without it.
    folder : path
        Where the study file lies.

    Raises
    ------
    StudyError, PanelError, RolloutError, DesignError
        When the file cannot be found or the data do not allow the comparison.
    """
    path = data_path(study, data, folder)
    frame = read(path)
    design, notices = designed(study, frame)
    cells = GroupTime(study.method)(design)
    inference = Inference(cluster=study.cluster or study.unit, level=study.level)
    top = _headline(study, design, cells, inference)
    path_points, critical, pretrend = _path(study, cells, inference)
    comparison = Comparison.of(design)
    return Findings(
        run_id=run_id(study, path),
        version=evalkit.__version__,
        study=study.name,
        source=study.source.name,
        source_url=study.source.url,
        licence=study.source.licence,
        simulated=study.source.simulated,
        headline=top,
        verdict=_verdict(study, top, pretrend),
        path=path_points,
        path_critical=critical,
        estimators=_estimators(study, design, cells, inference),
        cohorts=_cohorts(design, comparison, cells, inference),
        trends=_trends(study, design, comparison),
        pretrend=pretrend,
        sample=_sample(study, design, comparison, frame),
        remarks=_remarks(study, design, comparison, cells, notices),
        truth=_truth(study, path, top),
        covariates=list(study.covariates),
        published=list(study.published),
        **{name: getattr(study, name) for name in _COPIED},
    )


_COPIED = (
    "title", "programme", "unit_word", "outcome_word", "money", "prices", "income_definition", "scale", "window",
    "comparison", "anticipation", "base", "method", "weight", "level", "seed", "smallest_meaningful_percent",
)  # fmt: skip


def data_path(study: Study, data: str | Path | None, folder: str | Path) -> Path:
    """Return the data file of a study, or say how to give it."""
    if data is None and study.data is None:
        where = f" Its source is {study.source.url}." if study.source.url else ""
        raise StudyError(f"The study {study.name!r} ships no data.{where} Give the file: --data PATH.")
    path = Path(data) if data is not None else Path(folder) / str(study.data)
    if not path.is_file():
        near = nearest(path.name, [p.name for p in path.parent.glob("*")]) if path.parent.is_dir() else []
        raise StudyError(f"There is no data file {path}." + (f" Nearest there: {', '.join(near)}." if near else ""))
    return path


def read(path: Path) -> pd.DataFrame:
    """Return a csv (UTF-8, also gzipped) or Parquet file as a frame; raises StudyError for what cannot be read as such."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix != ".csv" and path.suffixes[-2:] != [".csv", ".gz"]:
        raise StudyError(f"{path.name} is neither csv nor Parquet. Save it as csv (UTF-8) first.")
    try:
        frame = pd.read_csv(path, encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise StudyError(f"{path.name} is not UTF-8 (byte {problem.start:,}). Save it again as csv with encoding UTF-8.") from None
    except pd.errors.EmptyDataError:
        raise StudyError(f"{path.name} is empty: it has neither a header nor a row.") from None
    except pd.errors.ParserError as problem:
        raise StudyError(f"{path.name} is not a regular csv: {problem}. Every row needs as many commas as the header.") from None
    if len(frame.columns) == 1 and (mark := next((m for m in ";\t|，" if m in str(frame.columns[0])), None)):
        raise StudyError(f"{path.name} separates columns by {mark!r}, not by a comma. Save it as csv with commas.")
    return frame


def run_id(study: Study, path: Path) -> str:
    """Return the study's name and the hash of data, parameters and package version."""
    digest = hashlib.sha256()
    digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(json.dumps(study.model_dump(mode="json"), sort_keys=True, ensure_ascii=False).encode())
    digest.update(evalkit.__version__.encode())
    return f"{study.name}-{digest.hexdigest()[:10]}"


def designed(study: Study, frame: pd.DataFrame) -> tuple[Design, tuple[Notice, ...]]:
    """Return the design of a study on its data."""
    names = [study.unit, study.period, study.outcome, *study.covariates, study.weight, study.cluster]
    for name in (n for n in (*names, study.treatment.first_year, study.treatment.group) if n is not None):
        if name not in frame.columns:
            raise StudyError(unknown("column", name, [str(c) for c in frame.columns]))
    frame = _in_window(study, frame)
    frame = frame.assign(**{_TREATED: _first_treated(study, frame)})
    clusters = [study.cluster] if study.cluster and study.cluster != study.unit else []
    panel = Panel(frame, unit=study.unit, period=study.period, clusters=clusters, weight=study.weight)
    outcome = study.outcome
    if study.scale == "log":
        panel, outcome = _logged(panel, study), f"log {study.outcome}"
    rollout = Rollout.from_first_treated(panel, _TREATED, never=_never(study), programme=study.programme.en)
    design = Design(
        panel, rollout, outcome, covariates=study.covariates, comparison=study.comparison, anticipation=study.anticipation,
        base=study.base, unbalanced=study.unbalanced,
    )  # fmt: skip
    never = {code: count for code, count in rollout.never_codes.items() if count}
    return design, (Notice("NEVER_CODES", {"codes": never}),) if never and study.treatment.group is None else ()


_TREATED = "first treated period"


def _in_window(study: Study, frame: pd.DataFrame) -> pd.DataFrame:
    first, last = study.window
    period = frame[study.period]
    inside = frame[(period >= first) & (period <= last)]
    if inside.empty:
        raise PanelError(
            f"The window {first}-{last} leaves no row: {study.period!r} runs from {period.min()} to {period.max()}. Change window: in the study."
        )
    return inside


def _first_treated(study: Study, frame: pd.DataFrame) -> pd.Series:
    treatment = study.treatment
    if treatment.first_year is not None:
        return frame[treatment.first_year]
    group = frame[treatment.group]
    if not group.isin([0, 1]).all():
        odd = group[~group.isin([0, 1])].unique()
        raise StudyError(f"treatment.group {treatment.group!r} must be 0 or 1 in every row; it also holds {first_five(odd)}.")
    return group.map({0: 0, 1: treatment.since})


def _never(study: Study) -> tuple[float, ...]:
    if study.treatment.group is not None:
        return (0.0,)
    special = {"missing": float("nan"), "inf": float("inf")}
    return tuple(special[code] if isinstance(code, str) else float(code) for code in study.treatment.never)


def _logged(panel: Panel, study: Study) -> Panel:
    """Return the panel with the log of the outcome; zero or negative income has none and is an error."""
    income = panel.numbers(study.outcome)
    if (bad := income <= 0).any():
        rows = np.flatnonzero(bad)
        raise PanelError(
            f"{study.outcome!r} is zero or negative in {len(rows):,} rows: {first_five(panel.places(rows))}. It has no logarithm. "
            "Mend the values, or set scale: level in the study."
        )
    frame = panel.frame.assign(**{f"log {study.outcome}": np.log(panel.frame[study.outcome].astype(float))})
    return Panel(frame, unit=panel.unit, period=panel.period, clusters=panel.clusters, weight=panel.weight)


def _number(value: object) -> float | None:
    number = float(value)  # type: ignore[arg-type]
    return None if np.isnan(number) else number


def _interval(row: pd.Series) -> Interval:
    return Interval(
        estimate=float(row["estimate"]),
        std_error=_number(row["std_error"]),
        low=_number(row["conf_low"]),
        high=_number(row["conf_high"]),
        p_value=_number(row["p_value"]),
    )


def _headline(study: Study, design: Design, cells: Estimate, inference: Inference) -> Headline:
    rows = {row["name"]: _interval(row) for _, row in inference(headline(cells, design, study.scale)).iterrows()}
    return Headline(**{name: rows[name] for name in ("effect", "money", "percent", "base")})


def _path(study: Study, cells: Estimate, inference: Inference) -> tuple[list[PathPoint], float, Pretrend | None]:
    path = aggregate(cells, "event_time").select(kind="event_time")
    table = inference(path)
    band = Inference(inference.cluster, level=study.level, band="uniform", seed=study.seed)(path)
    points = [
        PathPoint(
            event_time=int(row["event_time"]),
            estimate=float(row["estimate"]),
            std_error=_number(row["std_error"]),
            low=_number(row["conf_low"]),
            high=_number(row["conf_high"]),
            band_low=_number(wide["conf_low"]),
            band_high=_number(wide["conf_high"]),
            units=int(row["units"]),
            reference=bool(row["reference"]),
        )
        for (_, row), (_, wide) in zip(table.iterrows(), band.iterrows(), strict=True)
    ]
    return points, float(band["critical"].max()), _pretrend(study, path, inference)


def _pretrend(study: Study, path: Estimate, inference: Inference) -> Pretrend | None:
    event = path.cells["event_time"].to_numpy()
    # A lead that rests on one unit has no standard error: it can be neither tested nor quoted.
    before = (event < -study.anticipation) & has_own_noise(path)
    if not before.any():
        return None
    leads = path.select(before)
    test = wald(leads, inference.cluster)
    times, theta = leads.cells["event_time"].to_numpy(), leads.theta
    largest = int(np.abs(theta).argmax())
    return Pretrend(
        event_times=[int(e) for e in times],
        statistic=test.statistic,
        distribution=test.distribution,
        p_value=test.p_value,
        failed=test.p_value < PRETREND_LEVEL,
        largest_event_time=int(times[largest]),
        largest=float(theta[largest]),
        first_event_time=int(times[0]),
        first=float(theta[0]),
    )


def _verdict(study: Study, top: Headline, pretrend: Pretrend | None) -> Verdict:
    """Return what the interval says beside the smallest meaningful effect; a failed pre-trend comes before everything."""
    if pretrend is not None and pretrend.failed:
        return "pretrend_failed"
    low, high = top.percent.low, top.percent.high
    if low is None or high is None:
        return "unclear"
    if max(-low, high) < study.smallest_meaningful_percent:
        return "small_change"
    if low > 0:
        return "gain"
    return "loss" if high < 0 else "unclear"


def _estimators(study: Study, design: Design, cells: Estimate, inference: Inference) -> list[EstimatorRow]:
    """Return the static two-way coefficient and the group-time averages under each comparison that exists."""
    rows = [_estimator_row(TwoWay()(design), inference, "two_way", "static", "all")]
    for choice in (study.comparison, *(c for c in ("not_yet_treated", "never_treated") if c != study.comparison)):
        own = choice == study.comparison
        if not own and not np.isinf(design.cohort).any():
            continue
        estimate = cells if own else GroupTime(study.method)(_with_comparison(design, choice))
        overall, dynamic = aggregate(estimate, "overall"), aggregate(estimate, "event_time").select(kind="average")
        for average, part in (("overall", overall), ("dynamic", dynamic)):
            row = _estimator_row(part, inference, "group_time", average, choice, headline=own and average == "overall")
            # With one cohort the averages coincide, with nobody treated later the comparisons do: one line says it.
            if not any(_same(row.effect, other.effect) for other in rows[1:]):
                rows.append(row)
    return rows


def _same(one: Interval, other: Interval) -> bool:
    pairs = ((one.estimate, other.estimate), (one.std_error or 0.0, other.std_error or 0.0))
    return all(np.isclose(a, b, rtol=1e-9, atol=0) for a, b in pairs)


def _with_comparison(design: Design, comparison: str) -> Design:
    return Design(
        design.panel, design.rollout, design.outcome, covariates=design.covariates, comparison=comparison,
        anticipation=design.anticipation, base=design.base, unbalanced=design.unbalanced,
    )  # fmt: skip


def _estimator_row(
    estimate: Estimate, inference: Inference, name: str, average: str, comparison: str, headline: bool = False
) -> EstimatorRow:
    row = inference(estimate).iloc[0]
    return EstimatorRow(
        estimator=name,
        average=average,
        comparison=comparison,
        effect=_interval(row),
        cluster=str(row["cluster"]),
        clusters=int(row["clusters"]),
        correction=str(row["correction"]),
        factor=float(row["factor"]),
        reference=str(row["reference_distribution"]),
        headline=headline,
    )


def _cohorts(design: Design, comparison: Comparison, cells: Estimate, inference: Inference) -> list[Cohort]:
    table = {row["cohort"]: _interval(row) for _, row in inference(aggregate(cells, "cohort")).iterrows()}
    first = design.rollout.first_treated
    years, counts = np.unique(first[np.isfinite(first) & np.isin(design.panel.units, design.units)], return_counts=True)
    return [
        Cohort(
            year=int(year),
            units=int(count),
            used=year in comparison.cohorts,
            effect=table.get(year),
        )
        for year, count in zip(years, counts, strict=True)
    ]


def _groups(comparison: Comparison) -> dict[Literal["treated", "comparison"], Array]:
    """Return who has an effect and who is compared, as (N,) masks."""
    return {"treated": np.isin(comparison.cohort, comparison.cohorts), "comparison": np.isinf(comparison.cohort)}


def _trends(study: Study, design: Design, comparison: Comparison) -> list[TrendPoint]:
    income = np.exp(design.y) if study.scale == "log" else design.y
    weight = np.ones(len(income)) if design.w is None else design.w
    points = []
    for group, member in _groups(comparison).items():
        for j, period in enumerate(design.periods):
            rows = member[design.unit_index] & (design.period_index == j)
            if rows.any():
                mean = float(np.average(income[rows], weights=weight[rows]))
                points.append(TrendPoint(group=group, period=int(period), mean=mean, units=int(rows.sum())))
    return points


def _sample(study: Study, design: Design, comparison: Comparison, frame: pd.DataFrame) -> Sample:
    treated = np.isfinite(design.cohort)
    from_start = treated & (design.cohort <= design.periods[0] + design.anticipation)
    groups = _groups(comparison)
    cluster = study.cluster or study.unit
    first, last = study.window
    in_window = int(frame[study.period].between(first, last).sum())
    return Sample(
        rows=design.observations,
        units=len(design.units),
        periods=[int(p) for p in design.periods],
        treated_units=int(treated.sum()),
        treated_used=int(groups["treated"].sum()),
        treated_from_start=int(from_start.sum()),
        comparison_units=int(groups["comparison"].sum()),
        cluster=cluster,
        clusters=design.codes(cluster)[1],
        rows_left_out=in_window - design.observations,
        never_codes=design.rollout.never_codes,
    )


def _remarks(study: Study, design: Design, comparison: Comparison, cells: Estimate, notices: Iterable[Notice]) -> list[Remark]:
    found = [*notices, *cells.notices]
    if study.nominal:
        found.append(Notice("NOMINAL"))
    first, last = study.window
    if first < 2013 <= last:
        found.append(Notice("INCOME_DEF_2013"))
    codes, clusters = design.codes(study.cluster or study.unit)
    sides = {group: len(np.unique(codes[member[design.unit_index]])) for group, member in _groups(comparison).items()}
    if min(sides.values()) < FEW_CLUSTERS:
        facts = {"clusters": clusters, "treated_clusters": sides["treated"], "comparison_clusters": sides["comparison"]}
        found.append(Notice("FEW_CLUSTERS", facts))
    if left := len(design.panel.units) - len(design.units):
        found.append(Notice("UNITS_LEFT_OUT", {"units": left}))
    return [Remark(code=notice.code, facts=dict(notice.facts)) for notice in found]


def _truth(study: Study, path: Path, top: Headline) -> Truth | None:
    """Return the planted effect of simulated data, read from truth.json beside them."""
    if study.truth is None:
        return None
    if not study.source.simulated:
        raise StudyError("truth: belongs to simulated data only. Remove it, or set source.simulated: true.")
    known = json.loads((path.parent / "truth.json").read_text(encoding="utf-8"))
    for key in study.truth.split("."):
        if not isinstance(known, dict) or key not in known:
            raise StudyError(unknown("planted effect", key, list(known) if isinstance(known, dict) else []))
        known = known[key]
    effect = float(known["average_log" if study.scale == "log" else "average"])
    low, high = top.effect.low, top.effect.high
    return Truth(effect=effect, inside=low is not None and high is not None and low <= effect <= high)
