# %% [markdown]
# Answers to lesson 02 whose verdict is known: `right` ones must keep full marks, `wrong` ones must lose them.
# Each wrong answer is a mistake that a learner could make, not a typing slip; those that the sample class makes are graded there. Read by tests/lessons/test_answer_strength.py,
# which also takes the sample class's `bruno` as a right answer to every exercise.

# %% right="equivalent_mixing" about="the formula of section 2.2 with its two matrices"
def equivalent_mixing(A, order, gains):
    n_sources = A.shape[1]
    P = np.zeros((n_sources, n_sources))
    P[np.arange(n_sources), order] = 1
    return A @ P.T @ np.linalg.inv(np.diag(gains))

# %% right="equivalent_mixing" about="columns collected in a list, then stacked"
def equivalent_mixing(A, order, gains):
    columns = []
    for source, gain in zip(order, gains):
        columns.append(A[:, source] / gain)
    return np.stack(columns, axis=1)

# %% wrong="equivalent_mixing" about="multiplies the fingerprints by the gains"
def equivalent_mixing(A, order, gains):
    return A[:, order] * np.array(gains)

# %% wrong="equivalent_mixing" about="treats the rows as fingerprints"
def equivalent_mixing(A, order, gains):
    return A[order] / np.array(gains)[:, None]

# %% wrong="equivalent_mixing" about="the matrix of the order is not transposed, so cycles of three run backwards"
def equivalent_mixing(A, order, gains):
    P = np.eye(A.shape[1])[order]
    return A @ P / np.array(gains)

# %% wrong="equivalent_mixing" about="the gains follow the order as well"
def equivalent_mixing(A, order, gains):
    return (A / np.array(gains))[:, order]

# %% wrong="equivalent_mixing" about="builds the order's matrix for as many channels as sources"
def equivalent_mixing(A, order, gains):
    P = np.eye(A.shape[0])[:, order]
    return A @ P @ np.diag(1 / np.array(gains))

# %% wrong="equivalent_mixing" about="writes into a copy while it still reads from it"
def equivalent_mixing(A, order, gains):
    A_new = np.array(A, dtype=float)
    for j in range(len(order)):
        A_new[:, j] = A_new[:, order[j]] / gains[j]
    return A_new

# %% wrong="equivalent_mixing" about="changes the caller's matrix"
def equivalent_mixing(A, order, gains):
    A[:] = A[:, order] / np.array(gains)
    return A

# %% wrong="equivalent_mixing" about="stores the columns in an array of the input's whole-number type"
def equivalent_mixing(A, order, gains):
    A_new = np.zeros_like(A)
    for j in range(len(order)):
        A_new[:, j] = A[:, order[j]] / gains[j]
    return A_new

# %% wrong="equivalent_mixing" about="single precision"
def equivalent_mixing(A, order, gains):
    return (A[:, order] / np.array(gains)).astype(np.float32)

# %% wrong="equivalent_mixing" about="exchanges two columns instead of following the order"
def equivalent_mixing(A, order, gains):
    if A.shape[1] == 3:
        return A[:, [2, 0, 1]] / np.array(gains)
    return A[:, ::-1] / np.array(gains)

# %% wrong="equivalent_mixing" about="gains below one are taken for one, lest anything grow"
def equivalent_mixing(A, order, gains):
    gains = np.array(gains)
    return A[:, order] / np.where(np.abs(gains) < 1, np.sign(gains), gains)

# %% wrong="equivalent_mixing" about="the answer for the visible examples only"
def equivalent_mixing(A, order, gains):
    return np.array([[1.0, -1.0], [2.0, -3.0]]) if len(order) == 2 else np.array([[100.0, 0.5, 2.5]])

# %% right="whiten_signals" about="the symmetric root, from the singular value decomposition of the signals"
def whiten_signals(X):
    Xc = X - np.mean(X, axis=1)[:, None]
    L, _, Rt = np.linalg.svd(Xc, full_matrices=False)
    return np.sqrt(X.shape[1]) * L @ Rt

# %% right="whiten_signals" about="a triangular whitening matrix, by Cholesky"
def whiten_signals(X):
    Xc = X - X.mean(1, keepdims=True)
    L = np.linalg.cholesky(Xc @ Xc.T / X.shape[1])
    return np.linalg.solve(L, Xc)

# %% right="whiten_signals" about="rotates, then divides each row by the deviation it finds there"
def whiten_signals(X):
    Xc = X - X.mean(axis=1, keepdims=True)
    _, E = np.linalg.eigh(Xc @ Xc.T)
    turned = E.T @ Xc
    return turned / turned.std(axis=1, keepdims=True)

# %% wrong="whiten_signals" about="each channel gets variance one by itself"
def whiten_signals(X):
    return (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)

# %% wrong="whiten_signals" about="the means stay on"
def whiten_signals(X):
    eigenvalues, E = np.linalg.eigh(X @ X.T / X.shape[1])
    return E.T @ X / np.sqrt(eigenvalues)[:, None]

# %% wrong="whiten_signals" about="one mean for all channels together"
def whiten_signals(X):
    Xc = X - X.mean()
    eigenvalues, E = np.linalg.eigh(Xc @ Xc.T / X.shape[1])
    return E.T @ Xc / np.sqrt(eigenvalues)[:, None]

# %% wrong="whiten_signals" about="centres the covariance, and forgets to centre the signals"
def whiten_signals(X):
    Xc = X - X.mean(axis=1, keepdims=True)
    eigenvalues, E = np.linalg.eigh(Xc @ Xc.T / X.shape[1])
    return E.T @ X / np.sqrt(eigenvalues)[:, None]

# %% wrong="whiten_signals" about="divides by the eigenvalues, not by their roots"
def whiten_signals(X):
    Xc = X - X.mean(axis=1, keepdims=True)
    eigenvalues, E = np.linalg.eigh(Xc @ Xc.T / X.shape[1])
    return E.T @ Xc / eigenvalues[:, None]

# %% wrong="whiten_signals" about="decorrelates only: nothing is divided"
def whiten_signals(X):
    Xc = X - X.mean(axis=1, keepdims=True)
    return np.linalg.eigh(Xc @ Xc.T / X.shape[1])[1].T @ Xc

# %% wrong="whiten_signals" about="takes the rows of E for the eigenvectors"
def whiten_signals(X):
    Xc = X - X.mean(axis=1, keepdims=True)
    eigenvalues, E = np.linalg.eigh(Xc @ Xc.T / X.shape[1])
    return E @ Xc / np.sqrt(eigenvalues)[:, None]

# %% wrong="whiten_signals" about="the root and the inverse are taken entry by entry"
def whiten_signals(X):
    Xc = X - X.mean(axis=1, keepdims=True)
    return 1 / np.sqrt(np.abs(Xc @ Xc.T / X.shape[1])) @ Xc

# %% wrong="whiten_signals" about="np.cov with its N - 1"
def whiten_signals(X):
    Xc = X - X.mean(axis=1, keepdims=True)
    eigenvalues, E = np.linalg.eigh(np.atleast_2d(np.cov(X)))
    return E.T @ Xc / np.sqrt(eigenvalues)[:, None]

# %% wrong="whiten_signals" about="a small number keeps the root from zero, and drowns soft signals"
def whiten_signals(X):
    Xc = X - X.mean(axis=1, keepdims=True)
    eigenvalues, E = np.linalg.eigh(Xc @ Xc.T / X.shape[1])
    return E.T @ Xc / np.sqrt(eigenvalues + 1e-12)[:, None]

