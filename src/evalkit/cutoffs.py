"""A score with a cutoff: one value a unit, judged, and whether its density jumps at the cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.inference.linear import Covariance, covariance
from evalkit.kernels import density as densities
from evalkit.kernels.local_polynomial import KERNELS, TooFewPoints
from evalkit.notices import Notice
from evalkit.panel import Panel

Array = np.ndarray[Any, Any]
Pair = tuple[float, float]
NUMBERS = (int, float, np.integer, np.floating)

HEAPED = 0.01  # share of rows on one single score from which on it is told
REPEATED = 0.2  # share of rows that repeat a score from which on it is told
ENOUGH = 20  # rows within the bandwidth that each side needs
MANIPULATION = 0.05  # p-value of the density test below which no effect is estimated


class Manipulated(DesignError):
    """The density of the score jumps at the cutoff, so that the two sides are no comparison; ``test`` holds the numbers."""

    def __init__(self, message: str, test: DensityTest) -> None:
        super().__init__(message)
        self.test = test


@dataclass(frozen=True, eq=False)
class DensityTest:
    """Whether the density of a score jumps at a cutoff.

    Attributes
    ----------
    table : frame of the rows left, right and difference (right minus left): density (share of rows per unit of the score), std_error,
        bandwidth and rows within it (missing for the difference)
    statistic, p_value : the difference over its standard error, two-sided normal
    observations : rows with a score
    notices : what the scores look like (heaped)
    """

    table: pd.DataFrame
    statistic: float
    p_value: float
    observations: int
    notices: tuple[Notice, ...]


def density_test(
    data: Panel | pd.DataFrame,
    score: str,
    cutoff: float,
    period: int | None = None,
    score_period: int | None = None,
    *,
    order: int = 2,
    kernel: str = "triangular",
    restricted: bool = False,
    variance: str = "jackknife",
    bandwidth: str | float | Pair = "comb",
    mass_points: str = "adjust",
    cutoff_belongs: str = "above",
) -> DensityTest:
    """Test whether the density of a score jumps at a cutoff, as it does where scores were moved across the line.

    Parameters
    ----------
    data : a panel, of which one period is used, or a frame with one row a unit
    score, cutoff, period, score_period, cutoff_belongs : see :class:`evalkit.discontinuity.Discontinuity`
    order : of the polynomial the bandwidth is best for; the test uses one more
    kernel : "triangular", "epanechnikov" or "uniform"
    restricted : whether both sides share everything but the density itself
    variance : "jackknife", or "plugin" (the asymptotic one, unrestricted only)
    bandwidth : "comb", "each", "diff" or "sum", a number, or (left, right), in the unit of the score
    mass_points : "adjust" counts rows of one score together, "off" as if in some order

    Raises
    ------
    DesignError
        When scores are missing, constant or all on one side, take too few values near the cutoff, and for unknown choices.

    Notes
    -----
    Cattaneo, Jansson & Ma (2020), with the numbers of R's rddensity 2.6, whose kernel "triangular" and jackknife are the defaults too. Weights
    do not enter. A density that falls gently is no jump; one that jumps is no proof of fraud, it says that the two sides were not
    left to chance. Heaps at round values that are no multiple of the distance to the cutoff make it reject too often (a fifth of 3,000 scores
    rounded to 500, a cutoff between: 43 to 62% instead of 5%, by how scores are spread), so that heaps are told. What the test cannot see: sorting in both directions that cancels out.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> income = 2736 + np.linspace(-900, 900, 1201)
    >>> density_test(pd.DataFrame({"income": income}), "income", 2736).p_value > 0.05
    True
    """
    x, notices = _measured(data, score, cutoff, period, score_period, cutoff_belongs)
    choices = (
        ("kernel", kernel, KERNELS),
        ("variance", variance, ("jackknife", "plugin")),
        ("treatment of mass points", mass_points, ("adjust", "off")),
        ("bandwidth", bandwidth if isinstance(bandwidth, str) else "comb", densities.RULES),
    )
    for kind, value, allowed in choices:
        if value not in allowed:
            raise DesignError(unknown(kind, value, allowed))
    if variance == "plugin" and restricted:
        raise DesignError("The plug-in variance is that of unrestricted densities: use variance='jackknife', or restricted=False.")
    if order not in (1, 2, 3):
        raise DesignError(f"order is 1, 2 or 3, not {order}.")
    order = int(order)
    of, turned = densities.Distribution(np.sort(x), kernel, restricted, mass_points == "adjust"), cutoff_belongs == "below"
    try:
        if isinstance(bandwidth, str):
            h = densities.bandwidths(of, order, variance == "plugin")[bandwidth]
        else:
            given = _checked(pair(bandwidth))
            h = (given[1], given[0]) if turned else given
        fit = of.fit(h, order + 1)
    except TooFewPoints:
        raise DesignError(
            f"Score {score!r} takes too few distinct values near {cutoff:g} ({len(np.unique(x[x < 0])):,} below and "
            f"{len(np.unique(x[x >= 0])):,} above in all) to tell whether its density jumps. A discontinuity needs a score that is nearly continuous."
        ) from None
    if variance == "plugin" and not fit.value.min() > 0:
        raise DesignError(
            f"The density of {score!r} is estimated as nought or less on a side of {cutoff:g}, which has no plug-in variance. Use "
            "variance='jackknife', or a wider bandwidth."
        )
    plugin = densities.plugin_variances(fit.value, len(x), h, order + 1, kernel) if variance == "plugin" else None
    return _told(of, fit, h, plugin, turned, notices)


def _told(
    of: densities.Distribution, fit: densities.Fit, h: Pair, plugin: Array | None, turned: bool, notices: tuple[Notice, ...]
) -> DensityTest:
    """Return the test in the reader's directions, from densities of scores that may be mirrored."""
    n = len(of.x)
    both = [1, 0] if turned else [0, 1]
    jacobian = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]])
    rows = pd.DataFrame({"observation": np.arange(n)})
    density = Estimate(
        fit.value[both], fit.contributions[:, both] * n, cell_frame("density", 2, name=["left", "right"]), rows, Facts(n)
    )
    told = density.map(jacobian @ density.theta, jacobian, cell_frame("density", 3, name=["left", "right", "difference"]))
    spread = covariance(told)
    if plugin is not None:
        matrix = jacobian @ np.diag(plugin[both]) @ jacobian.T
        spread = Covariance(matrix, "observation", n, "none", 1.0, "z", np.inf)
    within = of.within(h)
    table = pd.DataFrame(
        {
            "side": told.cells["name"],
            "density": told.theta,
            "std_error": spread.std_error,
            "bandwidth": [*(h[side] for side in both), np.nan],
            "rows": pd.array([*(within[side] for side in both), pd.NA], dtype="Int64"),
        }
    )
    statistic = float(told.theta[2] / spread.std_error[2])
    return DensityTest(table, statistic, float(spread.p_value(np.array([statistic]))[0]), n, notices)


