"""The trusted side of the connection: asks the student's process, and believes none of its words.

Every answer is decoded to plain data, and every object that stays with the student becomes a proxy made here
(``proxies``). What is accepted beyond plain data is what the reference solution needed in the same test.
"""

from __future__ import annotations

import builtins
import contextlib
import inspect
import random
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from . import proxies
from .channel import Channel, ChannelClosedError, DeadlineError, OversizedMessageError
from .codec import MalformedError, Reference, decode, encode
from .descriptions import CLASS, FUNCTION, ITERATOR, OBJECT, importable_name, lookup
from .interface import Interface
from .walking import is_array, is_tensor, mutable_values, replace_leaves, tensors

_MAX_CALLBACK_DEPTH = 20
_MAX_OBJECTS = 1_000_000
_STEPS = ("next", "send")

# Types that an answer may hand over as themselves; the codec knows Python's own and NumPy's numbers.
_KNOWN_TYPES = {"numpy:ndarray": ("numpy", "ndarray"), "torch:Tensor": ("torch", "Tensor")}
_LIBRARIES_WITH_ERRORS = (
    *("builtins", "numpy", "scipy", "torch", "json", "decimal", "course_lib", "librosa", "sklearn"),
    # What the guard in the student's process raises; raised by anybody else it refuses its own author.
    "autograder",
)


class StudentGoneError(BaseException):
    """The student's process has ended. Not an ``Exception``: no test may take it for an answer."""


class StudentTimedOutError(BaseException):
    """The student's process took too long. Not an ``Exception``: no test may take it for an answer."""


class AnswerError(TypeError):
    """An answer handed over something that its exercise does not ask for."""


class AnswerExitedError(RuntimeError):
    """The student's code tried to end the process."""


