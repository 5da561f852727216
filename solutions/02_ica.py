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
#   title: Independent component analysis
# ---

# %% [markdown]
# # Lesson 02 — Independent component analysis
#
# You stand at a party, a glass in your hand. Four people talk at once, somebody plays the clarinet, and you follow the one voice
# that you care about. Your two ears each got the sum of everything. Nobody told you how loud each sound was at each ear, and
# nobody told you what the voices would say. This lesson does the same with numbers. From several mixtures, and from
# *nothing else*, it brings back what was mixed. The field calls that **blind** source separation.
#
# In this lesson you will
#
# - **hear** two voices in two microphones come apart, before you know how;
# - **prove** what no method can ever tell you: the order, the scale and the sign of the sources;
# - **see** why correlations are not enough, and what a histogram knows that they do not;
# - **derive** FastICA as a Newton step, and build it: whitening, the fixed point, deflation, symmetric decorrelation;
# - **measure** a separation with SNR, SI-SDR, SDR, SIR and SAR, five numbers that do not mean the same;
# - **break** it: Gaussian sources, too few microphones, noise, and a real room.
#
# | | |
# |---|---|
# | Time | about five hours: two and a half for the exercises, as much for reading and listening; take a break before section 5 |
# | Points | 20: ten programming exercises (15) and three written ones (5) |
# | You need | lesson 01 (convolution, for section 8), matrices and eigenvectors, mean and variance |
# | You will use again | lesson 03 runs this lesson's idea in every frequency bin; lessons 04 to 11 measure with section 4 |
#
# **How to work.** As in lesson 01: run the cells from top to bottom, replace `raise NotImplementedError` with your code, and run the cell below it. Each exercise
# has three folded hints; open one at a time. Use headphones.

# %%
import itertools
import time

import matplotlib.pyplot as plt
import numpy as np

from course_lib import check, data, ica, metrics, plots, scenes, stft
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.listen import listen

plots.use_style()

sample_rate = SAMPLE_RATE_HZ
CORPUS = "offline"

voices = np.array([data.speech_clip(talker, 8, corpus=CORPUS) for talker in range(3)])
melody = data.music_clip("lead", 8)

print(f"Three voices, shape {voices.shape}, and a melody, shape {melody.shape}: 8 s at {sample_rate} Hz")
print("Corpora of real recordings on this machine:", ", ".join(data.fetched_corpora()) or "none yet")

# %% [markdown]
# The voices are synthetic, so that the lesson runs everywhere. Real ones are better to listen to. If you have fetched some (`python data_fetch.py fetch mini-librispeech` in a
# terminal), write `CORPUS = "mini-librispeech"` above and run everything again. The text quotes the numbers of the offline voices.
# With recordings of real talkers the figures keep their shape, and the numbers move. In a trial with two of them the outputs of section 1 reached 43 and 75 dB instead of 47 and 61, the kurtosis of a voice was 5 and 14, the party of section 7 (with one of them twice) gained 42 to 48 dB in the mean, and the room of section 8 was as hard: 3 dB of SIR.

# %% [markdown]
# ## 1. Listen first
#
# Two people talk at the same time, and two microphones record. To begin with, nothing is delayed and nothing echoes: each microphone gets each voice at some loudness, and adds them up. A mixing desk does
# that, and so does a pair of microphones that stand in one point and look in two directions. A room does more, and section 8 will pay for it.
#
# The third and the fourth player hold what `course_lib.ica.fastica` makes of the two recordings. It was given the two rows of numbers, and that is all: no training, no knowledge of speech, no word on who sits where.
#
# **Before you run it, guess.** Two numbers come in at each instant, and two numbers go out. Each output will be one fixed weighted sum of the two microphones, the same for the whole recording. Can a fixed weighted sum silence
# a person? What would you still hear?

# %% tags="demo"
A_two = np.array([[0.8, 0.5], [0.4, 0.9]])
pair = voices[:2]
microphones = A_two @ pair
found = ica.fastica(microphones, rng=np.random.default_rng(0))
listen({"microphone 1": microphones[0], "microphone 2": microphones[1], "output 1": found.sources[0], "output 2": found.sources[1]}, sample_rate)

# %% [markdown]
# A fixed weighted sum can silence a person completely, if the weights are right. In microphone 1 the second voice lies 4 dB below the first, in microphone 2 it lies 7 dB above. Subtract the right share of one recording from the other, and one voice cancels. Everything in this lesson is
# about finding the right share *without knowing anything*.
#
# How good is it? In numbers:

# %% tags="demo"
scores = np.array([[metrics.si_sdr(voice, output) for output in found.sources] for voice in pair])
order = metrics.best_permutation(scores)
for j in range(2):
    before = metrics.si_sdr(pair[j], microphones[j])
    print(f"voice {j + 1}: {before:4.1f} dB in microphone {j + 1}, {scores[j, order[j]]:5.1f} dB in output {order[j] + 1}")

# %% [markdown]
# The unit is explained in section 4. For now: at 0 dB both voices are equally loud, and at 47 dB the other one has a fifty-thousandth of the energy. You cannot hear it.

# %% [markdown]
# ## 2. The mixing model and its ambiguities
#
# ### 2.1 One matrix
#
# Call the sources $s_1[n], \dots, s_N[n]$ and the microphone signals $x_1[n], \dots, x_M[n]$. Microphone $i$ hears source $j$ with the gain $a_{ij}$, and adds:
#
# $$x_i[n] = \sum_{j=1}^{N} a_{ij}\,s_j[n] \qquad\text{or, with all of them in columns,}\qquad \boxed{\;\mathbf x[n] = \mathbf A\,\mathbf s[n]\;}$$
#
# $\mathbf A$ has $M$ rows (microphones) and $N$ columns (sources). Column $j$ is the *fingerprint* of source $j$: what the microphones would show if it were alone. In arrays, `X = A @ S` with `S` of shape `(n_sources, n_samples)` and `X` of shape `(n_channels, n_samples)`.
#
# In this lesson there are as many microphones as sources, $M = N$: the mixture is **determined**. If somebody gave you $\mathbf A$, you would be done: $\mathbf s = \mathbf A^{-1}\mathbf x$. Nobody does. You look for a **demixing matrix** $\mathbf B$ with $\mathbf B\mathbf A$ as close to the
# identity as can be hoped for. How close is that?
#
# ### 2.2 What the microphones cannot know
#
# Somebody claims that the sources were others: $s_j'[n] = d_j\,s_{p_j}[n]$. They come in another order $p$, each with another gain $d_j \ne 0$. Can the microphones prove them wrong? Write the claim with matrices, $\mathbf s' = \mathbf D\mathbf P\,\mathbf s$, where $\mathbf P$ has a
# single one in each row (row $j$ picks source $p_j$) and $\mathbf D$ is diagonal. Both can be inverted, so
#
# $$\mathbf x = \mathbf A\,\mathbf s = \underbrace{\mathbf A\,\mathbf P^{\mathsf T}\mathbf D^{-1}}_{\mathbf A'}\;\underbrace{\mathbf D\,\mathbf P\,\mathbf s}_{\mathbf s'}.$$
#
# Exactly the same microphone signals, from other sources and another matrix. And if the sources were independent of each other, the new ones are, too: reordering and scaling do not make one know anything of another. So no method that looks at $\mathbf x$ alone,
# now or ever, can tell the order, the scale or the sign. The best that we can hope for is $\mathbf B\mathbf A = \mathbf D\mathbf P$: a matrix with **one** nonzero entry in each row and each column.
#
# The usual way out is a convention. We let all sources have variance 1, and put the loudness into the columns of $\mathbf A$. `course_lib.ica` sorts them by how much energy they contribute, and chooses each sign such that the largest entry of its column is positive.

# %% [markdown]
# ### Exercise 2.1 — Another mixture with the same sound
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You can write down, for any order and any gains, the matrix that makes them agree with the recording.
#
# **Task.** Write `equivalent_mixing(A, order, gains)`. `A` has the shape `(n_channels, n_sources)`. The new sources are $s_j' = \texttt{gains}[j]\cdot s_{\texttt{order}[j]}$. Return the matrix $\mathbf A'$ with which they give the same microphone signals, as a NumPy array
# of floating-point numbers. `A` itself must stay as it is.
#
# **By hand.** Take `A = [[1, 2], [3, 4]]`, `order = [1, 0]` and `gains = [2, -1]`. The first new source is twice the old second one, so its fingerprint is half the old second column: `[1, 2]`. The second is the old first one upside down: `[-1, -3]`. Together `[[1, -1], [2, -3]]`.
#
# **Expected number.** `equivalent_mixing(A, order, gains) @ S_new` and `A @ S` agree to about 15 digits.

# %% [markdown] hints="equivalent_mixing"
# concept: A source that is said to be twice as loud must be heard half as strongly, or the microphones would notice. What the order does to the sources it must do to their fingerprints.
#
# structure: Fingerprints are the columns of `A`. First put the columns into the new order, then divide each column by its own gain.
#
# line: `A[:, order]` takes the columns in the new order; dividing by an array of `n_sources` gains divides column by column.

# %% exercise="equivalent_mixing" forbid="course_lib.ica"
def equivalent_mixing(A, order, gains):
    """Return the mixing matrix with which the reordered, scaled sources give the same microphone signals."""
    ### BEGIN SOLUTION
    return np.asarray(A)[:, order] / np.asarray(gains)
    ### END SOLUTION


# %% test="equivalent_mixing" points=1
check.close(
    equivalent_mixing(np.array([[1, 2], [3, 4]]), [1, 0], [2, -1]),
    np.array([[1.0, -1.0], [2.0, -3.0]]),
    name="equivalent_mixing on the example",
    mistakes={
        "a louder source needs a smaller gain: divide the column, do not multiply it.": [[4, -1], [8, -3]],
        "the rows were reordered and scaled: fingerprints are columns.": [[1.5, 2], [-1, -2]],
        "the columns keep their old order.": [[0.5, -2], [1.5, -4]],
        "the gains were put into the new order as well: gains[j] belongs to the new source j.": [[-2, 0.5], [-4, 1.5]],
    },
)
check.close(
    equivalent_mixing(np.array([[1, 10, 100]]), [2, 0, 1], [1, 2, 4]),
    np.array([[100.0, 0.5, 2.5]]),
    name="equivalent_mixing of [[1, 10, 100]] with the order [2, 0, 1] and the gains [1, 2, 4]",
    mistakes={
        "the order was read the wrong way round: new source j is the old source order[j].": [[10.0, 50.0, 0.25]],
        "the result was cut to whole numbers: make the new matrix a floating-point one.": [[100.0, 0.0, 2.0]],
    },
)
check.passed("other sources, another matrix, the same microphones")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("equivalent_mixing")
for _n_channels, _n_sources in [(1, 1), (2, 2), (3, 3), (5, 4), (2, 5), (int(_rng.integers(6, 12)), int(_rng.integers(6, 12)))]:
    for _scale in [1.0, 1e-6, 1e6]:
        _A, _S = _scale * _rng.standard_normal((_n_channels, _n_sources)), _rng.standard_normal((_n_sources, 9))
        _order = _rng.permutation(_n_sources).tolist()
        _gains = (_rng.choice([-1.0, 1.0], _n_sources) * _rng.uniform(0.2, 5.0, _n_sources)).tolist()
        _A_before = _A.copy()
        _A_new = equivalent_mixing(_A, _order, _gains)
        check.shape(_A_new, (_n_channels, _n_sources), name="the new mixing matrix")
        _S_new = np.array(_gains)[:, None] * _S[_order]
        check.close(np.asarray(_A_new) @ _S_new, _A @ _S, relative_tolerance=1e-10, absolute_tolerance=0.0, name="what the microphones hear")
        check.close(_A, _A_before, name="your input A after the call")
_A = _rng.integers(-9, 10, (3, 3))
check.close(equivalent_mixing(_A, [0, 2, 1], [2, 4, -8]), _A[:, [0, 2, 1]] / np.array([2.0, 4.0, -8.0]), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 2.2 — Why nobody can know the order and the scale (written)
#
# *1 point · 8 minutes · easy*
#
# A friend sells a program that, from two microphone signals and nothing else, returns both voices **at their true loudness and in the right order, always**. Explain in your own words why that cannot be. Then name one piece of further knowledge that would
# settle the order, and one that would settle the scale.

# %% [markdown] hints="why_order_and_scale"
# concept: A program is a function of its input. What must it return for two parties that give exactly the same input?
#
# structure: Describe two different pairs of voices and two different matrices that give the same recording. Say what the program would have to return for both. Then ask what you would have to know about the speakers or the microphones.
#
# line: Begin with "Let the first party have sources $\mathbf s$ and the matrix $\mathbf A$. A second party, with sources $\mathbf s' = \dots$, has the same recording, because …".

# %% [markdown] written="why_order_and_scale" points=1
# ### BEGIN SOLUTION
# Let one party have sources $\mathbf s$ and the matrix $\mathbf A$. Let a second one have the sources $\mathbf s' = \mathbf D\mathbf P\mathbf s$, the same voices reordered and scaled, and the matrix $\mathbf A\mathbf P^{\mathsf T}\mathbf D^{-1}$. The two recordings are equal sample by sample.
# The program is a function of the recording, so it returns the same for both, and is wrong for at least one of them. The order could be settled by something about the sources (a sample of a speaker's voice, say) or about their directions; the scale by one known gain for each source, for example a
# calibrated microphone at a known distance, or the agreement that each output is scaled as it stands in microphone 1.
#
# **Rubric**
#
# - 1 point: gives the argument (a reordered, scaled set of sources with a compensating matrix gives the same recording, so one input would need two outputs) and one sensible example of further knowledge for the order and one for the scale.
# ### END SOLUTION

# %% [markdown]
# ## 3. Why second order is not enough
#
# ### 3.1 A picture of two signals
#
# Forget time for a while. Plot one point for each sample: to the right what microphone 1 says, upwards what microphone 2 says. Time is lost, and nothing that we need goes with it. Without mixing, the two voices make a cross: most of the time at least one of them is silent or soft, so points lie near
# the axes. Mixing is a linear map. It turns the axes into the two columns of $\mathbf A$.
#
# **Predict.** What will the cloud look like if you make the two microphone signals uncorrelated and equally loud?

# %% tags="demo"
def scatter(ax, signals, title, *, limit=3.5, every=16):
    """Draw one dot for each sample that is shown, of two signals scaled to unit variance together."""
    signals = signals / signals.std()
    ax.plot(signals[0, ::every], signals[1, ::every], ".", color=plots.PALETTE[0], markersize=1.5, alpha=0.4)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)


def arrows(ax, columns, labels=None):
    """Draw the directions of the columns of a matrix, scaled to equal length."""
    for index, column in enumerate(columns.T):
        tip = 2.6 * column / np.linalg.norm(column)
        color, style = plots.PALETTE[index + 1], ["-", "--"][index]
        ax.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "->", "color": color, "linestyle": style, "linewidth": 2.5})
        if labels is not None:
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
            ax.text(*(1.22 * tip), labels[index], color=color, ha="center", va="center", bbox=box)


white = ica.whiten(microphones)
turned = white.whitening_matrix @ A_two
figure, axes = plt.subplots(1, 3, figsize=(10, 3.8), layout="constrained")
scatter(axes[0], pair, "Sources: a cross")
arrows(axes[0], np.eye(2), ["$s_1$", "$s_2$"])
scatter(axes[1], microphones, "Microphones: a sheared cross")
arrows(axes[1], A_two, [r"$\mathbf{a}_1$", r"$\mathbf{a}_2$"])
scatter(axes[2], white.signals, "Whitened: a turned cross")
arrows(axes[2], turned, [r"$\mathbf{Va}_1$", r"$\mathbf{Va}_2$"])
for ax, name in zip(axes, ["source", "microphone", "white signal"], strict=True):
    ax.set(xlabel=f"{name} 1 (std. dev.)", ylabel=f"{name} 2")
figure.suptitle("Mixing shears the cross; whitening undoes the shear, and leaves a rotation")
plt.show()
cosine = turned[:, 0] @ turned[:, 1] / np.prod(np.linalg.norm(turned, axis=0))
print(f"Angle between the two arrows: {np.degrees(np.arccos(A_two[:, 0] @ A_two[:, 1] / np.prod(np.linalg.norm(A_two, axis=0)))):.1f}° before whitening, {np.degrees(np.arccos(cosine)):.1f}° after it")

