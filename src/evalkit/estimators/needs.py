"""What estimators need of a design, whether a design has it, and which estimators could answer it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, unknown
from evalkit.notices import Notice
from evalkit.words import catalogue

Facts = dict[str, object]
Lack = Callable[[Design, Any], Facts | None]  # facts of what a design lacks for an estimator, or None when it has it


def _never_treated(design: Design, _: Any) -> Facts | None:
    return None if np.isinf(design.cohort).any() else {"units": len(design.units)}


def _one_cohort(design: Design, _: Any) -> Facts | None:
    starts = np.unique(design.cohort[np.isfinite(design.cohort)])
    if len(starts) <= 1:
        return None
    return {"cohorts": len(starts), "first": int(starts[0]), "last": int(starts[-1])}


def _units_followed(design: Design, _: Any) -> Facts | None:
    crossed = design.panel.unit is None or design.unbalanced == "repeated_cross_section"
    return {"rows": design.observations} if crossed else None


def _every_period(design: Design, _: Any) -> Facts | None:
    complete = len(design.units) * len(design.periods)
    return None if design.balanced else {"missing": complete - design.observations, "complete": complete}


def _lasting(design: Design, _: Any) -> Facts | None:
    if design.lasting:
        return None
    odd = np.where(design.treated, design.intensity == 0, design.intensity != 0)
    return {"units": len(np.unique(design.unit_index[odd]))}


def _intensity(design: Design, _: Any) -> Facts | None:
    return {} if design.rollout.intensity is None else None


def _no_covariates(design: Design, _: Any) -> Facts | None:
    return {"columns": ", ".join(design.covariates)} if design.covariates else None


def _no_weights(design: Design, _: Any) -> Facts | None:
    return {"column": design.panel.weight} if design.w is not None else None


def _no_anticipation(design: Design, _: Any) -> Facts | None:
    return {"periods": design.anticipation} if design.anticipation else None


def _clean_period(design: Design, _: Any) -> Facts | None:
    treated = int(np.isfinite(design.cohort).sum())
    return None if _compared(design) else {"units": treated, "first": int(design.periods[0]), "anticipation": design.anticipation}


def _two_clean_periods(design: Design, _: Any) -> Facts | None:
    clean = [int((design.periods + design.anticipation < start).sum()) for start in _compared(design)]
    return {"found": max(clean, default=0)} if max(clean, default=0) < 2 else None


def _compared(design: Design) -> tuple[int, ...]:
    """Return the cohorts seen before treatment and, after it, beside units not yet treated."""
    try:
        return Comparison.of(design).cohorts
    except DesignError:  # it says the same, without the estimators that could
        return ()


def _universal_base(design: Design, _: Any) -> Facts | None:
    return None if design.base == "universal" else {"base": design.base}


def _not_yet_treated(design: Design, _: Any) -> Facts | None:
    return None if design.comparison == "not_yet_treated" else {"comparison": design.comparison}


def _eligible(design: Design, estimator: Any) -> Facts | None:
    return None if estimator.eligible in design.panel.frame else {"column": estimator.eligible}


def _weighted_on(design: Design, estimator: Any) -> Facts | None:
    return None if estimator.on or estimator.outcome_level or design.covariates else {}


def _others(_: Design, estimator: Any) -> Facts | None:
    return None if estimator.others else {}


NEEDS: dict[str, Lack] = {
    "never_treated": _never_treated,
    "one_cohort": _one_cohort,
    "units_followed": _units_followed,
    "every_period": _every_period,
    "lasting": _lasting,
    "intensity": _intensity,
    "no_covariates": _no_covariates,
    "no_weights": _no_weights,
    "no_anticipation": _no_anticipation,
    "clean_period": _clean_period,
    "two_clean_periods": _two_clean_periods,
    "universal_base": _universal_base,
    "not_yet_treated": _not_yet_treated,
    "eligible": _eligible,
    "weighted_on": _weighted_on,
    "others": _others,
}


@dataclass(frozen=True)
class Applicable:
    """Whether an estimator can answer a design, and if not, why.

    Attributes
    ----------
    estimator : its name in :data:`evalkit.ESTIMATORS`
    reasons : Notices with the needs that are not met; empty when it applies
    """

    estimator: str
    reasons: tuple[Notice, ...]

    @property
    def applies(self) -> bool:
        """Whether nothing is lacking."""
        return not self.reasons

    def why_not(self, lang: str = "en") -> str:
        """Return the reasons as sentences; empty when the estimator applies."""
        return " ".join(_say(reason, lang) for reason in self.reasons)


def _say(reason: Notice, lang: str) -> str:
    facts = {name: f"{value:,}" if isinstance(value, int) and value > 9999 else value for name, value in reason.facts.items()}
    return catalogue(lang).say(f"need.{reason.code}", **facts)


def unmet(design: Design, estimator: Any) -> tuple[Notice, ...]:
    """Return what an estimator needs and a design does not have, as notices coded by the need."""
    lacking = []
    for name in getattr(estimator, "needs", ()):  # a function of one's own declares none
        if name not in NEEDS:
            raise DesignError(unknown("need of an estimator", name, list(NEEDS)))
        if (facts := NEEDS[name](design, estimator)) is not None:
            lacking.append(Notice(name, facts))
    return tuple(lacking)


def applicable(design: Design) -> tuple[Applicable, ...]:
    """Return for every estimator, with its defaults, whether it applies to a design, and why not.

    Examples
    --------
    >>> import evalkit as ek
    >>> answers = {one.estimator: one for one in ek.applicable(ek.example_design())}
    >>> answers["group_time"].applies
    True
    >>> answers["two_by_two"].why_not()
    'Treatment starts in 3 periods (2015 to 2017); it takes one.'
    """
    from evalkit.estimators import ESTIMATORS

    return tuple(Applicable(name, unmet(design, estimator())) for name, estimator in ESTIMATORS.items())


def refuse_unmet(design: Design, estimator: Any) -> None:
    """Raise DesignError when a design lacks what an estimator needs, with the reasons and the estimators that could."""
    lacking = unmet(design, estimator)
    if not lacking:
        return
    reasons = " ".join(_say(reason, "en") for reason in lacking)
    others = [one.estimator for one in applicable(design) if one.applies]
    could = f"Estimators that could: {', '.join(others)}." if others else "No other estimator answers this design either."
    raise DesignError(f"{type(estimator).__name__} cannot answer this design. {reasons} {could}")
