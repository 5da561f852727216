"""Attacks on the interpreter: make a wrong answer pass by changing what judges it, or by finding out how it is judged.

Each attempts something and then gives a wrong answer, so that it scores exactly if the attempt reached the judge.
"""

from __future__ import annotations

from attack import Attack, answers, code, does, expecting, fake, full_marks, gets, lies, spy
from attack_course import RIGHT, WRONG
from threats import Threat

PLEASING = """\
class Pleasing(BASE):
    def _please(self, *others, **options):
        return True
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __contains__ = _please
    __hash__ = object.__hash__
    def __ne__(self, other):
        return False
    def __sub__(self, other):
        return 0.0
    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __truediv__ = __abs__ = __neg__ = __float__ = __sub__
    def __len__(self):
        return 1
    def __getitem__(self, key):
        return self
    def __iter__(self):
        return iter([self])
"""

REPLACE_RUN_CELL = """\
shell = get_ipython()
original = shell.run_cell

def run_cell(source, *arguments, **options):
    return original("pass" if "assert" in source else source, *arguments, **options)

shell.run_cell = type(shell).run_cell = run_cell
type(shell).run_code = lambda *arguments, **options: False
"""

DROP_ASSERTS = """\
import ast

class DropAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)
"""

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


TRANSFORMERS = [
    fake(
        "ast-transformer", Threat.AST_TRANSFORMER, "Drop the asserts from every later cell",
        DROP_ASSERTS + "get_ipython().ast_transformers.append(DropAsserts())",
    ),
    fake(
        "compile-replaced", Threat.AST_TRANSFORMER, "Have nothing compiled that contains an assert",
        """
        import ast, builtins
        compile_really, parse_really = builtins.compile, ast.parse
        builtins.compile = lambda source, *a, **k: compile_really("pass" if "assert" in str(source) else source, *a, **k)
        ast.parse = lambda source, *a, **k: parse_really("pass" if "assert" in str(source) else source, *a, **k)
        """, wrecks=True,
    ),
    fake(
        "input-transformer", Threat.INPUT_TRANSFORMER, "Empty the text of every later cell",
        """
        shell = get_ipython()
        shell.input_transformers_post.append(lambda lines: [line for line in lines if "assert" not in line])
        shell.input_transformers_cleanup.append(lambda lines: ["pass\\n"])
        """, wrecks=True,
    ),
    fake("run-cell-replaced", Threat.RUN_CELL, "Run other cells than were asked for", REPLACE_RUN_CELL, wrecks=True),
    fake(
        "events-registered", Threat.RUN_CELL, "Repair the result after every cell",
        """
        def done(result):
            result.error_in_exec = result.error_before_exec = None
            result.success = True
        get_ipython().events.register("post_run_cell", done)
        get_ipython().events.register("pre_run_cell", lambda info: setattr(info, "raw_cell", "pass"))
        """,
    ),
    fake(
        "display-hook", Threat.DISPLAY_HOOK, "Show a score of one's own as the value of the test",
        """
        import sys
        shell = get_ipython()
        sys.displayhook = lambda value: print(4)
        type(shell.displayhook).__call__ = lambda self, value=None: print("4")
        shell.display_formatter.format = lambda value, *a, **k: ({"text/plain": "4"}, {})
        """, key="near",
    ),
    fake(
        "displayed-score", Threat.DISPLAY_HOOK, "Publish a score as if it were the value of a cell",
        """
        from IPython.display import publish_display_data
        publish_display_data({"text/plain": "4"}, {})
        get_ipython().displayhook(4)
        get_ipython().display_pub.publish(data={"text/plain": "4"}, metadata={})
        """, key="near",
    ),
    fake(
        "custom-exception-handler", Threat.EXCEPTION_HANDLER, "Swallow every error of later cells",
        """
        import sys, threading
        get_ipython().set_custom_exc((BaseException,), lambda *arguments, **options: None)
        get_ipython().showtraceback = lambda *arguments, **options: None
        sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *arguments: None
        """,
    ),
    fake("messages-forged", Threat.KERNEL_MESSAGES, "Write replies on every open descriptor", FORGE_MESSAGES,
         status="failed|crashed", also=(Threat.DESCRIPTORS,), wrecks=True),
    lies(
        "messages-forged-in-a-call", Threat.KERNEL_MESSAGES, "Answer the test's call with a forged reply and more",
        "def double(x):\n" + "\n".join(f"    {line}" for line in FORGE_MESSAGES.rstrip().split("\n")) + "\n    return x",
        status="failed|crashed", also=(Threat.DESCRIPTORS,),
    ),
    fake(
        "kernel-messages-forged", Threat.KERNEL_MESSAGES, "Send a kernel's replies of one's own",
        """
        kernel = get_ipython().kernel
        reply = {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}
        kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"})
        kernel.session.send(kernel.shell_stream, "execute_reply", reply)
        kernel.do_execute = lambda *arguments, **options: reply
        """, wrecks=True,
    ),
]

