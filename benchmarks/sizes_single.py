"""How often tests of one effect reject what is true, in county panels: the library's numbers for many outcomes at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

import evalkit as ek
from evalkit.inference.assignment import assignments
from evalkit.inference.linear import covariance
from evalkit.inference.sandwich import adjusted
from evalkit.inference.signs import Signs
from evalkit.inference.wild_sums import Lost, Pieces, drawn, influence_pieces, regression_pieces, shares_beyond
from evalkit.least_squares import Parts

Array = np.ndarray[Any, Any]
Found = dict[str, Array | None]  # (D,) whether each draw rejects, or its p-value; None where the method refuses

LEVEL, SIGNS, MOVED = 0.05, 399, 999
FIRST, YEARS, BASE = 2011, 10, 4  # programmes start in the sixth of ten years; effects are measured from the fifth
WITH_ITSELF, ALONE = 0.5, 0.7  # AR(1) of county shocks
FORMS = [
    ("WCR-C signs", "C", True, "rademacher"),
    *((f"WCR-{variant}", variant, True, "webb") for variant in "CSVB"),
    ("WCU-C", "C", False, "webb"),
]


@dataclass(frozen=True)
class World:
    """A panel of villages in counties without any effect: county-year AR(1) shocks and noise of villages of the same variance.

    ``sizes``: "equal" (4 villages a county), "1:10" (1 to 10 villages, treated counties drawn by lot, in 20 lots), "largest treated"
    (1 to 10, never by lot), "alone" (a county is one row a year, AR(1) with 0.7).
    """

    clusters: int
    treated: int
    sizes: str = "equal"

    @property
    def name(self) -> str:
        return f"{self.treated} of {self.clusters}, {self.sizes}"

    @property
    def rare(self) -> int:
        """Clusters on the smaller side."""
        return min(self.treated, self.clusters - self.treated)

    @property
    def villages(self) -> Array:
        """(G,) villages of each county, the treated counties first."""
        if self.sizes in ("equal", "alone"):
            return np.full(self.clusters, 4 if self.sizes == "equal" else 1)
        return np.linspace(10, 1, self.clusters).round().astype(int)

    @property
    def parts(self) -> int:
        """How many lots, or at least sets of random signs and of assignments, the draws are divided over."""
        return 20 if self.sizes == "1:10" else 10

    def lots(self) -> Iterator[Array]:
        """Yield (G,) treated counties: another lot each time where counties differ and treatment is by lot."""
        first = np.arange(self.clusters) < self.treated
        for lot in range(self.parts):
            by_lot = self.sizes == "1:10"
            yield np.random.default_rng([lot, self.clusters, self.treated]).permutation(first) if by_lot else first

    def totals(self, draws: int, generator: np.random.Generator) -> Array:
        """Return (D, G, T) sums over the villages of each county and year: all that estimates clustered by county depend on."""
        n = self.villages[:, None]
        shocks = autoregressive(
            generator.standard_normal((draws, self.clusters, YEARS)), ALONE if self.sizes == "alone" else WITH_ITSELF
        )
        noise = 0.0 if self.sizes == "alone" else np.sqrt(n) * generator.standard_normal(shocks.shape)
        return np.asarray(n * shocks + noise)

    def design(self, treated: Array, total: Array) -> ek.Design:
        """Return the panel of villages whose counties have these sums (G, T)."""
        county = np.repeat(np.arange(self.clusters), self.villages)
        year = np.arange(FIRST, FIRST + YEARS)
        frame = pd.DataFrame({"village": np.repeat(np.arange(len(county)), YEARS), "year": np.tile(year, len(county))})
        frame["county"], frame["y"] = np.repeat(county, YEARS), (total / self.villages[:, None])[county].ravel()
        frame["start"] = np.where(treated[frame["county"]], FIRST + BASE + 1, 0)
        panel = ek.Panel(frame, "village", "year", ["county"])
        return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y")


def autoregressive(shocks: Array, serial: float) -> Array:
    """Return AR(1) paths of variance one along the last axis of (..., T) standard normal numbers."""
    out = shocks.copy()
    for t in range(1, shocks.shape[-1]):
        out[..., t] = serial * out[..., t - 1] + np.sqrt(1 - serial**2) * shocks[..., t]
    return out


def by_sides(d: Array, n: Array, treated: Array) -> tuple[Array, Array]:
    """Return (D,) differences of means between treated and other villages, and the (D, G) influence of counties, from their sums."""
    weight = np.where(treated, 1 / n[treated].sum(), -1 / n[~treated].sum())
    mean = np.where(
        treated, (d[:, treated].sum(1) / n[treated].sum())[:, None], (d[:, ~treated].sum(1) / n[~treated].sum())[:, None]
    )
    return d @ weight, weight * (d - n * mean)


def same(one: float, other: float, what: str) -> None:
    """Stop when a shortcut of this file and the library disagree."""
    if not np.isclose(one, other, rtol=1e-7, atol=1e-10):
        sys.exit(f"{what}: {one} by algebra, {other} by the library")


def two_sided(theta: Array, variance: Array, degrees: float = np.inf) -> Array:
    """Return (D,) p-values of t, or of z."""
    t = -np.abs(theta) / np.sqrt(variance)
    return np.asarray(2 * (special.ndtr(t) if np.isinf(degrees) else special.stdtr(degrees, t)))


@dataclass(frozen=True, eq=False)
class Regressed:
    """One regression on D outcomes: what does not depend on the outcome, and the scores (D, G, p) that do."""

    gram: Array
    bread: Array
    shown: Array
    score: Array
    theta: Array

    @classmethod
    def of(cls, estimate: ek.Estimate, world: World, totals: Array) -> Regressed:
        regression = estimate.facts.regression
        assert regression is not None
        fit, G = regression.fit, world.clusters
        gram = fit.parts(fit.labels("county")[0], G).gram
        first = np.r_[0, np.cumsum(world.villages)[:-1]]
        X = fit.columns.X.reshape(-1, YEARS, gram.shape[1])[first]
        moment = np.einsum("gtp,dgt->dgp", X, totals, optimize=True)
        b = moment.sum(axis=1) @ fit.bread.T
        score = moment - np.einsum("gpq,dq->dgp", gram, b, optimize=True)
        return cls(gram, fit.bread, regression.shown, score, b @ regression.shown.T)

    def parts(self, draw: int) -> Parts:
        return Parts(self.gram, self.score[draw], self.score[draw])

    def loadings(self, kind: str) -> tuple[Array, Any]:
        """Return (G, k, p) what scores are multiplied by in the library's adjusted influence, which is linear in them."""
        unit = np.eye(len(self.bread))
        made = [
            adjusted(Parts(self.gram, self.gram[0], np.broadcast_to(e, self.score[0].shape)), self.bread, self.shown, kind)
            for e in unit
        ]
        return np.stack([one.influence for one in made], axis=2), made[0]

    def influence(self, kind: str) -> tuple[Array, Any]:
        """Return (D, G, k) influences, and what degrees of freedom rest on."""
        loadings, found = self.loadings(kind)
        return np.einsum("gkp,dgp->dgk", loadings, self.score, optimize=True), found

    def pieces(self, variant: str, restricted: bool) -> list[Pieces]:
        """Return the pieces of every draw's bootstrap; what does not depend on the outcome is made once."""
        base, unit = regression_pieces(self.parts(0), self.bread, self.shown[0], variant, restricted), np.eye(len(self.bread))
        if variant in ("C", "V"):
            scores = self.score
        else:  # scores without the own cluster are linear in the scores: learned column by column
            blank = [Parts(self.gram, self.gram[0], np.broadcast_to(e, self.score[0].shape)) for e in unit]
            turned = np.stack(
                [regression_pieces(one, self.bread, self.shown[0], variant, restricted).score for one in blank], axis=2
            )
            scores = np.einsum("gqp,dgp->dgq", turned, self.score, optimize=True)
        return [
            replace(base, score=scores[d], shares=np.einsum("gp,gp->g", base.own, self.score[d])) for d in range(len(self.score))
        ]


