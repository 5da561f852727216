# %% [markdown] start="reference" about="Everything right, in a file that the browser renamed." file_name="03_nmf_ilrma (1).ipynb"

# %% [markdown] answer="monotone"
# (a) J(new) ≤ Q(new|old), since the bowl lies above the cost; Q(new|old) ≤ Q(old|old), since the new point is the bowl's minimum; Q(old|old) = J(old), since the bowl touches the cost there. Without the first the cost could rise while the bowl falls. Without the last we start too high on the bowl.
# (b) The squared step does not stop at the bowl's minimum, so the middle step has no reason any more.
# (c) No: the cost is not convex in W and H together. It ends in one of many valleys, and the start decides in which.

# %% [markdown] answer="bases"
# (a) One flat basis only knows when a source is loud, not where in frequency. Very many bases fit the mixture itself, so nothing is asked of W; frequencies come apart, and the start decides.
# (b) Few for 3 s of speech, whose spectra do not come back; more for a minute of a band, whose notes repeat. The length of the recording counts, too.
