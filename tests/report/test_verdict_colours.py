"""A verdict has one colour: on the page, in print, in Word and in the list of reports."""

from __future__ import annotations

import re
from pathlib import Path

import evalkit
from evalkit.report.bottom_line import MARKS
from evalkit.report.word_styles import VERDICTS

SOURCE = Path(evalkit.__file__).parent


def in_sheet(name: str) -> dict[str, str]:
    text = (SOURCE / name).read_text(encoding="utf-8")
    return {verdict: colour.upper() for verdict, colour in re.findall(r"\.(\w+) \{ --mark: #(\w{6}); \}", text) if verdict in MARKS}


def test_a_verdict_has_the_same_colour_everywhere() -> None:
    template = (SOURCE / "report/template.typ").read_text(encoding="utf-8")
    printed = {name: colour.upper() for name, colour in re.findall(r'(\w+): rgb\("#(\w{6})"\)', template) if name in MARKS}
    word = {name: colour for name, colour in VERDICTS.items() if name in MARKS}
    assert set(word) == set(MARKS)
    assert in_sheet("report/style.css") == in_sheet("site/site.css") == printed == word
