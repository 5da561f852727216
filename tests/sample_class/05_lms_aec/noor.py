# %% [markdown] start="blank" about="Written answers only."

# %% [markdown] answer="oracle_loss"
# (a) The microphone holds near end and noise, which no filter of the far end can explain. The true path has exactly their power as its loss. As long as the filter is not the true one, the remaining echo comes on top; the cross term averages out over many samples.
# (b) With two samples for each tap the filter imitates this noise by delayed copies of x. It overfits: u is correlated negatively with v, so the third term is negative. The errors of the filter grow all the while.
# (c) Keep a part of the recording out and stop where its loss is lowest. Take fewer taps, or a longer recording.

# %% [markdown] answer="two_domains"
# Speed: in the waveform domain one step serves all frequencies, and the spread of the eigenvalues makes the soft ones slow; in the STFT domain each frequency has its own step and a few taps. Stability: the loudest frequency limits the step in the first, each frequency itself in the second.
# Quality: the waveform model contains the true path and goes down to the noise. The STFT model leaks between frequencies and has a floor.

# %% [markdown] answer="not_from_near_end"
# The step is the error times x. When the filter is good the error is nearly all near-end speech, so the step is large and points anywhere. Its mean is zero, but its variance is not: the filter walks away at random until the pull of the echo balances it.
# If a path change is taken for double talk, the filter is frozen with the wrong path, the error stays large, and so it stays frozen.
