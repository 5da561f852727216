"""How fast a class is graded, beside nbgrader's own autograde: ``python -m benchmarks.grading``.

The class hands in complete solutions of one lesson. Ours is timed as a whole, from the command to the written reports;
nbgrader's on a few of the same submissions, in a course with nbgrader's own settings, since the whole class takes it
half an hour. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

LESSON = "01_convolution_stft"
HONEST = ("ada", "bruno", "liam", "mei")
"""Students of the sample class whose programming exercises all pass."""

STOCK_CONFIG = 'c = get_config()\nc.CourseDirectory.course_id = "stock"\nc.ExecutePreprocessor.timeout = 600\n'


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grading", description="Time the grading of a class.")
    parser.add_argument("--students", type=int, default=40, help="size of the class (default: 40)")
    parser.add_argument("--stock", type=int, default=2, help="submissions that nbgrader grades, too (default: 2)")
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 2], help="numbers of jobs to try (default: 1 2)")
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="grading-speed-") as folder:
        course = Path(folder) / "course"
        students = make_class(course, arguments.students)
        table = Table("what", "seconds in all", "a submission", title=f"{arguments.students} submissions of {LESSON}")
        best = float("inf")
        for jobs in arguments.jobs:
            seconds = time_ours(course, jobs)
            best = min(best, seconds)
            table.add_row(f"grade --jobs {jobs}", f"{seconds:.1f}", f"{seconds / len(students):.2f} s")
        overheads, own = overheads_of(course, students)
        console.print(table)
        console.print(
            f"Of a submission's time, with the last number of jobs: cells {statistics.median(own):.3f} s, "
            f"everything else {1e3 * statistics.median(overheads):.0f} ms (medians)."
        )
        if arguments.stock:
            stock = time_stock(Path(folder) / "stock", course, students[: arguments.stock])
            each = stock / arguments.stock
            console.print(
                f"nbgrader autograde: {each:.1f} s a submission ({arguments.stock} timed); for the class "
                f"{each * len(students):.0f} s, {each * len(students) / best:.0f} times as long."
            )


def make_class(course: Path, size: int) -> list[str]:
    """Build the course and hand in the honest sample students' notebooks under many names."""
    run_ours("build", "--course", course)
    run_ours("sample", "--out", course / "sample")
    students = []
    for number in range(size):
        student = f"student{number:03d}"
        shutil.copytree(course / "sample" / HONEST[number % len(HONEST)], course / "submitted" / student)
        students.append(student)
    return students


def time_ours(course: Path, jobs: int) -> float:
    """Grade the whole class anew and return the seconds from the command to its end."""
    for name in ("verdicts", "autograded", "report", "gradebook.db"):
        place = course / name
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    started = time.perf_counter()
    run_ours("grade", "--course", course, "--out", course / "report", "--jobs", str(jobs))
    return time.perf_counter() - started


def overheads_of(course: Path, students: list[str]) -> tuple[list[float], list[float]]:
    """Return, for each submission, the seconds beside its cells and those of its cells."""
    beside, own = [], []
    for student in students:
        verdict = json.loads((course / "verdicts" / student / LESSON / f"{LESSON}.json").read_bytes())
        assert not any(one["status"] in ("failed", "error") for one in verdict["exercises"]), student
        measured = verdict["measured"]
        cells = sum(one["seconds"] for one in measured["exercises"].values())
        own.append(cells)
        beside.append(measured["seconds"] - cells)
    return beside, own


def time_stock(root: Path, course: Path, students: list[str]) -> float:
    """Grade some of the submissions with nbgrader's own command and return the seconds."""
    shutil.copytree(course / "source", root / "source")
    shutil.copytree(course / "release", root / "release")
    for student in students:
        shutil.copytree(course / "submitted" / student, root / "submitted" / student)
    (root / "nbgrader_config.py").write_text(STOCK_CONFIG, encoding="utf-8")
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    nbgrader = [sys.executable, "-m", "nbgrader"]
    quiet = {"cwd": root, "env": environment, "check": True, "capture_output": True}
    subprocess.run([*nbgrader, "generate_assignment", LESSON, "--force"], **quiet)  # type: ignore[call-overload]
    started = time.perf_counter()
    subprocess.run([*nbgrader, "autograde", LESSON], **quiet)  # type: ignore[call-overload]
    return time.perf_counter() - started


def run_ours(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "autograder", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
