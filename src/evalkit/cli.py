"""The command line: demo, run, check, init, intake."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from evalkit import __version__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: half the start-up time
    help="evalkit 政策增收效应评估 | By how much did a programme raise income, compared with whom, and how sure are we.",
)


class Language(StrEnum):
    """Languages of a report."""

    zh = "zh"
    en = "en"
    both = "both"


def _version(value: bool) -> None:
    if value:
        typer.echo(f"evalkit {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="版本 | Show the version.")] = False,
) -> None:
    """Take the options that stand before a command."""


Out = Annotated[Path, typer.Option("--out", help="输出文件夹 | Folder for the results.")]
Sheet = Annotated[str | None, typer.Option("--sheet", help="工作表 | Sheet of a workbook.")]
Lang = Annotated[Language, typer.Option("--lang", help="报告语言 | Language of the report.")]


@app.command()
def demo(lang: Lang = Language.both, out: Out = Path("outputs")) -> None:
    """用模拟数据生成三份示例报告和一份数据质量页 | Write three demo reports and a data-quality page from simulated data."""
    from evalkit.places import shared
    from evalkit.run import run_intake

    received = shared("data", "demo", "as_received")
    for page in run_intake(received / "intake.yml", received / "county_yearbook.csv", lang.value, out).reports.values():
        typer.echo(page)
    _run_all([shared("notebooks", "studies", f"{name}.yml") for name in ("industry", "relocation", "health")], None, lang, out)


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="研究文件 | The study, a YAML file.")],
    data: Annotated[Path | None, typer.Option("--data", help="数据文件 | The data file, if the study does not name it.")] = None,
    lang: Lang = Language.both,
    out: Out = Path("outputs"),
) -> None:
    """运行一项评估并生成报告 | Run one study and write its reports."""
    _run_all([study], data, lang, out)


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="研究文件或数据文件 | A study (YAML) or a data file.")],
    data: Annotated[Path | None, typer.Option("--data", help="数据文件 | The data file of the study.")] = None,
    mapping: Annotated[Path | None, typer.Option("--mapping", help="对照文件 | How the data file is read (intake.yml).")] = None,
    sheet: Sheet = None,
    lang: Lang = Language.both,
) -> None:
    """检查研究文件或数据，不写任何文件 | Check a study or a data file; nothing is written."""
    from evalkit.check import describe_data, describe_study
    from evalkit.errors import EvalkitError

    try:
        if path.suffix in (".yml", ".yaml"):
            lines = describe_study(path, data, _languages(lang))
        else:
            lines = describe_data(path, mapping, _languages(lang), sheet)
    except EvalkitError as problem:
        _fail(problem, lang)
    for line in lines:
        typer.echo(line)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="新文件夹 | The folder to write to.")],
    data: Annotated[Path, typer.Option("--data", help="数据文件 | The new data file.")],
    sheet: Sheet = None,
    lang: Lang = Language.both,
) -> None:
    """为新数据写好对照文件和研究文件 | Write a commented mapping and study for a new data file."""
    from evalkit.errors import EvalkitError
    from evalkit.start import begin

    try:
        written = begin(folder, data, sheet)
    except (EvalkitError, OSError) as problem:
        _fail(problem, lang)
    for path in written:
        typer.echo(path)


@app.command()
def intake(
    mapping: Annotated[Path, typer.Argument(help="对照文件 | The mapping (intake.yml).")],
    data: Annotated[Path | None, typer.Option("--data", help="数据文件 | The data file; none for a database.")] = None,
    lang: Lang = Language.both,
    out: Out = Path("outputs"),
) -> None:
    """接收数据：写出面板和数据质量页 | Receive a data file: write its panel and its data-quality page."""
    from evalkit.errors import EvalkitError
    from evalkit.run import run_intake

    try:
        done = run_intake(mapping, data, lang.value, out)
    except (EvalkitError, OSError) as problem:
        _fail(problem, lang)
    for page in done.reports.values():
        typer.echo(page)


def _run_all(studies: list[Path], data: Path | None, lang: Language, out: Path) -> None:
    """Run studies one after the other; one that fails stops nobody, but the exit status tells."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from evalkit.errors import EvalkitError
    from evalkit.run import run_study

    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    finished, failed = [], []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("评估 | studies", total=len(studies))
        for study in studies:
            progress.update(task, description=f"{study.stem}")
            try:
                finished.append(run_study(study, data, lang.value, out))
                console.print(f"✓ {study.stem}  {finished[-1].seconds:.0f} s", highlight=False)
            except (EvalkitError, OSError) as problem:
                failed.append(study.stem)
                said = "\n".join(_said(problem, lang))
                console.print(f"✗ {study.stem}: {said}", style="red", highlight=False, markup=False)
            progress.advance(task)
    if finished:
        console.print("\n报告 | Reports")
        for done in finished:
            for report in done.reports.values():
                console.print(f"  {report}", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(code=1)


def _languages(lang: Language) -> list[str]:
    return ["zh", "en"] if lang is Language.both else [lang.value]


def _said(problem: Exception, lang: Language) -> list[str]:
    """Return what is wrong, in the reader's language where there are words for it."""
    from evalkit.intake.observations import IntakeError

    if not isinstance(problem, IntakeError):
        return [f"{type(problem).__name__}: {problem}"]
    from evalkit.check import problems

    return [line for code in _languages(lang) for line in problems(problem, code)]


def _fail(problem: Exception, lang: Language = Language.both) -> NoReturn:
    """Say what is wrong and leave with status 1."""
    typer.echo("\n".join(_said(problem, lang)), err=True)
    raise typer.Exit(code=1)


def main() -> None:
    """Start the command line."""
    app()
