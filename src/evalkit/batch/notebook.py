"""One notebook executed with parameters, and what of this machine is taken out of it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from evalkit.batch.refusal import Refusal
from evalkit.errors import StudyError, unknown

_CELL = re.compile(r"[^\s:\"']*ipykernel_\d+/\d+\.py")  # where a kernel says that a cell stands: a file named after the process


@dataclass(frozen=True)
class Stop:
    """What stopped a notebook: the name of the error and what it says."""

    name: str
    said: str


def execute(template: Path, target: Path, parameters: Mapping[str, Any], names: Mapping[str, str]) -> Stop | None:
    """Execute a notebook in this worker's kernel and write it; return what stopped it, None when it ran to its end.

    Parameters
    ----------
    template : the notebook; kernels stand in its folder
    target : where the executed notebook is written, finished or stopped
    parameters : values of its parameters
    names : what stands in the written notebook in place of texts of this machine, such as paths

    Raises
    ------
    StudyError
        For a parameter that the notebook does not have.
    Refusal
        When the kernel ended twice without an answer.
    """
    known_parameters(template, parameters)
    try:
        notebook, stop = _executed(template, dict(parameters))
    except _Lost as lost:
        target.write_text(_written(lost.notebook, names), encoding="utf-8")
        raise Refusal("kernel_lost", notebook=template.name) from None
    target.write_text(_written(notebook, names), encoding="utf-8")
    return stop if stop is None else Stop(stop.name, plain(stop.said, names))


def known_parameters(template: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that a notebook does not have: papermill would only warn of them. Raises StudyError."""
    known = _parameters(template, template.stat().st_mtime_ns)
    for name in parameters:
        if name not in known:
            raise StudyError(f"The notebook {template.name}: {unknown('parameter', name, known)}")


@cache
def _parameters(template: Path, changed: int) -> tuple[str, ...]:
    import papermill

    return tuple(papermill.inspect_notebook(str(template)))


class _Lost(Exception):
    def __init__(self, notebook: Any) -> None:
        self.notebook = notebook


def _executed(template: Path, parameters: dict[str, Any]) -> tuple[Any, Stop | None]:
    """Execute in a warm kernel; a kernel that is lost is replaced once."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from evalkit.batch.kernel import ENGINE, KernelLost, kernel_here, lose_kernel, ready

    ready()
    notebook: Any = None
    for _ in range(2):
        kernel = kernel_here(template.parent)
        try:
            notebook = papermill.execute_notebook(
                str(template),
                None,
                parameters=parameters,
                engine_name=ENGINE,
                kernel_name="python3",
                progress_bar=False,
                kernel=kernel,
            )
        except PapermillExecutionError as problem:
            return kernel.notebook, Stop(str(problem.ename), str(problem.evalue))
        except KernelLost:
            if kernel.ended:  # by us, because the batch is over
                raise
            notebook = kernel.notebook
            lose_kernel()
        except BaseException:
            lose_kernel()  # it may be in the middle of a cell
            raise
        else:
            return notebook, None
    raise _Lost(notebook)


def _written(notebook: Any, names: Mapping[str, str]) -> str:
    """Return the notebook as text without times and paths of this machine, so that the same inputs give the same bytes."""
    from nbformat.v4 import writes

    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        cell["id"] = f"cell-{number}"
        cell.source = plain(cell.source, names)
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                # A trace names folders of this machine; what went wrong is in ename and evalue.
                output["evalue"] = plain(output.evalue, names)
                output["traceback"] = [f"{output.ename}: {output.evalue}"]
            elif output.output_type == "stream":
                output["text"] = _CELL.sub("cell", plain(output.text, names))
    text: str = writes(notebook)  # type: ignore[no-untyped-call]
    return text + "\n"


def plain(text: str, names: Mapping[str, str]) -> str:
    """Return a text with the names of this machine replaced, the longest first."""
    for long in sorted(names, key=len, reverse=True):
        text = text.replace(long, names[long])
    return text


def machine_names() -> dict[str, str]:
    """Return the folders of this machine that can stand in messages, and what is written in their place."""
    import evalkit

    package = Path(evalkit.__file__).resolve().parent
    places = {package.parents[1]: "evalkit", Path(sys.prefix): "python", Path.home(): "~", Path.cwd(): "."}
    return {str(place): name for place, name in places.items() if len(place.parts) > 1}


def disk_error(stop: Stop) -> int | None:
    """Return the number of the system's error in what stopped a notebook, None when there is none.

    >>> disk_error(Stop("OSError", "[Errno 28] No space left on device: 'a.csv'"))
    28
    """
    found = re.match(r"\[Errno (\d+)\]", stop.said)
    return int(found[1]) if found else None


def as_json(content: Any) -> str:
    """Return JSON that people can read: indented, with Chinese as it is."""
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"
