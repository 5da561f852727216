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
#   title: Convolution and the STFT
# ---

# %% [markdown]
# # Lesson 01 — Convolution and the short-time Fourier transform
#
# Clap your hands in a stairwell. What comes back is not one clap. It is hundreds of them, each later and softer than the
# one before. Now speak there: every instant of your voice is answered by those same hundreds of copies. That sum of
# delayed, scaled copies is **convolution**, and it is what nearly every room, cable, loudspeaker and microphone in this
# course does to sound.
#
# In this lesson you will
#
# - **hear** one voice in four rooms, and see what a room does to a spectrogram (a picture of sound: time to the right, frequency upwards);
# - **derive** convolution three ways, and make it hundreds of times faster with the FFT;
# - **build** convolution block by block, and see how partitions let a reverb run live, with a latency that you choose;
# - **build** the inverse of the short-time Fourier transform, with which every later lesson turns a spectrogram back into sound;
# - **find out** when a spectrogram is not the spectrogram of any sound at all.
#
# | | |
# |---|---|
# | Time | about five hours: two and a half for the exercises, as much for reading and listening; take a break before section 5 |
# | Points | 20: ten programming exercises (16) and three written ones (4) |
# | You need | Python with NumPy, sums and complex numbers; no signal processing |
# | You will use again | everything: lessons 02 to 11 all start from here |
#
# **How to work.** Run the cells from top to bottom. Where a function says `raise NotImplementedError`, replace that line with
# your code and run the cell below it: it checks your answer and tells you what went wrong. Each exercise has three hints,
# folded away; open one at a time. Cells that only draw or play can be run as often as you like. Use headphones.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
import torch

from course_lib import check, convolution, data, metrics, plots, stft
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.listen import listen

plots.use_style()

sample_rate = SAMPLE_RATE_HZ
voice = data.speech("f1", 5)
rooms = {name: data.room(name) for name in data.room_names()}

print(f"The voice: {len(voice)} samples at {sample_rate} Hz, which is {len(voice) / sample_rate:.2f} s")
print("The rooms:", ", ".join(name.replace("_", " ") for name in rooms))

# %% [markdown]
# ## 1. Listen first
#
# Play a short click in a room and record what comes back. (Our four rooms are simulated.) Such a recording is
# called the room's **impulse response**. The click itself holds no music and no words. Still, it is all that you need to know
# about the path from the loudspeaker to the microphone.
#
# The next cell takes one dry voice and four impulse responses. All five players are matched in loudness, so that you
# compare rooms and not volumes. (LUFS, under each player, is perceived loudness in decibels; the gain is what the matching added.)
#
# **Before you run it, guess:** will the larger of two rooms always ring longer? What will the spectrogram of an
# `s` look like in it? And of the silence after the last word?

# %% tags="demo"
heard = {"dry": voice}
for name, room in rooms.items():
    heard[name.replace("_", " ")] = convolution.convolve_fft(voice, room.impulse_response[0])
listen(heard, sample_rate)

# %% [markdown]
# Look at the pictures under the players. In the dry voice, every sound starts and stops: dark gaps stand between the
# syllables. Each room fills those gaps. The horizontal direction is smeared, while the vertical one is not: a room stretches
# every sound in *time*, and adds no new frequencies. You will see in section 3 why it cannot add any.
#
# In numbers: in the deepest gap between two words, 1.6 s from the start, the dry voice falls 56 dB below its mean level. In the living room it falls
# only 28 dB, in the office 20, in the bathroom 13, and in the hall 11. Words run into each other.
#
# Here are the four impulse responses themselves, on a scale in **decibels**: $20\log_{10}$ of a ratio of amplitudes. −20 dB is a tenth, −60 dB a
# thousandth. An exponential decay is a straight line on that scale. The time that it takes to fall by 60 dB is the **reverberation time** $T_{60}$. The first
# spike is the direct sound, which took the shortest way. Read the slope behind it.

# %% tags="demo"
figure, axes = plt.subplots(1, 4, figsize=(10, 2.6), sharex=True, sharey=True, layout="constrained")
for (name, room), ax in zip(rooms.items(), axes, strict=True):
    response = room.impulse_response[0]
    level_db = 20 * np.log10(np.maximum(np.abs(response) / np.abs(response).max(), 1e-5))
    ax.plot(np.arange(len(response)) / sample_rate, level_db, linewidth=0.4)
    ax.set(title=f"{name.replace('_', ' ')}: $T_{{60}}$ = {room.rt60_s:.2f} s", xlabel="Time (s)", ylim=(-80, 3))
axes[0].set_ylabel("Level (dB)")
figure.suptitle("Rooms decay nearly along a straight line in decibels; the small bathroom outlasts the office")
plt.show()
for name, room in rooms.items():
    volume = np.prod(room.dimensions_m)
    print(f"{name.replace('_', ' '):12} {volume:7.0f} m³   decays by 60 dB in {room.rt60_s:.2f} s")

# %% [markdown]
# Was your guess right? Size is not everything. The bathroom is the smallest of the four, and its hard walls let it ring longer than the living room and the office. The hall's
# line bends a little: what is left after a second travels mostly along the long axis, meets walls less often, and so decays more slowly.

# %% [markdown]
# ## 2. Convolution
#
# ### 2.1 From two properties to one formula
#
# Call the dry voice $x[n]$, with $n = 0, \dots, N-1$, and what the microphone picks up $y[n]$. We ask two things of the room.
#
# 1. **Linearity.** If you play $a\,x_1 + b\,x_2$, you hear $a\,y_1 + b\,y_2$. Two people talking are the sum of each one talking.
# 2. **Time invariance.** If you play the same sound $k$ samples later, you hear the same answer $k$ samples later.
#
# Let $\delta[n]$ be the click: 1 at $n = 0$ and 0 elsewhere. The room answers it with the impulse response $h[n]$, with
# $M$ samples: $n = 0, \dots, M-1$. Those samples are also called the **taps** of the filter $h$. Any signal is a sum of
# shifted, scaled clicks:
#
# $$x[n] = \sum_{k=0}^{N-1} x[k]\,\delta[n-k].$$
#
# By time invariance, the room answers $\delta[n-k]$ with $h[n-k]$. By linearity, it answers the whole sum with the sum of the
# answers:
#
# $$\boxed{\;y[n] = (x * h)[n] = \sum_{k=0}^{N-1} x[k]\,h[n-k]\;}$$
#
# where $h$ counts as zero outside $0, \dots, M-1$. That is convolution. We assumed nothing else about it, so *every* linear
# time-invariant system is a convolution. (That $h$ starts at 0 says that no echo comes before its cause. That it ends after $M$ samples says that we stop listening when it has become inaudible.) With $i = n-k$ you also get $y[n] = \sum_{i=0}^{M-1} h[i]\,x[n-i]$: convolution is
# commutative. The room convolved with your voice is your voice convolved with the room.
#
# ### 2.2 A sum that you can do by hand
#
# Take $x = (1, 2, 3)$ and $h = (1, 0, -1)$. The first output sample uses only $x[0]$; the last only $x[2]$:
#
# | $n$ | terms $x[k]\,h[n-k]$ | $y[n]$ |
# |---|---|---|
# | 0 | $1\cdot1$ | 1 |
# | 1 | $1\cdot0 + 2\cdot1$ | 2 |
# | 2 | $1\cdot(-1) + 2\cdot0 + 3\cdot1$ | 2 |
# | 3 | $2\cdot(-1) + 3\cdot0$ | −2 |
# | 4 | $3\cdot(-1)$ | −3 |
#
# Three samples and three taps gave five. The figure shows where each comes from: one copy of $h$ for each sample of $x$,
# delayed and scaled, and then the sum down each column.

# %% tags="demo"
x_small, h_small = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, -1.0])
copies = [np.pad(x_small[k] * h_small, (k, 2 - k)) for k in range(3)]

figure, axes = plt.subplots(1, 4, figsize=(10, 2.4), sharey=True, layout="constrained")
for k, ax in enumerate(axes[:3]):
    plots.stem(copies[k], ax=ax, title=f"$x[{k}]\\,h[n-{k}]$")
plots.stem(sum(copies), ax=axes[3], title="their sum: $y[n]$")
for ax in axes:
    ax.set_xlabel("Sample $n$")
    ax.label_outer()
figure.suptitle("Convolution adds one delayed, scaled copy of $h$ for each sample of $x$")
plt.show()

# %% [markdown]
# ### Exercise 1.1 — Convolution by definition
#
# *2 points · 10 minutes · easy*
#
# **Outcome.** You can turn the boxed formula into code, and you know which pairs $(n, k)$ it visits.
#
# **Task.** Write `convolve_by_definition(x, h)`: the boxed sum with two plain Python loops over samples. Return a NumPy array with all
# `len(x) + len(h) - 1` samples as floating-point numbers. Use no convolution that somebody else wrote.
#
# **By hand.** `convolve_by_definition([1, 2, 3], [1, 0, -1])` is `[1, 2, 2, -2, -3]`: the table above.
#
# **Expected picture.** For these inputs, the last of the four panels above.

# %% [markdown] hints="convolve_by_definition"
# concept: The formula asks, for each output sample $n$, which $k$ have both $x[k]$ and $h[n-k]$ inside their ranges. The
# other terms are zero. You may skip them, or you may turn the question round: which output does the pair $(k, i)$ feed?
#
# structure: Make an array of zeros, long enough for every output and of floating-point type. Loop over every sample of `x`,
# and inside it over every tap of `h`. Each pair adds one product to one output sample.
#
# line: The product `x[k] * h[i]` belongs to output `n = k + i`, since then `i = n - k`. So the inner line is
# `y[k + i] += x[k] * h[i]`.

# %% exercise="convolve_by_definition" forbid="np.convolve np.correlate scipy.signal np.fft scipy.fft torch course_lib.convolution"
def convolve_by_definition(x, h):
    """Convolve two sequences by the defining sum; return len(x) + len(h) - 1 float samples."""
    ### BEGIN SOLUTION
    y = np.zeros(len(x) + len(h) - 1)
    for k in range(len(x)):
        for i in range(len(h)):
            y[k + i] += x[k] * h[i]
    return y
    ### END SOLUTION


# %% test="convolve_by_definition" points=2
check.close(
    convolve_by_definition([1, 2, 3], [1, 0, -1]),
    np.array([1.0, 2.0, 2.0, -2.0, -3.0]),
    name="convolve_by_definition([1, 2, 3], [1, 0, -1])",
    mistakes={
        "you kept only as many samples as x has: the room still sounds after the voice has stopped.": [1, 2, 2],
        "a product replaced what stood there: add it to the output sample.": [1, 2, 3, 0, -3],
        "h is not flipped: this is the sum of x[k]·h[n + k], which is correlation.": [-2, -2, -1, 0, 0],
        "a negative index n - k counted from the end of h: skip the terms that lie outside h.": [-1, -1, 2, -2, -3],
    },
)
check.close(
    convolve_by_definition([1, 1], [0.5, 0.25]),
    [0.5, 0.75, 0.25],
    name="convolve_by_definition([1, 1], [0.5, 0.25])",
    mistakes={"the result was cut to whole numbers: make the output array a floating-point one.": [0, 0, 0]},
)
check.passed("convolve_by_definition agrees with the sums done by hand")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("convolve_by_definition")
_even, _odd = (2 * _rng.integers(4, 20, 2)).tolist(), (2 * _rng.integers(4, 20, 2) + 1).tolist()
for _n_samples, _n_taps in [(1, 1), (1, 7), (9, 1), (_even[0], _odd[0]), (_odd[1], _even[1]), (17, 5), (5, 17), (31, 31)]:
    _x, _h = _rng.standard_normal(_n_samples), _rng.standard_normal(_n_taps)
    _x_before, _h_before = _x.copy(), _h.copy()
    check.close(convolve_by_definition(_x, _h), np.convolve(_x, _h), relative_tolerance=1e-12, name="a random signal")
    check.close(_x, _x_before, name="your input x after the call")
    check.close(_h, _h_before, name="your input h after the call")
check.close(convolve_by_definition(np.zeros(6), _h), np.zeros(6 + 31 - 1), name="silence")
_x = _rng.integers(-9, 10, 12)
check.close(convolve_by_definition(_x, [0.3, -0.7]), np.convolve(_x, [0.3, -0.7]), relative_tolerance=1e-12, name="whole numbers as x")
check.close(convolve_by_definition(1e-9 * _h, _h), 1e-9 * np.convolve(_h, _h), relative_tolerance=1e-12, absolute_tolerance=0.0, name="a very soft signal")
### END HIDDEN TESTS

# %% [markdown]
# ### 2.3 The same sum, read across: a dot product
#
# Fix one output sample $n$ and read the formula again, with $i = n - k$ as the index of the tap:
#
# $$y[n] = \sum_{i=0}^{M-1} h[i]\,x[n-i] = \begin{pmatrix} h[M-1] & \cdots & h[1] & h[0] \end{pmatrix}
# \begin{pmatrix} x[n-M+1] \\ \vdots \\ x[n-1] \\ x[n] \end{pmatrix}.$$
#
# This is a dot product. Write the kernel down **flipped**, lay it over the last $M$ input samples, multiply and add. Then slide
# it one sample to the right. Where the window hangs over the ends of $x$, the missing samples are zeros.
#
# The flip is no trick. The *newest* input sample meets the *first* tap, because it has travelled the shortest time. An
# input sample from $i$ samples ago meets tap $i$, because it has travelled for $i$ samples.

