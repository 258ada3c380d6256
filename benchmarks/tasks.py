"""The tasks: what is estimated, how near numbers must be, and which contenders do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from contenders import Call, Numbers, of_diff_diff, of_moderndid, of_others, of_pyfixest, ours

__all__ = ["TASKS", "Contender", "Numbers", "Task"]


@dataclass(frozen=True)
class Contender:
    """One way of doing a task.

    Parameters
    ----------
    package : the environment it runs in, "evalkit" for the current interpreter
    columns : the columns it reads; its frame holds no others
    run : the call that is measured
    frame : "pandas" or "polars", whichever the package works with
    complete : whether it gives standard errors as well; one that does not is shown, the bar is not against it
    """

    package: str
    columns: tuple[str, ...]
    run: Call
    frame: str = "pandas"
    complete: bool = True


@dataclass(frozen=True)
class Task:
    """One thing to estimate.

    Parameters
    ----------
    title : what is estimated, for readers
    bar : the largest ratio evalkit / fastest peer that we allow ourselves
    contenders : evalkit first
    closeness : how far estimates may be apart, in standard errors (relatively, where there is none)
    error_closeness : how far standard errors may be apart, relatively; as near as estimates if not said
    judged : the sizes at which the bar counts
    measures : what it counts for
    part : the part of the world it is done on
    sizes : the sizes at which it is done
    """

    title: str
    bar: float
    contenders: dict[str, Contender]
    closeness: float
    error_closeness: float | None = None
    judged: Sequence[str] = ("county", "100k")
    measures: Sequence[str] = ("CPU",)
    part: str = "all"
    sizes: Sequence[str] = ("small", "county", "100k")


def evalkit(run: Call, *columns: str) -> Contender:
    return Contender("evalkit", ("unit", "time", "y", *columns), run)


def diff_diff(run: Call, *columns: str) -> Contender:
    return Contender("diff-diff", ("unit", "time", "y", *columns), run)


def pyfixest(run: Call, *columns: str) -> Contender:
    return Contender("pyfixest", ("unit", "time", "y", *columns), run)


def moderndid(run: Call, *columns: str) -> Contender:
    return Contender("moderndid", ("unit", "time", "y", *columns), run, frame="polars")


def csdid(run: Call, *columns: str) -> Contender:
    return Contender("csdid", ("unit", "time", "y", *columns), run)


def py2sdid(run: Call) -> Contender:
    return Contender("py2sdid", ("unit", "time", "y", "g"), run, frame="polars")


LEAN = {"copy_data": False, "store_data": False, "lean": True}
ALL_SIZES = ("small", "county", "100k", "1M")
AT_A_MILLION: dict[str, Any] = {"judged": ("1M",), "measures": ("CPU", "memory"), "sizes": ALL_SIZES}
VARYING = {"base": "varying"}  # most peers measure effects before treatment from the period before each, as R's did does
DOSES = (0.5, 1.0, 1.5)
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
DRAWS = 9_999

TASKS = {
    "twfe": Task(
        title="two-way fixed effects, standard error by 341 clusters",
        bar=0.5,
        closeness=1e-6,  # pyfixest demeans by iteration, to 1e-6
        contenders={
            "evalkit": evalkit(ours.two_way, "g", "cl"),
            "pyfixest": pyfixest(of_pyfixest.two_way(), "d", "cl"),
            "pyfixest lean": pyfixest(of_pyfixest.two_way(**LEAN), "d", "cl"),
        },
        **AT_A_MILLION,
    ),
    "group_time": Task(
        title="group-time effects against the not yet treated, with overall effect and path",
        bar=1.0,
        closeness=1e-8,  # sums in another order
        contenders={
            "evalkit": evalkit(ours.averaged("GroupTime", "overall", "event_time", choices=VARYING), "g"),
            "diff-diff": diff_diff(of_diff_diff.group_time(), "g"),
            "moderndid": moderndid(of_moderndid.group_time(), "g"),
            "csdid": csdid(of_others.csdid_group_time(), "g"),
        },
        **AT_A_MILLION,
    ),
    "group_time_dr": Task(
        title="the same, doubly robust given one covariate",
        bar=0.5,
        # diff-diff divides the comparison's weights by the treated count, evalkit by their own sum, as R's DRDID does: the
        # two differ by less and less as units grow.
        closeness=1e-3,
        contenders={
            "evalkit": evalkit(
                ours.averaged("GroupTime", "overall", "event_time", choices=VARYING | {"covariates": ["x"]}), "g", "x"
            ),
            "diff-diff": diff_diff(of_diff_diff.group_time("x"), "g", "x"),
            "moderndid": moderndid(of_moderndid.group_time("~ x"), "g", "x"),
            "csdid": csdid(of_others.csdid_group_time("y ~ x"), "g", "x"),
        },
        **AT_A_MILLION,
    ),
    "propensity": Task(
        title="overall effect and path after the start, comparisons weighted by the odds of a logit on one covariate",
        bar=1.0,
        closeness=1e-8,
        contenders={
            "evalkit": evalkit(
                ours.averaged("Weighted", "overall", "effects", method="propensity", choices=VARYING | {"covariates": ["x"]}),
                "g",
                "x",
            ),
            "diff-diff": diff_diff(of_diff_diff.group_time("x", method="ipw", first=0), "g", "x"),
            "moderndid": moderndid(of_moderndid.group_time("~ x", method="ipw", first=0), "g", "x"),
            "csdid": csdid(of_others.csdid_group_time("y ~ x", method="ipw", first=0), "g", "x"),
        },
    ),
    "sun_abraham": Task(
        title="the path by event time from one saturated regression, against the never treated",
        bar=1.0,
        closeness=1e-6,
        contenders={
            "evalkit": evalkit(ours.averaged("InteractionWeighted", "event_time"), "g"),
            "pyfixest": pyfixest(of_pyfixest.sun_abraham, "g"),
            "diff-diff": diff_diff(of_diff_diff.sun_abraham, "g"),
        },
    ),
    "imputation": Task(
        title="overall effect and path after the start, by imputation",
        bar=1.0,
        closeness=1e-6,
        contenders={
            "evalkit": evalkit(ours.averaged("Imputation", "overall", "effects"), "g"),
            "diff-diff": diff_diff(of_diff_diff.averaged("ImputationDiD"), "g"),
            "py2sdid": py2sdid(of_others.py2sdid("bjs_did", first=0)),
        },
    ),
    "two_stage": Task(
        title="the path after the start, in two stages",
        bar=1.0,
        # pyfixest takes the first stage's effects out by iteration, evalkit, diff-diff and py2sdid (to 1e-9) exactly.
        closeness=5e-3,
        error_closeness=1e-5,
        contenders={
            "evalkit": evalkit(ours.averaged("TwoStage", "effects"), "g"),
            "pyfixest": pyfixest(of_pyfixest.two_stage, "g", "d"),
            "diff-diff": diff_diff(of_diff_diff.averaged("TwoStageDiD", overall=False), "g"),
            "py2sdid": py2sdid(of_others.py2sdid("ts_did", first=0, overall=False)),
        },
    ),
    "extended_two_way": Task(
        title="overall effect and path after the start from the extended two-way regression",
        bar=1.0,
        closeness=1e-6,
        contenders={
            "evalkit": evalkit(ours.averaged("ExtendedTwoWay", "overall", "effects"), "g"),
            "diff-diff": diff_diff(of_diff_diff.extended_two_way, "g"),
        },
    ),
    "local_projections": Task(
        title="event times -2 to 3 by local projections, variance-weighted",
        bar=1.0,
        closeness=1e-6,
        # The peers give each event time the small-sample factor of its own regression, (N-1)/(N-K) G/(G-1), evalkit all of them
        # G/(G-1), so that their covariance is one matrix.
        error_closeness=2e-3,
        contenders={
            "evalkit": evalkit(ours.path("LocalProjections", before=2, after=3, reweighted=False), "g"),
            "pyfixest": pyfixest(of_pyfixest.local_projections, "g"),
            "diff-diff": diff_diff(of_diff_diff.local_projections, "d"),
        },
    ),
    "stacked": Task(
        title="event times -2 to 2 and their mean from stacked sub-experiments",
        bar=1.0,
        closeness=1e-6,
        # diff-diff's residuals are those of a regression on dummies of the treated and of event times, evalkit's of one on effects
        # of units and periods within sub-experiments: the estimates are the same, the noise between calendar years is not.
        error_closeness=0.05,
        contenders={
            "evalkit": evalkit(ours.path("Stacked", before=2, after=2), "g"),
            "diff-diff": diff_diff(of_diff_diff.stacked, "g"),
        },
    ),
    "switching": Task(
        title="three effects and two placebos where treatment rises from 0 to 1 to 2",
        bar=1.0,
        closeness=1e-6,
        # diff-diff has no n/(n - 1) in the variance of a cohort, evalkit (adjusted) and moderndid have R's. The total effect is not
        # compared: moderndid and diff-diff each have their own (see README.md).
        error_closeness=5e-3,
        contenders={
            "evalkit": evalkit(
                ours.path("Switching", "steps", overall=False, effects=3, placebos=2, shares="sample", adjusted=True), "steps"
            ),
            "moderndid": moderndid(of_moderndid.switching("steps"), "steps"),
            "diff-diff": diff_diff(of_diff_diff.switching("steps", drop_larger_lower=False), "steps"),
        },
    ),
    "synthdid": Task(
        title="synthetic difference-in-differences for one cohort, with the jackknife",
        bar=1.0,
        closeness=1e-6,
        part="block",
        contenders={
            "evalkit": evalkit(ours.synthdid, "g"),
            "diff-diff": diff_diff(of_diff_diff.synthdid, "d", "ever"),
            "synthdid-py": Contender("synthdid-py", ("unit", "time", "y", "d"), of_others.synthdid),
        },
    ),
    "bacon": Task(
        title="the decomposition of the two-way coefficient: weights and means by type",
        bar=1.0,
        closeness=1e-8,
        contenders={
            "evalkit": evalkit(ours.bacon, "g"),
            "diff-diff": diff_diff(of_diff_diff.bacon, "g"),
        },
    ),
    "triple": Task(
        title="triple differences: overall effect and path, cohorts weighted by their eligible units",
        bar=1.0,
        closeness=1e-6,
        contenders={
            "evalkit": evalkit(ours.averaged("TripleDifference", "overall", "event_time", eligible="e", choices=VARYING), "g", "e"),
            "diff-diff": diff_diff(of_diff_diff.triple, "g", "e"),
        },
    ),
    "triple_cohort": Task(
        title="the same, cohorts weighted by all their units",
        bar=1.0,
        closeness=1e-6,
        # moderndid takes the shares of cohorts as fixed, evalkit as estimated.
        error_closeness=1e-2,
        contenders={
            "evalkit": evalkit(
                ours.averaged("TripleDifference", "overall", "event_time", eligible="e", shares="cohort", choices=VARYING), "g", "e"
            ),
            "moderndid": moderndid(of_moderndid.triple, "g", "e"),
        },
    ),
    "dose": Task(
        title="the response to a dose as a cubic: effect and slope at three doses and on average",
        bar=1.0,
        closeness=1e-6,
        # diff-diff takes the shares of cohorts and the doses received as fixed, evalkit as estimated.
        error_closeness=0.05,
        contenders={
            "evalkit": evalkit(ours.dose(DOSES), "dose_now"),
            "diff-diff": diff_diff(of_diff_diff.dose(DOSES), "g", "dose"),
        },
    ),
    "changes_in_changes": Task(
        title="the mean and five quantiles, one cohort and two periods",
        bar=1.0,
        # diff-diff's mean looks shares k/n up in binary rounding and now and then takes the next outcome; quantiles agree to 1e-15.
        closeness=0.05,
        # diff-diff's errors are those of 200 bootstrap draws, evalkit's are analytic.
        error_closeness=0.5,
        part="two_periods",
        contenders={
            "evalkit": evalkit(ours.changes_in_changes(QUANTILES), "g"),
            "diff-diff": diff_diff(of_diff_diff.changes_in_changes(QUANTILES, draws=200), "ever"),
            "diff-diff, no errors": replace(diff_diff(of_diff_diff.changes_in_changes(QUANTILES, draws=0), "ever"), complete=False),
        },
    ),
    "wild_bootstrap": Task(
        title="the wild cluster bootstrap of the two-way coefficient, 9,999 draws over 341 clusters",
        bar=0.2,
        closeness=1e-6,
        # wildboottest counts 20 parameters in its factor for few observations, evalkit one more for the constant.
        error_closeness=1e-4,
        judged=("county",),
        sizes=("small", "county"),
        contenders={
            "evalkit": evalkit(ours.wild(DRAWS, "cl"), "g", "cl"),
            "wildboottest": Contender("wildboottest", ("unit", "time", "y", "d", "cl"), of_others.wildboottest(DRAWS, "cl")),
        },
    ),
    "wild_bootstrap_units": Task(
        title="the same with every unit a cluster",
        bar=0.2,
        closeness=1e-6,
        error_closeness=1e-4,
        judged=("county",),
        sizes=("county",),
        contenders={
            "evalkit": evalkit(ours.wild(DRAWS, "unit"), "g"),
            "wildboottest": Contender("wildboottest", ("unit", "time", "y", "d"), of_others.wildboottest(DRAWS, "unit")),
        },
    ),
}
