"""The process that stays outside a sandbox, waits for its end and says how it ended."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import sys

from .memory import MemoryWatch

_LOOK_MILLISECONDS = 40
_MESSAGE_BYTES = 4096


def open_channel() -> tuple[socket.socket, socket.socket]:
    """A pair of sockets, for the keeper and for the process to be confined.

    The keeper's end asks the kernel for the sender of each message: that is how it learns the process id, as seen from
    the keeper's own namespace.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


def tell_ready(channel: socket.socket) -> None:
    """Tell the keeper that the confinement is complete, and hand it the sandbox's /proc."""
    descriptor = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    socket.send_fds(channel, [b"{}"], [descriptor])
    os.close(descriptor)


def tell_failure(channel: socket.socket, message: str) -> None:
    """Tell the keeper why the confinement could not be completed."""
    channel.send(json.dumps({"error": message}).encode()[:_MESSAGE_BYTES])


def keep(process: int, channel: socket.socket, report_fd: int | None, memory_bytes: int | None) -> None:
    """Wait for the end of ``process``, the first of its namespace, write the report and end as it ended. No return.

    The report is one line of JSON for the start and one for the end, or one with an ``error``.
    """
    message, folder = _first_message(channel)
    channel.close()
    if "error" in message:
        if process:
            os.waitpid(process, 0)
        write_record(report_fd, message)
        os._exit(1)
    # A container's own /proc may be covered, and the sandbox's is then an empty folder.
    own_view = folder if folder is not None and os.access("1", os.F_OK, dir_fd=folder) else None
    record, code = wait_for_end(process, report_fd, memory_bytes, own_view)
    write_record(report_fd, record)
    os._exit(code)


def wait_for_end(
    process: int, report_fd: int | None, memory_bytes: int | None, processes: int | None = None
) -> tuple[dict[str, object], int]:
    """Report the start of a child, wait for its end, and return the report of that and an exit code that says the same.

    ``processes`` is an open folder of the /proc that shows the sandbox's processes only, if there is one.
    """
    write_record(report_fd, {"pid": process})
    watch = None
    if memory_bytes is not None and sys.platform == "linux":
        watch = MemoryWatch(memory_bytes, process, processes)
    killed_for_memory = _wait(process, watch)
    _, status, usage = os.wait4(process, 0)
    code = os.waitstatus_to_exitcode(status)
    record: dict[str, object] = {
        "exit": code if code >= 0 else None,
        "signal": -code if code < 0 else None,
        "max_rss_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "killed_for_memory": killed_for_memory,
    }
    return record, code if code >= 0 else 128 - code


def _first_message(channel: socket.socket) -> tuple[dict[str, object], int | None]:
    room = socket.CMSG_SPACE(struct.calcsize("3i")) + socket.CMSG_SPACE(struct.calcsize("i"))
    data, ancillary, _, _ = channel.recvmsg(_MESSAGE_BYTES, room)
    folder = None
    for _, kind, value in ancillary:
        if kind == socket.SCM_RIGHTS:
            (folder,) = struct.unpack("i", value)
    if not data:
        return {"error": "the process ended while it was being confined"}, folder
    return json.loads(data), folder


def _wait(process: int, watch: MemoryWatch | None) -> bool:
    """Wait for the end; kill the sandbox, and return true, if its memory passes the limit before."""
    if watch is None:
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        return False
    poll = select.poll()
    poll.register(os.pidfd_open(process), select.POLLIN)
    while not poll.poll(_LOOK_MILLISECONDS):
        if watch.exceeded():
            os.kill(process, signal.SIGKILL)
            return True
    return False


def write_record(report_fd: int | None, record: dict[str, object]) -> None:
    """Write one line of a report."""
    if report_fd is None:
        return
    try:
        os.write(report_fd, json.dumps(record).encode() + b"\n")
    except BrokenPipeError:
        # Whoever asked has gone; the sandbox must still be kept and ended.
        return
