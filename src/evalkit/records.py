"""What every record of findings is made of: frozen, with nothing in it that has no name."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A frozen record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Frozen):
    """An estimate with its range; std_error and range are absent where there is none, with the reason in a notice."""

    estimate: float
    std_error: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None

    @classmethod
    def of(cls, row: Any) -> Interval:
        """Return the interval in a row (a mapping or a series) of a table of inference, where what is missing is not a number."""
        told = {"std_error": "std_error", "low": "conf_low", "high": "conf_high", "p_value": "p_value"}
        return cls(estimate=float(row["estimate"]), **{name: number(row[column]) for name, column in told.items()})


def number(value: Any) -> float | None:
    """Return a number, or None where it is not one."""
    return None if value is None or math.isnan(value) else float(value)


class County(Frozen):
    """A county by its code and its name; where the data give no name the code stands for it."""

    code: str
    name: str

    @property
    def told(self) -> str:
        """The name and the code, or the code alone where there is no name."""
        return self.code if self.name == self.code else f"{self.name} {self.code}"


class Remark(Frozen):
    """A coded remark with the numbers its sentence quotes."""

    code: str
    facts: dict[str, Any]
