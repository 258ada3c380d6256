"""What could have been treated instead: the assignments among which a permutation test ranks the one that happened."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from math import factorial, lgamma, log, prod
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import EstimateError, first_five, unknown
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

MOVES = ("sets and dates", "sets", "dates")
LARGEST = 300  # decimal digits: beyond, a number of assignments is told as 10**300


@dataclass(frozen=True, eq=False)
class Assignments:
    """The items that treatment was assigned to, what each got, and how this could have been distributed otherwise.

    Attributes
    ----------
    item : (N,) each unit's item: itself, or its cluster; position : (N,) its place in the item's vector of starts
    code : (M,) what each item got, a row of ``starts``
    starts : (L, m) first treated periods, inf for never; m = 1 unless starts differ within clusters
    stratum : (M,) codes; items exchange what they got within strata only
    moves : "sets and dates", "sets" or "dates"
    sizes_stay : whether every cohort keeps its number of units in every assignment
    """

    item: Array = field(repr=False)
    position: Array = field(repr=False)
    code: Array = field(repr=False)
    starts: Array = field(repr=False)
    stratum: Array = field(repr=False)
    moves: str
    sizes_stay: bool
    notices: tuple[Notice, ...] = ()

    @property
    def treated(self) -> Array:
        """(M,) whether an item is treated at all."""
        return np.asarray(np.isfinite(self.starts).any(axis=1))[self.code]

    @property
    def count(self) -> int:
        """How many distinct assignments there are, the observed one among them: a product of multinomials over strata.

        Told as 10**300 beyond that number.
        """
        parts = [self._parts(members) for members in self._strata]
        if sum(lgamma(sum(part) + 1) - sum(lgamma(n + 1) for n in part) for part in parts) > LARGEST * log(10):
            return int(10**LARGEST)
        return prod(factorial(sum(part)) // prod(factorial(n) for n in part) for part in parts)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Items and treated items of every stratum."""
        return tuple((len(members), int(self.treated[members].sum())) for members in self._strata)

    @property
    def _strata(self) -> list[Array]:
        return [np.flatnonzero(self.stratum == s) for s in range(int(self.stratum.max()) + 1)]

    def _parts(self, members: Array) -> list[int]:
        """Return how many of the items that move have got the same: the numbers of the multinomial."""
        code, treated = self.code[members], self.treated[members]
        moved = {"sets": treated, "dates": code[treated], "sets and dates": code}[self.moves]
        return [int(n) for n in np.unique(moved, return_counts=True)[1]]

    def cohorts(self, codes: Array) -> Array:
        """Return the first treated periods (N,) of the units when items get these codes (M,)."""
        return np.asarray(self.starts[codes[self.item], self.position])

    def all(self) -> Array:
        """Return the codes (A, M) of every distinct assignment."""
        parts = [self._arranged(members) for members in self._strata]
        out = np.empty((self.count, len(self.code)), dtype=np.int32)
        chosen = product(*(range(len(part)) for part in parts))
        index = np.array(list(chosen), dtype=np.int64).reshape(-1, len(parts))
        for column, (members, part) in enumerate(zip(self._strata, parts, strict=True)):
            out[:, members] = part[index[:, column]]
        return out

    def drawn(self, draws: int, seed: int | None) -> Array:
        """Return the codes (draws, M) of random assignments, every one as likely as any other; EstimateError without a seed."""
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            raise EstimateError(f"Assignments are drawn at random: say the seed, a whole number such as seed=7, not {seed!r}.")
        generator = np.random.default_rng(seed)
        out = np.tile(self.code.astype(np.int32), (draws, 1))
        for members in self._strata:
            code, treated = self.code[members], self.treated[members]
            if self.moves == "dates":
                out[:, members[treated]] = generator.permuted(np.tile(code[treated], (draws, 1)), axis=1)
            elif self.moves == "sets":
                out[:, members] = _filled(generator.permuted(np.tile(treated, (draws, 1)), axis=1), code, treated)
            else:
                out[:, members] = generator.permuted(np.tile(code, (draws, 1)), axis=1)
        return out

    def _arranged(self, members: Array) -> Array:
        """Return every arrangement of one stratum: (a, members) codes."""
        code, treated = self.code[members], self.treated[members]
        if self.moves == "sets and dates":
            return arrangements(code)
        if self.moves == "sets":
            return _filled(arrangements(treated.astype(int)) == 1, code, treated)
        moved = arrangements(code[treated])
        out = np.tile(code, (len(moved), 1))
        out[:, treated] = moved
        return out