def boot(pieces: list[Pieces], theta: Array, weights: str, seed: int) -> Array:
    """Return (D,) p-values; fifty draws share their signs."""
    signs = Signs(weights, len(pieces[0].score), SIGNS, seed)
    out = []
    for d in range(0, len(pieces), 50):
        made = drawn(pieces[d : d + 50], replace(signs, seed=seed + d))
        out += [shares_beyond(one, t, "symmetric")[0] for one, t in zip(made, theta[d : d + 50], strict=True)]
    return np.array(out)


def of_two_way(world: World, treated: Array, totals: Array, seed: int) -> Found:
    """Return the p-values of the two-way coefficient."""
    estimate = ek.TwoWay()(world.design(treated, totals[0]))
    one, G = Regressed.of(estimate, world, totals), world.clusters
    theta, found = one.theta[:, 0], Found()
    plain = covariance(estimate, "county")
    influence, _ = one.influence("CR0")
    variance = plain.factor * (influence[:, :, 0] ** 2).sum(axis=1)
    same(np.sqrt(variance[0]), plain.std_error[0], "clustered error")
    found["t(G-1)"] = two_sided(theta, variance, G - 1)
    for kind in ("CR2", "CR3"):
        try:
            spread = covariance(estimate, "county", kind)
        except ek.EstimateError:  # one county alone decides the coefficient
            found[kind] = None
            continue
        influence, made = one.influence(kind)
        same(np.sqrt((influence[0] ** 2).sum()), spread.std_error[0], kind)
        found[kind] = two_sided(theta, (influence[:, :, 0] ** 2).sum(axis=1), float(made.degrees()[0]))
    for name, variant, restricted, weights in FORMS:
        try:
            pieces = one.pieces(variant, restricted)
            found[name] = boot(pieces, theta, weights, seed)
        except Lost:
            found[name] = None
    try:
        left_out = np.array([piece.shares for piece in one.pieces("V", False)])
        found["CRV3"] = two_sided(theta, (G - 1) / G * (left_out**2).sum(axis=1), G - 1)
    except Lost:
        found["CRV3"] = None
    change = totals[:, :, BASE + 1 :].mean(axis=2) - totals[:, :, : BASE + 1].mean(axis=2)
    same(by_sides(change, world.villages, treated)[0][0], estimate.theta[0], "two-way coefficient")
    found |= of_permutations(world, treated, change, totals, seed)
    return found


