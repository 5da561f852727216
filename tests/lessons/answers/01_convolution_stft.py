# %% [markdown]
# Answers to lesson 01 whose verdict is known: `right` ones must keep full marks, `wrong` ones must lose them.
# Each wrong answer is a mistake that a learner could make, not a typing slip; those that the sample class makes are graded there. Read by tests/lessons/test_answer_strength.py,
# which also takes the sample class's `bruno` as a right answer to every exercise.

# %% right="convolve_by_definition" about="loops over the taps outside, with float conversion"
def convolve_by_definition(x, h):
    x, h = np.asarray(x, dtype=float), np.asarray(h, dtype=float)
    y = np.zeros(x.size + h.size - 1)
    for i in range(h.size):
        for k in range(x.size):
            y[i + k] = y[i + k] + h[i] * x[k]
    return y

# %% wrong="convolve_by_definition" about="correlation: the kernel is not flipped"
def convolve_by_definition(x, h):
    y = np.zeros(len(x) + len(h) - 1)
    for n in range(len(y)):
        for k in range(len(x)):
            if n + k < len(h):
                y[n] += x[k] * h[n + k]
    return y

# %% wrong="convolve_by_definition" about="keeps only the first len(x) samples"
def convolve_by_definition(x, h):
    y = np.zeros(len(x))
    for k in range(len(x)):
        for i in range(len(h)):
            if k + i < len(x):
                y[k + i] += x[k] * h[i]
    return y

# %% wrong="convolve_by_definition" about="a negative index counts from the end of h"
def convolve_by_definition(x, h):
    y = np.zeros(len(x) + len(h) - 1)
    for n in range(len(y)):
        for k in range(len(x)):
            if -len(h) <= n - k < len(h):
                y[n] += x[k] * h[n - k]
    return y

# %% wrong="convolve_by_definition" about="circular: indices wrap at the length of x"
def convolve_by_definition(x, h):
    y = np.zeros(len(x) + len(h) - 1)
    for k in range(len(x)):
        for i in range(len(h)):
            y[(k + i) % len(x)] += x[k] * h[i]
    return y

# %% wrong="convolve_by_definition" about="single precision where float64 is promised"
def convolve_by_definition(x, h):
    y = np.zeros(len(x) + len(h) - 1, dtype=np.float32)
    for k in range(len(x)):
        for i in range(len(h)):
            y[k + i] += x[k] * h[i]
    return y

# %% wrong="convolve_by_definition" about="the answer for the visible examples only"
def convolve_by_definition(x, h):
    return np.array([1.0, 2.0, 2.0, -2.0, -3.0]) if len(x) == 3 else np.array([0.5, 0.75, 0.25])

# %% wrong="convolve_by_definition" about="calls NumPy's convolution, which the exercise forbids"
def convolve_by_definition(x, h):
    return np.convolve(np.asarray(x, float), h)

# %% right="convolve_by_dot_products" about="all windows at once as a matrix"
def convolve_by_dot_products(x, h):
    padded = np.concatenate([np.zeros(len(h) - 1), x, np.zeros(len(h) - 1)])
    return np.lib.stride_tricks.sliding_window_view(padded, len(h)) @ np.flip(h)

# %% wrong="convolve_by_dot_products" about="the kernel is not flipped"
def convolve_by_dot_products(x, h):
    padded = np.pad(x, len(h) - 1)
    return np.array([padded[n : n + len(h)] @ h for n in range(len(x) + len(h) - 1)])

# %% wrong="convolve_by_dot_products" about="no padding: only the windows inside x"
def convolve_by_dot_products(x, h):
    return np.array([x[n : n + len(h)] @ h[::-1] for n in range(len(x) - len(h) + 1)])

# %% wrong="convolve_by_dot_products" about="padded in front only"
def convolve_by_dot_products(x, h):
    padded = np.concatenate([np.zeros(len(h) - 1), x])
    return np.array([padded[n : n + len(h)] @ h[::-1] for n in range(len(x))])

# %% wrong="convolve_by_dot_products" about="one zero too few on each side"
def convolve_by_dot_products(x, h):
    padded = np.pad(x, max(len(h) - 2, 0))
    return np.array([padded[n : n + len(h)] @ h[::-1] for n in range(len(padded) - len(h) + 1)])

