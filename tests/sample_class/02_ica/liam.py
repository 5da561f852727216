# %% [markdown] start="reference" about="Everything right, with a warning and a message on stderr."

# %% answer="scale_invariant_sdr"
import sys
import warnings

def scale_invariant_sdr(reference, estimate):
    s, e = reference - np.mean(reference), estimate - np.mean(estimate)
    print("comparing", len(s), "samples", file=sys.stderr)
    warnings.warn("a separation is never perfect", RuntimeWarning, stacklevel=2)
    target = (e @ s) / (s @ s) * s
    return 10 * np.log10(np.sum(target**2) / np.sum((e - target) ** 2))