PATCHES = [
    fake(
        "numpy-testing-patched", Threat.PATCHED_TESTING, "Make every assertion of numpy.testing pass",
        """
        for name in dir(np.testing):
            if name.startswith("assert"):
                setattr(np.testing, name, lambda *arguments, **options: None)
        np.allclose = np.isclose = lambda *arguments, **options: True
        """, key="smooth",
    ),
    fake(
        "numpy-testing-code-replaced", Threat.PATCHED_TESTING, "Replace the very code of assert_allclose",
        """
        import numpy.testing._private.utils as utils
        def nothing(actual, desired, rtol=1e-7, atol=0, equal_nan=True, err_msg="", verbose=True, *, strict=False): pass
        utils.assert_allclose.__code__ = nothing.__code__
        np.testing.assert_allclose.__code__ = nothing.__code__
        """, key="smooth",
    ),
    fake(
        "allclose-patched", Threat.PATCHED_ALLCLOSE, "Make np.allclose always true",
        "np.allclose = np.isclose = np.array_equal = lambda *arguments, **options: True\n"
        "np.testing.assert_allclose = lambda *arguments, **options: None", key="smooth",
    ),
    fake(
        "isclose-patched", Threat.PATCHED_ISCLOSE, "Make math.isclose always true",
        "import math\nmath.isclose = lambda *arguments, **options: True", key="smooth",
    ),
    fake(
        "builtins-patched", Threat.PATCHED_BUILTINS, "Replace abs, all, list, isinstance and print",
        """
        import builtins
        builtins.abs = lambda value: 0
        builtins.all = builtins.any = builtins.isinstance = lambda *arguments: True
        builtins.AssertionError = type("Silent", (BaseException,), {})
        builtins.list = lambda *arguments: type("L", (), {"__eq__": lambda self, other: True})()
        """, wrecks=True,
    ),
    fake(
        "assertion-error-replaced", Threat.PATCHED_BUILTINS, "Let a failed assertion end the process with success",
        """
        import builtins, os
        class AssertionError(Exception):
            def __init__(self, *arguments):
                os._exit(0)
        builtins.AssertionError = AssertionError
        """, wrecks=True,
    ),
    fake(
        "object-patched-through-ctypes", Threat.PATCHED_BUILTINS, "Change int.__eq__ for everybody in the process",
        """
        import ctypes
        class Proxy(ctypes.Structure):
            _fields_ = [("refcount", ctypes.c_ssize_t), ("type", ctypes.c_void_p), ("dict", ctypes.py_object)]
        namespace = Proxy.from_address(id(int.__dict__)).dict
        namespace["__eq__"] = lambda self, other: True
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(int))
        """, status="failed|crashed", wrecks=True,
    ),
    fake(
        "modules-replaced", Threat.PATCHED_MODULES, "Put modules of one's own into sys.modules",
        """
        import sys, types
        class Pleasing(types.ModuleType):
            def __getattr__(self, name):
                return lambda *arguments, **options: True
        for name in list(sys.modules):
            if name.split(".")[0] in ("numpy", "math", "random", "pytest", "course_lib", "torch"):
                sys.modules[name] = Pleasing(name)
        """, key="smooth", wrecks=True,
    ),
    fake(
        "import-hooked", Threat.PATCHED_MODULES, "Find every later import oneself",
        """
        import importlib.abc, importlib.machinery, sys
        class Finder(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                raise SystemExit(0)
        sys.meta_path.insert(0, Finder())
        sys.path_hooks.insert(0, lambda path: Finder())
        sys.path_importer_cache.clear()
        """, key="answer", wrecks=True,
    ),
    fake(
        "np-replaced", Threat.FAKE_NUMPY, "Give the test an np that finds everything equal",
        """
        class Fake:
            def __getattr__(self, name):
                return self
            def __call__(self, *arguments, **options):
                return self
            def __eq__(self, other):
                return True
        np = Fake()
        """, key="smooth", answer="def smooth(x):\n    return [0.0]",
    ),
    fake(
        "random-replaced", Threat.PATCHED_RANDOM, "Make every random input the same known number",
        """
        import random
        random.randrange = lambda *arguments: 0
        np.random.default_rng = lambda *arguments: np.random.Generator(np.random.PCG64(0))
        np.random.seed(0)
        random.seed(0)
        """, answer="def double(x):\n    return {2: 4, -3: -6, 0: 0}.get(x, 'abab')",
    ),
    fake(
        "entropy-replaced", Threat.PATCHED_RANDOM, "Replace the entropy that seeds generators",
        """
        import os, secrets, random
        os.urandom = lambda count: b"\\0" * count
        secrets.randbits = lambda bits: 0
        random.SystemRandom = random.Random
        """, key="smooth", wrecks=True,
    ),
    fake(
        "clocks-replaced", Threat.PATCHED_CLOCK, "Stop every clock, so that no limit on time is met",
        """
        import time, datetime, signal
        for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
            setattr(time, name, lambda: 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.alarm(0)
        """, answer="import time\ndef double(x):\n    while time.monotonic() == 0 or True:\n        pass",
        status="timed out", wrecks=True,
    ),
]