# %% [markdown]
# ### 3.2 Centring and whitening, derived
#
# Take the mean off each channel: $\mathbf x \leftarrow \mathbf x - \mathbb E\{\mathbf x\}$. ($\mathbb E$ is the mean over the samples.) The model survives, since the mean of $\mathbf A\mathbf s$ is $\mathbf A$ times the mean of $\mathbf s$. From now on everything has mean zero.
#
# What do correlations know? All of them stand in the **covariance matrix** $\mathbf C = \mathbb E\{\mathbf x\mathbf x^{\mathsf T}\}$. It is symmetric, so it has orthonormal eigenvectors (the columns of $\mathbf E$) and real eigenvalues (the diagonal of $\mathbf\Lambda$), all positive unless some weighted sum of the channels is silent, and
# $\mathbf C = \mathbf E\mathbf\Lambda\mathbf E^{\mathsf T}$. Now set
#
# $$\mathbf V = \mathbf\Lambda^{-1/2}\mathbf E^{\mathsf T}, \qquad \mathbf z = \mathbf V\mathbf x.$$
#
# This turns the eigenvectors onto the axes, and divides along each axis by the standard deviation there. The new covariance is
#
# $$\mathbb E\{\mathbf z\mathbf z^{\mathsf T}\} = \mathbf V\mathbf C\mathbf V^{\mathsf T} = \mathbf\Lambda^{-1/2}\mathbf E^{\mathsf T}\,\mathbf E\mathbf\Lambda\mathbf E^{\mathsf T}\,\mathbf E\mathbf\Lambda^{-1/2} = \mathbf I.$$
#
# Signals with the identity as covariance are called **white**. It is a property across channels: each of them may still have any spectrum.
#
# ### 3.3 What is left is a rotation
#
# Let the sources be uncorrelated with variance 1, as we agreed: $\mathbb E\{\mathbf s\mathbf s^{\mathsf T}\} = \mathbf I$. Then $\mathbf z = \mathbf V\mathbf A\,\mathbf s$, and
#
# $$\mathbf I = \mathbb E\{\mathbf z\mathbf z^{\mathsf T}\} = \mathbf V\mathbf A\;\mathbb E\{\mathbf s\mathbf s^{\mathsf T}\}\,(\mathbf V\mathbf A)^{\mathsf T} = (\mathbf V\mathbf A)(\mathbf V\mathbf A)^{\mathsf T}.$$
#
# So $\mathbf V\mathbf A$ is **orthogonal**: a rotation, perhaps with a mirror. Its columns stand at right angles, and that is what the third panel shows. The sources are $\mathbf s = \mathbf W\mathbf z$ with an orthogonal $\mathbf W = (\mathbf V\mathbf A)^{\mathsf T}$, and the
# whole demixing matrix is $\mathbf B = \mathbf W\mathbf V$.
#
# Can correlations find $\mathbf W$? For *every* orthogonal $\mathbf W$ the signals $\mathbf W\mathbf z$ have the covariance $\mathbf W\mathbf I\mathbf W^{\mathsf T} = \mathbf I$. They are all equally uncorrelated. Second order has said all that it knows. Count it: $\mathbf A$ has $N^2$ unknown numbers,
# and a symmetric matrix gives $N(N+1)/2$ equations. What is missing is $N(N-1)/2$, which is the number of angles of a rotation in $N$ dimensions: one angle for two sources, six for four.
#
# Whitening is unique only up to such a rotation: $\mathbf Q\mathbf V$ whitens as well as $\mathbf V$ does, for every orthogonal $\mathbf Q$. The choice $\mathbf Q = \mathbf E$, which is $\mathbf V = \mathbf E\mathbf\Lambda^{-1/2}\mathbf E^{\mathsf T}$, is called ZCA. It changes the channels as little as possible.

# %% [markdown]
# ### Exercise 2.3 — Whitening
#
# *2 points · 15 minutes · medium*
#
# **Outcome.** You can turn any channels into white ones, and you know why the eigenvalues' *roots* divide.
#
# **Task.** Write `whiten_signals(X)` for an array of shape `(n_channels, n_samples)`. Take off the mean of each channel, then apply a whitening matrix. Return white signals of the same shape. Use $1/N$ for the mean over $N$ samples (`np.cov` divides by $N - 1$). Every whitening matrix is right,
# $\mathbf\Lambda^{-1/2}\mathbf E^{\mathsf T}$ as well as $\mathbf E\mathbf\Lambda^{-1/2}\mathbf E^{\mathsf T}$. No channel is a weighted sum of others, so all eigenvalues are positive.
#
# **By hand.** `X = [[13, 11, 9, 7], [21, 23, 17, 19]]` has the means 10 and 20; without them it is `[[3, 1, -1, -3], [1, 3, -3, -1]]`, with the covariance `[[5, 3], [3, 5]]`. Its eigenvectors are $(1, 1)/\sqrt2$ and $(1, -1)/\sqrt2$, with the eigenvalues 8 and 2. Along the first,
# the samples are $(4, 4, -4, -4)/\sqrt2$. Divided by $\sqrt8$, that is `[1, 1, -1, -1]`. Along the second, they are $(2, -2, 2, -2)/\sqrt2$, and divided by $\sqrt2$ `[1, -1, 1, -1]`. Both have variance 1, and their product has the mean 0.
#
# **Expected picture.** Right angles: the third panel above, perhaps turned or mirrored.

# %% [markdown] hints="whiten_signals"
# concept: Whitening looks along the eigenvectors of the covariance, and measures there in units of the standard deviation. A standard deviation is the root of a variance, and the variances are the eigenvalues.
#
# structure: Subtract `X.mean(axis=1, keepdims=True)`. Compute the covariance as a matrix product divided by the number of samples. `np.linalg.eigh` returns the eigenvalues, and the eigenvectors as *columns*. Project the signals onto the columns, and divide each row by the root of its eigenvalue.
#
# line: With `eigenvalues, E = np.linalg.eigh(covariance)`, the projection is `E.T @ centred`, and the result is `E.T @ centred / np.sqrt(eigenvalues)[:, None]`.

# %% exercise="whiten_signals" forbid="course_lib.ica sklearn"
def whiten_signals(X):
    """Return white signals of the shape of X, (n_channels, n_samples): mean zero, covariance the identity."""
    ### BEGIN SOLUTION
    centred = X - X.mean(axis=1, keepdims=True)
    eigenvalues, E = np.linalg.eigh(centred @ centred.T / X.shape[1])
    return E.T @ centred / np.sqrt(eigenvalues)[:, np.newaxis]
    ### END SOLUTION


# %% test="whiten_signals" points=2
_X = np.array([[13.0, 11.0, 9.0, 7.0], [21.0, 23.0, 17.0, 19.0]])
_X_before = _X.copy()
_Z = whiten_signals(_X)
check.close(
    _X,
    _X_before,
    name="your input X after the call",
    mistakes={"X was changed in place: write X = X - mean, which makes a new array, and not X -= mean.": _X_before - _X_before.mean(axis=1, keepdims=True)},
)
check.shape(_Z, (2, 4), name="whiten_signals on the example", mistakes={"the result is transposed: channels are rows.": (4, 2), "this is a matrix; apply it to the signals.": (2, 2)})
_Z = np.asarray(_Z)
check.close(_Z.mean(axis=1), np.zeros(2), absolute_tolerance=1e-9, name="the means of your white signals")
check.close(
    _Z @ _Z.T / 4,
    np.eye(2),
    absolute_tolerance=1e-9,
    name="the covariance of your white signals",
    mistakes={
        "the signals look along the eigenvectors, but nothing was divided by the standard deviations.": [[2, 0], [0, 8]],
        "the signals look along the eigenvectors, but nothing was divided by the standard deviations there.": [[8, 0], [0, 2]],
        "you divided by the eigenvalues: they are variances, and their roots belong here.": [[0.5, 0], [0, 0.125]],
        "you divided by the eigenvalues; they are variances, and their roots belong here.": [[0.125, 0], [0, 0.5]],
        "you multiplied by the roots of the eigenvalues: divide.": [[4, 0], [0, 64]],
        "the covariance was divided by N - 1, as np.cov does: divide by N.": [[0.75, 0], [0, 0.75]],
        "each channel was scaled by itself; they are still correlated.": [[1, 0.6], [0.6, 1]],
    },
)
_centred = _X - np.array([[10.0], [20.0]])
check.close(_centred @ _Z.T / 4 @ _Z, _centred, name="the microphones, computed back from your white signals")
_X = np.array([[2.0, 1.0, 0.0], [0.5, 1.0, 1.0], [0.0, -1.0, 3.0]]) @ np.sin(np.outer([1.0, 2.0, 3.0], np.arange(24)))
_centred = _X - _X.mean(axis=1, keepdims=True)
_eigenvalues, _E = np.linalg.eigh(_centred @ _centred.T / 24)
_not_projected = _E @ _centred / np.sqrt(_eigenvalues)[:, None]
_Z = np.asarray(whiten_signals(_X))
check.close(
    _Z @ _Z.T / 24,
    np.eye(3),
    absolute_tolerance=1e-9,
    name="the covariance of three white signals",
    mistakes={"the eigenvectors are the columns of E: project with E.T @ X, not E @ X.": _not_projected @ _not_projected.T / 24},
)
check.passed("the channels are white: mean zero, variance one, no correlation")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("whiten_signals")
_n_drawn = 2 * int(_rng.integers(50, 400)) + 1
for _n_channels, _n in [(2, 3), (2, _n_drawn), (3, _n_drawn + 1), (5, 400), (7, 2001)]:
    _mixing = np.linalg.qr(_rng.standard_normal((_n_channels, _n_channels)))[0] * _rng.uniform(0.1, 3.0, _n_channels)
    _random = _rng.random((_n, _n_channels))
    _clean = np.linalg.qr(_random - _random.mean(axis=0))[0].T * np.sqrt(_n)
    for _scale in [1.0, 1e-6, 1e6]:
        _X = _scale * (_mixing @ _clean + _rng.uniform(-5.0, 5.0, (_n_channels, 1)))
        _X_before = _X.copy()
        _Z = np.asarray(whiten_signals(_X))
        check.shape(_Z, (_n_channels, _n), name="your white signals")
        check.finite(_Z, name="your white signals")
        check.close(_Z.mean(axis=1), np.zeros(_n_channels), absolute_tolerance=1e-7, name="the means of your white signals")
        check.close(_Z @ _Z.T / _n, np.eye(_n_channels), absolute_tolerance=1e-7, name="the covariance of your white signals")
        _centred = _X - _X.mean(axis=1, keepdims=True)
        check.close(_centred @ _Z.T / _n @ _Z, _centred, relative_tolerance=1e-6, absolute_tolerance=0.0, name="the microphones, computed back from your white signals")
        check.close(_X, _X_before, name="your input X after the call")
_X = _rng.integers(-9, 10, (2, 60))
_Z = np.asarray(whiten_signals(_X))
check.close(_Z @ _Z.T / 60, np.eye(2), absolute_tolerance=1e-7, name="the covariance, from whole numbers")
_Z = np.asarray(check.within_seconds(2.0, whiten_signals, _rng.standard_normal((4, 30_000)) ** 3))
check.close(_Z @ _Z.T / 30_000, np.eye(4), absolute_tolerance=1e-7, name="the covariance of long signals")
### END HIDDEN TESTS

# %% [markdown]
# ### 3.4 Turn it yourself
#
# One angle is left. In the figure below, the white signals are turned by three degrees a step. Watch the cloud, and watch the numbers: the covariance does not move, whatever you do. Something else does. **At which angle would you stop, and how did you know?**
# (Without a running kernel, look at the four pictures that follow.)

