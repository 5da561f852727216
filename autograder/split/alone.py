"""A learner's own interpreter: runs one notebook's cells in this process and reports each as it ends.

Started as ``python -m autograder.split.alone``. Its work comes as one line of JSON on its standard input; it reports
in lines of JSON on its standard output, before and after every cell. Nothing is confined: it is the learner's own
machine and code. Whoever started it sees to the time that cells take.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from .interface import read_names
from .waiting import import_when_used
from .without_collection import without_collection

WAITING: Final = ("torch", "matplotlib.pyplot", "scipy.signal", "librosa", "numpy.f2py", "numpy.testing")
"""What a first cell or a library imports for later; a learner who has not come that far need not wait for it."""

_COLLECTIONS: Final = (50_000, 20, 100)
"""Thresholds of the garbage collector: at its own, it would search the libraries' lasting objects again and again."""

_REPORTED: Final = ("error", "execute_result")


def main() -> None:
    """Run the notebook that standard input asks for."""
    with without_collection():
        from .shell import make_shell

        shell = make_shell()
    work = sys.stdin.buffer.readline()
    if not work:
        # Nobody wants it any more.
        return
    task = json.loads(work)
    report = _take_streams()
    os.chdir(task["folder"])
    report({"ready": True})
    cells: list[Mapping[str, Any]] = task["cells"]
    _load_libraries_beside(cells)
    import_when_used(WAITING)
    gc.set_threshold(*_COLLECTIONS)
    # As in Jupyter, modules that lie beside the notebook can be imported.
    sys.path.insert(0, "")
    for cell in cells:
        report({"begins": cell["index"]})
        started = time.monotonic()
        result = shell.run_notebook_cell(cell["source"], f"<cell {cell['index'] + 1}>", cell["index"] + 1)
        report(
            {
                "ended": cell["index"],
                "failed": result.error is not None,
                "outputs": [_shown(one) for one in result.outputs if one["output_type"] in _REPORTED],
                "seconds": time.monotonic() - started,
            }
        )
    report({"finished": True})
    # What threads and exit handlers of the notebook still want to do is nothing that anybody waits for.
    os._exit(0)


def _take_streams() -> Callable[[Mapping[str, Any]], None]:
    """Keep standard output for reports, so that nothing a cell starts can write between them; return how to report."""
    reports = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as this process lives

    def report(message: Mapping[str, Any]) -> None:
        reports.write(json.dumps(message).encode() + b"\n")

    return report


def _shown(output: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a report says of an output: errors, and of results their text."""
    if output["output_type"] == "error":
        return dict(output)
    return {**output, "data": {"text/plain": str(output["data"].get("text/plain", ""))}}


def _load_libraries_beside(cells: Iterable[Mapping[str, Any]]) -> None:
    """Load the compiled part of torch in a thread of its own where an exercise will use it.

    The dynamic linker needs half a second for it and, asked through ``ctypes``, does not hold up the interpreter.
    """
    if any("torch" in read_names(cell["source"]) for cell in cells if cell["role"] in ("answer", "extra", "test")):
        threading.Thread(target=_load_torch_libraries, daemon=True).start()


def _load_torch_libraries() -> None:
    found = importlib.util.find_spec("torch")
    for place in (found.submodule_search_locations or ()) if found is not None else ():
        for name in ("torch_cpu", "torch_python"):
            for path in Path(place, "lib").glob(f"lib{name}.[ds]*"):
                # Only a head start: where it fails, importing torch says why.
                with contextlib.suppress(OSError):
                    ctypes.CDLL(str(path))


if __name__ == "__main__":
    main()
