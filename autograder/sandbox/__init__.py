"""Confines a freshly forked process: no network, no files but the listed ones, limits, nothing left over.

On Linux without root and without Docker (and as root too), by direct system calls. See ``enter.py`` for the steps.
"""

from __future__ import annotations

from .confinement import HOME_FOLDER, TEMPORARY_FOLDER, WORK_FOLDER, Confinement, SandboxUnavailableError
from .enter import confine
from .environment import clean_environment, interpreter_paths
from .probing import probe
from .unsandboxed import confine_unsandboxed
from .warm import prepare_to_fork

__all__ = [
    "HOME_FOLDER",
    "TEMPORARY_FOLDER",
    "WORK_FOLDER",
    "Confinement",
    "SandboxUnavailableError",
    "clean_environment",
    "confine",
    "confine_unsandboxed",
    "interpreter_paths",
    "prepare_to_fork",
    "probe",
]
