"""The build: deterministic, incremental, atomic, on nbgrader's converter, and free of leaks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fixture_project import FIXTURE, changed, make_project
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder import release as release_module
from autograder.cells import SourceError
from autograder.cli import app
from autograder.files import content_hash
from autograder.gradebook import quiet_nbgrader
from autograder.leaks import find_leaks
from autograder.project import Project, ProjectNotFoundError
from autograder.release import (
    BuildError,
    build,
    checked_release,
    holds_answers,
    parse_notebook,
    release_bytes,
    select_sources,
)
from autograder.source import notebook_bytes, read_lesson

NAME = FIXTURE.stem


@pytest.fixture
def project(tmp_path) -> Project:
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory) -> Project:
    project = make_project(tmp_path_factory.mktemp("built"))
    assert [row.state for row in build(project)] == ["built"]
    return project


@pytest.fixture
def built(built_once, tmp_path) -> Project:
    """A built project of one's own: the first build of a course takes seconds, a copy does not."""
    return Project(shutil.copytree(built_once.root, tmp_path / "project", symlinks=True))


def everything_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return path → (content, time of last change)."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and "course_lib" not in path.parts
    }


def cells_by_id(content: bytes) -> dict[str, dict]:
    return {cell["id"]: cell for cell in parse_notebook(content)["cells"]}


def test_build_writes_the_course_tree_and_the_student_notebook(built):
    files = {name for name in everything_in(built.root) if not name.startswith("solutions")}
    assert files == {
        f"notebooks/{NAME}.ipynb",
        f"build/course/source/{NAME}/{NAME}.ipynb",
        f"build/course/release/{NAME}/{NAME}.ipynb",
        "build/course/gradebook.db",
        "build/course/nbgrader_config.py",
        "build/course/build_state.json",
    }
    given = (built.notebooks / f"{NAME}.ipynb").read_bytes()
    assert given == (built.course / "release" / NAME / f"{NAME}.ipynb").read_bytes()


def test_the_gradebook_knows_the_lesson(built):
    with quiet_nbgrader(), Gradebook(f"sqlite:///{built.course / 'gradebook.db'}") as gradebook:
        notebook = gradebook.find_notebook(NAME, NAME)
        assert {cell.name: cell.max_score for cell in notebook.grade_cells} == {
            "test_energy": 2,
            "test_level_db": 1.5,
            "why_decibels": 1.5,
        }


def test_release_has_no_outputs_minimal_metadata_and_sorted_keys(release):
    notebook = json.loads(release)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "title": "A lesson for tests",
    }
    assert all(
        cell["outputs"] == [] and cell["execution_count"] is None for cell in notebook["cells"] if "outputs" in cell
    )
    assert release.decode() == json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def test_release_validates_and_ids_are_unique(release):
    import nbformat

    nbformat.validate(nbformat.reads(release.decode(), as_version=4))
    assert len(cells_by_id(release)) == len(json.loads(release)["cells"])


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_release_is_the_same_in_another_process(release, monkeypatch, hash_seed):
    monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
    printed = output_of(
        "from pathlib import Path",
        "from autograder.files import content_hash",
        "from autograder.source import read_lesson",
        "from autograder.release import release_bytes",
        f"print(content_hash(release_bytes(read_lesson(Path({str(FIXTURE)!r})))))",
    )
    assert printed == content_hash(release)


def test_an_edit_changes_the_edited_cells_only(tmp_path, release):
    path = tmp_path / FIXTURE.name
    source = changed("Small, and in the full", "Tiny, and in the full")
    path.write_text(
        source.replace("# %%\nreference_power", "# %% [markdown]\n# New.\n\n# %%\nreference_power"), "utf-8"
    )
    before, after = cells_by_id(release), cells_by_id(release_bytes(read_lesson(path)))
    assert len(before.keys() - after.keys()) == 1
    assert len(after.keys() - before.keys()) == 2
    assert all(before[name] == after[name] for name in before.keys() & after.keys())


