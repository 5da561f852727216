"""Which calls that an exercise forbids stand in a student's answer, found by reading: nothing is run or imported.

An entry of ``forbid`` means here what it means to ``course_lib.check.forbids``: a dotted name, ``np``, ``sp`` and
``plt`` standing for their packages. Naming a module forbids all below it. What counts is code that the answer's
functions can reach, not comments, strings, annotations, unused imports, or trials below a function. A course needs no
``course_lib`` for this, so the rule is written out twice, and a test holds the two together.

Reading cannot follow every way of hiding a call. ``autograder.split.guard`` refuses at run time what gets past it.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, TypeAlias, cast

from autograder.parsing import parse

CUSTOMARY_NAMES: Final = {"np": "numpy", "sp": "scipy", "plt": "matplotlib.pyplot"}
"""What an entry of ``forbid`` may call a package by."""
REASON: Final = "the exercise is to build it yourself"
HIDING: Final = frozenset({"eval", "exec", "compile", "globals", "vars"})
"""Builtins that run or look up what no reader can see."""

MAX_CHARACTERS: Final = 100_000
"""A cell longer than this is not read; no answer to an exercise is."""
MAX_USES: Final = 20
_MAX_DEPTH: Final = 100
_MAX_PATHS: Final = 32
_MAX_VALUES: Final = 500
_MAX_ROUNDS: Final = 3
_MAX_WRITTEN: Final = 60

_INSIDES = frozenset(
    {"__closure__", "__globals__", "__subclasses__", "cell_contents", "f_back", "f_builtins", "f_globals", "f_locals"}
)
"""Attributes through which code reaches into other code's names; no answer to an exercise needs one."""
_SHELL = "IPython.shell"
_SHELL_RUNS = frozenset(
    {"ev", "ex", "run_cell", "run_cell_magic", "run_code", "run_line_magic", "user_global_ns", "user_ns"}
)
_GETTER = "<attrgetter>."
_IMPORTERS = frozenset({"builtins.__import__", "importlib.__import__", "importlib.import_module"})
_CHANGING = frozenset({"add", "append", "appendleft", "extend", "insert", "push", "put", "setdefault", "update"})
_LOOKUPS = frozenset({"get", "pop", "setdefault", "__getitem__"})
_TIMED_LINE = re.compile(r"^%(?:time|timeit|prun)\b(.*)$")
_ASSIGNED_MAGIC = re.compile(r"^([\w.,\s]+=)\s*[%!]")
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Place: TypeAlias = ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Import | ast.ImportFrom
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_PLAIN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom)


@dataclass(frozen=True)
class ForbiddenUse:
    """One place in a student's cells that uses something forbidden."""

    cell: str
    line: int
    written: str
    """The code at that place, shortened."""
    forbidden: str
    """The entry of ``forbid`` that it falls under, or what makes the code unreadable."""


def find_forbidden(
    answer_sources: Sequence[tuple[str, str]],
    other_sources: Sequence[tuple[str, str]],
    forbid: Iterable[str],
    given_sources: Sequence[str] = (),
    *,
    names: Collection[str] | None = None,
) -> list[ForbiddenUse]:
    """Find what an answer uses of the forbidden names, in its own cells and in what they reach in other ones.

    Names are followed through imports, aliases, tuples, attributes, ``getattr`` and the import functions with texts
    that can be put together by reading, ``sys.modules`` and ``operator.attrgetter``. Cells with IPython's magics are
    read; a cell that is not valid Python has no findings, since it cannot run either.

    Args:
        answer_sources: (label, source) of the exercise's answer cell and of the cells that the student added to it.
        other_sources: (label, source) of the student's other cells that run before the exercise's test.
        forbid: dotted names.
        given_sources: the instructor's cells; they say what names such as ``np`` stand for, and are not searched.
        names: what the reference solution's answer cell defines; the search begins there, so that a trial call below
            the function is nobody's business. ``None`` begins at every name that the answer cells bind.
    Returns:
        The uses, answer cells first, at most ``MAX_USES``; empty for an honest answer.
    """
    targets = [(entry, _full_path(entry)) for entry in forbid]
    if not targets:
        return []
    book = _Notebook()
    for source in given_sources:
        book.read("", source, given=True)
    for label, source in other_sources:
        book.read(label, source)
    unreadable = [label for label, source in answer_sources if not book.read(label, source, answer=True)]
    if unreadable:
        return [ForbiddenUse(label, 0, "code", "code that is too long or too deep to read") for label in unreadable]
    order = {label: place for place, (label, _) in enumerate([*answer_sources, *other_sources])}
    found: dict[tuple[str, int, str], ForbiddenUse] = {}
    for use in book.uses(targets, names):
        found.setdefault((use.cell, use.line, use.forbidden), use)
    return sorted(found.values(), key=lambda use: (order[use.cell], use.line))[:MAX_USES]


