"""The commands ``grade``, ``check``, ``report`` and ``verify``.

Exit codes: 0, everything was graded (for ``check``, all that was attempted passes; for ``verify``, everything is as
the grader left it); 1, some submissions could not be graded, each named with its reason, or a report could not be
written (some answer does not pass; something differs); 2, the command could not start as it was given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from autograder.engines import EngineName
from autograder.project import Project, ProjectNotFoundError

if TYPE_CHECKING:
    from rich.table import Table

    from autograder.course_tree import CourseTree
    from autograder.engine import Limits
    from autograder.grading import GradingRun
    from autograder.intake import Problem
    from autograder.keys import GradingKey
    from autograder.learner_check import CheckedExercise
    from autograder.reports import ClassReport, LessonReport, StudentReport

CourseOption = Annotated[Path | None, typer.Option(help="nbgrader course directory, instead of build/course.")]
DatabaseOption = Annotated[str | None, typer.Option(help="Address of the gradebook, instead of the course's own.")]
OutOption = Annotated[Path | None, typer.Option(help="Folder for the reports, instead of build/report.")]
KeyOption = Annotated[
    Path | None,
    typer.Option(help="Key file, instead of the course's grading.key: it signs verdicts and seeds hidden inputs."),
]
TimeoutOption = Annotated[float, typer.Option(min=0.1, help="Seconds that one cell may run.")]

_MAX_NAMED = 8

_STYLES = {
    "passed": "green",
    "marked": "green",
    "partly passed": "yellow",
    "needs marking": "blue",
    "not attempted": "dim",
}


def grade(
    submissions: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Notebooks, folders <student>/<lesson>/<notebook>.ipynb, or zip archives: of such folders, or as "
            "Moodle, Canvas and Gradescope export them. None means the course's own submitted/.",
            show_default=False,
        ),
    ] = None,
    course: CourseOption = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Submissions run at once; default: one a core.")] = None,
    db: DatabaseOption = None,
    out: OutOption = None,
    timeout: TimeoutOption = 30.0,
    regrade: Annotated[
        bool, typer.Option("--regrade", help="Run unchanged submissions again too, and say whose points change.")
    ] = False,
    student: Annotated[
        str | None, typer.Option(help="Whose work it is, where a notebook, folder or zip of one student is named.")
    ] = None,
    id_pattern: Annotated[
        str | None,
        typer.Option(
            help="Where a file's path names its student: a regular expression with a group (?P<student>…), instead "
            "of the patterns of Moodle, Canvas, Gradescope and folders."
        ),
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the course's student ids: a column student or id, and name, email, lms_user_id. "
            "Moodle's grading worksheet, Canvas's gradebook and nbgrader's student list will do."
        ),
    ] = None,
    engine: Annotated[
        EngineName,
        typer.Option(
            help="split: tests run where answers cannot reach them. shared: both in one process, for tests that "
            "cannot be split; such marks can be forged, and every report says so."
        ),
    ] = EngineName.SPLIT,
    unsandboxed: Annotated[
        bool,
        typer.Option("--unsandboxed", help="Run students' code unconfined. Only for people you trust; reports say so."),
    ] = False,
    key: KeyOption = None,
    readable: Annotated[
        list[Path] | None,
        typer.Option(
            help="A further file or folder that answers may read in the sandbox; may be given several times.",
            exists=True,
            resolve_path=True,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Grade submissions, then print the class and write reports and feedback pages."""
    console = Console()
    with _refusals_explained(console):
        from autograder.course_tree import CourseTree
        from autograder.engines import make_engine
        from autograder.grading import grade_class
        from autograder.intake import collect
        from autograder.keys import load_key

        tree = CourseTree.open(course or Project.find().course)
        grading_key = load_key(tree.root, key)
        folder = _writable(out or _report_folder(course))
        database = db or tree.default_database
        found, problems = collect(
            submissions or [],
            tree,
            student=student,
            id_pattern=id_pattern,
            roster=roster,
            say=lambda line: console.print(Text(line), soft_wrap=True),
        )
        shown = [_harmless(path, tree, database, key) for path in readable or ()]
        made = make_engine(engine.value, sandboxed=not unsandboxed, key=grading_key, readable=shown)
        with closing(made), _progress(console, len(found)) as advance:
            run = grade_class(
                tree,
                found,
                made,
                db_url=database,
                key=grading_key,
                problems=problems,
                jobs=jobs or os.cpu_count() or 1,
                limits=_limits(timeout),
                regrade=regrade,
                on_done=advance,
            )
        written = _write_and_print(console, tree, database, folder, grading_key)
        _print_run(console, run)
        _print_refusals(console, tree, run)
    raise typer.Exit(1 if run.problems or not written else 0)


