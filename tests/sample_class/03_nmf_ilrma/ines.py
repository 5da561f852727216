# %% [markdown] start="reference" about="A syntax error in one cell."

# %% answer="separate_groups"
def separate_groups(X, W, H, groups):
    models = np.stack([W[:, group] @ H[group] for group in groups]
    return models / models.sum(axis=0) * X
