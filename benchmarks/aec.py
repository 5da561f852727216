"""The echo canceller beside SpeexDSP's, on seeded calls: echo taken away, speech left alone, and the cost of both.

Calls. The far end talks all the time; the near end joins after 5 s and stops again. The loudspeaker may be overdriven,
and may be moved while only the far end talks or in the middle of double talk. Both talkers are voices that the trained
suppressor has never heard, unless a folder of recordings is named: then a second table has calls between them.

Measures. A canceller is a system that also treats the near-end speech (SpeexDSP takes its lowest frequencies away). So
what it makes of near-end speech and noise while the far end is silent counts as right, T(s + v), and everything else in
its output as echo: the residual is r = output − T(s + v), and ERLE = 10 log₁₀ Σ d²/Σ r² over the echo d of the whole
call, from its first sample on. This holds in double talk too, and counts every harm done to the speech as echo: for a
suppressor, whose harm is no echo, the ERLE where only the far end talks stands beside it, 10 log₁₀ Σ y²/Σ output² after
the first second. SI-SDR, PESQ (wide band) and STOI compare the output while both talk with T(s).

SpeexDSP runs in 16 bits; calls are scaled to a peak of 0.7, which keeps its rounding 70 dB below the speech.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.registry import study
from course_lib import data
from course_lib.aec import EchoCanceller
from course_lib.metrics import erle, pesq, si_sdr, stoi
from course_lib.scenes import EchoScene, echo_scene

SAMPLE_RATE = 16_000
DURATION_S = 16.0
NEAR_END_START_S, NEAR_END_S = 5.0, 4.5
TAIL_S = 0.25
BLOCK = 160
"""Samples a push, for every canceller: 10 ms."""
RECORDINGS_VARIABLE = "COURSE_LIB_RECORDINGS"
"""Environment variable that names a folder of speech, files named speaker_utterance.wav, for the second table."""
RECOVERED_DB = 10.0

Process = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From far end and microphone to an output in time with the microphone."""


@dataclass(frozen=True)
class Recipe:
    """What happens in a call."""

    far_end: str
    near_end: str
    rt60_s: float
    signal_to_echo_db: float
    path_change_s: float | None
    clipping: float | None
    seed: int


# Chosen before anything was cancelled: each choice in turns of its own, seeds counted up.
RECIPES = tuple(
    Recipe(
        far_end="f1" if i % 2 else "m1",
        near_end="m1" if i % 2 else "f1",
        rt60_s=(0.2, 0.3, 0.4)[i % 3],
        signal_to_echo_db=(-10.0, -5.0, 0.0, 5.0, 10.0)[i % 5],
        path_change_s=(None, 11.0, None, 7.0)[i % 4],
        clipping=3.0 if i % 3 == 1 else None,
        seed=1000 + i,
    )
    for i in range(12)
)


@dataclass(frozen=True)
class Score:
    """What a canceller did in one call; the re-convergence is NaN where the path did not change."""

    erle_db: float
    far_end_only_db: float
    si_sdr_db: float
    pesq: float
    stoi: float
    recovery_s: float
    real_time_factor: float


def voice_clip(voice: str, first_sentence: int, duration_s: float) -> np.ndarray:
    """Return sentences of an offline voice from a stated one on, at the level of ``data.speech_clip``."""
    n_samples = round(duration_s * SAMPLE_RATE)
    sentences = [data.speech(voice, (first_sentence + i) % len(data.sentences())) for i in range(20)]
    clip = np.concatenate(sentences)[:n_samples].astype(np.float64)
    return np.asarray(clip * (data.clips.SPEECH_CLIP_RMS / np.sqrt(np.mean(clip**2))))


def build(recipe: Recipe, far_end: np.ndarray | None = None, near_end: np.ndarray | None = None) -> EchoScene:
    """Make the call of a recipe, with its own voices or others."""
    if far_end is None:
        far_end = voice_clip(recipe.far_end, 3 * recipe.seed % 48, DURATION_S)
    if near_end is None:
        near_end = voice_clip(recipe.near_end, (3 * recipe.seed + 24) % 48, NEAR_END_S)
    return echo_scene(
        far_end,
        near_end,
        np.random.default_rng(recipe.seed),
        rt60_s=recipe.rt60_s,
        signal_to_echo_db=recipe.signal_to_echo_db,
        path_change_s=recipe.path_change_s,
        clipping=recipe.clipping,
        near_end_start_s=NEAR_END_START_S,
    )


