"""Notebook files and cells, with types: nbformat has none.

nbformat is imported at the first notebook: it takes seconds, and a learner's own check has no use for it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .files import write_atomically

if TYPE_CHECKING:
    from nbformat import NotebookNode


def _nbformat() -> Any:
    import nbformat

    return nbformat


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook of the instructor's, upgraded to nbformat 4."""
    return cast("NotebookNode", _nbformat().read(path, as_version=4))


def read_kept_notebook(path: Path) -> NotebookNode:
    """Read a notebook that the grader has written; it is of nbformat 4 and not validated again."""
    return cast("NotebookNode", _nbformat().v4.reads_json(path.read_text(encoding="utf-8")))


def notebook_bytes(notebook: NotebookNode) -> bytes:
    """Return a notebook as a file's content, not validated; what UTF-8 cannot hold becomes a question mark."""
    return f"{_nbformat().v4.writes_json(notebook)}\n".encode("utf-8", errors="replace")


def kept_notebook_bytes(notebook: NotebookNode) -> bytes:
    """Return an executed notebook as a file's content: as ``notebook_bytes``, in a tenth of its time and on one line.

    nbformat copies a notebook twice and indents it, which is for people who read it in a version control system.
    """
    return json.dumps(notebook, ensure_ascii=False, sort_keys=True).encode("utf-8", errors="replace") + b"\n"


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all; what UTF-8 cannot hold becomes a question mark."""
    write_atomically(path, text.encode("utf-8", errors="replace"))


def new_code_cell(source: str, metadata: dict[str, Any] | None = None) -> NotebookNode:
    """Make a code cell."""
    return cast("NotebookNode", _nbformat().v4.new_code_cell(source, metadata=metadata_node(metadata or {})))


def metadata_node(values: dict[str, Any]) -> NotebookNode:
    """Make the attribute-style dictionary that nbformat uses."""
    return cast("NotebookNode", _nbformat().from_dict(values))
