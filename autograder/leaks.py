"""Finding solutions and hidden tests where students could read them.

A statement counts as leaked if its text, spacing aside, or its parsed form stands anywhere in what is released: cells,
metadata, outputs. Statements too short to give anything away (``return y``) are passed over, and so are the hints,
which are there to give something away.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from autograder.cells import HIDDEN_TESTS, SOLUTION, find_regions, inside_regions, parse_code, plain_python
from autograder.source import Lesson

SHORTEST_STATEMENT: Final = 6
"""Fewest names, numbers, strings and operators of a statement that could give an answer away."""

SHORTEST_REMARK: Final = 4
"""Fewest words of a comment, a string or a line of a written answer that could give an answer away."""


@dataclass(frozen=True)
class Secret:
    """Something that must not reach students."""

    key: str
    kind: str
    text: str


@dataclass(frozen=True)
class Leak:
    """A secret, and the cell (or other place) of the release where it stands."""

    secret: Secret
    place: str
    cell: int | None = None
    """Index of the cell, if it is one."""

    def __str__(self) -> str:
        """Say what leaked where."""
        return f"{self.secret.kind} of `{self.secret.key}` stands in {self.place}: `{self.secret.text}`"


def find_leaks(notebook: Any, lesson: Lesson) -> list[Leak]:
    """Look for a lesson's solutions and hidden tests in a notebook.

    Args:
        notebook: what students would be given: nbformat 4 with sources as strings.
        lesson: its source.
    Returns:
        Every leak; empty if there is none.
    """
    leaks = []
    secrets = lesson_secrets(lesson)
    hint_ids = {f"hints_{key}" for key in lesson.keys}
    for index, cell in enumerate(notebook["cells"]):
        place = f"cell {index + 1} (id {cell.get('id', 'none')})"
        shown = [text for part, text in _strings(cell) if part != "source" or cell.get("id") not in hint_ids]
        code = cell["source"] if cell["cell_type"] == "code" else ""
        leaks += [Leak(secret, place, index) for secret in _found_in(secrets, shown, code)]
    elsewhere = [text for _, text in _strings(notebook.get("metadata", {}))]
    leaks += [Leak(secret, "the notebook's metadata") for secret in _found_in(secrets, elsewhere, "")]
    return leaks


def leaks_in_text(text: str, secrets: list[Secret], *, is_python: bool) -> list[Secret]:
    """Return which secrets stand in a file's text."""
    return _found_in(secrets, [text], text if is_python else "")


def lesson_secrets(lesson: Lesson) -> list[Secret]:
    """List what of a lesson must not reach students.

    Hidden statements that the same lesson shows in a visible test are no secret.
    """
    shown = {_squeeze(text) for exercise in lesson.exercises for text in _statements(exercise.visible_test)}
    secrets = []
    for exercise in lesson.exercises:
        answer = lesson.cells[exercise.answer_index].source
        hidden = [*_region_statements(exercise.test, HIDDEN_TESTS), *_remarks(exercise.hidden_test)]
        secrets += [Secret(exercise.key, "a solution line", text) for text in _region_statements(answer, SOLUTION)]
        secrets += [
            Secret(exercise.key, "a solution remark", text)
            for text in _remarks(inside_regions(answer, SOLUTION))
            if _squeeze(text) not in _squeeze(exercise.stub)
        ]
        secrets += [
            Secret(exercise.key, "a hidden test", text)
            for text in hidden
            if _squeeze(text) not in shown and _squeeze(text) not in _squeeze(exercise.visible_test)
        ]
    for item in lesson.written:
        lines = [*item.model_answer.split("\n"), *(text for _, text in item.rubric)]
        secrets += [
            Secret(item.key, "a line of the model answer or rubric", line.strip())
            for line in lines
            if len(line.split()) >= SHORTEST_REMARK
        ]
    return secrets


def _found_in(secrets: list[Secret], texts: list[str], code: str) -> list[Secret]:
    squeezed = [_squeeze(text) for text in texts]
    parsed = {_squeeze(text) for text in _statements(code)} if code else set()
    return [
        secret
        for secret in secrets
        if (needle := _squeeze(secret.text)) in parsed or any(needle in text for text in squeezed)
    ]


def _squeeze(text: str) -> str:
    """Drop what can change without changing the meaning to a reader: spacing, and the kind of quotes."""
    return re.sub(r"\s+", "", text).replace('"', "'")


def _strings(value: Any, part: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string in a JSON value with the name of the top-level part that it stands in."""
    if isinstance(value, str):
        yield part, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield part, str(name)
            yield from _strings(inner, part or str(name))
    elif isinstance(value, (list, tuple)):
        joined = [inner for inner in value if isinstance(inner, str)]
        if len(joined) > 1:
            yield part, "".join(joined)
        for inner in value:
            yield from _strings(inner, part)


def _region_statements(cell_source: str, name: str) -> list[str]:
    """Return the statements of a whole cell that stand in its regions of this name."""
    regions = find_regions(cell_source, name)
    return [
        text
        for line, text in _numbered_statements(cell_source)
        if any(region.begin < line - 1 < region.end for region in regions)
    ]


def _statements(code: str) -> list[str]:
    return [text for _, text in _numbered_statements(code)]


def _numbered_statements(code: str) -> list[tuple[int, str]]:
    """Return (line, normalised text) of every telling statement; of a compound one its first line."""
    try:
        tree = parse_code(code)
    except SyntaxError:
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            text = ast.unparse(node)
            if hasattr(node, "body"):
                text = next(line for line in text.split("\n") if not line.startswith("@"))
            if _weight(text) >= SHORTEST_STATEMENT:
                found.append((node.lineno, text))
    return found


def _weight(statement: str) -> int:
    """Count a statement's names, numbers, strings and operators; keywords, brackets, commas and ``=`` weigh nothing."""
    weightless = {*keyword.kwlist, *"()[]{},.:;="}
    weighty = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING, tokenize.OP)
    return sum(token.type in weighty and token.string not in weightless for token in _tokens(statement))


def _remarks(code: str) -> list[str]:
    """Return the comments and strings of some code that are sentences rather than names."""
    remarks = []
    for token in _tokens(plain_python(code)):
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip("# ")
        elif token.type == tokenize.STRING:
            text = token.string.strip("rbfuRBFU\"'")
        elif tokenize.tok_name[token.type] == "FSTRING_MIDDLE":  # Python 3.12 takes f-strings apart
            text = token.string
        else:
            continue
        if len(text.split()) >= SHORTEST_REMARK:
            remarks.append(text)
    return remarks


def _tokens(code: str) -> list[tokenize.TokenInfo]:
    """Return the tokens of a piece of code; an indented or unfinished piece gives those before the break."""
    tokens: list[tokenize.TokenInfo] = []
    try:
        tokens.extend(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, IndentationError):
        return _tokens_line_by_line(code)
    return tokens


def _tokens_line_by_line(code: str) -> list[tokenize.TokenInfo]:
    tokens: list[tokenize.TokenInfo] = []
    for line in code.split("\n"):
        try:
            tokens.extend(list(tokenize.generate_tokens(io.StringIO(line.strip()).readline)))
        except (tokenize.TokenError, IndentationError):
            continue
    return tokens
