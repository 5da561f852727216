# %% [markdown] start="reference" about="Divides without a guard: silence becomes NaN, or a matrix that cannot be inverted."

# %% answer="mvdr_weights"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + loading * power[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% answer="srp_phat_map"
def srp_phat_map(X, d):
    phases = X / np.abs(X)
    Y = np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)
    return np.mean(np.abs(Y) ** 2, axis=(1, 2))
