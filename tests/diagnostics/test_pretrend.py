"""Pre-trends with power: what a test of leads saw, what it could have seen, and what it rules out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from worlds import villages

import evalkit as ek
from evalkit.diagnostics.pretest_power import Pretest, inside_box
from evalkit.diagnostics.pretrend import NotTestable, Pretrend, pretrend
from evalkit.errors import EstimateError
from evalkit.estimate import Facts, cell_frame
from evalkit.words import catalogue

NORMAL = 1.959963984540054


def path(leads: Any, effects: Any, sigma: Any = None, units: Any = 50, rows: int | None = None) -> ek.Estimate:
    """Return a path that ends its leads at -2, with reference -1 and effects from 0 on; uncorrelated with errors of one unless said."""
    leads, effects = np.atleast_1d(leads).astype(float), np.atleast_1d(effects).astype(float)
    K, J = len(leads), len(effects)
    times = np.r_[np.arange(-1 - K, -1), -1, np.arange(J)]
    sigma = np.eye(K + J) if sigma is None else np.asarray(sigma, float)
    n = K + J
    root = n * np.linalg.cholesky(sigma).T
    psi = np.column_stack([root[:, :K], np.zeros(n), root[:, K:]])
    cells = cell_frame("event_time", n + 1, event_time=times, units=units, reference=times == -1)
    return ek.Estimate(np.r_[leads, 0.0, effects], psi, cells, pd.DataFrame({"village": np.arange(n)}), Facts(n))


def of_path(*args: Any, **choices: Any) -> Pretrend:
    told = pretrend(path(*args), **choices)
    assert isinstance(told, Pretrend)
    return told


def test_one_lead_by_hand() -> None:
    """A lead of 0.5 at -2 with error 1, one effect of 4 at 0 with error 1, nothing correlated.

    Half of the effect is 2 at event time 0, one period after the reference: slope 2, so the lead drifts by -2.
    Power: 1 - [Phi(1.96 + 2) - Phi(-1.96 + 2)] = Phi(0.04) + Phi(-3.96) = 0.516. With one lead the joint test is the same test.
    Detected with 80%: |drift| = 1.96 + 0.8416 = 2.8016 (the other tail is below 1e-5).
    """
    told = of_path(0.5, 4)
    assert told.half.slope == pytest.approx(2) and told.half.after == pytest.approx(2)
    by_hand = special.ndtr(2 - NORMAL) + special.ndtr(-2 - NORMAL)
    assert told.half.joint_power == pytest.approx(by_hand, abs=1e-9) == told.half.single_power
    assert told.slopes["single_slope"].tolist() == pytest.approx([1.96, 2.8016], abs=2e-4)
    assert told.slopes["joint_slope"].tolist() == pytest.approx(told.slopes["single_slope"].tolist(), rel=1e-6)
    assert told.joint.p_value == pytest.approx(2 * special.ndtr(-0.5))
    assert told.verdict == "passes_with_power" and not told.notices


def test_absence_of_power_is_not_a_pass_and_says_so() -> None:
    """Half of an effect of 2 is a drift of 1 at the only lead: the test sees it with 17%."""
    told = of_path(0.5, 2)
    assert told.verdict == "no_power"
    assert told.half.joint_power == pytest.approx(special.ndtr(1 - NORMAL) + special.ndtr(-1 - NORMAL))
    (notice,) = told.notices
    assert notice.code == "PRETREND_WEAK_TEST" and notice.facts == {"power": told.half.joint_power}
    assert "17%" in catalogue("zh").say(f"estimator_notice.{notice.code}", **notice.facts)
    assert "17%" in catalogue("en").say(f"estimator_notice.{notice.code}", **notice.facts)


def test_a_significant_lead_fails_whatever_the_power() -> None:
    assert of_path(3, 2).verdict == "fails" == of_path(3, 40).verdict
    assert of_path(1.8, 2, level=0.10).verdict == "fails" != of_path(1.8, 2, level=0.05).verdict


def test_a_longer_and_more_precise_run_of_leads_sees_more() -> None:
    half = [of_path([0.0] * K, [4, 4]).half for K in (1, 2, 3)]
    joint, single = [one.joint_power for one in half], [one.single_power for one in half]
    assert joint == sorted(joint) and single == sorted(single)
    precise = of_path([0.0, 0.0], [4, 4], 0.25 * np.eye(4)).half
    assert precise.joint_power > half[1].joint_power and precise.single_power > half[1].single_power


def test_money_changes_nothing_but_the_unit() -> None:
    sigma = 0.5 * np.eye(5) + 0.5
    log = of_path([0.4, -0.3, 0.1], [1, 2], sigma)
    money = of_path([400, -300, 100], [1000, 2000], 1e6 * sigma)
    assert money.verdict == log.verdict and money.half.slope == pytest.approx(1000 * log.half.slope)
    for name in ("joint_power", "single_power", "bayes_factor", "likelihood_ratio"):
        assert getattr(money.half, name) == pytest.approx(getattr(log.half, name), rel=1e-9)
    ratio = money.equivalence["smallest_bound"] / log.equivalence["smallest_bound"]
    assert ratio.to_numpy() == pytest.approx(1000)


def test_the_power_does_not_depend_on_what_the_leads_turned_out_to_be() -> None:
    calm, wild = of_path([0.0, 0.0], [3, 3]), of_path([1.5, -1.2], [3, 3])
    assert calm.half.joint_power == wild.half.joint_power and calm.half.single_power == wild.half.single_power
    assert calm.half.likelihood_ratio != wild.half.likelihood_ratio


def test_the_same_input_gives_the_same_bytes() -> None:
    sigma = 0.5 * np.eye(6) + 0.5
    one, other = (of_path([0.4, -0.3, 0.1, 0.2], [1, 2], sigma) for _ in range(2))
    assert one.half.table is not None and other.half.table is not None
    assert one.half.table.to_numpy().tobytes() == other.half.table.to_numpy().tobytes()
    assert one.slopes.to_numpy().tobytes() == other.slopes.to_numpy().tobytes()


def test_passing_the_test_makes_correlated_estimates_worse_in_the_direction_of_the_drift() -> None:
    """One lead with drift -2 correlated 0.5 with the effect: passing pulls the lead to zero, and the effect up with it.

    Mean of N(-2, 1) within +-1.96: -2 + [phi(.04) - phi(3.96)] / [Phi(3.96) - Phi(.04)] = -1.176; the effect moves by half of .824.
    """
    told = of_path(0.0, 4, [[1, 0.5], [0.5, 1]])
    low, high = -NORMAL + 2, NORMAL + 2
    mean = -2 + (stats.norm.pdf(low) - stats.norm.pdf(high)) / (special.ndtr(high) - special.ndtr(low))
    assert told.half.table is not None
    assert told.half.table["after_passing"].tolist() == pytest.approx([mean, 2 + 0.5 * (mean + 2)], abs=1e-9)
    assert told.half.table["drift"].tolist() == [-2, 2]


def test_a_drift_nobody_can_pass_has_no_mean_after_passing() -> None:
    assert of_path(0.0, 100).half.table is None


def test_uncorrelated_leads_multiply() -> None:
    """The chance that none of three independent leads is significant is the product of three chances, exactly."""
    drift = np.array([-1.5, -1.0, -0.5])
    each = special.ndtr(NORMAL - drift) - special.ndtr(-NORMAL - drift)
    assert Pretest(np.eye(3), 0.05).passing(drift) == pytest.approx(each.prod(), rel=1e-12)


@pytest.mark.parametrize("leads", [2, 4, 7])
def test_probabilities_are_those_of_scipy(leads: int) -> None:
    root = np.vander(np.linspace(0.2, 1, leads), leads)
    sigma = root @ root.T + 0.5 * np.eye(leads)
    mean, half = np.linspace(-1, 0.5, leads), NORMAL * np.sqrt(np.diag(sigma))
    theirs = stats.multivariate_normal(mean, sigma, maxpts=200_000, abseps=1e-5, seed=1).cdf(half, lower_limit=-half)
    assert inside_box(sigma, mean, half)[0] == pytest.approx(theirs, abs=5e-4)


@pytest.mark.parametrize("mean", [8.0, -8.0])
def test_small_chances_keep_their_digits_on_either_side(mean: float) -> None:
    exact = special.ndtr(-6.0) - special.ndtr(-10.0)
    assert inside_box(np.eye(1), np.array([mean]), np.array([2.0]))[0] == pytest.approx(exact, rel=1e-12)


def test_few_clusters_see_less() -> None:
    """With 5 clusters on the smaller side: t(4) for one lead; for two Hotelling's F(2, 3)."""
    many, few = of_path([0.0, 0.0], [3, 3]), of_path([0.0, 0.0], [3, 3], degrees=4)
    assert few.joint.distribution == "F(2, 3)" and few.reference == "t(4)"
    assert few.half.joint_power < many.half.joint_power and few.half.single_power < many.half.single_power
    critical = special.fdtri(2, 3, 0.95)
    squares = (few.half.slope * np.array([-2, -1])) ** 2
    assert few.half.joint_power == pytest.approx(1 - stats.ncf.cdf(critical, 2, 3, squares.sum()), abs=1e-9)
    bounds = few.equivalence["smallest_bound"].to_numpy() > many.equivalence["smallest_bound"].to_numpy()
    assert bounds.all()


