"""Beamformers and localisation: speed beside pyroomacoustics, and what they gain over delay-and-sum.

The studies rest on seeded scenes of a circular array of four microphones, radius 5 cm, in rooms of RT60 0.3 s. What
separates target and noise are oracle masks: shares of power at the reference microphone. The figure of merit is the SDR
of BSS Eval at the reference microphone, against the target's image there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyroomacoustics as pra
from rich.table import Table

from benchmarks.registry import Case, benchmark, ours, peer, study
from course_lib import beamforming as bf
from course_lib.constants import SAMPLE_RATE_HZ, SPEED_OF_SOUND_M_S
from course_lib.data import noise, speech_clip
from course_lib.masks import ideal_ratio_mask
from course_lib.metrics import bss_eval
from course_lib.scenes import ArrayScene, array_scene
from course_lib.stft import bin_frequencies, istft, stft

CIRCLE_M = bf.circular_array(4, 0.05)
PAIR_M = bf.linear_array(2, 0.2)
TALKERS = ("f1", "m1", "f2", "m2", "f3", "m3")
N_SCENES = 12
LONGEST_S = 6.0
FRAME_LENGTH = 2048
"""Of the beamformers; longer than the room's early reflections."""
SCAN_FRAME_LENGTH = 1024
SCAN_DEG = np.arange(0.0, 360.0, 2.0)
SCAN_RANGE_HZ = (100.0, 8000.0)


def _speech_at_the_circle(duration_s: float) -> ArrayScene:
    return array_scene([speech_clip("f1", duration_s)], [70.0], CIRCLE_M, np.random.default_rng(0))


def _peers_direction(name: str, X: np.ndarray) -> float:
    """Return the azimuth that a peer finds in a recording of the circle."""
    options = {"c": SPEED_OF_SOUND_M_S, "num_src": 1, "azimuth": np.radians(SCAN_DEG)}
    scan = pra.doa.algorithms[name](CIRCLE_M[:, :2].T, SAMPLE_RATE_HZ, SCAN_FRAME_LENGTH, **options)
    scan.locate_sources(X, freq_range=list(SCAN_RANGE_HZ))
    return float(np.degrees(scan.azimuth_recon[0]))


@benchmark("beamforming")
def delays(duration_s: float) -> Iterator[Case]:
    """Time the delay between two microphones."""
    a, b = array_scene([speech_clip("f1", duration_s)], [70.0], PAIR_M, np.random.default_rng(0)).mixture
    yield Case(
        f"GCC-PHAT, two channels of {duration_s:g} s",
        None,
        [
            ours("gcc_phat", lambda: bf.gcc_phat(a, b, sample_rate=SAMPLE_RATE_HZ, max_delay_s=1e-3).delay_s),
            peer(
                "pyroomacoustics tdoa",
                lambda: pra.experimental.localization.tdoa(b, a, interp=1, fs=SAMPLE_RATE_HZ),
            ),
        ],
        limit=1.0,
        quality=lambda delay_s: 1e6 * delay_s,
        quality_name="delay, µs",
    )


@benchmark("beamforming")
def directions(duration_s: float) -> Iterator[Case]:
    """Time the search for a direction, all of it: spectra are given, and the direction comes out."""
    scene = _speech_at_the_circle(duration_s)
    X = stft(scene.mixture, frame_length=SCAN_FRAME_LENGTH)
    frequencies = bin_frequencies(SCAN_FRAME_LENGTH, SAMPLE_RATE_HZ)

    scans: dict[str, tuple[str, Callable[..., np.ndarray]]] = {
        "SRP": ("srp_phat", bf.srp_phat),
        "MUSIC": ("music", bf.music),
    }
    for name, (function_name, scan) in scans.items():
        yield Case(
            f"{name}, 4 channels of {duration_s:g} s, {len(SCAN_DEG)} directions",
            None,
            [
                ours(
                    function_name,
                    lambda scan=scan: float(bf.find_directions(scan(X, CIRCLE_M, frequencies, SCAN_DEG), SCAN_DEG)[0]),
                ),
                peer(f"pyroomacoustics {name}", lambda name=name: _peers_direction(name, X)),
            ],
            limit=1.0,
            quality=lambda azimuth_deg: abs((azimuth_deg - scene.azimuths_deg[0] + 180) % 360 - 180),
            quality_name="error, °",
        )


