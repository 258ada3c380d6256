"""The tables of the robustness dossier: one of all verdicts, and one for each part of a check that has numbers to list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit import numerals
from evalkit.dossier_records import Check, Line
from evalkit.records import Interval
from evalkit.report.blocks import Cell, Column, Row, Table
from evalkit.report.dossier_voice import DossierVoice

# What each column of numbers is called where its name in the catalogue is another one.
CALLED = {("R8", "before"): "earlier", ("R8", "comparison"): "among_comparison", ("R18", "before"): "fit_before"}


@dataclass(frozen=True)
class Part:
    """One table of a check: the parts of its lines, the columns of numbers, and the unit of its effects."""

    name: str
    parts: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    unit: str = "outcome"
    ranged: bool = True


PARTS: dict[str, tuple[Part, ...]] = {
    "R1": (Part("columns", ("column", "headline"), ("observations", "clusters")), Part("control", ("control",), ("p_adjusted",), "own")),
    "R3": (
        Part("estimator", ("estimator",), ("difference", "difference_p")),
        Part("bacon_type", ("bacon_type",), ("weight", "comparisons"), ranged=False),
    ),
    "R4": (
        Part("drift", ("drift",), ("low_money", "high_money"), "money"),
        Part("smoothness", ("smoothness",), ("breakdown_money",)),
    ),
    "R5": (Part("draws", ("draws",), ("value",), "outcome_numbers"),),
    "R6": (Part("placebos", ("date", "group"), ("p_adjusted",)), Part("outcome", ("outcome",), ("p_adjusted",), "own")),
    "R7": (Part("matching", ("matching",)), Part("balance", ("balance",), ("treated", "comparison", "before", "after"), "none")),
    "R8": (
        Part("programme", ("programme",), ("near", "before", "ever", "comparison"), "none"),
        Part("effects", ("dropped", "absorbed")),
    ),
    "R9": (Part("group", ("group",), ("treated_units", "comparison_units", "p_adjusted")),),
    "R10": (Part("component", ("component",), ("pretrend_p",), "money"),),
    "R11": (
        Part("place", ("place",), ("near_units", "far_units"), "none"), Part("ring", ("ring",), ("units", "p_adjusted")),
        Part("donut", ("donut_place", "donut_distance")),
    ),
    "R12": (Part("specification", ("specification",), (), "percent"),),
    "R13": (Part("assumed", ("assumed",), ("clusters",)),),
    "R14": (Part("left_out", ("without", "sample"), ("units", "observations")),),
    "R15": (Part("start", ("start",)),),
    "R16": (Part("sample", ("sample",), ("units",)),),
    "R18": (Part("weights", ("weights",), ("before", "ratio", "rank", "donors")),),
    "R19": (Part("quantile", ("quantile",)), Part("poverty", ("poverty",), ("mean",), "points")),
    "R20": (Part("lost", ("lost",), ("units", "seen"), "points"), Part("bounds", ("bounds",), ("lower", "upper"))),
    "R21": (Part("model", ("model",), ("coefficient",)), Part("error", ("error",), ("lasting", "correlation", "p_value"), "none")),
    "R22": (Part("size", ("size",), ("percent", "power", "units", "clusters", "units_today", "clusters_today"), "none"),),
}  # fmt: skip
"""The tables of every check but R2 and R23, which have shapes of their own."""


def verdicts(page: DossierVoice) -> Table:
    """Return the one table of all verdicts: rule, verdict, what was found, what the check can see and what it cannot."""
    labels = [page.phrase(f"dossier.column.{name}") for name in ("check", "verdict", "said", "sees")]
    columns = (
        Column(labels[0], "left", ("rule", "check")), Column(labels[1], "left", ("verdict",)),
        Column(labels[2], "left", ("found", "reason")), Column(labels[3], "left", ("sees", "does_not_see")),
    )  # fmt: skip
    return _table(
        page,
        "dossier_verdicts",
        page.say("dossier.heading.verdicts"),
        columns,
        [_verdict(page, check) for check in page.dossier.checks],
    )


def _verdict(page: DossierVoice, check: Check) -> Row:
    said, because = page.said(check), page.because(check)
    can, cannot = (page.say(f"dossier.{check.rule}.{name}") for name in ("can", "cannot"))
    name = page.phrase(f"dossier.{check.rule}.name")
    found = Cell(said or because, because if said else "", (said, because))
    first = Cell(check.rule, name, (check.rule, name))
    marked = check.verdict in ("fail", "doubt")
    return Row((first, Cell(page.verdict(check), values=(check.verdict,)), found, Cell(can, cannot, (can, cannot))), marked)  # fmt: skip


def _table(page: DossierVoice, name: str, caption: str, columns: Sequence[Column], rows: Sequence[Row], *notes: str) -> Table:
    """Return a table without its number, which the page counts."""
    first = (page.voice.say("status.simulated_note"),) if page.voice.simulated else ()
    return Table(name, "", caption, tuple(columns), tuple(rows), (*first, *(note for note in notes if note)), cards=True)


def made_by(page: DossierVoice, check: Check, table: Table) -> Table:
    """Return a table with the function that made it and the file of its numbers in its notes."""
    file = f"tables/{table.name}.{page.lang}.csv"
    return replace(table, notes=(*table.notes, page.say("dossier.page.made_by_table", function=check.made_by, file=file)))


def tables(page: DossierVoice, check: Check) -> Iterator[Table]:
    """Yield the tables of a check, in order; none for parts without a line."""
    if check.rule == "R2":
        yield from _path(page, check)
    elif check.rule == "R23":
        yield from _regression(page, check)
    elif check.rule == "R8":
        yield from (made for part in PARTS["R8"] if (made := _of_part(page, check, part)))
        yield from _started(page, check)
    else:
        yield from (made for part in PARTS.get(check.rule, ()) if (made := _of_part(page, check, part)))


def _of_part(page: DossierVoice, check: Check, part: Part) -> Table | None:
    lines = [line for line in check.lines if line.name.partition(".")[0] in part.parts]
    shown, left = _shortened(check, lines)
    if not shown:
        return None
    effects = any(line.effect for line in lines) or part.unit == "percent"
    numbers = [name for name in part.numbers if any(line.numbers.get(name) is not None for line in lines)]
    columns = [Column(page.say("dossier.column.line"), "left", ("line", "code_of_line"))]
    if effects:
        columns += _effect_columns(page, part)
    columns += [_number_column(page, check, name) for name in numbers]
    others = sorted({name for line in lines for name in line.numbers} - set(numbers))
    columns += [Column(name, "right", (name,), told=False) for name in others]
    rows = [_row(page, check, line, part, effects, numbers, others) for line in shown]
    note = page.phrase("dossier.page.lines_left", count=f"{left:,}") if left else ""
    columns = [_told(page, column, [row.cells[place] for row in rows]) for place, column in enumerate(columns)]
    caption = page.say(f"dossier.{check.rule}.table.{part.name}")
    return _table(page, f"dossier_{check.rule.lower()}_{part.name}", caption, columns, rows, _unit(page, part), note)


def _told(page: DossierVoice, column: Column, cells: Sequence[Cell]) -> Column:
    """Return a column, not told where all its cells are empty."""
    empty = all(cell.text == page.voice.phrase("language.missing") for cell in cells)
    return replace(column, told=False) if empty else column


def _shortened(check: Check, lines: list[Line]) -> tuple[list[Line], int]:
    """Return the lines that a table shows: of clusters left out in turn the smallest and the largest, the others are in the figure."""
    turns = [line for line in lines if line.name == "without.cluster" and line.effect is not None]
    if len(turns) <= 2:
        return [line for line in lines if not line.numbers.get("repeats")], 0
    ends = {id(turns[0]): "lowest", id(turns[-1]): "highest"}
    kept = [
        line.model_copy(update={"name": ends[id(line)]}) if id(line) in ends else line
        for line in lines
        if line not in turns or id(line) in ends
    ]
    return kept, len(turns) - 2


def _unit(page: DossierVoice, part: Part) -> str:
    match part.unit:
        case "outcome" | "outcome_numbers":
            return page.phrase("dossier.page.unit_note", unit_of_effect=page.voice.unit_of_effect(hundred=True))
        case "points" | "own" | "money":
            return page.phrase(f"dossier.page.unit_{part.unit}")
    return ""


def _effect_columns(page: DossierVoice, part: Part) -> list[Column]:
    ranged = [
        Column(page.say("dossier.column.interval"), "right", ("low", "high")),
        Column(page.phrase("dossier.column.p_value"), "right", ("p_value",)),
    ]
    return [Column(page.say("dossier.column.effect"), "right", ("estimate",)), *(ranged if part.ranged else [])]


def _number_column(page: DossierVoice, check: Check, name: str) -> Column:
    return Column(
        (page.phrase if name.endswith("_p") else page.say)(f"dossier.column.{CALLED.get((check.rule, name), name)}"),
        "right",
        (f"number_{name}" if name == "p_value" else name,),
    )


def _row(
    page: DossierVoice, check: Check, line: Line, part: Part, effects: bool, numbers: Sequence[str], others: Sequence[str]
) -> Row:
    label = page.label(check, line)
    cells = [Cell(label, page.detail(check, line), (label, line.name))]
    if effects:
        cells += _effect_cells(page, _shown_effect(line, part), part, line.numbers.get("p_value"))
    cells += [Cell(page.told(check, name, line.numbers.get(name)), values=(line.numbers.get(name),)) for name in numbers]
    cells += [Cell("", values=(line.numbers.get(name),)) for name in others]
    main = line.name in ("assumed.cluster", "headline.own") or bool(line.numbers.get("headline"))
    return Row(tuple(cells), marked=main)


def _shown_effect(line: Line, part: Part) -> Interval | None:
    """Return the effect of a line in the unit of its table: a specification in per cent."""
    if part.unit != "percent":
        return line.effect
    if (estimate := line.numbers.get("per_cent")) is None:
        return None
    p = line.effect.p_value if line.effect else None
    return Interval.model_construct(
        estimate=estimate, std_error=None, low=line.numbers.get("per_cent_low"), high=line.numbers.get("per_cent_high"), p_value=p
    )  # fmt: skip


def _effect_cells(page: DossierVoice, effect: Interval | None, part: Part, p: float | None = None) -> list[Cell]:
    """Return the cells of an effect, its interval and its p-value; ``p`` is that of a line without an effect."""
    missing = page.voice.phrase("language.missing")
    if effect is None:
        empty = [Cell(missing, values=(None,)), Cell(missing, values=(None, None)), _p_cell(page, p)]
        return empty if part.ranged else empty[:1]
    tell = {
        "points": lambda value: numerals.fixed(100 * value, 1), "own": numerals.measured, "money": numerals.money,
        "percent": numerals.percent,
    }.get(part.unit, page.voice.hundred)  # fmt: skip
    cells = [Cell(tell(effect.estimate), values=(effect.estimate,))]
    if not part.ranged:
        return cells
    known = effect.low is not None and effect.high is not None
    span = page.voice.phrase("language.interval", low=tell(effect.low), high=tell(effect.high)) if known else missing
    return [*cells, Cell(span, values=(effect.low, effect.high)), _p_cell(page, p if effect.p_value is None else effect.p_value)]


def _p_cell(page: DossierVoice, p: float | None) -> Cell:
    return Cell(page.voice.phrase("language.missing") if p is None else numerals.p_value(p), values=(p,))


def _path(page: DossierVoice, check: Check) -> Iterator[Table]:
    """Yield the gaps by years since the start, of the study's own method and of two-way fixed effects side by side."""
    found: dict[int, dict[str, Line]] = {}
    for line in check.lines:
        if line.effect is not None and (event := line.numbers.get("event_time")) is not None:
            found.setdefault(int(event), {})[line.name] = line
    names = [name for name in ("path.own", "path.two_way") if any(name in both for both in found.values())]
    if not names:
        return
    columns = [Column(page.say("dossier.column.event_time"), "left", ("event_time",))]
    for name in names:
        code = name.partition(".")[2]
        columns += [
            Column(page.say(f"dossier.column.{code}"), "right", (f"{code}_estimate",)),
            Column(page.say("dossier.column.interval"), "right", (f"{code}_low", f"{code}_high")),
        ]
    part = Part("path", ())
    rows = []
    for event, both in sorted(found.items()):
        any_line = next(iter(both.values()))
        told = any_line.numbers["event_time"]
        cells = [Cell(page.told(check, "event_time", told, sentence=True), values=(event,))]
        for name in names:
            cells += _effect_cells(page, both[name].effect if name in both else None, part)[:2]
        rows.append(Row(tuple(cells)))
    yield _table(page, "dossier_r2_path", page.say("dossier.R2.table.path"), columns, rows, _unit(page, part))


