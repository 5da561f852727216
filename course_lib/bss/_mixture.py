"""The mixture as the solvers of this package hold it, and the way back to the caller's units.

Inside a solver every frequency has unit mean power, silent frequencies and frames are left out, and there are as many
channels as sources. So no constant in a solver depends on how loud the recording is, and a frame of digital silence
does not count as evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.bss._checks import as_demixing_filter
from course_lib.bss.reduce import reduce_channels
from course_lib.bss.scale import apply_demixing, minimal_distortion, projection_back_filter
from course_lib.validation import as_channel, as_positive_integer, as_spectrograms, describe

Scale = Literal["projection_back", "minimal_distortion"]
Callback = Callable[[int, NDArray[np.complex128], float], object]

# A frame whose power is below this part of the mean (−100 dB) is silent, and takes no part.
_SILENT_FRAME: Final = 1e-10
# A frequency is scaled by itself, so that it only is silent where nothing but rounding is left (−200 dB).
_SILENT_FREQUENCY: Final = 1e-20
# A warm start whose rows depend on each other to this degree cannot be inverted.
_SINGULAR: Final = 1e-10


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture prepared for a solver.

    Attributes:
        X: the caller's, shape (n_channels, n_freqs, n_frames).
        channels: normalised and reduced, shape (n_active_freqs, n_sources, n_active_frames).
        projection: from the caller's channels to the solver's, shape (n_freqs, n_sources, n_channels).
        gains: what normalises each frequency, shape (n_active_freqs,).
        active_freqs, active_frames: which take part, shapes (n_freqs,) and (n_frames,).
    """

    X: NDArray[Any]
    channels: NDArray[np.complex128]
    projection: NDArray[np.complex128]
    gains: NDArray[np.float64]
    active_freqs: NDArray[np.bool_]
    active_frames: NDArray[np.bool_]

    @property
    def n_sources(self) -> int:
        return int(self.channels.shape[1])

    def log_determinants(self, W: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return log|det W[k]| of the solver's filter in the caller's units, at the active frequencies."""
        log_det: NDArray[np.float64] = np.linalg.slogdet(W)[1] + self.n_sources * np.log(self.gains)
        return log_det

    def filter_inside(self, demixing_filter: ArrayLike) -> NDArray[np.complex128]:
        """Take a filter in the caller's units to the solver's; where it is singular, the identity takes its place."""
        W = as_demixing_filter(demixing_filter, "demixing_filter")
        n_channels, n_freqs, _ = self.X.shape
        if W.shape != (n_freqs, self.n_sources, n_channels):
            raise ValueError(
                f"demixing_filter: got {describe(W)}, expected shape (n_freqs, n_sources, n_channels) = "
                f"({n_freqs}, {self.n_sources}, {n_channels})."
            )
        inside = (W @ self.projection.conj().swapaxes(1, 2))[self.active_freqs] / self.gains[:, None, None]
        norms = np.linalg.norm(inside, axis=2, keepdims=True)
        rows = inside / np.where(norms > 0, norms, 1.0)
        singular = np.linalg.svd(rows, compute_uv=False)[:, -1] < _SINGULAR if len(rows) else np.zeros(0, bool)
        inside[singular] = np.eye(self.n_sources)
        return inside

    def filter_outside(self, W: NDArray[np.complex128], scale: Scale | None, channel: int) -> NDArray[np.complex128]:
        """Take the solver's filter to the caller's channels and units, and give its sources their scale."""
        outside = np.zeros((len(self.active_freqs), self.n_sources, self.n_sources), dtype=np.complex128)
        outside[:] = np.eye(self.n_sources)
        outside[self.active_freqs] = W * self.gains[:, None, None]
        demixing_filter: NDArray[np.complex128] = outside @ self.projection
        if scale == "projection_back":
            return projection_back_filter(demixing_filter, channel)
        if scale == "minimal_distortion":
            return minimal_distortion(demixing_filter)
        return demixing_filter

    def sources(self, demixing_filter: NDArray[np.complex128]) -> NDArray[Any]:
        """Apply a filter in the caller's units."""
        return apply_demixing(demixing_filter, self.X)


def prepare_mixture(X: ArrayLike, n_sources: int | None) -> Mixture:
    """Check a mixture and bring it into the solver's form."""
    if np.asarray(X).dtype.kind not in "cO":
        raise ValueError(
            f"X: got {describe(np.asarray(X))}, expected a complex STFT (n_channels, n_freqs, n_frames). "
            "Take the STFT first; instantaneous mixtures of real signals are for course_lib.ica."
        )
    mixture = as_spectrograms(X, "X")
    n_channels, n_freqs, _ = mixture.shape
    if n_channels > n_freqs:
        raise ValueError(
            f"X: got {describe(mixture)}, which would be {n_channels} channels of {n_freqs} frequencies; expected the "
            "axis order (n_channels, n_freqs, n_frames). Transpose before the call."
        )
    if n_channels < 2:
        raise ValueError(
            f"X: got {describe(mixture)}, expected at least 2 channels (n_channels, n_freqs, n_frames): sources are "
            "told apart by where they are. For one channel see course_lib.nmf."
        )
    n_sources = n_channels if n_sources is None else as_positive_integer(n_sources, "n_sources", minimum=2)
    if n_sources > n_channels:
        raise ValueError(
            f"n_sources: got {n_sources} for {n_channels} channels, expected at most one source a channel. "
            "Record with more microphones, or separate fewer sources."
        )
    # Powers of two lose no bit, so that a warm start goes on exactly where it stopped.
    exponent = int(np.frexp(max(np.abs(mixture.real).max(), np.abs(mixture.imag).max()))[1])
    loudness = float(np.ldexp(1.0, -exponent))
    projection = np.zeros((n_freqs, n_channels, n_channels), dtype=np.complex128)
    projection[:] = np.eye(n_channels)
    channels: NDArray[np.complex128] = np.multiply(mixture.transpose(1, 0, 2), loudness, dtype=np.complex128, order="C")
    power = _power(channels)
    active_freqs = power.mean(axis=1) > _SILENT_FREQUENCY * power.mean()
    active_frames = power.mean(axis=0) > _SILENT_FRAME * power.mean()
    if n_sources < n_channels:
        reduced, projection = reduce_channels(channels.transpose(1, 0, 2), n_sources)
        channels = np.ascontiguousarray(reduced.transpose(1, 0, 2))
        power = _power(channels)
    # A frequency that only sounds in silent frames has no power left.
    mean_power = power[:, active_frames].sum(axis=1) / max(1, n_sources * int(active_frames.sum()))
    active_freqs &= mean_power > 0
    if not (active_freqs.all() and active_frames.all()):
        channels, mean_power = channels[active_freqs][:, :, active_frames], mean_power[active_freqs]
    gains = np.ldexp(1.0, -np.frexp(np.sqrt(mean_power))[1])
    channels *= gains[:, None, None]
    return Mixture(mixture, channels, projection, gains * loudness, active_freqs, active_frames)


def _power(channels: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return Σ_c |x_c|², shape (n_freqs, n_frames), without squares of the whole array at once."""
    real, imag = channels.real, channels.imag
    power: NDArray[np.float64] = np.einsum("kcm,kcm->km", real, real) + np.einsum("kcm,kcm->km", imag, imag)
    return power


def check_options(scale: Scale | None, reference_channel: int, n_channels: int, n_iterations: int) -> tuple[int, int]:
    """Check the options that all solvers share; return channel and number of iterations."""
    if scale not in ("projection_back", "minimal_distortion", None):
        raise ValueError(f"scale: got {describe(scale)}, expected 'projection_back', 'minimal_distortion' or None.")
    n_iterations = as_positive_integer(n_iterations, "n_iterations", minimum=0)
    return as_channel(reference_channel, "reference_channel", n_channels), n_iterations


def check_choice(value: Any, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name}: got {describe(value)}, expected one of {', '.join(map(repr, choices))}.")
