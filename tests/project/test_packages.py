"""pyproject.toml, requirements.lock and environment.yml tell one story."""

from __future__ import annotations

import ast
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import lock  # noqa: E402

LOCK = "".join((ROOT / name).read_text("utf-8") for name in ("requirements.lock", "requirements-compiled.lock"))
CONDA = (ROOT / "environment.yml").read_text("utf-8")


def pinned(lock_text: str) -> dict[str, str]:
    lines = [line for line in lock_text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][^\s;+]*", line) for line in lines), "pins are exact public versions"
    return dict(line.split("==") for line in lines)


def disagreements(requirements: list[Requirement], lock_text: str, conda_text: str) -> list[str]:
    """Say where the lock or the conda file does not follow from the requirements."""
    versions = pinned(lock_text)
    found = []
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        if name not in versions:
            found.append(f"{requirement} is not in the lock")
        elif versions[name] not in requirement.specifier:
            found.append(f"{requirement} does not admit the locked {versions[name]}")
        conda_name = lock.CONDA_NAMES.get(requirement.name, requirement.name)
        line = re.search(rf'- "{re.escape(conda_name)}([<>=!~].*)"', conda_text)
        if line is None:
            found.append(f"{requirement} is not in environment.yml")
        elif Requirement(f"{name}{line[1]}").specifier != requirement.specifier:
            found.append(f"{requirement} reads {line[1]} in environment.yml")
    return found


def test_the_three_lists_agree() -> None:
    assert disagreements(lock.project_requirements(), LOCK, CONDA) == []
    assert lock.conda_text() == CONDA, "run tools/lock.py: environment.yml does not follow from pyproject.toml"


def imported_packages(files: list[Path]) -> set[str]:
    """Return the distributions that Python files import, by name."""
    modules = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                modules.add(node.module.split(".")[0])
    distributions = metadata.packages_distributions()
    return {canonicalize_name(name) for module in modules for name in distributions.get(module, [])}


@pytest.mark.parametrize("folder", ["course_lib", "autograder", "benchmarks", "tests", "tools", "solutions"])
def test_what_is_imported_is_declared(folder: str) -> None:
    declared = {canonicalize_name(requirement.name) for requirement in lock.project_requirements()}
    files = [file for file in sorted((ROOT / folder).rglob("*.py")) if "sample_class" not in file.parts]
    undeclared = imported_packages(files) - declared
    assert undeclared - {"source-separation-course"} == set(), "declare in pyproject.toml what the code imports"


def test_the_lock_is_complete() -> None:
    missing = set(lock.locked_versions()) - set(pinned(LOCK))
    assert missing == set(), "run tools/lock.py: the project needs packages that the lock does not pin"


@pytest.mark.parametrize(
    ("lock_text", "conda_text", "complaint"),
    [
        (re.sub(r"numpy==.*\n", "", LOCK), CONDA, "numpy.* is not in the lock"),
        (re.sub(r"\nscipy==.*\n", "\nscipy==0.9\n", LOCK), CONDA, "scipy.* does not admit the locked 0.9"),
        (LOCK, CONDA.replace('- "pooch', '- "pouch'), "pooch.* is not in environment.yml"),
        (LOCK, CONDA.replace("numpy>=2.0", "numpy>=1.0"), "numpy.* reads >=1.0,<3 in environment.yml"),
    ],
    ids=["missing pin", "pin outside the range", "missing conda package", "other conda range"],
)
def test_a_disagreement_is_seen(lock_text: str, conda_text: str, complaint: str) -> None:
    found = disagreements(lock.project_requirements(), lock_text, conda_text)
    assert len(found) == 1
    assert re.match(complaint, found[0])
