"""The engine's ends of the warm servers and of the processes that they fork."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from autograder import sandbox
from autograder.engine import EngineError

_START_SECONDS: Final = 120.0

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


class WarmServer:
    """The connection to a warm server (``warm``): a program of its own, or a fork of one for a single lesson."""

    def __init__(
        self, kind: str, control: socket.socket, messages: IO[bytes], process: subprocess.Popen[bytes] | None = None
    ) -> None:
        """Take over a connection.

        Args:
            kind: ``student`` or ``trusted``.
            control: the connection.
            messages: what the server has printed, which nobody reads unless it fails.
            process: the program, where it is one.
        """
        self.kind = kind
        self._control = control
        self._messages = messages
        self._process = process
        self._lock = threading.Lock()
        self.ended = False

    def greet(
        self, modules: Sequence[str], readable: Sequence[Path], hidden: Sequence[Path], *, sandboxed: bool
    ) -> None:
        """Tell a new server what to import, and what its processes may read, with what is hidden of it."""
        hello = {
            "modules": list(modules),
            "readable": [str(path) for path in readable],
            "hidden": [str(path) for path in hidden],
            "sandboxed": sandboxed,
        }
        self._control.send(json.dumps(hello).encode())

    def wait_until_ready(self) -> bool:
        """Wait for the first word of a server; ``False`` if it says that it cannot serve."""
        self._control.settimeout(_START_SECONDS)
        try:
            reply = self._control.recv(1 << 16)
        except OSError as error:
            raise EngineError(f"the {self.kind} server did not start ({error}): {self.last_words()}") from error
        if not reply:
            raise EngineError(f"the {self.kind} server could not be started: {self.last_words()}")
        self._control.settimeout(None)
        return bool(json.loads(reply)["ready"])

    def import_modules(self, names: Sequence[str]) -> None:
        """Let the server import more, for the processes that it forks from now on."""
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            # There can be thousands, too many for one message.
            json.dump(list(names), file)
            file.flush()
            self._ask({"modules": file.name}, [])

    def template(self, lesson: Path) -> WarmServer | None:
        """Fork a server for one lesson, described in a file; ``None`` if it cannot serve."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made = WarmServer(self.kind, ours, self._messages)
        with theirs:
            self.fork({"lesson": str(lesson)}, [theirs.fileno()])
        if made.wait_until_ready():
            return made
        made.close()
        return None

    def fork(self, task: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """Fork a process that owns copies of some descriptors; return its process id."""
        return int(self._ask(task, descriptors)["pid"])

    def close(self) -> None:
        """End the server; its own forks end with it."""
        self._control.close()
        if self._process is None:
            return
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._messages.close()

    def last_words(self) -> str:
        """Return the end of what the server has printed."""
        if self._messages.closed:
            return "it was ended"
        self._messages.seek(0)
        return self._messages.read()[-2_000:].decode("utf-8", "replace").strip() or "it said nothing"

    def _ask(self, task: Mapping[str, Any], descriptors: Sequence[int]) -> dict[str, Any]:
        with self._lock:
            try:
                socket.send_fds(self._control, [json.dumps(task).encode()], list(descriptors))
                reply = self._control.recv(1 << 16)
            except OSError as error:
                self.ended = True
                raise EngineError(f"the {self.kind} server does not answer ({error}): {self.last_words()}") from error
        if not reply:
            self.ended = True
            raise EngineError(f"the {self.kind} server has ended: {self.last_words()}")
        answer: dict[str, Any] = json.loads(reply)
        return answer


def start_server(kind: str) -> WarmServer:
    """Start the program of a warm server; greet it next.

    Args:
        kind: ``student`` or ``trusted``.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    messages = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "autograder.split.warm", kind, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=messages,
            env=_environment(kind),
            cwd="/",
        )
    return WarmServer(kind, ours, messages, process)


def _environment(kind: str) -> dict[str, str]:
    """Return the variables of a server: nothing of the grader's own beyond what finds its libraries and caches."""
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
    return environment


class StudentProcess:
    """One student's process, seen through its keeper's report."""

    def __init__(self, server: WarmServer, task: Mapping[str, Any], descriptors: Sequence[int], report: int) -> None:
        """Fork it.

        Args:
            server: the student server, or a lesson's.
            task: for ``warm``.
            descriptors: its end of the connection to the trusted process, and the end of the report that is written.
            report: the end of the report that is read.
        """
        self._server = server
        self._keeper_pid = server.fork(task, descriptors)
        self._report = os.fdopen(report, "rb")

    def confined_pid(self) -> int:
        """Wait until the process is confined, and return its process id.

        Raises:
            EngineError: if it could not be confined.
        """
        line = self._report.readline()
        first = json.loads(line) if line else {"error": self._server.last_words()}
        if "pid" not in first:
            raise EngineError(f"the student's process could not be confined: {first.get('error', first)}")
        return int(first["pid"])

    def killed_for_memory(self) -> bool:
        """Say whether memory was the end of it; waits for the keeper's last word."""
        line = self._report.readline()
        return bool(line) and bool(json.loads(line).get("killed_for_memory"))

    def kill(self) -> None:
        """Kill everything of it, without waiting for the kernel to clear it away."""
        kill(self._keeper_pid)

    def wait(self) -> None:
        """Wait until everything of it is gone, which the end of the report says."""
        self._report.read()
        self._report.close()


def kill(pid: int) -> None:
    """Kill a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
