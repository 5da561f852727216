# %% [markdown] start="reference" about="Everything right, in a file that the browser renamed." file_name="02_ica (1).ipynb"

# %% [markdown] answer="why_order_and_scale"
# Two parties with sources s and D P s, and mixing matrices A and A Pᵀ D⁻¹, give the same recording, so the program must give the same answer to both and is wrong for one.
# A sample of one voice would settle the order; one known gain for each voice would settle the scale.

# %% [markdown] answer="invariances"
# (a) Estimate times c: α becomes cα, target and error are both multiplied by c, and c² cancels. Reference times c: α becomes α/c, so α s stays what it was.
# (b) A delay of a few samples: a delayed voice is no multiple of the voice.

# %% [markdown] answer="failures"
# (a) Instantaneous mixing, at least as many microphones as sources, independent sources, at most one Gaussian, no noise.
# (b) (i) Gaussian: two mixtures. (ii) Too few channels: one instrument less in each. (iii) Not independent: no loudspeaker signals. (iv) Not instantaneous: hardly separated. (v) Noise: the hiss grows.
