"""Attacks by the values that an answer hands over: liars, giants, and what is of no plain type."""

from __future__ import annotations

from attack import lies
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

ATTACKS = [
    lies(
        "pleasing-object",
        Threat.PLEASING_EQ,
        "Return an object that equals everything",
        PLEASING.replace("BASE", "object") + "\ndef double(x):\n    return Pleasing()",
        status="failed|refused",
        also=(Threat.PLEASING_ABS, Threat.PLEASING_BOOL),
    ),
    *(
        lies(
            f"pleasing-{base}",
            Threat.PLEASING_EQ,
            f"Return a subclass of {base} that equals everything",
            PLEASING.replace("BASE", base) + "\ndef double(x):\n    return Pleasing()",
            status="failed|refused",
        )
        for base in ("int", "float", "str", "complex", "list", "tuple", "dict", "bytes")
    ),
    lies(
        "pleasing-abs",
        Threat.PLEASING_ABS,
        "Return an array whose distance to everything is nought",
        PLEASING.replace("BASE", "np.ndarray")
        + """
def smooth(x):
    return np.zeros(len(x) - 1).view(Pleasing)""",
        key="smooth",
        status="failed|refused",
    ),
    lies(
        "pleasing-bool",
        Threat.PLEASING_BOOL,
        "Return a comparison that is always true",
        """
        class Yes:
            def __bool__(self):
                return True
            __eq__ = __ne__ = lambda self, other: Yes()
            __abs__ = __sub__ = __rsub__ = lambda self, *others: Yes()
            __lt__ = __gt__ = __le__ = lambda self, other: True
        answer = Yes()
        """,
        key="answer",
        status="failed|refused",
    ),
    lies(
        "pleasing-instance",
        Threat.PLEASING_EQ,
        "Give instances and attributes that equal everything",
        PLEASING.replace("BASE", "object")
        + """
class Counter:
    def __init__(self, start=0):
        self.total = Pleasing()
    def add(self, step=1):
        return Pleasing()""",
        key="Counter",
        status="failed|refused",
    ),
    lies(
        "pleasing-class",
        Threat.PLEASING_EQ,
        "Make the class itself equal to everything",
        PLEASING.replace("BASE", "type")
        + """
class Counter(metaclass=Pleasing):
    total = property(lambda self: Counter)
    def __init__(self, start=0): pass
    def add(self, step=1):
        return Counter""",
        key="Counter",
        status="failed|refused|error",
    ),
    lies(
        "pleasing-generator",
        Threat.PLEASING_EQ,
        "Yield objects that equal everything",
        PLEASING.replace("BASE", "object") + "\ndef numbers(count):\n    while True:\n        yield Pleasing()",
        key="numbers",
        status="failed|refused|timed out|out of memory",
    ),
    lies(
        "array-function",
        Threat.ARRAY_FUNCTION,
        "Override every numpy function from a subclass of ndarray",
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
        """,
        key="smooth",
        status="failed|refused",
    ),
    lies(
        "array-interface",
        Threat.ARRAY_FUNCTION,
        "Hand over memory of nobody as an array",
        """
        class Foreign:
            __array_interface__ = {"shape": (10**6,), "typestr": "<f8", "data": (4096, False), "version": 3}
            def __array__(self, dtype=None, copy=None):
                return np.zeros(1)

        def smooth(x):
            return Foreign()
        """,
        key="smooth",
        status="failed|refused|crashed",
    ),
    lies(
        "masked-array",
        Threat.ARRAY_FUNCTION,
        "Mask every wrong value",
        "def smooth(x):\n    return np.ma.masked_all(len(x) - 1)",
        key="smooth",
        status="failed|refused",
    ),
    lies(
        "object-array",
        Threat.ARRAY_FUNCTION,
        "Return an array of pleasing objects",
        PLEASING.replace("BASE", "object")
        + """
def smooth(x):
    return np.array([Pleasing()] * (len(x) - 1) + [None], dtype=object)[:-1]""",
        key="smooth",
        status="failed|refused",
    ),
    lies(
        "structured-array",
        Threat.ARRAY_FUNCTION,
        "Return arrays of rare dtypes",
        "def smooth(x):\n    return np.zeros(len(x) - 1, dtype=[('a', 'O'), ('b', 'f8')])",
        key="smooth",
        status="failed|refused",
    ),
    lies(
        "overlapping-array",
        Threat.ARRAY_FUNCTION,
        "Return an array of 10^15 elements with stride nought",
        "def smooth(x):\n    return np.lib.stride_tricks.as_strided(np.zeros(1), (10**15,), (0,))",
        key="smooth",
        status="failed|refused|out of memory|crashed|timed out",
    ),
    lies(
        "nan-everywhere",
        Threat.ODD_VALUES,
        "Return NaN, which numpy.testing finds equal to NaN",
        "def smooth(x):\n    return np.full(len(x) - 1, np.nan)",
        key="smooth",
    ),
    lies(
        "lying-metaclass",
        Threat.LYING_METACLASS,
        "Be an instance of everything",
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
        """,
        key="answer",
        status="failed|refused",
    ),
    lies(
        "reduce",
        Threat.REDUCE,
        "Run code where the answer is unpickled",
        """
        import os
        class Unpickled:
            def __reduce__(self):
                return (os.system, ("echo unpickled > @OUTSIDE@/@TOKEN@-unpickled",))
            __getstate__ = __deepcopy__ = __copy__ = __reduce_ex__ = lambda self, *a: self.__reduce__()

        def double(x):
            return Unpickled()
        """,
        status="failed|refused",
        also=(Threat.UNPICKLING,),
    ),
    lies(
        "reduce-in-containers",
        Threat.REDUCE,
        "Hide what is unpickled in containers, keys and attributes",
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
        """,
        key="Counter",
        status="failed|refused",
        also=(Threat.UNPICKLING,),
    ),
    lies(
        "finaliser",
        Threat.FINALISERS,
        "Act when the test lets go of the value",
        """
        class Late:
            def __del__(self):
                open("@OUTSIDE@/@TOKEN@-deleted", "w").close()
                import os
                os._exit(0)

        def double(x):
            return Late()
        """,
        status="failed|refused|crashed",
    ),
    lies(
        "huge-array",
        Threat.ODD_VALUES,
        "Return an array of a gigabyte",
        "def smooth(x):\n    return np.zeros(2**27)",
        key="smooth",
        status="failed|refused|out of memory|crashed",
    ),
    lies(
        "huge-list",
        Threat.ODD_VALUES,
        "Return ten million items",
        "def double(x):\n    return [0] * 10**7",
        status="failed|refused|out of memory|timed out",
    ),
    lies(
        "huge-integer",
        Threat.ODD_VALUES,
        "Return an integer of a hundred million digits",
        "def double(x):\n    return 1 << (4 * 10**8)",
        status="failed|refused|timed out|out of memory",
    ),
    lies(
        "huge-string",
        Threat.ODD_VALUES,
        "Return half a gigabyte of text",
        "def double(x):\n    return 'x' * 2**29",
        status="failed|refused|out of memory|crashed",
    ),
    lies(
        "deep-list",
        Threat.ODD_VALUES,
        "Return a list nested a hundred thousand deep",
        """
        def double(x):
            nested = []
            for _ in range(10**5):
                nested = [nested]
            return nested
        """,
        status="failed|refused|crashed",
    ),
    lies(
        "cyclic-list",
        Threat.ODD_VALUES,
        "Return a list that holds itself",
        "def double(x):\n    nested = []\n    nested.append(nested)\n    return nested",
        status="failed|refused",
    ),
    lies(
        "odd-values",
        Threat.ODD_VALUES,
        "Return something of every other kind",
        """
        import threading, types
        oddities = [
            iter(int, 1), memoryview(b"x"), slice(0, 3), range(10**18), Ellipsis, NotImplemented, types, type, object(),
            threading.Lock(), open("/dev/null"), (lambda: 0), np.float64, np.dtype("f8"), {1: {2: {3: set()}}},
        ]
        def double(x):
            return oddities
        """,
        status="failed|refused",
    ),
    lies(
        "not-implemented",
        Threat.ODD_VALUES,
        "Return what turns a comparison round",
        "def double(x):\n    return NotImplemented",
        status="failed|refused",
    ),
    lies(
        "endless-generator",
        Threat.ODD_VALUES,
        "Never stop yielding",
        "import itertools\ndef numbers(count):\n    return (n * n for n in itertools.count())",
        key="numbers",
        status="failed|timed out|refused|out of memory",
    ),
    lies(
        "callable-everything",
        Threat.PLEASING_EQ,
        "Make the function an object with every method",
        """
        class Anything:
            def __call__(self, *arguments, **options):
                return self
            __getattr__ = __getitem__ = __add__ = __sub__ = __call__
            def __eq__(self, other):
                return True
        double = Anything()
        """,
        status="failed|refused|error",
    ),
    lies(
        "score-as-text",
        Threat.FORGED_SCORE,
        "Return text that reads like a score",
        "def near(x):\n    print('4')\n    return '4'",
        key="near",
    ),
    lies(
        "score-as-liar",
        Threat.FORGED_SCORE,
        "Return numbers whose arithmetic yields full points",
        """
        class Full(float):
            __eq__ = lambda self, other: True
            __sub__ = __rsub__ = __abs__ = lambda self, *others: Full(0.0)
            __lt__ = lambda self, other: True
            __add__ = __radd__ = lambda self, other: 4
            __repr__ = __str__ = lambda self: "4.0"

        def near(x):
            return Full(-1)
        """,
        key="near",
        status="failed|refused",
    ),
    lies(
        "score-overwritten",
        Threat.FORGED_SCORE,
        "Bind the names that the test counts with",
        "points = 4\npoints_ = hidden_count = 4\ndef near(x):\n    global points\n    points = 4\n    return -1.0",
        key="near",
    ),
    lies(
        "partly-right",
        Threat.FORGED_SCORE,
        "Earn exactly the visible part of a partial score",
        "def near(x):\n    return 2.0",
        key="near",
        status="partly passed",
        points=1.0,
    ),
    lies(
        "tensor-subclass",
        Threat.ARRAY_FUNCTION,
        "Override every torch function from a subclass of Tensor",
        """
        class Pleasing(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, arguments=(), options=None):
                return True

        torch.allclose = torch.testing.assert_close = lambda *arguments, **options: True

        def scale(x):
            return torch.zeros_like(x).as_subclass(Pleasing)
        """,
        key="scale",
        status="failed|refused",
    ),
    lies(
        "module-hooks",
        Threat.PATCHED_MODULES,
        "Answer from hooks of a module",
        """
        class Gain(torch.nn.Module):
            def __init__(self, factor):
                super().__init__()
                self.register_forward_hook(lambda module, inputs, output: torch.full_like(inputs[0], 2.0))
                self._register_state_dict_hook(lambda module, state, *rest: {"factor": torch.tensor(1.0)})
            def forward(self, x):
                return x
        """,
        key="Gain",
        status="failed|refused",
    ),
]
