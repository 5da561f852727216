"""Confining a process: the order of the steps, and why it is this one.

The caller has forked a process K for one submission. In K:

1. Close every descriptor that is not needed, so that nothing of the server reaches the inside, nor is held open by K.
2. Rights. Root has the right to mount already, and gives itself a user number that nobody uses once the mounts stand.
   An ordinary user gets the right in a new user namespace, in which its own number stands for itself.
3. A new process namespace, which only a child enters: fork. K becomes the keeper (``keeper.py``): it waits and reports.

In the child C, the first process of that namespace:

4. A session of its own: else ``kill(0, …)`` would reach K and the server, which are in the same process group.
5. Namespaces for mounts, network, System V objects and host name; the new root (``mounts.py``), while C may mount.
6. The limits; then the identity and all capabilities are given up, and ``no_new_privs`` makes that final.
7. Death with K. The kernel forgets this wish at a change of identity, so it comes after it; a K that is dead already
   shows as a hang-up of the channel.
8. The filter of system calls last, since the steps above need calls that it refuses.

When C ends, however it ends, the kernel kills everything else in its process namespace.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import tempfile
from typing import NoReturn

from . import keeper, limits, mounts, seccomp, syscalls
from .confinement import HOME_FOLDER, TEMPORARY_FOLDER, Confinement
from .environment import private_folders

_FIRST_UNUSED_USER = 0x7000_0000
_LAST_ORDINARY_USER = 65534
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
# Signals that end a process which does not handle them, and that one may send to itself.
_ENDING_SIGNALS = (
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGABRT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGTERM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
)


def confine(confinement: Confinement, report_fd: int | None = None) -> None:
    """Confine the calling, freshly forked and single-threaded process; returns in the confined one only.

    The caller's process becomes the keeper and never returns. It writes lines of JSON to ``report_fd``: ``{"pid": …}``,
    the confined process's id, when the confinement stands; at the end ``exit`` (code, or null), ``signal`` (number, or
    null), ``max_rss_bytes``, ``cpu_seconds`` and ``killed_for_memory``. If the confinement fails there is one line with
    an ``error`` instead. The keeper's own exit code is the confined process's, or 128 and the signal's number.

    The kernel spares the first process of a namespace from signals that it does not handle, its own included. Those
    that would end another process end this one with the signal's number as ``exit``; SIGKILL and SIGSTOP sent from
    inside do nothing to it, while both a fault and a SIGKILL from outside end it. What the submission's own daemons
    leave behind stays a zombie and counts as a process until the sandbox ends: a reaper would be one more fork of a
    large process.
    """
    close_descriptors(report_fd, *confinement.keep_fds)
    reset_signals()
    ours, theirs = keeper.open_channel()
    privileged = syscalls.has_capability(syscalls.CAP_SYS_ADMIN)
    user, group = os.geteuid(), os.getegid()
    try:
        if privileged:
            user = group = unused_user()
        else:
            _enter_user_namespace(user, group)
        syscalls.unshare(syscalls.CLONE_NEWPID)
        process = os.fork()
    except OSError as error:
        keeper.tell_failure(theirs, str(error))
        _end_as_keeper(0, ours, theirs, report_fd, confinement)
    if process != 0:
        _end_as_keeper(process, ours, theirs, report_fd, confinement)
    ours.close()
    try:
        _confine_first_process(confinement, theirs, user, group, privileged)
    except BaseException as error:
        keeper.tell_failure(theirs, f"{type(error).__name__}: {error}")
        os._exit(1)


def close_descriptors(*kept: int | None) -> None:
    """Point 0, 1 and 2 to /dev/null, and close every other descriptor that is not kept."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        if standard not in kept:
            os.dup2(null, standard)
    start = 3
    for descriptor in sorted(number for number in kept if number is not None and number > 2):
        os.closerange(start, descriptor)
        start = descriptor + 1
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(start, most if most != resource.RLIM_INFINITY else 2**20)


