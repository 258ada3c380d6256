"""Power by simulation: outcomes drawn from a working model of noise, and how often a planted effect is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, EstimateError
from evalkit.estimate import Estimate
from evalkit.inference.linear import covariance, has_own_noise
from evalkit.parallel import Map

Array = np.ndarray[Any, Any]
Estimator = Callable[[Design], Estimate]


@dataclass(frozen=True)
class Noise:
    """A working model of untreated outcomes: y_it = a_i + l_t + v_ct + e_it.

    Parameters
    ----------
    sd : standard deviation of a unit's own noise e_it, in the outcome's unit
    serial : its correlation from one period to the next (AR(1); h periods apart: serial ** h)
    shared_sd, shared_serial : the same for the shocks v_ct that units of a cluster share
    """

    sd: float
    serial: float = 0.0
    shared_sd: float = 0.0
    shared_serial: float = 0.0

    def __post_init__(self) -> None:
        for name in ("sd", "serial", "shared_sd", "shared_serial"):
            if not isinstance(getattr(self, name), (int, float, np.integer, np.floating)):
                raise DesignError(f"{name} is a number, not {getattr(self, name)!r}.")
        if min(self.sd, self.shared_sd) < 0 or not max(self.sd, self.shared_sd) > 0:
            raise DesignError(
                f"Standard deviations are not negative, and not both zero: sd={self.sd:g}, shared_sd={self.shared_sd:g}."
            )
        for name in ("serial", "shared_serial"):
            if not -1 < getattr(self, name) < 1:
                raise DesignError(f"{name} is a correlation between -1 and 1, not {getattr(self, name)}.")

    def matrices(self, periods: Array) -> tuple[Array, Array]:
        """Return the (T, T) covariances of a unit's own noise and of shared shocks over periods."""
        apart = np.abs(np.subtract.outer(periods, periods))
        return self.sd**2 * _power(self.serial, apart), self.shared_sd**2 * _power(self.shared_serial, apart)

    @property
    def intraclass(self) -> float:
        """The share of the variance that units of a cluster share in a period."""
        return self.shared_sd**2 / (self.sd**2 + self.shared_sd**2)


def _power(serial: float, apart: Array) -> Array:
    return np.asarray(np.where(apart == 0, 1.0, float(serial) ** apart.astype(float)))


def with_outcome(design: Design, y: Array, covariates: Sequence[str] = ()) -> Design:
    """Return the design with another outcome in its rows (n,), and with these covariates only."""
    panel = design.panel
    values = np.full(len(panel.unit_index), np.nan)
    values[slice(None) if design.keep is None else design.keep] = y
    column = values
    if panel.order is not None:
        column = np.empty_like(values)
        column[panel.order] = values
    frame = panel.frame.assign(**{design.outcome: column})
    return replace(design, panel=replace(panel, frame=frame), covariates=tuple(covariates))


def simulated_power(
    estimator: Estimator,
    design: Design,
    noise: Noise,
    effects: Sequence[float],
    *,
    draws: int,
    seed: int,
    cluster: str | None = None,
    level: float = 0.05,
    correction: str | None = None,
    reference: str | None = None,
    map: Map = map,
) -> pd.DataFrame:
    """Return how often an effect is found when outcomes are drawn from a working model of noise.

    Parameters
    ----------
    estimator : callable
        From a design to an estimate of one parameter, linear in the outcome.
    design : Design
        Who is treated when; its outcome is not read.
    effects : sizes of a constant effect on all treated rows, in the outcome's unit; 0 gives the size of the test
    draws, seed : worlds drawn, and the seed of the first; each world has its own stream
    cluster : units in it share shocks, and the standard error is clustered by it
    level, correction, reference : of the test, see :func:`evalkit.covariance`
    map : how independent worlds are estimated, see :func:`evalkit.parallel.workers`

    Returns
    -------
    DataFrame
        A row per effect: effect, power (share of worlds in which the parameter is significant), mc_error (its Monte Carlo
        standard error), draws.

    Notes
    -----
    A constant effect moves the estimate by itself and leaves its influence alone, so that one estimation serves all effects.

    Examples
    --------
    >>> import evalkit as ek
    >>> power = simulated_power(ek.TwoWay(), ek.example_design(), Noise(sd=0.05), [0.0, 0.1], draws=20, seed=1)
    >>> float(power["power"].iloc[1])
    1.0
    """
    if not _whole(draws) or draws < 2:
        raise EstimateError(f"draws is a whole number from 2 on, such as 500, not {draws!r}: a share needs several worlds.")
    if not _whole(seed) or seed < 0:
        raise EstimateError(
            f"Worlds are drawn at random: say the seed, a whole number from 0 on, for example seed=7, not {seed!r}."
        )
    if not 0 < level < 1:
        raise EstimateError(f"The level of a test lies between 0 and 1, for example 0.05, not {level}.")
    sizes = np.asarray(list(effects) if isinstance(effects, (Sequence, np.ndarray)) else [], dtype=float)
    if not len(sizes) or not np.isfinite(sizes).all():
        raise EstimateError(f"effects= is a list of sizes in the outcome's unit, such as [0, 0.05], not {effects!r}.")
    world = _World(estimator, with_outcome(design, np.zeros(design.observations)), noise, cluster, level, correction, reference)
    found = np.array(list(map(world, np.random.SeedSequence(int(seed)).spawn(int(draws)))))
    estimate, std_error, critical = found.T
    power = (np.abs(estimate + sizes[:, None]) > critical * std_error).mean(axis=1)
    error = np.sqrt(power * (1 - power) / draws)
    return pd.DataFrame({"effect": sizes, "power": power, "mc_error": error, "draws": int(draws)})


def _whole(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and float(value).is_integer()


@dataclass(frozen=True, eq=False)
class _World:
    """One world without an effect: drawn, estimated, and judged."""

    estimator: Estimator
    design: Design
    noise: Noise
    cluster: str | None
    level: float
    correction: str | None
    reference: str | None

    def __call__(self, seed: np.random.SeedSequence) -> tuple[float, float, float]:
        generator = np.random.default_rng(seed)
        estimate = self.estimator(with_outcome(self.design, drawn(self.design, self.noise, generator, self.cluster)))
        if len(estimate.theta) != 1:
            raise EstimateError(f"Power is that of one parameter; the estimator returns {len(estimate.theta)}. Select one.")
        if not has_own_noise(estimate).all():
            raise EstimateError(
                "The parameter rests on a single treated unit, so that it has no standard error and no test has a power. Use finer units, or rank "
                "it among placebos."
            )
        spread = covariance(estimate, self.cluster, self.correction, self.reference)
        critical = np.broadcast_to(spread.quantile(1 - self.level / 2), 1)
        return float(estimate.theta[0]), float(spread.std_error[0]), float(critical[0])


def drawn(design: Design, noise: Noise, generator: np.random.Generator, cluster: str | None = None) -> Array:
    """Return (n,) outcomes without an effect: a unit's own noise and the shocks that units of its cluster share, it alone without one."""
    own, shared = noise.matrices(design.periods)
    e = generator.standard_normal((len(design.units), len(own))) @ _root(own).T
    y = e[design.unit_index, design.period_index]
    if not noise.shared_sd:
        return np.asarray(y)
    codes, groups = (design.unit_index, len(design.units)) if cluster is None else design.codes(cluster)
    v = generator.standard_normal((groups, len(shared))) @ _root(shared).T
    return np.asarray(y + v[codes, design.period_index])


def _root(matrix: Array) -> Array:
    """Return a root of a covariance that may be zero."""
    return np.linalg.cholesky(matrix) if matrix.any() else matrix
