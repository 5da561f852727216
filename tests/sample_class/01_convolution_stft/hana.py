# %% [markdown] start="reference" about="The results are cut to whole numbers."

# %% answer="convolve_by_definition"
def convolve_by_definition(x, h):
    y = np.zeros(len(x) + len(h) - 1, dtype=int)
    for k in range(len(x)):
        for i in range(len(h)):
            y[k + i] += int(x[k] * h[i])
    return y

# %% answer="convolve_by_dot_products"
def convolve_by_dot_products(x, h):
    padded = np.pad(x, len(h) - 1)
    windows = [padded[n : n + len(h)] @ h[::-1] for n in range(len(x) + len(h) - 1)]
    return np.array(windows).astype(int)
