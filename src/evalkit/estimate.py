"""Estimate: numbers, and the influence of every row on them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import EstimateError, first_five, unknown
from evalkit.least_squares import Regression
from evalkit.notices import Notice, merged

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Absorbed:
    """One set of fixed effects that a regression absorbed, and the clusters it is nested in."""

    name: str
    levels: int
    nested_in: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Facts:
    """What a small-sample factor needs to know about how an estimate was made.

    Attributes
    ----------
    observations : rows of data behind the estimate (N)
    slopes : regression coefficients estimated besides the absorbed effects (K)
    absorbed : the fixed effects taken out
    correction, reference : the estimator's defaults for small samples and for quantiles ("t" or "z")
    bread, residual_sum : (k, k) inverse of X'X and the residual sum of squares, for the iid covariance
    regression : the least squares behind the parameters, where they are coefficients of one
    treated : (n,) whether a row of psi holds units whose treatment changes in the window, where that is known
    first_period : the first period of the data, which a balanced path needs
    """

    observations: int
    slopes: int = 0
    absorbed: tuple[Absorbed, ...] = ()
    correction: str = "none"
    reference: str = "z"
    bread: Array | None = None
    residual_sum: float | None = None
    regression: Regression | None = None
    first_period: int | None = None
    treated: Array | None = None

    def through(self, jacobian: Array) -> Facts:
        """Return the facts of a linear map of the parameters."""
        bread = None if self.bread is None else jacobian @ self.bread @ jacobian.T
        regression = None if self.regression is None else self.regression.through(jacobian)
        return replace(self, bread=bread, regression=regression)

    def beside(self, other: Facts, known: int = 0) -> Facts:
        """Return the facts of two estimates side by side: shared conventions survive, others fall back to none and z.

        ``known`` counts the other's parameters when all are known numbers (shares of the sample): the regression is still the same.
        """
        same = (self.slopes, self.absorbed, self.correction) == (other.slopes, other.absorbed, other.correction)
        if same and self.observations == other.observations:
            regression = self.regression if known else None
            if regression is not None:
                k = len(regression.combinations)
                regression = regression.through(np.vstack([np.eye(k), np.zeros((known, k))]))
            return replace(self, bread=None, residual_sum=None, regression=regression)
        return Facts(max(self.observations, other.observations), treated=self.treated)


@dataclass(frozen=True, eq=False)
class Estimate:
    """Point estimates with the influence of every row on them.

    Attributes
    ----------
    theta : (k,) estimates, in the unit of the outcome
    psi : (n, k) influence, scaled so that theta_hat - theta is close to psi.sum(axis=0) / n;
        the covariance is psi'psi / n**2, and sums of psi within clusters make it cluster-robust
    cells : frame of k rows, what each parameter is (kind, cohort, period, event_time, at, units, reference)
    rows : frame of n rows, the key of each psi row (unit, observation or cluster) and its clusters
    facts : what a small-sample factor needs
    notices : coded remarks for readers
    """

    theta: Array
    psi: Array
    cells: pd.DataFrame
    rows: pd.DataFrame
    facts: Facts
    notices: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        k, n = len(self.theta), len(self.rows)
        if self.psi.shape != (n, k) or len(self.cells) != k:
            raise EstimateError(
                f"An estimate of {k} parameters on {n} rows needs psi of shape {(n, k)} and {k} cells; "
                f"got psi {self.psi.shape} and {len(self.cells)} cells."
            )
        if self.facts.treated is not None and len(self.facts.treated) != n:
            # Other rows were given to the estimate: who is treated among them is not known any more.
            object.__setattr__(self, "facts", replace(self.facts, treated=None))

    def __repr__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.cells["kind"].value_counts(sort=False).items())
        return f"Estimate of {len(self.theta)} parameters ({kinds}) on {len(self.rows):,} rows"

    def map(self, value: Array, jacobian: Array, cells: pd.DataFrame) -> Estimate:
        """Return a smooth function of the parameters by the delta method.

        Parameters
        ----------
        value : (j,) the function at theta
        jacobian : (j, k) its derivatives at theta
        cells : frame of j rows that says what each new parameter is
        """
        value, jacobian = np.atleast_1d(np.asarray(value, float)), np.atleast_2d(np.asarray(jacobian, float))
        if jacobian.shape != (len(value), len(self.theta)):
            raise EstimateError(f"The jacobian must be {(len(value), len(self.theta))}, not {jacobian.shape}.")
        return replace(
            self,
            theta=value,
            psi=self.psi @ jacobian.T,
            cells=cells.reset_index(drop=True),
            facts=self.facts.through(jacobian),
        )

    def apply(self, function: Callable[[Array], Array], cells: pd.DataFrame) -> Estimate:
        """Return a smooth function of the parameters, differentiated by central differences (step 1e-6, relative)."""
        value = np.atleast_1d(function(self.theta))
        jacobian = np.empty((len(value), len(self.theta)))
        for column, size in enumerate(1e-6 * np.maximum(1.0, np.abs(self.theta))):
            shift = np.zeros(len(self.theta))
            shift[column] = size
            up, down = np.atleast_1d(function(self.theta + shift)), np.atleast_1d(function(self.theta - shift))
            jacobian[:, column] = (up - down) / (2 * size)
        return self.map(value, jacobian, cells)

    def select(self, keep: Array | None = None, **labels: object) -> Estimate:
        """Return the parameters whose cells carry these labels, for example ``select(kind="event_time")``.

        ``keep`` is a (k,) boolean mask used together with the labels.
        """
        mask = np.ones(len(self.theta), dtype=bool) if keep is None else np.array(keep, dtype=bool)
        for name, wanted in labels.items():
            if name not in self.cells:
                raise EstimateError(unknown("cell label", name, list(self.cells.columns)))
            allowed = list(wanted) if isinstance(wanted, (list, tuple, set, range, np.ndarray)) else [wanted]
            mask &= self.cells[name].isin(allowed).to_numpy()
        if not mask.any():
            raise EstimateError(f"No parameter matches {labels}. There are kinds {sorted(self.cells['kind'].unique())}.")
        chosen = np.flatnonzero(mask)
        facts = self.facts.through(np.eye(len(self.theta))[chosen])
        cells = self.cells.iloc[chosen].reset_index(drop=True)
        return replace(self, theta=self.theta[chosen], psi=self.psi[:, chosen], cells=cells, facts=facts)

    def join(self, other: Estimate) -> Estimate:
        """Return both estimates side by side, with the covariance between them. Both need the same rows."""
        if len(self.rows) != len(other.rows) or not self.rows.iloc[:, 0].equals(other.rows.iloc[:, 0]):
            raise EstimateError(
                f"Only estimates on the same rows can be joined: these have {len(self.rows):,} and {len(other.rows):,} rows "
                f"keyed by {self.rows.columns[0]!r} and {other.rows.columns[0]!r}. Call both estimators on one design."
            )
        cells = pd.concat([self.cells, other.cells], ignore_index=True)
        return replace(
            self,
            theta=np.r_[self.theta, other.theta],
            psi=np.hstack([self.psi, other.psi]),
            cells=cells,
            facts=self.facts.beside(other.facts, 0 if other.psi.any() else len(other.theta)),
            notices=merged(self.notices, other.notices),
        )

    def coarsen(self, groups: str | Sequence[object]) -> Estimate:
        """Return the estimate with psi summed within groups: (G/n) times the sum, so that psi'psi/G**2 is the cluster sandwich.

        ``groups`` is a column of ``rows`` or n labels.
        """
        name = groups if isinstance(groups, str) else "group"
        labels = self.cluster(groups) if isinstance(groups, str) else pd.Series(np.asarray(groups))
        if len(labels) != len(self.rows):
            raise EstimateError(f"{len(self.rows):,} rows need as many labels; got {len(labels):,}.")
        codes, rows = grouped_rows(self.rows, name, labels)
        psi = sum_within(self.psi, codes, len(rows)) * (len(rows) / len(self.rows))
        treated = self.facts.treated
        if treated is not None:
            treated = np.bincount(codes, treated, len(rows)) > 0
        return replace(self, psi=psi, rows=rows, facts=replace(self.facts, treated=treated))

    def cluster(self, name: str) -> pd.Series:
        """Return the (n,) labels of a declared cluster."""
        if not isinstance(name, Hashable) or name not in self.rows:
            raise EstimateError(
                unknown("cluster", str(name), list(self.rows.columns)) + " Declare it: Panel(..., clusters=[...]). A cluster "
                'that varies within a unit (such as the period) needs Design(..., rows="observation").'
            )
        labels: pd.Series = self.rows[name]
        return labels


def sum_within(values: Array, codes: Array, groups: int) -> Array:
    """Return (groups, k) sums of (n, k) values within (n,) integer codes."""
    out = np.empty((groups, values.shape[1]))
    for column in range(values.shape[1]):
        out[:, column] = np.bincount(codes, values[:, column], groups)
    return out


def grouped_rows(rows: pd.DataFrame, name: str, labels: pd.Series) -> tuple[Array, pd.DataFrame]:
    """Return (n,) codes of groups and the frame of group keys, with the columns that are constant within groups."""
    codes, keys = pd.factorize(labels, sort=True)
    first = np.unique(codes, return_index=True)[1]
    frame = pd.DataFrame({name: np.asarray(keys)})
    for column in rows.columns.drop(name, errors="ignore"):
        values = pd.factorize(rows[column])[0]
        if (values == values[first][codes]).all():
            frame[column] = rows[column].iloc[first].to_numpy()
    return codes, frame


def require_kinds(estimate: Estimate, kinds: Sequence[str], purpose: str) -> None:
    """Raise EstimateError unless the estimate has parameters of these kinds."""
    if not isinstance(estimate, Estimate):
        raise EstimateError(f"{purpose} takes an Estimate, not a {type(estimate).__name__}: call an estimator on the design first.")
    found = set(estimate.cells["kind"])
    if missing := [kind for kind in kinds if kind not in found]:
        raise EstimateError(f"{purpose} needs {first_five(missing)} parameters; this estimate has {first_five(sorted(found))}.")


CELL_COLUMNS = ("kind", "name", "cohort", "period", "event_time", "at", "units", "noisy_units", "reference")


def cell_frame(kind: str, count: int, **labels: object) -> pd.DataFrame:
    """Return a cells frame of one kind; labels are scalars or (k,) values, what is not said does not apply.

    ``units`` is how many treated units stand behind a parameter, ``noisy_units`` how many of them are in cohorts of at least two,
    whose own noise can be learned (the same as units unless said), ``reference`` marks zeros by construction, ``at`` is where
    on a curve a parameter lies (a dose, a quantile, a distance).
    """
    defaults: dict[str, object] = {"kind": kind, "name": ""} | dict.fromkeys(("cohort", "period", "event_time", "at"), np.nan)
    values = defaults | {"units": np.nan, "noisy_units": labels.get("units", np.nan), "reference": False} | labels
    kinds = {"kind": object, "name": object, "reference": bool}
    columns = {c: np.broadcast_to(np.asarray(values[c], kinds.get(c, float)), (count,)) for c in CELL_COLUMNS}
    return pd.DataFrame(columns)
