"""The plausibility checks, one idea a file; each takes a sheet and asks, or says why it does not apply."""

from __future__ import annotations

from collections.abc import Callable

from evalkit.intake.checks.benford import benford_of
from evalkit.intake.checks.bunching import bunching_of
from evalkit.intake.checks.copied import copied_of
from evalkit.intake.checks.heaping import heaping_of
from evalkit.intake.checks.identical import identical_of
from evalkit.intake.checks.identities import identities_of
from evalkit.intake.checks.jumps import jumps_of, mixed_units_of
from evalkit.intake.checks.reconciliation import reconciliation_of
from evalkit.intake.checks.sheet import Outcome, Sheet
from evalkit.intake.checks.smoothness import smoothness_of
from evalkit.intake.checks.target import target_of
from evalkit.intake.checks.two_sources import two_sources_of

CHECKS: dict[str, Callable[[Sheet], Outcome]] = {
    "heaping": heaping_of,
    "bunching": bunching_of,
    "identical": identical_of,
    "copied": copied_of,
    "smoothness": smoothness_of,
    "identities": identities_of,
    "reconciliation": reconciliation_of,
    "benford": benford_of,
    "target": target_of,
    "jumps": jumps_of,
    "mixed_units": mixed_units_of,
    "two_sources": two_sources_of,
}
