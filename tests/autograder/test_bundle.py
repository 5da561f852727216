"""What leaves the house: the bundle for students, and the tree for an instructor's own nbgrader."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from fixture_project import FIXTURE, REPOSITORY, make_project
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder.bundle import FOLDER, bundle_files, bundle_leaks, write_bundle, zip_bytes
from autograder.cli import app
from autograder.files import content_hash
from autograder.gradebook import quiet_nbgrader
from autograder.instructor_tree import RECORD, instructor_files, write_instructor_tree
from autograder.leaks import lesson_secrets
from autograder.project import Project
from autograder.release import BuildError, parse_notebook, release_bytes
from autograder.sample_class import SampleStudent, submission_bytes

NAME = FIXTURE.stem


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    project = make_project(tmp_path_factory.mktemp("project"))
    for name in ("pyproject.toml", "environment.yml", "LICENSE", "LICENSE-TEXT.md"):
        shutil.copy(REPOSITORY / name, project.root)
    (project.root / "data_fetch.py").write_text("from course_lib.data import main\n", "utf-8")
    return project


@pytest.fixture(scope="module")
def files(project, lesson) -> dict[str, bytes]:
    return bundle_files(project, [lesson])


def test_the_bundle_holds_what_a_learner_needs(files):
    names = {PurePosixPath(name).relative_to(FOLDER).as_posix() for name in files}
    assert {
        f"notebooks/{NAME}.ipynb",
        "course_lib/__init__.py",
        "course_lib/check/__init__.py",
        "data_fetch.py",
        "environment.yml",
        "pyproject.toml",
        "LICENSE",
        "LICENSE-TEXT.md",
        "README.md",
    } <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".nbi", ".nbc"))]


def test_nothing_of_solutions_hidden_tests_or_grader_is_inside(files, lesson):
    """Looked for by content, here without the bundle's own search."""
    whole = b"\n".join(files.values())
    for text in (
        "squares_of_samples",
        "random_samples",
        "mean_power_of_x",
        "twelve decades",
        "BEGIN SOLUTION",
        "BEGIN HIDDEN",
    ):
        assert text.encode() not in whole, text
    assert b"import autograder" not in whole
    assert b"from autograder" not in whole
    assert b"nbgrader>=" not in whole
    assert not [
        name for name in files if "autograder" in name or "solutions" in name or "tests" in PurePosixPath(name).parts
    ]
    assert bundle_leaks(files, [lesson]) == []


@pytest.mark.parametrize(
    ("name", "content", "finding"),
    [
        ("notes.md", "mean_power_of_x = energy(x)/len(x)", "a solution line"),
        (
            "notes.txt",
            "Hearing spans twelve decades of power, and equal ratios sound like equal steps.",
            "the model answer",
        ),
        (
            "course_lib/extra.py",
            'def f():\n    random_samples = check.hidden_inputs("energy").standard_normal(1001)\n',
            "hidden",
        ),
        ("course_lib/extra.py", "### BEGIN SOLUTION\n", "region markers"),
        ("helper.py", "  from autograder import source\n", "the grader"),
        ("autograder/cells.py", "", "the grader"),
    ],
)
def test_the_search_finds_what_is_planted(files, lesson, name, content, finding):
    found = bundle_leaks({**files, f"{FOLDER}/{name}": content.encode()}, [lesson])
    assert any(name in line and finding in line for line in found), found


def test_a_bundle_with_a_leak_is_not_written(project, lesson, tmp_path, monkeypatch):
    secret = lesson_secrets(lesson)[0].text
    monkeypatch.setattr("autograder.bundle.learner_readme", lambda *args: secret)
    with pytest.raises(BuildError, match=r"README\.md: a solution line of `energy`"):
        write_bundle(project, [lesson], tmp_path / "bundle.zip")
    assert not (tmp_path / "bundle.zip").exists()


def test_a_missing_file_is_named(project, lesson, tmp_path):
    (tmp_path / "course_lib").mkdir()
    with pytest.raises(
        BuildError, match=r"lacks data_fetch\.py, LICENSE, LICENSE-TEXT\.md, environment\.yml, pyproject\.toml"
    ):
        bundle_files(Project(tmp_path), [lesson])


def test_the_zip_is_deterministic_and_complete(project, lesson, files, tmp_path):
    path = tmp_path / "bundle.zip"
    names = write_bundle(project, [lesson], path)
    first = path.read_bytes()
    assert zip_bytes(dict(reversed(list(files.items())))) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == names == sorted(files)
        assert {member.date_time for member in archive.infolist()} == {(2020, 1, 1, 0, 0, 0)}
        assert {name: archive.read(name) for name in names} == files


def test_the_bundles_pyproject_installs_what_lessons_need(files):
    made = tomllib.loads(files[f"{FOLDER}/pyproject.toml"].decode())
    whole = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    assert made["project"]["dependencies"] == whole["project"]["dependencies"]
    extras = made["project"]["optional-dependencies"]
    assert extras == {name: whole["project"]["optional-dependencies"][name] for name in ("torch", "rooms", "lessons")}
    assert "scripts" not in made["project"]
    assert made["tool"]["setuptools"]["packages"]["find"]["include"] == ["course_lib*"]


def test_the_bundles_conda_environment_has_no_graders_packages(files):
    text = files[f"{FOLDER}/environment.yml"].decode()
    assert all(name in text for name in ("numpy", "jupyterlab", "librosa", "pip:", "espeakng-loader"))
    assert not [name for name in ("nbgrader", "pytest", "selenium", "sqlalchemy", "mypy") if name in text]