def report(
    course: CourseOption = None, db: DatabaseOption = None, out: OutOption = None, key: KeyOption = None
) -> None:
    """Write the reports again from the gradebook, with the marks entered by hand since."""
    console = Console()
    with _refusals_explained(console):
        from autograder.course_tree import CourseTree
        from autograder.keys import load_key

        tree = CourseTree.open(course or Project.find().course)
        folder = _writable(out or _report_folder(course))
        database = db or tree.default_database
        written = _write_and_print(console, tree, database, folder, load_key(tree.root, key))
    raise typer.Exit(0 if written else 1)


def verify(course: CourseOption = None, db: DatabaseOption = None, key: KeyOption = None) -> None:
    """Check that verdicts are signed by this course's key, and that notebooks and gradebook agree with them."""
    console = Console()
    with _refusals_explained(console):
        from autograder.course_tree import CourseTree
        from autograder.keys import load_key
        from autograder.outcomes import plain_text
        from autograder.verification import verify_course

        tree = CourseTree.open(course or Project.find().course)
        verification = verify_course(tree, db or tree.default_database, load_key(tree.root, key))
        for one in verification.findings:
            place = plain_text(f"{one.student}, {one.lesson}")
            console.print(Text.assemble((place, "bold"), f": {plain_text(one.what)}"), soft_wrap=True)
        n_verdicts = "1 verdict" if verification.verdicts == 1 else f"{verification.verdicts} verdicts"
        console.print(
            f"{n_verdicts} looked at, {len(verification.findings)} differences found. "
            "Marks entered by hand are not compared."
        )
    raise typer.Exit(1 if verification.findings else 0)


def check(
    notebook: Annotated[Path, typer.Argument(help="A lesson's notebook.", show_default=False)],
    timeout: TimeoutOption = 30.0,
    hints: Annotated[
        int, typer.Option(min=0, max=3, help="How many of an exercise's three hints to show where it needs work.")
    ] = 1,
) -> None:
    """Run a notebook's visible checks and say, exercise by exercise, how far you are."""
    console = Console()
    with _refusals_explained(console):
        from autograder.intake import IntakeError
        from autograder.learner_check import check_notebook

        if not notebook.is_file():
            raise IntakeError(f"There is no notebook at {notebook}.")
        with console.status(f"Checking {notebook.name}"):
            checked = check_notebook(notebook, _limits(timeout))

        from rich.table import Table

        table = Table(title=f"Visible checks of {notebook.name}", show_lines=True)
        table.add_column("Exercise", max_width=34)
        table.add_column("State", no_wrap=True)
        table.add_column("What the checks say", overflow="fold")
        for one in checked:
            status = str(one.outcome.status)
            state = "written" if status == "needs marking" else status
            table.add_row(Text(one.exercise.title), Text(state, style=_STYLES.get(status, "red")), _advice(one, hints))
        console.print(table)
        passed = sum(str(one.outcome.status) == "passed" for one in checked)
        tested = sum(one.exercise.kind == "tested" for one in checked)
        console.print(f"{passed} of {tested} exercises pass their visible checks.")
        needs_work = any(one.needs_work for one in checked)
        if needs_work and hints < 3:
            console.print(f"--hints {hints + 1} shows one hint more: concept, structure, line, in this order.")
        elif any(one.exercise.kind == "tested" and not one.attempted for one in checked):
            console.print("Three hints stand folded under each exercise: the concept, the structure, the line.")
        console.print("[dim]Hidden checks with fresh inputs decide the marks; they are not run here.[/dim]")
    raise typer.Exit(1 if needs_work else 0)


def _advice(one: CheckedExercise, n_hints: int) -> Text:
    """Say what the checks of an exercise that needs work found, and give its first hints."""
    if not one.needs_work:
        return Text()
    advice = Text(one.outcome.message)
    for number, hint in enumerate(one.hints[:n_hints], start=1):
        advice.append(f"\n\nHint {number} of {len(one.hints)}, {hint.label}: ", style="bold")
        advice.append(hint.text)
    return advice


