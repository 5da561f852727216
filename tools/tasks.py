"""The project's tasks, one word each: ``python tools/tasks.py run``.

``make run`` and its siblings call this file, and people without make call it directly. It needs nothing but the
standard library: the first thing that it does is build the environment that the rest of the project runs in.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
COMPILED_LOCK = ROOT / "requirements-compiled.lock"
PROJECT = ROOT / "pyproject.toml"
SAMPLE_SUBMISSIONS = Path("build/course/submitted")
OLDEST_PYTHON, FIRST_UNTRIED_PYTHON = (3, 11), (3, 14)


def environment_python() -> Path:
    """Return the interpreter of the project's own virtual environment."""
    return ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def environment_fingerprint() -> str:
    """Return a digest of everything that decides what the environment holds."""
    digest = hashlib.sha256(f"{sys.version}\n{ROOT}\n".encode())
    for path in (LOCK, COMPILED_LOCK, PROJECT):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def status_of(*command: str | Path) -> int:
    """Run one command in the project's root and return its exit status."""
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode


def call(*command: str | Path) -> None:
    """Run one command in the project's root; end this process with its exit status if it fails."""
    status = status_of(*command)
    if status != 0:
        raise SystemExit(status)


def ensure_environment() -> Path:
    """Create ``.venv`` and install the locked packages, unless that has been done for this very lock."""
    if not OLDEST_PYTHON <= sys.version_info[:2] < FIRST_UNTRIED_PYTHON:
        raise SystemExit(
            f"This is Python {sys.version.split()[0]}; the course needs 3.11, 3.12 or 3.13. "
            "Name one that you have, for example: make run PYTHON=python3.11"
        )
    python = environment_python()
    stamp = ENVIRONMENT / "installed-from"
    fingerprint = environment_fingerprint()
    if python.exists() and stamp.exists() and stamp.read_text() == fingerprint:
        return python
    print("Setting up .venv from requirements.lock (once; a few minutes on a slow connection)", flush=True)
    started = time.monotonic()
    venv.create(ENVIRONMENT, with_pip=True, symlinks=os.name != "nt")
    install = (python, "-m", "pip", "install", "--disable-pip-version-check")
    call(*install, "-r", LOCK)
    call(*install, "--no-deps", "--quiet", "-e", ROOT)
    if status_of(*install, "--no-deps", "--quiet", "-r", COMPILED_LOCK) != 0:
        print(
            "PESQ could not be built, which needs a C compiler. No lesson needs it; course_lib.metrics.pesq does, and "
            f"says so.\nWith a compiler: {python} -m pip install -r {COMPILED_LOCK.name}",
            flush=True,
        )
    stamp.write_text(fingerprint)
    print(f".venv is ready ({time.monotonic() - started:.0f} s)", flush=True)
    return python


def run(python: Path) -> None:
    """Build the sounds and the lessons, then grade the sample class."""
    call(python, "data_fetch.py", "build")
    call(python, "-m", "autograder", "build")
    call(python, "-m", "autograder", "sample")
    call(python, "-m", "autograder", "grade", SAMPLE_SUBMISSIONS)


def test(python: Path) -> None:
    """Check style and types, then run every test."""
    call(python, "-m", "ruff", "check", ".")
    call(python, "-m", "ruff", "format", "--check", ".")
    call(python, "-m", "mypy")
    call(python, "data_fetch.py", "build")
    # One worker a core leaves no core for a second thread of BLAS, which would wait for one in every product.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    call(python, "-m", "pytest", "-n", "auto", "--dist", "loadfile")


def lab(python: Path) -> None:
    """Open JupyterLab on the lessons."""
    call(python, "data_fetch.py", "build")
    # Jupyter refuses to start as root, which is who you are in most containers.
    as_root = ["--allow-root"] if os.name != "nt" and os.geteuid() == 0 else []
    call(python, "-m", "jupyter", "lab", "notebooks", *as_root)


def notebooks(python: Path) -> None:
    """Build the student release from ``solutions/``."""
    call(python, "-m", "autograder", "build")


def bench(python: Path) -> None:
    """Time each algorithm beside its best-known peers."""
    call(python, "-m", "benchmarks")


TASKS = {task.__name__: task for task in (run, test, lab, notebooks, bench)}


def main() -> None:
    """Read the command line and run one task."""
    summaries = "\n".join(f"  {name:10} {task.__doc__}" for name, task in TASKS.items())
    parser = argparse.ArgumentParser(
        description="Tasks of the course:\n" + summaries, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=TASKS, metavar="TASK", help=" | ".join(TASKS))
    parser.add_argument(
        "--here", action="store_true", help="use the Python that runs this (a conda environment, say) instead of .venv"
    )
    arguments = parser.parse_args()
    TASKS[arguments.task](Path(sys.executable) if arguments.here else ensure_environment())


if __name__ == "__main__":
    main()