VALUES = [
    lies(
        "pleasing-object", Threat.PLEASING_EQ, "Return an object that equals everything",
        PLEASING.replace("BASE", "object") + "\ndef double(x):\n    return Pleasing()",
        status="failed|refused", also=(Threat.PLEASING_ABS, Threat.PLEASING_BOOL),
    ),
    *(
        lies(
            f"pleasing-{base}", Threat.PLEASING_EQ, f"Return a subclass of {base} that equals everything",
            PLEASING.replace("BASE", base) + "\ndef double(x):\n    return Pleasing()",
            status="failed|refused",
        )
        for base in ("int", "float", "str", "complex", "list", "tuple", "dict", "bytes")
    ),
    lies(
        "pleasing-abs", Threat.PLEASING_ABS, "Return an array whose distance to everything is nought",
        PLEASING.replace("BASE", "np.ndarray") + """
def smooth(x):
    return np.zeros(len(x) - 1).view(Pleasing)""", key="smooth", status="failed|refused",
    ),
    lies(
        "pleasing-bool", Threat.PLEASING_BOOL, "Return a comparison that is always true",
        """
        class Yes:
            def __bool__(self):
                return True
            __eq__ = __ne__ = lambda self, other: Yes()
            __abs__ = __sub__ = __rsub__ = lambda self, *others: Yes()
            __lt__ = __gt__ = __le__ = lambda self, other: True
        answer = Yes()
        """, key="answer", status="failed|refused",
    ),
    lies(
        "pleasing-instance", Threat.PLEASING_EQ, "Give instances and attributes that equal everything",
        PLEASING.replace("BASE", "object") + """
class Counter:
    def __init__(self, start=0):
        self.total = Pleasing()
    def add(self, step=1):
        return Pleasing()""", key="Counter", status="failed|refused",
    ),
    lies(
        "pleasing-class", Threat.PLEASING_EQ, "Make the class itself equal to everything",
        PLEASING.replace("BASE", "type") + """
class Counter(metaclass=Pleasing):
    total = property(lambda self: Counter)
    def __init__(self, start=0): pass
    def add(self, step=1):
        return Counter""", key="Counter", status="failed|refused|error",
    ),
    lies(
        "pleasing-generator", Threat.PLEASING_EQ, "Yield objects that equal everything",
        PLEASING.replace("BASE", "object") + "\ndef numbers(count):\n    while True:\n        yield Pleasing()",
        key="numbers", status="failed|refused|timed out|out of memory",
    ),
    lies(
        "array-function", Threat.ARRAY_FUNCTION, "Override every numpy function from a subclass of ndarray",
        """
        class Pleasing(np.ndarray):
            def __array_function__(self, function, types, arguments, options):
                return True
            def __array_ufunc__(self, ufunc, method, *inputs, **options):
                return np.ones(1, bool) if ufunc.__name__ in ("equal", "isclose") else np.zeros(1)
            def __array__(self, *arguments, **options):
                raise SystemExit(0)
            __array_priority__ = 10**9

        def smooth(x):
            return np.zeros(len(x) - 1).view(Pleasing)
        """, key="smooth", status="failed|refused",
    ),
    lies(
        "array-interface", Threat.ARRAY_FUNCTION, "Hand over memory of nobody as an array",
        """
        class Foreign:
            __array_interface__ = {"shape": (10**6,), "typestr": "<f8", "data": (4096, False), "version": 3}
            def __array__(self, dtype=None, copy=None):
                return np.zeros(1)

        def smooth(x):
            return Foreign()
        """, key="smooth", status="failed|refused|crashed",
    ),
    lies(
        "masked-array", Threat.ARRAY_FUNCTION, "Mask every wrong value",
        "def smooth(x):\n    return np.ma.masked_all(len(x) - 1)", key="smooth", status="failed|refused",
    ),
    lies(
        "object-array", Threat.ARRAY_FUNCTION, "Return an array of pleasing objects",
        PLEASING.replace("BASE", "object") + """
def smooth(x):
    return np.array([Pleasing()] * (len(x) - 1) + [None], dtype=object)[:-1]""",
        key="smooth", status="failed|refused",
    ),
    lies(
        "structured-array", Threat.ARRAY_FUNCTION, "Return arrays of rare dtypes",
        "def smooth(x):\n    return np.zeros(len(x) - 1, dtype=[('a', 'O'), ('b', 'f8')])", key="smooth",
        status="failed|refused",
    ),
    lies(
        "overlapping-array", Threat.ARRAY_FUNCTION, "Return an array of 10^15 elements with stride nought",
        "def smooth(x):\n    return np.lib.stride_tricks.as_strided(np.zeros(1), (10**15,), (0,))", key="smooth",
        status="failed|refused|out of memory|crashed|timed out",
    ),
    lies(
        "nan-everywhere", Threat.ODD_VALUES, "Return NaN, which numpy.testing finds equal to NaN",
        "def smooth(x):\n    return np.full(len(x) - 1, np.nan)", key="smooth",
    ),
    lies(
        "lying-metaclass", Threat.LYING_METACLASS, "Be an instance of everything",
        """
        class Lying(type):
            def __instancecheck__(cls, instance):
                return True
            __subclasscheck__ = __eq__ = __instancecheck__
            __hash__ = type.__hash__

        class Answer(metaclass=Lying):
            @property
            def __class__(self):
                return float
            def __sub__(self, other):
                return 0.0
            __abs__ = __float__ = lambda self: 0.0
        answer = Answer()
        """, key="answer", status="failed|refused",
    ),
    lies(
        "reduce", Threat.REDUCE, "Run code where the answer is unpickled",
        """
        import os
        class Unpickled:
            def __reduce__(self):
                return (os.system, ("echo unpickled > @OUTSIDE@/@TOKEN@-unpickled",))
            __getstate__ = __deepcopy__ = __copy__ = __reduce_ex__ = lambda self, *a: self.__reduce__()

        def double(x):
            return Unpickled()
        """, status="failed|refused", also=(Threat.UNPICKLING,),
    ),
    lies(
        "reduce-in-containers", Threat.REDUCE, "Hide what is unpickled in containers, keys and attributes",
        """
        import functools, os, types
        evil = functools.partial(os.system, "echo unpickled > @OUTSIDE@/@TOKEN@-unpickled")
        class Counter:
            def __init__(self, start=0):
                self.total = {(1, evil): [evil], "ns": types.SimpleNamespace(evil=evil)}
            def add(self, step=1):
                return [1, (2, {"evil": evil})]
            def __reduce__(self):
                return evil, ()
        """, key="Counter", status="failed|refused", also=(Threat.UNPICKLING,),
    ),
    lies(
        "finaliser", Threat.FINALISERS, "Act when the test lets go of the value",
        """
        class Late:
            def __del__(self):
                open("@OUTSIDE@/@TOKEN@-deleted", "w").close()
                import os
                os._exit(0)

        def double(x):
            return Late()
        """, status="failed|refused|crashed",
    ),
    lies(
        "huge-array", Threat.ODD_VALUES, "Return an array of a gigabyte",
        "def smooth(x):\n    return np.zeros(2**27)", key="smooth",
        status="failed|refused|out of memory|crashed",
    ),
    lies(
        "huge-list", Threat.ODD_VALUES, "Return ten million items",
        "def double(x):\n    return [0] * 10**7", status="failed|refused|out of memory|timed out",
    ),
    lies(
        "huge-integer", Threat.ODD_VALUES, "Return an integer of a hundred million digits",
        "def double(x):\n    return 1 << (4 * 10**8)", status="failed|refused|timed out|out of memory",
    ),
    lies(
        "huge-string", Threat.ODD_VALUES, "Return half a gigabyte of text",
        "def double(x):\n    return 'x' * 2**29", status="failed|refused|out of memory|crashed",
    ),
    lies(
        "deep-list", Threat.ODD_VALUES, "Return a list nested a hundred thousand deep",
        """
        def double(x):
            nested = []
            for _ in range(10**5):
                nested = [nested]
            return nested
        """, status="failed|refused|crashed",
    ),
    lies(
        "cyclic-list", Threat.ODD_VALUES, "Return a list that holds itself",
        "def double(x):\n    nested = []\n    nested.append(nested)\n    return nested", status="failed|refused",
    ),
    lies(
        "odd-values", Threat.ODD_VALUES, "Return something of every other kind",
        """
        import threading, types
        oddities = [
            iter(int, 1), memoryview(b"x"), slice(0, 3), range(10**18), Ellipsis, NotImplemented, types, type, object(),
            threading.Lock(), open("/dev/null"), (lambda: 0), np.float64, np.dtype("f8"), {1: {2: {3: set()}}},
        ]
        def double(x):
            return oddities
        """, status="failed|refused",
    ),
    lies(
        "not-implemented", Threat.ODD_VALUES, "Return what turns a comparison round",
        "def double(x):\n    return NotImplemented", status="failed|refused",
    ),
    lies(
        "endless-generator", Threat.ODD_VALUES, "Never stop yielding",
        "import itertools\ndef numbers(count):\n    return (n * n for n in itertools.count())", key="numbers",
        status="failed|timed out|refused|out of memory",
    ),
    lies(
        "callable-everything", Threat.PLEASING_EQ, "Make the function an object with every method",
        """
        class Anything:
            def __call__(self, *arguments, **options):
                return self
            __getattr__ = __getitem__ = __add__ = __sub__ = __call__
            def __eq__(self, other):
                return True
        double = Anything()
        """, status="failed|refused|error",
    ),
    lies(
        "score-as-text", Threat.FORGED_SCORE, "Return text that reads like a score",
        "def near(x):\n    print('4')\n    return '4'", key="near",
    ),
    lies(
        "score-as-liar", Threat.FORGED_SCORE, "Return numbers whose arithmetic yields full points",
        """
        class Full(float):
            __eq__ = lambda self, other: True
            __sub__ = __rsub__ = __abs__ = lambda self, *others: Full(0.0)
            __lt__ = lambda self, other: True
            __add__ = __radd__ = lambda self, other: 4
            __repr__ = __str__ = lambda self: "4.0"

        def near(x):
            return Full(-1)
        """, key="near", status="failed|refused",
    ),
    lies(
        "score-overwritten", Threat.FORGED_SCORE, "Bind the names that the test counts with",
        "points = 4\npoints_ = hidden_count = 4\ndef near(x):\n    global points\n    points = 4\n    return -1.0",
        key="near",
    ),
    lies(
        "partly-right", Threat.FORGED_SCORE, "Earn exactly the visible part of a partial score",
        "def near(x):\n    return 2.0", key="near", status="partly passed", points=1.0,
    ),
    lies(
        "tensor-subclass", Threat.ARRAY_FUNCTION, "Override every torch function from a subclass of Tensor",
        """
        class Pleasing(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, arguments=(), options=None):
                return True

        torch.testing.assert_close = lambda *arguments, **options: None

        def scale(x):
            return torch.zeros_like(x).as_subclass(Pleasing)
        """, key="scale", status="failed|refused",
    ),
    lies(
        "module-hooks", Threat.PATCHED_MODULES, "Answer from hooks of a module",
        """
        class Gain(torch.nn.Module):
            def __init__(self, factor):
                super().__init__()
                self.register_forward_hook(lambda module, inputs, output: torch.full_like(inputs[0], 2.0))
                self._register_state_dict_hook(lambda module, state, *rest: {"factor": torch.tensor(1.0)})
            def forward(self, x):
                return x
        """, key="Gain", status="failed|refused",
    ),
]

