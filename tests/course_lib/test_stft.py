"""STFT: perfect reconstruction, window conditions, consistency, streams, agreement with the established libraries."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.stft import (
    StreamingISTFT,
    StreamingSTFT,
    check_cola,
    check_nola,
    istft,
    make_window,
    project_consistent,
    stft,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def split(x: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    """Cut the last axis of ``x`` into blocks of the given sizes, over and over."""
    blocks, start, i = [], 0, 0
    while start < x.shape[-1]:
        blocks.append(x[..., start : start + sizes[i % len(sizes)]])
        start += sizes[i % len(sizes)]
        i += 1
    return blocks


# --- analysis: the definition, and the libraries that share it ---------------------------------------------------


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(
    ("frame_length", "hop_length", "fft_length"), [(16, 4, 16), (15, 4, 15), (15, 7, 32), (7, 9, 8)]
)
def test_each_value_follows_the_definition(rng, centred, frame_length, hop_length, fft_length):
    x = rng.standard_normal(53)
    window = rng.uniform(0.5, 1, frame_length)
    X = stft(x, window, frame_length=frame_length, hop_length=hop_length, fft_length=fft_length, centred=centred)
    offset = frame_length // 2 if centred else 0
    for m in range(X.shape[1]):
        for k in range(X.shape[0]):
            value = sum(
                window[n] * x[n + m * hop_length - offset] * np.exp(-2j * np.pi * k * n / fft_length)
                for n in range(frame_length)
                if 0 <= n + m * hop_length - offset < len(x)
            )
            assert abs(X[k, m] - value) < 1e-12


@pytest.mark.parametrize("n_samples", [16000, 15999, 4096, 300])
@pytest.mark.parametrize(
    ("frame_length", "hop_length", "fft_length"), [(512, 128, 512), (511, 100, 511), (400, 160, 512)]
)
def test_agrees_with_scipy(rng, n_samples, frame_length, hop_length, fft_length):
    x = rng.standard_normal(n_samples)
    window = make_window("hann", frame_length)
    reference = scipy.signal.ShortTimeFFT(window, hop_length, fs=1.0, mfft=fft_length, phase_shift=None)
    ours = stft(x, frame_length=frame_length, hop_length=hop_length, fft_length=fft_length)
    assert np.abs(ours - reference.stft(x, p0=0, p1=ours.shape[-1])).max() < 1e-12
    ours = stft(x, frame_length=frame_length, hop_length=hop_length, fft_length=fft_length, centred=False)
    theirs = reference.stft(x, p0=0, p1=ours.shape[-1], k_offset=frame_length // 2)
    assert np.abs(ours - theirs).max() < 1e-12


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_samples", [16000, 16383])
def test_agrees_with_librosa_and_torch(rng, centred, dtype, n_samples):
    x = rng.standard_normal((2, n_samples)).astype(dtype)
    ours = stft(x, frame_length=1024, hop_length=256, centred=centred)
    with_librosa = librosa.stft(x, n_fft=1024, hop_length=256, center=centred, pad_mode="constant")
    window = torch.from_numpy(make_window("hann", 1024).astype(dtype))
    with_torch = torch.stft(
        torch.from_numpy(x), 1024, 256, window=window, center=centred, pad_mode="constant", return_complex=True
    ).numpy()
    assert ours.dtype == with_torch.dtype == with_librosa.dtype
    # Ours has one frame more where the hop does not divide the signal: it keeps the tail.
    n_frames = with_librosa.shape[-1]
    assert ours.shape[-1] == n_frames + (n_samples % 256 != 0)
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    assert np.abs(ours[..., :n_frames] - with_librosa).max() < tolerance
    assert np.abs(ours[..., :n_frames] - with_torch).max() < tolerance


def test_istft_agrees_with_scipy_librosa_and_torch(rng):
    """On a spectrogram that is no signal's, so that the least-squares solution is what is compared."""
    X = rng.standard_normal((257, 41)) + 1j * rng.standard_normal((257, 41))
    X[[0, -1]] = X[[0, -1]].real
    ours = istft(X, frame_length=512, hop_length=128)
    window = torch.from_numpy(make_window("hann", 512))
    with_torch = torch.istft(torch.from_numpy(X), 512, 128, window=window).numpy()
    assert np.abs(ours - with_torch).max() < 1e-12
    with_librosa = librosa.istft(X, hop_length=128)
    assert np.abs(ours - with_librosa).max() < 1e-12
    reference = scipy.signal.ShortTimeFFT(make_window("hann", 512), 128, fs=1.0, phase_shift=None)
    x = rng.standard_normal(5120)
    ours = istft(stft(x, frame_length=512, hop_length=128), frame_length=512, hop_length=128)
    assert np.abs(ours - reference.istft(reference.stft(x), k1=5120)).max() < 1e-12


