"""The three lists of packages agree: pyproject.toml, environment.yml and requirements.lock."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
# conda-forge's names where they differ from those of pyproject.toml.
CONDA = {"matplotlib-base": "matplotlib"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def split(requirement: str) -> tuple[str, str]:
    """Return a requirement's name and its bounds, without extras and markers."""
    found = re.match(r"([A-Za-z0-9_.-]+)\s*(?:\[[^\]]*\])?\s*([^;]*)", requirement)
    assert found, requirement
    return normal(found[1]), found[2].replace(" ", "")


@lru_cache
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def declared() -> dict[str, str]:
    """Return name -> bounds of every package that pyproject.toml asks for, extras included."""
    extras = project()["optional-dependencies"].values()
    return dict(split(r) for r in [*project()["dependencies"], *(r for extra in extras for r in extra)])


def conda() -> dict[str, str]:
    """Return name -> bounds of environment.yml, its pip section included, under the names of pyproject.toml."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    flat = [r for entry in listed for r in (entry["pip"] if isinstance(entry, dict) else [entry])]
    named = dict(split(r) for r in flat)
    return {CONDA.get(name, name): bounds for name, bounds in named.items()}


def locked() -> dict[str, list[str]]:
    """Return name -> lines of every package in requirements.lock."""
    blocks: dict[str, list[str]] = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith((" ", "#")):
            name = split(line.split("==")[0])[0]
            blocks[name] = [*blocks.get(name, []), line]
        elif line.strip() and not line.startswith("#"):
            blocks[name].append(line)
    return blocks


def test_conda_and_pip_install_the_same_packages() -> None:
    ours = conda()
    assert set(declared()) == set(ours) - {"python", "pip"}


@pytest.mark.parametrize("name", sorted(declared()))
def test_conda_and_pip_ask_for_the_same_versions(name: str) -> None:
    assert sorted(conda()[name].split(",")) == sorted(declared()[name].split(","))


def test_both_ask_for_the_same_python() -> None:
    assert conda()["python"] == project()["requires-python"]


def test_the_packages_of_the_researchers_desk_are_there() -> None:
    desk = {"jupyterlab", "pandas", "statsmodels", "linearmodels", "seaborn", "papermill", "nbval", "pytest"}
    assert desk <= set(conda())


def test_an_extra_never_asks_for_another_version_than_the_rest() -> None:
    extras = project()["optional-dependencies"].values()
    asked = {split(r) for r in [*project()["dependencies"], *(r for extra in extras for r in extra)]}
    assert len(asked) == len({name for name, _ in asked})


def test_every_declared_package_is_locked() -> None:
    assert set(declared()) <= set(locked())


def test_every_locked_package_is_pinned_and_has_a_hash() -> None:
    for name, lines in locked().items():
        assert re.match(rf"^{re.escape(lines[0].split('==')[0])}==[^ ;]+", lines[0]), name
        assert any("--hash=sha256:" in line for line in lines), f"{name} has no hash"


def test_the_lock_names_no_index_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for word in ("--index-url", "--extra-index-url", "--find-links", "--trusted-host", "://", " @ "):
        assert word not in text, word
