# %% [markdown]
# Answers to lesson 05 whose verdict is known: `right` ones must keep full marks, `wrong` ones must lose them.
# Each wrong answer is a mistake that a learner could make, not a typing slip; those that the sample class makes are graded there. Read by tests/lessons/test_answer_strength.py,
# which also takes the sample class's `bruno` as a right answer to every exercise.

# %% right="lms_filter" about="all windows at once, as rows of a matrix"
def lms_filter(x, y, n_taps, step_size):
    padded = np.concatenate([np.zeros(n_taps - 1), x])
    rows = np.lib.stride_tricks.sliding_window_view(padded, n_taps)[:, ::-1]
    h, e = np.zeros(n_taps), np.empty(len(x))
    for n, row in enumerate(rows):
        e[n] = y[n] - row @ h
        h += step_size * e[n] * row
    return e, h

# %% right="lms_filter" about="the filter is kept oldest sample first and turned round in the end"
def lms_filter(x, y, n_taps, step_size):
    past = np.append(np.zeros(n_taps - 1), x)
    backwards, errors = np.zeros(n_taps), []
    for n in range(len(x)):
        window = past[n : n + n_taps]
        errors.append(y[n] - np.dot(backwards, window))
        backwards = backwards + step_size * errors[-1] * window
    return [np.array(errors), backwards[::-1]]

# %% right="lms_filter" about="tap by tap in plain loops, on lists"
def lms_filter(x, y, n_taps, step_size):
    h, e = [0.0] * n_taps, []
    for n in range(len(x)):
        newest = [x[n - i] if i <= n else 0.0 for i in range(n_taps)]
        e.append(y[n] - sum(a * b for a, b in zip(h, newest)))
        h = [a + step_size * e[n] * b for a, b in zip(h, newest)]
    return np.array(e, dtype=float), np.array(h, dtype=float)

# %% wrong="lms_filter" about="notes the error after the update"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        h = h + step_size * (y[n] - h @ newest) * newest
        e[n] = y[n] - h @ newest
    return e, h

# %% wrong="lms_filter" about="a factor 2 in the gradient, as if there were no half in the cost"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + 2 * step_size * e[n] * newest
    return e, h

# %% wrong="lms_filter" about="walks uphill"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h - step_size * e[n] * newest
    return e, h

# %% wrong="lms_filter" about="the window holds the oldest sample first, so the filter is turned round"
def lms_filter(x, y, n_taps, step_size):
    h, e = np.zeros(n_taps), np.zeros(len(x))
    padded = np.concatenate([np.zeros(n_taps - 1), x])
    for n in range(len(x)):
        window = padded[n : n + n_taps]
        e[n] = y[n] - h @ window
        h = h + step_size * e[n] * window
    return e, h

# %% wrong="lms_filter" about="the window looks ahead: x[n], x[n + 1], …"
def lms_filter(x, y, n_taps, step_size):
    h, e = np.zeros(n_taps), np.zeros(len(x))
    padded = np.concatenate([x, np.zeros(n_taps - 1)])
    for n in range(len(x)):
        window = padded[n : n + n_taps]
        e[n] = y[n] - h @ window
        h = h + step_size * e[n] * window
    return e, h

# %% wrong="lms_filter" about="the window is one sample late: x[n - 1], x[n - 2], …"
def lms_filter(x, y, n_taps, step_size):
    h, e = np.zeros(n_taps), np.zeros(len(x))
    padded = np.concatenate([np.zeros(n_taps), x])
    for n in range(len(x)):
        window = padded[n : n + n_taps][::-1]
        e[n] = y[n] - h @ window
        h = h + step_size * e[n] * window
    return e, h

# %% wrong="lms_filter" about="negative indices: before the first sample it hears the last ones"
def lms_filter(x, y, n_taps, step_size):
    h, e = np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.array([x[(n - i) % len(x)] for i in range(n_taps)])
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * newest
    return e, h

# %% wrong="lms_filter" about="steps along the estimate instead of the error"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        estimate = h @ newest
        e[n] = y[n] - estimate
        h = h + step_size * estimate * newest
    return e, h

# %% wrong="lms_filter" about="steps along the microphone instead of the error"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size * y[n] * newest
    return e, h

# %% wrong="lms_filter" about="steps along the newest sample only"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * x[n]
    return e, h

# %% wrong="lms_filter" about="the sign of the error only"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size * np.sign(e[n]) * newest
    return e, h

# %% wrong="lms_filter" about="the step is shared out among the taps"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size / n_taps * e[n] * newest
    return e, h

# %% wrong="lms_filter" about="a normalised step, which is the next exercise"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * newest / max(newest @ newest, 1e-12)
    return e, h

# %% wrong="lms_filter" about="waits until the window is full"
def lms_filter(x, y, n_taps, step_size):
    h, e = np.zeros(n_taps), np.array(y, dtype=float)
    for n in range(n_taps - 1, len(x)):
        newest = x[n - n_taps + 1 : n + 1][::-1]
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * newest
    return e, h

# %% wrong="lms_filter" about="one step for the whole signal: steepest descent on all samples at once"
def lms_filter(x, y, n_taps, step_size):
    padded = np.concatenate([np.zeros(n_taps - 1), x])
    rows = np.lib.stride_tricks.sliding_window_view(padded, n_taps)[:, ::-1]
    h = step_size * rows.T @ y
    return y - rows @ h, h

# %% wrong="lms_filter" about="the errors of the final filter, over the whole signal"
def lms_filter(x, y, n_taps, step_size):
    h, newest = np.zeros(n_taps), np.zeros(n_taps)
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        h = h + step_size * (y[n] - h @ newest) * newest
    return y - np.convolve(x, h)[: len(x)], h

# %% wrong="lms_filter" about="returns the estimates of the echo"
def lms_filter(x, y, n_taps, step_size):
    h, newest, y_hat = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        y_hat[n] = h @ newest
        h = h + step_size * (y[n] - y_hat[n]) * newest
    return y_hat, h

# %% wrong="lms_filter" about="returns the filter before the last step"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        if n < len(x) - 1:
            h = h + step_size * e[n] * newest
    return e, h

# %% wrong="lms_filter" about="the two results are exchanged"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * newest
    return h, e

# %% wrong="lms_filter" about="writes the errors into the caller's microphone signal"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.asarray(y, dtype=float)
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] -= h @ newest
        h = h + step_size * e[n] * newest
    return e, h

# %% wrong="lms_filter" about="errors in the type of y, which may be whole numbers"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros_like(y)
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * newest
    return e, h

# %% wrong="lms_filter" about="leaves small errors uncorrected, which soft signals notice"
def lms_filter(x, y, n_taps, step_size):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        if abs(e[n]) > 1e-5:
            h = h + step_size * e[n] * newest
    return e, h

