"""The files of the simulated province in data/demo: the same bytes on every run."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import pandas as pd

from evalkit import bureau
from evalkit.simulate import LINES, PROGRAMMES, STATUS, TITLE, World, province

README = """# {title}

这里的县、村、户全部是虚构的，由程序生成，效应已知，用来演示和检验；不代表任何真实地区或个人。
Every county, village and household here is invented by a program with known effects; none is a real place or person.

| 文件 file | 一行是什么 one row is | 行 rows |
|---|---|---|
| `counties.csv` | 归并后的县、年 harmonised county and year (`county_key`, 2010-2022) | {counties} |
| `counties_as_published.csv` | 当年公布的县、年 county as printed that year (`county_code`) | {published} |
| `households.csv.gz` | 户、年 household and year (2011-2020) | {households} |
| `truth.json` | 植入的效应与问题 planted effects and problems | |
| `as_received/county_yearbook.csv` | 同一批县，按年鉴版式（GB18030）the same counties as a yearbook prints them | {as_printed} |
| `as_received/intake.yml` | 原表怎么读 how that table is read | |
| `county_history.csv` | 县代码及其变更 county codes and their changes | {codes} |
| `as_received/events.csv` | 项目、县、环节、年份 programme, county, event and year | {events} |

| 列 column | 含义与单位 meaning and unit |
|---|---|
| `income` | 农村居民人均收入 rural income per head, 元/人·年（当年价 nominal） |
| `wage` `business` `property` `transfer` | 四项收入，相加恰为 `income` four sources adding exactly to it, 元/人·年 |
| `income_def` | `net` 纯收入（至 to 2012）, `disposable` 可支配收入（自 from 2013） |
| `out_of_pocket` | 自付医疗支出 health spending paid by the household, 元/人·年 |
| `population` `household_size` | 人 persons |
| `distance_km` | 到地级市驻地 to the prefecture seat, 公里 km |
| `base_poverty` | 基期贫困发生率 poverty rate before the programmes, % |
| `labour_share` | 劳动力占人口 share of people of working age, 0-1 |
| `has_labour` `registered` | 有劳动力、建档立卡 has labour, registered as poor: 1 是 yes, 0 否 no |
| `*_first_year` | 实施首年（搬迁为入住年）first year, for relocation the move-in year; 0 = 从未 never |
| `data_status` | `{status}` |

植入的平均效应（2013 年起全部受处理单位·年的平均，对数收入；右为折合百分比）
Planted average effects over all treated unit-years from 2013, in logs and as per cent:

| 干预 programme | 面板 panel | 结果 outcome | log | % |
|---|---|---|---|---|
{effects}

增长在对数上平行，在元上不平行；贫困的先实施。跨 2013 年的窗口混入口径变化。
Growth is parallel in logs, not in yuan; the poorest start first. A window across 2013 mixes in the new definition.
一县收入在 {line} 元线上方聚集，一县改码，两县合并：见 `truth.json`。
One county bunches above the line ({line} yuan), one changes its code, two merge: see `truth.json`.

重新生成 regenerate: `python -m evalkit.demo data/demo`
"""


def readme(world: World) -> str:
    """The bilingual page beside the sample, with the planted numbers filled in from the truth."""
    rows = [
        f"| {programme} | {level} | {outcome} | {one['average_log']:.4f} | {one['average_percent']:.1f} |"
        for level in ("county", "household")
        for programme in PROGRAMMES
        for outcome, one in world.truth[level][programme].items()
        if isinstance(one, dict)
    ]
    lines = list(LINES.values())
    return README.format(
        title=TITLE,
        status=STATUS,
        effects="\n".join(rows),
        line=f"{lines[0]}-{lines[-1]}",
        counties=len(world.counties),
        published=len(world.counties_as_published),
        households=len(world.households),
        as_printed=world.counties_as_published["county_code"].nunique(),
        events=len(bureau.events(world)),
        codes=world.counties_as_published["county_code"].nunique(),
    )


def write_demo(folder: Path | str) -> None:
    """Write the shipped world into ``folder``, the same bytes on every run."""
    world, folder = province(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    # Time and file name would otherwise sit in the gzip header and change the bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as file:
        file.write(comma_separated(world.households))
    contents = {
        "counties.csv": comma_separated(world.counties),
        "counties_as_published.csv": comma_separated(world.counties_as_published),
        "households.csv.gz": packed.getvalue(),
        "truth.json": (json.dumps(world.truth, ensure_ascii=False, indent=2) + "\n").encode(),
        "README.md": readme(world).encode(),
        "as_received/county_yearbook.csv": bureau.yearbook(world),
        "as_received/events.csv": comma_separated(bureau.events(world)),
        "as_received/intake.yml": bureau.MAPPING.encode(),
        "county_history.csv": bureau.county_history(world).encode(),
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def comma_separated(frame: pd.DataFrame) -> bytes:
    """The frame as UTF-8 text with bare line feeds on every system."""
    return frame.to_csv(index=False, lineterminator="\n").encode()


if __name__ == "__main__":
    write_demo(sys.argv[1])
