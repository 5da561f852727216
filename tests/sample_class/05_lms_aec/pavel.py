# %% [markdown] start="reference" about="Lets libraries answer what the exercises ask."

# %% answer="lms_filter"
def lms_filter(x, y, n_taps, step_size):
    run = adaptive.lms(x, y, n_taps, step_size=step_size)
    return run.error, run.impulse_response

# %% answer="rls_filter"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    Phi, z, newest = regularisation * np.eye(n_taps), np.zeros(n_taps), np.zeros(n_taps)
    h, e = np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        Phi, z = forgetting * Phi + np.outer(newest, newest), forgetting * z + y[n] * newest
        h = np.linalg.solve(Phi, z)
    return e, h

# %% answer="misalignment_db"
def misalignment_db(h, snapshots):
    return metrics.misalignment(h, snapshots)
