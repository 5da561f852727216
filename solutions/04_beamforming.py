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
#   title: Beamforming
# ---

# %% [markdown]
# # Lesson 04 — Beamforming
#
# Close your eyes at a party and turn your head towards a friend. The friend gets no louder, and yet you understand more. Your two ears, a hand's span apart, have told one direction from all others.
# The bar of microphones under a conference screen does the same with four ears, and better: it adds what comes from the talker, and it lets what comes from elsewhere cancel itself. In lesson 03 the microphones had to find out by themselves who was where. Here you say where to listen, or for what.
#
# In this lesson you will
#
# - **hear** a talker come out of a noisy room, from four microphones in a row of 15 cm;
# - **derive** how a direction becomes a vector of phases, and find out when two directions look the same;
# - **build** the two classical beams: one that adds, and one that cancels; and hear how five degrees of error turn the second against the talker;
# - **join** them with the masks of lesson 03, which need no direction at all: GEV, Souden's MVDR, the multichannel Wiener filter;
# - **find** a talker from time differences alone.
#
# | | |
# |---|---|
# | Time | about six hours: two and a half for the exercises, the rest for reading and listening; take a break before section 6 |
# | Points | 20: twelve programming exercises (16) and two written ones (4) |
# | You need | lesson 01 (STFT, delays as phases); lesson 02 (covariances, SDR); lesson 03 (masks; for the blind mask also IVA); complex vectors, eigenvalues, Lagrange multipliers |
# | You will use again | MVDR and masks in lesson 07; GCC-PHAT in lesson 05, to align a loudspeaker with its echo; adaptive cancelling in lessons 05 and 09 |
#
# **How to work.** As before: run the cells from top to bottom, fill in the functions, open the hints one at a time. Use headphones.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

from course_lib import beamforming, bss, check, data, masks, metrics, plots, scenes, stft
from course_lib.constants import SAMPLE_RATE_HZ, SPEED_OF_SOUND_M_S
from course_lib.listen import listen

plots.use_style()

sample_rate = SAMPLE_RATE_HZ
CORPUS = "offline"  # for real talkers: python data_fetch.py fetch mini-librispeech, and then "mini-librispeech"

# %% [markdown]
# All voices come from `data.speech_clip(talker, seconds, corpus=CORPUS)`. Offline they are synthetic, and built on your machine. With a fetched corpus the same cells enhance real talkers; the numbers in the text are those of the offline voices. The geometry does not change, so neither does anything in sections 2, 4 and 5 that is about directions.
# With other voices the decibels will differ. What is derived stays.
#
# ## 1. Listen first
#
# Four microphones stand in a row, 5 cm apart. One and a half metres away somebody talks to you, from a direction of 110°: nearly straight ahead. (Angles count from the axis of the row: 0° is its right end, 90° straight ahead, 180° its left end.) A second person, as loud, talks at 40° to somebody else. There is a murmur from all sides, and the room rings for 0.3 s.
#
# **Before you run it, guess.** Four microphones: how much better than one can they be? Twice, four times, more? Which of the three disturbances is the easiest to remove: the second talker, the murmur, or the room?

# %% tags="demo"
duration_s, frame_length, hop_length = 6, 2048, 512
n_samples = duration_s * sample_rate
TARGET_DEG, OTHER_DEG = 110, 40
microphones_m = beamforming.linear_array(4, 0.05)
talkers = [data.speech_clip(talker, duration_s, corpus=CORPUS) for talker in (0, 1)]


def analyse(x):
    """The STFT that all sections use: frames of 128 ms, a quarter apart."""
    return stft.stft(x, frame_length=frame_length, hop_length=hop_length)


def synthesise(X):
    return stft.istft(X, frame_length=frame_length, hop_length=hop_length, n_samples=n_samples)


def record(rt60_s, **options):
    """The two talkers, as the row of microphones hears them: the target, all the rest, each (n_channels, n_samples)."""
    options = {"target_deg": TARGET_DEG, "positions_m": microphones_m, "diffuse_noise_snr_db": 15.0, "diffuse_noise": data.noise("babble")} | options
    positions_m, azimuths_deg = options.pop("positions_m"), [options.pop("target_deg"), OTHER_DEG]
    scene = scenes.array_scene(talkers, azimuths_deg, positions_m, np.random.default_rng(4), rt60_s=rt60_s, **options)
    return scene.target[:, :n_samples], scene.interference[:, :n_samples]


def scores(target, rest, y):
    """SDR and SIR in dB (lesson 02, with filters of 512 taps), and STOI; the references are what microphone 0 heard."""
    evaluation = metrics.bss_eval(np.stack([target[0], rest[0]]), np.stack([y, y]), permute=False)
    return evaluation.sdr[0], evaluation.sir[0], metrics.stoi(target[0], y, sample_rate=sample_rate)


target, rest = record(rt60_s=0.3)
S, N = analyse(target), analyse(rest)
X = S + N
mask = masks.ideal_ratio_mask(S[0], N[0], exponent=2)
w = beamforming.mwf(beamforming.spatial_covariance(X, mask), beamforming.spatial_covariance(X, 1 - mask), trade_off=3.0)
heard = {"microphone 0": synthesise(X[0]), "all four, with an oracle's mask": synthesise(beamforming.apply_beamformer(w, X)), "the target alone": target[0]}
for name, sound in list(heard.items())[:2]:
    sdr_db, sir_db, intelligibility = scores(target, rest, sound)
    print(f"{name:36} SDR {sdr_db:5.1f} dB   SIR {sir_db:5.1f} dB   STOI {intelligibility:.2f}")
listen(heard, sample_rate)

# %% tags="demo"
figure, ax = plt.subplots(figsize=(10, 3.2), layout="constrained")
ax.plot(*microphones_m[:, :2].T, "o", color="black", markersize=4)
ax.annotate("four microphones", (0, 0), (0, -0.25), ha="center")
for name, azimuth_deg, colour in (("the target, 110°", TARGET_DEG, 0), ("the other talker, 40°", OTHER_DEG, 1)):
    x, y, _ = 1.5 * beamforming.direction(azimuth_deg)
    ax.plot([0, x], [0, y], "--", color=plots.PALETTE[colour], linewidth=1)
    ax.plot(x, y, "s^"[colour], color=plots.PALETTE[colour], markersize=11)
    ax.annotate(name, (x, y), (12, -4), textcoords="offset points")
ax.annotate("0°", (1.0, 0), va="center")
ax.annotate("", (0.95, 0), (0.2, 0), arrowprops={"arrowstyle": "->", "color": "0.5"})
ax.set(xlabel="x (m)", ylabel="y (m)", xlim=(-2.5, 3), ylim=(-0.4, 1.7), aspect="equal", title="From above: 15 cm of microphones, and two people 1.5 m away")
plt.show()

# %% [markdown]
# From −0.8 dB to 12.2 dB: the array has won 13 dB, and STOI has gone from 0.59 to 0.86. No moment of the recording has been cut out: the second player is a *sum* of the four microphones, each with one filter that never changes. (The filters do turn down frequencies in which the rest wins; section 7.4 says why. And an oracle had a part in them, who knew in which bins the target is the louder. Section 7.5 sends him away: 9.4 dB are left.)
#
# (SIR counts only what is left of everything but the target; SDR counts also what was done to the target. Both are those of lesson 02, with filters of 512 taps forgiven. STOI is a measure of intelligibility, between 0 and 1.)
#
# How can a sum remove a voice? This lesson answers in three steps: what a direction *is* to an array (section 2), which sums one can form from it (sections 3 to 6), and how to do without knowing the direction (section 7).
#
# ## 2. Delays and phases
#
# ### 2.1 A direction is a set of delays
#
# Far from a source, its wave is flat. Let $\mathbf u$ be the unit vector that points **from the array towards the source**. Microphone $c$ stands at $\mathbf p_c$, measured from the middle of the array. How much later than the middle does it hear the wave? The wave travels along $-\mathbf u$. A microphone that stands further towards the source, $\mathbf p_c^{\mathsf T}\mathbf u > 0$, hears it *earlier*:
#
# $$\boxed{\;\tau_c = -\frac{\mathbf p_c^{\mathsf T}\mathbf u}{c_0}\;}\qquad \mathbf u = (\cos\theta, \sin\theta, 0)^{\mathsf T}, \qquad c_0 = 343\ \text{m/s}.$$
#
# The azimuth $\theta$ counts counter-clockwise from the $x$ axis. All our sources are as high as the microphones. Our row lies on the $x$ axis, $\mathbf p_c = (x_c, 0, 0)^{\mathsf T}$, so only the cosine counts: $\tau_c = -x_c\cos\theta/c_0$. From straight ahead (90°, **broadside**) all microphones hear the wave at once. From the end of the row (0° or 180°, **endfire**) the 15 cm take $0.15/343$ s $= 0.44$ ms, which is 7 samples.
#
# A row cannot tell $\theta$ from $-\theta$: front and back have the same cosine. For that you need a second dimension, such as a ring.

# %% tags="demo"
click_s = np.linspace(-1, 1.5, 1001) / 1000
figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), sharey=True, layout="constrained")
for azimuth_deg, ax in zip((90, 60, 0), axes, strict=True):
    delays_s = beamforming.far_field_delays(microphones_m, azimuth_deg)
    for c, delay_s in enumerate(delays_s):
        ax.plot(1000 * click_s, c + 0.8 * np.exp(-(((click_s - delay_s) / 8e-5) ** 2)), color=plots.PALETTE[c])
        ax.plot(1000 * delay_s, c, "|", color="black", markersize=9)
    ax.set(xlabel="Time (ms)", xlim=(-0.6, 0.6), yticks=range(4), title=f"A click from {azimuth_deg}°")
axes[0].set_ylabel("Microphone")
figure.suptitle("Straight ahead all hear it at once; from the right end, microphone 3 hears it first")
plt.show()

# %% [markdown]
# ### 2.2 How far is far?
#
# A wave from a distance $r$ is a sphere. Place the array across its way. At the distance $x$ from the middle, the sphere lags behind the plane by
#
# $$\sqrt{r^2 + x^2} - r \approx \frac{x^2}{2r},$$
#
# the first term of the root's series. For the outer microphones, $x = 7.5$ cm, and $r = 1.5$ m that is 1.9 mm, 5.5 µs. This is 8° of phase at 4 kHz, and 0.4° at 200 Hz. So 1.5 m is nearly far, except where a beam depends on cancelling exactly. At 30 cm, in front of a laptop, it is 39° at 4 kHz, and you need the spherical delays $|\mathbf q - \mathbf p_c|/c_0$ for a source at $\mathbf q$. The library has both: `steering_vector` and
# `near_field_steering_vector`.
#
# ### 2.3 From delays to phases
#
# A delay by $\tau$ multiplies the spectrum by $e^{-j2\pi f\tau}$ (lesson 01). Collect the factors of all microphones in a **steering vector**:
#
# $$\boxed{\;\mathbf d(f, \theta) = \big(e^{-j2\pi f\tau_1}, \dots, e^{-j2\pi f\tau_C}\big)^{\mathsf T}\;}$$
#
# Then, in a frame of the STFT that is much longer than the delays (128 ms against 0.4 ms), the channels $\mathbf x[k,m] = (X_1, \dots, X_C)^{\mathsf T}$ are
#
# $$\mathbf x[k,m] \approx \mathbf d(f_k,\theta)\,s[k,m] + \mathbf v[k,m],$$
#
# with the source $s$ as the middle of the array would hear it, and $\mathbf v$ for all the rest. Lesson 03 had one complex factor for each frequency, channel and source. This is the same model, only that now we *know* the factors.
#
# In phases no sample grid is left: a delay of 0.3 samples is as easy as one of 3, and exact.

# %% [markdown]
# ### Exercise 4.1 — Steering vectors
#
# *2 points · 12 minutes · easy*
#
# **Outcome.** You can tell an array where to look.
#
# **Task.** Write `steering_vectors(positions_m, frequencies_hz, azimuth_deg)`. The positions have the shape `(n_channels, 3)`, in metres; the frequencies `(n_freqs,)`, in hertz; the azimuth is one number, in degrees. Return the complex array $\mathbf d$ of shape `(n_freqs, n_channels)`. The speed of sound is `SPEED_OF_SOUND_M_S`.
#
# **By hand.** At 1 kHz the wave is 34.3 cm long. Microphones at the origin, at $x = 8.575$ cm (a quarter of a wave) and at $y = 17.15$ cm (half a wave). From 0° the second hears the wave a quarter of a period *earlier*: its factor is $e^{+j\pi/2} = j$. The third stands across and hears it with the first: 1. From 90° the factors are $1, 1, -1$.
#
# **Expected number.** All entries have the magnitude 1, and at 0 Hz they are 1.

# %% [markdown] hints="steering_vectors"
# concept: A direction gives one delay for each microphone, whatever the frequency. A delay gives one phase for each frequency.
#
# structure: Turn the angle into radians, and into the vector $\mathbf u$ of three numbers. Compute the delays by a matrix–vector product with a minus sign. Multiply frequencies and delays as an outer product, and take the complex exponential.
#
# line: With `angle = np.deg2rad(azimuth_deg)` and `delays = -positions_m @ np.array([np.cos(angle), np.sin(angle), 0]) / SPEED_OF_SOUND_M_S`, the answer is `np.exp(-2j * np.pi * np.outer(frequencies_hz, delays))`.

# %% exercise="steering_vectors" forbid="course_lib.beamforming pyroomacoustics"
def steering_vectors(positions_m, frequencies_hz, azimuth_deg):
    """Return the phase factors (n_freqs, n_channels) of a plane wave that comes from the azimuth."""
    ### BEGIN SOLUTION
    angle = np.deg2rad(azimuth_deg)
    towards_source = np.array([np.cos(angle), np.sin(angle), 0.0])
    delays_s = -positions_m @ towards_source / SPEED_OF_SOUND_M_S
    return np.exp(-2j * np.pi * np.outer(frequencies_hz, delays_s))
    ### END SOLUTION


# %% test="steering_vectors" points=2
_positions = np.array([[0.0, 0.0, 0.0], [0.08575, 0.0, 0.0], [0.0, 0.1715, 0.0]])
check.close(
    steering_vectors(_positions, np.array([0.0, 1000.0]), 0.0),
    np.array([[1, 1, 1], [1, 1j, 1]]),
    name="the example, from 0°",
    mistakes={
        "the sign is turned round: a microphone that stands towards the source hears the wave earlier, and its factor is exp(+j …).": [[1, 1, 1], [1, -1j, 1]],
        "sine and cosine are exchanged: 0° is the x axis.": [[1, 1, 1], [1, 1, -1]],
        "a factor 2π is missing in the phase.": [[1, 1, 1], [1, np.exp(0.25j), 1]],
        "these are the phases themselves: take exp(j …) of them.": [[0, 0, 0], [0, np.pi / 2, 0]],
        "the middle of the microphones was taken away: the positions count from the origin already.": [[1, 1, 1], np.exp(1j * np.pi * np.array([-1, 2, -1]) / 6)],
    },
)
check.close(
    steering_vectors(_positions, np.array([0.0, 1000.0]), 90.0),
    np.array([[1, 1, 1], [1, 1, -1]]) + 0j,
    name="the example, from 90°",
    mistakes={
        "the azimuth is in degrees: np.deg2rad turns it into radians.": [[1, 1, 1], [1, np.exp(0.5j * np.pi * np.cos(90)), np.exp(1j * np.pi * np.sin(90))]],
        "only the x coordinate was used: the positions have three.": [[1, 1, 1], [1, 1, 1]],
    },
)
check.close(
    steering_vectors(_positions, np.array([500.0]), 30.0),
    np.exp(1j * np.pi * np.array([[0, np.cos(np.pi / 6) / 4, 1 / 4]])),
    name="the example at 500 Hz, from 30°",
    mistakes={"the sign is turned round: τ is negative where the microphone stands towards the source.": np.exp(-1j * np.pi * np.array([[0, np.cos(np.pi / 6) / 4, 1 / 4]]))},
)
check.close(
    steering_vectors(_positions[1:], np.array([1000.0]), 0.0),
    np.array([[1j, 1]]),
    name="the example's second and third microphone alone, with none at the origin",
    mistakes={"the delays count from the first microphone: they count from the origin, the middle of the array.": [[1, -1j]]},
)
check.passed("the array knows where to look")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("steering_vectors")
_odd, _even = 2 * int(_rng.integers(4, 60)) + 1, 2 * int(_rng.integers(4, 60))
for _n_channels, _n_freqs in [(1, 1), (4, _odd), (7, _even), (2, 513)]:
    for _size_m in [1e-3, 0.1, 10.0]:
        _positions, _frequencies = _size_m * _rng.standard_normal((_n_channels, 3)), 8000 * _rng.random(_n_freqs)
        _azimuth = float(_rng.uniform(-180, 360))
        _before = _positions.copy(), _frequencies.copy()
        _d = steering_vectors(_positions, _frequencies, _azimuth)
        _metres = _positions[:, 0] * np.cos(np.pi * _azimuth / 180) + _positions[:, 1] * np.sin(np.pi * _azimuth / 180)
        check.close(_d, np.exp(2j * np.pi / 343.0 * _frequencies[:, None] * _metres), name="steering vectors of a random array")
        check.close(steering_vectors(_positions, _frequencies, _azimuth + 180.0), _d.conj(), name="the opposite direction, whose phases are the opposite ones")
        check.close(_positions, _before[0], name="your input positions_m after the call")
        check.close(_frequencies, _before[1], name="your input frequencies_hz after the call")
check.close(steering_vectors(_positions, np.zeros(3), 77.0), np.ones((3, 2), complex), name="0 Hz")
check.close(steering_vectors(np.array([[0, 0, 5], [1, 0, 0]]), np.array([343, 686]), 60), np.array([[1, -1], [1, 1]]) + 0j, name="whole numbers, and a microphone above the others")
### END HIDDEN TESTS

# %% [markdown]
# ### 2.4 When two directions look the same
#
# To the array a direction *is* its vector $\mathbf d$. How alike are two directions? Take the cosine of the angle between their vectors:
#
# $$\rho(\theta_0,\theta) = \frac{|\mathbf d(\theta_0)^{\mathsf H}\mathbf d(\theta)|}{C} .$$
#
# It is 1 if the vectors agree up to a common factor, and 0 if they are orthogonal. For a row with the spacing $\Delta$ each microphone turns the phase by the same angle more, $\varphi = 2\pi f\frac{\Delta}{c_0}(\cos\theta - \cos\theta_0)$, and the inner product is a geometric sum:
#
# $$\rho = \frac1C\left|\sum_{c=0}^{C-1} e^{jc\varphi}\right| = \left|\frac{\sin(C\varphi/2)}{C\sin(\varphi/2)}\right| .$$
#
# It is 1 for $\varphi = 0$, which is the direction itself. But it is 1 *again* whenever $\varphi$ is a whole number of turns. With the wavelength $\lambda = c_0/f$:
#
# $$\boxed{\;\cos\theta = \cos\theta_0 + n\,\frac{\lambda}{\Delta}, \qquad n = \pm1, \pm2, \dots, \qquad |\cos\theta| \le 1\;}$$
#
# These directions are **grating lobes**. At this frequency the array cannot tell them from $\theta_0$, with no method whatever. (At another frequency the lobes lie elsewhere; section 8 makes use of it.) It is aliasing, as of a signal that is sampled too slowly; here the samples lie in space. To have none at any direction, the two cosines, which are at most 2 apart, must not reach each other: $\Delta < \lambda/2$. For one fixed direction a little more is allowed, $\Delta < \lambda/(1 + |\cos\theta_0|)$. Our 5 cm are half a wave at 3.43 kHz.
#
# In the figure the array looks to 110°. Bright means: looks the same. (The colour bar says "response". Section 3 will tell why.) At the dashed line the first grating lobe reaches its full height; its skirt comes in a little earlier.

# %% tags="demo"
azimuths_deg = np.arange(0, 180.5, 0.5)
frequencies_hz = stft.bin_frequencies(frame_length, sample_rate)


def likeness_db(spacing_m, n_microphones=4, look_deg=TARGET_DEG):
    """How alike each direction is to the one looked at, in dB, shape (n_directions, n_freqs)."""
    row = beamforming.linear_array(n_microphones, spacing_m)
    d = beamforming.steering_vector(row, frequencies_hz, azimuths_deg)
    looked_at = beamforming.steering_vector(row, frequencies_hz, look_deg)
    return 20 * np.log10(np.maximum(np.abs(np.einsum("kc,akc->ak", looked_at.conj(), d)) / n_microphones, 1e-3))


def first_lobe_khz(spacing_cm):
    """From which frequency on there is a grating lobe."""
    return SPEED_OF_SOUND_M_S / (spacing_cm / 100) / (1 + abs(np.cos(np.deg2rad(TARGET_DEG)))) / 1000


def draw_likeness(spacing_cm, ax, colour_bar=True):
    """Draw the likeness of all directions at all frequencies, and where the first lobe may appear."""
    likeness = 10 ** (likeness_db(spacing_cm / 100) / 20)
    plots.beam_pattern_image(likeness, frequencies_hz, azimuths_deg, ax=ax, dynamic_range_db=30, colour_bar=colour_bar)
    limit_khz = first_lobe_khz(spacing_cm)
    if limit_khz < sample_rate / 2000:
        ax.axhline(limit_khz, color="white", linestyle="--")
    ax.set(xticks=range(0, 181, 45), title=f"{spacing_cm} cm: " + (f"lobes from {limit_khz:.1f} kHz" if limit_khz < 8 else "no lobes"))


figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True, layout="constrained", width_ratios=[1, 1, 1.25])
for spacing_cm, ax in zip((2, 5, 15), axes, strict=True):
    draw_likeness(spacing_cm, ax, colour_bar=ax is axes[-1])
    ax.label_outer()