def test_equal_cells_get_different_ids(tmp_path):
    path = tmp_path / FIXTURE.name
    path.write_text(FIXTURE.read_text("utf-8") + "\n# %% [markdown]\n# That is all.\n", "utf-8")
    ids = [cell["id"] for cell in json.loads(release_bytes(read_lesson(path)))["cells"]][-2:]
    assert ids[1] == f"{ids[0]}-2"


def test_an_unchanged_lesson_is_not_built_again(built):
    before = everything_in(built.root)
    (row,) = build(built)
    assert row.state == "unchanged"
    assert (row.exercises, row.written, row.points) == (2, 1, 5)
    assert everything_in(built.root) == before


@pytest.mark.parametrize("name", ["source", "release"])
def test_a_lost_or_edited_file_is_made_again(built, name):
    path = built.course / name / NAME / f"{NAME}.ipynb"
    content = path.read_bytes()
    for damage in (path.unlink, lambda: path.write_bytes(content + b" ")):
        damage()
        assert build(built)[0].state == "built"
        assert path.read_bytes() == content


def test_a_changed_source_is_built_again(built):
    source = built.solutions / FIXTURE.name
    source.write_text(changed("That is all.", "This is the end."), "utf-8")
    assert build(built)[0].state == "built"
    assert b"This is the end." in (built.notebooks / f"{NAME}.ipynb").read_bytes()


def test_a_refused_source_leaves_everything_as_it_was(built):
    (built.solutions / FIXTURE.name).write_text(changed("points=2", "points=0"), "utf-8")
    (built.solutions / "98_other.py").write_text(
        FIXTURE.read_text("utf-8").replace("Exercise 99.", "Exercise 98."), "utf-8"
    )
    before = everything_in(built.root)
    with pytest.raises(SourceError, match="points=0"):
        build(built)
    assert everything_in(built.root) == before, "one bad lesson, and nothing of any lesson is written"


def test_a_failure_in_nbgrader_leaves_the_old_release(built, monkeypatch):
    from nbgrader.preprocessors import ClearHiddenTests

    def fail(*args: object) -> None:
        raise RuntimeError("the disk is full")

    (built.solutions / FIXTURE.name).write_text(changed("That is all.", "This is the end."), "utf-8")
    before = everything_in(built.root)
    monkeypatch.setattr(ClearHiddenTests, "preprocess", fail)
    with pytest.raises(BuildError, match="the disk is full"):
        build(built)
    assert everything_in(built.root) == before


def test_grades_of_other_cells_are_never_thrown_away(built):
    database = f"sqlite:///{built.course / 'gradebook.db'}"
    with quiet_nbgrader(), Gradebook(database) as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission(NAME, "ada")
    renamed = FIXTURE.read_text("utf-8").replace('"level_db"', '"level"')
    (built.solutions / FIXTURE.name).write_text(renamed, "utf-8")
    before = everything_in(built.root)
    with pytest.raises(SourceError, match=r"new: level, test_level; gone: level_db, test_level_db"):
        build(built)
    assert everything_in(built.root) == before
    build(built, course=built.root / "another")
    (built.solutions / FIXTURE.name).write_text(changed("That is all.", "This is the end."), "utf-8")
    assert build(built)[0].state == "built", "the same cells may be built again under their grades"


def test_a_learners_answers_are_kept(built):
    path = built.notebooks / f"{NAME}.ipynb"
    notebook = parse_notebook(path.read_bytes())
    answer = next(cell for cell in notebook["cells"] if cell["id"] == "energy")
    answer["source"] = "def energy(x):\n    return 3.0"
    path.write_bytes(notebook_bytes(notebook))
    mine = path.read_bytes()
    assert holds_answers(mine)
    (built.solutions / FIXTURE.name).write_text(changed("That is all.", "This is the end."), "utf-8")
    assert build(built)[0].state == "answers kept"
    assert build(built)[0].state == "answers kept"
    assert path.read_bytes() == mine
    assert b"This is the end." in (built.course / "release" / NAME / f"{NAME}.ipynb").read_bytes()
    assert build(built, force=True)[0].state == "built"
    assert not holds_answers(path.read_bytes())