def test_with_few_clusters_one_lead_keeps_its_size_and_power_of_t() -> None:
    """P(|t| > t_.975(4)) is 5% without a drift, and noncentral t with one."""
    one = Pretest(np.eye(1), 0.05, degrees=4)
    assert one.single_power(np.zeros(1)) == pytest.approx(0.05, abs=1e-4)
    critical = special.stdtrit(4, 0.975)
    theirs = 1 - stats.nct.cdf(critical, 4, 2) + stats.nct.cdf(-critical, 4, 2)
    assert one.single_power(np.array([2.0])) == pytest.approx(theirs, abs=1e-4)


def test_equivalence_by_hand() -> None:
    """Leads 0.5 and -0.1 with errors 1, uncorrelated; 95% one-sided quantile 1.645.

    max: 0.5 + 1.645; mean: 0.2 + 1.645 / sqrt 2; rms: sqrt((.25 + .01) / 2) + 1.645 / sqrt 2.
    """
    q = special.ndtri(0.95)
    told = of_path([0.5, -0.1], 3)
    expected = [0.5 + q, 0.2 + q / np.sqrt(2), np.sqrt(0.13) + q / np.sqrt(2)]
    assert told.equivalence["smallest_bound"].tolist() == pytest.approx(expected)
    assert told.equivalence["measure"].tolist() == ["max", "mean", "rms"]


