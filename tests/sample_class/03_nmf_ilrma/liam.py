# %% [markdown] start="reference" about="Everything right, with a warning and a message on stderr."

# %% answer="auxiliary_weights"
import sys
import warnings

def auxiliary_weights(Y):
    print("weights for", Y.shape[0], "sources", file=sys.stderr)
    warnings.warn("a source may be silent", RuntimeWarning, stacklevel=2)
    r = np.linalg.norm(Y, axis=1)
    return np.divide(0.5, r, out=np.zeros(r.shape), where=r > 0)