# %% tags="demo"
def rotation(angle_deg):
    """Return the matrix that turns a plane by an angle."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[c, -s], [s, c]])


def rotated(angle_deg, ax):
    """Draw the white signals, turned by an angle, and what their numbers say."""
    signals = rotation(angle_deg) @ white.signals
    scatter(ax, signals, f"Turned by {angle_deg}°: correlation {np.corrcoef(signals)[0, 1]:.2f}")
    ax.set(xlabel="output 1", ylabel="output 2")


plots.with_slider(rotated, list(range(0, 91, 3)), value=0, label="angle in °", figure_size=(4.5, 4.2))

# %% tags="demo"
figure, axes = plt.subplots(1, 4, figsize=(10, 3.4), sharey=True, layout="constrained")
for angle_deg, ax in zip([0, 18, 39, 66], axes, strict=True):
    rotated(angle_deg, ax)
    ax.set_title(f"{angle_deg}°: correlation {abs(np.corrcoef(rotation(angle_deg) @ white.signals)[0, 1]):.2f}")
    ax.label_outer()
figure.suptitle("Every angle is uncorrelated; only one lays the cross onto the axes")
plt.show()

# %% [markdown]
# Points near the axes mean that one output is silent while the other one speaks. Correlation does not see that; your eye does. Sections 5 and 6 turn what the eye sees into a formula. Before that, we need a ruler.

# %% [markdown]
# ## 4. Measuring a separation
#
# ### 4.1 SNR counts everything
#
# You know a source $s$ and have an estimate $\hat s$ of it. The oldest measure is the **signal-to-noise ratio**:
#
# $$\mathrm{SNR} = 10\log_{10}\frac{\lVert s\rVert^2}{\lVert \hat s - s\rVert^2}\ \text{dB}.$$
#
# Every difference is noise. Let $\hat s = \tfrac12 s$, the voice itself, a little softer. Then $\hat s - s = -\tfrac12 s$, and the SNR is $10\log_{10}4 = 6.02$ dB. With the sign flipped, $\hat s = -s$, it is $-6.02$ dB. You hear no difference at all. Since section 2 has shown that nobody can know scale and
# sign, the SNR cannot judge a blind separation.
#
# ### 4.2 SI-SDR forgives the scale
#
# So let the reference have the scale that fits best. Which multiple $\alpha s$ of the reference lies nearest to $\hat s$? Set the derivative of $\lVert\hat s - \alpha s\rVert^2$ with respect to $\alpha$ to zero: $-2\langle\hat s - \alpha s,\,s\rangle = 0$, and so
#
# $$\alpha = \frac{\langle\hat s, s\rangle}{\lVert s\rVert^2}, \qquad \boxed{\;\mathrm{SI\text{-}SDR} = 10\log_{10}\frac{\lVert\alpha s\rVert^2}{\lVert\hat s - \alpha s\rVert^2}\;}$$
#
# the **scale-invariant signal-to-distortion ratio**. The condition says that the error $\hat s - \alpha s$ stands at a right angle to $s$. So Pythagoras holds, $\lVert\hat s\rVert^2 = \lVert\alpha s\rVert^2 + \lVert\hat s - \alpha s\rVert^2$. With the correlation coefficient
# $\rho = \langle\hat s, s\rangle / (\lVert\hat s\rVert\,\lVert s\rVert)$ the numerator is $\rho^2\lVert\hat s\rVert^2$, and what Pythagoras leaves for the denominator is $(1-\rho^2)\lVert\hat s\rVert^2$:
#
# $$\mathrm{SI\text{-}SDR} = 10\log_{10}\frac{\rho^2}{1-\rho^2}.$$
#
# It is the angle between two vectors, in decibels, and nothing else. Many toolkits subtract the mean from both signals first, since a constant is no sound. We do, too.

# %% tags="demo"
figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
estimate, target = np.array([2.4, 1.1]), np.array([2.4, 0.0])
for tip, label, color, style, place in [
    (target, r"$\alpha s$", plots.PALETTE[2], "--", (2.3, -0.3)),
    ((1.5, 0), "$s$", plots.PALETTE[0], "-", (1.4, -0.3)),
    (estimate, r"$\hat s$", plots.PALETTE[1], "-", (1.1, 0.72)),
]:
    ax.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "->", "color": color, "linestyle": style, "linewidth": 2})
    ax.text(*place, label, color=color, fontsize=14)
ax.annotate("", estimate, target, arrowprops={"arrowstyle": "->", "color": plots.PALETTE[3], "linewidth": 2})
ax.text(2.5, 0.5, r"$\hat s - \alpha s$: the error of SI-SDR", color=plots.PALETTE[3])
ax.annotate("", estimate, (1.5, 0), arrowprops={"arrowstyle": "->", "color": "0.5", "linestyle": ":", "linewidth": 2})
ax.text(1.25, 0.2, r"$\hat s - s$", color="0.4", ha="right")
ax.plot([2.22, 2.22, 2.4], [0, 0.18, 0.18], color="0.3", linewidth=1)
ax.set(xlim=(-0.1, 3.5), ylim=(-0.45, 1.25), aspect="equal", title="SI-SDR measures the error at a right angle; SNR measures the dotted one")
ax.axis("off")
plt.show()

# %% [markdown]
# ### Exercise 2.4 — SI-SDR by projection
#
# *2 points · 12 minutes · medium*
#
# **Outcome.** You can compute the most quoted number of the field, and you know which of the two signals is scaled.
#
# **Task.** Write `scale_invariant_sdr(reference, estimate)` for two arrays with one axis. Subtract the mean of each, project, and return the boxed ratio in dB, as a number.
#
# **By hand.** `reference = [1, -1, 1, -1]` and `estimate = [3, -1, 1, -3]` have the means 0. The inner product is $3 + 1 + 1 + 3 = 8$, the reference's energy 4, so $\alpha = 2$. What is left is `[3, -1, 1, -3] - [2, -2, 2, -2] = [1, 1, -1, -1]`. The ratio of energies is $16/4 = 4$, which is 6.02 dB. (The SNR is −3.01 dB.)
#
# **Expected number.** The same as `metrics.si_sdr(reference, estimate)`, to about 12 digits.

# %% [markdown] hints="scale_invariant_sdr"
# concept: Split the estimate into a part along the reference and a part at a right angle to it. The first is what you wanted, the second is the distortion.
#
# structure: After taking the means off, compute $\alpha$ from two sums, then the arrays $\alpha s$ and $\hat s - \alpha s$, then the ratio of their energies. An energy ratio needs $10\log_{10}$.
#
# line: `alpha = (estimate @ reference) / (reference @ reference)`: divide by the energy of the *reference*, for it is the reference that gets scaled.

# %% exercise="scale_invariant_sdr" forbid="course_lib.metrics"
def scale_invariant_sdr(reference, estimate):
    """Return the scale-invariant signal-to-distortion ratio in dB of two signals, their means removed."""
    ### BEGIN SOLUTION
    reference = reference - np.mean(reference)
    estimate = estimate - np.mean(estimate)
    target = (estimate @ reference) / (reference @ reference) * reference
    distortion = estimate - target
    return 10 * np.log10((target @ target) / (distortion @ distortion))
    ### END SOLUTION


# %% test="scale_invariant_sdr" points=2
check.close(
    scale_invariant_sdr(np.array([1.0, -1.0, 1.0, -1.0]), np.array([3.0, -1.0, 1.0, -3.0])),
    10 * np.log10(4),
    name="scale_invariant_sdr on the example",
    mistakes={
        "this is the SNR: the reference was not scaled by alpha.": 10 * np.log10(0.5),
        "either the estimate was scaled to fit the reference (it is the reference that gets scaled), or the whole estimate stands in the numerator.": 10 * np.log10(5),
        "energies are compared by 10·log10; the 20 is for amplitudes.": 20 * np.log10(4),
        "this is the natural logarithm: use log10.": 10 * np.log(4),
        "the ratio is upside down.": -10 * np.log10(4),
        "the numerator is the reference without alpha.": 0.0,
        "equal energies do not make the best fit: the factor is alpha, the estimate's projection onto the reference.": -10 * np.log10(2 - 2 * np.sqrt(0.8)),
    },
)
check.close(
    scale_invariant_sdr(np.array([2.0, 0.0, 2.0, 0.0]), np.array([13.0, 9.0, 11.0, 7.0])),
    10 * np.log10(4),
    name="the same signals with a constant added to each",
    mistakes={
        "the means were not subtracted.": 10 * np.log10(288 / 132),
        "only the estimate's mean was subtracted.": 10 * np.log10(8 / 12),
        "only the reference's mean was subtracted.": 10 * np.log10(16 / 404),
    },
)
check.passed("SI-SDR is the angle between two signals, in dB")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("scale_invariant_sdr")
_n_drawn = int(_rng.integers(50, 400))
for _n in [3, 4, 17, _n_drawn, 2 * _n_drawn + 1, 3001]:
    for _gain, _level in [(1.0, 1.0), (-1.0, 1.0), (0.5, 1e-6), (-3.0, 1e6), (1e-6, 1e-6), (1e6, 1.0)]:
        _ramp = np.linspace(-1.0, 1.0, _n) ** 3
        _s = _level * (_ramp + 0.1 * _rng.random(_n) + 0.3)
        _estimate = _gain * (_s + _level * float(_rng.uniform(0.05, 0.5)) * (-1.0) ** np.arange(_n) * np.linspace(1.0, 0.5, _n)) + _gain * _level
        _s_before, _estimate_before = _s.copy(), _estimate.copy()
        _rho = np.corrcoef(_s, _estimate)[0, 1]
        check.close(
            scale_invariant_sdr(_s, _estimate), 10 * np.log10(_rho**2 / (1 - _rho**2)), relative_tolerance=0.0, absolute_tolerance=1e-6, name="the SI-SDR of a random estimate"
        )
        check.close(_s, _s_before, name="your input reference after the call")
        check.close(_estimate, _estimate_before, name="your input estimate after the call")
for _ratio_db in [-50.0, 0.0, 60.0]:
    _random = _rng.standard_normal((_n_drawn, 2))
    _along, _across = np.linalg.qr(_random - _random.mean(axis=0))[0].T
    _estimate = _along + 10 ** (-_ratio_db / 20) * _across - 2.0
    check.close(scale_invariant_sdr(_along + 0.5, _estimate), _ratio_db, absolute_tolerance=1e-6, name="the SI-SDR of a very bad, a bad and a very good estimate")
_s, _estimate = _rng.permutation(np.arange(40)), _rng.permutation(np.arange(40))
_estimate[:30] = _s[:30]
_rho = np.corrcoef(_s, _estimate)[0, 1]
check.close(scale_invariant_sdr(_s, _estimate), 10 * np.log10(_rho**2 / (1 - _rho**2)), absolute_tolerance=1e-6, name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 2.5 — The invariances, proved (written)
#
# *2 points · 10 minutes · medium*
#
# **(a)** Prove from the boxed definition (not from $\rho$) that the SI-SDR does not change if the estimate is multiplied by any number $c \ne 0$, and that it does not change if the *reference* is. Say what becomes of $\alpha$ in each case.
# **(b)** Name one change of the estimate that you can hardly hear, and that still costs SI-SDR. Say why.

# %% [markdown] hints="invariances"
# concept: Put $c\,\hat s$ in place of $\hat s$ everywhere, and follow the factor. Then start again with $c\,s$ in place of $s$.
#
# structure: First $\alpha$, then $\alpha s$, then the error, then the ratio. In one case a factor appears in numerator and denominator alike; in the other, something does not change at all.
#
# line: Begin with "For $c\hat s$ the factor becomes $\alpha' = \langle c\hat s, s\rangle/\lVert s\rVert^2 = c\,\alpha$, so …".

# %% [markdown] written="invariances" points=2
# ### BEGIN SOLUTION
# (a) Estimate $c\hat s$: $\alpha' = \langle c\hat s, s\rangle/\lVert s\rVert^2 = c\alpha$. The target is $\alpha's = c\,\alpha s$, the error $c\hat s - c\,\alpha s = c(\hat s - \alpha s)$. Both energies are multiplied by $c^2$, which cancels. Reference $cs$:
# $\alpha' = \langle\hat s, cs\rangle/\lVert cs\rVert^2 = c\langle\hat s, s\rangle/(c^2\lVert s\rVert^2) = \alpha/c$. The target is $\alpha'\,cs = \alpha s$: it has not changed, so neither has the error, nor the ratio.
#
# (b) A delay by a few samples, a constant phase shift, or a gentle filter such as a tone control. $\alpha s$ is one multiple of the reference; a delayed or filtered copy is none, so part of it counts as distortion.
#
# **Rubric**
#
# - 1 point: (a) both proofs: α becomes cα and c² cancels for the estimate; α becomes α/c and αs stays the same for the reference.
# - 1 point: (b) a delay, a filter or a phase change (anything inaudible that is no multiplication), with the reason that SI-SDR allows only one factor for the whole signal.
# ### END SOLUTION

# %% [markdown]
# ### 4.3 SDR, SIR, SAR: what kind of error is it?
#
# An error may be the other voice, or it may be something that nobody said. The distinction matters: a soft second voice is a poor separation, while a hiss is an artefact of the method. You know all sources $s_1, \dots, s_N$. Let $P_j$ project onto source $j$ alone, and $P$ onto all sources together (the multiples of
# them and their sums). Then for an estimate $\hat s$ of source $j$
#
# $$\hat s = \underbrace{P_j\hat s}_{s_\text{target}} + \underbrace{P\hat s - P_j\hat s}_{e_\text{interf}} + \underbrace{\hat s - P\hat s}_{e_\text{artif}},$$
#
# where $e_\text{interf}$ is made of other sources, and $e_\text{artif}$ of none. Three ratios follow, the source-to-**distortion**, source-to-**interference** and source-to-**artefacts** ratio:
#
# $$\mathrm{SDR} = 10\log_{10}\frac{\lVert s_\text{target}\rVert^2}{\lVert e_\text{interf} + e_\text{artif}\rVert^2},\quad
# \mathrm{SIR} = 10\log_{10}\frac{\lVert s_\text{target}\rVert^2}{\lVert e_\text{interf}\rVert^2},\quad
# \mathrm{SAR} = 10\log_{10}\frac{\lVert s_\text{target} + e_\text{interf}\rVert^2}{\lVert e_\text{artif}\rVert^2}.$$
#
# To compute $P\hat s$, look for the weights $c$ whose sum $\sum_k c_k s_k$ lies nearest to $\hat s$. That is a least-squares problem, $\mathbf S\mathbf S^{\mathsf T}\mathbf c = \mathbf S\hat{\mathbf s}$ with the sources in the rows of $\mathbf S$. If the sources are not orthogonal, you must *not* project on each of them
# separately and add: what they share would be counted twice.
#
# With these projections the SDR is the SI-SDR (up to the mean), since $P_j\hat s = \alpha s_j$. The measure that the field calls SDR, **BSS Eval** by Vincent, Gribonval and Févotte, forgives more. Its $P_j$ projects onto $s_j$ and all its copies delayed by up to 511 samples: onto everything that a
# filter with 512 taps can make of $s_j$. So colouring by a tone control, or the early part of a room (32 ms at 16 kHz), is no distortion to it.

# %% [markdown]
# ### Exercise 2.6 — SDR, SIR and SAR by projection
#
# *2 points · 18 minutes · demanding*
#
# **Outcome.** You can say *what kind* of error an estimate has.
#
# **Task.** Write `distortion_ratios(references, estimate, target)`. `references` has the shape `(n_sources, n_samples)`, `estimate` the shape `(n_samples,)`, and `target` is the index of the source that was to be estimated. Use the projections above, with one tap and without removing means. Return `[SDR, SIR, SAR]` in dB.
#
# **By hand.** Take the orthogonal references `[1, 1, 1, 1]` and `[1, -1, 1, -1]`, and the estimate `[4, 2, 2, 0]` of the first one. Along the first it has $8/4 = 2$, along the second $4/4 = 1$. The rest is `[4, 2, 2, 0] - [2, 2, 2, 2] - [1, -1, 1, -1] = [1, 1, -1, -1]`. The three energies are 16, 4 and 4. So SDR is
# $16/8$ or 3.01 dB, SIR $16/4$ or 6.02 dB, and SAR $20/4$ or 6.99 dB.
#
# **Expected number.** What `metrics.bss_eval(references, estimates, filter_length=1, permute=False)` gives for all estimates at once.

# %% [markdown] hints="distortion_ratios"
# concept: Two projections tell everything: one onto the target source alone, one onto the plane of all sources. The difference between them is interference; what lies outside the plane is artefact.
#
# structure: The first projection is that of SI-SDR. For the second, solve for all weights at once, for example with `np.linalg.solve` on the matrix of inner products, or with `np.linalg.lstsq`. Then form the three parts, and three ratios of energies.
#
# line: `weights = np.linalg.solve(references @ references.T, references @ estimate)` and `P = weights @ references`. Then `interference = P - s_target`, `artefacts = estimate - P`.

# %% exercise="distortion_ratios" forbid="course_lib.metrics"
def distortion_ratios(references, estimate, target):
    """Return [SDR, SIR, SAR] in dB of an estimate of one of the references, by projections with one tap."""
    ### BEGIN SOLUTION
    s = references[target]
    wanted = (estimate @ s) / (s @ s) * s
    weights = np.linalg.solve(references @ references.T, references @ estimate)
    explained = weights @ references
    interference, artefacts = explained - wanted, estimate - explained

    def ratio_db(signal, error):
        return 10 * np.log10((signal @ signal) / (error @ error))

    return [ratio_db(wanted, interference + artefacts), ratio_db(wanted, interference), ratio_db(explained, artefacts)]
    ### END SOLUTION


# %% test="distortion_ratios" points=2
_references, _estimate = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 1.0, -1.0]]), np.array([4.0, 2.0, 2.0, 0.0])
_ratios = distortion_ratios(_references, _estimate, 0)
check.close(
    list(_ratios) if isinstance(_ratios, tuple) else _ratios,
    list(10 * np.log10([2.0, 4.0, 5.0])),
    name="[SDR, SIR, SAR] of the example",
    mistakes={
        "SAR has the target *and* the interference in its numerator.": 10 * np.log10([2.0, 4.0, 4.0]),
        "the numerator of SAR is the target and the interference; the whole estimate has the artefacts in it, too.": 10 * np.log10([2.0, 4.0, 6.0]),
        "the target part is the projection: the reference times its factor, not the reference as it is.": 10 * np.log10([1 / 3, 1 / 2, 5.0]),
        "SDR counts interference and artefacts together.": 10 * np.log10([4.0, 4.0, 5.0]),
        "interference and artefacts are exchanged in SIR and SAR.": 10 * np.log10([2.0, 5.0, 4.0]),
        "energies are compared by 10·log10; the 20 is for amplitudes.": 20 * np.log10([2.0, 4.0, 5.0]),
    },
)
check.close(
    list(distortion_ratios(_references, _estimate, 1)),
    list(10 * np.log10([1 / 5, 1 / 4, 5.0])),
    name="[SDR, SIR, SAR], had the second source been meant",
    mistakes={"this is the answer for target 0: use references[target].": 10 * np.log10([2.0, 4.0, 5.0])},
)
check.close(
    list(distortion_ratios(np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]), np.array([3.0, 1.0, 1.0]), 0)),
    list(10 * np.log10([9 / 2, 9.0, 10.0])),
    name="[SDR, SIR, SAR] for references that are not orthogonal",
    mistakes={
        "the estimate was projected on each source separately, and what the sources share was counted twice: solve for all weights at once.": 10
        * np.log10([9 / 2, 9 / 8, 29 / 6]),
        "the interference is the part along the other source alone, so what the sources share was counted twice. It is P ŝ minus the target part.": 10 * np.log10([9 / 2, 9 / 8, 10.0]),
        "the target part must be the projection onto source j alone, not its share in the projection onto all.": 10 * np.log10([4 / 3, 2.0, 10.0]),
        "what the target left was projected onto the other sources alone. Project the estimate onto all sources together, and subtract the target part.": 10 * np.log10([9 / 2, 18.0, 25 / 3]),
    },
)
check.passed("the error is told apart: other sources on one side, artefacts on the other")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("distortion_ratios")
_n_drawn = int(_rng.integers(30, 300))
for _n_sources, _n in [(2, 5), (2, _n_drawn), (3, 2 * _n_drawn + 1), (4, 40), (5, 2000)]:
    for _level in [1.0, 1e-6, 1e6]:
        # Columns of an orthogonal matrix, mixed mildly: sources that share something, and never nearly coincide.
        _axes = np.linalg.qr(_rng.standard_normal((_n, _n_sources + 1)))[0].T
        _references = _axes[:-1] + 0.5 * np.roll(_axes[:-1], 1, axis=0) if _n_sources > 2 else np.array([_axes[0], 0.6 * _axes[0] + _axes[1]])
        _target = int(_rng.integers(_n_sources))
        _weights = _rng.uniform(0.2, 0.6, _n_sources) * _rng.choice([-1.0, 1.0], _n_sources)
        _weights[_target] = 2.0
        _estimate = _level * (_weights @ _references + float(_rng.uniform(0.1, 1.0)) * _axes[-1])
        _references = float(10.0 ** _rng.uniform(-3, 3)) * _references
        _references_before, _estimate_before = _references.copy(), _estimate.copy()
        _wanted = np.outer(_references[_target], _references[_target]) @ _estimate / np.sum(_references[_target] ** 2)
        _explained = _references.T @ np.linalg.lstsq(_references.T, _estimate, rcond=None)[0]
        _energies = [np.sum(_part**2) for _part in (_wanted, _estimate - _wanted, _explained - _wanted, _explained, _estimate - _explained)]
        _expected = list(10 * np.log10([_energies[0] / _energies[1], _energies[0] / _energies[2], _energies[3] / _energies[4]]))
        check.close(list(distortion_ratios(_references, _estimate, _target)), _expected, relative_tolerance=0.0, absolute_tolerance=1e-5, name="[SDR, SIR, SAR] of a random estimate")
        check.close(_references, _references_before, name="your input references after the call")
        check.close(_estimate, _estimate_before, name="your input estimate after the call")
_references, _estimate = np.array([[3, 1, 0, 0], [0, 2, 1, 0]]), np.array([5, 4, 2, 1])
check.close(list(distortion_ratios(_references, _estimate, 1)), list(distortion_ratios(1.0 * _references, 1.0 * _estimate, 1)), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 4.4 Five numbers that do not coincide
#
# Does it matter which one you quote? Take one voice, and do eight different things to it. **Predict** for each row which of the numbers will be hurt. (Infinity means that the measure sees no error at all; rounding can make it a number above 100.)

# %% tags="demo"
clean, other = voices[:2, : 3 * sample_rate]
other = other * np.sqrt(np.mean(clean**2) / np.mean(other**2))
rng = np.random.default_rng(0)
hiss = rng.standard_normal(clean.shape) * np.sqrt(np.mean(clean**2))
early_room = data.room("office").impulse_response[0][:400]
cases = {
    "half as loud": 0.5 * clean,
    "upside down": -clean,
    "a constant of 0.05 added": clean + 0.05,
    "one sample late": np.concatenate([[0], clean[:-1]]),
    "coloured by 25 ms of room": np.convolve(clean, early_room)[: len(clean)],
    "other voice, 10 dB softer": clean + 10 ** (-10 / 20) * other,
    "hiss, 10 dB softer": clean + 10 ** (-10 / 20) * hiss,
    "clipped at ±0.05": np.clip(clean, -0.05, 0.05),
}


def in_db(value):
    """Write a number of decibels; what lies beyond 100 dB is rounding."""
    return "∞" if value > 100 else f"{value:.1f}"


print(f"{'what was done':26} {'SNR':>6} {'SI-SDR':>7} │ {'SDR':>6} {'SIR':>6} {'SAR':>6}   (BSS Eval, 512 taps)")
for name, estimate in cases.items():
    result = metrics.bss_eval(np.array([clean, other]), np.array([estimate, other]), permute=False)
    row = [metrics.snr(clean, estimate), metrics.si_sdr(clean, estimate), result.sdr[0], result.sir[0], result.sar[0]]
    cells = [in_db(value) for value in row]
    print(f"{name:26} {cells[0]:>6} {cells[1]:>7} │ {cells[2]:>6} {cells[3]:>6} {cells[4]:>6}")

# %% [markdown]
# Row by row. *Scale and sign* hurt the SNR alone. *A constant* hurts SNR and SDR, while SI-SDR has subtracted it. *One sample of delay*, which nobody can hear, leaves 7.6 dB of SNR and 7.0 dB of SI-SDR: a delayed signal is no multiple of the original. SDR sees no error, because a delay is a filter. *The first 25 ms of a room*
# sound like the voice, a little later and in another colour. SI-SDR calls that −27 dB, a catastrophe, while SDR gives 36 dB. Neither is wrong. They answer different questions.
#
# *The other voice* and *the hiss* are the textbook case. The error is unrelated to the voice, so SNR, SI-SDR and SDR agree, at 10 dB. SIR and SAR tell the two apart. (The hiss has a SIR of 30 dB, not infinity: with 512 taps one finds a little of the other voice in any noise, by chance.) *Clipping* follows the voice closely, and there all three differ: 5.0, 5.9 and 6.8 dB, since each forgives more than the one before.
#
# So always say which measure, and never compare an SDR with an SI-SDR. In this course we quote SI-SDR for separations without a room, and with it its **improvement**: the SI-SDR of the output minus that of the unprocessed mixture. An easy mixture starts high, and no method should be praised for that.
#
# ### 4.5 Which output is which?
#
# A separation returns outputs in some order, and section 2 has proved that it cannot know better. To score it, try to match: `scores[j, i]` is the score of output $i$ as an estimate of source $j$, and we look for the permutation $p$ with the largest sum $\sum_j \texttt{scores}[j, p_j]$. It is not enough to let every source
# choose its best output, since two of them may choose the same. It is not enough either to hand out the best pair first, then the best of the rest, and so on: a greedy choice can force a poor one later.
#
# *Brute force* tries all $N!$ permutations: 24 for four sources, 40 320 for eight, 3.6 million for ten. The **Hungarian algorithm** needs about $N^3$ steps. It rests on one observation. Subtract the same number from all scores of a row: then *every* permutation loses that number, because it takes exactly one
# score from each row. So the best permutation stays the best. The same holds for a column. The algorithm subtracts from rows and columns such that no entry is positive any more, and keeps moving numbers between rows and columns until there is a permutation made of zeros alone. No permutation can have a sum above zero, so
# that one is the best. `course_lib.metrics.best_permutation` uses it.

# %% [markdown]
# ### Exercise 2.7 — The best permutation
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You can match outputs to sources, and you never mix up a permutation and its inverse again.
#
# **Task.** Write `best_order(scores)` for a square array, where `scores[j, i]` says how well estimate `i` fits reference `j`. Try all permutations (`itertools.permutations` is imported), and return the best as a list, a tuple or an array of whole numbers: **estimate `order[j]` belongs to reference `j`**. At most six sources.
#
# **By hand.** For `[[10, 9], [9, 1]]` the best single pair is $10$, and it leaves only 1: together 11. The other permutation has $9 + 9 = 18$. So the answer is `[1, 0]`.
#
# **Expected number.** The same as `metrics.best_permutation(scores)`.

# %% [markdown] hints="best_order"
# concept: There are only $N!$ candidates. Each takes exactly one score from each row and each column.
#
# structure: Loop over `itertools.permutations(range(n))`. For each, add up the scores that it takes, and remember the permutation with the largest sum.
#
# line: The sum for one candidate is `sum(scores[j][order[j]] for j in range(n))`, and `max(candidates, key=...)` finds the largest.

# %% exercise="best_order" forbid="course_lib.metrics scipy.optimize"
def best_order(scores):
    """Return the permutation with the largest sum of scores: estimate order[j] belongs to reference j."""
    ### BEGIN SOLUTION
    n_sources = len(scores)
    candidates = itertools.permutations(range(n_sources))
    return list(max(candidates, key=lambda order: sum(scores[j, order[j]] for j in range(n_sources))))
    ### END SOLUTION


# %% test="best_order" points=1
_order = best_order(np.array([[10.0, 9.0], [9.0, 1.0]]))
check.close(
    list(_order) if isinstance(_order, tuple) else _order,
    [1, 0],
    name="best_order([[10, 9], [9, 1]])",
    mistakes={
        "either a greedy choice, where the best single pair forces a poor one later, or the smallest sum: compare the sums of whole permutations, and take the largest.": [0, 1],
        "every reference chose for itself: each estimate may be used only once.": [0, 0],
    },
)
check.close(
    list(best_order(np.array([[0.0, 1.0, 20.0], [18.0, 0.0, 2.0], [1.0, 15.0, 0.0]]))),
    [2, 0, 1],
    name="best_order of three",
    mistakes={
        "this is the inverse permutation: order[j] is the estimate that belongs to reference j.": [1, 2, 0],
        "this is the worst permutation, not the best: scores are better when larger.": [0, 1, 2],
    },
)
check.passed("every output has found its source")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("best_order")
for _n in [1, 2, 3, 3, 4, 4, 5, 6]:
    for _level in [1.0, 1e-3]:
        _order = _rng.permutation(_n)
        _scores = _rng.uniform(-30.0, 20.0, (_n, _n))
        # Whatever is taken off rows and columns, the best permutation stays: it alone has zeros, all else is negative.
        _losses = _rng.uniform(0.5, 30.0, (_n, _n))
        _losses[np.arange(_n), _order] = 0.0
        _scores = _level * (_rng.uniform(-30.0, 30.0, (_n, 1)) + _rng.uniform(-30.0, 30.0, _n) - _losses)
        _scores_before = _scores.copy()
        check.close(list(best_order(_scores)), _order.tolist(), name="the best permutation of random scores")
        check.close(_scores, _scores_before, name="your input scores after the call")
# Whoever exchanges two estimates at a time gets stuck here: only a turn of all three leads from one good order to the best.
_scores = np.array([[10.0, 11.0, -20.0], [-20.0, 10.0, 11.0], [11.0, -20.0, 10.0]]) + _rng.uniform(-5.0, 5.0, (3, 1))
for _columns in itertools.permutations(range(3)):
    check.close(list(best_order(_scores[:, _columns])), [_columns.index((_j + 1) % 3) for _j in range(3)], name="the best of three, columns shuffled")
_order = _rng.permutation(5)
_scores = np.full((5, 5), -7)
_scores[np.arange(5), _order] = 3
check.close(list(best_order(_scores)), _order.tolist(), name="whole numbers")
_scores = _rng.uniform(-1.0, 1.0, (4, 4)) - 50.0
_scores[np.arange(4), _order[:4].argsort()] += 10.0
check.close(list(best_order(_scores)), _order[:4].argsort().tolist(), name="scores that are all negative")
### END HIDDEN TESTS

# %% [markdown]
# This is a good place for a break. You have a ruler now. Next comes the idea on which the method rests.

# %% [markdown]
# ## 5. Non-Gaussianity
#
# ### 5.1 Why a mixture looks more Gaussian than its parts
#
# The **central limit theorem** says: the sum of many independent variables, scaled to variance 1, has nearly a Gaussian distribution, whatever the parts look like. (None of them may dominate.) A mixture of voices is such a sum. Turn it round: *the less Gaussian a weighted sum of the microphones is, the closer it is to one single source.*
# That is the whole idea of this lesson. It needs a measure of non-Gaussianity.
#
# The simplest is the **excess kurtosis**. For a variable $y$ with mean 0
#
# $$\kappa(y) = \frac{\mathbb E\{y^4\}}{\mathbb E\{y^2\}^2} - 3 .$$
#
# For a Gaussian it is 0. (For variance 1 the density is $\varphi(y) = e^{-y^2/2}/\sqrt{2\pi}$, and $y\varphi = -\varphi'$. So by parts $\mathbb E\{y^4\} = \int y^3\cdot y\varphi = 3\int y^2\varphi = 3$.) It is positive for signals that are mostly near zero and now and then large, such as speech: **super-Gaussian**. It is negative for signals that are spread evenly, such as
# a sustained tone: **sub-Gaussian**. The smallest value is −2, for a signal that takes two values only, equally often.

# %% [markdown]
# ### Exercise 2.8 — Excess kurtosis
#
# *1 point · 6 minutes · easy*
#
# **Outcome.** You can measure how far from Gaussian a signal is, at any level.
#
# **Task.** Write `excess_kurtosis(x)` for an array with one axis: remove the mean, and return $\kappa$ as a number. Use $1/N$ in both means.
#
# **By hand.** `[3, 1, 1, 1, -1, 1, 1, 1]` has the mean 1; without it, `[2, 0, 0, 0, -2, 0, 0, 0]`. The mean square is $8/8 = 1$, the mean fourth power $32/8 = 4$, so $\kappa = 4/1 - 3 = 1$.
#
# **Expected number.** `excess_kurtosis(voices[0])` is 3.8 and `excess_kurtosis(melody)` is −1.1 for the offline corpus; both will be explained in a moment.

# %% [markdown] hints="excess_kurtosis"
# concept: The fourth power looks at the large values. Divided by the square of the variance, it no longer depends on the level.
#
# structure: Subtract the mean; compute the mean of the squares and the mean of the fourth powers; divide, and subtract 3.
#
# line: `np.mean(x**4) / np.mean(x**2) ** 2 - 3`, after `x = x - np.mean(x)`.

# %% exercise="excess_kurtosis" forbid="course_lib.ica scipy.stats"
def excess_kurtosis(x):
    """Return the excess kurtosis of a signal: 0 for a Gaussian, whatever its mean and level."""
    ### BEGIN SOLUTION
    x = x - np.mean(x)
    return np.mean(x**4) / np.mean(x**2) ** 2 - 3
    ### END SOLUTION


# %% test="excess_kurtosis" points=1
_x = np.array([3.0, 1.0, 1.0, 1.0, -1.0, 1.0, 1.0, 1.0])
check.close(
    excess_kurtosis(_x),
    1.0,
    name="the excess kurtosis of the example",
    mistakes={
        "subtract 3, so that a Gaussian has 0.": 4.0,
        "the mean was not removed.": -0.25,
        "the variance was divided by N - 1: use 1/N.": 0.0625,
    },
)
check.close(
    excess_kurtosis(3.0 * _x),
    1.0,
    name="the same signal, three times as loud",
    mistakes={
        "the fourth power must be divided by the square of the variance.": 321.0,
        "divide by the variance squared, not by the variance.": 33.0,
        "this is E{y^4} - 3 E{y^2}^2, which grows with the level: divide by the square of the variance.": 81.0,
    },
)
check.close(excess_kurtosis(np.array([1.0, -1.0, -1.0, 1.0])), -2.0, name="the excess kurtosis of [1, -1, -1, 1]")
check.passed("kurtosis measures the shape, not the level")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("excess_kurtosis")
_n_drawn = int(_rng.integers(20, 300))
for _n in [2, 5, 16, _n_drawn, 2 * _n_drawn + 1, 4001]:
    for _level, _offset in [(1.0, 0.0), (1e-6, 0.5), (1e6, -2.0), (0.3, 3.0)]:
        _x = _level * (np.linspace(-1.0, 1.0, _n) + 0.1 * _rng.standard_normal(_n) + _offset)
        _x_before = _x.copy()
        _central = [np.mean((_x - _x.mean()) ** _k) for _k in (2, 4)]
        check.close(excess_kurtosis(_x), _central[1] / _central[0] ** 2 - 3, relative_tolerance=1e-8, absolute_tolerance=1e-8, name="the excess kurtosis of a random signal")
        check.close(_x, _x_before, name="your input x after the call")
check.close(excess_kurtosis(np.array([3, 1, 1, 1, -1, 1, 1, 1])), 1.0, name="whole numbers")
_x = _rng.standard_normal(_n_drawn + 100) ** 5 + 2.0
_central = [np.mean((_x - _x.mean()) ** _k) for _k in (2, 4)]
check.close(excess_kurtosis(_x), _central[1] / _central[0] ** 2 - 3, relative_tolerance=1e-8, name="the excess kurtosis of a signal with clicks")
_x = _rng.standard_normal(100)
check.close(excess_kurtosis(-_x), excess_kurtosis(_x), absolute_tolerance=1e-9, name="a signal upside down")
### END HIDDEN TESTS

# %% [markdown]
# ### 5.2 The kurtosis of a mixture, exactly
#
# How does kurtosis change when independent sources are mixed? Let $y = \sum_i q_i s_i$ with independent sources of mean 0 and variance 1, and let $\sum_i q_i^2 = 1$, so that $y$ has variance 1, too. Multiply out $y^4$ and take means. A term in which some source stands alone, such as $s_1^3 s_2$ or
# $s_1^2 s_2 s_3$, has the mean 0, since $\mathbb E\{s_1^3 s_2\} = \mathbb E\{s_1^3\}\,\mathbb E\{s_2\} = 0$. (That is what independence means: whatever functions you take of two sources, the mean of the product is the product of the means. Uncorrelated sources promise it for $s_1 s_2$ alone.) What is left are fourth powers and products of two squares; of each pair $i<j$ there are $\binom42 = 6$:
#
# $$\mathbb E\{y^4\} = \sum_i q_i^4\,\mathbb E\{s_i^4\} + 6\sum_{i<j} q_i^2 q_j^2 = \sum_i q_i^4(\kappa_i + 3) + 3\Big[\big(\textstyle\sum_i q_i^2\big)^2 - \sum_i q_i^4\Big] = \sum_i q_i^4\,\kappa_i + 3 .$$
#
# $$\boxed{\;\kappa(y) = \sum_i q_i^4\,\kappa(s_i)\;}$$
#
# Two conclusions. **First**, with $N$ equal shares, $q_i^2 = 1/N$, the kurtosis is the sources' mean kurtosis divided by $N$: the central limit theorem, with a rate. **Second**, on the sphere $\sum_i q_i^2 = 1$ we have $\sum_i q_i^4 \le 1$, with equality only if one $q_i$ is $\pm1$ and the others are 0. So
# $|\kappa(y)| \le \max_i|\kappa_i|$, and the bound is reached at a *single source*. Maximise $|\kappa|$ over all directions, and you have found one.

# %% tags="demo"
all_voices = np.array([data.speech_clip(talker, 8, corpus=CORPUS) for talker in range(8)])
all_voices = all_voices / all_voices.std(axis=1, keepdims=True)
counts = np.arange(1, 9)
sums = np.cumsum(all_voices, axis=0) / np.sqrt(counts)[:, None]
measured = ica.kurtosis(sums)
predicted = np.cumsum(ica.kurtosis(all_voices)) / counts**2

figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
grid = np.linspace(-6, 6, 121)
for n_voices, style, color in zip([1, 2, 8], [":", "--", "-"], plots.PALETTE, strict=False):
    density, _ = np.histogram(sums[n_voices - 1], bins=grid, density=True)
    axes[0].plot((grid[:-1] + grid[1:]) / 2, np.maximum(density, 1e-5), style, color=color, label=f"{n_voices} voice{'s' * (n_voices > 1)}")
axes[0].plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color="0.5", linewidth=0.8, label="Gaussian")
axes[0].set(yscale="log", ylim=(1e-4, 4), xlabel="Amplitude (std. dev.)", ylabel="Density", title="The more voices, the nearer to the Gaussian")
axes[0].legend()
axes[1].plot(counts, measured, "o-", label="measured")
axes[1].plot(counts, predicted, "x--", label=r"$\sum_i \kappa_i / n^2$")
axes[1].set(xlabel="Voices in the sum, $n$", ylabel="Excess kurtosis", ylim=(0, None), title="Kurtosis falls as the formula predicts")
axes[1].legend()
plt.show()
print("Excess kurtosis of voices 1 to 8:", " ".join(f"{value:.1f}" for value in ica.kurtosis(all_voices)))
print(f"One voice {measured[0]:.1f}, two {measured[1]:.1f}, eight {measured[7]:.1f}; the melody {ica.kurtosis(melody):.1f}")

# %% [markdown]
# The voices are strongly super-Gaussian, the melody is sub-Gaussian: a held note spends its time near its extremes. The sum of eight voices still is not Gaussian, since speech is much more than "not quite Gaussian". That is why the method works so well on voices.
#
# ### 5.3 Negentropy, and how it is measured
#
# Kurtosis has a flaw: the fourth power. A single click, ten or twenty standard deviations high, can outweigh eight seconds of speech. There is a measure with better foundations. The **entropy** of a variable with density $p$ is $H(y) = -\int p(y)\log p(y)\,dy$, its unpredictability. Among all variables with mean 0 and variance 1,
# the Gaussian $\nu$ has the largest entropy. Here is why. With the Gaussian density $\varphi$, and since $\log t \le t - 1$, with equality only for $t = 1$,
#
# $$\int p\log\frac{\varphi}{p}\,dy \;\le\; \int p\Big(\frac{\varphi}{p} - 1\Big)dy = 1 - 1 = 0 .$$
#
# The left side is $H(y) + \int p\log\varphi$. Now $\log\varphi(y) = -\tfrac12\log 2\pi - \tfrac12 y^2$ involves $y$ through $y^2$ alone, so $\int p\log\varphi$ depends on the variance only, and is the same as for the Gaussian itself: $-H(\nu)$. Hence $H(y) \le H(\nu)$. The difference
#
# $$J(y) = H(\nu) - H(y) \ge 0$$
#
# is called **negentropy**. It is 0 for a Gaussian and positive otherwise. It also says what independence has to do with all this. How much do the outputs $y_1, \dots, y_N$ know of each other? The **mutual information** $I = \sum_i H(y_i) - H(\mathbf y)$ answers; it is 0 exactly if they are independent. Let $\mathbf y = \mathbf W\mathbf z$ with an
# orthogonal $\mathbf W$. A rotation moves the density around and neither stretches nor squeezes it, so $H(\mathbf y) = H(\mathbf z)$, whatever the angle is. Therefore
#
# $$I = \sum_i H(y_i) - H(\mathbf z) = \text{const} - \sum_i J(y_i).$$
#
# *Among white signals, the least dependent are the least Gaussian.* The party guest's intuition was exact.
#
# Nobody knows the density $p$, and estimating it is costly. So we measure something near to $J$. Take a smooth function $G$, a **contrast function**, and see how far its mean is from what a Gaussian would give:
#
# $$J(y) \approx c\,\big[\,\mathbb E\{G(y)\} - \mathbb E\{G(\nu)\}\,\big]^2, \qquad c > 0.$$
#
# With $G(u) = u^4/4$ the bracket is $\kappa/4$: kurtosis again. A function that grows more slowly listens less to clicks. Three are in use:
#
# | name | $G(u)$ | $g(u) = G'(u)$ | $g'(u)$ | grows |
# |---|---|---|---|---|
# | `logcosh` | $\log\cosh u$ | $\tanh u$ | $1 - \tanh^2 u$ | like $\lvert u\rvert$: the usual choice |
# | `exp` | $-e^{-u^2/2}$ | ? | ? | not at all: very robust |
# | `cube` | $u^4/4$ | $u^3$ | $3u^2$ | like $u^4$: fast, fragile |
#
# Here are the measures for the two microphones of section 1, at each angle of section 3.4. **Predict** how many peaks the curves have between 0° and 180°, and how far apart they are.

# %% tags="demo"
angles_deg = np.arange(0, 181, 3)
directions = np.array([np.cos(np.radians(angles_deg)), np.sin(np.radians(angles_deg))])
projections = directions.T @ white.signals[:, ::4]  # every fourth sample tells as much, in a quarter of the time
source_angles_deg = np.degrees(np.arctan2(turned[1], turned[0])) % 180
figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), sharex=True, layout="constrained")
curves = {
    r"Kurtosis $\kappa$": ica.kurtosis(projections),
    "Negentropy, logcosh (× 1000)": 1e3 * ica.negentropy(projections, "logcosh"),
    "Standard deviation": projections.std(axis=1),
}
for ax, (name, curve), color in zip(axes, curves.items(), plots.PALETTE, strict=False):
    ax.plot(angles_deg, curve, color=color)
    for angle in source_angles_deg:
        ax.axvline(angle, color="0.4", linestyle=":")
    ax.set(xlabel="Direction of the projection (°)", title=name, xticks=[0, 45, 90, 135, 180], ylim=(0, 1.1 * curve.max()))
figure.suptitle("Non-Gaussianity peaks at the two sources (dotted), 90° apart; the variance sees nothing")
plt.show()

# %% [markdown]
# Now the click. Take the first voice, and put one sample of twenty standard deviations into its eight seconds.

# %% tags="demo"
clicked = voices[0].copy()
clicked[1000] = 20 * clicked.std()
for name, measure in [("kurtosis", ica.kurtosis), ("logcosh", ica.negentropy), ("exp", lambda x: ica.negentropy(x, "exp"))]:
    before, after = measure(voices[0]), measure(clicked)
    print(f"{name:9} {before:8.4f} without the click, {after:8.4f} with it: {100 * (after / before - 1):+6.1f} %")

# %% [markdown]
# One sample of 128 000 has raised the kurtosis by a third. `logcosh` moved by 2 %, `exp` by less than 1 %. What that means for a separation, you will see in section 7.

# %% [markdown]
# ### Exercise 2.9 — The derivatives of three contrasts
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You have filled the two gaps in the table, and you know what each contrast does to a loud sample.
#
# **Task.** Write `contrast_derivatives(u, name)` for an array `u` of any shape and one of the names `"logcosh"`, `"exp"`, `"cube"`. Return the pair $g(u)$, $g'(u)$, two arrays of the shape of `u`. For `exp`, differentiate $G$ yourself, twice. Values as large as 1000 must give finite numbers.
#
# **By hand.** At $u = 1$: $\tanh 1 = 0.7616$ and $1 - 0.7616^2 = 0.4200$ for `logcosh`; $e^{-1/2} = 0.6065$ and $0$ for `exp`; $1$ and $3$ for `cube`.
#
# **Expected picture.** The middle panel of the figure after this exercise.

# %% [markdown] hints="contrast_derivatives"
# concept: For `exp`, the chain rule gives $g$, and the product rule then gives $g'$. The derivative of $-u^2/2$ is $-u$.
#
# structure: One branch for each name. Compute what $g$ and $g'$ have in common once: the hyperbolic tangent, or the exponential. `np.cosh(1000)` overflows; $1 - \tanh^2$ does not.
#
# line: With `e = np.exp(-u**2 / 2)`, the first derivative is `u * e`. Its derivative has two terms: `e` from the factor `u`, and `u` times the derivative of `e`.

# %% exercise="contrast_derivatives" forbid="course_lib.ica"
def contrast_derivatives(u, name):
    """Return g(u) and g'(u) of the contrast "logcosh", "exp" or "cube"."""
    ### BEGIN SOLUTION
    if name == "logcosh":
        t = np.tanh(u)
        return t, 1 - t**2
    if name == "exp":
        e = np.exp(-(u**2) / 2)
        return u * e, (1 - u**2) * e
    return u**3, 3 * u**2
    ### END SOLUTION