def test_frames_lie_one_after_the_other_in_memory(rng):
    X = stft(rng.standard_normal((2, 5000)))
    assert X.swapaxes(-1, -2).flags.c_contiguous


def test_long_signals_take_the_same_road_in_groups(rng, monkeypatch):
    x = rng.standard_normal((3, 4000))
    h = (64, 16)
    whole = stft(x, frame_length=h[0], hop_length=h[1])
    back = istft(whole, frame_length=h[0], hop_length=h[1], n_samples=4000)
    monkeypatch.setattr("course_lib._frames._SCRATCH_SAMPLES", 64 * 7)
    assert np.array_equal(stft(x, frame_length=h[0], hop_length=h[1]), whole)
    assert np.abs(istft(whole, frame_length=h[0], hop_length=h[1], n_samples=4000) - back).max() < 1e-14


@pytest.mark.parametrize("n_cpus", [1, 2, 3, 64])
def test_any_number_of_threads_gives_the_same(rng, monkeypatch, n_cpus):
    x = rng.standard_normal((2, 300))
    expected = stft(x, frame_length=64)
    monkeypatch.setattr("course_lib._frames._THREADING_THRESHOLD", 0)
    monkeypatch.setattr("course_lib._frames.n_cores", lambda: n_cpus)
    assert np.abs(stft(x, frame_length=64) - expected).max() < 1e-13


# --- perfect reconstruction -------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", ["hann", "sqrt_hann", "hamming", "blackman", "boxcar", "bartlett", "random"])
@pytest.mark.parametrize(
    ("frame_length", "hop_length"), [(64, 16), (64, 32), (63, 16), (63, 31), (65, 7), (64, 1), (5, 2), (2, 1), (1, 1)]
)
@pytest.mark.parametrize("n_samples", [1, 2, 15, 16, 17, 63, 64, 100, 257])
def test_perfect_reconstruction(rng, window, frame_length, hop_length, n_samples):
    if window == "random":
        window = rng.uniform(0.1, 1, frame_length)
    elif window == "bartlett" and frame_length < 3:
        window = np.ones(frame_length)  # the triangle of so few samples is zero
    x = rng.standard_normal(n_samples)
    settings = {"frame_length": frame_length, "hop_length": hop_length}
    back = istft(stft(x, window, **settings), window, **settings, n_samples=n_samples)
    assert back.shape == x.shape
    assert np.abs(back - x).max() < 1e-12