# %% [markdown]
# ### Exercise 1.2 — A dot product with the flipped kernel
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You can compute one output sample without computing the others, as a live system must.
#
# **Task.** Write `convolve_by_dot_products(x, h)` for NumPy arrays with one axis. Loop over the output samples, and compute each by **one**
# dot product of `len(h)` numbers. Pad `x` with zeros so that the window never leaves the array. Return a NumPy array.
#
# **By hand.** For `x = [1, 2, 3]` and `h = [1, 0, -1]` the flipped kernel is `[-1, 0, 1]`. At `n = 2` it lies over `[1, 2, 3]`, and
# the dot product is `-1 + 0 + 3 = 2`.
#
# **Expected picture.** The same five stems as in Exercise 1.1.

# %% [markdown] hints="convolve_by_dot_products"
# concept: At `n = 0` the window covers one real sample and `len(h) - 1` samples from before the recording began. At the
# last output it covers one real sample and `len(h) - 1` from after its end. So both ends need the same padding.
#
# structure: Pad `x` with `len(h) - 1` zeros on each side. For each output sample take the slice of `len(h)` padded samples that
# starts at `n`, and multiply it by the flipped kernel with `@` or `np.dot`.
#
# line: With `flipped = h[::-1]` and `padded = np.pad(x, len(h) - 1)`, the output sample is `padded[n : n + len(h)] @ flipped`.

# %% exercise="convolve_by_dot_products" forbid="np.convolve np.correlate scipy.signal np.fft scipy.fft torch course_lib.convolution"
def convolve_by_dot_products(x, h):
    """Convolve two arrays, one dot product with the flipped kernel for each output sample."""
    ### BEGIN SOLUTION
    n_taps = len(h)
    flipped = h[::-1]
    padded = np.pad(x, n_taps - 1)
    return np.array([padded[n : n + n_taps] @ flipped for n in range(len(x) + n_taps - 1)])
    ### END SOLUTION


# %% test="convolve_by_dot_products" points=1
check.close(
    convolve_by_dot_products(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, -1.0])),
    np.array([1.0, 2.0, 2.0, -2.0, -3.0]),
    name="convolve_by_dot_products on the example",
    mistakes={
        "the kernel is not flipped: that is correlation.": [-1, -2, -2, 2, 3],
        "only the windows that lie wholly inside x were used: pad both ends with len(h) - 1 zeros.": [2],
        "x is padded on its left side only, so the tail is missing.": [1, 2, 2],
    },
)
check.passed("each output sample is one dot product with the flipped kernel")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("convolve_by_dot_products")
_even, _odd = (2 * _rng.integers(4, 20, 2)).tolist(), (2 * _rng.integers(4, 20, 2) + 1).tolist()
for _n_samples, _n_taps in [(1, 1), (1, 6), (8, 1), (_even[0], _odd[0]), (_odd[1], _even[1]), (40, 7), (7, 40), (1001, 64)]:
    _x, _h = _rng.standard_normal(_n_samples), _rng.standard_normal(_n_taps)
    _x_before, _h_before = _x.copy(), _h.copy()
    check.close(convolve_by_dot_products(_x, _h), np.convolve(_x, _h), relative_tolerance=1e-11, name="a random signal")
    check.close(_x, _x_before, name="your input x after the call")
    check.close(_h, _h_before, name="your input h after the call")
_x, _h = _rng.standard_normal(20_000), _rng.standard_normal(2000)
_y = check.within_seconds(3.0, convolve_by_dot_products, _x, _h)
check.close(_y[5000], _x[3001:5001] @ _h[::-1], relative_tolerance=1e-9, name="one sample of a long signal")
_h = _h[:64]
check.close(convolve_by_dot_products(np.zeros(9), _h), np.zeros(9 + 64 - 1), name="silence")
check.close(convolve_by_dot_products(np.arange(5), np.array([2, -1])), np.convolve(np.arange(5), [2, -1]), name="whole numbers")
check.close(convolve_by_dot_products(np.arange(5), np.array([0.5, -0.25])), np.convolve(np.arange(5), [0.5, -0.25]), name="whole numbers and a fractional kernel")
### END HIDDEN TESTS

# %% [markdown]
# ### 2.4 The same sum, read down: shifted copies
#
# Now fix one tap $i$ instead, and let $n$ run. The term $h[i]\,x[n-i]$ is the whole signal, delayed by $i$ samples and scaled
# by $h[i]$. Let $D$ be the **delay** by one sample, also called the shift operator: $(D x)[n] = x[n-1]$. Then
#
# $$y = \sum_{i=0}^{M-1} h[i]\,D^i x = \big(h[0] + h[1]\,D + h[2]\,D^2 + \dots + h[M-1]\,D^{M-1}\big)\,x.$$
#
# A room is a *polynomial in the delay*. This is the stairwell of the first paragraph: $h[i]$ says how loud the echo is that
# comes $i$ samples late. If most taps are zero, you save most of the work. That is how delay effects and sparse early
# reflections are computed in practice.

# %% [markdown]
# ### Exercise 1.3 — A sum of shifted copies
#
# *1 point · 5 minutes · easy*
#
# **Outcome.** You see echoes in an impulse response, and you can let NumPy do the inner loop.
#
# **Task.** Write `convolve_by_shifts(x, h)` with **one** loop, over the taps. Each turn adds one delayed, scaled copy of the
# whole array `x` to the output, a NumPy array.
#
# **By hand.** With `x = [1, 2, 3]` and `h = [1, 0, -1]` you add `[1, 2, 3, 0, 0]`, nothing, and `[0, 0, -1, -2, -3]`.
#
# **Expected sound.** If `h` is 1 at time zero and 0.5 a quarter of a second later, you hear the voice and one echo, 6 dB softer. Listen to yours in a cell of your own:
# `echo = np.zeros(4001); echo[[0, 4000]] = 1, 0.5`, and then `listen({"dry": voice, "mine": convolve_by_shifts(voice, echo)}, sample_rate)`.

# %% [markdown] hints="convolve_by_shifts"
# concept: A delay by `i` samples does not change the copy. It only changes where in the output the copy starts.
#
# structure: Start from zeros of the full length. For tap `i`, a slice of `len(x)` output samples receives the copy.
#
# line: The slice starts at `i`: `y[i : i + len(x)] += h[i] * x`.

# %% exercise="convolve_by_shifts" forbid="np.convolve np.correlate scipy.signal np.fft scipy.fft torch course_lib.convolution"
def convolve_by_shifts(x, h):
    """Convolve two arrays as a sum of delayed, scaled copies of x."""
    ### BEGIN SOLUTION
    y = np.zeros(len(x) + len(h) - 1)
    for i, gain in enumerate(h):
        y[i : i + len(x)] += gain * x
    return y
    ### END SOLUTION


# %% test="convolve_by_shifts" points=1
check.close(
    convolve_by_shifts(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, -1.0])),
    np.array([1.0, 2.0, 2.0, -2.0, -3.0]),
    name="convolve_by_shifts on the example",
    mistakes={
        "what leaves the array on the right comes back on the left: np.roll is a circular shift.": [-1, -1, 2],
        "the copies are cut at the end of x: the output needs len(h) - 1 samples more.": [1, 2, 2],
        "every copy starts at the same place: use the tap's index as the delay.": [0, 0, 0, 0, 0],
    },
)
check.passed("the copies are delayed, scaled and summed")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("convolve_by_shifts")
_even, _odd = (2 * _rng.integers(4, 20, 2)).tolist(), (2 * _rng.integers(4, 20, 2) + 1).tolist()
for _n_samples, _n_taps in [(1, 1), (1, 6), (8, 1), (_even[0], _odd[0]), (_odd[1], _even[1]), (40, 7), (7, 40), (5003, 33)]:
    _x, _h = _rng.standard_normal(_n_samples), _rng.standard_normal(_n_taps)
    _x_before, _h_before = _x.copy(), _h.copy()
    check.close(convolve_by_shifts(_x, _h), np.convolve(_x, _h), relative_tolerance=1e-11, name="a random signal")
    check.close(_x, _x_before, name="your input x after the call")
    check.close(_h, _h_before, name="your input h after the call")
check.close(convolve_by_shifts(np.zeros(9), _h), np.zeros(9 + 33 - 1), name="silence")
check.close(convolve_by_shifts(np.arange(5), np.array([0.5, 0.25])), np.convolve(np.arange(5), [0.5, 0.25]), name="whole numbers as x")
_voice, _echo = _rng.standard_normal(200_000), np.zeros(40)
_echo[[0, 39]] = 1.0, 0.5
check.close(
    check.within_seconds(2.0, convolve_by_shifts, _voice, _echo),
    np.convolve(_voice, _echo),
    relative_tolerance=1e-11,
    name="a long signal",
)
### END HIDDEN TESTS

# %% [markdown]
# ### 2.5 How much work is that?
#
# Each of the three multiplies every sample by every tap: $N \cdot M$ products. They differ only in the order. Order matters
# to the machine, though. A plain Python loop is interpreted anew at each product, which takes a tenth of a microsecond or more; with the
# indexing of Exercise 1.1 it takes two or three times as long. The shifted copies hand whole arrays
# to NumPy. `course_lib.convolution.convolve_direct` is the definition as two loops again, but compiled. It multiplies one pair of numbers at a time; the loops inside
# NumPy multiply several at once.

# %% tags="demo"
def seconds(function, *arguments, repeats=3):
    """The shortest of several runs, at least 0.1 s in all: the time that the rest of the machine disturbs least."""
    durations = []
    while len(durations) < repeats or sum(durations) < 0.1:
        started = time.perf_counter()
        function(*arguments)
        durations.append(time.perf_counter() - started)
    return min(durations)


def python_loops(x, h):
    """The N·M products of the definition and as many additions, without the bookkeeping of where each belongs."""
    total = 0.0
    for sample in x:
        for tap in h:
            total += sample * tap
    return total


one_second, short_response = voice[:sample_rate], rooms["living_room"].impulse_response[0][:256]
convolution.convolve_direct(one_second, short_response)  # the first call compiles
n_products = len(one_second) * len(short_response)
for name, function, n_samples in [
    ("two Python loops", python_loops, 200),
    ("dot products", convolution.convolve_dot, sample_rate),
    ("shifted copies", convolution.convolve_shift, sample_rate),
    ("compiled loops", convolution.convolve_direct, sample_rate),
    ("FFT (section 3)", convolution.convolve_fft, sample_rate),
]:
    elapsed = seconds(function, one_second[:n_samples], short_response) * sample_rate / n_samples
    print(f"{name:18} {1e3 * elapsed:9.2f} ms for one second of sound, {1e9 * elapsed / n_products:8.3f} ns a product")

# %% [markdown]
# Look at the first line. With only 256 taps, Python loops take about as long as the second of sound itself, or longer. No live system could be
# built on them. And 256 taps are 16 ms: the hall above has nearly eighty times as many.

# %% [markdown]
# ### Exercise 1.4 — Why is the output that long? (written)
#
# *2 points · 8 minutes · easy*
#
# A signal $x$ has $N$ samples, an impulse response $h$ has $M$. Explain in your own words why $x * h$ has exactly $N + M - 1$
# samples that can differ from zero. Say **(a)** which is the first and which is the last output sample that can differ from zero, and
# which product makes each; **(b)** what you would hear if a program kept only the first $N$ samples.

# %% [markdown] hints="why_length"
# concept: Where in the output does the product of $x[k]$ and $h[i]$ land? Ask for the smallest and the largest such place.
#
# structure: Name the first place and its product, then the last place and its product. Count the places from one to the other. Then ask which of them lie beyond the end of $x$.
#
# line: Begin with "The product $x[k]\,h[i]$ lands at $n = k + i$. Here $k$ runs from 0 to …, and $i$ from 0 to …".

# %% [markdown] written="why_length" points=2
# ### BEGIN SOLUTION
# (a) The product $x[k]\,h[i]$ lands at $n = k + i$. The smallest index is $0 + 0 = 0$, made by $x[0]\,h[0]$ alone. The largest is
# $(N-1) + (M-1) = N + M - 2$, made by $x[N-1]\,h[M-1]$ alone. From $0$ to $N+M-2$ there are $N + M - 1$ samples. No pair reaches
# an index outside, so everything else is zero.
#
# (b) The first $N$ samples end when the dry sound ends. The last $M - 1$ samples, the room's answer to the end of the sound, would be
# missing: the reverberation is chopped off abruptly the moment the speaker stops.
#
# **Rubric**
#
# - 1 point: names first index 0 and last index N + M − 2 with the products that make them (an equivalent argument by sliding windows or by shifted copies counts).
# - 1 point: says that the reverberant tail after the end of the dry sound is cut off (a click or an abrupt end also counts).
# ### END SOLUTION

