"""An IPython shell without a kernel: runs a notebook's cells in this process and keeps what each displayed.

The student's process, the trusted process and a learner's own check all run cells with it, so that magics,
``display`` and top-level ``await`` mean what they mean in Jupyter.
"""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

MORE_OUTPUT = "... more output than is kept ..."
_MAX_ERROR_CHARACTERS = 20_000
_CELL = "<cell "


@dataclass
class CellResult:
    """What one cell did: its outputs (as nbformat keeps them) and the error it stopped with."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    error: BaseException | None = None


@dataclass
class OutputKeeper:
    """Keeps what a cell displays, up to a number of bytes and of displays."""

    max_bytes: int = 2 * 2**20
    max_displays: int = 200
    outputs: list[dict[str, Any]] = field(default_factory=list)
    _bytes: int = 0

    def begin(self) -> None:
        """Forget the outputs of the cell before."""
        self.outputs = []
        self._bytes = 0

    def write(self, name: str, text: str) -> None:
        """Keep text printed to ``stdout`` or ``stderr``; text of one stream in a row is one output."""
        if self._bytes > self.max_bytes:
            return
        room = self.max_bytes - self._bytes
        self._bytes += len(text) + 1
        if len(text) > room:
            text = text[:room] + MORE_OUTPUT
        last = self.outputs[-1] if self.outputs else None
        if last is not None and last["output_type"] == "stream" and last["name"] == name:
            last["pieces"].append(text)
        else:
            self.outputs.append({"output_type": "stream", "name": name, "pieces": [text]})

    def show(self, output: dict[str, Any]) -> None:
        """Keep a display or a result."""
        if self._bytes > self.max_bytes:
            return
        size = sum(len(value) for value in output.get("data", {}).values() if isinstance(value, str))
        shown = sum(one["output_type"] != "stream" for one in self.outputs)
        if shown >= self.max_displays or self._bytes + size > self.max_bytes:
            self.write("stdout", MORE_OUTPUT)
            self._bytes = self.max_bytes + 1
            return
        self._bytes += size
        self.outputs.append(output)

    def finished(self) -> list[dict[str, Any]]:
        """Return the outputs with each stream's pieces joined."""
        joined = []
        for output in self.outputs:
            if "pieces" in output:
                output = {"output_type": "stream", "name": output["name"], "text": "".join(output["pieces"])}
            joined.append(output)
        return joined


class _Stream(io.TextIOBase):
    """What ``sys.stdout`` and ``sys.stderr`` are while cells run."""

    def __init__(self, name: str, keeper: OutputKeeper) -> None:
        super().__init__()
        self._name = name
        self._keeper = keeper

    def write(self, text: str) -> int:
        self._keeper.write(self._name, str(text))
        return len(text)

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"


class _Publisher(DisplayPublisher):
    """Takes what ``display`` publishes."""

    keeper: OutputKeeper

    def publish(self, data: dict[str, Any], *_: Any, **__: Any) -> None:
        kept = {str(kind): value for kind, value in data.items() if isinstance(value, (str, dict, list))}
        self.keeper.show({"output_type": "display_data", "data": kept, "metadata": {}})

    def clear_output(self, wait: bool = False) -> None:
        self.keeper.begin()


class _ResultHook(DisplayHook):
    """Takes the value of a cell's last line."""

    keeper: OutputKeeper

    def start_displayhook(self) -> None: ...

    def write_output_prompt(self) -> None: ...

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        count = self.shell.execution_count if self.shell is not None else 0
        data = {str(kind): value for kind, value in format_dict.items() if isinstance(value, str)}
        self.keeper.show({"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": count})

    def finish_displayhook(self) -> None: ...


class _CellNames(CachingCompiler):
    """Names the code of a cell after the cell, so that a traceback says which one."""

    current = "<cell>"

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        return self.current


class NotebookShell(InteractiveShell):
    """The shell of one notebook; create it with ``make_shell``."""

    keeper: OutputKeeper
    error: BaseException | None = None

    def showtraceback(self, *_: Any, **__: Any) -> None:
        """Keep the error for ``run_notebook_cell``: one inside a cell magic is in no result."""
        self.error = sys.exc_info()[1]

    showsyntaxerror = showtraceback

    def enable_gui(self, gui: str | None = None) -> None:
        """There is no screen."""

    def ask_exit(self) -> None:
        """``exit()`` ends a cell; a notebook is ended by whoever runs it."""
        raise SystemExit("exit() was called")

    def plain_source(self, source: str) -> str:
        """Return a cell's source as plain Python, its magics turned into calls."""
        return str(self.transform_cell(source))  # type: ignore[no-untyped-call]

    def run_notebook_cell(self, source: str, name: str, count: int) -> CellResult:
        """Run one cell.

        Args:
            source: of the cell, with magics.
            name: of its code in tracebacks, such as ``<cell 7>``.
            count: execution count, as in ``In [7]``.
        Returns:
            Its outputs, an ``error`` output last if it stopped, and the error itself.
        """
        self.keeper.begin()
        compiler = self.compile
        assert isinstance(compiler, _CellNames)
        compiler.current = name
        self.execution_count = count
        self.error = None
        with _streams(self.keeper):
            result = self.run_cell(source, store_history=False, silent=False)  # type: ignore[no-untyped-call]
        error = result.error_before_exec or result.error_in_exec or self.error
        if isinstance(error, BaseException):
            self.keeper.outputs.append(error_output(error, name, count))
        return CellResult(self.keeper.finished(), error if isinstance(error, BaseException) else None)


