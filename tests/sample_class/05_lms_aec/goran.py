# %% [markdown] start="reference" about="Convolution and correlation exchanged: a flip and two conjugates are missing."

# %% answer="stft_echo_model"
def stft_echo_model(X, H):
    padded = torch.nn.functional.pad(X, (H.shape[1] - 1, 0))
    return torch.nn.functional.conv1d(padded[None], H[:, None], groups=H.shape[0])[0]

# %% answer="frequency_domain_step"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% answer="kalman_step"
def kalman_step(H, P, X, Y, noise, transition):
    H_before, P_before = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * H_before
    denominator = np.abs(X) ** 2 * P_before + noise
    gain = P_before * X / np.where(denominator > 0, denominator, 1.0)
    return E, H_before + gain * E, (1 - np.abs(gain * X)) * P_before
