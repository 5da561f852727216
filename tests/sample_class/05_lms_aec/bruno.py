# %% [markdown] start="reference" about="Everything right, and every function written differently from the reference."

# %% answer="lms_filter"
def lms_filter(x, y, n_taps, step_size):
    late = [np.concatenate([np.zeros(i), x])[: len(x)] for i in range(n_taps)]
    windows = np.stack(late, axis=1)
    h = np.zeros(n_taps)
    errors = []
    for window, wanted in zip(windows, y):
        errors.append(wanted - np.inner(h, window))
        h += step_size * errors[-1] * window
    return np.asarray(errors), h

# %% answer="nlms_filter"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    late = [np.concatenate([np.zeros(i), x])[: len(x)] for i in range(n_taps)]
    h = np.zeros(n_taps)
    errors = []
    for *window, wanted in zip(*late, y):
        errors.append(wanted - sum(h * window))
        energy = sum(sample * sample for sample in window) + regularisation
        h = h + (step_size / energy if energy else 0) * errors[-1] * np.array(window)
    return np.asarray(errors), h

# %% answer="rls_filter"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    windows = np.stack([np.concatenate([np.zeros(i), x])[: len(x)] for i in range(n_taps)], axis=1)
    h = np.zeros(n_taps)
    P = np.zeros((n_taps, n_taps))
    np.fill_diagonal(P, 1 / regularisation)
    errors = []
    for window, wanted in zip(windows, y):
        below = forgetting + np.einsum("i,ij,j", window, P, window)
        errors.append(wanted - np.inner(window, h))
        h = h + P.dot(window) * errors[-1] / below
        P = P / forgetting - P.dot(np.outer(window, window)).dot(P) / (forgetting * below)
    return np.asarray(errors), h

# %% answer="erle_db"
def erle_db(y, e, near_end_active, window_length):
    result = []
    m = 0
    while (m + 1) * window_length <= len(y):
        above = below = 0.0
        for n in range(m * window_length, (m + 1) * window_length):
            if not near_end_active[n]:
                above += float(y[n]) ** 2
                below += float(e[n]) ** 2
        result.append(10 * np.log10(above / below) if above else np.nan)
        m += 1
    return np.array(result, dtype=float)

# %% answer="misalignment_db"
def misalignment_db(h, snapshots):
    n_snapshots, n_taps = snapshots.shape
    difference = np.zeros((n_snapshots, max(n_taps, len(h))))
    difference[:, :n_taps] = snapshots
    difference[:, : len(h)] -= h
    return 10 * (np.log10((difference**2).sum(axis=1)) - np.log10(float(np.dot(h, h))))

# %% answer="fit_echo_model"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=torch.float64)
    best, losses = h, []
    for _ in range(n_steps):
        h = h.detach().requires_grad_(True)
        y_hat = sum(h[i] * torch.nn.functional.pad(x, (i, 0))[: len(x)] for i in range(n_taps))
        loss = ((y_hat - y) ** 2).mean()
        if not losses or loss.item() < min(losses):
            best = h.detach()
        losses.append(loss.item())
        loss.backward()
        h = h.detach() - step_size * h.grad
    return best, losses

# %% answer="stft_echo_model"
def stft_echo_model(X, H):
    n_frames, n_taps = X.shape[1], H.shape[1]
    past = torch.nn.functional.pad(X, (n_taps - 1, 0))
    terms = [H[:, p].unsqueeze(1) * past[:, n_taps - 1 - p : n_taps - 1 - p + n_frames] for p in range(n_taps)]
    return torch.stack(terms).sum(dim=0)

# %% answer="frequency_domain_step"
def frequency_domain_step(H, x, y, step_size, power):
    L = y.shape[0]
    X = np.fft.rfft(x)
    circle = np.fft.irfft(X * H, n=2 * L)
    errors = np.zeros(2 * L)
    errors[L:] = y - circle[L:]
    G = X.conjugate() * np.fft.rfft(errors)
    for k in range(L + 1):
        G[k] = G[k] / power[k] if power[k] else 0
    lags = np.split(np.fft.irfft(G, n=2 * L), 2)[0]
    return errors[L:], H + np.fft.rfft(step_size * lags, n=2 * L)

# %% answer="double_talk_statistic"
def double_talk_statistic(x, y, n_taps):
    energy = np.sum(np.square(y, dtype=float))
    if energy == 0:
        return 1.0
    A = np.zeros((len(x) + n_taps, n_taps))
    for p in range(n_taps):
        A[p : p + len(x), p] = x
    A = A[: len(x)]
    unexplained = y - A @ np.linalg.lstsq(A, y, rcond=None)[0]
    return np.sqrt(max(0.0, 1 - unexplained @ unexplained / energy))

# %% answer="kalman_step"
def kalman_step(H, P, X, Y, noise, transition):
    A = transition
    H_minus = A * H
    P_minus = A * A * P + (1 - A * A) * np.abs(H) ** 2
    echo = P_minus * np.abs(X) ** 2
    total = echo + noise
    positive = total > 0
    K = np.zeros(len(total), dtype=complex)
    K[positive] = P_minus[positive] / total[positive] * np.conj(X[positive])
    P_new = np.array(P_minus, dtype=float)
    P_new[positive] *= noise[positive] / total[positive]
    E = Y - X * H_minus
    return E, H_minus + K * E, P_new

# %% [markdown] answer="oracle_loss"
# (a) The microphone holds near end and noise, which no filter of the far end can explain. The true path has exactly their power as its loss. As long as the filter is not the true one, the remaining echo comes on top; the cross term averages out over many samples.
# (b) With two samples for each tap the filter imitates this noise by delayed copies of x. It overfits: u is correlated negatively with v, so the third term is negative. The errors of the filter grow all the while.
# (c) Keep a part of the recording out and stop where its loss is lowest. Take fewer taps, or a longer recording.

# %% [markdown] answer="two_domains"
# Speed: in the waveform domain one step serves all frequencies, and the spread of the eigenvalues makes the soft ones slow; in the STFT domain each frequency has its own step and a few taps. Stability: the loudest frequency limits the step in the first, each frequency itself in the second.
# Quality: the waveform model contains the true path and goes down to the noise. The STFT model leaks between frequencies and has a floor.

# %% [markdown] answer="not_from_near_end"
# The step is the error times x. When the filter is good the error is nearly all near-end speech, so the step is large and points anywhere. Its mean is zero, but its variance is not: the filter walks away at random until the pull of the echo balances it.
# If a path change is taken for double talk, the filter is frozen with the wrong path, the error stays large, and so it stays frozen.
