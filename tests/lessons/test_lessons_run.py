"""Lessons run from top to bottom: the solution without a warning.

What the solution's run shows is measured as well: figures that fit a page, players that neither clip nor differ in
loudness.
"""

from __future__ import annotations

import base64
import io
import re
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pytest
import soundfile
from lesson_sources import LESSON_NAMES, PROJECT, lesson
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from autograder.source import source_notebook
from course_lib.listen import loudness

pytestmark = pytest.mark.slow

RAISE_ON_WARNING = "import warnings\nwarnings.simplefilter('error')"
STOP_RAISING = "warnings.resetwarnings()"
"""The kernel's own shutdown is not the lesson's: a warning raised there would leave the kernel hanging."""


def run_strictly(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook with warnings as errors; refuse anything on stderr."""
    notebook.cells.insert(0, nbformat.v4.new_code_cell(RAISE_ON_WARNING))
    notebook.cells.append(nbformat.v4.new_code_cell(STOP_RAISING))
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    complaints = [
        output.text
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert complaints == []
    return notebook


@cache
def executed(name: str) -> nbformat.NotebookNode:
    """Run a lesson's solution once for all the tests that look at it."""
    return run_strictly(source_notebook(lesson(name)), PROJECT.solutions)


def displayed(notebook: nbformat.NotebookNode, mime_type: str) -> Iterator[str]:
    """Yield what a notebook's cells displayed of one type."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if mime_type in output.get("data", {}):
                yield output.data[mime_type]


def rows_of_players(notebook: nbformat.NotebookNode) -> list[list[tuple[np.ndarray, int]]]:
    """Return the sounds of each row of players, as the browser decodes them."""
    rows = []
    for page in displayed(notebook, "text/html"):
        sounds = re.findall(r"data:audio/flac;base64,([A-Za-z0-9+/=]+)", page)
        if sounds:
            rows.append([soundfile.read(io.BytesIO(base64.b64decode(sound))) for sound in sounds])
    return rows


@pytest.mark.parametrize("name", LESSON_NAMES)
def test_the_solution_runs_without_a_warning(name: str) -> None:
    executed(name)


@pytest.mark.parametrize("name", LESSON_NAMES)
def test_players_neither_clip_nor_differ_in_loudness(name: str) -> None:
    rows = rows_of_players(executed(name))
    assert rows, "a lesson without sound"
    for row in rows:
        assert max(np.abs(sound).max() for sound, _ in row) < 1.0
        levels = [loudness(sound.T, sample_rate) for sound, sample_rate in row]
        assert max(levels) - min(levels) < 0.2


@pytest.mark.parametrize("name", LESSON_NAMES)
def test_figures_fit_a_notebook_page(name: str) -> None:
    pictures = [base64.b64decode(picture) for picture in displayed(executed(name), "image/png")]
    assert pictures, "a lesson without figures"
    for picture in pictures:
        width, height = struct.unpack(">II", picture[16:24])
        assert 400 <= width <= 1100
        assert height <= 800


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import warnings; warnings.warn('old habit')", "old habit"),
        ("import sys; print('psst', file=sys.stderr)", "psst"),
    ],
)
def test_a_warning_is_seen(source: str, complaint: str, tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    with pytest.raises((CellExecutionError, AssertionError), match=complaint):
        run_strictly(notebook, tmp_path)
