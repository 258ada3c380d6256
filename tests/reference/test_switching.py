"""Treatments that start and stop are judged as by R's DIDmultiplegtDYN 2.2.0, whose standard errors take dates of change as given.

Three conventions of the package are no covariances of the estimates, and are worked out here from the influence function:

* the off-diagonal of ``coef$vcov``: the package adds the first unit's two influences for every unit, takes the variance of that constant
  for the variance of a sum, and so for the covariance. Its joint tests rest on the covariance itself, as evalkit's do.
* with controls, the part of the influence that runs through the slopes is scaled by the weight of all rows that could be compared over
  that of the rows of the unit's own treatment at the start (1 where all start alike);
* and the slopes' part of the estimate itself is taken from every unit's influence once more, so that it is not centred.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import ESTIMATE, SPREAD, THIRD_PARTY, case, close, needs, own, third_party

import evalkit as ek
from evalkit.estimators import switching
from evalkit.estimators.switching import Switching
from evalkit.inference.linear import covariance

FOLDER = "06b_dcdh_favara_imbs"
PROBABILITY = 1e-8  # relative; the package subtracts from one, so that it knows probabilities to 1e-12 only


@dataclass(frozen=True)
class Recorded:
    """One result of the package, and how to ask evalkit for it."""

    specification: Switching
    frame: pd.DataFrame
    choices: dict[str, Any]
    columns: dict[str, str]
    rows: list[dict[str, Any]]
    facts: dict[str, Any]

    def design(self) -> ek.Design:
        names, choices = self.columns, dict(self.choices)
        panel = ek.Panel(self.frame, names["unit"], "year", [names["cluster"]], choices.pop("weight", None))
        return ek.Design(panel, ek.Rollout.from_dose(panel, names["treatment"]), names["outcome"], **choices)


def asked(**choices: Any) -> Switching:
    return Switching(**({"shares": "sample", "adjusted": True} | choices))


def own_result(name: str) -> Recorded:
    result = case("reversal")[name]
    args = result["args"]
    specification: dict[str, Any] = {"effects": args["effects"], "placebos": args["placebo"]}
    specification |= {"normalised": "normalized" in args, "same_switchers": "same_switchers" in args}
    specification |= {"switchers": args.get("switchers", "both"), "trends": "unit" if "trends_lin" in args else "none"}
    choices: dict[str, Any] = {"rows": args.get("cluster", "unit"), "weight": args.get("weight")}
    choices |= {"covariates": [args["controls"]]} if "controls" in args else {}
    choices |= {"comparison": "never_treated"} if "only_never_switchers" in args else {}
    choices |= {"unbalanced": "pairwise"} if "unbalanced" in result["data"] else {}
    columns = {"unit": "village_id", "cluster": "county_id", "outcome": "log_income", "treatment": args["treatment"]}
    return Recorded(asked(**specification), own(result["data"]), choices, columns, result["rows"], result)


FAVARA: dict[str, tuple[Switching, dict[str, Any]]] = {
    "effects8_placebo3_clusterstate": (asked(effects=8, placebos=3), {"rows": "state_n"}),
    "effects5_placebo2": (asked(effects=5), {}),
    "effects5_placebo2_normalized": (asked(effects=5, normalised=True), {}),
    "effects3_same_switchers": (asked(same_switchers=True), {}),
    "effects3_controls": (asked(placebos=1), {"covariates": ["Dl_hpi"]}),
    "effects3_weight": (asked(placebos=1), {"weight": "w1"}),
    "effects3_trends_lin": (asked(placebos=1, trends="unit"), {}),
    "effects5_equal": (asked(effects=5), {}),
    "effects3_switchers_in": (asked(placebos=0, switchers="in"), {}),
    "effects3_only_never": (asked(placebos=1), {"comparison": "never_treated"}),
}
REFUSED = {"effects3_trends_nonparam": "the package stops as evalkit does: within a county nobody is left to compare with"}


def favara_result(name: str) -> Recorded:
    result = third_party(f"{FOLDER}/expected.json")["results"][name]
    rows: list[dict[str, Any]] = []
    for block, key in (("effect", "Effects"), ("average", "ATE"), ("placebo", "Placebos")):
        table = (result[key] or {"m": []})["m"]
        names = ("estimate", "se", "lb_ci", "ub_ci", "n", "switchers", "n_w", "switchers_w")
        rows += [{"block": block, "index": i + 1, **dict(zip(names, line, strict=True))} for i, line in enumerate(table)]
    columns = {"unit": "county", "cluster": "state_n", "outcome": "Dl_vloans_b", "treatment": "inter_bra"}
    specification, choices = FAVARA[name]
    frame = third_party(f"{FOLDER}/data.csv")
    return Recorded(specification, frame, {"unbalanced": "pairwise"} | choices, columns, rows, result)


RESULTS = [*case("reversal"), *(pytest.param(name, marks=needs(FOLDER)) for name in FAVARA)]
every_result = pytest.mark.parametrize("name", RESULTS)


@lru_cache
def result(name: str) -> Recorded:
    return favara_result(name) if name in FAVARA else own_result(name)


@lru_cache
def estimate(name: str) -> ek.Estimate:
    recorded = result(name)
    with pytest.MonkeyPatch.context() as patch:
        if recorded.choices.get("covariates"):
            patch.setattr(switching._Run, "through_slopes", through_slopes_as_in_r)
        return recorded.specification(recorded.design())


kernel = switching._Run.through_slopes


def through_slopes_as_in_r(run: Any, ell: int, placebo: bool) -> np.ndarray:
    """Return the contributions by way of the slopes with the package's scale and without its centre."""
    paths, level = run.paths, run.histories.level_of_unit
    could_be_compared = ~np.isnan(paths.Y[1:]) & ~np.isnan(paths.Y[:-1]) & (np.arange(1, paths.T)[:, None] < paths.F)
    weight = could_be_compared if paths.W is None else np.where(could_be_compared, paths.W[1:], 0.0)
    by_level = np.bincount(level, weight.sum(axis=0))
    scale = by_level.sum() / np.maximum(by_level, 1e-300)
    constant = (run.hang_on_slopes(ell, placebo) * run.theta).sum(axis=0) / len(level)
    return scale[level][:, None] * kernel(run, ell, placebo) - constant


