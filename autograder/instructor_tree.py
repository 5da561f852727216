"""What an instructor drops into an nbgrader course that is already there: it works with nbgrader alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from autograder.bundle import library_files
from autograder.files import content_hash, file_hash, write_atomically
from autograder.project import Project
from autograder.release import BuildError

if TYPE_CHECKING:
    from autograder.source import Lesson

RECORD: Final = ".source-separation-course.json"
"""Lists what an earlier build wrote, with hashes: only that may be replaced."""

CONFIG: Final = "nbgrader_config.py"
"""Written only where the course has none: an instructor's own configuration is never in the way, nor replaced."""

_TEMPLATES: Final = Path(__file__).parent / "templates"


def write_instructor_tree(
    project: Project, lessons: Sequence[Lesson], course: Path, *, force: bool = False
) -> list[str]:
    """Write lessons into an nbgrader course directory.

    Args:
        project: this course.
        lessons: the lessons to write.
        course: the instructor's course directory, the one that holds ``source/``; made if it is not there.
        force: replace files that others wrote or changed, too.
    Returns:
        The paths written, below ``course``; files that hold the right content already are not written again.
    Raises:
        BuildError: if a file stands in the way that an earlier build did not write; nothing has been written then.
    """
    files = instructor_files(project, lessons)
    record_path = course / RECORD
    record: dict[str, str] = json.loads(record_path.read_text("utf-8")) if record_path.is_file() else {}
    if (course / CONFIG).exists() and file_hash(course / CONFIG) != record.get(CONFIG):
        del files[CONFIG]
    in_the_way = [
        name
        for name, content in files.items()
        if (course / name).exists() and file_hash(course / name) not in (content_hash(content), record.get(name))
    ]
    if in_the_way and not force:
        raise BuildError(
            f"{course} holds files that this build did not write, or that somebody changed since:\n"
            + "\n".join(f"  {name}" for name in in_the_way)
            + "\nMove them away, or replace them with --force."
        )
    written = [name for name, content in files.items() if write_atomically(course / name, content)]
    record |= {name: content_hash(content) for name, content in files.items()}
    write_atomically(record_path, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
    return written


def instructor_files(project: Project, lessons: Sequence[Lesson]) -> dict[str, bytes]:
    """Collect the files of the tree, as path below the course directory → content.

    The library lies beside each notebook, so that nbgrader hands it out with the lesson and no server needs an
    installation of this course.
    """
    from autograder.source import notebook_bytes, source_notebook

    library = library_files(project)
    files: dict[str, bytes] = {}
    for lesson in lessons:
        folder = f"source/{lesson.name}"
        files[f"{folder}/{lesson.name}.ipynb"] = notebook_bytes(source_notebook(lesson))
        files |= {f"{folder}/course_lib/{name}": content for name, content in library.items()}
    template = Template((_TEMPLATES / "instructor.md").read_text("utf-8"))
    rows = [
        f"| `{lesson.name}` | {lesson.title} | {lesson.points:g} | {sum(item.points for item in lesson.written):g} |"
        for lesson in lessons
    ]
    files[CONFIG] = (_TEMPLATES / f"instructor_{CONFIG}").read_bytes()
    files["INSTRUCTOR.md"] = template.substitute(lessons="\n".join(rows), first=lessons[0].name).encode()
    return files
