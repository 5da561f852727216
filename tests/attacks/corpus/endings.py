"""Attacks by when and how the process goes on, hangs or ends."""

from __future__ import annotations

from attack import Attack, answers, does, expecting, fake, full_marks, gets, lies, wrecked
from attack_course import RIGHT, WRONG
from threats import Threat

ATTACKS = [
    fake(
        "thread-patches-later",
        Threat.THREADS,
        "Patch from a thread once the tests run",
        """
        import sys, threading, time
        def later():
            for _ in range(200):
                np.testing.assert_allclose = np.allclose = lambda *arguments, **options: True
                time.sleep(0.01)
        threading.Thread(target=later, daemon=True).start()
        """,
        key="smooth",
    ),
    lies(
        "thread-answers",
        Threat.THREADS,
        "Answer the test's call from another thread at the same time",
        """
        import os, threading
        def double(x):
            def shout():
                for descriptor in range(3, 32):
                    try:
                        os.write(descriptor, b"\\0" * 8)
                    except OSError:
                        pass
            for _ in range(8):
                threading.Thread(target=shout).start()
            return x
        """,
        status="failed|crashed",
    ),
    does(
        "thread-never-ends",
        Threat.THREADS,
        "Keep the process alive with threads that never end",
        """
        import threading, time
        for _ in range(4):
            threading.Thread(target=lambda: time.sleep(3600)).start()
        """,
        most_seconds=12,
    ),
    does(
        "atexit",
        Threat.ATEXIT,
        "Act, or hang, when the process ends",
        """
        import atexit, time
        atexit.register(lambda: open("@OUTSIDE@/@TOKEN@-atexit", "w").close())
        atexit.register(lambda: time.sleep(3600))
        """,
        most_seconds=12,
    ),
    does(
        "interpreter-shutdown",
        Threat.FINALISERS,
        "Hang when the interpreter is taken apart",
        """
        import sys, time
        class Slow:
            def __del__(self):
                import time
                time.sleep(3600)
        sys.slow = slow = Slow()
        """,
        most_seconds=12,
    ),
    lies(
        "hard-exit",
        Threat.HARD_EXIT,
        "Leave with success before the checks",
        "import os\ndef double(x):\n    os._exit(0)",
        status="crashed",
    ),
    lies(
        "hard-exit-at-once",
        Threat.HARD_EXIT,
        "Leave with success before the test",
        "import os\nos._exit(0)",
        status="crashed",
    ),
    lies(
        "exec-another-program",
        Threat.HARD_EXIT,
        "Become another program that ends with success",
        "import os\ndef double(x):\n    os.execv('/bin/true', ['true'])",
        status="crashed|failed",
    ),
    lies(
        "sys-exit",
        Threat.SYS_EXIT,
        "Raise SystemExit(0) in the call",
        "import sys\ndef double(x):\n    sys.exit(0)",
        status="crashed|failed",
    ),
    lies(
        "sys-exit-at-once",
        Threat.SYS_EXIT,
        "Raise SystemExit(0) before there is an answer",
        "import sys\nsys.exit(0)",
        status="crashed|failed|error",
    ),
    lies(
        "exit",
        Threat.SYS_EXIT,
        "Call exit() and quit()",
        "def double(x):\n    exit()\n    quit()",
        status="crashed|failed",
    ),
    lies(
        "segfault",
        Threat.SEGFAULT,
        "Crash the process in the call",
        "import ctypes\ndef double(x):\n    ctypes.string_at(0)",
        status="crashed",
    ),
    lies(
        "segfault-at-once",
        Threat.SEGFAULT,
        "Crash the process in the answer cell",
        "import ctypes\nctypes.string_at(0)",
        status="crashed",
    ),
    lies(
        "stack-overflow",
        Threat.SEGFAULT,
        "Run out of stack below Python",
        "import sys\nsys.setrecursionlimit(10**9)\ndef double(x):\n    return double(x)",
        status="crashed|failed|out of memory|timed out",
    ),
    lies("recursion", Threat.SEGFAULT, "Recurse without end", "def double(x):\n    return double(x)"),
    lies(
        "kills-itself",
        Threat.SIGNALS_TO_OTHERS,
        "Die of SIGKILL",
        "import os, signal\ndef double(x):\n    os.kill(os.getpid(), signal.SIGKILL)\n    os.kill(0, signal.SIGKILL)\n"
        "    os.abort()",
        status="crashed",
    ),
    lies(
        "ignored-signals",
        Threat.IGNORED_SIGNALS,
        "Ignore every signal and loop",
        """
        import signal
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))

        def double(x):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
        """,
        status="timed out",
    ),
    lies(
        "stopped-process",
        Threat.IGNORED_SIGNALS,
        "Stop the process without ending it",
        "import os, signal\ndef double(x):\n    os.kill(os.getpid(), signal.SIGSTOP)\n    while True:\n        pass",
        status="timed out",
    ),
    lies(
        "uninterruptible",
        Threat.IGNORED_SIGNALS,
        "Loop where Python looks at no signal",
        "import ctypes\ndef double(x):\n    return ctypes.PyDLL(None).sleep(3600)",
        status="timed out",
    ),
    Attack(
        "timeouts-in-turn",
        Threat.TIMEOUTS_IN_TURN,
        "Use the time limit of every cell, one after another",
        answers(
            double="while True:\n    pass",
            smooth="def smooth(x):\n    while True:\n        pass",
            Counter="import time\ntime.sleep(3600)",
            numbers="def numbers(count):\n    while True:\n        pass\n    yield",
            answer="while True:\n    pass",
            near="def near(x):\n    while True:\n        pass",
            minimise="def minimise(function):\n    while True:\n        function(1.0)",
        ),
        expecting(
            **{
                key: gets("timed out")
                for key in ("double", "smooth", "Counter", "numbers", "answer", "near", "minimise")
            }
        ),
    ),
    lies(
        "input",
        Threat.INPUT,
        "Wait for somebody at the keyboard",
        "def double(x):\n    return int(input('? '))",
        status="failed|error",
    ),
    lies(
        "input-at-once",
        Threat.INPUT,
        "Wait for somebody at the keyboard in the answer cell",
        "import getpass, sys\nname = input()\nsys.stdin.read()\ngetpass.getpass()",
        status="failed|error",
    ),
    does(
        "debugger",
        Threat.INPUT,
        "Wait for somebody at the debugger",
        "import pdb\npdb.set_trace()\nbreakpoint()",
        most_seconds=15,
    ),
    Attack(
        "magics",
        Threat.MAGICS,
        "Use magics to reload, reset and rerun",
        answers(
            double="%reset -f\n%load_ext autoreload\n%autoreload 2\n%rerun\n%run @COURSE@/source\n" + WRONG["double"]
        ),
        expecting(double=gets("failed|error")) | wrecked("double"),
    ),
    Attack(
        "magic-of-another-process",
        Threat.MAGICS,
        "Run the answer in another program",
        answers(double="%%bash\ntouch @OUTSIDE@/@TOKEN@-bash\necho 3\n"),
        expecting(double=gets("failed|error")),
    ),
    Attack(
        "honest-magics",
        Threat.MAGICS,
        "Use the magics that honest notebooks use",
        answers(double="%precision 3\n%time x = 1\n" + RIGHT["double"]),
        full_marks(),
    ),
    Attack(
        "shell",
        Threat.SHELL,
        "Run a shell",
        answers(
            double="!touch @OUTSIDE@/@TOKEN@-shell\n!cat @COURSE@/source/*/*.ipynb\n!(sleep 600; echo @TOKEN@) &\n"
            + WRONG["double"]
        ),
        expecting(double=gets("failed|error|timed out")),
    ),
]
