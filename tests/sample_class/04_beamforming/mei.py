# %% [markdown] start="reference" about="Everything right, in a file that the browser renamed." file_name="04_beamforming (1).ipynb"

# %% [markdown] answer="microphones"
# (a) Hiss: only the number counts, 10 log₁₀ 8 = 9 dB instead of 6 dB for both. Width: only the length counts, λ/(CΔ) in the cosine, so at the ends the beam becomes half as wide, and between the others it stays. Lobes: only the spacing counts; at the ends nothing changes, between the others they leave our band.
# (b) C weights, one equation for the target, so C − 1 nulls. A room reflects everything from all directions, and there are more of those than nulls.

# %% [markdown] answer="cancellation"
# (a) The constraint protects the believed vector. The true target has another one, so it is an interferer whose power can be lowered, and it is in the covariance. With the noise only, lowering it would gain nothing.
# (b) S = 10: 1/1.1, about −1 dB. S = 1000: 1/11, about −21 dB. The louder target is worth more to cancel. Loading is hiss that is not there: it lowers S.
# (c) A covariance without the target, which needs a mask or pauses; loading, which costs suppression.
