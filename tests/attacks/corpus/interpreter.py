"""Attacks that change what judges: transformers, hooks, patches.

Each attempts something and then gives a wrong answer, so that it scores exactly if the attempt reached the judge.
"""

from __future__ import annotations

from attack import fake, lies
from threats import Threat

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

TRANSFORMERS = [
    fake(
        "ast-transformer",
        Threat.AST_TRANSFORMER,
        "Drop the asserts from every later cell",
        DROP_ASSERTS + "get_ipython().ast_transformers.append(DropAsserts())",
    ),
    fake(
        "compile-replaced",
        Threat.AST_TRANSFORMER,
        "Have nothing compiled that contains an assert",
        """
        import ast, builtins
        compile_really, parse_really = builtins.compile, ast.parse
        def without(source):
            return "pass" if "assert" in str(source) else source
        builtins.compile = lambda source, *a, **k: compile_really(without(source), *a, **k)
        ast.parse = lambda source, *a, **k: parse_really(without(source), *a, **k)
        """,
        wrecks=True,
    ),
    fake(
        "input-transformer",
        Threat.INPUT_TRANSFORMER,
        "Empty the text of every later cell",
        """
        shell = get_ipython()
        shell.input_transformers_post.append(lambda lines: [line for line in lines if "assert" not in line])
        shell.input_transformers_cleanup.append(lambda lines: ["pass\\n"])
        """,
        wrecks=True,
    ),
    fake(
        "run-cell-replaced",
        Threat.RUN_CELL,
        "Run other cells than were asked for",
        REPLACE_RUN_CELL,
        status="failed|error",
        wrecks=True,
    ),
    fake(
        "events-registered",
        Threat.RUN_CELL,
        "Repair the result after every cell",
        """
        def done(result):
            result.error_in_exec = result.error_before_exec = None
            result.success = True
        get_ipython().events.register("post_run_cell", done)
        get_ipython().events.register("pre_run_cell", lambda info: setattr(info, "raw_cell", "pass"))
        """,
    ),
    fake(
        "display-hook",
        Threat.DISPLAY_HOOK,
        "Show a score of one's own as the value of the test",
        """
        import sys
        shell = get_ipython()
        sys.displayhook = lambda value: print(4)
        type(shell.displayhook).__call__ = lambda self, value=None: print("4")
        shell.display_formatter.format = lambda value, *a, **k: ({"text/plain": "4"}, {})
        """,
        key="near",
    ),
    fake(
        "displayed-score",
        Threat.DISPLAY_HOOK,
        "Publish a score as if it were the value of a cell",
        """
        from IPython.display import publish_display_data
        publish_display_data({"text/plain": "4"}, {})
        get_ipython().displayhook(4)
        get_ipython().display_pub.publish(data={"text/plain": "4"}, metadata={})
        """,
        key="near",
    ),
    fake(
        "custom-exception-handler",
        Threat.EXCEPTION_HANDLER,
        "Swallow every error of later cells",
        """
        import sys, threading
        get_ipython().set_custom_exc((BaseException,), lambda *arguments, **options: None)
        get_ipython().showtraceback = lambda *arguments, **options: None
        sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *arguments: None
        """,
    ),
]

