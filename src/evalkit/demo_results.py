"""Stored results of the simulated province, for what reads results and estimates nothing: findings as a run leaves them."""

from __future__ import annotations

import sys
from pathlib import Path

from evalkit.evaluation import evaluate
from evalkit.findings import Described, Findings
from evalkit.places import shared
from evalkit.study import Study

STUDIES = ("industry",)
"""Studies of notebooks/studies whose results are stored with the demo."""


def stored(name: str) -> Findings | Described:
    """Return what a study of the demo finds now; the data are simulated, and the findings say so."""
    studies = shared("notebooks", "studies")
    found: Findings | Described = evaluate(Study.from_yaml(studies / f"{name}.yml"), None, folder=studies)
    return found


def write_results(folder: Path | str) -> list[Path]:
    """Write the findings of every study of the demo, each in a folder of its own, and return the files."""
    files = []
    for name in STUDIES:
        path = Path(folder) / name / "findings.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(stored(name).model_dump_json(indent=2) + "\n", encoding="utf-8")
        files.append(path)
    return files


if __name__ == "__main__":
    write_results(sys.argv[1] if len(sys.argv) > 1 else shared("notebooks") / "stored_results")
