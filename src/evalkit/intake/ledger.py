"""The ledger of rows: what came in, what left and why, what was made of it; it adds up or it does not exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Step:
    """One step of intake and its rows.

    Attributes
    ----------
    code : str
        What was done; its words stand under ``step.code`` in both catalogues.
    rows_in, rows_out : int
        Rows before and after.
    left : reason -> source lines of the rows that left for it; reasons stand under ``left.reason``
    added : int
        Rows made from others, as when years side by side become rows.
    combined : int
        Rows that went into another one, as when two counties that merged are added up.

    Raises
    ------
    ValueError
        When the rows do not add up: that is a fault of evalkit, not of the file.
    """

    code: str
    rows_in: int
    rows_out: int
    left: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    added: int = 0
    combined: int = 0

    def __post_init__(self) -> None:
        expected = self.rows_in - self.rows_left + self.added - self.combined
        if expected != self.rows_out:
            raise ValueError(f"step {self.code!r}: {self.rows_in} rows in should give {expected}, not {self.rows_out}")

    @property
    def rows_left(self) -> int:
        """How many rows left in this step."""
        return sum(len(lines) for lines in self.left.values())


@dataclass(frozen=True)
class Ledger:
    """All steps in order; each starts with the rows that the one before ended with.

    >>> read = Step("read", 12, 10, left={"title": (1,), "footnote": (12,)})
    >>> ledger = Ledger((read, Step("melt", 10, 30, added=20)))
    >>> ledger.rows_in, ledger.rows_out, ledger.rows_left
    (12, 30, 2)
    """

    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            if before.rows_out != after.rows_in:
                raise ValueError(f"{before.code!r} ends with {before.rows_out} rows, {after.code!r} starts with {after.rows_in}")

    def then(self, step: Step) -> Ledger:
        """Return the ledger with one more step."""
        return Ledger((*self.steps, step))

    @property
    def rows_in(self) -> int:
        """Rows of the file, counted as a spreadsheet counts them."""
        return self.steps[0].rows_in if self.steps else 0

    @property
    def rows_out(self) -> int:
        """Rows of the panel."""
        return self.steps[-1].rows_out if self.steps else 0

    @property
    def rows_left(self) -> int:
        """Rows that left in any step."""
        return sum(step.rows_left for step in self.steps)
