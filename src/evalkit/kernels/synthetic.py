"""Synthetic difference-in-differences: unit and period weights by Frank-Wolfe or exactly, pinned where a form says so.

Letters of Arkhangelsky, Athey, Hirshberg, Imbens & Wager (2021, American Economic Review 111), section 2 and appendix of R's
synthdid 0.0.9: N0 donors, N1 treated units, T0 periods before and T1 after; omega (N0,) unit weights, lambda (T0,) period weights,
zeta the ridge penalty, sigma the noise level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg.blas import dgemv

from evalkit.kernels.two_way import inverse

Array = np.ndarray[Any, Any]

SMALL = 1e-6  # zeta / sigma where the penalty only makes the solution unique
STEPS, STEPS_BEFORE_SPARSE = 10_000, 100
WHOLE = 1 - 1e-9  # a weight from which on a donor stands alone, the rest being rounding


class Diverged(ValueError):
    """The joint search for covariate coefficients stopped far from a minimum: its steps do not suit the covariates' scale."""


class Idle(ValueError):
    """Covariates do not move where their coefficients are searched; ``columns`` are their positions."""

    def __init__(self, columns: list[int]) -> None:
        super().__init__(columns)
        self.columns = columns


@dataclass(frozen=True)
class Form:
    """Which weights are fitted and which are pinned."""

    ridge: bool  # zeta_omega = (N1 T1)^(1/4) sigma, or 1e-6 sigma
    intercept: bool  # whether donors need to match the path of the treated only up to a constant
    omega: str  # "fitted" or "uniform"
    lam: str  # "fitted", "uniform" or "zero"


FORMS = {
    "synthdid": Form(True, True, "fitted", "fitted"),
    "synthetic_control": Form(False, False, "fitted", "zero"),
    "demeaned": Form(False, True, "fitted", "uniform"),
    "did": Form(True, True, "uniform", "uniform"),
}


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of one comparison: omega (N0,), lam (T0,), beta (K,), the noise level sigma, and donors' influence on beta (N0, K)."""

    omega: Array
    lam: Array
    beta: Array
    sigma: float
    on_beta: Array | None = None


def noise_level(Y: Array) -> float:
    """Return sigma, the standard deviation of all first differences of (N0, T0) donor outcomes before treatment (eq. 5)."""
    return float(np.diff(Y, axis=1).std(ddof=1))


def simplex_weights(A: Array, b: Array, eta: float, start: Array, steps: int, decrease: float) -> Array:
    """Return the weights x >= 0, sum 1, that minimise |A x - b|^2 + eta |x|^2, by Frank-Wolfe with exact line search.

    Parameters
    ----------
    A : (m, n), b : (m,)
    start : (n,) weights to start from
    steps, decrease : stop after so many steps, or when a step lowers the objective by no more than this

    Notes
    -----
    Since x sums to one, A x - b = (A - b 1')x = R x, and the objective is x'Kx with K = R'R + eta I. A step moves to
    (1 - s) x + s e_i, so that h = K x moves to (1 - s) h + s K_i: a column of K instead of a product with A, and no
    difference of large numbers in the stopping rule.
    """
    R = np.asfortranarray((A - b[:, None]).T)  # (n, m)
    diagonal = np.einsum("nm,nm->n", R, R) + eta
    u, scale = start.astype(float), 1.0
    for step in range(1, steps + 1):
        if step % 200 == 1:  # rounding does not pile up
            u, scale = scale * u, 1.0  # x = scale u, h = K x = scale g
            g = R @ (R.T @ u) + eta * u
            f = float(u @ g)
        i = int(g.argmin())
        h, K = scale * float(g[i]), float(diagonal[i])
        toward, length = f - h, f - 2 * h + K  # -h'd and d'Kd, d = e_i - x
        s = min(1.0, max(0.0, toward / length)) if length > 0 else 0.0
        gain = s * (2 * toward - s * length)
        f -= gain
        if (1 - s) * scale < 1e-100:  # the scale would vanish: the scaled arrays take it up
            u, g, scale = (1 - s) * scale * u, (1 - s) * scale * g, 1.0
        else:
            scale *= 1 - s
        u[i] += s / scale
        g = dgemv(s / scale, R, R[i], 1.0, g, overwrite_y=1)
        g[i] += s / scale * eta
        if step >= 2 and gain <= decrease:
            break
    return u * scale


