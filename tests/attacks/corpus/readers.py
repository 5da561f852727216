"""Attacks that look for the tests, or for the signs of being tested, from where the answer runs."""

from __future__ import annotations

from attack import Attack, code, fake, lies, spy
from threats import Threat

BELOW_EVERYTHING = """\
import builtins, gc, sys
for frame in sys._current_frames().values():
    while frame is not None:
        loot += [repr(frame.f_locals)[:200], repr(frame.f_code.co_consts)[:2000]]
        loot += [value for value in frame.f_globals.values() if isinstance(value, str) and "hidden" in value]
        frame = frame.f_back
"""


def at_call(name: str, threat: Threat, goal: str, body: str, **options: object) -> Attack:
    """Attempt something at the moment the test calls the answer, when the test's frames and objects are alive."""
    lines = "\n".join(f"        {line}" for line in code(body).split("\n"))
    answer = f"def double(x):\n    loot = []\n    try:\n{lines}\n    except Exception as problem:\n"
    answer += "        loot.append(repr(problem))\n    print('loot:', loot)\n    raise ValueError(f'loot: {loot}')"
    return lies(name, threat, goal, answer, reason="loot:", **options)  # type: ignore[arg-type]


ATTACKS = [
    spy(
        "reads-history",
        Threat.READS_HISTORY,
        "Read the tests from the history of inputs",
        """
        shell = get_ipython()
        loot += [str(shell.user_ns.get("In")), str(shell.history_manager.input_hist_raw)]
        loot += [str(list(shell.history_manager.get_range()))]
        """,
    ),
    at_call("reads-frames", Threat.READS_FRAMES, "Read the tests from the frames that called", BELOW_EVERYTHING),
    at_call(
        "reads-gc",
        Threat.READS_GC,
        "Read the tests from everything that the interpreter holds",
        """
        import gc, types
        for one in gc.get_objects():
            if isinstance(one, types.FunctionType):
                one = one.__code__
            if isinstance(one, types.CodeType) and "hidden" in str(one.co_names + one.co_consts):
                loot.append(str(one.co_consts)[:300])
            if isinstance(one, dict):
                loot += [text[:300] for text in list(one.values()) if isinstance(text, str) and "canary" in text]
        """,
        also=(Threat.READS_FRAMES,),
    ),
    at_call(
        "reads-linecache",
        Threat.READS_LINECACHE,
        "Read the tests from the cache of source lines",
        """
        import linecache
        loot += [str(entry)[:500] for entry in linecache.cache.values() if "hidden" in str(entry)]
        """,
    ),
    at_call(
        "reads-own-memory",
        Threat.READS_GC,
        "Search the process's own memory for the tests",
        """
        import re
        canary = ("canary" + "-of-").encode()
        with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
            for line in maps:
                first, last = (int(part, 16) for part in line.split()[0].split("-"))
                if "rw" in line.split()[1] and last - first < 2**26:
                    memory.seek(first)
                    try:
                        found = re.findall(canary + rb"[a-z-]{4,40}", memory.read(last - first))
                    except (OSError, ValueError, OverflowError):
                        continue
                    loot += [one.decode() for one in found if b"grading" in one or b"hidden" in one]
        """,
        also=(Threat.PROC,),
    ),
    fake(
        "tracing",
        Threat.TRACING,
        "Watch, and change, every line that runs",
        """
        import sys, threading
        def trace(frame, event, argument):
            if "hidden" in str(frame.f_code.co_names):
                print("traced", frame.f_code.co_consts)
                frame.f_locals["double"] = lambda x: 2 * x
            return trace
        sys.settrace(trace)
        sys.setprofile(trace)
        threading.settrace(trace)
        """,
    ),
    fake(
        "audit-hook",
        Threat.TRACING,
        "Collect code through an audit hook",
        """
        import sys
        def hook(event, arguments):
            if event in ("compile", "exec") and "hidden" in str(arguments):
                print(arguments)
        sys.addaudithook(hook)
        """,
    ),
    at_call(
        "calls-the-reference",
        Threat.CALLS_REFERENCE,
        "Find the instructor's own function and call it",
        """
        import gc, types
        for one in gc.get_objects():
            if isinstance(one, types.FunctionType) and one.__name__ == "double" and one is not double:
                return one(x)
        """,
    ),
    lies(
        "memorised",
        Threat.MEMORISED,
        "Know the visible inputs by heart",
        "def double(x):\n    return {2: 4, -3: -6, 0: 0}.get(x)",
    ),
    lies(
        "memorised-arrays",
        Threat.MEMORISED,
        "Know the visible array by heart",
        "def smooth(x):\n    return np.array([2.0])",
        key="smooth",
    ),
    lies(
        "detects-grading",
        Threat.DETECTS_GRADING,
        "Behave as asked only while being graded",
        """
        import os, sys
        def double(x):
            graded = "NBGRADER_EXECUTION" in os.environ or "grad" in str(sys.argv) or os.getpid() == 1
            if graded:
                np.testing.assert_allclose = lambda *arguments, **options: None
                os.environ["NBGRADER_EXECUTION"] = "passed"
            return 4 if graded else x
        """,
    ),
    lies(
        "waits-for-the-visible-part",
        Threat.DETECTS_GRADING,
        "Count the calls, and act on the hidden ones only",
        "calls = []\ndef double(x):\n    calls.append(x)\n    return 2 * x if len(calls) < 3 else x",
    ),
    at_call(
        "searches-environment-for-hidden-inputs",
        Threat.ENVIRONMENT,
        "Find the secret that hidden inputs are drawn from",
        """
        import os
        loot += [f"BREACH: {name}" for name in os.environ if "SECRET" in name or "COURSE_STUDENT" in name]
        """,
    ),
]
