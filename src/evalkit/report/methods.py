"""Data and methods: every choice behind the numbers, by name."""

from __future__ import annotations

from evalkit import numerals
from evalkit.report.blocks import Fact
from evalkit.report.voice import Voice


def facts(voice: Voice) -> tuple[Fact, ...]:
    """Return the choices of a study and where its data come from."""
    findings = voice.findings
    by = voice.phrase("method.by_weight", weight=findings.weight) if findings.weight else voice.phrase("method.by_units")
    entries = [
        ("estimator", voice.say("method.estimator_text", by=by)),
        ("equation", voice.say("method.equation_text")),
        ("scale", voice.say(f"method.scale_{findings.scale}")),
        *([("money", voice.say("method.money_text"))] if findings.scale == "log" else []),
        ("adjustment", voice.say(f"method.{findings.method}" if findings.covariates else "method.plain")),
        ("comparison", voice.say("language.name", name=voice.compared_with())),
        *_start(voice),
        ("base", _base(voice)),
        ("anticipation", _anticipation(voice)),
        ("covariates", voice.catalogue.listing(map(voice.covariate, findings.covariates)) or voice.say("method.covariates_none")),
        ("weight", findings.weight or voice.say("method.weight_none")),
        ("inference", _inference(voice)),
        *_band(voice),
        ("smallest", voice.say("method.smallest_text", smallest=numerals.short(findings.smallest_meaningful_percent))),
        ("prices", voice.say("language.name", name=voice.common["prices"])),
    ]
    if findings.income_definition is not None:
        entries.append(("income_definition", voice.say("language.name", name=voice.word(findings.income_definition))))
    found = [Fact(voice.say(f"method.{name}"), text) for name, text in entries]
    found.append(Fact(voice.say("method.source"), voice.word(findings.source), findings.source_url))
    if findings.licence is not None:
        found.append(Fact(voice.say("method.licence"), voice.word(findings.licence)))
    found.append(Fact(voice.say("method.version"), voice.phrase("method.version_text", version=findings.version)))
    found.append(Fact(voice.say("method.run_id"), findings.run_id))
    return tuple(found)


def _start(voice: Voice) -> list[tuple[str, str]]:
    """Return which event counts as the start, where the roll-out was read from a table of events."""
    used = [row.date for row in voice.findings.dates if row.used]
    return [("start", voice.say("method.start_text", date=voice.phrase(f"event.{date}"))) for date in used]


def _base(voice: Voice) -> str:
    findings = voice.findings
    if findings.base == "universal" and findings.anticipation:
        return voice.say("method.universal_anticipation", years=1 + findings.anticipation)
    return voice.say(f"method.{findings.base}")


def _anticipation(voice: Voice) -> str:
    years = voice.findings.anticipation
    return (
        voice.say("method.anticipation_some", count=voice.count(years, "year")) if years else voice.say("method.anticipation_none")
    )


def _band(voice: Voice) -> list[tuple[str, str]]:
    findings = voice.findings
    if findings.path_critical is None:
        return []
    critical = numerals.fixed(findings.path_critical, 2)
    return [("band", voice.say("method.band_text", critical=critical, seed=findings.seed))]


def _inference(voice: Voice) -> str:
    """Return the inference behind the headline."""
    if voice.alone:
        return voice.say("one_unit.inference", comparison_units=voice.count_units(voice.alone.comparison_units))
    rows = voice.findings.estimators
    main = next((row for row in rows if row.headline), rows[0])
    cluster, clusters = voice.cluster(main.cluster, main.clusters), voice.count(main.clusters, "cluster")
    if not voice.ranges:
        return voice.say("method.inference_none", cluster=cluster, clusters=clusters)
    return voice.say(
        "method.inference_text",
        cluster=cluster,
        clusters=clusters,
        correction=voice.phrase(f"correction.{main.correction}"),
        reference=main.reference,
    )