# %% [markdown]
# ### Exercise 1.5 — What does it cost? (written)
#
# *1 point · 5 minutes · easy*
#
# A hall's impulse response lasts 2 s at 16 kHz. A voice must be convolved with it **live**. **(a)** How many multiplications does the
# definition need for each second of sound? **(b)** How many does it need at 48 kHz for the same hall, and why is it not three times as many? **(c)** Do dot products or shifted copies need fewer? Why are they faster all the same?

# %% [markdown] hints="cost"
# concept: Each output sample costs one multiplication for each tap. How many output samples are there in a second, and how many taps in two seconds?
#
# structure: Multiply the two numbers for 16 kHz. Then see which of the two changes at 48 kHz. For (c), compare the number of products with the number of times that Python must look at your code.
#
# line: Begin with "At 16 kHz the response has $2 \cdot 16\,000$ taps, so a second of output needs …".

# %% [markdown] written="cost" points=1
# ### BEGIN SOLUTION
# At 16 kHz: $M = 32\,000$ taps, and each of the 16 000 output samples of a second needs $M$ products: $16\,000 \cdot 32\,000 = 5.12\cdot10^8$
# multiplications a second. At 48 kHz both the number of output samples and the number of taps triple: $48\,000\cdot96\,000 = 4.6\cdot10^9$, nine
# times as many. Dot products and shifted copies need the same products in another order. They are faster because whole rows of them run inside NumPy, without interpretation and several at once.
#
# **Rubric**
#
# - 1 point: both numbers right (5.1e8 and 4.6e9, rounding allowed) with the reason that samples and taps both grow, so the cost grows with the square of the sample rate; and the same number of products for all three, whose speed differs by how they are run.
# ### END SOLUTION

# %% [markdown]
# ## 3. The DFT, and convolution at the speed of the FFT
#
# ### 3.1 A change of basis
#
# There are signals that a room cannot change in shape. Play $e^{j\omega n}$, a complex oscillation that never begins or ends. ($j$ is the imaginary unit, since $i$ is an index here;
# $\omega$ is the angle that it turns by in each sample.) The room answers
#
# $$\sum_i h[i]\,e^{j\omega(n-i)} = e^{j\omega n}\underbrace{\sum_i h[i]\,e^{-j\omega i}}_{H(\omega)}.$$
#
# The same oscillation comes back, multiplied by one complex number. Its magnitude says how much louder it is, its angle by how much
# the oscillation has been turned. In the language of linear algebra, oscillations are **eigenvectors** of every convolution. That is why a room adds no
# new frequencies, and why it is worth the trouble to write signals as sums of oscillations.
#
# On a computer a signal has finitely many samples; say $K$ of them. Choose the $K$ oscillations that fit a whole number of periods into $K$ samples:
#
# $$e_k[n] = e^{\,j 2\pi k n/K}, \qquad k = 0, \dots, K-1.$$
#
# Two different ones are orthogonal. Their inner product, $\langle a, b\rangle = \sum_n a[n]\,b[n]^*$ for complex sequences, is a geometric series:
#
# $$\langle e_l, e_k\rangle = \sum_{n=0}^{K-1} e^{\,j2\pi (l-k)n/K} = \begin{cases} K, & l = k,\\[2pt]
# \dfrac{1 - e^{\,j2\pi(l-k)}}{1 - e^{\,j2\pi(l-k)/K}} = 0, & l \ne k,\end{cases}$$
#
# since $e^{\,j2\pi(l-k)} = 1$ for whole numbers. $K$ orthogonal vectors in $K$ dimensions are a basis. The **discrete Fourier transform**
# (DFT) takes the inner product of $x$ with each of them. Divided by $K$, these are the coordinates of $x$ in that basis:
#
# $$X[k] = \langle x, e_k\rangle = \sum_{n=0}^{K-1} x[n]\,e^{-j2\pi kn/K}, \qquad x[n] = \frac1K\sum_{k=0}^{K-1} X[k]\,e^{\,j2\pi kn/K}.$$
#
# The factor $1/K$ stands there because each basis vector has the squared length $K$ instead of 1.
#
# ### 3.2 Real signals and Parseval
#
# Sound is real. For real $x$, conjugating the sum gives $X[K-k] = X[k]^*$: the upper half repeats the lower one. `np.fft.rfft` therefore computes only
# $k = 0, \dots, \lfloor K/2\rfloor$, in half the time and half the memory. The bin $k = 0$ is its own mirror image. For even $K$ so is $k = K/2$; for odd $K$ there is no such bin.
#
# Orthogonal axes also keep lengths. Insert the expansion of one of the two factors:
#
# $$\sum_{n=0}^{K-1} |x[n]|^2 = \sum_n x[n]^*\,\frac1K\sum_k X[k]\,e_k[n] = \frac1K\sum_k X[k]\,\Big(\sum_n x[n]\,e_k[n]^*\Big)^{\!*} = \frac1K \sum_{k=0}^{K-1} |X[k]|^2 .$$
#
# This is **Parseval's theorem**: up to the factor $1/\sqrt K$ the DFT is an isometry, the complex relative of a rotation. Energy can be measured
# on either side. You will use that in every lesson that designs something in the frequency domain.

# %% [markdown]
# ### Exercise 1.6 — Energy from half a spectrum
#
# *1 point · 10 minutes · medium*
#
# **Outcome.** You know which bins `rfft` leaves out, and never again count energy twice or half.
#
# **Task.** Write `energy_from_rfft(spectrum, n_samples)`. It is given `spectrum = np.fft.rfft(x)` and the number of samples of `x`, and returns
# $\sum_n |x[n]|^2$ **without** going back to the time domain.
#
# **By hand.** `x = [1, 2, 3]` has the energy 14. Its half spectrum has the squared magnitudes 36 and 3, so $(36 + 2\cdot3)/3 = 14$. And `x = [1, 2]`
# has the energy 5, with the squared magnitudes 9 and 1: $(9 + 1)/2 = 5$.
#
# **Expected number.** For any signal, the same energy as `np.sum(x**2)` to about 15 digits.

# %% [markdown] hints="energy_from_rfft"
# concept: Every bin that `rfft` leaves out is the mirror image of one that it keeps, with the same magnitude. So most bins count twice. Which ones are their own mirror image?
#
# structure: Compute the squared magnitudes, double all but the bins that are their own mirror image, add, and divide by the number of samples. An
# even and an odd number of samples differ in one bin.
#
# line: Bin 0 always counts once. The last bin counts once only if `n_samples` is even. With weights `w = np.full(len(spectrum), 2.0)`, set `w[0] = 1`, and
# `w[-1] = 1` if `n_samples % 2 == 0`.

# %% exercise="energy_from_rfft" forbid="np.fft scipy.fft scipy.signal torch"
def energy_from_rfft(spectrum, n_samples):
    """Return the energy of a real signal of n_samples samples, given the half spectrum that rfft returns."""
    ### BEGIN SOLUTION
    weight = np.full(len(spectrum), 2.0)
    weight[0] = 1.0
    if n_samples % 2 == 0:
        weight[-1] = 1.0
    return np.sum(weight * np.abs(spectrum) ** 2) / n_samples
    ### END SOLUTION


# %% test="energy_from_rfft" points=1
check.close(
    energy_from_rfft(np.fft.rfft([1.0, 2.0, 3.0]), 3),
    14.0,
    name="the energy of [1, 2, 3]",
    mistakes={
        "the bins that rfft left out are missing: all bins but those that are their own mirror image count twice.": 13.0,
        "bin 0 is its own mirror image, so it counts only once.": 26.0,
        "the factor 1/K of Parseval's theorem is missing.": 42.0,
    },
)
check.close(
    energy_from_rfft(np.fft.rfft([1.0, 2.0]), 2),
    5.0,
    name="the energy of [1, 2]",
    mistakes={"for an even number of samples the last bin is its own mirror image: it counts once.": 5.5},
)
check.passed("energy measured in the spectrum equals energy measured in time")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("energy_from_rfft")
_even = 2 * int(_rng.integers(10, 400))
for _n in [1, 2, 3, 4, 16, 17, _even, _even + 1, 1000, 1001]:
    for _scale in [1.0, 1e-6, 1e6]:
        _x = _scale * (_rng.standard_normal(_n) + 0.3)
        check.close(
            energy_from_rfft(np.fft.rfft(_x), _n), np.sum(_x**2), relative_tolerance=1e-10, absolute_tolerance=0.0, name="the energy of a random signal"
        )
_spectrum = np.fft.rfft(_x)
_spectrum_before = _spectrum.copy()
energy_from_rfft(_spectrum, len(_x))
check.close(_spectrum, _spectrum_before, name="your input spectrum after the call")
check.close(energy_from_rfft(np.fft.rfft(np.zeros(9)), 9), 0.0, name="the energy of silence")
check.close(energy_from_rfft(np.fft.rfft((-1.0) ** np.arange(8)), 8), 8.0, name="the energy of the fastest oscillation")
### END HIDDEN TESTS

# %% [markdown]
# ### 3.3 The convolution theorem, and its trap
#
# Multiply the DFTs of $x$ and $h$, both of length $K$ (append zeros where they are shorter), and transform back. Insert the definitions:
#
# $$\tilde y[n] = \frac1K\sum_{k} X[k]H[k]\,e^{\,j2\pi kn/K}
# = \sum_{l}\sum_{i} x[l]\,h[i]\;\underbrace{\frac1K\sum_{k} e^{\,j2\pi k(n-l-i)/K}}_{1\text{ if } n - l - i \text{ is a multiple of } K\text{, else } 0}.$$
#
# It is almost what we want. The pair $(l, i)$ lands at $n = l + i$, **and** at every index that differs from it by a multiple of $K$. Since $\tilde y$ has only the indices
# $0, \dots, K-1$, whatever would lie beyond the end is added at the beginning:
#
# $$\boxed{\;\tilde y[n] = \sum_{r} y[n + rK]\;}\qquad\text{(circular convolution: } y \text{ wrapped round a circle of } K \text{ samples).}$$
#
# No wonder: the basis $e_k$ repeats after $K$ samples, so to the DFT the world is a loop of $K$ samples. The cure follows from the same line. The linear result $y$ has $N+M-1$ samples.
# If $K \ge N + M - 1$, the circle is large enough, nothing wraps, and $\tilde y = y$.
#
# **Predict.** We convolve a voice with the longest room, using a DFT of exactly the voice's length. The voice starts with 0.6 s of silence. What will you hear in that silence?

# %% tags="demo"
hall = rooms["hall"].impulse_response[0]
late_voice = np.concatenate([np.zeros(int(0.6 * sample_rate)), voice])
linear = convolution.convolve_fft(late_voice, hall)
circular = convolution.convolve_circular(late_voice, hall, n_fft=len(late_voice))

opening = slice(0, int(0.5 * sample_rate))
ghost_db = 10 * np.log10(np.mean(circular[opening] ** 2) / np.mean(linear[: len(late_voice)] ** 2))
print(f"Level of the opening silence, relative to the voice in the room: {ghost_db:.1f} dB (it should hold nothing)")
listen({"linear: K = N + M − 1": linear, "circular: K = N": circular}, sample_rate)

# %% tags="demo"
figure, axes = plt.subplots(2, 1, figsize=(10, 4.2), sharex=True, layout="constrained")
plots.waveform(linear, sample_rate, ax=axes[0], title="Linear: the tail rings out after the last word")
plots.waveform(circular, sample_rate, ax=axes[1], title="Circular: the tail has wrapped round and sounds before the first word")
for ax in axes:
    ax.axvspan(0, 0.6, color=plots.PALETTE[0], alpha=0.15, linewidth=0)
axes[0].set_xlabel("")
plt.show()

# %% [markdown]
# The echo comes before its cause. The opening should be silent, and it holds a ghost only 9 dB below the voice. Here it is easy to hear. Inside a live system's blocks it becomes a soft,
# metallic smear that takes days to find. Whenever you multiply spectra, ask: *how long is my circle?*
#
# ### 3.4 What padding with zeros does
#
# Zeros after the end of $x$ add no information. The DFT of the longer sequence samples the same continuous function $X(\omega) = \sum_n x[n]\,e^{-j\omega n}$ at more points. It interpolates; it does not sharpen.
# What padding buys here is room on the circle. The figure shows the same 16 samples of a tone, once with $K = 16$ and once with $K = 256$.

# %% tags="demo"
tone = np.cos(2 * np.pi * 3.4 / 16 * np.arange(16))
figure, ax = plt.subplots(figsize=(10, 2.8), layout="constrained")
ax.plot(np.arange(129) / 256, np.abs(np.fft.rfft(tone, 256)), color=plots.PALETTE[0], label="$K$ = 256: padded with 240 zeros")
ax.plot(np.arange(9) / 16, np.abs(np.fft.rfft(tone)), "o", color=plots.PALETTE[1], label="$K$ = 16: no padding")
ax.set(xlabel="Frequency (cycles per sample)", ylabel="Magnitude", title="Padding gives more points on the same curve, and no sharper peak")
ax.legend()
plt.show()

