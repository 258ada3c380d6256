"""``python -m evalkit.selfcheck``: record the rates of all worlds and the matrix, and print which targets are met."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from evalkit.errors import EvalkitError
from evalkit.parallel import workers
from evalkit.selfcheck.checking import matrix
from evalkit.selfcheck.rates import rates
from evalkit.selfcheck.recorded import code_print, fingerprint, print_of, record, record_matrix, together
from evalkit.selfcheck.worlds import worlds
from evalkit.selfcheck_records import Rates

RECORDING = Path("data/selfcheck")
SIGNS = {"at_most": "<=", "at_least": ">="}
TOLD = {"met": "met", "not_met": "NOT MET", "no_target": ""}


def main(arguments: list[str] | None = None) -> int:
    """Record, print the table, and return 0 where every target is met, 1 where one is not, 2 for what cannot be run."""
    asked = _parser().parse_args(arguments)
    try:
        found = _found(asked)
    except EvalkitError as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 2
    print(table(found))
    return 0 if all(row.met != "not_met" for row in found.rows) else 1


def _found(asked: argparse.Namespace) -> Rates:
    """Return the rates asked for, and record them; those of some worlds are no recording unless a folder is named for them."""
    chosen = worlds(asked.worlds)
    asked.store.mkdir(parents=True, exist_ok=True)
    name = print_of([fingerprint("worlds"), fingerprint("rules"), code_print()])[:10]

    def tell(done: int, total: int) -> None:
        print(f"\r{done:,} of {total:,} evaluations", end="", file=sys.stderr, flush=True)

    run = workers(asked.jobs)
    found = rates(chosen, (1, asked.seeds), map=run, store=asked.store / f"rates_{name}.jsonl", progress=tell)
    print(file=sys.stderr)
    folder = asked.out or (RECORDING if asked.worlds is None else None)
    if folder is not None:
        found = together(found, folder)
        record(found, folder)
        if asked.matrix:
            record_matrix(matrix(asked.matrix, map=run, store=asked.store / f"matrix_{name}_{asked.matrix}.jsonl"), folder)
        print(f"Recorded in {folder}. The committed notebook shows it after: make notebooks", file=sys.stderr)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evalkit.selfcheck", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="panels a world")
    parser.add_argument("--worlds", nargs="+", default=None, metavar="WORLD", help="rows of selfcheck_worlds.csv; all without it")
    parser.add_argument("--matrix", type=int, default=200, help="worlds of the threat x check matrix; 0 leaves the recorded one")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        help="folder of the recording, of which other worlds stay: data/selfcheck where all worlds are evaluated",
    )
    parser.add_argument(
        "--store", type=Path, default=Path("outputs/selfcheck"), help="folder of finished blocks, to go on after a stop"
    )
    return parser


def table(found: Rates) -> str:
    """Return the rates as lines for a terminal: the share of firm verdicts with its Monte Carlo error, and the target."""
    lines = [f"{'world':<24}{'firm A/B':>9}{'+- mc':>8}  {'95% Wilson':<16}{'target':<10}{'':<9}{'coverage':<10}runs"]
    for row in found.rows:
        world, firm = row.world, row.firm
        target = f"{SIGNS[world.target]} {100 * world.share:.0f}%" if world.target and world.share is not None else ""
        covered = getattr(row.covered, "share", None)
        told = "" if covered is None else f"{100 * covered:.1f}%"
        span = f"[{100 * firm.low:.1f}%, {100 * firm.high:.1f}%]"
        lines.append(
            f"{world.world:<24}{100 * firm.share:>8.1f}%{100 * firm.mc_error:>7.1f}%  {span:<16}{target:<10}{TOLD[row.met]:<9}{told:<10}{row.runs}"
        )
    if not found.graded:
        lines.append("No evaluation gave a grade, so no verdict counts as firm.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
