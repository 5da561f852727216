# %% [markdown] start="reference" about="Three misunderstandings: the speech's spectra learn as well, no root for Itakura-Saito, a column of the inverse."

# %% answer="semi_supervised_mask"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    W, n = np.hstack([W_speech, W_noise]), W_speech.shape[1]
    for _ in range(n_iterations):
        W, H = iterate_kl(V, W, H)
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% answer="update_source_model"
def update_source_model(P, bases, activations):
    def ratio(above, below):
        return np.divide(above, below, out=np.zeros(below.shape), where=below > 0)

    model = bases @ activations
    bases = bases * ratio((P / model**2) @ activations.T, (1 / model) @ activations.T)
    model = bases @ activations
    return bases, activations * ratio(bases.T @ (P / model**2), bases.T @ (1 / model))

# %% answer="images_at_microphone"
def images_at_microphone(W, X, i):
    Y = np.einsum("knc,ckm->nkm", W, X)
    return np.linalg.inv(W)[:, :, i].T[:, :, None] * Y