@pytest.mark.parametrize("window", ["hamming", "boxcar"])
@pytest.mark.parametrize(("frame_length", "hop_length"), [(64, 16), (63, 31), (64, 64), (1, 1)])
@pytest.mark.parametrize("n_samples", [1, 63, 64, 65, 200])
def test_perfect_reconstruction_not_centred(rng, window, frame_length, hop_length, n_samples):
    x = rng.standard_normal(n_samples)
    settings = {"frame_length": frame_length, "hop_length": hop_length, "centred": False}
    X = stft(x, window, **settings)
    assert np.abs(istft(X, window, **settings, n_samples=n_samples) - x).max() < 1e-12
    padded = istft(X, window, **settings)
    assert np.abs(padded[:n_samples] - x).max() < 1e-12
    assert np.abs(padded[n_samples:]).max(initial=0) < 1e-12


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_perfect_reconstruction_of_anything(data):
    frame_length = data.draw(st.integers(1, 40), "frame_length")
    hop_length = data.draw(st.integers(1, frame_length), "hop_length")
    fft_length = data.draw(st.integers(frame_length, 2 * frame_length + 3), "fft_length")
    n_samples = data.draw(st.integers(1, 90), "n_samples")
    channels = data.draw(st.sampled_from([(), (1,), (2, 3)]), "channels")
    rng = np.random.default_rng(data.draw(st.integers(0, 1000), "seed"))
    window = rng.uniform(0.2, 1, frame_length)
    x = rng.standard_normal((*channels, n_samples))
    options = {"frame_length": frame_length, "hop_length": hop_length, "fft_length": fft_length}
    X = stft(x, window, **options)
    assert X.shape == (*channels, fft_length // 2 + 1, 1 + -(-n_samples // hop_length))
    assert np.abs(istft(X, window, **options, n_samples=n_samples) - x).max() < 1e-12


def test_float32_stays_float32(rng):
    x = rng.standard_normal(3000).astype(np.float32)
    X = stft(x)
    assert X.dtype == np.complex64
    back = istft(X, n_samples=3000)
    assert back.dtype == np.float32
    assert np.abs(back - x).max() < 1e-5


def test_integers_become_float64():
    assert stft(np.arange(10), frame_length=4).dtype == np.complex128
    assert np.array_equal(stft(np.arange(10), frame_length=4), stft(np.arange(10.0), frame_length=4))


def test_channels_are_transformed_alike(rng):
    x = rng.standard_normal((2, 3, 500))
    X = stft(x, frame_length=64)
    assert X.shape == (2, 3, 33, 1 + -(-500 // 16))
    assert np.abs(X[1, 2] - stft(x[1, 2], frame_length=64)).max() < 1e-13
    assert np.abs(istft(X, frame_length=64, n_samples=500) - x).max() < 1e-12


def test_silence_gives_silence():
    X = stft(np.zeros(100), frame_length=16)
    assert not X.any()
    assert not istft(X, frame_length=16).any()


def test_istft_is_the_least_squares_signal(rng):
    """Any change of its samples raises the distance between its STFT and the spectrogram."""
    options = {"frame_length": 16, "hop_length": 4}
    X = rng.standard_normal((9, 11)) + 1j * rng.standard_normal((9, 11))

    def distance(x: np.ndarray) -> float:
        counted = np.full((9, 1), 2.0)
        counted[[0, -1]] = 1
        return float(np.sum(counted * np.abs(X - stft(x, **options)) ** 2))

    best = istft(X, **options)
    for _ in range(20):
        assert distance(best + 1e-3 * rng.standard_normal(best.shape)) > distance(best)


# --- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.zeros(0),), {}, "at least one sample"),
        ((np.array([1.0, np.nan]),), {}, "NaN"),
        ((np.array([1j, 2]),), {}, "real samples"),
        ((np.ones(9), "hann"), {"frame_length": 0}, "frame_length"),
        ((np.ones(9), "hann"), {"frame_length": 8, "hop_length": 0}, "hop_length"),
        ((np.ones(9), "hann"), {"frame_length": 8, "hop_length": 2.5}, "hop_length"),
        ((np.ones(9), "hann"), {"frame_length": 8, "fft_length": 7}, "fold the frame"),
        ((np.ones(9), "bell"), {"frame_length": 8}, "sqrt_hann"),
        ((np.ones(9), np.ones(7)), {"frame_length": 8}, "got 7 samples"),
        ((np.ones(9), np.zeros(8)), {"frame_length": 8}, "every sample is zero"),
    ],
)
def test_stft_refuses(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        stft(*arguments, **options)


def test_istft_refuses_what_does_not_fit(rng):
    X = stft(rng.standard_normal(100), frame_length=16)
    with pytest.raises(ValueError, match="n_freqs = 17"):
        istft(X, frame_length=32)
    with pytest.raises(ValueError, match="order of the axes"):
        istft(X.T, frame_length=16)
    with pytest.raises(ValueError, match="reach only"):
        istft(X, frame_length=16, n_samples=1000)
    with pytest.raises(ValueError, match="NaN"):
        istft(X * np.nan, frame_length=16)
    with pytest.raises(ValueError, match="one centred frame"):
        istft(X[:, :1], frame_length=16)
    with pytest.raises(ValueError, match="at least one sample"):
        istft(X[:, :0], frame_length=16)


def test_istft_names_the_sample_that_no_frame_sees():
    X = stft(np.ones(100), frame_length=16, centred=False)
    with pytest.raises(ValueError, match=r"NOLA fails at sample 0.*centred=True"):
        istft(X, frame_length=16, centred=False)
    X = stft(np.ones(100), frame_length=16, hop_length=20)
    with pytest.raises(ValueError, match=r"NOLA fails.*hop_length = 15 satisfies it"):
        istft(X, frame_length=16, hop_length=20)


# --- window conditions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "hop_length", "variant", "constant"),
    [
        ("hann", 32, "amplitude", 1.0),
        ("hann", 16, "amplitude", 2.0),
        ("hann", 16, "power", 1.5),
        ("sqrt_hann", 32, "power", 1.0),
        ("hamming", 32, "amplitude", 1.08),
        ("boxcar", 64, "amplitude", 1.0),
        ("hann", 1, "power", 24.0),
    ],
)
def test_cola_constants(window, hop_length, variant, constant):
    assert check_cola(window, hop_length, frame_length=64, variant=variant) == pytest.approx(constant, abs=1e-12)
    if hop_length > 1:
        assert scipy.signal.check_COLA(make_window(window, 64), 64, 64 - hop_length) or variant == "power"


@pytest.mark.parametrize(
    ("window", "hop_length", "variant", "remedy"),
    [("hann", 33, "amplitude", 32), ("hann", 32, "power", 16), ("boxcar", 63, "amplitude", 32)],
)
def test_cola_failure_says_what_deviates_and_which_hop_would_do(window, hop_length, variant, remedy):
    sums = np.zeros(hop_length)
    samples = make_window(window, 64) ** (2 if variant == "power" else 1)
    for n, value in enumerate(samples):
        sums[n % hop_length] += value
    deviation = 100 * np.abs(sums / sums.mean() - 1).max()
    with pytest.raises(ValueError, match=rf"COLA \({variant}\) fails") as failure:
        check_cola(window, hop_length, frame_length=64, variant=variant)
    assert f"{deviation:.3g} %" in str(failure.value)
    found = int(str(failure.value).split("hop_length = ")[1].split()[0])
    assert found == remedy
    check_cola(window, found, frame_length=64, variant=variant)


def test_symmetric_windows_fail_cola_where_periodic_ones_pass():
    check_cola(scipy.signal.get_window("hann", 64, fftbins=True), 16)
    with pytest.raises(ValueError, match="COLA"):
        check_cola(scipy.signal.get_window("hann", 64, fftbins=False), 16)


def test_a_window_that_sums_to_zero_has_no_cola_hop():
    with pytest.raises(ValueError, match="sums to zero"):
        check_cola(np.array([1.0, -1.0]), 2)


@pytest.mark.parametrize(("hop_length", "passes"), [(63, True), (64, False), (100, False), (1, True)])
def test_nola(hop_length, passes):
    if passes:
        assert check_nola("hann", hop_length, frame_length=64) > 0
        return
    with pytest.raises(ValueError, match=r"NOLA fails.* n ≡ .*hop_length = 63 satisfies it"):
        check_nola("hann", hop_length, frame_length=64)


def test_conditions_refuse_bad_questions():
    with pytest.raises(ValueError, match="frame_length: missing"):
        check_cola("hann", 16)
    with pytest.raises(ValueError, match="variant"):
        check_cola("hann", 16, frame_length=64, variant="energy")
    with pytest.raises(ValueError, match="hop_length"):
        check_nola("hann", -1, frame_length=64)


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "boxcar"])
@pytest.mark.parametrize("frame_length", [1, 2, 7, 64])
def test_windows_are_scipys_periodic_ones(name, frame_length):
    ours = make_window(name, frame_length)
    assert np.abs(ours - scipy.signal.get_window(name, frame_length)).max() < 1e-15
    assert np.abs(make_window("sqrt_hann", 64) ** 2 - make_window("hann", 64)).max() < 1e-15


