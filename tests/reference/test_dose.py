"""Effects of a dose are those of R's contdid 0.1.0 (with ptetools 1.0.2), and of a cubic by hand.

Estimates and the standard errors of curves agree. Three things of contdid are its own, each shown below: the influence of the
mean slope lacks the factor (units compared) / (treated units), so that its standard error is too small; the influence of
cohort shares lacks the factor 1 / (share of treated units), and is left out for slopes; the event study of
effects uses the dose where a dummy belongs.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from recorded import COMPARISON, ESTIMATE, SPREAD, case, close, own

import evalkit as ek
from evalkit.estimators.dose_response import DoseResponse

RECORDED = {name: result for name, result in case("extra").items() if name.startswith("dose_")}
CURVES = ["dose_two_level", "dose_two_slope", "dose_two_polynomial_by_hand"]
OVERALL = ["dose_multi_level_notyet", "dose_multi_level_never"]
PATHS = ["dose_multi_event_level", "dose_multi_event_slope"]


@lru_cache
def estimate(data: str, comparison: str = "not_yet_treated", doses: tuple[float, ...] | None = None) -> ek.Estimate:
    frame = own(data)
    frame = frame.assign(got=frame["dose"] * ((frame["first_treated"] > 0) & (frame["year"] >= frame["first_treated"])))
    panel = ek.Panel(frame, unit="village_id", period="year")
    rollout = ek.Rollout.from_dose(panel, "got")
    return DoseResponse(doses=doses)(ek.Design(panel, rollout, "log_income", comparison=comparison, base="varying"))


def std_error(estimate: ek.Estimate) -> np.ndarray:
    return ek.infer(estimate)["std_error"].to_numpy()


@pytest.mark.parametrize("name", CURVES)
def test_the_curve_and_its_slope_with_their_standard_errors_are_the_recorded_ones(name: str) -> None:
    theirs = pd.DataFrame(RECORDED[name]["rows"])
    found = estimate("dose_two", doses=tuple(theirs["dose"]))
    for ours, column in (("effect", "att_d"), ("slope", "acrt_d")):
        curve = found.select(kind="dose", name=ours)
        close(curve.cells["at"], theirs["dose"])
        close(curve.theta, theirs[column], ESTIMATE)
        close(std_error(curve), theirs[f"{column}_se"], SPREAD)


@pytest.mark.parametrize("name", CURVES[:2])
def test_two_periods_have_the_recorded_averages(name: str) -> None:
    effect, slope = RECORDED[name]["overall_rows"]
    found = estimate("dose_two").select(kind="overall")
    close(found.theta, [effect["estimate"], slope["estimate"]], ESTIMATE)
    close(std_error(found)[0], effect["se"], SPREAD)
    villages = own("dose_two").drop_duplicates("village_id")["dose"]
    close(std_error(found)[1] * (villages > 0).mean(), slope["se"], SPREAD)


@pytest.mark.parametrize("name", OVERALL)
def test_many_periods_have_the_recorded_averages(name: str) -> None:
    """The never treated are asked for in one of them; contdid compares with the not yet treated all the same."""
    effect, slope = RECORDED[name]["rows"]
    found = estimate("dose_multi").select(kind="overall")
    close(found.theta, [effect["estimate"], slope["estimate"]], ESTIMATE)
    never = estimate("dose_multi", COMPARISON["nevertreated"]).select(kind="overall")
    assert abs(never.theta[0] / effect["estimate"] - 1) > 1e-3
    close(never.theta[1], slope["estimate"], ESTIMATE)  # a slope compares the treated with each other
    close(errors_of_r(), [effect["se"], slope["se"]], SPREAD)
    assert (std_error(found) > [1.005 * effect["se"], 4 * slope["se"]]).all()


def wide() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return incomes (villages x years), first treated years and doses."""
    frame = own("dose_multi")
    village = frame.drop_duplicates("village_id")
    incomes = frame.pivot(index="village_id", columns="year", values="log_income")
    return incomes, village["first_treated"].to_numpy(), village["dose"].to_numpy()


def cells() -> list[tuple[int, int, np.ndarray, np.ndarray, np.ndarray]]:
    """Return cohort, year, changes, who is treated and who is compared, of every cell with a varying base."""
    Y, G, _ = wide()
    out = []
    for t in range(2012, 2016):
        for g in (2012, 2013, 2014):
            change = (Y[t] - Y[g - 1 if t >= g else t - 1]).to_numpy()
            out.append((g, t, change, g == G, ((G == 0) | (t < G)) & (g != G)))
    return out


