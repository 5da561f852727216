"""Taking in what students hand in: find it, read it with care, tell whose and which lesson it is.

Folders of submissions, single notebooks and the archives of learning management systems all become the same:
a list of members, each with an owner. A submission is data to judge. It is parsed here once, tolerantly, into
plain cells; neither its metadata nor its file name is believed further than to recognise it. What cannot be
read becomes a ``Problem`` of that one submission, with a reason a marker can act on, and the others go on.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .archives import (
    MAX_STUDENT_ENTRIES,
    ArchiveError,
    FolderPlace,
    Member,
    MemberError,
    Place,
    ZipPlace,
    looks_like_an_archive,
    printable,
    read_plain_file,
)
from .attachments import Picture, read_attachments
from .course_tree import CourseTree, Lesson, Refusal
from .laid_out import LaidOutPlace, is_laid_out_by_itself
from .lms import MAX_METADATA_BYTES, Layout, LayoutError, Owner, Roster, find_layout, read_roster

MAX_NOTEBOOK_BYTES = 32 * 2**20
MAX_CELLS = 5_000
# Brackets stand for objects and lists, each of which takes twenty times its text in memory.
MAX_BRACKETS = 4_000_000
# What is looked at in one student's folder; notebooks named as a lesson come first.
MAX_NOTEBOOKS = 50
MAX_STUDENT_BYTES = 4 * MAX_NOTEBOOK_BYTES
# Everything that one run holds in memory at once.
MAX_TOTAL_BYTES = 4 * 2**30
MAX_SOURCE_CHARACTERS = 1_000_000

# Letters of any script, digits and what e-mail addresses and matriculation numbers use. What else a file
# name may hold has a meaning to a shell, a spreadsheet or a browser that shows the report.
_STUDENT_ID = re.compile(r"[^\W_](?:[\w.@+\-' ]{0,98}[\w.@+\-'])?", re.UNICODE)
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class IntakeError(ValueError):
    """The submissions as named cannot be taken in at all; the message says what to name instead."""


class UnreadableNotebookError(ValueError):
    """One notebook cannot be read; the message is the reason that its student and marker see."""


class RefusedLessonError(ValueError):
    """A notebook answers a lesson that cannot be graded."""

    def __init__(self, refusal: Refusal) -> None:
        """Keep which lesson, and why."""
        super().__init__(refusal.reason)
        self.refusal = refusal


@dataclass(frozen=True)
class StudentCell:
    """A cell as the student left it: text, pasted pictures, and the two names by which it may be recognised.

    ``notes`` say what else stood in it that a student may believe to be handed in.
    """

    kind: str
    source: str
    grade_id: str | None = None
    cell_id: str | None = None
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Submission:
    """One student's notebook for one lesson.

    ``path`` is the notebook, or where it stands in an archive (``class.zip/ada/01.ipynb``, which no program can
    open); ``origin`` is then the archive's name, and empty for a file of its own.
    """

    student: str
    lesson: Lesson
    path: Path
    content: bytes
    cells: tuple[StudentCell, ...]
    notes: tuple[str, ...] = ()
    origin: str = ""


@dataclass(frozen=True)
class Problem:
    """A submission that could not be graded, and why."""

    student: str
    path: Path
    reason: str
    lesson: str = ""


def valid_student_id(name: str) -> str:
    """Return ``name`` if it can be a student id, or raise ``IntakeError`` that says what ids may hold."""
    if not _STUDENT_ID.fullmatch(name) or ".." in name:
        raise IntakeError(
            f"{name!r:.80} cannot be a student id: ids start with a letter or digit and hold letters, digits, "
            "spaces and . _ @ + - ' (at most 100 characters). Rename the folder, or give the id with --student."
        )
    return name


def collect(
    places: Sequence[Path],
    course: CourseTree,
    *,
    student: str | None = None,
    id_pattern: str | None = None,
    roster: Path | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> tuple[list[Submission], list[Problem]]:
    """Find every submission in the places named.

    Args:
        places: notebooks, ``submitted/`` trees (``<student>/<assignment>/<notebook>.ipynb``), or zip archives of
            such trees or as Moodle, Canvas and Gradescope export them; none at all means what the course itself holds,
            wherever its own ``nbgrader_config.py`` lays it.
        course: the course whose lessons they answer.
        student: whose work it is, where a place holds that of one student.
        id_pattern: a regular expression with a group ``student``, searched for in each file's path, instead of
            the patterns that are known.
        roster: a CSV file that gives the course's ids for what a learning management system calls the students.
        say: called with a line for each place: how its files are named, and where the ids come from.
    Returns:
        Submissions in the order of student and lesson, and what could not be read.
    Raises:
        IntakeError: if a place does not exist, is of a kind that cannot be graded or is a danger as a whole, or
            the roster or pattern cannot be used.
    """
    gathered = _Gathered(course, student, id_pattern)
    try:
        gathered.roster = read_roster(roster) if roster is not None else None
        if not places and is_laid_out_by_itself(course):
            _collect_course(LaidOutPlace(course), gathered)
        for place in places or ([] if is_laid_out_by_itself(course) else [course.submitted]):
            _collect_place(place, gathered, say)
    except (ArchiveError, LayoutError) as error:
        raise IntakeError(str(error)) from error
    return _settled(gathered)


class _Gathered:
    """What has been found so far, and how to read it."""

    def __init__(self, course: CourseTree, student: str | None, id_pattern: str | None) -> None:
        self.course = course
        self.student = valid_student_id(student) if student is not None else None
        self.id_pattern = id_pattern
        self.roster: Roster | None = None
        self.submissions: list[Submission] = []
        self.problems: list[Problem] = []
        self._held_bytes = 0

    @property
    def assignments(self) -> frozenset[str]:
        """Names of the course's assignments, also of those that cannot be graded."""
        gradable = {lesson.assignment for lesson in self.course.lessons}
        return frozenset(gradable | {refusal.assignment for refusal in self.course.refusals})

    def keep(self, submission: Submission) -> None:
        """Keep a submission, and count what is held."""
        self._held_bytes += len(submission.content)
        if self._held_bytes > MAX_TOTAL_BYTES:
            raise IntakeError(
                f"The notebooks have more than {MAX_TOTAL_BYTES // 2**30} GiB in all: grade the class in parts."
            )
        self.submissions.append(submission)


