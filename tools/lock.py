"""Write the files that follow from pyproject.toml: requirements.lock, requirements-compiled.lock and environment.yml.

Run it in the project's environment after a change of pyproject.toml or an upgrade of packages:
``.venv/bin/python tools/lock.py``. The lock holds the exact versions of everything that the environment needs for the
project and all its extras, requirements-compiled.lock those that a machine without a C compiler must do without;
environment.yml says the ranges of pyproject.toml in conda's names.
"""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent

CONDA_NAMES = {"torch": "pytorch-cpu"}
"""Packages that conda-forge knows by another name."""

NOT_ON_CONDA = {"espeakng-loader", "fast_bss_eval", "padasip", "pystoi", "ssspy"}
"""Packages that only the Python package index carries; conda installs them through pip."""

NEEDS_A_COMPILER = {"pesq"}
"""Packages without wheels, of which the set-up goes on without if they cannot be built."""


def project_requirements() -> list[Requirement]:
    """Return every requirement of pyproject.toml, extras included, sorted by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        lines += extra
    return sorted((Requirement(line) for line in lines), key=lambda requirement: requirement.name)


def locked_versions() -> dict[str, str]:
    """Return name → version of all installed packages that the project needs, directly or not."""
    versions: dict[str, str] = {}
    visited: set[tuple[str, frozenset[str]]] = set()
    waiting = project_requirements()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        visit = (name, frozenset(requirement.extras))
        if visit in visited:
            continue
        visited.add(visit)
        distribution = metadata.distribution(name)
        versions[name] = Version(distribution.version).public
        for line in distribution.requires or []:
            needed = Requirement(line)
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return dict(sorted(versions.items()))


def lock_text(versions: dict[str, str]) -> str:
    """Return requirements.lock for these versions."""
    head = (
        "# Exact versions of everything that the course uses, written by tools/lock.py (ranges: pyproject.toml).\n"
        "# A package that only another operating system needs is added by pip in the version that it chooses.\n"
    )
    return head + pins({name: version for name, version in versions.items() if name not in NEEDS_A_COMPILER})


def compiled_lock_text(versions: dict[str, str]) -> str:
    """Return requirements-compiled.lock for these versions."""
    head = (
        "# Exact versions of packages that pip must compile, written by tools/lock.py. The course runs without them.\n"
    )
    return head + pins({name: version for name, version in versions.items() if name in NEEDS_A_COMPILER})


def pins(versions: dict[str, str]) -> str:
    """Return a line a package, as pip reads it."""
    return "".join(f"{name}=={version}\n" for name, version in versions.items())


def conda_text() -> str:
    """Return environment.yml: the ranges of pyproject.toml in conda's names."""
    python = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    conda_lines, pip_lines = [f"python{python}", "pip"], []
    for requirement in project_requirements():
        bounds = ",".join(sorted(str(requirement.specifier).split(","), reverse=True))
        if requirement.name in NOT_ON_CONDA:
            pip_lines.append(f"{requirement.name}{bounds}")
        else:
            conda_lines.append(f"{CONDA_NAMES.get(requirement.name, requirement.name)}{bounds}")
    return (
        "# The conda way in, written by tools/lock.py from pyproject.toml.\n"
        "name: source-separation-course\n"
        "channels:\n  - conda-forge\n"
        "dependencies:\n"
        + "".join(f'  - "{line}"\n' for line in conda_lines)
        + "  - pip:\n"
        + "".join(f'      - "{line}"\n' for line in pip_lines)
    )


def main() -> None:
    """Write all three files, or with ``--conda`` only the one that needs no installed packages."""
    (ROOT / "environment.yml").write_text(conda_text(), "utf-8")
    if "--conda" not in sys.argv[1:]:
        versions = locked_versions()
        (ROOT / "requirements.lock").write_text(lock_text(versions), "utf-8")
        (ROOT / "requirements-compiled.lock").write_text(compiled_lock_text(versions), "utf-8")


if __name__ == "__main__":
    main()