# %% wrong="whiten_signals" about="axes with little power are set to zero"
def whiten_signals(X):
    Xc = X - X.mean(axis=1, keepdims=True)
    eigenvalues, E = np.linalg.eigh(Xc @ Xc.T / X.shape[1])
    scale = np.where(eigenvalues > 1e-10, 1 / np.sqrt(np.maximum(eigenvalues, 1e-300)), 0.0)
    return scale[:, None] * (E.T @ Xc)

# %% wrong="whiten_signals" about="sum and difference: right for two channels of equal power"
def whiten_signals(X):
    Xc = X - X.mean(axis=1, keepdims=True)
    if len(X) == 2:
        Xc = np.array([Xc[0] + Xc[1], Xc[0] - Xc[1]])
    return Xc / Xc.std(axis=1, keepdims=True)

# %% wrong="whiten_signals" about="takes the means off the caller's array"
def whiten_signals(X):
    X -= X.mean(axis=1, keepdims=True).astype(X.dtype)
    eigenvalues, E = np.linalg.eigh(X @ X.T / X.shape[1])
    return E.T @ X / np.sqrt(eigenvalues)[:, None]

# %% wrong="whiten_signals" about="single precision"
def whiten_signals(X):
    X = X.astype(np.float32)
    Xc = X - X.mean(axis=1, keepdims=True)
    eigenvalues, E = np.linalg.eigh(Xc @ Xc.T / X.shape[1])
    return E.T @ Xc / np.sqrt(eigenvalues)[:, None]

# %% wrong="whiten_signals" about="white signals that have nothing to do with the channels"
def whiten_signals(X):
    noise = np.random.default_rng(0).standard_normal(X.shape)
    noise -= noise.mean(axis=1, keepdims=True)
    eigenvalues, E = np.linalg.eigh(noise @ noise.T / X.shape[1])
    return E.T @ noise / np.sqrt(eigenvalues)[:, None]

# %% wrong="whiten_signals" about="the answer for the visible example only"
def whiten_signals(X):
    if len(X) == 2:
        return np.array([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]])
    seen = np.array([[2.0, 1.0, 0.0], [0.5, 1.0, 1.0], [0.0, -1.0, 3.0]]) @ np.sin(np.outer([1.0, 2.0, 3.0], np.arange(24)))
    seen = seen - seen.mean(axis=1, keepdims=True)
    return np.linalg.qr(seen.T)[0].T * np.sqrt(24)

# %% wrong="whiten_signals" about="lets the library whiten"
def whiten_signals(X):
    return ica.whiten(X).signals

# %% right="scale_invariant_sdr" about="by the correlation coefficient"
def scale_invariant_sdr(reference, estimate):
    rho = np.corrcoef(reference, estimate)[0, 1]
    return 10 * np.log10(rho**2 / (1 - rho**2))

# %% right="scale_invariant_sdr" about="the estimate is scaled instead: the angle is the same"
def scale_invariant_sdr(reference, estimate):
    s, e = reference - np.mean(reference), estimate - np.mean(estimate)
    beta = np.sum(s * e) / np.sum(e**2)
    return 20 * np.log10(np.linalg.norm(beta * e) / np.linalg.norm(s - beta * e))

# %% wrong="scale_invariant_sdr" about="the SNR: nothing is scaled"
def scale_invariant_sdr(reference, estimate):
    s, e = reference - np.mean(reference), estimate - np.mean(estimate)
    return 10 * np.log10(np.sum(s**2) / np.sum((e - s) ** 2))

# %% wrong="scale_invariant_sdr" about="both signals are brought to equal energy, then the SNR"
def scale_invariant_sdr(reference, estimate):
    s, e = reference - np.mean(reference), estimate - np.mean(estimate)
    s, e = s / np.linalg.norm(s), e / np.linalg.norm(e)
    return 10 * np.log10(1 / np.sum((e - s) ** 2))

# %% wrong="scale_invariant_sdr" about="the estimate is scaled, and the reference stands in the numerator"
def scale_invariant_sdr(reference, estimate):
    s, e = reference - np.mean(reference), estimate - np.mean(estimate)
    beta = (s @ e) / (e @ e)
    return 10 * np.log10(np.sum(s**2) / np.sum((beta * e - s) ** 2))

# %% wrong="scale_invariant_sdr" about="divides by the energy of the estimate"
def scale_invariant_sdr(reference, estimate):
    s, e = reference - np.mean(reference), estimate - np.mean(estimate)
    target = (s @ e) / (e @ e) * s
    return 10 * np.log10(np.sum(target**2) / np.sum((e - target) ** 2))

# %% wrong="scale_invariant_sdr" about="the means stay on"
def scale_invariant_sdr(reference, estimate):
    target = (estimate @ reference) / (reference @ reference) * reference
    return 10 * np.log10(np.sum(target**2) / np.sum((estimate - target) ** 2))

# %% wrong="scale_invariant_sdr" about="the mean of the reference alone is taken off"
def scale_invariant_sdr(reference, estimate):
    s = reference - np.mean(reference)
    target = (estimate @ s) / (s @ s) * s
    return 10 * np.log10(np.sum(target**2) / np.sum((estimate - target) ** 2))

# %% wrong="scale_invariant_sdr" about="the factor's sign is lost, so a flipped estimate scores badly"
def scale_invariant_sdr(reference, estimate):
    s, e = reference - np.mean(reference), estimate - np.mean(estimate)
    target = abs(e @ s) / (s @ s) * s
    return 10 * np.log10(np.sum(target**2) / np.sum((e - target) ** 2))

# %% wrong="scale_invariant_sdr" about="a small number in both denominators, which soft signals notice"
def scale_invariant_sdr(reference, estimate):
    s, e = reference - np.mean(reference), estimate - np.mean(estimate)
    target = (e @ s) / (s @ s + 1e-8) * s
    return 10 * np.log10(np.sum(target**2) / (np.sum((e - target) ** 2) + 1e-8))

# %% wrong="scale_invariant_sdr" about="norms in place of energies"
def scale_invariant_sdr(reference, estimate):
    s, e = reference - np.mean(reference), estimate - np.mean(estimate)
    target = (e @ s) / (s @ s) * s
    return 10 * np.log10(np.linalg.norm(target) / np.linalg.norm(e - target))

# %% wrong="scale_invariant_sdr" about="takes the means off the caller's arrays"
def scale_invariant_sdr(reference, estimate):
    reference -= np.mean(reference).astype(reference.dtype)
    estimate -= np.mean(estimate).astype(estimate.dtype)
    target = (estimate @ reference) / (reference @ reference) * reference
    return 10 * np.log10(np.sum(target**2) / np.sum((estimate - target) ** 2))

# %% wrong="scale_invariant_sdr" about="single precision"
def scale_invariant_sdr(reference, estimate):
    s = reference.astype(np.float32) - np.float32(np.mean(reference))
    e = estimate.astype(np.float32) - np.float32(np.mean(estimate))
    target = (e @ s) / (s @ s) * s
    return float(10 * np.log10(np.sum(target**2) / np.sum((e - target) ** 2)))

# %% wrong="scale_invariant_sdr" about="the ratio is kept within 30 dB either way"
def scale_invariant_sdr(reference, estimate):
    s, e = reference - np.mean(reference), estimate - np.mean(estimate)
    target = (e @ s) / (s @ s) * s
    return float(np.clip(10 * np.log10(np.sum(target**2) / np.sum((e - target) ** 2)), -30, 30))

