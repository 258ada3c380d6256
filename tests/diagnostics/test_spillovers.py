"""Spillovers: who is near, a planted effect on neighbours is found, and the donut is free of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import households, villages

import evalkit as ek
from evalkit.diagnostics.spillovers import FAR, Rings, beside_donut, donut, rings, spillovers
from evalkit.subset import on_rows_of, with_starts, without_units

YEARS = np.arange(2012, 2018)


def design(frame: pd.DataFrame, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], choices.pop("weight", None))
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def table(rows: list[tuple[Any, ...]], columns: tuple[str, ...]) -> pd.DataFrame:
    """Return the same villages in 2015, 2016 and 2017."""
    frame = pd.DataFrame(rows, columns=["village", "start", *columns])
    frame = pd.concat([frame.assign(year=year) for year in (2015, 2016, 2017)], ignore_index=True)
    return frame.assign(county=1, y=np.arange(len(frame), dtype=float) ** 1.5)


def told(near: Rings, made: ek.Design) -> dict[object, tuple[str, float]]:
    return {u: (near.names[r], s) for u, r, s in zip(made.units, near.ring, near.start, strict=True) if r >= 0}


PLACES = table(
    [("a", 2016, "T1"), ("b", 2017, "T1"), ("c", 0, "T1"), ("d", 0, "T2"), ("e", 0, "T3"), ("f", 2017, "T4"), ("g", 0, "T4")],
    ("township",),
)


def test_untreated_villages_of_a_township_with_treated_ones_are_near_from_the_first_start() -> None:
    made = design(PLACES)
    assert told(rings(made, same="township"), made) == {
        "c": ("same", 2016), "d": (FAR, np.inf), "e": (FAR, np.inf), "g": ("same", 2017),
    }  # fmt: skip


def test_neighbouring_townships_are_the_second_ring() -> None:
    made = design(PLACES)
    pairs = pd.DataFrame({"one": ["T2", "T4", "T9"], "other": ["T1", "T1", "T1"]})
    near = rings(made, same="township", neighbours=pairs)
    assert told(near, made) == {"c": ("same", 2016), "d": ("neighbour", 2016), "e": (FAR, np.inf), "g": ("same", 2016)}
    assert [(n.code, n.facts) for n in near.notices] == [("NEIGHBOURS_WITHOUT_UNITS", {"pairs": 1})]
    of_units = rings(made, neighbours=pd.DataFrame({"one": ["c"], "other": ["b"]}))
    assert told(of_units, made)["c"] == ("neighbour", 2017) and of_units.names == ("neighbour", FAR)


def test_rings_of_distance_by_hand() -> None:
    """One degree of latitude is 111.195 km; one of longitude at 25 degrees north is 100.8 km."""
    frame = table(
        [
            ("a", 2017, 103.0, 25.0),
            ("b", 2016, 103.0, 25.4),
            ("near", 0, 103.05, 25.0),
            ("middle", 0, 103.0, 25.25),
            ("away", 0, 104.0, 25.0),
        ],
        ("lon", "lat"),
    )
    made = design(frame)
    near = rings(made, coordinates=("lon", "lat"), widths_km=(10, 20, 50))
    # b is 45 km from near: within the outermost ring, so near has had a treated neighbour since 2016.
    assert told(near, made) == {"near": ("0-10 km", 2016), "middle": ("10-20 km", 2016), "away": (FAR, np.inf)}
    km = dict(zip(made.units, near.distance, strict=True))
    assert (
        km["middle"] == pytest.approx(0.15 * 111.195, rel=1e-4) and km["away"] == pytest.approx(100.78, rel=1e-3) and km["a"] == 0
    )
    assert near.counts["units"].tolist() == [1, 1, 0, 1]


def test_distances_are_great_circles() -> None:
    generator = np.random.default_rng(1)
    lon, lat = generator.uniform(75, 130, 40), generator.uniform(20, 50, 40)
    made = design(table([(i, 2016 if i < 15 else 0, lon[i], lat[i]) for i in range(40)], ("lon", "lat")))
    found = rings(made, coordinates=("lon", "lat"), widths_km=(500,)).distance
    a, b = np.radians(lat), np.radians(lon)
    half = np.sin((a[:, None] - a) / 2) ** 2 + np.cos(a[:, None]) * np.cos(a) * np.sin((b[:, None] - b) / 2) ** 2
    haversine = 2 * 6371.0088 * np.arcsin(np.sqrt(half))
    np.testing.assert_allclose(found[15:], haversine[15:, :15].min(axis=1), rtol=1e-9)


def leaking(seed: int, per_town: int = 8, towns: int = 60, spill: float = 0.2, effect: float = 0.5) -> pd.DataFrame:
    """Return towns, half of them with treated villages, whose untreated villages gain from the first start in the town on."""
    generator = np.random.default_rng(seed)
    units = per_town * towns
    town = np.repeat(np.arange(towns), per_town)
    first = generator.choice([2014, 2016], units)
    start = np.where((town % 2 == 0) & (np.arange(units) % 2 == 0), first, 0)
    from_when = np.where(start > 0, start, 9999)
    opened = np.full(towns, 9999)
    np.minimum.at(opened, town, from_when)
    y = generator.normal(size=units)[:, None] + 0.1 * (YEARS - 2012) + generator.normal(0, 0.1, (units, 6))
    y = (
        y
        + effect * ((start[:, None] > 0) & (start[:, None] <= YEARS))
        + spill * ((start[:, None] == 0) & (opened[town][:, None] <= YEARS))
    )
    frame = pd.DataFrame({"village": np.repeat(np.arange(units), 6), "year": np.tile(YEARS, units), "y": y.ravel()})
    return frame.assign(county=np.repeat(town, 6), town=np.repeat(town, 6), start=np.repeat(start, 6))


def test_a_planted_effect_on_neighbours_is_found_and_biases_the_naive_effect_but_not_the_donut() -> None:
    made = design(leaking(1))
    near = rings(made, same="town")
    found = ek.infer(spillovers(made, ek.GroupTime(), near)).iloc[0]
    assert abs(found["estimate"] - 0.2) < 3.5 * found["std_error"] < 0.1 and found["name"] == "same"
    beside = ek.infer(beside_donut(made, ek.GroupTime(), near)).set_index("name")
    assert abs(beside.loc["donut", "estimate"] - 0.5) < 3.5 * beside.loc["donut", "std_error"]
    # A third of the never-treated villages lie near the treated, most since 2014: that cohort loses up to 0.2 / 3, the next nothing.
    assert -0.2 / 3 < beside.loc["all", "estimate"] - 0.5 < -0.015
    assert beside.loc["difference", "p_value"] < 1e-4
    apart = np.hypot(beside.loc["all", "std_error"], beside.loc["donut", "std_error"])
    assert beside.loc["difference", "std_error"] < apart / 2


def test_without_spillovers_intervals_of_the_difference_cover_zero() -> None:
    """60 draws, 95% up to 3.5 standard errors of the count."""
    covered = []
    for seed in range(60):
        made = design(leaking(seed, towns=30, spill=0.0))
        row = ek.infer(beside_donut(made, ek.GroupTime(), rings(made, same="town"))).iloc[2]
        covered.append(row["conf_low"] <= 0 <= row["conf_high"])
    assert np.mean(covered) > 0.95 - 3.5 * np.sqrt(0.05 * 0.95 / 60)


def test_the_effect_of_a_ring_is_that_of_a_design_made_by_hand() -> None:
    frame = leaking(2)
    opened = frame[frame["start"] > 0].groupby("town")["start"].min()
    by_hand = frame[frame["start"] == 0].assign(start=lambda f: f["town"].map(opened).fillna(0).astype(int))
    expected = ek.aggregate(ek.GroupTime()(design(by_hand)), "overall")
    made = design(frame)
    found = spillovers(made, ek.GroupTime(), rings(made, same="town"))
    np.testing.assert_allclose(found.theta, expected.theta)
    np.testing.assert_allclose(ek.covariance(found).matrix, ek.covariance(expected).matrix)
    np.testing.assert_allclose(ek.covariance(found, "county").matrix, ek.covariance(expected, "county").matrix)


def test_a_donut_is_the_same_design_without_the_near_villages() -> None:
    frame = leaking(3)
    near_towns = set(frame.loc[frame["start"] > 0, "town"])
    by_hand = design(frame[(frame["start"] > 0) | ~frame["town"].isin(near_towns)])
    made = design(frame)
    hole = donut(made, rings(made, same="town"))
    assert hole.notices[0].code == "UNITS_TAKEN_OUT"
    ours, expected = ek.GroupTime()(hole), ek.GroupTime()(by_hand)
    np.testing.assert_array_equal(ours.theta, expected.theta)
    np.testing.assert_array_equal(ours.psi, expected.psi)


def test_two_rings_are_told_with_their_covariance_and_an_early_one_is_named() -> None:
    frame = leaking(4)
    made = design(frame)
    near = rings(made, same="town", neighbours=pd.DataFrame({"one": np.arange(0, 20, 2), "other": np.arange(1, 21, 2)}))
    both = spillovers(made, ek.GroupTime(), near)
    assert list(both.cells["name"]) == ["same", "neighbour"] and ek.covariance(both).matrix[0, 1] != 0
    late = frame[frame["year"] >= 2014].assign(start=frame["start"].replace(2016, 2014))
    late.loc[late["village"] == 0, "start"] = 2016
    made = design(late[late["town"].isin([0, 1, 2, 3])])
    with pytest.raises(ek.DesignError, match="No ring can be estimated: same"):
        spillovers(made, ek.GroupTime(), rings(made, same="town"))


def test_rows_of_observations_cannot_be_matched_between_the_two() -> None:
    made = design(leaking(5), rows="observation")
    with pytest.raises(ek.EstimateError, match="counted anew when units leave"):
        beside_donut(made, ek.TwoWay(), rings(made, same="town"))


COORDINATES = table([(i, 2016 if i < 3 else 0, 103 + i / 10, 25 + i / 10) for i in range(8)], ("lon", "lat"))


def changed(column: str, value: float, rows: list[int]) -> pd.DataFrame:
    frame = COORDINATES.copy()
    frame.loc[rows, column] = value
    return frame


ALL_ROWS = [1, 9, 17]  # village 1 in its three years


@pytest.mark.parametrize(
    ("frame", "choices", "message"),
    [
        (COORDINATES, {}, "Say what near means"),
        (COORDINATES, {"same": "county", "coordinates": ("lon", "lat")}, "Say what near means"),
        (COORDINATES, {"coordinates": ("lat", "lon")}, r"swapped: 'lat' is 25.*coordinates=\('lon', 'lat'\)"),
        (changed("lon", np.nan, ALL_ROWS), {"coordinates": ("lon", "lat")}, "'lon' is missing for 1 units: 1"),
        (changed("lon", 104.0, [1]), {"coordinates": ("lon", "lat")}, "'lon' changes over time for 1 units: 1"),
        (changed("lat", 60.0, ALL_ROWS), {"coordinates": ("lon", "lat")}, "outside China.*1 units: 1"),
        (COORDINATES, {"coordinates": ("lon", "lat"), "widths_km": (20, 10)}, "each larger than the one before"),
        (COORDINATES, {"coordinates": ("lon", "lat"), "widths_km": (5, np.nan)}, "each larger than the one before"),
        (COORDINATES, {"coordinates": ("lon", "lat"), "widths_km": ()}, "each larger than the one before"),
        (COORDINATES, {"coordinates": ("lon", "lat"), "widths_km": "far"}, "each larger than the one before.*not 'far'"),
        (COORDINATES, {"coordinates": ("lon",)}, "Coordinates are two columns"),
        (COORDINATES, {"coordinates": "lon"}, "Coordinates are two columns"),
        (changed("county", 2, [1]), {"same": "county"}, "change their 'county': 1"),
        (COORDINATES, {"neighbours": pd.DataFrame({"a": ["x"], "b": ["y"]})}, "None of the 1 pairs"),
        (COORDINATES, {"neighbours": pd.DataFrame({"a": ["x"]})}, "two columns are pairs"),
    ],
)
def test_what_says_nothing_about_nearness_is_refused(frame: pd.DataFrame, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        rings(design(frame), **choices)


def test_a_donut_that_leaves_nobody_out_is_no_other_effect() -> None:
    made = design(COORDINATES)
    narrow = rings(made, coordinates=("lon", "lat"), widths_km=0.001)
    with pytest.raises(ek.DesignError, match=r"the same effect\. Choose wider rings"):
        beside_donut(made, ek.GroupTime(), narrow)


def test_rings_that_leave_nobody_far_or_belong_to_other_data_are_refused() -> None:
    made = design(COORDINATES)
    everyone = rings(made, coordinates=("lon", "lat"), widths_km=(500,))
    with pytest.raises(ek.DesignError, match="nobody untouched"):
        spillovers(made, ek.GroupTime(), everyone)
    near = rings(made, coordinates=("lon", "lat"), widths_km=50)
    assert near.names == ("0-50 km", FAR)
    others = (COORDINATES[COORDINATES["village"] != 7], COORDINATES.assign(village=COORDINATES["village"] + 1))
    for frame in others:
        for asked in (lambda d: spillovers(d, ek.GroupTime(), near), lambda d: donut(d, near)):
            with pytest.raises(ek.DesignError, match=r"made for other units \(8\)"):
                asked(design(frame))
    with pytest.raises(ek.DesignError, match="Did you mean '0-500 km'"):
        donut(made, everyone, ["0-50 km"])


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("choices", [{}, {"weight": "households", "covariates": ["share"]}, {"rows": "county"}])
def test_a_design_without_units_is_the_design_of_the_data_without_them(order: str, choices: dict[str, Any]) -> None:
    frame = villages(units=90)
    frame["village"] = "v" + frame["village"].astype(str)
    if order == "shuffled":
        frame = frame.sample(frac=1, random_state=1, ignore_index=True)
    made = design(frame, **choices)
    leave = np.array([hash_ % 3 == 0 for hash_ in range(len(made.units))])
    smaller, by_hand = without_units(made, leave), design(frame[~frame["village"].isin(made.units[leave])], **choices)
    ours, expected = ek.GroupTime()(smaller), ek.GroupTime()(by_hand)
    np.testing.assert_array_equal(ours.theta, expected.theta)
    pd.testing.assert_frame_equal(ours.rows, expected.rows)
    whole = on_rows_of(ours, made.row_keys)
    np.testing.assert_allclose(ek.covariance(whole).matrix, ek.covariance(ours).matrix, atol=1e-15)
    assert len(made.units) == 90 and made.notices == design(frame, **choices).notices


def test_households_and_kept_intensities_follow_their_rows() -> None:
    seen_once = households(rows=900)
    made = design(seen_once, unit=None, comparison="never_treated")
    smaller = without_units(made, made.cohort == 2014)
    expected = ek.GroupTime()(design(seen_once[seen_once["start"] != 2014], unit=None, comparison="never_treated"))
    np.testing.assert_array_equal(ek.GroupTime()(smaller).theta, expected.theta)
    frame = villages(units=60).assign(on=lambda f: ((f["start"] > 0) & (f["year"] == f["start"])) * 1.0)
    panel = ek.Panel(frame, "village", "year")
    switching = ek.Design(panel, ek.Rollout.from_status(panel, "on", reversals="keep"), "y")
    part = without_units(switching, np.arange(60) < 20)
    np.testing.assert_array_equal(part.intensity, frame["on"][frame["village"] >= 120])


def test_a_mask_of_another_shape_or_without_anybody_is_refused() -> None:
    made = design(villages(units=60))
    with pytest.raises(ek.DesignError, match="One True or False a unit is needed: 60"):
        without_units(made, np.zeros(59, dtype=bool))
    with pytest.raises(ek.DesignError, match="No unit would be left"):
        without_units(made, np.ones(60, dtype=bool))
    with pytest.raises(ek.DesignError, match="there is no effect to estimate"):
        without_units(made, np.isfinite(made.cohort))
    other = ek.GroupTime()(made)
    with pytest.raises(ek.EstimateError, match="not among these: 100"):
        on_rows_of(other, other.rows.iloc[1:])
    with pytest.raises(ek.EstimateError, match="'county', those of the estimate 'village'"):
        on_rows_of(other, pd.DataFrame({"county": [1, 2]}))


def test_late_starts_are_counted_anew_in_the_smaller_design() -> None:
    frame = villages(units=60, starts=(0, 2014, 2030))
    made = design(frame)
    late = np.isin(made.units, frame.loc[frame["start"] == 2030, "village"])
    notices = without_units(made, late & (np.cumsum(late) <= 5)).notices
    assert [n.facts["units"] for n in notices if n.code == "TREATED_AFTER_WINDOW"] == [15]
    assert with_starts(made, np.ones(60, dtype=bool), made.cohort).notices == ()
