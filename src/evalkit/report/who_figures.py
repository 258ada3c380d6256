"""The figures of who gained: groups one below the other, effects at deciles, and places in the village over the years."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from evalkit import numerals
from evalkit.findings import Findings
from evalkit.firm_records import NotTold
from evalkit.plots.forest import plot_forest
from evalkit.plots.look import BAND, INK, NARROW, TREATED, WIDE, Picture, axes_for, is_narrow, look, value_ticks
from evalkit.plots.notes import label
from evalkit.plots.trends import plot_trends
from evalkit.report.voice import has_range
from evalkit.report.who_voice import WhoVoice, overtaken
from evalkit.who_records import Deciles, WhoGains


def groups(record: WhoGains, lang: str, narrow: bool = False) -> Picture:
    """Return the effect in every group with its range, all together first."""
    voice = WhoVoice.of(record, lang)
    table = pd.DataFrame(_forest_rows(voice))
    drawn = plot_forest(
        table, scale=record.findings.scale, lang=lang, unit=voice.common["money"], simulated=voice.simulated, width=_width(narrow)
    )
    return _picture(drawn, "who_groups", narrow)


def _forest_rows(voice: WhoVoice) -> Iterator[dict[str, Any]]:
    findings = voice.findings
    assert isinstance(findings, Findings)
    top = findings.headline.effect
    yield {"name": voice.say("gains.figure.all"), "detail": "", "role": "main", **_ends(top)}
    for row in voice.group_found():
        assert not isinstance(row.found, NotTold)
        facts = {"treated": voice.number_units(row.treated_units), "comparison": voice.number_units(row.comparison_units)}
        detail = voice.phrase("gains.figure.sizes", **facts)
        if row.adjusted is not None:
            p = numerals.p_sentence(row.adjusted.holm)
            detail = voice.phrase("language.two_parts", one=detail, two=voice.phrase("gains.figure.p", p=p))
        yield {"name": voice.word(row.word), "detail": detail, "role": "other", **_ends(row.found.effect)}


def _ends(effect: Any) -> dict[str, Any]:
    return {"estimate": effect.estimate, "conf_low": effect.low, "conf_high": effect.high}


def deciles(record: WhoGains, lang: str, narrow: bool = False) -> Picture:
    """Return the difference at each decile of income with its range, in money."""
    voice, found = WhoVoice.of(record, lang), record.deciles
    assert isinstance(found, Deciles)
    with look():
        axes = axes_for(None, lang, voice.simulated, "who_deciles", _width(narrow), 3.4)
        at = np.array([round(10 * row.at) for row in found.rows], dtype=float)
        known = [(place, row.money) for place, row in zip(at, found.rows, strict=True) if has_range(row.money)]
        axes.axhline(0, color=INK, linewidth=0.9)
        axes.vlines(
            [place for place, _ in known],
            np.array([money.low for _, money in known], dtype=float),
            np.array([money.high for _, money in known], dtype=float),
            color=BAND,
            linewidth=6 if is_narrow(axes) else 9,
        )
        axes.plot(at, [row.money.estimate for row in found.rows], "o-", color=TREATED, markersize=5, linewidth=1.2)
        axes.set_xlim(0.4, 9.6)
        axes.set_xticks(at, [str(int(place)) for place in at])
        axes.margins(y=0.08)
        value_ticks(axes.yaxis, "level")
        label(axes, voice.say("gains.figure.deciles_y"), voice.say("gains.figure.deciles_x"))
    return _picture(axes, "who_deciles", narrow)


def ranks(record: WhoGains, lang: str, narrow: bool = False) -> Picture:
    """Return the mean place of each group among the households of its village, by year."""
    voice = WhoVoice.of(record, lang)
    one = overtaken(record)[0]
    frame = pd.DataFrame([point.model_dump() for point in one.ranks if point.group != "other"]).rename(columns={"rank": "mean"})
    names = {group: voice.phrase(f"gains.figure.people_{group}") for group in frame["group"].unique()}
    findings = record.findings
    assert isinstance(findings, Findings)
    years = [cohort.year for cohort in findings.cohorts if cohort.used]
    axes = plot_trends(
        frame,
        starts=(min(years), max(years)) if years else None,
        names=names,
        scale="level",
        lang=lang,
        simulated=voice.simulated,
        width=_width(narrow),
        height=3.7,
    )
    with look():
        label(axes, voice.say("gains.figure.ranks_y"))
    return _picture(axes, "who_ranks", narrow)


def _width(narrow: bool) -> float:
    return NARROW if narrow else WIDE


def _picture(axes: Any, name: str, narrow: bool) -> Picture:
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Picture)
    figure.set_label(f"{name}-narrow" if narrow else name)  # its ids are its own, beside those of the main report
    return figure


DRAW = {"who_groups": groups, "who_deciles": deciles, "who_ranks": ranks}