def _measured(
    data: Panel | pd.DataFrame, score: str, cutoff: float, period: int | None, score_period: int | None, belongs: str
) -> tuple[Array, tuple[Notice, ...]]:
    """Return scores measured from the cutoff, mirrored when the cutoff itself belongs below, and what they look like."""
    panel, rows = cross_section(data, period)
    values = scores(panel, rows, score, score_period)
    judge_scores(values, score, cutoff, belongs, panel, rows)
    return (cutoff - values if belongs == "below" else values - cutoff), heaping(values, score)


def cross_section(
    data: Panel | pd.DataFrame, period: int | None, clusters: Sequence[str] = (), weight: str | None = None
) -> tuple[Panel, Array]:
    """Return a panel and the positions of its rows of one period; a frame is taken to have one row a unit."""
    if isinstance(data, pd.DataFrame):
        if period is not None:
            raise DesignError("A frame has one row a unit and no periods. Make a Panel, or take the rows of one period yourself.")
        panel = Panel(data.assign(**{"only period": 0}), None, "only period", clusters, weight)
        return panel, np.arange(len(panel.unit_index))
    if not isinstance(data, Panel):
        raise DesignError(f"A discontinuity is read from a Panel or a pandas DataFrame, not from {type(data).__name__}.")
    if clusters or weight:
        raise DesignError("A panel declares its own clusters and weight: Panel(..., clusters=[...], weight=...).")
    periods = [int(p) for p in data.periods]
    if period is None and len(periods) > 1:
        raise DesignError(
            f"The panel has {len(periods)} periods ({first_five(periods)}): say which one the outcome is of, period=..."
        )
    if period is not None and period not in periods:
        raise DesignError(unknown("period", str(period), [str(p) for p in periods]))
    chosen = periods[0] if period is None else period
    return data, np.flatnonzero(data.periods[data.period_index] == chosen)


