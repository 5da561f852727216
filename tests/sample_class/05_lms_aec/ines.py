# %% [markdown] start="reference" about="A syntax error in one cell."

# %% answer="fit_echo_model"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses = []
    for _ in range(n_steps)
        losses.append(torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2))