figure.suptitle("Narrow: everything alike at low frequencies. Wide: grating lobes at high ones")
plt.show()

# %% tags="demo"
plots.with_slider(draw_likeness, [1, 2, 3, 4, 5, 7, 10, 15, 20], value=5, label="spacing (cm)")

# %% tags="demo"
def draw_frequency(frequency, ax):
    """Draw the likeness over direction at one frequency, for three spacings."""
    k = np.argmin(np.abs(frequencies_hz - frequency))
    for spacing_cm, style in zip((2, 5, 15), ("-", "--", ":"), strict=True):
        ax.plot(azimuths_deg, likeness_db(spacing_cm / 100)[:, k], style, linewidth=2, label=f"{spacing_cm} cm apart")
    ax.axvline(TARGET_DEG, color="0.5", linewidth=0.8)
    lobed = " and ".join(f"{spacing_cm} cm" for spacing_cm in (2, 5, 15) if frequency >= 1000 * first_lobe_khz(spacing_cm))
    ax.set(xlabel="Direction (°)", ylabel="Likeness (dB)", ylim=(-30, 1), xticks=range(0, 181, 30), title=f"{frequency} Hz: " + (f"grating lobes for {lobed}" if lobed else "no grating lobe for any of the three"))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


plots.with_slider(draw_frequency, [250, 500, 1000, 2000, 3000, 4000, 6000, 8000], value=4000, label="frequency (Hz)")

# %% [markdown]
# Two things get in each other's way. A *narrow* spacing keeps the lobes away, but at low frequencies everything is bright: four microphones within 6 cm cannot tell directions whose waves are metres long. A *wide* spacing tells them apart at low frequencies, and mistakes them at high ones. More microphones are the only way to have both.

# %% [markdown]
# ### Exercise 4.2 — Where the grating lobes are
#
# *1 point · 12 minutes · medium*
#
# **Outcome.** You know which directions an array confuses, before you build it.
#
# **Task.** Write `grating_lobes(spacing_m, frequency_hz, azimuth_deg)` for a row that looks to an azimuth between 0° and 180°. Return the azimuths of all its grating lobes between 0° and 180°, in degrees, from the smallest to the largest, as a one-dimensional array. The direction looked at is not among them. If there is none, the array is empty.
#
# **By hand.** At 5145 Hz the wave is 6.667 cm long. With a spacing of 10 cm the cosines lie $\tfrac23$ apart. Looking to 90°: $\cos\theta = \pm\tfrac23$, which is 48.19° and 131.81°. Looking to 60°: $\tfrac12 - \tfrac23 = -\tfrac16$ and $\tfrac12 - \tfrac43 = -\tfrac56$, which is 99.59° and 146.44°; $\tfrac12 + \tfrac23$ is no cosine.
#
# **Expected picture.** The bright curves in the right panel above, for a spacing of 15 cm.

# %% [markdown] hints="grating_lobes"
# concept: On the axis of $\cos\theta$ the lobes lie like the teeth of a comb, $\lambda/\Delta$ apart. Only those between −1 and 1 can be seen.
#
# structure: Make more teeth than can matter, to both sides, and without $n = 0$. Add them to the cosine of the direction, keep those within $[-1, 1]$, take the arc cosine, turn it into degrees, and sort.
#
# line: With `step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m`, no $|n|$ above `int(2 / step)` can be seen. So `n = np.arange(-int(2 / step), int(2 / step) + 1)`, and `cosines = np.cos(np.deg2rad(azimuth_deg)) + step * n[n != 0]`.

# %% exercise="grating_lobes" forbid="course_lib.beamforming"
def grating_lobes(spacing_m, frequency_hz, azimuth_deg):
    """Return the azimuths in degrees, ascending, that a row of microphones cannot tell from the given one."""
    ### BEGIN SOLUTION
    step = SPEED_OF_SOUND_M_S / frequency_hz / spacing_m
    n = np.arange(-int(2 / step), int(2 / step) + 1)
    cosines = np.cos(np.deg2rad(azimuth_deg)) + step * n[n != 0]
    return np.sort(np.rad2deg(np.arccos(cosines[np.abs(cosines) <= 1])))
    ### END SOLUTION


# %% test="grating_lobes" points=1
_lobes = grating_lobes(0.1, 5145.0, 90.0)
assert len(np.unique(_lobes)) == np.size(_lobes), f"An angle comes twice in {_lobes}: beyond ±1 there is no angle. Leave such values out; clipping them to ±1 invents lobes at 0° and 180°."
check.close(
    _lobes,
    np.rad2deg(np.arccos([2 / 3, -2 / 3])),
    name="the example, looking straight ahead",
    mistakes={
        "these are radians: return degrees.": np.arccos([2 / 3, -2 / 3]),
        "they are in the other order: sort the angles, from the smallest to the largest.": np.rad2deg(np.arccos([-2 / 3, 2 / 3])),
        "the direction looked at is there, too: n = 0 is no grating lobe.": np.rad2deg(np.arccos([2 / 3, 0, -2 / 3])),
        "only the lobes with n > 0 are there.": np.rad2deg(np.arccos([2 / 3])),
        "only the lobes with n < 0 are there.": np.rad2deg(np.arccos([-2 / 3])),
        "the lobes lie λ/Δ apart in the cosine, not λ/(2Δ): a lobe needs a whole turn from microphone to microphone.": np.rad2deg(np.arccos([1, 2 / 3, 1 / 3, -1 / 3, -2 / 3, -1])),
        "the lobes lie λ/Δ apart in the cosine, not half as far: a lobe needs a whole turn from microphone to microphone.": np.rad2deg(np.arccos([2 / 3, 1 / 3, -1 / 3, -2 / 3])),
        "a cosine beyond ±1 was clipped: there is no such angle, and no lobe at 0° or 180°.": np.rad2deg(np.arccos([1, 2 / 3, -2 / 3, -1])),
    },
)
check.close(
    grating_lobes(0.1, 5145.0, 60.0),
    np.rad2deg(np.arccos([-1 / 6, -5 / 6])),
    name="the example, looking to 60°",
    mistakes={
        "only n = ±1 were tried: as long as it is a cosine, n goes on.": np.rad2deg(np.arccos([-1 / 6])),
        "the cosine of the direction was forgotten: the comb starts there.": np.rad2deg(np.arccos([2 / 3, -2 / 3])),
    },
)
check.shape(grating_lobes(0.05, 1000.0, 110.0), (0,), name="an array that has no grating lobe")
check.passed("you know what the array confuses")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("grating_lobes")
for _spacing, _highest in [(0.02, 8000.0), (0.05, 8000.0), (0.3, 8000.0), (1.5, 2000.0), (8.0, 40000.0)]:
    for _trial in range(4):
        while True:
            _frequency, _azimuth = float(_rng.uniform(0.1, 1.0) * _highest), float(_rng.uniform(5, 175))
            _step = 343.0 / _frequency / _spacing
            _cosines = np.cos(_azimuth / 180 * np.pi) + _step * np.concatenate([np.arange(1, 4000), -np.arange(1, 4000)])
            if np.abs(np.abs(_cosines) - 1).min() > 1e-6:  # a lobe at the very end of the row is there or not by rounding
                break
        _expected = np.sort(np.arccos(_cosines[np.abs(_cosines) < 1])) * 180 / np.pi
        _lobes = grating_lobes(_spacing, _frequency, _azimuth)
        check.shape(_lobes, _expected.shape, name="the grating lobes of a random row")
        if len(_expected):
            check.close(_lobes, _expected, name="the grating lobes of a random row")
