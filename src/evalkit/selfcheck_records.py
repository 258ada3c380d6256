"""The self-check as records: worlds with a known truth, what whole evaluations said in them, and which check sees which problem."""

from __future__ import annotations

from typing import Literal

from evalkit.firm_records import NotTold
from evalkit.grade_records import Letter
from evalkit.records import Frozen

Group = Literal["null", "strong", "trend", "other"]


class Started(Frozen):
    """Units first covered in one year, and by how much their income grows: by year since the start, the last one lasting."""

    year: int
    units: int
    growth: list[float]


class World(Frozen):
    """One row of data/codes/selfcheck_worlds.csv: county-like panels with a known truth.

    Attributes
    ----------
    world : its name
    target, share : whether the share of runs with a gain or a loss of grade A or B is to be at most or at least so large; None without
    units, first_year, last_year, cohorts, never : the panel; ``never`` units are never covered
    gap : mean log income of those covered less that of the others
    unit_sd, noise_sd, persistence : SD of fixed differences, and of shocks with this correlation from one year to the next
    trend : extra growth a year of those covered, in ``noise_sd``
    selection : correlation of being chosen with the shock of the year before the start
    growth : of everybody, log points a year
    source : why the numbers are what they are
    """

    world: str
    group: Group
    target: Literal["at_most", "at_least"] | None
    share: float | None
    units: int
    first_year: int
    last_year: int
    cohorts: list[Started]
    never: int
    gap: float
    unit_sd: float
    noise_sd: float
    persistence: float
    trend: float
    selection: float
    growth: float
    source: str


class Share(Frozen):
    """A share of runs with its Monte Carlo standard error and its 95% Wilson interval."""

    count: int
    of: int
    share: float
    mc_error: float
    low: float
    high: float


class Outcome(Frozen):
    """Runs that ended with one verdict and one grade; no letter where no grade was given."""

    verdict: str
    letter: Letter | None
    count: int


class WorldRates(Frozen):
    """What whole evaluations said in one world.

    Attributes
    ----------
    runs : how many, each a panel of its own
    truth : the average effect that was planted, in logs, over covered units and years
    outcomes : verdict x grade
    firm : gain or loss with grade A or B, which the target is about
    wrong_sign : firm verdicts of the sign that the truth has not; NotTold("no_effect") where the truth is zero
    rejected : intervals that leave out zero: the size of the test where the truth is zero, else its power
    covered : intervals that hold the truth; both NotTold("no_interval") where no run gave one
    estimate, estimate_error : mean headline in logs and its Monte Carlo error; spread : SD over runs; std_error : mean standard error
    met : "met" or "not_met" by the share of ``firm``, "no_target" without a target
    """

    world: World
    runs: int
    truth: float
    outcomes: list[Outcome]
    firm: Share
    wrong_sign: Share | NotTold
    rejected: Share | NotTold
    covered: Share | NotTold
    estimate: float | None
    estimate_error: float | None
    spread: float | None
    std_error: float | None
    met: Literal["met", "not_met", "no_target"]


class Rates(Frozen):
    """The rates of several worlds under the same rules; ``graded`` says that evaluations gave grades.

    ``rules`` and ``worlds`` are fingerprints of data/codes/grade_rules.csv and of the worlds, ``seeds`` the first and the last seed.
    """

    version: str
    seeds: tuple[int, int]
    rules: str
    worlds: str
    graded: bool
    rows: list[WorldRates]


class Fired(Frozen):
    """How often one check fired where one problem was planted; NotTold("not_applicable") where it never applied."""

    check: str
    meaning: Literal["claim", "warning"]
    rate: Share | NotTold


class PlantedThreat(Frozen):
    """One planted problem of one size, the false estimate it makes (the truth is zero), and what each check said.

    ``size_in_noise`` is the size in SDs of the noise, absent where it is a share or a count; ``in_noise`` is the false estimate in SDs
    of the noise, ``mc_error`` its Monte Carlo error in the same unit.
    """

    threat: str
    size: float
    size_in_noise: float | None
    in_noise: float
    mc_error: float
    checks: list[Fired]


class Matrix(Frozen):
    """The threat x check matrix on one shape of panel."""

    version: str
    seed: int
    worlds: int
    units: int
    treated: int
    clusters: int
    years: int
    noise_sd: float
    persistence: float
    rows: list[PlantedThreat]


class SelfCheck(Frozen):
    """The self-check of the method: rates that were recorded in full, a small run of today, and the matrix.

    ``stale`` names what has changed since the recording: "rules" or "worlds"; the recorded rates then speak of other rules.
    """

    run_id: str
    version: str
    simulated: Literal[True] = True
    recorded: Rates
    live: Rates | None
    matrix: Matrix
    stale: list[Literal["rules", "worlds"]]