@dataclass(frozen=True)
class _HandIn:
    """What one student put in one folder, or under one entry of an export."""

    student: str
    owner: Owner
    members: tuple[tuple[Member, Owner], ...]


def _collect_place(path: Path, gathered: _Gathered, say: Callable[[str], None]) -> None:
    if not path.exists():
        raise IntakeError(
            f"There is nothing at {path}. Name a notebook, a folder "
            "<student>/<lesson>/<notebook>.ipynb, or a zip archive."
        )
    if path.is_dir():
        says_who = gathered.student is not None or gathered.id_pattern is not None
        if is_laid_out_by_itself(gathered.course) and not says_who:
            laid_out = LaidOutPlace(gathered.course, path)
            if laid_out.members:
                _collect_course(laid_out, gathered)
                return
        with FolderPlace(path) as folder:
            _collect_members(folder, path.resolve().name, gathered, say)
    elif path.suffix.lower() == ".zip":
        with ZipPlace(path) as archive:
            _collect_members(archive, path.stem, gathered, say)
    elif path.suffix.lower() == ".ipynb":
        _collect_notebook(path, gathered)
    else:
        raise IntakeError(
            f"{path} is not a notebook (.ipynb), a zip archive or a folder of submissions. "
            "Unpack archives of other kinds first."
        )


def _collect_notebook(path: Path, gathered: _Gathered) -> None:
    """Take a single notebook: whose it is, its place in a tree of submissions tells, or else its own name."""
    full = path.absolute()
    in_a_tree = full.parent.name in gathered.assignments
    if gathered.id_pattern is not None:
        layout = find_layout([], "", frozenset(), student=None, id_pattern=gathered.id_pattern, read=lambda _parts: b"")
        owners = layout.owners((path.name,))
        if not owners:
            raise IntakeError(f"--id-pattern finds no student in {path.name!r}.")
        name = owners[0].student
    else:
        name = gathered.student or (full.parent.parent.name if in_a_tree else full.stem)
    if gathered.roster is not None:
        name = gathered.roster.find([name])
    student = valid_student_id(name)
    owner = Owner(student, path.name, (path.name,), assignment=full.parent.name if in_a_tree else None)
    _take(_Single(path), _HandIn(student, owner, ((Member((path.name,)), owner),)), gathered)


