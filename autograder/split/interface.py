"""What a lesson's reference solution offers to its tests: the only things that a student's answer can be asked for.

It is recorded once by running the reference solution through the same two processes. A student's answer can
then bind no other name in the trusted process, hand over objects of no other class, and answer no other
operator than the reference did in the same test.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder.parsing import parse


@dataclass
class Interface:
    """What the tests of one lesson may ask of an answer.

    Attributes:
        names: names that each answer cell binds, by grade id.
        imports: names that the reference binds to a library's module or function, as ``module:name``.
        classes: names of the classes whose objects crossed in each test cell, by grade id.
        operations: special methods used on objects in each test cell, as ``Class.__add__(plain)``.
        modules: what the reference and the tests imported until their end, for the servers to have it ready.
        faults: what every report has to say about the lesson itself, such as that its reference fails a test.
    """

    names: dict[str, list[str]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    classes: dict[str, list[str]] = field(default_factory=dict)
    operations: dict[str, list[str]] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for a file."""
        return {
            "names": self.names,
            "imports": self.imports,
            "classes": self.classes,
            "operations": self.operations,
            "modules": self.modules,
            "faults": self.faults,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Interface:
        """Read what ``to_json`` returned."""
        found = {key: dict(content[key]) for key in ("names", "imports", "classes", "operations")}
        return cls(**found, modules=list(content["modules"]), faults=list(content["faults"]))

    @property
    def all_classes(self) -> tuple[str, ...]:
        """Every class whose objects may cross somewhere in the lesson."""
        return tuple(sorted({name for names in self.classes.values() for name in names}))


def bound_names(source: str) -> list[str]:
    """Return the names that a cell binds at its top level, in order; none if it is not valid Python."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    return list(dict.fromkeys(_bound_by(tree.body)))


def read_names(source: str) -> set[str]:
    """Return every name that a cell reads anywhere."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return set()
    loaded = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    parameters = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return loaded - parameters


def _bound_by(statements: Iterable[ast.AST]) -> Iterable[str]:
    for node in statements:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            # A function may bind names of the notebook through ``global``.
            for inner in ast.walk(node):
                if isinstance(inner, ast.Global):
                    yield from inner.names
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield node.id
        elif isinstance(node, ast.ExceptHandler):
            yield from _bound_by(node.body)
        elif isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            yield from (inner.target.id for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))
        else:
            yield from _bound_by(ast.iter_child_nodes(node))