# %% [markdown]
# The price is small, thanks to the fast Fourier transform (FFT). Split the sum for $X[k]$ into the even samples and the odd ones:
#
# $$X[k] = \underbrace{\sum_{r} x[2r]\,e^{-j2\pi kr/(K/2)}}_{E[k]} + e^{-j2\pi k/K}\underbrace{\sum_{r} x[2r+1]\,e^{-j2\pi kr/(K/2)}}_{O[k]} .$$
#
# $E$ and $O$ are DFTs of half the length. They repeat after $K/2$ bins, so one product and two additions give two bins of $X$. Split again and again: after $\log_2 K$ stages, each with about $K$ operations, nothing is left to split.
# For a real signal that makes about $\tfrac52 K\log_2 K$ multiplications and additions, not $K^2$. Three transforms, and one product per bin, replace $N\cdot M$ products. For 3 s of voice in a 1 s room, that is roughly
# $8\cdot10^6$ multiplications and additions in place of $15\cdot10^8$.

# %% [markdown]
# ### Exercise 1.7 — Fast convolution with the right padding
#
# *2 points · 12 minutes · medium*
#
# **Outcome.** You can replace a convolution of any size by three FFTs and get the same samples.
#
# **Task.** Write `convolve_by_fft(x, h)`: the linear convolution of two real arrays through `np.fft.rfft` and `np.fft.irfft`. Return a NumPy array of `len(x) + len(h) - 1` real samples. Any FFT length
# that avoids wrapping is fine, but the result must have exactly the right length.
#
# **By hand.** `x = [1, 2, 3]`, `h = [1, 0, -1]` gives `[1, 2, 2, -2, -3]`. With a circle of 3 the samples at 3 and 4 wrap onto 0 and 1: `[1 - 2, 2 - 3, 2] = [-1, -1, 2]`.
#
# **Expected sound.** The player "linear: K = N + M − 1" above: silence, then the voice, then the tail. Listen to yours with
# `listen({"mine": convolve_by_fft(late_voice, hall)}, sample_rate)` in a cell of your own.

# %% [markdown] hints="convolve_by_fft"
# concept: Multiplying spectra convolves on a circle. How many samples does the linear result have, and how large must the circle be to hold them all?
#
# structure: Choose one FFT length. Transform `x` and `h` with that same length (`rfft` pads with zeros if you pass `n`), multiply, transform back with that length, keep the samples that belong to the result.
#
# line: `n = len(x) + len(h) - 1`, and then `np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(h, n), n)`. Do not forget the last `n`: without it, `irfft` returns an even number of samples.

# %% exercise="convolve_by_fft" forbid="np.convolve np.correlate scipy.signal course_lib.convolution"
def convolve_by_fft(x, h):
    """Convolve two real arrays linearly through the FFT; return len(x) + len(h) - 1 samples."""
    ### BEGIN SOLUTION
    n_samples = len(x) + len(h) - 1
    product = np.fft.rfft(x, n_samples) * np.fft.rfft(h, n_samples)
    return np.fft.irfft(product, n_samples)
    ### END SOLUTION


# %% test="convolve_by_fft" points=2
_y = convolve_by_fft(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, -1.0]))
check.shape(
    _y,
    (5,),
    name="convolve_by_fft on the example",
    mistakes={
        "the tail wrapped round: the FFT has only len(x) samples, the result needs len(x) + len(h) - 1.": 3,
        "irfft returns an even number of samples unless you tell it how many you want: hand it the length, too.": 4,
        "you kept the padding: cut the result to len(x) + len(h) - 1 samples.": 8,
    },
)
check.close(
    _y,
    np.array([1.0, 2.0, 2.0, -2.0, -3.0]),
    name="convolve_by_fft on the example",
    mistakes={
        "the tail wrapped round: the FFT needs len(x) + len(h) - 1 samples.": [-1, -1, 2, 0, 0],
        "the kernel's spectrum is conjugated: that is correlation, wrapped round.": [-2, 2, 3, -1, -2],
    },
)
_voice, _room = np.sin(np.arange(1600)), 0.99 ** np.arange(800)
check.shape(
    convolve_by_fft(_voice, _room),
    (2399,),
    name="convolve_by_fft of 1600 samples with 800 taps",
    mistakes={
        "did you keep the tail? The result has len(x) + len(h) - 1 samples.": 1600,
        "you kept the padding: cut the result to len(x) + len(h) - 1 samples.": 4096,
        "irfft returns an even number of samples unless you tell it how many you want.": 2398,
    },
)
check.passed("three FFTs give the linear convolution")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("convolve_by_fft")
_even, _odd = (2 * _rng.integers(4, 20, 2)).tolist(), (2 * _rng.integers(4, 20, 2) + 1).tolist()
for _n_samples, _n_taps in [(1, 1), (1, 6), (8, 1), (_even[0], _odd[0]), (_odd[1], _even[1]), (40, 7), (7, 40), (1000, 501), (513, 512), (1024, 1025)]:
    _x, _h = _rng.standard_normal(_n_samples), _rng.standard_normal(_n_taps)
    _x_before = _x.copy()
    check.close(convolve_by_fft(_x, _h), np.convolve(_x, _h), relative_tolerance=1e-9, name="a random signal")
    check.close(_x, _x_before, name="your input x after the call")
check.close(convolve_by_fft(np.zeros(9), np.ones(4)), np.zeros(12), name="silence")
check.close(convolve_by_fft(np.arange(6), np.array([0.5, -0.25])), np.convolve(np.arange(6), [0.5, -0.25]), name="whole numbers as x")
check.close(1e6 * convolve_by_fft(1e-6 * _x, _h), np.convolve(_x, _h), name="a soft signal")
_x, _h = _rng.standard_normal(300_000), _rng.standard_normal(60_000)
_y = check.within_seconds(5.0, convolve_by_fft, _x, _h)
check.shape(_y, (359_999,), name="a long signal")
for _n in [0, 59_999, 200_000, 359_998]:
    _low, _high = max(0, _n - 59_999), min(_n, 299_999)
    check.close(_y[_n], _x[_low : _high + 1] @ _h[_n - _high : _n - _low + 1][::-1], relative_tolerance=1e-6, absolute_tolerance=1e-7, name="one sample of a long signal")
### END HIDDEN TESTS

# %% [markdown]
# ## 4. PyTorch's convolution is not convolution
#
# In lessons 07 to 10 convolutions are layers of neural networks. Deep-learning libraries compute
#
# $$(h \star x)[n] = \sum_{i=0}^{M-1} h[i]\,x[n+i],$$
#
# and call it convolution. There is a plus sign where ours has a minus: this is **correlation**, in which the kernel is not flipped. A network that *learns* its
# kernel does not care; it learns the flipped one. You must care when you hand it a kernel that you know, such as a room.
#
# Two more habits of `torch.nn.functional.conv1d`: it wants three axes, `(batch, channels, samples)`, and without padding it returns only the outputs whose window lies
# wholly inside the input, $N - M + 1$ of them. The books call that *valid*; ours is *full*.

# %% tags="demo"
x_torch, h_torch = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.0, -1.0])
raw = torch.nn.functional.conv1d(x_torch[None, None], h_torch[None, None])[0, 0]
print("conv1d without padding:      ", raw.numpy(), " = 1·1 + 2·0 + 3·(−1)")
print("the middle of the convolution:", np.convolve([1, 2, 3], [1, 0, -1], mode="valid").astype(float), " = 1·(−1) + 2·0 + 3·1")

# %% [markdown]
# ### Exercise 1.8 — Real convolution in PyTorch
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You can put a known impulse response into a network, and gradients flow through it.
#
# **Task.** Write `convolve_with_torch(x, h)` for two tensors with one axis each. Return the full convolution as a tensor with one axis; one call of
# `torch.nn.functional.conv1d` is enough. Stay in PyTorch, so that gradients reach both `x` and `h`.
#
# **By hand.** `[1, 2, 3]` and `[1, 0, -1]` give `[1, 2, 2, -2, -3]`, as always.
#
# **Expected number.** For the loss `y.sum()`, the gradient of every sample of `x` is `h.sum()`, and that of every tap of `h` is `x.sum()`.

# %% [markdown] hints="convolve_with_torch"
# concept: Two things separate `conv1d` from the full convolution: the direction of the kernel and the samples at the ends.
#
# structure: Flip the kernel, give both tensors the axes that `conv1d` wants, ask for enough zero padding on both sides, and take the extra axes off again.
#
# line: `h.flip(0)` flips, `[None, None]` adds two axes, `padding=len(h) - 1` pads both sides, `[0, 0]` removes the axes.

# %% exercise="convolve_with_torch" forbid="np.convolve scipy.signal torch.fft course_lib.convolution"
def convolve_with_torch(x, h):
    """Return the full convolution of two one-axis tensors, differentiable in both."""
    ### BEGIN SOLUTION
    flipped = h.flip(0)[None, None]
    return torch.nn.functional.conv1d(x[None, None], flipped, padding=len(h) - 1)[0, 0]
    ### END SOLUTION


# %% test="convolve_with_torch" points=1
check.close(
    convolve_with_torch(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.0, -1.0])),
    torch.tensor([1.0, 2.0, 2.0, -2.0, -3.0]),
    name="convolve_with_torch on the example",
    relative_tolerance=1e-6,
    mistakes={
        "the kernel is not flipped: that is correlation.": [-1, -2, -2, 2, 3],
        "you flipped x instead of h, so the result runs backwards.": [-3, -2, 2, 2, 1],
        "this is only the middle of the result: pad with len(h) - 1 zeros on both sides.": [2],
        "the kernel is not flipped, and the ends are missing: pad with len(h) - 1 zeros on both sides.": [-2],
    },
)
check.shape(convolve_with_torch(torch.tensor([2.0]), torch.tensor([3.0])), (1,), name="one sample with one tap")
_x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
_h = torch.tensor([1.0, 0.5], requires_grad=True)
_y = convolve_with_torch(_x, _h)
assert _y.requires_grad, "Your result remembers nothing of x and h. Stay in PyTorch: no detach, no numpy, no data."
_y.sum().backward()
assert _x.grad is not None, "No gradient reaches x. Something cut it off on the way: detach, numpy or data."
assert _h.grad is not None, "No gradient reaches h. Something cut it off on the way: detach, numpy or data."
check.close(_x.grad, torch.tensor([1.5, 1.5, 1.5]), name="the gradient with respect to x", relative_tolerance=1e-6)
check.close(_h.grad, torch.tensor([6.0, 6.0]), name="the gradient with respect to h", relative_tolerance=1e-6)
check.passed("torch convolves, and gradients flow")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("convolve_with_torch")
_even, _odd = (2 * _rng.integers(4, 20, 2)).tolist(), (2 * _rng.integers(4, 20, 2) + 1).tolist()
for _n_samples, _n_taps in [(1, 1), (1, 6), (8, 1), (_even[0], _odd[0]), (_odd[1], _even[1]), (40, 7), (7, 40), (999, 64)]:
    _x, _h = _rng.standard_normal(_n_samples), _rng.standard_normal(_n_taps)
    _y = convolve_with_torch(torch.from_numpy(_x), torch.from_numpy(_h))
    check.close(_y, torch.from_numpy(np.convolve(_x, _h)), relative_tolerance=1e-10, name="a random signal in float64")
    _x_tensor, _h_tensor = torch.from_numpy(_x).requires_grad_(), torch.from_numpy(_h).requires_grad_()
    _weight = _rng.standard_normal(_n_samples + _n_taps - 1)
    (convolve_with_torch(_x_tensor, _h_tensor) * torch.from_numpy(_weight)).sum().backward()
    check.close(_x_tensor.grad, torch.from_numpy(np.correlate(_weight, _h, "valid")), relative_tolerance=1e-10, name="the gradient with respect to x")
    check.close(
        _h_tensor.grad,
        torch.tensor([_weight[_i : _i + _n_samples] @ _x for _i in range(_n_taps)]),
        relative_tolerance=1e-10,
        name="the gradient with respect to h",
    )
check.close(convolve_with_torch(torch.zeros(5), torch.ones(3)), torch.zeros(7), name="silence")
### END HIDDEN TESTS

# %% [markdown]
# ### 4.1 A teaser: find the room by gradient descent
#
# Since gradients flow, we can ask the question backwards. Somebody plays a known sound $x$ in an unknown room and records $y$. Start from $h = 0$ and walk downhill on
# $J(h) = \lVert e\rVert^2$ with the error $e = x * h - y$. The tap $h[i]$ contributes $h[i]\,x[n-i]$ to every output sample, so
#
# $$\frac{\partial J}{\partial h[i]} = 2\sum_n e[n]\,x[n-i].$$
#
# The gradient is the *correlation* of the error with the input. That is what flows backwards through a convolution, and what `backward()` computes. The optimiser, Adam, scales each tap's step by the recent size of its gradient.
# We look for 20 ms of the living room, from just before the direct sound. Lesson 05 builds echo cancellers on this idea, and finds much faster ways downhill.