def sparse(x: Array) -> Array:
    """Return the weights with those of at most a quarter of the largest set to zero, summing to one again."""
    kept = np.where(x <= x.max() / 4, 0.0, x)
    return np.asarray(kept / kept.sum())


def exact_weights(A: Array, b: Array, eta: float) -> Array:
    """Return the minimiser that :func:`simplex_weights` nears, by an active set.

    Notes
    -----
    On the simplex the objective is |P x|^2, P = (A - b 1'; sqrt(eta) I). Let u >= 0 add up to anything, at a price: min |P u|^2 +
    (1'u - 1)^2. With u = s x it is s^2 |P x|^2 + (s - 1)^2, smallest over x at the same x whatever s > 0, so that u / 1'u is the
    minimiser, and u solves non-negative least squares (Lawson & Hanson 1974, chapter 23).
    """
    R, n = A - b[:, None], A.shape[1]
    size = np.sqrt(np.einsum("mn,mn->", R, R) / n + eta) or 1.0
    ridge = np.sqrt(eta) / size or SMALL  # without a penalty the most even of the minimisers
    P = np.vstack([R / size, ridge * np.eye(n), np.ones(n)])
    from scipy.optimize import nnls

    u, _ = nnls(P, np.r_[np.zeros(len(P) - 1), 1.0], maxiter=30 * n)
    return np.asarray(u / u.sum())


def _fitted(A: Array, b: Array, zeta: float, intercept: bool, decrease: float, exact: bool) -> Array:
    """Return weights fitted exactly, or in two rounds, the second from the sparse version of the first (R's sc.weight.fw)."""
    m, n = A.shape
    if intercept:
        A, b = A - A.mean(axis=0), b - b.mean()
    eta, least = m * zeta**2, m * decrease**2
    if exact:
        return exact_weights(A, b, eta)
    first = simplex_weights(A, b, eta, np.full(n, 1 / n), STEPS_BEFORE_SPARSE, least)
    return simplex_weights(A, b, eta, sparse(first), STEPS, least)


@dataclass(frozen=True, eq=False)
class Problem:
    """One comparison before treatment: Y (N0 + 1, T0 + 1), X (K, N0 + 1, T0 + 1), N1 and T1.

    The first N0 rows are donors, the last the mean of the treated; the first T0 columns are periods before treatment, the last the
    mean of those after (R's collapsed form). The corner, the treated after treatment, enters no weight.
    """

    Y: Array
    X: Array
    sigma: float
    N1: int
    T1: int

    @classmethod
    def of(cls, Y: Array, X: Array, treated: Array, donors: Array, before: Array, after: Array) -> Problem:
        """Collapse (N, T) outcomes and (K, N, T) covariates to the rows and columns of one comparison (masks or positions)."""

        def collapsed(values: Array) -> Array:
            rows = np.vstack([values[donors], values[treated].mean(axis=0)])
            return np.column_stack([rows[:, before], rows[:, after].mean(axis=1)])

        small = collapsed(Y)
        covariates = np.array([collapsed(x) for x in X]).reshape(len(X), *small.shape)
        return cls(small, covariates, noise_level(small[:-1, :-1]), len(Y[treated]), Y[:, after].shape[1])


def weights(form: Form, problem: Problem, exact: bool = False) -> Weights:
    """Return omega and lambda, fitted or pinned as the form says, and beta by the joint search when there are covariates.

    Notes
    -----
    Equations 4 to 6: lambda makes donors' periods before resemble their mean after (ridge 1e-6 sigma), omega makes donors resemble
    the treated before (ridge (N1 T1)^(1/4) sigma, 1e-6 sigma for synthetic controls). R's stopping rule and two rounds are kept,
    unless the minimum itself is asked for (``exact``), which the joint search has not.
    """
    if len(problem.X):
        return _joint(form, problem)
    Y, sigma = problem.Y, problem.sigma
    omega, lam = _pinned(form, *Y.shape)
    least = 1e-5 * sigma
    if form.lam == "fitted":
        lam = _fitted(Y[:-1, :-1], Y[:-1, -1], SMALL * sigma, True, least, exact)
    if form.omega == "fitted":
        omega = _fitted(Y[:-1, :-1].T, Y[-1, :-1], zeta(form, problem), form.intercept, least, exact)
    return Weights(omega, lam, np.zeros(0), sigma)


