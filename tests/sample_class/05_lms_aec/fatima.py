# %% [markdown] start="reference" about="Decibels: 20 log of energies, 10 log of norms."

# %% answer="erle_db"
def erle_db(y, e, near_end_active, window_length):
    n_windows, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum((signal * kept)[: n_windows * window_length].reshape(n_windows, window_length) ** 2, axis=1) for signal in (y, e))
    return 20 * np.log10(np.divide(above, below, out=np.full(n_windows, np.nan), where=above > 0))

# %% answer="misalignment_db"
def misalignment_db(h, snapshots):
    n_taps = max(len(h), snapshots.shape[1])
    truth = np.pad(h, (0, n_taps - len(h)))
    estimates = np.pad(snapshots, ((0, 0), (0, n_taps - snapshots.shape[1])))
    return 10 * np.log10(np.linalg.norm(estimates - truth, axis=1) / np.linalg.norm(truth))