def _collect_course(place: LaidOutPlace, gathered: _Gathered) -> None:
    """Take what lies in a course that lays its folders out in a way of its own."""
    groups: defaultdict[str, list[tuple[Member, Owner]]] = defaultdict(list)
    for member in place.members:
        owner = place.owner(member)
        groups[owner.student].append((member, owner))
    if not groups:
        where = gathered.course.config.folder("submitted", "<student>", "<assignment>")
        raise IntakeError(f"This course holds no submissions: its nbgrader_config.py expects them in {where}.")
    _take_all(place, groups.values(), gathered)


class _Single:
    """A single notebook as a place of one member."""

    def __init__(self, path: Path) -> None:
        self.path = path.parent
        self.members: tuple[Member, ...] = (Member((path.name,)),)

    def read(self, member: Member, limit: int) -> bytes:
        return read_plain_file(self.path / member.name, limit)


def _collect_members(place: Place, name: str, gathered: _Gathered, say: Callable[[str], None]) -> None:
    """Tell whose each member of a place is, and take what each student handed in."""
    assignments = gathered.assignments
    files = [member.parts for member in place.members if not member.is_folder and not member.refusal]
    if not any(len(one.parts) > 1 or one.is_notebook or one.is_folder or one.refusal for one in place.members):
        raise IntakeError(
            f"{place.path} holds no submissions: expected folders <student>/<lesson>/<notebook>.ipynb inside."
        )

    def read(parts: tuple[str, ...]) -> bytes:
        metadata = next(one for one in place.members if one.parts == parts and not (one.refusal or one.is_folder))
        try:
            return place.read(metadata, MAX_METADATA_BYTES)
        except MemberError as error:
            raise LayoutError(f"{metadata.shown} in {place.path} cannot be read: {error}.") from error

    layout = find_layout(files, name, assignments, student=gathered.student, id_pattern=gathered.id_pattern, read=read)
    if layout.name != "folders":
        translated = f", looked up in {gathered.roster.name}" if gathered.roster is not None else ""
        say(f"{place.path.name} is read as {layout.name}; student id: {layout.rule}{translated}.")
    occupied = {member.parts[: layout.depth + 1] for member in place.members if len(member.parts) > layout.depth + 1}
    groups: defaultdict[tuple[str, str], list[tuple[Member, Owner]]] = defaultdict(list)
    for member in place.members:
        owners = layout.owners(member.parts)
        for owner in owners:
            groups[owner.entry, owner.student].append((member, owner))
        if not owners:
            _note_stray(place, member, layout, gathered, is_empty=member.parts not in occupied)
    _take_all(place, groups.values(), gathered)


def _take_all(place: Place, groups: Iterable[list[tuple[Member, Owner]]], gathered: _Gathered) -> None:
    """Take what each student handed in."""
    hand_ins = [found for members in groups if (found := _hand_in(place, members, gathered)) is not None]
    for hand_in in _without_identity_clashes(place, hand_ins, gathered):
        _take(place, hand_in, gathered)


def _note_stray(place: Place, member: Member, layout: Layout, gathered: _Gathered, *, is_empty: bool) -> None:
    """Report what is nobody's; a list of the class or a letter beside the folders is no concern."""
    top = member.parts[layout.depth] if len(member.parts) > layout.depth else member.name
    reason = ""
    if member.refusal:
        reason = member.refusal
    elif member.is_notebook or member.is_archive:
        reason = f"nothing in its name says whose it is (read as {layout.name}; student id: {layout.rule})"
    elif member.is_folder and is_empty and layout.name == "folders" and len(member.parts) == layout.depth + 1:
        try:
            valid_student_id(top)
            reason = "the folder holds no notebook"
        except IntakeError as error:
            reason = str(error)
    if reason:
        name = printable(top) or place.path.name
        shown = reason if member.parts == (top,) else f"{member.shown}: {reason}"
        gathered.problems.append(Problem(name, _shown_path(place, member), shown))


