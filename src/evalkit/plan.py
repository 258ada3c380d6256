"""The pre-analysis record: what will be estimated, written before outcomes after the start are read, and whether a run followed it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import evalkit
from evalkit.alternatives import BESIDE
from evalkit.background import unit_level
from evalkit.codes import value
from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.diagnostics.detectable import detectable_effect
from evalkit.diagnostics.working_noise import learned_noise
from evalkit.errors import DesignError, EstimateError, StudyError
from evalkit.estimators import ESTIMATORS, GroupTime
from evalkit.estimators.needs import unmet
from evalkit.firm_records import NotTold, Seen
from evalkit.inference.simulated_power import Noise
from evalkit.intake.personal_patterns import safe
from evalkit.panel import Panel, period_numbers
from evalkit.plan_file import digest, read, seal
from evalkit.plan_records import SHORT, Departure, Followed, Planned, PlannedCohort, PlannedGroup, PlanRecord
from evalkit.records import Remark
from evalkit.rollout import Rollout
from evalkit.study import Study
from evalkit.study_data import Loaded, designed, load, says_simulated

Array = np.ndarray[Any, Any]

POWER = 0.8
DIGITS = 6  # of computed numbers: what machines compute differs in the last ones, and the number of a plan must not
BLANK = 1.0  # stands in every row whose outcome is not read; no number of a plan depends on it
COPIED = (
    "unit", "period", "outcome", "income_def", "nominal", "scale", "window", "comparison", "anticipation", "base", "method", "unbalanced",
    "covariates", "weight", "level", "seed", "assignment", "sample", "smallest_meaningful_percent", "self_generated",
)  # fmt: skip
WORDS = ("title", "programme", "unit_word", "outcome_word", "money", "prices", "covariate_words")
LISTED = ("estimators", "groups", "components", "checks")
"""Keys whose single entries may be added without touching what was planned."""
ROWS = "rows"  # stands for the units and years themselves
ALONE = ("detectable", "known_until")
"""Keys that describe the plan itself, and are nothing that a run could do otherwise."""


def plan(study: Study, data: str | Path | None = None, folder: str | Path = ".", *, made_on: str) -> PlanRecord:
    """Return what a study will estimate, without reading an outcome from the first start on.

    Parameters
    ----------
    study : Study
    data : path, optional
        The data file; the study's own ``data``, relative to ``folder``, without it. It may end before the programme starts.
    folder : path
        Where the study file lies.
    made_on : str
        The date that is written into the record, outside of its number: the same study and data have the same number on every day.

    Raises
    ------
    StudyError, PanelError, RolloutError, DesignError
        When the file cannot be found or the data do not allow the comparison; the same as a run would say.

    Notes
    -----
    Outcomes count in years before the first cohort that has a clean year starts (less anticipation), of units not treated by then. In all
    other rows the outcome is replaced by a constant before anything is computed. From the known rows come the smallest detectable
    effect (see :func:`evalkit.detectable_effect`) and the mean income of the treated in the last of these years, which is its base.
    Where the data end before the window does, every unit is expected in every missing year.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.places import shared
    >>> folder = shared("notebooks", "studies")
    >>> record = plan(ek.Study.from_yaml(folder / "industry.yml"), folder=folder, made_on="2015-12-01")
    >>> record.planned.known_until, record.outcome_present, record.planned.estimators[0]
    (2015, True, 'group_time')
    """
    return planned(study, load(study, data, folder), made_on)


def planned(study: Study, loaded: Loaded, made_on: str) -> PlanRecord:
    """Return the plan of a study whose data are loaded already; raises as :func:`plan` does."""
    frame, years, present, design = _before(study, loaded)
    content = _choices(study, design) | {"detectable": _detectable(study, design)}
    what = Planned(**content)
    beside = {
        "made_on": made_on,
        "version": evalkit.__version__,
        "outcome_present": present,
        "periods_in_data": years,
        "told_from": _told_from(study, loaded),
        "simulated": study.source.simulated or says_simulated(frame),
        "source": study.source.name,
        **{name: getattr(study, name) for name in WORDS},
    }
    number = digest(what.model_dump(mode="json"))
    unsealed = PlanRecord(hash=number, seal="", planned=what, **beside)
    return unsealed.model_copy(update={"seal": seal(unsealed.model_dump(mode="json"))})


def _told_from(study: Study, loaded: Loaded) -> int | None:
    """Return the smallest number of households that a public page tells of, as public reports do."""
    hide = study.public and unit_level(study, loaded) == "household"
    return int(value("disclosure", "minimum_households")) if hide else None


def followed(study: Study, design: Design, path: str | Path) -> Followed:
    """Return which plan a study names, and what was done otherwise.

    Parameters
    ----------
    study : Study
        As it is run, with ``plan:`` naming the record.
    design : Design
        As it is estimated, all outcomes in it.
    path : path
        The record.

    Raises
    ------
    StudyError
        When the record is missing, was changed, or is the plan of another study.

    Notes
    -----
    Every choice is compared by its key. Words (titles, what groups are called) are no choices. An estimator, group, component or check that
    the plan does not hold is an addition, not a departure.
    """
    record = read(path)
    if record.planned.study != study.name:
        raise StudyError(
            f"plan: {Path(path).name} is the plan of the study {record.planned.study!r}, not of {study.name!r}. Name the plan of this study, or "
            "remove plan: from it."
        )
    before, after = _plain(record.planned.model_dump(mode="json")), _plain(_done(study, design))
    departures, added = [], []
    for key, wanted in before.items():
        made = after[key]
        if key in LISTED:
            added += [f"{key}.{name}" for name in made if name not in wanted]
            departures += _entries(key, wanted, made)
        elif key == "data":
            departures += _changed(wanted, made)
        elif made != wanted:
            departures.append(Departure(key=key, planned=wanted, done=made))
    return Followed(
        hash=record.hash, made_on=record.made_on, outcome_present=record.outcome_present, departures=departures, added=added
    )


def _done(study: Study, design: Design) -> dict[str, Any]:
    """Return the choices of a run as a plan writes them."""
    nothing = NotTold(reason="not_planned")
    return Planned(**_choices(study, design), detectable=nothing).model_dump(mode="json")


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared: no words, entries of lists by their names, cohorts by their years."""
    groups = {one["name"]: [one["column"], sorted(map(str, one["values"]))] for one in content["groups"]}
    cohorts = {str(one["year"]): one["units"] for one in content["cohorts"]}
    estimators = dict.fromkeys(content["estimators"], True)
    kept = {key: said for key, said in content.items() if key not in ALONE}
    return kept | {"groups": groups, "cohorts": cohorts, "estimators": estimators}


