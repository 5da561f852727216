"""Start of the command line: ``python -m autograder``."""

from __future__ import annotations

from autograder.cli import app


def main() -> None:
    """Run the command line."""
    app(prog_name="python -m autograder")


if __name__ == "__main__":
    main()