def _shown_path(place: Place, member: Member) -> Path:
    """Return where a member is, for reports; it is never opened, and holds nothing that leads elsewhere."""
    safe = (
        printable(part).replace("/", "_").replace("\\", "_") for part in member.parts if part not in ("", ".", "..")
    )
    return place.path.joinpath(*safe)


def _hand_in(place: Place, members: list[tuple[Member, Owner]], gathered: _Gathered) -> _HandIn | None:
    """Find the course's id for the owner of some members, and refuse them all if one of them is a danger."""
    member, owner = members[0]
    where = _shown_path(place, member if len(members) == 1 else Member(member.parts[: max(1, len(member.parts) - 1)]))
    student, unknown = owner.student, ""
    try:
        student = valid_student_id(gathered.roster.find(owner.aliases) if gathered.roster is not None else student)
    except (IntakeError, LayoutError) as error:
        student, unknown = printable(student) or place.path.name, str(error)
    refused = [f"{one.shown}: {one.refusal}" for one, _ in members if one.refusal]
    if refused or unknown:
        more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
        gathered.problems.append(Problem(student, where, "; ".join(refused[:3] or [unknown]) + more))
        return None
    if len(members) > MAX_STUDENT_ENTRIES:
        reason = f"{len(members)} files, the limit is {MAX_STUDENT_ENTRIES}"
        gathered.problems.append(Problem(student, where, reason))
        return None
    return _HandIn(student, owner, tuple(members))


def _without_identity_clashes(place: Place, hand_ins: list[_HandIn], gathered: _Gathered) -> list[_HandIn]:
    """Refuse different entries of one place that lead to the same id, or to ids that one disk may hold as one."""
    same: defaultdict[str, list[_HandIn]] = defaultdict(list)
    for one in hand_ins:
        same[unicodedata.normalize("NFC", one.student).casefold()].append(one)
    kept = []
    for group in same.values():
        certain = [one for one in group if not any(owner.doubtful for _, owner in one.members)]
        honest = certain if len(group) > 1 and len(certain) == 1 else group if len(group) == 1 else []
        kept.extend(honest)
        entries = " and ".join(sorted(repr(printable(one.owner.entry)) for one in group))
        for one in group:
            if one not in honest:
                reason = f"{entries} are different entries with the same student id: say with --roster who is who"
                where = place.path / printable(one.owner.entry).replace("/", "_")
                student = one.student if not honest else printable(one.owner.entry)
                gathered.problems.append(Problem(student, where, reason))
    return kept


def _take(place: Place, hand_in: _HandIn, gathered: _Gathered) -> None:
    """Read one student's notebooks, folder by folder, and keep one a lesson."""
    folders: defaultdict[str | None, list[tuple[Member, Owner]]] = defaultdict(list)
    for member, owner in hand_in.members:
        folders[owner.assignment].append((member, owner))
    assignments = gathered.assignments
    has_notebook = any(member.is_notebook for member, _ in hand_in.members)
    for assignment, members in folders.items():
        if any(member.is_notebook for member, _ in members):
            _take_folder(place, hand_in.student, assignment, members, gathered)
        elif assignment in assignments or (not has_notebook and assignment is next(iter(folders))):
            nested = [member.shown for member, _ in members if member.is_archive]
            texts = [member.shown for member, _ in members if member.name.endswith(".html")]
            reason = "the folder holds no notebook"
            if nested:
                reason = f"{nested[0]}: an archive inside is not opened: hand in the notebook itself"
            elif texts:
                reason = f"{texts[0]}: a text typed into the page, not a notebook"
            where = _shown_path(place, members[0][0])
            gathered.problems.append(Problem(hand_in.student, where, reason, assignment or ""))


