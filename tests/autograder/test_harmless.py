"""What a marker opens: the executed notebook as formgrader renders it runs nothing, loads nothing, submits nothing."""

from __future__ import annotations

import base64
import html
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from small_course import ALL_RIGHT, LESSON, cell, hand_in, submission, write_course
from test_feedback import ATTACKS, Elements
from test_grading import ScriptedEngine, run_grading

from autograder.attachments import MAX_PICTURE_BYTES, read_attachments
from autograder.course_tree import CourseTree, grade_id
from autograder.engine import CellRun, CellState, Job
from autograder.harmless import harmless_markdown
from autograder.intake import collect, parse_notebook
from autograder.notebook_files import metadata_node, read_kept_notebook
from autograder.rebuild import rebuild
from autograder.reports import gather

FORMATTING = {
    *{"p", "strong", "em", "code", "pre", "a", "br", "hr", "ul", "ol", "li", "blockquote", "img", "div", "span", "del"},
    *{"h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd"},
}
TRICKS = [
    *ATTACKS,
    "[x]( javascript:window.pwned=1)\n[x](\njavascript:window.pwned=1)\n[x](<javascript:window.pwned=1>)",
    "[x](&#106;avascript:window.pwned=1) [y](java\\\nscript:1) [z](JAVASCRIPT&colon;1)",
    "[x][evil] ![y][pixel] [evil]\n\n[evil]: javascript:window.pwned=1\n[pixel]: https://evil.example/p.png",
    "![a [b](https://evil.example/p.png)](https://evil.example/q.png) ![a](attachment:absent.png)",
    "[![a](https://evil.example/p.png)](https://evil.example) !\\[a](https://evil.example/p.png)",
    "<javascript:window.pwned=1> <img\nsrc=x onerror=1> <!-- --> <?php ?> <![CDATA[x]]> </div><script/>",
    "> <script>1</script>\n\n- <iframe src=x>\n\n| a |\n|---|\n| <svg/onload=1> |\n\n    <script>2</script>",
    "```html\n<script>1</script>\n```\n\n``<script>`` `<script>",
    "$\\href{javascript:window.pwned=1}{x}$ $$\\require{html}\\cssId{a}{b}\\style{color:red}{c}$$ \\(\\href {a}{b}\\)",
    "$<script>1</script>$ $$<img src=x onerror=1>$$ \\begin{a}<script>\\end{a}",
]
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 3, 2) + b"\x08\x02\x00\x00\x00more"
JPEG = b"\xff\xd8\xff\xe0\x00\x04ab" + b"\xff\xc0\x00\x0b\x08\x00\x02\x00\x03\x01\x01\x11\x00" + b"\xff\xd9"


def text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def as_formgrader(text: str, attachments: dict[str, Any] | None = None) -> str:
    """Render Markdown as nbconvert does, in its own way with links of any scheme."""
    renderer = IPythonRenderer(escape=False, attachments=attachments or {})
    return str(MarkdownWithMath(renderer=renderer).render(text))


def is_dead_checkbox(tag: str, attributes: dict[str, str | None]) -> bool:
    """Tell whether this is the box of a task list: it cannot be ticked, and nothing sends it."""
    is_dead = attributes.get("type") == "checkbox" and "disabled" in attributes
    return tag == "input" and is_dead and attributes.keys() <= {"class", "type", "disabled", "checked"}


def assert_harmless(page: str) -> None:
    for tag, attributes in Elements(page).found:
        assert tag in FORMATTING or is_dead_checkbox(tag, attributes), (tag, page)
        assert not any(name.startswith("on") or name in ("srcdoc", "action") for name in attributes), page
        assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/"), page
        assert re.match(r"(https?:|mailto:|#|$)", attributes.get("href") or ""), page
    assert not re.search(r"\\(href|require|cssId|style|class)\b", page)


@pytest.mark.parametrize("text", TRICKS)
def test_nothing_a_student_writes_acts_in_formgrader(text: str) -> None:
    assert_harmless(as_formgrader(harmless_markdown(text, ())))


