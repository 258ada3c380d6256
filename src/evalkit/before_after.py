"""Splitting a rise before and after: what grew everywhere, what selection and mean reversion made, and the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from evalkit.before_after_records import BeforeAfter, PartName, RisePart, ZeroProgramme
from evalkit.errors import DesignError, unknown
from evalkit.findings import Described, Findings, TrendPoint
from evalkit.firm_records import NotTold
from evalkit.kernels.mean_reversion import group_of
from evalkit.reversion import Wide, judge_size, ranges, told_by, ways_to_tell, wide
from evalkit.zero_programme import LOG_GROWTH, YEARS, zero_programme

__all__ = ["before_after_decomposition", "claimed_rise", "rise_of_covered"]

Array = np.ndarray[Any, Any]

NAMES: tuple[PartName, ...] = ("general_growth", "selection", "rest")


def before_after_decomposition(
    frame: pd.DataFrame,
    *,
    unit: str,
    period: str,
    income: str,
    selected: str,
    first: int,
    last: int,
    chosen: Literal["covered", "exited"] = "covered",
    exit_line: float | None = None,
    earlier: tuple[int, int] | None = None,
    general_growth: float | None = None,
    cluster: str | None = None,
    level: float = 0.95,
    simulated: bool = False,
) -> BeforeAfter:
    """Split the rise of the mean income of a group that was chosen, into parts that add up to it exactly.

    Parameters
    ----------
    frame : DataFrame
        One row per unit and year.
    unit, period, income : str
        Columns; income in money, not in logs.
    selected : str
        Column that is 1 for units on the register (or covered) at the start and 0 for the others.
    first, last : int
        The years compared.
    chosen : "covered" or "exited"
        Whether the group are the selected, or of them those who left poverty, which chose them by their income of the last year too.
    exit_line : float, optional
        The income of the last year from which a unit counts as having left; needed with "exited" where the data hold others.
    earlier : pair of int, optional
        Two years as far apart, the second no later than ``first``, in which nobody was helped yet. Without them the selection is drawn out
        from the incomes of the others in two years, and a range from no reversion at all is given.
    general_growth : float, optional
        Where the data hold the selected alone: yearly growth of everybody's income from outside, 0.09 for 9 per cent (an index of the province).
    cluster : str, optional
        Column of what was sampled together, such as the village; the unit without it.
    level : float
        Coverage of the ranges.
    simulated : bool
        Whether the incomes are simulated, which every page then says.

    Returns
    -------
    BeforeAfter
        With the parts ``general_growth``, ``selection`` and ``rest``; with the selected alone ``undivided`` stands for the last two, or for all.

    Raises
    ------
    DesignError
        For columns and years that are missing, doubled rows, a mark that is not 0 or 1 or varies, an earlier pair of another length,
        fewer than ten units in the group or among the others, and incomes that are not positive where logs are needed.

    Notes
    -----
    See :mod:`evalkit.kernels.mean_reversion` for the factors. What is assumed: the group was chosen on income of the first year (and of the
    last, by the line), and incomes fluctuated in the earlier pair as they do now. The range of the selection spans the earlier pair and,
    for the covered, the group's own past, which holds where lasting traits decided as well. Standard errors leave out one of at
    most 50 groups of clusters at a time. A rest is no effect of a programme: whatever else touched the group alone is in it. Among those
    who exited it is less than an effect: the programme also lifts some over the line who would not be counted.

    Examples
    --------
    >>> rows = [(u, y, 100 + 10 * (u % 7) + (y - 2014)) for u in range(40) for y in (2014, 2018)]
    >>> table = pd.DataFrame(rows, columns=["unit", "year", "income"]).assign(poor=lambda t: (t["unit"] % 7 < 3) * 1)
    >>> asked = dict(unit="unit", period="year", income="income", selected="poor", first=2014, last=2018)
    >>> found = before_after_decomposition(table, **asked)
    >>> round(found.rise, 6), round(sum(part.amount for part in found.parts), 6)
    (4.0, 4.0)
    """
    _judge_choices(chosen, first, last, earlier, exit_line, level)
    data = wide(frame, unit, period, income, selected, cluster, [first, last, *(earlier or ())])
    alone = bool(data.selected.all())
    _judge_others(alone, chosen, exit_line, general_growth, last)
    start, end = data.incomes[first], data.incomes[last]
    seen = np.isfinite(start) & np.isfinite(end)
    line = None if alone else exit_line  # those who are left alone have reached it
    group = group_of(start, end, data.selected, line)
    judge_size(int(group.sum()), "in the group with an income in both years")
    about: dict[str, Any] = {
        "first": first,
        "last": last,
        "years": last - first,
        "before": float(start[group].mean()),
        "after": float(end[group].mean()),
        "units": int(group.sum()),
        "left_out": int((data.selected & ~seen).sum()),
        "selected": chosen,
        "simulated": simulated,
    }
    if alone:
        return _alone(about, general_growth)
    judge_size(int((seen & ~data.selected).sum()), "not selected with an income in both years")
    return _with_others(about, data, earlier, line, level)


def _judge_choices(
    chosen: str, first: int, last: int, earlier: tuple[int, int] | None, exit_line: float | None, level: float
) -> None:
    if chosen not in ("covered", "exited"):
        raise DesignError(unknown("kind of group", chosen, ("covered", "exited")))
    if not last > first:
        raise DesignError(f"The last year {last} does not come after the first, {first}.")
    if exit_line is not None and (chosen != "exited" or not exit_line > 0):
        raise DesignError(f"exit_line={exit_line:g} goes with chosen='exited' and is a positive income.")
    if not 0.5 < level < 1:
        raise DesignError(f"The level is the coverage of the ranges, such as 0.95, not {level:g}.")
    if earlier is not None and (earlier[1] - earlier[0] != last - first or earlier[1] > first):
        raise DesignError(
            f"The earlier pair {earlier} must lie {last - first} years apart, as {first} and {last} do, and end by {first}: incomes revert "
            f"more over a longer time. For example ({2 * first - last}, {first})."
        )


def _judge_others(alone: bool, chosen: str, exit_line: float | None, general_growth: float | None, last: int) -> None:
    """Raise DesignError for what does not go with others in the data."""
    if alone:
        return
    if general_growth is not None:
        raise DesignError("general_growth= is for data that hold the selected alone; here the others tell it. Leave it out.")
    if chosen == "exited" and exit_line is None:
        raise DesignError(
            f"Those who exited were chosen by their income of {last} too: say from which one, for example exit_line=2952."
        )


def _with_others(
    about: dict[str, Any], data: Wide, earlier: tuple[int, int] | None, line: float | None, level: float
) -> BeforeAfter:
    """Return the three parts of a group that others stand beside."""
    ways = ways_to_tell(data, about["first"], about["last"], earlier, line)
    told = told_by(ways, np.ones(len(data.selected), dtype=bool))
    spans = ranges(ways, data.codes, np.concatenate([one.parts() for one in told]), level)
    if earlier is None:
        spans[1] = (min(0.0, spans[1][0]), spans[1][1])
    rise = about["after"] - about["before"]
    growth, selection, _ = (float(part) for part in told[0].parts())
    amounts = (growth, selection, rise - growth - selection)  # the rest is what the others leave, so that they add up exactly
    return BeforeAfter(
        **about,
        parts=[
            RisePart(name=name, amount=amount, share=_share(amount, rise), low=low, high=high)
            for name, amount, (low, high) in zip(NAMES, amounts, spans, strict=True)
        ],
        growth=told[0].growth - 1,
        growth_from="others",
        reversion="earlier_pair" if earlier else "others",
        earlier=earlier,
        by_own_past=float(told[1].parts()[1]) if "own_past" in ways else None,
        level=level,
        missing="" if earlier else "no_income_before",
    )


def _share(amount: float, rise: float) -> float | None:
    return amount / rise if rise > 0 else None


def _alone(about: dict[str, Any], general_growth: float | None) -> BeforeAfter:
    """Return the parts of a rise beside which nobody stands: growth where it is known from outside, and what cannot be divided."""
    before, rise = about["before"], about["after"] - about["before"]
    if general_growth is None:
        whole = RisePart(name="undivided", amount=rise, share=_share(rise, rise))
        return BeforeAfter(**about, parts=[whole], missing="no_growth")
    if not math.isfinite(general_growth) or not -0.5 < general_growth < 1:
        raise DesignError(f"general_growth is yearly growth as a share, 0.09 for 9 per cent, not {general_growth:g}.")
    growth = (1 + general_growth) ** about["years"] - 1
    parts = {"general_growth": before * growth, "undivided": rise - before * growth}
    return BeforeAfter(
        **about,
        parts=[RisePart(name=name, amount=amount, share=_share(amount, rise)) for name, amount in parts.items()],  # type: ignore[arg-type]
        growth=growth,
        growth_from="outside",
        missing="no_income_before",
    )


def claimed_rise(
    before: float,
    after: float,
    years: int | None = None,
    general_growth: float | None = None,
    selected: Literal["covered", "exited"] = "exited",
    first: int | None = None,
    last: int | None = None,
) -> BeforeAfter:
    """Return what is known of a rise of which only two figures are told, beside a world without any programme.

    Parameters
    ----------
    before, after : float
        Mean incomes as they were told, yuan per person per year.
    years : int, optional
        Years between the two; those between ``first`` and ``last`` where these are told.
    general_growth : float, optional
        Yearly growth of everybody's income from outside, 0.09 for 9 per cent; it needs the years. The world beside then grows as much.
    selected : "exited" or "covered"
        Of whom the figures are.
    first, last : int, optional
        The years, where the claim names them.

    Raises
    ------
    DesignError
        For figures that are not positive, years that are not, and growth without years.

    Examples
    --------
    >>> claim = claimed_rise(2350, 6040, years=4)
    >>> claim.missing, round(claim.rise / claim.before, 2), round(claim.zero.rise, 2)
    ('no_growth', 1.57, 1.52)
    >>> [round(part.amount) for part in claimed_rise(2350, 6040, years=4, general_growth=0.09).parts]
    [967, 2723]
    """
    if not (math.isfinite(before) and math.isfinite(after) and before > 0 and after > 0):
        raise DesignError(f"The two figures are mean incomes above zero, not {before:g} and {after:g}.")
    if first is not None and last is not None:
        if years is not None and years != last - first:
            raise DesignError(f"From {first} to {last} are {last - first} years, not {years:g}.")
        years = last - first
    if years is not None and not (1 <= years <= 40 and years == int(years)):
        raise DesignError(f"The years between the two figures are a whole number from 1 to 40, not {years:g}.")
    if general_growth is not None and years is None:
        raise DesignError("General growth adds up over years: say how many lie between the two figures, for example years=4.")
    about = {"first": first, "last": last, "years": years, "units": None, "selected": selected, "claimed": True}
    made = _alone(about | {"before": float(before), "after": float(after)}, general_growth)
    if selected == "covered":
        return made
    log_growth = LOG_GROWTH if general_growth is None else math.log1p(general_growth)
    return made.model_copy(update={"zero": zero_programme(years or YEARS, log_growth)})


def rise_of_covered(findings: Findings | Described) -> BeforeAfter | NotTold:
    """Return the rise of the mean income of those covered, split into general growth, the estimate of the study, and the rest.

    Parameters
    ----------
    findings : Findings or Described

    Returns
    -------
    BeforeAfter or NotTold
        From the first year of the trends to the last: what the covered would have gained with the growth of the comparison (in per cent
        on the log scale, in money on the level scale), the headline in money with its range, and the rest. A study without a causal
        figure has growth and what cannot be divided, or with nobody to compare the whole rise undivided. The reasons not to tell
        are "no_trend" (fewer than two years of the covered) and "other_years" (no year at both ends of both groups).

    Notes
    -----
    The headline is an average over the years since the start, and the rise is that of the last year; their difference, the weights of the
    study and units that are not seen in all years are in the rest.
    """
    covered, comparison = ([p for p in findings.trends if p.group == group] for group in ("treated", "comparison"))
    if len(covered) < 2:
        return NotTold(reason="no_trend")
    years = (
        sorted({p.period for p in covered} & {p.period for p in comparison}) if comparison else sorted(p.period for p in covered)
    )
    if len(years) < 2:
        return NotTold(reason="other_years")
    first, last = years[0], years[-1]
    start, end = _mean(covered, first), _mean(covered, last)
    before, after = start.mean, end.mean
    refused = isinstance(findings, Described)
    exited = refused and any(one.code == "only_exited" for one in findings.refusals)
    about: dict[str, Any] = {
        "first": first,
        "last": last,
        "years": last - first,
        "before": before,
        "after": after,
        "units": end.units,
        "selected": "exited" if exited else "covered",
        "simulated": findings.simulated,
    }
    rise = after - before
    if not comparison:
        whole = RisePart(name="undivided", amount=rise, share=_share(rise, rise))
        zero = _from_the_same_start(zero_programme(last - first), before) if exited else None
        return BeforeAfter(**about, parts=[whole], missing="no_growth", zero=zero)
    from_mean, to_mean = _mean(comparison, first).mean, _mean(comparison, last).mean
    growth = to_mean / from_mean - 1
    grown = before * growth if findings.scale == "log" else to_mean - from_mean
    about |= {"growth": growth, "growth_from": "comparison"}
    general = RisePart(name="general_growth", amount=grown, share=_share(grown, rise))
    if isinstance(findings, Described):
        left = RisePart(name="undivided", amount=rise - grown, share=_share(rise - grown, rise))
        return BeforeAfter(**about, parts=[general, left], missing="no_income_before")
    money = findings.headline.money
    alone = findings.alone
    ends = money if alone is None or isinstance(alone, NotTold) else alone.money
    policy = RisePart(name="policy", amount=money.estimate, share=_share(money.estimate, rise), low=ends.low, high=ends.high)
    rest = rise - grown - money.estimate
    about["level"] = findings.level if ends.low is not None else None
    return BeforeAfter(**about, parts=[general, policy, RisePart(name="rest", amount=rest, share=_share(rest, rise))])


def _from_the_same_start(zero: ZeroProgramme, before: float) -> ZeroProgramme:
    """Return a world whose money is counted so that it begins where the group does, whatever the unit of a study is."""
    return zero.model_copy(update={"before": before, "after": before * (1 + zero.rise)})


def _mean(points: Sequence[TrendPoint], year: int) -> TrendPoint:
    return next(point for point in points if point.period == year)
