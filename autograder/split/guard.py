"""In the student's process: what an exercise forbids is refused at the moment when the student's code reaches for it.

``install`` puts a stand-in before every module of the packages that the forbidden names belong to, and a finder before
those that are imported later. A library that imports one gets through it what it always got. The student's code gets
modules as stand-ins, too, and of what is forbidden somewhere:

- a function, as one that asks again at each call, so that an alias kept from an earlier cell is no way round;
- a class or another object, as it is, so that it serves as a base, an annotation, in ``isinstance``;
- neither, but ``ForbiddenCallError``, if the exercise that the asking code belongs to forbids it.

Statements at the top of a cell may call a forbidden function: a learner compares with it there, the hidden inputs never
come that far, and ``autograder.forbidden`` refuses an answer that keeps the result.

A module that is imported and not used, and what library code calls on its own account, are never refused.
``course_lib``'s own answers are guarded like any other module, for as long as an exercise's ``forbid`` names them.

What this cannot stop: ``ctypes``; ``gc`` and frames; a library function's ``__globals__``; a library that is not
guarded and holds a guarded one; an instance or a class made where it was allowed; code compiled under the file name of
a given cell; copying the library's source, which need not be hidden from reading; or taking this module's stand-ins
apart. All of these are refused by reading (``autograder.forbidden``) where they can be read, none gives a wrong answer
a mark, and a copied right answer is a matter for a plagiarism check. No hidden test relies on this module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Any, Final, NoReturn

from autograder.forbidden import CUSTOMARY_NAMES, refusal_text

_NO_ENTRIES: Final[frozenset[str]] = frozenset()
_SIMPLE: Final = frozenset({bool, int, float, complex, str, bytes, tuple, list, set, frozenset, type(None)})
_UNKNOWN: Final = object()
_STANDARD_LIBRARY: Final = sys.stdlib_module_names
_STRING: Final = "<string>"

_harmless: dict[int, Any] = {}
"""Objects that no exercise forbids, by their id, which they keep as long as they are held here."""


class ForbiddenCallError(RuntimeError):
    """The student's code has reached for something that its exercise forbids.

    It is no ``ImportError`` or ``AttributeError``: code that tries several ways takes those for an old library's fault.
    """


class GuardedModule(ModuleType):
    """Stands before a module; everything is the module's own, but that it looks who is asking."""

    __slots__ = ("_module",)

    def __getattribute__(self, name: str) -> Any:
        """Return an attribute of the module, guarded if that is called for."""
        value = getattr(_module_of(self), name)
        if id(value) in _harmless:
            return value
        if name == "__getattribute__":
            return GuardedModule.__getattribute__.__get__(self)
        if type(value) in _SIMPLE or _guard is None:
            return value
        return _guard.hand_out(value, name, _module_of(self), sys._getframe(1))

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of the module itself."""
        setattr(_module_of(self), name, unguarded(value))

    def __delattr__(self, name: str) -> None:
        """Delete an attribute of the module itself."""
        delattr(_module_of(self), name)

    def __dir__(self) -> list[str]:
        """List the module's names."""
        return dir(_module_of(self))

    def __repr__(self) -> str:
        """Show the module's own text."""
        return repr(_module_of(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as the module's name."""
        return __import__, (_module_of(self).__name__, None, None, ["*"])


_module_of: Callable[[GuardedModule], ModuleType] = GuardedModule._module.__get__  # type: ignore[attr-defined]
_set_module = GuardedModule._module.__set__  # type: ignore[attr-defined]


class GuardedFunction:
    """Stands before a function that some exercise forbids; each call asks whether the present one does."""

    __slots__ = ("__weakref__", "_entries", "_function", "_guarded_by", "_path")

    def __init__(self, guard: Guard, function: Callable[..., Any], entries: frozenset[str], path: str) -> None:
        """Keep the function, the entries of ``forbid`` that it falls under, and what it is called in a message."""
        self._guarded_by = guard
        self._function = function
        self._entries = entries
        self._path = path

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, or refuse."""
        self._guarded_by.check_call(self._entries, self._path, sys._getframe(1))
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the function, guarded if it can be called itself."""
        value = getattr(self._function, name)
        if name.startswith("__") and name not in ("__wrapped__", "__call__"):
            return value
        self._guarded_by.check_call(self._entries, self._path, sys._getframe(1))
        if callable(value):
            return GuardedFunction(self._guarded_by, value, self._entries, f"{self._path}.{name}")
        return value

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        """The function's own text."""
        return self._function.__doc__

    @property
    def __module__(self) -> str:  # type: ignore[override]
        """The function's own module."""
        return str(getattr(self._function, "__module__", ""))

    def __repr__(self) -> str:
        """Show the function's own text."""
        return repr(self._function)

    def __copy__(self) -> GuardedFunction:
        """Be one's own copy, as functions are."""
        return self

    def __deepcopy__(self, memo: Any) -> GuardedFunction:
        """Be one's own copy, as functions are."""
        return self


class Guard:
    """The guard of one process: what is forbidden where, the stand-ins it has handed out, and who is asking."""

    def __init__(
        self,
        forbidden_by_exercise: Mapping[str, Sequence[str]],
        exercise_of_frame: Callable[[FrameType], str | None],
        active_exercise: Callable[[], str | None],
    ) -> None:
        """Prepare a guard; see ``install`` for the arguments."""
        self._forbidden = {key: frozenset(entries) for key, entries in forbidden_by_exercise.items()}
        self._targets = {
            entry: ".".join(part for part in (CUSTOMARY_NAMES.get(root, root), rest) if part)
            for entries in self._forbidden.values()
            for entry in entries
            for root, _, rest in [entry.partition(".")]
        }
        self.packages = frozenset(path.partition(".")[0] for path in self._targets.values())
        self._exercise_of_frame = exercise_of_frame
        self._active_exercise = active_exercise
        self._things: dict[str, Any] = {}
        self._library_globals: set[int] = set()
        self._modules: dict[int, GuardedModule] = {}
        self._functions: dict[int, GuardedFunction] = {}
        self._finder = _Finder(self)

    # --- putting stand-ins in place -------------------------------------------------------------------------------

    def start(self) -> None:
        """Put the stand-ins where imports find them."""
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in self.packages and type(module) is not GuardedModule:
                sys.modules[name] = self.guarded(module)
        self.find_targets()
        sys.meta_path.insert(0, self._finder)

    def remove(self) -> None:
        """Put the modules themselves back; stand-ins that somebody still holds no longer refuse anything."""
        global _guard
        _guard = None
        self._forbidden = {}
        sys.meta_path.remove(self._finder)
        for name, module in list(sys.modules.items()):
            sys.modules[name] = unguarded(module)

    def guarded(self, module: ModuleType) -> GuardedModule:
        """Return the stand-in of a module."""
        found = self._modules.get(id(module))
        if found is None:
            found = GuardedModule(module.__name__)
            _set_module(found, module)
            self._modules[id(module)] = found
        return found

    def find_targets(self) -> None:
        """Look the forbidden names up in what has been imported so far; importing more is not this module's affair."""
        for entry, path in self._targets.items():
            parts = path.split(".")
            for n_module_parts in range(len(parts), 0, -1):
                thing = unguarded(sys.modules.get(".".join(parts[:n_module_parts]), _UNKNOWN))
                for attribute in parts[n_module_parts:]:
                    thing = vars(thing).get(attribute, _UNKNOWN) if isinstance(thing, ModuleType) else _UNKNOWN
                if thing is not _UNKNOWN:
                    self._things[entry] = thing
                    break
        _harmless.clear()

    # --- answering ------------------------------------------------------------------------------------------------

    def hand_out(self, value: Any, name: str, module: ModuleType, frame: FrameType) -> Any:
        """Return an attribute of a guarded module to whoever asks, or refuse it."""
        if name == "__dict__":
            return value if self._is_library(frame) else self._names_of(module, frame)
        if isinstance(value, ModuleType):
            value = unguarded(value)
            if value.__name__.partition(".")[0] not in self.packages:
                _harmless[id(value)] = value
                return value
            return value if self._is_library(frame) else self.guarded(value)
        entries = self._entries_of(value, f"{module.__name__}.{name}")
        if not entries:
            if callable(value):
                _harmless[id(value)] = value
            return value
        return self._hand_out_forbidden(value, entries, f"{module.__name__}.{name}", frame)

    def check_call(self, entries: frozenset[str], path: str, frame: FrameType) -> None:
        """Refuse the call of a forbidden function.

        Raises:
            ForbiddenCallError: if the exercise of the calling code forbids it; for a call by a library, which was
                handed the function by the student's code, the exercise that is being tested.
        """
        caller, exercise = self._asker(frame)
        if caller is not None and (exercise is None or self._is_top_of_cell(caller)):
            return
        self._refuse_if(self._refusing(entries, exercise), path, caller)

    def _hand_out_forbidden(self, value: Any, entries: frozenset[str], path: str, frame: FrameType) -> Any:
        caller, exercise = self._asker(frame)
        if caller is None:
            return value
        is_function = callable(value) and not isinstance(value, type)
        at_top = self._is_top_of_cell(caller)
        if exercise is not None and not (is_function and at_top):
            self._refuse_if(self._refusing(entries, exercise), path, caller)
        if is_function and (exercise is not None or at_top):
            if id(value) not in self._functions:
                self._functions[id(value)] = GuardedFunction(self, value, entries, path)
            return self._functions[id(value)]
        return value

    def _names_of(self, module: ModuleType, frame: FrameType) -> dict[str, Any]:
        """Return a module's names as the student may have them, those that are refused left out."""
        found = {}
        for name, value in vars(module).items():
            try:
                found[name] = value if type(value) in _SIMPLE else self.hand_out(value, name, module, frame)
            except ForbiddenCallError:
                continue
        return found

    def _entries_of(self, value: Any, path: str) -> frozenset[str]:
        """Return the entries of ``forbid`` that an object falls under, by the rule of ``course_lib.check.forbids``."""
        home = getattr(value, "__module__", None)
        found = set()
        for entry, target in self._targets.items():
            thing = self._things.get(entry, _UNKNOWN)
            if value is thing or path == target:
                found.add(entry)
            elif thing is _UNKNOWN or isinstance(thing, ModuleType):
                # What does not say where it comes from comes from where it was found.
                origin = home if isinstance(home, str) else path if callable(value) else ""
                if f"{origin}.".startswith(f"{target}."):
                    found.add(entry)
        return frozenset(found) if found else _NO_ENTRIES

    def _refusing(self, entries: frozenset[str], exercise: str | None) -> frozenset[str]:
        key = exercise or self._active_exercise()
        return entries & self._forbidden.get(key, _NO_ENTRIES) if key else _NO_ENTRIES

    def _refuse_if(self, refusing: Iterable[str], path: str, caller: FrameType | None) -> None:
        for entry in sorted(refusing):
            _refuse(path, entry, caller)

    # --- who asks -------------------------------------------------------------------------------------------------

    def _asker(self, frame: FrameType | None) -> tuple[FrameType | None, str | None]:
        """Return the frame of the notebook that asks, and its exercise.

        Returns:
            (frame, key), with an empty key for a student's code outside every exercise and ``None`` for a given cell;
            (``None``, ``None``) if a library asks. The standard library asks for whoever called it.
        """
        while frame is not None:
            exercise = self._exercise_of_frame(frame)
            if exercise is not None:
                return frame, exercise
            if not self._is_module_code(frame):
                return frame, "" if frame.f_code.co_filename == _STRING else None
            if not self._is_standard(frame):
                return None, None
            frame = frame.f_back
        return None, None

    def _is_library(self, frame: FrameType) -> bool:
        return self._asker(frame)[0] is None

    @staticmethod
    def _is_standard(frame: FrameType) -> bool:
        return str(frame.f_globals.get("__name__")).partition(".")[0] in _STANDARD_LIBRARY

    def _is_module_code(self, frame: FrameType) -> bool:
        """Return whether a frame's code was imported; the code of cells, and of texts run in them, was not."""
        names = frame.f_globals
        if id(names) in self._library_globals:
            return True
        name = names.get("__name__")
        module = unguarded(sys.modules.get(name)) if isinstance(name, str) and name != "__main__" else None
        if not isinstance(module, ModuleType) or vars(module) is not names:
            # Code that a module is running for the first time is not in sys.modules yet under every loader.
            return isinstance(names.get("__spec__"), ModuleSpec) and name != "__main__"
        self._library_globals.add(id(names))
        return True

    def _is_top_of_cell(self, frame: FrameType) -> bool:
        """Return whether a frame is that of a cell itself, run by the engine and not by a function of the student's."""
        if frame.f_code.co_name != "<module>":
            return False
        return all(self._exercise_of_frame(outer) is None for outer in _frames_around(frame))


_guard: Guard | None = None


def install(
    forbidden_by_exercise: Mapping[str, Sequence[str]],
    exercise_of_frame: Callable[[FrameType], str | None],
    active_exercise: Callable[[], str | None],
) -> Guard:
    """Guard this process's modules against the exercises' forbidden calls.

    Install it before the given cells run, so that the names which these import are stand-ins; afterwards a name that
    was bound before is not guarded. Modules are not imported for this: what is loaded later is guarded when it comes.

    Args:
        forbidden_by_exercise: entries of ``forbid`` for each exercise.
        exercise_of_frame: the exercise whose cell a frame's code stands in; the empty string for the student's code
            outside the exercises' cells, ``None`` for libraries and given cells.
        active_exercise: the exercise being tested, or whose cell runs; ``None`` if there is none.
    Returns:
        The guard, which can be removed.
    Raises:
        RuntimeError: if this process has a guard.
    """
    global _guard
    if _guard is not None:
        raise RuntimeError("this process is guarded already; remove the guard before another one is installed")
    guard = Guard(forbidden_by_exercise, exercise_of_frame, active_exercise)
    guard.start()
    _guard = guard
    return guard


def unguarded(value: Any) -> Any:
    """Return the module behind a stand-in, and anything else as it is."""
    return _module_of(value) if type(value) is GuardedModule else value


class _Finder(MetaPathFinder):
    """Lets the other finders find a module of a guarded package, and guards it when it has been loaded."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in self._guard.packages:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(self._guard, spec.loader)
                return spec
        return None


class _Loader(Loader):
    """Loads a module with its own loader, and leaves the stand-in in its place."""

    def __init__(self, guard: Guard, loader: Loader) -> None:
        self._guard = guard
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # A module's own code, importlib.resources and pickling look at the loader that it truly has.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        name = module.__name__
        loaded = sys.modules.get(name, module)
        sys.modules[name] = loaded if type(loaded) is GuardedModule else self._guard.guarded(loaded)
        self._guard.find_targets()


def _frames_around(frame: FrameType) -> Iterator[FrameType]:
    outer = frame.f_back
    while outer is not None:
        yield outer
        outer = outer.f_back


def _refuse(path: str, entry: str, caller: FrameType | None) -> NoReturn:
    place = f"line {caller.f_lineno} of its cell" if caller is not None else ""
    written = (
        entry if path == CUSTOMARY_NAMES.get(entry.partition(".")[0], "") + "." + entry.partition(".")[2] else path
    )
    raise ForbiddenCallError(refusal_text("your code", written, entry, place))
