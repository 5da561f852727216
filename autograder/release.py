"""From lesson sources to what students are given, on nbgrader's own converter.

One build makes, for each lesson, the nbgrader source notebook, the released notebook in the course tree and the same
bytes under ``notebooks/``. Everything is checked before anything is written.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from autograder import __version__
from autograder.cells import Problem, SourceError
from autograder.files import content_hash, file_hash, write_atomically
from autograder.project import Project

if TYPE_CHECKING:
    from autograder.source import Lesson

STATE_FILE: Final = "build_state.json"
CONFIG_FILE: Final = "nbgrader_config.py"
SHAPING_MODULES: Final = (
    "cells.py",
    "leaks.py",
    "lesson_checks.py",
    "names.py",
    "release.py",
    "source.py",
    "splittable.py",
    "stubs.py",
)
"""Modules that decide what is released; a change of one of them builds every lesson again."""

_TEMPLATES: Final = Path(__file__).parent / "templates"
_RELEASED_METADATA: Final = {"nbgrader", "course", "tags", "deletable", "editable"}


class BuildError(RuntimeError):
    """The build cannot go on for a reason that no lesson source can mend; the message says what to do."""


@dataclass(frozen=True)
class BuiltLesson:
    """One row of the build's summary."""

    name: str
    exercises: int
    written: int
    points: float
    cells: int
    state: str
    """``built``, ``unchanged``, or ``answers kept`` if the notebook under ``notebooks/`` holds somebody's work."""


def select_sources(project: Project, names: Sequence[str]) -> list[Path]:
    """Find the sources of the lessons that somebody named.

    Args:
        project: the course.
        names: lesson names (``01_convolution_stft``), numbers (``01`` or ``1``) or paths; empty means every lesson.
    Returns:
        The sources, in lesson order.
    Raises:
        BuildError: if there is no lesson, or a name fits none.
    """
    sources = project.lesson_sources()
    if not sources:
        raise BuildError(f"{project.solutions} holds no lesson (01_topic.py).")
    if not names:
        return sources
    chosen = set()
    for name in names:
        stem = Path(name).stem
        fitting = [
            path for path in sources if stem == path.stem or (stem.isdigit() and int(stem) == int(path.stem[:2]))
        ]
        if not fitting:
            known = ", ".join(path.stem for path in sources)
            raise BuildError(f"There is no lesson `{name}`. The lessons are: {known}.")
        chosen.update(fitting)
    return sorted(chosen)


def read_lessons(paths: Iterable[Path]) -> list[Lesson]:
    """Read several lessons, and raise ``SourceError`` with the problems of all of them if there are any."""
    from autograder.source import read_lesson

    lessons, problems = [], []
    for path in paths:
        try:
            lessons.append(read_lesson(path))
        except SourceError as error:
            problems += error.problems
    if problems:
        raise SourceError(problems)
    return lessons


def release_bytes(lesson: Lesson) -> bytes:
    """Make the notebook that students are given.

    Args:
        lesson: a lesson.
    Returns:
        The notebook's bytes, the same for the same source on every machine.
    Raises:
        SourceError: if a solution or hidden test would stand in it.
        BuildError: if nbgrader refuses.
    """
    from autograder.source import notebook_bytes, source_notebook

    with tempfile.TemporaryDirectory() as folder:
        made = _convert(lesson, notebook_bytes(source_notebook(lesson)), Path(folder), database=None)
    return checked_release(made, lesson)


def checked_release(made: bytes, lesson: Lesson) -> bytes:
    """Normalise what nbgrader made of a lesson, and refuse it if it is not exactly the lesson's public part.

    Args:
        made: nbgrader's released notebook.
        lesson: its source.
    Returns:
        The notebook in the course's one form.
    Raises:
        SourceError: if the release holds a secret or differs from the source minus its marked lines.
    """
    from autograder.leaks import find_leaks
    from autograder.source import notebook_bytes

    notebook = parse_notebook(made)
    problems = [Problem(lesson.path, line, key, message) for line, key, message in _differences(notebook, lesson)]
    for leak in find_leaks(notebook, lesson):
        line = lesson.cells[leak.cell].line if leak.cell is not None and leak.cell < len(lesson.cells) else 1
        problems.append(Problem(lesson.path, line, leak.secret.key, f"the release would leak: {leak}"))
    if problems:
        raise SourceError(problems)
    return notebook_bytes(notebook)


def parse_notebook(content: bytes) -> Any:
    """Parse a notebook's JSON, with every cell's source as one string."""
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def _differences(notebook: Any, lesson: Lesson) -> Iterator[tuple[int, str, str]]:
    """Yield (line, key, message) where a release is not the source minus its marked lines, without outputs."""
    expected = public_sources(lesson)
    if len(notebook["cells"]) != len(expected):
        yield 1, "", f"the release has {len(notebook['cells'])} cells, the source {len(expected)}"
        return
    for cell, released, public in zip(lesson.cells, notebook["cells"], expected, strict=True):
        if released["source"] != public:
            yield cell.line, cell.key, "the released cell is not the source cell minus its marked lines"
        if released.get("outputs"):
            yield cell.line, cell.key, "the released cell has outputs"
        unexpected = set(released["metadata"]) - _RELEASED_METADATA
        if unexpected:
            yield cell.line, cell.key, f"the released cell has the metadata {', '.join(sorted(unexpected))}"


