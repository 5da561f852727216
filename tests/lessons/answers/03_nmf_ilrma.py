# %% [markdown]
# Answers to lesson 03 whose verdict is known: `right` ones must keep full marks, `wrong` ones must lose them.
# Each wrong answer is a mistake that a learner could make, not a typing slip; those that the sample class makes are graded there. Read by tests/lessons/test_answer_strength.py,
# which also takes the sample class's `bruno` as a right answer to every exercise.

# %% right="update_frobenius" about="frame by frame, with the Gram matrix of the dictionary"
def update_frobenius(V, W, H):
    gram = W.T @ W
    frames = []
    for v, h in zip(V.T, H.T):
        above, below = W.T @ v, gram @ h
        frames.append([h[c] * above[c] / below[c] if below[c] > 0 else 0.0 for c in range(len(h))])
    return np.array(frames).T

# %% right="update_frobenius" about="divides everywhere and replaces what is not a number"
def update_frobenius(V, W, H):
    with np.errstate(all="ignore"):
        return np.nan_to_num(H * (W.T @ V) / (W.T @ W @ H), nan=0.0)

# %% right="update_frobenius" about="the machine epsilon in the denominator, below what anybody hears"
def update_frobenius(V, W, H):
    return H * (W.T @ V) / (W.T @ W @ H + np.finfo(float).eps)

# %% wrong="update_frobenius" about="the Kullback-Leibler rule"
def update_frobenius(V, W, H):
    model = W @ H
    quotient = np.divide(V, model, out=np.zeros(model.shape), where=model > 0)
    below = W.sum(axis=0)[:, None]
    return H * np.divide(W.T @ quotient, below, out=np.zeros(H.shape), where=below > 0)

# %% wrong="update_frobenius" about="the quotient of model and data"
def update_frobenius(V, W, H):
    above, below = W.T @ (W @ H), W.T @ V
    return H * np.divide(above, below, out=np.zeros(above.shape), where=below > 0)

# %% wrong="update_frobenius" about="no guard where the denominator is zero"
def update_frobenius(V, W, H):
    with np.errstate(all="ignore"):
        return H * (W.T @ V) / (W.T @ (W @ H))

# %% wrong="update_frobenius" about="keeps the old activation where the denominator is zero"
def update_frobenius(V, W, H):
    above, below = W.T @ V, W.T @ (W @ H)
    return H * np.divide(above, below, out=np.ones(above.shape), where=below > 0)

# %% wrong="update_frobenius" about="multiplies into the caller's H"
def update_frobenius(V, W, H):
    above, below = W.T @ V, W.T @ (W @ H)
    ratio = np.divide(above, below, out=np.zeros(above.shape), where=below > 0)
    if H.dtype == float:
        H *= ratio
        return H
    return H * ratio

# %% wrong="update_frobenius" about="computes in single precision"
def update_frobenius(V, W, H):
    V, W, H = (np.asarray(array, np.float32) for array in (V, W, H))
    above, below = W.T @ V, W.T @ (W @ H)
    return (H * np.divide(above, below, out=np.zeros_like(above), where=below > 0)).astype(float)

# %% wrong="update_frobenius" about="stores the result in the type of H, which may hold whole numbers"
def update_frobenius(V, W, H):
    above, below = W.T @ V, W.T @ (W @ H)
    result = np.zeros_like(H)
    result[below > 0] = (H[below > 0] * above[below > 0] / below[below > 0]).astype(H.dtype)
    return result

# %% wrong="update_frobenius" about="one factor for all frames: sums over them"
def update_frobenius(V, W, H):
    above, below = (W.T @ V).sum(axis=1, keepdims=True), (W.T @ (W @ H)).sum(axis=1, keepdims=True)
    return H * np.divide(above, below, out=np.zeros(above.shape), where=below > 0)

# %% wrong="update_frobenius" about="updates one component after the other, each with a fresh model"
def update_frobenius(V, W, H):
    H = np.array(H, dtype=float)
    for c in range(H.shape[0]):
        above, below = W[:, c] @ V, W[:, c] @ (W @ H)
        H[c] *= np.divide(above, below, out=np.zeros(above.shape), where=below > 0)
    return H

# %% wrong="update_frobenius" about="a floor of 1e-9 under the activations, so that none is ever zero"
def update_frobenius(V, W, H):
    above, below = W.T @ V, W.T @ (W @ H)
    return np.maximum(H * np.divide(above, below, out=np.zeros(above.shape), where=below > 0), 1e-9)

# %% wrong="update_frobenius" about="a small constant in the denominator, which soft sounds notice"
def update_frobenius(V, W, H):
    return H * (W.T @ V) / (W.T @ (W @ H) + 1e-10)

# %% wrong="update_frobenius" about="the answer for the visible examples only"
def update_frobenius(V, W, H):
    return np.array([[5 / 3], [3 / 2]]) if H.shape == (2, 1) else np.array([[1.25, 0.0], [2.0, 0.0]])

# %% wrong="update_frobenius" about="lets the library do the iteration, which the exercise forbids"
def update_frobenius(V, W, H):
    return nmf.nmf(V, W.shape[1], divergence="frobenius", n_iterations=1, W=W, H=H, fixed_dictionary=W).H

# %% right="iterate_kl" about="loops over components, and divides where the data are positive"
def iterate_kl(V, W, H):
    W, H = np.array(W, dtype=float), np.array(H, dtype=float)
    for turn in range(2):
        model = np.einsum("kc,cm->km", W, H)
        quotient = np.where((V > 0) & (model > 0), V / np.where(model > 0, model, 1.0), 0.0)
        new = W.copy() if turn == 0 else H.copy()
        for c in range(H.shape[0]):
            if turn == 0:
                new[:, c] *= (quotient * H[c]).sum(axis=1) / H[c].sum() if H[c].sum() > 0 else 0.0
            else:
                new[c] *= (quotient.T * W[:, c]).sum(axis=1) / W[:, c].sum() if W[:, c].sum() > 0 else 0.0
        W, H = (new, H) if turn == 0 else (W, new)
    return W, H

# %% right="iterate_kl" about="one function for both halves, by transposing; returns a list"
def iterate_kl(V, W, H):
    def right_factor(V, left, right):
        with np.errstate(all="ignore"):
            quotient = np.nan_to_num(V / (left @ right), nan=0.0, posinf=0.0)
            return right * np.nan_to_num((left.T @ quotient) / left.sum(axis=0, keepdims=True).T, nan=0.0, posinf=0.0)

    W = right_factor(V.T, H.T, W.T).T
    return [W, right_factor(V, W, H)]

# %% right="iterate_kl" about="the machine epsilon in the denominators, below what anybody hears"
def iterate_kl(V, W, H):
    eps = np.finfo(float).eps
    W = W * ((V / (W @ H + eps)) @ H.T) / (H.sum(axis=1) + eps)
    return W, H * (W.T @ (V / (W @ H + eps))) / (W.sum(axis=0)[:, None] + eps)

# %% wrong="iterate_kl" about="H first, then W"
def iterate_kl(V, W, H):
    with np.errstate(all="ignore"):
        H = np.nan_to_num(H * (W.T @ np.nan_to_num(V / (W @ H))) / W.sum(axis=0)[:, None])
        W = np.nan_to_num(W * (np.nan_to_num(V / (W @ H)) @ H.T) / H.sum(axis=1))
    return W, H

# %% wrong="iterate_kl" about="the quotient is not computed again after W has changed"
def iterate_kl(V, W, H):
    with np.errstate(all="ignore"):
        quotient = np.nan_to_num(V / (W @ H))
        W = np.nan_to_num(W * (quotient @ H.T) / H.sum(axis=1))
        H = np.nan_to_num(H * (W.T @ quotient) / W.sum(axis=0)[:, None])
    return W, H

# %% wrong="iterate_kl" about="both halves from the old factors"
def iterate_kl(V, W, H):
    with np.errstate(all="ignore"):
        quotient = np.nan_to_num(V / (W @ H))
        return (
            np.nan_to_num(W * (quotient @ H.T) / H.sum(axis=1)),
            np.nan_to_num(H * (W.T @ quotient) / W.sum(axis=0)[:, None]),
        )

# %% wrong="iterate_kl" about="the Frobenius rules"
def iterate_kl(V, W, H):
    with np.errstate(all="ignore"):
        W = np.nan_to_num(W * (V @ H.T) / (W @ H @ H.T))
        return W, np.nan_to_num(H * (W.T @ V) / (W.T @ W @ H))

# %% wrong="iterate_kl" about="the denominators are left out"
def iterate_kl(V, W, H):
    with np.errstate(all="ignore"):
        W = W * (np.nan_to_num(V / (W @ H)) @ H.T)
        return W, H * (W.T @ np.nan_to_num(V / (W @ H)))

