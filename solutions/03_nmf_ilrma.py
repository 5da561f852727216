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
#   title: NMF, IVA and ILRMA
# ---

# %% [markdown]
# # Lesson 03 — NMF, IVA and ILRMA
#
# Put on a song and follow the bass. You do it with one loudspeaker, even with one ear: each note has its own colour, and it comes back again
# and again. Now sit between two people who talk at once. Your ear uses the other clue: the two voices reach it along different ways.
# This lesson turns each clue into an algorithm, the first for one microphone and the second for several. Then it joins them. The result, ILRMA, is one of the strongest classical methods for separating a recording about which little is known.
#
# In this lesson you will
#
# - **hear** a bass and a lead melody come out of one channel, and find out what the number of parts does to them;
# - **derive** updates that can never raise their cost, by majorisation–minimisation, for three costs;
# - **build** masks from parts, a noise reducer that knows speech, and the ideal masks that bound what masks can do;
# - **hear** the permutation disaster: a separation that has succeeded at every frequency and failed as a whole;
# - **derive and build** IVA and ILRMA, and see what they gain, when, and when not.
#
# | | |
# |---|---|
# | Time | about six hours: two and a half for the exercises, the rest for reading and listening; take a break before section 5 |
# | Points | 20: ten programming exercises (16) and two written ones (4) |
# | You need | lesson 01 (STFT, what a room does to it); lesson 02 (mixing, demixing, their ambiguities, SI-SDR); derivatives |
# | You will use again | masks in lessons 04, 06 and 07; covariances weighted by a model in lesson 04; dictionaries of noise in lesson 06 |
#
# **How to work.** As in lesson 01: run the cells from top to bottom, fill in the functions, open the hints one at a time. Use headphones.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

from course_lib import bss, check, data, masks, metrics, nmf, plots, scenes, stft
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.listen import listen

plots.use_style()

sample_rate = SAMPLE_RATE_HZ
CORPUS = "offline"  # for real talkers: python data_fetch.py fetch mini-librispeech, and then "mini-librispeech"

# %% [markdown]
# All voices come from `data.speech_clip(talker, seconds, corpus=CORPUS)`. Offline they are synthetic, and built on your machine. With a fetched corpus the same cells separate real talkers; the numbers in the text are those of the offline voices.
# What changes? We tried recordings of real talkers, at the same places. IVA gains most: with the Gauss model 15 dB where the synthetic voices give 7, with Laplace's 10 in place of 1. ILRMA reaches 17 dB in place of 13, and ordering by envelopes stays near 14. With a real voice beside the lead melody ILRMA
# reaches 12 dB in place of 10. The dictionaries of section 4 hardly notice: 6.5 dB and 3.5 dB, where the text has 6.8 and 3.7.
#
# ## 1. Listen first
#
# A bass and a lead melody, each alone and then together, in one channel. After them two talkers in a small room, as two microphones 5 cm apart hear them.
#
# **Before you run it, guess.** In the first mixture you have one channel for two instruments. Which property of the bass would you tell a program to look for? In the second you have two channels.
# How much louder is the nearer talker in the nearer microphone?

# %% tags="demo"
duration_s, PLACES = 8, 5  # PLACES draws the room, and where everybody stands in it
bass, lead = (data.music_clip(name, duration_s) for name in ("bass", "lead"))
duo = bass + lead
listen({"bass": bass, "lead": lead, "together": duo}, sample_rate)

# %% tags="demo"
talkers = [data.speech_clip(talker, duration_s, corpus=CORPUS) for talker in (0, 1)]
talk = scenes.random_room_scene(talkers, rt60_s=0.15, n_microphones=2, rng=np.random.default_rng(PLACES))
for n in range(2):
    levels_db = 10 * np.log10(np.mean(talk.images[n] ** 2, axis=-1))
    print(f"talker {n}: {levels_db[0] - levels_db[1]:+.1f} dB in microphone 0, compared with microphone 1")
listen({"microphone 0": talk.mixture[0, : len(talkers[0])], "microphone 1": talk.mixture[1, : len(talkers[0])]}, sample_rate)

# %% [markdown]
# Look at the picture of the duo: horizontal lines, which start and stop together. A note is a *column* of levels, the spectrum, that is switched on for a while. The same note looks the same each time. This is the clue for one channel.
#
# The two microphones, on the other hand, sound nearly alike. No talker is more than 0.3 dB louder in one than in the other. Nobody could separate them by level. What differs is *when*: sound needs up to 0.15 ms for the 5 cm, and that is enough.
#
# ## 2. Spectrograms as sums of parts
#
# ### 2.1 The model
#
# Let $V[k,m] = |X[k,m]|$ be the magnitude of the mixture's STFT, with $k$ for frequency and $m$ for the frame. All its entries are at least zero. We look for $C$ **components**. Component $c$ has a spectrum $w_c[k] \ge 0$ and
# an **activation** $h_c[m] \ge 0$ that says how loud it is when:
#
# $$V[k,m] \approx \hat V[k,m] = \sum_{c=1}^{C} W_{kc}\,H_{cm}, \qquad V \approx \hat V = WH, \qquad W, H \ge 0 .$$
#
# The columns of $W$ are called the **dictionary**. This is **non-negative matrix factorisation**, NMF. The sign is what makes the parts *parts*. Principal components may cancel each other, and look like nothing you have ever heard. Here nothing cancels: what a component adds, no other can take away.
# So a component can hold only what really sounds.
#
# Are magnitudes additive at all? For two sources $|a + b|$ lies anywhere between $\big||a| - |b|\big|$ and $|a| + |b|$, and the phases decide. On average over independent phases $\mathbb E|a+b|^2 = |a|^2 + |b|^2$: powers add. Where one source is much louder than the other, which is
# nearly everywhere for voices and notes, both magnitudes and powers add well enough. We take magnitudes where loud bins would otherwise drown the rest, and powers where a statistical model asks for them.
#
# Two things the model leaves open, as ICA did. You may double a spectrum and halve its activation; and the components have no order. The second will cost us dearly in section 4.

# %% tags="demo"
frame_length, hop_length = 2048, 512


def analyse(x):
    """The STFT that the one-channel sections use: frames of 128 ms, a quarter apart."""
    return stft.stft(x, frame_length=frame_length, hop_length=hop_length)


def synthesise(X, n_samples=len(duo)):
    return stft.istft(X, frame_length=frame_length, hop_length=hop_length, n_samples=n_samples)


X_duo = analyse(duo)
V_duo = np.abs(X_duo).astype(np.float32)  # NMF in single precision: half the time, and more digits than anybody hears
small = nmf.nmf(V_duo, 6, divergence="kl", n_iterations=100, rng=np.random.default_rng(1))
centres = (np.arange(len(V_duo)) @ small.W) / small.W.sum(axis=0)
order = np.argsort(centres)

time_s = np.arange(V_duo.shape[1]) * hop_length / sample_rate
frequency_khz = np.arange(len(V_duo)) * sample_rate / frame_length / 1000
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained", width_ratios=[1, 2])
for row, c in enumerate(order):
    style = {"color": plots.PALETTE[row], "linewidth": 0.9}
    axes[0].plot(frequency_khz[:256], row + 0.9 * small.W[:256, c] / small.W[:, c].max(), **style)
    axes[1].plot(time_s, row + 0.9 * small.H[c] / small.H[c].max(), **style)
axes[0].set(xlabel="Frequency (kHz)", ylabel="Component", yticks=range(6), title="$W$: what sounds")
axes[1].set(xlabel="Time (s)", title="$H$: when it sounds")
figure.suptitle("Six components of bass and lead: some hold one note, some hold notes that sound together")
plt.show()

# %% [markdown]
# Nobody told the program what a note is. It found spectra with harmonics, and activations that start suddenly and die away. All that it was asked is to explain the picture with few non-negative parts.
#
# ### 2.2 What does "≈" mean?
#
# We need a cost $D(V \mid \hat V) = \sum_{k,m} d(V[k,m] \mid \hat V[k,m])$ that is zero when both agree, and positive otherwise. Two old choices, for numbers $v, \hat v \ge 0$ (and with $0\log0 = 0$):
#
# $$d_{\text{F}}(v \mid \hat v) = \tfrac12 (v - \hat v)^2 \quad\text{(Frobenius)}, \qquad
# d_{\text{KL}}(v \mid \hat v) = v\log\frac{v}{\hat v} - v + \hat v \quad\text{(Kullback–Leibler)}.$$
#
# With $W$ fixed, each of them is convex in $H$, and with $H$ fixed, convex in $W$. In both together neither is: already $v = wh$ in one dimension has a whole curve of solutions. So we take turns. As $V \approx WH$ says the same as $V^{\mathsf T} \approx H^{\mathsf T}W^{\mathsf T}$, whoever can update $H$ can update $W$.
# And with $W$ fixed the frames are independent of each other. So let us look at one frame, with the spectrum $v$ and the activations $h$: $\hat v_k = \sum_c W_{kc}h_c$.
#
# ### 2.3 Majorisation–minimisation: a bowl for every step
#
# How do you minimise a function $J(h)$ that is hard to handle? Take a second function $Q(h \mid h')$ that is easy, and that has two properties, whatever the current point $h'$:
#
# $$\text{(i)}\;\; Q(h \mid h') \ge J(h) \;\text{ for all } h, \qquad\qquad \text{(ii)}\;\; Q(h' \mid h') = J(h').$$
#
# $Q$ lies above $J$ and touches it where you stand. It is called an **auxiliary function**, or majoriser. Now go to the minimum of $Q$: $h^{\text{new}} = \arg\min_h Q(h\mid h')$. Then
#
# $$\boxed{\;J(h^{\text{new}}) \;\overset{\text{(i)}}{\le}\; Q(h^{\text{new}} \mid h') \;\le\; Q(h' \mid h') \;\overset{\text{(ii)}}{=}\; J(h')\;}$$
#
# The cost cannot rise. There is no step size to choose, and nothing to test. What is left is the craft of finding $Q$, and two tools are nearly all you need:
#
# - **Jensen's inequality.** If $f$ is convex and the weights $\lambda_c \ge 0$ sum to one, then $f\big(\sum_c \lambda_c z_c\big) \le \sum_c \lambda_c f(z_c)$. It takes a sum *out* of a function, so that each unknown stands alone.
# - **The tangent.** If $f$ is concave, it lies below each of its tangents: $f(z) \le f(z') + f'(z')(z - z')$. It replaces a curve by a line.
#
# For both, equality holds at the current point if the weights are chosen well. Choose the share that each component has in the current model:
#
# $$\lambda_{kc} = \frac{W_{kc}h'_c}{\hat v'_k}, \qquad \hat v'_k = \sum_c W_{kc}h'_c, \qquad \sum_c \lambda_{kc} = 1 .$$
#
# (All $h'_c$ are positive. Where $W_{kc} = 0$, so is $\lambda_{kc}$, and the term is missing on both sides.)
#
# **Frobenius.** $\hat v_k = \sum_c \lambda_{kc}\cdot\dfrac{W_{kc}h_c}{\lambda_{kc}}$, and $z \mapsto \frac12(v - z)^2$ is convex. Note that $W_{kc}h_c/\lambda_{kc} = \hat v'_k\,h_c/h'_c$. Jensen gives
#
# $$J(h) = \sum_k \tfrac12\Big(v_k - \sum_c \lambda_{kc}\frac{W_{kc}h_c}{\lambda_{kc}}\Big)^2 \;\le\; \sum_{k,c} \tfrac12\,\lambda_{kc}\Big(v_k - \hat v'_k\frac{h_c}{h'_c}\Big)^2 = Q(h \mid h').$$
#
# At $h = h'$ every bracket on the right is $v_k - \hat v'_k$, and the weights sum to one: property (ii). Each $h_c$ stands in its own terms only. Set the derivative to zero:
#
# $$\frac{\partial Q}{\partial h_c} = -\sum_k \lambda_{kc}\frac{\hat v'_k}{h'_c}\Big(v_k - \hat v'_k\frac{h_c}{h'_c}\Big) = -\sum_k W_{kc}\Big(v_k - \hat v'_k\frac{h_c}{h'_c}\Big) = 0
# \quad\Longrightarrow\quad \boxed{\;h_c = h'_c\,\frac{\sum_k W_{kc}\,v_k}{\sum_k W_{kc}\,\hat v'_k}\;}$$
#
# **Kullback–Leibler.** Leave out what does not depend on $h$: $J(h) = \sum_k \big(\hat v_k - v_k \log \hat v_k\big) + \text{const}$. The function $-\log$ is convex. Jensen again:
#
# $$-v_k\log\sum_c \lambda_{kc}\frac{W_{kc}h_c}{\lambda_{kc}} \;\le\; -v_k \sum_c \lambda_{kc}\log\frac{W_{kc}h_c}{\lambda_{kc}},$$
#
# while $\hat v_k = \sum_c W_{kc}h_c$ may stay as it is. The derivative of the resulting $Q$ is
#
# $$\frac{\partial Q}{\partial h_c} = \sum_k W_{kc} - \frac1{h_c}\sum_k v_k\lambda_{kc} = 0
# \quad\Longrightarrow\quad \boxed{\;h_c = h'_c\,\frac{\sum_k W_{kc}\,v_k/\hat v'_k}{\sum_k W_{kc}}\;}$$
#
# since $\lambda_{kc} = W_{kc}h'_c/\hat v'_k$. For all frames at once, with $\odot$ and fractions taken entry by entry and $\mathbf 1$ for a matrix of ones:
#
# $$\text{F:}\quad H \leftarrow H \odot \frac{W^{\mathsf T}V}{W^{\mathsf T}\hat V}, \quad W \leftarrow W \odot \frac{VH^{\mathsf T}}{\hat VH^{\mathsf T}}; \qquad\qquad
# \text{KL:}\quad H \leftarrow H \odot \frac{W^{\mathsf T}(V/\hat V)}{W^{\mathsf T}\mathbf 1}, \quad W \leftarrow W \odot \frac{(V/\hat V)H^{\mathsf T}}{\mathbf 1H^{\mathsf T}} .$$
#
# These are the **multiplicative updates** of Lee and Seung. A factor of non-negative numbers keeps non-negative numbers what they are. It also keeps a zero a zero, for ever: start with positive values.
#
# The figure shows the cost along one activation, and the bowls of four steps.

# %% tags="demo"
atoms, frame = np.array([[1.0, 0.2], [0.3, 1.0], [0.5, 0.4]]), np.array([3.0, 1.0, 2.5])


def kl_cost(h):
    """The KL cost along the first activation, the second one being 0.5."""
    model = atoms[:, 0] * h + 0.5 * atoms[:, 1]
    return np.sum(frame * np.log(frame / model) - frame + model)


def kl_bowl(h, h_now):
    """The majoriser that touches the cost at h_now; the second activation stays where it is."""
    now = np.array([h_now, 0.5])
    model = atoms @ now
    shares = atoms * now / model[:, None]
    logarithms = shares * np.log(np.array([h / h_now, 1.0]) * model[:, None])
    return np.sum(frame * np.log(frame) - frame - frame * logarithms.sum(axis=1) + atoms @ np.array([h, 0.5]))


h_axis = np.linspace(0.3, 5, 300)
figure, ax = plt.subplots(figsize=(10, 3.4), layout="constrained")
ax.plot(h_axis, [kl_cost(h) for h in h_axis], color="black", linewidth=2, label="the cost $J(h_1)$")
h_now = 0.7
for step in range(4):
    bowl = np.array([kl_bowl(h, h_now) for h in h_axis])
    ax.plot(h_axis[bowl < 4], bowl[bowl < 4], "--", color=plots.PALETTE[step], label=f"bowl of step {step + 1}")
    ax.plot(h_now, kl_cost(h_now), "o", color=plots.PALETTE[step])
    model = atoms @ np.array([h_now, 0.5])
    h_now *= (atoms[:, 0] @ (frame / model)) / atoms[:, 0].sum()
ax.set(xlabel="Activation $h_1$", ylabel="Cost", ylim=(0, 4), title="Each bowl touches the cost at the dot and lies above it, so its bottom can only be lower")
ax.legend(ncols=2)
plt.show()

# %% [markdown]
# ### Exercise 3.1 — The Frobenius update
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You can turn a boxed formula for one frame into one line for all frames.
#
# **Task.** Write `update_frobenius(V, W, H)`. Return the new `H`, a NumPy array, after one update with $W$ fixed; the inputs stay as they are. The shapes are `(n_freqs, n_frames)`, `(n_freqs, n_components)` and `(n_components, n_frames)`. Where a denominator is zero
# the component has nothing to say: return 0 there. (Test for zero, here and in the exercises that follow. A small number added to every denominator would falsify soft recordings.)
#
# **By hand.** `V = [[2], [3]]`, `W = [[1, 0], [1, 1]]`, `H = [[1], [1]]`. The model is `[[1], [2]]`. So $W^{\mathsf T}V = (5, 3)$ and $W^{\mathsf T}\hat V = (3, 2)$, and the new `H` is `[[5/3], [3/2]]`.
#
# **Expected number.** For the example the cost falls from 1 to $\frac12\big[(2 - \frac53)^2 + (3 - \frac{19}6)^2\big] = 0.07$.

# %% [markdown] hints="update_frobenius"
# concept: The sum over $k$ in the numerator runs over the rows of $W$ and of $V$. That is a matrix product with $W$ transposed. The denominator is the same product with the model in place of the data.
#
# structure: Compute the model, then the two products `(n_components, n_frames)`. Divide entry by entry where the denominator is positive, and multiply `H` by the quotient.
#
# line: `numerator, denominator = W.T @ V, W.T @ (W @ H)`, and then `H * np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator > 0)`.

# %% exercise="update_frobenius" forbid="course_lib.nmf sklearn"
def update_frobenius(V, W, H):
    """Return H after one multiplicative update that does not raise the Frobenius cost of V against W @ H."""
    ### BEGIN SOLUTION
    numerator, denominator = W.T @ V, W.T @ (W @ H)
    ratio = np.divide(numerator, denominator, out=np.zeros(denominator.shape), where=denominator > 0)
    return H * ratio
    ### END SOLUTION


