"""R23: the regression table of a paper, as the files in which it is written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evalkit.dossier.checking import Work
from evalkit.dossier.lines import refused_line
from evalkit.dossier_records import Check, Line
from evalkit.errors import DesignError, EstimateError
from evalkit.estimators import TwoWay
from evalkit.records import Remark

MADE = "evalkit.dossier.tables.tables"
COLUMNS = ("group_time", "imputation", "interaction_weighted", "stacked")
"""Estimators of the table besides the two-way regression, where the main report has them."""
FILES = ("csv", "tex", "docx", "xlsx")


def tables(work: Work) -> Check:
    """Return the columns of the regression table: the two-way regression without and with covariates, and robust estimators.

    Notes
    -----
    The estimates are those of the main report; the two-way regression without covariates is the only one computed here. There are no
    stars: a column holds the estimate, its standard error in brackets, and what it rests on.
    """
    lines = [*_two_way(work), *_robust(work)]
    told = sum(line.effect is not None for line in lines)
    said = Remark(code="columns", facts={"columns": told, "files": len(FILES)})
    return Check(rule="R23", name="tables", verdict="pass", statistic=said, lines=lines, made_by=MADE)


def _common(work: Work) -> dict[str, float | int | None]:
    design = work.design
    income = np.exp(design.y) if work.study.scale == "log" else design.y
    return {
        "observations": design.observations,
        "units": len(design.units),
        "clusters": design.codes(work.cluster)[1],
        "mean_dependent": float(design.y.mean()),
        "mean_income": float(income.mean()),
    }


def _two_way(work: Work) -> list[Line]:
    covariates = work.design.covariates
    designs = [("regression.two_way", replace(work.design, covariates=()), 0)]
    designs += [("regression.two_way", work.design, len(covariates))] if covariates else []
    lines = []
    for name, design, count in designs:
        try:
            effect = work.intervals(TwoWay()(design).select(kind="overall"))[0]
        except (DesignError, EstimateError) as refusal:
            lines.append(refused_line(name, refusal, covariates=count))
        else:
            lines.append(Line(name=name, effect=effect, numbers={**_common(work), "covariates": count}))
    return lines


def _robust(work: Work) -> list[Line]:
    # The headline may be a weighted average of its own: it comes before others of the same estimator.
    listed = sorted(work.findings.estimators, key=lambda row: (row.headline, row.average == "overall"))
    rows = {row.estimator: row for row in listed if row.average != "static"}
    covariates = len(work.design.covariates)
    return [
        Line(
            name=f"regression.{name}", effect=rows[name].effect, numbers={**_common(work), "covariates": covariates},
            words={"headline": "yes" if rows[name].headline else ""},
        )
        for name in COLUMNS
        if name in rows
    ]  # fmt: skip
