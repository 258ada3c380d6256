"""Kernels that run one notebook after another, a kernel a worker, as an engine of papermill."""

from __future__ import annotations

import json
import os
import signal
import threading
from functools import cache
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.translators import PythonTranslator, papermill_translators

from evalkit.parallel import ONE_THREAD

ENGINE = "evalkit"
QUIET_KERNEL = ["--log-level=ERROR"]
# Held in a module, not in the namespace that is cleared.
REMEMBER = "import evalkit.batch.fresh as _fresh; _fresh.begin_again = _fresh.beginning(); del _fresh"
BEGIN_AGAIN = "import evalkit.batch.fresh as _fresh; _fresh.begin_again({folder!r})"


class KernelLost(Exception):
    """A kernel that ended while it ran a notebook."""


class Kernel:
    """A running kernel; :meth:`run` executes the cells of a notebook in it, and leaves it as if it had just started.

    Linear algebra has one thread whatever the batch, so that numbers do not depend on how many kernels there are.
    """

    def __init__(self, folder: Path) -> None:
        self.thread = threading.get_ident()
        self.client: Any = None
        self.ended = False
        self.notebook = NotebookNode(metadata={}, cells=[], nbformat=4, nbformat_minor=5)  # type: ignore[no-untyped-call]
        starting: Any = NotebookClient(self.notebook, kernel_name="python3", extra_arguments=list(QUIET_KERNEL))
        starting.create_kernel_manager()
        starting.start_new_kernel(cwd=str(folder), env=os.environ | ONE_THREAD)
        self.manager: Any = starting.km
        self.process: Any = self.manager.provisioner.process
        try:
            self.client = starting.start_new_kernel_client()
            about = starting.wait_for_reply(self.client.kernel_info())
            self.language = about["content"]["language_info"]
            self._silently(REMEMBER)
        except BaseException:
            self.end()
            raise

    def run(self, execution: Any) -> None:
        """Execute the cells that papermill manages; raises KernelLost when the kernel ends meanwhile."""
        self.notebook = execution.nb
        running = self._runner(execution)
        try:
            running.papermill_execute_cells()
        except DeadKernelError:
            raise KernelLost from None
        self.notebook.metadata["language_info"] = self.language
        running.set_widgets_metadata()

    def begin_again(self, folder: Path) -> bool:
        """Make the kernel as one that has just started, in a folder, and return whether it could be done."""
        try:
            return bool(self.alive and self._silently(BEGIN_AGAIN.format(folder=str(folder))))
        except (DeadKernelError, RuntimeError, TimeoutError):
            return False

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    def end(self) -> None:
        """End the kernel and what it started, at once and from any thread."""
        self.ended = True
        if self.alive:
            os.killpg(self.process.pid, signal.SIGKILL)  # a kernel leads a group of processes of its own
            self.process.wait()
        self.manager.cleanup_connection_file()
        if self.thread == threading.get_ident():  # sockets belong to the thread that made them
            if self.client is not None:
                self.client.stop_channels()
            self.manager.context.destroy(linger=0)

    def _silently(self, code: str) -> bool:
        """Run code that leaves no trace in the history; return whether it ran."""
        execution = _Unmanaged(self.notebook)
        reply = self._runner(execution).wait_for_reply(self.client.execute(code, silent=True, store_history=False))
        return reply is not None and reply["content"]["status"] == "ok"

    def _runner(self, execution: Any) -> Any:
        running = PapermillNotebookClient(execution, km=self.manager, kernel_name="python3", timeout=None)
        running.kc = self.client
        running.reset_execution_trackers()
        return running


class _Unmanaged:
    """What papermill's client wants in place of a managed notebook when there is none."""

    def __init__(self, notebook: NotebookNode) -> None:
        self.nb = notebook


class WarmEngine(Engine):  # type: ignore[misc]
    """papermill's way into a kernel that is running already."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, *, kernel: Kernel, **_: Any) -> None:
        """Execute the cells in a kernel that outlives them."""
        kernel.run(nb_man)


class Readable(PythonTranslator):  # type: ignore[misc]
    """Parameters in Python with Chinese as it is, not as escapes."""

    @classmethod
    def translate_str(cls, val: str) -> str:
        """Return a text as Python writes it."""
        return json.dumps(val, ensure_ascii=False)


@cache
def ready() -> None:
    """Teach papermill the engine and readable parameters, once a process."""
    import logging

    logging.getLogger("papermill").setLevel(logging.ERROR)
    papermill_engines.register(ENGINE, WarmEngine)
    papermill_translators.register("python", Readable)


_warm: dict[int, Kernel] = {}


def kernel_here(folder: Path) -> Kernel:
    """Return this thread's kernel, as if it had just started in a folder; a new one where there is none or the old one is gone."""
    place = threading.get_ident()
    kernel = _warm.pop(place, None)
    if kernel is not None and not kernel.begin_again(folder):
        kernel.end()
        kernel = None
    _warm[place] = kernel or Kernel(folder)
    return _warm[place]


def lose_kernel() -> None:
    """End this thread's kernel, so that the next notebook gets a new one."""
    if (kernel := _warm.pop(threading.get_ident(), None)) is not None:
        kernel.end()


def end_kernels() -> None:
    """End every kernel of this process."""
    while _warm:
        _warm.popitem()[1].end()
