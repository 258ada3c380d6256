"""R17: a comparison at the line that decided who is covered, which a study cannot name today."""

from __future__ import annotations

from evalkit.dossier.checking import Work, not_applicable
from evalkit.dossier_records import Check
from evalkit.records import Remark

MADE = "evalkit.dossier.discontinuity.discontinuity"


def discontinuity(work: Work) -> Check:
    """Return that the check does not apply: a study names no running variable and no line.

    Notes
    -----
    What it would take is the variable by which units were chosen, measured before the choice, and the line. With both,
    :class:`evalkit.Discontinuity` estimates the jump there and :func:`evalkit.density_test` asks whether units sorted around it.
    """
    return not_applicable("R17", Remark(code="no_running_variable", facts={"units": work.findings.sample.units}), MADE)
