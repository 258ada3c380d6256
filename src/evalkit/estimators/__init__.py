"""Estimators: frozen specifications, called on a Design, returning an Estimate. One idea a file."""

from typing import Any

from evalkit.estimators.changes_in_changes import ChangesInChanges
from evalkit.estimators.dose_response import DoseResponse
from evalkit.estimators.extended_two_way import ExtendedTwoWay
from evalkit.estimators.group_time import GroupTime
from evalkit.estimators.imputation import Imputation
from evalkit.estimators.interaction_weighted import InteractionWeighted
from evalkit.estimators.local_projections import LocalProjections
from evalkit.estimators.several_programmes import SeveralProgrammes
from evalkit.estimators.stacked import Stacked
from evalkit.estimators.switching import Switching
from evalkit.estimators.synthetic import Synthetic
from evalkit.estimators.triple_difference import TripleDifference
from evalkit.estimators.two_by_two import TwoByTwo
from evalkit.estimators.two_stage import TwoStage
from evalkit.estimators.two_way import EventStudy, TwoWay
from evalkit.estimators.weighted import Weighted

ESTIMATORS: dict[str, Any] = {
    "two_by_two": TwoByTwo,
    "two_way": TwoWay,
    "event_study": EventStudy,
    "group_time": GroupTime,
    "interaction_weighted": InteractionWeighted,
    "imputation": Imputation,
    "two_stage": TwoStage,
    "extended_two_way": ExtendedTwoWay,
    "stacked": Stacked,
    "local_projections": LocalProjections,
    "weighted": Weighted,
    "synthetic": Synthetic,
    "changes_in_changes": ChangesInChanges,
    "switching": Switching,
    "dose_response": DoseResponse,
    "triple_difference": TripleDifference,
    "several_programmes": SeveralProgrammes,
}

__all__ = [
    "ESTIMATORS", "ChangesInChanges", "DoseResponse", "EventStudy", "ExtendedTwoWay", "GroupTime", "Imputation", "InteractionWeighted",
    "LocalProjections", "SeveralProgrammes", "Stacked", "Switching", "Synthetic", "TripleDifference", "TwoByTwo", "TwoStage", "TwoWay",
    "Weighted",
]  # fmt: skip
