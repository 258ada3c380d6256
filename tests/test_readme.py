"""What the readme and the pages of estimators and of inference show runs as it is written, and what their tables say is so."""

from __future__ import annotations

import doctest
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit as ek
from evalkit.diagnostics.checks import CHECKS
from evalkit.planted import THREATS
from evalkit.words import catalogue

ROOT = Path(__file__).parents[1]
PAGES = ("docs/estimators.md", "docs/estimators.zh-CN.md")
INFERENCE = ("docs/inference.md", "docs/inference.zh-CN.md")
REPORTS = ("docs/reports.md", "docs/reports.zh-CN.md")
JUDGEMENT = ("docs/judgement.md", "docs/judgement.zh-CN.md")


@lru_cache
def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code(name: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", page(name), re.S))


def test_the_code_of_the_readme_runs():
    names: dict[str, object] = {}
    exec(compile(code("README.md"), "README.md", "exec"), names)
    assert list(names["money"].cells["name"]) == ["effect", "money", "base", "percent"]
    assert names["table"]["band"].eq("uniform").any()
    assert "two_way - group_time" in set(names["differences"]["name"])


def test_every_make_target_the_readmes_name_exists():
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.M))
    for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"\bmake ([a-z-]+)\b(?! it)", page(name)))
        assert named & targets and named - targets <= {"and", "lint types"}, named - targets


@pytest.mark.parametrize(
    "name", ["README", "docs/estimators", "docs/inference", "docs/intake", "docs/reports", "docs/judgement", "docs/glossary"]
)
def test_both_languages_link_to_each_other(name: str) -> None:
    own = Path(name).name
    assert f"{own}.zh-CN.md" in page(f"{name}.md") and f"{own}.md" in page(f"{name}.zh-CN.md")


@pytest.mark.parametrize(
    "name",
    ["README.md", "README.zh-CN.md", "docs/architecture.md", "docs/replications.md", *PAGES, *INFERENCE, *REPORTS, *JUDGEMENT],
)
def test_every_file_that_a_page_links_to_is_there(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page(name))
    missing = [link for link in links if "://" not in link and not (ROOT / name).parent.joinpath(link).exists()]
    assert missing == []


@pytest.mark.parametrize(("name", "least"), [(PAGES[0], 60), (INFERENCE[0], 55), (REPORTS[0], 10), (JUDGEMENT[0], 10)])
def test_the_code_of_a_page_gives_what_it_shows(name: str, least: int) -> None:
    shown = doctest.DocTestParser().get_doctest(code(name), {}, name, name, 0)
    assert len(shown.examples) > least
    told: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).run(shown, out=told.append)
    assert "".join(told) == ""


@pytest.mark.parametrize("pages", [PAGES, INFERENCE, REPORTS, JUDGEMENT])
def test_the_chinese_page_shows_the_same_code_and_numbers(pages: tuple[str, str]) -> None:
    english, chinese = (re.sub(r" +#.*", "", code(name)) for name in pages)
    assert english == chinese