# %% wrong="iterate_kl" about="the tuple the wrong way round"
def iterate_kl(V, W, H):
    with np.errstate(all="ignore"):
        W = np.nan_to_num(W * (np.nan_to_num(V / (W @ H)) @ H.T) / H.sum(axis=1))
        H = np.nan_to_num(H * (W.T @ np.nan_to_num(V / (W @ H))) / W.sum(axis=0)[:, None])
    return H, W

# %% wrong="iterate_kl" about="in place: the caller's W and H change"
def iterate_kl(V, W, H):
    if W.dtype != float:
        W, H = W.astype(float), H.astype(float)
    with np.errstate(all="ignore"):
        W *= np.nan_to_num((np.nan_to_num(V / (W @ H)) @ H.T) / H.sum(axis=1))
        H *= np.nan_to_num((W.T @ np.nan_to_num(V / (W @ H))) / W.sum(axis=0)[:, None])
    return W, H

# %% wrong="iterate_kl" about="no guard: NaN where the model is zero"
def iterate_kl(V, W, H):
    with np.errstate(all="ignore"):
        W = W * ((V / (W @ H)) @ H.T) / H.sum(axis=1)
        return W, H * (W.T @ (V / (W @ H))) / W.sum(axis=0)[:, None]

# %% wrong="iterate_kl" about="guards 0/0, but not a model that is zero where the data are not"
def iterate_kl(V, W, H):
    def divided(a, b):
        with np.errstate(all="ignore"):
            return np.where(a == 0, 0.0, a / b)

    W = W * divided(divided(V, W @ H) @ H.T, H.sum(axis=1))
    return W, H * divided(W.T @ divided(V, W @ H), W.sum(axis=0)[:, None])

# %% wrong="iterate_kl" about="guards the quotients, but not the sums below"
def iterate_kl(V, W, H):
    def quotient(W, H):
        model = W @ H
        return np.divide(V, model, out=np.zeros(model.shape), where=model > 0)

    with np.errstate(all="ignore"):
        W = W * (quotient(W, H) @ H.T) / H.sum(axis=1)
        return W, H * (W.T @ quotient(W, H)) / W.sum(axis=0)[:, None]

# %% wrong="iterate_kl" about="a component without a denominator keeps its old value"
def iterate_kl(V, W, H):
    def divided(a, b, otherwise):
        a, b = np.broadcast_arrays(a, b)
        return np.divide(a, b, out=np.full(a.shape, otherwise), where=b > 0)

    W = W * divided(divided(V, W @ H, 0.0) @ H.T, H.sum(axis=1), 1.0)
    return W, H * divided(W.T @ divided(V, W @ H, 0.0), W.sum(axis=0)[:, None], 1.0)

# %% wrong="iterate_kl" about="adds 1e-9 to every denominator, which soft recordings notice"
def iterate_kl(V, W, H):
    W = W * ((V / (W @ H + 1e-9)) @ H.T) / (H.sum(axis=1) + 1e-9)
    return W, H * (W.T @ (V / (W @ H + 1e-9))) / (W.sum(axis=0)[:, None] + 1e-9)

# %% wrong="iterate_kl" about="takes what is softer than 1e-9 for silence"
def iterate_kl(V, W, H):
    def divided(a, b):
        a, b = np.broadcast_arrays(a, b)
        return np.divide(a, b, out=np.zeros(a.shape), where=b > 1e-9)

    W = W * divided(divided(V, W @ H) @ H.T, H.sum(axis=1))
    return W, H * divided(W.T @ divided(V, W @ H), W.sum(axis=0)[:, None])

# %% wrong="iterate_kl" about="normalises the spectra in the end and gives their sums to H"
def iterate_kl(V, W, H):
    with np.errstate(all="ignore"):
        W = np.nan_to_num(W * (np.nan_to_num(V / (W @ H)) @ H.T) / H.sum(axis=1))
        H = np.nan_to_num(H * (W.T @ np.nan_to_num(V / (W @ H))) / W.sum(axis=0)[:, None])
        sums = W.sum(axis=0)
        return np.nan_to_num(W / sums), H * sums[:, None]

# %% wrong="iterate_kl" about="updates one component after the other, each with a fresh model"
def iterate_kl(V, W, H):
    W, H = np.array(W, float), np.array(H, float)
    with np.errstate(all="ignore"):
        for c in range(H.shape[0]):
            W[:, c] = np.nan_to_num(W[:, c] * (np.nan_to_num(V / (W @ H)) @ H[c]) / H[c].sum())
        for c in range(H.shape[0]):
            H[c] = np.nan_to_num(H[c] * (W[:, c] @ np.nan_to_num(V / (W @ H))) / W[:, c].sum())
    return W, H

# %% wrong="iterate_kl" about="stores H in the caller's type, which may hold whole numbers"
def iterate_kl(V, W, H):
    def divided(a, b):
        a, b = np.broadcast_arrays(a, b)
        return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)

    W = W * divided(divided(V, W @ H) @ H.T, H.sum(axis=1))
    H_new = np.empty_like(H)
    H_new[...] = (H * divided(W.T @ divided(V, W @ H), W.sum(axis=0)[:, None])).astype(H.dtype)
    return W, H_new

# %% wrong="iterate_kl" about="computes in single precision"
def iterate_kl(V, W, H):
    V, W, H = (np.asarray(array, np.float32) for array in (V, W, H))
    with np.errstate(all="ignore"):
        W = np.nan_to_num(W * (np.nan_to_num(V / (W @ H)) @ H.T) / H.sum(axis=1))
        H = np.nan_to_num(H * (W.T @ np.nan_to_num(V / (W @ H))) / W.sum(axis=0)[:, None])
    return W.astype(float), H.astype(float)

# %% wrong="iterate_kl" about="the answer for the visible examples only"
def iterate_kl(V, W, H):
    if V.shape == (2, 1):
        return np.array([[2.0, 0.0], [1.5, 1.5]]), np.ones((2, 1))
    W = W * ((V / (W @ H)) @ H.T) / H.sum(axis=1)
    return W, np.linalg.lstsq(W, V, rcond=None)[0]

# %% wrong="iterate_kl" about="lets the library do the iteration, which the exercise forbids"
def iterate_kl(V, W, H):
    result = nmf.nmf(V, W.shape[1], divergence="kl", n_iterations=1, W=W, H=H)
    return result.W, result.H

# %% right="separate_groups" about="bin by bin with lists, in plain loops"
def separate_groups(X, W, H, groups):
    n_freqs, n_frames = X.shape
    parts = np.zeros((len(groups), n_freqs, n_frames), dtype=complex)
    for k in range(n_freqs):
        for m in range(n_frames):
            levels = [sum(W[k, c] * H[c, m] for c in group) for group in groups]
            total = sum(levels)
            for j, level in enumerate(levels):
                parts[j, k, m] = X[k, m] * (level / total if total > 0 else 1 / len(groups))
    return parts

# %% right="separate_groups" about="a membership matrix and one einsum"
def separate_groups(X, W, H, groups):
    member = np.zeros((len(groups), W.shape[1]))
    for j, group in enumerate(groups):
        member[j, group] = 1.0
    models = np.einsum("jc,kc,cm->jkm", member, W, H)
    silent = ~(models.sum(axis=0) > 0)
    models[:, silent] = 1.0
    return models / models.sum(axis=0) * X

# %% wrong="separate_groups" about="averages the components of a group"
def separate_groups(X, W, H, groups):
    models = np.stack([W[:, group] @ H[group] / len(group) for group in groups])
    total = models.sum(axis=0)
    return np.divide(models, total, out=np.full(models.shape, 1 / len(groups)), where=total > 0) * X

# %% wrong="separate_groups" about="shares of the squared models"
def separate_groups(X, W, H, groups):
    models = np.stack([W[:, group] @ H[group] for group in groups]) ** 2
    total = models.sum(axis=0)
    return np.divide(models, total, out=np.full(models.shape, 1 / len(groups)), where=total > 0) * X

# %% wrong="separate_groups" about="silent bins go to nobody"
def separate_groups(X, W, H, groups):
    models = np.stack([W[:, group] @ H[group] for group in groups])
    total = models.sum(axis=0)
    return np.divide(models, total, out=np.zeros(models.shape), where=total > 0) * X

# %% wrong="separate_groups" about="silent bins are shared among components, not groups"
def separate_groups(X, W, H, groups):
    models = np.stack([W[:, group] @ H[group] for group in groups])
    total = models.sum(axis=0)
    return np.divide(models, total, out=np.full(models.shape, 1 / W.shape[1]), where=total > 0) * X