def _take_folder(
    place: Place,
    student: str,
    assignment: str | None,
    members: Sequence[tuple[Member, Owner]],
    gathered: _Gathered,
) -> None:
    lessons = gathered.course.lessons
    found: defaultdict[Lesson, list[tuple[Submission, Owner]]] = defaultdict(list)
    unread: list[tuple[Problem, Owner]] = []
    refused: dict[Refusal, Problem] = {}
    notes = list(_unused_note(member for member, _ in members))
    notebooks = sorted(((one, owner) for one, owner in members if one.is_notebook), key=_likely_first(lessons))
    origin = place.path.name if isinstance(place, ZipPlace) else ""
    n_bytes = 0
    for n_read, (member, owner) in enumerate(notebooks):
        if n_read == MAX_NOTEBOOKS or n_bytes > MAX_STUDENT_BYTES:
            notes.append(f"only {n_read} of {len(notebooks)} notebooks were looked at")
            break
        name = owner.inside[-1]
        stem = name.removesuffix(".ipynb")
        try:
            content = _read_member(place, member)
            n_bytes += len(content)
            cells = parse_notebook(content)
            lesson = recognise(cells, lessons, stem, assignment, gathered.course.refusals)
        except UnreadableNotebookError as error:
            unread.append((Problem(student, _shown_path(place, member), str(error), assignment or ""), owner))
            continue
        except RefusedLessonError as error:
            refused[error.refusal] = Problem(student, _shown_path(place, member), str(error), str(error.refusal))
            continue
        renamed = () if stem == lesson.name else (f"handed in as {printable(name)}",)
        path = place.path.joinpath(*member.parts)
        left_out = _few(note for cell in cells for note in cell.notes)
        one = Submission(student, lesson, path, content, cells, (*renamed, *owner.notes, *left_out), origin)
        found[lesson].append((one, owner))
    gathered.problems.extend(refused.values())
    newest = max((owner.order for candidates in found.values() for _, owner in candidates), default=0)
    for problem, owner in unread if found else ():
        lesson_meant = _meant(problem.path.stem, assignment, lessons)
        if lesson_meant is not None and lesson_meant not in found:
            # Of an assignment of several notebooks this one is missing: it must not stay to be marked for ever.
            gathered.problems.append(replace(problem, lesson=str(lesson_meant)))
        else:
            which = "a newer file" if owner.order > newest else "a file beside this one"
            notes.append(f"{which} was not read: {problem.path.name}: {problem.reason}")
    for lesson, candidates in found.items():
        chosen = _the_one_that_counts(lesson, candidates)
        if isinstance(chosen, str):
            gathered.problems.append(Problem(student, candidates[0][0].path.parent, chosen, str(lesson)))
        else:
            gathered.keep(replace(chosen, notes=(*chosen.notes, *notes)))
    if not found and not refused:
        gathered.problems.extend(problem for problem, _ in unread)


def _few(notes: Iterable[str]) -> list[str]:
    """Keep the first notes of a kind of which a notebook may give any number."""
    found = list(notes)
    return found if len(found) <= 5 else [*found[:5], f"and {len(found) - 5} more attachments are left out"]


def _meant(stem: str, assignment: str | None, lessons: Sequence[Lesson]) -> Lesson | None:
    """Return the lesson that an unreadable file is of by its name, such as ``problem2 (1)``."""
    meant = [
        one
        for one in lessons
        if assignment in (None, one.assignment) and stem.casefold().startswith(one.name.casefold())
    ]
    return max(meant, key=lambda one: len(one.name), default=None)


def _likely_first(
    lessons: Sequence[Lesson],
) -> Callable[[tuple[Member, Owner]], tuple[bool, int, int, tuple[str, ...]]]:
    """Return a key that sorts notebooks named as a lesson, late uploads and shallow ones to the front."""
    names = {f"{lesson.name}.ipynb" for lesson in lessons}

    def key(pair: tuple[Member, Owner]) -> tuple[bool, int, int, tuple[str, ...]]:
        inside = pair[1].inside
        return inside[-1] not in names, -pair[1].order, len(inside), inside

    return key


def _read_member(place: Place, member: Member) -> bytes:
    try:
        return place.read(member, MAX_NOTEBOOK_BYTES)
    except MemberError as error:
        raise UnreadableNotebookError(str(error)) from error


