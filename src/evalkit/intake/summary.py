"""From what was received to its record: counts, shares and bins, for a page that never sees the data themselves."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

import evalkit
from evalkit.intake.columns import Use
from evalkit.intake.ledger import Step
from evalkit.intake.observations import SHOWN, Question
from evalkit.intake.personal_patterns import masked, safe
from evalkit.intake.poverty_lines import below_line
from evalkit.intake.protection import unsigned
from evalkit.intake.receiving import Received
from evalkit.intake.record import (
    Bin,
    CheckRun,
    CodeChange,
    FlagCount,
    HeadingUse,
    IntakeRecord,
    LedgerStep,
    MissingShare,
    PovertyLine,
    Said,
    SourceFile,
)

INCOME = "income_pc"
BINS = 40
STATUS, SIMULATED = "data_status", "模拟数据 simulated"


def run_id(received: Received) -> str:
    """Return "intake" and the hash of the file, its mapping, the tables it was read with, and the package version."""
    said = [dict(received.inputs), received.mapping.model_dump(mode="json"), evalkit.__version__]
    return "intake-" + hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:10]


def summarise(received: Received) -> IntakeRecord:
    """Return the record of an intake: everything its page says, as codes and numbers."""
    frame, mapping = received.frame, received.mapping
    units, periods = frame[mapping.unit].nunique(), sorted(int(year) for year in frame[mapping.period].unique())
    year, bins, lines = _income(received)
    return IntakeRecord(
        run_id=run_id(received),
        version=evalkit.__version__,
        simulated=mapping.simulated,
        source=_source(received),
        level=mapping.level,
        unit=mapping.unit,
        period=mapping.period,
        units=units,
        periods=periods,
        rows=len(frame),
        balanced=len(frame) == units * len(periods),
        headings=_headings(received),
        ledger=[_step(step) for step in received.ledger.steps],
        flags=_flags(received.flags),
        personal=dict(Counter(removal.what for removal in received.removed)),
        missing=_missing(received),
        income_column=INCOME if INCOME in frame else None,
        income=bins,
        income_year=year,
        lines=lines,
        income_definition=_definition(received, year),
        price_basis={lang: received.prices.basis(lang) for lang in ("zh", "en")},
        changes=_changes(received.changes),
        checks=_checks(received),
        questions=[_asked(question) for question in received.questions],
        notices=_notices(received),
    )


def _definition(received: Received, year: int | None) -> dict[str, object] | None:
    """Return which definition incomes have: in all rows, in the year of the histogram, and when units change over."""
    judged = received.definition
    if judged is None:
        return None

    def one(definitions: Iterable[str]) -> str:
        found = set(definitions)
        return found.pop() if len(found) == 1 else "mixed"

    in_year = received.frame[received.mapping.period].to_numpy() == year
    return {
        "definition": one(judged.definition),
        "in_year": one(judged.definition[in_year]) if in_year.any() else "unknown",
        "switch_years": {str(when): count for when, count in judged.units_by_switch_year.items()},
        "unknown": int((judged.unknown_rows > 0).sum()),
    }


def _source(received: Received) -> SourceFile:
    origin, (title, _), (notes, _) = received.origin, unsigned([received.title]), unsigned(received.notes)
    return SourceFile(
        name=safe(origin.name), bytes=origin.bytes, sha256=origin.sha256, format=origin.format, encoding=origin.encoding,
        sheet=origin.sheet and safe(origin.sheet), title="".join(title) or None, notes=notes,
    )  # fmt: skip


def _notices(received: Received) -> list[Said]:
    """Return the remarks, and how many lines around the table lost a signature."""
    signed = unsigned([received.title, *received.notes])[1]
    told = [
        Said(code=notice.code, facts={name: masked(fact) for name, fact in notice.facts.items()}) for notice in received.notices
    ]
    return [*told, *([Said(code="SIGNATURES_LEFT_OUT", facts={"lines": signed})] if signed else [])]


def _headings(received: Received) -> list[HeadingUse]:
    def one(use: Use) -> HeadingUse:
        return HeadingUse(heading=safe(use.heading), column=use.column, how=use.how, unit_in_file=use.unit_in, unit=use.unit)

    away = {"drop": "dropped", "hash": "hashed", "mask": "masked"}
    gone = [HeadingUse(heading=removal.heading, column=None, how=away[removal.way]) for removal in received.removed]
    named = {safe(use.heading) for use in received.uses}
    return [*(one(use) for use in received.uses), *(use for use in gone if use.heading not in named)]


def _step(step: Step) -> LedgerStep:
    lines = {reason: list(dict.fromkeys(at))[:SHOWN] for reason, at in step.left.items()}
    left = {reason: len(at) for reason, at in step.left.items()}
    return LedgerStep(
        code=step.code,
        rows_in=step.rows_in,
        rows_out=step.rows_out,
        left=left,
        lines=lines,
        added=step.added,
        combined=step.combined,
    )


def _flags(flags: pd.DataFrame) -> list[FlagCount]:
    groups = flags.groupby(["column", "flag"], sort=False)
    return [
        FlagCount(
            column=str(column), flag=str(flag), count=len(cells), lines=[int(line) for line in cells["line"].unique()[:SHOWN]]
        )
        for (column, flag), cells in groups
    ]


def _missing(received: Received) -> list[MissingShare]:
    """Return by column and period the share of the panel's units without a value, units without a row included."""
    frame, mapping = received.frame, received.mapping
    units = frame[mapping.unit].nunique()
    columns = [str(c) for c in frame if c not in (mapping.unit, mapping.period) and str(c) in received.kinds]
    known = frame.assign(**{column: frame[column].replace("", pd.NA).notna() for column in columns})
    counts = known.groupby(mapping.period)[columns].sum()
    return [
        MissingShare(column=column, period=int(period), share=float(1 - counts.loc[period, column] / units), units=units)
        for column in columns
        for period in counts.index
    ]