def test_the_smallest_bound_is_the_one_that_is_just_rejected() -> None:
    smallest = of_path([0.5, -0.1, 0.3], [3, 3]).equivalence["smallest_bound"]
    for row, bound in enumerate(smallest):
        assert of_path([0.5, -0.1, 0.3], [3, 3], bound=bound).equivalence["p_value"][row] == pytest.approx(0.05)


def test_a_bound_below_the_largest_lead_is_never_ruled_out() -> None:
    assert of_path([0.5, -0.1], 3, bound=0.4).equivalence["p_value"][0] > 0.5


def test_the_folded_normal_bound_is_hardly_smaller() -> None:
    """Dette & Schumann's bound solves Phi((b - d) / s) - Phi((-b - d) / s) = level: smaller, by less than 1% for a lead of 0.5 errors."""
    bound = of_path(0.5, 3).equivalence["smallest_bound"][0]
    folded = stats.foldnorm.cdf(0.5, bound)
    assert 0.02 < folded <= 0.05


@pytest.mark.parametrize("measure", [0, 1, 2])
@pytest.mark.parametrize("truth", [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [2.0, -1.0, 0.5]])
def test_a_deviation_as_large_as_the_bound_is_ruled_out_at_most_as_often_as_the_level_says(
    measure: int, truth: list[float]
) -> None:
    """5% of 2,000 draws at the edge of the hypothesis, with correlated leads."""
    sigma = np.eye(4) * 0.4 + 0.6
    target = [np.abs(truth).max(), abs(np.mean(truth)), np.sqrt(np.mean(np.square(truth)))][measure]
    draws = np.random.default_rng(3).multivariate_normal(truth, sigma[:3, :3], 2000)
    q = special.ndtri(0.95)
    size = [np.abs(draws) + q, np.abs(draws.mean(axis=1))[:, None], np.sqrt((draws**2).mean(axis=1))[:, None]][measure]
    shown = of_path(draws[0], 3, sigma).equivalence["smallest_bound"][measure]
    margin = shown - [size[0].max(), *([size[0][0]] * 2)][measure]
    bounds = size.max(axis=1) + margin
    assert bounds[0] == pytest.approx(shown)
    assert (bounds < target).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 2000)


def test_yuan_by_hand() -> None:
    """At 9,000 yuan a log difference d is 9000 (exp(d) - 1) yuan; a difference in yuan is itself."""
    log = of_path([0.01], 0.1, 0.0001 * np.eye(2), base_income=9000)
    bound = log.equivalence["smallest_bound"][0]
    assert (
        log.equivalence["smallest_bound_yuan"][0] == pytest.approx(9000 * (np.exp(bound) - 1)) == log.facts["smallest_bound_yuan"]
    )
    assert log.slopes["joint_after_yuan"].tolist() == pytest.approx(9000 * np.expm1(log.slopes["joint_after"]).to_numpy())
    level = of_path([100], 1000, 10_000 * np.eye(2), base_income=9000, scale="level")
    assert level.equivalence["smallest_bound_yuan"].tolist() == level.equivalence["smallest_bound"].tolist()