def _entries(key: str, wanted: dict[str, Any], made: dict[str, Any]) -> list[Departure]:
    """Return the entries of a list that are gone or are defined otherwise; an estimator has no definition to tell."""
    if key == "estimators":
        return [Departure(key=f"{key}.{name}", planned=True, done=False) for name in wanted if name not in made]
    return [Departure(key=f"{key}.{n}", planned=w, done=made.get(n)) for n, w in wanted.items() if made.get(n) != w]


def _changed(wanted: dict[str, str], made: dict[str, str]) -> list[Departure]:
    """Return the columns that both read and that differ; where the rows differ, nothing else need be said."""
    names = [ROWS] if made[ROWS] != wanted[ROWS] else [name for name in wanted if name in made and made[name] != wanted[name]]
    return [Departure(key=f"data.{name}", planned=wanted[name][:SHORT], done=made[name][:SHORT]) for name in names]


def _before(study: Study, loaded: Loaded) -> tuple[pd.DataFrame, list[int], bool, Design]:
    """Return the data, the years of the window in them, whether outcomes after the start are there, and a design without any."""
    if study.outcome not in loaded.frame or study.period not in loaded.frame or study.unit not in loaded.frame:
        designed(study, loaded.frame, loaded.events)  # says which column is missing
    frame, years = _whole_window(study, loaded.frame)
    told = f"{study.outcome} as told"
    masked = frame.assign(**{told: frame[study.outcome]})
    masked[study.outcome] = BLANK
    blank, _ = designed(study, masked, loaded.events)
    cut = min(Comparison.of(blank).cohorts) - blank.anticipation
    panel = blank.panel
    when = panel.periods[panel.period_index]
    known = (when < cut) & (when + blank.anticipation < blank.rollout.first_treated[panel.unit_index])
    read_outcome = panel.column(told)
    present = bool(read_outcome.notna().to_numpy()[when >= cut].any())
    column = read_outcome.where(known, BLANK).infer_objects()
    kept = panel.frame.drop(columns=[name for name in (told, blank.outcome) if name != study.outcome])
    if panel.order is not None:
        kept = kept.iloc[panel.order]
    design, _ = designed(study, kept.assign(**{study.outcome: column}), loaded.events)
    return loaded.frame, years, present, design


