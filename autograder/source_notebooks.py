"""The instructor's notebook of any nbgrader course: read, brought up to date, checked, and released.

What nbgrader's ``generate_assignment`` does is done here with nbgrader's own steps and the course's own settings, in
memory: no gradebook, no kernel and no file of the course is touched.
"""

from __future__ import annotations

import copy
import json
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .course_config import CourseConfig, CourseError
from .notebook_files import metadata_node, read_notebook

if TYPE_CHECKING:
    from nbformat import NotebookNode

SCHEMA: Final = 3
"""The version of nbgrader's cell metadata that everything here works on."""

_NOT_RELEASING: Final = frozenset({"IncludeHeaderFooter", "InstantiateTests", "SaveCells", "CheckCellMetadata"})
_PYTHON_NAMES: Final = ("python", "ipython")
_OTHER_KERNELS: Final = {"ir": "R", "julia": "Julia", "octave": "Octave", "sagemath": "Sage", "bash": "bash"}


def read_source(path: Path, config: CourseConfig, assignment: str) -> NotebookNode:
    """Return the instructor's notebook as nbgrader would grade it: with header and footer, tests instantiated.

    Raises:
        CourseError: if it cannot be graded; the message names the notebook, the cell and the remedy.
    """
    notebook = read_authored(path)
    delimiter = str(config.setting("InstantiateTests", "autotest_delimiter", "AUTOTEST"))
    if any(cell.cell_type == "code" and delimiter in cell.source for cell in notebook.cells):
        path = config.folder("source_with_tests", ".", assignment) / path.name
        if not path.is_file():
            raise CourseError(
                f"{assignment}/{path.name} writes its tests with {delimiter}. Run `nbgrader generate_source_with_tests "
                f"{assignment}` once: grading then uses {path}."
            )
        notebook = read_authored(path)
    notebook.cells = [*_shared_cells(config, "header"), *notebook.cells, *_shared_cells(config, "footer")]
    _name_cells(notebook)
    check_source(notebook, f"{assignment}/{path.name}")
    return notebook


def _shared_cells(config: CourseConfig, place: str) -> list[NotebookNode]:
    """Return the cells of the header or footer that nbgrader puts into every notebook of the course."""
    name = str(config.setting("IncludeHeaderFooter", place, ""))
    return list(read_authored(config.root / name).cells) if name else []


