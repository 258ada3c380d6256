"""The figures of the robustness dossier: where a picture says more than a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from evalkit.dossier_records import Check, Dossier, Line
from evalkit.plots.bacon import plot_bacon
from evalkit.plots.forest import plot_forest
from evalkit.plots.look import BAND, INK, NARROW, TREATED, WARNING, WIDE, Picture, axes_for, is_narrow, look, value_ticks
from evalkit.plots.sensitivity import plot_sensitivity
from evalkit.plots.specification_curve import plot_specification_curve
from evalkit.report.dossier_voice import DossierVoice

RULES = {
    "R3": "dossier_bacon", "R4": "dossier_sensitivity", "R5": "dossier_placebos", "R9": "dossier_groups", "R12": "dossier_specifications",
    "R13": "dossier_clusters", "R14": "dossier_leave_out",
}  # fmt: skip
"""The figure of a check."""
FEWEST = 3  # lines that a picture of many is worth


def of(check: Check, *parts: str) -> list[Line]:
    """Return the lines of some parts of a check that have an estimate or numbers of their own."""
    return [line for line in check.lines if line.name.partition(".")[0] in parts and not line.reason]


def drawn(check: Check) -> str | None:
    """Return the name of the figure of a check, None where it has none or too little to show."""
    enough = {
        "R3": len([line for line in of(check, "bacon") if line.effect]) > 1, "R4": len(of(check, "curve")) >= FEWEST,
        "R5": len(check.draws) > FEWEST, "R9": len([line for line in check.lines if line.name == "group.effect" and line.effect]) > 1,
        "R12": len(_specifications(check)) >= FEWEST, "R13": len(_ranged(check)) >= FEWEST, "R14": len(_clusters(check)) >= FEWEST,
    }  # fmt: skip
    return RULES[check.rule] if enough.get(check.rule) else None


def facts(page: DossierVoice, check: Check) -> dict[str, str]:
    """Return what the words of a check's figure quote."""
    hundred = page.voice.hundred
    match check.rule:
        case "R3":
            return {"pairs": f"{len(of(check, 'bacon')):,}"}
        case "R4":
            first = of(check, "curve")[0]
            names = ("low_money", "high_money")
            return {name: page.told(check, name, first.numbers[name], sentence=True) for name in names}
        case "R5":
            return {"draws": f"{len(check.draws):,}", "estimate": hundred(check.statistic.facts["estimate"])}
        case "R9":
            return {"groups": f"{sum(line.name == 'group.effect' and line.effect is not None for line in check.lines):,}"}
        case "R12":
            return {"estimated": f"{len(_specifications(check)):,}"}
        case "R13":
            return {"methods": f"{len(_ranged(check)):,}"}
    estimates = [line.effect.estimate for line in _clusters(check) if line.effect]
    what = page.column(_clusters(check)[0].words["column"])
    return {"what": what, "places": f"{len(estimates):,}", "low": hundred(min(estimates)), "high": hundred(max(estimates))}


def _check(dossier: Dossier, rule: str) -> Check:
    return next(check for check in dossier.checks if check.rule == rule)


def _common(page: DossierVoice, narrow: bool) -> dict[str, Any]:
    voice = page.voice
    return {"lang": page.lang, "unit": voice.common["money"], "simulated": voice.simulated, "width": NARROW if narrow else WIDE}


def _picture(axes: Axes) -> Picture:
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Picture)
    return figure


def _ends(line: Line) -> dict[str, float | None]:
    assert line.effect is not None
    return {"estimate": line.effect.estimate, "conf_low": line.effect.low, "conf_high": line.effect.high}


def bacon(dossier: Dossier, lang: str, narrow: bool = False) -> Picture:
    """Return the comparisons behind the two-way coefficient: weight across, estimate up."""
    page = DossierVoice(dossier, lang)
    rows = [
        {"type": line.name.partition(".")[2], "estimate": line.effect.estimate, "weight": line.numbers["weight"]}
        for line in of(_check(dossier, "R3"), "bacon")
        if line.effect is not None
    ]
    return _picture(plot_bacon(pd.DataFrame(rows), scale=dossier.findings.scale, **_common(page, narrow)))


def sensitivity(dossier: Dossier, lang: str, narrow: bool = False) -> Picture:
    """Return the range of the effect by the yearly drift between the groups."""
    page, check = DossierVoice(dossier, lang), _check(dossier, "R4")
    names = {"drift_money": "size", "low_money": "conf_low", "high_money": "conf_high"}
    curve = pd.DataFrame([{new: line.numbers[old] for old, new in names.items()} for line in of(check, "curve")])
    told = check.statistic.facts
    drawn_on = plot_sensitivity(
        curve, estimate=told["effect_money"], breakdown=told["breakdown_money"], largest_before=told["largest_before_money"],
        level=dossier.findings.level, noun=page.voice.common["noun"], **_common(page, narrow),
    )  # fmt: skip
    return _picture(drawn_on)


def placebos(dossier: Dossier, lang: str, narrow: bool = False) -> Picture:
    """Return the histogram of the estimates under random assignments, and the estimate itself."""
    page, check = DossierVoice(dossier, lang), _check(dossier, "R5")
    times = 100 if dossier.findings.scale == "log" else 1
    own = times * float(check.statistic.facts["estimate"])
    with look():
        axes = axes_for(None, lang, page.voice.simulated, "dossier_placebos", NARROW if narrow else WIDE, 3.5)
        count = max(8, min(40, round(2 * len(check.draws) ** 0.5)))
        axes.hist([times * one for one in check.draws], bins=count, color=BAND, edgecolor="white", linewidth=0.5)
        axes.axvline(own, color=WARNING, linewidth=1.6, label=page.phrase("dossier.R5.figure.observed", **facts(page, check)))
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.margins(x=0.05)
        value_ticks(axes.xaxis, "level", 5 if is_narrow(axes) else 8)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        unit = page.voice.unit_of_effect(hundred=True)
        axes.set_xlabel(page.phrase("dossier.R5.figure.axis", unit_of_effect=unit))
        axes.set_ylabel(page.phrase("dossier.R5.figure.count"))
        axes.legend(loc="upper right")
    return _picture(axes)


