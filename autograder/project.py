"""Where things are: the one place that knows the folders of a course project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class ProjectNotFoundError(ValueError):
    """No course project at the given place; the message says what was looked for."""


@dataclass(frozen=True)
class Project:
    """The folders of one course project; ``root`` holds ``solutions/`` and ``course_lib/``."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Find the project around a folder.

        Args:
            start: folder to start from; the search goes upwards. ``None`` starts at the working directory and,
                if no project is around it, takes the checkout that this package was installed from.
        Returns:
            The project whose root is the nearest folder that holds ``solutions/`` and ``course_lib/``.
        Raises:
            ProjectNotFoundError: if there is none.
        """
        origin = (start or Path.cwd()).resolve()
        candidates = [origin, *origin.parents]
        if start is None:
            candidates.append(Path(__file__).resolve().parent.parent)
        for folder in candidates:
            if (folder / "solutions").is_dir() and (folder / "course_lib").is_dir():
                return cls(folder)
        raise ProjectNotFoundError(
            f"No course project at {origin} or above it: expected a folder that holds solutions/ and course_lib/. "
            "Change into your clone of the course first."
        )

    @property
    def solutions(self) -> Path:
        """The lesson sources, one py:percent file a lesson."""
        return self.root / "solutions"

    @property
    def notebooks(self) -> Path:
        """The student release, committed."""
        return self.root / "notebooks"

    @property
    def build(self) -> Path:
        """Everything that is made and never committed."""
        return self.root / "build"

    @property
    def course(self) -> Path:
        """The nbgrader course tree: source, release, submitted, autograded, feedback, gradebook.db."""
        return self.build / "course"

    @property
    def report(self) -> Path:
        """Marks tables and feedback pages."""
        return self.build / "report"

    @property
    def sample_answers(self) -> Path:
        """Answer files and expected marks of the sample class."""
        return self.root / "tests" / "sample_class"

    def lesson_sources(self) -> list[Path]:
        """Every lesson source, in lesson order."""
        return sorted(self.solutions.glob("[0-9][0-9]_*.py"))