def refusal_message(use: ForbiddenUse) -> str:
    """Return the sentences that tell a student which call was refused, why, and what to do."""
    place = f"line {use.line} of {use.cell}" if use.line else use.cell
    return refusal_text("your answer", use.written, use.forbidden, place)


def refusal_text(who: str, written: str, forbidden: str, place: str = "") -> str:
    """Word a refusal as ``course_lib.check.forbids`` does, so that one rule reads the same wherever it is enforced.

    Args:
        who: what used the call, such as ``your answer``.
        written: the code that used it.
        forbidden: the entry of ``forbid``.
        place: where it stands; empty if that is not known.
    Returns:
        Three lines.
    """
    used = f"`{written}`" + ("" if written == forbidden else f", that is {forbidden},")
    where = f" ({place})" if place else ""
    return (
        f"{who} uses {used}{where}\n"
        f"  this exercise forbids {forbidden}: {REASON}\n"
        "  what to do: replace that call by your own lines; the hints under the exercise show the way."
    )


def _full_path(entry: str) -> str:
    root, dot, rest = entry.partition(".")
    return CUSTOMARY_NAMES.get(root, root) + dot + rest


def match(path: str, targets: Iterable[tuple[str, str]]) -> str | None:
    """Return the entry of ``forbid`` that a dotted path falls under, or ``None``.

    Args:
        path: such as ``numpy.fft.rfft``.
        targets: (entry, full path) of each forbidden name.
    Returns:
        The entry. ``numpy._core.numeric.convolve`` falls under ``numpy.convolve``, because packages keep in private
        modules what they offer in public ones; ``some.library.np.convolve`` does, because libraries import packages.
    """
    parts = path.split(".")
    aliases = [place for place, part in enumerate(parts) if place and part in CUSTOMARY_NAMES]
    if aliases:
        parts = [*CUSTOMARY_NAMES[parts[aliases[-1]]].split("."), *parts[aliases[-1] + 1 :]]
        path = ".".join(parts)
    is_private = any(part.startswith("_") or part == "core" for part in parts[1:-1])
    for entry, target in targets:
        if f"{path}.".startswith(f"{target}."):
            return entry
        root, _, rest = target.partition(".")
        if is_private and parts[0] == root and rest and parts[-1] == rest.rpartition(".")[2]:
            return entry
    return None


class _TooDeepError(Exception):
    """An expression or a chain of aliases that nobody writes in order to be read."""


@dataclass(frozen=True)
class _Expression:
    """An expression that a name is bound to, and where its own names are looked up."""

    node: ast.expr
    scope: _Scope


_Value: TypeAlias = "str | _Expression"


@dataclass(eq=False)
class _Scope:
    """The names of a function, class, comprehension, or of the whole notebook, and what each may stand for."""

    parent: _Scope | None = None
    is_class: bool = False
    bound: set[str] = field(default_factory=set)
    values: dict[str, list[_Value]] = field(default_factory=dict)
    outside: dict[str, _Scope | None] = field(default_factory=dict)
    """Names declared ``nonlocal``, with the scope around, and ``global``, with ``None``."""

    def bind(self, name: str, value: _Value | None = None) -> None:
        self.bound.add(name)
        if value is not None:
            self.values.setdefault(name, []).append(value)


@dataclass(eq=False)
class _Unit:
    """One top-level statement of a cell: what it binds, and the places in it that could name something."""

    cell: str
    lines: list[bytes]
    scope: _Scope
    is_plain: bool
    is_answer: bool
    places: list[tuple[_Place, _Scope]] = field(default_factory=list)
    changed: list[tuple[str, _Scope]] = field(default_factory=list)
    """Names whose objects it may change: ``kernels["own"] = …``, ``kernels.append(…)``."""

    @property
    def decides(self) -> set[str]:
        """The global names that stand for something else once it has run."""
        return self.scope.bound | {name for name, scope in self.changed if _scope_of(name, scope) is None}

    def written(self, node: _Place) -> str:
        """Return the code of a node, from one line, shortened."""
        line = self.lines[node.lineno - 1] if node.lineno <= len(self.lines) else b""
        end = node.end_col_offset if node.end_lineno == node.lineno else None
        text = line[node.col_offset : end].decode("utf-8", "replace").strip()
        return text if len(text) <= _MAX_WRITTEN else text[: _MAX_WRITTEN - 1] + "…"


