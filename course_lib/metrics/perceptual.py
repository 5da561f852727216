"""Scores that stand for a listener, by the packages that everybody quotes: PESQ and STOI.

Both come with the extra ``perceptual``: ``pip install "source-separation-course[perceptual]"``.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.metrics._levels import as_pair, as_result, peak_of, refuse_silence
from course_lib.validation import SilentSignalError, as_positive_integer, describe

_PESQ_RATES: Final = {"narrow": (8000, 16000), "wide": (16000,)}
_PESQ_SHORTEST_S: Final = 0.25
_STOI_LOWEST_RATE: Final = 8000


def pesq(
    reference: ArrayLike, estimate: ArrayLike, *, sample_rate: int, band: Literal["wide", "narrow"] = "wide"
) -> float | NDArray[np.float64]:
    """Perceptual evaluation of speech quality: the mean opinion that listeners would have, from about 1 to 4.6.

    Equation: MOS-LQO = 0.999 + 4 / (1 + exp(−1.3669 d + 3.8224)) for the wide band, with d = 4.5 − 0.1 D − 0.0309 A the
        raw score, D and A the mean disturbances of the loudness spectra, symmetric and asymmetric.

    Scores of the two bands are on different scales (the narrow one maps by −1.4945 d + 4.6607): say which with every
    number. The level of either signal does not matter. One delay a signal is forgiven, many small ones are not. It
    was made for telephone codecs: where a separation leaves artefacts that these never had, do not trust it alone.

    Args:
        reference: s, shape (..., n_samples).
        estimate: ŝ, of the same shape (..., n_samples).
        sample_rate: in hertz: 16 000 for the wide band, 8 000 or 16 000 for the narrow one.
        band: "wide" (50 to 7000 Hz, P.862.2) or "narrow" (the telephone's 300 to 3400 Hz, P.862.1).
    Returns:
        MOS-LQO: a float for one signal, else an array of shape (...).
    Raises:
        SilentSignalError: if a reference or an estimate is silent, or holds no utterance; a ValueError.
        ValueError: if shapes differ, an input is complex, not finite or shorter than a quarter of a second, or band
            and sample rate do not go together.
        ModuleNotFoundError: if the package pesq is not installed.
    Cost: O(N log N).
    Reference: ITU-T Recommendations P.862 (2001), P.862.1 (2003) and P.862.2 (2007).
    Lesson: 05 §11
    """
    if band not in _PESQ_RATES:
        raise ValueError(f'band: got {describe(band)}, expected "wide" or "narrow".')
    rate = as_positive_integer(sample_rate, "sample_rate")
    if rate not in _PESQ_RATES[band]:
        raise ValueError(
            f"sample_rate: got {rate} Hz, expected {' or '.join(map(str, _PESQ_RATES[band]))} Hz for the {band} band. "
            "Resample both signals first."
        )
    package = _import("pesq")
    mode = {"wide": "wb", "narrow": "nb"}[band]

    def score(s: NDArray[np.float64], s_hat: NDArray[np.float64]) -> float:
        try:
            return float(package.pesq(rate, s, s_hat, mode))
        except package.NoUtterancesError as error:
            raise SilentSignalError(
                "PESQ finds no utterance in the reference, so that there is nothing to compare. Pass speech."
            ) from error

    return _score_each(score, reference, estimate, round(_PESQ_SHORTEST_S * rate), "PESQ")


def stoi(
    reference: ArrayLike, estimate: ArrayLike, *, sample_rate: int, extended: bool = False
) -> float | NDArray[np.float64]:
    """Short-time objective intelligibility: how much of the words a listener would understand, from 0 to 1.

    Equation: STOI = mean over bands j and frames m of the correlation of X_{j,m} and Y_{j,m}, the envelopes of the last
        30 frames (384 ms) in a third of an octave, Y normalised and clipped 15 dB above X.

    Frames more than 40 dB below the loudest of the reference do not count. The extended form correlates spectra as
    well as envelopes, which suits fluctuating noise. The level of either signal does not matter.

    Args:
        reference: s, shape (..., n_samples).
        estimate: ŝ, of the same shape (..., n_samples).
        sample_rate: in hertz, at least 8000; the score is taken at 10 000.
        extended: whether to compute ESTOI.
    Returns:
        The score: a float for one signal, else an array of shape (...).
    Raises:
        SilentSignalError: if a reference or an estimate is silent; a ValueError, which names the signal.
        ValueError: if shapes differ, an input is empty, complex or not finite, the rate is lower, or less than 384 ms
            of speech remains when pauses are taken out.
        ModuleNotFoundError: if the package pystoi is not installed.
    Cost: O(N).
    Reference: C. H. Taal, R. C. Hendriks, R. Heusdens and J. Jensen, "An algorithm for intelligibility prediction of
        time–frequency weighted noisy speech", IEEE Trans. ASLP 19(7), 2011; J. Jensen and C. H. Taal, "An algorithm for
        predicting the intelligibility of speech masked by modulated noise maskers", IEEE Trans. ASLP 24(11), 2016.
    Lesson: 04 §9
    """
    rate = as_positive_integer(sample_rate, "sample_rate")
    if rate < _STOI_LOWEST_RATE:
        raise ValueError(
            f"sample_rate: got {rate} Hz, expected at least {_STOI_LOWEST_RATE} Hz: the bands reach up to 4 kHz. "
            "Record at a higher rate."
        )
    package = _import("pystoi")

    def score(s: NDArray[np.float64], s_hat: NDArray[np.float64]) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
            try:
                return float(package.stoi(s, s_hat, rate, extended=extended))
            except RuntimeWarning as error:
                raise ValueError(
                    f"reference: of its {s.size / rate:.2f} s less than 0.4 s is speech, expected more. "
                    "Pass a longer signal."
                ) from error

    return _score_each(score, reference, estimate, round(0.4 * rate), "STOI")


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{name} is not installed. Run pip install "source-separation-course[perceptual]" (pesq is compiled there, '
            "and needs a C compiler).",
            name=name,
        ) from error


def _score_each(
    score: Callable[[NDArray[np.float64], NDArray[np.float64]], float],
    reference: ArrayLike,
    estimate: ArrayLike,
    fewest_samples: int,
    name: str,
) -> float | NDArray[np.float64]:
    """Score each pair of signals, at a peak of one: the packages add constants and compute in single precision."""
    s, s_hat = as_pair(reference, estimate)
    if s.shape[-1] < fewest_samples:
        raise ValueError(
            f"reference: got {s.shape[-1]} samples, expected at least the {fewest_samples} that {name} needs at this "
            "rate. Pass a longer signal."
        )
    peaks = peak_of(s), peak_of(s_hat)
    refuse_silence(peaks[0][..., 0] == 0, "reference")
    refuse_silence(peaks[1][..., 0] == 0, "estimate")
    scores = np.empty(s.shape[:-1])
    for index in np.ndindex(scores.shape):
        scores[index] = score(s[index] / peaks[0][index], s_hat[index] / peaks[1][index])
    return as_result(scores)
