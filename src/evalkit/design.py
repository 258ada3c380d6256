"""Design: a panel, a roll-out and the choices of a comparison, turned once into the arrays that estimators see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import DesignError, NoComparison, first_five, unknown
from evalkit.estimate import grouped_rows, sum_within
from evalkit.notices import Notice
from evalkit.panel import Panel
from evalkit.rollout import Rollout

Array = np.ndarray[Any, Any]

COMPARISONS = ("not_yet_treated", "never_treated")
BASES = ("universal", "varying")
UNBALANCED = ("pairwise", "drop_units", "repeated_cross_section")


@dataclass(frozen=True, eq=False)
class Design:
    """Who is compared with whom, on which outcome.

    Parameters
    ----------
    panel, rollout : the data and who was treated when
    outcome : str
        Column of the outcome. Rows where it or a covariate is missing are left out, counted and shown.
    covariates : sequence of str
        Columns that the comparison is made conditional on. Group-time effects read them in the
        earlier of the two periods of each comparison, regressions in every period.
    comparison : "not_yet_treated" or "never_treated"
    anticipation : int
        Periods before treatment in which units may already react.
    base : "universal" or "varying"
        The period that effects before treatment are measured from: the last clean one, or the one before each.
    unbalanced : None, "pairwise", "drop_units" or "repeated_cross_section"
        Must be said when rows are missing. *pairwise* uses, for each effect, the units seen in both of its
        periods; *drop_units* keeps the units seen in every period; *repeated_cross_section* uses every row of
        the two periods as if households were different, and sums a unit's influence afterwards.
    rows : "unit", "observation" or a declared cluster
        What one row of the influence function is. A cluster makes it small from the start.

    Attributes
    ----------
    y : (n,) outcome; unit_index, period_index : (n,) positions
    units, cohort : (N,) labels and first treated period, inf for units not treated within the window
    periods : (T,) whole numbers
    x : (n, K) covariates; w : (n,) weights or None

    Raises
    ------
    DesignError
        When rows are missing and ``unbalanced`` is not said, when there is no comparison, and when a covariate
        is missing throughout or constant.
    """

    panel: Panel
    rollout: Rollout
    outcome: str
    covariates: Sequence[str] = ()
    comparison: str = "not_yet_treated"
    anticipation: int = 0
    base: str = "universal"
    unbalanced: str | None = None
    rows: str = "unit"
    y: Array = field(init=False, repr=False)
    x: Array = field(init=False, repr=False)
    w: Array | None = field(init=False, repr=False)
    keep: Array | None = field(init=False, repr=False)
    unit_index: Array = field(init=False, repr=False)
    period_index: Array = field(init=False, repr=False)
    units: Array = field(init=False, repr=False)
    periods: Array = field(init=False, repr=False)
    cohort: Array = field(init=False, repr=False)
    notices: tuple[Notice, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        covariates = (self.covariates,) if isinstance(self.covariates, str) else tuple(str(name) for name in self.covariates)
        self._set(covariates=covariates)
        self._judge_choices()
        columns = {name: self.panel.numbers(name) for name in (self.outcome, *covariates)}
        self._judge_covariates(columns)
        missing = {name: np.isnan(values) for name, values in columns.items() if np.isnan(values).any()}
        present = ~np.logical_or.reduce(list(missing.values())) if missing else None
        keep, notices = self._settle_balance(present)
        if present is not None:
            facts = {name: int(mask.sum()) for name, mask in missing.items()}
            notices = (Notice("MISSING_ROWS", {"rows": int((~present).sum()), "columns": facts}), *notices)
        self._fill(columns, keep)
        self._set(notices=(*self.rollout.notices, *notices, *self._judge_comparison()))

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _judge_choices(self) -> None:
        choices = (
            ("comparison", self.comparison, COMPARISONS),
            ("base", self.base, BASES),
            ("unbalanced", self.unbalanced, (None, *UNBALANCED)),
            ("rows", self.rows, ("unit", "observation", *self.panel.clusters)),
        )
        for name, value, allowed in choices:
            if value not in allowed:
                raise DesignError(unknown(f"choice of {name}", str(value), [str(a) for a in allowed]))
        if self.anticipation < 0 or int(self.anticipation) != self.anticipation:
            raise DesignError(f"anticipation counts periods before treatment: 0, 1, 2, ..., not {self.anticipation}.")
        if not np.array_equal(self.rollout.units, self.panel.units):
            raise DesignError(
                f"The roll-out was made for other units ({len(self.rollout.units):,}) than the panel's ({len(self.panel.units):,}). "
                "Make the roll-out from this very panel."
            )

    def _judge_covariates(self, columns: dict[str, Array]) -> None:
        for name in self.covariates:
            seen = columns[name][~np.isnan(columns[name])]
            if len(seen) == 0:
                raise DesignError(
                    f"Covariate {name!r} is missing in all {len(columns[name]):,} rows (100%). Leave it out or fill it in."
                )
            if seen.min() == seen.max():
                raise DesignError(
                    f"Covariate {name!r} is {seen[0]:g} in every row: it is collinear with the intercept and says nothing. Leave it out."
                )

    def _settle_balance(self, present: Array | None) -> tuple[Array | None, tuple[Notice, ...]]:
        """Return the (n0,) rows to keep, or None for all, after the declared treatment of missing rows."""
        panel = self.panel
        if present is not None and not present.any():
            raise DesignError(f"No row has {self.outcome!r} and all covariates. Look at the columns' missing shares.")
        rows = len(panel.unit_index) if present is None else int(present.sum())
        if panel.unit is None:
            self._set(unbalanced="repeated_cross_section")
            return present, ()
        index = panel.unit_index if present is None else panel.unit_index[present]
        when = panel.period_index if present is None else panel.period_index[present]
        seen = np.bincount(index, minlength=len(panel.units))
        periods = len(np.unique(when))
        units, complete = int((seen > 0).sum()), int((seen == periods).sum())
        if rows == units * periods:
            return present, ()
        if self.unbalanced is None:
            raise DesignError(
                f"The panel is unbalanced: {units:,} units and {periods} periods would make {units * periods:,} rows, {rows:,} "
                f"are there. Say what to do with it: unbalanced='pairwise' keeps {units:,} units and {rows:,} rows (each effect uses the "
                f"units seen in both of its periods); unbalanced='drop_units' keeps {complete:,} units and {complete * periods:,} rows "
                f"(those seen in every period); unbalanced='repeated_cross_section' keeps {units:,} units and {rows:,} rows "
                "(every row counts, households need not be the same)."
            )
        facts = {"choice": self.unbalanced, "units": units, "rows": rows, "complete_units": complete, "periods": periods}
        if self.unbalanced != "drop_units":
            return present, (Notice("UNBALANCED", facts),)
        if complete == 0:
            raise DesignError(
                f"No unit is seen in all {periods} periods, so unbalanced='drop_units' keeps nothing. Use 'pairwise'."
            )
        whole = (seen == periods)[panel.unit_index]
        return (whole if present is None else whole & present), (Notice("UNBALANCED", facts),)

    def _fill(self, columns: dict[str, Array], keep: Array | None) -> None:
        panel = self.panel

        def take(values: Array) -> Array:
            return values if keep is None else values[keep]

        unit_index, period_index = take(panel.unit_index), take(panel.period_index)
        units, first, periods = panel.units, self.rollout.first_treated, panel.periods
        if keep is not None:
            present, unit_index = np.unique(unit_index, return_inverse=True)
            units, first = units[present], first[present]
            seen, period_index = np.unique(period_index, return_inverse=True)
            periods = periods[seen]
        x = [take(columns[name]) for name in self.covariates]
        cohort = np.where(first > periods[-1] + self.anticipation, np.inf, first)
        self._set(keep=keep)
        self._set(
            unit_index=unit_index.astype(np.int32, copy=False),
            period_index=period_index.astype(np.int32, copy=False),
            units=units,
            periods=periods,
            cohort=cohort,
            y=take(columns[self.outcome]),
            x=np.column_stack(x) if x else np.empty((len(unit_index), 0)),
            w=self._weights(),
        )

    def _weights(self) -> Array | None:
        if self.panel.weight is None:
            return None
        weights = self.panel.numbers(self.panel.weight)
        if (bad := ~(weights > 0)).any():
            raise DesignError(
                f"Weight {self.panel.weight!r} is missing or not positive in {bad.sum():,} rows: "
                f"{first_five(self.panel.places(np.flatnonzero(bad)))}. A weight says how many households a row stands for."
            )
        return weights if self.keep is None else weights[self.keep]

    def _judge_comparison(self) -> tuple[Notice, ...]:
        never, treated = np.isinf(self.cohort), np.isfinite(self.cohort)
        if not treated.any():
            raise DesignError(
                f"No unit is treated by {self.rollout.programme!r} within {self.periods[0]}-{self.periods[-1]}, so there is no effect to estimate."
            )
        notices = []
        if not never.any():
            if len(np.unique(self.cohort)) == 1:
                raise NoComparison(
                    f"All {len(self.units):,} units are treated from {int(self.cohort[0])} on: there is no comparison, and a change over "
                    "time cannot be told from general growth. Add units that were treated later or never."
                )
            if self.comparison == "never_treated":
                raise DesignError(
                    "There are no never-treated units, so comparison='never_treated' has nobody to compare with. "
                    f"comparison='not_yet_treated' compares with units treated later, until the last cohort starts in {int(self.cohort.max())}."
                )
            notices.append(Notice("UNIVERSAL", {"last_cohort": int(self.cohort.max())}))
        if (gaps := sorted(set(range(int(self.periods[0]), int(self.periods[-1]) + 1)) - {int(p) for p in self.periods})) and len(
            gaps
        ) < 50:
            notices.append(Notice("PERIOD_GAP", {"periods": gaps}))
        early = treated & (self.cohort <= self.periods[0] + self.anticipation)
        if early.any():
            facts: dict[str, object] = {
                "units": int(early.sum()),
                "treated_units": int(treated.sum()),
                "first_period": int(self.periods[0]) + self.anticipation,
            }
            notices.append(Notice("TREATED_FROM_START", facts))
        sizes = np.unique(self.cohort[treated & ~early], return_counts=True)
        if self.panel.unit is not None and never.sum() == 1:
            notices.append(Notice("SINGLE_UNIT_COMPARISON", {"units": 1}))
        if self.panel.unit is not None and (sizes[1] == 1).any():
            notices.append(Notice("SINGLE_UNIT_COHORT", {"cohorts": [int(c) for c in sizes[0][sizes[1] == 1]]}))
        return tuple(notices)

    @property
    def balanced(self) -> bool:
        """Whether every unit kept is seen in every period."""
        return len(self.y) == len(self.units) * len(self.periods)

    @property
    def observations(self) -> int:
        """Rows of data used."""
        return len(self.y)

    def wide(self, values: Array) -> Array:
        """Return (n,) values as a (N, T) unit x period array, NaN where a unit is not seen. No copy when balanced."""
        shape = len(self.units), len(self.periods)
        if self.balanced:
            return values.reshape(shape)
        out = np.full(shape, np.nan)
        out[self.unit_index, self.period_index] = values
        return out

    @cached_property
    def treated(self) -> Array:
        """(n,) whether the unit is treated in the row's period."""
        return np.asarray(self.periods[self.period_index] >= self.cohort[self.unit_index])

    @cached_property
    def intensity(self) -> Array:
        """(n,) treatment in each row: the roll-out's intensity, or 0 and 1 where it only knows a start."""
        if self.rollout.intensity is None:
            return self.treated.astype(float)
        intensity = self.rollout.intensity
        return intensity if self.keep is None else intensity[self.keep]

    @cached_property
    def lasting(self) -> bool:
        """Whether every unit is untreated at first and, once treated, never untreated again."""
        if self.rollout.intensity is None:
            return True
        started = self.treated
        return bool((self.intensity[~started] == 0).all() and (self.intensity[started] != 0).all())

    @cached_property
    def unit_weight(self) -> Array:
        """(N,) each unit's weight in its first row; ones without weights."""
        if self.w is None:
            return np.ones(len(self.units))
        return np.asarray(self.w[self.first_rows])

    @cached_property
    def first_rows(self) -> Array:
        """(N,) position of each unit's first row."""
        return np.flatnonzero(np.r_[True, np.diff(self.unit_index) != 0])

    def codes(self, name: str) -> tuple[Array, int]:
        """Return (n,) integer codes of any column's values in the rows used, and how many there are."""
        if name == self.panel.unit:
            return self.unit_index, len(self.units)
        if name == self.panel.period:
            return self.period_index, len(self.periods)
        if name not in self._known_codes:
            column = self.panel.column(name)
            column = column if self.keep is None else column[self.keep]
            if column.isna().any():
                raise DesignError(
                    f"Column {name!r} is missing in {int(column.isna().sum()):,} of the rows used. Fill it in or leave it out."
                )
            codes, labels = pd.factorize(column, sort=True)
            self._known_codes[name] = codes, len(labels)
        return self._known_codes[name]

    @cached_property
    def _known_codes(self) -> dict[str, tuple[Array, int]]:
        return {}

    def values(self, name: str) -> Array:
        """Return (n,) numbers of any column in the rows used."""
        numbers = self.panel.numbers(name)
        return numbers if self.keep is None else numbers[self.keep]

    @cached_property
    def row_keys(self) -> pd.DataFrame:
        """The key of each psi row, with the clusters that are constant within it."""
        if self.rows == "observation":
            frame = pd.DataFrame({"observation": np.arange(len(self.y))})
            if self.panel.unit is not None:
                frame[self.panel.unit] = self.units[self.unit_index]
            frame[self.panel.period] = self.periods[self.period_index]
            return frame.assign(**{c: self._column(c) for c in self.panel.clusters})
        if self.rows == "unit":
            return self._unit_keys
        return self._clustered[1]

    @cached_property
    def _unit_keys(self) -> pd.DataFrame:
        frame = pd.DataFrame({self.panel.unit or "observation": self.units})
        for name in self.panel.clusters:
            codes, _ = self.codes(name)
            if (codes == codes[self.first_rows][self.unit_index]).all():
                frame[name] = self._column(name)[self.first_rows]
        return frame

    @cached_property
    def _clustered(self) -> tuple[Array, pd.DataFrame]:
        """(N,) position of each unit's cluster, and the keys of the clusters."""
        if self.rows not in self._unit_keys:
            raise DesignError(
                f"Cluster {self.rows!r} varies within units, so it cannot be the rows of psi. Use rows='observation'."
            )
        return grouped_rows(self._unit_keys, self.rows, self._unit_keys[self.rows])

    @cached_property
    def treated_rows(self) -> Array:
        """Whether each psi row holds a unit whose treatment changes within the window: one treated from the start shows no effect."""
        always = self.cohort <= self.periods[0] if self.rollout.intensity is None else np.zeros(len(self.cohort), dtype=bool)
        treated = np.isfinite(self.cohort) & ~always
        if self.rows == "observation":
            return np.asarray(treated[self.unit_index])
        if self.rows == "unit":
            return np.asarray(treated)
        codes, keys = self._clustered
        return np.asarray(np.bincount(codes, treated, len(keys)) > 0)

    def _column(self, name: str) -> Array:
        column = self.panel.column(name).to_numpy()
        return column if self.keep is None else column[self.keep]

    def psi_from_units(self, contributions: Array) -> Array:
        """Return psi from (N, k) contributions of units, where theta_hat - theta is close to their sum."""
        if self.rows == "observation":
            raise DesignError(
                "This estimator compares whole units: it has no influence by observation. Use rows='unit' or a cluster."
            )
        if self.rows == "unit":
            return contributions * len(self.units)
        codes, keys = self._clustered
        return sum_within(contributions, codes, len(keys)) * len(keys)

    def psi_from_observations(self, contributions: Array) -> Array:
        """Return psi from (n, k) contributions of observations, where theta_hat - theta is close to their sum."""
        if self.rows == "observation":
            return contributions * len(self.y)
        return self.psi_from_units(sum_within(contributions, self.unit_index, len(self.units)))

    def nested_in(self, codes: Array, count: int) -> frozenset[str]:
        """Return the names of the clusters (and unit, period) within which these (n,) codes are nested."""
        names = [n for n in (self.panel.unit, self.panel.period, *self.panel.clusters) if n is not None]
        nested = []
        for name in dict.fromkeys(names):
            outer, _ = self.codes(name)
            seen = np.full(count, -1, dtype=np.int64)
            seen[codes] = outer
            if (seen[codes] == outer).all():
                nested.append(name)
        return frozenset(nested)
