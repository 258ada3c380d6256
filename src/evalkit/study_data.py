"""A study's data: where they lie, how they are read, and the design they make."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

import evalkit
from evalkit.design import Design
from evalkit.errors import PanelError, RolloutError, StudyError, first_five, nearest, unknown
from evalkit.events import Events
from evalkit.intake.headers import label, short_code
from evalkit.intake.mapping import Mapping
from evalkit.intake.personal_patterns import safe
from evalkit.intake.receiving import Received, receive
from evalkit.notices import Notice
from evalkit.panel import Array, Panel
from evalkit.records import County
from evalkit.rollout import Rollout
from evalkit.study import Study


@dataclass(frozen=True, eq=False)
class Loaded:
    """A study's data, read and judged.

    Attributes
    ----------
    frame : the data, one row per unit and period
    inputs : name -> sha256 of everything that went in: data, mapping, histories, indices, events
    data : the data file, None for a database
    received : what intake did, None for a tidy file that is read as it is
    events : the table of events, None where the data say who is treated
    county : the county whose rows these are, None for all of them
    plan : the record of what was meant to be estimated, None where the study names none
    """

    frame: pd.DataFrame = field(repr=False)
    inputs: dict[str, str]
    data: Path | None = None
    received: Received | None = field(default=None, repr=False)
    events: Events | None = field(default=None, repr=False)
    county: County | None = None
    plan: Path | None = None


def load(study: Study, data: str | Path | None, folder: str | Path) -> Loaded:
    """Return a study's data; with ``intake:`` the file goes through intake, without it must be tidy csv or Parquet.

    Raises
    ------
    StudyError, IntakeError, RolloutError
        When a file cannot be found or read, with every problem found.
    """
    folder = Path(folder)
    files: list[Path] = []
    received, source = None, None
    if study.intake is None:
        source = data_path(study, data, folder)
        files.append(source)
        frame = read(source)
    else:
        mapping_path = _beside(study.intake, folder, "intake")
        mapping = Mapping.from_yaml(mapping_path)
        source = None if mapping.database else data_path(study, data, folder)
        received = receive(source, mapping, mapping_path.parent)
        frame = received.frame
        files.append(mapping_path)
    events = None
    if study.treatment.events is not None:
        path = _beside(study.treatment.events, folder, "treatment.events")
        files.append(path)
        with _nobody_named():
            events = _under_new_codes(_written_alike(Events.read(path), received), received)
    plan = _beside(study.plan, folder, "plan") if study.plan is not None else None
    if plan is not None:
        files.append(plan)
    inputs = {path.name: _sha256(path) for path in files}
    if received is not None:
        inputs |= received.inputs
    return Loaded(frame, inputs, source, received, events, plan=plan)


def _beside(name: str, folder: Path, key: str) -> Path:
    path = folder / name
    if not path.is_file():
        near = nearest(path.name, [p.name for p in path.parent.glob("*")]) if path.parent.is_dir() else []
        raise StudyError(f"{key}: there is no file {name}." + (f" Nearest there: {', '.join(near)}." if near else ""))
    return path


@contextmanager
def _nobody_named() -> Iterator[None]:
    """Mask what looks personal in a message on the roll-out, which quotes labels of units that no intake has protected."""
    try:
        yield
    except RolloutError as problem:
        raise RolloutError(safe(str(problem))) from None


def _written_alike(events: Events, received: Received | None) -> Events:
    """Return the events with units written as intake writes those of the panel: without inner blanks, codes as short as there."""
    if received is None:
        return events
    units = events.frame["unit"].astype(str)
    plain = {unit: label(unit) for unit in units.unique()}
    if received.kinds.get(received.mapping.unit) == "code":
        plain = {unit: short_code(text.removesuffix(".0")) for unit, text in plain.items()}
    return replace(events, frame=events.frame.assign(unit=units.map(plain)))


def _under_new_codes(events: Events, received: Received | None) -> Events:
    """Return the events with counties under the codes of the panel, where intake followed changes of codes."""
    if received is None or received.changes.empty:
        return events
    changes = received.changes[["from_codes", "unit"]].astype(str).itertuples(index=False, name=None)
    followed = {code: unit for codes, unit in changes for code in codes.split("+")}
    known = set(received.frame[received.mapping.unit].astype(str))
    units = [unit if unit in known else followed.get(unit, unit) for unit in events.frame["unit"].astype(str)]
    return replace(events, frame=events.frame.assign(unit=units))


def data_path(study: Study, data: str | Path | None, folder: str | Path) -> Path:
    """Return the data file of a study, or say how to give it."""
    if data is None and study.data is None:
        where = f" Its source is {study.source.url}." if study.source.url else ""
        raise StudyError(f"The study {study.name!r} ships no data.{where} Give the file: --data PATH.")
    path = Path(data) if data is not None else Path(folder) / str(study.data)
    if path.is_dir():
        raise StudyError(f"{path} is a folder. Give the data file in it.")
    if not path.is_file():
        near = nearest(path.name, [p.name for p in path.parent.glob("*")]) if path.parent.is_dir() else []
        raise StudyError(f"There is no data file {path}." + (f" Nearest there: {', '.join(near)}." if near else ""))
    return path


def read(path: Path) -> pd.DataFrame:
    """Return a csv (UTF-8, also gzipped) or Parquet file as a frame; raises StudyError for what cannot be read as such."""
    kind = path.name.lower()
    if not kind.endswith((".csv", ".csv.gz", ".parquet")):
        raise StudyError(
            f"{path.name} is neither csv nor Parquet. 'evalkit init FOLDER --data {path.name}' writes a mapping (intake.yml) by which "
            "evalkit reads Excel, Stata, SPSS and yearbook tables; name it in the study as intake:."
        )
    try:
        # index_col=False: a comma at the end of every row must not shift the columns.
        frame = pd.read_parquet(path) if kind.endswith(".parquet") else pd.read_csv(path, encoding="utf-8-sig", index_col=False)
    except UnicodeDecodeError as problem:
        raise StudyError(
            f"{path.name} is not UTF-8 (byte {problem.start:,}). Save it again as csv with encoding UTF-8, or let 'evalkit init' write a mapping for it."
        ) from None
    except pd.errors.EmptyDataError:
        raise StudyError(f"{path.name} is empty: it has neither a header nor a row.") from None
    except pd.errors.ParserError as problem:
        raise StudyError(f"{path.name} is not a regular csv: {problem}. Every row needs as many commas as the header.") from None
    except (OSError, EOFError, ValueError) as problem:
        raise StudyError(f"{path.name} cannot be read as what its name says: {problem}.") from None
    if len(frame.columns) == 1 and (mark := next((m for m in ";\t|，" if m in str(frame.columns[0])), None)):
        raise StudyError(f"{path.name} separates columns by {mark!r}, not by a comma. Save it as csv with commas.")
    return frame


def says_simulated(frame: pd.DataFrame) -> bool:
    """Return whether the data themselves say that they are simulated, in a column data_status."""
    return "data_status" in frame and bool(frame["data_status"].astype(str).str.contains("模拟|simulated", case=False).any())


def run_id(study: Study, loaded: Loaded, truth: Path | None = None) -> str:
    """Return the study's name, the county's code, and the hash of all inputs, parameters, planted truth and package version."""
    digest = hashlib.sha256()
    for name, fingerprint in sorted(loaded.inputs.items()):
        digest.update(f"{name}:{fingerprint}".encode())
    digest.update(json.dumps(study.model_dump(mode="json"), sort_keys=True, ensure_ascii=False).encode())
    if study.truth is not None and truth is not None and truth.is_file():
        digest.update(truth.read_bytes())
    digest.update(evalkit.__version__.encode())
    where = "" if loaded.county is None else "-" + re.sub(r"[^\w.]", "_", loaded.county.code)
    digest.update(where.encode())
    return f"{study.name}{where}-{digest.hexdigest()[:10]}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def designed(study: Study, frame: pd.DataFrame, events: Events | None = None) -> tuple[Design, tuple[Notice, ...]]:
    """Return the design of a study on its data; the whole file is judged before the window is cut out of it.

    Raises StudyError, PanelError, RolloutError or DesignError for what the data do not allow; NoComparison, a DesignError, where every
    unit is covered at once.
    """
    panel, rollout, outcome = rolled(study, frame, events)
    design = Design(
        panel, rollout, outcome, covariates=study.covariates, comparison=study.comparison, anticipation=study.anticipation,
        base=study.base, unbalanced=study.unbalanced,
    )  # fmt: skip
    never = {code: count for code, count in rollout.never_codes.items() if count}
    return design, (Notice("NEVER_CODES", {"codes": never}),) if never and study.treatment.first_year is not None else ()


def rolled(study: Study, frame: pd.DataFrame, events: Events | None = None) -> tuple[Panel, Rollout, str]:
    """Return the panel of a study's window, who is treated when, and the column of its outcome.

    Raises StudyError, PanelError or RolloutError for what the data do not allow.
    """
    treatment = study.treatment
    names = [
        study.unit,
        study.period,
        study.outcome,
        *study.covariates,
        study.weight,
        study.cluster,
        treatment.first_year,
        treatment.group,
    ]
    for name in (n for n in names if n is not None):
        if name not in frame.columns:
            raise StudyError(unknown("column", name, [str(c) for c in frame.columns]))
    if treatment.group is not None:
        frame = frame.assign(**{FROM_GROUP: _since(study, frame)})
    frame = _dates_read(frame, study.period)
    clusters = [study.cluster] if study.cluster and study.cluster != study.unit else []
    whole = Panel(frame, unit=study.unit, period=study.period, clusters=clusters, weight=study.weight)
    if clusters:
        _judge_cluster(study, whole)
    inside = _in_window(study, whole)
    frame = (whole.frame if whole.order is None else whole.frame.iloc[whole.order])[inside].reset_index(drop=True)
    outcome = study.outcome
    if study.scale == "log":
        outcome = f"log {study.outcome}"
        frame[outcome] = np.log(_positive(study, whole, inside))
    panel = Panel(frame, unit=study.unit, period=study.period, clusters=clusters, weight=study.weight)
    return panel, rolled_out(study, panel, events), outcome


def rolled_out(study: Study, panel: Panel, events: Events | None) -> Rollout:
    """Return who is treated from when, as the study says it."""
    treatment = study.treatment
    if events is not None:
        with _nobody_named():
            return Rollout.from_events(panel, events, str(treatment.programme), treatment.date, treatment.missing_date)
    return Rollout.from_first_treated(panel, treatment.first_year or FROM_GROUP, never=_never(study), programme=study.programme.en)


FROM_GROUP = "first treated period (from treatment.group and since)"


def _dates_read(frame: pd.DataFrame, period: str) -> pd.DataFrame:
    """Return the frame with ISO dates in the period column read as dates; csv files hold them as text."""
    if pd.api.types.is_numeric_dtype(frame[period]) or pd.api.types.is_datetime64_any_dtype(frame[period]):
        return frame
    dates = pd.to_datetime(frame[period], format="ISO8601", errors="coerce")
    return frame.assign(**{period: dates}) if dates.notna().all() and len(dates) else frame


def _in_window(study: Study, whole: Panel) -> Array:
    """Return (n,) which of the panel's rows lie in the study's window."""
    first, last = study.window
    when = whole.periods[whole.period_index]
    inside = (when >= first) & (when <= last)
    if not inside.any():
        raise PanelError(
            f"The window {first}-{last} leaves no row: {study.period!r} runs from {whole.periods[0]} to {whole.periods[-1]}. "
            "Change window: in the study."
        )
    if first < whole.periods[0] or last > whole.periods[-1]:
        raise StudyError(
            f"window: {first}-{last} reaches beyond the data, in which {study.period!r} runs from {whole.periods[0]} to {whole.periods[-1]}. "
            f"Set window: [{max(first, whole.periods[0])}, {min(last, whole.periods[-1])}], or give data of the other years."
        )
    return np.asarray(inside)


def _judge_cluster(study: Study, panel: Panel) -> None:
    """Refuse clusters that change within a unit, and a single one."""
    codes, labels = pd.factorize(panel.column(str(study.cluster)))
    if len(labels) < 2:
        raise StudyError(
            f"cluster {study.cluster!r} has one value only ({labels[0]}), so nothing can be learned about its variation."
        )
    first = codes[np.flatnonzero(np.r_[True, np.diff(panel.unit_index) != 0])]
    if (moved := codes != first[panel.unit_index]).any():
        units = np.unique(panel.unit_index[moved])
        raise StudyError(
            f"cluster {study.cluster!r} changes over time within {len(units):,} units: {first_five(panel.units[units])}. A cluster is a group that "
            "units stay in: use one that does not change, or the value of one fixed year."
        )


def _positive(study: Study, whole: Panel, inside: Array) -> Array:
    """Return the outcome of the rows in the window; zero or negative income has no logarithm and is an error."""
    income = whole.numbers(study.outcome)
    if (bad := inside & (income <= 0)).any():
        rows = np.flatnonzero(bad)
        raise PanelError(
            f"{study.outcome!r} is zero or negative in {len(rows):,} rows: {first_five(whole.places(rows))}. It has no logarithm. "
            "Mend the values, or set scale: level in the study."
        )
    return np.asarray(income[inside])


def _since(study: Study, frame: pd.DataFrame) -> pd.Series:
    """Return the first treated period of units marked by a 0/1 column: 0 (never) or the year of ``since``."""
    group = frame[study.treatment.group]
    if not group.isin([0, 1]).all():
        odd = group[~group.isin([0, 1])].unique()
        raise StudyError(f"treatment.group {study.treatment.group!r} must be 0 or 1 in every row; it also holds {first_five(odd)}.")
    return group.map({0: 0, 1: study.treatment.since})


def _never(study: Study) -> tuple[float, ...]:
    if study.treatment.group is not None:
        return (0.0,)
    special = {"missing": float("nan"), "inf": float("inf")}
    return tuple(special[code] if isinstance(code, str) else float(code) for code in study.treatment.never)
