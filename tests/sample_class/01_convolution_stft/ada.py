# %% [markdown] start="reference" about="Everything right, as in the reference."

# %% [markdown] answer="why_length"
# (a) First: index 0, from x[0]·h[0] only. Last: index (N − 1) + (M − 1), from the two last samples. That makes N + M − 1 indices.
# (b) The room would fall silent at once when the speaker stops, since the tail is cut.

# %% [markdown] answer="cost"
# 16 000 · 32 000 = 5.1e8 a second. At 48 kHz three times the samples meet three times the taps: 4.6e9, nine times as many.

# %% [markdown] answer="probability"
# Zero. Consistent spectrograms are a linear subspace with a quarter of the dimensions, and a random point misses it with certainty.