@lru_cache(maxsize=512)
def _read_cell(source: str, given: bool) -> tuple[list[_Unit], _Scope, list[str]] | None:
    """Read one cell by itself; kept, since every exercise of a notebook looks at the same cells again.

    Returns:
        Its statements, the names it binds if it is the instructor's, and what it imports with a star; ``None`` if it is
        too long or too deep to read.
    """
    if len(source) > MAX_CHARACTERS:
        return None
    alone = _Notebook()
    try:
        alone.read_fresh(source, given=given)
    except (RecursionError, MemoryError):
        return None
    return alone.units, alone.given, alone.stars


class _Notebook:
    """All cells that have a part in an answer, as one namespace."""

    def __init__(self) -> None:
        self.units: list[_Unit] = []
        self.given = _Scope()
        self.stars: list[str] = []
        self._known: dict[int, frozenset[str]] = {}
        self._known_names: dict[tuple[str, int], frozenset[str]] = {}
        self._before: dict[tuple[str, int], frozenset[str]] = {}
        self._met_itself = False
        self._in_work: set[tuple[str, int]] = set()
        self._binders: dict[str, list[_Unit]] = {}

    # --- reading -------------------------------------------------------------------------------------------------

    def read(self, label: str, source: str, *, given: bool = False, answer: bool = False) -> bool:
        """Take in a cell; return whether it could be read, which a cell that is no valid Python counts as."""
        read = _read_cell(source, given)
        if read is None:
            return False
        units, scope, stars = read
        self.given.bound |= scope.bound
        for name, values in scope.values.items():
            self.given.values.setdefault(name, []).extend(values)
        self.given.outside.update(scope.outside)
        self.stars.extend(stars)
        for unit in units:
            self.units.append(replace(unit, cell=label, is_answer=answer))
            for name in unit.decides:
                self._binders.setdefault(name, []).append(self.units[-1])
        return True

    def read_fresh(self, source: str, *, given: bool) -> None:
        """Take in the one cell that this notebook has."""
        tree = _parse(source)
        if tree is None:
            return
        lines = source.encode("utf-8", "replace").split(b"\n")
        for statement in tree.body:
            scope = self.given if given else _Scope()
            unit = _Unit("", lines, scope, isinstance(statement, _PLAIN), False)
            self._read_statement(statement, unit)
            if not given:
                self.units.append(unit)

    def _read_statement(self, statement: ast.stmt, unit: _Unit) -> None:
        """Walk one statement without recursion, since a student decides how deep it is."""
        waiting: list[tuple[ast.AST, _Scope]] = [(statement, unit.scope)]
        while waiting:
            node, scope = waiting.pop()
            is_import = isinstance(node, (ast.Import, ast.ImportFrom)) and scope is not unit.scope
            if is_import or isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
                unit.places.append((cast("_Place", node), scope))
            waiting.extend(reversed(list(self._inside(node, scope, unit))))

    def _inside(self, node: ast.AST, scope: _Scope, unit: _Unit) -> Iterator[tuple[ast.AST, _Scope]]:
        """Bind what the node binds, and yield what it holds with the scope that each part lies in."""
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from self._inside_function(node, scope, unit)
            return
        if isinstance(node, ast.ClassDef):
            self._bind(node.name, None, scope, unit)
            inner = _Scope(scope, is_class=True)
            for part in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
                yield part, scope
            for statement in node.body:
                yield statement, inner
            return
        if isinstance(node, _COMPREHENSIONS):
            scope = _Scope(scope)
        self._bind_in(node, scope, unit)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield child, scope

    def _inside_function(self, node: _Function, scope: _Scope, unit: _Unit) -> Iterator[tuple[ast.AST, _Scope]]:
        if not isinstance(node, ast.Lambda):
            self._bind(node.name, None, scope, unit)
            for decorator in node.decorator_list:
                yield decorator, scope
        inner = _Scope(scope)
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        for argument in (*positional, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if argument is not None:
                inner.bind(argument.arg)
        with_default = [
            *zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]
        for argument, default in with_default:
            if default is not None:
                inner.bind(argument.arg, _Expression(default, scope))
                yield default, scope
        for part in [node.body] if isinstance(node, ast.Lambda) else node.body:
            yield part, inner

    def _bind_in(self, node: ast.AST, scope: _Scope, unit: _Unit) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                self._bind(alias.asname or root, alias.name if alias.asname else root, scope, unit)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            for alias in node.names:
                if alias.name == "*":
                    self.stars.append(node.module)
                else:
                    self._bind(alias.asname or alias.name, f"{node.module}.{alias.name}", scope, unit)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            scope.outside.update(dict.fromkeys(node.names, scope.parent if isinstance(node, ast.Nonlocal) else None))
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind_target(target, node.value, scope, unit)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            self._bind_target(node.target, node.value, scope, unit)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            for item in node.iter.elts if isinstance(node.iter, (ast.Tuple, ast.List, ast.Set)) else []:
                self._bind_target(node.target, item, scope, unit)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            self._bind(node.name, None, scope, unit)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            self._bind(node.id, None, scope, unit)
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            unit.changed += [(name, scope) for name in _root_name(node)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
            unit.changed += [(name, scope) for name in _root_name(node.func)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr" and node.args:
            unit.changed += [(name, scope) for name in _root_name(node.args[0])]

    def _bind_target(self, target: ast.expr, value: ast.expr, scope: _Scope, unit: _Unit) -> None:
        """Bind a name to an expression, and tuples item by item; names in other targets are bound as they are met."""
        waiting = [(target, value)]
        while waiting:
            one, its_value = waiting.pop()
            if isinstance(one, ast.Name):
                self._bind(one.id, _Expression(its_value, scope), scope, unit)
            elif isinstance(one, (ast.Tuple, ast.List)) and isinstance(its_value, (ast.Tuple, ast.List)):
                items = (*one.elts, *its_value.elts)
                pairs = zip(one.elts, its_value.elts, strict=False)
                waiting.extend(() if any(isinstance(item, ast.Starred) for item in items) else pairs)

    def _bind(self, name: str, value: _Value | None, scope: _Scope, unit: _Unit) -> None:
        owner = scope.outside.get(name, scope)
        (owner or unit.scope).bind(name, value)

    # --- following -----------------------------------------------------------------------------------------------

    def uses(self, targets: Sequence[tuple[str, str]], names: Collection[str] | None) -> Iterator[ForbiddenUse]:
        """Yield the forbidden uses in every statement that the names can reach."""
        own_names = {name for unit in self.units if unit.is_answer for name in unit.scope.bound}
        reached = self._reached(own_names if names is None else set(names))
        for _ in range(_MAX_ROUNDS):
            self._met_itself = False
            found: list[ForbiddenUse] = []
            for unit in reached:
                for place in unit.places:
                    try:
                        found.extend(self._uses_at(*place, unit, targets))
                    except _TooDeepError:
                        hiding = "an expression nested too deeply to follow, which hides what it calls"
                        yield ForbiddenUse(unit.cell, place[0].lineno, unit.written(place[0]), hiding)
                        return
            if found or not self._met_itself:
                break
            # `m = np`, then `m = m.fft`: what m was found to be is what it may be where it stands for itself.
            self._before, self._known, self._known_names = self._known_names, {}, {}
        yield from found

    def _reached(self, names: set[str]) -> list[_Unit]:
        """Return the statements that have a part in what the names are, or in what these call."""
        waiting, seen_names = sorted(names), set(names)
        units: dict[int, _Unit] = {}
        while waiting:
            for unit in self._units_of(waiting.pop()):
                if id(unit) in units:
                    continue
                units[id(unit)] = unit
                for node, scope in unit.places:
                    if isinstance(node, ast.Name) and node.id not in seen_names and _scope_of(node.id, scope) is None:
                        seen_names.add(node.id)
                        waiting.append(node.id)
        return list(units.values())

    def _units_of(self, name: str) -> list[_Unit]:
        """Return the statements that decide what a global name is: the answer's own, if it surely has one."""
        units = self._binders.get(name, [])
        own = [unit for unit in units if unit.is_answer]
        return own if any(unit.is_plain and name in unit.scope.bound for unit in own) else units

    def _uses_at(
        self, node: _Place, scope: _Scope, unit: _Unit, targets: Sequence[tuple[str, str]]
    ) -> Iterator[ForbiddenUse]:
        if isinstance(node, ast.Import):
            paths = frozenset(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            paths = frozenset(f"{node.module}.{alias.name}" for alias in node.names if not node.level)
        else:
            paths = self._paths(node, scope, 0)
            if isinstance(node, ast.Attribute) and node.attr in _INSIDES:
                hiding = f"{node.attr}, which hides what it calls"
                yield ForbiddenUse(unit.cell, node.lineno, unit.written(node), hiding)
                return
        for path in sorted(paths):
            entry = match(path, targets) or _hiding(path)
            if entry is not None:
                yield ForbiddenUse(unit.cell, node.lineno, unit.written(node), entry)
                return

    def _paths(self, node: ast.expr, scope: _Scope, depth: int) -> frozenset[str]:
        """Return the dotted paths of what an expression may stand for; none where it is anything but a known thing."""
        if depth > _MAX_DEPTH:
            raise _TooDeepError
        key = id(node)
        if key not in self._known:
            self._known[key] = frozenset(sorted(self._find_paths(node, scope, depth + 1))[:_MAX_PATHS])
        return self._known[key]

    def _find_paths(self, node: ast.expr, scope: _Scope, depth: int) -> Iterable[str]:
        if isinstance(node, ast.Name):
            return self._paths_of_name(node.id, scope, depth)
        if isinstance(node, ast.Attribute):
            return {f"{path}.{node.attr}" for path in self._paths(node.value, scope, depth)}
        if isinstance(node, ast.NamedExpr):
            return self._paths(node.value, scope, depth)
        if isinstance(node, ast.IfExp):
            return self._paths(node.body, scope, depth) | self._paths(node.orelse, scope, depth)
        if isinstance(node, ast.BoolOp):
            return {path for value in node.values for path in self._paths(value, scope, depth)}
        if isinstance(node, ast.Subscript):
            return self._looked_up(self._paths(node.value, scope, depth), self._text(node.slice, scope, depth))
        if isinstance(node, ast.Call):
            return self._paths_of_call(node, scope, depth)
        return ()

    def _paths_of_name(self, name: str, scope: _Scope, depth: int) -> Iterable[str]:
        local = _scope_of(name, scope)
        key = (name, id(local))
        if key in self._in_work:
            self._met_itself = True
            return self._before.get(key, frozenset())
        if key not in self._known_names:
            self._in_work.add(key)
            try:
                self._known_names[key] = self._paths_of_values(self._values_of(name, scope), depth)
            finally:
                self._in_work.discard(key)
        paths = self._known_names[key]
        if paths or local is not None or name in self._binders or name in self.given.bound:
            return paths
        if name == "__builtins__":
            return {"builtins"}
        if name == "get_ipython":
            return {"IPython.get_ipython"}
        if hasattr(builtins, name):
            return {f"builtins.{name}"}
        return {f"{module}.{name}" for module in self.stars}

    def _paths_of_values(self, values: Sequence[_Value], depth: int) -> frozenset[str]:
        if len(values) > _MAX_VALUES:
            raise _TooDeepError
        found: set[str] = set()
        for value in values:
            found |= {value} if isinstance(value, str) else self._paths(value.node, value.scope, depth)
        return frozenset(sorted(found)[:_MAX_PATHS])

    def _values_of(self, name: str, scope: _Scope) -> list[_Value]:
        local = _scope_of(name, scope)
        if local is not None:
            return local.values.get(name, [])
        units = self._units_of(name)
        values = [value for unit in units for value in unit.scope.values.get(name, [])]
        # A class or function of the student's own takes the given thing's place; `np = np` does not.
        is_own = not values and any(unit.is_answer and unit.is_plain and name in unit.scope.bound for unit in units)
        return [] if is_own else [*values, *self.given.values.get(name, [])]

    def _looked_up(self, owners: Iterable[str], key: str | None) -> set[str]:
        """Return what ``owner[key]`` is where the owner is a table of modules or of a module's names."""
        if key is None:
            return set()
        found = set()
        for owner in owners:
            if owner == "sys.modules":
                found.add(key)
            elif owner == "builtins":
                found.add(f"builtins.{key}")
            elif owner.endswith(".__dict__"):
                found.add(f"{owner.removesuffix('.__dict__')}.{key}")
        return found

    def _paths_of_call(self, node: ast.Call, scope: _Scope, depth: int) -> Iterable[str]:
        """Follow the calls that only look something up."""
        texts = [self._text(argument, scope, depth) for argument in node.args[:2]]
        first = texts[0] if texts else None
        found: set[str] = set()
        for called in self._paths(node.func, scope, depth):
            owner, _, method = called.rpartition(".")
            if called == "builtins.getattr" and len(texts) == 2 and texts[1] is not None:
                found |= {f"{path}.{texts[1]}" for path in self._paths(node.args[0], scope, depth)}
            elif called in _IMPORTERS and first is not None:
                found |= {first} if called == "importlib.import_module" else {first, first.partition(".")[0]}
            elif called == "pkgutil.resolve_name" and first is not None:
                found.add(first.replace(":", "."))
            elif called == "operator.attrgetter" and first is not None:
                found.add(_GETTER + first)
            elif called.startswith(_GETTER) and node.args:
                name = called.removeprefix(_GETTER)
                found |= {f"{path}.{name}" for path in self._paths(node.args[0], scope, depth)}
            elif method in ("__getattribute__", "__getattr__") and first is not None:
                found.add(f"{owner}.{first}")
            elif method in _LOOKUPS:
                found |= self._looked_up([owner], first)
            elif called == "IPython.get_ipython":
                found.add(_SHELL)
        return found

    def _text(self, node: ast.expr, scope: _Scope, depth: int) -> str | None:
        """Return the text that an expression of constants makes, or ``None``."""
        if depth > _MAX_DEPTH:
            return None
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        parts: Sequence[ast.expr] | None = None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts = [node.left, node.right]
        elif isinstance(node, ast.JoinedStr):
            parts = node.values
        elif isinstance(node, ast.FormattedValue):
            return self._text(node.value, scope, depth + 1)
        elif isinstance(node, ast.Name):
            values = self._values_of(node.id, scope)
            if len(values) == 1 and isinstance(values[0], _Expression):
                return self._text(values[0].node, values[0].scope, depth + 1)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "join"
            and isinstance(node.func.value, ast.Constant)
            and node.func.value.value == ""
            and len(node.args) == 1
            and isinstance(node.args[0], (ast.List, ast.Tuple))
        ):
            parts = node.args[0].elts
        if parts is None:
            return None
        texts = [self._text(part, scope, depth + 1) for part in parts]
        return None if any(text is None for text in texts) else "".join(text for text in texts if text is not None)


def _scope_of(name: str, scope: _Scope) -> _Scope | None:
    """Return the function, class or comprehension that a name belongs to, or ``None`` for a global one."""
    own = scope
    here: _Scope | None = scope
    while here is not None and here.parent is not None:
        if name in here.bound and name not in here.outside and (here is own or not here.is_class):
            return here
        here = here.parent
    return None


def _root_name(node: ast.expr) -> set[str]:
    """Return the name at the start of ``a.b[c].d``, as a set of one, or nothing if it starts with something else."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _hiding(path: str) -> str | None:
    owner, _, name = path.rpartition(".")
    if name in _INSIDES:  # reached by getattr
        return f"{name}, which hides what it calls"
    if (owner == "builtins" and name in HIDING) or (owner == _SHELL and name in _SHELL_RUNS):
        return f"{name}, which hides what it calls"
    return None


def _parse(source: str) -> ast.Module | None:
    """Parse a cell, magics and shell lines passed over; ``None`` if it is no valid Python.

    IPython's own transformer is not used here: its time grows without bound on sources that are made for that.
    """
    lines = source.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    first = next((place for place, line in enumerate(lines) if line.strip()), None)
    if first is not None and lines[first].startswith("%%"):
        lines[first] = ""  # the body of %%time and its like is Python, and that of others does not parse
    for candidate in (lines, [_without_magic(line) for line in lines]):
        try:
            return parse("\n".join(candidate))
        except (SyntaxError, ValueError):
            continue
    return None


def _without_magic(line: str) -> str:
    text = line.strip()
    indentation = line[: len(line) - len(line.lstrip())]
    timed = _TIMED_LINE.match(text)
    if timed:
        return indentation + (timed[1].strip() or "pass")
    if text.startswith(("%", "!", "?")) or text.endswith("?"):
        return indentation + "pass"
    assigned = _ASSIGNED_MAGIC.match(text)
    return f"{indentation}{assigned[1]} None" if assigned else line
