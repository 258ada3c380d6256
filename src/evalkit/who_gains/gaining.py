"""From a study and its data to who gained, without a sentence."""

from __future__ import annotations

from pathlib import Path

from evalkit.background import unit_level
from evalkit.county import within
from evalkit.errors import StudyError
from evalkit.evaluation import evaluate_loaded
from evalkit.findings import Findings
from evalkit.firm_records import NotTold
from evalkit.study import Study
from evalkit.study_data import Loaded, designed, load
from evalkit.who_gains.disclosure import disclosed
from evalkit.who_gains.distribution import deciles
from evalkit.who_gains.groups import group_effects
from evalkit.who_gains.lines import poverty
from evalkit.who_gains.overtaking import village
from evalkit.who_gains.people import on_register
from evalkit.who_records import WhoGains


def who_gains(study: Study, data: str | Path | None = None, folder: str | Path = ".", county: str | None = None) -> WhoGains:
    """Return who gained: the part ``who:`` of a study, on top of its findings.

    Parameters
    ----------
    study, data, folder, county : as in :func:`evalkit.evaluate`

    Raises
    ------
    StudyError
        For a study without ``who:``, without ``unit_level:``, and for groups whose column or values are not there or change over time.
    PanelError, RolloutError, DesignError
        When the data do not allow the comparison.
    """
    loaded = load(study, data, folder)
    return who_gains_loaded(study, loaded) if county is None else who_gains_loaded(*within(study, loaded, county))


def who_gains_loaded(study: Study, loaded: Loaded) -> WhoGains:
    """Return who gained in a study whose data are loaded already; raises as :func:`who_gains` does.

    With ``public: true`` and households as units, what rests on few of them is left out.
    """
    if study.who is None:
        raise StudyError(
            f"The study {study.name!r} does not say who: whose gain is asked for. Add who: with groups: (column, values, word), lines: "
            "[statistical, registry] and registered: (the column of the register)."
        )
    level = level_of_units(study, loaded)
    findings = evaluate_loaded(study, loaded)
    if not isinstance(findings, Findings):
        refused = NotTold(reason="refused")
        return WhoGains(findings=findings, groups=refused, deciles=refused, poverty=refused, village=refused)
    design, _ = designed(study, loaded.frame, loaded.events)
    households = level == "household"
    groups = group_effects(study, design, households)
    if not households:
        means = NotTold(reason="county_means" if level == "county" else "village_means")
        return WhoGains(findings=findings, groups=groups, deciles=means, poverty=means, village=means)
    found = WhoGains(
        findings=findings,
        groups=groups,
        deciles=deciles(study, design),
        poverty=poverty(study, design),
        village=village(study, design, on_register(study, design)),
    )
    return disclosed(found) if study.public else found


def level_of_units(study: Study, loaded: Loaded) -> str:
    """Return what a unit is; raises StudyError where the study does not say: shares below a line are told of households, and of nothing else."""
    if study.unit_level is None and loaded.received is None:
        raise StudyError(
            "who: needs unit_level: county, village or household in the study: how many are poor and who passed whom can be told of "
            "households, and not of means of counties or villages."
        )
    return unit_level(study, loaded)
