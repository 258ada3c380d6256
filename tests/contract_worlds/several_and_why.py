"""One programme beside others: the configurations held to the contract."""

from __future__ import annotations

import numpy as np
import pandas as pd
from worlds import World, villages, with_gaps

from evalkit.estimators.several_programmes import SeveralProgrammes


def with_training(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the data with a second programme, more often where the first one is, and its effect of 0.15."""
    generator = np.random.default_rng(12)
    first = frame.groupby("village")["start"].first()
    # Most villages keep their training throughout, so that every effect rests on many.
    some, few = generator.choice([0, 2012, 2012, 2015], len(first)), generator.choice([0, 0, 0, 2012, 2015], len(first))
    start = np.where(first > 0, some, few)
    training = frame["village"].map(dict(zip(first.index, start, strict=True)))
    return frame.assign(training=training, y=frame["y"] + 0.15 * ((training > 0) & (training <= frame["year"])))


def worlds() -> list[World]:
    """Return the configurations of this family."""
    plain = with_training(villages(units=360))
    given = SeveralProgrammes(others=("training",), never=0)
    early = SeveralProgrammes(others=("training",), never=0, match="start", method="reg", shares="sample")
    both = {"covariates": ["share", "rain"]}
    return [
        World("several", given, plain),
        World("several_start_reg", early, plain, {"covariates": ["share"], "comparison": "never_treated"}),
        World("several_weights_anticipation", given, plain, {"anticipation": 1, "base": "varying"}, weight="households"),
        World("several_pairwise_weights_of_rows", given, with_gaps(plain), {"unbalanced": "pairwise"}, weight="sampled"),
        World("several_dr", given, plain, both),
        World("several_all_treated", given, with_training(villages(units=360, starts=(2014, 2015, 2017)))),
    ]
