"""The set-up script behind make: what it refuses, and what it does not do twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import tasks  # noqa: E402


@pytest.fixture
def fresh_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with a lock and no environment; commands are recorded instead of run."""
    (tmp_path / "requirements.lock").write_text("numpy==2.0\n")
    (tmp_path / "requirements-compiled.lock").write_text("pesq==0.0.4\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    monkeypatch.setattr(tasks, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(tasks, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(tasks, "COMPILED_LOCK", tmp_path / "requirements-compiled.lock")
    monkeypatch.setattr(tasks, "PROJECT", tmp_path / "pyproject.toml")
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    recorded: list[str] = []

    def create(folder: Path, **_: object) -> None:
        python = tasks.environment_python()
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()
        recorded.append("create environment")

    monkeypatch.setattr(tasks.venv, "create", create)

    def record(*command: object) -> int:
        recorded.append(" ".join(map(str, command[1:])))
        return 0

    monkeypatch.setattr(tasks, "status_of", record)
    return recorded


def test_an_unsupported_python_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.sys, "version_info", (3, 10, 4))
    monkeypatch.setattr(tasks.sys, "version", "3.10.4 (main)")
    with pytest.raises(SystemExit, match=r"This is Python 3.10.4; .* make run PYTHON=python3.11"):
        tasks.ensure_environment()


def test_the_environment_is_installed_once(fresh_root: Path, commands: list[str]) -> None:
    tasks.ensure_environment()
    assert commands[0] == "create environment"
    assert any("-r" in command and "requirements.lock" in command for command in commands)
    commands.clear()
    tasks.ensure_environment()
    assert commands == []


def test_a_new_lock_is_installed(fresh_root: Path, commands: list[str]) -> None:
    tasks.ensure_environment()
    commands.clear()
    (fresh_root / "requirements.lock").write_text("numpy==2.1\n")
    tasks.ensure_environment()
    assert any("requirements.lock" in command for command in commands)


def test_an_interrupted_installation_is_taken_up_again(
    fresh_root: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*command: object) -> None:
        raise SystemExit(1)

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "call", fail)
        with pytest.raises(SystemExit):
            tasks.ensure_environment()
    commands.clear()
    tasks.ensure_environment()
    assert any("requirements.lock" in command for command in commands)


def test_what_cannot_be_compiled_is_done_without(
    fresh_root: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tasks, "status_of", lambda *command: int(str(command[-1]).endswith("compiled.lock")))
    tasks.ensure_environment()
    assert "PESQ could not be built, which needs a C compiler" in capsys.readouterr().out
    commands.clear()
    tasks.ensure_environment()
    assert commands == []


def test_a_failing_step_ends_with_its_exit_status() -> None:
    with pytest.raises(SystemExit) as stop:
        tasks.call(sys.executable, "-c", "raise SystemExit(7)")
    assert stop.value.code == 7


@pytest.mark.parametrize("task", sorted(tasks.TASKS))
def test_make_has_a_target_for_every_task(task: str) -> None:
    dry_run = subprocess.run(["make", "--dry-run", task], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"tools/tasks.py {task}" in dry_run.stdout
