"""What the tests of blind separation share: how they measure, and mixtures that leave little to separate.

Each function from ``silent_frequency`` on takes something away from a mixture ``(n_channels, n_freqs, n_frames)``: it
changes the array in place, or returns a part of it.
"""

from __future__ import annotations

import numpy as np


def complex_normal(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def signal_to_interference_db(demixing_filter, mixing, sources):
    """The ratio each output keeps, its target being the source that it holds most of over all frequencies."""
    gains = np.abs(demixing_filter @ mixing) ** 2 * np.mean(np.abs(sources) ** 2, axis=2).T[:, None, :]
    powers = gains.sum(axis=0)
    targets = powers.argmax(axis=1)
    assert sorted(targets) == list(range(len(sources))), "two outputs hold the same source"
    wanted = powers.max(axis=1)
    return 10 * np.log10(wanted / (powers.sum(axis=1) - wanted))


def never_rises(losses):
    return np.all(np.diff(losses) <= 1e-10 * np.maximum(1.0, np.abs(losses).max()))


def silent_frequency(X):
    X[:, 0] = 0


def faint_frequency(X):
    X[:, 7] *= 1e-13


def silent_frames(X):
    X[:, :, 10:40] = 0


def faint_frames(X):
    X[:, :, 10:40] *= 1e-9


def silent_channel(X):
    X[0] = 0


def identical_channels(X):
    X[1] = X[0]


def identical_at_a_frequency(X):
    X[1, 5] = X[0, 5]


def channels_that_add_up(X):
    X[-1] = 2 * X[0] + X[1] if len(X) > 2 else -3j * X[0]


def sources_that_take_turns(X):
    X[0, :, :60] = 0
    X[1:, :, 60:] = 0


def one_cell(X):
    X[:] = 0
    X[:, 3, 5] = 1


def all_silent(X):
    X[:] = 0


def few_frames(X):
    return X[:, :, :2]


def one_frame(X):
    return X[:, :, :1]


DEGENERATE = [
    silent_frequency, faint_frequency, silent_frames, faint_frames, silent_channel, identical_channels,
    identical_at_a_frequency, channels_that_add_up, sources_that_take_turns, one_cell, all_silent, few_frames,
    one_frame,
]  # fmt: skip


def changed(X, change):
    """Return the mixture that one of these functions makes of ``X``."""
    part = change(X)
    return X if part is None else part
