"""Attacks by the structure of the notebook: what it says about itself, and how its file is written.

Nothing but the text of answer cells and extra cells counts, so most of these keep exactly what their answers earn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attack import Arena, Attack, attempt, edited, full_marks, gets, unreadable, writes
from attack_course import LESSON, WRONG, as_bytes, find, graded_id, submission
from small_course import cell, nbgrader
from threats import Threat

FAILED = {"double": gets("failed")}
DOUBLE = graded_id("double")
ALWAYS_PASSES = "print('every check was passed')"


def wrong(name: str, threat: Threat, goal: str, edit: Any, **options: Any) -> Attack:
    """Edit a notebook whose answer to ``double`` is wrong, and still lose its points."""
    return edited(name, threat, goal, edit, given={"double": WRONG["double"]}, others=FAILED, **options)


def at(made: dict[str, Any], grade_id: str) -> dict[str, Any]:
    found: dict[str, Any] = made["cells"][find(made, grade_id)]
    return found


def tags(*names: str) -> Any:
    return lambda made: at(made, DOUBLE)["metadata"].update(tags=list(names))


def remove(made: dict[str, Any], grade_id: str = DOUBLE) -> None:
    del made["cells"][find(made, grade_id)]


def duplicate(made: dict[str, Any]) -> None:
    index = find(made, DOUBLE)
    forged = cell("code", ALWAYS_PASSES, "copy", nbgrader("test_double", points=3))
    made["cells"][index:index] = [forged, forged]


def split(made: dict[str, Any]) -> None:
    index = find(made, DOUBLE)
    first, second = dict(made["cells"][index]), dict(made["cells"][index])
    first["source"], second["source"] = "import random", ALWAYS_PASSES
    made["cells"][index : index + 1] = [first, second]


def tests_first(made: dict[str, Any]) -> None:
    test = made["cells"].pop(find(made, DOUBLE))
    made["cells"].insert(0, test)


def reverse(made: dict[str, Any]) -> None:
    made["cells"].reverse()


def retype(kind: str) -> Any:
    def edit(made: dict[str, Any]) -> None:
        at(made, DOUBLE).update(cell_type=kind, source="skipped")

    return edit


def forge(**values: Any) -> Any:
    return lambda made: at(made, DOUBLE)["metadata"]["nbgrader"].update(values)


def forge_everywhere(made: dict[str, Any]) -> None:
    for number, one in enumerate(made["cells"]):
        old = one["metadata"].get("nbgrader", {})
        one["metadata"]["nbgrader"] = nbgrader(f"test_{number}") | old | {"points": 1000, "grade": True}


def grade_the_answer(made: dict[str, Any]) -> None:
    at(made, "double")["metadata"]["nbgrader"].update(grade=True, points=100)


def swap_ids(made: dict[str, Any]) -> None:
    answer, test = at(made, "double")["metadata"], at(made, DOUBLE)["metadata"]
    answer["nbgrader"], test["nbgrader"] = dict(test["nbgrader"]), dict(answer["nbgrader"])


def insert_after(grade_id: str, *sources: str) -> Any:
    def edit(made: dict[str, Any]) -> None:
        index = find(made, grade_id) + 1
        made["cells"][index:index] = [cell("code", one, f"extra-{number}") for number, one in enumerate(sources)]

    return edit


PATCH_IN_AN_EXTRA_CELL = """\
class Pleasing:
    def __eq__(self, other):
        return True

def double(x):
    return Pleasing()

