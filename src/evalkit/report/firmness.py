"""How firm a finding is, in sentences and tables: what would overturn it, what tests could see, whether it survives few clusters."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit import numerals
from evalkit.evidence_limits import UNLIMITED
from evalkit.firm_records import Drifted, Firm, LeftOut, Method, Needed, NotTold, Overturn, Permuted, Power, Seen
from evalkit.records import Remark
from evalkit.report.blocks import Cell, Column, Row
from evalkit.report.cells import Made
from evalkit.report.remarks import sentence
from evalkit.report.sources import count
from evalkit.report.voice import Voice

ROUNDED = 0.05  # money below it is shown as nought


def overturned(voice: Voice, found: Overturn | NotTold) -> Iterator[str]:
    """Say what would overturn the conclusion, in money, or why that cannot be told."""
    if isinstance(found, NotTold):
        alone = voice.single and found.reason == "too_few"
        yield voice.say("one_unit.overturn" if alone else f"firm.no_overturn_{found.reason}")
        return
    if found.stays_small is not None:
        yield _of_small_change(voice, found.stays_small)
    elif found.already:
        yield voice.say("firm.already")
    elif found.breakdown is None:
        yield voice.say("firm.never")
    else:
        what = voice.say(f"firm.to_{'undo' if voice.findings.verdict in ('pretrend_failed', 'refused') else 'overturn'}")
        side = voice.phrase(f"firm.{'more' if found.effect > 0 else 'less'}")
        yield voice.say("firm.overturn", what=what, side=side, amount=voice.amount(found.breakdown))
    yield _before(voice, found)


def _of_small_change(voice: Voice, multiple: float) -> str:
    """Say up to which drift a small change stays one, in multiples of the largest before the start."""
    smallest = numerals.short(voice.findings.smallest_meaningful_percent)
    if multiple == 0:
        return voice.say("firm.small_never", smallest=smallest)
    if multiple >= UNLIMITED:
        return voice.say("firm.small_always", smallest=smallest)
    return voice.say("firm.small", multiple=numerals.fixed(multiple, 2), smallest=smallest)


def _before(voice: Voice, found: Overturn) -> str:
    """Say how far the two groups drifted apart before the start, and whether that would have been enough."""
    if found.largest_before is None:
        return voice.say("firm.before_none")
    told = voice.say("firm.before", amount=voice.amount(found.largest_before))
    if found.already or found.breakdown is None or found.stays_small is not None:
        return told
    if found.breakdown <= found.largest_before:
        return voice.join([told, voice.say("firm.seen_before")])
    unsure = found.relative is not None and found.relative < 1
    return voice.join([told, voice.say("firm.unseen_before"), voice.say("firm.unsure_before") if unsure else ""])


def expert(voice: Voice, found: Overturn) -> Iterator[str]:
    """Say for experts how the bounds were made, and what limits them."""
    yield voice.say("firm.expert", table=voice.see("table", "drift"))
    if found.relative is not None:
        yield voice.say("firm.relative", relative=numerals.fixed(found.relative, 2))
    if not found.whole:
        yield voice.say("firm.not_whole", last=voice.when(found.last))
    for remark in found.remarks:
        yield sentence(voice, remark)


def power(voice: Voice, found: Power | NotTold) -> Iterator[str]:
    """Say whether the test of the years before could have seen a drift that matters; nothing where it was not made or has failed."""
    if isinstance(found, NotTold):
        return
    slope = voice.amount(found.slope)
    key = f"firm.power{'_small' if found.of_smallest else ''}{'_weak' if found.weak else ''}"
    yield voice.say(key, slope=slope, power=numerals.whole_percent(round(found.power, 2)))


def few_clusters(voice: Voice, firm: Firm) -> Iterator[str]:
    """Say what a permutation can show at all, what it shows, whether methods agree, and what no permutation can see."""
    yield from permutation(voice, firm.permuted)
    told = [row for row in firm.methods if not row.reason]
    if voice.ranges and len(told) > 1:
        shown = {_beyond_zero(row) for row in told}
        key = "differ" if len(shown) > 1 else "beyond" if shown == {True} else "hold"
        yield voice.say(f"firm.methods_{key}", table=voice.see("table", "few_clusters"), methods=count(told, of=firm.methods))
    yield voice.say("firm.scope")


def _beyond_zero(row: Method) -> bool:
    """Return whether a range lies on one side of zero: an open end reaches as far as anything."""
    return (row.low is not None and row.low > 0) or (row.high is not None and row.high < 0)


def permutation(voice: Voice, found: Permuted | NotTold) -> Iterator[str]:
    """Say the smallest p-value that a permutation could give, before its own."""
    if isinstance(found, NotTold):
        yield voice.say(f"firm.no_permutation_{found.reason}")
        return
    what = voice.phrase(f"firm.moves_{found.moves}", cluster=_cluster(voice))
    how = voice.phrase(f"firm.{'every' if found.exact else 'drawn'}", draws=found.draws)
    smallest = numerals.p_value(found.smallest_p)
    told = ""
    if found.treated is not None and found.items is not None:
        counts = {
            name: numerals.fixed(value or 0) for name, value in vars(found).items() if name in ("treated", "items", "possible")
        }
        told = voice.phrase(f"firm.possible{'' if found.possible else '_many'}", **counts)
    yield voice.say("firm.smallest", what=what, possible=told, how=how, smallest=smallest)
    yield voice.say("firm.permuted", p=numerals.p_sentence(found.p_value))
    if found.cannot:
        yield voice.say("firm.cannot")
    for remark in found.remarks:
        yield sentence(voice, remark)


def _cluster(voice: Voice) -> str:
    sample = voice.findings.sample
    return voice.cluster(sample.cluster, sample.clusters)


def without(voice: Voice, found: LeftOut | NotTold) -> Iterator[str]:
    """Say how far the estimate moves when one cluster is left out, and whether its sign turns."""
    if isinstance(found, NotTold):
        return
    turned = voice.phrase("firm.turned_none" if found.flips == 0 else "firm.turned", times=found.flips)
    low, high = voice.amounts(found.low, found.high, plus=True)
    yield voice.say("firm.without", cluster=_cluster(voice), low=low, high=high, turned=turned)


def seen(voice: Voice, found: Seen | NotTold) -> str:
    """Say what the design can see, before any estimate, or that it cannot be told."""
    if isinstance(found, NotTold):
        return voice.say("how.not_seen")
    facts = {
        "percent": numerals.percent(found.percent),
        "amount": voice.amount(found.money),
        "power": numerals.whole_percent(found.power),
    }
    return voice.join([voice.say("how.seen", **facts), *(sentence(voice, _named(voice, remark)) for remark in found.remarks)])


def _named(voice: Voice, remark: Remark) -> Remark:
    """Return a remark that calls covariates as the study does."""
    columns = [voice.covariate(str(name)) for name in remark.facts.get("columns", [])]
    return remark.model_copy(update={"facts": remark.facts | ({"columns": columns} if columns else {})})


def needed(voice: Voice, found: Needed) -> str:
    """Say how many units it would take to see the smallest change that matters."""
    coarser = found.clusters_today < found.units_today
    count = _so_many(voice, found.clusters, found.units) if coarser else voice.count_units(found.units)
    today = _so_many(voice, found.clusters_today, found.units_today) if coarser else voice.count_units(found.units_today)
    return voice.say("bottom.unclear_needed", percent=numerals.short(found.percent), count=count, today=today)


def _so_many(voice: Voice, clusters: int, units: int) -> str:
    told = voice.catalogue.count(clusters, _cluster(voice))
    return voice.phrase("language.parenthesis", outer=told, inner=voice.count_units(units))


def drifts(voice: Voice, found: Overturn) -> str:
    """Return the ranges of the picture for those who cannot see it."""
    return voice.join(
        voice.phrase("figure.firmness.row", drift=_drift(row.drift), interval=_ends(voice, row.low, row.high)) for row in found.rows
    )


def drift_table(voice: Voice) -> Made:
    """Return the range of the effect at a few yearly drifts between the groups."""
    found = voice.findings.firm.overturn if voice.findings.firm else None
    assert isinstance(found, Overturn)
    columns = [
        Column(voice.say("column.drift"), "left", (voice.phrase("column.drift"),)),
        Column(voice.say("column.effect_range"), "right", (voice.phrase("column.low"), voice.phrase("column.high"))),
    ]
    rows = [_drift_row(voice, found, row) for row in found.rows]
    notes = [voice.say("table.drift_note"), *(_converted(voice))]
    return columns, rows, notes


def _drift_row(voice: Voice, found: Overturn, row: Drifted) -> Row:
    before = found.largest_before or 0.0
    why = ""
    if row.drift == 0:
        why = "none"
    elif found.breakdown and _same(row.drift, found.breakdown):
        why = "breakdown"
    elif before:
        why = "before" if _same(row.drift, before) else "half"
    detail = voice.phrase(f"firm.drift_{why}") if why else ""
    first = Cell(_drift(row.drift), detail, (row.drift,))
    return Row((first, Cell(_ends(voice, row.low, row.high), values=(row.low, row.high))), why == "breakdown")


def _drift(drift: float) -> str:
    return numerals.money(drift) if drift else numerals.told("0", of=drift)


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 * abs(other)


def methods_table(voice: Voice) -> Made:
    """Return the range of the average effect by every method: where there are too few clusters, the rank among assignments alone."""
    assert voice.findings.firm is not None
    columns = [
        Column(voice.say("column.method"), "left", (voice.phrase("column.method"),)),
        Column(
            voice.say("column.interval"), "right",
            tuple(voice.phrase(f"column.{name}") for name in ("low", "high", "low_percent", "high_percent")),
        ),
        Column(voice.phrase("column.p_value"), "right", (voice.phrase("column.p_value"),)),
        Column(voice.say("column.rests_on"), "left", (voice.phrase("column.rests_on"),)),
    ]  # fmt: skip
    rows = [_method_row(voice, row) for row in voice.findings.firm.methods]
    notes = [voice.say("table.few_clusters_note")] if voice.ranges else [voice.say("table.few_clusters_plain")]
    return columns, rows, [*notes, *(_converted(voice) if voice.ranges else [])]


def _converted(voice: Voice) -> list[str]:
    """Say how money was made of logs."""
    firm = voice.findings.firm
    if voice.findings.scale != "log" or firm is None:
        return []
    return [voice.say(f"table.firm_money{'' if firm.proportional else '_base'}")]


def _method_row(voice: Voice, row: Method) -> Row:
    name = voice.say(f"firm.method_{row.name}")
    missing = voice.phrase("language.missing")
    told = row.low is not None or row.high is not None
    span = _ends(voice, row.low, row.high) if told else missing
    percent = _ends(voice, row.low_percent, row.high_percent, percent=True) if told else ""
    p = missing if row.p_value is None else numerals.p_value(row.p_value)
    why = voice.phrase(f"firm.why_{row.reason}") if row.reason and voice.ranges else ""
    rests = _rests_on(voice, row) if row.p_value is not None else why
    detail = why if row.p_value is not None else ""
    return Row(
        (
            Cell(name, values=(name,)),
            Cell(span, percent, (row.low, row.high, row.low_percent, row.high_percent)),
            Cell(p, values=(row.p_value,)),
            Cell(rests, detail, (rests,)),
        ),
        row.name == "interval",
    )


def _ends(voice: Voice, low: float | None, high: float | None, percent: bool = False) -> str:
    def told(value: float) -> str:
        if percent:
            return numerals.percent(value)
        return numerals.told("0", of=value) if abs(value) < ROUNDED else numerals.money(value)

    if low is None or high is None:
        return (
            voice.phrase("firm.open_low", high=told(high))
            if high is not None
            else voice.phrase("firm.open_high", low=told(low or 0.0))
        )
    return voice.phrase("language.interval", low=told(low), high=told(high))


def _rests_on(voice: Voice, row: Method) -> str:
    """Return what a method rests on; a public report that hides sizes tells no number of clusters."""
    facts: dict[str, object] = {"draws": "" if row.draws is None else f"{row.draws:,}", "reference": row.reference}
    return voice.phrase(f"firm.rests_{row.name}", cluster=_cluster(voice), clusters=voice.count(row.clusters, "cluster"), **facts)
