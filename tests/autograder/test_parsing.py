"""Parsing from many threads at once."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor

from autograder.parsing import parse


def test_many_threads_parse_at_once() -> None:
    source = "\n".join(f"def f{n}(x):\n    return [x + {n} for x in range(x) if x > {n}]" for n in range(200))
    with ThreadPoolExecutor(8) as threads:
        trees = list(threads.map(parse, [source] * 16))
    assert len({ast.dump(tree) for tree in trees}) == 1
