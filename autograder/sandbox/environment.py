"""Environment variables and readable paths that a Python process in a sandbox needs."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

# Programs, libraries and tables of the operating system; no folder in which a course or a secret is ever kept.
_SYSTEM_PATHS = (
    "/bin",
    "/lib",
    "/lib64",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/fonts",
    "/usr/share/zoneinfo",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/localtime",
)
_SHARED_PREFIXES = ("/", "/usr", "/usr/local")
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def clean_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The few variables that a server of confined processes starts with: no token, no path of the user's, no proxy.

    ``environment`` is what to take them from, this process's own by default. The confined process adds those for its
    private folders itself.
    """
    given = os.environ if environment is None else environment
    kept = {name: given[name] for name in _KEPT if name in given}
    # A name for getpass and for torch's cache; no user's site folder, and no bytecode beside read-only sources.
    kept.update(USER="student", LOGNAME="student", PYTHONNOUSERSITE="1", PYTHONDONTWRITEBYTECODE="1", MPLBACKEND="Agg")
    kept.setdefault("LANG", "C.UTF-8")
    kept.setdefault("PATH", os.defpath)
    return kept


def private_folders(home: Path, temporary: Path) -> dict[str, str]:
    """Variables that send whatever is written beside the work to the scratch."""
    return {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "MPLCONFIGDIR": str(home / ".config" / "matplotlib"),
        "NUMBA_CACHE_DIR": str(home / ".cache" / "numba"),
        "IPYTHONDIR": str(home / ".ipython"),
    }


def interpreter_paths() -> tuple[Path, ...]:
    """What this interpreter and its packages need to see of the file system, the system's libraries included.

    A prefix that the interpreter shares with the rest of the system, such as ``/usr``, is not shown as a whole:
    nbgrader keeps its exchange of submissions below ``/usr/local``.
    """
    paths = [Path(path) for path in _SYSTEM_PATHS]
    for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}:
        if prefix in _SHARED_PREFIXES:
            paths += [Path(prefix, "bin"), Path(prefix, "lib")]
        else:
            paths.append(Path(prefix))
    paths += [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(dict.fromkeys(path for path in paths if path.exists()))
