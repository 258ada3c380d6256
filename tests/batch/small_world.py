"""A small world for batches: studies of a few invented counties, and a notebook that does in a moment what a study tells it to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import yaml

from evalkit.batch import judging
from evalkit.places import shared

COUNTIES = {f"51080{number}": name for number, name in enumerate("甲乙丙丁戊己庚辛")}
PARAMETERS = 'study = ""\ndata = None\nlanguages = ["zh", "en"]\nformats = ["html"]\ncounty = None\nout_dir = ""'
CELLS = [
    "import os, time, yaml\nfrom pathlib import Path\nfolder = Path(out_dir)",
    'said = yaml.safe_load(Path(study).read_text(encoding="utf-8"))\norder, _, what = said["title"]["en"].partition(" ")\norder',
    'if order == "sleep":\n    time.sleep(float(what))',
    'if order == "fail":\n    raise ValueError(f"{what} in {folder}")',
    'if order == "die" or order == "once" and not Path(what).exists():\n    Path(what or folder / "x").touch()\n    os._exit(1)',
    'for code in languages:\n    for kind in formats:\n        (folder / f"report.{code}.{kind}").write_text(f"{said[\'name\']} {county} {code} {kind}", encoding="utf-8")',
    'if order == "big":\n    (folder / "big.bin").write_bytes(b"\\1\\0" * int(what))',
    'if order == "person":\n    (folder / "list.txt").write_text(what, encoding="utf-8")',
]
DRIVER = """
import sys
from pathlib import Path
from evalkit.batch import judging, key, running
key.source_digest = lambda: "this evalkit"  # whose files may change while a test runs
notebooks = Path(sys.argv[1])
judging.template = lambda name: notebooks / name
running._site = lambda out: out / "index.html"
from evalkit import cli
sys.argv = ["evalkit", *sys.argv[2:]]
cli.main()
"""


class World:
    """A folder with notebooks, data and studies."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.notebooks, self.out = folder, folder / "notebooks", folder / "out"
        self.notebooks.mkdir(parents=True)
        rows = ["code,name,year,income,start"]
        for place, (code, name) in enumerate(COUNTIES.items()):
            start = 2016 if place % 2 == 0 else 0
            rows += [
                f"{code},{name}县,{year},{8000 + 100 * place + 400 * (year - 2013) + (300 if start and year >= start else 0)},{start}"
                for year in range(2013, 2019)
            ]
        (folder / "counties.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        self.write_notebook()

    def write_notebook(self, *more: str) -> None:
        cells = [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}, id="cell-0")]
        cells += [nbformat.v4.new_code_cell(source, id=f"cell-{number}") for number, source in enumerate([*CELLS, *more], 1)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), self.notebooks / judging.NOTEBOOK)

    def study(self, name: str, order: str = "", **changes: object) -> Path:
        """Write a study whose notebook follows an order."""
        content = yaml.safe_load(shared("notebooks", "studies", "industry.yml").read_text(encoding="utf-8"))
        content |= {"name": name, "title": {"zh": "题", "en": order}, "data": "counties.csv", "unit": "code", "truth": None}
        content |= {"treatment": {"first_year": "start", "never": [0]}, "cluster": "code", "window": [2013, 2018]}
        content |= {"county": "code", "county_name": "name"}
        path = self.folder / f"{name}.yml"
        path.write_text(yaml.safe_dump(content | changes, allow_unicode=True), encoding="utf-8")
        return path

    def start(self, *arguments: object, out: Path | None = None) -> subprocess.Popen[str]:
        """Start the command line in a process, and a group, of its own."""
        line = [sys.executable, "-c", DRIVER, self.notebooks, *arguments, "--out", out or self.out]
        return subprocess.Popen(
            [str(part) for part in line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def record(self, out: Path | None = None) -> dict:
        return json.loads(((out or self.out) / "batch.json").read_text(encoding="utf-8"))

    def statuses(self, out: Path | None = None) -> dict[str, str]:
        return {row["study"]: row["status"] for row in self.record(out)["rows"]}


def contents(out: Path) -> dict[str, bytes]:
    """Every file of the results whose bytes do not depend on the time."""
    files = (
        path for path in out.rglob("*") if path.is_file() and path.name not in ("manifest.json", "batch.json", ".lock", ".holder")
    )
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def eventually(holds, seconds: float = 30.0) -> bool:
    """Wait until something holds."""
    limit = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < limit:
        time.sleep(0.05)
    return bool(held)


def offspring(process: int) -> set[int]:
    """Return the processes below one, whatever groups they lead."""
    import psutil

    try:
        return {child.pid for child in psutil.Process(process).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def gone(processes: set[int]) -> bool:
    import psutil

    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in processes)


def kill_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
