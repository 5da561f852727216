# %% [markdown] start="reference" about="An import that fails, before the function is defined."

# %% answer="multichannel_wiener"
from fast_beamformers import wiener

def multichannel_wiener(target, noise, trade_off, reference):
    return wiener(target, noise, trade_off)[:, :, reference]
