# %% [markdown] start="reference" about="Everything right, and every function written differently from the reference."

# %% answer="steering_vectors"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    theta = np.radians(azimuth_deg)
    x, y, _ = np.transpose(positions_m)
    earlier_s = (x * np.cos(theta) + y * np.sin(theta)) / SPEED_OF_SOUND_M_S
    phases = 2 * np.pi * np.reshape(frequencies_hz, (-1, 1)) * earlier_s
    return np.cos(phases) + 1j * np.sin(phases)

# %% answer="grating_lobes"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    per_turn = SPEED_OF_SOUND_M_S / (spacing_m * frequency_hz)
    look_to = np.cos(np.radians(azimuth_deg))
    right, left = [], []
    while look_to + (len(right) + 1) * per_turn <= 1:
        right.append(look_to + (len(right) + 1) * per_turn)
    while look_to - (len(left) + 1) * per_turn >= -1:
        left.append(look_to - (len(left) + 1) * per_turn)
    return np.degrees(np.arccos(np.array(right[::-1] + left)))

# %% answer="delay_and_sum"
def delay_and_sum(X, d):
    Y = np.empty(X.shape[1:], dtype=complex)
    for k, vector in enumerate(d):
        Y[k] = vector.conj() @ X[:, k, :] / np.vdot(vector, vector).real
    return Y

# %% answer="beam_pattern"
def beam_pattern(w, d):
    response = np.sum(np.conj(w)[np.newaxis] * d, axis=-1)
    with np.errstate(divide="ignore"):
        decibels = 10 * np.log10(response.real**2 + response.imag**2)
    return np.clip(decibels, -60, None)

# %% answer="white_noise_gain"
def decibels_of_power(power):
    return 10 * np.log10(power)

def white_noise_gain(w, d):
    wave = np.array([np.vdot(weights, vector) for weights, vector in zip(w, d)])
    hiss = np.linalg.norm(w, axis=1) ** 2
    return decibels_of_power(np.abs(wave) ** 2) - decibels_of_power(hiss)

# %% answer="estimate_covariance"
def estimate_covariance(X):
    frames = np.moveaxis(X, 1, 0)
    return np.matmul(frames, np.conj(np.swapaxes(frames, 1, 2))) / frames.shape[2]

# %% answer="mvdr_weights"
def mvdr_weights(covariance, d, loading):
    rows = []
    for R, vector in zip(covariance, d):
        power = np.mean(np.diag(R)).real
        if power == 0:
            direction = vector
        else:
            direction = np.linalg.inv(R / power + loading * np.eye(len(vector))) @ vector
        rows.append(direction / np.vdot(vector, direction).real)
    return np.array(rows)

# %% answer="masked_covariances"
def masked_covariances(X, mask):
    n_channels, n_freqs, _ = X.shape
    shape = (n_freqs, n_channels, n_channels)
    target, noise = np.zeros(shape, complex), np.zeros(shape, complex)
    for k in range(n_freqs):
        for result, weights in ((target, mask[k]), (noise, 1 - mask[k])):
            if np.any(weights > 0):
                result[k] = X[:, k] @ np.diag(weights / np.sum(weights)) @ np.conj(X[:, k]).T
    return target, noise

# %% answer="gev_weights"
import scipy.linalg

def gev_weights(target, noise):
    weights = np.empty(target.shape[:2], dtype=complex)
    for k in range(len(target)):
        values, vectors = scipy.linalg.eigh(target[k], noise[k])
        w = vectors[:, np.argmax(values)]
        weights[k] = w / np.sqrt(np.vdot(w, noise[k] @ w).real)
    return weights

# %% answer="multichannel_wiener"
def multichannel_wiener(target, noise, trade_off, reference):
    inverse = np.linalg.inv(target + trade_off * noise)
    return np.einsum("kcd,kde->kce", inverse, target)[:, :, reference]

# %% answer="gcc_phat_delay"
def gcc_phat_delay(a, b, max_delay):
    n = 2 * len(a)
    cross = np.fft.fft(b, n) * np.fft.fft(a, n).conj()
    if np.all(cross == 0):
        return 0
    phases = np.where(cross == 0, 0, np.exp(1j * np.angle(cross)))
    r = np.fft.ifft(phases).real
    best = -max_delay
    for lag in range(-max_delay, max_delay + 1):
        if r[lag] > r[best]:
            best = lag
    return best

# %% answer="srp_phat_map"
def srp_phat_map(X, d):
    phases = np.exp(1j * np.angle(X))
    phases[X == 0] = 0
    powers = []
    for vectors in d:
        heard = sum(vectors[:, c].conj()[:, None] * phases[c] for c in range(len(X))) / len(X)
        powers.append(np.mean(heard.real**2 + heard.imag**2))
    return np.array(powers)
