# %% [markdown] start="reference" about="A syntax error in one cell."

# %% answer="gev_weights"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise
    white = np.linalg.solve(L, target)
    return np.linalg.eigh(white)[1][:, :, -1]
