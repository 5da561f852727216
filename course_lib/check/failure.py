"""The one error that every check raises, and the one line that a passed test prints."""

from __future__ import annotations

import os.path
import sys
import textwrap
from collections.abc import Sequence

_WIDTH = 96
_PACKAGE = __name__.rpartition(".")[0]


class CheckFailed(AssertionError):
    """A failed check whose text teaches; Jupyter shows the text alone, without a stack.

    Attributes:
        cause: the likely cause alone, free of expected values, or ``None`` where none was recognised.
        place: where the check stands, for example ``line 3 of this cell``.

    Lesson: 01 §2
    """

    def __init__(self, headline: str, details: Sequence[str] = (), cause: str | None = None) -> None:
        """Join the headline, the details and the likely cause into one message."""
        self.cause = cause
        self.place = _place_of_the_check()
        lines = [f"{headline} ({self.place})", *details]
        if cause is not None:
            lines.append(f"likely cause: {cause}")
        super().__init__("\n  ".join(lines))

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints instead of a stack: the headline in bold, then the rest."""
        # Wrapped here, because JupyterLab would break a long line in the middle of a word.
        headline, *rest = (
            part
            for line in str(self).split("\n")
            for part in textwrap.wrap(line, _WIDTH, subsequent_indent="    ", break_long_words=False) or [""]
        )
        # Bold without a colour: the front end's own background for errors is red, in the dark theme a dark one.
        return ["\n".join([f"\x1b[1m✗ {headline}\x1b[0m", *rest])]


def passed(message: str) -> None:
    """Print one line that says which test passed.

    Args:
        message: what the learner has now shown, for example ``"the tail is kept"``.

    Lesson: 01 §2
    """
    print(f"✓ {message}")


def _place_of_the_check() -> str:
    """Name the line that called the check: the nearest frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        frame = frame.f_back
    file_name = frame.f_code.co_filename
    # A cell has no file of its own, except under a debugger, where the kernel writes it to a folder named ipykernel_….
    is_cell = "ipykernel_" in file_name or not os.path.isfile(file_name)
    return f"line {frame.f_lineno} of {'this cell' if is_cell else os.path.basename(file_name)}"
