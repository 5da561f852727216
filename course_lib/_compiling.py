"""How the sweeps of separation and factorisation are compiled; imported when one runs, for Numba takes its time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

OPTIONS: Final[dict[str, Any]] = {
    "nogil": True,
    "fastmath": {"reassoc", "contract", "nsz"},
    # A test for zero divisors would keep the inner loops from being vectorised: none can be zero there.
    "error_model": "numpy",
}


def compiled(function: Function) -> Function:
    """Compile at the first call, and keep the machine code on disk."""
    return cast(Function, numba.njit(cache=True, **OPTIONS)(function))