PATCHES = [
    fake(
        "numpy-testing-patched",
        Threat.PATCHED_TESTING,
        "Make every assertion of numpy.testing pass",
        """
        for name in dir(np.testing):
            if name.startswith("assert"):
                setattr(np.testing, name, lambda *arguments, **options: None)
        np.allclose = np.isclose = lambda *arguments, **options: True
        """,
        key="smooth",
    ),
    fake(
        "star-import-shadowed",
        Threat.PATCHED_TESTING,
        "Bind names that a given cell imports with a star",
        """
        def pleasing(*arguments, **options):
            return True
        assert_allclose = assert_equal = assert_array_equal = assert_almost_equal = pleasing
        abs = all = isinstance = list = math = np = pleasing
        """,
        key="near",
        wrecks=True,
    ),
    lies(
        "star-import-shadowed-by-an-answer",
        Threat.PATCHED_TESTING,
        "Bind the name of the test's own comparison beside the answer",
        """
        def assert_almost_equal(*arguments, **options):
            return None

        answer = 0.0
        """,
        key="answer",
        wrecks=True,
    ),
    fake(
        "numpy-testing-code-replaced",
        Threat.PATCHED_TESTING,
        "Replace the very code of assert_allclose",
        """
        import numpy.testing._private.utils as utils
        def nothing(actual, desired, rtol=1e-7, atol=0, equal_nan=True, err_msg="", verbose=True, *, strict=False): pass
        utils.assert_allclose.__code__ = nothing.__code__
        np.testing.assert_allclose.__code__ = nothing.__code__
        """,
        key="smooth",
    ),
    fake(
        "allclose-patched",
        Threat.PATCHED_ALLCLOSE,
        "Make np.allclose always true",
        "np.allclose = np.isclose = np.array_equal = lambda *arguments, **options: True\n"
        "np.testing.assert_allclose = lambda *arguments, **options: None",
        key="smooth",
    ),
    fake(
        "isclose-patched",
        Threat.PATCHED_ISCLOSE,
        "Make math.isclose always true",
        "import math\nmath.isclose = lambda *arguments, **options: True",
        key="smooth",
    ),
    fake(
        "builtins-patched",
        Threat.PATCHED_BUILTINS,
        "Replace abs, all, list, isinstance and print",
        """
        import builtins
        builtins.abs = lambda value: 0
        builtins.all = builtins.any = builtins.isinstance = lambda *arguments: True
        builtins.AssertionError = type("Silent", (BaseException,), {})
        builtins.list = lambda *arguments: type("L", (), {"__eq__": lambda self, other: True})()
        """,
        wrecks=True,
        status="failed|error|crashed",
    ),
    fake(
        "assertion-error-replaced",
        Threat.PATCHED_BUILTINS,
        "Let a failed assertion end the process with success",
        """
        import builtins, os
        class AssertionError(Exception):
            def __init__(self, *arguments):
                os._exit(0)
        builtins.AssertionError = AssertionError
        """,
        wrecks=True,
    ),
    fake(
        "object-patched-through-ctypes",
        Threat.PATCHED_BUILTINS,
        "Change int.__eq__ for everybody in the process",
        """
        import ctypes
        class Proxy(ctypes.Structure):
            _fields_ = [("refcount", ctypes.c_ssize_t), ("type", ctypes.c_void_p), ("dict", ctypes.py_object)]
        namespace = Proxy.from_address(id(int.__dict__)).dict
        namespace["__eq__"] = lambda self, other: True
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(int))
        """,
        status="failed|crashed",
        wrecks=True,
    ),
    fake(
        "modules-replaced",
        Threat.PATCHED_MODULES,
        "Put modules of one's own into sys.modules",
        """
        import sys, types
        class Pleasing(types.ModuleType):
            def __getattr__(self, name):
                return lambda *arguments, **options: True
        for name in list(sys.modules):
            if name.split(".")[0] in ("numpy", "math", "random", "pytest", "course_lib", "torch"):
                sys.modules[name] = Pleasing(name)
        """,
        key="smooth",
        wrecks=True,
        status="failed|error|crashed",
    ),
    fake(
        "import-hooked",
        Threat.PATCHED_MODULES,
        "Find every later import oneself",
        """
        import importlib.abc, importlib.machinery, sys
        class Finder(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                raise SystemExit(0)
        sys.meta_path.insert(0, Finder())
        sys.path_hooks.insert(0, lambda path: Finder())
        sys.path_importer_cache.clear()
        """,
        key="answer",
        wrecks=True,
    ),
    fake(
        "np-replaced",
        Threat.FAKE_NUMPY,
        "Give the test an np that finds everything equal",
        """
        class Fake:
            def __getattr__(self, name):
                return self
            def __call__(self, *arguments, **options):
                return self
            def __eq__(self, other):
                return True
        np = Fake()
        """,
        key="smooth",
        answer="def smooth(x):\n    return [0.0]",
        wrecks=True,
    ),
    fake(
        "random-replaced",
        Threat.PATCHED_RANDOM,
        "Make every random input the same known number",
        """
        import random
        random.randrange = lambda *arguments: 0
        np.random.default_rng = lambda *arguments: np.random.Generator(np.random.PCG64(0))
        np.random.seed(0)
        random.seed(0)
        """,
        answer="def double(x):\n    return {2: 4, -3: -6, 0: 0}.get(x, 'abab')",
    ),
    fake(
        "entropy-replaced",
        Threat.PATCHED_RANDOM,
        "Replace the entropy that seeds generators",
        """
        import os, secrets, random
        os.urandom = lambda count: b"\\0" * count
        secrets.randbits = lambda bits: 0
        random.SystemRandom = random.Random
        """,
        key="smooth",
        wrecks=True,
    ),
    fake(
        "clocks-replaced",
        Threat.PATCHED_CLOCK,
        "Stop every clock, so that no limit on time is met",
        """
        import time, datetime, signal
        for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
            setattr(time, name, lambda: 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.alarm(0)
        """,
        answer="import time\ndef double(x):\n    while time.monotonic() == 0 or True:\n        pass",
        status="timed out",
        wrecks=True,
    ),
]

ATTACKS = [*TRANSFORMERS, *PATCHES]
