"""Feedback pages: useful to the student, silent about hidden tests, harmless whatever a student wrote."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from small_course import ALL_RIGHT, LESSON, hand_in, submission, write_course
from test_grading import ScriptedEngine, run_grading

from autograder.attachments import Picture
from autograder.course_tree import CourseTree
from autograder.feedback import CONTENT_SECURITY_POLICY, safe_code, safe_markdown, student_page, write_feedback
from autograder.intake import Problem
from autograder.outcomes import Status
from autograder.reports import ClassReport, gather

ATTACKS = [
    "<script>window.pwned = 1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<svg onload=window.pwned=1><circle/></svg>",
    "<iframe src='https://evil.example'></iframe>",
    "<form action=https://evil.example><input name=a></form>",
    "<a href='javascript:window.pwned=1'>x</a>",
    "[x](javascript:window.pwned=1) [y](data:text/html,<script>1</script>) [z](vbscript:x)",
    "![pixel](https://evil.example/p.png) ![d](data:image/svg+xml;base64,AAAA)",
    "</pre></div></main><script>window.pwned=1</script>",
    "<style>body{display:none}</style><link rel=stylesheet href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=https://evil.example><base href=//evil.example>",
    "<details open ontoggle=window.pwned=1>",
    "{{ 7 * 191 }} {% raw %} ${x}",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.pwned=1>",
    "\u202egnp.exe \x00\x1b[31m <ScRiPt>window.pwned=1</sCrIpT>",
]
ALLOWED_TAGS = {
    *{"html", "head", "meta", "title", "style", "body", "main", "header", "section", "article", "div", "p", "span"},
    *{"h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "code", "pre", "details", "summary", "progress", "a", "br"},
    *{"table", "thead", "tbody", "tr", "th", "td", "ul", "ol", "li", "blockquote", "hr", "del", "img"},
}


class Elements(HTMLParser):
    """Collects what a browser would make elements of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def assert_harmless(page: str) -> None:
    elements = Elements(page).found
    for tag, attributes in elements:
        assert tag in ALLOWED_TAGS, tag
        assert not any(name.startswith("on") or name in ("srcdoc", "action", "style", "srcset") for name in attributes)
        source = attributes.get("src")
        assert source is None or (tag == "img" and re.fullmatch(r"data:image/(png|jpeg);base64,[\w+/=]+", source))
        href = attributes.get("href") or ""
        assert re.match(r"^(https?:|mailto:|feedback/|marking\.html|index\.html|$)", href), href
    policies = [a["content"] for tag, a in elements if tag == "meta" and "http-equiv" in a]
    assert policies == [CONTENT_SECURITY_POLICY]
    assert sum(tag == "style" for tag, _ in elements) == 1


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> CourseTree:
    course = write_course(tmp_path_factory.mktemp("course"))
    attack = "\n\n".join(ATTACKS)
    code = "def double(x):\n" + "\n".join(f"    # {line}" for line in ATTACKS) + "\n    return x"
    hand_in(course.submitted, "mallory", submission({"double": code, "why": attack}))
    hand_in(course.submitted, "ada", submission(ALL_RIGHT))
    hand_in(course.submitted, "bob", submission({}))
    hand_in(course.submitted, "<script>alert(1)<", b"{}")
    run_grading(course, ScriptedEngine(passes=False))
    return course


@pytest.fixture(scope="module")
def report(course: CourseTree) -> ClassReport:
    return gather(course, course.default_database)


