"""Real corpora: where they come from, what they may be used for, and how they get here."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from course_lib.data.cache import cache_dir, locked
from course_lib.data.download import DownloadError, Progress, ResumingDownloader, RetryPolicy
from course_lib.data.unpack import require_space, unpack

_INDEX: Final = ".course-index.json"


@dataclass(frozen=True)
class RealCorpus:
    """One corpus that can be downloaded.

    Args:
        name: what ``fetch`` takes.
        title: what it is.
        urls: the same archive at its home and at mirrors, tried in turn.
        checksum: published checksum of the archive, ``sha256:…`` or ``md5:…``.
        n_bytes: exact length of the archive, if published.
        about_bytes: approximate length where the exact one is not published, if known.
        licence: under what terms.
        attribution: whom to credit, and how.
        lessons: numbers of the lessons that can use it.
        decoder: the Python package, by the name it is imported under, that reads its files, if the course does not
            install it anyway.
        note: what else a reader must know.

    Lesson: 01 §1
    """

    name: str
    title: str
    urls: tuple[str, ...]
    checksum: str
    n_bytes: int | None
    licence: str
    attribution: str
    lessons: tuple[str, ...]
    about_bytes: int | None = None
    decoder: str | None = None
    note: str = ""

    @property
    def size(self) -> str:
        """Size of the download, in words."""
        known = self.n_bytes or self.about_bytes
        if known is None:
            return "unknown size"
        return f"{'' if self.n_bytes else 'about '}{known / 1e6:.0f} MB"

    @property
    def archive_name(self) -> str:
        """File name of the archive."""
        return Path(urlsplit(self.urls[0]).path).name


class FetchError(RuntimeError):
    """A corpus could not be fetched; the message says why and what to do."""


def _openslr(path: str) -> tuple[str, ...]:
    """Return the places of an OpenSLR archive."""
    return tuple(
        f"https://{host}/resources/{path}" for host in ("www.openslr.org", "us.openslr.org", "openslr.elda.org")
    )


_LIBRISPEECH: Final = (
    "V. Panayotov, G. Chen, D. Povey, S. Khudanpur: LibriSpeech, ICASSP 2015; from LibriVox recordings."
)
_DEMAND: Final = (
    "J. Thiemann, N. Ito, E. Vincent: DEMAND, Diverse Environments Multichannel Acoustic Noise Database, 2013."
)

_ALL: Final = (
    RealCorpus(
        name="mini-librispeech",
        title="Mini LibriSpeech dev-clean-2: read English, 16 kHz",
        urls=_openslr("31/dev-clean-2.tar.gz"),
        checksum="sha256:176ec501490eced2d6c1f89f4f0ddc7dfe799e649e5322f8ba49fe3ff50c8012",
        n_bytes=None,
        about_bytes=126_000_000,
        licence="CC BY 4.0",
        attribution=_LIBRISPEECH,
        lessons=("01", "02", "04", "05", "06", "07", "08", "11"),
    ),
    RealCorpus(
        name="librispeech-dev-clean",
        title="LibriSpeech dev-clean: read English, 40 speakers, 16 kHz",
        urls=_openslr("12/dev-clean.tar.gz"),
        checksum="sha256:76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
        n_bytes=337_926_286,
        licence="CC BY 4.0",
        attribution=_LIBRISPEECH,
        lessons=("06", "07", "08", "10", "11"),
    ),
    RealCorpus(
        name="librispeech-test-clean",
        title="LibriSpeech test-clean: read English, 40 other speakers, 16 kHz",
        urls=_openslr("12/test-clean.tar.gz"),
        checksum="sha256:39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
        n_bytes=346_663_984,
        licence="CC BY 4.0",
        attribution=_LIBRISPEECH,
        lessons=("06", "07", "08", "11"),
    ),
    RealCorpus(
        name="demand-kitchen",
        title="DEMAND kitchen: 16 microphones, 5 minutes, 16 kHz",
        urls=("https://zenodo.org/records/1227121/files/DKITCHEN_16k.zip",),
        checksum="md5:7ffbf52d7f4699f96927846103dc8788",
        n_bytes=110_501_049,
        licence="CC BY-SA 3.0",
        attribution=_DEMAND,
        lessons=("04", "06", "08", "11"),
    ),
    RealCorpus(
        name="demand-living-room",
        title="DEMAND living room: 16 microphones, 5 minutes, 16 kHz",
        urls=("https://zenodo.org/records/1227121/files/DLIVING_16k.zip",),
        checksum="md5:46741384d9e434a0bd8b3ec1830b6052",
        n_bytes=None,
        licence="CC BY-SA 3.0",
        attribution=_DEMAND,
        lessons=("04", "06", "08", "11"),
    ),
    RealCorpus(
        name="demand-washing",
        title="DEMAND washing room: 16 microphones, 5 minutes, 16 kHz",
        urls=("https://zenodo.org/records/1227121/files/DWASHING_16k.zip",),
        checksum="md5:7e5ee9437ce9409c5f9a779b6212a240",
        n_bytes=None,
        licence="CC BY-SA 3.0",
        attribution=_DEMAND,
        lessons=("04", "06", "08", "11"),
    ),
    RealCorpus(
        name="musdb18-7s",
        title="MUSDB18 7-second excerpts: 144 songs in four stems",
        urls=("https://zenodo.org/records/3270814/files/MUSDB18-7-STEMS.zip",),
        checksum="md5:dc2bdfac5b46ce742bd60009866758a5",
        n_bytes=147_209_385,
        licence="per track, non-commercial",
        attribution="Z. Rafii, A. Liutkus, F.-R. Stöter, S. I. Mimilakis, R. Bittner: MUSDB18, 2017.",
        lessons=("03", "07"),
        decoder="av",
        note="AAC in MP4 containers, four stems a file: reading them needs PyAV (pip install av).",
    ),
)

CORPORA: Final[Mapping[str, RealCorpus]] = MappingProxyType({corpus.name: corpus for corpus in _ALL})
"""The real corpora by name. One without a published checksum is not listed."""


def corpora_dir() -> Path:
    """Return the folder of fetched corpora.

    Returns:
        A folder in ``cache_dir()``.

    Lesson: 01 §1
    """
    return cache_dir() / "corpora"


def find(name: str) -> RealCorpus:
    """Return a real corpus by name.

    Args:
        name: such as ``mini-librispeech``.

    Returns:
        Its entry.

    Raises:
        ValueError: if there is none of that name; the message lists all with their sizes.

    Lesson: 01 §1
    """
    if name not in CORPORA:
        known = ", ".join(f"{corpus.name} ({corpus.size})" for corpus in CORPORA.values())
        raise ValueError(f"there is no corpus {name!r}. Choose one of: {known}.")
    return CORPORA[name]


def is_fetched(name: str) -> bool:
    """Tell whether a corpus is here, complete.

    Args:
        name: such as ``mini-librispeech``.

    Returns:
        True if its folder stands under its final name, which happens only after verification.

    Raises:
        ValueError: if there is no corpus of that name.

    Lesson: 01 §1
    """
    return (corpora_dir() / find(name).name / _INDEX).is_file()


def _require_decoder(corpus: RealCorpus) -> None:
    """Raise if a package that the corpus's files need is missing."""
    if corpus.decoder is not None and importlib.util.find_spec(corpus.decoder) is None:
        raise FetchError(
            f"{corpus.name}: its files can be read only with the package {corpus.decoder}, which is not installed. "
            f"Run `pip install {corpus.decoder}` and repeat the command."
        )


