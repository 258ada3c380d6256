"""The brief: results that are stored, read again and put together; nothing is estimated here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from evalkit.before_after_records import BeforeAfter
from evalkit.errors import ReportError, first_five, unknown
from evalkit.findings import Described, Findings
from evalkit.firm_records import NotTold
from evalkit.supervision.brief_records import Brief, Checked, GroupEffect, Placed, Proposal, Reported, Stage
from evalkit.supervision.ledger import read_ledger
from evalkit.supervision.recommendations import questions, recommendations
from evalkit.supervision.response import response_to

FINDINGS = "findings.json"
MANIFEST = "manifest.json"
NOT_COMPUTED = NotTold(reason="not_computed")
Read = TypeVar("Read")


def brief(
    folders: str | Path | Sequence[str | Path],
    ledger: str | Path | None = None,
    response: str | Path | None = None,
    stage: Stage = "draft",
    sites: int | None = None,
) -> Brief:
    """Return the brief of one or several runs, from what is stored in their folders.

    Parameters
    ----------
    folders : path or paths
        Folders of runs, each with findings.json; who.json, dossier.json and case.json are read where they lie beside it, and what is
        not there is said to be not computed.
    ledger : path, optional
        The ledger of problems, as :func:`evalkit.supervision.ledger.read_ledger` reads it.
    response : path or "none_received", optional
        The file or the folder of the locality's response; without it a folder beside those of the runs, which no run overwrites.
        "none_received" says that the time for it has passed.
    stage : "draft" or "final"
        A final brief needs the response, or "none_received".
    sites : int, optional
        How many sites were visited, for the ledger.

    Raises
    ------
    ReportError
        For a folder without results, results that cannot be read, simulated results beside real ones, an unknown stage, a final
        brief without a response, and a response that holds what looks personal.
    """
    if stage not in get_args(Stage):
        raise ReportError(unknown("stage", stage, get_args(Stage)))
    if sites is not None and ledger is None:
        raise ReportError(
            "sites= (--sites) counts the sites visited for a ledger, and none is given. Name the ledger, or leave it out."
        )
    listed = [Path(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders)]
    if not listed:
        raise ReportError("A brief needs at least one run. Give the folders of runs, such as outputs/industry-1f2e3d4c5b.")
    runs = [_reported(folder) for folder in listed]
    _of_one_kind(runs)
    studies, run_ids = ([getattr(run.findings, name) for run in runs] for name in ("study", "run_id"))
    return Brief(
        stage=stage,
        runs=runs,
        fieldwork=NotTold(reason="no_ledger") if ledger is None else read_ledger(ledger, sites),
        recommendations=_together(runs, recommendations),
        questions=_together(runs, questions),
        response=response_to(response, listed[0].parent, list(dict.fromkeys(studies)), run_ids, stage),
    )


def _together(runs: Sequence[Reported], of: Callable[[Findings | Described, int], list[Proposal]]) -> list[Proposal]:
    return [proposal for place, run in enumerate(runs) for proposal in of(run.findings, place)]


def _of_one_kind(runs: Sequence[Reported]) -> None:
    """Refuse what must not stand in one brief: simulated results beside real ones, and one run twice."""
    simulated = [run.folder for run in runs if run.findings.simulated]
    if simulated and len(simulated) < len(runs):
        real = [run.folder for run in runs if not run.findings.simulated]
        raise ReportError(
            f"Simulated results ({first_five(simulated)}) and real ones ({first_five(real)}) do not belong into one brief. Write one for each."
        )
    ids = [run.findings.run_id for run in runs]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ReportError(f"The run {first_five(twice)} stands twice among the folders. Give each run once.")


def _reported(folder: Path) -> Reported:
    findings = _findings(folder)
    return Reported(
        folder=findings.run_id,
        findings=findings,
        rise=_rise(findings),
        groups=_beside(folder, "who.json", _groups),
        checks=_beside(folder, "dossier.json", _checked),
        case=_beside(folder, "case.json", _placed),
    )


def _findings(folder: Path) -> Findings | Described:
    """Return the findings of a run; a record without a headline is that of a study without a causal figure."""
    path = folder / FINDINGS
    if not path.is_file():
        near = sorted(found.parent.name for found in folder.parent.glob(f"*/{FINDINGS}")) if folder.parent.is_dir() else []
        hint = f" Folders beside it that do: {first_five(near)}." if near else ""
        raise ReportError(
            f"The folder {folder.name} holds no {FINDINGS}. A brief reads stored results and estimates nothing: run the study first "
            f"(evalkit run STUDY.yml).{hint}"
        )
    stored = _stored(path)
    kind: type[Findings | Described] = Described if stored.get("verdict") == "refused" and "headline" not in stored else Findings
    return _valid(kind, stored, path)


def _stored(path: Path) -> dict[str, Any]:
    _judge_untouched(path)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as wrong:
        raise ReportError(f"{path.parent.name}/{path.name} is no JSON: {wrong}. Run the study again.") from wrong
    if not isinstance(stored, dict):
        raise ReportError(f"{path.parent.name}/{path.name} holds no record. Run the study again.")
    return stored


def _judge_untouched(path: Path) -> None:
    """Refuse a record that is not as its run wrote it; results of a folder without a manifest are taken as they are."""
    listed = path.parent / MANIFEST
    if not listed.is_file():
        return
    try:
        wrote = json.loads(listed.read_text(encoding="utf-8"))["outputs"].get(path.name)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, AttributeError, TypeError) as wrong:
        raise ReportError(f"{path.parent.name}/{MANIFEST} is no manifest of a run: {wrong}. Run the study again.") from wrong
    if wrote is not None and wrote != hashlib.sha256(path.read_bytes()).hexdigest():
        raise ReportError(
            f"{path.parent.name}/{path.name} is not as the run wrote it: its sha256 differs from that in {MANIFEST}. Run the study again."
        )


Kind = TypeVar("Kind", bound=BaseModel)


def _valid(kind: type[Kind], stored: dict[str, Any], path: Path) -> Kind:
    try:
        return kind.model_validate(stored)
    except ValidationError as wrong:
        fields = [".".join(str(part) for part in error["loc"]) for error in wrong.errors()]
        raise ReportError(
            f"{path.parent.name}/{path.name} is not what this version writes: {first_five(fields)}. Run the study again with this version."
        ) from wrong


def _beside(folder: Path, name: str, summary: Callable[[dict[str, Any], Path], Read]) -> Read | NotTold:
    """Return the summary of a record that lies beside the findings, or that it was not computed."""
    path = folder / name
    return summary(_stored(path), path) if path.is_file() else NOT_COMPUTED


def _rise(findings: Findings | Described) -> BeforeAfter | NotTold:
    """Return the rise of those covered and its parts: the stored ones, or those that follow from the stored means."""
    if findings.before_after is not None:
        return findings.before_after
    if isinstance(findings, Described):
        return NOT_COMPUTED
    from evalkit.before_after import rise_of_covered

    rise: BeforeAfter | NotTold = rise_of_covered(findings)
    return rise


def _checked(stored: dict[str, Any], path: Path) -> Checked:
    from evalkit.dossier_records import Dossier

    checks = _valid(Dossier, stored, path).checks
    count = {verdict: sum(check.verdict == verdict for check in checks) for verdict in ("pass", "doubt", "fail", "not_applicable")}
    return Checked(
        passed=count["pass"], doubt=count["doubt"], fail=count["fail"], not_applicable=count["not_applicable"],
        named=[check.rule for check in checks if check.verdict in ("fail", "doubt")],
    )  # fmt: skip


def _groups(stored: dict[str, Any], path: Path) -> list[GroupEffect] | NotTold:
    from evalkit.who_records import WhoGains

    groups = _valid(WhoGains, stored, path).groups
    if isinstance(groups, NotTold):
        return groups
    found = ((row.word, row.found) for row in groups.rows)
    return [GroupEffect(word=word, effect=effect if isinstance(effect, NotTold) else effect.money) for word, effect in found]


def _placed(stored: dict[str, Any], path: Path) -> Placed | NotTold:
    from evalkit.case_records import Case

    case = _valid(Case, stored, path)
    if not case.standing:
        return NOT_COMPUTED
    county = case.findings.county
    return Placed(name=case.unit if county is None else county.told, below=case.standing[-1].percentile / 100)
