"""Start of the command line: ``python -m autograder``."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import cast


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["check"] and not {"--help", "-h"} & set(sys.argv):
        # A learner waits for it: the interpreter for the notebook gets ready while the command line is loaded.
        from autograder.learner_process import start_ahead

        start_ahead()
    _leave_out_grammars()
    from autograder.cli import app

    app(prog_name="python -m autograder")


def _leave_out_grammars() -> None:
    """Spare every command two seconds: what checks notebooks would build a grammar of addresses that none of them has.

    jsonschema takes this package if it is installed, as it is beside Jupyter, and does without if it is not.
    """
    sys.modules.setdefault("rfc3987_syntax", cast("ModuleType", None))


if __name__ == "__main__":
    main()
