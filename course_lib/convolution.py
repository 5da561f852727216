"""Linear convolution, nine ways: the same result, at very different cost and latency.

Conventions. ``x`` is the signal ``(..., n_samples)``, ``h`` the impulse response ``(..., n_taps)``; leading axes
broadcast as in NumPy, so that one signal and the responses of several microphones give several outputs. Linear
convolutions return all n_samples + n_taps − 1 samples. float32 stays float32, float32 with float64 gives float64,
integers become float64. Either input may be the longer one, and one sample is enough.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from course_lib import _frames
from course_lib._frames import compiled
from course_lib.stft import check_cola, make_window
from course_lib.validation import as_positive_integer, as_signal, describe

if TYPE_CHECKING:
    import torch


def convolve_direct(x: ArrayLike, h: ArrayLike) -> NDArray[Any]:
    """Convolve by the definition: every output sample is a sum over the taps.

    Equation: y[n] = Σ_k h[k] x[n − k], n = 0 … N + M − 2, with x and h zero outside their ends.

    Args:
        x: signal, shape (..., n_samples).
        h: impulse response, shape (..., n_taps).
    Returns:
        y, shape (..., n_samples + n_taps - 1).
    Raises:
        ValueError: if an input is empty, complex or not finite, or the leading axes do not broadcast.
    Cost: N·M multiplications.
    Reference: Oppenheim & Schafer, Discrete-Time Signal Processing, 3rd ed., §2.3.
    Lesson: 01 §2
    """
    return _row_by_row(_sum_by_definition, x, h)


@compiled
def _sum_by_definition(x: NDArray[Any], h: NDArray[Any], y: NDArray[Any]) -> None:
    n_samples, n_taps = len(x), len(h)
    for n in range(n_samples + n_taps - 1):
        # Only the k for which both h[k] and x[n − k] exist.
        total = 0.0
        for k in range(max(0, n - n_samples + 1), min(n_taps, n + 1)):
            total += h[k] * x[n - k]
        y[n] = total


def convolve_dot(x: ArrayLike, h: ArrayLike) -> NDArray[Any]:
    """Convolve by dot products: flip the kernel, slide it along the signal, multiply and add.

    Equation: y[n] = ⟨h̃, (x[n − M + 1], …, x[n])⟩ with the flipped kernel h̃[k] = h[M − 1 − k].

    Args:
        x: signal, shape (..., n_samples).
        h: impulse response, shape (..., n_taps).
    Returns:
        y, shape (..., n_samples + n_taps - 1).
    Raises:
        ValueError: if an input is empty, complex or not finite, or the leading axes do not broadcast.
    Cost: N·M multiplications.
    Reference: Oppenheim & Schafer, Discrete-Time Signal Processing, 3rd ed., §2.3.
    Lesson: 01 §2
    """
    return _row_by_row(_dot_with_flipped_kernel, x, h)


@compiled
def _dot_with_flipped_kernel(x: NDArray[Any], h: NDArray[Any], y: NDArray[Any]) -> None:
    n_taps = len(h)
    flipped = h[::-1].copy()
    padded = np.zeros(len(x) + 2 * (n_taps - 1), dtype=x.dtype)
    padded[n_taps - 1 : n_taps - 1 + len(x)] = x
    for n in range(len(y)):
        y[n] = np.dot(flipped, padded[n : n + n_taps])


def convolve_shift(x: ArrayLike, h: ArrayLike) -> NDArray[Any]:
    """Convolve by the shift operator: add up delayed copies of the signal, one scaled copy a tap.

    Equation: y = Σ_k h[k] D^k x, with the delay (D x)[n] = x[n − 1].

    Args:
        x: signal, shape (..., n_samples).
        h: impulse response, shape (..., n_taps).
    Returns:
        y, shape (..., n_samples + n_taps - 1).
    Raises:
        ValueError: if an input is empty, complex or not finite, or the leading axes do not broadcast.
    Cost: N·M multiplications; fewer when h has zeros, which are skipped.
    Reference: M. Vetterli, J. Kovačević and V. Goyal, Foundations of Signal Processing, 2014, §3.3.
    Lesson: 01 §2
    """
    return _row_by_row(_sum_of_shifted_copies, x, h)


@compiled
def _sum_of_shifted_copies(x: NDArray[Any], h: NDArray[Any], y: NDArray[Any]) -> None:
    for k in range(len(h)):
        if h[k] != 0:
            shifted = y[k : k + len(x)]
            for n in range(len(x)):
                shifted[n] += h[k] * x[n]


def convolve_fft(x: ArrayLike, h: ArrayLike) -> NDArray[Any]:
    """Convolve by multiplying spectra, both signals padded with zeros so that nothing wraps around.

    Equation: y = IDFT_K(DFT_K(x) · DFT_K(h)), K ≥ N + M − 1.

    Args:
        x: signal, shape (..., n_samples).
        h: impulse response, shape (..., n_taps).
    Returns:
        y, shape (..., n_samples + n_taps - 1).
    Raises:
        ValueError: if an input is empty, complex or not finite, or the leading axes do not broadcast.
    Cost: O(K·log K), K the next length above N + M − 2 that has small prime factors only.
    Reference: T. G. Stockham, "High-speed convolution and correlation", AFIPS 1966; Oppenheim & Schafer,
        Discrete-Time Signal Processing, 3rd ed., §8.7.
    Lesson: 01 §3
    """
    x, h = _as_pair(x, h)
    n_output = x.shape[-1] + h.shape[-1] - 1
    return _multiply_spectra(x, h, scipy.fft.next_fast_len(n_output, real=True))[..., :n_output]


def convolve_circular(x: ArrayLike, h: ArrayLike, n_fft: int) -> NDArray[Any]:
    """Convolve circularly with period ``n_fft``: what multiplying DFTs of that length computes.

    Equation: y[n] = Σ_k h[k] x[(n − k) mod K], n = 0 … K − 1, K = n_fft.

    It is the linear convolution wrapped around with period K, also where x or h is longer than K. For
    K ≥ N + M − 1 nothing overlaps, and y is the linear convolution followed by zeros.

    Args:
        x: signal, shape (..., n_samples).
        h: impulse response, shape (..., n_taps).
        n_fft: K, the period in samples.
    Returns:
        y, shape (..., n_fft).
    Raises:
        ValueError: if an input is empty, complex or not finite, the leading axes do not broadcast, or n_fft < 1.
    Cost: O(N + M + K·log K).
    Reference: Oppenheim & Schafer, Discrete-Time Signal Processing, 3rd ed., §8.6.5.
    Lesson: 01 §3
    """
    n_fft = as_positive_integer(n_fft, "n_fft")
    x, h = _as_pair(x, h)
    return _multiply_spectra(_wrap(x, n_fft), _wrap(h, n_fft), n_fft)


def overlap_add(x: ArrayLike, h: ArrayLike, block_length: int) -> NDArray[Any]:
    """Convolve block by block: convolve each block of the signal, and add up the overlapping tails.

    Equation: x = Σ_m x_m[n − mL];  y[n] = Σ_m (x_m * h)[n − mL], each block convolved with a DFT of K ≥ L + M − 1.

    Args:
        x: signal, shape (..., n_samples).
        h: impulse response, shape (..., n_taps).
        block_length: L, samples a block.
    Returns:
        y, shape (..., n_samples + n_taps - 1).
    Raises:
        ValueError: if an input is empty, complex or not finite, the leading axes do not broadcast, or L < 1.
    Cost: O(N·(K/L)·log K): least for L of a few times M.
    Reference: T. G. Stockham, AFIPS 1966; Oppenheim & Schafer, Discrete-Time Signal Processing, 3rd ed., §8.7.3.
    Lesson: 01 §5
    """
    block_length = as_positive_integer(block_length, "block_length")
    x, h = _as_pair(x, h)
    return _convolve_frames(x, h, np.ones(block_length), hop_length=block_length)


def overlap_save(x: ArrayLike, h: ArrayLike, block_length: int) -> NDArray[Any]:
    """Convolve block by block: convolve overlapping segments circularly, and keep what has not wrapped around.

    Equation: y[mL + n] = (s_m ⊛ h)[M − 1 + n], n = 0 … L − 1, with s_m[n] = x[mL − M + 1 + n], n = 0 … L + M − 2.

    Args:
        x: signal, shape (..., n_samples).
        h: impulse response, shape (..., n_taps).
        block_length: L, output samples a block.
    Returns:
        y, shape (..., n_samples + n_taps - 1).
    Raises:
        ValueError: if an input is empty, complex or not finite, the leading axes do not broadcast, or L < 1.
    Cost: O(N·(K/L)·log K) with K ≥ L + M − 1; no additions of tails.
    Reference: T. G. Stockham, AFIPS 1966; Oppenheim & Schafer, Discrete-Time Signal Processing, 3rd ed., §8.7.3.
    Lesson: 01 §5
    """
    block_length = as_positive_integer(block_length, "block_length")
    x, h = _as_pair(x, h)
    n_taps = h.shape[-1]
    n_output = x.shape[-1] + n_taps - 1
    segment_length = block_length + n_taps - 1
    n_fft = scipy.fft.next_fast_len(segment_length, real=True)
    n_blocks = -(-n_output // block_length)
    leading, rows, responses = _broadcast_rows(x, h)
    y = np.empty((rows.shape[0], n_blocks * block_length), dtype=x.dtype)
    rectangle = np.ones(segment_length, dtype=x.dtype)
    for row, (signal, response) in enumerate(zip(rows, responses, strict=True)):
        H = scipy.fft.rfft(response, n=n_fft)
        for begin, end in _frames.frame_groups(n_blocks, n_fft):
            segments = _frames.windowed_frames(
                signal[None],
                rectangle,
                hop_length=block_length,
                first_sample=1 - n_taps,
                n_frames=n_blocks,
                fft_length=n_fft,
                begin=begin,
                end=end,
            )
            wrapped = _filter_frames(segments, H)
            y[row, begin * block_length : end * block_length] = wrapped[:, n_taps - 1 : segment_length].ravel()
    return y[:, :n_output].reshape(*leading, n_output)


class PartitionedConvolver:
    """Convolve a stream with a long impulse response at low latency: uniformly partitioned overlap-save.

    Equation: Y_m = Σ_p X_{m−p} · H_p, with H_p the DFT of partition p of h (L taps, padded to 2L), X_m the DFT of the
    last two input blocks, and y the second half of the IDFT.

    The latency is exactly one block: each push returns as many samples as it takes, and all outputs end to end
    (pushes and the final flush) are L zeros followed by the convolution of all inputs, whatever the block sizes. Drop
    the first ``latency`` samples to align it with x.

    Args:
        h: impulse response, shape (..., n_taps); its leading axes broadcast against those of the blocks.
        block_length: L, samples a partition.
    Attributes:
        latency: delay of the output in samples, equal to block_length.
    Raises:
        ValueError: if h is empty, complex or not finite, or block_length < 1.
    Cost: O(log L + M/L) a sample; 3·M complex numbers of memory.
    Reference: W. G. Gardner, "Efficient convolution without input-output delay", JAES 43(3), 1995; F. Wefers,
        Partitioned convolution algorithms for real-time auralization, PhD thesis, RWTH Aachen, 2015, ch. 5.
    Lesson: 01 §5
    """

    def __init__(self, h: ArrayLike, block_length: int) -> None:
        """Transform the partitions; see the class."""
        self.latency = self._block_length = as_positive_integer(block_length, "block_length")
        self._h = as_signal(h, "h")
        self._stream: _PartitionedStream | None = None

    def push(self, block: ArrayLike) -> NDArray[Any]:
        """Take the next samples and return as many of the delayed output.

        Args:
            block: shape (..., n_samples), any number of samples from 0; the first block fixes leading axes and dtype.
        Returns:
            Output, shape (..., n_samples), its leading axes those of block and h broadcast.
        Raises:
            ValueError: if the block is complex, not finite, has other leading axes than the first, or axes that do
                not broadcast with those of h.
        """
        block = as_signal(block, "block", allow_empty=True)
        if self._stream is None:
            if block.shape[-1] == 0:  # says nothing yet about precision
                return np.zeros((*_broadcast_leading(block, self._h), 0), dtype=np.result_type(block, self._h))
            self._stream = _PartitionedStream(self._h, self._block_length, block)
        return self._stream.push(block)

    def flush(self) -> NDArray[Any]:
        """Return the samples still to come, and be ready for another signal.

        Returns:
            The last block_length + n_taps - 1 samples of output, shape (..., block_length + n_taps - 1); none if no
            sample was pushed.
        """
        if self._stream is None:
            return np.zeros((*self._h.shape[:-1], 0), dtype=self._h.dtype)
        stream, self._stream = self._stream, None
        return stream.push(np.zeros((*stream.leading_in, self._block_length + self._h.shape[-1] - 1)))


class _PartitionedStream:
    """State of one stream: the delay line of input spectra and the samples that wait."""

    def __init__(self, h: NDArray[Any], block_length: int, first_block: NDArray[Any]) -> None:
        self.leading_in = first_block.shape[:-1]
        self._block_length = block_length
        self._dtype = np.result_type(h, first_block)
        leading_out = _broadcast_leading(first_block, h)
        n_partitions = -(-h.shape[-1] // block_length)
        padded = np.zeros((*h.shape[:-1], n_partitions * block_length), dtype=self._dtype)
        padded[..., : h.shape[-1]] = h
        partitions = padded.reshape(*h.shape[:-1], n_partitions, block_length)
        self._partition_spectra = scipy.fft.rfft(partitions, n=2 * block_length)
        # Every spectrum is written twice, one lap apart, so that the newest n_partitions always lie side by side.
        self._input_spectra = np.zeros(
            (*self.leading_in, 2 * n_partitions, block_length + 1), dtype=self._partition_spectra.dtype
        )
        self._newest = 0
        self._segment = np.zeros((*self.leading_in, 2 * block_length), dtype=self._dtype)
        self._n_waiting = 0
        self._output = np.zeros((*leading_out, block_length), dtype=self._dtype)

    def push(self, block: NDArray[Any]) -> NDArray[Any]:
        """Return as many samples as came."""
        if block.shape[:-1] != self.leading_in:
            raise ValueError(
                f"block: the stream began with leading axes {self.leading_in}, now came {block.shape[:-1]}. "
                "Push blocks of the same channels, or flush first."
            )
        n_new = block.shape[-1]
        y = np.empty((*self._output.shape[:-1], n_new), dtype=self._dtype)
        done = 0
        while done < n_new:
            n_taken = min(n_new - done, self._block_length - self._n_waiting)
            y[..., done : done + n_taken] = self._output[..., self._n_waiting : self._n_waiting + n_taken]
            place = self._block_length + self._n_waiting
            self._segment[..., place : place + n_taken] = block[..., done : done + n_taken]
            self._n_waiting += n_taken
            done += n_taken
            if self._n_waiting == self._block_length:
                self._output = self._filter_segment()
                self._segment[..., : self._block_length] = self._segment[..., self._block_length :]
                self._n_waiting = 0
        return y

    def _filter_segment(self) -> NDArray[Any]:
        n_partitions = self._partition_spectra.shape[-2]
        self._newest = (self._newest - 1) % n_partitions
        spectrum = scipy.fft.rfft(self._segment)
        self._input_spectra[..., self._newest, :] = spectrum
        self._input_spectra[..., self._newest + n_partitions, :] = spectrum
        recent = self._input_spectra[..., self._newest : self._newest + n_partitions, :]
        Y = np.einsum("...pk,...pk->...k", recent, self._partition_spectra)
        wrapped: NDArray[Any] = scipy.fft.irfft(Y, n=2 * self._block_length)
        return wrapped[..., self._block_length :]


def convolve_stft(
    x: ArrayLike,
    h: ArrayLike,
    *,
    frame_length: int = 1024,
    hop_length: int | None = None,
    window: str | ArrayLike = "hann",
) -> NDArray[Any]:
    """Convolve in the STFT domain: multiply every frame's spectrum by that of h, and add up the longer frames.

    Equation: y[n] = (1/C) Σ_m y_m[n − mR], Y_m[k] = X_m[k]·H[k], K ≥ L + M − 1, where Σ_m w[n − mR] = C.

    Exact to rounding, because convolution is linear: the windowed frames add up to C·x (COLA), so the convolved
    frames add up to C·(x * h). The DFT must have room for the frame's tail; for a response as long as a frame that is
    double the frame. Overlap-add is the case of a rectangular window with R = L.

    Args:
        x: signal, shape (..., n_samples).
        h: impulse response, shape (..., n_taps).
        frame_length: L, samples a frame before padding.
        hop_length: R, samples from frame to frame; a quarter of a frame unless given.
        window: name, or samples of shape (frame_length,), whose shifts by R add up to a constant C ≠ 0.
    Returns:
        y, shape (..., n_samples + n_taps - 1).
    Raises:
        ValueError: if an input is empty, complex or not finite, the leading axes do not broadcast, or window and hop
            fail the COLA condition (the message has a hop that satisfies it).
    Cost: O(n_samples·(K/R)·log K).
    Reference: J. B. Allen and L. R. Rabiner, "A unified approach to short-time Fourier analysis and synthesis",
        Proc. IEEE 65(11), 1977.
    Lesson: 01 §7
    """
    x, h = _as_pair(x, h)
    samples = make_window(window, frame_length)
    hop_length = max(1, samples.size // 4) if hop_length is None else as_positive_integer(hop_length, "hop_length")
    constant = check_cola(samples, hop_length)
    return _convolve_frames(x, h, samples / constant, hop_length=hop_length)


@overload
def convolve_torch(
    x: torch.Tensor, h: torch.Tensor | ArrayLike, mode: Literal["full", "valid"] = "full"
) -> torch.Tensor: ...
@overload
def convolve_torch(x: ArrayLike, h: torch.Tensor, mode: Literal["full", "valid"] = "full") -> torch.Tensor: ...
@overload
def convolve_torch(x: ArrayLike, h: ArrayLike, mode: Literal["full", "valid"] = "full") -> NDArray[Any]: ...


def convolve_torch(
    x: ArrayLike | torch.Tensor, h: ArrayLike | torch.Tensor, mode: Literal["full", "valid"] = "full"
) -> NDArray[Any] | torch.Tensor:
    """Convolve with PyTorch's conv1d, which correlates: so the kernel is flipped first.

    Equation: y[n] = Σ_k h̃[k] x̃[n + k], with h̃[k] = h[M − 1 − k] and x̃ = x with M − 1 zeros at both ends ("full") or
    none ("valid").

    If x or h is a tensor so is the result, on that tensor's device and differentiable in both.

    Args:
        x: signal, shape (..., n_samples).
        h: impulse response, shape (n_taps,).
        mode: "full" for every sample of the convolution, "valid" for those that need no zeros.
    Returns:
        y, shape (..., n_samples + n_taps - 1) for "full", (..., n_samples - n_taps + 1) for "valid".
    Raises:
        ValueError: if an input is empty, complex or not finite, h has more than one axis, the mode is another, or the
            kernel of a valid convolution is longer than the signal.
    Cost: N·M multiplications, on as many cores as PyTorch uses.
    Reference: PyTorch documentation, torch.nn.functional.conv1d; Oppenheim & Schafer, Discrete-Time Signal
        Processing, 3rd ed., §2.3.
    Lesson: 01 §4
    """
    import torch

    if mode not in ("full", "valid"):
        raise ValueError(f'mode: got {mode!r}, expected "full" or "valid".')
    as_numpy = not isinstance(x, torch.Tensor) and not isinstance(h, torch.Tensor)
    device = next((value.device for value in (x, h) if isinstance(value, torch.Tensor)), torch.device("cpu"))
    signal, kernel = _as_tensor(x, "x", device), _as_tensor(h, "h", device)
    if kernel.ndim != 1:
        raise ValueError(
            f"h: got shape {tuple(kernel.shape)}, expected one axis (n_taps,). Convolve channel by channel."
        )
    n_samples, n_taps = signal.shape[-1], kernel.shape[0]
    if mode == "valid" and n_taps > n_samples:
        raise ValueError(
            f'h: {n_taps} taps are longer than {n_samples} samples, so that no sample of the result is "valid". '
            'Use mode="full".'
        )
    dtype = torch.promote_types(signal.dtype, kernel.dtype)
    y = torch.nn.functional.conv1d(
        signal.to(dtype).reshape(-1, 1, n_samples),
        kernel.to(dtype).flip(0).reshape(1, 1, n_taps),
        padding=n_taps - 1 if mode == "full" else 0,
    )
    y = y.reshape(*signal.shape[:-1], y.shape[-1])
    if as_numpy:
        samples: NDArray[Any] = y.numpy()
        return samples
    return y


def _as_tensor(value: ArrayLike | torch.Tensor, name: str, device: torch.device) -> torch.Tensor:
    import torch

    if not isinstance(value, torch.Tensor):
        return torch.tensor(as_signal(value, name), device=device)
    if value.is_complex():
        raise ValueError(f"{name}: got a tensor of {value.dtype}, expected real samples.")
    if value.ndim == 0 or value.numel() == 0:
        raise ValueError(f"{name}: got a tensor of shape {tuple(value.shape)}, expected at least one sample.")
    tensor = value if value.is_floating_point() else value.to(torch.float64)
    if not bool(torch.isfinite(tensor.detach()).all()):
        raise ValueError(f"{name}: the tensor has NaN or infinite values, expected finite samples.")
    return tensor.to(device)


def _as_pair(x: ArrayLike, h: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Check both inputs and give them the wider of their two precisions."""
    x, h = as_signal(x, "x"), as_signal(h, "h")
    _broadcast_leading(x, h)
    dtype = np.result_type(x, h)
    return x.astype(dtype, copy=False), h.astype(dtype, copy=False)