# --- consistency ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centred", [True, False])
def test_projection_is_idempotent_orthogonal_and_keeps_consistent_spectrograms(rng, centred):
    options = {"frame_length": 32, "hop_length": 8, "fft_length": 40, "centred": centred}
    X = rng.standard_normal((2, 21, 13)) + 1j * rng.standard_normal((2, 21, 13))
    P = project_consistent(X, "hamming", **options)
    assert P.shape == X.shape
    assert np.abs(project_consistent(P, "hamming", **options) - P).max() < 1e-12
    assert np.abs(P - X).max() > 0.1
    counted = np.full((21, 1), 2.0)
    counted[[0, -1]] = 1
    residue_on_projection = np.sum(counted * ((X - P) * P.conj()).real)
    assert abs(residue_on_projection) < 1e-10
    consistent = stft(rng.standard_normal(100), "hamming", **options)
    assert np.abs(project_consistent(consistent, "hamming", **options, n_samples=100) - consistent).max() < 1e-12


def test_projection_refuses_a_length_with_other_frames(rng):
    X = stft(rng.standard_normal(100), frame_length=16)
    with pytest.raises(ValueError, match="frames, but X has"):
        project_consistent(X, frame_length=16, n_samples=50)


# --- streams ----------------------------------------------------------------------------------------------------


