# %% [markdown] start="reference" about="Lets libraries answer what the exercises ask."

# %% answer="iterate_kl"
def iterate_kl(V, W, H):
    result = nmf.nmf(V, W.shape[1], divergence="kl", n_iterations=1, W=W, H=H)
    return result.W, result.H

# %% answer="ideal_masks"
def ideal_masks(S, N):
    return np.stack([masks.ideal_binary_mask(S, N), masks.ideal_ratio_mask(S, N, exponent=2)])

# %% answer="images_at_microphone"
def images_at_microphone(W, X, i):
    return bss.apply_demixing(bss.projection_back_filter(W, reference_channel=i), X)
