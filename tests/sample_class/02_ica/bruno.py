# %% [markdown] start="reference" about="Everything right, and every function written differently from the reference."

# %% answer="equivalent_mixing"
def equivalent_mixing(A, order, gains):
    A_new = np.zeros((len(A), len(order)))
    for j, source in enumerate(order):
        for i in range(len(A)):
            A_new[i, j] = A[i, source] / gains[j]
    return A_new

# %% answer="whiten_signals"
def whiten_signals(X):
    n_samples = X.shape[1]
    mean = X.sum(axis=1) / n_samples
    centred = (X.T - mean).T
    E, variances, _ = np.linalg.svd(np.einsum("in,jn->ij", centred, centred) / n_samples)
    V = E @ np.diag(1 / np.sqrt(variances)) @ E.T
    return V @ centred

# %% answer="scale_invariant_sdr"
def scale_invariant_sdr(reference, estimate):
    s = reference - sum(reference) / len(reference)
    e = estimate - sum(estimate) / len(estimate)
    along = np.dot(e, s) ** 2 / np.dot(s, s)
    return 10 * (np.log10(along) - np.log10(np.dot(e, e) - along))

# %% answer="distortion_ratios"
def distortion_ratios(references, estimate, target):
    basis = []
    for row in [references[target], *np.delete(references, target, axis=0)]:
        rest = np.array(row, dtype=float)
        for unit in basis:
            rest = rest - (rest @ unit) * unit
        basis.append(rest / np.linalg.norm(rest))
    coordinates = np.array(basis) @ estimate
    wanted, interference = coordinates[0] ** 2, np.sum(coordinates[1:] ** 2)
    artefacts = np.sum((estimate - coordinates @ np.array(basis)) ** 2)
    return [10 * np.log10(x) for x in (wanted / (interference + artefacts), wanted / interference, (wanted + interference) / artefacts)]

# %% answer="best_order"
def best_order(scores):
    best, best_sum = None, -np.inf
    for candidate in itertools.permutations(range(len(scores))):
        total = 0.0
        for j in range(len(scores)):
            total += scores[j][candidate[j]]
        if total > best_sum:
            best, best_sum = candidate, total
    return np.array(best)

# %% answer="excess_kurtosis"
def excess_kurtosis(x):
    z = (x - np.mean(x)) / np.std(x)
    return float(np.mean(z**4) - 3)

# %% answer="contrast_derivatives"
def contrast_derivatives(u, name):
    u = np.array(u, dtype=float)
    if name == "cube":
        g, slope = np.power(u, 3), 3 * np.square(u)
    elif name == "exp":
        bell = np.exp(-np.square(u) / 2)
        g, slope = bell * u, bell * (1 - u) * (1 + u)
    else:
        g = np.tanh(u)
        slope = 1 - g * g
    return [g, slope]

# %% answer="newton_step"
def newton_step(w, Z, contrast):
    u = sum(weight * channel for weight, channel in zip(w, Z))
    _, g, g_prime = ica.contrast(u, contrast)
    direction = [np.mean(g_prime) * weight - np.mean(channel * g) for weight, channel in zip(w, Z)]
    return np.array(direction) / np.sqrt(sum(entry**2 for entry in direction))

# %% answer="one_by_one"
def one_by_one(Z, starts, n_iterations):
    W = []
    for start in starts:
        others = np.array(W).reshape(-1, len(Z))
        w = start - (others @ start) @ others
        w = w / np.linalg.norm(w)
        for _ in range(n_iterations):
            w = newton_step(w, Z, "logcosh")
            w = w - (others @ w) @ others
            w = w / np.linalg.norm(w)
        W.append(w)
    return np.array(W)

# %% answer="decorrelate_rows"
def decorrelate_rows(W):
    eigenvalues, E = np.linalg.eigh(W @ W.T)
    return E @ np.diag(1 / np.sqrt(eigenvalues)) @ E.T @ W

# %% [markdown] answer="why_order_and_scale"
# Two parties with sources s and D P s, and mixing matrices A and A Pᵀ D⁻¹, give the same recording, so the program must give the same answer to both and is wrong for one.
# A sample of one voice would settle the order; one known gain for each voice would settle the scale.

# %% [markdown] answer="invariances"
# (a) Estimate times c: α becomes cα, target and error are both multiplied by c, and c² cancels. Reference times c: α becomes α/c, so α s stays what it was.
# (b) A delay of a few samples: a delayed voice is no multiple of the voice.

# %% [markdown] answer="failures"
# (a) Instantaneous mixing, at least as many microphones as sources, independent sources, at most one Gaussian, no noise.
# (b) (i) Gaussian: two mixtures. (ii) Too few channels: one instrument less in each. (iii) Not independent: no loudspeaker signals. (iv) Not instantaneous: hardly separated. (v) Noise: the hiss grows.
