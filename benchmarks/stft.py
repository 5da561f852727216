"""STFT and inverse STFT beside librosa, PyTorch and SciPy: a minute at 16 kHz, 1024/256, by default."""

from __future__ import annotations

from collections.abc import Iterator

import librosa
import numpy as np
import scipy.signal
import torch

from benchmarks.registry import Case, benchmark, ours, peer
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.stft import StreamingISTFT, StreamingSTFT, istft, make_window, stft

FRAME_LENGTH, HOP_LENGTH = 1024, 256


@benchmark("stft")
def analysis_and_synthesis(duration_s: float) -> Iterator[Case]:
    for dtype in (np.float32, np.float64):
        x = np.random.default_rng(0).standard_normal(int(duration_s * SAMPLE_RATE_HZ)).astype(dtype)
        window = make_window("hann", FRAME_LENGTH).astype(dtype)
        x_torch, window_torch = torch.from_numpy(x), torch.from_numpy(window)
        scipy_stft = scipy.signal.ShortTimeFFT(window, HOP_LENGTH, fs=1.0, phase_shift=None)
        expected = stft(x.astype(np.float64))
        size = f"{duration_s:g} s at 16 kHz, {FRAME_LENGTH}/{HOP_LENGTH}, {dtype.__name__}"
        yield Case(
            f"STFT, {size}",
            expected,
            [
                ours("stft", lambda x=x: stft(x)),
                peer(
                    "torch.stft",
                    lambda x=x_torch, w=window_torch: torch.stft(
                        x, FRAME_LENGTH, HOP_LENGTH, window=w, pad_mode="constant", return_complex=True
                    ),
                ),
                peer("librosa.stft", lambda x=x: librosa.stft(x, n_fft=FRAME_LENGTH, hop_length=HOP_LENGTH)),
                peer(
                    "scipy ShortTimeFFT",
                    lambda x=x, s=scipy_stft, n=expected.shape[-1]: s.stft(x, p0=0, p1=n),
                ),
            ],
            limit=1.2,
        )
        X = stft(x)
        X_torch = torch.from_numpy(X)
        X_scipy = scipy_stft.stft(x)
        yield Case(
            f"inverse STFT, {size}",
            x.astype(np.float64),
            [
                ours("istft", lambda X=X: istft(X)),
                peer(
                    "torch.istft",
                    lambda X=X_torch, w=window_torch: torch.istft(X, FRAME_LENGTH, HOP_LENGTH, window=w),
                ),
                peer("librosa.istft", lambda X=X: librosa.istft(X, hop_length=HOP_LENGTH)),
                peer("scipy ShortTimeFFT", lambda X=X_scipy, s=scipy_stft, n=x.size: s.istft(X, k1=n)),
            ],
            limit=1.2,
        )


@benchmark("stft")
def stream(duration_s: float) -> Iterator[Case]:
    x = np.random.default_rng(0).standard_normal(int(duration_s * SAMPLE_RATE_HZ))

    def run(block_length: int) -> np.ndarray:
        analysis, synthesis = StreamingSTFT(), StreamingISTFT()
        pieces = [
            synthesis.push(analysis.push(x[start : start + block_length])) for start in range(0, x.size, block_length)
        ]
        return np.concatenate([*pieces, synthesis.push(analysis.flush()), synthesis.flush()])

    def librosa_whole() -> np.ndarray:
        return librosa.istft(librosa.stft(x, n_fft=FRAME_LENGTH, hop_length=HOP_LENGTH), hop_length=HOP_LENGTH)

    yield Case(
        f"there and back, {duration_s:g} s at 16 kHz, {FRAME_LENGTH}/{HOP_LENGTH}, streamed",
        x,
        [
            ours("stream, blocks of 16000", lambda: run(16000)),
            ours("stream, blocks of 256", lambda: run(256)),
            peer("librosa, all at once", librosa_whole),
        ],
    )
