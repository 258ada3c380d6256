"""One treated unit and its synthetic self over time, with the donors pale behind, or the gap between the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import NullFormatter, NullLocator

from evalkit import numerals
from evalkit.design import Design
from evalkit.donors import AgainstDonors
from evalkit.errors import ReportError, first_five
from evalkit.estimate import Estimate
from evalkit.plots.given import LARGEST, factor, judged, numbered, unit_of
from evalkit.plots.look import BAND, COMPARISON, INK, TREATED, WIDE, axes_for, look, value_ticks
from evalkit.plots.notes import key, label
from evalkit.plots.texts import whole, year_ticks
from evalkit.plots.trends import log_ticks
from evalkit.single_unit import Array, OneUnit
from evalkit.words import Catalogue, catalogue

SOURCE = (
    "evalkit.against_donors(design, unit), evalkit.one_unit(design, unit) or evalkit.Synthetic()(design) with design= and cohort="
)


@dataclass(frozen=True, eq=False)
class Path:
    """What is drawn: a frame with period, gap, and where they are known actual, synthetic, conf_low and conf_high; the first treated period."""

    table: pd.DataFrame
    start: float | None
    called: str


def plot_synthetic_paths(
    result: AgainstDonors | OneUnit | Estimate | pd.DataFrame,
    design: Design | None = None,
    *,
    cohort: int | None = None,
    gap: bool = False,
    lang: str = "zh",
    scale: str = "log",
    unit: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float = 3.8,
) -> Axes:
    """Return the outcome of a treated unit beside its synthetic self, solid with dots and dashed with squares; or their gap.

    Parameters
    ----------
    result : AgainstDonors, OneUnit, Estimate or DataFrame
        What :func:`evalkit.against_donors` or :func:`evalkit.one_unit` returns (the latter knows the gap only), the effects of
        :class:`evalkit.Synthetic` (with ``design`` and ``cohort``), or a frame with ``period``, ``actual`` and ``synthetic``.
    design : Design, optional
        The design of the estimate: its donors are drawn pale behind, those with weight darker.
    cohort : which cohort of an estimate by :class:`evalkit.Synthetic`
    gap : whether the difference of the two is drawn instead of both, with the prediction interval where there is one
    scale : "log" (the outcome is a log: paths are drawn as exp on a log axis, gaps in log points x 100) or "level"
    lang, unit, simulated, axes, width, height : as in :func:`evalkit.plots.bacon.plot_bacon`

    Raises
    ------
    ReportError
        For frames without these columns, for OneUnit without ``gap=True``, and for an estimate without design or cohort.

    Notes
    -----
    Where the form allows a constant difference, the synthetic path is moved by it, while donors stand where they are.

    Examples
    --------
    >>> import evalkit as ek
    >>> design = ek.example_design(units=40)
    >>> axes = plot_synthetic_paths(ek.against_donors(design, 2), design, lang="en")
    >>> axes.get_yscale()
    'log'
    """
    words, path = catalogue(lang), _path(result, design, cohort, gap)
    times = factor(scale)
    with look():
        axes = axes_for(axes, lang, simulated, "synthetic_gap" if gap else "synthetic_paths", width, height)
        if path.start is not None:
            axes.axvline(path.start - 0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        if gap:
            _gap(axes, words, path.table, times)
            value_ticks(axes.yaxis, scale)
            upwards = words.say(
                f"plot.synthetic.gap{'_units' if isinstance(result, OneUnit) else ''}", unit=unit_of(words, scale, unit)
            )
        else:
            _judge_size(path.table, scale)
            donors = _donors(result, design, path)
            _paths(axes, words, path, donors, np.exp if scale == "log" else np.asarray)
            _money_axis(axes, scale)
            upwards = words.say(f"plot.synthetic.outcome_{scale}", unit=unit or words.say("plot_b.unit_level"))
        label(axes, upwards, words.say("plot.synthetic.x"))
        if path.start is not None:
            axes.annotate(
                words.say("figure.event_study.starts"), (path.start - 0.5, 1), xycoords=("data", "axes fraction"), xytext=(4, -2),
                textcoords="offset points", va="top", fontsize=8.5,
            )  # fmt: skip
        year_ticks(axes, path.table["period"].astype(int))
        key(axes)
    return axes


def _path(result: object, design: Design | None, cohort: int | None, gap: bool) -> Path:
    if isinstance(result, AgainstDonors):
        return Path(result.path, result.cohort, str(result.unit))
    if isinstance(result, OneUnit):
        if not gap:
            raise ReportError(
                "evalkit.one_unit knows the gap and no synthetic path. Use gap=True, or evalkit.against_donors(design, unit)."
            )
        told = result.path[result.path["period"].notna()].rename(columns={"effect": "gap"})
        return Path(told[told["gap"].notna()].reset_index(drop=True), result.cohort, str(result.unit))
    if isinstance(result, Estimate):
        return _of_cohort(result, design, cohort)
    needed = (
        ("period", "gap") if gap and isinstance(result, pd.DataFrame) and "gap" in result else ("period", "actual", "synthetic")
    )
    table = judged(result, needed, SOURCE)
    more = [name for name in ("event_time", "conf_low", "conf_high") if name in table]
    table = numbered(whole(table, "period"), needed[1:], "period", more)
    if "gap" not in table:
        table = table.assign(gap=table["actual"] - table["synthetic"])
    start = None
    if "event_time" in table and (table["event_time"] >= 0).any():
        start = float(table.loc[table["event_time"] >= 0, "period"].min())
    return Path(table.sort_values("period", ignore_index=True), start, "")


def _judge_size(table: pd.DataFrame, scale: str) -> None:
    """Refuse outcomes whose exp no axis can show: they are no logs."""
    largest = float(np.abs(table[["actual", "synthetic"]].to_numpy(dtype=float)).max())
    if scale == "log" and largest > np.log(LARGEST):
        raise ReportError(f"The outcome reaches {largest:,.0f}, so it is no log. Say scale='level'.")


def _of_cohort(estimate: Estimate, design: Design | None, cohort: int | None) -> Path:
    """Return the mean outcome of a cohort, and that mean less its effects."""
    cells = estimate.cells.assign(gap=estimate.theta)
    cells = cells[cells["kind"] == "group_time"]
    known = sorted({int(value) for value in cells["cohort"].dropna()})
    if design is None or cohort not in known:
        raise ReportError(f"Effects by cohort need design= and one cohort=: {first_five(known)}.")
    told = cells[cells["cohort"] == cohort].sort_values("period", ignore_index=True)
    Y = design.wide(design.y)[design.cohort == cohort]
    mean = dict(zip(design.periods.tolist(), Y.mean(axis=0).tolist(), strict=True))
    actual = told["period"].map(mean)
    table = pd.DataFrame({"period": told["period"], "actual": actual, "synthetic": actual - told["gap"], "gap": told["gap"]})
    return Path(table, cohort, str(cohort))


def _donors(result: object, design: Design | None, path: Path) -> list[tuple[Array, bool]]:
    """Return the outcomes (T,) of every donor in the periods drawn, and whether it has weight."""
    if design is None:
        return []
    columns = np.searchsorted(design.periods, path.table["period"].to_numpy(dtype=float))
    Y = design.wide(design.y)[:, columns]
    weight = dict.fromkeys(design.units[np.isinf(design.cohort)].tolist(), 0.0)
    if isinstance(result, AgainstDonors):
        weight = dict(zip(result.donor_weights["unit"], result.donor_weights["weight"], strict=True))
    position = {name: i for i, name in enumerate(design.units.tolist())}
    if unknown := [name for name in weight if name not in position]:
        raise ReportError(f"The design does not hold the donors {first_five(unknown)}. Give the design of the estimate.")
    return [(Y[position[name]], value > 0) for name, value in weight.items()]


def _paths(axes: Axes, words: Catalogue, path: Path, donors: list[tuple[Array, bool]], shown: Callable[[Array], Array]) -> None:
    periods = path.table["period"].to_numpy(dtype=float)
    looks = ((False, "#dde1e5", 0.6, "donors"), (True, "#b3bac2", 0.7, "weighted_donors"))
    only = {heavy for _, heavy in donors}
    for heavy, color, thick, name in looks:
        lines = [np.column_stack([periods, shown(line)]) for line, weighs in donors if weighs == heavy]
        if lines:
            told = words.say(f"plot.synthetic.{name if len(only) > 1 or heavy else 'comparison'}", count=f"{len(lines):,}")
            axes.add_collection(LineCollection(lines, colors=color, linewidths=thick, zorder=1, label=told))
    actual, synthetic = (shown(path.table[name].to_numpy(dtype=float)) for name in ("actual", "synthetic"))
    told = words.say("plot.synthetic.actual", name=path.called) if path.called else words.say("plot.synthetic.treated")
    axes.plot(periods, actual, "o-", color=TREATED, markersize=4.5, linewidth=1.8, label=told, zorder=4)
    axes.plot(
        periods, synthetic, "s", color=COMPARISON, linestyle=(0, (5, 2)), markerfacecolor="white", markersize=4.5, linewidth=1.8,
        label=words.say("plot.synthetic.synthetic"), zorder=3,
    )  # fmt: skip
    axes.autoscale_view()


def _gap(axes: Axes, words: Catalogue, table: pd.DataFrame, times: float) -> None:
    periods = table["period"].to_numpy(dtype=float)
    axes.axhline(0, color=INK, linewidth=0.8)
    if "conf_low" in table and table["conf_low"].notna().any():
        low, high = (times * table[name].to_numpy(dtype=float) for name in ("conf_low", "conf_high"))
        axes.fill_between(periods, low, high, color=BAND, linewidth=0, label=words.say("plot.synthetic.prediction"))
    axes.plot(
        periods, times * table["gap"], "o-", color=TREATED, markersize=5, linewidth=1.8, label=words.say("plot.synthetic.gap_line")
    )


def _money_axis(axes: Axes, scale: str) -> None:
    """Give the axis of outcomes round ticks, with thousands apart; a log axis where the outcome is a log."""
    if scale != "log":
        value_ticks(axes.yaxis, "level")
        return
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    ticks = log_ticks(low, high)
    axes.set_yticks(ticks, [numerals.fixed(tick) if tick >= 10 else f"{tick:g}" for tick in ticks])
    axes.set_ylim(low, high)
