"""Finished blocks of a long simulation kept in a file, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import CodeType
from typing import Any

from evalkit.errors import EstimateError

Block = tuple[Any, ...]
PLAIN = (bool, int, float, str, bytes, tuple, type(None))


@dataclass(frozen=True, eq=False)
class Stored:
    """Blocks by their arguments, in memory and, with a path, as lines of JSON under a line that says what the run was asked.

    Attributes
    ----------
    path : file, or None
    blocks : what was found, by block
    """

    path: Path | None
    blocks: dict[Block, dict[str, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def opened(cls, path: str | Path | None, arguments: Mapping[str, Any]) -> Stored:
        """Return the blocks found so far under the same arguments; a half-written last line is dropped.

        Raises
        ------
        EstimateError
            When the file belongs to other arguments, naming those that differ, or is no such file.
        """
        if path is None:
            return cls(None)
        path = Path(path)
        if path.is_dir() or not path.parent.is_dir():
            raise EstimateError(
                f"store={str(path)!r} is a file in a folder that exists; {path if path.is_dir() else path.parent} is no such."
            )
        head = {"evalkit": "threat_matrix", "arguments": {name: _digest(value) for name, value in arguments.items()}}
        if not path.exists():
            _replace(path, [json.dumps(head)])
            return cls(path)
        lines = path.read_text(encoding="utf-8").split("\n")
        _judge(path, lines[0], head)
        # What follows the last line break was being written when the run stopped.
        kept = [line for line in lines[1:-1] if line]
        _replace(path, [lines[0], *kept])
        return cls(path, {tuple(one["block"]): one["found"] for one in map(json.loads, kept)})

    def __contains__(self, block: Block) -> bool:
        return block in self.blocks

    def __getitem__(self, block: Block) -> dict[str, Any]:
        return self.blocks[block]

    def keep(self, block: Block, found: dict[str, Any]) -> None:
        """Keep what was found, on the disk before anything else happens."""
        self.blocks[block] = found
        if self.path is None:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"block": block, "found": found}) + "\n")
            file.flush()
            os.fsync(file.fileno())


def told(function: Any) -> Any:
    """Return what a function does, as far as plain values tell: its name, code, constants, defaults, and what it closes over."""
    if isinstance(function, partial):
        bound = [*function.args, *function.keywords.items()]
        return [told(function.func), [repr(value) for value in bound if isinstance(value, PLAIN)]]
    code = getattr(function, "__code__", None)
    if code is None:
        own = getattr(type(function).__call__, "__code__", None)
        state = [repr(value) for value in getattr(function, "__dict__", {}).values() if isinstance(value, PLAIN)]
        return [getattr(function, "__qualname__", type(function).__qualname__), own and _of_code(own), state]
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    values = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), *cells]
    return [function.__qualname__, _of_code(code), [repr(value) for value in values if isinstance(value, PLAIN)]]


def _of_code(code: CodeType) -> list[Any]:
    inner = [_of_code(each) for each in code.co_consts if isinstance(each, CodeType)]
    return [code.co_code.hex(), code.co_names, [repr(each) for each in code.co_consts if isinstance(each, PLAIN)], inner]


def _digest(value: Any) -> str:
    return sha256(json.dumps(value).encode()).hexdigest()[:16]


def _judge(path: Path, line: str, head: Mapping[str, Any]) -> None:
    try:
        there = json.loads(line)["arguments"]
    except (ValueError, TypeError, KeyError):
        raise EstimateError(f"{path} holds no blocks of a threat matrix. Give store= a file of its own.") from None
    differ = [name for name, digest in head["arguments"].items() if there.get(name) != digest]
    if differ:
        raise EstimateError(
            f"{path} holds blocks of a run with other arguments: {', '.join(differ)} differ (blocks: threats, sizes and worlds). Go on with "
            "the same arguments, or give store= another file."
        )


def _replace(path: Path, lines: list[str]) -> None:
    """Write all lines beside the file and put them in its place at once."""
    beside = path.with_name(path.name + ".part")
    beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    beside.replace(path)