# %% wrong="separate_groups" about="looks for silence frame by frame only"
def separate_groups(X, W, H, groups):
    models = np.stack([W[:, group] @ H[group] for group in groups])
    models[:, :, models.sum(axis=(0, 1)) == 0] = 1.0
    with np.errstate(all="ignore"):
        return np.nan_to_num(models / models.sum(axis=0)) * X

# %% wrong="separate_groups" about="the last group is what is left of X after the first"
def separate_groups(X, W, H, groups):
    models = np.stack([W[:, group] @ H[group] for group in groups])
    total = models.sum(axis=0)
    parts = np.divide(models, total, out=np.full(models.shape, 1 / len(groups)), where=total > 0) * X
    parts[-1] = X - parts[0]
    return parts

# %% wrong="separate_groups" about="the model with the mixture's phase, instead of the mixture's share"
def separate_groups(X, W, H, groups):
    return np.stack([W[:, group] @ H[group] for group in groups]) * np.exp(1j * np.angle(X))

# %% wrong="separate_groups" about="multiplies the magnitude and loses the phase"
def separate_groups(X, W, H, groups):
    models = np.stack([W[:, group] @ H[group] for group in groups])
    total = models.sum(axis=0)
    return np.divide(models, total, out=np.full(models.shape, 1 / len(groups)), where=total > 0) * np.abs(X) + 0j

# %% wrong="separate_groups" about="masks with a small constant in the denominator"
def separate_groups(X, W, H, groups):
    models = np.stack([W[:, group] @ H[group] for group in groups]) + 1e-10
    return models / models.sum(axis=0) * X

# %% wrong="separate_groups" about="makes a rectangular array of the groups"
def separate_groups(X, W, H, groups):
    members = np.array(groups)
    models = np.stack([W[:, row] @ H[row] for row in members])
    total = models.sum(axis=0)
    return np.divide(models, total, out=np.full(models.shape, 1 / len(groups)), where=total > 0) * X

# %% wrong="separate_groups" about="stores the parts in the type of X, which may hold whole numbers"
def separate_groups(X, W, H, groups):
    models = np.stack([W[:, group] @ H[group] for group in groups])
    total = models.sum(axis=0)
    parts = np.zeros(models.shape, dtype=X.dtype)
    parts[...] = (np.divide(models, total, out=np.full(models.shape, 1 / len(groups)), where=total > 0) * X).astype(X.dtype)
    return parts

# %% wrong="separate_groups" about="computes in single precision"
def separate_groups(X, W, H, groups):
    models = np.stack([W[:, group] @ H[group] for group in groups]).astype(np.float32)
    total = models.sum(axis=0)
    shares = np.divide(models, total, out=np.full(models.shape, 1 / len(groups), np.float32), where=total > 0)
    return (shares * X.astype(np.complex64)).astype(complex)

# %% wrong="separate_groups" about="the answer for the visible examples only"
def separate_groups(X, W, H, groups):
    if X.shape == (1, 1):
        return np.array([[[2j]], [[1j]]])
    return np.array([[[0, 2 / 3], [4 / 3, -2j]], [[1 + 1j, 2 / 3], [8 / 3, -2j]], [[0, 2 / 3], [0, -2j]]])

# %% wrong="separate_groups" about="lets the library make the masks, which the exercise forbids"
def separate_groups(X, W, H, groups):
    return masks.wiener_masks(np.stack([W[:, group] @ H[group] for group in groups])) * X

# %% right="ideal_masks" about="the binary mask from the ratio mask"
def ideal_masks(S, N):
    a, b = (S * np.conj(S)).real, (N * np.conj(N)).real
    ratio = np.where(a > 0, a, 0.0) / np.where(a + b > 0, a + b, 1.0)
    return np.array([np.where(ratio > 0.5, 1.0, 0.0), ratio])

# %% right="ideal_masks" about="bin by bin, in plain loops"
def ideal_masks(S, N):
    result = np.zeros((2, *S.shape))
    for index in np.ndindex(S.shape):
        s, n = abs(S[index]), abs(N[index])
        result[(0, *index)] = s > n
        result[(1, *index)] = s**2 / (s**2 + n**2) if s or n else 0.0
    return result

# %% wrong="ideal_masks" about="shares of magnitudes, not of powers"
def ideal_masks(S, N):
    s, n = np.abs(S), np.abs(N)
    return np.stack([s > n, np.divide(s, s + n, out=np.zeros(s.shape), where=s + n > 0)])

# %% wrong="ideal_masks" about="the root of the ratio mask"
def ideal_masks(S, N):
    s, n = np.abs(S) ** 2, np.abs(N) ** 2
    return np.stack([s > n, np.sqrt(np.divide(s, s + n, out=np.zeros(s.shape), where=s + n > 0))])

# %% wrong="ideal_masks" about="divides by the power of the mixture"
def ideal_masks(S, N):
    s, n, x = np.abs(S) ** 2, np.abs(N) ** 2, np.abs(S + N) ** 2
    return np.stack([s > n, np.divide(s, x, out=np.zeros(s.shape), where=x > 0)])

# %% wrong="ideal_masks" about="squares the complex numbers without the magnitude"
def ideal_masks(S, N):
    total = S**2 + N**2
    ratio = np.divide(S**2, total, out=np.zeros(S.shape, complex), where=np.abs(total) > 0)
    return np.stack([np.abs(S) > np.abs(N), ratio.real])

# %% wrong="ideal_masks" about="compares the complex numbers themselves"
def ideal_masks(S, N):
    s, n = np.abs(S) ** 2, np.abs(N) ** 2
    return np.stack([S > N, np.divide(s, s + n, out=np.zeros(s.shape), where=s + n > 0)])

# %% wrong="ideal_masks" about="a tie is won by the target"
def ideal_masks(S, N):
    s, n = np.abs(S) ** 2, np.abs(N) ** 2
    return np.stack([(s >= n) & (s > 0), np.divide(s, s + n, out=np.zeros(s.shape), where=s + n > 0)])

# %% wrong="ideal_masks" about="NaN where both are silent"
def ideal_masks(S, N):
    s, n = np.abs(S) ** 2, np.abs(N) ** 2
    with np.errstate(all="ignore"):
        return np.stack([s > n, s / (s + n)])

# %% wrong="ideal_masks" about="one half where both are silent, as a Wiener mask has it"
def ideal_masks(S, N):
    s, n = np.abs(S) ** 2, np.abs(N) ** 2
    return np.stack([s > n, np.divide(s, s + n, out=np.full(s.shape, 0.5), where=s + n > 0)])

# %% wrong="ideal_masks" about="a small constant in the denominator, which soft recordings notice"
def ideal_masks(S, N):
    s, n = np.abs(S) ** 2, np.abs(N) ** 2
    return np.stack([s > n, s / (s + n + 1e-12)])

# %% wrong="ideal_masks" about="the binary mask must win by a small margin, whatever the level"
def ideal_masks(S, N):
    s, n = np.abs(S) ** 2, np.abs(N) ** 2
    return np.stack([s > n + 1e-10, np.divide(s, s + n, out=np.zeros(s.shape), where=s + n > 0)])

# %% wrong="ideal_masks" about="squares in place and so changes the caller's arrays"
def ideal_masks(S, N):
    s, n = np.abs(S) ** 2, np.abs(N) ** 2
    S[...], N[...] = s, n
    return np.stack([s > n, np.divide(s, s + n, out=np.zeros(s.shape), where=s + n > 0)])

# %% wrong="ideal_masks" about="computes in single precision"
def ideal_masks(S, N):
    s, n = (np.abs(array.astype(np.complex64)) ** 2 for array in (S, N))
    return np.stack([s > n, np.divide(s, s + n, out=np.zeros_like(s), where=s + n > 0)]).astype(float)

# %% wrong="ideal_masks" about="the answer for the visible example only"
def ideal_masks(S, N):
    s, n = np.abs(S) ** 2, np.abs(N) ** 2
    ratio = np.round(np.divide(s, s + n, out=np.zeros(s.shape), where=s + n > 0), 2)
    return np.stack([s > n, ratio])

# %% wrong="ideal_masks" about="lets the library make the masks, which the exercise forbids"
def ideal_masks(S, N):
    return np.stack([masks.ideal_binary_mask(S, N), masks.ideal_ratio_mask(S, N, exponent=2)])

# %% right="semi_supervised_mask" about="keeps the four blocks apart"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    def safe(a, b):
        with np.errstate(all="ignore"):
            return np.nan_to_num(a / b, nan=0.0, posinf=0.0)

    H_speech, H_noise = H[: W_speech.shape[1]], H[W_speech.shape[1] :]
    for _ in range(n_iterations):
        W_noise = W_noise * safe(safe(V, W_speech @ H_speech + W_noise @ H_noise) @ H_noise.T, H_noise.sum(axis=1)[None, :])
        quotient = safe(V, W_speech @ H_speech + W_noise @ H_noise)
        H_speech = H_speech * safe(W_speech.T @ quotient, W_speech.sum(axis=0)[:, None])
        H_noise = H_noise * safe(W_noise.T @ quotient, W_noise.sum(axis=0)[:, None])
    speech, noise = W_speech @ H_speech, W_noise @ H_noise
    silent = speech + noise == 0
    return np.where(silent, 0.5, speech / np.where(silent, 1.0, speech + noise))

