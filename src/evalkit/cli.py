"""The command line: demo, run, check."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

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
Lang = Annotated[Language, typer.Option("--lang", help="报告语言 | Language of the report.")]


@app.command()
def demo(lang: Lang = Language.both, out: Out = Path("outputs")) -> None:
    """用模拟数据生成三份示例报告 | Write the three demo reports from simulated data."""
    from evalkit.places import shared

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
) -> None:
    """检查研究文件或数据，不写任何文件 | Check a study or a data file; nothing is written."""
    from evalkit.check import describe_data, describe_study
    from evalkit.errors import EvalkitError

    try:
        lines = describe_study(path, data) if path.suffix in (".yml", ".yaml") else describe_data(path)
    except EvalkitError as problem:
        _fail(problem)
    for line in lines:
        typer.echo(line)


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
                console.print(f"✗ {study.stem}: {type(problem).__name__}: {problem}", style="red", highlight=False, markup=False)
            progress.advance(task)
    if finished:
        console.print("\n报告 | Reports")
        for done in finished:
            for report in done.reports.values():
                console.print(f"  {report}", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(code=1)


def _fail(problem: Exception) -> None:
    typer.echo(f"{type(problem).__name__}: {problem}", err=True)
    raise typer.Exit(code=1)


def main() -> None:
    """Start the command line."""
    app()
