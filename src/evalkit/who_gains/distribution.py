"""Effects on the deciles of income: not whether the mean moved, but which part of the distribution did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators import ChangesInChanges
from evalkit.firm_records import NotTold
from evalkit.inference.linear import Inference
from evalkit.records import Interval
from evalkit.study import Study
from evalkit.who_gains.families import family
from evalkit.who_gains.groups import counted, too_few
from evalkit.who_records import Decile, Deciles

Array = np.ndarray[Any, Any]

TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def deciles(study: Study, design: Design) -> Deciles | NotTold:
    """Return the effect on each decile of the income of the covered, averaged over cohorts and years after the start.

    Notes
    -----
    Changes-in-changes (Athey & Imbens 2006, Econometrica 74): the comparison shows how every place in the distribution of income moved
    between two years, and the distribution of the covered before the start is moved along. It does not ask for common growth in
    yuan or in per cent, and with several years of start it is made for every cohort and year and then averaged. An effect
    on a decile is a difference of two distributions; it is that of the households at that decile only where they keep their order.
    """
    counts = counted(study, design, Comparison.of(design))
    if refused := too_few(counts, True):
        return refused
    plain = replace(design, covariates=()) if design.covariates else design
    try:
        money = ChangesInChanges(TENTHS)(replace(plain, outcome=study.outcome))
        logs = ChangesInChanges(TENTHS)(plain).select(kind="quantile") if study.scale == "log" else None
    except DesignError:  # what a design that the headline stands on can still lack is an outcome without heaps
        return NotTold(reason="heaped")
    notices = {notice.code: notice.facts for notice in money.notices}
    outside: Any = notices.get("CIC_OUTSIDE_SUPPORT", {})
    coarse: Any = notices.get("CIC_COARSE_RANKS", {})
    return Deciles(
        rows=_rows(study, money.select(kind="quantile"), logs),
        treated_units=counts["treated_units"],
        comparison_units=counts["comparison_units"],
        outside=int(outside.get("rows", 0)),
        half_step=float(coarse["half_step"]) if coarse else None,
        covariates=list(design.covariates),
    )


def _rows(study: Study, money: Estimate, logs: Estimate | None) -> list[Decile]:
    cluster = study.cluster or study.unit
    show = Inference(cluster=cluster, level=study.level)
    places = money.cells["at"].to_numpy(float)
    amounts = [Interval.of(row) for _, row in show(money).iterrows()]
    shares = [None] * len(places) if logs is None else [Interval.of(row) for _, row in show(logs).iterrows()]
    each = {f"{at:g}": money.select(np.arange(len(places)) == j) for j, at in enumerate(places)}
    known = family(each, cluster, study.seed)
    return [
        Decile(at=float(at), money=amount, log=log, adjusted=known.get(f"{at:g}"))
        for at, amount, log in zip(places, amounts, shares, strict=True)
    ]
