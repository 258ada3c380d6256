"""Tables of estimates: by method, by year, by cohort, and by the date that counts as the start."""

from __future__ import annotations

from dataclasses import replace

from evalkit import numerals
from evalkit.findings import Cohort, DateRow, EstimatorRow, PathPoint
from evalkit.records import Interval
from evalkit.report.blocks import Cell, Column, Row
from evalkit.report.cells import Made, column, count_cell, effect_cell, p_cell, span_cell, sum_cell, text_cell
from evalkit.report.voice import Voice
from evalkit.study import Published


def estimators_table(voice: Voice) -> Made:
    """Return the estimates of every method beside the main one, then published ones."""
    columns = [
        column(voice, "estimator", "estimator", "average", "comparison", "headline", align="left"),
        column(voice, "estimate"),
        column(voice, "std_error"),
        column(voice, "interval", "low", "high"),
        column(voice, "p_value"),
        column(voice, "difference", "difference", "difference_low", "difference_high", "difference_p"),
        column(voice, "inference", "cluster", "clusters", "correction", "factor", "reference", align="left"),
    ]
    if voice.single:
        columns[-1] = replace(columns[-1], told=False)
    findings = voice.findings
    ranged = voice.ranges
    rows = [_estimator_row(voice, row) for row in findings.estimators] + [_published_row(voice, row) for row in findings.published]
    used = dict.fromkeys(row.correction for row in findings.estimators if ranged)
    references = dict.fromkeys(row.reference.partition("(")[0] for row in findings.estimators if ranged)
    notes = [
        _unit(voice),
        voice.say("table.headline_note"),
        *(
            [voice.say(f"table.difference_note{'' if ranged else '_plain'}")]
            if any(row.difference for row in findings.estimators)
            else []
        ),
        *([] if ranged else [no_range(voice)]),
        *([] if voice.single else [voice.say("table.inference_note" if ranged else "table.inference_note_plain")]),
        *(voice.say(f"correction_note.{name}") for name in used),
        *(voice.phrase(f"reference.{name}_note") for name in references),
    ]
    if findings.published:
        notes.append(voice.say("table.published_note"))
    return columns, rows, notes


def _unit(voice: Voice) -> str:
    """Say in which unit a table is; where there are no standard errors it does not speak of them."""
    return voice.say(f"table.effect_unit{'' if voice.ranges else '_plain'}", unit_of_effect=voice.unit_of_effect())


def no_range(voice: Voice) -> str:
    """Say why a table has no standard errors and ranges."""
    return voice.say("one_unit.no_error" if voice.single else "table.no_range")


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
        (first, effect_cell(voice, effect.estimate), effect_cell(voice, effect.std_error), span_cell(voice, effect.low, effect.high), p_cell(voice, effect), _difference(voice, row.difference), inference),
        row.headline,
    )  # fmt: skip


def _published_row(voice: Voice, row: Published) -> Row:
    what = voice.phrase("table.published", what=voice.word(row.what))
    none = voice.phrase("language.missing")
    return Row(
        (
            Cell(what, values=(what, "", "", 0)),
            effect_cell(voice, row.estimate),
            effect_cell(voice, row.std_error),
            Cell(none, values=(None, None)),
            Cell(none, values=(None,)),
            _difference(voice, None),
            Cell(none, values=(None,) * 5),
        )
    )


