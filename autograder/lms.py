"""Whose a file is, told from the way learning management systems name what they export.

The patterns are those that the systems' own code writes; ``LAYOUTS`` states each in words. An id that the
instructor would rather use comes from a roster, and names of any other kind from a pattern of the instructor's.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .archives import MemberError, printable, read_plain_file

MAX_ROSTER_BYTES = 16 * 2**20
MAX_METADATA_BYTES = 64 * 2**20

METADATA_FILE = "submission_metadata.yml"

# Moodle, mod/assign/classes/downloader.php: full name (its underscores made spaces), number of the participant
# in this assignment, plug-in. One folder a student, its name with an underscore at the end before Moodle 4.1;
# or, with "download submissions in folders" off, one flat list.
MOODLE = re.compile(
    r"(?P<name>[^/_]+)_(?P<student>[0-9]{1,12})_assignsubmission_(?P<plugin>[a-z]+)(?:_?/(?P<path>.+)|_(?P<file>[^/]+))"
)
# Canvas, lib/content_zipper.rb: sortable name in small letters without what is no word character, LATE if it was
# late, user id (or anon_ and five characters), id of the uploaded file, its name.
CANVAS = re.compile(
    r"(?!.*_assignsubmission_)(?:(?P<name>\w+?)_)??(?P<late>LATE_)?"
    r"(?:(?P<student>[0-9]{1,20})|anon_(?P<anonymous>[0-9A-Za-z]{5}))"
    r"_(?:(?P<upload>[0-9]{1,20})_(?P<file>[^/]+)|(?P<entry>text\.html|link\.html))"
)
# Canvas keeps the underscores and digits of a name that a student may choose: another reading could be the true one.
_OTHER_READING = re.compile(r"[1-9][0-9]*_|.*_[1-9][0-9]*_[1-9][0-9]*_")
_GRADESCOPE_EXPORT = re.compile(r"assignment_[0-9]+_export")
_WRAPPERS = frozenset({"submitted", "submissions"})

# Marks a number that the learning management system gave, which may also be the number of another student elsewhere.
_LMS = "number "


class LayoutError(ValueError):
    """A roster or pattern cannot be used; the message says what to change."""


@dataclass(frozen=True)
class Owner:
    """Whose one file is.

    ``entry`` is what the export calls this hand-in: two entries are two hand-ins, whatever ids they have.
    ``aliases`` are all the names under which a roster may know the student. The one of several files of a
    lesson with the highest ``order`` counts. ``doubtful``: a student could have chosen a name so that the file
    seems to be a classmate's.
    """

    student: str
    entry: str
    inside: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    assignment: str | None = None
    order: int = 0
    notes: tuple[str, ...] = ()
    doubtful: bool = False


Identify = Callable[[tuple[str, ...]], Sequence[Owner]]


@dataclass(frozen=True)
class Layout:
    """How a kind of export names its files; ``rule`` says in words where the student's id comes from."""

    name: str
    rule: str
    identify: Identify
    depth: int = 0

    def owners(self, parts: tuple[str, ...]) -> Sequence[Owner]:
        """Return whose a file is: nobody if it is not named as this layout names files, several for a group."""
        return self.identify(parts[self.depth :]) if len(parts) > self.depth else ()


def _moodle(parts: tuple[str, ...]) -> Sequence[Owner]:
    match = MOODLE.fullmatch("/".join(parts))
    if match is None:
        return ()
    number, name = match["student"], match["name"]
    inside = tuple((match["path"] or match["file"]).split("/"))
    entry = f"{name}_{number}"
    aliases = (_LMS + number, name)
    return [Owner(number, entry, inside, aliases, notes=(f"Moodle participant {number}, {printable(name)}",))]


def _canvas(parts: tuple[str, ...]) -> Sequence[Owner]:
    match = CANVAS.fullmatch(parts[0]) if len(parts) == 1 else None
    if match is None:
        return ()
    student = match["student"] or f"anon_{match['anonymous']}"
    name = match["name"] or ""
    file = match["file"] or match["entry"]
    note = f"Canvas user {student}" + (f", {printable(name)}" if name else "")
    return [
        Owner(
            student,
            f"{name}_{student}" if name else student,
            (file,),
            (_LMS + student, *([name] if name else [])),
            order=int(match["upload"] or 0),
            notes=(note, *(["late, as Canvas says"] if match["late"] else [])),
            doubtful=_OTHER_READING.match(file) is not None,
        )
    ]


