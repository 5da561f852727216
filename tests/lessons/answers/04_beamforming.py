# %% [markdown]
# Answers to lesson 04 whose verdict is known: `right` ones must keep full marks, `wrong` ones must lose them.
# Each wrong answer is a mistake that a learner could make, not a typing slip; those that the sample class makes are graded there. Read by tests/lessons/test_answer_strength.py,
# which also takes the sample class's `bruno` as a right answer to every exercise.

# %% right="steering_vectors" about="the geometry written out, microphone by microphone"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    theta = azimuth_deg * np.pi / 180
    d = np.ones((len(frequencies_hz), len(positions_m)), dtype=complex)
    for c, (x, y, _) in enumerate(positions_m):
        earlier = (x * np.cos(theta) + y * np.sin(theta)) / SPEED_OF_SOUND_M_S
        for k, frequency in enumerate(frequencies_hz):
            d[k, c] = np.cos(2 * np.pi * frequency * earlier) + 1j * np.sin(2 * np.pi * frequency * earlier)
    return d

# %% right="steering_vectors" about="by wave vectors: one row of 2π f u / c for each frequency"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    towards = np.array([np.cos(np.deg2rad(azimuth_deg)), np.sin(np.deg2rad(azimuth_deg)), 0.0])
    wave_vectors = 2 * np.pi * np.asarray(frequencies_hz)[:, None] / SPEED_OF_SOUND_M_S * towards
    return np.exp(1j * np.einsum("ki,ci->kc", wave_vectors, positions_m))

# %% right="steering_vectors" about="the positions as complex numbers, turned by the angle"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    plane = positions_m[:, 0] + 1j * positions_m[:, 1]
    ahead_m = (plane * np.exp(-1j * np.deg2rad(azimuth_deg))).real
    turns = frequencies_hz[:, np.newaxis] * ahead_m[np.newaxis, :] / SPEED_OF_SOUND_M_S
    return np.exp(2j * np.pi * turns)

# %% wrong="steering_vectors" about="takes the wave to travel along u, so that the sign of the delay is turned round"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg)
    delays = positions_m @ np.array([np.cos(angle), np.sin(angle), 0]) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, delays))

# %% wrong="steering_vectors" about="degrees for radians"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    towards = np.array([np.cos(azimuth_deg), np.sin(azimuth_deg), 0])
    return np.exp(2j * np.pi * np.outer(frequencies_hz, positions_m @ towards / SPEED_OF_SOUND_M_S))

# %% wrong="steering_vectors" about="takes every array for a row on the x axis"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    delays = -positions_m[:, 0] * np.cos(np.deg2rad(azimuth_deg)) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, delays))

# %% wrong="steering_vectors" about="measures the angle from broadside, as books on rows often do"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg)
    delays = -positions_m @ np.array([np.sin(angle), np.cos(angle), 0]) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, delays))

# %% wrong="steering_vectors" about="frequency for angular frequency: no 2π"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg)
    delays = -positions_m @ np.array([np.cos(angle), np.sin(angle), 0]) / SPEED_OF_SOUND_M_S
    return np.exp(-1j * np.outer(frequencies_hz, delays))

# %% wrong="steering_vectors" about="relative to the first microphone, not to the origin"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg)
    delays = -(positions_m - positions_m[0]) @ np.array([np.cos(angle), np.sin(angle), 0]) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, delays))

# %% wrong="steering_vectors" about="moves the origin to the middle of the microphones"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg)
    delays = -(positions_m - positions_m.mean(axis=0)) @ np.array([np.cos(angle), np.sin(angle), 0]) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, delays))

# %% wrong="steering_vectors" about="takes a direction and its mirror image for the same: the angle modulo 180°"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg % 180)
    delays = -positions_m @ np.array([np.cos(angle), np.sin(angle), 0]) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, delays))

# %% wrong="steering_vectors" about="rounds the delays to whole samples"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg)
    delays = -positions_m @ np.array([np.cos(angle), np.sin(angle), 0]) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, np.round(delays * sample_rate) / sample_rate))

# %% wrong="steering_vectors" about="a spherical wave from 1.5 m, where a plane one is asked for"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg)
    source = 1.5 * np.array([np.cos(angle), np.sin(angle), 0])
    delays = (np.linalg.norm(source - positions_m, axis=1) - 1.5) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, delays))

# %% wrong="steering_vectors" about="scaled to unit length"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg)
    delays = -positions_m @ np.array([np.cos(angle), np.sin(angle), 0]) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, delays)) / np.sqrt(len(positions_m))

# %% wrong="steering_vectors" about="channels first, as in a recording"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg)
    delays = -positions_m @ np.array([np.cos(angle), np.sin(angle), 0]) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(delays, frequencies_hz))

# %% wrong="steering_vectors" about="turns the caller's positions into delays in place"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg)
    if positions_m.dtype == float:
        positions_m /= -SPEED_OF_SOUND_M_S
    else:
        positions_m = -positions_m / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, positions_m @ np.array([np.cos(angle), np.sin(angle), 0])))

# %% wrong="steering_vectors" about="keeps the direction in the type of the positions, which may be whole numbers"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    towards = np.zeros_like(positions_m[0])
    towards[0], towards[1] = np.cos(np.deg2rad(azimuth_deg)), np.sin(np.deg2rad(azimuth_deg))
    return np.exp(2j * np.pi * np.outer(frequencies_hz, positions_m @ towards) / SPEED_OF_SOUND_M_S)

# %% wrong="steering_vectors" about="stores the result in single precision"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.deg2rad(azimuth_deg)
    delays = -positions_m @ np.array([np.cos(angle), np.sin(angle), 0]) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, delays)).astype(np.complex64)

# %% wrong="steering_vectors" about="the answer for the visible examples only"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    quarter = np.array([0, np.cos(np.deg2rad(azimuth_deg)) / 4, np.sin(np.deg2rad(azimuth_deg)) / 2])
    return np.exp(2j * np.pi * np.outer(frequencies_hz / 1000, quarter[-len(positions_m):]))

# %% wrong="steering_vectors" about="lets the library do it, which the exercise forbids"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    return beamforming.steering_vector(positions_m, frequencies_hz, azimuth_deg)

# %% right="grating_lobes" about="walks along the comb, first to one side, then to the other"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / (frequency_hz * spacing_m)
    centre = np.cos(np.deg2rad(azimuth_deg))
    found = []
    for side in (1, -1):
        n = 1
        while abs(centre + side * n * step) <= 1:
            found.append(float(np.rad2deg(np.arccos(centre + side * n * step))))
            n += 1
    return np.array(sorted(found))

# %% right="grating_lobes" about="computes the range of n, and lets it run downwards so that the angles rise"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    wavelengths = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    start = np.cos(azimuth_deg * np.pi / 180)
    lowest, highest = int(np.ceil((-1 - start) / wavelengths)), int(np.floor((1 - start) / wavelengths))
    return np.array([np.arccos(start + n * wavelengths) * 180 / np.pi for n in range(highest, lowest - 1, -1) if n])

# %% right="grating_lobes" about="a comb that is surely long enough"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    n = np.setdiff1d(np.arange(-20000, 20001), [0])
    cosines = np.cos(np.radians(azimuth_deg)) + n * SPEED_OF_SOUND_M_S / (spacing_m * frequency_hz)
    seen = cosines[(cosines >= -1) & (cosines <= 1)]
    return np.degrees(np.arccos(seen))[::-1]

# %% wrong="grating_lobes" about="only the teeth to one side"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    cosines = np.cos(np.deg2rad(azimuth_deg)) + step * np.arange(1, int(2 / step) + 1)
    return np.sort(np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1])))

# %% wrong="grating_lobes" about="only the first lobe to each side"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    cosines = np.cos(np.deg2rad(azimuth_deg)) + step * np.array([-1, 1])
    return np.sort(np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1])))

# %% wrong="grating_lobes" about="counts the direction looked at"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    cosines = np.cos(np.deg2rad(azimuth_deg)) + step * np.arange(-int(2 / step), int(2 / step) + 1)
    return np.sort(np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1])))

# %% wrong="grating_lobes" about="half a wavelength apart, as the limit for the spacing is"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m / 2
    n = np.arange(-int(2 / step), int(2 / step) + 1)
    cosines = np.cos(np.deg2rad(azimuth_deg)) + step * n[n != 0]
    return np.sort(np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1])))

# %% wrong="grating_lobes" about="the comb begins at broadside, wherever the row looks"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    n = np.arange(-int(2 / step), int(2 / step) + 1)
    cosines = step * n[n != 0]
    return np.sort(np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1])))

# %% wrong="grating_lobes" about="radians"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    n = np.arange(-int(2 / step), int(2 / step) + 1)
    cosines = np.cos(np.deg2rad(azimuth_deg)) + step * n[n != 0]
    return np.sort(np.arccos(cosines[np.abs(cosines) <= 1]))

# %% wrong="grating_lobes" about="degrees for radians in the cosine of the direction"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    n = np.arange(-int(2 / step), int(2 / step) + 1)
    cosines = np.cos(azimuth_deg) + step * n[n != 0]
    return np.sort(np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1])))

# %% wrong="grating_lobes" about="in the order of n, from the largest angle down"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    n = np.arange(-int(2 / step), int(2 / step) + 1)
    cosines = np.cos(np.deg2rad(azimuth_deg)) + step * n[n != 0]
    return np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1]))

# %% wrong="grating_lobes" about="clips the cosines, so that lobes that nobody sees pile up at the ends"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    n = np.arange(-int(2 / step), int(2 / step) + 1)
    cosines = np.clip(np.cos(np.deg2rad(azimuth_deg)) + step * n[n != 0], -1, 1)
    return np.unique(np.rad2deg(np.arccos(cosines)))

