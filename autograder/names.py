"""Which global names a notebook cell binds and reads, found without running it."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.cells import Cell, plain_python

_ALWAYS_THERE = frozenset(dir(builtins)) | {"__name__", "get_ipython", "display", "In", "Out", "_", "__"}


@dataclass(frozen=True)
class Names:
    """Global names of one cell."""

    bound: frozenset[str]
    read: frozenset[str]


def names_of(source: str) -> Names:
    """Find the global names that a cell binds and those that it, or a function in it, reads.

    Args:
        source: a code cell that parses.
    Returns:
        The bound names (assignments, imports, definitions, deletions aside) and the read ones, builtins aside.
    """
    bound: set[str] = set()
    read: set[str] = set()
    plain = plain_python(source)
    waiting = [symtable.symtable(plain, "<cell>", "exec")]
    while waiting:
        table = waiting.pop()
        at_top = table.get_type() == "module"
        for symbol in table.get_symbols():
            if not (at_top or symbol.is_global()):
                continue
            if symbol.is_assigned() or symbol.is_imported():
                bound.add(symbol.get_name())
            if symbol.is_referenced():
                read.add(symbol.get_name())
        waiting.extend(table.get_children())
    # `x += 1` reads x, which the symbol table counts as an assignment only.
    for node in ast.walk(ast.parse(plain)):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id in bound:
            read.add(node.target.id)
    return Names(frozenset(bound), frozenset(read - _ALWAYS_THERE))


def demo_dependencies(cells: Sequence[Cell]) -> list[tuple[Cell, str, Cell]]:
    """Find given and graded cells that read a name whose last binding before them stands in a demo cell.

    Args:
        cells: the cells of a lesson, in order; those that do not parse are passed over.
    Returns:
        (reading cell, name, demo cell) in the order of the cells.
    """
    last_bound_in: dict[str, Cell] = {}
    found = []
    for cell in cells:
        if not cell.is_code:
            continue
        try:
            names = names_of(cell.source)
        except SyntaxError:
            continue
        if not cell.is_demo:
            for name in sorted(names.read - names.bound):
                binder = last_bound_in.get(name)
                if binder is not None and binder.is_demo:
                    found.append((cell, name, binder))
        for name in names.bound:
            last_bound_in[name] = cell
    return found
