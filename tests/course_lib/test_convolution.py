"""Convolution: nine algorithms against the definition and the established libraries, streams, gradients, refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.convolution import (
    PartitionedConvolver,
    convolve_circular,
    convolve_direct,
    convolve_dot,
    convolve_fft,
    convolve_shift,
    convolve_stft,
    convolve_torch,
    overlap_add,
    overlap_save,
)


def convolve_partitioned(x: np.ndarray, h: np.ndarray) -> np.ndarray:
    convolver = PartitionedConvolver(h, 7)
    return np.concatenate([convolver.push(x), convolver.flush()], axis=-1)[..., convolver.latency :]


def convolve_long_period(x: np.ndarray, h: np.ndarray) -> np.ndarray:
    wrapped = convolve_circular(x, h, np.size(x) + np.size(h) + 1)
    return wrapped[..., : np.shape(x)[-1] + np.shape(h)[-1] - 1]


BATCHED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "direct": convolve_direct,
    "dot": convolve_dot,
    "shift": convolve_shift,
    "fft": convolve_fft,
    "circular": convolve_long_period,
    "overlap_add": lambda x, h: overlap_add(x, h, 13),
    "overlap_save": lambda x, h: overlap_save(x, h, 13),
    "partitioned": convolve_partitioned,
    "stft": lambda x, h: convolve_stft(x, h, frame_length=16, hop_length=4),
}
ALL = {**BATCHED, "torch": convolve_torch}


@pytest.fixture(params=ALL)
def convolve(request) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return ALL[request.param]


@pytest.fixture(params=BATCHED)
def convolve_batch(request) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return BATCHED[request.param]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2)


# --- what every algorithm must do -------------------------------------------------------------------------------


def test_a_convolution_done_by_hand(convolve):
    assert convolve(np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0])) == pytest.approx([1, 1, 1, -3], abs=1e-14)


@pytest.mark.parametrize(("n_samples", "n_taps"), [(1, 1), (1, 9), (9, 1), (200, 31), (31, 200), (64, 64), (127, 2)])
def test_agrees_with_numpy(rng, convolve, n_samples, n_taps):
    x, h = rng.standard_normal(n_samples), rng.standard_normal(n_taps)
    y = convolve(x, h)
    assert y.shape == (n_samples + n_taps - 1,)
    assert np.abs(y - np.convolve(x, h)).max() < 1e-12


def test_agrees_with_scipy_at_the_size_of_a_room(rng):
    x, h = rng.standard_normal(16000), rng.standard_normal(4000) * np.exp(-np.arange(4000) / 800)
    expected = scipy.signal.oaconvolve(x, h)
    for name, convolve in ALL.items():
        assert np.abs(convolve(x, h) - expected).max() < 1e-10, name


def test_the_impulse_is_the_identity_and_its_delay_a_shift(rng, convolve):
    x = rng.standard_normal(50)
    assert convolve(x, np.array([1.0])) == pytest.approx(x, abs=1e-14)
    assert convolve(x, np.array([0, 0, 1.0])) == pytest.approx(np.pad(x, (2, 0)), abs=1e-13)


def test_is_linear_and_commutes(rng, convolve):
    x, z, h = rng.standard_normal((3, 40))
    assert convolve(2 * x + z, h) == pytest.approx(2 * convolve(x, h) + convolve(z, h), abs=1e-12)
    assert convolve(x, h) == pytest.approx(convolve(h, x), abs=1e-12)


@pytest.mark.parametrize(
    ("x_dtype", "h_dtype", "y_dtype"),
    [
        (np.float32, np.float32, np.float32),
        (np.float32, np.float64, np.float64),
        (np.float64, np.float32, np.float64),
        (np.int16, np.int16, np.float64),
        (np.int16, np.float32, np.float64),
        (">f4", np.float32, np.float32),
    ],
)
def test_precision(rng, convolve, x_dtype, h_dtype, y_dtype):
    x, h = (100 * rng.standard_normal(60)).astype(x_dtype), (100 * rng.standard_normal(9)).astype(h_dtype)
    y = convolve(x, h)
    assert y.dtype == y_dtype
    expected = np.convolve(x.astype(np.float64), h.astype(np.float64))
    assert np.abs(y - expected).max() < (1e-12 if y_dtype == np.float64 else 1e-5) * np.abs(expected).max()


def test_silence_gives_silence(convolve):
    assert not convolve(np.zeros(30), np.ones(5)).any()
    assert not convolve(np.ones(30), np.zeros(5)).any()


def test_leaves_its_inputs_alone(rng, convolve):
    x, h = rng.standard_normal(30), rng.standard_normal(5)
    x_before, h_before = x.copy(), h.copy()
    convolve(x, h)
    assert np.array_equal(x, x_before)
    assert np.array_equal(h, h_before)


@pytest.mark.parametrize(
    ("x", "h", "message"),
    [
        (np.zeros(0), np.ones(3), "at least one sample"),
        (np.ones(3), np.zeros(0), "at least one sample"),
        (np.array([1.0, np.nan]), np.ones(3), "NaN"),
        (np.ones(3), np.array([np.inf]), "infinite"),
        (np.array([1j]), np.ones(3), "real"),
        (np.float64(1.0), np.ones(3), "axis"),
        (["a", "b"], np.ones(3), "numbers"),
    ],
)
def test_refuses(convolve, x, h, message):
    if convolve is ALL["partitioned"] and np.size(x) == 0:
        assert convolve(x, h).size == 0  # an empty block is no mistake in a stream
        return
    with pytest.raises(ValueError, match=message):
        convolve(x, h)


# --- leading axes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x_axes", "h_axes", "y_axes"),
    [((3,), (), (3,)), ((), (4,), (4,)), ((2, 1), (4,), (2, 4)), ((2, 3), (2, 3), (2, 3))],
)
def test_leading_axes_broadcast(rng, convolve_batch, x_axes, h_axes, y_axes):
    x, h = rng.standard_normal((*x_axes, 40)), rng.standard_normal((*h_axes, 11))
    y = convolve_batch(x, h)
    assert y.shape == (*y_axes, 50)
    all_x, all_h = np.broadcast_to(x, (*y_axes, 40)), np.broadcast_to(h, (*y_axes, 11))
    for i in np.ndindex(y_axes):
        assert np.abs(y[i] - np.convolve(all_x[i], all_h[i])).max() < 1e-12


def test_leading_axes_that_do_not_broadcast_are_refused(convolve_batch):
    with pytest.raises(ValueError, match="do not broadcast"):
        convolve_batch(np.ones((2, 9)), np.ones((3, 9)))


# --- each algorithm's own claims --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_fft", [1, 2, 7, 8, 20, 39, 64])
def test_circular_is_linear_wrapped_around(rng, n_fft):
    x, h = rng.standard_normal((2, 20))
    wrapped = np.zeros(n_fft)
    for n, value in enumerate(np.convolve(x, h)):
        wrapped[n % n_fft] += value
    y = convolve_circular(x, h, n_fft)
    assert y.shape == (n_fft,)
    assert np.abs(y - wrapped).max() < 1e-12


@pytest.mark.parametrize("block_convolution", [overlap_add, overlap_save])
@settings(max_examples=60, deadline=None)
@given(n_samples=st.integers(1, 90), n_taps=st.integers(1, 90), block_length=st.integers(1, 120))
def test_block_convolution_with_any_block(block_convolution, n_samples, n_taps, block_length):
    x, h = np.random.default_rng(0).standard_normal((2, 90))
    y = block_convolution(x[:n_samples], h[:n_taps], block_length)
    assert np.abs(y - np.convolve(x[:n_samples], h[:n_taps])).max() < 1e-12


@pytest.mark.parametrize("block_convolution", [overlap_add, overlap_save])
def test_many_blocks_take_the_same_road_in_groups(rng, block_convolution, monkeypatch):
    x, h = rng.standard_normal(1000), rng.standard_normal(40)
    monkeypatch.setattr("course_lib._frames._SCRATCH_SAMPLES", 300)
    assert np.abs(block_convolution(x, h, 16) - np.convolve(x, h)).max() < 1e-12


@pytest.mark.parametrize("bad", [0, -1, 2.0, True, None])
def test_lengths_must_be_positive_whole_numbers(bad):
    for function in (overlap_add, overlap_save, convolve_circular):
        with pytest.raises(ValueError, match="whole number"):
            function(np.ones(4), np.ones(2), bad)
    with pytest.raises(ValueError, match="block_length"):
        PartitionedConvolver(np.ones(2), bad)


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(any),
    n_samples=st.integers(1, 150),
    n_taps=st.integers(1, 60),
    block_length=st.integers(1, 20),
)
def test_partitioned_gives_the_same_for_every_push_size(sizes, n_samples, n_taps, block_length):
    x, h = np.random.default_rng(0).standard_normal((2, 150))
    x, h = x[:n_samples], h[:n_taps]
    convolver = PartitionedConvolver(h, block_length)
    pieces, start, i = [], 0, 0
    while start < n_samples:
        block = x[start : start + sizes[i % len(sizes)]]
        pieces.append(convolver.push(block))
        assert pieces[-1].shape == block.shape
        start, i = start + block.size, i + 1
    y = np.concatenate([*pieces, convolver.flush()])
    assert convolver.latency == block_length
    expected = np.concatenate([np.zeros(block_length), np.convolve(x, h)])
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() < 1e-12


def test_partitioned_can_be_used_again_after_flush(rng):
    h = rng.standard_normal(20)
    convolver = PartitionedConvolver(h, 8)
    assert convolver.flush().shape == (0,)
    for n_samples in (30, 5):
        x = rng.standard_normal(n_samples)
        y = np.concatenate([convolver.push(x), convolver.flush()])
        assert np.abs(y[8:] - np.convolve(x, h)).max() < 1e-12


def test_partitioned_refuses_a_change_of_channels_and_keeps_precision(rng):
    convolver = PartitionedConvolver(np.ones(3, dtype=np.float32), 4)
    assert convolver.push(np.zeros((2, 0))).shape == (2, 0)
    assert convolver.push(np.ones((2, 5), dtype=np.float32)).dtype == np.float32
    with pytest.raises(ValueError, match="leading axes"):
        convolver.push(np.ones((3, 5)))
    assert convolver.flush().dtype == np.float32


@pytest.mark.parametrize(
    ("window", "frame_length", "hop_length"),
    [("hann", 64, 16), ("hann", 64, 32), ("boxcar", 33, 11), ("hamming", 30, 15)],
)
@pytest.mark.parametrize("n_taps", [1, 64, 300])
def test_stft_domain_convolution_is_exact(rng, window, frame_length, hop_length, n_taps):
    x, h = rng.standard_normal(500), rng.standard_normal(n_taps)
    y = convolve_stft(x, h, frame_length=frame_length, hop_length=hop_length, window=window)
    assert np.abs(y - np.convolve(x, h)).max() < 1e-11


def test_stft_domain_convolution_refuses_windows_that_do_not_add_up(rng):
    with pytest.raises(ValueError, match=r"COLA.*hop_length = 32 satisfies it"):
        convolve_stft(rng.standard_normal(500), np.ones(9), frame_length=64, hop_length=40)


# --- PyTorch ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["full", "valid"])
def test_torch_agrees_with_numpy_in_both_modes(rng, mode):
    x, h = rng.standard_normal(40), rng.standard_normal(7)
    y = convolve_torch(x, h, mode)
    assert isinstance(y, np.ndarray)
    assert np.abs(y - np.convolve(x, h, mode)).max() < 1e-12
    batch = convolve_torch(rng.standard_normal((2, 3, 40)), h, mode)
    assert batch.shape == (2, 3, y.size)


@pytest.mark.parametrize("mode", ["full", "valid"])
def test_torch_keeps_gradients_of_both_inputs(mode):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 12, dtype=torch.float64, generator=generator, requires_grad=True)
    h = torch.randn(4, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, h: convolve_torch(x, h, mode), (x, h))


def test_torch_returns_a_tensor_if_either_input_is_one():
    x, h = np.arange(5, dtype=np.float32), np.ones(2, dtype=np.float32)
    for y in (convolve_torch(torch.from_numpy(x), h), convolve_torch(x, torch.from_numpy(h))):
        assert isinstance(y, torch.Tensor)
        assert y.dtype == torch.float32
    assert convolve_torch(torch.arange(5), h).dtype == torch.float64


def test_torch_refuses():
    with pytest.raises(ValueError, match="one axis"):
        convolve_torch(np.ones(5), np.ones((2, 2)))
    with pytest.raises(ValueError, match='"full" or "valid"'):
        convolve_torch(np.ones(5), np.ones(2), "same")
    with pytest.raises(ValueError, match="longer than"):
        convolve_torch(np.ones(2), np.ones(5), "valid")
    with pytest.raises(ValueError, match="NaN"):
        convolve_torch(torch.tensor([float("nan")]), np.ones(2))
    with pytest.raises(ValueError, match="at least one sample"):
        convolve_torch(torch.zeros(0), np.ones(2))
    with pytest.raises(ValueError, match="real"):
        convolve_torch(torch.zeros(3, dtype=torch.complex64), np.ones(2))