def analyse_in_blocks(x: np.ndarray, sizes: list[int], **options) -> np.ndarray:
    analysis = StreamingSTFT(**options)
    frames = [analysis.push(block) for block in split(x, sizes)]
    return np.concatenate([*frames, analysis.flush()], axis=-1)


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 50), min_size=1, max_size=5).filter(any),
    frame_length=st.integers(1, 24),
    hop_length=st.integers(1, 30),
    n_samples=st.integers(1, 100),
    centred=st.booleans(),
)
def test_streaming_stft_equals_stft_for_every_block_size(sizes, frame_length, hop_length, n_samples, centred):
    x = np.random.default_rng(n_samples).standard_normal((2, n_samples))
    options = {"window": "hamming", "frame_length": frame_length, "hop_length": hop_length, "centred": centred}
    expected = stft(x, **options)
    streamed = analyse_in_blocks(x, sizes, **options)
    assert streamed.shape == expected.shape
    assert np.abs(streamed - expected).max() < 1e-12


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any),
    frame_length=st.integers(1, 24),
    n_frames=st.integers(2, 30),
    centred=st.booleans(),
    data=st.data(),
)
def test_streaming_istft_equals_istft_for_every_grouping(sizes, frame_length, n_frames, centred, data):
    hop_length = data.draw(st.integers(1, frame_length))
    options = {"window": "hamming", "frame_length": frame_length, "hop_length": hop_length, "centred": centred}
    rng = np.random.default_rng(n_frames)
    shape = (2, frame_length // 2 + 1, n_frames)
    X = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    expected = istft(X, **options)
    synthesis = StreamingISTFT(**options)
    pieces = [synthesis.push(frames) for frames in split(X, sizes)]
    streamed = np.concatenate([*pieces, synthesis.flush()], axis=-1)
    assert streamed.shape == expected.shape
    assert np.abs(streamed - expected).max() < 1e-12


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=4).filter(any),
    frame_length=st.integers(2, 33),
    n_samples=st.integers(1, 150),
    data=st.data(),
)
def test_cascade_reconstructs_within_its_stated_latency(sizes, frame_length, n_samples, data):
    hop_length = data.draw(st.integers(1, frame_length))
    window = np.random.default_rng(frame_length).uniform(0.2, 1, frame_length)
    options = {"window": window, "frame_length": frame_length, "hop_length": hop_length}
    x = np.random.default_rng(n_samples).standard_normal(n_samples)
    analysis, synthesis = StreamingSTFT(**options), StreamingISTFT(**options)
    latency = max(frame_length - 1, hop_length + -(-frame_length // 2) - 1)
    pieces, n_in, n_out = [], 0, 0
    for block in split(x, sizes):
        pieces.append(synthesis.push(analysis.push(block)))
        n_in, n_out = n_in + block.size, n_out + pieces[-1].size
        assert n_out >= n_in - latency
    pieces += [synthesis.push(analysis.flush()), synthesis.flush()]
    y = np.concatenate(pieces)
    assert y.size == -(-n_samples // hop_length) * hop_length
    assert np.abs(y[:n_samples] - x).max() < 1e-12
    assert np.abs(y[n_samples:]).max(initial=0) < 1e-12


def test_streams_can_be_used_again_after_flush(rng):
    analysis, synthesis = StreamingSTFT(frame_length=16), StreamingISTFT(frame_length=16)
    for n_samples in (50, 7):
        x = rng.standard_normal(n_samples)
        pieces = [synthesis.push(analysis.push(x)), synthesis.push(analysis.flush()), synthesis.flush()]
        assert np.abs(np.concatenate(pieces)[:n_samples] - x).max() < 1e-12


def test_streams_keep_precision_even_when_the_first_block_is_empty(rng):
    x = rng.standard_normal(100).astype(np.float32)
    analysis, synthesis = StreamingSTFT(frame_length=16), StreamingISTFT(frame_length=16)
    frames = [analysis.push(np.zeros(0)), analysis.push(x), analysis.push([]), analysis.flush()]
    assert [f.dtype for f in frames[1:]] == [np.complex64] * 3
    samples = [synthesis.push(f) for f in frames] + [synthesis.flush()]
    assert [s.dtype for s in samples[1:]] == [np.float32] * 4


def test_empty_streams_give_nothing():
    assert StreamingSTFT(frame_length=16).flush().shape == (9, 0)
    assert StreamingISTFT(frame_length=16).flush().shape == (0,)


def test_streams_refuse_a_change_of_channels_and_nan(rng):
    analysis = StreamingSTFT(frame_length=16)
    analysis.push(rng.standard_normal((2, 40)))
    with pytest.raises(ValueError, match="leading axes"):
        analysis.push(rng.standard_normal((3, 40)))
    with pytest.raises(ValueError, match="NaN"):
        analysis.push(np.full((2, 4), np.nan))
    with pytest.raises(ValueError, match="NOLA"):
        StreamingISTFT(frame_length=16, hop_length=20)
    synthesis = StreamingISTFT(frame_length=16)
    synthesis.push(np.ones((2, 9, 1)))
    with pytest.raises(ValueError, match="leading axes"):
        synthesis.push(np.ones((9, 1)))
    with pytest.raises(ValueError, match="NOLA fails at sample 0"):
        StreamingISTFT(frame_length=16, centred=False).push(np.ones((9, 2)))
