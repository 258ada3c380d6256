"""The error family: every message says what is wrong, where (the first five), and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class EvalkitError(Exception):
    """Anything evalkit refuses to do, with the reason and the cure in the message."""


class PanelError(EvalkitError):
    """The data cannot be a panel as they stand."""


class RolloutError(EvalkitError):
    """The record of who was treated when contradicts itself or uses undeclared codes."""


class DesignError(EvalkitError):
    """The panel and the roll-out do not allow the comparison that was asked for."""


class NoComparison(DesignError):
    """Every unit is covered at once: what happened can be described, and no effect can be told from general growth."""


class EstimateError(EvalkitError):
    """An operation on estimates that their rows or cells do not allow."""


class StudyError(EvalkitError):
    """A study file that cannot be run as written."""


class ReportError(EvalkitError):
    """A report, a table or a picture that cannot be written: a missing result, an unknown format, a mistake in a template."""


class BatchError(EvalkitError):
    """A batch that cannot start or go on: two in one folder, a full disk, an output folder that cannot be written."""


def first_five(offenders: Iterable[object]) -> str:
    """Return the first five offenders in one line, and how many more there are.

    >>> first_five(range(7))
    '0, 1, 2, 3, 4 and 2 more'
    """
    shown = [str(item) for item in offenders]
    more = f" and {len(shown) - 5:,} more" if len(shown) > 5 else ""
    return ", ".join(shown[:5]) + more


def nearest(name: str, allowed: Sequence[str], count: int = 3) -> list[str]:
    """Return the allowed names closest to a name, closest first.

    >>> nearest("log_incme", ["year", "log_income", "income"])[0]
    'log_income'
    """
    return difflib.get_close_matches(str(name), [str(a) for a in allowed], n=count, cutoff=0.3)


def unknown(kind: str, name: str, allowed: Sequence[str]) -> str:
    """Say that a name is unknown, which names are nearest, and which are allowed."""
    close = nearest(name, allowed)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    listed = ", ".join(str(a) for a in list(allowed)[:30])
    more = ", ..." if len(allowed) > 30 else ""
    return f"There is no {kind} {name!r}.{hint} Allowed: {listed}{more}."
