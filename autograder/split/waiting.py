"""Modules that are loaded when they are first used, rather than when they are imported.

``importlib.util.LazyLoader`` does that for modules that nobody asks anything. Here a module that waits also answers
what the import system itself and ``inspect`` ask of every module, and a part of it (``torch.nn``) can come first.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

from .without_collection import without_collection

_KNOWN_BEFOREHAND: Final = frozenset(
    {"__cached__", "__class__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__"}
)
_loading = threading.RLock()


def import_when_used(names: Collection[str]) -> None:
    """Let modules wait for their first use if they are imported from now on.

    Args:
        names: full names. What is imported already stays as it is; what is not installed is missing as ever.
    """
    sys.meta_path.insert(0, _WaitingFinder(frozenset(names)))


class _WaitingModule(ModuleType):
    """A module that has been imported and not loaded."""

    def __getattribute__(self, name: str) -> Any:
        """Answer for the module that it will be, which it becomes if need be."""
        if name in _KNOWN_BEFOREHAND:
            return super().__getattribute__(name)
        _load(self)
        return getattr(self, name)

    def __delattr__(self, name: str) -> None:
        """Load the module: what is deleted must be there."""
        _load(self)
        delattr(self, name)


def _load(module: ModuleType) -> None:
    with _loading:
        if type(module) is not _WaitingModule:
            return
        spec = module.__spec__
        assert spec is not None
        waiting = spec.loader
        assert isinstance(waiting, _WaitingLoader)
        _give_class(module, ModuleType)
        spec.loader = module.__loader__ = waiting.loader
        try:
            with without_collection():
                waiting.loader.exec_module(module)
        except BaseException:
            # The next use fails in the same way, rather than finding half a module.
            spec.loader = module.__loader__ = waiting
            _give_class(module, _WaitingModule)
            raise


def _give_class(module: ModuleType, made: type[ModuleType]) -> None:
    module.__class__ = made


class _WaitingLoader(Loader):
    """Makes a module wait instead of loading it."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        _give_class(module, _WaitingModule)


class _LoadedAlready(Loader):
    """Hands over a module that came to be while it was looked for."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


class _WaitingFinder(MetaPathFinder):
    """Stands before the ordinary finders and answers for the modules that shall wait."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent = sys.modules.get(fullname.rpartition(".")[0])
        if type(parent) is _WaitingModule:
            # A part of a package can only be imported once the package itself has begun, which may bring it along.
            _load(parent)
            if (module := sys.modules.get(fullname)) is not None:
                spec = ModuleSpec(fullname, _LoadedAlready(module))
                # The import system prefers the spec of a module that has appeared meanwhile, and would load it again.
                module.__spec__ = spec
                return spec
        if fullname not in self.names:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = next((one for finder in others if (one := finder.find_spec(fullname, path, target)) is not None), None)
        if found is not None and found.loader is not None:
            found.loader = _WaitingLoader(found.loader)
        return found
