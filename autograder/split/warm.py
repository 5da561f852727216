"""A warm server: imports a lesson's libraries once, then forks a ready process for every submission.

Started as ``python -m autograder.split.warm student|trusted DESCRIPTOR``. The student server is a program of
its own, started with a clean environment: it has never seen a solution, a hidden test or a secret, so
nothing of the kind can be found in the memory of what it forks.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import socket
import sys
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from autograder import sandbox
from autograder.engine import Limits

from .channel import Channel, ChannelClosedError
from .shell import NotebookShell, make_shell

MAX_REQUEST_BYTES = 128 * 1024
_PR_SET_PDEATHSIG = 1

# What a forked process needs is imported before the fork, so that it costs nothing then.
_OWN_MODULES = {
    "student": ["autograder.split.student", "autograder.split.guard"],
    "trusted": ["autograder.split.trusted", "autograder.split.guard"],
}


@dataclass(frozen=True)
class _Outline:
    """What all processes of a server have in common: what they may read, and whether they are confined."""

    readable: tuple[Path, ...]
    sandboxed: bool


def main(kind: str, descriptor: int) -> None:
    """Serve fork requests until the engine closes the connection."""
    control = socket.socket(fileno=descriptor)
    request, _, _, _ = socket.recv_fds(control, MAX_REQUEST_BYTES, 0)
    hello = json.loads(request)
    missing = _import_all(hello["modules"] + _OWN_MODULES[kind])
    shell = make_shell()
    confinement = _Outline(tuple(Path(one) for one in hello["readable"]), bool(hello["sandboxed"]))
    sandbox.prepare_to_fork(confinement.readable)
    # Ended children need no burial: what became of them is told over their own connections.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.send(json.dumps({"ready": True, "missing": missing}).encode())
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, MAX_REQUEST_BYTES, 4)
        if not request:
            return
        task = json.loads(request)
        if "modules" in task:
            _import_all(task["modules"])
            sandbox.prepare_to_fork(confinement.readable)
            control.send(json.dumps({"pid": os.getpid()}).encode())
            continue
        pid = os.fork()
        if pid == 0:
            _become(kind, task, descriptors, control, shell, confinement)
        for one in descriptors:
            os.close(one)
        control.send(json.dumps({"pid": pid}).encode())


def _import_all(modules: list[str]) -> dict[str, str]:
    """Import what the lessons import; a module that cannot be imported is the affair of the cell that asks for it."""
    missing = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in modules:
            try:
                importlib.import_module(name)
            except Exception as error:
                missing[name] = f"{type(error).__name__}: {error}"
        if "numba" in sys.modules:
            _ready_numba()
    return missing


def _ready_numba() -> None:
    """Build numba's tables of types, half a second that every fork would spend at its first compiled function."""
    from numba.core.registry import cpu_target

    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()


def _become(
    kind: str,
    task: Mapping[str, Any],
    descriptors: list[int],
    control: socket.socket,
    shell: NotebookShell,
    outline: _Outline,
) -> NoReturn:
    """Turn a fresh fork into the process that was asked for; never return to the server's loop."""
    status = 1
    try:
        control.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _die_with_parent()
        if kind == "student":
            _be_student(task, descriptors, shell, outline)
        else:
            _be_trusted(descriptors, shell)
        status = 0
    except ChannelClosedError:
        status = 0
    except BaseException:
        # The server's own stderr keeps it for the engine's message.
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        # Neither the student's exit handlers nor the server's may run here.
        os._exit(status)


def _be_student(task: Mapping[str, Any], descriptors: list[int], shell: NotebookShell, outline: _Outline) -> None:
    from .student import StudentSide

    connection, report = descriptors
    confinement = sandbox.Confinement(
        readable=outline.readable,
        folder=Path(task["folder"]),
        limits=Limits(**task["limits"]),
        keep_fds=(connection,),
    )
    channel = Channel(socket.socket(fileno=connection))
    (sandbox.confine if outline.sandboxed else sandbox.confine_unsandboxed)(confinement, report)
    _reseed()
    # At the end, so that nothing in the working directory can stand in for a library.
    sys.path.append(os.getcwd())
    shell.keeper.max_bytes = confinement.limits.output_bytes
    shell.keeper.max_displays = confinement.limits.displays
    side = StudentSide(channel, shell, tuple(task["classes"]))
    if task["forbidden"]:
        from .guard import install

        install(task["forbidden"], side.exercise_of_frame, lambda: side.active_exercise)
    side.serve()


def _be_trusted(descriptors: list[int], shell: NotebookShell) -> None:
    from .trusted import run_notebook, set_private_inputs

    connection, report = (Channel(socket.socket(fileno=one)) for one in descriptors)
    task = json.loads(report.receive())
    os.chdir(task["folder"])
    sys.path.append(task["folder"])
    set_private_inputs(task["secret"], task["student"])
    _reseed()
    run_notebook(task, connection, report, shell)


def _reseed() -> None:
    """Give unseeded generators the same start in every run, so that the same submission gives the same verdict."""
    import random

    random.seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