def _whole_window(study: Study, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[int]]:
    """Return the data with a row for every unit in every year of the window after the last, and the years that they hold themselves."""
    dates = frame[study.period]
    if not pd.api.types.is_numeric_dtype(dates) and not pd.api.types.is_datetime64_any_dtype(dates):
        dates = pd.to_datetime(dates, format="ISO8601", errors="coerce")
        if dates.isna().any():
            return frame, []  # designed() says what is wrong with the periods
    numbers, dated = period_numbers(dates, study.period)
    first, last = study.window
    years = sorted({int(year) for year in numbers if first <= year <= last})
    missing = range(int(numbers.max()) + 1, last + 1)
    if not years or not len(missing):
        return frame, years
    ends = frame.assign(**{study.period: dates})[numbers == numbers.max()]
    ends[study.outcome] = np.nan
    rows = [ends.assign(**{study.period: pd.Timestamp(year, 1, 1) if dated else year}) for year in missing]
    return pd.concat([frame.assign(**{study.period: dates}), *rows], ignore_index=True), years


def _known(design: Design) -> tuple[Array, int]:
    """Return (n0,) which rows of the panel lie before any effect could show, and the last year of them."""
    panel, starts = design.panel, design.rollout.first_treated
    cut = min(Comparison.of(design).cohorts) - design.anticipation
    when = panel.periods[panel.period_index]
    known = (when < cut) & (when + design.anticipation < starts[panel.unit_index])
    return known, int(when[when < cut].max())


def _choices(study: Study, design: Design) -> dict[str, Any]:
    """Return every choice of a study with what its design makes of it."""
    treated = np.isfinite(design.cohort)
    years, counts = np.unique(design.cohort[treated], return_counts=True)
    known, until = _known(design)
    who = study.who
    groups = {} if who is None else who.groups
    treatment = study.treatment.model_dump(mode="json", exclude={"events"}, exclude_none=True)
    if study.treatment.events is None:
        treatment = {key: said for key, said in treatment.items() if key not in ("date", "missing_date")}
    if study.treatment.first_year is None:
        treatment.pop("never", None)
    return {
        **{name: getattr(study, name) for name in COPIED},
        "study": study.name,
        "cluster": study.cluster or study.unit,
        "treatment": treatment,
        "estimators": _estimators(design),
        "groups": [
            PlannedGroup(name=name, column=group.column, values=list(group.values), word=group.word)
            for name, group in groups.items()
        ],
        "lines": [] if who is None else list(who.lines),
        "registered": None if who is None else who.registered,
        "just_above": None if who is None else who.just_above,
        "components": {name: part.column for name, part in study.components.items()},
        "checks": _checks(study),
        "periods": [int(period) for period in design.periods],
        "units": len(design.units),
        "treated_units": int(treated.sum()),
        "cohorts": [PlannedCohort(year=int(year), units=int(n)) for year, n in zip(years, counts, strict=True)],
        "known_until": until,
        "data": _fingerprints(study, design, known),
    }


def _checks(study: Study) -> dict[str, list[str]]:
    """Return the columns of every check that a study names."""
    named = {} if study.checks is None else study.checks.model_dump(mode="json", exclude={"draws"})
    return {key: [said] if isinstance(said, str) else list(said) for key, said in named.items() if said}


def _estimators(design: Design) -> list[str]:
    """Return the estimators that apply to a design, the headline's first; a report tells them side by side."""
    others = [name for name in ("two_way", *BESIDE) if not unmet(design, ESTIMATORS[name]())]
    return ["group_time", *others]


