"""The same shape without a sandbox: limits and a private folder, for trusted submissions on systems that lack one.

Files, the network and other processes are all within reach.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from . import keeper, limits, syscalls
from .confinement import Confinement
from .enter import close_descriptors, reset_signals
from .environment import private_folders


def confine_unsandboxed(confinement: Confinement, report_fd: int | None = None) -> None:
    """Limit the calling, freshly forked process; returns in a child of it, like :func:`confine`, and reports like it.

    ``readable`` and ``hidden`` mean nothing here. The working directory is a private copy of the folder, removed at the
    end. Processes are not counted, since that count is the whole user's; what is left over is killed as far as it can
    be found: on Linux all of it, elsewhere the process group.
    """
    close_descriptors(report_fd, *confinement.keep_fds)
    reset_signals()
    scratch = Path(tempfile.mkdtemp(prefix="unsandboxed-"))
    try:
        if confinement.folder is not None:
            shutil.copytree(confinement.folder, scratch / "work", symlinks=True)
        for name in ("work", "tmp/home"):
            (scratch / name).mkdir(parents=True, exist_ok=True)
        if sys.platform == "linux":
            syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        alive_reading, alive_writing = os.pipe()
        process = os.fork()
    except OSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        keeper.write_record(report_fd, {"error": str(error)})
        os._exit(1)
    if process != 0:
        try:
            os.close(alive_reading)
            close_descriptors(report_fd, alive_writing)
            record, code = keeper.wait_for_end(process, report_fd, confinement.limits.memory_bytes)
            _kill_leftovers(process)
            shutil.rmtree(scratch, ignore_errors=True)
            keeper.write_record(report_fd, record)
            os._exit(code)
        finally:
            os._exit(1)
    os.close(alive_writing)
    os.setsid()
    os.chdir(scratch / "work")
    in_use = limits.memory_in_use()
    limits.set_limits(confinement.limits, in_use, others=None)
    if sys.platform == "linux":
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if select.select([alive_reading], [], [], 0)[0]:
            os._exit(1)
    tempfile.tempdir = None
    os.environ.update(private_folders(scratch / "tmp" / "home", scratch / "tmp"))
    close_descriptors(*confinement.keep_fds)


def _kill_leftovers(process: int) -> None:
    """Kill the process group, and on Linux whatever else has become this keeper's child."""
    # Nobody may be left in it; macOS says the same of a group of zombies as "not permitted".
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)
    while True:
        children = _children()
        for child in children:
            os.kill(child, signal.SIGKILL)
        try:
            if not children and os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
            if children:
                os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(word) for word in path.read_text(encoding="utf-8").split()] if path.exists() else []