def test_the_effect_whose_half_matters_can_be_said() -> None:
    assert of_path([0, 0], [2, 4]).effect == 3
    assert of_path([0, 0], [2, 4], half_of=5).half.slope == pytest.approx(2.5 / 1.5)


def test_leads_can_be_chosen() -> None:
    told = of_path([0.1, 0.2, 0.3], [2, 2], leads=[-3, -2])
    assert told.joint.parameters == 2 and told.table["why_not"].tolist() == ["not_asked", "", ""]
    assert told.joint.p_value == pytest.approx(special.chdtrc(2, 0.2**2 + 0.3**2))


def test_leads_that_rest_on_one_unit_are_left_out_and_said_to_be() -> None:
    one = path([5.0, 0.2], [2, 2], None, [1, 50, 50, 50, 50])
    told = pretrend(one)
    assert isinstance(told, Pretrend)
    assert told.joint.parameters == 1 and told.table["why_not"].tolist() == ["too_few_units", ""]
    assert np.isnan(told.table["p_value"][0]) and told.notices[0].facts == {"leads": [-3], "least_units": 2}
    few = pretrend(replace(one, cells=one.cells.assign(noisy_units=[4, 9, 9, 3, 3])), least_units=5)
    assert isinstance(few, Pretrend) and few.joint.parameters == 1 and few.effect == 2


def test_a_path_without_testable_leads_is_an_answer_with_its_reason() -> None:
    none = pretrend(path([], [2, 2]))
    assert isinstance(none, NotTestable) and (none.verdict, none.reason) == ("not_testable", "no_leads")
    single = pretrend(path([1.0], [2, 2], None, [1, 50, 50, 50]))
    assert isinstance(single, NotTestable) and single.reason == "no_noise" and single.table["why_not"].tolist() == ["too_few_units"]
    assert single.notices[0].code == "PRETREND_NOT_TESTABLE" and single.facts["verdict"] == "not_testable"


def test_villages_all_the_way_from_data() -> None:
    panel = ek.Panel(villages(), "village", "year", ["county"])
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", covariates=["share"])
    cells = ek.aggregate(ek.GroupTime()(design), by="event_time")
    told = pretrend(cells, cluster="county", level=0.1)
    assert isinstance(told, Pretrend)
    assert (told.cluster, told.clusters) == ("county", 20)
    leads = cells.select(kind="event_time", event_time=[-4, -3, -2])
    assert told.joint == ek.wald(leads, "county")
    shown = ek.infer(leads, cluster="county")
    assert told.table["p_value"].tolist() == pytest.approx(shown["p_value"].tolist())
    assert told.facts["leads"] == 3 and told.facts["half"] == pytest.approx(told.effect / 2)


def test_one_regressions_path_uses_its_own_t() -> None:
    told = pretrend(ek.EventStudy()(ek.example_design()), cluster="county_id", leads=[-3, -2])
    assert isinstance(told, Pretrend)
    assert told.reference == "t(9)" and told.joint.distribution == "F(2, 9)"


def design(**choices: Any) -> ek.Design:
    return ek.example_design(**choices)