def _broadcast_leading(x: NDArray[Any], h: NDArray[Any]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(x.shape[:-1], h.shape[:-1])
    except ValueError as error:
        raise ValueError(
            f"x and h: got {describe(x)} and {describe(h)}, whose leading axes do not broadcast. "
            "Add axes of length 1 where one signal meets several responses, as in x[:, None] and h[None]."
        ) from error


def _broadcast_rows(x: NDArray[Any], h: NDArray[Any]) -> tuple[tuple[int, ...], NDArray[Any], NDArray[Any]]:
    """Return the common leading axes, and x and h as rows ``(n_rows, ·)``, one response for each signal."""
    leading = _broadcast_leading(x, h)
    return (
        leading,
        _frames.rows_of(np.broadcast_to(x, (*leading, x.shape[-1]))),
        _frames.rows_of(np.broadcast_to(h, (*leading, h.shape[-1]))),
    )


def _row_by_row(kernel: Any, x: ArrayLike, h: ArrayLike) -> NDArray[Any]:
    leading, signals, responses = _broadcast_rows(*_as_pair(x, h))
    y = np.zeros((math.prod(leading), signals.shape[-1] + responses.shape[-1] - 1), dtype=signals.dtype)
    for signal, response, output in zip(signals, responses, y, strict=True):
        kernel(signal, response, output)
    return y.reshape(*leading, y.shape[-1])


def _multiply_spectra(x: NDArray[Any], h: NDArray[Any], n_fft: int) -> NDArray[Any]:
    workers = _frames.fft_workers(x.size)
    Y = scipy.fft.rfft(x, n=n_fft, workers=workers) * scipy.fft.rfft(h, n=n_fft, workers=workers)
    y: NDArray[Any] = scipy.fft.irfft(Y, n=n_fft, workers=workers, overwrite_x=True)
    return y


def _wrap(x: NDArray[Any], period: int) -> NDArray[Any]:
    """Add up the periods of x: x̃[n] = Σ_r x[n + r·period]."""
    n_periods = -(-x.shape[-1] // period)
    padded = np.zeros((*x.shape[:-1], n_periods * period), dtype=x.dtype)
    padded[..., : x.shape[-1]] = x
    wrapped: NDArray[Any] = padded.reshape(*x.shape[:-1], n_periods, period).sum(axis=-2)
    return wrapped


def _filter_frames(frames: NDArray[Any], H: NDArray[Any]) -> NDArray[Any]:
    """Convolve every frame circularly with the response whose DFT is H."""
    workers = _frames.fft_workers(frames.size)
    spectra = scipy.fft.rfft(frames, workers=workers)
    spectra *= H
    filtered: NDArray[Any] = scipy.fft.irfft(spectra, n=frames.shape[-1], workers=workers, overwrite_x=True)
    return filtered


def _convolve_frames(x: NDArray[Any], h: NDArray[Any], window: NDArray[np.float64], *, hop_length: int) -> NDArray[Any]:
    """Convolve frame by frame, for windows whose shifts by ``hop_length`` add up to one."""
    frame_length, n_samples, n_taps = window.size, x.shape[-1], h.shape[-1]
    n_output = n_samples + n_taps - 1
    output_length = frame_length + n_taps - 1
    n_fft = scipy.fft.next_fast_len(output_length, real=True)
    # Every frame that touches the signal: the first starts before it, so that its first samples too see all of Σ w.
    n_before = (-(-frame_length // hop_length) - 1) * hop_length
    n_frames = (n_before + n_samples - 1) // hop_length + 1
    leading, rows, responses = _broadcast_rows(x, h)
    window = window.astype(x.dtype)
    rectangle = np.ones(output_length, dtype=x.dtype)
    y = np.zeros((rows.shape[0], n_output), dtype=x.dtype)
    for row, (signal, response) in enumerate(zip(rows, responses, strict=True)):
        H = scipy.fft.rfft(response, n=n_fft)
        for begin, end in _frames.frame_groups(n_frames, n_fft):
            frames = _frames.windowed_frames(
                signal[None],
                window,
                hop_length=hop_length,
                first_sample=-n_before,
                n_frames=n_frames,
                fft_length=n_fft,
                begin=begin,
                end=end,
            )
            _frames.add_frames(
                _filter_frames(frames, H)[None], rectangle, hop_length, begin * hop_length - n_before, y[row : row + 1]
            )
    full: NDArray[Any] = y.reshape(*leading, n_output)
    return full
