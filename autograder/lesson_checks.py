"""What a lesson source must satisfy before it is released; every violation is reported with its place."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from autograder.cells import (
    CELL_KEYS,
    HIDDEN_TESTS,
    MARKER,
    SOLUTION,
    TAGS,
    Cell,
    MarkerError,
    Problem,
    defined_callables,
    find_regions,
    inside_regions,
    parse_code,
    parse_hints,
    parse_model_answer,
    replace_regions,
    statement_headings,
    stub_line,
)
from autograder.names import demo_dependencies, names_of
from autograder.splittable import find_test_problems

LESSON_NAME = re.compile(r"^(\d\d)_[a-z0-9_]+$")
_KEY = re.compile(r"^[a-z][a-z0-9_]{0,47}$")
_DOTTED_NAME = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")
_GRADED_ROLES = ("exercise", "written")


def find_problems(path: Path, metadata: dict[str, Any], cells: Sequence[Cell]) -> list[Problem]:
    """Check a lesson source.

    Args:
        path: the source, named in every problem.
        metadata: of the notebook, from the header.
        cells: of the source.
    Returns:
        All problems, in the order of their places; empty if the lesson can be released.
    """
    checks = (
        _check_name_and_title(path, metadata, cells),
        _check_keys(path, cells),
        _check_markers(path, cells),
        _check_pairs(path, cells),
        _check_headings(path, cells),
        _check_hints(path, cells),
        _check_tests(path, cells),
        find_test_problems(path, cells),
        _check_answers(path, cells),
        _check_written(path, cells),
        _check_python(path, cells),
        _check_demo(path, cells),
    )
    found = {problem for check in checks for problem in check}
    return sorted(found, key=lambda problem: (problem.line, problem.message))


def _check_name_and_title(path: Path, metadata: dict[str, Any], cells: Sequence[Cell]) -> Iterator[Problem]:
    if not LESSON_NAME.match(path.stem):
        yield Problem(path, 1, "", "the file name is not of the form 01_topic.py (two digits, then a-z, 0-9 and _)")
    if "title" not in metadata and not any(not cell.is_code and cell.source.startswith("# ") for cell in cells):
        yield Problem(path, 1, "", "the lesson has no title: no `title:` in the header and no `# ` heading")


def _check_keys(path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    allowed = ", ".join(CELL_KEYS)
    first_use: dict[str, Cell] = {}
    for cell in cells:
        if cell.cell_type == "raw":
            yield Problem(path, cell.line, "", "a raw cell; use code or markdown")
        for name, value in cell.keys.items():
            if name == "incorrectly_encoded_metadata":
                yield Problem(path, cell.line, "", f'cannot read the cell keys `{value}`; write them as name="value"')
            elif name == "title":
                yield Problem(path, cell.line, "", f"`{value}` behind `# %%` is no cell key; expected {allowed}")
            elif name not in CELL_KEYS:
                yield Problem(path, cell.line, cell.key, f"unknown cell key `{name}`; expected one of {allowed}")
        for tag in cell.tags:
            if tag not in TAGS:
                yield Problem(path, cell.line, cell.key, f"unknown tag `{tag}`; expected one of {', '.join(TAGS)}")
        roles = [role for role in ("exercise", "test", "written", "hints") if role in cell.keys]
        if len(roles) > 1:
            yield Problem(path, cell.line, cell.key, f"a cell has one role, this one has {' and '.join(roles)}")
            continue
        if "points" in cell.keys and not {"test", "written"} & cell.keys.keys():
            yield Problem(path, cell.line, cell.key, "`points` belongs to a test= or written= cell")
        if "forbid" in cell.keys and "exercise" not in cell.keys:
            yield Problem(path, cell.line, cell.key, "`forbid` belongs to the exercise= cell")
        if not roles:
            continue
        role = roles[0]
        if cell.is_demo:
            yield Problem(path, cell.line, cell.key, f"a {role}= cell cannot be a demo")
        if not isinstance(cell.keys[role], str) or not _KEY.match(cell.key):
            message = f"`{role}={cell.keys[role]!r}` is no identifier; use at most 48 of a-z, 0-9 and _, a letter first"
            yield Problem(path, cell.line, cell.key, message)
        if cell.is_code != (role in ("exercise", "test")):
            needed = "code" if role in ("exercise", "test") else "[markdown]"
            yield Problem(path, cell.line, cell.key, f"a {role}= cell must be a {needed} cell")
        cell_id = f"{role}_{cell.key}" if role in ("test", "hints") else cell.key
        if cell_id in first_use:
            yield Problem(
                path, cell.line, cell.key, f"the id `{cell_id}` is taken by the cell at line {first_use[cell_id].line}"
            )
        first_use.setdefault(cell_id, cell)
        if role in ("test", "written"):
            points = cell.keys.get("points")
            if points is None:
                yield Problem(path, cell.line, cell.key, f'no points; write {role}="{cell.key}" points=2')
            elif isinstance(points, bool) or not isinstance(points, (int, float)) or not 0 < points < float("inf"):
                yield Problem(path, cell.line, cell.key, f"points={points!r}; expected a positive number")


def _check_markers(path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    allowed = {"exercise": SOLUTION, "written": SOLUTION, "test": HIDDEN_TESTS}
    for cell in cells:
        role = next((role for role in allowed if role in cell.keys), "")
        for offset, line in enumerate(cell.source.split("\n"), start=1):
            marker = MARKER.search(line)
            if marker and marker[2] != allowed.get(role):
                place = f"a {role}= cell" if role else "a cell without exercise=, test= or written="
                yield Problem(path, cell.line + offset, cell.key, f"`{marker[0]}` has no meaning in {place}; remove it")
        if role:
            try:
                find_regions(cell.source, allowed[role])
            except MarkerError as error:
                yield Problem(path, cell.line + 1 + error.offset, cell.key, str(error))


def _by_role(cells: Sequence[Cell], role: str) -> dict[str, Cell]:
    """Return key → first cell with this role."""
    found: dict[str, Cell] = {}
    for cell in cells:
        if role in cell.keys:
            found.setdefault(str(cell.keys[role]), cell)
    return found


def _check_pairs(path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    exercises, tests, written = _by_role(cells, "exercise"), _by_role(cells, "test"), _by_role(cells, "written")
    for key, cell in exercises.items():
        if key not in tests:
            yield Problem(path, cell.line, key, f'the exercise has no test cell; add `# %% test="{key}" points=…`')
        elif tests[key].index < cell.index:
            yield Problem(path, tests[key].line, key, "the test cell stands before the answer cell")
    for key, cell in tests.items():
        if key not in exercises:
            yield Problem(path, cell.line, key, f'the test has no answer cell; add `# %% exercise="{key}"`')
    for key, cell in _by_role(cells, "hints").items():
        if key not in exercises and key not in written:
            yield Problem(path, cell.line, key, "the hints belong to no exercise")


def _check_headings(path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    lesson_number = int(path.stem[:2]) if path.stem[:2].isdigit() else 0
    order = 0
    waiting = False
    for cell in cells:
        if not cell.is_code and not cell.key:
            for offset, line in enumerate(cell.source.split("\n"), start=1):
                if not re.match(r"^#+\s*Exercise\b", line):
                    continue
                place = (path, cell.line + offset, "")
                expected = f"### Exercise {lesson_number}.{order + 1} — title"
                if waiting:
                    yield Problem(*place, f"`{line[:40]}` follows an exercise heading that has no answer cell yet")
                order, waiting = order + 1, True
                if not line.startswith(expected[: expected.index("—") + 1]) or not statement_headings(cell):
                    yield Problem(*place, f"the heading is `{line}`; expected `{expected}` (numbers follow the order)")
        elif any(role in cell.keys for role in _GRADED_ROLES):
            if not waiting:
                expected = f"### Exercise {lesson_number}.{order + 1} — title"
                yield Problem(path, cell.line, cell.key, f"no statement before it: a markdown cell with `{expected}`")
                order += 1
            waiting = False
    if waiting:
        yield Problem(path, cells[-1].line, "", "the last exercise heading has no answer cell after it")


def _check_hints(path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    hints = _by_role(cells, "hints")
    for key, cell in _by_role(cells, "exercise").items():
        if key not in hints:
            yield Problem(path, cell.line, key, f'the exercise has no hints; add `# %% [markdown] hints="{key}"`')
    for key, cell in hints.items():
        try:
            parse_hints(cell.source)
        except ValueError as error:
            yield Problem(path, cell.line, key, str(error))


def _statements(source: str) -> list[ast.stmt]:
    """Return a cell's statements that do something: no imports, bare strings or `pass`."""
    idle = (ast.Import, ast.ImportFrom, ast.Pass)
    return [
        node
        for node in parse_code(source).body
        if not isinstance(node, idle) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


def _check_tests(path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    for key, cell in _by_role(cells, "test").items():
        try:
            regions = find_regions(cell.source, HIDDEN_TESTS)
            visible = replace_regions(cell.source, HIDDEN_TESTS)
            visible_statements, all_statements = _statements(visible), _statements(cell.source)
        except (MarkerError, SyntaxError):
            continue  # reported by the checks of markers and of Python
        if not regions or len(all_statements) <= len(visible_statements):
            yield Problem(path, cell.line, key, "no hidden tests between `### BEGIN HIDDEN TESTS` and `### END …`")
        if not visible_statements:
            yield Problem(path, cell.line, key, "no visible tests; a learner needs checks before the hidden ones")


def _check_answers(path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    for key, cell in _by_role(cells, "exercise").items():
        try:
            if not find_regions(cell.source, SOLUTION):
                yield Problem(path, cell.line, key, "no solution markers: `### BEGIN SOLUTION` … `### END SOLUTION`")
            elif not inside_regions(cell.source, SOLUTION).strip():
                yield Problem(path, cell.line, key, "nothing stands between the solution markers")
        except MarkerError:
            continue  # reported by the check of markers
        if "forbid" in cell.keys:
            yield from _check_forbid(path, cells, cell)


def _check_forbid(path: Path, cells: Sequence[Cell], cell: Cell) -> Iterator[Problem]:
    forbidden = str(cell.keys["forbid"]).split()
    if not forbidden:
        yield Problem(path, cell.line, cell.key, "forbid= names nothing")
    for name in forbidden:
        if not _DOTTED_NAME.match(name):
            yield Problem(
                path, cell.line, cell.key, f"forbid= names `{name}`, which is no dotted name such as np.convolve"
            )
    try:
        if not defined_callables(cell.source):
            yield Problem(
                path, cell.line, cell.key, "forbid= needs a function or class at the top level of the answer cell"
            )
    except SyntaxError:
        return
    if not any(_binds(other, "check") for other in cells[: cell.index] if other.is_code and not other.is_demo):
        message = "forbid= is tested with `check.forbids`; import it in a cell before: `from course_lib import check`"
        yield Problem(path, cell.line, cell.key, message)


def _binds(cell: Cell, name: str) -> bool:
    try:
        return name in names_of(cell.source).bound
    except SyntaxError:
        return False


def _check_written(path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    for key, cell in _by_role(cells, "written").items():
        try:
            regions = find_regions(cell.source, SOLUTION)
        except MarkerError:
            continue  # reported by the check of markers
        if len(regions) != 1:
            yield Problem(path, cell.line, key, f"{len(regions)} solution regions; a written question has exactly one")
            continue
        try:
            _, rubric = parse_model_answer(inside_regions(cell.source, SOLUTION))
        except ValueError as error:
            yield Problem(path, cell.line, key, str(error))
            continue
        total, points = sum(points for points, _ in rubric), cell.keys.get("points")
        if isinstance(points, (int, float)) and total != points:
            yield Problem(path, cell.line, key, f"the rubric sums to {total:g} points, the cell has {points:g}")


def _check_python(path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    for cell in cells:
        if not cell.is_code:
            continue
        broken = _syntax_problem(path, cell, cell.source, "the cell is not valid Python")
        if broken:
            yield broken
            continue
        try:
            released = replace_regions(cell.source, SOLUTION, stub_line("1.1", "title"))
            released = replace_regions(released, HIDDEN_TESTS)
        except MarkerError:
            continue  # reported by the check of markers
        if released != cell.source:
            message = "the released cell, with its marked lines taken out, is not valid Python"
            broken = _syntax_problem(path, cell, released, message)
            if broken:
                yield Problem(path, cell.line, cell.key, broken.message)


def _syntax_problem(path: Path, cell: Cell, source: str, message: str) -> Problem | None:
    try:
        parse_code(source)
    except SyntaxError as error:
        text = (error.text or "").strip()
        detail = f": {error.msg} at `{text}`" if text else f": {error.msg}"
        return Problem(path, cell.line + (error.lineno or 0), cell.key, message + detail)
    return None


def _check_demo(path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    readers: dict[tuple[int, int], list[str]] = defaultdict(list)
    by_index = {cell.index: cell for cell in cells}
    for reader, name, demo in demo_dependencies(cells):
        readers[(reader.index, demo.index)].append(name)
    for (reader_index, demo_index), names in readers.items():
        reader, demo = by_index[reader_index], by_index[demo_index]
        message = (
            f"reads {', '.join(names)} from the demo cell at line {demo.line}, which a grader may skip; "
            "set it in a cell without the demo tag, or make this cell a demo too"
        )
        yield Problem(path, reader.line, reader.key, message)
