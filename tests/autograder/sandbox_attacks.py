"""What the sandbox's tests do inside it. Each function returns plain data about how far it came."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import multiprocessing
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal

libc = ctypes.CDLL(None, use_errno=True)


def attempt(action: Callable[..., Any], *arguments: object) -> str:
    """The name of the error that an action ends in, or ``done``."""
    try:
        action(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except MemoryError:
        return "MemoryError"
    except RuntimeError as error:
        return str(error)
    return "done"


def call(function: str, *arguments: object) -> str:
    """The error of a C library function that returns −1 for one."""
    if getattr(libc, function)(*arguments) == -1:
        return errno.errorcode[ctypes.get_errno()]
    return "done"


def read(paths: list[str]) -> dict[str, str]:
    return {path: attempt(os.listdir if os.path.isdir(path) else Path.read_bytes, Path(path)) for path in paths}


def contents(path: str) -> object:
    return sorted(os.listdir(path)) if os.path.isdir(path) else Path(path).read_text()


def everything_seen(wanted: list[str]) -> list[str]:
    """Paths anywhere below the root whose last part is one of those wanted."""
    found = []
    for folder, folders, files in os.walk("/"):
        if folder == "/":
            folders.remove("proc")
        if "site-packages" in folders:
            folders.remove("site-packages")
        found += [os.path.join(folder, name) for name in (*folders, *files) if name in wanted]
    return found


def write(paths: list[str]) -> dict[str, str]:
    outcome = {}
    for path in paths:
        if os.path.isdir(path):
            outcome[path] = attempt(lambda path=path: Path(path, "new").write_text("x"))
        else:
            outcome[path] = attempt(lambda path=path: open(path, "r+b").close())
        outcome["chmod " + path] = attempt(os.chmod, path, 0o777)
        outcome["remove " + path] = attempt(os.rename, path, path + "-moved")
    return outcome


def mounts() -> dict[str, list[str]]:
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return {fields[4]: fields[5].split(",") for fields in lines}


def links_out(path: str) -> dict[str, str]:
    os.symlink(path, "symbolic")
    return {
        "symbolic": attempt(lambda: Path("symbolic").read_text()),
        "hard": attempt(os.link, path, "hard"),
        "parent": attempt(lambda: Path("../" * 20 + path).read_text()),
        "root of 1": attempt(lambda: Path("/proc/1/root" + path).read_text()),
        "working directory of 1": attempt(lambda: Path("/proc/1/cwd/.." + path).read_text()),
    }


def mounting() -> dict[str, str]:
    ms_remount, ms_bind = 32, 4096
    new_user, new_mounts = 0x10000000, 0x00020000
    return {
        "mount": call("mount", b"tmpfs", b"/tmp", b"tmpfs", ctypes.c_ulong(0), None),
        "remount": call("mount", None, b"/usr/lib", None, ctypes.c_ulong(ms_remount | ms_bind), None),
        "bind": call("mount", b"/tmp", b"/usr/lib", None, ctypes.c_ulong(ms_bind), None),
        "unmount": call("umount2", b"/usr/lib", 2),
        "chroot": call("chroot", b"/tmp"),
        "unshare user": call("unshare", new_user),
        "unshare mounts": call("unshare", new_mounts),
        "clone user": call("syscall", 56 if os.uname().machine == "x86_64" else 220, new_user | 17, 0, 0, 0, 0),
        "mknod": attempt(os.mknod, "/tmp/memory", stat.S_IFCHR | 0o600, os.makedev(1, 1)),
        "setuid": attempt(os.setuid, 0),
        "setgroups": attempt(os.setgroups, [0]),
        "sethostname": attempt(socket.sethostname, "mine"),
    }


def system_calls(numbers: dict[str, int]) -> dict[str, str]:
    """Each call with arguments that are nonsense to it; looked at by the kernel they would give EINVAL or EFAULT."""
    nonsense = [ctypes.c_long(-1)] * 6
    return {name: call("syscall", ctypes.c_long(number), *nonsense) for name, number in numbers.items()}


def other_processes(host_process: int) -> dict[str, Any]:
    ptrace_attach = 16
    return {
        "seen": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "own": os.getpid(),
        "kill host": attempt(os.kill, host_process, 0),
        "ptrace host": call("ptrace", ptrace_attach, host_process, 0, 0),
        "ptrace 1": call("ptrace", ptrace_attach, 1, 0, 0),
        "priority of host": attempt(os.setpriority, os.PRIO_PROCESS, host_process, 19),
        "group": os.getpgid(0),
        "kill everybody": attempt(os.kill, -1, 0),
    }


def kill_group() -> str:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(0, signal.SIGTERM)
    return "alive"


def network(port: int, abstract: str) -> dict[str, Any]:
    def connect() -> None:
        with socket.socket(socket.AF_INET) as client:
            client.settimeout(1)
            client.connect(("127.0.0.1", port))

    def connect_abstract() -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("\0" + abstract)

    def pair() -> None:
        for end in socket.socketpair():
            end.close()

    return {
        "tcp": attempt(connect),
        "udp": attempt(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()),
        "netlink": attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()),
        "vsock": attempt(lambda: socket.socket(40, socket.SOCK_STREAM).close()),
        "abstract": attempt(connect_abstract),
        "pair": attempt(pair),
        "interfaces": Path("/proc/net/dev").read_text().splitlines()[2:],
    }


def fill_scratch(folder: str) -> dict[str, Any]:
    written = 0
    names = 0
    try:
        while True:
            with open(f"{folder}/{names}", "wb") as file:
                names += 1
                for _ in range(8):
                    written += file.write(bytes(2**20))
                    file.flush()
    except OSError as error:
        return {"bytes": written, "error": errno.errorcode[error.errno or 0]}


def many_files() -> dict[str, Any]:
    for number in range(100_000):
        try:
            os.mknod(f"/tmp/{number}")
        except OSError as error:
            return {"files": number, "error": errno.errorcode[error.errno or 0]}
    return {"files": 100_000}


def big_file() -> str:
    def grow() -> None:
        with open("/tmp/big", "wb") as file:
            for _ in range(1000):
                file.write(bytes(2**20))
                file.flush()

    return attempt(grow)


def unnamed_memory() -> dict[str, str]:
    return {
        "memfd": attempt(os.memfd_create, "x"),
        "shmget": call("shmget", 0, ctypes.c_size_t(2**20), 0o1600),
        "msgget": call("msgget", 0, 0o1600),
    }


def fork_bomb() -> dict[str, Any]:
    children = []
    error = ""
    for _ in range(1000):
        try:
            child = os.fork()
        except OSError as failure:
            error = errno.errorcode[failure.errno or 0]
            break
        if child == 0:
            time.sleep(60)
            os._exit(0)
        children.append(child)
    return {"processes": len(children), "error": error}


def thread_bomb() -> dict[str, Any]:
    stop = threading.Event()
    threads = []
    error = ""
    for _ in range(1000):
        thread = threading.Thread(target=stop.wait)
        try:
            thread.start()
        except RuntimeError as failure:
            error = str(failure)
            break
        threads.append(thread)
    stop.set()
    for thread in threads:
        thread.join()
    return {"threads": len(threads), "error": error}


def descriptor_bomb() -> dict[str, Any]:
    opened = []
    try:
        for _ in range(100_000):
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        return {"opened": len(opened), "error": errno.errorcode[error.errno or 0]}
    return {"opened": len(opened)}


def open_descriptors() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        # The descriptor that lists them is closed by now.
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return sorted(found)


def memory_at_once(size_bytes: int) -> str:
    return attempt(lambda: np.zeros(size_bytes, dtype=np.uint8))


def memory_that_fits(size_bytes: int) -> int:
    return int(np.ones(size_bytes, dtype=np.uint8)[::4096].sum())


def memory_in_a_list() -> str:
    kept = []

    def grow() -> None:
        for _ in range(10_000):
            kept.append(bytearray(2**20))

    return attempt(grow)


def memory_shared(size_bytes: int) -> str:
    """Shared mappings are no process's private memory."""
    shared = mmap.mmap(-1, size_bytes)
    for start in range(0, size_bytes, 2**20):
        shared[start : start + 2**20] = b"x" * 2**20
        time.sleep(0.001)
    time.sleep(20)
    return "kept"


