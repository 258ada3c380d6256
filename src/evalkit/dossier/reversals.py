"""R16: does support that ended, or a dose that fell back to nothing, sit among the treated."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.dossier.checking import Work, not_applicable
from evalkit.dossier.lines import refused_line
from evalkit.dossier_records import Check, Line
from evalkit.errors import DesignError, EstimateError
from evalkit.records import Remark
from evalkit.subset import without_units

Array = np.ndarray[Any, Any]

MADE = "evalkit.dossier.reversals.reversals"
MANY = 0.05  # of treated units: above it the effect of having started is no longer that of being supported
ENDED = ("SUPPORT_ENDED", "TREATMENT_STOPS")


def reversals(work: Work) -> Check:
    """Return how many treated units stopped being supported within the window, and the effect without them.

    Notes
    -----
    The headline is the effect of having started, as leaving the register does not end support. What the data hold of an end is a
    table of events with ends, or a yearly dose (``checks.intensity``); a first year alone holds none, and then nothing can be said.
    """
    dose = work.checks.intensity
    if dose is not None:
        return _from_dose(work, dose)
    if work.loaded.events is None:
        return not_applicable("R16", Remark(code="only_starts", facts={"key": "checks.intensity"}), MADE)
    ended = next((remark for remark in work.findings.remarks if remark.code in ENDED), None)
    treated = work.findings.sample.treated_units or 0
    stopped = int(ended.facts["units"]) if ended else 0
    return _told(stopped, treated, [])


def _from_dose(work: Work, column: str) -> Check:
    design = work.design
    dose = design.values(column)
    if (missing := np.isnan(dose)).any():
        raise DesignError(f"checks.intensity: {column!r} is missing in {int(missing.sum()):,} rows. A dose of nothing is 0.")
    stopped = stops(dose, design.unit_index, len(design.units)) & np.isfinite(design.cohort)
    lines = []
    if stopped.any():
        try:
            effect = work.intervals(work.overall(without_units(design, stopped)))[0]
            lines.append(Line(name="sample.without_stopped", effect=effect, numbers={"units": int((~stopped).sum())}))
        except (DesignError, EstimateError) as refusal:
            lines.append(refused_line("sample.without_stopped", refusal))
    return _told(int(stopped.sum()), int(np.isfinite(design.cohort).sum()), lines)


def stops(dose: Array, unit: Array, units: int) -> Array:
    """Return (N,) whether a unit's dose falls back to nothing after it was above; rows are in the order of units and periods.

    Examples
    --------
    >>> import numpy as np
    >>> stops(np.array([0, 1, 0, 0, 2, 2.0]), np.array([0, 0, 0, 1, 1, 1]), 2).tolist()
    [True, False]
    """
    fell = (dose[1:] == 0) & (dose[:-1] > 0) & (unit[1:] == unit[:-1])
    found = np.zeros(units, dtype=bool)
    found[unit[1:][fell]] = True
    return found


def _told(stopped: int, treated: int, lines: list[Line]) -> Check:
    share = stopped / treated if treated else 0.0
    facts = {"units": stopped, "treated_units": treated, "share": share}
    many = share > MANY
    because = Remark(code="many_stopped", facts={**facts, "limit": MANY}) if many else None
    return Check(
        rule="R16", name="reversals", verdict="doubt" if many else "pass", statistic=Remark(code="stopped", facts=facts), because=because,
        lines=lines, made_by=MADE,
    )  # fmt: skip