# %% wrong="convolve_by_dot_products" about="edges repeated instead of zeros"
def convolve_by_dot_products(x, h):
    padded = np.pad(x, len(h) - 1, mode="edge")
    return np.array([padded[n : n + len(h)] @ h[::-1] for n in range(len(x) + len(h) - 1)])

# %% wrong="convolve_by_dot_products" about="flips h in place and so changes the caller's array"
def convolve_by_dot_products(x, h):
    h[:] = h[::-1].copy()
    padded = np.pad(x, len(h) - 1)
    return np.array([padded[n : n + len(h)] @ h for n in range(len(x) + len(h) - 1)])

# %% wrong="convolve_by_dot_products" about="flips the signal as well, so the output runs backwards"
def convolve_by_dot_products(x, h):
    padded = np.pad(x[::-1], len(h) - 1)
    return np.array([padded[n : n + len(h)] @ h for n in range(len(x) + len(h) - 1)])

# %% wrong="convolve_by_dot_products" about="calls np.correlate with the flipped kernel"
def convolve_by_dot_products(x, h):
    return np.correlate(np.asarray(x, float), np.asarray(h, float)[::-1], mode="full")

# %% right="convolve_by_shifts" about="skips taps that are zero and multiplies by a delay line"
def convolve_by_shifts(x, h):
    n_samples, n_taps = len(x), len(h)
    y = np.zeros(n_samples + n_taps - 1)
    for i in np.flatnonzero(h):
        y[i : i + n_samples] = y[i : i + n_samples] + x * h[i]
    return y

# %% wrong="convolve_by_shifts" about="np.roll wraps what leaves the end"
def convolve_by_shifts(x, h):
    return sum(h[i] * np.roll(x, i) for i in range(len(h)))

# %% wrong="convolve_by_shifts" about="copies cut at the end of x"
def convolve_by_shifts(x, h):
    y = np.zeros(len(x))
    for i in range(min(len(h), len(x))):
        y[i:] += h[i] * x[: len(x) - i]
    return y

# %% wrong="convolve_by_shifts" about="no delay at all"
def convolve_by_shifts(x, h):
    y = np.zeros(len(x) + len(h) - 1)
    for gain in h:
        y[: len(x)] += gain * x
    return y

# %% wrong="convolve_by_shifts" about="delays one sample too long"
def convolve_by_shifts(x, h):
    y = np.zeros(len(x) + len(h))
    for i in range(len(h)):
        y[i + 1 : i + 1 + len(x)] += h[i] * x
    return y[: len(x) + len(h) - 1]

# %% wrong="convolve_by_shifts" about="assigns the copies instead of adding them"
def convolve_by_shifts(x, h):
    y = np.zeros(len(x) + len(h) - 1)
    for i in range(len(h)):
        y[i : i + len(x)] = h[i] * x
    return y

# %% wrong="convolve_by_shifts" about="output of the input's own whole-number type"
def convolve_by_shifts(x, h):
    y = np.zeros(len(x) + len(h) - 1, dtype=np.asarray(x).dtype)
    for i in range(len(h)):
        y[i : i + len(x)] += (h[i] * x).astype(y.dtype)
    return y

# %% wrong="convolve_by_shifts" about="scales the caller's x in place"
def convolve_by_shifts(x, h):
    y = np.zeros(len(x) + len(h) - 1)
    original = x.copy()
    for i in range(len(h)):
        x[:] = (h[i] * original).astype(x.dtype)
        y[i : i + len(x)] += h[i] * original
    return y

# %% wrong="convolve_by_shifts" about="two Python loops, far too slow for sound"
def convolve_by_shifts(x, h):
    y = np.zeros(len(x) + len(h) - 1)
    for i in range(len(h)):
        for k in range(len(x)):
            y[i + k] += h[i] * x[k]
    return y