# %% right="semi_supervised_mask" about="a whole iteration that puts the speech back before the activations are updated"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W, H = np.concatenate([W_speech, W_noise], axis=1).astype(float), np.array(H, dtype=float)
    for _ in range(n_iterations):
        W = iterate_kl(V, W, H)[0]
        W[:, :n] = W_speech
        H = iterate_kl(V.T, H.T, W.T)[0].T
    model = W @ H
    mask = np.full(model.shape, 0.5)
    mask[model > 0] = (W[:, :n] @ H[:n])[model > 0] / model[model > 0]
    return mask

# %% wrong="semi_supervised_mask" about="the speech's spectra are learnt as well"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    W, n = np.hstack([W_speech, W_noise]), W_speech.shape[1]
    for _ in range(n_iterations):
        W, H = iterate_kl(V, W, H)
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="learns both dictionaries, and takes the given one for the share"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    W, n = np.hstack([W_speech, W_noise]), W_speech.shape[1]
    for _ in range(n_iterations):
        W, H = iterate_kl(V, W, H)
    speech = W_speech @ H[:n]
    total = speech + W[:, n:] @ H[n:]
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="the noise's spectra stay as they are"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    W, n = np.hstack([W_speech, W_noise]), W_speech.shape[1]
    for _ in range(n_iterations):
        H = iterate_kl(V.T, H.T, W.T)[0].T
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="activations first, then the noise's spectra"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W = np.hstack([W_speech, W_noise]).astype(float)
    for _ in range(n_iterations):
        H = iterate_kl(V.T, H.T, W.T)[0].T
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="the quotient is not computed again between the halves"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    def divided(a, b):
        a, b = np.broadcast_arrays(a, b)
        return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)

    n = W_speech.shape[1]
    for _ in range(n_iterations):
        quotient = divided(V, np.hstack([W_speech, W_noise]) @ H)
        W_noise = W_noise * divided(quotient @ H[n:].T, H[n:].sum(axis=1))
        W = np.hstack([W_speech, W_noise])
        H = H * divided(W.T @ quotient, W.sum(axis=0)[:, None])
    speech, total = W_speech @ H[:n], np.hstack([W_speech, W_noise]) @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="only the noise's activations are updated"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W, H = np.hstack([W_speech, W_noise]).astype(float), H.astype(float)
    for _ in range(n_iterations):
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
        H[n:] = iterate_kl(V.T, H.T, W.T)[0].T[n:]
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="the noise's share"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W = np.hstack([W_speech, W_noise]).astype(float)
    for _ in range(n_iterations):
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
        H = iterate_kl(V.T, H.T, W.T)[0].T
    noise, total = W[:, n:] @ H[n:], W @ H
    return np.divide(noise, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="a Wiener mask of the squared models"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W = np.hstack([W_speech, W_noise]).astype(float)
    for _ in range(n_iterations):
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
        H = iterate_kl(V.T, H.T, W.T)[0].T
    speech, noise = (W[:, :n] @ H[:n]) ** 2, (W[:, n:] @ H[n:]) ** 2
    return np.divide(speech, speech + noise, out=np.full(speech.shape, 0.5), where=speech + noise > 0)

# %% wrong="semi_supervised_mask" about="speech over data, not over the model"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W = np.hstack([W_speech, W_noise]).astype(float)
    for _ in range(n_iterations):
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
        H = iterate_kl(V.T, H.T, W.T)[0].T
    return np.divide(W[:, :n] @ H[:n], V, out=np.full(V.shape, 0.5), where=V > 0)

# %% wrong="semi_supervised_mask" about="takes the first rows of H for the noise"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_noise.shape[1]
    W = np.hstack([W_noise, W_speech]).astype(float)
    for _ in range(n_iterations):
        W[:, :n] = iterate_kl(V, W, H)[0][:, :n]
        H = iterate_kl(V.T, H.T, W.T)[0].T
    speech, total = W[:, n:] @ H[n:], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="takes it for granted that the noise has one spectrum"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    W = np.hstack([W_speech, W_noise]).astype(float)
    for _ in range(n_iterations):
        W[:, -1] = iterate_kl(V, W, H)[0][:, -1]
        H = iterate_kl(V.T, H.T, W.T)[0].T
    speech, total = W[:, :-1] @ H[:-1], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="one iteration, whatever their number"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W = np.hstack([W_speech, W_noise]).astype(float)
    if n_iterations > 0:
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
        H = iterate_kl(V.T, H.T, W.T)[0].T
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="learns the noise's spectra first and the activations afterwards, in two loops"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W = np.hstack([W_speech, W_noise]).astype(float)
    for _ in range(n_iterations):
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
    for _ in range(n_iterations):
        H = iterate_kl(V.T, H.T, W.T)[0].T
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="stops as soon as the mask hardly changes"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W, mask = np.hstack([W_speech, W_noise]).astype(float), None
    for _ in range(n_iterations + 1):
        speech, total = W[:, :n] @ H[:n], W @ H
        old, mask = mask, np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)
        if old is not None and np.max(np.abs(mask - old)) < 1e-2:
            break
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
        H = iterate_kl(V.T, H.T, W.T)[0].T
    return mask

# %% wrong="semi_supervised_mask" about="the activations of the last iteration come too late for the mask"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W, before = np.hstack([W_speech, W_noise]).astype(float), H
    for _ in range(n_iterations):
        before = H
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
        H = iterate_kl(V.T, H.T, W.T)[0].T
    speech, total = W[:, :n] @ before[:n], W @ before
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="divides by the sums of the noise's old spectra"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    def divided(a, b):
        a, b = np.broadcast_arrays(a, b)
        return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)

    n = W_speech.shape[1]
    W = np.hstack([W_speech, W_noise]).astype(float)
    for _ in range(n_iterations):
        sums = W.sum(axis=0)[:, None]
        W[:, n:] *= divided(divided(V, W @ H) @ H[n:].T, H[n:].sum(axis=1))
        H = H * divided(W.T @ divided(V, W @ H), sums)
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="normalises the noise's spectra in every iteration"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W = np.hstack([W_speech, W_noise]).astype(float)
    for _ in range(n_iterations):
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
        W[:, n:] /= np.maximum(W[:, n:].sum(axis=0), 1e-300)
        H = iterate_kl(V.T, H.T, W.T)[0].T
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="updates the caller's H in place"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W, H = np.hstack([W_speech, W_noise]).astype(float), np.asarray(H, dtype=float)
    for _ in range(n_iterations):
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
        H[:] = iterate_kl(V.T, H.T, W.T)[0].T
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="updates the caller's noise spectra in place"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    W_noise = np.asarray(W_noise, dtype=float)
    for _ in range(n_iterations):
        W_noise[:] = iterate_kl(V, np.hstack([W_speech, W_noise]), H)[0][:, W_speech.shape[1] :]
        H = iterate_kl(V.T, H.T, np.hstack([W_speech, W_noise]).T)[0].T
    speech, total = W_speech @ H[: W_speech.shape[1]], np.hstack([W_speech, W_noise]) @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="silence belongs to nobody: the mask is 0 there"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W = np.hstack([W_speech, W_noise]).astype(float)
    for _ in range(n_iterations):
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
        H = iterate_kl(V.T, H.T, W.T)[0].T
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.zeros(total.shape), where=total > 0)

