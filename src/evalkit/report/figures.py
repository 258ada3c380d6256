"""The figures of a report: findings as the frames that :mod:`evalkit.plots` draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from evalkit.errors import ReportError
from evalkit.findings import Described, Findings
from evalkit.firm_records import Overturn
from evalkit.plots.components import plot_components
from evalkit.plots.event_study import plot_event_study
from evalkit.plots.forest import plot_forest
from evalkit.plots.look import NARROW, WIDE, Picture
from evalkit.plots.overlap import plot_overlap
from evalkit.plots.sensitivity import plot_sensitivity
from evalkit.plots.trends import plot_trends
from evalkit.report import components as component_words
from evalkit.report.before_after_blocks import draw
from evalkit.report.voice import StudyVoice, Voice, published_interval


def event_study(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return the gap between treated and comparison by years since the start, with pointwise and simultaneous ranges."""
    voice = Voice(findings, lang)
    points = [point.model_dump() for point in findings.path]
    path = pd.DataFrame(points).rename(columns={"low": "conf_low", "high": "conf_high"})
    banded = path[path["band_low"].notna() & path["band_high"].notna()]
    band = banded.drop(columns=["conf_low", "conf_high"]).rename(columns={"band_low": "conf_low", "band_high": "conf_high"})
    drawn = plot_event_study(
        path,
        band=band if len(band) else None,
        scale=findings.scale,
        level=findings.level,
        ranges=voice.say("one_unit.range") if voice.alone else None,
        **_common(voice, narrow),
    )
    return _picture(drawn)


def trends(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return mean income of both groups over time; on the log scale parallel lines are equal growth."""
    voice = Voice(findings, lang)
    means = pd.DataFrame([point.model_dump() for point in findings.trends])
    years = [cohort.year for cohort in findings.cohorts if cohort.used]
    names = {group: voice.common[group] for group in ("treated", "comparison")}
    starts = (min(years), max(years)) if years else None
    return _picture(plot_trends(means, starts=starts, names=names, scale=findings.scale, **_common(voice, narrow)))


def estimators(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return every estimator's effect with its interval, the study's own filled, published figures as squares."""
    voice = Voice(findings, lang)
    table = pd.DataFrame(_forest_rows(voice))
    return _picture(plot_forest(table, scale=findings.scale, **_common(voice, narrow)))


def _forest_rows(voice: Voice) -> Iterator[dict[str, Any]]:
    for row in voice.findings.estimators:
        average, comparison = voice.phrase(f"average.{row.average}"), voice.versus(row.comparison)
        yield {
            "name": voice.say(f"estimator.{row.estimator}.name"),
            "detail": voice.say("language.two_parts", one=average, two=comparison),
            "estimate": row.effect.estimate,
            "conf_low": row.effect.low,
            "conf_high": row.effect.high,
            "role": "main" if row.headline else "other",
        }
    for known in voice.findings.published:
        effect = published_interval(known, voice.findings.level)
        yield {
            "name": voice.word(known.what),
            "detail": voice.say("figure.estimators.published"),
            "estimate": effect.estimate,
            "conf_low": effect.low,
            "conf_high": effect.high,
            "role": "published",
        }


def overlap(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return how likely units were to be treated by their covariates: the treated upwards, the comparison downwards, by cohort."""
    voice, balance = Voice(findings, lang), findings.alike
    assert balance is not None
    table = pd.DataFrame([one.model_dump() for one in balance.histogram])
    common = _common(voice, narrow)
    common.pop("unit")
    return _picture(plot_overlap(table, treated=voice.common["treated"], comparison=voice.common["comparison"], **common))


def components(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return the effects on the components of income as bars with their ranges, the total last."""
    voice, found = Voice(findings, lang), findings.components
    assert found is not None
    table = pd.DataFrame(
        [
            {"name": row.name, "estimate": row.effect.estimate, "conf_low": row.effect.low, "conf_high": row.effect.high}
            for row in found.rows
        ]
    )
    names = {row.name: component_words.name(voice, row) for row in found.rows}
    earned = tuple(row.name for row in found.rows if row.earned)
    return _picture(plot_components(table, names=names, self_generated=earned, **_common(voice, narrow)))


def firmness(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return the range of the effect by the yearly drift between the groups, with the drift that undoes it and the largest before."""
    voice = Voice(findings, lang)
    found = findings.firm.overturn if findings.firm else None
    assert isinstance(found, Overturn)
    curve = pd.DataFrame([point.model_dump() for point in found.curve])
    curve = curve.rename(columns={"drift": "size", "low": "conf_low", "high": "conf_high"})
    drawn = plot_sensitivity(
        curve, estimate=found.effect, breakdown=found.breakdown, largest_before=found.largest_before, level=findings.level,
        noun=voice.common["noun"], **_common(voice, narrow),
    )  # fmt: skip
    return _picture(drawn)


def _common(voice: Voice, narrow: bool) -> dict[str, Any]:
    """Return what every figure of a report is told: its language, its unit of money, its width, and whether data are simulated."""
    return {
        "lang": voice.lang,
        "unit": voice.common["money"],
        "simulated": voice.simulated,
        "width": NARROW if narrow else WIDE,
    }


def _picture(axes: Axes) -> Picture:
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Picture)
    return figure


def before_after(findings: Findings | Described, lang: str, narrow: bool = False) -> Picture:
    """Draw what the rise of income consists of."""
    if findings.before_after is None:
        raise ReportError(f"The findings of {findings.run_id} lack the result 'before_after', which the figure tells.")
    return draw(StudyVoice(findings, lang), findings.before_after, narrow)


DRAW: dict[str, Callable[..., Picture]] = {
    "event_study": event_study,
    "firmness": firmness,
    "overlap": overlap,
    "components": components,
    "estimators": estimators,
    "trends": trends,
    "before_after": before_after,
}
