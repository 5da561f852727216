# %% [markdown] start="reference" about="A loop that never ends."

# %% answer="semi_supervised_mask"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    n, i = W_speech.shape[1], 0
    while i < n_iterations:
        W_noise = iterate_kl(V, np.hstack([W_speech, W_noise]), H)[0][:, n:]
    return (W_speech @ H[:n]) / (W_speech @ H[:n] + W_noise @ H[n:])
