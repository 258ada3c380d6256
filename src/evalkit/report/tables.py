"""Three-line tables as plain objects for every renderer, and as csv text."""

from __future__ import annotations

import csv
import io

from evalkit import numerals
from evalkit.findings import Cohort, CovariateBalance, DateRow, EstimatorRow, Findings, PathPoint, Told
from evalkit.firm_records import Overturn
from evalkit.records import Interval
from evalkit.report import components, firmness
from evalkit.report.blocks import Cell, Column, Row, Table
from evalkit.report.remarks import never_code
from evalkit.report.voice import Voice
from evalkit.study import Published

ADDING = 0.05  # below this components add up to the total in all digits that a table shows
ORDER = ("path", "drift", "few_clusters", "balance", "overlap", "components", "estimators", "sample", "cohorts", "dates")


def table(voice: Voice, name: str) -> Table:
    """Return one of the tables of a report, by its name in ``ORDER``."""
    columns, rows, notes = _MAKERS[name](voice)
    if voice.findings.simulated:
        notes = [voice.say("status.simulated_note"), *notes]
    if (hidden := voice.findings.hidden) and any(voice.mark in cell.values for row in rows for cell in row.cells):
        notes = [*notes, voice.say("table.hidden_note", mark=voice.mark, few=voice.count_units(hidden.minimum))]
    if _withheld(voice.findings, name):
        notes = [*notes, voice.say("table.hidden_sum")]
    number = voice.phrase("language.table", number=_present(voice.findings).index(name) + 1)
    return Table(
        name,
        number,
        voice.say(f"table.{name}") if name in ("sample", "balance", "overlap") else voice.caption(f"table.{name}"),
        tuple(columns),
        tuple(rows),
        tuple(notes),
        cards=name in ("few_clusters", "balance", "overlap", "components", "estimators", "cohorts", "dates"),
    )


def _present(findings: Findings) -> list[str]:
    """Return the tables that a report of these findings holds, in order."""
    balance = findings.alike
    lacks = {
        "drift": findings.firm is None or not isinstance(findings.firm.overturn, Overturn),
        "few_clusters": findings.firm is None,
        "balance": balance is None or not balance.covariates,
        "overlap": balance is None or not balance.cohorts,
        "components": findings.components is None,
    }
    return [name for name in ORDER if not lacks.get(name)]


def _withheld(findings: Findings, name: str) -> bool:
    """Return whether a table of a public report lacks counts that would tell the size of hidden cells."""
    lacks = {
        "path": any(point.units is None for point in findings.path),
        "sample": findings.sample.rows_used is None,
        "estimators": any(row.clusters is None for row in findings.estimators),
        "dates": any(row.left_out is None for row in findings.dates),
    }
    return lacks.get(name, False)


