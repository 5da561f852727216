"""Short-time Fourier transform: analysis, synthesis, the conditions between them, and streams.

Conventions. Spectrograms are ``(..., n_freqs, n_frames)``, in memory one frame after the other, as in librosa and
torch.stft: a transposed view, so that ``X[..., k, :]`` strides through memory and ``X[..., :, m]`` does not.
Phase is counted from the first sample of each frame. A centred frame m is centred on sample mR; the signal
counts as zero outside its ends. Frames go on until one is centred on or after the end of the signal, so that the
tail is as well covered as the head: 1 + ⌈N/R⌉ frames, where librosa has 1 + ⌊N/R⌋ (the same when R divides N).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from course_lib import _frames
from course_lib.validation import as_positive_integer, as_signal, describe

# Coefficients a of w[n] = Σ_i (−1)^i a_i cos(2πin/L).
_COSINE_WINDOWS: dict[str, tuple[float, ...]] = {
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
}
_CONDITION_TOLERANCE = 1e-10
"""Relative deviation that counts as zero in the window conditions: far above rounding, far below hearing."""


def make_window(window: str | ArrayLike, frame_length: int) -> NDArray[np.float64]:
    """Make a periodic analysis window from its name, or check one given as an array.

    Equation: w[n] = Σ_i (−1)^i a_i cos(2πin/L), for "boxcar", "hann", "hamming", "blackman";
    "sqrt_hann" is √hann = sin(πn/L). Other names are those of scipy.signal.get_window.

    Periodic means that w[L] would equal w[0]: shifted copies then add up evenly, which a symmetric window's do not.

    Args:
        window: name, or samples of shape (frame_length,).
        frame_length: L, samples a frame.
    Returns:
        The window, shape (frame_length,), float64.
    Raises:
        ValueError: if the name is unknown, the array has another length, is zero throughout, or is not finite and real.
    Cost: O(L).
    Reference: F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform",
        Proc. IEEE 66(1), 1978.
    Lesson: 01 §6
    """
    frame_length = as_positive_integer(frame_length, "frame_length")
    if not isinstance(window, str):
        samples = as_signal(window, "window", n_axes=1).astype(np.float64)
        if samples.size != frame_length:
            raise ValueError(
                f"window: got {samples.size} samples, expected frame_length = {frame_length}. "
                "Pass frame_length=len(window), and fft_length for zero padding."
            )
        if not samples.any():
            raise ValueError("window: every sample is zero, expected at least one that is not.")
        return samples
    phase = 2 * np.pi * np.arange(frame_length) / frame_length
    if window in ("sqrt_hann", *_COSINE_WINDOWS) and frame_length == 1:
        return np.ones(1)  # the formula may give zero, and a frame of one sample must still see the signal
    if window == "sqrt_hann":
        return np.sin(phase / 2)
    if window in _COSINE_WINDOWS:
        terms = [(-1) ** i * a * np.cos(i * phase) for i, a in enumerate(_COSINE_WINDOWS[window])]
        return np.asarray(np.sum(terms, axis=0))
    import scipy.signal  # takes a second to import, which common windows need not wait for

    try:
        return np.asarray(scipy.signal.get_window(window, frame_length), dtype=np.float64)
    except ValueError as error:
        raise ValueError(
            f"window: got {window!r}, expected one of {', '.join([*_COSINE_WINDOWS, 'sqrt_hann'])}, "
            f"another name that scipy.signal.get_window knows without parameters, or an array. ({error})"
        ) from error


def check_cola(
    window: str | ArrayLike,
    hop_length: int,
    *,
    frame_length: int | None = None,
    variant: Literal["amplitude", "power"] = "amplitude",
) -> float:
    """Check the constant-overlap-add condition of a window and a hop, and return the constant.

    Equation: Σ_m w^p[n − mR] = C ≠ 0 for every n, with p = 1 ("amplitude") or p = 2 ("power").

    With the amplitude variant, adding unwindowed frames gives C·x; with the power variant, frames windowed in
    analysis and again in synthesis do.

    Args:
        window: name, or samples of shape (frame_length,).
        hop_length: R, samples from frame to frame.
        frame_length: L; may be left out when the window is an array.
        variant: which sum must be constant.
    Returns:
        The constant C.
    Raises:
        ValueError: if the sum is not constant to 1e-10 of its mean; the message has the measured deviation and the
            next smaller hop that satisfies the condition.
    Cost: O(L); O(L²) to find the hop that an error names.
    Reference: J. B. Allen and L. R. Rabiner, "A unified approach to short-time Fourier analysis and synthesis",
        Proc. IEEE 65(11), 1977.
    Lesson: 01 §6
    """
    if variant not in ("amplitude", "power"):
        raise ValueError(f'variant: got {variant!r}, expected "amplitude" (Σ w) or "power" (Σ w²).')
    samples = _window_samples(window, frame_length)
    hop_length = as_positive_integer(hop_length, "hop_length")
    weights = samples if variant == "amplitude" else samples**2
    sums = _overlap_sums(weights, hop_length)
    if _adds_up(weights, hop_length):
        return float(sums.mean())
    deviation = np.abs(sums - sums.mean())
    smaller = next((hop for hop in range(min(hop_length, samples.size), 0, -1) if _adds_up(weights, hop)), None)
    remedy = f"hop_length = {smaller} satisfies it" if smaller else "no hop does, for the window sums to zero"
    symbol = "w" if variant == "amplitude" else "w²"
    raise ValueError(
        f"COLA ({variant}) fails: Σ_m {symbol}[n − m·{hop_length}] goes from {sums.min():.6g} to {sums.max():.6g} "
        f"where it should be constant, off its mean by up to {_percent(deviation.max(), sums.mean())} "
        f"(at n ≡ {deviation.argmax()} modulo {hop_length}). For this window of {samples.size} samples {remedy}."
    )


def check_nola(window: str | ArrayLike, hop_length: int, *, frame_length: int | None = None) -> float:
    """Check that a window and a hop leave no sample unseen (nonzero overlap-add), and return the smallest sum.

    Equation: min_n Σ_m w²[n − mR] > 0: what the weighted overlap-add divides by.

    Args:
        window: name, or samples of shape (frame_length,).
        hop_length: R, samples from frame to frame.
        frame_length: L; may be left out when the window is an array.
    Returns:
        The smallest value of the sum.
    Raises:
        ValueError: if the sum falls to 1e-10 of its largest value or below; the message has the measured ratio, the
            place, and the next smaller hop that satisfies the condition.
    Cost: O(L); O(L²) to find the hop that an error names.
    Reference: D. W. Griffin and J. S. Lim, "Signal estimation from modified short-time Fourier transform",
        IEEE Trans. ASSP 32(2), 1984.
    Lesson: 01 §6
    """
    samples = _window_samples(window, frame_length)
    hop_length = as_positive_integer(hop_length, "hop_length")
    sums = _overlap_sums(samples**2, hop_length)
    if _is_positive(sums):
        return float(sums.min())
    # Hop 1 always works: each sample then meets every sample of the window.
    hops = range(min(hop_length, samples.size), 0, -1)
    remedy = next(hop for hop in hops if _is_positive(_overlap_sums(samples**2, hop)))
    raise ValueError(
        f"NOLA fails: Σ_m w²[n − m·{hop_length}] is {sums.min():.3g} at n ≡ {sums.argmin()} modulo {hop_length}, "
        f"{sums.min() / sums.max():.2g} of its largest value, so that these samples cannot be recovered. "
        f"For this window of {samples.size} samples hop_length = {remedy} satisfies it."
    )


def stft(
    x: ArrayLike,
    window: str | ArrayLike = "hann",
    *,
    frame_length: int = 1024,
    hop_length: int | None = None,
    fft_length: int | None = None,
    centred: bool = True,
) -> NDArray[Any]:
    """Short-time Fourier transform of a real signal.

    Equation: X[k,m] = Σ_n w[n] x[n + mR − c] e^(−j2πkn/K), n = 0 … L − 1, with c = ⌊L/2⌋ if centred and 0 if not.

    The signal is zero outside its ends. Centred, there are 1 + ⌈n_samples/R⌉ frames; not centred,
    1 + ⌈(n_samples − L)/R⌉ and at least 1. A last frame that reaches past the end is kept.

    Args:
        x: signal, shape (..., n_samples); any number of samples from 1.
        window: name, or samples of shape (frame_length,).
        frame_length: L, samples a frame.
        hop_length: R, samples from frame to frame; a quarter of a frame unless given.
        fft_length: K ≥ L, length of the DFT; L unless given. A longer one pads each frame with zeros at its end.
        centred: whether frame m is centred on sample mR, or starts there.
    Returns:
        X, shape (..., n_freqs, n_frames) with n_freqs = ⌊K/2⌋ + 1: complex64 for float32 input, else complex128.
        A view of memory in which one frame follows the other.
    Raises:
        ValueError: if x is empty, complex or not finite, or a length is not a whole number in its range.
    Cost: O(n_frames·K·log K).
    Reference: Allen & Rabiner, Proc. IEEE 65(11), 1977; Oppenheim & Schafer, Discrete-Time Signal Processing,
        3rd ed., §10.3.
    Lesson: 01 §6
    """
    x = as_signal(x, "x")
    grid = _Grid(window, frame_length, hop_length, fft_length, centred)
    n_frames = grid.n_frames(x.shape[-1])
    return grid.analyse(x, first_sample=-grid.n_before, n_frames=n_frames)


def istft(
    X: ArrayLike,
    window: str | ArrayLike = "hann",
    *,
    frame_length: int = 1024,
    hop_length: int | None = None,
    fft_length: int | None = None,
    centred: bool = True,
    n_samples: int | None = None,
) -> NDArray[Any]:
    """Inverse STFT by weighted overlap-add: the signal whose STFT is nearest to ``X``.

    Equation: x̂[n] = Σ_m w[n − mR + c] x_m[n − mR + c] / Σ_m w²[n − mR + c], x_m = IDFT of X[:,m] cut to L samples.

    This is the least-squares solution: for an X that is the STFT of a signal it returns the signal, for any other
    it minimises Σ |X − STFT(x̂)|² over all K frequencies.

    Args:
        X: spectrogram, shape (..., n_freqs, n_frames) with n_freqs = ⌊K/2⌋ + 1.
        window: the window of the analysis: name, or samples of shape (frame_length,).
        frame_length: L, samples a frame.
        hop_length: R, samples from frame to frame; a quarter of a frame unless given.
        fft_length: K ≥ L, length of the DFT; L unless given.
        centred: whether frame m is centred on sample mR, or starts there.
        n_samples: length of the result. Unless given, (n_frames − 1)·R if centred, which is the signal's own length
            rounded up to a whole hop, and (n_frames − 1)·R + L if not.
    Returns:
        Signal, shape (..., n_samples): float32 for complex64 input, else float64.
    Raises:
        ValueError: if n_freqs does not fit K, the frames do not reach n_samples, or a wanted sample has no window
            weight (NOLA); the message names the first such sample.
    Cost: O(n_frames·K·log K).
    Reference: D. W. Griffin and J. S. Lim, "Signal estimation from modified short-time Fourier transform",
        IEEE Trans. ASSP 32(2), 1984.
    Lesson: 01 §6
    """
    grid = _Grid(window, frame_length, hop_length, fft_length, centred)
    X = _as_spectrogram(X, grid.fft_length)
    n_frames = X.shape[-1]
    if n_samples is None:
        n_samples = grid.default_length(n_frames)
        if n_samples == 0:
            raise ValueError(
                "X: got one centred frame, expected at least two, the fewest that stft makes. "
                "Pass n_samples to say how much of it you want."
            )
    n_samples = as_positive_integer(n_samples, "n_samples")
    reach = grid.reach(n_frames)
    if n_samples > reach:
        raise ValueError(
            f"n_samples: got {n_samples}, but {n_frames} frames of {grid.frame_length} samples with hop "
            f"{grid.hop_length} reach only {reach}. Pass at most that, or pad the result with zeros."
        )
    weights = _window_weights(grid.window, grid.hop_length, n_frames)[grid.n_before : grid.n_before + n_samples]
    grid.refuse_unseen(weights)
    y = grid.overlap_add(X, first_sample=-grid.n_before, n_samples=n_samples)
    y /= weights.astype(y.dtype)
    return y


def project_consistent(
    X: ArrayLike,
    window: str | ArrayLike = "hann",
    *,
    frame_length: int = 1024,
    hop_length: int | None = None,
    fft_length: int | None = None,
    centred: bool = True,
    n_samples: int | None = None,
) -> NDArray[Any]:
    """Project a spectrogram onto the consistent ones: those that are the STFT of some signal.

    Equation: P(X) = STFT(ISTFT(X)); P(P(X)) = P(X), and X is consistent exactly if P(X) = X.

    The projection is orthogonal in Σ |X[k,m]|² over all K frequencies (so each but 0 and K/2 counts twice).

    Args:
        X: spectrogram, shape (..., n_freqs, n_frames) with n_freqs = ⌊K/2⌋ + 1.
        window: name, or samples of shape (frame_length,).
        frame_length: L, samples a frame.
        hop_length: R, samples from frame to frame; a quarter of a frame unless given.
        fft_length: K ≥ L, length of the DFT; L unless given.
        centred: whether frame m is centred on sample mR, or starts there.
        n_samples: length of the signal between; as in :func:`istft` unless given.
    Returns:
        The nearest consistent spectrogram, shape (..., n_freqs, n_frames).
    Raises:
        ValueError: as :func:`istft`, and if a signal of n_samples has another number of frames than X.
    Cost: O(n_frames·K·log K).
    Reference: J. Le Roux, N. Ono and S. Sagayama, "Explicit consistency constraints for STFT spectrograms and their
        application to phase reconstruction", SAPA 2008.
    Lesson: 01 §8
    """
    grid = _Grid(window, frame_length, hop_length, fft_length, centred)
    X = _as_spectrogram(X, grid.fft_length)
    if n_samples is not None and grid.n_frames(as_positive_integer(n_samples, "n_samples")) != X.shape[-1]:
        raise ValueError(
            f"n_samples: a signal of {n_samples} samples has {grid.n_frames(n_samples)} frames, "
            f"but X has {X.shape[-1]}. Pass the length of the signal that X came from."
        )
    x = istft(
        X,
        grid.window,
        frame_length=grid.frame_length,
        hop_length=grid.hop_length,
        fft_length=grid.fft_length,
        centred=centred,
        n_samples=n_samples,
    )
    return stft(
        x,
        grid.window,
        frame_length=grid.frame_length,
        hop_length=grid.hop_length,
        fft_length=grid.fft_length,
        centred=centred,
    )


def bin_frequencies(fft_length: int, sample_rate: int) -> NDArray[np.float64]:
    """Return the frequencies that the rows of a spectrogram stand for.

    Equation: f_k = k·f_s/K, k = 0 … ⌊K/2⌋.

    Args:
        fft_length: K, length of the DFT: frame_length, unless the frames were padded.
        sample_rate: f_s, samples a second, in hertz.
    Returns:
        f in hertz, shape (n_freqs,) with n_freqs = ⌊K/2⌋ + 1.
    Raises:
        ValueError: if an argument is not a whole number of at least 1.
    Cost: O(K).
    Reference: Oppenheim & Schafer, Discrete-Time Signal Processing, 3rd ed., §10.3.
    Lesson: 04 §2
    """
    n_fft = as_positive_integer(fft_length, "fft_length")
    rate = as_positive_integer(sample_rate, "sample_rate")
    return np.arange(n_fft // 2 + 1, dtype=np.float64) * (rate / n_fft)


class StreamingSTFT:
    """STFT of a signal that arrives in blocks of any size.

    Equation: the frames of :func:`stft`: X[k,m] = Σ_n w[n] x[n + mR − c] e^(−j2πkn/K).

    All outputs side by side are ``stft`` of all inputs end to end, whatever the block sizes. Frame m is returned as
    soon as its last sample has come: L − c samples after sample mR, with c = ⌊L/2⌋ if centred and 0 if not.

    Args:
        window: name, or samples of shape (frame_length,).
        frame_length: L, samples a frame.
        hop_length: R, samples from frame to frame; a quarter of a frame unless given.
        fft_length: K ≥ L, length of the DFT; L unless given.
        centred: whether frame m is centred on sample mR, or starts there.
    Raises:
        ValueError: if a length is not a whole number in its range or the window does not fit.
    Cost: O(K·log K) a frame.
    Reference: Allen & Rabiner, Proc. IEEE 65(11), 1977.
    Lesson: 01 §6
    """

    def __init__(
        self,
        window: str | ArrayLike = "hann",
        *,
        frame_length: int = 1024,
        hop_length: int | None = None,
        fft_length: int | None = None,
        centred: bool = True,
    ) -> None:
        """Start a stream; see the class."""
        self._grid = _Grid(window, frame_length, hop_length, fft_length, centred)
        self._start()

    def _start(self) -> None:
        self._pending: NDArray[Any] | None = None
        self._first_pending = -self._grid.n_before
        self._n_samples = 0
        self._n_frames = 0

    def push(self, block: ArrayLike) -> NDArray[Any]:
        """Take the next samples and return the frames they complete.

        Args:
            block: shape (..., n_samples), any number of samples from 0; the first block fixes the leading axes.
        Returns:
            Frames, shape (..., n_freqs, n_frames), where n_frames may be 0.
        Raises:
            ValueError: if the block is complex, not finite, or has other leading axes than the first.
        """
        block = as_signal(block, "block", allow_empty=True)
        if self._pending is None:
            if block.shape[-1] == 0:  # says nothing yet about precision
                return self._grid.no_frames(block)
            self._pending = np.zeros((*block.shape[:-1], self._grid.n_before), dtype=block.dtype)
        _refuse_other_axes(block, self._pending, n_own=1)
        if block.shape[-1] > 0:
            self._pending = np.concatenate([self._pending, block], axis=-1)
            self._n_samples += block.shape[-1]
        n_received = self._first_pending + self._pending.shape[-1]
        return self._frames_to(self._grid.n_frames_complete(n_received))

    def flush(self) -> NDArray[Any]:
        """Return the frames that reach past the end of the signal, and be ready for another signal.

        Returns:
            Frames, shape (..., n_freqs, n_frames); none if nothing was pushed.
        """
        if self._pending is None:
            return self._grid.no_frames(np.zeros(0))
        frames = self._frames_to(self._grid.n_frames(self._n_samples))
        self._start()
        return frames

    def _frames_to(self, n_frames: int) -> NDArray[Any]:
        assert self._pending is not None
        n_new = max(0, n_frames - self._n_frames)
        first_sample = self._n_frames * self._grid.hop_length - self._grid.n_before - self._first_pending
        frames = self._grid.analyse(self._pending, first_sample=first_sample, n_frames=n_new)
        self._n_frames += n_new
        # With a hop longer than a frame the next frame may start beyond what has come.
        n_done = min(first_sample + n_new * self._grid.hop_length, self._pending.shape[-1])
        self._pending = self._pending[..., n_done:]
        self._first_pending += n_done
        return frames


class StreamingISTFT:
    """Inverse STFT of frames that arrive a few at a time.

    Equation: that of :func:`istft`: x̂[n] = Σ_m w[n − mR + c] x_m[n − mR + c] / Σ_m w²[n − mR + c].

    All outputs end to end are ``istft`` of all frames side by side, whatever their grouping. A sample is returned as
    soon as no later frame can touch it, so that behind :class:`StreamingSTFT` it comes out at most
    max(L − 1, R + ⌈L/2⌉ − 1) samples after it went in (L − 1 for hops up to half a frame), centred or not. A cascade of
    the two returns the signal, followed by zeros up to a whole hop if centred, up to the end of the last frame if not.

    Args:
        window: the window of the analysis: name, or samples of shape (frame_length,).
        frame_length: L, samples a frame.
        hop_length: R, samples from frame to frame; a quarter of a frame unless given.
        fft_length: K ≥ L, length of the DFT; L unless given.
        centred: whether frame m is centred on sample mR, or starts there.
    Raises:
        ValueError: if a length is not a whole number in its range, or window and hop fail NOLA.
    Cost: O(K·log K) a frame.
    Reference: Griffin & Lim, IEEE Trans. ASSP 32(2), 1984; R. E. Crochiere, "A weighted overlap-add method of
        short-time Fourier analysis/synthesis", IEEE Trans. ASSP 28(1), 1980.
    Lesson: 01 §6
    """

    def __init__(
        self,
        window: str | ArrayLike = "hann",
        *,
        frame_length: int = 1024,
        hop_length: int | None = None,
        fft_length: int | None = None,
        centred: bool = True,
    ) -> None:
        """Start a stream; see the class."""
        self._grid = _Grid(window, frame_length, hop_length, fft_length, centred)
        check_nola(self._grid.window, self._grid.hop_length)
        self._start()

    def _start(self) -> None:
        self._sums: NDArray[Any] | None = None
        self._weights = np.zeros(0)
        # Place of the first held sample, counted from the first sample of the signal.
        self._first_held = -self._grid.n_before
        self._n_frames = 0

    def push(self, X: ArrayLike) -> NDArray[Any]:
        """Take the next frames and return the samples that no later frame can change.

        Args:
            X: shape (..., n_freqs, n_frames), any number of frames from 0; the first call fixes the leading axes.
        Returns:
            Samples, shape (..., n_samples), where n_samples may be 0.
        Raises:
            ValueError: if X has another number of frequencies, is not finite, has other leading axes than the
                first, or completes a sample without window weight.
        """
        X = _as_spectrogram(X, self._grid.fft_length, allow_empty=True)
        if self._sums is None:
            no_samples = np.zeros((*X.shape[:-2], 0), dtype=np.float32 if X.dtype == np.complex64 else np.float64)
            if X.shape[-1] == 0:  # says nothing yet about precision
                return no_samples
            self._sums = no_samples
        _refuse_other_axes(X, self._sums, n_own=2)
        if X.shape[-1] > 0:
            self._add(X)
        next_frame = self._n_frames * self._grid.hop_length - self._grid.n_before
        return self._samples_to(min(next_frame, self._grid.default_length(self._n_frames)))

    def flush(self) -> NDArray[Any]:
        """Return the samples that are left, and be ready for other frames.

        Returns:
            Samples, shape (..., n_samples).
        Raises:
            ValueError: if one of these samples has no window weight.
        """
        if self._sums is None:
            return np.zeros(0)
        samples = self._samples_to(self._grid.default_length(self._n_frames))
        self._start()
        return samples

    def _add(self, X: NDArray[Any]) -> None:
        assert self._sums is not None
        grid = self._grid
        start = self._n_frames * grid.hop_length - grid.n_before - self._first_held
        n_held = start + (X.shape[-1] - 1) * grid.hop_length + grid.frame_length
        new_sums = grid.overlap_add(X, first_sample=start, n_samples=n_held)
        new_sums[..., : self._sums.shape[-1]] += self._sums
        new_weights = np.zeros(n_held)
        new_weights[start:] = _window_weights(grid.window, grid.hop_length, X.shape[-1])
        new_weights[: self._weights.size] += self._weights
        self._sums, self._weights = new_sums, new_weights
        self._n_frames += X.shape[-1]

    def _samples_to(self, end: int) -> NDArray[Any]:
        assert self._sums is not None
        n_done = max(0, end - self._first_held)
        # What lies before the signal's first sample is dropped with the samples that are done.
        first = min(n_done, max(0, -self._first_held))
        weights = self._weights[first:n_done]
        self._grid.refuse_unseen(weights, first_sample=self._first_held + first)
        samples: NDArray[Any] = self._sums[..., first:n_done] / weights.astype(self._sums.dtype)
        self._sums, self._weights = self._sums[..., n_done:], self._weights[n_done:]
        self._first_held += n_done
        return samples


class _Grid:
    """Where the frames lie: window, lengths and hop, checked once."""

    def __init__(
        self,
        window: str | ArrayLike,
        frame_length: int,
        hop_length: int | None,
        fft_length: int | None,
        centred: bool,
    ) -> None:
        self.frame_length = as_positive_integer(frame_length, "frame_length")
        self.window = make_window(window, self.frame_length)
        default_hop = max(1, self.frame_length // 4)
        self.hop_length = default_hop if hop_length is None else as_positive_integer(hop_length, "hop_length")
        self.fft_length = self.frame_length if fft_length is None else as_positive_integer(fft_length, "fft_length")
        if self.fft_length < self.frame_length:
            raise ValueError(
                f"fft_length: got {self.fft_length}, expected at least frame_length = {self.frame_length}. "
                "A shorter DFT would fold the frame onto itself."
            )
        self.centred = bool(centred)
        self.n_before = self.frame_length // 2 if self.centred else 0
        self.n_freqs = self.fft_length // 2 + 1

    def n_frames(self, n_samples: int) -> int:
        """Count the frames of a signal."""
        to_cover = n_samples if self.centred else max(0, n_samples - self.frame_length)
        return 1 + -(-to_cover // self.hop_length)

    def n_frames_complete(self, n_received: int) -> int:
        """Count the frames that lie wholly before sample ``n_received``."""
        return max(0, (n_received + self.n_before - self.frame_length) // self.hop_length + 1)

    def reach(self, n_frames: int) -> int:
        """Return how many samples of the signal the frames touch or pass."""
        return (n_frames - 1) * self.hop_length + self.frame_length - self.n_before

    def default_length(self, n_frames: int) -> int:
        """Return the signal length that a number of frames stands for when nothing else is said."""
        if n_frames == 0:
            return 0
        return (n_frames - 1) * self.hop_length if self.centred else self.reach(n_frames)

    def no_frames(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return a spectrogram of no frames, with the leading axes and the precision of ``x``."""
        return np.zeros((*x.shape[:-1], self.n_freqs, 0), dtype=np.result_type(x.dtype, np.complex64))

    def analyse(self, x: NDArray[Any], *, first_sample: int, n_frames: int) -> NDArray[Any]:
        """Return ``n_frames`` spectra of ``x``, the first frame starting at ``first_sample``."""
        if n_frames == 0:
            return self.no_frames(x)
        spectra = _frames.windowed_spectra(
            _frames.rows_of(x),
            self.window.astype(x.dtype),
            hop_length=self.hop_length,
            first_sample=first_sample,
            n_frames=n_frames,
            fft_length=self.fft_length,
        )
        X: NDArray[Any] = spectra.reshape(*x.shape[:-1], n_frames, self.n_freqs).swapaxes(-1, -2)
        return X

    def overlap_add(self, X: NDArray[Any], *, first_sample: int, n_samples: int) -> NDArray[Any]:
        """Return the windowed overlap-add of the frames of ``X``, not yet divided by the window weights."""
        leading, n_frames = X.shape[:-2], X.shape[-1]
        spectra = X.swapaxes(-1, -2).reshape(-1, n_frames, self.n_freqs)
        dtype = np.float32 if X.dtype == np.complex64 else np.float64
        window = self.window.astype(dtype)
        y = np.zeros((spectra.shape[0], n_samples), dtype=dtype)
        for row in range(spectra.shape[0]):
            for begin, end in _frames.frame_groups(n_frames, self.fft_length):
                workers = _frames.fft_workers((end - begin) * self.fft_length)
                frames = scipy.fft.irfft(spectra[row : row + 1, begin:end], n=self.fft_length, workers=workers)
                _frames.add_frames(
                    frames, window, self.hop_length, first_sample + begin * self.hop_length, y[row : row + 1]
                )
        return y.reshape(*leading, n_samples)

    def refuse_unseen(self, weights: NDArray[np.float64], *, first_sample: int = 0) -> None:
        """Raise if a sample has no window weight, naming it."""
        if weights.size == 0 or weights.min() > _CONDITION_TOLERANCE * np.max(self.window**2):
            return
        check_nola(self.window, self.hop_length)
        bad = first_sample + int(np.argmax(weights <= _CONDITION_TOLERANCE * np.max(self.window**2)))
        remedy = "Use centred=True in analysis and synthesis" if not self.centred else "Use a shorter hop"
        raise ValueError(
            f"NOLA fails at sample {bad}: the only frames that reach it do so where the window is zero, Σ_m w² = "
            f"{weights[bad - first_sample]:.3g}, so that it cannot be recovered. {remedy}, "
            "or a window without zeros at its edge."
        )


