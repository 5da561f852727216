# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   title: LMS and acoustic echo cancelling
# ---

# %% [markdown]
# # Lesson 05 — LMS and acoustic echo cancelling
#
# You are on a call, without headphones. You say a word, and a third of a second later it comes back, from the other end. Nobody there has done anything wrong: their loudspeaker played your voice, their room coloured it, their microphone took it up.
# You falter, and speak more slowly. Few things disturb a talker more than her own delayed voice. This lesson removes it. It is the first one in which the algorithm must learn *while it works*, since rooms change.
#
# In this lesson you will
#
# - **hear** yourself come back, and hear each method at work on it;
# - **derive and build** the adaptive filters that everybody uses: LMS, NLMS, RLS, the frequency-domain filter and the Kalman filter;
# - **see** why speech makes some of them slow, and why a step too long makes them explode;
# - **fit** an echo model by gradient descent, in the waveform domain and in the STFT domain, and learn what a training loss can hide;
# - **run** a streaming canceller block by block, through a path change and through double talk, and break it.
#
# | | |
# |---|---|
# | Time | about six hours: nearly three for the exercises, the rest for reading and listening; take a break before section 6 |
# | Points | 20: ten programming exercises (16) and three written ones (4) |
# | You need | lesson 01 (convolution, blocks, overlap-save, STFT-domain convolution, `conv1d`); lesson 02 (covariance, eigenvalues, SI-SDR); derivatives |
# | You will use again | gradients and step sizes in lessons 07 to 10; masks after a linear stage in lesson 06; adaptive filters in lesson 09, where they cancel noise in the air |
#
# **How to work.** As in lesson 01: run the cells from top to bottom, fill in the functions, open the hints one at a time. Use headphones.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
import torch

from course_lib import adaptive, aec, check, convolution, data, metrics, plots, scenes, stft
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.listen import listen, save_sounds

plots.use_style()

sample_rate = SAMPLE_RATE_HZ
CORPUS = "offline"  # for real talkers: python data_fetch.py fetch mini-librispeech, and then "mini-librispeech"

# %% [markdown]
# All voices come from `data.speech_clip(talker, seconds, corpus=CORPUS)`. Offline they are synthetic, and built on your machine. With a fetched corpus the same cells cancel the echo of real talkers; the numbers in the text are those of the offline voices. Other voices change the decibels, by where their spectra are weak and by how long they pause. What is derived stays.
#
# ## 1. Listen first
#
# A call has two ends. The **far-end signal** $x$ is what arrives over the line: your partner's voice. Your loudspeaker plays it, and the room turns it into the **echo** $x * h$, where $h$ is the **echo path**: loudspeaker, air, walls, microphone (lesson 01, section 2). You are the **near end**. Your voice at the microphone is $s$, and the noise is $v$. So the microphone hears
#
# $$\boxed{\;y = x * h + s + v\;}$$
#
# and sends all of it back. What your partner should get is $s$. The word for both talking at once is **double talk**.
#
# The scene below stays with us to the end. It lasts 18 s. The far end talks all the time. You talk from 6 s to 10 s. At 13 s somebody puts the loudspeaker elsewhere: the echo path changes.
#
# **Before you run it, guess.** The canceller knows $x$ exactly. Why can it not subtract $x$ from $y$ and be done?

# %% tags="demo"
duration_s, TALK_S, CHANGE_S, ROOM = 18, (6, 10), 13, 1  # ROOM draws the room and the places in it
far_voice = data.speech_clip(0, duration_s, corpus=CORPUS)
near_voice = data.speech_clip(1, TALK_S[1] - TALK_S[0], corpus=CORPUS)
room = scenes.draw_echo_room(0.3, np.random.default_rng(ROOM))
call = scenes.echo_scene(far_voice, near_voice, np.random.default_rng(ROOM), room=room, near_end_start_s=TALK_S[0], path_change_s=CHANGE_S)
x, y = call.far_end, call.microphone

round_trip = int(0.35 * sample_rate)
come_back = far_voice + np.pad(call.echo, (round_trip, 0))[: len(far_voice)]
listen({"far end, x": x, "microphone, y": y, "near end alone, s": call.near_end}, sample_rate)

# %% tags="demo"
print(f"echo path: {call.impulse_responses.shape[-1]} taps, {1e3 * call.impulse_responses.shape[-1] / sample_rate:.0f} ms")
print(f"subtracting x itself: {metrics.erle(call.echo, call.echo - x):.1f} dB less echo")
listen({"what your partner hears of herself": come_back[: 8 * sample_rate]}, sample_rate)

# %% [markdown]
# Try to talk while the last player runs, and you know what a canceller is for.
#
# Subtracting $x$ makes things worse: the echo comes later, and it comes many times, from every wall. To cancel it to 1 % of its amplitude (40 dB) the copy must match it to 1 % in every detail. So the canceller needs $h$, thousands of numbers, to 1 %. It has to find them in the signals. That is the whole plan: **estimate** $\hat h$, compute the estimate of the echo $\hat y = x * \hat h$, and send out the **error**
#
# $$e = y - \hat y = x * (h - \hat h) + s + v .$$
#
# ## 2. Steepest descent and LMS
#
# ### 2.1 The best filter
#
# Give $\hat h$ a length of $M$ taps, and write the newest $M$ samples of $x$ as a vector:
#
# $$\mathbf x_n = \big(x[n],\, x[n-1],\, \dots,\, x[n-M+1]\big)^{\mathsf T}, \qquad \hat y[n] = \hat h^{\mathsf T}\mathbf x_n, \qquad e[n] = y[n] - \hat h^{\mathsf T}\mathbf x_n .$$
#
# We want the error to have as little power as possible. Let $\mathbb E$ be the mean over time, with $R = \mathbb E[\mathbf x_n\mathbf x_n^{\mathsf T}]$ for the covariance of the input ($M \times M$) and $r = \mathbb E[y[n]\,\mathbf x_n]$ for its correlation with the microphone:
#
# $$J(\hat h) = \tfrac12\,\mathbb E\,e^2 = \tfrac12\,\mathbb E\,y^2 - \hat h^{\mathsf T} r + \tfrac12\,\hat h^{\mathsf T}R\,\hat h, \qquad \nabla J = R\hat h - r = -\mathbb E\big[e[n]\,\mathbf x_n\big].$$
#
# $J$ is a bowl. Its bottom, where $R\hat h = r$, is the **Wiener filter**. If near end and noise are uncorrelated with $x$, and the path has no more than $M$ taps, then $r = \mathbb E[\mathbf x_n\,\mathbf x_n^{\mathsf T}]\,h = Rh$, and the bottom is the true path. (A real room rings on behind tap $M$. If $x$ is white, that tail acts as more noise; if not, it bends the taps a little, too.) Read the gradient once more: it is the correlation between the error and the input. At the bottom the error holds nothing that resembles $x$.
#
# ### 2.2 Steepest descent, and its two speeds
#
# Walk downhill with the **step size** $\mu$: $\hat h \leftarrow \hat h - \mu\nabla J$. What becomes of the error of the filter, $\Delta = h - \hat h$? Since $\nabla J = -R\Delta$,
#
# $$\Delta \leftarrow \Delta - \mu R\,\Delta = (I - \mu R)\,\Delta .$$
#
# $R$ is symmetric, so it has orthonormal eigenvectors $q_i$ with eigenvalues $\lambda_i \ge 0$ (lesson 02). Along each of them the error obeys a rule of its own, $q_i^{\mathsf T}\Delta \leftarrow (1 - \mu\lambda_i)\,q_i^{\mathsf T}\Delta$. It shrinks if $|1 - \mu\lambda_i| < 1$. For all $i$ this means
#
# $$\boxed{\;0 < \mu < \frac{2}{\lambda_{\max}}\;}$$
#
# The largest eigenvalue limits the step, and the smallest one pays: with $\mu = 1/\lambda_{\max}$ the slowest part shrinks by $1 - \lambda_{\min}/\lambda_{\max}$ each time. If the **eigenvalue spread** $\lambda_{\max}/\lambda_{\min}$ is 1000, it takes about a thousand steps to shrink to $1/e$.
#
# Where do the eigenvalues come from? For a unit vector $q$, $q^{\mathsf T}Rq$ is the power of $x$ after the filter $q$. With the power spectrum $S(\omega)$ of the input and the filter's response $Q(\omega)$,
#
# $$q^{\mathsf T}Rq = \frac1{2\pi}\int_{-\pi}^{\pi} S(\omega)\,|Q(\omega)|^2\,d\omega, \qquad \frac1{2\pi}\int_{-\pi}^{\pi} |Q(\omega)|^2\,d\omega = 1 .$$
#
# It is a weighted mean of $S$. So every eigenvalue lies between the smallest and the largest value of the spectrum, and for long filters they fill that range (a theorem of Szegő's, which we do not prove). White noise has one value and is quick. Speech at 16 kHz has 50 dB of range, and more.
#
# ### 2.3 LMS: one sample in place of the mean
#
# We know neither $R$ nor $r$, and the room may change before we have measured them. Widrow and Hoff's idea of 1960 looks reckless: leave out the mean. Take $-e[n]\,\mathbf x_n$ of the present sample for the gradient, and go at once:
#
# $$\boxed{\;e[n] = y[n] - \hat h^{\mathsf T}\mathbf x_n, \qquad \hat h \leftarrow \hat h + \mu\,e[n]\,\mathbf x_n\;}$$
#
# This is the **least-mean-squares** algorithm, LMS. Each step points somewhere around the right direction. On average it *is* the right one, and many small steps average by themselves. It costs $2M$ multiplications a sample. Networks are trained in the same way: stochastic gradient descent begins here.
#
# The figure shows the bowl for two taps, from above, and the way down.

# %% tags="demo"
def coloured_noise(colour, n_samples, rng):
    """White noise through a one-pole filter, with power 1: neighbours correlate by `colour`."""
    from scipy.signal import lfilter

    return lfilter([np.sqrt(1 - colour**2)], [1, -colour], rng.standard_normal(n_samples))


true_taps = np.array([1.0, 0.4])
grid = np.linspace(-0.6, 1.8, 121)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
for ax, colour, words in zip(axes, (0.0, 0.9), ("White input: straight down", "Coloured input: fast across, slow along"), strict=True):
    R = np.array([[1.0, colour], [colour, 1.0]])
    offsets = np.stack(np.meshgrid(grid, grid)) - true_taps[:, None, None]
    ax.contour(grid, grid, 0.5 * np.einsum("iab,ij,jab->ab", offsets, R, offsets), levels=[0.01, 0.05, 0.15, 0.4, 0.8, 1.5], colors="0.7")
    estimate, way = np.array([-0.4, -0.3]), []
    for _ in range(40):
        way.append(estimate)
        estimate = estimate + 0.3 * R @ (true_taps - estimate)
    ax.plot(*np.transpose(way), "o-", markersize=4, color=plots.PALETTE[0], label="steepest descent, 40 steps")
    noise_in = coloured_noise(colour, 401, np.random.default_rng(2))
    estimate, way = np.array([-0.4, -0.3]), []
    for n in range(1, 401):
        newest = noise_in[[n, n - 1]]
        way.append(estimate)
        estimate = estimate + 0.03 * (newest @ (true_taps - estimate)) * newest
    ax.plot(*np.transpose(way), "-", linewidth=1.2, color=plots.PALETTE[1], label="LMS, 400 samples")
    ax.plot(*true_taps, "k*", markersize=12)
    ax.set(title=words, xlabel="Tap 0", aspect="equal", xlim=(-0.6, 1.8), ylim=(-0.6, 1.2))
axes[0].set_ylabel("Tap 1")
axes[0].legend(loc="upper left")
plt.show()

# %% [markdown]
# ### Exercise 5.1 — LMS
#
# *1 point · 12 minutes · easy*
#
# **Outcome.** You have built the algorithm from which all others in this lesson descend.
#
# **Task.** Write `lms_filter(x, y, n_taps, step_size)` for two arrays of equal length. Start from $\hat h = 0$; before the first sample $x$ is zero. For each sample in turn: compute the error with the old filter, note it, and then change the filter. Return two arrays: the errors (as many as `x` has samples), and the final $\hat h$ (`n_taps`).
# A loop over the samples is right here.
#
# **By hand.** `x = [1, 2, -1]`, `y = [1, 3, 1.5]`, 2 taps, $\mu = 0.5$. First $\mathbf x_0 = (1, 0)$: the error is 1, the filter becomes $(0.5, 0)$. Then $\mathbf x_1 = (2, 1)$: $\hat y = 1$, the error is 2, the filter becomes $(2.5, 1)$. Last, $\mathbf x_2 = (-1, 2)$: $\hat y = -0.5$, the error is 2, the filter becomes $(1.5, 3)$. So the result is `[1, 2, 2]` and `[1.5, 3]`.
#
# **Expected number.** With white noise of power 1 as `x`, its convolution with four taps as `y`, $\mu = 0.05$ and 500 samples, the filter agrees with the taps to about ten digits.

# %% [markdown] hints="lms_filter"
# concept: The filter sees a window of the newest samples, the newest first. When the next sample comes, everything in the window moves up by one.
#
# structure: Keep an array `newest` of `n_taps` zeros. For each sample: shift it, put `x[n]` in front, compute the error, store it, and add the step to the filter.
#
# line: In the loop: `newest = np.concatenate([[x[n]], newest[:-1]])`, then `e[n] = y[n] - h @ newest`, then `h = h + step_size * e[n] * newest`.

# %% exercise="lms_filter" forbid="course_lib.adaptive course_lib.aec padasip"
def lms_filter(x, y, n_taps, step_size):
    """Return the error at each sample and the final impulse response of the LMS algorithm, started at zero."""
    ### BEGIN SOLUTION
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        h = h + step_size * e[n] * newest
    return e, h
    ### END SOLUTION


# %% test="lms_filter" points=1
_result = lms_filter(np.array([1.0, 2.0, -1.0]), np.array([1.0, 3.0, 1.5]), 2, 0.5)
assert isinstance(_result, (tuple, list)) and len(_result) == 2, "Return two arrays, the errors and then the filter: return e, h"
check.shape(_result[0], (3,), name="the errors on the example", mistakes={"the two results are exchanged: the errors come first.": 2})
check.close(
    _result[0],
    np.array([1.0, 2.0, 2.0]),
    name="the errors on the example",
    mistakes={
        "this is the error with the new filter: note the error before the filter changes.": [0.5, -3.0, -3.0],
        "the sign of the step is wrong: the filter walks uphill.": [1.0, 4.0, 1.0],
        "the step is twice too long: with the ½ in J, the gradient has no factor 2.": [1.0, 1.0, 2.5],
        "the window holds samples that have not come yet: it is x[n], x[n − 1], ….": [1.0, 3.0, 5.0],
        "before the first sample x is zero, not x[0].": [1.0, 1.5, 1.0],
        "this is the estimate of the echo: return the errors, y minus that.": [0.0, 1.0, -0.5],
    },
)
check.close(
    _result[1],
    np.array([1.5, 3.0]),
    name="the filter on the example",
    mistakes={"the window is the wrong way round: the newest sample belongs to tap 0.": [3.0, 1.5]},
)
check.passed("one step a sample, in the direction of error times input")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("lms_filter")


def _windows(x, n_taps):
    return np.array([np.concatenate([np.zeros(n_taps), x])[_n + 1 : _n + n_taps + 1][::-1] for _n in range(len(x))])


for _n_samples, _n_taps in [(1, 1), (2 * int(_rng.integers(10, 40)) + 1, 4), (2 * int(_rng.integers(10, 40)), 7), (5, 9), (60, 1)]:
    _x, _y = _rng.standard_normal((2, _n_samples))
    _before = _x.copy(), _y.copy()
    _h, _errors = np.zeros(_n_taps), []
    for _row, _wanted in zip(_windows(_x, _n_taps), _y):
        _errors.append(_wanted - np.dot(_row, _h))
        _h = _h + 0.03 * _errors[-1] * _row
    for _scale in [1.0, 1e-6, 1e6]:
        _e, _taps = lms_filter(_scale * _x, _scale * _y, _n_taps, 0.03 / _scale**2)
        check.close(_e, _scale * np.array(_errors), relative_tolerance=1e-8, absolute_tolerance=0.0, name="the errors of random signals")
        check.close(_taps, _h, relative_tolerance=1e-8, name="the filter of random signals")
    lms_filter(_x, _y, _n_taps, 0.03)
    check.close(_x, _before[0], name="your input x after the call")
    check.close(_y, _before[1], name="your input y after the call")
_path = _rng.standard_normal(5)
_x = _rng.standard_normal(600)
check.close(lms_filter(_x, np.convolve(_x, _path)[:600], 5, 0.05)[1], _path, relative_tolerance=1e-4, name="the filter after 600 samples of a path of five taps")
_e, _taps = lms_filter(np.zeros(20), _x[:20], 3, 0.1)
check.close(_e, _x[:20], name="the errors when the far end is silent")
check.close(_taps, np.zeros(3), name="the filter when the far end is silent")
_e, _taps = lms_filter(np.array([1, 2, -1]), np.array([1, 3, 2]), 2, 0.5)
check.close(_e, np.array([1.0, 2.0, 2.5]), name="the errors of whole numbers")
check.close(_taps, np.array([1.25, 3.5]), name="the filter of whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 2.4 How long may the step be, really?
#
# The bound $2/\lambda_{\max}$ holds for the *mean* of the filter. A mean can be quiet while everything around it explodes. Let us follow the square. Assume a path of at most $M$ taps, white Gaussian input of power $\sigma_x^2$, noise $v$ of power $\sigma_v^2$ that is independent of it, and windows $\mathbf x_n$ that are independent of $\Delta$ (they are nearly so, for small steps). From $\Delta \leftarrow (I - \mu\,\mathbf x_n\mathbf x_n^{\mathsf T})\Delta - \mu\,v[n]\,\mathbf x_n$ comes, since the mixed term holds $\mathbb E\,v = 0$,
#
# $$\mathbb E\lVert\Delta\rVert^2 \leftarrow \mathbb E\Big[\Delta^{\mathsf T}\big(I - 2\mu\,\mathbf x\mathbf x^{\mathsf T} + \mu^2\lVert\mathbf x\rVert^2\mathbf x\mathbf x^{\mathsf T}\big)\Delta\Big] + \mu^2\sigma_v^2\,\mathbb E\lVert\mathbf x\rVert^2 .$$
#
# Here $\mathbb E[\mathbf x\mathbf x^{\mathsf T}] = \sigma_x^2 I$ and $\mathbb E\lVert\mathbf x\rVert^2 = M\sigma_x^2$. For the third term take the entry $(i,i)$ of $\mathbb E\big[\lVert\mathbf x\rVert^2\mathbf x\mathbf x^{\mathsf T}\big]$: $\mathbb E\,x_i^4 = 3\sigma_x^4$, and $M - 1$ products $\mathbb E\,x_j^2x_i^2 = \sigma_x^4$, together $(M+2)\,\sigma_x^4$. The other entries are odd in some $x_i$, and their mean is zero. So
#
# $$\mathbb E\lVert\Delta\rVert^2 \leftarrow \underbrace{\big(1 - 2\mu\sigma_x^2 + \mu^2(M+2)\sigma_x^4\big)}_{<\,1\text{ for } \mu < 2/((M+2)\sigma_x^2)}\mathbb E\lVert\Delta\rVert^2 + \mu^2M\sigma_x^2\sigma_v^2 .$$
#
# Three findings in one line. **The true bound** is $M + 2$ times smaller than $2/\lambda_{\max} = 2/\sigma_x^2$: that is the price of leaving out the mean. **The quickest step** is half of it. **The floor**, where both sides agree, is $\mu M\sigma_v^2/(2 - \mu(M+2)\sigma_x^2)$: it rises with the step. Long steps learn fast and end badly; short ones learn slowly and end well. This compromise will not leave us.
#
# The left panel holds the theory against LMS on white noise, 32 taps, noise 30 dB below the echo. The right one lets LMS diverge on purpose: which share of 20 runs has exploded after 4000 samples?

# %% tags="demo"
short_path = data.room("office").impulse_response[0][80:112]
short_path = short_path / np.linalg.norm(short_path)


def lms_curve_db(share, n_runs=20, n_samples=3000, input_colour=0.0):
    """Mean misalignment of LMS in dB, every 20 samples; `share` is the step relative to 2 / ((M + 2) σ²)."""
    curves = []
    for seed in range(n_runs):
        rng = np.random.default_rng(seed)
        source = coloured_noise(input_colour, n_samples, rng)
        recorded = np.convolve(source, short_path)[:n_samples] + 10 ** (-30 / 20) * rng.standard_normal(n_samples)
        run = adaptive.lms(source, recorded, 32, step_size=2 * share / 34, snapshot_every=20)
        curves.append(np.sum((run.snapshots - short_path) ** 2, axis=-1))
    return run.snapshot_times, 10 * np.log10(np.mean(curves, axis=0))


figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
shares = [0.05, 0.2, 0.5, 0.8]
for share, style in zip(shares, ["-", "--", "-.", ":"], strict=True):
    times, curve_db = lms_curve_db(share)
    axes[0].plot(times, curve_db, style, label=f"{share} of the bound")
    step = 2 * share / 34
    factor, floor = 1 - 2 * step + 34 * step**2, step * 32 * 1e-3 / (2 - 34 * step)
    axes[0].plot(times, 10 * np.log10(factor**times * (1 - floor) + floor), color="0.4", linewidth=0.8)
axes[0].set(xlabel="Samples", ylabel="Misalignment (dB)", ylim=(-50, 2), title="Half the bound is quickest (thin: theory)")
axes[0].legend(fontsize=8)

relative_steps = np.array([0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0])
for n_taps, marker in zip((8, 32, 128), "os^", strict=True):
    exploded = []
    for share in relative_steps:
        ends = []
        for seed in range(20):
            rng = np.random.default_rng(seed)
            source = rng.standard_normal(4000)
            with np.errstate(all="ignore"):
                run = adaptive.lms(source, np.convolve(source, np.ones(n_taps) / np.sqrt(n_taps))[:4000], n_taps, step_size=2 * share / (n_taps + 2))
            ends.append(not np.linalg.norm(run.impulse_response) < 10)
        exploded.append(100 * np.mean(ends))
    axes[1].plot(relative_steps, exploded, marker=marker, label=f"{n_taps} taps (bound of the mean: at {n_taps + 2})")
axes[1].set(xlabel="Step, relative to $2/((M+2)\\,\\sigma_x^2)$", ylabel="Runs that exploded (%)", title="The bound of the square is the one that counts")
axes[1].legend(fontsize=8)
plt.show()

# %% [markdown]
# Now move the slider. It shows the same experiment with one step after the other, up to a step that is too long.

# %% tags="demo"
slider_shares = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.95, 1.1, 1.3]