# %% wrong="grating_lobes" about="lobes behind the row as well"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    n = np.arange(-int(2 / step), int(2 / step) + 1)
    cosines = np.cos(np.deg2rad(azimuth_deg)) + step * n[n != 0]
    front = np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1]))
    return np.sort(np.concatenate([front, 360 - front]))

# %% wrong="grating_lobes" about="equal angles apart, not equal cosines"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    n = np.arange(-int(4 / step), int(4 / step) + 1)
    angles = azimuth_deg + 90 * step * n[n != 0]
    return np.sort(angles[(angles >= 0) & (angles <= 180)])

# %% wrong="grating_lobes" about="stops as soon as one of the two sides has left the row"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step, centre = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m, np.cos(np.deg2rad(azimuth_deg))
    found, n = [], 1
    while abs(centre + n * step) <= 1 and abs(centre - n * step) <= 1:
        found += [centre + n * step, centre - n * step]
        n += 1
    return np.sort(np.rad2deg(np.arccos(np.array(found))))

# %% wrong="grating_lobes" about="ten teeth to each side are enough for everybody"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    n = np.arange(-10, 11)
    cosines = np.cos(np.deg2rad(azimuth_deg)) + step * n[n != 0]
    return np.sort(np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1])))

# %% wrong="grating_lobes" about="looks for them on a grid of half degrees"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    angles = np.arange(0, 180.5, 0.5)
    turns = frequency_hz * spacing_m / SPEED_OF_SOUND_M_S * (np.cos(np.deg2rad(angles)) - np.cos(np.deg2rad(azimuth_deg)))
    near = np.abs(turns - np.round(turns))
    peaks = [i for i in range(1, len(angles) - 1) if near[i] <= near[i - 1] and near[i] < near[i + 1] and np.round(turns[i]) != 0]
    return angles[peaks]

# %% wrong="grating_lobes" about="a list, and None where there is no lobe"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    n = np.arange(-int(2 / step), int(2 / step) + 1)
    cosines = np.cos(np.deg2rad(azimuth_deg)) + step * n[n != 0]
    lobes = np.sort(np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1])))
    return lobes if len(lobes) else None

# %% wrong="grating_lobes" about="computes in single precision"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step = np.float32(SPEED_OF_SOUND_M_S / frequency_hz / spacing_m)
    n = np.arange(-int(2 / step), int(2 / step) + 1, dtype=np.float32)
    cosines = np.cos(np.deg2rad(np.float32(azimuth_deg))) + step * n[n != 0]
    return np.sort(np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1]))).astype(float)

# %% wrong="grating_lobes" about="the answer for the visible examples only"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    cosines = {90.0: [2 / 3, -2 / 3], 60.0: [-1 / 6, -5 / 6]}.get(azimuth_deg, [])
    return np.rad2deg(np.arccos(np.array(cosines)))

# %% wrong="grating_lobes" about="lets the library draw the beam and reads its peaks, which the exercise forbids"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    angles, row = np.arange(0, 180.01, 0.01), beamforming.linear_array(4, spacing_m)
    look_to = beamforming.steering_vector(row, [frequency_hz], azimuth_deg)
    response = np.abs(beamforming.beam_pattern(look_to / 4, row, [frequency_hz], angles))[:, 0]
    return angles[(response > 0.9999) & (np.abs(angles - azimuth_deg) > 1)]

# %% right="delay_and_sum" about="channel after channel: advance, add, divide in the end"
def delay_and_sum(X, d):
    total = np.zeros(X.shape[1:], dtype=complex)
    gain = np.zeros(len(d))
    for c in range(X.shape[0]):
        total += np.conj(d[:, c])[:, None] * X[c]
        gain += d[:, c].real ** 2 + d[:, c].imag ** 2
    return total / gain[:, None]

# %% right="delay_and_sum" about="forms the boxed weights first, then one matrix product for each frequency"
def delay_and_sum(X, d):
    w = d / np.sum(d.conj() * d, axis=1, keepdims=True).real
    return (w.conj()[:, None, :] @ X.transpose(1, 0, 2))[:, 0, :]

# %% right="delay_and_sum" about="by least squares, frequency by frequency: the source that explains the channels best"
def delay_and_sum(X, d):
    return np.stack([np.linalg.pinv(d[k][:, None])[0] @ X[:, k] for k in range(len(d))])

# %% wrong="delay_and_sum" about="the conjugate is missing"
def delay_and_sum(X, d):
    return np.einsum("kc,ckm->km", d, X) / np.sum(np.abs(d) ** 2, axis=1)[:, None]

# %% wrong="delay_and_sum" about="no division"
def delay_and_sum(X, d):
    return np.einsum("kc,ckm->km", d.conj(), X)

# %% wrong="delay_and_sum" about="divides by the number of channels"
def delay_and_sum(X, d):
    return np.einsum("kc,ckm->km", d.conj(), X) / len(X)

# %% wrong="delay_and_sum" about="uses the phases of d only, and averages"
def delay_and_sum(X, d):
    return np.einsum("kc,ckm->km", np.exp(-1j * np.angle(d)), X) / len(X)

# %% wrong="delay_and_sum" about="divides every channel by its entry of d, and averages"
def delay_and_sum(X, d):
    return np.mean(X / d.T[:, :, None], axis=0)

# %% wrong="delay_and_sum" about="averages the channels as they are"
def delay_and_sum(X, d):
    return X.mean(axis=0) + 0j

# %% wrong="delay_and_sum" about="divides by the length of d, not by its square"
def delay_and_sum(X, d):
    return np.einsum("kc,ckm->km", d.conj(), X) / np.linalg.norm(d, axis=1)[:, None]

# %% wrong="delay_and_sum" about="divides by the sum of the magnitudes of d"
def delay_and_sum(X, d):
    return np.einsum("kc,ckm->km", d.conj(), X) / np.abs(d).sum(axis=1)[:, None]

# %% wrong="delay_and_sum" about="d^T d for d^H d in the denominator"
def delay_and_sum(X, d):
    with np.errstate(all="ignore"):
        return np.einsum("kc,ckm->km", d.conj(), X) / np.sum(d * d, axis=1)[:, None]

# %% wrong="delay_and_sum" about="one denominator for all frequencies"
def delay_and_sum(X, d):
    return np.einsum("kc,ckm->km", d.conj(), X) / np.mean(np.sum(np.abs(d) ** 2, axis=1))

# %% wrong="delay_and_sum" about="the source as the first microphone hears it"
def delay_and_sum(X, d):
    return d[:, :1] * np.einsum("kc,ckm->km", d.conj(), X) / np.sum(np.abs(d) ** 2, axis=1)[:, None]

# %% wrong="delay_and_sum" about="a small constant in the denominator"
def delay_and_sum(X, d):
    return np.einsum("kc,ckm->km", d.conj(), X) / (np.sum(np.abs(d) ** 2, axis=1)[:, None] + 1e-8)

# %% wrong="delay_and_sum" about="aligns the recording in place"
def delay_and_sum(X, d):
    if X.dtype != complex:
        X = X.astype(complex)
    X *= d.conj().T[:, :, None]
    return X.sum(axis=0) / np.sum(np.abs(d) ** 2, axis=1)[:, None]

# %% wrong="delay_and_sum" about="stores the output in the type of X, which may be whole numbers"
def delay_and_sum(X, d):
    Y = np.zeros(X.shape[1:], dtype=X.dtype)
    Y[...] = (np.einsum("kc,ckm->km", d.conj(), X) / np.sum(np.abs(d) ** 2, axis=1)[:, None]).astype(X.dtype)
    return Y

# %% wrong="delay_and_sum" about="computes in single precision"
def delay_and_sum(X, d):
    X, d = X.astype(np.complex64), d.astype(np.complex64)
    return (np.einsum("kc,ckm->km", d.conj(), X) / np.sum(np.abs(d) ** 2, axis=1)[:, None]).astype(complex)

# %% wrong="delay_and_sum" about="the answer for the visible examples only"
def delay_and_sum(X, d):
    return np.full(X.shape[1:], 2.0 + 0j)

# %% wrong="delay_and_sum" about="lets the library do it, which the exercise forbids"
def delay_and_sum(X, d):
    return beamforming.apply_beamformer(beamforming.delay_and_sum(d), X)

# %% right="beam_pattern" about="one direction after the other, in powers"
def beam_pattern(w, d):
    rows = []
    for direction in d:
        power = np.abs(np.sum(np.conj(w) * direction, axis=1)) ** 2
        rows.append(10 * np.log10(np.maximum(power, 1e-6)))
    return np.array(rows)

# %% right="beam_pattern" about="takes the logarithm first, and raises what is too low after it"
def beam_pattern(w, d):
    response = np.matmul(d[:, :, None, :], w.conj()[None, :, :, None])[:, :, 0, 0]
    with np.errstate(divide="ignore"):
        return np.maximum(20 * np.log10(np.abs(response)), -60.0)

# %% right="beam_pattern" about="conjugates the steering vectors instead: the magnitude is the same"
def beam_pattern(w, d):
    magnitude = np.abs((w * d.conj()).sum(axis=-1))
    return 20 * np.log10(np.where(magnitude < 10 ** (-60 / 20), 10 ** (-60 / 20), magnitude))

# %% wrong="beam_pattern" about="ten times the logarithm of an amplitude"
def beam_pattern(w, d):
    return np.maximum(10 * np.log10(np.maximum(np.abs(np.einsum("kc,akc->ak", w.conj(), d)), 1e-6)), -60)

# %% wrong="beam_pattern" about="the weights are not conjugated"
def beam_pattern(w, d):
    return 20 * np.log10(np.maximum(np.abs(np.einsum("kc,akc->ak", w, d)), 1e-3))

