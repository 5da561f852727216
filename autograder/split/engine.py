"""The split engine: test cells in a trusted process, the student's code in a sandboxed one.

For every submission two warm servers fork a pair of processes that talk to each other; the engine only starts
them, hands over the work, and ends them. Where a pair cannot go on (an endless loop, a dead process), a new
pair takes over from the next cell.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from autograder import sandbox
from autograder.course_tree import Lesson, grade_id
from autograder.engine import CellRun, CellState, EngineError, Job, Limits
from autograder.files import write_atomically
from autograder.notebook_files import metadata_node

from .channel import Channel, ChannelClosedError, DeadlineError
from .interface import Interface
from .plan import RUN_BY_STUDENT, PlannedCell
from .planning import plan_cells, reference_cells
from .refusals import refused_tests

VERSION: Final = 1

_START_SECONDS = 120.0
_GRACE_SECONDS = 10.0
_IMPORT = re.compile(r"^\s*(?:import|from)\s+([\w.]+)", re.MULTILINE)
_FROM_IMPORT = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+\(?([\w ,]+)", re.MULTILINE)

# One thread a process: marks must not depend on how many submissions run beside each other.
_ENVIRONMENT: Final = {
    "LANG": "C.UTF-8",
    "NBGRADER_EXECUTION": "autograde",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_KEPT_VARIABLES: Final = ("COURSE_LIB_CACHE", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "TZ")


@dataclass
class _Progress:
    """How far the cells of one submission have come."""

    runs: dict[int, CellRun] = field(default_factory=dict)
    first: int = 0
    interface: dict[str, Any] | None = None
    finished: bool = False


class SplitEngine:
    """Runs submissions in pairs of processes; see the module."""

    def __init__(
        self,
        *,
        sandboxed: bool = True,
        shared: bool = False,
        secret: str = "",
        readable: Sequence[Path] = (),
    ) -> None:
        """Prepare without starting anything.

        Args:
            sandboxed: confine the student's process; without, the report says so.
            shared: run tests in the student's process too, for courses whose tests cannot be split.
            secret: from which hidden tests draw their inputs.
            readable: further folders that answers may read.
        """
        self.sandboxed = sandboxed
        self.shared = shared
        self.secret = secret
        self.readable = tuple(readable)
        self.identity = f"{'shared' if shared else 'split'}/{VERSION} python/{sys.version.split()[0]}"
        if not sandboxed:
            self.identity += " unsandboxed"
        self.warnings = tuple(_warnings(sandboxed=sandboxed, shared=shared))
        self._lock = threading.Lock()
        self._student_server: _Server | None = None
        self._trusted_server: _Server | None = None
        self._modules: set[str] = set()
        self._interfaces: dict[str, Interface | None] = {}

    def prepare(self, lessons: Sequence[Lesson]) -> None:
        """Start the servers with what these lessons import, and find out what their tests need; see ``Engine``."""
        wanted = {name for lesson in lessons for name in imported_modules(lesson)}
        with self._lock:
            self._start(sorted(wanted))
        self._have_ready(wanted)
        if not self.shared:
            self._have_ready({name for lesson in lessons for name in self.interface_of(lesson).modules})

    def run(self, job: Job) -> list[CellRun]:
        """Execute a notebook; see ``Engine.run``."""
        if job.lesson is None:
            raise EngineError("the split engine grades against a lesson; there is none")
        self.prepare([job.lesson])
        interface = None if self.shared else self.interface_of(job.lesson)
        cells = plan_cells(job.notebook, job.lesson)
        forbidden = _forbidden_calls(job.lesson)
        refused = refused_tests(cells, forbidden, interface)
        to_run = [replace(cell, role="skipped") if index in refused else cell for index, cell in enumerate(cells)]
        progress = self._run(to_run, interface, forbidden, job, shared=self.shared)
        runs = progress.runs | refused
        return [runs.get(index, _untouched(cell)) for index, cell in enumerate(cells)]

    def _have_ready(self, modules: Set[str]) -> None:
        """Let the servers import what the lessons have turned out to import on their way."""
        with self._lock:
            wanted = sorted(modules - self._modules - {"__main__"})
            assert self._student_server is not None
            assert self._trusted_server is not None
            for names in _in_pieces(wanted):
                self._student_server.import_modules(names)
                self._trusted_server.import_modules(names)
            self._modules.update(wanted)

    def interface_of(self, lesson: Lesson) -> Interface:
        """Return what a lesson's reference solution offers to its tests, recorded once for each version of a lesson.

        Raises:
            EngineError: if the reference passes a test in one process and not in two.
        """
        with self._lock:
            place = lesson.config.root / ".split" / f"{lesson.assignment}-{lesson.name}.json"
            state = {"lesson": lesson.fingerprint, "engine": self.identity}
            if lesson.fingerprint not in self._interfaces:
                self._interfaces[lesson.fingerprint] = _kept_interface(place, state)
            found = self._interfaces[lesson.fingerprint]
            if found is None:
                found = self._record_interface(lesson)
                self._interfaces[lesson.fingerprint] = found
                with contextlib.suppress(OSError):
                    # Only kept to save a run of the reference; a course that cannot be written to is graded as well.
                    place.parent.mkdir(exist_ok=True)
                    write_atomically(place, json.dumps({**state, "interface": found.to_json()}).encode())
            self.warnings = tuple(dict.fromkeys([*self.warnings, *found.faults]))
            return found

    def close(self) -> None:
        """End the servers."""
        with self._lock:
            for server in (self._student_server, self._trusted_server):
                if server is not None:
                    server.close()
            self._student_server = self._trusted_server = None

    def _record_interface(self, lesson: Lesson) -> Interface:
        cells = reference_cells(lesson)
        with tempfile.TemporaryDirectory(prefix="reference-") as folder:
            copy_data_files(lesson, Path(folder))
            job = Job(metadata_node({"cells": []}), Path(folder), Limits(cell_seconds=120.0, total_seconds=900), lesson)
            split = self._run(cells, None, {}, job, shared=False)
            failed = _failures(cells, split)
            shared = self._run(cells, None, {}, job, shared=True) if failed else split
        if inseparable := {key: why for key, why in failed.items() if key not in _failures(cells, shared)}:
            raise EngineError(_explain_inseparable(lesson, inseparable))
        if split.interface is None:
            raise EngineError(
                f"the reference solution of lesson {lesson} could not be run to its end, so it is not known what its "
                "tests need: run the source notebook from top to bottom and mend what stops."
            )
        interface = Interface.from_json(split.interface)
        own = {one.grade_id for one in lesson.exercises if _has_reference(lesson, one.answer_id)}
        if wrong := {key: why for key, why in failed.items() if key in own}:
            listed = "; ".join(f"{key} ({why})" for key, why in sorted(wrong.items()))
            interface.faults.append(f"The reference solution of {lesson} fails its own tests: {listed}.")
        return interface

    def _run(
        self,
        cells: Sequence[PlannedCell],
        interface: Interface | None,
        forbidden: Mapping[str, list[str]],
        job: Job,
        *,
        shared: bool,
    ) -> _Progress:
        progress = _Progress()
        deadline = time.monotonic() + job.limits.total_seconds
        for _ in range(job.limits.restarts + 1):
            if progress.finished or time.monotonic() >= deadline:
                break
            self._run_pair(progress, cells, interface, forbidden, job, deadline, shared)
        return progress

    def _run_pair(
        self,
        progress: _Progress,
        cells: Sequence[PlannedCell],
        interface: Interface | None,
        forbidden: Mapping[str, list[str]],
        job: Job,
        deadline: float,
        shared: bool,
    ) -> None:
        """Run the cells that remain in a new pair of processes."""
        assert self._student_server is not None
        assert self._trusted_server is not None
        classes = list(interface.all_classes) if interface is not None else ["*"]
        student_task = {
            "folder": str(job.folder),
            "limits": asdict(job.limits),
            "classes": classes,
            "forbidden": dict(forbidden),
        }
        with contextlib.ExitStack() as stack:
            ours, theirs = (stack.enter_context(one) for one in socket.socketpair())
            report_read, report_write = os.pipe()
            student = _Process(self._student_server, student_task, [theirs.fileno(), report_write], report_read)
            os.close(report_write)
            stack.callback(student.end)
            talk, their_talk = (stack.enter_context(one) for one in socket.socketpair())
            trusted_pid = self._trusted_server.fork({}, [ours.fileno(), their_talk.fileno()])
            stack.callback(_kill, trusted_pid)
            for one in (ours, theirs, their_talk):
                one.close()
            replayed = [
                index
                for index in range(progress.first)
                if index in progress.runs and progress.runs[index].state in (CellState.COMPLETED, CellState.ERROR)
            ]
            report = Channel(talk)
            report.deadline = deadline + _GRACE_SECONDS
            task = {
                "cells": [cell.to_json() for cell in cells],
                "first": progress.first,
                "replayed": replayed,
                "cell_seconds": job.limits.cell_seconds,
                "seconds_left": deadline - time.monotonic(),
                "shared": shared,
                "student_pid": student.confined_pid(),
                "interface": interface.to_json() if interface is not None else None,
                "folder": str(job.folder),
                "secret": self.secret,
                "student": job.student,
            }
            _follow(report, task, cells, progress, student)

    def _readable_paths(self) -> list[Path]:
        import autograder

        project = Path(autograder.__file__).resolve().parents[1]
        shown = [*sandbox.interpreter_paths(), project / "course_lib", *self.readable]
        with contextlib.suppress(ImportError):
            from course_lib.data import cache_dir

            shown.append(cache_dir())
        return [path for path in dict.fromkeys(shown) if path.exists()]

    def _start(self, modules: Iterable[str]) -> None:
        """Start the servers with some modules imported; what later lessons import is added to the running ones."""
        if self._student_server is not None:
            return
        if self.sandboxed:
            try:
                sandbox.probe()
            except sandbox.SandboxUnavailableError as error:
                raise EngineError(str(error)) from error
        self._modules = set(modules)
        student = _Server("student")
        trusted = _Server("trusted")
        for server in (student, trusted):
            server.greet(sorted(self._modules), self._readable_paths(), sandboxed=self.sandboxed)
        for server in (student, trusted):
            server.wait_until_ready()
        self._student_server, self._trusted_server = student, trusted


class _Server:
    """One warm server and the connection to it."""

    def __init__(self, kind: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.kind = kind
        self.control = ours
        self.lock = threading.Lock()
        self.messages = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        project = Path(__file__).resolve().parents[2]
        environment = sandbox.clean_environment() | _ENVIRONMENT | {"PYTHONPATH": str(project)}
        environment |= {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        if kind == "student":
            # The same order of a set in every run. Collisions with the trusted process's hashes must not be planned.
            environment["PYTHONHASHSEED"] = "0"
        environment["MPLBACKEND"] = "agg" if kind == "trusted" else "module://matplotlib_inline.backend_inline"
        with contextlib.suppress(ImportError):
            from course_lib.data import cache_dir

            environment["COURSE_LIB_CACHE"] = str(cache_dir())
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "autograder.split.warm", kind, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self.messages,
            stderr=self.messages,
            env=environment,
            cwd="/",
        )
        theirs.close()

    def greet(self, modules: Sequence[str], readable: Sequence[Path], *, sandboxed: bool) -> None:
        paths = [str(path) for path in readable]
        self.control.send(json.dumps({"modules": list(modules), "readable": paths, "sandboxed": sandboxed}).encode())

    def wait_until_ready(self) -> None:
        self.control.settimeout(_START_SECONDS)
        try:
            if self.control.recv(1 << 16):
                self.control.settimeout(None)
                return
        except OSError:
            pass
        raise EngineError(f"the {self.kind} process could not be started: {self.last_words()}")

    def import_modules(self, names: Sequence[str]) -> None:
        self.fork({"modules": list(names)}, [])

    def fork(self, task: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """Fork a process that owns copies of some descriptors; return its process id."""
        with self.lock:
            try:
                socket.send_fds(self.control, [json.dumps(task).encode()], list(descriptors))
                reply = self.control.recv(1 << 16)
            except OSError as error:
                raise EngineError(f"the {self.kind} server does not answer ({error}): {self.last_words()}") from error
        if not reply:
            raise EngineError(f"the {self.kind} server has ended: {self.last_words()}")
        return int(json.loads(reply)["pid"])

    def close(self) -> None:
        self.control.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.messages.close()

    def last_words(self) -> str:
        self.messages.seek(0)
        return self.messages.read()[-2_000:].decode("utf-8", "replace").strip() or "it said nothing"


class _Process:
    """A student's process, seen through its keeper."""

    def __init__(self, server: _Server, task: Mapping[str, Any], descriptors: Sequence[int], report: int) -> None:
        self.server = server
        self.keeper_pid = server.fork(task, descriptors)
        self.report = os.fdopen(report, "rb")
        self._pid: int | None = None
        self._ended: dict[str, Any] | None = None

    def confined_pid(self) -> int:
        if self._pid is None:
            line = self.report.readline()
            if not line:
                raise EngineError(f"the student's process could not be confined: {self.server.last_words()}")
            first = json.loads(line)
            if "pid" not in first:
                raise EngineError(f"the student's process could not be confined: {first}")
            self._pid = int(first["pid"])
        return self._pid

    def killed_for_memory(self) -> bool:
        """Say whether memory was the end of it; waits for the keeper's report."""
        if self._ended is None:
            line = self.report.readline()
            self._ended = json.loads(line) if line else {}
        return bool(self._ended.get("killed_for_memory"))

    def end(self) -> None:
        _kill(self.keeper_pid)
        # The end of the pipe says that the keeper, and with it everything below it, is gone.
        self.report.read()
        self.report.close()


