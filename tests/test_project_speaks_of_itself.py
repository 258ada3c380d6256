"""No file of the project speaks of the machine it was written on, or of where packages were fetched from."""

from __future__ import annotations

import re
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# In pieces, so that this file does not contain them.
PLACES = ["/" + place + "/" for place in ("wor" + "k", "ro" + "ot", "t" + "mp", "ho" + "me", "Us" + "ers", "mn" + "t", "op" + "t")]
DRIVES = re.compile(r"\b[A-Z]:\\\\?[A-Za-z]")
HOSTS = ["py" + "pi.org", "python" + "hosted.org", "ana" + "conda.org", "ana" + "conda.com", "py" + "pi.tuna", "mir" + "rors."]
# A path is a machine's when nothing stands before it: the address https://example.org/home/ is not one.
MACHINE = re.compile("|".join(rf"(?<![\w.)\]}}*~-]){re.escape(place)}" for place in PLACES))


@lru_cache
def tracked() -> tuple[str, ...]:
    """Return the tracked files, or all files of the source folders where there is no repository."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode == 0 and done.stdout:
        return tuple(name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file())
    folders = ("src", "tests", "docs", "notebooks", "data")
    return tuple(str(path.relative_to(ROOT)) for folder in folders for path in sorted((ROOT / folder).rglob("*")) if path.is_file())


def text(name: str) -> str | None:
    """Return a file's text, None when it is no text."""
    content = (ROOT / name).read_bytes()
    if b"\0" in content[:8000]:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for name in tracked():
        for number, line in enumerate((text(name) or "").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name}:{number}: {line.strip()[:100]}")
    return found


def test_no_file_names_a_path_of_a_machine() -> None:
    assert lines_with(MACHINE) == []
    assert lines_with(DRIVES) == []


def test_no_file_names_the_host_of_a_package_index() -> None:
    assert lines_with(re.compile("|".join(map(re.escape, HOSTS)))) == []


@pytest.mark.parametrize("place", PLACES)
def test_a_path_would_be_found_if_it_were_there(place: str) -> None:
    for line in (f'open("{place}data.csv")', f"see {place}data", f"{place}x", f"path={place}x"):
        assert MACHINE.search(line), line
    assert not MACHINE.search(f"https://example.org{place}page")


def test_there_are_files_to_look_at() -> None:
    assert len(tracked()) > 40 and sum(text(name) is not None for name in tracked()) > 40