def read_authored(path: Path) -> NotebookNode:
    """Read a notebook of the instructor's, with nbgrader's metadata of any age brought up to date."""
    try:
        with warnings.catch_warnings():
            # Ids that are missing are made up below, the same in every run.
            warnings.simplefilter("ignore")
            notebook = read_notebook(path)
        _forget_made_up_ids(notebook, json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CourseError(f"{path} is not a readable notebook: {error}.") from error
    for cell in notebook.cells:
        marked = cell.metadata.get("nbgrader")
        if marked is not None and (not isinstance(marked, dict) or marked.get("schema_version") != SCHEMA):
            _upgrade(cell, path)
    return notebook


def _forget_made_up_ids(notebook: NotebookNode, stated: Any) -> None:
    """Take away the ids that nbformat makes up, others each time, for cells that have none or another cell's."""
    cells = stated.get("cells", [])
    known: set[Any] = set()
    for index, cell in enumerate(notebook.cells):
        # A notebook of nbformat 3 has its cells elsewhere, and no ids at all.
        own = cells[index].get("id") if index < len(cells) else None
        if own is None or own in known:
            cell.pop("id", None)
        known.add(own)


def _upgrade(cell: NotebookNode, path: Path) -> None:
    """Bring one cell's metadata up to date as ``nbgrader update`` does."""
    marked = cell.metadata.nbgrader
    if not isinstance(marked, dict):
        raise CourseError(f"{path}: a cell's nbgrader metadata is a {type(marked).__name__}: {_first_line(cell)!r}.")
    version = marked.get("schema_version", 0)
    if not isinstance(version, int) or version > SCHEMA:
        raise CourseError(
            f"{path} has nbgrader metadata of schema {version!r}; versions up to {SCHEMA} are known here. "
            "It was written by a newer nbgrader."
        )
    if version == 0:
        points = marked.pop("points", 0) if marked.get("grade") else marked.pop("points", None) and 0
        marked |= {key: bool(marked.get(key, False)) for key in ("grade", "solution", "locked")}
        if not any(marked[key] for key in ("grade", "solution", "locked")):
            del cell.metadata["nbgrader"]
            return
        if marked["grade"]:
            marked["points"] = max(0.0, _number(points or 0))
    if version < 2 and "checksum" in marked:
        marked.setdefault("cell_type", cell.cell_type)
    marked["schema_version"] = SCHEMA


def _name_cells(notebook: NotebookNode) -> None:
    """Give every cell an id, as nbformat 4.5 wants it: header, body and footer may be of different ages."""
    taken: set[str] = set()
    for index, cell in enumerate(notebook.cells):
        if cell.get("id") is None or cell["id"] in taken:
            cell["id"] = f"given-{index}"
        taken.add(cell["id"])
    notebook.nbformat_minor = max(5, notebook.nbformat_minor)


def check_source(notebook: NotebookNode, name: str) -> None:
    """Refuse a notebook that cannot be graded.

    Raises:
        CourseError: if it is not for Python, or a cell's nbgrader metadata is incomplete or contradicts another's.
    """
    language = language_of(notebook)
    if language.lower().rstrip("0123456789.") not in _PYTHON_NAMES:
        raise CourseError(
            f"{name} is written in {language}: this grader runs Python notebooks only. "
            "Grade this one with nbgrader's own autograde."
        )
    seen: dict[str, int] = {}
    for number, cell in enumerate(notebook.cells, start=1):
        marked = cell.metadata.get("nbgrader", {})
        if not any(marked.get(key) for key in ("grade", "solution", "locked", "task")):
            continue
        where = f"{name}, cell {number} ({_first_line(cell)!r})"
        key = marked.get("grade_id")
        if not isinstance(key, str) or not key:
            raise CourseError(f"{where} has no grade id: give it one in nbgrader's cell toolbar.")
        if key in seen:
            raise CourseError(
                f"{where} has the grade id {key!r} of cell {seen[key]}: ids must differ. A copied cell keeps its id: "
                "change one of them in nbgrader's cell toolbar."
            )
        seen[key] = number
        if marked.get("grade") or marked.get("task"):
            points = _number(marked.get("points"))
            if not (math.isfinite(points) and points >= 0):
                raise CourseError(f"{where} has {marked.get('points')!r} points: give it a number from 0.")


def language_of(notebook: NotebookNode) -> str:
    """Return the language a notebook is written in, as far as it says; Python where it does not."""
    kernel = notebook.metadata.get("kernelspec", {})
    stated = kernel.get("language") or notebook.metadata.get("language_info", {}).get("name")
    if stated:
        return str(stated)
    name = str(kernel.get("name", "python3")).lower()
    return next((language for known, language in _OTHER_KERNELS.items() if name.startswith(known)), "python")


def derive_release(source: NotebookNode, config: CourseConfig, name: str) -> NotebookNode:
    """Return what students get of a notebook, by nbgrader's own steps with the course's settings.

    Raises:
        CourseError: if nbgrader's steps refuse the notebook, as a solution that is begun and not ended.
    """
    from .gradebook import quiet_nbgrader

    released = copy.deepcopy(source)
    resources: dict[str, Any] = {}
    with quiet_nbgrader():
        for step in _release_steps(config):
            try:
                released, resources = step(config=config.settings).preprocess(released, resources)
            except (RuntimeError, ValueError, KeyError, AttributeError) as error:
                raise CourseError(f"{name} cannot be released ({step.__name__}: {error}).") from error
    return released


def _release_steps(config: CourseConfig) -> Iterator[Any]:
    """Yield the course's steps from source to release, but for those done already or done to the gradebook."""
    from nbgrader import preprocessors
    from traitlets.utils.importstring import import_item

    ordinary = ("LockCells", "ClearSolutions", "ClearOutput", "ClearHiddenTests", "ClearMarkScheme", "ComputeChecksums")
    default = [getattr(preprocessors, name) for name in ordinary]
    for stated in config.setting("GenerateAssignment", "preprocessors", default):
        step = import_item(stated) if isinstance(stated, str) else stated
        if isinstance(step, type) and not _NOT_RELEASING & {base.__name__ for base in step.__mro__}:
            yield step


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _first_line(cell: NotebookNode) -> str:
    text = str(cell.source).strip().partition("\n")[0]
    return text if len(text) <= 60 else text[:60] + "…"


def kernelspec_of(notebook: NotebookNode) -> NotebookNode:
    """Return the kernel that a notebook asks for, or the ordinary one."""
    ordinary = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return metadata_node(dict(notebook.metadata.get("kernelspec", ordinary)))