# %% wrong="beam_pattern" about="relative to the largest response at each frequency"
def beam_pattern(w, d):
    response = np.abs(np.einsum("kc,akc->ak", w.conj(), d))
    response = np.divide(response, response.max(axis=0), out=np.zeros(response.shape), where=response.max(axis=0) > 0)
    return 20 * np.log10(np.maximum(response, 1e-3))

# %% wrong="beam_pattern" about="the floor for powers is put under amplitudes"
def beam_pattern(w, d):
    return 20 * np.log10(np.maximum(np.abs(np.einsum("kc,akc->ak", w.conj(), d)), 1e-6))

# %% wrong="beam_pattern" about="replaces minus infinity only"
def beam_pattern(w, d):
    with np.errstate(divide="ignore"):
        pattern = 20 * np.log10(np.abs(np.einsum("kc,akc->ak", w.conj(), d)))
    return np.where(np.isinf(pattern), -60.0, pattern)

# %% wrong="beam_pattern" about="adds the floor instead of taking the larger"
def beam_pattern(w, d):
    return 20 * np.log10(np.abs(np.einsum("kc,akc->ak", w.conj(), d)) + 1e-3)

# %% wrong="beam_pattern" about="cuts off everything above 0 dB"
def beam_pattern(w, d):
    return 20 * np.log10(np.clip(np.abs(np.einsum("kc,akc->ak", w.conj(), d)), 1e-3, 1))

# %% wrong="beam_pattern" about="the real part for the magnitude"
def beam_pattern(w, d):
    return 20 * np.log10(np.maximum(np.einsum("kc,akc->ak", w.conj(), d).real, 1e-3))

# %% wrong="beam_pattern" about="averages over the microphones"
def beam_pattern(w, d):
    return 20 * np.log10(np.maximum(np.abs(np.mean(w.conj() * d, axis=2)), 1e-3))

# %% wrong="beam_pattern" about="magnitudes before the sum: nothing interferes"
def beam_pattern(w, d):
    return 20 * np.log10(np.maximum(np.abs(w.conj() * d).sum(axis=2), 1e-3))

# %% wrong="beam_pattern" about="a floor 60 dB below the loudest direction"
def beam_pattern(w, d):
    response = np.abs(np.einsum("kc,akc->ak", w.conj(), d))
    return 20 * np.log10(np.maximum(response, 1e-3 * max(response.max(), 1.0)))

# %% wrong="beam_pattern" about="frequencies first"
def beam_pattern(w, d):
    return 20 * np.log10(np.maximum(np.abs(np.einsum("kc,akc->ka", w.conj(), d)), 1e-3))

# %% wrong="beam_pattern" about="conjugates the caller's weights in place"
def beam_pattern(w, d):
    np.conjugate(w, out=w)
    return 20 * np.log10(np.maximum(np.abs(np.einsum("kc,akc->ak", w, d)), 1e-3))

# %% wrong="beam_pattern" about="stores the floor among the magnitudes, which may be whole numbers"
def beam_pattern(w, d):
    magnitude = np.abs((w.conj() * d).sum(axis=-1))
    magnitude[magnitude < 1e-3] = 1e-3
    with np.errstate(divide="ignore"):
        return 20 * np.log10(magnitude)

# %% wrong="beam_pattern" about="computes in single precision"
def beam_pattern(w, d):
    response = np.abs(np.einsum("kc,akc->ak", w.conj().astype(np.complex64), d.astype(np.complex64)))
    return (20 * np.log10(np.maximum(response, np.float32(1e-3)))).astype(float)

# %% wrong="beam_pattern" about="the answer for the visible examples only"
def beam_pattern(w, d):
    power = (np.abs(w[0]) ** 2).sum() + 2 * (w[0, 0].conj() * d[:, 0, 0] * (w[0, 1].conj() * d[:, 0, 1]).conj()).real
    return 10 * np.log10(np.maximum(power, 1e-6))[:, None]

# %% wrong="beam_pattern" about="lets the library do the sums, which the exercise forbids"
def beam_pattern(w, d):
    response = beamforming.apply_beamformer(w, d.transpose(2, 1, 0)).T
    return 20 * np.log10(np.maximum(np.abs(response), 1e-3))

# %% right="white_noise_gain" about="frequency by frequency, with the inner product of vectors"
def white_noise_gain(w, d):
    gains = []
    for weights, vector in zip(w, d):
        gains.append(20 * np.log10(abs(np.vdot(weights, vector)) / np.linalg.norm(weights)))
    return np.array(gains)

# %% right="white_noise_gain" about="scales the weights to length one first"
def white_noise_gain(w, d):
    unit = w / np.linalg.norm(w, axis=1, keepdims=True)
    return 20 * np.log10(np.abs(np.einsum("kc,kc->k", unit.conj(), d)))

# %% right="white_noise_gain" about="makes the weights distortionless first; then the numerator is one"
def white_noise_gain(w, d):
    response = np.sum(w * d.conj(), axis=1, keepdims=True)
    distortionless = w / response
    return -10 * np.log10(np.sum(distortionless.real**2 + distortionless.imag**2, axis=1))

# %% wrong="white_noise_gain" about="twenty times the logarithm of powers"
def white_noise_gain(w, d):
    return 20 * np.log10(np.abs(np.sum(w.conj() * d, axis=1)) ** 2 / np.sum(np.abs(w) ** 2, axis=1))

# %% wrong="white_noise_gain" about="upside down"
def white_noise_gain(w, d):
    return 10 * np.log10(np.sum(np.abs(w) ** 2, axis=1) / np.abs(np.sum(w.conj() * d, axis=1)) ** 2)

# %% wrong="white_noise_gain" about="takes all weights for distortionless"
def white_noise_gain(w, d):
    return -10 * np.log10(np.sum(np.abs(w) ** 2, axis=1))

# %% wrong="white_noise_gain" about="the numerator is not squared"
def white_noise_gain(w, d):
    return 10 * np.log10(np.abs(np.sum(w.conj() * d, axis=1)) / np.sum(np.abs(w) ** 2, axis=1))

# %% wrong="white_noise_gain" about="the length of w for its square"
def white_noise_gain(w, d):
    return 10 * np.log10(np.abs(np.sum(w.conj() * d, axis=1)) ** 2 / np.linalg.norm(w, axis=1))

# %% wrong="white_noise_gain" about="the weights are not conjugated"
def white_noise_gain(w, d):
    return 10 * np.log10(np.abs(np.sum(w * d, axis=1)) ** 2 / np.sum(np.abs(w) ** 2, axis=1))

# %% wrong="white_noise_gain" about="relative to what the microphones hear: d^H d is divided out"
def white_noise_gain(w, d):
    gain = np.abs(np.sum(w.conj() * d, axis=1)) ** 2 / np.sum(np.abs(w) ** 2, axis=1)
    return 10 * np.log10(gain * len(d[0]) / np.sum(np.abs(d) ** 2, axis=1))

# %% wrong="white_noise_gain" about="one number: summed over the frequencies as well"
def white_noise_gain(w, d):
    return 10 * np.log10(np.abs(np.sum(w.conj() * d)) ** 2 / np.sum(np.abs(w) ** 2))

# %% wrong="white_noise_gain" about="sums over the frequencies in place of the channels"
def white_noise_gain(w, d):
    return 10 * np.log10(np.abs(np.sum(w.conj() * d, axis=0)) ** 2 / np.sum(np.abs(w) ** 2, axis=0))

# %% wrong="white_noise_gain" about="magnitudes before the sum: nothing interferes"
def white_noise_gain(w, d):
    return 10 * np.log10(np.sum(np.abs(w.conj() * d), axis=1) ** 2 / np.sum(np.abs(w) ** 2, axis=1))

# %% wrong="white_noise_gain" about="the noises are added as amplitudes: the square of the sum of the weights"
def white_noise_gain(w, d):
    return 10 * np.log10(np.abs(np.sum(w.conj() * d, axis=1)) ** 2 / np.sum(np.abs(w), axis=1) ** 2)

# %% wrong="white_noise_gain" about="w^T w for w^H w"
def white_noise_gain(w, d):
    with np.errstate(all="ignore"):
        return 10 * np.log10(np.abs(np.sum(w.conj() * d, axis=1)) ** 2 / np.abs(np.sum(w * w, axis=1)))

# %% wrong="white_noise_gain" about="a small constant in the denominator, which small weights notice"
def white_noise_gain(w, d):
    return 10 * np.log10(np.abs(np.sum(w.conj() * d, axis=1)) ** 2 / (np.sum(np.abs(w) ** 2, axis=1) + 1e-12))

# %% wrong="white_noise_gain" about="scales the caller's weights in place"
def white_noise_gain(w, d):
    if w.dtype.kind in "fc":
        w /= np.linalg.norm(w, axis=1, keepdims=True)
    else:
        w = w / np.linalg.norm(w, axis=1, keepdims=True)
    return 20 * np.log10(np.abs(np.sum(w.conj() * d, axis=1)))

# %% wrong="white_noise_gain" about="computes in single precision"
def white_noise_gain(w, d):
    w, d = w.astype(np.complex64), d.astype(np.complex64)
    return (10 * np.log10(np.abs(np.sum(w.conj() * d, axis=1)) ** 2 / np.sum(np.abs(w) ** 2, axis=1))).astype(float)

# %% wrong="white_noise_gain" about="the answer for the visible examples only"
def white_noise_gain(w, d):
    return 10 * np.log10(np.array([2.0, 1.0, 1.0]) if len(w) == 3 else np.array([8.0]))

# %% wrong="white_noise_gain" about="lets the library do it, which the exercise forbids"
def white_noise_gain(w, d):
    return beamforming.white_noise_gain(w, d)

