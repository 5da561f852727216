"""The figure under a slider: drawn at once, drawn again on a move, and no captured output that could stall a kernel."""

from __future__ import annotations

import matplotlib.pyplot as plt
import nbformat
import pytest
from matplotlib.axes import Axes
from nbclient import NotebookClient

from course_lib import plots


def draw(n_points: int, ax: Axes) -> None:
    ax.plot(range(n_points))
    ax.set_title(f"{n_points} points")


def test_a_move_of_the_slider_draws_another_picture() -> None:
    box = plots.with_slider(draw, [2, 3, 500], value=3, label="points")
    slider, image = box.children
    first = bytes(image.value)
    assert first.startswith(b"\x89PNG")
    slider.value = 500
    second = bytes(image.value)
    assert second.startswith(b"\x89PNG")
    assert second != first
    slider.value = 3
    assert bytes(image.value) == first
    assert plt.get_fignums() == []


def test_a_start_outside_the_options_is_refused() -> None:
    with pytest.raises(ValueError, match=r"value: got 7, expected one of the options \[2, 3\]"):
        plots.with_slider(draw, [2, 3], value=7, label="points")


@pytest.mark.slow
def test_the_cell_ends_at_once_without_a_reader() -> None:
    """A widget that captures output leaves nbclient waiting for its whole timeout."""
    call = "plots.with_slider(lambda n, ax: ax.plot(range(n)), [2, 3], value=2, label='n')"
    source = f"from course_lib import plots\n{call}"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    client = NotebookClient(notebook, timeout=60, kernel_name="python3", record_timing=True)
    client.execute()
    assert "application/vnd.jupyter.widget-view+json" in notebook.cells[0].outputs[0].data
    assert not any(state["_model_name"] == "OutputModel" for state in client.widget_state.values())
