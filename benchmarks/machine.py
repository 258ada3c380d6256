"""What a measurement rests on: the machine in general words, and the versions of the packages that were loaded."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path


def machine() -> dict[str, object]:
    """Return processor, cores, memory in GiB and operating system."""
    processor = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "processor": processor.partition(":")[2].strip(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory.split()[1]) / 2**20, 1),
        "system": f"{platform.system()}, {platform.freedesktop_os_release()['PRETTY_NAME']}",
    }


def versions() -> dict[str, str]:
    """Return Python's version and those of all packages this process has loaded."""
    owners = packages_distributions()
    loaded = {name.partition(".")[0] for name in sys.modules}
    names = {owner for module in loaded for owner in owners.get(module, ())}
    found = {"python": platform.python_version()} | {name: version(name) for name in sorted(names)}
    if (evalkit := sys.modules.get("evalkit")) is not None:
        # Between releases the version stands still, so the code that was measured is named by its hash.
        found["evalkit"] = f"{evalkit.__version__} (source {_source_hash(Path(str(evalkit.__file__)).parent)})"
    return found


def _source_hash(folder: Path) -> str:
    """Return the first 12 hex digits of the SHA-256 of a package's Python files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
