# %% [markdown] start="reference" about="Divides without a guard: silence becomes NaN."

# %% answer="nlms_filter"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * newest / (newest @ newest + regularisation)
    return e, h

# %% answer="frequency_domain_step"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(X.conj() * E / power, 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% answer="double_talk_statistic"
def double_talk_statistic(x, y, n_taps):
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)
