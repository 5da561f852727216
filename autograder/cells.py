"""The cells of a lesson source: reading them with their place in the file, and taking marked regions apart."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

SOLUTION: Final = "SOLUTION"
HIDDEN_TESTS: Final = "HIDDEN TESTS"
MARKER: Final = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)")
"""What nbgrader looks for anywhere in a line."""

CELL_KEYS: Final = ("exercise", "test", "points", "written", "hints", "tags", "forbid")
TAGS: Final = ("demo", "raises-exception", "nbval-skip", "nbval-ignore-output", "nbval-raises-exception")
HINT_STAGES: Final = ("concept", "structure", "line")
STATEMENT_HEADING: Final = re.compile(r"^### Exercise (\d+)\.(\d+) — (\S.*)$", re.MULTILINE)
TEXT_STUB: Final = "YOUR ANSWER HERE"
"""nbgrader's own stub for written answers, kept so that its tools recognise an empty answer."""

_JUPYTEXT_KEYS = ("cell_marker", "lines_to_next_cell")
_CELL_MARKER = re.compile(r"^# %%(\s|$)")
_STRING_TAGS = re.compile(r'^(# %%.*\btags=)"([^"]*)"', re.MULTILINE)
_RUBRIC_ITEM = re.compile(r"^- (\d+(?:\.\d+)?) points?: (\S.*)$")


@dataclass(frozen=True)
class Problem:
    """One thing that keeps a source from being released, with its place."""

    path: Path
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        """Give ``file:line [key] message``."""
        key = f" [{self.key}]" if self.key else ""
        return f"{self.path}:{self.line}{key} {self.message}"


class SourceError(ValueError):
    """Sources that cannot be released; ``problems`` holds all that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems in the order of their places."""
        self.problems = sorted(problems, key=lambda problem: (str(problem.path), problem.line, problem.message))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class Cell:
    """One cell of a source: ``line`` is that of its ``# %%`` marker, ``keys`` what stands behind the marker."""

    index: int
    line: int
    cell_type: str
    source: str
    keys: Mapping[str, Any]

    @property
    def tags(self) -> tuple[str, ...]:
        """The cell's tags; one string may name several, separated by spaces or commas."""
        tags = self.keys.get("tags", ())
        return tuple(re.split(r"[\s,]+", tags)) if isinstance(tags, str) else tuple(tags)

    @property
    def is_demo(self) -> bool:
        """Whether a grader may skip the cell."""
        return "demo" in self.tags

    @property
    def is_code(self) -> bool:
        """Whether the cell holds code."""
        return self.cell_type == "code"

    @property
    def key(self) -> str:
        """The exercise or written question that the cell belongs to, or the empty string."""
        for role in ("exercise", "test", "written", "hints"):
            if role in self.keys:
                return str(self.keys[role])
        return ""


def read_cells(path: Path) -> tuple[dict[str, Any], list[Cell]]:
    """Read a py:percent file.

    Args:
        path: the file.
    Returns:
        The notebook metadata of the file's header, and the cells with their lines.
    Raises:
        SourceError: if the file is not UTF-8 or its cells cannot be told apart.
    """
    import jupytext

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError([Problem(path, 1, "", f"is not UTF-8 text: {error}. Save it as UTF-8.")]) from error
    marker_lines = [number for number, line in enumerate(text.split("\n"), start=1) if _CELL_MARKER.match(line)]
    # jupytext wants a list; the course writes tags="demo".
    notebook = jupytext.reads(_STRING_TAGS.sub(_tags_as_list, text), fmt="py:percent")
    found = list(notebook.cells)
    if found and not found[0].source.strip() and len(found) == len(marker_lines) + 1:
        del found[0]  # blank lines before the first marker
    if len(found) != len(marker_lines):
        where = marker_lines[0] if marker_lines else 1
        message = (
            f"has {len(marker_lines)} lines that start with `# %%` but {len(found)} cells. Begin every cell "
            "with a marker, put the header under `jupyter:`, and indent a `# %%` that stands in a string."
        )
        raise SourceError([Problem(path, where, "", message)])
    cells = []
    for index, (line, cell) in enumerate(zip(marker_lines, found, strict=True)):
        keys = {name: value for name, value in cell.metadata.items() if name not in _JUPYTEXT_KEYS}
        cells.append(Cell(index, line, cell.cell_type, cell.source, keys))
    return dict(notebook.metadata), cells


def _tags_as_list(match: re.Match[str]) -> str:
    return match[1] + json.dumps([tag for tag in re.split(r"[\s,]+", match[2]) if tag])


class MarkerError(ValueError):
    """Region markers that do not pair up; ``offset`` counts lines from the start of the cell."""

    def __init__(self, offset: int, message: str) -> None:
        """Keep where in the cell the first bad marker stands."""
        self.offset = offset
        super().__init__(message)


@dataclass(frozen=True)
class Region:
    """A marked region; ``begin`` and ``end`` are the indices of its two marker lines."""

    begin: int
    end: int


