"""The record of sizes as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Entry = dict[str, Any]

INTRODUCTION = """# Where inference holds, and where it does not

<!-- written by `python benchmarks/sizes.py` from benchmarks/sizes.json -->

How often a nominal 5% test rejects what is true, in per cent, in simulated panels without any effect. Kept means 3% to 7%; where a method promises
5% *at most*, less is kept too.

- plain: the docstring says that the method holds there, and it does;
- **bold**: the docstring says so, and it does not (with `?`: by less than two Monte Carlo errors);
- (in brackets): nothing is promised there, or a notice warns;
- –: the method refuses.

{errors}
The panels: villages in counties over ten years, one start in the sixth year, county-year shocks AR(1) with 0.5 and village noise of the same variance;
clustered by county. *equal*: four villages a county. *1:10*: one to ten villages, the treated counties drawn by lot, anew in each of 20 parts of the
draws. *largest treated*: the same, but the largest counties are the treated ones. *alone*: one row per county and year, AR(1) with 0.7. Bootstraps have 399
draws (all signs up to 13 clusters), permutations 999 assignments or all there are. The worlds are homoskedastic but for the numbers of villages; where the
treated are noisier than the others, other numbers hold.

In words:

- One treated county: only the permutation holds, and it needs twenty counties to show anything. CR2, CR3 and the jackknife refuse.
- Two to four treated counties: the permutation. CR2 does not reject too often either, but with two treated counties it finds next to nothing.
- Five to nine treated counties: CR2 (regressions) and the permutation; the wild bootstrap at the edge of 7%; the jackknife of few of many (5 of 40) finds too much.
- Ten and more on both sides: all but z; with ten treated of 20 or 40 t(G-1) and the score bootstrap are at the edge of 7%.
- Bands and joint tests of a path need more than a single effect: z and chi-squared hold from about a hundred counties on, bands of t only where both sides have
  ten or more; bands of CR2 (regressions) from ten counties on, and HTZ everywhere.
- Bounds of a relative restriction are cautious, because noise makes the largest step before the start too large. Errors over space and over time (Conley,
  Driscoll-Kraay) are too small in every panel of a realistic size here; treatment that lasts makes them worse.
"""

HEADINGS = {
    "single effects": ("Single effects", "单个效应：受益县数与县数 · 各方法的误判率（%）"),
    "bands": ("Uniform bands: any of nine event times outside", "同时置信带：九个事件时间中任一落在带外的比例（%）"),
    "leads": ("Joint tests of four leads", "事前趋势的联合检验（四期）：误判率（%）"),
    "bounds": ("Honest bounds that miss the effect, trends differing by as much as is allowed", "诚实界限未覆盖真值的比例（%）"),
    "families": ("Five outcomes without effects: any found", "五个结果变量，误判其中任一的比例（%）"),
    "space": ("Shocks that reach 150 km, counties 50 km apart, neighbours treated together", "空间相关的冲击：误判率（%）"),
    "time": ("A factor that treated counties feel more, 40 counties", "各县共同的时间冲击：误判率（%）"),
    "density": ("Density at the line", "贫困线处密度检验：误判率（%）"),
    "lines": ("Jump at the line: intervals that miss it", "断点区间未覆盖真值的比例（%）"),
    "power": (
        "Power at the effect said to be detectable with 80% (kept: 77% to 83%)",
        "按 80% 功效算出的最小效应实际被发现的比例（%）",
    ),
}
REGRESSION = "Two-way regression"
AVERAGE = "Group-time average"


def kept(one: Entry) -> bool:
    """Whether a number is what is promised."""
    return one["verdict"] in ("ok", "never above")


def cell(one: Entry | None) -> str:
    """Return one number, marked by what was promised of it."""
    if one is None or one["rate"] is None:
        return "–"
    text = f"{100 * one['rate']:.1f}"
    if not one["claims"]:
        return f"({text})"
    return text if kept(one) else f"**{text}**" + ("?" if "Monte Carlo" in one["verdict"] else "")


def table(rows: Iterable[list[str]], heading: list[str], words: int = 1) -> str:
    """Return a table in Markdown whose first columns are words and whose others are numbers."""
    lines = [heading, [*["---"] * words, *["--:"] * (len(heading) - words)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def section(settings: list[Entry], columns: list[str], names: list[str]) -> str:
    """Return the table of some settings, a row each."""
    return table(([one["name"], *(cell(one["methods"].get(c)) for c in columns)] for one in settings), ["", *names])


def errors(settings: list[Entry]) -> str:
    """Return the sentence about Monte Carlo errors."""
    draws = sorted({one["draws"] for entry in settings for one in entry["methods"].values() if one["draws"]})
    shown = ", ".join(f"{100 * (0.05 * 0.95 / n) ** 0.5:.1f} points with {n:,} draws" for n in (draws[0], 1_000, draws[-1]))
    return f"Monte Carlo error of a true 5%: {shown}. Every number with its own error, draws and verdict is in `benchmarks/sizes.json`.\n"


def summary(settings: list[Entry], claims: Mapping[str, Any]) -> str:
    """Return a row per method: what is said of it, how often that was kept, and its worst numbers."""
    rows = []
    for method, claim in claims.items():
        made = [(entry["name"], one) for entry in settings if (one := entry["methods"].get(method)) and one["rate"] is not None]
        inside = [(name, one) for name, one in made if one["claims"]]
        outside = [(name, one) for name, one in made if not one["claims"]]
        told = f"{sum(kept(one) for _, one in inside)} of {len(inside)}" if inside else "–"
        rows.append([method, claim.says, told, worst(inside, method), worst(outside, method)])
    return table(
        rows,
        [
            "method 方法",
            "what is said of it 说明",
            "kept 符合",
            "largest where it claims 声称处最大",
            "largest elsewhere 其他处最大",
        ],
        words=2,
    )


def worst(made: list[tuple[str, Entry]], method: str) -> str:
    """Return the largest rejection rate (of power, the smallest) and where it was."""
    if not made:
        return "–"
    pick = min if method.startswith("power") else max
    name, one = pick(made, key=lambda pair: pair[1]["rate"])
    return f"{100 * one['rate']:.1f}% ({name})"


def written(record: Entry, claims: Mapping[str, Any]) -> str:
    """Return the page."""
    settings = list(record["settings"].values())
    page = [INTRODUCTION.format(errors=errors(settings)), "## In one table\n", summary(settings, claims)]
    for key, (title, chinese) in HEADINGS.items():
        some = [one for one in settings if one["section"] == key]
        if not some:
            continue
        page.append(f"## {title}\n\n{chinese}\n")
        methods = [method for method in claims if any(method in one["methods"] for one in some)]
        if key != "single effects":
            page.append(section(some, methods, [method.partition(", ")[2] for method in methods]))
            continue
        average = [method for method in methods if method.startswith("GroupTime")]
        for what, columns in ((REGRESSION, [m for m in methods if m not in average]), (AVERAGE, average)):
            page.append(f"### {what}\n\nTreated counties of all counties 受益县数 / 县数\n")
            page.append(section(some, columns, [column.removeprefix("GroupTime ") for column in columns]))
    return "\n".join(page)
