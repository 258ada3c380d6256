"""The simulated province as a bureau would send it: a printed yearbook table in GB18030, and the record of events beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import pandas as pd

from evalkit.simulate import MERGED_CODE, NEVER, PROGRAMMES, RECODE_YEAR, RECODED_TO, World, county_code

TITLE = "表3-5 各县（市、区）农村居民人均收入与户籍人口（2010—2022年）【模拟数据 simulated】"
NOTES = (
    "注：1. 2012年及以前为农民人均纯收入，2013年起为农村居民人均可支配收入。",
    "    2. 本表为程序生成的模拟数据，不代表任何真实地区。Simulated data: no place in this table is real.",
)
FIRST_DISPOSABLE = 2013
MASKED, SPACED, FULL_WIDTH = (county_code(number) for number in (15, 23, 46))  # one cell hidden, a spaced name, full-width digits
MASKED_YEAR = 2019


def yearbook(world: World) -> bytes:
    """Return the county table as printed: title, unit line, two header rows, totals between the rows, notes; in GB18030."""
    published = world.counties_as_published
    years = sorted(published["year"].unique())
    groups = [
        ("农民人均纯收入（元）", [y for y in years if y < FIRST_DISPOSABLE]),
        ("农村居民人均可支配收入（元）", [y for y in years if y >= FIRST_DISPOSABLE]),
        ("户籍人口（万人）", list(years)),
    ]
    upper, lower = ["行政区划代码", "县（市、区）"], ["", ""]
    for heading, columns in groups:
        upper += [heading, *[""] * (len(columns) - 1)]
        lower += [f"{year}年" for year in columns]
    rows: list[Sequence[str]] = [[TITLE], ["", "", "单位：元、万人"], upper, lower]
    rows.append(["", "合  计", *_figures(_together(published), years)])
    for prefecture, counties in published.groupby("prefecture_id", sort=True):
        name = f"{counties['county_name'].iloc[0][0]}市"
        rows.append([f"{prefecture}00", name, *_figures(_together(counties), years)])
        rows += [_county(str(code), one, years) for code, one in counties.groupby("county_code", sort=True)]
    rows += [[note] for note in NOTES]
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("gb18030")


def _county(code: str, one: pd.DataFrame, years: Iterable[int]) -> list[str]:
    """Return the printed row of one county, with the flaws such tables have."""
    name = str(one["county_name"].iloc[0])
    cells = _figures(one.set_index("year")[["income", "population"]], years)
    if code == MASKED:
        place = MASKED_YEAR - min(years)
        cells[place] = cells[place][:2] + "**"
    if code == FULL_WIDTH:
        cells = [cell.translate(str.maketrans("0123456789.", "０１２３４５６７８９．")) for cell in cells]
    return [code, "　".join(name) if code == SPACED else name, *cells]


def _figures(by_year: pd.DataFrame, years: Iterable[int]) -> list[str]:
    """Return income in yuan and people in ten thousand by year, empty where the county does not exist."""
    known = by_year.reindex(list(years))
    income = ["" if pd.isna(v) else f"{v:.0f}" for v in known["income"]]
    return income + ["" if pd.isna(v) else f"{v / 10_000:.4f}" for v in known["population"]]


def _together(counties: pd.DataFrame) -> pd.DataFrame:
    """Return income per head and people of several counties together, by year."""
    weighted = counties.assign(income=counties["income"] * counties["population"])
    sums = weighted.groupby("year")[["income", "population"]].sum()
    return sums.assign(income=sums["income"] / sums["population"])


def events(world: World) -> pd.DataFrame:
    """Return the record of events by county: listed a year before the first year, funded in it, moved in for relocation."""
    counties = world.counties.drop_duplicates("county_key").set_index("county_key")
    rows = []
    for programme in PROGRAMMES:
        for code, first in counties[f"{programme}_first_year"].items():
            if first == NEVER:
                continue
            source = "模拟数据 simulated"
            if programme == "relocation":  # the move-in year is the first year of the effect
                steps = [("listed", first - 2), ("funded", first - 1), ("built", first), ("moved_in", first)]
            else:
                steps = [("listed", first - 1), ("funded", first)]
            rows += [(code, programme, event, int(year), "", source) for event, year in steps]
    return pd.DataFrame(rows, columns=["unit", "programme", "event", "date", "dose", "source"])


HISTORY_FROM = 2000
HISTORY_HEAD = (
    "# 模拟数据 simulated data: the codes of the invented counties of this folder and their changes; no real place.\n"
    "# A record is in force from start to the year before end; new: successors.\n"
)
MAPPING = """# 对照文件：年鉴原表怎么读 | Mapping: how the printed table is read.  模拟数据 simulated
level: county
counties:
  history: ../county_history.csv          # 代码变更表 | history of codes
  to_year: 2022
  rule: {income_pc: mean by pop_registered, pop_registered: sum}
simulated: true
"""


def county_history(world: World) -> str:
    """Return every code of the province with its years and its successor, as a csv."""
    published = world.counties_as_published
    first, last = published["year"].min(), published["year"].max()
    by_code = published.groupby("county_code")
    starts, ends, names = by_code["year"].min().to_dict(), by_code["year"].max().to_dict(), by_code["county_name"].first()
    lines = ["code,name,level,status,start,end,new"]
    for code in sorted(map(str, starts)):
        start, end = starts[code], ends[code]
        gone = end < last
        successor = (RECODED_TO if end + 1 == RECODE_YEAR else MERGED_CODE) if gone else ""
        began = start if start > first else HISTORY_FROM
        lines.append(f"{code},{names[code]},县级,{'弃用' if gone else '在用'},{began},{end + 1 if gone else ''},{successor}")
    return HISTORY_HEAD + "\n".join(lines) + "\n"
