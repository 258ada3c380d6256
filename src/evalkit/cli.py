"""The command line: demo, run, site, check, init, intake, plan."""

from __future__ import annotations

import re
import shlex
import unicodedata
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from evalkit import __version__

if TYPE_CHECKING:
    from evalkit.batch.jobs import Asked

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


JOBS = 2
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="同时运行几份，不写为2 | Reports made at a time, 2 without it.")]


@app.command()
def demo(lang: Lang = Language.both, out: Out = Path("outputs"), jobs: Jobs = None) -> None:
    """用模拟数据生成三份示例报告和一份数据质量页 | Write three demo reports and a data-quality page from simulated data."""
    from evalkit.batch.jobs import Asked
    from evalkit.places import shared

    received = shared("data", "demo", "as_received")
    studies = tuple(shared("notebooks", "studies", f"{name}.yml") for name in ("industry", "relocation", "health"))
    page = (received / "intake.yml", received / "county_yearbook.csv")
    _batch(Asked(studies, languages=tuple(_languages(lang)), received=(page,)), out, lang, jobs or JOBS)


@app.command()
def run(
    studies: Annotated[list[Path] | None, typer.Argument(help="研究文件，可以多个 | Studies, YAML files.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="数据文件 | The data file, if the study does not name it.")] = None,
    county: Annotated[
        str | None,
        typer.Option("--county", help="县：all，或代码、县名，用逗号分开 | Counties: all, or codes or names with commas."),
    ] = None,
    formats: Annotated[
        str | None, typer.Option("--formats", help="格式：html,pdf,docx | Formats, with commas; all without it.")
    ] = None,
    parts: Annotated[
        str | None,
        typer.Option(
            "--parts", help="页面：effect,dossier,who,scan,case,brief 或 all | Pages, with commas; the report alone without it."
        ),
    ] = None,
    jobs: Jobs = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="接着做上一批 | Go on with the last batch of the folder (or with the studies named).")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="未变的也重做 | Make unchanged reports again too.")] = False,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="集群地址 | Address of a dask scheduler, instead of --jobs.")
    ] = None,
    lang: Lang = Language.both,
    out: Out = Path("outputs"),
) -> None:
    """运行评估并生成报告，可逐县、可接续 | Make the reports of studies, whole or county by county; finished ones are kept."""
    from evalkit.batch.jobs import PARTS, Asked
    from evalkit.batch.ledger import last_asked
    from evalkit.batch.refusal import Refusal
    from evalkit.errors import EvalkitError

    try:
        if studies:
            for path in studies:
                if path.is_dir() or path.suffix.lower() not in (".yml", ".yaml"):
                    raise Refusal("no_study_file", path=path)
            kinds = tuple(kind.lower() for kind in _listed(formats, "formats")) or None
            pages = tuple(part.lower() for part in _listed(parts, "parts")) or ("effect",)
            pages = PARTS if pages == ("all",) else pages
            asked = Asked(tuple(studies), _counties(county), tuple(_languages(lang)), kinds, data, parts=pages)
        elif not resume:
            raise Refusal("nothing_asked")
        elif county or formats or data or parts:
            raise Refusal("resumed_otherwise")
        else:
            asked, options = last_asked(out)
            jobs, scheduler = jobs or options["jobs"], scheduler or options["scheduler"]
    except EvalkitError as problem:
        _misused("\n".join(_said(problem, lang)))
    _batch(asked, out, lang, jobs or JOBS, scheduler, force)


@app.command()
def site(
    out: Out = Path("outputs"),
    serve: Annotated[bool, typer.Option("--serve", help="在本机打开网页服务 | Serve the folder to this computer.")] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="端口，0 为任意 | Port, 0 for any free one.")] = 8000,
) -> None:
    """写出全部报告的目录页 | Write the page that lists all reports of a folder."""
    from evalkit import site as pages
    from evalkit.batch.refusal import of_the_disk
    from evalkit.errors import EvalkitError

    try:
        if serve:
            pages.serve(out, port)
        else:
            typer.echo(pages.write_site(out))
    except OSError as problem:
        _fail(of_the_disk(problem, out) or problem)
    except EvalkitError as problem:
        _fail(problem)


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


