# %% [markdown] start="reference" about="Notes errors after the filter has learnt from them."

# %% answer="lms_filter"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        h = h + step_size * (y[n] - h @ newest) * newest
        e[n] = y[n] - h @ newest
    return e, h

# %% answer="rls_filter"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    P = np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        h = h + k * (y[n] - h @ newest)
        e[n] = y[n] - h @ newest
        P = (P - np.outer(k, u)) / forgetting
    return e, h

# %% answer="kalman_step"
def kalman_step(H, P, X, Y, noise, transition):
    P = transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    H = transition * H
    denominator = np.abs(X) ** 2 * P + noise
    gain = P * np.conj(X) / np.where(denominator > 0, denominator, 1.0)
    H = H + gain * (Y - X * H)
    return Y - X * H, H, (1 - (gain * X).real) * P