check.close(grating_lobes(1, 490, 90), np.rad2deg(np.arccos([0.7, -0.7])), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Delay and sum
#
# ### 3.1 Which weights gain most?
#
# A **beamformer** is a set of complex weights, one for each frequency and microphone. Its output is the sum
#
# $$Y[k,m] = \sum_c w_c^*[k]\,X_c[k,m] = \mathbf w[k]^{\mathsf H}\mathbf x[k,m] .$$
#
# (The star on the weights is a convention, which makes the formulas below shorter.) Let every microphone have noise of its own, with the same power $\sigma_v^2$ and independent of the others: $\mathbb E[\mathbf v\mathbf v^{\mathsf H}] = \sigma_v^2 I$. The source has the power $\sigma_s^2$. At the output the source has the power $\sigma_s^2|\mathbf w^{\mathsf H}\mathbf d|^2$ and the noise $\sigma_v^2\,\mathbf w^{\mathsf H}\mathbf w$. Compared with a single microphone, the ratio of the two has improved by
#
# $$G = \frac{|\mathbf w^{\mathsf H}\mathbf d|^2}{\mathbf w^{\mathsf H}\mathbf w} \;\le\; \frac{(\mathbf w^{\mathsf H}\mathbf w)(\mathbf d^{\mathsf H}\mathbf d)}{\mathbf w^{\mathsf H}\mathbf w} = \mathbf d^{\mathsf H}\mathbf d = C ,$$
#
# by the inequality of Cauchy and Schwarz, with equality exactly for $\mathbf w \propto \mathbf d$. (The last step takes $|d_c| = 1$, as for a plane wave.) The best weights look like the thing one listens for: a **matched filter**. Ask in addition that the source pass unchanged, $\mathbf w^{\mathsf H}\mathbf d = 1$:
#
# $$\boxed{\;\mathbf w = \frac{\mathbf d}{\mathbf d^{\mathsf H}\mathbf d}\;}\qquad\Longrightarrow\qquad Y = \frac{\mathbf d^{\mathsf H}\mathbf x}{\mathbf d^{\mathsf H}\mathbf d} .$$
#
# Since $d_c^* = e^{+j2\pi f\tau_c}$, each channel is *advanced* by its delay; then the channels are averaged. Hence the name **delay and sum**. The source's copies add in step: its amplitude stays. The noises add at random: their power falls by $C$. Four microphones gain $10\log_{10}4 = 6$ dB.

# %% [markdown]
# ### Exercise 4.3 — Delay and sum
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You have a beamformer.
#
# **Task.** Write `delay_and_sum(X, d)`: `X` is the recording `(n_channels, n_freqs, n_frames)`, `d` the steering vectors `(n_freqs, n_channels)`. Return the output $Y$ of the boxed weights, shape `(n_freqs, n_frames)`. The entries of `d` may have any magnitudes: a near microphone hears more.
#
# **By hand.** One frequency, one frame, $\mathbf d = (1, j)^{\mathsf T}$. For $\mathbf x = (2, 2j)^{\mathsf T}$, the source is $(1\cdot2 + (-j)\cdot2j)/2 = 2$. With $\mathbf d = (1, 2j)^{\mathsf T}$ and $\mathbf x = (2, 4j)^{\mathsf T}$ it is $(2 + 8)/5 = 2$ again.
#
# **Expected sound.** The player "delay and sum" below.

# %% [markdown] hints="delay_and_sum"
# concept: Undo the delays by the conjugate phases, then average.
#
# structure: For each frequency, sum over the channels the product of the conjugate of `d` and `X`. Divide by the sum of the squared magnitudes of `d`, which is one number for each frequency.
#
# line: `np.einsum("kc,ckm->km", d.conj(), X) / np.sum(np.abs(d) ** 2, axis=1)[:, None]`.

# %% exercise="delay_and_sum" forbid="course_lib.beamforming pyroomacoustics"
def delay_and_sum(X, d):
    """Return the sum of the channels (n_freqs, n_frames), aligned for the source whose steering vectors are d."""
    ### BEGIN SOLUTION
    return np.einsum("kc,ckm->km", d.conj(), X) / np.sum(np.abs(d) ** 2, axis=1)[:, None]
    ### END SOLUTION


# %% test="delay_and_sum" points=1
check.close(
    delay_and_sum(np.array([[[2.0 + 0j]], [[2j]]]), np.array([[1, 1j]])),
    np.array([[2.0 + 0j]]),
    name="the example",
    mistakes={
        "the conjugate is missing: the delays must be undone, not doubled.": [[0]],
        "the division by d^H d is missing.": [[4]],
        "the channels were averaged without being aligned.": [[1 + 1j]],
    },
)
check.close(
    delay_and_sum(np.array([[[2.0 + 0j, 0.0]], [[4j, 5j]]]), np.array([[1, 2j]])),
    np.array([[2.0 + 0j, 2.0]]),
    name="a microphone that hears twice as much",
    mistakes={
        "the sum was divided by the number of channels: divide by d^H d.": [[5.0, 5.0]],
        "only the phases of d were used.": [[3.0, 2.5]],
        "each channel was divided by its entry of d: the loud one then counts too little.": [[2.0, 1.25]],
    },
)
check.passed("the copies add in step")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("delay_and_sum")
_odd, _even = 2 * int(_rng.integers(4, 40)) + 1, 2 * int(_rng.integers(4, 40))
for _n_channels, _n_freqs, _n_frames in [(1, 1, 1), (4, _odd, _even), (3, _even, _odd), (6, 5, 1)]:
    for _scale, _gain in [(1.0, 1.0), (1e-6, 1e-3), (1e6, 1e3)]:
        _d = _gain * (_rng.standard_normal((_n_freqs, _n_channels)) + 1j * _rng.standard_normal((_n_freqs, _n_channels)))
        _S = _scale * (_rng.standard_normal((_n_freqs, _n_frames)) + 1j * _rng.standard_normal((_n_freqs, _n_frames)))
        _V = _gain * _scale * (_rng.standard_normal((_n_channels, _n_freqs, _n_frames)) + 1j * _rng.standard_normal((_n_channels, _n_freqs, _n_frames)))
        _X = _d.T[:, :, None] * _S
        _before = _X.copy(), _d.copy()
        check.close(delay_and_sum(_X, _d), _S, relative_tolerance=1e-9, absolute_tolerance=0.0, name="the source, which must pass unchanged")
        check.close(_X, _before[0], absolute_tolerance=0.0, name="your input X after the call")
        check.close(_d, _before[1], name="your input d after the call")
        _noise = np.stack([np.linalg.lstsq(_d[_k][:, None], _V[:, _k], rcond=None)[0][0] for _k in range(_n_freqs)])
        check.close(delay_and_sum(_X + _V, _d), _S + _noise, relative_tolerance=1e-9, absolute_tolerance=0.0, name="source and noise")
check.close(delay_and_sum(0 * _X, _d), np.zeros((5, 1), complex), name="silence")
check.close(delay_and_sum(np.array([[[2, 4]], [[5, 6]]]), np.array([[1, 1]])), np.array([[3.5, 5.0]]) + 0j, name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 3.2 What it does to a voice
#
# Noise of the microphones themselves is one thing, a voice from another direction another. That voice also has a steering vector, $\mathbf d(\theta)$. It passes with the factor $\mathbf w^{\mathsf H}\mathbf d(\theta) = \mathbf d(\theta_0)^{\mathsf H}\mathbf d(\theta)/C$, whose magnitude is the likeness of section 2.4! The more alike two directions look, the less delay-and-sum can do. Let us see whether this is true. In the open air, without any room, we look to 110° and measure how much of the voice from 40° is left.

# %% tags="demo"
look = beamforming.steering_vector(microphones_m, frequencies_hz, TARGET_DEG)
das = beamforming.delay_and_sum(look)
open_target, open_rest = record(rt60_s=0.0, diffuse_noise_snr_db=None)
left_db = 10 * np.log10(np.sum(np.abs(beamforming.apply_beamformer(das, analyse(open_rest))) ** 2, axis=1) / np.sum(np.abs(analyse(open_rest)[0]) ** 2, axis=1))
promised_db = likeness_db(0.05)[np.argmin(np.abs(azimuths_deg - OTHER_DEG))]

figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
ax.plot(frequencies_hz / 1000, left_db, linewidth=1, label="measured")
ax.plot(frequencies_hz / 1000, promised_db, "--", linewidth=2, label="likeness of 40° and 110°")
ax.set(xlabel="Frequency (kHz)", ylabel="Left of the other voice (dB)", ylim=(-35, 10), title="The other voice comes through as much as its direction is like the target's")
ax.legend(loc="upper center", ncols=2)
plt.show()

aligned = synthesise(beamforming.apply_beamformer(das, X))
for name, sound in {"microphone 0": synthesise(X[0]), "delay and sum": aligned}.items():
    sdr_db, sir_db, intelligibility = scores(target, rest, sound)
    print(f"in the room, {name:14} SDR {sdr_db:5.1f} dB   SIR {sir_db:5.1f} dB   STOI {intelligibility:.2f}")
listen({"microphone 0": synthesise(X[0]), "delay and sum": aligned}, sample_rate)

# %% [markdown]
# The curve is as promised, and so is the peak near 6.2 kHz: there 40° is a grating lobe of 110°. The nulls are where they should be, but not bottomless: from 1.5 m the wave is not quite flat, and the microphones hiss. Above 7.3 kHz the voice is so soft that hiss is all there is to measure.
#
# In the room the sound tells the same story. The SDR rises by 0.6 dB only. Hiss would have fallen by 6 dB, but hiss was not the problem. A voice has most of its energy below 1 kHz, and there, for a row of 15 cm, 40° looks much like 110°. What has changed is the timbre of the other talker: the high frequencies are softer. For more we need weights that *cancel*. First a picture of what weights do.
#
# ## 4. Beam patterns
#
# ### 4.1 What a set of weights hears
#
# Likeness was about directions. Now look at a beamformer, with whatever weights. A plane wave from $\theta$ comes out multiplied by
#
# $$\boxed{\;B(f,\theta) = \mathbf w(f)^{\mathsf H}\,\mathbf d(f,\theta)\;}$$
#
# This is its **beam pattern**. In dB, over the angle, it shows the **main lobe** around the direction looked at, **side lobes**, and **nulls**. For delay and sum it is the geometric sum of section 2.4. Its first null lies where $C\varphi/2 = \pi$, that is $|\cos\theta - \cos\theta_0| = \lambda/(C\Delta)$. The longer the wave is, compared with the array, the wider is the beam. For our 20 cm ($C\Delta$) and 4 kHz the null lies 0.43 away in the cosine. At 1 kHz it would lie 1.7 away: there is none.

# %% [markdown]
# ### Exercise 4.4 — A beam pattern in decibels
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You can draw what any beamformer hears.
#
# **Task.** Write `beam_pattern(w, d)`. The weights `w` have the shape `(n_freqs, n_channels)`, the steering vectors `d` of many directions `(n_directions, n_freqs, n_channels)`. Return $20\log_{10}|\mathbf w^{\mathsf H}\mathbf d|$, shape `(n_directions, n_freqs)`, in dB. Raise everything below −60 dB to −60 dB, so that a null does not become minus infinity.
#
# **By hand.** One frequency, $\mathbf w = (\tfrac12, \tfrac12)^{\mathsf T}$. For $\mathbf d = (1, 1)^{\mathsf T}$ the response is 1, 0 dB. For $(1, j)^{\mathsf T}$ it is $|1 + j|/2 = 0.71$, −3.01 dB. For $(1, -1)^{\mathsf T}$ it is 0: the floor, −60 dB.
#
# **Expected picture.** The figure below. With your function it is `beam_pattern(das, beamforming.steering_vector(microphones_m, frequencies_hz, azimuths_deg))`.

# %% [markdown] hints="beam_pattern"
# concept: For each direction and each frequency there is one inner product over the channels. The weights are conjugated.
#
# structure: Form the inner products with `np.einsum`, take magnitudes, put a floor of $10^{-60/20}$ under them, then take the logarithm.
#
# line: `response = np.abs(np.einsum("kc,akc->ak", w.conj(), d))`, and the result is `20 * np.log10(np.maximum(response, 1e-3))`.

# %% exercise="beam_pattern" forbid="course_lib.beamforming pyroomacoustics"
def beam_pattern(w, d):
    """Return the response of the weights in dB, at least -60, to the steering vectors: shape (n_directions, n_freqs)."""
    ### BEGIN SOLUTION
    response = np.abs(np.einsum("kc,akc->ak", w.conj(), d))
    return 20 * np.log10(np.maximum(response, 1e-3))
    ### END SOLUTION


# %% test="beam_pattern" points=1
_d = np.array([[[1, 1]], [[1, 1j]], [[1, -1]]])
check.close(
    beam_pattern(np.array([[0.5, 0.5]]), _d),
    np.array([[0.0], [-10 * np.log10(2)], [-60.0]]),
    name="the example",
    mistakes={
        "this is half as many decibels: the response is an amplitude, 20 times its logarithm.": [[0.0], [-5 * np.log10(2)], [-60.0]],
        "the floor is missing at −60 dB: the smallest amplitude is 10^(−60/20).": [[0.0], [-10 * np.log10(2)], [-120.0]],
        "the natural logarithm was taken: decibels use that to base 10.": [[0.0], [-10 * np.log(2)], [-60.0]],
        "this is the response itself, not yet in dB.": [[1.0], [np.sqrt(0.5)], [0.0]],
    },
)
check.close(
    beam_pattern(np.array([[0.5, 0.5j]]), _d),
    np.array([[-10 * np.log10(2)], [0.0], [-10 * np.log10(2)]]),
    name="complex weights",
    mistakes={"the weights were not conjugated: it is w^H d.": [[-10 * np.log10(2)], [-60.0], [-10 * np.log10(2)]]},
)
check.close(
    beam_pattern(np.array([[2.0, 2.0]]), _d),
    np.array([[20 * np.log10(4)], [20 * np.log10(2 * np.sqrt(2))], [-60.0]]),
    name="weights that amplify",
    mistakes={
        "the pattern was divided by its largest value: return the response as it is.": [[0.0], [-10 * np.log10(2)], [-60.0]],
        "everything above 0 dB was cut off.": [[0.0], [0.0], [-60.0]],
    },
)
check.close(
    beam_pattern(np.array([[1, -1]]), np.array([[[1, 1]], [[1, -1]]])),
    np.array([[-60.0], [20 * np.log10(2)]]),
    name="the pattern of whole numbers (a floor of 0.001 stored into an array of integers becomes 0)",
)
check.passed("you see what the array hears")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("beam_pattern")
_odd, _even = 2 * int(_rng.integers(4, 30)) + 1, 2 * int(_rng.integers(4, 30))
for _n_directions, _n_freqs, _n_channels in [(1, 1, 1), (_odd, _even, 4), (_even, _odd, 3), (5, 5, 5), (2, 513, 2)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _w = _scale * (_rng.standard_normal((_n_freqs, _n_channels)) + 1j * _rng.standard_normal((_n_freqs, _n_channels)))
        _d = np.exp(2j * np.pi * _rng.random((_n_directions, _n_freqs, _n_channels)))
        _before = _w.copy(), _d.copy()
        _power = np.abs(sum(_w[:, _c].conj() * _d[:, :, _c] for _c in range(_n_channels))) ** 2
        check.close(beam_pattern(_w, _d), np.clip(10 * np.log10(_power), -60, None), absolute_tolerance=1e-6, name="the pattern of random weights")
        check.close(_w, _before[0], absolute_tolerance=0.0, name="your input w after the call")
        check.close(_d, _before[1], name="your input d after the call")
check.close(beam_pattern(np.zeros((3, 2)), np.ones((4, 3, 2))), np.full((4, 3), -60.0), name="weights of zero")
check.close(beam_pattern(np.array([[1, 1]]), np.array([[[5, 5]], [[3, -3]]])), np.array([[20.0], [-60.0]]), name="whole numbers")
### END HIDDEN TESTS

# %% tags="demo"
whole_circle_deg = np.arange(361)
pattern = beamforming.beam_pattern(das, microphones_m, frequencies_hz, whole_circle_deg)
figure = plt.figure(figsize=(10, 4), layout="constrained")
left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2, projection="polar")
for frequency, style in zip((500, 1000, 3000, 6000), ("-", "--", "-.", ":"), strict=True):
    pattern_db = 20 * np.log10(np.maximum(np.abs(pattern[:, np.argmin(np.abs(frequencies_hz - frequency))]), 1e-3))
    left.plot(whole_circle_deg[:181], pattern_db[:181], style, linewidth=2, label=f"{frequency} Hz")
    right.plot(np.deg2rad(whole_circle_deg), np.maximum(pattern_db, -30), style, linewidth=1.6)
left.axvline(TARGET_DEG, color="0.5", linewidth=0.8)
left.set(xlabel="Direction (°)", ylabel="Response (dB)", ylim=(-40, 1), xticks=range(0, 181, 30), title="Delay and sum: narrower, then a second lobe")
figure.legend(loc="outside lower center", ncols=4)
right.set(rlim=(-30, 0), rticks=[-20, -10, 0], title="Behind the row it is the same")
right.set_rlabel_position(281)
plt.show()

# %% [markdown]
# In the polar plot each lobe has a twin: 110° in front and 250° behind. At 6 kHz there is a second main lobe, at 37°, where the phases have come round: a grating lobe, and right beside the other talker. At 500 Hz the beam is hardly a beam.
#
# ### 4.2 One number for noise from everywhere
#
# A murmur, or the late part of reverberation, comes from all directions alike. Take two microphones at the distance $r$. For a wave under the angle $\alpha$ to their axis, the second has the phase factor $e^{j2\pi f r\cos\alpha/c_0}$ relative to the first. Average over the sphere. As Archimedes knew, $\cos\alpha$ is then spread evenly between −1 and 1:
#
# $$\Gamma(f) = \frac12\int_{-1}^1 e^{j2\pi f r z/c_0}\,dz = \frac{\sin(2\pi f r/c_0)}{2\pi f r/c_0} .$$
#
# This is the **coherence** of a diffuse field. At low frequencies it is 1: both microphones hear the same, though from everywhere. For all pairs it is a matrix $\Gamma$, and the diffuse noise at the output is $\mathbf w^{\mathsf H}\Gamma\mathbf w$. Two figures of merit say how much better than one microphone a beam is, for two kinds of noise:
#
# $$\text{directivity index:}\;\; 10\log_{10}\frac{|\mathbf w^{\mathsf H}\mathbf d|^2}{\mathbf w^{\mathsf H}\Gamma\mathbf w}, \qquad\qquad
# \text{white-noise gain:}\;\; 10\log_{10}\frac{|\mathbf w^{\mathsf H}\mathbf d|^2}{\mathbf w^{\mathsf H}\mathbf w} .$$
#
# The second was section 3's $G$, in dB. It is about the microphones' own hiss, and about everything else that differs from microphone to microphone and that nobody knows: small errors of place, of gain, of phase. A negative white-noise gain means that the beam *amplifies* all that.

# %% [markdown]
# ### Exercise 4.5 — White-noise gain
#
# *1 point · 6 minutes · easy*
#
# **Outcome.** You can tell a robust beam from one that works on paper only.
#
# **Task.** Write `white_noise_gain(w, d)` for weights and steering vectors, both `(n_freqs, n_channels)`. Return the white-noise gain in dB, shape `(n_freqs,)`. The weights need not be distortionless.
#
# **By hand.** $\mathbf w = (\tfrac12, \tfrac12)^{\mathsf T}$ and $\mathbf d = (1, 1)^{\mathsf T}$: $10\log_{10}(1/\tfrac12) = 3.01$ dB. The difference $\mathbf w = (1, -1)^{\mathsf T}$ and $\mathbf d = (1, j)^{\mathsf T}$: $|1 - j|^2/2 = 1$, so 0 dB.
#
# **Expected number.** For a plane wave, $|d_c| = 1$, delay and sum has $10\log_{10}C$ at all frequencies; nothing has more. (In general it is $10\log_{10}\mathbf d^{\mathsf H}\mathbf d$.)

# %% [markdown] hints="white_noise_gain"
# concept: Two powers at each frequency: of the wanted wave at the output, and of independent noise of power one.
#
# structure: The inner product $\mathbf w^{\mathsf H}\mathbf d$ over the channels, its squared magnitude, divided by the sum of $|w_c|^2$; then ten times the logarithm.
#
# line: `response = np.sum(w.conj() * d, axis=1)`, and `10 * np.log10(np.abs(response) ** 2 / np.sum(np.abs(w) ** 2, axis=1))`.

# %% exercise="white_noise_gain" forbid="course_lib.beamforming"
def white_noise_gain(w, d):
    """Return, in dB at each frequency, how much the weights improve the ratio of a wave to independent noise."""
    ### BEGIN SOLUTION
    response = np.sum(w.conj() * d, axis=1)
    return 10 * np.log10(np.abs(response) ** 2 / np.sum(np.abs(w) ** 2, axis=1))
    ### END SOLUTION


# %% test="white_noise_gain" points=1
check.close(
    white_noise_gain(np.array([[0.5, 0.5], [1.0, -1.0], [1.0, 0.0]]), np.array([[1, 1], [1, 1j], [1j, 1]])),
    np.array([10 * np.log10(2), 0.0, 0.0]),
    name="the two examples, and one microphone alone",
    mistakes={
        "powers were taken for amplitudes: a ratio of powers has ten times the logarithm.": [20 * np.log10(2), 0.0, 0.0],
        "the fraction is upside down: a gain has the wanted wave in the numerator.": [-10 * np.log10(2), 0.0, 0.0],
        "the numerator is missing: the weights need not be distortionless.": [10 * np.log10(2), -10 * np.log10(2), 0.0],
        "the numerator was not squared.": [10 * np.log10(2), -5 * np.log10(2), 0.0],
        "the root of w^H w was taken in the denominator.": [5 * np.log10(2), 5 * np.log10(2), 0.0],
        "the magnitudes were taken before the sum over the channels: first add w* d up, phases and all.": [10 * np.log10(2), 10 * np.log10(2), 0.0],
    },
)
check.close(
    white_noise_gain(np.array([[1.0, 1j]]), np.array([[2.0, 2j]])),
    np.array([10 * np.log10(8)]),
    name="complex weights",
    mistakes={"d was divided out: microphones that hear twice as much gain more.": [10 * np.log10(2)]},
)
check.passed("you know what hiss will do")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("white_noise_gain")
_odd, _even = 2 * int(_rng.integers(4, 60)) + 1, 2 * int(_rng.integers(4, 60))
for _n_freqs, _n_channels in [(1, 1), (_odd, 4), (_even, 3), (6, 6), (513, 8)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _w = _scale * (_rng.standard_normal((_n_freqs, _n_channels)) + 1j * _rng.standard_normal((_n_freqs, _n_channels)))
        _d = _rng.standard_normal((_n_freqs, _n_channels)) + 1j * _rng.standard_normal((_n_freqs, _n_channels))
        _before = _w.copy(), _d.copy()
        _expected = 20 * np.log10([abs(np.vdot(_w[_k], _d[_k])) / np.linalg.norm(_w[_k]) for _k in range(_n_freqs)])
        check.close(white_noise_gain(_w, _d), _expected, absolute_tolerance=1e-6, name="the white-noise gain of random weights")
        check.close(white_noise_gain(_d, _d), 20 * np.log10(np.linalg.norm(_d, axis=1)), absolute_tolerance=1e-6, name="the gain of the matched filter")
        check.close(_w, _before[0], absolute_tolerance=0.0, name="your input w after the call")
        check.close(_d, _before[1], name="your input d after the call")
check.close(white_noise_gain(np.array([[1, 1], [3, 4]]), np.array([[1, 1], [4, 3]])), np.array([10 * np.log10(2), 10 * np.log10(576 / 25)]), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# Who maximises the *directivity*? The same inequality, with $\Gamma$ in place of $I$, gives $\mathbf w \propto \Gamma^{-1}\mathbf d$; section 6 derives it. That beam is called **superdirective**. The figure shows its price. At low frequencies $\Gamma$ is nearly a matrix of ones. The beam then lives on small differences between microphones that hear nearly the same, and multiplies them by large weights. The dotted compromise adds 1 % to the diagonal of $\Gamma$: it counts on some hiss. (The dashed beam counts on $10^{-8}$, so that the matrix can be inverted. Below 150 Hz even that is too much for it.)

# %% tags="demo"
gamma = beamforming.diffuse_coherence(microphones_m, frequencies_hz)
beams = {
    "delay and sum": (das, "-"),
    "superdirective": (beamforming.mvdr(gamma, look, loading=1e-8), "--"),
    "superdirective, 1 % hiss": (beamforming.mvdr(gamma, look, loading=1e-2), ":"),
}
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
for name, (weights, style) in beams.items():
    axes[0].semilogx(frequencies_hz[8:], beamforming.directivity_index(weights, microphones_m, frequencies_hz, TARGET_DEG)[8:], style, linewidth=2)
    axes[1].semilogx(frequencies_hz[8:], beamforming.white_noise_gain(weights, look)[8:], style, linewidth=2, label=name)
axes[0].set(xlabel="Frequency (Hz)", ylabel="Directivity index (dB)", title="Against noise from everywhere …")
axes[1].set(xlabel="Frequency (Hz)", ylabel="White-noise gain (dB)", ylim=(-50, 10), title="… and what it costs in hiss")
axes[1].axhline(0, color="0.3", linewidth=0.8)
axes[1].legend(loc="lower right")
plt.show()

# %% [markdown]
# Now change the array. The table compares rows of other numbers and spacings. All look to 110° by delay and sum. The last column is what the row makes of our room. (One microphone alone is the row's middle. The −0.8 dB of section 1 were those of its left end, which is nearer to the target.)
#
# Two rows may surprise you. Eight microphones within 15 cm do a little *worse* than four: for the beam such a row is $C\Delta$ long, which is 17 cm and not 20. And the row of 45 cm wins, full of lobes as it is: they begin at 1.7 kHz, and most of a voice lies below.

# %% tags="demo"
print(f"{'microphones':12} {'spacing':>8} {'length':>8}   {'white-noise gain':>16}   {'directivity at 250 Hz, 1 kHz, 4 kHz':>36}   {'SDR in the room':>15}")
for n_microphones, spacing_m in [(1, 0.05), (2, 0.05), (4, 0.05), (8, 0.05), (4, 0.15), (8, 0.15 / 7)]:
    row = beamforming.linear_array(n_microphones, spacing_m)
    d = beamforming.steering_vector(row, frequencies_hz, TARGET_DEG)
    weights = beamforming.delay_and_sum(d)
    gain_db = beamforming.white_noise_gain(weights, d)[1]
    index_db = beamforming.directivity_index(weights, row, frequencies_hz, TARGET_DEG)[[32, 128, 512]]
    row_target, row_rest = record(rt60_s=0.3, positions_m=row)
    sdr_db = scores(row_target, row_rest, synthesise(beamforming.apply_beamformer(weights, analyse(row_target + row_rest))))[0]
    print(f"{n_microphones:^12} {100 * spacing_m:5.1f} cm {100 * spacing_m * (n_microphones - 1):5.0f} cm   {gain_db:13.1f} dB   " + "".join(f"{value:9.1f} dB" for value in index_db) + f"   {sdr_db:12.1f} dB")

# %% [markdown]
# ### Exercise 4.6 — What do more microphones buy? (written)
#
# *2 points · 12 minutes · medium*
#
# You may add four microphones to our four. **(a)** Add them at the ends, with the same spacing, or between the others, within the same 15 cm. For each of the two say what happens to the gain against the microphones' own hiss, to the width of the beam at low frequencies, and to the grating lobes; give a formula or a number from the table for each. **(b)** With weights of your choice, how many directions can $C$ microphones
# silence at one frequency while they keep one? Why does that not make a room silent, even with 16 microphones?

# %% [markdown] hints="microphones"
# concept: Three quantities count three different things: how many microphones (hiss), how long the array is (width), how close they stand (lobes).
#
# structure: For (a) make a small table with two columns, *longer* and *denser*, and three rows. For (b) count unknowns and equations: each null is one linear equation for the weights. Then ask how many directions a room's reflections come from.
#
# line: Begin with "Against hiss only the number counts: 10 log₁₀ 8 = 9 dB in both cases. The width of the beam, however, …".

# %% [markdown] written="microphones" points=2
# ### BEGIN SOLUTION
# (a) *Hiss:* by Cauchy–Schwarz the largest gain is $C$, so 9 dB in place of 6 dB in both cases; 3 dB for each doubling, wherever they stand. *Width:* the first null lies at $\lambda/(C\Delta)$ in the cosine, so it depends on the length. At the ends the array is twice as long and the beam about half as wide; between the others the length is the same, and so, nearly, is the width (the directivity at 250 Hz and 1 kHz hardly changes in the table).
# *Grating lobes:* they depend on the spacing. At the ends nothing changes (none below $c_0/\Delta/(1+|\cos\theta_0|)$, 5.1 kHz); between the others the spacing is 2.1 cm, and the limit rises to about 12 kHz, out of our band.
#
# (b) $C$ weights: one equation $\mathbf w^{\mathsf H}\mathbf d = 1$ for the target and one, $\mathbf w^{\mathsf H}\mathbf d_i = 0$, for each null: $C - 1$ nulls. A room sends every source back from very many directions, and late reverberation from all; so do diffuse noises. There are many more directions than nulls, so only the average over all directions can be lowered (directivity), by about the number of microphones and less at low frequencies.
# (Also: reflections of the *target* come from other directions; an exact null on a wall that reflects the target takes away part of the target.)
#
# **Rubric**
#
# - 1 point: (a) tells apart number (hiss: 3 dB for a doubling), length (width) and spacing (grating lobes), for both arrangements.
# - 1 point: (b) C − 1 nulls, and reverberation or diffuse noise as more directions than there are nulls.
# ### END SOLUTION

# %% [markdown]
# ## 5. Spatial covariance
#
# So far we knew nothing of the noise, and assumed much. Now let us measure. What matters about noise is the power it has at the output, and that is
#
# $$\mathbb E|\mathbf w^{\mathsf H}\mathbf v|^2 = \mathbf w^{\mathsf H}\,\mathbb E[\mathbf v\mathbf v^{\mathsf H}]\,\mathbf w = \mathbf w^{\mathsf H}\Phi_{vv}\mathbf w, \qquad \boxed{\;\Phi_{vv}[k] = \mathbb E\big[\mathbf v[k,m]\,\mathbf v[k,m]^{\mathsf H}\big] \approx \frac1M\sum_{m=1}^M \mathbf v[k,m]\,\mathbf v[k,m]^{\mathsf H}\;}$$
#
# the **spatial covariance matrix**, one $C\times C$ matrix at each frequency. On its diagonal stand the powers of the microphones. Off it, at row $c$ and column $c'$, stands the mean of $V_cV_{c'}^*$: how much the two have in common, and with which phase. It is Hermitian, $\Phi^{\mathsf H} = \Phi$, and no $\mathbf w$ makes the power negative. You can read the kind of sound from it:
#
# - One source at one place: $\mathbf x = \mathbf d s$, so $\Phi = \sigma_s^2\,\mathbf d\mathbf d^{\mathsf H}$. Its rank is **one**. The only eigenvector with a power is $\mathbf d$.
# - Hiss: $\sigma_v^2 I$. All eigenvalues are equal.
# - A diffuse field: $\sigma_v^2\,\Gamma$, with the coherence of section 4.2.
#
# Independent sounds add, and so do their covariances: $\Phi_{xx} = \sigma_s^2\,\mathbf d\mathbf d^{\mathsf H} + \Phi_{vv}$. All that the rest of this lesson does with a recording passes through these matrices.

# %% [markdown]
# ### Exercise 4.7 — Estimate a spatial covariance
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You have the one statistic that every beamformer of this lesson uses.
#
# **Task.** Write `estimate_covariance(X)` for a recording `(n_channels, n_freqs, n_frames)`. Return the means over the frames of $\mathbf x\mathbf x^{\mathsf H}$, shape `(n_freqs, n_channels, n_channels)`.
#
# **By hand.** One frequency, two frames, $\mathbf x = (1, j)^{\mathsf T}$ and $(1, 2)^{\mathsf T}$. The products $\mathbf x\mathbf x^{\mathsf H}$ are $\begin{pmatrix}1 & -j\\ j & 1\end{pmatrix}$ and $\begin{pmatrix}1 & 2\\ 2 & 4\end{pmatrix}$, their mean $\begin{pmatrix}1 & 1 - j/2\\ 1 + j/2 & 2.5\end{pmatrix}$.
#
# **Expected number.** The matrices are Hermitian; their diagonals are the powers of the channels.

# %% [markdown] hints="estimate_covariance"
# concept: A sum of outer products over frames is *one* matrix product: of the `(n_channels, n_frames)` matrix of a frequency with its own conjugate transpose.
#
# structure: Which factor is conjugated? The column index belongs to $\mathbf x^{\mathsf H}$. Then divide by the number of frames, and see that the frequency is the first axis.
#
# line: `np.einsum("ckm,dkm->kcd", X, X.conj()) / X.shape[2]`.

# %% exercise="estimate_covariance" forbid="course_lib.beamforming np.cov np.ma.cov"
def estimate_covariance(X):
    """Return the spatial covariance matrices (n_freqs, n_channels, n_channels) of a recording."""
    ### BEGIN SOLUTION
    return np.einsum("ckm,dkm->kcd", X, X.conj()) / X.shape[2]
    ### END SOLUTION


# %% test="estimate_covariance" points=1
check.close(
    estimate_covariance(np.array([[[1, 1]], [[1j, 2]]])),
    np.array([[[1, 1 - 0.5j], [1 + 0.5j, 2.5]]]),
    name="the example",
    mistakes={
        "the wrong factor is conjugated: the column index belongs to x^H.": [[[1, 1 + 0.5j], [1 - 0.5j, 2.5]]],
        "no factor is conjugated.": [[[1, 1 + 0.5j], [1 + 0.5j, 1.5]]],
        "the division by the number of frames is missing, or one was taken from it.": [[[2, 2 - 1j], [2 + 1j, 5]]],
        "the mean was subtracted first: a covariance of the STFT takes the frames as they are.": [[[0, 0], [0, 1.25]]],
    },
)
_X = np.array([[[1, 1j, 0], [2, 0, 0]], [[1, 1, 0], [0, 0, 3j]]])
check.close(
    estimate_covariance(_X),
    np.array([[[2, 1 + 1j], [1 - 1j, 2]], [[4, 0], [0, 9]]]) / 3,
    name="two frequencies, three frames",
    mistakes={
        "the sum was divided by 2: divide by the number of frames, which is 3 (not by one less, nor by the number of channels).": np.array([[[2, 1 + 1j], [1 - 1j, 2]], [[4, 0], [0, 9]]]) / 2,
    },
)
check.passed("the array has a memory of where sounds came from")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("estimate_covariance")
_odd, _even = 2 * int(_rng.integers(4, 40)) + 1, 2 * int(_rng.integers(4, 40))
for _n_channels, _n_freqs, _n_frames in [(1, 1, 1), (4, _odd, _even), (3, _even, _odd), (5, 7, 2), (2, 1, 30)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _X = _scale * (_rng.standard_normal((_n_channels, _n_freqs, _n_frames)) + 1j * _rng.standard_normal((_n_channels, _n_freqs, _n_frames)) + 0.5)
        _before = _X.copy()
        _R = estimate_covariance(_X)
        _expected = np.stack([sum(np.outer(_X[:, _k, _m], _X[:, _k, _m].conj()) for _m in range(_n_frames)) / _n_frames for _k in range(_n_freqs)])
        check.close(_R, _expected, relative_tolerance=1e-9, absolute_tolerance=0.0, name="the covariances of a random recording")
        check.close(_X, _before, absolute_tolerance=0.0, name="your input X after the call")
_w = _rng.standard_normal(_n_channels) + 1j * _rng.standard_normal(_n_channels)
_power = np.mean(np.abs(np.einsum("c,ckm->km", _w.conj(), _X)) ** 2, axis=1)
check.close(np.einsum("c,kcd,d->k", _w.conj(), _R, _w).real, _power, relative_tolerance=1e-9, absolute_tolerance=0.0, name="w^H Φ w, which is the power of the output w^H x")
check.close(estimate_covariance(0 * _X), np.zeros((1, 2, 2), complex), name="silence")
check.close(estimate_covariance(np.array([[[1, 2]], [[3, 4]]])), np.array([[[2.5, 5.5], [5.5, 12.5]]]) + 0j, name="whole numbers")
_X = _rng.standard_normal((4, 257, 300)) + 1j * _rng.standard_normal((4, 257, 300))
check.shape(check.within_seconds(3.0, estimate_covariance, _X), (257, 4, 4), name="the covariances of some seconds of sound")
### END HIDDEN TESTS

# %% tags="demo"
def smooth(values, n_bins=9):
    """Average over neighbouring frequencies, so that a figure shows the trend."""
    return np.convolve(values, np.ones(n_bins) / n_bins, "valid")


scene = scenes.array_scene(talkers, [TARGET_DEG, OTHER_DEG], microphones_m, np.random.default_rng(4), diffuse_noise_snr_db=15.0, diffuse_noise=data.noise("babble"))
murmur = beamforming.spatial_covariance(analyse(scene.images[2][:, :n_samples]))
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
for other_microphone, style in ((1, "-"), (3, "--")):
    powers = np.sqrt(murmur[:, 0, 0].real * murmur[:, other_microphone, other_microphone].real)
    axes[0].plot(smooth(frequencies_hz) / 1000, smooth(murmur[:, 0, other_microphone].real / powers), style, linewidth=0.8, label=f"measured, {5 * other_microphone} cm")
    axes[0].plot(frequencies_hz / 1000, beamforming.diffuse_coherence(microphones_m, frequencies_hz)[:, 0, other_microphone], style, color="black", linewidth=1.6)
axes[0].set(xlim=(0, 7.5), xlabel="Frequency (kHz)", ylabel="Coherence", title="The murmur: as the formula says (black)")
axes[0].legend()
for (name, sound), style in zip({"target, open air": open_target, "target, room": target, "murmur": scene.images[2][:, :n_samples]}.items(), ("-", "--", ":"), strict=True):
    eigenvalues = np.linalg.eigvalsh(beamforming.spatial_covariance(analyse(sound)))
    axes[1].plot(smooth(frequencies_hz) / 1000, 100 * smooth(eigenvalues[:, -1] / eigenvalues.sum(axis=1)), style, linewidth=1.2, label=name)
axes[1].set(xlim=(0, 7.5), xlabel="Frequency (kHz)", ylabel="Largest eigenvalue (%)", ylim=(0, 103), title="One place: one eigenvalue. A room: nearly")
axes[1].legend(loc="lower left")
plt.show()

# %% [markdown]
# On the left the murmur's coherence follows the formula of section 4.2. On the right, one talker in the open air has one eigenvalue, 100 % of the power. In the room about 90 % are left for the first: most of what the walls send back within a frame keeps to one vector, the rest does not. The murmur spreads over all, except at low frequencies, where four microphones are as good as one.
#
# ## 6. The beam that cancels
#
# ### 6.1 Minimum variance, and a Lagrange multiplier
#
# Delay and sum takes the noise as it comes. Now we know it, by its covariance $\Phi$. Let the target pass unchanged, and make all else as soft as possible:
#
# $$\min_{\mathbf w}\; \mathbf w^{\mathsf H}\Phi\,\mathbf w \qquad\text{subject to}\qquad \mathbf w^{\mathsf H}\mathbf d = 1 .$$
#
# Let $\Phi$ be positive definite, so that it has an inverse; a little hiss in every microphone sees to that. This is the **minimum-variance distortionless response**, MVDR. The constraint is complex, so it counts as two real ones, and gets a complex multiplier $\mu$:
#
# $$L = \mathbf w^{\mathsf H}\Phi\mathbf w + \mu\,(1 - \mathbf w^{\mathsf H}\mathbf d) + \mu^*(1 - \mathbf d^{\mathsf H}\mathbf w) .$$
#
# $L$ is real. As in lesson 03, treat $\mathbf w$ and $\mathbf w^*$ as two variables, and set the derivative with respect to $\mathbf w^*$ to zero: $\Phi\mathbf w - \mu\,\mathbf d = 0$, so $\mathbf w = \mu\,\Phi^{-1}\mathbf d$. The constraint tells $\mu$: from $\mathbf w^{\mathsf H}\mathbf d = \mu^*\,\mathbf d^{\mathsf H}\Phi^{-1}\mathbf d = 1$ follows $\mu = 1/(\mathbf d^{\mathsf H}\Phi^{-1}\mathbf d)$, a positive number. Together
#
# $$\boxed{\;\mathbf w = \frac{\Phi^{-1}\mathbf d}{\mathbf d^{\mathsf H}\Phi^{-1}\mathbf d}\;}\qquad\text{with the output power}\qquad \mathbf w^{\mathsf H}\Phi\mathbf w = \frac1{\mathbf d^{\mathsf H}\Phi^{-1}\mathbf d} .$$
#
# Is it a minimum? Any other weights that obey the constraint are $\mathbf w + \mathbf z$ with $\mathbf z^{\mathsf H}\mathbf d = 0$. Their power is $\mathbf w^{\mathsf H}\Phi\mathbf w + \mathbf z^{\mathsf H}\Phi\mathbf z + 2\,\mathrm{Re}\,\mathbf z^{\mathsf H}\Phi\mathbf w$. But $\Phi\mathbf w = \mu\mathbf d$, so the last term is zero, and the second is not negative. It is.
#
# Three cases to get a feeling for it.
#
# - **Hiss.** $\Phi = \sigma_v^2I$ gives $\mathbf d/(\mathbf d^{\mathsf H}\mathbf d)$: delay and sum.
# - **A diffuse field.** $\Phi = \sigma_v^2\Gamma$ gives the superdirective beam.
# - **Hiss and one loud voice** from a direction $\mathbf b$, with the power $\sigma_b^2$: $\Phi = \sigma_v^2I + \sigma_b^2\mathbf b\mathbf b^{\mathsf H}$. With $\mathbf b^{\mathsf H}\mathbf b = C$ the inverse of such a sum is known (multiply out, and see): $\Phi^{-1} = \dfrac1{\sigma_v^2}\Big(I - \dfrac{\mathbf b\mathbf b^{\mathsf H}}{C + \sigma_v^2/\sigma_b^2}\Big)$. Hence
#
# $$\mathbf w \;\propto\; \mathbf d - \frac{\mathbf b^{\mathsf H}\mathbf d}{C + \sigma_v^2/\sigma_b^2}\;\mathbf b .$$
#
# It starts as delay and sum, and subtracts what that would hear of the voice. For a loud voice it takes out *all* of it: then $\mathbf w^{\mathsf H}\mathbf b \to 0$. Nobody told the array where the null should be. The covariance did.
#
# **Loading.** Estimated covariances may be nearly singular, and $\Phi^{-1}$ huge. Adding a part of the mean power to the diagonal helps,
#
# $$\Phi \;\leftarrow\; \Phi + \varepsilon\,\frac{\operatorname{tr}\Phi}{C}\,I .$$
#
# It pretends that the microphones hiss more than they do, so that the beam must keep its white-noise gain. Relative to the trace, it works for loud recordings as for soft ones.

# %% [markdown]
# ### Exercise 4.8 — MVDR
#
# *2 points · 15 minutes · medium*
#
# **Outcome.** You have the most used of all adaptive beamformers.
#
# **Task.** Write `mvdr_weights(covariance, d, loading)`. The covariances have the shape `(n_freqs, n_channels, n_channels)`, `d` has `(n_freqs, n_channels)`, and `loading` is the $\varepsilon$ above, a number of at least 0. Return $\mathbf w$, shape `(n_freqs, n_channels)`. At frequencies where the covariance is zero throughout, any distortionless weights do: return those of delay and sum there.
#
# **By hand.** $\Phi = \begin{pmatrix}2 & j\\ -j & 1\end{pmatrix}$ has the determinant 1 and the inverse $\begin{pmatrix}1 & -j\\ j & 2\end{pmatrix}$. With $\mathbf d = (1, 1)^{\mathsf T}$ and no loading: $\Phi^{-1}\mathbf d = (1 - j,\, 2 + j)^{\mathsf T}$, $\mathbf d^{\mathsf H}\Phi^{-1}\mathbf d = 3$, so $\mathbf w = \tfrac13(1 - j,\, 2 + j)^{\mathsf T}$. Indeed $\mathbf w^{\mathsf H}\mathbf d = \tfrac13(1 + j + 2 - j) = 1$.
# With loading: $\Phi = \operatorname{diag}(1, 3)$ and $\varepsilon = \tfrac12$ gives $\operatorname{diag}(2, 4)$, and $\mathbf w = (\tfrac23, \tfrac13)^{\mathsf T}$.
#
# **Expected number.** $|\mathbf w^{\mathsf H}\mathbf d - 1|$ is a rounding error, whatever the covariance.

# %% [markdown] hints="mvdr_weights"
# concept: Where a frequency is silent its matrix has no inverse, and NumPy says "Singular matrix": such a frequency needs another matrix. Elsewhere, never form the inverse: $\Phi^{-1}\mathbf d$ is the solution of a linear system, and NumPy solves one for each frequency in one call.
#
# structure: Add the loading to the diagonals. Where the trace is zero, put a unit matrix, which gives delay and sum. Solve for the columns `d`, then divide by the inner product of `d` and the solution, frequency by frequency.
#
# line: With `mean_power = np.trace(covariance, axis1=1, axis2=2).real / n_channels`, add `np.where(mean_power > 0, loading * mean_power, 1.0)[:, None, None] * np.eye(n_channels)`. Then `z = np.linalg.solve(loaded, d[..., None])[..., 0]` and `w = z / np.sum(d.conj() * z, axis=1)[:, None]`.

# %% exercise="mvdr_weights" forbid="course_lib.beamforming pyroomacoustics"
def mvdr_weights(covariance, d, loading):
    """Return the weights (n_freqs, n_channels) of least output power among those that let d pass unchanged."""
    ### BEGIN SOLUTION
    n_channels = d.shape[1]
    mean_power = np.trace(covariance, axis1=1, axis2=2).real / n_channels
    on_diagonal = np.where(mean_power > 0, loading * mean_power, 1.0)
    loaded = covariance + on_diagonal[:, None, None] * np.eye(n_channels)
    z = np.linalg.solve(loaded, d[..., None])[..., 0]
    return z / np.sum(d.conj() * z, axis=1)[:, None]
    ### END SOLUTION


# %% test="mvdr_weights" points=2
_covariance = np.array([[[2.0, 1j], [-1j, 1.0]]])
_w = mvdr_weights(_covariance, np.array([[1.0, 1.0]]), 0.0)
check.close(
    _w,
    np.array([[1 - 1j, 2 + 1j]]) / 3,
    name="the example without loading",
    mistakes={
        "the weights are conjugated: solve with Φ as it stands.": np.array([[1 + 1j, 2 - 1j]]) / 3,
        "the denominator is missing: divide by d^H Φ^-1 d.": [[1 - 1j, 2 + 1j]],
        "this is delay and sum: the covariance was not used.": [[0.5, 0.5]],
        "Φ itself was used in place of its inverse.": np.array([[2 + 1j, 1 - 1j]]) / 3,
        "the weights were normalised to length one: they are normalised so that w^H d = 1.": np.array([[1 - 1j, 2 + 1j]]) / np.sqrt(7),
    },
)
check.close(
    mvdr_weights(np.array([[[1.0, 0.0], [0.0, 3.0]]]), np.array([[1.0, 1.0]]), 0.5),
    np.array([[2 / 3, 1 / 3]]) + 0j,
    name="the example with loading",
    mistakes={
        "the loading is missing, or was added to all entries: it belongs on the diagonal.": [[0.75, 0.25]],
        "the loading was added as it is: it is relative to the mean power, tr Φ / C.": [[0.7, 0.3]],
        "the loading is relative to the trace: divide the trace by the number of channels.": [[0.625, 0.375]],
    },
)
_d = np.array([[1.0, 1j]])
check.close(
    mvdr_weights(_covariance, _d, 0.0),
    np.array([[2.0, 3j]]) / 5,
    name="the example with another d",
    mistakes={
        "d was conjugated before the system was solved.": [[0.0, 1j]],
        "the conjugate of d is missing in the denominator.": [[-2.0, -3j]],
    },
)
check.close(np.sum(mvdr_weights(_covariance, _d, 0.1).conj() * _d, axis=1), np.array([1.0 + 0j]), name="the constraint w^H d")
try:
    _w_silent = mvdr_weights(np.zeros((1, 2, 2)), _d, 0.0)
except np.linalg.LinAlgError as _error:
    raise AssertionError("At a silent frequency the covariance is zero, also when it has been loaded, and cannot be inverted. Put a unit matrix there: it gives delay and sum.") from _error
check.close(_w_silent, np.array([[0.5, 0.5j]]), name="a silent frequency, where delay and sum is asked for")
check.close(
    mvdr_weights(1e-15 * _covariance, np.array([[1.0, 1.0]]), 0.0),
    _w,
    relative_tolerance=1e-6,
    name="the weights of the same recording, 150 dB softer: a constant added to the diagonal is heard there",
)
check.passed("distortionless, and as quiet as can be")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("mvdr_weights")
_odd, _even = 2 * int(_rng.integers(4, 30)) + 1, 2 * int(_rng.integers(4, 30))
for _n_freqs, _n_channels, _loading in [(1, 1, 0.0), (_odd, 4, 0.0), (_even, 3, 0.01), (5, 5, 1.0), (_odd, 2, 1e-3)]:
    for _scale in [1.0, 1e-12, 1e12]:
        _A = _rng.standard_normal((_n_freqs, _n_channels, 3 * _n_channels)) + 1j * _rng.standard_normal((_n_freqs, _n_channels, 3 * _n_channels))
        _covariance = _scale * (_A @ _A.conj().transpose(0, 2, 1))
        _d = _rng.standard_normal((_n_freqs, _n_channels)) + 1j * _rng.standard_normal((_n_freqs, _n_channels))
        _before = _covariance.copy(), _d.copy()
        _w = mvdr_weights(_covariance, _d, _loading)
        check.close(_covariance, _before[0], absolute_tolerance=0.0, name="your input covariance after the call")
        check.close(_d, _before[1], name="your input d after the call")
        check.close(np.einsum("kc,kc->k", _w.conj(), _d), np.ones(_n_freqs, complex), name="the constraint w^H d")
        _loaded = [_R + _loading * np.trace(_R).real / _n_channels * np.eye(_n_channels) for _R in _covariance]
        _expected = np.stack([np.linalg.inv(_R) @ _v / (_v.conj() @ np.linalg.inv(_R) @ _v) for _R, _v in zip(_loaded, _d)])
        check.close(_w, _expected, relative_tolerance=1e-9, absolute_tolerance=0.0, name="the weights for random covariances")
_silent = _covariance.copy()
_silent[1] = 0.0
_matched = _d[1] / np.sum(np.abs(_d[1]) ** 2)
_w_silent = mvdr_weights(_silent, _d, _loading)
check.close(_w_silent[1], _matched, name="the weights at a silent frequency")
check.close(np.delete(_w_silent, 1, axis=0), np.delete(_w, 1, axis=0), relative_tolerance=1e-7, name="the weights at the others")
check.close(mvdr_weights(np.array([[[1, 0], [0, 3]]]), np.array([[1, 1]]), 0.25), np.array([[0.7, 0.3]]) + 0j, name="whole numbers")
_A = _rng.standard_normal((513, 4, 9)) + 1j * _rng.standard_normal((513, 4, 9))
check.finite(check.within_seconds(3.0, mvdr_weights, _A @ _A.conj().transpose(0, 2, 1), np.ones((513, 4)), 0.01), name="the weights for many frequencies")
### END HIDDEN TESTS

# %% [markdown]
# ### 6.2 In the open air
#
# No walls, two voices, and a little hiss. From 1.5 m the waves are spheres, so we take the spherical vectors of section 2.2. The covariance of the rest is measured by an oracle, who has it alone.

# %% tags="demo"
def spherical(azimuth_deg):
    """The vector of a source 1.5 m away, with its spherical wave."""
    return beamforming.near_field_steering_vector(microphones_m, frequencies_hz, 1.5 * beamforming.direction(azimuth_deg))


S_open, N_open = analyse(open_target), analyse(open_rest)
X_open = S_open + N_open
covariance_rest = beamforming.spatial_covariance(N_open)
mvdr = beamforming.mvdr(covariance_rest, spherical(TARGET_DEG), loading=1e-3)
error = np.abs(np.sum(mvdr.conj() * spherical(TARGET_DEG), axis=1) - 1).max()
print(f"largest deviation of w^H d from 1, over all frequencies: {error:.1e}")

directions = spherical(azimuths_deg)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained", width_ratios=[1, 1.16])
for (name, weights), ax in zip({"Delay and sum": das, "MVDR": mvdr}.items(), axes, strict=True):
    response = np.minimum(np.abs(np.einsum("kc,akc->ak", weights.conj(), directions)), 1)  # above 0 dB all is bright
    plots.beam_pattern_image(response, frequencies_hz, azimuths_deg, ax=ax, title=name, dynamic_range_db=30, colour_bar=ax is axes[-1])
    ax.axvline(TARGET_DEG, color="black", linestyle="--")
    ax.axvline(OTHER_DEG, color="white", linestyle=":")
    ax.set_xticks(range(0, 181, 45))
    ax.label_outer()
figure.suptitle("MVDR keeps 110° (dashed) at 0 dB and carves a dark line at 40° (dotted)")
plt.show()

open_sounds = {"microphone 0": synthesise(X_open[0])} | {
    name: synthesise(beamforming.apply_beamformer(weights, X_open)) for name, weights in {"delay and sum": das, "MVDR": mvdr}.items()
}
for name, sound in open_sounds.items():
    sdr_db, sir_db, intelligibility = scores(open_target, open_rest, sound)
    print(f"{name:14} SDR {sdr_db:5.1f} dB   SIR {sir_db:5.1f} dB   STOI {intelligibility:.2f}")
listen(open_sounds, sample_rate)

# %% [markdown]
# Delay and sum wins 2 dB, MVDR 29 dB. The other talker is gone, and nothing else: the target passes as it was. In the right picture the null at 40° holds from the lowest frequencies up, where delay and sum has no direction at all. Only around 6.2 kHz it fails, the more the nearer: there 40° is a grating lobe of 110°, so no weights can keep the one and cancel the other. And with four microphones, the beam is free to do what it likes in directions from which nothing comes: above 0 dB, even.
#
# **More constraints.** If you know where the other voice is, you may *demand* the null rather than hope for it. Collect directions in the columns of a matrix $D$, and the wanted responses in a vector $\mathbf g$, such as $(1, 0)^{\mathsf T}$. Minimise the power under $D^{\mathsf H}\mathbf w = \mathbf g^*$. The same Lagrangian, with a vector $\boldsymbol\mu$ of one multiplier for each column, gives $\Phi\mathbf w = D\boldsymbol\mu$. Put $\mathbf w = \Phi^{-1}D\boldsymbol\mu$ into the constraints, and solve for $\boldsymbol\mu$: $\mathbf w = \Phi^{-1}D\,(D^{\mathsf H}\Phi^{-1}D)^{-1}\mathbf g^*$. This is **LCMV**,
# linearly constrained minimum variance; with one column it is MVDR. Each constraint takes away one of the $C$ freedoms.

# %% tags="demo"
other = beamforming.steering_vector(microphones_m, frequencies_hz, OTHER_DEG)
lcmv = beamforming.lcmv(np.tile(np.eye(4), (len(frequencies_hz), 1, 1)), np.stack([look, other], axis=-1), np.array([1.0, 0.0]))
for frequency in (250, 1000, 4000):
    k = np.argmin(np.abs(frequencies_hz - frequency))
    responses = [abs(np.vdot(lcmv[k], d[k])) for d in (look, other)]
    print(f"{frequency:4} Hz: LCMV answers {responses[0]:.3f} at 110°, {responses[1]:.0e} at 40°; white-noise gain {beamforming.white_noise_gain(lcmv, look)[k]:+.1f} dB")

# %% [markdown]
# The nulls are perfect, and at low frequencies they cost hiss: there the two directions are nearly alike, so that weights which keep one and cancel the other are large.
#
# ### 6.3 With the target in the covariance
#
# In a recording the noise is seldom alone. What if we take the covariance of the *mixture*, $\Phi_{xx} = \sigma_s^2\mathbf d\mathbf d^{\mathsf H} + \Phi_{vv}$? Minimise the power of everything, with the target held at one: what can fall is only the rest. The formula agrees. Its inverse is of the same kind as above,
#
# $$\Phi_{xx}^{-1}\mathbf d = \Phi_{vv}^{-1}\mathbf d - \frac{\sigma_s^2\,\Phi_{vv}^{-1}\mathbf d\;\mathbf d^{\mathsf H}\Phi_{vv}^{-1}\mathbf d}{1 + \sigma_s^2\,\mathbf d^{\mathsf H}\Phi_{vv}^{-1}\mathbf d} = \frac{\Phi_{vv}^{-1}\mathbf d}{1 + \sigma_s^2\,\mathbf d^{\mathsf H}\Phi_{vv}^{-1}\mathbf d} ,$$
#
# which is $\Phi_{vv}^{-1}\mathbf d$ up to a number that the normalisation removes. The weights are *the same*. With the mixture's covariance the method is called **MPDR** (minimum power), and it looks like a gift: nobody has to know when the target is silent.
#
# ### 6.4 Five degrees
#
# The gift has a price. Say the target stands at $\mathbf d$, and we believe in $\tilde{\mathbf d}$. The constraint now protects $\tilde{\mathbf d}$ and not the target; to the beamformer, the target is one more interferer. Put hiss only, $\Phi_{vv} = \sigma_v^2I$, and let $S = C\sigma_s^2/\sigma_v^2$ be the ratio of target to hiss after delay and sum, and $\rho = |\tilde{\mathbf d}^{\mathsf H}\mathbf d|/C$ the likeness of belief and truth. With the same inverse,
#
# $$\tilde{\mathbf d}^{\mathsf H}\Phi_{xx}^{-1}\mathbf d \;\propto\; \tilde{\mathbf d}^{\mathsf H}\mathbf d\,\Big(1 - \frac{S}{1+S}\Big), \qquad
# \tilde{\mathbf d}^{\mathsf H}\Phi_{xx}^{-1}\tilde{\mathbf d} \;\propto\; C\,\Big(1 - \frac{S}{1+S}\rho^2\Big),$$
#
# and their quotient is how much of the target is left:
#
# $$\boxed{\;|\mathbf w^{\mathsf H}\mathbf d| = \frac{\rho}{1 + S\,(1 - \rho^2)}\;}$$
#
# Delay and sum would leave $\rho$, which for five degrees is hardly less than one. MPDR divides by $1 + S(1 - \rho^2)$: the **louder** the target, the more of it is cancelled. The table evaluates this for our row, 5° off, and the players let you hear it.

# %% tags="demo"
ERROR_DEG = 5
believed = beamforming.steering_vector(microphones_m, frequencies_hz, TARGET_DEG + ERROR_DEG)
print(f"target left, believed {ERROR_DEG}° away from where it is, in dB")
print(f"{'':9}{'likeness':>9}" + "".join(f"   hiss at −{level} dB" for level in (10, 20, 30)))
for frequency in (500, 1000, 2000, 4000):
    k = np.argmin(np.abs(frequencies_hz - frequency))
    rho = abs(np.vdot(believed[k], look[k])) / 4
    left = [20 * np.log10(rho / (1 + 4 * 10 ** (level / 10) * (1 - rho**2))) for level in (10, 20, 30)]
    print(f"{frequency:5} Hz {rho:9.4f} " + "".join(f"{value:15.1f} " for value in left))

covariance_all = beamforming.spatial_covariance(X_open)
off_target = {
    "MPDR, exact": beamforming.mvdr(covariance_all, spherical(TARGET_DEG), loading=1e-5),
    "MPDR, exact, plane wave": beamforming.mvdr(covariance_all, look, loading=1e-5),
    "MPDR, 5° off": beamforming.mvdr(covariance_all, spherical(TARGET_DEG + ERROR_DEG), loading=1e-5),
    "MPDR, 5° off, loading 0.1": beamforming.mvdr(covariance_all, spherical(TARGET_DEG + ERROR_DEG), loading=0.1),
    "MVDR, 5° off": beamforming.mvdr(covariance_rest, spherical(TARGET_DEG + ERROR_DEG), loading=1e-5),
}
heard = {"microphone 0": synthesise(X_open[0])}
for name, weights in off_target.items():
    heard[name] = synthesise(beamforming.apply_beamformer(weights, X_open))
    target_left, rest_left = (np.sum(np.abs(beamforming.apply_beamformer(weights, part)) ** 2) / np.sum(np.abs(part[0]) ** 2) for part in (S_open, N_open))
    sdr_db, _, intelligibility = scores(open_target, open_rest, heard[name])
    print(f"{name:26} target left {10 * np.log10(target_left):6.1f} dB, rest left {10 * np.log10(rest_left):6.1f} dB, SDR {sdr_db:5.1f} dB, STOI {intelligibility:.2f}")
listen(heard, sample_rate)

# %% tags="demo"
errors_deg = np.arange(-15, 16)
covariance_target = beamforming.spatial_covariance(S_open)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), sharey=True, layout="constrained")
for (title, covariance), ax in zip({"MPDR: the target is in the covariance": covariance_all, "MVDR: it is not": covariance_rest}.items(), axes, strict=True):
    for loading, style in zip((1e-5, 1e-3, 1e-1), ("-", "--", ":"), strict=True):
        ratios_db = []
        for error_deg in errors_deg:
            weights = beamforming.mvdr(covariance, spherical(TARGET_DEG + error_deg), loading=loading)
            target_out, rest_out = (np.einsum("kc,kcd,kd->", weights.conj(), part, weights).real for part in (covariance_target, covariance_rest))
            ratios_db.append(10 * np.log10(target_out / rest_out))
        ax.plot(errors_deg, ratios_db, style, linewidth=2, label=f"loading {loading:g}")
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set(xlabel="Error of the direction (°)", title=title)
axes[0].set_ylabel("Target to rest (dB)")
axes[1].legend()
plt.show()

own = np.linalg.eigh(covariance_target)[1][:, :, -1]
vectors = {"the spherical vector": spherical(TARGET_DEG), "the target's own": own / own[:, :1]}  # own: relative to microphone 0
for kind, covariance in {"of the mixture": covariance_all, "without chance, Φ_ss + Φ_vv": covariance_target + covariance_rest}.items():
    for name, vector in vectors.items():
        sound = synthesise(beamforming.apply_beamformer(beamforming.mvdr(covariance, vector, loading=1e-5), X_open))
        print(f"covariance {kind:28} {name:22} SDR {scores(open_target, open_rest, sound)[0]:5.1f} dB")

# %% [markdown]
# Five degrees, and the SDR of MPDR falls from 14.7 to 2.0 dB: the target, too, is 9 dB softer, and it sounds dull, as if heard through a wall. That agrees with the table: the higher the frequency, the less alike are 110° and 115°, and the more is cancelled. With a loading of 0.1 it is 14.2 dB again. The figure tells the cost: in the exact direction the dotted curve has 13 dB, the dashed one, with less loading, 19. MVDR, which has the target *not* in its covariance, hardly notices the error: 29.2 dB. (To the left its curve even rises. A beam held at one towards 95°, with its null at 40°, answers more than one at 110°.)
#
# Two more things to see. Even the plane wave of section 2.2, right in direction and wrong by 8° of phase at 4 kHz, costs MPDR 12 dB. And with the exact direction MPDR has 14.7 dB, MVDR 29.9 dB. Did we not prove that the weights are the same? The lines below the figure show two reasons. The proof is about expectations. In six seconds of speech, two voices that have nothing to do with each other still look correlated by chance, and MPDR takes that for a way to cancel a little of the target. And the spherical vector is nearly exact, no more; with so little hiss that matters. Take either away, and 17 or 18 dB come out. Take away both, and it is MVDR's 29.9.

# %% [markdown]
# ### Exercise 4.9 — Why does it cancel the target? (written)
#
# *2 points · 12 minutes · medium*
#
# **(a)** MPDR is asked to keep the target, and removes it. Explain how the minimisation finds a way past the constraint when the direction is 5° wrong and the covariance contains the target, and why it does not when the covariance holds the noise only. **(b)** From the boxed formula: at $\rho^2 = 0.99$, compare targets 10 dB and 30 dB above the hiss (after delay and sum, so $S = 10$ and $1000$). Why does the *louder* target suffer more, and why does loading help? **(c)** Name two ways out, and what each costs.

# %% [markdown] hints="cancellation"
# concept: The constraint protects one vector, not one person. Ask what the beamformer is told to do with everything that is not that vector.
#
# structure: For (a) compare what power can still be lowered in both cases. For (b) put in the numbers, and remember that loading is hiss that is not there. For (c) look at sections 6.1 and 7's title, and at the right panel of the figure.
#
# line: Begin with "The constraint fixes the response to the believed vector; the true target has another vector, so to the minimisation it is …".

# %% [markdown] written="cancellation" points=2
# ### BEGIN SOLUTION
# (a) The constraint $\mathbf w^{\mathsf H}\tilde{\mathbf d} = 1$ fixes the response to the believed vector only. The target arrives with another vector, so its power is part of $\mathbf w^{\mathsf H}\Phi_{xx}\mathbf w$ and may be lowered: weights exist that answer 1 to $\tilde{\mathbf d}$ and nearly 0 to $\mathbf d$. They differ little, so such weights are large, but as long as the hiss is low that costs less than the target's power saves.
# When the covariance holds only noise, nothing is gained by removing the target: its power does not appear in what is minimised, and its response stays near that of $\tilde{\mathbf d}$, about $\rho$ (unless it is close to an interferer's null).
#
# (b) $S = 10$: $1/(1 + 10\cdot0.01) = 0.91$ times $\rho$, about 0.8 dB lost. $S = 1000$: $1/(1 + 10) = 0.09$, about −21 dB. A louder target is worth more to remove: the larger its share of the power, the more the minimisation pays in hiss to be rid of it. Loading adds pretended hiss, which lowers the effective $S$ and so makes the large weights expensive.
#
# (c) For example: estimate the covariance without the target (masks, pauses): one needs to know where the target is silent. Loading: less suppression of interferers. A better steering vector (localise, or estimate it from masks): needs an estimate for each room. More constraints around the direction (LCMV): each costs a degree of freedom. Delay and sum: cancels nothing, neither target nor interferer.
#
# **Rubric**
#
# - 1 point: (a) the target differs from the protected vector, so it counts as interference and its power can be lowered; with the noise only in the covariance there is nothing to gain by lowering it.
# - 1 point: (b) both numbers about right (−1 dB and −21 dB) with the reason (louder target, or less hiss: cancelling pays more; loading lowers S), and (c) two ways out, each with a cost.
# ### END SOLUTION

# %% [markdown]
# ## 7. From masks to beamformers
#
# ### 7.1 The room's own steering vector
#
# Back into the room. There the target comes from 110°, and from the table, and from every wall. Its vector at a frequency is no plane wave any more, but it is still *one* vector, as long as the frame is long compared with the room (lesson 03, section 5.1): $\mathbf x = \mathbf h\,s + \mathbf v$, with the room's transfer functions $\mathbf h$. How much does the plane wave miss?

# %% tags="demo"
covariance_true = beamforming.spatial_covariance(S)
likeness = np.einsum("kc,kcd,kd->k", look.conj(), covariance_true, look).real / (4 * np.trace(covariance_true, axis1=1, axis2=2).real)
rank_one = np.linalg.eigvalsh(covariance_true)[:, -1] / np.trace(covariance_true, axis1=1, axis2=2).real
figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
ax.plot(smooth(frequencies_hz) / 1000, 100 * smooth(rank_one), linewidth=1.2, label="the best vector, at each frequency")
ax.plot(smooth(frequencies_hz) / 1000, 100 * smooth(likeness), "--", linewidth=1.2, label="the plane wave from 110°")
ax.set(xlabel="Frequency (kHz)", ylabel="Share of the target (%)", xlim=(0, 7.5), ylim=(0, 103), title="In the room one vector still holds most of the target, but it is not the plane wave")
ax.legend(loc="lower right")
plt.show()
print(f"on average over frequency: best vector {100 * rank_one[8:].mean():.0f} %, plane wave {100 * likeness[8:].mean():.0f} %")

# %% [markdown]
# One vector holds 89 % of the target on average, the plane wave 61 %. MVDR with the plane wave protects the wrong vector, at each frequency by another error.
#
# So we should *measure* the vector. And we want the covariance of the noise without the target. Lesson 03 has the tool for both. A **mask** $\mathcal M[k,m]\in[0, 1]$ says for each bin how much of it belongs to the target. Use it as a weight:
#
# $$\boxed{\;\Phi_{ss}[k] = \frac{\sum_m \mathcal M[k,m]\;\mathbf x\mathbf x^{\mathsf H}}{\sum_m \mathcal M[k,m]}, \qquad \Phi_{vv}[k] = \frac{\sum_m (1 - \mathcal M[k,m])\;\mathbf x\mathbf x^{\mathsf H}}{\sum_m (1 - \mathcal M[k,m])}\;}$$
#
# Bins in which the target dominates vote for its covariance, all others for the noise's. No direction is needed, nor the places of the microphones. And note what the mask does *not* do: it does not multiply the sound. A bin that it gets wrong is one vote among hundreds.
#
# Each covariance is divided by its *own* number of votes. So the two do not add up to $\Phi_{xx}$: a target that talks a third of the time counts with its power while it talks. MVDR and GEV do not notice such factors. The Wiener filter of section 7.4 does.

# %% [markdown]
# ### Exercise 4.10 — Covariances from a mask
#
# *1 point · 8 minutes · easy*
#
# **Outcome.** You have the joint between lesson 03 and this one, and between lesson 07's networks and every beamformer.
#
# **Task.** Write `masked_covariances(X, mask)` for a recording `(n_channels, n_freqs, n_frames)` and a mask `(n_freqs, n_frames)` with values from 0 to 1. Return the tuple $(\Phi_{ss}, \Phi_{vv})$, each `(n_freqs, n_channels, n_channels)`. At frequencies where a sum of weights is zero, that covariance is zero.
#
# **By hand.** The frames $(1, j)^{\mathsf T}$ and $(1, 2)^{\mathsf T}$ of Exercise 4.7, with the mask $(\tfrac34, \tfrac14)$. Their products are $A = \begin{pmatrix}1 & -j\\ j & 1\end{pmatrix}$ and $B = \begin{pmatrix}1 & 2\\ 2 & 4\end{pmatrix}$. So $\Phi_{ss} = \tfrac34A + \tfrac14B$ and $\Phi_{vv} = \tfrac14A + \tfrac34B$.
#
# **Expected number.** A mask of ones gives the covariance of Exercise 4.7, and zeros.

# %% [markdown] hints="masked_covariances"
# concept: A weighted mean divides by the sum of the *weights*. The weight belongs to the product $\mathbf x\mathbf x^{\mathsf H}$, so it enters once.
#
# structure: Write an inner function that takes weights: multiply one of the two factors by them, sum over the frames, and divide where the sum of the weights is positive. Call it with the mask and with one minus the mask.
#
# line: `sums = np.einsum("km,ckm,dkm->kcd", weights, X, X.conj())` and `total = weights.sum(axis=1)[:, None, None]`, then `np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0)`.

# %% exercise="masked_covariances" forbid="course_lib.beamforming"
def masked_covariances(X, mask):
    """Return the covariances of target and noise (n_freqs, n_channels, n_channels), weighted by mask and 1 - mask."""
    ### BEGIN SOLUTION
    def weighted_mean(weights):
        sums = np.matmul((weights * X).transpose(1, 0, 2), X.conj().transpose(1, 2, 0))
        total = weights.sum(axis=1)[:, None, None]
        return np.divide(sums, total, out=np.zeros(sums.shape, complex), where=total > 0)

    return weighted_mean(mask), weighted_mean(1 - mask)
    ### END SOLUTION


# %% test="masked_covariances" points=1
_X, _mask = np.array([[[1, 1]], [[1j, 2]]]), np.array([[0.75, 0.25]])
_A, _B = np.array([[[1, -1j], [1j, 1]]]), np.array([[[1, 2], [2, 4]]])
_result = masked_covariances(_X, _mask)
assert isinstance(_result, (tuple, list)) and len(_result) == 2, f"Return the tuple (target, noise): your function returned {type(_result).__name__}."
check.close(
    _result[0],
    (3 * _A + _B) / 4,
    name="the target's covariance in the example",
    mistakes={
        "the tuple is the wrong way round: the target comes first.": (_A + 3 * _B) / 4,
        "the mask was multiplied into X, so that it counts twice.": (9 * _A + _B) / 16,
        "the mask was multiplied into X, so that it counts twice, and so in the sum of the weights.": (9 * _A + _B) / 10,
        "the sum was divided by the number of frames: divide by the sum of the weights.": (3 * _A + _B) / 8,
        "the wrong factor is conjugated: the column index belongs to x^H.": ((3 * _A + _B) / 4).conj(),
    },
)
check.close(
    _result[1],
    (_A + 3 * _B) / 4,
    name="the noise's covariance in the example",
    mistakes={
        "the noise's weights are 1 − mask: this is the covariance of everything less that of the target.": (_A + _B) / 2 - (3 * _A + _B) / 4,
        "this is the covariance of everything: weight it by 1 − mask.": (_A + _B) / 2,
    },
)
_result = masked_covariances(_X, np.array([[1.0, 0.5]]))
check.close(
    _result[0],
    (2 * _A + _B) / 3,
    name="the target's covariance, for a mask whose sum is not one",
    mistakes={
        "the division by the sum of the weights is missing.": (2 * _A + _B) / 2,
        "the sum was divided by the number of frames: divide by the sum of the weights.": (2 * _A + _B) / 4,
    },
)
check.close(_result[1], _B + 0j, name="the noise's covariance, for a mask whose sum is not one", mistakes={"the division by the sum of the weights is missing.": _B / 2, "each covariance is divided by the sum of its own weights.": _B / 3})
check.close(masked_covariances(_X, np.ones((1, 2)))[1], np.zeros((1, 2, 2), complex), name="the noise's covariance where the mask is 1 throughout")
check.passed("every bin has voted")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("masked_covariances")
_odd, _even = 2 * int(_rng.integers(4, 30)) + 1, 2 * int(_rng.integers(4, 30))
for _n_channels, _n_freqs, _n_frames in [(1, 1, 1), (4, _odd, _even), (3, _even, _odd), (5, 7, 2)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _X = _scale * (_rng.standard_normal((_n_channels, _n_freqs, _n_frames)) + 1j * _rng.standard_normal((_n_channels, _n_freqs, _n_frames)) + 0.3)
        _mask = 0.05 + 0.9 * _rng.random((_n_freqs, _n_frames))
        _before = _X.copy(), _mask.copy()
        _target, _noise = masked_covariances(_X, _mask)
        for _result, _weights, _name in [(_target, _mask, "target"), (_noise, 1 - _mask, "noise")]:
            _expected = np.stack([(_X[:, _k] * _weights[_k]) @ _X[:, _k].conj().T / _weights[_k].sum() for _k in range(_n_freqs)])
            check.close(_result, _expected, relative_tolerance=1e-9, absolute_tolerance=0.0, name=f"the {_name}'s covariance of a random recording")
        check.close(_X, _before[0], absolute_tolerance=0.0, name="your input X after the call")
        check.close(_mask, _before[1], name="your input mask after the call")
_mask[2], _mask[4] = 1.0, 0.0
_target, _noise = masked_covariances(_X, _mask)
_all = np.einsum("ckm,dkm->kcd", _X, _X.conj()) / _n_frames
check.close(_target[2], _all[2], relative_tolerance=1e-9, absolute_tolerance=0.0, name="the target's covariance where the mask is 1 throughout")
check.close(_noise[2], np.zeros((5, 5), complex), name="the noise's covariance where the mask is 1 throughout")
check.close(_target[4], np.zeros((5, 5), complex), name="the target's covariance where the mask is 0 throughout")
check.close(_noise[4], _all[4], relative_tolerance=1e-9, absolute_tolerance=0.0, name="the noise's covariance where the mask is 0 throughout")
check.close(masked_covariances(0 * _X, _mask)[0], np.zeros((7, 5, 5), complex), name="silence")
check.close(masked_covariances(np.array([[[1, 2j]], [[3, 4]]]), np.array([[1, 0]]))[1], np.array([[[4, 8j], [-8j, 16]]]), name="a mask of whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 7.2 MVDR without a direction
#
# For a target at one place $\Phi_{ss} = \sigma_s^2\,\mathbf d\mathbf d^{\mathsf H}$. Scale $\mathbf d$ so that its entry at a **reference microphone** is 1: the target shall come out as *that* microphone heard it, room and all. Nobody asks for the dry sound. With $\mathbf e$ for the unit vector that picks the reference, $\mathbf d^{\mathsf H}\mathbf e = 1$, and
#
# $$\Phi_{vv}^{-1}\Phi_{ss}\,\mathbf e = \sigma_s^2\,\Phi_{vv}^{-1}\mathbf d, \qquad \operatorname{tr}\big(\Phi_{vv}^{-1}\Phi_{ss}\big) = \sigma_s^2\,\mathbf d^{\mathsf H}\Phi_{vv}^{-1}\mathbf d
# \qquad\Longrightarrow\qquad \boxed{\;\mathbf w = \frac{\Phi_{vv}^{-1}\Phi_{ss}\,\mathbf e}{\operatorname{tr}(\Phi_{vv}^{-1}\Phi_{ss})}\;}$$
#
# is MVDR, without $\mathbf d$ being computed anywhere (Mehrez Souden and others, 2010). The library calls it `mvdr_souden`.
#
# ### 7.3 The largest ratio
#
# Forget constraints. Ask for the largest ratio of target to noise:
#
# $$\max_{\mathbf w}\;\lambda(\mathbf w) = \frac{\mathbf w^{\mathsf H}\Phi_{ss}\mathbf w}{\mathbf w^{\mathsf H}\Phi_{vv}\mathbf w} .$$
#
# Set the derivative with respect to $\mathbf w^*$ to zero. By the rule for quotients, $\Phi_{ss}\mathbf w\,(\mathbf w^{\mathsf H}\Phi_{vv}\mathbf w) - (\mathbf w^{\mathsf H}\Phi_{ss}\mathbf w)\,\Phi_{vv}\mathbf w = 0$, which is
#
# $$\boxed{\;\Phi_{ss}\,\mathbf w = \lambda\,\Phi_{vv}\,\mathbf w\;}$$
#
# with the ratio itself as $\lambda$: a **generalised eigenvalue problem**. All its eigenvectors are stationary, and the one with the largest eigenvalue is best. To solve it, make the noise white. Factorise $\Phi_{vv} = LL^{\mathsf H}$ (Cholesky), and let $\mathbf u = L^{\mathsf H}\mathbf w$. Then $L^{-1}\Phi_{ss}L^{-\mathsf H}\,\mathbf u = \lambda\,\mathbf u$, an ordinary problem for a Hermitian matrix. Its last eigenvector gives $\mathbf w = L^{-\mathsf H}\mathbf u$, with $\mathbf w^{\mathsf H}\Phi_{vv}\mathbf w = \mathbf u^{\mathsf H}\mathbf u = 1$.
# This is the **GEV** beamformer, also called max-SNR.
#
# For a target of rank one, $\Phi_{ss}\mathbf w \propto \mathbf d$, so $\mathbf w \propto \Phi_{vv}^{-1}\mathbf d$: MVDR again, up to a complex factor at each frequency. That factor is open, and it is audible. At the output the noise has the same power at every frequency: it is white, and the voice is coloured accordingly. Two repairs. Turn the phase so that the output agrees with the reference microphone: $\mathbf w \leftarrow \mathbf w\,z/|z|$ with $z = \mathbf w^{\mathsf H}\Phi_{ss}\mathbf e$. And scale by **blind analytic normalisation**,
#
# $$\mathbf w \leftarrow \mathbf w\,\frac{\sqrt{\mathbf w^{\mathsf H}\Phi_{vv}\Phi_{vv}\mathbf w\,/\,C}}{\mathbf w^{\mathsf H}\Phi_{vv}\mathbf w},$$
#
# which for rank one gives $|\mathbf w^{\mathsf H}\mathbf d| = \|\mathbf d\|/\sqrt C$ (put $\Phi_{vv}\mathbf w \propto \mathbf d$ in): the mean level of the target over the microphones, without knowing $\mathbf d$.

# %% [markdown]
# ### Exercise 4.11 — GEV
#
# *2 points · 18 minutes · medium*
#
# **Outcome.** You can compute the best ratio that any linear beamformer can reach.
#
# **Task.** Write `gev_weights(target, noise)` for two sets of covariances `(n_freqs, n_channels, n_channels)`; those of the noise are positive definite. Return $\mathbf w$, `(n_freqs, n_channels)`, the generalised eigenvectors of the largest eigenvalues, scaled so that $\mathbf w^{\mathsf H}\Phi_{vv}\mathbf w = 1$. Their phase is yours to choose.
#
# **By hand.** $\Phi_{ss} = \operatorname{diag}(4, 1)$ and $\Phi_{vv} = \operatorname{diag}(4, \tfrac14)$. Alone, the first microphone has the ratio 1, the second 4. So $\mathbf w = (0, 2)^{\mathsf T}$, up to the phase: the louder microphone is not the better one.
#
# **Expected number.** $\mathbf w^{\mathsf H}\Phi_{ss}\mathbf w$ is then the ratio itself, the largest $\lambda$: 4 in the example.

# %% [markdown] hints="gev_weights"
# concept: With white noise, the best weights would be the first principal component of the target. So make the noise white first, and undo it at the end.
#
# structure: Cholesky factors of the noise; solve twice to get $L^{-1}\Phi_{ss}L^{-\mathsf H}$; its eigenvectors by a routine for Hermitian matrices, which sorts the eigenvalues ascending; the last one; solve with $L^{\mathsf H}$.
#
# line: `L = np.linalg.cholesky(noise)`, `A = np.linalg.solve(L, target)`, `B = np.linalg.solve(L, A.conj().swapaxes(1, 2))`, `u = np.linalg.eigh(B)[1][:, :, -1:]`, and `np.linalg.solve(L.conj().swapaxes(1, 2), u)[..., 0]`. (`B` is its own conjugate transpose.)

# %% exercise="gev_weights" forbid="course_lib.beamforming pyroomacoustics"
def gev_weights(target, noise):
    """Return the weights (n_freqs, n_channels) of the largest ratio of target to noise, with w^H noise w = 1."""
    ### BEGIN SOLUTION
    L = np.linalg.cholesky(noise)
    half_white = np.linalg.solve(L, target)
    white = np.linalg.solve(L, half_white.conj().swapaxes(1, 2))
    u = np.linalg.eigh(white)[1][:, :, -1:]
    return np.linalg.solve(L.conj().swapaxes(1, 2), u)[..., 0]
    ### END SOLUTION


# %% test="gev_weights" points=2
def _powers(w, covariance):
    return np.einsum("kc,kcd,kd->k", w.conj(), covariance, w).real


_target, _noise = np.array([[[4.0, 0.0], [0.0, 1.0]]]), np.array([[[4.0, 0.0], [0.0, 0.25]]])
_w = gev_weights(_target, _noise)
check.shape(_w, (1, 2), name="the weights of the example")
check.close(
    np.abs(_w),
    np.array([[0.0, 2.0]]),
    name="the magnitudes of the weights in the example",
    mistakes={
        "this is the eigenvector of the smallest eigenvalue: eigh sorts them ascending.": [[0.5, 0.0]],
        "this is the principal component of the target: the noise was left out.": [[1.0, 0.0]],
        "the weights have length one: scale them so that w^H Φ_vv w = 1. (The eigenvector of the whitened matrix must still be multiplied by L^-H.)": [[0.0, 1.0]],
        "the weights were multiplied by L^H in place of its inverse.": [[0.0, 0.5]],
    },
)
_d = np.array([[1.0, 1j]])
_target, _noise = 3 * np.einsum("kc,kd->kcd", _d, _d.conj()), np.array([[[2.0, 1j], [-1j, 1.0]]])
_w = gev_weights(_target, _noise)
check.close(
    _powers(_w, _noise),
    np.array([1.0]),
    name="w^H Φ_vv w for a target of rank one",
    mistakes={
        "the weights are the conjugates of the right ones: w itself is asked for.": [5.8],
        "L was transposed and not conjugated, at the end: w = L^-H u.": [3.4],
        "L was transposed and not conjugated, both times: it is L^-1 Φ_ss L^-H, and w = L^-H u.": [1.7350889359326476],
        "L was transposed and not conjugated, wherever it stands: the noise is complex.": [3 + 2 * np.sqrt(2)],
        "u was multiplied by L^-1 at the end: w = L^-H u.": [1.85],
        "this is u, the eigenvector of the whitened matrix: w = L^-H u.": [0.5],
    },
)
check.close(
    _powers(_w, _target),
    np.array([15.0]),
    name="w^H Φ_ss w for a target of rank one, which is 3 d^H Φ_vv^-1 d",
    mistakes={
        "the scale is right, but this is u, the eigenvector of the whitened matrix: w = L^-H u.": [9.6],
        "the scale is right, but w is not: it is L^-H u, and not L^-1 u.": [9.6 / 1.85],
        "the scale is right, but w is not: L was transposed at the end, and not conjugated.": [12 / 17],
        "the scale is right, but w is not: L was transposed, and not conjugated, both times.": [1.6846542482876143],
        "L was transposed and not conjugated where Φ_ss is whitened: it is L^-1 Φ_ss L^-H.": [13.666441437328338],
        "the scale is right, but these are weights for white noise: Φ_vv was left out.": [12.0],
        "the scale is right, but these are the conjugates of the weights.": [3 / 29],
    },
)
check.passed("no linear beamformer has a better ratio")
### BEGIN HIDDEN TESTS
import scipy.linalg

_rng = check.hidden_inputs("gev_weights")


def _random_covariances(n_freqs, n_channels, n_frames):
    _frames = _rng.standard_normal((n_freqs, n_channels, n_frames)) + 1j * _rng.standard_normal((n_freqs, n_channels, n_frames))
    return _frames @ _frames.conj().swapaxes(1, 2) / n_frames


_odd, _even = 2 * int(_rng.integers(4, 20)) + 1, 2 * int(_rng.integers(4, 20))
for _n_freqs, _n_channels in [(1, 1), (_odd, 4), (_even, 3), (5, 6), (2, 2)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _target, _noise = _scale * _random_covariances(_n_freqs, _n_channels, 2), _random_covariances(_n_freqs, _n_channels, 4 * _n_channels) / _scale
        _before = _target.copy(), _noise.copy()
        _w = gev_weights(_target, _noise)
        check.shape(_w, (_n_freqs, _n_channels), name="the weights")
        _largest = np.array([scipy.linalg.eigh(_s, _v, eigvals_only=True)[-1] for _s, _v in zip(_target, _noise)])
        check.close(_powers(_w, _noise), np.ones(_n_freqs), name="w^H Φ_vv w")
        check.close(_powers(_w, _target) / _largest, np.ones(_n_freqs), name="the ratio of target to noise, in parts of the largest one")
        check.close(_target, _before[0], absolute_tolerance=0.0, name="your input target after the call")
        check.close(_noise, _before[1], absolute_tolerance=0.0, name="your input noise after the call")
_d = _rng.standard_normal((_odd, 4)) + 1j * _rng.standard_normal((_odd, 4))
_noise = _random_covariances(_odd, 4, 12)
_w = gev_weights(np.einsum("kc,kd->kcd", _d, _d.conj()), _noise)
_directions = np.linalg.solve(_noise, _d[..., None])[..., 0]
_cosines = np.abs(np.sum(_w.conj() * _directions, axis=1)) / np.linalg.norm(_w, axis=1) / np.linalg.norm(_directions, axis=1)
check.close(_cosines, np.ones(_odd), relative_tolerance=1e-7, name="the likeness to Φ_vv^-1 d for a target of rank one")
check.close(_powers(gev_weights(0 * _noise, _noise), _noise), np.ones(_odd), relative_tolerance=1e-7, name="w^H Φ_vv w for a silent target")
check.close(np.abs(gev_weights(np.array([[[1, 0], [0, 9]]]), np.array([[[1, 0], [0, 4]]]))), np.array([[0.0, 0.5]]), name="whole numbers")
check.finite(check.within_seconds(4.0, gev_weights, _random_covariances(513, 4, 4), _random_covariances(513, 4, 12)), name="the weights for many frequencies")
### END HIDDEN TESTS

# %% [markdown]
# ### 7.4 The multichannel Wiener filter
#
# A third question: which weights come closest to the target at the reference microphone, $s_{\text{ref}} = \mathbf e^{\mathsf T}\mathbf s$? Let target and noise be uncorrelated, $\mathbb E[\mathbf s\mathbf v^{\mathsf H}] = 0$. Then the error has two parts, the distortion of the target and what is left of the noise. Weigh them by a **trade-off** $\mu$:
#
# $$J(\mathbf w) = \underbrace{\mathbb E|\mathbf w^{\mathsf H}\mathbf s - s_{\text{ref}}|^2}_{\text{distortion}} + \mu\,\underbrace{\mathbb E|\mathbf w^{\mathsf H}\mathbf v|^2}_{\text{noise}}
# = \mathbf w^{\mathsf H}\Phi_{ss}\mathbf w - 2\,\mathrm{Re}\,\mathbf w^{\mathsf H}\Phi_{ss}\mathbf e + \mathbf e^{\mathsf T}\Phi_{ss}\mathbf e + \mu\,\mathbf w^{\mathsf H}\Phi_{vv}\mathbf w .$$
#
# The derivative with respect to $\mathbf w^*$ is $\Phi_{ss}\mathbf w - \Phi_{ss}\mathbf e + \mu\Phi_{vv}\mathbf w$, so
#
# $$\boxed{\;\mathbf w = (\Phi_{ss} + \mu\,\Phi_{vv})^{-1}\,\Phi_{ss}\,\mathbf e\;}$$
#
# the **multichannel Wiener filter**, MWF. For $\mu = 1$ it has the least squared error of all. What has become of the constraint? For a target of rank one put in the inverse of section 6.3, with $\lambda = \sigma_s^2\,\mathbf d^{\mathsf H}\Phi_{vv}^{-1}\mathbf d$, the ratio at the output of MVDR:
#
# $$\mathbf w = \frac{\sigma_s^2\,\Phi_{vv}^{-1}\mathbf d}{\mu + \lambda} = \underbrace{\frac{\lambda}{\mu + \lambda}}_{\text{Wiener gain}}\cdot\underbrace{\frac{\Phi_{vv}^{-1}\mathbf d}{\mathbf d^{\mathsf H}\Phi_{vv}^{-1}\mathbf d}}_{\text{MVDR}} .$$
#
# It is MVDR, followed by the Wiener gain of lesson 03 with one number for each frequency. As $\mu \to 0$ the gain goes to 1, and MVDR is left. A large $\mu$ turns frequencies down in which noise wins anyway. All this is for rank one. A measured $\Phi_{ss}$ has an inverse, and then $\mu \to 0$ gives $\mathbf w = \Phi_{ss}^{-1}\Phi_{ss}\mathbf e = \mathbf e$: no distortion, and nothing done.

# %% [markdown]
# ### Exercise 4.12 — The multichannel Wiener filter
#
# *1 point · 10 minutes · medium*
#
# **Outcome.** You can choose between distortion and noise by one number.
#
# **Task.** Write `multichannel_wiener(target, noise, trade_off, reference)` for covariances as in Exercise 4.11, a trade-off $\mu > 0$ and the number of the reference microphone, counted from 0. Return $\mathbf w$, `(n_freqs, n_channels)`.
#
# **By hand.** $\Phi_{ss} = \begin{pmatrix}1 & 1\\ 1 & 1\end{pmatrix}$, which is $\mathbf d\mathbf d^{\mathsf H}$ for $\mathbf d = (1, 1)^{\mathsf T}$, and $\Phi_{vv} = I$. MVDR is $(\tfrac12, \tfrac12)^{\mathsf T}$ and $\lambda = 2$. So $\mathbf w = (1, 1)^{\mathsf T}/(2 + \mu)$: thirds for $\mu = 1$, quarters for $\mu = 2$.
#
# **Expected picture.** The curve in the figure below: with $\mu$ the noise falls, and the distortion grows.

# %% [markdown] hints="multichannel_wiener"
# concept: The boxed formula is a linear system at each frequency. $\Phi_{ss}\mathbf e$ is one *column* of the target's covariance.
#
# structure: Add the two covariances, the noise's times the trade-off. Take the column of the reference from the target's. Solve, with the column as a matrix of one column.
#
# line: `np.linalg.solve(target + trade_off * noise, target[:, :, reference, None])[..., 0]`.

# %% exercise="multichannel_wiener" forbid="course_lib.beamforming pyroomacoustics"
def multichannel_wiener(target, noise, trade_off, reference):
    """Return the weights (n_freqs, n_channels) that estimate the target at the reference microphone."""
    ### BEGIN SOLUTION
    return np.linalg.solve(target + trade_off * noise, target[:, :, reference, None])[..., 0]
    ### END SOLUTION


# %% test="multichannel_wiener" points=1
_target, _noise = np.ones((1, 2, 2)), np.eye(2)[None]
check.close(
    multichannel_wiener(_target, _noise, 2.0, 0),
    np.array([[0.25, 0.25]]) + 0j,
    name="the example with a trade-off of 2",
    mistakes={
        "the trade-off was left out.": [[1 / 3, 1 / 3]],
        "the trade-off belongs to the noise, not to the target.": [[1 / 5, 1 / 5]],
        "the trade-off belongs to the noise, not to the target (on both sides).": [[2 / 5, 2 / 5]],
        "this is MVDR: the Wiener gain is missing.": [[0.5, 0.5]],
    },
)
_d = np.array([1.0, 2j])
_target, _noise = np.outer(_d, _d.conj())[None], np.array([[[1.0, 0.0], [0.0, 2.0]]])
check.close(
    multichannel_wiener(_target, _noise, 1.0, 1),
    np.array([[-2j, 2.0]]) / 4,
    name="another target, with microphone 1 as the reference",
    mistakes={
        "a row of the target's covariance was taken: Φ_ss e is a column.": [[2.5j, 1.5]],
        "microphone 0 was the reference.": np.array([[1.0, 1j]]) / 4,
        "the weights are conjugated.": np.array([[2j, 2.0]]) / 4,
        "the noise's column was taken on the right-hand side: it is the target that we estimate.": np.linalg.solve(_target + _noise, _noise[:, :, 1, None])[..., 0],
    },
)
check.passed("distortion and noise, weighed")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("multichannel_wiener")
_odd, _even = 2 * int(_rng.integers(4, 30)) + 1, 2 * int(_rng.integers(4, 30))
for _n_freqs, _n_channels, _trade_off, _reference in [(1, 1, 1.0, 0), (_odd, 4, 0.3, 2), (_even, 3, 5.0, 0), (5, 6, 1.0, 5)]:
    for _scale in [1.0, 1e-12, 1e12]:
        _frames = _rng.standard_normal((2, _n_freqs, _n_channels, 3 * _n_channels)) + 1j * _rng.standard_normal((2, _n_freqs, _n_channels, 3 * _n_channels))
        _target, _noise = _scale * (_frames @ _frames.conj().swapaxes(2, 3))
        _before = _target.copy(), _noise.copy()
        _w = multichannel_wiener(_target, _noise, _trade_off, _reference)
        _expected = np.stack([np.linalg.inv(_s + _trade_off * _v) @ _s[:, _reference] for _s, _v in zip(_target, _noise)])
        check.close(_w, _expected, relative_tolerance=1e-9, absolute_tolerance=0.0, name="the weights for random covariances")
        check.close(_target, _before[0], absolute_tolerance=0.0, name="your input target after the call")
        check.close(_noise, _before[1], absolute_tolerance=0.0, name="your input noise after the call")
_d = _rng.standard_normal((5, 6)) + 1j * _rng.standard_normal((5, 6))
_d = _d / _d[:, 3:4]
_noise = _noise / np.trace(_noise[0]).real
_z = np.linalg.solve(_noise, _d[..., None])[..., 0]
_mvdr = _z / np.sum(_d.conj() * _z, axis=1)[:, None]
check.close(multichannel_wiener(np.einsum("kc,kd->kcd", _d, _d.conj()), _noise, 1e-6, 3), _mvdr, relative_tolerance=1e-4, name="the weights for a target of rank one as the trade-off goes to zero, which are MVDR")
check.close(multichannel_wiener(0 * _noise, _noise, 1.0, 0), np.zeros((5, 6), complex), name="a silent target")
check.close(multichannel_wiener(np.array([[[1, 1], [1, 1]]]), np.array([[[1, 0], [0, 1]]]), 1, 1), np.array([[1 / 3, 1 / 3]]) + 0j, name="whole numbers")
### END HIDDEN TESTS

# %% tags="demo"
covariance_s, covariance_v = beamforming.spatial_covariance(X, mask), beamforming.spatial_covariance(X, 1 - mask)
share = mask.mean(axis=1)[:, None, None]  # at each frequency, the target's share of the votes
print(f"the mask's mean is {mask.mean():.2f}")
gev = beamforming.gev(covariance_s, covariance_v)
noise_power = np.einsum("kc,kcd,kd->k", gev.conj(), covariance_v, gev).real
by_mask = {
    "MVDR (Souden)": beamforming.mvdr_souden(covariance_s, covariance_v),
    "GEV, as in Exercise 4.11": gev / np.sqrt(noise_power)[:, None],
    "GEV, normalised": beamforming.blind_analytic_normalisation(gev, covariance_v),
    "MWF": beamforming.mwf(covariance_s, covariance_v),
    "MWF, trade-off 3": beamforming.mwf(covariance_s, covariance_v, trade_off=3.0),
    "MWF, on one scale": beamforming.mwf(share * covariance_s, (1 - share) * covariance_v),
}
by_direction = {
    "delay and sum": das,
    "MVDR, plane wave": beamforming.mvdr(covariance_v, look, loading=1e-3),
}
heard = {"microphone 0": synthesise(X[0])}
for name, weights in (by_direction | by_mask).items():
    heard[name] = synthesise(beamforming.apply_beamformer(weights, X))
for name, sound in heard.items():
    sdr_db, sir_db, intelligibility = scores(target, rest, sound)
    print(f"{name:26} SDR {sdr_db:5.1f} dB   SIR {sir_db:5.1f} dB   STOI {intelligibility:.2f}")
listen(heard, sample_rate)

# %% tags="demo"
trade_offs = 10.0 ** np.arange(-2, 2.1, 0.25)
distortion_db, noise_db = [], []
for trade_off in trade_offs:
    weights = beamforming.mwf(share * covariance_s, (1 - share) * covariance_v, trade_off=trade_off)
    for levels_db, error in ((distortion_db, beamforming.apply_beamformer(weights, S) - S[0]), (noise_db, beamforming.apply_beamformer(weights, N))):
        levels_db.append(10 * np.log10(np.sum(np.abs(error) ** 2) / np.sum(np.abs(S[0]) ** 2)))
total_db = 10 * np.log10(10 ** (np.array(distortion_db) / 10) + 10 ** (np.array(noise_db) / 10))

figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
ax.semilogx(trade_offs, distortion_db, "o-", markersize=4, label="distortion of the target")
ax.semilogx(trade_offs, noise_db, "s--", markersize=4, label="what is left of the rest")
ax.semilogx(trade_offs, total_db, "^:", markersize=4, label="the sum of both powers")
ax.set(xlabel="Trade-off $\\mu$", ylabel="Relative to the target (dB)", title="More noise removed is more target distorted; on one scale, the sum is least at $\\mu = 1$")
ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
plt.show()
print(f"least sum at a trade-off of {trade_offs[np.argmin(total_db)]:.1f}")

# %% [markdown]
# What the players say. *MVDR with the plane wave* removes as much of the rest as could be wished (SIR 18 dB), and its SDR is 7.8 dB only: it distorts the target, whose vector is not what it believes. *Souden's MVDR* has 11.6 dB, with the same covariance of the noise. *GEV, as in the exercise,* has the highest SIR of all, and sounds wrong: each frequency has a factor of its own, so that what is left of the noise is white and the voice shrill. Normalised, it comes to 9.5 dB: its level is the mean over the microphones, not that of the reference.
#
# *MWF* with $\mu = 1$ leaves more of the rest than the others, and $\mu = 3$ is better. Did $\mu = 1$ not have the least error? It has, if both covariances are means over the *same* frames. The box of section 7.1 divides each by its own $\sum$. The mask's mean is 0.31, so $\Phi_{ss}$ weighs, on average, $0.69/0.31 = 2.2$ times too much, and $\mu = 1$ acts like 0.45. Undo it: multiply $\Phi_{ss}$ by the mean of the mask at its frequency, $\Phi_{vv}$ by the rest ("on one scale"), and $\mu = 1$ gives 12.2 dB. Or leave the covariances alone, as most do, and take a $\mu$ of 2 or 3.
#
# The figure is on one scale. The distortion grows with $\mu$, the noise falls, and the sum is least at 1, as derived. On the far left nothing is distorted, and nothing removed: $\mathbf w$ is nearly $\mathbf e$.
#
# ### 7.5 A mask that nobody gave us
#
# The oracle's mask knew the answer. Take one that does not: IVA of lesson 03, with the Gauss model, splits the recording into two sounds, without any knowledge. (Of the four channels it takes the two principal components at each frequency first.) The share that one of them has in each bin is a mask. Which of the two is the target? The one whose covariance has the larger part of its power towards 110°.

# %% tags="demo"
started = time.perf_counter()
separated = bss.auxiva(X, 2, source_model="gauss").sources
shares = masks.wiener_masks(np.abs(separated) ** 2)
part_towards_target = []
for share in shares:
    covariance = beamforming.spatial_covariance(X, share)
    part_towards_target.append(np.einsum("kc,kcd,kd->", look.conj(), covariance, look).real / np.einsum("kcc->", covariance).real)
blind_mask = shares[np.argmax(part_towards_target)]
blind_s = time.perf_counter() - started
print(f"the blind mask took {blind_s:.1f} s")
blind_sounds = {"microphone 0": synthesise(X[0])}
for kind, chosen in {"oracle": mask, "blind": blind_mask}.items():
    pair = beamforming.spatial_covariance(X, chosen), beamforming.spatial_covariance(X, 1 - chosen)
    blind_sounds |= {
        f"{kind} mask, multiplied": synthesise(masks.apply_mask(chosen, X[0])),
        f"{kind} mask, MVDR": synthesise(beamforming.apply_beamformer(beamforming.mvdr_souden(*pair), X)),
    }
for name, sound in blind_sounds.items():
    sdr_db, sir_db, intelligibility = scores(target, rest, sound)
    print(f"{name:24} SDR {sdr_db:5.1f} dB   SIR {sir_db:5.1f} dB   STOI {intelligibility:.2f}")
listen(blind_sounds, sample_rate)

# %% [markdown]
# Read the rows in pairs. The oracle's mask, multiplied, is better than any beamformer: it *knows* the answer in each bin. As soon as the mask is an estimate, the order turns round. Multiplied, the blind mask gives 8.6 dB; as a weight for covariances 9.4 dB, with 3 dB more SIR and the higher STOI. Listen to the difference: the multiplied mask bubbles and gurgles, where it decides wrongly bin by bin. The beamformer is one linear filter for the whole recording, and cannot gurgle.
#
# Many of the best systems for meetings work like this: a network estimates the mask, and formulas from 2010 do the rest. Lesson 07 brings the network.
#
# ## 8. Where is the talker?
#
# ### 8.1 Two microphones: GCC-PHAT
#
# Let channel $b$ hear the same as channel $a$, later by $\tau$: $B(f) = A(f)\,e^{-j2\pi f\tau}$. Their **cross-spectrum** is $B\,A^* = |A|^2e^{-j2\pi f\tau}$. Its inverse transform is the cross-correlation: the autocorrelation of the sound, shifted by $\tau$. A voice has a broad autocorrelation, with further peaks at its pitch period. So the maximum is blunt, and a reflection that overlaps moves it.
#
# All that we want to know is in the phase. So divide the magnitude out:
#
# $$\boxed{\;r(\tau') = \mathcal F^{-1}\left\{\frac{B\,A^*}{|B\,A^*|}\right\}(\tau'), \qquad \hat\tau = \arg\max_{\tau'}\, r(\tau')\;}$$
#
# For a pure delay this is $\mathcal F^{-1}\{e^{-j2\pi f\tau}\} = \delta(\tau' - \tau)$: one sharp peak, whatever the sound. This is the **phase transform**, and the method is called GCC-PHAT (generalised cross-correlation). Each frequency has one vote, loud or soft. With the DFT, pad with zeros first (lesson 01): otherwise long delays wrap round.

# %% [markdown]
# ### Exercise 4.13 — GCC-PHAT
#
# *2 points · 18 minutes · medium*
#
# **Outcome.** You can measure a delay in whole samples, which lesson 05 will need for its loudspeakers.
#
# **Task.** Write `gcc_phat_delay(a, b, max_delay)` for two real signals of one length. Return by how many samples `b` is *later* than `a`, as a whole number between `-max_delay` and `max_delay`: where $r$ is largest. Pad both to twice their length, so that nothing wraps round. Frequencies at which the cross-spectrum is zero do not vote. If there is no sound, return 0. `max_delay` is at least 0, and smaller than the length.
#
# **By hand.** `a = [1, 0, 0, 0]` and `b = [0, 0, 1, 0]`: the cross-spectrum is $e^{-j2\pi k\cdot2/8}$, its inverse has its peak at 2. With `a` and `b` exchanged it is −2, which in an array of eight stands at index 6.
#
# **Expected number.** For the microphones 0 and 3 of our row and a talker at 60°, $-0.15\cos60°/343\cdot16000 = -3.5$ samples: −3 or −4.

# %% [markdown] hints="gcc_phat_delay"
# concept: The inverse DFT puts negative delays at the end of the array. Python's negative indices read them there.
#
# structure: Two real FFTs with padding; cross-spectrum, with the conjugate on `a`; divide by the magnitude where it is positive; inverse; pick the values at all allowed lags, and take the lag of the largest.
#
# line: With `cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()`, `size = np.abs(cross)`, `phases = np.divide(cross, size, out=np.zeros_like(cross), where=size > 0)` and `lags = np.arange(-max_delay, max_delay + 1)`, the answer is `lags[np.argmax(np.fft.irfft(phases)[lags])]`. Silence needs a line of its own.

# %% exercise="gcc_phat_delay" forbid="course_lib.beamforming pyroomacoustics"
def gcc_phat_delay(a, b, max_delay):
    """Return by how many samples b is later than a: the lag of the largest value of their phase correlation."""
    ### BEGIN SOLUTION
    cross = np.fft.rfft(b, 2 * len(b)) * np.fft.rfft(a, 2 * len(a)).conj()
    size = np.abs(cross)
    if not size.any():
        return 0
    phases = np.divide(cross, size, out=np.zeros_like(cross), where=size > 0)
    lags = np.arange(-max_delay, max_delay + 1)
    return int(lags[np.argmax(np.fft.irfft(phases)[lags])])
    ### END SOLUTION


# %% test="gcc_phat_delay" points=2
_a, _b = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 0.0])
check.close(gcc_phat_delay(_a, _b, 3), 2, name="the delay in the example", mistakes={"the sign is turned round: the delay is positive where b is later.": -2, "this is an index into your list of lags: return the lag.": 5})
check.close(gcc_phat_delay(_b, _a, 3), -2, name="the delay with a and b exchanged", mistakes={"negative delays stand at the end of the inverse transform: index 6 of 8 means −2.": 6, "the sign is lost: b is earlier here.": 2})
_a, _b = np.zeros(16), np.zeros(16)
_a[:3], _b[12:15] = [1.0, -2.0, 0.5], [1.0, -2.0, 0.5]
check.close(gcc_phat_delay(_a, _b, 15), 12, name="a delay longer than half the signal", mistakes={"the delay has wrapped round: pad to twice the length.": -4})
_t = np.arange(400)
_hum = np.sin(2 * np.pi * 0.01 * _t)
_clicks = np.where(_t % 97 == 20, 1.0, 0.0)
_a, _b = 20 * _hum + _clicks, 20 * _hum + np.roll(_clicks, 7)
check.close(gcc_phat_delay(_a, _b, 30), 7, name="the delay of clicks, in a hum that both channels hear at once", mistakes={"the loud hum has decided: divide the cross-spectrum by its magnitude.": 0})
check.close(
    gcc_phat_delay(1e-9 * _a, 1e-9 * _b, 30),
    7,
    name="the same delay, 180 dB softer",
    mistakes={"soft frequencies have lost their vote: leave out those at which the cross-spectrum is zero, and add no constant to its magnitude.": 0},
)
check.close(gcc_phat_delay(_a, _b, 7), 7, name="a delay that is the largest one asked for", mistakes={"the lag max_delay itself was not looked at: np.arange ends before its last number.": 0})
check.close(gcc_phat_delay(_b, _a, 7), -7, name="a delay that is the smallest one asked for")
check.close(gcc_phat_delay(_a, _b, 0), 0, name="the only delay allowed, where max_delay is 0", mistakes={"all lags were looked at: a slice that begins at -0 is the whole array.": 7})
check.close(gcc_phat_delay(np.zeros(20), np.zeros(20), 5), 0, name="the delay of silence", mistakes={"all values of r are equal, and the first lag was taken: silence needs a line of its own.": -5})
check.passed("every frequency has one vote")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("gcc_phat_delay")
for _n_samples, _delay in [(1000, 7), (1001, -12), (2048, int(_rng.integers(-40, 40))), (777, int(_rng.integers(-40, 40))), (500, 0)]:
    for _scale in [1.0, 1e-6, 1e6]:
        _sound = _rng.standard_normal(_n_samples + 200)
        _sound = _scale * np.convolve(_sound, 0.95 ** np.arange(80))
        _a = _sound[100 : 100 + _n_samples].copy()
        _echo = 0.5 * _sound[100 - _delay - 9 : 100 - _delay - 9 + _n_samples]
        _b = _sound[100 - _delay : 100 - _delay + _n_samples] + _echo + 0.01 * _scale * _rng.standard_normal(_n_samples)
        _before = _a.copy(), _b.copy()
        _found = gcc_phat_delay(_a, _b, 50)
        check.close(_found, _delay, name="the delay of a low noise and its echo")
        check.close(gcc_phat_delay(_b, _a, 50), -_delay, name="the delay with both exchanged")
        check.close(_a, _before[0], absolute_tolerance=0.0, name="your input a after the call")
        check.close(_b, _before[1], absolute_tolerance=0.0, name="your input b after the call")
        check.close(gcc_phat_delay(_a, _b, abs(_delay)), _delay, name="a delay that is the largest one asked for")
        check.close(gcc_phat_delay(_a, _b, 0), 0, name="the only delay allowed, where max_delay is 0")
        _limit = abs(_delay) // 2
        _found = gcc_phat_delay(_a, _b, _limit)
        assert -_limit <= _found <= _limit, f"The delay {_found} lies outside ±{_limit}, the largest one asked for."
_sound = _rng.standard_normal(1200)
for _n_samples in [1000, 1001]:
    _late, _further = int(_rng.integers(3, 12)), int(_rng.integers(20, 30))
    _a, _b, _c = (_sound[100 - _lag : 100 - _lag + _n_samples].copy() for _lag in (0, _late, _late + _further))
    check.close(gcc_phat_delay(_a, _b - 1.5 * _c, 60), _late, name="the delay, where a louder copy turned upside down follows")
    check.close(gcc_phat_delay(_a, 0.8 * _b + _c, _late + _further // 2), _late, name="the delay of a softer copy, where the louder one is later than the largest delay asked for")
    for _trial in range(4):
        _hum = 300 * np.hanning(_n_samples) * np.sin(2 * np.pi * _rng.uniform(0.01, 0.04) * np.arange(_n_samples))
        check.close(gcc_phat_delay(_a, _b + _hum, 50), _late, name="the delay of a noise, where the later channel hums")
        check.close(gcc_phat_delay(_b + _hum, _a, 50), -_late, name="the delay of a noise, where the earlier channel hums")
for _length in [64, 65, 33]:
    _burst, _late = _rng.standard_normal(12), int(_rng.integers(_length // 2 + 2, _length - 12))
    _a, _b = np.zeros(_length), np.zeros(_length)
    _a[:12], _b[_late : _late + 12] = _burst, _burst
    check.close(gcc_phat_delay(_a, _b, _length - 1), _late, name="a delay longer than half the signal")
check.close(gcc_phat_delay(np.zeros(20), np.zeros(20), 5), 0, name="silence")
check.close(gcc_phat_delay(_a, np.zeros(33), 5), 0, name="one silent channel")
check.close(gcc_phat_delay(np.array([0, 3, 0, 0, 0]), np.array([0, 0, 0, 0, 5]), 4), 3, name="whole numbers")
_a = _rng.standard_normal(50000)
check.close(check.within_seconds(2.0, gcc_phat_delay, _a, np.roll(_a, 100), 200), 100, name="some seconds of sound")
### END HIDDEN TESTS

# %% tags="demo"
gcc = beamforming.gcc_phat(target[0], target[3], sample_rate=sample_rate, max_delay_s=0.001)
plain = np.array([np.dot(target[0, 16:-16], target[3, 16 + lag : n_samples - 16 + lag]) for lag in range(-16, 17)])
true_delay_s = -0.15 * np.cos(np.deg2rad(TARGET_DEG)) / SPEED_OF_SOUND_M_S
figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
ax.plot(1000 * np.arange(-16, 17) / sample_rate, plain / plain.max(), "s--", markersize=4, label="cross-correlation")
ax.plot(1000 * gcc.lags_s, gcc.correlation / gcc.correlation.max(), "o-", markersize=4, label="GCC-PHAT")
ax.axvline(1000 * true_delay_s, color="0.4", linewidth=0.8)
ax.set(xlabel="Delay of microphone 3 (ms)", ylabel="Relative value", title="The target alone: the phase transform turns a hill into a peak (grey: the true delay)")
ax.legend()
plt.show()
angle_deg = np.rad2deg(np.arccos(np.clip(-gcc.delay_s * SPEED_OF_SOUND_M_S / 0.15, -1, 1)))
print(f"delay {1000 * gcc.delay_s:.3f} ms, true {1000 * true_delay_s:.3f} ms; direction {angle_deg:.1f}°, true {TARGET_DEG}°; one sample more or less would be {np.rad2deg(SPEED_OF_SOUND_M_S / sample_rate / 0.15 / np.sin(np.deg2rad(TARGET_DEG))):.0f}°")
both = beamforming.gcc_phat(target[0] + rest[0], target[3] + rest[3], sample_rate=sample_rate, max_delay_s=0.001)
print(f"with all the rest: delay {1000 * both.delay_s:.3f} ms, direction {np.rad2deg(np.arccos(-both.delay_s * SPEED_OF_SOUND_M_S / 0.15)):.1f}°")

# %% [markdown]
# One sample is 9° of direction here, so the library looks *between* the samples: $r$ is a sum of cosines, and can be evaluated anywhere. That was the target alone, in the room. With the rest, the highest peak is the other talker's: one pair and one maximum find one talker, and nobody asks which.
#
# ### 8.2 All microphones: SRP-PHAT
#
# Delay and sum listens to one direction. Let it listen to all of them, one after the other, and see where it is loudest: the **steered response power**. With the phases only, $\tilde X_c = X_c/|X_c|$, every bin has one vote again:
#
# $$\boxed{\;P(\theta) = \frac1{KM}\sum_{k,m}\Big|\frac1C\sum_c d_c^*[k,\theta]\,\tilde X_c[k,m]\Big|^2\;}$$
#
# Multiply the square out: pairs $c, c'$ with the phases $\tilde X_c\tilde X_{c'}^*$, advanced by the delay that this pair has for $\theta$. So $P$ adds up the GCC-PHAT of all pairs, each read at the delay that belongs to $\theta$, and the constant $1/C$ of the pairs $c = c'$. (Exercise 4.13 took one spectrum of the whole sound; $P$ takes those of the frames, and averages.) For a single wave from $\theta$ every bin gives 1.

# %% [markdown]
# ### Exercise 4.14 — A map of directions
#
# *1 point · 10 minutes · medium*
#
# **Outcome.** You can draw where sound comes from.
#
# **Task.** Write `srp_phat_map(X, d)` for a recording `(n_channels, n_freqs, n_frames)` and steering vectors of many directions `(n_directions, n_freqs, n_channels)`, whose entries have the magnitude 1. Return $P$, shape `(n_directions,)`. Where $X_c$ is zero, so is $\tilde X_c$; silent bins count in $KM$ like all others.
#
# **By hand.** One bin, $\mathbf x = (3, 5j)^{\mathsf T}$, so $\tilde{\mathbf x} = (1, j)^{\mathsf T}$. For $\mathbf d = (1, j)^{\mathsf T}$: $|1 + 1|^2/4 = 1$. For $(1, 1)^{\mathsf T}$: $|1 + j|^2/4 = \tfrac12$. For $(1, -j)^{\mathsf T}$: 0.
#
# **Expected picture.** The solid curve in the figure below.

# %% [markdown] hints="srp_phat_map"
# concept: Whiten first: keep the phase of each channel and bin. Then it is delay and sum for each direction, and a mean of powers.
#
# structure: Divide `X` by its magnitude where that is positive. One `einsum` gives the sum over the channels for all directions, frequencies and frames. Take squared magnitudes, the mean over the last two axes, and divide by $C^2$.
#
# line: `Y = np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)`, and `np.mean(np.abs(Y) ** 2, axis=(1, 2))`.

# %% exercise="srp_phat_map" forbid="course_lib.beamforming pyroomacoustics"
def srp_phat_map(X, d):
    """Return the mean power (n_directions,) of delay and sum on the phases of X, between 0 and 1."""
    ### BEGIN SOLUTION
    size = np.abs(X)
    phases = np.divide(X, size, out=np.zeros(X.shape, complex), where=size > 0)
    Y = np.einsum("akc,ckm->akm", d.conj(), phases) / len(X)
    return np.mean(np.abs(Y) ** 2, axis=(1, 2))
    ### END SOLUTION


# %% test="srp_phat_map" points=1
_d = np.array([[[1, 1j]], [[1, 1]], [[1, -1j]]])
check.close(
    srp_phat_map(np.array([[[3.0 + 0j]], [[5j]]]), _d),
    np.array([1.0, 0.5, 0.0]),
    name="the example",
    mistakes={
        "the steering vectors were not conjugated.": [0.0, 0.5, 1.0],
        "the magnitudes are still there: divide each channel by its own magnitude.": [16.0, 8.5, 1.0],
        "the bins were divided by the length of the vector x: each channel is divided by its own magnitude.": [16 / 34, 1 / 4, 1 / 34],
        "the division by the number of channels is missing: the largest value is 1.": [4.0, 2.0, 0.0],
        "the sum was divided by C after squaring: by C² it is between 0 and 1.": [2.0, 1.0, 0.0],
        "the square is missing: P is a power.": [1.0, np.sqrt(0.5), 0.0],
    },
)
check.close(
    srp_phat_map(np.array([[[3.0 + 0j, 0.0, 2.0]], [[5j, 0.0, 2.0]]]), _d),
    np.array([1.5, 1.5, 0.5]) / 3,
    name="three frames, one of them silent",
    mistakes={
        "the frames were added up before squaring: each bin is squared, then the mean is taken.": [5 / 18, 5 / 18, 1 / 18],
        "the silent frame was left out of the mean.": [0.75, 0.75, 0.25],
        "a silent channel was given the phase 0, and a vote: where X is zero, so is its phase factor.": [2 / 3, 2.5 / 3, 1 / 3],
        "the powers were summed: take their mean.": [1.5, 1.5, 0.5],
    },
)
check.close(
    srp_phat_map(np.array([[[3e-9 + 0j]], [[5e-9j]]]), _d),
    np.array([1.0, 0.5, 0.0]),
    relative_tolerance=1e-6,
    name="the example, 180 dB softer: a constant added to a denominator is heard there",
)
check.close(
    srp_phat_map(1e-9 * np.array([[[3.0 + 0j, 0.0, 2.0]], [[5j, 0.0, 2.0]]]), _d),
    np.array([1.5, 1.5, 0.5]) / 3,
    name="the same frames, 180 dB softer",
    mistakes={"soft bins were taken for silent ones: only zero is silence.": [0.0, 0.0, 0.0]},
)
check.passed("the array sees")
### BEGIN HIDDEN TESTS
_rng = check.hidden_inputs("srp_phat_map")
_odd, _even = 2 * int(_rng.integers(3, 12)) + 1, 2 * int(_rng.integers(3, 12))
for _n_directions, _n_channels, _n_freqs, _n_frames in [(1, 1, 1, 1), (_odd, 4, _even, 9), (_even, 3, _odd, 8), (5, 6, 4, 3)]:
    _d = np.exp(2j * np.pi * _rng.random((_n_directions, _n_freqs, _n_channels)))
    for _scale in [1.0, 1e-9, 1e6]:
        _X = _scale * (_rng.standard_normal((_n_channels, _n_freqs, _n_frames)) + 1j * _rng.standard_normal((_n_channels, _n_freqs, _n_frames)))
        _X[0, 0, 0] = 0.0
        _before = _X.copy(), _d.copy()
        _angles = np.exp(1j * np.angle(_X)) * (_X != 0)
        _expected = [np.mean(np.abs(np.stack([_angles[:, _k].T @ _v[_k].conj() for _k in range(_n_freqs)])) ** 2) / _n_channels**2 for _v in _d]
        check.close(srp_phat_map(_X, _d), np.array(_expected), name="the map of a random recording")
        check.close(_X, _before[0], absolute_tolerance=0.0, name="your input X after the call")
        check.close(_d, _before[1], name="your input d after the call")
_X = _d[2].T[:, :, None] * (_rng.standard_normal((4, 3)) + 1j * _rng.standard_normal((4, 3)))
check.close(srp_phat_map(_X, _d)[2], 1.0, name="the map in the direction of a single wave")
check.close(srp_phat_map(0 * _X, _d), np.zeros(5), name="silence")
check.close(srp_phat_map(np.array([[[2j]], [[7j]]]), np.array([[[1, 1]], [[1, -1]]])), np.array([1.0, 0.0]), name="steering vectors of whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### 8.3 Subspaces: MUSIC
#
# Section 5 has one more idea to give. If $n < C$ sources and hiss make up $\Phi_{xx}$, the eigenvectors of its $n$ largest eigenvalues span the same space as the $n$ steering vectors. All other eigenvectors are orthogonal to every source. Collect them in $E_v$. Then $\|E_v^{\mathsf H}\mathbf d(\theta)\|$ is zero exactly in the directions of the sources. One over its square, averaged over the frequencies before it is inverted, has sharp peaks. This is **MUSIC** (multiple signal classification). It must be told how many sources there are, and it wants sources that are independent of each other.

# %% tags="demo"
maps = {
    "SRP-PHAT": beamforming.srp_phat(X, microphones_m, frequencies_hz, azimuths_deg),
    "MUSIC, two sources": beamforming.music(X, microphones_m, frequencies_hz, azimuths_deg, n_sources=2),
}
figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
for (name, power), style in zip(maps.items(), ("-", "--"), strict=True):
    found = np.sort(beamforming.find_directions(power, azimuths_deg, 2))
    print(f"{name:20} finds " + " and ".join(f"{angle:.1f}°" for angle in found))
    ax.plot(azimuths_deg, (power - power.min()) / (power.max() - power.min()), style, linewidth=2, label=name)
for azimuth_deg in (TARGET_DEG, OTHER_DEG):
    ax.axvline(azimuth_deg, color="0.5", linewidth=0.8)
ax.set(xlabel="Direction (°)", ylabel="Relative value", xticks=range(0, 181, 20), title="Two talkers, two peaks (grey: where they are)")
ax.legend()
plt.show()
for name, recording, n_talkers in (("the target alone, in the room", S, 1), ("both, in the open air", X_open, 2)):
    power = beamforming.srp_phat(recording, microphones_m, frequencies_hz, azimuths_deg)
    print(f"SRP-PHAT, {name}: the target at {beamforming.find_directions(power, azimuths_deg, n_talkers).max():.1f}°")

# %% [markdown]
# Both methods find both talkers, within 3°, in a room and in a murmur. The target's peak is off by 3° (SRP-PHAT) and 2° (MUSIC). The printed lines tell why: the room alone pulls it by 1°, the other talker, whose votes fall on the same map, by as much again; together they do more. MUSIC's peaks are sharper, but it was told that there are two talkers. Neither knows which of them is *yours*. For that you need something that lasts, such as a mask that weighs the bins.
#
# ## 9. All methods on the same scene
#
# The scene of section 1 once more. Each method gets what it must know. The time is for the weights and the output, without the STFT; the blind mask's is added where it is used.

# %% tags="demo"
def timed(make_weights):
    started = time.perf_counter()
    Y = beamforming.apply_beamformer(make_weights(), X)
    return Y, 1000 * (time.perf_counter() - started)


def covariances(weights):
    return beamforming.spatial_covariance(X, weights), beamforming.spatial_covariance(X, 1 - weights)


def normalised_gev():
    pair = covariances(mask)
    return beamforming.blind_analytic_normalisation(beamforming.gev(*pair), pair[1])


methods = {
    "microphone 0": ("nothing", lambda: np.eye(4)[np.zeros(len(frequencies_hz), int)]),
    "delay and sum": ("direction", lambda: beamforming.delay_and_sum(look)),
    "superdirective": ("direction", lambda: beamforming.mvdr(beamforming.diffuse_coherence(microphones_m, frequencies_hz), look, loading=1e-2)),
    "MPDR": ("direction", lambda: beamforming.mvdr(beamforming.spatial_covariance(X), look, loading=1e-1)),
    "MVDR, plane wave": ("direction, mask", lambda: beamforming.mvdr(covariances(mask)[1], look, loading=1e-3)),
    "MVDR (Souden)": ("mask", lambda: beamforming.mvdr_souden(*covariances(mask))),
    "GEV, normalised": ("mask", normalised_gev),
    "MWF": ("mask", lambda: beamforming.mwf(*covariances(mask))),
    "MWF, trade-off 3": ("mask", lambda: beamforming.mwf(*covariances(mask), trade_off=3.0)),
    "Souden, blind mask": ("direction", lambda: beamforming.mvdr_souden(*covariances(blind_mask))),
}
table, players = {}, {}
print(f"{'method':18} {'must know':16} {'SDR':>8} {'SIR':>8} {'STOI':>6} {'time':>9}")
for name, (knowledge, make_weights) in methods.items():
    make_weights()
    Y, elapsed_ms = timed(make_weights)
    players[name] = synthesise(Y)
    table[name] = scores(target, rest, players[name])
    elapsed_ms += 1000 * blind_s if "blind" in name else 0.0
    print(f"{name:18} {knowledge:16} {table[name][0]:5.1f} dB {table[name][1]:5.1f} dB {table[name][2]:6.2f} {elapsed_ms:6.0f} ms")
listen({name: players[name] for name in ("microphone 0", "delay and sum", "MVDR, plane wave", "MVDR (Souden)", "MWF, trade-off 3", "Souden, blind mask")}, sample_rate)

# %% tags="demo"
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
for column, (label, ax) in enumerate({"SDR (dB)": axes[0], "STOI": axes[1]}.items()):
    values = [row[2 * column] for row in table.values()]
    bars = ax.barh(range(len(table)), values, color=plots.PALETTE[column])
    ax.bar_label(bars, fmt="%.1f" if column == 0 else "%.2f", padding=3, fontsize=9)
    ax.set(xlabel=label)
    ax.margins(x=0.12)
axes[1].set_xlim(0.5, None)
axes[0].set_yticks(range(len(table)), labels=table)
axes[0].invert_yaxis()
figure.suptitle("Directions help a little; measured covariances help a lot")
plt.show()

parts = [analyse(image[:, :n_samples]) for image in scene.images]
print(f"{'in dB':18}   target   other talker   murmur   microphones' hiss")
for name in ("microphone 0", "delay and sum", "superdirective", "MVDR (Souden)", "MWF, trade-off 3"):
    left = [beamforming.apply_beamformer(methods[name][1](), part) for part in parts]
    levels_db = [10 * np.log10(np.sum(np.abs(part) ** 2) / np.sum(np.abs(parts[0][0]) ** 2)) for part in left]
    print(f"{name:18}" + "".join(f"{level_db:{width}.1f}" for level_db, width in zip(levels_db, (9, 15, 9, 20), strict=True)))

# %% [markdown]
# Read the column *must know*. *A direction alone* gives little: delay and sum 0.6 dB, MPDR 4 dB, and superdirective, which does not even look at the recording, 6 dB. *A mask* in place of the direction gives 10 to 13 dB. *Nothing but a direction to choose by*, with the blind mask, 10 dB: section 7's covariances do not need an oracle. And the first guess of this lesson? Four microphones were worth 0.6 dB, or 13: it depends on what one knows.
#
# Read the second table for the other guess. Souden's beam lowers the other talker, who comes from one place, by 19 dB; the murmur, which comes from everywhere, by 5; the microphones' own hiss it *raises* by 7. Now all three are about equally soft, and the weights cannot lower one without raising another. Yet with an SIR of 22 dB the SDR is 11.6: most of the error is now what the beam has done to the target. In a room that is not one vector, and this sets the limit.
#
# *Cost.* For $C$ microphones all weights need covariances, $O(C^2)$ for each bin, and one system, $O(C^3)$ for each frequency. That is some tens of milliseconds for six seconds; the blind mask takes longer than all beamformers together. *Latency.* Weights from the whole recording cannot be had before its end. In practice the sums in the covariances run on with a forgetting factor, and the weights follow; the STFT's frame, here 128 ms, remains.
#
# ## 10. Where it breaks, and why
#
# ### Reverberation
#
# The same talkers in rooms that ring longer. In the open air the plane wave is nearly right, and MVDR with it nearly as good as Souden's. (They win 16 or 17 dB, not the 29 of section 6.2: the murmur is back, and the covariances come from a mask.) Each wall takes some of that away, from both, and more from the plane wave.

# %% tags="demo"
rooms_s = [0.0, 0.15, 0.3, 0.5]
by_room = {"delay and sum": [], "MVDR, plane wave": [], "MVDR (Souden)": [], "MWF": []}
before_db, room_sounds = [], {}
for rt60_s in rooms_s:
    room_target, room_rest = record(rt60_s=rt60_s)
    room_S, room_N = analyse(room_target), analyse(room_rest)
    room_X, room_mask = room_S + room_N, masks.ideal_ratio_mask(room_S[0], room_N[0], exponent=2)
    pair = beamforming.spatial_covariance(room_X, room_mask), beamforming.spatial_covariance(room_X, 1 - room_mask)
    before_db.append(scores(room_target, room_rest, synthesise(room_X[0]))[0])
    for name, weights in {
        "delay and sum": das,
        "MVDR, plane wave": beamforming.mvdr(pair[1], look, loading=1e-3),
        "MVDR (Souden)": beamforming.mvdr_souden(*pair),
        "MWF": beamforming.mwf(*pair),
    }.items():
        sound = synthesise(beamforming.apply_beamformer(weights, room_X))
        by_room[name].append(scores(room_target, room_rest, sound)[0] - before_db[-1])
        if name == "MVDR (Souden)":
            room_sounds[f"MVDR (Souden), {rt60_s} s"] = sound
figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
for (name, gains), marker in zip(by_room.items(), "os^D", strict=True):
    ax.plot(rooms_s, gains, marker=marker, label=name)
ax.set(xlabel="Reverberation time (s)", ylabel="Gain in SDR (dB)", title="Every beam loses in longer rooms, the plane wave's most")
ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
plt.show()
for name, gains in by_room.items():
    print(f"{name:18}" + "  ".join(f"{rt60_s} s: {gain:4.1f} dB" for rt60_s, gain in zip(rooms_s, gains, strict=True)))
listen(room_sounds, sample_rate)

# %% [markdown]
# Late reverberation comes from all sides, that of the other talker like that of our own. To a beam with four freedoms it is diffuse noise. And what arrives later than one frame fits no single factor (lesson 03).
#
# ### A talker who walks
#
# In six seconds the target walks from 110° to 60°, in the open air. One set of weights for the whole recording means one place. Compare a beam that stays, with one that is told where the talker is and follows.

# %% tags="demo"
dry = analyse(talkers[0])
dry = dry * np.linalg.norm(S_open[0]) / np.linalg.norm(dry)  # as loud as the talker who stood still
path_deg = np.linspace(110, 60, dry.shape[1])
on_the_path = beamforming.near_field_steering_vector(microphones_m, frequencies_hz, 1.5 * beamforming.direction(path_deg))
S_walk = np.einsum("mkc,km->ckm", on_the_path, dry)
X_walk = S_walk + N_open
stays = beamforming.apply_beamformer(mvdr, X_walk)
follows = np.empty_like(stays)
for begin in range(0, len(path_deg), 8):
    block = slice(begin, begin + 8)  # a quarter of a second
    weights = beamforming.mvdr(covariance_rest, spherical(path_deg[block].mean()), loading=1e-3)
    follows[:, block] = beamforming.apply_beamformer(weights, X_walk[:, :, block])
walk_mask = masks.ideal_ratio_mask(S_walk[0], N_open[0], exponent=2)
averages = beamforming.apply_beamformer(beamforming.mvdr_souden(*(beamforming.spatial_covariance(X_walk, weights) for weights in (walk_mask, 1 - walk_mask))), X_walk)
walk_sounds = {"microphone 0": synthesise(X_walk[0]), "MVDR that stays at 110°": synthesise(stays), "Souden, whole recording": synthesise(averages), "MVDR that follows": synthesise(follows)}
walk_target, walk_rest = synthesise(dry)[None], synthesise(N_open[0])[None]  # a beam gives the target as the middle hears it
for name, sound in walk_sounds.items():
    halves = [scores(walk_target[:, part], walk_rest[:, part], sound[part])[0] for part in (slice(0, n_samples // 3), slice(2 * n_samples // 3, n_samples))]
    print(f"{name:24} SDR in the first two seconds {halves[0]:5.1f} dB, in the last two {halves[1]:5.1f} dB")
listen(walk_sounds, sample_rate)

# %% [markdown]
# The beam that stays does as it was told: it keeps 110°, and the talker walks out of it, softer and softer. At the end it is 15 dB worse than the one that follows. (Its null at 40° goes on working, so 10 dB are left.) A mask over the whole recording does not help much: its covariance $\Phi_{ss}$ holds a whole fan of vectors, and the best single one fits none of them well. (The beam that follows loses a little, too: at the end the two talkers are 20° apart.) Remedies: covariances that forget, or a localiser (section 8) that steers.
#
# ### A copy of the target
#
# A window or a table top sends the target back to the array, from another direction and a little later. This copy is **coherent** with the target: its cross-covariance is not zero. Section 6.3 assumed that it is. Now MPDR has a new way past its constraint. It hears $\mathbf d\,s + \mathbf b\,a\,s$, keeps $\mathbf w^{\mathsf H}\mathbf d = 1$ as told, and chooses $\mathbf w^{\mathsf H}\mathbf b = -1/a$: the copy cancels the original, with the *exact* direction.

# %% tags="demo"
copy = np.roll(talkers[0], 8) * (np.arange(n_samples) >= 8)  # half a millisecond later
S_copy = np.einsum("kc,km->ckm", look, analyse(talkers[0])) + 0.7 * np.einsum("kc,km->ckm", other, analyse(copy))
hiss = analyse(0.001 * np.random.default_rng(0).standard_normal((4, n_samples)))
X_copy = S_copy + hiss
covariance_copy = beamforming.spatial_covariance(X_copy)
copy_sounds = {"microphone 0": synthesise(X_copy[0])}
for name, weights in {
    "delay and sum": das,
    "MPDR, exact direction": beamforming.mvdr(covariance_copy, look, loading=1e-5),
    "MPDR, loading 0.1": beamforming.mvdr(covariance_copy, look, loading=0.1),
    "MVDR, only the hiss": beamforming.mvdr(beamforming.spatial_covariance(hiss), look, loading=1e-5),
}.items():
    output = beamforming.apply_beamformer(weights, S_copy)
    print(f"{name:24} the voice is left at {10 * np.log10(np.sum(np.abs(output) ** 2) / np.sum(np.abs(S_copy[0]) ** 2)):6.1f} dB")
    copy_sounds[name] = synthesise(beamforming.apply_beamformer(weights, X_copy))
listen(copy_sounds, sample_rate)

# %% [markdown]
# The voice has vanished: 33 dB down, by a beamformer that was told exactly where it is. With loading it is still 7 dB down. MVDR with the hiss alone in its covariance is delay and sum, and keeps the voice. The walls of a room make many such copies. It is one more reason to keep the target out of the covariance.
#
# ### Microphones that differ
#
# The steering vector assumes four equal microphones. Real ones differ by a decibel and some degrees, and drift with their age. Give ours errors with a standard deviation of 1 dB and 5°, drawn ten times, in the open air. What changes for the beams that rely on the plane wave, and for those that measure?

# %% tags="demo"
rng = np.random.default_rng(1)
ratios_db, mismatch_sounds = {}, {}
for _ in range(10):
    errors = 10 ** (rng.standard_normal(4) / 20) * np.exp(1j * np.deg2rad(5) * rng.standard_normal(4))
    for condition, factor in {"equal": np.ones(4), "mismatched": errors}.items():
        S_mis, N_mis = factor[:, None, None] * S_open, factor[:, None, None] * N_open
        X_mis = S_mis + N_mis
        mask_mis = masks.ideal_ratio_mask(S_mis[0], N_mis[0], exponent=2)
        for name, weights in {
            "delay and sum": das,
            "superdirective, no hiss": beams["superdirective"][0],
            "superdirective, 1 % hiss": beams["superdirective, 1 % hiss"][0],
            "MPDR": beamforming.mvdr(beamforming.spatial_covariance(X_mis), spherical(TARGET_DEG), loading=1e-5),
            "MVDR, the rest known": beamforming.mvdr(beamforming.spatial_covariance(N_mis), spherical(TARGET_DEG), loading=1e-5),
            "MVDR (Souden), mask": beamforming.mvdr_souden(beamforming.spatial_covariance(X_mis, mask_mis), beamforming.spatial_covariance(X_mis, 1 - mask_mis)),
        }.items():
            parts = [np.sum(np.abs(beamforming.apply_beamformer(weights, part)) ** 2) for part in (S_mis, N_mis)]
            if name.startswith("M"):
                mismatch_sounds[f"{name}, {condition}"] = beamforming.apply_beamformer(weights, X_mis)
            ratios_db.setdefault((name, condition), []).append(10 * np.log10(parts[0] / parts[1]))
print(f"{'target to rest (dB)':26}{'equal':>8}   mismatched: median, worst of ten")
for name in dict.fromkeys(name for name, _ in ratios_db):
    mismatched = ratios_db[name, "mismatched"]
    print(f"{name:26}{ratios_db[name, 'equal'][0]:8.1f}   {np.median(mismatched):10.1f}, {min(mismatched):.1f}")
listen({name: synthesise(Y) for name, Y in mismatch_sounds.items() if "rest" not in name}, sample_rate)

# %% [markdown]
# Delay and sum does not care. MPDR loses 19 dB: to it, a microphone that is 5° off is a target that is somewhere else, as in section 6.4. MVDR with the covariance of the rest, and Souden's, hardly lose anything: their nulls are *measured*, with the same microphones and the same errors. What is known only on paper is what breaks. The superdirective beam without hiss is no beam even with equal microphones: at low frequencies it amplifies the little hiss there is by 50 dB and more. (Its ratio even rises with the errors: what should have cancelled does not any more, the target included.) The one with 1 % loses 2 dB, and in the worst case 6.
#
# ## 11. What we have learnt
#
# - To an array a direction is a vector of phases. What has the same vector sounds the same: grating lobes above $\lambda/2$, everything alike at low frequencies.
# - Delay and sum is the matched filter. It gains $10\log_{10}C$ against hiss, and against other directions only as far as they differ.
# - One matrix for each frequency, the spatial covariance, holds all that a beamformer can use.
# - MVDR: $\Phi^{-1}\mathbf d$, normalised. It places its nulls where the covariance says. Give it the noise's covariance, if you can; with the target inside, a wrong vector turns it against the target.
# - Loading buys robustness with suppression.
# - Masks turn into covariances, and covariances into beams that need no geometry: Souden's MVDR, GEV, MWF. For a target of rank one they differ by a factor only.
# - Multiplying by a mask decides bin by bin. A beamformer lets all the bins vote, and filters linearly.
# - Phases alone tell directions: GCC-PHAT for a pair, SRP-PHAT for all pairs.
#
# **Next.** In lesson 05 the noise is a loudspeaker of which we know every sample, and the filter learns while it runs.
#
# ### Further reading
#
# - B. D. Van Veen and K. M. Buckley, "Beamforming: a versatile approach to spatial filtering", *IEEE ASSP Magazine* 5(2), 1988: sections 3 to 6.
# - H. L. Van Trees, *Optimum Array Processing*, Wiley, 2002: chapters 2 (patterns, grating lobes) and 6 (MVDR, MPDR, steering errors, loading).
# - J. Capon, "High-resolution frequency-wavenumber spectrum analysis", *Proc. IEEE* 57(8), 1969: where MVDR began, for earthquakes.
# - O. L. Frost, "An algorithm for linearly constrained adaptive array processing", *Proc. IEEE* 60(8), 1972: LCMV.
# - M. Souden, J. Benesty and S. Affes, "On optimal frequency-domain multichannel linear filtering for noise reduction", *IEEE Trans. ASLP* 18(2), 2010: section 7.2.
# - E. Warsitz and R. Haeb-Umbach, "Blind acoustic beamforming based on generalized eigenvalue decomposition", *IEEE Trans. ASLP* 15(5), 2007: GEV and its normalisation.
# - S. Doclo and M. Moonen, "GSVD-based optimal filtering for single and multimicrophone speech enhancement", *IEEE Trans. SP* 50(9), 2002: the multichannel Wiener filter.
# - J. Heymann, L. Drude and R. Haeb-Umbach, "Neural network based spectral mask estimation for acoustic beamforming", *ICASSP*, 2016: a network for the mask, the formulas of section 7 for the rest.
# - C. H. Knapp and G. C. Carter, "The generalized correlation method for estimation of time delay", *IEEE Trans. ASSP* 24(4), 1976: section 8.1.
# - J. H. DiBiase, H. F. Silverman and M. S. Brandstein, "Robust localization in reverberant rooms", in *Microphone Arrays*, Springer, 2001: SRP-PHAT.
# - R. O. Schmidt, "Multiple emitter location and signal parameter estimation", *IEEE Trans. AP* 34(3), 1986: MUSIC.
# - S. Gannot, E. Vincent, S. Markovich-Golan and A. Ozerov, "A consolidated perspective on multimicrophone speech enhancement and source separation", *IEEE/ACM Trans. ASLP* 25(4), 2017: this lesson and the last, on one map.
