"""The trusted process of one submission: runs given and test cells, and asks the student's process for the rest.

It stops at the first cell after which the student's process cannot be used, says so, and leaves it to the
engine to start a new pair of processes for the cells that remain.
"""

from __future__ import annotations

import contextlib
import json
import linecache
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from .channel import Channel
from .descriptions import import_named
from .interface import Interface, bound_names
from .plan import RUN_BY_STUDENT, PlannedCell
from .session import Session, StudentGoneError, StudentTimedOutError
from .shell import CellResult, NotebookShell

_MIME_TYPES = ("text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/jpeg", "image/svg+xml")
_MAX_TEXT = 4 * 2**20


class _TestTimedOutError(BaseException):
    """The test cell itself took too long. Not an ``Exception``, so that no test can catch it by accident."""


def run_notebook(task: Mapping[str, Any], student: Channel, report: Channel, shell: NotebookShell) -> None:
    """Run a notebook's cells and report each.

    Args:
        task: the cells, the limits and what to begin with; see ``engine``.
        student: to the student's process.
        report: to the engine; one JSON message a cell, and one at the end.
        shell: of this process.
    """
    notebook = TrustedNotebook(task, student, shell)
    # Known last, since the sandbox is being built meanwhile.
    notebook.student_pid = int(report.receive())
    for message in notebook.run():
        report.send(json.dumps(message).encode())