def _harmless(path: Path, tree: CourseTree, database: str, key: Path | None) -> Path:
    """Return a path that answers may be shown, or refuse one through which they would see tests, marks or each other.

    Raises:
        IntakeError: if it is one of those, or holds one.
    """
    from autograder.intake import IntakeError
    from autograder.keys import KEY_NAME

    steps = ("source", "source_with_tests", "submitted", "autograded", "feedback")
    kept = [tree.root / tree.config.step(step) for step in steps]
    kept += [lesson.source_path for lesson in tree.lessons]
    kept += [tree.verdicts, tree.root / ".split", tree.root / KEY_NAME]
    kept += [] if key is None else [key.resolve()]
    if database.startswith("sqlite:///"):
        kept.append(Path(database.removeprefix("sqlite:///").partition("?")[0]).resolve())
    with suppress(ProjectNotFoundError):
        # Another course, graded from elsewhere, has no solutions but its own.
        kept.append(Project.find().solutions)
    for private in kept:
        if private.is_relative_to(path) or path.is_relative_to(private):
            raise IntakeError(
                f"--readable {path} would show students {private}: name a folder that holds only what they may see."
            )
    return path


def _limits(timeout: float) -> Limits:
    from autograder.engine import Limits

    return Limits(cell_seconds=timeout, total_seconds=max(300.0, 10 * timeout))


def _report_folder(course: Path | None) -> Path:
    """Reports of another course stand beside it, those of this one in build/report."""
    return course / "report" if course is not None else Project.find().report


def _writable(folder: Path) -> Path:
    """Make sure before the work begins that its result can be written."""
    from autograder.intake import IntakeError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / ".trial"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise IntakeError(f"Reports cannot be written to {folder} ({error.strerror}). Name another --out.") from error
    return folder


def _write_and_print(console: Console, tree: CourseTree, database: str, folder: Path, key: GradingKey) -> bool:
    """Write every report and print the class; return whether all could be written."""
    from autograder.feedback import write_feedback
    from autograder.gradescope import write_results
    from autograder.reports import gather, write_reports

    gathered = gather(tree, database, key)
    _print_class(console, gathered)
    try:
        write_reports(gathered, folder)
        index = write_feedback(gathered, folder)
        write_results(gathered, folder / "gradescope")
    except OSError as error:
        console.print(
            f"[red]The reports could not be written to {folder} ({error.strerror}).[/red] The marks are kept: put that "
            "right, then run `python -m autograder report` with the same options.",
            soft_wrap=True,
        )
        return False
    console.print(
        Text.assemble("Marks: ", (str(folder / "marks.csv"), "bold"), ", marks.json and gradescope/"), soft_wrap=True
    )
    console.print(Text.assemble("Feedback pages: ", (str(index), "bold")), soft_wrap=True)
    return True


def _print_class(console: Console, gathered: ClassReport) -> None:
    if not gathered.students:
        console.print("Nothing has been graded in this course yet.")
    for one in gathered.lessons:
        table = _class_table(one)
        width = console.measure(table, options=console.options.update(max_width=10_000)).maximum
        if width > console.width:
            table.box, table.padding, table.pad_edge = None, (0, 1, 0, 0), False
        console.print(table)
    if gathered.lessons:
        console.print(
            "[green]✓ passed[/green]  [yellow]◐ partly[/yellow]  [red]✗ failed[/red]  [red]! error[/red]  "
            "[red]∞ timed out[/red]  [red]× crashed[/red]  [red]⊘ refused[/red]  [dim]○ not attempted[/dim]  "
            "[blue]… to mark[/blue]"
        )
    for warning in gathered.warnings:
        console.print(Text(f"! {warning}", style="bold yellow"), soft_wrap=True)


_SYMBOLS = {
    "passed": "✓",
    "marked": "✓",
    "partly passed": "◐",
    "failed": "✗",
    "error": "!",
    "timed out": "∞",
    "crashed": "×",
    "out of memory": "×",
    "refused": "⊘",
    "not attempted": "○",
    "needs marking": "…",
}


