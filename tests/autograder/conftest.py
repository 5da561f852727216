"""What the tests of the build share: the fixture lesson and its release."""

from __future__ import annotations

import pytest
from fixture_project import FIXTURE

from autograder.release import release_bytes
from autograder.source import Lesson, read_lesson


@pytest.fixture(scope="session")
def lesson() -> Lesson:
    return read_lesson(FIXTURE)


@pytest.fixture(scope="session")
def release(lesson: Lesson) -> bytes:
    return release_bytes(lesson)
