"""The arena: a course with its attackers and classmates, a listener that must hear nothing, and what is left after."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import selectors
import shutil
import site
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from attack import Arena, Attack
from attack_course import (
    CLASSMATE_CANARY,
    ENVIRONMENT_CANARY,
    LESSON,
    RIGHT,
    TENSORS,
    as_bytes,
    submission,
    write_course,
)  # fmt: skip
from run_class import processes_with

from autograder.keys import load_key

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
CLASSMATES = tuple(f"{letter}-classmate" for letter in "abdfhkmoprstw")
TENSOR_CLASSMATES = ("c-tensor-classmate", "x-tensor-classmate")


@dataclass(frozen=True)
class Outcome:
    """What one exercise of one student got."""

    status: str
    points: float | None
    message: str
    marker_note: str


@dataclass
class Result:
    """What became of a class."""

    arena: Arena
    raw: dict[str, Any]
    outcomes: dict[str, dict[str, Outcome]]
    problems: dict[str, list[str]]
    attacks: Sequence[Attack] = ()
    heard: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)
    wall_seconds: float = 0.0

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds that each submission took."""
        return {row["student"]: row["seconds"] for row in self.raw["graded"]}

    @cached_property
    def pages(self) -> dict[str, str]:
        """The feedback pages by path."""
        folder = self.arena.course.parent / "reports"
        return {
            path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*.html")
        }

    def outputs(self, student: str) -> dict[str, str]:
        """Return what each cell of a student's executed notebooks shows, by the cell's grade id or place."""
        shown = {}
        for path in (self.arena.course / "autograded" / student).rglob("*.ipynb"):
            for index, one in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
                name = one["metadata"].get("nbgrader", {}).get("grade_id", f"cell {index}")
                shown[f"{path.stem} {name}"] = json.dumps(one.get("outputs", []))
        return shown