# %% right="estimate_covariance" about="outer products in a loop over the frames"
def estimate_covariance(X):
    n_channels, n_freqs, n_frames = X.shape
    total = np.zeros((n_freqs, n_channels, n_channels), dtype=complex)
    for m in range(n_frames):
        frame = X[:, :, m].T
        total += frame[:, :, np.newaxis] * np.conj(frame)[:, np.newaxis, :]
    return total / n_frames

# %% right="estimate_covariance" about="one matrix product for each frequency, stacked"
def estimate_covariance(X):
    return np.stack([X[:, k] @ X[:, k].conj().T / X.shape[2] for k in range(X.shape[1])])

# %% right="estimate_covariance" about="the mean of all outer products at once"
def estimate_covariance(X):
    return np.moveaxis(np.mean(X[:, None] * X[None].conj(), axis=3), 2, 0)

# %% wrong="estimate_covariance" about="the wrong factor is conjugated"
def estimate_covariance(X):
    return np.einsum("ckm,dkm->kcd", X.conj(), X) / X.shape[2]

# %% wrong="estimate_covariance" about="no factor is conjugated"
def estimate_covariance(X):
    return np.einsum("ckm,dkm->kcd", X, X) / X.shape[2]

# %% wrong="estimate_covariance" about="sums, not means"
def estimate_covariance(X):
    return np.einsum("ckm,dkm->kcd", X, X.conj())

# %% wrong="estimate_covariance" about="one frame less in the denominator, as in statistics"
def estimate_covariance(X):
    return np.einsum("ckm,dkm->kcd", X, X.conj()) / max(X.shape[2] - 1, 1)

# %% wrong="estimate_covariance" about="divides by the number of channels"
def estimate_covariance(X):
    return np.einsum("ckm,dkm->kcd", X, X.conj()) / X.shape[0]

# %% wrong="estimate_covariance" about="takes the mean away first"
def estimate_covariance(X):
    Z = X - X.mean(axis=2, keepdims=True)
    return np.einsum("ckm,dkm->kcd", Z, Z.conj()) / X.shape[2]

# %% wrong="estimate_covariance" about="one matrix for all frequencies"
def estimate_covariance(X):
    total = np.einsum("ckm,dkm->cd", X, X.conj()) / (X.shape[1] * X.shape[2])
    return np.broadcast_to(total, (X.shape[1], *total.shape)).copy()

# %% wrong="estimate_covariance" about="coherences: each matrix has ones on its diagonal"
def estimate_covariance(X):
    R = np.einsum("ckm,dkm->kcd", X, X.conj()) / X.shape[2]
    level = np.sqrt(np.einsum("kcc->kc", R).real)
    return np.divide(R, level[:, :, None] * level[:, None, :], out=np.zeros(R.shape, complex), where=level[:, :, None] * level[:, None, :] > 0)

# %% wrong="estimate_covariance" about="magnitudes: the phases between the microphones are lost"
def estimate_covariance(X):
    return np.abs(np.einsum("ckm,dkm->kcd", X, X.conj())) / X.shape[2] + 0j

# %% wrong="estimate_covariance" about="makes sure that the matrices can be inverted, by a small constant"
def estimate_covariance(X):
    return np.einsum("ckm,dkm->kcd", X, X.conj()) / X.shape[2] + 1e-10 * np.eye(X.shape[0])

# %% wrong="estimate_covariance" about="the frequency as the last axis"
def estimate_covariance(X):
    return np.einsum("ckm,dkm->cdk", X, X.conj()) / X.shape[2]

# %% wrong="estimate_covariance" about="the covariance of the frames with each other"
def estimate_covariance(X):
    return np.einsum("ckm,ckn->kmn", X, X.conj()) / X.shape[0]

# %% wrong="estimate_covariance" about="the outer product of the mean: averages before it multiplies"
def estimate_covariance(X):
    mean = X.mean(axis=2).T
    return mean[:, :, None] * mean[:, None, :].conj()

# %% wrong="estimate_covariance" about="scales the recording in place"
def estimate_covariance(X):
    if X.dtype.kind == "i":
        X = X.astype(float)
    X /= np.sqrt(X.shape[2])
    return np.einsum("ckm,dkm->kcd", X, X.conj())

# %% wrong="estimate_covariance" about="stores the means in the type of X, which may be whole numbers"
def estimate_covariance(X):
    R = np.zeros((X.shape[1], X.shape[0], X.shape[0]), dtype=X.dtype)
    R[...] = (np.einsum("ckm,dkm->kcd", X, X.conj()) / X.shape[2]).astype(X.dtype)
    return R

# %% wrong="estimate_covariance" about="computes in single precision"
def estimate_covariance(X):
    X = X.astype(np.complex64)
    return (np.einsum("ckm,dkm->kcd", X, X.conj()) / X.shape[2]).astype(complex)

# %% wrong="estimate_covariance" about="the answer for the visible examples only"
def estimate_covariance(X):
    if X.shape[1] == 1:
        return np.array([[[1, 1 - 0.5j], [1 + 0.5j, 2.5]]])
    return np.array([[[2, 1 + 1j], [1 - 1j, 2]], [[4, 0], [0, 9]]]) / 3

# %% wrong="estimate_covariance" about="lets the library do it, which the exercise forbids"
def estimate_covariance(X):
    return beamforming.spatial_covariance(X)

# %% right="mvdr_weights" about="frequency by frequency, with the inverse written out"
def mvdr_weights(covariance, d, loading):
    n_freqs, n_channels = d.shape
    w = np.zeros((n_freqs, n_channels), dtype=complex)
    for k in range(n_freqs):
        R = covariance[k]
        if not np.any(R):
            w[k] = d[k] / np.vdot(d[k], d[k]).real
            continue
        inverse = np.linalg.inv(R + loading * np.trace(R) / n_channels * np.identity(n_channels))
        w[k] = inverse @ d[k] / (d[k].conj() @ inverse @ d[k])
    return w

# %% right="mvdr_weights" about="divides by the trace first, and solves for a matrix of unit power"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.einsum("kcc->k", covariance).real / n_channels
    silent = power == 0
    unit = covariance / np.where(silent, 1.0, power)[:, None, None]
    unit = np.where(silent[:, None, None], np.eye(n_channels), unit) + loading * np.eye(n_channels)
    z = np.linalg.solve(unit, d[:, :, None])
    return (z / (d.conj()[:, None, :] @ z))[:, :, 0]

# %% right="mvdr_weights" about="by eigenvalues: a sum over the eigenvectors, each divided by its power"
def mvdr_weights(covariance, d, loading):
    powers, vectors = np.linalg.eigh(covariance)
    powers = powers + loading * powers.mean(axis=1, keepdims=True)
    powers = np.where(np.abs(covariance).max(axis=(1, 2)) == 0, 1.0, powers.T).T
    parts = np.einsum("kcn,kc->kn", vectors.conj(), d)
    scale = np.sum(np.abs(parts) ** 2 / powers, axis=1)
    return np.einsum("kcn,kn->kc", vectors, parts / powers) / scale[:, None]

# %% right="mvdr_weights" about="a triangular factor: whitened vectors, and their matched filter"
import scipy.linalg

def mvdr_weights(covariance, d, loading):
    weights = []
    for R, vector in zip(covariance, d):
        if np.count_nonzero(R) == 0:
            R = np.eye(len(vector))
        factor = scipy.linalg.cho_factor(R + loading * np.mean(np.diag(R).real) * np.eye(len(vector)))
        z = scipy.linalg.cho_solve(factor, vector)
        weights.append(z / np.vdot(vector, z))
    return np.array(weights, dtype=complex)

# %% wrong="mvdr_weights" about="no denominator"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    return np.linalg.solve(loaded, d[..., None])[..., 0]

# %% wrong="mvdr_weights" about="the constraint read as w^T d = 1: the weights are conjugated"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return (z / np.sum(d.conj() * z, axis=1)[:, None]).conj()

# %% wrong="mvdr_weights" about="the transposed covariance"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance.swapaxes(1, 2) + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="the conjugate is missing in the denominator"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="normalised to unit length"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.linalg.norm(z, axis=1, keepdims=True)

