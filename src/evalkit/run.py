"""Run a study: the notebook executed by papermill, its findings and reports, and a manifest of what went in."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import evalkit
from evalkit import errors
from evalkit.errors import EvalkitError, StudyError, nearest
from evalkit.places import shared

NOTEBOOK = "10_intervention_effect.ipynb"
INTAKE_NOTEBOOK = "00_data_intake.ipynb"
LANGUAGES = {"zh": ["zh"], "en": ["en"], "both": ["zh", "en"]}
QUIET_KERNEL = ["--log-level=ERROR"]
RECORDED = ("numpy", "scipy", "pandas", "matplotlib", "papermill", "ipykernel")


@dataclass(frozen=True)
class Run:
    """One finished run: its folder, the reports by language, and whether it succeeded."""

    study: str
    folder: Path
    reports: dict[str, Path]
    seconds: float


def run_study(study: str | Path, data: str | Path | None = None, lang: str = "both", out: str | Path = "outputs") -> Run:
    """Execute the main notebook for a study and return where its reports are.

    The study and its data are judged before a kernel starts, so that a mistake is told at once. Everything that depends on the
    time or the machine is in manifest.json alone.

    Raises
    ------
    EvalkitError
        For a study or data that cannot be run, with the reason.
    """
    from evalkit.comparison import Comparison
    from evalkit.study import Study
    from evalkit.study_data import designed, load, run_id

    if lang not in LANGUAGES:
        raise StudyError(f"There is no language {lang!r}. Allowed: {', '.join(LANGUAGES)}.")
    started = time.time()
    path = Path(study)
    parsed = Study.from_yaml(path)
    loaded = load(parsed, data, path.parent)
    Comparison.of(designed(parsed, loaded.frame, loaded.events)[0])
    identity = run_id(parsed, loaded, loaded.data.parent / "truth.json" if loaded.data else None)
    folder = Path(out) / identity
    folder.mkdir(parents=True, exist_ok=True)
    parameters = {
        "study": str(path.resolve()),
        "data": str(loaded.data.resolve()) if loaded.data else None,
        "languages": LANGUAGES[lang],
        "out_dir": str(folder.resolve()),
    }
    pages = {code: folder / f"report.{code}.html" for code in LANGUAGES[lang]}
    with _without_personal_data(folder):
        _execute(shared("notebooks", NOTEBOOK), folder / "notebook.ipynb", parameters)
        if parsed.intake is not None and not parsed.public:  # the page tells single rows, so it stays in the office
            mapping = path.parent / parsed.intake
            _execute(
                shared("notebooks", INTAKE_NOTEBOOK),
                folder / "data_intake.ipynb",
                _intake_parameters(mapping, loaded.data, lang, folder, False),
            )
            pages |= {f"data.{code}": folder / f"data.{code}.html" for code in LANGUAGES[lang]}
        seconds = round(time.time() - started, 1)
        what = {"study": parsed.model_dump(mode="json"), "seed": parsed.seed, "languages": LANGUAGES[lang]}
        inputs = {path.name: _sha256(path), **loaded.inputs, NOTEBOOK: _sha256(shared("notebooks", NOTEBOOK))}
        _write_manifest(folder, identity, what, inputs, started, seconds)
    return Run(parsed.name, folder, pages, seconds)


def run_intake(mapping: str | Path, data: str | Path | None = None, lang: str = "both", out: str | Path = "outputs") -> Run:
    """Execute the intake notebook for a file and return where its data-quality pages are; the panel lies beside them.

    Raises
    ------
    IntakeError
        For a file that cannot become a panel, with every problem found.
    """
    from evalkit.intake.mapping import Mapping
    from evalkit.intake.receiving import receive
    from evalkit.intake.summary import run_id

    started = time.time()
    mapping, source = Path(mapping), Path(data) if data is not None else None
    received = receive(source, mapping)
    identity = run_id(received)
    folder = Path(out) / identity
    folder.mkdir(parents=True, exist_ok=True)
    template = shared("notebooks", INTAKE_NOTEBOOK)
    with _without_personal_data(folder):
        _execute(template, folder / "data_intake.ipynb", _intake_parameters(mapping, source, lang, folder, True))
        what = {"mapping": Mapping.from_yaml(mapping).model_dump(mode="json"), "languages": LANGUAGES[lang]}
        inputs = {mapping.name: _sha256(mapping), **received.inputs, INTAKE_NOTEBOOK: _sha256(template)}
        seconds = round(time.time() - started, 1)
        _write_manifest(folder, identity, what, inputs, started, seconds)
    return Run(identity, folder, {code: folder / f"data.{code}.html" for code in LANGUAGES[lang]}, seconds)


def _intake_parameters(mapping: Path, data: Path | None, lang: str, folder: Path, write_panel: bool) -> dict[str, Any]:
    return {
        "mapping": str(mapping.resolve()),
        "data": str(data.resolve()) if data else None,
        "languages": LANGUAGES[lang],
        "out_dir": str(folder.resolve()),
        "write_panel": write_panel,
    }


@contextmanager
def _without_personal_data(folder: Path) -> Iterator[None]:
    """Search the folder of a run when it is done, or has stopped: the notebook of a failure is kept too, and can quote rows."""
    try:
        yield
    finally:
        _refuse_personal_data(folder)


def _refuse_personal_data(folder: Path) -> None:
    """Search everything that was written for personal numbers; where there are some, nothing of the run stays.

    The manifest, where there is one, then says which kinds of files could not be searched.
    """
    from evalkit.intake.disclosure import refuse_leaks
    from evalkit.intake.observations import IntakeError

    try:
        inspection = refuse_leaks(folder)
    except IntakeError as found:
        shutil.rmtree(folder)
        raise found from None  # what stopped the run may quote the same data
    manifest = folder / "manifest.json"
    if manifest.exists():
        said = json.loads(manifest.read_text(encoding="utf-8")) | {"not_searched": inspection.skipped_kinds}
        _write_json(manifest, said)


def _execute(template: Path, target: Path, parameters: dict[str, Any]) -> None:
    """Execute a notebook with parameters it knows; a failure keeps the notebook and raises its own message."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    _speak_chinese()
    logging.getLogger("papermill").setLevel(logging.ERROR)
    known = list(papermill.inspect_notebook(str(template)))
    for name in parameters:
        if name not in known:
            raise StudyError(f"The notebook {template.name} has no parameter {name!r}. Nearest: {', '.join(nearest(name, known))}.")
    try:
        papermill.execute_notebook(
            str(template), str(target), parameters=parameters, kernel_name="python3", progress_bar=False,
            cwd=str(template.parent), shutdown_kernel="immediate", log_output=False, extra_arguments=QUIET_KERNEL,
        )  # fmt: skip
    except PapermillExecutionError as problem:
        kind = getattr(errors, str(problem.ename), EvalkitError)
        raise kind(f"{problem.evalue} (The notebook that stopped is {target.name} in {target.parent.name}.)") from None
    finally:
        if target.exists():
            _forget_machine(target, parameters)


