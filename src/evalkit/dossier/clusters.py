"""R13: does the range of the effect hang on what is assumed independent - units, larger places, neighbours, signs, assignments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit.dossier.checking import Work, constant_values, not_applicable
from evalkit.dossier.lines import refused_line
from evalkit.dossier_records import Check, Line, Passed
from evalkit.errors import DesignError, EstimateError
from evalkit.estimate import Estimate
from evalkit.estimators import TwoWay
from evalkit.firm_records import NotTold
from evalkit.how_firm import TOO_FEW_CLUSTERS
from evalkit.inference.linear import Inference
from evalkit.inference.nearby import Conley
from evalkit.inference.wild import wild_bootstrap
from evalkit.records import Interval, Remark, number

MADE = "evalkit.dossier.clusters.clusters"
CUTOFFS_KM = (50.0, 100.0, 200.0)  # a county and its neighbours, a prefecture, several of them
FEW = 10  # fewer treated or comparison clusters make the usual range too narrow
SIGNS = 999  # random signs of the wild bootstrap, as in the main report
SHOWN = 0.05


def clusters(work: Work) -> Check:
    """Return the range of the same effect under each assumption on what is independent.

    Notes
    -----
    The estimate is one and the same in all lines but the two of the two-way regression, whose rows are single observations, so that
    units and periods can both be clusters (Cameron, Gelbach & Miller 2011). A region larger than the cluster must not change within
    units. Without a coordinate of every unit there is no line of neighbours (Conley 1999).
    """
    if work.findings.verdict == "one_unit":
        return not_applicable("R13", Remark(code="one_unit", facts={}), MADE)
    overall = work.overall(work.design)
    lines = list(_lines(work, overall))
    sample = work.findings.sample
    sides = {"treated_clusters": sample.treated_clusters, "comparison_clusters": sample.comparison_clusters}
    if work.too_few:
        said = Remark(code="no_range", facts=sides)
        few = Remark(code="too_few_clusters", facts={**sides, "minimum": TOO_FEW_CLUSTERS})
        return Check(rule="R13", name="clusters", verdict="fail", statistic=said, because=few, lines=lines, made_by=MADE)
    ranged = [line for line in lines if line.effect and line.effect.low is not None and not line.name.startswith("assumed.two_way")]
    errors = [line.effect.std_error for line in ranged if line.effect and line.effect.std_error]
    facts = {"methods": len(errors), "smallest_error": min(errors), "largest_error": max(errors)} if errors else {"methods": 0}
    said = Remark(code="errors" if errors else "no_range", facts=facts if errors else sides)
    verdict, because = _judged(work, lines)
    return Check(rule="R13", name="clusters", verdict=verdict, statistic=said, because=because, lines=lines, made_by=MADE)


def _judged(work: Work, lines: list[Line]) -> tuple[Passed, Remark | None]:
    """Return the verdict: whether the range holds zero must not hang on the method, and clusters must be enough for one."""
    ranks = next((line for line in lines if line.name == "assumed.permutation"), None)
    if ranks is not None and (smallest := ranks.numbers.get("smallest_p")) is not None and smallest > SHOWN:
        return "fail", Remark(code="permutation_cannot", facts={"smallest_p": smallest})
    told = [shown for line in lines if not line.name.startswith("assumed.two_way") and (shown := shows(line)) is not None]
    if told and len(set(told)) > 1:
        others = sum(one != told[0] for one in told)
        return "doubt", Remark(code="conclusion_differs", facts={"methods": others, "of": len(told)})
    sample = work.findings.sample
    sides = {"treated_clusters": sample.treated_clusters, "comparison_clusters": sample.comparison_clusters}
    if min(count for count in sides.values() if count is not None) < FEW:
        return "doubt", Remark(code="few_clusters", facts={**sides, "minimum": FEW})
    return "pass", None


def shows(line: Line) -> bool | None:
    """Return whether a line tells the effect from zero; None where it has neither a range nor a p-value."""
    effect, p = line.effect, line.numbers.get("p_value")
    if effect is not None and effect.low is not None and effect.high is not None:
        return not effect.low <= 0 <= effect.high
    return None if p is None else p <= SHOWN


def _lines(work: Work, overall: Estimate) -> Iterator[Line]:
    sample = work.findings.sample
    own: dict[str, float | int | None] = {"clusters": sample.clusters_used, "treated_clusters": sample.treated_clusters}
    yield Line(name="assumed.cluster", words={"column": work.cluster}, effect=work.intervals(overall)[0], numbers=own)
    if work.too_few:
        yield from _ranked(work)
        return
    if work.cluster != work.study.unit:
        yield _clustered(work, overall, work.study.unit, "assumed.unit")
    for region in work.checks.regions:
        if region != work.cluster:
            values = constant_values(work, region, "checks.regions")
            known = replace(overall, rows=overall.rows.assign(**{region: values}))
            yield _clustered(work, known, region, "assumed.region")
    yield from _two_way(work)
    yield from _near(work, overall)
    yield _wild(work, overall)
    yield from _ranked(work)


def _clustered(work: Work, estimate: Estimate, column: str, name: str) -> Line:
    try:
        row = Inference(cluster=column, level=work.study.level)(estimate).iloc[0]
    except EstimateError as refusal:
        return refused_line(name, refusal, {"column": column})
    return Line(name=name, words={"column": column}, effect=Interval.of(row), numbers={"clusters": int(row["clusters"])})


def _two_way(work: Work) -> Iterator[Line]:
    """Yield the two-way regression with one and with two kinds of clusters: only its rows know the year."""
    study = work.study
    try:
        regression = TwoWay()(replace(work.design, rows="observation")).select(kind="overall")
        for name, cluster in (("assumed.two_way_one", work.cluster), ("assumed.two_way_both", (work.cluster, study.period))):
            row = Inference(cluster=cluster, level=study.level)(regression).iloc[0]
            columns = {"column": work.cluster, "period": study.period}
            yield Line(name=name, words=columns, effect=Interval.of(row), numbers={"clusters": int(row["clusters"])})
    except (DesignError, EstimateError) as refusal:
        yield refused_line("assumed.two_way_both", refusal, {"column": work.cluster, "period": study.period})


def _near(work: Work, overall: Estimate) -> Iterator[Line]:
    if work.checks.coordinates is None:
        yield Line(name="assumed.near", reason="not_named", words={"key": "checks.coordinates"})
        return
    longitude, latitude = (constant_values(work, name, "checks.coordinates") for name in work.checks.coordinates)
    where = pd.DataFrame({"longitude": longitude.astype(float), "latitude": latitude.astype(float)}, index=work.design.units)
    for cutoff in CUTOFFS_KM:
        try:
            row = Inference(cluster=Conley(cutoff, where), level=work.study.level)(overall).iloc[0]
        except EstimateError as refusal:
            yield refused_line("assumed.near", refusal, km=cutoff)
        else:
            yield Line(name="assumed.near", numbers={"km": cutoff}, effect=Interval.of(row))


def _wild(work: Work, overall: Estimate) -> Line:
    try:
        made = wild_bootstrap(overall, cluster=work.cluster, draws=SIGNS, seed=work.seed, level=work.study.level)
    except EstimateError as refusal:
        return refused_line("assumed.wild", refusal, {"column": work.cluster})
    row = made.table.iloc[0]
    low, high = (number(end) if np.isfinite(end) else None for end in (row["conf_low"], row["conf_high"]))
    p = max(float(row["p_value"]), 1 / (int(row["draws"]) + 1))  # no draw beyond the estimate is a small share, not none at all
    effect = Interval(estimate=float(row["estimate"]), low=low, high=high, p_value=p)
    return Line(
        name="assumed.wild", words={"column": work.cluster}, effect=effect,
        numbers={"clusters": int(row["clusters"]), "draws": int(row["draws"]), "p_value": p},
    )  # fmt: skip


def _ranked(work: Work) -> Iterator[Line]:
    """Yield the rank among other assignments, as the main report has it."""
    firm = work.findings.firm
    if firm is None:
        return
    found = firm.permuted
    if isinstance(found, NotTold):
        yield refused_line("assumed.permutation", found.facts.get("said", found.reason))
        return
    names = ("p_value", "smallest_p", "draws", "possible")
    yield Line(name="assumed.permutation", numbers={name: getattr(found, name) for name in names}, words={"moves": found.moves})
