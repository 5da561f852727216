# %% [markdown] start="reference" about="Four misunderstandings: the numerator of the gain is taken for one, a loading that is not relative, the smallest eigenvalue, the reference is always microphone 0."

# %% answer="white_noise_gain"
def white_noise_gain(w, d):
    return -10 * np.log10(np.sum(np.abs(w) ** 2, axis=1))

# %% answer="mvdr_weights"
def mvdr_weights(covariance, d, loading):
    silent = np.trace(covariance, axis1=1, axis2=2).real == 0
    loaded = covariance + np.where(silent, 1.0, loading)[:, None, None] * np.eye(d.shape[1])
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% answer="gev_weights"
import scipy.linalg

def gev_weights(target, noise):
    return np.stack([scipy.linalg.eigh(s, v)[1][:, 0] for s, v in zip(target, noise)])

# %% answer="multichannel_wiener"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.linalg.solve(target + trade_off * noise, target[:, :, :1])[..., 0]
