"""What was measured: kept as JSON, compared, and shown as a table.

``python benchmarks/results.py`` writes the table of the kept results into README.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

from tasks import TASKS, Numbers, Task

HERE = Path(__file__).parent
FOLDER = HERE / "results"
MEASURES = ("cpu_seconds", "wall_seconds", "memory_mb")
SHOWN = ("1M", "100k")  # the smallest size shows that the harness runs, not how fast anything is
JUDGED = "1M"
START, END = "<!-- results: written by `python benchmarks/results.py` -->", "<!-- end of results -->"

Result = dict[str, Any]


def keep(result: Result) -> Path:
    """Write a result to ``results/<task>-<size>.json`` and return the path."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{result['task']}-{result['size']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def kept() -> list[Result]:
    """Return the kept results in the order of the tasks and of the sizes."""
    paths = [FOLDER / f"{task}-{size}.json" for size in SHOWN for task in TASKS]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def disagreements(task: Task, numbers: dict[str, Numbers]) -> list[str]:
    """Return where contenders differ from evalkit by more than the task allows, in words."""
    ours, found = numbers["evalkit"], []
    for name, theirs in numbers.items():
        if missing := sorted(ours.keys() ^ theirs.keys()):
            found.append(f"{name} and evalkit do not give the same numbers: {', '.join(missing)}")
        for label in ours.keys() & theirs.keys():
            (estimate, std_error), (their_estimate, their_error) = ours[label], theirs[label]
            apart = max(abs(estimate - their_estimate) / std_error, abs(their_error / std_error - 1))
            # Not "apart > closeness": a NaN is a disagreement too.
            if not apart <= task.closeness:
                found.append(f"{name} differs in {label}: {their_estimate} ({their_error}), evalkit {estimate} ({std_error})")
    return sorted(found)


def medians(result: Result) -> dict[str, dict[str, float]]:
    """Return each contender's median of each measure."""
    return {
        name: {measure: median(run[measure] for run in contender["repeats"]) for measure in MEASURES}
        for name, contender in result["contenders"].items()
    }


def table(results: list[Result]) -> str:
    """Return a Markdown table of medians, with evalkit's ratios to each peer."""
    lines = [
        "| task | units | contender | CPU s | wall s | memory MB | evalkit / peer: CPU | memory | bar | numbers |",
        "|---|--:|---|--:|--:|--:|--:|--:|---|---|",
    ]
    for result in results:
        middle = medians(result)
        # The bar is one against the fastest way of asking the peer, at the largest size.
        fastest = min((name for name in middle if name != "evalkit"), key=lambda name: middle[name]["cpu_seconds"])
        for name, values in middle.items():
            first = f"| {result['task']} | {result['units']:,}" if name == "evalkit" else "| |"
            cells = f"{values['cpu_seconds']:.2f} | {values['wall_seconds']:.2f} | {values['memory_mb']:,.0f}"
            lines.append(
                f"{first} | {name} | {cells} | {_verdict(result, middle, name, name == fastest and result['size'] == JUDGED)} |"
            )
    return "\n".join(lines)


def _verdict(result: Result, middle: dict[str, dict[str, float]], name: str, judged: bool) -> str:
    """Return the ratios, whether the bar is met where it is judged, and whether numbers agree."""
    if name == "evalkit":
        return "| | |"
    cpu, memory = (middle["evalkit"][measure] / middle[name][measure] for measure in ("cpu_seconds", "memory_mb"))
    bar = TASKS[result["task"]].bar
    missed = " and ".join(word for word, ratio in (("CPU", cpu), ("memory", memory)) if ratio > bar)
    judgement = f"{bar:g}: {f'missed in {missed}' if missed else 'met'}" if judged else ""
    agree = "differ" if any(line.startswith(f"{name} ") for line in result["disagreements"]) else "agree"
    return f"{cpu:.2f} | {memory:.2f} | {judgement} | {agree}"


def foundation(results: list[Result]) -> str:
    """Return sentences on the machine, the threads and the versions behind results, each said once."""
    where, packages = [], []
    for result in results:
        machine = result["machine"]
        where.append(
            f"Medians of {result['repeats']} runs on {machine['cores']} cores ({machine['processor']}) with "
            f"{machine['memory_gib']} GiB, {machine['system']}; {result['threads']} thread for every contender."
        )
        for contender in result["contenders"].values():
            own, python, numpy, pandas = (contender["versions"][n] for n in (contender["package"], "python", "numpy", "pandas"))
            packages.append(f"{contender['package']} {own} with Python {python}, numpy {numpy}, pandas {pandas}.")
    return "\n".join(f"- {sentence}" for sentence in (*dict.fromkeys(where), *dict.fromkeys(packages)))


def write_readme() -> None:
    """Put the table of the kept results between the marks in README.md."""
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    results = kept()
    readme.write_text(f"{before}{START}\n\n{table(results)}\n\n{foundation(results)}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    write_readme()
