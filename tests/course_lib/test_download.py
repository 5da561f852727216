"""The downloader against a local server that is slow, truncates, lies and disappears."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import shutil
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from course_lib.data import cache, registry, unpack
from course_lib.data.download import DownloadError, ResumingDownloader, RetryPolicy
from course_lib.data.registry import FetchError, RealCorpus

QUICK = RetryPolicy(n_attempts=3, first_wait_s=0.01, timeout_s=1.0)
FILES = {"corpus/a.txt": b"first file\n", "corpus/deep/b.bin": os.urandom(300_000)}


def tar_gz(files: dict[str, bytes], extra: tarfile.TarInfo | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        if extra is not None:
            archive.addfile(extra)
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tar_link(kind: bytes, name: str = "corpus/link", target: str = "/etc/passwd") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.linkname = target
    return entry


@dataclass
class Site:
    """What the server serves and what it was asked."""

    content: bytes
    answers: list[Callable[[http.server.BaseHTTPRequestHandler], None]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def serve_well(
        self, handler: http.server.BaseHTTPRequestHandler, *, etag: str = '"v1"', stop_at: int | None = None
    ) -> None:
        """Answer with the file, or the range that is asked for; break the connection off at ``stop_at``."""
        wanted = handler.headers.get("Range")
        if wanted and handler.headers.get("If-Range") == etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        else:
            start = 0
            handler.send_response(200)
        handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(len(self.content) - start))
        handler.end_headers()
        handler.wfile.write(self.content[start:stop_at])


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site(tar_gz(FILES))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests.append(dict(self.headers))
            answer = served.answers.pop(0) if served.answers else served.serve_well
            try:
                answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/corpus.tar.gz"
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry_for(content: bytes, *urls: str, n_bytes: int | None = None, decoder: str | None = None) -> RealCorpus:
    return RealCorpus(
        name="local",
        title="A test",
        urls=urls,
        checksum="sha256:" + hashlib.sha256(content).hexdigest(),
        n_bytes=n_bytes,
        licence="CC0",
        attribution="nobody",
        lessons=("01",),
        decoder=decoder,
    )


def fetched_right(folder: Path) -> bool:
    return all((folder / name).read_bytes() == content for name, content in FILES.items())


def visible(own_cache: Path) -> list[str]:
    """Files that anyone could take for data: all but hidden ones and unfinished parts."""
    return sorted(
        str(path.relative_to(own_cache))
        for path in own_cache.rglob("*")
        if path.is_file() and ".part" not in path.name and not path.name.endswith(".lock")
    )


def status(code: int, **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def test_a_good_server(site: Site, own_cache: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    entry = entry_for(site.content, site.url, n_bytes=len(site.content))
    folder = registry.fetch(entry, policy=QUICK, progress=lambda *step: seen.append(step))
    assert fetched_right(folder)
    assert seen[-1] == (len(site.content), len(site.content))
    assert not list((own_cache / "corpora" / ".downloads").iterdir()), "the archive is not kept twice"
    registry.fetch(entry, policy=QUICK)
    assert len(site.requests) == 1, "what is here is not fetched again"


def test_a_slow_server(site: Site) -> None:
    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(site.content)))
        handler.end_headers()
        for start in range(0, len(site.content), 60_000):
            handler.wfile.write(site.content[start : start + 60_000])
            handler.wfile.flush()
            time.sleep(0.05)

    site.answers = [drip]
    assert fetched_right(registry.fetch(entry_for(site.content, site.url), policy=QUICK))
    assert len(site.requests) == 1


def test_a_server_that_falls_silent_is_left_and_resumed(site: Site) -> None:
    def stall(handler: http.server.BaseHTTPRequestHandler) -> None:
        site.serve_well(handler, stop_at=131_072)
        handler.wfile.flush()
        time.sleep(1.0)

    site.answers = [stall]
    policy = RetryPolicy(n_attempts=3, first_wait_s=0.01, timeout_s=0.3)
    assert fetched_right(registry.fetch(entry_for(site.content, site.url), policy=policy))
    assert site.requests[1]["Range"] == "bytes=131072-"


def test_a_dropped_connection_is_resumed_where_it_stopped(site: Site) -> None:
    for stop in (70_000, 150_000):
        site.answers.append(lambda handler, stop=stop: site.serve_well(handler, stop_at=stop))
    assert fetched_right(registry.fetch(entry_for(site.content, site.url), policy=QUICK))
    assert [request.get("Range") for request in site.requests] == [None, "bytes=70000-", "bytes=150000-"]
    assert site.requests[1]["If-Range"] == '"v1"'


def test_an_interrupted_command_goes_on_in_the_next(site: Site) -> None:
    site.answers = [lambda handler: site.serve_well(handler, stop_at=90_000)] + [status(500)] * 3
    entry = entry_for(site.content, site.url)
    with pytest.raises(FetchError, match="answered 500"):
        registry.fetch(entry, policy=QUICK)
    site.requests.clear()
    assert fetched_right(registry.fetch(entry, policy=QUICK))
    assert [request.get("Range") for request in site.requests] == ["bytes=90000-"]


def test_a_server_that_ignores_ranges(site: Site) -> None:
    def whole(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(site.content)))
        handler.end_headers()
        handler.wfile.write(site.content)

    site.answers = [lambda handler: site.serve_well(handler, stop_at=70_000), whole]
    assert fetched_right(registry.fetch(entry_for(site.content, site.url), policy=QUICK))
    assert site.requests[1]["Range"] == "bytes=70000-"


def test_a_file_that_changed_between_attempts_is_fetched_whole(site: Site) -> None:
    site.answers = [
        lambda handler: site.serve_well(handler, etag='"old"', stop_at=70_000),
        lambda handler: site.serve_well(handler, etag='"new"'),
    ]
    assert fetched_right(registry.fetch(entry_for(site.content, site.url), policy=QUICK))


def test_a_part_without_validator_is_not_resumed(site: Site) -> None:
    def nameless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(site.content)))
        handler.end_headers()
        handler.wfile.write(site.content[:70_000])

    site.answers = [nameless]
    assert fetched_right(registry.fetch(entry_for(site.content, site.url), policy=QUICK))
    assert "Range" not in site.requests[1]


@pytest.mark.parametrize("content_range", ["bytes 0-9/10", "bytes 60000-99999/100000", "nonsense"])
def test_a_range_that_was_not_asked_for_is_refused(site: Site, own_cache: Path, content_range: str) -> None:
    site.answers = [
        lambda handler: site.serve_well(handler, stop_at=70_000),
        status(206, Content_Range=content_range),
    ]
    with pytest.raises(FetchError, match=r"were not asked for|Content-Range"):
        registry.fetch(entry_for(site.content, site.url), policy=QUICK)
    assert visible(own_cache) == []


def test_a_part_longer_than_the_file_is_thrown_away(site: Site) -> None:
    site.answers = [lambda handler: site.serve_well(handler, stop_at=70_000), status(416)]
    assert fetched_right(registry.fetch(entry_for(site.content, site.url), policy=QUICK))
    assert "Range" not in site.requests[2]


def test_a_body_that_is_always_truncated_is_given_up(site: Site, own_cache: Path) -> None:
    def truncated(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(site.content)))
        handler.end_headers()
        handler.wfile.write(site.content[:5_000])

    site.answers = [truncated] * 20
    with pytest.raises(FetchError, match=r"local could not be fetched.*gave up"):
        registry.fetch(entry_for(site.content, site.url), policy=QUICK)
    assert visible(own_cache) == []


def test_a_wrong_hash_leaves_nothing(site: Site, own_cache: Path) -> None:
    entry = entry_for(site.content, site.url)
    site.content = site.content[:-1] + bytes([site.content[-1] ^ 1])
    with pytest.raises(FetchError, match=r"refused and removed, its checksum is not sha256:"):
        registry.fetch(entry, policy=QUICK)
    assert visible(own_cache) == []
    assert not (own_cache / "corpora" / "local").exists()


def test_a_wrong_length_is_refused_before_the_download(site: Site, own_cache: Path) -> None:
    with pytest.raises(FetchError, match=r"offers \d+ bytes, the file has 1000"):
        registry.fetch(entry_for(site.content, site.url, n_bytes=1_000), policy=QUICK)
    assert visible(own_cache) == []


def test_a_missing_file_is_not_asked_for_again(site: Site) -> None:
    site.answers = [status(404)] * 5
    with pytest.raises(FetchError, match="answered 404"):
        registry.fetch(entry_for(site.content, site.url), policy=QUICK)
    assert len(site.requests) == 1


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(site: Site, code: int) -> None:
    site.answers = [status(code), status(code)]
    assert fetched_right(registry.fetch(entry_for(site.content, site.url), policy=QUICK))
    assert len(site.requests) == 3


def test_the_server_may_name_the_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("course_lib.data.download.time.sleep", waits.append)
    site.answers = [status(503, Retry_After="7"), status(503), status(503, Retry_After="99999")]
    registry.fetch(entry_for(site.content, site.url), policy=RetryPolicy(n_attempts=9, first_wait_s=1.0))
    assert waits == [7.0, 2.0, 60.0]


def test_mirrors_are_tried_in_turn(site: Site) -> None:
    site.answers = [status(404), lambda handler: Site(b"x" * 100).serve_well(handler)]
    entry = entry_for(site.content, site.url + "?1", site.url + "?2", site.url + "?3")
    assert fetched_right(registry.fetch(entry, policy=QUICK))
    assert len(site.requests) == 3


def test_when_every_place_fails_each_is_named(site: Site) -> None:
    site.answers = [status(404), status(403)]
    with pytest.raises(FetchError, match=r"\?1: the server answered 404 .* \?2: the server answered 403|404.*403"):
        registry.fetch(entry_for(site.content, site.url + "?1", site.url + "?2"), policy=QUICK)


def test_a_part_of_one_mirror_is_not_continued_from_another(site: Site) -> None:
    site.answers = [lambda handler: site.serve_well(handler, stop_at=70_000), *[status(500)] * 3]
    assert fetched_right(registry.fetch(entry_for(site.content, site.url + "?1", site.url + "?2"), policy=QUICK))
    assert "Range" not in site.requests[-1]


def test_nobody_listening_is_one_clear_error(own_cache: Path) -> None:
    with pytest.raises(FetchError, match=r"gave up after 3 attempts in a row: the connection failed"):
        registry.fetch(entry_for(b"", "http://127.0.0.1:9/corpus.tar.gz"), policy=QUICK)
    assert visible(own_cache) == []


def test_a_gzip_header_does_not_decompress_the_archive(site: Site) -> None:
    def labelled(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(site.content)))
        handler.end_headers()
        handler.wfile.write(site.content)

    site.answers = [labelled]
    assert fetched_right(registry.fetch(entry_for(site.content, site.url), policy=QUICK))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tar_gz({"corpus/a.txt": b"a", "../evil.txt": b"b"}), r"'\.\./evil\.txt' would be written outside"),
        (tar_gz({"corpus/../../evil.txt": b"b"}), r"'corpus/\.\./\.\./evil\.txt' would be written outside"),
        (tar_gz({"/tmp/evil.txt": b"b"}), r"'/tmp/evil\.txt' would be written outside"),
        (tar_gz({"C:\\evil.txt": b"b"}), "name that not every system"),
        (tar_gz(FILES, tar_link(tarfile.SYMTYPE)), r"'corpus/link' is a symbolic link"),
        (tar_gz(FILES, tar_link(tarfile.LNKTYPE)), r"'corpus/link' is a hard link"),
        (tar_gz(FILES, tar_link(tarfile.CHRTYPE)), r"'corpus/link' is a special file"),
        (tar_gz(FILES, tar_link(tarfile.FIFOTYPE)), r"'corpus/link' is a special file"),
        (zipped({"corpus/a.txt": b"a", "../evil.txt": b"b"}), r"'\.\./evil\.txt' would be written outside"),
        (zipped({"/evil.txt": b"b"}), r"'/evil\.txt' would be written outside"),
        (tar_gz(FILES)[:-5_000], "not a readable"),
        (b"this is no archive", "not a readable"),
    ],
    ids=["dots", "inner-dots", "absolute", "drive", "symlink", "hardlink", "device", "fifo", "zip-dots", "zip-absolute",
         "damaged", "not-an-archive"],
)  # fmt: skip
def test_an_unsafe_archive_is_refused_by_member(site: Site, own_cache: Path, content: bytes, message: str) -> None:
    site.content = content
    with pytest.raises(unpack.UnsafeArchiveError, match=message):
        registry.fetch(entry_for(content, site.url), policy=QUICK)
    corpora = own_cache / "corpora"
    assert not (corpora / "local").exists()
    assert not list(own_cache.parent.rglob("evil.txt"))
    assert [path.name for path in corpora.iterdir() if path.name.startswith(".local-")] == []


def test_a_zip_symlink_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "links.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        entry = zipfile.ZipInfo("corpus/link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        writer.writestr(entry, "/etc/passwd")
    with pytest.raises(unpack.UnsafeArchiveError, match=r"'corpus/link' is a symbolic link"):
        unpack.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_member_that_appears_twice_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as writer:
        for content in (b"good", b"evil"):
            entry = tarfile.TarInfo("a.txt")
            entry.size = 4
            writer.addfile(entry, io.BytesIO(content))
    (tmp_path / "twice.tar").write_bytes(buffer.getvalue())
    with pytest.raises(unpack.UnsafeArchiveError, match=r"'a\.txt' appears twice"):
        unpack.unpack(tmp_path / "twice.tar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_good_zip_unpacks(tmp_path: Path) -> None:
    (tmp_path / "good.zip").write_bytes(zipped(FILES))
    unpack.unpack(tmp_path / "good.zip", tmp_path / "out")
    assert fetched_right(tmp_path / "out")


def test_a_full_disk_is_noticed_first(site: Site, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=1_000)
    monkeypatch.setattr(unpack.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(unpack.NotEnoughSpaceError, match=r"needs .* MB .*COURSE_LIB_CACHE"):
        registry.fetch(entry_for(site.content, site.url), policy=QUICK)
    assert visible(own_cache) == []


def test_a_missing_decoder_is_said_before_the_download(site: Site) -> None:
    with pytest.raises(FetchError, match="only with the package no_such_decoder, which is not installed"):
        registry.fetch(entry_for(site.content, site.url, decoder="no_such_decoder"), policy=QUICK)
    assert site.requests == []


def test_a_folder_of_someone_else_is_left_alone(site: Site, own_cache: Path) -> None:
    mine = own_cache / "corpora" / "local" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    with pytest.raises(FetchError, match="was not made by fetch"):
        registry.fetch(entry_for(site.content, site.url), policy=QUICK)
    assert mine.read_text() == "precious"


def test_verification_names_damaged_files(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_for(site.content, site.url)
    monkeypatch.setattr(registry, "CORPORA", {"local": entry})
    with pytest.raises(FetchError, match="has not been fetched"):
        registry.verify_fetched("local")
    folder = registry.fetch("local", policy=QUICK)
    assert registry.is_fetched("local")
    assert registry.verify_fetched("local") == ()
    (folder / "corpus" / "a.txt").write_text("changed")
    assert registry.verify_fetched("local") == ("corpus/a.txt",)


def test_an_unknown_corpus_lists_names_with_sizes() -> None:
    with pytest.raises(
        ValueError, match=r"'timit'.*mini-librispeech \(about 126 MB\).*librispeech-dev-clean \(338 MB\)"
    ):
        registry.fetch("timit")


def test_every_entry_is_complete() -> None:
    assert len(registry.CORPORA) == 7
    for name, entry in registry.CORPORA.items():
        assert name == entry.name
        kind, _, digest = entry.checksum.partition(":")
        assert len(digest) == {"sha256": 64, "md5": 32}[kind]
        assert all(url.startswith("https://") for url in entry.urls)
        assert len({url.rsplit("/", 1)[-1] for url in entry.urls}) == 1
        assert entry.licence
        assert entry.attribution
        assert set(entry.lessons) <= {f"{number:02d}" for number in range(1, 12)}
        if "openslr" in entry.urls[0]:
            assert len(entry.urls) == 3
    assert registry.CORPORA["musdb18-7s"].decoder == "av"


def test_the_downloader_by_itself_leaves_no_part(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    ResumingDownloader(target, policy=QUICK)(site.url, tmp_path / "out.bin", None)
    assert (tmp_path / "out.bin").read_bytes() == site.content
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["out.bin"]
    site.answers = [status(404)]
    with pytest.raises(DownloadError, match="404"):
        ResumingDownloader(target, policy=QUICK)(site.url, tmp_path / "out2.bin", None)
    assert not (tmp_path / "out2.bin").exists()
