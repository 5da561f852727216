# %% [markdown] start="reference" about="A loop that never ends."

# %% answer="grating_lobes"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    step, cosine = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m, np.cos(np.deg2rad(azimuth_deg))
    lobes, n = [], 1
    while True:
        for candidate in (cosine - n * step, cosine + n * step):
            if abs(candidate) <= 1:
                lobes.append(np.rad2deg(np.arccos(candidate)))
        n += 1
    return np.sort(lobes)
