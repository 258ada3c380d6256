"""A kernel that runs one notebook after another gives what a kernel of its own would give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_world import contents

from evalkit.batch import ending, kernel
from evalkit.batch.jobs import Asked
from evalkit.batch.kernel import Readable
from evalkit.batch.notebook import execute
from evalkit.batch.running import run_batch
from evalkit.places import shared

TRACES = [
    "import os, sys, warnings\nimport matplotlib as mpl\nimport matplotlib.pyplot as plt\nimport pandas as pd",
    "(os.getcwd() == os.environ.get('PWD', os.getcwd()), 'left' in globals(), os.environ.get('LEFT'), len(plt.get_fignums()),"
    " mpl.rcParams['lines.linewidth'], pd.get_option('display.max_rows'), 'left' in sys.path)",
    "warnings.warn('said once a kernel', DeprecationWarning, stacklevel=1)\nimport numpy as np\nnp.float64(1) / 0",
    "plt.plot([1, 2]);",
    "left = 1\nos.environ['LEFT'] = '1'\nsys.path.append('left')\nplt.figure()\nplt.close\nmpl.rcParams['lines.linewidth'] = 9\n"
    "pd.set_option('display.max_rows', 7)\nos.chdir('..')",
]


def test_a_notebook_leaves_no_trace_for_the_next_one(world):
    world.write_notebook(*TRACES)
    studies = tuple(world.study(name) for name in ("one", "two", "three"))
    ending.end_kernels()
    run_batch(Asked(studies), world.out)
    running = next(iter(kernel._warm.values()))
    warm = contents(world.out)
    run_batch(Asked(studies), world.out, force=True)
    assert next(iter(kernel._warm.values())) is running, "the kernel was not kept"
    assert contents(world.out) == warm
    outputs = []
    for path in sorted(world.out.glob("*/notebook.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        outputs.append([(cell.get("execution_count"), cell.get("outputs")) for cell in cells[2:]])
    assert outputs[0] == outputs[1] == outputs[2]
    assert "cell:1: DeprecationWarning: said once" in json.dumps(outputs[0]) and "ipykernel_" not in json.dumps(outputs[0])


def test_a_kernel_that_is_gone_is_replaced_before_the_next_notebook(world):
    run_batch(Asked((world.study("one"),)), world.out)
    (running,) = kernel._warm.values()
    running.end()
    batch = run_batch(Asked((world.study("two"),)), world.out)
    assert batch.counts["done"] == 1 and next(iter(kernel._warm.values())) is not running


def test_parameters_are_written_as_people_read_them():
    for value in ("漳县", 'a "b"', "c'd\\e", "new\nline"):
        assert eval(Readable.translate(value)) == value
    assert Readable.translate(["漳县"]) == '["漳县"]'


@pytest.mark.slow
def test_the_reports_of_a_warm_kernel_are_those_of_a_fresh_one(tmp_path):
    """Two studies in one kernel, and each in a kernel of its own."""
    template = shared("notebooks", "10_intervention_effect.ipynb")

    def made(name: str, folder: Path) -> dict[str, bytes]:
        folder.mkdir(parents=True)
        study = shared("notebooks", "studies", f"{name}.yml")
        names = {str(folder): "out", str(study): study.name}
        asked = {"study": str(study), "out_dir": str(folder), "languages": ["zh"], "formats": ["html", "pdf"]}
        stop = execute(template, folder / "notebook.ipynb", asked, names)
        assert stop is None
        return contents(folder)

    kernel.end_kernels()
    made("health", tmp_path / "before")
    warm = made("industry", tmp_path / "warm")
    kernel.end_kernels()
    assert made("industry", tmp_path / "fresh") == warm