def _as_spectrogram(X: ArrayLike, fft_length: int, *, allow_empty: bool = False) -> NDArray[Any]:
    X = as_signal(X, "X", allow_complex=True, allow_empty=allow_empty)
    n_freqs = fft_length // 2 + 1
    if X.ndim < 2 or X.shape[-2] != n_freqs:
        raise ValueError(
            f"X: got {describe(X)}, expected (..., n_freqs, n_frames) with n_freqs = {n_freqs} "
            f"for a DFT of {fft_length}. Pass the frame_length and fft_length of the analysis, "
            "and check the order of the axes."
        )
    if X.dtype.kind == "f":
        X = X.astype(np.complex64 if X.dtype == np.float32 else np.complex128)
    return X


def _refuse_other_axes(block: NDArray[Any], held: NDArray[Any], *, n_own: int) -> None:
    leading = block.shape[: block.ndim - n_own]
    if leading != held.shape[:-1]:
        raise ValueError(
            f"The stream began with leading axes {held.shape[:-1]}, now came {leading}. "
            "Push blocks of the same channels, or start another stream."
        )


def _window_samples(window: str | ArrayLike, frame_length: int | None) -> NDArray[np.float64]:
    if frame_length is None:
        if isinstance(window, str):
            raise ValueError(f"frame_length: missing, and the name {window!r} does not say it. Pass frame_length.")
        frame_length = np.size(window)
    return make_window(window, frame_length)