def draw_learning(share, ax):
    """Draw the learning of LMS with the chosen step, for white and for coloured input."""
    for colour, words, style in [(0.0, "white input", "-"), (0.9, "coloured input", "--")]:
        with np.errstate(all="ignore"):
            times, curve_db = lms_curve_db(share, n_runs=5, input_colour=colour)
        ax.plot(times, np.where(curve_db < 40, curve_db, np.nan), style, label=words)
    ax.set(xlabel="Samples", ylabel="Misalignment (dB)", ylim=(-50, 20), title=f"Step {share} of the bound")
    ax.legend(loc="upper right")


plots.with_slider(draw_learning, slider_shares, value=0.5, label="step")

# %% [markdown]
# With white input the curve falls along a straight line to its floor. With coloured input (neighbours correlate by 0.9, the eigenvalues spread over a factor of 300) a first part falls quickly, and the rest hardly moves. No step helps: long ones explode, short ones are slower still.
#
# ## 3. NLMS, coloured input, APA
#
# ### 3.1 A step that knows how loud it is
#
# The bound on $\mu$ contains the power of the input. Speech changes its power by 40 dB within a second. A step that is safe in the vowels stands still in between. So let us ask for something else. Among all filters that would have made *this* error zero, take the one nearest to the old filter:
#
# $$\min_g\ \tfrac12\lVert g - \hat h\rVert^2 \quad\text{such that}\quad g^{\mathsf T}\mathbf x_n = y[n].$$
#
# With a Lagrange multiplier $\nu$, the gradient of $\tfrac12\lVert g - \hat h\rVert^2 + \nu\,(y[n] - g^{\mathsf T}\mathbf x_n)$ vanishes at $g = \hat h + \nu\,\mathbf x_n$. The constraint gives $\hat h^{\mathsf T}\mathbf x_n + \nu\lVert\mathbf x_n\rVert^2 = y[n]$, so $\nu = e[n]/\lVert\mathbf x_n\rVert^2$. Go a part $\mu$ of this way, and protect the division by $\delta$:
#
# $$\boxed{\;\hat h \leftarrow \hat h + \mu\,\frac{e[n]\,\mathbf x_n}{\lVert\mathbf x_n\rVert^2 + \delta}\;}\qquad\text{normalised LMS, NLMS.}$$
#
# How long may this step be? Without noise, $e[n] = \Delta^{\mathsf T}\mathbf x_n$. With $\delta = 0$,
#
# $$\lVert\Delta^{\text{new}}\rVert^2 = \Big\lVert\Delta - \mu\frac{e\,\mathbf x}{\lVert\mathbf x\rVert^2}\Big\rVert^2 = \lVert\Delta\rVert^2 - \mu(2-\mu)\,\frac{e^2}{\lVert\mathbf x\rVert^2} .$$
#
# For $0 < \mu < 2$ the misalignment can *never* rise, whatever the input. No eigenvalue must be known. For white input $e^2 \approx \sigma_x^2\lVert\Delta\rVert^2$ and $\lVert\mathbf x\rVert^2 \approx M\sigma_x^2$: each sample multiplies $\lVert\Delta\rVert^2$ by $1 - \mu(2-\mu)/M$. For 512 taps and $\mu = 1$ that is 0.0085 dB a sample, or 136 dB a second.
#
# And with noise? Then $e$ holds $v$, and a step has the length $\mu|v|/\lVert\mathbf x\rVert$ even at the goal. **Where $x$ is soft, that is huge.** NLMS comes to grief in the pauses of the far end, not in its loud parts. There $\delta$ must hold it back: choose it relative to the value that $\lVert\mathbf x_n\rVert^2$ has in speech, not as a tiny number. The library takes $\delta = 0.03\,M P_x$, where $P_x$ is the usual power of the far end. It follows $P_x$ by itself; where we know it, we say it: `far_end_power=…`.

# %% [markdown]
# ### Exercise 5.2 — NLMS
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You have the filter that sits in most telephones that were ever built.
#
# **Task.** Write `nlms_filter(x, y, n_taps, step_size, regularisation)`. As in Exercise 5.1, return the errors and the final filter, and start from zeros; the step is the boxed one. Where $\lVert\mathbf x_n\rVert^2 + \delta$ is zero, the filter stays as it is. (Test for zero. A small number of your own added to the denominator would falsify soft signals.)
#
# **By hand.** `x = [1, 2, -1]`, `y = [1, 6, 1.5]`, 2 taps, $\mu = 0.5$, $\delta = 0$. First $\lVert\mathbf x_0\rVert^2 = 1$, the error is 1, the filter becomes $(0.5, 0)$. Then $\lVert\mathbf x_1\rVert^2 = 5$, the error is 5, the filter becomes $(1.5, 0.5)$. Last, $\lVert\mathbf x_2\rVert^2 = 5$, the error is $1.5 + 0.5 = 2$, and the filter becomes $(1.3, 0.9)$.
#
# **Expected number.** Multiply `x` and `y` by 1000, with $\delta = 0$: the filter stays the same to the last digits. LMS would explode.

# %% [markdown] hints="nlms_filter"
# concept: Only the length of the step differs from LMS. It is divided by the energy of what the filter sees at this moment: all taps, not the newest sample alone.
#
# structure: Take your `lms_filter`. Before the update compute the energy of the window plus the regularisation; update only if it is positive.
#
# line: `energy = newest @ newest + regularisation`, and then `if energy > 0: h = h + step_size * e[n] * newest / energy`.

# %% exercise="nlms_filter" forbid="course_lib.adaptive course_lib.aec padasip"
def nlms_filter(x, y, n_taps, step_size, regularisation):
    """Return the error at each sample and the final impulse response of NLMS, started at zero."""
    ### BEGIN SOLUTION
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        e[n] = y[n] - h @ newest
        energy = newest @ newest + regularisation
        if energy > 0:
            h = h + step_size * e[n] * newest / energy
    return e, h
    ### END SOLUTION


