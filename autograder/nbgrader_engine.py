"""The stock engine: a Jupyter kernel a submission, driven by nbclient as nbgrader's own autograde does.

It adds what nbgrader leaves open: an endless loop or a dead kernel costs only the cell that caused it, the
whole submission has a time limit, output is bounded, and every cell reports how it ended, so that a test
cell that never ran cannot be taken for one that passed. It trusts the student's code as far as nbgrader
does: test and answer share one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbclient
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from .course_tree import Lesson, earns_points, has_tag
from .engine import CellRun, CellState, EngineError, Job, Limits
from .notebook_files import metadata_node

_STARTS = 3
_INTERRUPT_GRACE_SECONDS = 4

# One thread a kernel: marks must not depend on how many submissions run beside each other.
_KERNEL_ENVIRONMENT = {
    "NBGRADER_EXECUTION": "autograde",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}


class NbgraderEngine:
    """Executes notebooks in stock Jupyter kernels; see the module for what it guards."""

    identity = f"nbgrader-kernel/1 nbclient/{nbclient.__version__}"

    warnings: tuple[str, ...] = ()

    def run(self, job: Job) -> list[CellRun]:
        """Execute a notebook; see ``Engine.run``."""
        return asyncio.run(_Execution(job.notebook, job.folder, job.limits).run())

    def prepare(self, lessons: Sequence[Lesson]) -> None:
        """Do nothing: a kernel starts with its submission."""

    def close(self) -> None:
        """Do nothing: a kernel ends with its submission."""


class _Execution:
    """The state of one notebook's execution across restarts of its kernel."""

    def __init__(self, notebook: NotebookNode, folder: Path, limits: Limits) -> None:
        self.cells = list(notebook.cells)
        self.folder = folder
        self.limits = limits
        self.deadline = time.monotonic() + limits.total_seconds
        self.runs: dict[int, CellRun] = {}
        self.restarts = 0

    async def run(self) -> list[CellRun]:
        to_run = [index for index, cell in enumerate(self.cells) if _is_run(cell)]
        while (first := next((index for index in to_run if index not in self.runs), None)) is not None:
            if self.restarts > self.limits.restarts or time.monotonic() >= self.deadline:
                break
            # A fresh kernel gets back the state that the answers before it made; tests are not run twice.
            again = [index for index in to_run if index < first and self._restores_state(index)]
            await self._run_in_one_kernel(again, [index for index in to_run if index >= first])
            self.restarts += 1
        return [self.runs.get(index, _untouched(cell)) for index, cell in enumerate(self.cells)]

    def _restores_state(self, index: int) -> bool:
        return not earns_points(self.cells[index]) and self.runs[index].state in (CellState.COMPLETED, CellState.ERROR)

    async def _run_in_one_kernel(self, again: list[int], remaining: list[int]) -> None:
        """Run cells until one makes the kernel unusable; what ran is in ``self.runs``."""
        with tempfile.TemporaryDirectory(prefix="ipython-") as profile:
            client = _Client(self.limits, self.folder)
            environment = {**os.environ, **_KERNEL_ENVIRONMENT, "IPYTHONDIR": profile}
            kernel_process = await _start(client, environment, self.limits)
            try:
                for index in again:
                    await client.run_cell(self.cells[index], self.deadline)
                for index in remaining:
                    run, usable = await client.run_cell(self.cells[index], self.deadline)
                    self.runs[index] = run
                    if not usable:
                        return
            finally:
                await _stop(client, kernel_process)


