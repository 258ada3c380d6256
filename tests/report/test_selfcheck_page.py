"""The page on the self-check tells the recording as it is: rates with their errors, targets missed, and rules that have changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from evalkit.places import shared
from evalkit.report.blocks import Callout, Document, Facts, Figure, Heading, Listing, Paragraph, Table
from evalkit.report.selfcheck_page import DRAW, bottom_line, compose, shown
from evalkit.report.selfcheck_tables import MAKERS
from evalkit.report.sources import spans
from evalkit.report.trace import rows as trails
from evalkit.selfcheck.rates import counted
from evalkit.selfcheck.recorded import fingerprint, recorded_matrix
from evalkit.selfcheck.worlds import truth, worlds
from evalkit.selfcheck_records import Rates, SelfCheck
from evalkit.wording import check
from evalkit.words import LANGUAGES

RUNS = 200


def run(verdict: str, letter: str | None, estimate: float, half: float = 0.02) -> dict[str, Any]:
    return {
        "verdict": verdict, "letter": letter, "estimate": estimate, "std_error": half / 2, "low": estimate - half, "high": estimate + half
    }  # fmt: skip


def rates(false: int = 5, found: int = 180, runs: int = RUNS) -> Rates:
    """Rates in which ``false`` runs of worlds without an effect, and ``found`` of those with one, end in a firm gain."""
    made = []
    for world in worlds():
        planted = truth(world)
        firm = found if planted else false
        rest = [run("unclear", "D", planted), run("pretrend_failed", "C", planted + 0.03), run("small_change", "B", planted)]
        some = [run("gain", "B", planted + 0.01)] * firm + [rest[n % 3] for n in range(runs - firm)]
        made.append(counted(world, some))
    return Rates(version="0.0.0", seeds=(1, runs), rules=fingerprint("rules"), worlds=fingerprint("worlds"), graded=True, rows=made)


def example(**changes: Any) -> SelfCheck:
    values: dict[str, Any] = {
        "run_id": "selfcheck-0123456789",
        "version": "0.0.0",
        "recorded": rates(),
        "live": rates(0, 2, 3).model_copy(update={"rows": rates(0, 2, 3).rows[:2]}),
        "matrix": recorded_matrix(),
        "stale": [],
    }
    return SelfCheck(**{**values, **changes})


def texts(document: Document) -> list[str]:
    found = [document.title, document.banner_text, document.footer]
    for block in document.blocks:
        match block:
            case Heading() | Paragraph():
                found.append(block.text)
            case Facts():
                found += [part for fact in block.items for part in (fact.label, fact.value)]
            case Callout():
                found += [
                    block.label,
                    block.lead,
                    *block.points,
                    *(part for one in block.numbers for part in (one.label, one.value)),
                ]
            case Listing():
                found += [part for item in block.items for part in (item.label, item.text)]
            case Figure():
                found += [block.caption, block.description, *block.notes]
            case Table():
                found += [block.caption, *(column.label for column in block.columns), *block.notes]
                found += [part for row in block.rows for cell in row.cells for part in (cell.text, cell.detail)]
    return found


def callout(document: Document) -> Callout:
    return next(block for block in document.blocks if isinstance(block, Callout))


def tables(document: Document) -> dict[str, Table]:
    return {block.name: block for block in document.blocks if isinstance(block, Table)}


@pytest.fixture(scope="module", params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def document(lang: str) -> Document:
    return compose(example(), lang)


def test_nothing_on_the_page_claims_more_than_it_may(document: Document) -> None:
    """The verdict with which a page may say least is assumed: there is none here that carries a causal verb."""
    for text in texts(document):
        assert not check(text, document.lang, "unclear"), text


def test_the_page_says_that_its_data_are_simulated(document: Document) -> None:
    assert "模拟数据" in document.banner
    assert all("模拟数据" in table.notes[0] for table in tables(document).values())


def test_every_table_of_the_page_begins_with_its_name_and_is_numbered_in_order(document: Document) -> None:
    found = tables(document)
    assert list(found) == [f"selfcheck_{name}" for name in MAKERS]
    assert [re.search(r"\d+", table.number)[0] for table in found.values()] == [str(n) for n in range(1, len(found) + 1)]  # type: ignore[index]


def test_the_bottom_line_counts_the_targets_that_are_missed(lang: str) -> None:
    aims = sum(world.target is not None for world in worlds())
    good = callout(compose(example(), lang))
    assert good.verdict == "usable" and str(aims) in good.label
    bad = callout(compose(example(recorded=rates(false=15)), lang))  # 15 of 200 is 7.5 per cent
    assert bad.verdict == "usable_open"
    assert str(aims - 1) in bad.label  # all but the world with an effect
    assert "7.5%" in bad.points[0]
    weak = callout(compose(example(recorded=rates(found=155)), lang))
    assert "77.5%" in weak.points[0]


def test_few_evaluations_are_not_taken_for_targets_met(lang: str) -> None:
    few = callout(compose(example(recorded=rates(0, 5, 5)), lang))
    assert few.verdict == "usable_open"
    assert "make selfcheck" in few.lead
    assert "43.4%" in few.points[0]  # 0 of 5 may be anything up to there


def test_rates_of_older_rules_are_said_to_be_old(lang: str) -> None:
    old = callout(compose(example(stale=["rules"]), lang))
    assert "make selfcheck" in old.lead and old.verdict == "usable_open"
    assert "make selfcheck" not in callout(compose(example(), lang)).lead


def test_a_recording_without_grades_says_that_nothing_counts_as_firm(lang: str) -> None:
    ungraded = callout(compose(example(recorded=rates().model_copy(update={"graded": False})), lang))
    assert len(ungraded.lead) > len(callout(compose(example(), lang)).lead)


def test_a_rate_stands_with_its_monte_carlo_error(document: Document) -> None:
    row = next(row for row in tables(document)["selfcheck_firm"].rows if "+9%" in row.cells[0].text)
    assert row.cells[1].text == "90.0%"
    assert "2.1%" in row.cells[1].detail  # the root of 0.9 x 0.1 / 200
    assert row.cells[1].values[:2] == (0.9, pytest.approx(0.021213))


def test_verdicts_and_grades_of_every_world_add_up_to_its_runs(document: Document) -> None:
    for name in ("selfcheck_verdicts", "selfcheck_grades"):
        for row in tables(document)[name].rows:
            *counts, runs = (cell.values[0] for cell in row.cells[1:])
            assert sum(counts) == runs == RUNS  # type: ignore[arg-type]


def test_every_number_knows_the_result_it_comes_from(document: Document) -> None:
    results = {result for one in trails(document) for result in one.results}
    assert len(trails(document)) > 300
    assert {"recorded.rows[0].firm.share", "recorded.rows[1].covered.mc_error", "matrix.rows[1].in_noise"} <= results
    assert all(text == spans(text)[0] for text in texts(document))


def test_a_page_without_a_run_of_today_says_so(lang: str) -> None:
    assert "selfcheck_live" not in tables(compose(example(live=None), lang))
    assert len(texts(compose(example(live=None), lang))) < len(texts(compose(example(), lang)))


def test_the_matrix_on_the_page_is_short_and_its_file_holds_every_check(document: Document) -> None:
    matrix = tables(document)["selfcheck_matrix"]
    assert sum(column.told for column in matrix.columns) == 7
    assert len(matrix.columns) == 3 + len(recorded_matrix().rows[0].checks)


def test_figures_are_the_same_on_every_run() -> None:
    for draw in DRAW.values():
        assert draw(example(), "zh", True)._repr_svg_() == draw(example(), "zh", True)._repr_svg_()


def test_the_page_is_written_in_every_format(lang: str, tmp_path: Path) -> None:
    from evalkit.report.pages import write_page

    formats = ("html", "pdf", "docx") if lang == "zh" else ("html",)  # the other language is made of the same blocks
    names = {path.relative_to(tmp_path).as_posix() for path in write_page("selfcheck", example(), tmp_path, lang, formats)}
    assert {f"selfcheck.{lang}.{kind}" for kind in formats} <= names
    assert {f"figures/{name}.{lang}.svg" for name in DRAW} <= names
    assert {f"tables/selfcheck_{name}.{lang}.csv" for name in MAKERS} <= names


def test_a_notebook_shows_the_same_tables(lang: str) -> None:
    record = example()
    assert bottom_line(record, lang).count("\n") >= 3
    assert all(len(shown(record, name, lang)) for name in MAKERS)


def test_what_ships_can_be_composed(lang: str) -> None:
    from evalkit.selfcheck.checking import selfcheck

    assert shared("data", "selfcheck", "recorded.json").is_file()
    assert callout(compose(selfcheck(seeds=0), lang)).numbers
