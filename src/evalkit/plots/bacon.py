"""The decomposition of Goodman-Bacon as a picture: each two-by-two comparison by its weight and its estimate."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from evalkit import numerals
from evalkit.diagnostics.bacon import CONTROLLED, FORBIDDEN, TYPES, Decomposition
from evalkit.errors import ReportError, first_five
from evalkit.plots.given import factor, judged, numbered, said, unit_of
from evalkit.plots.look import COMPARISON, INK, TREATED, WARNING, WIDE, axes_for, is_narrow, look, value_ticks
from evalkit.plots.notes import key, label
from evalkit.words import Catalogue, catalogue

SOURCE = "evalkit.diagnostics.bacon.bacon(design)"
SEEN = 0.001  # a part of less weight says nothing about the coefficient by its place, and would stretch the axis
KINDS = tuple(dict.fromkeys((*TYPES, *CONTROLLED)))
# Shape first: filled where the comparison is not treated, hollow where it is treated later, crosses where it is treated already.
MARKS: dict[str, dict[str, Any]] = {
    "treated_untreated": {"marker": "o", "color": TREATED, "markersize": 6.5},
    "earlier_later": {"marker": "s", "color": TREATED, "markerfacecolor": "white", "markersize": 6},
    "later_earlier": {"marker": "X", "color": WARNING, "markersize": 7.5, "markeredgecolor": "white", "markeredgewidth": 0.5},
    "treated_always": {"marker": "P", "color": WARNING, "markersize": 7.5, "markeredgecolor": "white", "markeredgewidth": 0.5},
    "both_treated": {"marker": "D", "color": COMPARISON, "markerfacecolor": "white", "markersize": 6},
    "always_untreated": {"marker": "v", "color": COMPARISON, "markersize": 6.5},
}


def plot_bacon(
    result: Decomposition | pd.DataFrame,
    *,
    lang: str = "zh",
    scale: str = "log",
    unit: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float = 4.1,
) -> Axes:
    """Return the comparisons behind a two-way coefficient: weight across, estimate up, the shape says who is compared with whom.

    Parameters
    ----------
    result : Decomposition or DataFrame
        What :func:`evalkit.diagnostics.bacon.bacon` returns, or a frame with ``type``, ``estimate`` and ``weight`` (adding to one).
    lang : "zh" or "en"
    scale : "log" (drawn as log points x 100) or "level"
    unit : the unit of a level; yuan per person per year without it
    simulated : whether the picture says that the data are simulated
    axes : the caller's axes; a new picture of ``width`` x ``height`` inches without them

    Raises
    ------
    ReportError
        For frames without these columns, unknown types, and an unknown scale.

    Notes
    -----
    With covariates, comparisons between cohorts carry 1 - Omega of the coefficient and a star stands for the part within cohorts, at
    its weight Omega: all weights drawn add to one. Below a weight of 0.1% it is told in the note instead of drawn.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.bacon import bacon
    >>> axes = plot_bacon(bacon(ek.example_design()), lang="en")
    >>> axes.get_xlabel()
    'Weight in the coefficient (%)'
    """
    words, times = catalogue(lang), factor(scale)
    table, coefficient, within = _told(result)
    with look():
        axes = axes_for(axes, lang, simulated, "bacon", width, height)
        axes.axhline(0, color=INK, linewidth=0.8)
        line = words.say("plot.bacon.coefficient", value=said(coefficient, scale))
        axes.axhline(times * coefficient, color=INK, linewidth=1.4, linestyle=(0, (6, 2)), label=line)
        for kind in (kind for kind in KINDS if (table["type"] == kind).any()):
            part = table[table["type"] == kind]
            told = _told_type(words, kind, part, scale)
            axes.plot(100 * part["weight"], times * part["estimate"], linestyle="none", label=told, **MARKS[kind])
        seen = within is not None and within[0] >= SEEN
        if within is not None and seen:
            told = words.say("plot.bacon.within", weight=numerals.percent(100 * within[0]), mean=said(within[1], scale))
            axes.plot([100 * within[0]], [times * within[1]], "*", color=INK, markersize=10, label=told)
        unseen = "" if within is None or seen else words.say("plot.bacon.within_unseen", part=said(within[0] * within[1], scale))
        largest = 100 * max(table["weight"].max(), 0.0 if within is None or not seen else within[0])
        axes.set_xlim(-0.03 * largest, 1.08 * largest)
        axes.margins(y=0.1)
        ticks = MaxNLocator(5 if is_narrow(axes) else 8, steps=[1, 2, 2.5, 5, 10]).tick_values(0, largest)
        inside = [tick for tick in ticks if 0 <= tick <= 1.08 * largest]
        axes.set_xticks(inside, [f"{tick:g}" for tick in inside])
        value_ticks(axes.yaxis, scale)
        label(axes, words.say("plot.bacon.y", unit=unit_of(words, scale, unit)), words.say("plot.bacon.x"))
        key(axes, _note(words, table), unseen)
    return axes


def _told(result: Decomposition | pd.DataFrame) -> tuple[pd.DataFrame, float, tuple[float, float] | None]:
    """Return the comparisons with weights in the coefficient, the coefficient, and weight and estimate of the part within cohorts."""
    if isinstance(result, Decomposition):
        share = 1 - result.within_weight
        within = None if result.within_estimate is None else (result.within_weight, result.within_estimate)
        return result.comparisons.assign(weight=share * result.comparisons["weight"]), result.coefficient, within
    table = numbered(judged(result, ("type", "estimate", "weight"), SOURCE), ("estimate", "weight"), "type")
    if odd := sorted({str(kind) for kind in table["type"]} - set(KINDS)):
        raise ReportError(f"Unknown types of comparison: {first_five(odd)}. Allowed: {', '.join(KINDS)}, as {SOURCE} names them.")
    if (table["weight"] < 0).any() or not table["weight"].sum():
        raise ReportError(
            f"Weights are shares from 0 to 1, some above 0, not {first_five(table['weight'])}, as {SOURCE} returns them."
        )
    return table, _mean(table), None


def _mean(part: pd.DataFrame) -> float:
    weight, estimate = (part[name].to_numpy(dtype=float) for name in ("weight", "estimate"))
    return float(weight @ estimate / weight.sum())


def _told_type(words: Catalogue, kind: str, part: pd.DataFrame, scale: str) -> str:
    share, mean = numerals.percent(100 * float(part["weight"].sum())), _mean(part)
    return words.say("plot.bacon.type", type=words.say(f"bacon_type.{kind}"), weight=share, mean=said(mean, scale))


def _note(words: Catalogue, table: pd.DataFrame) -> str:
    """Return what the comparisons with units already treated weigh, nothing where pairs are not split by direction."""
    if "both_treated" in set(table["type"]):
        return words.say("plot.bacon.not_split")
    weight = float(table.loc[table["type"].isin(FORBIDDEN), "weight"].sum())
    return (
        words.say("plot.bacon.forbidden", weight=numerals.percent(100 * weight)) if weight else words.say("plot.bacon.no_forbidden")
    )
