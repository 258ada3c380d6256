"""Several estimators on one design, side by side, with the covariance of their differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.aggregation import aggregate
from evalkit.design import Design
from evalkit.errors import DesignError, EstimateError, EvalkitError, first_five, unknown
from evalkit.estimate import Estimate, cell_frame
from evalkit.estimators import ESTIMATORS
from evalkit.estimators.needs import Applicable, unmet
from evalkit.inference.linear import infer
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]
Estimator = Callable[[Design], Estimate]


@dataclass(frozen=True, eq=False)
class SideBySide:
    """The average effect by several estimators of one design.

    Attributes
    ----------
    estimate : Estimate
        One parameter of kind ``overall`` for each estimator, its ``name`` that of the estimator. They lie on the same rows, so the
        covariance between any two is known.
    refused : tuple of Applicable
        The estimators that do not apply, with the reasons.
    """

    estimate: Estimate
    refused: tuple[Applicable, ...]

    def __repr__(self) -> str:
        names = [str(name) for name in self.estimate.cells["name"]]
        width = max(len(name) for name in (*names, *(one.estimator for one in self.refused)))
        lines = [f"Average effect by {len(names)} estimators of one design, {len(self.refused)} refused (.table() has the errors)"]
        lines += [f"  {name:{width}}  {value: .4g}" for name, value in zip(names, self.estimate.theta, strict=True)]
        lines += [f"  {one.estimator:{width}}  refused: {one.why_not()}" for one in self.refused]
        return "\n".join(lines)

    def table(self, **inference: Any) -> pd.DataFrame:
        """Return a row for each estimator; keywords go to :func:`evalkit.infer`."""
        return infer(self.estimate, **inference)

    def difference(self, against: str = "group_time") -> Estimate:
        """Return each estimator's effect minus that of one of them, as parameters with their covariance.

        Two estimators that use the same rows err together, so their difference is known better than either. Raises EstimateError
        for a name that is not among the estimators.
        """
        names = list(self.estimate.cells["name"])
        if against not in names:
            raise EstimateError(unknown("estimator", against, names))
        position = names.index(against)
        rest = [i for i in range(len(names)) if i != position]
        if not rest:
            raise EstimateError(f"Only {against!r} applies to this design: there is no difference to tell.")
        contrast = np.eye(len(names))[rest]
        contrast[:, position] -= 1
        behind = {
            c: np.minimum(self.estimate.cells[c].to_numpy()[rest], self.estimate.cells[c][position])
            for c in ("units", "noisy_units")
        }
        frame = cell_frame("difference", len(rest), name=[f"{names[i]} - {against}" for i in rest], **behind)
        return _without_rounding(self.estimate.map(contrast @ self.estimate.theta, contrast, frame), self.estimate)

    def differences(self, against: str = "group_time", **inference: Any) -> pd.DataFrame:
        """Return the table of :meth:`difference`; keywords go to :func:`evalkit.infer`."""
        return infer(self.difference(against), **inference)


def _without_rounding(difference: Estimate, whole: Estimate) -> Estimate:
    """Return a difference with exact zeros where two estimators are the same but for rounding, which would have a p-value."""
    alike = np.abs(difference.theta) <= 1e-9 * np.abs(whole.theta).max()
    alike &= np.abs(difference.psi).max(axis=0) <= 1e-9 * np.abs(whole.psi).max()
    told = (~alike).astype(float)
    return difference.map(told * difference.theta, np.diag(told), difference.cells)


def beside(effect: Estimate, main: Estimate) -> Estimate:
    """Return one average effect minus another of the same rows, both of one parameter."""
    parts = [part.map(part.theta, np.eye(1), part.cells.assign(name=name)) for part, name in ((effect, "one"), (main, "other"))]
    return SideBySide(parts[0].join(parts[1]), ()).difference("other")


def compare(design: Design, estimators: Mapping[str, Estimator] | None = None) -> SideBySide:
    """Return the average effect of a design by all estimators that apply, and why the others do not.

    Parameters
    ----------
    design : Design
        With ``rows="unit"`` or a cluster: not every estimator has an influence by observation.
    estimators : mapping of names to estimators, optional
        Every one of :data:`evalkit.ESTIMATORS` with its defaults, if not said. Any function from a design to an estimate will do.

    Returns
    -------
    SideBySide

    Raises
    ------
    DesignError
        When no estimator applies, and for what is no mapping of names to estimators.

    Notes
    -----
    The average is over all treated unit-periods where an estimator tells effects by cohort and period, else its own overall
    parameter, else the mean of its effects by time since the start. Estimators differ in whom they compare and how they average, so a
    difference is no error; the test of a difference says whether it is more than chance.

    Examples
    --------
    >>> import evalkit as ek
    >>> beside = ek.compare(ek.example_design(), {"two_way": ek.TwoWay(), "group_time": ek.GroupTime()})
    >>> beside.differences().loc[0, "name"]
    'two_way - group_time'
    """
    chosen = {name: make() for name, make in ESTIMATORS.items()} if estimators is None else _judged(estimators)
    parts: list[Estimate] = []
    refused: list[Applicable] = []
    for name, estimator in chosen.items():
        if lacking := unmet(design, estimator):
            refused.append(Applicable(name, lacking))
            continue
        try:
            effect = overall(estimator(design))
            _refuse_other_units(design, effect)
        except EvalkitError as reason:  # the design has what is needed, and still its columns or numbers do not allow it
            refused.append(Applicable(name, (Notice("refused", {"reason": str(reason)}),)))
            continue
        parts.append(effect.map(effect.theta, np.eye(1), effect.cells.assign(kind="overall", name=name)))
    if not parts:
        raise DesignError(f"No estimator applies to this design: {first_five(f'{r.estimator} ({r.why_not()})' for r in refused)}.")
    joint = parts[0]
    for part in parts[1:]:
        joint = joint.join(part)
    return SideBySide(joint, tuple(refused))


def _judged(estimators: Mapping[str, Estimator]) -> dict[str, Estimator]:
    """Return the estimators by name, or refuse."""
    example = "for example {'group_time': evalkit.GroupTime()}"
    if not isinstance(estimators, Mapping):
        raise DesignError(
            f"Estimators are given as a mapping of names to estimators, not as {type(estimators).__name__}: {example}."
        )
    if not estimators:
        raise DesignError(f"No estimators were given. Name some, {example}, or leave the mapping out for all of them.")
    if odd := [name for name, one in estimators.items() if isinstance(one, type) or not callable(one)]:
        raise DesignError(
            f"Not an estimator that can be called on a design: {first_five(odd)}. Write it with its brackets, {example}."
        )
    return dict(estimators)


def _refuse_other_units(design: Design, effect: Estimate) -> None:
    """Raise DesignError where an average is per unit of treatment and treatment is a dose: the others are effects of having started."""
    if effect.cells["name"][0] == "per unit of treatment" and not np.isin(design.intensity, (0.0, 1.0)).all():
        raise DesignError("Its average is per unit of treatment, which stands beside no effect of having started. Ask it alone.")


def overall(estimate: Estimate) -> Estimate:
    """Return the one average effect of an estimate: over its cells, its overall parameter, or the mean of its path.

    Raises EstimateError when it has none of these.
    """
    kinds = set(estimate.cells["kind"])
    if "group_time" in kinds:
        return aggregate(estimate, "overall")
    for kind in ("overall", "average"):
        if kind in kinds:
            found = estimate.select(kind=kind)
            return found.select(np.arange(len(found.theta)) == 0)
    if "event_time" not in kinds:
        raise EstimateError(f"There is no average effect among parameters of kind {first_five(sorted(kinds))}.")
    path = estimate.select(kind="event_time")
    after = (path.cells["event_time"] >= 0).to_numpy()
    weights = after / after.sum()
    cells = cell_frame("overall", 1, units=path.cells["units"][after].max())
    return path.map(weights @ path.theta, weights[None, :], cells)
