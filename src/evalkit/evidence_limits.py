"""Limits that both the facts of a grade and their words know."""

from __future__ import annotations

SHOWN = 0.05
"""A p-value that can never be smaller shows nothing."""
UNLIMITED = 1e9
"""A breakdown that no multiple of what was seen before the start reaches."""
