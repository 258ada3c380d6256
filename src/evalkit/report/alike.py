"""Whether those compared are alike, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit import numerals
from evalkit.findings import Alike, Overlap
from evalkit.report.voice import Voice

COSTLY = 0.5  # share of the comparison that weights leave, below which a reader is told


def sentences(voice: Voice, balance: Alike) -> Iterator[str]:
    """Say which covariates differ before and after weighting, what weighting costs, and who has nobody alike."""
    names = voice.catalogue.listing(map(voice.covariate, voice.findings.covariates))
    yield voice.say("alike.compared", names=names, method=voice.phrase(f"method.{voice.findings.method}"))
    if not balance.covariates:
        yield voice.say("alike.not_compared")
        return
    yield _large(voice, "before", balance.large_before)
    if balance.weighted:
        yield _large(voice, "after", balance.large_after)
        yield from _worth(voice, balance)
    else:
        yield voice.say("alike.not_weighted")
    yield from _outside(voice, balance)


def _large(voice: Voice, when: str, covariates: list[str]) -> str:
    if not covariates:
        return voice.say(f"alike.small_{when}")
    return voice.say(f"alike.large_{when}", names=voice.catalogue.listing(map(voice.covariate, covariates)))


def _worth(voice: Voice, balance: Alike) -> Iterator[str]:
    """Say where weights leave the fewest comparison units, if that is less than half of them and counts are told."""
    told = [
        (one.effective_units / one.comparison_units, one) for one in balance.cohorts if one.effective_units and one.comparison_units
    ]
    share, least = min(told, key=lambda pair: pair[0], default=(1.0, None))
    if least is not None and share < COSTLY:
        worth = numerals.fixed(least.effective_units or 0.0, 1)
        yield voice.say("alike.worth", year=least.cohort, count=voice.count_units(least.comparison_units), worth=worth)


def _outside(voice: Voice, balance: Alike) -> Iterator[str]:
    """Say how many treated units lie outside the range of the comparison: nobody alike exists for them."""
    if not balance.cohorts:
        return
    outside = _sum(one.outside_units for one in balance.cohorts)
    if outside == 0:
        yield voice.say("alike.inside")
    else:
        treated = voice.count_treated(_sum(one.treated_units for one in balance.cohorts))
        yield voice.say("alike.outside", units=voice.number_units(outside), treated_units=treated)
    if apart := [one.cohort for one in balance.cohorts if one.separated]:
        yield voice.say("alike.separated", years=voice.years(apart))


def _sum(counts: Iterator[int | None] | list[int | None]) -> int | None:
    """Return a total, None where a part of it is not told."""
    known = list(counts)
    return None if None in known else sum(count or 0 for count in known)


def overlap_facts(voice: Voice, balance: Alike) -> dict[str, str]:
    """Return the facts of the description of the figure of overlap: where each arm of each cohort lies."""
    parts = []
    for cohort in pictured(balance):
        spans = {f"{arm}_span": _span(balance, cohort, arm) for arm in ("treated", "comparison")}
        parts.append(voice.phrase("figure.overlap.cohort", year=cohort.cohort, **spans))
    return {"cohorts": voice.join(parts)}


def pictured(balance: Alike) -> list[Overlap]:
    """Return the cohorts that the figure of overlap holds."""
    drawn = {one.cohort for one in balance.histogram}
    return [cohort for cohort in balance.cohorts if cohort.cohort in drawn]


def _span(balance: Alike, cohort: Overlap, arm: str) -> str:
    bins = [one for one in balance.histogram if (one.cohort, one.arm) == (cohort.cohort, arm) and one.share > 0]
    low, high = min(one.low for one in bins), max(one.high for one in bins)
    return f"{numerals.fixed(low, 2)}–{numerals.fixed(high, 2)}"
