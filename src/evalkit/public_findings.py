"""Findings for a public report: nothing rests on too few units, and what is left out cannot be worked out from the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

from evalkit.codes import value
from evalkit.errors import StudyError
from evalkit.findings import (
    Alike,
    Cohort,
    Components,
    DateRow,
    EstimatorRow,
    Findings,
    Hidden,
    Overlap,
    PathPoint,
    Pretrend,
    Told,
    TrendPoint,
)
from evalkit.firm_records import Firm, LeftOut, NotTold, Overturn, Permuted, Power
from evalkit.grade_records import Reason, without_counts
from evalkit.records import Remark

CATEGORIES = {
    "used": "treated_used",
    "from_start": "treated_from_start",
    "never": "never_units",
    "later": "later_units",
    "last": "last_cohort_units",
}
"""The groups that every unit belongs to one of, by the name of their count in the sample; the rest is "other"."""

SUMS = ("treated_units", "comparison_units", "rows_used", "clusters_used", "treated_clusters", "comparison_clusters")
"""Counts of a sample from which the size of a hidden group would follow."""

ANY = "any"  # a count that tells something as soon as any group is hidden
REMARKED: dict[str, dict[str, str]] = {
    "TREATED_AFTER_WINDOW": {"units": "later"},
    "TREATED_FROM_START": {"units": "from_start", "treated_units": ANY},
    "FEW_CLUSTERS": {"treated_clusters": ANY, "comparison_clusters": ANY},
    "UNITS_LEFT_OUT": {"units": ""},
    "UNBALANCED": {"complete_units": ""},
    "UNTREATED_WITHOUT_EVENT": {"units": ANY},
    "START_FROM_OTHER_EVENT": {"units": ""},
    "EVENTS_OUTSIDE_PANEL": {"units": ""},
    "SUPPORT_ENDED": {"units": "", "treated_units": ANY},
    "BUNDLE": {"units": "", "treated_units": ANY},
    "INCOME_DEF_UNKNOWN": {"units": ""},
    "INCOME_DEF_SWITCH": {"units": "", "treated": ANY, "treated_near": ""},
}
"""The facts of a remark that count units, and the group whose size each tells."""

TOTALS = {
    "UNBALANCED": ("complete_units", "units"),
    "EVENTS_OUTSIDE_PANEL": ("units", "of_units"),
    "SUPPORT_ENDED": ("units", "treated_units"),
    "BUNDLE": ("units", "treated_units"),
    "INCOME_DEF_UNKNOWN": ("units", "of_units"),
    "INCOME_DEF_SWITCH": ("units", "of_units"),
}
"""Counts that a remark tells as part of a total: all but a few tell of the few."""

GONE = ("SINGLE_UNIT_COHORT", "TOO_FEW_COMPARISONS")  # what these say is itself the size of a small group


def disclosed(findings: Findings, minimum: int | None = None) -> Findings:
    """Return findings that may be published: cells that rest on fewer than ``minimum`` units are left out.

    Cohorts, groups of the sample and dates lose their counts, cohorts and dates their effects as well; points of the path and
    means of the trends are taken off. Where a single hidden size would follow from a total, the next smallest is hidden too, and
    so are all counts that would tell it. Findings with nothing to hide are returned as they are.

    Parameters
    ----------
    minimum : int, optional
        ``minimum_households`` in data/codes/disclosure.csv unless said otherwise.
    """
    if findings.hidden is not None:
        return findings
    least = int(value("disclosure", "minimum_households")) if minimum is None else minimum
    groups = _groups(findings)
    hidden = smallest_hidden(groups, least)
    cohorts = _cohorts(findings, hidden, least)
    anything = bool(hidden) or cohorts != findings.cohorts
    path = [point for point in findings.path if point.reference or not _few(point.units, least)]
    trends = [point for point in findings.trends if not _few(point.units, least)]
    gone = sorted({point.event_time for point in findings.path} - {point.event_time for point in path})
    told = findings.model_copy(
        update={
            "sample": _sample(findings.sample, hidden, least),
            "cohorts": cohorts,
            "path": _path(path, anything or bool(gone), least),
            "trends": [point.model_copy(update={"units": None}) for point in trends] if hidden else trends,
            "dates": [_date(row, bool(hidden), least) for row in findings.dates],
            "estimators": [_estimator(row) for row in findings.estimators] if hidden else findings.estimators,
            "not_used": [row.model_copy(update={"reasons": []}) for row in findings.not_used] if hidden else findings.not_used,
            "pretrend": _pretrend(findings.pretrend, path, bool(hidden)),
            "alike": _alike(findings.alike, bool(hidden) or anything, least),
            "components": _components(findings.components, bool(hidden), least),
            "firm": _firm(findings, gone, bool(hidden)),
            "remarks": [
                _remark(remark, hidden, least)
                for remark in findings.remarks
                if remark.code not in GONE and not _counts_few(remark, bool(hidden), least)
            ],
        }
    )
    if told == findings:
        return findings
    told = told.model_copy(update=_judgement(findings, bool(hidden), least))
    periods = sorted({period for _, period in _periods(findings.trends) - _periods(trends)})
    return told.model_copy(update={"hidden": Hidden(minimum=least, event_times=gone, periods=periods)})


def judge_size(**households: int | None) -> None:
    """Refuse a public report of groups so small that its figures would tell the income of single households.

    Parameters
    ----------
    households : int or None, by the word of their group
        How many households each group holds; None where there is no such group.

    Raises
    ------
    StudyError
        It names the group and the least that a public report may rest on, ``minimum_households`` in data/codes/disclosure.csv.

    Examples
    --------
    >>> judge_size(covered=10, compared=None)
    >>> judge_size(covered=9, compared=40)
    Traceback (most recent call last):
    ...
    evalkit.errors.StudyError: public: true tells no figure that rests on fewer than 10 households, and fewer are covered...
    """
    least = int(value("disclosure", "minimum_households"))
    few = [word for word, count in households.items() if count is not None and count < least]
    if few:
        raise StudyError(
            f"public: true tells no figure that rests on fewer than {least} households, and fewer are {' and fewer are '.join(few)}. "
            "Evaluate a larger area together, widen the window, or set public: false for a report that stays inside."
        )


def _judgement(findings: Findings, hidden: bool, least: int) -> dict[str, Any]:
    """Return the judgement, the plan and the cost without the counts that would tell the size of a hidden group."""
    told: dict[str, Any] = {
        "warnings": [
            *(_plain_warning(one, hidden) for one in findings.warnings),
            Remark(code="SMALL_CELL", facts={"minimum": least}),
        ],
        "plan": findings.plan.without_counts() if findings.plan else None,
        "cost": findings.cost.without_counts(least) if findings.cost else None,
        "before_after": None,
    }
    if not hidden or findings.evidence is None or findings.grade is None:
        return told
    gone = _counting(findings)
    reasons = {"reasons": _bare(findings.grade.reasons, gone), "held": _bare(findings.grade.held, gone)}
    return told | {
        "evidence": findings.evidence.model_copy(update=dict.fromkeys(gone)),
        "grade": findings.grade.model_copy(update=reasons),
        "refusals": [without_counts(one) for one in findings.refusals],
    }


COUNTING = ("smaller_side", "comparison_share", "smallest_p")
"""Facts of a grade from which the size of a group would follow."""
EXACT_SHARES = ("bundle_share", "overlap", "attrition_gap")
"""Shares of a group: 0.571428... is four of seven. None of them and all of them tell nothing."""


def _counting(findings: Findings) -> tuple[str, ...]:
    """Return the facts of the grade that would tell how few a group holds, or what leaving out one household changes."""
    facts, firm = findings.evidence, findings.firm
    gone = [*COUNTING, *(name for name in EXACT_SHARES if getattr(facts, name) not in (None, 0.0, 1.0))]
    if firm is not None and isinstance(firm.permuted, Permuted) and firm.permuted.exact:
        gone.append("permutation_p")
    if findings.sample.clusters == findings.sample.units:
        gone.append("flips")
    return tuple(gone)


def _bare(reasons: list[Reason], gone: tuple[str, ...]) -> list[Reason]:
    return [
        one.model_copy(update={"facts": {name: None if name in gone else fact for name, fact in one.facts.items()}})
        for one in reasons
    ]


def _plain_warning(warning: Remark, hidden: bool) -> Remark:
    gone = ("treated_clusters", "smallest_p", *(("share",) if hidden else ()))
    return Remark(code=warning.code, facts={name: None if name in gone else fact for name, fact in warning.facts.items()})


def smallest_hidden(counts: Mapping[Any, int | None], minimum: int, whole: bool = True) -> set[Any]:
    """Return which parts of a whole are hidden: the small ones, and the next smallest until a total gives none of them away.

    ``whole`` says whether the total is told; where it is not, small parts alone are hidden.

    Examples
    --------
    >>> sorted(smallest_hidden({"a": 3, "b": 40, "c": 20}, 10))
    ['a', 'c']
    >>> smallest_hidden({"a": 30, "b": 40, "c": 0}, 10)
    set()
    """
    known = {name: count for name, count in counts.items() if count}
    hidden = {name for name, count in known.items() if count < minimum}
    while whole and hidden and sum(known[name] for name in hidden) < minimum:
        shown = [name for name in known if name not in hidden]
        if not shown:
            break
        hidden.add(min(shown, key=lambda name: known[name]))
    return hidden


def _few(count: int | None, minimum: int) -> bool:
    return count is not None and 0 < count < minimum


def _periods(points: Iterable[TrendPoint]) -> set[tuple[str, int]]:
    return {(point.group, point.period) for point in points}


def _groups(findings: Findings) -> dict[str, int]:
    """Return how many units each group of the sample holds."""
    sample = findings.sample
    counts = {name: int(getattr(sample, field) or 0) for name, field in CATEGORIES.items()}
    return counts | {"other": sample.units - sum(counts.values())}


def _group_of(findings: Findings, cohort: Cohort) -> str:
    """Return the group that a cohort belongs to."""
    sample = findings.sample
    if cohort.used:
        return "used"
    if cohort.year <= min(sample.periods) + findings.anticipation:
        return "from_start"
    if cohort.year > max(sample.periods):
        return "later"
    last = max(one.year for one in findings.cohorts if one.year <= max(sample.periods))
    return "last" if cohort.year == last and sample.last_cohort_units else "other"


def _cohorts(findings: Findings, hidden: set[str], minimum: int) -> list[Cohort]:
    """Return the cohorts without small ones; a hidden group keeps at least one cohort hidden, since cohorts add up to it."""
    gone: set[int] = set()
    of = {cohort.year: _group_of(findings, cohort) for cohort in findings.cohorts}
    for group in sorted(set(of.values())):
        counts = {cohort.year: cohort.units for cohort in findings.cohorts if of[cohort.year] == group}
        found = smallest_hidden(counts, minimum, whole=group not in hidden)
        if group in hidden and not found:
            found = {min(counts, key=lambda year: counts[year] or 0)}
        gone |= found
    bare = {"units": None, "effect": None}
    return [cohort.model_copy(update=bare) if cohort.year in gone else cohort for cohort in findings.cohorts]


def _sample(sample: Told, hidden: set[str], minimum: int) -> Told:
    """Return the sample without the sizes of hidden groups and the sums that would tell them."""
    codes = smallest_hidden(sample.never_codes, minimum, whole="never" not in hidden)
    if "never" in hidden and sample.never_codes and not codes:
        codes = {min(sample.never_codes, key=lambda code: sample.never_codes[code] or 0)}
    if not hidden and not codes:
        return sample
    gone = [CATEGORIES[group] for group in CATEGORIES if group in hidden] + (list(SUMS) if hidden else [])
    never = {code: None if code in codes else count for code, count in sample.never_codes.items()}
    return Told(**(sample.model_dump() | dict.fromkeys(gone) | {"never_codes": never}))


def _path(points: list[PathPoint], anything: bool, minimum: int) -> list[PathPoint]:
    """Return the points of the path; without their counts where these, one after the other, would tell a small group."""
    steps = sorted({point.units for point in points if point.units is not None})
    close = any(_few(after - before, minimum) for before, after in pairwise(steps))
    few = any(_few(point.units, minimum) for point in points)
    return [point.model_copy(update={"units": None}) for point in points] if anything or close or few else points


def _date(row: DateRow, anything: bool, minimum: int) -> DateRow:
    """Return one date; its two counts add up to all that took part, so they are told together or not at all."""
    if row.units:
        row = row.model_copy(update={"reason": ""})  # the words of a refusal may name units and count them
    if _few(row.units, minimum):
        gone = ("units", "left_out", "first_cohort", "last_cohort", "effect", "low", "high")
        return row.model_copy(update=dict.fromkeys(gone))
    if _few(row.left_out, minimum) or anything:
        # That nobody has this date is told: it is the size of no group.
        return row.model_copy(update={"units": None if row.units else row.units, "left_out": None})
    return row


def _estimator(row: EstimatorRow) -> EstimatorRow:
    """Return a row without its clusters, which are the units of the groups it compares; the two-way row uses all that are read."""
    if row.estimator == "two_way":
        return row
    return row.model_copy(update={"clusters": None, "reference": _undegreed(row.reference), "factor": None})


def _undegreed(distribution: str) -> str:
    """Return the name of a distribution without degrees of freedom that count clusters.

    >>> _undegreed("t(98)"), _undegreed("F(4, 36)"), _undegreed("chi2(4)")
    ('t', 'F', 'chi2(4)')
    """
    return re.sub(r"^([tF])\(.*\)$", r"\1", distribution)


def _pretrend(pretrend: Pretrend | None, path: list[PathPoint], anything: bool) -> Pretrend | None:
    """Return the test, quoting only leads that stay on the path; None where none does."""
    if pretrend is None:
        return None
    kept = {point.event_time: point.estimate for point in path if point.event_time in pretrend.event_times}
    if not kept:
        return None
    update: dict[str, Any] = {"distribution": _undegreed(pretrend.distribution)} if anything else {}
    if pretrend.first_event_time not in kept:
        update |= {"first_event_time": min(kept), "first": kept[min(kept)]}
    if pretrend.largest_event_time not in kept:
        largest = max(kept, key=lambda event_time: abs(kept[event_time]))
        update |= {"largest_event_time": largest, "largest": kept[largest]}
    return pretrend.model_copy(update=update)


def _remark(remark: Remark, hidden: set[str], minimum: int) -> Remark:
    """Return a remark without counts of few units, names of units, or counts that tell the size of a hidden group."""
    facts = dict(remark.facts)
    for fact, group in REMARKED.get(remark.code, {}).items():
        if fact in facts:
            count = _length(facts[fact])
            facts[fact] = None if _few(count, minimum) or group in hidden or (group == ANY and hidden) else count
    if remark.code in TOTALS:
        part, total = (remark.facts.get(name) for name in TOTALS[remark.code])
        if part is not None and total is not None and _few(total - part, minimum):
            facts[TOTALS[remark.code][0]] = None
    if remark.code in _MORE:
        facts = _MORE[remark.code](facts, bool(hidden), minimum)
    return remark.model_copy(update={"facts": facts})


def _alike(balance: Alike | None, anything: bool, minimum: int) -> Alike | None:
    """Return the balance without its picture, whose bars are counts of few units, and without counts that tell small groups.

    Where anything else is hidden, sizes by cohort go altogether: the comparison at the time shrinks by the cohort that starts.
    """
    if balance is None:
        return None
    few = any(_few(n, minimum) for cohort in balance.cohorts for n in (cohort.treated_units, cohort.comparison_units))
    if not (anything or few):
        return balance.model_copy(update={"histogram": [], "cohorts": [_outside(cohort, minimum) for cohort in balance.cohorts]})
    bare = {"largest_cohort": None}
    return balance.model_copy(
        update={"histogram": [], "cohorts": [], "covariates": [row.model_copy(update=bare) for row in balance.covariates]}
    )


def _outside(cohort: Overlap, minimum: int) -> Overlap:
    """Return a cohort without its count of units that nobody resembles, where that, or the count of all others, is few."""
    rest = (cohort.treated_units or 0) - (cohort.outside_units or 0)
    hidden = _few(cohort.outside_units, minimum) or (cohort.outside_units and _few(rest, minimum))
    return cohort.model_copy(update={"outside_units": None}) if hidden else cohort


def _components(found: Components | None, anything: bool, minimum: int) -> Components | None:
    if found is None:
        return None
    gone = anything or _few(found.left_out, minimum)
    return found.model_copy(update={"units": None, "left_out": None if found.left_out else 0}) if gone else found


TELLING = (
    "DETECTABLE_FEW_CLUSTERS",
    "FEW_CLUSTERS_HONEST",
    "WHOLE_VECTORS_MOVED",
    "ASSIGNMENTS_REFUSED",
)


def _firm(findings: Findings, gone: list[int], anything: bool) -> Firm | None:
    """Return how firm a finding is, without what rests on years taken off the path, and without counts that tell a hidden group.

    What leaving out a single unit changes tells that unit, so it is never told where units are the clusters. The number of
    assignments follows from the sizes of the groups, and so does a p-value that counts all of them.
    """
    firm = findings.firm
    if firm is None:
        return None
    hidden = NotTold(reason="hidden")
    update: dict[str, Any] = {}
    if isinstance(firm.overturn, Overturn) and any(firm.overturn.first <= event_time <= firm.overturn.last for event_time in gone):
        update["overturn"] = hidden
    if isinstance(firm.power, Power) and findings.pretrend and set(gone) & set(findings.pretrend.event_times):
        update["power"] = hidden
    if findings.sample.clusters == findings.sample.units and isinstance(firm.without, LeftOut):
        update["without"] = hidden
    for name in ("overturn", "power", "permuted", "seen", "needed", "without"):
        part = update.get(name, getattr(firm, name))
        if isinstance(part, NotTold) and part.facts:  # the words of a refusal may name units and count them
            update[name] = part.model_copy(update={"facts": {}})
    if not anything:
        return firm.model_copy(update=update) if update else firm
    methods = [row.model_copy(update={"clusters": None, "reference": _undegreed(row.reference)}) for row in firm.methods]
    if isinstance(firm.permuted, Permuted):
        counts = {"items": None, "treated": None, "possible": None}
        update["permuted"] = hidden if firm.permuted.exact else firm.permuted.model_copy(update=counts)
        if firm.permuted.exact:
            bare = {"low": None, "high": None, "low_percent": None, "high_percent": None, "p_value": None, "draws": None}
            methods = [row.model_copy(update=bare | {"reason": "hidden"}) if row.name == "permutation" else row for row in methods]
    if isinstance(update.get("without", firm.without), LeftOut):
        update["without"] = firm.without.model_copy(update={"clusters": None})
    for name in ("overturn", "permuted", "seen"):
        part = update.get(name, getattr(firm, name))
        if not isinstance(part, NotTold):
            update[name] = part.model_copy(update={"remarks": [remark for remark in part.remarks if remark.code not in TELLING]})
    return firm.model_copy(update=update | {"methods": methods})


COUNTS = ("units", "treated_units", "comparison_units", "effective")


def _counts_few(remark: Remark, anything: bool, minimum: int) -> bool:
    """Return whether a remark of another estimator tells of few units: it is about a row beside the headline, and can go."""
    if remark.code != "OF_ESTIMATOR":
        return False
    counts = [n for name in COUNTS if isinstance(n := remark.facts["facts"].get(name), (int, float))]
    return bool(counts) and (anything or any(0 < n < minimum for n in counts))


def _nobody(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of another estimator's remark without names of units."""
    return facts | {"facts": {name: fact for name, fact in facts["facts"].items() if name != "first"} | {"first": ""}}