class Session:
    """A conversation with one student's process."""

    def __init__(self, channel: Channel, interface: Interface | None, namespace: dict[str, Any]) -> None:
        """Begin.

        Args:
            channel: to the student's process.
            interface: what the reference needed; ``None`` records it, and is only for the reference itself.
            namespace: of the trusted notebook.
        """
        self.channel = channel
        self.recorded = Interface() if interface is None else None
        self.interface = interface or Interface()
        self.namespace = namespace
        self.test = ""
        self.exercise: str | None = None
        self.failure: BaseException | None = None
        self.seconds = 0.0
        self.objects: dict[int, Any] = {}
        self.numbers: dict[int, tuple[Any, int]] = {}
        self.callbacks: list[Callable[..., Any]] = []
        self.depth = 0
        self.random_states: dict[str, Any] = {}
        self.fetched: dict[str, Any] = {}
        self.fetching = False
        self.has_graphs = False

    # What the trusted notebook asks for

    def run_cell(self, source: str, name: str, count: int, exercise: str | None) -> dict[str, Any]:
        """Run a cell in the student's process; return its outputs and whether it failed, both to be checked."""
        self.exercise = exercise
        found: dict[str, Any] = self._ask("run", source, name, count, exercise)
        return found

    def fetch(self, names: list[str]) -> None:
        """Bind names of the student's notebook in the trusted one; a name that is not bound there is unbound here."""
        self.fetching = True
        try:
            found = self._ask("values", names)
        finally:
            self.fetching = False
        if type(found) is not dict:
            found = {}
        for name in names:
            pair = found.get(name)
            kind, value = pair if type(pair) is tuple and len(pair) == 2 else ("missing", None)
            self.fetched.pop(name, None)
            if kind == "value":
                self.namespace[name] = self.fetched[name] = value
            elif kind == "unsendable":
                self.namespace[name] = proxies.Unsendable(name, str(value))
            else:
                self.namespace.pop(name, None)

    def bound(self, names: list[str]) -> dict[str, str]:
        """Return which names the reference binds, and to which library's thing."""
        found: dict[str, str] = self._ask("bound", names)
        return found

    def modules(self) -> list[str]:
        """Return the names of the modules that the reference has imported."""
        found: list[str] = self._ask("modules")
        return found

    def call(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a student's function or class."""
        return self._ask("call", number, args, kwargs)

    def get(self, number: int, name: str) -> Any:
        """Read an attribute of a student's object."""
        return self._ask("get", number, name)

    def set(self, number: int, name: str, value: Any) -> None:
        """Set an attribute of a student's object."""
        self._ask("set", number, name, value)

    def delete(self, number: int, name: str) -> None:
        """Delete an attribute of a student's object."""
        self._ask("delete", number, name)

    def special(self, number: int, owner: str, name: str, args: tuple[Any, ...]) -> Any:
        """Apply an operator of a student's object, if the reference's object was asked for the same in this test."""
        if not self.admit_operation(owner, name, args):
            return NotImplemented
        return self._ask("special", number, name, args)

    def admit_operation(self, owner: str, name: str, args: tuple[Any, ...] = ()) -> bool:
        """Say whether an operator may be applied; ``False`` leaves it to Python's other ways to find a result."""
        operands = ", ".join("object" if isinstance(arg, proxies.StudentObject) else "plain" for arg in args)
        operation = f"{owner}.{name}({operands})"
        if self.recorded is not None:
            _note(self.recorded.operations, self.test, operation)
        elif operation not in self.interface.operations.get(self.test, ()):
            if name in proxies.BINARY:
                return False
            raise AnswerError(f"this exercise does not ask for {name} of {owner!r:.80}")
        return True

    def class_of(self, about: Any) -> type:
        """Return the proxy of a class that is described inside another description."""
        number = about.get("number") if type(about) is dict else None
        if type(number) is not int or type(about.get("name")) is not str:
            raise MalformedError("a class without a number")
        made = self.objects.get(number)
        if made is None:
            made = self.objects[number] = proxies.make_class(self, number, about)
            self.numbers[id(made)] = (made, number)
        if not isinstance(made, type):
            raise MalformedError("a class that is none")
        return made

    def resume(self, number: int, how: str, *values: Any) -> Any:
        """Take the next value of a student's generator (``next``, ``send``) or ``close`` it."""
        return self._ask(how, number, *values)

    def backward(self, number: int, gradients: list[Any]) -> list[Any]:
        """Run back through the graph of a call."""
        found: list[Any] = self._ask("backward", number, gradients)
        return found

    def forget_graphs(self) -> None:
        """Let the student's process forget the graphs of the calls so far, if there are any."""
        if self.has_graphs:
            self.has_graphs = False
            self._ask("forget")

    # The conversation

    def _ask(self, what: str, *args: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        started = time.monotonic()
        outermost = self.depth == 0
        try:
            request = {"do": what, "args": args, "exercise": self.exercise, "state": self._state()}
            if replaced := self._replaced_names():
                request["names"] = replaced
            self.channel.send(encode(request, self._to_reference, share=True))
            reply = self._reply()
        except DeadlineError as error:
            self.failure = StudentTimedOutError(str(error))
            raise self.failure from None
        except (ChannelClosedError, OversizedMessageError, MalformedError) as error:
            # Bytes that are no message were not sent by our own code: the process is not what it was.
            self.failure = StudentGoneError(str(error))
            raise self.failure from None
        finally:
            if outermost:
                self.seconds += time.monotonic() - started
        try:
            return self._taken(reply, args)
        except StopIteration as stop:
            if what in _STEPS or args[1:2] == ("__next__",):
                raise
            # Let through, it would end the test's own loops early, as if all were well.
            raise RuntimeError("your code raised StopIteration outside an iterator") from stop

    def _reply(self) -> Mapping[str, Any]:
        while True:
            message = self.received()
            if "callback" not in message:
                return message
            self._serve_callback(message)

    def received(self) -> dict[str, Any]:
        """Return the next message, which must be a dictionary."""
        message = decode(self.channel.receive(), self._from_reference)
        if type(message) is not dict:
            raise MalformedError("a message is no dictionary")
        return message

    def _serve_callback(self, message: Mapping[str, Any]) -> None:
        number, args, kwargs = message.get("callback"), message.get("args"), message.get("kwargs")
        if type(number) is not int or type(args) is not tuple or type(kwargs) is not dict:
            raise MalformedError("a callback in a form that none has")
        if not 0 <= number < len(self.callbacks) or self.depth >= _MAX_CALLBACK_DEPTH:
            raise MalformedError("a callback that no test has handed over")
        self.depth += 1
        try:
            reply = {"returned": self.callbacks[number](*args, **kwargs)}
        except Exception as error:
            args = [arg for arg in error.args if type(arg) in (str, int, float, bool, type(None))]
            reply = {"raised": [_builtin_name(type(error)), args]}
        finally:
            self.depth -= 1
        self.channel.send(encode(reply, self._to_reference, share=True))

    def _taken(self, reply: Mapping[str, Any], args: tuple[Any, ...]) -> Any:
        """Take in a reply: changed arguments, printed text, warnings, and the value or the error."""
        arguments = mutable_values(args)
        for change in _list_of(reply.get("changed", [])):
            index, content = change if type(change) is list and len(change) == 2 else (None, None)
            if type(index) is int and 0 <= index < len(arguments):
                _put_back(arguments[index], self._with_arguments(content, arguments))
        for piece in _list_of(reply.get("printed", [])):
            if type(piece) is list and len(piece) == 2 and all(type(part) is str for part in piece):
                (sys.stderr if piece[0] == "stderr" else sys.stdout).write(piece[1])
        for one in _list_of(reply.get("warned", [])):
            if type(one) is list and len(one) == 2 and all(type(part) is str for part in one):
                category = getattr(builtins, one[0], UserWarning)
                is_warning = isinstance(category, type) and issubclass(category, Warning)
                warnings.warn(one[1], category if is_warning else UserWarning, stacklevel=4)
        if "stop" in reply:
            raise StopIteration(reply["stop"])
        if "error" in reply:
            raise self._error(reply["error"])
        value = self._with_arguments(reply.get("value"), arguments)
        graph = reply.get("graph")
        return self._attach_graph(value, graph, args) if type(graph) is dict else value

    def _with_arguments(self, value: Any, arguments: list[Any]) -> Any:
        if not arguments:
            return value
        return replace_leaves(value, lambda one: _argument(one, arguments) if type(one) is _Argument else one)

    def _attach_graph(self, value: Any, graph: Mapping[str, Any], args: tuple[Any, ...]) -> Any:
        """Join the student's part of a computation to the graph here, so that ``backward`` runs through both."""
        from .gradients import through_student

        self.has_graphs = True
        number, outputs = graph.get("number"), graph.get("outputs")
        found = tensors(value)
        if type(number) is not int or type(outputs) is not list or not all(type(one) is int for one in outputs):
            raise AnswerError("a graph came in a form that no graph has")
        inputs = [one for one in tensors(args) if one.requires_grad]
        joined = [found[index] for index in outputs if 0 <= index < len(found)]
        replaced = through_student(self, number, joined, inputs)
        by_identity = {id(old): new for old, new in zip(joined, replaced, strict=True)}
        return replace_leaves(value, lambda one: by_identity.get(id(one), one))

    # References

    def _to_reference(self, value: Any) -> Reference | None:
        known = self.numbers.get(id(value))
        if known is not None and known[0] is value:
            return Reference("object", known[1])
        if isinstance(value, proxies.StudentObject):
            return Reference("object", proxies.number_of(value))
        if is_array(value) or is_tensor(value):
            return None
        if isinstance(value, type) or inspect.ismodule(value) or callable(value):
            name = importable_name(value)
            if name is not None:
                return Reference("importable", 0, name)
            if callable(value) and not isinstance(value, type):
                self.callbacks.append(value)
                return Reference("callback", len(self.callbacks) - 1, getattr(value, "__name__", "function"))
            return None
        return _generator_reference(value)

    def _from_reference(self, reference: Reference) -> Any:
        if reference.kind == "argument":
            return _Argument(reference.number)
        about = reference.about
        if reference.kind != "object" or type(about) is not dict:
            raise MalformedError(f"a reference of kind {reference.kind!r}")
        number = reference.number
        if number not in self.objects:
            if len(self.objects) > _MAX_OBJECTS:
                raise MalformedError("more objects than any test needs")
            self.objects[number] = proxy = self._new_proxy(number, about)
            if not isinstance(proxy, proxies.StudentObject):
                self.numbers[id(proxy)] = (proxy, number)
        return self.objects[number]

    def _new_proxy(self, number: int, about: Mapping[str, Any]) -> Any:
        kind = about.get("type")
        name = about.get("name")
        if type(name) is not str:
            raise MalformedError("an object without a name")
        if kind == FUNCTION:
            return proxies.make_function(self, number, about)
        if kind == ITERATOR:
            return proxies.make_iterator(self, number)
        if kind == CLASS:
            known = _KNOWN_TYPES.get(str(about.get("importable")))
            if known is not None:
                return lookup(*known)
            return proxies.make_class(self, number, about)
        if kind != OBJECT:
            raise MalformedError(f"an object of kind {kind!r}")
        if self._admits(name):
            return proxies.make_object(self, number, about)
        # Where the reference has a function or a generator, an object that can be called or iterated will do.
        specials = about.get("specials")
        offered = specials if type(specials) is list else []
        if "__next__" in offered:
            return proxies.make_iterator(self, number)
        if "__call__" in offered:
            return proxies.make_function(self, number, about)
        reason = (
            f"your answer handed over an object of the class {name!r:.80}, which this exercise does not ask for: "
            "return plain numbers, text, lists or arrays"
        )
        if self.fetching:
            return proxies.Unsendable(name, reason)
        raise AnswerError(reason)

    def _admits(self, name: str) -> bool:
        """Accept objects of a class only where the reference's answer handed over such objects too."""
        if self.recorded is not None:
            _note(self.recorded.classes, self.test, name)
            return True
        return name in self.interface.classes.get(self.test, ())

    # Errors and state

    def _error(self, described: Any) -> BaseException:
        if type(described) is not dict:
            return AnswerError("an error came in a form that no error has")
        text = described.get("text")
        text = text if type(text) is str else ""
        args = [arg for arg in _list_of(described.get("args", [])) if type(arg) in (str, int, float, bool, type(None))]
        error = self._error_of_class(described, args) or _known_error(_list_of(described.get("types", [])), text, args)
        error.student_traceback = tuple(str(place) for place in _list_of(described.get("places", []))[:40])  # type: ignore[attr-defined]
        return error

    def _error_of_class(self, described: Mapping[str, Any], args: list[Any]) -> BaseException | None:
        kind = described.get("class")
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            return None
        error = kind(*args)
        attributes = described.get("attributes")
        for name, value in attributes.items() if type(attributes) is dict else ():
            if type(name) is str and name.isidentifier() and not name.startswith("_"):
                setattr(error, name, value)
        return error

    def _replaced_names(self) -> dict[str, Any]:
        """Return which of the answer's functions and classes the test has deleted or replaced since it was asked last.

        Tests do so to see whether one answer uses another. Plain values stay here: one of them may be what a test
        expects.
        """
        replaced: dict[str, Any] = {}
        for name, before in list(self.fetched.items()):
            now = self.namespace.get(name, _GONE)
            if now is before:
                continue
            self.fetched[name] = now
            if now is _GONE:
                replaced[name] = ("deleted", None)
            elif callable(now):
                replaced[name] = ("value", now)
        return replaced

    def _state(self) -> dict[str, Any]:
        """Return what of the global state has been set here since the last request: seeds, warnings, gradients.

        The way back is closed: the student's process has no say in the state of the trusted one.
        """
        state: dict[str, Any] = {}
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        states: dict[str, Any] = {"random": random.getstate()}
        if numpy is not None:
            state["errstate"] = numpy.geterr()
            name, keys, *rest = numpy.random.get_state()
            states["numpy"] = (name, keys, *rest)
        if torch is not None:
            state["gradients"] = torch.is_grad_enabled()
            states["torch"] = torch.get_rng_state()
        for name, value in states.items():
            mark = _mark(value)
            if self.random_states.setdefault(name, mark) != mark:
                self.random_states[name] = mark
                state[name] = value
        return state


_GONE = object()


class _Argument:
    """An argument of the call that is being answered."""

    def __init__(self, index: int) -> None:
        self.index = index


def _argument(handed_back: _Argument, arguments: list[Any]) -> Any:
    return arguments[handed_back.index] if handed_back.index < len(arguments) else None


def _mark(value: Any) -> Any:
    if is_tensor(value):
        return value.numpy().tobytes()
    if type(value) is tuple:
        return tuple(part.tobytes() if is_array(part) else part for part in value)
    return value


def _note(where: dict[str, list[str]], test: str, what: str) -> None:
    noted = where.setdefault(test, [])
    if what not in noted:
        noted.append(what)


def _list_of(value: Any) -> list[Any]:
    return value if type(value) is list else []


def _builtin_name(kind: type[BaseException]) -> str:
    return next(base.__name__ for base in kind.__mro__ if base.__module__ == "builtins")


def _known_error(types: list[Any], text: str, args: list[Any]) -> BaseException:
    """Make an error of the nearest class that is known here: a built-in one, or one of an imported library."""
    for full_name in types:
        module, _, name = str(full_name).rpartition(".")
        found = lookup(module, name) if module.partition(".")[0] in _LIBRARIES_WITH_ERRORS else None
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            continue
        if not issubclass(found, Exception):
            return AnswerExitedError(f"your code stopped with {name}: {text}" if text else f"your code raised {name}")
        for arguments in (args, [text]):
            # Some errors cannot be made from a text, or not be read then; the next form or a RuntimeError will do.
            with contextlib.suppress(Exception):
                error = found(*arguments)
                if str(error) == text:
                    return error
    return RuntimeError(text)


def _generator_reference(value: Any) -> Reference | None:
    """Send a random generator as its state: the student's copy draws the same numbers."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) not in (numpy.random.Generator, numpy.random.RandomState):
        return None
    legacy = type(value) is numpy.random.RandomState
    bit_generator = value._bit_generator if legacy else value.bit_generator
    about = {"bit_generator": type(bit_generator).__name__, "state": bit_generator.state, "legacy": legacy}
    return Reference("generator", 0, about)


def _put_back(argument: Any, content: Any) -> None:
    """Write what the student's code made of an argument into the argument itself."""
    if type(argument) is not type(content) and not (is_tensor(argument) and is_tensor(content)):
        raise AnswerError("an argument came back as something else")
    if is_array(argument):
        if argument.shape != content.shape:
            raise AnswerError("your code changed the shape of an argument in place, which a test cannot follow")
        if argument.flags.writeable:
            argument[...] = content
    elif is_tensor(argument):
        argument.detach().copy_(content)
    elif type(argument) is dict or type(argument) is set:
        argument.clear()
        argument.update(content)
    else:
        argument[:] = content
