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
from lesson_sources import LESSON_NAMES, PROJECT, lesson

from autograder.cells import defined_callables

ROOT = Path(__file__).parents[2]
MISTAKES = {
    "01_convolution_stft": ("[:-1]", "likely cause: off by one"),
    "02_ica": ("[:, ::-1]", "likely cause:"),
    "03_nmf_ilrma": ("** 0.5", "likely cause:"),
    "04_beamforming": (".conj()", "likely cause: the sign is turned round"),
    "05_lms_aec": ("[::-1]", "likely cause: the two results are exchanged"),
}
"""For each lesson what turns the right answer to its first exercise into a wrong one, and what its check then says."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # Where the gate requires a browser, a missing one is a failure and not a skipped test.
    pytest.mark.skipif(
        missing_browser() is not None and "REQUIRE_BROWSER" not in os.environ, reason=str(missing_browser())
    ),
]


@pytest.mark.parametrize("name", LESSON_NAMES)
def test_a_learner_hears_sees_fails_and_passes(name: str, tmp_path: Path) -> None:
    spoilt, complaint = MISTAKES[name]
    exercise, next_exercise = lesson(name).exercises[:2]
    function_name = defined_callables(exercise.answer)[0]
    wrong_answer = (
        f"{exercise.answer}\n\nthe_right_one = {function_name}\n\n"
        f"def {function_name}(*arguments):\n    return the_right_one(*arguments){spoilt}\n"
    )
    notebook = f"{name}.ipynb"
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    shutil.copy(PROJECT.notebooks / notebook, lessons / notebook)

    with (
        jupyter_lab(lessons, tmp_path / "state") as address,
        chromium(tmp_path / "profile") as driver,
        screenshot_on_failure(driver, ROOT / "build" / "browser" / f"{name}.png"),
    ):
        page = LessonPage(driver, address.format(path=notebook))
        # Run All stops at the first test that fails, which is that of the first exercise.
        page.run_all()
        errors = page.errors()
        assert len(errors) == 1, errors
        assert f"NotImplementedError: Exercise {exercise.number}" in errors[0]
        assert all(math.isfinite(duration) and duration > 0.5 for duration in page.player_durations_s())

        answer_cell = page.cell_with(f"def {function_name}(")
        test_cell = page.cell_with(exercise.visible_test.strip().splitlines()[-1])

        page.replace_source(answer_cell, wrong_answer)
        page.run_cell(answer_cell)
        page.run_cell(test_cell)
        message = page.output_of(test_cell)
        assert page.errors() == [message]
        assert complaint in message
        assert "of this cell" in message
        assert "Traceback" not in message

        page.replace_source(answer_cell, exercise.answer)
        page.run_cell(answer_cell)
        page.run_cell(test_cell)
        assert page.output_of(test_cell).startswith("✓")
        assert page.errors() == []

        # Solved, the first exercise lets Run All go on as far as the second.
        page.run_all()
        errors = page.errors()
        assert len(errors) == 1, errors
        assert f"NotImplementedError: Exercise {next_exercise.number}" in errors[0]
        assert all(width > 100 for width in page.figure_widths())