def _class_table(one: LessonReport) -> Table:
    from rich.table import Table

    from autograder.outcomes import plain_text
    from autograder.reports import points_text

    table = Table(title=Text(one.lesson.title))
    longest = max(len(student.student) for student in one.students)
    table.add_column("Student", overflow="fold", min_width=min(longest, 12))
    for exercise in one.lesson.exercises:
        table.add_column(Text(f"{exercise.label}\n/{exercise.max_points:g}"), justify="right", no_wrap=True)
    table.add_column(Text(f"Total\n/{one.max_points:g}"), justify="right", no_wrap=True)
    table.add_column("State", min_width=9)
    for student in one.students:
        results = {result.exercise.grade_id: result for result in student.exercises}
        cells = []
        for exercise in one.lesson.exercises:
            result = results.get(exercise.grade_id)
            if result is None:
                cells.append(Text("–", style="dim"))
                continue
            status = str(result.status)
            points = "" if result.points is None else f" {points_text(result.points)}"
            cells.append(Text(f"{_SYMBOLS[status]}{points}", style=_STYLES.get(status, "red")))
        total = Text("–" if student.total is None else points_text(student.total), style="bold")
        table.add_row(Text(plain_text(student.student)), *cells, total, _state(student))
    return table


def _state(student: StudentReport) -> Text:
    styles = {"graded": "green", "to mark": "blue"}
    words = f"{student.to_mark} to mark" if student.state == "to mark" else student.state
    return Text(words, style=styles.get(student.state, "red"))


def _print_refusals(console: Console, tree: CourseTree, run: GradingRun) -> None:
    """Name the notebooks of the course that cannot be graded at all, where nobody has been told so yet."""
    told = {problem.reason for problem in run.problems}
    for one in tree.refusals:
        if one.reason not in told:
            text = Text.assemble(("cannot be graded: ", "red"), (str(one), "bold"), f": {one.reason}")
            console.print(text, soft_wrap=True)


def _who(problems: Sequence[Problem]) -> str:
    """Name those who share a problem: a few of them, and how many more there are."""
    from autograder.outcomes import plain_text

    if len(problems) == 1:
        return f"{plain_text(problems[0].student)} ({plain_text(problems[0].path.name)})"
    students = list(dict.fromkeys(plain_text(one.student) for one in problems))
    more = f" and {len(students) - _MAX_NAMED} more" if len(students) > _MAX_NAMED else ""
    return f"{', '.join(students[:_MAX_NAMED])}{more} ({plain_text(problems[0].lesson)})"


def _print_run(console: Console, run: GradingRun) -> None:
    from autograder.outcomes import plain_text
    from autograder.reports import points_text

    for change in run.changes:
        before, after = change.before, change.after
        what = f"{points_text(before.points)} → {points_text(after.points)} ({before.status} → {after.status})"
        console.print(Text(f"{change.student}, {change.lesson}, {change.exercise}: {what}; {change.cause}"))
    alike: dict[tuple[str, str], list[Problem]] = {}
    for problem in run.problems:
        # What a whole class is told about a lesson is printed once; a reason of one file's stays beside its name.
        alike.setdefault((problem.lesson, problem.reason), []).append(problem)
    for (_, reason), problems in alike.items():
        text = Text.assemble(("not graded: ", "red"), (_who(problems), "bold"), f": {plain_text(reason)}")
        console.print(text, soft_wrap=True)
    n_due = len(run.graded)
    each = f", {sum(one.seconds for one in run.graded) / n_due:.1f} s a submission" if n_due else ""
    entered = f"{len(run.booked)} entered, " if run.booked else ""
    console.print(
        f"{n_due} graded, {entered}{len(run.unchanged)} unchanged, {len(run.problems)} not graded "
        f"in {run.seconds:.1f} s{each}."
    )


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[str], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("Grading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Grading", total=total)

        def advance(_student: str) -> None:
            progress.advance(task)

        yield advance


@contextmanager
def _refusals_explained(console: Console) -> Iterator[None]:
    """Show why the command cannot be done as one panel, and exit with code 2."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, _refusals()):
            raise
        from rich.panel import Panel

        console.print(Panel(Text(str(error)), title="Not done", border_style="red"))
        raise typer.Exit(2) from error


def _refusals() -> tuple[type[Exception], ...]:
    """Return the errors that say why a command cannot be done; only a command that stops waits for their modules."""
    from autograder.course_lock import CourseBusyError
    from autograder.course_tree import CourseError
    from autograder.engine import EngineError
    from autograder.gradebook import GradebookError
    from autograder.intake import IntakeError, UnreadableNotebookError
    from autograder.keys import GradingKeyError

    refusals = (CourseError, CourseBusyError, EngineError, GradebookError, GradingKeyError, IntakeError)
    return (*refusals, UnreadableNotebookError, ProjectNotFoundError)
