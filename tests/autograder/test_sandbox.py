"""Every promise of the sandbox, tried to be broken from inside, as root and as an ordinary user."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_server import REPOSITORY, Server

from autograder.sandbox import SandboxUnavailableError, probe, probing, seccomp, syscalls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")

MEBIBYTE = 2**20


@pytest.fixture(scope="module", params=["as the tests' user", "as an ordinary user"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    ordinary = request.param == "as an ordinary user"
    if ordinary and os.geteuid() != 0:
        pytest.skip("the tests' user is an ordinary one")
    server = Server(ordinary=ordinary)
    yield server
    server.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may read, unlike pytest's own."""
    place = Path(tempfile.mkdtemp(prefix="sandbox-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def write(path: Path, text: str = "secret") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# Files


def test_only_listed_files_are_seen(server: Server, folder: Path) -> None:
    shown, hidden = write(folder / "shown" / "a.txt"), write(folder / "shown" / "hidden.txt")
    hidden_folder = write(folder / "shown" / "tests" / "hidden_tests.py").parent
    unlisted = write(folder / "gradebook_of_tests.db")
    paths = [shown, hidden_folder / "hidden_tests.py", unlisted]
    paths += [
        "/etc/shadow",
        "/etc/hostname",
        REPOSITORY / "solutions",
        "/root/.bashrc",
        "/home",
        "/var",
        "/sys",
        "/run",
    ]
    outcome = server.run("read", paths, readable=[folder / "shown"], hidden=[hidden, hidden_folder]).returned
    assert outcome.pop(str(shown)) == "done"
    assert set(outcome.values()) == {"ENOENT"}
    view = {"readable": [folder / "shown"], "hidden": [hidden, hidden_folder]}
    assert server.run("contents", hidden, **view).returned == ""
    assert server.run("contents", hidden_folder, **view).returned == []


def test_a_search_of_everything_finds_no_secret(server: Server, folder: Path) -> None:
    write(folder / "shown" / "a_shown_file.txt")
    write(folder / "a_secret_of_tests.txt")
    wanted = ["a_shown_file.txt", "a_secret_of_tests.txt", "shadow", "gradebook.db", "solutions", "grading.key"]
    found = server.run("everything_seen", wanted, readable=[folder / "shown"]).returned
    assert [path for path in found if not path.startswith(sys.prefix)] == [str(folder / "shown" / "a_shown_file.txt")]


def test_nothing_shown_can_be_changed(server: Server, folder: Path) -> None:
    file, hidden = write(folder / "shown" / "a.txt"), write(folder / "shown" / "secret" / "b.txt").parent
    for path in (file, hidden, file.parent):
        path.chmod(0o777)
    targets = [file, file.parent, hidden, "/", "/etc", "/etc/passwd", "/usr/lib", "/dev", "/proc", sys.prefix]
    outcome = server.run("write", targets, readable=[file.parent], hidden=[hidden]).returned
    assert set(outcome.values()) <= {"EROFS", "EBUSY", "EPERM", "EACCES", "ENOENT"}
    assert file.read_text() == "secret"


def test_every_mount_but_the_scratch_is_read_only(server: Server, folder: Path) -> None:
    mounts = server.run("mounts", readable=[folder, REPOSITORY / "course_lib"]).returned
    writable = {place for place, options in mounts.items() if "ro" not in options}
    assert writable == {"/submission", "/tmp", "/dev/shm"}
    assert all("nosuid" in options for options in mounts.values())
    devices = {place for place, options in mounts.items() if "nodev" not in options}
    assert devices == {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")}


def test_a_link_within_a_readable_path_is_followed(server: Server, folder: Path) -> None:
    write(folder / "real" / "a.txt", "here")
    (folder / "link").symlink_to("real")
    assert server.run("contents", folder / "link" / "a.txt", readable=[folder / "link"]).returned == "here"


def test_links_lead_nowhere(server: Server, folder: Path) -> None:
    outcome = server.run("links_out", write(folder / "secret.txt")).returned
    assert outcome.pop("hard") in ("ENOENT", "EXDEV")
    assert set(outcome.values()) <= {"ENOENT", "EACCES"}


def test_contradictory_paths_are_refused_by_name(server: Server, folder: Path) -> None:
    file = write(folder / "shown" / "a.txt")
    outcome = server.run("identity", readable=[file], hidden=[file.parent])
    contradiction = f"ValueError: {file.parent} is to be hidden, but {file} in it is to be readable"
    assert outcome.report["error"].startswith(contradiction)
    outcome = server.run("identity", readable=[folder / "absent"])
    assert "absent" in outcome.report["error"]


def test_data_files_are_private_copies_and_large_ones_are_read_only(server: Server, folder: Path) -> None:
    write(folder / "data.csv", "1\n2\n")
    write(folder / "below" / "more.txt", "more")
    (folder / "large.bin").write_bytes(bytes(3 * MEBIBYTE))
    (folder / "large.bin").chmod(0o666)
    assert server.run("large_file", folder=folder).returned == {
        "bytes": 3 * MEBIBYTE,
        "write": "EROFS",
        "beside": ["below", "data.csv", "large.bin"],
    }
    outcome = server.run("honest_files", folder=folder).returned
    assert outcome == {"temporary": True, "data": "1\n2\n3\n", "below": "more"}
    assert (folder / "data.csv").read_text() == "1\n2\n"
    assert (folder / "large.bin").exists()


def test_the_scratch_is_one_and_is_gone_afterwards(server: Server) -> None:
    first = server.run("scratch_is_one").returned
    assert first == {"devices": 1, "folder": "/submission", "home": "/tmp/home"}
    assert server.run("contents", "/submission").returned == []


# Rights, processes and the network


def test_mounts_namespaces_and_identities_cannot_be_changed(server: Server) -> None:
    outcome = server.run("mounting").returned
    assert set(outcome.values()) <= {"EPERM", "EINVAL"}
    assert [what for what, error in outcome.items() if error == "EINVAL"] in ([], ["setuid"])


def test_the_filter_refuses_every_call_on_its_list(server: Server) -> None:
    numbers = seccomp.refused_calls(syscalls.architecture())
    outcome = server.run("system_calls", numbers).returned
    assert {name: error for name, error in outcome.items() if error not in ("EPERM", "ENOSYS")} == {}


def test_the_identity_is_nobodys(server: Server) -> None:
    outcome = server.run("identity").returned
    assert outcome["capabilities"] == ["0" * 16] * 5
    assert outcome["no new privileges"] == "1"
    assert outcome["filter"] == "2"
    assert "0" not in outcome["users"]
    assert "0" not in outcome["groups"]
    assert outcome["host name"] == "sandbox"
    assert outcome["core"] == [1, 1]
    assert outcome["killed first"] == "1000"
    assert outcome["killed last"] == "EROFS"
    assert outcome["devices"] == sorted(
        ["fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"]
    )
    assert outcome["set-user-id"] == outcome["users"][0]


def test_other_processes_are_out_of_reach(server: Server) -> None:
    outcome = server.run("other_processes", os.getpid()).returned
    assert outcome["seen"] == [1]
    assert outcome["own"] == outcome["group"] == 1
    assert outcome["kill host"] == "ESRCH"
    assert outcome["ptrace host"] == outcome["ptrace 1"] == "EPERM"
    assert outcome["priority of host"] == "ESRCH"
    assert server.run("kill_group").returned == "alive"


def test_there_is_no_network(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0sandbox-test")
        abstract.listen()
        outcome = server.run("network", listener.getsockname()[1], "sandbox-test").returned
    assert outcome.pop("pair") == "done"
    assert outcome.pop("abstract") == "ECONNREFUSED"
    assert all(line.split()[0] == "lo:" and set(line.split()[1:]) == {"0"} for line in outcome.pop("interfaces"))
    assert set(outcome.values()) == {"EAFNOSUPPORT"}


def test_no_descriptor_and_no_secret_of_the_server_comes_along(server: Server) -> None:
    described = server.run("open_descriptors").returned
    assert described[:3] == ["/dev/null"] * 3
    assert len([name for name in described if not name.startswith(("/dev/null", "/proc/"))]) == 1
    environment = server.run("environment").returned
    assert environment["HOME"] == "/tmp/home"
    assert environment["MPLCONFIGDIR"].startswith("/tmp/home/")


# Limits


@pytest.mark.parametrize("place", ["/submission", "/tmp", "/dev/shm"])
def test_the_scratch_has_a_size(server: Server, place: str) -> None:
    outcome = server.run("fill_scratch", place, scratch_bytes=32 * MEBIBYTE).returned
    assert outcome["error"] == "ENOSPC"
    assert outcome["bytes"] <= 32 * MEBIBYTE


def test_the_scratch_holds_so_many_files(server: Server) -> None:
    outcome = server.run("many_files").returned
    assert outcome["error"] == "ENOSPC"
    assert outcome["files"] < 8192


def test_a_file_has_a_size(server: Server) -> None:
    assert server.run("big_file", file_bytes=8 * MEBIBYTE).returned == "EFBIG"


def test_memory_outside_processes_and_files_is_refused(server: Server) -> None:
    assert server.run("unnamed_memory").returned == {"memfd": "ENOSYS", "shmget": "ENOSYS", "msgget": "ENOSYS"}


def test_a_fork_bomb_ends_at_the_limit_and_dies_with_the_sandbox(server: Server) -> None:
    started = time.monotonic()
    outcome = server.run("fork_bomb", processes=20).returned
    assert outcome == {"processes": 19, "error": "EAGAIN"}
    assert time.monotonic() - started < 10


def test_a_bomb_in_one_sandbox_leaves_the_next_alone(server: Server) -> None:
    assert server.run("thread_bomb", processes=20).returned == {"threads": 19, "error": "can't start new thread"}
    assert server.run("honest_threads").returned == 8


def test_descriptors_are_limited(server: Server) -> None:
    outcome = server.run("descriptor_bomb", open_files=50).returned
    assert outcome["error"] == "EMFILE"
    assert outcome["opened"] < 50


def test_too_much_memory_is_an_error_at_once(server: Server) -> None:
    assert server.run("memory_at_once", 300 * MEBIBYTE).returned == "MemoryError"
    assert server.run("memory_in_a_list").returned == "MemoryError"
    assert server.run("memory_that_fits", 200 * MEBIBYTE).returned == 200 * MEBIBYTE // 4096


def test_shared_memory_is_watched(server: Server) -> None:
    outcome = server.run("memory_shared", 450 * MEBIBYTE)
    assert outcome.returned is None
    assert outcome.report["killed_for_memory"]
    assert outcome.report["signal"] == signal.SIGKILL


def test_the_memory_of_all_processes_counts_together(server: Server) -> None:
    outcome = server.run("memory_in_processes", 6, 100 * MEBIBYTE)
    assert outcome.returned is None
    assert outcome.report["killed_for_memory"]


def test_memory_that_processes_share_counts_once(server: Server) -> None:
    outcome = server.run("processes_that_share", 6, 100 * MEBIBYTE)
    assert outcome.returned == str([0] * 6)
    assert not outcome.report["killed_for_memory"]


def test_cpu_time_ends(server: Server) -> None:
    outcome = server.run("spin", total_seconds=0.5)
    assert outcome.returned is None
    assert outcome.report["signal"] == signal.SIGKILL
    assert 1 < outcome.report["cpu_seconds"] < 4


# Ends


def wait_until_gone(process: int) -> bool:
    for _ in range(100):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.02)
                continue
        return True
    return False


def test_a_daemon_dies_with_the_submission(server: Server) -> None:
    started = time.monotonic()
    # The daemon holds the pipe of the result: the server reads to its end only when the daemon is dead.
    assert server.run("daemon", 30).returned == "left"
    assert time.monotonic() - started < 10


def test_ignoring_every_signal_does_not_help(server: Server) -> None:
    process = server.start("sleep_deaf", 30)
    time.sleep(0.3)
    os.kill(process, signal.SIGKILL)
    outcome = server.finish()
    assert outcome.report["signal"] == signal.SIGKILL
    assert not outcome.report["killed_for_memory"]
    assert wait_until_gone(process)


def test_everything_dies_with_the_keeper(server: Server) -> None:
    process = server.start("sleep_deaf", 30)
    time.sleep(0.3)
    status = Path(f"/proc/{process}/status").read_text()
    keeper = int(next(line for line in status.splitlines() if line.startswith("PPid:")).split()[1])
    os.kill(keeper, signal.SIGKILL)
    started = time.monotonic()
    # Its daemon, too, holds the pipe that the server reads to the end.
    assert server.finish().report == {"killed": True}
    assert time.monotonic() - started < 10
    assert wait_until_gone(process)


@pytest.mark.parametrize(
    ("way", "end"),
    [
        ("exit", {"exit": 7, "signal": None}),
        ("segfault", {"exit": None, "signal": signal.SIGSEGV}),
        ("abort", {"exit": signal.SIGABRT, "signal": None}),
        ("SIGTERM", {"exit": signal.SIGTERM, "signal": None}),
        ("SIGALRM", {"exit": signal.SIGALRM, "signal": None}),
    ],
)
def test_the_report_says_how_it_ended(server: Server, way: str, end: dict[str, int | None]) -> None:
    report = server.run("end_by", way).report
    assert {name: report[name] for name in ("exit", "signal")} == end
    assert report["max_rss_bytes"] > 5 * MEBIBYTE
    assert report["cpu_seconds"] >= 0


# Honest work


def test_numpy_scipy_and_threads_work(server: Server) -> None:
    assert server.run("honest_numpy_and_scipy", memory_bytes=1024 * MEBIBYTE).returned < 1e-9
    assert server.run("honest_threads").returned == 8


def test_processes_work(server: Server) -> None:
    outcome = server.run("honest_processes").returned
    assert outcome == {
        "python": [0, "3.141592653589793", ""],
        "shell": 3,
        "terminated": -signal.SIGTERM,
        "squares": [0, 1, 4, 9, 16],
        "worker": -signal.SIGTERM,
    }


@pytest.mark.slow
def test_torch_works(server: Server) -> None:
    assert server.run("honest_torch", memory_bytes=2048 * MEBIBYTE).returned == 400


@pytest.mark.slow
def test_a_figure_can_be_saved(server: Server) -> None:
    assert server.run("honest_figure", memory_bytes=1024 * MEBIBYTE).returned == "PNG"


# The platform


def test_this_machine_can_confine() -> None:
    probe()


def test_a_machine_that_cannot_says_why_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_try", lambda: "unshare: Operation not permitted")
    probing._problem.cache_clear()
    with pytest.raises(SandboxUnavailableError, match=r"unshare: Operation not permitted\. Remedy: .*--unsandboxed"):
        probe()
    probing._problem.cache_clear()


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_stays_inside_it(architecture: str) -> None:
    code = seccomp.build_filter(architecture)
    count = len(code) // 8
    assert len(code) == 8 * count
    for index in range(count):
        operation, if_true, if_false = code[8 * index], code[8 * index + 2], code[8 * index + 3]
        assert operation in (0x20, 0x15, 0x35, 0x45, 0x06)
        assert index + 1 + max(if_true, if_false) < count or operation == 0x06


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="not of riscv64"):
        seccomp.build_filter("riscv64")


# Without a sandbox


def test_unsandboxed_has_the_same_shape(server: Server, folder: Path) -> None:
    write(folder / "data.csv", "1\n2\n")
    write(folder / "below" / "more.txt", "more")
    outcome = server.run("end_by", "exit", sandboxed=False)
    assert (outcome.report["exit"], outcome.report["signal"]) == (7, None)
    assert server.run("end_by", "SIGTERM", sandboxed=False).report["signal"] == signal.SIGTERM
    assert server.run("memory_at_once", 300 * MEBIBYTE, sandboxed=False).returned == "MemoryError"
    outcome = server.run("honest_files", folder=folder, sandboxed=False)
    assert outcome.returned["data"] == "1\n2\n3\n"
    assert (folder / "data.csv").read_text() == "1\n2\n"
    started = time.monotonic()
    assert server.run("daemon", 30, sandboxed=False).returned == "left"
    assert time.monotonic() - started < 10