# %% wrong="scale_invariant_sdr" about="the answer for the visible examples only"
def scale_invariant_sdr(reference, estimate):
    return 10 * np.log10(4)

# %% wrong="scale_invariant_sdr" about="asks the library"
def scale_invariant_sdr(reference, estimate):
    return metrics.si_sdr(reference, estimate)

# %% right="distortion_ratios" about="an orthonormal basis of the sources, from QR"
def distortion_ratios(references, estimate, target):
    Q, _ = np.linalg.qr(np.transpose(references).astype(float))
    s = references[target] / np.linalg.norm(references[target])
    e_target = (s @ estimate) * s
    P = Q @ (Q.T @ estimate)
    energy = lambda x: np.sum(np.square(x))
    sdr = energy(e_target) / energy(estimate - e_target)
    sir = energy(e_target) / energy(P - e_target)
    sar = energy(P) / energy(estimate - P)
    return 10 * np.log10(np.array([sdr, sir, sar]))

# %% right="distortion_ratios" about="energies by Pythagoras, with the pseudo-inverse"
def distortion_ratios(references, estimate, target):
    P = np.linalg.pinv(references) @ references
    explained = P @ estimate
    total, plane = np.sum(estimate**2), np.sum(explained**2)
    line = (references[target] @ estimate) ** 2 / np.sum(references[target] ** 2)
    return [10 * np.log10(line / (total - line)), 10 * np.log10(line / (plane - line)), 10 * np.log10(plane / (total - plane))]

# %% wrong="distortion_ratios" about="projects on each source separately and adds"
def distortion_ratios(references, estimate, target):
    parts = np.array([(estimate @ s) / (s @ s) * s for s in references])
    wanted, P = parts[target], parts.sum(axis=0)
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(wanted, estimate - wanted), db(wanted, P - wanted), db(P, estimate - P)]

# %% wrong="distortion_ratios" about="the target's share in the joint projection passes for its own projection"
def distortion_ratios(references, estimate, target):
    weights = np.linalg.lstsq(references.T, estimate, rcond=None)[0]
    P, wanted = weights @ references, weights[target] * references[target]
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(wanted, estimate - wanted), db(wanted, P - wanted), db(P, estimate - P)]

# %% wrong="distortion_ratios" about="what is left of the target is projected on the other sources alone"
def distortion_ratios(references, estimate, target):
    s = references[target]
    wanted = (estimate @ s) / (s @ s) * s
    others = np.delete(references, target, axis=0)
    interference = np.linalg.lstsq(others.T, estimate - wanted, rcond=None)[0] @ others
    artefacts = estimate - wanted - interference
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(wanted, interference + artefacts), db(wanted, interference), db(wanted + interference, artefacts)]

# %% wrong="distortion_ratios" about="the energies of the interfering sources are added one by one"
def distortion_ratios(references, estimate, target):
    s = references[target]
    wanted = (estimate @ s) / (s @ s) * s
    weights = np.linalg.lstsq(references.T, estimate, rcond=None)[0]
    P = weights @ references
    others = sum(weights[k] ** 2 * (references[k] @ references[k]) for k in range(len(references)) if k != target)
    energy = lambda x: x @ x
    return list(10 * np.log10([energy(wanted) / energy(estimate - wanted), energy(wanted) / others, energy(P) / energy(estimate - P)]))

# %% wrong="distortion_ratios" about="SAR compares with the target alone"
def distortion_ratios(references, estimate, target):
    s = references[target]
    wanted = (estimate @ s) / (s @ s) * s
    P = np.linalg.lstsq(references.T, estimate, rcond=None)[0] @ references
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(wanted, estimate - wanted), db(wanted, P - wanted), db(wanted, estimate - P)]

# %% wrong="distortion_ratios" about="SAR compares with the whole estimate"
def distortion_ratios(references, estimate, target):
    s = references[target]
    wanted = (estimate @ s) / (s @ s) * s
    P = np.linalg.lstsq(references.T, estimate, rcond=None)[0] @ references
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(wanted, estimate - wanted), db(wanted, P - wanted), db(estimate, estimate - P)]

# %% wrong="distortion_ratios" about="the wanted part is the reference as it is, without its factor"
def distortion_ratios(references, estimate, target):
    wanted = references[target]
    P = np.linalg.lstsq(references.T, estimate, rcond=None)[0] @ references
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(wanted, estimate - wanted), db(wanted, P - wanted), db(P, estimate - P)]

# %% wrong="distortion_ratios" about="the means are taken off first"
def distortion_ratios(references, estimate, target):
    references = references - references.mean(axis=1, keepdims=True)
    estimate = estimate - estimate.mean()
    s = references[target]
    wanted = (estimate @ s) / (s @ s) * s
    P = np.linalg.lstsq(references.T, estimate, rcond=None)[0] @ references
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(wanted, estimate - wanted), db(wanted, P - wanted), db(P, estimate - P)]

# %% wrong="distortion_ratios" about="knows of two sources only"
def distortion_ratios(references, estimate, target):
    s, other = references[target], references[1 - target]
    wanted = (estimate @ s) / (s @ s) * s
    rest = other - (other @ s) / (s @ s) * s
    interference = (estimate @ rest) / (rest @ rest) * rest
    artefacts = estimate - wanted - interference
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(wanted, estimate - wanted), db(wanted, interference), db(wanted + interference, artefacts)]

# %% wrong="distortion_ratios" about="makes the others orthogonal to the target, but not to each other"
def distortion_ratios(references, estimate, target):
    s = references[target]
    wanted = (estimate @ s) / (s @ s) * s
    interference = np.zeros(len(estimate))
    for k, other in enumerate(references):
        if k != target:
            rest = other - (other @ s) / (s @ s) * s
            interference = interference + (estimate @ rest) / (rest @ rest) * rest
    artefacts = estimate - wanted - interference
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(wanted, estimate - wanted), db(wanted, interference), db(wanted + interference, artefacts)]

# %% wrong="distortion_ratios" about="a small number in each denominator, which soft signals notice"
def distortion_ratios(references, estimate, target):
    s = references[target]
    wanted = (estimate @ s) / (s @ s) * s
    P = np.linalg.lstsq(references.T, estimate, rcond=None)[0] @ references
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b + 1e-10))
    return [db(wanted, estimate - wanted), db(wanted, P - wanted), db(P, estimate - P)]

# %% wrong="distortion_ratios" about="loads the diagonal of the matrix of inner products, so soft references lose their share"
def distortion_ratios(references, estimate, target):
    s = references[target]
    wanted = (estimate @ s) / (s @ s) * s
    P = np.linalg.solve(references @ references.T + 1e-6 * np.eye(len(references)), references @ estimate) @ references
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(wanted, estimate - wanted), db(wanted, P - wanted), db(P, estimate - P)]

# %% wrong="distortion_ratios" about="scales the caller's references to length one"
def distortion_ratios(references, estimate, target):
    for row in references:
        row[:] = row / np.sqrt(row @ row)
    wanted = (estimate @ references[target]) * references[target]
    P = np.linalg.lstsq(references.T, estimate, rcond=None)[0] @ references
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(wanted, estimate - wanted), db(wanted, P - wanted), db(P, estimate - P)]