def scores(panel: Panel, rows: Array, name: str, score_period: int | None) -> Array:
    """Return (n,) scores of the units of these rows: constant within units, or of the period said."""
    values = panel.numbers(name)
    when = panel.periods[panel.period_index]
    if panel.unit is None:
        if score_period is not None:
            raise DesignError("Rows that are not followed over time have the score of their own row only: leave out score_period.")
        return np.asarray(values[rows])
    told = ~np.isnan(values)
    if score_period is not None:
        if score_period not in panel.periods:
            raise DesignError(unknown("period", str(score_period), [str(p) for p in panel.periods]))
        told &= when == score_period
    positions = np.flatnonzero(told)[::-1]  # the first of a unit is written last and stays
    of_unit = np.full(len(panel.units), np.nan)
    of_unit[panel.unit_index[positions]] = values[positions]
    varies = told & (values != of_unit[panel.unit_index])
    if varies.any():
        raise DesignError(
            f"Score {name!r} varies over time in {len(np.unique(panel.unit_index[varies])):,} units: "
            f"{first_five(panel.places(np.flatnonzero(varies)))}. Say the period before the programme in which it decided: score_period=..., one of "
            f"{', '.join(str(p) for p in panel.periods)}."
        )
    return np.asarray(of_unit[panel.unit_index[rows]])


def where(panel: Panel, rows: Array) -> str:
    """Return the first five units of some rows, or their numbers in the frame where units have no name."""
    if panel.unit is not None:
        return first_five(panel.units[panel.unit_index[rows]])
    return f"row numbers {first_five(rows if panel.order is None else panel.order[rows])}"


def judge_scores(values: Array, name: str, cutoff: float, belongs: str, panel: Panel, rows: Array) -> None:
    """Raise DesignError unless scores are known, vary, and lie on both sides of the cutoff."""
    if not np.isfinite(number(cutoff, f"The cutoff of {name!r}")):
        raise DesignError(f"The cutoff is a number in the unit of {name!r}, not {cutoff}.")
    if (missing := np.isnan(values)).any():
        raise DesignError(
            f"Score {name!r} is missing in {missing.sum():,} of {len(values):,} units ({where(panel, rows[missing])}). Without "
            "it nobody knows on which side of the line they were. Fill it in from the register, or leave these units out and say so."
        )
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise DesignError(f"Score {name!r} is {low:g} in every row: it decides nothing.")
    below = values <= cutoff if belongs == "below" else values < cutoff
    if below.all() or not below.any():
        raise DesignError(
            f"All {len(values):,} values of {name!r} lie on one side of the cutoff {cutoff:g}: they run from {low:g} to {high:g}. Check the "
            "cutoff and its unit (yuan or 10,000 yuan, a year or a month)."
        )


def weights(panel: Panel, rows: Array) -> Array:
    """Return (n,) weights of rows, all positive."""
    values = panel.numbers(str(panel.weight))[rows]
    if (bad := ~(values > 0)).any():
        raise DesignError(
            f"Weight {panel.weight!r} is missing or not positive in {bad.sum():,} rows ({where(panel, rows[bad])}). A weight says how "
            "many households a row stands for."
        )
    return np.asarray(values)


