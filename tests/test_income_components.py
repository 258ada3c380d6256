"""Income by component: effects add up to the total, and the self-generated share knows when it is undefined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.income_components import SelfGenerated, UndefinedShare, income_components, self_generated_share

PARTS = ("wage", "business", "property", "transfer")


def incomes(gain: tuple[float, ...] = (300.0, 100.0, 0.0, 100.0), units: int = 240) -> pd.DataFrame:
    """Return villages whose incomes have four parts, with these planted effects on each."""
    frame, generator = villages(units=units), np.random.default_rng(11)
    treated = (frame["start"] > 0) & (frame["year"] >= frame["start"])
    for name, level, effect in zip(PARTS, (4000, 2000, 150, 900), gain, strict=True):
        own = np.repeat(generator.normal(level, level / 5, units), 6)
        frame[name] = (own + (frame["year"] - 2012) * level / 20 + effect * treated + generator.normal(0, 60, len(frame))).round(2)
    return frame.assign(income=frame[list(PARTS)].sum(axis=1))


def design(frame: pd.DataFrame, outcome: str = "income", weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, "village", "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), outcome, **choices)


FRAME = incomes()


class OverallAndPath:
    """A regression that returns an overall effect and a path."""

    def __call__(self, design: ek.Design) -> ek.Estimate:
        return ek.TwoWay()(design).select(kind="overall").join(ek.EventStudy()(design).select(kind="event_time"))


@pytest.mark.parametrize(
    ("estimator", "by"),
    [(ek.GroupTime(), "event_time"), (ek.TwoWay(), "overall"), (OverallAndPath(), "event_time")],
)
@pytest.mark.parametrize(
    "choices",
    [{}, {"covariates": ["share", "rain"]}, {"weight": "households"}, {"rows": "county"}],
)
def test_the_effects_on_the_parts_add_up_to_the_effect_on_the_total(estimator: Any, by: str, choices: dict[str, Any]) -> None:
    effects = income_components(design(FRAME, **choices), PARTS, estimator, by=by).effects
    for _, cell in effects.cells.drop_duplicates(["kind", "event_time"]).iterrows():
        here = (effects.cells["kind"] == cell["kind"]).to_numpy()
        if cell["kind"] == "event_time":
            here = here & (effects.cells["event_time"] == cell["event_time"]).to_numpy()
        one = effects.select(here)
        assert list(one.cells["name"]) == ["total", *PARTS]
        sign = np.array([-1, 1, 1, 1, 1])
        assert abs(one.theta @ sign) < 1e-8
        assert np.abs(one.psi @ sign).max() <= 1e-8 * np.abs(one.psi).max()


def test_the_effect_on_the_total_is_the_one_estimated_on_the_total() -> None:
    told = income_components(
        design(FRAME), {"wages": "wage", "own business": "business", "rent": "property", "support": "transfer"}, ek.GroupTime()
    )
    expected = ek.aggregate(ek.GroupTime()(design(FRAME)), "overall")
    np.testing.assert_array_equal(told.effects.theta[:1], expected.theta)
    assert told.components == ("wages", "own business", "rent", "support") and told.self_generated is None
    alone = ek.aggregate(ek.GroupTime()(design(FRAME, "business")), "overall")
    np.testing.assert_array_equal(told.effects.psi[:, [2]], alone.psi)


def test_planted_effects_on_the_parts_are_found() -> None:
    effects = income_components(design(FRAME), PARTS, ek.GroupTime(), self_generated=["wage", "business"]).effects
    table = ek.infer(effects, cluster="county")
    np.testing.assert_allclose(table["estimate"][1:], [300, 100, 0, 100], atol=4 * table["std_error"].max())


def test_the_share_is_what_households_earn_over_the_total() -> None:
    told = income_components(design(FRAME), PARTS, ek.GroupTime(), self_generated=["wage", "business"], cluster="county")
    share = told.self_generated
    assert isinstance(share, SelfGenerated)
    total, wage, business = told.effects.theta[:3]
    assert share.share == pytest.approx((wage + business) / total)
    assert share.fieller[0] < share.share < share.fieller[1] and (share.cluster, share.clusters) == ("county", 20)
    assert share.delta == pytest.approx(share.fieller, abs=0.02)  # the total is large against its noise: both agree


def ratio_of(theta: tuple[float, float], V: np.ndarray, **choices: Any) -> SelfGenerated | UndefinedShare:
    """Return the share of an estimate with just these two effects and this covariance."""
    root = np.linalg.cholesky(V).T
    psi = np.vstack([root, -root]) * np.sqrt(len(root) * 2) / np.sqrt(2) * np.sqrt(len(root) * 2)
    cells = pd.concat([ek.estimate.cell_frame("overall", 1, name=name, units=50) for name in ("wage", "total")], ignore_index=True)
    rows = pd.DataFrame({"unit": np.arange(len(psi))})
    estimate = ek.Estimate(np.array(theta), psi, cells, rows, ek.estimate.Facts(observations=len(psi)))
    np.testing.assert_allclose(ek.covariance(estimate).matrix, V)
    return self_generated_share(estimate, ["wage"], **choices)


def test_the_fieller_interval_by_hand() -> None:
    """a = 3, b = 4, variances 1, no covariance, q = 1: (16 - 1) r^2 - 24 r + (9 - 1) = 0."""
    level = float(2 * stats.norm.cdf(1) - 1)
    share = ratio_of((3.0, 4.0), np.eye(2), level=level)
    assert isinstance(share, SelfGenerated)
    assert share.fieller == pytest.approx(tuple(sorted(np.roots([15, -24, 8]))))
    # The delta method: sd of a/b is sqrt(1/16 + 9/256).
    half = np.sqrt(1 / 16 + 9 / 256)
    assert share.delta == pytest.approx((0.75 - half, 0.75 + half))


def test_the_ends_of_the_fieller_interval_are_ratios_just_not_rejected() -> None:
    V = np.array([[2.0, 0.7], [0.7, 1.5]])
    share = ratio_of((5.0, 9.0), V)
    assert isinstance(share, SelfGenerated)
    for r in share.fieller:
        z = (5 - r * 9) / np.sqrt(V[0, 0] - 2 * r * V[0, 1] + r**2 * V[1, 1])
        assert abs(z) == pytest.approx(stats.norm.ppf(0.975))


def test_there_is_no_share_of_a_total_whose_interval_covers_zero() -> None:
    share = ratio_of((5.0, 1.9), np.eye(2))
    assert isinstance(share, UndefinedShare) and share.reason.code == "SHARE_UNDEFINED"
    assert share.reason.facts["conf_low"] < 0 < share.reason.facts["conf_high"]
    assert isinstance(ratio_of((5.0, 2.0), np.eye(2)), SelfGenerated)  # 2 > 1.96
    assert isinstance(ratio_of((5.0, 2.0), np.eye(2), level=0.99), UndefinedShare)


def test_a_share_of_one_treated_unit_has_no_noise_to_learn_from() -> None:
    frame = FRAME[(FRAME["start"] == 0) | (FRAME["village"] == FRAME["village"][FRAME["start"] == 2014].iloc[0])]
    share = income_components(design(frame), PARTS, ek.GroupTime(), self_generated=["wage"]).self_generated
    assert isinstance(share, UndefinedShare) and share.reason.code == "SHARE_WITHOUT_NOISE"


def test_the_fieller_interval_covers_a_planted_share() -> None:
    """200 draws of (a, b) around (1, 2.5) with sd 0.5 and 0.5: coverage 95% up to 3.5 standard errors of the count."""
    generator, hits, told = np.random.default_rng(5), 0, 0
    for _ in range(200):
        share = ratio_of(tuple(generator.normal((1.0, 2.5), 0.5)), 0.25 * np.eye(2))
        if isinstance(share, SelfGenerated):
            told += 1
            hits += share.fieller[0] <= 0.4 <= share.fieller[1]
    assert told > 170
    # Given that a share is told at all, the interval may only cover more often than it says where totals are large.
    assert hits / told > 0.95 - 3.5 * np.sqrt(0.05 * 0.95 / told)


def spoiled(**changes: Any) -> pd.DataFrame:
    frame = FRAME.copy()
    for name, value in changes.items():
        frame.loc[[7, 300], name] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "outcome", "components", "choices", "message"),
    [
        (spoiled(wage=np.nan), "income", PARTS, {"unbalanced": "pairwise"}, r"'wage'.*different rows, 2 in all: 101 \(2013\), 150 \(2012\)"),
        (spoiled(wage=0.0), "income", PARTS, {}, r"do not add up to 'income' in 2 rows.*101 \(2013\) -.*frame\['other'\]"),
        (FRAME, "income", PARTS[:3], {}, "do not add up to 'income' in 1,440 rows"),
        (FRAME.assign(log_income=np.log(FRAME["income"])), "log_income", PARTS, {}, "is a logarithm.*in levels only"),
        (FRAME.assign(y2=np.log(FRAME["income"])), "y2", PARTS, {}, "'y2' is a logarithm"),
        (FRAME, "income", ["income"], {}, "at least two components"),
        (FRAME, "income", {"total": "wage", "rest": "business"}, {}, "'total' names the effect"),
        (FRAME, "income", {"a": "wage", "b": "wage"}, {}, "more than one component: wage"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_refused_with_the_place_and_the_cure(
    frame: pd.DataFrame, outcome: str, components: Any, choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(ek.DesignError, match=message):
        income_components(design(frame, outcome, **choices), components, ek.GroupTime())


def test_rows_missing_in_all_parts_and_the_total_are_no_obstacle() -> None:
    gaps = with_gaps(FRAME)
    gaps.loc[5, [*PARTS, "income"]] = np.nan
    effects = income_components(design(gaps, unbalanced="pairwise"), PARTS, ek.GroupTime()).effects
    assert abs(effects.theta @ [-1, 1, 1, 1, 1]) < 1e-8


def test_an_estimator_that_is_not_linear_in_income_is_refused() -> None:
    def squared(design: ek.Design) -> ek.Estimate:
        estimate = ek.TwoWay()(design)
        return estimate.map(estimate.theta**2, np.eye(1), estimate.cells)

    with pytest.raises(ek.EstimateError, match="not linear in the outcome"):
        income_components(design(FRAME), PARTS, squared)


def test_a_component_named_twice_is_earned_once() -> None:
    once, twice = (income_components(design(FRAME), PARTS, ek.GroupTime(), earned) for earned in (["wage"], ["wage", "wage"]))
    assert once.self_generated == twice.self_generated


def test_an_unknown_component_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ek.DesignError, match="Did you mean 'wage'"):
        income_components(design(FRAME), PARTS, ek.GroupTime(), self_generated=["wages"])
    with pytest.raises(ek.EstimateError, match="no event_time effect"):
        income_components(design(FRAME), PARTS, ek.TwoWay(), by="event_time")
