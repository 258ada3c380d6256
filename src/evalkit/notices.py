"""Coded remarks for readers: what was left out, assumed or limited, as codes and numbers without prose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Notice:
    """One remark a reader must see; the sentence for its code lives in both locale catalogues.

    ``facts`` holds the numbers and names that the sentence quotes.
    """

    code: str
    facts: Mapping[str, object] = field(default_factory=dict)


def merged(*groups: Iterable[Notice]) -> tuple[Notice, ...]:
    """Return all notices in order, each once."""
    kept: list[Notice] = []
    for group in groups:
        kept.extend(notice for notice in group if notice not in kept)
    return tuple(kept)
