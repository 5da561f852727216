# %% [markdown] start="reference" about="Signs: the wave travels towards the source, and the delay of the other channel is measured."

# %% answer="steering_vectors"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    angle = np.radians(azimuth_deg)
    later_s = positions_m @ np.array([np.cos(angle), np.sin(angle), 0.0]) / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, later_s))

# %% answer="gcc_phat_delay"
def gcc_phat_delay(a, b, max_delay):
    cross = np.fft.rfft(a, 2 * len(a)) * np.conj(np.fft.rfft(b, 2 * len(b)))
    size = np.abs(cross)
    if size.max() == 0:
        return 0
    r = np.fft.irfft(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0))
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(r[lags])])