# %% right="energy_from_rfft" about="rebuilds the full spectrum by conjugate symmetry"
def energy_from_rfft(spectrum, n_samples):
    mirrored = spectrum[1 : (n_samples + 1) // 2][::-1].conj()
    full = np.concatenate([spectrum, mirrored])
    return np.vdot(full, full).real / n_samples

# %% wrong="energy_from_rfft" about="counts every bin once"
def energy_from_rfft(spectrum, n_samples):
    return np.sum(np.abs(spectrum) ** 2) / n_samples

# %% wrong="energy_from_rfft" about="doubles every bin"
def energy_from_rfft(spectrum, n_samples):
    return 2 * np.sum(np.abs(spectrum) ** 2) / n_samples

# %% wrong="energy_from_rfft" about="forgets the factor 1/K"
def energy_from_rfft(spectrum, n_samples):
    power = np.abs(spectrum) ** 2
    return 2 * power.sum() - power[0] - (power[-1] if n_samples % 2 == 0 else 0)

# %% wrong="energy_from_rfft" about="treats every length as even"
def energy_from_rfft(spectrum, n_samples):
    power = np.abs(spectrum) ** 2
    return (2 * power.sum() - power[0] - power[-1]) / n_samples

# %% wrong="energy_from_rfft" about="treats every length as odd"
def energy_from_rfft(spectrum, n_samples):
    power = np.abs(spectrum) ** 2
    return (2 * power.sum() - power[0]) / n_samples

# %% wrong="energy_from_rfft" about="divides by the number of bins"
def energy_from_rfft(spectrum, n_samples):
    power = np.abs(spectrum) ** 2
    return (2 * power.sum() - power[0] - (power[-1] if n_samples % 2 == 0 else 0)) / len(spectrum)

# %% wrong="energy_from_rfft" about="squares the complex numbers without the magnitude"
def energy_from_rfft(spectrum, n_samples):
    weight = np.full(len(spectrum), 2.0)
    weight[0] = 1.0
    if n_samples % 2 == 0:
        weight[-1] = 1.0
    return np.sum(weight * spectrum**2).real / n_samples

# %% wrong="energy_from_rfft" about="magnitudes without the square"
def energy_from_rfft(spectrum, n_samples):
    weight = np.full(len(spectrum), 2.0)
    weight[0] = 1.0
    if n_samples % 2 == 0:
        weight[-1] = 1.0
    return np.sum(weight * np.abs(spectrum)) / n_samples

# %% wrong="energy_from_rfft" about="goes back to the time domain, which the exercise forbids"
def energy_from_rfft(spectrum, n_samples):
    return np.sum(np.fft.irfft(spectrum, n_samples) ** 2)

# %% right="convolve_by_fft" about="pads by hand and uses the complex FFT"
def convolve_by_fft(x, h):
    n = len(x) + len(h) - 1
    x_padded = np.concatenate([x, np.zeros(n - len(x))])
    h_padded = np.concatenate([h, np.zeros(n - len(h))])
    return np.fft.ifft(np.fft.fft(x_padded) * np.fft.fft(h_padded)).real

# %% wrong="convolve_by_fft" about="circular, then padded to the right length"
def convolve_by_fft(x, h):
    n = max(len(x), len(h))
    y = np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(h, n), n)
    return np.pad(y, (0, len(x) + len(h) - 1 - n))

# %% wrong="convolve_by_fft" about="irfft without the length: one sample short when odd"
def convolve_by_fft(x, h):
    n = len(x) + len(h) - 1
    return np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(h, n))

# %% wrong="convolve_by_fft" about="keeps the padding of the power of two"
def convolve_by_fft(x, h):
    size = 1 << (len(x) + len(h) - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(h, size), size)

# %% wrong="convolve_by_fft" about="conjugates one spectrum: correlation"
def convolve_by_fft(x, h):
    n = len(x) + len(h) - 1
    return np.fft.irfft(np.fft.rfft(x, n) * np.conj(np.fft.rfft(h, n)), n)

# %% wrong="convolve_by_fft" about="returns a complex array"
def convolve_by_fft(x, h):
    n = len(x) + len(h) - 1
    return np.fft.ifft(np.fft.fft(x, n) * np.fft.fft(h, n))

# %% wrong="convolve_by_fft" about="cuts the tail to the length of x"
def convolve_by_fft(x, h):
    n = len(x) + len(h) - 1
    return np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(h, n), n)[: len(x)]