def errors_of_r() -> np.ndarray:
    """Return the standard errors of the overall effect and slope as contdid's influence functions have them."""
    _, G, dose = wide()
    n, treated = len(G), (G > 0).sum()
    effect, slope, means = np.zeros(n), np.zeros(n), {}
    for g, t, change, D, C in cells():
        if t < g:
            continue
        weight = D.sum() / treated / (2016 - g)
        X, H = np.vander(dose[D], 4, increasing=True), np.vander(dose[D], 3, increasing=True) * [1, 2, 3]
        H = np.column_stack([np.zeros(D.sum()), H])
        beta = np.linalg.lstsq(X, change[D], rcond=None)[0]
        of_beta = (X * (change[D] - X @ beta)[:, None]) @ np.linalg.inv(X.T @ X)
        of_slope = (H @ beta - (H @ beta).mean()) / D.sum() + of_beta @ H.mean(axis=0)
        slope[D] += weight * of_slope * D.sum() / (D.sum() + C.sum())  # the factor that is too much
        effect[D] += weight * (change[D] - change[D].mean()) / D.sum()
        effect[C] -= weight * (change[C] - change[C].mean()) / C.sum()
        means.setdefault(g, []).append(change[D].mean() - change[C].mean())
    mean = sum(np.mean(m) * (g == G).sum() for g, m in means.items()) / treated
    for g, m in means.items():
        effect[g == G] += (np.mean(m) - mean) / n  # should be over the treated, not over all
    return np.sqrt([(effect**2).sum(), (slope**2).sum()])


def test_the_event_study_of_slopes_is_that_of_contdid() -> None:
    theirs = RECORDED["dose_multi_event_slope"]
    found = estimate("dose_multi").select(kind="event_time", name="slope")
    assert list(found.cells["event_time"]) == [row["event_time"] for row in theirs["rows"]]
    close(found.theta, [row["estimate"] for row in theirs["rows"]], ESTIMATE)
    close(estimate("dose_multi").select(kind="overall", name="slope").theta[0], theirs["overall"], ESTIMATE)


def test_the_event_study_of_effects_is_that_of_group_time() -> None:
    found = estimate("dose_multi").select(kind="event_time", name="effect")
    frame = own("dose_multi")
    panel = ek.Panel(frame, unit="village_id", period="year")
    rollout = ek.Rollout.from_first_treated(panel, "first_treated", never=0)
    plain = ek.aggregate(ek.GroupTime()(ek.Design(panel, rollout, "log_income", base="varying")), "event_time").select(
        kind="event_time"
    )
    close(found.theta, plain.theta, ESTIMATE)
    close(std_error(found), std_error(plain), SPREAD)


def test_the_event_study_of_effects_of_contdid_weighs_treated_and_untreated_by_their_doses() -> None:
    """Its cells are sum(d dy) / sum(d) - sum((1 - d) dy) / sum(1 - d) over treated and compared units together."""
    theirs = {(row["group"], row["t"]): row["att"] for row in RECORDED["dose_multi_event_level"]["group_time_rows"]}
    _, G, dose = wide()
    found = {}
    for g, t, change, D, C in cells():
        d, dy = (dose * D)[D | C], change[D | C]
        found[g, t] = d @ dy / d.sum() - (1 - d) @ dy / (1 - d).sum()
    close([found[key] for key in theirs], list(theirs.values()), ESTIMATE)
    for row in RECORDED["dose_multi_event_level"]["rows"]:
        at = [(g, t) for g, t in theirs if t - g == row["event_time"]]
        close(np.average([found[key] for key in at], weights=[(g == G).sum() for g, _ in at]), row["estimate"], ESTIMATE)
    close(
        sum(np.mean([found[g, t] for t in range(g, 2016)]) * (g == G).sum() for g in (2012, 2013, 2014)) / (G > 0).sum(),
        RECORDED["dose_multi_event_level"]["overall"], ESTIMATE,
    )  # fmt: skip


def test_every_recorded_result_is_compared() -> None:
    assert {*CURVES, *OVERALL, *PATHS} == set(RECORDED)
