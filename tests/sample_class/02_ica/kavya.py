# %% [markdown] start="reference" about="An import that fails, before the function is defined."

# %% answer="whiten_signals"
from fast_whitening import inverse_root

def whiten_signals(X):
    centred = X - X.mean(axis=1, keepdims=True)
    return inverse_root(centred @ centred.T / X.shape[1]) @ centred
