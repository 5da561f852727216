"""Parsing Python in a program with threads."""

from __future__ import annotations

import ast
import threading

_LOCK = threading.Lock()


def parse(source: str) -> ast.Module:
    """Parse as ``ast.parse``, one thread at a time.

    CPython counts the depth of the tree that it builds for all threads together, up to 3.12: two at once can end in
    ``SystemError: AST constructor recursion depth mismatch``.
    """
    with _LOCK:
        return ast.parse(source)
