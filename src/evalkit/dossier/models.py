"""R21: fixed against random effects, errors that last from year to year, and errors shared by neighbours in a region."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import special

from evalkit.dossier.checking import Work, constant_values
from evalkit.dossier.lines import refused_line
from evalkit.dossier_records import Check, Line, Passed
from evalkit.errors import DesignError, EstimateError
from evalkit.estimators import TwoWay
from evalkit.least_squares import without_means
from evalkit.records import Interval, Remark

Array = np.ndarray[Any, Any]

MADE = "evalkit.dossier.models.models"
SHOWN = 0.05
SWEEPS = 200  # alternating means of an unbalanced panel have settled long before
SETTLED = 1e-10
FEWEST_YEARS = 4  # differences of differences need three of them


class Fit(NamedTuple):
    """One coefficient with its clustered standard error and the p-value of a t test against ``null``, G - 1 degrees of freedom."""

    estimate: float
    std_error: float
    p_value: float
    clusters: int


def models(work: Work) -> Check:
    """Return three tests of the model behind a two-way regression of the outcome.

    Notes
    -----
    Mundlak (1978, Econometrica 46): the unit's mean of treatment beside treatment itself, with errors clustered as the study says,
    is the robust form of Hausman's test. Wooldridge (2002, section 10.6.3): residuals of the differenced regression follow each
    other with -1/2 where errors of the levels do not last. Dependence between clusters of one region: the mean product of their
    residuals, ranked among regions drawn anew. Pesaran's CD is not used: year effects make it reject where nothing is shared (Juodis &
    Reese 2022, Journal of Business & Economic Statistics 40). Every row counts once, and the study's covariates play no part.
    """
    design = work.design
    unit, period, codes = design.unit_index, design.period_index, design.codes(work.cluster)[0]
    treated = design.treated.astype(float)
    lines = [*_two_models(work, treated, codes)]
    facts: dict[str, Any] = {
        line.name.partition(".")[2] + "_p": line.numbers["p_value"] for line in lines if "p_value" in line.numbers
    }
    serial = lasting(design.y, treated, unit, period, codes) if len(design.periods) >= FEWEST_YEARS else None
    if serial is None:
        lines.append(Line(name="error.lasting", reason="few_years"))
    else:
        facts |= {"lasting_p": serial.p_value, "lasting": serial.estimate}
        told = Line(
            name="error.lasting",
            numbers={"p_value": serial.p_value, "lasting": serial.estimate},
        )
        lines.append(told)
    shared = [_shared(work, region) for region in work.checks.regions if region != work.cluster]
    lines += shared or [Line(name="error.shared", reason="not_named", words={"key": "checks.regions"})]
    apart = [line for line in shared if (p := line.numbers.get("p_value")) is not None and p <= SHOWN and _positive(line)]
    verdict: Passed = "doubt" if apart else "pass"
    because = Remark(code="shared", facts={"column": apart[0].words["column"], **apart[0].numbers}) if apart else None
    code = "models" if "mundlak_p" in facts and serial is not None else "models_some"
    return Check(
        rule="R21", name="models", verdict=verdict, statistic=Remark(code=code, facts=facts), because=because, lines=lines, made_by=MADE
    )  # fmt: skip


def _positive(line: Line) -> bool:
    return (line.numbers.get("correlation") or 0) > 0


def _two_models(work: Work, treated: Array, codes: Array) -> list[Line]:
    """Return the coefficient with unit effects, with random effects, and the test of their difference."""
    design = work.design
    try:
        fixed = work.intervals(TwoWay()(design).select(kind="overall"))[0]
    except (DesignError, EstimateError) as refusal:
        return [refused_line("model.fixed", refusal)]
    random = random_effects(design.y, treated, design.unit_index, design.period_index, codes)
    mean = mundlak(design.y, treated, design.unit_index, design.period_index, codes)
    lines = [Line(name="model.fixed", effect=fixed), Line(name="model.random", effect=_told(work, random))]
    p = {} if work.too_few else {"p_value": mean.p_value}
    return [*lines, Line(name="model.mundlak", numbers={"coefficient": mean.estimate, **p})]


def _told(work: Work, fit: Fit) -> Interval:
    if work.too_few:
        return Interval(estimate=fit.estimate)
    reach = fit.std_error * float(special.stdtrit(fit.clusters - 1, 0.5 + work.study.level / 2))
    return Interval(
        estimate=fit.estimate, std_error=fit.std_error, low=fit.estimate - reach, high=fit.estimate + reach, p_value=fit.p_value
    )  # fmt: skip


def clustered(X: Array, y: Array, codes: Array, column: int = 0, null: float = 0.0) -> Fit:
    """Return one coefficient of a least-squares fit, its variance (X'X)^-1 (sum_g s_g s_g') (X'X)^-1 G/(G-1)."""
    bread = np.linalg.pinv(X.T @ X)
    beta = bread @ (X.T @ y)
    score = X * (y - X @ beta)[:, None]
    G = int(codes.max()) + 1
    sums = np.zeros((G, X.shape[1]))
    np.add.at(sums, codes, score)
    variance = bread @ (sums.T @ sums) @ bread * G / (G - 1)
    error = float(np.sqrt(variance[column, column]))
    estimate = float(beta[column])
    statistic = (estimate - null) / error if error > 0 else np.inf
    return Fit(estimate, error, float(2 * special.stdtr(G - 1, -abs(statistic))), G)


def _dummies(codes: Array) -> Array:
    return np.asarray(codes[:, None] == np.arange(int(codes.max()) + 1)[None, :], dtype=float)


def _means(values: Array, codes: Array) -> Array:
    return values - without_means(values, codes)


def mundlak(y: Array, treated: Array, unit: Array, period: Array, codes: Array) -> Fit:
    """Return the coefficient of the unit's mean of treatment, beside treatment itself and year effects; zero where random effects would do."""
    years = _dummies(period)
    mean = _means(np.column_stack([treated, years[:, 1:]]), unit)
    balanced = np.ptp(mean[:, 1:], axis=0).max(initial=0.0) < SETTLED
    X = np.column_stack([mean[:, :1], treated, years] if balanced else [mean[:, :1], treated, years, mean[:, 1:]])
    return clustered(X, y, codes)


def random_effects(y: Array, treated: Array, unit: Array, period: Array, codes: Array) -> Fit:
    """Return the coefficient of treatment with random unit effects and year effects (Swamy & Arora 1972), errors clustered.

    Notes
    -----
    Rows of a unit have theta_i = 1 - sqrt(s_e / (s_e + T_i s_a)) of their means taken away; s_e is the mean square of the regression with
    unit effects, s_e / T + s_a that of the regression of unit means, T the harmonic mean of the years seen.
    """
    X = np.column_stack([treated, _dummies(period)])
    seen = np.bincount(unit)
    within = _residual_square(without_means(X, unit), without_means(y[:, None], unit)[:, 0], len(seen) - 1)
    first = np.unique(unit, return_index=True)[1]
    mean_X, mean_y = _means(X, unit), _means(y[:, None], unit)[:, 0]
    between = _residual_square(mean_X[first], mean_y[first], 0)
    of_unit = max(between - within * float(np.mean(1 / seen)), 0.0)
    theta = 1 - np.sqrt(within / (within + seen * of_unit))
    return clustered(X - theta[unit][:, None] * mean_X, y - theta[unit] * mean_y, codes)


def _residual_square(X: Array, y: Array, absorbed: int) -> float:
    beta, _, rank, _ = np.linalg.lstsq(X, y, rcond=None)
    residual = y - X @ beta
    return float(residual @ residual / max(len(y) - int(rank) - absorbed, 1))


def lasting(y: Array, treated: Array, unit: Array, period: Array, codes: Array) -> Fit | None:
    """Return the coefficient of a differenced residual on the one before it, tested against -1/2; None without two in a row.

    Rows are in the order of units and periods. An error that keeps a share r of itself from year to year gives -(1 - r) / 2.
    """
    next_to = np.flatnonzero((unit[1:] == unit[:-1]) & (period[1:] == period[:-1] + 1)) + 1
    if len(next_to) < 3:
        return None
    X = np.column_stack([treated[next_to] - treated[next_to - 1], _dummies(period[next_to])])
    change = y[next_to] - y[next_to - 1]
    residual = np.full(len(y), np.nan)
    residual[next_to] = change - X @ np.linalg.lstsq(X, change, rcond=None)[0]
    both = next_to[~np.isnan(residual[next_to - 1]) & (unit[next_to - 1] == unit[next_to])]
    both = both[~np.isnan(residual[both - 1])]
    if len(both) < 2 or not residual[both - 1].any():
        return None
    own = np.unique(codes[both], return_inverse=True)[1]
    return clustered(residual[both - 1][:, None], residual[both], own, null=-0.5) if own.max() > 0 else None


def leftover(y: Array, unit: Array, cell: Array) -> Array:
    """Return (n,) what is left of an outcome without its unit's mean and the mean of its cohort's year, by alternating means."""
    left = y[:, None]
    for _ in range(SWEEPS):
        before = left
        left = without_means(without_means(left, unit), cell)
        if np.abs(left - before).max() < SETTLED:
            break
    return np.asarray(left[:, 0])


def shared_in_regions(residuals: Array, region: Array, draws: int, seed: int) -> tuple[float, float]:
    """Return the mean product of residuals of two clusters of one region over the mean square, and its rank among drawn regions.

    Parameters
    ----------
    residuals : (G, T) mean residual of each cluster and period, zero where it is not seen
    region : (G,) codes

    Notes
    -----
    The p-value is one-sided: (1 + regions drawn anew that share as much) / (1 + draws). Drawing exchanges whole clusters, so their
    order in time stays as it is.
    """
    square = float((residuals**2).sum())
    sizes = np.bincount(region)
    pairs = float((sizes * (sizes - 1)).sum())
    if not square or not pairs:
        return 0.0, 1.0
    generator = np.random.default_rng(seed)

    def product(codes: Array) -> float:
        sums = np.zeros((len(sizes), residuals.shape[1]))
        np.add.at(sums, codes, residuals)
        return float((sums**2).sum()) - square

    own = product(region)
    drawn = np.array([product(generator.permutation(region)) for _ in range(draws)])
    p = (1 + int((drawn >= own - SETTLED * square).sum())) / (1 + draws)
    return own / pairs / (square / len(residuals)), p


def _shared(work: Work, region: str) -> Line:
    design = work.design
    values = constant_values(work, region, "checks.regions")
    codes, clusters = design.codes(work.cluster)
    own = np.unique(values.astype(str), return_inverse=True)[1]
    of_cluster = np.full(clusters, -1)
    of_cluster[codes[design.first_rows]] = own
    if (of_cluster[codes[design.first_rows]] != own).any():
        return Line(name="error.shared", words={"column": region}, reason="region_cuts_clusters")
    if len(set(own)) < 2 or len(set(own)) == clusters:
        return Line(name="error.shared", words={"column": region}, reason="no_regions")
    cohorts = np.unique(design.cohort, return_inverse=True)[1]
    cell = cohorts[design.unit_index] * len(design.periods) + design.period_index
    left = leftover(design.y, design.unit_index, np.unique(cell, return_inverse=True)[1])
    place = codes * len(design.periods) + design.period_index
    size = clusters * len(design.periods)
    seen = np.maximum(np.bincount(place, minlength=size), 1)
    table = (np.bincount(place, left, size) / seen).reshape(clusters, -1)
    correlation, p = shared_in_regions(table, of_cluster, work.draws, work.seed)
    return Line(
        name="error.shared", words={"column": region},
        numbers={"correlation": correlation, "p_value": p, "regions": len(set(own)), "draws": work.draws},
    )  # fmt: skip
