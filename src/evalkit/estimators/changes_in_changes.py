"""Changes-in-changes of Athey & Imbens (2006): effects on the whole distribution of the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, first_five
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.estimators.needs import refuse_unmet
from evalkit.kernels.quantiles import Cell, Distribution
from evalkit.notices import Notice
from evalkit.shares import position_of_shares, with_cell_shares

Array = np.ndarray[Any, Any]

TIES = 0.10  # share of rows on heaped values from which the outcome is not continuous
STEP = 0.05  # half a step over the effect from which a reader is told


@dataclass(frozen=True)
class ChangesInChanges:
    """Outcomes of each cohort against those its members would have had, keeping their rank in the comparison's distribution.

    The comparison shows how every rank of income moved between two periods; the treated are moved along, and what they have besides is
    the effect. Unlike a difference of mean changes, it asks for no common growth in yuan or in per cent: taking logs changes nothing
    about the assumption. It does ask that income without the programme rise with one trait in the same way in both groups, and that the
    spread of that trait within each group not change over time.

    Parameters
    ----------
    quantiles : sequence of float
        Quantiles at which effects are shown beside the mean; ``()`` for the mean alone.

    Returns
    -------
    Estimate
        Cells of kind ``group_time`` (mean effects) with ``cell_share``, so that :func:`evalkit.aggregate` averages them as it does
        any other's, and of kind ``quantile`` (``at`` = the quantile): the effect at that quantile of each treated cohort and period,
        averaged over them by their treated rows. With one cohort and one period after, it is theirs.

    Raises
    ------
    DesignError
        When the outcome is heaped on few values, when quantiles are not between 0 and 1, and for covariates.

    Notes
    -----
    Athey & Imbens (2006, Econometrica 74): identification by theorem 3.1, influence by theorems 5.1 and 5.3. Distribution functions are
    right-continuous steps, their inverses the smallest value that reaches the share: a treated outcome between two of the comparison
    takes the rank of the lower, so the counterfactual is low, and the effect high, by half the distance between neighbouring outcomes of
    the comparison on average: of order 1/n, about the range of its outcomes over twice its rows. Noise falls with the root of n only and
    with how much incomes move between the two periods, so where they hardly move the step matters in large samples too. With outcomes
    spread by .5 among units and .1 within them over time, 95% intervals cover .88 (100 treated and 100 comparison rows), .93 (600 and
    600) and .95 (2,000 and 2,000); with .03 over time .45, .83 and .89. It is the comparison's rows that count. A notice tells half a
    step where it is more than a twentieth of the effect. Densities: Epanechnikov's kernel, Silverman's bandwidth
    2.34 min(sd, IQR/1.349) m**(-1/5). A panel's rows of one unit are summed before the variance is taken, so that panels and repeated
    cross-sections need no different formula. Cohorts and periods are compared as :class:`evalkit.GroupTime` compares them, a period
    before treatment giving a placebo.

    Treated outcomes before that lie outside the comparison's range (assumption 3.4) are put at its ends; a notice counts them.
    The bounds for discrete outcomes (section 4) are not offered.

    QDID, the difference of quantile differences, is not offered. It adds the change at the same quantile to people who stand at
    another income level in the comparison, its counterfactual need be no distribution (quantiles may cross), and its answer depends on
    whether income or its logarithm is used.

    Examples
    --------
    >>> import evalkit as ek
    >>> estimate = ek.ChangesInChanges(quantiles=(0.25, 0.5, 0.75))(ek.example_design())
    >>> estimate.select(kind="quantile").cells["at"].tolist()
    [0.25, 0.5, 0.75]
    """

    quantiles: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    needs: ClassVar[tuple[str, ...]] = ("lasting", "clean_period", "no_covariates")
    cannot: ClassVar[dict[str, str]] = {
        "constants": "a unit's own level moves its rank, and the comparison is between equal ranks: only constants of years cancel",
        "jackknife": "leaving out one unit moves a quantile to the next outcome of the sample, a jump that a smooth influence averages over",
    }

    def __post_init__(self) -> None:
        quantiles = (self.quantiles,) if isinstance(self.quantiles, float) else tuple(float(t) for t in self.quantiles)
        if wrong := [t for t in quantiles if not 0 < t < 1]:
            raise DesignError(f"Quantiles lie between 0 and 1, the ends excluded; got {first_five(wrong)}. The median is 0.5.")
        if len(set(quantiles)) < len(quantiles):
            raise DesignError(
                f"Quantiles are named twice: {first_five(sorted(t for t in set(quantiles) if quantiles.count(t) > 1))}."
            )
        object.__setattr__(self, "quantiles", quantiles)

    def __call__(self, design: Design) -> Estimate:
        """Return mean and quantile effects of a design."""
        refuse_unmet(design, self)
        comparison, samples = Comparison.of(design), _Samples(design)
        pairs = [(g, t, b) for g in comparison.cohorts for t, b in comparison.pairs(g)]
        theta: list[float] = []
        labels: list[tuple[int, int, bool, int, bool]] = []
        columns = np.zeros((len(pairs), len(design.row_keys)))
        after: dict[int, _Compared] = {}
        skipped: list[str] = []
        for cohort, time, base in pairs:
            treated = design.cohort == cohort
            if time == base:
                labels.append((cohort, time, True, int(treated.sum()), True))
                theta.append(0.0)
                continue
            found = samples.compared(treated, comparison.of_cell(cohort, time, base), time, base)
            if found is None:
                skipped.append(f"{cohort} in {time}")
                continue
            _judge(found.cell, cohort, time, base, bool(self.quantiles))
            value, parts = found.cell.mean()
            if time >= cohort:
                after[len(theta)] = found
            columns[len(theta)] = samples.spread(found.rows, parts)
            theta.append(value)
            behind = len(np.unique(design.unit_index[np.concatenate(found.rows[:2])]))
            labels.append((cohort, time, False, behind, min(map(len, found.rows)) > 1))  # one row has no noise to learn from
        if not after:
            raise DesignError(
                "No effect can be estimated: no cohort has both a clean base period and a comparison seen in two periods."
            )
        cohorts, periods, reference, units, noisy = (np.array(part) for part in zip(*labels, strict=True))
        cells = cell_frame(
            "group_time", len(labels), cohort=cohorts, period=periods, event_time=periods - cohorts,
            units=units, noisy_units=np.where((units > 1) & noisy, units, 0), reference=reference,
        )  # fmt: skip
        notices = (*design.notices, *_notices(design, after, cohorts, np.array(theta), skipped))
        facts = Facts(observations=design.observations, first_period=comparison.periods[0], treated=design.treated_rows)
        effects = Estimate(np.array(theta), columns[: len(theta)].T, cells, design.row_keys, facts, notices)
        estimate = with_cell_shares(effects, design, "population")
        return estimate.join(_averaged(estimate, after, samples, tuple(self.quantiles))) if self.quantiles else estimate


@dataclass(frozen=True, eq=False)
class _Compared:
    """A cell and the rows (of the design) of its Y11, Y10, Y01 and Y00."""

    cell: Cell
    rows: tuple[Array, Array, Array, Array]


class _Samples:
    """Distributions by group and period, each sorted once."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self.position = {int(p): i for i, p in enumerate(design.periods)}
        self.of_period = [np.flatnonzero(design.period_index == i) for i in range(len(design.periods))]
        self.paired = not design.balanced and design.unbalanced == "pairwise"
        self.known: dict[tuple[int, bytes], tuple[Distribution, Array]] = {}

    def compared(self, treated: Array, others: Array, time: int, base: int) -> _Compared | None:
        """Return the four samples of (N,) treated and other units in two periods; None when one of them is empty."""
        if self.paired:
            both = self._seen(time) & self._seen(base)
            treated, others = treated & both, others & both
        found = [self._sample(group, period) for group in (treated, others) for period in (time, base)]
        (Y11, r11), (Y10, r10), (Y01, r01), (Y00, r00) = found
        if min(len(r11), len(r10), len(r01), len(r00)) == 0:
            return None
        return _Compared(Cell(Y11, Y10, Y01, Y00), (r11, r10, r01, r00))

    def _seen(self, period: int) -> Array:
        seen = np.zeros(len(self.design.units), dtype=bool)
        seen[self.design.unit_index[self.of_period[self.position[period]]]] = True
        return seen

    def _sample(self, group: Array, period: int) -> tuple[Distribution, Array]:
        key = period, np.packbits(group).tobytes()
        if key not in self.known:
            design, rows = self.design, self.of_period[self.position[period]]
            rows = rows[group[design.unit_index[rows]]]
            w = np.ones(len(rows)) if design.w is None else design.w[rows]
            self.known[key] = Distribution(design.y[rows], w), rows
        return self.known[key]

    def spread(self, rows: Sequence[Array], parts: Sequence[Array]) -> Array:
        """Return psi of one parameter from contributions of rows."""
        design, where, what = self.design, np.concatenate(rows), np.concatenate(parts)
        if design.rows == "observation":
            contribution = np.bincount(where, what, design.observations)
            return np.asarray(design.psi_from_observations(contribution[:, None])[:, 0])
        contribution = np.bincount(design.unit_index[where], what, len(design.units))
        return np.asarray(design.psi_from_units(contribution[:, None])[:, 0])


