# %% [markdown] start="reference" about="Conjugates are missing: the covariance without one, the row that holds w itself."

# %% answer="weighted_covariance"
def weighted_covariance(X, weights):
    Z = X.transpose(1, 0, 2)
    return (weights * Z) @ Z.transpose(0, 2, 1) / X.shape[2]

# %% answer="iterative_projection"
def iterative_projection(W, U, n):
    new = W.astype(complex)
    for k in range(W.shape[0]):
        w = np.linalg.inv(W[k] @ U[k])[:, n]
        new[k, n] = w / np.sqrt((w.conj() @ U[k] @ w).real)
    return new
