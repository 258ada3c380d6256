"""Measure how long reports take: ``python benchmarks/reports.py``.

Fifty counties of the demo province, each with its notebook and its report in three formats and two languages, by the batch with two
workers; beside it bare papermill, with a fresh kernel for every notebook, on a few of the same counties. Processor seconds of
rendering are those of one report in one language, when everything has been loaded once.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from machine import machine, versions

import evalkit as ek
from evalkit.county import counties
from evalkit.places import shared
from evalkit.study_data import load

HERE = Path(__file__).parent
RESULT = HERE / "results" / "reports.json"
STUDY = shared("notebooks", "studies", "industry.yml")
NOTEBOOK = shared("notebooks", "10_intervention_effect.ipynb")
FORMATS = ["html", "pdf", "docx"]
WORKERS = 2


def timed(command: list[str]) -> dict[str, float]:
    """Return the wall and processor seconds of a command and everything it starts."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return {"wall": round(wall, 2), "cpu": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2)}


def codes(count: int) -> list[str]:
    """Return the codes of the first counties that the programme reached."""
    study = ek.Study.from_yaml(STUDY)
    return list(counties(study, load(study, None, STUDY.parent)))[:count]


def batch(chosen: list[str], out: Path) -> dict[str, float]:
    """Make the reports of some counties by the batch."""
    command = [shutil.which("evalkit") or "evalkit", "run", str(STUDY), "--county", ",".join(chosen), "--jobs", str(WORKERS)]
    return timed([*command, "--formats", ",".join(FORMATS), "--out", str(out)])


def bare(chosen: list[str], out: Path) -> dict[str, float]:
    """Execute the same notebook for some counties by papermill's own command, a fresh kernel each."""
    papermill = shutil.which("papermill") or "papermill"

    def one(code: str) -> None:
        target = out / code
        target.mkdir(parents=True)
        parameters = {"study": str(STUDY), "county": code, "out_dir": str(target), "formats": FORMATS, "languages": ["zh", "en"]}
        command = [papermill, str(NOTEBOOK), str(target / "notebook.ipynb"), "--no-progress-bar", "--cwd", str(NOTEBOOK.parent)]
        subprocess.run([*command, "-y", json.dumps(parameters)], capture_output=True, check=True)

    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, chosen))
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall": round(wall, 2), "cpu": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2)}


def rendering(chosen: list[str], out: Path) -> dict[str, dict[str, float]]:
    """Return the median processor seconds of a warm report by language: all formats, and each alone."""
    from evalkit.report import write

    study = ek.Study.from_yaml(STUDY)
    found = [ek.evaluate(study, None, STUDY.parent)] + [ek.evaluate(study, None, STUDY.parent, county=code) for code in chosen]

    def seconds(findings: Any, lang: str, formats: list[str]) -> float:
        start = time.process_time()
        write(findings, out, lang, formats)
        return time.process_time() - start

    told: dict[str, dict[str, float]] = {}
    for lang in ("zh", "en"):
        seconds(found[0], lang, FORMATS)
        told[lang] = {"whole_province": round(median(seconds(found[0], lang, FORMATS) for _ in range(3)), 2)}
        told[lang]["one_county"] = round(median(seconds(findings, lang, FORMATS) for findings in found[1:]), 2)
        told[lang] |= {name: round(median(seconds(found[0], lang, [name]) for _ in range(3)), 2) for name in FORMATS}
    return told


def main() -> None:
    """Measure and write the results."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--counties", type=int, default=50)
    arguments.add_argument("--bare", type=int, default=6, help="counties for bare papermill, scaled to all of them")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out, chosen = Path(folder), codes(asked.counties)
        few = chosen[: asked.bare]
        result: dict[str, Any] = {"machine": machine(), "versions": versions()}
        result["rendering_cpu_seconds"] = rendering(few[:3], out / "rendering")
        result["help_seconds"] = median(timed([shutil.which("evalkit") or "evalkit", "--help"])["wall"] for _ in range(5))
        result["counties"] = len(chosen)
        result["batch"] = batch(chosen, out / "batch")
        result["batch_again"] = batch(chosen, out / "batch")
        result["bare_papermill"] = bare(few, out / "bare") | {"counties": len(few)}
    scaled = result["bare_papermill"]["wall"] * len(chosen) / len(few)
    result["batch_over_bare_wall"] = round(result["batch"]["wall"] / scaled, 2)
    RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    json.dump(result, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