# %% test="update_frobenius" points=1
_V, _W, _H = np.array([[2.0], [3.0]]), np.array([[1.0, 0.0], [1.0, 1.0]]), np.ones((2, 1))
check.close(
    update_frobenius(_V, _W, _H),
    np.array([[5 / 3], [3 / 2]]),
    name="update_frobenius on the example",
    mistakes={
        "the fraction is upside down: the data belong in the numerator, the model in the denominator.": [[3 / 5], [2 / 3]],
        "this is the Kullback–Leibler update: here the data are not divided by the model.": [[1.75], [1.5]],
        "a square root crept in: that belongs to Itakura–Saito.": [[np.sqrt(5 / 3)], [np.sqrt(3 / 2)]],
        "each component saw a model of its own: all of them are updated from one and the same model.": [[5 / 3], [9 / 8]],
    },
)
_H = np.array([[1.0, 0.0], [2.0, 0.0]])
check.close(
    update_frobenius(np.array([[2.0, 1.0], [3.0, 1.0]]), _W, _H),
    np.array([[1.25, 0.0], [2.0, 0.0]]),
    name="two frames, the second without any activation",
    mistakes={
        "the quotient was not multiplied by the old H.": [[1.25, 0.0], [1.0, 0.0]],
        "the sums ran over the frames as well: each frame is updated on its own.": [[7 / 4, 0.0], [8 / 3, 0.0]],
    },
)
check.close(
    1e9 * update_frobenius(np.array([[2e-9], [3e-9]]), _W, np.full((2, 1), 1e-9)),
    np.array([[5 / 3], [3 / 2]]),
    relative_tolerance=1e-6,
    name="the example, 180 dB softer: a constant added to a denominator is heard there",
)
check.passed("one frame or many: the update is two products and a quotient")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("update_frobenius")
_even, _odd = 2 * int(_rng.integers(4, 30)), 2 * int(_rng.integers(4, 30)) + 1
for _n_freqs, _n_frames, _n_components in [(1, 1, 1), (_even, _odd, 3), (_odd, _even, 2), (7, 40, 8), (40, 1, 5)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _V, _W, _H = _scale * _rng.random((_n_freqs, _n_frames)), 0.1 + _rng.random((_n_freqs, _n_components)), _scale * (0.1 + _rng.random((_n_components, _n_frames)))
        _before = [_array.copy() for _array in (_V, _W, _H)]
        _expected = np.stack([_H[:, _m] * (_W.T @ _V[:, _m]) / (_W.T @ _W @ _H[:, _m]) for _m in range(_n_frames)], axis=1)
        check.close(update_frobenius(_V, _W, _H), _expected, relative_tolerance=1e-9 if _scale >= 1 else 1e-6, absolute_tolerance=0.0, name="the update of random factors")
        for _array, _copy, _name in zip((_V, _W, _H), _before, "VWH"):
            check.close(_array, _copy, name=f"your input {_name} after the call")
_V = _W @ _H
check.close(update_frobenius(_V, _W, _H), _H, name="H where the model is already exact")
check.close(update_frobenius(0 * _V, _W, _H), 0 * _H, name="silence")
_W[:, 1] = 0.0
_expected = update_frobenius(_V, np.delete(_W, 1, axis=1), np.delete(_H, 1, axis=0))
_new = update_frobenius(_V, _W, _H)
check.close(_new[1], np.zeros(1), name="the activation of a component whose spectrum is zero, and so its denominator")
check.close(np.delete(_new, 1, axis=0), _expected, name="the other activations")
check.close(update_frobenius(np.array([[2], [3]]), np.array([[1, 0], [1, 1]]), np.ones((2, 1), int)), np.array([[5 / 3], [1.5]]), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 3.2 — A whole iteration for Kullback–Leibler
#
# *2 points · 15 minutes · medium*
#
# **Outcome.** You can write an NMF, and you know which model each half of an iteration must see.
#
# **Task.** Write `iterate_kl(V, W, H)`: first update $W$ with the given $H$, **then** update $H$ with the new $W$, each with the boxed KL rule. Return the tuple `(W, H)` of two new arrays. Where the model is zero, let $V/\hat V$ be 0. Where a denominator
# is zero, return 0.
#
# **By hand.** `V = [[2], [3]]`, `W = [[1, 0], [1, 1]]`, `H = [[1], [1]]`. The quotients $V/\hat V$ are $2/1$ and $3/2$. With one frame $W$ becomes `[[2, 0], [1.5, 1.5]]`. Now $\hat V = (2, 3)$ is exact, and `H` stays `[[1], [1]]`.
#
# **Expected picture.** The falling curve "Kullback–Leibler" in the figure after the next exercise.

# %% [markdown] hints="iterate_kl"
# concept: Each half uses the model of *its* moment. After $W$ has changed, the old quotient $V/\hat V$ is stale.
#
# structure: Compute the quotient, update $W$ by products with $H^{\mathsf T}$. Compute the quotient anew with the new $W$, then update $H$ by products with $W^{\mathsf T}$. The denominators are row sums of $H$ and column sums of $W$.
#
# line: `W = W * (quotient @ H.T) / H.sum(axis=1)`, and after a fresh quotient `H = H * (W.T @ quotient) / W.sum(axis=0)[:, None]`, both guarded against zero.

# %% exercise="iterate_kl" forbid="course_lib.nmf sklearn"
def iterate_kl(V, W, H):
    """Return (W, H) after one iteration that raises the Kullback–Leibler cost in neither half: first W, then H."""
    ### BEGIN SOLUTION
    def divided(a, b):
        a, b = np.broadcast_arrays(a, b)
        return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)

    W = W * divided(divided(V, W @ H) @ H.T, H.sum(axis=1))
    H = H * divided(W.T @ divided(V, W @ H), W.sum(axis=0)[:, None])
    return W, H
    ### END SOLUTION


# %% test="iterate_kl" points=2
_V, _W, _H = np.array([[2.0], [3.0]]), np.array([[1.0, 0.0], [1.0, 1.0]]), np.ones((2, 1))
_result = iterate_kl(_V, _W, _H)
assert isinstance(_result, (tuple, list)) and len(_result) == 2, f"Return the tuple (W, H): your function returned {type(_result).__name__}."
check.close(
    _result[0],
    np.array([[2.0, 0.0], [1.5, 1.5]]),
    name="W of the example",
    mistakes={
        "the tuple is the wrong way round: return (W, H).": [[1.0], [1.0]],
        "H was updated first, and the tuple is the wrong way round: begin with W, and return (W, H).": [[1.75], [1.5]],
        "H was updated before W: begin with W.": [[8 / 7, 0.0], [12 / 13, 12 / 13]],
        "the sums of the activations ran over the components: they run over the frames, axis 1 of H.": [[1.0, 0.0], [0.75, 0.75]],
        "the spectra were normalised to sum to one: return them as the rule leaves them.": [[4 / 7, 0.0], [3 / 7, 1.0]],
        "each component saw a model of its own: all columns of W are updated from one and the same model.": [[2.0, 0.0], [1.5, 1.2]],
    },
)
check.close(
    _result[1],
    np.ones((2, 1)),
    name="H of the example",
    mistakes={
        "H was updated with the quotient V / (W @ H) of the old W: compute it again after W has changed.": [[6.25 / 3.5], [1.5]],
        "H was updated with the old W: use the new one.": [[1.75], [1.5]],
        "the denominator is missing: divide by the sums of the spectra over frequency.": [[3.5], [1.5]],
    },
)
check.close(_W, np.array([[1.0, 0.0], [1.0, 1.0]]), name="W itself, which your function must not change")
check.close(_H, np.ones((2, 1)), name="H itself, which your function must not change")
_V, _W, _H = np.array([[4.0, 0.0], [1.0, 2.0]]), np.array([[1.0, 1.0], [1.0, 0.5]]), np.array([[1.0, 1.0], [1.0, 2.0]])
_W_new, _H_new = iterate_kl(_V, _W, _H)
_W_right = np.array([[1.0, 1.0], [1.0, 0.5]]) * np.array([[2.0 / 2, 2.0 / 3], [(2 / 3 + 1) / 2, (2 / 3 + 2) / 3]])
check.close(
    _W_new,
    _W_right,
    name="W with two frames",
    mistakes={
        "the denominator is missing: divide by the sums of the activations over the frames.": _W_right * np.array([2.0, 3.0]),
        "that is the Frobenius update: here the data are divided by the model before the product.": [[4 / 5, 4 / 8], [6 / 7, 5 / 11]],
    },
)
check.close((_W_new @ _H_new).sum(axis=0), np.array([5.0, 2.0]), name="the sum of each frame of the new model, which is that of V")
check.close(
    iterate_kl(1e-9 * _V, _W, 1e-9 * _H)[0],
    _W_right,
    relative_tolerance=1e-6,
    name="W of the same recording, 180 dB softer: a constant added to a denominator is heard there",
)
check.passed("W, then H, each with a fresh model")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("iterate_kl")


def _kl(V, V_hat):
    return np.sum(np.where(V > 0, V * np.log(np.where(V > 0, V, 1.0) / V_hat), 0.0) - V + V_hat)


_even, _odd = 2 * int(_rng.integers(4, 30)), 2 * int(_rng.integers(4, 30)) + 1
for _n_freqs, _n_frames, _n_components in [(1, 1, 1), (_even, _odd, 3), (_odd, _even, 2), (7, 40, 8), (40, 3, 5)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _V, _W, _H = _scale * _rng.random((_n_freqs, _n_frames)), 0.1 + _rng.random((_n_freqs, _n_components)), _scale * (0.1 + _rng.random((_n_components, _n_frames)))
        if _n_frames > 1:
            _V[:, -1], _H[:, -1] = 1e-4 * _V[:, -1], 1e-4 * _H[:, -1]
        _before, _tolerance = [_array.copy() for _array in (_V, _W, _H)], 1e-9 if _scale >= 1 else 1e-6
        _W_new, _H_new = iterate_kl(_V, _W, _H)
        _W_right = _W * np.einsum("km,cm->kc", _V / (_W @ _H), _H) / np.einsum("cm->c", _H)
        _H_right = _H * np.einsum("kc,km->cm", _W_right, _V / (_W_right @ _H)) / np.einsum("kc->c", _W_right)[:, None]
        check.close(_W_new, _W_right, relative_tolerance=_tolerance, absolute_tolerance=0.0, name="W of random factors")
        check.close(_H_new, _H_right, relative_tolerance=_tolerance, absolute_tolerance=0.0, name="H of random factors")
        for _array, _copy, _name in zip((_V, _W, _H), _before, "VWH"):
            check.close(_array, _copy, name=f"your input {_name} after the call")
        _costs = [_kl(_V, _W @ _H)]
        for _ in range(5):
            _W, _H = iterate_kl(_V, _W, _H)
            _costs.append(_kl(_V, _W @ _H))
        assert np.all(np.diff(_costs) <= 1e-12 * (_costs[0] + np.sum(_V))), "The Kullback–Leibler cost rose from one iteration to the next."
_V, _W, _H = _rng.random((6, 9)), 0.1 + _rng.random((6, 3)), 0.1 + _rng.random((3, 9))
_V[2], _W[2] = 0.0, 0.0
_H[1] = 0.0
_W_new, _H_new = iterate_kl(_V, _W, _H)
check.finite(_W_new, name="W where a frequency is silent and a component is off")
check.close(_W_new[:, 1], np.zeros(6), name="the spectrum of a component that is never active, whose denominator is zero")
check.close((_W_new @ _H_new).sum(axis=0), _V.sum(axis=0), name="the sums of the frames")
_V[2] = _rng.random(9)
_W_again, _H_again = iterate_kl(_V, _W, _H)
check.close(_W_again, _W_new, name="W where the model is zero and the data are not, which is as if they were")
check.close(_H_again, _H_new, name="H where the model is zero and the data are not, which is as if they were")
_W_new, _H_new = iterate_kl(np.zeros((6, 9)), _W, _H)
check.close(_W_new, np.zeros((6, 3)), name="W for silence")
check.close(_H_new, np.zeros((3, 9)), name="H for silence")
_whole = np.array([[2, 1], [3, 3]]), np.array([[1, 0], [1, 1]]), np.array([[1, 2], [1, 1]])
_W_new, _H_new = iterate_kl(*_whole)
_W_right, _H_right = iterate_kl(*(_array.astype(float) for _array in _whole))
check.close(_W_new, _W_right, name="W for whole numbers")
check.close(_H_new, _H_right, name="H for whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 3.3 — Why can the cost not rise? (written)
#
# *2 points · 12 minutes · medium*
#
# **(a)** Starting from the properties (i) and (ii), show that the cost never rises, and say what would go wrong without each of them. **(b)** A friend is impatient and squares the quotient in every update, $h_c \leftarrow h'_c\,(\dots)^2$. Which step of the argument no longer holds?
# **(c)** The cost is bounded below by zero and never rises, so it converges. Does that mean that the best $W$ and $H$ are found?

# %% [markdown] hints="monotone"
# concept: There are three links in the chain from $J(h^{\text{new}})$ to $J(h')$. Each has a reason of its own.
#
# structure: For (a) write the chain down and put a reason over each sign; then drop (i), then (ii). For (b) ask where the squared step lands on the bowl. For (c) remember that you start from random numbers, and what is convex and what is not.
#
# line: Begin with "By (i), the cost at the new point is at most the bowl's value there. Since the new point is the bowl's minimum, …".

# %% [markdown] written="monotone" points=2
# ### BEGIN SOLUTION
# (a) $J(h^{\text{new}}) \le Q(h^{\text{new}}\mid h')$ by (i). $Q(h^{\text{new}}\mid h') \le Q(h'\mid h')$ as $h^{\text{new}}$ minimises $Q(\cdot\mid h')$. $Q(h'\mid h') = J(h')$ by (ii). Together $J(h^{\text{new}}) \le J(h')$. Without (i) the bowl may lie below the cost at the new point: $Q$ falls while
# $J$ rises. Without (ii) the bowl may hang above the cost where we stand; then going down on the bowl from there may end above $J(h')$.
#
# (b) The squared step does not land on the minimum of $Q$, but beyond it. The middle link $Q(h^{\text{new}}\mid h') \le Q(h'\mid h')$ has lost its reason: one may have climbed up the other side of the bowl, above where one stood. (It may still go well; nothing guarantees it.)
#
# (c) No. Only the *cost* must converge. It is not convex in $W$ and $H$ together, so different starts end at different values, in local minima or at points where the updates get stuck (zeros stay zero). Scale and order of the components are free in any case.
#
# **Rubric**
#
# - 1 point: the chain of two inequalities and one equality, each with its reason, and what goes wrong without (i) and without (ii).
# - 1 point: (b) names that the new point no longer minimises the bowl (or overshoots, so Q need not fall), and (c) says no, with non-convexity, local minima or dependence on the start as the reason.
# ### END SOLUTION

# %% [markdown]
# ### 2.4 Itakura–Saito: a cost without a unit
#
# Double $V$ and $\hat V$: the Frobenius cost grows fourfold, the KL cost twofold. Both care most about what is loud. But a harmonic that is 40 dB softer than the fundamental still makes the difference between a flute and a hum. Is there a cost for which level does not count at all? It
# must depend on the quotient $v/\hat v$ alone. Fumitada Itakura and Shuzo Saito found it in 1968, for speech coding:
#
# $$d_{\text{IS}}(v\mid\hat v) = \frac{v}{\hat v} - \log\frac{v}{\hat v} - 1, \qquad d_{\text{IS}}(av \mid a\hat v) = d_{\text{IS}}(v\mid\hat v).$$
#
# It comes from statistics, too, and you will need that in section 7. Suppose that a bin $x$ is a complex Gaussian variable with mean zero and variance $\hat v$: $p(x) = \frac1{\pi \hat v}e^{-|x|^2/\hat v}$. Then
#
# $$-\log p(x) = \frac{|x|^2}{\hat v} + \log\hat v + \log \pi = d_{\text{IS}}\big(|x|^2 \mid \hat v\big) + \text{terms without } \hat v .$$
#
# So to fit *power* spectrograms under Itakura–Saito is to fit variances by maximum likelihood. Sums of components suit it: the variance of a sum of independent variables is the sum of the variances.
#
# **Its majoriser** needs both tools. In $\hat v_k = \sum_c W_{kc}h_c$ the function $v/\hat v$ is convex (Jensen), and $\log\hat v$ is concave (tangent):
#
# $$\frac{v_k}{\sum_c \lambda_{kc}\frac{W_{kc}h_c}{\lambda_{kc}}} \le \sum_c \lambda_{kc}^2\frac{v_k}{W_{kc}h_c}, \qquad
# \log\hat v_k \le \log\hat v'_k + \frac{\sum_c W_{kc}h_c - \hat v'_k}{\hat v'_k} .$$
#
# With $\lambda_{kc} = W_{kc}h'_c/\hat v'_k$ as before, the derivative of their sum is
#
# $$\frac{\partial Q}{\partial h_c} = -\frac{h'^2_c}{h_c^2}\sum_k W_{kc}\frac{v_k}{\hat v'^2_k} + \sum_k W_{kc}\frac1{\hat v'_k} = 0
# \quad\Longrightarrow\quad \boxed{\;h_c = h'_c\left(\frac{\sum_k W_{kc}\,v_k/\hat v'^2_k}{\sum_k W_{kc}/\hat v'_k}\right)^{1/2}\;}$$
#
# Here is where the **exponent ½** comes from: the unknown enters the bowl once as $1/h_c$ and once as $h_c$. Many programs leave the root out. Their steps are longer. But then the update no longer goes to the bottom of this bowl, and this proof no longer covers it.
#
# The left panel shows what a model that is wrong by a factor of two costs, as a function of level. The right one shows that all three costs only ever fall, each relative to its start.

# %% tags="demo"
levels_db = np.linspace(-60, 0, 61)
v = 10 ** (levels_db / 20)
penalties = {
    "Frobenius": 0.5 * (v - 2 * v) ** 2,
    "Kullback–Leibler": v * np.log(0.5) - v + 2 * v,
    "Itakura–Saito": np.full_like(v, 0.5 - np.log(0.5) - 1),
}
fits = {
    name: nmf.nmf(V_duo**power, 12, divergence=divergence, n_iterations=60, rng=np.random.default_rng(0))
    for name, divergence, power in [("Frobenius", "frobenius", 1), ("Kullback–Leibler", "kl", 1), ("Itakura–Saito", "is", 2)]
}
figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
for (name, penalty), line in zip(penalties.items(), ["-", "--", ":"], strict=True):
    axes[0].semilogy(levels_db, penalty, line, linewidth=2, label=name)
    axes[1].semilogy(fits[name].losses / fits[name].losses[0], line, linewidth=2, label=name)
axes[0].set(xlabel="Level of the bin (dB)", ylabel="Cost of a factor of two", title="Only Itakura–Saito minds a soft bin as a loud one")
axes[1].set(xlabel="Iteration", ylabel="Cost re start", title="All three costs only ever fall")
axes[0].legend(loc="lower right")
axes[1].legend()
plt.show()
for name, fit in fits.items():
    print(f"{name:17} from {fit.losses[0]:.3g} to {fit.losses[-1]:.3g}; largest rise between two iterations: {np.diff(fit.losses).max():.2g}")

# %% [markdown]
# ## 3. From parts to sound: masks
#
# ### 3.1 What is the best factor?
#
# NMF has no phase. How does a group of components become a sound? Let $x = \sum_i s_i$ be one bin of the mixture, and let the $s_i$ be independent with mean zero and variances $\sigma_i^2$. We want the factor $\mu$ for which $\mu x$ is closest to $s_i$:
#
# $$\mathbb E|s_i - \mu x|^2 = \sigma_i^2 - 2\mu\sigma_i^2 + \mu^2\sum_j\sigma_j^2, \qquad \frac{d}{d\mu} = 0 \;\Longrightarrow\; \boxed{\;\mu_i = \frac{\sigma_i^2}{\sum_j \sigma_j^2}\;}$$
#
# since $\mathbb E[s_i x^*] = \sigma_i^2$. Each source gets its share of the bin. The factors lie between 0 and 1 and sum to one, so the outputs sum to the mixture *exactly*: nothing is lost and nothing is invented. This is a **Wiener mask**. The phase is the mixture's own. If $W H$ models magnitudes, the
# shares of the magnitudes serve in place of the $\sigma_i^2$. They are a little softer.

# %% [markdown]
# ### Exercise 3.4 — Separate by groups of components
#
# *2 points · 12 minutes · medium*
#
# **Outcome.** You can turn any additive model of a spectrogram into sounds that sum to the mixture.
#
# **Task.** Write `separate_groups(X, W, H, groups)`. `X` is the complex STFT `(n_freqs, n_frames)`, and `groups` is a list of lists of component numbers; each component stands in exactly one of them. Return a complex array
# `(n_groups, n_freqs, n_frames)`: each group's share of the model, times `X`. Where the model is zero, all groups get equal shares.
#
# **By hand.** One bin, `X = [[3j]]`, `W = [[1, 2, 3]]`, `H = [[1], [1], [1]]`, `groups = [[0, 2], [1]]`. The shares are $(1 + 3)/6$ and $2/6$, so the parts are `[[2j]]` and `[[1j]]`.
#
# **Expected sound.** The players "bass, found" and "lead, found" below. Listen to yours with `parts = separate_groups(X_duo, model.W, model.H, groups)` and `synthesise(parts[0])` in a cell of your own.

# %% [markdown] hints="separate_groups"
# concept: A group's model is a sum over its components only. Those sums are the numerators. Their total is the denominator for all groups.
#
# structure: For each group pick the columns of `W` and the rows of `H` and multiply. Stack the products along a first axis, sum over it, divide where the sum is positive, and multiply by `X`.
#
# line: `models = np.stack([W[:, group] @ H[group] for group in groups])`, `total = models.sum(axis=0)`, and the shares start as `np.full(models.shape, 1 / len(groups))` before `np.divide(models, total, out=shares, where=total > 0)`.

# %% exercise="separate_groups" forbid="course_lib.nmf course_lib.masks"
def separate_groups(X, W, H, groups):
    """Return each group's Wiener-masked part of X, shape (n_groups, n_freqs, n_frames); the parts sum to X."""
    ### BEGIN SOLUTION
    models = np.stack([W[:, group] @ H[group] for group in groups])
    total = models.sum(axis=0)
    shares = np.full(models.shape, 1 / len(groups))
    np.divide(models, total, out=shares, where=total > 0)
    return shares * X
    ### END SOLUTION


# %% test="separate_groups" points=2
check.close(
    separate_groups(np.array([[3j]]), np.array([[1.0, 2.0, 3.0]]), np.ones((3, 1)), [[0, 2], [1]]),
    np.array([[[2j]], [[1j]]]),
    name="separate_groups on the example",
    mistakes={
        "the shares of single components were averaged, not summed.": [[[1j]], [[1j]]],
        "the components of a group were averaged, not summed.": [[[1.5j]], [[1.5j]]],
        "this is the model with the mixture's phase: multiply X itself by the group's share.": [[[4j]], [[2j]]],
        "this is the model itself: multiply X by the group's share of the model.": [[[4.0]], [[2.0]]],
        "the phase is lost: multiply the complex X, not its magnitude.": [[[2.0]], [[1.0]]],
        "the shares were squared first: take the model as it is.": [[[3j * 16 / 20]], [[3j * 4 / 20]]],
        "the squares of the components were taken: the model itself is shared out.": [[[3j * 10 / 14]], [[3j * 4 / 14]]],
    },
)
_X = np.array([[1 + 1j, 2.0], [4.0, -6j]])
_parts = separate_groups(_X, np.array([[1.0, 0.0, 0.0], [2.0, 1.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), [[1], [0], [2]])
check.close(
    _parts,
    np.array([[[0, 2 / 3], [4 / 3, -2j]], [[1 + 1j, 2 / 3], [8 / 3, -2j]], [[0, 2 / 3], [0, -2j]]]),
    name="three groups, where the model is silent in the second frame",
    mistakes={"where the model is zero, all groups get equal shares of X.": [[[0, 0], [4 / 3, 0]], [[1 + 1j, 0], [8 / 3, 0]], [[0, 0], [0, 0]]]},
)
check.passed("every bin is shared out, and the parts sum to the mixture")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("separate_groups")
_n_freqs_drawn, _n_frames_drawn = 2 * int(_rng.integers(4, 30)) + 1, 2 * int(_rng.integers(4, 30))
for _n_freqs, _n_frames, _groups in [(1, 1, [[0]]), (_n_freqs_drawn, _n_frames_drawn, [[0, 3], [1, 2, 4]]), (_n_frames_drawn, _n_freqs_drawn, [[4], [2, 0], [1, 3]]), (9, 30, [[3, 1], [0], [2], [5, 4]])]:
    _n_components = sum(map(len, _groups))
    for _scale in [1.0, 1e-6, 1e6]:
        _X = _scale * (_rng.standard_normal((_n_freqs, _n_frames)) + 1j * _rng.standard_normal((_n_freqs, _n_frames)))
        _W, _H = _rng.random((_n_freqs, _n_components)), _scale * _rng.random((_n_components, _n_frames))
        _before = [_array.copy() for _array in (_X, _W, _H)]
        _parts = separate_groups(_X, _W, _H, _groups)
        _expected = np.stack([sum(np.outer(_W[:, _c], _H[_c]) for _c in _group) / np.einsum("kc,cm->km", _W, _H) * _X for _group in _groups])
        check.close(_parts, _expected, relative_tolerance=1e-9, absolute_tolerance=0.0, name="the parts of a random mixture")
        check.close(_parts.sum(axis=0), _X, relative_tolerance=1e-9, absolute_tolerance=0.0, name="the sum of the parts")
        for _array, _copy, _name in zip((_X, _W, _H), _before, ["X", "W", "H"]):
            check.close(_array, _copy, name=f"your input {_name} after the call")
check.close(separate_groups(_X, _W, 0 * _H, _groups), np.stack(4 * [_X / 4]), name="the parts where the whole model is silent")
check.close(separate_groups(0 * _X, _W, _H, _groups), np.zeros((4, 9, 30), complex), name="silence")
_W[2] = 0.0
check.close(separate_groups(_X, _W, _H, _groups)[:, 2], np.stack(4 * [_X[2] / 4]), name="the parts at a frequency where the model is silent")
_shares = np.array([[[1 / 2, 1 / 2], [3 / 4, 3 / 4]], [[1 / 2, 1 / 2], [1 / 4, 1 / 4]]]) + 0j
check.close(separate_groups(np.array([[1, 3], [5, 7]]), np.array([[1, 1], [1, 3]]), np.array([[1, 1], [1, 1]]), [[1], [0]]), _shares * np.array([[1, 3], [5, 7]]), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 3.2 Bass and lead
#
# Somebody must say which component belongs to whom. Here we use what we know about the music: the lead plays no note below 392 Hz, and the bass no fundamental above 131 Hz. A component with more than a quarter of its spectrum below 350 Hz shall be bass.
#
# **Predict.** The bass has 8 bars with a few different notes, and so has the lead. Will 2 components do, one for each instrument? What will 2, 8 and 32 components sound like?

# %% tags="demo"
below_350_hz = frequency_khz < 0.35


def split_duo(n_components, seed=0):
    """Factorise the duo and give each component to the bass or to the lead."""
    model = nmf.nmf(V_duo, n_components, divergence="kl", n_iterations=60, rng=np.random.default_rng(seed))
    is_bass = model.W[below_350_hz].sum(axis=0) > 0.25 * model.W.sum(axis=0)
    models = np.stack([model.W[:, chosen] @ model.H[chosen] for chosen in (is_bass, ~is_bass)])
    return model, synthesise(masks.apply_mask(masks.wiener_masks(models), X_duo))


def improvement_db(references, estimates, mixture):
    """Mean SI-SDR improvement; a source that came out silent counts as no improvement."""
    heard = [(r, e) for r, e in zip(references, estimates, strict=True) if np.abs(e).max() > 1e-9]
    return sum(metrics.si_sdr_improvement(r, e, mixture) for r, e in heard) / len(references)


ranks = [2, 4, 8, 16, 32]
splits = {rank: [split_duo(rank, seed) for seed in range(3)] for rank in ranks}
gains_db = {rank: [improvement_db([bass, lead], sounds, duo) for _, sounds in splits[rank]] for rank in ranks}
for rank in ranks:
    print(f"{rank:2} components: SI-SDR improvement " + ", ".join(f"{gain:5.1f}" for gain in gains_db[rank]) + " dB from three starts")
listen(
    {f"model, {rank} components": synthesise(splits[rank][0][0].W @ splits[rank][0][0].H * np.exp(1j * np.angle(X_duo))) for rank in (2, 8, 32)}
    | dict(zip(["bass, found", "lead, found"], splits[32][0][1], strict=True)),
    sample_rate,
)

# %% tags="demo"
figure, axes = plt.subplots(1, 4, figsize=(10, 3.2), sharey=True, layout="constrained")
panels = [(f"{rank} components", splits[rank][0][0].W @ splits[rank][0][0].H) for rank in (2, 8, 32)]
for (title, magnitude), ax in zip([*panels, ("the duo itself", V_duo)], axes, strict=True):
    plots.spectrogram_of_stft(magnitude, sample_rate, hop_length=hop_length, ax=ax, title=title, top_db=40, dynamic_range_db=60, colour_bar=ax is axes[-1])
    ax.set_ylim(0, 4)
    ax.label_outer()
figure.suptitle("Two components hold chords of everything; thirty-two follow every note")
plt.show()

# %% tags="demo"
def draw_model(rank, ax):
    """Draw the model with the chosen number of components."""
    model = splits[rank][0][0]
    error_db = 10 * np.log10(np.sum((V_duo - model.W @ model.H) ** 2) / np.sum(V_duo**2))
    title = f"{rank} components: the error is at {error_db:.1f} dB, the instruments improve by {np.mean(gains_db[rank]):.1f} dB"
    plots.spectrogram_of_stft(model.W @ model.H, sample_rate, hop_length=hop_length, ax=ax, title=title, top_db=40, dynamic_range_db=60)
    ax.set_ylim(0, 4)


plots.with_slider(draw_model, ranks, value=8, label="components")

# %% [markdown]
# Two components cannot be one instrument each. A component has *one* spectrum, so it can be one note, or a chord. With two of them the model holds "everything low" and "everything else", the rule gives both to the bass, and nothing is gained. Eight know the notes, but several are shared:
# the same spectrum holds a bass note and a lead note that sound at the same time. The improvement is 4 to 6 dB. With 32 it is 8 to 9 dB, and the instruments come apart. More components than notes do no harm here, since the rule sorts them well. The three starts differ by up to 2 dB, for the cost has many minima: a first look at what will occupy us in section 7.
#
# The masks use the phase of the mixture, and where both instruments meet in one bin they can only share it. That is why, even where every note is found, some of the other instrument shines through.
#
# ### 3.3 Oracle masks: what is the best that a mask could do?
#
# Before you work on a method, ask how good it *could* be. Suppose an oracle tells you the target $S$ and the interference $N$, bin by bin. Two masks suggest themselves:
#
# $$\text{ideal binary mask:}\quad M = \begin{cases}1, & |S| > |N|\\ 0 & \text{else}\end{cases} \qquad\qquad \text{ideal ratio mask:}\quad M = \frac{|S|^2}{|S|^2 + |N|^2} .$$
#
# The binary mask takes the winner of each bin; the ratio mask is the Wiener mask of section 3.1 with the true powers. (Some authors take the root of it, or magnitudes in place of powers.) No mask that you estimate can beat the best mask, but *which* is best depends on the measure: these two are references, not laws.

# %% [markdown]
# ### Exercise 3.5 — Ideal masks
#
# *1 point · 6 minutes · easy*
#
# **Outcome.** You have a yardstick for every method of this course that masks.
#
# **Task.** Write `ideal_masks(S, N)` for two complex STFTs of one shape. Return one array of floating-point numbers `(2, n_freqs, n_frames)`: first the ideal binary mask, then the ideal ratio mask of powers. On a tie the binary mask is 0. Where both are silent, both masks are 0.
#
# **By hand.** One bin with $S = 3$ and $N = 4j$: the binary mask is 0, the ratio mask $9/25 = 0.36$. Exchange them, and you get 1 and $0.64$.
#
# **Expected number.** In the cell that follows, such masks gain about 12 dB for a voice in a babble of the same level.

# %% [markdown] hints="ideal_masks"
# concept: Compare magnitudes for the one, and share out powers for the other. Neither looks at the phases.
#
# structure: Compute both powers once. The binary mask is a comparison turned into numbers; the ratio is a division where the sum is positive.
#
# line: `np.stack([S_power > N_power, ratio])` turns the truth values into 0.0 and 1.0, since `ratio` holds floats; with `ratio = np.divide(S_power, total, out=np.zeros_like(total), where=total > 0)`.

# %% exercise="ideal_masks" forbid="course_lib.masks"
def ideal_masks(S, N):
    """Return the ideal binary mask and the ideal ratio mask (powers), stacked: shape (2, n_freqs, n_frames)."""
    ### BEGIN SOLUTION
    target, interference = np.abs(S) ** 2, np.abs(N) ** 2
    total = target + interference
    ratio = np.divide(target, total, out=np.zeros(total.shape), where=total > 0)
    return np.stack([target > interference, ratio])
    ### END SOLUTION


# %% test="ideal_masks" points=1
_S, _N = np.array([[3.0, 4j, 1 + 1j, 0.0]]), np.array([[4j, -3.0, 1 - 1j, 0.0]])
_result = ideal_masks(_S, _N)
assert not isinstance(_result, (tuple, list)), f"Return one array, the two masks stacked: your function returned a {type(_result).__name__}. np.stack([binary, ratio]) makes one of them."
check.close(
    _result,
    np.array([[[0.0, 1.0, 0.0, 0.0]], [[0.36, 0.64, 0.5, 0.0]]]),
    name="the masks of four bins: soft, loud, a tie, silence",
    mistakes={
        "the ratio mask was made of magnitudes: square them.": [[[0, 1, 0, 0]], [[3 / 7, 4 / 7, 0.5, 0]]],
        "the ratio mask is the root of the one asked for.": [[[0, 1, 0, 0]], [[0.6, 0.8, np.sqrt(0.5), 0]]],
        "on a tie, the binary mask is 0.": [[[0, 1, 1, 0]], [[0.36, 0.64, 0.5, 0]]],
        "on a tie and in silence, the binary mask is 0.": [[[0, 1, 1, 1]], [[0.36, 0.64, 0.5, 0]]],
        "the target and the interference are exchanged.": [[[1, 0, 0, 0]], [[0.64, 0.36, 0.5, 0]]],
        "the two masks are in the other order: the binary one comes first.": [[[0.36, 0.64, 0.5, 0]], [[0, 1, 0, 0]]],
        "where both are silent, the ratio mask is 0 (one half is what a Wiener mask has there).": [[[0, 1, 0, 0]], [[0.36, 0.64, 0.5, 0.5]]],
        "the complex numbers themselves were compared, which sorts them by their real parts: compare magnitudes.": [[[1, 1, 1, 0]], [[0.36, 0.64, 0.5, 0]]],
        "the complex numbers were squared, not their magnitudes: (4j)² is −16.": [[[0, 1, 0, 0]], [[-9 / 7, 16 / 7, 0, 0]]],
    },
)
check.close(
    ideal_masks(np.array([[2.0, 3e-12]]), np.array([[1.0, 4e-12j]])),
    np.array([[[1.0, 0.0]], [[0.8, 0.36]]]),
    name="the masks of two more bins: in phase, very soft",
    mistakes={
        "the power was divided by that of the sum S + N: in phase, that is more than the sum of the powers.": [[[1, 0]], [[4 / 9, 0.36]]],
        "a constant in the denominator takes away what is soft: divide where the sum is positive.": [[[1, 0]], [[0.8, 0]]],
    },
)
check.passed("the oracle has spoken")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("ideal_masks")
_odd, _even = 2 * int(_rng.integers(4, 40)) + 1, 2 * int(_rng.integers(4, 40))
for _shape in [(1, 1), (_odd, _even), (_even, 1), (33, 50)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _S, _N = (_scale * (_rng.standard_normal(_shape) + 1j * _rng.standard_normal(_shape)) for _ in range(2))
        _S[0, 0] = 0.0
        _S_before, _N_before = _S.copy(), _N.copy()
        _result = ideal_masks(_S, _N)
        _ratio = (_S * _S.conj()).real / ((_S * _S.conj()).real + (_N * _N.conj()).real)
        check.close(_result, np.stack([(_ratio > 0.5).astype(float), _ratio]), name="the masks of random bins")
        check.close(_S, _S_before, name="your input S after the call")
        check.close(_N, _N_before, name="your input N after the call")
check.close(ideal_masks(np.zeros((4, 3), complex), np.zeros((4, 3), complex)), np.zeros((2, 4, 3)), name="the masks of silence")
check.close(ideal_masks(_S, 0 * _S), np.stack([_S != 0, _S != 0]).astype(float), name="the masks without interference")
check.close(ideal_masks(np.array([[1, 2]]), np.array([[2, 1]])), np.array([[[0.0, 1.0]], [[0.2, 0.8]]]), name="whole numbers")
### END HIDDEN TESTS

# %% tags="demo"
babble = data.noise("babble", duration_s)
crowd = scenes.mix_at_snr(talkers[0], babble, 0.0)
S_voice, N_babble = analyse(crowd.images[0]), analyse(crowd.images[1])
X_crowd = S_voice + N_babble
oracle = {
    "binary mask": masks.ideal_binary_mask(S_voice, N_babble),
    "ratio mask": masks.ideal_ratio_mask(S_voice, N_babble, exponent=2),
}
oracle_sounds = {name: synthesise(masks.apply_mask(mask, X_crowd)) for name, mask in oracle.items()}
for name, sound in oracle_sounds.items():
    print(f"{name}: SI-SDR {metrics.si_sdr(crowd.images[0], sound):.1f} dB, up {metrics.si_sdr_improvement(crowd.images[0], sound, crowd.mixture):.1f} dB")
listen({"voice in babble": crowd.mixture} | oracle_sounds | {"voice alone": crowd.images[0]}, sample_rate)

# %% [markdown]
# With nothing but a mask, and the phase of the mixture, a voice can be pulled out of a crowd as loud as itself. The binary mask leaves a bubbling behind: bins that switch on and off. The ratio mask does not. This is what lesson 07's networks strive for. They have to *guess* the mask.
#
# ## 4. Dictionaries
#
# ### 4.1 Knowing the parts beforehand
#
# In section 3.2 we needed a musician's knowledge to sort the components. There is a better way to know which component belongs to whom: learn it where the source is alone. Take clean speech, factorise it, throw the activations away, and keep the spectra, $W_{\text{s}}$. Do the same with noise, and keep $W_{\text{n}}$. Now the mixture needs only activations:
#
# $$V \approx \begin{pmatrix} W_{\text{s}} & W_{\text{n}} \end{pmatrix}\begin{pmatrix} H_{\text{s}} \\ H_{\text{n}} \end{pmatrix} .$$
#
# With both dictionaries fixed this is **supervised** NMF. In $H$ alone the cost is convex, so no start can end in a bad valley. Often you know only one side. A hearing aid knows that people speak, and does not know next to which machine. Then $W_{\text{s}}$ stays fixed, and $W_{\text{n}}$ is learnt *from the mixture*: **semi-supervised** NMF. The proof of section 2.3 does not mind: updating some columns and not others
# is one more way to take turns.
#
# Give the free part few components. With many it explains the speech as well, and nothing is left for $W_{\text{s}}$.

# %% [markdown]
# ### Exercise 3.6 — A mask for speech, with the noise unknown
#
# *2 points · 20 minutes · medium*
#
# **Outcome.** You can hold a part of a model fixed, and let data teach the rest.
#
# **Task.** Write `semi_supervised_mask(V, W_speech, W_noise, H, n_iterations)`. The first rows of `H` belong to the columns of `W_speech`, the others to those of `W_noise`. In each iteration update **first** the noise's spectra and **then** all of `H`, by the KL rules of section 2.3 and with a fresh model for each half, as in Exercise 3.2. `W_speech` stays as it is. In the end return the speech's
# share of the model, shape `(n_freqs, n_frames)`. Zeros are treated as in Exercises 3.2 and 3.4: quotients with a zero denominator are 0, and where the whole model is zero the share is ½.
#
# **By hand.** `V = [[2], [3]]`, `W_speech = [[1], [1]]`, `W_noise = [[0], [1]]`, `H = [[1], [1]]`, one iteration. $\hat V = (1, 2)$, the quotients are $(2, 1.5)$, so `W_noise` becomes `[[0], [1.5]]`. Now $\hat V = (1, 2.5)$, with the quotients $(2, 1.2)$. The speech's activation becomes $(2 + 1.2)/2 = 1.6$, the noise's
# $1.5\cdot1.2/1.5 = 1.2$. The models are $(1.6, 1.6)$ and $(0, 1.8)$, so the mask is `[[1], [8/17]]`.
#
# **Expected sound.** The player "semi-supervised" in the cell after the exercise.

# %% [markdown] hints="semi_supervised_mask"
# concept: The model is one product of the joined dictionaries with `H`. Only the right-hand block of the dictionary may change.
#
# structure: Join the dictionaries. In each turn compute the quotient, multiply the *noise columns* by their factor (which uses the noise rows of `H`), compute the quotient again, and update all rows of `H`. After the loop, divide the speech's product by the whole one.
#
# line: With `n = W_speech.shape[1]` and `W = np.hstack([W_speech, W_noise])`, the first half is `W[:, n:] *= (quotient @ H[n:].T) / H[n:].sum(axis=1)`, and the result is `(W[:, :n] @ H[:n]) / (W @ H)`. Copy `H` before you change it.

# %% exercise="semi_supervised_mask" forbid="course_lib.nmf course_lib.masks sklearn"
def semi_supervised_mask(V, W_speech, W_noise, H, n_iterations):
    """Return the speech's share of the model after fitting noise spectra and all activations to V (KL)."""
    ### BEGIN SOLUTION
    def divided(a, b):
        a, b = np.broadcast_arrays(a, b)
        return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)

    n_speech = W_speech.shape[1]
    for _ in range(n_iterations):
        quotient = divided(V, np.hstack([W_speech, W_noise]) @ H)
        H_noise = H[n_speech:]
        W_noise = W_noise * divided(quotient @ H_noise.T, H_noise.sum(axis=1))
        W = np.hstack([W_speech, W_noise])
        H = H * divided(W.T @ divided(V, W @ H), W.sum(axis=0)[:, None])
    speech, total = W_speech @ H[:n_speech], np.hstack([W_speech, W_noise]) @ H
    return np.divide(speech, total, out=np.full(total.shape, 0.5), where=total > 0)
    ### END SOLUTION


# %% test="semi_supervised_mask" points=2
_V, _W_speech, _W_noise, _H = np.array([[2.0], [3.0]]), np.ones((2, 1)), np.array([[0.0], [1.0]]), np.ones((2, 1))
check.close(
    semi_supervised_mask(_V, _W_speech, _W_noise, _H, 1),
    np.array([[1.0], [8 / 17]]),
    name="one iteration on the example",
    mistakes={
        "the speech's spectra changed as well: they are fixed.": [[1.0], [0.5]],
        "the noise's spectra did not change, or they were normalised: they are learnt from the mixture, and stay as the rule leaves them.": [[1.0], [7 / 13]],
        "the speech's activations did not change: all rows of H are updated.": [[1.0], [1 / 2.8]],
        "the denominators of H's update are the sums of the old noise spectra: take the new ones.": [[1.0], [1.6 / 4.3]],
        "the speech was divided by the data: divide by the model.": [[0.8], [1.6 / 3]],
        "H was updated before the noise's spectra: begin with the spectra.": [[1.0], [1.75 / (1.75 + 1.5 * 3 / 3.25)]],
        "H was updated with the quotient of the old noise spectra: compute it again.": [[1.0], [1.75 / 4.0]],
        "this is the noise's share.": [[0.0], [9 / 17]],
        "the Wiener mask of the squared models was taken: share out the model as it is.": [[1.0], [1.6**2 / (1.6**2 + 1.8**2)]],
    },
)
check.close(_W_noise, np.array([[0.0], [1.0]]), name="W_noise itself, which your function must not change")
check.close(_H, np.ones((2, 1)), name="H itself, which your function must not change")
check.close(semi_supervised_mask(_V, _W_speech, _W_noise, _H, 0), np.array([[1.0], [0.5]]), name="no iteration at all: the share in the start")
check.passed("the speech is known, the noise is learnt")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("semi_supervised_mask")


def _mask_by_frames(V, W, H, n_speech, n_iterations):
    W, H = W.copy(), H.copy()
    for _ in range(n_iterations):
        _quotient = V / (W @ H)
        for _c in range(n_speech, W.shape[1]):
            W[:, _c] *= np.array([_row @ H[_c] for _row in _quotient]) / H[_c].sum()
        _quotient = V / (W @ H)
        H = H * np.stack([W.T @ _frame / W.sum(axis=0) for _frame in _quotient.T], axis=1)
    return (W[:, :n_speech] @ H[:n_speech]) / (W @ H)


_even, _odd = 2 * int(_rng.integers(4, 20)), 2 * int(_rng.integers(4, 20)) + 1
for _n_freqs, _n_frames, _n_speech, _n_noise, _n_iterations in [(1, 1, 1, 1, 1), (_even, _odd, 4, 2, 3), (_odd, _even, 2, 3, 7), (12, 1, 3, 1, 20), (6, 4, 1, 1, 150), (20, 31, 6, 1, 2)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _V, _W_speech, _W_noise = _scale * _rng.random((_n_freqs, _n_frames)), 0.1 + _rng.random((_n_freqs, _n_speech)), 0.1 + _rng.random((_n_freqs, _n_noise))
        _H = _scale * (0.1 + _rng.random((_n_speech + _n_noise, _n_frames)))
        _before = [_array.copy() for _array in (_V, _W_speech, _W_noise, _H)]
        _mask = semi_supervised_mask(_V, _W_speech, _W_noise, _H, _n_iterations)
        check.close(_mask, _mask_by_frames(_V, np.hstack([_W_speech, _W_noise]), _H, _n_speech, _n_iterations), relative_tolerance=1e-8 if _scale >= 1 else 1e-6, name="the mask of a random mixture")
        for _array, _copy, _name in zip((_V, _W_speech, _W_noise, _H), _before, ["V", "W_speech", "W_noise", "H"]):
            check.close(_array, _copy, name=f"your input {_name} after the call")
_V[:, 3], _H[:, 3] = 0.0, 0.0
_mask = semi_supervised_mask(_V, _W_speech, _W_noise, _H, 2)
check.close(_mask[:, 3], np.full(20, 0.5), name="the mask in a frame where the whole model is silent")
check.finite(_mask, name="the mask when a frame is silent")
check.close(semi_supervised_mask(0 * _V, _W_speech, _W_noise, _H, 3), np.full((20, 31), 0.5), name="the mask of silence")
_V[:, 3] = _rng.random(20)
check.close(semi_supervised_mask(_V, _W_speech, _W_noise, _H, 2), _mask, name="the mask when a frame of the model is silent and the data are not, which is as if they were")
_V, _W_speech, _W_noise, _H = _rng.random((9, 14)), 0.1 + _rng.random((9, 3)), 0.1 + _rng.random((9, 2)), 0.1 + _rng.random((5, 14))
_without = semi_supervised_mask(_V, _W_speech, _W_noise[:, :1], _H[:4], 3)
_H[4] = 0.0
check.close(semi_supervised_mask(_V, _W_speech, _W_noise, _H, 3), _without, name="the mask when a component of the noise is never active, which is the mask without it")
_without = semi_supervised_mask(_V, _W_speech[:, 1:], _W_noise, _H[1:], 3)
_W_speech[:, 0] = 0.0
check.close(semi_supervised_mask(_V, _W_speech, _W_noise, _H, 3), _without, name="the mask when a spectrum of the speech is zero, which is the mask without it")
check.close(semi_supervised_mask(np.array([[2], [3]]), np.ones((2, 1), int), np.array([[0], [1]]), np.ones((2, 1), int), 1), np.array([[1.0], [8 / 17]]), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 4.2 Speech in unknown noise
#
# Three talkers, who are not the one in the mixture, teach the dictionary of speech, 8 s each. The noise is an engine, at the level of the voice.
#
# **Predict.** Which will do better: a dictionary of noise learnt from *other* seconds of the same engine, or one that is learnt from the mixture itself? How many free components should it have?

# %% tags="demo"
teachers = np.concatenate([data.speech_clip(talker, duration_s, corpus=CORPUS) for talker in (2, 3, 5)])
noise = data.noise("engine", 2 * duration_s)
noisy = scenes.mix_at_snr(talkers[0], noise[: len(duo)], 0.0)
clean = noisy.images[0]
X_noisy = analyse(noisy.mixture)


def dictionary_of(x, n_components):
    return nmf.nmf(np.abs(analyse(x)).astype(np.float32), n_components, divergence="kl", n_iterations=50, rng=np.random.default_rng(0)).W


def masked_by(dictionary, n_speech, n_components, n_iterations=50):
    """Fit the mixture with some spectra fixed, and keep the share of the first n_speech components."""
    fit = nmf.nmf(
        np.abs(X_noisy).astype(np.float32), n_components, divergence="kl", n_iterations=n_iterations, fixed_dictionary=dictionary, rng=np.random.default_rng(0)
    )
    parts = np.stack([fit.W[:, :n_speech] @ fit.H[:n_speech], fit.W[:, n_speech:] @ fit.H[n_speech:]])
    return synthesise(masks.apply_mask(masks.wiener_masks(parts)[0], X_noisy))


W_speech = dictionary_of(teachers, 40)
W_noise = dictionary_of(noise[len(duo) :], 10)
S_clean, N_noisy = analyse(clean), analyse(noisy.images[1])
enhanced = {
    "supervised": masked_by(np.hstack([W_speech, W_noise]), 40, 50),
    "semi-supervised": masked_by(W_speech, 40, 41),
    "ideal ratio mask": synthesise(masks.apply_mask(masks.ideal_ratio_mask(S_clean, N_noisy, exponent=2), X_noisy)),
}
for name, sound in enhanced.items():
    print(f"{name:17} SI-SDR {metrics.si_sdr(clean, sound):5.1f} dB")
for n_noise in (2, 4, 8, 16):
    sound = masked_by(W_speech, 40, 40 + n_noise)
    print(f"semi-supervised with {n_noise:2} free components: {metrics.si_sdr(clean, sound):5.1f} dB")
listen({"noisy": noisy.mixture} | enhanced, sample_rate)

# %% [markdown]
# Other seconds of the same engine teach the best dictionary: 6.8 dB. Learnt from the mixture it is worth 3.7 dB with one free component. And look at the last lines: each further component makes it worse, until with sixteen the result is worse than the mixture. Nothing in the cost says that the free components must hold *noise*. They take whatever lowers it, and speech that the dictionary explains badly is what lowers it most.
# All of it is far from the ratio mask's 14 dB, which knows the answer.
#
# ### 4.3 The split that everybody tries first
#
# A talker over a band. Forty components, no dictionary: let the first half be the music and the second half the voice. It is the first idea of nearly everyone. Here it is, with what an oracle could do with *the same* components, if it gave each one to the source that holds more of it.

# %% tags="demo"
band = sum(data.music_clip(name, duration_s) for name in ("bass", "chords", "drums"))
song = scenes.mix_at_snr(talkers[1], band, 0.0)
X_song = analyse(song.mixture)
blind = nmf.nmf(np.abs(X_song).astype(np.float32), 40, divergence="kl", n_iterations=60, rng=np.random.default_rng(0))


def split_song(is_voice):
    models = np.stack([blind.W[:, chosen] @ blind.H[chosen] for chosen in (is_voice, ~is_voice)])
    return synthesise(masks.apply_mask(masks.wiener_masks(models), X_song))


whole_model = blind.W @ blind.H
images = [np.abs(analyse(image)) ** 2 for image in song.images]
held = np.array([[np.sum(np.outer(blind.W[:, c], blind.H[c]) / whole_model * image) for image in images] for c in range(40)])
splits_of_song = {"halves": split_song(np.arange(40) >= 20), "oracle's choice": split_song(held[:, 0] > held[:, 1])}
for name, sounds in splits_of_song.items():
    gains = [metrics.si_sdr_improvement(image, sound, song.mixture) for image, sound in zip(song.images, sounds, strict=True)]
    print(f"{name:16} voice {gains[0]:+.1f} dB, music {gains[1]:+.1f} dB")
listen(
    {"together": song.mixture} | {f"voice, {name}": sounds[0] for name, sounds in splits_of_song.items()} | {"voice alone": song.images[0]},
    sample_rate,
)

# %% [markdown]
# The halves end below the mixture, though the parts are there: the oracle, which may only sort, gains 9 dB with the very same components. The factorisation was fine. But components carry no names. Their order is that of the random start, so each half is a handful of notes and a handful of syllables. Whoever wants to split a song must bring knowledge: a dictionary, a rule as in section 3.2, or a network that has heard a thousand songs (lesson 07). Or one more microphone.
#
# ## 5. The room in the frequency domain
#
# ### 5.1 When is one factor per frequency enough?
#
# Now take several microphones. Source $n$ reaches microphone $i$ through the impulse response $h_{in}$: $x_i = \sum_n h_{in} * s_n$. Lesson 02 failed here, for its mixing was one number per pair. Section 7 of lesson 01 shows the way out. If the response is *short against the frame*, convolution is nearly a product in the STFT domain:
#
# $$x_{i}[k,m] \approx \sum_{n=1}^{N} a_{in}[k]\, s_n[k,m], \qquad \mathbf x_{km} \approx A_k\,\mathbf s_{km},$$
#
# with one complex number for each frequency and pair: this is the **narrowband model**. At every frequency it is lesson 02's model, with complex numbers. How good is it? Fit the best $a[k]$ by least squares to one talker in a room, and look at what remains.

# %% tags="demo"
frame_lengths = [256, 512, 1024, 2048, 4096, 8192]
figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
for rt60_s, marker in zip([0.1, 0.2, 0.4], "os^", strict=True):
    alone = scenes.random_room_scene(talkers[:1], rt60_s, 2, np.random.default_rng(2))
    residues_db = []
    for length in frame_lengths:
        S, X = (stft.stft(x[: len(duo)], frame_length=length) for x in (alone.sources[0], alone.mixture[0]))
        factor = np.sum(X * S.conj(), axis=1) / np.sum(np.abs(S) ** 2, axis=1)
        residues_db.append(10 * np.log10(np.sum(np.abs(X - factor[:, None] * S) ** 2) / np.sum(np.abs(X) ** 2)))
    ax.plot(frame_lengths, residues_db, marker=marker, label=f"$T_{{60}}$ = {rt60_s} s")
    print(f"T60 = {rt60_s} s: " + ", ".join(f"{length}: {residue:.1f} dB" for length, residue in zip(frame_lengths, residues_db, strict=True)))
ax.set(xscale="log", xlabel="Frame length (samples)", ylabel="Residue (dB)", title="One factor per frequency explains a room only if the frame is long and the room is dry")
ax.set_xticks(frame_lengths, labels=frame_lengths)
ax.minorticks_off()
ax.legend()
plt.show()

# %% [markdown]
# With frames of 2048 samples, 128 ms, what remains lies 15.5 dB below the sound in a room with $T_{60}$ = 0.1 s, 10 dB in one of 0.2 s, and only 5.5 dB in one of 0.4 s. The residue is a piece of each talker that arrives as if from elsewhere, and so it limits what one matrix per frequency can demix. The limit is 4 to 8 dB kinder than the residue: to silence a talker you need only the relation between the *microphones*, which share a part of it. From 128 ms on, each doubling of the frame buys 3 to 6 dB.
#
# So take frames as long as the room, or longer? There is a price. Eight seconds make 250 frames of 2048 samples with a hop of 512. With 16 384 samples they would make 32, and each frequency would have 32 (overlapping) looks at the mixture from which to learn statistics. Long frames fit the room, short ones fit the data. 128 to 256 ms is the usual bargain.
#
# ### 5.2 One ICA for each frequency
#
# Suppose there are as many microphones as sources: the **determined** case. We look for a demixing matrix for each frequency, $W_k \approx A_k^{-1}$ up to what cannot be known:
#
# $$\mathbf y_{km} = W_k\,\mathbf x_{km}, \qquad W_k = \begin{pmatrix}\mathbf w_{1k}^{\mathsf H}\\ \vdots \\ \mathbf w_{Nk}^{\mathsf H}\end{pmatrix}, \qquad y_{nkm} = \mathbf w_{nk}^{\mathsf H}\,\mathbf x_{km} .$$
#
# (From here on $W$ is a demixing matrix, as in lesson 02, and not a dictionary. $\mathsf H$ is the conjugate transpose, so the *rows* of $W_k$ are conjugated filters.) The first idea is to run complex ICA 1025 times. Each run succeeds. And each run has the two ambiguities of lesson 02, on its own:
#
# - **Scale.** At each frequency, each output may have any factor. That is a filter put on the output. The microphones hold the remedy: section 7.3.
# - **Order.** At each frequency, the outputs come in any order. At 437 Hz output 1 may be the woman, and at 445 Hz the man. That is the **permutation problem**.
#
# **Predict.** Every frequency is separated well, and the order is random. What does output 1 sound like?

# %% tags="demo"
references = talk.images[:, 0, : len(duo)]
X_talk = analyse(talk.mixture[:, : len(duo)])
X_images = analyse(talk.images[..., : len(duo)])


def projected(W):
    """Apply demixing filters, with the scale that microphone 0 gives them (section 7.3)."""
    return bss.apply_demixing(bss.projection_back_filter(W), X_talk)


def scores(Y, references, mixture):
    """SI-SDR improvement of each source, with the order of the outputs that suits best, and the sounds in that order."""
    sounds = synthesise(Y)
    table = np.array([[metrics.si_sdr_improvement(r, sound, mixture) for sound in sounds] for r in references])
    chosen = metrics.best_permutation(table)
    return table[np.arange(len(references)), chosen], sounds[chosen]


by_frequency = bss.frequency_domain_ica(X_talk, n_iterations=30, rng=np.random.default_rng(0))
in_any_order = projected(by_frequency.demixing_filter)
aligned = bss.reorder_sources(in_any_order, bss.align_permutations(in_any_order))
true_share = np.abs(in_any_order[None] * X_images[:, 0, None].conj()).sum(axis=-1)
swapped = true_share[0, 0] * true_share[1, 1] < true_share[0, 1] * true_share[1, 0]
by_oracle = np.where(swapped[:, None], in_any_order[::-1], in_any_order)

heard = {"mixture": talk.mixture[0, : len(duo)]}
for name, Y in {"as they came": in_any_order, "put in order by their envelopes": aligned, "put in order by an oracle": by_oracle}.items():
    gains, sounds = scores(Y, references, talk.mixture[0, : len(duo)])
    print(f"{name:32} SI-SDR improvement {gains[0]:+.1f} and {gains[1]:+.1f} dB")
    heard[name] = sounds[0]
listen(heard, sample_rate)

# %% tags="demo"
def share_of_talker_0(W):
    """How much of each frequency of output 0 comes from talker 0, in percent."""
    W = bss.projection_back_filter(W)
    powers = np.array([np.sum(np.abs(bss.apply_demixing(W, image)[0]) ** 2, axis=-1) for image in X_images])
    return 100 * powers[0] / powers.sum(axis=0)


orders = bss.align_permutations(in_any_order)
aligned_filter = np.take_along_axis(by_frequency.demixing_filter, orders[:, :, None], axis=1)
figure, axes = plt.subplots(1, 2, figsize=(10, 2.8), sharey=True, layout="constrained")
for W, title, ax in zip([by_frequency.demixing_filter, aligned_filter], ["As they came", "Put in order by their envelopes"], axes, strict=True):
    ax.plot(frequency_khz, share_of_talker_0(W), ".", markersize=3)
    ax.set(xlabel="Frequency (kHz)", title=title)
axes[0].set_ylabel("Talker 0 in output 0 (%)")
figure.suptitle("Nearly every frequency is separated; only the order is wrong, here and there or from 4 kHz on")
plt.show()

# %% [markdown]
# As they came, the outputs are *worse* than the mixture: each is a patchwork of both talkers, and you hear two people behind a comb. In the left picture nearly every dot lies near 0 or 100 %: the separation is there, at every frequency. The oracle, which does nothing but exchange outputs, makes 16 dB of it.
#
# Ordering by envelopes compares how the loudness moves with time. Frequencies of one voice get loud together, so this works well for voices: 13 dB. Look at the right picture to see what kind of mistake it makes. Up to 4.1 kHz all is in order, and above it all is in order, too, but the other way round. One wrong join turns over everything beyond it. Here little energy lies above 4 kHz, and you hear it as a lisp in the background. Section 8 shows a scene where it costs nearly everything.
# Can the order not come out right from the start?
#
# ## 6. Independent vector analysis
#
# ### 6.1 Let the frequencies of a source belong together
#
# Why did ICA at each frequency not know the order? Because its model of a source knows one frequency. **Independent vector analysis** (IVA) models the *vector* of all frequencies of a source at one moment, $\mathbf y_{nm} = (y_{n1m}, \dots, y_{nKm})$. The simplest model says: a source that is loud is loud at all frequencies, and one that pauses pauses at all. So the density depends on one number, the overall amplitude of the frame:
#
# $$p(\mathbf y_{nm}) \propto e^{-G(r_{nm})}, \qquad r_{nm} = \sqrt{\sum_k |y_{nkm}|^2}, \qquad G(r) = r .$$
#
# This one is like Laplace's: spiky and heavy-tailed, as sources with pauses are (lesson 02, section 5). The frequencies are uncorrelated under this model, yet not independent: they share $r$. Exchange the outputs at one frequency, in a frame where source 1 speaks and source 2 pauses: $r_1$ falls a little, and $r_2$ rises from zero by much more. Their sum rises, since the root is steep at zero. Order has become a matter of cost.
#
# Now the likelihood, which lesson 02 did not need. Take a small box of volume $\delta$ around $\mathbf x$. The map $\mathbf y = W\mathbf x$ makes a box of another volume of it, and both hold the same probability. For real vectors the new volume is $|\det W|\,\delta$. For complex ones it is $|\det W|^2\,\delta$, since both the real and the imaginary parts are stretched: a single complex factor $w$ enlarges areas of the plane by $|w|^2$.
# So $p(\mathbf x) = |\det W|^2\, p(\mathbf y)$, with one such factor for each frequency. With independent sources, independent frames and the mean over all $T$ of them, the negative log-likelihood is, up to a constant,
#
# $$\boxed{\;J(W) = \sum_{n}\frac1T\sum_m G(r_{nm}) - 2\sum_k \log|\det W_k|\;}$$
#
# The first term wants small outputs. The second keeps the rows from shrinking, and from becoming alike.
#
# ### 6.2 The auxiliary function
#
# $r$ is a root of a sum over frequencies, which couples everything. You know the remedy: a bowl. Write $G$ as a function of $u = r^2$. $G(\sqrt u) = \sqrt u$ is concave in $u$, so it lies below its tangent at the current $u' = r'^2$:
#
# $$G(r) \le G(r') + \frac{G'(r')}{2r'}\,(r^2 - r'^2).$$
#
# The factor in front is the **auxiliary variable**, one number for each source and frame: $\varphi_{nm} = \dfrac{G'(r_{nm})}{2r_{nm}} = \dfrac1{2r_{nm}}$. Now $r^2 = \sum_k|\mathbf w_{nk}^{\mathsf H}\mathbf x_{km}|^2$ is a plain sum of squares. The bowl falls apart into frequencies:
#
# $$Q = \sum_k\Big[\sum_n \mathbf w_{nk}^{\mathsf H}\, U_{nk}\,\mathbf w_{nk} - 2\log|\det W_k|\Big] + \text{const}, \qquad
# \boxed{\;U_{nk} = \frac1T\sum_m \varphi_{nm}\,\mathbf x_{km}\mathbf x_{km}^{\mathsf H}\;}$$
#
# $U_{nk}$ is a **weighted covariance**. Frames in which source $n$ is loud count little in it, frames in which it pauses count much. It describes, in short, everything but source $n$, and minimising $\mathbf w^{\mathsf H}U\mathbf w$ suppresses that. You will meet the idea again in lesson 04 as a beamformer.
#
# Other models only change $\varphi$. For a Gaussian with one variance a frame, $G(r) = K\log r^2$ with $K$ frequencies, it is $\varphi = K/r^2$. All that the proof asks for is that $G(\sqrt u)$ is concave.

# %% [markdown]
# ### Exercise 3.7 — The auxiliary variable
#
# *1 point · 6 minutes · easy*
#
# **Outcome.** You know what ties the frequencies together: one weight a frame.
#
# **Task.** Write `auxiliary_weights(Y)` for the Laplace model. `Y` has the shape `(n_sources, n_freqs, n_frames)`. Return $\varphi_{nm} = 1/(2r_{nm})$ as an array `(n_sources, n_frames)`. A frame in which a source is exactly silent tells nothing about directions: give it the weight 0.
#
# **By hand.** One source, two frequencies, two frames: `Y = [[[3, 0], [4j, 0]]]`. Then $r = (5, 0)$ and the weights are `[[0.1, 0]]`.
#
# **Expected number.** A source ten times as loud has weights a tenth as large.

# %% [markdown] hints="auxiliary_weights"
# concept: Add up over frequencies, and over nothing else. The amplitude of a complex number needs its magnitude.
#
# structure: Magnitudes squared, sum over the axis of the frequencies, root, and one divided by twice that where it is positive.
#
# line: `r = np.sqrt(np.sum(np.abs(Y) ** 2, axis=1))`, and then `np.divide(0.5, r, out=np.zeros_like(r), where=r > 0)`.

# %% exercise="auxiliary_weights" forbid="course_lib.bss"
def auxiliary_weights(Y):
    """Return the weights 1/(2r) of Laplace IVA, shape (n_sources, n_frames); 0 where a source is silent."""
    ### BEGIN SOLUTION
    r = np.sqrt(np.sum(np.abs(Y) ** 2, axis=1))
    return np.divide(0.5, r, out=np.zeros(r.shape), where=r > 0)
    ### END SOLUTION


# %% test="auxiliary_weights" points=1
check.close(
    auxiliary_weights(np.array([[[3.0, 0.0], [4j, 0.0]]])),
    np.array([[0.1, 0.0]]),
    name="auxiliary_weights on the example",
    mistakes={
        "this is r itself: the weight is one over twice that.": [[5.0, 0.0]],
        "the root is missing.": [[1 / 50, 0.0]],
        "the squares were not squares of magnitudes: (4j)² is −16.": [[0.5 / np.sqrt(7), 0.0]],
        "the complex numbers were squared, not their magnitudes: (4j)² is −16.": [[-0.5j / np.sqrt(7), 0.0]],
        "the mean was taken in place of the sum over frequencies.": [[np.sqrt(2) / 10, 0.0]],
        "the magnitudes were added without squaring.": [[1 / 14, 0.0]],
        "the 2 of the tangent's slope is missing: the weight is 1/(2r).": [[0.2, 0.0]],
        "the imaginary parts were lost: take magnitudes.": [[1 / 6, 0.0]],
        "this is the weight of the Gaussian model, K/r²: Laplace's is 1/(2r).": [[2 / 25, 0.0]],
    },
)
_Y = np.array([[[3.0, 1.0], [4.0, 0.0]], [[0.0, 1j], [2.0, 0.0]]])
check.close(auxiliary_weights(_Y), np.array([[0.1, 0.5], [0.25, 0.5]]), name="two sources", mistakes={"the sum ran over the sources: it runs over the frequencies, axis 1.": [[1 / 6, 0.5 / np.sqrt(2)], [0.5 / np.sqrt(20), 0.0]], "the sum ran over the sources, too: each source has weights of its own.": 2 * [[0.5 / np.sqrt(29), 0.5 / np.sqrt(2)]]})
check.passed("loud frames count little, soft ones much")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("auxiliary_weights")
_odd, _even = 2 * int(_rng.integers(4, 40)) + 1, 2 * int(_rng.integers(4, 40))
for _shape in [(1, 1, 1), (2, _odd, _even), (3, _even, _odd), (4, 17, 1)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _Y = _scale * (_rng.standard_normal(_shape) + 1j * _rng.standard_normal(_shape))
        _before = _Y.copy()
        check.close(auxiliary_weights(_Y), 0.5 / np.linalg.norm(_Y, axis=1), relative_tolerance=1e-10, absolute_tolerance=0.0, name="the weights of random sources")
        check.close(_Y, _before, name="your input Y after the call")
_Y[1, :, 0] = 0.0
check.close(auxiliary_weights(_Y)[:, 0], np.where(np.arange(4) == 1, 0.0, 0.5 / np.maximum(np.linalg.norm(_Y[..., 0], axis=1), 1e-300)), absolute_tolerance=0.0, name="the weights when one source is silent")
check.close(auxiliary_weights(np.zeros((2, 5, 3), complex)), np.zeros((2, 3)), name="silence")
check.close(1e-12 * auxiliary_weights(np.array([[[3e-12], [4e-12j]]])), np.array([[0.1]]), relative_tolerance=1e-6, name="a frame that is very soft, but not silent")
check.close(auxiliary_weights(np.array([[[3], [4]]])), np.array([[0.1]]), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 3.8 — The weighted covariance
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You can build the matrix that describes "everything but this source" for all frequencies at once.
#
# **Task.** Write `weighted_covariance(X, weights)`. `X` has the shape `(n_channels, n_freqs, n_frames)` and `weights`, those of one source, `(n_frames,)`. Return the matrices $U_k = \frac1T\sum_m \varphi_m\,\mathbf x_{km}\mathbf x_{km}^{\mathsf H}$ for all frequencies, shape `(n_freqs, n_channels, n_channels)`.
#
# **By hand.** One frequency, two channels, two frames: $\mathbf x = (1, j)$ with the weight 2, and $(2, 0)$ with the weight 1. The outer products are $\begin{pmatrix}1 & -j\\ j & 1\end{pmatrix}$ and $\begin{pmatrix}4&0\\0&0\end{pmatrix}$, so $U = \frac12\begin{pmatrix}6 & -2j\\ 2j & 2\end{pmatrix} = \begin{pmatrix}3 & -j\\ j & 1\end{pmatrix}$.
#
# **Expected number.** With all weights 1 it is the covariance of the channels, and its trace their mean power.

# %% [markdown] hints="weighted_covariance"
# concept: Element $(i, j)$ is the mean over frames of $\varphi_m\,x_i\,x_j^*$. It is the *second* factor that is conjugated.
#
# structure: Bring the frequencies to the front, `(n_freqs, n_channels, n_frames)`. Then one matrix product per frequency does it: the weighted `X` times its conjugate transpose. Or let `np.einsum` do all of it.
#
# line: `np.einsum("m,ikm,jkm->kij", weights, X, X.conj()) / X.shape[2]`. A product is faster: with `Z = X.transpose(1, 0, 2)` it is `(weights * Z) @ Z.conj().transpose(0, 2, 1) / X.shape[2]`.

# %% exercise="weighted_covariance" forbid="course_lib.bss"
def weighted_covariance(X, weights):
    """Return the weighted covariances of the channels, shape (n_freqs, n_channels, n_channels)."""
    ### BEGIN SOLUTION
    Z = X.transpose(1, 0, 2)
    return (weights * Z) @ Z.conj().transpose(0, 2, 1) / X.shape[2]
    ### END SOLUTION


# %% test="weighted_covariance" points=1
_X = np.array([[[1.0, 2.0]], [[1j, 0.0]]])
check.close(
    weighted_covariance(_X, np.array([2.0, 1.0])),
    np.array([[[3.0, -1j], [1j, 1.0]]]),
    name="weighted_covariance on the example",
    mistakes={
        "the first factor was conjugated, and not the second: that is the transpose.": [[[3.0, 1j], [-1j, 1.0]]],
        "nothing was conjugated: the covariance is x times its conjugate transpose.": [[[3.0, 1j], [1j, -1.0]]],
        "the sum was not divided by the number of frames (or by one less).": [[[6.0, -2j], [2j, 2.0]]],
        "the sum was divided by the sum of the weights, not by the number of frames.": [[[2.0, -2j / 3], [2j / 3, 2 / 3]]],
        "the weights were squared, or put on both factors: they count once.": [[[4.0, -2j], [2j, 2.0]]],
        "the weights are missing.": [[[2.5, -0.5j], [0.5j, 0.5]]],
        "the channels' means were taken off: the formula has no means.": [[[0.375, 0.375j], [-0.375j, 0.375]]],
    },
)
check.close(
    weighted_covariance(np.array([[[1.0], [2.0]], [[0.0], [1j]]]), np.ones(1)),
    np.array([[[1.0, 0.0], [0.0, 0.0]], [[4.0, -2j], [2j, 1.0]]]),
    name="two frequencies, one frame",
    mistakes={"the sum ran over the frequencies, too: each frequency has a matrix of its own.": 2 * [[[5.0, -2j], [2j, 1.0]]]},
)
check.passed("each frequency has its covariance")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("weighted_covariance")
_odd, _even = 2 * int(_rng.integers(4, 30)) + 1, 2 * int(_rng.integers(4, 30))
for _n_channels, _n_freqs, _n_frames in [(1, 1, 1), (2, _odd, _even), (3, _even, _odd), (4, 6, 1), (2, 2, 2), (3, 3, 3)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _X = _scale * (_rng.standard_normal((_n_channels, _n_freqs, _n_frames)) + 1j * _rng.standard_normal((_n_channels, _n_freqs, _n_frames)))
        _weights = _rng.random(_n_frames)
        _X_before, _weights_before = _X.copy(), _weights.copy()
        _expected = np.stack([sum(_weights[_m] * np.outer(_X[:, _k, _m], _X[:, _k, _m].conj()) for _m in range(_n_frames)) / _n_frames for _k in range(_n_freqs)])
        check.close(weighted_covariance(_X, _weights), _expected, relative_tolerance=1e-10, absolute_tolerance=0.0, name="the covariances of random channels")
        check.close(_X, _X_before, name="your input X after the call")
        check.close(_weights, _weights_before, name="your input weights after the call")
check.close(weighted_covariance(0 * _X, _weights), np.zeros((3, 3, 3), complex), name="silence")
check.close(weighted_covariance(np.array([[[1, 2]], [[3, 0]]]), np.array([1, 2])), np.array([[[4.5, 1.5], [1.5, 4.5]]]) + 0j, name="whole numbers")
_X = _rng.standard_normal((4, 257, 400)) + 1j * _rng.standard_normal((4, 257, 400))
_U = check.within_seconds(3.0, weighted_covariance, _X, np.ones(400))
check.close(_U[11], np.einsum("im,jm->ij", _X[:, 11], _X[:, 11].conj()) / 400, relative_tolerance=1e-9, name="one frequency of many")
### END HIDDEN TESTS

# %% [markdown]
# ### 6.3 Iterative projection
#
# Now minimise the bowl, at one frequency (its index is left out). The derivative with respect to $\mathbf w_n$ set to zero says $W\,U_n\,\mathbf w_n = \mathbf e_n$ for all $n$ at once, with $\mathbf e_n$ the $n$-th unit vector. For more than two sources nobody has a closed solution of that system. But for **one row**, with the others fixed, there is one. So take turns once more.
#
# The determinant is linear in each row: expand it along row $n$, $\det W = \mathbf w_n^{\mathsf H}\mathbf c_n$, where $\mathbf c_n$ holds the cofactors and depends on the *other* rows only. So we minimise
#
# $$q(\mathbf w) = \mathbf w^{\mathsf H}U\mathbf w - \log|\mathbf w^{\mathsf H}\mathbf c|^2 .$$
#
# Split $\mathbf w = \alpha\mathbf v$ with $\mathbf v^{\mathsf H}U\mathbf v = 1$ and $\alpha > 0$. Then $q = \alpha^2 - \log\alpha^2 - \log|\mathbf v^{\mathsf H}\mathbf c|^2$. The first two terms are smallest at $\alpha = 1$. The third asks for the largest $|\mathbf v^{\mathsf H}\mathbf c|$. By the Cauchy–Schwarz inequality for the inner product that $U$ defines,
# $|\mathbf v^{\mathsf H}\mathbf c|^2 = |\mathbf v^{\mathsf H}U\,(U^{-1}\mathbf c)|^2 \le (\mathbf v^{\mathsf H}U\mathbf v)\,(\mathbf c^{\mathsf H}U^{-1}\mathbf c)$, with equality for $\mathbf v \propto U^{-1}\mathbf c$. This is the global minimum over the row, found in one step.
#
# What is $\mathbf c$? Row $l \ne n$ in place of row $n$ would give a determinant with two equal rows: $\mathbf w_l^{\mathsf H}\mathbf c_n = 0$. Together, $W\mathbf c_n = (\det W)\,\mathbf e_n$, so $\mathbf c_n \propto W^{-1}\mathbf e_n$ and $U^{-1}\mathbf c_n \propto (WU)^{-1}\mathbf e_n$. The update, called **iterative projection** (IP), is
#
# $$\boxed{\;\mathbf w_n \leftarrow (W U_n)^{-1}\mathbf e_n, \qquad \mathbf w_n \leftarrow \frac{\mathbf w_n}{\sqrt{\mathbf w_n^{\mathsf H}U_n\mathbf w_n}}\;}$$
#
# with the current $W$ on the right. No step size, and the cost cannot rise: every row update lowers the bowl of *its* weights, and new weights only change the bowl, not the cost.

# %% [markdown]
# ### Exercise 3.9 — Iterative projection
#
# *2 points · 20 minutes · demanding*
#
# **Outcome.** You have written the heart of the fastest family of algorithms for determined separation.
#
# **Task.** Write `iterative_projection(W, U, n)`. `W` holds the demixing matrices, shape `(n_freqs, n_sources, n_channels)` with as many sources as channels. `U` holds the weighted covariances of source `n` (counted from 0), shape `(n_freqs, n_channels, n_channels)`, all positive definite. Return a **new** array in which row `n` of every matrix is updated,
# and all others are as they were. Remember what stands in a row: $\mathbf w_n^{\mathsf H}$.
#
# **By hand.** One frequency, $W$ the unit matrix, $U = \begin{pmatrix}2 & j\\ -j & 1\end{pmatrix}$. Its determinant is $2 - 1 = 1$ and its inverse $\begin{pmatrix}1 & -j\\ j & 2\end{pmatrix}$. For $n = 0$: $\mathbf w = (1, j)^{\mathsf T}$ and $\mathbf w^{\mathsf H}U\mathbf w = 1$, so the new row is $(1, -j)$.
# For $n = 1$: $\mathbf w = (-j, 2)^{\mathsf T}$ and $\mathbf w^{\mathsf H}U\mathbf w = 2$; the new row is $(j, 2)/\sqrt2$.
#
# **Expected number.** Afterwards $\mathbf w_n^{\mathsf H}U\mathbf w_n = 1$ and $\mathbf w_l^{\mathsf H}U\mathbf w_n = 0$ for all other rows.

# %% [markdown] hints="iterative_projection"
# concept: "Times the inverse" means: solve a linear system. NumPy solves one for each frequency in a single call. The solution is $\mathbf w$, a column; the matrix holds its conjugate as a row.
#
# structure: Multiply `W @ U`. Solve for the unit vector `n`, the same for every frequency. Compute the real, positive number $\mathbf w^{\mathsf H}U\mathbf w$, divide by its root, conjugate, and put it into row `n` of a copy of `W`.
#
# line: With `e = np.zeros((n_channels, 1))` and `e[n] = 1`, `w = np.linalg.solve(W @ U, np.broadcast_to(e, (n_freqs, n_channels, 1)))[..., 0]`, and `norm = np.einsum("ki,kij,kj->k", w.conj(), U, w).real`. Then `new[:, n] = (w / np.sqrt(norm)[:, None]).conj()`.

# %% exercise="iterative_projection" forbid="course_lib.bss"
def iterative_projection(W, U, n):
    """Return the demixing matrices (n_freqs, n_sources, n_channels) after one exact update of row n."""
    ### BEGIN SOLUTION
    n_freqs, _, n_channels = W.shape
    unit = np.zeros((n_channels, 1))
    unit[n] = 1.0
    w = np.linalg.solve(W @ U, np.broadcast_to(unit, (n_freqs, n_channels, 1)))[..., 0]
    norm = np.einsum("ki,kij,kj->k", w.conj(), U, w).real
    updated = W.astype(complex)
    updated[:, n] = (w / np.sqrt(norm)[:, None]).conj()
    return updated
    ### END SOLUTION


# %% test="iterative_projection" points=2
_W, _U = np.eye(2, dtype=complex)[None], np.array([[[2.0, 1j], [-1j, 1.0]]])
check.close(
    iterative_projection(_W, _U, 0),
    np.array([[[1.0, -1j], [0.0, 1.0]]]),
    name="row 0 of the example",
    mistakes={
        "the row holds w itself: it must hold the conjugate.": [[[1.0, 1j], [0.0, 1.0]]],
        "the new filter was put into a column: it belongs in row n.": [[[1.0, 0.0], [-1j, 1.0]]],
        "the filter was normalised to length one: its length is measured with U.": [[[1 / np.sqrt(2), -1j / np.sqrt(2)], [0.0, 1.0]]],
        "a row of the inverse was taken: multiplied by a unit vector it gives a column.": [[[1 / np.sqrt(5), 1j / np.sqrt(5)], [0.0, 1.0]]],
    },
)
check.close(_W, np.eye(2, dtype=complex)[None], name="W itself, which your function must not change")
check.close(
    iterative_projection(_W, _U, 1),
    np.array([[[1.0, 0.0], [1j / np.sqrt(2), np.sqrt(2)]]]),
    name="row 1 of the example",
    mistakes={
        "the second formula is missing: divide by the root of w^H U w.": [[[1.0, 0.0], [1j, 2.0]]],
        "the root is missing: divide by the root of w^H U w.": [[[1.0, 0.0], [0.5j, 1.0]]],
        "the filter was normalised to length one: its length is measured with U.": [[[1.0, 0.0], [1j / np.sqrt(5), 2 / np.sqrt(5)]]],
        "the row holds w itself: it must hold the conjugate.": [[[1.0, 0.0], [-1j / np.sqrt(2), np.sqrt(2)]]],
    },
)
_W = np.array([[[1.0, 0.0], [1.0, 1.0]]])
check.close(
    iterative_projection(_W, _U, 0),
    np.array([[[(1 - 1j) / np.sqrt(3), (-2 - 1j) / np.sqrt(3)], [1.0, 1.0]]]),
    name="row 0 with another row 1",
    mistakes={
        "W was left out: solve with W @ U.": [[[1.0, -1j], [1.0, 1.0]]],
        "W and U are in the wrong order: solve with W @ U.": [[[1 / np.sqrt(2), (-1 - 1j) / np.sqrt(2)], [1.0, 1.0]]],
    },
)
_W = np.array([[[1.0, 0.0], [-1j, 1.0]]])
check.close(
    iterative_projection(_W, _U, 0),
    np.array([[[2 / np.sqrt(5), -3j / np.sqrt(5)], [-1j, 1.0]]]),
    name="row 0 with a complex row 1",
    mistakes={
        "W was conjugated before the system was solved: its rows are used as they stand.": [[[0.0, 1j], [-1j, 1.0]]],
        "the length was measured with w transposed: it needs the conjugate, w^H.": [[[2.0, -3j], [-1j, 1.0]]],
    },
)
check.passed("the row is orthogonal to the others in the sense of U")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("iterative_projection")


def _bowl(W, U, n):
    _row = W[:, n]
    return np.einsum("ki,kij,kj->k", _row, U, _row.conj()).real - 2 * np.log(np.abs(np.linalg.det(W)))


_odd, _even = 2 * int(_rng.integers(3, 30)) + 1, 2 * int(_rng.integers(3, 30))
for _n_channels, _n_freqs, _n in [(2, 1, 0), (2, _odd, 1), (3, _even, 1), (3, 3, 2), (4, _odd, 0), (5, 8, 3)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _A = _rng.standard_normal((_n_freqs, _n_channels, 3 * _n_channels)) + 1j * _rng.standard_normal((_n_freqs, _n_channels, 3 * _n_channels))
        _U = _scale * (_A @ _A.conj().transpose(0, 2, 1))
        _W = _rng.standard_normal((_n_freqs, _n_channels, _n_channels)) + 1j * _rng.standard_normal((_n_freqs, _n_channels, _n_channels))
        _W_before, _U_before = _W.copy(), _U.copy()
        _new = iterative_projection(_W, _U, _n)
        check.close(_W, _W_before, name="your input W after the call")
        check.close(_U, _U_before, absolute_tolerance=0.0, name="your input U after the call")
        check.shape(_new, _W.shape, name="the updated matrices")
        check.close(np.delete(_new, _n, axis=1), np.delete(_W, _n, axis=1), name="the rows that must not change")
        _products = np.einsum("kli,kij,kj->kl", _new, _U, _new[:, _n].conj())
        check.close(_products, np.broadcast_to((np.arange(_n_channels) == _n).astype(complex), _products.shape), relative_tolerance=1e-7, name="w_l^H U w_n for all rows l")
        # The solution is unique up to a phase, which the formula fixes.
        _expected = np.stack([np.linalg.inv(_W[_k] @ _U[_k])[:, _n] for _k in range(_n_freqs)])
        _expected = _expected / np.sqrt(np.array([(_w.conj() @ _u @ _w).real for _w, _u in zip(_expected, _U)]))[:, None]
        check.close(_new[:, _n], _expected.conj(), relative_tolerance=1e-7, absolute_tolerance=0.0, name="the new row")
        assert np.all(_bowl(_new, _U, _n) <= _bowl(_W, _U, _n) + 1e-9), "The bowl's value rose at some frequency."
_A = _rng.standard_normal((513, 3, 9)) + 1j * _rng.standard_normal((513, 3, 9))
_U, _W = _A @ _A.conj().transpose(0, 2, 1), _rng.standard_normal((513, 3, 3)) + 0j
check.finite(check.within_seconds(3.0, iterative_projection, _W, _U, 2), name="many frequencies")
### END HIDDEN TESTS

# %% [markdown]
# You now have all the parts of IVA. Put them together in a cell of your own, once your three functions pass:
#
# ```python
# W = np.tile(np.eye(2, dtype=complex), (X_talk.shape[1], 1, 1))
# for iteration in range(20):
#     for n in range(2):
#         Y = np.einsum("knc,ckm->nkm", W, X_talk)
#         W = iterative_projection(W, weighted_covariance(X_talk, auxiliary_weights(Y)[n]), n)
# ```
#
# Then listen to `synthesise(projected(W)[0])`. To the last few bits it is what `bss.auxiva(X_talk, update="ip", start="identity", n_iterations=20)` finds. (Without `start="identity"` the library decorrelates the channels first.)
#
# ### 6.4 Without any inverse: iterative source steering
#
# Robin Scheibler and Nobutaka Ono (2020) noticed that a *column* of the mixing matrix can be updated in place of a row of $W$, and that this needs no inverse. Take output $n$ and subtract a multiple of it from each output: $y_l \leftarrow y_l - v_l\,y_n$, which is $W \leftarrow W - \mathbf v\,\mathbf w_n^{\mathsf H}$. Only the row $n$ changes the determinant, by the factor $1 - v_n$ (add a multiple of a row to the others, and nothing happens).
# So the bowl splits into one problem for each $v_l$. For $l \ne n$ it is a least-squares fit, and for $l = n$ it is $\alpha^2 a - \log\alpha^2$ with $\alpha = |1 - v_n|$ and $a = \frac1T\sum_m\varphi_{nm}|y_{nm}|^2$:
#
# $$v_l = \frac{\sum_m \varphi_{lm}\,y_{lm}\,y_{nm}^*}{\sum_m \varphi_{lm}\,|y_{nm}|^2}\;\;(l \ne n), \qquad v_n = 1 - \Big(\frac1T\sum_m \varphi_{nm}|y_{nm}|^2\Big)^{-1/2} .$$
#
# No covariance, no inverse: $O(N^2)$ operations for a bin and iteration where IP needs $O(N^3)$. This is **ISS**, the library's default. Compare with IP: the fit of $v_l$ makes $\mathbf w_l^{\mathsf H}U_l\mathbf w_n = 0$, which is IP's condition for row $l$. With two sources ISS therefore turns the rows as IP does, in the opposite order; only their lengths follow a step later. With more the paths differ, and on neither can the cost rise.

# %% tags="demo"
by_iva = {source_model: bss.auxiva(X_talk, source_model=source_model) for source_model in ("laplace", "gauss")}
by_ip = bss.auxiva(X_talk, update="ip")

figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
for (name, losses), style in zip({"ISS": by_iva["laplace"].losses, "IP": by_ip.losses}.items(), ["-", "--"], strict=True):
    axes[0].semilogy((losses - losses[-1])[:31], style, linewidth=2, label=name)
axes[0].set(xlabel="Iteration", ylabel="Cost above the last", title="The cost falls alike by either update")
axes[0].legend()
axes[1].plot(frequency_khz, share_of_talker_0(by_iva["gauss"].demixing_filter), ".", markersize=3)
axes[1].set(xlabel="Frequency (kHz)", ylabel="Talker 0 in output 0 (%)", title="IVA keeps the frequencies together")
plt.show()

heard = {"mixture": talk.mixture[0, : len(duo)]}
for source_model, result in by_iva.items():
    gains, sounds = scores(result.sources, references, talk.mixture[0, : len(duo)])
    print(f"IVA, {source_model:8} SI-SDR improvement {gains[0]:+.1f} and {gains[1]:+.1f} dB; largest rise of J: {np.diff(result.losses).max():.1e}")
    heard |= {f"talker {n}, {source_model}": sounds[n] for n in range(2)}
listen(heard, sample_rate)

# %% [markdown]
# The order comes from the cost now, and no second step is needed. But look at the right picture: at the lowest frequencies, below about 0.6 kHz, the outputs are mixed up or exchanged. That is a local minimum: to turn such a block over, many frequencies would have to change together. Because voices have much of their energy down there, it costs half of the improvement.
# The heavier tail of the Gaussian model with a variance for each frame does better than Laplace's, and neither is as good as the ordering by envelopes. A flat model is too weak a tie. This is the gap that ILRMA fills.
#
#
# ## 7. ILRMA: IVA with parts
#
# ### 7.1 One cost for both clues
#
# IVA's model of a source is flat: when it is loud, it is equally loud at all frequencies. That is a poor picture of a voice, and no picture at all of a melody. Section 2 has a better one: a spectrogram is a sum of a few parts. **Independent low-rank matrix analysis** (Kitamura et al., 2016) gives each source an NMF as its model. Every bin of source $n$ is a complex Gaussian variable, whose variance is the model:
#
# $$R_{nkm} = \sum_{b=1}^{B} t_{nkb}\,v_{nbm}, \qquad -\log p(y_{nkm}) = \frac{|y_{nkm}|^2}{R_{nkm}} + \log R_{nkm} + \log\pi .$$
#
# Each source has $B$ **bases** $t$ and their activations $v$. The likelihood is that of section 6, with this density:
#
# $$\boxed{\;J = \sum_{n,k}\frac1T\sum_m\Big(\frac{|y_{nkm}|^2}{R_{nkm}} + \log R_{nkm}\Big) - 2\sum_k\log|\det W_k|\;}$$
#
# Look at it from both sides.
#
# - **With the models fixed** it is $\sum_{n}\mathbf w_{nk}^{\mathsf H}U_{nk}\mathbf w_{nk} - 2\log|\det W_k|$ at each frequency, with $U_{nk} = \frac1T\sum_m \mathbf x\mathbf x^{\mathsf H}/R_{nkm}$: IVA's bowl, with the weights $\varphi = 1/R$. Now they may differ between frequencies. IP and ISS do the rest.
# - **With the demixing fixed** it is, up to terms without $R$, the Itakura–Saito divergence between $|y_n|^2$ and $R_n$: section 2.4's updates, with the exponent ½.
#
# Take turns, and the cost cannot rise. With one basis that is flat over frequency, $R_{nkm} = v_{nm}$, it is Gauss-IVA. So IVA is the special case, and the natural place to start from.

# %% [markdown]
# ### Exercise 3.10 — The source model's update
#
# *2 points · 15 minutes · medium*
#
# **Outcome.** You have the half of ILRMA that IVA does not have.
#
# **Task.** Write `update_source_model(P, bases, activations)` for one source: `P` is its power $|y|^2$, shape `(n_freqs, n_frames)`, the bases have the shape `(n_freqs, n_bases)`, the activations `(n_bases, n_frames)`. **First** update the bases, **then**, with the new model, the activations, by the boxed rule of section 2.4 (for the bases with the roles exchanged: sums over frames).
# Return the tuple `(bases, activations)` of new arrays. `P` and the model are positive everywhere. Where a denominator is zero, return 0.
#
# **By hand.** `P = [[4], [1]]`, bases `[[1], [1]]`, activations `[[1]]`. The model is `[[1], [1]]`. The bases become $\sqrt{4/1}$ and $\sqrt{1/1}$: `[[2], [1]]`. With the new model, `[[2], [1]]`, the numerator for the activation is $2\cdot4/4 + 1\cdot1/1 = 3$ and the denominator $2/2 + 1/1 = 2$, so it becomes $\sqrt{3/2}$.
#
# **Expected number.** Itakura–Saito falls from $3 - \log 4 = 1.61$ to 0.16 in this one iteration.

# %% [markdown] hints="update_source_model"
# concept: Compare the boxed KL and IS rules. Data over model *squared* in the numerator, one over the model in the denominator, and a root around the quotient. Each half needs the model of its moment.
#
# structure: `model = bases @ activations`. Bases: products of `P / model**2` and of `1 / model` with the transposed activations. New model. Activations: products with the transposed bases, on the left.
#
# line: `bases = bases * np.sqrt(((P / model**2) @ activations.T) / ((1 / model) @ activations.T))`, with the division guarded where the denominator is zero.

# %% exercise="update_source_model" forbid="course_lib.nmf course_lib.bss sklearn"
def update_source_model(P, bases, activations):
    """Return (bases, activations) after one iteration that does not raise Itakura–Saito: first bases, then activations."""
    ### BEGIN SOLUTION
    def root_of_quotient(numerator, denominator):
        return np.sqrt(np.divide(numerator, denominator, out=np.zeros(denominator.shape), where=denominator > 0))

    model = bases @ activations
    bases = bases * root_of_quotient((P / model**2) @ activations.T, (1 / model) @ activations.T)
    model = bases @ activations
    activations = activations * root_of_quotient(bases.T @ (P / model**2), bases.T @ (1 / model))
    return bases, activations
    ### END SOLUTION


# %% test="update_source_model" points=2
_P, _bases, _activations = np.array([[4.0], [1.0]]), np.ones((2, 1)), np.ones((1, 1))
_result = update_source_model(_P, _bases, _activations)
assert isinstance(_result, (tuple, list)) and len(_result) == 2, f"Return the tuple (bases, activations): your function returned {type(_result).__name__}."
check.close(
    _result[0],
    np.array([[2.0], [1.0]]),
    name="the bases of the example",
    mistakes={
        "the exponent ½ is missing: take the root of the quotient. (Or P was squared: it is a power already.)": [[4.0], [1.0]],
        "the bases were normalised: return them as the rule leaves them.": [[2 / 3], [1 / 3]],
        "the activations were updated first: begin with the bases.": [[np.sqrt(4 / np.sqrt(2.5))], [np.sqrt(1 / np.sqrt(2.5))]],
        "the fraction is upside down.": [[0.5], [1.0]],
    },
)
check.close(
    _result[1],
    np.array([[np.sqrt(1.5)]]),
    name="the activations of the example",
    mistakes={
        "the model was not computed again after the bases had changed.": [[np.sqrt(9 / 3)]],
        "the old bases were used: take the new ones.": [[np.sqrt(2.5)]],
        "the exponent ½ is missing.": [[1.5]],
        "this is the Kullback–Leibler update: the numerator has the model squared, the denominator one over the model.": [[5 / 3]],
        "this is the root of the Kullback–Leibler update.": [[np.sqrt(5 / 3)]],
    },
)
check.close(_bases, np.ones((2, 1)), name="bases itself, which your function must not change")
check.close(_activations, np.ones((1, 1)), name="activations itself, which your function must not change")
_P, _bases, _activations = np.array([[8.0, 18.0]]), np.ones((1, 2)), np.array([[1.0, 3.0], [1.0, 0.0]])
for _scale, _name in [(1.0, "two bases and two frames: the bases"), (1e-9, "the same at a power 90 dB less: a constant added to a denominator is heard there")]:
    check.close(
        update_source_model(_scale * _P, _bases, _scale * _activations)[0],
        np.array([[4 / np.sqrt(3), 2.0]]),
        relative_tolerance=1e-6,
        name=_name,
        mistakes={
            "this is the root of the Kullback–Leibler update: the numerator has the model squared, the denominator one over the model.": [[np.sqrt(5.5), 2.0]],
            "P was squared: it is a power already.": [[np.sqrt(248 / 3), np.sqrt(32)]],
            "each basis saw a model of its own: all of them are updated from one and the same model.": [[4 / np.sqrt(3), np.sqrt(8 / (1 + 4 / np.sqrt(3)))]],
            "the activations were added up first: each basis has its own as weights.": [[np.sqrt(5), np.sqrt(5)]],
        },
    )
check.passed("bases, then activations, each with a root")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("update_source_model")


def _itakura_saito(P, R):
    return np.sum(P / R - np.log(P / R) - 1)


_even, _odd = 2 * int(_rng.integers(4, 30)), 2 * int(_rng.integers(4, 30)) + 1
for _n_freqs, _n_frames, _n_bases in [(1, 1, 1), (_even, _odd, 3), (_odd, _even, 2), (7, 40, 8), (40, 3, 5)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _P, _bases, _activations = _scale * _rng.exponential(1.0, (_n_freqs, _n_frames)) + 1e-3 * _scale, 0.1 + _rng.random((_n_freqs, _n_bases)), _scale * (0.1 + _rng.random((_n_bases, _n_frames)))
        _before, _tolerance = [_array.copy() for _array in (_P, _bases, _activations)], 1e-9 if _scale >= 1 else 1e-6
        _new_bases, _new_activations = update_source_model(_P, _bases, _activations)
        _R = np.einsum("kb,bm->km", _bases, _activations)
        _right_bases = _bases * np.sqrt(np.einsum("km,bm->kb", _P / _R**2, _activations) / np.einsum("km,bm->kb", 1 / _R, _activations))
        _R = np.einsum("kb,bm->km", _right_bases, _activations)
        _right_activations = _activations * np.sqrt(np.einsum("kb,km->bm", _right_bases, _P / _R**2) / np.einsum("kb,km->bm", _right_bases, 1 / _R))
        check.close(_new_bases, _right_bases, relative_tolerance=_tolerance, absolute_tolerance=0.0, name="the bases of a random source")
        check.close(_new_activations, _right_activations, relative_tolerance=_tolerance, absolute_tolerance=0.0, name="the activations of a random source")
        for _array, _copy, _name in zip((_P, _bases, _activations), _before, ["P", "bases", "activations"]):
            check.close(_array, _copy, absolute_tolerance=0.0, name=f"your input {_name} after the call")
        _costs = [_itakura_saito(_P, _bases @ _activations)]
        for _ in range(5):
            _bases, _activations = update_source_model(_P, _bases, _activations)
            _costs.append(_itakura_saito(_P, _bases @ _activations))
        assert np.all(np.diff(_costs) <= 1e-9 * max(_costs[0], 1.0)), "The Itakura–Saito cost rose from one iteration to the next."
_P, _bases, _activations = _rng.random((6, 9)), 0.1 + _rng.random((6, 3)), 0.1 + _rng.random((3, 9))
_bases[:, 1], _activations[1] = 0.0, 0.0
_new_bases, _new_activations = update_source_model(_P, _bases, _activations)
check.close(_new_bases[:, 1], np.zeros(6), name="a basis that is zero")
check.close(_new_activations[1], np.zeros(9), name="the activations of a basis that is zero")
check.finite(_new_bases, name="the other bases")
_bases, _activations = 0.1 + _rng.random((6, 3)), 0.1 + _rng.random((3, 9))
_activations[2] = 0.0
_new_bases, _new_activations = update_source_model(_P, _bases, _activations)
check.close(_new_bases[:, 2], np.zeros(6), name="a basis whose activations are zero, and so its denominators")
_bases, _activations = 0.1 + _rng.random((6, 3)), 0.1 + _rng.random((3, 9))
_bases[:, 0] = 0.0
_new_bases, _new_activations = update_source_model(_P, _bases, _activations)
check.close(_new_activations[0], np.zeros(9), name="the activations of a basis that is zero, and so their denominators")
_new_bases, _new_activations = update_source_model(np.array([[3], [1]]), np.ones((2, 1), int), np.ones((1, 1), int))
check.close(_new_bases, np.array([[np.sqrt(3)], [1.0]]), name="the bases for whole numbers")
check.close(_new_activations, np.array([[np.sqrt((np.sqrt(3) + 1) / 2)]]), name="the activations for whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 7.2 What the model buys
#
# A talker and the lead melody, at the places of the two talkers. The talker's frames are voice-like, the lead's are notes. Watch the source models: the product $t\,v$ of each output, beside the output itself.

# %% tags="demo"
lead_scene = scenes.random_room_scene([talkers[0], lead], rt60_s=0.15, n_microphones=2, rng=np.random.default_rng(PLACES))
duet_references = lead_scene.images[:, 0, : len(duo)]
duet_mixture = lead_scene.mixture[0, : len(duo)]
X_duet = analyse(lead_scene.mixture[:, : len(duo)])

duet_iva = bss.auxiva(X_duet, source_model="gauss")
duet_ilrma = bss.ilrma(X_duet, n_bases=2, rng=np.random.default_rng(0))
heard = {"mixture": duet_mixture}
for name, result in {"IVA": duet_iva, "ILRMA": duet_ilrma}.items():
    gains, sounds = scores(result.sources, duet_references, duet_mixture)
    print(f"{name:6} SI-SDR improvement: voice {gains[0]:+.1f} dB, lead {gains[1]:+.1f} dB")
    heard |= {f"voice, {name}": sounds[0], f"lead, {name}": sounds[1]}
print(f"ILRMA's cost: largest rise {np.diff(duet_ilrma.losses).max():.1e}")
listen(heard, sample_rate)

# %% tags="demo"
figure, axes = plt.subplots(2, 2, figsize=(10, 4.6), sharex=True, sharey=True, layout="constrained")
for n, row in enumerate(axes):
    pictures = [np.abs(duet_ilrma.sources[n]), np.sqrt(duet_ilrma.bases[n] @ duet_ilrma.activations[n])]
    for picture, title, ax in zip(pictures, [f"Output {n}", f"Its model, {duet_ilrma.bases.shape[2]} bases"], row, strict=True):
        plots.spectrogram_of_stft(picture, sample_rate, hop_length=hop_length, ax=ax, title=title, top_db=30, dynamic_range_db=60, colour_bar=ax is row[-1])
        ax.set_ylim(0, 4)
        ax.label_outer()
figure.suptitle("Two bases say little about each source, and enough to tell which of the two a bin belongs to")
plt.show()

# %% [markdown]
# Beside the IVA that it starts from, ILRMA gains 0.7 dB here. For the two talkers it will be 6 dB: section 8 has the table.
#
# ### 7.3 Back to the microphone: projection back
#
# One ambiguity is left. Multiply the filter $\mathbf w_{nk}$ by any factor, and the bases $t_{nk}$ by its squared magnitude: the cost does not change. So each output comes out with an arbitrary gain at each frequency, which sounds like a telephone in a tin. We cannot know how loud the source was *at the source*. But we can ask a question that has an answer: how does it sound **at microphone $i$**?
#
# With $\mathbf y = W\mathbf x$ we have $\mathbf x = W^{-1}\mathbf y$, or written out for one microphone
#
# $$x_{i} = \sum_n \big(W^{-1}\big)_{in}\,y_n \quad\Longrightarrow\quad \boxed{\;\hat s^{(i)}_{n} = \big(W^{-1}\big)_{in}\,y_n\;}$$
#
# That sum tells how much of output $n$ the microphone holds. The result is the **image** of the source at the microphone. Multiply row $n$ of $W$ by $d$: column $n$ of the inverse is divided by $d$, and the product stays. The images sum to the microphone's signal exactly. (Matsuoka's *minimal distortion principle* of 2001 takes microphone $n$ for source $n$: $W \leftarrow \operatorname{diag}(W^{-1})\,W$.)

# %% [markdown]
# ### Exercise 3.11 — Projection back
#
# *2 points · 15 minutes · medium*
#
# **Outcome.** You can give a blind separation the level and the colour that it has at a microphone.
#
# **Task.** Write `images_at_microphone(W, X, i)`. `W` holds invertible demixing matrices `(n_freqs, n_sources, n_channels)`, as many sources as channels; `X` is the mixture `(n_channels, n_freqs, n_frames)`; `i` counts microphones from 0. Return the images of all sources at microphone `i`, a complex array `(n_sources, n_freqs, n_frames)`.
#
# **By hand.** One frequency, one frame, $W = \begin{pmatrix}1 & 1\\ 0 & 2\end{pmatrix}$ and $\mathbf x = (1, 3)$. So $\mathbf y = (4, 6)$ and $W^{-1} = \begin{pmatrix}1 & -\frac12\\ 0 & \frac12\end{pmatrix}$. At microphone 0 the images are $1\cdot4 = 4$ and $-\frac12\cdot6 = -3$, which sum to 1. At microphone 1 they are 0 and 3.
#
# **Expected sound.** The right-hand player of the next cell, against the left-hand one.

# %% [markdown] hints="images_at_microphone"
# concept: The demixed outputs come first. Then one number for each source and frequency, taken from the inverse. Which index of the inverse stands for the microphone, and which for the source?
#
# structure: Demix all frequencies at once. Invert all matrices with one call of `np.linalg.inv`. Take row `i` of each inverse, shape `(n_freqs, n_sources)`, and multiply each output by its factor.
#
# line: `Y = np.einsum("knc,ckm->nkm", W, X)`, and with `A = np.linalg.inv(W)` the images are `A[:, i, :].T[:, :, None] * Y`.

# %% exercise="images_at_microphone" forbid="course_lib.bss"
def images_at_microphone(W, X, i):
    """Return what microphone i holds of each demixed source, shape (n_sources, n_freqs, n_frames)."""
    ### BEGIN SOLUTION
    Y = np.einsum("knc,ckm->nkm", W, X)
    mixing = np.linalg.inv(W)
    return mixing[:, i, :].T[:, :, None] * Y
    ### END SOLUTION


# %% test="images_at_microphone" points=2
_W, _X = np.array([[[1.0, 1.0], [0.0, 2.0]]]) + 0j, np.array([[[1.0]], [[3.0]]]) + 0j
check.close(
    images_at_microphone(_W, _X, 0),
    np.array([[[4.0]], [[-3.0]]]) + 0j,
    name="the images at microphone 0",
    mistakes={
        "these are the outputs as they came: multiply them by the elements of the inverse.": [[[4.0]], [[6.0]]],
        "a column of the inverse was taken, or of W itself: microphone i is row i of the inverse.": [[[4.0]], [[0.0]]],
        "the diagonal of the inverse was taken: that scales source n to microphone n.": [[[4.0]], [[3.0]]],
        "the outputs were divided by the element of the inverse: multiply.": [[[4.0]], [[-12.0]]],
        "the outputs were made with W transposed: row n of W makes output n.": [[[1.0]], [[-3.5]]],
        "each output was fitted to the microphone on its own: all of them together make its signal.": [[[1.0]], [[1.0]]],
    },
)
check.close(_X, np.array([[[1.0]], [[3.0]]]) + 0j, name="X itself, which your function must not change")
check.close(
    images_at_microphone(_W, _X, 1),
    np.array([[[0.0]], [[3.0]]]) + 0j,
    name="the images at microphone 1",
    mistakes={"microphone 0 was taken: use i.": [[[4.0]], [[-3.0]]]},
)
_W = np.array([[[1.0, 1j], [0.0, 1.0]]])
check.close(
    images_at_microphone(_W, _X, 0),
    np.array([[[1 + 3j]], [[-3j]]]),
    name="the images with complex filters",
    mistakes={
        "the filters were conjugated: the rows of W are to be used as they are.": [[[1 - 3j]], [[3j]]],
        "the outputs were made with conjugated filters: use W as it is.": [[[1 - 3j]], [[-3j]]],
        "the inverse was conjugated: use it as it is.": [[[1 + 3j]], [[3j]]],
    },
)
check.passed("the images sum to the microphone")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("images_at_microphone")
_odd, _even = 2 * int(_rng.integers(3, 30)) + 1, 2 * int(_rng.integers(3, 30))
for _n_channels, _n_freqs, _n_frames, _i in [(2, 1, 1, 0), (2, _odd, _even, 1), (3, _even, _odd, 2), (4, 5, 3, 1), (3, 3, 3, 0)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _X = _scale * (_rng.standard_normal((_n_channels, _n_freqs, _n_frames)) + 1j * _rng.standard_normal((_n_channels, _n_freqs, _n_frames)))
        _W = np.eye(_n_channels) * (2 + _rng.random()) + 0.3 * (_rng.standard_normal((_n_freqs, _n_channels, _n_channels)) + 1j * _rng.standard_normal((_n_freqs, _n_channels, _n_channels)))
        _W_before, _X_before = _W.copy(), _X.copy()
        _images = images_at_microphone(_W, _X, _i)
        check.shape(_images, _X.shape, name="the images")
        _expected = np.stack([np.stack([np.linalg.inv(_W[_k])[_i, _n] * (_W[_k, _n] @ _X[:, _k]) for _k in range(_n_freqs)]) for _n in range(_n_channels)])
        check.close(_images, _expected, relative_tolerance=1e-8, absolute_tolerance=0.0, name="the images of random filters")
        check.close(_images.sum(axis=0), _X[_i], relative_tolerance=1e-7, absolute_tolerance=0.0, name="the sum of the images")
        check.close(_W, _W_before, name="your input W after the call")
        check.close(_X, _X_before, absolute_tolerance=0.0, name="your input X after the call")
        _gains = 10 ** _rng.uniform(-3, 3, (_n_freqs, _n_channels, 1)) * np.exp(2j * np.pi * _rng.random((_n_freqs, _n_channels, 1)))
        check.close(images_at_microphone(_gains * _W, _X, _i), _images, relative_tolerance=1e-6, absolute_tolerance=0.0, name="the images when every row of W has another gain")
check.close(images_at_microphone(_W, 0 * _X, 1), 0 * _X, name="silence")
check.close(images_at_microphone(np.array([[[1, 1], [-1, 2]]]), np.array([[[1]], [[3]]]), 0), np.array([[[8 / 3]], [[-5 / 3]]]) + 0j, name="whole numbers")
check.close(images_at_microphone(_W, _X.real, 2), images_at_microphone(_W, _X.real + 0j, 2), name="the images when the mixture is real and the filters are not")
check.close(images_at_microphone(_W.real, _X, 2), images_at_microphone(_W.real + 0j, _X, 2), name="the images when the filters are real and the mixture is not")
### END HIDDEN TESTS

# %% tags="demo"
unscaled = bss.ilrma(X_duet, n_bases=2, scale=None, rng=np.random.default_rng(0))
voice_of = int(np.argmax([metrics.si_sdr(duet_references[0], sound) for sound in synthesise(duet_ilrma.sources)]))
gain_db = 20 * np.log10(np.abs(bss.projection_back_filter(unscaled.demixing_filter)[:, voice_of, 0] / unscaled.demixing_filter[:, voice_of, 0]))
print(f"Between 100 Hz and 7 kHz the gain of the voice's output is off by factors that span {np.ptp(gain_db[13:896]):.0f} dB")
listen(
    {"as ILRMA leaves it": synthesise(unscaled.sources[voice_of]), "projected back": synthesise(duet_ilrma.sources[voice_of])},
    sample_rate,
)

# %% [markdown]
# ### 7.4 How many bases?
#
# ILRMA has one number to choose: $B$. A voice changes its spectrum all the time. Music repeats a few notes. **Predict:** which of them wants more bases? And what else will happen as $B$ grows, when each run starts from other random numbers?
#
# As in the literature, we count: 2 to 9 bases, ten starts each, for two talkers and for two stems of music. The channels as they are make the start (`start="identity"`), so that the bases have to do all the work. A box holds the middle half of the ten results, the line in it is the median, and the dots are the single runs.

# %% tags="demo"
def study(sources, bases_to_try, n_starts=10):
    """SI-SDR improvement of ILRMA for each number of bases and each random start, shape (n_numbers, n_starts)."""
    sources = [source / np.sqrt(np.mean(source**2)) for source in sources]
    scene = scenes.random_room_scene(sources, rt60_s=0.2, n_microphones=2, rng=np.random.default_rng(2))
    n_samples = len(sources[0])
    targets, mixture = scene.images[:, 0, :n_samples], scene.mixture[:, :n_samples]
    X = stft.stft(mixture, frame_length=1024, hop_length=512)
    gains = np.zeros((len(bases_to_try), n_starts))
    for i, n_bases in enumerate(bases_to_try):
        for seed in range(n_starts):
            result = bss.ilrma(X, n_bases=n_bases, start="identity", n_iterations=40, rng=np.random.default_rng(seed))
            sounds = stft.istft(result.sources, frame_length=1024, hop_length=512, n_samples=n_samples)
            improvements = np.array([[metrics.si_sdr_improvement(r, s, mixture[0]) for s in sounds] for r in targets])
            gains[i, seed] = improvements[np.arange(2), metrics.best_permutation(improvements)].mean()
    return gains


bases_to_try = range(2, 10)
studied = {
    "Two talkers": study([data.speech_clip(talker, 6, corpus=CORPUS) for talker in (2, 3)], bases_to_try),
    "Bass and chords": study([data.music_clip(name, 6) for name in ("bass", "chords")], bases_to_try),
}
figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True, layout="constrained")
for (name, gains), colour, ax in zip(studied.items(), plots.PALETTE, axes, strict=False):
    ax.boxplot(gains.T, positions=bases_to_try, whis=(0, 100), widths=0.5, medianprops={"color": "black"})
    for n_bases, row in zip(bases_to_try, gains, strict=True):
        ax.plot(np.full(len(row), n_bases), row, ".", color=colour, markersize=4)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set(xlabel="Bases for each source", title=name)
    print(f"{name:16} medians " + ", ".join(f"{n_bases}: {np.median(row):.1f}" for n_bases, row in zip(bases_to_try, gains, strict=True)) + " dB")
axes[0].set_ylabel("Improvement (dB)")
figure.suptitle("Here the talkers want few bases, the music more; and within a column, luck decides")
plt.show()

# %% [markdown]
# For the talkers the median falls from 7.8 dB with two bases to about 5 with six and more. For the music it rises, from −0.3 to 2.1 dB. And in nearly every column luck decides about two decibels or more: the same method, the same recording, other random numbers. Who publishes one run publishes luck.
#
# A warning, in the same spirit: we *chose* these two recordings, because they show what the literature reports. Over ten such scenes of each kind (five pairs, two rooms) nine bases gave talkers 0.7 dB less than two, and music 0.5 dB more, each with a standard error of about half a decibel: the signs are right, and the rooms scatter more than the bases. Much of the music did not separate at all. Bass and lead share so few frequencies that nearly every order of the outputs fits both models.

# %% [markdown]
# ### Exercise 3.12 — What does the number of bases trade? (written)
#
# *2 points · 12 minutes · medium*
#
# **(a)** Describe the two ends: what can a source model with one flat basis not express, and what does a model with very many bases express that it should not? Relate both to the order of the outputs and to the spread over starts. **(b)** You have 3 s of two talkers, and later 60 s of a band with piano and bass. In which would you take more bases, and why? Name one thing besides the kind of sound that bears on the choice.

# %% [markdown] hints="bases"
# concept: The model's job is to tell which source a bin belongs to. A model that fits everything tells nothing.
#
# structure: For (a) go to the extremes: $B = 1$ and flat, then $B$ as large as the number of frames. What does the cost ask of $W$ in each? For (b) compare how often a spectrum comes back in speech and in music, and how much data there is for each number to be learnt.
#
# line: Begin with "With one flat basis a source is loud at all frequencies or at none, so …; with as many bases as frames the model can fit any mixture, so …".

# %% [markdown] written="bases" points=2
# ### BEGIN SOLUTION
# (a) One flat basis is Gauss-IVA: the model knows when a source is loud, and not at which frequencies. It ties all frequencies together firmly, which keeps the order of the outputs, but sources that are active all the time at different pitches (music) look alike to it, and the filters it finds are not sharp. With very many bases the model can fit any spectrogram,
# that of a *mixture* included. It then asks nothing of $W$: low cost does not mean good separation any more. Bases of one model can follow different sources at different frequencies, so that the frequencies lose their tie and the order can break up into bands. There are also many more local minima, so the random start decides more, and the results spread.
#
# (b) Few for the talkers (about two): spectra of speech change continually and do not come back exactly, so more bases do not describe it much better, and three seconds are little data to learn from. More for the band: notes repeat, each wants a basis, and a minute holds enough examples. Besides the kind of sound: the amount of data (frames), the length of the frames or of the reverberation, the quality of the start (for example IVA first), the number of sources.
#
# **Rubric**
#
# - 1 point: (a) both ends: too few cannot express spectra that differ in time (flat, as IVA), too many fit mixtures too or lose the tie between frequencies, with worse or more scattered results.
# - 1 point: (b) fewer for short speech and more for long music, with a reason from repetition of spectra or from the amount of data, and one more factor.
# ### END SOLUTION

# %% [markdown]
# ## 8. All methods on the same scenes
#
# Two scenes in the same kind of room: two talkers, and a talker with a melody. SI-SDR improvement and SIR are means over the two sources, in dB; the SIR (lesson 02, with filters of 512 taps) counts only what is left of the *other* source. The first row is the mixture itself. The oracle knows the answer.

# %% tags="demo"
def one_channel_oracle(images):
    return masks.apply_mask(masks.wiener_masks(np.abs(analyse(images)) ** 2), analyse(images.sum(axis=0)))


def frequency_domain(X):
    sources = bss.frequency_domain_ica(X, n_iterations=30, rng=np.random.default_rng(0)).sources
    return bss.project_back(sources, X)


def put_in_order(sources):
    return bss.reorder_sources(sources, bss.align_permutations(sources))


methods = {
    "ICA, any order": frequency_domain,
    "IVA, Laplace": lambda X: bss.auxiva(X).sources,
    "IVA, Gauss": lambda X: bss.auxiva(X, source_model="gauss").sources,
    "ILRMA, 2 bases": lambda X: bss.ilrma(X, n_bases=2, rng=np.random.default_rng(0)).sources,
    "ILRMA, 5 bases": lambda X: bss.ilrma(X, n_bases=5, rng=np.random.default_rng(0)).sources,
    "partitioned, 8 bases": lambda X: bss.ilrma(X, n_bases=8, partitioned=True, rng=np.random.default_rng(0)).sources,
}
both_scenes = {"two talkers": (X_talk, references), "voice and lead": (X_duet, duet_references)}
for separate in methods.values():
    separate(X_talk[:, :, :20])  # the first call compiles, which is not the method's time

results = {}
for scene, (X, targets) in both_scenes.items():
    for method, separate in methods.items():
        started = time.perf_counter()
        Y = separate(X)
        results[method, scene] = Y, time.perf_counter() - started
    Y, seconds_before = results["ICA, any order", scene]
    started = time.perf_counter()
    results["ICA, aligned", scene] = put_in_order(Y), seconds_before + time.perf_counter() - started

table = {}
print(f"{'':22}" + "".join(f"{scene:^35}" for scene in both_scenes))
print(f"{'method':22}" + "  improvement       SIR     time   " * 2)
names = ["ICA, any order", "ICA, aligned", *list(methods)[1:]]
for method in names:
    cells = ""
    for scene, (_, targets) in both_scenes.items():
        Y, elapsed = results[method, scene]
        table[method, scene], sounds = scores(Y, targets, targets.sum(axis=0))
        sir_db = metrics.bss_eval(targets, sounds).sir.mean()
        cells += f"{table[method, scene].mean():9.1f} dB {sir_db:7.1f} dB {elapsed:6.2f} s   "
    print(f"{method:22}" + cells)
for scene, (_, targets) in both_scenes.items():
    sounds = synthesise(one_channel_oracle(targets))
    table["oracle masks", scene] = np.array([metrics.si_sdr_improvement(r, s, targets.sum(axis=0)) for r, s in zip(targets, sounds, strict=True)])
print(f"{'oracle masks':22}" + "".join(f"{table['oracle masks', scene].mean():9.1f} dB{'':23}" for scene in both_scenes))

# %% tags="demo"
shown = [*names, "oracle masks"]
figure, ax = plt.subplots(figsize=(10, 4), layout="constrained")
for offset, scene, hatch in zip((-0.2, 0.2), both_scenes, ["", "//"], strict=True):
    ax.barh(np.arange(len(shown)) + offset, [table[name, scene].mean() for name in shown], height=0.38, hatch=hatch, edgecolor="white", label=scene)
ax.set_yticks(range(len(shown)), labels=shown)
ax.invert_yaxis()
ax.axvline(0, color="0.3", linewidth=0.8)
ax.set(xlabel="SI-SDR improvement (dB)", title="Order decides, and ILRMA with two bases does well in both scenes")
ax.legend()
plt.show()

# %% [markdown]
# What the table says. *Order decides.* The same separated bins give −2 dB in any order and 13 dB in a good one. Ordering by envelopes is as good as ILRMA for two talkers, whose loudness moves independently. For voice and lead it is nearly useless: the notes of the lead share few frequencies, so their envelopes have little in common. *IVA's tie is weak, ILRMA's is stronger*: ILRMA with two bases does well in both scenes, 13 and 10 dB, where Gauss-IVA has 7 and 9. *More bases* do not help here, and *sharing them* (the partitioned model) does not, either.
# *Time:* IVA is the quickest; ICA at each frequency, with its search for the order, is the slowest.
#
# For the talkers the oracle's masks, which know the answer, are less than 2 dB ahead of the best row: a mask cannot undo an overlap, and two microphones can. For voice and lead, which overlap little, masks would be far better, if one knew them. Lesson 04 joins masks and microphones.
#
# ## 9. Where it breaks
#
# Two of the causes can be measured here: the room's length, and the recording's. The talkers are the same, ILRMA has 2 bases. On the left they stay at their places and the room rings longer; on the right the room stays, and we cut the recording, for three draws of the places.

# %% tags="demo"
def talk_gain_db(rt60_s, seconds, places=PLACES):
    """Mean SI-SDR improvement of ILRMA for the talkers of section 1, in another room, for a shorter time, or at other places."""
    scene = scenes.random_room_scene(talkers, rt60_s=rt60_s, n_microphones=2, rng=np.random.default_rng(places))
    n_samples = int(seconds * sample_rate)
    mixture, targets = scene.mixture[:, :n_samples], scene.images[:, 0, :n_samples]
    sounds = synthesise(bss.ilrma(analyse(mixture), rng=np.random.default_rng(0)).sources, n_samples)
    table = np.array([[metrics.si_sdr_improvement(r, s, mixture[0]) for s in sounds] for r in targets])
    return table[np.arange(2), metrics.best_permutation(table)].mean()


rooms_s, lengths_s = [0.1, 0.2, 0.4, 0.6], [1, 2, 4, 8]
by_room = [talk_gain_db(rt60_s, 8) for rt60_s in rooms_s]
by_length = {places: [talk_gain_db(0.15, seconds, places) for seconds in lengths_s] for places in (3, PLACES, 6)}
figure, axes = plt.subplots(1, 2, figsize=(10, 3), sharey=True, layout="constrained")
axes[0].plot(rooms_s, by_room, marker="o")
axes[0].set(xlabel="Reverberation time (s)", ylabel="Improvement (dB)", title="Longer rooms leave less to gain")
for (places, gains), marker in zip(by_length.items(), "s^v", strict=True):
    axes[1].plot(lengths_s, gains, marker=marker, label=f"places {places}")
axes[1].legend()
axes[1].set(xlabel="Length of the recording (s)", title="Below eight seconds it is a matter of luck")
for ax in axes:
    ax.axhline(0, color="0.3", linewidth=0.8)
plt.show()
print("by room: ", ", ".join(f"{rt60_s} s: {gain:.1f} dB" for rt60_s, gain in zip(rooms_s, by_room, strict=True)))
for places, gains in by_length.items():
    print(f"places {places}: ", ", ".join(f"{seconds} s: {gain:.1f} dB" for seconds, gain in zip(lengths_s, gains, strict=True)))

# %% [markdown]
# - **The room is longer than the frame.** At $T_{60}$ = 0.6 s a quarter of the improvement is left. Section 5.1 says why: what arrives after the frame's end fits no single factor. Longer frames would fit, and leave too few of them.
# - **The recording is short.** Each frequency needs enough frames to learn its matrices and models. The right panel shows that more is not always better: four seconds can be worse than one, depending on what is said in them and by whom. At eight seconds all three draws gain about 7 dB or more.
# - **Somebody moves.** One $W_k$ for the whole recording means one place for each source. A head that turns by a few centimetres changes the phases at 4 kHz (a wavelength of 8.6 cm) by a good part of a turn. Algorithms that follow exist: they forget old frames, and then have less data.
# - **More sources than microphones.** $W_k$ has as many rows as there are microphones, and each of these $N$ rows can silence $N - 1$ sources. A third talker stays in both outputs. Diffuse noise is infinitely many sources.
# - **The number of bases** is wrong: section 7.4. So may be the number of sources, which we have taken as known.
# - **The start is bad.** The cost has local minima, such as the exchanged block of section 6. `bss.ilrma` therefore decorrelates the channels, and begins with 30 iterations of Gauss-IVA. Try `start="identity"`, and other seeds.
# - **Low frequencies.** At 100 Hz the wave is 3.4 m long, and two microphones 5 cm apart hear nearly the same. All methods are at their worst there.
#
# ## 10. What we have learnt
#
# - A spectrogram is nearly a sum of parts. NMF finds them by updates that cannot raise their cost, since each step goes to the bottom of a bowl that touches the cost from above.
# - Jensen's inequality takes sums out of convex functions, the tangent bounds concave ones. These two gave every algorithm of this lesson.
# - Itakura–Saito depends on quotients only. It is the likelihood of Gaussian variances; its exponent is ½.
# - Masks give each part its share, and the parts sum to the mixture. Components carry no names: knowledge must come from dictionaries, from rules, or from a second microphone.
# - In a room, one complex factor per frequency needs frames longer than the room. ICA at each frequency separates; the order is another problem.
# - IVA ties the frequencies of a source together by one number a frame, ILRMA by a few parts. The demixing is the same: weighted covariances, and one row (IP) or one column (ISS) at a time.
# - Projection back asks how the source sounds at a microphone, the one question about scale that has an answer.
# - The start matters, and so does the number of bases. Look at spreads, not at one run.
#
# **Next.** In lesson 04 you know where the talker sits, and the microphones form a beam.
#
# ### Further reading
#
# - D. D. Lee and H. S. Seung, "Learning the parts of objects by non-negative matrix factorization", *Nature* 401, 1999, and "Algorithms for non-negative matrix factorization", *NIPS* 13, 2001 (proceedings of 2000): the updates and the proof of section 2.3.
# - C. Févotte, N. Bertin and J.-L. Durrieu, "Nonnegative matrix factorization with the Itakura–Saito divergence: with application to music analysis", *Neural Computation* 21(3), 2009: section 2.4.
# - C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", *Neural Computation* 23(9), 2011: all three costs as one family, and the exponents.
# - P. Smaragdis, B. Raj and M. Shashanka, "Supervised and semi-supervised separation of sounds from single-channel mixtures", *ICA*, 2007: section 4.
# - H. Sawada, S. Araki and S. Makino, "Underdetermined convolutive blind source separation via frequency bin-wise clustering and permutation alignment", *IEEE Trans. ASLP* 19(3), 2011: section 5's envelopes, done well.
# - A. Hiroe, "Solution of permutation problem in frequency domain ICA, using multivariate probability density functions", and T. Kim, T. Eltoft and T.-W. Lee, "Independent vector analysis: an extension of ICA to multivariate components", both *ICA*, 2006; T. Kim, H. T. Attias, S.-Y. Lee and T.-W. Lee, "Blind source separation exploiting higher-order frequency dependencies", *IEEE Trans. ASLP* 15(1), 2007: where IVA began.
# - N. Ono, "Stable and fast update rules for independent vector analysis based on auxiliary function technique", *WASPAA*, 2011: sections 6.2 and 6.3.
# - R. Scheibler and N. Ono, "Fast and stable blind source separation with rank-1 updates", *ICASSP*, 2020: ISS.
# - D. Kitamura, N. Ono, H. Sawada, H. Kameoka and H. Saruwatari, "Determined blind source separation unifying independent vector analysis and nonnegative matrix factorization", *IEEE/ACM Trans. ASLP* 24(9), 2016: ILRMA, with box plots over starts like ours.
# - K. Matsuoka and S. Nakashima, "Minimal distortion principle for blind source separation", *ICA*, 2001: section 7.3.