def place(row: dict[str, Any], cells: pd.DataFrame) -> int:
    if row["block"] == "average":
        return int(np.flatnonzero(cells["kind"] == "overall")[0])
    time = row["index"] - 1 if row["block"] == "effect" else -1 - row["index"]
    return int(np.flatnonzero((cells["kind"] == "event_time") & (cells["event_time"] == time))[0])


def compared(name: str) -> tuple[list[dict[str, Any]], list[int]]:
    rows = [row for row in result(name).rows if row["estimate"] is not None]
    return rows, [place(row, estimate(name).cells) for row in rows]


@every_result
def test_effects_placebos_and_the_average_are_those_of_the_package(name: str) -> None:
    rows, places = compared(name)
    close(estimate(name).theta[places], [row["estimate"] for row in rows], ESTIMATE)


@every_result
def test_standard_errors_and_intervals_are_those_of_the_package(name: str) -> None:
    rows, places = compared(name)
    table = ek.infer(estimate(name)).iloc[places]
    close(table["std_error"], [row["se"] for row in rows], SPREAD)
    for side, bound in (("conf_low", "lb_ci"), ("conf_high", "ub_ci")):
        close(table[side], [row[bound] for row in rows], SPREAD)


@every_result
def test_as_many_units_changed_as_the_package_counts(name: str) -> None:
    rows, places = compared(name)
    path = [(row["switchers"], p) for row, p in zip(rows, places, strict=True) if row["block"] != "average"]
    assert list(estimate(name).cells["units"].to_numpy()[[p for _, p in path]]) == [count for count, _ in path]


def path_of(name: str, block: str) -> ek.Estimate:
    """Return the effects, or the placebos, in the package's order."""
    cells = estimate(name).cells
    times = cells["event_time"].to_numpy()
    wanted = (times >= 0) if block == "effect" else (times < -1)
    return estimate(name).select(keep=wanted & (cells["kind"] == "event_time").to_numpy())


@every_result
@pytest.mark.parametrize(("block", "fact"), [("effect", "p_jointeffects"), ("placebo", "p_jointplacebo")])
def test_joint_tests_rest_on_the_covariance_given_here(name: str, block: str, fact: str) -> None:
    theirs = result(name).facts.get(fact)
    if theirs is None:
        assert block == "placebo" and result(name).specification.placebos < 2
        return
    close(ek.wald(path_of(name, block)).p_value, theirs, PROBABILITY, 1e-12)


@pytest.mark.parametrize("name", ["reversal_effects_equal", pytest.param("effects5_equal", marks=needs(FOLDER))])
def test_that_all_effects_are_equal_is_tested_on_their_differences_from_the_first(name: str) -> None:
    effects = path_of(name, "effect")
    contrast = np.column_stack([-np.ones(len(effects.theta) - 1), np.eye(len(effects.theta) - 1)])
    differences = effects.map(contrast @ effects.theta, contrast, effects.cells.iloc[1:])
    close(ek.wald(differences).p_value, result(name).facts["p_equality_effects"], PROBABILITY)


def dropped(name: str) -> int:
    """Return how many units the package leaves out for trends of units: those that change in the second period."""
    design = result(name).design()
    return int((design.cohort == design.periods[1]).sum()) if result(name).specification.trends == "unit" else 0


@every_result
def test_the_packages_vcov_repeats_the_first_units_influence_for_every_unit(name: str) -> None:
    theirs = result(name).facts.get("vcov")
    effects = path_of(name, "effect")
    both = effects.join(path_of(name, "placebo")) if result(name).specification.placebos else effects
    order = [*range(len(effects.theta)), *range(len(both.theta) - 1, len(effects.theta) - 1, -1)]  # placebo 1 comes first there
    own_variance = np.diag(covariance(both).matrix)[order]
    close(np.diag(theirs), own_variance, SPREAD)
    first, units = both.psi[0, order], len(both.psi)
    repeated = (first[:, None] + first) ** 2 / units**2 * (units - dropped(name))
    ours = (repeated - own_variance[:, None] - own_variance) / 2
    off = ~np.eye(len(ours), dtype=bool)
    close(ours[off], np.array(theirs)[off], SPREAD, SPREAD * own_variance.min())


def test_with_controls_the_packages_errors_are_not_those_of_the_slopes_influence() -> None:
    recorded = result("reversal_controls")
    ours, theirs = recorded.specification(recorded.design()), estimate("reversal_controls")
    ratio = ek.infer(ours)["std_error"] / ek.infer(theirs)["std_error"]
    assert ratio.dropna().between(0.93, 1.0).all() and ratio.min() < 0.95


@needs(FOLDER)
def test_where_the_package_finds_nobody_to_compare_with_so_does_evalkit() -> None:
    recorded = result("effects5_placebo2")
    with pytest.raises(ek.DesignError, match="none can be compared"):
        Switching(placebos=0, within="county")(recorded.design())


def test_every_recorded_result_is_matched_or_named() -> None:
    assert len(case("reversal")) == 17
    if (THIRD_PARTY / FOLDER).is_dir():
        assert set(third_party(f"{FOLDER}/expected.json")["results"]) == {*FAVARA, *REFUSED}
