# %% [markdown] start="reference" about="Everything right, with a warning and a message on stderr."

# %% answer="erle_db"
import sys
import warnings

def erle_db(y, e, near_end_active, window_length):
    print("windows:", len(y) // window_length, file=sys.stderr)
    warnings.warn("some windows may have no ERLE", RuntimeWarning, stacklevel=2)
    values = []
    for start in range(0, len(y) - window_length + 1, window_length):
        counts = [n for n in range(start, start + window_length) if not near_end_active[n]]
        above, below = np.sum(y[counts] ** 2), np.sum(e[counts] ** 2)
        values.append(10 * np.log10(above / below) if above > 0 else np.nan)
    return np.array(values)
