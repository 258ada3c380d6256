"""Tables of those compared: the sample, whether the two groups are alike, and their sources of income."""

from __future__ import annotations

from evalkit import numerals
from evalkit.findings import CovariateBalance, Told
from evalkit.report import components
from evalkit.report.blocks import Cell, Row
from evalkit.report.cells import Made, column, count_cell, mean_cell, sum_cell, text_cell
from evalkit.report.remarks import never_code
from evalkit.report.sources import count
from evalkit.report.voice import Voice

ADDING = 0.05  # below this components add up to the total in all digits that a table shows


def sample_table(voice: Voice) -> Made:
    """Return who and what is in the sample, counted."""
    columns = [column(voice, "item", align="left"), column(voice, "number")]
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
        (voice.say("sample.periods"), count(sample.periods)),
        (voice.say("sample.rows"), sample.rows),
        (rows_used, sample.rows_used),
        (voice.say("sample.left_out"), sample.rows_left_out),
        *([(voice.say("sample.rows_outside"), sample.rows_outside)] if sample.rows_outside else []),
        (voice.say("sample.clusters", cluster=voice.cluster(sample.cluster, sample.clusters)), sample.clusters),
        (clusters_used, sample.clusters_used),
    ]
    shown += [(voice.say("sample.never_code", code=never_code(voice, code)), n) for code, n in sample.never_codes.items() if n != 0]
    sums = (rows_used, clusters_used)
    rows = [Row((text_cell(label), (sum_cell if label in sums else count_cell)(voice, number))) for label, number in shown]
    return columns, rows, [voice.say("table.sample_note")]


def balance_table(voice: Voice) -> Made:
    """Return the means of both groups in each covariate, and how far they lie apart."""
    balance = voice.findings.alike
    assert balance is not None
    columns = [
        column(voice, "covariate", align="left"),
        column(voice, "mean_treated"),
        column(voice, "mean_comparison"),
        *([column(voice, "mean_weighted")] if balance.weighted else []),
        column(voice, "apart_before", "apart_before", "apart_largest", "apart_cohort"),
        *([column(voice, "apart_after", "apart_after", "apart_after_largest")] if balance.weighted else []),
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
    cells = [text_cell(name), mean_cell(row.treated), mean_cell(row.comparison)]
    if weighted and row.weighted is not None and row.after is not None:
        after = Cell(numerals.fixed(row.after, 2, plus=True), values=(row.after, row.largest_after))
        return Row((*cells, mean_cell(row.weighted), before, after))
    return Row((*cells, before))


def overlap_table(voice: Voice) -> Made:
    """Return of every cohort how many it is compared with, and how many have nobody alike."""
    balance = voice.findings.alike
    assert balance is not None
    columns = [
        column(voice, "year", "year", "base_year", align="left"),
        column(voice, "treated_units"),
        column(voice, "comparison_units"),
        *([column(voice, "effective_units")] if balance.weighted else []),
        column(voice, "outside_units"),
    ]
    rows = []
    for cohort in balance.cohorts:
        year = Cell(voice.phrase("language.one_year", year=cohort.cohort), values=(cohort.cohort, cohort.base))
        cells = [year, count_cell(voice, cohort.treated_units), count_cell(voice, cohort.comparison_units)]
        if balance.weighted:
            worth = cohort.effective_units
            cells.append(count_cell(voice, None) if worth is None else Cell(numerals.fixed(worth, 1), values=(worth,)))
        rows.append(Row((*cells, count_cell(voice, cohort.outside_units))))
    notes = [*([voice.say("table.effective_note")] if balance.weighted else []), voice.say("table.outside_note")]
    return columns, rows, notes


def components_table(voice: Voice) -> Made:
    """Return the effect on every source of income and on their total."""
    found = voice.findings.components
    assert found is not None
    columns = [
        column(voice, "component", "component", "earned", align="left"),
        column(voice, "estimate"),
        column(voice, "std_error"),
        column(voice, "interval", "low", "high"),
        column(voice, "pretrend_p"),
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
        notes.append(voice.phrase("table.pretrend_note"))  # p is no capital letter
    return columns, rows, notes if voice.ranges else [*notes, voice.say("table.no_range")]


def _not_estimated(sample: Told) -> int | None:
    """Return how many units are covered without a usable comparison; nothing where a public report hides what it follows from."""
    parts = (sample.treated_used, sample.treated_from_start, sample.comparison_units)
    known = [part for part in parts if part is not None]
    return sample.units - sum(known) if len(known) == len(parts) else 0
