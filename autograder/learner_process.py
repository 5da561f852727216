"""The interpreter that runs a learner's notebook: started, timed, and started again where a cell never ends.

Little is imported here, so that the interpreter is on its way before the command that wants it has been loaded. A
thread reads what it reports: on every system, that is the one way to wait for a pipe and a clock together.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from .engine import CellRun, CellState, EngineError, Limits
from .split.plan import PlannedCell

_PROGRAM: Final = "autograder.split.alone"
_START_SECONDS: Final = 120.0
_started_ahead: list[LearnersInterpreter] = []


class LearnersInterpreter:
    """One interpreter, waiting for a notebook or at work on it."""

    def __init__(self) -> None:
        """Start it; it gets itself ready while this process goes on."""
        project = str(Path(__file__).resolve().parents[1])
        paths = [project, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._last_words = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the interpreter
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._last_words,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        assert self._process.stdout is not None
        threading.Thread(target=_read_messages, args=(self._process.stdout, self._messages), daemon=True).start()

    def begin(self, folder: Path, cells: Sequence[Mapping[str, Any]]) -> None:
        """Hand over the cells to run in a folder.

        Raises:
            EngineError: if the interpreter did not start.
        """
        task = json.dumps({"folder": str(folder), "cells": list(cells)}).encode() + b"\n"
        assert self._process.stdin is not None
        # Where it has ended, its silence says so below.
        with contextlib.suppress(OSError):
            self._process.stdin.write(task)
            self._process.stdin.flush()
        if self.next_message(_START_SECONDS) is None:
            raise EngineError(f"Python could not be started to run the notebook: {self._explanation()}")

    def next_message(self, seconds: float) -> dict[str, Any] | None:
        """Return what it reports next, or ``None`` if it has ended.

        Raises:
            TimeoutError: if nothing is reported for so long.
        """
        try:
            return self._messages.get(timeout=max(0.0, seconds))
        except queue.Empty:
            raise TimeoutError from None

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._last_words):
            # What could not be delivered need not be.
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def _explanation(self) -> str:
        self._last_words.seek(0)
        return self._last_words.read()[-2_000:].decode("utf-8", "replace").strip() or "it said nothing"


def start_ahead() -> None:
    """Start the interpreter that ``run_cells`` will take."""
    _started_ahead.append(LearnersInterpreter())


def run_cells(cells: Sequence[PlannedCell], folder: Path, limits: Limits) -> list[CellRun]:
    """Run a notebook's cells in an interpreter of its own.

    Args:
        cells: the cells; those that are skipped or hold text are not run.
        folder: the working directory.
        limits: of time, for one cell and for all of them. There are no others: it is the learner's own machine.
    Returns:
        One record a cell. Where a cell does not end or ends the interpreter, a new one runs the cells before it
        again, tests aside, and goes on after it.
    Raises:
        EngineError: if no interpreter can be started.
    """
    work = _Work(cells, folder, limits)
    while not work.finished and time.monotonic() < work.deadline:
        work.run_in(_started_ahead.pop() if _started_ahead else LearnersInterpreter())
    return [work.runs.get(index, _untouched(cell)) for index, cell in enumerate(cells)]


class _Work:
    """How far the cells of one notebook have come."""

    def __init__(self, cells: Sequence[PlannedCell], folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.limits = limits
        self.deadline = time.monotonic() + limits.total_seconds
        self.runs: dict[int, CellRun] = {}
        self.finished = False
        self._cells = [
            {"index": index, "role": cell.role, "source": cell.source}
            for index, cell in enumerate(cells)
            if cell.role in ("given", "answer", "extra", "test")
        ]

    def run_in(self, interpreter: LearnersInterpreter) -> None:
        """Run what is left in a fresh interpreter, until it has finished, ended or been given up."""
        try:
            interpreter.begin(self.folder, [one for one in self._cells if self._is_due(one)])
            while not self.finished:
                self._take_in(interpreter)
        except _InterpreterGoneError:
            pass
        finally:
            interpreter.end()

    def _is_due(self, cell: Mapping[str, Any]) -> bool:
        """Say whether a fresh interpreter has to run a cell: it is new, or later ones build on what it did."""
        done = self.runs.get(cell["index"])
        return done is None or (cell["role"] != "test" and done.state in (CellState.COMPLETED, CellState.ERROR))

    def _take_in(self, interpreter: LearnersInterpreter) -> None:
        """Take in one cell, or the end."""
        message = interpreter.next_message(_START_SECONDS)
        if message is None:
            raise _InterpreterGoneError
        if message.get("finished"):
            self.finished = True
            return
        index = int(message["begins"])
        started = time.monotonic()
        end = min(started + self.limits.cell_seconds, self.deadline)
        state = CellState.CRASHED
        try:
            message = interpreter.next_message(end - started)
        except TimeoutError:
            message, state = None, CellState.TIMED_OUT
        if message is None:
            self.runs[index] = CellRun(state, seconds=time.monotonic() - started)
            raise _InterpreterGoneError
        state = CellState.ERROR if message["failed"] else CellState.COMPLETED
        seconds = float(message["seconds"])
        self.runs.setdefault(index, CellRun(state, message["outputs"], index + 1, seconds, seconds))


class _InterpreterGoneError(Exception):
    """The interpreter has ended, or was given up."""


def _read_messages(stream: IO[bytes], messages: queue.Queue[dict[str, Any] | None]) -> None:
    with stream:
        for line in stream:
            messages.put(json.loads(line))
    messages.put(None)


def _untouched(cell: PlannedCell) -> CellRun:
    if cell.role == "text":
        return CellRun(CellState.COMPLETED)
    return CellRun(CellState.SKIPPED if cell.role == "skipped" else CellState.NOT_RUN)
