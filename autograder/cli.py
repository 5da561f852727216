"""The command line. Each command imports what it needs when it runs, so that ``--help`` answers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from autograder.grading_commands import check, grade, report, verify
from autograder.project import Project, ProjectNotFoundError

if TYPE_CHECKING:
    from autograder.cells import Problem
    from autograder.release import BuiltLesson

app = typer.Typer(
    help="Build the course's lessons, grade submissions, and report marks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

LESSONS = typer.Argument(help="Lessons by name or number, such as 01; none means all.", metavar="[LESSON]...")


@app.command()
def build(
    lessons: Annotated[list[str] | None, LESSONS] = None,
    bundle: Annotated[Path | None, typer.Option(help="Also write the zip that students are given.")] = None,
    nbgrader: Annotated[
        Path | None, typer.Option(help="Also write the lessons into this nbgrader course directory.")
    ] = None,
    course: Annotated[Path | None, typer.Option(help="Course tree to build, instead of build/course.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Build unchanged lessons too, and replace files that others changed.")
    ] = False,
) -> None:
    """Make the student notebooks and the nbgrader course tree from solutions/."""
    console = Console()
    with _refusals_explained(console):
        from autograder.release import build as build_lessons
        from autograder.release import read_lessons, select_sources

        project = Project.find()
        names = lessons or []
        with _progress(console) as report:
            rows = build_lessons(project, names, course=course, force=force, on_progress=report)
        _print_summary(console, rows)
        _try_references(console, course or project.course, {row.name for row in rows})
        if bundle or nbgrader:
            chosen = read_lessons(select_sources(project, names))
            if bundle:
                from autograder.bundle import write_bundle

                n_files = len(write_bundle(project, chosen, bundle))
                size_mb = bundle.stat().st_size / 1e6
                console.print(f"Bundle for students: {bundle} ({n_files} files, {size_mb:.1f} MB)", soft_wrap=True)
            if nbgrader:
                from autograder.instructor_tree import write_instructor_tree

                n_files = len(write_instructor_tree(project, chosen, nbgrader, force=force))
                message = f"nbgrader course: {nbgrader} ({n_files} files written); read INSTRUCTOR.md there"
                console.print(message, soft_wrap=True)


@app.command()
def sample(
    lessons: Annotated[list[str] | None, LESSONS] = None,
    answers: Annotated[Path | None, typer.Option(help="Answer files, instead of tests/sample_class.")] = None,
    out: Annotated[Path | None, typer.Option(help="Tree to write, instead of build/course/submitted.")] = None,
) -> None:
    """Make the sample class's submissions from its answer files."""
    console = Console()
    with _refusals_explained(console):
        from autograder.release import BuildError, read_lessons, select_sources
        from autograder.sample_class import make_sample_class

        project = Project.find()
        folder = answers or project.sample_answers
        sources = select_sources(project, lessons or [])
        if not lessons:
            sources = [path for path in sources if (folder / path.stem).is_dir()]
        if not sources:
            raise BuildError(f"{folder} has no folder named after a lesson.")
        made = make_sample_class(project, read_lessons(sources), answers=folder, out=out)
        tree = out or project.course / "submitted"
        n_written = sum(submission.written for submission in made)
        message = f"Sample class: {len(made)} submissions in {tree}, {n_written} of them new or changed"
        console.print(message, soft_wrap=True)


app.command()(grade)
app.command()(check)
app.command()(report)
app.command()(verify)


@contextmanager
def _refusals_explained(console: Console) -> Iterator[None]:
    """Show a refusal as one panel with everything that is wrong, and exit with code 1."""
    from rich.panel import Panel

    from autograder.cells import SourceError
    from autograder.release import BuildError

    try:
        yield
    except SourceError as error:
        count = len(error.problems)
        title = "1 problem" if count == 1 else f"{count} problems"
        lines = Text("\n").join(_problem_line(problem) for problem in error.problems)
        console.print(Panel(lines, title=f"Nothing was written: {title}", border_style="red"))
        raise typer.Exit(1) from error
    except (BuildError, ProjectNotFoundError) as error:
        console.print(Panel(Text(str(error)), title="Not done", border_style="red"))
        raise typer.Exit(1) from error


def _try_references(console: Console, course: Path, names: set[str]) -> None:
    """Run each reference solution as a submission is run, so that an author hears at once what would fail then."""
    import os

    from autograder.course_tree import CourseTree
    from autograder.engine import EngineError
    from autograder.release import BuildError
    from autograder.split.engine import SplitEngine

    if not hasattr(os, "fork"):
        console.print("Not tried: whether the tests can be graded in two processes; that needs Linux or macOS.")
        return
    engine = SplitEngine(sandboxed=False)
    lessons = [lesson for lesson in CourseTree.open(course).lessons if lesson.name in names]
    try:
        with console.status("Running the reference solutions as submissions are run"):
            faults = [fault for lesson in lessons for fault in engine.faults_of(lesson)]
    except EngineError as error:
        raise BuildError(str(error)) from error
    finally:
        engine.close()
    if faults:
        raise BuildError("\n".join(faults))


def _problem_line(problem: Problem) -> Text:
    """Colour a problem's place, key and message apart."""
    key = (f" [{problem.key}]", "bold") if problem.key else ""
    return Text.assemble((f"{_short(problem.path)}:{problem.line}", "cyan"), key, f" {problem.message}")


def _short(path: Path) -> Path:
    """Return a path as seen from the working directory, if it lies in it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Show one bar over the lessons; it goes when the work is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Building", total=None)

        def report(lesson: str, done: int, total: int) -> None:
            progress.update(task, description=f"Building {lesson}", completed=done, total=total)

        yield report


def _print_summary(console: Console, rows: list[BuiltLesson]) -> None:
    """Print one line a lesson."""
    from rich.table import Table

    table = Table(title="Lessons")
    table.add_column("Lesson")
    for heading in ("Exercises", "Written", "Points", "Cells"):
        table.add_column(heading, justify="right")
    table.add_column("State")
    for row in rows:
        table.add_row(row.name, f"{row.exercises}", f"{row.written}", f"{row.points:g}", f"{row.cells}", row.state)
    console.print(table)
    for row in rows:
        if row.state == "answers kept":
            console.print(
                f"[yellow]notebooks/{row.name}.ipynb holds answers and was left as it is. "
                "Move it away, or replace it with --force.[/yellow]",
                soft_wrap=True,
            )
