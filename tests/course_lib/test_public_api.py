"""The contract of course_lib's public interface: docstrings, type hints, import time, and what importing pulls in."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

import course_lib

# Modules that support the lessons rather than implement their algorithms: no equation, cost or paper to name.
TOOL_MODULES = {"data", "listen", "plots", "check", "validation", "constants"}
LABELS = ["Equation", "Args", "Attributes", "Returns", "Raises", "Cost", "Reference", "Lesson"]
HEAVY_PACKAGES = ["torch", "librosa", "pyroomacoustics", "matplotlib.pyplot", "IPython", "scipy.signal", "pandas"]
# What these define is built of PyTorch's classes, so they import it; nothing that is light may import them in turn.
TORCH_MODULES = {"course_lib.aec.echo_models"}
TORCH_PACKAGES = {"course_lib.models"}
IMPORT_LIMIT_S = 1.0


def public_modules() -> list[str]:
    """Name every module of the package whose path holds no leading underscore, the package itself first."""
    found = (module.name for module in pkgutil.walk_packages(course_lib.__path__, "course_lib."))
    return ["course_lib", *(name for name in found if not any(part.startswith("_") for part in name.split(".")))]


def is_tool(module_name: str) -> bool:
    parts = module_name.split(".")
    return len(parts) < 2 or parts[1] in TOOL_MODULES


def needs_torch(module_name: str) -> bool:
    return module_name in TORCH_MODULES or module_name.rpartition(".")[0] in TORCH_PACKAGES


def public_objects(module: ModuleType) -> Iterator[tuple[str, Any, type | None]]:
    """Yield name, function or class or method, and for a method its class, of all that the module itself defines."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield name, value, None
            for method_name, method in vars(value).items():
                function = method.fget if isinstance(method, property) else getattr(method, "__func__", method)
                if not method_name.startswith("_") and inspect.isfunction(function):
                    yield f"{name}.{method_name}", function, value
        elif callable(value):
            yield name, inspect.unwrap(value), None


def sections(docstring: str) -> dict[str, str]:
    """Cut a docstring into its labelled sections; the text before the first label has the key ''."""
    found: dict[str, str] = {"": ""}
    label = ""
    for line in inspect.cleandoc(docstring).splitlines():
        match = re.match(rf"({'|'.join(LABELS)}):(.*)", line)
        if match:
            label = match[1]
            found[label] = match[2].strip() + "\n"
        else:
            found[label] += line + "\n"
    return found


def documented_names(args_section: str) -> dict[str, str]:
    """Return the entries of an Args section: name and text."""
    entries: dict[str, str] = {}
    name = ""
    for line in args_section.splitlines():
        match = re.match(r" {4}\*{0,2}(\w+)(?: \([^)]*\))?:(.*)", line)
        if match:
            name = match[1]
            entries[name] = match[2]
        elif name:
            entries[name] += line
    return entries


def parameters_of(value: Any) -> list[inspect.Parameter]:
    function = vars(value).get("__init__") if inspect.isclass(value) else value
    if not inspect.isfunction(function) or (inspect.isclass(value) and hasattr(value, "__dataclass_fields__")):
        return []
    return [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]


def holds_array(annotation: Any) -> bool:
    return bool(re.search(r"\b(NDArray|ArrayLike|ndarray|Tensor)\b", str(annotation)))


def is_simple_record(value: Any) -> bool:
    """Tell whether a class only groups fields: it has a purpose and a lesson, and no algorithm."""
    return inspect.isclass(value) and (
        issubclass(value, tuple) or hasattr(value, "__dataclass_fields__") or not parameters_of(value)
    )