def fit(
    form: Form, Y: Array, X: Array, rows: tuple[Array, Array], columns: tuple[Array, Array], joint: bool, exact: bool
) -> tuple[Weights, Array]:
    """Return the weights of one comparison, and (N, T) outcomes with X beta taken off.

    Parameters
    ----------
    Y : (N, T) outcomes, X : (K, N, T) covariates
    rows : positions of the treated and of the donors; columns : positions of the periods before and after
    joint : whether beta is searched jointly with the weights, or by :func:`projection` on the donors before them
    exact : whether weights are the minimum itself or where R's search stops

    Raises
    ------
    Idle
        With the positions of covariates that do not move where beta is searched.
    Diverged
        When the joint search does not settle.
    evalkit.kernels.two_way.Collinear
        With the positions of covariates that move together among the donors.
    """
    (treated, donors), (before, after) = rows, columns
    if not len(X) or joint:
        found = weights(form, Problem.of(Y, X, treated, donors, before, after), exact)
        return found, Y - np.tensordot(found.beta, X, 1) if len(X) else Y
    used = np.ix_(donors, np.r_[before, after])
    beta, on_beta = projection(Y[used], np.array([x[used] for x in X]))
    adjusted = Y - np.tensordot(beta, X, 1)
    found = weights(form, Problem.of(adjusted, X[:0], treated, donors, before, after), exact)
    return Weights(found.omega, found.lam, beta, found.sigma, on_beta), adjusted


def zeta(form: Form, problem: Problem) -> float:
    """Return the ridge penalty of omega (eq. 5)."""
    return problem.sigma * ((problem.N1 * problem.T1) ** 0.25 if form.ridge else SMALL)


def _pinned(form: Form, rows: int, columns: int) -> tuple[Array, Array]:
    """Return uniform omega and lambda (zero where the form takes no period before treatment off)."""
    lam = np.zeros(columns - 1) if form.lam == "zero" else np.full(columns - 1, 1 / (columns - 1))
    return np.full(rows - 1, 1 / (rows - 1)), lam


def _step(A: Array, x: Array, b: Array, eta: float) -> Array:
    """Return x after one Frank-Wolfe step on |A x - b|^2 + eta |x|^2."""
    Ax = A @ x
    gradient = (Ax - b) @ A + eta * x
    i = int(gradient.argmin())
    d = -x
    d[i] += 1
    length = ((A[:, i] - Ax) ** 2).sum() + eta * (d**2).sum()
    return np.asarray(x + min(1.0, max(0.0, -(gradient @ d) / length)) * d) if length > 0 else x


class _Joint:
    """The joint search over omega, lambda and beta: its state and one round of it (R's sc.weight.fw.covariates)."""

    def __init__(self, form: Form, problem: Problem) -> None:
        self.form = form
        stack = np.concatenate([problem.Y[None], -problem.X])  # (1 + K, N0 + 1, T0 + 1), combined by (1, beta)
        periods, units = stack[:, :-1, :], stack[:, :, :-1].transpose(0, 2, 1)
        self.periods = periods - periods.mean(axis=1, keepdims=True)
        self.units = units - units.mean(axis=1, keepdims=True) if form.intercept else units.copy()
        self.N0, self.T0 = self.periods.shape[1], self.units.shape[1]
        self.small, self.ridge = (SMALL * problem.sigma) ** 2, zeta(form, problem) ** 2
        self.omega, self.lam = _pinned(form, *problem.Y.shape)
        self.beta = np.zeros(len(problem.X))
        self.value = self.round()

    def round(self) -> float:
        """Step lambda and omega once at the present beta, and return the objective."""
        c = np.r_[1.0, self.beta]
        periods = (c @ self.periods.reshape(len(c), -1)).reshape(self.N0, -1)
        units = (c @ self.units.reshape(len(c), -1)).reshape(self.T0, -1)
        if self.form.lam == "fitted":
            self.lam = _step(periods[:, :-1], self.lam, periods[:, -1], self.N0 * self.small)
        if self.form.omega == "fitted":
            self.omega = _step(units[:, :-1], self.omega, units[:, -1], self.T0 * self.ridge)
        self.of_periods = periods @ np.r_[self.lam, -1.0] / np.sqrt(self.N0)
        self.of_units = units @ np.r_[self.omega, -1.0] / np.sqrt(self.T0)
        penalty = self.ridge * float(self.omega @ self.omega) + self.small * float(self.lam @ self.lam)
        return penalty + float(self.of_units @ self.of_units) + float(self.of_periods @ self.of_periods)

    def slopes(self) -> tuple[Array, Array]:
        """Return (K, N0) and (K, T0), how the errors of the two fits move with beta."""
        periods = self.periods[1:] @ np.r_[self.lam, -1.0] / np.sqrt(self.N0)
        return periods, self.units[1:] @ np.r_[self.omega, -1.0] / np.sqrt(self.T0)

    def descend(self, alpha: float) -> float:
        """Move beta against its half gradient, step the weights, and return by how much the objective came down."""
        periods, units = self.slopes()
        self.beta = self.beta - alpha * (periods @ self.of_periods + units @ self.of_units)
        before, self.value = self.value, self.round()
        return before - self.value

    def left(self) -> float:
        """Return the share of the objective that better coefficients, at the present weights, would still take away."""
        D, e = np.hstack(self.slopes()).T, np.r_[self.of_periods, self.of_units]
        gain = float(e @ D @ np.linalg.lstsq(D, e, rcond=None)[0])
        return gain / self.value if self.value > 0 else 0.0


