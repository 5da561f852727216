"""The student's side: runs answer cells, keeps what they define, and does with it what the trusted side asks.

Everything here runs in the student's process and may be tampered with by the student's code. It is therefore
only a convenience for honest answers: whatever it sends is read by the trusted side as plain data, of which
nothing needs to be true.
"""

from __future__ import annotations

import contextlib
import gc
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

from .channel import Channel
from .codec import Reference, decode, encode
from .descriptions import describe, import_named, importable_name, is_iterator, library_base
from .operations import apply_operation
from .shell import NotebookShell, cell_places, safe_text
from .walking import is_array, is_tensor, mutable_values, replace_leaves, tensors

_MAX_PRINTED = 200_000
_MAX_WARNINGS = 100


class _Stay:
    """Marks a value that is sent as a reference although it could be copied, such as an argument handed back."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference


class StudentSide:
    """Serves one submission's process until the trusted side closes the connection."""

    channel: Channel

    def __init__(self, shell: NotebookShell, kept_classes: tuple[str, ...] = ()) -> None:
        """Prepare the process.

        Args:
            shell: in which cells run.
            kept_classes: names of classes whose objects stay here even if they derive from a list or a number.
        """
        self.shell = shell
        self.kept_classes = kept_classes
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.graphs: dict[int, tuple[list[Any], list[Any]]] = {}
        self.exercise_of_cell: dict[str, str] = {}
        self.active_exercise: str | None = None
        self.printed: list[tuple[str, str]] = []
        self.printed_characters = 0
        self.warned: list[tuple[str, str]] = []
        self.commands: dict[str, Callable[..., Any]] = {
            "run": self.run,
            "bound": self.bound,
            "modules": lambda: sorted(sys.modules),
            "values": self.values,
            "call": self.call,
            "get": lambda number, name: getattr(self.objects[number], name),
            "set": lambda number, name, value: setattr(self.objects[number], name, value),
            "delete": lambda number, name: delattr(self.objects[number], name),
            "special": lambda number, name, args: apply_operation(self.objects[number], name, args),
            "next": lambda number: next(self.objects[number]),
            "send": lambda number, value: self.objects[number].send(value),
            "close": self.close_iterator,
            "backward": self.backward,
            "forget": self.graphs.clear,
        }

    def serve(self, channel: Channel) -> None:
        """Answer the requests of the trusted side until there are no more."""
        self.channel = channel
        while True:
            # Only the trusted side may send one mutable value twice and expect it to arrive as one.
            request = decode(self.channel.receive(), self._from_reference, share=True)
            self.channel.send(self._answer(request))

    def exercise_of_frame(self, frame: FrameType) -> str | None:
        """Return the exercise whose cell a frame's code stands in; ``None`` for libraries and given cells."""
        return self.exercise_of_cell.get(frame.f_code.co_filename)

    def _answer(self, request: Mapping[str, Any]) -> bytes:
        self.printed, self.printed_characters, self.warned = [], 0, []
        arguments = mutable_values(request["args"])
        before = [_snapshot(one) for one in arguments]
        reply: dict[str, Any] = {}
        try:
            with self._conditions(request):
                result = self.commands[request["do"]](*request["args"])
            reply["value"] = self._with_arguments(result, arguments)
            if graph := self._graph_of(result, request["args"]):
                reply["graph"] = graph
        except StopIteration as stop:
            reply["stop"] = stop.value
        except BaseException as error:
            # Whatever the student's code raises, exits and interrupts included, is an answer to the request.
            reply["error"] = self._described_error(error)
        changed = [
            [index, self._with_arguments(_content(one), arguments, top=False)]
            for index, (one, old) in enumerate(zip(arguments, before, strict=True))
            if _has_changed(one, old)
        ]
        if changed:
            reply["changed"] = changed
        if self.printed:
            reply["printed"] = [list(piece) for piece in self.printed]
        if self.warned:
            reply["warned"] = [list(one) for one in self.warned]
        try:
            return encode(reply, self._to_reference)
        except BaseException as error:
            # Describing a student's object can run code of the student's, whose failure is an answer as well.
            told = {"types": ["builtins.TypeError"], "text": f"your answer cannot be handed over: {safe_text(error)}"}
            return encode({"error": told})

    def run(self, source: str, name: str, count: int, exercise: str | None) -> dict[str, Any]:
        """Run a cell; ``exercise`` is the one it answers, empty for an extra cell, ``None`` for a given one."""
        if exercise is not None:
            self.exercise_of_cell[name] = exercise
        self.active_exercise = exercise
        result = self.shell.run_notebook_cell(source, name, count)
        gc.collect(0)
        return {"outputs": result.outputs, "failed": result.error is not None}

    def bound(self, names: list[str]) -> dict[str, Any]:
        """Say how each name is bound, for recording what a reference solution defines."""
        found: dict[str, Any] = {}
        for name in names:
            if name in self.shell.user_ns:
                found[name] = importable_name(self.shell.user_ns[name]) or ""
        return found

    def values(self, names: list[str]) -> dict[str, Any]:
        """Return the values of names that are bound; one that cannot be sent is described by its type's name."""
        found: dict[str, Any] = {}
        for name in names:
            if name not in self.shell.user_ns:
                continue
            value = self.shell.user_ns[name]
            try:
                encode(value, self._to_reference)
                found[name] = ("value", value)
            except Exception as error:
                found[name] = ("unsendable", safe_text(error))
        return found

    def call(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function or construct an object."""
        return self.objects[number](*args, **kwargs)

    def close_iterator(self, number: int) -> None:
        """End a generator early."""
        close = getattr(self.objects[number], "close", None)
        if close is not None:
            close()

    def backward(self, number: int, gradients: list[Any]) -> list[Any]:
        """Run back through a call's graph; return the gradients of its tensor arguments."""
        import torch

        inputs, outputs = self.graphs[number]
        pairs = [(out, gradient) for out, gradient in zip(outputs, gradients, strict=True) if gradient is not None]
        before = [None if one.grad is None else one.grad.clone() for one in inputs]
        for one in inputs:
            one.grad = None
        torch.autograd.backward([out for out, _ in pairs], [gradient for _, gradient in pairs], retain_graph=True)
        found = [one.grad for one in inputs]
        for one, old in zip(inputs, before, strict=True):
            one.grad = old
        return found

    def _graph_of(self, result: Any, args: Any) -> dict[str, Any] | None:
        """Keep a call's graph if its result can be differentiated on the trusted side."""
        found = tensors(result)
        outputs = [index for index, one in enumerate(found) if one.grad_fn is not None]
        if not outputs:
            return None
        number = len(self.graphs)
        inputs = [one for one in tensors(args) if one.requires_grad and one.is_leaf]
        self.graphs[number] = (inputs, [found[index] for index in outputs])
        return {"number": number, "outputs": outputs}

    def _with_arguments(self, value: Any, arguments: list[Any], *, top: bool = True) -> Any:
        """Name arguments that are handed back, so that ``f(x) is x`` stays true."""
        if not arguments:
            return value
        stay = {id(one): _Stay(Reference("argument", index)) for index, one in enumerate(arguments)}
        if not top:
            stay.pop(id(value), None)
        return replace_leaves(value, lambda one: stay.get(id(one), one), lambda one: id(one) in stay)

    def _to_reference(self, value: Any) -> Reference | None:
        if type(value) is _Stay:
            return value.reference
        kind = type(value)
        if is_array(value) or is_tensor(value):
            return None
        if not self._stays(value, kind):
            return None
        about = describe(value, self._number)
        if isinstance(value, type) and value.__module__ != "__main__":
            about["importable"] = importable_name(value)
        return Reference("object", self._number(value), about)

    def _stays(self, value: Any, kind: type) -> bool:
        plain_base = isinstance(value, (int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset))
        if kind.__module__ == "__main__" and kind.__name__ in self.kept_classes:
            return True
        if isinstance(value, BaseException) or plain_base:
            return False
        if is_iterator(value):
            return True
        return callable(value) or kind.__module__ == "__main__" or not _looks_plain(kind)

    def _number(self, thing: Any) -> int:
        number = self.numbers.get(id(thing))
        if number is None:
            number = len(self.objects)
            # Kept for the life of the process, so that the identity cannot be given to another object.
            self.objects.append(thing)
            self.numbers[id(thing)] = number
        return number

    def _from_reference(self, reference: Reference) -> Any:
        if reference.kind == "object":
            return self.objects[reference.number]
        if reference.kind == "importable":
            return import_named(reference.about)
        if reference.kind == "generator":
            return _random_generator(reference.about)
        return _Callback(self, reference.number, str(reference.about))

    def call_back(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function of the trusted side's test from inside one of the student's."""
        self.channel.send(encode({"callback": number, "args": args, "kwargs": kwargs}, self._to_reference))
        while True:
            request = decode(self.channel.receive(), self._from_reference, share=True)
            if "returned" in request:
                return request["returned"]
            if "raised" in request:
                kind = getattr(sys.modules["builtins"], request["raised"][0], RuntimeError)
                raise kind(*request["raised"][1])
            kept = self.printed, self.printed_characters, self.warned
            self.channel.send(self._answer(request))
            self.printed, self.printed_characters, self.warned = kept

    def _described_error(self, error: BaseException) -> dict[str, Any]:
        mro = [f"{base.__module__}.{base.__qualname__}" for base in type(error).__mro__]
        described: dict[str, Any] = {
            "types": mro[:20],
            "text": safe_text(error),
            "places": cell_places(error.__traceback__),
            "args": [arg if type(arg) in (str, int, float, bool, type(None)) else None for arg in error.args[:10]]
            if isinstance(error.args, tuple)
            else [],
        }
        kind = type(error)
        if kind.__module__ == "__main__":
            described["class"] = _Stay(Reference("object", self._number(kind), describe(kind, self._number)))
            described["attributes"] = {
                str(name): value
                for name, value in list(getattr(error, "__dict__", {}).items())[:20]
                if type(value) in (str, int, float, bool, type(None))
            }
        return described

    @contextlib.contextmanager
    def _conditions(self, request: Mapping[str, Any]) -> Iterator[None]:
        """Put this process into the state that the test cell has set: seeds, error handling, gradients."""
        state = request.get("state") or {}
        self.active_exercise = request.get("exercise", self.active_exercise)
        for name, (kind, value) in (request.get("names") or {}).items():
            if kind == "deleted":
                self.shell.user_ns.pop(name, None)
            else:
                self.shell.user_ns[name] = value
        _set_random_states(state)
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        with contextlib.ExitStack() as stack:
            if numpy is not None and "errstate" in state:
                stack.enter_context(numpy.errstate(**state["errstate"]))
            if torch is not None and "gradients" in state:
                stack.enter_context(torch.set_grad_enabled(state["gradients"]))
            if request["do"] != "run":
                stack.enter_context(contextlib.redirect_stdout(_Printed(self, "stdout")))
                stack.enter_context(contextlib.redirect_stderr(_Printed(self, "stderr")))
                stack.callback(setattr, warnings, "showwarning", warnings.showwarning)
                warnings.showwarning = self._note_warning
            yield

    def note_printed(self, name: str, text: str) -> None:
        """Keep what a function printed during a call, within bounds."""
        room = _MAX_PRINTED - self.printed_characters
        if room > 0:
            self.printed.append((name, text[:room]))
            self.printed_characters += len(text)

    def _note_warning(self, message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if len(self.warned) < _MAX_WARNINGS:
            self.warned.append((category.__name__, str(message)[:2_000]))


class _Callback:
    """A function of the test, as the student's code sees it."""

    def __init__(self, side: StudentSide, number: int, name: str) -> None:
        self.__name__ = self.__qualname__ = name
        self._side = side
        self._callback_number = number

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._side.call_back(self._callback_number, args, kwargs)


class _Printed:
    """Stands for ``sys.stdout`` during a call."""

    encoding = "utf-8"

    def __init__(self, side: StudentSide, name: str) -> None:
        self._side = side
        self._name = name

    def write(self, text: str) -> int:
        self._side.note_printed(self._name, str(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return False


def _looks_plain(kind: type) -> bool:
    """Say whether the codec may be able to copy values of a library's class."""
    return kind.__module__.partition(".")[0] in ("builtins", "numpy", "torch", "datetime", "decimal", "fractions") and (
        not library_base(kind)
    )


def _random_generator(about: Mapping[str, Any]) -> Any:
    """Make a generator in the state that the test's own generator is in."""
    import numpy as np

    name = about["bit_generator"]
    if name not in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"):
        raise ValueError(f"unknown bit generator {name!r}")
    bit_generator = getattr(np.random, name)()
    bit_generator.state = about["state"]
    return np.random.RandomState(bit_generator) if about["legacy"] else np.random.Generator(bit_generator)


def _set_random_states(state: Mapping[str, Any]) -> None:
    if "random" in state:
        random.setstate(state["random"])
    if "numpy" in state and "numpy" in sys.modules:
        sys.modules["numpy"].random.set_state(state["numpy"])
    if "torch" in state and "torch" in sys.modules:
        sys.modules["torch"].set_rng_state(state["torch"])


def _snapshot(value: Any) -> Any:
    if is_array(value):
        return value.copy()
    if is_tensor(value):
        return value.detach().clone()
    return list(value.items()) if isinstance(value, dict) else list(value)


def _content(value: Any) -> Any:
    return value.detach() if is_tensor(value) else value


def _has_changed(value: Any, before: Any) -> bool:
    if is_array(value):
        same_form = value.shape == before.shape and value.dtype == before.dtype
        return not same_form or value.tobytes() != before.tobytes()
    if is_tensor(value):
        if value.shape != before.shape or value.dtype != before.dtype:
            return True
        torch = sys.modules["torch"]
        return not bool(torch.equal(value.detach().contiguous().view(-1), before.contiguous().view(-1))) and not bool(
            torch.equal(torch.nan_to_num(value.detach()), torch.nan_to_num(before))
        )
    now = list(value.items()) if isinstance(value, dict) else list(value)
    if len(now) != len(before):
        return True
    if isinstance(value, dict):
        return any(a[0] is not b[0] or a[1] is not b[1] for a, b in zip(now, before, strict=True))
    return any(a is not b for a, b in zip(now, before, strict=True))