def make_shell(*, max_output_bytes: int = 2 * 2**20, max_displays: int = 200) -> NotebookShell:
    """Return the process's shell, ready for a notebook."""
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.display_page = True
    config.InteractiveShell.autocall = 0
    keeper = OutputKeeper(max_output_bytes, max_displays)
    shell: NotebookShell = NotebookShell.instance(config=config)
    shell.compile = _CellNames()  # type: ignore[no-untyped-call]
    shell.keeper = keeper
    shell.display_pub = _Publisher(parent=shell, shell=shell)  # type: ignore[no-untyped-call]
    shell.display_pub.keeper = keeper
    shell.displayhook = _ResultHook(parent=shell, shell=shell)  # type: ignore[no-untyped-call]
    shell.displayhook.keeper = keeper
    shell.display_trap.hook = shell.displayhook
    return shell


@contextlib.contextmanager
def _streams(keeper: OutputKeeper) -> Iterator[None]:
    with (
        contextlib.redirect_stdout(_Stream("stdout", keeper)),
        contextlib.redirect_stderr(_Stream("stderr", keeper)),
    ):
        yield


def error_output(error: BaseException, cell_name: str, count: int) -> dict[str, Any]:
    """Return an error as nbformat keeps it, with the lines of cells that led to it and nothing of the libraries."""
    name, text = type(error).__name__, safe_text(error)
    # What came from the student's process must not tell where the test stopped: its words are the student's.
    rendered = None if hasattr(error, "student_traceback") else getattr(error, "_render_traceback_", None)
    lines = _own_rendering(rendered) if callable(rendered) else None
    if lines is None:
        lines = [*_cell_lines(error, cell_name, count), *remote_lines(error), f"{name}: {text}"]
    return {"output_type": "error", "ename": name, "evalue": text, "traceback": lines}


def _own_rendering(render: Any) -> list[str] | None:
    try:
        return [str(line)[:_MAX_ERROR_CHARACTERS] for line in render()]
    except Exception:
        # An exception that cannot draw itself is shown as any other.
        return None


def _cell_lines(error: BaseException, cell_name: str, count: int) -> list[str]:
    places = []
    # Where the error came from the student's process, its own lines say more than the proxies' frames here.
    remote = bool(remote_lines(error))
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if name == cell_name:
            places.append(f"Cell In[{count}], line {line}, in {frame.f_code.co_name}")
        elif name.startswith(_CELL) and not remote:
            places.append(_place(frame, line))
    if isinstance(error, SyntaxError) and not places:
        # The cell itself could not be read; one that is raised while it runs may name any line it likes.
        return [f"Cell In[{count}], line {error.lineno}", (error.text or "").rstrip()]
    return _first_and_last(places)


def remote_lines(error: BaseException) -> list[str]:
    """Return the lines of the student's cells at which an error that came from there was raised."""
    lines = getattr(error, "student_traceback", ())
    return [str(line) for line in lines] if isinstance(lines, (list, tuple)) else []


def cell_places(trace: TracebackType | None) -> list[str]:
    """Return ``cell 4, line 2, in double`` for every frame of a cell in a traceback."""
    return _first_and_last(
        [_place(frame, line) for frame, line in traceback.walk_tb(trace) if frame.f_code.co_filename.startswith(_CELL)]
    )


def _place(frame: FrameType, line: int) -> str:
    return f"{frame.f_code.co_filename.strip('<>')}, line {line}, in {frame.f_code.co_name}"


def _first_and_last(places: list[str]) -> list[str]:
    """Leave out the middle of an endless recursion."""
    return places[:20] + places[20:][-20:]


def safe_text(error: BaseException) -> str:
    """Return an error's text, bounded, even where its ``__str__`` fails."""
    try:
        text = str(error)
    except Exception:
        return f"<{type(error).__name__} whose text cannot be read>"
    return text[:_MAX_ERROR_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
