"""Lets the corpus use the sandbox tests' way of becoming an ordinary user."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "autograder"))
