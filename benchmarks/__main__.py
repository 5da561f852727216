"""Command line: time the cases of the topics asked for, and print one table a case."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys

import numpy as np
import scipy
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import benchmarks
from benchmarks.registry import LONGEST_CASE_S, STUDIES, TOPICS, Case, Timing, fastest_peer_s, time_case


def load_topics() -> None:
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name not in ("__main__", "registry"):
            importlib.import_module(f"benchmarks.{module.name}")


def table_of(case: Case, timings: list[Timing]) -> Table:
    promise = "" if case.limit is None else f"  (promised: at most {case.limit:g})"
    table = Table(title=case.title + promise, title_justify="left", title_style="bold")
    table.add_column("algorithm")
    table.add_column("median, ms", justify="right")
    table.add_column("× fastest peer", justify="right")
    if case.expected is not None:
        table.add_column("largest error", justify="right")
    if case.quality is not None:
        table.add_column(case.quality_name, justify="right")
    fastest_s = fastest_peer_s(timings)
    for timing in sorted(timings, key=lambda timing: timing.median_s):
        ratio = timing.median_s / fastest_s
        is_late = timing.contestant.ours and case.limit is not None and ratio > case.limit
        table.add_row(
            timing.contestant.name,
            f"{1e3 * timing.median_s:.2f}",
            f"{ratio:.2f}" + (" over the promise" if is_late else ""),
            *([] if timing.max_error is None else [f"{timing.max_error:.1e}"]),
            *([] if timing.quality is None else [f"{timing.quality:.4g}"]),
            style="red" if is_late else "green" if timing.contestant.ours else "",
        )
    return table


def main() -> None:
    load_topics()
    known = sorted({*TOPICS, *STUDIES})
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time course_lib beside its peers.")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"any of {', '.join(known)} (all unless given)")
    parser.add_argument("--repeats", type=int, default=21, help="runs of which the median counts (default: 21)")
    parser.add_argument("--duration", type=float, default=60.0, help="length of the signals in seconds (default: 60)")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.topics) - set(known))
    if unknown:
        parser.error(f"no topic {', '.join(unknown)}; there are {', '.join(known)}")
    if arguments.repeats < 1 or arguments.duration <= 0:
        parser.error("--repeats and --duration must be positive")

    # A pipe has no width of its own, and 80 columns would cut names short.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    console.print(
        f"numpy {np.__version__}, scipy {scipy.__version__}, torch {torch.__version__} on {torch.get_num_threads()} "
        f"threads, {os.cpu_count()} processors, Python {sys.version.split()[0]}; median of {arguments.repeats} runs in "
        f"turns after warm-up, or of as many as fit into {LONGEST_CASE_S:g} s. The ratio is to the fastest peer; "
        "below 1 is faster."
    )
    with Progress(console=console, transient=True) as progress:
        for topic in arguments.topics or known:
            for benchmark in progress.track(TOPICS.get(topic, []), description=topic):
                for case in benchmark(arguments.duration):
                    progress.console.print(table_of(case, time_case(case, arguments.repeats)))
            for study in progress.track(STUDIES.get(topic, []), description=f"{topic}, studies"):
                for table in study(arguments.duration):
                    progress.console.print(table)


if __name__ == "__main__":
    main()