def test_the_learners_readme_is_filled_in(files):
    text = files[f"{FOLDER}/README.md"].decode()
    assert f"| `notebooks/{NAME}.ipynb` | A lesson for tests | 2 + 1 | 5 |" in text
    assert 'pip install -e ".[torch,rooms,lessons]"' in text
    assert "autograder" not in text


def test_the_unpacked_library_imports(files, tmp_path):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    command = [sys.executable, "-c", "import course_lib.check; print(course_lib.__file__)"]
    printed = subprocess.run(command, cwd=tmp_path / FOLDER, check=True, capture_output=True, text=True).stdout
    assert Path(printed.strip()).is_relative_to(tmp_path)


def test_the_instructors_tree_is_written_and_updated(project, lesson, tmp_path):
    written = write_instructor_tree(project, [lesson], tmp_path)
    assert f"source/{NAME}/{NAME}.ipynb" in written
    assert f"source/{NAME}/course_lib/check/__init__.py" in written
    assert f"| `{NAME}` | A lesson for tests | 5 | 1.5 |" in (tmp_path / "INSTRUCTOR.md").read_text("utf-8")
    assert write_instructor_tree(project, [lesson], tmp_path) == []
    record = json.loads((tmp_path / RECORD).read_text("utf-8"))
    name = f"source/{NAME}/course_lib/constants.py"
    (tmp_path / name).write_text("# an older version\n", "utf-8")
    record[name] = content_hash(b"# an older version\n")
    (tmp_path / RECORD).write_text(json.dumps(record), "utf-8")
    assert write_instructor_tree(project, [lesson], tmp_path) == [name], "what an earlier build wrote may be replaced"


def test_the_instructors_own_files_are_not_overwritten(project, lesson, tmp_path):
    notebook = tmp_path / "source" / NAME / f"{NAME}.ipynb"
    notebook.parent.mkdir(parents=True)
    notebook.write_text("mine", "utf-8")
    with pytest.raises(BuildError, match=rf"source/{NAME}/{NAME}\.ipynb"):
        write_instructor_tree(project, [lesson], tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [notebook.name]
    write_instructor_tree(project, [lesson], tmp_path, force=True)
    assert notebook.read_text("utf-8") != "mine"
    (tmp_path / "INSTRUCTOR.md").write_text("my notes", "utf-8")
    with pytest.raises(BuildError, match=r"INSTRUCTOR\.md"):
        write_instructor_tree(project, [lesson], tmp_path)


@pytest.mark.slow
def test_stock_nbgrader_releases_and_grades_it(project, lesson, tmp_path):
    """Nothing of the course is installed for this: an honest submission gets full marks from nbgrader alone."""
    write_instructor_tree(project, [lesson], tmp_path)
    (tmp_path / "nbgrader_config.py").unlink()
    binaries = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([binaries, os.environ["PATH"]]),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
    }

    def nbgrader(*arguments: str) -> None:
        command = [sys.executable, "-m", "nbgrader", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    nbgrader("generate_assignment", NAME)
    released = parse_notebook((tmp_path / "release" / NAME / f"{NAME}.ipynb").read_bytes())
    stub = next(cell["source"] for cell in released["cells"] if cell["id"] == "energy")
    assert stub.endswith("    # YOUR CODE HERE\n    raise NotImplementedError()")
    honest = SampleStudent("ada", NAME, "all right", "reference", f"{NAME}.ipynb", {})
    handed_in = tmp_path / "submitted" / "ada" / NAME / f"{NAME}.ipynb"
    handed_in.parent.mkdir(parents=True)
    handed_in.write_bytes(
        submission_bytes(honest, lesson, (tmp_path / "release" / NAME / f"{NAME}.ipynb").read_bytes())
    )
    nbgrader("autograde", NAME)
    with quiet_nbgrader(), Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as gradebook:
        notebook = gradebook.find_submission_notebook(NAME, NAME, "ada")
        scores = {grade.cell.name: (grade.auto_score, grade.cell.max_score) for grade in notebook.grades}
    assert scores == {"test_energy": (2, 2), "test_level_db": (1.5, 1.5), "why_decibels": (None, 1.5)}


def test_the_tree_holds_the_same_lesson_as_the_release(project, lesson):
    content = instructor_files(project, [lesson])[f"source/{NAME}/{NAME}.ipynb"]
    ids = [cell["id"] for cell in json.loads(content)["cells"]]
    assert ids == [cell["id"] for cell in json.loads(release_bytes(lesson))["cells"]]


@pytest.mark.slow
def test_the_command_writes_both(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("COLUMNS", "200")
    arguments = ["build", "--bundle", str(tmp_path / "b.zip"), "--nbgrader", str(tmp_path / "course")]
    result = CliRunner().invoke(app, [*arguments, "--course", str(tmp_path / "tree")])
    assert result.exit_code == 0, result.output
    assert zipfile.is_zipfile(tmp_path / "b.zip")
    assert (tmp_path / "tree" / "release" / NAME / f"{NAME}.ipynb").is_file()
    (tmp_path / "course" / "INSTRUCTOR.md").write_text("my notes", "utf-8")
    refused = CliRunner().invoke(app, [*arguments, "--course", str(tmp_path / "tree")])
    assert (refused.exit_code, "INSTRUCTOR.md" in refused.output) == (1, True)