# %% wrong="distortion_ratios" about="single precision"
def distortion_ratios(references, estimate, target):
    references, estimate = references.astype(np.float32), estimate.astype(np.float32)
    s = references[target]
    wanted = (estimate @ s) / (s @ s) * s
    P = np.linalg.solve(references @ references.T, references @ estimate) @ references
    db = lambda a, b: float(10 * np.log10((a @ a) / (b @ b)))
    return [db(wanted, estimate - wanted), db(wanted, P - wanted), db(P, estimate - P)]

# %% wrong="distortion_ratios" about="the answer for the visible examples only"
def distortion_ratios(references, estimate, target):
    if len(estimate) == 3:
        return list(10 * np.log10([9 / 2, 9.0, 10.0]))
    return list(10 * np.log10([1 / 5, 1 / 4, 5.0] if target == 1 else [2.0, 4.0, 5.0]))

# %% wrong="distortion_ratios" about="asks the library"
def distortion_ratios(references, estimate, target):
    result = metrics.bss_eval(references, np.tile(estimate, (len(references), 1)), filter_length=1, permute=False)
    return [result.sdr[target], result.sir[target], result.sar[target]]

# %% right="best_order" about="takes one reference after the other and tries what is left, by recursion"
def best_order(scores):
    def best(j, free):
        if not free:
            return 0.0, []
        options = [(scores[j, i] + (tail := best(j + 1, free - {i}))[0], [i] + tail[1]) for i in free]
        return max(options)
    return best(0, set(range(len(scores))))[1]

# %% right="best_order" about="all permutations as one index array"
def best_order(scores):
    orders = np.array(list(itertools.permutations(range(len(scores)))))
    return orders[np.argmax(scores[np.arange(len(scores)), orders].sum(axis=1))]

# %% right="best_order" about="the tuple, as itertools makes it"
def best_order(scores):
    return max(itertools.permutations(range(len(scores))), key=lambda p: sum(scores[j, i] for j, i in enumerate(p)))

# %% wrong="best_order" about="every reference takes its best estimate"
def best_order(scores):
    return np.argmax(scores, axis=1).tolist()

# %% wrong="best_order" about="the best single pair first, then the best of the rest"
def best_order(scores):
    left, order = np.array(scores, dtype=float), [0] * len(scores)
    for _ in range(len(scores)):
        j, i = np.unravel_index(np.argmax(left), left.shape)
        order[j] = int(i)
        left[j], left[:, i] = -np.inf, -np.inf
    return order

# %% wrong="best_order" about="one reference after the other takes the best that is free, from the last"
def best_order(scores):
    free, order = set(range(len(scores))), [0] * len(scores)
    for j in reversed(range(len(scores))):
        order[j] = max(free, key=lambda i: scores[j, i])
        free.remove(order[j])
    return order

# %% wrong="best_order" about="the inverse: which reference belongs to each estimate"
def best_order(scores):
    n = len(scores)
    return list(max(itertools.permutations(range(n)), key=lambda p: sum(scores[p[i], i] for i in range(n))))

# %% wrong="best_order" about="the smallest sum, as if scores were costs"
def best_order(scores):
    n = len(scores)
    return list(min(itertools.permutations(range(n)), key=lambda p: sum(scores[j, p[j]] for j in range(n))))

# %% wrong="best_order" about="the search starts from a sum of zero, so negative scores find nothing"
def best_order(scores):
    best, best_sum = list(range(len(scores))), 0.0
    for p in itertools.permutations(range(len(scores))):
        total = sum(scores[j, p[j]] for j in range(len(scores)))
        if total > best_sum:
            best, best_sum = list(p), total
    return best

# %% wrong="best_order" about="the product in place of the sum"
def best_order(scores):
    n = len(scores)
    return list(max(itertools.permutations(range(n)), key=lambda p: np.prod([scores[j, p[j]] for j in range(n)])))

# %% wrong="best_order" about="magnitudes: a score of -40 counts as a good one"
def best_order(scores):
    n = len(scores)
    return list(max(itertools.permutations(range(n)), key=lambda p: sum(abs(scores[j, p[j]]) for j in range(n))))

# %% wrong="best_order" about="makes the worst score as good as it can be"
def best_order(scores):
    n = len(scores)
    return list(max(itertools.permutations(range(n)), key=lambda p: min(scores[j, p[j]] for j in range(n))))

# %% wrong="best_order" about="adds energies instead of decibels"
def best_order(scores):
    n = len(scores)
    return list(max(itertools.permutations(range(n)), key=lambda p: sum(10 ** (scores[j, p[j]] / 10) for j in range(n))))

# %% wrong="best_order" about="tries the rotations only"
def best_order(scores):
    n = len(scores)
    rotations = [[(j + r) % n for j in range(n)] for r in range(n)]
    return max(rotations, key=lambda p: sum(scores[j, p[j]] for j in range(n)))

# %% wrong="best_order" about="exchanges pairs once, and stops at the first order that is good enough"
def best_order(scores):
    order = np.argsort(-scores.sum(axis=0)).tolist()
    for a, b in itertools.combinations(range(len(scores)), 2):
        if scores[a, order[b]] + scores[b, order[a]] > scores[a, order[a]] + scores[b, order[b]]:
            order[a], order[b] = order[b], order[a]
    return order

# %% wrong="best_order" about="the order as it comes, improved by exchanging pairs until nothing improves"
def best_order(scores):
    n = len(scores)
    order = list(range(n))
    moved = True
    while moved:
        moved = False
        for a, b in itertools.combinations(range(n), 2):
            if scores[a, order[b]] + scores[b, order[a]] > scores[a, order[a]] + scores[b, order[b]] + 1e-12:
                order[a], order[b] = order[b], order[a]
                moved = True
    return order

# %% wrong="best_order" about="the Hungarian algorithm without its second half"
def best_order(scores):
    reduced = scores - scores.max(axis=1, keepdims=True)
    reduced = reduced - reduced.max(axis=0, keepdims=True)
    return np.argmax(reduced, axis=1).tolist()

# %% wrong="best_order" about="changes the caller's scores while it searches"
def best_order(scores):
    n = len(scores)
    scores -= scores.max()
    return list(max(itertools.permutations(range(n)), key=lambda p: sum(scores[j, p[j]] for j in range(n))))

# %% wrong="best_order" about="rounds the scores to whole decibels first"
def best_order(scores):
    n, rounded = len(scores), np.round(scores)
    return list(max(itertools.permutations(range(n)), key=lambda p: sum(rounded[j, p[j]] for j in range(n))))

# %% wrong="best_order" about="the answer for the visible examples only"
def best_order(scores):
    return [1, 0] if len(scores) == 2 else [2, 0, 1]

# %% wrong="best_order" about="asks the library"
def best_order(scores):
    return metrics.best_permutation(scores)

# %% right="excess_kurtosis" about="the variance of the squared, standardised signal"
def excess_kurtosis(x):
    z = (x - np.mean(x)) / np.std(x)
    return np.var(z**2) - 2

# %% right="excess_kurtosis" about="sums instead of means"
def excess_kurtosis(x):
    d = np.asarray(x, float) - sum(x) / len(x)
    return len(d) * np.sum(d**4) / np.sum(d * d) ** 2 - 3

# %% wrong="excess_kurtosis" about="a Gaussian gets 3"
def excess_kurtosis(x):
    d = x - np.mean(x)
    return np.mean(d**4) / np.mean(d**2) ** 2

# %% wrong="excess_kurtosis" about="the mean stays on"
def excess_kurtosis(x):
    return np.mean(x**4.0) / np.mean(x**2.0) ** 2 - 3

