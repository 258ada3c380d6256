"""The recorded rates of the self-check: files of data/selfcheck, and whether they still speak of the rules and worlds of today."""

from __future__ import annotations

import csv
import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import evalkit
from evalkit.codes import table
from evalkit.firm_records import NotTold
from evalkit.places import shared
from evalkit.selfcheck_records import Matrix, Rates, Share

FOLDER = ("data", "selfcheck")
RATES, MATRIX, TABLE = "recorded.json", "matrix.json", "recorded.csv"
TABLES = {"rules": "grade_rules", "worlds": "selfcheck_worlds"}

SHOWING = ("report", "plots", "site", "batch", "cli.py")
"""Parts of the package that only show, or start, what others find."""

Named = Literal["rules", "worlds"]


def fingerprint(name: Named) -> str:
    """Return the fingerprint of the rules of the grade or of the worlds: of their cells, whatever remarks stand around them.

    What says only where a row comes from (source, verified) is left out: to mend a reference changes no rate.

    >>> len(fingerprint("rules"))
    16
    """
    cells = table(TABLES[name]).drop(columns=["source", "verified"], errors="ignore")
    return print_of([list(cells.columns), *cells.to_numpy().tolist()])


def code_print() -> str:
    """Return the fingerprint of the code that evaluates, so that blocks of a stopped run are not mixed with those of other code."""
    package = Path(evalkit.__file__).parent
    files = sorted(path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in SHOWING)
    return print_of([[path.relative_to(package).as_posix(), path.read_text(encoding="utf-8")] for path in files])


def print_of(content: Any) -> str:
    """Return the first sixteen letters of the sha256 of a content that json can write."""
    return sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]


def recorded_rates(folder: str | Path | None = None) -> Rates:
    """Return the recorded rates; those that ship with evalkit without a folder. Raises StudyError where they are missing."""
    return Rates.model_validate_json(_place(folder, RATES).read_text(encoding="utf-8"))


def recorded_matrix(folder: str | Path | None = None) -> Matrix:
    """Return the recorded threat x check matrix; the one that ships with evalkit without a folder."""
    return Matrix.model_validate_json(_place(folder, MATRIX).read_text(encoding="utf-8"))


def _place(folder: str | Path | None, name: str) -> Path:
    return shared(*FOLDER, name) if folder is None else Path(folder) / name


def stale(rates: Rates) -> list[Named]:
    """Return what has changed since rates were recorded: rules, worlds, both or nothing."""
    names: tuple[Named, ...] = ("rules", "worlds")
    return [name for name in names if getattr(rates, name) != fingerprint(name)]


def together(rates: Rates, folder: str | Path) -> Rates:
    """Return rates of some worlds with those of the other worlds that a folder holds, under the same rules, worlds and version.

    Rates of other rules or worlds are left behind: they say nothing about those of today.
    """
    place = Path(folder) / RATES
    if not place.is_file():
        return rates
    earlier = Rates.model_validate_json(place.read_text(encoding="utf-8"))
    if any(getattr(earlier, name) != getattr(rates, name) for name in ("version", "rules", "worlds")):
        return rates
    rows = {row.world.world: row for row in (*earlier.rows, *rates.rows)}
    order = [name for name in table(TABLES["worlds"])["world"] if name in rows]
    seeds = (min(earlier.seeds[0], rates.seeds[0]), max(earlier.seeds[1], rates.seeds[1]))
    return rates.model_copy(update={"rows": [rows[name] for name in order], "seeds": seeds})


def record(rates: Rates, folder: str | Path) -> list[Path]:
    """Write rates as json and as a table; the same rates give the same bytes."""
    return [_written(rates.model_dump_json(indent=1), folder, RATES), _written(as_csv(rates), folder, TABLE)]


def record_matrix(matrix: Matrix, folder: str | Path) -> Path:
    """Write a threat x check matrix as json; the same matrix gives the same bytes."""
    return _written(matrix.model_dump_json(indent=1), folder, MATRIX)


def _written(text: str, folder: str | Path, name: str) -> Path:
    path = Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    return path


def as_csv(rates: Rates) -> str:
    """Return rates as a table for other programs: one row a world, shares with their Monte Carlo error and Wilson interval."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    shares = ("firm", "wrong_sign", "rejected", "covered")
    parts = ("share", "mc_error", "low", "high", "count", "of")
    plain = ("truth", "estimate", "estimate_error", "spread", "std_error")
    writer.writerow(
        ["world", "group", "target", "target_share", "met", "runs"]
        + [f"{name}_{part}" for name in shares for part in parts]
        + [*plain, "outcomes", "data_status"]
    )
    for row in rates.rows:
        world = row.world
        outcomes = "|".join(f"{one.verdict}/{one.letter or '-'}:{one.count}" for one in row.outcomes)
        told = [world.world, world.group, world.target, world.share, row.met, row.runs]
        cells = [cell for name in shares for cell in _cells(getattr(row, name), parts)]
        writer.writerow([*told, *cells, *(getattr(row, name) for name in plain), outcomes, "模拟数据 simulated"])
    return out.getvalue()


def _cells(share: Share | NotTold, parts: tuple[str, ...]) -> list[Any]:
    return [""] * len(parts) if isinstance(share, NotTold) else [getattr(share, part) for part in parts]
