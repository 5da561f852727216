"""Attacks on processes: outlive the grading, reach other processes, leave the sandbox."""

from __future__ import annotations

from attack import Attack, answers, does, expecting, gets, lies, spy
from threats import Threat

# What would harm the machine if it worked is tried only where nothing else can be hit.
ALONE = """\
import os
if os.getpid() >= 50:
    raise SystemExit("BREACH: not in a process namespace of its own")
"""

SLEEPER = """\
import os, signal, subprocess, sys
sleep = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; time.sleep(600)"
"""

AGAIN = """\
import os, time
end = time.monotonic() + 60
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    time.sleep(0.05)
"""

LIBC = """\
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, result):
    loot.append((name, result, os.strerror(ctypes.get_errno()) if result < 0 else "done"))
    return result
"""

LOOK_ROUND = """\
for root in ("", "/proc/1/root", "/proc/self/root", "/old", "/oldroot", "/.old"):
    try:
        loot.append(open(root + "@COURSE@/source/01_attacked/01_attacked.ipynb").read()[-3000:])
    except OSError as problem:
        loot.append(repr(problem))
"""


def escape(name: str, goal: str, attack: str) -> Attack:
    """Try a way out of the sandbox, then look whether the solutions can be seen."""
    return spy(name, Threat.SANDBOX_ESCAPE, goal, ALONE + LIBC + attack.strip("\n") + "\n" + LOOK_ROUND)


