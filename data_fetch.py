"""Command line over ``course_lib.data``: list, build, fetch, verify and locate the sounds of the course."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from course_lib.data import corpus, registry
from course_lib.data.cache import ENVIRONMENT_VARIABLE, cache_dir

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
console = Console()
errors = Console(stderr=True)

_CONTENT = {
    "speech": "8 voices, 48 sentences each (espeak-ng)",
    "noises": "7 noises of 20 s",
    "music": "4 stems of 16 s",
    "rooms": "4 rooms, 2 microphones (pyroomacoustics)",
}


def _guarded(action: Callable[[], None]) -> None:
    """Run an action; a failure becomes one line on the error stream and exit status 1."""
    try:
        action()
    except KeyboardInterrupt:
        errors.print("stopped; repeat the command to go on", style="red")
        raise typer.Exit(130) from None
    except (ValueError, RuntimeError, OSError) as error:
        errors.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


@app.command("list")
def list_all() -> None:
    """Show what there is, where it comes from and what is on this machine."""

    def action() -> None:
        states = {part: Counter(report.state for report in corpus.verify_corpus([part])) for part in corpus.PART_NAMES}
        offline = Table(title="Offline corpus, made on this machine (CC BY 4.0)", title_justify="left")
        for heading in ("part", "content", "state"):
            offline.add_column(heading)
        for part, counts in states.items():
            bad = sum(number for state, number in counts.items() if state not in corpus.GOOD_STATES)
            state = "ready" if not bad else "not built" if counts["missing"] == counts.total() else f"{bad} to repair"
            offline.add_row(part, _CONTENT[part], state)
        console.print(offline)
        real = Table(title="Real corpora, to fetch by name", title_justify="left", box=box.SIMPLE, padding=(0, 1, 1, 0))
        real.add_column("name and content")
        real.add_column("size", no_wrap=True)
        for heading, width in (("licence", 14), ("lessons", 11), ("state", 7)):
            real.add_column(heading, max_width=width)
        for entry in registry.CORPORA.values():
            state = "fetched" if registry.is_fetched(entry.name) else "not fetched"
            content = f"{entry.title}. {entry.note}" if entry.note else entry.title
            name = f"[bold]{entry.name}[/]\n{content}"
            real.add_row(name, entry.size, entry.licence, " ".join(entry.lessons), state)
        console.print(real)

    _guarded(action)


@app.command()
def build(
    rewrite_manifest: Annotated[
        bool,
        typer.Option("--rewrite-manifest", help="Maintainers: describe the corpus anew after a deliberate change."),
    ] = False,
) -> None:
    """Build what is missing from the offline corpus, and rebuild what is damaged."""

    def action() -> None:
        columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bars:
            tasks = {part: bars.add_task(part, total=None) for part in corpus.PART_NAMES}

            def show(part: str, n_done: int, n_items: int) -> None:
                bars.update(tasks[part], completed=n_done, total=n_items)

            if rewrite_manifest:
                corpus.rewrite_manifest(show)
            built = list[str]()
            failures = list[str]()
            for part in corpus.PART_NAMES:
                try:
                    built += corpus.build_corpus([part], progress=show)
                except RuntimeError as error:
                    # The other parts are of use without this one.
                    failures.append(f"{part}: {error}")
        console.print(f"the corpus is complete: {len(built)} items built now" if built else "the corpus is complete")
        if failures:
            raise RuntimeError(" ".join(failures))

    _guarded(action)


@app.command()
def fetch(names: Annotated[list[str], typer.Argument(help="Names from `list`.")]) -> None:
    """Download real corpora, verify and unpack them."""

    def action() -> None:
        entries = [registry.find(name) for name in names]
        for entry in entries:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
            with Progress(*columns, console=console, transient=True) as bars:
                task = bars.add_task(entry.name, total=None)

                def show(n_arrived: int, n_total: int | None, bars: Progress = bars, task: int = task) -> None:
                    bars.update(task, completed=n_arrived, total=n_total)  # type: ignore[arg-type]

                folder = registry.fetch(entry, progress=show)
            console.print(f"{entry.name}: {folder}", soft_wrap=True)
            console.print(f"  {entry.licence}. {entry.attribution}", soft_wrap=True)

    _guarded(action)


@app.command()
def verify(
    strict: Annotated[
        bool, typer.Option("--strict", help="Also refuse speech that is equivalent but not identical.")
    ] = False,
) -> None:
    """Hold everything on this machine against its hashes and fingerprints."""

    def action() -> None:
        reports = corpus.verify_corpus()
        good = [state for state in corpus.GOOD_STATES if not (strict and state == "equivalent")]
        for state, number in Counter(report.state for report in reports).items():
            console.print(f"{number:4d} {state}")
        bad = [f"{report.name} is {report.state}" for report in reports if report.state not in good]
        fetched = [name for name in registry.CORPORA if registry.is_fetched(name)]
        for name in fetched:
            damaged = registry.verify_fetched(name)
            console.print(f"{name}: {'all files verified' if not damaged else f'{len(damaged)} files damaged'}")
            bad += [f"{name}/{file} is damaged" for file in damaged]
        if bad:
            shown = "; ".join(bad[:10]) + (f"; and {len(bad) - 10} more" if len(bad) > 10 else "")
            raise RuntimeError(
                f"{shown}. `python data_fetch.py build` repairs the offline corpus; "
                "a fetched corpus is repaired by deleting its folder and fetching it again."
            )

    _guarded(action)


@app.command()
def where() -> None:
    """Print the folder that holds everything; the environment variable COURSE_LIB_CACHE moves it."""
    console.print(str(cache_dir()), soft_wrap=True, highlight=False)
    errors.print(f"(set {ENVIRONMENT_VARIABLE} to move it)", style="dim", highlight=False)


if __name__ == "__main__":
    app()