def memory_in_processes(count: int, size_bytes: int) -> str:
    for _ in range(count):
        if os.fork() == 0:
            kept = np.ones(size_bytes, dtype=np.uint8)
            time.sleep(20)
            os._exit(int(kept[0]))
    time.sleep(20)
    return "kept"


def processes_that_share(count: int, size_bytes: int) -> str:
    """Pages that forked processes have in common are taken once."""
    kept = np.ones(size_bytes, dtype=np.uint8)
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            time.sleep(0.5)
            os._exit(int(kept[0]) - 1)
        children.append(child)
    return str([os.waitpid(child, 0)[1] for child in children])


def daemon(seconds: float) -> str:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
            time.sleep(seconds)
        os._exit(0)
    time.sleep(0.1)
    return "left"


def sleep_deaf(seconds: float) -> None:
    for number in range(1, 32):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_IGN)
    daemon(seconds)
    time.sleep(seconds)


def spin() -> None:
    while True:
        pass


def end_by(way: str) -> None:
    if way == "abort":
        os.abort()
    if way == "segfault":
        ctypes.string_at(0)
    if way == "exit":
        os._exit(7)
    os.kill(os.getpid(), getattr(signal, way))
    time.sleep(0.2)


def identity() -> dict[str, Any]:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    return {
        "capabilities": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "no new privileges": status["NoNewPrivs"],
        "filter": status["Seccomp"],
        "users": sorted(set(status["Uid"].split())),
        "groups": status["Groups"].split(),
        "host name": socket.gethostname(),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "killed first": Path("/proc/self/oom_score_adj").read_text().strip(),
        "killed last": attempt(lambda: Path("/proc/self/oom_score_adj").write_text("-1000")),
        "devices": sorted(os.listdir("/dev")),
        "set-user-id": subprocess.run(["/usr/bin/env", "id", "-u"], capture_output=True, text=True).stdout.strip(),
    }