def event_path(**choices: Any) -> ek.Estimate:
    return ek.aggregate(ek.GroupTime()(design(**choices)), by="event_time")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pretrend(ek.GroupTime()(design())), "A pre-trend test needs event_time parameters"),
        (lambda: pretrend(event_path(base="varying")), "no reference period: its leads are steps .* base='universal'"),
        (
            lambda: pretrend(event_path(), leads=[-2, -9]),
            "-9 are no event times before the reference period -1. There are: -5, -4, -3, -2",
        ),
        (
            lambda: pretrend(event_path(), cluster="county_id", degrees=3),
            "4 leads cannot be tested jointly with 3 degrees .* at most 1",
        ),
        (lambda: pretrend(event_path(), leads=[]), r"leads= is a list of event times such as \[-3, -2\], not \[\]"),
        (lambda: pretrend(event_path(), leads=-2), "leads= is a list of event times"),  # type: ignore[arg-type]
        (lambda: pretrend(event_path(), half_of=np.nan), "half_of= is an effect in the outcome's unit, not nan"),
        (lambda: pretrend(event_path(), degrees=np.inf), "degrees= is the clusters of the smaller side less one"),
        (lambda: pretrend(event_path(), base_income=np.inf), "above zero, not inf"),
        (lambda: of_path(0.5, 2).against(np.nan), "A slope is a number per period"),
        (lambda: of_path([100.0], 1e6, 1e4 * np.eye(2), base_income=9000), "is none of logs.*scale='level'"),
        (lambda: pretrend(event_path(), degrees=0.5), "degrees= is the clusters of the smaller side less one"),
        (lambda: pretrend(event_path(), level=0.6), "between 0 and 0.5"),
        (lambda: pretrend(event_path(), bound=0), "above zero, not 0"),
        (lambda: pretrend(event_path(), base_income=-1), "above zero, not -1"),
        (lambda: pretrend(event_path(), scale="logs"), "no scale 'logs'. Did you mean 'log'"),
        (lambda: pretrend(event_path(), least_units=1), "the noise of one unit cannot be learned"),
        (lambda: pretrend(path([0.1], [1, 2], None, [50, 50, 1, 1])), "no effect with a standard error after the start"),
        (lambda: Pretest(np.eye(1), 0.05).slope_seen(0.05, -np.ones(1), "joint"), "between the level 0.05 and 1"),
    ],
)
def test_what_cannot_be_tested_is_refused(call: Any, message: str) -> None:
    with pytest.raises(EstimateError, match=message):
        call()


def test_a_path_with_two_reference_periods_has_no_slope() -> None:
    """Without never-treated units a regression's path is fixed at both ends, so any straight line fits."""
    frame = villages(units=120, starts=(2014, 2015, 2017))
    panel = ek.Panel(frame, "village", "year", ["county"])
    told = ek.EventStudy()(ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y"))
    with pytest.raises(EstimateError, match=r"2 reference periods .*a linear drift cannot be told from none"):
        pretrend(told)


def test_more_leads_than_clusters_are_refused() -> None:
    with pytest.raises(EstimateError, match=r"covariance of the 4 leads has rank 2: .* clusters are fewer"):
        groups = event_path()
        pretrend(groups.coarsen(groups.cluster("county_id").to_numpy() % 3))


@pytest.mark.parametrize("correction", ["CR1", "CR2", "CR3"])
def test_every_covariance_of_a_regression_has_its_power(correction: str) -> None:
    """A wald test's F and t are those that the power is computed with; adjusted residuals have degrees of freedom by lead."""
    told = pretrend(ek.EventStudy()(ek.example_design()), cluster="county_id", correction=correction, leads=[-3, -2])
    assert isinstance(told, Pretrend)
    K, left = (float(part) for part in told.joint.distribution[2:-1].split(", "))
    square = np.square(told.half.slope * np.array([-2, -1]))
    test = told.seen.pretest
    lead = told.half.slope * told.seen.since[:2]
    noncentrality = float(lead @ np.linalg.solve(test.sigma, lead))
    critical = special.fdtri(K, left, 0.95)
    assert told.half.joint_power == pytest.approx(1 - stats.ncf.cdf(critical, K, left, noncentrality), abs=1e-6)
    shown = ek.infer(ek.EventStudy()(ek.example_design()).select(event_time=[-3, -2]), cluster="county_id", correction=correction)
    asked = told.table[told.table["tested"]]
    assert square.all() and asked["p_value"].tolist() == pytest.approx(shown["p_value"].tolist())


def test_certainty_is_certain_however_precise_the_leads() -> None:
    """Errors a hundred-millionth of the effect: a noncentrality of 1e16 leaves the tables of the distribution and is no missing power."""
    told = of_path([0.0, 0.0], [1, 1], 1e-16 * np.eye(4))
    assert told.verdict == "passes_with_power" and told.half.joint_power == 1.0


def test_overwhelming_evidence_for_a_drift_is_infinite_and_no_overflow() -> None:
    assert of_path([-200.0, -100.0], [200, 300]).half.likelihood_ratio == np.inf


def test_one_treated_county_shows_no_noise_and_is_no_test() -> None:
    """Eight villages of one county: their influences cancel, and only the comparison's noise would be left."""
    frame = villages(units=160)
    frame["start"] = np.where(frame["county"] == 3, 2015, 0)
    panel = ek.Panel(frame, "village", "year", ["county"])
    told = ek.aggregate(
        ek.GroupTime()(ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y")), by="event_time"
    )
    with pytest.raises(EstimateError, match=r"lie in one 'county' \(3\), whose own noise cannot be seen"):
        pretrend(told, cluster="county")
    assert isinstance(pretrend(told), Pretrend)
