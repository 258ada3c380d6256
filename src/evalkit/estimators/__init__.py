"""Estimators: frozen specifications, called on a Design, returning an Estimate. One idea a file."""

from evalkit.estimators.group_time import GroupTime
from evalkit.estimators.two_by_two import TwoByTwo
from evalkit.estimators.two_way import EventStudy, TwoWay

ESTIMATORS = {
    "two_by_two": TwoByTwo,
    "two_way": TwoWay,
    "event_study": EventStudy,
    "group_time": GroupTime,
}

__all__ = ["ESTIMATORS", "EventStudy", "GroupTime", "TwoByTwo", "TwoWay"]
