# %% [markdown] start="reference" about="Everything right, and every function written differently from the reference."

# %% answer="convolve_by_definition"
def convolve_by_definition(x, h):
    n_output = len(x) + len(h) - 1
    y = [0.0] * n_output
    for n in range(n_output):
        for k in range(len(x)):
            if 0 <= n - k < len(h):
                y[n] += x[k] * h[n - k]
    return np.array(y)

# %% answer="convolve_by_dot_products"
def convolve_by_dot_products(x, h):
    flipped, n_taps = h[::-1], len(h)
    y = np.zeros(len(x) + n_taps - 1)
    for n in range(len(y)):
        first, last = max(0, n - n_taps + 1), min(n + 1, len(x))
        start = first - (n - n_taps + 1)
        y[n] = np.dot(x[first:last], flipped[start : start + last - first])
    return y

# %% answer="convolve_by_shifts"
def convolve_by_shifts(x, h):
    return sum(h[i] * np.pad(np.asarray(x, float), (i, len(h) - 1 - i)) for i in range(len(h)))

# %% answer="energy_from_rfft"
def energy_from_rfft(spectrum, n_samples):
    power = np.abs(spectrum) ** 2
    total = 2 * power.sum() - power[0]
    if n_samples % 2 == 0:
        total -= power[-1]
    return total / n_samples

# %% answer="convolve_by_fft"
def convolve_by_fft(x, h):
    n = len(x) + len(h) - 1
    size = 1 << max(1, (n - 1).bit_length())
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(h, size), size)[:n]

# %% answer="convolve_with_torch"
def convolve_with_torch(x, h):
    n_pad = h.shape[0] - 1
    padded = torch.nn.functional.pad(x, (n_pad, n_pad))
    return torch.nn.functional.conv1d(padded.view(1, 1, -1), torch.flip(h, dims=[0]).view(1, 1, -1)).view(-1)

# %% answer="overlap_add"
def overlap_add(x, h, block_length):
    n_blocks = -(-len(x) // block_length)
    size = block_length + len(h) - 1
    blocks = np.pad(np.asarray(x, float), (0, n_blocks * block_length - len(x))).reshape(n_blocks, block_length)
    results = np.fft.irfft(np.fft.rfft(blocks, size, axis=1) * np.fft.rfft(h, size), size, axis=1)
    y = np.zeros((n_blocks - 1) * block_length + size)
    for b, result in enumerate(results):
        y[b * block_length : b * block_length + size] += result
    return y[: len(x) + len(h) - 1]

# %% answer="istft_by_overlap_add"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L, n_frames = len(window), X.shape[1]
    index = hop_length * np.arange(n_frames)[:, None] + np.arange(L)
    top, bottom = np.zeros(index.max() + 1), np.zeros(index.max() + 1)
    np.add.at(top, index, np.fft.irfft(X.T, L) * window)
    np.add.at(bottom, index, np.broadcast_to(window**2, index.shape))
    y = np.zeros_like(top)
    y[bottom > 0] = top[bottom > 0] / bottom[bottom > 0]
    return y[L // 2 :][:n_samples]

# %% answer="convolve_in_stft_domain"
def convolve_in_stft_domain(x, h, window, hop_length):
    L, K = len(window), 4 * len(window)
    n_frames = -(-(len(x) + L) // hop_length) + 1
    padded = np.zeros((n_frames - 1) * hop_length + L)
    padded[L : L + len(x)] = x[: len(padded) - L]
    starts = hop_length * np.arange(n_frames)
    frames = window * padded[starts[:, None] + np.arange(L)]
    results = np.fft.irfft(np.fft.rfft(frames, K) * np.fft.rfft(h, K), K)
    y = np.zeros(starts[-1] + K)
    for start, result in zip(starts, results, strict=True):
        y[start : start + K] += result
    return y[L : L + len(x) + len(h) - 1]

# %% answer="inconsistent_spectrogram"
def inconsistent_spectrogram(n_freqs, n_frames):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n_freqs, n_frames)) + 1j * rng.standard_normal((n_freqs, n_frames))

# %% [markdown] answer="why_length"
# (a) First: index 0, from x[0]·h[0] only. Last: index (N − 1) + (M − 1), from the two last samples. That makes N + M − 1 indices.
# (b) The room would fall silent at once when the speaker stops, since the tail is cut.

# %% [markdown] answer="cost"
# 16 000 · 32 000 = 5.1e8 a second. At 48 kHz three times the samples meet three times the taps: 4.6e9, nine times as many.

# %% [markdown] answer="probability"
# Zero. Consistent spectrograms are a linear subspace with a quarter of the dimensions, and a random point misses it with certainty.