def _speak_chinese() -> None:
    """Let papermill inject Chinese as it is, not as escapes."""
    from papermill.translators import PythonTranslator, papermill_translators

    class Readable(PythonTranslator):
        @classmethod
        def translate_str(cls, val: str) -> str:
            return json.dumps(val, ensure_ascii=False)

    papermill_translators.register("python", Readable)


def _forget_machine(path: Path, parameters: dict[str, Any]) -> None:
    """Take times and paths of this machine out of an executed notebook, so that the same inputs give the same bytes."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    short = {str(value): Path(str(value)).name for value in parameters.values() if isinstance(value, str)}
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        cell["id"] = f"cell-{number}"
        for long, name in short.items():
            cell.source = cell.source.replace(long, name)
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                # A trace names folders of this machine; what went wrong is in ename and evalue.
                output["traceback"] = [f"{output.ename}: {output.evalue}"]
    nbformat.write(notebook, path)


def _write_manifest(
    folder: Path, identity: str, what: dict[str, Any], inputs: dict[str, str], started: float, seconds: float
) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    manifest = {
        "run_id": identity,
        **what,
        "inputs": inputs,
        "outputs": {p.relative_to(folder).as_posix(): _sha256(p) for p in files},
        "versions": {"evalkit": evalkit.__version__, "python": platform.python_version()} | _versions(),
        "git_commit": _git_commit(),
        "platform": platform.platform(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(started)),
        "seconds": seconds,
    }
    _write_json(folder / "manifest.json", manifest)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _git_commit() -> str | None:
    """Return the commit of the checkout evalkit runs from, with + when files differ, or None outside one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        dirty = subprocess.run(["git", "-C", str(root), "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if dirty else "")


def execute_committed() -> None:
    """Execute the committed notebooks again in place, on the demo data, without times."""
    import nbformat
    from nbclient import NotebookClient

    for path in sorted(shared("notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook,
            kernel_name="python3",
            record_timing=False,
            extra_arguments=QUIET_KERNEL,
            resources={"metadata": {"path": str(path.parent)}},
        ).execute()
        notebook.metadata["language_info"] = {"name": "python"}
        nbformat.write(notebook, path)
        print(path.name)


if __name__ == "__main__":
    if sys.argv[1:] != ["notebooks"]:
        sys.exit("usage: python -m evalkit.run notebooks")
    execute_committed()