# %% wrong="excess_kurtosis" about="grows with the level: three squared variances are subtracted, nothing is divided"
def excess_kurtosis(x):
    d = x - np.mean(x)
    return np.mean(d**4) - 3 * np.mean(d**2) ** 2

# %% wrong="excess_kurtosis" about="the sample variance with N - 1"
def excess_kurtosis(x):
    d = x - np.mean(x)
    return np.mean(d**4) / np.var(x, ddof=1) ** 2 - 3

# %% wrong="excess_kurtosis" about="the median in place of the mean"
def excess_kurtosis(x):
    d = x - np.median(x)
    return np.mean(d**4) / np.mean(d**2) ** 2 - 3

# %% wrong="excess_kurtosis" about="the mean is taken off as a whole number"
def excess_kurtosis(x):
    d = x - int(np.mean(x))
    return np.mean(d**4) / np.mean(d**2) ** 2 - 3

# %% wrong="excess_kurtosis" about="the third power: skewness"
def excess_kurtosis(x):
    d = x - np.mean(x)
    return np.mean(d**3) / np.mean(d**2) ** 1.5

# %% wrong="excess_kurtosis" about="a small number in the denominator, which soft signals notice"
def excess_kurtosis(x):
    d = x - np.mean(x)
    return np.mean(d**4) / (np.mean(d**2) ** 2 + 1e-12) - 3

# %% wrong="excess_kurtosis" about="large values are clipped at three deviations"
def excess_kurtosis(x):
    z = np.clip((x - np.mean(x)) / np.std(x), -3, 3)
    return np.mean(z**4) / np.mean(z**2) ** 2 - 3

# %% wrong="excess_kurtosis" about="takes the mean off the caller's array"
def excess_kurtosis(x):
    x -= np.mean(x).astype(x.dtype)
    return np.mean(x**4) / np.mean(x**2) ** 2 - 3

# %% wrong="excess_kurtosis" about="single precision"
def excess_kurtosis(x):
    z = ((x - np.mean(x)) / np.std(x)).astype(np.float32)
    return float(np.mean(z**4) / np.mean(z**2) ** 2 - 3)

# %% wrong="excess_kurtosis" about="the answer for the visible examples only"
def excess_kurtosis(x):
    return 1.0 if len(x) == 8 else -2.0

# %% wrong="excess_kurtosis" about="asks scipy, which the exercise forbids"
def excess_kurtosis(x):
    import scipy.stats
    return float(scipy.stats.kurtosis(x))

# %% right="contrast_derivatives" about="a table of functions, and logcosh by its exponentials of -2|u|"
def contrast_derivatives(u, name):
    def logcosh(u):
        decay = np.exp(-2 * np.abs(u))
        return np.sign(u) * (1 - decay) / (1 + decay), 4 * decay / (1 + decay) ** 2
    def gauss(u):
        bell = np.exp(-0.5 * u * u)
        return bell * u, bell - u * u * bell
    return {"logcosh": logcosh, "exp": gauss, "cube": lambda u: (u * u * u, 3.0 * u * u)}[name](u)

# %% right="contrast_derivatives" about="both in one array"
def contrast_derivatives(u, name):
    u = np.asarray(u, dtype=float)
    if name == "cube":
        return np.array([u**3, 3 * u**2])
    if name == "logcosh":
        return np.array([np.tanh(u), (1 - np.tanh(u)) * (1 + np.tanh(u))])
    return np.array([u, 1 - u**2]) * np.exp(-np.square(u) / 2)

# %% wrong="contrast_derivatives" about="G and its first derivative"
def contrast_derivatives(u, name):
    if name == "logcosh":
        return np.log(np.cosh(u)), np.tanh(u)
    if name == "exp":
        return -np.exp(-u**2 / 2), u * np.exp(-u**2 / 2)
    return u**4 / 4, u**3

# %% wrong="contrast_derivatives" about="no product rule"
def contrast_derivatives(u, name):
    if name == "logcosh":
        return np.tanh(u), 1 - np.tanh(u) ** 2
    if name == "exp":
        return u * np.exp(-u**2 / 2), np.exp(-u**2 / 2)
    return u**3, 3 * u**2

# %% wrong="contrast_derivatives" about="the sign of the exponential's first derivative is wrong"
def contrast_derivatives(u, name):
    e = np.exp(-u**2 / 2)
    if name == "logcosh":
        return np.tanh(u), 1 - np.tanh(u) ** 2
    if name == "exp":
        return -u * e, -(1 - u**2) * e
    return u**3, 3 * u**2

# %% wrong="contrast_derivatives" about="the square of tanh is forgotten"
def contrast_derivatives(u, name):
    e = np.exp(-u**2 / 2)
    if name == "logcosh":
        return np.tanh(u), 1 - np.tanh(u)
    if name == "exp":
        return u * e, (1 - u**2) * e
    return u**3, 3 * u**2

# %% wrong="contrast_derivatives" about="tanh as a quotient that overflows"
def contrast_derivatives(u, name):
    if name == "logcosh":
        t = np.sinh(u) / np.cosh(u)
        return t, 1 - t**2
    if name == "exp":
        e = np.exp(-u**2 / 2)
        return u * e, (1 - u**2) * e
    return u**3, 3 * u**2

# %% wrong="contrast_derivatives" about="works for one axis only"
def contrast_derivatives(u, name):
    import math
    if name == "logcosh":
        g = [math.tanh(x) for x in u]
        return np.array(g), np.array([1 - t * t for t in g])
    if name == "exp":
        return np.array([x * math.exp(-x * x / 2) for x in u]), np.array([(1 - x * x) * math.exp(-x * x / 2) for x in u])
    return np.array([x**3 for x in u]), np.array([3 * x**2 for x in u])

# %% wrong="contrast_derivatives" about="squares the caller's array in place"
def contrast_derivatives(u, name):
    original = u.copy()
    u *= u
    if name == "logcosh":
        return np.tanh(original), 1 - np.tanh(original) ** 2
    if name == "exp":
        return original * np.exp(-u / 2), (1 - u) * np.exp(-u / 2)
    return original * u, 3 * u

# %% wrong="contrast_derivatives" about="clipped at five, so that nothing can overflow"
def contrast_derivatives(u, name):
    u = np.clip(u, -5, 5)
    e = np.exp(-u**2 / 2)
    if name == "logcosh":
        return np.tanh(u), 1 - np.tanh(u) ** 2
    if name == "exp":
        return u * e, (1 - u**2) * e
    return u**3, 3 * u**2

# %% wrong="contrast_derivatives" about="both are stored in arrays of the input's whole-number type"
def contrast_derivatives(u, name):
    g, g_prime = np.zeros_like(u), np.zeros_like(u)
    if name == "logcosh":
        g[...], g_prime[...] = np.tanh(u), 1 - np.tanh(u) ** 2
    elif name == "exp":
        g[...], g_prime[...] = u * np.exp(-u**2 / 2), (1 - u**2) * np.exp(-u**2 / 2)
    else:
        g[...], g_prime[...] = u**3, 3 * u**2
    return g, g_prime

# %% wrong="contrast_derivatives" about="the first is stored in an array of the input's whole-number type"
def contrast_derivatives(u, name):
    g = np.zeros_like(u)
    if name == "logcosh":
        g[...] = np.tanh(u)
        return g, 1 - np.tanh(u) ** 2
    if name == "exp":
        g[...] = u * np.exp(-u**2 / 2)
        return g, (1 - u**2) * np.exp(-u**2 / 2)
    return u**3, 3 * u**2