def _started(page: DossierVoice, check: Check) -> Iterator[Table]:
    """Yield how many treated units have started each programme, by year."""
    lines = [line for line in check.lines if line.name == "started.by_year"]
    if not lines:
        return
    years = list(lines[0].numbers)
    columns = [Column(page.say("dossier.column.line"), "left", ("programme",))]
    columns += [Column(page.phrase("dossier.column.year", year=year), "right", (f"year_{year}",)) for year in years]
    rows = []
    for line in lines:
        label = page.label(check, line)
        counts = [Cell(page.told(check, "count", line.numbers[year]), values=(line.numbers[year],)) for year in years]
        rows.append(Row((Cell(label, values=(label,)), *counts)))
    yield _table(page, "dossier_r8_started", page.say("dossier.R8.table.started"), columns, rows)


REGRESSION = ("observations", "units", "clusters", "mean_dependent", "mean_income")


def _regression(page: DossierVoice, check: Check) -> Iterator[Table]:
    """Yield the regression table of a paper: a column a model, the estimate with its standard error in brackets, and what it rests on."""
    models = [line for line in check.lines if line.effect is not None]
    if not models:
        return
    columns = [Column(page.say("dossier.column.line"), "left", ("row",))]
    for number in range(1, len(models) + 1):
        columns.append(Column(page.phrase("dossier.column.column", number=number), "right", (f"column_{number}",)))
    rows = [
        _of_models(
            page,
            "effect",
            [page.voice.effect(line.effect.estimate) for line in models if line.effect],
            [line.effect.estimate for line in models if line.effect],
        )
    ]
    errors = [line.effect.std_error if line.effect else None for line in models]
    missing = page.voice.phrase("language.missing")
    told = [
        missing if error is None else page.phrase("dossier.regression.brackets", value=page.voice.effect(error)) for error in errors
    ]
    rows.append(_of_models(page, "error", told, errors))
    rows.insert(0, _named(page, check, models))
    has = [page.phrase(f"dossier.regression.{'yes' if line.numbers['covariates'] else 'no'}") for line in models]
    rows.append(_of_models(page, "covariates", has, [line.numbers["covariates"] for line in models]))
    for name in ("unit_effects", "year_effects"):
        two_way = [line.name == "regression.two_way" for line in models]
        rows.append(
            _of_models(
                page,
                name,
                [page.phrase(f"dossier.regression.{'yes' if one else 'built_in'}") for one in two_way],
                [int(one) for one in two_way],
            )
        )
    for name in REGRESSION:
        values = [line.numbers[name] for line in models]
        rows.append(_of_models(page, name, [page.told(check, name, value) for value in values], values))
    cluster = page.column(page.voice.findings.sample.cluster)
    notes = (
        page.phrase("dossier.page.unit_note", unit_of_effect=page.voice.unit_of_effect()), page.say("dossier.R23.note.brackets", what=cluster),
        page.say("dossier.R23.note.stars"),
    )  # fmt: skip
    yield _table(page, "dossier_regression", page.say("dossier.R23.table.regression"), columns, rows, *notes)


def _named(page: DossierVoice, check: Check, models: Sequence[Line]) -> Row:
    names = [page.label(check, line) for line in models]
    return Row((Cell("", values=("",)), *(Cell(name, values=(name,)) for name in names)))


def _of_models(page: DossierVoice, name: str, told: Sequence[str], values: Sequence[Any]) -> Row:
    label = page.say(f"dossier.regression.{name}")
    return Row((Cell(label, values=(label,)), *(Cell(text, values=(value,)) for text, value in zip(told, values, strict=True))))