# %% test="contrast_derivatives" points=1
_u = np.array([0.0, 1.0, -2.0])
_t, _e = np.tanh(_u), np.exp(-(_u**2) / 2)
for _name, _g_expected, _g_prime_expected, _mistakes in [
    ("logcosh", _t, 1 - _t**2, {"this is g itself: the second result is its derivative.": _t, "this is 1 - tanh u: the square is missing.": 1 - _t, "the derivative of tanh is 1 - tanh², with a minus.": 1 + _t**2}),
    ("exp", _u * _e, (1 - _u**2) * _e, {"the product rule gives two terms: u e^(-u²/2) has the factor u to differentiate, too.": -(_u**2) * _e, "the exponential depends on u as well: the product rule gives two terms.": _e, "the inner derivative of -u²/2 is -u, so the second term has a minus.": (1 + _u**2) * _e}),
    ("cube", _u**3, 3 * _u**2, {"this is g itself: the second result is its derivative.": _u**3, "g is u³, not 4u³: G = u⁴/4, so g' = 3u².": 12 * _u**2}),
]:
    _pair = contrast_derivatives(_u, _name)
    assert isinstance(_pair, (tuple, list, np.ndarray)) and len(_pair) == 2, (
        f"contrast_derivatives returned {type(_pair).__name__} of length {np.size(_pair)} for {_name}: expected two arrays, g(u) and g'(u). Does each branch end in `return g, g_prime`?"
    )
    check.close(
        _pair[0],
        _g_expected,
        name=f"g of {_name} at 0, 1 and -2",
        mistakes={
            "this is G; its first derivative was asked for.": {"logcosh": np.log(np.cosh(_u)), "exp": -_e, "cube": _u**4 / 4}[_name],
            "two minus signs meet in the derivative of -e^(-u²/2): it is +u e^(-u²/2).": -_u * _e,
            "the factor 4 cancels against G = u⁴/4.": 4 * _u**3,
        },
    )
    check.close(_pair[1], _g_prime_expected, name=f"g' of {_name} at 0, 1 and -2", mistakes=_mistakes)