def _fingerprints(study: Study, design: Design, known: Array) -> dict[str, str]:
    """Return the sha256 of what a plan reads, column by column: the rows before any effect could show, and who starts when."""
    panel, who = design.panel, study.who
    groups = () if who is None else (*(group.column for group in who.groups.values()), who.registered)
    names = dict.fromkeys((study.outcome, *study.covariates, study.weight, study.cluster, *groups))
    rows = pd.DataFrame({"unit": panel.units[panel.unit_index].astype(str), "period": panel.periods[panel.period_index]})
    columns = {name: panel.column(name).reset_index(drop=True).to_frame() for name in names if name and name in panel.frame}
    columns |= {ROWS: rows, "start": pd.DataFrame({"start": design.rollout.first_treated[panel.unit_index]})}
    return {name: _sha256(columns[name][known]) for name in sorted(columns)}


def _sha256(table: pd.DataFrame) -> str:
    return hashlib.sha256(table.to_csv(index=False, header=False, float_format="%.12g", lineterminator="\n").encode()).hexdigest()


def _detectable(study: Study, design: Design) -> Seen | NotTold:
    """Return the smallest effect that the design shows, learned from rows before any effect could show."""
    cluster = study.cluster if study.cluster != study.unit else None
    known, _ = _known(design)
    try:
        noise = _noise(design, known, cluster)
        found = detectable_effect(
            design, power=POWER, level=1 - study.level, cluster=cluster, estimator=GroupTime(study.method), noise=noise,
            base_income=_base_income(study, design, known), scale=study.scale,
        )  # fmt: skip
    except (DesignError, EstimateError) as refusal:  # one year before the start, one cluster on a side, too many patterns of rows
        return NotTold(reason="refused", facts={"said": safe(str(refusal))})
    assert found.percent is not None and found.yuan is not None
    remarks = [Remark(code=notice.code, facts=_short(dict(notice.facts))) for notice in found.notices]
    return Seen(percent=_rounded(found.percent), money=_rounded(found.yuan), power=POWER, remarks=remarks)


def _noise(design: Design, known: Array, cluster: str | None) -> Noise:
    """Return the noise of the known rows alone.

    All units are said to start in one of two years after the last known one, so that no row beyond counts as untreated: a row after the
    start, of units never treated too, cannot enter.
    """
    panel = design.panel
    kept = np.zeros(len(known), dtype=bool)
    kept[slice(None) if design.keep is None else design.keep] = True
    rows = known & kept
    when, units = panel.periods[panel.period_index], panel.units[panel.unit_index]
    table = pd.DataFrame({"unit": units, "period": when, "y": panel.numbers(design.outcome)})
    if cluster is not None:
        table["cluster"] = panel.column(cluster).to_numpy()
    table = table[rows]
    last = int(table["period"].max())
    ends = table.drop_duplicates("unit").assign(period=last + 2, y=0.0)
    order = pd.Series(np.arange(len(ends)) % 2, index=ends["unit"].to_numpy())
    whole = pd.concat([table, ends], ignore_index=True)
    whole["start"] = last + 1 + whole["unit"].map(order)
    clusters = [] if cluster is None else ["cluster"]
    before = Panel(whole, unit="unit", period="period", clusters=clusters)
    model = Design(before, Rollout.from_first_treated(before, "start"), "y", unbalanced="pairwise")
    return learned_noise(replace(model, anticipation=0), None if cluster is None else "cluster")


def _base_income(study: Study, design: Design, known: Array) -> float:
    """Return the mean outcome of units with an effect in the last known year, in money."""
    comparison = Comparison.of(design)
    treated = set(design.units[np.isin(comparison.cohort, comparison.cohorts)].tolist())
    panel = design.panel
    mine = pd.Series(panel.units[panel.unit_index]).isin(treated).to_numpy()
    when = panel.periods[panel.period_index]
    income = panel.numbers(study.outcome)
    rows = known & mine & ~np.isnan(income)
    if not rows.any():
        raise DesignError("No unit with an effect is seen before the first start, so there is no base income.")
    rows &= when == when[rows].max()
    weight = np.ones(len(income)) if panel.weight is None else panel.numbers(panel.weight)
    return float(np.average(income[rows], weights=weight[rows]))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _short(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: _rounded(fact) if isinstance(fact, float) else fact for name, fact in facts.items()}
