"""What intake tells a reader: problems that stop it, questions to the owner of the data; each a code, its facts and its places."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from evalkit.errors import EvalkitError
from evalkit.intake.personal_patterns import masked, safe
from evalkit.words import Catalogue, catalogue

SHOWN = 5  # places that a message lists


@dataclass(frozen=True)
class Place:
    """Where something stands in the file: the line as a spreadsheet counts it, the heading in the file's own words, the value."""

    line: int | None = None
    column: str | None = None
    value: str | None = None

    def say(self, words: Catalogue) -> str:
        """Return the place in words: line 12, column "人均纯收入", value "abc"; what looks personal is masked."""
        given = {"line": self.line, "column": self.column and safe(self.column), "value": self.value and safe(self.value)}
        return words.say("place.separator").join(words.say(f"place.{k}", **{k: v}) for k, v in given.items() if v is not None)


@dataclass(frozen=True)
class Observation:
    """Something intake saw, as a code and facts; its sentence stands in both catalogues under ``kind.code``.

    ``places`` holds the first five places, ``count`` how many there are in all. What looks personal in the facts and the places is
    masked when the observation is made, so that neither a message nor a record can show it.

    >>> Observation("X", {"row": "手机13800000000"}).facts["row"]
    '手机＊＊＊'
    """

    kind: ClassVar[str] = "observation"
    code: str
    facts: Mapping[str, object] = field(default_factory=dict)
    places: tuple[Place, ...] = ()
    count: int = 0

    def __post_init__(self) -> None:
        places = (Place(at.line, at.column and safe(at.column), at.value and safe(at.value)) for at in self.places)
        object.__setattr__(self, "facts", {name: masked(fact) for name, fact in self.facts.items()})
        object.__setattr__(self, "places", tuple(places))

    @classmethod
    def at(cls, code: str, places: Iterable[Place], **facts: object) -> Self:
        """Return an observation that keeps the first five of its places and counts all."""
        everywhere = list(places)
        return cls(code, facts, tuple(everywhere[:SHOWN]), len(everywhere))

    @property
    def evidence(self) -> str:
        """A short id that stays the same for the same observation, to quote in a conversation about it."""
        content = [self.kind, self.code, dict(self.facts), [(p.line, p.column, p.value) for p in self.places], self.count]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()
        return f"{self.kind[0].upper()}-{digest[:8]}"

    def say(self, words: Catalogue) -> str:
        """Return the observation as a sentence, followed by its places."""
        facts = {
            name: words.listing(map(str, fact)) if isinstance(fact, (list, tuple)) else fact for name, fact in self.facts.items()
        }
        sentence = words.say(f"{self.kind}.{self.code}", **{**facts, "count": f"{self.count:,}"})
        if not self.places:
            return sentence
        listed = words.say("place.between").join(place.say(words) for place in self.places)
        more = words.say("place.more", count=f"{self.count - len(self.places):,}") if self.count > len(self.places) else ""
        return words.say("place.after", sentence=sentence, places=listed + more)


@dataclass(frozen=True)
class Problem(Observation):
    """Something that keeps the file from becoming a panel: what is wrong, where, what to do."""

    kind: ClassVar[str] = "problem"


@dataclass(frozen=True)
class Question(Observation):
    """Something to ask the owner of the data, courteously; it stops nothing."""

    kind: ClassVar[str] = "question"


class IntakeError(EvalkitError):
    """A file that cannot become a panel as it stands, with every problem found.

    ``str()`` says them in English; ``say("zh")`` says the same in Chinese.
    """

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(self.say("en"))

    def say(self, lang: str) -> str:
        """Return all problems in one language, one a line."""
        words = catalogue(lang)
        return "\n".join(problem.say(words) for problem in self.problems)