def csv_text(made: Table, status: str = "") -> str:
    """Return a table as csv: plain numbers for other programs, one column a value, the status of simulated data in each row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    extra = [status] if status else []
    writer.writerow([field for column in made.columns for field in column.fields] + (["data_status"] if status else []))
    for row in made.rows:
        writer.writerow([_plain(value) for cell in row.cells for value in cell.values] + extra)
    return out.getvalue()


def _plain(value: str | int | float | None) -> str:
    if value is None:
        return ""
    return format(value, ".10g") if isinstance(value, float) else str(value)


def _column(voice: Voice, name: str, *fields: str, align: str = "right") -> Column:
    labels = tuple(voice.phrase(f"column.{field}") for field in fields or (name,))
    say = voice.phrase if name in ("p_value", "pretrend_p") else voice.say
    return Column(say(f"column.{name}"), "left" if align == "left" else "right", labels)


def _text(text: str, detail: str = "") -> Cell:
    return Cell(text, detail, (text,))


def _number(voice: Voice, value: int | None) -> Cell:
    return _text(voice.mark) if value is None else Cell(f"{value:,}", values=(value,))


def _sum(voice: Voice, value: int | None) -> Cell:
    """Return a count that tells the size of hidden cells and is none itself: where it is not told it is missing, not small."""
    return Cell(voice.phrase("language.missing"), values=(None,)) if value is None else _number(voice, value)


def _effect(voice: Voice, value: float | None) -> Cell:
    return Cell(voice.phrase("language.missing") if value is None else voice.effect(value), values=(value,))


def _span(voice: Voice, low: float | None, high: float | None) -> Cell:
    return Cell(voice.span(low, high), values=(low, high))


def _p(voice: Voice, interval: Interval) -> Cell:
    p = interval.p_value
    return Cell(voice.phrase("language.missing") if p is None else numerals.p_value(p), values=(p,))


Made = tuple[list[Column], list[Row], list[str]]


def _estimators(voice: Voice) -> Made:
    columns = [
        _column(voice, "estimator", "estimator", "average", "comparison", "headline", align="left"),
        _column(voice, "estimate"),
        _column(voice, "std_error"),
        _column(voice, "interval", "low", "high"),
        _column(voice, "p_value"),
        _column(voice, "difference", "difference", "difference_low", "difference_high", "difference_p"),
        _column(voice, "inference", "cluster", "clusters", "correction", "factor", "reference", align="left"),
    ]
    findings = voice.findings
    ranged = voice.ranges
    rows = [_estimator_row(voice, row) for row in findings.estimators] + [_published_row(voice, row) for row in findings.published]
    used = dict.fromkeys(row.correction for row in findings.estimators if ranged)
    references = dict.fromkeys(row.reference.partition("(")[0] for row in findings.estimators if ranged)
    notes = [
        voice.say("table.effect_unit", unit_of_effect=voice.unit_of_effect()),
        voice.say("table.headline_note"),
        *([voice.say("table.difference_note")] if any(row.difference for row in findings.estimators) else []),
        *([] if ranged else [voice.say("table.no_range")]),
        voice.say("table.inference_note" if ranged else "table.inference_note_plain"),
        *(voice.say(f"correction_note.{name}") for name in used),
        *(voice.phrase(f"reference.{name}_note") for name in references),
    ]
    if findings.published:
        notes.append(voice.say("table.published_note"))
    return columns, rows, notes


def _difference(voice: Voice, difference: Interval | None) -> Cell:
    if difference is None:
        return Cell(voice.phrase("language.missing"), values=(None,) * 4)
    p = difference.p_value
    detail = "" if p is None else voice.phrase("table.difference_detail", p=numerals.p_value(p))
    return Cell(voice.effect(difference.estimate), detail, (difference.estimate, difference.low, difference.high, p))


def _estimator_row(voice: Voice, row: EstimatorRow) -> Row:
    name, average = voice.say(f"estimator.{row.estimator}.name"), voice.phrase(f"average.{row.average}")
    comparison, clusters = voice.versus(row.comparison), row.clusters
    cluster = voice.cluster(row.cluster, clusters)
    correction = voice.phrase(f"correction.{row.correction}")
    effect = row.effect
    inference = Cell(
        voice.phrase(
            "table.inference", cluster=cluster, clusters=voice.phrase("language.missing") if clusters is None else f"{clusters:,}"
        ),
        voice.phrase("table.inference_detail", correction=correction, reference=row.reference) if voice.ranges else "",
        (cluster, clusters, correction, row.factor, row.reference),
    )
    mark = "◆ " if row.headline else ""
    detail = voice.phrase("language.two_parts", one=average, two=comparison)
    first = Cell(mark + name, detail, (name, average, comparison, int(row.headline)))
    return Row(
        (first, _effect(voice, effect.estimate), _effect(voice, effect.std_error), _span(voice, effect.low, effect.high), _p(voice, effect), _difference(voice, row.difference), inference),
        row.headline,
    )  # fmt: skip


def _published_row(voice: Voice, row: Published) -> Row:
    what = voice.phrase("table.published", what=voice.word(row.what))
    none = voice.phrase("language.missing")
    return Row(
        (
            Cell(what, values=(what, "", "", 0)),
            _effect(voice, row.estimate),
            _effect(voice, row.std_error),
            Cell(none, values=(None, None)),
            Cell(none, values=(None,)),
            Cell(none, values=(None,) * 5),
        )
    )


def _path(voice: Voice) -> Made:
    columns = [
        _column(voice, "event_time", align="left"),
        _column(voice, "estimate"),
        _column(voice, "std_error"),
        _column(voice, "interval", "low", "high"),
        _column(voice, "band", "band_low", "band_high"),
        _column(voice, "units"),
    ]
    found = {point.event_time: _path_row(voice, point) for point in voice.findings.path}
    if hidden := voice.findings.hidden:
        found |= {event_time: _hidden_path_row(voice, event_time) for event_time in hidden.event_times}
    rows = [found[event_time] for event_time in sorted(found)]
    notes = [voice.say("table.effect_unit", unit_of_effect=voice.unit_of_effect())]
    if not voice.ranges:
        return columns, rows, [*notes, voice.say("table.no_range"), voice.say("table.path_note_plain")]
    critical = voice.findings.path_critical
    notes.append(
        voice.say("table.path_note_single")
        if critical is None
        else voice.say("table.path_note", critical=numerals.fixed(critical, 2))
    )
    if any(point.low is None and not point.reference for point in voice.findings.path):
        notes.append(voice.say("table.path_alone"))
    return columns, rows, notes


def _path_row(voice: Voice, point: PathPoint) -> Row:
    when = numerals.fixed(point.event_time)
    if point.reference:
        when = voice.phrase("table.reference", when=when)
    spread = (None,) * 4 if point.reference else (point.low, point.high, point.band_low, point.band_high)
    return Row(
        (
            Cell(when, values=(point.event_time,)),
            _effect(voice, point.estimate),
            _effect(voice, None if point.reference else point.std_error),
            _span(voice, spread[0], spread[1]),
            _span(voice, spread[2], spread[3]),
            _sum(voice, point.units),
        )
    )


def _hidden_path_row(voice: Voice, event_time: int) -> Row:
    none = (_effect(voice, None), _effect(voice, None), _span(voice, None, None), _span(voice, None, None))
    return Row((Cell(numerals.fixed(event_time), values=(event_time,)), *none, _number(voice, None)))


def _cohorts(voice: Voice) -> Made:
    columns = [
        _column(voice, "year", align="left"),
        _column(voice, "units"),
        _column(voice, "estimate"),
        _column(voice, "interval", "low", "high"),
        _column(voice, "used", align="left"),
    ]
    rows = []
    for cohort in voice.findings.cohorts:
        effect = cohort.effect if cohort.used else None
        rows.append(
            Row(
                (
                    Cell(voice.phrase("language.one_year", year=cohort.year), values=(cohort.year,)),
                    _number(voice, cohort.units),
                    _effect(voice, effect.estimate if effect else None),
                    _span(voice, effect.low if effect else None, effect.high if effect else None),
                    _text(voice.phrase(f"cohort.{_why(voice, cohort)}")),
                )
            )
        )
    notes = [voice.say("table.effect_unit", unit_of_effect=voice.unit_of_effect()), voice.say("table.cohort_note")]
    return columns, rows, notes if voice.ranges else [*notes, voice.say("table.no_range")]


def _why(voice: Voice, cohort: Cohort) -> str:
    """Return why a cohort has an estimate or none."""
    findings = voice.findings
    if cohort.used and cohort.units is None:
        return "hidden"
    if cohort.used:
        return "single" if cohort.units == 1 else "used"
    if cohort.year <= voice.first_clean_start:
        return "from_start_anticipation" if findings.anticipation else "from_start"
    if cohort.year > max(findings.sample.periods):
        return "later"
    return "last" if cohort.year == voice.last_cohort and findings.sample.last_cohort_units != 0 else "other"


def _dates(voice: Voice) -> Made:
    columns = [
        _event_column(voice, "date", "start_date", voice.phrase("event_table.reason"), voice.phrase("column.headline")),
        _event_column(voice, "units", "with_date"),
        _event_column(voice, "without", "without_date"),
        Column(voice.say("column.start_years"), "left", tuple(voice.say(f"event_table.{end}_cohort") for end in ("first", "last"))),
        _column(voice, "estimate"),
        _column(voice, "interval", "low", "high"),
    ]
    used = any(row.used for row in voice.findings.dates)
    notes = [
        voice.say("table.effect_unit", unit_of_effect=voice.unit_of_effect()),
        *([voice.say("table.dates_headline")] if used else []),
        voice.say("table.dates_note"),
        *([] if voice.ranges else [voice.say("table.no_range")]),
    ]
    return columns, [_date_row(voice, row) for row in voice.findings.dates], notes


def _event_column(voice: Voice, name: str, short: str, *more: str) -> Column:
    return Column(voice.say(f"column.{short}"), "left" if more else "right", (voice.say(f"event_table.{name}"), *more))


def _date_row(voice: Voice, row: DateRow) -> Row:
    word, first, last = voice.say(f"event.{row.date}"), row.first_cohort, row.last_cohort
    known = first is not None and last is not None
    years = voice.years(range(first, last + 1)) if first is not None and last is not None else voice.phrase("language.missing")
    why = voice.say(f"date.{_why_no_effect(row)}") if row.effect is None else ""
    low, high = (row.low, row.high) if voice.ranges else (None, None)
    return Row(
        (
            Cell(("◆ " if row.used else "") + word, why, (word, why, int(row.used))),
            _number(voice, row.units) if _few(row) else _sum(voice, row.units),
            _sum(voice, row.left_out),
            Cell(years, values=(first, last) if known else (None, None)),
            _effect(voice, row.effect),
            _span(voice, low, high),
        ),
        row.used,
    )


def _why_no_effect(row: DateRow) -> str:
    """Return why a date has no estimate; what code said of it is for the log, not for readers."""
    if row.units == 0:
        return "no_record"
    return "hidden" if _few(row) else "not_estimated"


def _few(row: DateRow) -> bool:
    """Return whether a date is hidden because few units have it: its years are not told either."""
    return row.units is None and row.first_cohort is None


def _sample(voice: Voice) -> Made:
    columns = [_column(voice, "item", align="left"), _column(voice, "number")]
    sample = voice.findings.sample
    where_any = {
        "from_start": sample.treated_from_start,
        "not_estimated": _not_estimated(sample),
        "never": sample.never_units,
        "later": sample.later_units,
        "last": sample.last_cohort_units,
    }
    rows_used, clusters_used = voice.say("sample.rows_used"), voice.say("sample.clusters_used")
    shown = [
        (voice.say("sample.units"), sample.units),
        (voice.phrase("sample.used"), sample.treated_used),
        *((voice.phrase(f"sample.{name}"), number) for name, number in where_any.items() if number != 0),
        (voice.say("sample.periods"), len(sample.periods)),
        (voice.say("sample.rows"), sample.rows),
        (rows_used, sample.rows_used),
        (voice.say("sample.left_out"), sample.rows_left_out),
        *([(voice.say("sample.rows_outside"), sample.rows_outside)] if sample.rows_outside else []),
        (voice.say("sample.clusters", cluster=voice.cluster(sample.cluster, sample.clusters)), sample.clusters),
        (clusters_used, sample.clusters_used),
    ]
    shown += [(voice.say("sample.never_code", code=never_code(voice, code)), n) for code, n in sample.never_codes.items() if n != 0]
    sums = (rows_used, clusters_used)
    rows = [Row((_text(label), (_sum if label in sums else _number)(voice, number))) for label, number in shown]
    return columns, rows, [voice.say("table.sample_note")]


def _balance(voice: Voice) -> Made:
    balance = voice.findings.alike
    assert balance is not None
    columns = [
        _column(voice, "covariate", align="left"),
        _column(voice, "mean_treated"),
        _column(voice, "mean_comparison"),
        *([_column(voice, "mean_weighted")] if balance.weighted else []),
        _column(voice, "apart_before", "apart_before", "apart_largest", "apart_cohort"),
        *([_column(voice, "apart_after", "apart_after", "apart_after_largest")] if balance.weighted else []),
    ]
    rows = [_covariate_row(voice, row, balance.weighted) for row in balance.covariates]
    notes = [voice.say("table.balance_note")]
    if any(row.largest_cohort is not None for row in balance.covariates):
        notes.append(voice.say("table.balance_largest_note"))
    return columns, rows, [*notes, *([voice.say("table.balance_weighted_note")] if balance.weighted else [])]


def _covariate_row(voice: Voice, row: CovariateBalance, weighted: bool) -> Row:
    many = len({cohort.cohort for cohort in voice.findings.alike.cohorts}) > 1 if voice.findings.alike else False
    before = Cell(numerals.fixed(row.before, 2, plus=True), values=(row.before, row.largest_before, row.largest_cohort))
    if many and row.largest_cohort is not None:
        told = voice.phrase("table.largest", size=numerals.fixed(row.largest_before, 2, plus=True), year=row.largest_cohort)
        before = Cell(before.text, told, before.values)
    name = voice.covariate(row.covariate)
    cells = [_text(name), _mean(row.treated), _mean(row.comparison)]
    if weighted and row.weighted is not None and row.after is not None:
        after = Cell(numerals.fixed(row.after, 2, plus=True), values=(row.after, row.largest_after))
        return Row((*cells, _mean(row.weighted), before, after))
    return Row((*cells, before))


def _mean(value: float) -> Cell:
    return Cell(numerals.measured(value), values=(value,))


def _overlap(voice: Voice) -> Made:
    balance = voice.findings.alike
    assert balance is not None
    columns = [
        _column(voice, "year", "year", "base_year", align="left"),
        _column(voice, "treated_units"),
        _column(voice, "comparison_units"),
        *([_column(voice, "effective_units")] if balance.weighted else []),
        _column(voice, "outside_units"),
    ]
    rows = []
    for cohort in balance.cohorts:
        year = Cell(voice.phrase("language.one_year", year=cohort.cohort), values=(cohort.cohort, cohort.base))
        cells = [year, _number(voice, cohort.treated_units), _number(voice, cohort.comparison_units)]
        if balance.weighted:
            worth = cohort.effective_units
            cells.append(_number(voice, None) if worth is None else Cell(numerals.fixed(worth, 1), values=(worth,)))
        rows.append(Row((*cells, _number(voice, cohort.outside_units))))
    notes = [*([voice.say("table.effective_note")] if balance.weighted else []), voice.say("table.outside_note")]
    return columns, rows, notes


def _components(voice: Voice) -> Made:
    found = voice.findings.components
    assert found is not None
    columns = [
        _column(voice, "component", "component", "earned", align="left"),
        _column(voice, "estimate"),
        _column(voice, "std_error"),
        _column(voice, "interval", "low", "high"),
        _column(voice, "pretrend_p"),
    ]
    rows = []
    for row in found.rows:
        effect, said = row.effect, components.name(voice, row)
        earned = voice.phrase("table.earned") if row.earned else ""
        error = voice.phrase("language.missing") if effect.std_error is None else numerals.fixed(effect.std_error, 1)
        p = voice.phrase("language.missing") if row.pretrend_p is None else numerals.p_value(row.pretrend_p)
        cells = (
            Cell(said, earned, (said, int(row.earned))),
            Cell(numerals.fixed(effect.estimate, 1, plus=True), values=(effect.estimate,)),
            Cell(error, values=(effect.std_error,)),
            Cell(components.money_span(voice, row), values=(effect.low, effect.high)),
            Cell(p, values=(row.pretrend_p,)),
        )
        rows.append(Row(cells, row is found.rows[-1]))
    notes = [voice.say("table.components_note")]
    if abs(found.gap) < ADDING:
        notes.append(voice.say("table.components_sum"))
    if any(row.pretrend_p is not None for row in found.rows):
        notes.append(voice.say("table.pretrend_note"))
    return columns, rows, notes if voice.ranges else [*notes, voice.say("table.no_range")]


def _not_estimated(sample: Told) -> int | None:
    """Return how many units are covered without a usable comparison; nothing where a public report hides what it follows from."""
    parts = (sample.treated_used, sample.treated_from_start, sample.comparison_units)
    known = [part for part in parts if part is not None]
    return sample.units - sum(known) if len(known) == len(parts) else 0


_MAKERS = {
    "estimators": _estimators, "path": _path, "cohorts": _cohorts, "sample": _sample, "dates": _dates, "balance": _balance,
    "overlap": _overlap, "components": _components, "drift": firmness.drift_table, "few_clusters": firmness.methods_table,
}  # fmt: skip
