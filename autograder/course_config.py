"""What a course's own ``nbgrader_config.py`` says about where its files lie and how they are marked up.

The file is Python of the instructor's and is executed, as nbgrader executes it; nothing else in the course is. Only
traitlets' loader is used here, so that reading a course needs no part of nbgrader.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from traitlets.config import Config
from traitlets.config.loader import ConfigFileNotFound, JSONFileConfigLoader, LazyConfigValue, PyFileConfigLoader

CONFIG_NAME: Final = "nbgrader_config"

_FOLDERS: Final = {
    step: step for step in ("source", "release", "source_with_tests", "submitted", "autograded", "feedback")
}
_IGNORED: Final = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback"]
_ANY_STUDENT, _ANY_ASSIGNMENT = "\x01", "\x02"


class CourseError(ValueError):
    """The course directory cannot be graded against; the message says what is missing and how to get it."""


@dataclass(frozen=True)
class CourseConfig:
    """The settings of one course; what it does not set has nbgrader's own default."""

    root: Path
    settings: Any = field(default_factory=Config, compare=False, repr=False)

    @classmethod
    def read(cls, root: Path) -> CourseConfig:
        """Read the configuration that lies in a course directory, if there is one.

        Raises:
            CourseError: if it cannot be executed or read.
        """
        found: Any = Config()
        for loader, suffix in ((JSONFileConfigLoader, "json"), (PyFileConfigLoader, "py")):
            name = f"{CONFIG_NAME}.{suffix}"
            try:
                # Files stand side by side as nbgrader reads them: the Python file has the last word.
                found.merge(loader(name, path=str(root)).load_config())
            except ConfigFileNotFound:
                continue
            except Exception as error:
                raise CourseError(
                    f"{root / name} cannot be read: {type(error).__name__}: {error}. nbgrader could not use it either: "
                    "put it right, or move it away to grade with nbgrader's defaults."
                ) from error
        return cls(root, found)

    def setting(self, owner: str, name: str, default: Any) -> Any:
        """Return one setting, such as ``("CourseDirectory", "source_directory", "source")``."""
        if owner not in self.settings or name not in self.settings[owner]:
            return default
        value = self.settings[owner][name]
        return value.get_value(default) if isinstance(value, LazyConfigValue) else value

    def step(self, name: str) -> str:
        """Return the folder's name of one of nbgrader's steps, such as ``source``."""
        return str(self.setting("CourseDirectory", f"{name}_directory", _FOLDERS[name]))

    def folder(self, step: str, student: str, assignment: str) -> Path:
        """Return where nbgrader keeps an assignment in one of its steps; the student of ``source`` is ``"."``."""
        return self.root / self._place(step, student, assignment)

    def assignments(self) -> Iterator[tuple[str, Path]]:
        """Yield name and folder of every assignment that has a source, in order."""
        for path, found in self._matches("source", "."):
            yield found["assignment"], path

    def submissions(self) -> Iterator[tuple[str, str, Path]]:
        """Yield student, assignment and folder of everything handed in, in order."""
        for path, found in self._matches("submitted", _ANY_STUDENT):
            yield found["student"], found["assignment"], path

    @property
    def database(self) -> str:
        """The gradebook's address. A relative SQLite file stands in the course directory, where nbgrader is run."""
        url = str(self.setting("CourseDirectory", "db_url", "") or f"sqlite:///{self.root / 'gradebook.db'}")
        relative = re.fullmatch(r"sqlite:///(?!/)(?![A-Za-z]:)(?!:memory:)(.+)", url)
        return f"sqlite:///{self.root / relative[1]}" if relative else url

    @property
    def hidden_test_delimiters(self) -> tuple[str, str]:
        """The texts that begin and end the hidden part of a test."""
        return (
            str(self.setting("ClearHiddenTests", "begin_test_delimeter", "BEGIN HIDDEN TESTS")),
            str(self.setting("ClearHiddenTests", "end_test_delimeter", "END HIDDEN TESTS")),
        )

    def data_files(self, assignment: str) -> Iterator[tuple[Path, Path]]:
        """Yield the files that lie beside an assignment's notebooks, as (path, path below the folder), in order."""
        folder = self.folder("source", ".", assignment)
        ignored = [*self.setting("CourseDirectory", "ignore", _IGNORED), "*.ipynb"]
        for parent, folders, files in os.walk(folder):
            folders[:] = sorted(name for name in folders if not _matches_any(name, ignored))
            for name in sorted(files):
                path = Path(parent, name)
                if path.is_file() and not _matches_any(name, ignored):
                    yield path, path.relative_to(folder)

    def _place(self, step: str, student: str, assignment: str) -> str:
        structure = str(
            self.setting("CourseDirectory", "directory_structure", "{nbgrader_step}/{student_id}/{assignment_id}")
        )
        try:
            place = structure.format(nbgrader_step=self.step(step), student_id=student, assignment_id=assignment)
        except (KeyError, IndexError, ValueError) as error:
            raise CourseError(
                f"The directory structure {structure!r} in {CONFIG_NAME}.py cannot be used ({error}): it may name "
                "{nbgrader_step}, {student_id} and {assignment_id}."
            ) from error
        return PurePosixPath(place).as_posix()

    def _matches(self, step: str, student: str) -> Iterator[tuple[Path, dict[str, str]]]:
        shape = self._place(step, student, _ANY_ASSIGNMENT)
        pattern = "".join("*" if part in (_ANY_STUDENT, _ANY_ASSIGNMENT) else glob.escape(part) for part in shape)
        expression = "".join(
            {_ANY_STUDENT: "(?P<student>[^/]+)", _ANY_ASSIGNMENT: "(?P<assignment>[^/]+)"}.get(part, re.escape(part))
            for part in shape
        )
        for name in sorted(glob.glob(pattern, root_dir=self.root)):
            found = re.fullmatch(expression, PurePosixPath(name).as_posix())
            if found is not None and (self.root / name).is_dir():
                yield self.root / name, found.groupdict()


def _matches_any(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
