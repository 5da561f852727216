"""What students are given: one zip with the notebooks, the library and a way to set up, and nothing of the grader."""

from __future__ import annotations

import io
import json
import re
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from string import Template
from typing import TYPE_CHECKING, Any, Final

from autograder.files import write_atomically
from autograder.project import Project
from autograder.release import BuildError, release_bytes

if TYPE_CHECKING:
    from autograder.source import Lesson

FOLDER: Final = "source-separation-course"
STUDENT_EXTRAS: Final = ("torch", "rooms", "lessons")
"""Extras of pyproject.toml that lessons need; graders' and testers' extras stay behind."""

COPIED_FILES: Final = ("data_fetch.py", "LICENSE", "LICENSE-TEXT.md")
_TIMESTAMP: Final = (2020, 1, 1, 0, 0, 0)
"""One date for every member, so that the same content gives the same bytes."""
_CACHES: Final = {"__pycache__", ".ipynb_checkpoints"}
_CACHE_SUFFIXES: Final = {".pyc", ".pyo", ".nbi", ".nbc"}
_TEMPLATES: Final = Path(__file__).parent / "templates"
_GRADER_IMPORT: Final = re.compile(r"^\s*(?:import|from)\s+autograder\b", re.MULTILINE)
_MARKERS: Final = re.compile(r"### (?:BEGIN|END) (?:SOLUTION|HIDDEN TESTS)")


def write_bundle(project: Project, lessons: Sequence[Lesson], path: Path) -> list[str]:
    """Write the zip that students are given.

    Args:
        project: the course.
        lessons: the lessons whose notebooks go in.
        path: the zip to write.
    Returns:
        The names in the zip.
    Raises:
        BuildError: if a file is missing, or a solution, a hidden test or the grader would go in.
    """
    files = bundle_files(project, lessons)
    found = bundle_leaks(files, lessons)
    if found:
        raise BuildError("The bundle would give away what it must not:\n" + "\n".join(found))
    write_atomically(path, zip_bytes(files))
    return sorted(files)


def bundle_files(project: Project, lessons: Sequence[Lesson]) -> dict[str, bytes]:
    """Collect what students are given, as name in the zip → content."""
    missing = [
        name for name in (*COPIED_FILES, "environment.yml", "pyproject.toml") if not (project.root / name).is_file()
    ]
    if missing:
        raise BuildError(f"{project.root} lacks {', '.join(missing)}, which the bundle needs.")
    pyproject = tomllib.loads((project.root / "pyproject.toml").read_text("utf-8"))
    files = {name: (project.root / name).read_bytes() for name in COPIED_FILES}
    files |= {f"course_lib/{name}": content for name, content in library_files(project).items()}
    files |= {f"notebooks/{lesson.name}.ipynb": release_bytes(lesson) for lesson in lessons}
    files["pyproject.toml"] = student_pyproject(pyproject).encode()
    files["environment.yml"] = student_environment(
        (project.root / "environment.yml").read_text("utf-8"), pyproject
    ).encode()
    files["README.md"] = learner_readme(pyproject, lessons).encode()
    return {f"{FOLDER}/{name}": content for name, content in files.items()}


def library_files(project: Project) -> dict[str, bytes]:
    """Return the files of course_lib, caches aside, as path below course_lib → content."""
    library = project.root / "course_lib"
    return {
        path.relative_to(library).as_posix(): path.read_bytes()
        for path in sorted(library.rglob("*"))
        if path.is_file()
        and not _CACHES & set(path.relative_to(library).parts)
        and path.suffix not in _CACHE_SUFFIXES
        and not path.name.startswith(".")
    }


