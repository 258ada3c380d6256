"""The recording that ships: it speaks of the rules and worlds of today, and writing it again gives the same bytes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest

from evalkit.diagnostics.checks import CHECKS
from evalkit.errors import EstimateError
from evalkit.places import shared
from evalkit.planted import THREATS
from evalkit.selfcheck import __main__ as command
from evalkit.selfcheck import recorded as module
from evalkit.selfcheck.checking import county_shape, matrix, matrix_of, selfcheck
from evalkit.selfcheck.rates import counted
from evalkit.selfcheck.recorded import as_csv, fingerprint, record, record_matrix, recorded_matrix, recorded_rates, stale, together
from evalkit.selfcheck.worlds import worlds
from evalkit.selfcheck_records import Rates

FOLDER = shared("data", "selfcheck")


def test_the_recorded_rates_speak_of_the_rules_and_worlds_of_today() -> None:
    """Where this fails the rules of the grade or the worlds have changed: run ``make selfcheck`` and commit data/selfcheck."""
    old = stale(recorded_rates())
    assert old == [], f"The recorded rates are stale ({' and '.join(old)} changed). Run: make selfcheck"


def test_every_world_is_recorded() -> None:
    assert [row.world for row in recorded_rates().rows] == worlds()


def test_the_recorded_numbers_are_those_of_their_counts() -> None:
    for row in recorded_rates().rows:
        assert sum(one.count for one in row.outcomes) == row.runs
        firm = sum(one.count for one in row.outcomes if one.verdict in ("gain", "loss") and one.letter in ("A", "B"))
        assert (row.firm.count, row.firm.of) == (firm, row.runs)
        if row.world.share is not None:
            kept = row.firm.share <= row.world.share if row.world.target == "at_most" else row.firm.share >= row.world.share
            assert row.met == ("met" if kept else "not_met")


def test_writing_the_recording_again_gives_the_same_bytes(tmp_path: Path) -> None:
    for path in record(recorded_rates(), tmp_path):
        assert path.read_bytes() == (FOLDER / path.name).read_bytes()
    assert record_matrix(recorded_matrix(), tmp_path).read_bytes() == (FOLDER / "matrix.json").read_bytes()


def test_the_recorded_matrix_holds_every_threat_and_every_check() -> None:
    found = recorded_matrix()
    assert {row.threat for row in found.rows} == set(THREATS)
    assert all([one.check for one in row.checks] == list(CHECKS) for row in found.rows)


def test_the_table_for_other_programs_says_the_same() -> None:
    rates = recorded_rates()
    rows = list(csv.DictReader(io.StringIO(as_csv(rates))))
    assert [float(row["firm_share"]) for row in rows] == [row.firm.share for row in rates.rows]
    assert {row["data_status"] for row in rows} == {"模拟数据 simulated"}


def test_a_changed_rule_or_world_makes_the_recording_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {name: module.table(name) for name in module.TABLES.values()}
    monkeypatch.setattr(module, "table", lambda name: tables[name].copy())
    before = {"rules": fingerprint("rules"), "worlds": fingerprint("worlds")}
    rates = recorded_rates().model_copy(update=before)
    assert stale(rates) == []
    rules = tables["grade_rules"]
    tables["grade_rules"] = rules.assign(source="another reference", verified="no")
    assert stale(rates) == []  # a mended reference changes no rate
    tables["grade_rules"] = pd.concat([rules.iloc[1:], rules.iloc[:1]], ignore_index=True)
    assert stale(rates) == ["rules"]  # the first ceiling that holds counts
    tables["selfcheck_worlds"] = tables["selfcheck_worlds"].assign(noise_sd="0.05")
    assert stale(rates) == ["rules", "worlds"]


def test_the_self_check_without_a_run_of_today_shows_the_recording() -> None:
    found = selfcheck(seeds=0)
    assert found.live is None and found.simulated
    assert found.recorded == recorded_rates()
    assert found.run_id == selfcheck(seeds=0).run_id


def test_a_single_seed_is_refused() -> None:
    with pytest.raises(EstimateError, match="at least two"):
        selfcheck(seeds=1, worlds=["few_clusters"])


def test_the_matrix_is_the_same_for_the_same_number_of_worlds_and_rests_on_the_null_world() -> None:
    shape, null = county_shape(), worlds(["null"])[0]
    assert (len(shape.cohort), shape.noise.own, shape.noise.persistence) == (null.units, null.noise_sd, null.persistence)
    from evalkit.diagnostics.threats import threat_matrix

    found = [
        matrix_of(threat_matrix(shape, threats={"trend": [0.02]}, checks=["ordinary_test"], worlds=3, seed=1)) for _ in range(2)
    ]
    assert found[0] == found[1]
    assert found[0].rows[0].size_in_noise == pytest.approx(0.5)
    with pytest.raises(EstimateError, match="2 on"):
        matrix(1)


def test_the_command_records_and_says_which_targets_are_not_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cheap(letter: str) -> Rates:
        run = {"verdict": "gain", "letter": letter, "estimate": 0.09, "std_error": 0.01, "low": 0.07, "high": 0.11}
        return recorded_rates().model_copy(
            update={"rows": [counted(world, [run] * 2) for world in worlds(["strong"])], "graded": True}
        )

    arguments = [
        "--worlds",
        "strong",
        "--seeds",
        "2",
        "--matrix",
        "0",
        "--out",
        str(tmp_path / "out"),
        "--store",
        str(tmp_path / "store"),
    ]
    monkeypatch.setattr(command, "rates", lambda *_, **__: cheap("B"))
    assert command.main(arguments) == 0
    assert ">= 80%" in (told := capsys.readouterr().out) and "NOT MET" not in told
    assert json.loads((tmp_path / "out" / "recorded.json").read_text(encoding="utf-8"))["rows"][0]["met"] == "met"
    monkeypatch.setattr(command, "rates", lambda *_, **__: cheap("C"))
    assert command.main(arguments) == 1
    assert "NOT MET" in capsys.readouterr().out


def test_some_worlds_alone_do_not_replace_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "rates", lambda *_, **__: recorded_rates())
    command.main(["--worlds", "strong", "--seeds", "2"])
    assert not (tmp_path / "data").exists()
    command.main(["--seeds", "2", "--matrix", "0"])
    assert (tmp_path / "data" / "selfcheck" / "recorded.json").is_file()


def test_an_unknown_world_is_told_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--worlds", "strng", "--store", str(tmp_path)]) == 2
    assert "Did you mean 'strong'" in capsys.readouterr().err


def test_worlds_of_the_same_rules_are_recorded_one_after_the_other(tmp_path: Path) -> None:
    whole = recorded_rates()
    first, second = (whole.model_copy(update={"rows": rows}) for rows in (whole.rows[1:], whole.rows[:1]))
    assert together(first, tmp_path) == first
    record(first, tmp_path)
    assert together(second, tmp_path) == whole
    other_rules = second.model_copy(update={"rules": "0" * 16})
    assert together(other_rules, tmp_path) == other_rules