# %% test="nlms_filter" points=1
_x, _y = np.array([1.0, 2.0, -1.0]), np.array([1.0, 6.0, 1.5])
_result = nlms_filter(_x, _y, 2, 0.5, 0.0)
assert isinstance(_result, (tuple, list)) and len(_result) == 2, "Return two arrays, the errors and then the filter: return e, h"
check.close(
    _result[1],
    np.array([1.3, 0.9]),
    name="the filter on the example",
    mistakes={
        "the step was divided by the norm: it is the squared norm.": [2.28885438, 2.01246118],
        "the step was divided by the newest sample's energy alone: sum over all taps.": [0.75, 2.625],
        "the step was divided by the mean square: it is the sum over the taps.": [2.1, 1.8],
        "this is LMS: the step was not divided by the energy.": [4.5, 4.5],
        "the energy is that of the whole of x: take the window that the filter sees.": [0.92361111, 0.75],
    },
)
check.close(_result[0], np.array([1.0, 5.0, 2.0]), name="the errors on the example")
check.close(
    nlms_filter(_x, _y, 2, 0.5, 5.0)[1],
    np.array([0.5875, 0.45]),
    name="the filter with a regularisation of 5",
    mistakes={
        "the regularisation was left out.": [1.3, 0.9],
        "the larger of energy and regularisation was taken: add them.": [1.1, 0.9],
    },
)
_taps = nlms_filter(np.array([0.0, 1e3, 1e-20]), np.array([1.0, 2e3, 3e-20]), 1, 1.0, 0.0)[1]
assert np.isfinite(_taps).all(), "In a pause, energy and regularisation are both zero, and 0/0 spoils the filter for good. Test for zero, and leave the filter as it is there."
check.close(
    _taps,
    np.array([3.0]),
    name="the filter after a pause, a loud sample and a very soft one",
    mistakes={"a small constant in the denominator falsifies soft signals: test for zero.": [2.0]},
)
check.passed("the step knows how loud the far end is")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("nlms_filter")
for _n_samples, _n_taps, _step in [(1, 1, 1.0), (2 * int(_rng.integers(10, 40)) + 1, 4, 0.7), (2 * int(_rng.integers(10, 40)), 7, 1.6), (5, 9, 0.1), (60, 1, 1.0)]:
    _x, _y = _rng.standard_normal((2, _n_samples))
    _x[_n_samples // 2 : _n_samples // 2 + 12] = 0.0
    _before = _x.copy(), _y.copy()
    _padded = np.concatenate([np.zeros(_n_taps - 1), _x])
    for _delta in [0.0, 2.0]:
        _h, _errors = np.zeros(_n_taps), []
        for _n, _wanted in enumerate(_y):
            _row = _padded[_n : _n + _n_taps][::-1]
            _errors.append(_wanted - np.dot(_row, _h))
            _norm = np.sum(_row**2) + _delta
            _h = _h + (_step * _errors[-1] / _norm * _row if _norm > 0 else 0.0)
        for _scale in [1.0, 1e-6, 1e6]:
            _e, _taps = nlms_filter(_scale * _x, _scale * _y, _n_taps, _step, _scale**2 * _delta)
            check.close(_e, _scale * np.array(_errors), relative_tolerance=1e-7, absolute_tolerance=0.0, name="the errors of random signals with a pause")
            check.close(_taps, _h, relative_tolerance=1e-7, name="the filter of random signals with a pause")
        nlms_filter(_x, _y, _n_taps, _step, _delta)
    check.close(_x, _before[0], name="your input x after the call")
    check.close(_y, _before[1], name="your input y after the call")
_path, _x = _rng.standard_normal(6), _rng.standard_normal(300)
_previous = np.sum(_path**2)
for _n_samples in [50, 100, 200, 300]:
    _taps = nlms_filter(_x[:_n_samples], np.convolve(_x, _path)[:_n_samples], 6, 1.0, 0.0)[1]
    assert np.sum((_taps - _path) ** 2) <= _previous * (1 + 1e-9), "Without noise and with 0 < step < 2 the misalignment can never rise. Yours did."
    _previous = max(np.sum((_taps - _path) ** 2), 1e-18)
_e, _taps = nlms_filter(np.zeros(20), _x[:20], 3, 0.5, 0.0)
check.close(_e, _x[:20], name="the errors when the far end is silent")
check.close(_taps, np.zeros(3), name="the filter when the far end is silent")
check.close(nlms_filter(np.array([1, 2, -1]), np.array([1, 6, 2]), 2, 0.5, 0)[1], np.array([1.25, 1.0]), name="the filter of whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 3.2 Why speech makes it slow
#
# NLMS is safe. It is not quick, where $x$ is speech. On the left, eigenvalues of $R$ for 64 taps, each relative to the largest; dotted, the smallest value of the spectrum, below which section 2.2 lets none fall. On the right, NLMS ($\mu = 1$) learns the first 512 taps of our room, once from white noise and once from the voice, both with a noise 40 dB below the echo.

# %% tags="demo"
from scipy.linalg import toeplitz
from scipy.signal import welch

n_taps = 512
room_path = call.impulse_responses[0][:n_taps]
room_path = room_path / np.linalg.norm(room_path)
learning_s = 8
inputs = {"white noise": np.random.default_rng(0).standard_normal(learning_s * sample_rate), "speech": far_voice[: learning_s * sample_rate]}


def recorded_through(path, source, noise_db=-40.0, seed=1):
    """The source after a path, with white noise at a level relative to that echo."""
    echo = convolution.convolve_fft(source, path)[: len(source)]
    hiss = np.random.default_rng(seed).standard_normal(len(source))
    return echo + hiss * np.sqrt(np.mean(echo**2)) * 10 ** (noise_db / 20)


figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for (name, source), style in zip(inputs.items(), ["--", "-"], strict=True):
    lags = np.array([source[: len(source) - lag] @ source[lag:] for lag in range(64)]) / len(source)
    eigenvalues = np.linalg.eigvalsh(toeplitz(lags))[::-1]
    (line,) = axes[0].plot(10 * np.log10(eigenvalues / eigenvalues[0]), style, label=f"{name}: spread {10 * np.log10(eigenvalues[0] / eigenvalues[-1]):.0f} dB")
    density = welch(source, nperseg=128, detrend=False, return_onesided=False)[1]
    axes[0].axhline(10 * np.log10(density.min() / eigenvalues[0]), color=line.get_color(), linestyle=":")
    print(f"{name}: the smallest and the largest value of the spectrum differ by {10 * np.log10(density.max() / density.min()):.0f} dB")
    run = adaptive.nlms(
        source, recorded_through(room_path, source), n_taps, step_size=1.0, far_end_power=float(np.mean(source**2)), snapshot_every=400
    )
    axes[1].plot(run.snapshot_times / sample_rate, metrics.misalignment(room_path, run.snapshots), style, label=name)
axes[0].set(xlabel="Eigenvalue", ylabel="Relative to the largest (dB)", title="Speech uses few of the 64 directions")
axes[1].set(xlabel="Time (s)", ylabel="Misalignment (dB)", title="White noise needs 0.3 s; speech is stuck")
for ax in axes:
    ax.legend()
plt.show()

# %% [markdown]
# In directions where speech has no power, the filter gets no correction. Does it matter? For the echo of *this* voice it does not: an error that no sound excites makes no echo. Another voice will excite it. We come back to this in section 5.
#
# ### 3.3 APA: several constraints at once
#
# NLMS makes the newest equation true and spoils the older ones a little. The **affine projection algorithm** asks for the newest $P$ equations together. With $A = (\mathbf x_n, \mathbf x_{n-1}, \dots, \mathbf x_{n-P+1})$, an $M \times P$ matrix, and the errors $\mathbf e = (y[n], \dots, y[n-P+1])^{\mathsf T} - A^{\mathsf T}\hat h$, the same Lagrangian with $P$ multipliers gives
#
# $$\hat h \leftarrow \hat h + \mu\,A\,(A^{\mathsf T}A + \delta I)^{-1}\,\mathbf e .$$
#
# $P = 1$ is NLMS. Consecutive windows of speech resemble each other, and $(A^{\mathsf T}A)^{-1}$ takes this resemblance away: the filter is corrected along what is *new* in $\mathbf x_n$. It costs about $2MP$ multiplications and a small system of equations.

# %% tags="demo"
speech_in = inputs["speech"]
usual_power = float(np.mean(far_voice**2))
speech_out = recorded_through(room_path, speech_in)
figure, ax = plt.subplots(figsize=(10, 3.2), layout="constrained")
for order, style in zip((1, 2, 4, 16), ["-", "--", "-.", ":"], strict=True):
    run = adaptive.apa(speech_in, speech_out, n_taps, order=order, far_end_power=usual_power, snapshot_every=400)
    curve_db = metrics.misalignment(room_path, run.snapshots)
    ax.plot(run.snapshot_times / sample_rate, curve_db, style, label="order 1: NLMS" if order == 1 else f"order {order}")
    print(f"order {order:2}: {curve_db[-1]:6.1f} dB after {learning_s} s")
ax.set(xlabel="Time (s)", ylabel="Misalignment (dB)", title="Each further constraint makes speech look whiter")
ax.legend()
plt.show()

# %% [markdown]
# ## 4. RLS
#
# ### 4.1 The best filter so far, at every sample
#
# If resemblance is the trouble, why not solve for the best filter outright? At time $n$ ask for the filter that explains *all* samples so far, with the older ones counting less:
#
# $$J_n(\hat h) = \sum_{i=0}^{n}\lambda^{n-i}\big(y[i] - \hat h^{\mathsf T}\mathbf x_i\big)^2 + \delta\,\lambda^{n+1}\lVert\hat h\rVert^2 .$$
#
# The **forgetting factor** $\lambda$, a little below 1, gives the past a memory of about $1/(1-\lambda)$ samples. The second term keeps the beginning well posed, and fades. Setting the gradient to zero gives $\Phi_n\hat h_n = z_n$ with
#
# $$\Phi_n = \lambda\,\Phi_{n-1} + \mathbf x_n\mathbf x_n^{\mathsf T}, \qquad z_n = \lambda\,z_{n-1} + y[n]\,\mathbf x_n, \qquad \Phi_{-1} = \delta I,\quad z_{-1} = 0 .$$
#
# A system of $M$ equations for every sample would cost $M^3/3$ multiplications. But $\Phi$ changes by a matrix of rank one. What does its inverse change by?
#
# ### 4.2 The matrix inversion lemma
#
# For an invertible, symmetric $B$ and a vector $\mathbf x$ with $1 + \mathbf x^{\mathsf T}B^{-1}\mathbf x \ne 0$,
#
# $$(B + \mathbf x\mathbf x^{\mathsf T})^{-1} = B^{-1} - \frac{B^{-1}\mathbf x\,\mathbf x^{\mathsf T}B^{-1}}{1 + \mathbf x^{\mathsf T}B^{-1}\mathbf x} .$$
#
# Check it by multiplying with $B + \mathbf x\mathbf x^{\mathsf T}$. Write $c = \mathbf x^{\mathsf T}B^{-1}\mathbf x$. The product is
# $I + \mathbf x\mathbf x^{\mathsf T}B^{-1} - \dfrac{\mathbf x\,\mathbf x^{\mathsf T}B^{-1} + \mathbf x\,c\,\mathbf x^{\mathsf T}B^{-1}}{1 + c} = I + \mathbf x\mathbf x^{\mathsf T}B^{-1} - \dfrac{(1 + c)\,\mathbf x\mathbf x^{\mathsf T}B^{-1}}{1 + c} = I .$
#
# Take $B = \lambda\Phi_{n-1}$, and call the inverse $P_n = \Phi_n^{-1}$:
#
# $$k_n = \frac{P_{n-1}\mathbf x_n}{\lambda + \mathbf x_n^{\mathsf T}P_{n-1}\mathbf x_n}, \qquad P_n = \frac1\lambda\Big(P_{n-1} - k_n\,\mathbf x_n^{\mathsf T}P_{n-1}\Big).$$
#
# The **gain** $k_n$ is more than an abbreviation. Multiply the definition by its denominator: $\lambda k_n = P_{n-1}\mathbf x_n - k_n\mathbf x_n^{\mathsf T}P_{n-1}\mathbf x_n = \lambda P_n\mathbf x_n$. So $k_n = P_n\mathbf x_n$. Now the filter follows:
#
# $$\hat h_n = P_nz_n = P_n\big(\lambda z_{n-1} + y[n]\,\mathbf x_n\big) = \big(P_{n-1} - k_n\mathbf x_n^{\mathsf T}P_{n-1}\big)z_{n-1} + y[n]\,k_n = \hat h_{n-1} + k_n\underbrace{\big(y[n] - \mathbf x_n^{\mathsf T}\hat h_{n-1}\big)}_{e[n]} .$$
#
# $$\boxed{\;\hat h_n = \hat h_{n-1} + k_n\,e[n]\;}$$
#
# This is LMS with another direction. LMS goes along $\mathbf x_n$. RLS goes along $P_n\mathbf x_n$: the input, made white by the inverse of its own covariance. The eigenvalue spread has cancelled out. The price is $M^2$ numbers to keep, and about $3M^2$ multiplications a sample.

# %% [markdown]
# ### Exercise 5.3 — RLS
#
# *2 points · 15 minutes · medium*
#
# **Outcome.** You can solve a growing least-squares problem at every sample, without solving it.
#
# **Task.** Write `rls_filter(x, y, n_taps, forgetting, regularisation)`: the errors $e[n]$ (made with the filter *before* its update) and the final filter, as before. Start from $\hat h = 0$ and $P = I/\delta$.
#
# **By hand.** One tap, `x = [1, 2]`, `y = [1, 4]`, $\lambda = 1$, $\delta = 1$, so $P = 1$. First $k = 1/(1 + 1) = \frac12$, the error is 1, $\hat h = \frac12$, $P = \frac12$. Then $k = (\frac12\cdot2)/(1 + 2) = \frac13$, the error is $4 - 1 = 3$, $\hat h = \frac32$. Check: the minimum of $(1 - h)^2 + (4 - 2h)^2 + h^2$ is at $9/6$.
#
# **Expected number.** Four taps, coloured input, no noise in `y`, $\lambda = 1$, $\delta = 10^{-8}$: 100 samples bring the filter to nine digits, where NLMS has one or two.

# %% [markdown] hints="rls_filter"
# concept: You never invert a matrix. The state is the filter and the matrix $P$, and each new window changes both.
#
# structure: In the loop: the product $P\mathbf x$ once, the gain from it, the error with the old filter, then the new filter, then the new $P$. Since $P$ is symmetric, $\mathbf x^{\mathsf T}P$ holds the same numbers as $P\mathbf x$.
#
# line: `u = P @ newest`, `k = u / (forgetting + newest @ u)`, and `P = (P - np.outer(k, u)) / forgetting`.

# %% exercise="rls_filter" forbid="course_lib.adaptive course_lib.aec padasip np.linalg.solve np.linalg.inv np.linalg.lstsq np.linalg.pinv scipy.linalg"
def rls_filter(x, y, n_taps, forgetting, regularisation):
    """Return the error at each sample and the final impulse response of recursive least squares."""
    ### BEGIN SOLUTION
    h, newest, e = np.zeros(n_taps), np.zeros(n_taps), np.zeros(len(x))
    P = np.eye(n_taps) / regularisation
    for n in range(len(x)):
        newest = np.concatenate([[x[n]], newest[:-1]])
        u = P @ newest
        k = u / (forgetting + newest @ u)
        e[n] = y[n] - h @ newest
        h = h + k * e[n]
        P = (P - np.outer(k, u)) / forgetting
    return e, h
    ### END SOLUTION


# %% test="rls_filter" points=2
_result = rls_filter(np.array([1.0, 2.0]), np.array([1.0, 4.0]), 1, 1.0, 1.0)
assert isinstance(_result, (tuple, list)) and len(_result) == 2, "Return two arrays, the errors and then the filter: return e, h"
check.close(
    _result[0],
    np.array([1.0, 3.0]),
    name="the errors of one tap",
    mistakes={"this is the error with the new filter: compute it before the update.": [0.5, 1.0]},
)
check.close(
    _result[1],
    np.array([1.5]),
    name="the filter of one tap",
    mistakes={"P did not change: update it at the end of each sample.": [1.7]},
)
_x, _y = np.array([1.0, 2.0, -1.0]), np.array([1.0, 6.0, 1.5])
check.close(
    rls_filter(_x, _y, 2, 0.5, 4.0)[1],
    np.array([119 / 71, 109 / 71]),
    name="the filter of two taps, a forgetting factor of 0.5 and a regularisation of 4",
    mistakes={
        "P starts as δI: it is the inverse of that.": [1.9846489683825084, 1.7621294275051054],
        "the gain's denominator begins with 1: it is the forgetting factor.": [1.435754189944134, 1.3519553072625698],
        "the new P was not divided by the forgetting factor.": [1.4375, 9 / 7],
        "nothing was forgotten.": [1.15, 1.0],
        "P did not change: update it at the end of each sample.": [1.5952380952380951, 9 / 7],
    },
)
check.passed("least squares at every sample, and no system of equations")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("rls_filter")


def _weighted_least_squares(rows, y, forgetting, regularisation):
    _n = len(y)
    _weights = forgetting ** np.arange(_n - 1, -1, -1.0)
    _matrix = (rows * _weights[:, None]).T @ rows + regularisation * forgetting**_n * np.eye(rows.shape[1])
    return np.linalg.solve(_matrix, rows.T @ (_weights * y))


for _n_samples, _n_taps, _forgetting, _delta in [(1, 1, 1.0, 0.5), (2 * int(_rng.integers(8, 20)) + 1, 4, 0.95, 0.1), (2 * int(_rng.integers(8, 20)), 7, 1.0, 1.0), (5, 8, 0.9, 2.0), (40, 1, 0.8, 0.01), (60, 5, 0.99, 1e-3)]:
    _x, _y = _rng.standard_normal((2, _n_samples))
    _before = _x.copy(), _y.copy()
    _rows = np.array([np.concatenate([np.zeros(_n_taps - 1), _x])[_n : _n + _n_taps][::-1] for _n in range(_n_samples)])
    _filters = [np.zeros(_n_taps)] + [_weighted_least_squares(_rows[: _n + 1], _y[: _n + 1], _forgetting, _delta) for _n in range(_n_samples)]
    _errors = np.array([_y[_n] - _rows[_n] @ _filters[_n] for _n in range(_n_samples)])
    for _scale in [1.0, 1e-6, 1e6]:
        _e, _taps = rls_filter(_scale * _x, _scale * _y, _n_taps, _forgetting, _scale**2 * _delta)
        check.close(_e, _scale * _errors, relative_tolerance=1e-6, absolute_tolerance=0.0, name="the errors of random signals")
        check.close(_taps, _filters[-1], relative_tolerance=1e-6, name="the filter, against weighted least squares")
    rls_filter(_x, _y, _n_taps, _forgetting, _delta)
    check.close(_x, _before[0], name="your input x after the call")
    check.close(_y, _before[1], name="your input y after the call")
_e, _taps = rls_filter(np.zeros(12), _y[:12], 3, 1.0, 1.0)
check.close(_e, _y[:12], name="the errors when the far end is silent")
check.close(_taps, np.zeros(3), name="the filter when the far end is silent")
check.close(rls_filter(np.array([1, 2]), np.array([1, 4]), 1, 1, 1)[1], np.array([1.5]), name="the filter of whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 4.3 All four on the voice, and what they cost
#
# The same voice, the first 128 taps of the room, noise 40 dB below the echo. The curves show how far the *remaining echo* lies below the echo, in windows of a quarter of a second. The table counts multiplications for one sample, and shows what one second of sound took on your machine. (The library's `rls` keeps a triangular factor of $P$ in place of $P$: in long runs rounding would make $P$ indefinite, and then it explodes.)

# %% tags="demo"
early = room_path[:128] / np.linalg.norm(room_path[:128])
early_out = recorded_through(early, speech_in)
early_echo = convolution.convolve_fft(speech_in, early)[: len(speech_in)]
contest = {
    "LMS": ("2M", lambda: adaptive.lms(speech_in, early_out, 128, step_size=0.1 / (128 * usual_power))),
    "NLMS": ("2M", lambda: adaptive.nlms(speech_in, early_out, 128, far_end_power=usual_power)),
    "APA, order 4": ("2MP", lambda: adaptive.apa(speech_in, early_out, 128, order=4, far_end_power=usual_power)),
    "RLS": ("3M²", lambda: adaptive.rls(speech_in, early_out, 128, forgetting=0.9999, regularisation=1e-3, far_end_power=usual_power)),
}
figure, ax = plt.subplots(figsize=(10, 3.4), layout="constrained")
print(f"{'method':14} {'cost':>5} {'time for 1 s':>13}   {'echo less, 1st second':>22} {'8th second':>11} {'misalignment':>13}")
for (name, (cost, run_it)), style in zip(contest.items(), [":", "-.", "--", "-"], strict=True):
    run_it()  # the first call compiles, which is not the method's time
    started = time.perf_counter()
    run = run_it()
    cost_ms = 1e3 * (time.perf_counter() - started) / learning_s
    less_db = metrics.erle(early_echo, early_echo - run.estimate, window_s=0.25, hop_s=0.25)
    ax.plot(0.125 + 0.25 * np.arange(len(less_db)), less_db, style, label=name)
    by_second = metrics.erle(early_echo, early_echo - run.estimate, window_s=1.0, hop_s=1.0)
    print(f"{name:14} {cost:>5} {cost_ms:10.1f} ms   {by_second[0]:19.1f} dB {by_second[-1]:8.1f} dB {metrics.misalignment(early, run.impulse_response):10.1f} dB")
ax.set(xlabel="Time (s)", ylabel="Echo less by (dB)", ylim=(-4, 72), title="RLS does not mind that speech is coloured")
ax.legend(loc="lower left", ncols=4)
plt.show()

# %% [markdown]
# In the first second RLS takes 46 dB of the echo away, APA 29, NLMS 24, LMS 14; in the end RLS is 14 dB ahead of everybody. It pays with about two hundred times the multiplications of LMS, and for a real room of 4000 taps with 48 million a sample. APA is ahead of NLMS only at first: its inverse also lets in more of the noise. LMS, with a step as long as the loud vowels allow, is slow.
#
# Now look at the last column. In the end all four leave less than a twentieth of the echo's amplitude, RLS about a thousandth. And yet they are *wrong* about the path: RLS by 5 % of its size, LMS by 40 %. How can a filter that knows the room so badly cancel so well? There are two questions here, and they need two measures.
#
# ## 5. ERLE and misalignment
#
# ### 5.1 Two questions, two measures
#
# **How much echo is gone?** The **echo return loss enhancement** compares the power at the microphone with the power that is left, over a stretch of time:
#
# $$\text{ERLE} = 10\log_{10}\frac{\sum_n y[n]^2}{\sum_n e[n]^2}\ \text{dB}, \qquad\text{over samples } n \text{ in which nobody speaks at the near end.}$$
#
# The condition matters. While you speak, $e$ should hold your voice. A canceller that lets it through has an ERLE near 0 dB then, and one that deletes it along with the echo would win. In a scene whose parts are known one can put the echo $x*h$ in place of $y$, and the *residual echo* in place of $e$. Out there nobody can.
#
# **How well is the path known?** The **misalignment** compares the filter with the truth:
#
# $$\mathcal M = 20\log_{10}\frac{\lVert h - \hat h\rVert}{\lVert h\rVert}\ \text{dB}.$$
#
# At the start, with $\hat h = 0$, it is 0 dB. It needs the true path, so it is a measure for laboratories. If $\hat h$ is shorter than $h$, what it cannot hold counts as error: pad the shorter one with zeros.

# %% [markdown]
# ### Exercise 5.4 — ERLE against time
#
# *1 point · 10 minutes · easy*
#
# **Outcome.** You can read a canceller's progress off a recording, and you know which samples must not count.
#
# **Task.** Write `erle_db(y, e, near_end_active, window_length)`. `near_end_active` holds one truth value for each sample. Cut the time into windows of `window_length` samples, one behind the other; an incomplete last window is left out. Return an array with the ERLE of each window in dB, over the samples in which `near_end_active` is false. Where no sample counts, or $y$ is silent in all that count, there is nothing to cancel and no ERLE: put `np.nan`, of which a curve leaves out just that point. (In no window of ours is $e$ silent while $y$ is not.)
#
# **By hand.** `y = [2, 2, 3, 9, 4, 4, 1]`, `e = [1, 1, 0.3, 9, 4, 4, 1]`, `near_end_active = [False, False, False, True, True, True, False]`, windows of 2. The first window has $8/2 = 4$, so 6.02 dB. In the second only sample 2 counts: $9/0.09 = 100$, so 20 dB. In the third none counts: `nan`. The last sample makes no complete window.
#
# **Expected picture.** The curves of section 11.

# %% [markdown] hints="erle_db"
# concept: Samples with near-end speech must weigh nothing in either sum. If you set them to zero in both signals, they do.
#
# structure: Multiply both signals by "not active". Cut them to a whole number of windows and reshape to `(n_windows, window_length)`. Sum the squares over each window; take the logarithm of the quotient where there is something above, and `nan` elsewhere.
#
# line: `kept = ~np.asarray(near_end_active)`, `energies = (y * kept)[: n * window_length].reshape(n, window_length)`, squared and summed over `axis=1`; then `np.divide(above, below, out=np.full(n, np.nan), where=above > 0)`, or a loop with an `if`.

# %% exercise="erle_db" forbid="course_lib.metrics"
def erle_db(y, e, near_end_active, window_length):
    """Return the ERLE in dB of each complete window, over the samples without near-end speech."""
    ### BEGIN SOLUTION
    n_windows = len(y) // window_length
    kept = ~np.asarray(near_end_active, dtype=bool)
    energies = [np.sum((signal * kept)[: n_windows * window_length].reshape(n_windows, window_length) ** 2.0, axis=1) for signal in (y, e)]
    ratio = np.divide(*energies, out=np.full(n_windows, np.nan), where=energies[0] > 0)
    return 10 * np.log10(ratio)
    ### END SOLUTION


# %% test="erle_db" points=1
_y, _e = np.array([2.0, 2.0, 3.0, 9.0, 4.0, 4.0, 1.0]), np.array([1.0, 1.0, 0.3, 9.0, 4.0, 4.0, 1.0])
_active = np.array([False, False, False, True, True, True, False])
_erle = erle_db(_y, _e, _active, 2)
check.shape(_erle, (3,), name="erle_db on the example", mistakes={"the last sample makes no complete window: leave it out.": 4})
assert np.isfinite(_erle[0]), f"Both samples of the first window count, and yet its ERLE is {_erle[0]}. Were the samples *with* near-end speech counted?"
check.close(
    _erle[:2],
    np.array([10 * np.log10(4), 20.0]),
    name="erle_db on the first two windows of the example",
    mistakes={
        "near-end speech was counted: leave out the samples in which it is active.": [10 * np.log10(4), 10 * np.log10(90 / 81.09)],
        "near-end speech was left out of e alone: y must lose the same samples.": [10 * np.log10(4), 10 * np.log10(90 / 0.09)],
        "the fraction is upside down: the microphone stands above, the error below.": [-10 * np.log10(4), -20.0],
        "energies need 10 · log10, not 20.": [20 * np.log10(4), 40.0],
        "amplitudes were summed: square them first.": [10 * np.log10(2), 10.0],
        "the logarithm is to base 10.": [10 * np.log(4), 10 * np.log(100)],
    },
)
check.close(_erle[2:], np.array([np.nan]), name="erle_db on the third window, in which nothing counts,")
check.close(erle_db(np.array([0.0, 0.0, 3.0, 3.0]), np.ones(4), np.zeros(4, bool), 2), np.array([np.nan, 10 * np.log10(9)]), name="erle_db where the microphone is silent in the first window")
check.close(erle_db(1e-6 * _y, 1e-6 * _e, _active, 2), np.array([10 * np.log10(4), 20.0, np.nan]), name="the same, 120 dB softer: a constant in a denominator is heard there")
check.passed("what your partner gains, in dB")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("erle_db")
for _n_samples, _window_length in [(1, 1), (2 * int(_rng.integers(20, 60)) + 1, 7), (2 * int(_rng.integers(20, 60)), 8), (30, 31), (64, 64), (50, 1)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _y, _e = _scale * _rng.standard_normal((2, _n_samples))
        _active = _rng.random(_n_samples) < 0.3
        _before = _y.copy(), _e.copy(), _active.copy()
        _expected = []
        for _start in range(0, _n_samples - _window_length + 1, _window_length):
            _counts = [_n for _n in range(_start, _start + _window_length) if not _active[_n]]
            _expected.append(10 * np.log10(sum(_y[_n] ** 2 for _n in _counts) / sum(_e[_n] ** 2 for _n in _counts)) if _counts else np.nan)
        check.close(erle_db(_y, _e, _active, _window_length), np.array(_expected), relative_tolerance=1e-9, name="the ERLE of random signals")
        for _array, _copy, _name in zip((_y, _e, _active), _before, ["y", "e", "near_end_active"]):
            check.close(_array, _copy, name=f"your input {_name} after the call")
check.close(erle_db(np.zeros(12), np.zeros(12), np.zeros(12, bool), 4), np.full(3, np.nan), name="the ERLE of silence")
check.close(erle_db(np.zeros(12), np.ones(12), np.zeros(12, bool), 4), np.full(3, np.nan), name="the ERLE where the microphone is silent and the error is not")
check.close(erle_db(_y, _e, np.ones(50, bool), 10), np.full(5, np.nan), name="the ERLE of nothing but double talk")
_speech = _rng.random(12) < 0.5
_speech[::4], _speech[1::4] = True, False
check.close(erle_db(_speech * _y[:12], _e[:12], _speech, 4), np.full(3, np.nan), name="the ERLE where the microphone is silent except for near-end speech")
check.close(erle_db(np.array([3, 3, 2]), np.array([1, 1, 2]), np.zeros(3, bool), 2), np.array([10 * np.log10(9)]), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 5.5 — Misalignment
#
# *1 point · 6 minutes · easy*
#
# **Outcome.** You can draw the learning curve of any filter whose goal is known.
#
# **Task.** Write `misalignment_db(h, snapshots)`: `h` is the true path, `snapshots` an array `(n_snapshots, n_taps)` with one estimate in each row. `n_taps` may be smaller or larger than `len(h)`. Return the misalignment in dB of each row. (`h` is never zero, and no row hits it exactly.)
#
# **By hand.** `h = [3, 4]`, `snapshots = [[6], [2]]`. Padded, the differences are $(-3, 4)$ and $(1, 4)$, and $\lVert h\rVert = 5$: 0 dB (no better than nothing) and $20\log_{10}(\sqrt{17}/5) = -1.68$ dB.
#
# **Expected number.** A filter that is wrong by 1 % everywhere has −40 dB.

# %% [markdown] hints="misalignment_db"
# concept: Beyond its last tap, an impulse response is zero. So two responses of different lengths can be subtracted after padding.
#
# structure: Pad `h`, or the rows, to the longer of the two lengths. Subtract, take the norm of each row, divide by the norm of `h`.
#
# line: With `n = max(len(h), snapshots.shape[1])`, rows are padded by `np.pad(snapshots, ((0, 0), (0, n - snapshots.shape[1])))`; norms of rows come from `np.linalg.norm(difference, axis=1)`.

# %% exercise="misalignment_db" forbid="course_lib.metrics"
def misalignment_db(h, snapshots):
    """Return 20 log10 of the distance of each row of snapshots from h, relative to the norm of h."""
    ### BEGIN SOLUTION
    n_taps = max(len(h), snapshots.shape[1])
    truth = np.pad(h, (0, n_taps - len(h)))
    estimates = np.pad(snapshots, ((0, 0), (0, n_taps - snapshots.shape[1])))
    return 20 * np.log10(np.linalg.norm(estimates - truth, axis=1) / np.linalg.norm(truth))
    ### END SOLUTION


# %% test="misalignment_db" points=1
check.close(
    misalignment_db(np.array([3.0, 4.0]), np.array([[6.0], [2.0]])),
    np.array([0.0, 10 * np.log10(17 / 25)]),
    name="misalignment_db on the example",
    mistakes={
        "the part of h that the filter cannot hold counts as error: pad with zeros.": [20 * np.log10(3 / 5), 20 * np.log10(1 / 5)],
        "h was cut to the filter's length: pad the filter with zeros instead.": [0.0, 20 * np.log10(1 / 3)],
        "norms need 20 · log10.": [0.0, 5 * np.log10(17 / 25)],
        "relative to the estimate's norm: divide by that of h.": [20 * np.log10(5 / 6), 10 * np.log10(17 / 4)],
        "the absolute distance: divide by the norm of h.": [20 * np.log10(5), 10 * np.log10(17)],
        "the two norms were compared: take the norm of the difference.": [20 * np.log10(1 / 5), 20 * np.log10(3 / 5)],
        "the sum of absolute differences was taken: it is the root of the sum of squares.": [0.0, 20 * np.log10(5 / 7)],
        "the norm goes along each row: axis=1.": [10 * np.log10(10 / 25), 10 * np.log10(32 / 25)],
    },
)
check.close(
    misalignment_db(np.array([3.0, 4.0]), np.array([[3.0, 4.3, 0.4], [2.0, 4.0, 0.0]])),
    np.array([-20.0, 20 * np.log10(0.2)]),
    name="filters longer than the path",
    mistakes={"the taps beyond the end of h were cut off: they are errors too.": [20 * np.log10(0.06), 20 * np.log10(0.2)]},
)
check.passed("0 dB knows nothing, −40 dB is wrong by one per cent")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("misalignment_db")
for _n_true, _n_taps, _n_snapshots in [(1, 1, 1), (2 * int(_rng.integers(3, 20)) + 1, 5, 4), (4, 2 * int(_rng.integers(3, 20)), 9), (12, 12, 1), (30, 29, 3)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _h, _snapshots = _scale * _rng.standard_normal(_n_true), _scale * _rng.standard_normal((_n_snapshots, _n_taps))
        _before = _h.copy(), _snapshots.copy()
        _common = min(_n_true, _n_taps)
        _squares = [np.sum((_row[:_common] - _h[:_common]) ** 2) + np.sum(_row[_common:] ** 2) + np.sum(_h[_common:] ** 2) for _row in _snapshots]
        check.close(misalignment_db(_h, _snapshots), 10 * np.log10(np.array(_squares) / np.sum(_h**2)), name="the misalignment of random filters")
        check.close(_h, _before[0], name="your input h after the call")
        check.close(_snapshots, _before[1], name="your input snapshots after the call")
check.close(misalignment_db(_h, np.zeros((3, 7))), np.zeros(3), name="the misalignment of a filter that knows nothing")
check.close(misalignment_db(_h, 1.01 * _h[None]), np.array([-40.0]), name="a filter that is wrong by one per cent")
check.close(misalignment_db(np.array([3, 4]), np.array([[3], [0]])), np.array([20 * np.log10(0.8), 0.0]), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 5.2 Much cancelled, little known
#
# Do the two measures say the same? Let the far end be a hum for 4 s: five harmonics of 200 Hz. Then the voice comes. NLMS, 512 taps, the path of section 3.
#
# **Predict.** Where will the ERLE be at 3.9 s, and where the misalignment? What happens at 4 s?

# %% tags="demo"
n_hum = 4 * sample_rate
hum = sum(np.sin(2 * np.pi * 200 * k * np.arange(n_hum) / sample_rate + k) / k for k in range(1, 6))
hum_then_voice = np.concatenate([0.07 * hum / np.sqrt(np.mean(hum**2)), far_voice[:n_hum]])
heard = recorded_through(room_path, hum_then_voice, noise_db=-45.0)
run = adaptive.nlms(hum_then_voice, heard, n_taps, far_end_power=usual_power, snapshot_every=400)
figure, ax = plt.subplots(figsize=(10, 3.2), layout="constrained")
erle_by_window = metrics.erle(heard, run.error, window_s=0.1, hop_s=0.1, sample_rate=sample_rate)
curve_db = metrics.misalignment(room_path, run.snapshots)
ax.plot(0.05 + 0.1 * np.arange(len(erle_by_window)), erle_by_window, label="ERLE")
ax.plot(run.snapshot_times / sample_rate, -curve_db, "--", label="misalignment, upside down")
ax.axvline(4, color="0.5", linewidth=0.8)
ax.set(xlabel="Time (s)", ylabel="dB (higher is better)", title="The hum is cancelled by a filter that knows next to nothing about the room")
ax.legend()
plt.show()
print(f"at 3.9 s: ERLE {erle_by_window[38]:.1f} dB, misalignment {curve_db[155]:.1f} dB; from 4.0 to 4.1 s: ERLE {erle_by_window[40]:.1f} dB")

# %% [markdown]
# Ten numbers (an amplitude and a phase for each harmonic) cancel the hum. The other 502 degrees of freedom are still where they started. The ERLE says how well *this* sound is cancelled, the misalignment how well *any* would be. A filter that stands still on a hum has learnt the hum.
#
# ## 6. Echo models by gradient descent
#
# ### 6.1 The waveform domain: lesson 01's convolution as a model
#
# Suppose the recording is complete: a minute of a call, to be repaired afterwards. Then nothing forces us to take samples one by one. Take the convolution of lesson 01 as a module whose kernel is a parameter, and let PyTorch walk downhill over the whole recording. For $N$ samples and $M$ taps,
#
# $$\hat y = (x * \hat h)[0 \dots N-1], \qquad \text{loss}(\hat h) = \frac1N\sum_{n=0}^{N-1}\big(y[n] - \hat y[n]\big)^2, \qquad \hat h \leftarrow \hat h - \mu\,\nabla\text{loss}.$$
#
# This is steepest descent on the *measured* mean: section 2.2 without any expectation. The same bound on the step holds, with $2R$ in place of $R$ (there is no ½ in this loss). And as with any training, one keeps the best of all that was seen.
#
# A trap lies in that last sentence. `best = h` does not keep anything: it gives the one tensor a second name, and the optimiser changes that tensor *in place*. After the training your "best" is the last. Keep a **copy**: `best = h.detach().clone()`.

# %% [markdown]
# ### Exercise 5.6 — An echo model in the waveform domain
#
# *2 points · 20 minutes · medium*
#
# **Outcome.** You can fit a physical model by gradient descent, and you return the model that you promised.
#
# **Task.** Write `fit_echo_model(x, y, n_taps, step_size, n_steps)` for two tensors of $N$ samples, of dtype float64. Start from zeros. In each of the `n_steps` steps compute the loss, note it, keep a copy of the filter if its loss is the lowest so far, and walk one step of plain gradient descent. Return the best filter (a tensor of `n_taps` that requires no gradient), and a list of the `n_steps` losses as numbers. The estimate $\hat y$ has as many samples as $y$: keep the first $N$ of the convolution.
#
# **By hand.** One tap, `x = [1, 2]`, `y = [1, 3]`. At $\hat h = 0$ the loss is $(1 + 9)/2 = 5$ and the gradient $-2(1\cdot1 + 3\cdot2)/2 = -7$. With a step of 0.1 the filter becomes 0.7, with the loss $(0.3^2 + 1.6^2)/2 = 1.325$. Two steps return 0.7 and `[5, 1.325]`. With a step of 0.5 the filter jumps to 3.5, with the loss 11.125: the best is still 0.
#
# **Expected number.** In the example, 100 steps of 0.1 bring the loss to 0.1 and the filter to 1.4. (The minimum of the loss is not zero: no single tap explains both samples.)

# %% [markdown] hints="fit_echo_model"
# concept: `backward` computes the gradient for you. What is left to you are the convolution that keeps the past on the correct side, and the bookkeeping.
#
# structure: A parameter `h` with `requires_grad=True`. In the loop: the convolution by `conv1d` (flipped kernel, zeros in front only), the loss, the list, the copy if it is better, `backward`, and the step inside `torch.no_grad()`. Set the gradient to zero, or it adds up.
#
# line: `y_hat = torch.nn.functional.conv1d(torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None], h.flip(0)[None, None])[0, 0]`; after `loss.backward()`: `with torch.no_grad(): h -= step_size * h.grad`, and `h.grad = None`.

# %% exercise="fit_echo_model" forbid="course_lib.aec course_lib.adaptive course_lib.convolution"
def fit_echo_model(x, y, n_taps, step_size, n_steps):
    """Fit an impulse response by gradient descent; return a copy of the best one and the list of losses."""
    ### BEGIN SOLUTION
    h = torch.zeros(n_taps, dtype=x.dtype, requires_grad=True)
    padded = torch.nn.functional.pad(x, (n_taps - 1, 0))[None, None]
    losses, best = [], None
    for _ in range(n_steps):
        y_hat = torch.nn.functional.conv1d(padded, h.flip(0)[None, None])[0, 0]
        loss = torch.mean((y - y_hat) ** 2)
        losses.append(loss.item())
        if losses[-1] == min(losses):
            best = h.detach().clone()
        (gradient,) = torch.autograd.grad(loss, h)
        with torch.no_grad():
            h -= step_size * gradient
    return best, losses
    ### END SOLUTION


# %% test="fit_echo_model" points=2
_x, _y = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([1.0, 3.0], dtype=torch.float64)
_result = fit_echo_model(_x, _y, 1, 0.1, 2)
assert isinstance(_result, (tuple, list)) and len(_result) == 2, "Return two things, the best filter and then the list of losses: return best, losses"
check.close(
    _result[1],
    [5.0, 1.325],
    name="the losses of two steps",
    mistakes={
        "the errors were summed: the loss is their mean.": [10.0, 0.8],
        "the loss was noted after the step: first note, then walk.": [1.325, 0.40625],
        "the gradient's sign is wrong: walk downhill.": [5.0, 16.025],
    },
)
assert not any(torch.is_tensor(_loss) for _loss in _result[1]), "The losses are still tensors. Note numbers: loss.item() gives one."
assert _result[0] is not None, "The best filter was never set. The first loss is the lowest so far: compare with infinity at the start."
check.close(
    _result[0],
    torch.tensor([0.7], dtype=torch.float64),
    name="the filter after two steps",
    mistakes={
        "the best filter was never updated: the second loss is lower than the first.": [0.0],
        "this is the filter after the last step, not the one with the lowest noted loss: return a copy (clone), taken before the step.": [1.05],
    },
)
check.close(
    fit_echo_model(_x, _y, 1, 0.5, 2)[0],
    torch.tensor([0.0], dtype=torch.float64),
    name="the best filter when the step is too long",
    mistakes={
        "the best filter was not copied, and later steps changed it: best = h.detach().clone().": [-1.75],
        "this is the last filter that was assessed, not the best.": [3.5],
    },
)
_x, _y = torch.tensor([1.0, 0.0, -1.0, 2.0], dtype=torch.float64), torch.tensor([0.0, 2.0, 0.0, -2.0], dtype=torch.float64)
check.close(
    fit_echo_model(_x, _y, 2, 0.25, 200)[0],
    torch.tensor([0.0, 2.0], dtype=torch.float64),
    absolute_tolerance=1e-6,
    name="two taps after 200 steps",
    mistakes={
        "the kernel is not flipped: conv1d correlates.": [2.0, 0.0],
        "the zeros stand behind x: the filter needs them in front, where its past is.": [-0.76923077, -0.92307692],
    },
)
check.passed("downhill, and the best is kept")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("fit_echo_model")
for _n_samples, _n_taps, _step, _n_steps in [(1, 1, 0.1, 1), (2 * int(_rng.integers(10, 40)) + 1, 4, 0.1, 9), (2 * int(_rng.integers(10, 40)), 7, 0.05, 12), (6, 9, 0.05, 5), (50, 3, 2.5, 6)]:
    _x, _y = _rng.standard_normal((2, _n_samples))
    _rows = np.array([np.concatenate([np.zeros(_n_taps - 1), _x])[_n : _n + _n_taps][::-1] for _n in range(_n_samples)])
    for _scale in [1.0, 1e-6, 1e6]:
        _h, _losses, _filters = np.zeros(_n_taps), [], []
        for _ in range(_n_steps):
            _residual = _y - _rows @ _h
            _losses.append(np.mean(_residual**2))
            _filters.append(_h)
            _h = _h + 2 * _step * _rows.T @ _residual / _n_samples
        _x_tensor, _y_tensor = torch.from_numpy(_scale * _x), torch.from_numpy(_scale * _y)
        _best, _noted = fit_echo_model(_x_tensor, _y_tensor, _n_taps, _step / _scale**2, _n_steps)
        check.close(_noted, (_scale**2 * np.array(_losses)).tolist(), relative_tolerance=1e-8, absolute_tolerance=0.0, name="the losses of random signals")
        check.close(_best, torch.from_numpy(_filters[int(np.argmin(_losses))]), relative_tolerance=1e-8, name="the best filter of random signals")
        assert not _best.requires_grad, "The best filter still requires a gradient: detach it."
        check.close(_x_tensor, torch.from_numpy(_scale * _x), name="your input x after the call")
        check.close(_y_tensor, torch.from_numpy(_scale * _y), name="your input y after the call")
_best, _noted = fit_echo_model(torch.zeros(9, dtype=torch.float64), torch.ones(9, dtype=torch.float64), 3, 0.1, 4)
check.close(_best, torch.zeros(3, dtype=torch.float64), name="the best filter when the far end is silent")
check.close(_noted, [1.0, 1.0, 1.0, 1.0], name="the losses when the far end is silent")
### END HIDDEN TESTS

# %% [markdown]
# ### 6.2 What a training loss can hide
#
# The loss compares $\hat y$ with the microphone, since the microphone is all that we have. The microphone holds more than echo. How small *can* the loss be? In a simulation the true echo is known, and one can ask an oracle which loss the *true* model has:
#
# $$\text{oracle loss} = \frac1N\sum_n\big(y[n] - (x * h)[n]\big)^2 = \frac1N\sum_n v[n]^2 ,$$
#
# where, in this section, $v$ stands for all that is not echo, near end included. What we *want* is a third number, the power of the echo that remains, $u = x * h - \hat y$. Since $y - \hat y = u + v$, the three are tied together:
#
# $$\boxed{\;\text{loss} = \underbrace{\frac1N\sum_n v[n]^2}_{\text{oracle loss}} + \underbrace{\frac1N\sum_n u[n]^2}_{\text{remaining echo}} + \frac2N\sum_n u[n]\,v[n]\;}$$
#
# The library's `aec.echo_models.fit_waveform_model` is your loop with a better optimiser. It works on random segments, divides the gradient by the power of the far end at each frequency, and adds momentum. It logs the loss, the oracle loss, and the remaining echo. We fit two recordings of white noise through the path of section 3, with a hiss as loud as the echo: 4 s, and 0.06 s. Both models have 512 taps.
#
# **Predict.** The training lowers the loss. Will it stop above the oracle loss, at it, or below it? And on the right, where there are two samples for each tap?

# %% tags="demo"
from course_lib.aec import echo_models

n_threads = torch.get_num_threads()
torch.set_num_threads(1)  # a batch is small: several threads would mostly wait for one another
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
for ax, (n_samples, n_epochs, segment_length) in zip(axes, [(64_000, 40, 4096), (1_000, 150, 500)], strict=True):
    rng = np.random.default_rng(4)
    source = rng.standard_normal(n_samples)
    echo = convolution.convolve_fft(source, room_path)[:n_samples]
    hiss = rng.standard_normal(n_samples) * np.sqrt(np.mean(echo**2))
    fit = echo_models.fit_waveform_model(
        source, echo + hiss, n_taps, rng=rng, echo=echo, learning_rate=0.1, n_epochs=n_epochs, segment_length=segment_length
    )
    remaining_db = 10 * np.log10(np.mean(echo**2) / np.mean((echo + hiss) ** 2)) - fit.echo_snr_db
    ax.plot(10 * np.log10(fit.losses), label="loss")
    ax.plot(remaining_db, "--", label="remaining echo")
    ax.axhline(10 * np.log10(fit.oracle_loss), color="0.3", linestyle=":", label="oracle loss")
    ax.set_xlabel("Epoch")
    print(f"{n_samples / sample_rate:.3g} s: loss {10 * np.log10(fit.losses[-1]):.1f} dB, oracle loss {10 * np.log10(fit.oracle_loss):.1f} dB, remaining echo {remaining_db[-1]:.1f} dB (at best {remaining_db.min():.1f} dB)")
torch.set_num_threads(n_threads)
axes[0].set(ylabel="Re microphone (dB)", title="4 s: the loss stops at the oracle's")
axes[1].set_title("0.06 s: it falls below, and the echo comes back")
axes[0].legend()
plt.show()

# %% [markdown]
# ### Exercise 5.7 — Loss and oracle loss (written)
#
# *2 points · 12 minutes · medium*
#
# **(a)** Why is the oracle loss not zero, and why does the loss lie above it during most of the training? Go through the three terms of the boxed equation. **(b)** On the right the loss falls *below* the oracle loss, while the remaining echo grows. How can a model beat the truth? Say what the model is learning there, and which of the terms shows it. **(c)** You train on a real recording, and have no oracle. Name two things that you can do so that the model you keep is a good one.

# %% [markdown] hints="oracle_loss"
# concept: The noise is part of what the loss asks the model to explain. Can a filter of the far end explain it? That depends on how many taps it has, and on how many samples it must explain.
#
# structure: For (a) say what each of the three terms is when $\hat h$ is far from $h$, and when $\hat h \approx h$. For (b) ask which sign the third term must have if the loss is to fall below the first. For (c) think of data that the fit has not seen, and of the number of taps.
#
# line: Begin with "Even with $\hat h = h$ the loss is …, because …; the third term averages out as long as …".

# %% [markdown] written="oracle_loss" points=2
# ### BEGIN SOLUTION
# (a) The microphone holds near end and noise as well as echo, and they are no part of the echo: with $\hat h = h$ there is no remaining echo, and the loss is still $\frac1N\sum v^2$. This is the oracle loss. While $\hat h$ differs from $h$, the remaining echo $\frac1N\sum u^2 > 0$ comes on top. The cross term averages out, because $v$ does not depend on $x$, and $u$ is a filtered $x$: with few taps and many samples it is small. So the loss lies above the oracle loss, and comes down to it as the remaining echo vanishes.
#
# (b) With many taps for few samples the filter has the freedom to imitate part of $v$ itself: it finds combinations of delayed copies of $x$ that happen to resemble *this* noise. Then $\hat y$ contains a part of $v$, so $u = x*h - \hat y$ is correlated *negatively* with $v$, the third term is negative and larger than the second, and the loss falls below the oracle loss. What imitates $v$ is an error of the filter: the remaining echo grows. The model overfits. (For white $v$, the least-squares fit of $M$ taps to $N$ samples has the loss $\sigma_v^2(1 - M/N)$ and the remaining echo $\sigma_v^2M/N$.) A loss below the oracle's is no success.
#
# (c) Hold out a part of the recording, compute the loss there, and stop (or choose the snapshot) where that is lowest; take no more taps than the data can determine, or a longer recording; penalise long or large filters; leave out stretches with near-end speech.
#
# **Rubric**
#
# - 1 point: (a) the oracle loss is the power of near end and noise, which belong to no echo; the remaining echo comes on top, and the cross term averages out.
# - 1 point: (b) the model fits the noise (overfitting), seen as a negative cross term; and (c) at least one sensible remedy (held-out data or early stopping, fewer taps, more data, regularisation).
# ### END SOLUTION

# %% [markdown]
# ### 6.3 The STFT domain: one short filter for each frequency
#
# Lesson 01 convolved in the STFT domain: if the frame is long compared with $h$, each frequency needs one complex factor. A room is longer than a frame. But an echo that comes three frames later is the present frame's sound as it was three frames ago. So give every frequency a short filter *across frames*, with $P$ complex taps:
#
# $$\boxed{\;\hat Y[k,m] = \sum_{p=0}^{P-1} H[k,p]\,X[k,m-p]\;}$$
#
# This is a convolution along $m$, once for each $k$, and no frequency looks at another. PyTorch calls it a **grouped** convolution: as many groups as channels, each with a kernel of its own. `conv1d` takes complex tensors.

# %% [markdown]
# ### Exercise 5.8 — An echo model in the STFT domain
#
# *2 points · 15 minutes · medium*
#
# **Outcome.** You can filter a spectrogram along its frames with a filter that gradients can reach.
#
# **Task.** Write `stft_echo_model(X, H)` for two complex tensors: the STFT of the far end `(n_freqs, n_frames)`, and the taps `(n_freqs, n_taps)`. Return $\hat Y$ `(n_freqs, n_frames)`; before the first frame $X$ is zero. One call of `torch.nn.functional.conv1d` with `groups` does it. A sum of `n_taps` shifted products is as good; a loop over hundreds of frequencies would be slow. Stay in PyTorch, so that gradients reach `H`.
#
# **By hand.** Two frequencies, `X = [[1, 2, 0], [1j, 0, 1]]`, `H = [[1, 1j], [2, 1]]`. The first row becomes $(1,\ 2 + j,\ 2j)$, the second $(2j,\ j,\ 2)$.
#
# **Expected number.** With 257 frequencies, 1000 frames and 8 taps it takes less than a tenth of a second.

# %% [markdown] hints="stft_echo_model"
# concept: Frequencies are channels here, and frames are the samples. Each channel has its own kernel, and PyTorch correlates.
#
# structure: Put `n_taps - 1` frames of zeros in front of `X`, add the batch axis, flip the kernels along their taps, give them the shape `(n_freqs, 1, n_taps)`, and ask for `n_freqs` groups.
#
# line: `torch.nn.functional.conv1d(padded[None], H.flip(1)[:, None], groups=H.shape[0])[0]`, with `padded = torch.nn.functional.pad(X, (H.shape[1] - 1, 0))`.

# %% exercise="stft_echo_model" forbid="course_lib.aec course_lib.adaptive course_lib.convolution"
def stft_echo_model(X, H):
    """Convolve each frequency's frames with its own complex taps; return (n_freqs, n_frames)."""
    ### BEGIN SOLUTION
    n_freqs, n_taps = H.shape
    padded = torch.nn.functional.pad(X, (n_taps - 1, 0))
    return torch.nn.functional.conv1d(padded[None], H.flip(1)[:, None], groups=n_freqs)[0]
    ### END SOLUTION


# %% test="stft_echo_model" points=2
_X = torch.tensor([[1, 2, 0], [1j, 0, 1]], dtype=torch.complex128)
_H = torch.tensor([[1, 1j], [2, 1]], dtype=torch.complex128)
_Y = stft_echo_model(_X, _H)
check.shape(_Y, (2, 3), name="stft_echo_model on the example", mistakes={"the frames ring on behind the end: keep the first n_frames.": (2, 4), "zeros are missing in front of the first frame.": (2, 2), "the batch axis is still there.": (1, 2, 3)})
check.close(
    _Y,
    torch.tensor([[1, 2 + 1j, 2j], [2j, 1j, 2]], dtype=torch.complex128),
    name="stft_echo_model on the example",
    mistakes={
        "the taps are not flipped: conv1d correlates.": [[1j, 1 + 2j, 2], [1j, 2j, 1]],
        "the zeros stand behind the last frame: the past is in front.": [[2 + 1j, 2j, 0], [1j, 2, 1]],
        "the taps are conjugated: H multiplies as it is.": [[1, 2 - 1j, -2j], [2j, 1j, 2]],
        "only the first tap was used.": [[1, 2, 0], [2j, 0, 2]],
    },
)
_taps = torch.tensor([[1.0 + 0j, 0.5]], dtype=torch.complex128, requires_grad=True)
_Y = stft_echo_model(torch.tensor([[1.0 + 0j, 2.0]], dtype=torch.complex128), _taps)
assert _Y.requires_grad, "Your result remembers nothing of H. Stay in PyTorch: no detach, no numpy, no data."
_Y.abs().square().sum().backward()
assert _taps.grad is not None, "No gradient reaches H. Something cut it off on the way: detach, numpy or data."
check.close(_taps.grad, torch.tensor([[12.0 + 0j, 5.0]], dtype=torch.complex128), name="the gradient of the energy with respect to H")
check.passed("every frequency has a filter of its own")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("stft_echo_model")


def _complex_normal(*shape):
    return _rng.standard_normal(shape) + 1j * _rng.standard_normal(shape)


for _n_freqs, _n_frames, _n_taps in [(1, 1, 1), (2 * int(_rng.integers(3, 20)) + 1, 2 * int(_rng.integers(3, 20)), 4), (6, 2 * int(_rng.integers(3, 20)) + 1, 1), (1, 12, 5), (9, 3, 7)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _X, _H = _scale * _complex_normal(_n_freqs, _n_frames), _complex_normal(_n_freqs, _n_taps)
        _X_tensor, _H_tensor = torch.from_numpy(_X.copy()), torch.from_numpy(_H.copy())
        _expected = np.stack([np.convolve(_row, _kernel)[:_n_frames] for _row, _kernel in zip(_X, _H)])
        check.close(stft_echo_model(_X_tensor, _H_tensor), torch.from_numpy(_expected), relative_tolerance=1e-10, name="the echo of a random spectrogram")
        check.close(_X_tensor, torch.from_numpy(_X), name="your input X after the call")
        check.close(_H_tensor, torch.from_numpy(_H), name="your input H after the call")
_leaf = torch.from_numpy(_complex_normal(4, 3)).requires_grad_()
_spectrum, _weights = _complex_normal(4, 11), _complex_normal(4, 11)
(stft_echo_model(torch.from_numpy(_spectrum), _leaf) * torch.from_numpy(_weights)).real.sum().backward()
_gradient = np.stack([[np.conj(np.sum(_weights[_k, _p:] * _spectrum[_k, : 11 - _p])) for _p in range(3)] for _k in range(4)])
check.close(_leaf.grad, torch.from_numpy(_gradient), name="the gradient with respect to H")
check.close(stft_echo_model(torch.zeros(3, 8, dtype=torch.complex128), _leaf.detach()[:3]), torch.zeros(3, 8, dtype=torch.complex128), name="silence")
### END HIDDEN TESTS

# %% [markdown]
# ### 6.4 Which loss, and which domain?
#
# Two losses suggest themselves. The **spectral loss** is $\frac1{KM}\sum|Y - \hat Y|^2$, computed where the model lives. The **waveform loss** goes back by the inverse STFT first, and compares sounds. Are they the same? Not quite. $\hat Y$ is in general not the spectrogram of any sound (lesson 01, section 8). The spectral loss counts the inconsistent part, which nobody will hear; the waveform loss counts only what remains after the projection.
#
# And the model itself? With ordinary frames $\hat Y$ cannot be exact: lesson 01, section 7.1. Both windows cut, and taps that fall between two frames leak into neighbouring frequencies, which the model does not have. There is a floor, whatever the optimiser does.
#
# The cell below fits 6 s of the voice through the whole path of our call (T₆₀ = 0.3 s), with noise 60 dB below the echo, so that every other limit shows: the waveform model, with two optimisers, and the STFT model (frames of 1024 samples), with either loss. It takes ten seconds or so.

# %% tags="demo"
n_fit = 6 * sample_rate
fit_far = far_voice[:n_fit]
fit_echo = convolution.convolve_fft(fit_far, call.impulse_responses[0])[:n_fit]
fit_heard = recorded_through(call.impulse_responses[0], fit_far, noise_db=-60.0)
common = {"echo": fit_echo, "n_epochs": 40}
n_threads = torch.get_num_threads()
torch.set_num_threads(1)
fits = {
    "waveform": echo_models.fit_waveform_model(fit_far, fit_heard, 4800, rng=np.random.default_rng(0), **common),
    "waveform, Adam": echo_models.fit_waveform_model(fit_far, fit_heard, 4800, rng=np.random.default_rng(0), optimiser="adam", **common),
    "STFT, spectral loss": echo_models.fit_stft_model(fit_far, fit_heard, 4800, rng=np.random.default_rng(0), **common),
    "STFT, waveform loss": echo_models.fit_stft_model(fit_far, fit_heard, 4800, rng=np.random.default_rng(0), loss="waveform", **common),
}
torch.set_num_threads(n_threads)
figure, ax = plt.subplots(figsize=(10, 3.6), layout="constrained")
for (name, fit), style in zip(fits.items(), ["-", ":", "--", "-."], strict=True):
    ax.plot(fit.echo_snr_db, style, label=name)
    there = f"40 dB after {np.argmax(fit.echo_snr_db >= 40)} epochs" if fit.echo_snr_db.max() >= 40 else "never at 40 dB"
    n_numbers = sum(p.numel() * (2 if p.is_complex() else 1) for p in fit.model.parameters())
    print(f"{name:20} {n_numbers:6} real numbers, {1e3 * fit.seconds[-1] / 40:4.0f} ms an epoch, remaining echo {-fit.echo_snr_db[-1]:6.1f} dB, {there}")
ax.set(xlabel="Epoch (the whole recording, once)", ylabel="Echo re what remains (dB)", title="The waveform model reaches the noise, the STFT model its own floor")
ax.legend()
plt.show()

# %% [markdown]
# *Quality.* The waveform model comes down to the noise, 60 dB below the echo: it contains the truth. The STFT model comes to rest at its floor, a little more than 40 dB below, although it has more than four times as many numbers. (Frames of 512 samples cost it another 6 dB. The two neighbouring frequencies, `n_cross_bands=1`, give 2 to 3 dB back, for three times as many numbers.) The waveform loss ends 2 dB lower than the spectral one. It need not care about what nobody hears. For a call with noise 30 dB below the echo, all three are good enough.
#
# *Speed and stability.* Adam scales each tap by itself. That does not help against an eigenvalue spread, which lies between *frequencies*: after forty epochs it has 16 dB, and at first it made the echo louder. The solid curve divides the gradient by the far end's power at each frequency before it takes a step. In the STFT domain this is natural, since each frequency has its own few numbers and its own largest step. The waveform model had to borrow it, and is then even the quicker one: it has 40 dB after half as many epochs. Nor does an epoch cost more, since the library convolves by FFT: compare the printed times.
#
# **What would lesson 01's doubled window change?** There the frame of $L$ samples was followed by $L$ zeros, and the result was added up without a second window. Then each frame's answer has room for its tail: no wrap, no mismatch of windows, and $\hat y$ is *exact*, if every frequency of the doubled frame gets its factor (and, for rooms longer than $L$, one such factor for each stretch of $L$ taps). The floor vanishes. Two things are the price. There are twice as many frequencies. And the spectral loss has lost its meaning: a doubled frame of $x$, filtered, is the answer to that frame *alone*, while a frame of $y$ holds the tails of all earlier ones. Only the sum is comparable: the waveform loss remains. Section 7 arrives at the same place from another side.

# %% [markdown]
# ### Exercise 5.9 — Two domains (written)
#
# *1 point · 8 minutes · medium*
#
# Compare the echo model in the waveform domain with the one in the STFT domain (ordinary frames). Say which is better in **speed** (per step, and in the number of steps), in **stability** (what limits the step) and in final **quality**, each with its reason. Which of your three answers would a hall with T₆₀ = 1.2 s change?

# %% [markdown] hints="two_domains"
# concept: In the waveform domain all taps are coupled by the covariance of the signal. In the STFT domain the frequencies are not coupled.
#
# structure: Speed: what does one step cost, and what does the eigenvalue spread of section 2.2 do to the number of steps in each domain? Stability: which eigenvalue limits the step, and for how many parameters at once? Quality: can the model express the truth?
#
# line: Begin with "In the waveform domain one step size serves all frequencies, so …; in the STFT domain each frequency …".

# %% [markdown] written="two_domains" points=1
# ### BEGIN SOLUTION
# *Speed:* the convolution with $M$ taps costs $M$ products a sample (or FFTs over everything); in the STFT domain a step costs $P$ complex products for each bin, which is less (unless the waveform model convolves by FFT, as in our table). With one step size for all it also needs far fewer steps: speech has a large eigenvalue spread over frequency, which couples the taps in the waveform domain and makes soft frequencies slow; in the STFT domain each frequency has its own few taps, within a frequency the spectrum is nearly flat, and a step relative to each frequency's own power treats all alike. (A waveform fit that divides its gradient by the input's spectrum borrows this, and in our figure is then the quicker one.) *Stability:* in the waveform domain the loudest frequency limits the one step size for all taps; in the STFT domain each frequency has its own bound, so normalisation by bin makes a large step safe (one step size for all without normalisation would again be limited by the loudest bin). *Quality:* the waveform model contains the true path and can reach the noise floor; the STFT model with ordinary frames cannot express what leaks between frequencies and wraps within frames, so its residual has a floor, higher for longer rooms and shorter frames. Doubled frames would remove it. *In a hall* both need more taps, and what changes is the quality: with longer frames the STFT model keeps its floor, with these it would have to bear errors of many more frames.
#
# **Rubric**
#
# - 1 point: at least two of speed, stability and quality right, with reasons (decoupled frequencies or spread of eigenvalues; bound by the loudest part; model error or floor of ordinary frames).
# ### END SOLUTION

# %% [markdown]
# ## 7. Block processing
#
# ### 7.1 Gradients by the block
#
# The filters of sections 2 and 3 need $2M$ multiplications a sample: at 2000 taps and 16 kHz, 64 million a second. Lesson 01 made convolution cheap by blocks. Can learning go by blocks, too? Hold the filter for a block of $L$ samples, add up the $L$ steps of LMS, and take them together:
#
# $$\hat h \leftarrow \hat h + \mu\sum_{n\,\in\,\text{block}} e[n]\,\mathbf x_n, \qquad\text{tap } i:\quad \hat h[i] \leftarrow \hat h[i] + \mu\sum_{n\,\in\,\text{block}} e[n]\,x[n-i] .$$
#
# The estimate is a convolution, and the step is a **correlation**. Both are products of spectra on a circle that is large enough. Take $M = L$ taps, and a circle of $2L$ samples that holds the previous block of $x$ and the present one: overlap-save (lesson 01, section 5.2). With capital letters for DFTs of $2L$ samples:
#
# 1. $X = \text{DFT}(\text{previous block}, \text{present block})$ and $\hat H = \text{DFT}(\hat h, \mathbf 0)$. The last $L$ samples of $\text{IDFT}(\hat HX)$ are $\hat y$. The first $L$ are spoilt by the wrap.
# 2. $e = y - \hat y$, and $E = \text{DFT}(\mathbf 0, e)$. The zeros stand where the spoilt samples were.
# 3. $\text{IDFT}(X^*E)$ correlates $x$ with $e$ on the circle. Lags $0, \dots, L-1$ are right: these are the sums above. The other half of the circle holds negative lags, which belong to no tap.
# 4. The **constraint**: set that second half to zero, and go back to spectra. Without it $\hat H$ would become the spectrum of $2L$ taps, whose second half wraps round into $\hat y$.
#
# So far this is LMS, taken by the block, for the price of five FFTs. Now comes the gain. In the frequency domain every bin may have *its own step*. Divide by the power of its input, $S_x[k]$, a running mean of $|X[k]|^2$:
#
# $$\boxed{\;\hat H \leftarrow \hat H + \mu\,\text{DFT}\,\Big\{\text{first half of }\text{IDFT}\Big(\frac{X^*E}{S_x}\Big)\Big\}\;}$$
#
# Bins are nearly uncorrelated, so $R$ is nearly diagonal here, and division by the diagonal makes all its eigenvalues nearly alike. What RLS buys with $M^2$ operations, the DFT gives away: speech has become white. This is the **frequency-domain adaptive filter**.

# %% [markdown]
# ### Exercise 5.10 — One block of the frequency-domain filter
#
# *2 points · 25 minutes · demanding*
#
# **Outcome.** You have built the engine of nearly every echo canceller in use, and you can say what each half of each circle is for.
#
# **Task.** Write `frequency_domain_step(H, x, y, step_size, power)`. `H` is $\hat H$, `np.fft.rfft` of $L$ taps and $L$ zeros: `L + 1` complex numbers. `x` holds $2L$ samples, the previous block and the present one; `y` the $L$ samples of the microphone. `power` is $S_x$, `L + 1` numbers. Return two arrays: the errors of the block ($L$ samples), and the new $\hat H$ after the boxed step. In bins where `power` is zero nothing is learnt: there the quotient is 0. (Test for zero, as in Exercise 5.2.)
#
# **By hand.** $L = 1$: `H = [1, 1]` (one tap of 1), `x = [1, 2]`, `y = [5]`, a step of 0.1, `power = [1, 1]`. $X = (3, -1)$, $\hat HX = (3, -1)$, which is the circle $(1, 2)$. The last sample is 2, so $e = 3$. $E = \text{DFT}(0, 3) = (3, -3)$, and $X^*E = (9, 3)$, which is the circle $(6, 3)$. Keep $(6, 0)$, with the DFT $(6, 6)$. The new $\hat H$ is `[1.6, 1.6]`. In samples: $1 + 0.1\cdot3\cdot2 = 1.6$.
#
# **Expected number.** With `power` all ones, the step is that of LMS, added up over the block.

# %% [markdown] hints="frequency_domain_step"
# concept: Three times half a circle is thrown away or filled with zeros, each time for another reason: the output's first half is wrapped, the error has no first half, and the gradient's second half belongs to no tap.
#
# structure: Transform `x`; multiply, transform back, keep the second half; subtract from `y`. Put zeros before the errors, transform, multiply by the conjugate of `X`, divide by the power where it is positive. Transform back, clear the second half, transform again, and add.
#
# line: `E = np.fft.rfft(np.concatenate([np.zeros(L), e]))`, `gradient = np.fft.irfft(np.divide(X.conj() * E, power, out=np.zeros(L + 1, complex), where=power > 0), 2 * L)`, `gradient[L:] = 0`.

# %% exercise="frequency_domain_step" forbid="course_lib.adaptive course_lib.aec np.convolve np.correlate scipy.signal"
def frequency_domain_step(H, x, y, step_size, power):
    """Return the errors of one block and the new spectrum of the filter (constrained, normalised by bin)."""
    ### BEGIN SOLUTION
    L = len(y)
    X = np.fft.rfft(x)
    e = y - np.fft.irfft(H * X, 2 * L)[L:]
    E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
    quotient = np.divide(X.conj() * E, power, out=np.zeros(L + 1, dtype=complex), where=np.asarray(power) > 0)
    gradient = np.fft.irfft(quotient, 2 * L)
    gradient[L:] = 0.0
    return e, H + step_size * np.fft.rfft(gradient)
    ### END SOLUTION


# %% test="frequency_domain_step" points=2
_result = frequency_domain_step(np.array([1.0 + 0j, 1.0]), np.array([1.0, 2.0]), np.array([5.0]), 0.1, np.ones(2))
assert isinstance(_result, (tuple, list)) and len(_result) == 2, "Return two arrays, the errors and then the new spectrum: return e, H"
check.close(_result[0], np.array([3.0]), name="the error of a block of one sample", mistakes={"this half of the circle is spoilt by the wrap: keep the last L samples.": [4.0]})
check.close(
    _result[1],
    np.array([1.6, 1.6 + 0j]),
    name="the filter after a block of one sample",
    mistakes={
        "the gradient's second half must be set to zero before it is added: the constraint.": [1.9, 1.3],
        "the errors stand in the wrong half of the circle: zeros first, then e.": [1.3, 1.3],
        "the sign is wrong: add the step.": [0.4, 0.4],
    },
)
_H, _x, _y = np.fft.rfft([1.0, 0.0, 0.0, 0.0]), np.array([1.0, 0.0, 2.0, -1.0]), np.array([4.0, 0.0])
_e, _H_new = frequency_domain_step(_H, _x, _y, 0.5, np.array([1.0, 2.0, 4.0]))
check.close(_e, np.array([2.0, 1.0]), name="the errors of a block of two", mistakes={"this half of the circle is spoilt by the wrap: keep the last L samples.": [3.0, 0.0]})
check.close(
    _H_new,
    np.array([3.0, 2.0 - 1j, 1.0]),
    name="the filter after a block of two, with a power in each bin",
    mistakes={
        "X is not conjugated: that is a convolution, and the gradient is a correlation.": [2.75, 2.25 - 0.5j, 1.75],
        "E was conjugated: it is X that needs the star.": [2.25, 2.0 - 0.25j, 1.75],
        "the step was not divided by the power.": [3.5, 2.5 - 1j, 1.5],
        "power is that of the bin already: do not square it.": [2.75, 1.84375 - 0.90625j, 0.9375],
        "the gradient's second half must be set to zero: the constraint.": [4.0, 1.25 - 0.75j, 1.5],
        "the wrong half of the gradient was set to zero: lags from 0 to L − 1 stand first.": [2.0, 0.25 + 0.25j, 1.5],
        "the errors stand in the wrong half of the circle: zeros first, then e.": [2.0, 1.75 - 0.25j, 1.5],
    },
)
check.close(
    frequency_domain_step(_H, 1e-12 * _x, 1e-12 * _y, 0.5, 1e-24 * np.array([1.0, 0.0, 4.0]))[1],
    np.array([2.5, 1.875 - 0.625j, 1.25]),
    name="the filter when the sounds are soft and one bin has no power",
    mistakes={"a small constant was added to the power: soft sounds teach nothing then. Test for zero.": _H},
)
check.passed("a block of errors, and one step for all its samples")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("frequency_domain_step")
for _L in [1, 2, 2 * int(_rng.integers(3, 20)) + 1, 2 * int(_rng.integers(3, 20))]:
    for _scale in [1.0, 1e-6, 1e6]:
        _h, _x, _y, _power = _rng.standard_normal(_L), _scale * _rng.standard_normal(2 * _L), _scale * _rng.standard_normal(_L), _scale**2 * (0.5 + _rng.random(_L + 1))
        _H = np.fft.rfft(np.concatenate([_h, np.zeros(_L)]))
        _before = [_array.copy() for _array in (_H, _x, _y, _power)]
        _rows = np.array([_x[_L + _n - np.arange(_L)] for _n in range(_L)])
        _errors = _y - _rows @ _h
        _e, _H_new = frequency_domain_step(_H, _x, _y, 0.3 / _scale**2, np.ones(_L + 1))
        check.close(_e, _errors, relative_tolerance=1e-9, absolute_tolerance=0.0, name="the errors of a random block")
        check.close(_H_new, np.fft.rfft(np.concatenate([_h + 0.3 / _scale**2 * _rows.T @ _errors, np.zeros(_L)])), relative_tolerance=1e-9, name="the filter with a power of one everywhere, which is LMS by the block")
        _e, _H_new = frequency_domain_step(_H, _x, _y, 0.7, _power)
        _lags = np.fft.ifft(np.fft.fft(_x).conj() * np.fft.fft(np.concatenate([np.zeros(_L), _errors])) / np.concatenate([_power, _power[1:-1][::-1]])).real
        check.close(_H_new, np.fft.rfft(np.concatenate([_h + 0.7 * _lags[:_L], np.zeros(_L)])), relative_tolerance=1e-8, name="the filter of a random block")
        for _array, _copy, _name in zip((_H, _x, _y, _power), _before, ["H", "x", "y", "power"]):
            check.close(_array, _copy, name=f"your input {_name} after the call")
_e, _H_new = frequency_domain_step(_H, 0 * _x, _y, 0.5, 0 * _power)
check.close(_e, _y, name="the errors when the far end is silent")
check.close(_H_new, _H, name="the filter when the far end is silent and has no power")
_power[0], _power[-1] = 0.0, 0.0
_lags = np.fft.irfft(np.concatenate([[0], (np.fft.rfft(_x).conj() * np.fft.rfft(np.concatenate([np.zeros(_L), _errors])))[1:-1] / _power[1:-1], [0]]), 2 * _L)
check.close(frequency_domain_step(_H, _x, _y, 0.5, _power)[1], _H + 0.5 * np.fft.rfft(np.concatenate([_lags[:_L], np.zeros(_L)])), relative_tolerance=1e-8, name="the filter when two bins have no power")
check.close(frequency_domain_step(np.array([1, 1]), np.array([1, 2]), np.array([5]), 1, np.array([1, 1]))[1], np.array([7.0, 7.0 + 0j]), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 7.2 Partitions, latency, and the price of the constraint
#
# One block of $L = M$ taps means a latency of $M$ samples: 128 ms for 2048 taps. Lesson 01 had the way out: cut $\hat h$ into $P = M/L$ **partitions**, keep the last $P$ input spectra, and give each partition its own $\hat H_p$, its own gradient $X_{b-p}^*E$ and its own constraint. The latency is one short block of $L$ samples.
#
# The constraint costs two FFTs for each partition. Some programs leave it out, or do one partition in each block, in turn. What does it buy? The library has both ways. The voice again, 2048 taps of the call's room, noise 40 dB below the echo.

# %% tags="demo"
n_long = 2048
long_path = call.impulse_responses[0][:n_long]
long_out = recorded_through(long_path, speech_in)
long_echo = convolution.convolve_fft(speech_in, long_path)[: len(speech_in)]
figure, ax = plt.subplots(figsize=(10, 3.4), layout="constrained")
print(f"{'method':38} {'latency':>9} {'time for 1 s':>13} {'echo less, 1st second':>22} {'8th second':>11}")
in_blocks = {
    "NLMS": (0, lambda: adaptive.nlms(speech_in, long_out, n_long, far_end_power=usual_power)),
    "one block of 2048": (2048, lambda: adaptive.frequency_domain_lms(speech_in, long_out, n_long)),
    "8 partitions of 256": (256, lambda: adaptive.partitioned_block_lms(speech_in, long_out, n_long, 256)),
    "8 partitions of 256, unconstrained": (256, lambda: adaptive.partitioned_block_lms(speech_in, long_out, n_long, 256, constrained=False)),
}
for (name, (latency, run_it)), style in zip(in_blocks.items(), [":", "--", "-", "-."], strict=True):
    run_it()  # the first call compiles
    started = time.perf_counter()
    run = run_it()
    cost_ms = 1e3 * (time.perf_counter() - started) / learning_s
    less_db = metrics.erle(long_echo, long_echo - run.estimate, window_s=0.5, hop_s=0.25)
    by_second = metrics.erle(long_echo, long_echo - run.estimate, window_s=1.0, hop_s=1.0)
    ax.plot(0.25 + 0.25 * np.arange(len(less_db)), less_db, linestyle=style, label=name)
    print(f"{name:38} {1e3 * latency / sample_rate:6.0f} ms {cost_ms:10.1f} ms {by_second[0]:19.1f} dB {by_second[-1]:8.1f} dB")
ax.set(xlabel="Time (s)", ylabel="Echo less by (dB)", title="One long block wins in the end; short ones have less delay, and learn worse")
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# One long block is by far the cheapest, and the best in the end, about 5 dB ahead of NLMS. But it answers 128 ms late, and it learns only eight times a second: for the first three seconds NLMS is ahead. Short blocks have a latency of 16 ms, and pay for it twice. Each partition costs its own constraint: in multiplications that is still little, in the time column more than the compiled loop of NLMS. And consecutive partitions see nearly the same spectrum, so that between them the resemblance is back, which the transform had taken away within each: from the second second on they are behind. Without the constraint they are cheaper, learn as quickly, and end 1 dB worse: the wrapped taps are noise in every block.
#
# What all of them lack is a good rule for the step. Section 8 will find it.
#
# ## 8. Double talk
#
# ### 8.1 A filter that learns from the wrong voice
#
# Now you speak. For the filter your voice is noise $v$, and a loud one: at the level of the echo, or above. Every step takes $e$ for the filter's own fault. But $e$ is mostly you. In six syllables NLMS forgets what it took seconds to learn.
#
# **Predict.** The echo path stays the same all the time here. How far will the misalignment fall back during the four seconds of double talk? What will you hear of the far end *after* them?

# %% tags="demo"
still = scenes.echo_scene(far_voice[: 14 * sample_rate], near_voice, np.random.default_rng(ROOM), room=room, near_end_start_s=TALK_S[0])
tail = 4000
plain = adaptive.nlms(still.far_end, still.microphone, tail, far_end_power=usual_power, snapshot_every=1600)


def echo_less_db(scene, estimate, window_s=0.5):
    """How far the remaining echo lies below the echo, against time; the scene knows both."""
    return 0.5 * window_s + 0.1 * np.arange((len(scene.echo) - int(window_s * sample_rate)) // 1600 + 1), metrics.erle(
        scene.echo, scene.echo - estimate, window_s=window_s, hop_s=0.1
    )


figure, axes = plt.subplots(2, 1, figsize=(10, 4.6), sharex=True, layout="constrained")
axes[0].plot(plain.snapshot_times / sample_rate, metrics.misalignment(still.impulse_responses[0], plain.snapshots))
axes[0].set(ylabel="Misalignment (dB)", title="Double talk undoes in a second what took NLMS six")
axes[1].plot(*echo_less_db(still, plain.estimate))
axes[1].set(xlabel="Time (s)", ylabel="Echo less by (dB)")
for ax in axes:
    ax.axvspan(*TALK_S, color=plots.PALETTE[1], alpha=0.15, linewidth=0)
    ax.axhline(0, color="0.3", linewidth=0.8)
axes[0].text(TALK_S[0] + 0.1, 0.85, "double talk", transform=axes[0].get_xaxis_transform())
plt.show()
part = slice(4 * sample_rate, 13 * sample_rate)
listen({"microphone": still.microphone[part], "after NLMS": plain.error[part], "the echo in it": (still.echo - plain.estimate)[part]}, sample_rate)

# %% [markdown]
# The filter needed six seconds to get 20 dB of the echo out of the way. One second of double talk leaves nothing of it. The misalignment fell to −4.6 dB in these six seconds; double talk takes it back to −1 dB. But look at the order: the echo returns with your first syllable, and only then does the misalignment follow. A small change of the filter is enough, if it lies in the directions that $x$ excites now. In the third player you hear the remaining echo alone: it is back at full strength while you speak. Half a second after your last word 10 dB are gone again; the other 10 take two seconds. Your partner gets *your* words with *her own* on top.
#
# ### 8.2 Noticing it
#
# The oldest remedy is to watch for double talk, and to **freeze** the filter while it lasts: the output goes on being computed, and $\hat h$ stands still. Geigel's detector of 1978 compares levels: an echo is weaker than what made it, so $|y[n]|$ above half of the recent maximum of $|x|$ must be somebody else. It suits telephone lines, which take 6 dB at least. A loudspeaker beside the microphone may be *louder* than $x$.
#
# A better question: how much of the microphone's power can the far end explain *at all*? Take a frame of $N$ samples, $\mathbf y$, and the matrix $A$ whose $M$ columns are $x$ delayed by $0, \dots, M-1$ samples. The best filter for this frame is $\hat h = R^{-1}r$ with $R = A^{\mathsf T}A$ and $r = A^{\mathsf T}\mathbf y$. It explains the energy
#
# $$\lVert A\hat h\rVert^2 = \hat h^{\mathsf T}R\,\hat h = r^{\mathsf T}R^{-1}r, \qquad\text{so}\qquad \boxed{\;\xi = \sqrt{\frac{r^{\mathsf T}R^{-1}r}{\mathbf y^{\mathsf T}\mathbf y}}\;}$$
#
# lies between 0 and 1. (The part that is not explained is orthogonal to the part that is: Pythagoras.) For nothing but echo $\xi = 1$, exactly if the path fits into $M$ taps and $x$ was silent before the frame, and nearly so otherwise. Near-end speech pushes it down. The level of neither matters: this is a **normalised cross-correlation**.

# %% [markdown]
# ### Exercise 5.11 — How much does the far end explain?
#
# *2 points · 15 minutes · medium*
#
# **Outcome.** You can tell echo from double talk without knowing the echo path.
#
# **Task.** Write `double_talk_statistic(x, y, n_taps)` for one frame: two arrays of equal length. Before the frame's first sample $x$ counts as zero. Return $\xi$ as a number. If $y$ is silent there is nothing to explain: return 1. If $x$ is silent and $y$ is not, return 0. $R$ may be singular (a silent or very simple $x$), so take a method that can bear it: `np.linalg.lstsq` solves $A\hat h \approx \mathbf y$ as it stands.
#
# **By hand.** `x = [1, 1, 0, 2]`, `y = [1, 0, 1, 2]`, 2 taps. The columns of $A$ are $(1, 1, 0, 2)$ and $(0, 1, 1, 0)$. $R = \begin{pmatrix}6&1\\1&2\end{pmatrix}$, $r = (5, 1)$, so $r^{\mathsf T}R^{-1}r = (2\cdot25 - 2\cdot5 + 6)/11 = 46/11$, and with $\mathbf y^{\mathsf T}\mathbf y = 6$, $\xi = \sqrt{46/66} = 0.835$.
#
# **Expected number.** The same $x$ and its echo through the taps $(3, -1)$ give exactly 1.

# %% [markdown] hints="double_talk_statistic"
# concept: Ask for the best filter of this very frame, and for the share of the frame's energy that its output has.
#
# structure: Build the matrix of delayed copies of `x`, one column for each tap. Solve for the taps in the least-squares sense. Compute the estimate, and take the root of the ratio of energies.
#
# line: Column `p` is `np.concatenate([np.zeros(p), x[: len(x) - p]])` (mind `p > len(x)`), the taps are `np.linalg.lstsq(A, y, rcond=None)[0]`, and the result is `np.sqrt(np.sum((A @ h) ** 2) / np.sum(y**2))`.

# %% exercise="double_talk_statistic" forbid="course_lib.aec course_lib.adaptive"
def double_talk_statistic(x, y, n_taps):
    """Return the root of the share of y's energy that the best filter of x with n_taps taps explains."""
    ### BEGIN SOLUTION
    if not np.any(y):
        return 1.0
    padded = np.concatenate([np.zeros(n_taps - 1), x])
    A = np.stack([padded[n_taps - 1 - p : n_taps - 1 - p + len(x)] for p in range(n_taps)], axis=1)
    h = np.linalg.lstsq(A, y, rcond=None)[0]
    return np.linalg.norm(A @ h) / np.linalg.norm(y)
    ### END SOLUTION


# %% test="double_talk_statistic" points=2
_x, _y = np.array([1.0, 1.0, 0.0, 2.0]), np.array([1.0, 0.0, 1.0, 2.0])
check.close(
    double_talk_statistic(_x, _y, 2),
    np.sqrt(46 / 66),
    name="double_talk_statistic on the example",
    mistakes={
        "this is the square: take the root.": 46 / 66,
        "this is what the far end does not explain.": np.sqrt(20 / 66),
        "this is one minus the share that is explained.": 20 / 66,
        "only one tap was used: that is the plain correlation of x and y.": 5 / 6,
        "the columns wrap round: before the first sample x is zero.": np.sqrt(38 / 54),
        "the columns are x advanced, not delayed.": np.sqrt(5.137931034482762 / 6),
        "the energy was not divided by that of y.": np.sqrt(46 / 11),
    },
)
check.close(double_talk_statistic(_x, np.convolve(_x, [3.0, -1.0])[:4], 2), 1.0, name="nothing but echo")
check.close(double_talk_statistic(_x, np.zeros(4), 2), 1.0, name="a silent microphone")
check.close(double_talk_statistic(np.zeros(4), _y, 2), 0.0, name="a silent far end")
check.passed("1 is echo, and everything less is somebody else")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("double_talk_statistic")
for _n_samples, _n_taps in [(1, 1), (2 * int(_rng.integers(15, 40)) + 1, 4), (2 * int(_rng.integers(15, 40)), 9), (40, 1), (6, 8)]:
    _x, _y = _rng.standard_normal((2, _n_samples))
    _x[0] += 3.0
    _before = _x.copy(), _y.copy()
    _padded = np.concatenate([np.zeros(_n_taps - 1), _x])
    _basis, _ = np.linalg.qr(np.array([_padded[_n : _n + _n_taps][::-1] for _n in range(_n_samples)]))
    _xi = np.linalg.norm(_basis.T @ _y) / np.linalg.norm(_y)
    for _scale in [1.0, 1e-6, 1e6]:
        check.close(double_talk_statistic(_scale * _x, _y, _n_taps), _xi, relative_tolerance=1e-7, name="the statistic of random signals")
        check.close(double_talk_statistic(_x, _scale * _y, _n_taps), _xi, relative_tolerance=1e-7, name="the statistic of random signals")
    check.close(double_talk_statistic(_x, np.convolve(_x, _rng.standard_normal(_n_taps))[:_n_samples], _n_taps), 1.0, relative_tolerance=1e-7, name="the statistic of nothing but echo")
    double_talk_statistic(_x, _y, _n_taps)
    check.close(_x, _before[0], name="your input x after the call")
    check.close(_y, _before[1], name="your input y after the call")
_late = np.concatenate([np.zeros(10), _rng.standard_normal(30)])
check.close(double_talk_statistic(_late, np.convolve(_late, _rng.standard_normal(4))[:40], 4), 1.0, name="the statistic of echo after a pause")
_echo = np.convolve(_late, _rng.standard_normal(4))[:40]
_near = _rng.standard_normal(40)
_values = [double_talk_statistic(_late, _echo + _level * _near, 4) for _level in [0.0, 0.1, 1.0, 10.0]]
assert _values[0] > _values[1] > _values[3], "The statistic must fall as the near end grows louder. Yours went through " + ", ".join(f"{float(_value):.3f}" for _value in _values)
check.close(double_talk_statistic(np.zeros(9), np.zeros(9), 3), 1.0, name="silence on both sides")
check.close(double_talk_statistic(np.array([1, 1, 0, 2]), np.array([1, 0, 1, 2]), 2), np.sqrt(46 / 66), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# A system of equations for every frame is expensive. But a canceller already has an estimate of $R^{-1}r$, namely $\hat h$. Put it in: $r^{\mathsf T}\hat h = \mathbf y^{\mathsf T}A\hat h = \mathbf y^{\mathsf T}\hat{\mathbf y}$, so $\xi^2 \approx \mathbf y^{\mathsf T}\hat{\mathbf y}/\mathbf y^{\mathsf T}\mathbf y$: two running sums. This is the library's `aec.cross_correlation_detector` (its statistic is $1 - \xi^2$, high for double talk). Its **coherence** form does the same at each frequency, and needs no filter.
#
# Every detector has a threshold, and every threshold makes two kinds of mistakes: it misses double talk, or it cries wolf. The **ROC curve** shows both at once for all thresholds; the area under it is 1 for a perfect detector and ½ for a coin.

# %% tags="demo"
after_nlms = adaptive.nlms(x, y, tail, far_end_power=usual_power, adapt=~call.double_talk)  # an oracle froze it
detectors = {
    "Geigel (levels)": aec.geigel(x, y),
    "cross-correlation, with a good filter": aec.cross_correlation_detector(after_nlms.estimate, y),
    "coherence, without a filter": aec.coherence_detector(x, y),
}
calm = slice(0, CHANGE_S * sample_rate)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained", width_ratios=[1, 1.6])
for (name, detector), style in zip(detectors.items(), [":", "-", "--"], strict=True):
    roc = metrics.roc_curve(detector.statistic[calm][::16], call.double_talk[calm][::16])
    axes[0].plot(100 * roc.false_alarm_rate, 100 * roc.detection_rate, style, label=f"{name}: {roc.area:.2f}")
axes[0].set(xlabel="False alarms (%)", ylabel="Double talk found (%)", title="Levels do not tell it")
axes[0].legend(fontsize=7.5, loc="lower right", title="area under the curve", title_fontsize=7.5)
for (name, detector), color in zip(list(detectors.items())[1:], plots.PALETTE[1:], strict=False):
    axes[1].plot(np.arange(len(x))[::160] / sample_rate, detector.statistic[::160], linewidth=0.7, color=color, label=name)
    shares = [100 * np.mean(detector.active[int(a * sample_rate) : int(b * sample_rate)]) for a, b in (TALK_S, (4, 6), (CHANGE_S, CHANGE_S + 0.5))]
    print(f"{name}: active in {shares[0]:.0f} % of double talk, {shares[1]:.0f} % of 4 to 6 s, {shares[2]:.0f} % of the half second after the change")
axes[1].legend(fontsize=7.5)
axes[1].axvspan(*TALK_S, color=plots.PALETTE[1], alpha=0.15, linewidth=0)
axes[1].axvline(CHANGE_S, color="0.3", linewidth=0.8)
axes[1].set(xlabel="Time (s)", ylabel="Statistic", title="High in double talk (shaded), and just after the change (line)")
plt.show()

# %% [markdown]
# Geigel's levels are little better than a coin: this loudspeaker stands beside the microphone. The two others find more than nine tenths of the double talk at a few false alarms (one of them with a filter that an oracle has protected). But look at the right panel where the loudspeaker is moved. After the change even the echo is not what the filter (or the running coherence) knows, and the statistic jumps: not as high as in double talk, but above the thresholds. The printed shares tell how much of the next half second is taken for your voice. **To a detector a path change looks like double talk.**

# %% [markdown]
# ### Exercise 5.12 — Not from this voice (written)
#
# *1 point · 8 minutes · easy*
#
# Explain why an adaptive filter must not learn while the near end speaks, although near-end speech does not depend on the far end, so that it does not shift the *mean* of the gradient. Then say what freezing costs: what happens if the detector takes a change of the echo path for double talk?

# %% [markdown] hints="not_from_near_end"
# concept: A mean of zero says nothing about how large the single steps are.
#
# structure: Write the step with $e = u + s$ (remaining echo and near end). Compare the sizes of the two parts once the filter is good. Then think of what a path change does to $\xi$, and of who would let the frozen filter go.
#
# line: Begin with "The step is $\mu(u[n] + s[n])\,\mathbf x_n/\lVert\mathbf x_n\rVert^2$. When the filter is good, $u$ is small, so …".

# %% [markdown] written="not_from_near_end" points=1
# ### BEGIN SOLUTION
# The step is $\mu(u + s)\mathbf x/\lVert\mathbf x\rVert^2$. Its part with $s$ has mean zero, but it is as large as $s$, and when the filter is good $u$ is small: nearly the whole step is a random one. Random steps add up to a random walk away from the solution, until the pull back by $u$ balances them: the floor of section 2.4, $\propto\mu\sigma_v^2$, with the power of your voice in place of the noise. The misalignment rises to about the level of near end to echo, within as few samples as the filter needs to learn. The echo comes back just while you speak and after it, and in the output near-end speech is coloured by it. A path change also makes the microphone differ from $\hat y$: $\xi$ falls, the detector says "double talk", the filter freezes with the wrong $\hat h$, and nothing ends this: the echo stays until something else (a time limit, a second filter that keeps on learning in the background) lets it go.
#
# **Rubric**
#
# - 1 point: near-end speech makes large random steps (variance, not bias) that drive a good filter away, and freezing by mistake (path change) leaves the wrong filter locked.
# ### END SOLUTION

# %% [markdown]
# ### 8.3 The Kalman view: no detector, no freezing
#
# Freeze or learn: why only these two? A *good* step would be long when the filter is bad and the near end is quiet, short when the filter is good or somebody speaks, and it would be all that at each frequency. This can be derived. Treat the echo path as something random that we know up to a variance.
#
# In one frequency bin, let $H$ be the true factor and $\hat H$ our estimate, with the **uncertainty** $P = \mathbb E|H - \hat H|^2$. Between two blocks the room changes a little. Model: $H^{\text{new}} = A\,H + \text{noise}$, with a transition $A$ slightly below 1 and noise of the power $(1 - A^2)\,|H|^2$, so that the size of $H$ stays. We do not know $|H|^2$; the estimate takes its place. Then, before we look at the next block,
#
# $$\hat H^- = A\,\hat H, \qquad P^- = A^2P + (1 - A^2)\,|\hat H|^2 .$$
#
# Now the microphone says $Y = XH + S$, with near end and noise of the power $\Psi = \mathbb E|S|^2$. The error is $E = Y - X\hat H^- = X(H - \hat H^-) + S$. Correct by $\hat H = \hat H^- + KE$. Which factor $K$ leaves the least uncertainty?
#
# $$P(K) = \mathbb E\big|(1 - KX)(H - \hat H^-) - KS\big|^2 = |1 - KX|^2\,P^- + |K|^2\,\Psi .$$
#
# This is a parabola in $K$. Its derivative with respect to $K^*$, with $K$ held fixed as if it were another variable, is zero at the bottom: $-X^*(1 - KX)P^- + K\Psi = 0$ gives
#
# $$\boxed{\;K = \frac{P^-X^*}{|X|^2P^- + \Psi}, \qquad \hat H = \hat H^- + KE, \qquad P = (1 - KX)\,P^-\;}$$
#
# (for the last equation insert $K$: $P = |1 - KX|^2P^- + |K|^2\Psi = (1 - KX)P^-$.) This is a **Kalman filter**. Write its step as $KX = \dfrac{|X|^2P^-}{|X|^2P^- + \Psi}$: the power of the echo that the filter does *not* yet know, relative to everything in the error. If nobody speaks and the filter is bad, this is near 1, a full NLMS step. If you speak, $\Psi$ is large and the step is nearly zero: nobody had to decide. When the filter is good, $P$ is small and it moves with care. The step size of this lesson has become an *answer*. (One number must be given: $P$ at the start, about as large as $|H|^2$ may be. From $\hat H = 0$ and $P = 0$ nothing would ever be learnt.)

# %% [markdown]
# ### Exercise 5.13 — One step of a Kalman filter
#
# *2 points · 15 minutes · medium*
#
# **Outcome.** You can let a filter choose its own step, bin by bin.
#
# **Task.** Write `kalman_step(H, P, X, Y, noise, transition)` for one frame. All but the number `transition` ($A$) are arrays with one entry a bin: `H`, `X`, `Y` complex, `P` and `noise` ($\Psi$) real. Return three arrays: the error $E$ (made with $\hat H^-$), the new $\hat H$, and the new $P$ (real). Where $|X|^2P^- + \Psi$ is zero, $K = 0$.
#
# **By hand.** $A = 0.6$, so $A^2 = 0.36$. First bin: $\hat H = 0$, $P = 25$, $X = 2j$, $Y = 8$, $\Psi = 36$. $P^- = 9$, $K = 9\cdot(-2j)/(36 + 36) = -\frac j4$, $E = 8$, so $\hat H = -2j$ and $P = (1 - \frac12)\cdot 9 = 4.5$. Second bin: $\hat H = 5$, $P = 0$, $X = 1$, $Y = 7$, $\Psi = 16$. $\hat H^- = 3$, $P^- = 0.64\cdot25 = 16$, $K = \frac12$, $E = 4$: $\hat H = 5$, $P = 8$.
#
# **Expected number.** With $A = 1$ and constant $\Psi$, after many frames $\hat H$ is the least-squares fit $\sum X^*Y/(\sum|X|^2 + \Psi/P_0)$: RLS with one tap in each bin.

# %% [markdown] hints="kalman_step"
# concept: Predict, compare, correct. The three boxed formulas work on all bins at once, since no bin looks at another.
#
# structure: Compute `H` and `P` after the transition (the new `P` needs the *old* `H`). Then the error. Then the gain, divided where the denominator is positive. Then both updates; make the new `P` real.
#
# line: `H_before, P_before = transition * H, transition**2 * P + (1 - transition**2) * np.abs(H) ** 2`; where the denominator is zero the numerator is, too, so the gain is `P_before * np.conj(X) / np.where(denominator > 0, denominator, 1)`; the new `P` is `(1 - (gain * X).real) * P_before`.

# %% exercise="kalman_step" forbid="course_lib.adaptive course_lib.aec"
def kalman_step(H, P, X, Y, noise, transition):
    """Return the error, the new estimate and its new uncertainty after one frame, bin by bin."""
    ### BEGIN SOLUTION
    H_before = transition * H
    P_before = transition**2 * P + (1 - transition**2) * np.abs(H) ** 2
    E = Y - X * H_before
    denominator = np.abs(X) ** 2 * P_before + noise
    gain = P_before * np.conj(X) / np.where(denominator > 0, denominator, 1.0)
    return E, H_before + gain * E, (1 - (gain * X).real) * P_before
    ### END SOLUTION


# %% test="kalman_step" points=2
_H, _P, _X, _Y, _noise = np.array([0j, 5.0]), np.array([25.0, 0.0]), np.array([2j, 1.0]), np.array([8.0 + 0j, 7.0]), np.array([36.0, 16.0])
_result = kalman_step(_H, _P, _X, _Y, _noise, 0.6)
assert isinstance(_result, (tuple, list)) and len(_result) == 3, "Return three arrays, the error, the new H and the new P: return E, H, P"
check.close(
    _result[0],
    np.array([8.0 + 0j, 4.0]),
    name="the errors of two bins",
    mistakes={"the error was made with the old H: the transition comes first.": [8.0, 2.0], "the error was made with the corrected H.": [4.0, 2.0]},
)
check.close(
    _result[1],
    np.array([-2j, 5.0]),
    name="the new H of two bins",
    mistakes={
        "the X in the gain is not conjugated.": [2j, 5.0],
        "the gain used P before the transition.": [-2.94117647j, 3.0],
        "the X in the gain is missing.": [1.0, 5.0],
        "the noise of the transition needs the old H, before it was scaled.": [-2j, 4.05882353],
        "the correction was added to the old H: add it to H after the transition.": [-2j, 7.0],
        "the uncertainty's growth needs |H|²: the noise of the transition was left out.": [-2j, 3.0],
        "P was scaled by A, not by A².": [-2.5j, 4.53846154],
    },
)
check.close(
    _result[2],
    np.array([4.5, 8.0]),
    name="the new P of two bins",
    mistakes={"this is P before the correction, which makes it smaller: multiply by 1 minus KX.": [9.0, 16.0]},
)
_result = kalman_step(np.array([5.0 + 0j]), np.array([0.0]), np.array([0j]), np.array([1.0 + 0j]), np.array([0.0]), 0.6)
check.close(_result[1], np.array([3.0 + 0j]), name="the new H where neither the far end nor the noise has power")
check.close(_result[2], np.array([16.0]), name="the new P where neither the far end nor the noise has power")
check.passed("the step has become an answer")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("kalman_step")


def _complex_bins(n):
    return _rng.standard_normal(n) + 1j * _rng.standard_normal(n)


for _n_bins in [1, 2 * int(_rng.integers(3, 20)) + 1, 2 * int(_rng.integers(3, 20))]:
    for _scale, _size in [(1.0, 1.0), (1e-6, 1.0), (1e6, 1.0), (1.0, 1e-6)]:
        for _transition in [1.0, 0.999, 0.5, 0.0]:
            _H, _P, _X = _size * _complex_bins(_n_bins), _size**2 * _rng.random(_n_bins), _scale * _complex_bins(_n_bins)
            _Y, _noise = _scale * _size * _complex_bins(_n_bins), (_scale * _size) ** 2 * _rng.random(_n_bins)
            _before = [_array.copy() for _array in (_H, _P, _X, _Y, _noise)]
            _E, _H_new, _P_new = kalman_step(_H, _P, _X, _Y, _noise, _transition)
            _prior = _transition * _H
            _spread = _transition**2 * _P + (1 - _transition**2) * (_H * _H.conj()).real
            _information = 1 / _spread + np.abs(_X) ** 2 / _noise
            check.close(_E, _Y - _X * _prior, relative_tolerance=1e-9, absolute_tolerance=0.0, name="the errors of random bins")
            check.close(_P_new, 1 / _information, relative_tolerance=1e-7, absolute_tolerance=0.0, name="the new P of random bins")
            check.close(_H_new, (_prior / _spread + _X.conj() * _Y / _noise) / _information, relative_tolerance=1e-7, absolute_tolerance=0.0, name="the new H of random bins")
            for _array, _copy, _name in zip((_H, _P, _X, _Y, _noise), _before, ["H", "P", "X", "Y", "noise"]):
                check.close(_array, _copy, name=f"your input {_name} after the call")
_start, _X, _Y, _noise = 0.5 + _rng.random(4), _complex_bins(30 * 4).reshape(30, 4), _complex_bins(30 * 4).reshape(30, 4), 0.1 + _rng.random((30, 4))
_H, _P = np.zeros(4, complex), _start
for _frame in range(30):
    _, _H, _P = kalman_step(_H, _P, _X[_frame], _Y[_frame], _noise[_frame], 1.0)
_information = np.sum(np.abs(_X) ** 2 / _noise, axis=0) + 1 / _start
check.close(_H, np.sum(_X.conj() * _Y / _noise, axis=0) / _information, relative_tolerance=1e-8, name="H after thirty frames with a transition of 1, which is weighted least squares")
check.close(_P, 1 / _information, relative_tolerance=1e-8, name="P after thirty frames with a transition of 1")
_E, _H_new, _P_new = kalman_step(_H, _P, 0 * _X[0], _Y[0], _noise[0], 0.9)
check.close(_H_new, 0.9 * _H, name="the new H when the far end is silent")
check.close(_E, _Y[0], name="the errors when the far end is silent")
_E, _H_new, _P_new = kalman_step(_H, _P, _X[0], _Y[0], np.zeros(4), 0.9)
check.close(_H_new, _Y[0] / _X[0], name="the new H when there is echo and nothing else")
check.close(_P_new, np.zeros(4), name="the new P when there is echo and nothing else")
_E, _H_new, _P_new = kalman_step(_H, _P, _X[0], _Y[0], np.full(4, 1e12), 1.0)
check.close(_H_new, _H, relative_tolerance=1e-6, name="the new H when the near end is far louder than the echo: nobody froze it, and it stands still")
_E, _H_new, _P_new = kalman_step(np.array([2 + 0j, 0]), np.array([1, 1]), np.array([1 + 0j, 2]), np.array([4 + 0j, 6]), np.array([1, 4]), 1)
check.close(_H_new, np.array([3.0, 1.5 + 0j]), name="the new H of whole numbers")
check.close(_P_new, np.array([0.5, 0.5]), name="the new P of whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 8.4 Freezing against Kalman
#
# The library's `adaptive.frequency_domain_kalman` is your step, inside the partitions of section 7: one $P$ for each bin and partition, the constraint, and $\Psi$ estimated from the error itself. (The overlap-save circle, half of which is thrown away, brings factors of ½ with it; the paper in Further reading has them.) Four filters on the same double talk: NLMS as it is; NLMS frozen by the coherence detector; NLMS frozen by an oracle who knows when you speak; Kalman, with nobody watching.

# %% tags="demo"
contenders = {
    "NLMS": plain,
    "NLMS, frozen by the detector": adaptive.nlms(
        still.far_end, still.microphone, tail, far_end_power=usual_power, adapt=~aec.coherence_detector(still.far_end, still.microphone).active
    ),
    "NLMS, frozen by an oracle": adaptive.nlms(still.far_end, still.microphone, tail, far_end_power=usual_power, adapt=~still.double_talk),
    "Kalman": adaptive.frequency_domain_kalman(still.far_end, still.microphone, tail),
}
figure, ax = plt.subplots(figsize=(10, 3.6), layout="constrained")
for (name, run), style in zip(contenders.items(), [":", "-.", "--", "-"], strict=True):
    ax.plot(*echo_less_db(still, run.estimate), style, label=name)
    stretches = [slice(4, 6), slice(*TALK_S), slice(10, 12)]
    numbers = [metrics.erle(still.echo[a.start * sample_rate : a.stop * sample_rate], (still.echo - run.estimate)[a.start * sample_rate : a.stop * sample_rate]) for a in stretches]
    print(f"{name:30} before {numbers[0]:5.1f} dB, during {numbers[1]:5.1f} dB, after {numbers[2]:5.1f} dB")
ax.axvspan(*TALK_S, color=plots.PALETTE[1], alpha=0.15, linewidth=0)
ax.set(xlabel="Time (s)", ylabel="Echo less by (dB)", ylim=(-5, 38), title="Kalman withstands double talk, and nobody told it when to freeze")
ax.legend(ncols=2)
plt.show()
listen({name: run.error[part] for name, run in contenders.items()}, sample_rate)

# %% [markdown]
# The plain filter is wrecked. The detector saves some of it, but reacts late: the first syllable has done its harm by then, and afterwards it holds the filter longer than it should. Even the oracle's freezing costs 6 dB, for a frozen filter cannot learn what the far end says next. Kalman loses 3 to 4 dB in double talk and has them back at once. It goes on learning between your words, and in all the bins that you leave free.
#
# Has Kalman no weakness? It has one, and the formulas show it. When the filter is good, $P$ is small. If now the *path* changes, the error grows, $\Psi$ is estimated from the error, and the filter concludes: somebody speaks loudly, I had better not move. Only the transition $A$ lets $P$ grow again, and slowly. Section 11 will show how slowly. The cure is a second filter that is bold, and a judge who compares the two.

# %% [markdown]
# ## 9. Residual echo and non-linear loudspeakers
#
# ### 9.1 What no filter can reach
#
# Three kinds of echo remain after the best linear filter: the tail beyond its last tap; the part that it has not learnt yet; and what is no convolution of $x$ at all. A small loudspeaker at its limit is such a case. Its cone cannot follow, and the tops of the wave are flattened. Model this by $f(x) = \frac{a}{g}\tanh\big(\frac{g}{a}x\big)$, where $a$ is the peak of $x$ and $g$ the **drive**. For a tone of frequency $\omega$, an odd function makes the odd harmonics $3\omega, 5\omega, \dots$ In them $x$ has nothing. No filter of $x$, however long, can make something of it.

# %% tags="demo"
drives = [None, 1, 2, 4, 8]
distorted = {}
print(f"{'drive':>6} {'echo less by, 4 to 6 s':>24}")
for drive in drives:
    scene = scenes.echo_scene(far_voice[: 6 * sample_rate], None, np.random.default_rng(ROOM), room=room, noise_snr_db=40, clipping=drive)
    run = adaptive.frequency_domain_kalman(scene.far_end, scene.microphone, tail)
    distorted[drive] = scene, run
    late = slice(4 * sample_rate, None)
    print(f"{drive or 'none':>6} {metrics.erle(scene.echo[late], (scene.echo - run.estimate)[late]):21.1f} dB")
tone = np.sin(2 * np.pi * 440 * np.arange(sample_rate) / sample_rate)
figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
harmonics = np.arange(440, 6000, 440)
for offset, drive, marker in zip((-25, 25), (1, 4), "os", strict=True):
    spectrum = np.abs(np.fft.rfft(np.tanh(drive * tone) / drive))[harmonics]
    levels_db = 20 * np.log10(spectrum / spectrum[0])
    heard_ones = levels_db > -60
    ax.vlines(harmonics[heard_ones] + offset, -60, levels_db[heard_ones], color=plots.PALETTE[drive > 1])
    ax.plot(harmonics[heard_ones] + offset, levels_db[heard_ones], marker, color=plots.PALETTE[drive > 1], label=f"drive {drive}")
ax.set(xlabel="Frequency (Hz)", ylabel="Re the tone (dB)", ylim=(-60, 5), title="A flattened tone of 440 Hz has odd harmonics, and x has nothing there")
ax.legend()
plt.show()

# %% [markdown]
# At a drive of 4 (a small loudspeaker turned up) the filter is stuck below 10 dB, where the linear loudspeaker allowed more than 20. More taps or more time do not help.
#
# One remedy is still a filter. The first term of an odd, saturating $f$ beyond the linear one is cubic: $f(x) \approx x - c\,x^3$. So give the canceller $x^3$ as a *second input*, with an echo path of its own. The library's canceller does, with a cube that bends into a line at unusual peaks, where $x^3$ would exaggerate. What remains after that needs another tool.
#
# ### 9.2 Suppressing what is left
#
# The last resort is a mask, as in lesson 03: turn down those bins of the error that hold mostly residual echo. The Wiener mask wants the power of your voice over the sum of yours and the echo's. Nobody knows either. But much speaks: the microphone, the error, the estimated echo, the far end. Where the estimated echo is strong and the error is weak, the rest is likely echo. A small network can learn the pattern from generated scenes, where everything is known. The library's has 66 thousand parameters, a recurrent layer that remembers the last frames, and one gain for each of a few dozen frequency bands as its output. It was trained with `python -m course_lib.training.residual_echo`, on other voices than our two.
#
# A mask cannot tell two voices in one bin apart. It pays for silence with damage to your voice: in double talk listen for both.

# %% tags="demo"
harsh = scenes.echo_scene(far_voice[: 10 * sample_rate], near_voice, np.random.default_rng(ROOM), room=room, near_end_start_s=5, clipping=4)
linear = aec.cancel_echo(harsh.far_end, harsh.microphone, nonlinear=False)
cubic = aec.cancel_echo(harsh.far_end, harsh.microphone)
masked = aec.cancel_echo(harsh.far_end, harsh.microphone, suppressor="network")
alone, both = slice(2 * sample_rate, 5 * sample_rate), slice(5 * sample_rate, 9 * sample_rate)
for name, sound in {"microphone": harsh.microphone, "linear": linear.output, "with x³": cubic.output, "and the network": masked.output}.items():
    print(f"{name:16} ERLE {metrics.erle(harsh.microphone[alone], sound[alone]):5.1f} dB, SI-SDR of the near end in double talk {metrics.si_sdr(harsh.near_end[both], sound[both]):5.1f} dB")
listen({"microphone": harsh.microphone, "linear": linear.output, "with x³": cubic.output, "and the network": masked.output, "near end": harsh.near_end}, sample_rate)

# %% [markdown]
# The cube takes 2 to 3 dB more of the echo than the linear filter at first. And it goes on learning: in double talk your voice gains about 6 dB by it. The network does something else. While only the far end speaks it shuts the gate: what remains is silence. In double talk it has to choose, band by band, and gains about 2 dB more here. Listen to your voice in the last player but one, where the far end is loud: what is missing there, the mask has taken with the echo.
#
# ## 10. A streaming canceller
#
# ### 10.1 The parts in their order
#
# `aec.EchoCanceller` puts together what this lesson has built:
#
# 1. **Align.** The far end is delayed by what the cross-correlation (GCC-PHAT) finds between $x$ and $y$, so that the filter's taps are spent on the room and not on buffers.
# 2. **Filter.** The partitioned frequency-domain Kalman filter, section 8.3.
# 3. **Guard.** A second filter whose taps are taken over only when they have proved better, so that nothing can diverge.
# 4. **Suppress**, if asked for: the network of section 9.2.
#
# It gets blocks as a sound card would hand them out, and answers each before the next comes. Below, a call runs block by block: 16 ms at a time, 0.3 s of bulk delay, a path change, double talk. The figure grows as it would on a screen; here you see its end.

# %% tags="demo"
from IPython.display import display

live = scenes.echo_scene(far_voice, near_voice, np.random.default_rng(ROOM), room=room, near_end_start_s=TALK_S[0], path_change_s=CHANGE_S, delay_s=0.3)
canceller = aec.EchoCanceller(sample_rate, tail_s=0.25, suppressor="network")
block = 256
sent, durations_ms, delays_ms = [], [], []


def draw_call(n_heard):
    """Draw what came in and what has gone out so far."""
    figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
    so_far = np.concatenate(sent)
    ax.plot(np.arange(n_heard)[::8] / sample_rate, live.microphone[:n_heard:8], color="0.7", linewidth=0.5, label="microphone")
    ax.plot(np.arange(len(so_far))[::8] / sample_rate, so_far[::8], color=plots.PALETTE[0], linewidth=0.5, label="sent")
    ax.set(xlim=(0, duration_s), ylim=(-0.5, 0.5), xlabel="Time (s)", ylabel="Amplitude", title=f"After {n_heard / sample_rate:.0f} s: the far end is delayed by {delays_ms[-1]:.0f} ms")
    ax.axvspan(*TALK_S, color=plots.PALETTE[1], alpha=0.15, linewidth=0)
    ax.axvline(CHANGE_S, color="0.3", linewidth=0.8)
    ax.legend(loc="lower left", ncols=2)
    plt.close(figure)
    return figure


screen = None
for start in range(0, len(live.microphone), block):
    started = time.perf_counter()
    sent.append(canceller.push(live.far_end[start : start + block], live.microphone[start : start + block]))
    durations_ms.append(1e3 * (time.perf_counter() - started))
    delays_ms.append(1e3 * canceller.delay / sample_rate)
    if (start // block + 1) % (3 * sample_rate // block) == 0:
        screen = display(draw_call(start + block), display_id=True) if screen is None else screen.update(draw_call(start + block)) or screen
sent.append(canceller.flush())
output = np.concatenate(sent)
offline = aec.cancel_echo(live.far_end, live.microphone, tail_s=0.25, suppressor="network").output
print(f"a block lasts {1e3 * block / sample_rate:.0f} ms; computing it took {np.median(durations_ms):.2f} ms, at most {max(durations_ms):.1f} ms")
print(f"latency {1e3 * canceller.latency / sample_rate:.0f} ms; the bulk delay was found after {np.argmax(np.array(delays_ms) > 0) * block / sample_rate:.1f} s")
print(f"largest difference from the offline result: {np.abs(output - offline).max():.1e}")
listen({"microphone": live.microphone, "sent": output, "near end alone": live.near_end}, sample_rate)

# %% [markdown]
# The delay is found within the first second, and from then on the filter needs no taps for it. After the change the filters need a second or two to learn the new path; meanwhile the network keeps the gate shut. Computing a block takes, in the median, a fraction of the time that it lasts (look at the longest one, too: a live canceller must not be late even once). And the stream equals the offline result to the last bit: a canceller that you can test offline is one that you can trust live.
#
# ### 10.2 Keep the sounds
#
# `save_sounds` writes wav files of 16 bits. It turns all of them down together if one would clip, so their levels stay comparable. To hear your own filters, put their outputs beside: `"mine": nlms_filter(x[:32000], y[:32000], 256, 0.5, 1e-3)[0]`.

# %% tags="demo"
save_sounds("recordings", {"microphone": live.microphone, "reference": live.far_end, "estimate": output}, sample_rate)

# %% [markdown]
# ## 11. All methods on the same scene
#
# The scene of section 1: double talk from 6 to 10 s, another path from 13 s on. Four stretches tell four things: how far a method comes in peace (4 to 6 s), how it withstands double talk (6 to 10 s), how fast it is back after a change (13 to 14 s), and where it ends (16 to 18 s). In the table, ERLE compares the microphone with what is sent, where you are silent; SI-SDR compares what is sent with your voice, in double talk. The upper panel compares the echo with the remaining echo, which only a scene can tell.

# %% tags="demo"
methods = {
    "nothing": (0, lambda: np.zeros(len(y))),
    "NLMS": (0, lambda: adaptive.nlms(x, y, tail, far_end_power=usual_power).estimate),
    "NLMS, frozen by coherence": (0, lambda: adaptive.nlms(x, y, tail, far_end_power=usual_power, adapt=~aec.coherence_detector(x, y).active).estimate),
    "block filter": (tail, lambda: adaptive.frequency_domain_lms(x, y, tail).estimate),
    "Kalman": (256, lambda: adaptive.frequency_domain_kalman(x, y, tail).estimate),
    "canceller": (aec.EchoCanceller().latency, lambda: y - aec.cancel_echo(x, y).output),
    "canceller and network": (aec.EchoCanceller(suppressor="network").latency, lambda: y - aec.cancel_echo(x, y, suppressor="network").output),
}
stretches_s = {"4–6 s": (4, 6), "13–14 s": (13, 14), "16–18 s": (16, 18)}
speaking = slice(TALK_S[0] * sample_rate, TALK_S[1] * sample_rate)
outputs = {}
print(f"{'':27}" + "".join(f"{'ERLE ' + name:>14}" for name in stretches_s) + f"{'SI-SDR 6–10 s':>15}{'latency':>9}{'time for 1 s':>14}")
for name, (latency, estimate_echo) in methods.items():
    started = time.perf_counter()
    outputs[name] = y - estimate_echo()
    cost_ms = 1e3 * (time.perf_counter() - started) / duration_s
    erles_db = [metrics.erle(y[a * sample_rate : b * sample_rate], outputs[name][a * sample_rate : b * sample_rate]) for a, b in stretches_s.values()]
    sdr_db = metrics.si_sdr(call.near_end[speaking], outputs[name][speaking])
    print(f"{name:27}" + "".join(f"{value:11.1f} dB" for value in erles_db) + f"{sdr_db:12.1f} dB{1e3 * latency / sample_rate:6.0f} ms{cost_ms:11.1f} ms")

# %% tags="demo"
figure, axes = plt.subplots(2, 1, figsize=(10, 6), sharex=True, layout="constrained", height_ratios=[1.6, 1])
for name, style in {"NLMS": ":", "NLMS, frozen by coherence": "-.", "Kalman": "--", "canceller": "-"}.items():
    axes[0].plot(*echo_less_db(call, y - outputs[name]), style, label=name)
for name, style in {"canceller": "-", "canceller and network": "--"}.items():
    measured_db = metrics.erle(y, outputs[name], window_s=0.5, hop_s=0.1)
    times_s = 0.25 + 0.1 * np.arange(len(measured_db))
    measured_db[(times_s > TALK_S[0] - 0.25) & (times_s < TALK_S[1] + 0.25)] = np.nan  # no ERLE while the near end speaks
    axes[1].plot(times_s, measured_db, style, color=plots.PALETTE[3 if style == "-" else 4], label=name)
for ax in axes:
    ax.axvspan(*TALK_S, color=plots.PALETTE[1], alpha=0.15, linewidth=0)
    ax.axvline(CHANGE_S, color="0.3", linewidth=0.8)
    ax.axhline(0, color="0.3", linewidth=0.8)
axes[0].text(TALK_S[0] + 0.1, 0.03, "double talk", transform=axes[0].get_xaxis_transform())
axes[0].text(CHANGE_S + 0.1, 0.03, "path change", transform=axes[0].get_xaxis_transform())
axes[0].set(ylabel="Echo less by (dB)", ylim=(-6, 42), title="Each method has its moment; the canceller is behind only just after the change")
axes[1].set(xlabel="Time (s)", ylabel="ERLE (dB)", ylim=(-6, 125), title="What the far end hears of herself: the network shuts the gate")
for ax in axes:
    ax.legend(ncols=4, loc="upper left", fontsize=8)
plt.show()
excerpt = slice(5 * sample_rate, 15 * sample_rate)
listen({"microphone": y[excerpt], **{name: outputs[name][excerpt] for name in ("NLMS", "Kalman", "canceller", "canceller and network")}}, sample_rate)

# %% [markdown]
# *In peace* all filters get about 20 dB, the canceller a little more. *In double talk* NLMS makes the near end worse than doing nothing (−3 dB), freezing helps (4.5), Kalman is at 17 dB and the canceller at 19 or 20. *After the change* it is the other way round. (The curves fall a little before 13 s: each value stands for the half second about it.) Plain NLMS, which trusts nobody, is back first, with 10 dB in the first second. The frozen one takes the change for double talk at first, and has half as much. Kalman believes that somebody speaks, and is not back by the end. The canceller has both a careful filter and a bold one, and a judge between them. The judge needs half a second to be sure: in that first second the canceller, too, has half of what NLMS has. Then it draws level, and is soon ahead of all. *The network* takes the last of the echo, 60 dB and more, where only the far end speaks. In double talk it gains no more than a decibel: the loudspeaker is linear here, and the filter has left it little to take. *Latency and cost:* look at the last two columns of your own table. The network, which looks at whole frames, makes the sound 32 ms later.
#
# ## 12. Where it breaks
#
# Three of the causes can be turned up step by step. The far end of our call for 5 s, nobody at the near end; the ERLE from 3 s on.

# %% tags="demo"
from scipy.interpolate import CubicSpline

n_short = 5 * sample_rate
measured = slice(3 * sample_rate, n_short - sample_rate // 10)


def without_near_end(**how):
    """Five seconds of our call without near end."""
    return scenes.echo_scene(far_voice[:n_short], None, np.random.default_rng(ROOM), room=room, **how)


def run_all(source, recorded):
    """What NLMS, a Kalman filter and the canceller leave of a recording."""
    return {
        "NLMS": adaptive.nlms(source, recorded, tail, far_end_power=usual_power).error,
        "Kalman": adaptive.frequency_domain_kalman(source, recorded, tail).error,
        "canceller": aec.cancel_echo(source, recorded).output,
    }


easy = without_near_end()
by_clock = CubicSpline(np.arange(n_short), easy.microphone)
drifts_ppm, delays_s, drive_steps = [0, 20, 100, 500], [-0.0025, 0, 0.05, 0.4], [0, 2, 4, 8]
drifted = [by_clock(np.clip(np.arange(n_short) * (1 + 1e-6 * ppm), 0, n_short - 1)) for ppm in drifts_ppm]
delayed = [np.append(easy.microphone[40:], np.zeros(40)) if delay_s < 0 else without_near_end(delay_s=delay_s).microphone for delay_s in delays_s]
driven = [without_near_end(clipping=drive or None).microphone for drive in drive_steps]
studies = [
    ("Drift of the clocks (ppm)", drifts_ppm, drifted, "Clocks"),
    ("Delay of the echo (ms)", [1e3 * delay_s for delay_s in delays_s], delayed, "Delay"),
    ("Drive of the loudspeaker (0: linear)", drive_steps, driven, "Clipping"),
]
broken = {}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True, layout="constrained")
for ax, (words, steps, recordings, title) in zip(axes, studies, strict=True):
    runs = [run_all(easy.far_end, recorded) for recorded in recordings]
    for name, marker in zip(runs[0], "os^", strict=True):
        erles_db = [metrics.erle(recorded[measured], run[name][measured]) for recorded, run in zip(recordings, runs, strict=True)]
        ax.plot(range(len(steps)), erles_db, marker=marker, label=name)
        print(f"{title:9} {name:10}", ", ".join(f"{step:g}: {value:.1f} dB" for step, value in zip(steps, erles_db, strict=True)))
    broken[title] = recordings[-1], runs[-1]["canceller"]
    ax.set_xticks(range(len(steps)), labels=[f"{step:g}" for step in steps])
    ax.set(xlabel=words, title=title)
axes[0].set_ylabel("ERLE (dB)")
axes[0].legend()
plt.show()
listen({"clocks, 500 ppm": broken["Clocks"][1], "delay, 400 ms": broken["Delay"][1], "clipping, drive 8": broken["Clipping"][1]}, sample_rate)

# %% [markdown]
# - **Two clocks.** Sound cards play by one crystal and record by another. At 20 ppm the echo slides by one sample every three seconds, and the path is never the same. The canceller does not notice that (a decibel more or less means nothing here). Beyond it, filters survive down to what they can learn in the time that is left: the canceller has about 16 dB at 100 ppm and 6 or 7 at 500. Real systems estimate the drift and resample.
# - **Delay.** Buffers add tens to hundreds of milliseconds. Taps that model a delay are lost for the room. NLMS has 250 ms of them, and bears a delay of 50; at 400 its last tap lies before the first echo, and little is left to learn. The canceller aligns first: it loses next to nothing at 50 ms, and has about 15 dB at 400, where it has had less time to learn. The worst case is small: an echo 2.5 ms *before* its reference (somebody delayed the wrong signal) costs all of them more than 10 dB, since a causal filter cannot know the future, and the aligner has nothing to delay.
# - **Clipping.** Section 9. At a drive of 8 the cube is no longer a good picture of the loudspeaker: the canceller, which has it, is no better than NLMS, which has not.
# - **The room moves.** A hand near the loudspeaker, a door, a talker who leans forward. Each is a small path change, and the ERLE of real calls is bounded by them.
# - **Long rooms.** What the tail of 0.25 s does not reach stays. In a bathroom or a hall that is a good part of the echo.
# - **Music at the near end, silence at the far end.** A filter must not learn where $x$ has no power: everything in $e$ is then noise. All filters of the library watch the far end's level.
#
# ## 13. What we have learnt
#
# - The error's correlation with the input is the gradient. LMS takes one sample of it; the step decides between speed, floor and explosion, and the bound that counts is that of the square.
# - Eigenvalues of the input's covariance lie within its spectrum's range. Speech has a range of many decades: LMS and NLMS are slow where it is weak. APA, RLS and filters in the frequency domain make it white.
# - RLS solves a growing least-squares problem by a change of rank one. The matrix inversion lemma does it without a system of equations.
# - ERLE asks what is cancelled, misalignment what is known. The first can be high while the second is zero.
# - A training loss contains what no model can explain. Below the oracle's loss a model learns noise.
# - The STFT domain decouples frequencies, and pays with a floor. Doubled frames remove the floor and the spectral loss with it.
# - Half of every circle is thrown away: that is overlap-save. Partitions make the latency one short block.
# - Near-end speech does not bias the gradient; it drowns it. Detect and freeze, or let a Kalman filter weigh what it knows against what it hears.
# - What is no convolution needs a mask, and a mask costs something of the voice.
#
# **Next.** In lesson 06 there is no reference to subtract. The noise has to be guessed from the noisy voice itself.
#
# ### Further reading
#
# - B. Widrow and M. E. Hoff, "Adaptive switching circuits", *IRE WESCON Convention Record*, 1960: LMS.
# - S. Haykin, *Adaptive Filter Theory*, 5th ed., Pearson, 2014: chapters 4 to 6 for steepest descent, LMS and NLMS, chapter 10 for RLS.
# - A. Feuer and E. Weinstein, "Convergence analysis of LMS filters with uncorrelated Gaussian data", *IEEE Trans. ASSP* 33(1), 1985: the bound of section 2.4.
# - K. Ozeki and T. Umeda, "An adaptive filtering algorithm using an orthogonal projection to an affine subspace and its properties", *Electronics and Communications in Japan* 67-A(5), 1984: APA.
# - J. J. Shynk, "Frequency-domain and multirate adaptive filtering", *IEEE Signal Processing Magazine* 9(1), 1992: section 7.
# - J.-S. Soo and K. K. Pang, "Multidelay block frequency domain adaptive filter", *IEEE Trans. ASSP* 38(2), 1990: partitions.
# - D. L. Duttweiler, "A twelve-channel digital echo canceler", *IEEE Trans. Communications* 26(5), 1978: Geigel's detector.
# - J. Benesty, D. R. Morgan and J. H. Cho, "A new class of doubletalk detectors based on cross-correlation", *IEEE Trans. Speech and Audio Processing* 8(2), 2000: section 8.2.
# - G. Enzner and P. Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free telephones", *Signal Processing* 86(6), 2006: section 8.3.
# - Y. Avargel and I. Cohen, "System identification in the short-time Fourier transform domain with crossband filtering", *IEEE Trans. ASLP* 15(4), 2007: the floor of section 6.4, and how neighbouring bands lower it.
# - E. Hänsler and G. Schmidt, *Acoustic Echo and Noise Control*, Wiley, 2004: the whole system, double talk and residual echo included.
