"""The engines that have to mark other people's courses as stock nbgrader does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from autograder.engine import Engine
from autograder.engines import EngineName, make_engine

ENGINES: Final[dict[str, tuple[Callable[[], Engine], frozenset[str]]]] = {
    "split": (lambda: make_engine(EngineName.SPLIT), frozenset({"split"})),
    "shared": (lambda: make_engine(EngineName.SHARED), frozenset({"split", "shared"})),
}
"""Name → how to make one, and which of ``other_course``'s problems it can mark: those that a split between test and
answer can serve, and those that need both in one interpreter."""
