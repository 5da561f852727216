# %% [markdown] start="reference" about="Conjugates are missing: the delays are doubled, the covariance is transposed."

# %% answer="delay_and_sum"
def delay_and_sum(X, d):
    return np.einsum("kc,ckm->km", d, X) / np.sum(np.abs(d) ** 2, axis=1)[:, None]

# %% answer="estimate_covariance"
def estimate_covariance(X):
    Z = X.transpose(1, 0, 2)
    return Z.conj() @ Z.transpose(0, 2, 1) / X.shape[2]
