"""A lesson in JupyterLab in a real browser: one hears, sees, fails with a message that helps, and passes."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed (the test extra brings it)")
pytest.importorskip("jupyterlab", reason="JupyterLab is not installed (the lessons extra brings it)")

from jupyterlab_browser import LessonPage, chromium, jupyter_lab, missing_browser, screenshot_on_failure

from autograder.cells import defined_callables
from autograder.source import read_lesson

ROOT = Path(__file__).parents[2]
NAME = "01_convolution_stft"
SOURCE = ROOT / "solutions" / f"{NAME}.py"
NOTEBOOK = ROOT / "notebooks" / f"{NAME}.ipynb"
SCREENSHOT = ROOT / "build" / "browser" / f"{NAME}.png"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # Where the gate requires a browser, a missing one is a failure and not a skipped test.
    pytest.mark.skipif(
        missing_browser() is not None and "REQUIRE_BROWSER" not in os.environ, reason=str(missing_browser())
    ),
]


def test_a_learner_hears_sees_fails_and_passes(tmp_path: Path) -> None:
    exercise = read_lesson(SOURCE).exercises[0]
    function_name = defined_callables(exercise.answer)[0]
    # A wrong answer that any exercise which returns a signal has: the right one without its last sample.
    wrong_answer = (
        f"{exercise.answer}\n\nthe_right_one = {function_name}\n\n"
        f"def {function_name}(*arguments):\n    return the_right_one(*arguments)[:-1]\n"
    )
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    shutil.copy(NOTEBOOK, lessons / NOTEBOOK.name)

    with (
        jupyter_lab(lessons, tmp_path / "state") as address,
        chromium(tmp_path / "profile") as driver,
        screenshot_on_failure(driver, SCREENSHOT),
    ):
        page = LessonPage(driver, address.format(path=NOTEBOOK.name))
        # Run All stops at the first test that fails, which is that of the first exercise.
        page.run_all()
        errors = page.errors()
        assert len(errors) == 1, errors
        assert f"NotImplementedError: Exercise {exercise.number}" in errors[0]
        assert all(math.isfinite(duration) and duration > 0.5 for duration in page.player_durations_s())
        assert all(width > 100 for width in page.figure_widths())

        answer_cell = page.cell_with(f"def {function_name}(")
        test_cell = page.cell_with(exercise.visible_test.strip().splitlines()[-1])

        page.replace_source(answer_cell, wrong_answer)
        page.run_cell(answer_cell)
        page.run_cell(test_cell)
        message = page.output_of(test_cell)
        assert page.errors() == [message]
        assert "likely cause: off by one" in message
        assert "of this cell" in message
        assert "Traceback" not in message

        page.replace_source(answer_cell, exercise.answer)
        page.run_cell(answer_cell)
        page.run_cell(test_cell)
        assert page.output_of(test_cell).startswith("✓")
        assert page.errors() == []
