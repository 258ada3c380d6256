"""How a batch goes on, for whoever sits before it: a bar on a terminal, a line a report in a pipe, and a summary at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from evalkit.batch.ledger import Row
from evalkit.batch.running import Batch
from evalkit.words import catalogue

MARKS = {"done": "✓", "unchanged": "=", "failed": "✗", "interrupted": "…"}
COLOURS = {"done": "", "unchanged": "dim", "failed": "red", "interrupted": "yellow"}


class Telling:
    """Tells a console how a batch goes on, in one language or both."""

    def __init__(self, console: Console, languages: Sequence[str]) -> None:
        self.console, self.languages = console, tuple(languages)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.bar.add_task(self.words("working"), total=None)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def words(self, key: str, **facts: object) -> str:
        """Return what the catalogue says, in one language or in both with a bar between."""
        return " | ".join(catalogue(lang).say(f"batch.{key}", **facts) for lang in self.languages)

    def leftovers(self, count: int) -> None:
        """Tell that unfinished reports were removed."""
        if count:
            self._line(self.words("leftovers", count=count))

    def judged(self, total: int) -> None:
        """Learn how many reports there will be."""
        self.bar.update(self.task, total=total)

    def told(self, number: int, total: int, row: Row) -> None:
        """Move the bar, or write a line; what failed is written on a terminal too."""
        self.bar.update(self.task, advance=1, description=f"{self.words('working')}  {row.job.name}")
        if row.status == "failed" or not self.console.is_terminal:
            self._line(self.line(number, total, row), COLOURS[row.status])

    def line(self, number: int, total: int, row: Row) -> str:
        """Return the line of one report: [ 3/50] ✓ industry 990121 甲山县 2.1 s."""
        start = f"[{number:>{len(str(total))}}/{total}] {MARKS[row.status]} {row.job.name}"
        if row.status == "done":
            return f"{start} {row.seconds:.1f} s"
        if row.status == "failed":
            return f"{start}: {self.reason(row)}"
        return f"{start} {self.words(row.status)}"

    def reason(self, row: Row) -> str:
        """Return the first line of why a report failed, in the languages asked for, once where they agree."""
        firsts = dict.fromkeys((row.reason[lang].splitlines() or [""])[0] for lang in self.languages)
        return f"{row.kind}: " + " | ".join(firsts)

    def summary(self, batch: Batch, command: str) -> None:
        """Tell how many reports came to what, which failed with the reason and the cure, and where the list of all is."""
        counts = Table(title=self.words("summary"), title_justify="left")
        counts.add_column(self.words("status"))
        counts.add_column(self.words("count"), justify="right")
        for status in ("done", "unchanged", "failed", "interrupted"):
            if batch.counts.get(status) or status != "interrupted":
                counts.add_row(Text(f"{MARKS[status]} {self.words(status)}"), str(batch.counts.get(status, 0)))
        self.console.print(counts)
        self._failures([row for row in batch.rows if row.status == "failed"])
        if batch.signal is not None:
            self._line(self.words("resume", command=command) if batch.rows else self.words("too_early"))
        if batch.site is not None:
            self._line(self.words("site", path=batch.site))

    def _failures(self, rows: Sequence[Row]) -> None:
        """Tell of each report that failed, and of what to do after those to which it applies; reasons are sentences, not cells."""
        cures = {row.job: " | ".join(row.cure[lang] for lang in self.languages) for row in rows}
        for cure in dict.fromkeys(cures.values()):
            for row in rows:
                if cures[row.job] == cure:
                    self._line(f"{MARKS['failed']} {row.job.name}", "red")
                    self._line(f"  {self.words('reason')}: {self.reason(row)}")
            self._line(f"  {self.words('to_do')}: {cure}")

    def _line(self, text: str, style: str = "") -> None:
        self.console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)
