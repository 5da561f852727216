"""Attacks on files: what a student may not read, may not write, and may not leave for others to trip over.

A spy carries its loot out through its output and its error message. The harness knows the canaries, the digests of
everything in the course, and the places where a marker file would show that writing worked.
"""

from __future__ import annotations

import os
from pathlib import Path

from attack import Arena, Attack, answers, attempt, does, expecting, full_marks, gets, spy, unreadable, writes
from attack_course import LESSON, RIGHT, submission
from threats import Threat

READ_TREE = """\
import os, sys
for folder, names, files in os.walk({root!r}):
    if folder.startswith(sys.prefix):
        continue  # its own libraries, which it may read and which are many
    for name in files:
        try:
            with open(os.path.join(folder, name), "rb") as file:
                loot.append((name, file.read()[:200_000].decode("utf-8", "replace")))
        except OSError as problem:
            loot.append(repr(problem)[:80])
loot = [str(one)[-1500:] for one in loot if "canary" in str(one)] or loot[:10]
"""

WRITE_TREE = """\
import os
for folder, names, files in os.walk({root!r}):
    try:
        open(os.path.join(folder, "@TOKEN@-written"), "w").close()
    except OSError:
        pass
    for name in files:
        try:
            with open(os.path.join(folder, name), "ab") as file:
                file.write(b"\\n")
        except OSError:
            pass
        try:
            os.remove(os.path.join(folder, name))
        except OSError:
            pass
"""


def read(name: str, threat: Threat, root: str) -> Attack:
    return spy(name, threat, f"Read everything in {root}", READ_TREE.format(root=root))


def write(name: str, threat: Threat, root: str) -> Attack:
    return does(name, threat, f"Append to, delete and add files in {root}", WRITE_TREE.format(root=root))


def shadow(*names: str) -> Attack:
    """Bring files along that would be imported, or read as configuration, in place of the real ones."""

    def hand_in(folder: Path, arena: Arena) -> None:
        writes(lambda _: submission())(folder, arena)
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            marker = arena.outside / f"{arena.token}-{path.stem}"
            path.write_text(f"open({str(marker)!r}, 'w').close()\nraise SystemExit('shadowed')\n")

    return Attack(
        "shadowing-modules",
        Threat.SHADOW_MODULES,
        "Bring modules along that shadow the kernel's",
        hand_in,
        full_marks(),
    )


def link(name: str, threat: Threat, goal: str, make: str, reason: str) -> Attack:
    """Hand in something that is no plain file; ``make`` names a function of ``os``."""

    def hand_in(folder: Path, arena: Arena) -> None:
        path = folder / f"{folder.name}.ipynb"
        target = arena.course / "source" / folder.name / path.name
        if make == "mkfifo":
            os.mkfifo(path)
        elif make == "mkdir":
            path.mkdir()
        else:
            path.symlink_to(target if make == "symlink" else "/dev/zero")

    return Attack(name, threat, goal, hand_in, {}, reason)


def linked_data(folder: Path, arena: Arena) -> None:
    """Bring links along beside a right notebook."""
    writes(lambda _: submission())(folder, arena)
    (folder / "data").symlink_to(arena.course / "source", target_is_directory=True)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "null.ipynb").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.ipynb")


def named(name: str, threat: Threat, student: str, reason: str = "cannot be a student id") -> Attack:
    return Attack(
        name, threat, "Have one's name taken for a path, a program or a formula",
        writes(lambda _: submission(), f"{LESSON}.ipynb"), {}, reason, student=student,
    )  # fmt: skip


def file_named(name: str, threat: Threat, file_name: str, reason: str = "") -> Attack:
    return Attack(
        name, threat, "Have the file's name taken for markup, a path or a formula",
        writes(lambda _: submission(), file_name), {} if reason else full_marks(), reason,
    )  # fmt: skip