check.passed("three contrasts, differentiated twice")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("contrast_derivatives")
for _shape in [(1,), (int(_rng.integers(5, 50)),), (3, 2 * int(_rng.integers(5, 50)) + 1), (2, 3, 4)]:
    _u = _rng.uniform(-4.0, 4.0, _shape)
    _u_before = _u.copy()
    for _name in ["logcosh", "exp", "cube"]:
        _g, _g_prime = contrast_derivatives(_u, _name)
        _contrast = {"logcosh": lambda u: np.logaddexp(u, -u), "exp": lambda u: -np.exp(-(u**2) / 2), "cube": lambda u: u**4 / 4}[_name]
        _slope = (_contrast(_u + 1e-4) - _contrast(_u - 1e-4)) / 2e-4
        check.close(_g, _slope, relative_tolerance=0.0, absolute_tolerance=1e-5, name=f"g of {_name}")
        _bend = (contrast_derivatives(_u + 1e-4, _name)[0] - contrast_derivatives(_u - 1e-4, _name)[0]) / 2e-4
        check.close(_g_prime, _bend, relative_tolerance=0.0, absolute_tolerance=1e-5, name=f"g' of {_name}")
        check.close(_u, _u_before, name="your input u after the call")
_loud = np.array([-1000.0, 1000.0])
for _name, _expected in [("logcosh", [[-1.0, 1.0], [0.0, 0.0]]), ("exp", [[0.0, 0.0], [0.0, 0.0]]), ("cube", [[-1e9, 1e9], [3e6, 3e6]])]:
    _g, _g_prime = contrast_derivatives(_loud, _name)
    check.close(_g, np.array(_expected[0]), name=f"g of {_name} at ±1000")
    check.close(_g_prime, np.array(_expected[1]), name=f"g' of {_name} at ±1000")
for _name in ["logcosh", "exp", "cube"]:
    _g, _g_prime = contrast_derivatives(np.array([1, 0, 2]), _name)
    check.close(_g, ica.contrast(np.array([1.0, 0.0, 2.0]), _name)[1], name=f"g of {_name} at whole numbers")
    check.close(_g_prime, ica.contrast(np.array([1.0, 0.0, 2.0]), _name)[2], name=f"g' of {_name} at whole numbers")
### END HIDDEN TESTS

# %% tags="demo"
u = np.linspace(-4, 4, 201)
figure, axes = plt.subplots(1, 3, figsize=(10, 2.7), layout="constrained")
for name, style, color in zip(["logcosh", "exp", "cube"], ["-", "--", ":"], plots.PALETTE, strict=False):
    for ax, curve in zip(axes, ica.contrast(u, name), strict=True):
        ax.plot(u, curve, style, color=color, label=name)
for ax, title, top in zip(axes, ["$G(u)$", "$g(u)$", "$g'(u)$"], [4, 3, 3], strict=True):
    ax.set(xlabel="$u$", title=title, ylim=(-top if title == "$g(u)$" else -1.2, top))
axes[0].legend()
figure.suptitle("A loud sample rules the cube, has its say in logcosh, and is forgotten by exp")
plt.show()

# %% [markdown]
# ## 6. FastICA
#
# ### 6.1 What we look for
#
# Look for a direction $\mathbf w$ with $\lVert\mathbf w\rVert = 1$ such that $y = \mathbf w^{\mathsf T}\mathbf z$ is as little Gaussian as possible: an extremum of $\mathbb E\{G(\mathbf w^{\mathsf T}\mathbf z)\}$ on the sphere. Is a source really such an extremum, for any $G$? Write $y$ in terms of the sources, $y = \mathbf q^{\mathsf T}\mathbf s$ with
# $\mathbf q = (\mathbf V\mathbf A)^{\mathsf T}\mathbf w$, again of length 1, and step a little away from source 1: $y = \sqrt{1-\varepsilon^2}\,s_1 + \varepsilon u$, where $u$ is any sum of the other sources with variance 1. Expand to second order, with $\sqrt{1-\varepsilon^2} \approx 1 - \varepsilon^2/2$:
#
# $$\mathbb E\{G(y)\} \approx \mathbb E\{G(s_1)\} + \varepsilon\,\underbrace{\mathbb E\{g(s_1)\,u\}}_{=\,\mathbb E\{g(s_1)\}\mathbb E\{u\}\,=\,0} + \frac{\varepsilon^2}{2}\Big(\underbrace{\mathbb E\{g'(s_1)\,u^2\}}_{=\,\mathbb E\{g'(s_1)\}\cdot1} - \mathbb E\{s_1 g(s_1)\}\Big).$$
#
# Independence made the linear term vanish, and took the square apart. So each source *is* a stationary point, and the sign of
#
# $$\gamma_1 = \mathbb E\{s_1 g(s_1)\} - \mathbb E\{g'(s_1)\}$$
#
# decides which kind: a maximum if $\gamma_1 > 0$, a minimum if $\gamma_1 < 0$. For the cube $\gamma = \mathbb E\{s^4\} - 3 = \kappa$. For a Gaussian source, $\gamma = 0$ for *every* $G$ (by parts, as in section 5.1: $\int \nu g\varphi = \int g'\varphi$). There the method is blind.
#
# ### 6.2 The fixed point, as a Newton step
#
# An extremum of $\mathbb E\{G(\mathbf w^{\mathsf T}\mathbf z)\}$ under the constraint $\mathbf w^{\mathsf T}\mathbf w = 1$ satisfies Lagrange's condition: the gradient has no part along the sphere. With a multiplier $\beta$,
#
# $$F(\mathbf w) = \mathbb E\{\mathbf z\,g(\mathbf w^{\mathsf T}\mathbf z)\} - \beta\,\mathbf w = \mathbf 0 .$$
#
# Multiply by $\mathbf w^{\mathsf T}$ from the left to see that $\beta = \mathbb E\{\mathbf w^{\mathsf T}\mathbf z\;g(\mathbf w^{\mathsf T}\mathbf z)\}$ there. Solve $F = \mathbf 0$ by Newton's method. The matrix of derivatives, with $\beta$ held fixed, is
#
# $$\frac{\partial F}{\partial\mathbf w} = \mathbb E\{\mathbf z\mathbf z^{\mathsf T} g'(\mathbf w^{\mathsf T}\mathbf z)\} - \beta\,\mathbf I \;\approx\; \mathbb E\{\mathbf z\mathbf z^{\mathsf T}\}\;\mathbb E\{g'(\mathbf w^{\mathsf T}\mathbf z)\} - \beta\,\mathbf I = \big(\mathbb E\{g'(\mathbf w^{\mathsf T}\mathbf z)\} - \beta\big)\,\mathbf I .$$
#
# The approximation takes the mean of a product for the product of the means, and whiteness does the rest: instead of a matrix to invert, there is one number. (At a source it is no approximation in any direction along the sphere: there $\mathbf w^{\mathsf T}\mathbf z$ is one source, and independent of all the others.) A Newton step is $\mathbf w^+ = \mathbf w - (\partial F/\partial\mathbf w)^{-1} F(\mathbf w)$, or
#
# $$\mathbf w^+ = \mathbf w - \frac{\mathbb E\{\mathbf z\,g(\mathbf w^{\mathsf T}\mathbf z)\} - \beta\,\mathbf w}{\mathbb E\{g'(\mathbf w^{\mathsf T}\mathbf z)\} - \beta}.$$
#
# Multiply both sides by $\beta - \mathbb E\{g'\}$. That only changes the length of $\mathbf w^+$ and perhaps its sign, and both are of no account: we scale to length 1 anyway, and the sign is unknowable. The terms with $\beta\,\mathbf w$ cancel:
#
# $$\boxed{\;\mathbf w^+ = \mathbb E\{\mathbf z\,g(\mathbf w^{\mathsf T}\mathbf z)\} - \mathbb E\{g'(\mathbf w^{\mathsf T}\mathbf z)\}\,\mathbf w, \qquad \mathbf w \leftarrow \frac{\mathbf w^+}{\lVert\mathbf w^+\rVert}\;}$$
#
# That is **FastICA** (Hyvärinen and Oja 1997, Hyvärinen 1999). There is no step size to choose. It finds maxima and minima alike, so it needs no word on whether a source is super- or sub-Gaussian.
#
# ### 6.3 How fast is it?
#
# For the cube one can say it exactly. In the coordinates of the sources, $y = \mathbf q^{\mathsf T}\mathbf s$, component $i$ of the step is $\mathbb E\{s_i y^3\} - 3 q_i$. Multiply out $y^3$ as in section 5.2; only $q_i^3 s_i^3$ and the products $3\,q_i s_i\,q_j^2 s_j^2$ survive the mean:
#
# $$q_i^+ = q_i^3(\kappa_i + 3) + 3 q_i\sum_{j\ne i} q_j^2 - 3 q_i = q_i^3\,(\kappa_i + 3) + 3 q_i(1 - q_i^2) - 3q_i = \kappa_i\,q_i^3 .$$
#
# *Each coordinate is cubed and multiplied by its kurtosis.* If the coordinates are $0.9$ and $0.44$ with equal kurtosis, their ratio is $0.49$, then $0.12$, then $0.0016$, then $4\cdot10^{-9}$. The number of right digits triples in each step. This is **cubic convergence**, where a gradient method gains about the same number of digits in each step. (With other contrasts it is at least quadratic.)
# The figure shows it for two sources that are independent exactly, with $\kappa = 1$, against gradient steps on the same contrast. Below $10^{-16}$ there is only rounding.

