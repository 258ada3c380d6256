"""The committed notebooks are what comes out when they are run: executed on the demo data, byte for byte."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from evalkit.places import shared
from evalkit.run import executed

NOTEBOOKS = sorted(shared("notebooks").glob("*.ipynb"))
WHOLE = ("00_data_intake", "10_intervention_effect", "20_estimators_side_by_side")
"""Notebooks that are compared with their pictures; nbval compares the texts of all of them."""


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem in WHOLE], ids=lambda path: path.stem)
def test_a_notebook_executed_again_is_the_same_to_the_byte(path: Path) -> None:
    assert executed(path) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_was_executed_from_top_to_bottom(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert any(cell.outputs for cell in cells)
