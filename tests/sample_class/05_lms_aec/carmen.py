# %% [markdown] start="blank" about="Handed in as it was given out."
