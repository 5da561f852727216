"""The benchmarks run, their contestants agree, and a broken promise shows."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

# The benchmarks are run from the repository and are no installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import benchmarks.__main__ as command_line
from benchmarks.registry import TOPICS, Case, fastest_peer_s, ours, peer, time_case

command_line.load_topics()


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_contestants_of_every_case_agree(topic):
    for benchmark in TOPICS[topic]:
        for case in benchmark(2.0):
            timings = time_case(case, 1)
            assert any(t.contestant.ours for t in timings)
            assert fastest_peer_s(timings) > 0
            tolerance = 1e-4 if "float32" in case.title else 1e-10
            errors = {t.contestant.name: t.max_error for t in timings if t.max_error is not None}
            assert {name: error for name, error in errors.items() if not error < tolerance} == {}
            qualities = {t.contestant.name: t.quality for t in timings if t.quality is not None}
            assert {name: quality for name, quality in qualities.items() if not np.isfinite(quality)} == {}
            assert len(errors) == len(timings) or len(qualities) == len(timings)


def test_every_topic_of_lesson_01_is_there():
    assert {"convolution", "stft"} <= set(TOPICS)


def test_a_broken_promise_shows():
    expected = np.ones(3)
    case = Case(
        "sleep",
        expected,
        [ours("slow", lambda: time.sleep(0.01) or expected), peer("quick", lambda: expected + 0.5)],
        limit=2.0,
    )
    timings = time_case(case, 3)
    assert timings[0].max_error == 0
    assert timings[1].max_error == 0.5
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(command_line.table_of(case, timings))
    assert "over the promise" in console.export_text()


def test_a_case_without_one_right_result_shows_its_quality_instead():
    case = Case(
        "guess",
        None,
        [ours("good", lambda: [2.0, 1.0]), peer("bad", lambda: [1.0])],
        quality=lambda result: 10 * result[0],
        quality_name="points",
    )
    timings = time_case(case, 1)
    assert [(t.max_error, t.quality) for t in timings] == [(None, 20.0), (None, 10.0)]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(command_line.table_of(case, timings))
    text = console.export_text()
    assert "points" in text
    assert "largest error" not in text