# %% wrong="convolve_by_fft" about="pads to the next power of two of x alone"
def convolve_by_fft(x, h):
    n = len(x) + len(h) - 1
    size = max(8, 1 << (len(x) - 1).bit_length())
    y = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(h, size), size)
    return np.pad(y, (0, max(0, n - size)))[:n]

# %% wrong="convolve_by_fft" about="computes in single precision"
def convolve_by_fft(x, h):
    n = len(x) + len(h) - 1
    x, h = np.asarray(x, np.float32), np.asarray(h, np.float32)
    return np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(h, n), n).astype(np.float32).astype(float)

# %% wrong="convolve_by_fft" about="quietly falls back on the library's answer"
def convolve_by_fft(x, h):
    from course_lib import convolution as fast
    return fast.convolve_fft(x, h)

# %% right="convolve_with_torch" about="the room plays the signal and the signal the kernel"
def convolve_with_torch(x, h):
    return torch.nn.functional.conv1d(h.reshape(1, 1, -1), x.flip(-1).reshape(1, 1, -1), padding=x.numel() - 1).flatten()

# %% wrong="convolve_with_torch" about="no padding: valid instead of full"
def convolve_with_torch(x, h):
    return torch.nn.functional.conv1d(x[None, None], h.flip(0)[None, None])[0, 0]

# %% wrong="convolve_with_torch" about="the extra axes are left on"
def convolve_with_torch(x, h):
    return torch.nn.functional.conv1d(x[None, None], h.flip(0)[None, None], padding=len(h) - 1)

# %% wrong="convolve_with_torch" about="leaves PyTorch, so no gradient flows"
def convolve_with_torch(x, h):
    y = torch.nn.functional.conv1d(x.detach()[None, None], h.detach().flip(0)[None, None], padding=len(h) - 1)[0, 0]
    return y.requires_grad_()

# %% wrong="convolve_with_torch" about="the gradient reaches x but not h"
def convolve_with_torch(x, h):
    return torch.nn.functional.conv1d(x[None, None], h.detach().flip(0)[None, None], padding=len(h) - 1)[0, 0]

