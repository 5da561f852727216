"""The offline corpus on disk: building, verifying and loading.

The corpus has four parts, ``speech``, ``noises``, ``music`` and ``rooms``. Each is a folder that appears
under its final name only when it is complete; its ``index.json`` holds the SHA-256 of every file as
built. Loading checks the file against it, and a damaged file is made anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import math
import os
import shutil
import tempfile
import wave
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.data import arithmetic, manifest, music, noises, rooms, talkers
from course_lib.data.cache import cache_dir, locked, write_atomically
from course_lib.data.rooms import Room
from course_lib.data.talkers import VOICES, Voice, sentences
from course_lib.validation import describe

Progress = Callable[[str, int, int], None]
"""Called with the part, the number of items done and the number of items in all."""

State = Literal["identical", "equivalent", "within tolerance", "missing", "damaged", "mismatch"]
"""What ``verify_corpus`` finds: the first three are good."""

GOOD_STATES: Final = ("identical", "equivalent", "within tolerance")
"""States of an item that is as it should be."""

_INDEX: Final = "index.json"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ItemReport:
    """What ``verify_corpus`` found for one item.

    Args:
        name: the item, such as ``speech/f1/07``.
        state: one of ``State``.
        detail: what is wrong, empty if nothing is.

    Lesson: 01 §1
    """

    name: str
    state: State
    detail: str = ""


def _speech_item(voice_index: int, sentence_index: int) -> str:
    """Return the item name of one utterance."""
    return f"speech/{VOICES[voice_index].name}/{sentence_index:02d}"


def _generate_speech(name: str) -> NDArray[np.int16]:
    """Make the utterance with this item name."""
    _, voice_name, number = name.split("/")
    voice = next(voice for voice in VOICES if voice.name == voice_name)
    return talkers.speak(voice, sentences()[int(number)])


def _corpus_speech(voice_index: int, sentence_index: int) -> NDArray[np.int16]:
    """Load the 16-bit samples of one utterance, for the babble."""
    return _load(_speech_item(voice_index, sentence_index))


@dataclass(frozen=True)
class _Part:
    """One part of the corpus: its items, how to make one, and how it is stored and verified."""

    names: Callable[[], tuple[str, ...]]
    generate: Callable[[str], NDArray[Any]]
    by_hash: bool
    suffix: str


_PARTS: Final[Mapping[str, _Part]] = MappingProxyType(
    {
        "speech": _Part(
            lambda: tuple(_speech_item(v, s) for v in range(len(VOICES)) for s in range(len(sentences()))),
            _generate_speech,
            True,
            ".wav",
        ),
        "noises": _Part(
            lambda: tuple(f"noises/{name}" for name in noises.NAMES),
            lambda name: noises.generate(name.removeprefix("noises/"), _corpus_speech),
            True,
            ".wav",
        ),
        "music": _Part(
            lambda: tuple(f"music/{name}" for name in music.NAMES),
            lambda name: music.generate(name.removeprefix("music/")),
            False,
            ".wav",
        ),
        "rooms": _Part(
            lambda: tuple(f"rooms/{name}" for name in rooms.NAMES),
            lambda name: rooms.generate(name.removeprefix("rooms/")),
            False,
            ".npy",
        ),
    }
)

PART_NAMES: Final = tuple(_PARTS)
"""Names of the parts, in the order in which they are built."""


def corpus_dir() -> Path:
    """Return the folder of this version of the offline corpus.

    Returns:
        A folder in ``cache_dir()`` whose name holds the manifest's digest.

    Lesson: 01 §1
    """
    return cache_dir() / f"offline-{manifest.digest()}"


def _encode(values: NDArray[Any]) -> bytes:
    """Return the content of the file that stores an item: WAV for 16-bit sound, NPY for impulse responses."""
    buffer = io.BytesIO()
    if values.dtype == np.int16:
        with wave.open(buffer, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(SAMPLE_RATE_HZ)
            writer.writeframes(values.astype("<i2").tobytes())
    else:
        np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def _decode(content: bytes, suffix: str) -> NDArray[Any]:
    """Undo ``_encode``."""
    if suffix == ".npy":
        loaded: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        return loaded
    with wave.open(io.BytesIO(content), "rb") as reader:
        return np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2").astype(np.int16)


def _part_of(name: str) -> _Part:
    """Return the part that an item belongs to."""
    return _PARTS[name.split("/", 1)[0]]


def _path(name: str) -> Path:
    """Return where an item is stored."""
    return corpus_dir() / f"{name}{_part_of(name).suffix}"


def _read_index(part: str) -> dict[str, str] | None:
    """Return the SHA-256 of each file of a part as built, or ``None`` if the part is not there whole."""
    try:
        index = json.loads((corpus_dir() / part / _INDEX).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    complete = isinstance(index, dict) and set(index) == set(_PARTS[part].names())
    return index if complete else None


def _write_index(folder: Path, index: Mapping[str, str]) -> None:
    """Store the SHA-256 of each file of a part."""
    write_atomically(folder / _INDEX, (json.dumps(index, indent=0, sort_keys=True) + "\n").encode())


def _stored(name: str, index: Mapping[str, str]) -> bytes | None:
    """Return a file's content if it is what was built, else ``None``."""
    try:
        content = _path(name).read_bytes()
    except FileNotFoundError:
        return None
    return content if hashlib.sha256(content).hexdigest() == index[name] else None


