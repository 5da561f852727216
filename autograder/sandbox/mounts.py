"""The file system that a confined process sees.

A new, nearly empty root on a tmpfs, into which the readable paths are bound at their own absolute places, and one
size-limited tmpfs as the scratch: ``/submission`` (the working directory), ``/tmp`` (with the home folder in it) and
``/dev/shm`` are folders of it. Everything but the scratch is read-only, and the old root is let go of.
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import syscalls
from .confinement import HOME_FOLDER, TEMPORARY_FOLDER, WORK_FOLDER, Confinement

_DEVICES = ("null", "zero", "full", "random", "urandom")
_SCRATCH = {"work": str(WORK_FOLDER), "tmp": str(TEMPORARY_FOLDER), "shm": "/dev/shm"}
_LARGE_FILES = Path("/instructor-files")
_LOCKED = syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
_COPIED_FILE_BYTES = 2**20
_COPIED_BYTES = 16 * 2**20

# The new root is put together over a folder that every Linux has and below which nothing readable lies.
_STAGE = "/proc"


@dataclass(frozen=True)
class View:
    """Where things stand in the new root: real paths to bind, links to make, and what to cover."""

    shown: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    covered: tuple[str, ...]


def build_root(confinement: Confinement, user: int, group: int) -> None:
    """Replace the root of the calling process, which must be in a mount namespace of its own with the rights to mount.

    The order matters: whatever needs the old root comes first; the one recursive "read-only, no set-user-id, no
    devices" is set before the devices and the scratch come in, which need less.
    """
    view = plan(confinement.readable, confinement.hidden)
    files = _Files(confinement.folder)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    # Paths through descriptors would need /proc, which is about to be covered: everything below is by absolute path.
    root = _STAGE
    syscalls.mount("tmpfs", root, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=0755,size=4m")
    for folder in ("/proc", "/etc", *_SCRATCH.values()):
        os.makedirs(f"{root}{folder}")
    for name in _DEVICES:
        _empty_file(f"{root}/dev/{name}")
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, f"{root}/dev/{name}")
    _show(view, root, in_scratch=False)
    if files.any_large:
        _bind(os.path.realpath(files.folder), f"{root}{_LARGE_FILES}")
    _write_accounts(root, user, group)
    syscalls.set_mount_attributes(root, _LOCKED, recursive=True)
    for name in _DEVICES:
        place = f"{root}/dev/{name}"
        syscalls.mount(f"/dev/{name}", place, None, syscalls.MS_BIND)
        syscalls.set_mount_attributes(
            place, syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC
        )
    _mount_scratch(confinement, root, user, group, files)
    _show(view, root, in_scratch=True)
    _mount_proc(f"{root}/proc")
    os.chdir(root)
    syscalls.pivot_root_here()
    os.chdir(WORK_FOLDER)


@functools.cache
def plan(readable: tuple[Path, ...], hidden: tuple[Path, ...]) -> View:
    """Work out the new root; kept, so that a warm server does it once for all its children.

    Raises:
        ValueError: if a path is to be both shown and hidden.
        OSError: if a path does not exist.
    """
    links: dict[str, str] = {}
    real_paths = {_follow(Path(os.path.abspath(path)), links) for path in readable}
    shown = [path for path in sorted(real_paths) if not any(_is_below(path, other) for other in real_paths)]
    concealed = {os.path.realpath(path, strict=True) for path in hidden}
    for path in concealed:
        inside = [other for other in shown if other == path or _is_below(other, path)]
        if inside:
            raise ValueError(f"{path} is to be hidden, but {inside[0]} in it is to be readable: name one of them only")
    covered = [path for path in sorted(concealed) if any(_is_below(path, other) for other in shown)]
    covered = [path for path in covered if not any(_is_below(path, other) for other in covered)]
    outside = [(path, target) for path, target in links.items() if not any(_is_below(path, other) for other in shown)]
    return View(tuple(shown), tuple(outside), tuple(covered))


def _follow(path: Path, links: dict[str, str]) -> str:
    """The real path of a path; the symbolic links on the way to it are noted."""
    here = "/"
    rest = list(path.parts[1:])
    for _ in range(256):
        if not rest:
            break
        here_next = os.path.join(here, rest.pop(0))
        if os.path.islink(here_next):
            target = os.readlink(here_next)
            links[here_next] = target
            absolute = os.path.normpath(os.path.join(here, target))
            rest = list(Path(absolute).parts[1:]) + rest
            here = "/"
        else:
            here = here_next
    return os.path.realpath(path, strict=True)


def _show(view: View, root: str, *, in_scratch: bool) -> None:
    """Bind what is readable into the new root, and cover what is hidden in it.

    What the host has below ``/tmp``, say, comes after the scratch there, and is then locked piece by piece. The empty
    file and folder that cover others are removed once they are bound: what has no name left can be neither found nor
    filled.
    """

    def belongs(path: str) -> bool:
        return in_scratch == any(_is_below(path, folder) for folder in _SCRATCH.values())

    for path, target in view.links:
        if belongs(path):
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            os.symlink(target, root + path)
    shown = [path for path in view.shown if belongs(path)]
    covered = [path for path in view.covered if belongs(path)]
    for path in shown:
        _bind(path, root + path)
    if covered:
        place = root + (_SCRATCH["tmp"] if in_scratch else "")
        folder, file = f"{place}/empty-folder", f"{place}/empty-file"
        os.mkdir(folder, 0o555)
        _empty_file(file)
        for path in covered:
            # Asked of the new root: by now the old one is partly covered by it.
            syscalls.mount(folder if os.path.isdir(root + path) else file, root + path, None, syscalls.MS_BIND)
        os.rmdir(folder)
        os.unlink(file)
    if in_scratch:
        for path in shown:
            syscalls.set_mount_attributes(root + path, _LOCKED, recursive=True)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _bind(source: str, place: str) -> None:
    if os.path.isdir(source):
        os.makedirs(place, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        _empty_file(place)
    syscalls.mount(source, place, None, syscalls.MS_BIND | syscalls.MS_REC)


def _empty_file(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))


def _write_accounts(root: str, user: int, group: int) -> None:
    """Names for the two numbers, for whatever asks who it runs as."""
    accounts = {
        "passwd": f"student:x:{user}:{group}::{HOME_FOLDER}:/bin/sh\n",
        "group": f"student:x:{group}:\n",
        "hosts": "127.0.0.1 localhost\n",
    }
    for name, text in accounts.items():
        # A readable path may have brought its own.
        if not os.path.lexists(f"{root}/etc/{name}"):
            Path(f"{root}/etc/{name}").write_text(text, encoding="utf-8")


def _mount_scratch(confinement: Confinement, root: str, user: int, group: int, files: _Files) -> None:
    # Only the three folders are to be seen, not the one that they lie in, which therefore stands here for a moment.
    stage = f"{root}/proc"
    options = f"mode=0755,size={confinement.limits.scratch_bytes},nr_inodes={confinement.scratch_files}"
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount("tmpfs", stage, "tmpfs", flags, options)
    for name, place in _SCRATCH.items():
        folder = f"{stage}/{name}"
        os.mkdir(folder, 0o700)
        if name == "work":
            files.lay_out(folder, user, group, confinement.limits.scratch_bytes)
        if name == "tmp":
            os.mkdir(f"{folder}/home", 0o700)
            os.chown(f"{folder}/home", user, group)
        os.chown(folder, user, group)
        syscalls.mount(folder, f"{root}{place}", None, syscalls.MS_BIND)
    syscalls.detach(stage)


def _mount_proc(place: str) -> None:
    """Show the processes of the sandbox; where a container's own /proc is partly covered, the kernel refuses."""
    flags = syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    try:
        syscalls.mount("proc", place, "proc", flags)
    except PermissionError:
        # Empty is the safe way round: everything that this project's libraries read there has another source.
        return