def of_permutations(world: World, treated: Array, d: Array, totals: Array, seed: int) -> Found:
    """Return the p-values of permutations of the estimate and of its t statistic: all assignments, or 999 of them."""
    possible = assignments(world.design(treated, totals[0]), "county")
    every = possible.all() if possible.count <= MOVED + 1 else np.vstack([possible.code, possible.drawn(MOVED, seed)])
    M = np.isfinite(possible.starts[:, 0])[every].astype(float)
    M = np.vstack([treated, M[(treated != M).any(axis=1)]]) if possible.count <= MOVED + 1 else M
    n = world.villages.astype(float)
    theta, variance = np.zeros((len(d), len(M))), np.zeros((len(d), len(M)))
    for side, sign in ((M, 1), (1 - M, -1)):
        mean = d @ side.T / (side @ n)
        theta += sign * mean
        variance += (d**2 @ side.T - 2 * mean * ((d * n) @ side.T) + mean**2 * (side @ n**2)) / (side @ n) ** 2
    size, t = np.abs(theta), np.abs(theta) / np.sqrt(np.maximum(variance, 1e-30))
    p = [((one >= one[:, :1] * (1 - 1e-9)).mean(axis=1)) for one in (size, t)]
    return {"permutation": p[0], "permutation of t": p[1]}


def of_group_time(world: World, treated: Array, totals: Array, seed: int) -> Found:
    """Return the p-values of the average group-time effect."""
    estimate, n, G = ek.aggregate(ek.GroupTime()(world.design(treated, totals[0]))), world.villages, world.clusters
    d = totals[:, :, BASE + 1 :].mean(axis=2) - totals[:, :, BASE]
    theta, influence = by_sides(d, n, treated)
    same(theta[0], estimate.theta[0], "average group-time effect")
    variance = (influence**2).sum(axis=1)
    same(np.sqrt(variance[0]), covariance(estimate, "county").std_error[0], "error of the average group-time effect")
    side = np.where(treated, n[treated].sum(), n[~treated].sum())
    left_out = None if world.rare == 1 else influence * side / (side - n)
    found: Found = {"GroupTime z": two_sided(theta, variance), "GroupTime t(G-1)": two_sided(theta, G / (G - 1) * variance, G - 1)}
    found["GroupTime CRV3"] = None if left_out is None else two_sided(theta, (G - 1) / G * (left_out**2).sum(axis=1), G - 1)
    found["GroupTime score"] = boot([influence_pieces(one, False) for one in influence], theta, "webb", seed)
    found["GroupTime permutation"] = of_permutations(world, treated, d, totals, seed)["permutation"]
    return found


def single_effects(world: World, draws: int) -> Found:
    """Return whether every test of one effect rejects in a world."""
    parts = []
    for lot, treated in enumerate(world.lots()):
        totals = world.totals(draws // world.parts, np.random.default_rng([7, lot, world.clusters, world.treated]))
        parts.append(of_two_way(world, treated, totals, 1000 * lot) | of_group_time(world, treated, totals, 1000 * lot))
    together = {m: None if any(p[m] is None for p in parts) else np.concatenate([p[m] for p in parts]) for m in parts[0]}
    return {m: None if p is None else p <= LEVEL + 1e-12 for m, p in together.items()}


def path_of(world: World, treated: Array, totals: Array) -> tuple[Array, Array]:
    """Return the (D, K) event study and the (D, G, K) influence of counties; the group-time and the regression's path are one here."""
    rows = [t for t in range(YEARS) if t != BASE]
    made = [by_sides(totals[:, :, t] - totals[:, :, BASE], world.villages, treated) for t in rows]
    return np.stack([theta for theta, _ in made], axis=1), np.stack([influence for _, influence in made], axis=2)
