# %% [markdown] start="reference" about="An import that fails, before the function is defined."

# %% answer="convolve_by_dot_products"
from fast_sliding_windows import windows

def convolve_by_dot_products(x, h):
    return windows(np.pad(x, len(h) - 1), len(h)) @ h[::-1]
