"""The given cells of every release run under nbval.

A file of its own, so that two workers can share the lessons' runs, which are the longest of all tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from lesson_sources import LESSON_NAMES, PROJECT

pytestmark = pytest.mark.slow


def run_nbval(notebook: Path) -> subprocess.CompletedProcess[str]:
    """Run every cell of a notebook under nbval; errors fail, outputs are not compared."""
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    return subprocess.run([*command, notebook.name], cwd=notebook.parent, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", LESSON_NAMES)
def test_given_cells_of_the_release_run_under_nbval(name: str, tmp_path: Path) -> None:
    release = nbformat.read(PROJECT.notebooks / f"{name}.ipynb", as_version=4)
    release.cells = [cell for cell in release.cells if "nbgrader" not in cell.metadata]
    nbformat.write(release, tmp_path / f"{name}.ipynb")
    finished = run_nbval(tmp_path / f"{name}.ipynb")
    assert finished.returncode == 0, finished.stdout


def test_nbval_sees_a_broken_cell(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell("1 + 1"), nbformat.v4.new_code_cell("undefined_name")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "broken.ipynb")
    finished = run_nbval(tmp_path / "broken.ipynb")
    assert finished.returncode == 1
    assert "1 failed, 1 passed" in finished.stdout
