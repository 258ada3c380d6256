"""Jumps, bandwidths and density tests are those of R's rdrobust 3.0.0 and rddensity 2.6, to the last digits that R's own rounding leaves.

Conventions that had to be found: the interquartile range of the pilot bandwidth is that of R's quantile type 2 (averages at jumps); the
factor of clusters counts p + 1 coefficients for the robust error too, and rdrobust takes both sides as independent even when a cluster lies on
both, which evalkit does not (`rdrobust_clustered` redoes R's number from psi); rddensity's jackknife is not centred.
Everything is compared to 1e-8 relative, standard errors too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import case, close, needs, own, third_party

import evalkit as ek
from evalkit.cutoffs import DensityTest, density_test
from evalkit.discontinuity import Discontinuity, Fitted

ALL = case("rd")
JUMPS = [name for name in ALL if not name.startswith("density") and name != "rdbwselect_all"]
DENSITIES = [name for name in ALL if name.startswith("density")]
SENATE = "09_rdrobust_senate"
SENATE_RECORDED = third_party(f"{SENATE}/expected.json")
# Recorded, and not offered.
NOT_OFFERED = {
    "p0": "a local constant has a bias of the order of the bandwidth at an edge: order is 1 or 2",
    "cluster_cr1": "recorded as an error of R",
    "cluster_cr2": "recorded as an error of R",
    "cluster_cr3": "recorded as an error of R",
}
NAMES = {"y": "outcome", "x": "score", "c": "cutoff", "p": "order", "bwselect": "bandwidth", "vce": "residuals", "h": "bandwidth"}
NAMES |= {"b": "bias_bandwidth", "fuzzy": "take_up", "weights": "weight", "deriv": "derivative", "masspoints": "mass_points"}
SAME = {"kernel", "cluster"}
ELSEWHERE = {"words", "level", "sharpbw"}


def discontinuity(args: dict[str, Any]) -> Discontinuity:
    """Return the design that R's arguments mean."""
    ours: dict[str, Any] = {"cutoff": 0.0, "treated": "above", "other_policies": []}
    for name, value in args.items():
        if name in NAMES or name in SAME:
            ours[NAMES.get(name, name)] = value
        elif name == "covs":
            ours["covariates"] = [value]
        elif name == "scaleregul":
            ours["regularise"] = bool(value)
        else:
            assert name in ELSEWHERE, name
    ours["clusters"] = [ours["cluster"]] if "cluster" in ours else []
    if args.get("sharpbw"):  # bandwidths chosen for the outcome alone, in two steps
        chosen = fitted(Discontinuity(**ours | {"take_up": None}), own("cliff"))
        ours |= {"bandwidth": chosen.h, "bias_bandwidth": chosen.b}
    return Discontinuity(**ours)


def fitted(how: Discontinuity, frame: pd.DataFrame) -> Fitted:
    """Return the estimate without asking the density test, which R's function does not ask."""
    return how.fitted(how.sample(frame))


