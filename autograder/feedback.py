"""Feedback pages: one a student, an index of the class, and a page for whoever marks written answers.

What students wrote is shown as text or as harmless formatting. Each page is one file that loads nothing,
runs nothing and may be opened by anybody: a content security policy in it says so to the browser as well.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from .attachments import Picture
from .notebook_files import write_text
from .outcomes import Status, plain_text
from .reports import ClassReport, StudentReport, file_name, points_text

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)

# Photos of a whole class in one page are more than a browser opens; then each stands on its student's page alone.
_MAX_PICTURE_CHARACTERS: Final = 64 * 2**20

_FORMATTING_TAGS: Final = frozenset(
    {"p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"}
)
_FORMULA = re.compile(r"\$\$.+?\$\$|\$(?=\S)[^$\n]*[^\s$]\$(?!\d)", re.DOTALL)
_SOLUTION_MARKER = re.compile(r"^\s*### (?:BEGIN|END) (?:SOLUTION|MARK SCHEME)\s*$\n?", re.MULTILINE)

_TONES: Final = {
    Status.PASSED: "good",
    Status.MARKED: "good",
    Status.PARTLY: "partly",
    Status.NEEDS_MARKING: "waiting",
    Status.NOT_ATTEMPTED: "blank",
}

_ICONS: Final = {"good": "✓", "partly": "◐", "waiting": "…", "blank": "○", "bad": "✗"}


def write_feedback(report: ClassReport, folder: Path) -> Path:
    """Write the pages of a class.

    Args:
        report: the class.
        folder: where ``index.html``, ``marking.html`` and ``feedback/<student>.html`` go.
    Returns:
        The index page.
    """
    pages = {student: f"{file_name(student)}.html" for student in report.students}
    for student, page in pages.items():
        write_text(folder / "feedback" / page, student_page(report, student))
    links = {student: f"feedback/{page}" for student, page in pages.items()}
    answers = [one for lesson in report.lessons for student in lesson.students for one in student.exercises]
    n_characters = sum(len(picture.data) for one in answers for picture in one.pictures)
    marking = _template("marking.html").render(
        report=report, warnings=report.warnings, links=links, with_pictures=n_characters <= _MAX_PICTURE_CHARACTERS
    )
    write_text(folder / "marking.html", marking)
    index = _template("index.html").render(report=report, links=links, warnings=report.warnings)
    write_text(folder / "index.html", index)
    return folder / "index.html"


def student_page(report: ClassReport, student: str) -> str:
    """Return one student's page as HTML; it holds no hidden test and nobody else's work."""
    lessons = [(one, result) for one in report.lessons for result in one.students if result.student == student]
    strays = [problem for problem in report.strays if problem.student == student]
    return _template("student.html").render(
        student=student, lessons=lessons, strays=strays, warnings=report.warnings_of(student)
    )


def safe_markdown(text: str, pictures: Sequence[Picture] = ()) -> Markup:
    """Render a student's Markdown: formatting only, no HTML of their own, no link that runs or submits.

    A page that runs nothing cannot typeset formulas, so they are shown as they were typed. Of pictures only those that
    were handed in are shown, which stand in the page itself: one from elsewhere would tell who looks at it.
    """
    shown = {one.name: f"data:{one.kind};base64,{one.data}" for one in pictures}

    def checked(tag: str, attribute: str, value: str) -> str | None:
        if attribute == "href":
            return value if value.lower().startswith(("http:", "https:", "mailto:")) else None
        return value if attribute != "src" or value in shown.values() else None

    cleaned = nh3.clean(
        _markdown().render(plain_text(text), {"pictures": shown}),
        tags={*_FORMATTING_TAGS, "img"} if shown else set(_FORMATTING_TAGS),
        attributes={"a": {"href"}, "img": {"src", "alt"}},
        url_schemes={"http", "https", "mailto", "data"},
        attribute_filter=checked,
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(cleaned)


@cache
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.inline.ruler.before("escape", "formula", _formula)
    parser.add_render_rule("image", _image)
    return parser


def _image(
    _renderer: RendererProtocol, tokens: Sequence[Token], index: int, _options: OptionsDict, env: EnvType
) -> str:
    """Show a picture that was handed in, and of any other what the student says of it."""
    token = tokens[index]
    name = str(token.attrs.get("src", ""))
    found = env["pictures"].get(unquote(name.removeprefix("attachment:"))) if name.startswith("attachment:") else None
    words = html.escape(token.content)
    return words if found is None else f'<img src="{found}" alt="{words}">'


def _formula(state: StateInline, silent: bool) -> bool:
    """Keep ``$x[k]\\,h[i]$`` whole: Markdown would take its backslashes and underscores for its own."""
    match = _FORMULA.match(state.src, state.pos)
    if match is None:
        return False
    if not silent:
        state.push("code_inline", "code", 0).content = match[0]
    state.pos = match.end()
    return True


@lru_cache(maxsize=1024)
def safe_code(text: str) -> Markup:
    """Colour Python code; all of it is escaped, and nothing but coloured spans is left in.

    The tests that were given stand on everybody's page: they are coloured once.
    """
    coloured = highlight(plain_text(text), PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    return Markup(nh3.clean(coloured, tags={"span"}, attributes={"span": {"class"}}))


def _tone(status: Status) -> str:
    return _TONES.get(status, "bad")


def _icon(status: Status) -> str:
    return _ICONS[_tone(status)]


def _rubric(source: str) -> Markup:
    return safe_markdown(_SOLUTION_MARKER.sub("", source).strip())


def _percent(student: StudentReport, most: float) -> int:
    return round(100 * (student.total or 0) / most) if most else 0


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "markdown": safe_markdown,
        "python": safe_code,
        "rubric": _rubric,
        "points": points_text,
        "tone": _tone,
        "icon": _icon,
        "plain": plain_text,
    }
    environment.globals |= {
        "policy": CONTENT_SECURITY_POLICY,
        "percent": _percent,
        "code_style": Markup(HtmlFormatter(style="friendly").get_style_defs(".code")),
        "code_style_dark": Markup(HtmlFormatter(style="github-dark").get_style_defs(".code")),
    }
    return environment


def _template(name: str) -> Template:
    return _environment().get_template(name)
