"""What each heading of a file means: said by the mapping, found in the dictionary, or asked about."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from evalkit.errors import nearest
from evalkit.intake.dictionary import Ambiguous, ColumnDictionary, Match, ambiguous_heading
from evalkit.intake.headers import normalise, split_unit
from evalkit.intake.mapping import ColumnRule
from evalkit.intake.mapping import Mapping as FileMapping
from evalkit.intake.observations import Place, Problem
from evalkit.intake.units import comparable, find_unit

How = Literal["mapped", "dictionary", "ignored", "unrecognised"]
INCOME = "income_pc"
INCOME_DEF = "income_def"


@dataclass(frozen=True)
class Said:
    """What a mapping says of headings, under the plain form in which headings are compared: width, spaces and unit do not matter.

    >>> said = Said.of(FileMapping.parse({"columns": {"名目": "county_name"}, "ignore": ["备注"]}))
    >>> said.rule("名　目").name, said.rule("备注"), said.names("备 注")
    ('county_name', None, True)
    """

    rules: Mapping[str, ColumnRule]
    ignored: frozenset[str]

    @classmethod
    def of(cls, mapping: FileMapping) -> Said:
        """Return what a mapping says."""
        rules = {heading_key(heading): rule for heading, rule in mapping.columns.items()}
        return cls(rules, frozenset(heading_key(heading) for heading in mapping.ignore))

    def rule(self, heading: str) -> ColumnRule | None:
        """Return what the mapping says a heading means, None when it does not say."""
        return next((self.rules[key] for key in _keys(heading) if key in self.rules), None)

    def ignores(self, heading: str) -> bool:
        """Return whether the mapping leaves a heading out."""
        return self.rule(heading) is None and not self.ignored.isdisjoint(_keys(heading))

    def names(self, heading: str) -> bool:
        """Return whether the mapping says anything of a heading."""
        return self.rule(heading) is not None or self.ignores(heading)

    def column(self, heading: str, label: str | None, dictionary: ColumnDictionary) -> str | None:
        """Return the column that a heading means, whether it is used or not; None when nobody knows."""
        if (rule := self.rule(heading)) is not None:
            return rule.name
        found = _looked_up(heading, label, dictionary)
        return found.canonical if isinstance(found, Match) else None


@dataclass(frozen=True)
class Use:
    """What becomes of the heading at one position.

    ``column`` is the name in the panel, None for a heading that is not used. ``unit_in`` is the unit of the file's values, ``unit``
    the one they are kept in; both None where there is none.
    """

    position: int
    heading: str
    column: str | None
    how: How
    kind: str | None = None
    unit_in: str | None = None
    unit: str | None = None
    income_def: str | None = None
    unit_assumed: bool = False


def recognise(
    headings: Sequence[str],
    units: Sequence[str | None],
    labels: Mapping[str, str],
    dictionary: ColumnDictionary,
    mapping: FileMapping,
    strict: bool = True,
) -> tuple[tuple[Use, ...], list[Problem]]:
    """Return what each heading means, and the problems: headings unknown, ambiguous or absent, and columns meant twice.

    A heading is looked up in the mapping first, then in the dictionary, then the dictionary is asked for its label (dta, sav).
    With ``strict`` an unknown heading is a problem; without, it is unrecognised and left out.
    """
    said = Said.of(mapping)
    problems = _absent([*mapping.columns, *mapping.ignore], headings)
    uses, unknown = [], []
    for position, heading in enumerate(headings):
        rule = said.rule(heading)
        table_unit = units[position] if position < len(units) else None
        if said.ignores(heading):
            uses.append(Use(position, heading, None, "ignored"))
        elif rule is not None:
            uses.append(_mapped(position, heading, rule, table_unit, dictionary))
        else:
            found = _looked_up(heading, labels.get(heading), dictionary)
            if isinstance(found, Match):
                uses.append(_found(position, heading, found, table_unit, dictionary))
                continue
            uses.append(Use(position, heading, None, "unrecognised"))
            if isinstance(found, Ambiguous) and strict:
                problems.append(ambiguous_heading(found))
            elif found is None:
                unknown.append(heading)
    if unknown and strict:
        problems.append(dictionary.unknown_headings(unknown))
    uses = _villages(uses)
    return tuple(uses), [*problems, *_meant_twice(uses)]


def _villages(uses: list[Use]) -> list[Use]:
    """Return the uses with 村名 as a name where another heading gives the village's number; alone it is what names the village."""
    same = [use for use in uses if use.column == "village_id" and use.how == "dictionary"]
    numbers = [use for use in same if "码" in use.heading or "code" in use.heading.lower() or "id" in use.heading.lower()]
    if len(same) < 2 or len(numbers) != 1:
        return uses
    return [replace(use, column="village_name", kind="text") if use in same and use not in numbers else use for use in uses]


