"""Start of the command line: ``python -m autograder``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["check"] and not {"--help", "-h"} & set(sys.argv):
        # A learner waits for it: the interpreter for the notebook gets ready while the command line is loaded.
        from autograder.learner_process import start_ahead

        start_ahead()
    from autograder.cli import app

    app(prog_name="python -m autograder")


if __name__ == "__main__":
    main()
