"""Folders of outputs as a batch leaves them: 50 reports of the demo world, three failed runs, and what else may lie there."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from report.conftest import example_findings, of_one_county

from evalkit.findings import Findings, Headline
from evalkit.records import County, Interval
from evalkit.study import Words

PROGRAMMES = {
    "industry": (Words(zh="产业帮扶", en="industry support"), Words(zh="产业帮扶增收效应评估", en="Effect of industry support on rural income")),
    "relocation": (Words(zh="易地扶贫搬迁", en="relocation"), Words(zh="易地扶贫搬迁增收效应评估", en="Effect of relocation on rural income")),
}  # fmt: skip
COUNTIES = [f"{first}{second}县" for first in "甲乙丙" for second in "山水川原岭坪沟湾坡塘"]
EFFECT = {
    "gain": 520.0,
    "loss": -460.0,
    "small_change": 30.0,
    "unclear": 180.0,
    "pretrend_failed": 610.0,
    "too_few": 380.0,
    "one_unit": 420.0,
    "cannot_show": 350.0,
    "weak": 240.0,
    "refused": 300.0,
}
CHANCES = {
    "gain": 9,
    "loss": 2,
    "small_change": 4,
    "unclear": 6,
    "pretrend_failed": 3,
    "too_few": 2,
    "one_unit": 3,
    "cannot_show": 1,
    "weak": 2,
    "refused": 1,
}
FORMATS = ("report.{}.html", "report.{}.pdf", "report.{}.docx", "tables.{}.xlsx")


def found(verdict: str, chance: random.Random, **changes: Any) -> Findings:
    """Findings of a verdict whose numbers differ from report to report."""
    if verdict == "one_unit":
        alone = of_one_county(example_findings("too_few", remarks=[], **changes), chance.uniform(0.04, 0.1))
        return alone.model_copy(update={"county": changes.get("county", alone.county)})
    told = "gain" if verdict in ("cannot_show", "weak", "refused") else verdict
    findings = example_findings(told, remarks=[], **changes).model_copy(update={"verdict": verdict})
    estimate = EFFECT[verdict] * chance.uniform(0.6, 1.6)
    error = abs(estimate) / chance.uniform(2.2, 5) if verdict not in ("unclear", "small_change") else chance.uniform(90, 260)
    ranged = {} if verdict == "too_few" else {"low": estimate - 1.96 * error, "high": estimate + 1.96 * error}
    per_cent = {name: value / 98.2 for name, value in ranged.items()}
    headline = Headline(
        effect=findings.headline.effect,
        money=Interval(estimate=estimate, **ranged),
        percent=Interval(estimate=estimate / 98.2, **per_cent),
        base=findings.headline.base,
    )
    return findings.model_copy(update={"headline": headline})


def written(out: Path, findings: Findings, langs: tuple[str, ...] = ("zh", "en"), folder: str | None = None) -> Path:
    """Write the folder of a run: its findings, and files that stand for its reports."""
    place = out / (folder or findings.run_id)
    place.mkdir(parents=True)
    (place / "findings.json").write_text(findings.model_dump_json(), encoding="utf-8")
    for name in [pattern.format(lang) for lang in langs for pattern in FORMATS]:
        (place / name).write_text(f"<!doctype html><title>{name}</title>" if name.endswith("html") else name, encoding="utf-8")
    (place / "notebook.ipynb").write_text("{}", encoding="utf-8")
    manifest = {"run_id": findings.run_id, "languages": list(langs), "started": "2026-01-02T03:04:05+0800", "seconds": 2.1}
    (place / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return place


def failed(out: Path, study: str, county: County | None, kind: str, zh: str, en: str) -> Path:
    """Write the folder of a run that failed."""
    place = out / ("-".join([study, *([county.code] if county else []), "failed"]))
    place.mkdir(parents=True)
    programme, title = PROGRAMMES.get(study, (Words(zh=study, en=study),) * 2)
    content = {
        "study": study, "county": county.code if county else None, "county_name": county.name if county else None, "kind": kind,
        "title": title.model_dump(), "programme": programme.model_dump(), "message": {"zh": zh, "en": en}, "notebook": "notebook.ipynb",
    }  # fmt: skip
    (place / "failure.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (place / "notebook.ipynb").write_text("{}", encoding="utf-8")
    return place


def batch(out: Path, **statuses: int) -> None:
    """Write the record of a batch whose jobs ended in these ways."""
    rows = [{"study": "industry", "status": status} for status, count in statuses.items() for _ in range(count)]
    (out / "batch.json").write_text(json.dumps({"state": "finished", "rows": rows}), encoding="utf-8")


def fifty(out: Path, count: int = 50, failures: bool = True, simulated: bool = True) -> Path:
    """Write reports of two programmes in the counties of the demo world, and three failures; the same on every call."""
    chance = random.Random(20130101)
    for number in range(count):
        study = "relocation" if number % 2 else "industry"
        programme, title = PROGRAMMES[study]
        place = number // 2
        name, code = COUNTIES[place % len(COUNTIES)], f"99{place // 40 + 1:02d}{place % 40 + 21:02d}"
        verdict = chance.choices(list(CHANCES), list(CHANCES.values()))[0]
        identity = f"{study}-{code}-{chance.randrange(16**10):010x}"
        changes = {
            "run_id": identity,
            "study": study,
            "programme": programme,
            "title": title,
            "county": County(code=code, name=name),
        }
        written(out, found(verdict, chance, simulated=simulated, **changes))
    if failures:
        county = County(code="990199", name="甲合县")
        failed(out, "industry", county, "DesignError", "对照组只有1个乡镇，无法比较。请增加对照乡镇，或改用更长的评估期。",
               "There is 1 comparison township, which cannot be compared with. Add comparison townships, or a longer window.")  # fmt: skip
        failed(out, "relocation", county, "ZeroDivisionError", "division by zero", "division by zero")
        failed(out, "health", None, "StudyError", "研究文件缺少 outcome。", "The study has 1 problem: missing key 'outcome'.")
        batch(out, done=count - 5, unchanged=5, failed=3)
    return out