def _follow(
    report: Channel, task: Mapping[str, Any], cells: Sequence[PlannedCell], progress: _Progress, student: _Process
) -> None:
    """Hand over the task and take in what becomes of the cells, until the pair has finished or broken."""
    current = progress.first
    try:
        report.send(json.dumps(task).encode())
        while True:
            message = json.loads(report.receive())
            if "cell" in message:
                current = message["cell"]
                progress.runs[current] = _run_of(message["run"])
                progress.first = current = current + 1
            elif "broken" in message:
                if message["broken"] == "crashed" and current > 0 and student.killed_for_memory():
                    last = progress.runs[current - 1]
                    progress.runs[current - 1] = replace(last, state=CellState.OUT_OF_MEMORY)
                return
            else:
                progress.finished = True
                progress.interface = message["interface"]
                return
    except (ChannelClosedError, DeadlineError):
        # The trusted process itself ended or hung, in the first cell that has not been reported.
        index = next((i for i in range(current, len(cells)) if cells[i].role in (*RUN_BY_STUDENT, "test")), len(cells))
        if index < len(cells):
            progress.runs[index] = CellRun(CellState.CRASHED)
        progress.first = index + 1


def _run_of(message: Mapping[str, Any]) -> CellRun:
    return CellRun(
        CellState(message["state"]),
        [metadata_node(output) for output in message["outputs"]],
        message["execution_count"],
        message["seconds"],
        message["student_seconds"],
        message["peak_memory_bytes"],
    )