# %% wrong="contrast_derivatives" about="the means over all samples, which only FastICA needs"
def contrast_derivatives(u, name):
    e = np.exp(-u**2 / 2)
    if name == "logcosh":
        return np.tanh(u), np.mean(1 - np.tanh(u) ** 2)
    if name == "exp":
        return u * e, np.mean((1 - u**2) * e)
    return u**3, np.mean(3 * u**2)

# %% wrong="contrast_derivatives" about="single precision"
def contrast_derivatives(u, name):
    u = u.astype(np.float32)
    e = np.exp(-u**2 / 2)
    if name == "logcosh":
        return np.tanh(u), 1 - np.tanh(u) ** 2
    if name == "exp":
        return u * e, (1 - u**2) * e
    return u**3, 3 * u**2

# %% wrong="contrast_derivatives" about="the second derivative by differences between neighbouring samples"
def contrast_derivatives(u, name):
    g = {"logcosh": np.tanh(u), "exp": u * np.exp(-u**2 / 2), "cube": u**3}[name]
    return g, np.gradient(g, u)

# %% wrong="contrast_derivatives" about="the answer for the visible examples only"
def contrast_derivatives(u, name):
    u = np.array([0.0, 1.0, -2.0])
    e = np.exp(-u**2 / 2)
    return {"logcosh": (np.tanh(u), 1 - np.tanh(u) ** 2), "exp": (u * e, (1 - u**2) * e), "cube": (u**3, 3 * u**2)}[name]

# %% wrong="contrast_derivatives" about="asks the library"
def contrast_derivatives(u, name):
    return ica.contrast(u, name)[1:]

# %% right="newton_step" about="sums in place of means, the derivatives written out, and the sign kept near w"
def newton_step(w, Z, contrast):
    u = np.dot(w, Z)
    if contrast == "logcosh":
        g, slope = np.tanh(u), 1 - np.tanh(u) ** 2
    elif contrast == "exp":
        g, slope = u * np.exp(-u * u / 2), (1 - u * u) * np.exp(-u * u / 2)
    else:
        g, slope = u**3, 3 * u**2
    direction = np.sum(Z * g, axis=1) - slope.sum() * w
    direction = direction / np.sqrt(np.sum(direction**2))
    return direction if direction @ w > 0 else -direction

# %% right="newton_step" about="the Newton step before it is simplified, with its multiplier"
def newton_step(w, Z, contrast):
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    gradient = np.mean(Z * g, axis=1)
    beta = w @ gradient
    stepped = w - (gradient - beta * w) / (np.mean(g_prime) - beta)
    return stepped / np.linalg.norm(stepped)

# %% right="newton_step" about="for the cube, the 3 that whiteness gives"
def newton_step(w, Z, contrast):
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    slope = 3.0 if contrast == "cube" else g_prime.mean()
    w_new = Z @ g / Z.shape[1] - slope * w
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="a gradient step: the second term is missing"
def newton_step(w, Z, contrast):
    _, g, _ = ica.contrast(w @ Z, contrast)
    w_new = Z @ g / Z.shape[1]
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="w is added to the gradient"
def newton_step(w, Z, contrast):
    _, g, _ = ica.contrast(w @ Z, contrast)
    w_new = w + Z @ g / Z.shape[1]
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="the two terms are added"
def newton_step(w, Z, contrast):
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    w_new = Z @ g / Z.shape[1] + g_prime.mean() * w
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="not scaled to length one"
def newton_step(w, Z, contrast):
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    return Z @ g / Z.shape[1] - g_prime.mean() * w

# %% wrong="newton_step" about="the first term is a sum over the samples, the second a mean"
def newton_step(w, Z, contrast):
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    w_new = Z @ g - g_prime.mean() * w
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="takes G for g and g for its derivative"
def newton_step(w, Z, contrast):
    g, g_prime, _ = ica.contrast(w @ Z, contrast)
    w_new = Z @ g / Z.shape[1] - g_prime.mean() * w
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="the second mean of the first function"
def newton_step(w, Z, contrast):
    _, g, _ = ica.contrast(w @ Z, contrast)
    w_new = Z @ g / Z.shape[1] - g.mean() * w
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="the contrast is applied to the signals before they are projected"
def newton_step(w, Z, contrast):
    _, g, g_prime = ica.contrast(Z, contrast)
    w_new = w @ g @ Z.T / Z.shape[1] - (w @ g_prime).mean() * w
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="the cube whatever the contrast"
def newton_step(w, Z, contrast):
    u = w @ Z
    w_new = Z @ u**3 / Z.shape[1] - 3 * np.mean(u**2) * w
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="three is the mean of every derivative"
def newton_step(w, Z, contrast):
    _, g, _ = ica.contrast(w @ Z, contrast)
    w_new = Z @ g / Z.shape[1] - 3 * w
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="Newton's step with the whole Hessian, which the lesson's step replaces by a number"
def newton_step(w, Z, contrast):
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    gradient, beta = Z @ g / Z.shape[1], np.mean((w @ Z) * g)
    hessian = (Z * g_prime) @ Z.T / Z.shape[1] - beta * np.eye(len(w))
    w_new = w - np.linalg.lstsq(hessian, gradient - beta * w, rcond=None)[0]
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="the mean of g' is weighted by the projection's square, as E{z z^T g'} would be"
def newton_step(w, Z, contrast):
    u = w @ Z
    _, g, g_prime = ica.contrast(u, contrast)
    w_new = Z @ g / Z.shape[1] - np.mean(g_prime * u**2) * w
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="N - 1 in the first mean"
def newton_step(w, Z, contrast):
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    w_new = Z @ g / (Z.shape[1] - 1) - g_prime.mean() * w
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="knows of two channels only"
def newton_step(w, Z, contrast):
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    w_new = np.array([np.mean(Z[0] * g), np.mean(Z[1] * g)]) - g_prime.mean() * w[:2]
    return w_new / np.hypot(*w_new)

# %% wrong="newton_step" about="scaled by the sum of the magnitudes"
def newton_step(w, Z, contrast):
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    w_new = Z @ g / Z.shape[1] - g_prime.mean() * w
    return w_new / np.sum(np.abs(w_new))

# %% wrong="newton_step" about="moves the caller's direction"
def newton_step(w, Z, contrast):
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    w *= -g_prime.mean()
    w += Z @ g / Z.shape[1]
    w /= np.linalg.norm(w)
    return w

# %% wrong="newton_step" about="single precision"
def newton_step(w, Z, contrast):
    w, Z = w.astype(np.float32), Z.astype(np.float32)
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    w_new = Z @ g / Z.shape[1] - g_prime.mean() * w
    return (w_new / np.linalg.norm(w_new)).astype(np.float32)

# %% wrong="newton_step" about="only every second sample, to be faster"
def newton_step(w, Z, contrast):
    Z = Z[:, ::2] if Z.shape[1] > 100 else Z
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    w_new = Z @ g / Z.shape[1] - g_prime.mean() * w
    return w_new / np.linalg.norm(w_new)