PIECES = [
    "[",
    "]",
    "(",
    ")",
    "!",
    "<",
    ">",
    ":",
    "\\",
    "`",
    "$",
    "\n",
    " ",
    "a",
    "//",
    "javascript:",
    "https://e.x",
    "&#58;",
]
PIECES += [
    "script",
    "img src=x",
    "attachment:",
    "a.png",
    "\\href",
    "{",
    "}",
    "|",
    "-",
    "\t",
    '"',
    "'",
    "^",
    "*",
    "_",
    "~",
]


@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
@example("[\n:\t")
@example("- [ ] to do\n- [x] done")
def test_no_mixture_of_what_markdown_is_made_of_acts(text: str) -> None:
    assert_harmless(as_formgrader(harmless_markdown(text, ())))


def test_honest_formatting_stays() -> None:
    text = (
        "**bold**, `x[k]`, [course](https://example.org/a_(b)) and $a < b$, $x[k]\\,h[i]$\n\n"
        "| a |\n|---|\n| 1 |\n\n![plot](attachment:image.png)"
    )
    assert harmless_markdown(text, {"image.png"}) == text
    assert harmless_markdown("$a<b$", ()) == "$a< b$"


@pytest.mark.parametrize(
    ("name", "bundle", "why"),
    [
        ("a.svg", {"image/svg+xml": "PHN2Zy8+"}, "only PNG and JPEG"),
        ("a.png", {"image/png": text_of(b"<svg onload=1>")}, "only PNG and JPEG"),
        ("a.html", {"text/html": "<script>"}, "only PNG and JPEG"),
        ("a.png", {"image/png": '"><script>'}, "cannot be decoded"),
        ("a.png", {"image/png": 3}, "only PNG and JPEG"),
        ("a.png", {"image/png": text_of(PNG[:20])}, "damaged"),
        ("a.jpg", {"image/jpeg": text_of(JPEG[:12])}, "damaged"),
        ("a.png", {"image/png": text_of(PNG[:16] + b"\xff" * 8)}, "million pixels"),
        ("a.png", {"image/png": text_of(PNG + bytes(MAX_PICTURE_BYTES))}, "larger than 8 MiB"),
        ("../../up.png", {"image/png": text_of(PNG)}, "name"),
        (".bashrc", {"image/png": text_of(PNG)}, "name"),
        ("a\u202e.png", {"image/png": text_of(PNG)}, "name"),
        ("", {"image/png": text_of(PNG)}, "name"),
        ("a.png", "text", "only PNG and JPEG"),
    ],
)
def test_what_is_no_picture_is_left_out_with_a_note(name: str, bundle: Any, why: str) -> None:
    pictures, (note,) = read_attachments({name: bundle})
    assert pictures == ()
    assert why in note
    assert note.isprintable()


@pytest.mark.parametrize("stated", [None, [], "x", 3, {}])
def test_attachments_of_another_form_are_none(stated: Any) -> None:
    assert read_attachments(stated) == ((), ())


def test_a_picture_is_what_its_bytes_say_and_brings_nothing_along() -> None:
    stated = {"b.png": {"image/png": [text_of(JPEG)[:8] + "\n", text_of(JPEG)[8:]], "text/html": "<script>"}}
    (picture,), notes = read_attachments({**stated, "a.png": {"image/png": text_of(PNG)}})[0][1:], ()
    assert (picture.name, picture.kind, base64.b64decode(picture.data)) == ("b.png", "image/jpeg", JPEG)
    assert notes == ()


def drawn_answer() -> dict[str, Any]:
    """A written answer with a photo, continued in a cell below with another photo of the same name, and rubbish."""
    notebook = submission({**ALL_RIGHT, "why": "See ![sketch](attachment:image.png) <script>window.pwned=1</script>"})
    why = next(one for one in notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == "why")
    why["attachments"] = {"image.png": {"image/png": text_of(PNG)}, "x.svg": {"image/svg+xml": "PHN2Zy8+"}}
    more = cell("markdown", "and ![more](attachment:image.png) ![gone](attachment:x.svg)", 80)
    more["attachments"] = {"image.png": {"image/jpeg": text_of(JPEG)}}
    notebook["cells"].insert(notebook["cells"].index(why) + 1, more)
    given = notebook["cells"][0]
    given["attachments"] = {"image.png": {"image/png": text_of(PNG)}}
    notebook["metadata"] |= {"title": "<script>1</script>", "widgets": {"x": 1}, "autograder": {"points": 9}}
    return notebook


