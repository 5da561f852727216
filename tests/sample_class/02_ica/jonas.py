# %% [markdown] start="reference" about="A loop that never ends: it waits for a direction to stand still that changes its sign in each step."

# %% answer="one_by_one"
def one_by_one(Z, starts, n_iterations):
    W = np.zeros(starts.shape)
    for k in range(len(W)):
        w = starts[k] / np.linalg.norm(starts[k])
        moved = 1.0
        while moved > 1e-9:
            t = np.tanh(w @ Z)
            w_new = Z @ t / Z.shape[1] - np.mean(1 - t**2) * w
            w_new = w_new - W[:k].T @ (W[:k] @ w_new)
            w_new = w_new / np.linalg.norm(w_new)
            moved = np.linalg.norm(w_new - w)
            w = w_new
        W[k] = w
    return W
