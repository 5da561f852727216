# %% [markdown] start="reference" about="A loop that never ends."

# %% answer="convolve_by_shifts"
def convolve_by_shifts(x, h):
    y = np.zeros(len(x) + len(h) - 1)
    i = 0
    while i < len(h):
        y[i : i + len(x)] += h[i] * x
    return y
