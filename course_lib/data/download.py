"""A downloader for pooch that resumes, retries and never shows an unfinished file.

pooch checks the hash and moves the file into place; its own downloader starts from the first byte each
time. This one keeps what has arrived in a ``.part`` file beside the target, together with the server's
validator (ETag or date), and asks for the rest only if the file on the server is still the same.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from course_lib.data.unpack import require_space

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have arrived and the bytes in all, ``None`` if unknown."""

_BLOCK: Final = 1 << 16
_PASSING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_PARTIAL, _RANGE_NOT_SATISFIABLE = 206, 416
_LONGEST_WAIT_S: Final = 60.0


class DownloadError(RuntimeError):
    """A file could not be downloaded; the message says from where and why."""


class _PassingError(Exception):
    """A failure that may be gone at the next attempt."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True)
class RetryPolicy:
    """How patiently a download is tried.

    Args:
        n_attempts: attempts in a row that bring nothing new before the download is given up.
        first_wait_s: wait before the second attempt, in seconds; it doubles each time.
        timeout_s: longest silence of the server, in seconds.
        most_attempts: attempts in all, however much each brings.

    Lesson: 01 §1
    """

    n_attempts: int = 5
    first_wait_s: float = 1.0
    timeout_s: float = 30.0
    most_attempts: int = 100


def _content_range(value: str) -> tuple[int, int | None]:
    """Return the first byte and the total length named by a Content-Range header."""
    matched = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", value.strip())
    if matched is None:
        raise DownloadError(f"the server answered a range request with Content-Range {value!r}.")
    return int(matched[1]), None if matched[2] == "*" else int(matched[2])


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return what identifies this version of the file on the server: a strong ETag, or its date."""
    etag = headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return headers.get("Last-Modified")


class _Part:
    """The part of a file that has arrived, and which version on which server it belongs to."""

    def __init__(self, target: Path, url: str) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._notes = target.with_name(f"{target.name}.part.json")
        self._url = url

    def n_bytes(self) -> int:
        """Return how much has arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    def validator(self) -> str | None:
        """Return the validator that the arrived bytes belong to, ``None`` if they cannot be resumed."""
        try:
            notes = json.loads(self._notes.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        validator = notes.get("validator") if isinstance(notes, dict) and notes.get("url") == self._url else None
        return validator if isinstance(validator, str) and self.n_bytes() > 0 else None

    def begin(self, validator: str | None) -> None:
        """Start an empty part that belongs to ``validator``."""
        self.path.write_bytes(b"")
        self._notes.write_text(json.dumps({"url": self._url, "validator": validator}), encoding="utf-8")

    def discard(self) -> None:
        """Forget what has arrived."""
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def finish(self, output_file: Path) -> None:
        """Hand the complete bytes over."""
        os.replace(self.path, output_file)
        self._notes.unlink(missing_ok=True)


class ResumingDownloader:
    """Download over HTTP as pooch wants it, resuming where the last attempt stopped.

    Args:
        target: the final file; ``<target>.part`` beside it holds what has arrived.
        n_bytes: length of the file, if known; a server that announces another is refused at once.
        policy: how patiently to try.
        progress: called as bytes arrive.

    Lesson: 01 §1
    """

    def __init__(
        self,
        target: Path,
        *,
        n_bytes: int | None = None,
        policy: RetryPolicy | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Describe one download; calling the object carries it out."""
        self._target = target
        self._n_bytes = n_bytes
        self._policy = policy or RetryPolicy()
        self._progress = progress

    def __call__(self, url: str, output_file: Any, _pooch: Any, check_only: bool = False) -> bool | None:
        """Download ``url`` into ``output_file``, or raise ``DownloadError``."""
        import requests

        if check_only:
            answer = requests.head(url, timeout=self._policy.timeout_s, allow_redirects=True)
            return bool(answer.ok)
        part = _Part(self._target, url)
        fruitless = 0
        for _ in range(self._policy.most_attempts):
            before = part.n_bytes()
            try:
                with requests.Session() as session:
                    self._receive(session, url, part)
            except _PassingError as failure:
                fruitless = 0 if part.n_bytes() > before else fruitless + 1
                if fruitless >= self._policy.n_attempts:
                    raise DownloadError(f"{url}: gave up after {fruitless} attempts in a row: {failure}.") from failure
                wait_s = self._policy.first_wait_s * 2.0 ** max(fruitless - 1, 0)
                time.sleep(min(max(wait_s, failure.wait_s or 0.0), _LONGEST_WAIT_S))
            else:
                part.finish(Path(output_file))
                return None
        raise DownloadError(f"{url}: gave up after {self._policy.most_attempts} attempts that each broke off.")

    def _receive(self, session: Any, url: str, part: _Part) -> None:
        """Make one request and append what comes to the part."""
        import requests
        import urllib3

        validator = part.validator()
        headers = {"Accept-Encoding": "identity"}
        if validator is not None:
            headers |= {"Range": f"bytes={part.n_bytes()}-", "If-Range": validator}
        try:
            with session.get(url, headers=headers, stream=True, timeout=self._policy.timeout_s) as response:
                n_total = self._begin(response, url, part, validator)
                with part.path.open("ab") as sink:
                    n_arrived = sink.tell()
                    # The bytes as sent: an archive must not be decompressed because a header says gzip.
                    for block in response.raw.stream(_BLOCK, decode_content=False):
                        sink.write(block)
                        n_arrived += len(block)
                        if self._progress is not None:
                            self._progress(n_arrived, n_total)
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            raise _PassingError(f"the connection failed ({type(error).__name__})") from error
        except requests.RequestException as error:
            raise DownloadError(f"{url}: {error}.") from error
        if n_total is not None and n_arrived < n_total:
            raise _PassingError(f"the connection ended after {n_arrived} of {n_total} bytes")
        if n_total is not None and n_arrived > n_total:
            part.discard()
            raise DownloadError(f"{url}: {n_arrived} bytes came where {n_total} were announced.")

    def _begin(self, response: Any, url: str, part: _Part, validator: str | None) -> int | None:
        """Look at the answer's head, make the part ready for its body and return the length of the whole file."""
        status = response.status_code
        if status == _RANGE_NOT_SATISFIABLE:
            part.discard()
            raise _PassingError("the part at hand did not fit the file on the server")
        if status in _PASSING_STATUSES:
            named = response.headers.get("Retry-After", "")
            raise _PassingError(f"the server answered {status}", float(named) if named.isdigit() else None)
        if status not in (200, _PARTIAL):
            raise DownloadError(f"{url}: the server answered {status} {response.reason}.")
        if status == _PARTIAL:
            start, n_total = _content_range(response.headers.get("Content-Range", ""))
            if validator is None or start != part.n_bytes():
                part.discard()
                raise DownloadError(f"{url}: the server sent bytes from {start}, which were not asked for.")
        else:
            length = response.headers.get("Content-Length", "")
            n_total = int(length) if length.isdigit() else None
            part.begin(_validator(response.headers))
        if n_total is None:
            n_total = self._n_bytes
        elif self._n_bytes is not None and n_total != self._n_bytes:
            part.discard()
            raise DownloadError(f"{url}: the server offers {n_total} bytes, the file has {self._n_bytes}.")
        if n_total is not None:
            require_space(part.path.parent, n_total - part.n_bytes(), f"downloading {self._target.name}")
        return n_total