# %% tags="demo"
rng = np.random.default_rng(1)
true_response = rooms["living_room"].impulse_response[0][80:400]
played = torch.from_numpy(rng.standard_normal(4000))
recorded = convolution.convolve_torch(played, torch.tensor(true_response))

estimate = torch.zeros(len(true_response), dtype=torch.float64, requires_grad=True)
optimiser = torch.optim.Adam([estimate], lr=0.05 * float(np.abs(true_response).max()))
losses_db = []
for _ in range(150):
    optimiser.zero_grad()
    loss = torch.mean((convolution.convolve_torch(played, estimate) - recorded) ** 2) / torch.mean(recorded**2)
    loss.backward()
    optimiser.step()
    losses_db.append(10 * np.log10(loss.item()))

figure, axes = plt.subplots(1, 2, figsize=(10, 2.8), layout="constrained")
axes[0].plot(losses_db)
axes[0].set(xlabel="Step", ylabel="Error re recording (dB)", title=f"150 steps downhill: the error is {-losses_db[-1]:.0f} dB down")
time_ms = 1e3 * np.arange(len(true_response)) / sample_rate
axes[1].plot(time_ms, true_response, label="true")
axes[1].plot(time_ms, estimate.detach().numpy(), "--", label="found")
axes[1].set(xlabel="Time (ms)", ylabel="Amplitude", title="The kernel that it found is the room")
axes[1].legend()
plt.show()

# %% [markdown]
# ## 5. Convolution that cannot wait: blocks
#
# So far you needed the whole recording. A hearing aid, a telephone or a stage cannot wait for the end of the song. They get a **block** of $L$ samples,
# and must answer before the next one comes.
#
# ### 5.1 Overlap-add
#
# Cut $x$ into blocks of $L$ samples, $x_b[n] = x[bL + n]$ for $n = 0,\dots,L-1$. Put back in place, they sum to the signal: $x[n] = \sum_b x_b[n - bL]$. Now use
# linearity and time invariance once more:
#
# $$y = x * h = \sum_b (x_b * h)[n - bL].$$
#
# Each block is convolved by itself, by an FFT of at least $L + M - 1$ samples, and starts at its own place. Its result is $M-1$ samples longer than the block: it **reaches into the
# future**, where it overlaps the next blocks' results and is added to them. That is the method's name, and its point: a block of sound goes on ringing while later blocks arrive.
#
# In the figure, four blocks of a voice in a room. Each colour is one block's answer; the sum is the voice in the room.

# %% tags="demo"
word, office = voice[4000:12000], rooms["office"].impulse_response[0][:4000]
block_length = 2000
figure, axes = plt.subplots(2, 1, figsize=(10, 4.4), sharex=True, sharey=True, layout="constrained")
for b in range(4):
    block_answer = convolution.convolve_fft(word[b * block_length : (b + 1) * block_length], office)
    start = b * block_length
    axes[0].plot(1e3 * (start + np.arange(len(block_answer))) / sample_rate, block_answer, color=plots.PALETTE[b], linewidth=0.7)
    axes[0].axvline(1e3 * start / sample_rate, color="0.5", linewidth=0.6)
    axes[0].text(1e3 * start / sample_rate + 3, 0.16, f"block {b}", color=plots.PALETTE[b])
axes[0].set(title="Each block's answer rings on over the blocks that follow", ylabel="Amplitude")
whole = convolution.convolve_fft(word, office)
axes[1].plot(1e3 * np.arange(len(whole)) / sample_rate, whole, color=plots.PALETTE[0], linewidth=0.7)
axes[1].set(title="Their sum is the convolution of the whole", xlabel="Time (ms)", ylabel="Amplitude")
plt.show()

# %% [markdown]
# ### Exercise 1.9 — Overlap-add
#
# *2 points · 15 minutes · medium*
#
# **Outcome.** You can convolve a signal of any length in bounded memory, and you know where a block's tail goes.
#
# **Task.** Write `overlap_add(x, h, block_length)`: cut `x` into blocks of `block_length` samples (the last one may be shorter, and so may its result), convolve each through the FFT, and add every
# result at its place. Transform `h` only once: it does not change. Return a NumPy array of `len(x) + len(h) - 1` samples.
#
# **By hand.** `x = [1, 2, 3]`, `h = [1, 0, -1]`, blocks of 2. The first block `[1, 2]` gives `[1, 2, -1, -2]` at position 0. The second, `[3]`, gives `[3, 0, -3]` at position 2. The sum
# is `[1, 2, -1 + 3, -2 + 0, -3] = [1, 2, 2, -2, -3]`.
#
# **Expected picture.** The lower panel above, whatever the block length.

# %% [markdown] hints="overlap_add"
# concept: A block's result is longer than the block. Its first samples belong to the block's own place; the other $M - 1$ lie on top of what later blocks produce. So results are added, never assigned.
#
# structure: Choose an FFT length of at least `block_length + len(h) - 1`, and transform `h` with it. Loop over the block starts `0, block_length, …`. Each result of a block with `n` samples has `n + len(h) - 1` samples.
#
# line: Inside the loop, `block = x[start : start + block_length]`, and its result is added with `y[start : start + len(block) + len(h) - 1] += result[: len(block) + len(h) - 1]`.

# %% exercise="overlap_add" forbid="np.convolve np.correlate scipy.signal course_lib.convolution"
def overlap_add(x, h, block_length):
    """Convolve x with h block by block; return len(x) + len(h) - 1 samples."""
    ### BEGIN SOLUTION
    n_taps = len(h)
    n_fft = block_length + n_taps - 1
    h_spectrum = np.fft.rfft(h, n_fft)
    y = np.zeros(len(x) + n_taps - 1)
    for start in range(0, len(x), block_length):
        block = x[start : start + block_length]
        result = np.fft.irfft(np.fft.rfft(block, n_fft) * h_spectrum, n_fft)
        n_result = len(block) + n_taps - 1
        y[start : start + n_result] += result[:n_result]
    return y
    ### END SOLUTION


# %% test="overlap_add" points=2
check.close(
    overlap_add(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, -1.0]), 2),
    np.array([1.0, 2.0, 2.0, -2.0, -3.0]),
    name="overlap_add on the example",
    mistakes={
        "the blocks' tails were thrown away, or the FFT was too short and cut h: each result is len(h) - 1 samples longer than its block.": [1, 2, 3, 0, 0],
        "a block's result replaced what was there: add it to the tails of earlier blocks.": [1, 2, 3, 0, -3],
        "the last block is shorter than the others, and was left out.": [1, 2, -1, -2, 0],
        "the tail of each block wrapped round: the FFT needs block_length + len(h) - 1 samples.": [-1, 2, 2, 0, -3],
    },
)
_x, _h = np.sin(0.1 * np.arange(1000)), 0.9 ** np.arange(64)
_expected = np.convolve(_x, _h)
for _block_length in [1, 100, 128, 333, 1000, 4096]:
    check.close(overlap_add(_x, _h, _block_length), _expected, name=f"overlap_add with blocks of {_block_length}")
check.passed("the result does not depend on the length of the blocks")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("overlap_add")
_n_drawn, _short, _long = 2 * int(_rng.integers(30, 200)) + 1, int(_rng.integers(2, 30)), int(_rng.integers(40, 90))
for _n_samples, _n_taps, _block_length in [(1, 1, 1), (1, 9, 4), (9, 1, 4), (50, 7, 7), (7, 50, 3), (_n_drawn, 33, _short), (_n_drawn + 1, 8, _long), (1000, 129, 128), (1023, 300, 64), (257, 31, 256)]:
    _x, _h = _rng.standard_normal(_n_samples), _rng.standard_normal(_n_taps)
    _x_before = _x.copy()
    check.close(overlap_add(_x, _h, _block_length), np.convolve(_x, _h), relative_tolerance=1e-9, name="a random signal")
    check.close(_x, _x_before, name="your input x after the call")
check.close(overlap_add(np.zeros(20), np.ones(5), 6), np.zeros(24), name="silence")
check.close(overlap_add(np.arange(10), np.array([0.5, -0.25]), 3), np.convolve(np.arange(10), [0.5, -0.25]), name="whole numbers as x")
# One FFT over everything would spread the rounding error of a loud click over the whole output; blocks keep it to themselves.
_x = _rng.standard_normal(3000)
_x[3] = 1e12
_h = _rng.standard_normal(20)
check.close(overlap_add(_x, _h, 100)[1000:], np.convolve(_x, _h)[1000:], relative_tolerance=1e-9, name="the sound long after a loud click")
_x[3] = 0.0
check.close(1e6 * overlap_add(1e-6 * _x, _h, 10), np.convolve(_x, _h), name="a soft signal")
_x, _h = _rng.standard_normal(300_000), _rng.standard_normal(3000)
_y = check.within_seconds(5.0, overlap_add, _x, _h, 4096)
check.close(_y[150_000], _x[147_001:150_001] @ _h[::-1], relative_tolerance=1e-6, absolute_tolerance=1e-7, name="one sample of a long signal")
### END HIDDEN TESTS

# %% [markdown]
# ### 5.2 Overlap-save: the same circle, read differently
#
# Overlap-add makes the circle large enough. **Overlap-save** lets it wrap, and throws the spoilt part away. Take $K$ input samples that overlap the previous ones by $M-1$, multiply spectra with a circle of
# $K$, and keep the last $K - M + 1$ outputs. Only the first $M - 1$ were hit by the wrap. Nothing has to be added, and the output comes in one piece. Live systems usually use this form.
#
# ### 5.3 Latency, and how partitions buy it back
#
# A block can be computed once it is complete. The answer is therefore at least one block late: the **latency** is $L$ samples. You would like $L$ to be small. But overlap-add with $L \ll M$ wastes nearly all its work: each FFT of about
# $M$ samples brings only $L$ new ones. With one second of room ($M = 16\,000$) and blocks of 8 ms ($L = 128$) you would do a transform of 16 127 samples 125 times a second.
#
# The way out is to cut the *impulse response* as well. Write $h$ as $P = \lceil M/L\rceil$ **partitions** of $L$ taps, $h_p[n] = h[pL + n]$. Convolution is linear in $h$ too:
#
# $$y = \sum_{p=0}^{P-1} (x * h_p)[n - pL].$$
#
# Partition $p$ needs the input block from $p$ blocks ago. Its spectrum was computed then. So you keep the last $P$ input spectra, and each new block costs **one** FFT of $2L$ samples (a block of $L$ samples and $L$ taps give $2L - 1$), $P$ spectral products, and **one** inverse FFT.
# This is uniformly partitioned convolution, and the shelf of old spectra is called the frequency-domain delay line. The latency is one short block, and the cost stays low.

# %% tags="demo"
block_length = 128
reverb = convolution.PartitionedConvolver(hall, block_length)
pieces, durations_ms = [], []
for start in range(0, len(voice), block_length):
    started = time.perf_counter()
    pieces.append(reverb.push(voice[start : start + block_length]))
    durations_ms.append(1e3 * (time.perf_counter() - started))
pieces.append(reverb.flush())
streamed = np.concatenate(pieces)
offline = convolution.convolve_fft(voice, hall)

print(f"Impulse response: {len(hall)} taps in {-(-len(hall) // block_length)} partitions of {block_length}")
print(f"Largest difference from the offline result: {np.abs(streamed[-len(offline):] - offline).max():.1e}")
print(f"Latency {1e3 * block_length / sample_rate:.0f} ms; computing a block takes {np.median(durations_ms):.2f} ms of them")
single_block_ms = 1e3 * seconds(convolution.overlap_add, voice[:block_length], hall, block_length)
print(f"One block by overlap-add, the transform of h included: {single_block_ms:.2f} ms")
listen({"dry": voice, "streaming reverb": streamed}, sample_rate)

# %% [markdown]
# The two players differ by the hall alone. The stream comes 8 ms late, and agrees with the offline result to the last few bits.

# %% [markdown]
# ## 6. The short-time Fourier transform
#
# ### 6.1 Why one spectrum is not enough
#
# The DFT of a whole sentence knows every frequency in it, and not when. Speech and music live on the *when*. So cut a short piece out of the signal, take its DFT, move on, repeat. With the window $w[n]$ of
# $L$ samples and the **hop** $R$, the short-time Fourier transform is
#
# $$X[k, m] = \sum_{n=0}^{L-1} w[n]\,x[n + mR]\,e^{-j2\pi kn/K}, \qquad k = 0,\dots,\lfloor K/2\rfloor,$$
#
# with the frame index $m$ and $K \ge L$. In this course a spectrogram has the axes `(n_freqs, n_frames)`.
#
# ### 6.2 Windows and leakage
#
# Cutting without a window multiplies the signal by a rectangle, and multiplication in time is convolution in frequency. (The DFT and its inverse differ only in a sign and the factor $1/K$, so the theorem of section 3 works backwards, too: the DFT of $w[n]\,x[n]$ is
# $\frac1K\sum_l W[l]\,X[k-l]$, on a circle of $K$ bins.) So every spectral line is smeared by the rectangle's own spectrum: a peak, the **main lobe**, and ripples on both sides, the **side lobes**. These fall
# slowly, by 6 dB each time the distance doubles. A loud note **leaks** over the whole axis, and buries soft ones. A window that fades in and out has a wider main lobe and much lower side lobes. The Hann window
#
# $$w[n] = \tfrac12 - \tfrac12\cos(2\pi n/L)$$
#
# falls by 18 dB each time. In the figure two tones sound together; the second is 50 dB softer.