# %% wrong="lms_filter" about="computes in single precision"
def lms_filter(x, y, n_taps, step_size):
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    h, newest, e = np.zeros(n_taps, np.float32), np.zeros(n_taps, np.float32), np.zeros(len(x), np.float32)
    for n in range(len(x)):
        newest = np.concatenate([x[n : n + 1], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + np.float32(step_size) * e[n] * newest
    return e.astype(float), h.astype(float)

# %% wrong="lms_filter" about="the answer for the visible example only"
def lms_filter(x, y, n_taps, step_size):
    return np.array([1.0, 2.0, 2.0]), np.array([1.5, 3.0])

# %% wrong="lms_filter" about="lets the library adapt, which the exercise forbids"
def lms_filter(x, y, n_taps, step_size):
    run = adaptive.lms(x, y, n_taps, step_size=step_size)
    return run.error, run.impulse_response

# %% right="nlms_filter" about="energies of all windows at once, by a convolution with ones"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    padded = np.concatenate([np.zeros(n_taps - 1), np.asarray(x, dtype=float)])
    rows = np.lib.stride_tricks.sliding_window_view(padded, n_taps)[:, ::-1]
    below = np.sum(rows**2, axis=1) + regularisation
    h, e = np.zeros(n_taps), np.empty(len(x))
    for n in range(len(x)):
        e[n] = y[n] - rows[n] @ h
        if below[n] != 0:
            h += step_size / below[n] * e[n] * rows[n]
    return e, h

# %% right="nlms_filter" about="continues the loop where the window is silent; filter kept the other way round"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    past = np.append(np.zeros(n_taps - 1), x)
    backwards, errors = np.zeros(n_taps), []
    for n in range(len(y)):
        window = past[n : n + n_taps]
        errors.append(y[n] - np.dot(backwards, window))
        energy = np.linalg.norm(window) ** 2 + regularisation
        if energy == 0:
            continue
        backwards = backwards + step_size * errors[-1] * window / energy
    return np.array(errors), backwards[::-1].copy()

# %% right="nlms_filter" about="the smallest positive number in the denominator, which no sound notices"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest[1:] = newest[:-1].copy()
        newest[0] = x[n]
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * newest / (newest @ newest + regularisation + np.finfo(float).tiny)
    return e, h

# %% wrong="nlms_filter" about="LMS: the step is not normalised"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * newest
    return e, h

# %% wrong="nlms_filter" about="divides by the norm, not by its square"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        below = np.linalg.norm(newest) + regularisation
        if below > 0:
            h = h + step_size * e[n] * newest / below
    return e, h

# %% wrong="nlms_filter" about="divides by the mean square of the window"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        below = np.mean(newest**2) + regularisation
        if below > 0:
            h = h + step_size * e[n] * newest / below
    return e, h

# %% wrong="nlms_filter" about="normalises by the current sample alone"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        below = x[n] ** 2 + regularisation
        if below > 0:
            h = h + step_size * e[n] * newest / below
    return e, h

# %% wrong="nlms_filter" about="one energy for all samples: that of the mean window"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    below = n_taps * np.mean(np.asarray(x, float) ** 2) + regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        if below > 0:
            h = h + step_size * e[n] * newest / below
    return e, h

# %% wrong="nlms_filter" about="normalises by the energy of the window before"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        below = newest @ newest + regularisation
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        if below > 0:
            h = h + step_size * e[n] * newest / below
    return e, h

# %% wrong="nlms_filter" about="a running energy that forgets to take the oldest sample out"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e, energy = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), 0.0
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        energy += float(x[n]) ** 2
        if energy + regularisation > 0:
            h = h + step_size * e[n] * newest / (energy + regularisation)
    return e, h

# %% wrong="nlms_filter" about="the regularisation counts once for each tap"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        below = np.sum(newest**2 + regularisation)
        if below > 0:
            h = h + step_size * e[n] * newest / below
    return e, h

# %% wrong="nlms_filter" about="the larger of energy and regularisation"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        below = max(newest @ newest, regularisation)
        if below > 0:
            h = h + step_size * e[n] * newest / below
    return e, h

# %% wrong="nlms_filter" about="the regularisation is left out"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        if newest @ newest > 0:
            h = h + step_size * e[n] * newest / (newest @ newest)
    return e, h

# %% wrong="nlms_filter" about="no guard: 0/0 in a pause"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    with np.errstate(all="ignore"):
        for n in range(len(x)):
            newest = np.concatenate([[x[n]], newest[:-1]])
            e[n] = y[n] - h @ newest
            h = h + step_size * e[n] * newest / (newest @ newest + regularisation)
    return e, h

# %% wrong="nlms_filter" about="1e-10 of its own in the denominator"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * newest / (newest @ newest + regularisation + 1e-10)
    return e, h

# %% wrong="nlms_filter" about="the machine epsilon in the denominator, which soft signals notice"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * newest / (newest @ newest + regularisation + np.finfo(float).eps)
    return e, h

# %% wrong="nlms_filter" about="takes energies below 1e-12 for silence"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        below = newest @ newest + regularisation
        if below > 1e-12:
            h = h + step_size * e[n] * newest / below
    return e, h

# %% wrong="nlms_filter" about="does not learn while the newest sample is zero"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        if x[n] != 0:
            h = h + step_size * e[n] * newest / (newest @ newest + regularisation)
    return e, h

# %% wrong="nlms_filter" about="starts again from zero after a pause"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        below = newest @ newest + regularisation
        h = h + step_size * e[n] * newest / below if below > 0 else np.zeros(n_taps)
    return e, h

# %% wrong="nlms_filter" about="notes no error in a pause"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        below = newest @ newest + regularisation
        if below > 0:
            e[n] = y[n] - h @ newest
            h = h + step_size * e[n] * newest / below
    return e, h

# %% wrong="nlms_filter" about="stops at the first pause"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        below = newest @ newest + regularisation
        if below == 0:
            e[n:] = y[n:]
            break
        h = h + step_size * e[n] * newest / below
    return e, h

# %% wrong="nlms_filter" about="notes the error after the update"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        below = newest @ newest + regularisation
        if below > 0:
            h = h + step_size * (y[n] - h @ newest) * newest / below
        e[n] = y[n] - h @ newest
    return e, h

# %% wrong="nlms_filter" about="normalises the error that it returns"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        below = newest @ newest + regularisation
        e[n] = y[n] - h @ newest
        if below > 0:
            e[n] /= below
            h = h + step_size * e[n] * newest
    return e, h

# %% wrong="nlms_filter" about="the window holds the oldest sample first"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, e = np.zeros(n_taps), np.zeros(len(x))
    padded = np.concatenate([np.zeros(n_taps - 1), x])
    for n in range(len(x)):
        window = padded[n : n + n_taps]
        e[n] = y[n] - h @ window
        below = window @ window + regularisation
        if below > 0:
            h = h + step_size * e[n] * window / below
    return e, h

# %% wrong="nlms_filter" about="a step above 1 is cut to 1, as if the bound were there"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        below = newest @ newest + regularisation
        if below > 0:
            h = h + min(step_size, 1.0) * e[n] * newest / below
    return e, h

# %% wrong="nlms_filter" about="writes the errors into the caller's microphone signal"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        below = newest @ newest + regularisation
        if below > 0:
            h = h + step_size * e[n] * newest / below
        y[n] = e[n]
    return e, h

# %% wrong="nlms_filter" about="the filter in the type of x, which may be whole numbers"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    h, newest, e = np.zeros(n_taps, dtype=x.dtype), np.zeros(n_taps, dtype=x.dtype), np.zeros(len(x))
    for n in range(len(x)):
        newest[1:] = newest[:-1].copy()
        newest[0] = x[n]
        e[n] = y[n] - h @ newest
        below = newest @ newest + regularisation
        if below > 0:
            h[:] = h + step_size * e[n] * newest / below
    return e, h.astype(float)

# %% wrong="nlms_filter" about="computes in single precision"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    h, newest, e = np.zeros(n_taps, np.float32), np.zeros(n_taps, np.float32), np.zeros(len(x), np.float32)
    for n in range(len(x)):
        newest = np.concatenate([x[n : n + 1], newest[:-1]])
        e[n] = y[n] - h @ newest
        below = newest @ newest + np.float32(regularisation)
        if below > 0:
            h = h + np.float32(step_size) * e[n] * newest / below
    return e.astype(float), h.astype(float)

# %% wrong="nlms_filter" about="the answer for the visible examples only"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    if n_taps == 1:
        return np.array([1.0, 2e3, 1e-20]), np.array([3.0])
    return np.array([1.0, 5.0, 2.0]), np.array([1.3, 0.9] if regularisation == 0 else [0.5875, 0.45])

# %% wrong="nlms_filter" about="lets the library adapt, which the exercise forbids"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    run = adaptive.nlms(x, y, n_taps, step_size=step_size, regularisation=regularisation)
    return run.error, run.impulse_response

# %% right="rls_filter" about="the new P first, and the gain as the product of it and the window"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    padded = np.concatenate([np.zeros(n_taps - 1), x])
    h, P, e = np.zeros(n_taps), np.identity(n_taps) * (1 / regularisation), np.empty(len(x))
    for n in range(len(x)):
        window = padded[n : n + n_taps][::-1]
        e[n] = y[n] - window @ h
        B = P / forgetting
        P = B - np.outer(B @ window, window @ B) / (1 + window @ B @ window)
        h = h + e[n] * (P @ window)
    return e, h

# %% right="rls_filter" about="columns, products of matrices, and a gain with the fraction extended by 1/λ"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, window = np.zeros((n_taps, 1)), np.zeros((n_taps, 1))
    P, errors = np.diag(np.full(n_taps, 1.0 / regularisation)), []
    for newest, wanted in zip(x, y):
        window = np.vstack([[[newest]], window[:-1]])
        k = (P @ window / forgetting) / (1 + window.T @ P @ window / forgetting)
        errors.append(float(wanted - (window.T @ h)[0, 0]))
        h = h + k * errors[-1]
        P = (P - k @ window.T @ P) / forgetting
        P = (P + P.T) / 2
    return [np.array(errors), h.ravel()]

# %% right="rls_filter" about="keeps the equations themselves, and eliminates by hand at every sample"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    def eliminated(matrix, right):
        table = np.column_stack([matrix, right])
        for i in range(n_taps):
            table[i] /= table[i, i]
            for j in range(n_taps):
                if j != i:
                    table[j] -= table[j, i] * table[i]
        return table[:, -1]

    padded = np.concatenate([np.zeros(n_taps - 1), x])
    covariance, correlation = regularisation * np.eye(n_taps), np.zeros(n_taps)
    h, e = np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        window = padded[n : n + n_taps][::-1]
        e[n] = y[n] - h @ window
        covariance = forgetting * covariance + np.outer(window, window)
        correlation = forgetting * correlation + y[n] * window
        h = eliminated(covariance, correlation)
    return e, h

# %% wrong="rls_filter" about="P starts as δI"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) * regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (P - np.outer(k, u)) / forgetting
    return e, h

# %% wrong="rls_filter" about="a denominator that begins with 1"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (1 + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (P - np.outer(k, u)) / forgetting
    return e, h

# %% wrong="rls_filter" about="P is not divided by the forgetting factor"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = P - np.outer(k, u)
    return e, h

# %% wrong="rls_filter" about="the forgetting factor on the wrong side: P is multiplied by it"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (P - np.outer(k, u)) * forgetting
    return e, h

# %% wrong="rls_filter" about="only the old P is divided by the forgetting factor, not what is taken from it"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = P / forgetting - np.outer(k, u)
    return e, h

# %% wrong="rls_filter" about="the inverse forgetting factor in the denominator"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (1 / forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (P - np.outer(k, u)) / forgetting
    return e, h

# %% wrong="rls_filter" about="never forgets"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (1 + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = P - np.outer(k, u)
    return e, h

# %% wrong="rls_filter" about="forgets with the square of the factor, as if errors were weighted before they are squared"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting**2 + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (P - np.outer(k, u)) / forgetting**2
    return e, h

# %% wrong="rls_filter" about="P stays as it was"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        e[n] = y[n] - h @ newest
        h = h + u / (forgetting + newest @ u) * e[n]
    return e, h

# %% wrong="rls_filter" about="only the diagonal of P is kept"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.ones(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P * newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (P - k * u) / forgetting
    return e, h

# %% wrong="rls_filter" about="the outer product of the gain with itself"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (P - np.outer(k, k)) / forgetting
    return e, h

# %% wrong="rls_filter" about="the inner product of gain and window in place of the outer one"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (1 - k @ newest) * P / forgetting
    return e, h

# %% wrong="rls_filter" about="the covariance in place of its inverse: P grows by each window"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = forgetting * P + np.outer(newest, newest)
    return e, h

# %% wrong="rls_filter" about="the gain from the new P, with the old formula"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        P = (P - np.outer(u, u) / (forgetting + newest @ u)) / forgetting
        k = P @ newest / (forgetting + newest @ P @ newest)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
    return e, h

# %% wrong="rls_filter" about="notes the error after the update"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        h = h + k * (y[n] - h @ newest)
        e[n] = y[n] - h @ newest
        P = (P - np.outer(k, u)) / forgetting
    return e, h

# %% wrong="rls_filter" about="adds the gain times the microphone, not times the error"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * y[n]
        P = (P - np.outer(k, u)) / forgetting
    return e, h

# %% wrong="rls_filter" about="the window holds the oldest sample first"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    padded = np.concatenate([np.zeros(n_taps - 1), x])
    h, e, P = np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        window = padded[n : n + n_taps]
        u = P @ window
        k = u / (forgetting + window @ u)
        e[n] = y[n] - h @ window
        h = h + k * e[n]
        P = (P - np.outer(k, u)) / forgetting
    return e, h

# %% wrong="rls_filter" about="waits until the window is full"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, e, P = np.zeros(n_taps), np.array(y, dtype=float), np.eye(n_taps) / regularisation
    for n in range(n_taps - 1, len(x)):
        window = x[n - n_taps + 1 : n + 1][::-1]
        u = P @ window
        k = u / (forgetting + window @ u)
        e[n] = y[n] - h @ window
        h = h + k * e[n]
        P = (P - np.outer(k, u)) / forgetting
    return e, h

# %% wrong="rls_filter" about="a regularisation that does not fade: it is added anew at every sample"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    def inverse(matrix):
        vectors = np.linalg.eigh(matrix)
        return vectors[1] / vectors[0] @ vectors[1].T

    newest, covariance, correlation = np.zeros(n_taps), np.zeros((n_taps, n_taps)), np.zeros(n_taps)
    h, e = np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        covariance = forgetting * covariance + np.outer(newest, newest)
        correlation = forgetting * correlation + y[n] * newest
        h = inverse(covariance + regularisation * np.eye(n_taps)) @ correlation
    return e, h

# %% wrong="rls_filter" about="the forgetting factor is missing in the gain, and 1e-10 stands in its place"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (newest @ u + 1e-10)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (P - np.outer(k, u)) / forgetting
    return e, h

# %% wrong="rls_filter" about="a floor under P, which loud signals notice"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x)), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (P - np.outer(k, u)) / forgetting + 1e-9 * np.eye(n_taps)
    return e, h

# %% wrong="rls_filter" about="writes the errors into the caller's microphone signal"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    h, newest, e, P = np.zeros(n_taps), np.zeros(n_taps), np.asarray(y, dtype=float), np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] -= h @ newest
        h = h + k * e[n]
        P = (P - np.outer(k, u)) / forgetting
    return e, h

# %% wrong="rls_filter" about="computes in single precision"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    x, y, forgetting = np.asarray(x, np.float32), np.asarray(y, np.float32), np.float32(forgetting)
    h, newest, e = np.zeros(n_taps, np.float32), np.zeros(n_taps, np.float32), np.zeros(len(x), np.float32)
    P = np.eye(n_taps, dtype=np.float32) / np.float32(regularisation)
    for n in range(len(x)):
        newest = np.concatenate([x[n : n + 1], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (P - np.outer(k, u)) / forgetting
    return e.astype(float), h.astype(float)

# %% wrong="rls_filter" about="the answer for the visible examples only"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    if n_taps == 1:
        return np.array([1.0, 3.0]), np.array([1.5])
    return np.array([1.0, 5.0, 2.0]), np.array([119 / 71, 109 / 71])

# %% wrong="rls_filter" about="solves the whole system at every sample, by what the exercise forbids"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    newest, covariance, correlation = np.zeros(n_taps), regularisation * np.eye(n_taps), np.zeros(n_taps)
    h, e = np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        covariance = forgetting * covariance + np.outer(newest, newest)
        correlation = forgetting * correlation + y[n] * newest
        h = np.linalg.solve(covariance, correlation)
    return e, h

# %% right="erle_db" about="window by window, with the samples that count picked out"
def erle_db(y, e, near_end_active, window_length):
    values = []
    for start in range(0, len(y) - window_length + 1, window_length):
        part = slice(start, start + window_length)
        quiet = np.logical_not(near_end_active[part])
        above, below = np.mean(y[part][quiet] ** 2) if quiet.any() else 0.0, np.sum(e[part][quiet] ** 2)
        values.append(10 * np.log10(above * quiet.sum() / below) if above > 0 else np.nan)
    return np.array(values)

# %% right="erle_db" about="sums by reduceat, and 20 log of the ratio of roots"
def erle_db(y, e, near_end_active, window_length):
    n_windows = len(y) // window_length
    if n_windows == 0:
        return np.empty(0)
    kept, starts = np.where(near_end_active, 0.0, 1.0)[: n_windows * window_length], np.arange(n_windows) * window_length
    above, below = (np.add.reduceat(kept * signal[: len(kept)] ** 2, starts) for signal in (y, e))
    erle = np.full(n_windows, np.nan)
    audible = above != 0
    with np.errstate(divide="ignore"):
        erle[audible] = 20 * np.log10(np.sqrt(above[audible] / below[audible]))
    return erle

# %% right="erle_db" about="a difference of levels, with what is not finite replaced"
def erle_db(y, e, near_end_active, window_length):
    n_windows = len(y) // window_length

    def level(signal):
        windows = np.where(near_end_active, 0, signal)[: n_windows * window_length].reshape(n_windows, window_length)
        with np.errstate(divide="ignore"):
            return 10 * np.log10(np.einsum("mn,mn->m", windows, windows))

    above, below = level(y), level(e)
    return np.where(np.isfinite(above), above - np.where(np.isfinite(above), below, 0.0), np.nan)

# %% wrong="erle_db" about="counts double talk, too"
def erle_db(y, e, near_end_active, window_length):
    n = len(y) // window_length
    above, below = (np.sum(signal[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return 10 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="counts only double talk"
def erle_db(y, e, near_end_active, window_length):
    n = len(y) // window_length
    above, below = (np.sum((signal * near_end_active)[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return 10 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="drops the samples first and cuts what is left into windows"
def erle_db(y, e, near_end_active, window_length):
    kept = ~near_end_active
    y, e = y[kept], e[kept]
    n = len(y) // window_length
    above, below = (np.sum(signal[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return 10 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="gives up every window in which anybody speaks"
def erle_db(y, e, near_end_active, window_length):
    n = len(y) // window_length
    above, below, spoken = (
        np.sum(signal[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e, near_end_active.astype(float))
    )
    return 10 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=(above > 0) & (spoken == 0)))

# %% wrong="erle_db" about="lets the error count while somebody speaks"
def erle_db(y, e, near_end_active, window_length):
    n = len(y) // window_length
    above, below = (np.sum(signal[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y * ~near_end_active, e))
    return 10 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="lets the microphone count while somebody speaks"
def erle_db(y, e, near_end_active, window_length):
    n = len(y) // window_length
    kept = (~near_end_active)[: n * window_length].reshape(n, window_length)
    above, below = (np.sum(signal[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e * ~near_end_active))
    return 10 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=(above > 0) & kept.any(axis=1)))

# %% wrong="erle_db" about="20 log of energies"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum((signal * kept)[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return 20 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="10 log of amplitudes"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.linalg.norm((signal * kept)[: n * window_length].reshape(n, window_length), axis=1) for signal in (y, e))
    return 10 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="sums of magnitudes, with 20 log"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum(np.abs((signal * kept)[: n * window_length].reshape(n, window_length)), axis=1) for signal in (y, e))
    return 20 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="the natural logarithm"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum((signal * kept)[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return 10 * np.log(np.divide(above, below, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="the error above, the microphone below"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum((signal * kept)[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return 10 * np.log10(np.divide(below, above, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="compares with the echo that was cancelled, y - e"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum((signal * kept)[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, y - e))
    return 10 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="the mean of each sample's ratio in dB"
def erle_db(y, e, near_end_active, window_length):
    n = len(y) // window_length
    values = np.full(n, np.nan)
    for m in range(n):
        part = np.arange(m * window_length, (m + 1) * window_length)
        part = part[~near_end_active[part] & (y[part] != 0)]
        if len(part):
            values[m] = np.mean(20 * np.log10(np.abs(y[part] / e[part])))
    return values

# %% wrong="erle_db" about="variances: the mean of each window is taken out"
def erle_db(y, e, near_end_active, window_length):
    n = len(y) // window_length
    values = np.full(n, np.nan)
    for m in range(n):
        part = np.arange(m * window_length, (m + 1) * window_length)
        part = part[~near_end_active[part]]
        if len(part) and np.any(y[part]):
            values[m] = 10 * np.log10(np.var(y[part]) / np.var(e[part])) if len(part) > 1 else 20 * np.log10(np.abs(y[part] / e[part]))[0]
    return values

# %% wrong="erle_db" about="cumulated from the start"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum((signal * kept)[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    here = above > 0
    return 10 * np.log10(np.divide(np.cumsum(above), np.cumsum(below), out=np.full(n, np.nan), where=here))

# %% wrong="erle_db" about="0 dB where there is nothing to cancel"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum((signal * kept)[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return 10 * np.log10(np.divide(above, below, out=np.ones(n), where=above > 0))

# %% wrong="erle_db" about="leaves out the windows in which nothing counts"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum((signal * kept)[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return 10 * np.log10(above[above > 0] / below[above > 0])

# %% wrong="erle_db" about="asks whether anything counts, and not whether it can be heard"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum((signal * kept)[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    with np.errstate(all="ignore"):
        return 10 * np.log10(above / below)

# %% wrong="erle_db" about="asks whether the whole window is silent, near-end speech included"
def erle_db(y, e, near_end_active, window_length):
    values = []
    for start in range(0, len(y) - window_length + 1, window_length):
        part = slice(start, start + window_length)
        quiet = ~near_end_active[part]
        with np.errstate(all="ignore"):
            erle = 10 * np.log10(np.sum(y[part][quiet] ** 2.0) / np.sum(e[part][quiet] ** 2.0))
        values.append(erle if quiet.any() and np.any(y[part]) else np.nan)
    return np.array(values)

# %% wrong="erle_db" about="1e-12 in the denominators, which soft recordings notice"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum((signal * kept)[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return np.where(above > 0, 10 * np.log10((above + 1e-12) / (below + 1e-12)), np.nan)

# %% wrong="erle_db" about="takes what is softer than -80 dB for silence"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    above, below = (np.sum((signal * kept)[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return 10 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=above > 1e-8))

# %% wrong="erle_db" about="an incomplete last window counts"
def erle_db(y, e, near_end_active, window_length):
    values = []
    for start in range(0, len(y), window_length):
        part = slice(start, start + window_length)
        quiet = ~near_end_active[part]
        above, below = np.sum(y[part][quiet] ** 2.0), np.sum(e[part][quiet] ** 2.0)
        values.append(10 * np.log10(above / below) if above > 0 else np.nan)
    return np.array(values)

# %% wrong="erle_db" about="leaves the first samples out, not the last ones"
def erle_db(y, e, near_end_active, window_length):
    n, kept = len(y) // window_length, ~near_end_active
    rest = len(y) - n * window_length
    above, below = (np.sum((signal * kept)[rest:].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return 10 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="windows that overlap by a half"
def erle_db(y, e, near_end_active, window_length):
    values = []
    for start in range(0, len(y) - window_length + 1, max(window_length // 2, 1)):
        part = slice(start, start + window_length)
        quiet = ~near_end_active[part]
        above, below = np.sum(y[part][quiet] ** 2.0), np.sum(e[part][quiet] ** 2.0)
        values.append(10 * np.log10(above / below) if above > 0 else np.nan)
    return np.array(values)

# %% wrong="erle_db" about="window_length windows, and not windows of that length"
def erle_db(y, e, near_end_active, window_length):
    kept = ~near_end_active
    parts = [(np.sum((a * k) ** 2.0), np.sum((b * k) ** 2.0)) for a, b, k in zip(*(np.array_split(s, window_length) for s in (y, e, kept)))]
    return np.array([10 * np.log10(above / below) if above > 0 else np.nan for above, below in parts])

# %% wrong="erle_db" about="sets double talk to zero in the caller's arrays"
def erle_db(y, e, near_end_active, window_length):
    y[near_end_active], e[near_end_active] = 0, 0
    n = len(y) // window_length
    above, below = (np.sum(signal[: n * window_length].reshape(n, window_length) ** 2.0, axis=1) for signal in (y, e))
    return 10 * np.log10(np.divide(above, below, out=np.full(n, np.nan), where=above > 0))

# %% wrong="erle_db" about="the answer for the visible examples only"
def erle_db(y, e, near_end_active, window_length):
    return np.array([np.nan, 10 * np.log10(9)]) if len(y) == 4 else np.array([10 * np.log10(4), 20.0, np.nan])

# %% wrong="erle_db" about="lets the library measure, which the exercise forbids"
def erle_db(y, e, near_end_active, window_length):
    values = []
    for start in range(0, len(y) - window_length + 1, window_length):
        part = slice(start, start + window_length)
        quiet = ~near_end_active[part]
        values.append(metrics.erle(y[part][quiet], e[part][quiet]) if np.any(y[part][quiet]) else np.nan)
    return np.array(values)

# %% right="misalignment_db" about="sums of squares in three parts, with nothing padded"
def misalignment_db(h, snapshots):
    n = min(len(h), snapshots.shape[1])
    squares = np.sum((snapshots[:, :n] - h[:n]) ** 2.0, axis=1) + np.sum(snapshots[:, n:] ** 2.0, axis=1) + np.sum(h[n:] ** 2.0)
    return 10 * np.log10(squares / np.sum(h**2.0))

# %% right="misalignment_db" about="row by row, into a longer array of zeros"
def misalignment_db(h, snapshots):
    values = []
    for row in snapshots:
        difference = np.zeros(max(len(h), len(row)))
        difference[: len(h)] += h
        difference[: len(row)] -= row
        values.append(20 * (np.log10(np.linalg.norm(difference)) - np.log10(np.linalg.norm(h))))
    return np.array(values)

# %% right="misalignment_db" about="a relative error of everything divided first"
def misalignment_db(h, snapshots):
    size = np.sqrt(np.dot(h, h))
    target = np.zeros((len(snapshots), max(len(h), snapshots.shape[1])))
    target[:, : len(h)] = h / size
    target[:, : snapshots.shape[1]] -= snapshots / size
    return 10 * np.log10(np.einsum("st,st->s", target, target))

# %% wrong="misalignment_db" about="compares only the taps that both have"
def misalignment_db(h, snapshots):
    n = min(len(h), snapshots.shape[1])
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.linalg.norm(snapshots[:, :n] - h[:n], axis=1) / np.linalg.norm(h))

# %% wrong="misalignment_db" about="cuts the path to the filter's length, in the norm as well"
def misalignment_db(h, snapshots):
    n = snapshots.shape[1]
    truth = np.pad(h, (0, max(n - len(h), 0)))[:n]
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.linalg.norm(snapshots - truth, axis=1) / np.linalg.norm(truth))

# %% wrong="misalignment_db" about="pads the snapshots, and cuts those that are too long"
def misalignment_db(h, snapshots):
    estimates = np.pad(snapshots, ((0, 0), (0, max(len(h) - snapshots.shape[1], 0))))[:, : len(h)]
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.linalg.norm(estimates - h, axis=1) / np.linalg.norm(h))

# %% wrong="misalignment_db" about="pads the path, and cuts it where the filter is shorter"
def misalignment_db(h, snapshots):
    n = snapshots.shape[1]
    truth = np.pad(h, (0, max(n - len(h), 0)))[:n]
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.linalg.norm(snapshots - truth, axis=1) / np.linalg.norm(h))

# %% wrong="misalignment_db" about="pads in front"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth = np.pad(h, (n - len(h), 0))
    estimates = np.pad(snapshots, ((0, 0), (n - snapshots.shape[1], 0)))
    return 20 * np.log10(np.linalg.norm(estimates - truth, axis=1) / np.linalg.norm(truth))

# %% wrong="misalignment_db" about="pads with the last tap"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth = np.pad(h, (0, n - len(h)), mode="edge")
    estimates = np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])), mode="edge")
    return 20 * np.log10(np.linalg.norm(estimates - truth, axis=1) / np.linalg.norm(h))

# %% wrong="misalignment_db" about="10 log of the ratio of norms"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    return 10 * np.log10(np.linalg.norm(estimates - truth, axis=1) / np.linalg.norm(truth))

# %% wrong="misalignment_db" about="20 log of the ratio of energies"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    return 20 * np.log10(np.sum((estimates - truth) ** 2, axis=1) / np.sum(truth**2))

# %% wrong="misalignment_db" about="the distance itself, relative to nothing"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    return 20 * np.log10(np.linalg.norm(estimates - truth, axis=1))

# %% wrong="misalignment_db" about="relative to the norm of the estimate"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.linalg.norm(estimates - truth, axis=1) / np.linalg.norm(estimates, axis=1))

# %% wrong="misalignment_db" about="the upside-down fraction: a distortion ratio"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    return 20 * np.log10(np.linalg.norm(truth) / np.linalg.norm(estimates - truth, axis=1))

# %% wrong="misalignment_db" about="the difference of the norms"
def misalignment_db(h, snapshots):
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.abs(np.linalg.norm(snapshots, axis=1) - np.linalg.norm(h)) / np.linalg.norm(h))

# %% wrong="misalignment_db" about="sums of absolute values"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    return 20 * np.log10(np.sum(np.abs(estimates - truth), axis=1) / np.sum(np.abs(truth)))

# %% wrong="misalignment_db" about="the largest error relative to the largest tap"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    return 20 * np.log10(np.max(np.abs(estimates - truth), axis=1) / np.max(np.abs(truth)))

# %% wrong="misalignment_db" about="root mean squares, each over its own length"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    return 10 * np.log10(np.mean((estimates - truth) ** 2, axis=1) / np.mean(h**2))

# %% wrong="misalignment_db" about="errors tap by tap, averaged in dB"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    with np.errstate(all="ignore"):
        return np.mean(20 * np.log10(np.abs(estimates - truth) / np.linalg.norm(truth)), axis=1)

# %% wrong="misalignment_db" about="one number for all snapshots together"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    return np.full(len(snapshots), 20 * np.log10(np.linalg.norm(estimates - truth) / np.linalg.norm(truth)))

# %% wrong="misalignment_db" about="norms of the columns"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    return 20 * np.log10(np.linalg.norm(estimates - truth, axis=0) / np.linalg.norm(truth))

# %% wrong="misalignment_db" about="the error of the last tap only"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    return 20 * np.log10(np.abs(estimates - truth)[:, -1] / np.linalg.norm(truth))

# %% wrong="misalignment_db" about="measured on an echo, of a noise that it draws itself, and not on the taps"
def misalignment_db(h, snapshots):
    noise = np.random.default_rng(0).standard_normal(2000)
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    echo = np.convolve(noise, truth)
    return np.array([10 * np.log10(np.sum((np.convolve(noise, row) - echo) ** 2) / np.sum(echo**2)) for row in estimates])

# %% wrong="misalignment_db" about="up to a gain: each snapshot is scaled to fit best"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    energy = np.sum(estimates**2, axis=1, keepdims=True)
    gain = np.divide(estimates @ truth[:, None], energy, out=np.zeros(energy.shape), where=energy > 0)
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.linalg.norm(gain * estimates - truth, axis=1) / np.linalg.norm(truth))

# %% wrong="misalignment_db" about="1e-9 inside the logarithm, which soft paths notice"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    return 20 * np.log10(np.linalg.norm(estimates - truth, axis=1) / (np.linalg.norm(truth) + 1e-9) + 1e-9)

# %% wrong="misalignment_db" about="subtracts the path from the caller's snapshots"
def misalignment_db(h, snapshots):
    n, n_taps = len(h), snapshots.shape[1]
    rest = np.sum(h[n_taps:] ** 2)
    if n_taps >= n and snapshots.dtype == float:
        snapshots[:, :n] -= h
    else:
        snapshots = snapshots - np.pad(h, (0, max(n_taps - n, 0)))[:n_taps]
    return 10 * np.log10((np.sum(snapshots**2, axis=1) + rest) / np.sum(h**2))

# %% wrong="misalignment_db" about="computes in single precision"
def misalignment_db(h, snapshots):
    n = max(len(h), snapshots.shape[1])
    truth, estimates = np.pad(h, (0, n - len(h))), np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))
    truth, estimates = truth.astype(np.float32), estimates.astype(np.float32)
    return (20 * np.log10(np.linalg.norm(estimates - truth, axis=1) / np.linalg.norm(truth))).astype(float)

# %% wrong="misalignment_db" about="the answer for the visible examples only"
def misalignment_db(h, snapshots):
    return np.array([0.0, 10 * np.log10(17 / 25)] if snapshots.shape[1] == 1 else [-20.0, 20 * np.log10(0.2)])

# %% wrong="misalignment_db" about="lets the library measure, which the exercise forbids"
def misalignment_db(h, snapshots):
    return metrics.misalignment(h, snapshots)

# %% right="fit_echo_model" about="an optimiser of PyTorch's, and zeros on both sides cut off again"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    kernel = torch.nn.Parameter(torch.zeros(n_taps, dtype=torch.float64))
    optimiser = torch.optim.SGD([kernel], lr=step_size)
    losses, lowest, best = [], float("inf"), None
    for _ in range(n_steps):
        optimiser.zero_grad()
        estimate = torch.nn.functional.conv1d(x.view(1, 1, -1), kernel.flip(0).view(1, 1, -1), padding=n_taps - 1).view(-1)[: len(y)]
        loss = torch.nn.functional.mse_loss(estimate, y)
        losses.append(float(loss.detach()))
        if losses[-1] < lowest:
            lowest, best = losses[-1], kernel.detach().clone()
        loss.backward()
        optimiser.step()
    return best, losses

# %% right="fit_echo_model" about="the gradient by hand, on a matrix of delayed copies"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    padded = torch.cat([torch.zeros(n_taps - 1, dtype=x.dtype), x])
    rows = padded.unfold(0, n_taps, 1).flip(1)
    h, filters, losses = torch.zeros(n_taps, dtype=x.dtype), [], []
    for _ in range(n_steps):
        residual = rows @ h - y
        losses.append((residual @ residual / len(y)).item())
        filters.append(h)
        h = h - step_size * 2 * (rows.T @ residual) / len(y)
    return filters[losses.index(min(losses))], losses

# %% right="fit_echo_model" about="learns the kernel the other way round and flips it in the end"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    reverse = torch.zeros(1, 1, n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.cat([x.new_zeros(n_taps - 1), x])[None, None]
    losses, filters = [], []
    for _ in range(n_steps):
        loss = (y - torch.nn.functional.conv1d(padded, reverse)[0, 0]).square().mean()
        losses.append(loss.item())
        filters.append(reverse.detach().clone().flatten().flip(0))
        loss.backward()
        with torch.no_grad():
            reverse -= step_size * reverse.grad
        reverse.grad = None
    return [min(zip(losses, range(n_steps), filters))[2], losses]

# %% wrong="fit_echo_model" about="the best is no copy, so it becomes the last"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="returns the filter after the last step"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses = []
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return h.detach(), losses

# %% wrong="fit_echo_model" about="returns the last filter whose loss was noted"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, last = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        last = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return last, losses

# %% wrong="fit_echo_model" about="copies the best after its step"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
        if losses[-1] == min(losses):
            best = h.detach().clone()
    return best, losses

# %% wrong="fit_echo_model" about="keeps the filter with the highest loss"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] >= max(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="walks on from the best, and not from where it is"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    best, lowest, losses, h = None, float("inf"), [], torch.zeros(n_taps, dtype=x.dtype)
    for _ in range(n_steps):
        h = h.detach().requires_grad_()
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] < lowest:
            lowest, best = losses[-1], h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        h = best - step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="the sum of the squares"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.sum((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="notes the mean, but walks along the gradient of the sum"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.sum((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item() / len(y))
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="half the mean, as in section 2"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = 0.5 * torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="mean absolute errors"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean(torch.abs(y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]))
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="walks uphill"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h += step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="gradients add up from step to step"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        loss.backward()
        with torch.no_grad():
            h -= step_size * h.grad
    return best, losses

# %% wrong="fit_echo_model" about="Adam, which is no plain gradient descent"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([h], lr=step_size)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        optimiser.zero_grad()
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        loss.backward()
        optimiser.step()
    return best, losses

# %% wrong="fit_echo_model" about="with momentum"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.SGD([h], lr=step_size, momentum=0.9)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        optimiser.zero_grad()
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        loss.backward()
        optimiser.step()
    return best, losses

# %% wrong="fit_echo_model" about="conv1d's kernel is not flipped"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="zeros behind x: the filter looks ahead"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (0, n_taps - 1))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="no zeros: the first samples are left out of the loss"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y[n_taps - 1 :] - torch.nn.functional.conv1d(x[None, None], h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="the whole convolution: the tail behind the end counts as error"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, n_taps - 1))[None, None]
    wanted = torch.nn.functional.pad(y, (0, n_taps - 1))
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.sum((wanted - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2) / len(y)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="a circular convolution, by FFTs without room for the tail"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    n = max(len(x), n_taps)
    losses, best = [], None
    for _ in range(n_steps):
        y_hat = torch.fft.irfft(torch.fft.rfft(x, n) * torch.fft.rfft(h, n), n)[: len(y)]
        loss = torch.mean((y - y_hat) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="notes the loss after the step"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]

    def assess():
        return torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)

    losses, best = [], None
    for _ in range(n_steps):
        (gradient,) = torch.autograd.grad(assess(), h)
        with torch.no_grad():
            h -= step_size * gradient
        losses.append(assess().item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
    return best, losses

# %% wrong="fit_echo_model" about="notes the lowest loss so far in place of the present one"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best, lowest = [], None, float("inf")
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        if loss.item() < lowest:
            lowest, best = loss.item(), h.detach().clone()
        losses.append(lowest)
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="stops as soon as the loss rises"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] > min(losses):
            break
        best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="the step is divided by the far end's power"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    power = max(torch.mean(x**2).item(), 1e-30)
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size / power * gradient
    return best, losses

# %% wrong="fit_echo_model" about="the gradient is clipped to length 1"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        h.grad = None
        loss.backward()
        torch.nn.utils.clip_grad_norm_([h], 1.0)
        with torch.no_grad():
            h -= step_size * h.grad
    return best, losses

# %% wrong="fit_echo_model" about="starts from random taps"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = (1e-3 * torch.randn(n_taps, dtype=x.dtype)).requires_grad_()
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="the filter that it returns still requires a gradient"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="the losses stay tensors that remember the whole graph"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        losses.append(torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2))
        if losses[-1] <= min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(losses[-1], h, retain_graph=True)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="scales the caller's signals to power 1 first"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    x /= torch.sqrt(torch.mean(x**2)).clamp(min=1e-30)
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="computes in single precision"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    h = torch.zeros(n_taps, requires_grad=True)
    padded = torch.nn.functional.pad(x.float(), (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        loss = torch.mean((y.float() - torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone().double()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses

# %% wrong="fit_echo_model" about="the least-squares filter at once, with made-up losses"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    rows = torch.cat([x.new_zeros(n_taps - 1), x]).unfold(0, n_taps, 1).flip(1)
    best = torch.linalg.lstsq(rows, y[:, None], driver="gelsd").solution[:, 0]
    return best, [torch.mean((y - rows @ best) ** 2).item()] * n_steps

# %% wrong="fit_echo_model" about="lets the library fit the model, which the exercise forbids"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    from course_lib.aec import echo_models

    fit = echo_models.fit_waveform_model(x.numpy(), y.numpy(), n_taps, learning_rate=step_size, n_epochs=n_steps)
    return fit.model.impulse_response, list(fit.losses)

# %% right="stft_echo_model" about="a sum of shifted products, by slices"
def stft_echo_model(X, H):
    n_frames = X.shape[1]
    Y = H[:, :1] * X
    for p in range(1, min(H.shape[1], n_frames)):
        late = torch.cat([torch.zeros_like(X[:, :p]), X[:, : n_frames - p]], dim=1)
        Y = Y + H[:, p : p + 1] * late
    return Y

# %% right="stft_echo_model" about="all windows at once, and one einsum"
def stft_echo_model(X, H):
    n_freqs, n_taps = H.shape
    padded = torch.cat([torch.zeros(n_freqs, n_taps - 1, dtype=X.dtype), X], dim=1)
    return torch.einsum("kmp,kp->km", padded.unfold(1, n_taps, 1), H.flip(-1))

# %% right="stft_echo_model" about="FFTs along the frames, with room for the tail"
def stft_echo_model(X, H):
    n_frames, n = X.shape[1], X.shape[1] + H.shape[1] - 1
    return torch.fft.ifft(torch.fft.fft(X, n, dim=1) * torch.fft.fft(H, n, dim=1), dim=1)[:, :n_frames]

# %% right="stft_echo_model" about="real and imaginary parts by four real convolutions"
def stft_echo_model(X, H):
    n_freqs, n_taps = H.shape

    def convolved(signal, taps):
        padded = torch.nn.functional.pad(signal, (n_taps - 1, 0)).unsqueeze(0)
        return torch.nn.functional.conv1d(padded, torch.flip(taps, dims=(1,)).unsqueeze(1), groups=n_freqs).squeeze(0)

    real = convolved(X.real, H.real) - convolved(X.imag, H.imag)
    return torch.complex(real, convolved(X.real, H.imag) + convolved(X.imag, H.real))

# %% wrong="stft_echo_model" about="the taps are not flipped"
def stft_echo_model(X, H):
    padded = torch.nn.functional.pad(X, (H.shape[1] - 1, 0))
    return torch.nn.functional.conv1d(padded[None], H[:, None], groups=H.shape[0])[0]

# %% wrong="stft_echo_model" about="flips the frequencies as well"
def stft_echo_model(X, H):
    padded = torch.nn.functional.pad(X, (H.shape[1] - 1, 0))
    return torch.nn.functional.conv1d(padded[None], H.flip(0, 1)[:, None], groups=H.shape[0])[0]

# %% wrong="stft_echo_model" about="zeros behind the last frame: it looks ahead"
def stft_echo_model(X, H):
    padded = torch.nn.functional.pad(X, (0, H.shape[1] - 1))
    return torch.nn.functional.conv1d(padded[None], H.flip(1)[:, None], groups=H.shape[0])[0]

# %% wrong="stft_echo_model" about="zeros on both sides, cut in the middle: the same length, half a filter early"
def stft_echo_model(X, H):
    n_freqs, n_taps = H.shape
    full = torch.nn.functional.conv1d(X[None], H.flip(1)[:, None], padding=n_taps - 1, groups=n_freqs)[0]
    start = (n_taps - 1) // 2
    return full[:, start : start + X.shape[1]]

# %% wrong="stft_echo_model" about="the frames that ring on behind the end are left in"
def stft_echo_model(X, H):
    return torch.nn.functional.conv1d(X[None], H.flip(1)[:, None], padding=H.shape[1] - 1, groups=H.shape[0])[0]

# %% wrong="stft_echo_model" about="no zeros: the first frames are missing"
def stft_echo_model(X, H):
    return torch.nn.functional.conv1d(X[None], H.flip(1)[:, None], groups=H.shape[0])[0]

# %% wrong="stft_echo_model" about="the last frames come round to the front"
def stft_echo_model(X, H):
    return sum(H[:, p : p + 1] * torch.roll(X, p, dims=1) for p in range(H.shape[1]))

# %% wrong="stft_echo_model" about="the first frame stands still before the beginning"
def stft_echo_model(X, H):
    padded = torch.cat([X[:, :1].repeat(1, H.shape[1] - 1), X], dim=1)
    return torch.nn.functional.conv1d(padded[None], H.flip(1)[:, None], groups=H.shape[0])[0]

# %% wrong="stft_echo_model" about="Hᴴx: the taps are conjugated, as in a beamformer"
def stft_echo_model(X, H):
    padded = torch.nn.functional.pad(X, (H.shape[1] - 1, 0))
    return torch.nn.functional.conv1d(padded[None], H.conj().resolve_conj().flip(1)[:, None], groups=H.shape[0])[0]

# %% wrong="stft_echo_model" about="the far end is conjugated"
def stft_echo_model(X, H):
    padded = torch.nn.functional.pad(X.conj().resolve_conj(), (H.shape[1] - 1, 0))
    return torch.nn.functional.conv1d(padded[None], H.flip(1)[:, None], groups=H.shape[0])[0]

# %% wrong="stft_echo_model" about="no groups: all frequencies add up in each"
def stft_echo_model(X, H):
    n_freqs = H.shape[0]
    padded = torch.nn.functional.pad(X, (H.shape[1] - 1, 0))
    kernels = H.flip(1)[None].repeat(n_freqs, 1, 1)
    return torch.nn.functional.conv1d(padded[None], kernels)[0]

# %% wrong="stft_echo_model" about="one kernel for all frequencies: that of the first"
def stft_echo_model(X, H):
    padded = torch.nn.functional.pad(X, (H.shape[1] - 1, 0))
    return torch.nn.functional.conv1d(padded[:, None], H[:1].flip(1)[:, None])[:, 0]

# %% wrong="stft_echo_model" about="convolves along the frequencies"
def stft_echo_model(X, H):
    n_freqs, n_taps = H.shape
    Y = torch.zeros_like(X)
    for p in range(min(n_taps, n_freqs)):
        Y[p:] = Y[p:] + H[p:, p : p + 1] * X[: n_freqs - p]
    return Y

# %% wrong="stft_echo_model" about="only the first tap: one factor for each frequency, as in lesson 01"
def stft_echo_model(X, H):
    return H[:, :1] * X

# %% wrong="stft_echo_model" about="all taps act on the present frame"
def stft_echo_model(X, H):
    return H.sum(dim=1, keepdim=True) * X

# %% wrong="stft_echo_model" about="a recursion: taps act on frames of the estimate"
def stft_echo_model(X, H):
    frames = []
    for m in range(X.shape[1]):
        frame = H[:, 0] * X[:, m]
        for p in range(1, min(H.shape[1], m + 1)):
            frame = frame + H[:, p] * frames[m - p]
        frames.append(frame)
    return torch.stack(frames, dim=1)

# %% wrong="stft_echo_model" about="the mean over the taps"
def stft_echo_model(X, H):
    padded = torch.nn.functional.pad(X, (H.shape[1] - 1, 0))
    return torch.nn.functional.conv1d(padded[None], H.flip(1)[:, None], groups=H.shape[0])[0] / H.shape[1]

# %% wrong="stft_echo_model" about="magnitudes only, with the phases of the far end"
def stft_echo_model(X, H):
    padded = torch.nn.functional.pad(X.abs(), (H.shape[1] - 1, 0))
    size = torch.nn.functional.conv1d(padded[None], H.abs().flip(1)[:, None], groups=H.shape[0])[0]
    return torch.polar(size, X.angle())

# %% wrong="stft_echo_model" about="real and imaginary parts are filtered apart, so the cross terms are missing"
def stft_echo_model(X, H):
    def convolved(signal, taps):
        padded = torch.nn.functional.pad(signal, (H.shape[1] - 1, 0))
        return torch.nn.functional.conv1d(padded[None], taps.flip(1)[:, None], groups=H.shape[0])[0]

    return torch.complex(convolved(X.real, H.real), convolved(X.imag, H.imag))

# %% wrong="stft_echo_model" about="cuts the gradient off by detaching H"
def stft_echo_model(X, H):
    padded = torch.nn.functional.pad(X, (H.shape[1] - 1, 0))
    return torch.nn.functional.conv1d(padded[None], H.detach().flip(1)[:, None], groups=H.shape[0])[0]

# %% wrong="stft_echo_model" about="leaves PyTorch and comes back"
def stft_echo_model(X, H):
    rows = [np.convolve(x, h)[: X.shape[1]] for x, h in zip(X.numpy(), H.detach().numpy())]
    return torch.from_numpy(np.array(rows))

# %% wrong="stft_echo_model" about="the gradient reaches the first tap only"
def stft_echo_model(X, H):
    taps = torch.cat([H[:, :1], H[:, 1:].detach()], dim=1)
    padded = torch.nn.functional.pad(X, (H.shape[1] - 1, 0))
    return torch.nn.functional.conv1d(padded[None], taps.flip(1)[:, None], groups=H.shape[0])[0]

# %% wrong="stft_echo_model" about="adds the echoes into the caller's spectrogram"
def stft_echo_model(X, H):
    n_taps = H.shape[1]
    Y = torch.nn.functional.conv1d(torch.nn.functional.pad(X, (n_taps - 1, 0))[None], H.flip(1)[:, None], groups=H.shape[0])[0]
    X.copy_(Y.detach())
    return Y

# %% wrong="stft_echo_model" about="computes in single precision"
def stft_echo_model(X, H):
    padded = torch.nn.functional.pad(X.to(torch.complex64), (H.shape[1] - 1, 0))
    return torch.nn.functional.conv1d(padded[None], H.to(torch.complex64).flip(1)[:, None], groups=H.shape[0])[0].to(X.dtype)

# %% wrong="stft_echo_model" about="two taps only, as in the visible examples"
def stft_echo_model(X, H):
    late = torch.nn.functional.pad(X, (1, 0))[:, :-1]
    return H[:, :1] * X + H[:, 1:2] * late if H.shape[1] > 1 else H * X

# %% wrong="stft_echo_model" about="lets the library convolve, which the exercise forbids"
def stft_echo_model(X, H):
    return torch.stack([convolution.convolve(x, h)[: X.shape[1]] for x, h in zip(X, H)])

# %% right="frequency_domain_step" about="the estimate and the sums of LMS on whole spectra of complex FFTs"
def frequency_domain_step(H, x, y, step_size, power):
    L = len(y)
    H_all = np.concatenate([H, H[1:-1][::-1].conj()])
    power_all = np.concatenate([power, power[1:-1][::-1]])
    X = np.fft.fft(x)
    e = y - np.fft.ifft(H_all * X).real[L:]
    padded = np.zeros(2 * L)
    padded[L:] = e
    quotient = np.zeros(2 * L, dtype=complex)
    heard = power_all > 0
    quotient[heard] = (X.conj() * np.fft.fft(padded))[heard] / power_all[heard]
    step = np.fft.ifft(quotient).real * (np.arange(2 * L) < L)
    return e, H + step_size * np.fft.fft(step)[: L + 1]

# %% right="frequency_domain_step" about="rfft pads the first half of the gradient by itself; the quotient with the conjugate taken last"
def frequency_domain_step(H, x, y, step_size, power):
    L = len(y)
    X = np.fft.rfft(x, norm="backward")
    e = y - np.fft.irfft(H * X)[-L:]
    E = np.fft.rfft(np.pad(e, (L, 0)))
    inverse = np.where(np.asarray(power) > 0, 1 / np.where(np.asarray(power) > 0, power, 1), 0)
    gradient = np.fft.irfft(np.conj(X * E.conj()) * inverse)
    return [e, H + np.fft.rfft(step_size * gradient[:L], 2 * L)]

# %% right="frequency_domain_step" about="the errors in the time domain, and the constraint on the whole new filter"
def frequency_domain_step(H, x, y, step_size, power):
    L = len(y)
    h = np.fft.irfft(H, 2 * L)[:L]
    e = np.array([y[n] - np.dot(h, x[n + 1 : L + n + 1][::-1]) for n in range(L)])
    E = np.fft.rfft(np.concatenate((np.zeros(L), e)))
    with np.errstate(divide="ignore", invalid="ignore"):
        step = step_size * np.conj(np.fft.rfft(x)) * E / power
    step[np.asarray(power) == 0] = 0
    taps = np.fft.irfft(H + step, 2 * L)[:L]
    return e, np.fft.rfft(np.concatenate((taps, np.zeros(L))))

# %% wrong="frequency_domain_step" about="the gradient is not constrained"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    return e, H + step_size * np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0)

# %% wrong="frequency_domain_step" about="the constraint keeps the second half"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[:L] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="the second half of the gradient takes the first one's place"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    return e, H + step_size * np.fft.rfft(gradient[L:], 2 * L)

# %% wrong="frequency_domain_step" about="the constraint keeps one lag too many"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L + 1 :] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="constrains the gradient before it is divided by the power"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(X.conj() * E, 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.divide(np.fft.rfft(gradient), power, out=np.zeros(L + 1, complex), where=power > 0)

# %% wrong="frequency_domain_step" about="X is not conjugated"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="E is conjugated in place of X: the correlation is turned round"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X * E.conj(), power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="filters with the conjugate of H, as a beamformer does"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H.conj() * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="keeps the spoilt half of the circle"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[:L]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="zeros behind the errors, not before them"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(e, 2 * L)
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="the errors of the whole circle, with y behind zeros: the spoilt half is learnt from"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    circle = np.concatenate([np.zeros(L), y]) - np.fft.irfft(H * X, 2 * L)
    E = np.fft.rfft(circle)
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return circle[L:], H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="only the present block of x, so that nothing comes from the one before"
def frequency_domain_step(H, x, y, step_size, power):
    L = len(y)
    X = np.fft.rfft(x[L:], 2 * L)
    e = y - np.fft.irfft(H * X, 2 * L)[:L]
    E = np.fft.rfft(e, 2 * L)
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="the step is not divided by the power"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    gradient = np.fft.irfft(X.conj() * np.fft.rfft(np.concatenate([np.zeros(L), e])), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="divides by this block's own |X|², not by the running mean"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    own = np.abs(X) ** 2
    gradient = np.fft.irfft(np.divide(X.conj() * E, own, out=np.zeros(L + 1, complex), where=own > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="divides by the mean power of all bins"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    mean = np.mean(power)
    gradient = np.fft.irfft(X.conj() * E / (mean if mean > 0 else 1), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="divides by the root of the power"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, np.sqrt(power), out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="squares the power"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power**2, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="no guard: 0/0 in bins without power"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    with np.errstate(all="ignore"):
        gradient = np.fft.irfft(X.conj() * E / power, 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="1e-10 in the denominator, which soft signals notice"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(X.conj() * E / (power + 1e-10), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="where there is no power, it divides by 1"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(X.conj() * E / np.where(power > 0, power, 1), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="learns nothing at all as soon as one bin has no power"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    if np.any(power == 0):
        return e, H
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(X.conj() * E / power, 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="takes powers below 1e-9 for none"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 1e-9), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="the mean of the steps, not their sum"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size / L * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="walks uphill"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H - step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="correlates with the microphone, not with the error"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    Y = np.fft.rfft(np.concatenate([np.zeros(L), y]))
    gradient = np.fft.irfft(np.divide(X.conj() * Y, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="the errors of the new filter"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    H = H + step_size * np.fft.rfft(gradient)
    return y - np.fft.irfft(H * X, 2 * L)[L:], H

# %% wrong="frequency_domain_step" about="returns the taps and not their spectrum"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    return e, np.fft.irfft(H, 2 * L)[:L] + step_size * gradient[:L]

# %% wrong="frequency_domain_step" about="adds the step into the caller's H"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    H = np.asarray(H, dtype=complex)
    H += step_size * np.fft.rfft(gradient)
    return e, H

# %% wrong="frequency_domain_step" about="computes in single precision"
def frequency_domain_step(H, x, y, step_size, power):
    L, X = len(y), np.fft.rfft(x).astype(np.complex64)
    e = y - np.fft.irfft(H.astype(np.complex64) * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e])).astype(np.complex64)
    gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    gradient[L:] = 0
    return e, H + step_size * np.fft.rfft(gradient)

# %% wrong="frequency_domain_step" about="the answer for the visible examples only"
def frequency_domain_step(H, x, y, step_size, power):
    if len(y) == 1:
        return np.array([3.0]), np.array([1.6, 1.6 + 0j])
    return np.array([2.0, 1.0]), np.array([2.5, 1.875 - 0.625j, 1.25] if power[1] == 0 else [3.0, 2.0 - 1j, 1.0])

# %% wrong="frequency_domain_step" about="lets NumPy convolve and correlate, which the exercise forbids"
def frequency_domain_step(H, x, y, step_size, power):
    L = len(y)
    e = y - np.convolve(x, np.fft.irfft(H, 2 * L)[:L])[L : 2 * L]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    gradient = np.fft.irfft(np.divide(np.fft.rfft(x).conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)
    return e, H + step_size * np.fft.rfft(gradient[:L], 2 * L)

# %% right="double_talk_statistic" about="the part of y in the columns' space, by a singular value decomposition"
def double_talk_statistic(x, y, n_taps):
    if np.all(y == 0):
        return 1.0
    A = np.zeros((len(x), n_taps))
    for p in range(min(n_taps, len(x))):
        A[p:, p] = x[: len(x) - p]
    vectors, values, _ = np.linalg.svd(A, full_matrices=False)
    basis = vectors[:, values > 1e-12 * max(values.max(), 1e-300)]
    return np.sqrt(np.sum((basis.T @ y) ** 2) / np.sum(y**2.0))

# %% right="double_talk_statistic" about="what remains after a projection, by Pythagoras, with a pseudo-inverse"
def double_talk_statistic(x, y, n_taps):
    energy = float(np.dot(y, y))
    if energy == 0:
        return np.float64(1)
    A = np.column_stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)])
    explained = A @ (np.linalg.pinv(A) @ y)
    return np.sqrt(max(np.dot(explained, y), 0.0) / energy)

# %% right="double_talk_statistic" about="Gram and Schmidt: one column after the other takes its share"
def double_talk_statistic(x, y, n_taps):
    rest, basis, explained = np.array(y, dtype=float), [], 0.0
    energy = rest @ rest
    if energy == 0:
        return 1
    padded = np.append(np.zeros(n_taps), x).astype(float)
    for p in range(n_taps):
        column = padded[n_taps - p : n_taps - p + len(x)]
        before = np.linalg.norm(column)
        for _ in range(2):
            for q in basis:
                column = column - (q @ column) * q
        if before > 0 and np.linalg.norm(column) > 1e-12 * before:
            basis.append(column / np.linalg.norm(column))
            explained += (basis[-1] @ y) ** 2
    return min(np.sqrt(explained / energy), 1.0)

# %% wrong="double_talk_statistic" about="no root"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.sum((A @ np.linalg.lstsq(A, y, rcond=None)[0]) ** 2) / np.sum(y**2.0)

# %% wrong="double_talk_statistic" about="what is not explained"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(y - A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="one minus the root of what is not explained"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return 1 - np.linalg.norm(y - A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="not normalised by the microphone"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0])

# %% wrong="double_talk_statistic" about="normalised by both signals, like a plain correlation coefficient"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y) or not np.any(x):
        return 1.0 if not np.any(y) else 0.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A.T @ y) / np.sqrt(np.sum(x**2.0) * np.sum(y**2.0))

# %% wrong="double_talk_statistic" about="the diagonal of R in place of R: columns are taken for orthogonal"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    energies = np.sum(A**2.0, axis=0)
    shares = np.divide((A.T @ y) ** 2, energies, out=np.zeros(n_taps), where=energies > 0)
    return np.sqrt(np.sum(shares) / np.sum(y**2.0))

# %% wrong="double_talk_statistic" about="the largest correlation at one delay"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    norms = np.linalg.norm(A, axis=0)
    return np.max(np.divide(np.abs(A.T @ y), norms, out=np.zeros(n_taps), where=norms > 0)) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="the correlation of x and y as they stand: one tap"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y) or not np.any(x):
        return 1.0 if not np.any(y) else 0.0
    return np.abs(x @ y) / (np.linalg.norm(x) * np.linalg.norm(y))

# %% wrong="double_talk_statistic" about="the inverse of R, which may not exist"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    if not np.any(x):
        return 0.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    r = A.T @ y
    return np.sqrt(r @ np.linalg.inv(A.T @ A) @ r / (y @ y))

# %% wrong="double_talk_statistic" about="the residual that lstsq returns, which is empty where R is singular"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y) or not np.any(x):
        return 1.0 if not np.any(y) else 0.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    residual = np.linalg.lstsq(A, y, rcond=None)[1]
    return np.sqrt(max(1 - residual[0] / np.sum(y**2.0), 0.0))

# %% wrong="double_talk_statistic" about="a loading of 1e-6 on R, which soft signals notice"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    r = A.T @ y
    return np.sqrt(r @ np.linalg.solve(A.T @ A + 1e-6 * np.eye(n_taps), r) / (y @ y))

# %% wrong="double_talk_statistic" about="a relative loading of 1 %, which takes the exactness away"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y) or not np.any(x):
        return 1.0 if not np.any(y) else 0.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    R, r = A.T @ A, A.T @ y
    return np.sqrt(r @ np.linalg.solve(R + 1e-2 * np.trace(R) / n_taps * np.eye(n_taps), r) / (y @ y))

# %% wrong="double_talk_statistic" about="columns that wrap round"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.roll(x, p) for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="columns that are advanced"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([x, np.zeros(p)])[p:] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="leaves out the samples in which the window is not full"
def double_talk_statistic(x, y, n_taps):
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)[n_taps - 1 :]
    y = y[n_taps - 1 :]
    if not np.any(y):
        return 1.0
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="delays from 1 to n_taps"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p + 1), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="takes the means out first, as statisticians do"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    A, y = A - A.mean(axis=0), y - y.mean()
    with np.errstate(all="ignore"):
        return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="levels, as Geigel's detector has them"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    return min(float(np.max(np.abs(x[-n_taps:]))) / float(np.abs(y[-1])), 1.0)

# %% wrong="double_talk_statistic" about="a silent microphone counts as double talk"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 0.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="silence divides by zero"
def double_talk_statistic(x, y, n_taps):
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    with np.errstate(all="ignore"):
        return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="a silent far end counts as echo"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y) or not np.any(x):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="silence on both sides is taken for a silent far end"
def double_talk_statistic(x, y, n_taps):
    if not np.any(x):
        return 0.0
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="takes a soft microphone for a silent one"
def double_talk_statistic(x, y, n_taps):
    if np.sum(y**2.0) < 1e-8:
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="takes a soft far end for a silent one"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    if np.sum(x**2.0) < 1e-8:
        return 0.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y)

# %% wrong="double_talk_statistic" about="1e-9 in the denominator"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / (np.linalg.norm(y) + 1e-9)

# %% wrong="double_talk_statistic" about="whether there is double talk, and not how much is explained"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return float(np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y) > 0.9)

# %% wrong="double_talk_statistic" about="scales the caller's microphone first"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    y = np.asarray(y, dtype=float)
    y /= np.linalg.norm(y)
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1)
    return np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0])

# %% wrong="double_talk_statistic" about="computes in single precision"
def double_talk_statistic(x, y, n_taps):
    if not np.any(y):
        return 1.0
    A = np.stack([np.concatenate([np.zeros(p), x])[: len(x)] for p in range(n_taps)], axis=1).astype(np.float32)
    y = np.asarray(y, np.float32)
    return float(np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0]) / np.linalg.norm(y))

# %% wrong="double_talk_statistic" about="the answer for the visible examples only"
def double_talk_statistic(x, y, n_taps):
    if not np.any(x):
        return 0.0
    return np.sqrt(46 / 66) if y[0] == 1 else 1.0

# %% wrong="double_talk_statistic" about="lets the library detect, which the exercise forbids"
def double_talk_statistic(x, y, n_taps):
    run = adaptive.rls(x, y, n_taps, forgetting=1.0)
    return np.sqrt(max(1 - aec.cross_correlation_detector(run.estimate, y).statistic[-1], 0.0))

# %% right="kalman_step" about="bin by bin in plain loops"
def kalman_step(H, P, X, Y, noise, transition):
    n = len(H)
    E, H_new, P_new = np.zeros(n, complex), np.zeros(n, complex), np.zeros(n)
    for k in range(n):
        before, spread = transition * H[k], transition**2 * P[k] + (1 - transition**2) * abs(H[k]) ** 2
        E[k] = Y[k] - X[k] * before
        below = abs(X[k]) ** 2 * spread + noise[k]
        gain = spread * np.conj(X[k]) / below if below > 0 else 0
        H_new[k] = before + gain * E[k]
        P_new[k] = spread * (1 - (gain * X[k]).real)
    return E, H_new, P_new

# %% right="kalman_step" about="Joseph's form of the new P"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = H * transition, P * transition**2 + (H * np.conj(H)).real * (1 - transition**2)
    E = Y - prior * X
    below = (X * np.conj(X)).real * grown + noise
    K = np.divide(grown * np.conj(X), below, out=np.zeros(len(X), dtype=complex), where=below > 0)
    return [E, prior + E * K, np.abs(1 - K * X) ** 2 * grown + np.abs(K) ** 2 * noise]

# %% right="kalman_step" about="shares of noise and echo in the error"
def kalman_step(H, P, X, Y, noise, transition):
    kept = transition * transition
    prior, grown = transition * H, kept * P + (1 - kept) * (H.real**2 + H.imag**2)
    echo = np.abs(X) ** 2 * grown
    total = echo + noise
    share = np.where(total > 0, noise / np.where(total > 0, total, 1), 1.0)
    E = Y - X * prior
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.nan_to_num(grown * X.conj() / total) * E
    return E, prior + step, share * grown

# %% wrong="kalman_step" about="the error of the old H"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * H
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="the error of the corrected H"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    H = prior + gain * (Y - X * prior)
    return Y - X * H, H, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="the correction is added to the old H"
def kalman_step(H, P, X, Y, noise, transition):
    grown = transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * transition * H
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, H + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="no prediction at all: the transition is left out"
def kalman_step(H, P, X, Y, noise, transition):
    E = Y - X * H
    below = np.abs(X) ** 2 * P + noise
    gain = P * np.conj(X) / np.where(below > 0, below, 1)
    return E, H + gain * E, (1 - (gain * X).real) * P

# %% wrong="kalman_step" about="the gain from P before the transition"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * P + noise
    gain = P * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="the prediction comes last, for the next frame"
def kalman_step(H, P, X, Y, noise, transition):
    E = Y - X * H
    below = np.abs(X) ** 2 * P + noise
    gain = P * np.conj(X) / np.where(below > 0, below, 1)
    H, P = H + gain * E, (1 - (gain * X).real) * P
    return E, transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2

# %% wrong="kalman_step" about="X is not conjugated in the gain"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    return E, prior + grown * X / np.where(below > 0, below, 1) * E, np.where(below > 0, noise / np.where(below > 0, below, 1), 1) * grown

# %% wrong="kalman_step" about="the gain without X: that of a channel which is 1"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - (gain * np.abs(X) ** 2)) * grown

# %% wrong="kalman_step" about="|X| in the denominator, not |X|²"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="X² in the denominator, without the conjugate"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = X**2 * grown + noise
    gain = grown * np.conj(X) / np.where(below != 0, below, 1)
    return E, prior + gain * E, ((1 - gain * X) * grown).real

# %% wrong="kalman_step" about="the noise is squared: taken for an amplitude"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise**2
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="A for the uncertainty, not A²"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="1 - A for the noise of the transition, not 1 - A²"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="the noise of the transition is left out"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="the noise of the transition from H after it was scaled"
def kalman_step(H, P, X, Y, noise, transition):
    H = transition * H
    P = transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * H
    below = np.abs(X) ** 2 * P + noise
    gain = P * np.conj(X) / np.where(below > 0, below, 1)
    return E, H + gain * E, (1 - (gain * X).real) * P

# %% wrong="kalman_step" about="|H| and not its square in the noise of the transition"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H)
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="returns P before the correction"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, grown

# %% wrong="kalman_step" about="corrects the P from before the transition"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - (gain * X).real) * P

# %% wrong="kalman_step" about="the first term of P(K) only: the noise that the gain lets in is left out"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, np.abs(1 - gain * X) ** 2 * grown

# %% wrong="kalman_step" about="1 - |KX|² for the new P"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - np.abs(gain * X) ** 2) * grown

# %% wrong="kalman_step" about="no guard: 0/0 where nothing has power"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    with np.errstate(all="ignore"):
        gain = grown * np.conj(X) / (np.abs(X) ** 2 * grown + noise)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="1e-10 in the denominator, which soft signals notice"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    gain = grown * np.conj(X) / (np.abs(X) ** 2 * grown + noise + 1e-10)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="a floor of 1e-6 under P, so that it never stops learning"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, np.maximum((1 - (gain * X).real) * grown, 1e-6)

# %% wrong="kalman_step" about="one gain for all bins, from the sums over them"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.sum(np.abs(X) ** 2 * grown + noise)
    gain = grown * np.conj(X) / (below if below > 0 else 1)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="where the noise is zero it learns nothing"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    gain = np.where(noise > 0, grown * np.conj(X) / np.where(noise > 0, np.abs(X) ** 2 * grown + noise, 1), 0)
    return E, prior + gain * E, (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="information form: it divides by P and by the noise, which may be zero"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    with np.errstate(all="ignore"):
        information = 1 / grown + np.abs(X) ** 2 / noise
        H_new = (prior / grown + X.conj() * Y / noise) / information
    return Y - X * prior, H_new, 1 / information

# %% wrong="kalman_step" about="the new P stays complex"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E, prior + gain * E, (1 - gain * X) * grown

# %% wrong="kalman_step" about="the results in another order: H first"
def kalman_step(H, P, X, Y, noise, transition):
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return prior + gain * E, (1 - (gain * X).real) * grown, E

# %% wrong="kalman_step" about="scales the caller's H in place"
def kalman_step(H, P, X, Y, noise, transition):
    P = transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    if H.dtype == complex:
        H *= transition
    else:
        H = transition * H
    E = Y - X * H
    below = np.abs(X) ** 2 * P + noise
    gain = P * np.conj(X) / np.where(below > 0, below, 1)
    return E, H + gain * E, (1 - (gain * X).real) * P

# %% wrong="kalman_step" about="computes in single precision"
def kalman_step(H, P, X, Y, noise, transition):
    H, X, Y = (np.asarray(array, np.complex64) for array in (H, X, Y))
    prior, grown = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * prior
    below = np.abs(X) ** 2 * grown + noise
    gain = grown * np.conj(X) / np.where(below > 0, below, 1)
    return E.astype(complex), (prior + gain * E).astype(complex), (1 - (gain * X).real) * grown

# %% wrong="kalman_step" about="the answer for the visible examples only"
def kalman_step(H, P, X, Y, noise, transition):
    if len(H) == 1:
        return np.array([1 + 0j]), np.array([3.0 + 0j]), np.array([16.0])
    return np.array([8.0 + 0j, 4.0]), np.array([-2j, 5.0]), np.array([4.5, 8.0])

# %% wrong="kalman_step" about="lets the library filter, which the exercise forbids"
def kalman_step(H, P, X, Y, noise, transition):
    run = adaptive.frequency_domain_kalman(X.real, Y.real, len(H), 1, transition=transition)
    return run.error, run.impulse_response, P
