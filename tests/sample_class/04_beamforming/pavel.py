# %% [markdown] start="reference" about="Lets libraries answer what the exercises ask."

# %% answer="steering_vectors"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    return beamforming.steering_vector(positions_m, frequencies_hz, azimuth_deg)

# %% answer="estimate_covariance"
def estimate_covariance(X):
    return np.stack([np.cov(X[:, k], bias=True) for k in range(X.shape[1])])

# %% answer="gcc_phat_delay"
from course_lib.beamforming import gcc_phat

def gcc_phat_delay(a, b, max_delay):
    return round(gcc_phat(a, b, sample_rate=1, max_delay_s=max_delay).delay_s)