def _make(name: str) -> bytes:
    """Generate an item, hold it against the manifest and return its file content."""
    values = _part_of(name).generate(name)
    manifest.compare(name, values)
    return _encode(values)


def _build_part(part: str, progress: Progress | None) -> None:
    """Build a whole part beside its final place, then rename it into place. The caller holds the part's lock."""
    names = _PARTS[part].names()
    root = corpus_dir()
    temporary = Path(tempfile.mkdtemp(prefix=f".{part}-", dir=root))
    try:
        index: dict[str, str] = {}
        for done, name in enumerate(names):
            if progress is not None:
                progress(part, done, len(names))
            content = _make(name)
            index[name] = hashlib.sha256(content).hexdigest()
            path = temporary / f"{name.split('/', 1)[1]}{_PARTS[part].suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _write_index(temporary, index)
        final = root / part
        if final.exists():
            discarded = Path(tempfile.mkdtemp(prefix=f".{part}-", dir=root))
            os.replace(final, discarded / part)
            shutil.rmtree(discarded)
        os.replace(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if progress is not None:
        progress(part, len(names), len(names))


def _repair(name: str) -> bytes:
    """Make one damaged or missing item anew. The caller holds the part's lock."""
    part = name.split("/", 1)[0]
    content = _make(name)
    write_atomically(_path(name), content)
    index = _read_index(part)
    if index is not None:
        _write_index(corpus_dir() / part, {**index, name: hashlib.sha256(content).hexdigest()})
    _logger.info("the corpus file %s was missing or damaged and has been rebuilt", _path(name))
    return content


def build_corpus(parts: Iterable[str] | None = None, *, progress: Progress | None = None) -> tuple[str, ...]:
    """Build what is missing from the offline corpus and rebuild what is damaged; what is whole stays.

    Two processes may build at once: one builds, the other waits and finds the work done. A process that
    is stopped half-way leaves nothing that another would take for complete.

    Args:
        parts: some of ``PART_NAMES``; all of them by default.
        progress: called as ``progress(part, n_done, n_items)``.

    Returns:
        Names of the items that were built.

    Raises:
        ValueError: if a part is unknown.
        SpeechSynthesisError: if espeak-ng is missing (speech, and noises for their babble).
        RoomSimulationError: if pyroomacoustics is missing (rooms).
        CorpusMismatchError: if an item is not what the manifest describes.

    Lesson: 01 §1
    """
    wanted = PART_NAMES if parts is None else tuple(_choose(part, "part", PART_NAMES) for part in parts)
    built: list[str] = []
    for part in wanted:
        with locked(corpus_dir() / f".{part}.lock"):
            index = _read_index(part)
            if index is None:
                _build_part(part, progress)
                built += _PARTS[part].names()
                continue
            damaged = [name for name in _PARTS[part].names() if _stored(name, index) is None]
            for name in damaged:
                _repair(name)
            built += damaged
    return tuple(built)


def rewrite_manifest(progress: Progress | None = None) -> None:
    """Describe the corpus as it is made now in ``offline_corpus.json``: a maintainer's step.

    Args:
        progress: called as ``progress(part, n_done, n_items)``.

    Raises:
        SpeechSynthesisError: if espeak-ng is missing.
        RoomSimulationError: if pyroomacoustics is missing.

    Lesson: 01 §1
    """
    items: dict[str, dict[str, Any]] = {}
    spoken: dict[str, NDArray[np.int16]] = {}
    for part_name, part in _PARTS.items():
        names = part.names()
        for done, name in enumerate(names):
            if progress is not None:
                progress(part_name, done, len(names))
            if part_name == "noises":
                values = noises.generate(name.removeprefix("noises/"), lambda v, s: spoken[_speech_item(v, s)])
            else:
                values = part.generate(name)
            if part_name == "speech":
                spoken[name] = values
            items[name] = manifest.describe_item(values, by_hash=part.by_hash)
        if progress is not None:
            progress(part_name, len(names), len(names))
    for plan in rooms.PLANS:
        response = rooms.generate(plan.name)[0]
        items[f"rooms/{plan.name}"]["target_rt60_s"] = plan.target_rt60_s
        items[f"rooms/{plan.name}"]["rt60_s"] = round(rooms.measure_rt60(response, SAMPLE_RATE_HZ), 4)
    manifest.write(items)


def verify_corpus(parts: Iterable[str] | None = None) -> tuple[ItemReport, ...]:
    """Hold every stored item against its hash as built and against the manifest; change nothing.

    Args:
        parts: some of ``PART_NAMES``; all of them by default.

    Returns:
        One report an item. ``identical`` (same hash) and ``within tolerance`` (fingerprint) are as promised;
        ``equivalent`` is the same sound to within 1 dB in every band from another build of espeak-ng.

    Raises:
        ValueError: if a part is unknown.

    Lesson: 01 §1
    """
    wanted = PART_NAMES if parts is None else tuple(_choose(part, "part", PART_NAMES) for part in parts)
    reports: list[ItemReport] = []
    for part in wanted:
        index = _read_index(part)
        for name in _PARTS[part].names():
            if index is None or not _path(name).exists():
                reports.append(ItemReport(name, "missing", f"{_path(name)} is not there"))
                continue
            content = _stored(name, index)
            if content is None:
                reports.append(ItemReport(name, "damaged", f"{_path(name)} is not what was built"))
                continue
            try:
                state: State = manifest.compare(name, _decode(content, _PARTS[part].suffix))
            except manifest.CorpusMismatchError as error:
                reports.append(ItemReport(name, "mismatch", str(error)))
            else:
                reports.append(ItemReport(name, state))
    return tuple(reports)


def _choose(value: Any, what: str, choices: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of ``choices``, else raise ``ValueError`` that lists them."""
    if value not in choices:
        raise ValueError(f"{what}: got {describe(value)}, expected one of {', '.join(choices)}.")
    return str(value)


def _load(name: str) -> NDArray[Any]:
    """Return an item, building its part on first use and rebuilding its file if it is damaged."""
    part = name.split("/", 1)[0]
    index = _read_index(part)
    if index is None:
        build_corpus([part])
        index = _read_index(part) or {}
    content = _stored(name, index) if index else None
    if content is None:
        with locked(corpus_dir() / f".{part}.lock"):
            # Another process may have repaired it while this one waited.
            content = _stored(name, _read_index(part) or {name: ""}) or _repair(name)
    return _decode(content, _part_of(name).suffix)


def _as_sound(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return 16-bit samples as numbers between −1 and 1."""
    return samples.astype(np.float64) / arithmetic.FULL_SCALE


def voices() -> tuple[Voice, ...]:
    """Return the voices of the offline corpus, four female and four male.

    Returns:
        The voices, ``f1`` to ``f4`` and ``m1`` to ``m4``.

    Lesson: 01 §1
    """
    return VOICES


def speech(voice: str | Voice, sentence: int | str) -> NDArray[np.float64]:
    """Load one sentence spoken by one voice; the first call builds the speech, in a few seconds.

    Args:
        voice: a voice or its name, such as ``"f1"``.
        sentence: its number in ``sentences()``, or the sentence itself.

    Returns:
        Sound at 16 kHz with an active level of −26 dB relative to full scale, shape (n_samples,).

    Raises:
        ValueError: if there is no such voice or sentence.
        SpeechSynthesisError: if espeak-ng is missing.

    Lesson: 01 §1
    """
    names = tuple(each.name for each in VOICES)
    voice_index = names.index(_choose(voice.name if isinstance(voice, Voice) else voice, "voice", names))
    if isinstance(sentence, str):
        if sentence not in sentences():
            raise ValueError(f"sentence: {sentence!r} is not in the corpus. Take one of data.sentences().")
        sentence = sentences().index(sentence)
    is_number = isinstance(sentence, (int, np.integer)) and not isinstance(sentence, bool)
    if not is_number or not 0 <= sentence < len(sentences()):
        raise ValueError(
            f"sentence: got {describe(sentence)}, expected a number from 0 to {len(sentences()) - 1} "
            "or one of data.sentences()."
        )
    return _as_sound(_load(_speech_item(voice_index, int(sentence))))


def noise_names() -> tuple[str, ...]:
    """Return the names of the noises.

    Returns:
        Such as ``"pink"``.

    Lesson: 01 §1
    """
    return noises.NAMES


def noise(name: str, duration_s: float | None = None) -> NDArray[np.float64]:
    """Load a noise; the first call builds the noises (and the speech that the babble is made of).

    Args:
        name: one of ``noise_names()``.
        duration_s: wanted length in seconds, cut short or repeated without a seam; 20 s by default.

    Returns:
        Sound at 16 kHz, shape (n_samples,).

    Raises:
        ValueError: if there is no such noise or the duration is not positive.
        SpeechSynthesisError: if espeak-ng is missing.

    Lesson: 01 §1
    """
    item = f"noises/{_choose(name, 'noise', noises.NAMES)}"
    if duration_s is None:
        return _as_sound(_load(item))
    n_samples = round(duration_s * SAMPLE_RATE_HZ) if math.isfinite(duration_s) else 0
    if n_samples < 1:
        raise ValueError(f"duration_s: got {duration_s!r}, expected at least one sample ({1 / SAMPLE_RATE_HZ:g} s).")
    return np.resize(_as_sound(_load(item)), n_samples)


def stem_names() -> tuple[str, ...]:
    """Return the names of the music stems.

    Returns:
        ``bass``, ``drums``, ``chords`` and ``lead``.

    Lesson: 03 §1
    """
    return music.NAMES


def stem(name: str) -> NDArray[np.float64]:
    """Load one stem of the music; all stems have one length and tempo, and their sum is the mix.

    Args:
        name: one of ``stem_names()``.

    Returns:
        Sound at 16 kHz, shape (n_samples,).

    Raises:
        ValueError: if there is no such stem.

    Lesson: 03 §1
    """
    return _as_sound(_load(f"music/{_choose(name, 'stem', music.NAMES)}"))


def room_names() -> tuple[str, ...]:
    """Return the names of the rooms, from the shortest to the longest reverberation.

    Returns:
        Such as ``"hall"``.

    Lesson: 01 §1
    """
    return rooms.NAMES


def room(name: str) -> Room:
    """Load one room with its impulse responses from one source to two microphones.

    Args:
        name: one of ``room_names()``.

    Returns:
        The room; its ``impulse_response`` has the shape (n_microphones, n_samples).

    Raises:
        ValueError: if there is no such room.
        RoomSimulationError: if it must be built and pyroomacoustics is missing.

    Lesson: 01 §1
    """
    plan = rooms.PLANS[rooms.NAMES.index(_choose(name, "room", rooms.NAMES))]
    impulse_response = _load(f"rooms/{name}").astype(np.float64)
    impulse_response.setflags(write=False)
    return Room(
        name=plan.name,
        impulse_response=impulse_response,
        sample_rate=SAMPLE_RATE_HZ,
        rt60_s=rooms.measure_rt60(impulse_response[0], SAMPLE_RATE_HZ),
        target_rt60_s=plan.target_rt60_s,
        dimensions_m=plan.dimensions_m,
        source_position_m=plan.source_position_m,
        microphone_positions_m=plan.microphone_positions_m,
    )