# %% wrong="convolve_with_torch" about="pads by len(h) // 2: 'same' length"
def convolve_with_torch(x, h):
    return torch.nn.functional.conv1d(x[None, None], h.flip(0)[None, None], padding=len(h) // 2)[0, 0]

# %% wrong="convolve_with_torch" about="flips the signal instead of the kernel"
def convolve_with_torch(x, h):
    return torch.nn.functional.conv1d(x.flip(0)[None, None], h[None, None], padding=len(h) - 1)[0, 0]

# %% wrong="convolve_with_torch" about="casts to single precision"
def convolve_with_torch(x, h):
    return torch.nn.functional.conv1d(x.float()[None, None], h.float().flip(0)[None, None], padding=len(h) - 1)[0, 0]

# %% right="overlap_add" about="keeps a tail from block to block, as a stream would"
def overlap_add(x, h, block_length):
    size = 1 << (block_length + len(h) - 1).bit_length()
    spectrum, tail, pieces = np.fft.fft(h, size), np.zeros(size), []
    for start in range(0, len(x), block_length):
        block = x[start : start + block_length]
        tail = tail + np.fft.ifft(np.fft.fft(block, size) * spectrum).real
        pieces.append(tail[: len(block)])
        tail = np.concatenate([tail[len(block) :], np.zeros(len(block))])
    return np.concatenate([*pieces, tail[: len(h) - 1]])

# %% wrong="overlap_add" about="throws the blocks' tails away"
def overlap_add(x, h, block_length):
    size, y = block_length + len(h) - 1, np.zeros(len(x) + len(h) - 1)
    for start in range(0, len(x), block_length):
        block = x[start : start + block_length]
        y[start : start + len(block)] = np.fft.irfft(np.fft.rfft(block, size) * np.fft.rfft(h, size), size)[: len(block)]
    return y

# %% wrong="overlap_add" about="assigns instead of adding"
def overlap_add(x, h, block_length):
    size, y = block_length + len(h) - 1, np.zeros(len(x) + len(h) - 1)
    for start in range(0, len(x), block_length):
        block = x[start : start + block_length]
        n = len(block) + len(h) - 1
        y[start : start + n] = np.fft.irfft(np.fft.rfft(block, size) * np.fft.rfft(h, size), size)[:n]
    return y

# %% wrong="overlap_add" about="leaves out the last, shorter block"
def overlap_add(x, h, block_length):
    size, y = block_length + len(h) - 1, np.zeros(len(x) + len(h) - 1)
    for start in range(0, len(x) - block_length + 1, block_length):
        y[start : start + size] += np.fft.irfft(np.fft.rfft(x[start : start + block_length], size) * np.fft.rfft(h, size), size)
    return y

# %% wrong="overlap_add" about="irfft without the length"
def overlap_add(x, h, block_length):
    size, y = block_length + len(h) - 1, np.zeros(len(x) + 2 * block_length + len(h))
    for start in range(0, len(x), block_length):
        result = np.fft.irfft(np.fft.rfft(x[start : start + block_length], size) * np.fft.rfft(h, size))
        y[start : start + len(result)] += result
    return y[: len(x) + len(h) - 1]

# %% wrong="overlap_add" about="only the previous block's tail is kept, so long rooms lose theirs"
def overlap_add(x, h, block_length):
    size, y = block_length + len(h) - 1, np.zeros(len(x) + len(h) - 1)
    for start in range(0, len(x), block_length):
        block = x[start : start + block_length]
        n = min(2 * block_length, len(block) + len(h) - 1)
        y[start : start + n] += np.fft.irfft(np.fft.rfft(block, size) * np.fft.rfft(h, size), size)[:n]
    return y

# %% wrong="overlap_add" about="returns whole blocks instead of len(x) + len(h) - 1 samples"
def overlap_add(x, h, block_length):
    size, n_blocks = block_length + len(h) - 1, -(-len(x) // block_length)
    y = np.zeros(n_blocks * block_length + len(h) - 1)
    for start in range(0, len(x), block_length):
        y[start : start + size] += np.fft.irfft(np.fft.rfft(x[start : start + block_length], size) * np.fft.rfft(h, size), size)
    return y

# %% wrong="overlap_add" about="blocks start one sample too late after the first"
def overlap_add(x, h, block_length):
    size, y = block_length + len(h) - 1, np.zeros(2 * len(x) + 2 * block_length + len(h))
    for b, start in enumerate(range(0, len(x), block_length)):
        y[start + b : start + b + size] += np.fft.irfft(np.fft.rfft(x[start : start + block_length], size) * np.fft.rfft(h, size), size)
    return y[: len(x) + len(h) - 1]

# %% wrong="overlap_add" about="convolves the whole with NumPy, which the exercise forbids"
def overlap_add(x, h, block_length):
    return np.convolve(x, h)

# %% right="istft_by_overlap_add" about="frame by frame, from the full conjugate-symmetric spectrum"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L = len(window)
    total = (X.shape[1] - 1) * hop_length + L
    top, bottom = np.zeros(total), np.full(total, 1e-300)
    for m, column in enumerate(X.T):
        column = column.copy()
        column[0] = column[0].real
        if L % 2 == 0:
            column[-1] = column[-1].real
        full = np.concatenate([column, np.conj(column[1 : (L + 1) // 2][::-1])])
        start = m * hop_length
        top[start : start + L] += np.fft.ifft(full).real * window
        bottom[start : start + L] += window * window
    return (top / bottom)[L // 2 : L // 2 + n_samples]

# %% wrong="istft_by_overlap_add" about="no second window and no division"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L = len(window)
    y = np.zeros((X.shape[1] - 1) * hop_length + L)
    for m in range(X.shape[1]):
        y[m * hop_length : m * hop_length + L] += np.fft.irfft(X[:, m], L)
    return y[L // 2 : L // 2 + n_samples]

# %% wrong="istft_by_overlap_add" about="window applied once: divides by the sum of windows"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L = len(window)
    y, norm = np.zeros((X.shape[1] - 1) * hop_length + L), np.full((X.shape[1] - 1) * hop_length + L, 1e-12)
    for m in range(X.shape[1]):
        y[m * hop_length : m * hop_length + L] += np.fft.irfft(X[:, m], L)
        norm[m * hop_length : m * hop_length + L] += window
    return (y / norm)[L // 2 : L // 2 + n_samples]

# %% wrong="istft_by_overlap_add" about="divides by one constant, as if COLA held for every window and at the edges"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L = len(window)
    y = np.zeros((X.shape[1] - 1) * hop_length + L)
    for m in range(X.shape[1]):
        y[m * hop_length : m * hop_length + L] += window * np.fft.irfft(X[:, m], L)
    return (y / (np.sum(window**2) / hop_length))[L // 2 : L // 2 + n_samples]

# %% wrong="istft_by_overlap_add" about="the padding is not cut off"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L = len(window)
    y, norm = np.zeros((X.shape[1] - 1) * hop_length + L), np.full((X.shape[1] - 1) * hop_length + L, 1e-300)
    for m in range(X.shape[1]):
        y[m * hop_length : m * hop_length + L] += window * np.fft.irfft(X[:, m], L)
        norm[m * hop_length : m * hop_length + L] += window**2
    return (y / norm)[:n_samples]

# %% wrong="istft_by_overlap_add" about="irfft without the length: odd windows fail"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    frames = np.fft.irfft(X, axis=0)
    L = frames.shape[0]
    y, norm = np.zeros((X.shape[1] - 1) * hop_length + L), np.full((X.shape[1] - 1) * hop_length + L, 1e-300)
    for m in range(X.shape[1]):
        y[m * hop_length : m * hop_length + L] += window[:L] * frames[:, m]
        norm[m * hop_length : m * hop_length + L] += window[:L] ** 2
    return (y / norm)[L // 2 : L // 2 + n_samples]

# %% wrong="istft_by_overlap_add" about="hop and window mixed up: frames laid a quarter window apart whatever the hop"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L, hop = len(window), len(window) // 4
    y, norm = np.zeros((X.shape[1] - 1) * hop + L), np.full((X.shape[1] - 1) * hop + L, 1e-300)
    for m in range(X.shape[1]):
        y[m * hop : m * hop + L] += window * np.fft.irfft(X[:, m], L)
        norm[m * hop : m * hop + L] += window**2
    return (y / norm)[L // 2 : L // 2 + n_samples]

# %% wrong="istft_by_overlap_add" about="divides out the window of each frame, then averages"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L = len(window)
    y, count = np.zeros((X.shape[1] - 1) * hop_length + L), np.full((X.shape[1] - 1) * hop_length + L, 1e-300)
    good = window > 1e-8
    for m in range(X.shape[1]):
        here = m * hop_length + np.flatnonzero(good)
        y[here] += np.fft.irfft(X[:, m], L)[good] / window[good]
        count[here] += 1
    return (y / count)[L // 2 : L // 2 + n_samples]

# %% wrong="istft_by_overlap_add" about="leaves out the first and the last frame"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L = len(window)
    y, norm = np.zeros((X.shape[1] - 1) * hop_length + L), np.full((X.shape[1] - 1) * hop_length + L, 1e-300)
    for m in range(1, X.shape[1] - 1):
        y[m * hop_length : m * hop_length + L] += window * np.fft.irfft(X[:, m], L)
        norm[m * hop_length : m * hop_length + L] += window**2
    return (y / norm)[L // 2 : L // 2 + n_samples]

# %% wrong="istft_by_overlap_add" about="a Hann window whatever window was given"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L = len(window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(L) / L)
    y, norm = np.zeros((X.shape[1] - 1) * hop_length + L), np.full((X.shape[1] - 1) * hop_length + L, 1e-300)
    for m in range(X.shape[1]):
        y[m * hop_length : m * hop_length + L] += hann * np.fft.irfft(X[:, m], L)
        norm[m * hop_length : m * hop_length + L] += hann**2
    return (y / norm)[L // 2 : L // 2 + n_samples]

# %% wrong="istft_by_overlap_add" about="calls the library's inverse"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    return stft.istft(X, window, frame_length=len(window), hop_length=hop_length, n_samples=n_samples)

# %% right="convolve_in_stft_domain" about="negative frame starts instead of padding"
def convolve_in_stft_domain(x, h, window, hop_length):
    L = len(window)
    K = L + len(h) - 1
    H = np.fft.rfft(h, K)
    offset = 2 * L
    y = np.zeros(offset + len(x) + offset + K)
    start = -(L // hop_length + 1) * hop_length
    while start < len(x):
        indices = start + np.arange(L)
        inside = (indices >= 0) & (indices < len(x))
        frame = np.zeros(L)
        frame[inside] = window[inside] * x[indices[inside]]
        y[offset + start : offset + start + K] += np.fft.irfft(np.fft.rfft(frame, K) * H, K)
        start += hop_length
    return y[offset : offset + len(x) + len(h) - 1]

# %% wrong="convolve_in_stft_domain" about="no padding: the first and last samples lie under too few windows"
def convolve_in_stft_domain(x, h, window, hop_length):
    L, K = len(window), 2 * len(window)
    padded, H = np.pad(x, (0, 2 * L)), np.fft.rfft(h, 2 * len(window))
    y = np.zeros(len(padded) + K)
    for start in range(0, len(padded) - L + 1, hop_length):
        y[start : start + K] += np.fft.irfft(np.fft.rfft(window * padded[start : start + L], K) * H, K)
    return y[: len(x) + len(h) - 1]

# %% wrong="convolve_in_stft_domain" about="frames are not doubled: every frame is convolved on a circle"
def convolve_in_stft_domain(x, h, window, hop_length):
    L = len(window)
    padded, H = np.pad(x, (L, 2 * L)), np.fft.rfft(h, L)
    y = np.zeros(len(padded) + 2 * L)
    for start in range(0, len(padded) - L + 1, hop_length):
        y[start : start + L] += np.fft.irfft(np.fft.rfft(window * padded[start : start + L], L) * H, L)
    return y[L : L + len(x) + len(h) - 1]

# %% wrong="convolve_in_stft_domain" about="the window is applied a second time"
def convolve_in_stft_domain(x, h, window, hop_length):
    L, K = len(window), 2 * len(window)
    padded, H = np.pad(x, (L, 2 * L)), np.fft.rfft(h, K)
    y = np.zeros(len(padded) + K)
    for start in range(0, len(padded) - L + 1, hop_length):
        result = np.fft.irfft(np.fft.rfft(window * padded[start : start + L], K) * H, K)
        result[:L] *= window
        y[start : start + K] += result
    return y[L : L + len(x) + len(h) - 1]

# %% wrong="convolve_in_stft_domain" about="the padding is left on"
def convolve_in_stft_domain(x, h, window, hop_length):
    L, K = len(window), 2 * len(window)
    padded, H = np.pad(x, (L, 2 * L)), np.fft.rfft(h, K)
    y = np.zeros(len(padded) + K)
    for start in range(0, len(padded) - L + 1, hop_length):
        y[start : start + K] += np.fft.irfft(np.fft.rfft(window * padded[start : start + L], K) * H, K)
    return y[: len(x) + len(h) - 1]

# %% wrong="convolve_in_stft_domain" about="always hops by half a window"
def convolve_in_stft_domain(x, h, window, hop_length):
    L, K = len(window), 2 * len(window)
    padded, H = np.pad(x, (L, 2 * L)), np.fft.rfft(h, K)
    y = np.zeros(len(padded) + K)
    for start in range(0, len(padded) - L + 1, max(L // 2, 1)):
        y[start : start + K] += np.fft.irfft(np.fft.rfft(window * padded[start : start + L], K) * H, K)
    return y[L : L + len(x) + len(h) - 1]

# %% wrong="convolve_in_stft_domain" about="stops before the last frame that touches the signal"
def convolve_in_stft_domain(x, h, window, hop_length):
    L, K = len(window), 2 * len(window)
    padded, H = np.pad(x, (L, 0)), np.fft.rfft(h, K)
    y = np.zeros(len(padded) + 2 * K)
    for start in range(0, len(padded) - L + 1, hop_length):
        y[start : start + K] += np.fft.irfft(np.fft.rfft(window * padded[start : start + L], K) * H, K)
    return y[L : L + len(x) + len(h) - 1]

# %% wrong="convolve_in_stft_domain" about="the kernel's spectrum is conjugated"
def convolve_in_stft_domain(x, h, window, hop_length):
    L, K = len(window), 2 * len(window)
    padded, H = np.pad(x, (L, 2 * L)), np.conj(np.fft.rfft(h, K))
    y = np.zeros(len(padded) + K)
    for start in range(0, len(padded) - L + 1, hop_length):
        y[start : start + K] += np.fft.irfft(np.fft.rfft(window * padded[start : start + L], K) * H, K)
    return y[L : L + len(x) + len(h) - 1]

# %% right="inconsistent_spectrogram" about="frames that change their sign from one to the next"
def inconsistent_spectrogram(n_freqs, n_frames):
    signs = (-1.0) ** np.arange(n_frames)
    return np.ones((n_freqs, 1)) * signs + 0j

# %% wrong="inconsistent_spectrogram" about="silence is consistent"
def inconsistent_spectrogram(n_freqs, n_frames):
    return np.zeros((n_freqs, n_frames), dtype=complex)

# %% wrong="inconsistent_spectrogram" about="the STFT of noise: a sound's own spectrogram"
def inconsistent_spectrogram(n_freqs, n_frames):
    L = 2 * (n_freqs - 1)
    x = np.random.default_rng(0).standard_normal((n_frames - 1) * (L // 4))
    return stft.stft(x, frame_length=L, hop_length=L // 4)[:, :n_frames]

# %% wrong="inconsistent_spectrogram" about="a sound's spectrogram with a trace of noise: far too near"
def inconsistent_spectrogram(n_freqs, n_frames):
    L = 2 * (n_freqs - 1)
    rng = np.random.default_rng(0)
    S = stft.stft(rng.standard_normal((n_frames - 1) * (L // 4)), frame_length=L, hop_length=L // 4)[:, :n_frames]
    return S + 1e-3 * rng.standard_normal(S.shape)

# %% wrong="inconsistent_spectrogram" about="frequency and time swapped"
def inconsistent_spectrogram(n_freqs, n_frames):
    S = np.zeros((n_frames, n_freqs), dtype=complex)
    S[n_frames // 2, n_freqs // 2] = 1
    return S

# %% wrong="inconsistent_spectrogram" about="not a number is not a spectrogram"
def inconsistent_spectrogram(n_freqs, n_frames):
    return np.full((n_freqs, n_frames), np.nan + 0j)

# %% wrong="inconsistent_spectrogram" about="the shape of the visible example only"
def inconsistent_spectrogram(n_freqs, n_frames):
    S = np.zeros((65, 20), dtype=complex)
    S[32, 10] = 1
    return S

# %% wrong="inconsistent_spectrogram" about="the projection of noise: consistent after all"
def inconsistent_spectrogram(n_freqs, n_frames):
    L = 2 * (n_freqs - 1)
    noise = np.random.default_rng(0).standard_normal((n_freqs, n_frames)) + 0j
    return stft.project_consistent(noise, frame_length=L, hop_length=L // 4)

# %% wrong="overlap_add" about="ignores the blocks: one FFT over everything"
def overlap_add(x, h, block_length):
    n = len(x) + len(h) - 1
    return np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(h, n), n)

# %% wrong="convolve_in_stft_domain" about="ignores window and hop: one FFT over everything"
def convolve_in_stft_domain(x, h, window, hop_length):
    n = len(x) + len(h) - 1
    return np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(h, n), n)

# %% wrong="istft_by_overlap_add" about="a denominator clipped at a hundredth, so soft windows come back too soft"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    L = len(window)
    y, norm = np.zeros((X.shape[1] - 1) * hop_length + L), np.zeros((X.shape[1] - 1) * hop_length + L)
    for m in range(X.shape[1]):
        y[m * hop_length : m * hop_length + L] += window * np.fft.irfft(X[:, m], L)
        norm[m * hop_length : m * hop_length + L] += window**2
    return (y / np.maximum(norm, 1e-2))[L // 2 : L // 2 + n_samples]

# %% wrong="energy_from_rfft" about="scales the caller's spectrum in place"
def energy_from_rfft(spectrum, n_samples):
    spectrum *= np.sqrt(2.0)
    spectrum[0] /= np.sqrt(2.0)
    if n_samples % 2 == 0:
        spectrum[-1] /= np.sqrt(2.0)
    return np.sum(np.abs(spectrum) ** 2) / n_samples