# %% tags="demo"
n = np.arange(1024)
tones = np.sin(2 * np.pi * 100.5 / 1024 * n) + 10 ** (-50 / 20) * np.sin(2 * np.pi * 130 / 1024 * n)
figure, ax = plt.subplots(figsize=(10, 3.2), layout="constrained")
for window, label, style in [(np.ones(1024), "no window (rectangle)", "--"), (stft.make_window("hann", 1024), "Hann window", "-")]:
    magnitude = np.abs(np.fft.rfft(tones * window))
    ax.plot(20 * np.log10(magnitude[:200] / magnitude.max()), style, label=label, linewidth=1.2)
ax.axvline(130, color="0.4", linestyle=":", linewidth=1)
ax.set(xlabel="Frequency bin $k$", ylabel="Level (dB)", ylim=(-110, 5), title="Without a window, the leak of bin 100.5 stands 14 dB above the soft tone at bin 130; Hann uncovers it")
ax.legend()
plt.show()

# %% [markdown]
# ### 6.3 Time against frequency
#
# With $f_s$ samples a second, a frame of $L$ samples lasts $L/f_s$ seconds, and its bins lie $f_s/L$ hertz apart. The product is 1, whatever $L$ is. A long window resolves the harmonics of a vowel and blurs the `t` that follows. A short one
# does the opposite. You cannot have both; you can only choose. And since the main lobe of a Hann window is four bins wide, two tones need about two bins between them to be seen apart.
#
# **Predict** which of the three windows below shows best when each sound begins, and which the harmonics of the voice. The slider lets you look at every length in between. (Without a running kernel, the three pictures say it all.)

