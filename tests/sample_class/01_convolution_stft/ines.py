# %% [markdown] start="reference" about="A syntax error in one cell."

# %% answer="overlap_add"
def overlap_add(x, h, block_length)
    return np.zeros(len(x) + len(h) - 1)
