# %% [markdown] start="reference" about="Climbs along the gradient: the second term of the fixed point is missing."

# %% answer="newton_step"
def newton_step(w, Z, contrast):
    _, g, _ = ica.contrast(w @ Z, contrast)
    w_new = Z @ g / Z.shape[1]
    return w_new / np.linalg.norm(w_new)