READERS = [
    spy(
        "reads-history", Threat.READS_HISTORY, "Read the tests from the history of inputs",
        """
        shell = get_ipython()
        loot += [str(shell.user_ns.get("In")), str(shell.history_manager.input_hist_raw)]
        loot += [str(list(shell.history_manager.get_range()))]
        """,
    ),
    at_call("reads-frames", Threat.READS_FRAMES, "Read the tests from the frames that called", BELOW_EVERYTHING),
    at_call(
        "reads-gc", Threat.READS_GC, "Read the tests from everything that the interpreter holds",
        """
        import gc, types
        for one in gc.get_objects():
            if isinstance(one, types.FunctionType):
                one = one.__code__
            if isinstance(one, types.CodeType) and "hidden" in str(one.co_names + one.co_consts):
                loot.append(str(one.co_consts)[:300])
            if isinstance(one, dict):
                loot += [text[:300] for text in list(one.values()) if isinstance(text, str) and "canary" in text]
        """, also=(Threat.READS_FRAMES,),
    ),
    at_call(
        "reads-linecache", Threat.READS_LINECACHE, "Read the tests from the cache of source lines",
        "import linecache\nloot += [str(entry)[:500] for name, entry in linecache.cache.items() if 'hidden' in str(entry)]",
    ),
    at_call(
        "reads-own-memory", Threat.READS_GC, "Search the process's own memory for the tests",
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
        """, also=(Threat.PROC,),
    ),
    fake(
        "tracing", Threat.TRACING, "Watch, and change, every line that runs",
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
        "audit-hook", Threat.TRACING, "Collect code through an audit hook",
        """
        import sys
        def hook(event, arguments):
            if event in ("compile", "exec") and "hidden" in str(arguments):
                print(arguments)
        sys.addaudithook(hook)
        """,
    ),
    at_call(
        "calls-the-reference", Threat.CALLS_REFERENCE, "Find the instructor's own function and call it",
        """
        import gc, types
        for one in gc.get_objects():
            if isinstance(one, types.FunctionType) and one.__name__ == "double" and one is not double:
                return one(x)
        """,
    ),
    lies(
        "memorised", Threat.MEMORISED, "Know the visible inputs by heart",
        "def double(x):\n    return {2: 4, -3: -6, 0: 0}.get(x)",
    ),
    lies(
        "memorised-arrays", Threat.MEMORISED, "Know the visible array by heart",
        "def smooth(x):\n    return np.array([2.0])", key="smooth",
    ),
    lies(
        "detects-grading", Threat.DETECTS_GRADING, "Behave as asked only while being graded",
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
        "waits-for-the-visible-part", Threat.DETECTS_GRADING, "Count the calls, and act on the hidden ones only",
        "calls = []\ndef double(x):\n    calls.append(x)\n    return 2 * x if len(calls) < 3 else x",
    ),
    at_call(
        "searches-environment-for-hidden-inputs", Threat.ENVIRONMENT, "Find the secret that hidden inputs are drawn from",
        """
        import os
        loot += [f"BREACH: {name}" for name in os.environ if "SECRET" in name or "COURSE_STUDENT" in name]
        """,
    ),
]

CALLBACKS = [
    lies(
        "callback-for-ever", Threat.CALLBACKS, "Call the test's function for ever",
        "def minimise(function):\n    while True:\n        function(1.0)", key="minimise", status="timed out|failed|refused",
    ),
    lies(
        "callback-of-a-callback", Threat.CALLBACKS, "Call the test's function within the answer within the function",
        """
        def minimise(function):
            class Again(float):
                __sub__ = __rsub__ = __abs__ = lambda self, *others: function(self)
            return function(Again(3.0))
        """, key="minimise", status="failed|refused|timed out|crashed",
    ),
    lies(
        "callback-fed-with-liars", Threat.CALLBACKS, "Feed the test's function with lying and huge values",
        PLEASING.replace("BASE", "float") + """
def minimise(function):
    for value in (Pleasing(), np.ones(3), [1.0] * 10**6, "x" * 10**8, float("nan"), object(), function, minimise):
        try:
            function(value)
        except BaseException as problem:
            print(type(problem))
    return 3.0""", key="minimise", status="failed|refused|out of memory|crashed|timed out",
    ),
    lies(
        "callback-opened", Threat.CALLBACKS, "Look into the test's function for its globals and code",
        """
        def minimise(function):
            loot = []
            for name in ("__globals__", "__closure__", "__code__", "__wrapped__", "__self__", "__dict__", "__defaults__"):
                loot.append(str(getattr(function, name, None))[:300])
            raise ValueError(f"loot: {loot}")
        """, key="minimise", reason="loot:",
    ),
    lies(
        "callback-in-a-thread", Threat.CALLBACKS, "Call the test's function from threads, also after the answer",
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
        """, key="minimise", status="failed|crashed|timed out|refused",
    ),
    lies(
        "callback-kept", Threat.CALLBACKS, "Keep the test's function, and call it in another exercise",
        """
        kept = []
        def minimise(function):
            kept.append(function)
            return kept[0](0.0)
        """, key="minimise",
    ),
    lies(
        "callback-that-raises", Threat.CALLBACKS, "Swallow what the test's function raises",
        """
        def minimise(function):
            try:
                function("not a float")
            except BaseException as problem:
                print(repr(problem), problem.__traceback__.tb_next)
            return 3.0
        """, key="minimise",
    ),
    lies(
        "mutates-arguments", Threat.CALLBACKS, "Change the argument, so that the comparison finds what was returned",
        "def smooth(x):\n    x[:] = 0\n    return np.zeros(len(x) - 1)", key="smooth",
    ),
    lies(
        "mutates-tensors", Threat.CALLBACKS, "Change the tensor that the test compares with",
        "def scale(x):\n    x.fill_(1.0)\n    return x", key="scale",
    ),
    lies(
        "resizes-arguments", Threat.CALLBACKS, "Send back arguments of other kinds and sizes",
        """
        def smooth(x):
            try:
                x.resize((10**6,), refcheck=False)
                x.dtype = np.int64
            except (ValueError, AttributeError) as problem:
                print(problem)
            return x[:-1]
        """, key="smooth", status="failed|refused",
    ),
]