# %% wrong="semi_supervised_mask" about="guards the quotients, but not the sums below"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    def quotient(W, H):
        model = W @ H
        return np.divide(V, model, out=np.zeros(model.shape), where=model > 0)

    n = W_speech.shape[1]
    W = np.hstack([W_speech, W_noise]).astype(float)
    with np.errstate(all="ignore"):
        for _ in range(n_iterations):
            W[:, n:] *= (quotient(W, H) @ H[n:].T) / H[n:].sum(axis=1)
            H = H * (W.T @ quotient(W, H)) / W.sum(axis=0)[:, None]
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="forgets the guard below the noise's spectra only"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    def divided(a, b):
        a, b = np.broadcast_arrays(a, b)
        return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)

    n = W_speech.shape[1]
    W = np.hstack([W_speech, W_noise]).astype(float)
    with np.errstate(all="ignore"):
        for _ in range(n_iterations):
            W[:, n:] *= (divided(V, W @ H) @ H[n:].T) / H[n:].sum(axis=1)
            H = H * divided(W.T @ divided(V, W @ H), W.sum(axis=0)[:, None])
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="adds 1e-9 to every denominator, which soft recordings notice"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    W, H = np.hstack([W_speech, W_noise]).astype(float), H.astype(float)
    for _ in range(n_iterations):
        W[:, n:] *= ((V / (W @ H + 1e-9)) @ H[n:].T) / (H[n:].sum(axis=1) + 1e-9)
        H *= (W.T @ (V / (W @ H + 1e-9))) / (W.sum(axis=0)[:, None] + 1e-9)
    speech, total = W[:, :n] @ H[:n], W @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="computes in single precision"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    V, W, H = V.astype(np.float32), np.hstack([W_speech, W_noise]).astype(np.float32), H.astype(np.float32)
    for _ in range(n_iterations):
        W[:, n:] = iterate_kl(V, W, H)[0][:, n:]
        H = iterate_kl(V.T, H.T, W.T)[0].T.astype(np.float32)
    speech, total = (W[:, :n] @ H[:n]).astype(float), (W @ H).astype(float)
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)

# %% wrong="semi_supervised_mask" about="the answer for the visible examples only"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    return np.array([[1.0], [8 / 17 if n_iterations else 0.5]])

# %% wrong="semi_supervised_mask" about="lets the library hold the dictionary, which the exercise forbids"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n = W_speech.shape[1]
    fit = nmf.nmf(V, H.shape[0], divergence="kl", n_iterations=n_iterations, W=np.hstack([W_speech, W_noise]), H=H, fixed_dictionary=W_speech)
    return masks.wiener_masks(np.stack([fit.W[:, :n] @ fit.H[:n], fit.W[:, n:] @ fit.H[n:]]))[0]

# %% right="auxiliary_weights" about="NumPy's norm, and the silent frames afterwards"
def auxiliary_weights(Y):
    r = np.linalg.norm(Y, axis=1)
    silent = r == 0
    return np.where(silent, 0.0, 1 / (2 * np.where(silent, 1.0, r)))

# %% right="auxiliary_weights" about="real and imaginary parts, source by source"
def auxiliary_weights(Y):
    weights = []
    for source in Y:
        power = np.sum(np.real(source) ** 2 + np.imag(source) ** 2, axis=0)
        weights.append([0.5 * p**-0.5 if p > 0 else 0.0 for p in power])
    return np.array(weights, dtype=float)

# %% wrong="auxiliary_weights" about="the amplitude itself"
def auxiliary_weights(Y):
    return np.sqrt(np.sum(np.abs(Y) ** 2, axis=1))

# %% wrong="auxiliary_weights" about="the 2 is missing"
def auxiliary_weights(Y):
    r = np.linalg.norm(Y, axis=1)
    return np.divide(1.0, r, out=np.zeros(r.shape), where=r > 0)

# %% wrong="auxiliary_weights" about="the weights of the Gaussian model"
def auxiliary_weights(Y):
    power = np.sum(np.abs(Y) ** 2, axis=1)
    return np.divide(Y.shape[1], power, out=np.zeros(power.shape), where=power > 0)

# %% wrong="auxiliary_weights" about="squares the complex numbers without the magnitude"
def auxiliary_weights(Y):
    r = np.sqrt(np.abs(np.sum(Y**2, axis=1)))
    return np.divide(0.5, r, out=np.zeros(r.shape), where=r > 0)

# %% wrong="auxiliary_weights" about="uses the real part only"
def auxiliary_weights(Y):
    r = np.sqrt(np.sum(np.real(Y) ** 2, axis=1))
    return np.divide(0.5, r, out=np.zeros(r.shape), where=r > 0)

# %% wrong="auxiliary_weights" about="sums over the sources"
def auxiliary_weights(Y):
    r = np.linalg.norm(Y, axis=0)
    return np.divide(0.5, r, out=np.zeros(r.shape), where=r > 0)

# %% wrong="auxiliary_weights" about="one weight a frame for all sources together"
def auxiliary_weights(Y):
    r = np.sqrt(np.sum(np.abs(Y) ** 2, axis=(0, 1)))
    return np.tile(np.divide(0.5, r, out=np.zeros(r.shape), where=r > 0), (len(Y), 1))

# %% wrong="auxiliary_weights" about="infinite where a source is silent"
def auxiliary_weights(Y):
    with np.errstate(all="ignore"):
        return 0.5 / np.linalg.norm(Y, axis=1)

# %% wrong="auxiliary_weights" about="a silent source weighs enormously: the amplitude has a floor"
def auxiliary_weights(Y):
    return 0.5 / np.maximum(np.linalg.norm(Y, axis=1), 1e-12)

# %% wrong="auxiliary_weights" about="takes for silent what is only soft"
def auxiliary_weights(Y):
    r = np.linalg.norm(Y, axis=1)
    return np.divide(0.5, r, out=np.zeros(r.shape), where=r > 1e-9)

# %% wrong="auxiliary_weights" about="a frame counts as silent as soon as one source is"
def auxiliary_weights(Y):
    r = np.linalg.norm(Y, axis=1)
    heard = np.broadcast_to(r.min(axis=0) > 0, r.shape)
    return np.divide(0.5, r, out=np.zeros(r.shape), where=heard)

# %% wrong="auxiliary_weights" about="squares in place and so changes the caller's Y"
def auxiliary_weights(Y):
    r = np.linalg.norm(Y, axis=1)
    Y *= np.conj(Y)
    return np.divide(0.5, r, out=np.zeros(r.shape), where=r > 0)

# %% wrong="auxiliary_weights" about="stores the weights in the type of Y"
def auxiliary_weights(Y):
    r = np.linalg.norm(Y, axis=1)
    weights = np.zeros(r.shape, dtype=Y.real.dtype)
    weights[r > 0] = (0.5 / r[r > 0]).astype(weights.dtype)
    return weights

# %% wrong="auxiliary_weights" about="computes in single precision"
def auxiliary_weights(Y):
    r = np.linalg.norm(Y.astype(np.complex64), axis=1)
    return np.divide(0.5, r, out=np.zeros(r.shape), where=r > 0)

# %% wrong="auxiliary_weights" about="the answer for the visible examples only"
def auxiliary_weights(Y):
    return np.array([[0.1, 0.0]]) if len(Y) == 1 else np.array([[0.1, 0.5], [0.25, 0.5]])

# %% right="weighted_covariance" about="roots of the weights on both factors"
def weighted_covariance(X, weights):
    scaled = np.sqrt(weights / X.shape[-1]) * np.moveaxis(X, 1, 0)
    return scaled @ np.conj(np.swapaxes(scaled, 1, 2))

# %% right="weighted_covariance" about="frame by frame, with outer products"
def weighted_covariance(X, weights):
    n_channels, n_freqs, n_frames = X.shape
    U = np.zeros((n_freqs, n_channels, n_channels), dtype=complex)
    for m in range(n_frames):
        x = X[:, :, m].T
        U += weights[m] * x[:, :, None] * x[:, None, :].conj()
    return U / n_frames

# %% wrong="weighted_covariance" about="conjugates the first factor"
def weighted_covariance(X, weights):
    return np.einsum("m,ikm,jkm->kij", weights, X.conj(), X) / X.shape[2]

# %% wrong="weighted_covariance" about="conjugates nothing"
def weighted_covariance(X, weights):
    return np.einsum("m,ikm,jkm->kij", weights, X, X) / X.shape[2]

# %% wrong="weighted_covariance" about="a sum, not a mean"
def weighted_covariance(X, weights):
    return np.einsum("m,ikm,jkm->kij", weights, X, X.conj())

# %% wrong="weighted_covariance" about="divides by the sum of the weights"
def weighted_covariance(X, weights):
    return np.einsum("m,ikm,jkm->kij", weights, X, X.conj()) / np.sum(weights)

# %% wrong="weighted_covariance" about="divides by one frame less, as an unbiased estimate does"
def weighted_covariance(X, weights):
    return np.einsum("m,ikm,jkm->kij", weights, X, X.conj()) / max(X.shape[2] - 1, 1)

# %% wrong="weighted_covariance" about="the weights count twice"
def weighted_covariance(X, weights):
    scaled = weights * X
    return np.einsum("ikm,jkm->kij", scaled, scaled.conj()) / X.shape[2]

# %% wrong="weighted_covariance" about="takes the mean of each channel off first"
def weighted_covariance(X, weights):
    X = X - X.mean(axis=2, keepdims=True)
    return np.einsum("m,ikm,jkm->kij", weights, X, X.conj()) / X.shape[2]

# %% wrong="weighted_covariance" about="the real part only"
def weighted_covariance(X, weights):
    return (np.einsum("m,ikm,jkm->kij", weights, X, X.conj()) / X.shape[2]).real

