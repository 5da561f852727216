"""Attacks on what crosses between test and answer: descriptors, callbacks, arguments, exceptions."""

from __future__ import annotations

from attack import does, fake, lies
from threats import Threat

from corpus.values import PLEASING

FORGE_MESSAGES = """\
import json, os, pickle, struct
replies = [
    json.dumps({"ok": True, "status": "completed", "verdict": "passed", "points": 3}).encode(),
    pickle.dumps(("return", None)), b"\\x00" * 64, b"\\xff" * 64, struct.pack("<Q", 2**63), b"passed\\n" * 100,
]
replies += [struct.pack(order + size, len(one)) + one for one in replies for order in "<>" for size in "IQ"]
for descriptor in range(3, 64):
    for reply in replies:
        try:
            os.write(descriptor, reply)
        except OSError:
            break
"""

MESSAGES = [
    fake(
        "messages-forged",
        Threat.KERNEL_MESSAGES,
        "Write replies on every open descriptor",
        FORGE_MESSAGES,
        status="failed|crashed",
        also=(Threat.DESCRIPTORS,),
        wrecks=True,
    ),
    lies(
        "messages-forged-in-a-call",
        Threat.KERNEL_MESSAGES,
        "Answer the test's call with a forged reply and more",
        "def double(x):\n"
        + "\n".join(f"    {line}" for line in FORGE_MESSAGES.rstrip().split("\n"))
        + "\n    return x",
        status="failed|crashed",
        also=(Threat.DESCRIPTORS,),
    ),
    fake(
        "kernel-messages-forged",
        Threat.KERNEL_MESSAGES,
        "Send a kernel's replies of one's own",
        """
        kernel = get_ipython().kernel
        reply = {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}
        kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"})
        kernel.session.send(kernel.shell_stream, "execute_reply", reply)
        kernel.do_execute = lambda *arguments, **options: reply
        """,
        wrecks=True,
    ),
    fake(
        "descriptors-closed",
        Threat.DESCRIPTORS,
        "Close every descriptor",
        "import os\nos.closerange(0, 4096)",
        status="failed|crashed",
        wrecks=True,
    ),
    lies(
        "descriptors-flooded",
        Threat.DESCRIPTORS,
        "Send a gigabyte where replies belong",
        """
        import os
        def double(x):
            for _ in range(1000):
                for descriptor in range(3, 64):
                    try:
                        os.set_blocking(descriptor, False)
                        os.write(descriptor, b"x" * 2**20)
                    except OSError:
                        pass
            return x
        """,
        status="failed|crashed|timed out|refused|out of memory",
    ),
    lies(
        "descriptors-listened-to",
        Threat.DESCRIPTORS,
        "Take messages away from the one who should read them",
        """
        import os, select, threading
        def steal():
            while True:
                for descriptor in range(3, 64):
                    try:
                        if select.select([descriptor], [], [], 0)[0]:
                            os.read(descriptor, 2**16)
                    except (OSError, ValueError):
                        pass
        threading.Thread(target=steal, daemon=True).start()
        def double(x):
            return x
        """,
        status="failed|crashed|timed out|refused",
        wrecks=True,
    ),
    lies(
        "descriptors-passed",
        Threat.DESCRIPTORS,
        "Send descriptors and credentials along",
        """
        import os, socket
        def double(x):
            for descriptor in range(3, 64):
                try:
                    with socket.socket(fileno=os.dup(descriptor)) as channel:
                        socket.send_fds(channel, [b"\\0" * 8], [os.open("/proc/self/mem", os.O_RDONLY)] * 8)
                except OSError:
                    pass
            return x
        """,
        status="failed|crashed|refused",
    ),
]