def _failures(cells: Sequence[PlannedCell], progress: _Progress) -> dict[str, str]:
    """Return the tests that did not pass, by grade id, with the last line of the reason."""
    found = {}
    for index, cell in enumerate(cells):
        run = progress.runs.get(index)
        if cell.role != "test" or (run is not None and run.state is CellState.COMPLETED):
            continue
        errors = [one for one in (run.outputs if run is not None else ()) if one["output_type"] == "error"]
        reason = f"{errors[-1]['ename']}: {errors[-1]['evalue']}" if errors else str(run.state if run else "not run")
        found[cell.key] = reason.split("\n")[0][:300].rstrip(": ")
    return found


def _explain_inseparable(lesson: Lesson, tests: Mapping[str, str]) -> str:
    listed = "\n".join(f"  {key}: {why}" for key, why in sorted(tests.items()))
    return (
        f"Lesson {lesson} cannot be graded in two processes: its reference solution passes these tests only where test "
        f"and answer share one process.\n{listed}\n"
        "Such tests reach into the answer's process: they replace functions or modules there, write or read files, "
        "feed input(), or look at the current figure. Change them, or grade this course with --engine shared; marks "
        "given that way can be forged, and every report says so."
    )


def _has_reference(lesson: Lesson, answer_id: str | None) -> bool:
    """Say whether the source notebook solves an exercise, rather than holding the stub that students get."""
    released = lesson.released_answers.get(answer_id or "")
    own = [str(cell.source) for cell in lesson.source.cells if grade_id(cell) == answer_id]
    return bool(own) and released is not None and own[0].strip() != str(released.source).strip()