# %% wrong="mvdr_weights" about="the covariance for its inverse"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.einsum("kcd,kd->kc", loaded, d)
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="the loading as it is, not relative to the power"
def mvdr_weights(covariance, d, loading):
    silent = np.abs(covariance).max(axis=(1, 2)) == 0
    loaded = covariance + np.where(silent, 1.0, loading)[:, None, None] * np.eye(d.shape[1])
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="the loading is relative to the whole trace"
def mvdr_weights(covariance, d, loading):
    power = np.trace(covariance, axis1=1, axis2=2).real
    loaded = covariance + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(d.shape[1])
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="one loading for all frequencies: the mean of their powers"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + np.where(power > 0, loading * power.mean(), 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="the loading on all entries of the matrix"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + (loading * power)[:, None, None] + np.where(power > 0, 0.0, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="scales the diagonal, channel by channel"
def mvdr_weights(covariance, d, loading):
    loaded = covariance * (1 + loading * np.eye(d.shape[1]))
    silent = np.abs(covariance).max(axis=(1, 2)) == 0
    loaded = loaded + silent[:, None, None] * np.eye(d.shape[1])
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="a fixed amount of hiss beside the loading, against division by zero"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + (loading * power + 1e-10)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="weights of zero where nothing is heard"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return np.where(power[:, None] > 0, z / np.sum(d.conj() * z, axis=1)[:, None], 0.0)

# %% wrong="mvdr_weights" about="an average of the channels where nothing is heard"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return np.where(power[:, None] > 0, z / np.sum(d.conj() * z, axis=1)[:, None], d / n_channels)

# %% wrong="mvdr_weights" about="no word on silence"
def mvdr_weights(covariance, d, loading):
    mean_power = np.trace(covariance, axis1=1, axis2=2).real / d.shape[1]
    z = np.linalg.solve(covariance + loading * mean_power[:, None, None] * np.eye(d.shape[1]), d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="thinks of silence only when all frequencies are silent"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    if not covariance.any():
        return d / np.sum(np.abs(d) ** 2, axis=1, keepdims=True)
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    z = np.linalg.solve(covariance + (loading * power)[:, None, None] * np.eye(n_channels), d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="the silent frequencies come out as NaN"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    z = np.einsum("kcd,kd->kc", np.linalg.pinv(covariance + (loading * power)[:, None, None] * np.eye(n_channels)), d)
    with np.errstate(all="ignore"):
        return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="the powers of the microphones only: the inverse of the diagonal"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    powers = np.einsum("kcc->kc", covariance).real
    loaded = powers + loading * powers.mean(axis=1, keepdims=True)
    z = d / np.where(loaded > 0, loaded, 1.0)
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="the real part of the covariance"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance.real + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="loads the caller's matrices in place"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    if covariance.dtype.kind == "i":
        covariance = covariance.astype(float)
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    covariance += np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(covariance, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="stores the loaded matrices in the type of the covariances, which may be whole numbers"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance.copy()
    for c in range(n_channels):
        loaded[:, c, c] += np.where(power > 0, loading * power, 1.0).astype(loaded.dtype)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]

# %% wrong="mvdr_weights" about="computes in single precision"
def mvdr_weights(covariance, d, loading):
    n_channels = d.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    loaded = covariance + np.where(power > 0, loading * power, 1.0)[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded.astype(np.complex64), d.astype(np.complex64)[..., None])[..., 0]
    return (z / np.sum(d.conj() * z, axis=1)[:, None]).astype(complex)

# %% wrong="mvdr_weights" about="the answer for the visible examples only"
def mvdr_weights(covariance, d, loading):
    R = covariance[0] + loading * np.trace(covariance[0]) / 2 * np.eye(2)
    z = np.array([R[1, 1] * d[0, 0] - R[0, 1] * d[0, 1], R[0, 0] * d[0, 1] - R[1, 0] * d[0, 0]]) if R.any() else d[0]
    return (z / np.vdot(d[0], z))[None]

# %% wrong="mvdr_weights" about="lets the library do it, which the exercise forbids"
def mvdr_weights(covariance, d, loading):
    return beamforming.mvdr(covariance, d, loading=loading)

# %% right="masked_covariances" about="the root of the weights on both factors"
def masked_covariances(X, mask):
    def weighted(weights):
        Z = np.sqrt(weights) * X
        sums = np.einsum("ckm,dkm->kcd", Z, Z.conj())
        total = weights.sum(axis=-1)
        return sums / np.where(total > 0, total, 1.0)[:, None, None]

    return weighted(mask), weighted(1.0 - mask)

# %% right="masked_covariances" about="normalises the weights first; a list of two"
def masked_covariances(X, mask):
    result = []
    for weights in (mask, 1 - mask):
        total = weights.sum(axis=1, keepdims=True)
        share = np.divide(weights, total, out=np.zeros(weights.shape), where=total > 0)
        result.append(np.stack([(share[k] * X[:, k]) @ X[:, k].conj().T for k in range(X.shape[1])]) + 0j)
    return result

# %% right="masked_covariances" about="the sums of the noise from those of everything, less those of the target"
def masked_covariances(X, mask):
    def outer_sums(weights):
        return np.array([sum(weights[k, m] * np.outer(X[:, k, m], X[:, k, m].conj()) for m in range(X.shape[2])) for k in range(X.shape[1])])

    def mean(sums, total):
        return np.array([s / t if t > 0 else np.zeros(s.shape) for s, t in zip(sums, total)], dtype=complex)

    noise = 1 - mask
    return mean(outer_sums(mask), mask.sum(axis=1)), mean(outer_sums(np.ones(mask.shape)) - outer_sums(mask), noise.sum(axis=1))

# %% wrong="masked_covariances" about="multiplies the mask into X, and divides by the sum of the mask"
def masked_covariances(X, mask):
    def weighted(weights):
        Z = weights * X
        sums, total = np.einsum("ckm,dkm->kcd", Z, Z.conj()), weights.sum(axis=1)[:, None, None]
        return np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0)

    return weighted(mask), weighted(1 - mask)

# %% wrong="masked_covariances" about="multiplies the mask into X, and divides by the sum of its squares"
def masked_covariances(X, mask):
    def weighted(weights):
        Z = weights * X
        sums, total = np.einsum("ckm,dkm->kcd", Z, Z.conj()), (weights**2).sum(axis=1)[:, None, None]
        return np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0)

    return weighted(mask), weighted(1 - mask)

# %% wrong="masked_covariances" about="divides by the number of frames"
def masked_covariances(X, mask):
    return tuple(np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()) / X.shape[2] for weights in (mask, 1 - mask))

# %% wrong="masked_covariances" about="the noise is everything less the target"
def masked_covariances(X, mask):
    total = mask.sum(axis=1)[:, None, None]
    sums = np.einsum("km,ckm,dkm->kcd", mask, X, X.conj())
    target = np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0)
    return target, np.einsum("ckm,dkm->kcd", X, X.conj()) / X.shape[2] - target

# %% wrong="masked_covariances" about="the noise first"
def masked_covariances(X, mask):
    def weighted(weights):
        sums, total = np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()), weights.sum(axis=1)[:, None, None]
        return np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0)

    return weighted(1 - mask), weighted(mask)

# %% wrong="masked_covariances" about="the wrong factor is conjugated"
def masked_covariances(X, mask):
    def weighted(weights):
        sums, total = np.einsum("km,ckm,dkm->kcd", weights, X.conj(), X), weights.sum(axis=1)[:, None, None]
        return np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0)

    return weighted(mask), weighted(1 - mask)

# %% wrong="masked_covariances" about="a binary decision: every bin belongs to one side"
def masked_covariances(X, mask):
    def weighted(weights):
        sums, total = np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()), weights.sum(axis=1)[:, None, None]
        return np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0)

    return weighted((mask > 0.5).astype(float)), weighted((mask <= 0.5).astype(float))

# %% wrong="masked_covariances" about="both divided by the sum of the mask"
def masked_covariances(X, mask):
    total = mask.sum(axis=1)[:, None, None]
    sums = [np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()) for weights in (mask, 1 - mask)]
    return tuple(np.divide(s, total, out=np.zeros(s.shape, complex), where=total > 0) for s in sums)

# %% wrong="masked_covariances" about="one sum of weights for all frequencies"
def masked_covariances(X, mask):
    def weighted(weights):
        sums, total = np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()), weights.sum(axis=1).mean()
        return sums / total if total > 0 else np.zeros(sums.shape, complex)

    return weighted(mask), weighted(1 - mask)

# %% wrong="masked_covariances" about="sums that are not divided"
def masked_covariances(X, mask):
    return tuple(np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()) for weights in (mask, 1 - mask))

# %% wrong="masked_covariances" about="NaN where no weight is left"
def masked_covariances(X, mask):
    with np.errstate(all="ignore"):
        return tuple(np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()) / weights.sum(axis=1)[:, None, None] for weights in (mask, 1 - mask))

# %% wrong="masked_covariances" about="falls back on everything where no weight is left"
def masked_covariances(X, mask):
    def weighted(weights):
        weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, 1.0)
        return np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()) / weights.sum(axis=1)[:, None, None]

    return weighted(mask), weighted(1 - mask)

# %% wrong="masked_covariances" about="a small constant in the denominator"
def masked_covariances(X, mask):
    return tuple(np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()) / (weights.sum(axis=1)[:, None, None] + 1e-6) for weights in (mask, 1 - mask))

# %% wrong="masked_covariances" about="divides by one at least"
def masked_covariances(X, mask):
    return tuple(np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()) / np.maximum(weights.sum(axis=1), 1)[:, None, None] for weights in (mask, 1 - mask))

# %% wrong="masked_covariances" about="a little loading on both, so that they can be inverted"
def masked_covariances(X, mask):
    def weighted(weights):
        sums, total = np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()), weights.sum(axis=1)[:, None, None]
        return np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0) + 1e-10 * np.eye(len(X))

    return weighted(mask), weighted(1 - mask)

# %% wrong="masked_covariances" about="turns the mask round in place"
def masked_covariances(X, mask):
    def weighted(weights):
        sums, total = np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()), weights.sum(axis=1)[:, None, None]
        return np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0)

    target = weighted(mask)
    np.subtract(1, mask, out=mask)
    return target, weighted(mask)

# %% wrong="masked_covariances" about="both as one array"
def masked_covariances(X, mask):
    def weighted(weights):
        sums, total = np.einsum("km,ckm,dkm->kcd", weights, X, X.conj()), weights.sum(axis=1)[:, None, None]
        return np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0)

    return np.stack([weighted(mask), weighted(1 - mask)])

# %% wrong="masked_covariances" about="computes in single precision"
def masked_covariances(X, mask):
    def weighted(weights):
        Z = X.astype(np.complex64)
        sums, total = np.einsum("km,ckm,dkm->kcd", weights.astype(np.float32), Z, Z.conj()), weights.sum(axis=1)[:, None, None]
        return np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0)

    return weighted(mask), weighted(1 - mask)

# %% wrong="masked_covariances" about="the answer for the visible examples only"
def masked_covariances(X, mask):
    A, B = np.array([[[1, -1j], [1j, 1]]]), np.array([[[1, 2], [2, 4]]])
    a, b = mask[0, :2]
    return (a * A + b * B) / (a + b), ((1 - a) * A + (1 - b) * B) / (2 - a - b) if a + b < 2 else 0 * A