def reset_signals() -> None:
    """Put every signal back to what a fresh interpreter has, and block none."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        wanted = signal.SIG_IGN if number in _IGNORED_BY_PYTHON else signal.SIG_DFL
        # One that is not Python's was set by a library in the server, and means nothing to its child either.
        if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) != wanted:
            signal.signal(number, wanted)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def unused_user() -> int:
    """A user number that nothing on the machine belongs to, a different one for each keeper alive.

    Different, because the kernel counts processes by user, and because sandboxes of one user could reach each other's
    objects where a namespace has a hole. Inside a container only some numbers may exist.
    """
    wanted = _FIRST_UNUSED_USER + os.getpid()
    with open("/proc/self/uid_map", encoding="utf-8") as users, open("/proc/self/gid_map", encoding="utf-8") as groups:
        ranges = [[tuple(map(int, line.split())) for line in file] for file in (users, groups)]
    for number in (wanted, _LAST_ORDINARY_USER):
        if all(any(first <= number < first + count for first, _, count in lines) for lines in ranges):
            return number
    raise OSError("no user number is free for the sandbox: run as an ordinary user, or give the container more numbers")


def _enter_user_namespace(user: int, group: int) -> None:
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def _end_as_keeper(
    process: int, ours: socket.socket, theirs: socket.socket, report_fd: int | None, confinement: Confinement
) -> NoReturn:
    theirs.close()
    try:
        close_descriptors(report_fd, ours.fileno())
        keeper.keep(process, ours, report_fd, confinement.limits.memory_bytes)
    finally:
        os._exit(1)


def _confine_first_process(
    confinement: Confinement, channel: socket.socket, user: int, group: int, privileged: bool
) -> None:
    os.setsid()
    os.umask(0o022)
    with open("/proc/self/oom_score_adj", "w", encoding="utf-8") as file:
        file.write("1000")
    syscalls.unshare(
        syscalls.CLONE_NEWNS
        | syscalls.CLONE_NEWNET
        | syscalls.CLONE_NEWIPC
        | syscalls.CLONE_NEWUTS
        | syscalls.CLONE_NEWCGROUP
    )
    syscalls.set_host_name("sandbox")
    in_use = limits.memory_in_use()
    mounts.build_root(confinement, user, group)
    syscalls.drop_bounding_capabilities()
    if privileged:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    syscalls.drop_capabilities()
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    # In a user namespace the keeper is of the same user.
    limits.set_limits(confinement.limits, in_use, others=0 if privileged else 1)
    # A change of identity takes away a process's own entries in /proc, which subprocess and others read.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    die_with_keeper(channel)
    _end_at_signals()
    # Before the fork and not in the child, which may be sent a signal before it comes to its first line; the parent
    # is spared such signals in between.
    os.register_at_fork(before=_behave_ordinarily, after_in_parent=_end_at_signals)
    # The server may have asked for the folder of temporary files already, and then this would be remembered.
    tempfile.tempdir = None
    os.environ.update(private_folders(HOME_FOLDER, TEMPORARY_FOLDER))
    close_descriptors(channel.fileno(), *confinement.keep_fds)
    seccomp.install(syscalls.architecture())
    keeper.tell_ready(channel)
    channel.close()


def die_with_keeper(channel: socket.socket) -> None:
    """Have the kernel kill this process when the keeper dies; at once, if it has died already."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    poll = select.poll()
    poll.register(channel, select.POLLHUP)
    if poll.poll(0):
        os._exit(1)


def _end_at_signals() -> None:
    """Have the signals end this process; but for those that the submission handles itself."""
    for number in _ENDING_SIGNALS:
        # Python does not know of the handler below its own, and takes the signal for one at its default.
        if signal.getsignal(number) == signal.SIG_DFL:
            syscalls.end_at_signal(number)


def _behave_ordinarily() -> None:
    """Give the signals their default action: children are not the first process, and it ends them without help."""
    for number in _ENDING_SIGNALS:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