def path_table(voice: Voice) -> Made:
    """Return the gap in every year since the start, with both kinds of range."""
    columns = [
        column(voice, "event_time", align="left"),
        column(voice, "estimate"),
        column(voice, "std_error"),
        column(voice, "interval", "low", "high"),
        column(voice, "band", "band_low", "band_high"),
        column(voice, "units"),
    ]
    if voice.single:
        columns[-1] = replace(columns[-1], told=False)
    if voice.alone:
        columns[3] = replace(columns[3], label=voice.say("one_unit.range"))
    found = {point.event_time: _path_row(voice, point) for point in voice.findings.path}
    if hidden := voice.findings.hidden:
        found |= {event_time: _hidden_path_row(voice, event_time) for event_time in hidden.event_times}
    rows = [found[event_time] for event_time in sorted(found)]
    notes = [_unit(voice)]
    if voice.alone:
        return columns, rows, [*notes, voice.say("one_unit.path_table"), voice.say("table.path_note_plain")]
    if not voice.ranges:
        return columns, rows, [*notes, no_range(voice), voice.say("table.path_note_plain")]
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
            effect_cell(voice, point.estimate),
            effect_cell(voice, None if point.reference else point.std_error),
            span_cell(voice, spread[0], spread[1]),
            span_cell(voice, spread[2], spread[3]),
            sum_cell(voice, point.units),
        )
    )


def _hidden_path_row(voice: Voice, event_time: int) -> Row:
    none = (effect_cell(voice, None), effect_cell(voice, None), span_cell(voice, None, None), span_cell(voice, None, None))
    return Row((Cell(numerals.fixed(event_time), values=(event_time,)), *none, count_cell(voice, None)))


def cohorts_table(voice: Voice) -> Made:
    """Return the average effect of every cohort, or why it has none."""
    columns = [
        column(voice, "year", align="left"),
        column(voice, "units"),
        column(voice, "estimate"),
        column(voice, "interval", "low", "high"),
        column(voice, "used", align="left"),
    ]
    rows = []
    for cohort in voice.findings.cohorts:
        effect = cohort.effect if cohort.used else None
        rows.append(
            Row(
                (
                    Cell(voice.phrase("language.one_year", year=cohort.year), values=(cohort.year,)),
                    count_cell(voice, cohort.units),
                    effect_cell(voice, effect.estimate if effect else None),
                    span_cell(voice, effect.low if effect else None, effect.high if effect else None),
                    text_cell(voice.phrase(f"cohort.{_why(voice, cohort)}")),
                )
            )
        )
    notes = [_unit(voice), voice.say("table.cohort_note")]
    return columns, rows, notes if voice.ranges else [*notes, no_range(voice)]


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


def dates_table(voice: Voice) -> Made:
    """Return the effect by the date that counts as the start, or why there is none."""
    columns = [
        _event_column(voice, "date", "start_date", voice.phrase("event_table.reason"), voice.phrase("column.headline")),
        _event_column(voice, "units", "with_date"),
        _event_column(voice, "without", "without_date"),
        Column(voice.say("column.start_years"), "left", tuple(voice.say(f"event_table.{end}_cohort") for end in ("first", "last"))),
        column(voice, "estimate"),
        column(voice, "interval", "low", "high"),
    ]
    used = any(row.used for row in voice.findings.dates)
    notes = [
        _unit(voice),
        *([voice.say("table.dates_headline")] if used else []),
        voice.say("table.dates_note"),
        *([] if voice.ranges else [no_range(voice)]),
    ]
    return columns, [_date_row(voice, row) for row in voice.findings.dates], notes


def _event_column(voice: Voice, name: str, short: str, *more: str) -> Column:
    return Column(voice.say(f"column.{short}"), "left" if more else "right", (voice.say(f"event_table.{name}"), *more))


def _date_row(voice: Voice, row: DateRow) -> Row:
    word, first, last = voice.say(f"event.{row.date}"), row.first_cohort, row.last_cohort
    known = first is not None and last is not None
    years = voice.window(first, last) if first is not None and last is not None else voice.phrase("language.missing")
    why = voice.say(f"date.{_why_no_effect(row)}") if row.effect is None else ""
    low, high = (row.low, row.high) if voice.ranges else (None, None)
    return Row(
        (
            Cell(("◆ " if row.used else "") + word, why, (word, why, int(row.used))),
            count_cell(voice, row.units) if _few(row) else sum_cell(voice, row.units),
            sum_cell(voice, row.left_out),
            Cell(years, values=(first, last) if known else (None, None)),
            effect_cell(voice, row.effect),
            span_cell(voice, low, high),
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