def test_an_opened_notebook_without_answers_is_replaced(built):
    path = built.notebooks / f"{NAME}.ipynb"
    released = path.read_bytes()
    notebook = parse_notebook(released)
    notebook["cells"][1]["execution_count"] = 4
    path.write_bytes(notebook_bytes(notebook))
    assert build(built)[0].state == "built"
    assert path.read_bytes() == released


def test_nbgraders_own_command_makes_the_same_release(built):
    """The configuration in the course tree makes formgrader's button and the command line agree with the build."""
    released = built.course / "release" / NAME / f"{NAME}.ipynb"
    content = released.read_bytes()
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", NAME, "--force"]
    subprocess.run(command, cwd=built.course, check=True, capture_output=True)
    assert notebook_bytes(parse_notebook(released.read_bytes())) == content


SECRET_LINES = [
    "squares_of_samples = np.asarray(x, dtype=np.float64) ** 2",
    "return float(squares_of_samples.sum(axis=-1))",
    "# Squares never cancel, unlike the samples themselves.",
    'random_samples = check.hidden_inputs("energy").standard_normal(1001)',
    "Hearing spans twelve decades of power, and equal ratios sound like equal steps.",
    "names the large range of powers.",
]


@pytest.mark.parametrize("secret", SECRET_LINES)
@pytest.mark.parametrize("where", ["code", "markdown", "output", "cell metadata", "notebook metadata"])
def test_a_planted_secret_is_found(lesson, release, secret, where):
    notebook = parse_notebook(release)
    assert find_leaks(notebook, lesson) == []
    by_type = {cell["cell_type"]: cell for cell in notebook["cells"]}
    if where == "output":
        by_type["code"]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["before\n", secret, "\n"]}]
    elif where == "cell metadata":
        by_type["code"]["metadata"]["original"] = {"lines": [secret]}
    elif where == "notebook metadata":
        notebook["metadata"]["backup"] = secret
    else:
        indented = (
            "\n".join(["def f(x):", f"    {secret}", "    return"]) if where == "code" else f"So:\n\n    {secret}"
        )
        by_type[where]["source"] = indented
    assert find_leaks(notebook, lesson)


def test_a_solution_written_differently_is_found(lesson, release):
    notebook = parse_notebook(release)
    notebook["cells"][1]["source"] = "squares_of_samples = (np.asarray(x, # cast\n    dtype = np.float64)**2)"
    assert [leak.secret.kind for leak in find_leaks(notebook, lesson)] == ["a solution line"]


def test_a_leak_through_another_cell_of_the_source_is_refused(tmp_path):
    source = changed(
        "reference_power = 2.0",
        "reference_power = 2.0\nx = ramp\nsquares_of_samples = np.asarray(x, dtype=np.float64) ** 2",
    )
    path = tmp_path / FIXTURE.name
    path.write_text(source, "utf-8")
    with pytest.raises(SourceError, match=r":69 \[energy\] the release would leak: a solution line"):
        release_bytes(read_lesson(path))


def test_hints_may_give_a_line_away(tmp_path):
    path = tmp_path / FIXTURE.name
    line = "return 10 * float(np.log10(mean_power_of_x / reference_power))"
    path.write_text(changed("`10 * np.log10(...)`", f"`{line}`"), "utf-8")
    assert line.encode() in release_bytes(read_lesson(path))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda cells: cells.pop(), "has 15 cells, the source 16"),
        (lambda cells: cells[1].update(source="import os"), "not the source cell minus its marked lines"),
        (
            lambda cells: cells[1].update(outputs=[{"output_type": "stream", "name": "stdout", "text": "hi"}]),
            "has outputs",
        ),
        (lambda cells: cells[1]["metadata"].update(secret=1), "has the metadata secret"),
    ],
)
def test_a_release_that_is_not_the_public_part_is_refused(lesson, release, damage, message):
    notebook = parse_notebook(release)
    damage(notebook["cells"])
    with pytest.raises(SourceError, match=message):
        checked_release(notebook_bytes(notebook), lesson)