@benchmark("beamforming")
def beamformers(duration_s: float) -> Iterator[Case]:
    """Time the making of a beamformer, its use on a recording, and its pattern."""
    frequencies = bin_frequencies(SCAN_FRAME_LENGTH, SAMPLE_RATE_HZ)
    source, interferer = 1.5 * bf.direction(70.0), 1.5 * bf.direction(200.0)
    device = pra.Beamformer(CIRCLE_M[:, :2].T, SAMPLE_RATE_HZ, N=SCAN_FRAME_LENGTH)
    point, other = pra.SoundSource(source[:2]), pra.SoundSource(interferer[:2])
    sensor_noise = 1e-3 * np.eye(len(CIRCLE_M))

    d = bf.near_field_steering_vector(CIRCLE_M, frequencies, source)
    v = bf.near_field_steering_vector(CIRCLE_M, frequencies, interferer)

    def make_mvdr() -> np.ndarray:
        d = bf.near_field_steering_vector(CIRCLE_M, frequencies, source)
        v = bf.near_field_steering_vector(CIRCLE_M, frequencies, interferer)
        return bf.mvdr(v[:, :, None] * v[:, None, :].conj() + sensor_noise, d, loading=0.0)

    def peers_mvdr() -> np.ndarray:
        # Its sources have the level of 1/(4πr), ours that of 1 at the array's centre.
        level = 1 / (4 * np.pi * np.linalg.norm(source))
        device.rake_max_sinr_weights(point, other, R_n=level**2 * sensor_noise)
        return device.weights.T

    def rejection_db(w: np.ndarray) -> float:
        target, rest = (np.abs(np.sum(w.conj() * x, axis=1)) ** 2 for x in (d, v))
        return float(np.median(10 * np.log10(target / rest)))

    yield Case(
        f"MVDR against one interferer, {len(frequencies)} frequencies",
        None,
        [ours("mvdr", make_mvdr), peer("pyroomacoustics max SINR", peers_mvdr)],
        limit=1.0,
        quality=rejection_db,
        quality_name="rejection, dB",
    )

    X = _speech_at_the_circle(duration_s).mixture
    device.record(X, SAMPLE_RATE_HZ)

    grid = {"frame_length": SCAN_FRAME_LENGTH, "hop_length": SCAN_FRAME_LENGTH // 2}

    def delay_and_sum() -> np.ndarray:
        w = bf.delay_and_sum(bf.steering_vector(CIRCLE_M, frequencies, 70.0))
        return istft(bf.apply_beamformer(w, stft(X, **grid)), **grid, n_samples=X.shape[1])

    def peers_delay_and_sum() -> np.ndarray:
        # In time, for its processing of frames fails in the version that is current.
        device.filters = None
        device.far_field_weights(np.radians(70.0))
        return device.process(FD=False) / len(CIRCLE_M)

    yield Case(
        f"delay-and-sum, 4 channels of {duration_s:g} s",
        None,
        [ours("delay_and_sum", delay_and_sum), peer("pyroomacoustics far field", peers_delay_and_sum)],
        limit=1.0,
        quality=lambda y: float(10 * np.log10(np.sum(y**2) / np.mean(np.sum(X**2, axis=1)))),
        quality_name="level, dB",
    )

    w = bf.delay_and_sum(bf.steering_vector(CIRCLE_M, frequencies, 70.0))

    def peers_pattern() -> np.ndarray:
        device.weights = w.T
        return np.array([device.response(np.radians(SCAN_DEG), frequency)[1][0] for frequency in frequencies]).T

    yield Case(
        f"beam pattern, {len(SCAN_DEG)} directions",
        None,
        [
            ours("beam_pattern", lambda: bf.beam_pattern(w, CIRCLE_M, frequencies, SCAN_DEG)),
            peer("pyroomacoustics response", peers_pattern),
        ],
        limit=1.0,
        quality=lambda B: float(10 * np.log10(1 / np.mean(np.abs(B) ** 2))),
        quality_name="directivity, dB",
    )


@dataclass(frozen=True)
class Known:
    """What the beamformers of the study are made of."""

    mixture_covariance: np.ndarray
    target_covariance: np.ndarray
    noise_covariance: np.ndarray
    steering_vector: np.ndarray


METHODS: dict[str, Callable[[Known], np.ndarray]] = {
    "delay-and-sum": lambda k: bf.delay_and_sum(k.steering_vector),
    "MPDR": lambda k: bf.mvdr(k.mixture_covariance, k.steering_vector),
    "MVDR, direction": lambda k: bf.mvdr(k.noise_covariance, k.steering_vector),
    "MVDR, Souden": lambda k: bf.mvdr_souden(k.target_covariance, k.noise_covariance),
    "GEV": lambda k: bf.blind_analytic_normalisation(
        bf.gev(k.target_covariance, k.noise_covariance), k.noise_covariance
    ),
    "MWF": lambda k: bf.mwf(k.target_covariance, k.noise_covariance),
}
BETTER_BY_DB = 9.0
PROMISED = ("MVDR, Souden", "GEV", "MWF")


def interference_scene(seed: int, duration_s: float) -> ArrayScene:
    """Place a talker among one or two others, every third time amid babble too; microphones add noise at 30 dB."""
    rng = np.random.default_rng(seed)
    n_talkers = 2 + seed % 2
    talkers = rng.permutation(TALKERS)[:n_talkers]
    azimuths_deg = (rng.uniform(0, 360) + np.cumsum([0.0, *rng.uniform(60, 120, n_talkers - 1)])) % 360
    amid_babble = seed % 3 == 2
    return array_scene(
        [speech_clip(str(talker), duration_s) for talker in talkers],
        azimuths_deg,
        CIRCLE_M,
        rng,
        rt60_s=0.3,
        diffuse_noise_snr_db=10.0 if amid_babble else None,
        diffuse_noise=noise("babble") if amid_babble else None,
    )


def sdr_db(scene: ArrayScene) -> dict[str, float]:
    """Return the SDR of every method on a scene, against the target at microphone 0."""
    grid = {"frame_length": FRAME_LENGTH}
    X, S, V = (stft(x, **grid) for x in (scene.mixture, scene.target, scene.interference))
    mask = ideal_ratio_mask(S[0], V[0], exponent=2)
    known = Known(
        bf.spatial_covariance(X),
        bf.spatial_covariance(X, mask),
        bf.spatial_covariance(X, 1 - mask),
        bf.steering_vector(CIRCLE_M, bin_frequencies(FRAME_LENGTH, SAMPLE_RATE_HZ), scene.azimuths_deg[0]),
    )
    outputs = {
        name: istft(bf.apply_beamformer(make(known), X), **grid, n_samples=scene.mixture.shape[1])
        for name, make in METHODS.items()
    }
    outputs = {"microphone 1": scene.mixture[0], **outputs}
    return {name: float(bss_eval(scene.target[:1], y[None]).sdr[0]) for name, y in outputs.items()}


@study("beamforming")
def gains(duration_s: float) -> Iterator[Table]:
    """Compare beamformers over scenes, by SDR."""
    length_s = min(duration_s, LONGEST_S)
    rows = [sdr_db(interference_scene(seed, length_s)) for seed in range(N_SCENES)]
    table = Table(
        title=f"SDR in dB over {N_SCENES} scenes of {length_s:g} s  (promised for {'; '.join(PROMISED)}: on average "
        f"{BETTER_BY_DB:g} dB better than delay-and-sum)",
        title_justify="left",
        title_style="bold",
    )
    for heading in ("beamformer", "mean SDR", "better than delay-and-sum: mean", "least", "most"):
        table.add_column(heading, justify="left" if heading == "beamformer" else "right")
    baseline = np.array([row["delay-and-sum"] for row in rows])
    for name in rows[0]:
        sdr = np.array([row[name] for row in rows])
        gain = sdr - baseline
        missed = name in PROMISED and gain.mean() < BETTER_BY_DB
        cells = (f"{value:.1f}" for value in (sdr.mean(), gain.mean(), gain.min(), gain.max()))
        table.add_row(name, *cells, style="red" if missed else "green" if name in PROMISED else "")
    yield table


LARGEST_ERROR_DEG = 3.0


def direction_errors_deg(seed: int, duration_s: float, rt60_s: float) -> dict[str, float]:
    """Locate a talker amid diffuse babble at 10 dB, by the circle and by a pair, and return the errors in degrees."""
    rng = np.random.default_rng(seed)
    voice = speech_clip(TALKERS[seed % len(TALKERS)], duration_s)
    options = {"rt60_s": rt60_s, "diffuse_noise_snr_db": 10.0, "diffuse_noise": noise("babble")}
    around, ahead = rng.uniform(0, 360), rng.uniform(30, 150)
    circle = array_scene([voice], [around], CIRCLE_M, rng, **options)
    pair = array_scene([voice], [ahead], PAIR_M, rng, **options)
    X = stft(circle.mixture, frame_length=SCAN_FRAME_LENGTH)
    frequencies = bin_frequencies(SCAN_FRAME_LENGTH, SAMPLE_RATE_HZ)
    spacing_m = np.ptp(PAIR_M[:, 0])
    longest_s = spacing_m / SPEED_OF_SOUND_M_S
    delay_s = bf.gcc_phat(*pair.mixture, sample_rate=SAMPLE_RATE_HZ, max_delay_s=longest_s).delay_s
    found = {
        "GCC-PHAT, pair 20 cm": (np.degrees(np.arccos(np.clip(-delay_s / longest_s, -1, 1))), ahead),
        "SRP-PHAT, circle": (bf.find_directions(bf.srp_phat(X, CIRCLE_M, frequencies, SCAN_DEG), SCAN_DEG)[0], around),
        "MUSIC, circle": (bf.find_directions(bf.music(X, CIRCLE_M, frequencies, SCAN_DEG), SCAN_DEG)[0], around),
        "pyroomacoustics SRP, circle": (_peers_direction("SRP", X), around),
        "pyroomacoustics MUSIC, circle": (_peers_direction("MUSIC", X), around),
    }
    return {name: float(abs((azimuth - true + 180) % 360 - 180)) for name, (azimuth, true) in found.items()}


@study("beamforming")
def localisation(duration_s: float) -> Iterator[Table]:
    """Compare the errors of localisation over scenes."""
    length_s = min(duration_s, LONGEST_S)
    # A reflection may turn the phases of a whole scene aside, for anyone; the mean tells what to expect in a room.
    for rt60_s, promised, typical in ((0.0, "each", np.max), (0.3, "on average", np.mean)):
        rows = [direction_errors_deg(seed, length_s, rt60_s) for seed in range(N_SCENES)]
        table = Table(
            title=f"Error of direction over {N_SCENES} scenes of {length_s:g} s, diffuse babble at 10 dB, RT60 "
            f"{rt60_s:g} s  (promised: at most {LARGEST_ERROR_DEG:g}° {promised})",
            title_justify="left",
            title_style="bold",
        )
        for heading in ("method", "mean, °", "largest, °"):
            table.add_column(heading, justify="left" if heading == "method" else "right")
        for name in rows[0]:
            errors = np.array([row[name] for row in rows])
            style = "" if name.startswith("pyroom") else "red" if typical(errors) > LARGEST_ERROR_DEG else "green"
            table.add_row(name, f"{errors.mean():.2f}", f"{errors.max():.2f}", style=style)
        yield table
