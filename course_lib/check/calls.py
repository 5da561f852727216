"""Which calls a learner's function makes, read from its source, for exercises that ask to write one oneself.

This guards an exercise's purpose against a shortcut taken in good faith or out of curiosity. It reads code and can be
deceived by code that hides what it does; keeping marks safe from that is the grader's task, not this module's.

A grader that runs test cells in another process than the answers reads the whole answer cell itself, before it runs,
and refuses what it finds there. What it then hands to the test cells are stand-ins for the learner's functions. On
these it sets ``READ_ALREADY``, and ``forbids`` takes its word instead of reading the stand-in.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import importlib.util
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from course_lib.check.failure import CheckFailed

READ_ALREADY = "__forbidden_calls_read__"
"""Attribute, true on a function whose source a grader has read in full for the forbidden calls."""

_CUSTOMARY_NAMES = {"np": "numpy", "sp": "scipy", "plt": "matplotlib.pyplot"}
_UNKNOWN = object()
_HIDING = (builtins.eval, builtins.exec, builtins.compile, builtins.globals, builtins.vars)


class _Forbidden(NamedTuple):
    """A forbidden function, class or module, and how the exercise calls it."""

    name: str
    thing: Any


class _Use(NamedTuple):
    """One place in a function's source that uses something forbidden."""

    function_name: str
    line: int
    written: str
    forbidden: str


def forbids(
    function: Callable[..., Any],
    names: str | Iterable[str],
    *,
    reason: str = "the exercise is to build it yourself",
) -> None:
    """Check that a function, and the learner's own functions that it calls, use none of the named ones; silent if so.

    A name counts however it is reached: by another import name, ``from … import …``, an alias bound outside or inside
    the function, ``getattr`` with a literal, or because the function simply *is* the forbidden one. A package that is
    not installed forbids nothing. A function that carries a true ``__forbidden_calls_read__`` is left alone: a grader
    has read the learner's whole cell and vouches for it.

    Args:
        function: the learner's function.
        names: dotted names in one string or a list, for example ``"np.convolve course_lib.convolution"``; naming a
            module forbids all that it defines.
        reason: why, as the end of the message's sentence.
    Raises:
        CheckFailed: if a forbidden name is used, with its line in the function; or if the source cannot be read.
        ValueError: if a name does not exist, because a misspelt one would forbid nothing.

    Lesson: 01 §2
    """
    if getattr(function, READ_ALREADY, False) is True:
        return
    forbidden = [
        found for name in (names.split() if isinstance(names, str) else names) if (found := _look_up(name)) is not None
    ]
    use = next(_uses(function, forbidden, set()), None)
    if use is None:
        return
    own_name = getattr(function, "__name__", "your function")
    through = "" if use.function_name == own_name else f" in {use.function_name}, which it calls"
    written = f"`{use.written}`" + ("" if use.written == use.forbidden else f", that is {use.forbidden},")
    where = f" (line {use.line} of {use.function_name})" if use.line else ""
    raise CheckFailed(
        f"{own_name} uses {written}{through}{where}",
        [
            f"this exercise forbids {use.forbidden}: {reason}",
            "what to do: replace that call by your own lines; the hints under the exercise show the way.",
        ],
    )


