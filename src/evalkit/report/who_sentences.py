"""Who gained, in sentences: no causal verb where the verdict does not carry one, and none where a range holds zero."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit import numerals
from evalkit.findings import Headline
from evalkit.firm_records import NotTold
from evalkit.report.sources import count
from evalkit.report.voice import has_range
from evalkit.report.who_voice import FAILED, WhoVoice, holds_zero, lines_of, overtaken
from evalkit.who_records import (
    Deciles,
    GroupDifference,
    GroupFound,
    Groups,
    NearPoor,
    NoLine,
    Overtaking,
    Passed,
    Poverty,
    PovertyFound,
    PovertyLineFound,
    Village,
)


def points(voice: WhoVoice) -> Iterator[str]:
    """Return what the page adds to the bottom line, a sentence a section."""
    record = voice.record
    if isinstance(record.groups, Groups):
        for row in voice.group_found():
            yield group_sentence(voice, row)
    if isinstance(record.deciles, Deciles):
        yield _seen_deciles(voice, record.deciles)
    for line in lines_of(record):
        yield headcount(voice, line)
    for one in overtaken(record)[:1]:
        yield voice.join([passed(voice, one), *_alike(voice, one)])
    for subject, part in (("deciles", record.deciles), ("overtaking", record.village)):
        if isinstance(part, NotTold):
            yield voice.refusal(part, group=voice.say(f"gains.subject.{subject}"))


def group_items(voice: WhoVoice, found: Groups) -> Iterator[str]:
    """Say of each group what is found in it, with what a reader must know of its figure."""
    for row in found.rows:
        said = [group_sentence(voice, row)]
        if (p := _apart(row)) is not None:
            said.append(voice.say("gains.groups.apart", group=voice.word(row.word), p=numerals.p_sentence(p)))
        if row.fixed:
            names = voice.listed([voice.covariate(name) for name in row.fixed])
            said.append(voice.say("gains.groups.fixed", group=voice.word(row.word), names=names))
        yield voice.join(said)


def _apart(row: GroupFound) -> float | None:
    """Return the p-value of the years before where the two sides of a group moved differently in them, nothing where not."""
    return row.pretrend_p if row.pretrend_p is not None and row.pretrend_p < FAILED else None


def difference_texts(voice: WhoVoice, found: Groups) -> Iterator[str]:
    """Say how groups differ from one another, and who is in none."""
    apart = {row.name for row in found.rows if _apart(row) is not None}
    for one in found.differences:
        parted = [voice.say("gains.groups.difference_apart")] if {one.one, one.other} & apart else []
        yield voice.join([_difference(voice, one), *parted])
    for column, units in found.without_value.items():
        yield voice.say("gains.groups.without_value", column=column, units=voice.count_units(units))


def group_sentence(voice: WhoVoice, row: GroupFound) -> str:
    """Say what is found in a group, as strongly as the verdict, the range, the years before and the number of groups allow."""
    group = voice.word(row.word)
    if isinstance(row.found, NotTold):
        return voice.refusal(row.found, group=group)
    return voice.say(f"gains.groups.{_strength(voice, row, row.found)}", **_size(voice, row.found, group))


def _strength(voice: WhoVoice, row: GroupFound, found: Headline) -> str:
    """Return how strongly the effect of a group may be told: up, down, unclear, or described only."""
    if not has_range(found.effect):
        return "bare"
    apart = row.pretrend_p is not None and row.pretrend_p < FAILED
    many = row.adjusted is None or row.adjusted.holm > 1 - voice.findings.level
    if holds_zero(found.effect) or many:
        return "unclear"
    if not voice.causal or apart:
        return "described"
    return ("up" if found.effect.estimate > 0 else "down") + voice.force


def _size(voice: WhoVoice, found: Headline, group: str) -> dict[str, str]:
    money, percent = found.money, found.percent
    return {
        "group": group,
        "amount": voice.amount(abs(money.estimate)),
        "signed": voice.amount(money.estimate, plus=True),
        "percent": numerals.percent(abs(percent.estimate)),
        "signed_percent": numerals.percent(percent.estimate, plus=True),
        "range": voice.money_range(money),
    }


def _difference(voice: WhoVoice, one: GroupDifference) -> str:
    p = one.adjusted.holm if one.adjusted else None
    clear = p is not None and p <= 1 - voice.findings.level and not holds_zero(one.effect)
    facts = {
        "one": voice.group(one.one),
        "other": voice.group(one.other, one.one),
        "amount": voice.amount(one.money.estimate, plus=True),
        "range": voice.money_range(one.money),
        "p": voice.phrase("language.missing") if p is None else numerals.p_sentence(p),
    }
    return voice.say(f"gains.groups.difference_{'clear' if clear else 'unclear'}", **facts)


def decile_texts(voice: WhoVoice, found: Deciles) -> Iterator[str]:
    """Say which part of the distribution moved, and what the method leaves open."""
    low, middle, high = found.rows[0], found.rows[len(found.rows) // 2], found.rows[-1]
    amounts = voice.amounts(*(row.money.estimate for row in (low, middle, high)), plus=True)
    facts = dict(zip(("low", "middle", "high"), amounts, strict=True))
    yield voice.say("gains.deciles.text", figure=voice.see("figure", "who_deciles"), **facts)
    yield _seen_deciles(voice, found)
    if found.outside != 0:
        yield voice.say("gains.deciles.outside", units=voice.count_units(found.outside))
    if found.half_step is not None:
        yield voice.say("gains.deciles.coarse", amount=voice.amount(found.half_step))
    if found.covariates:
        yield voice.say("gains.deciles.covariates", names=voice.listed([voice.covariate(name) for name in found.covariates]))


def _seen_deciles(voice: WhoVoice, found: Deciles) -> str:
    """Say at which deciles a difference can be told from chance, allowing for nine of them."""
    seen = [row for row in found.rows if row.adjusted and row.adjusted.holm <= 1 - voice.findings.level]
    if not seen:
        return voice.say("gains.deciles.none_seen", number=count(found.rows))
    names = voice.listed([voice.decile(row.at) for row in seen])
    return voice.say("gains.deciles.seen", names=names, number=count(found.rows))


def poverty_texts(voice: WhoVoice, found: Poverty) -> Iterator[str]:
    """Say under each line what would have been and what is, and why shares are not compared as they stand."""
    for one in found.lines:
        if isinstance(one, NoLine):
            yield voice.refusal(one, group=voice.line(one.schedule))
            continue
        gap = next(row for row in one.measures if row.measure == "gap")
        facts = {"line": voice.line(one.schedule), "years": voice.years(one.years)}
        ends = {"lowest": voice.amount(one.lowest), "highest": voice.amount(one.highest)}
        said = [voice.say("gains.poverty.line", **facts, **ends), headcount(voice, one), _gap(voice, gap)]
        apart = [row for row in one.measures if row.pretrend_p is not None and row.pretrend_p < FAILED]
        if apart:
            names = voice.listed([voice.phrase(f"gains.measure.{row.measure}", multiple=_multiple(found)) for row in apart])
            said.append(voice.say("gains.poverty.apart", names=names))
        yield voice.join([*said, *_plain(voice, one)])


def _multiple(found: Poverty) -> str:
    return numerals.fixed(found.just_above, 1)


def headcount(voice: WhoVoice, line: PovertyLineFound) -> str:
    """Say how many would have been poor under a line, and how many are."""
    row = next(row for row in line.measures if row.measure == "headcount")
    actual = row.without.estimate + row.effect.estimate
    facts = {
        "line": voice.line(line.schedule),
        "without": voice.share(row.without.estimate),
        "actual": voice.share(actual),
        "difference": numerals.points(100 * row.effect.estimate, voice.lang, plus=True),
        "range": voice.points_range(row.effect),
    }
    return voice.say(f"gains.poverty.headcount{'_unclear' if _unclear(voice, row) else ''}", **facts)


def _unclear(voice: WhoVoice, row: PovertyFound) -> bool:
    many = row.adjusted is None or row.adjusted.holm > 1 - voice.findings.level
    return holds_zero(row.effect) or many


def _gap(voice: WhoVoice, row: PovertyFound) -> str:
    facts = {
        "without": voice.share(row.without.estimate),
        "difference": numerals.points(100 * row.effect.estimate, voice.lang, plus=True),
        "range": voice.points_range(row.effect),
    }
    return voice.say("gains.poverty.gap", **facts)


def _plain(voice: WhoVoice, line: PovertyLineFound) -> Iterator[str]:
    """Say what comparing shares as they stand would give, and whether the years before speak against it."""
    row = next(row for row in line.measures if row.measure == "headcount")
    if row.plain is None or row.before_treated is None or row.before_comparison is None:
        return
    facts = {
        "plain": numerals.points(100 * row.plain.effect.estimate, voice.lang, plus=True),
        "treated_before": voice.share(row.before_treated),
        "comparison_before": voice.share(row.before_comparison),
    }
    p = row.plain.pretrend_p
    if p is not None and p < FAILED:
        yield voice.say("gains.poverty.plain_apart", p=numerals.p_sentence(p), **facts)
    else:
        yield voice.say("gains.poverty.plain", **facts)


def overtaking_texts(voice: WhoVoice, found: Village) -> Iterator[str]:
    """Say under each line who passed near-poor neighbours, and how often that happens without the programme."""
    for one in found.overtaking:
        if isinstance(one, NoLine):
            yield voice.refusal(one, group=voice.line(one.schedule))
            continue
        said = [passed(voice, one)]
        if isinstance(one.registered, Passed):
            said.append(voice.say("gains.overtaking.registered", share=voice.share(one.registered.share.estimate)))
        else:
            said.append(voice.refusal(one.registered, group=voice.say("gains.people.registered")))
        said += _alike(voice, one)
        if one.without_match:
            said.append(voice.say("gains.overtaking.without_match", pairs=f"{one.without_match:,}"))
        yield voice.join(said)
    yield voice.say("gains.overtaking.ordinary")


def _alike(voice: WhoVoice, one: Overtaking) -> Iterator[str]:
    """Say how often households not covered passed, at the same distances at the start."""
    if one.alike is None or one.difference is None:
        return
    facts = {
        "alike": voice.share(one.alike.estimate),
        "difference": numerals.points(100 * one.difference.estimate, voice.lang, plus=True),
        "range": voice.points_range(one.difference),
    }
    yield voice.say(f"gains.overtaking.alike{'_unclear' if holds_zero(one.difference) else ''}", **facts)


def passed(voice: WhoVoice, one: Overtaking) -> str:
    """Say how often covered households passed near-poor neighbours."""
    village = voice.record.village
    assert isinstance(village, Village)
    return voice.say(
        "gains.overtaking.covered",
        line=voice.line(one.schedule),
        multiple=numerals.fixed(village.just_above, 1),
        start=voice.years(village.start_years),
        end=voice.years(village.end_years),
        households=voice.count_units(one.covered.households),
        neighbours=voice.count_units(one.neighbours),
        pairs="" if one.covered.pairs is None else f"{one.covered.pairs:,}",
        share=voice.share(one.covered.share.estimate),
    )


def near_poor_texts(voice: WhoVoice, found: Village) -> Iterator[str]:
    """Say what became of the near-poor off the register, beside the covered."""
    for one in found.near_poor:
        if isinstance(one, NoLine):
            yield voice.refusal(one, group=voice.line(one.schedule))
            continue
        yield from _near_poor(voice, found, one)


def _near_poor(voice: WhoVoice, village: Village, one: NearPoor) -> Iterator[str]:
    rows = {row.group: row for row in one.rows}
    if "near" not in rows:
        yield voice.say("gains.near_poor.none", line=voice.line(one.schedule), multiple=numerals.fixed(village.just_above, 1))
        return
    facts: dict[str, str] = {}
    for group in ("near", "covered"):
        if group not in rows:
            continue
        row = rows[group]
        facts[f"{group}_units"] = voice.count_units(row.units)
        facts[f"{group}_change"] = voice.amount(row.end - row.start, plus=True)
        facts[f"{group}_growth"] = numerals.percent(100 * (row.end / row.start - 1), plus=True)
    years = {"start": voice.years(village.start_years), "end": voice.years(village.end_years)}
    multiple = numerals.fixed(village.just_above, 1)
    yield voice.say("gains.near_poor.text", line=voice.line(one.schedule), multiple=multiple, **years, **facts)
    below = rows["near"].below_end
    if below is not None and one.line_years:
        yield voice.say("gains.near_poor.below", share=voice.share(below), years=voice.years(one.line_years))
    if not one.line_years:
        yield voice.say("gains.near_poor.no_line", line=voice.line(one.schedule), end=years["end"])
