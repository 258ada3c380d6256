"""More households just above a poverty line than the smooth distribution around it would put there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.intake.checks.comparing import Array, holm
from evalkit.intake.checks.sheet import NotApplied, Outcome, Ran, Sheet, ask, figure
from evalkit.intake.checks.thresholds import threshold
from evalkit.intake.observations import Question

WHOLE = ""  # the place of a test over the whole file
BINS = 2  # bins in the window; all bins are as wide in logs
NORMAL = 1.959964


@dataclass(frozen=True)
class Excess:
    """Rows seen in the window above the line and rows expected there.

    Attributes
    ----------
    observed : rows in [line, line * 1.05)
    expected : rows that the counterfactual puts there
    variance : of the expected rows (delta method, overdispersion included)
    dispersion : Pearson's chi-square over its degrees of freedom, at least 1
    p : chance of as many rows or more under the counterfactual
    """

    observed: int
    expected: float
    variance: float
    dispersion: float
    p: float

    @property
    def ratio(self) -> float:
        """Rows observed over rows expected."""
        return self.observed / self.expected

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 per cent interval of the ratio, symmetric in logs."""
        half = NORMAL * np.sqrt(self.dispersion / max(self.observed, 1) + self.variance / self.expected**2)
        return float(self.ratio * np.exp(-half)), float(self.ratio * np.exp(half))


def excess(relative: Array, degree: int = 3) -> Excess:
    """Return the excess of incomes over a line, relative (n,) being income over the line of its year.

    Counts in narrow bins of log income, up to 0.6 log points to each side, follow a Poisson regression on a polynomial
    of log income; a lognormal distribution is exactly a quadratic. The window above the line and the bins just below it
    take no part in the fit. The p-value is the upper tail of a Poisson count whose mean is uncertain (a gamma mixture,
    so a negative binomial). In the spirit of J. McCrary, Journal of Econometrics 142 (2008), and H. Kleven, Annual
    Review of Economics 8 (2016), with their bootstrap replaced by Poisson and delta arithmetic.
    """
    from scipy.special import betainc

    width = np.log1p(threshold("bunching.width")) / BINS
    left = -int(np.floor(threshold("bunching.range") / width))
    edges = np.arange(left, -left + BINS + 1)
    # A value on the line itself stands in the window: floating point may not move it out.
    position = np.floor(np.log(relative[relative > 0]) / width + 1e-9).astype(int)
    counts = np.bincount(position[(position >= left) & (position < edges[-1])] - left, minlength=len(edges) - 1)
    at = (edges[:-1] + 0.5) * width / threshold("bunching.range")
    x = at[:, None] ** np.arange(degree + 1)
    window = (edges[:-1] >= 0) & (edges[:-1] < BINS)
    just_below = (edges[:-1] < 0) & ((edges[:-1] + 1) * width > np.log1p(-threshold("bunching.below")))
    fitted, covariance, dispersion = _poisson(x, counts.astype(float), ~window & ~just_below)
    expected, observed = float(fitted[window].sum()), int(counts[window].sum())
    slope = fitted[window] @ x[window]
    variance = float(slope @ covariance @ slope) * dispersion
    # Poisson part and uncertain mean together, matched by a negative binomial.
    surplus = max(expected * (dispersion - 1) + variance, 1e-9)
    size = expected**2 / surplus
    p = float(betainc(observed, size, expected / (expected + size))) if observed else 1.0
    return Excess(observed, expected, variance, dispersion, p)


def _poisson(x: Array, counts: Array, used: Array) -> tuple[Array, Array, float]:
    """Return fitted counts (b,), the covariance (k, k) of the coefficients, and the dispersion."""
    beta = np.zeros(x.shape[1])
    beta[0] = np.log(counts[used].mean() + 0.1)
    for _ in range(50):
        mean = np.exp(np.clip(x[used] @ beta, -20, 20))
        information = (x[used].T * mean) @ x[used] + 1e-9 * np.eye(len(beta))
        step = np.linalg.solve(information, x[used].T @ (counts[used] - mean))
        beta = beta + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    mean = np.exp(np.clip(x @ beta, -20, 20))
    residual = (counts - mean)[used] ** 2 / mean[used]
    dispersion = max(float(residual.sum() / (used.sum() - x.shape[1])), 1.0)
    information = (x[used].T * mean[used]) @ x[used] + 1e-9 * np.eye(len(beta))
    return mean, np.linalg.inv(information), dispersion


def unrounded(values: Array) -> Array:
    """Return (n,) whether a row takes part: multiples of 50 do not where they are so many that they make peaks themselves."""
    fifty = np.abs(np.mod(values, 50)) < 0.005
    share = fifty[values > 0].mean() if (values > 0).any() else 0.0
    return ~fifty if share > threshold("bunching.round_share") else np.ones(len(values), dtype=bool)


