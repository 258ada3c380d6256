"""A table of what happened to whom and when: who starts a programme, from which date, with what else."""

from evalkit.events.bundles import Bundle, Overlap, bundle, overlap
from evalkit.events.programmes import Programmes
from evalkit.events.sensitivity import DateEffect, DateSensitivity, dates_compared, effects_by_date
from evalkit.events.table import Events, doses

__all__ = [
    "Bundle",
    "DateEffect",
    "DateSensitivity",
    "Events",
    "Overlap",
    "Programmes",
    "bundle",
    "dates_compared",
    "doses",
    "effects_by_date",
    "overlap",
]
