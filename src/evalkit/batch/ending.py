"""The end of a worker's kernels, for workers that may have started none."""

from __future__ import annotations

import sys


def end_kernels() -> None:
    """End every kernel of this process, if it has loaded what starts them."""
    if (kernel := sys.modules.get("evalkit.batch.kernel")) is not None:
        kernel.end_kernels()