def _overlap_sums(weights: NDArray[np.float64], hop_length: int) -> NDArray[np.float64]:
    """Return Σ_m w[n − mR] for n = 0 … R − 1."""
    n_missing = -weights.size % hop_length
    sums: NDArray[np.float64] = np.pad(weights, (0, n_missing)).reshape(-1, hop_length).sum(axis=0)
    return sums


def _adds_up(weights: NDArray[np.float64], hop_length: int) -> bool:
    """Tell whether the shifted weights add up to a constant that can be divided by."""
    sums = _overlap_sums(weights, hop_length)
    constant = abs(sums.mean())
    is_nonzero = constant > _CONDITION_TOLERANCE * np.abs(weights).max()
    return bool(is_nonzero and np.ptp(sums) <= _CONDITION_TOLERANCE * constant)


def _is_positive(sums: NDArray[np.float64]) -> bool:
    return bool(sums.min() > _CONDITION_TOLERANCE * sums.max())


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / abs(whole):.3g} %" if whole != 0 else f"{part:.3g} (the mean is zero)"


def _window_weights(window: NDArray[np.float64], hop_length: int, n_frames: int) -> NDArray[np.float64]:
    """Return Σ_m w²[n − mR] over ``n_frames`` frames: rising, then periodic, then falling."""
    overlap = -(-window.size // hop_length)
    n_short = min(n_frames, 2 * overlap)
    short = np.zeros((1, max(0, n_short - 1) * hop_length + window.size))
    _frames.add_frames(np.ones((1, n_short, 1)) * window, window, hop_length, 0, short)
    if n_frames == n_short:
        rising_and_falling: NDArray[np.float64] = short[0]
        return rising_and_falling
    steady = overlap * hop_length
    period = short[0, steady - hop_length : steady]
    return np.concatenate([short[0, :steady], np.tile(period, n_frames - n_short), short[0, steady:]])