# %% tags="demo"
values = np.array([-2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0])  # sparse, of variance 1; each value meets each, so that the two are independent exactly
exact_pair = np.array([np.repeat(values, 8), np.tile(values, 8)])
figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
steps = {
    "gradient, step size 0.1": lambda w: w + 0.1 * (exact_pair @ (w @ exact_pair) ** 3 / 64),
    "gradient, step size 0.5": lambda w: w + 0.5 * (exact_pair @ (w @ exact_pair) ** 3 / 64),
    "fixed point, logcosh": lambda w: exact_pair @ np.tanh(w @ exact_pair) / 64 - np.mean(1 - np.tanh(w @ exact_pair) ** 2) * w,
    "fixed point, cube": lambda w: exact_pair @ (w @ exact_pair) ** 3 / 64 - 3 * w,
}
for (name, step), marker in zip(steps.items(), "sov^", strict=True):
    w = np.array([0.9, np.sqrt(1 - 0.81)])
    ratios = [w[1] / w[0]]
    for _ in range(12):
        w = step(w)
        w = w / np.linalg.norm(w)
        ratios.append(abs(w[1] / w[0]))
    ax.plot(np.maximum(ratios, 1e-17), marker=marker, label=name)
ax.axhline(1e-16, color="0.5", linestyle=":", linewidth=1)
ax.set(yscale="log", ylim=(1e-17, 2), xlabel="Iteration", ylabel="Share of the other source", title="The fixed point triples the number of right digits; a gradient step gains less than a tenth of one")
ax.legend(ncols=2)
plt.show()

# %% [markdown]
# ### Exercise 2.10 — One step of FastICA
#
# *2 points · 15 minutes · medium*
#
# **Outcome.** You can turn the boxed formula into two lines of NumPy.
#
# **Task.** Write `newton_step(w, Z, contrast)`. `Z` holds white signals, shape `(n_channels, n_samples)`; `w` is a direction of length 1, shape `(n_channels,)`; `contrast` is `"logcosh"`, `"exp"` or `"cube"`. Return the next direction, of length 1, as a new array. You need not write the derivatives again: `G, g, g_prime = ica.contrast(u, contrast)` gives them.
#
# **By hand.** Take the four white samples `Z = [[1, 1, -1, -1], [1, -1, 1, -1]]`, `w = [0.6, 0.8]` and the cube. The projections are $1.4$, $-0.2$, $0.2$, $-1.4$, and their cubes $2.744$, $-0.008$, $0.008$, $-2.744$. The means $\mathbb E\{\mathbf z\,u^3\}$ are $(2.744 - 0.008 - 0.008 + 2.744)/4 = 1.368$ and $(2.744 + 0.008 + 0.008 + 2.744)/4 = 1.376$.
# Since $\mathbb E\{3u^2\} = 3$, subtract $3\mathbf w$: $(-0.432, -1.024)$. That is $-2\cdot(0.6^3, 0.8^3)$, as section 6.3 promises for two signals with $\kappa = -2$. Scaled to length 1: $(-0.389, -0.921)$.
#
# **Expected number.** Start from `w = [0.6, 0.8]` and go on: after three more steps the first component is below $10^{-10}$.

# %% [markdown] hints="newton_step"
# concept: First project: one number for each sample. Then two means over the samples: a vector, and a number. The vector minus the number times the old direction is the new direction.
#
# structure: `u = w @ Z` has the shape `(n_samples,)`. The first mean is a matrix-vector product divided by the number of samples. The second is `np.mean` of the derivative. Divide the result by its own length.
#
# line: `w_new = Z @ g / Z.shape[1] - g_prime.mean() * w`, and then `w_new / np.linalg.norm(w_new)`.

# %% exercise="newton_step" forbid="course_lib.ica.fastica sklearn"
def newton_step(w, Z, contrast):
    """Return the direction, of length 1, to which one step of FastICA leads from w on the white signals Z."""
    ### BEGIN SOLUTION
    _, g, g_prime = ica.contrast(w @ Z, contrast)
    w_new = Z @ g / Z.shape[1] - np.mean(g_prime) * w
    return w_new / np.linalg.norm(w_new)
    ### END SOLUTION


# %% test="newton_step" points=2
_Z, _w = np.array([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]]), np.array([0.6, 0.8])
_cubed = np.array([-0.432, -1.024])
check.close(
    newton_step(_w, _Z, "cube"),
    _cubed / np.linalg.norm(_cubed),
    up_to_sign=True,
    name="newton_step with the cube",
    mistakes={
        "the new direction must be scaled to length 1.": _cubed,
        "the second term, the mean of g' times w, is missing: this is a gradient step.": np.array([1.368, 1.376]) / np.hypot(1.368, 1.376),
        "the two terms were added: subtract the second one.": np.array([3.168, 3.776]) / np.hypot(3.168, 3.776),
        "the first term is a sum and the second a mean: divide both by the number of samples.": np.array([3.672, 3.104]) / np.hypot(3.672, 3.104),
        "the mean divides by the number of samples, not by one less.": np.array([0.072, -1.696]) / np.hypot(0.072, 1.696),
        "this is the step of logcosh, whatever the contrast.": (_Z @ np.tanh(_w @ _Z) / 4 - np.mean(1 - np.tanh(_w @ _Z) ** 2) * _w)
        / np.linalg.norm(_Z @ np.tanh(_w @ _Z) / 4 - np.mean(1 - np.tanh(_w @ _Z) ** 2) * _w),
    },
)
_Z = np.array([[2.0, -1.0, 0.0, -1.0, 0.0], [0.0, 1.0, -2.0, 0.0, 1.0]]) / np.sqrt(1.2)
_w = np.array([0.8, -0.6])
_u = _w @ _Z
for _name, _g, _g_prime in [("logcosh", np.tanh(_u), 1 - np.tanh(_u) ** 2), ("exp", _u * np.exp(-(_u**2) / 2), (1 - _u**2) * np.exp(-(_u**2) / 2))]:
    _terms = np.mean(_Z * _g, axis=1), np.mean(_g_prime) * _w
    check.close(
        newton_step(_w, _Z, _name),
        (_terms[0] - _terms[1]) / np.linalg.norm(_terms[0] - _terms[1]),
        up_to_sign=True,
        name=f"newton_step with {_name}",
        mistakes={
            "this is the step of the cube, whatever the contrast.": (np.mean(_Z * _u**3, axis=1) - 3 * np.mean(_u**2) * _w)
            / np.linalg.norm(np.mean(_Z * _u**3, axis=1) - 3 * np.mean(_u**2) * _w),
            "the second term, the mean of g' times w, is missing: this is a gradient step.": _terms[0] / np.linalg.norm(_terms[0]),
        },
    )
check.passed("one Newton step on the sphere")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("newton_step")
_n_drawn = int(_rng.integers(20, 300))
_functions = {
    "logcosh": lambda u: (np.tanh(u), 1 / np.cosh(u) ** 2),
    "exp": lambda u: (u * np.exp(-(u**2) / 2), (1 - u**2) * np.exp(-(u**2) / 2)),
    "cube": lambda u: (u**3, 3 * u**2),
}
for _n_channels, _n in [(2, 4), (2, _n_drawn), (3, 2 * _n_drawn + 1), (5, 1000), (8, 301)]:
    _random = _rng.laplace(0.0, 1.0, (_n, _n_channels))
    _Z = np.linalg.qr(_random - _random.mean(axis=0))[0].T * np.sqrt(_n)
    _w = _rng.standard_normal(_n_channels)
    _w /= np.linalg.norm(_w)
    _Z_before, _w_before = _Z.copy(), _w.copy()
    for _name, _function in _functions.items():
        _g, _g_prime = _function(np.einsum("c,cn->n", _w, _Z))
        _expected = np.array([np.mean(_channel * _g) for _channel in _Z]) - np.mean(_g_prime) * _w
        _length = np.linalg.norm(_expected)
        _got = newton_step(_w, _Z, _name)
        check.close(np.linalg.norm(_got), 1.0, relative_tolerance=1e-9, name="the length of your direction")
        # A short difference of the two terms loses digits when it is scaled.
        check.close(_got, _expected / _length, absolute_tolerance=1e-11 * max(1.0, 1 / _length), up_to_sign=True, name=f"a step of {_name}")
        check.close(_Z, _Z_before, name="your input Z after the call")
        check.close(_w, _w_before, name="your input w after the call")
_Z = np.array([[1, 1, -1, -1], [1, -1, 1, -1]])
check.close(newton_step(np.array([0.6, 0.8]), _Z, "cube"), newton_step(np.array([0.6, 0.8]), 1.0 * _Z, "cube"), up_to_sign=True, name="whole numbers as Z")
### END HIDDEN TESTS

# %% [markdown]
# ### 6.4 One after the other: deflation
#
# One direction gives one source. Start again, and you may find the same one. But the true directions stand at right angles to each other, since $\mathbf V\mathbf A$ is orthogonal. So look for the next one in the space that is at right angles to all that were found. With the rows $\mathbf w_1, \dots, \mathbf w_{k-1}$ found so far, subtract from $\mathbf w$ what it shares with
# them, after *every* step:
#
# $$\mathbf w \leftarrow \mathbf w - \sum_{j=1}^{k-1} (\mathbf w^{\mathsf T}\mathbf w_j)\,\mathbf w_j, \qquad \mathbf w \leftarrow \mathbf w / \lVert\mathbf w\rVert .$$
#
# This is Gram and Schmidt's orthogonalisation. It must stand inside the loop: a direction that was left to run freely, and is orthogonalised only at the end, may have gone to a source that is already taken, and then what the subtraction leaves of it is arbitrary.
#
# Deflation is frugal. It can stop after the one source that you want. Its weakness: an error in the first direction is handed down to all others.

# %% [markdown]
# ### Exercise 2.11 — FastICA, one source after the other
#
# *2 points · 20 minutes · demanding*
#
# **Outcome.** You have written a complete blind source separation.
#
# **Task.** Write `one_by_one(Z, starts, n_iterations)`. `Z` holds white signals, shape `(n_channels, n_samples)`. Row `k` of `starts`, shape `(n_channels, n_channels)`, is the start of the search for direction `k`; it need not have length 1. For each direction make `n_iterations` steps with the contrast `logcosh`, and after each step subtract what it shares with the directions found before,
# and scale to length 1. (Do the same with the start itself: with `n_iterations = 0` the result is the starts, brought to right angles and to length 1.) Return the directions as the rows of $\mathbf W$, shape `(n_channels, n_channels)`.
#
# **By hand.** In two dimensions the second direction has no choice. If the first is $(0.6, 0.8)$, the second must be $(0.8, -0.6)$ or its negative, whatever the data say.
#
# **Expected sound.** Two clean voices. Listen to yours in a cell of your own:
# `Z = ica.whiten(microphones).signals`, and then `Y = one_by_one(Z, np.eye(2), 30) @ Z` and `listen({"first": Y[0], "second": Y[1]}, sample_rate)`.

# %% [markdown] hints="one_by_one"
# concept: The outer loop goes over the directions, the inner one over the steps. Whatever changes `w`, it must come back into the space that is still free, and to length 1.
#
# structure: Keep the found directions as the first `k` rows of an array `W`. Inside the inner loop: one step of FastICA, then the subtraction, then the division by the length. After the inner loop, store the row.
#
# line: All subtractions at once are `w = w - W[:k].T @ (W[:k] @ w)`. For `k = 0` nothing is subtracted.

# %% exercise="one_by_one" forbid="course_lib.ica.fastica sklearn"
def one_by_one(Z, starts, n_iterations):
    """Return the directions, rows of W, that FastICA finds in white signals by deflation with logcosh."""
    ### BEGIN SOLUTION
    W = np.zeros(np.shape(starts))

    def free_part(w, k):
        w = w - W[:k].T @ (W[:k] @ w)
        return w / np.linalg.norm(w)

    for k in range(len(W)):
        w = free_part(starts[k], k)
        for _ in range(n_iterations):
            g = np.tanh(w @ Z)
            w = free_part(Z @ g / Z.shape[1] - np.mean(1 - g**2) * w, k)
        W[k] = w
    return W
    ### END SOLUTION