def _look_up(name: str) -> _Forbidden | None:
    """Find the object that a dotted name stands for, or ``None`` where its package is not installed."""
    root, _, rest = name.partition(".")
    path = ".".join(part for part in (_CUSTOMARY_NAMES.get(root, root), rest) if part)
    if importlib.util.find_spec(path.partition(".")[0]) is None:
        return None
    parts = path.split(".")
    for n_module_parts in range(len(parts), 0, -1):
        try:
            thing: Any = importlib.import_module(".".join(parts[:n_module_parts]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[n_module_parts:]:
            thing = getattr(thing, attribute, _UNKNOWN)
        if thing is not _UNKNOWN:
            return _Forbidden(name, thing)
    raise ValueError(f"names: got {name!r}, which does not exist, so it would forbid nothing. Correct the spelling.")


def _uses(thing: Any, forbidden: list[_Forbidden], seen: set[int]) -> Iterator[_Use]:
    """Yield the forbidden uses in a function, class or callable object and in what it calls of the learner's own."""
    match = _match(thing, forbidden)
    if match is not None:
        yield _Use(getattr(thing, "__name__", "your function"), 0, match, match)
        return
    for function in _functions_of(thing):
        if id(function) in seen:
            continue
        seen.add(id(function))
        if isinstance(function, FunctionType):
            yield from _uses_in_source(function, forbidden, seen)
        else:
            yield from _uses(function, forbidden, seen)


def _functions_of(thing: Any) -> list[Any]:
    """Take wrappers, partial applications, methods and classes apart into the functions that hold their code."""
    if isinstance(thing, functools.partial):
        return [thing.func, *(value for value in (*thing.args, *thing.keywords.values()) if callable(value))]
    if isinstance(thing, MethodType):
        return [thing.__func__]
    wrapped = inspect.unwrap(thing) if callable(thing) else thing
    if isinstance(wrapped, FunctionType):
        return [wrapped]
    if isinstance(wrapped, property):
        return [part for part in (wrapped.fget, wrapped.fset) if part is not None]
    if isinstance(wrapped, (staticmethod, classmethod)):
        return [wrapped.__func__]
    owner = wrapped if isinstance(wrapped, type) else type(wrapped)
    if owner.__module__ == "builtins":
        return []
    return [m for m in vars(owner).values() if isinstance(m, (FunctionType, property, staticmethod, classmethod))]


def _uses_in_source(function: FunctionType, forbidden: list[_Forbidden], seen: set[int]) -> Iterator[_Use]:
    tree = _tree_of(function)
    scope = _Scope(function, tree)
    for node in _nodes_that_run(tree):
        for written, thing in scope.things_named_by(node):
            line = getattr(node, "lineno", 0)
            match = _match(thing, forbidden)
            if match is not None:
                yield _Use(function.__name__, line, written, match)
            elif any(thing is hiding for hiding in _HIDING):
                yield _Use(function.__name__, line, written, f"{written}, which hides what it calls")
            elif _is_learners_own(thing, function):
                yield from _uses(thing, forbidden, seen)


def _nodes_that_run(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node except those in annotations, which name types and call nothing."""
    yield tree
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _nodes_that_run(child)


def _tree_of(function: FunctionType) -> ast.AST:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError) as error:
        raise CheckFailed(
            f"the source of {function.__name__} cannot be read",
            [
                "this exercise forbids some calls, so the check has to read your function",
                "what to do: write it with `def` in a cell of this notebook, and run that cell again.",
            ],
        ) from error


def _is_learners_own(thing: Any, function: FunctionType) -> bool:
    """Return whether ``thing`` is a function or class written in the same notebook as ``function``."""
    inner = inspect.unwrap(thing) if callable(thing) else thing
    if isinstance(inner, FunctionType):
        return inner.__globals__ is function.__globals__
    if isinstance(inner, functools.partial):
        return True
    return isinstance(inner, type) and inner.__module__ == function.__module__


def _match(thing: Any, forbidden: list[_Forbidden]) -> str | None:
    """Return the forbidden name that ``thing`` falls under, or ``None``."""
    home = getattr(thing, "__name__" if isinstance(thing, ModuleType) else "__module__", None)
    for name, target in forbidden:
        if thing is target:
            return name
        if isinstance(target, ModuleType):
            if isinstance(home, str) and f"{home}.".startswith(f"{target.__name__}."):
                return name
            # A ufunc does not say where it comes from, so it is looked for among what the module holds.
            if home is None and callable(thing) and any(thing is value for value in vars(target).values()):
                return name
    return None


class _Scope:
    """What names in one function's source stand for: its imports and aliases, its closure, its globals, builtins."""

    def __init__(self, function: FunctionType, tree: ast.AST) -> None:
        closure = inspect.getclosurevars(function).nonlocals
        self._outer: Mapping[str, Any] = {**vars(builtins), **function.__globals__, **closure}
        self._bound = {
            *(node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)),
            *(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)),
        }
        self._local: dict[str, Any] = {}
        for node in ast.walk(tree):
            self._bind(node)

    def things_named_by(self, node: ast.AST) -> Iterator[tuple[str, Any]]:
        """Yield each object that the node names, as written and as found."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield f"import {alias.name}", _imported(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                yield f"from {node.module} import {alias.name}", _imported(f"{node.module}.{alias.name}")
        elif isinstance(node, (ast.Name, ast.Attribute, ast.Call)) and (thing := self._value(node)) is not _UNKNOWN:
            yield ast.unparse(node), thing

    def _bind(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                self._local[name] = _imported(alias.name if alias.asname else name)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                self._local[alias.asname or alias.name] = _imported(f"{node.module}.{alias.name}")
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind_target(target, node.value)
        elif isinstance(node, (ast.NamedExpr, ast.AnnAssign)) and node.value is not None:
            self._bind_target(node.target, node.value)

    def _bind_target(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name) and (thing := self._value(value)) is not _UNKNOWN:
            self._local[target.id] = thing
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one_target, one_value in zip(target.elts, value.elts, strict=False):
                self._bind_target(one_target, one_value)

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            if node.id in self._local:
                return self._local[node.id]
            return _UNKNOWN if node.id in self._bound else self._outer.get(node.id, _UNKNOWN)
        if isinstance(node, ast.Attribute):
            return _member(self._value(node.value), node.attr)
        if isinstance(node, ast.NamedExpr):
            return self._value(node.value)
        if isinstance(node, ast.Call):
            return self._value_of_call(node)
        return _UNKNOWN

    def _value_of_call(self, node: ast.Call) -> Any:
        """Follow the calls that only look something up: ``getattr`` and the two import functions, with literals."""
        called = self._value(node.func)
        literals = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
        if called is getattr and len(literals) >= 2 and isinstance(literals[1], str):
            return _member(self._value(node.args[0]), literals[1])
        # By identity: a global that shares a name with something local may be an array, which compares to an array.
        imports = called is importlib.import_module or called is builtins.__import__
        if imports and literals and isinstance(literals[0], str):
            path = literals[0]
            return _imported(path if called is importlib.import_module else path.partition(".")[0])
        return _UNKNOWN


def _member(owner: Any, name: str) -> Any:
    """Return a member of a module or class; other objects are not asked, because that could run code of theirs."""
    return getattr(owner, name, _UNKNOWN) if isinstance(owner, (ModuleType, type)) else _UNKNOWN


def _imported(path: str) -> Any:
    """Return what importing ``path`` gives if its package is loaded; nothing is imported on a learner's word."""
    root, *attributes = path.split(".")
    thing: Any = sys.modules.get(root, _UNKNOWN)
    for attribute in attributes:
        thing = _member(thing, attribute)
    return thing