def test_lessons_are_chosen_by_name_number_or_path(project):
    for name in (NAME, "99", f"solutions/{NAME}.py", f"notebooks/{NAME}.ipynb"):
        assert [path.stem for path in select_sources(project, [name])] == [NAME]
    with pytest.raises(BuildError, match=f"no lesson `07`. The lessons are: {NAME}"):
        select_sources(project, ["07"])


def test_the_project_is_found_from_below_and_missed_with_reason(project, tmp_path_factory):
    assert Project.find(project.solutions) == Project(project.root)
    with pytest.raises(ProjectNotFoundError, match="Change into your clone"):
        Project.find(tmp_path_factory.mktemp("elsewhere"))


def run(project: Project, monkeypatch: pytest.MonkeyPatch, *arguments: str):
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("COLUMNS", "200")
    return CliRunner().invoke(app, list(arguments))


def test_the_command_prints_a_table(project, monkeypatch):
    result = run(project, monkeypatch, "build")
    assert result.exit_code == 0, result.output
    assert all(word in result.output for word in (NAME, "Exercises", "Points", "built"))
    assert "unchanged" in run(project, monkeypatch, "build", "99").output


def test_the_command_refuses_with_every_place_and_no_traceback(project, monkeypatch):
    (project.solutions / FIXTURE.name).write_text(
        changed("points=2", "points=0").replace("- 0.5 points", "- 1 point"), "utf-8"
    )
    result = run(project, monkeypatch, "build")
    assert result.exit_code == 1
    assert "2 problems" in result.output
    assert f"solutions/{FIXTURE.name}:56 [energy] points=0" in result.output
    assert "[why_decibels] the rubric sums" in result.output
    assert "Traceback" not in result.output
    assert not project.notebooks.exists()
    assert not project.build.exists()


def test_the_command_refuses_an_unknown_lesson(project, monkeypatch):
    result = run(project, monkeypatch, "build", "42")
    assert (result.exit_code, "There is no lesson `42`" in result.output) == (1, True)


def output_of(*lines: str) -> str:
    """Run lines of Python in a process of their own and return what they print."""
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


LOADED = "print(*(m for m in ('nbformat', 'nbgrader', 'jupytext', 'IPython', 'numpy') if m in sys.modules))"


def test_help_imports_nothing_heavy():
    assert output_of("import sys", "import autograder.cli", LOADED) == ""


def test_an_unchanged_build_imports_nothing_heavy(built):
    printed = output_of(
        "import sys",
        "from pathlib import Path",
        "from autograder.project import Project",
        "from autograder.release import build",
        f"print(build(Project(Path({str(built.root)!r})))[0].state)",
        LOADED,
    )
    assert printed == "unchanged"


def test_the_fingerprint_covers_every_module_that_shapes_a_release():
    printed = output_of(
        "import sys",
        "from pathlib import Path",
        # What writes files, finds folders or quietens nbgrader leaves the released bytes as they are.
        "import autograder.files, autograder.project, autograder.gradebook",
        "neutral = set(sys.modules)",
        "from autograder.source import read_lesson",
        "from autograder.release import release_bytes",
        f"release_bytes(read_lesson(Path({str(FIXTURE)!r})))",
        "print(*(name for name in set(sys.modules) - neutral if name.startswith('autograder.')))",
    )
    assert set(printed.split()) == {f"autograder.{Path(name).stem}" for name in release_module.SHAPING_MODULES}
