"""Treatments that start, stop and change: every configuration that is held to the contract."""

from __future__ import annotations

import numpy as np
import pandas as pd
from worlds import World, villages, with_gaps

import evalkit as ek
from evalkit.estimators.switching import Switching

BY_UNIT = "an effect per unit of treatment so far has a share of a gift that is one more unit every year"
PER_UNIT = "the average is per unit of treatment, which some have given back by the third year"
COUNTED = "n/(n - 1) counts the rows of psi in every cell: clones and counties are other numbers than units"


def stopping(starts: tuple[int, ...] = (0, 2014, 2016)) -> pd.DataFrame:
    """Return villages of which every third stops after two years, and some of those treated from the first year stop in 2015."""
    frame = villages(units=300, starts=starts)
    since = frame["year"] - frame["start"].where(frame["start"] > 0, 9999)
    on = (since >= 0) & ~((since >= 2) & (frame["village"] % 3 == 0))
    early = (frame["village"] % 5 == 0) & (frame["start"] == 0)
    on |= early & ((frame["year"] < 2015) | (frame["village"] % 2 == 0))
    return frame.assign(status=on.astype(int), y=frame["y"] + 0.05 * (on & early))


def changed(frame: pd.DataFrame) -> np.ndarray:
    """Return (n,) +1 in rows since treatment rose over the start, -1 since it fell below it."""
    first = frame.sort_values("year").groupby("village")["status"].transform("first").reindex(frame.index)
    when = frame["year"].where(frame["status"] != first).groupby(frame["village"]).transform("min")
    return np.where(frame["year"] >= when, 1.0 - 2.0 * first, 0.0)


def kept(panel: ek.Panel) -> ek.Rollout:
    """Return the roll-out of the column ``status`` with its stops."""
    return ek.Rollout.from_status(panel, "status", reversals="keep")


def worlds() -> list[World]:
    """Return the worlds of the family."""
    plain, gaps, all_treated = villages(), with_gaps(villages()), villages(starts=(2014, 2015, 2017))
    stops, path = stopping(), Switching()
    short = Switching(effects=2, placebos=1)
    rain = {"covariates": ["rain"]}
    never, pairwise = {"comparison": "never_treated"}, {"unbalanced": "pairwise"}
    reversal = {"rollout": kept, "gift": changed}
    normalised = Switching(effects=2, placebos=1, normalised=True)
    as_in_r = Switching(shares="sample", adjusted=True)
    return [
        World("switching", path, plain),
        World("switching_covariates", path, plain, rain),
        World("switching_weights", path, plain, weight="households"),
        World("switching_weights_of_rows_pairwise_never", path, gaps, pairwise | never | rain, weight="sampled"),
        World("switching_drop_units", path, gaps, {"unbalanced": "drop_units"}),
        World("switching_all_treated", short, all_treated),
        World("switching_within_province", Switching(within="province"), plain),
        World("switching_trends", Switching(effects=2, placebos=1, trends="unit"), villages(starts=(0, 2015, 2016)), rain),
        World("switching_normalised", Switching(normalised=True), plain, cannot={"gift": BY_UNIT}),
        World("switching_given_dates", Switching(shares="sample"), plain),
        World("switching_adjusted", as_in_r, plain, cannot=dict.fromkeys(("cloning", "county_rows"), COUNTED)),
        World("switching_stops", short, stops, **reversal),
        World("switching_stops_normalised", normalised, stops, rain, weight="sampled", rollout=kept, cannot={"gift": BY_UNIT}),
        World("switching_stops_only_out", Switching(effects=2, placebos=1, switchers="out"), stops, **reversal),
        World(
            "switching_stops_same",
            Switching(placebos=1, same_switchers=True),
            with_gaps(stops),
            pairwise,
            cannot={"gift": PER_UNIT},
            **reversal,
        ),
    ]
