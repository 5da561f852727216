# %% [markdown] start="reference" about="Everything right, with a warning and a message on stderr."

# %% answer="convolve_by_fft"
import sys
import warnings

def convolve_by_fft(x, h):
    n = len(x) + len(h) - 1
    print("transforming", n, "samples", file=sys.stderr)
    warnings.warn("this FFT length is not a power of two", RuntimeWarning, stacklevel=2)
    return np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(h, n), n)