def groups(dossier: Dossier, lang: str, narrow: bool = False) -> Picture:
    """Return the effect in every group with its interval, the headline first."""
    page, check = DossierVoice(dossier, lang), _check(dossier, "R9")
    effect = dossier.findings.headline.effect
    rows = [
        {
            "name": page.phrase("dossier.R9.figure.main"),
            "estimate": effect.estimate,
            "conf_low": effect.low,
            "conf_high": effect.high,
            "role": "main",
        }
    ]
    rows += [
        {"name": page.label(check, line), "role": "other", **_ends(line)}
        for line in check.lines
        if line.name == "group.effect" and line.effect is not None
    ]
    return _picture(plot_forest(pd.DataFrame(rows), scale=dossier.findings.scale, **_common(page, narrow)))


def _specifications(check: Check) -> list[Line]:
    """Return the specifications with an estimate that repeat no other."""
    found = [line for line in of(check, "specification") if line.effect is not None and not line.numbers.get("repeats")]
    return [line for line in found if line.numbers.get("per_cent") is not None]


def specifications(dossier: Dossier, lang: str, narrow: bool = False) -> Picture:
    """Return all specifications in per cent, from the smallest to the largest, with their choices below."""
    page, check = DossierVoice(dossier, lang), _check(dossier, "R12")
    rows = []
    for line in _specifications(check):
        words, numbers = line.words, line.numbers
        sample, outcome = (page.phrase(f"dossier.R12.{axis}.{words[axis]}") for axis in ("sample", "outcome"))
        rows.append(
            {
                "estimate": numbers["per_cent"], "conf_low": numbers.get("per_cent_low"), "conf_high": numbers.get("per_cent_high"),
                "sample": page.voice.phrase("language.two_parts", one=outcome, two=sample), "comparison": words["comparison"],
                "estimator": words["estimator"], "covariates": page.phrase(f"dossier.R12.covariates.{words['covariates']}"),
                "weight": page.phrase(f"dossier.R12.weight.{words['weight']}"),
            }
        )  # fmt: skip
    common = _common(page, narrow) | {"unit": page.phrase("dossier.R12.figure.unit")}
    return _picture(plot_specification_curve(pd.DataFrame(rows), scale="level", **common))


def _ranged(check: Check) -> list[Line]:
    return [line for line in of(check, "assumed") if line.effect is not None and line.effect.low is not None]


def clusters(dossier: Dossier, lang: str, narrow: bool = False) -> Picture:
    """Return the interval by every way of inference, the study's own as a diamond."""
    page, check = DossierVoice(dossier, lang), _check(dossier, "R13")
    rows = [
        {"name": page.label(check, line), "role": "main" if line.name == "assumed.cluster" else "other", **_ends(line)}
        for line in _ranged(check)
    ]
    return _picture(plot_forest(pd.DataFrame(rows), scale=dossier.findings.scale, **_common(page, narrow)))


def _clusters(check: Check) -> list[Line]:
    return [line for line in check.lines if line.name == "without.cluster" and line.effect is not None]


def leave_out(dossier: Dossier, lang: str, narrow: bool = False) -> Picture:
    """Return the effect without each cluster, from the smallest to the largest, none of them named."""
    page, check = DossierVoice(dossier, lang), _check(dossier, "R14")
    times = 100 if dossier.findings.scale == "log" else 1
    lines = sorted(_clusters(check), key=lambda line: line.effect.estimate if line.effect else 0.0)
    main = dossier.findings.headline.effect.estimate
    with look():
        axes = axes_for(None, lang, page.voice.simulated, "dossier_leave_out", NARROW if narrow else WIDE, 3.2)
        for place, line in enumerate(lines):
            assert line.effect is not None
            if line.effect.low is not None and line.effect.high is not None:
                axes.vlines(place, times * line.effect.low, times * line.effect.high, color=BAND, linewidth=2.2)
        estimates = [times * line.effect.estimate for line in lines if line.effect]
        axes.plot(range(len(lines)), estimates, ".", color=TREATED, markersize=4)
        told = page.phrase("dossier.R14.figure.main", estimate=page.voice.hundred(main))
        axes.axhline(times * main, color=WARNING, linewidth=1.2, linestyle=(0, (5, 2)), label=told)
        axes.axhline(0, color=INK, linewidth=0.9)
        axes.set_xticks([])
        axes.margins(x=0.02, y=0.12)
        value_ticks(axes.yaxis, "level", 6)
        axes.set_title(
            page.phrase("dossier.R14.figure.axis", unit_of_effect=page.voice.unit_of_effect(hundred=True)), loc="left", fontsize=9
        )
        axes.legend(loc="lower right")
    return _picture(axes)


Draw = Callable[..., Picture]
DRAW: dict[str, Draw] = {
    "dossier_bacon": bacon,
    "dossier_sensitivity": sensitivity,
    "dossier_placebos": placebos,
    "dossier_groups": groups,
    "dossier_specifications": specifications,
    "dossier_clusters": clusters,
    "dossier_leave_out": leave_out,
}