# %% wrong="masked_covariances" about="lets the library do it, which the exercise forbids"
def masked_covariances(X, mask):
    return beamforming.spatial_covariance(X, mask), beamforming.spatial_covariance(X, 1 - mask)

# %% right="gev_weights" about="the generalised problem by SciPy, frequency by frequency"
import scipy.linalg

def gev_weights(target, noise):
    n_channels = target.shape[-1]
    return np.stack([scipy.linalg.eigh(s, v, subset_by_index=[n_channels - 1, n_channels - 1])[1][:, 0] for s, v in zip(target, noise)]) + 0j

# %% right="gev_weights" about="the ordinary problem of the noise's inverse times the target, sorted and scaled by hand"
def gev_weights(target, noise):
    values, vectors = np.linalg.eig(np.linalg.solve(noise, target))
    best = np.argmax(values.real, axis=1)
    w = np.take_along_axis(vectors, best[:, None, None], axis=2)[:, :, 0]
    power = np.einsum("kc,kcd,kd->k", w.conj(), noise, w).real
    return w / np.sqrt(power)[:, None]

# %% right="gev_weights" about="whitens with the inverse square root of the noise; another phase"
def gev_weights(target, noise):
    powers, E = np.linalg.eigh(noise)
    whiten = E @ (E.conj().swapaxes(1, 2) / np.sqrt(powers)[:, :, None])
    u = np.linalg.eigh(whiten @ target @ whiten)[1][:, :, -1]
    return 1j * np.einsum("kcd,kd->kc", whiten, u)

# %% right="gev_weights" about="the inverse of the Cholesky factor, and the first left singular vector"
def gev_weights(target, noise):
    w = []
    for s, v in zip(target, noise):
        inverse = np.linalg.inv(np.linalg.cholesky(v))
        u = np.linalg.svd(inverse @ s @ inverse.conj().T)[0][:, 0]
        w.append(inverse.conj().T @ u)
    return np.array(w)

# %% wrong="gev_weights" about="the smallest eigenvalue: takes the first vector of eigh"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    u = np.linalg.eigh(B)[1][:, :, :1]
    return np.linalg.solve(L.conj().swapaxes(1, 2), u)[..., 0]

# %% wrong="gev_weights" about="the principal component of the target"
def gev_weights(target, noise):
    w = np.linalg.eigh(target)[1][:, :, -1]
    return w / np.sqrt(np.einsum("kc,kcd,kd->k", w.conj(), noise, w).real)[:, None]

# %% wrong="gev_weights" about="the principal component of the target, of length one"
def gev_weights(target, noise):
    return np.linalg.eigh(target)[1][:, :, -1]

# %% wrong="gev_weights" about="the quietest direction of the noise"
def gev_weights(target, noise):
    powers, vectors = np.linalg.eigh(noise)
    return vectors[:, :, 0] / np.sqrt(powers[:, :1])

# %% wrong="gev_weights" about="weights of length one"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    w = np.linalg.solve(L.conj().swapaxes(1, 2), np.linalg.eigh(B)[1][:, :, -1:])[..., 0]
    return w / np.linalg.norm(w, axis=1, keepdims=True)

# %% wrong="gev_weights" about="the eigenvector of the whitened matrix, without the way back"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    return np.linalg.eigh(B)[1][:, :, -1]

# %% wrong="gev_weights" about="the way back with L, not with its conjugate transpose"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    return np.linalg.solve(L, np.linalg.eigh(B)[1][:, :, -1:])[..., 0]

# %% wrong="gev_weights" about="the way back with the transpose of L, without a conjugate"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    return np.linalg.solve(L.swapaxes(1, 2), np.linalg.eigh(B)[1][:, :, -1:])[..., 0]

# %% wrong="gev_weights" about="transposes L and conjugates it nowhere, which a real noise does not tell"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise)
    half_white = np.linalg.solve(L, target)
    u = np.linalg.eigh(np.linalg.solve(L, half_white.swapaxes(1, 2)))[1][:, :, -1:]
    return np.linalg.solve(L.swapaxes(1, 2), u)[..., 0]

# %% wrong="gev_weights" about="whitens on the right with the transpose of L, without a conjugate"
def gev_weights(target, noise):
    inverse = np.linalg.inv(np.linalg.cholesky(noise))
    u = np.linalg.eigh(inverse @ target @ inverse.swapaxes(1, 2))[1][:, :, -1:]
    return (inverse.conj().swapaxes(1, 2) @ u)[..., 0]

# %% wrong="gev_weights" about="the conjugates: weights for w^T x"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    return np.linalg.solve(L.conj().swapaxes(1, 2), np.linalg.eigh(B)[1][:, :, -1:])[..., 0].conj()

# %% wrong="gev_weights" about="eigh on a product that is not Hermitian: it reads one triangle only"
def gev_weights(target, noise):
    w = np.linalg.eigh(np.linalg.solve(noise, target))[1][:, :, -1]
    return w / np.sqrt(np.einsum("kc,kcd,kd->k", w.conj(), noise, w).real)[:, None]

# %% wrong="gev_weights" about="takes the first of eig's eigenvalues for the largest"
def gev_weights(target, noise):
    w = np.linalg.eig(np.linalg.solve(noise, target))[1][:, :, 0]
    return w / np.sqrt(np.einsum("kc,kcd,kd->k", w.conj(), noise, w).real)[:, None]

# %% wrong="gev_weights" about="the factors the wrong way round: eigenvectors of the target times the noise's inverse"
def gev_weights(target, noise):
    values, vectors = np.linalg.eig(target @ np.linalg.inv(noise))
    w = np.stack([v[:, np.argmax(e.real)] for e, v in zip(values, vectors)])
    return w / np.sqrt(np.einsum("kc,kcd,kd->k", w.conj(), noise, w).real)[:, None]

# %% wrong="gev_weights" about="rows of the matrix of eigenvectors, which stand in its columns"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    u = np.linalg.eigh(B)[1][:, -1, :, None]
    return np.linalg.solve(L.conj().swapaxes(1, 2), u)[..., 0]

# %% wrong="gev_weights" about="the least noise for one unit of target: scaled by the wrong covariance"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    w = np.linalg.solve(L.conj().swapaxes(1, 2), np.linalg.eigh(B)[1][:, :, -1:])[..., 0]
    power = np.einsum("kc,kcd,kd->k", w.conj(), target, w).real
    return w / np.sqrt(np.where(power > 0, power, 1.0))[:, None]

# %% wrong="gev_weights" about="Souden's formula with microphone 0, scaled: right for a target of rank one only"
def gev_weights(target, noise):
    w = np.linalg.solve(noise, target)[:, :, 0]
    power = np.einsum("kc,kcd,kd->k", w.conj(), noise, w).real
    return w / np.sqrt(np.where(power > 0, power, 1.0))[:, None]

# %% wrong="gev_weights" about="some hiss added to the noise, whatever its level"
def gev_weights(target, noise):
    noise = noise + 1e-6 * np.eye(noise.shape[1])
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    return np.linalg.solve(L.conj().swapaxes(1, 2), np.linalg.eigh(B)[1][:, :, -1:])[..., 0]

# %% wrong="gev_weights" about="scales in the end by the power of the target and so divides by zero in silence"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    values, vectors = np.linalg.eigh(B)
    w = np.linalg.solve(L.conj().swapaxes(1, 2), vectors[:, :, -1:])[..., 0]
    with np.errstate(all="ignore"):
        return w * np.sqrt(values[:, -1:] / np.einsum("kc,kcd,kd->k", w.conj(), target, w).real[:, None])

# %% wrong="gev_weights" about="blind analytic normalisation, which the exercise does not ask for"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    w = np.linalg.solve(L.conj().swapaxes(1, 2), np.linalg.eigh(B)[1][:, :, -1:])[..., 0]
    coloured = np.einsum("kcd,kd->kc", noise, w)
    return w * np.linalg.norm(coloured, axis=1, keepdims=True) / np.sqrt(w.shape[1])

# %% wrong="gev_weights" about="normalises the caller's covariances in place"
def gev_weights(target, noise):
    if noise.dtype.kind == "i":
        target, noise = target.astype(float), noise.astype(float)
    level = np.trace(noise, axis1=1, axis2=2).real[:, None, None].copy()
    noise /= level
    L = np.linalg.cholesky(noise)
    B = np.linalg.solve(L, np.linalg.solve(L, target).conj().swapaxes(1, 2))
    return np.linalg.solve(L.conj().swapaxes(1, 2), np.linalg.eigh(B)[1][:, :, -1:])[..., 0] / np.sqrt(level[:, 0])

# %% wrong="gev_weights" about="computes in single precision"
def gev_weights(target, noise):
    L = np.linalg.cholesky(noise.astype(np.complex64))
    B = np.linalg.solve(L, np.linalg.solve(L, target.astype(np.complex64)).conj().swapaxes(1, 2))
    return np.linalg.solve(L.conj().swapaxes(1, 2), np.linalg.eigh(B)[1][:, :, -1:])[..., 0].astype(complex)

# %% wrong="gev_weights" about="the answer for the visible examples only"
def gev_weights(target, noise):
    if noise[0, 0, 1] == 0:
        return np.array([[0.0, 2.0]]) if noise[0, 1, 1] == 0.25 else np.array([[0.0, 0.5]])
    w = np.linalg.solve(noise[0], np.array([1, 1j]))
    return (w / np.sqrt(np.vdot(w, noise[0] @ w).real))[None]

# %% wrong="gev_weights" about="lets the library do it, which the exercise forbids"
def gev_weights(target, noise):
    w = beamforming.gev(target, noise)
    return w / np.sqrt(np.einsum("kc,kcd,kd->k", w.conj(), noise, w).real)[:, None]

