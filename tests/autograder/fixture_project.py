"""A project with one small lesson, for tests of the build."""

from __future__ import annotations

from pathlib import Path

from autograder.project import Project

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURE = Path(__file__).parent / "fixtures" / "99_fixture.py"


def make_project(root: Path, source: str | None = None) -> Project:
    """Make a project that holds the fixture lesson, or the given text in its place."""
    (root / "solutions").mkdir(parents=True)
    text = FIXTURE.read_text("utf-8") if source is None else source
    (root / "solutions" / FIXTURE.name).write_text(text, "utf-8")
    (root / "course_lib").symlink_to(REPOSITORY / "course_lib")
    return Project(root)


def changed(old: str, new: str, count: int = 1) -> str:
    """Return the fixture's source with one piece of text replaced, which must stand there."""
    text = FIXTURE.read_text("utf-8")
    assert old in text, f"the fixture lesson no longer holds {old!r}"
    return text.replace(old, new, count)