@pytest.fixture(scope="module")
def pages(report: ClassReport, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("report")
    write_feedback(report, folder)
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.html")}


def test_every_student_has_a_page_and_every_link_of_the_index_leads_to_one(pages: dict[str, str]) -> None:
    assert {"index.html", "marking.html", "feedback/ada.html", "feedback/bob.html"} < set(pages)
    links = {a["href"] for tag, a in Elements(pages["index.html"]).found if tag == "a"}
    assert links <= set(pages)
    assert len([name for name in pages if name.startswith("feedback/")]) == 4


def test_no_page_holds_anything_that_runs_loads_or_submits(pages: dict[str, str]) -> None:
    for page in pages.values():
        assert_harmless(page)


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_markup_is_shown_as_text_in_every_place(report: ClassReport, attack: str) -> None:
    lesson = report.lessons[0]
    mallory = next(one for one in lesson.students if one.student == "mallory")
    exercises = tuple(
        replace(
            one,
            exercise=replace(one.exercise, title=attack),
            status=Status.FAILED,
            message=attack,
            comment=attack,
            answer=attack,
        )
        for one in mallory.exercises
    )
    hostile = replace(mallory, student=attack, exercises=exercises, notes=(attack,), reason=attack)
    stray = Problem(attack, Path("x.ipynb"), attack)
    page = student_page(replace(report, lessons=(replace(lesson, students=(hostile,)),), strays=(stray,)), attack)
    assert_harmless(page)
    assert "1337" not in page


def test_the_page_shows_the_answer_its_points_and_the_visible_checks(pages: dict[str, str]) -> None:
    text = re.sub(r"<[^>]+>", "", pages["feedback/ada.html"])
    for shown in ("Exercise 1.1 — twice", "0 / 3", "timed out", "def double(x):", "visible part", "to be marked"):
        assert shown in text
    assert "Because every sample starts a copy." in text


def test_no_page_for_students_holds_a_hidden_test_or_a_model_answer(pages: dict[str, str]) -> None:
    for name, page in pages.items():
        text = re.sub(r"<[^>]+>", "", page)
        for secret in ("secret_input", "1234567", "2469134", "HIDDEN", "triple(-5)"):
            assert secret not in text, name
        if name != "marking.html":
            assert "names the copies" not in text


def test_the_marking_page_puts_the_rubric_beside_the_answers(pages: dict[str, str]) -> None:
    text = re.sub(r"<[^>]+>", "", pages["marking.html"])
    assert "1 point: names the copies" in text
    assert "Because every sample starts a copy." in text
    assert "BEGIN SOLUTION" not in text
    assert "bob" not in text, "an empty answer needs no marker"


def test_nobody_sees_a_classmate(pages: dict[str, str]) -> None:
    assert "mallory" not in pages["feedback/ada.html"]
    assert LESSON in pages["feedback/ada.html"]


def test_formatting_of_written_answers_is_kept() -> None:
    shown = safe_markdown("**bold** and `a < b`\n\n| a |\n|---|\n| 1 |\n\n[course](https://example.org/a?b=1&c=2)")
    for piece in ("<strong>bold</strong>", "<code>a &lt; b</code>", "<td>1</td>", 'href="https://example.org/a?b='):
        assert piece in shown
    assert 'rel="noopener noreferrer nofollow"' in shown


def test_pictures_that_were_handed_in_are_shown_and_no_others() -> None:
    picture = Picture("my photo.png", "image/png", "iVBORw0KGgo=")
    text = "![sketch <b>](attachment:my%20photo.png) ![gone](attachment:x.png) ![p](https://evil.example/p.png)"
    shown = safe_markdown(f"{text} ![d](data:image/png;base64,AAAA) [link](data:image/png;base64,AAAA)", [picture])
    elements = Elements(shown).found
    assert [tag for tag, _ in elements if tag == "img"] == ["img"]
    (attributes,) = [attributes for tag, attributes in elements if tag == "img"]
    assert attributes == {"src": "data:image/png;base64,iVBORw0KGgo=", "alt": "sketch <b>"}
    assert not any(attributes.get("href") for tag, attributes in elements if tag == "a")
    assert "gone" in shown


def test_photos_of_a_whole_class_do_not_make_one_page_too_large(
    report: ClassReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = report.lessons[0]
    (ada,) = [one for one in lesson.students if one.student == "ada"]
    written = replace(
        ada.exercises[-1], answer="![a](attachment:a.png)", pictures=(Picture("a.png", "image/png", "AAAA"),)
    )
    drawn = replace(report, lessons=(replace(lesson, students=(replace(ada, exercises=(written,)),)),), strays=())
    for limit, n_shown in ((10, 1), (3, 0)):
        monkeypatch.setattr("autograder.feedback._MAX_PICTURE_CHARACTERS", limit)
        write_feedback(drawn, tmp_path)
        page = (tmp_path / "marking.html").read_text("utf-8")
        assert_harmless(page)
        assert page.count("<img") == n_shown
        assert ('href="feedback/ada.html">With its pictures' in page) is (n_shown == 0)
        assert "<img" in (tmp_path / "feedback" / "ada.html").read_text("utf-8")


def test_formulas_are_shown_as_typed_and_money_is_no_formula() -> None:
    shown = safe_markdown(r"$x[k]\,h_1[i]\_$ and $$\sum_k a_k$$ cost $5 or <b>$6</b>")
    assert r"<code>$x[k]\,h_1[i]\_$</code>" in shown
    assert r"<code>$$\sum_k a_k$$</code>" in shown
    assert "cost $5 or &lt;b&gt;$6&lt;/b&gt;" in shown


def test_code_is_coloured_and_nothing_is_lost() -> None:
    source = "\n\ndef f(x):\n    return x < 3 and '&amp;'\n"
    shown = safe_code(source)
    assert 'class="k"' in shown
    import html

    assert html.unescape(re.sub(r"<[^>]+>", "", shown)) == source


def test_ids_of_another_origin_never_leave_the_folder(report: ClassReport, tmp_path: Path) -> None:
    lesson = report.lessons[0]
    students = tuple(replace(lesson.students[0], student=name) for name in ("../../evil", "a/b", "", "x" * 300))
    write_feedback(replace(report, lessons=(replace(lesson, students=students),), strays=()), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(list((tmp_path / "out" / "feedback").iterdir())) == 4
