"""Three-line tables as LaTeX, to put in a paper."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evalkit.errors import ReportError, first_five
from evalkit.report.blocks import Cell, Column, Table
from evalkit.words import Catalogue, catalogue

CHINESE = re.compile(r"[\u3400-\u9fff]")
LONG = 35  # rows that still fit on one page of a paper
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": r"\textbar{}", "`": r"\textasciigrave{}",
    "[": "{[}", "]": "{]}", '"': r"\textquotedbl{}", "\u2212": "$-$", "±": r"$\pm$", "×": r"$\times$", "≤": r"$\le$", "≥": r"$\ge$",
    "≈": r"$\approx$", "→": r"$\rightarrow$", "χ": r"$\chi$", "²": "$^{2}$", "…": r"\ldots{}", "◆": r"$\blacklozenge$",
    "\u00a0": "~", "\n": " ", "\t": " ", "\r": " ",
}  # fmt: skip


def escaped(text: str) -> str:
    r"""Return a text that LaTeX prints as it stands.

    >>> print(escaped("50% of R&D_x [a] −0.5"))
    50\% of R\&D\_x {[}a{]} $-$0.5
    """
    made = "".join(SPECIAL.get(letter, letter) for letter in text)
    return re.sub("-(?=-)", "-{}", made)


def latex(table: Table) -> str:
    r"""Return a three-line table for a paper: booktabs, notes below, a caption, and the label ``tab:`` with its name.

    Parameters
    ----------
    table
        A table of a report; the texts of its cells are what is printed, a smaller second line in brackets below.

    Returns
    -------
    str
        A ``table`` with ``threeparttable``, or a ``longtable`` with the notes of ``threeparttablex`` above 35 rows.

    Raises
    ------
    ReportError
        For rows with more or fewer cells than columns.

    Notes
    -----
    Put ``\usepackage{booktabs,threeparttable,amssymb}`` in the preamble and ``\input{path.zh.tex}`` where the table goes; what a file
    needs stands in its first lines. Chinese needs xelatex and the class ctexart, or the package ctex. The paper numbers its tables
    itself, so the number of the report is left out of the caption.

    Example
    -------
    >>> from evalkit.report.blocks import Cell, Column, Row, Table
    >>> column = Column("Estimate", "right", ("Estimate",))
    >>> print(latex(Table("path", "Table 1", "By year", (column,), (Row((Cell("−0.5"),)),), ())).splitlines()[9])
    $-$0.5 \\
    """
    misfit = [str(number) for number, row in enumerate(table.rows, 1) if len(row.cells) != len(table.columns)]
    if misfit:
        raise ReportError(f"In the table {table.name!r} these rows do not have {len(table.columns)} cells: {first_five(misfit)}.")
    words = catalogue("zh" if CHINESE.search(table.caption) else "en")
    spec = "".join("l" if column.align == "left" else "r" for column in table.columns)
    head = " & ".join(_heading(column) for column in table.columns) + r" \\"
    label = r"\label{tab:" + re.sub("[^A-Za-z0-9:_-]", "-", table.name) + "}"
    body = list(_lines(table))
    notes = [rf"\item {escaped(note)}" for note in table.notes]
    make = _long if len(table.rows) > LONG else _short_table
    lines = make(rf"\caption{{{escaped(table.caption)}}}{label}", spec, head, body, notes, words)
    needs = [f"% {line}" for line in _needs(table, words)]
    return "\n".join([*needs, *lines]) + "\n"


def _needs(table: Table, words: Catalogue) -> Iterator[str]:
    """Say what a file needs to be printed."""
    packages = "booktabs,longtable,threeparttablex,amssymb" if len(table.rows) > LONG else "booktabs,threeparttable,amssymb"
    yield words.say("table_file.latex_needs", packages=packages)
    parts = [table.caption, *table.notes, *(column.label for column in table.columns)]
    parts += [part for row in table.rows for cell in row.cells for part in (cell.text, cell.detail)]
    if any(CHINESE.search(part) for part in parts):
        yield words.say("table_file.latex_chinese")


def _heading(column: Column) -> str:
    text = escaped(column.label)
    return text if column.align == "left" else rf"\multicolumn{{1}}{{c}}{{{text}}}"


def _lines(table: Table) -> Iterator[str]:
    """Yield the lines of a table's body, each row with its second line where it has one."""
    for number, row in enumerate(table.rows, 1):
        first = escaped(row.cells[0].text)
        cells = [rf"\textbf{{{first}}}" if row.marked else first, *(escaped(cell.text) for cell in row.cells[1:])]
        yield " & ".join(cells) + r" \\"
        if any(cell.detail for cell in row.cells):
            yield " & ".join(_second(cell, place == 0) for place, cell in enumerate(row.cells)) + r" \\"
            if number < len(table.rows):
                yield r"\addlinespace"


def _second(cell: Cell, first: bool) -> str:
    """Return the second line of a cell: set in where it belongs to a name, in brackets where it belongs to a number."""
    if not cell.detail:
        return ""
    text = escaped(cell.detail)
    return rf"\quad {text}" if first else text if cell.detail[0] in "[(（" else f"({text})"


def _short_table(title: str, spec: str, head: str, body: list[str], notes: list[str], _: Catalogue) -> list[str]:
    below = [r"\begin{tablenotes}[flushleft]", r"\footnotesize", *notes, r"\end{tablenotes}"] if notes else []
    return [
        r"\begin{table}[htbp]", r"\centering", r"\begin{threeparttable}", title, rf"\begin{{tabular}}{{{spec}}}",
        r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}", *below, r"\end{threeparttable}", r"\end{table}",
    ]  # fmt: skip


def _long(title: str, spec: str, head: str, body: list[str], notes: list[str], words: Catalogue) -> list[str]:
    kept = [r"\begin{TableNotes}[flushleft]", r"\footnotesize", *notes, r"\end{TableNotes}"] if notes else []
    again = rf"\multicolumn{{{len(spec)}}}{{l}}{{{escaped(words.say('table_file.continued'))}}} \\"
    last = [r"\bottomrule", *([r"\insertTableNotes"] if notes else []), r"\endlastfoot"]
    return [
        r"\begin{ThreePartTable}", *kept, rf"\begin{{longtable}}{{{spec}}}", title + r" \\", r"\toprule", head, r"\midrule", r"\endfirsthead",
        again, r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot", *last, *body,
        r"\end{longtable}", r"\end{ThreePartTable}",
    ]  # fmt: skip