def cells_of_tables(name: str) -> list[list[str]]:
    lines = [line for line in page(name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_tables_of_inference_have_the_same_shape_and_numbers_in_both_languages() -> None:
    english, chinese = (cells_of_tables(name) for name in INFERENCE)
    numbers = r"^[-+–/ .\d]+$"
    assert [row[0] for row in english if row[0].startswith("`ek")] == [row[0] for row in chinese if row[0].startswith("`ek")]
    told = [[[cell for cell in row if re.match(numbers, cell)] for row in rows] for rows in (english, chinese)]
    assert told[0] == told[1] and sum(map(len, told[0])) > 400


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_of_reports_tells_of_every_figure(name: str) -> None:
    assert set(re.findall(r"^\| `(plot_\w+)", page(name), re.M)) == set(ek.plots.__all__)


def test_the_table_of_threats_holds_every_check_and_every_threat() -> None:
    rows = cells_of_tables(INFERENCE[0])
    head = next(row for row in rows if row[0] == "planted")
    assert [cell.strip("`") for cell in head[3:]] == list(CHECKS)
    words = catalogue("en")
    assert {words.say(f"threat.{threat}.name") for threat in THREATS} <= {row[0] for row in rows if len(row) == len(head)}


def test_the_extract_of_sizes_is_the_recorded_simulation() -> None:
    recorded = json.loads((ROOT / "benchmarks/sizes.json").read_text(encoding="utf-8"))["settings"]
    rows = cells_of_tables(INFERENCE[0])
    head = next(row for row in rows if row[:2] == ["G", "G1"])
    shown = [row for row in rows if len(row) == len(head) and row[0].isdigit()]
    assert len(shown) == 18
    for row in shown:
        for method, cell in zip(head[2:], row[2:], strict=True):
            for told, sizes in zip(cell.split(" / "), ("equal", "1:10"), strict=True):
                found = recorded[f"single effects: {row[1]} of {row[0]}, {sizes}"]["methods"][method]
                if told == "–":
                    assert found["rate"] is None
                else:  # another run differs by chance, and the table by rounding
                    assert float(told) / 100 == pytest.approx(found["rate"], abs=0.006 + 4 * found["mc_error"]), (row[:2], method)


def table(name: str, columns: int) -> dict[str, list[str]]:
    """Return the page's table of estimators with so many columns: name -> its other cells."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page(name).splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in rows if len(cells) == columns and cells[0].strip("`") in ek.ESTIMATORS}


@lru_cache
def data() -> pd.DataFrame:
    frame = ek.example_frame()
    started = (frame["first_treated"] > 0) & (frame["year"] >= frame["first_treated"])
    village = frame["village_id"]
    return frame.assign(
        hectares=(village % 17 + 1) * started, eligible=(village % 3 > 0).astype(int), other=2016 * (village % 5 == 0)
    )


CALLS: dict[str, dict[str, Any]] = {
    "stacked": {"before": 2, "after": 0},  # a longer window leaves nobody who starts later
    "weighted": {"on": ["rainfall"]},
    "synthetic": {"adjustment": "projected"},
    "several_programmes": {"others": ["other"], "never": 0},
    "switching": {"effects": 2, "placebos": 1},
}


def estimate(name: str, frame: pd.DataFrame | None = None, **choices: Any) -> ek.Estimate:
    """Return an estimate of the example villages by one estimator; the design's covariates are what is weighted on."""
    frame = data() if frame is None else frame
    if name == "two_by_two":
        frame = frame[frame["first_treated"].isin([0, 2015])]
    panel = ek.Panel(frame, choices.pop("unit", "village_id"), "year", ["county_id"], choices.pop("weight", None))
    if name == "dose_response" and panel.unit is not None:
        rollout = ek.Rollout.from_dose(panel, "hectares")
    else:
        rollout = ek.Rollout.from_first_treated(panel, "first_treated", never=0)
    call = {} if name == "weighted" and "covariates" in choices else CALLS.get(name, {})
    return ek.ESTIMATORS[name](**call)(ek.Design(panel, rollout, "log_income", **choices))


@pytest.mark.parametrize("name", PAGES)
def test_the_table_of_estimators_has_them_all_with_their_classes_and_needs(name: str) -> None:
    rows = table(name, 7)
    assert list(rows) == list(ek.ESTIMATORS)
    for registered, cells in rows.items():
        estimator = ek.ESTIMATORS[registered]
        assert cells[0] == f"`{estimator.__name__}`"
        assert set(re.findall(r"`(\w+)`", cells[2])) == set(estimator.needs), registered


@pytest.mark.parametrize("registered", ek.ESTIMATORS)
def test_the_table_of_estimators_says_what_they_return_and_by_which_convention(registered: str) -> None:
    cells = table(PAGES[0], 7)[registered]
    found = estimate(registered)
    kinds = set(re.findall(r"`(\w+)`", cells[3]))
    optional = {"covariate"} | ({"event_time"} if registered == "imputation" else set())
    assert kinds - optional <= set(found.cells["kind"]) <= kinds
    assert cells[4].startswith(f"`{found.facts.correction}`, {found.facts.reference}")
    chinese = table(PAGES[1], 7)[registered]
    assert set(re.findall(r"`(\w+)`", chinese[3])) == kinds and chinese[4].split("，")[0] == f"`{found.facts.correction}`"


COLUMNS: tuple[dict[str, Any], ...] = (
    {"comparison": "never_treated"},
    {"frame": lambda: data()[data()["first_treated"] > 0]},
    {"covariates": ["labour_share"]},  # never changes; rainfall does
    {"weight": "households"},
    {"frame": lambda: data().drop(index=data().index[[5, 37, 77, 250, 255]]), "unbalanced": "pairwise"},
    {"unit": None},
    {"anticipation": 1},
    {"base": "varying"},
)
YES, NO, OUT = "yes", "no", "–"


def answer(registered: str, choices: dict[str, Any]) -> str:
    """Return whether an estimator takes a choice, refuses it, or gives the same effects with it."""
    choices = {key: value() if callable(value) else value for key, value in choices.items()}
    try:
        found = estimate(registered, **choices)
    except ek.DesignError:
        return NO
    usual = estimate(registered)
    same = len(found.theta) == len(usual.theta) and np.allclose(found.theta, usual.theta, rtol=1e-12)
    return OUT if same and not {"weight", "unit", "frame", "covariates"} & set(choices) else YES


@pytest.mark.parametrize("registered", ek.ESTIMATORS)
def test_the_table_of_choices_says_which_are_honoured_refused_or_do_not_enter(registered: str) -> None:
    answers = [answer(registered, choices) for choices in COLUMNS]
    if (changing := answer(registered, {"covariates": ["rainfall"]})) == YES:
        fixed = answers[2] == YES and not np.allclose(
            estimate(registered).theta[:1], estimate(registered, covariates=["labour_share"]).theta[:1], rtol=1e-12
        )
        answers[2] = YES if fixed else "changing"
    else:
        answers[2] = changing
    assert table(PAGES[0], 9)[registered] == answers
    words = {YES: "是", NO: "否", OUT: OUT, "changing": "随时间变的"}
    assert table(PAGES[1], 9)[registered] == [words[one] for one in answers]
