"""nbgrader's step that clears solutions, with stubs that name the exercise.

``nbgrader_config.py`` names this step too, so that a release made from nbgrader's own pages is the same.
"""

from __future__ import annotations

from typing import Any

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions

from autograder.cells import stub_line


class ClearSolutionsNamingExercise(ClearSolutions):  # type: ignore[misc]
    """Replaces solution regions; the stub of a code cell says ``Exercise 1.2: title``."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """Clear one cell with the stub of its own exercise, or with nbgrader's if it names none."""
        course = cell.metadata.get("course", {})
        ordinary_stub: dict[str, str] = self.code_stub  # type: ignore[has-type]
        if "number" in course:
            self.code_stub = {**ordinary_stub, "python": stub_line(course["number"], course["title"])}
        try:
            cleared: tuple[Any, Any] = super().preprocess_cell(cell, resources, cell_index)
        finally:
            self.code_stub = ordinary_stub
        return cleared


def release_steps() -> list[Any]:
    """Return nbgrader's own steps from source to release, with our clearing of solutions in place of nbgrader's."""
    steps = GenerateAssignment.preprocessors.default()
    return [ClearSolutionsNamingExercise if step is ClearSolutions else step for step in steps]
