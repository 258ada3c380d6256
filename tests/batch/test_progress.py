"""What somebody who waits for a batch reads."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from evalkit.batch.jobs import Job
from evalkit.batch.ledger import Row
from evalkit.batch.progress import Telling
from evalkit.batch.running import Batch

PLACE = Job("effect", Path("industry.yml"), "industry", county="990121", county_name="甲山县")
DONE = Row(PLACE, "industry-990121-1", "k", "done", 2.14, "industry-990121-1")
KEPT = Row(PLACE, "industry-990121-1", "k", "unchanged", 0.0, "industry-990121-1")
FAILED = Row(
    PLACE, None, None, "failed", 0.1, "x", "StudyError", {"zh": "没有这一列\n第二行", "en": "No such column\nsecond line"}, {"zh": "改好再运行", "en": "Mend it"}
)  # fmt: skip


def telling(languages: tuple[str, ...], terminal: bool = False) -> tuple[Telling, io.StringIO]:
    written = io.StringIO()
    return Telling(Console(file=written, force_terminal=terminal, width=100), languages), written


def test_a_line_says_how_far_it_is_and_which_report_in_how_many_seconds():
    teller, _ = telling(("zh", "en"))
    assert teller.line(3, 50, DONE) == "[ 3/50] ✓ industry 990121 甲山县 2.1 s"
    assert teller.line(4, 50, KEPT) == "[ 4/50] = industry 990121 甲山县 未变，沿用 | unchanged, kept"
    assert teller.line(5, 50, FAILED) == "[ 5/50] ✗ industry 990121 甲山县: StudyError: 没有这一列 | No such column"


def test_one_language_is_spoken_when_one_is_asked_for():
    teller, written = telling(("en",))
    teller.summary(Batch(Path("out"), (FAILED,), {"failed": 1}, 2), "evalkit run --resume")
    text = written.getvalue()
    assert "Mend it" in text and "No such column" in text and "to go on: evalkit run --resume" in text
    assert "改好" not in text and "second line" not in text


def test_an_interrupt_before_anything_was_judged_sends_to_the_same_command():
    teller, written = telling(("zh", "en"))
    teller.summary(Batch(Path("out"), (), {}, 2), "evalkit run --resume")
    assert "same command again" in written.getvalue() and "--resume" not in written.getvalue()


def test_a_pipe_gets_a_line_a_report_and_a_terminal_a_bar():
    for terminal in (False, True):
        teller, written = telling(("zh", "en"), terminal)
        with teller:
            teller.judged(2)
            teller.told(1, 2, DONE)
            teller.told(2, 2, FAILED)
        text = written.getvalue()
        assert ("✓ industry 990121 甲山县 2.1 s" in text) is not terminal
        assert "✗ industry" in text and ("\x1b[" in text) is terminal


def test_the_summary_counts_names_what_failed_and_says_what_to_do_once():
    teller, written = telling(("zh", "en"))
    other = Row(Job("effect", Path("b.yml"), "b"), **{k: v for k, v in vars(FAILED).items() if k != "job"})
    counts = {"done": 3, "unchanged": 1, "failed": 2, "interrupted": 0}
    teller.summary(Batch(Path("out"), (DONE, FAILED, other), counts, None, Path("out/index.html")), "x")
    text = written.getvalue()
    assert text.count("改好再运行 | Mend it") == 1 and text.count("没有这一列") == 2
    assert "✗ b" in text and "out/index.html" in text and "interrupted" not in text
