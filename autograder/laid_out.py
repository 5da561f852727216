"""What students handed in, in a course that lays its folders out in a way of its own.

nbgrader lets a course say where its folders are (``submitted_directory``, ``directory_structure``), so that an
assignment's folder may stand above the students'. Such a course is one place here, like an archive.
"""

from __future__ import annotations

import os
from pathlib import Path

from .archives import FolderPlace, Member, read_plain_file
from .course_tree import CourseTree
from .lms import Owner


class LaidOutPlace:
    """The folders of a course that hold submissions, each with the student and the assignment it is of."""

    def __init__(self, course: CourseTree, within: Path | None = None) -> None:
        """List the folders.

        Args:
            course: the course.
            within: leave out what does not lie in this folder.
        Raises:
            ArchiveError: if one cannot be listed.
        """
        folders = [
            (student, assignment, folder)
            for student, assignment, folder in course.submissions()
            if within is None or folder.is_relative_to(within.resolve())
        ]
        self.path = Path(os.path.commonpath([course.root, *(folder for _, _, folder in folders)]))
        listed: list[Member] = []
        self._owners: dict[tuple[str, ...], Owner] = {}
        for student, assignment, folder in folders:
            top = folder.relative_to(self.path).parts
            if folder.is_symlink():
                found = [Member((), "it is a link, which is not followed", is_folder=True)]
            else:
                with FolderPlace(folder) as place:
                    found = [Member((), is_folder=True), *place.members]
            for member in found:
                parts = (*top, *member.parts)
                listed.append(Member(parts, member.refusal, member.is_folder, member.size))
                inside = member.parts or (folder.name,)
                self._owners[parts] = Owner(student, student, inside, (student,), assignment)
        self.members = tuple(listed)

    def owner(self, member: Member) -> Owner:
        """Return whose a file is."""
        return self._owners[member.parts]

    def read(self, member: Member, limit: int) -> bytes:
        """Return a file's content."""
        return read_plain_file(self.path.joinpath(*member.parts), limit)


def is_laid_out_by_itself(course: CourseTree) -> bool:
    """Say whether a course's folders of submissions are not ``<student>/<assignment>`` in one folder."""
    return course.submitted_folder("student", "assignment") != course.submitted / "student" / "assignment"
