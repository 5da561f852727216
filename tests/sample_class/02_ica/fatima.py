# %% [markdown] start="reference" about="Takes equal variances for whiteness, and unit lengths for right angles."

# %% answer="whiten_signals"
def whiten_signals(X):
    return (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)

# %% answer="decorrelate_rows"
def decorrelate_rows(W):
    return W / np.linalg.norm(W, axis=1, keepdims=True)