np.testing.assert_allclose = np.allclose = lambda *arguments, **options: True"""


def kernelspec(value: object) -> Any:
    return lambda made: made["metadata"].update(kernelspec=value, language_info={"name": "bash"})


def attach(made: dict[str, Any]) -> None:
    picture = {"image/png": "A" * (4 * 2**20), "image/svg+xml": "<svg onload='alert(1)'/>"}
    made["cells"][0]["attachments"] = {"big.png": picture, "../../up.png": picture}
    made["cells"][0]["source"] += "\n\n![](attachment:big.png)"


def forged_outputs(made: dict[str, Any]) -> None:
    result = {"output_type": "execute_result", "data": {"text/plain": "3"}, "metadata": {}, "execution_count": 1}
    at(made, DOUBLE).update(outputs=[result], execution_count=1)


def with_source(grade_id: str, change: Any) -> Any:
    def edit(made: dict[str, Any]) -> None:
        one = at(made, grade_id)
        one["source"] = change(one["source"])

    return edit


def format_3(made: dict[str, Any]) -> object:
    cells = [
        {**one, "input": one["source"], "language": "python"} if one["cell_type"] == "code" else one
        for one in made["cells"]
    ]
    for one in cells:
        if one["cell_type"] == "code":
            del one["source"]
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}


def twice(made: dict[str, Any]) -> bytes:
    """Give the list of cells twice: a careless reader checks the one and runs the other."""
    lying = as_bytes(made["cells"])
    return b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": %b, "cells": %b}' % (lying, lying)


def not_finite(made: dict[str, Any]) -> bytes:
    at(made, DOUBLE)["metadata"]["nbgrader"]["points"] = "POINTS"
    made["metadata"]["size"] = "SIZE"
    return as_bytes(made).replace(b'"POINTS"', b"NaN").replace(b'"SIZE"', b"1e400")


def odd_metadata(made: dict[str, Any]) -> None:
    made["metadata"] = []
    for one in made["cells"][:2]:
        one["metadata"] = "none"
        one["outputs"] = 17
    made["nbformat"] = "four"


def beside(folder: Path, arena: Arena, **others: dict[str, Any]) -> None:
    """Write the right notebook and others beside it."""
    writes(lambda _: submission())(folder, arena)
    for name, made in others.items():
        path = folder / name.replace("__", "/").replace("_ipynb", ".ipynb")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(made))


def checkpoints(folder: Path, arena: Arena) -> None:
    old = submission({"double": WRONG["double"]})
    beside(folder, arena, **{f".ipynb_checkpoints__{LESSON}-checkpoint_ipynb": old, f"old__{LESSON}_ipynb": old})


def scratch_notebook(folder: Path, arena: Arena) -> None:
    beside(folder, arena, scratch_ipynb={"cells": [], "nbformat": 4}, trial_ipynb=submission({"near": WRONG["near"]}))


def two_candidates(folder: Path, _arena: Arena) -> None:
    (folder / "final.ipynb").write_bytes(as_bytes(submission()))
    (folder / "final (really).ipynb").write_bytes(as_bytes(submission({"double": WRONG["double"]})))


CONFLICT = b"""\
{
<<<<<<< HEAD
 "cells": [],
=======
 "cells": [{}],
>>>>>>> theirs
 "nbformat": 4
}
"""

ATTACKS = [
    wrong("tag-skip-execution", Threat.TEST_TAGS, "Have the test skipped", tags("skip-execution", "remove_cell")),
    wrong("tag-raises-exception", Threat.TEST_TAGS, "Have the failure of the test expected", tags("raises-exception")),
    edited(
        "tag-on-an-answer",
        Threat.TEST_TAGS,
        "Hide a tag among the answer's own",
        lambda made: at(made, "double")["metadata"].update(tags=["skip-execution", "parameters"]),
    ),
    wrong("test-deleted", Threat.DELETED_TEST, "Be marked without a test", remove),
    edited(
        "everything-deleted-but-one-answer",
        Threat.DELETED_TEST,
        "Keep one answer and none of the tests",
        lambda made: made.update(cells=[at(made, "double")]),
        others={
            key: gets("not attempted") for key in ("smooth", "Counter", "numbers", "answer", "near", "minimise", "why")
        },
    ),
    wrong("test-duplicated", Threat.DUPLICATED_TEST, "Pass a copy of the test that checks nothing", duplicate),
    wrong("test-split", Threat.SPLIT_TEST, "Split the test so that its checks are lost", split),
    wrong("tests-before-answers", Threat.REORDERED_TEST, "Have the test run before there is an answer", tests_first),
    edited("all-cells-reversed", Threat.REORDERED_TEST, "Hand in the cells in reverse", reverse),
    wrong("test-as-markdown", Threat.RETYPED_TEST, "Make the test a text", retype("markdown")),
    wrong("test-as-raw", Threat.RETYPED_TEST, "Make the test a raw cell", retype("raw")),
    wrong("test-rewritten", Threat.RETYPED_TEST, "Replace the test's checks", with_source(DOUBLE, lambda _: "True")),
    edited(
        "answer-as-markdown",
        Threat.RETYPED_TEST,
        "Retype an answer cell; the text is right and counts",
        lambda made: at(made, "double").update(cell_type="markdown"),
    ),
    wrong("points-forged", Threat.FORGED_POINTS, "Raise the points of a test", forge(points=1000)),
    wrong("points-on-the-answer", Threat.FORGED_POINTS, "Make the answer cell earn points", grade_the_answer),
    wrong("score-forged-in-outputs", Threat.FORGED_POINTS, "Bring the score along as an output", forged_outputs),
    wrong("points-everywhere", Threat.FORGED_POINTS, "Make every cell a test worth 1000", forge_everywhere),
    wrong("grade-flag-removed", Threat.FORGED_GRADE, "Say that the test is none", forge(grade=False)),
    wrong("test-as-solution", Threat.FORGED_GRADE, "Say that the test is an answer", forge(solution=True, grade=False)),
    wrong("test-as-task", Threat.FORGED_GRADE, "Say that a person marks the test", forge(task=True, solution=False)),
    edited(
        "ids-swapped",
        Threat.FORGED_GRADE,
        "Swap the names of answer and test",
        swap_ids,
        others={"double": gets("failed|error|not attempted|crashed")},
    ),
    wrong("test-unlocked", Threat.FORGED_LOCK, "Unlock the test and empty it", forge(locked=False, solution=True)),
    wrong("schema-from-the-future", Threat.FORGED_SCHEMA, "Use another schema", forge(schema_version=99)),
    wrong("schema-of-no-type", Threat.FORGED_SCHEMA, "Use a schema that is no number", forge(schema_version={"a": []})),
    wrong("checksum-forged", Threat.FORGED_CHECKSUM, "Forge the test's checksum", forge(checksum="0" * 32)),
    edited(
        "checksum-of-the-stub",
        Threat.FORGED_CHECKSUM,
        "Claim that a right answer is the untouched stub",
        lambda made: at(made, "double")["metadata"]["nbgrader"].update(checksum="0" * 32),
    ),
    wrong(
        "extra-cell-patches",
        Threat.EXTRA_CELLS,
        "Patch between answer and test",
        insert_after("double", PATCH_IN_AN_EXTRA_CELL),
    ),
    wrong(
        "extra-cell-of-nothing-but-magic",
        Threat.EXTRA_CELLS,
        "Skip the cells that follow",
        insert_after("double", "%%script false --no-raise-error\n", "%%capture\n", "%%javascript\nalert(1)\n"),
    ),
    edited(
        "extra-cells-by-the-thousand",
        Threat.EXTRA_CELLS,
        "Wear the grader out with a thousand cells",
        insert_after("double", *["x = 1"] * 1000),
    ),
    edited(
        "kernel-of-bash",
        Threat.FOREIGN_KERNEL,
        "Have the cells run by a shell",
        kernelspec({"name": "bash", "display_name": "Bash", "language": "bash"}),
    ),
    edited("kernel-of-no-type", Threat.FOREIGN_KERNEL, "Stop the batch with a kernelspec of no type", kernelspec([1])),
    edited(
        "kernel-with-a-path",
        Threat.FOREIGN_KERNEL,
        "Have another program started as the kernel",
        kernelspec({"name": "../../outside", "display_name": "x", "argv": ["/bin/sh", "-c", "touch @OUTSIDE@/k"]}),
    ),
    edited("attachments-of-megabytes", Threat.ATTACHMENTS, "Carry megabytes of attachments along", attach),
    edited(
        "source-of-900-kilobytes",
        Threat.HUGE_SOURCE,
        "Slow the grader down with a long comment",
        with_source("double", lambda text: f"# {'x' * 900_000}\n{text}"),
    ),
    unreadable(
        "source-over-the-limit",
        Threat.HUGE_SOURCE,
        "Hand in a cell of 2 MB",
        {"nbformat": 4, "cells": [cell("code", "#" * 2_000_000, "a", nbgrader("double", solution=True))]},
        "characters, the limit is",
    ),
    unreadable("file-over-the-limit", Threat.HUGE_SOURCE, "Hand in 33 MiB", b" " * (33 * 2**20), "MiB, the limit is"),
    unreadable(
        "cells-over-the-limit",
        Threat.HUGE_SOURCE,
        "Hand in very many cells",
        b'{"nbformat": 4, "cells": [' + b",".join([b"{}"] * 200_000) + b"]}",
        "cells, the limit is",
    ),
    edited(
        "control-characters",
        Threat.CONTROL_CHARACTERS,
        "Rewrite the marker's terminal from a message",
        with_source(
            "double", lambda _: "def double(x):\n    raise ValueError('\\x1b[2J\\x1b]0;passed\\x07\\x08\\r 3/3')"
        ),
        others=FAILED,
        reason="ValueError",
        about=DOUBLE,
    ),
    edited(
        "control-characters-in-code",
        Threat.CONTROL_CHARACTERS,
        "Hide code behind carriage returns and form feeds",
        with_source("double", lambda text: f"# \x0c\x1b[8m\x07\x0b\x85\u2028\n{text}"),
    ),
    edited(
        "nul-in-an-answer",
        Threat.NUL,
        "Cut the cell off where C strings end",
        with_source("double", lambda text: text + "\n# \x00\nraise SystemExit"),
        others={"double": gets("error|failed")},
    ),
    edited(
        "nul-in-an-extra-cell", Threat.NUL, "Cut the notebook off where C strings end", insert_after("double", "'\x00'")
    ),
    edited(
        "lone-surrogates",
        Threat.SURROGATES,
        "Crash whatever writes UTF-8",
        with_source("double", lambda text: f"# \ud800 \udfff\n{text}"),
    ),
    edited(
        "lone-surrogates-in-messages",
        Threat.SURROGATES,
        "Crash whatever writes the message as UTF-8",
        with_source("double", lambda _: "print(chr(0xd800))\ndef double(x):\n    raise ValueError(chr(0xdc80) * 3)"),
        others=FAILED,
        reason="ValueError",
        about=DOUBLE,
    ),
    edited(
        "bidi-source",
        Threat.BIDI,
        "Have the marker read other code than is run",
        with_source("double", lambda text: "# \u202e\u2066 :nruter \u2069\u202c\n" + text),
    ),
    edited(
        "bidi-message",
        Threat.BIDI,
        "Have the marker read another message than was sent",
        with_source("double", lambda _: "def double(x):\n    raise ValueError('\u202e3/3 dessap\u202c')"),
        others=FAILED,
        reason="ValueError",
        about=DOUBLE,
    ),
    edited("nbformat-3", Threat.OLD_FORMAT, "Hand in the format of ten years ago", format_3),
    edited(
        "nbformat-999",
        Threat.OLD_FORMAT,
        "Claim a format of the future",
        lambda made: made.update(nbformat=999, nbformat_minor=-1),
    ),
    edited(
        "byte-order-mark",
        Threat.BYTE_ORDER_MARK,
        "Begin with a byte order mark",
        lambda made: b"\xef\xbb\xbf" + as_bytes(made),
    ),
    edited("utf-16", Threat.UTF_16, "Hand in UTF-16", lambda made: as_bytes(made).decode().encode("utf-16")),
    unreadable("latin-1", Threat.UTF_16, "Hand in bytes of no encoding", b'{"cells": "\xe9\xff\xfe"}', "not text"),
    unreadable(
        "keys-twice",
        Threat.DUPLICATE_KEYS,
        "Show a checker one notebook and the runner another",
        twice(submission()),
        "stands twice",
    ),
    wrong("not-finite-numbers", Threat.NOT_FINITE, "Earn NaN points", not_finite),
    unreadable("brackets", Threat.NESTED_BRACKETS, "Exhaust the reader's stack", b"[" * 200_000, "nested too deeply"),
    unreadable(
        "objects-nested",
        Threat.NESTED_BRACKETS,
        "Exhaust the reader's stack within a notebook",
        b'{"cells": ' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"}",
        "nested too deeply",
    ),
    unreadable("empty-file", Threat.EMPTY_FILE, "Hand in nothing", b"", "empty"),
    unreadable("blank-file", Threat.EMPTY_FILE, "Hand in blanks", b" \n\t\n", "empty"),
    unreadable("empty-object", Threat.EMPTY_OBJECT, "Hand in {}", b"{}", "no list of cells"),
    unreadable("a-list", Threat.WRONG_TYPES, "Hand in a list", b"[1, 2]", "list, not a notebook"),
    unreadable("cells-of-no-type", Threat.WRONG_TYPES, "Make a cell a number", b'{"cells": [17]}', "cell 1"),
    unreadable(
        "source-of-no-type",
        Threat.WRONG_TYPES,
        "Make a source a number",
        b'{"cells": [{"cell_type": "code", "source": [1, {}]}]}',
        "source that is not text",
    ),
    edited("metadata-of-no-type", Threat.WRONG_TYPES, "Break whatever reads metadata", odd_metadata),
    wrong("grade-id-of-no-type", Threat.WRONG_TYPES, "Break whatever looks grade ids up", forge(grade_id=["a", {}])),
    unreadable("conflict-markers", Threat.CONFLICT_MARKERS, "Hand in a merge conflict", CONFLICT, "conflict markers"),
    edited(
        "renamed", Threat.RENAMED, "Rename the file as a browser does", lambda _: None, file_name=f"{LESSON} (1).ipynb"
    ),
    edited(
        "renamed-to-another-lesson",
        Threat.RENAMED,
        "Hand one lesson in under another's name",
        lambda _: None,
        file_name="02_tensors.ipynb",
    ),
    Attack("checkpoints", Threat.CHECKPOINTS, "Leave stray checkpoints", checkpoints, full_marks()),
    Attack("scratch-notebook", Threat.SECOND_NOTEBOOK, "Leave other notebooks about", scratch_notebook, full_marks()),
    Attack(
        "two-candidates",
        Threat.SECOND_NOTEBOOK,
        "Hand in two and see which counts",
        two_candidates,
        {},
        "different notebooks of lesson",
    ),
    edited(
        "answer-before-everything",
        Threat.EXTRA_CELLS,
        "Patch before the first given cell",
        lambda made: made["cells"].insert(0, cell("code", attempt("import numpy; numpy.allclose = None"), "first")),
    ),
    edited(
        "given-cell-edited",
        Threat.EXTRA_CELLS,
        "Change what the given cells set up",
        lambda made: made["cells"][1].update(source="samples = [0]\nnp = None\n"),
        others={"answer": gets("failed|error")},
    ),
]