def find_regions(source: str, name: str) -> list[Region]:
    """Find the regions between ``### BEGIN name`` and ``### END name``.

    Args:
        source: text of a cell.
        name: ``SOLUTION`` or ``HIDDEN TESTS``.
    Returns:
        The regions, in order.
    Raises:
        MarkerError: if markers of this name are nested, unpaired or not written exactly so.
    """
    regions, begin = [], None
    for offset, line in enumerate(source.split("\n")):
        marker = MARKER.search(line)
        if marker is None or marker[2] != name:
            continue
        if line.strip() != f"### {marker[0]}":
            raise MarkerError(offset, f"write the marker alone on its line, as `### {marker[0]}`, not `{line.strip()}`")
        if marker[1] == "BEGIN":
            if begin is not None:
                raise MarkerError(offset, f"`### BEGIN {name}` stands inside a region that is still open")
            begin = offset
        else:
            if begin is None:
                raise MarkerError(offset, f"`### END {name}` has no `### BEGIN {name}` before it")
            regions.append(Region(begin, offset))
            begin = None
    if begin is not None:
        raise MarkerError(begin, f"`### BEGIN {name}` has no `### END {name}` after it")
    return regions


def inside_regions(source: str, name: str) -> str:
    """Return the lines inside the regions of this name, without their markers."""
    lines = source.split("\n")
    return "\n".join(line for region in find_regions(source, name) for line in lines[region.begin + 1 : region.end])


def replace_regions(source: str, name: str, stub: str | None = None) -> str:
    """Return the source with every region of this name replaced by a stub at its indentation, or removed."""
    lines = source.split("\n")
    for region in reversed(find_regions(source, name)):
        begin_line = lines[region.begin]
        indentation = begin_line[: len(begin_line) - len(begin_line.lstrip())]
        lines[region.begin : region.end + 1] = [] if stub is None else [indentation + stub]
    return "\n".join(lines)


def without_markers(source: str) -> str:
    """Return the source with the marker lines dropped and what they enclose kept."""
    return "\n".join(line for line in source.split("\n") if not MARKER.search(line))


def stub_line(number: str, title: str) -> str:
    """Return the line that stands in a released answer cell, naming the exercise."""
    return f"raise NotImplementedError({json.dumps(f'Exercise {number}: {title}', ensure_ascii=False)})"


def plain_python(source: str) -> str:
    """Return a notebook cell's source with IPython's magics rewritten as calls, so that Python can parse it."""
    return _transform(source)


@lru_cache(maxsize=4096)
def _transform(source: str) -> str:
    from IPython.core.inputtransformer2 import TransformerManager

    transformer: Any = TransformerManager  # IPython leaves it untyped
    return str(transformer().transform_cell(source))


def parse_code(source: str) -> ast.Module:
    """Parse a notebook cell, magics included; a ``SyntaxError`` tells the line in the cell."""
    return ast.parse(plain_python(source))


def defined_callables(source: str) -> list[str]:
    """Return the names of the functions and classes that a code cell defines at its top level."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in parse_code(source).body if isinstance(node, kinds)]


def parse_hints(source: str) -> tuple[str, ...]:
    """Split a hints cell into its three stages.

    Args:
        source: paragraphs that start ``concept:``, ``structure:`` and ``line:``, in this order.
    Returns:
        The three texts, labels removed.
    Raises:
        ValueError: if a stage is missing, empty, repeated or out of order, or text stands before the first.
    """
    labels: list[str] = []
    texts: list[list[str]] = []
    for line in source.split("\n"):
        label = re.match(r"^(concept|structure|line):\s*", line)
        if label:
            labels.append(label[1])
            texts.append([line[label.end() :]])
        elif texts:
            texts[-1].append(line)
        elif line.strip():
            raise ValueError(f"the hints start with {line.strip()[:40]!r}, expected `concept:`")
    if tuple(labels) != HINT_STAGES:
        found = ", ".join(labels) or "none"
        raise ValueError(
            f"the hints have the stages {found}; expected concept, structure, line, once each, in this order"
        )
    stages = tuple("\n".join(text).strip() for text in texts)
    for label_name, stage in zip(HINT_STAGES, stages, strict=True):
        if not stage:
            raise ValueError(f"the hint `{label_name}:` is empty")
    return stages


def parse_model_answer(region: str) -> tuple[str, tuple[tuple[float, str], ...]]:
    """Split the solution region of a written question into the model answer and the rubric.

    Args:
        region: text that holds a ``**Rubric**`` line, and below it items ``- 1 point: …``, ``- 2 points: …``.
    Returns:
        The model answer, and the rubric's items as (points, text).
    Raises:
        ValueError: if there is no model answer, no rubric, or a rubric line without points.
    """
    answer, heading, rubric = region.partition("**Rubric**")
    if not heading:
        raise ValueError("no `**Rubric**` stands in the solution region")
    if not answer.strip():
        raise ValueError("no model answer stands before the rubric")
    items: list[tuple[float, str]] = []
    for line in rubric.split("\n"):
        item = _RUBRIC_ITEM.match(line)
        if item:
            items.append((float(item[1]), item[2].strip()))
        elif line.startswith("-"):
            raise ValueError(f"the rubric item {line[:40]!r} does not start `- 1 point: ` or `- 2 points: `")
        elif line.strip(" :") and items:
            points, text = items[-1]
            items[-1] = (points, f"{text} {line.strip()}")
    if not items:
        raise ValueError("the rubric has no items; write each as `- 1 point: what earns it`")
    return answer.strip(), tuple(items)


def statement_headings(cell: Cell) -> list[re.Match[str]]:
    """Return the exercise headings of a markdown cell."""
    return [] if cell.is_code else list(STATEMENT_HEADING.finditer(cell.source))


def statement_title(heading: re.Match[str]) -> str:
    """Return an exercise's title from its heading, without a closing note of points, minutes or kind in brackets."""
    return re.sub(r"\s*\([^()]*\b(?:points?|min|minutes?|written)\b[^()]*\)$", "", heading[3].strip())