def _untouched(cell: PlannedCell) -> CellRun:
    if cell.role == "text":
        return CellRun(CellState.COMPLETED)
    return CellRun(CellState.SKIPPED if cell.role == "skipped" else CellState.NOT_RUN)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def imported_modules(lesson: Lesson) -> Iterator[str]:
    """Yield the modules that a lesson's notebook imports, for the servers to have them ready."""
    for cell in lesson.source.cells:
        if cell.cell_type != "code":
            continue
        yield from _IMPORT.findall(cell.source)
        for module, names in _FROM_IMPORT.findall(cell.source):
            # ``from package import module`` may name modules; what is none simply fails to import.
            yield from (f"{module}.{name.split()[0]}" for name in names.split(",") if name.split())


def _in_pieces(names: Sequence[str], size: int = 1_000) -> Iterator[Sequence[str]]:
    """Cut a list of module names into pieces that fit a message to a server."""
    for start in range(0, len(names), size):
        yield names[start : start + size]


def copy_data_files(lesson: Lesson, folder: Path) -> None:
    """Give a run the instructor's data files."""
    for path in lesson.source_path.parent.rglob("*"):
        if path.is_file() and path.suffix != ".ipynb" and ".ipynb_checkpoints" not in path.parts:
            target = folder / path.relative_to(lesson.source_path.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _kept_interface(place: Path, state: Mapping[str, str]) -> Interface | None:
    try:
        kept = json.loads(place.read_bytes())
        if {key: kept.get(key) for key in state} == dict(state):
            return Interface.from_json(kept["interface"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Nothing usable is kept: it is recorded again.
        return None
    return None


def _forbidden_calls(lesson: Lesson) -> dict[str, list[str]]:
    """Return the calls that each exercise forbids, by the grade id of its answer."""
    found = {}
    for cell in lesson.source.cells:
        names = cell.metadata.get("course", {}).get("forbid", [])
        key = cell.metadata.get("nbgrader", {}).get("grade_id")
        if names and key:
            found[str(key)] = [str(name) for name in names]
    return found


def _warnings(*, sandboxed: bool, shared: bool) -> Iterator[str]:
    if shared:
        yield (
            "These marks can be forged: tests and answers ran in one process (--engine shared), "
            "where an answer can change what a test sees."
        )
    if not sandboxed:
        yield (
            "The answers ran without a sandbox (--unsandboxed): they could read and change everything "
            "that the grader's user can."
        )