# %% test="one_by_one" points=2
# Every value of one source meets every value of the others, so that the three are independent exactly.
_values = [np.array([-1.0, 1.0]), np.array([-2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]), np.arange(-2.0, 3.0) / np.sqrt(2)]
_S = np.array([_axis.ravel() for _axis in np.meshgrid(*_values, indexing="ij")])
_mixing = np.linalg.qr(np.array([[2.0, 1.0, 0.0], [1.0, -1.0, 3.0], [1.0, 2.0, 1.0]]))[0]
_Z = _mixing @ _S
_starts = np.array([[1.0, 0.2, 0.1], [0.3, 1.0, 0.2], [0.1, 0.2, 1.0]])
_W = one_by_one(_Z, _starts, 60)
check.shape(_W, (3, 3), name="one_by_one on three exactly independent sources", mistakes={"these are the signals: return the directions.": _S.shape})
_W = np.asarray(_W)
check.close(np.linalg.norm(_W, axis=1), np.ones(3), name="the lengths of your directions")
check.close(
    np.abs(_W @ _W.T),
    np.eye(3),
    absolute_tolerance=1e-8,
    name="the inner products of your directions",
    mistakes={"all three searches found the same source: subtract what was found before, after every step.": np.ones((3, 3))},
)
_shares = np.sort(np.abs(_W @ _mixing), axis=1)[:, ::-1]
check.close(_shares[0, 0], 1.0, relative_tolerance=1e-6, name="the share of one source in your first output")
check.close(
    _shares,
    np.array([[1.0, 0.0, 0.0]] * 3),
    absolute_tolerance=1e-6,
    name="the shares of the sources in your three outputs",
)
_right_angles, _scaled = np.linalg.qr(_starts.T)[0], _starts / np.linalg.norm(_starts, axis=1, keepdims=True)
check.close(
    np.abs(np.asarray(one_by_one(_Z, _starts, 0)) @ _right_angles),
    np.eye(3),
    absolute_tolerance=1e-8,
    name="your three directions after no step at all, against the starts brought to right angles and to length 1",
    mistakes={
        "a start, too, must give up what it shares with the directions found before.": np.abs(_scaled @ _right_angles),
        "a start, too, must give up what it shares with the directions found before, and then be scaled to length 1.": np.abs(_starts @ _right_angles),
    },
)
check.passed("three sources, found one after the other")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("one_by_one")
for _n_channels in [1, 2, 3, 4]:
    # Values of three kinds: two values, sparse, evenly spread; every combination once, so that the independence is exact.
    _middle = float(_rng.uniform(0.3, 0.7))
    _kinds = [np.array([-1.0, 1.0]), np.array([-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), np.array([-1.0, -_middle, 0.0, _middle, 1.0]), np.array([-3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0])]
    _kinds = [_kinds[int(_i)] / _kinds[int(_i)].std() for _i in _rng.permutation(4)[:_n_channels]]
    _S = np.array([_axis.ravel() for _axis in np.meshgrid(*_kinds, indexing="ij")])[:, _rng.permutation(int(np.prod([len(_kind) for _kind in _kinds])))]
    _mixing = np.linalg.qr(_rng.standard_normal((_n_channels, _n_channels)))[0]
    _Z, _starts = _mixing @ _S, 3.0 * np.linalg.qr(_rng.standard_normal((_n_channels, _n_channels)))[0] + 0.2
    _Z_before, _starts_before = _Z.copy(), _starts.copy()
    _W = np.asarray(one_by_one(_Z, _starts, 100))
    check.shape(_W, (_n_channels, _n_channels), name="your directions")
    check.close(_W @ _W.T, np.eye(_n_channels), absolute_tolerance=1e-8, name="the inner products of your directions")
    _shares = np.abs(_W @ _mixing)
    check.close(np.sort(_shares, axis=1)[:, -1], np.ones(_n_channels), absolute_tolerance=1e-5, name="the largest share of one source in each output")
    check.close(_Z, _Z_before, name="your input Z after the call")
    check.close(_starts, _starts_before, name="your input starts after the call")
# After one step the result is not yet a source, so it shows where the search started and what a step does.
_starts = np.linalg.qr(_rng.standard_normal((4, 4)))[0]
_expected = np.zeros((4, 4))
for _k in range(4):
    _u = _starts[_k] - _expected[:_k].T @ (_expected[:_k] @ _starts[_k])
    _u = _u / np.linalg.norm(_u)
    _u = np.mean(_Z * np.tanh(_u @ _Z), axis=1) - np.mean(1 / np.cosh(_u @ _Z) ** 2) * _u
    _u = _u - _expected[:_k].T @ (_expected[:_k] @ _u)
    _expected[_k] = _u / np.linalg.norm(_u)
_W = np.asarray(one_by_one(_Z, 2.0 * _starts, 1))
check.close(_W * np.sign(np.sum(_W * _expected, axis=1, keepdims=True)), _expected, absolute_tolerance=1e-7, name="the directions after one step each")
_from_whole_numbers, _W = np.asarray(one_by_one(_Z, np.eye(4, dtype=int), 2)), np.asarray(one_by_one(_Z, np.eye(4), 2))
check.close(np.abs(_from_whole_numbers), np.abs(_W), absolute_tolerance=1e-7, name="the directions from starts of whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 6.5 All at once: symmetric decorrelation
#
# The other way: let all rows of $\mathbf W$ take their step freely, and then move *all* of them, by as little as possible, until they stand at right angles. No row goes first, and none inherits another's error. Which orthogonal matrix $\mathbf Q$ lies nearest to $\mathbf W$? Expand the squared distance, the sum over all entries:
#
# $$\lVert\mathbf W - \mathbf Q\rVert_F^2 = \lVert\mathbf W\rVert_F^2 - 2\operatorname{tr}(\mathbf Q^{\mathsf T}\mathbf W) + \underbrace{\lVert\mathbf Q\rVert_F^2}_{=N}.$$
#
# So maximise $\operatorname{tr}(\mathbf Q^{\mathsf T}\mathbf W)$. Insert the singular value decomposition $\mathbf W = \mathbf L\mathbf\Sigma\mathbf R^{\mathsf T}$, with orthogonal $\mathbf L$, $\mathbf R$ and positive $\sigma_i$ on the diagonal: $\operatorname{tr}(\mathbf Q^{\mathsf T}\mathbf L\mathbf\Sigma\mathbf R^{\mathsf T}) = \operatorname{tr}(\mathbf M\mathbf\Sigma) = \sum_i m_{ii}\sigma_i$
# with the orthogonal matrix $\mathbf M = \mathbf R^{\mathsf T}\mathbf Q^{\mathsf T}\mathbf L$. No entry of an orthogonal matrix exceeds 1, so the sum is at most $\sum_i\sigma_i$, and it gets there for $\mathbf M = \mathbf I$, which is $\mathbf Q = \mathbf L\mathbf R^{\mathsf T}$. Since $\mathbf W\mathbf W^{\mathsf T} = \mathbf L\mathbf\Sigma^2\mathbf L^{\mathsf T}$, the same matrix can be written
#
# $$\boxed{\;\mathbf W \leftarrow (\mathbf W\mathbf W^{\mathsf T})^{-1/2}\,\mathbf W\;}$$
#
# It is ZCA whitening once more, applied to the rows of $\mathbf W$.

# %% [markdown]
# ### Exercise 2.12 — Symmetric decorrelation
#
# *1 point · 10 minutes · medium*
#
# **Outcome.** You can move a set of directions to right angles without favouring one.
#
# **Task.** Write `decorrelate_rows(W)`: return $(\mathbf W\mathbf W^{\mathsf T})^{-1/2}\,\mathbf W$ for a square, invertible array. The root is a *matrix* root: take it through eigenvectors, or use the singular value decomposition.
#
# **By hand.** `W = [[1, 1], [0, 1]]` has $\mathbf W\mathbf W^{\mathsf T} = \begin{pmatrix}2&1\\1&1\end{pmatrix}$. Its root is $\frac1{\sqrt5}\begin{pmatrix}3&1\\1&2\end{pmatrix}$ (square it and see), and the inverse of that $\frac1{\sqrt5}\begin{pmatrix}2&-1\\-1&3\end{pmatrix}$. Times $\mathbf W$: $\frac1{\sqrt5}\begin{pmatrix}2&1\\-1&2\end{pmatrix}$.
# The rows stand at right angles, and both have moved. Gram and Schmidt would have kept the direction of the first.
#
# **Expected number.** `Q @ Q.T` is the identity, to about 15 digits.

# %% [markdown] hints="decorrelate_rows"
# concept: A symmetric matrix with eigenvalues $\lambda_i$ and eigenvectors in the columns of $\mathbf E$ has the inverse root with the same eigenvectors and the eigenvalues $1/\sqrt{\lambda_i}$.
#
# structure: `np.linalg.eigh(W @ W.T)`, then the product of three matrices, then times `W`. Or: `np.linalg.svd(W)`, and leave the middle matrix out.
#
# line: `(E / np.sqrt(eigenvalues)) @ E.T @ W`, or, with `L, _, R_transposed = np.linalg.svd(W)`, `L @ R_transposed`.

# %% exercise="decorrelate_rows" forbid="course_lib.ica scipy.linalg.polar"
def decorrelate_rows(W):
    """Return the orthogonal matrix nearest to a square, invertible one: (W Wᵀ)^(-1/2) W."""
    ### BEGIN SOLUTION
    L, _, R_transposed = np.linalg.svd(W)
    return L @ R_transposed
    ### END SOLUTION


# %% test="decorrelate_rows" points=1
_W = np.array([[1.0, 1.0], [0.0, 1.0]])
_eigenvalues, _E = np.linalg.eigh(_W @ _W.T)
check.close(
    decorrelate_rows(_W),
    np.array([[2.0, 1.0], [-1.0, 2.0]]) / np.sqrt(5),
    name="decorrelate_rows([[1, 1], [0, 1]])",
    mistakes={
        "this is Gram and Schmidt's answer, which favours the first row: use the matrix root.": np.array([[1, 1], [-1, 1]]) / np.sqrt(2),
        "this is Gram and Schmidt's answer (by QR), which favours the first row: use the matrix root.": np.array([[-1, -1], [-1, 1]]) / np.sqrt(2),
        "the rows were only scaled to length 1: they are not at right angles yet.": [[1 / np.sqrt(2), 1 / np.sqrt(2)], [0, 1]],
        "the root is missing: this is the inverse of W W^T times W.": [[1, 0], [-1, 1]],
        "the product stands in the wrong order: the root belongs on the left of W.": np.array([[1, 2], [-1, 3]]) / np.sqrt(5),
        "this is the root, not its inverse.": np.array([[3, 4], [1, 3]]) / np.sqrt(5),
        "right angles, but not the nearest: the inverse root has eigenvectors on both sides, and here those on the left are missing.": (_E / np.sqrt(_eigenvalues)).T @ _W,
        "the root was taken entry by entry: it is a matrix root.": [[1 + np.sqrt(2), 0], [-1 - np.sqrt(2), 1]],
        "the rows were scaled to length 1 first, which changes what is nearest.": [[np.cos(np.pi / 8), np.sin(np.pi / 8)], [-np.sin(np.pi / 8), np.cos(np.pi / 8)]],
        "this is the inverse root alone: multiply it by W.": np.array([[2, -1], [-1, 3]]) / np.sqrt(5),
        "the columns are the transpose of what they should be.": np.array([[2, -1], [1, 2]]) / np.sqrt(5),
    },
)
_W = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [1.0, 0.0, 1.0]])
_Q = np.asarray(decorrelate_rows(_W))
check.close(_Q @ _Q.T, np.eye(3), absolute_tolerance=1e-9, name="Q @ Q.T for three rows")
check.close(_W @ _Q.T, _Q @ _W.T, name="W @ Q.T, which is the root of W @ W.T and so equals its own transpose; yours")
check.passed("the nearest set of right angles")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("decorrelate_rows")
for _n in [1, 2, 2, 3, 4, int(_rng.integers(5, 10))]:
    for _level in [1.0, 1e-6, 1e6]:
        # The answer is known beforehand: a symmetric positive matrix times an orthogonal one has that one as its nearest.
        _orthogonal, _axes = np.linalg.qr(_rng.standard_normal((_n, _n)))[0], np.linalg.qr(_rng.standard_normal((_n, _n)))[0]
        _W = _level * ((_axes * _rng.uniform(0.2, 3.0, _n)) @ _axes.T @ _orthogonal)
        _W_before = _W.copy()
        check.close(decorrelate_rows(_W), _orthogonal, relative_tolerance=1e-7, name="the nearest orthogonal matrix")
        check.close(_W, _W_before, name="your input W after the call")
