"""What the headline is held against: the other dates that could count as the start, and the truth where it was planted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from evalkit.aggregation import aggregate
from evalkit.design import Design
from evalkit.errors import StudyError, unknown
from evalkit.estimate import Estimate
from evalkit.estimators import GroupTime
from evalkit.events import effects_by_date
from evalkit.findings import DateRow, Headline, Truth
from evalkit.intake.personal_patterns import safe
from evalkit.panel import Panel
from evalkit.rollout import Rollout
from evalkit.study import Study
from evalkit.study_data import Loaded

Show = Callable[[Estimate], pd.DataFrame]


def other_dates(study: Study, design: Design, loaded: Loaded, show: Show) -> list[DateRow]:
    """Return the headline under each choice of the date that counts as the start; empty without a table of events."""
    if loaded.events is None:
        return []

    def effect(panel: Panel, rollout: Rollout) -> tuple[float, float, float]:
        other = replace(design, panel=panel, rollout=rollout)
        overall = show(aggregate(GroupTime(study.method)(other), "overall")).iloc[0]
        return float(overall["estimate"]), float(overall["conf_low"]), float(overall["conf_high"])

    compared = effects_by_date(design.panel, loaded.events, str(study.treatment.programme), effect)
    own = study.treatment.date
    return [DateRow(**(vars(row) | {"reason": safe(row.reason)}), used=row.date == own) for row in compared.rows]


def planted(study: Study, file: Path | None, top: Headline) -> Truth | None:
    """Return the planted effect of simulated data, read from truth.json beside them; None where the study names none.

    Raises StudyError for real data, for money instead of logs, and for an effect that truth.json does not hold.
    """
    if study.truth is None:
        return None
    if not study.source.simulated:
        raise StudyError("truth: belongs to simulated data only. Remove it, or set source.simulated: true.")
    if study.scale != "log":
        raise StudyError("truth: the planted effects are in logs. Set scale: log, or remove truth:.")
    if file is None or not file.is_file():
        raise StudyError(
            f"truth: {study.truth} asks for truth.json beside the data, and there is none. Real data have no known truth: remove truth:."
        )
    known = json.loads(file.read_text(encoding="utf-8"))
    for key in study.truth.split("."):
        if not isinstance(known, dict) or key not in known:
            raise StudyError(unknown("planted effect", key, list(known) if isinstance(known, dict) else []))
        known = known[key]
    effect = float(known["average_log"])
    low, high = top.effect.low, top.effect.high
    return Truth(effect=effect, inside=low is not None and high is not None and low <= effect <= high)
