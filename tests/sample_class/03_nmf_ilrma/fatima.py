# %% [markdown] start="reference" about="Takes squares where the model is shared out, and magnitudes where powers are."

# %% answer="separate_groups"
def separate_groups(X, W, H, groups):
    powers = np.stack([(W[:, group] @ H[group]) ** 2 for group in groups])
    total = powers.sum(axis=0)
    return np.divide(powers, total, out=np.full(powers.shape, 1 / len(groups)), where=total > 0) * X

# %% answer="ideal_masks"
def ideal_masks(S, N):
    s, n = np.abs(S), np.abs(N)
    return np.stack([s > n, np.divide(s, s + n, out=np.zeros(s.shape), where=s + n > 0)])
