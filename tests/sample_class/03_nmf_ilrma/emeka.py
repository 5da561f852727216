# %% [markdown] start="reference" about="Stale models: a quotient is computed once and used for both halves."

# %% answer="iterate_kl"
def iterate_kl(V, W, H):
    def divided(a, b):
        a, b = np.broadcast_arrays(a, b)
        return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)

    quotient = divided(V, W @ H)
    W_new = W * divided(quotient @ H.T, H.sum(axis=1))
    return W_new, H * divided(W.T @ quotient, W.sum(axis=0)[:, None])

# %% answer="update_source_model"
def update_source_model(P, bases, activations):
    model = bases @ activations
    ratio, inverse = P / model**2, 1 / model
    bases = bases * np.sqrt((ratio @ activations.T) / (inverse @ activations.T))
    activations = activations * np.sqrt((bases.T @ ratio) / (bases.T @ inverse))
    return bases, activations