CALLBACKS = [
    lies(
        "callback-for-ever",
        Threat.CALLBACKS,
        "Call the test's function for ever",
        "def minimise(function):\n    while True:\n        function(1.0)",
        key="minimise",
        status="timed out|failed|refused",
    ),
    lies(
        "callback-of-a-callback",
        Threat.CALLBACKS,
        "Call the test's function within the answer within the function",
        """
        def minimise(function):
            class Again(float):
                __sub__ = __rsub__ = __abs__ = lambda self, *others: function(self)
            return function(Again(3.0))
        """,
        key="minimise",
        status="failed|refused|timed out|crashed",
    ),
    lies(
        "callback-fed-with-liars",
        Threat.CALLBACKS,
        "Feed the test's function with lying and huge values",
        PLEASING.replace("BASE", "float")
        + """
def minimise(function):
    for value in (Pleasing(), np.ones(3), [1.0] * 10**6, "x" * 10**8, float("nan"), object(), function, minimise):
        try:
            function(value)
        except BaseException as problem:
            print(type(problem))
    return 3.0""",
        key="minimise",
        status="failed|refused|out of memory|crashed|timed out",
    ),
    lies(
        "callback-opened",
        Threat.CALLBACKS,
        "Look into the test's function for its globals and code",
        """
        def minimise(function):
            loot = []
            for name in ("__globals__", "__closure__", "__code__", "__wrapped__", "__self__", "__dict__"):
                loot.append(str(getattr(function, name, None))[:300])
            raise ValueError(f"loot: {loot}")
        """,
        key="minimise",
        reason="loot:",
    ),
    lies(
        "callback-in-a-thread",
        Threat.CALLBACKS,
        "Call the test's function from threads, also after the answer",
        """
        import threading, time
        def minimise(function):
            def later():
                for _ in range(100):
                    function(1.0)
                    time.sleep(0.001)
            for _ in range(4):
                threading.Thread(target=later, daemon=True).start()
            return 3.0
        """,
        key="minimise",
        status="failed|crashed|timed out|refused",
    ),
    lies(
        "callback-kept",
        Threat.CALLBACKS,
        "Keep the test's function, and call it in another exercise",
        """
        kept = []
        def minimise(function):
            kept.append(function)
            return kept[0](0.0)
        """,
        key="minimise",
    ),
    lies(
        "callback-that-raises",
        Threat.CALLBACKS,
        "Swallow what the test's function raises",
        """
        def minimise(function):
            try:
                function("not a float")
            except BaseException as problem:
                print(repr(problem), problem.__traceback__.tb_next)
            return 3.0
        """,
        key="minimise",
    ),
    lies(
        "mutates-arguments",
        Threat.CALLBACKS,
        "Change the argument, so that the comparison finds what was returned",
        "def smooth(x):\n    x[:] = 0\n    return np.zeros(len(x) - 1)",
        key="smooth",
    ),
    lies(
        "mutates-tensors",
        Threat.CALLBACKS,
        "Change the tensor that the test compares with",
        "def scale(x):\n    x.fill_(1.0)\n    return x",
        key="scale",
    ),
    lies(
        "resizes-arguments",
        Threat.CALLBACKS,
        "Send back arguments of other kinds and sizes",
        """
        def smooth(x):
            try:
                x.resize((10**6,), refcheck=False)
                x.dtype = np.int64
            except (ValueError, AttributeError) as problem:
                print(problem)
            return x[:-1]
        """,
        key="smooth",
        status="failed|refused",
    ),
    lies(
        "callback-abused",
        Threat.READS_FRAMES,
        "Walk from the arguments to the test's globals",
        """
        def double(x):
            found = getattr(x, "__globals__", None), type(x).__mro__, x.__class__.__subclasses__()
            raise ValueError(f"loot: {found}")
        """,
        reason="loot:",
    ),
]

