"""This grader inside nbgrader's own ``autograde`` command and formgrader's button.

``plug_in`` puts its steps into a course's configuration. One warm engine serves all submissions of a process and ends
with it.
"""

from __future__ import annotations

import atexit
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Float, Unicode

from .course_tree import CourseTree, Lesson
from .engine import Engine, Job, Limits
from .engines import make_engine
from .executed import executed_notebook
from .intake import parse_notebook
from .keys import load_key
from .outcomes import Outcome, Status, judge
from .rebuild import rebuild

_nbformat: Any = nbformat

_TO_MARK: Final = "autograder_to_mark"
"""Where one step tells the next which tests a person has to look at."""


class _CourseStep(NbGraderPreprocessor):  # type: ignore[misc]
    """A step that knows the course whose notebook it is given."""

    def course(self) -> CourseTree:
        """Return the course that nbgrader works on, with the settings nbgrader was given."""
        coursedir = self.parent.parent.coursedir
        return CourseTree.open(Path(coursedir.root), self.config)

    def lesson(self, resources: dict[str, Any]) -> Lesson:
        """Return the lesson a notebook belongs to.

        Raises:
            CourseError: if the source of that notebook cannot be graded; the message says why.
        """
        names = resources["nbgrader"]
        return self.course().lesson(names["assignment"], names["notebook"])


class RebuildSubmission(_CourseStep):
    """Puts the instructor's notebook with the student's answers in place of what was handed in."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Rebuild one notebook; tests, points and tags are the instructor's."""
        cells = parse_notebook(_nbformat.writes(nb, version=4).encode("utf-8", "replace"))
        return rebuild(self.lesson(resources), cells), resources


class ExecuteSubmission(_CourseStep):
    """Executes a rebuilt notebook with this project's engine, in place of nbgrader's ``Execute``."""

    engine = Unicode("split", help="The engine: 'split' or 'shared'.").tag(config=True)
    sandboxed = Bool(True, help="Whether students' code is confined; refuse to run where that cannot be.").tag(
        config=True
    )
    key = Unicode("", help="The course's key file, if it is not the one in the course directory.").tag(config=True)
    timeout = Float(30.0, help="Seconds that one cell may run.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Execute one notebook and leave in it outputs that nbgrader reads as our marks."""
        course, lesson = self.course(), self.lesson(resources)
        # The engine's own event loop must not meet that of the Jupyter server which serves formgrader.
        with ThreadPoolExecutor(1) as worker:
            executed, outcomes = worker.submit(self._grade, course, lesson, nb, resources).result()
        resources[_TO_MARK] = [one.exercise for one in outcomes if one.status is Status.NEEDS_MARKING]
        return executed, resources

    def _grade(
        self, course: CourseTree, lesson: Lesson, notebook: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, list[Outcome]]:
        engine = _warm_engine(course, self.engine, self.sandboxed, Path(self.key) if self.key else None)
        limits = Limits(cell_seconds=self.timeout, total_seconds=max(300.0, 10 * self.timeout))
        with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as folder:
            lesson.copy_data_files(Path(folder))
            runs = engine.run(Job(notebook, Path(folder), limits, lesson, resources["nbgrader"]["student"]))
        outcomes = judge(lesson.exercises, notebook, runs, limits)
        executed = executed_notebook(lesson, notebook, runs, outcomes)
        for warning in engine.warnings:
            self.log.warning(warning)
        if engine.warnings:
            text = "\n\n".join(f"**{warning}**" for warning in engine.warnings)
            executed.cells.insert(0, _nbformat.v4.new_markdown_cell(text, id="autograder-warning"))
        return executed, outcomes


class AskMarker(_CourseStep):
    """Leaves to a person the tests that gave no score; nbgrader alone would give them no points, or all of them."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Take the automatic score of those tests out of the gradebook again."""
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as gradebook:
            for key in resources.get(_TO_MARK, ()):
                grade = gradebook.find_grade(key, names["notebook"], names["assignment"], names["student"])
                grade.auto_score, grade.needs_manual_grade = None, True
            gradebook.db.commit()
        return nb, resources


_engines: dict[tuple[Any, ...], Engine] = {}
_making = threading.Lock()


def _warm_engine(course: CourseTree, name: str, sandboxed: bool, key: Path | None) -> Engine:
    """Return the engine of this process for a course, starting it for the first submission."""
    wanted = (course.root, name, sandboxed, key)
    with _making:
        if wanted not in _engines:
            secret = load_key(course.root, key)
            _engines[wanted] = make_engine(name, sandboxed=sandboxed, key=secret)
        return _engines[wanted]


@atexit.register
def close_engines() -> None:
    """End every warm engine of this process."""
    with _making:
        while _engines:
            _engines.popitem()[1].close()
