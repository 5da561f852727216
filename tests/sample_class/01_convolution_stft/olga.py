# %% [markdown] start="reference" about="Three misunderstandings in the second half: correlation, cut tails, a sound's own spectrogram."

# %% answer="convolve_with_torch"
def convolve_with_torch(x, h):
    return torch.nn.functional.conv1d(x[None, None], h[None, None], padding=len(h) - 1)[0, 0]

# %% answer="convolve_in_stft_domain"
def convolve_in_stft_domain(x, h, window, hop_length):
    L, K = len(window), 2 * len(window)
    padded, H = np.pad(x, (L, 2 * L)), np.fft.rfft(h, K)
    y = np.zeros(len(padded) + K)
    for start in range(0, len(padded) - L + 1, hop_length):
        y[start : start + L] += np.fft.irfft(np.fft.rfft(window * padded[start : start + L], K) * H, K)[:L]
    return y[L : L + len(x) + len(h) - 1]

# %% answer="inconsistent_spectrogram"
def inconsistent_spectrogram(n_freqs, n_frames):
    L = 2 * (n_freqs - 1)
    x = np.random.default_rng(0).standard_normal((n_frames - 1) * (L // 4))
    return stft.stft(x, frame_length=L, hop_length=L // 4)
