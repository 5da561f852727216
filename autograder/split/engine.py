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
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from autograder import sandbox
from autograder.course_tree import Lesson, grade_id
from autograder.engine import CellRun, CellState, EngineError, Job, LessonRefusedError, Limits
from autograder.files import write_atomically
from autograder.notebook_files import metadata_node

from .channel import Channel, ChannelClosedError, DeadlineError
from .interface import Interface
from .plan import RUN_BY_STUDENT, PlannedCell
from .planning import answer_names, plan_cells, reference_cells
from .refusals import refused_tests
from .repeats import by_itself, tests_to_repeat, told_again
from .servers import StudentProcess, WarmServer, kill, start_server

VERSION: Final = 1

_GRACE_SECONDS = 10.0
_IMPORT = re.compile(r"^\s*(?:import|from)\s+([\w.]+)", re.MULTILINE)
_FROM_IMPORT = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+\(?([\w ,]+)", re.MULTILINE)


@dataclass(frozen=True)
class _Template:
    """Servers in which the cells given at the beginning of a lesson have been run, and what those cells gave."""

    student: WarmServer
    trusted: WarmServer
    given: tuple[str, ...]
    runs: dict[int, CellRun]


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
            readable: further files and folders that answers may read.
        """
        self.sandboxed = sandboxed
        self.shared = shared
        self.secret = secret
        self.readable = tuple(readable)
        self.identity = f"{'shared' if shared else 'split'}/{VERSION} python/{sys.version.split()[0]}"
        if not sandboxed:
            self.identity += " unsandboxed"
        if readable:
            self.identity += f" readable {sorted(map(str, readable))}"
        self.warnings = tuple(_warnings(sandboxed=sandboxed, shared=shared))
        self._lock = threading.Lock()
        self._student_server: WarmServer | None = None
        self._trusted_server: WarmServer | None = None
        self._modules: set[str] = set()
        self._prepared: set[str] = set()
        self._interfaces: dict[str, Interface | None] = {}
        self._templates: dict[str, _Template | None] = {}
        self._folders = contextlib.ExitStack()
        self._ending: list[StudentProcess] = []
        self._ending_lock = threading.Lock()

    def prepare(self, lessons: Sequence[Lesson]) -> None:
        """Start the servers with what these lessons import, and find out what their tests need; see ``Engine``."""
        wanted = {name for lesson in lessons for name in imported_modules(lesson)}
        with self._lock:
            self._start(sorted(wanted), lessons)
        self._have_ready(wanted)
        if not self.shared:
            self._have_ready({name for lesson in lessons for name in self.interface_of(lesson).modules})
        self._prepared.update(lesson.fingerprint for lesson in lessons)

    def _prepare_once(self, lesson: Lesson) -> None:
        """Prepare a lesson at its first submission, and again when servers that have died must be started anew."""
        if lesson.fingerprint not in self._prepared or any(server.ended for server in self._servers()):
            self.prepare([lesson])

    def run(self, job: Job) -> list[CellRun]:
        """Execute a notebook; see ``Engine.run``."""
        if job.lesson is None:
            raise EngineError("the split engine grades against a lesson; there is none")
        self._prepare_once(job.lesson)
        interface = None if self.shared else self.interface_of(job.lesson)
        cells = plan_cells(job.notebook, job.lesson)
        forbidden = _forbidden_calls(job.lesson)
        refused = refused_tests(cells, forbidden, interface)
        to_run = [replace(cell, role="skipped") if index in refused else cell for index, cell in enumerate(cells)]
        template = self._template_of(job.lesson, interface, forbidden)
        started = time.monotonic()
        runs = self._run(to_run, interface, forbidden, job, shared=self.shared, template=template).runs
        for index in tests_to_repeat(to_run, runs) if not self.shared else ():
            left = max(1.0, job.limits.total_seconds - (time.monotonic() - started))
            alone = replace(job, limits=replace(job.limits, total_seconds=left, restarts=0))
            again = self._run(by_itself(to_run, index), interface, forbidden, alone, shared=False, template=template)
            for place in (i for i in runs if i <= index and to_run[i].exercise == to_run[index].exercise):
                if to_run[place].role in ("answer", "extra") or place == index:
                    runs[place] = told_again(runs[place], again.runs.get(place))
        runs |= refused
        return [runs.get(index, _untouched(cell)) for index, cell in enumerate(cells)]

    def _have_ready(self, modules: Set[str]) -> None:
        """Let the servers import what the lessons have turned out to import on their way."""
        with self._lock:
            wanted = sorted(modules - self._modules - {"__main__"})
            assert self._student_server is not None
            assert self._trusted_server is not None
            if not wanted:
                return
            with ThreadPoolExecutor(2) as both:
                for done in [
                    both.submit(server.import_modules, wanted)
                    for server in (self._student_server, self._trusted_server)
                ]:
                    done.result()
            self._modules.update(wanted)

    def faults_of(self, lesson: Lesson) -> list[str]:
        """Return what is wrong with a lesson's own tests, without starting anything for one that has been tried.

        Raises:
            EngineError: as ``interface_of``.
        """
        kept = _kept_interface(*_kept_place(lesson))
        if kept is None:
            with self._lock:
                self._start(imported_modules(lesson), [lesson])
            kept = self.interface_of(lesson)
        return kept.faults

    def interface_of(self, lesson: Lesson) -> Interface:
        """Return what a lesson's reference solution offers to its tests, recorded once for each version of a lesson.

        Raises:
            LessonRefusedError: if the reference passes a test in one process and not in two.
        """
        with self._lock:
            place, state = _kept_place(lesson)
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

    def _template_of(
        self, lesson: Lesson, interface: Interface | None, forbidden: Mapping[str, list[str]]
    ) -> _Template | None:
        """Return a lesson's template, made at its first submission; ``None`` where the lesson can have none."""
        with self._lock:
            if lesson.fingerprint not in self._templates:
                self._templates[lesson.fingerprint] = self._make_template(lesson, interface, forbidden)
            return self._templates[lesson.fingerprint]

    def _make_template(
        self, lesson: Lesson, interface: Interface | None, forbidden: Mapping[str, list[str]]
    ) -> _Template | None:
        assert self._student_server is not None
        assert self._trusted_server is not None
        given = _given_at_the_beginning(reference_cells(lesson))
        if not given:
            return None
        folder = Path(self._folders.enter_context(tempfile.TemporaryDirectory(prefix="lesson-")))
        lesson.copy_data_files(folder)
        content = {
            "folder": str(folder),
            "given": given,
            "classes": _classes(interface),
            "forbidden": dict(forbidden),
        }
        servers: list[WarmServer | None] = []
        found = []
        for server in (self._student_server, self._trusted_server):
            with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                servers.append(server.template(Path(file.name)))
                found.append(json.loads(Path(file.name).read_bytes()))
        student, trusted = servers
        if student is None or trusted is None:
            for made in servers:
                if made is not None:
                    made.close()
            return None
        runs = {
            index: CellRun(CellState.COMPLETED, [metadata_node(one) for one in outputs], index + 1)
            for index, outputs, _ in found[0]
        }
        return _Template(student, trusted, tuple(source for _, source in given), runs)

    def close(self) -> None:
        """End the servers."""
        with self._lock:
            self._end_servers()
            for student in self._ending:
                student.wait()
            self._ending = []
            self._folders.close()

    def _servers(self) -> list[WarmServer]:
        templates = [one for one in self._templates.values() if one is not None]
        servers = [server for one in templates for server in (one.student, one.trusted)]
        return [*servers, *(one for one in (self._student_server, self._trusted_server) if one is not None)]

    def _end_servers(self) -> None:
        for server in self._servers():
            server.close()
        self._templates = {}
        self._prepared = set()
        self._student_server = self._trusted_server = None

    def _record_interface(self, lesson: Lesson) -> Interface:
        cells = reference_cells(lesson)
        with tempfile.TemporaryDirectory(prefix="reference-") as folder:
            lesson.copy_data_files(Path(folder))
            job = Job(metadata_node({"cells": []}), Path(folder), Limits(cell_seconds=120.0, total_seconds=900), lesson)
            split = self._run(cells, None, {}, job, shared=False)
            failed = _failures(cells, split)
            shared = self._run(cells, None, {}, job, shared=True) if failed else split
        if inseparable := {key: why for key, why in failed.items() if key not in _failures(cells, shared)}:
            raise LessonRefusedError(_explain_inseparable(lesson, inseparable))
        if split.interface is None:
            raise LessonRefusedError(
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
        template: _Template | None = None,
    ) -> _Progress:
        progress = _Progress()
        if template is not None:
            if [source for _, source in _given_at_the_beginning(cells)] == list(template.given):
                progress = _Progress(dict(template.runs), first=1 + max(template.runs))
            else:
                # The student has put a cell of their own before or between those given at the beginning.
                template = None
        task = {
            "cells": [
                (cell if cell.role in (*RUN_BY_STUDENT, "test") else replace(cell, source="")).to_json()
                for cell in cells
            ],
            "done": progress.first,
            "cell_seconds": job.limits.cell_seconds,
            "shared": shared,
            "output_bytes": job.limits.output_bytes,
            "displays": job.limits.displays,
            "interface": replace(interface, modules=[]).to_json() if interface is not None else None,
            "answer_names": sorted(set(answer_names(cells)) - set(interface.imports)) if interface is not None else [],
            "folder": str(job.folder),
            "secret": self.secret,
            "student": job.student,
        }
        student_task = {
            "folder": str(job.folder),
            "limits": asdict(job.limits),
            "classes": _classes(interface),
            "forbidden": dict(forbidden),
        }
        deadline = time.monotonic() + job.limits.total_seconds
        for _ in range(job.limits.restarts + 1):
            if progress.finished or time.monotonic() >= deadline:
                break
            self._run_pair(progress, task, student_task, cells, deadline, template)
        return progress

    def _run_pair(
        self,
        progress: _Progress,
        task: Mapping[str, Any],
        student_task: Mapping[str, Any],
        cells: Sequence[PlannedCell],
        deadline: float,
        template: _Template | None,
    ) -> None:
        """Run the cells that remain in a new pair of processes."""
        student_server = template.student if template is not None else self._student_server
        trusted_server = template.trusted if template is not None else self._trusted_server
        assert student_server is not None
        assert trusted_server is not None
        with contextlib.ExitStack() as stack:
            ours, theirs = (stack.enter_context(one) for one in socket.socketpair())
            report_read, report_write = os.pipe()
            student = StudentProcess(student_server, student_task, [theirs.fileno(), report_write], report_read)
            os.close(report_write)
            stack.callback(self._end, student)
            talk, their_talk = (stack.enter_context(one) for one in socket.socketpair())
            trusted_pid = trusted_server.fork({}, [ours.fileno(), their_talk.fileno()])
            stack.callback(kill, trusted_pid)
            for one in (ours, theirs, their_talk):
                one.close()
            ran_well = (CellState.COMPLETED, CellState.ERROR)
            report = Channel(talk)
            report.deadline = deadline + _GRACE_SECONDS
            state = {
                "first": progress.first,
                "replayed": [
                    index
                    for index in range(task["done"], progress.first)
                    if index in progress.runs and progress.runs[index].state in ran_well
                ],
                "seconds_left": deadline - time.monotonic(),
            }
            _follow(report, {**task, **state}, cells, progress, student)

    def _end(self, student: StudentProcess) -> None:
        """Kill a student's process; that it is gone is waited for after the next one's end."""
        student.kill()
        with self._ending_lock:
            before, self._ending = self._ending, [student]
        for one in before:
            one.wait()

    def _readable_paths(self) -> list[Path]:
        import autograder

        project = Path(autograder.__file__).resolve().parents[1]
        shown = [*sandbox.interpreter_paths(), project / "course_lib", *self.readable]
        with contextlib.suppress(ImportError):
            from course_lib.data import cache_dir

            shown.append(cache_dir())
        return [path for path in dict.fromkeys(shown) if path.exists()]

    def _start(self, modules: Iterable[str], lessons: Sequence[Lesson]) -> None:
        """Start the servers with some modules imported; what later lessons import is added to the running ones.

        A server that has died, killed by the kernel for memory, say, costs the submission that it was needed for.
        """
        if any(server.ended for server in self._servers()):
            self._end_servers()
        if self._student_server is not None:
            return
        if self.sandboxed:
            try:
                sandbox.probe()
            except sandbox.SandboxUnavailableError as error:
                raise EngineError(str(error)) from error
        self._modules |= set(modules)
        hidden = _private_paths(lessons, self._readable_paths())
        student = start_server("student")
        trusted = start_server("trusted")
        for server in (student, trusted):
            server.greet(sorted(self._modules), self._readable_paths(), hidden, sandboxed=self.sandboxed)
        for server in (student, trusted):
            server.wait_until_ready()
        self._student_server, self._trusted_server = student, trusted


def _follow(
    report: Channel, task: Mapping[str, Any], cells: Sequence[PlannedCell], progress: _Progress, student: StudentProcess
) -> None:
    """Hand over the task and take in what becomes of the cells, until the pair has finished or broken."""
    current = progress.first
    try:
        report.send(json.dumps(task).encode())
        report.send(str(student.confined_pid()).encode())
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


def _given_at_the_beginning(cells: Sequence[PlannedCell]) -> list[tuple[int, str]]:
    """Return the given cells before the first cell that a student writes or that tests, with their indices."""
    found = []
    for index, cell in enumerate(cells):
        if cell.role in ("answer", "extra", "test"):
            break
        if cell.role == "given":
            found.append((index, cell.source))
    return found


def _private_paths(lessons: Sequence[Lesson], readable: Sequence[Path]) -> list[Path]:
    """Return what of the courses lies below a path that answers may read, as in a course inside its own environment."""
    names = ("source", "release", "submitted", "autograded", "feedback", "verdicts", "gradebook.db", "grading.key")
    roots = {lesson.config.root.resolve() for lesson in lessons}
    candidates = [root / name for root in sorted(roots) for name in names]
    return [one for one in candidates if one.exists() and any(one.is_relative_to(path) for path in readable)]


def _classes(interface: Interface | None) -> list[str]:
    return list(interface.all_classes) if interface is not None else []


def _untouched(cell: PlannedCell) -> CellRun:
    if cell.role == "text":
        return CellRun(CellState.COMPLETED)
    return CellRun(CellState.SKIPPED if cell.role == "skipped" else CellState.NOT_RUN)


def imported_modules(lesson: Lesson) -> Iterator[str]:
    """Yield the modules that a lesson's notebook imports, for the servers to have them ready."""
    for cell in lesson.source.cells:
        if cell.cell_type != "code":
            continue
        yield from _IMPORT.findall(cell.source)
        for module, names in _FROM_IMPORT.findall(cell.source):
            # ``from package import module`` may name modules; what is none simply fails to import.
            yield from (f"{module}.{name.split()[0]}" for name in names.split(",") if name.split())


def _kept_place(lesson: Lesson) -> tuple[Path, dict[str, str]]:
    """Return where a lesson's interface is kept, and what it depends on."""
    from autograder.verdicts import code_fingerprint

    place = lesson.config.root / ".split" / f"{lesson.assignment}-{lesson.name}.json"
    return place, {"lesson": lesson.fingerprint, "grader": code_fingerprint(), "python": sys.version.split()[0]}


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
