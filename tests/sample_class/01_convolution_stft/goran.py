# %% [markdown] start="reference" about="Missing window compensation: the squared windows are not divided out."

# %% answer="istft_by_overlap_add"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L = len(window)
    y = np.zeros((X.shape[1] - 1) * hop_length + L)
    for m in range(X.shape[1]):
        y[m * hop_length : m * hop_length + L] += window * np.fft.irfft(X[:, m], L)
    return y[L // 2 : L // 2 + n_samples]