ATTACKS = [
    read("reads-source", Threat.READS_SOURCE, "@COURSE@/source"),
    read("reads-release-and-all", Threat.READS_SOURCE, "@COURSE@"),
    read("reads-solutions", Threat.READS_SOLUTIONS, "@COURSE@/solutions"),
    read("reads-classmates", Threat.READS_CLASSMATES, "@COURSE@/submitted"),
    read("reads-autograded", Threat.READS_CLASSMATES, "@COURSE@/autograded"),
    read("reads-temporary-folders", Threat.READS_CLASSMATES, "/tmp"),
    read("reads-home", Threat.READS_CLASSMATES, "/home"),
    spy(
        "reads-gradebook", Threat.READS_GRADEBOOK, "Read the gradebook as a database and as bytes",
        """
        import sqlite3
        for address in ("@COURSE@/gradebook.db", "file:@COURSE@/gradebook.db?immutable=1"):
            try:
                loot += list(sqlite3.connect(address, uri=True).execute("select * from student"))
            except sqlite3.Error as problem:
                loot.append(repr(problem))
        loot.append(open("@COURSE@/gradebook.db", "rb").read().decode("latin-1")[:500_000][-100_000:])
        """,
    ),
    spy(
        "reads-the-key", Threat.READS_GRADEBOOK, "Read the key that signs verdicts",
        "loot.append('BREACH: ' + open('@COURSE@/grading.key').read())",
    ),
    spy(
        "reads-through-working-folder", Threat.READS_SOURCE, "Climb from the working folder",
        """
        import os
        loot.append(os.getcwd())
        for up in ("..", "../..", "../../..", "/proc/self/cwd/..", "/proc/1/cwd"):
            for folder, names, files in os.walk(up):
                for name in files[:50]:
                    if name.endswith((".ipynb", ".db", ".key")):
                        text = open(os.path.join(folder, name), "rb").read(500_000).decode("latin-1")
                        loot += [text[text.find("canary"):][:80]] if "canary" in text else []
                names[:] = names[:20]
                if folder.count("/") > 12:
                    names[:] = []
        """,
    ),
    spy(
        "reads-through-descriptors", Threat.READS_SOURCE, "Climb from an inherited descriptor of a folder",
        """
        import os
        for descriptor in range(0, 256):
            try:
                loot.append((descriptor, os.readlink(f"/proc/self/fd/{descriptor}")))
                for path in ("@COURSE@/source/01_attacked/01_attacked.ipynb", "source/01_attacked/01_attacked.ipynb"):
                    found = os.open("../" * 12 + path.lstrip("/"), os.O_RDONLY, dir_fd=descriptor)
                    loot.append(os.read(found, 10**6).decode()[-3000:])
            except OSError:
                pass
        """, also=(Threat.DESCRIPTORS,),
    ),
    write("writes-source", Threat.WRITES_SOURCE, "@COURSE@/source"),
    write("writes-solutions", Threat.WRITES_SOURCE, "@COURSE@/solutions"),
    write("writes-classmates", Threat.WRITES_CLASSMATES, "@COURSE@/submitted"),
    write("writes-records", Threat.WRITES_CLASSMATES, "@COURSE@/outcomes"),
    write("writes-outside", Threat.WRITES_CLASSMATES, "@OUTSIDE@"),
    does(
        "writes-gradebook", Threat.WRITES_GRADEBOOK, "Give oneself full marks in the gradebook",
        """
        import sqlite3
        with sqlite3.connect("@COURSE@/gradebook.db", timeout=1) as database:
            database.execute("update grade set manual_score = 1000")
            database.execute("delete from student")
        """,
    ),
    does(
        "locks-gradebook", Threat.WRITES_GRADEBOOK, "Hold a lock on the gradebook",
        """
        import fcntl, os
        gradebook = os.open("@COURSE@/gradebook.db", os.O_RDONLY)
        fcntl.flock(gradebook, fcntl.LOCK_EX)
        """,
    ),
    does(
        "writes-everywhere", Threat.WRITES_CLASSMATES, "Leave a file in every place that programs read later",
        """
        import os, site, sys, sysconfig
        places = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/etc", "/usr/local/bin", "/", "/var/cache", "/etc/profile.d"]
        places += [os.path.expanduser("~"), os.path.expanduser("~/.config"), "@COURSE@", "@OUTSIDE@", sys.prefix]
        places += [sysconfig.get_paths()["purelib"], os.path.dirname(sys.executable), "@COURSE@/source"]
        for place in places:
            try:
                os.makedirs(place, exist_ok=True)
                open(os.path.join(place, "@TOKEN@-everywhere"), "w").close()
            except OSError:
                pass
        """, also=(Threat.SHARED_MEMORY,),
    ),
    does(
        "writes-data-for-later", Threat.CACHES, "Change the data files that later submissions read",
        """
        import os
        name = "data/samples.txt"
        for path in (name, os.path.realpath(name), "@COURSE@/source/01_attacked/" + name):
            try:
                open(path, "w").write("0 0 0")
            except OSError:
                pass
        """,
    ),
    does(
        "poisons-caches", Threat.CACHES, "Change compiled files and caches that later submissions load",
        """
        import os, pathlib, tempfile
        import numpy.linalg
        cached = pathlib.Path(numpy.linalg.__file__).parent / "__pycache__"
        poison = [cached / "@TOKEN@.pyc", pathlib.Path(numpy.__file__).parent / "@TOKEN@.py"]
        for name in ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "IPYTHONDIR", "XDG_CACHE_HOME", "TMPDIR", "HOME"):
            poison.append(pathlib.Path(os.environ.get(name, "/nowhere")) / "@TOKEN@-cache")
        poison.append(pathlib.Path.home() / ".ipython/profile_default/startup/@TOKEN@.py")
        poison.append(pathlib.Path(tempfile.gettempdir()) / "@TOKEN@-temporary")
        for path in poison:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("# harmless")
            except OSError:
                pass
        """,
    ),
    Attack(
        "changes-loaded-modules", Threat.CACHES, "Change modules that were loaded before the fork",
        answers(double=attempt("np.sum = np.array = np.zeros = None") + RIGHT["double"]),
        expecting(answer=gets("failed|error")),
    ),
    does(
        "leaves-pth-files", Threat.PTH_FILES, "Leave .pth files and startup modules",
        """
        import os, site, sys
        folders = site.getsitepackages() + [site.getusersitepackages(), *sys.path, os.getcwd()]
        for folder in folders:
            for name in ("@TOKEN@.pth", "@TOKEN@-usercustomize.py"):
                try:
                    os.makedirs(folder, exist_ok=True)
                    open(os.path.join(folder, name), "w").write("# harmless")
                except OSError:
                    pass
        """,
    ),
    does(
        "shared-memory", Threat.SHARED_MEMORY, "Leave messages in shared memory for later submissions",
        """
        from multiprocessing import shared_memory
        block = shared_memory.SharedMemory("@TOKEN@-block", create=True, size=2**20)
        open("/dev/shm/@TOKEN@-file", "w").write("for later")
        """,
    ),
    spy(
        "system-v-memory", Threat.SHARED_MEMORY, "Leave and find messages in System V shared memory and keyrings",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        key = 0x61747461
        if libc.shmget(key, 4096, 0) >= 0 or libc.msgget(key, 0) >= 0 or libc.semget(key, 1, 0) >= 0:
            loot.append("BREACH: somebody left a message")
        loot.append((libc.shmget(key, 4096, 0o1666), libc.msgget(key, 0o1666), libc.semget(key, 1, 0o1666)))
        user_keyring = -4
        add_key, request_key = 248, 249
        if libc.syscall(request_key, b"user", b"@TOKEN@", None, user_keyring) > 0:
            loot.append("BREACH: somebody left a key")
        loot.append(libc.syscall(add_key, b"user", b"@TOKEN@", b"for later", 9, user_keyring))
        """,
    ),
    spy(
        "system-v-memory-again", Threat.SHARED_MEMORY, "Find what another submission left",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        key = 0x61747461
        if libc.shmget(key, 4096, 0) >= 0 or libc.msgget(key, 0) >= 0 or libc.semget(key, 1, 0) >= 0:
            loot.append("BREACH: somebody left a message")
        if libc.syscall(249, b"user", b"@TOKEN@", None, -4) > 0:
            loot.append("BREACH: somebody left a key")
        """,
    ),
    spy(
        "scratch-of-others", Threat.CACHES, "Find what another submission left in the scratch folder",
        """
        import glob, os, tempfile
        for folder in (os.getcwd(), tempfile.gettempdir(), os.path.expanduser("~"), "/dev/shm"):
            loot += ["BREACH: " + name for name in glob.glob(folder + "/@TOKEN@-scratch*")]
            open(os.path.join(folder, "@TOKEN@-scratch-of-one"), "w").close()
        """,
    ),
    spy(
        "scratch-of-others-again", Threat.CACHES, "Find what another submission left in the scratch folder",
        """
        import glob, os, tempfile
        for folder in (os.getcwd(), tempfile.gettempdir(), os.path.expanduser("~"), "/dev/shm"):
            loot += ["BREACH: " + name for name in glob.glob(folder + "/@TOKEN@-scratch*")]
            open(os.path.join(folder, "@TOKEN@-scratch-of-two"), "w").close()
        """,
    ),
    does(
        "links-from-scratch", Threat.SYMLINKS, "Have the grader follow a link out of the scratch folder",
        """
        import os
        for name, target in (("data/x", "@COURSE@/source"), ("g.db", "@COURSE@/gradebook.db"), ("loop", "loop")):
            try:
                os.symlink(target, name)
            except OSError:
                pass
        os.rename("data", "data-moved")
        os.symlink("@COURSE@/submitted", "data")
        """,
    ),
    does(
        "hard-links", Threat.HARD_LINKS, "Link others' files into the scratch folder and write them there",
        """
        import glob, os
        for number, path in enumerate(glob.glob("@COURSE@/*/*/*.ipynb") + ["@COURSE@/gradebook.db", "/etc/passwd"]):
            os.link(path, f"linked-{number}")
            os.chmod(f"linked-{number}", 0o666)
            open(f"linked-{number}", "a").write(" ")
        """,
    ),
    does(
        "fifos-in-scratch", Threat.FIFOS, "Leave FIFOs that hang whoever opens them",
        """
        import os
        os.mkfifo("pipe.ipynb")
        os.remove("data/samples.txt")
        os.mkfifo("data/samples.txt")
        """,
    ),
    does(
        "devices", Threat.DEVICES, "Make devices, and write those that are there",
        """
        import os, stat
        disk, memory = os.makedev(254, 0), os.makedev(1, 1)
        for name, kind, device in (("disk", stat.S_IFBLK, disk), ("memory", stat.S_IFCHR, memory)):
            try:
                os.mknod(name, kind | 0o666, device)
                os.open(name, os.O_RDONLY)
                open("@OUTSIDE@/@TOKEN@-device", "w").close()
            except OSError as problem:
                print(problem)
        for name in ("kmsg", "mem", "sda", "vda", "fuse", "kvm", "console", "tty"):
            try:
                os.close(os.open("/dev/" + name, os.O_RDWR | os.O_NONBLOCK))
                print("BREACH: device", name)
            except OSError:
                pass
        """,
    ),
    spy(
        "set-user-id", Threat.DEVICES, "Leave a program that runs as another user",
        """
        import os, shutil
        shutil.copy("/bin/sh", "shell")
        os.chown("shell", 0, 0)
        os.chmod("shell", 0o6755)
        loot.append(os.stat("shell").st_mode)
        """,
    ),
    spy(
        "removes-the-scratch", Threat.CACHES, "Remove the working folder, or make it one that cannot be removed",
        """
        import os, shutil
        deep = "d" * 200
        for _ in range(60):
            os.mkdir(deep)
            os.chdir(deep)
        os.chmod(".", 0)
        """,
    ),
    link("linked-notebook", Threat.SYMLINKS, "Hand in a link to the solutions", "symlink", "a link"),
    link("device-notebook", Threat.DEVICES, "Hand in a link to /dev/zero", "device", "not a plain file"),
    link("fifo-notebook", Threat.FIFOS, "Hand in a FIFO that hangs whoever opens it", "mkfifo", "not a plain file"),
    link("folder-notebook", Threat.WRONG_TYPES, "Hand in a folder called a notebook", "mkdir", "no notebook"),
    Attack("links-beside", Threat.SYMLINKS, "Bring links, devices and FIFOs along", linked_data, {}, "a link"),
    shadow(
        "numpy.py", "ipykernel_launcher.py", "sitecustomize.py", "usercustomize.py", "IPython.py", "random.py",
        "numpy/__init__.py", ".ipython/profile_default/startup/00.py", "profile_default/ipython_config.py", "a.pth",
        "ipython_config.py", "jupyter_config.py", "nbgrader_config.py", "pytest.py", "conftest.py", "data/samples.txt",
    ),
    does(
        "shadowing-from-scratch", Threat.SHADOW_MODULES, "Write modules that later cells and tests would import",
        """
        import sys
        for name in ("random", "math", "pytest", "torch", "course_lib", "sitecustomize"):
            open(name + ".py", "w").write("raise SystemExit('shadowed')")
        sys.path.insert(0, "")
        """,
    ),
    named("name-of-codes", Threat.NAMES_PATH, "%2e%2e%2fup"),
    named("name-of-a-parent", Threat.NAMES_PATH, "a..b"),
    named("name-of-markup", Threat.NAMES_MARKUP, "<img src=x onerror=alert(1)>"),
    named("name-of-a-formula", Threat.NAMES_FORMULA, "=cmd|' C'!A0"),
    named("name-of-a-sum", Threat.NAMES_FORMULA, "+1+1"),
    named("name-of-punctuation", Threat.NAMES_PUNCTUATION, '{0},"x";\n$(touch x)'),
    named("name-of-colours", Threat.NAMES_PUNCTUATION, "\x1b[31mred"),
    named("name-of-200-letters", Threat.NAMES_PUNCTUATION, "n" * 200),
    file_named("file-of-a-formula", Threat.NAMES_FORMULA, '=cmd()|<img src=x onerror=alert(1)>{0},"$x.ipynb'),
    file_named("file-of-lines", Threat.NAMES_PUNCTUATION, "a\n=1+1.ipynb", "control characters"),
    file_named("file-of-colours", Threat.CONTROL_CHARACTERS, "\x1b[2J\u202e.ipynb", "control characters"),
    unreadable("a-program", Threat.WRONG_TYPES, "Hand in a program as a notebook", b"\x7fELF" + bytes(100), "not"),
]  # fmt: skip
