# %% [markdown] start="reference" about="Everything right, and every function written differently from the reference."

# %% answer="update_frobenius"
def update_frobenius(V, W, H):
    n_components, n_frames = H.shape
    model = np.dot(W, H)
    new = np.zeros((n_components, n_frames))
    for c in range(n_components):
        for m in range(n_frames):
            below = np.dot(W[:, c], model[:, m])
            if below > 0:
                new[c, m] = H[c, m] * np.dot(W[:, c], V[:, m]) / below
    return new

# %% answer="iterate_kl"
def quotient_or_zero(above, below):
    below = np.broadcast_to(below, np.shape(above))
    result = np.zeros(np.shape(above))
    positive = below > 0
    result[positive] = above[positive] / below[positive]
    return result

def iterate_kl(V, W, H):
    H_sums = np.array([row.sum() for row in H])
    new_W = quotient_or_zero(W * np.einsum("km,cm->kc", quotient_or_zero(V, W @ H), H), H_sums)
    W_sums = new_W.sum(axis=0).reshape(-1, 1)
    new_H = quotient_or_zero(H * np.einsum("kc,km->cm", new_W, quotient_or_zero(V, new_W @ H)), W_sums)
    return new_W, new_H

# %% answer="separate_groups"
def separate_groups(X, W, H, groups):
    model = W @ H
    parts = []
    for group in groups:
        share = np.full(X.shape, 1 / len(groups))
        of_group = sum(np.outer(W[:, c], H[c, :]) for c in group)
        share[model > 0] = of_group[model > 0] / model[model > 0]
        parts.append(share * X)
    return np.array(parts)

# %% answer="ideal_masks"
def ideal_masks(S, N):
    target = S.real**2 + S.imag**2
    total = target + N.real**2 + N.imag**2
    binary = (np.abs(S) > np.abs(N)).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = target / total
    ratio[total == 0] = 0.0
    return np.stack((binary, ratio), axis=0)

# %% answer="semi_supervised_mask"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    speech, noise = np.array(H[:n], dtype=float), np.array(H[n:], dtype=float)
    spectra = np.array(W_noise, dtype=float)

    def compare():
        model = W_speech @ speech + spectra @ noise
        return np.where(model > 0, V / np.where(model > 0, model, 1), 0)

    def scaled(values, above, below):
        return np.where(below > 0, values * above / np.where(below > 0, below, 1), 0)

    for _ in range(n_iterations):
        spectra = scaled(spectra, compare() @ noise.T, noise.sum(axis=1))
        quotient = compare()
        speech = scaled(speech, W_speech.T @ quotient, W_speech.sum(axis=0)[:, np.newaxis])
        noise = scaled(noise, spectra.T @ quotient, spectra.sum(axis=0)[:, np.newaxis])
    above, rest = W_speech @ speech, spectra @ noise
    return np.where(above + rest > 0, above / np.where(above + rest > 0, above + rest, 1), 1 / 2)

# %% answer="auxiliary_weights"
def auxiliary_weights(Y):
    power = np.einsum("nkm,nkm->nm", Y, np.conj(Y)).real
    heard = power > 0
    weights = np.zeros(power.shape)
    weights[heard] = 1 / np.sqrt(4 * power[heard])
    return weights

# %% answer="weighted_covariance"
def weighted_covariance(X, weights):
    n_channels, n_freqs, n_frames = X.shape
    U = np.empty((n_freqs, n_channels, n_channels), dtype=complex)
    for i in range(n_channels):
        for j in range(n_channels):
            U[:, i, j] = (X[i] * X[j].conj() * weights).mean(axis=1)
    return U

# %% answer="iterative_projection"
def iterative_projection(W, U, n):
    e = np.eye(W.shape[2])[n]
    rows = []
    for W_k, U_k in zip(W, U):
        w = np.linalg.solve(W_k @ U_k, e)
        rows.append(w.conj() / np.sqrt((w.conj() @ U_k @ w).real))
    new = W + 0j
    new[:, n, :] = rows
    return new

# %% answer="update_source_model"
def update_source_model(P, bases, activations):
    def root(above, below):
        return np.where(below > 0, (above / np.where(below > 0, below, 1)) ** 0.5, 0)

    inverse = 1 / np.einsum("kb,bm->km", bases, activations)
    new_bases = bases * root(np.einsum("km,bm->kb", P * inverse**2, activations), np.einsum("km,bm->kb", inverse, activations))
    inverse = 1 / np.einsum("kb,bm->km", new_bases, activations)
    new_activations = activations * root(np.einsum("kb,km->bm", new_bases, P * inverse**2), np.einsum("kb,km->bm", new_bases, inverse))
    return new_bases, new_activations

# %% answer="images_at_microphone"
def images_at_microphone(W, X, i):
    images = []
    A = np.linalg.inv(W)
    for n in range(W.shape[1]):
        output = sum(W[:, n, c, None] * X[c] for c in range(X.shape[0]))
        images.append(A[:, i, n, None] * output)
    return np.stack(images)

# %% [markdown] answer="monotone"
# (a) J(new) ≤ Q(new|old), since the bowl lies above the cost; Q(new|old) ≤ Q(old|old), since the new point is the bowl's minimum; Q(old|old) = J(old), since the bowl touches the cost there. Without the first the cost could rise while the bowl falls. Without the last we start too high on the bowl.
# (b) The squared step does not stop at the bowl's minimum, so the middle step has no reason any more.
# (c) No: the cost is not convex in W and H together. It ends in one of many valleys, and the start decides in which.

# %% [markdown] answer="bases"
# (a) One flat basis only knows when a source is loud, not where in frequency. Very many bases fit the mixture itself, so nothing is asked of W; frequencies come apart, and the start decides.
# (b) Few for 3 s of speech, whose spectra do not come back; more for a minute of a band, whose notes repeat. The length of the recording counts, too.
