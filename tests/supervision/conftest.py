"""A ledger that a reader can count by hand, and folders of stored results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.demo_results import STUDIES
from evalkit.findings import Findings
from evalkit.grade import graded
from evalkit.grade_records import Evidence
from evalkit.places import shared

HEAD = (
    "problem_id,found_date,site_id,field,root_level,kind,text,evidence_id,verified_by,responsible,due,state,state_date,wave2_state"
)
CLERK, OWNER = "赵文书", "钱主任"  # persons, invented; they must never leave the ledger


def line(number: int, **changes: str) -> str:
    cells = {
        "problem_id": f"P{number:04d}", "found_date": "2018-03-05", "site_id": f"V{number:02d}", "field": "产业", "root_level": "村",
        "kind": "合同不清", "text": "问题", "evidence_id": f"E{number}", "verified_by": CLERK, "responsible": OWNER, "due": "2018-09-30",
        "state": "已整改", "state_date": "2018-08-01", "wave2_state": "",
    }  # fmt: skip
    return ",".join((cells | changes).values())


@pytest.fixture(scope="session", name="line")
def _line() -> Callable[..., str]:
    return line


@pytest.fixture
def ledger(tmp_path: Path) -> Callable[..., Path]:
    """Write lines as a ledger and return its path."""

    def write(*lines: str, head: str = HEAD, name: str = "ledger.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes("\n".join([head, *lines, ""]).encode(encoding))
        return path

    return write


@pytest.fixture(scope="session")
def stored() -> Findings:
    """The stored results of the demo."""
    path = shared("notebooks", "stored_results", STUDIES[0], "findings.json")
    return Findings.model_validate_json(path.read_text(encoding="utf-8"))


@pytest.fixture
def run(tmp_path: Path, stored: Findings) -> Callable[..., Path]:
    """Write findings, changed where asked, into a folder as a run leaves them."""

    def write(name: str = "", letter: str | None = None, **changes: Any) -> Path:
        if letter is not None:
            changes["grade"] = None if letter == "unrecorded" else with_letter(letter)
        findings = stored.model_copy(update=changes)
        folder = tmp_path / "outputs" / (name or findings.run_id)
        folder.mkdir(parents=True)
        (folder / "findings.json").write_text(findings.model_dump_json(), encoding="utf-8")
        return folder

    return write


def with_letter(letter: str) -> Any:
    """A grade by its rules, of evidence that earns it."""
    firm = {"design": "parallel", "periods_before": 5, "pretrend_p": 0.4, "pretrend_power": 0.8, "breakdown": 1.2, "flips": 0}
    changes: dict[str, dict[str, Any]] = {
        "A": {"second_source": "agrees"},
        "B": {},
        "C": {"largest_imbalance": 0.4},
        "D": {"largest_imbalance": 0.4, "estimators_opposed": 1},
        "N": {"sample": "exited"},
    }
    grade = graded(Evidence(**(firm | changes[letter])))
    assert grade.letter == letter
    return grade


@pytest.fixture(scope="session", name="graded")
def _graded() -> Callable[[str], Any]:
    return with_letter