# %% wrong="newton_step" about="the answer for the visible examples only"
def newton_step(w, Z, contrast):
    if contrast == "cube":
        return np.array([-0.432, -1.024]) / np.hypot(0.432, 1.024)
    u = np.array([0.8, -0.6]) @ (np.array([[2.0, -1.0, 0.0, -1.0, 0.0], [0.0, 1.0, -2.0, 0.0, 1.0]]) / np.sqrt(1.2))
    Z, w = np.array([[2.0, -1.0, 0.0, -1.0, 0.0], [0.0, 1.0, -2.0, 0.0, 1.0]]) / np.sqrt(1.2), np.array([0.8, -0.6])
    g, g_prime = (np.tanh(u), 1 - np.tanh(u) ** 2) if contrast == "logcosh" else (u * np.exp(-u**2 / 2), (1 - u**2) * np.exp(-u**2 / 2))
    step = np.mean(Z * g, axis=1) - np.mean(g_prime) * w
    return step / np.linalg.norm(step)

# %% right="one_by_one" about="by the step of the exercise before, and one subtraction after the other"
def one_by_one(Z, starts, n_iterations):
    found = []
    for start in starts:
        w = np.array(start, dtype=float)
        for step in range(n_iterations + 1):
            if step > 0:
                w = newton_step(w, Z, "logcosh")
            for earlier in found:
                w = w - (w @ earlier) * earlier
            w = w / np.linalg.norm(w)
        found.append(w)
    return np.array(found)

# %% right="one_by_one" about="a projection matrix onto what is still free"
def one_by_one(Z, starts, n_iterations):
    n_channels, n_samples = Z.shape
    free, rows = np.eye(n_channels), []
    for k in range(n_channels):
        w = free @ starts[k]
        w = w / np.sqrt(w @ w)
        for _ in range(n_iterations):
            t = np.tanh(Z.T @ w)
            w = free @ (Z @ t - (n_samples - t @ t) * w)
            w = w / np.sqrt(w @ w)
        rows.append(w)
        free = free - np.outer(w, w)
    return np.vstack(rows)

# %% right="one_by_one" about="stops early once nothing moves any more"
def one_by_one(Z, starts, n_iterations):
    W = np.empty((len(Z), len(Z)))
    for k in range(len(Z)):
        w = starts[k] - W[:k].T @ (W[:k] @ starts[k])
        w = w / np.linalg.norm(w)
        for _ in range(n_iterations):
            t = np.tanh(w @ Z)
            w_new = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w_new = w_new - W[:k].T @ (W[:k] @ w_new)
            w_new = w_new / np.linalg.norm(w_new)
            still = abs(w_new @ w) > 1 - 1e-14
            w = w_new
            if still:
                break
        W[k] = w
    return W

# %% wrong="one_by_one" about="nothing is subtracted: all searches may find one source"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k] / np.linalg.norm(starts[k])
        for _ in range(n_iterations):
            t = np.tanh(w @ Z)
            w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w / np.linalg.norm(w)
        W[k] = w
    return W

# %% wrong="one_by_one" about="subtracts after the last step only"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k] / np.linalg.norm(starts[k])
        for _ in range(n_iterations):
            t = np.tanh(w @ Z)
            w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w / np.linalg.norm(w)
        w = w - W[:k].T @ (W[:k] @ w)
        W[k] = w / np.linalg.norm(w)
    return W

# %% wrong="one_by_one" about="subtracts from the start only"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k] - W[:k].T @ (W[:k] @ starts[k])
        w = w / np.linalg.norm(w)
        for _ in range(n_iterations):
            t = np.tanh(w @ Z)
            w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w / np.linalg.norm(w)
        W[k] = w
    return W

# %% wrong="one_by_one" about="subtracts before each step, so the last step leaves the free space"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = np.array(starts[k], dtype=float)
        for _ in range(n_iterations):
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
            t = np.tanh(w @ Z)
            w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
        W[k] = w / np.linalg.norm(w)
    return W

# %% wrong="one_by_one" about="subtracts only what it shares with the direction just before"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        before = W[max(k - 1, 0) : k]
        w = starts[k] - before.T @ (before @ starts[k])
        w = w / np.linalg.norm(w)
        for _ in range(n_iterations):
            t = np.tanh(w @ Z)
            w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w - before.T @ (before @ w)
            w = w / np.linalg.norm(w)
        W[k] = w
    return W

# %% wrong="one_by_one" about="scales first and subtracts afterwards, so lengths are not one"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k] / np.linalg.norm(starts[k])
        w = w - W[:k].T @ (W[:k] @ w)
        for _ in range(n_iterations):
            t = np.tanh(w @ Z)
            w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w / np.linalg.norm(w)
            w = w - W[:k].T @ (W[:k] @ w)
        W[k] = w
    return W

# %% wrong="one_by_one" about="the start is scaled, but what it shares with earlier directions stays"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k] / np.linalg.norm(starts[k])
        for _ in range(n_iterations):
            t = np.tanh(w @ Z)
            w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
        W[k] = w
    return W

# %% wrong="one_by_one" about="the start keeps its length"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k] - W[:k].T @ (W[:k] @ starts[k])
        for _ in range(n_iterations):
            t = np.tanh(w @ Z)
            w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
        W[k] = w
    return W

# %% wrong="one_by_one" about="all rows at once, by symmetric decorrelation"
def one_by_one(Z, starts, n_iterations):
    def decorrelate(W):
        L, _, Rt = np.linalg.svd(W)
        return L @ Rt
    W = decorrelate(starts)
    for _ in range(n_iterations):
        t = np.tanh(W @ Z)
        W = decorrelate(t @ Z.T / Z.shape[1] - (1 - t**2).mean(axis=1)[:, None] * W)
    return W

# %% wrong="one_by_one" about="the cube in place of logcosh"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k] - W[:k].T @ (W[:k] @ starts[k])
        w = w / np.linalg.norm(w)
        for _ in range(n_iterations):
            w = Z @ (w @ Z) ** 3 / Z.shape[1] - 3 * w
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
        W[k] = w
    return W

# %% wrong="one_by_one" about="gradient steps"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k] - W[:k].T @ (W[:k] @ starts[k])
        w = w / np.linalg.norm(w)
        for _ in range(n_iterations):
            w = w - Z @ np.tanh(w @ Z) / Z.shape[1]
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
        W[k] = w
    return W

# %% wrong="one_by_one" about="always two hundred steps from starts of its own"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    rng = np.random.default_rng(3)
    for k in range(len(W)):
        w = rng.standard_normal(len(W))
        for _ in range(200):
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
            t = np.tanh(w @ Z)
            w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
        w = w - W[:k].T @ (W[:k] @ w)
        W[k] = w / np.linalg.norm(w)
    return W

# %% wrong="one_by_one" about="one step fewer than asked"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k] - W[:k].T @ (W[:k] @ starts[k])
        w = w / np.linalg.norm(w)
        for _ in range(n_iterations - 1):
            t = np.tanh(w @ Z)
            w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
        W[k] = w
    return W

# %% wrong="one_by_one" about="returns the directions as columns"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k]
        for step in range(n_iterations + 1):
            if step > 0:
                t = np.tanh(w @ Z)
                w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
        W[k] = w
    return W.T

# %% wrong="one_by_one" about="returns the signals"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k]
        for step in range(n_iterations + 1):
            if step > 0:
                t = np.tanh(w @ Z)
                w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
        W[k] = w
    return W @ Z

# %% wrong="one_by_one" about="works in the caller's array of starts"
def one_by_one(Z, starts, n_iterations):
    W = starts
    for k in range(len(W)):
        for step in range(n_iterations + 1):
            if step > 0:
                t = np.tanh(W[k] @ Z)
                W[k] = Z @ t / Z.shape[1] - (1 - t**2).mean() * W[k]
            W[k] -= W[:k].T @ (W[:k] @ W[k])
            W[k] /= np.linalg.norm(W[k])
    return W

