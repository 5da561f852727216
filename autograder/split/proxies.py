"""What the trusted notebook holds in place of a student's functions, classes, objects and generators.

A function's proxy is a real Python function and a class's proxy a real class, made here, so that
``inspect``, ``isinstance`` and ``pytest.raises`` work as an author expects, and nothing of the student's can
run in this process.
"""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

from .descriptions import SPECIAL_METHODS

if TYPE_CHECKING:
    from .session import Session

_ARITHMETIC: Final = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor"
_COMPARISONS: Final = "eq ne lt le gt ge"
BINARY: Final = frozenset(
    [f"__{side}{name}__" for name in _ARITHMETIC.split() for side in ("", "r", "i")]
    + [f"__{name}__" for name in _COMPARISONS.split()]
)
"""Operators that may answer ``NotImplemented``, after which Python tries its other ways."""

_PLAIN_RESULTS: Final = {"__bool__": bool, "__hash__": int, "__len__": int, "__str__": str, "__repr__": str}


class StudentObject:
    """An object that stays in the student's process; see ``make_class`` for how its attributes are reached."""

    def __getattribute__(self, name: str) -> Any:
        """Ask for an attribute, except for what Python itself needs of an object."""
        if name.startswith("__") and name.endswith("__"):
            return object.__getattribute__(self, name)
        if name.startswith(("_repr_", "_ipython_")):
            # What a notebook looks for to draw a value: a test's value may be its score.
            raise AttributeError(name)
        return _session_of(self).get(number_of(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute in the student's process."""
        _session_of(self).set(number_of(self), name, value)

    def __delattr__(self, name: str) -> None:
        """Delete an attribute in the student's process."""
        _session_of(self).delete(number_of(self), name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Refuse to be copied or stored: the object itself is not here."""
        raise TypeError("an object of the student's cannot be copied: call its own methods instead")

    def __repr__(self) -> str:
        """Name the class; the student's own ``__repr__`` is asked only where the reference's was."""
        return f"<{type(self).__name__} of the answer>"


class Unsendable:
    """Stands for a variable whose value cannot cross; it equals nothing and answers nothing."""

    def __init__(self, name: str, reason: str) -> None:
        """Keep why."""
        self.name = name
        self.reason = reason

    def __repr__(self) -> str:
        """Say what it stands for."""
        return f"<{self.name}, which cannot be handed to a test: {self.reason}>"


def number_of(thing: StudentObject) -> int:
    """Return the number under which the student's process keeps an object."""
    number = object.__getattribute__(thing, "__dict__")["_number"]
    assert isinstance(number, int)
    return number


def _session_of(thing: StudentObject) -> Session:
    session: Session = object.__getattribute__(thing, "__dict__")["_session"]
    return session


def make_function(session: Session, number: int, about: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a function that calls the student's."""

    def answer(*args: Any, **kwargs: Any) -> Any:
        return session.call(number, args, kwargs)

    name = _name(about)
    code = answer.__code__.replace(co_name=name, co_qualname=name)
    place = about.get("place")
    if type(place) is list and len(place) == 2 and type(place[0]) is str and type(place[1]) is int:
        file_name, line = place
        if file_name.startswith("<cell ") and 0 < line < 1_000_000:
            # The source of that name is what stands in the submission, so inspect.getsource tells the truth.
            code = code.replace(co_filename=file_name, co_firstlineno=line)
    function = FunctionType(code, session.namespace, name, None, answer.__closure__)
    _dress(function, about)
    function.__forbidden_calls_read__ = True  # type: ignore[attr-defined]
    return function


def make_iterator(session: Session, number: int) -> Iterator[Any]:
    """Return a generator that takes its values from the student's."""

    def values() -> Generator[Any, Any, Any]:
        how, sent = "next", None
        while True:
            try:
                value = session.resume(number, how) if how == "next" else session.resume(number, how, sent)
            except StopIteration as stop:
                return stop.value
            try:
                sent = yield value
            except GeneratorExit:
                session.resume(number, "close")
                raise
            how = "next" if sent is None else "send"

    return values()


class _StudentClass(type):
    """The class of classes that stay in the student's process."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        session, number = _home(cls)
        if cls.__dict__["_home"][1] is None:
            return type.__call__(cls, *args, **kwargs)
        return session.call(number, args, kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        session, number = _home(cls)
        return session.get(number, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        session, number = _home(cls)
        session.set(number, name, value)


class _StudentError(_StudentClass):
    """The class of a student's exception classes: their instances are made here, so that they can be raised here."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return type.__call__(cls, *args)


def make_class(session: Session, number: int, about: Mapping[str, Any]) -> type:
    """Return a class that stands for the student's: calling it constructs an object there."""
    base = about.get("base")
    bases = tuple(dict.fromkeys(session.class_of(one) for one in _list(about.get("bases"))))
    name = _name(about)
    error = getattr(builtins, base, None) if type(base) is str else None
    namespace: dict[str, Any] = {"__module__": "__main__", "__qualname__": name, "_home": (session, number)}
    if isinstance(error, type) and issubclass(error, Exception):
        made: type = _StudentError(name, bases or (error,), namespace)
        _dress(made, about)
        return made
    namespace |= _forwarded_methods(session, name, about)
    if base == "module" and "torch" in sys.modules:
        bases = bases or (StudentObject, sys.modules["torch"].nn.Module)
    made = _StudentClass(name, bases or (StudentObject,), namespace)
    _dress(made, about)
    return made


def make_object(session: Session, number: int, about: Mapping[str, Any]) -> StudentObject:
    """Return an object that stands for the student's."""
    kind = session.class_of(about["class"]) if "class" in about else None
    if kind is None or not issubclass(kind, StudentObject):
        name = _name(about)
        namespace = {"__module__": "__main__", "_home": (session, None), **_forwarded_methods(session, name, about)}
        kind = _StudentClass(name, (StudentObject,), namespace)
    made: StudentObject = object.__new__(cast("type[StudentObject]", kind))
    object.__getattribute__(made, "__dict__").update(_session=session, _number=number)
    return made


def _home(cls: type) -> tuple[Session, Any]:
    home: tuple[Session, Any] = type.__getattribute__(cls, "_home")
    return home


def _forwarded_methods(session: Session, name: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operators that the class answers: those that the reference's class was asked for."""
    if session.recorded is not None:
        wanted = {one for one in _list(about.get("specials")) if one in SPECIAL_METHODS}
    else:
        prefix = f"{name}."
        used = (one for operations in session.interface.operations.values() for one in operations)
        wanted = {one.removeprefix(prefix).partition("(")[0] for one in used if one.startswith(prefix)}
    methods: dict[str, Any] = {one: _forwarder(session, name, one) for one in sorted(wanted)}
    if "__eq__" in methods and "__hash__" not in methods:
        methods["__hash__"] = object.__hash__
    return methods


def _forwarder(session: Session, owner: str, name: str) -> Callable[..., Any]:
    if name == "__call__":

        def call(self: StudentObject, *args: Any, **kwargs: Any) -> Any:
            session.admit_operation(owner, name)
            return session.call(number_of(self), args, kwargs)

        return call

    def forward(self: StudentObject, *args: Any) -> Any:
        result = session.special(number_of(self), owner, name, args)
        wanted = _PLAIN_RESULTS.get(name)
        if wanted is not None and type(result) is not wanted:
            raise TypeError(f"{name} of {owner} returned {type(result).__name__}, expected {wanted.__name__}")
        return result

    return forward


def _dress(made: Any, about: Mapping[str, Any]) -> None:
    """Give a proxy the name, the docstring and the signature that the student's thing has."""
    document = about.get("doc")
    attributes: dict[str, Any] = {"__doc__": document if type(document) is str else None}
    signature = _signature(about.get("signature"))
    if signature is not None:
        attributes["__signature__"] = signature
    if isinstance(made, FunctionType):
        attributes |= {"__name__": _name(about), "__qualname__": _name(about), "__module__": "__main__"}
    for key, value in attributes.items():
        if isinstance(made, type):
            type.__setattr__(made, key, value)
        else:
            setattr(made, key, value)


def _signature(parameters: Any) -> inspect.Signature | None:
    if type(parameters) is not list:
        return None
    made = []
    try:
        for name, kind, has_default, default in parameters:
            missing = inspect.Parameter.empty
            made.append(inspect.Parameter(name, kind, default=default if has_default else missing))
        return inspect.Signature(made)
    except (ValueError, TypeError):
        # A signature that Python itself would refuse is none.
        return None


def _name(about: Mapping[str, Any]) -> str:
    name = str(about.get("name"))[:200].rpartition(".")[2]
    return name if name.isidentifier() else "answer"


def _list(value: Any) -> list[Any]:
    return value if type(value) is list else []
