"""Run lesson 01 and keep one of its figures as the README's picture: ``.venv/bin/python tools/readme_figure.py``."""

from __future__ import annotations

import base64
from pathlib import Path

from nbclient import NotebookClient

from autograder.source import read_lesson, source_notebook

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "lesson01_windows.png"
MARK = "the usual compromise"
"""Stands in the cell that draws the figure, and in no other."""


def main() -> None:
    """Write the picture."""
    notebook = source_notebook(read_lesson(ROOT / "solutions" / "01_convolution_stft.py"))
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and MARK in cell.source]
    (picture,) = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(base64.b64decode(picture))


if __name__ == "__main__":
    main()
