"""Reading lesson sources: what a lesson holds, and every refusal with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_project import FIXTURE, changed

from autograder.cells import SourceError, find_regions, parse_hints, replace_regions
from autograder.exercise_runner import ExerciseRunner
from autograder.names import names_of
from autograder.source import expand_hints, read_lesson, source_notebook


def problems_of(tmp_path: Path, source: str) -> list[str]:
    path = tmp_path / FIXTURE.name
    path.write_text(source, "utf-8")
    with pytest.raises(SourceError) as caught:
        read_lesson(path)
    return [f"{problem.line} [{problem.key}] {problem.message}" for problem in caught.value.problems]


def test_a_lesson_knows_its_exercises(lesson):
    assert (lesson.name, lesson.number, lesson.title, lesson.points) == ("99_fixture", 99, "A lesson for tests", 5)
    assert lesson.keys == ("energy", "level_db", "why_decibels")
    energy, level = lesson.exercises
    assert (energy.number, energy.title, energy.points, energy.forbid) == (
        "99.1",
        "Energy of a signal",
        2,
        ("np.linalg.norm", "np.vdot"),
    )
    assert energy.stub.endswith('    raise NotImplementedError("Exercise 99.1: Energy of a signal")')
    assert energy.test.startswith('check.forbids(energy, "np.linalg.norm np.vdot")\n')
    assert energy.hints[1].startswith("Square first")
    assert energy.hints[1].endswith("2. their sum.")
    assert "random_samples" in energy.hidden_test
    assert "random_samples" not in energy.visible_test
    assert "SOLUTION" not in energy.answer
    assert "squares_of_samples" in energy.answer
    assert level.stub.count("raise NotImplementedError") == 2, "each solution region gets its stub"
    assert not level.test.startswith("check.forbids")


def test_a_written_question_has_model_answer_and_rubric(lesson):
    (question,) = lesson.written
    assert (question.number, question.title, question.stub) == ("99.3", "Why decibels?", "YOUR ANSWER HERE")
    assert question.model_answer.startswith("Hearing spans")
    assert question.rubric == (
        (1.0, "names the large range of powers."),
        (0.5, "says that equal ratios sound like equal steps."),
    )


def test_source_notebook_carries_nbgrader_metadata(lesson):
    cells = {cell["id"]: cell for cell in source_notebook(lesson)["cells"]}
    roles = {
        name: tuple(cell["metadata"]["nbgrader"][role] for role in ("grade", "solution", "locked"))
        for name, cell in cells.items()
        if "nbgrader" in cell["metadata"]
    }
    assert roles == {
        "energy": (False, True, False),
        "test_energy": (True, False, True),
        "level_db": (False, True, False),
        "test_level_db": (True, False, True),
        "why_decibels": (True, True, False),
    }
    assert cells["energy"]["metadata"]["course"]["forbid"] == ["np.linalg.norm", "np.vdot"]
    assert cells["test_level_db"]["metadata"]["nbgrader"]["points"] == 1.5
    assert all(
        cell["metadata"]["nbgrader"]["schema_version"] == 3 for cell in cells.values() if "nbgrader" in cell["metadata"]
    )
    assert [cell["metadata"]["tags"] for cell in cells.values() if "tags" in cell["metadata"]] == [["demo"]]


def test_hints_fold_with_blank_lines_around_markdown():
    text = expand_hints(("idea", "1. first\n2. second", "`x`"))
    assert text.count("<details>") == text.count("</details>") == 3
    assert "</summary>\n\n1. first\n2. second\n\n</details>" in text


def test_both_ways_of_writing_markdown_and_tags_are_read(tmp_path):
    text = changed('# %% tags="demo"', '# %% tags=["demo"]')
    text = text.replace("# That is all.", '"""\nThat is all.\n"""')
    path = tmp_path / FIXTURE.name
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    lesson = read_lesson(path)
    assert lesson.cells[2].is_demo
    assert lesson.cells[-1].source == "That is all."


REFUSALS = [
    ("typo in a key", 'exercise="energy"', 'excercise="energy"', "# %% excercise", "unknown cell key `excercise`"),
    (
        "key without quotes",
        'test="energy"',
        "test=energy",
        "# %% test=energy",
        "cannot read the cell keys `test=energy`",
    ),
    ("words behind the marker", "# %%\nref", "# %% setup\nref", "# %% setup", "`setup` behind `# %%` is no cell key"),
    ("unknown tag", 'tags="demo"', 'tags="dmeo"', '# %% tags="dmeo"', "unknown tag `dmeo`"),
    (
        "exercise without test",
        '# %% test="energy" points=2',
        "# %%",
        '# %% exercise="energy"',
        "the exercise has no test",
    ),
    (
        "test without exercise",
        '# %% exercise="level_db"',
        "# %%",
        '# %% test="level_db"',
        "the test has no answer cell",
    ),
    ("no points", 'test="energy" points=2', 'test="energy"', '# %% test="energy"', "no points"),
    ("no points for words", '" points=1.5\n# ###', '"\n# ###', "written=", "no points"),
    ("zero points", "points=2", "points=0", '# %% test="energy"', "expected a positive number"),
    ("negative points", "points=2", "points=-1", '# %% test="energy"', "expected a positive number"),
    ("points in words", "points=2", 'points="two"', '# %% test="energy"', "expected a positive number"),
    ("no hints", '[markdown] hints="energy"', "[markdown]", '# %% exercise="energy"', "the exercise has no hints"),
    ("hints of nobody", 'hints="energy"', 'hints="enrgy"', 'hints="enrgy"', "the hints belong to no exercise"),
    ("two stages", "# line: `10", "# `10", 'hints="level_db"', "the stages concept, structure;"),
    ("stages out of order", "# structure: Div", "# concept: Div", 'hints="level_db"', "concept, concept, line"),
    (
        "empty stage",
        "# concept: A level is a ratio of powers.",
        "# concept:",
        'hints="level_db"',
        "`concept:` is empty",
    ),
    (
        "no markers",
        "    ### BEGIN SOLUTION\n    #",
        "    #",
        "    ### END SOLUTION",
        "has no `### BEGIN SOLUTION` before",
    ),
    (
        "no end",
        '### END SOLUTION\n\n\n# %% test="energy"',
        '\n\n# %% test="energy"',
        "### BEGIN SOLUTION",
        "no `### END SOLUTION`",
    ),
    ("inexact marker", "    ### BEGIN SOLUTION", "    # BEGIN SOLUTION", "# BEGIN SOLUTION", "write the marker alone"),
    (
        "stray marker",
        "reference_power = 2.0",
        "### BEGIN SOLUTION\nreference_power = 2.0",
        "### BEGIN SOLUTION\nref",
        "`BEGIN SOLUTION` has no meaning in a cell without",
    ),
    (
        "duplicate key",
        'exercise="level_db"',
        'exercise="energy"',
        'exercise="energy"\ndef level',
        "the id `energy` is taken",
    ),
    ("key no identifier", 'written="why_decibels"', 'written="why decibels?"', "written=", "is no identifier"),
    (
        "demo exercise",
        'exercise="level_db"',
        'exercise="level_db" tags="demo"',
        'exercise="level_db"',
        "cannot be a demo",
    ),
    (
        "forbid on a test",
        'test="energy"',
        'forbid="np.vdot" test="energy"',
        'test="energy"',
        "belongs to the exercise=",
    ),
    ("forbid of no name", '"np.linalg.norm np.vdot"', '"np.vdot()"', 'exercise="energy"', "which is no dotted name"),
    (
        "no statement",
        "# ### Exercise 99.2 — Level in decibels",
        "# Levels",
        'exercise="level_db"',
        "no statement before it",
    ),
    ("wrong number", "Exercise 99.2", "Exercise 99.3", "# ### Exercise 99.3", "expected `### Exercise 99.2 — title`"),
    ("wrong lesson", "Exercise 99.1", "Exercise 98.1", "# ### Exercise 98.1", "expected `### Exercise 99.1 — title`"),
    (
        "wrong dash",
        "Exercise 99.2 — L",
        "Exercise 99.2: L",
        "# ### Exercise 99.2",
        "expected `### Exercise 99.2 — title`",
    ),
    ("no rubric", "**Rubric**", "Points", "written=", "no `**Rubric**`"),
    ("rubric sums wrong", "- 0.5 points:", "- 1 point:", "written=", "the rubric sums to 2 points, the cell has 1.5"),
    ("rubric without points", "- 0.5 points:", "- half:", "written=", "does not start `- 1 point: `"),
    ("invalid solution", "return float(squares", "return return float(squares", "return return", "not valid Python"),
    (
        "demo dependency",
        "reference_power = 2.0",
        "reference_power = picture[0]",
        "# %%\nref",
        "reads picture from the demo",
    ),
    ("raw cell", "# %%\nref", "# %% [raw]\nref", "# %% [raw]", "a raw cell"),
    ("points on prose", "# %%\nref", "# %% points=2\nref", "# %% points=2", "`points` belongs to"),
    ("two roles", 'test="energy"', 'test="energy" hints="level_db"', 'test="energy"', "a cell has one role"),
    ("code for words", '[markdown] written="why', 'written="why', "written=", "must be a [markdown] cell"),
]


@pytest.mark.parametrize(("old", "new", "place", "message"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refused_with_its_place(tmp_path, old, new, place, message):
    source = changed(old, new)
    problems = problems_of(tmp_path, source)
    line = source[: source.index(place)].count("\n") + 1
    assert any(message in p and p.startswith(f"{line} ") for p in problems), f"line {line}:\n" + "\n".join(problems)


_DRAW = 'random_samples = check.hidden_inputs("energy").standard_normal(1001)'
_REMEDY = 'use check.hidden_inputs("energy")'

GENERATORS = [
    "np.random.default_rng(101).standard_normal(1001)",
    "np.random.default_rng(seed=5).standard_normal(1001)",
    "np.random.default_rng().standard_normal(1001)",
    "np.random.RandomState(3).randn(1001)",
    "np.random.randn(1001)",
    "np.random.seed(4)",
    "__import__('x'), default_rng(3)",
    "random.Random(4).random()",
    "random.random()",
    "torch.manual_seed(4)",
    "torch.randn(1001)",
]


@pytest.mark.parametrize("draw", GENERATORS)
def test_hidden_tests_draw_from_no_public_seed(tmp_path, draw):
    source = changed(_DRAW, f"random_samples = {draw}")
    line = source[: source.index("random_samples = ")].count("\n") + 1
    problems = problems_of(tmp_path, source)
    assert any(p.startswith(f"{line} [energy]") and "hidden tests draw" in p and _REMEDY in p for p in problems)


def test_a_public_generator_may_not_be_made_outside_and_used_inside(tmp_path):
    inside = changed(_DRAW, "random_samples = rng.standard_normal(1001)")
    for old in ("ramp = np.arange(8.0)\n", "check.close(energy(ramp), 140.0"):
        source = inside.replace(old, "rng = np.random.default_rng(7)\n" + old, 1)
        assert any("`rng`, whose seed is public" in p for p in problems_of(tmp_path, source))


@pytest.mark.parametrize(
    "draw",
    [
        "np.random.default_rng(int(check.hidden_inputs('energy').integers(9))).standard_normal(1001)",
        "np.random.Generator(check.hidden_inputs('energy').bit_generator).standard_normal(1001)",
        "np.zeros(1001)",
    ],
)
def test_other_inputs_are_an_authors_own_choice(tmp_path, draw):
    path = tmp_path / FIXTURE.name
    path.write_text(changed(_DRAW, f"random_samples = {draw}"), "utf-8")
    read_lesson(path)


def test_visible_tests_may_draw_as_they_like_and_so_may_lessons_without_check(tmp_path):
    path = tmp_path / FIXTURE.name
    visible = "check.close(energy(ramp), 140.0"
    path.write_text(changed(visible, "_seen = np.random.default_rng(1).random(3)\n" + visible), "utf-8")
    read_lesson(path)
    without = changed("from course_lib import check\n", "").replace(' forbid="np.linalg.norm np.vdot"', "")
    without = without.replace("check.close(", "np.testing.assert_allclose(").replace("name=", "err_msg=")
    path.write_text(without.replace(_DRAW, "random_samples = np.random.default_rng(1).random(3)"), "utf-8")
    read_lesson(path)


VISIBLE = 'check.close(energy(ramp), 140.0, name="energy of the ramp")'

UNSPLITTABLE = [
    ("get_ipython().run_cell('1')", "uses get_ipython or a magic"),
    ("energy(globals()['ramp'])", "uses globals()"),
    ("def inner():\n    return locals()", "uses locals()"),
    ("import __main__", "uses __main__"),
    ("import sys\nsys.modules['__main__'].energy", "uses __main__"),
    ("energy(rampp)", "reads `rampp`, which no cell before binds"),
    ("energy(picture)", "reads `picture`, which no cell before binds"),
    ("np.sum = max", "changes `np.sum`"),
    ("energy.calls = 0", "changes `energy.calls`"),
    ("del np.sum", "changes `np.sum`"),
    ("setattr(np, 'sum', max)", "changes `np`"),
    ("from unittest import mock\nwith mock.patch('numpy.sum'):\n    energy(ramp)", "uses mock.patch"),
    ("with open('data.txt') as file:\n    energy(file)", "open file or a lock"),
    ("energy(open('data.txt'))", "open file or a lock"),
    ("import threading\nenergy(threading.Lock())", "open file or a lock"),
    ("energy(np)", "hands the answer the module `np`"),
    ("check.hidden_inputs('level_db')", "stands in the test of another exercise"),
]


@pytest.mark.parametrize(("code", "message"), UNSPLITTABLE, ids=[code[:30] for code, _ in UNSPLITTABLE])
def test_tests_that_two_processes_cannot_share_are_refused_with_their_place(tmp_path, code, message):
    source = changed(VISIBLE, f"{VISIBLE}\n{code}")
    line = source[: source.index(VISIBLE)].count("\n") + 2
    problems = problems_of(tmp_path, source)
    wanted = range(line, line + 1 + code.count("\n"))
    assert any(message in p and "[energy]" in p and int(p.split()[0]) in wanted for p in problems), problems


def test_a_global_that_the_answer_reads_is_not_set_by_its_test(tmp_path):
    visible = "check.close(level_db(np.full(10, 2.0)), 10 * np.log10(2)"
    source = changed(visible, "reference_power = 1.0\n" + visible)
    assert any("sets `reference_power`, which the answer reads" in p for p in problems_of(tmp_path, source))


def test_ordinary_test_code_is_left_alone(tmp_path):
    code = (
        "import inspect\n_seen = []\ndef _note(x):\n    _seen.append(x)\n    return x\n"
        "class _Box:\n    pass\n_box = _Box()\n_box.value = energy(_note(ramp))\n"
        "print(inspect.getsource(energy), [k for k in _seen])\n_copy = ramp.copy()\n_copy[0] = 1.0"
    )
    path = tmp_path / FIXTURE.name
    path.write_text(changed(VISIBLE, f"{VISIBLE}\n{code}"), "utf-8")
    read_lesson(path)


def test_missing_hidden_or_visible_tests_are_refused(tmp_path):
    source = FIXTURE.read_text("utf-8")
    begin, end = source.index("### BEGIN HIDDEN"), source.index("### END HIDDEN TESTS\n")
    without_hidden = source[:begin] + source[end + len("### END HIDDEN TESTS\n") :]
    assert any("no hidden tests" in p and "[energy]" in p for p in problems_of(tmp_path, without_hidden))
    only_comments = source[:begin] + "### BEGIN HIDDEN TESTS\n# later\n" + source[end:]
    assert any("no hidden tests" in p for p in problems_of(tmp_path, only_comments))
    start = source.index("check.close(energy(np.array([1.0")
    without_visible = source[:start] + source[begin:]
    assert any("no visible tests" in p for p in problems_of(tmp_path, without_visible))


def test_a_cell_that_only_its_solution_makes_valid_is_refused(tmp_path):
    region = "    mean_power_of_x = energy(x) / len(x)\n    ### END SOLUTION\n"
    source = changed(region, "    if len(x):\n    ### END SOLUTION\n        mean_power_of_x = energy(x) / len(x)\n")
    assert any("marked lines taken out, is not valid Python" in p for p in problems_of(tmp_path, source))


def test_unclosed_hidden_tests_and_missing_check_import_are_refused(tmp_path):
    assert any("has no `### END HIDDEN TESTS`" in p for p in problems_of(tmp_path, changed("### END HIDDEN TESTS", "")))
    problems = problems_of(tmp_path, changed("from course_lib import check\n", ""))
    assert any("from course_lib import check" in p for p in problems)


def test_a_demo_that_rebinds_a_given_name_is_refused(tmp_path):
    problems = problems_of(tmp_path, changed("picture = ramp[::-1]", "ramp = picture = ramp[::-1]"))
    assert any("[energy] reads ramp from the demo cell" in p for p in problems)


def test_all_problems_come_at_once(tmp_path):
    source = (
        changed('test="energy" points=2', 'test="energy"')
        .replace("- 0.5 points:", "- 1 point:")
        .replace('"demo"', '"dmo"')
    )
    problems = problems_of(tmp_path, source)
    assert len(problems) == 3
    assert [int(p.split()[0]) for p in problems] == sorted(int(p.split()[0]) for p in problems)


def test_magics_are_python_enough(tmp_path):
    path = tmp_path / FIXTURE.name
    path.write_text(
        changed("reference_power = 2.0", "# %config InlineBackend.figure_format = 'retina'\nreference_power = 2.0")
    )
    assert read_lesson(path).cells[8].source.startswith("%config")


def test_files_that_cannot_be_read_are_refused(tmp_path):
    latin = tmp_path / "01_latin.py"
    latin.write_bytes("# %% [markdown]\n# # Müller".encode("latin-1"))
    with pytest.raises(SourceError, match="is not UTF-8"):
        read_lesson(latin)
    with pytest.raises(SourceError, match="there is no such file"):
        read_lesson(tmp_path / "02_missing.py")
    assert any(
        "indent a `# %%`" in p for p in problems_of(tmp_path, changed("ramp =", 'text = """\n# %% x\n"""\nramp ='))
    )