def _averaged(estimate: Estimate, after: dict[int, _Compared], samples: _Samples, quantiles: tuple[float, ...]) -> Estimate:
    """Return the effects at quantiles, averaged over treated cells by their shares, with the shares' own influence."""
    cells = np.array(list(after))
    at = position_of_shares(estimate.cells)[cells]
    share, total = estimate.theta[at], estimate.theta[at].sum()
    effects = np.empty((len(cells), len(quantiles)))
    psi = np.zeros((len(quantiles), len(estimate.psi)))
    for i, found in enumerate(after.values()):
        for j, t in enumerate(quantiles):
            effects[i, j], parts = found.cell.at_quantile(t)
            psi[j] += share[i] / total * samples.spread(found.rows, parts)
    theta = share @ effects / total
    psi += ((effects - theta) / total).T @ estimate.psi[:, at].T
    table = estimate.cells.iloc[cells]
    sizes = table.groupby("cohort")["units"].max()
    one = {name: table[name].iloc[0] for name in ("cohort", "period", "event_time")} if len(cells) == 1 else {}
    frame = cell_frame("quantile", len(quantiles), at=quantiles, units=sizes.sum(), noisy_units=sizes[sizes > 1].sum(), **one)
    return Estimate(theta, psi.T, frame, estimate.rows, estimate.facts, estimate.notices)