def assignments(design: Design, cluster: str | None = None, strata: str | None = None, moves: str = MOVES[0]) -> Assignments:
    """Return what could have been treated: starts moved between units, or between whole clusters, within strata.

    Parameters
    ----------
    cluster : str, optional
        Column of the groups to which treatment was assigned; their units move together. Where starts differ within a
        cluster, its whole vector of starts moves, which needs clusters with equally many units.
    strata : str, optional
        Column within whose values items exchange their starts, such as ``"province"``.
    moves : "sets and dates", "sets" or "dates"
        *sets and dates* gives every start, never included, to another item. *dates* leaves the treated treated and moves their
        starts among them. *sets* moves who is treated; the starts keep the order in which they follow each other down the list of
        items.

    Raises
    ------
    EstimateError
        When the roll-out has an intensity, a cross-section names no cluster, or columns vary where they must not.

    Notes
    -----
    How often each start occurs never changes within a stratum, and the assignments reached do not depend on which of them was
    observed; that is what makes the ranks exact.

    Examples
    --------
    >>> import evalkit as ek
    >>> assignments(ek.example_design(units=6, cohorts=1)).count
    20
    """
    if moves not in MOVES:
        raise EstimateError(unknown("choice of moves", str(moves), MOVES))
    if design.rollout.intensity is not None:
        raise EstimateError(
            "A permutation moves first treated periods; this roll-out has an intensity in every row, which is no start. "
            "Make the roll-out from first treated periods."
        )
    if design.panel.unit is None and cluster is None:
        raise EstimateError(
            "Rows of a repeated cross-section are seen once and cannot be treated later: name the cluster that was treated."
        )
    item = np.arange(len(design.units)) if cluster is None else _by_unit(design, cluster)
    stratum = np.zeros(int(item.max()) + 1, dtype=int)
    if strata is not None:
        first = np.unique(item, return_index=True)[1]
        of_units = _by_unit(design, strata)
        stratum = of_units[first]
        if (odd := stratum[item] != of_units).any():
            raise EstimateError(
                f"Stratum {strata!r} varies within {cluster!r}, for example among units {first_five(design.units[odd])}. "
                "What moves as a whole must lie in one stratum."
            )
    return _arranged_starts(design, item, stratum, moves, cluster)


def _arranged_starts(design: Design, item: Array, stratum: Array, moves: str, cluster: str | None) -> Assignments:
    sizes = np.bincount(item)
    order = np.argsort(item, kind="stable")
    within = np.empty(len(item), dtype=int)
    within[order] = np.arange(len(item)) - np.repeat(np.r_[0, np.cumsum(sizes)[:-1]], sizes)
    first = np.unique(item, return_index=True)[1]
    mixed = design.cohort != design.cohort[first][item]
    notices: tuple[Notice, ...] = ()
    if mixed.any():
        who = np.unique(item[mixed])
        if (sizes != sizes[0]).any():
            raise EstimateError(
                f"Starts differ within {len(who):,} values of {cluster!r}, for example among units {first_five(design.units[mixed])}, and "
                "their numbers of units differ, so whole vectors of starts cannot be exchanged. If units were chosen within clusters, leave "
                f"cluster out and say strata={cluster!r}."
            )
        notices = (Notice("WHOLE_VECTORS_MOVED", {"clusters": len(who), "of": len(sizes), "units": int(sizes[0])}),)
        vectors = design.cohort[order].reshape(len(sizes), sizes[0])
        position = within
    else:
        vectors, position = design.cohort[first][:, None], np.zeros(len(item), dtype=int)
    starts, code = np.unique(vectors, axis=0, return_inverse=True)
    equal = bool((sizes == sizes[0]).all())
    return Assignments(item, position, code.reshape(-1), starts, pd.factorize(stratum)[0], moves, equal, notices)


def _by_unit(design: Design, name: str) -> Array:
    """Return (N,) codes of a column that must not vary within units."""
    columns = [str(column) for column in design.panel.frame.columns]
    if name not in columns:
        raise EstimateError(unknown("column", name, columns))
    codes, _ = design.codes(name)
    of_units = codes[design.first_rows]
    if (odd := of_units[design.unit_index] != codes).any():
        raise EstimateError(
            f"Column {name!r} varies within units: {first_five(pd.unique(design.units[design.unit_index[odd]]))}. "
            "Treatment moves between whole units: choose a column that is the same in all rows of a unit."
        )
    return np.asarray(pd.factorize(of_units, sort=True)[0])


def moved(design: Design, cohort: Array, y: Array | None = None) -> Design:
    """Return the same design with other first treated periods (N,), and another outcome (n,) if given.

    The panel was judged when the design was made, and its starts are only exchanged: nothing is judged or copied again.
    """
    other = copy.copy(design)
    for name in ("treated", "intensity", "lasting"):  # the caches that read starts
        vars(other).pop(name, None)
    first = design.rollout.first_treated.copy()
    first[pd.Index(design.panel.units).get_indexer(pd.Index(design.units))] = cohort
    vars(other).update(cohort=cohort, rollout=replace(design.rollout, first_treated=first))
    if y is not None:
        vars(other).update(y=y)
    return other


def arrangements(code: Array) -> Array:
    """Return every distinct order of some labels (n,), each once: (a, n).

    >>> arrangements(np.array([0, 0, 1])).tolist()
    [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    """
    labels, counts = np.unique(code, return_counts=True)
    return np.array(list(_orders(labels.tolist(), counts.tolist(), len(code)))).reshape(-1, len(code))


def _orders(labels: list[int], counts: list[int], n: int) -> Iterator[list[int]]:
    if len(labels) <= 1:
        yield labels * n
        return
    for places in combinations(range(n), counts[0]):
        free = [i for i in range(n) if i not in places]
        for rest in _orders(labels[1:], counts[1:], len(free)):
            out = [labels[0]] * n
            for i, label in zip(free, rest, strict=True):
                out[i] = label
            yield out


def _filled(chosen: Array, code: Array, treated: Array) -> Array:
    """Return codes (a, n): the treated ones in their order where ``chosen`` (a, n), the untreated ones elsewhere."""
    out = np.empty(chosen.shape, dtype=np.int32)
    out[chosen] = np.tile(code[treated], len(chosen))
    out[~chosen] = np.tile(code[~treated], len(chosen))
    return out
