"""Speech and music of any length, from the offline corpus or from a real one that has been fetched."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.data import corpus as offline
from course_lib.data import registry
from course_lib.data.talkers import VOICES, Voice, sentences
from course_lib.validation import as_positive_integer, describe

SPEECH_CLIP_RMS: Final = 0.05
"""Root mean square of every speech clip: −26 dB relative to full scale, the level of the offline corpus."""

# Women and men in turn, so that the first two talkers, and the first four, are as different as they can be.
_OFFLINE_TALKERS: Final = tuple(
    name
    for pair in zip(
        (voice.name for voice in VOICES if voice.sex == "female"),
        (voice.name for voice in VOICES if voice.sex == "male"),
        strict=True,
    )
    for name in pair
)
_LIBRISPEECHES: Final = tuple(name for name in registry.CORPORA if "librispeech" in name)
_MUSDB: Final = "musdb18-7s"
# The order of the streams in a file of the Stems format, after the mixture.
_MUSDB_STREAMS: Final = {"drums": 1, "bass": 2, "other": 3, "vocals": 4}


def fetched_corpora() -> tuple[str, ...]:
    """Return the names of the real corpora that are on this machine, complete.

    Returns:
        Names that ``fetch`` takes; none until something has been fetched.

    Lesson: 02 §1
    """
    return tuple(name for name in registry.CORPORA if registry.is_fetched(name))


def speech_clip(talker: int | str | Voice, duration_s: float, *, corpus: str = "offline") -> NDArray[np.float64]:
    """Return one talker's sentences, one after the other, of exactly the wanted length.

    Offline, talkers 0, 1, 2, … are the voices f1, m1, f2, m2, … Each begins at another sentence, six further on than
    the talker before, so that no two say the same at the same time. In a LibriSpeech corpus the talkers are
    its speakers by ascending number. The last sentence is cut where the time is over; when all are said, the first
    comes again.

    Args:
        talker: a number from 0, or a name: offline a voice such as ``"f1"``, in LibriSpeech a speaker such as ``"84"``.
        duration_s: length in seconds.
        corpus: ``"offline"`` or a LibriSpeech corpus that has been fetched, such as ``"mini-librispeech"``.

    Returns:
        Sound at 16 kHz with a root mean square of 0.05, shape (n_samples,).

    Raises:
        ValueError: if there is no such talker or corpus, or the duration is not positive.
        FetchError: if the corpus has not been fetched; this function never downloads.
        SpeechSynthesisError: if the offline speech must be built and espeak-ng is missing.

    Lesson: 02 §1
    """
    n_samples = _as_n_samples(duration_s)
    if corpus == "offline":
        sounds = _offline_sentences(talker)
    else:
        _require_corpus(corpus, _LIBRISPEECHES)
        sounds = _librispeech_sentences(talker, corpus)
    pieces: list[NDArray[np.float64]] = []
    n_missing = n_samples
    while n_missing > 0:
        pieces.append(next(sounds)[:n_missing])
        n_missing -= len(pieces[-1])
    clip = np.concatenate(pieces)
    rms = np.sqrt(np.mean(clip**2))
    # The first samples of a recording may be digital silence, and the clip as short as they are.
    return clip * (SPEECH_CLIP_RMS / rms) if rms > 0 else clip


def _offline_sentences(talker: int | str | Voice) -> Iterator[NDArray[np.float64]]:
    """Return an endless stream of what one voice says."""
    name = talker.name if isinstance(talker, Voice) else talker
    number = _choose_talker(name, _OFFLINE_TALKERS)
    first = number * len(sentences()) // len(_OFFLINE_TALKERS)
    order = itertools.cycle([*range(first, len(sentences())), *range(first)])
    return (offline.speech(_OFFLINE_TALKERS[number], sentence) for sentence in order)


def _librispeech_sentences(talker: int | str | Voice, corpus: str) -> Iterator[NDArray[np.float64]]:
    """Return an endless stream of what one speaker reads."""
    import soundfile

    folder = registry.corpora_dir() / corpus
    # Files are named speaker-chapter-utterance.flac.
    speakers: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.flac")):
        speakers[path.name.split("-", 1)[0]].append(path)
    names = tuple(sorted(speakers, key=lambda name: (len(name), name)))
    if not names:
        raise registry.FetchError(f"{corpus}: {folder} holds no FLAC files. Remove the folder and fetch it again.")
    number = _choose_talker(talker, names)

    def read(path: Path) -> NDArray[np.float64]:
        sound, sample_rate = soundfile.read(path, dtype="float64", always_2d=True)
        if sample_rate != SAMPLE_RATE_HZ or not len(sound):
            raise registry.FetchError(
                f"{path}: {len(sound)} samples at {sample_rate} Hz, expected speech at {SAMPLE_RATE_HZ} Hz. "
                f"Remove the corpus's folder and run `python data_fetch.py fetch {corpus}`."
            )
        mono: NDArray[np.float64] = sound.mean(axis=1)
        return mono

    return (read(path) for path in itertools.cycle(speakers[names[number]]))


def _choose_talker(talker: object, names: tuple[str, ...]) -> int:
    """Return the number of a talker given by number or name."""
    if isinstance(talker, str) and talker in names:
        return names.index(talker)
    if isinstance(talker, (int, np.integer)) and not isinstance(talker, bool) and 0 <= talker < len(names):
        return int(talker)
    raise ValueError(
        f"talker: got {describe(talker)}, expected a number from 0 to {len(names) - 1} or one of {', '.join(names)}."
    )


def music_clip(stem: str, duration_s: float, *, corpus: str = "offline", track: int = 0) -> NDArray[np.float64]:
    """Return one stem of a piece of music, cut or repeated to the wanted length, at the level it has in the mix.

    All stems of a piece are cut alike, so that their sum is the piece.

    Args:
        stem: offline ``bass``, ``drums``, ``chords`` or ``lead``; in MUSDB18 ``bass``, ``drums``, ``vocals`` or
            ``other``.
        duration_s: length in seconds.
        corpus: ``"offline"``, or ``"musdb18-7s"`` if it has been fetched.
        track: which piece of the corpus, by the order of their names; offline there is only number 0.

    Returns:
        Sound at 16 kHz, two channels averaged to one, shape (n_samples,).

    Raises:
        ValueError: if there is no such stem, track or corpus, or the duration is not positive.
        FetchError: if the corpus has not been fetched (this function never downloads) or PyAV is missing.

    Lesson: 03 §1
    """
    n_samples = _as_n_samples(duration_s)
    track = as_positive_integer(track, "track", minimum=0)
    if corpus == "offline":
        if track:
            raise ValueError(f"track: got {track}, but the offline corpus has one piece only. Take track 0.")
        sound = offline.stem(stem)
    else:
        _require_corpus(corpus, (_MUSDB,))
        sound = _musdb_stem(stem, track)
    return np.resize(sound, n_samples)


def _musdb_stem(stem: str, track: int) -> NDArray[np.float64]:
    """Return one stem of a track at 16 kHz."""
    if stem not in _MUSDB_STREAMS:
        raise ValueError(f"stem: got {describe(stem)}, expected one of {', '.join(sorted(_MUSDB_STREAMS))}.")
    paths = sorted((registry.corpora_dir() / _MUSDB).rglob("*.stem.mp4"))
    if track >= len(paths):
        raise ValueError(f"track: got {track}, but {_MUSDB} has {len(paths)} tracks, counted from 0.")
    sound, sample_rate = _decode_stream(paths[track], _MUSDB_STREAMS[stem])
    from scipy.signal import resample_poly

    divisor = math.gcd(SAMPLE_RATE_HZ, sample_rate)
    resampled: NDArray[np.float64] = resample_poly(sound, SAMPLE_RATE_HZ // divisor, sample_rate // divisor)
    return resampled


def _decode_stream(path: Path, number: int) -> tuple[NDArray[np.float64], int]:
    """Return an audio stream of a media file, averaged over its channels, and its sample rate."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise registry.FetchError(
            f"{path.name} holds AAC, which PyAV decodes, and PyAV is not installed. Run `pip install av`."
        ) from error
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        # fltp: planar floats, (n_channels, n_samples).
        to_float = av.AudioResampler(format="fltp")
        frames = [f.to_ndarray() for frame in container.decode(stream) for f in to_float.resample(frame)]
        sample_rate = int(stream.rate)
    return np.concatenate(frames, axis=1, dtype=np.float64).mean(axis=0), sample_rate


def _as_n_samples(duration_s: float) -> int:
    n_samples = round(duration_s * SAMPLE_RATE_HZ) if math.isfinite(duration_s) else 0
    if n_samples < 1:
        raise ValueError(f"duration_s: got {duration_s!r}, expected at least one sample ({1 / SAMPLE_RATE_HZ:g} s).")
    return n_samples


def _require_corpus(corpus: str, choices: tuple[str, ...]) -> None:
    """Raise unless this is one of the corpora and stands on this machine."""
    if corpus not in choices:
        raise ValueError(f"corpus: got {describe(corpus)}, expected one of offline, {', '.join(choices)}.")
    if not registry.is_fetched(corpus):
        raise registry.FetchError(
            f"{corpus} has not been fetched. Run `python data_fetch.py fetch {corpus}`, "
            'or use corpus="offline", which needs no download.'
        )