class Displays(ScriptedEngine):
    """Shows what a hostile answer would display."""

    def run(self, job: Job) -> list[CellRun]:
        shown = {
            "text/html": "<script>window.pwned=1</script>",
            "image/svg+xml": "<svg onload=window.pwned=1>",
            "image/png": '"><script>window.pwned=1</script>',
            "image/jpeg": text_of(JPEG),
            "application/javascript": "window.pwned=1",
            "text/markdown": "[x](javascript:window.pwned=1)",
            "text/plain": "<script>window.pwned=1</script>",
        }
        outputs = [
            {"output_type": "display_data", "data": shown, "metadata": {"isolated": True}},
            {"output_type": "stream", "name": "stdout", "text": "<script>window.pwned=1</script>"},
            {"output_type": "error", "ename": "<script>", "evalue": "<img src=x onerror=1>", "traceback": ["<script>"]},
        ]
        made = [metadata_node(output) for output in outputs]
        return [CellRun(CellState.ERROR, made if one.cell_type == "code" else []) for one in job.notebook.cells]


@pytest.fixture
def course(tmp_path: Path) -> CourseTree:
    course = write_course(tmp_path)
    hand_in(course.submitted, "ada", drawn_answer())
    return course


def test_a_photo_in_a_written_answer_reaches_its_marker(course: CourseTree) -> None:
    run_grading(course, ScriptedEngine())
    executed = read_kept_notebook(course.autograded / "ada" / LESSON / f"{LESSON}.ipynb")
    (why,) = [one for one in executed.cells if grade_id(one) == "why"]
    assert why.attachments == {
        "image.png": {"image/png": text_of(PNG)},
        "2-image.png": {"image/jpeg": text_of(JPEG)},
    }
    assert "and ![more](attachment:2-image.png)" in why.source
    assert [one.get("attachments") for one in executed.cells if one is not why] == [None] * (len(executed.cells) - 1)
    (ada,) = gather(course, course.default_database).lessons[0].students
    assert {one.name: one.kind for one in ada.exercises[-1].pictures} == {
        "image.png": "image/png",
        "2-image.png": "image/jpeg",
    }
    assert any("'x.svg' is left out: only PNG and JPEG" in note for note in ada.notes)
    page = as_formgrader(why.source, why.attachments)
    assert page.count("<img") == 2
    assert_harmless(page)


def test_the_whole_executed_notebook_is_harmless_in_a_markers_browser(course: CourseTree) -> None:
    run_grading(course, Displays())
    path = course.autograded / "ada" / LESSON / f"{LESSON}.ipynb"
    assert json.loads(path.read_text())["metadata"].keys() == {"kernelspec"}
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(read_kept_notebook(path))
    assert "window.pwned" in html.unescape(page), "what was written stays to be read"
    for tag, attributes in Elements(page).found:
        assert tag not in ("script", "svg", "iframe", "form", "object", "embed", "link", "meta", "base"), tag
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("src") or "data:image/").startswith("data:image/")
        assert not (attributes.get("href") or "").lower().startswith(("javascript", "data"))


def test_pictures_of_the_model_answer_are_not_given_to_students(course: CourseTree) -> None:
    source = course.root / "source" / LESSON / f"{LESSON}.ipynb"
    stated = json.loads(source.read_text())
    stated["cells"][10]["attachments"] = {"solution.png": {"image/png": text_of(PNG)}}
    source.write_text(json.dumps(stated))
    (lesson,) = CourseTree.open(course.root).lessons
    (found,), _ = collect([], CourseTree.open(course.root))
    for cells in ((), found.cells):
        assert "solution.png" not in json.dumps(rebuild(lesson, cells))


def test_a_code_cell_has_no_attachments() -> None:
    stated = {"cell_type": "code", "source": "1", "attachments": {"a.png": {"image/png": text_of(PNG)}}}
    (found,) = parse_notebook(json.dumps({"cells": [stated]}).encode())
    assert (found.pictures, found.notes) == ((), ())