class Listener:
    """Listens on every kind of socket that a submission could reach on this machine, and notes whoever comes."""

    def __init__(self, arena_folder: Path, token: str) -> None:
        self.heard: list[str] = []
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        tcp = self._listen(socket.socket(socket.AF_INET), ("127.0.0.1", 0), "tcp")
        self.ports = {"tcp": tcp.getsockname()[1]}
        with contextlib.suppress(OSError):
            self._listen(socket.socket(socket.AF_INET6), ("::1", self.ports["tcp"]), "tcp over IPv6")
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        self.ports["udp"] = udp.getsockname()[1]
        self._selector.register(udp, selectors.EVENT_READ, "udp")
        self._listen(socket.socket(socket.AF_UNIX), str(arena_folder / "socket"), "a socket in the file system")
        os.chmod(arena_folder / "socket", 0o777)
        self._listen(socket.socket(socket.AF_UNIX), f"\0{token}", "an abstract socket")
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _listen(self, server: socket.socket, address: Any, name: str) -> socket.socket:
        server.bind(address)
        server.listen()
        self._selector.register(server, selectors.EVENT_READ, name)
        return server

    def _serve(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(timeout=0.2):
                server = key.fileobj
                assert isinstance(server, socket.socket)
                if key.data == "udp":
                    self.heard.append(f"udp {server.recv(100)!r}")
                else:
                    server.accept()[0].close()
                    self.heard.append(key.data)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


def tree_digest(root: Path) -> dict[str, str]:
    """Return what stands in a folder: links by their target, files by their content."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def traces(token: str, arena: Arena) -> list[str]:
    """Return the files with a token in their names, wherever an attack may have put one."""
    shallow = [
        "/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/etc", "/etc/profile.d", "/usr/local/bin", "/var/cache",
        str(Path.home()), str(Path.home() / ".config"), sys.prefix, str(Path(sys.executable).parent), str(PROJECT),
        *site.getsitepackages(), site.getusersitepackages(), *(path for path in sys.path if path), str(HERE),
        str(Path.home() / ".ipython/profile_default/startup"), str(PROJECT / "tests"),
    ]  # fmt: skip
    import numpy

    package = Path(numpy.__file__).parent
    shallow += [str(package), str(package / "linalg/__pycache__"), "/root", "/nonexistent"]
    found = [str(path) for folder in set(shallow) for path in _list(Path(folder)) if token in path.name]
    for folder in (arena.course, arena.outside, arena.course.parent / "home"):
        found += [str(path) for path in folder.rglob(f"*{token}*")]
    return sorted(set(found))


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def remove_traces(found: Sequence[str]) -> None:
    """Remove what a broken sandbox let through, so that one failed run does not spoil the machine."""
    for path in found:
        with contextlib.suppress(OSError):
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def populate(arena: Arena, attacks: Sequence[Attack]) -> None:
    """Hand in everybody's work: the attackers', and their classmates' honest one between them."""
    tree = arena.course / "submitted"
    for attack in attacks:
        folder = tree / attack.student_id / attack.lesson
        folder.mkdir(parents=True)
        attack.hand_in(folder, arena)
    for classmate in CLASSMATES:
        made = submission({"double": f"# {CLASSMATE_CANARY}\n{RIGHT['double']}"})
        (tree / classmate / LESSON).mkdir(parents=True)
        (tree / classmate / LESSON / f"{LESSON}.ipynb").write_bytes(as_bytes(made))
    for classmate in TENSOR_CLASSMATES:
        (tree / classmate / TENSORS).mkdir(parents=True)
        (tree / classmate / TENSORS / f"{TENSORS}.ipynb").write_bytes(as_bytes(submission(lesson=TENSORS)))


@contextlib.contextmanager
def graded_class(attacks: Sequence[Attack], *, user: int | None, archives: dict[str, bytes]) -> Iterator[Result]:
    """Grade a class of attackers in a folder of its own, as this or as another user, and look round afterwards."""
    # Not in /tmp, which a sandbox hides for other reasons: courses stand where people keep their work.
    base = Path(tempfile.mkdtemp(prefix="attacks-", dir="/var/tmp"))
    base.chmod(0o755)
    token = f"attack-{secrets.token_hex(6)}"
    outside = base / "outside"
    outside.mkdir()
    outside.chmod(0o777)
    listener = Listener(outside, token)
    decoy = subprocess.Popen(["sleep", "3600"], user=user, group=user)
    try:
        arena = Arena(base / "course", outside, token, listener.ports)
        course = write_course(arena.course)
        load_key(course.root)
        populate(arena, attacks)
        for folder in ("home", "archives", "reports"):
            (base / folder).mkdir()
        for name, content in archives.items():
            (base / "archives" / name).write_bytes(content)
        watched = ("source", "release", "solutions", "submitted", "grading.key")
        before = {name: tree_digest(arena.course / name) for name in watched}
        result = _run(base, arena, user)
        result.attacks = attacks
        result.survivors = _survivors(result, token)
        if decoy.poll() is not None:
            result.survivors.append("a process outside the sandbox was killed")
        time.sleep(0.3)
        result.heard = list(listener.heard)
        result.left = traces(token, arena)
        # Grading keeps what came in archives under submitted/, so only what was there before must be as it was.
        after = {name: tree_digest(arena.course / name) for name in watched}
        result.changed = [
            f"{name}/{path}"
            for name in watched
            for path, digest in before[name].items()
            if after[name].get(path) != digest
        ]
        yield result
        remove_traces(result.left)
    finally:
        decoy.kill()
        decoy.wait()
        listener.close()
        shutil.rmtree(base, ignore_errors=True)


def _run(base: Path, arena: Arena, user: int | None) -> Result:
    """Grade in another process, which has a secret in its environment."""
    settings = {
        "course": str(arena.course),
        "places": [str(arena.course / "submitted"), *sorted(str(path) for path in (base / "archives").iterdir())],
        "jobs": 2,
        "token": arena.token,
        "reports": str(base / "reports"),
        "result": str(base / "result.json"),
        "ordinary": user is not None,
    }
    (base / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    if user is not None:
        for path in (base, *base.rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(base / "home"), "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(HERE), str(HERE.parent / "autograder")]),
        "PYTHONDONTWRITEBYTECODE": "1", "LMS_API_SECRET": ENVIRONMENT_CANARY, "TMPDIR": tempfile.gettempdir(),
    }  # fmt: skip
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(HERE / "run_class.py"), str(base / "settings.json")],
        cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=1200, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.fail(f"the class could not be graded (exit code {done.returncode}):\n{done.stderr[-4000:]}")
    raw = json.loads((base / "result.json").read_text(encoding="utf-8"))
    outcomes = {
        row["student"]: {key: Outcome(*values) for key, values in row["outcomes"].items()} for row in raw["graded"]
    }
    problems: dict[str, list[str]] = {}
    for student, _path, reason in raw["problems"]:
        problems.setdefault(student, []).append(reason)
    return Result(arena, raw, outcomes, problems, wall_seconds=time.monotonic() - started)


def _survivors(result: Result, token: str) -> list[str]:
    """Return the processes that outlived the grading, and end them."""
    found = [*result.raw["survivors"], *processes_with(token)]
    for one in processes_with(token):
        with contextlib.suppress(OSError):
            os.kill(int(one.split()[0]), 9)
    return found
