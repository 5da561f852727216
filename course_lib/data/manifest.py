"""What the offline corpus must sound like: hashes and fingerprints, in ``offline_corpus.json``.

* 16-bit speech and noises are verified by the SHA-256 of their samples. Should another build of espeak-ng
  (another processor, another compiler) ever round differently, the levels in octave bands tell whether
  it is still the same utterance; such an item counts as ``equivalent``, never as ``identical``.
* Music and rooms pass through floating-point libraries and are verified by a fingerprint: the signal's
  products with sixteen fixed random sign sequences, relative to the signal's norm. Two signals whose
  difference has a relative norm of ε differ by about ε in each number, so that the tolerance is a
  bound on the relative error (0.001 is −60 dB).
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import math
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from course_lib.constants import SAMPLE_RATE_HZ

Agreement = Literal["identical", "equivalent", "within tolerance"]
"""How a verified item agrees with the manifest."""

_FILE_NAME: Final = "offline_corpus.json"
_FORMAT: Final = 1
_N_PROJECTIONS: Final = 16
_PROJECTION_SEED: Final = 7
_BAND_EDGES_HZ: Final = (80, 250, 500, 1_000, 2_000, 4_000, 7_000)
_BAND_TOLERANCE_DB: Final = 1.0
_LENGTH_TOLERANCE: Final = 0.02
_FINGERPRINT_TOLERANCE: Final = 1e-3
_REMEDY: Final = "Install the versions in requirements.lock and build again."


class CorpusMismatchError(RuntimeError):
    """What was built is not what the manifest describes."""


def path() -> Path:
    """Return the place of the manifest in the source tree.

    Returns:
        Path of ``offline_corpus.json``.

    Lesson: 01 §1
    """
    return Path(str(resources.files("course_lib.data").joinpath(_FILE_NAME)))


@functools.cache
def read() -> dict[str, dict[str, Any]]:
    """Read the manifest.

    Returns:
        For each item name, such as ``noises/white``, its description.

    Lesson: 01 §1
    """
    items: dict[str, dict[str, Any]] = json.loads(path().read_text(encoding="utf-8"))["items"]
    return items


@functools.cache
def digest() -> str:
    """Return a short name for this version of the corpus.

    Returns:
        Twelve hexadecimal digits of the manifest's SHA-256.

    Lesson: 01 §1
    """
    canonical = json.dumps(read(), sort_keys=True).encode()
    return hashlib.sha256(canonical).hexdigest()[:12]


def write(items: dict[str, dict[str, Any]]) -> None:
    """Write the manifest: a maintainer's step after a deliberate change of the corpus.

    Args:
        items: the description of every item.

    Lesson: 01 §1
    """
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(items[name], sort_keys=True)}" for name in sorted(items))
    path().write_text(f'{{"format": {_FORMAT}, "items": {{\n{lines}\n}}}}\n', encoding="utf-8")
    read.cache_clear()
    digest.cache_clear()


def _sample_hash(samples: NDArray[np.int16]) -> str:
    """Return the SHA-256 of 16-bit samples in little-endian order."""
    return hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()


def _band_levels_db(samples: NDArray[np.int16]) -> list[float]:
    """Return the level in each band in decibels relative to one 16-bit step."""
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    frequency_hz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    edges = np.searchsorted(frequency_hz, _BAND_EDGES_HZ)
    sums = np.array([power[start:end].sum() for start, end in itertools.pairwise(edges)])
    mean_squares = sums * 2.0 / len(samples) ** 2
    return [round(float(level), 2) for level in 10.0 * np.log10(np.maximum(mean_squares, 1e-4))]


def _level_db(values: NDArray[Any]) -> float:
    """Return the mean square in decibels; of silence, a number far below any corpus item."""
    mean_square = float(np.mean(np.square(values, dtype=np.float64)))
    return 10.0 * math.log10(max(mean_square, 1e-30))


def fingerprint(values: NDArray[Any]) -> list[float]:
    """Return the products of an array with fixed random sign sequences, relative to the array's norm.

    Args:
        values: numbers, any shape.

    Returns:
        Sixteen numbers of about unit size.

    Lesson: 01 §1
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    raw = np.random.PCG64(_PROJECTION_SEED).random_raw(-(-len(flat) * _N_PROJECTIONS // 64))
    bits = np.unpackbits(np.asarray(raw, dtype="<u8").view(np.uint8))[: len(flat) * _N_PROJECTIONS]
    signs = 2.0 * bits.reshape(_N_PROJECTIONS, len(flat)) - 1.0
    return [round(float(product), 7) for product in signs @ flat / max(float(np.linalg.norm(flat)), 1e-30)]


def describe_item(values: NDArray[Any], *, by_hash: bool) -> dict[str, Any]:
    """Describe an item for the manifest.

    Args:
        values: what was built.
        by_hash: whether it must be identical on every machine.

    Returns:
        Its description.

    Lesson: 01 §1
    """
    if by_hash:
        return {"sha256": _sample_hash(values), "n_samples": len(values), "band_levels_db": _band_levels_db(values)}
    return {
        "shape": list(values.shape),
        "level_db": round(_level_db(values), 4),
        "fingerprint": fingerprint(values),
        "tolerance": _FINGERPRINT_TOLERANCE,
    }


def compare(name: str, values: NDArray[Any]) -> Agreement:
    """Compare what was built with the manifest.

    Args:
        name: the item, such as ``rooms/hall``.
        values: what was built.

    Returns:
        How well it agrees.

    Raises:
        CorpusMismatchError: if it does not agree, naming the item and the difference.

    Lesson: 01 §1
    """
    expected = read().get(name)
    if expected is None:
        raise CorpusMismatchError(
            f"{name} is not in {_FILE_NAME}. A maintainer adds it with `python data_fetch.py build --rewrite-manifest`."
        )
    if "sha256" in expected:
        if values.dtype == np.int16 and _sample_hash(values) == expected["sha256"]:
            return "identical"
        length_ratio = len(values) / expected["n_samples"]
        difference_db = float(np.max(np.abs(np.subtract(_band_levels_db(values), expected["band_levels_db"]))))
        if abs(length_ratio - 1.0) <= _LENGTH_TOLERANCE and difference_db <= _BAND_TOLERANCE_DB:
            return "equivalent"
        raise CorpusMismatchError(
            f"{name} differs from {_FILE_NAME}: {len(values)} samples where {expected['n_samples']} were expected, "
            f"band levels off by up to {difference_db:.1f} dB. {_REMEDY}"
        )
    if list(values.shape) != expected["shape"]:
        raise CorpusMismatchError(
            f"{name} has shape {list(values.shape)}, {_FILE_NAME} says {expected['shape']}. {_REMEDY}"
        )
    gain = 10.0 ** ((_level_db(values) - expected["level_db"]) / 20.0)
    direction = float(np.sqrt(np.mean(np.square(np.subtract(fingerprint(values), expected["fingerprint"])))))
    error = max(abs(gain - 1.0), direction)
    if not error <= expected["tolerance"]:
        raise CorpusMismatchError(
            f"{name} differs from {_FILE_NAME} by {error:.2g} of its norm; the tolerance is {expected['tolerance']:g}. "
            f"{_REMEDY}"
        )
    return "within tolerance"