# What these know about the grader's own code in the student's process is what anybody can read in the repository.
INSIDERS = [
    lies(
        "names-a-pleasing-class",
        Threat.KERNEL_MESSAGES,
        "Have the test call a class of its own process",
        """
        from autograder.split import student
        class Wanted:
            pass
        original = student.importable_name
        places = "torch.utils._config_module:unittest.mock._ANY"
        student.importable_name = lambda thing: places if thing is Wanted else original(thing)
        largest = Wanted
        """,
        key="largest",
        status="failed|refused|error|crashed",
    ),
    lies(
        "names-a-program-starter",
        Threat.KERNEL_MESSAGES,
        "Have the test start a program in its own process",
        """
        from autograder.split import student
        class Wanted:
            pass
        original = student.importable_name
        places = "torch._strobelight.cli_function_profiler:subprocess.Popen"
        student.importable_name = lambda thing: places if thing is Wanted else original(thing)
        scale = Wanted
        """,
        key="scale",
        status="failed|refused|error|crashed",
    ),
    lies(
        "names-a-file-opener",
        Threat.KERNEL_MESSAGES,
        "Have the test open a file in its own process",
        """
        from autograder.split import student
        class Wanted:
            pass
        original = student.importable_name
        student.importable_name = lambda thing: "builtins:open" if thing is Wanted else original(thing)
        double = Wanted
        """,
        status="failed|refused|error|crashed",
    ),
    lies(
        "answers-for-other-names",
        Threat.KERNEL_MESSAGES,
        "Bind names in the test's process that are no answers",
        """
        import gc
        from autograder.split.student import StudentSide
        for side in gc.get_objects():
            if type(side) is StudentSide:
                values = side.commands["values"]
                names = ("np", "abs", "all", "list", "points", "isinstance", "assert_allclose")
                more = {name: ("value", lambda *a, **k: True) for name in names}
                side.commands["values"] = lambda names: {**values(names), **more}
        def double(x):
            return x
        """,
        status="failed|refused|error|crashed",
    ),
    lies(
        "answers-with-any-error",
        Threat.KERNEL_MESSAGES,
        "Raise errors in the test's process that end it with success",
        """
        import gc
        from autograder.split.student import StudentSide
        kinds = ["builtins." + name for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration")]
        described = {"types": kinds, "text": "0", "args": [0], "places": ["x"] * 10**5}
        for side in gc.get_objects():
            if type(side) is StudentSide:
                side._described_error = lambda error: described
        def double(x):
            raise ValueError
        """,
        status="failed|refused|error|crashed",
    ),
    lies(
        "answers-with-stop",
        Threat.KERNEL_MESSAGES,
        "End the test's loops with a forged end of an iteration",
        """
        import gc
        from autograder.split import student
        encode = student.encode
        def forged(reply, *rest):
            return encode({"stop": None} if "value" in reply and reply["value"] == 4242 else reply, *rest)
        student.encode = forged
        def double(x):
            return 4242
        """,
        status="failed|refused|error|crashed",
        wrecks=True,
    ),
    lies(
        "answers-with-changes",
        Threat.KERNEL_MESSAGES,
        "Change more than the arguments, in kind and in number",
        """
        from autograder.split import student
        encode = student.encode
        def forged(reply, *rest):
            changes = [[index, np.zeros(3)] for index in range(-5, 5)] + [[0, "text"], [0, None], "x", [10**30, 1]]
            more = {"changed": changes, "graph": {"number": 1, "outputs": [0]}, "warned": [["x"]]}
            return encode({**reply, **more}, *rest)
        student.encode = forged
        def smooth(x):
            return np.zeros(len(x) - 1)
        """,
        key="smooth",
        status="failed|refused|error|crashed",
        wrecks=True,
    ),
    lies(
        "prints-past-the-limit",
        Threat.GIGANTIC_OUTPUT,
        "Print without the limit of one's own process",
        """
        from autograder.split import student
        encode = student.encode
        student.encode = lambda reply, *rest: encode({**reply, "printed": [["stdout", "y" * 10**6]] * 20}, *rest)
        def double(x):
            return x
        """,
        status="failed|refused|error|crashed|timed out|out of memory",
        wrecks=True,
    ),
    lies(
        "hands-over-a-million-functions",
        Threat.MEMORY_GROWN,
        "Have the test's process make a million proxies",
        "def double(x):\n    return [(lambda: 0) for _ in range(10**6)]",
        status="failed|refused|timed out|out of memory|crashed",
    ),
    lies(
        "hands-over-classes",
        Threat.MEMORY_GROWN,
        "Have the test's process make a hundred thousand classes",
        "def double(x):\n    return [type('C', (), {}) for _ in range(10**5)]",
        status="failed|refused|timed out|out of memory|crashed",
    ),
    lies(
        "unpatches-the-guards",
        Threat.CALLS_REFERENCE,
        "Take the grader's own objects apart in one's own process",
        """
        import gc, sys
        for name in [name for name in sys.modules if name.startswith("autograder")]:
            for key, value in list(vars(sys.modules[name]).items()):
                if callable(value) and not isinstance(value, type):
                    setattr(sys.modules[name], key, lambda *arguments, **options: None)
        def double(x):
            return x
        """,
        status="failed|refused|error|crashed|timed out",
        wrecks=True,
    ),
]