def _joint(form: Form, problem: Problem) -> Weights:
    """Return weights and beta from the joint search; raise Diverged when its steps (1/t) did not suit the covariates' scale."""
    searched = problem.X[:, :-1], problem.X[:, :, :-1]  # donors in all columns, all rows before
    if idle := [k for k in range(len(problem.X)) if all(never_moves(x[k], form.intercept) for x in searched)]:
        raise Idle(idle)
    search, least = _Joint(form, problem), (1e-5 * problem.sigma) ** 2
    for t in range(1, STEPS + 1):
        fall = search.descend(1 / t)
        if t >= 2 and not fall > least:
            break
    # Searches that end well leave about 1e-7 of the objective to be gained.
    if not np.isfinite(search.value) or search.left() > 1e-4:
        raise Diverged
    return Weights(search.omega, search.lam, search.beta, problem.sigma)


def projection(Y: Array, X: Array) -> tuple[Array, Array]:
    """Return beta (K,), the two-way regression of (N0, T) donor outcomes on (K, N0, T) covariates, and donors' influence (N0, K)."""
    if idle := [k for k, x in enumerate(X) if never_moves(x)]:
        raise Idle(idle)
    y, D = _double_demeaned(Y), np.array([_double_demeaned(x) for x in X])
    size = np.sqrt((D**2).sum(axis=(1, 2)))
    D = D / size[:, None, None]
    flat = D.reshape(len(X), -1)
    A = inverse(flat @ flat.T, len(X))
    beta = A @ (flat @ y.ravel())
    e = y - np.tensordot(beta, D, 1)
    return beta / size, np.einsum("knt,nt->nk", D, e) @ A / size


def _double_demeaned(values: Array) -> Array:
    return np.asarray(values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean())


def never_moves(values: Array, around_units: bool = True) -> bool:
    """Return whether a (N, T) covariate is a constant of the period, plus one of the unit if these cancel, and cannot adjust."""
    rest = _double_demeaned(values) if around_units else values - values.mean(axis=0)
    return bool(np.abs(rest).max() <= 1e-9 * np.abs(values).max())


def effects(treated: Array, donors: Array, omega: Array) -> tuple[Array, Array, Array]:
    """Return effects (k,) and the jackknife's influence of treated (N1, k) and donors (N0, k), with the weights held.

    Parameters
    ----------
    treated : (N1, k), donors : (N0, k)
        Outcomes of units contrasted over time: in one period (or the mean of several) minus the lambda-weighted mean before.

    Notes
    -----
    Algorithm 3: unit i is left out, omega is renormalised, lambda stays, so that

        treated i:  tau(-i) - tau = (zbar_1 - z_i) / (N1 - 1)
        donor j:    tau(-j) - tau = omega_j (z_j - omega'z_0) / (1 - omega_j)

    for all units at once. The influence is (n - 1)/n (mean over i of tau(-i) - tau(-i)), n = N0 + N1, whose squares add up to
    (n - 1)/n times the jackknife variance. A single treated unit, and a donor with all the weight, have none of their own.
    """
    N1, n = len(treated), len(treated) + len(donors)
    z1, z0 = treated.mean(axis=0), omega @ donors
    change1 = (z1 - treated) / max(N1 - 1, 1)
    free = np.where(omega < WHOLE, omega / np.where(omega < WHOLE, 1 - omega, 1), 0.0)
    change0 = free[:, None] * (donors - z0)
    middle = (change1.sum(axis=0) + change0.sum(axis=0)) / n
    return z1 - z0, (middle - change1) * ((n - 1) / n), (middle - change0) * ((n - 1) / n)
