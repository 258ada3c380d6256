"""Attrition: who left, by arm, and bounds on the effect that hold whoever left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import households, villages

import evalkit as ek
from evalkit.diagnostics.attrition import attrition
from evalkit.diagnostics.attrition_bounds import imbens_manski, lee_bounds, manski_bounds
from evalkit.words import catalogue


def design(frame: pd.DataFrame, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], choices.pop("weight", None))
    rollout = ek.Rollout.from_first_treated(panel, "start", never=0)
    return ek.Design(panel, rollout, "y", **{"unbalanced": "pairwise"} | choices)


def changes(treated: list[float | None], comparison: list[float | None], per_county: int = 1) -> pd.DataFrame:
    """Return villages with 5 in 2015 and 5 + change in 2016, where None was not seen again."""
    rows = []
    for i, change in enumerate([*treated, *comparison]):
        start = 2016 if i < len(treated) else 0
        rows.append((i, 2015, i // per_county, start, 5.0))
        if change is not None:
            rows.append((i, 2016, i // per_county, start, 5.0 + change))
    return pd.DataFrame(rows, columns=["village", "year", "county", "start", "y"])


BY_HAND = changes([1, 2, 3, 6], [1, 1, None, None])


def test_shares_lost_by_hand_with_the_error_of_their_difference() -> None:
    """0 of 4 and 2 of 4 were lost: the difference is -50 points, its error root(0.5 * 0.5 / 4)."""
    found = attrition(design(BY_HAND), correction="none")
    table = found.table.set_index("arm")
    assert table["estimate"].tolist() == [0, 0.5, -0.5] and table["seen"].tolist() == [4, 2, 6]
    assert table.loc["difference", "std_error"] == pytest.approx(np.sqrt(0.5 * 0.5 / 4))
    assert found.high == ("comparison",) and found.apart and (found.base, found.at) == (2015, 2016)
    assert [n.code for n in found.notices] == ["ATTRITION_HIGH", "ATTRITION_APART"]
    assert found.cohorts["lost"].tolist() == [0, 0.5]


def test_little_and_equal_attrition_is_not_flagged() -> None:
    found = attrition(design(changes([1.0] * 9 + [None], [0.0] * 9 + [None])))
    assert not found.high and not found.apart and found.notices == ()


def test_attrition_does_not_depend_on_what_the_design_does_with_missing_rows() -> None:
    frame = villages(units=60)
    frame = frame[~((frame["village"] < 110) & (frame["year"] == 2017))]
    frame.loc[frame["village"] == 120, "y"] = np.nan
    one, two = (attrition(design(frame, unbalanced=how)).table for how in ("pairwise", "drop_units"))
    pd.testing.assert_frame_equal(one, two)
    assert one["units"].iloc[2] == 59 and one["seen"].iloc[2] == 49


def test_units_of_one_county_that_leave_together_are_one_event() -> None:
    frame = changes([1.0, 1.0, None, None] * 4, [1.0, 1.0, 1.0, 1.0] * 4, per_county=2)
    alone = attrition(design(frame), correction="none").table["std_error"].iloc[0]
    together = attrition(design(frame), cluster="county", correction="none").table["std_error"].iloc[0]
    assert together == pytest.approx(alone * np.sqrt(2))


def test_units_treated_by_the_base_period_are_left_out_and_counted() -> None:
    frame = villages(units=60)
    found = attrition(design(frame), base=2015)
    assert found.already == int((frame.groupby("village")["start"].first() == 2014).sum()) and found.at == 2017


def test_trimming_bounds_by_hand() -> None:
    """Half of the comparison stayed, all of the treated: the lower half (1, 2) and the upper (3, 6) of the treated against 1."""
    found = lee_bounds(design(BY_HAND))
    assert found.table["estimate"].tolist() == pytest.approx([1.5 - 1, 4.5 - 1])
    assert found.without_bounds == pytest.approx(2.0) and (found.trimmed_arm, found.trimmed_share) == ("treated", 0.5)
    mirrored = lee_bounds(design(changes([1, 1, None, None], [1, 2, 3, 6])))
    assert mirrored.table["estimate"].tolist() == pytest.approx([1 - 4.5, 1 - 1.5]) and mirrored.trimmed_arm == "comparison"


def test_the_unit_at_the_edge_counts_in_part() -> None:
    """5 of 8 stayed against 4 of 4: 2.5 of the four treated are kept, 1 + 2 + half of 3."""
    found = lee_bounds(design(changes([1, 2, 3, 6], [0, 0, 0, 0, 0, None, None, None])))
    assert found.table["estimate"].tolist() == pytest.approx([(1 + 2 + 1.5) / 2.5, (6 + 3 + 1) / 2.5])


def lee_formula(treated: np.ndarray, comparison: np.ndarray) -> tuple[float, float]:
    """Return the lower bound and its error by proposition 3 of Lee (2009), NaN for those not seen, more treated staying."""
    n1, n0 = len(treated), len(comparison)
    N, ED = n1 + n0, n1 / (n1 + n0)
    y1, y0 = np.sort(treated[~np.isnan(treated)]), comparison[~np.isnan(comparison)]
    a1, a0 = len(y1) / n1, len(y0) / n0
    p = 1 - a0 / a1
    kept = y1[: round((1 - p) * len(y1))]
    mu, edge = kept.mean(), kept[-1]
    ESD = len(y1) / N
    of_share = (1 - p) ** 2 * ((1 - a1) / (ED * a1) + (1 - a0) / ((1 - ED) * a0))
    V = kept.var() / (ESD * (1 - p)) + (edge - mu) ** 2 * p / (ESD * (1 - p)) + ((edge - mu) / (1 - p)) ** 2 * of_share
    V += y0.var() / (len(y0) / N)
    return mu - y0.mean(), np.sqrt(V / N)


def test_errors_are_those_of_lees_proposition() -> None:
    generator = np.random.default_rng(1)
    treated, comparison = generator.normal(1, 1, 100), generator.normal(0, 1, 80)
    treated[:20], comparison[:32] = np.nan, np.nan  # 80% and 60%: 60 of 80 are kept, no unit in part
    as_list = [[None if np.isnan(v) else float(v) for v in arm] for arm in (treated, comparison)]
    found = lee_bounds(design(changes(*as_list)), correction="none")
    bound, error = lee_formula(treated, comparison)
    row = found.table.iloc[0]
    assert row["estimate"] == pytest.approx(bound, rel=1e-10) and row["std_error"] == pytest.approx(error, rel=1e-8)


def test_errors_of_bounds_agree_with_a_bootstrap() -> None:
    generator = np.random.default_rng(4)
    n = 400
    arm = np.arange(n) % 2 == 0
    seen = generator.random(n) < np.where(arm, 0.9, 0.7)
    y = generator.normal(arm, 1)

    def bounds(index: np.ndarray) -> list[float]:
        t, s, v = arm[index], seen[index], y[index]
        kappa = s[~t].mean() / s[t].mean()
        own = np.sort(v[t & s])
        k = round(kappa * len(own))
        return [own[:k].mean() - v[~t & s].mean(), own[len(own) - k :].mean() - v[~t & s].mean()]

    draws = np.array([bounds(generator.integers(0, n, n)) for _ in range(800)])
    told = [[float(v) if s else None for v, s in zip(y[a], seen[a], strict=True)] for a in (arm, ~arm)]
    np.testing.assert_allclose(lee_bounds(design(changes(*told))).table["std_error"], draws.std(axis=0), rtol=0.12)


def test_bounds_hold_the_effect_when_treatment_keeps_the_weak_in_and_the_plain_difference_does_not() -> None:
    generator = np.random.default_rng(2)
    n = 2000
    arm, luck = np.arange(n) % 2 == 0, generator.normal(size=n)
    seen = luck > np.where(arm, -2.0, -0.5)  # the unlucky leave unless they are treated
    told = [
        [float(1 + v if t else v) if s else None for v, s, t in zip(luck[a], seen[a], arm[a], strict=True)] for a in (arm, ~arm)
    ]
    found = lee_bounds(design(changes(*told)))
    low, high = found.table["estimate"]
    assert low < 1 < high + 1e-3 and found.conf_low < 1 < found.conf_high and found.without_bounds < 0.7


def test_without_bounds_there_is_a_reason() -> None:
    complete, equal = design(changes([1, 2], [3, 4])), design(changes([1, None], [3, None]))
    assert "Nobody seen in 2015 was lost" in lee_bounds(complete).reason
    assert "Both arms kept 50.0%" in lee_bounds(equal).reason and lee_bounds(equal).without_bounds == -2
    wrong = lee_bounds(design(BY_HAND), monotone="treatment loses")
    assert "the other way round than said" in wrong.reason and wrong.estimate is None and np.isnan(wrong.conf_low)
    assert lee_bounds(design(BY_HAND), monotone="treatment keeps").reason == ""
    assert "Nobody of the comparison is seen" in lee_bounds(design(changes([1, 2], [None, None]))).reason
    assert "No lee bounds" in repr(wrong) and len(wrong.table) == 0


def test_worst_case_bounds_by_hand() -> None:
    """Outcomes lie in 0 to 20: the two lost of the comparison, at 5 before, changed by -5 at worst and 15 at best."""
    found = manski_bounds(design(BY_HAND), (0, 20))
    assert found.table["estimate"].tolist() == pytest.approx([3 - (1 + 1 + 15 + 15) / 4, 3 - (1 + 1 - 5 - 5) / 4])
    assert found.conf_low < found.table["estimate"].iloc[0] and found.assumption == "BOUNDED_OUTCOME"


def test_worst_case_bounds_hold_those_of_trimming_and_widen_with_the_range() -> None:
    near, far, lee = manski_bounds(design(BY_HAND), (0, 20)), manski_bounds(design(BY_HAND), (0, 40)), lee_bounds(design(BY_HAND))
    assert (
        near.table["estimate"].iloc[0]
        < lee.table["estimate"].iloc[0]
        < lee.table["estimate"].iloc[1]
        < near.table["estimate"].iloc[1]
    )
    # Half of one arm was lost: twice the range makes the bounds wider by 0.5 times 20.
    widths = [float(np.diff(found.table["estimate"])[0]) for found in (near, far)]
    assert widths[1] - widths[0] == pytest.approx(0.5 * 20)


def test_the_interval_of_the_effect_solves_its_equation() -> None:
    from scipy import special

    for ratio in (0.0, 0.3, 2.0):
        c = imbens_manski(ratio * 2.0, 2.0, 0.9)
        assert special.ndtr(c + ratio) - special.ndtr(-c) == pytest.approx(0.9, abs=1e-12)


def test_what_has_no_meaning_is_refused() -> None:
    made = design(BY_HAND)
    with pytest.raises(ek.DesignError, match="does not follow units"):
        attrition(design(households(rows=400), unit=None))
    with pytest.raises(ek.DesignError, match="There is no period for at '2030'"):
        attrition(made, at=2030)
    with pytest.raises(ek.DesignError, match="base period comes before the end"):
        attrition(made, base=2016, at=2015)
    with pytest.raises(ek.DesignError, match="No treated unit is seen in 2014"):
        attrition(design(villages(starts=(0, 2014), units=60)), base=2014)
    with pytest.raises(ek.EstimateError, match="There is no direction 'up'"):
        lee_bounds(made, monotone="up")
    with pytest.raises(ek.EstimateError, match="outcome_range is the lowest"):
        manski_bounds(made, (9, 3))
    with pytest.raises(ek.EstimateError, match="outcomes lie outside 0 to 10"):
        manski_bounds(made, (0, 10))


def test_nobody_lost_has_the_reason_why_there_is_no_error() -> None:
    table = attrition(design(changes([1, 2], [1, 1]))).table
    assert table["std_error"].tolist() == [0, 0, 0] and table["no_error"].str.startswith("Nobody was lost").all()


def test_the_interval_of_the_effect_is_as_wide_as_the_reference_distribution_of_its_errors() -> None:
    assert imbens_manski(0.0, 1.0, 0.95, 4) == pytest.approx(2.7764, abs=1e-4)
    assert imbens_manski(50.0, 1.0, 0.95, 4) == pytest.approx(2.1318, abs=1e-4)
    made = design(changes([1, 2, 3, 6] * 3, [1, 1, 2, None] * 3, per_county=3))
    normal, student = (lee_bounds(made, cluster="county", reference=reference) for reference in ("z", "t"))
    highest = student.table["estimate"].iloc[1]
    assert student.conf_high - highest > 1.1 * (normal.conf_high - highest) > 0


def test_what_bounds_assume_is_said_to_readers() -> None:
    made = design(BY_HAND)
    for found, code in ((lee_bounds(made), "MONOTONE_SELECTION"), (manski_bounds(made, (0, 20_000)), "BOUNDED_OUTCOME")):
        assert [notice.code for notice in found.notices] == [found.assumption] == [code]
        for lang in ("en", "zh"):
            assert "{" not in catalogue(lang).say(f"estimator_notice.{code}", **found.notices[0].facts)
    assert "50.0%" in catalogue("zh").say("estimator_notice.MONOTONE_SELECTION", **lee_bounds(made).notices[0].facts)


@pytest.mark.parametrize("outcome_range", [5, (1, 2, 3), ("a", "b"), (2, 1), (0, np.inf)])
def test_a_range_has_two_ends(outcome_range: Any) -> None:
    with pytest.raises(ek.EstimateError, match="outcome_range is the lowest and the highest"):
        manski_bounds(design(BY_HAND), outcome_range)


def test_periods_that_are_not_there_are_named() -> None:
    with pytest.raises(ek.DesignError, match="no period for at 'later'"):
        attrition(design(BY_HAND), at="later")  # type: ignore[arg-type]