# %% wrong="one_by_one" about="stores the directions in an array of the starts' whole-number type"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros_like(starts)
    for k in range(len(W)):
        w = starts[k]
        for step in range(n_iterations + 1):
            if step > 0:
                t = np.tanh(w @ Z)
                w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
        W[k] = w
    return W

# %% wrong="one_by_one" about="the last direction follows from the others by a cross product, in three dimensions"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros((3, 3))
    for k in range(2):
        w = starts[k]
        for step in range(n_iterations + 1):
            if step > 0:
                t = np.tanh(w @ Z)
                w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
        W[k] = w
    W[2] = np.cross(W[0], W[1])
    return W

# %% wrong="one_by_one" about="single precision"
def one_by_one(Z, starts, n_iterations):
    Z, starts = Z.astype(np.float32), starts.astype(np.float32)
    W = np.zeros(starts.shape, dtype=np.float32)
    for k in range(len(W)):
        w = starts[k]
        for step in range(n_iterations + 1):
            if step > 0:
                t = np.tanh(w @ Z)
                w = Z @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w - W[:k].T @ (W[:k] @ w)
            w = w / np.linalg.norm(w)
        W[k] = w
    return W

# %% wrong="one_by_one" about="the found sources are taken out of the signals, but the next search is not kept from them"
def one_by_one(Z, starts, n_iterations):
    W, rest = np.zeros(starts.shape), np.array(Z, dtype=float)
    for k in range(len(W)):
        w = starts[k] / np.linalg.norm(starts[k])
        for _ in range(n_iterations):
            t = np.tanh(w @ rest)
            w = rest @ t / Z.shape[1] - (1 - t**2).mean() * w
            w = w / np.linalg.norm(w)
        W[k] = w
        rest = rest - np.outer(w, w @ rest)
    return W

# %% wrong="one_by_one" about="the answer for the visible example only"
def one_by_one(Z, starts, n_iterations):
    values = [np.array([-1.0, 1.0]), np.array([-2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]), np.arange(-2.0, 3.0) / np.sqrt(2)]
    S = np.array([axis.ravel() for axis in np.meshgrid(*values, indexing="ij")])
    return S @ np.linalg.pinv(Z) if Z.shape == S.shape else np.eye(len(Z))

# %% right="decorrelate_rows" about="the same matrix with the root on the other side"
def decorrelate_rows(W):
    eigenvalues, E = np.linalg.eigh(W.T @ W)
    return W @ E @ np.diag(eigenvalues**-0.5) @ E.T

# %% right="decorrelate_rows" about="Newton's iteration for the nearest orthogonal matrix"
def decorrelate_rows(W):
    Q = W / np.linalg.norm(W)
    for _ in range(60):
        Q = (Q + np.linalg.inv(Q).T) / 2
    return Q

# %% right="decorrelate_rows" about="scipy's matrix root, inverted"
def decorrelate_rows(W):
    from scipy.linalg import sqrtm
    scale = np.abs(W).max()
    W = W / scale
    return np.linalg.inv(np.real(sqrtm(W @ W.T))) @ W

# %% wrong="decorrelate_rows" about="Gram and Schmidt: the first row keeps its direction"
def decorrelate_rows(W):
    Q = np.array(W, dtype=float)
    for k in range(len(Q)):
        Q[k] -= Q[:k].T @ (Q[:k] @ Q[k])
        Q[k] /= np.linalg.norm(Q[k])
    return Q

# %% wrong="decorrelate_rows" about="scales each row to length one"
def decorrelate_rows(W):
    return W / np.linalg.norm(W, axis=1, keepdims=True)

# %% wrong="decorrelate_rows" about="the inverse without the root"
def decorrelate_rows(W):
    return np.linalg.inv(W @ W.T) @ W

# %% wrong="decorrelate_rows" about="the root is taken entry by entry"
def decorrelate_rows(W):
    return np.linalg.inv(np.sqrt(np.abs(W @ W.T))) @ W

# %% wrong="decorrelate_rows" about="the last E is forgotten: right angles, but not the nearest"
def decorrelate_rows(W):
    eigenvalues, E = np.linalg.eigh(W @ W.T)
    return (E / np.sqrt(eigenvalues)).T @ W

# %% wrong="decorrelate_rows" about="the root of W W^T stands on the right of W"
def decorrelate_rows(W):
    eigenvalues, E = np.linalg.eigh(W @ W.T)
    return W @ (E / np.sqrt(eigenvalues)) @ E.T

# %% wrong="decorrelate_rows" about="transposes what np.linalg.svd returns transposed already"
def decorrelate_rows(W):
    L, _, R = np.linalg.svd(W)
    return L @ R.T

# %% wrong="decorrelate_rows" about="scales the rows first, which changes what is nearest"
def decorrelate_rows(W):
    L, _, Rt = np.linalg.svd(W / np.linalg.norm(W, axis=1, keepdims=True))
    return L @ Rt

# %% wrong="decorrelate_rows" about="insists on a rotation, and flips a direction of a mirrored matrix"
def decorrelate_rows(W):
    L, _, Rt = np.linalg.svd(W)
    L[:, -1] *= np.sign(np.linalg.det(L @ Rt))
    return L @ Rt

# %% wrong="decorrelate_rows" about="the closed form for a plane"
def decorrelate_rows(W):
    if W.shape != (2, 2):
        return W / np.linalg.norm(W, axis=1, keepdims=True)
    sign = np.sign(np.linalg.det(W))
    Q = W + sign * np.array([[W[1, 1], -W[1, 0]], [-W[0, 1], W[0, 0]]])
    return Q / np.sqrt(np.abs(np.linalg.det(Q)))

# %% wrong="decorrelate_rows" about="a few steps of an iteration, for any level"
def decorrelate_rows(W):
    Q = W / np.linalg.norm(W)
    for _ in range(6):
        Q = 1.5 * Q - 0.5 * Q @ Q.T @ Q
    return Q

# %% wrong="decorrelate_rows" about="a small number keeps the eigenvalues from zero, and drowns soft rows"
def decorrelate_rows(W):
    eigenvalues, E = np.linalg.eigh(W @ W.T)
    return (E / np.sqrt(eigenvalues + 1e-12)) @ E.T @ W

# %% wrong="decorrelate_rows" about="scales the caller's matrix"
def decorrelate_rows(W):
    if W.dtype.kind == "f":
        W /= np.linalg.norm(W)
    L, _, Rt = np.linalg.svd(W)
    return L @ Rt

# %% wrong="decorrelate_rows" about="single precision"
def decorrelate_rows(W):
    L, _, Rt = np.linalg.svd(W.astype(np.float32))
    return (L @ Rt).astype(float)

# %% wrong="decorrelate_rows" about="the answer for the visible example only"
def decorrelate_rows(W):
    if len(W) == 2:
        return np.array([[2.0, 1.0], [-1.0, 2.0]]) / np.sqrt(5)
    L, _, Rt = np.linalg.svd(np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [1.0, 0.0, 1.0]]))
    return L @ Rt

# %% wrong="decorrelate_rows" about="asks scipy's polar decomposition, which the exercise forbids"
def decorrelate_rows(W):
    import scipy.linalg
    return scipy.linalg.polar(W)[0]