@app.command()
def plan(
    study: Annotated[Path, typer.Argument(help="研究文件 | A study (YAML).")],
    data: Annotated[Path | None, typer.Option("--data", help="数据文件 | The data file, if the study does not name it.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="方案文件，不写为 STUDY.plan.json | The plan's file, STUDY.plan.json without it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="覆盖已有的方案 | Replace a plan that is there.")] = False,
    pages: Annotated[
        bool, typer.Option("--pages", help="同时写成页面，放在方案旁的同名文件夹 | Write pages too, in a folder of its name.")
    ] = False,
    lang: Lang = Language.both,
) -> None:
    """在读取实施以后的结果之前，登记要估计什么 | Record what will be estimated, before outcomes after the start are read."""
    from datetime import date

    from evalkit import plan as plans
    from evalkit.errors import EvalkitError
    from evalkit.plan_file import write
    from evalkit.study import Study

    try:
        record = plans.plan(Study.from_yaml(study), data, study.parent, made_on=date.today().isoformat())
        written = [write(record, out or study.with_suffix(".plan.json"), force)]
        if pages:
            from evalkit.report.pages import write_page

            for code in _languages(lang):
                made = write_page("plan", record, written[0].with_name(f"{written[0].stem}.pages"), code)
                written += [path for path in made if path.name.startswith("plan.")]
    except (EvalkitError, OSError) as problem:
        _fail(problem, lang)
    for path in written:
        typer.echo(path)


@app.command()
def brief(
    runs: Annotated[list[Path], typer.Argument(help="结果文件夹，可以多个 | Folders of runs, each with findings.json.")],
    ledger: Annotated[Path | None, typer.Option("--ledger", help="问题台账（csv、xlsx）| The ledger of problems.")] = None,
    sites: Annotated[int | None, typer.Option("--sites", min=1, help="走访的点数 | How many sites were visited.")] = None,
    stage: Annotated[str, typer.Option("--stage", help="draft 征求意见稿，final 定稿 | draft for comment, or final.")] = "draft",
    response: Annotated[
        str | None, typer.Option("--response", help="地方回应，或 none_received | The locality's response, or none_received.")
    ] = None,
    formats: Annotated[
        str | None, typer.Option("--formats", help="格式：html,pdf,docx | Formats, with commas; all without it.")
    ] = None,
    lang: Lang = Language.both,
    out: Annotated[
        Path | None, typer.Option("--out", help="输出文件夹，不写则在结果旁 | Folder; beside the runs without it.")
    ] = None,
) -> None:
    """把已存的结果合成两页简报，不重新估计 | Put stored results into a brief of two pages; nothing is estimated."""
    from evalkit.errors import EvalkitError
    from evalkit.report import FORMATS
    from evalkit.report.pages import write_page
    from evalkit.supervision.brief import brief as put_together

    try:
        record = put_together(runs, ledger, response, stage, sites)  # type: ignore[arg-type]  # judged there
        folder = out or runs[0].resolve().parent / f"brief-{'-'.join(dict.fromkeys(run.findings.study for run in record.runs))}"
        kinds = tuple(kind.lower() for kind in _listed(formats, "formats")) or FORMATS
        written = [path for code in _languages(lang) for path in write_page("brief", record, folder, code, kinds)]
        (folder / "brief.json").write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except (EvalkitError, OSError) as problem:
        _fail(problem, lang)
    for path in written:
        if path.name.startswith("brief."):
            typer.echo(path)


def _batch(asked: Asked, out: Path, lang: Language, jobs: int = 1, scheduler: str | None = None, force: bool = False) -> None:
    """Run a batch before the reader's eyes and leave with the status that says how it ended: 0, 1, 2, or 128 and the signal."""
    from rich.console import Console

    from evalkit.batch.progress import Telling
    from evalkit.batch.running import run_batch
    from evalkit.errors import EvalkitError, StudyError

    telling = Telling(Console(), _languages(lang))
    try:
        with telling:
            batch = run_batch(asked, out, jobs, scheduler, force, telling)
    except StudyError as problem:
        _misused("\n".join(_said(problem, lang)))
    except (EvalkitError, OSError) as problem:
        _fail(problem, lang)
    telling.summary(batch, f"evalkit run --resume --out {shlex.quote(str(out))}")
    if batch.signal is not None:
        raise typer.Exit(code=128 + batch.signal)
    if batch.counts["failed"]:
        raise typer.Exit(code=1)


def _listed(text: str | None, option: str) -> tuple[str, ...]:
    """Return what stands between commas, Chinese ones too, each once; an option that is there and says nothing is refused."""
    from evalkit.batch.refusal import Refusal

    parts = (part.strip() for part in re.split("[,、]", unicodedata.normalize("NFKC", text or "")))
    found = tuple(dict.fromkeys(part for part in parts if part))
    if text is not None and not found:
        raise Refusal("nothing_listed", option=f"--{option}")
    return found


def _counties(text: str | None) -> tuple[str, ...]:
    from evalkit.batch.jobs import EVERY

    listed = _listed(text, "county")
    return (EVERY,) if any(county.lower() == EVERY for county in listed) else listed


def _languages(lang: Language) -> list[str]:
    return ["zh", "en"] if lang is Language.both else [lang.value]


def _said(problem: Exception, lang: Language) -> list[str]:
    """Return what is wrong, in the reader's language where there are words for it."""
    from evalkit.batch.refusal import Refusal
    from evalkit.county import NoCounty
    from evalkit.intake.observations import IntakeError

    if isinstance(problem, Refusal | NoCounty):
        return [problem.say(code) for code in _languages(lang)]
    if not isinstance(problem, IntakeError):
        return [f"{type(problem).__name__}: {problem}"]
    from evalkit.check import problems

    return [line for code in _languages(lang) for line in problems(problem, code)]


def _fail(problem: Exception, lang: Language = Language.both) -> NoReturn:
    """Say what is wrong and leave with status 1."""
    typer.echo("\n".join(_said(problem, lang)), err=True)
    raise typer.Exit(code=1)


def _misused(message: str) -> NoReturn:
    """Say what was asked for wrongly and leave with status 2."""
    typer.echo(message, err=True)
    raise typer.Exit(code=2)


def main() -> None:
    """Start the command line."""
    app()
