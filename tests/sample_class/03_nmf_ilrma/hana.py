# %% [markdown] start="reference" about="Divides without a guard: silence becomes NaN or infinite."

# %% answer="update_frobenius"
def update_frobenius(V, W, H):
    return H * (W.T @ V) / (W.T @ (W @ H))

# %% answer="auxiliary_weights"
def auxiliary_weights(Y):
    return 1 / (2 * np.sqrt(np.sum(np.abs(Y) ** 2, axis=1)))
