# %% [markdown] start="reference" about="Powers where amplitudes are, and the mask multiplied into the sound."

# %% answer="beam_pattern"
def beam_pattern(w, d):
    response = np.abs(np.einsum("kc,akc->ak", w.conj(), d))
    return 10 * np.log10(np.maximum(response, 1e-6))

# %% answer="masked_covariances"
def masked_covariances(X, mask):
    def covariance(part):
        return np.einsum("ckm,dkm->kcd", part, part.conj()) / X.shape[2]

    return covariance(mask * X), covariance((1 - mask) * X)
