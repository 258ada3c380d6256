"""The small world of batches, with its notebook in place of evalkit's, and no page that lists all reports."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_world import World

from evalkit.batch import ending, judging, key, running


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setattr(judging, "template", lambda name: made.notebooks / name)
    monkeypatch.setattr(key, "source_digest", lambda: "this evalkit")  # whose files may change while a test runs
    monkeypatch.setattr(running, "_site", lambda out: out / "index.html")
    return made


@pytest.fixture(scope="session", autouse=True)
def one_kernel() -> Iterator[None]:
    """Keep the kernel of this process from batch to batch, which saves a start each; workers end theirs."""
    here, end = os.getpid(), ending.end_kernels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ending, "end_kernels", lambda: None if os.getpid() == here else end())
        yield
    end()