def _length(count: Any) -> Any:
    """Return a count; a list of units becomes their number."""
    return len(count) if isinstance(count, (list, tuple, dict)) else count


def _shares(facts: dict[str, Any], anything: bool, minimum: int) -> dict[str, Any]:
    """Hide a share whose count is hidden, and round it where its total is: an exact share is as good as both."""
    share = None if facts["units"] is None else round(facts["share"], 2) if facts["treated_units"] is None else facts["share"]
    if facts["units"] is not None and facts["treated_units"] is None:
        facts["units"] = None
    return facts | {"share": share} | ({"shares": {}} if "shares" in facts else {})


def _by_year(facts: dict[str, Any], anything: bool, minimum: int) -> dict[str, Any]:
    """Hide units that change definition in years of few changes."""
    gone = smallest_hidden(facts["years"], minimum, whole=facts["units"] is not None)
    years = {year: None if year in gone else units for year, units in facts["years"].items()}
    if facts["units"] is None and not gone:
        years = dict.fromkeys(years)
    return facts | {"years": years, "units_back": None if _few(facts["units_back"], minimum) else facts["units_back"]}


def _codes(facts: dict[str, Any], anything: bool, minimum: int) -> dict[str, Any]:
    gone = set(facts["codes"]) if anything else smallest_hidden(facts["codes"], minimum)
    return facts | {"codes": {code: None if code in gone else units for code, units in facts["codes"].items()}}


def _unnamed(facts: dict[str, Any], anything: bool, minimum: int) -> dict[str, Any]:
    return facts | {"first": []}


_MORE: dict[str, Callable[[dict[str, Any], bool, int], dict[str, Any]]] = {
    "SUPPORT_ENDED": _shares,
    "BUNDLE": _shares,
    "INCOME_DEF_SWITCH": _by_year,
    "NEVER_CODES": _codes,
    "EVENTS_OUTSIDE_PANEL": _unnamed,
    "OF_ESTIMATOR": lambda facts, anything, minimum: _nobody(facts),
}
