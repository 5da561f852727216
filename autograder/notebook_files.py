"""Notebook files and cells, with types: nbformat has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import nbformat
from nbformat import NotebookNode

from .files import write_atomically

_nbformat: Any = nbformat


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook of the instructor's, upgraded to nbformat 4."""
    return cast(NotebookNode, _nbformat.read(path, as_version=4))


def notebook_bytes(notebook: NotebookNode) -> bytes:
    """Return a notebook as a file's content; what UTF-8 cannot hold becomes a question mark."""
    return f"{_nbformat.writes(notebook, version=4)}\n".encode("utf-8", errors="replace")


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all."""
    write_atomically(path, notebook_bytes(notebook))


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all; what UTF-8 cannot hold becomes a question mark."""
    write_atomically(path, text.encode("utf-8", errors="replace"))


def new_code_cell(source: str, metadata: dict[str, Any] | None = None) -> NotebookNode:
    """Make a code cell."""
    return cast(NotebookNode, _nbformat.v4.new_code_cell(source, metadata=metadata_node(metadata or {})))


def metadata_node(values: dict[str, Any]) -> NotebookNode:
    """Make the attribute-style dictionary that nbformat uses."""
    return cast(NotebookNode, _nbformat.from_dict(values))
