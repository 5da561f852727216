"""The command line: tables, one clear line on failure, and exit statuses that scripts can trust."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from course_lib import data
from course_lib.data import cache, corpus, registry, rooms

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command() -> ModuleType:
    spec = importlib.util.spec_from_file_location("data_fetch", ROOT / "data_fetch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.console.width = module.errors.width = 200
    return module


@pytest.fixture
def music_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and a corpus of one part, so that a build takes half a second."""
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path))
    monkeypatch.setattr(corpus, "PART_NAMES", ("music",))
    return tmp_path


def test_list_shows_parts_and_corpora(command: ModuleType, music_only: Path) -> None:
    answer = CliRunner().invoke(command.app, ["list"])
    assert answer.exit_code == 0
    assert "not built" in answer.output
    for entry in registry.CORPORA.values():
        assert entry.name in answer.output
        assert all(word in answer.output for word in entry.licence.split())
        assert entry.size in answer.output


def test_build_verify_damage_repair(command: ModuleType, music_only: Path) -> None:
    run = CliRunner()
    assert "4 items built" in run.invoke(command.app, ["build"]).output
    assert "complete" in run.invoke(command.app, ["build"]).output
    good = run.invoke(command.app, ["verify", "--strict"])
    assert good.exit_code == 0
    assert "4 within tolerance" in good.output
    (corpus.corpus_dir() / "music" / "lead.wav").write_bytes(b"")
    bad = run.invoke(command.app, ["verify"])
    assert bad.exit_code == 1
    assert "error: music/lead is damaged" in bad.output
    assert "1 to repair" in run.invoke(command.app, ["list"]).output
    assert run.invoke(command.app, ["build"]).exit_code == 0
    assert run.invoke(command.app, ["verify"]).exit_code == 0


def test_verify_before_build_fails(command: ModuleType, music_only: Path) -> None:
    answer = CliRunner().invoke(command.app, ["verify"])
    assert answer.exit_code == 1
    assert "music/bass is missing" in answer.output
    assert "Traceback" not in answer.output


def test_a_part_that_cannot_be_built_does_not_stop_the_others(
    command: ModuleType, music_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "PART_NAMES", ("rooms", "music"))
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    answer = CliRunner().invoke(command.app, ["build"])
    assert answer.exit_code == 1
    assert "error: rooms: Rooms are simulated by the package pyroomacoustics" in answer.output
    assert {report.state for report in data.verify_corpus(["music"])} == {"within tolerance"}


@pytest.mark.parametrize(
    "error", [registry.FetchError("no such place"), OSError("disk on fire"), rooms.RoomSimulationError("no walls")]
)
def test_a_failure_is_one_line(command: ModuleType, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(registry, "fetch", fail)
    answer = CliRunner().invoke(command.app, ["fetch", "mini-librispeech"])
    assert answer.exit_code == 1
    assert [line for line in answer.output.splitlines() if line.strip()] == [f"error: {error}"]


def test_fetching_an_unknown_name_lists_names_with_sizes(command: ModuleType) -> None:
    answer = CliRunner().invoke(command.app, ["fetch", "timit"])
    assert answer.exit_code == 1
    for entry in registry.CORPORA.values():
        assert f"{entry.name} ({entry.size})" in answer.output


def test_fetch_names_folder_licence_and_attribution(command: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(entry: registry.RealCorpus, progress: object) -> Path:
        progress(1, 2)  # type: ignore[operator]
        return Path("/somewhere") / entry.name

    monkeypatch.setattr(registry, "fetch", fetch)
    answer = CliRunner().invoke(command.app, ["fetch", "demand-kitchen"])
    assert answer.exit_code == 0
    assert "demand-kitchen: /somewhere/demand-kitchen" in answer.output
    assert "CC BY-SA 3.0. J. Thiemann" in answer.output


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    where = subprocess.run(
        [sys.executable, ROOT / "data_fetch.py", "where"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, cache.ENVIRONMENT_VARIABLE: str(tmp_path)},
    )
    assert where.stdout.strip() == str(tmp_path)
    wrong = subprocess.run(
        [sys.executable, ROOT / "data_fetch.py", "fetch", "timit"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 1
    assert wrong.stdout == ""
    assert wrong.stderr.startswith("error: there is no corpus 'timit'.")
    assert "Traceback" not in wrong.stderr
