"""What `evalkit check` tells of a study or a data file before anything is estimated, in one language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evalkit.comparison import Comparison
from evalkit.described import described
from evalkit.errors import NoComparison
from evalkit.estimators.needs import Applicable, applicable
from evalkit.evaluation import estimated
from evalkit.findings import Described
from evalkit.intake.formats import read_table
from evalkit.intake.guess import guess_mapping
from evalkit.intake.mapping import Mapping
from evalkit.intake.observations import IntakeError
from evalkit.intake.receiving import Received, receive
from evalkit.report.remarks import sentence
from evalkit.report.voice import Voice
from evalkit.study import Study
from evalkit.study_data import designed, load
from evalkit.words import Catalogue, catalogue

LISTED = 5  # lines of the file that a message names


def describe_study(path: Path, data: Path | None, langs: list[str]) -> list[str]:
    """Return lines on a study's panel, roll-out and comparison; raises the error that running it would raise."""
    study = Study.from_yaml(path)
    loaded = load(study, data, path.parent)
    try:
        design, _ = designed(study, loaded.frame, loaded.events)
    except NoComparison:
        return [line for lang in langs for line in _without_comparison(described(study, loaded), lang)]
    comparison = Comparison.of(design)
    findings = estimated(study, loaded)  # everything but the report, so that what passes here also runs
    cohorts = ", ".join(f"{g} ({int((comparison.cohort == g).sum())})" for g in comparison.cohorts)
    facts = {
        "name": study.name, "units": f"{len(design.units):,}", "periods": len(design.periods), "first": design.periods[0],
        "last": design.periods[-1], "rows": f"{design.observations:,}", "cohorts": cohorts,
    }  # fmt: skip
    counts = {"treated": np.isfinite(design.cohort).sum(), "compared": np.isinf(comparison.cohort).sum()}
    lines = []
    for lang in langs:
        words, voice = catalogue(lang), Voice(findings, lang)
        facts |= {"title": voice.word(study.title), "unit": voice.word(study.unit_word)}
        facts["comparison"] = words.say(f"check_comparison.{design.comparison}")
        lines += [words.say(f"check_study.{key}", **facts) for key in ("study", "panel")]
        lines += [words.say(f"check_study.{key}", **{**facts, "count": f"{count:,}"}) for key, count in counts.items()]
        lines += list(_estimators(applicable(design), words))
        lines += [words.say("check_study.remark", sentence=sentence(voice, remark)) for remark in findings.remarks]
        lines.append(words.say("check_study.ok"))
    return lines


def _without_comparison(told: Described, lang: str) -> Iterator[str]:
    """Say that the study can be run, what its report will refuse, and what would cure it."""
    from evalkit.report.notebook import bottom_line

    yield catalogue(lang).say("check_study.no_comparison")
    yield bottom_line(told, lang)


def _estimators(answers: tuple[Applicable, ...], words: Catalogue) -> Iterator[str]:
    """Say which estimators apply to the study's design, and of the others why they do not."""
    names = {one.estimator: words.say(f"estimator.{one.estimator}.name") for one in answers}
    yield words.say("check_study.apply", names=words.listing([names[one.estimator] for one in answers if one.applies], shown=20))
    for one in answers:
        if not one.applies:
            yield words.say("check_study.not_apply", name=names[one.estimator], why=one.why_not(words.lang))


def describe_data(path: Path, mapping: Path | None, langs: list[str], sheet: str | None = None) -> list[str]:
    """Return the verdict on a data file in words: the panel it becomes, its ledger and what to ask.

    Raises
    ------
    IntakeError
        When the file cannot become a panel, with every problem found.
    """
    if mapping is not None:
        said = Mapping.from_yaml(mapping)
        said = said if sheet is None else said.model_copy(update={"sheet": sheet})
        received, guess = receive(path, said, mapping.parent), None
    else:
        guess = guess_mapping(read_table(path, sheet=sheet), sheet)
        received = receive(path, guess.mapping, strict=False)
    lines = []
    for lang in langs:
        words = catalogue(lang)
        if guess is not None:
            lines.append(words.say("check_file.guessed", unit=guess.mapping.unit, period=guess.mapping.period))
        lines += _verdict(received, words)
        if guess is not None and guess.mapping.ignore:
            lines.append(words.say("check_file.unrecognised", headings=words.listing(guess.mapping.ignore, shown=20)))
        lines.append("")
    return lines[:-1]


def problems(error: IntakeError, lang: str) -> list[str]:
    """Return the problems of a file in words, numbered."""
    words = catalogue(lang)
    numbered = [
        words.say("check_file.problem", number=number, sentence=problem.say(words))
        for number, problem in enumerate(error.problems, 1)
    ]
    return [words.say("check_file.cannot"), *numbered]


def _verdict(received: Received, words: Catalogue) -> Iterator[str]:
    frame, mapping, ledger = received.frame, received.mapping, received.ledger
    units, periods = frame[mapping.unit].nunique(), frame[mapping.period]
    balanced = len(frame) == units * periods.nunique()
    yield words.say(
        "check_file.usable",
        units=f"{units:,}",
        unit=mapping.unit,
        periods=periods.nunique(),
        first=periods.min(),
        last=periods.max(),
        rows=f"{len(frame):,}",
        balance=words.say("check_file.balanced" if balanced else "check_file.unbalanced"),
    )
    added, combined = (sum(getattr(step, name) for step in ledger.steps) for name in ("added", "combined"))
    facts = {"rows_in": ledger.rows_in, "left": ledger.rows_left, "added": added, "combined": combined, "rows_out": ledger.rows_out}
    yield words.say("check_file.ledger", **{name: f"{count:,}" for name, count in facts.items()})
    for reason, lines in ((reason, lines) for step in ledger.steps for reason, lines in step.left.items()):
        yield words.say("check_file.left", count=f"{len(lines):,}", reason=words.say(f"left.{reason}"), lines=_listed(lines, words))
    used = [
        words.say("check_file.use", heading=use.heading, column=use.column, unit=f" ({use.unit})" if use.unit else "")
        for use in received.uses
        if use.column
    ]
    yield words.say("check_file.columns", columns=words.listing(used, shown=30))
    if len(received.flags):
        yield words.say("check_file.flags")
        for (column, flag), cells in received.flags.groupby(["column", "flag"], sort=False):
            said = {"column": column, "flag": words.say(f"flag.{flag}"), "lines": _listed(cells["line"].tolist(), words)}
            yield words.say("check_file.flag", count=f"{len(cells):,}", **said)
    for removal in received.removed:
        yield removal.say(words)
    yield from _questions(received, words)


def _questions(received: Received, words: Catalogue) -> Iterator[str]:
    if not received.questions:
        yield words.say("check_file.no_questions")
        return
    yield words.say("check_file.questions", count=len(received.questions))
    for number, question in enumerate(received.questions, 1):
        yield words.say("check_file.question", number=number, evidence=question.evidence, sentence=question.say(words))


def _listed(lines: list[int] | tuple[int, ...], words: Catalogue) -> str:
    distinct = list(dict.fromkeys(lines))
    return words.listing([str(line) for line in distinct[:LISTED]], shown=LISTED) + ("…" if len(distinct) > LISTED else "")