def _the_one_that_counts(lesson: Lesson, candidates: list[tuple[Submission, Owner]]) -> Submission | str:
    """Return which of several notebooks of a lesson is graded, or why that cannot be said."""
    latest = max(owner.order for _, owner in candidates)
    if latest > 0:
        # Uploads are numbered in the order in which they came.
        chosen = next(one for one, owner in candidates if owner.order == latest)
        older = sorted(printable(owner.inside[-1]) for _, owner in candidates if owner.order < latest)
        note = (
            (f"the newest of {len(candidates)} files of this lesson counts; not: {', '.join(older)}",) if older else ()
        )
        return replace(chosen, notes=(*chosen.notes, *note))
    exact = [pair for pair in candidates if pair[1].inside[-1] == f"{lesson.name}.ipynb"]
    best = exact or candidates
    shallow = min(len(owner.inside) for _, owner in best)
    best = [pair for pair in best if len(pair[1].inside) == shallow]
    if len(best) > 1 and len({one.content for one, _ in best}) > 1:
        names = ", ".join(sorted(printable(owner.inside[-1]) for _, owner in best))
        return f"{len(best)} different notebooks of lesson {lesson}: {names}. Keep the one that counts."
    return best[0][0]


def _unused_note(members: Iterable[Member]) -> tuple[str, ...]:
    """Say which files a student may believe to be used: code of their own, and archives."""
    names = sorted({member.shown for member in members if member.is_archive or member.name.lower().endswith(".py")})
    if not names:
        return ()
    shown = ", ".join(name.rsplit("/", 1)[-1] for name in names[:5])
    return (f"files that are not the notebook are not used: {shown}{', …' if len(names) > 5 else ''}",)


def _settled(gathered: _Gathered) -> tuple[list[Submission], list[Problem]]:
    """Keep one submission a student and lesson over all places; where two differ, neither is guessed to count."""
    same: defaultdict[tuple[str, Lesson], list[Submission]] = defaultdict(list)
    for one in gathered.submissions:
        same[one.student, one.lesson].append(one)
    submissions = []
    for (student, lesson), several in same.items():
        if len({one.content for one in several}) > 1:
            places = " and ".join(printable(str(one.path)) for one in several)
            reason = f"{len(several)} different submissions of lesson {lesson}: {places}. Name the one that counts."
            gathered.problems.append(Problem(student, several[0].path, reason, str(lesson)))
        else:
            submissions.append(several[0])
    submissions.sort(key=lambda one: (one.student, one.lesson.assignment, one.lesson.name))
    return submissions, gathered.problems


def read_bytes(path: Path) -> bytes:
    """Read a notebook file of bounded size that is a plain file and not a link."""
    try:
        return read_plain_file(path, MAX_NOTEBOOK_BYTES)
    except MemberError as error:
        raise UnreadableNotebookError(str(error)) from error


def parse_notebook(content: bytes) -> tuple[StudentCell, ...]:
    """Read a notebook's cells from its bytes.

    UTF-8 with or without a byte order mark, UTF-16 and UTF-32, and nbformat 3 and 4 are all read; of what is no text
    only pasted pictures are kept, and outputs and all other metadata are left behind.

    Raises:
        UnreadableNotebookError: with the reason, for anything that is not a notebook.
    """
    if not content.strip():
        raise UnreadableNotebookError("the file is empty")
    if looks_like_an_archive(content):
        raise UnreadableNotebookError("the file is an archive named as a notebook: hand in the notebook itself")
    try:
        text = content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UnreadableNotebookError(
            "the file is not text (neither UTF-8 nor UTF-16): is it really a notebook?"
        ) from error
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise UnreadableNotebookError("the file holds more lists and objects than a notebook has: clear all outputs")
    try:
        document = json.loads(text, object_pairs_hook=_object)
    except _DuplicateKeyError as error:
        raise UnreadableNotebookError(
            f"the file is not valid JSON (the key {printable(str(error), 40)!r} stands twice in one object): "
            "save it again from Jupyter"
        ) from error
    except RecursionError as error:
        raise UnreadableNotebookError("the file is nested too deeply to be a notebook") from error
    except ValueError as error:
        if re.search(r"^(<<<<<<<|>>>>>>>) ", text, re.MULTILINE):
            raise UnreadableNotebookError(
                "the file holds git conflict markers (<<<<<<<): resolve the merge first"
            ) from error
        raise UnreadableNotebookError(f"the file is not valid JSON ({error}): save it again from Jupyter") from error
    return tuple(_cells_of(document))


