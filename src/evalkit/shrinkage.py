"""Many estimates of the same quantity: how much they differ beyond chance, and each drawn towards their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtrc, chdtri, fdtrc, fdtri, ndtri

from evalkit.errors import EstimateError

Array = np.ndarray[Any, Any]

FEWEST = 5  # estimates; the spread between fewer cannot be told from chance
HALVINGS = 60


@dataclass(frozen=True)
class Spread:
    """How much k estimates differ.

    Attributes
    ----------
    mean, mean_error : their mean weighted by precision, and its standard error
    tau, low, high : standard deviation of the true values, and its interval
    q, degrees, within_degrees : Cochran's Q, k - 1, and the degrees of freedom behind the errors (None: taken as known)
    p_value : of Q, were all true values equal
    i_squared : the share of the observed spread beyond chance, 0 to 1
    """

    mean: float
    mean_error: float
    tau: float
    low: float
    high: float
    q: float
    degrees: int
    within_degrees: int | None
    p_value: float
    i_squared: float


def spread(estimates: Array, errors: Array, within_degrees: int | None = None, level: float = 0.95) -> Spread:
    """Return how much estimates differ beyond what their own errors explain.

    Parameters
    ----------
    estimates, errors : (k,)
        Estimates and their standard errors, in one unit; errors are independent of one another.
    within_degrees : int, optional
        Degrees of freedom of a noise level that all errors share; they are taken as known without it.
    level : coverage of the interval of tau

    Returns
    -------
    Spread
        tau by Paule and Mandel: the value at which Q, with weights 1 / (error^2 + tau^2), equals k - 1.

    Raises
    ------
    EstimateError
        For fewer than five estimates, and for errors that are not positive.

    Notes
    -----
    Paule and Mandel (1982, Journal of Research of the National Bureau of Standards 87); interval by the Q-profile of Viechtbauer (2007,
    Statistics in Medicine 26); Q and I squared: Higgins and Thompson (2002, Statistics in Medicine 21). Q of estimates whose errors
    rest on one estimated noise level has the law of (k - 1) F, not of chi-squared: with chi-squared, differences would look like more
    than chance too often.

    Examples
    --------
    >>> found = spread(np.array([0.0, 2.0, 4.0, 6.0, 8.0]), np.full(5, 2.0))
    >>> round(found.tau**2, 6), round(found.q, 6), found.i_squared
    (6.0, 10.0, 0.6)
    """
    y, v = _judged(estimates, errors)
    k = len(y)
    q, degrees = _q(y, v, 0.0), k - 1
    if within_degrees is None:
        p, tails = chdtrc(degrees, q), [chdtri(degrees, tail) for tail in ((1 - level) / 2, (1 + level) / 2)]
    else:
        p = fdtrc(degrees, within_degrees, q / degrees)
        tails = [degrees * fdtri(degrees, within_degrees, point) for point in ((1 + level) / 2, (1 - level) / 2)]
    between = _between(y, v, degrees)
    w = 1 / (v + between)
    low, high = (float(np.sqrt(_between(y, v, tail))) for tail in tails)
    return Spread(
        mean=float(w @ y / w.sum()),
        mean_error=float(1 / np.sqrt(w.sum())),
        tau=float(np.sqrt(between)),
        low=low,
        high=high,
        q=q,
        degrees=degrees,
        within_degrees=within_degrees,
        p_value=float(p),
        i_squared=max(0.0, 1 - degrees / q) if q > 0 else 0.0,
    )


@dataclass(frozen=True, eq=False)
class Drawn:
    """Estimates drawn towards their mean: (k,) values, their standard errors, and the weight of the mean in each (0 to 1)."""

    values: Array
    errors: Array
    pull: Array


def shrunken(estimates: Array, errors: Array, found: Spread) -> Drawn:
    """Return estimates drawn towards their mean, the more the noisier each is and the less they differ beyond chance.

    Parameters
    ----------
    estimates, errors : (k,), as in :func:`spread`
    found : Spread
        What :func:`spread` returns for them.

    Returns
    -------
    Drawn
        A prediction of each true value that uses all estimates. Errors carry that mean and tau are estimated.

    Notes
    -----
    Morris (1983, Journal of the American Statistical Association 78): the weight of the mean is
    (k - 3) / (k - 1) error^2 / (error^2 + tau^2), and the variance
    error^2 (1 - (k - r) / k B) + 2 / (k - 3) B^2 (V + tau^2) / (error^2 + tau^2) (estimate - mean)^2, with r = k times an estimate's share
    of the weights and V the weighted mean of the error variances. With equal errors this is the estimator of James and Stein.

    Examples
    --------
    >>> y, e = np.array([0.0, 2.0, 4.0, 6.0, 8.0]), np.full(5, 2.0)
    >>> shrunken(y, e, spread(y, e)).values.round(6).tolist()
    [0.8, 2.4, 4.0, 5.6, 7.2]
    """
    y, v = _judged(estimates, errors)
    k, between = len(y), found.tau**2
    w = 1 / (v + between)
    pull = (k - 3) / (k - 1) * v * w
    values = (1 - pull) * y + pull * found.mean
    typical = float(w @ v / w.sum())
    used = k * w / w.sum()
    doubt = 2 / (k - 3) * pull**2 * (typical + between) * w
    variance = v * (1 - (k - used) / k * pull) + doubt * (y - found.mean) ** 2
    return Drawn(values, np.sqrt(variance), pull)


def reach(level: float) -> float:
    """Return how many standard errors an interval reaches to each side under the normal law.

    >>> round(reach(0.95), 2)
    1.96
    """
    return float(ndtri(0.5 + level / 2))


def _judged(estimates: Array, errors: Array) -> tuple[Array, Array]:
    """Return estimates and error variances, or refuse what has no spread."""
    y, e = np.asarray(estimates, dtype=float), np.asarray(errors, dtype=float)
    if len(y) < FEWEST or len(y) != len(e):
        raise EstimateError(
            f"There are {len(y)} estimates and {len(e)} errors; a spread needs at least {FEWEST} estimates with an error each."
        )
    if not (np.isfinite(y).all() and np.isfinite(e).all() and (e > 0).all()):
        raise EstimateError("Estimates and errors must be numbers, and errors positive. Leave out what has no error.")
    return y, e**2


def _q(y: Array, v: Array, between: float) -> float:
    w = 1 / (v + between)
    return float(w @ (y - w @ y / w.sum()) ** 2)


def _between(y: Array, v: Array, target: float) -> float:
    """Return the variance between at which Q falls to a target; zero where it lies below already. Q falls as the variance grows."""
    if _q(y, v, 0.0) <= target:
        return 0.0
    low, high = 0.0, float(np.var(y) * len(y) + v.max())
    while _q(y, v, high) > target:
        high *= 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _q(y, v, middle) > target else (low, middle)
    return (low + high) / 2
