"""Attacks on resources: memory, processes, descriptors, disk and output. Each stops by itself before it could harm a
machine whose limits failed, and cries "BREACH" where it got further than any limit allows.
"""

from __future__ import annotations

from attack import ANY, Attack, Expected, answers, attempt, does, expecting, full_marks, gets, lies, spy, wrecked
from attack_course import POINTS, RIGHT
from threats import Threat

ANYTHING = Expected(ANY, POINTS["double"], at_most=True)

ATTACKS = [
    spy(
        "fork-bomb", Threat.FORK_BOMB, "Start processes that start processes",
        """
        import os, time
        started = 0
        for _ in range(300):
            try:
                if os.fork() == 0:
                    time.sleep(2)
                    os._exit(0)
                started += 1
            except OSError as problem:
                loot.append(repr(problem))
                break
        if started >= 300:
            loot.append("BREACH: 300 processes")
        """,
    ),
    lies(
        "fork-bomb-in-a-call", Threat.FORK_BOMB, "Double the processes during the call",
        """
        import os
        def double(x):
            for _ in range(10):
                try:
                    os.fork()
                except OSError:
                    pass
            while True:
                pass
        """, status="timed out|crashed|failed",
    ),
    spy(
        "thread-bomb", Threat.THREAD_BOMB, "Start threads until something gives",
        """
        import threading, time
        started = 0
        for _ in range(2000):
            try:
                threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
                started += 1
            except RuntimeError as problem:
                loot.append(repr(problem))
                break
        if started >= 2000:
            loot.append("BREACH: 2000 threads")
        """,
    ),
    spy(
        "descriptor-bomb", Threat.DESCRIPTOR_BOMB, "Open files until something gives",
        """
        import os
        opened = []
        for _ in range(20_000):
            try:
                opened.append(os.open("/dev/null", os.O_RDONLY))
            except OSError as problem:
                loot.append(repr(problem))
                break
        if len(opened) >= 20_000:
            loot.append("BREACH: 20 000 descriptors")
        for descriptor in opened:
            os.close(descriptor)
        """,
    ),
    lies("memory-reserved", Threat.MEMORY_RESERVED, "Reserve ten terabytes",
         "def double(x):\n    return np.empty(10**13, dtype=np.uint8)", status="out of memory"),
    lies("memory-reserved-at-once", Threat.MEMORY_RESERVED, "Reserve ten terabytes in the answer cell",
         "block = np.empty(10**13, dtype=np.uint8)", status="out of memory"),
    lies("memory-mapped", Threat.MEMORY_RESERVED, "Reserve memory past Python",
         "import mmap\ndef double(x):\n    mmap.mmap(-1, 2**45)\n    return x", status="failed|out of memory|crashed"),
    lies(
        "memory-touched", Threat.MEMORY_TOUCHED, "Use up the machine's memory",
        """
        def double(x):
            blocks = [np.ones(2**23) for _ in range(64)]
            return "BREACH: 4 GiB"
        """, status="out of memory|crashed|timed out",
    ),
    lies(
        "memory-touched-at-once", Threat.MEMORY_TOUCHED, "Use up the machine's memory in the answer cell",
        "blocks = [np.ones(2**23) for _ in range(64)]\nprint('BREACH: 4 GiB')",
        status="out of memory|crashed|timed out",
    ),
    lies(
        "memory-by-children", Threat.MEMORY_TOUCHED, "Use up the machine's memory with many processes",
        """
        import os, time
        def double(x):
            children = 0
            for _ in range(12):
                if os.fork() == 0:
                    blocks = [np.ones(2**23) for _ in range(5)]
                    time.sleep(1)
                    os._exit(0)
            time.sleep(1)
            for _ in range(12):
                children += os.wait()[1] == 0
            return f"BREACH: {children} children" if children > 8 else x
        """, status="failed|out of memory|crashed|timed out",
    ),
    lies(
        "memory-grown", Threat.MEMORY_GROWN, "Append to a list for ever",
        """
        def double(x):
            grown = []
            while len(grown) < 4 * 10**8:
                grown += [0] * 10**6
            return "BREACH: 3 GiB"
        """, status="out of memory|crashed|timed out",
    ),
    lies("memory-in-a-number", Threat.MEMORY_GROWN, "Let an integer grow for ever",
         "def double(x):\n    while True:\n        x = (x or 2) ** 2", status="timed out|out of memory|crashed"),
    lies(
        "memory-in-shared-memory", Threat.SHARED_MEMORY, "Use up memory that no limit of a process counts",
        """
        import os
        def double(x):
            written = 0
            for number in range(32):
                descriptor = os.memfd_create(f"block-{number}")
                for _ in range(128):
                    written += os.write(descriptor, bytes(2**20))
            return f"BREACH: {written}" if written >= 2**32 else x
        """, status="failed|out of memory|crashed|timed out",
    ),
    spy(
        "full-disk", Threat.FULL_DISK, "Fill the disk",
        """
        import os, tempfile
        for folder in (".", tempfile.gettempdir(), "/dev/shm", "/var/tmp", os.path.expanduser("~")):
            written = 0
            try:
                for number in range(40):
                    with open(os.path.join(folder, f"@TOKEN@-block-{number}"), "wb") as file:
                        for _ in range(25):
                            written += file.write(bytes(2**20))
            except OSError as problem:
                loot.append((folder, problem.errno))
            if written >= 10**9:
                loot.append(f"BREACH: wrote a gigabyte in {folder}")
        """,
    ),
    spy(
        "large-file", Threat.FULL_DISK, "Write one file larger than a file may be",
        """
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with open("large", "wb") as file:
            file.truncate(2**40)
            file.seek(2**39)
            file.write(b"x")
            loot.append("BREACH: a file of a terabyte")
        """,
    ),
    spy(
        "many-files", Threat.FULL_DISK, "Use up the inodes",
        """
        import os
        made = 0
        try:
            for made in range(10**6):
                os.close(os.open(f"file-{made}", os.O_CREAT | os.O_WRONLY))
                if made % 1000 == 0 and made >= 300_000:
                    loot.append("BREACH: 300 000 files")
                    break
        except OSError as problem:
            loot.append((made, problem.errno))
        """,
    ),
    lies("endless-output", Threat.ENDLESS_OUTPUT, "Print for ever",
         "def double(x):\n    while True:\n        print('y' * 100)", status="timed out|failed|crashed|refused"),
    lies("endless-output-below", Threat.ENDLESS_OUTPUT, "Write to the descriptors for ever",
         "import os\ndef double(x):\n    while True:\n        os.write(1, b'y' * 4096)\n        os.write(2, b'n')",
         status="timed out|failed|crashed|refused"),
    Attack(
        "gigantic-output", Threat.GIGANTIC_OUTPUT, "Print 200 MB at once beside a right answer",
        answers(double=RIGHT["double"].replace("return", "print('x' * (2 * 10**8))\n    return")),
        full_marks() | {"test_double": ANYTHING},
    ),
    does(
        "many-lines", Threat.GIGANTIC_OUTPUT, "Print a hundred thousand short lines",
        "import sys\nfor n in range(10**5):\n    sys.stdout.write('y\\n')",
    ),
    does(
        "thousands-of-displays", Threat.MANY_DISPLAYS, "Display two thousand figures",
        """
        from IPython.display import HTML, display
        for number in range(2000):
            display(HTML(f"<p>{number}</p>"))
        """,
    ),
    does(
        "large-displays", Threat.MANY_DISPLAYS, "Display pictures of megabytes",
        """
        from IPython.display import Image, display
        for number in range(20):
            display(Image(data=b"\\x89PNG\\r\\n\\x1a\\n" + bytes(10**6), format="png"))
        """,
    ),
    does(
        "updates-displays", Threat.MANY_DISPLAYS, "Update and clear one display for ever",
        """
        from IPython.display import clear_output, display
        handle = display("x", display_id=True)
        for number in range(5000):
            handle.update(number) if handle is not None else None
            clear_output(wait=True)
        """,
    ),
    Attack(
        "slow-right-answer", Threat.TIMEOUTS_IN_TURN, "Be right, and slower than the limit",
        answers(double="import time\ndef double(x):\n    time.sleep(60)\n    return 2 * x"),
        expecting(double=gets("timed out")),
    ),
    Attack(
        "busy-threads", Threat.THREAD_BOMB, "Keep every core busy during the others' work",
        answers(double=attempt("""
            import threading
            def spin():
                while True:
                    pass
            for _ in range(4):
                threading.Thread(target=spin, daemon=True).start()
        """) + RIGHT["double"]),
        full_marks() | wrecked("double") | {"test_double": ANYTHING},
    ),
]  # fmt: skip