def _judge(cell: Cell, cohort: int, time: int, base: int, quantiles: bool) -> None:
    """Refuse outcomes heaped on few values, and samples too small to have a distribution."""
    samples = (
        (cell.Y10, f"cohort {cohort}", base),
        (cell.Y01, "its comparison", time),
        (cell.Y00, "its comparison", base),
        *(((cell.Y11, f"cohort {cohort}", time),) if quantiles else ()),
    )
    for sample, who, when in samples:
        if sample.heaped > TIES:
            raise DesignError(
                f"The outcome is not continuous: {sample.heaped:.0%} of the rows of {who} in {when} share values such as "
                f"{sample.commonest:g}. Ranks within such a heap are not known, changes-in-changes then gives bounds only "
                "(Athey & Imbens 2006, section 4), and these are not offered. Use the outcome before it was rounded or censored, or GroupTime."
            )
        if sample.v[0] == sample.v[-1] and (quantiles or sample is cell.Y01):
            raise DesignError(
                f"{who[0].upper()}{who[1:]} has a single outcome in {when} ({len(sample.v):,} rows), which is no distribution. Join "
                "cohorts of one or two units to a neighbouring year, or use GroupTime"
                + (", or quantiles=()." if quantiles else ".")
            )


def _notices(design: Design, after: dict[int, _Compared], cohorts: Array, theta: Array, skipped: list[str]) -> tuple[Notice, ...]:
    """Return what a reader must know: treated outcomes outside the comparison's range before, coarse ranks, and cells left out."""
    first = {int(cohorts[i]): found for i, found in reversed(after.items())}  # each cohort's first period with an effect
    outside = np.concatenate([found.rows[1][found.cell.outside] for found in reversed(first.values())])
    remarks = []
    if len(outside):
        rows = sum(len(found.rows[1]) for found in first.values())
        places = (
            f"{u} ({p})"
            for u, p in zip(design.units[design.unit_index[outside]], design.periods[design.period_index[outside]], strict=True)
        )
        facts = {"rows": len(outside), "treated_rows": rows, "share": len(outside) / rows, "first": first_five(places)}
        remarks.append(Notice("CIC_OUTSIDE_SUPPORT", facts))
    size = np.array([found.cell.Y11.w.sum() for found in after.values()])
    half_step = float(np.average([found.cell.half_step for found in after.values()], weights=size))
    if half_step > STEP * abs(effect := float(np.average(theta[list(after)], weights=size))):
        remarks.append(Notice("CIC_COARSE_RANKS", {"half_step": half_step, "effect": effect}))
    if skipped:
        remarks.append(Notice("CELLS_NOT_ESTIMATED", {"cells": skipped}))
    return tuple(remarks)