class _Files:
    """The instructor's data files, sorted into those to copy and those to link to."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder if folder is not None else Path("/")
        self._entries = [] if folder is None else list(_walk(str(folder)))
        self._copied: set[str] = set()
        total = 0
        for relative, status in self._entries:
            if stat.S_ISREG(status.st_mode) and status.st_size <= _COPIED_FILE_BYTES:
                total += status.st_size
                if total <= _COPIED_BYTES:
                    self._copied.add(relative)
        self.any_large = any(
            stat.S_ISREG(status.st_mode) and relative not in self._copied for relative, status in self._entries
        )

    def lay_out(self, place: str, user: int, group: int, scratch_bytes: int) -> None:
        """Put the files into the working directory, as the user's own."""
        for relative, status in self._entries:
            source, target = os.path.join(self.folder, relative), os.path.join(place, relative)
            if stat.S_ISDIR(status.st_mode):
                os.mkdir(target, 0o700)
            elif stat.S_ISLNK(status.st_mode):
                os.symlink(os.readlink(source), target)
            elif relative in self._copied:
                try:
                    shutil.copyfile(source, target)
                except OSError as error:
                    raise ValueError(
                        f"the data file {source} could not be copied into a scratch of {scratch_bytes} bytes: {error}; "
                        "give the scratch more bytes, or make the file readable"
                    ) from error
                os.chmod(target, 0o700 if status.st_mode & 0o100 else 0o600)
            elif stat.S_ISREG(status.st_mode):
                os.symlink(_LARGE_FILES / relative, target)
            else:
                continue
            os.chown(target, user, group, follow_symlinks=False)


def _walk(folder: str, below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(os.path.join(folder, below)) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            relative = os.path.join(below, entry.name)
            status = entry.stat(follow_symlinks=False)
            yield relative, status
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(folder, relative)
