"""The tasks, and how each contender is asked to do them.

A contender is one function from a frame to numbers: ``{label: (estimate, standard error)}``. It imports its package
inside, because every package lives in an environment of its own; the warm-up call has imported it before time counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

Numbers = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Contender:
    """One way of doing a task.

    Parameters
    ----------
    package : the environment it runs in, "evalkit" for the current interpreter
    columns : the columns it reads; its frame holds no others
    run : the call that is measured
    """

    package: str
    columns: tuple[str, ...]
    run: Callable[[pd.DataFrame], Numbers]


@dataclass(frozen=True)
class Task:
    """One thing to estimate.

    Parameters
    ----------
    title : what is estimated, for readers
    bar : the largest ratio evalkit / fastest peer that we allow ourselves at a million units, for CPU and for memory
    closeness : how far numbers may be apart: estimates in standard errors, standard errors relatively
    contenders : evalkit first
    """

    title: str
    bar: float
    closeness: float
    contenders: dict[str, Contender]


def evalkit_two_way(frame: pd.DataFrame) -> Numbers:
    import evalkit as ek

    panel = ek.Panel(frame, unit="unit", period="time", clusters=["cl"])
    rollout = ek.Rollout.from_first_treated(panel, "g", never=0)
    design = ek.Design(panel, rollout, outcome="y")
    return _labelled(ek.infer(ek.TwoWay()(design), cluster="cl"))


def pyfixest_two_way(**options: Any) -> Callable[[pd.DataFrame], Numbers]:
    def run(frame: pd.DataFrame) -> Numbers:
        import pyfixest as pf

        fit = pf.feols("y ~ d | unit + time", data=frame, vcov={"CRV1": "cl"}, **options)
        return {"overall": (float(fit.coef()["d"]), float(fit.se()["d"]))}

    return run


def evalkit_group_time(*covariates: str) -> Callable[[pd.DataFrame], Numbers]:
    def run(frame: pd.DataFrame) -> Numbers:
        import evalkit as ek

        panel = ek.Panel(frame, unit="unit", period="time")
        rollout = ek.Rollout.from_first_treated(panel, "g", never=0)
        # diff-diff measures effects before treatment from the period before each, as R's did does.
        design = ek.Design(panel, rollout, outcome="y", covariates=covariates, base="varying")
        effects = ek.GroupTime(method="dr")(design)
        tables = [ek.infer(ek.aggregate(effects, by=by)) for by in ("overall", "event_time")]
        return _labelled(pd.concat(tables))

    return run


def diff_diff_group_time(*covariates: str) -> Callable[[pd.DataFrame], Numbers]:
    def run(frame: pd.DataFrame) -> Numbers:
        import diff_diff as dd

        estimator = dd.CallawaySantAnna(control_group="not_yet_treated", estimation_method="dr")
        roles = {"outcome": "y", "unit": "unit", "time": "time", "first_treat": "g"}
        fit = estimator.fit(frame, **roles, covariates=list(covariates) or None)
        path = fit.aggregate("event_study")
        numbers = {"overall": (float(fit.att), float(fit.se))}
        for event_time, estimate, std_error in zip(path.event_time, path.att, path.se, strict=True):
            numbers[f"event time {event_time}"] = float(estimate), float(std_error)
        return numbers

    return run


def _labelled(table: pd.DataFrame) -> Numbers:
    """Return the overall effect and the path of an evalkit table."""
    numbers: Numbers = {}
    for row in table.to_dict("records"):
        label = {"overall": "overall", "event_time": f"event time {row['event_time']:.0f}"}.get(row["kind"])
        if label:
            numbers[label] = float(row["estimate"]), float(row["std_error"])
    return numbers


PYFIXEST = ("unit", "time", "y", "d", "cl")
GROUP_TIME = ("unit", "time", "y", "g")
LEAN = {"copy_data": False, "store_data": False, "lean": True}

TASKS = {
    "twfe": Task(
        title="two-way fixed effects, standard error by 341 clusters",
        bar=0.5,
        closeness=1e-6,  # pyfixest demeans by iteration, to 1e-6
        contenders={
            "evalkit": Contender("evalkit", ("unit", "time", "y", "g", "cl"), evalkit_two_way),
            "pyfixest": Contender("pyfixest", PYFIXEST, pyfixest_two_way()),
            "pyfixest lean": Contender("pyfixest", PYFIXEST, pyfixest_two_way(**LEAN)),
        },
    ),
    "group_time": Task(
        title="group-time effects against the not yet treated, with overall effect and path",
        bar=1.0,
        closeness=1e-8,  # sums in another order
        contenders={
            "evalkit": Contender("evalkit", GROUP_TIME, evalkit_group_time()),
            "diff-diff": Contender("diff-diff", GROUP_TIME, diff_diff_group_time()),
        },
    ),
    "group_time_dr": Task(
        title="the same, doubly robust given one covariate",
        bar=0.5,
        # diff-diff divides the comparison's weights by the treated count, evalkit by their own sum, as R's DRDID does: the
        # two differ by less and less as units grow.
        closeness=1e-3,
        contenders={
            "evalkit": Contender("evalkit", (*GROUP_TIME, "x"), evalkit_group_time("x")),
            "diff-diff": Contender("diff-diff", (*GROUP_TIME, "x"), diff_diff_group_time("x")),
        },
    ),
}