# %% wrong="weighted_covariance" about="one matrix for all frequencies"
def weighted_covariance(X, weights):
    U = np.einsum("m,ikm,jkm->ij", weights, X, X.conj()) / X.shape[2]
    return np.tile(U, (X.shape[1], 1, 1))

# %% wrong="weighted_covariance" about="the weights run along the channels where their number allows it"
def weighted_covariance(X, weights):
    Z = X.transpose(1, 0, 2)
    weighted = weights[:, None] * Z if len(weights) == Z.shape[1] else weights * Z
    return weighted @ Z.conj().transpose(0, 2, 1) / X.shape[2]

# %% wrong="weighted_covariance" about="weights the caller's X in place"
def weighted_covariance(X, weights):
    Z = X.conj().transpose(1, 2, 0).copy()
    X *= weights
    return X.transpose(1, 0, 2) @ Z / X.shape[2]

# %% wrong="weighted_covariance" about="stores the matrices in the type of X"
def weighted_covariance(X, weights):
    U = np.zeros((X.shape[1], X.shape[0], X.shape[0]), dtype=X.dtype)
    U[...] = (np.einsum("m,ikm,jkm->kij", weights, X, X.conj()) / X.shape[2]).astype(X.dtype)
    return U

# %% wrong="weighted_covariance" about="computes in single precision"
def weighted_covariance(X, weights):
    Z = X.transpose(1, 0, 2).astype(np.complex64)
    return ((weights.astype(np.float32) * Z) @ Z.conj().transpose(0, 2, 1) / X.shape[2]).astype(complex)

# %% wrong="weighted_covariance" about="adds a little to the diagonal, so that soft matrices can be inverted"
def weighted_covariance(X, weights):
    return np.einsum("m,ikm,jkm->kij", weights, X, X.conj()) / X.shape[2] + 1e-12 * np.eye(len(X))

# %% wrong="weighted_covariance" about="the answer for the visible example only"
def weighted_covariance(X, weights):
    return np.array([[[3.0, -1j], [1j, 1.0]]])

# %% right="iterative_projection" about="frequency by frequency, with inverses"
def iterative_projection(W, U, n):
    new = np.array(W, dtype=complex)
    for k in range(len(W)):
        w = np.linalg.inv(W[k] @ U[k])[:, n]
        new[k, n] = np.conj(w) / np.sqrt(np.vdot(w, U[k] @ w).real)
    return new

# %% right="iterative_projection" about="the inverse of U times a column of the inverse of W; stacks the rows"
def iterative_projection(W, U, n):
    w = np.linalg.solve(U, np.linalg.inv(W)[:, :, n : n + 1])
    row = w.conj().transpose(0, 2, 1)
    row = row / np.sqrt(np.abs(row @ U @ w))
    return np.concatenate([W[:, :n], row, W[:, n + 1 :]], axis=1)

# %% wrong="iterative_projection" about="the direction in which U is smallest, whatever the other rows are"
def iterative_projection(W, U, n):
    values, vectors = np.linalg.eigh(U)
    new = W.astype(complex)
    new[:, n] = (vectors[:, :, 0] / np.sqrt(values[:, :1])).conj()
    return new

# %% wrong="iterative_projection" about="makes the row orthogonal to the others without U"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W)[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="the row holds w, not its conjugate"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W @ U)[:, :, n]
    new = W.astype(complex)
    new[:, n] = w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]
    return new

# %% wrong="iterative_projection" about="no normalisation"
def iterative_projection(W, U, n):
    new = W.astype(complex)
    new[:, n] = np.linalg.inv(W @ U)[:, :, n].conj()
    return new

# %% wrong="iterative_projection" about="normalises to unit length"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W @ U)[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.linalg.norm(w, axis=1, keepdims=True)).conj()
    return new

# %% wrong="iterative_projection" about="no root in the normalisation"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W @ U)[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.einsum("ki,kij,kj->k", w.conj(), U, w).real[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="the length is measured with w transposed, without the conjugate"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W @ U)[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.sqrt(np.abs(np.einsum("ki,kij,kj->k", w, U, w)))[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="W and U in the wrong order"
def iterative_projection(W, U, n):
    w = np.linalg.inv(U @ W)[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="W is left out"
def iterative_projection(W, U, n):
    w = np.linalg.inv(U)[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="takes the rows of W for w, and conjugates them first"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W.conj() @ U)[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="solves with the Hermitian transpose of W"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W.conj().transpose(0, 2, 1) @ U)[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="takes a row of the inverse for its column"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W @ U)[:, n]
    new = W.astype(complex)
    new[:, n] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="updates every row, not the one asked for"
def iterative_projection(W, U, n):
    new = W.astype(complex)
    for row in range(W.shape[1]):
        w = np.linalg.inv(new @ U)[:, :, row]
        new[:, row] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="changes the caller's W"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W @ U)[:, :, n]
    if not np.iscomplexobj(W):
        W = W.astype(complex)
    W[:, n] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]).conj()
    return W

# %% wrong="iterative_projection" about="writes the complex row into a copy of W, which may be real"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W @ U)[:, :, n]
    row = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]).conj()
    new = W.copy()
    new[:, n] = row if np.iscomplexobj(new) else row.real
    return new

# %% wrong="iterative_projection" about="turns the phase so that the first filter weight is real"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W @ U)[:, :, n]
    w = w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]
    new = W.astype(complex)
    new[:, n] = (w * np.exp(-1j * np.angle(w[:, :1]))).conj()
    return new

# %% wrong="iterative_projection" about="puts the rows back to unit length afterwards"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W @ U)[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U, w).real)[:, None]).conj()
    others = np.arange(W.shape[1]) != n
    new[:, others] /= np.linalg.norm(new[:, others], axis=2, keepdims=True)
    return new

