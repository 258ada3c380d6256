"""Numbers that know which result they come from, and the marks by which a text remembers it until the document is finished."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from evalkit.errors import ReportError
from evalkit.findings import About

Known = TypeVar("Known", bound=BaseModel)

# Noncharacters of Unicode: reserved for use inside a program, so that no text that arrives from outside holds them.
_NUMBER, _LINK, _TEXT, _END = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3"
_MARKED = re.compile(f"([{_NUMBER}{_LINK}])([^\ufdd0-\ufdd3]*){_TEXT}([^\ufdd0-\ufdd3]*){_END}")
_RESERVED = re.compile("[\ufdd0-\ufdd3]")
_COUNTED = re.compile(r"\d")
_DISTRIBUTION = re.compile(r"[A-Za-z]\w*\([\d, ]+\)")  # t(98), chi2(4)


class Origin(NamedTuple):
    """Where a number comes from: result ids, the value that was told, and whether it stands in the findings as it is."""

    sources: tuple[str, ...]
    value: float | int | str
    direct: bool


class Target(NamedTuple):
    """Where a reference to a figure or a table leads, as an anchor."""

    anchor: str


class Traced:
    """What a number or a text of the findings knows of itself; what is computed from it knows the same."""

    sources: tuple[str, ...]
    direct: bool

    @property
    def plain(self) -> float | int | str:
        """The value without its origin."""
        raise NotImplementedError

    def told(self, text: str) -> str:
        """Return a text that remembers that it tells this value."""
        return _mark(_NUMBER, [list(self.sources), self.plain, self.direct], without_marks(text))


class TracedFloat(Traced, float):
    """A number of the findings; a format of it remembers where it comes from."""

    @property
    def plain(self) -> float:
        """The value without its origin."""
        return float(self)

    def __format__(self, spec: str) -> str:
        return self.told(float.__format__(self, spec))

    def __str__(self) -> str:
        return self.told(float.__repr__(self))


class TracedInt(Traced, int):
    """A count or a year of the findings; a format of it remembers where it comes from."""

    @property
    def plain(self) -> int:
        """The value without its origin."""
        return int(self)

    def __format__(self, spec: str) -> str:
        return self.told(int.__format__(self, spec))

    def __str__(self) -> str:
        return self.told(int.__repr__(self))


class TracedText(Traced, str):
    """A text of the findings that holds a number, such as t(98); its methods return plain texts."""

    @property
    def plain(self) -> str:
        """The text without its origin."""
        return str.__str__(self)

    def __format__(self, spec: str) -> str:
        return self.told(str.__format__(self, spec))


class TracedList(list[Any]):
    """A list of the findings, whose length is a result too."""

    source: str


def _origin_of(made: Any, sources: tuple[str, ...], direct: bool) -> Any:
    made.sources, made.direct = sources, direct
    return made


def with_origin(value: float | int | str, sources: tuple[str, ...], direct: bool) -> Any:
    """Return a value that knows where it comes from; what is neither a number nor a text stays as it is."""
    kinds: dict[type, type] = {float: TracedFloat, int: TracedInt, str: TracedText}
    kind = next((kind for base, kind in kinds.items() if isinstance(value, base) and not isinstance(value, bool)), None)
    return value if kind is None else _origin_of(kind(value), sources, direct)


def _operation(name: str, base: type) -> Callable[..., Any]:
    """Return an arithmetic method whose answer has the sources of all that went into it."""
    plain = getattr(base, name)

    def operate(*numbers: Any) -> Any:
        answer = plain(*numbers)
        if answer is NotImplemented:
            return answer
        sources = dict.fromkeys(source for number in numbers if isinstance(number, Traced) for source in number.sources)
        return with_origin(answer, tuple(sources), False)

    return operate


for _base, _kind in ((float, TracedFloat), (int, TracedInt)):
    for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
        setattr(_kind, f"__{_name}__", _operation(f"__{_name}__", _base))
        setattr(_kind, f"__r{_name}__", _operation(f"__r{_name}__", _base))
    for _name in ("neg", "pos", "abs", "round"):
        setattr(_kind, f"__{_name}__", _operation(f"__{_name}__", _base))


def traced(findings: Known) -> Known:
    """Return the same record, every number of which knows its result id: the path of its value in its file, such as findings.json.

    Raises
    ------
    ReportError
        For a text that holds a character reserved for marks.

    Examples
    --------
    >>> from evalkit.records import Interval
    >>> _traced(Interval(estimate=436.2), "headline.money").estimate.sources
    ('headline.money.estimate',)
    """
    known: Known = _traced(findings, "")
    return known


def is_traced(findings: About) -> bool:
    """Return whether the numbers of findings know where they come from."""
    return isinstance(findings.level, Traced)


def _traced(value: Any, path: str, facts: bool = False) -> Any:
    """Return a value, and all that it holds, with its path; ``facts`` says that texts may hold numbers."""
    if isinstance(value, BaseModel):
        inner = {name: getattr(value, name) for name in type(value).model_fields}
        told = {name: _traced(part, f"{path}.{name}".lstrip("."), facts or name == "facts") for name, part in inner.items()}
        return value.model_copy(update=told)
    if isinstance(value, Mapping):
        return {_key(key, path): _traced(part, f"{path}{_step(key)}", facts) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [_traced(part, f"{path}[{place}]", facts) for place, part in enumerate(value)]
        return tuple(parts) if isinstance(value, tuple) else _with_source(TracedList(parts), path)
    if isinstance(value, str):
        if foreign := _RESERVED.search(value):
            raise ReportError(
                f"The text at {path} holds U+{ord(foreign[0]):04X}, which no text may hold. Remove the character: {value!r}."
            )
        counted = _DISTRIBUTION.fullmatch(value) or (facts and _COUNTED.match(value))
        return with_origin(value, (path,), True) if counted else value
    return with_origin(value, (path,), True)


def _with_source(made: TracedList, path: str) -> TracedList:
    made.source = path
    return made


def _key(key: Any, path: str) -> Any:
    """Return the key of a mapping; a year or a code that is a key comes from the mapping."""
    counted = isinstance(key, (int, float)) or (isinstance(key, str) and _COUNTED.match(key))
    return with_origin(key, (path,), False) if counted else key


def _step(key: Any) -> str:
    return f".{key}" if str(key).isidentifier() else f"[{json.dumps(str(key))}]"


def count(items: Collection[Any], of: Any = None) -> int:
    """Return how many items there are; where they are some ``of`` a list of the findings, the number knows that list.

    >>> count([3, 4])
    2
    """
    source = getattr(items if of is None else of, "source", None)
    number: int = len(items) if source is None else with_origin(len(items), (source,), False)
    return number


def whole(value: Any, of: Any = None) -> int:
    """Return the whole number that a text holds: a year that is the key of a mapping, or one of two that a text is made ``of``.

    >>> whole("2014")
    2014
    """
    of = value if of is None else of
    number: int = int(value.plain if isinstance(value, Traced) else value)
    if isinstance(of, Traced):
        number = with_origin(number, of.sources, False)
    return number


def linked(text: str, anchor: str) -> str:
    """Return a text that remembers that it leads to an anchor."""
    return _mark(_LINK, anchor, without_marks(text))


def _mark(kind: str, note: Any, text: str) -> str:
    return f"{kind}{json.dumps(note, separators=(',', ':'))}{_TEXT}{text}{_END}"


def without_marks(text: str) -> str:
    """Return what a reader sees of a text."""
    return _MARKED.sub(lambda found: found[3], text)


def distinct(texts: Iterable[str]) -> list[str]:
    """Return texts that a reader can tell apart, in order.

    >>> distinct(["one", "two", "one"])
    ['one', 'two']
    """
    seen: dict[str, str] = {}
    for text in texts:
        seen.setdefault(without_marks(text), text)
    return list(seen.values())


def capitalised(text: str) -> str:
    """Return a text begun with a capital letter, whether or not its first word is marked.

    >>> capitalised("effects after the start"), capitalised(linked("table 2", "table-drift")) == linked("Table 2", "table-drift")
    ('Effects after the start', True)
    """
    found = _MARKED.match(text)
    place = found.start(3) if found else 0
    return text[:place] + text[place : place + 1].upper() + text[place + 1 :]


def spans(text: str) -> tuple[str, list[tuple[int, int, Origin | Target]]]:
    """Return what a reader sees of a text, and where in it a number or a reference stands.

    >>> spans(linked("Table 2", "table-drift"))
    ('Table 2', [(0, 7, Target(anchor='table-drift'))])
    """
    plain, found, end = "", [], 0
    for mark in _MARKED.finditer(text):
        plain += text[end : mark.start()]
        note = json.loads(mark[2])
        told = Target(note) if mark[1] == _LINK else Origin(tuple(note[0]), note[1], note[2])
        found.append((len(plain), len(plain) + len(mark[3]), told))
        plain, end = plain + mark[3], mark.end()
    return plain + text[end:], found