class _DuplicateKeyError(Exception):
    """A JSON object has a key twice, so that two programs may read it differently."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _DuplicateKeyError(counts.most_common(1)[0][0])
    return found


def _cells_of(document: Any) -> list[StudentCell]:
    if not isinstance(document, dict):
        raise UnreadableNotebookError(f"the file holds a JSON {type(document).__name__}, not a notebook")
    worksheets = document.get("worksheets")
    if "cells" not in document and isinstance(worksheets, list):  # nbformat 3
        raw = [cell for sheet in worksheets if isinstance(sheet, dict) for cell in _as_list(sheet.get("cells"))]
    elif isinstance(document.get("cells"), list):
        raw = document["cells"]
    else:
        raise UnreadableNotebookError("the file is JSON but not a notebook: it has no list of cells")
    if len(raw) > MAX_CELLS:
        raise UnreadableNotebookError(f"the notebook has {len(raw)} cells, the limit is {MAX_CELLS}")
    cells = [_cell_of(cell, number) for number, cell in enumerate(raw, start=1)]
    if not cells:
        raise UnreadableNotebookError("the notebook has no cells")
    return cells


def _cell_of(cell: Any, number: int) -> StudentCell:
    if not isinstance(cell, dict):
        raise UnreadableNotebookError(f"cell {number} is a JSON {type(cell).__name__}, not a cell")
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise UnreadableNotebookError(f"cell {number} has a source that is not text")
    if len(source) > MAX_SOURCE_CHARACTERS:
        raise UnreadableNotebookError(
            f"cell {number} has {len(source)} characters, the limit is {MAX_SOURCE_CHARACTERS}"
        )
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    cell_id = cell.get("id")
    kind = "code" if cell.get("cell_type") == "code" else "markdown"
    pictures, notes = read_attachments(cell.get("attachments") if kind == "markdown" else None)
    return StudentCell(
        kind=kind,
        source=_LONE_SURROGATE.sub("\ufffd", source).replace("\r\n", "\n"),
        grade_id=grade_id if isinstance(grade_id, str) else None,
        cell_id=cell_id if isinstance(cell_id, str) else None,
        pictures=pictures,
        notes=notes,
    )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def recognise(
    cells: Sequence[StudentCell],
    lessons: Sequence[Lesson],
    file_name: str,
    folder_name: str | None = None,
    refusals: Sequence[Refusal] = (),
) -> Lesson:
    """Tell which lesson a notebook answers by the grade ids of its answer cells.

    The file's and the folder's names only decide between lessons that share ids equally.

    Raises:
        UnreadableNotebookError: if no answer cell of any lesson is in it.
        RefusedLessonError: if it answers a lesson that cannot be graded.
    """
    present = {cell.grade_id for cell in cells if cell.grade_id is not None}

    def likeness(one: Lesson | Refusal) -> tuple[int, bool, bool]:
        return len(present & one.answer_ids), one.name == file_name, one.assignment == folder_name

    candidates: list[Lesson | Refusal] = [*lessons, *refusals]
    best = max(candidates, key=likeness)
    n_shared, *_ = likeness(best)
    if n_shared == 0:
        # What cannot be read has no ids to tell; then the names are all there is.
        named = (one for one in refusals if one.name == file_name and folder_name in (None, one.assignment))
        refusal = next(named, None)
        if refusal is not None:
            raise RefusedLessonError(refusal)
        known = ", ".join(str(lesson) for lesson in lessons)
        raise UnreadableNotebookError(
            f"no answer cell of any lesson of this course is in it (lessons: {known}); "
            "the answers must stand in the cells of the notebook that was released"
        )
    if isinstance(best, Refusal):
        raise RefusedLessonError(best)
    return best