ATTACKS = [
    does(
        "daemon", Threat.OUTLIVING, "Leave a process behind in a session of its own",
        SLEEPER + """
subprocess.Popen([sys.executable, "-c", sleep, "@TOKEN@"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", sleep, "@TOKEN@"])
    os._exit(0)
""",
    ),
    lies(
        "daemon-of-a-call", Threat.OUTLIVING, "Leave processes behind from within a call that never ends",
        SLEEPER + """
def double(x):
    for _ in range(3):
        subprocess.Popen([sys.executable, "-c", sleep, "@TOKEN@"], start_new_session=True)
    while True:
        pass
""", status="timed out",
    ),
    lies(
        "twin", Threat.OUTLIVING, "Answer from a child while the parent goes on",
        """
        import os
        def double(x):
            os.fork()
            return x
        """, status="failed|crashed|timed out|refused", wrecks=True,
    ),
    lies(
        "forked-in-the-cell", Threat.OUTLIVING, "Have two processes where there was one",
        "import os\nos.fork()\ndef double(x):\n    return x", status="failed|crashed|timed out|refused", wrecks=True,
    ),
    does(
        "respawning", Threat.OUTLIVING, "Start again whenever killed",
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {AGAIN!r}, '@TOKEN@'], process_group=0)",
    ),
    does(
        "kills-everybody", Threat.SIGNALS_TO_OTHERS, "Kill the parent, the group and every process there is",
        ALONE + """
import signal
for process in [os.getppid(), *range(2, 70000)]:
    if process not in (0, 1, os.getpid()):
        try:
            os.kill(process, signal.SIGKILL)
        except OSError:
            pass
""",
    ),
    lies(
        "kills-minus-one", Threat.SIGNALS_TO_OTHERS, "Kill everything with one call",
        ALONE + """
import signal

def double(x):
    for group in (-1, 0, os.getppid(), -os.getpgrp() if os.getpgrp() > 1 else 0):
        try:
            os.kill(group, signal.SIGKILL)
        except OSError:
            pass
    return x
""", status="failed|crashed|timed out",
    ),
    does(
        "stops-others", Threat.SIGNALS_TO_OTHERS, "Stop the parent and the group",
        ALONE + """
import signal
for process in (os.getppid(), *range(2, 40000)):
    if process not in (0, 1, os.getpid()):
        try:
            os.kill(process, signal.SIGSTOP)
        except OSError:
            pass
""",
    ),
    spy(
        "reads-proc", Threat.PROC, "Read every process's environment, memory, command line and files",
        """
        import os
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            for entry in ("environ", "cmdline"):
                try:
                    text = open(f"/proc/{name}/{entry}", "rb").read().decode("latin-1")
                    loot.append((name, entry, text[text.find("canary"):][:300] if "canary" in text else text[:40]))
                except OSError as problem:
                    loot.append((name, entry, problem.errno))
            for path in ("root@COURSE@/gradebook.db", "cwd/source/01_attacked/01_attacked.ipynb"):
                try:
                    loot.append(open(f"/proc/{name}/{path}", "rb").read(10**6).decode("latin-1")[-5000:])
                except OSError:
                    pass
        if len([name for name in os.listdir("/proc") if name.isdigit()]) > 8:
            loot.append("BREACH: sees other processes")
        loot = loot[-20:]
        """,
    ),
    spy(
        "reads-environment", Threat.ENVIRONMENT, "Read the environment, also as it was when the process began",
        """
        import ctypes, os
        loot += [dict(os.environ), open("/proc/self/environ", "rb").read(), open("/proc/1/environ", "rb").read()]
        environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
        at = 0
        while environ[at]:
            loot.append(environ[at])
            at += 1
        loot += ["BREACH: secret" for name in os.environ if "SECRET" in name or "TOKEN" in name or "KEY" in name]
        """,
    ),
    spy(
        "writes-proc", Threat.PROC, "Change kernel settings through /proc and /sys",
        """
        import os
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/overcommit_memory",
                     "/proc/self/oom_score_adj", "/proc/1/oom_score_adj", "/sys/kernel/uevent_helper",
                     "/sys/fs/cgroup/cgroup.procs", "/proc/self/uid_map", "/proc/sys/kernel/hostname"):
            try:
                descriptor = os.open(path, os.O_WRONLY)
                loot.append((path, "opened"))
                if path.startswith(("/proc/sys", "/sys")):
                    loot.append("BREACH: may write " + path)
                os.close(descriptor)
            except OSError as problem:
                loot.append((path, problem.errno))
        """,
    ),
    spy(
        "ptrace", Threat.PTRACE, "Attach to other processes and read their memory",
        LIBC + """
for process in [os.getppid(), *range(1, 300)]:
    if process in (0, os.getpid()):
        continue
    if libc.ptrace(16, process, None, None) == 0:
        loot.append(f"BREACH: attached to {process}")
        libc.ptrace(17, process, None, None)
    local = (ctypes.c_char * 64)()
    vectors = (ctypes.c_void_p * 4)(ctypes.addressof(local), 64, id(libc), 64)
    if libc.process_vm_readv(process, vectors, 1, ctypes.byref(vectors, 16), 1, 0) > 0:
        loot.append(f"BREACH: read {process}")
    if libc.syscall(434, process, 0) >= 0 and process not in range(os.getpid() - 2, os.getpid() + 8):
        loot.append(("pidfd", process))
""",
    ),
    spy(
        "ptrace-own-child", Threat.PTRACE, "Trace one's own child to run calls that the filter stops",
        LIBC + """
child = os.fork()
if child == 0:
    libc.ptrace(0, 0, None, None)
    os._exit(0)
os.waitpid(child, 0)
""",
    ),
    escape(
        "unshare", "Become root in a user namespace of one's own and mount",
        """
tried("unshare user and mount", libc.unshare(0x10000000 | 0x00020000))
tried("mount over", libc.mount(b"none", b"/", None, 16384 | (1 << 18), None))
tried("unmount what hides", libc.umount2(b"@COURSE@", 2))
for hiding in (b"/tmp", b"/root", b"/home", b"/proc", b"/work", b"/"):
    tried("unmount", libc.umount2(hiding, 2))
""",
    ),
    escape(
        "clone-with-namespaces", "Start a child in namespaces of its own",
        """
tried("clone", libc.syscall(56, 0x10000000 | 0x00020000 | 17, 0, 0, 0, 0))
tried("clone3", libc.syscall(435, (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17), 64))
""",
    ),
    escape(
        "remount", "Make what is read-only writable again",
        """
for path in (b"/", b"/usr", b"@COURSE@", os.getcwd().encode()):
    tried("remount", libc.mount(None, path, None, 32 | 4096, None))
try:
    open("@OUTSIDE@/@TOKEN@-remounted", "w").close()
except OSError as problem:
    loot.append(repr(problem))
""",
    ),
    escape(
        "set-namespace", "Enter the namespaces of another process",
        """
for process in ("1", "self", str(os.getppid())):
    for kind in ("user", "mnt", "pid", "net"):
        try:
            tried(kind, libc.setns(os.open(f"/proc/{process}/ns/{kind}", os.O_RDONLY), 0))
        except OSError as problem:
            loot.append(repr(problem))
""",
    ),
    escape(
        "chroot", "Leave through a second root",
        """
os.makedirs("jail", exist_ok=True)
here = os.open(".", os.O_RDONLY)
tried("chroot", libc.chroot(b"jail"))
os.fchdir(here)
for _ in range(30):
    os.chdir("..")
tried("chroot back", libc.chroot(b"."))
tried("pivot_root", libc.syscall(155, b".", b"."))
""",
    ),
    escape(
        "open-by-handle", "Open files by handle, past every mount",
        """
handle = (ctypes.c_ubyte * 136)()
ctypes.cast(handle, ctypes.POINTER(ctypes.c_uint))[0] = 128
number = ctypes.c_int()
tried("name_to_handle_at", libc.name_to_handle_at(-100, b"/", handle, ctypes.byref(number), 0))
tried("open_by_handle_at", libc.open_by_handle_at(os.open("/", os.O_RDONLY), handle, 0))
""",
    ),
    escape(
        "new-mount-api", "Mount through the calls that old filters forget",
        """
tried("open_tree", libc.syscall(428, -100, b"/", 1))
tried("move_mount", libc.syscall(429, -100, b"/", -100, b"/", 0))
tried("fsopen", libc.syscall(430, b"tmpfs", 0))
tried("fsmount", libc.syscall(432, 3, 0, 0))
tried("mount_setattr", libc.syscall(442, -100, b"/", 0, b"\\0" * 32, 32))
""",
    ),
    spy(
        "rare-calls", Threat.SANDBOX_ESCAPE, "Make calls that a lesson never needs and kernels got wrong before",
        LIBC + """
calls = {"bpf": (321, 0, 0, 0), "perf_event_open": (298, 0, 0, 0, 0, 0), "userfaultfd": (323, 0),
         "io_uring_setup": (425, 8, (ctypes.c_ubyte * 120)()), "kexec_load": (246, 0, 0, 0, 0),
         "init_module": (175, 0, 0, 0), "add_key": (248, b"user", b"a", b"b", 1, -2), "keyctl": (250, 0, -3, 1)}
for name, arguments in calls.items():
    if tried(name, libc.syscall(*arguments)) >= 0:
        loot.append(f"BREACH: {name} is open")
""",
    ),
    spy(
        "privileges", Threat.SANDBOX_ESCAPE, "Use privileges that should be gone",
        LIBC + """
status = open("/proc/self/status").read()
loot += [line for line in status.split("\\n") if line.startswith(("Cap", "NoNewPrivs", "Seccomp:", "Uid"))]
loot += ["BREACH: " + line for line in loot if str(line).startswith(("CapEff", "CapPrm")) and int(line.split()[1], 16)]
if "NoNewPrivs:\\t1" not in status:
    loot.append("BREACH: new privileges may be had")
import resource
for name in ("RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_AS"):
    kind = getattr(resource, name)
    before = resource.getrlimit(kind)
    try:
        resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if before[1] != resource.RLIM_INFINITY:
            loot.append("BREACH: raised " + name)
    except (OSError, ValueError) as problem:
        loot.append((name, before, repr(problem)))
try:
    os.nice(-10)
    loot.append("BREACH: raised its own priority")
except OSError:
    pass
""",
    ),
    spy(
        "terminal", Threat.SANDBOX_ESCAPE, "Type commands into the marker's terminal",
        """
        import fcntl, os, termios
        for path in ("/dev/tty", "/dev/pts/0", "/dev/console", "/proc/self/fd/0", "/proc/self/fd/2"):
            try:
                terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
                for letter in b"\\n":
                    fcntl.ioctl(terminal, termios.TIOCSTI, bytes([letter]))
                loot.append("BREACH: typed into " + path)
            except OSError as problem:
                loot.append((path, problem.errno))
        """,
    ),
    Attack(
        "everything-dies-together", Threat.OUTLIVING, "Leave processes in every exercise, and kill oneself",
        answers(**{
            key: SLEEPER + 'subprocess.Popen([sys.executable, "-c", sleep, "@TOKEN@"], start_new_session=True)\n'
            "os.kill(os.getpid(), 9)\nos._exit(0)"
            for key in ("double", "smooth", "Counter", "numbers", "answer", "near")
        }),
        expecting(**{key: gets("crashed") for key in ("double", "smooth", "Counter", "numbers", "answer", "near")}),
    ),
]  # fmt: skip