def scratch_is_one() -> dict[str, Any]:
    for folder in (os.getcwd(), "/tmp", "/dev/shm", os.environ["HOME"]):
        Path(folder, "file").write_text("x")
    devices = {os.stat(folder).st_dev for folder in (os.getcwd(), "/tmp", "/dev/shm", os.environ["HOME"])}
    return {"devices": len(devices), "folder": os.getcwd(), "home": os.environ["HOME"]}


def environment() -> dict[str, str]:
    return dict(os.environ)


def honest_numpy_and_scipy() -> float:
    x = np.random.default_rng(0).standard_normal((300, 300))
    product_error = np.abs((x @ x)[7] - sum(x[7, k] * x[k] for k in range(300))).max()
    return float(np.abs(scipy.signal.fftconvolve(x[0], x[1]) - np.convolve(x[0], x[1])).max() + product_error)


def honest_torch() -> float:
    import torch

    x = torch.ones(200, 200, requires_grad=True)
    (x @ x).sum().backward()
    assert x.grad is not None
    return float(x.grad[0, 0])


def honest_processes() -> dict[str, Any]:
    child = subprocess.run([sys.executable, "-I", "-c", "import math; print(math.pi)"], capture_output=True, text=True)
    shell = subprocess.run("exit 3", shell=True)
    ended = subprocess.Popen(["sleep", "10"])
    ended.terminate()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        squares = pool.map(square, range(5))
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(10,))
    worker.start()
    worker.terminate()
    worker.join()
    return {
        "python": (child.returncode, child.stdout.strip(), child.stderr),
        "shell": shell.returncode,
        "terminated": ended.wait(),
        "squares": squares,
        "worker": worker.exitcode,
    }


def square(number: int) -> int:
    return number * number


def honest_threads() -> int:
    total = []
    threads = [threading.Thread(target=lambda: total.append(float(np.ones(1000).sum()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(total)


def honest_files() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(b"x")
        place = folder
    with open("data.csv", "a") as file_again:
        file_again.write("3\n")
    return {
        "temporary": place.startswith(os.environ["TMPDIR"]),
        "data": Path("data.csv").read_text(),
        "below": Path("below/more.txt").read_text(),
    }


def large_file() -> dict[str, Any]:
    return {
        "bytes": len(Path("large.bin").read_bytes()),
        "write": attempt(lambda: open("large.bin", "r+b").close()),
        "beside": sorted(os.listdir()),
    }


def honest_figure() -> str:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([1, 2])
    axes.set_title("x")
    figure.savefig("figure.png")
    return Path("figure.png").read_bytes()[1:4].decode()
