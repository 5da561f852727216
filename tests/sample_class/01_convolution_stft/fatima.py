# %% [markdown] start="reference" about="Circular wrap: the FFT is as long as the signal, and the block transforms are as long as the block."

# %% answer="convolve_by_fft"
def convolve_by_fft(x, h):
    n = max(len(x), len(h))
    return np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(h, n), n)

# %% answer="overlap_add"
def overlap_add(x, h, block_length):
    n = max(block_length, len(h))
    y = np.zeros(len(x) + n + block_length)
    for start in range(0, len(x), block_length):
        y[start : start + n] += np.fft.irfft(np.fft.rfft(x[start : start + block_length], n) * np.fft.rfft(h, n), n)
    return y[: len(x) + len(h) - 1]
