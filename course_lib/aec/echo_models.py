"""Echo models fitted by gradient descent: an impulse response, or one filter a frequency of the STFT.

Both are linear in their parameters and have the microphone's signal as their target. What differs is where they
convolve and where the error is measured. Needs PyTorch, so :mod:`course_lib.aec` does not import it.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import scipy.fft
import torch
from numpy.typing import ArrayLike, NDArray

from course_lib.aec._signals import as_call
from course_lib.validation import as_number, as_positive_integer

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

        A circular convolution at least as long as the signal wraps round into the first n_taps − 1 samples alone, which
        are dropped: the overlap-save method.

        Args:
            far_end: x with n_taps − 1 samples of history, shape (..., n_samples).
        Returns:
            ŷ, shape (..., n_samples − n_taps + 1).
        """
        n_samples = far_end.shape[-1]
        n_fft = scipy.fft.next_fast_len(n_samples, real=True)
        H = torch.fft.rfft(self.impulse_response, n=n_fft)
        echo: torch.Tensor = torch.fft.irfft(torch.fft.rfft(far_end, n=n_fft) * H, n=n_fft)
        return echo[..., len(self.impulse_response) - 1 : n_samples]


class STFTEchoModel(torch.nn.Module):
    """A convolution over frames at each frequency of the STFT, with complex filters that are learnt.

    Equation: Ŷ[k,m] = Σ_{|c|≤C} Σ_{j<J} Ĥ_c[k,j] X[k + c, m + A − j]

    A product of spectra, J = 1, is exact only if the window is much longer than the impulse response. J frames reach
    over a long response with a short window, one filter a frequency: a convolution grouped by frequency. What a
    convolution carries from one band to another is left out, unless 2C neighbours are let in: little with frames a
    quarter of their length apart, which see each sound four times, but of white noise through 600 taps, with frames of
    256 samples half their length apart, it is 4 % of the power. Since windows overlap, a frame of the echo may also
    hold some of the far end's next frames: A of them can be let in, at the price of a delay.

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
        n_ahead: int = 0,
    ) -> None:
        """Make a model that hears no echo; see the class."""
        super().__init__()
        n_frame_taps = as_positive_integer(n_frame_taps, "n_frame_taps")
        self.frame_length = as_positive_integer(frame_length, "frame_length", minimum=4)
        self.hop_length = (
            self.frame_length // 4 if hop_length is None else as_positive_integer(hop_length, "hop_length")
        )
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
    frame_length: int = 1024,
) -> EchoFit:
    """Fit an impulse response to a recording by gradient descent on random segments of it.

    Equation: minimise Σ_n (y − ŷ)²[n] / Σ_n y²[n] ("waveform") or Σ_k w_k Σ_m |Y − Ŷ|²[k,m] / Σ_k w_k Σ_m |Y|²[k,m]
        with w_k = 1 / (Σ_m |Y|²[k,m] + ε) ("spectral"), where ŷ = x ∗ ĥ

    The spectral loss counts the relative error at all frequencies alike, the other one the error where the sound is
    loud. (With w_k = 1 they would be the same by Parseval's theorem.)

    Speech is loud at some frequencies and hardly there at others, and plain gradient descent learns each as fast as it
    is loud. So "sgd" divides the gradient by the far end's power at each frequency, as if both signals had been
    whitened. The step that is safe follows from the largest eigenvalue of the Hessian in the loudest segment, which a
    power iteration finds: the loss is quadratic, so a difference of gradients is a product with the Hessian. Momentum
    is Nesterov's, 0.9. "adam" is plain Adam, which scales each tap by itself and is no help against colour. Steps
    shrink to nothing by a cosine.

    The parameters are copied where the loss is lowest. (PyTorch's ``state_dict()`` holds references: a "best snapshot"
    taken by it without a copy goes on learning with the model and ends as the last one.)

    Args:
        far_end: x, aligned with the echo, shape (n_samples,).
        microphone: y, shape (n_samples,).
        n_taps: taps of ĥ.
        rng: draws the segments.
        echo: the true echo, if the scene knows it, for the oracle's loss and the SNR, shape (n_samples,).
        loss: "waveform" or "spectral".
        optimiser: "sgd" or "adam".
        learning_rate: for "sgd" a share of the largest step that is safe for the loudest segment, 1 unless given; for
            "adam" the step of a tap when both signals have unit power, 0.01 unless given.
        n_epochs: an epoch is as many segments as make up the recording.
        segment_length: samples of the microphone in a segment.
        batch_size: segments a step.
        frame_length: of the STFT that the spectral loss is measured by.
    Returns:
        The model and its histories.
    Raises:
        ValueError: if the signals are not finite rows of one length, or an option is none of those.
    Cost: O(n_epochs·N·log L) for segments about as long as the response.
    Reference: Haykin, Adaptive Filter Theory, 5th ed., ch. 4 and 8; I. Sutskever, J. Martens, G. Dahl and G. Hinton,
        "On the importance of initialization and momentum in deep learning", ICML 2013.
    Lesson: 05 §6
    """
    signals = _Signals(far_end, microphone, echo)
    model = WaveformEchoModel(n_taps)
    objective = _WaveformObjective(model, signals, _as_loss(loss), segment_length, frame_length)
    return _descend(objective, signals, rng, optimiser, learning_rate, n_epochs, batch_size)


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
    segment_frames: int = 32,
    batch_size: int = 4,
    frame_length: int = 1024,
    hop_length: int | None = None,
    n_cross_bands: int = 0,
    n_ahead: int = 0,
) -> EchoFit:
    """Fit filters over frames, one a frequency, to a recording by gradient descent on random segments of it.

    Equation: minimise Σ_k w_k Σ_m |Y − Ŷ|²[k,m] / Σ_k w_k Σ_m |Y|²[k,m], w_k = 1 / (Σ_m |Y|²[k,m] + ε) ("spectral"), or
        Σ_n (y − ŷ)²[n] / Σ_n y²[n] with ŷ = ISTFT(Ŷ) ("waveform"), where Ŷ is that of :class:`STFTEchoModel`

    With the spectral loss each frequency learns for itself, and no signal has to be put together. But Ŷ need not be the
    STFT of any signal: what is inconsistent in it counts as an error although no one will hear it. The waveform loss
    hears what a listener will, and lets the frequencies work together, at the price of an inverse STFT a step.

    For the descent and the snapshot see :func:`fit_waveform_model`; here the gradient of a filter is divided by the far
    end's power at its own frequency.

    Args:
        far_end: x, aligned with the echo, shape (n_samples,).
        microphone: y, shape (n_samples,).
        n_taps: length of the echo path that the filters are to reach over, in samples.
        rng: draws the segments.
        echo: the true echo, if the scene knows it, for the oracle's loss and the SNR, shape (n_samples,).
        loss: "spectral" or "waveform".
        optimiser: "sgd" or "adam".
        learning_rate: for "sgd" a share of the largest step that is safe for the loudest segment, 1 unless given; for
            "adam" the step of a coefficient when both signals have unit power, 0.01 unless given.
        n_epochs: an epoch is as many segments as make up the recording.
        segment_frames: frames of the microphone in a segment.
        batch_size: segments a step.
        frame_length: samples a frame.
        hop_length: samples from frame to frame; a quarter of a frame unless given.
        n_cross_bands: neighbouring frequencies on each side that a filter hears too.
        n_ahead: frames that it looks ahead.
    Returns:
        The model and its histories.
    Raises:
        ValueError: if the signals are not finite rows of one length, or an option is none of those.
    Cost: O(n_epochs·N·K·(2C + 1)·J/R) for J frames of K frequencies, R samples apart, and C neighbours a side.
    Reference: Y. Avargel and I. Cohen, "System identification in the short-time Fourier transform domain with
        crossband filtering", IEEE Trans. ASLP 15(4), 2007.
    Lesson: 05 §6
    """
    signals = _Signals(far_end, microphone, echo)
    hop = as_positive_integer(frame_length, "frame_length", minimum=4) // 4 if hop_length is None else hop_length
    n_frame_taps = 1 + n_ahead - (-as_positive_integer(n_taps, "n_taps") // as_positive_integer(hop, "hop_length"))
    model = STFTEchoModel(
        n_frame_taps, frame_length=frame_length, hop_length=hop, n_cross_bands=n_cross_bands, n_ahead=n_ahead
    )
    objective = _STFTObjective(model, signals, _as_loss(loss), segment_frames)
    return _descend(objective, signals, rng, optimiser, learning_rate, n_epochs, batch_size)


class _Signals:
    """The signals of a fit at unit power, in single precision, and the powers they had."""

    def __init__(self, far_end: ArrayLike, microphone: ArrayLike, echo: ArrayLike | None) -> None:
        known = {} if echo is None else {"echo": echo}
        x, y, *true_echo = as_call({"far_end": far_end, "microphone": microphone, **known})
        self.far_level, self.level = _level(x), _level(y)
        self.x = torch.tensor(x / self.far_level, dtype=torch.float32)
        self.y = torch.tensor(y / self.level, dtype=torch.float32)
        self.echo = torch.tensor(true_echo[0] / self.level, dtype=torch.float32) if true_echo else None


class _Objective:
    """What is minimised over random segments, and how it looks on the whole recording."""

    model: WaveformEchoModel | STFTEchoModel
    parameter: torch.nn.Parameter
    n_positions: int
    n_segments: int

    def segment_loss(self, starts: list[int]) -> torch.Tensor:
        """Return the loss of a batch of segments."""
        raise NotImplementedError

    def evaluate(self) -> tuple[torch.Tensor, float]:
        """Return the estimated echo of the whole recording, and its loss."""
        raise NotImplementedError

    def loss_of_echo(self, echo: torch.Tensor) -> float:
        """Return the loss that an echo given as a signal has on the whole recording."""
        raise NotImplementedError

    def whiten(self, gradient: torch.Tensor) -> torch.Tensor:
        """Divide a gradient by the far end's power at each frequency."""
        raise NotImplementedError

    def steepest_starts(self) -> list[int]:
        """Return where the segments begin on which the loss may be steepest, the loudest and the most coloured."""
        raise NotImplementedError


class _WaveformObjective(_Objective):
    def __init__(
        self, model: WaveformEchoModel, signals: _Signals, loss: Loss, segment_length: int, frame_length: int
    ) -> None:
        self.model, self.parameter, self.loss = model, model.impulse_response, loss
        n_samples = len(signals.y)
        self.segment_length = min(as_positive_integer(segment_length, "segment_length"), n_samples)
        self.n_positions = n_samples - self.segment_length + 1
        self.n_segments = -(-n_samples // self.segment_length)
        self.n_history = len(model.impulse_response) - 1
        self.x = torch.nn.functional.pad(signals.x, (self.n_history, 0))
        self.y = signals.y
        self.frame_length = min(as_positive_integer(frame_length, "frame_length", minimum=4), self.segment_length)
        self.weights = _loudness_weights(self.spectrum(self.y)) if loss == "spectral" else None
        # Twice as long as the response, so that the product with the inverse power does not wrap round.
        self.n_whitening = 2 * (self.n_history + 1)
        window = torch.hann_window(self.n_whitening)
        X = torch.stft(
            signals.x,
            self.n_whitening,
            self.n_history + 1,
            window=window,
            pad_mode="constant",
            return_complex=True,
        )
        self.power = X.abs().square().mean(dim=-1)
        self.inverse_power = _inverse_power(self.power)
        if self.weights is not None:
            weights = torch.nn.functional.interpolate(
                self.weights.flatten()[None, None], len(self.inverse_power), mode="linear", align_corners=True
            )
            self.inverse_power = self.inverse_power / weights[0, 0]

    def spectrum(self, signal: torch.Tensor) -> torch.Tensor:
        # Half-overlapping, so that the squared windows of the loss weigh all samples nearly alike.
        window = torch.hann_window(self.frame_length)
        return torch.stft(
            signal, self.frame_length, self.frame_length // 2, window=window, center=False, return_complex=True
        )

    def error_loss(self, error: torch.Tensor) -> torch.Tensor:
        if self.weights is None:
            return error.square().mean()
        return _weighted_power(self.spectrum(error), self.weights)

    def segment_loss(self, starts: list[int]) -> torch.Tensor:
        x = torch.stack([self.x[start : start + self.n_history + self.segment_length] for start in starts])
        y = torch.stack([self.y[start : start + self.segment_length] for start in starts])
        return self.error_loss(y - self.model.valid(x))

    def evaluate(self) -> tuple[torch.Tensor, float]:
        estimate = self.model.valid(self.x)
        return estimate, float(self.error_loss(self.y - estimate))

    def loss_of_echo(self, echo: torch.Tensor) -> float:
        return float(self.error_loss(self.y - echo))

    def whiten(self, gradient: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(gradient, n=self.n_whitening) * self.inverse_power
        whitened: torch.Tensor = torch.fft.irfft(spectrum, n=self.n_whitening)
        return whitened[: len(gradient)]

    def steepest_starts(self) -> list[int]:
        segments = self.x.unfold(0, self.n_history + self.segment_length, self.segment_length)
        power = torch.fft.rfft(segments * torch.hann_window(segments.shape[-1])).abs().square()
        usual = torch.nn.functional.interpolate(self.power[None, None], power.shape[-1], mode="linear")[0, 0]
        return _loudest_and_most_coloured(power, usual, self.segment_length)


class _STFTObjective(_Objective):
    def __init__(self, model: STFTEchoModel, signals: _Signals, loss: Loss, segment_frames: int) -> None:
        self.model, self.parameter, self.loss = model, model.filters, loss
        self.y = signals.y
        X, self.Y = model.stft(signals.x), model.stft(signals.y)
        n_frames = X.shape[-1]
        n_frame_taps = model.filters.shape[-1]
        # A signal can be told from its frames where all that overlap there are known: a frame's length is lost.
        self.n_edge = -(-model.frame_length // (2 * model.hop_length)) if loss == "waveform" else 0
        fewest = 2 * self.n_edge + 2
        self.segment_frames = max(fewest, min(as_positive_integer(segment_frames, "segment_frames"), n_frames))
        n_missing = max(0, self.segment_frames - n_frames)
        self.Y = torch.nn.functional.pad(self.Y, (0, n_missing))
        self.X = torch.nn.functional.pad(X, (n_frame_taps - 1 - model.n_ahead, model.n_ahead + n_missing))
        self.n_frames = n_frames
        self.n_positions = n_frames + n_missing - self.segment_frames + 1
        self.n_segments = -(-n_frames // self.segment_frames)
        self.n_history = n_frame_taps - 1
        self.weights = _loudness_weights(self.Y[..., :n_frames])
        power = torch.nn.functional.pad(X.abs().square().mean(dim=-1), (model.n_cross_bands, model.n_cross_bands))
        self.inverse_power = _inverse_power(power).unfold(0, 2 * model.n_cross_bands + 1, 1)[..., None]
        if loss == "spectral":
            self.inverse_power = self.inverse_power / self.weights[..., None]

    def segment_loss(self, starts: list[int]) -> torch.Tensor:
        model = self.model
        assert isinstance(model, STFTEchoModel)
        X = torch.stack([self.X[:, start : start + self.n_history + self.segment_frames] for start in starts])
        Y = torch.stack([self.Y[:, start : start + self.segment_frames] for start in starts])
        error = Y - model.valid(X)
        if self.loss == "spectral":
            return _weighted_power(error, self.weights)
        n_edge = self.n_edge * model.hop_length
        return model.istft(error)[..., n_edge:-n_edge].square().mean()

    def evaluate(self) -> tuple[torch.Tensor, float]:
        assert isinstance(self.model, STFTEchoModel)
        estimate = self.model.valid(self.X)[..., : self.n_frames]
        signal = self.model.istft(estimate, len(self.y))
        if self.loss == "spectral":
            return signal, float(_weighted_power(self.Y[..., : self.n_frames] - estimate, self.weights))
        return signal, float((self.y - signal).square().mean())

    def loss_of_echo(self, echo: torch.Tensor) -> float:
        assert isinstance(self.model, STFTEchoModel)
        if self.loss == "spectral":
            return float(_weighted_power(self.Y[..., : self.n_frames] - self.model.stft(echo), self.weights))
        return float((self.y - echo).square().mean())

    def whiten(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * self.inverse_power

    def steepest_starts(self) -> list[int]:
        segments = self.X.abs().square().unfold(1, self.n_history + self.segment_frames, self.segment_frames)
        power = segments.sum(dim=-1).T
        return _loudest_and_most_coloured(power, power.mean(dim=0), self.segment_frames)


def _descend(
    objective: _Objective,
    signals: _Signals,
    rng: np.random.Generator,
    optimiser: Optimiser,
    learning_rate: float | None,
    n_epochs: int,
    batch_size: int,
) -> EchoFit:
    n_epochs = as_positive_integer(n_epochs, "n_epochs")
    batch_size = as_positive_integer(batch_size, "batch_size")
    began = time.perf_counter()
    descent = _make_optimiser(objective, optimiser, learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(descent, n_epochs)
    log = _Log(objective, signals)
    log.take(0.0)
    spent_s = time.perf_counter() - began
    for _ in range(n_epochs):
        began = time.perf_counter()
        starts = rng.integers(objective.n_positions, size=objective.n_segments).tolist()
        for first in range(0, len(starts), batch_size):
            descent.zero_grad()
            objective.segment_loss(starts[first : first + batch_size]).backward()  # type: ignore[no-untyped-call]
            assert objective.parameter.grad is not None
            if optimiser == "sgd":
                objective.parameter.grad = objective.whiten(objective.parameter.grad)
            descent.step()
        schedule.step()
        spent_s += time.perf_counter() - began
        log.take(spent_s)
    return log.result()


def _make_optimiser(objective: _Objective, optimiser: Optimiser, learning_rate: float | None) -> torch.optim.Optimizer:
    if learning_rate is not None:
        learning_rate = as_number(learning_rate, "learning_rate", 0, above=True)
    if optimiser == "adam":
        return torch.optim.Adam([objective.parameter], lr=0.01 if learning_rate is None else learning_rate)
    if optimiser == "sgd":
        limit = 1.0 / _largest_curvature(objective)
        step = limit * (1.0 if learning_rate is None else learning_rate)
        return torch.optim.SGD([objective.parameter], lr=step, momentum=_MOMENTUM, nesterov=True)
    raise ValueError(f'optimiser: got {optimiser!r}, expected "sgd" or "adam".')


def _largest_curvature(objective: _Objective) -> float:
    """Return the largest eigenvalue of the whitened Hessian of a steep segment, 1 if it has none above zero."""
    largest = max(_curvature(objective, start) for start in objective.steepest_starts())
    return largest if largest > 0.0 else 1.0


def _curvature(objective: _Objective, start: int) -> float:
    """Return the largest eigenvalue of the whitened Hessian of a segment, by power iteration."""
    parameter = objective.parameter

    def gradient() -> torch.Tensor:
        (found,) = torch.autograd.grad(objective.segment_loss([start]), parameter)
        return objective.whiten(found)

    at_zero = gradient()
    direction = at_zero
    curvature = 0.0
    for _ in range(_N_POWER_ITERATIONS):
        length = torch.linalg.vector_norm(direction)
        if float(length) == 0.0:
            break
        with torch.no_grad():
            parameter.copy_(direction / length)
        direction = gradient() - at_zero
        curvature = float(torch.linalg.vector_norm(direction))
    with torch.no_grad():
        parameter.zero_()
    return curvature


def _loudest_and_most_coloured(power: torch.Tensor, usual: torch.Tensor, step: int) -> list[int]:
    """Return the start of the loudest of segments (n_segments, n_freqs), and of that furthest above usual somewhere."""
    return [step * int(power.sum(dim=-1).argmax()), step * int((power * _inverse_power(usual)).amax(dim=-1).argmax())]


class _Log:
    """The histories of a fit, and a copy of the best parameters so far."""

    def __init__(self, objective: _Objective, signals: _Signals) -> None:
        self._objective, self._signals = objective, signals
        self._rows: list[tuple[float, float, float, float]] = []
        self._best_loss = math.inf

    def take(self, seconds: float) -> None:
        """Measure the model as it is now."""
        signals = self._signals
        with torch.no_grad():
            estimate, loss = self._objective.evaluate()
            erle_db = _ratio_db(signals.y, signals.y - estimate)
            snr_db = math.nan if signals.echo is None else _ratio_db(signals.echo, signals.echo - estimate)
        if not self._rows or loss < self._best_loss:
            self._best_loss, self._best_epoch, self._best_estimate = loss, len(self._rows), estimate
            # state_dict() refers to the parameters, which go on changing: without a copy the best would be the last.
            self._best_state = copy.deepcopy(self._objective.model.state_dict())
        self._rows.append((loss, erle_db, snr_db, seconds))

    def result(self) -> EchoFit:
        """Return the best model, rescaled to the signals as they came, and the histories."""
        signals, model = self._signals, self._objective.model
        model.load_state_dict(self._best_state)
        with torch.no_grad():
            self._objective.parameter.mul_(signals.level / signals.far_level)
            oracle_loss = None if signals.echo is None else self._objective.loss_of_echo(signals.echo)
        losses, erle_db, snr_db, seconds = np.array(self._rows).T
        return EchoFit(
            model=model,
            echo_estimate=self._best_estimate.numpy().astype(np.float64) * signals.level,
            losses=losses,
            oracle_loss=oracle_loss,
            erle_db=erle_db,
            echo_snr_db=None if signals.echo is None else snr_db,
            seconds=seconds,
            best_epoch=self._best_epoch,
        )


def _loudness_weights(Y: torch.Tensor) -> torch.Tensor:
    """Return weights (n_freqs, 1) that make all frequencies count alike, and the power of Y one in all."""
    power = Y.abs().square().mean(dim=-1, keepdim=True)
    weights = _inverse_power(power)
    total = float((weights * power).sum())
    return weights / total if total > 0.0 else weights


def _inverse_power(power: torch.Tensor) -> torch.Tensor:
    """Return 1/(P + ε) with ε relative to the mean, or ones where there is no power at all."""
    mean = float(power.mean())
    return 1.0 / (power + _POWER_FLOOR * mean) if mean > 0.0 else torch.ones_like(power)


def _weighted_power(E: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return Σ_k w_k of the mean power over frames, and over the batch if there is one."""
    power = torch.view_as_real(E).square().sum(dim=-1)
    return (weights * power).sum(dim=-2).mean()


def _level(signal: NDArray[np.float64]) -> float:
    """Return the root mean square of a signal, safe from overflow and underflow, or 1 for silence."""
    peak = float(np.abs(signal).max())
    return peak * math.sqrt(float(np.mean(np.square(signal / peak)))) if peak > 0.0 else 1.0


def _ratio_db(reference: torch.Tensor, error: torch.Tensor) -> float:
    """Return the ratio of two energies in decibels: 0 for two silences, not more than 300 either way."""
    above, below = float(reference.double().square().sum()), float(error.double().square().sum())
    if above == below:
        return 0.0
    return 10.0 * math.log10(min(max(above / max(below, 1e-300), 1e-30), 1e30))


def _as_loss(loss: Loss) -> Loss:
    if loss not in ("waveform", "spectral"):
        raise ValueError(f'loss: got {loss!r}, expected "waveform" or "spectral".')
    return loss
