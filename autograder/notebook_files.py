"""Notebook files and cells, with types: nbformat has none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, cast

import nbformat
from nbformat import NotebookNode

_nbformat: Any = nbformat


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook of the instructor's, upgraded to nbformat 4."""
    return cast(NotebookNode, _nbformat.read(path, as_version=4))


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all."""
    write_text(path, _nbformat.writes(notebook, version=4) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: whoever reads it meets the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="", errors="replace") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def new_code_cell(source: str, metadata: dict[str, Any] | None = None) -> NotebookNode:
    """Make a code cell."""
    return cast(NotebookNode, _nbformat.v4.new_code_cell(source, metadata=metadata_node(metadata or {})))


def metadata_node(values: dict[str, Any]) -> NotebookNode:
    """Make the attribute-style dictionary that nbformat uses."""
    return cast(NotebookNode, _nbformat.from_dict(values))