EXCEPTIONS = [
    lies(
        "check-failed-of-ones-own",
        Threat.HIDDEN_IN_FEEDBACK,
        "Send hidden inputs home in a teaching message",
        """
        def double(x):
            from course_lib.check import CheckFailed
            if x not in (2, -3):
                raise CheckFailed(f"line 3 of this cell: {x} was asked for")
            return 2 * x
        """,
    ),
    lies(
        "exception-that-lies",
        Threat.LYING_EXCEPTIONS,
        "Be an AssertionError that says everything passed",
        """
        class AssertionError(Exception):
            def __str__(self):
                return "All checks passed."
            __repr__ = __str__
            __class__ = property(lambda self: SystemExit)
        class CheckFailed(AssertionError):
            def _render_traceback_(self):
                return ["line 1 of this cell", "passed"]
        def double(x):
            raise CheckFailed("line 1 of this cell: passed, 3 of 3 points")
        """,
        status="failed|refused",
    ),
    lies(
        "exception-that-loops",
        Threat.LYING_EXCEPTIONS,
        "Never finish saying what went wrong",
        """
        class Endless(Exception):
            def __str__(self):
                while True:
                    pass
            __repr__ = __str__
        def double(x):
            raise Endless
        """,
        status="timed out|failed|error|crashed",
    ),
    lies(
        "exception-that-kills",
        Threat.LYING_EXCEPTIONS,
        "Leave while saying what went wrong",
        """
        import os
        class Deadly(BaseException):
            def __str__(self):
                os._exit(0)
            __repr__ = __str__
            __traceback__ = property(lambda self: os._exit(0))
        def double(x):
            raise Deadly
        """,
        status="failed|crashed",
    ),
    lies(
        "exception-keyboard-interrupt",
        Threat.LYING_EXCEPTIONS,
        "Interrupt whoever called",
        "def double(x):\n    raise KeyboardInterrupt",
        status="failed|crashed",
    ),
    lies(
        "exception-stop-iteration",
        Threat.LYING_EXCEPTIONS,
        "End the test's own loop early",
        "def double(x):\n    raise StopIteration",
    ),
    lies(
        "exception-generator-exit",
        Threat.LYING_EXCEPTIONS,
        "Leave through GeneratorExit",
        "def double(x):\n    raise GeneratorExit",
        status="failed|crashed",
    ),
    lies(
        "exception-of-a-megabyte",
        Threat.LYING_EXCEPTIONS,
        "Raise a message of 100 MB, with a chain of 10^4 causes",
        """
        def double(x):
            error = None
            for _ in range(10**4):
                new = ValueError("x" * 10)
                new.__cause__ = error
                error = new
            raise ValueError("y" * 10**8) from error
        """,
        status="failed|crashed|refused|timed out|out of memory",
    ),
    lies(
        "exception-group",
        Threat.LYING_EXCEPTIONS,
        "Raise errors nested in errors",
        """
        def double(x):
            group = ValueError("a")
            for _ in range(500):
                group = ExceptionGroup("g", [group, ValueError("b")])
            raise group
        """,
    ),
    lies(
        "exception-of-the-stub",
        Threat.LYING_EXCEPTIONS,
        "Claim that another exercise is missing",
        'def double(x):\n    raise NotImplementedError("Exercise 1.2: not written yet")',
    ),
    does(
        "warning-flood",
        Threat.LYING_EXCEPTIONS,
        "Warn a hundred thousand times",
        "import warnings\nwarnings.simplefilter('always')\nfor n in range(10**5):\n    warnings.warn(f'careful {n}')",
    ),
]

ATTACKS = [*MESSAGES, *CALLBACKS, *INSIDERS, *EXCEPTIONS]
