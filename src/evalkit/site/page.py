"""The page of the site: one file that lists every report, works without a server and without a script, and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from evalkit import numerals
from evalkit.errors import ReportError
from evalkit.site.bilingual import both, each, said, sentence, tags, word
from evalkit.site.entries import JUDGEMENTS, Outputs, Unreadable, outputs
from evalkit.site.rows import Common, common_of, failure_row, judgement, links, notebooks, printable, report_row
from evalkit.site.strips import WIDTH, Axis, beyond
from evalkit.study import Words
from evalkit.words import LANGUAGES, catalogue

if TYPE_CHECKING:
    from jinja2 import Template


ROOM = 44  # pixels that the label at an end of the axis takes
CARD = {
    "effect": "site.effect",
    "base": "label.of_base",
    "notebook": "site.notebook",
    "reason": "site.reason",
    "cure": "site.cure",
}
"""The labels of cells where a row is a card, by the name that the style sheet gives them."""


def write_site(out: Path) -> Path:
    """Write index.html, the list of all reports in a folder of outputs, with the glossary beside it, and return its path.

    The same outputs give the same bytes. Folders that cannot be read are listed with the reason.

    Parameters
    ----------
    out : folder that `evalkit run` writes to; made where it does not exist yet.

    Raises
    ------
    ReportError
        Where out is a file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from evalkit.site import write_site
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_site(Path(folder)).name
    'index.html'
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise ReportError(
            f"{out.name} is a file, and the site is written into a folder. Name the folder of the outputs with --out."
        )
    out.mkdir(parents=True, exist_ok=True)
    index = out / "index.html"
    for lang in LANGUAGES:
        _write_glossary(out / f"glossary.{lang}.html", lang)
    _replace(index, render(outputs(out)))
    return index


def _write_glossary(path: Path, lang: str) -> None:
    """Write the glossary where it is not there as it would be: its fonts take seconds, so it says at its end what it was made from."""
    from evalkit import fonts, glossary

    said = {code: {key: text for key, text in catalogue(code).sentences.items() if "glossary" in key} for code in LANGUAGES}
    faces = {name: file.stat().st_size for name, file in fonts.files().items()}
    made = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in (fonts, glossary)]
    given = json.dumps([lang, said, tags(), faces, made], sort_keys=True)
    kept = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    page, _, last = kept.rpartition("<!-- ")
    if last != _seal(page, given):
        page = glossary.html(lang)
        _replace(path, f"{page}<!-- {_seal(page, given)}")


def _seal(page: str, given: str) -> str:
    return f"{hashlib.sha256((page + given).encode('utf-8', errors='replace')).hexdigest()} -->\n"


