"""An echo canceller for a live call: alignment, a filter for the echo path, and what else the echo needs.

Conventions. x is the far end, y the microphone, ŷ the estimated echo, e = y − ŷ what is left. Whatever the blocks that
come, the canceller works in hops, so that all outputs end to end are those of :func:`cancel_echo` for the whole call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.aec._signals import as_call
from course_lib.aec._suppressor import Suppressor
from course_lib.aec._two_path import TwoPathFilter
from course_lib.aec.alignment import DelayTracker
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.validation import as_number, as_positive_integer, describe

Array = NDArray[np.float64]

_BLOCK_S: Final = 0.016
_LONGEST_TAIL_S: Final = 4.0
# The filter begins a little before the echo: an estimate of the delay may be late.
_MARGIN_S: Final = 0.002
# An echo within the first part of the filter leaves enough taps for what follows it.
_LATE_SHARE: Final = 0.125
# How often the delay is looked at: as often as the tracker finds one, at 16 kHz every 0.128 s.
_N_HOPS_AT_ONCE: Final = 16


@dataclass(frozen=True, eq=False)
class Cancellation:
    """A call after its echo has been cancelled.

    Args:
        output: what is sent to the far end, shape (n_samples,): e, or what the suppressor has made of it.
        linear_output: e = y − ŷ, shape (n_samples,).
        echo_estimate: ŷ, shape (n_samples,).
        far_end: x as the filter saw it, delayed, shape (n_samples,).
        delay: by how many samples the far end was delayed at the end.
        impulse_response: ĥ at the end, of the linear part, shape (n_taps,); it begins at the delay.

    Lesson: 05 §10
    """

    output: Array
    linear_output: Array
    echo_estimate: Array
    far_end: Array
    delay: int
    impulse_response: Array


class EchoCanceller:
    """Cancel the echo of a call while it lasts.

    Equation: e = y − ŷ, ŷ = ĥ₁ ∗ x + ĥ₃ ∗ c(x), c(x) = x³/(u² + x²), x delayed by d − margin; ĥ from two Kalman filters

    The far end is delayed to just before its echo, as soon as the echo begins too late for the filter. Two
    frequency-domain Kalman filters (see :class:`course_lib.adaptive.FrequencyDomainKalman`) learn the echo path side by
    side: a slow one, which near-end speech hardly disturbs and which makes the output, and a fast one, which follows
    when somebody moves the loudspeaker. The slow one takes over from the fast one when that has left significantly
    less, judged at each frequency in units of what else is heard there; the fast one goes back to the slow one when it
    is worse; and both start anew should they ever leave more than the microphone had, so that nothing bad lasts.

    With ``nonlinear`` both filters also hear c(x), through an echo path of its own: nearly the cube of the far end,
    which is the first that a loudspeaker adds when it saturates in both directions alike. That cancels much of what no
    linear filter can. u is twice the loudest peak when it is chosen, and chosen anew, with ĥ₃ = 0, when a peak exceeds
    it: then c bends into a line.

    Args:
        sample_rate: in hertz.
        tail_s: length of the echo that is cancelled, from its delay on, in seconds.
        block_length: samples a partition, an even number; 16 ms unless given. The filter works in hops of half of it.
        nonlinear: whether c(x) is heard too, which costs as much again.
        track_delay: whether the far end is delayed; without, it is taken as aligned.
        max_delay_s: largest delay that is looked for, in seconds.
        suppressor: what takes away the echo that is left: None, ``"network"`` for the trained one of
            :mod:`course_lib.aec.residual`, or an object with ``push`` and ``flush`` like that.
    Attributes:
        latency: most samples by which the output is behind the input: half a block, and the suppressor's.
    Raises:
        ValueError: if a number lies outside its range or there is no such suppressor.
    Cost: about 4 DFTs of two blocks, 8 n_taps complex products and the constraint of half the partitions a hop.
    Reference: G. Enzner and P. Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free
        telephones", Signal Processing 86(6), 2006; K. Ochiai, T. Araseki and T. Ogihara, "Echo canceler with two echo
        path models", IEEE Trans. Communications 25(6), 1977; S. Malik and G. Enzner, "State-space frequency-domain
        adaptive filtering for nonlinear acoustic echo cancellation", IEEE Trans. ASLP 20(7), 2012.
    Lesson: 05 §10
    """

    def __init__(
        self,
        sample_rate: int = SAMPLE_RATE_HZ,
        tail_s: float = 0.25,
        *,
        block_length: int | None = None,
        nonlinear: bool = True,
        track_delay: bool = True,
        max_delay_s: float = 0.5,
        suppressor: Literal["network"] | Suppressor | None = None,
    ) -> None:
        """Start a call; see the class."""
        self._sample_rate = as_positive_integer(sample_rate, "sample_rate", minimum=1000)
        tail_s = as_number(tail_s, "tail_s", 0, _LONGEST_TAIL_S, above=True)
        if block_length is None:
            block_length = 2 ** round(np.log2(_BLOCK_S * sample_rate))
        self._block_length = as_positive_integer(block_length, "block_length", minimum=4)
        if self._block_length % 2:
            raise ValueError(f"block_length: got {block_length}, expected an even number, for hops are half a block.")
        self._hop_length = self._block_length // 2
        self._n_taps = max(1, round(tail_s * sample_rate))
        self._nonlinear, self._track_delay, self._max_delay_s = nonlinear, track_delay, max_delay_s
        self._suppressor = _as_suppressor(suppressor, self._sample_rate)
        self.latency = self._hop_length + (0 if self._suppressor is None else int(self._suppressor.latency))
        self._start()

    def _start(self) -> None:
        self._filter = TwoPathFilter(
            self._n_taps, self._block_length, self._hop_length, self._sample_rate, nonlinear=self._nonlinear
        )
        self._tracker = DelayTracker(self._sample_rate, max_delay_s=self._max_delay_s) if self._track_delay else None
        max_delay = round(self._max_delay_s * self._sample_rate) if self._track_delay else 0
        # The past of both signals is moved to the front of the buffer only once in a while.
        self._n_past = max_delay + self._filter.history_length + self._hop_length
        self._recording = np.zeros((2, self._n_past + _N_HOPS_AT_ONCE * self._hop_length))
        self._end = self._n_past
        self._shift = 0
        self._waiting_x, self._waiting_y = np.zeros(0), np.zeros(0)

    @property
    def delay(self) -> int:
        """By how many samples the far end is delayed before it reaches the filter."""
        return self._shift

    @property
    def impulse_response(self) -> Array:
        """ĥ as it is now, of the linear part, from the delay on, shape (n_taps,)."""
        return self._filter.impulse_response

    def push(self, far_end: ArrayLike, microphone: ArrayLike) -> Array:
        """Take the next samples of both signals and return what is ready to be sent.

        Args:
            far_end: x, shape (n_samples,), any number of samples from 0.
            microphone: y at the same time, shape (n_samples,).
        Returns:
            Samples, shape (n_ready,).
        Raises:
            ValueError: if the lengths differ, or a signal is complex or not finite.
        """
        aligned, y, estimate = self._advance(*as_call({"far_end": far_end, "microphone": microphone}, allow_empty=True))
        return self._suppress(aligned, y, estimate)

    def flush(self) -> Array:
        """Return the samples that are left, and be ready for another call.

        Returns:
            Samples, shape (n_left,).
        """
        output = self._suppress(*self._finish())
        if self._suppressor is not None:
            output = np.concatenate([output, self._suppressor.flush()])
        self._start()
        return output

    def _suppress(self, x: Array, y: Array, estimate: Array) -> Array:
        if self._suppressor is None:
            return y - estimate
        return self._suppressor.push(x, y, y - estimate, estimate)

    def _finish(self) -> tuple[Array, Array, Array]:
        """Fill the last hop with zeros; return its aligned far end, microphone and echo estimate without them."""
        n_left = self._waiting_y.size
        padding = np.zeros(-n_left % self._hop_length)
        aligned, y, estimate = self._advance(padding, padding)
        return aligned[:n_left], y[:n_left], estimate[:n_left]

    def _advance(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Take checked samples; return aligned far end, microphone and echo estimate of the hops that are complete."""
        x, y = np.concatenate([self._waiting_x, x]), np.concatenate([self._waiting_y, y])
        n_ready = y.size // self._hop_length * self._hop_length
        self._waiting_x, self._waiting_y = x[n_ready:], y[n_ready:]
        aligned, estimate = np.empty(n_ready), np.empty(n_ready)
        for begin in range(0, n_ready, self._hop_length):
            hop = slice(begin, begin + self._hop_length)
            aligned[hop], estimate[hop] = self._process(x[hop], y[hop])
        return aligned, y[:n_ready], estimate

    def _process(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Take a hop; return it delayed, and the estimate of its echo."""
        if self._end == self._recording.shape[1]:
            if self._tracker is not None:
                new_x, new_y = self._recording[:, self._n_past :]
                self._follow(self._tracker.push(new_x, new_y), self._tracker.is_locked)
            self._recording[:, : self._n_past] = self._recording[:, -self._n_past :].copy()
            self._end = self._n_past
        begin, self._end = self._end, self._end + x.size
        self._recording[:, begin : self._end] = x, y
        aligned = self._recording[0, begin - self._shift : self._end - self._shift]
        return aligned, self._filter.process(aligned, y)

    def _follow(self, delay: int, is_locked: bool) -> None:
        """Delay the far end otherwise if the echo begins before the filter does, or late in it."""
        margin = round(_MARGIN_S * self._sample_rate)
        if not is_locked or 0 <= delay - self._shift <= max(_LATE_SHARE * self._n_taps, 2 * margin):
            return
        shift = max(0, delay - margin)
        if shift == self._shift:
            return
        self._shift = shift
        end = self._end - shift
        self._filter.replay(self._recording[0, end - self._filter.history_length : end])
        self._filter.restart()


def cancel_echo(
    far_end: ArrayLike,
    microphone: ArrayLike,
    *,
    sample_rate: int = SAMPLE_RATE_HZ,
    tail_s: float = 0.25,
    block_length: int | None = None,
    nonlinear: bool = True,
    track_delay: bool = True,
    max_delay_s: float = 0.5,
    suppressor: Literal["network"] | Suppressor | None = None,
) -> Cancellation:
    """Cancel the echo of a whole call: :class:`EchoCanceller` in one call.

    Equation: e = y − ŷ, ŷ = ĥ₁ ∗ x + ĥ₃ ∗ c(x), c(x) = x³/(u² + x²), x delayed by d − margin; ĥ from two Kalman filters

    Args:
        far_end: x, shape (n_samples,).
        microphone: y, shape (n_samples,), begun at the same time.
        sample_rate: in hertz.
        tail_s: length of the echo that is cancelled, from its delay on, in seconds.
        block_length: samples a partition, an even number; 16 ms unless given.
        nonlinear: whether c(x) is heard too.
        track_delay: whether the far end is delayed; without, it is taken as aligned.
        max_delay_s: largest delay that is looked for, in seconds.
        suppressor: what takes away the echo that is left: None, ``"network"``, or an object with ``push`` and
            ``flush``.
    Returns:
        Output, echo estimate and delay; all signals have the microphone's length and are in time with it.
    Raises:
        ValueError: if the lengths differ, a signal is empty, complex or not finite, or a number outside its range.
    Cost: that of the stream.
    Reference: see :class:`EchoCanceller`.
    Lesson: 05 §10
    """
    x, y = as_call({"far_end": far_end, "microphone": microphone})
    canceller = EchoCanceller(
        sample_rate,
        tail_s,
        block_length=block_length,
        nonlinear=nonlinear,
        track_delay=track_delay,
        max_delay_s=max_delay_s,
    )
    begun, last = canceller._advance(x, y), canceller._finish()
    aligned, estimate = (np.concatenate([begun[i], last[i]]) for i in (0, 2))
    residual = output = y - estimate
    stage = _as_suppressor(suppressor, sample_rate)
    if stage is not None:
        output = np.concatenate([stage.push(aligned, y, residual, estimate), stage.flush()])
    return Cancellation(
        output=output,
        linear_output=residual,
        echo_estimate=estimate,
        far_end=aligned,
        delay=canceller.delay,
        impulse_response=canceller.impulse_response,
    )


def _as_suppressor(suppressor: Literal["network"] | Suppressor | None, sample_rate: int) -> Suppressor | None:
    """Return the stage after the filter, or raise ``ValueError``."""
    if suppressor is None:
        return None
    if suppressor == "network":
        if sample_rate != SAMPLE_RATE_HZ:
            raise ValueError(
                f'suppressor: "network" was trained at {SAMPLE_RATE_HZ} Hz, and the call has {sample_rate} Hz. '
                "Resample it, or do without the network."
            )
        from course_lib.aec.residual import ResidualSuppressor

        return ResidualSuppressor()
    if not all(hasattr(suppressor, name) for name in ("push", "flush", "latency")):
        raise ValueError(
            f'suppressor: got {describe(suppressor)}, expected None, "network" or an object with push, flush and '
            "latency like course_lib.aec.ResidualSuppressor."
        )
    return suppressor
