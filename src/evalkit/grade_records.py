"""The judgement as records: the facts it rests on, the evidence grade with its reasons, and refusals."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from evalkit.records import Frozen, Remark

Letter = Literal["A", "B", "C", "D", "N"]
"""Strong, fairly strong, limited, very weak; N: no causal judgement."""


class Evidence(Frozen):
    """The facts that the grade is a function of; None where one is not known, which is never a pass.

    Shares are between 0 and 1. ``periods_before`` counts the years before the first start, the reference among them.
    ``pretrend_p`` and ``pretrend_power`` are those of the joint test (power against the drift that would explain half of the estimate).
    ``breakdown`` is the multiple of the largest difference before the start (Mbar) that overturns the conclusion, 0 where the plain range
    does not carry one, infinity as 1e9. ``smaller_side`` is the number of clusters of the smaller side, ``smallest_p`` the smallest
    p-value that randomisation can give. ``estimators_opposed`` and ``estimators_outside`` count other estimators with another sign, and
    outside the range of the headline; ``money_opposed`` says that the same comparison in money has the other sign.
    ``definition_break`` says that the definition of income changes within the window and touches the groups differently, ``straddles``
    that the range holds both zero and a change worth telling. ``start_p`` is of a difference in level before the start, between groups
    drawn by lot. ``untouched_within`` says that for outcomes that the programme cannot touch a move worth telling lies outside the range.
    """

    design: Literal["lottery", "discontinuity", "parallel", "matching", "before_after"]
    sample: Literal["everyone", "exited"] = "everyone"
    comparison_share: float | None = None
    periods_before: int | None = None
    manipulation_p: float | None = None
    second_source: Literal["agrees", "differs"] | None = None
    pretrend_p: float | None = None
    pretrend_power: float | None = None
    start_p: float | None = None
    breakdown: float | None = None
    smaller_side: int | None = None
    permutation_p: float | None = None
    smallest_p: float | None = None
    estimators: int | None = None
    estimators_opposed: int | None = None
    estimators_outside: int | None = None
    money_opposed: bool | None = None
    largest_imbalance: float | None = None
    overlap: float | None = None
    bundle_share: float | None = None
    missing_share: float | None = None
    attrition_gap: float | None = None
    flags: int | None = None
    definition_break: bool | None = None
    straddles: bool | None = None
    spillover_p: float | None = None
    flips: int | None = None
    dose_p: float | None = None
    dose_monotone: bool | None = None
    untouched_p: float | None = None
    untouched_within: bool | None = None


class Reason(Frozen):
    """A rule of data/codes/grade_rules.csv: the steps it moves a grade, or the letter it sets or caps it at, and the facts it read."""

    rule: str
    family: str
    kind: Literal["ceiling", "down", "cap", "up"]
    steps: int = 0
    to: Letter | None = None
    facts: dict[str, Any] = Field(default_factory=dict)


class Grade(Frozen):
    """The evidence grade with its reasons.

    ``reasons`` holds first the rule that set the ceiling, then what moved the grade; ``held`` the rules that were looked at and did
    not apply, ``unknown`` those whose facts are not known.
    """

    letter: Letter
    ceiling: Letter
    reasons: list[Reason]
    held: list[Reason]
    unknown: list[str]


RefusalCode = Literal["no_comparison", "only_exited", "too_few", "nearly_everybody", "arrive_together", "definition_break"]


class Refusal(Frozen):
    """Why no causal figure is given: the reason with its numbers, what may still be told, and the data that would cure it."""

    code: RefusalCode
    facts: dict[str, Any] = Field(default_factory=dict)
    may_tell: list[Remark] = Field(default_factory=list)
    cures: list[Remark] = Field(default_factory=list)


COUNTED = ("units", "comparison_units", "share", "treated_clusters", "comparison_clusters", "smallest_p")
"""Facts of a refusal from which the size of a group would follow."""
COUNTED_CURES = ("more_treated", "more_comparison", "more_to_rank")
"""Cures that say how many more would do, and so how many there are."""


def without_counts(refusal: Refusal) -> Refusal:
    """Return a refusal that may be published where a group is small: years are told, counts and shares are not.

    Examples
    --------
    >>> without_counts(Refusal(code="no_comparison", facts={"units": 4, "start": 2017})).facts
    {'units': None, 'start': 2017}
    """
    facts = {name: None if name in COUNTED else fact for name, fact in refusal.facts.items()}
    cures = [
        cure.model_copy(update={"facts": cure.facts | {"units": None}})
        if refusal.code == "nearly_everybody" and "units" in cure.facts
        else cure
        for cure in refusal.cures
        if cure.code not in COUNTED_CURES
    ]
    return refusal.model_copy(update={"facts": facts, "cures": cures})
