"""The brief as records: stored results, counts of the ledger of problems, proposals, and the locality's response; no person in any."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from evalkit.before_after_records import BeforeAfter
from evalkit.findings import Described, Findings
from evalkit.firm_records import NotTold
from evalkit.records import Frozen, Interval
from evalkit.study import Words

Stage = Literal["draft", "final"]
FieldName = Literal["health", "education", "industry", "housing", "funds", "other"]
State = Literal["rectified", "in_progress", "open"]


class Share(Frozen):
    """A count out of a whole, with the share and its 95% Wilson interval."""

    count: int
    of: int
    share: float
    low: float
    high: float


class FieldRow(Frozen):
    """The problems of one field, by the state that is reported; the last row, ``all``, is their sum."""

    field: FieldName | Literal["all"]
    problems: int
    rectified: int
    in_progress: int
    open: int


class Prevalence(Frozen):
    """In how many of the sites visited a kind of problem was found; ``widespread`` by the rule of :mod:`evalkit.supervision.ledger`."""

    field: FieldName
    kind: str
    problems: int
    seen: Share
    widespread: bool


class Gates(Frozen):
    """How many problems have an identifier of evidence, a verification, a kind that is widespread, and all three.

    The last two are absent where the number of sites visited is not known.
    """

    traceable: int
    verified: int
    widespread: int | None
    all_three: int | None


class Fieldwork(Frozen):
    """The ledger of problems, counted.

    ``problems`` were found on the first round and ``new`` on the second; ``of_sites`` were visited, absent where nobody said.
    ``reported`` is what those responsible report as rectified, ``confirmed`` what was seen to be so among those looked at again.
    ``columns_ignored`` counts columns of the file that the ledger does not know.
    """

    sha256: str
    problems: int
    new: int
    sites: int
    of_sites: int | None
    fields: list[FieldRow]
    prevalence: list[Prevalence] | NotTold
    gates: Gates
    reported: Share | NotTold
    confirmed: Share | NotTold
    columns_ignored: int


class GroupEffect(Frozen):
    """The effect on one group named before the outcome was read, in money, or the reason why there is none."""

    word: Words
    effect: Interval | NotTold


class Checked(Frozen):
    """How many checks of the robustness dossier came out how, and the rules of those in doubt or failed."""

    passed: int
    doubt: int
    fail: int
    not_applicable: int
    named: list[str]


class Placed(Frozen):
    """Where one unit stands among those it is compared with: the share of them with a smaller rise."""

    name: str
    below: float


class Reported(Frozen):
    """One run as a brief reads it: its folder, its findings, and what lies beside them; what is not there was not computed."""

    folder: str
    findings: Findings | Described
    rise: BeforeAfter | NotTold
    groups: list[GroupEffect] | NotTold
    checks: Checked | NotTold
    case: Placed | NotTold


class Proposal(Frozen):
    """One recommendation, or one question for the next visit: its code in data/codes/recommendations.csv, and what it rests on.

    ``run`` is the place of the run in the brief, ``evidence`` the path of the result in the record of the brief.
    """

    code: str
    run: int
    evidence: str
    facts: dict[str, Any] = Field(default_factory=dict)


class Response(Frozen):
    """What the locality answered, word for word; ``to_runs`` are the runs whose draft it had before it, where the file says so."""

    status: Literal["awaited", "received", "none_received"]
    paragraphs: list[str] = Field(default_factory=list)
    to_runs: list[str] = Field(default_factory=list)
    of_these_runs: bool = True


class Brief(Frozen):
    """The brief of a supervision team: what stored results say, what the field work counts, and what is asked and recommended."""

    stage: Stage
    runs: list[Reported]
    fieldwork: Fieldwork | NotTold
    recommendations: list[Proposal]
    questions: list[Proposal]
    response: Response

    @property
    def simulated(self) -> bool:
        """Whether the data behind it are simulated: of all runs, or of none."""
        return self.runs[0].findings.simulated

    @property
    def number(self) -> str:
        """The number of the brief: the runs it rests on."""
        return " + ".join(run.findings.run_id for run in self.runs)