def public_sources(lesson: Lesson) -> list[str]:
    """Return what students may see of each cell, worked out from the source alone."""
    from autograder.cells import parse_hints
    from autograder.source import expand_hints

    stubs = {exercise.key: exercise.stub for exercise in lesson.exercises}
    stubs |= {item.key: item.stub for item in lesson.written}
    visible_tests = {exercise.key: exercise.visible_test for exercise in lesson.exercises}
    shown = []
    for cell in lesson.cells:
        if "hints" in cell.keys:
            shown.append(expand_hints(parse_hints(cell.source)))
        elif "test" in cell.keys:
            shown.append(visible_tests[cell.key])
        else:
            shown.append(stubs.get(cell.key, cell.source))
    return shown


def build(
    project: Project,
    names: Sequence[str] = (),
    *,
    course: Path | None = None,
    force: bool = False,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[BuiltLesson]:
    """Build lessons that changed since they were last built.

    Args:
        project: the course.
        names: which lessons; empty means all.
        course: nbgrader course tree to write; by default ``build/course``.
        force: build lessons that have not changed too, and replace notebooks that hold answers.
        on_progress: called with (lesson, lessons done, lessons in all) before each step.
    Returns:
        One row a lesson.
    Raises:
        SourceError: with every problem of every lesson named; nothing has been written then.
        BuildError: if the gradebook or nbgrader refuses; the lesson at fault has not been written then.
    """
    course = (course or project.course).resolve()
    sources = select_sources(project, names)
    state = _read_state(course)
    rows: dict[str, BuiltLesson] = {}
    for path in sources:
        unchanged = None if force else _unchanged(project, course, path, state.get(path.stem))
        if unchanged:
            rows[path.stem] = unchanged
    changed = [path for path in sources if path.stem not in rows]
    if changed:
        report = on_progress or (lambda lesson, done, total: None)
        fingerprints = {path.stem: source_fingerprint(path) for path in changed}
        lessons = read_lessons(changed)
        _write_config(course)
        _make_gradebook(course)
        _refuse_regraded_cells(course, lessons)
        releases = {}
        problems: list[Problem] = []
        for done, lesson in enumerate(lessons):
            report(lesson.name, done, 2 * len(lessons))
            try:
                releases[lesson.name] = release_bytes(lesson)
            except SourceError as error:
                problems += error.problems
        if problems:
            raise SourceError(problems)
        for done, lesson in enumerate(lessons, start=len(lessons)):
            report(lesson.name, done, 2 * len(lessons))
            row = _install(project, course, lesson, releases[lesson.name], force=force)
            rows[lesson.name] = row
            state[lesson.name] = {
                "fingerprint": fingerprints[lesson.name],
                "source": file_hash(_tree_notebook(course, "source", lesson.name)),
                "release": content_hash(releases[lesson.name]),
                "row": asdict(row),
            }
            write_atomically(course / STATE_FILE, (json.dumps(state, indent=1, sort_keys=True) + "\n").encode())
    return [rows[path.stem] for path in sources]


def source_fingerprint(path: Path) -> str:
    """Return a hash that changes when a source, the autograder or nbgrader changes."""
    package = Path(__file__).parent
    parts = [path.read_bytes(), __version__.encode(), metadata.version("nbgrader").encode()]
    parts += [(package / name).read_bytes() for name in SHAPING_MODULES]
    return content_hash(b"\0".join(content_hash(part).encode() for part in parts))


def holds_answers(content: bytes) -> bool:
    """Return whether somebody has worked in a released notebook: an answer cell differs from its released stub.

    A file that is no notebook, or has lost nbgrader's checksums, counts as somebody's work.
    """
    from nbformat import from_dict
    from nbgrader.utils import compute_checksum

    try:
        cells = parse_notebook(content)["cells"]
    except (ValueError, KeyError, TypeError):
        return True
    answers = [cell for cell in cells if cell.get("metadata", {}).get("nbgrader", {}).get("solution")]
    return any(
        answer["metadata"]["nbgrader"].get("checksum") != compute_checksum(from_dict(answer))  # type: ignore[no-untyped-call]
        for answer in answers
    )


def _tree_notebook(course: Path, step: str, name: str) -> Path:
    return course / step / name / f"{name}.ipynb"


def _read_state(course: Path) -> dict[str, Any]:
    """Read what earlier builds recorded; a record that cannot be read only costs a rebuild."""
    try:
        state: dict[str, Any] = json.loads((course / STATE_FILE).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return state


def _unchanged(project: Project, course: Path, path: Path, record: Any) -> BuiltLesson | None:
    """Return the row of a lesson whose source, tools and built files are as the last build left them."""
    if not record or record["fingerprint"] != source_fingerprint(path):
        return None
    if not (course / "gradebook.db").is_file() or not (course / CONFIG_FILE).is_file():
        return None
    if file_hash(_tree_notebook(course, "source", path.stem)) != record["source"]:
        return None
    if file_hash(_tree_notebook(course, "release", path.stem)) != record["release"]:
        return None
    state = "unchanged"
    given = project.notebooks / f"{path.stem}.ipynb"
    if file_hash(given) != record["release"]:
        if not given.is_file() or not holds_answers(given.read_bytes()):
            return None
        state = "answers kept"
    return BuiltLesson(**{**record["row"], "state": state})


def _install(project: Project, course: Path, lesson: Lesson, release: bytes, *, force: bool) -> BuiltLesson:
    """Record a lesson in the gradebook, then put its notebooks in their places."""
    from autograder.source import notebook_bytes, source_notebook

    source = notebook_bytes(source_notebook(lesson))
    with tempfile.TemporaryDirectory() as folder:
        made = _convert(lesson, source, Path(folder), database=f"sqlite:///{course / 'gradebook.db'}")
    if checked_release(made, lesson) != release:
        raise BuildError(f"{lesson.name}: nbgrader made two different releases of one source.")
    write_atomically(_tree_notebook(course, "source", lesson.name), source)
    write_atomically(_tree_notebook(course, "release", lesson.name), release)
    given = project.notebooks / f"{lesson.name}.ipynb"
    state = "built"
    if not force and given.is_file() and given.read_bytes() != release and holds_answers(given.read_bytes()):
        state = "answers kept"
    else:
        write_atomically(given, release)
    return BuiltLesson(
        name=lesson.name,
        exercises=len(lesson.exercises),
        written=len(lesson.written),
        points=lesson.points,
        cells=len(lesson.cells),
        state=state,
    )


def _convert(lesson: Lesson, source: bytes, root: Path, *, database: str | None) -> bytes:
    """Run nbgrader's GenerateAssignment on one source notebook in an empty course folder."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.preprocessors import SaveCells

    from autograder.gradebook import quiet_nbgrader
    from autograder.stubs import release_steps

    root = root.resolve()
    write_atomically(_tree_notebook(root, "source", lesson.name), source)
    steps = release_steps()
    if database is None:
        steps.remove(SaveCells)
    with quiet_nbgrader(), _kept_log() as (log, messages):
        options = {} if database is None else {"db_url": database}
        coursedir = CourseDirectory(root=str(root), assignment_id=lesson.name, log=log, **options)
        converter = GenerateAssignment(coursedir=coursedir, log=log, no_database=database is None, preprocessors=steps)
        try:
            converter.start()
        except NbGraderException as error:
            raise BuildError(f"nbgrader could not release {lesson.name}.\n" + "\n".join(messages)) from error
    return _tree_notebook(root, "release", lesson.name).read_bytes()


@contextmanager
def _kept_log() -> Iterator[tuple[logging.Logger, list[str]]]:
    """Give nbgrader a log of its own, of which only the errors are kept."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage().strip()
            messages.append(text.split("\n")[-1] if text.startswith("Traceback") else text)

    messages: list[str] = []
    log = logging.Logger("autograder.nbgrader", level=logging.ERROR)
    log.addHandler(Keep())
    yield log, messages


def _write_config(course: Path) -> None:
    """Write the configuration that makes nbgrader's own tools release lessons the same way."""
    path = course / CONFIG_FILE
    if not path.is_file():
        write_atomically(path, (_TEMPLATES / CONFIG_FILE).read_bytes())


def _make_gradebook(course: Path) -> None:
    """Make an empty gradebook if there is none; it appears whole or not at all."""
    from nbgrader.api import Gradebook

    from autograder.gradebook import quiet_nbgrader

    if (course / "gradebook.db").is_file():
        return
    with tempfile.TemporaryDirectory(dir=course) as folder, quiet_nbgrader():
        made = Path(folder) / "gradebook.db"
        Gradebook(f"sqlite:///{made}").close()
        made.replace(course / "gradebook.db")


def _refuse_regraded_cells(course: Path, lessons: Sequence[Lesson]) -> None:
    """Refuse before anything is written what nbgrader would refuse: other graded cells under existing grades."""
    from nbgrader.api import Gradebook, MissingEntry

    from autograder.gradebook import quiet_nbgrader

    database = course / "gradebook.db"
    problems = []
    with quiet_nbgrader(), Gradebook(f"sqlite:///{database}") as gradebook:
        for lesson in lessons:
            try:
                recorded = gradebook.find_notebook(lesson.name, lesson.name)
            except MissingEntry:
                continue
            before = {cell.name for cell in recorded.source_cells}
            after = {*lesson.keys, *(exercise.test_id for exercise in lesson.exercises)}
            if recorded.submissions and before != after:
                added, gone = sorted(after - before), sorted(before - after)
                message = (
                    f"the gradebook {database} holds grades for other cells (new: {', '.join(added) or 'none'}; gone: "
                    f"{', '.join(gone) or 'none'}). Keep it and build with --course ANOTHER_DIR, or remove the grades: "
                    f"nbgrader db assignment remove {lesson.name} --force"
                )
                problems.append(Problem(lesson.path, 1, "", message))
    if problems:
        raise SourceError(problems)