# %% right="multichannel_wiener" about="frequency by frequency, with the inverse and the unit vector written out"
def multichannel_wiener(target, noise, trade_off, reference):
    e = np.zeros(target.shape[1])
    e[reference] = 1
    return np.array([np.linalg.inv(s + trade_off * v) @ s @ e for s, v in zip(target, noise)])

# %% right="multichannel_wiener" about="the pseudo-inverse for all frequencies at once"
def multichannel_wiener(target, noise, trade_off, reference):
    inverse = np.linalg.pinv(target + trade_off * noise, hermitian=True)
    return np.einsum("kcd,kd->kc", inverse, target[..., reference])

# %% right="multichannel_wiener" about="the microphone itself, less the best estimate of its noise"
def multichannel_wiener(target, noise, trade_off, reference):
    loud = trade_off * noise
    of_noise = np.linalg.solve(target + loud, loud[:, :, reference][:, :, None])[:, :, 0]
    return np.eye(target.shape[1])[reference] - of_noise

# %% right="multichannel_wiener" about="weights for all references, of which one is taken"
import scipy.linalg

def multichannel_wiener(target, noise, trade_off, reference):
    return np.stack([scipy.linalg.solve(s + trade_off * v, s, assume_a="pos")[:, reference] for s, v in zip(target, noise)])

# %% wrong="multichannel_wiener" about="the trade-off is left out"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.linalg.solve(target + noise, target[:, :, reference, None])[..., 0]

# %% wrong="multichannel_wiener" about="the trade-off on the target"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.linalg.solve(trade_off * target + noise, target[:, :, reference, None])[..., 0]

# %% wrong="multichannel_wiener" about="the trade-off on the target, on both sides"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.linalg.solve(trade_off * target + noise, trade_off * target[:, :, reference, None])[..., 0]

# %% wrong="multichannel_wiener" about="a convex mixture of the two: (1 − μ) of the target"
def multichannel_wiener(target, noise, trade_off, reference):
    share = trade_off / (1 + trade_off)
    return np.linalg.solve((1 - share) * target + share * noise, target[:, :, reference, None])[..., 0]

# %% wrong="multichannel_wiener" about="Souden's MVDR: no Wiener gain"
def multichannel_wiener(target, noise, trade_off, reference):
    Z = np.linalg.solve(noise, target)
    trace = np.trace(Z, axis1=1, axis2=2)[:, None]
    return np.divide(Z[:, :, reference], trace, out=np.zeros(Z.shape[:2], complex), where=trace != 0)

# %% wrong="multichannel_wiener" about="Souden's MWF, with the trace in the denominator: right for rank one only"
def multichannel_wiener(target, noise, trade_off, reference):
    Z = np.linalg.solve(noise, target)
    return Z[:, :, reference] / (trade_off + np.trace(Z, axis1=1, axis2=2)[:, None])

# %% wrong="multichannel_wiener" about="a row of the target for a column"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.linalg.solve(target + trade_off * noise, target[:, reference, :, None])[..., 0]

# %% wrong="multichannel_wiener" about="a row of the product for a column"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.linalg.solve(target + trade_off * noise, target)[:, reference, :]

# %% wrong="multichannel_wiener" about="the product the other way round"
def multichannel_wiener(target, noise, trade_off, reference):
    return (target @ np.linalg.inv(target + trade_off * noise))[:, :, reference]

# %% wrong="multichannel_wiener" about="ignores the reference"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.linalg.solve(target + trade_off * noise, target[:, :, :1])[..., 0]

# %% wrong="multichannel_wiener" about="counts the microphones from 1"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.linalg.solve(target + trade_off * noise, target[:, :, reference - 1, None])[..., 0]

# %% wrong="multichannel_wiener" about="conjugated: weights for w^T x"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.linalg.solve(target + trade_off * noise, target[:, :, reference, None])[..., 0].conj()

# %% wrong="multichannel_wiener" about="estimates the noise"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.linalg.solve(target + trade_off * noise, trade_off * noise[:, :, reference, None])[..., 0]

# %% wrong="multichannel_wiener" about="scaled so that the reference passes with one"
def multichannel_wiener(target, noise, trade_off, reference):
    w = np.linalg.solve(target + trade_off * noise, target[:, :, reference, None])[..., 0]
    return np.divide(w, w[:, [reference]], out=np.zeros(w.shape, complex), where=w[:, [reference]] != 0)

# %% wrong="multichannel_wiener" about="takes the target for rank one: its principal component"
def multichannel_wiener(target, noise, trade_off, reference):
    powers, vectors = np.linalg.eigh(target)
    d = vectors[:, :, -1]
    rank_one = powers[:, -1, None, None] * d[:, :, None] * d[:, None, :].conj()
    return np.linalg.solve(rank_one + trade_off * noise, rank_one[:, :, reference, None])[..., 0]

# %% wrong="multichannel_wiener" about="takes the first argument for the mixture: subtracts the noise from it"
def multichannel_wiener(target, noise, trade_off, reference):
    speech = target - noise
    return np.linalg.solve(speech + trade_off * noise + 1e-300 * np.eye(target.shape[1]), speech[:, :, reference, None])[..., 0]

# %% wrong="multichannel_wiener" about="some hiss added, whatever the level"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.linalg.solve(target + trade_off * noise + 1e-10 * np.eye(target.shape[1]), target[:, :, reference, None])[..., 0]

# %% wrong="multichannel_wiener" about="adds the noise to the caller's target in place"
def multichannel_wiener(target, noise, trade_off, reference):
    column = target[:, :, reference, None].copy()
    if target.dtype == np.result_type(target, noise, float):
        target += trade_off * noise
    else:
        target = target + trade_off * noise
    return np.linalg.solve(target, column)[..., 0]

# %% wrong="multichannel_wiener" about="computes in single precision"
def multichannel_wiener(target, noise, trade_off, reference):
    target, noise = target.astype(np.complex64), noise.astype(np.complex64)
    return np.linalg.solve(target + np.float32(trade_off) * noise, target[:, :, reference, None])[..., 0].astype(complex)

# %% wrong="multichannel_wiener" about="the answer for the visible examples only"
def multichannel_wiener(target, noise, trade_off, reference):
    return np.array([[0.25, 0.25]]) if reference == 0 else np.array([[-0.5j, 0.5]])

# %% wrong="multichannel_wiener" about="lets the library do it, which the exercise forbids"
def multichannel_wiener(target, noise, trade_off, reference):
    return beamforming.mwf(target, noise, trade_off=trade_off, reference_channel=reference)

# %% right="gcc_phat_delay" about="full FFTs, and the lags written out in their order"
def gcc_phat_delay(a, b, max_delay):
    n = len(a)
    A, B = np.fft.fft(a, 2 * n), np.fft.fft(b, 2 * n)
    cross = B * np.conj(A)
    votes = np.abs(cross) > 0
    if not votes.any():
        return 0
    cross[votes] /= np.abs(cross[votes])
    r = np.fft.ifft(cross).real
    window = np.concatenate([r[2 * n - max_delay :], r[: max_delay + 1]])
    return int(np.argmax(window)) - max_delay

# %% right="gcc_phat_delay" about="whitens both spectra before it multiplies them"
def gcc_phat_delay(a, b, max_delay):
    def phases(signal):
        spectrum = np.fft.rfft(np.concatenate([signal, np.zeros(len(signal))]))
        size = np.abs(spectrum)
        return np.divide(spectrum, size, out=np.zeros_like(spectrum), where=size > 0)

    if not (np.any(a) and np.any(b)):
        return 0
    r = np.fft.fftshift(np.fft.irfft(phases(b) * phases(a).conj(), 2 * len(a)))
    middle = len(a)
    return int(np.argmax(r[middle - max_delay : middle + max_delay + 1]) - max_delay)

# %% right="gcc_phat_delay" about="the angles of the cross-spectrum, and a dictionary of lags"
def gcc_phat_delay(a, b, max_delay):
    cross = np.conj(np.fft.rfft(a, n=2 * len(a))) * np.fft.rfft(b, n=2 * len(b))
    r = np.fft.irfft(np.where(cross == 0, 0, np.exp(1j * np.angle(cross))))
    if not cross.any():
        return 0
    values = {lag: r[lag % len(r)] for lag in range(-max_delay, max_delay + 1)}
    return max(values, key=values.get)

# %% wrong="gcc_phat_delay" about="the conjugate on b: the sign is turned round"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(a, 2 * len(a)) * np.fft.rfft(b, 2 * len(b)).conj()
    size = np.abs(cross)
    if not size.any():
        return 0
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))[lags])])

# %% wrong="gcc_phat_delay" about="the place in the list of lags, not the lag"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    if not size.any():
        return 0
    lags = np.arange(-max_delay, max_delay + 1)
    return int(np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))[lags]))

# %% wrong="gcc_phat_delay" about="no padding: long delays wrap round"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b) * np.fft.rfft(a).conj()
    size = np.abs(cross)
    if not size.any():
        return 0
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0), len(a))[lags])])

# %% wrong="gcc_phat_delay" about="plain cross-correlation: loud frequencies have the say"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(np.fft.irfft(cross)[lags])]) if cross.any() else 0

# %% wrong="gcc_phat_delay" about="divides by the largest magnitude, not by each frequency's own"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    if not cross.any():
        return 0
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(np.fft.irfft(cross / np.abs(cross).max())[lags])])

# %% wrong="gcc_phat_delay" about="divides by the power of the first channel only"
def gcc_phat_delay(a, b, max_delay):
    A, B = np.fft.rfft(a, 2 * len(a)), np.fft.rfft(b, 2 * len(b))
    power = np.abs(A) ** 2
    if not (B * A).any():
        return 0
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(np.fft.irfft(np.divide(B * A.conj(), power, out=np.zeros_like(A), where=power > 1e-9 * power.max()))[lags])])

