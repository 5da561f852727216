"""Echo models fitted by gradient descent: an impulse response, or one filter a frequency of the STFT.

Both are linear in their parameters and have the microphone's signal as their target. What differs is where they
convolve and where the error is measured. Needs PyTorch, so :mod:`course_lib.aec` does not import it.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_positive_integer, as_signal, describe

Loss = Literal["waveform", "spectral"]
Optimiser = Literal["sgd", "adam"]

# Frequencies without sound count as this much below the mean power: −30 dB.
_POWER_FLOOR: Final = 1e-3
_MOMENTUM: Final = 0.9
_N_POWER_ITERATIONS: Final = 10


class WaveformEchoModel(torch.nn.Module):
    """A convolution with an impulse response that is learnt.

    Equation: ŷ[n] = Σ_{k<L} ĥ[k] x[n − k]

    It computes what :func:`course_lib.convolution.convolve_torch` does, by FFT: with thousands of taps that is hundreds
    of times faster, and the gradient with respect to ĥ, a correlation, comes by FFT as well.

    Args:
        n_taps: L, taps of ĥ; all zero at first.
    Attributes:
        impulse_response: ĥ, the parameter, shape (n_taps,).
    Raises:
        ValueError: if the number of taps is not a positive whole number.
    Cost: O((N + L)·log(N + L)) a forward or backward pass over N samples.
    Reference: Haykin, Adaptive Filter Theory, 5th ed., ch. 4.
    Lesson: 05 §6
    """

    def __init__(self, n_taps: int) -> None:
        """Make a model that hears no echo; see the class."""
        super().__init__()
        self.impulse_response = torch.nn.Parameter(torch.zeros(as_positive_integer(n_taps, "n_taps")))

    def forward(self, far_end: torch.Tensor) -> torch.Tensor:
        """Return the echo of a signal that begins with its first sample.

        Args:
            far_end: x, shape (..., n_samples).
        Returns:
            ŷ, shape (..., n_samples).
        """
        history = len(self.impulse_response) - 1
        return self.valid(torch.nn.functional.pad(far_end, (history, 0)))

    def valid(self, far_end: torch.Tensor) -> torch.Tensor:
        """Return the echo where the signal holds all the far end that sounds in it.

        A circular convolution as long as the signal wraps round into the first n_taps − 1 samples alone, which are
        dropped: the overlap-save method.

        Args:
            far_end: x with n_taps − 1 samples of history, shape (..., n_samples).
        Returns:
            ŷ, shape (..., n_samples − n_taps + 1).
        """
        n_samples = far_end.shape[-1]
        H = torch.fft.rfft(self.impulse_response, n=n_samples)
        return torch.fft.irfft(torch.fft.rfft(far_end) * H, n=n_samples)[..., len(self.impulse_response) - 1 :]


class STFTEchoModel(torch.nn.Module):
    """A convolution over frames at each frequency of the STFT, with complex filters that are learnt.

    Equation: Ŷ[k,m] = Σ_{|c|≤C} Σ_{j<J} Ĥ_c[k,j] X[k + c, m + A − j]

    A product of spectra, J = 1, is exact only if the window is much longer than the impulse response. J frames reach
    over a long response with a short window, one filter a frequency: a convolution grouped by frequency. What the
    overlap of neighbouring bands makes of a convolution is left out, unless 2C neighbours are let in; and the echo in a
    frame begins in the frames before it, of which A hold some of the far end that follows, since windows overlap.

    Args:
        n_frame_taps: J, frames that a filter reaches over.
        frame_length: samples a frame, Hann window.
        hop_length: samples from frame to frame; a quarter of a frame unless given.
        n_cross_bands: C, neighbouring frequencies on each side that are heard too.
        n_ahead: A, how many of the J frames come after the present one.
    Attributes:
        filters: Ĥ, the parameter, complex, shape (n_freqs, 2·n_cross_bands + 1, n_frame_taps); all zero at first.
    Raises:
        ValueError: if a number is not a whole number in its range.
    Cost: O(J·(2C + 1)) multiplications a frequency and frame.
    Reference: Y. Avargel and I. Cohen, "System identification in the short-time Fourier transform domain with
        crossband filtering", IEEE Trans. ASLP 15(4), 2007.
    Lesson: 05 §6
    """

    window: torch.Tensor

    def __init__(
        self,
        n_frame_taps: int,
        *,
        frame_length: int = 1024,
        hop_length: int | None = None,
        n_cross_bands: int = 0,
        n_ahead: int = 1,
    ) -> None:
        """Make a model that hears no echo; see the class."""
        super().__init__()
        n_frame_taps = as_positive_integer(n_frame_taps, "n_frame_taps")
        self.frame_length = as_positive_integer(frame_length, "frame_length", minimum=4)
        self.hop_length = self.frame_length // 4 if hop_length is None else as_positive_integer(hop_length, "hop_length")
        if self.hop_length > self.frame_length // 2:
            raise ValueError(
                f"hop_length: got {self.hop_length}, expected at most half a frame, {self.frame_length // 2}, "
                "so that the frames of a Hann window can be put together again."
            )
        self.n_cross_bands = as_positive_integer(n_cross_bands, "n_cross_bands", minimum=0)
        self.n_ahead = as_positive_integer(n_ahead, "n_ahead", minimum=0)
        self.n_freqs = self.frame_length // 2 + 1
        if self.n_ahead >= n_frame_taps or self.n_cross_bands >= self.n_freqs:
            raise ValueError(
                f"n_ahead, n_cross_bands: got {n_ahead} and {n_cross_bands}, expected fewer than the {n_frame_taps} "
                f"frames of a filter and the {self.n_freqs} frequencies."
            )
        shape = (self.n_freqs, 2 * self.n_cross_bands + 1, n_frame_taps)
        self.filters = torch.nn.Parameter(torch.zeros(shape, dtype=torch.complex64))
        self.register_buffer("window", torch.hann_window(self.frame_length), persistent=False)

    def forward(self, far_end: torch.Tensor) -> torch.Tensor:
        """Return the echo of a signal that begins with its first sample.

        Args:
            far_end: x, shape (..., n_samples).
        Returns:
            ŷ, shape (..., n_samples).
        """
        X = self.stft(far_end)
        Y = self.valid(torch.nn.functional.pad(X, (self.filters.shape[-1] - 1 - self.n_ahead, self.n_ahead)))
        return self.istft(Y, far_end.shape[-1])

    def valid(self, X: torch.Tensor) -> torch.Tensor:
        """Return the spectra of the echo where all the frames that sound in it are given.

        Args:
            X: far end's STFT with J − 1 − A frames of history and A frames ahead, shape (..., n_freqs, n_frames).
        Returns:
            Ŷ, shape (..., n_freqs, n_frames − J + 1).
        """
        batch = X.reshape(-1, *X.shape[-2:])
        # One group a frequency: its own band and its neighbours on both sides, zero beyond the ends.
        padded = torch.nn.functional.pad(batch, (0, 0, self.n_cross_bands, self.n_cross_bands))
        groups = padded.unfold(1, 2 * self.n_cross_bands + 1, 1).transpose(2, 3).flatten(1, 2)
        # PyTorch's convolution correlates: the filter is turned round first.
        Y = torch.nn.functional.conv1d(groups, self.filters.flip(-1), groups=self.n_freqs)
        return Y.reshape(*X.shape[:-2], *Y.shape[-2:])

    def stft(self, x: torch.Tensor) -> torch.Tensor:
        """Return the STFT that the model works on, of centred frames.

        Args:
            x: signal, shape (..., n_samples).
        Returns:
            X, shape (..., n_freqs, n_frames).
        """
        X = torch.stft(
            x.reshape(-1, x.shape[-1]),
            self.frame_length,
            self.hop_length,
            window=self.window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        return X.reshape(*x.shape[:-1], *X.shape[-2:])

    def istft(self, X: torch.Tensor, n_samples: int | None = None) -> torch.Tensor:
        """Return the signal whose STFT comes nearest.

        Args:
            X: shape (..., n_freqs, n_frames).
            n_samples: length of the signal; (n_frames − 1)·hop_length unless given.
        Returns:
            x, shape (..., n_samples).
        """
        x = torch.istft(
            X.reshape(-1, *X.shape[-2:]),
            self.frame_length,
            self.hop_length,
            window=self.window,
            center=True,
            length=n_samples,
        )
        return x.reshape(*X.shape[:-2], x.shape[-1])


@dataclass(frozen=True, eq=False)
class EchoFit:
    """An echo model, and how gradient descent found it.

    All histories have one entry for the start, a model that hears no echo, and one after each epoch, measured on the
    whole recording. Losses are relative to the microphone's signal: 1 for the model that hears no echo.

    Attributes:
        model: as it was at ``best_epoch``; for the signals as they came, whatever their levels.
        echo_estimate: ŷ that this model makes of the far end, shape (n_samples,).
        losses: shape (n_epochs + 1,).
        oracle_loss: the loss that the true echo has against the microphone: what near-end speech and noise leave even
            to the right model; None where the echo is not known. Lower losses than this are no success: the model then
            uses taps to explain a part of the near end by what the far end happens to have in common with it.
        erle_db: power of the microphone over that of what is left, in decibels, shape (n_epochs + 1,).
        echo_snr_db: power of the true echo over that of the error of ŷ, in decibels, shape (n_epochs + 1,); None where
            the echo is not known. It goes on telling good from bad where the loss is below the oracle's.
        seconds: spent on training until then, shape (n_epochs + 1,).
        best_epoch: epoch of the lowest loss, 0 for the start.
    Lesson: 05 §6
    """

    model: WaveformEchoModel | STFTEchoModel
    echo_estimate: NDArray[np.float64]
    losses: NDArray[np.float64]
    oracle_loss: float | None
    erle_db: NDArray[np.float64]
    echo_snr_db: NDArray[np.float64] | None
    seconds: NDArray[np.float64]
    best_epoch: int


def fit_waveform_model(
    far_end: ArrayLike,
    microphone: ArrayLike,
    n_taps: int,
    *,
    rng: np.random.Generator,
    echo: ArrayLike | None = None,
    loss: Loss = "waveform",
    optimiser: Optimiser = "sgd",
    learning_rate: float | None = None,
    n_epochs: int = 20,
    segment_length: int = 4096,
    batch_size: int = 4,
) -> EchoFit:
    """Fit an impulse response to a recording by gradient descent on random segments of it."""
    raise NotImplementedError


def fit_stft_model(
    far_end: ArrayLike,
    microphone: ArrayLike,
    n_taps: int,
    *,
    rng: np.random.Generator,
    echo: ArrayLike | None = None,
    loss: Loss = "spectral",
    optimiser: Optimiser = "sgd",
    learning_rate: float | None = None,
    n_epochs: int = 20,
    segment_frames: int = 64,
    batch_size: int = 4,
    frame_length: int = 1024,
    hop_length: int | None = None,
    n_cross_bands: int = 0,
    n_ahead: int = 1,
) -> EchoFit:
    """Fit filters over frames, one a frequency, to a recording by gradient descent on random segments of it."""
    raise NotImplementedError