def cluster_codes(panel: Panel, rows: Array, cluster: str) -> Array:
    """Return (n,) codes of the clusters of rows, none missing."""
    codes = pd.factorize(panel.column(cluster).iloc[rows])[0]
    if (missing := codes < 0).any():
        raise DesignError(
            f"Cluster {cluster!r} is missing in {missing.sum():,} rows ({where(panel, rows[missing])}). Fill it in, or leave these rows out."
        )
    return np.asarray(codes)


def judge_counts(rows: tuple[int, int], h: Pair | None, cutoff: float, donut: float) -> None:
    """Raise DesignError unless each side has enough rows, within the bandwidths if they are known."""
    if min(rows) >= ENOUGH:
        return
    outside = f" farther than {donut:g} from the line" if donut else ""
    within = "" if h is None else f" within the bandwidth ({h[0]:.4g} and {h[1]:.4g})"
    raise DesignError(
        f"Only {rows[0]:,} and {rows[1]:,} complete rows{outside} lie on the two sides of {cutoff:g}{within}; {ENOUGH} are needed on each. A wider "
        "bandwidth compares units less alike; with few units near the line there is no discontinuity design."
    )


def heaping(values: Array, name: str) -> tuple[Notice, ...]:
    """Return a remark when scores heap on few values: a fifth of the rows repeat one, or one value holds one in a hundred."""
    distinct, counts = np.unique(values, return_counts=True)
    repeated = 1 - len(distinct) / len(values)
    if repeated < REPEATED and counts.max() < max(10, HEAPED * len(values)):
        return ()
    most = np.argsort(-counts, kind="stable")[:5]
    facts: dict[str, Any] = {
        "score": name,
        "distinct": len(distinct),
        "rows": len(values),
        "most": [f"{distinct[i]:,.10g} ({counts[i]:,})" for i in most if counts[i] > 1],
    }
    return (Notice("SCORE_HEAPED", facts),)


def pair(size: object) -> Pair:
    """Return (left, right) of a number or of two."""
    if isinstance(size, NUMBERS):
        return float(size), float(size)
    if not isinstance(size, (list, tuple, np.ndarray)) or len(size) != 2 or not all(isinstance(side, NUMBERS) for side in size):
        raise DesignError(f"A bandwidth is a name, a number, or (left, right); got {size!r}.")
    return float(size[0]), float(size[1])


def number(value: object, what: str) -> float:
    """Return a number, or say what is none."""
    if not isinstance(value, NUMBERS):
        raise DesignError(f"{what} is a number, not {value!r}.")
    return float(value)


def _checked(h: Pair) -> Pair:
    if not all(0 < side < np.inf for side in h):
        raise DesignError(f"Bandwidths are positive; got {h}.")
    return h


def judge_density(test: DensityTest, score: str, cutoff: float) -> None:
    """Raise Manipulated when the density of a score jumps at the cutoff."""
    if not test.p_value < MANIPULATION:
        return
    left, right = test.table["density"].iloc[:2].clip(lower=0)
    rows, narrow = test.table["rows"].iloc[:2], float(test.table["bandwidth"].min())
    width = 10.0 ** np.floor(np.log10(narrow))  # a round step that lies within the bandwidths, whatever the unit of the score
    told: list[Any] = [notice.facts["most"] for notice in test.notices if notice.code == "SCORE_HEAPED"]
    rounded = (
        f"Scores heap on {', '.join(told[0])} (rows), which alone can bring this about without any sorting at the line. "
        if told
        else ""
    )
    raise Manipulated(
        f"The density of {score!r} jumps at {cutoff:g}: within {width:,.6g} of the score {width * left:.2%} of all rows just below and "
        f"{width * right:.2%} just above ({rows.iloc[0]:,} and {rows.iloc[1]:,} rows within the bandwidths), statistic {test.statistic:.2f}, "
        f"p = {test.p_value:.2g}, below {MANIPULATION:g}. Scores were not left to chance near the line: units that moved across it differ from "
        f"those that did not, so the two sides cannot be compared. {rounded}Leaving out a donut is no cure for sorting. What would help: a score "
        "from a source that nobody could adjust (a survey or the tax register instead of the declaration), an earlier score from before the line "
        "was known, or a difference-in-differences that does not use the line. density_test(...) shows the numbers.",
        test,
    )