def _gradescope(submitters: Mapping[str, Sequence[Mapping[str, str]]]) -> Identify:
    def identify(parts: tuple[str, ...]) -> Sequence[Owner]:
        if len(parts) < 2:
            return ()
        folder = parts[0]
        people = [one for one in submitters.get(folder, ()) if one.get("sid") or one.get("email")]
        together = ", ".join(sorted(one.get("name") or one.get("sid") or one["email"] for one in people))
        owners = []
        for one in people:
            student = one.get("sid") or one["email"]
            aliases = tuple(one[key] for key in ("sid", "email", "name") if key in one)
            note = f"Gradescope {folder}" + (f", {printable(one['name'])}" if one.get("name") else "")
            group = (f"handed in together by {printable(together)}",) if len(people) > 1 else ()
            owners.append(Owner(student, folder, parts[1:], aliases, notes=(note, *group)))
        return owners

    return identify


def _by_pattern(pattern: re.Pattern[str]) -> Identify:
    def identify(parts: tuple[str, ...]) -> Sequence[Owner]:
        match = pattern.search("/".join(parts))
        if match is None or not match["student"]:
            return ()
        student = match["student"]
        return [Owner(student, student, parts, (student,), notes=(f"id from {printable('/'.join(parts))}",))]

    return identify


def _tree(assignments: frozenset[str]) -> Identify:
    def identify(parts: tuple[str, ...]) -> Sequence[Owner]:
        if len(parts) < 2:
            return ()
        in_assignment = len(parts) > 2 or parts[1] in assignments
        inside = parts[2:] if in_assignment else parts[1:]
        return [Owner(parts[0], parts[0], inside, (parts[0],), parts[1] if in_assignment else None)]

    return identify


def _one_student(student: str, assignments: frozenset[str]) -> Identify:
    def identify(parts: tuple[str, ...]) -> Sequence[Owner]:
        within = next((number for number, part in enumerate(parts[:-1], start=1) if part in assignments), 0)
        assignment = parts[within - 1] if within else None
        return [Owner(student, student, parts[within:], (student,), assignment)]

    return identify


LAYOUTS = {
    "Moodle": "the number of the participant, the digits before _assignsubmission_",
    "Canvas": "the user's id, the first number after the name (or anon_ and five characters)",
    "Gradescope": f"the sid in {METADATA_FILE}, or the e-mail address where there is none",
    "folders": "the name of the student's folder",
    "one student": "--student, or else the name of the archive or folder",
    "your pattern": "the group named student of --id-pattern",
}


def find_layout(
    files: Sequence[tuple[str, ...]],
    place_name: str,
    assignments: frozenset[str],
    *,
    student: str | None,
    id_pattern: str | None,
    read: Callable[[tuple[str, ...]], bytes],
) -> Layout:
    """Tell how the files of a place are named.

    Args:
        files: the components of each file's path.
        place_name: name of the archive or folder, without a suffix.
        assignments: names of the course's assignments.
        student: whose work the whole place is, if that was said.
        id_pattern: a regular expression with a group ``student``, which decides alone if given.
        read: how to read one file, given its path.
    Raises:
        LayoutError: if the pattern is no pattern, or Gradescope's metadata cannot be read.
    """
    if id_pattern is not None:
        return Layout("your pattern", LAYOUTS["your pattern"], _by_pattern(compile_pattern(id_pattern)))
    if student is not None:
        return Layout("one student", LAYOUTS["one student"], _one_student(student, assignments))
    depth = 1 if files and _wrapper(files, place_name, assignments) else 0
    inner = [parts[depth:] for parts in files]
    if (METADATA_FILE,) in inner:
        found = read((*files[0][:depth], METADATA_FILE))
        return Layout("Gradescope", LAYOUTS["Gradescope"], _gradescope(read_submitters(found)), depth)
    systems: tuple[tuple[str, Identify], ...] = (("Moodle", _moodle), ("Canvas", _canvas))
    for name, identify in systems:
        # The greater part decides: one student's choice of file names must not change how all are read.
        if 2 * sum(bool(identify(parts)) for parts in inner) > len(inner):
            return Layout(name, LAYOUTS[name], identify, depth)
    notebooks = [parts for parts in inner if parts[-1].lower().endswith(".ipynb")]
    if notebooks and all(len(parts) == 1 or parts[0] in assignments for parts in notebooks):
        return Layout("one student", LAYOUTS["one student"], _one_student(place_name, assignments), depth)
    return Layout("folders", LAYOUTS["folders"], _tree(assignments), depth)


