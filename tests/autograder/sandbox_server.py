"""A warm server for the sandbox's tests: runs functions of ``sandbox_attacks`` in confined children.

It is a process of its own, so that what is forked is single-threaded whatever runs the tests, and so that it can be an
ordinary user when the tests run as root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
ORDINARY_USER = 61234


@dataclass(frozen=True)
class Outcome:
    """What a confined function returned (``None`` if it never did), and the keeper's report."""

    returned: Any
    raised: str | None
    report: dict[str, Any]


class Server:
    """The test's side."""

    def __init__(self, *, ordinary: bool) -> None:
        command = [sys.executable, __file__, "ordinary" if ordinary and os.geteuid() == 0 else "same"]
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": str(REPOSITORY), "SECRET_OF_TESTS": "x"}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, function: str, *arguments: object, **options: object) -> Outcome:
        """Run a function inside; ``options`` are fields of the limits and of the confinement."""
        self.start(function, *arguments, **options)
        return self.finish()

    def start(self, function: str, *arguments: object, **options: object) -> int:
        """Start a function inside, and return the confined process's id."""
        assert self._process.stdin is not None
        request = {"function": function, "arguments": arguments, "options": options}
        self._process.stdin.write(json.dumps(request, default=str) + "\n")
        self._process.stdin.flush()
        return int(self._answer()["pid"])

    def finish(self) -> Outcome:
        answer = self._answer()
        return Outcome(answer.get("returned"), answer.get("raised"), answer["report"])

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


def become_ordinary() -> None:
    """Turn root into an ordinary user that can still reach this interpreter, which may stand in root's own folder."""
    from autograder.sandbox import interpreter_paths, syscalls

    wanted = [str(path.resolve()) for path in (*interpreter_paths(), REPOSITORY)]
    closed = {str(folder) for path in wanted for folder in Path(path).parents if not folder.stat().st_mode & 0o001}
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    for folder in sorted(closed):
        if any(Path(other) in Path(folder).parents for other in closed):
            continue
        inside = [path for path in dict.fromkeys(wanted) if path.startswith(folder + "/")]
        handles = {path: os.open(path, os.O_PATH) for path in inside}
        syscalls.mount("tmpfs", folder, "tmpfs", 0, "mode=0755")
        for path, handle in handles.items():
            if not os.path.exists(path):
                os.makedirs(path)
                syscalls.mount(f"/proc/self/fd/{handle}", path, None, syscalls.MS_BIND | syscalls.MS_REC)
            os.close(handle)
    os.setgroups([])
    os.setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER)
    os.setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER)
    # The kernel has taken away what a process needs to write its own user map.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)


def serve() -> None:
    """The server's side."""
    if sys.argv[1] == "ordinary":
        become_ordinary()
    import sandbox_attacks

    from autograder.engine import Limits
    from autograder.sandbox import Confinement, confine, confine_unsandboxed, interpreter_paths

    for line in sys.stdin:
        request = json.loads(line)
        options = request["options"]
        limits = {name: options[name] for name in Limits.__dataclass_fields__ if name in options}
        extra = tuple(map(Path, options.get("readable", ())))
        result_reading, result_writing = os.pipe()
        report_reading, report_writing = os.pipe()
        confinement = Confinement(
            readable=(*interpreter_paths(), *extra) if options.get("interpreter", True) else extra,
            limits=Limits(**{"memory_bytes": 256 * 2**20, "total_seconds": 20, **limits}),
            hidden=tuple(map(Path, options.get("hidden", ()))),
            folder=Path(options["folder"]) if "folder" in options else None,
            keep_fds=(result_writing,),
        )
        process = os.fork()
        if process == 0:
            try:
                enter = confine if options.get("sandboxed", True) else confine_unsandboxed
                enter(confinement, report_writing)
                try:
                    answer = {"returned": getattr(sandbox_attacks, request["function"])(*request["arguments"])}
                except Exception as error:
                    answer = {"raised": f"{type(error).__name__}: {error}"}
                os.write(result_writing, json.dumps(answer).encode())
            finally:
                os._exit(0)
        os.close(result_writing)
        os.close(report_writing)
        report = os.fdopen(report_reading, encoding="utf-8")
        first = report.readline()
        print(first.strip() if '"pid"' in first else json.dumps({"pid": 0}), flush=True)
        last = json.loads((report.readline() if '"pid"' in first else first) or '{"killed": true}')
        os.waitpid(process, 0)
        report.close()
        with os.fdopen(result_reading, encoding="utf-8") as results:
            answer = json.loads(results.read() or "{}")
        print(json.dumps({**answer, "report": last}), flush=True)


if __name__ == "__main__":
    serve()
