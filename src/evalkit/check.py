"""What `evalkit check` tells of a study or a data file before anything is estimated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.comparison import Comparison
from evalkit.errors import StudyError, nearest
from evalkit.evaluation import evaluate
from evalkit.study import Study
from evalkit.study_data import data_path, designed, read


def describe_study(path: Path, data: Path | None) -> list[str]:
    """Return lines on a study's panel, roll-out and comparison; raises the error that running it would raise."""
    study = Study.from_yaml(path)
    frame = read(data_path(study, data, path.parent))
    design, notices = designed(study, frame)
    comparison = Comparison.of(design)
    evaluate(study, data, path.parent)  # everything but the report, so that what passes here also runs
    cohorts = ", ".join(f"{g} ({int((comparison.cohort == g).sum())})" for g in comparison.cohorts)
    lines = [
        f"study      {study.name}: {study.title.zh} | {study.title.en}",
        f"panel      {len(design.units):,} {study.unit_word.en} x {len(design.periods)} periods "
        f"({design.periods[0]}-{design.periods[-1]}), {design.observations:,} rows",
        f"treated    {np.isfinite(design.cohort).sum():,}, first treated (units): {cohorts}",
        f"compared   {np.isinf(comparison.cohort).sum():,} untreated in the window, comparison {design.comparison}",
    ]
    lines += [f"remark     {notice.code} {notice.facts}" for notice in (*notices, *design.notices)]
    return [*lines, "ok         the study can be run"]


def describe_data(path: Path) -> list[str]:
    """Return lines on a data file: its columns, their kinds and gaps, and which pairs of columns identify a row."""
    if not path.is_file():
        near = nearest(path.name, [p.name for p in path.parent.glob("*")]) if path.parent.is_dir() else []
        raise StudyError(f"There is no file {path}." + (f" Nearest: {', '.join(near)}." if near else ""))
    frame = read(path)
    lines = [f"rows {len(frame):,}, columns {len(frame.columns)}"]
    for name in frame.columns:
        series = frame[name]
        sample = ", ".join(str(v) for v in series.dropna().unique()[:3])
        lines.append(f"  {name}: {series.dtype}, {series.nunique():,} values, {series.isna().mean():.1%} missing, e.g. {sample}")
    return [*lines, *_keys(frame)]


def _keys(frame: pd.DataFrame) -> list[str]:
    """Name the (unit, period) pairs under which no row appears twice: a period has few whole-number values."""
    periods = [
        c for c in frame.columns
        if pd.api.types.is_integer_dtype(frame[c]) and 1 < frame[c].nunique() <= 60 and frame[c].between(1900, 2100).all()
    ]  # fmt: skip
    units = [c for c in frame.columns if c not in periods and frame[c].notna().all() and 1 < frame[c].nunique() < len(frame)]
    pairs = [(u, p) for p in periods for u in units if not frame.duplicated([u, p]).any() and frame[u].nunique() * 2 <= len(frame)]
    found = [f"  unit: {u}, period: {p} ({frame[u].nunique():,} units x {frame[p].nunique()} periods)" for u, p in pairs[:5]]
    return ["no row appears twice under", *found] if found else ["no pair of columns identifies the rows as unit and period"]