def _wrapper(files: Sequence[tuple[str, ...]], place_name: str, assignments: frozenset[str]) -> bool:
    """Say whether everything lies in one folder that is no student's.

    A folder of another name than these is taken for a student's: otherwise a student who packs a folder of
    files named as Canvas names them could hand in as somebody else.
    """
    tops = {parts[0] for parts in files}
    if len(tops) != 1 or min(len(parts) for parts in files) < 2:
        return False
    (top,) = tops
    if top.lower() in _WRAPPERS or _GRADESCOPE_EXPORT.fullmatch(top):
        return True
    below = {parts[1] for parts in files}
    holds_students = all(len(parts) > 2 for parts in files) and not below & assignments
    return holds_students and (top == place_name or all(parts[2] in assignments for parts in files))


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile the instructor's pattern, or raise ``LayoutError`` that shows what one looks like."""
    example = r"For example: --id-pattern '^(?P<student>[^_/]+)_'"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise LayoutError(f"--id-pattern {pattern!r} is not a regular expression ({error}). {example}") from error
    if "student" not in compiled.groupindex:
        raise LayoutError(f"--id-pattern {pattern!r} has no group named student. {example}")
    return compiled


_TOP_KEY = re.compile(r"""(?P<quote>["']?)(?P<key>submission_[0-9]{1,12})(?P=quote):\s*""")
_QUOTED_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/", "0": "\0", "e": "\x1b", "r": "\r", "N": "\x85"}


def read_submitters(content: bytes) -> dict[str, list[dict[str, str]]]:
    """Read who handed in what from Gradescope's metadata.

    Only the part of YAML that Gradescope writes is understood: folder, ``:submitters:``, and under it a list
    with ``:name:``, ``:sid:`` and ``:email:`` of one line each. Everything else in the file, which may hold
    output of students' programs, is passed over without being parsed.

    Raises:
        LayoutError: if it is not such a file.
    """
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise LayoutError(f"{METADATA_FILE} is not UTF-8 text: download the export again.") from error
    found: dict[str, list[dict[str, str]]] = {}
    people: list[dict[str, str]] | None = None
    listing = False
    for raw in lines:
        line = raw.rstrip("\r")
        if line and not line[0].isspace():
            top = _TOP_KEY.fullmatch(line)
            people = None
            listing = False
            if top is not None:
                if top["key"] in found:
                    raise LayoutError(f"{METADATA_FILE} lists {top['key']} twice: download the export again.")
                people = found[top["key"]] = []
        elif people is not None and line.startswith("  :"):
            # A second list, which only a forged file has, is not read into the first.
            listing = line.rstrip() == "  :submitters:" and not people
        elif people is not None and listing:
            _read_submitter_line(line, people)
    if not found:
        raise LayoutError(f"{METADATA_FILE} lists no submission_… folder: is it Gradescope's own?")
    return found


def _read_submitter_line(line: str, people: list[dict[str, str]]) -> None:
    dash = re.match(r" {2,4}- ", line)
    if dash is not None:
        people.append({})
    match = re.fullmatch(r" *(?:- )?:(?P<key>name|sid|email):(?: +(?P<value>.*))?", line)
    if match is None or not people or len(line) - len(line.lstrip()) > 8:
        return
    if value := _scalar((match["value"] or "").strip()):
        people[-1].setdefault(match["key"], value)


def _scalar(text: str) -> str:
    """Return a YAML scalar of one line; the empty string for null and for what continues on further lines."""
    if text.startswith("'"):
        return text[1:-1].replace("''", "'") if re.fullmatch(r"'(?:[^']|'')*'", text) else ""
    if text.startswith('"'):
        return _unescaped(text[1:-1]) if re.fullmatch(r'"(?:[^"\\]|\\.)*"', text) else ""
    if text in ("~", "null") or text.startswith(("|", ">", "&", "*", "!", "[", "{", "%", "@", "`", "#")):
        return ""
    return text.split(" #")[0].rstrip()