def faults(name: str, value: Any, *, tool: bool, method_of: type | None = None) -> list[str]:
    """List where a public function, class or method breaks the docstring contract."""
    docstring = inspect.getdoc(value) if inspect.isclass(value) else value.__doc__
    if not docstring:
        return [f"{name}: no docstring"]
    if inspect.isclass(value) and "__doc__" in vars(value) and not vars(value)["__doc__"]:
        return [f"{name}: no docstring of its own"]
    found = sections(docstring)
    parameters = parameters_of(value)
    wrong: list[str] = []

    purpose = found[""].split("\n\n")[0].strip()
    if not re.search(r"\w\W* \w.*[.:]$", purpose, re.DOTALL):
        wrong.append("begins with no sentence of purpose")
    if inspect.isclass(value) and issubclass(value, BaseException):
        return [f"{name}: {fault}" for fault in wrong]  # its name and one sentence say it all
    order = [label for label in found if label]
    if order != sorted(order, key=LABELS.index):
        wrong.append(f"labels stand in the order {order}, expected that of {LABELS}")

    required: list[str] = []
    if parameters:
        required.append("Args")
    source_raises = (
        re.search(r"^\s*raise ", inspect.getsource(value), re.MULTILINE) if not inspect.isclass(value) else None
    )
    if inspect.isroutine(value):
        returned = str(inspect.signature(value).return_annotation)
        is_property = isinstance(vars(method_of or object).get(name.rpartition(".")[2]), property)
        if not is_property and not re.match(r"(None|NoReturn|Never|Iterator|Generator)\b", returned):
            required.append("Returns")
        if source_raises:
            required.append("Raises")
    if method_of is None:
        required.append("Lesson")
        if not tool and not is_simple_record(value):
            required += ["Equation", "Raises", "Cost", "Reference"]
    wrong += [
        f"no section {label}" for label in sorted(set(required), key=LABELS.index) if not found.get(label, "").strip()
    ]

    if "Lesson" in found and not re.match(r"\d{2} §\d+\b", found["Lesson"]):
        wrong.append(f'"Lesson: {found["Lesson"].strip()}" names no lesson and section, as in "Lesson: 01 §2"')
    if "Args" in found:
        entries = documented_names(found["Args"])
        wrong += [f"Args misses {p.name}" for p in parameters if p.name not in entries]
        known = {p.name for p in parameters}
        wrong += [f"Args has {entry}, which is no parameter" for entry in entries if parameters and entry not in known]
        for p in parameters:
            if not tool and holds_array(p.annotation) and "shape" not in entries.get(p.name, "shape"):
                wrong.append(f"Args gives no shape for {p.name}")
    if not tool and inspect.isroutine(value) and "Returns" in found:
        returns_array = str(inspect.signature(value).return_annotation).startswith("NDArray")
        if returns_array and "shape" not in found["Returns"]:
            wrong.append("Returns gives no shape")

    if inspect.isroutine(value):
        wrong += [f"{p.name} has no type hint" for p in parameters if p.annotation is inspect.Parameter.empty]
        if inspect.signature(value).return_annotation is inspect.Signature.empty:
            wrong.append("its result has no type hint")
    elif inspect.isclass(value):
        wrong += [f"{p.name} has no type hint" for p in parameters if p.annotation is inspect.Parameter.empty]
    return [f"{name}: {fault}" for fault in wrong]


def faults_of_module(module_name: str) -> list[str]:
    module = importlib.import_module(module_name)
    wrong = [] if module.__doc__ else [f"{module_name}: the module has no docstring"]
    for name, value, method_of in public_objects(module):
        wrong += faults(f"{module_name}.{name}", value, tool=is_tool(module_name), method_of=method_of)
    return wrong


@pytest.mark.parametrize("module_name", public_modules())
def test_public_interface_is_documented_and_typed(module_name):
    wrong = faults_of_module(module_name)
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_walk_sees_the_library():
    """An empty walk would pass the test above."""
    assert {"course_lib.convolution", "course_lib.stft", "course_lib.metrics"} <= set(public_modules())
    names = {name for name, _, _ in public_objects(importlib.import_module("course_lib.stft"))}
    assert {"stft", "istft", "StreamingSTFT", "StreamingSTFT.push", "StreamingSTFT.flush"} <= names
    assert not any(name.startswith("_") for name in names)


# --- the enforcer itself: a good docstring passes, and each way of breaking it is seen ----------------------------


def good(x: ArrayLike, gain: float) -> NDArray[np.float64]:
    """Amplify a signal.

    Equation: y[n] = g x[n]

    Args:
        x: signal, shape (..., n_samples).
        gain: factor g.
    Returns:
        y, shape (..., n_samples).
    Raises:
        ValueError: if x is empty.
    Cost: O(N).
    Reference: a textbook, §1.
    Lesson: 01 §2
    """
    raise ValueError(x, gain)


def altered(change: Callable[[str], str]) -> Callable[..., Any]:
    def copy(x: ArrayLike, gain: float) -> NDArray[np.float64]:
        raise ValueError(x, gain)

    copy.__annotations__ = good.__annotations__
    copy.__doc__ = change(str(good.__doc__))
    return copy