def rdrobust_clustered(told: Fitted, how: Discontinuity, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return R's clustered standard errors of both estimates: sides apart, G/(G-1) (n-1)/(n-p-1) on each."""
    psi = told.estimate.select(kind="discontinuity").psi / len(told.estimate.rows)
    sample, total = how.sample(frame), 0.0
    for side, h, b in zip((sample.score < how.cutoff, sample.score >= how.cutoff), told.h, told.b, strict=True):
        inside = side & (np.abs(sample.score - how.cutoff) < max(h, b))
        n = int(inside.sum())
        sums = pd.DataFrame(psi[inside]).groupby(np.asarray(told.estimate.rows[how.cluster])[inside]).sum().to_numpy()
        G = len(sums)
        total = total + (sums**2).sum(axis=0) * G / (G - 1) * (n - 1) / (n - how.order - 1)
    return np.asarray(np.sqrt(total))


def compare(told: Fitted, how: Discontinuity, frame: pd.DataFrame, rows: list[dict[str, float]], level: float = 0.95) -> None:
    """Match R's three rows: conventional, bias-corrected (one centre, the other's spread) and robust."""
    table = ek.infer(told.estimate.select(kind="discontinuity"), level=level)
    spread = rdrobust_clustered(told, how, frame) if how.cluster else table["std_error"].to_numpy()
    close(table["estimate"], [rows[0]["estimate"], rows[2]["estimate"]])
    close(spread, [rows[0]["se"], rows[2]["se"]])
    assert rows[1]["estimate"] == rows[2]["estimate"] and rows[1]["se"] == rows[0]["se"]
    if not how.cluster:
        for ours, theirs in (("p_value", "p"), ("conf_low", "ci_low"), ("conf_high", "ci_high")):
            # Intervals are sums of numbers of either sign, p-values have relative errors z times those of z.
            close(table[ours], [rows[0][theirs], rows[2][theirs]], 1e-7, floor=1e-10)


@pytest.mark.parametrize("name", JUMPS)
def test_our_own_cliff(name: str) -> None:
    theirs, frame = ALL[name], own("cliff")
    how = discontinuity(theirs["args"])
    told = fitted(how, frame)
    level = theirs["args"].get("level", 95) / 100
    compare(told, how, frame, theirs["rows"], level)
    close([*told.h, *told.b], [theirs["bandwidths"][key] for key in ("h_left", "h_right", "b_left", "b_right")])
    assert list(told.within) == theirs["N_h"]


@pytest.mark.parametrize("row", ALL["rdbwselect_all"]["rows"], ids=lambda row: row["selector"])
def test_every_selector(row: dict[str, Any]) -> None:
    told = fitted(discontinuity({"y": "y_sharp", "x": "score", "bwselect": row["selector"]}), own("cliff"))
    close([*told.h, *told.b], [row[key] for key in ("h_left", "h_right", "b_left", "b_right")])


def density(args: dict[str, Any], frame: pd.DataFrame) -> DensityTest:
    how: dict[str, Any] = {
        "order": args.get("p", 2),
        "kernel": args.get("kernel", "triangular"),
        "variance": args.get("vce", "jackknife"),
    }
    how |= {"restricted": args.get("fitselect") == "restricted", "bandwidth": args.get("h", args.get("bwselect", "comb"))}
    return density_test(frame, args["x"], 0.0, **how)


@pytest.mark.parametrize("name", DENSITIES)
def test_densities_of_our_own_cliff(name: str) -> None:
    theirs = ALL[name]
    ours = density(theirs["args"], own("cliff"))
    sides, rows = ours.table.iloc[:2], pd.DataFrame(theirs["rows"])
    short = "asy" if theirs["args"].get("vce") == "plugin" else "jk"
    close(sides["density"], rows["density"])
    close(ours.table["density"].iloc[2], theirs["hat"]["diff"])
    close(sides["std_error"], rows["se_asymptotic" if short == "asy" else "se_jackknife"])
    close(sides["bandwidth"], rows["h"])
    assert list(sides["rows"]) == list(rows["n_effective"])
    close([ours.statistic, ours.p_value], [theirs["test"][f"t_{short}"], theirs["test"][f"p_{short}"]])


def test_every_recorded_result_is_matched() -> None:
    assert len(ALL) == len(JUMPS) + len(DENSITIES) + 1 == 57


def senate_design(name: str) -> Discontinuity:
    args: dict[str, Any] = {"y": "vote", "x": "margin"}
    first, *rest = name.split("_")
    if first == "k":
        args |= {"kernel": rest[0], "bwselect": rest[1]}
    elif first == "vce":
        args["vce"] = rest[0]
    elif first == "cluster":
        args |= {"cluster": "cl", "vce": rest[0]}
    else:
        args |= {
            "p2": {"p": 2},
            "fixed_h10": {"h": 10},
            "fixed_h10_b20": {"h": 10, "b": 20},
            "covs": {"covs": "z"},
            "fuzzy": {"fuzzy": "fz"},
            "weights": {"weights": "w"},
            "kink_deriv1": {"deriv": 1, "p": 2},
            "c5": {"c": 5},
            "masspoints_off": {"masspoints": "off"},
            "level90": {"level": 90},
            "regularizationoff": {"scaleregul": 0},
        }[name]
    return discontinuity(args)


@needs(SENATE)
@pytest.mark.parametrize("name", [name for name in (SENATE_RECORDED or {"results": {}})["results"] if name not in NOT_OFFERED])
def test_the_senate(name: str) -> None:
    theirs, frame = SENATE_RECORDED["results"][name], third_party(f"{SENATE}/data.csv").dropna(subset=["vote"])
    how = senate_design(name)
    told = fitted(how, frame)
    columns = [theirs["coef"], theirs["se"], theirs["pv"], *np.transpose(theirs["ci"])]
    rows = [dict(zip(("estimate", "se", "p", "ci_low", "ci_high"), row, strict=True)) for row in zip(*columns, strict=True)]
    compare(told, how, frame, rows, 0.9 if name == "level90" else 0.95)
    close([told.h, told.b], theirs["bws"])
    assert list(told.within) == theirs["N_h"]


@needs(SENATE)
def test_the_selectors_of_the_senate() -> None:
    theirs, frame = SENATE_RECORDED["rdbwselect_all"], third_party(f"{SENATE}/data.csv").dropna(subset=["vote"])
    for name, row in zip(theirs["names"], theirs["bws"], strict=True):
        told = fitted(discontinuity({"y": "vote", "x": "margin", "bwselect": name}), frame)
        close([*told.h, *told.b], row)


@needs(SENATE)
@pytest.mark.parametrize("name", ["default", "restricted", "plugin"])
def test_the_density_of_the_senate(name: str) -> None:
    theirs = SENATE_RECORDED["rddensity"][name]
    args = {"default": {}, "restricted": {"fitselect": "restricted"}, "plugin": {"vce": "plugin"}}[name]
    ours = density({"x": "margin"} | args, third_party(f"{SENATE}/data.csv"))
    short = "asy" if name == "plugin" else "jk"
    close(ours.table["density"], [theirs["hat"][key] for key in ("left", "right", "diff")])
    close(ours.table["std_error"], [theirs[f"sd_{short}"][key] for key in ("left", "right", "diff")])
    close(ours.table["bandwidth"].iloc[:2], [theirs["h"]["left"], theirs["h"]["right"]])
    close([ours.statistic, ours.p_value], [theirs["test"][f"t_{short}"], theirs["test"][f"p_{short}"]])


@needs(SENATE)
def test_what_is_not_offered_is_recorded() -> None:
    assert set(NOT_OFFERED) <= set(SENATE_RECORDED["results"])
    assert all("error" in SENATE_RECORDED["results"][name] for name in NOT_OFFERED if name.startswith("cluster"))
