"""One virtual environment per peer, made from its pinned packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def interpreter(package: str) -> Path:
    """Return the Python that runs a package: the current one for evalkit, the peer's own otherwise.

    A peer's environment is made when it is missing and made again when ``peers/<package>.txt`` has changed.
    """
    if package == "evalkit":
        return Path(sys.executable)
    pins = HERE / "peers" / f"{package}.txt"
    folder = HERE / "work" / "venvs" / package
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    if not installed.exists() or installed.read_text() != pins.read_text():
        print(f"Making the environment of {package} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", str(pins)], check=True)
        installed.write_text(pins.read_text())
    return python