def _looked_up(heading: str, label: str | None, dictionary: ColumnDictionary) -> Match | Ambiguous | None:
    found = dictionary.find(heading)
    return dictionary.find(label) if found is None and label else found


def _mapped(position: int, heading: str, rule: ColumnRule, table_unit: str | None, dictionary: ColumnDictionary) -> Use:
    """Return the use that the mapping declares; a column of the dictionary keeps its kind and unit."""
    known = dictionary.columns.get(rule.name)
    looked_up = dictionary.find(heading)
    definition = rule.income_def or (looked_up.income_def if isinstance(looked_up, Match) and rule.name == INCOME else None)
    if known is None:
        said = rule.unit or split_unit(heading)[1] or table_unit
        return Use(position, heading, rule.name, "mapped", rule.kind, said, said)
    unit_in = _unit_in(known.unit, rule.unit, split_unit(heading)[1], table_unit)
    return _in_unit(Use(position, heading, rule.name, "mapped", known.kind, unit_in, known.unit, definition))


def _in_unit(use: Use) -> Use:
    """Return a use whose values are taken to be in the unit they are kept in, where nothing says another."""
    return use if use.unit_in is not None or use.unit is None else replace(use, unit_in=use.unit, unit_assumed=True)


def _found(position: int, heading: str, match: Match, table_unit: str | None, dictionary: ColumnDictionary) -> Use:
    known = dictionary.column(match.canonical)
    unit_in = _unit_in(known.unit, match.unit, None, table_unit)
    return _in_unit(Use(position, heading, match.canonical, "dictionary", known.kind, unit_in, known.unit, match.income_def))


def _unit_in(kept: str | None, *said: str | None) -> str | None:
    """Return the first unit said that measures the same thing as the unit values are kept in; None if nothing is said.

    Of the units of the whole table (单位：万元、人) the one that fits counts; one in the heading or the mapping always does, and a
    wrong one there is refused when the values are converted.
    """
    if kept is None:
        return None
    *own, of_table = said
    for unit in own:
        if unit:
            return unit
    target = find_unit(kept)
    for unit in re.split(r"[、,，;；及和\s]+", of_table) if of_table else ():
        source = find_unit(unit) if unit else None
        if source is not None and target is not None and comparable(source, target):
            return unit
    return None


def _keys(heading: str) -> list[str]:
    return [heading_key(heading), heading_key(split_unit(heading)[0])]


def heading_key(heading: str) -> str:
    """Return the form in which headings are compared.

    >>> heading_key("名　目"), heading_key("GDP*")
    ('名目', 'gdp')
    """
    return normalise(heading).casefold()


def _absent(named: Collection[str], headings: Sequence[str]) -> list[Problem]:
    """Return the problem of headings that the mapping names and the file lacks."""
    present = {key for heading in headings for key in _keys(heading)}
    if not (absent := [name for name in named if heading_key(name) not in present]):
        return []
    near = list(dict.fromkeys(close for name in absent for close in nearest(name, list(headings))))
    return [Problem("MAPPED_HEADING_ABSENT", {"headings": ", ".join(absent), "nearest": ", ".join(near) or "—"}, count=len(absent))]


def _meant_twice(uses: Sequence[Use]) -> list[Problem]:
    """Return a problem for each column that several headings mean; income under two definitions is two columns."""
    by_column: dict[tuple[str, str | None], list[Use]] = {}
    for use in uses:
        if use.column is not None:
            by_column.setdefault((use.column, use.income_def), []).append(use)
    return [
        Problem.at(
            "TWO_HEADINGS_ONE_COLUMN",
            [Place(column=use.heading) for use in twice],
            column=column,
            headings=", ".join(use.heading for use in twice),
        )
        for (column, _), twice in by_column.items()
        if len(twice) > 1
    ]