def _unescaped(text: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "xuU" and len(code) > 1:
            number = int(code[1:], 16)
            return chr(number) if number < 0x110000 else "\ufffd"
        return _QUOTED_ESCAPES.get(code, code)

    return re.sub(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", replaced, text)


# What other programs call the columns that a roster needs, in the order of preference.
_ID_COLUMNS = (
    "student",
    "student_id",
    "sis login id",
    "sis user id",
    "id number",
    "sid",
    "id",
    "email address",
    "email",
)
_NAME_COLUMNS = ("name", "full name", "student")
_NUMBER_COLUMNS = ("lms_user_id", "identifier", "participant")
_OTHER_COLUMNS = ("email", "email address", "username", "login", "id number", "sid", "sis user id", "sis login id")


@dataclass(frozen=True)
class Roster:
    """What a learning management system calls each student, and the course's own id for them."""

    name: str
    ids: Mapping[str, frozenset[str]]

    def find(self, aliases: Iterable[str]) -> str:
        """Return the id of the student who has one of these names.

        Raises:
            LayoutError: if nobody has, or several do; the message names them.
        """
        tried = list(dict.fromkeys(aliases))
        for alias in tried:
            found = self.ids.get(_comparable(alias), frozenset())
            if len(found) == 1:
                return next(iter(found))
            if found:
                several = ", ".join(sorted(printable(one) for one in found))
                raise LayoutError(f"{self.name} has several students called {printable(alias)!r} ({several})")
        known = " or ".join(repr(printable(alias)) for alias in tried)
        raise LayoutError(f"{self.name} has no student called {known}: add a line")


def _comparable(alias: str) -> str:
    return " ".join(alias.casefold().split())


def read_roster(path: Path) -> Roster:
    """Read a roster: a CSV file whose header names its columns.

    The students' own ids stand in a column ``student`` or ``id``; the others (``name``, ``email``, ``lms_user_id``)
    are what a learning management system may call them. Moodle's grading worksheet, Canvas's gradebook export
    and nbgrader's list of students are such files as they are.

    Raises:
        LayoutError: if it is not such a file.
    """
    try:
        text = read_plain_file(path, MAX_ROSTER_BYTES).decode("utf-8-sig")
    except MemberError as error:
        raise LayoutError(f"The roster {path} cannot be read: {error}.") from error
    except UnicodeDecodeError as error:
        raise LayoutError(f"The roster {path} is not UTF-8 text: export it as CSV UTF-8.") from error
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise LayoutError(f"The roster {path} is not a CSV file ({error}).") from error
    columns = [" ".join(name.lower().split()) for name in rows[0]] if rows else []
    # Canvas's gradebook calls the student's name "Student", and its own number "ID".
    canvas = any(name.startswith("sis ") for name in columns)
    id_columns = [name for name in _ID_COLUMNS if name in columns and not (canvas and name in ("student", "id"))]
    if not id_columns:
        raise LayoutError(
            f"The roster {path} has no column of ids: its first line must name one of student, id, sid, "
            f"'SIS Login ID', 'ID number' or email. It names: {printable(', '.join(columns)) or 'nothing'}."
        )
    number_columns = (*_NUMBER_COLUMNS, "id") if canvas else _NUMBER_COLUMNS
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows[1:]:
        cells = {name: cell.strip() for name, cell in zip(columns, row, strict=False)}
        if student := next((cells[name] for name in id_columns if cells.get(name)), ""):
            for alias in _aliases(student, cells, number_columns):
                ids[_comparable(alias)].add(student)
    if not ids:
        raise LayoutError(f"The roster {path} lists no student.")
    return Roster(path.name, {alias: frozenset(found) for alias, found in ids.items()})


def _aliases(student: str, cells: Mapping[str, str], number_columns: Sequence[str]) -> Iterator[str]:
    """Yield everything that a student may be called in an export."""
    yield student
    for column in number_columns:
        # Moodle's worksheet writes "Participant 1234567", in the language of the site.
        if number := re.search(r"[0-9]+$|^anon_\w+$", cells.get(column, "")):
            yield _LMS + number[0]
    yield from (cells[column] for column in _OTHER_COLUMNS if cells.get(column))
    names = [cells[column] for column in _NAME_COLUMNS if cells.get(column)]
    first = cells.get("first_name") or cells.get("first name")
    last = cells.get("last_name") or cells.get("last name")
    if first and last:
        names += [f"{first} {last}", f"{last}, {first}"]
    for name in names:
        yield name
        yield re.sub(r"\W", "", name)  # as Canvas writes it into file names
