"""Configuration of this nbgrader course tree, written by `python -m autograder build`.

With it nbgrader's own commands and formgrader, run in this folder, make the same release as the build.
"""

from pathlib import Path

from autograder.plug_in import plug_in
from autograder.stubs import release_steps

c = get_config()  # type: ignore[name-defined]  # noqa: F821 (nbgrader provides it)

c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.GenerateAssignment.preprocessors = release_steps()
# `nbgrader autograde` and formgrader's button execute submissions with this project's engine: tests apart from
# students' code, which is confined. Without the next line stock nbgrader does, with your account's rights.
plug_in(c)
# Formgrader shows students' Markdown to a marker who is logged in: nothing in it may run.
c.HTMLExporter.sanitize_html = True
