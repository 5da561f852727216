# %% [markdown] start="reference" about="A loop that never ends: trains until the loss is zero."

# %% answer="fit_echo_model"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses = []
    while not losses or losses[-1] > 0:
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return h.detach(), losses