check.close(decorrelate_rows(np.array([[3, 4], [-4, 3]])), np.array([[0.6, 0.8], [-0.8, 0.6]]), relative_tolerance=1e-8, name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# You now have every part. In a cell of your own, put them together: start from `W = decorrelate_rows(rng.standard_normal((2, 2)))`, let each row take a `newton_step`, decorrelate, repeat until nothing moves. Your outputs should agree with `found.sources` of section 1, up to what section 2.2 leaves open.

# %% [markdown]
# ## 7. The determined cocktail party
#
# Now the whole party: three voices and the melody, four microphones, and a matrix of sixteen numbers between 0.2 and 1 that nobody tells the methods. Whitening leaves six angles. **Predict:** which will come out cleaner, the voices or the melody? Will it matter which contrast you take? Will whitening alone be of any use?

# %% tags="demo"
party = np.vstack([voices, melody * voices[0].std() / melody.std()])
names = ["voice 1", "voice 2", "voice 3", "melody"]
A_party = np.random.default_rng(2).uniform(0.2, 1.0, (4, 4))
heard = A_party @ party


def improvement_of(outputs, mixture):
    """Return the SI-SDR improvements of outputs over a mixture, in the order of the sources."""
    table = np.array([[metrics.si_sdr(source, output) for output in outputs] for source in party])
    return metrics.si_sdr_improvement(party, outputs[metrics.best_permutation(table)], mixture)


methods = {
    "whitening, PCA": lambda: (ica.whiten(heard).signals, ""),
    "whitening, ZCA": lambda: (ica.whiten(heard, method="zca").signals, ""),
}
for approach, contrast in itertools.product(["deflation", "symmetric"], ["logcosh", "exp", "cube"]):

    def separate(approach=approach, contrast=contrast):
        result = ica.fastica(heard, approach=approach, contrast=contrast, rng=np.random.default_rng(1))
        return result.sources, str(len(result.history))

    methods[f"{approach}, {contrast}"] = separate
methods["inverse of the true matrix"] = lambda: (np.linalg.inv(A_party) @ heard, "")

print(f"{'method':28} {'SI-SDR improvement':>18} {'SIR':>8} {'iterations':>11} {'time':>9}")
improvements, separated = {}, {}
for name, method in methods.items():
    started = time.perf_counter()
    separated[name], n_iterations = method()
    elapsed_ms = 1e3 * (time.perf_counter() - started)
    improvements[name] = improvement_of(separated[name], heard[0])
    sir = metrics.bss_eval(party, separated[name], filter_length=1).sir
    print(f"{name:28} {in_db(improvements[name].mean()):>15} dB {in_db(sir.mean()):>5} dB {n_iterations:>11} {elapsed_ms:6.0f} ms")

# %% tags="demo"
figure, ax = plt.subplots(figsize=(10, 3.4), layout="constrained")
shown = [name for name in improvements if "inverse" not in name]
for index, (source, marker) in enumerate(zip(names, "osD^", strict=True)):
    ax.plot([improvements[name][index] for name in shown], np.arange(len(shown)) + 0.12 * (index - 1.5), marker, color=plots.PALETTE[index], label=source)
ax.set_yticks(np.arange(len(shown)), labels=shown)
ax.invert_yaxis()
ax.set(xlabel="SI-SDR improvement (dB)", title="Whitening alone leaves the party together; every contrast takes it apart")
ax.legend(ncols=4, loc="lower left")
plt.show()
outputs = separated["symmetric, logcosh"]
table = np.array([[metrics.si_sdr(reference, output) for output in outputs] for reference in party])
listen({"microphone 1": heard[0]} | dict(zip(names, outputs[metrics.best_permutation(table)], strict=True)), sample_rate)

# %% [markdown]
# Whitening alone is of little use. The melody gains most by it, the voices keep their company: a SIR of 2.5 or 6 dB is a party still. FastICA brings a mean SIR of more than 40 dB with each contrast, within ten iterations, and symmetric decorrelation is about 2 dB ahead of deflation, which hands its errors down. The melody comes out as clean as the voices do: FastICA does not mind to which side of the Gaussian a source lies. The iterations of deflation are cheaper: each moves one row,
# those of the symmetric form all four. All of them need the whole recording before they can begin. Once $\mathbf B$ is known, separating costs sixteen multiplications a sample, and no delay.
#
# So does the contrast matter? On clean recordings hardly. Knock against microphone 1 once: one sample, twenty standard deviations high, among 128 000. We find the demixing matrix from the recording with the knock, and judge it on the recording without.

# %% tags="demo"
knocked = heard.copy()
knocked[0, 1000] += 20 * heard[0].std()
print(f"{'contrast':10} {'no knock':>10} {'one knock':>10}   (SI-SDR improvement)")
for contrast in ["logcosh", "exp", "cube"]:
    gains = []
    for recording in (heard, knocked):
        result = ica.fastica(recording, contrast=contrast, rng=np.random.default_rng(1))
        gains.append(improvement_of(result.demixing_matrix @ heard, heard[0]).mean())
    print(f"{contrast:10} {gains[0]:7.1f} dB {gains[1]:7.1f} dB")
correlations = np.corrcoef(party)[np.triu_indices(4, 1)]
print(f"Largest correlation between two true sources in these 8 s: {np.abs(correlations).max():.4f}, or {20 * np.log10(np.abs(correlations).max()):.0f} dB")

# %% [markdown]
# One knock costs the cube 31 dB, and the robust contrasts less than 2. This is why `logcosh` is everybody's default.
#
# What limits the clean case to 50 dB, when the true inverse has no limit? FastICA makes its outputs *exactly* uncorrelated in these 8 s. The true sources are independent in the long run, yet within 8 s two of them happen to have a correlation of 0.0145. A method that denies a correlation of −37 dB must make errors of that order. More sound, less chance: see section 8.3.

# %% [markdown]
# ## 8. Where it breaks
#
# ### 8.1 Gaussian sources
#
# White Gaussian signals have the density $(2\pi)^{-N/2}e^{-\lVert\mathbf z\rVert^2/2}$. It depends on $\mathbf z$ through its length alone, and a rotation keeps the length. So a rotated cloud of Gaussians is *the same cloud*; there is nothing to find. One Gaussian source among others does no harm: the others have their peaks, and it is what remains.
# With two, every angle between those two is as good as any other.

# %% tags="demo"
rng = np.random.default_rng(0)
noises = rng.standard_normal((2, voices.shape[1])) * voices[0].std()
scenes_of_two = {"two voices": pair, "a voice and a noise": np.array([voices[0], noises[0]]), "two noises": noises}
figure, ax = plt.subplots(figsize=(10, 2.8), layout="constrained")
for (name, sources), style in zip(scenes_of_two.items(), ["-", "--", ":"], strict=True):
    mixed = A_two @ sources
    projected = directions.T @ ica.whiten(mixed).signals[:, ::4]
    ax.plot(angles_deg, 1e3 * ica.negentropy(projected), style, label=name)
    pieces = np.array_split(mixed, 5, axis=1)
    indices = [ica.amari_index(ica.fastica(piece, rng=np.random.default_rng(0)).demixing_matrix, A_two) for piece in pieces]
    print(f"{name:20} Amari index from {min(indices):.2f} to {max(indices):.2f} in five pieces of 1.6 s")
ax.set(xlabel="Direction of the projection (°)", ylabel="Negentropy × 1000", xticks=np.arange(0, 181, 45), title="Two Gaussian sources leave no peak to climb")
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# The **Amari index** looks at $\mathbf B\mathbf A$: it is 0 if each row and each column has exactly one nonzero entry, and 1 if all entries are equally large. Two voices give 0.02 at most, whichever piece of the recording you take, and so do a voice and a noise. With two noises each piece gives another answer, anywhere between 0 and 1: what looks like a peak there is chance, and the angle was never in the data. Whitening still works there. It is the last angle that cannot be found.
#
# ### 8.2 More sources than microphones
#
# Three voices, two microphones. $\mathbf B$ has two rows, so there can be only two outputs. Worse, each output $\mathbf b^{\mathsf T}\mathbf x$ contains the three voices with the weights $\mathbf b^{\mathsf T}\mathbf A$. Two free numbers in $\mathbf b$, of which one is the scale: you can make *one* weight zero, and no more. No matrix helps, even if you know $\mathbf A$. The next cell
# compares FastICA with the best fixed weights that exist for each voice (those of least squares, computed with the true voices).

# %% tags="demo"
A_wide = np.array([[0.9, 0.6, 0.3], [0.3, 0.6, 0.9]])
crowded = A_wide @ voices
blind = ica.fastica(crowded, rng=np.random.default_rng(0)).sources
best = voices @ crowded.T @ np.linalg.inv(crowded @ crowded.T) @ crowded
print(f"{'':12} {'microphone 1':>13} {'FastICA':>10} {'best weights':>13}")
for j in range(3):
    row = [metrics.si_sdr(voices[j], crowded[0]), max(metrics.si_sdr(voices[j], output) for output in blind), metrics.si_sdr(voices[j], best[j])]
    print(f"voice {j + 1:<6} {row[0]:10.1f} dB {row[1]:7.1f} dB {row[2]:10.1f} dB")
listen({"microphone 1": crowded[0], "output 1": blind[0], "output 2": blind[1], "voice 2, best weights": best[1]}, sample_rate)

# %% [markdown]
# Voices 1 and 3 come forward to 7 dB, and FastICA is as good there as the best weights that exist. The voice in the middle has nothing to hope for. Even the best weights leave it at −3 dB, since each of the two others asks for a zero of its own. Fixed weighted sums cannot do more. Masks can, which change from instant to instant and from frequency to frequency: lesson 03.
#
# ### 8.3 Noise, and too little sound
#
# Let each microphone hiss: $\mathbf x = \mathbf A\mathbf s + \mathbf n$. Two things go wrong. The whitening is computed from $\mathbf C = \mathbf A\mathbf A^{\mathsf T} + \sigma^2\mathbf I$ and is no longer right. And even the perfect $\mathbf B = \mathbf A^{-1}$ gives $\mathbf s + \mathbf A^{-1}\mathbf n$: where $\mathbf A$ is nearly singular, its inverse is large, and amplifies the noise.
#
# And everything rests on means over samples. With few of them, a chance coincidence between voices looks like structure.

# %% tags="demo"
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
snrs_db, hissing = np.array([60, 45, 30, 20, 10]), {"FastICA": [], "inverse of the true matrix": [], "best weights": []}
hiss = np.random.default_rng(4).standard_normal(heard.shape)
for snr_db in snrs_db:
    noisy = scenes.mix_at_snr(heard, hiss, float(snr_db)).mixture
    estimates = {
        "FastICA": ica.fastica(noisy, rng=np.random.default_rng(0)).sources,
        "inverse of the true matrix": np.linalg.inv(A_party) @ noisy,
        "best weights": party @ noisy.T @ np.linalg.inv(noisy @ noisy.T) @ noisy,
    }
    for name, outputs in estimates.items():
        hissing[name].append(improvement_of(outputs, noisy[0]).mean())
for (name, curve), style in zip(hissing.items(), ["o-", "s--", "^:"], strict=True):
    axes[0].plot(snrs_db, curve, style, label=name)
axes[0].set(xlabel="SNR at the microphones (dB)", ylabel="SI-SDR improvement (dB)", title="Each dB of hiss costs a dB")
axes[0].legend()
durations_s, middle, spread = [0.1, 0.2, 0.5, 1, 2, 4, 8], [], []
for duration_s in durations_s:
    n_samples = round(duration_s * sample_rate)
    indices = []
    for start in np.linspace(0, party.shape[1] - n_samples, 10)[1 if duration_s < 1 else 0 :].astype(int):
        result = ica.fastica(A_party @ party[:, start : start + n_samples], rng=np.random.default_rng(0))
        indices.append(ica.amari_index(result.demixing_matrix, A_party))
    middle.append(np.median(indices))
    spread.append((min(indices), max(indices)))
axes[1].fill_between(durations_s, *np.array(spread).T, alpha=0.2, linewidth=0)
axes[1].plot(durations_s, middle, "o-")
axes[1].set(xscale="log", yscale="log", xlabel="Duration (s)", ylabel="Amari index", title="Ten times the sound, a third of the error")
axes[1].set_xticks(durations_s, labels=durations_s)
axes[1].minorticks_off()
plt.show()

# %% [markdown]
# On the left, FastICA keeps up with the inverse of the true matrix, whose only error is the noise; at 60 dB, chance correlations stop it earlier. In strong noise, the best weights gain a little by not inverting fully. On the right, the band holds nine or ten excerpts, the line is their median. Ten times as many samples bring the error down by about $\sqrt{10}$, as means do. A tenth of a second still gives an index of
# 0.03; a syllable may be long enough, but a pause is not.
#
# ### 8.4 A real room
#
# Until now there was no room. Lesson 01 told you what a room does: not $a_{ij}\,s_j[n]$ but a convolution,
#
# $$x_i[n] = \sum_j (h_{ij} * s_j)[n] = \sum_j\sum_k h_{ij}[k]\,s_j[n-k].$$
#
# Even without a single echo, sound reaches one microphone before the other: 5 cm are 0.15 ms, or more than two samples. **Predict:** what will FastICA do with two voices in a living room, and two microphones 5 cm apart? Will it at least be better than nothing?

# %% tags="demo"
results = {}
for rt60_s in [0.0, 0.15, 0.3]:
    scene = scenes.random_room_scene(pair, rt60_s, 2, np.random.default_rng(1))
    n_samples = pair.shape[1]
    mixture, images = scene.mixture[:, :n_samples], scene.images[:, :, :n_samples]
    outputs = ica.fastica(mixture, rng=np.random.default_rng(0)).sources
    before = metrics.bss_eval(images[:, 0], np.array([mixture[0], mixture[0]]), permute=False)
    after = metrics.bss_eval(images[:, 0], outputs)
    table = np.array([[metrics.si_sdr(image, output) for output in outputs] for image in images[:, 0]])
    si_sdr = table[np.arange(2), metrics.best_permutation(table)].mean()
    results[rt60_s] = (scene, mixture, images, outputs)
    print(f"T60 = {rt60_s:.2f} s: SIR {before.sir.mean():5.1f} dB in microphone 1, {after.sir.mean():5.1f} dB after FastICA; SI-SDR of the outputs {si_sdr:5.1f} dB")
scene, mixture, images, outputs = results[0.3]
dry = A_two @ pair
listen({"no room: microphone 1": dry[0], "no room: output": found.sources[order[0]], "room: microphone 1": mixture[0], "room: output 1": outputs[0], "room: output 2": outputs[1]}, sample_rate)

# %% [markdown]
# Hardly better than nothing. From 0 dB the SIR climbs to less than 2 dB, *even in the room without echoes*: the delays alone are enough to break the model. The SI-SDR is far below zero. The two microphones hear almost the same, so what FastICA finds is chiefly their difference, which has little bass: the outputs sound thin, and both people are in both of them.
#
# The reason stands in the boxed model of section 2. It has **one number** for each path. Take one voice alone in the room: can one number turn what microphone 1 hears of it into what microphone 2 hears? The dotted lines below say how much of the energy at microphone 2 stays unexplained. Now let each *frequency* have a number of its own, a complex one: a gain and a delay. (Lesson 01: the oscillations are the
# eigenvectors of convolution; each is only multiplied.) The solid lines are the least-squares fits, bin by bin, in STFTs with frames of different lengths.

# %% tags="demo"
figure, ax = plt.subplots(figsize=(10, 3.1), layout="constrained")
frame_lengths = [64, 128, 256, 512, 1024, 2048, 4096, 8192]
for (rt60_s, label), marker, color in zip({0.0: "no echoes", 0.15: "$T_{60}$ = 0.15 s", 0.3: "$T_{60}$ = 0.30 s"}.items(), "os^", plots.PALETTE, strict=False):
    first, second = results[rt60_s][2][0]
    one_number = 10 * np.log10(1 - np.corrcoef(first, second)[0, 1] ** 2)
    per_bin = []
    for frame_length in frame_lengths:
        X1, X2 = stft.stft(first, frame_length=frame_length), stft.stft(second, frame_length=frame_length)
        factor = np.sum(X2 * X1.conj(), axis=1, keepdims=True) / np.maximum(np.sum(np.abs(X1) ** 2, axis=1, keepdims=True), 1e-12)
        per_bin.append(10 * np.log10(np.sum(np.abs(X2 - factor * X1) ** 2) / np.sum(np.abs(X2) ** 2)))
    ax.plot(frame_lengths, per_bin, marker=marker, color=color, label=f"{label}: one complex number per frequency")
    ax.axhline(one_number, color=color, linestyle=":", linewidth=1.2)
ax.set(xscale="log", xlabel="Frame length (samples); dotted: one number for the whole path", ylabel="Unexplained (dB)", title="One number per path misses half of the energy; one per frequency misses an eighth at most")
ax.set_xticks(frame_lengths, labels=frame_lengths)
ax.minorticks_off()
ax.legend()
plt.show()

# %% [markdown]
# One number leaves half of the energy (−3 dB), with and without echoes. One number for each frequency leaves less than a tenth (−11 dB) at 1024 samples in the room with $T_{60} = 0.3$ s, and less the longer the frame: a product of spectra is a convolution only if the frame is long compared with the response. This is the bridge to lesson 03. *In each frequency bin, the room is $\mathbf x = \mathbf A\,\mathbf s$ again*, nearly, with complex numbers and another
# $\mathbf A$ in each bin. Everything in this lesson can be done there. Its ambiguities come along: in each bin the order of the outputs is unknown, and there are hundreds of bins.

# %% [markdown]
# ### Exercise 2.13 — Which assumption has failed? (written)
#
# *2 points · 12 minutes · medium*
#
# **(a)** List the assumptions that this lesson made so that $\mathbf B = \mathbf W\mathbf V$ could bring the sources back. There are at least four. **(b)** For each of these scenes, name the assumption that it violates, and say in half a sentence what you would get:
# (i) two quiet fans, each a Gaussian noise, in two microphones; (ii) a trio in a stereo recording; (iii) the two loudspeakers of a stereo set, playing the same singer in the middle; (iv) two people talking in a bathroom; (v) two people whispering, recorded with hissing microphones.

# %% [markdown] hints="failures"
# concept: Go through the derivation from the beginning, and ask at each step what was used: the boxed model, the inverse, the covariance of the sources, the vanishing terms, the peaks.
#
# structure: For each scene ask in this order: Is each path one number? Are there at least as many microphones as sources? Does one source tell something about another? Are two of them Gaussian? Is there something in the microphones that comes from no source?
#
# line: Begin (a) with "1. The mixing is instantaneous: each path is one number. 2. There are …".

# %% [markdown] written="failures" points=2
# ### BEGIN SOLUTION
# (a) 1. The mixing is instantaneous (one number for each path) and does not change with time. 2. There are at least as many microphones as sources, and $\mathbf A$ can be inverted. 3. The sources are independent. 4. At most one source is Gaussian. 5. There is no noise at the microphones. (And there are enough samples.)
#
# (b) (i) 4: whitening works, then no angle is better than another, so two mixtures of the fans come out. (ii) 2: three sources and two microphones; each output can lose one instrument only. (iii) 3: both loudspeakers carry the same voice, so they are correlated; whitening already takes apart what belongs together, and the outputs are no loudspeaker signals. (iv) 1: each path is a
# convolution with a long response; hardly any separation. (v) 5: the voices may be separated, but the hiss stays or grows, and the whitening is biased.
#
# **Rubric**
#
# - 1 point: (a) at least four of: instantaneous (constant) mixing, enough microphones / invertible matrix, independence, at most one Gaussian source, no noise.
# - 1 point: (b) at least four of the five scenes with the right assumption and a sensible consequence.
# ### END SOLUTION

# %% [markdown]
# ## 9. What we have learnt
#
# - $\mathbf x = \mathbf A\mathbf s$. Order, scale and sign of the sources are lost for ever; $\mathbf B\mathbf A = \mathbf D\mathbf P$ is the best that there is.
# - Whitening uses all that second order knows. What it leaves is a rotation, with $N(N-1)/2$ angles.
# - A mixture is more Gaussian than its parts: $\kappa(y) = \sum_i q_i^4\kappa_i$. Among white signals, the least Gaussian are the least dependent.
# - FastICA is Newton's method on the sphere, with a Hessian that whiteness has made a number. It needs no step size, and converges at least quadratically.
# - Deflation finds one source after the other and hands errors down; symmetric decorrelation treats all alike.
# - SNR counts everything; SI-SDR forgives one factor; BSS Eval's SDR forgives a filter. SIR and SAR say what kind of error it is. Outputs must be matched to sources before anything is scored.
# - Two Gaussian sources, too few microphones, noise and, above all, a room break it.
#
# **Next.** In lesson 03 we go where the room is a product: into every frequency bin. There the method of this lesson works again, hundreds of times side by side, and a new problem waits: which output of bin 100 belongs to which output of bin 101?
#
# ### Further reading
#
# - A. Hyvärinen, J. Karhunen and E. Oja, *Independent Component Analysis*, Wiley, 2001: chapter 6 for whitening, chapter 7 for the ambiguities, chapter 8 for the measures and FastICA.
# - A. Hyvärinen and E. Oja, "Independent component analysis: algorithms and applications", *Neural Networks* 13, 2000: the best introduction, in twenty pages.
# - P. Comon, "Independent component analysis, a new concept?", *Signal Processing* 36(3), 1994: what can be identified, and why at most one Gaussian source.
# - A. J. Bell and T. J. Sejnowski, "An information-maximization approach to blind separation and blind deconvolution", *Neural Computation* 7(6), 1995: the same cocktail party from the side of information.
# - A. Hyvärinen and E. Oja, "A fast fixed-point algorithm for independent component analysis", *Neural Computation* 9(7), 1997: sections 6.2 and 6.3 of this lesson, for the cube.
# - A. Hyvärinen, "Fast and robust fixed-point algorithms for independent component analysis", *IEEE Transactions on Neural Networks* 10(3), 1999: the contrasts.
# - J.-F. Cardoso, "Blind signal separation: statistical principles", *Proceedings of the IEEE* 86(10), 1998.
# - E. Vincent, R. Gribonval and C. Févotte, "Performance measurement in blind audio source separation", *IEEE Transactions on Audio, Speech, and Language Processing* 14(4), 2006: SDR, SIR and SAR.
# - J. Le Roux, S. Wisdom, H. Erdogan and J. R. Hershey, "SDR – half-baked or well done?", *ICASSP*, 2019: why the scale must be settled, and how measures get confused.
