# %% [markdown] start="reference" about="The output is one sample too long."

# %% answer="convolve_by_definition"
def convolve_by_definition(x, h):
    y = np.zeros(len(x) + len(h))
    for k in range(len(x)):
        for i in range(len(h)):
            y[k + i] += x[k] * h[i]
    return y

# %% answer="convolve_by_shifts"
def convolve_by_shifts(x, h):
    y = np.zeros(len(x) + len(h))
    for i in range(len(h)):
        y[i : i + len(x)] += h[i] * x
    return y