class TrustedNotebook:
    """The state of one notebook across its cells."""

    def __init__(self, task: Mapping[str, Any], student: Channel, shell: NotebookShell) -> None:
        """Prepare; see ``run_notebook``."""
        self.cells = [PlannedCell.from_json(one) for one in task["cells"]]
        self.first = int(task["first"])
        self.replayed = frozenset(task["replayed"])
        self.cell_seconds = float(task["cell_seconds"])
        self.deadline = time.monotonic() + float(task["seconds_left"])
        self.shared = bool(task["shared"])
        # Counted as JSON, which takes more room than the text that the student's own process counts.
        self.output_bytes = 2 * int(task["output_bytes"])
        self.displays = int(task["displays"])
        self.student_pid = 0
        self.shell = shell
        interface = task.get("interface")
        self.interface = None if interface is None else Interface.from_json(interface)
        self.session = Session(student, self.interface, shell.user_ns)
        self.answer_names: set[str] = set()
        self.free_names: set[str] = set(task["answer_names"])
        self.stale = True

    def run(self) -> Iterator[dict[str, Any]]:
        """Run the cells; yield what became of each, and at the end what was recorded."""
        for index, cell in enumerate(self.cells):
            if index < self.first:
                if index in self.replayed and cell.role in RUN_BY_STUDENT:
                    self._run(index, cell)
                    if self.session.failure is not None:
                        yield {"broken": _state_of(self.session.failure)}
                        return
                continue
            if cell.role not in (*RUN_BY_STUDENT, "test"):
                continue
            if time.monotonic() >= self.deadline:
                break
            yield {"cell": index, "run": self._run(index, cell)}
            if self.session.failure is not None:
                yield {"broken": _state_of(self.session.failure)}
                return
        recorded = self.session.recorded
        if recorded is not None:
            recorded.modules = sorted({*self.session.modules(), *sys.modules})
        yield {"finished": True, "interface": recorded.to_json() if recorded is not None else None}

    def _run(self, index: int, cell: PlannedCell) -> dict[str, Any]:
        """Run one cell where it belongs and return its record."""
        started = time.monotonic()
        self.session.seconds = 0.0
        self.session.channel.deadline = min(started + self.cell_seconds, self.deadline)
        self.session.exercise = cell.exercise
        name = f"<cell {index + 1}>"
        outputs: list[dict[str, Any]] = []
        state = "completed"
        try:
            if cell.role in RUN_BY_STUDENT or self.shared:
                outputs, state = self._run_in_student(cell, name, index + 1)
            if cell.role in ("given", "test") and not self.shared:
                result = self._run_here(cell, name, index + 1)
                if cell.role == "test":
                    outputs, state = result.outputs, "error" if result.error is not None else "completed"
                    if isinstance(result.error, _TestTimedOutError):
                        state = "timed out"
        except (StudentTimedOutError, StudentGoneError):
            state = "crashed"
        if self.session.failure is not None:
            state = _state_of(self.session.failure)
        return {
            "state": state,
            "outputs": outputs,
            "execution_count": index + 1,
            "seconds": time.monotonic() - started,
            "student_seconds": self.session.seconds,
            "peak_memory_bytes": peak_memory_bytes(self.student_pid),
        }

    def _run_in_student(self, cell: PlannedCell, name: str, count: int) -> tuple[list[dict[str, Any]], str]:
        exercise = None if cell.role == "given" else cell.exercise or ""
        _register_source(name, cell.source)
        found = self.session.run_cell(cell.source, name, count, exercise)
        self.stale = True
        if cell.role == "answer":
            self._answered(cell)
        outputs = self._bounded(_checked_outputs(found.get("outputs") if type(found) is dict else None, count))
        return outputs, "error" if type(found) is dict and found.get("failed") is True else "completed"

    def _bounded(self, outputs: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
        """Keep what the limits allow; the student's process keeps to them only if its code lets it."""
        kept: list[dict[str, Any]] = []
        left = self.output_bytes
        for output in outputs:
            left -= len(json.dumps(output))
            if left < 0 or len(kept) > self.displays:
                break
            kept.append(output)
        return kept

    def _answered(self, cell: PlannedCell) -> None:
        """Note which names the answer cell is there to bind."""
        if self.session.recorded is not None:
            names = self._record(cell)
        else:
            names = self.session.interface.names.get(cell.key, [])
        self.answer_names.update(names)

    def _record(self, cell: PlannedCell) -> list[str]:
        recorded = self.session.recorded
        assert recorded is not None
        source = self.shell.plain_source(cell.source)
        homes = self.session.bound(bound_names(source))
        recorded.names[cell.key] = [name for name, home in homes.items() if not home]
        recorded.imports.update({name: home for name, home in homes.items() if home})
        self._bind_imports(recorded.imports)
        return recorded.names[cell.key]

    def _bind_imports(self, imports: Mapping[str, str]) -> None:
        """Bind what the reference imports from libraries here as well: tests rely on ``import`` in an answer cell."""
        self.shell.user_ns.update({name: import_named(home) for name, home in imports.items()})

    def _run_here(self, cell: PlannedCell, name: str, count: int) -> CellResult:
        """Run a given or test cell in this process."""
        if self.interface is not None and self.stale:
            self._bind_imports(
                {key: home for key, home in self.interface.imports.items() if key not in self.shell.user_ns}
            )
        self.session.test = cell.key
        # Whatever a trusted cell has bound, by a star import for one, is not for an answer to bind.
        free = {key for key in self.free_names if key not in self.shell.user_ns or key in self.session.fetched}
        if self.stale and (names := self.answer_names | free):
            self.session.fetch(sorted(names))
            self.stale = False
        with _interrupted_at(self.session.channel.deadline):
            result = self.shell.run_notebook_cell(cell.source, name, count)
        # What a trusted cell binds is its own from now on, whatever an answer has bound before.
        self.answer_names -= set(cell.binds)
        self.free_names -= set(cell.binds)
        if cell.role == "test":
            self.stale = True
            if self.session.failure is None:
                self.session.forget_graphs()
        return result


def peak_memory_bytes(pid: int) -> int | None:
    """Return the largest memory that a process has had, as the kernel counts it; ``None`` where it does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", errors="replace")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def _state_of(failure: BaseException) -> str:
    return "timed out" if isinstance(failure, StudentTimedOutError) else "crashed"


@contextlib.contextmanager
def _interrupted_at(deadline: float | None) -> Iterator[None]:
    """End a test cell that runs on without asking the student's process for anything."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _TestTimedOutError("the time of this exercise is up")

    if deadline is None:
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    # A little later than the connection's own deadline, which tells more.
    signal.setitimer(signal.ITIMER_REAL, max(0.05, deadline - time.monotonic() + 0.5))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _register_source(name: str, source: str) -> None:
    """Let ``inspect.getsource`` find a student's function in the text that was handed in."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)


def _checked_outputs(outputs: Any, count: int) -> Iterator[dict[str, Any]]:
    """Yield the outputs of a cell that ran in the student's process in the form that nbformat asks for."""
    for output in outputs if type(outputs) is list else ():
        kind = output.get("output_type") if type(output) is dict else None
        if kind == "stream":
            name = "stderr" if output.get("name") == "stderr" else "stdout"
            yield {"output_type": "stream", "name": name, "text": _text(output.get("text"))}
        elif kind == "error":
            lines = output.get("traceback")
            traceback: Sequence[Any] = lines if type(lines) is list else []
            yield {
                "output_type": "error",
                "ename": _text(output.get("ename"))[:200],
                "evalue": _text(output.get("evalue")),
                "traceback": [_text(line) for line in traceback[:200]],
            }
        elif kind in ("display_data", "execute_result"):
            data = output.get("data")
            kept = {key: _text(data[key]) for key in _MIME_TYPES if key in data} if type(data) is dict else {}
            checked: dict[str, Any] = {"output_type": kind, "data": kept, "metadata": {}}
            yield checked | ({"execution_count": count} if kind == "execute_result" else {})


def _text(value: Any) -> str:
    return value[:_MAX_TEXT].encode("utf-8", "replace").decode("utf-8") if type(value) is str else ""


def set_private_inputs(secret: str, student: str) -> None:
    """Tell the hidden tests from which secret to draw their inputs."""
    os.environ["COURSE_HIDDEN_INPUTS_SECRET"] = secret
    os.environ["COURSE_STUDENT"] = student