def bunching(
    income: Array, line: Array, place: Array, labels: list[str], lines: Array, column: str, told: dict[str, object]
) -> list[Question]:
    """Return questions about the whole file and about each place with more rows just above the line than expected.

    income, line (n,) in yuan per person per year, line nan where the year has none; place (n,) positions in labels. All
    years are pooled by income over the line; told are facts to put into the questions, which line and years. With about 3,000 households around the line and 100 rows expected in the
    window, an excess of 1.3 is found four times in five, in clean data in at most one file of twenty. It sees an excess
    in the window and no more: it cannot tell a lifted figure from a transfer that just reaches the line, nor see rows
    lifted far above it, nor rows written on a round line in data that are full of round numbers.
    """
    relative = np.divide(income, line, out=np.full(len(income), np.nan), where=line > 0)
    part = np.flatnonzero(np.isfinite(relative) & (relative > 0) & unrounded(income))
    whole = [(WHOLE, part)] if len(part) else []
    # Rows by place as positions: a mask for each of thousands of places would not fit.
    sorted_rows = part[np.argsort(place[part], kind="stable")]
    at, starts = np.unique(place[sorted_rows], return_index=True)
    groups = zip(at, np.split(sorted_rows, starts[1:]), strict=True) if len(labels) > 1 and len(part) else ()
    places = [(labels[which], rows) for which, rows in groups if which >= 0]
    found = []
    for tests, alpha in ((whole, threshold("bunching.alpha")), (places, threshold("bunching.place_alpha"))):
        seen = [(name, rows, excess(relative[rows])) for name, rows in tests if enough(relative[rows])]
        seen = [one for one in seen if one[2].expected >= threshold("bunching.expected_min")]
        p = holm(np.array([one[2].p for one in seen]))
        for (name, rows, one), chance in zip(seen, p, strict=True):
            if chance < alpha:
                above = rows[(relative[rows] >= 1) & (relative[rows] < 1 + threshold("bunching.width"))]
                found.append(_question(name, one, lines, column, above, told))
    return found


def enough(relative: Array) -> bool:
    """Return whether there are rows enough on both sides of the line to draw a smooth curve through them."""
    reach = np.exp(threshold("bunching.range"))
    least = 10 * threshold("bunching.expected_min")
    below, above = (relative >= 1 / reach) & (relative < 1), (relative >= 1) & (relative < reach)
    return bool(below.sum() + above.sum() >= least and min(below.sum(), above.sum()) >= threshold("bunching.expected_min"))


def _question(name: str, one: Excess, lines: Array, column: str, above: Array, told: dict[str, object]) -> Question:
    low, high = one.interval
    shown = {"expected": figure(one.expected), "ratio": figure(one.ratio), "low": figure(low), "high": figure(high)}
    facts: dict[str, object] = {**told, "width": threshold("bunching.width"), "observed": one.observed, **shown}
    if name == WHOLE:
        return ask("BUNCHED_FILE", lines, column, above, **facts)
    return ask("BUNCHED_PLACE", lines, column, above, group=name, **facts)


def bunching_of(sheet: Sheet) -> Outcome:
    """Return what incomes around the poverty lines ask: the whole file, then each region (without one, each village)."""
    if reason := sheet.missing("income", "period"):
        return reason
    if not sheet.poverty_lines:
        return NotApplied("NO_LINES")
    income, period = sheet.numbers(sheet.roles.named()["income"]), sheet.numbers(sheet.roles.named()["period"])
    place, labels = sheet.codes("region", "group")
    found: list[Question] = []
    applied = False
    for schedule in sorted({one.schedule for one in sheet.poverty_lines}):
        given = {one.year: one.value for one in sheet.poverty_lines if one.schedule == schedule}
        line = pd.Series(period).map(given).to_numpy(dtype=float)
        used = np.isfinite(line) & (income > 0)
        if enough(income[used] / line[used]):
            applied = True
            told: dict[str, object] = {"schedule": schedule, "line": span(line[used], ","), "years": span(period[used])}
            found += bunching(income, line, place, labels, sheet.lines, sheet.roles.named()["income"], told)
    return (
        Ran(tuple(found))
        if applied
        else NotApplied("FEW_NEAR_LINE", facts={"needed": int(10 * threshold("bunching.expected_min"))})
    )


def span(values: Array, thousands: str = "") -> str:
    """Return the range of numbers, which reads the same in every language.

    >>> span(np.array([2800.0, 4000.0]), ","), span(np.array([2016.0]))
    ('2,800-4,000', '2016')
    """
    low, high = (f"{end:{thousands}.10g}" for end in (values.min(), values.max()))
    return low if low == high else f"{low}-{high}"
