"""How often bands, joint tests, bounds, errors in space and time, families, lines and power keep what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import special
from sizes_single import (
    BASE,
    LEVEL,
    YEARS,
    Array,
    Found,
    Regressed,
    World,
    autoregressive,
    by_sides,
    path_of,
    same,
    two_sided,
)

import evalkit as ek
from evalkit.cutoffs import density_test
from evalkit.diagnostics.detectable import detectable_effect
from evalkit.discontinuity import Discontinuity
from evalkit.errors import EvalkitError
from evalkit.inference.bootstrap import uniform_critical_value
from evalkit.inference.dependence import DriscollKraay
from evalkit.inference.honest import Problem
from evalkit.inference.joint_test import wald
from evalkit.inference.linear import FEW_CLUSTERS, covariance
from evalkit.inference.multiple import adjusted
from evalkit.inference.nearby import Conley
from evalkit.inference.sandwich import hotelling_degrees
from evalkit.inference.simulated_power import Noise

BANDS = 999
LEADS = np.arange(BASE)  # positions of the leads among the nine event times of a path
STEP = 0.5  # size of a differential trend, in standard deviations of a county's shock
BOUNDS = [  # restriction, method, differential trend by year since the base, size
    ("drift", "fixed length", lambda t: STEP * t, STEP),
    ("smoothness", "fixed length", lambda t: STEP / 2 * t**2, STEP),
    ("relative", "hybrid least favourable", lambda t: STEP * t, 1.0),
    ("relative", "conditional", lambda t: STEP * t, 1.0),
]


def _quadratic(theta: Array, matrix: Array) -> Array:
    """Return (D,) Wald statistics of (D, q) parameters with (D, q, q) covariances."""
    return np.einsum("dq,dq->d", theta, np.linalg.solve(matrix, theta[..., None])[..., 0])


def _lots(world: World, draws: int, key: int) -> list[tuple[Array, Array]]:
    return [
        (treated, world.totals(draws // world.parts, np.random.default_rng([key, lot, world.clusters, world.treated])))
        for lot, treated in enumerate(world.lots())
    ]


def _together(parts: list[Found]) -> Found:
    return {name: None if any(p[name] is None for p in parts) else np.concatenate([p[name] for p in parts]) for name in parts[0]}


def bands(world: World, draws: int) -> Found:
    """Return whether any of the nine event times lies outside its uniform band."""
    parts: list[Found] = []
    for lot, (treated, totals) in enumerate(_lots(world, draws, 11)):
        theta, influence = path_of(world, treated, totals)
        study = ek.EventStudy()(world.design(treated, totals[0])).select(kind="event_time")
        study = study.select((study.cells["event_time"] != -1).to_numpy())
        spread, careful = covariance(study, "county"), covariance(study, "county", "CR2")
        adjusted_for, made = Regressed.of(study, world, totals).influence("CR2")
        same(np.sqrt(spread.factor * (influence[0, :, 0] ** 2).sum()), spread.std_error[0], "error of a lead")
        same(np.sqrt((adjusted_for[0, :, 0] ** 2).sum()), careful.std_error[0], "error of a lead (CR2)")
        seed = 10_000 * lot
        found: Found = {
            "band, GroupTime z": outside(theta, influence, np.inf, seed),
            "band, EventStudy t": outside(theta, np.sqrt(spread.factor) * influence, world.clusters - 1.0, seed),
        }
        if world.clusters < FEW_CLUSTERS:  # refused
            found = dict.fromkeys(found)
        parts.append(found | {"band, EventStudy CR2": outside(theta, adjusted_for, float(made.degrees().min()), seed)})
    return _together(parts)


def outside(theta: Array, influence: Array, degrees: float, seed: int) -> Array:
    """Return (D,) whether any of the K parameters (D, K) lies outside the band of its influence (D, G, K)."""
    matrix = np.einsum("dgk,dgl->dkl", influence, influence)
    largest = (np.abs(theta) / np.sqrt(np.einsum("dkk->dk", matrix))).max(axis=1)
    critical = [uniform_critical_value(m, 1 - LEVEL, BANDS, seed + d, degrees) for d, m in enumerate(matrix)]
    return np.asarray(largest > critical)


def leads(world: World, draws: int) -> Found:
    """Return whether joint tests of the four leads reject."""
    parts: list[Found] = []
    q = len(LEADS)
    for treated, totals in _lots(world, draws, 12):
        study = ek.EventStudy()(world.design(treated, totals[0])).select(kind="event_time")
        study = study.select((study.cells["event_time"] < -1).to_numpy())
        theta, influence = path_of(world, treated, totals)
        theta, influence = theta[:, LEADS], influence[:, :, LEADS]
        W = _quadratic(theta, np.einsum("dgk,dgl->dkl", influence, influence))
        plain, G = wald(study, "county"), world.clusters
        factor = covariance(study, "county").factor
        same(W[0] / factor / q, plain.statistic, "joint test of leads")
        found: Found = {"leads, chi2": special.chdtrc(q, W) < LEVEL, "leads, F": special.fdtrc(q, G - 1, W / factor / q) < LEVEL}
        left = world.rare - 1 - q + 1
        found["leads, Hotelling"] = special.fdtrc(q, left, W * left / ((world.rare - 1) * q)) < LEVEL if left > 0 else None
        adjusted_for, made = Regressed.of(study, world, totals).influence("CR2")
        eta = hotelling_degrees(made)
        found["leads, HTZ"] = None  # refused with fewer degrees of freedom than leads
        if eta >= q:
            H = _quadratic(theta, np.einsum("dgk,dgl->dkl", adjusted_for, adjusted_for)) * (eta - q + 1) / (eta * q)
            same(H[0], wald(study, "county", "CR2").statistic, "HTZ")
            found["leads, HTZ"] = special.fdtrc(q, eta - q + 1, H) < LEVEL
        parts.append(found)
    return _together(parts)


def bounds(world: World, draws: int) -> Found:
    """Return whether honest bounds miss a zero effect when trends differ by as much as they allow."""
    parts: list[Found] = []
    since = np.array([t - BASE for t in range(YEARS) if t != BASE], dtype=float)
    target = np.full(YEARS - BASE - 1, 1 / (YEARS - BASE - 1))
    for treated, totals in _lots(world, draws, 13):
        theta, influence = path_of(world, treated, totals)
        found: Found = {}
        for restriction, method, trend, size in BOUNDS:
            missed = []
            for b, one in zip(theta, influence, strict=True):
                whole = Problem(b + trend(since), one.T @ one, target, restriction, method=method)
                problem, unit = whole.standardised(), 1.0 if whole.relative else whole.std_error
                if method == "fixed length":
                    low, high = problem.interval(size / unit) or (np.nan, np.nan)
                    missed.append(not low <= 0 <= high)
                else:
                    missed.append(not any(test.accepted(np.zeros(1))[0] for test in problem.tests(size / unit)))
            found[f"bounds, {restriction}, {method}"] = np.array(missed)
        parts.append(found)
    return _together(parts)


def families(world: World, draws: int) -> Found:
    """Return whether any of five outcomes without effects, correlated by one half, is found."""
    rng = np.random.default_rng([14, world.clusters, world.treated])
    treated = next(world.lots())
    first = ek.TwoWay()(replace(world.design(treated, world.totals(1, rng)[0]), rows="county"))
    n, ways = (
        world.villages,
        {
            "holm": ("holm", "rademacher"),
            "Romano-Wolf": ("romano_wolf", "rademacher"),
            "Romano-Wolf, Webb": ("romano_wolf", "webb"),
        },
    )
    found: dict[str, list[bool]] = {f"family, {name}": [] for name in ("unadjusted", *ways)}
    for draw in range(draws):
        totals = (world.totals(1, rng) + world.totals(5, rng)) / np.sqrt(2)
        theta, influence = by_sides(totals[:, :, BASE + 1 :].mean(2) - totals[:, :, : BASE + 1].mean(2), n, treated)
        family = {str(j): replace(first, theta=theta[[j]], psi=len(n) * influence[j][:, None]) for j in range(5)}
        for name, (method, weights) in ways.items():
            table = adjusted(family, method, "county", 499, draw, weights)
            found[f"family, {name}"].append(bool((table["p_adjusted"] < LEVEL).any()))
        found["family, unadjusted"].append(bool((table["p_value"] < LEVEL).any()))
    return {name: np.array(values) for name, values in found.items()}


def in_space(counties: int, draws: int) -> Found:
    """Return what clustered and spatial errors say where shocks reach 150 km, counties lie 50 km apart and neighbours are treated."""
    side = round(np.sqrt(counties))
    place = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    where = pd.DataFrame({"longitude": 104 + 0.5 * place[:, 0], "latitude": 26 + 0.45 * place[:, 1]})
    apart = 50 * np.sqrt(((place[:, None] - place[None]) ** 2).sum(axis=2))

    def root(reach: float) -> Array:  # the spherical covariance is zero from its reach on
        h = np.minimum(apart / reach, 1)
        return np.linalg.cholesky(1 - 1.5 * h + 0.5 * h**3 + 1e-9 * np.eye(counties))

    near, wide = root(150.0), root(400.0)
    rng = np.random.default_rng([15, counties])
    world = World(counties, counties // 2, "alone")
    ways = {
        f"Conley {kernel} {km} km": Conley(km, where, kernel)
        for kernel, km in (("bartlett", 150), ("uniform", 150), ("bartlett", 300))
    }
    found: dict[str, list[bool]] = {f"space, {name}": [] for name in ("clustered by county", *ways)}
    for draw in range(draws):
        if draw % 10 == 0:
            treated = np.argsort(np.argsort(wide @ rng.standard_normal(counties))) >= counties - world.treated
            first = ek.TwoWay()(world.design(treated, np.zeros((counties, YEARS)) + rng.standard_normal((counties, YEARS))))
        y = near @ autoregressive(rng.standard_normal((counties, YEARS)), 0.5)
        theta, influence = by_sides((y[:, BASE + 1 :].mean(1) - y[:, : BASE + 1].mean(1))[None], world.villages, treated)
        estimate = replace(first, theta=theta, psi=counties * influence.T)
        for name, cluster in {"clustered by county": None, **ways}.items():
            spread = covariance(estimate, cluster)
            with np.errstate(divide="ignore"):  # a kernel that is not positive semi-definite can leave no variance: t is infinite
                t = theta / spread.std_error
            found[f"space, {name}"].append(bool(spread.p_value(t)[0] < LEVEL))
    return {name: np.array(values) for name, values in found.items()}


def in_time(periods: int, serial: float, draws: int) -> Found:
    """Return what Driscoll-Kraay and clustered errors say where 40 counties, half of them treated half-way, share a factor that the treated feel more."""
    rng = np.random.default_rng([16, periods, int(10 * serial)])
    N, half = 40, periods // 2
    frame = pd.DataFrame(
        {"county": np.repeat(np.arange(N), periods), "year": np.tile(np.arange(periods), N), "y": rng.standard_normal(N * periods)}
    )
    frame["start"] = np.where(frame["county"] < N // 2, half, -1)
    panel = ek.Panel(frame, "county", "year")
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=-1), "y", rows="observation")
    first, x = ek.TwoWay()(design), _centred(design.wide(design.treated.astype(float)))
    same(float((x * design.wide(design.y)).sum() / (x**2).sum()), first.theta[0], "two-way coefficient")
    feel = (np.arange(N) < N // 2) + 0.5 * rng.standard_normal(N)
    found: dict[str, list[bool]] = {"time, Driscoll-Kraay": [], "time, clustered by county": []}
    for _ in range(draws):
        factor = autoregressive(rng.standard_normal(periods + 20), serial)[20:]
        Y = _centred(np.outer(feel, factor) + rng.standard_normal((N, periods)))
        theta = (x * Y).sum() / (x**2).sum()
        psi = (x * (Y - theta * x)).reshape(-1, 1) * Y.size / (x**2).sum()
        estimate = replace(first, theta=np.array([theta]), psi=psi)
        for name, cluster in (("Driscoll-Kraay", DriscollKraay()), ("clustered by county", "county")):
            spread = covariance(estimate, cluster)
            found[f"time, {name}"].append(bool(spread.p_value(estimate.theta / spread.std_error)[0] < LEVEL))
    return {name: np.array(values) for name, values in found.items()}


def _centred(values: Array) -> Array:
    return np.asarray(values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean())


def densities(rows: int, heaped: bool, draws: int) -> Found:
    """Return whether the density test finds a jump in normal scores; heaped: a fifth of incomes rounded to 500 yuan."""
    rng, found = np.random.default_rng([17, rows, heaped]), []
    for _ in range(draws):
        score = rng.normal(3_000, 800, rows)
        score = np.where(heaped & (rng.random(rows) < 0.2), 500 * np.round(score / 500), score)
        found.append(density_test(pd.DataFrame({"score": score}), "score", 2_736).p_value < LEVEL)
    return {"line, density test": np.array(found)}


def lines(rows: int, draws: int) -> Found:
    """Return whether intervals at a line miss the jump (first design of Calonico, Cattaneo & Titiunik 2014), where it is estimated."""
    rng = np.random.default_rng([18, rows])
    line = Discontinuity("score", 0.0, "y", treated="above", other_policies=[])
    found: dict[str, list[bool]] = {"line, conventional": [], "line, robust": []}
    for _ in range(draws):
        x = 2 * rng.beta(2, 4, rows) - 1
        left = 0.48 + 1.27 * x + 7.18 * x**2 + 20.21 * x**3 + 21.54 * x**4 + 7.33 * x**5
        right = 0.52 + 0.84 * x - 3.00 * x**2 + 7.99 * x**3 - 9.01 * x**4 + 3.56 * x**5
        y = np.where(x >= 0, right, left) + rng.normal(0, 0.1295, rows)
        try:
            table = ek.infer(line(pd.DataFrame({"score": x, "y": y})))
        except EvalkitError:  # the density test refuses one in twenty: the share is in the number of draws
            continue
        missed = ~((table["conf_low"] <= 0.04) & (table["conf_high"] >= 0.04)).to_numpy()
        for name, one in zip(table["name"], missed, strict=True):
            if (shown := {"conventional": "line, conventional", "bias_corrected": "line, robust"}.get(name)) is not None:
                found[shown].append(bool(one))
    return {name: np.array(values) for name, values in found.items()}


def power(world: World, draws: int) -> Found:
    """Return whether the effect said to be detectable with 80% is found."""
    parts: list[Found] = []
    lots, G = _lots(world, draws, 19), world.clusters
    told = detectable_effect(world.design(lots[0][0], lots[0][1][0]), cluster="county", noise=Noise(1.0, 0.0, 1.0, 0.5))
    for treated, totals in lots:
        d = totals[:, :, BASE + 1 :].mean(axis=2) - totals[:, :, BASE]
        theta, influence = by_sides(d, world.villages, treated)
        p_value = two_sided(theta + told.effect, G / (G - 1) * (influence**2).sum(axis=1), G - 1)
        parts.append({"power, GroupTime t(G-1)": p_value < LEVEL})
    return _together(parts)
