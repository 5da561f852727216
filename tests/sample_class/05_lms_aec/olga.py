# %% [markdown] start="reference" about="Three misunderstandings: the best is no copy, the gradient is not constrained, P is not corrected."

# %% answer="fit_echo_model"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], h
    for _ in range(n_steps):
        h.grad = None
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        if not losses or loss.item() < min(losses):
            best = h
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            h -= step_size * h.grad
    return best.detach(), losses

# %% answer="frequency_domain_step"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    return e, H + step_size * np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0)

# %% answer="kalman_step"
def kalman_step(H, P, X, Y, noise, transition):
    H_before, P_before = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * H_before
    denominator = np.abs(X) ** 2 * P_before + noise
    gain = P_before * np.conj(X) / np.where(denominator > 0, denominator, 1.0)
    return E, H_before + gain * E, P_before