@pytest.mark.parametrize("source", ["### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "### END SOLUTION"])
def test_regions_must_pair(source):
    with pytest.raises(ValueError, match="SOLUTION"):
        find_regions(source, "SOLUTION")


def test_regions_are_replaced_at_their_indentation():
    source = "if a:\n    ### BEGIN SOLUTION\n    b()\n    ### END SOLUTION\nc()"
    assert replace_regions(source, "SOLUTION", "stub()") == "if a:\n    stub()\nc()"


def test_hints_keep_their_markdown():
    assert parse_hints("concept: a\n\n$x$\nstructure: b\nline: c\n```\nline = 1\n```")[2] == "c\n```\nline = 1\n```"


@pytest.mark.parametrize(
    ("source", "bound", "read"),
    [
        ("import a.b\nfrom c import d as e", {"a", "e"}, set()),
        ("def f(x, y=z):\n    global g\n    g = h\n    return x", {"f", "g"}, {"h", "z"}),
        ("x += 1", {"x"}, {"x"}),
        ("[k for k in q]", set(), {"q"}),
        ("class C:\n    w = u\n    def m(self):\n        return v", {"C"}, {"u", "v"}),
        ("%matplotlib inline\nprint(x)", set(), {"x"}),
    ],
)
def test_names_of_a_cell(source, bound, read):
    names = names_of(source)
    assert (set(names.bound), set(names.read)) == (bound, read)


@pytest.fixture(scope="module")
def runner(lesson):
    return ExerciseRunner(lesson)


def test_reference_solutions_pass(runner, lesson):
    for exercise in lesson.exercises:
        outcome = runner.run(exercise.key)
        assert outcome.passed, outcome.message


def test_the_stub_fails_at_the_first_test(runner, lesson):
    outcome = runner.run("energy", lesson.exercise("energy").stub)
    assert (outcome.passed, outcome.stage, outcome.hidden) == (False, "test", False)
    assert "Exercise 99.1" in outcome.message


def test_a_wrong_answer_may_fail_hidden_tests_only(runner):
    outcome = runner.run("energy", "def energy(x):\n    return float((x * x).sum())")
    assert outcome.hidden, outcome.message


def test_an_error_in_the_answer_names_its_line(runner):
    outcome = runner.run("energy", "def energy(x):\n    return 1\n1 / 0")
    assert (outcome.stage, outcome.line) == ("answer", 3)
    assert runner.run("energy", "def energy(x) return").stage == "answer"


def test_forbidden_calls_are_seen(runner):
    outcome = runner.run("energy", "def energy(x):\n    return np.linalg.norm(x) ** 2")
    assert outcome.stage == "test"
    assert "np.linalg.norm" in outcome.message


def test_one_answer_cannot_spoil_the_next(runner):
    spoiling = "ramp[:] = 0\nreference_power = 0\ndel np\ncheck = None\ndef energy(x):\n    return 0"
    assert not runner.run("energy", spoiling).passed
    assert runner.run("energy").passed


def test_functions_of_the_setup_see_the_answer(tmp_path):
    source = changed("ramp = np.arange(8.0)", "ramp = np.arange(8.0)\ndef twice(x):\n    return 2 * energy(x)")
    source = source.replace("check.close(energy(ramp), 140.0", "check.close(twice(ramp) / 2, 140.0")
    path = tmp_path / FIXTURE.name
    path.write_text(source, "utf-8")
    runner = ExerciseRunner(read_lesson(path))
    assert runner.run("energy").passed
    assert not runner.run("energy", "def energy(x):\n    return 5.0").passed


def test_an_unknown_key_lists_the_keys(runner):
    with pytest.raises(KeyError, match="energy, level_db"):
        runner.run("enrgy")


def test_source_is_found(runner):
    answer = "import inspect\ndef energy(x):\n    return float(len(inspect.getsource(energy)) > 0) * 5"
    assert "140" in runner.run("energy", answer).message