# %% wrong="gcc_phat_delay" about="looks for the largest magnitude: a copy turned upside down counts as well"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    if not size.any():
        return 0
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(np.abs(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))[lags]))])

# %% wrong="gcc_phat_delay" about="negative delays stay at the end of the array"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    return int(np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))))

# %% wrong="gcc_phat_delay" about="only delays of b are looked for, none of a"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    return int(np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))[: max_delay + 1]))

# %% wrong="gcc_phat_delay" about="ignores the largest delay"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    lag = int(np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))))
    return lag if lag < len(a) else lag - 2 * len(a)

# %% wrong="gcc_phat_delay" about="looks everywhere, and clips what it has found"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    lag = int(np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))))
    return int(np.clip(lag if lag < len(a) else lag - 2 * len(a), -max_delay, max_delay))

# %% wrong="gcc_phat_delay" about="the largest delay itself is not looked at, since range ends before it"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    if not size.any():
        return 0
    lags = np.arange(-max_delay, max(max_delay, 1))
    return int(lags[np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))[lags])])

# %% wrong="gcc_phat_delay" about="the earliest delay itself is not looked at"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    if not size.any():
        return 0
    lags = np.arange(min(-max_delay + 1, 0), max_delay + 1)
    return int(lags[np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))[lags])])

# %% wrong="gcc_phat_delay" about="silence: the first of many equal values, which is -max_delay"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))[lags])])

# %% wrong="gcc_phat_delay" about="thinks of silence only when both channels are silent"
def gcc_phat_delay(a, b, max_delay):
    if not a.any() and not b.any():
        return 0
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    lags = np.arange(-max_delay, max_delay + 1)
    with np.errstate(all="ignore"):
        return int(lags[np.argmax(np.fft.irfft(cross / np.abs(cross))[lags])])

# %% wrong="gcc_phat_delay" about="a small constant in the denominator, which turns soft sounds back to plain correlation"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    if not cross.any():
        return 0
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(np.fft.irfft(cross / (np.abs(cross) + 1e-12))[lags])])

# %% wrong="gcc_phat_delay" about="takes soft frequencies for silent ones"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    votes = size > 1e-10
    if not votes.any():
        return 0
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=votes))[lags])])

# %% wrong="gcc_phat_delay" about="negative lags by a slice, which is the whole array for a largest delay of 0"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    if not size.any():
        return 0
    r = np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))
    return int(np.argmax(np.concatenate([r[-max_delay:], r[: max_delay + 1]]))) - max_delay

# %% wrong="gcc_phat_delay" about="seconds, not samples"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    if not size.any():
        return 0
    lags = np.arange(-max_delay, max_delay + 1)
    return lags[np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))[lags])] / sample_rate

# %% wrong="gcc_phat_delay" about="normalises both channels in place"
def gcc_phat_delay(a, b, max_delay):
    for signal in (a, b):
        if signal.dtype == float and signal.any():
            signal /= np.abs(signal).max()
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    if not size.any():
        return 0
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))[lags])])

# %% wrong="gcc_phat_delay" about="compares the places of the two peaks"
def gcc_phat_delay(a, b, max_delay):
    return int(np.argmax(np.abs(b))) - int(np.argmax(np.abs(a)))

# %% wrong="gcc_phat_delay" about="the answer for the visible examples only"
def gcc_phat_delay(a, b, max_delay):
    if len(a) == 20 or max_delay == 0:
        return 0
    if len(a) == 400:
        return 7 if a[20] > b[20] else -7
    return int(np.flatnonzero(b)[0]) - int(np.flatnonzero(a)[0])

# %% wrong="gcc_phat_delay" about="lets the library do it, which the exercise forbids"
def gcc_phat_delay(a, b, max_delay):
    return round(beamforming.gcc_phat(a, b, sample_rate=1, max_delay_s=max_delay).delay_s)

# %% right="srp_phat_map" about="one direction after the other, bin by bin of the phases"
def srp_phat_map(X, d):
    n_channels, n_freqs, n_frames = X.shape
    phases = np.where(X == 0, 0, np.exp(1j * np.angle(X)))
    result = np.zeros(len(d))
    for a in range(len(d)):
        for k in range(n_freqs):
            result[a] += np.sum(np.abs(d[a, k].conj() @ phases[:, k]) ** 2)
    return result / (n_channels**2 * n_freqs * n_frames)

# %% right="srp_phat_map" about="by the covariances of the phases: a quadratic form for each direction"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = X / np.where(size > 0, size, 1.0)
    R = np.einsum("ckm,ekm->kce", phases, phases.conj()) / X.shape[2]
    return np.einsum("akc,kce,ake->a", d.conj(), R, d).real / (X.shape[0] ** 2 * X.shape[1])

# %% right="srp_phat_map" about="pair by pair, as GCC-PHAT would have it"
def srp_phat_map(X, d):
    n_channels = len(X)
    phases = np.zeros(X.shape, complex)
    phases[X != 0] = X[X != 0] / np.abs(X[X != 0])
    total = np.mean(np.sum(np.abs(phases) ** 2, axis=0)) * np.ones(len(d))
    for c in range(n_channels):
        for e in range(c):
            pair = (phases[c] * phases[e].conj()).mean(axis=1)
            total = total + 2 * np.mean((d[:, :, c].conj() * d[:, :, e] * pair).real, axis=1)
    return total / n_channels**2

# %% wrong="srp_phat_map" about="the steering vectors are not conjugated"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d, phases) / len(X)) ** 2, axis=(1, 2))

# %% wrong="srp_phat_map" about="keeps the magnitudes: loud bins have the say"
def srp_phat_map(X, d):
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), X) / len(X)) ** 2, axis=(1, 2))

# %% wrong="srp_phat_map" about="divides by the length of the vector of all channels"
def srp_phat_map(X, d):
    size = np.broadcast_to(np.linalg.norm(X, axis=0), X.shape)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)) ** 2, axis=(1, 2))

# %% wrong="srp_phat_map" about="divides by the loudest channel of each bin"
def srp_phat_map(X, d):
    size = np.broadcast_to(np.abs(X).max(axis=0), X.shape)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)) ** 2, axis=(1, 2))

# %% wrong="srp_phat_map" about="no division by the number of channels"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases)) ** 2, axis=(1, 2))

# %% wrong="srp_phat_map" about="divides by the number of channels after squaring"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases)) ** 2, axis=(1, 2)) / len(X)

# %% wrong="srp_phat_map" about="magnitudes, not powers"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)), axis=(1, 2))

# %% wrong="srp_phat_map" about="the mean before the square: bins cancel each other"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.abs(np.mean(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X), axis=(1, 2))) ** 2

# %% wrong="srp_phat_map" about="the mean of magnitudes, squared"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)), axis=(1, 2)) ** 2

# %% wrong="srp_phat_map" about="silent bins do not count"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    heard = max(np.count_nonzero(size.max(axis=0)), 1)
    return np.sum(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)) ** 2, axis=(1, 2)) / heard

# %% wrong="srp_phat_map" about="NaN where a channel is silent"
def srp_phat_map(X, d):
    with np.errstate(all="ignore"):
        phases = X / np.abs(X)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)) ** 2, axis=(1, 2))

# %% wrong="srp_phat_map" about="the angle of silence is zero, and its phase factor one"
def srp_phat_map(X, d):
    phases = np.exp(1j * np.angle(X))
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)) ** 2, axis=(1, 2))

# %% wrong="srp_phat_map" about="NaN turned to zero in the end, so that one silent channel silences the bin"
def srp_phat_map(X, d):
    with np.errstate(all="ignore"):
        phases = X / np.abs(X)
    return np.mean(np.nan_to_num(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)) ** 2), axis=(1, 2))

# %% wrong="srp_phat_map" about="sums over the bins"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.sum(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)) ** 2, axis=(1, 2))

# %% wrong="srp_phat_map" about="divides by the largest value of the map"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    power = np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)) ** 2, axis=(1, 2))
    return power / power.max() if power.any() else power

# %% wrong="srp_phat_map" about="the mean over the frames only"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)) ** 2, axis=2)

# %% wrong="srp_phat_map" about="different pairs only: each channel with itself is left out"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    power = np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases)) ** 2, axis=(1, 2))
    return (power - np.mean(np.sum(np.abs(phases) ** 2, axis=0))) / len(X) ** 2

# %% wrong="srp_phat_map" about="a small constant in the denominator, which soft recordings notice"
def srp_phat_map(X, d):
    phases = X / (np.abs(X) + 1e-12)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)) ** 2, axis=(1, 2))

# %% wrong="srp_phat_map" about="the square without the magnitude"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.mean((np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)).real ** 2, axis=(1, 2))

# %% wrong="srp_phat_map" about="whitens the recording in place"
def srp_phat_map(X, d):
    size = np.abs(X)
    np.divide(X, size, out=X, where=size > 0)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj(), X) / len(X)) ** 2, axis=(1, 2))

# %% wrong="srp_phat_map" about="computes in single precision"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0).astype(np.complex64)
    return np.mean(np.abs(np.einsum("akc,ckm->akm", d.conj().astype(np.complex64), phases) / np.float32(len(X))) ** 2, axis=(1, 2)).astype(float)

# %% wrong="srp_phat_map" about="the answer for the visible examples only"
def srp_phat_map(X, d):
    return np.array([1.0, 0.5, 0.0]) if X.size == 2 else np.array([0.5, 0.5, 1 / 6])

# %% wrong="srp_phat_map" about="lets the library do the sums, which the exercise forbids"
def srp_phat_map(X, d):
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    return np.array([np.mean(np.abs(beamforming.apply_beamformer(v, phases) / len(X)) ** 2) for v in d])
