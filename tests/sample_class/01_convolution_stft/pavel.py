# %% [markdown] start="reference" about="Lets libraries answer what the exercises ask."

# %% answer="convolve_by_definition"
def convolve_by_definition(x, h):
    return np.convolve(np.asarray(x, float), h)

# %% answer="overlap_add"
def overlap_add(x, h, block_length):
    return convolution.overlap_add(x, h, block_length)