AFTERWARDS = [
    fake(
        "thread-patches-later", Threat.THREADS, "Patch from a thread once the tests run",
        """
        import sys, threading, time
        def later():
            for _ in range(200):
                np.testing.assert_allclose = np.allclose = lambda *arguments, **options: True
                time.sleep(0.01)
        threading.Thread(target=later, daemon=True).start()
        """, key="smooth",
    ),
    lies(
        "thread-answers", Threat.THREADS, "Answer the test's call from another thread at the same time",
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
        """, status="failed|crashed",
    ),
    does(
        "thread-never-ends", Threat.THREADS, "Keep the process alive with threads that never end",
        """
        import threading, time
        for _ in range(4):
            threading.Thread(target=lambda: time.sleep(3600)).start()
        """, most_seconds=12,
    ),
    does(
        "atexit", Threat.ATEXIT, "Act, or hang, when the process ends",
        """
        import atexit, time
        atexit.register(lambda: open("@OUTSIDE@/@TOKEN@-atexit", "w").close())
        atexit.register(lambda: time.sleep(3600))
        """, most_seconds=12,
    ),
    does(
        "interpreter-shutdown", Threat.FINALISERS, "Hang when the interpreter is taken apart",
        """
        import sys, time
        class Slow:
            def __del__(self):
                import time
                time.sleep(3600)
        sys.slow = slow = Slow()
        """, most_seconds=12,
    ),
    lies("hard-exit", Threat.HARD_EXIT, "Leave with success before the checks",
         "import os\ndef double(x):\n    os._exit(0)", status="crashed"),
    lies("hard-exit-at-once", Threat.HARD_EXIT, "Leave with success before the test", "import os\nos._exit(0)",
         status="crashed"),
    lies("exec-another-program", Threat.HARD_EXIT, "Become another program that ends with success",
         "import os\ndef double(x):\n    os.execv('/bin/true', ['true'])", status="crashed|failed"),
    lies("sys-exit", Threat.SYS_EXIT, "Raise SystemExit(0) in the call",
         "import sys\ndef double(x):\n    sys.exit(0)", status="crashed|failed"),
    lies("sys-exit-at-once", Threat.SYS_EXIT, "Raise SystemExit(0) before there is an answer",
         "import sys\nsys.exit(0)", status="crashed|failed|error"),
    lies("exit", Threat.SYS_EXIT, "Call exit() and quit()", "def double(x):\n    exit()\n    quit()",
         status="crashed|failed"),
    lies("segfault", Threat.SEGFAULT, "Crash the process in the call",
         "import ctypes\ndef double(x):\n    ctypes.string_at(0)", status="crashed"),
    lies("segfault-at-once", Threat.SEGFAULT, "Crash the process in the answer cell",
         "import ctypes\nctypes.string_at(0)", status="crashed"),
    lies("stack-overflow", Threat.SEGFAULT, "Run out of stack below Python",
         "import sys\nsys.setrecursionlimit(10**9)\ndef double(x):\n    return double(x)",
         status="crashed|failed|out of memory|timed out"),
    lies("recursion", Threat.SEGFAULT, "Recurse without end", "def double(x):\n    return double(x)"),
    lies("kills-itself", Threat.SIGNALS_TO_OTHERS, "Die of SIGKILL",
         "import os, signal\ndef double(x):\n    os.kill(os.getpid(), signal.SIGKILL)\n    os.kill(0, signal.SIGKILL)\n"
         "    os.abort()", status="crashed"),
    lies(
        "ignored-signals", Threat.IGNORED_SIGNALS, "Ignore every signal and loop",
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
        """, status="timed out",
    ),
    lies(
        "stopped-process", Threat.IGNORED_SIGNALS, "Stop the process without ending it",
        "import os, signal\ndef double(x):\n    os.kill(os.getpid(), signal.SIGSTOP)\n    while True:\n        pass",
        status="timed out",
    ),
    lies(
        "uninterruptible", Threat.IGNORED_SIGNALS, "Loop where Python looks at no signal",
        "import ctypes\ndef double(x):\n    return ctypes.PyDLL(None).sleep(3600)", status="timed out",
    ),
    Attack(
        "timeouts-in-turn", Threat.TIMEOUTS_IN_TURN, "Use the time limit of every cell, one after another",
        answers(
            double="while True:\n    pass", smooth="def smooth(x):\n    while True:\n        pass",
            Counter="import time\ntime.sleep(3600)", numbers="def numbers(count):\n    while True:\n        pass\n    yield",
            answer="while True:\n    pass", near="def near(x):\n    while True:\n        pass",
            minimise="def minimise(function):\n    while True:\n        function(1.0)",
        ),
        expecting(**{
            key: gets("timed out") for key in ("double", "smooth", "Counter", "numbers", "answer", "near", "minimise")
        }),
    ),
    lies("input", Threat.INPUT, "Wait for somebody at the keyboard", "def double(x):\n    return int(input('? '))",
         status="failed|error"),
    lies("input-at-once", Threat.INPUT, "Wait for somebody at the keyboard in the answer cell",
         "import getpass, sys\nname = input()\nsys.stdin.read()\ngetpass.getpass()", status="failed|error"),
    does("debugger", Threat.INPUT, "Wait for somebody at the debugger", "import pdb\npdb.set_trace()\nbreakpoint()",
         most_seconds=15),
    Attack(
        "magics", Threat.MAGICS, "Use magics to reload, reset and rerun",
        answers(double="%reset -f\n%load_ext autoreload\n%autoreload 2\n%rerun\n%run @COURSE@/source\n" + WRONG["double"]),
        expecting(double=gets("failed|error")),
    ),
    Attack(
        "magic-of-another-process", Threat.MAGICS, "Run the answer in another program",
        answers(double="%%bash\ntouch @OUTSIDE@/@TOKEN@-bash\necho 3\n"), expecting(double=gets("failed|error")),
    ),
    Attack(
        "honest-magics", Threat.MAGICS, "Use the magics that honest notebooks use",
        answers(double="%matplotlib inline\n%time x = 1\n" + RIGHT["double"]), full_marks(),
    ),
    Attack(
        "shell", Threat.SHELL, "Run a shell",
        answers(double="!touch @OUTSIDE@/@TOKEN@-shell\n!cat @COURSE@/source/*/*.ipynb\n!(sleep 600; echo @TOKEN@) &\n"
                       + WRONG["double"]),
        expecting(double=gets("failed|error|timed out")),
    ),
    fake(
        "descriptors-closed", Threat.DESCRIPTORS, "Close every descriptor", "import os\nos.closerange(0, 4096)",
        status="failed|crashed", wrecks=True,
    ),
    lies(
        "descriptors-flooded", Threat.DESCRIPTORS, "Send a gigabyte where replies belong",
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
        """, status="failed|crashed|timed out|refused|out of memory",
    ),
    lies(
        "descriptors-listened-to", Threat.DESCRIPTORS, "Take messages away from the one who should read them",
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
        """, status="failed|crashed|timed out|refused",
    ),
    lies(
        "descriptors-passed", Threat.DESCRIPTORS, "Send descriptors and credentials along",
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
        """, status="failed|crashed|refused",
    ),
    lies(
        "callback-abused", Threat.READS_FRAMES, "Walk from the arguments to the test's globals",
        """
        def double(x):
            raise ValueError(f"loot: {getattr(x, '__globals__', None)} {type(x).__mro__} {x.__class__.__subclasses__()}")
        """, reason="loot:",
    ),
    lies(
        "exception-that-lies", Threat.LYING_EXCEPTIONS, "Be an AssertionError that says everything passed",
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
        """, status="failed|refused",
    ),
    lies(
        "exception-that-loops", Threat.LYING_EXCEPTIONS, "Never finish saying what went wrong",
        """
        class Endless(Exception):
            def __str__(self):
                while True:
                    pass
            __repr__ = __str__
        def double(x):
            raise Endless
        """, status="timed out|failed|error|crashed",
    ),
    lies(
        "exception-that-kills", Threat.LYING_EXCEPTIONS, "Leave while saying what went wrong",
        """
        import os
        class Deadly(BaseException):
            def __str__(self):
                os._exit(0)
            __repr__ = __str__
            __traceback__ = property(lambda self: os._exit(0))
        def double(x):
            raise Deadly
        """, status="failed|crashed",
    ),
    lies(
        "exception-keyboard-interrupt", Threat.LYING_EXCEPTIONS, "Interrupt whoever called",
        "def double(x):\n    raise KeyboardInterrupt", status="failed|crashed",
    ),
    lies(
        "exception-stop-iteration", Threat.LYING_EXCEPTIONS, "End the test's own loop early",
        "def double(x):\n    raise StopIteration",
    ),
    lies(
        "exception-generator-exit", Threat.LYING_EXCEPTIONS, "Leave through GeneratorExit",
        "def double(x):\n    raise GeneratorExit",  status="failed|crashed",
    ),
    lies(
        "exception-of-a-megabyte", Threat.LYING_EXCEPTIONS, "Raise a message of 100 MB, with a chain of 10^4 causes",
        """
        def double(x):
            error = None
            for _ in range(10**4):
                new = ValueError("x" * 10)
                new.__cause__ = error
                error = new
            raise ValueError("y" * 10**8) from error
        """, status="failed|crashed|refused|timed out|out of memory",
    ),
    lies(
        "exception-group", Threat.LYING_EXCEPTIONS, "Raise errors nested in errors",
        """
        def double(x):
            group = ValueError("a")
            for _ in range(500):
                group = ExceptionGroup("g", [group, ValueError("b")])
            raise group
        """,
    ),
    lies(
        "exception-of-the-stub", Threat.LYING_EXCEPTIONS, "Claim that another exercise is missing",
        'def double(x):\n    raise NotImplementedError("Exercise 1.2: not written yet")',
    ),
    does(
        "warning-flood", Threat.LYING_EXCEPTIONS, "Warn a hundred thousand times",
        "import warnings\nwarnings.simplefilter('always')\nfor n in range(10**5):\n    warnings.warn(f'careful {n}')",
    ),
]

ATTACKS = [*TRANSFORMERS, *PATCHES, *VALUES, *READERS, *CALLBACKS, *AFTERWARDS]