def _download(corpus: RealCorpus, folder: Path, policy: RetryPolicy | None, progress: Progress | None) -> Path:
    """Return the verified archive, from the first place that has it."""
    import pooch

    archive = folder / corpus.archive_name
    failures: list[str] = []
    # pooch reports each download on its own logger; here the caller shows the progress.
    pooch.get_logger().setLevel(logging.WARNING)
    for url in corpus.urls:
        downloader = ResumingDownloader(archive, n_bytes=corpus.n_bytes, policy=policy, progress=progress)
        store = pooch.create(folder, base_url="", registry={archive.name: corpus.checksum}, urls={archive.name: url})
        try:
            return Path(store.fetch(archive.name, downloader=downloader))
        except DownloadError as error:
            failures.append(str(error))
        except ValueError:
            # pooch's word for a hash that does not match; it has removed the file.
            failures.append(f"{url}: the file was refused and removed, its checksum is not {corpus.checksum}.")
    raise FetchError(f"{corpus.name} could not be fetched. " + " ".join(failures))


def fetch(name: str | RealCorpus, *, progress: Progress | None = None, policy: RetryPolicy | None = None) -> Path:
    """Download a real corpus, verify it, unpack it and return its folder; what is here already is not fetched again.

    An interrupted download goes on where it stopped. Nothing stands under its final name before its
    checksum was verified and all of it was unpacked.

    Args:
        name: such as ``mini-librispeech``, or an entry.
        progress: called with the bytes that have arrived and the bytes in all.
        policy: how patiently to try.

    Returns:
        The folder that holds the unpacked corpus.

    Raises:
        ValueError: if there is no corpus of that name.
        FetchError: if no place has the right file, or a package to read it is missing.
        UnsafeArchiveError: if the archive holds a member that has no business there.
        NotEnoughSpaceError: if the disk is too small.

    Lesson: 01 §1
    """
    corpus = name if isinstance(name, RealCorpus) else find(name)
    root = corpora_dir()
    final = root / corpus.name
    with locked(root / f".{corpus.name}.lock"):
        if (final / _INDEX).is_file():
            return final
        if final.exists():
            raise FetchError(f"{final} exists but was not made by fetch. Move it away and repeat the command.")
        _require_decoder(corpus)
        downloads = root / ".downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        if corpus.n_bytes is not None:
            require_space(root, corpus.n_bytes, f"fetching {corpus.name}")
        archive = _download(corpus, downloads, policy, progress)

        def write_index(folder: Path, hashes: dict[str, str]) -> None:
            index = {"checksum": corpus.checksum, "licence": corpus.licence, "files": hashes}
            (folder / _INDEX).write_text(json.dumps(index, indent=0), encoding="utf-8")

        unpack(archive, final, finish=write_index)
        archive.unlink()
    return final


def verify_fetched(name: str) -> tuple[str, ...]:
    """Hold every file of a fetched corpus against its hash as unpacked.

    Args:
        name: such as ``mini-librispeech``.

    Returns:
        Names of files that are missing or differ; empty if all is well.

    Raises:
        ValueError: if there is no corpus of that name.
        FetchError: if it has not been fetched.

    Lesson: 01 §1
    """
    folder = corpora_dir() / find(name).name
    if not is_fetched(name):
        raise FetchError(f"{name} has not been fetched. Run `python data_fetch.py fetch {name}`.")
    files: dict[str, str] = json.loads((folder / _INDEX).read_text(encoding="utf-8"))["files"]
    return tuple(file for file, expected in files.items() if not _matches(folder / file, expected))


def _matches(path: Path, expected: str) -> bool:
    """Tell whether a file has this SHA-256."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == expected