def student_pyproject(pyproject: Mapping[str, Any]) -> str:
    """Return the pyproject.toml of the bundle: course_lib and what the lessons need."""
    project = pyproject["project"]
    extras = {name: project["optional-dependencies"][name] for name in STUDENT_EXTRAS}
    package_data = pyproject["tool"]["setuptools"]["package-data"]["course_lib"]
    lines = [
        "[build-system]",
        f"requires = {json.dumps(pyproject['build-system']['requires'])}",
        f"build-backend = {json.dumps(pyproject['build-system']['build-backend'])}",
        "",
        "[project]",
        *(f"{name} = {json.dumps(project[name])}" for name in ("name", "version", "requires-python", "license")),
        'description = "Notebooks and library of a hands-on course in audio source separation"',
        f"dependencies = {_toml_list(project['dependencies'])}",
        "",
        "[project.optional-dependencies]",
        *(f"{name} = {_toml_list(requirements)}" for name, requirements in extras.items()),
        "",
        "[tool.setuptools.packages.find]",
        'include = ["course_lib*"]',
        "",
        "[tool.setuptools.package-data]",
        f"course_lib = {_toml_list(package_data)}",
    ]
    return "\n".join(lines) + "\n"


def _toml_list(items: Sequence[str]) -> str:
    return "[\n" + "".join(f"    {json.dumps(item)},\n" for item in items) + "]"


def student_environment(environment: str, pyproject: Mapping[str, Any]) -> str:
    """Return environment.yml without the packages that only graders and testers need."""
    project = pyproject["project"]
    kept = set(map(_package, project["dependencies"]))
    dropped: set[str] = set()
    for name, requirements in project["optional-dependencies"].items():
        (kept if name in STUDENT_EXTRAS else dropped).update(map(_package, requirements))
    lines = []
    for line in environment.split("\n"):
        entry = re.match(r'^\s*- "?([A-Za-z0-9._-]+)', line)
        if line.startswith("#") or (entry and _package(entry[1]) in dropped - kept):
            continue
        lines.append(line)
    return "\n".join(lines)


def _package(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    return name[0].lower().replace("_", "-") if name else ""


def learner_readme(pyproject: Mapping[str, Any], lessons: Sequence[Lesson]) -> str:
    """Fill in the learner's README."""
    template = Template((_TEMPLATES / "learner_readme.md").read_text("utf-8"))
    rows = [
        f"| `notebooks/{lesson.name}.ipynb` | {lesson.title} | {len(lesson.exercises)} + {len(lesson.written)} "
        f"| {lesson.points:g} |"
        for lesson in lessons
    ]
    return template.substitute(
        lessons="\n".join(rows),
        first=f"notebooks/{lessons[0].name}.ipynb",
        extras=",".join(STUDENT_EXTRAS),
        python=pyproject["project"]["requires-python"],
    )


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Pack files into a zip whose bytes depend on their names and content only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, date_time=_TIMESTAMP)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3  # one origin on every platform; it says how external_attr is to be read
            member.external_attr = 0o644 << 16
            archive.writestr(member, files[name])
    return buffer.getvalue()


def bundle_leaks(files: Mapping[str, bytes], lessons: Sequence[Lesson]) -> list[str]:
    """Look into every file for solutions, hidden tests and the grader.

    The library is the course's reference and may hold the same statements as a solution; hidden tests, markers and the
    grader must not stand there either.

    Args:
        files: name → content.
        lessons: the lessons whose secrets to look for.
    Returns:
        One line a finding; empty if there is none.
    """
    from autograder.leaks import find_leaks, leaks_in_text, lesson_secrets
    from autograder.release import parse_notebook

    found = []
    for name, content in files.items():
        path = PurePosixPath(name)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            continue
        if "autograder" in path.parts or _GRADER_IMPORT.search(text):
            found.append(f"{name}: the grader")
        if _MARKERS.search(text):
            found.append(f"{name}: region markers")
        for lesson in lessons:
            if path.suffix == ".ipynb":
                found += [f"{name}: {leak}" for leak in find_leaks(parse_notebook(content), lesson)]
                continue
            secrets = lesson_secrets(lesson)
            if "course_lib" in path.parts:
                secrets = [secret for secret in secrets if secret.kind == "a hidden test"]
            found += [
                f"{name}: {secret.kind} of `{secret.key}`: `{secret.text}`"
                for secret in leaks_in_text(text, secrets, is_python=path.suffix == ".py")
            ]
    return found