class _Client(nbclient.NotebookClient):
    """nbclient for cells one by one, with bounded output and the end of each cell."""

    def __init__(self, limits: Limits, folder: Path) -> None:
        super().__init__(
            metadata_node({"cells": [], "metadata": {}}),
            kernel_manager_class=AsyncKernelManager,
            kernel_name="python3",
            allow_errors=True,
            interrupt_on_timeout=True,
            error_on_timeout={"ename": "CellTimeoutError", "evalue": "", "traceback": []},
            iopub_timeout=_INTERRUPT_GRACE_SECONDS,
            raise_on_iopub_timeout=True,
            shutdown_kernel="immediate",
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
            log=_silent_logger(),
        )
        self.limits = limits
        self.reply: dict[str, Any] = {}
        self.cell_deadline = 0.0
        self.output_left = 0
        self.on_cell_executed = self._keep_reply
        self.timeout_func = lambda _cell: max(1, math.ceil(self.cell_deadline - time.monotonic()))

    def _keep_reply(self, *, execute_reply: dict[str, Any], **_: Any) -> None:
        self.reply = execute_reply["content"]

    def output(self, outs: list[Any], msg: Any, display_id: Any, cell_index: int) -> Any:
        """Keep an output while the cell's allowance lasts."""
        size = len(str(msg["content"]))
        if size > self.output_left and msg["msg_type"] != "error":
            if self.output_left >= 0:
                self.output_left = -1
                text = "... more output than is kept ..."
                outs.append(metadata_node({"output_type": "stream", "name": "stdout", "text": text}))
            return None
        self.output_left -= size
        return super().output(outs, msg, display_id, cell_index)

    async def run_cell(self, given: NotebookNode, deadline: float) -> tuple[CellRun, bool]:
        """Run one cell; return what became of it and whether the kernel can still be used."""
        started = time.monotonic()
        self.cell_deadline = min(started + self.limits.cell_seconds, deadline)
        if self.cell_deadline <= started:
            return CellRun(CellState.NOT_RUN), False
        self.output_left = self.limits.output_bytes
        self.reply = {}
        cell = metadata_node({"cell_type": "code", "source": given.source, "metadata": {}, "outputs": []})
        self.nb.cells = [cell]
        state, usable = CellState.COMPLETED, True
        try:
            await self.async_execute_cell(cell, 0)
            if self.reply.get("status") != "ok":
                timed_out = self.reply.get("ename") == "CellTimeoutError"
                state = CellState.TIMED_OUT if timed_out else CellState.ERROR
            if any(entry.get("source") == "ask_exit" for entry in self.reply.get("payload", [])):
                # exit() ends the kernel only after this cell; the next one must not be blamed for it.
                state, usable = CellState.CRASHED, False
        except CellTimeoutError:
            state, usable = CellState.TIMED_OUT, False
        except DeadKernelError:
            state, usable = CellState.CRASHED, False
        except (KeyError, ValueError, TypeError, AttributeError):
            # A message that nbclient cannot parse was not written by a kernel in good health.
            state, usable = CellState.CRASHED, False
        seconds = time.monotonic() - started
        count = None if state is CellState.CRASHED else cell.get("execution_count")
        return CellRun(state, list(cell.outputs), count, seconds), usable


async def _start(client: _Client, environment: dict[str, str], limits: Limits) -> int | None:
    """Start a kernel and return its process group; try again where two kernels met on one port."""
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for attempt in range(1, _STARTS + 1):
        manager = client.create_kernel_manager()
        try:
            await client.async_start_new_kernel(env=environment, **streams)
            process = getattr(manager.provisioner, "pid", None)
            await client.async_start_new_kernel_client()
        except (RuntimeError, OSError) as error:
            if attempt == _STARTS:
                raise EngineError(
                    f"a Jupyter kernel could not be started ({error}): is ipykernel installed in {sys.prefix}?"
                ) from error
        else:
            _limit_memory(process, limits.memory_bytes)
            return process if isinstance(process, int) else None
    raise AssertionError("unreachable")


async def _stop(client: _Client, process: int | None) -> None:
    """End the kernel and everything it started in its process group."""
    with contextlib.suppress(RuntimeError, OSError):
        await client._async_cleanup_kernel()
    if process is not None and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process, signal.SIGKILL)


def _limit_memory(process: object, memory_bytes: int | None) -> None:
    if memory_bytes is None or not isinstance(process, int) or sys.platform != "linux":
        return
    import resource

    _soft, hard = resource.prlimit(process, resource.RLIMIT_AS)
    limit = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.prlimit(process, resource.RLIMIT_AS, (limit, hard))


def _silent_logger() -> logging.Logger:
    """Return a logger that prints nothing: a timeout or a dead kernel is an outcome here, not an event to log."""
    logger = logging.getLogger("autograder.kernel")
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
    return logger


def _is_run(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip()) and not has_tag(cell, "skip-execution")


def _untouched(cell: NotebookNode) -> CellRun:
    if cell.cell_type != "code" or not cell.source.strip():
        return CellRun(CellState.COMPLETED)
    return CellRun(CellState.SKIPPED if has_tag(cell, "skip-execution") else CellState.NOT_RUN)
