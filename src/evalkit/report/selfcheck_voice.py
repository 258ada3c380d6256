"""The self-check read aloud in one language: worlds, shares, targets and problems in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from evalkit import numerals
from evalkit.firm_records import NotTold
from evalkit.report.voice import Speaker
from evalkit.selfcheck_records import Fired, PlantedThreat, Rates, SelfCheck, Share, World, WorldRates

NOT_CLEAR = ("unclear", "too_few", "one_unit", "cannot_show", "weak", "refused")
"""Verdicts that a page counts together: nothing is claimed."""


@dataclass(frozen=True)
class SelfCheckVoice(Speaker):
    """A record of the self-check and a language."""

    record: SelfCheck
    lang: str

    @cached_property
    def common(self) -> dict[str, str]:
        """Facts that any sentence may quote: there are none."""
        return {}

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated, which they always are."""
        return True

    def world(self, world: World) -> str:
        """Return a world in words, with its effect or its growth where it has some."""
        facts = {
            "effect": self.phrase("selfcheck.effect", percent=numerals.short(100 * world.cohorts[0].growth[0])),
            "slope": self.slope(world),
            "treated": f"{sum(cohort.units for cohort in world.cohorts):,}",
        }
        return self.say(f"selfcheck.world.{world.world}", **facts)

    def slope(self, world: World) -> str:
        """Return by how much those covered grow faster by themselves, in per cent of income a year."""
        return numerals.short(100 * world.trend * world.noise_sd)

    def share(self, share: Share | NotTold) -> tuple[str, str]:
        """Return a share as per cent, and its Monte Carlo error; a word where it does not apply."""
        if isinstance(share, NotTold):
            return self.phrase("selfcheck.no_rate"), ""
        return numerals.percent(100 * share.share), self.phrase("selfcheck.rate_detail", error=self.error(share))

    def ends(self, share: Share) -> dict[str, str]:
        """Return the ends of the interval of a share."""
        return {"low": numerals.percent(100 * share.low), "high": numerals.percent(100 * share.high)}

    def error(self, share: Share) -> str:
        """Return the Monte Carlo error of a share."""
        return numerals.percent(100 * share.mc_error)

    def target(self, world: World) -> str:
        """Return the target of a world in words, or that it has none."""
        if world.target is None or world.share is None:
            return self.phrase("selfcheck.met.no_target")
        return self.phrase(f"selfcheck.bottom.{world.target}", share=numerals.whole_percent(world.share))

    def threat(self, row: PlantedThreat) -> str:
        """Return a planted problem in words, with its size where there is one."""
        name = self.phrase(f"threat.{row.threat}.name")
        return name if row.threat == "nothing" else f"{name} {self.size(row)}"

    def size(self, row: PlantedThreat) -> str:
        """Return the size of a planted problem: in SDs of the noise, or a share or a count."""
        if row.threat == "nothing":
            return self.phrase("language.missing")
        return f"{row.size if row.size_in_noise is None else row.size_in_noise:g}"

    def check(self, fired: Fired) -> str:
        """Return the name of a check."""
        return self.phrase(f"check.{fired.check}.name")

    def outcomes(self, row: WorldRates) -> str:
        """Return every verdict and grade of a world with its count, the most frequent first."""
        told = []
        for one in sorted(row.outcomes, key=lambda one: -int(one.count)):
            verdict, count = self.phrase(f"selfcheck.said.{one.verdict}"), f"{one.count:,}"
            if one.letter is None:
                told.append(self.phrase("selfcheck.said.ungraded", verdict=verdict, count=count))
            else:
                told.append(self.phrase("selfcheck.said.graded", verdict=verdict, letter=one.letter, count=count))
        return self.phrase("language.pause").join(told)


def aimed(rates: Rates) -> list[WorldRates]:
    """Return the rows that have a target."""
    return [row for row in rates.rows if row.met != "no_target"]


def row_of(rates: Rates, group: str) -> WorldRates | None:
    """Return the row of a group with a target; of several the one with the most firm verdicts."""
    rows = [row for row in aimed(rates) if row.world.group == group]
    return max(rows, key=lambda row: float(row.firm.share), default=None)
