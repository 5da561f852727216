"""A warm server: imports a lesson's libraries once, then forks a ready process for every submission.

Started as ``python -m autograder.split.warm student|trusted DESCRIPTOR``. The student server is a program of
its own, started with a clean environment: it has never seen a solution, a hidden test or a secret, so
nothing of the kind can be found in the memory of what it forks.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import random
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from autograder import sandbox
from autograder.engine import Limits

from .channel import Channel, ChannelClosedError
from .shell import NotebookShell, make_shell

if TYPE_CHECKING:
    from .student import StudentSide

MAX_REQUEST_BYTES = 128 * 1024
_PR_SET_PDEATHSIG = 1

# What a forked process needs is imported before the fork, so that it costs nothing then.
_OWN_MODULES = {
    "student": ["autograder.split.student", "autograder.split.guard"],
    "trusted": ["autograder.split.trusted", "autograder.split.guard"],
}


def main(kind: str, descriptor: int) -> None:
    """Start the server; it serves until the engine closes the connection."""
    control = socket.socket(fileno=descriptor)
    request, _, _, _ = socket.recv_fds(control, MAX_REQUEST_BYTES, 0)
    hello = json.loads(request)
    missing = _import_all(hello["modules"] + _OWN_MODULES[kind])
    readable, hidden = (tuple(Path(one) for one in hello[name]) for name in ("readable", "hidden"))
    server = _Server(kind, control, make_shell(), readable, hidden, hello["sandboxed"])
    sandbox.prepare_to_fork(readable, hidden)
    _reseed()
    # Ended children need no burial: what became of them is told over their own connections.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server.reply({"ready": True, "missing": missing})
    server.serve()


@dataclass
class _Server:
    """What a server holds for the processes that it forks."""

    kind: str
    control: socket.socket
    shell: NotebookShell
    readable: tuple[Path, ...]
    hidden: tuple[Path, ...]
    sandboxed: bool
    side: StudentSide | None = None

    def reply(self, message: Mapping[str, Any]) -> None:
        """Answer the engine's request."""
        self.control.send(json.dumps(message).encode())

    def serve(self) -> None:
        """Answer requests until the engine closes the connection."""
        while True:
            request, descriptors, _, _ = socket.recv_fds(self.control, MAX_REQUEST_BYTES, 4)
            if not request:
                return
            task = json.loads(request)
            if "modules" in task:
                _import_all(json.loads(Path(task["modules"]).read_bytes()))
                sandbox.prepare_to_fork(self.readable, self.hidden)
                self.reply({"done": True})
                continue
            # Python seeds this generator anew in every fork; numpy's and torch's are inherited as they are.
            drawn_so_far = random.getstate()
            pid = os.fork()
            if pid == 0:
                random.setstate(drawn_so_far)
                self._become(task, descriptors)
            for one in descriptors:
                os.close(one)
            self.reply({"pid": pid})

    def _become(self, task: Mapping[str, Any], descriptors: list[int]) -> NoReturn:
        """Turn a fresh fork into the process that was asked for; never return to the server's loop."""
        status = 1
        try:
            self.control.close()
            _die_with_parent()
            if "lesson" in task:
                self._be_template(task, descriptors)
            elif self.kind == "student":
                self._be_student(task, descriptors)
            else:
                self._be_trusted(descriptors)
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

    def _be_template(self, task: Mapping[str, Any], descriptors: list[int]) -> None:
        """Become a server for one lesson, in which the cells given at its beginning have been run already."""
        lesson = json.loads(Path(task["lesson"]).read_bytes())
        self.control = socket.socket(fileno=descriptors[0])
        os.chdir(lesson["folder"])
        sys.path.append(lesson["folder"])
        self.side = self._new_side(lesson)
        runs = []
        for index, source in lesson["given"]:
            result = self.shell.run_notebook_cell(source, f"<cell {index + 1}>", index + 1)
            runs.append([index, result.outputs, result.error is None])
        sys.path.remove(lesson["folder"])
        gc.collect()
        gc.freeze()
        # Threads, and libraries that have used some, can end a fork: then these cells are run for each submission.
        usable = all(went_well for _, _, went_well in runs) and threading.active_count() == 1 and _can_fork()
        content = json.dumps(runs) if usable else "[]"
        Path(task["lesson"]).write_text(content, encoding="utf-8")
        self.reply({"ready": usable})
        self.serve()

    def _new_side(self, lesson: Mapping[str, Any]) -> StudentSide | None:
        if self.kind != "student":
            return None
        from .student import StudentSide

        side = StudentSide(self.shell, tuple(lesson["classes"]))
        if lesson["forbidden"]:
            from .guard import install

            install(lesson["forbidden"], side.exercise_of_frame, lambda: side.active_exercise)
        return side

    def _be_student(self, task: Mapping[str, Any], descriptors: list[int]) -> None:
        connection, report = descriptors
        limits = Limits(**task["limits"])
        confinement = sandbox.Confinement(
            self.readable, limits, self.hidden, Path(task["folder"]), keep_fds=(connection,)
        )
        channel = Channel(socket.socket(fileno=connection))
        drawn_so_far = random.getstate()
        (sandbox.confine if self.sandboxed else sandbox.confine_unsandboxed)(confinement, report)
        random.setstate(drawn_so_far)
        # At the end, so that nothing in the working directory can stand in for a library.
        sys.path.append(os.getcwd())
        self.shell.keeper.max_bytes = limits.output_bytes
        self.shell.keeper.max_displays = limits.displays
        side = self.side or self._new_side(task)
        assert side is not None
        side.serve(channel)

    def _be_trusted(self, descriptors: list[int]) -> None:
        from .trusted import run_notebook, set_private_inputs

        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection, report = (Channel(socket.socket(fileno=one)) for one in descriptors)
        task = json.loads(report.receive())
        os.chdir(task["folder"])
        sys.path.append(task["folder"])
        set_private_inputs(task["secret"], task["student"])
        run_notebook(task, connection, report, self.shell)


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


def _can_fork() -> bool:
    """Try whether a fork of this process lives: numba, for one, ends the forks of what has run parallel loops."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    return status == 0


def _reseed() -> None:
    """Give unseeded generators the same start in every run, so that the same submission gives the same verdict."""
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