def _income(received: Received) -> tuple[int | None, list[Bin], list[PovertyLine]]:
    """Return the last year with incomes and a poverty line, its histogram in current prices, and the lines of all years."""
    frame = received.frame
    if INCOME not in frame or frame[INCOME].notna().sum() == 0:
        return None, [], []
    # The lines are in current prices, so incomes go back to them.
    current = frame[INCOME].to_numpy(dtype=float, na_value=np.nan) / received.prices.factors
    years = frame[received.mapping.period].to_numpy()
    table = below_line(current, years).table
    lines = [
        PovertyLine.model_validate(
            {
                "schedule": row["schedule"],
                "year": row["year"],
                "value": row["line"],
                "verified": row["verified"],
                "below": row["share"],
            }
        )
        for row in table.to_dict("records")
    ]
    known = years[~np.isnan(current)]
    # The last year in which the most schedules have a line, so that both can stand in the picture.
    schedules = table[table["year"].isin(known)].groupby("year").size()
    year = int(schedules.index[schedules == schedules.max()].max() if len(schedules) else known.max())
    values = current[(years == year) & ~np.isnan(current)]
    # A few very large incomes would flatten the picture: the last bin takes everything above the 99th percentile.
    top = max(float(np.quantile(values, 0.99)), float(values.min()) + 1)
    edges = np.linspace(min(0.0, float(values.min())), top, BINS + 1)
    counts = np.histogram(np.minimum(values, top), bins=edges)[0]
    bins = [Bin(low=float(a), high=float(b), count=int(n)) for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)]
    return year, bins, lines


def _changes(changes: pd.DataFrame) -> list[CodeChange]:
    names = {"from_codes": "from_code", "from_names": "from_name", "to_codes": "to_code", "to_names": "to_name"}
    kept = ["unit", "kind", "year", *names.values()]
    rows = changes.rename(columns=names).reindex(columns=kept).to_dict("records")
    return [CodeChange.model_validate({**row, "year": None if pd.isna(row["year"]) else int(row["year"])}) for row in rows]


def _checks(received: Received) -> list[CheckRun]:
    seen = received.plausibility
    ran = [CheckRun(check=name, ran=True, questions=0) for name in seen.checks_run]
    return [
        *ran,
        *(CheckRun(check=one.check, ran=False, questions=0, reason=one.reason, facts=dict(one.facts)) for one in seen.not_applied),
    ]


def _asked(question: Question) -> Said:
    return Said(
        code=question.code,
        facts=dict(question.facts),
        evidence=question.evidence,
        places=[(place.line, place.column, place.value) for place in question.places],
        count=question.count,
    )


def write_panel_csv(received: Received, folder: str | Path) -> Path:
    """Write the panel as panel.csv (UTF-8 with its mark, so that spreadsheets read the Chinese) and return its path."""
    frame = received.frame
    if received.mapping.simulated and STATUS not in frame:
        frame = frame.assign(**{STATUS: SIMULATED})
    path = Path(folder) / "panel.csv"
    path.write_bytes(frame.to_csv(index=False, lineterminator="\n").encode("utf-8-sig"))
    return path
