"""Figures of the field, one function each: every one draws on the Axes it is given, or on new ones, and returns them."""

from __future__ import annotations