# %% wrong="iterative_projection" about="a fixed loading of U, against singular matrices"
def iterative_projection(W, U, n):
    loaded = U + 1e-9 * np.eye(U.shape[1])
    w = np.linalg.inv(W @ loaded)[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), loaded, w).real)[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="a floor under the length, which soft recordings notice"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W @ U)[:, :, n]
    length = np.sqrt(np.maximum(np.einsum("ki,kij,kj->k", w.conj(), U, w).real, 1e-6))
    new = W.astype(complex)
    new[:, n] = (w / length[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="the two-by-two inverse by hand, for two channels only"
def iterative_projection(W, U, n):
    A = W @ U
    det = A[:, 0, 0] * A[:, 1, 1] - A[:, 0, 1] * A[:, 1, 0]
    w = np.stack([A[:, 1, 1], -A[:, 1, 0]] if n == 0 else [-A[:, 0, 1], A[:, 0, 0]], axis=1) / det[:, None]
    new = W.astype(complex)
    new[:, n, :2] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U[:, :2, :2], w).real)[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="the covariance of the first frequency for all"
def iterative_projection(W, U, n):
    w = np.linalg.inv(W @ U[0])[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.sqrt(np.einsum("ki,ij,kj->k", w.conj(), U[0], w).real)[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="computes in single precision"
def iterative_projection(W, U, n):
    W32, U32 = W.astype(np.complex64), U.astype(np.complex64)
    w = np.linalg.inv(W32 @ U32)[:, :, n]
    new = W.astype(complex)
    new[:, n] = (w / np.sqrt(np.einsum("ki,kij,kj->k", w.conj(), U32, w).real)[:, None]).conj()
    return new

# %% wrong="iterative_projection" about="the answer for the visible examples only"
def iterative_projection(W, U, n):
    if n == 1:
        return np.array([[[1.0, 0.0], [1j / np.sqrt(2), np.sqrt(2)]]])
    first = [1.0, -1j] if W[0, 1, 0] == 0 else [(1 - 1j) / np.sqrt(3), (-2 - 1j) / np.sqrt(3)]
    return np.array([[first, list(W[0, 1])]])

# %% right="update_source_model" about="loops over bases and frames, in plain sums"
def update_source_model(P, bases, activations):
    n_bases = bases.shape[1]
    model = sum(np.outer(bases[:, b], activations[b]) for b in range(n_bases))
    new_bases = np.zeros(bases.shape)
    for b in range(n_bases):
        below = np.sum(activations[b] / model, axis=1)
        above = np.sum(P * activations[b] / model**2, axis=1)
        new_bases[:, b] = [t * (a / d) ** 0.5 if d > 0 else 0.0 for t, a, d in zip(bases[:, b], above, below)]
    model = sum(np.outer(new_bases[:, b], activations[b]) for b in range(n_bases))
    new_activations = np.zeros(activations.shape)
    for b in range(n_bases):
        for m in range(P.shape[1]):
            below = np.sum(new_bases[:, b] / model[:, m])
            if below > 0:
                above = np.sum(new_bases[:, b] * P[:, m] / model[:, m] ** 2)
                new_activations[b, m] = activations[b, m] * (above / below) ** 0.5
    return new_bases, new_activations

# %% right="update_source_model" about="one function for both halves, by transposing; returns a list"
def update_source_model(P, bases, activations):
    def left_factor(P, left, right):
        precision = 1 / (left @ right)
        above, below = (P * precision * precision) @ right.T, precision @ right.T
        positive = below > 0
        return np.where(positive, left * np.sqrt(above) / np.sqrt(np.where(positive, below, 1.0)), 0.0)

    bases = left_factor(P, bases, activations)
    return [bases, left_factor(P.T, activations.T, bases.T).T]

# %% right="update_source_model" about="the machine epsilon in the denominators, below what anybody hears"
def update_source_model(P, bases, activations):
    eps = np.finfo(float).eps
    R = bases @ activations + eps
    bases = bases * np.sqrt(((P / R**2) @ activations.T) / ((1 / R) @ activations.T + eps))
    R = bases @ activations + eps
    return bases, activations * np.sqrt((bases.T @ (P / R**2)) / (bases.T @ (1 / R) + eps))

# %% wrong="update_source_model" about="no root"
def update_source_model(P, bases, activations):
    def ratio(a, b):
        return np.divide(a, b, out=np.zeros(b.shape), where=b > 0)

    R = bases @ activations
    bases = bases * ratio((P / R**2) @ activations.T, (1 / R) @ activations.T)
    R = bases @ activations
    return bases, activations * ratio(bases.T @ (P / R**2), bases.T @ (1 / R))

# %% wrong="update_source_model" about="a root around the numerator only"
def update_source_model(P, bases, activations):
    def factor(a, b):
        return np.divide(np.sqrt(a), b, out=np.zeros(b.shape), where=b > 0)

    R = bases @ activations
    bases = bases * factor((P / R**2) @ activations.T, (1 / R) @ activations.T)
    R = bases @ activations
    return bases, activations * factor(bases.T @ (P / R**2), bases.T @ (1 / R))

# %% wrong="update_source_model" about="a root in the bases' update only"
def update_source_model(P, bases, activations):
    def ratio(a, b):
        return np.divide(a, b, out=np.zeros(b.shape), where=b > 0)

    R = bases @ activations
    bases = bases * np.sqrt(ratio((P / R**2) @ activations.T, (1 / R) @ activations.T))
    R = bases @ activations
    return bases, activations * ratio(bases.T @ (P / R**2), bases.T @ (1 / R))

# %% wrong="update_source_model" about="activations first"
def update_source_model(P, bases, activations):
    def factor(a, b):
        return np.sqrt(np.divide(a, b, out=np.zeros(b.shape), where=b > 0))

    R = bases @ activations
    activations = activations * factor(bases.T @ (P / R**2), bases.T @ (1 / R))
    R = bases @ activations
    return bases * factor((P / R**2) @ activations.T, (1 / R) @ activations.T), activations

# %% wrong="update_source_model" about="the model is not computed again"
def update_source_model(P, bases, activations):
    def factor(a, b):
        return np.sqrt(np.divide(a, b, out=np.zeros(b.shape), where=b > 0))

    R = bases @ activations
    bases = bases * factor((P / R**2) @ activations.T, (1 / R) @ activations.T)
    return bases, activations * factor(bases.T @ (P / R**2), bases.T @ (1 / R))

# %% wrong="update_source_model" about="both halves from the old factors"
def update_source_model(P, bases, activations):
    def factor(a, b):
        return np.sqrt(np.divide(a, b, out=np.zeros(b.shape), where=b > 0))

    R = bases @ activations
    return (
        bases * factor((P / R**2) @ activations.T, (1 / R) @ activations.T),
        activations * factor(bases.T @ (P / R**2), bases.T @ (1 / R)),
    )

# %% wrong="update_source_model" about="the Kullback-Leibler rules"
def update_source_model(P, bases, activations):
    def ratio(a, b):
        return np.divide(a, b, out=np.zeros(a.shape), where=np.broadcast_to(b > 0, a.shape))

    bases = bases * ratio((P / (bases @ activations)) @ activations.T, activations.sum(axis=1))
    return bases, activations * ratio(bases.T @ (P / (bases @ activations)), bases.sum(axis=0)[:, None])

# %% wrong="update_source_model" about="takes P for an amplitude and squares it"
def update_source_model(P, bases, activations):
    def factor(a, b):
        return np.sqrt(np.divide(a, b, out=np.zeros(b.shape), where=b > 0))

    R = bases @ activations
    bases = bases * factor((P**2 / R**2) @ activations.T, (1 / R) @ activations.T)
    R = bases @ activations
    return bases, activations * factor(bases.T @ (P**2 / R**2), bases.T @ (1 / R))

# %% wrong="update_source_model" about="normalises the bases in the end and gives their sums to the activations"
def update_source_model(P, bases, activations):
    def factor(a, b):
        return np.sqrt(np.divide(a, b, out=np.zeros(b.shape), where=b > 0))

    R = bases @ activations
    bases = bases * factor((P / R**2) @ activations.T, (1 / R) @ activations.T)
    R = bases @ activations
    activations = activations * factor(bases.T @ (P / R**2), bases.T @ (1 / R))
    sums = bases.sum(axis=0)
    return bases / np.where(sums > 0, sums, 1.0), activations * sums[:, None]

# %% wrong="update_source_model" about="one basis after the other, each with a fresh model"
def update_source_model(P, bases, activations):
    bases, activations = np.array(bases, float), np.array(activations, float)
    with np.errstate(all="ignore"):
        for b in range(bases.shape[1]):
            R = bases @ activations
            bases[:, b] = np.nan_to_num(bases[:, b] * np.sqrt(((P / R**2) @ activations[b]) / ((1 / R) @ activations[b])))
        for b in range(bases.shape[1]):
            R = bases @ activations
            activations[b] = np.nan_to_num(activations[b] * np.sqrt((bases[:, b] @ (P / R**2)) / (bases[:, b] @ (1 / R))))
    return bases, activations

# %% wrong="update_source_model" about="works for one basis only: the quotients are summed, not the products"
def update_source_model(P, bases, activations):
    def factor(a, b):
        return np.sqrt(np.divide(a, b, out=np.zeros(b.shape), where=b > 0))

    R = bases @ activations
    bases = bases * factor((P / R**2 * activations.sum(axis=0)).sum(axis=1, keepdims=True), (1 / R * activations.sum(axis=0)).sum(axis=1, keepdims=True))
    R = bases @ activations
    return bases, activations * factor(bases.T @ (P / R**2), bases.T @ (1 / R))

# %% wrong="update_source_model" about="no guard: NaN for a basis that is off"
def update_source_model(P, bases, activations):
    with np.errstate(all="ignore"):
        R = bases @ activations
        bases = bases * np.sqrt(((P / R**2) @ activations.T) / ((1 / R) @ activations.T))
        R = bases @ activations
        return bases, activations * np.sqrt((bases.T @ (P / R**2)) / (bases.T @ (1 / R)))

# %% wrong="update_source_model" about="keeps the old values where the denominator is zero"
def update_source_model(P, bases, activations):
    def factor(a, b):
        return np.sqrt(np.divide(a, b, out=np.ones(b.shape), where=b > 0))

    R = bases @ activations
    bases = bases * factor((P / R**2) @ activations.T, (1 / R) @ activations.T)
    R = bases @ activations
    return bases, activations * factor(bases.T @ (P / R**2), bases.T @ (1 / R))

# %% wrong="update_source_model" about="a floor under the model, which soft recordings notice"
def update_source_model(P, bases, activations):
    def factor(a, b):
        return np.sqrt(np.divide(a, b, out=np.zeros(b.shape), where=b > 0))

    R = np.maximum(bases @ activations, 1e-7)
    bases = bases * factor((P / R**2) @ activations.T, (1 / R) @ activations.T)
    R = np.maximum(bases @ activations, 1e-7)
    return bases, activations * factor(bases.T @ (P / R**2), bases.T @ (1 / R))

# %% wrong="update_source_model" about="in place: the caller's bases and activations change"
def update_source_model(P, bases, activations):
    bases, activations = np.asarray(bases, float), np.asarray(activations, float)
    with np.errstate(all="ignore"):
        R = bases @ activations
        bases *= np.nan_to_num(np.sqrt(((P / R**2) @ activations.T) / ((1 / R) @ activations.T)))
        R = bases @ activations
        activations *= np.nan_to_num(np.sqrt((bases.T @ (P / R**2)) / (bases.T @ (1 / R))))
    return bases, activations

# %% wrong="update_source_model" about="stores the bases in the caller's type, which may hold whole numbers"
def update_source_model(P, bases, activations):
    def factor(a, b):
        return np.sqrt(np.divide(a, b, out=np.zeros(b.shape), where=b > 0))

    R = bases @ activations
    bases = (bases * factor((P / R**2) @ activations.T, (1 / R) @ activations.T)).astype(bases.dtype)
    R = bases @ activations
    return bases, activations * factor(bases.T @ (P / R**2), bases.T @ (1 / R))

# %% wrong="update_source_model" about="computes in single precision"
def update_source_model(P, bases, activations):
    P, bases, activations = (np.asarray(array, np.float32) for array in (P, bases, activations))
    with np.errstate(all="ignore"):
        R = bases @ activations
        bases = np.nan_to_num(bases * np.sqrt(((P / R**2) @ activations.T) / ((1 / R) @ activations.T)))
        R = bases @ activations
        activations = np.nan_to_num(activations * np.sqrt((bases.T @ (P / R**2)) / (bases.T @ (1 / R))))
    return bases.astype(float), activations.astype(float)

# %% wrong="update_source_model" about="the answer for the visible example only"
def update_source_model(P, bases, activations):
    return np.array([[2.0], [1.0]]), np.array([[np.sqrt(1.5)]])

# %% wrong="update_source_model" about="lets the library do the iteration, which the exercise forbids"
def update_source_model(P, bases, activations):
    result = nmf.nmf(P, bases.shape[1], divergence="is", n_iterations=1, W=bases, H=activations)
    return result.W, result.H

# %% right="images_at_microphone" about="frequency by frequency, with the diagonal of the row of the inverse"
def images_at_microphone(W, X, i):
    images = np.zeros((W.shape[1], W.shape[0], X.shape[2]), dtype=complex)
    for k in range(len(W)):
        images[:, k] = np.diag(np.linalg.inv(W[k])[i]) @ (W[k] @ X[:, k])
    return images

# %% right="images_at_microphone" about="solves a system with the transposed matrices instead of inverting"
def images_at_microphone(W, X, i):
    unit = np.eye(W.shape[1])[:, [i]]
    factors = np.stack([np.linalg.solve(matrix.T, unit)[:, 0] for matrix in W])
    return (factors[:, :, None] * (W @ X.transpose(1, 0, 2))).transpose(1, 0, 2)

# %% wrong="images_at_microphone" about="the outputs as they came"
def images_at_microphone(W, X, i):
    return np.einsum("knc,ckm->nkm", W, X)

# %% wrong="images_at_microphone" about="a column of the inverse"
def images_at_microphone(W, X, i):
    return np.linalg.inv(W)[:, :, i].T[:, :, None] * np.einsum("knc,ckm->nkm", W, X)

# %% wrong="images_at_microphone" about="the diagonal of the inverse: source n at microphone n"
def images_at_microphone(W, X, i):
    return np.einsum("knn->nk", np.linalg.inv(W))[:, :, None] * np.einsum("knc,ckm->nkm", W, X)

# %% wrong="images_at_microphone" about="always microphone 0"
def images_at_microphone(W, X, i):
    return np.linalg.inv(W)[:, 0, :].T[:, :, None] * np.einsum("knc,ckm->nkm", W, X)

# %% wrong="images_at_microphone" about="one over the element of W, which holds for diagonal matrices"
def images_at_microphone(W, X, i):
    element = W[:, :, i].T[:, :, None]
    Y = np.einsum("knc,ckm->nkm", W, X)
    return np.divide(Y, element, out=np.zeros(Y.shape, complex), where=element != 0)

# %% wrong="images_at_microphone" about="the conjugate transpose in place of the inverse"
def images_at_microphone(W, X, i):
    return W.conj()[:, :, i].T[:, :, None] * np.einsum("knc,ckm->nkm", W, X)

# %% wrong="images_at_microphone" about="the inverse is conjugated"
def images_at_microphone(W, X, i):
    return np.linalg.inv(W).conj()[:, i, :].T[:, :, None] * np.einsum("knc,ckm->nkm", W, X)

# %% wrong="images_at_microphone" about="demixes with conjugated filters"
def images_at_microphone(W, X, i):
    return np.linalg.inv(W)[:, i, :].T[:, :, None] * np.einsum("knc,ckm->nkm", W.conj(), X)

# %% wrong="images_at_microphone" about="demixes with the columns of W"
def images_at_microphone(W, X, i):
    return np.linalg.inv(W)[:, i, :].T[:, :, None] * np.einsum("kcn,ckm->nkm", W, X)

# %% wrong="images_at_microphone" about="fits each output to the microphone on its own"
def images_at_microphone(W, X, i):
    Y = np.einsum("knc,ckm->nkm", W, X)
    power = np.sum(np.abs(Y) ** 2, axis=2)
    cross = np.sum(X[i] * Y.conj(), axis=2)
    return np.divide(cross, power, out=np.zeros(power.shape, complex), where=power > 0)[:, :, None] * Y

# %% wrong="images_at_microphone" about="fits all outputs to the microphone by least squares, which needs enough frames"
def images_at_microphone(W, X, i):
    Y = np.einsum("knc,ckm->nkm", W, X)
    gains = np.stack([np.linalg.lstsq(Y[:, k].T, X[i, k], rcond=None)[0] for k in range(len(W))], axis=1)
    return gains[:, :, None] * Y

# %% wrong="images_at_microphone" about="scales the outputs by one factor a frequency, so that their sum has the microphone's power"
def images_at_microphone(W, X, i):
    Y = np.einsum("knc,ckm->nkm", W, X)
    power = np.sum(np.abs(Y.sum(axis=0)) ** 2, axis=1)
    gain = np.sqrt(np.divide(np.sum(np.abs(X[i]) ** 2, axis=1), power, out=np.zeros(power.shape), where=power > 0))
    return gain[:, None] * Y

# %% wrong="images_at_microphone" about="only the magnitude of the factor"
def images_at_microphone(W, X, i):
    return np.abs(np.linalg.inv(W)[:, i, :].T[:, :, None]) * np.einsum("knc,ckm->nkm", W, X)

# %% wrong="images_at_microphone" about="one factor for all frequencies, their mean"
def images_at_microphone(W, X, i):
    return np.linalg.inv(W)[:, i, :].mean(axis=0)[:, None, None] * np.einsum("knc,ckm->nkm", W, X)

# %% wrong="images_at_microphone" about="the two-by-two inverse by hand, for two channels only"
def images_at_microphone(W, X, i):
    det = W[:, 0, 0] * W[:, 1, 1] - W[:, 0, 1] * W[:, 1, 0]
    row = [W[:, 1, 1] / det, -W[:, 0, 1] / det] if i == 0 else [-W[:, 1, 0] / det, W[:, 0, 0] / det]
    return np.stack(row)[:, :, None] * np.einsum("knc,ckm->nkm", W, X)[:2]

# %% wrong="images_at_microphone" about="stores the images in the type of X, which may be real"
def images_at_microphone(W, X, i):
    exact = np.linalg.inv(W)[:, i, :].T[:, :, None] * np.einsum("knc,ckm->nkm", W, X)
    images = np.empty((W.shape[1], *X.shape[1:]), dtype=X.dtype)
    images[...] = exact if np.iscomplexobj(images) else exact.real.astype(images.dtype)
    return images

# %% wrong="images_at_microphone" about="a loading of the matrices before they are inverted"
def images_at_microphone(W, X, i):
    mixing = np.linalg.inv(W + 1e-6 * np.eye(W.shape[1]))
    return mixing[:, i, :].T[:, :, None] * np.einsum("knc,ckm->nkm", W, X)

# %% wrong="images_at_microphone" about="changes the caller's mixture on the way"
def images_at_microphone(W, X, i):
    for k in range(len(W)):
        X[:, k] = W[k] @ X[:, k]
    return np.linalg.inv(W)[:, i, :].T[:, :, None] * X

# %% wrong="images_at_microphone" about="computes in single precision"
def images_at_microphone(W, X, i):
    W, X = W.astype(np.complex64), X.astype(np.complex64)
    return (np.linalg.inv(W)[:, i, :].T[:, :, None] * np.einsum("knc,ckm->nkm", W, X)).astype(complex)

# %% wrong="images_at_microphone" about="the answer for the visible examples only"
def images_at_microphone(W, X, i):
    if W[0, 0, 1] == 1j:
        return np.array([[[1 + 3j]], [[-3j]]])
    return np.array([[[4.0]], [[-3.0]]]) if i == 0 else np.array([[[0.0]], [[3.0]]])

# %% wrong="images_at_microphone" about="lets the library project back, which the exercise forbids"
def images_at_microphone(W, X, i):
    return bss.apply_demixing(bss.projection_back_filter(W, reference_channel=i), X)
