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
SHOWN = ("1M", "100k", "county")  # the smallest size shows that the harness runs, not how fast anything is
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
    nearest = task.closeness if task.error_closeness is None else task.error_closeness
    for name, theirs in numbers.items():
        if missing := sorted(ours.keys() ^ theirs.keys()):
            found.append(f"{name} and evalkit do not give the same numbers: {', '.join(missing)}")
        for label in sorted(ours.keys() & theirs.keys()):
            (estimate, std_error), (their_estimate, their_error) = ours[label], theirs[label]
            apart = abs(estimate - their_estimate) / (abs(estimate) if std_error is None else std_error)
            errors_apart = 0.0 if std_error is None or their_error is None else abs(their_error / std_error - 1)
            # Not "apart > closeness": a NaN is a disagreement too.
            if not (apart <= task.closeness and errors_apart <= nearest):
                found.append(f"{name} differs in {label}: {their_estimate} ({their_error}), evalkit {estimate} ({std_error})")
    return found


def medians(result: Result) -> dict[str, dict[str, float]]:
    """Return each contender's median of each measure."""
    return {
        name: {measure: median(run[measure] for run in contender["repeats"]) for measure in MEASURES}
        for name, contender in result["contenders"].items()
    }


def table(results: list[Result]) -> str:
    """Return a Markdown table of medians, with evalkit's ratios to each peer."""
    lines = [
        "| task | units x periods | contender | CPU s | wall s | memory MB | evalkit / peer: CPU | memory | bar | numbers |",
        "|---|--:|---|--:|--:|--:|--:|--:|---|---|",
    ]
    for result in results:
        middle = medians(result)
        # The bar is one against the fastest way of asking any peer.
        contenders = TASKS[result["task"]].contenders
        peers = [name for name in middle if name != "evalkit" and contenders[name].complete]
        fastest = min(peers, key=lambda name: middle[name]["cpu_seconds"], default=None)
        judged = result["size"] in TASKS[result["task"]].judged
        for name, values in middle.items():
            first = f"| {result['task']} | {result['units']:,} x {result['periods']}" if name == "evalkit" else "| |"
            once = " (once)" if len(result["contenders"][name]["repeats"]) < result["repeats"] else ""
            cells = f"{values['cpu_seconds']:.2f}{once} | {values['wall_seconds']:.2f} | {values['memory_mb']:,.0f}"
            lines.append(f"{first} | {name} | {cells} | {_verdict(result, middle, name, judged and name == fastest)} |")
        lines += [f"| | | {name} | {limit}: stopped | | | | | | |" for name, limit in result.get("stopped", {}).items()]
    return "\n".join(lines)


def _verdict(result: Result, middle: dict[str, dict[str, float]], name: str, judged: bool) -> str:
    """Return the ratios, whether the bar is met where it is judged, and whether numbers agree."""
    if name == "evalkit":
        return "| | |"
    task = TASKS[result["task"]]
    ratios = {word: _ratio(middle, name, measure) for word, measure in (("CPU", "cpu_seconds"), ("memory", "memory_mb"))}
    missed = " and ".join(word for word in task.measures if not ratios[word] <= task.bar)
    judgement = f"{task.bar:g}: {f'missed in {missed}' if missed else 'met'}" if judged else ""
    agree = "differ" if any(line.startswith(f"{name} ") for line in result["disagreements"]) else "agree"
    return f"{ratios['CPU']:.2f} | {ratios['memory']:.2f} | {judgement} | {agree}".replace("nan", "")


def _ratio(middle: dict[str, dict[str, float]], name: str, measure: str) -> float:
    """Return evalkit's need over a peer's, NaN where the peer's is too small to measure."""
    return middle["evalkit"][measure] / middle[name][measure] if middle[name][measure] else float("nan")


def foundation(results: list[Result]) -> str:
    """Return sentences on the machine, the threads and the versions behind results, each said once."""
    where: list[str] = []
    packages: dict[tuple[str, str], dict[str, None]] = {}
    for result in results:
        machine = result["machine"]
        where.append(
            f"Medians of {result['repeats']} runs on {machine['cores']} cores ({machine['processor']}) with "
            f"{machine['memory_gib']} GiB, {machine['system']}; {result['threads']} thread for every contender."
        )
        for contender in result["contenders"].values():
            versions = contender["versions"]
            with_frames = ", ".join(f"{name} {versions[name]}" for name in ("pandas", "polars") if name in versions)
            rest = f"Python {versions['python']}, numpy {versions['numpy']}, {with_frames}"
            packages.setdefault((contender["package"], rest), {})[versions[contender["package"]]] = None
    # evalkit's source may have changed between measurements; every one that was measured is named.
    said = [f"{package} {', '.join(versions)} with {rest}." for (package, rest), versions in packages.items()]
    return "\n".join(f"- {sentence}" for sentence in (*dict.fromkeys(where), *said))


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