def test_a_good_docstring_passes():
    assert faults("good", good, tool=False) == []
    assert faults("altered", altered(lambda text: text), tool=False) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Amplify a signal.", "amplify a signal", "sentence of purpose"),
        ("Equation: y[n] = g x[n]", "", "no section Equation"),
        ("Returns:\n        y, shape (..., n_samples).", "", "no section Returns"),
        ("Raises:\n        ValueError: if x is empty.", "", "no section Raises"),
        ("Cost: O(N).", "", "no section Cost"),
        ("Cost: O(N).", "Cost:", "no section Cost"),
        ("Reference: a textbook, §1.", "", "no section Reference"),
        ("Lesson: 01 §2", "", "no section Lesson"),
        ("Lesson: 01 §2", "Lesson: first", "names no lesson"),
        ("gain: factor g.", "factor g.", "Args misses gain"),
        ("gain: factor g.", "gain: factor g.\n        level: unused.", "Args has level"),
        ("x: signal, shape (..., n_samples).", "x: signal.", "no shape for x"),
        ("y, shape (..., n_samples).", "y.", "Returns gives no shape"),
        ("Cost: O(N).\n    Reference: a textbook, §1.", "Reference: a textbook, §1.\n    Cost: O(N).", "in the order"),
    ],
)
def test_a_bad_docstring_is_seen(old, new, fault):
    assert old in str(good.__doc__)
    wrong = faults("altered", altered(lambda text: text.replace(old, new)), tool=False)
    assert len(wrong) == 1
    assert fault in wrong[0]


def test_a_missing_docstring_or_type_hint_is_seen():
    def bare(x, gain):
        raise ValueError(x, gain)

    assert faults("bare", bare, tool=True) == ["bare: no docstring"]
    bare.__doc__ = good.__doc__
    assert {"bare: x has no type hint", "bare: gain has no type hint", "bare: its result has no type hint"} <= set(
        faults("bare", bare, tool=True)
    )


def test_classes_and_methods_are_held_to_the_contract_too():
    class Stream:
        """Amplify a stream.

        Lesson: 01 §5
        """

        def __init__(self, gain: float) -> None:
            """Start."""
            self.gain = gain

        def push(self, block: ArrayLike) -> NDArray[np.float64]:
            """Amplify a block."""
            return self.gain * np.asarray(block)

    wrong = faults("Stream", Stream, tool=False)
    assert [fault.removeprefix("Stream: no section ") for fault in wrong] == [
        "Equation",
        "Args",
        "Raises",
        "Cost",
        "Reference",
    ]
    assert faults("Stream.push", Stream.push, tool=False, method_of=Stream) == [
        "Stream.push: no section Args",
        "Stream.push: no section Returns",
    ]


# --- importing --------------------------------------------------------------------------------------------------

IMPORT_SCRIPT = """
import sys, time
start = time.process_time()  # what the import costs, not what else the machine does
import {module}
elapsed_s = time.process_time() - start
print(elapsed_s, *[name for name in {heavy!r} if name in sys.modules])
"""


def import_fresh(module_name: str) -> tuple[float, list[str]]:
    """Import a module in a fresh interpreter; return the seconds it took and the heavy packages it pulled in."""
    script = IMPORT_SCRIPT.format(module=module_name, heavy=HEAVY_PACKAGES)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    elapsed_s, *heavy = result.stdout.split()
    return float(elapsed_s), heavy


@pytest.mark.parametrize("module_name", public_modules())
def test_importing_is_quick_and_light(module_name):
    best_s = np.inf
    for _ in range(3):
        elapsed_s, heavy = import_fresh(module_name)
        if needs_torch(module_name):
            heavy = [name for name in heavy if name != "torch"]
            elapsed_s = 0.0  # PyTorch's own time, which whoever trains a network can spare
        assert not heavy, f"import {module_name} pulls in {heavy}: import them inside the functions that need them"
        best_s = min(best_s, elapsed_s)
        if best_s < IMPORT_LIMIT_S:
            break
    assert best_s < IMPORT_LIMIT_S, f"import {module_name} took {best_s:.2f} s at best"


def test_a_heavy_import_is_seen():
    _, heavy = import_fresh("scipy.signal")
    assert heavy == ["scipy.signal"]
