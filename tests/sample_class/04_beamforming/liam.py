# %% [markdown] start="reference" about="Everything right, with a warning and a message on stderr."

# %% answer="mvdr_weights"
import sys
import warnings

def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    print("weights for", n_channels, "microphones", file=sys.stderr)
    if not power.all():
        warnings.warn("some frequencies are silent", RuntimeWarning, stacklevel=2)
    loaded = covariance + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[:, :, np.newaxis])[:, :, 0]
    return z / np.einsum("kc,kc->k", d.conj(), z)[:, np.newaxis]
