"""What a test cell must not do: draw hidden inputs that anybody can compute, or need what two processes cannot share.

A grader runs answers in one process and test cells in another; what passes between them is plain data. A lesson's
author learns here, with file and line, where a test would need more. Only what can be told by reading is reported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.cells import HIDDEN_TESTS, Cell, MarkerError, Problem, find_regions, parse_code
from autograder.names import Names, names_of

_SEEDED = frozenset({"default_rng", "RandomState", "seed"})
_NUMPY_KINDS = frozenset({"Generator", "PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64", "SeedSequence"})
_TORCH_DRAWS = frozenset({"bernoulli", "multinomial", "normal", "rand", "randint", "randn", "randperm"})
_ELSEWHERE = {
    "get_ipython": "uses get_ipython or a magic, which in a test cell is not the shell of the answer",
    "globals": "uses globals(), which in a test cell does not hold the answer's names; call the answer by its name",
    "locals": "uses locals(), which in a test cell does not hold the answer's names; call the answer by its name",
    "__main__": "uses __main__, which in a test cell is not the answer's module; call the answer by its name",
}
_LOCKS = frozenset({"Barrier", "Condition", "Event", "Lock", "RLock", "Semaphore"})


@dataclass(frozen=True)
class _Test:
    """One test cell, with what stands before it."""

    path: Path
    cell: Cell
    tree: ast.Module
    names: Names
    before: tuple[Cell, ...]
    answers: dict[str, Names]
    """Names of each answer cell of the lesson, by exercise."""
    imported: frozenset[str]
    """Names that an import in this cell or in one before it binds."""

    def problem(self, node: ast.AST, message: str) -> Problem:
        return Problem(self.path, self.cell.line + getattr(node, "lineno", 0), self.cell.key, message)

    @property
    def own_answer(self) -> Names:
        return self.answers.get(self.cell.key, Names(frozenset(), frozenset()))


def find_test_problems(path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    """Find what is wrong with a lesson's test cells.

    Args:
        path: the source, named in every problem.
        cells: of the source; those that do not parse are passed over, since other checks report them.
    Returns:
        The problems.
    """
    readable = [(cell, tree) for cell in cells if cell.is_code and (tree := _tree(cell)) is not None]
    answers = {cell.key: names_of(cell.source) for cell, _ in readable if "exercise" in cell.keys}
    imports_check = any("check" in _imported_names(tree) for cell, tree in readable if not cell.is_demo)
    for cell, tree in readable:
        if "test" not in cell.keys:
            continue
        before = tuple(other for other, _ in readable if other.index < cell.index and not other.is_demo)
        imported = {
            name for other, its in readable if other in before or other is cell for name in _imported_names(its)
        }
        test = _Test(path, cell, tree, names_of(cell.source), before, answers, frozenset(imported))
        if imports_check:
            yield from _check_generators(test)
        yield from _check_unbound(test)
        yield from _check_places(test)
        yield from _check_shared_state(test)


def _tree(cell: Cell) -> ast.Module | None:
    try:
        return parse_code(cell.source)
    except SyntaxError:
        return None


def _imported_names(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return found


def _dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` as text, or nothing if the expression is no such chain."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


# --- inputs that nobody can know ---------------------------------------------------------------------------------


def _check_generators(test: _Test) -> Iterator[Problem]:
    try:
        regions = find_regions(test.cell.source, HIDDEN_TESTS)
    except MarkerError:
        return
    hidden = {line for region in regions for line in range(region.begin + 2, region.end + 1)}
    remedy = f'use check.hidden_inputs("{test.cell.key}"), which nobody can compute beforehand'
    known = {name for cell in test.before if not cell.key for name in _known_generators(_tree(cell), None)}
    known |= _known_generators(test.tree, hidden)
    known -= {node.id for node in _names(test.tree, ast.Store) if node.lineno in hidden}
    for node in ast.walk(test.tree):
        if isinstance(node, ast.Call):
            if getattr(node, "lineno", 0) in hidden and (written := _known_draw(node)):
                yield test.problem(node, f"hidden tests draw from {written}; {remedy}")
            keys = [argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)]
            if _dotted(node.func) == "check.hidden_inputs" and keys and keys[0] != test.cell.key:
                message = f"hidden_inputs({keys[0]!r}) stands in the test of another exercise; {remedy}"
                yield test.problem(node, message)
    for name in _names(test.tree, ast.Load):
        if name.id in known and name.lineno in hidden:
            yield test.problem(name, f"hidden tests draw from `{name.id}`, whose seed is public; {remedy}")


def _names(tree: ast.AST, context: type[ast.expr_context]) -> list[ast.Name]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)]


def _known_generators(tree: ast.Module | None, hidden: set[int] | None) -> set[str]:
    """Return the names that are bound, outside the hidden lines, to generators whose stream anybody can compute."""
    found = set()
    for node in ast.walk(tree) if tree is not None else ():
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        if (hidden is None or node.lineno not in hidden) and _known_draw(node.value):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def _known_draw(node: ast.Call) -> str:
    """Return how a call is written if it makes or uses a generator that is unseeded or has a constant seed."""
    owner, _, name = _dotted(node.func).rpartition(".")
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    constant = all(isinstance(value, (ast.Constant, ast.Tuple, ast.List)) for value in values)
    is_known = False
    if owner in ("np.random", "numpy.random", "random"):
        is_known = constant if name in (*_SEEDED, "Random") else name not in _NUMPY_KINDS
    elif owner == "" and name == "default_rng":
        is_known = constant
    elif owner == "torch":
        with_generator = any(keyword.arg == "generator" for keyword in node.keywords)
        is_known = constant if name == "manual_seed" else name in _TORCH_DRAWS and not with_generator
    return f"`{owner}.{name}`".replace("`.", "`") if is_known else ""


# --- what two processes cannot share --------------------------------------------------------------------------------


def _check_unbound(test: _Test) -> Iterator[Problem]:
    bound = set(test.names.bound)
    for cell in test.before:
        if "*" in _imported_names(_tree(cell) or ast.Module([], [])):
            return
        bound |= names_of(cell.source).bound
    seen = set()
    for node in _names(test.tree, ast.Load):
        if node.id in test.names.read - bound and node.id not in _ELSEWHERE and node.id not in seen:
            seen.add(node.id)
            yield test.problem(node, f"reads `{node.id}`, which no cell before binds, demo cells aside")


def _check_places(test: _Test) -> Iterator[Problem]:
    for node in ast.walk(test.tree):
        if isinstance(node, ast.Name) and node.id in _ELSEWHERE and node.id not in test.names.bound:
            yield test.problem(node, _ELSEWHERE[node.id])
        elif _is_main_module(node):
            yield test.problem(node, _ELSEWHERE["__main__"])


def _is_main_module(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name == "__main__" for alias in node.names)
    if not isinstance(node, ast.Subscript) or _dotted(node.value) != "sys.modules":
        return False
    return isinstance(node.slice, ast.Constant) and node.slice.value == "__main__"


def _check_shared_state(test: _Test) -> Iterator[Problem]:
    yield from _check_assigned_globals(test)
    own = test.own_answer.bound
    opened = _names_of_handles(test.tree)
    for node in ast.walk(test.tree):
        for target in _targets(node):
            root = _dotted(target).partition(".")[0]
            if isinstance(target, ast.Attribute) and (root in test.imported or root in own):
                whose = "a module" if root in test.imported else "the answer"
                message = (
                    f"changes `{_dotted(target)}`: what a test changes in {whose}, the answer's process never sees"
                )
                yield test.problem(node, f"{message}; hand the answer what it is to use as an argument")
        if not isinstance(node, ast.Call):
            continue
        called = _dotted(node.func)
        if called.endswith(("mock.patch", "patch.object", "monkeypatch.setattr")) or called == "patch":
            yield test.problem(
                node, f"uses {called}: the answer's process never sees what is patched; hand it over as an argument"
            )
        if called == "setattr" and node.args and _dotted(node.args[0]) in test.imported | own:
            yield test.problem(node, f"changes `{_dotted(node.args[0])}`, which the answer's process never sees")
        if called in own:
            yield from _check_arguments(test, node, opened)


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, (ast.Assign, ast.Delete)):
        return list(node.targets)
    return [node.target] if isinstance(node, (ast.AugAssign, ast.AnnAssign)) else []


def _check_assigned_globals(test: _Test) -> Iterator[Problem]:
    used = [names for names in test.answers.values() if names is test.own_answer or names.bound & test.names.read]
    free = {name for names in used for name in names.read - names.bound}
    reported = set()
    for node in _names(test.tree, ast.Store):
        if node.id in test.names.bound & free and node.id not in reported:
            reported.add(node.id)
            message = f"sets `{node.id}`, which the answer reads: the answer's process keeps its own"
            yield test.problem(node, f"{message}; take another name, or make it an argument of the answer")


def _names_of_handles(tree: ast.Module) -> set[str]:
    """Return the names that are bound to open files and locks."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_handle(node.value):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.withitem) and _is_handle(node.context_expr):
            found |= {node.optional_vars.id} if isinstance(node.optional_vars, ast.Name) else set()
    return found


def _is_handle(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    owner, _, name = _dotted(node.func).rpartition(".")
    return (owner, name) == ("", "open") or (owner in ("threading", "multiprocessing") and name in _LOCKS)


def _check_arguments(test: _Test, call: ast.Call, handles: set[str]) -> Iterator[Problem]:
    modules = {
        alias.asname or alias.name
        for cell in (*test.before, test.cell)
        for node in ast.walk(_tree(cell) or ast.Module([], []))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    for value in (*call.args, *(keyword.value for keyword in call.keywords)):
        name = _dotted(value)
        if _is_handle(value) or name in handles:
            yield test.problem(
                value, "hands the answer an open file or a lock, which stays in this process; pass a path"
            )
        elif name in modules:
            yield test.problem(
                value, f"hands the answer the module `{name}`, which cannot be sent; pass a function of it"
            )