def _replace(path: Path, text: str) -> None:
    """Write a page beside its place and move it there, so that nobody reads half a page."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(text.encode("utf-8"))
    unfinished.replace(path)


def render(found: Outputs) -> str:
    """Return the page of what lies in a folder of outputs, with links to the glossary beside it."""
    common = common_of([shown for _, shown in found.reports])
    script = _lean("site.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    default = "en" if found.reports and not any(entry.files.pages["zh"] for entry, _ in found.reports) else "zh"
    return _template().render(
        script=Markup(script),
        digest=digest,
        style=Markup(_lean("site.css") + _labels(common) + f":root{{--zero:{common.axis.at(0)}px}}"),
        tags=tags(),
        default=default,
        say=lambda key, **facts: both(said(f"site.{key}", **facts)),
        plain=lambda lang, key, **facts: sentence(lang, f"site.{key}", **facts),
        heads=_heads(common),
        names={lang: sentence(lang, "site.own_name") for lang in LANGUAGES},
        found=found,
        reports=[report_row(entry, shown, common) for entry, shown in found.reports],
        failures=[failure_row(entry, failure) for entry, failure in found.failures],
        unreadable=[(printable(entry.folder), _why(why), links(entry) + notebooks(entry)) for entry, why in found.unreadable],
        data_pages=[(printable(entry.folder), links(entry) + notebooks(entry)) for entry in found.data_pages],
        batch_unreadable=_why(found.batch) if isinstance(found.batch, Unreadable) else "",
        others=each(lambda lang: catalogue(lang).listing(map(printable, found.others), shown=5)),
        counts=_counts(found),
        simulated=sum(shown.simulated for _, shown in found.reports),
        banner=sentence("zh", "status.simulated"),
        banner_text=both(said("status.simulated_long")),
        common=common,
        width=WIDTH,
        marks=_ticks(common.axis),
        reading=_reading(found, common),
    )


def _heads(common: Common) -> dict[str, Markup]:
    """Return the heads of columns that reports have words for."""
    heads = {name: said(f"label.{name}") for name in ("programme", "window", "of_base")}
    heads["range"] = common.kind or said("site.range")
    return {name: both(words) for name, words in heads.items()}


def _why(problem: Unreadable) -> Markup:
    """Return why a file could not be listed."""
    places = each(lambda lang: catalogue(lang).listing(problem.places, shown=5) or problem.file)
    return both(said(f"site.{problem.reason}", file=problem.file, places=places))


def _counts(found: Outputs) -> list[tuple[str, int, Markup]]:
    """Return how many reports there are of each judgement, in the order of the judgements."""
    numbers: Counter[str] = Counter(shown.verdict for _, shown in found.reports)
    words = {shown.verdict: both(judgement(shown)) for _, shown in reversed(found.reports)}
    return [(verdict, numbers[verdict], words[verdict]) for verdict in JUDGEMENTS if verdict in words]


def _ticks(shared: Axis) -> list[tuple[int, str, str]]:
    """Return the ends of the axis as place, anchor and label, and zero where its label has room between theirs."""
    first, last = shared.ticks[0], shared.ticks[-1]
    anchors = (
        {first: "start", 0.0: "middle", last: "end"}
        | ({first: "start"} if first == 0 else {})
        | ({last: "end"} if last == 0 else {})
    )
    if min(shared.at(0.0) - shared.at(first), shared.at(last) - shared.at(0.0)) < ROOM and 0.0 not in (first, last):
        del anchors[0.0]
    return [(shared.at(tick), anchor, _tick(tick)) for tick, anchor in anchors.items()]


HOLLOW = ("pretrend_failed", "one_unit", "cannot_show", "weak", "refused")
"""Verdicts whose figure is a description, drawn hollow."""


def _reading(found: Outputs, common: Common) -> Markup:
    """Say how the table is read: unit, axis and order, and what is drawn differently where something is."""
    shown = [shown for _, shown in found.reports]
    drawn = [s.amount for s in shown if s.money == common.unit and s.amount is not None]
    parts = {
        "axis": bool(drawn),
        "hollow": any(s.verdict in HOLLOW for s in shown),
        "arrow": any(money.ends and beyond(common.axis, money.estimate, money.ends) for money in drawn),
        "unit": len(drawn) < len(shown),
        "order": True,
    }
    low, high = (_tick(end) for end in (common.axis.ticks[0], common.axis.ticks[-1]))
    facts = {"unit": common.unit or "", "low": low, "high": high}
    told = [said(f"site.reading_{part}", **facts) for part, true in parts.items() if true]
    return both(Words(zh="".join(words.zh for words in told), en=" ".join(words.en for words in told)))


def _tick(value: float) -> str:
    return numerals.money(value) if value else "0"


def _labels(common: Common) -> str:
    """Return the rules that give each mark its shape, and each cell of a card its label where the table has no head."""
    rules = [f'.{verdict}::before{{content:"{mark}";content:"{mark}"/""}}' for verdict, mark in JUDGEMENTS.items()]
    for lang, tag in tags().items():
        labels = {name: sentence(lang, key) for name, key in CARD.items()}
        labels["range"] = str(word(lang, common.kind or said("site.range")))
        words = ";".join(f'--{name}:"{_quoted(text)}"' for name, text in labels.items())
        rules.append(f"html[lang={tag}]{{{words}}}")
        rules.append(f'p[lang={lang}]::before{{content:"{_quoted(sentence(lang, "site.own_name"))}"}}')
    return "".join(rules)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("<", "\\3C ")


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(files("evalkit.site").joinpath("site.html.j2").read_text(encoding="utf-8"))


@cache
def _lean(name: str) -> str:
    """Return a style sheet or a script without comments and needless spaces: the page is opened on telephones.

    What stands between quotes or is a regular expression stays as it is; both files end every statement with a semicolon.
    """
    text = files("evalkit.site").joinpath(name).read_text(encoding="utf-8")
    kept = re.split(r'("[^"\n]*"|`[^`]*`|(?<=\()/[^/*\n][^/\n]*/g)|/\*.*?\*/|^\s*//[^\n]*\n', text, flags=re.DOTALL | re.MULTILINE)
    tight = _tight_style if name.endswith(".css") else _tight_script
    return "".join(part if number % 2 else tight(part) for number, part in enumerate(kept) if part)


def _tight_style(code: str) -> str:
    return re.sub(r"\s*([{};,>]|:(?= ))\s*", r"\1", re.sub(r"\s+", " ", code)).replace(";}", "}")


def _tight_script(code: str) -> str:
    return re.sub(r"\s*([=(){}\[\],;:?<>&|+*!-])\s*", r"\1", re.sub(r"\s+", " ", code))