# %% tags="demo"
excerpt = voice[2000 : 2000 + sample_rate]
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
for frame_length, finding, ax in zip([64, 512, 4096], ["sharp in time", "the usual compromise", "sharp in frequency"], axes, strict=True):
    title = f"{1e3 * frame_length / sample_rate:.0f} ms: {finding}"
    hop_length = max(frame_length // 8, 8)
    plots.spectrogram(excerpt, sample_rate, ax=ax, frame_length=frame_length, hop_length=hop_length, title=title, top_db=-15, colour_bar=ax is axes[-1])
    ax.label_outer()
plt.show()

# %% tags="demo"
def spectrogram_with(frame_length, ax):
    """Draw the excerpt's spectrogram for one window length."""
    title = f"Window of {frame_length} samples: {1e3 * frame_length / sample_rate:.0f} ms, bins {sample_rate / frame_length:.0f} Hz apart"
    hop_length = max(frame_length // 8, 8)
    plots.spectrogram(excerpt, sample_rate, ax=ax, frame_length=frame_length, hop_length=hop_length, title=title, top_db=-15)


plots.with_slider(spectrogram_with, [64, 128, 256, 512, 1024, 2048, 4096], value=512, label="window")

# %% [markdown]
# ### 6.4 When do overlapping windows add up?
#
# Suppose you cut a signal into windowed frames and add them up again. You get $x[n]\cdot\sum_m w[n-mR]$. If that sum is the same constant for every $n$, nothing was lost. This is the **constant overlap-add** condition (COLA):
#
# $$\sum_m w[n - mR] = C \quad\text{for all } n.$$
#
# For the Hann window with $R = L/2$ it holds with $C = 1$. At each $n$ exactly two windows overlap, half a period apart, and the cosines cancel: $\cos(\theta + \pi) = -\cos\theta$. For $R = L/4$ four cosines a quarter period apart cancel, and $C = 2$. In general the Hann window needs
# $R = L/q$ with a whole number $q \ge 2$. For other hops something is left: a ripple, tiny for short hops, and for long ones a buzz at the rate of the hops.
#
# The formula wants $\cos(2\pi n/L)$, the *periodic* window. Many libraries give the *symmetric* one by default, which divides by $L - 1$ and misses COLA by a little: by 0.03 dB at $R = L/2$ for $L = 512$. A hop of 360 for the same
# window misses it by 7.9 dB. In the figure, grey lines are windows and the blue one is their sum.

# %% tags="demo"
window = stft.make_window("hann", 512)
figure, axes = plt.subplots(1, 3, figsize=(10, 2.6), sharey=True, layout="constrained")
for hop_length, ax in zip([256, 128, 360], axes, strict=True):
    total = np.zeros(2600)
    for start in range(0, 2600 - 512, hop_length):
        total[start : start + 512] += window
        ax.plot(np.arange(start, start + 512), window, color="0.75", linewidth=0.8)
    ax.plot(total, color=plots.PALETTE[0])
    inside = total[600:1900]
    ax.set(xlim=(600, 1900), ylim=(0, 2.2), xlabel="Sample $n$", title=f"$R$ = {hop_length}: sum from {inside.min():.2f} to {inside.max():.2f}")
axes[0].set_ylabel("Window and sum")
figure.suptitle("Hann windows add up to a constant at hops of L/2 and L/4, and not at 0.7 L")
plt.show()

for hop_length in [256, 128, 360]:
    try:
        stft.check_cola(window, hop_length)
        print(f"R = {hop_length}: COLA holds")
    except ValueError as error:
        print(f"R = {hop_length}: {error}")

# %% [markdown]
# ### 6.5 The inverse, as the best answer to a contradictory question
#
# Later lessons *change* spectrograms: they turn bins down, swap phases, estimate. Afterwards the frames of the changed spectrogram $Y[k,m]$ seldom agree with each other. Transform each back to time: $f_m[n]$, for $n = 0,\dots,L-1$. Two overlapping frames now make different claims about the same samples.
# Which sound $y$ fits all claims best, in the least-squares sense? Frame $m$ claims $w[n - mR]\,y[n] = f_m[n - mR]$. Add up the squared violations:
#
# $$J(y) = \sum_m \sum_n \big( w[n-mR]\,y[n] - f_m[n-mR] \big)^2 .$$
#
# Each $y[n]$ stands in its own terms only. Set the derivative with respect to it to zero: $\sum_m 2\,w[n-mR]\,\big(w[n-mR]\,y[n] - f_m[n-mR]\big) = 0$, and so
#
# $$\boxed{\;y[n] = \frac{\sum_m w[n-mR]\,f_m[n-mR]}{\sum_m w^2[n-mR]}\;}$$
#
# This is **weighted overlap-add**. Each frame is windowed a *second* time, so that a sample near a frame's edge, which that frame knows little about, counts little. The denominator repairs the level. It must not be zero anywhere:
# every sample must be seen by at least one window (the **NOLA** condition, for *nonzero overlap-add*). If nothing was changed, $f_m[n] = w[n]\,x[n+mR]$, and the fraction gives back $x$ exactly. COLA is not needed.
#
# One practical point is left. The first samples of a signal lie at the edge of the first frame, where the Hann window is zero. The usual cure is to pad half a frame on both sides before the STFT (*centred* frames, the default of `course_lib.stft`), and to cut it off after the inverse.

# %% [markdown]
# ### Exercise 1.10 — The inverse STFT by weighted overlap-add
#
# *3 points · 25 minutes · demanding*
#
# **Outcome.** You can return from any spectrogram to a sound, and you know why the window is applied twice.
#
# **Task.** Write `istft_by_overlap_add(X, window, hop_length, n_samples)`. `X` has the shape `(n_freqs, n_frames)` and comes from centred frames without zero padding of the FFT ($K = L$):
# `X = stft.stft(x, window, frame_length=len(window), hop_length=hop_length)`. Add up the numerator and the denominator of the boxed formula, divide, cut off the first `len(window) // 2` samples, and return the
# `n_samples` that follow, as a NumPy array. Windows may have any length, odd ones included. Where the denominator is zero no frame has anything to say: return 0 there.
#
# **By hand.** Take `window = [0.5, 1]`, a hop of 1, and two frames that the inverse DFT has given as `[0, 2]` and `[1, 3]`. The numerator is `[0.5·0, 1·2 + 0.5·1, 1·3] = [0, 2.5, 3]`, the denominator
# `[0.25, 1 + 0.25, 1] = [0.25, 1.25, 1]`. The quotient is `[0, 2, 3]`: the signal whose frames these are.
#
# **Expected sound.** The voice itself: the difference from the original is around 1e-16. Listen to yours in a cell of your own, from `X = stft.stft(voice)` with the window `stft.make_window("hann", 1024)` and the hop 256.

# %% [markdown] hints="istft_by_overlap_add"
# concept: Two running sums grow along the padded signal: one of windowed frames, one of squared windows. The answer is their quotient. Only then does the padding come off.
#
# structure: Transform all columns back at once with `irfft` along axis 0; tell it `len(window)`, since otherwise odd windows come out one sample short. Make two arrays of zeros with
# `(n_frames - 1) * hop_length + len(window)` samples. For each frame add `window * frame` to the first and `window**2` to the second.
#
# line: `numerator[start : start + L] += window * frames[:, m]` and `denominator[start : start + L] += window**2`, with `start = m * hop_length`. Then divide where the denominator is positive, and slice `[L // 2 : L // 2 + n_samples]`.

# %% exercise="istft_by_overlap_add" forbid="course_lib.stft.istft scipy.signal torch.istft librosa"
def istft_by_overlap_add(X, window, hop_length, n_samples):
    """Return the n_samples of sound whose centred STFT lies nearest to X, of shape (n_freqs, n_frames)."""
    ### BEGIN SOLUTION
    frame_length, n_frames = len(window), X.shape[1]
    frames = np.fft.irfft(X, frame_length, axis=0)
    numerator = np.zeros((n_frames - 1) * hop_length + frame_length)
    denominator = np.zeros_like(numerator)
    for m in range(n_frames):
        here = slice(m * hop_length, m * hop_length + frame_length)
        numerator[here] += window * frames[:, m]
        denominator[here] += window**2
    y = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
    return y[frame_length // 2 : frame_length // 2 + n_samples]
    ### END SOLUTION


# %% test="istft_by_overlap_add" points=3
_window = stft.make_window("hann", 64)
_burst = np.zeros(1000)
_burst[200:800] = np.sin(0.3 * np.arange(600))
check.close(
    istft_by_overlap_add(stft.stft(_burst, _window, frame_length=64, hop_length=16), _window, 16, 1000),
    _burst,
    absolute_tolerance=1e-10,
    name="the inverse of a tone's STFT",
    mistakes={
        "the sum of the squared windows (here 1.5) has not been divided out.": 1.5 * _burst,
        "the frames were added up without the second window, and without a division.": 2.0 * _burst,
        "the second window is there, but the division is by the sum of the windows, not of their squares.": 0.75 * _burst,
        "the frames were added up without the second window, but divided by the sum of the squared windows.": 4 / 3 * _burst,
        "the padding is still there: cut off the first len(window) // 2 samples.": np.pad(_burst, (32, 0))[:1000],
    },
)
_window = stft.make_window("hann", 45)
_x = np.cos(0.05 * np.arange(301)) + 0.5
check.close(
    istft_by_overlap_add(stft.stft(_x, _window, frame_length=45, hop_length=11), _window, 11, 301),
    _x,
    absolute_tolerance=1e-10,
    name="a signal that fills its first and last samples, with a window of odd length",
)
_frames = np.array([[0.0, 2.0], [1.0, 3.0]])
check.close(
    istft_by_overlap_add(np.fft.rfft(_frames, axis=1).T, np.array([0.5, 1.0]), 1, 2),
    np.array([2.0, 3.0]),
    name="the example done by hand, without the sample of padding in front",
)
_frames = np.array([[1.0, 2.0], [3.0, 4.0]])
check.close(
    istft_by_overlap_add(np.fft.rfft(_frames, axis=1).T, np.ones(2), 3, 4),
    np.array([2.0, 0.0, 3.0, 4.0]),
    name="two frames with a gap between them, which no frame sees",
)
check.passed("STFT and back: the sound has returned")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("istft_by_overlap_add")
_even, _n_drawn = 2 * int(_rng.integers(10, 40)), int(_rng.integers(200, 600))
for _frame_length, _hop_length, _n in [(_even, _even // 3, _n_drawn), (_even + 1, _even // 4, _n_drawn + 1), (16, 4, 100), (16, 8, 101), (33, 8, 500), (64, 64 // 3, 257), (7, 1, 40), (128, 32, 50), (31, 30, 400)]:
    _window = 0.1 + _rng.random(_frame_length)
    _X = stft.stft(_rng.standard_normal(_n), _window, frame_length=_frame_length, hop_length=_hop_length)
    _X = _X + 0.5 * (_rng.standard_normal(_X.shape) + 1j * _rng.standard_normal(_X.shape))
    _X_before = _X.copy()
    _expected = stft.istft(_X, _window, frame_length=_frame_length, hop_length=_hop_length, n_samples=_n)
    check.close(istft_by_overlap_add(_X, _window, _hop_length, _n), _expected, absolute_tolerance=1e-10, name="a spectrogram whose frames contradict each other")
    check.close(_X, _X_before, name="your input X after the call")
_window = stft.make_window("hann", 256)
for _n in [1, 255, 1000, _n_drawn, 4001]:
    _x = _rng.standard_normal(_n)
    _X = stft.stft(_x, _window, frame_length=256, hop_length=128)
    for _scale in [1.0, 1e-6]:
        check.close(istft_by_overlap_add(_scale * _X, _window, 128, _n), _scale * _x, relative_tolerance=1e-7, absolute_tolerance=1e-15, name="the way there and back")
check.close(istft_by_overlap_add(np.zeros_like(_X), _window, 128, 4001), np.zeros(4001), name="silence")
_soft = 1e-3 * stft.make_window("hann", 64)
_X = stft.stft(_x, _soft, frame_length=64, hop_length=16)
check.close(istft_by_overlap_add(_X, _soft, 16, 4001), _x, relative_tolerance=1e-7, name="a window with small values")
### END HIDDEN TESTS

# %% [markdown]
# ## 7. Convolution in the STFT domain
#
# Much of this course happens on spectrograms. So can we convolve there? If the frames' windows add up to one, $x[n] = \sum_m x_m[n - mR]$ with $x_m[n] = w[n]\,x[n+mR]$. This is overlap-add with soft,
# overlapping blocks instead of hard ones. By linearity
#
# $$y[n] = \sum_m (x_m * h)[n - mR].$$
#
# Each term is a product of spectra, if the circle is large enough for $L + M - 1$ samples. For $M \le L + 1$ a **doubled** frame will do, $K = 2L$: the window's $L$ samples, followed by $L$ zeros for the tail. Then
# $Y[k,m] = H[k]\,X[k,m]$, an inverse DFT, and a plain overlap-add without a second window. The result is exact, because convolution needs no synthesis window, only $\sum_m w[n-mR] = 1$.

# %% [markdown]
# ### Exercise 1.11 — Exact convolution on doubled frames
#
# *2 points · 20 minutes · demanding*
#
# **Outcome.** You can filter a sound frame by frame in the STFT domain without any error, and you can say what each zero is for.
#
# **Task.** Write `convolve_in_stft_domain(x, h, window, hop_length)`. The window's shifted copies sum to one, and `len(h) <= len(window) + 1`. Pad `x` so that **every** sample lies under the full sum of windows: with
# `len(window)` zeros in front, and enough behind. Multiply the spectra of doubled frames, add up the results, cut the padding off, and return a NumPy array of `len(x) + len(h) - 1` samples. (Trust the window that you are given, and do not divide by its sum: windows that sum to two give twice the result.)
#
# **By hand.** Take `window = [0.5, 0.5]`, a hop of 1, `x = [2, 4, 6]` and `h = [1, 1]`. The frames that touch the signal, windowed, are `[0, 1]`, `[1, 2]`, `[2, 3]` and `[3, 0]`. Convolved with `h` they become `[0, 1, 1]`, `[1, 3, 2]`,
# `[2, 5, 3]` and `[3, 3, 0]`. Shifted by one sample each and added: `[0, 2, 6, 10, 6, 0]`. Without the padding that is `[2, 6, 10, 6]`, the convolution.
#
# **Expected picture.** The flat lower line, at the rounding error, in the figure that follows this exercise.

# %% [markdown] hints="convolve_in_stft_domain"
# concept: It is overlap-add once more. The blocks are windowed frames that overlap, and the windows sum to one, so the frames still sum to the signal. A tail of $M - 1$ samples follows each frame.
#
# structure: Put `len(window)` zeros before `x`, and at least `len(window)` after it, until the last frame that touches `x` is complete. For every frame start `0, hop_length, …`: window, transform with `2 * len(window)`
# samples, multiply by the spectrum of `h` of the same length, transform back, and add to the output at the frame's start.
#
# line: With `L = len(window)` and `K = 2 * L`, the loop's body is `y[start : start + K] += np.fft.irfft(np.fft.rfft(window * padded[start : start + L], K) * h_spectrum, K)`. In the end return `y[L : L + len(x) + len(h) - 1]`.

# %% exercise="convolve_in_stft_domain" forbid="np.convolve np.correlate scipy.signal course_lib.convolution"
def convolve_in_stft_domain(x, h, window, hop_length):
    """Convolve x with h on doubled frames; the shifted windows sum to one and len(h) <= len(window) + 1."""
    ### BEGIN SOLUTION
    frame_length, n_fft = len(window), 2 * len(window)
    padded = np.pad(x, (frame_length, 2 * frame_length))
    h_spectrum = np.fft.rfft(h, n_fft)
    y = np.zeros(len(padded) + n_fft)
    for start in range(0, len(padded) - frame_length + 1, hop_length):
        frame = window * padded[start : start + frame_length]
        y[start : start + n_fft] += np.fft.irfft(np.fft.rfft(frame, n_fft) * h_spectrum, n_fft)
    return y[frame_length : frame_length + len(x) + len(h) - 1]
    ### END SOLUTION


# %% test="convolve_in_stft_domain" points=2
check.close(
    convolve_in_stft_domain(np.array([2.0, 4.0, 6.0]), np.array([1.0, 1.0]), np.array([0.5, 0.5]), 1),
    np.array([2.0, 6.0, 10.0, 6.0]),
    name="convolve_in_stft_domain on the example",
    mistakes={
        "the first samples lie under too few windows: pad len(window) zeros in front of x.": [1, 5, 10, 6],
        "the last samples lie under too few windows: pad zeros behind x, too.": [2, 6, 7, 3],
        "the first and last samples lie under too few windows: pad x on both sides.": [1, 5, 7, 3],
        "the window was applied twice: the shifted windows themselves sum to one, not their squares.": [1, 3, 5, 3],
        "the results were windowed: here the tails must be added as they are.": [1, 3.5, 6, 4.5],
        "the frames are not doubled: each tail wrapped round onto its own frame.": [4, 8, 8, 3],
        "the padding is still there: cut off the len(window) samples that you put in front.": [0, 0, 2, 6],
    },
)
_window = stft.make_window("hann", 64)
_x, _h = np.sin(0.1 * np.arange(500)) + 1, 0.95 ** np.arange(65)
check.close(
    convolve_in_stft_domain(_x, _h, _window, 32),
    np.convolve(_x, _h),
    name="a Hann window of 64, a hop of 32, 65 taps",
    mistakes={
        "the window was not divided to sum to one, or a frame was counted twice.": 2 * np.convolve(_x, _h),
    },
)
check.passed("doubled frames convolve exactly")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("convolve_in_stft_domain")
_hop_drawn, _n_drawn = 2 * int(_rng.integers(4, 20)), 2 * int(_rng.integers(50, 300))
for _frame_length, _hop_length, _n_samples, _n_taps in [(64, 32, 1, 1), (2 * _hop_drawn, _hop_drawn, _n_drawn, 9), (3 * _hop_drawn, _hop_drawn, _n_drawn + 1, 8), (64, 32, 333, 65), (64, 16, 1000, 20), (60, 20, 777, 61), (8, 8, 100, 9), (128, 64, 50, 100), (256, 64, 2001, 257)]:
    _window = stft.make_window("hann", _frame_length) if _hop_length < _frame_length else np.ones(_frame_length)
    _window = _window * _hop_length / _window.sum()
    _x, _h = _rng.standard_normal(_n_samples), _rng.standard_normal(_n_taps)
    _x_before = _x.copy()
    check.close(convolve_in_stft_domain(_x, _h, _window, _hop_length), np.convolve(_x, _h), relative_tolerance=1e-9, name="a random signal")
    check.close(_x, _x_before, name="your input x after the call")
    check.close(convolve_in_stft_domain(_x, _h, 2 * _window, _hop_length), 2 * np.convolve(_x, _h), relative_tolerance=1e-9, name="another window")
    check.close(1e6 * convolve_in_stft_domain(1e-6 * _x, _h, _window, _hop_length), np.convolve(_x, _h), name="a soft signal")
check.close(convolve_in_stft_domain(np.zeros(100), _h, _window, _hop_length), np.zeros(100 + len(_h) - 1), name="silence")
check.close(convolve_in_stft_domain(np.arange(50), np.array([0.5, -0.25]), _window, _hop_length), np.convolve(np.arange(50), [0.5, -0.25]), name="whole numbers as x")
### END HIDDEN TESTS

# %% [markdown]
# ### 7.1 What is lost without doubling
#
# It is tempting to skip the zeros: take an ordinary STFT, multiply every frame by $H[k]$, and go back by weighted overlap-add. Nearly every enhancement system does it. Two things go wrong.
#
# 1. Each frame is convolved on a circle of $L$ samples. The tail of $M-1$ samples wraps to the frame's beginning. There the second window hides nearly all of it.
# 2. What remains is worse. A tap at $i$ moves sound from $n-i$ to $n$. The first window weighted it at $n-i$, the second one weights it at $n$, and the two no longer match. Weighted overlap-add is right only if
#    $h * (w\,x) \approx w\cdot(h * x)$: only if $w$ hardly changes over the length of the kernel. And whatever should ring on after the frame's end is lost.
#
# For a kernel much shorter than the frame, that is a small error. For a room it is not.
#
# **Predict.** At 512 taps, as long as the frame, how far below the sound will the error be? Will you hear it?

# %% tags="demo"
frame_length, hop_length = 512, 128
window = stft.make_window("hann", frame_length)
taps = [2, 8, 32, 128, 256, 512]
decay = np.random.default_rng(2).standard_normal(512) * 10 ** (-np.arange(512) / 250)
errors_db = {"doubled frames": [], "ordinary frames": []}
for n_taps in taps:
    kernel = decay[:n_taps]
    exact = convolution.convolve_fft(excerpt, kernel)[: len(excerpt)]
    doubled = convolution.convolve_stft(excerpt, kernel, frame_length=frame_length, hop_length=hop_length)[: len(excerpt)]
    spectrogram = stft.stft(excerpt, window, frame_length=frame_length, hop_length=hop_length)
    spectrogram = spectrogram * np.fft.rfft(kernel, frame_length)[:, None]
    ordinary = stft.istft(spectrogram, window, frame_length=frame_length, hop_length=hop_length, n_samples=len(excerpt))
    errors_db["doubled frames"].append(-metrics.snr(exact, doubled))
    errors_db["ordinary frames"].append(-metrics.snr(exact, ordinary))
longest_kernel = {"doubled frames": doubled, "ordinary frames": ordinary, "their difference": ordinary - doubled}

figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
for name, marker in zip(errors_db, "os", strict=True):
    ax.plot(taps, errors_db[name], marker=marker, label=name)
ax.set(xscale="log", xlabel="Taps of the kernel (the frame has 512 samples)", ylabel="Error re output (dB)")
ax.set_xticks(taps, labels=taps)
ax.minorticks_off()
ax.set_title(f"Without doubling, the error grows until it is only {-max(errors_db['ordinary frames']):.0f} dB below the output; doubled frames are exact")
ax.legend()
plt.show()
listen(longest_kernel, sample_rate)

# %% [markdown]
# The third player holds their difference alone, made as loud as the others. The gains under the players say that it had to be raised by about 12 dB more than they: that is how far the error lies below the sound at 512 taps.

# %% [markdown]
# ## 8. Not every spectrogram is the spectrogram of a sound
#
# Take 1 s of sound at 16 kHz: 16 000 real numbers. With 1024-sample frames and a hop of 256, its spectrogram has 64 frames of 513 complex bins, two of which are real: 64 times 1024, some 65 500 real numbers. The STFT has put 16 000 numbers into a space with four times as many.
# So most points of that space are not the STFT of anything. The set of those that are is the *image* of a linear map. It is a flat subspace, and its members are called **consistent**.
#
# Weighted overlap-add answered the question "which sound fits the frames best?". By Parseval, frame by frame, that sound also fits the *spectra* best, if every bin that `rfft` leaves out is counted, too.
# So its STFT is the consistent spectrogram nearest to $S$:
#
# $$\mathcal P(S) = \operatorname{STFT}(\operatorname{ISTFT}(S)).$$
#
# $\mathcal P$ is a projection: applied twice it does no more than once, and $S$ is consistent exactly when $\mathcal P(S) = S$. If you edit a spectrogram and listen, you hear $\mathcal P(S)$ and not $S$.

# %% [markdown]
# ### Exercise 1.12 — A spectrogram that no sound has
#
# *1 point · 8 minutes · medium*
#
# **Outcome.** You can exhibit an inconsistent spectrogram, and say which constraint it breaks.
#
# **Task.** Write `inconsistent_spectrogram(n_freqs, n_frames)`. It returns a complex array of that shape which is at least 10 % away from every sound's STFT: $\lVert S - \mathcal P(S)\rVert \ge 0.1\,\lVert S\rVert$. The frames have $L = 2(\texttt{n\_freqs} - 1)$
# samples, a Hann window, and a hop of $L/4$.
#
# **By hand.** Take $L = 4$ and a hop of 1, and let frame 1 alone differ from zero. Frames 0 and 2 overlap three of its four samples each, and say: silence. Frame 1 says: sound. No signal can obey them all.
#
# **Expected number.** The checks print how far away from its projection your spectrogram is. Complex Gaussian noise reaches about 87 %.

# %% [markdown] hints="inconsistent_spectrogram"
# concept: Consistent spectrograms obey constraints between neighbours in time and in frequency. Nearly everything that you write down without thinking of a sound breaks them.
#
# structure: Start from a complex array of zeros, and make one frame differ sharply from its neighbours. Or fill the array with noise from a generator with a fixed seed.
#
# line: For example `S = np.zeros((n_freqs, n_frames), complex)`, followed by `S[n_freqs // 2, n_frames // 2] = 1`: one bin, in one frame, and silence all around.

# %% exercise="inconsistent_spectrogram"
def inconsistent_spectrogram(n_freqs, n_frames):
    """Return a complex (n_freqs, n_frames) array that lies at least 10 % away from every sound's STFT."""
    ### BEGIN SOLUTION
    S = np.zeros((n_freqs, n_frames), dtype=complex)
    S[n_freqs // 2, n_frames // 2] = 1.0
    return S
    ### END SOLUTION


# %% test="inconsistent_spectrogram" points=1
def _distance_from_projection(S):
    frame_length = 2 * (S.shape[0] - 1)
    nearest = stft.project_consistent(S, "hann", frame_length=frame_length, hop_length=frame_length // 4)
    return np.linalg.norm(S - nearest) / np.linalg.norm(S)


_S = np.asarray(inconsistent_spectrogram(65, 20))
check.shape(_S, (65, 20), name="your spectrogram")
check.finite(_S, name="your spectrogram")
assert np.iscomplexobj(_S), f"Your spectrogram holds {_S.dtype}: make it complex, as an STFT is."
assert np.any(_S != 0), "All bins are zero. That is the spectrogram of silence, which is consistent: put something in."
_distance = _distance_from_projection(_S)
assert _distance >= 0.1, f"Your spectrogram is only {100 * _distance:.2g} % away from a sound's STFT; at least 10 % are asked for. Let neighbouring frames contradict each other."
check.passed(f"your spectrogram is {100 * _distance:.0f} % away from the STFT of any sound")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("inconsistent_spectrogram")
_n_freqs_drawn, _n_frames_drawn = _rng.integers(9, 300, 3).tolist(), _rng.integers(7, 40, 3).tolist()
for _n_freqs, _n_frames in [(5, 6), (17, 5), (33, 8), (129, 31), (513, 12), *zip(_n_freqs_drawn, _n_frames_drawn)]:
    _S = np.asarray(inconsistent_spectrogram(_n_freqs, _n_frames))
    check.shape(_S, (_n_freqs, _n_frames), name="your spectrogram")
    check.finite(_S, name="your spectrogram")
    assert np.linalg.norm(_S) > 0, "All bins are zero."
    assert _distance_from_projection(_S) >= 0.1, "This spectrogram is too close to a sound's STFT."
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 1.13 — How likely is a consistent spectrogram? (written)
#
# *1 point · 8 minutes · medium*
#
# Draw every bin of $S$ independently from a continuous distribution, for example a Gaussian. What is the probability that $S$ is consistent? Give the number and the reason. Count dimensions, with a hop of a quarter frame.

# %% [markdown] hints="probability"
# concept: A point drawn at random in a room hardly ever lies exactly on a given sheet of paper.
#
# structure: How many real numbers does a signal of $N$ samples have, and how many does its spectrogram have with a hop of a quarter frame? What shape does the set of all consistent spectrograms have inside that larger space?
#
# line: Begin with "The consistent spectrograms are the image of a linear map from $\mathbb R^N$, so they form a subspace of dimension at most …".

# %% [markdown] written="probability" points=1
# ### BEGIN SOLUTION
# The probability is zero. The consistent spectrograms are the image of the STFT, a linear map from $\mathbb R^N$. So they form a subspace with at most $N$ real dimensions. With a hop of a quarter frame each frame has $L$ free real numbers
# for every $L/4$ samples of signal: the space has about $4N$ dimensions. A subspace of lower dimension has volume zero, and a continuous distribution gives a set of volume zero the probability zero.
#
# **Rubric**
#
# - 1 point: says zero, and gives a reason that holds: the consistent spectrograms form a proper subspace (about a quarter of the dimensions), which has measure zero under a continuous distribution.
# ### END SOLUTION

# %% [markdown]
# ### 8.1 Projecting, and listening to the result
#
# Keep the magnitudes of a voice and throw its phases away; put random ones in their place. Such an $S$ is far from consistent. Now alternate: project, put the known magnitudes back, project again. Neither step can lead further away from a sound with
# those magnitudes (in the distance that counts mirrored bins, too). This is the algorithm of Griffin and Lim (1984). It will return in lesson 10, where networks produce magnitudes and somebody must find the phases.

# %% tags="demo"
frame_length, hop_length = 1024, 256
magnitude = np.abs(stft.stft(voice, frame_length=frame_length, hop_length=hop_length))
phases = np.random.default_rng(3).uniform(-np.pi, np.pi, magnitude.shape)
spectrogram = magnitude * np.exp(1j * phases)
distances_db, first = [], None
for _ in range(60):
    projected = stft.project_consistent(spectrogram, frame_length=frame_length, hop_length=hop_length)
    distances_db.append(20 * np.log10(np.linalg.norm(spectrogram - projected) / np.linalg.norm(spectrogram)))
    first = projected if first is None else first
    spectrogram = magnitude * np.exp(1j * np.angle(projected))

figure, ax = plt.subplots(figsize=(10, 2.6), layout="constrained")
ax.plot(distances_db)
ax.set(xlabel="Iteration", ylabel="Distance re spectrogram (dB)", title=f"60 projections bring the distance from {-distances_db[0]:.0f} to {-distances_db[-1]:.0f} dB below the spectrogram itself")
plt.show()
back = {"random phases": first, "after 60 projections": spectrogram}
listen(
    {"original": voice}
    | {name: stft.istft(S, frame_length=frame_length, hop_length=hop_length, n_samples=len(voice)) for name, S in back.items()},
    sample_rate,
)

# %% [markdown]
# With random phases the sound loses 6 dB before matching: the frames cancel each other, and only a quarter of the energy survives. The projections bring the frames to agree, and the voice comes back.
#
# ## 9. All of them, side by side
#
# One second of voice, a quarter of a second of hall, nine ways to the same samples. The table gives what you pay (multiplications for one output sample, up to a factor, with $M$ taps and blocks or frames of $L$), how long a live system would have to wait, the error
# against a computation with extended precision, and the time measured on your machine.

# %% tags="demo"
room_response = hall[:4096]
block_length = 256
exact = np.convolve(excerpt.astype(np.longdouble), room_response.astype(np.longdouble))


def partitioned(x, h):
    convolver = convolution.PartitionedConvolver(h, block_length)
    streamed = np.concatenate([convolver.push(x), convolver.flush()])
    return streamed[-(len(x) + len(h) - 1) :]


def single_precision(x, h):
    return convolution.convolve_fft(x.astype(np.float32), h.astype(np.float32))


whole = "whole sound"
block_ms = f"{1e3 * block_length / sample_rate:.0f} ms"
methods = [
    ("definition, compiled", "M", "none", convolution.convolve_direct),
    ("dot products", "M", "none", convolution.convolve_dot),
    ("shifted copies", "M", whole, convolution.convolve_shift),
    ("one FFT", "log(N + M)", whole, convolution.convolve_fft),
    ("one FFT, float32", "log(N + M)", whole, single_precision),
    ("overlap-add", "log(L + M)·(L + M)/L", block_ms, lambda x, h: convolution.overlap_add(x, h, block_length)),
    ("overlap-save", "log(L + M)·(L + M)/L", block_ms, lambda x, h: convolution.overlap_save(x, h, block_length)),
    ("partitioned", "log L + M/L", block_ms, partitioned),
    ("STFT, doubled frames", "log L (for M ≤ L + 1)", "256 ms", lambda x, h: convolution.convolve_stft(x, h, frame_length=4096, hop_length=2048)),
]
measured_ms = {}
print(f"{'method':22} {'cost a sample':22} {'latency':12} {'error':>9} {'time':>10}")
for name, cost, latency, function in methods:
    error = np.sum((function(excerpt, room_response) - exact) ** 2) / np.sum(exact**2)
    measured_ms[name] = 1e3 * seconds(function, excerpt, room_response)
    print(f"{name:22} {cost:22} {latency:12} {10 * np.log10(max(float(error), 1e-40)):6.0f} dB {measured_ms[name]:7.1f} ms")

# %% tags="demo"
figure, ax = plt.subplots(figsize=(10, 3.4), layout="constrained")
lengths = [16, 64, 256, 1024, 4096, 16384]
for (name, marker), color in zip({"definition, compiled": "o", "one FFT": "s", "partitioned": "^"}.items(), plots.PALETTE, strict=False):
    function = next(function for method, _, _, function in methods if method == name)
    times_ms = [1e3 * seconds(function, excerpt, hall[:n_taps], repeats=2) for n_taps in lengths]
    ax.plot(lengths, times_ms, marker=marker, color=color, label=name)
ax.axhline(1e3 * len(excerpt) / sample_rate, color="0.5", linestyle=":", label="the sound's own duration")
ax.set(xscale="log", yscale="log", xlabel="Taps $M$", ylabel="Time (ms)", title="The definition's time grows in proportion to M; the FFT hardly notices")
ax.legend(ncols=2)
plt.show()

# %% [markdown]
# What the table and the figure say. For whole recordings, the FFT wins by far. Only for a handful of taps does a plain loop keep up with it. Overlap-add and overlap-save look quick here since they are given the whole sound, and transform all its blocks
# in one go. Live, block after block, the partitioned form wins, and by more the longer the room is: section 5.3 timed a block of each. All are exact to the rounding of the numbers they use: near −300 dB in 64 bits, near −130 dB in 32. What separates them is time and latency.
#
# ## 10. Where it breaks
#
# - **The room moves.** Open a door, turn your head: $h$ changes, and time invariance is gone. A convolution with yesterday's $h$ leaves an error. Lesson 05 tracks a changing $h$.
# - **The loudspeaker distorts.** A cone at its limit is not linear: the answer to a sum is not the sum of the answers. New frequencies arise, which no convolution can make. Lesson 05 meets this as residual echo.
# - **The circle is too small.** Every product of spectra is a circular convolution. Filters that are designed bin by bin, as in lessons 03 to 07, have impulse responses as long as the frame. A second window hides the wrap, and pays with the error of section 7.1.
# - **The frame is shorter than the room.** "One complex factor per frequency" holds only for rooms much shorter than a frame. Lessons 02 and 03 stand or fall with that assumption.
# - **The window and the hop do not fit.** Without COLA, or with the symmetric window, unmodified frames add up with a ripple. Without NOLA, samples are lost for good.
# - **32 bits.** In float32 a long FFT convolution has an error near −130 dB relative to the *loudest* part. A soft tail can vanish in it.
#
# ## 11. What we have learnt
#
# - Linearity and time invariance alone force $y[n] = \sum_k x[k]\,h[n-k]$: a sum of delayed, scaled copies. It has $N + M - 1$ samples.
# - Oscillations are the eigenvectors of convolution. The DFT is a rotation into that basis, and Parseval says that it keeps energy.
# - A product of spectra is a *circular* convolution. Padding to $N + M - 1$ makes the circle large enough.
# - Libraries for networks compute correlation. Flip a kernel that you know.
# - Blocks turn a recording into a stream. Overlap-add adds tails; overlap-save throws spoilt samples away; partitions buy low latency at low cost.
# - The STFT trades time for frequency. Weighted overlap-add inverts it in the least-squares sense, for any window that satisfies NOLA.
# - Consistent spectrograms are a thin subspace. What you hear is always the projection.
#
# **Next.** In lesson 02, several people talk at once, and you have several microphones. Who said what?
#
# ### Further reading
#
# - A. V. Oppenheim and R. W. Schafer, *Discrete-Time Signal Processing*, 3rd ed., Pearson, 2010: chapters 2 and 8, and section 8.7 for block convolution.
# - T. G. Stockham, "High-speed convolution and correlation", *AFIPS Spring Joint Computer Conference*, 1966: where fast convolution began.
# - J. B. Allen and L. R. Rabiner, "A unified approach to short-time Fourier analysis and synthesis", *Proceedings of the IEEE* 65(11), 1977.
# - D. W. Griffin and J. S. Lim, "Signal estimation from modified short-time Fourier transform", *IEEE Transactions on Acoustics, Speech, and Signal Processing* 32(2), 1984: sections 6.5 and 8 of this lesson.
# - F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", *Proceedings of the IEEE* 66(1), 1978.
# - W. G. Gardner, "Efficient convolution without input-output delay", *Journal of the Audio Engineering Society* 43(3), 1995: partitions of growing size, and a latency of zero.
# - J. Le Roux, N. Ono and S. Sagayama, "Explicit consistency constraints for STFT spectrograms and their application to phase reconstruction", *SAPA*, 2008.