class Speex:
    """SpeexDSP's canceller, and if wanted the residual-echo suppression of its preprocessor, by ctypes."""

    _SET_SAMPLING_RATE = 24
    _SET_NOISE_SUPPRESS = 8
    _SET_ECHO_STATE = 24

    def __init__(self, frame_length: int = BLOCK, *, suppress: bool = False) -> None:
        """Find the library; Debian's package is libspeexdsp1."""
        name = ctypes.util.find_library("speexdsp") or "libspeexdsp.so.1"
        self._library = ctypes.CDLL(name)
        for function in ("speex_echo_state_init", "speex_preprocess_state_init"):
            getattr(self._library, function).restype = ctypes.c_void_p
        self._frame_length, self._suppress = frame_length, suppress

    def __call__(self, far_end: np.ndarray, microphone: np.ndarray) -> np.ndarray:
        """Run over a whole call."""
        lib, length = self._library, self._frame_length
        echo = ctypes.c_void_p(lib.speex_echo_state_init(length, round(TAIL_S * SAMPLE_RATE)))
        rate, decibels = ctypes.c_int(SAMPLE_RATE), ctypes.c_int(0)
        lib.speex_echo_ctl(echo, self._SET_SAMPLING_RATE, ctypes.byref(rate))
        preprocessor = None
        if self._suppress:
            preprocessor = ctypes.c_void_p(lib.speex_preprocess_state_init(length, SAMPLE_RATE))
            lib.speex_preprocess_ctl(preprocessor, self._SET_NOISE_SUPPRESS, ctypes.byref(decibels))
            lib.speex_preprocess_ctl(preprocessor, self._SET_ECHO_STATE, echo)
        n_frames = -(-len(microphone) // length)
        x, y = (
            np.pad(np.round(signal * 32767), (0, n_frames * length - len(signal))).clip(-32768, 32767).astype(np.int16)
            for signal in (far_end, microphone)
        )
        output = np.zeros_like(y)
        for begin in range(0, len(y), length):
            pointers = [ctypes.c_void_p(signal[begin:].ctypes.data) for signal in (y, x, output)]
            lib.speex_echo_cancellation(echo, *pointers)
            if preprocessor is not None:
                lib.speex_preprocess_run(preprocessor, pointers[2])
        lib.speex_echo_state_destroy(echo)
        if preprocessor is not None:
            lib.speex_preprocess_state_destroy(preprocessor)
        return output[: len(microphone)] / 32767.0


class Ours:
    """The course's canceller, fed block by block as SpeexDSP is."""

    def __init__(self, **options: object) -> None:
        """Keep the canceller's options."""
        self._options = options

    def __call__(self, far_end: np.ndarray, microphone: np.ndarray) -> np.ndarray:
        """Run over a whole call."""
        canceller = EchoCanceller(SAMPLE_RATE, TAIL_S, **self._options)  # type: ignore[arg-type]
        pieces = [
            canceller.push(far_end[begin : begin + BLOCK], microphone[begin : begin + BLOCK])
            for begin in range(0, len(microphone), BLOCK)
        ]
        return np.concatenate([*pieces, canceller.flush()])


CANCELLERS: dict[str, Callable[[], Process]] = {
    "none": lambda: lambda far_end, microphone: microphone,
    "SpeexDSP, frames of 160": Speex,
    "SpeexDSP, frames of 256": lambda: Speex(256),
    "SpeexDSP and its suppressor": lambda: Speex(suppress=True),
    "course_lib": Ours,
    "course_lib, linear": lambda: Ours(nonlinear=False),
    "course_lib and its network": lambda: Ours(suppressor="network"),
}


def recovery_s(scene: EchoScene, residual: np.ndarray) -> float:
    """Return how long after the change a second begins, over which the echo is down by 10 dB on the whole."""
    change = scene.path_change_sample
    if change is None:
        return float("nan")
    for begin in range(change, len(residual) - SAMPLE_RATE, SAMPLE_RATE // 20):
        span = slice(begin, begin + SAMPLE_RATE)
        if erle(scene.echo[span], residual[span]) >= RECOVERED_DB:
            return (begin - change) / SAMPLE_RATE
    return float("inf")


def score(process: Process, scene: EchoScene) -> Score:
    """Run a canceller over a call and measure it."""
    scale = 0.7 / max(np.abs(scene.far_end).max(), np.abs(scene.microphone).max())
    far_end, microphone = scale * scene.far_end, scale * scene.microphone
    start = time.process_time()
    output = process(far_end, microphone) / scale
    seconds = time.process_time() - start
    silence = np.zeros_like(far_end)
    kept = process(silence, scale * (scene.near_end + scene.noise)) / scale
    speech = process(silence, scale * scene.near_end) / scale
    residual = output - kept
    talking = np.flatnonzero(np.abs(scene.near_end) > 0.0)
    both = slice(int(talking[0]), int(talking[-1]) + 1)
    alone = np.ones(len(output), dtype=np.bool_)
    alone[both] = False
    alone[:SAMPLE_RATE] = False
    return Score(
        erle_db=float(erle(scene.echo, residual)),
        far_end_only_db=float(erle(scene.microphone, output, mask=alone)),
        si_sdr_db=float(si_sdr(speech[both], output[both])),
        pesq=float(pesq(speech[both], output[both], sample_rate=SAMPLE_RATE)),
        stoi=float(stoi(speech[both], output[both], sample_rate=SAMPLE_RATE)),
        recovery_s=recovery_s(scene, residual),
        real_time_factor=seconds * SAMPLE_RATE / len(output),
    )


def run(names: list[str], scenes: list[EchoScene]) -> dict[str, list[Score]]:
    """Run cancellers over calls; the first call also warms up."""
    for name in names:
        CANCELLERS[name]()(scenes[0].far_end[:8000], scenes[0].microphone[:8000])
    return {name: [score(CANCELLERS[name](), scene) for scene in scenes] for name in names}


def comparison(title: str, scores: dict[str, list[Score]]) -> Table:
    """Make a table with one row a canceller: means over the calls, and the slowest re-convergence."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("canceller")
    for column in (
        "ERLE, dB",
        "worst",
        "far end only, dB",
        "SI-SDR, dB",
        "worst",
        "PESQ",
        "STOI",
        "recovery, s: median",
        "worst",
        "× real time",
    ):
        table.add_column(column, justify="right")
    for name, found in scores.items():
        values = {field: np.array([getattr(s, field) for s in found]) for field in Score.__dataclass_fields__}
        recovery = values["recovery_s"][~np.isnan(values["recovery_s"])]
        table.add_row(
            name,
            f"{values['erle_db'].mean():.1f}",
            f"{values['erle_db'].min():.1f}",
            f"{values['far_end_only_db'].mean():.1f}",
            f"{values['si_sdr_db'].mean():.1f}",
            f"{values['si_sdr_db'].min():.1f}",
            f"{values['pesq'].mean():.2f}",
            f"{values['stoi'].mean():.3f}",
            *((f"{np.median(recovery):.2f}", f"{recovery.max():.2f}") if recovery.size else ("", "")),
            f"{np.median(values['real_time_factor']):.3f}",
            style="green" if name.startswith("course_lib") else "",
        )
    return table


def recorded_scenes(folder: Path) -> list[EchoScene]:
    """Make the calls of the recipes between people who were recorded, far end and near end in turns."""
    import soundfile

    speakers: dict[str, list[np.ndarray]] = {}
    for path in sorted(folder.glob("*.wav")):
        sound, rate = soundfile.read(path, dtype="float64", always_2d=True)
        if rate != SAMPLE_RATE:
            raise ValueError(f"{path}: {rate} Hz, expected {SAMPLE_RATE} Hz. Resample the recordings first.")
        speakers.setdefault(path.name.split("_", 1)[0], []).append(sound.mean(axis=1))
    clips = [np.concatenate(sounds) for sounds in speakers.values()]
    if len(clips) < 2:
        raise ValueError(
            f"{folder}: {len(clips)} speakers, expected two or more, in files named speaker_utterance.wav."
        )
    scenes = []
    for i, recipe in enumerate(RECIPES):
        far_end, near_end = (np.roll(clips[(i + k) % len(clips)], -i * SAMPLE_RATE) for k in (0, 1))
        far_end = np.resize(far_end, round(DURATION_S * SAMPLE_RATE))
        near_end = near_end[: round(NEAR_END_S * SAMPLE_RATE)]
        levelled = [clip * (0.05 / np.sqrt(np.mean(clip**2))) for clip in (far_end, near_end)]
        scenes.append(build(recipe, *levelled))
    return scenes


@study("aec")
def cancellers_beside_speex(duration_s: float) -> Iterator[Table]:
    """Compare the canceller with SpeexDSP's over all calls, whose length is fixed."""
    scenes = [build(recipe) for recipe in RECIPES]
    yield comparison(f"{len(scenes)} calls of {DURATION_S:g} s between voices f1 and m1", run(list(CANCELLERS), scenes))
    folder = os.environ.get(RECORDINGS_VARIABLE)
    if folder:
        recorded = recorded_scenes(Path(folder))
        yield comparison(f"{len(recorded)} calls between people who were recorded", run(list(CANCELLERS), recorded))
