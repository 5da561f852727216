"""Whether this machine can confine a process, found out by doing it."""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from . import seccomp, syscalls
from .confinement import Confinement, SandboxUnavailableError
from .environment import clean_environment

_OLDEST_KERNEL = (5, 14)
_UNSANDBOXED = "or pass --unsandboxed, if you trust every submission"


@functools.cache
def _problem() -> str:
    """The reason and the remedy, or nothing."""
    if sys.platform != "linux":
        return f"the sandbox needs Linux, this is {platform.system()}: grade in a Linux container, {_UNSANDBOXED}"
    release = platform.release()
    version = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    if version < _OLDEST_KERNEL:
        return f"the sandbox needs Linux 5.14 or later, this is {release}: grade on a newer system, {_UNSANDBOXED}"
    try:
        seccomp.refused_calls(syscalls.architecture())
    except ValueError as error:
        return f"{error}: grade on one of these, {_UNSANDBOXED}"
    if not Path("/proc/self/status").exists():
        return f"the sandbox needs /proc: mount it, {_UNSANDBOXED}"
    reason = _try()
    return f"this machine refuses to confine a process: {reason}. {_remedy()}" if reason else ""


def probe() -> None:
    """Confine a throw-away process, and say why if that does not work. The answer is kept.

    Raises:
        SandboxUnavailableError: with the reason and the remedy.
    """
    problem = _problem()
    if problem:
        raise SandboxUnavailableError(problem)


def _try() -> str:
    """What went wrong in an attempt, or nothing.

    The attempt starts from a fresh interpreter: the caller may have threads, or a library that ends its forks.
    """
    environment = {**clean_environment(), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-P", "-m", "autograder.sandbox.probing"]
    attempt = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=60)
    if attempt.returncode != 0:
        return f"the attempt ended early (status {attempt.returncode}): {attempt.stderr.strip()[-500:]}"
    return attempt.stdout.strip()


def _attempt() -> str:
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        _confine_and_end(writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as report:
        lines = [json.loads(line) for line in report]
    _, status = os.waitpid(process, 0)
    for line in lines:
        if "error" in line:
            return str(line["error"])
    if len(lines) != 2 or os.waitstatus_to_exitcode(status) != 0:
        return f"the process ended early (status {status})"
    return ""


def _confine_and_end(report_fd: int) -> NoReturn:
    # Only here, since the engine's module imports the notebook library, which nothing else in this package needs.
    from autograder.engine import Limits

    from .enter import confine

    code = 1
    try:
        confine(Confinement(readable=(), limits=Limits(memory_bytes=None)), report_fd)
        code = 0
    finally:
        os._exit(code)


def _remedy() -> str:
    """What to do about it, from the switches that are known to turn user namespaces or mounts off."""
    remedies = []
    if _switch("kernel/apparmor_restrict_unprivileged_userns") not in ("", "0"):
        remedies.append(
            "AppArmor keeps ordinary users' namespaces powerless here (Ubuntu 23.10 and later): give the Python "
            "interpreter an AppArmor profile with 'userns,', or as administrator "
            "'sysctl kernel.apparmor_restrict_unprivileged_userns=0'"
        )
    if _switch("kernel/unprivileged_userns_clone") == "0":
        remedies.append("as administrator 'sysctl kernel.unprivileged_userns_clone=1'")
    if _switch("user/max_user_namespaces") == "0":
        remedies.append("as administrator 'sysctl user.max_user_namespaces=15000'")
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        remedies.append(
            "in a container: start it with '--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined' and run as an ordinary user, or with '--privileged'"
        )
    if not remedies:
        remedies.append("user namespaces may be turned off: allow them (user.max_user_namespaces), or grade as root")
    return f"Remedy: {'; '.join(remedies)}; {_UNSANDBOXED}"


def _switch(name: str) -> str:
    path = Path("/proc/sys") / name
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


if __name__ == "__main__":
    print(_attempt())
