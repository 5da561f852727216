"""Echo models and double-talk detectors over seeded calls: time, quality, and areas under ROC curves.

Two studies on the same calls. Models are fitted to the whole of a call, double talk included, and scored by the echo
they leave of the true one; detectors are scored by how well their statistic tells double talk from echo alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from benchmarks.registry import study
from course_lib import data
from course_lib.aec import align, coherence_detector, cross_correlation_detector, estimate_delay, geigel
from course_lib.metrics import misalignment, roc_curve
from course_lib.scenes import EchoScene, echo_scene
from course_lib.scenes.echo import draw_echo_room

LONGEST_S = 8.0
N_TAPS = 4096
RT60S_S = (0.2, 0.3, 0.4)
SIGNAL_TO_ECHO_DB = (-10.0, -5.0, 0.0, 5.0)
N_TALKERS = 8
ESTIMATE_MISALIGNMENT_DB = -15.0
"""Of the filter that makes the detectors' estimate of the echo: that of a canceller after some seconds of speech."""


@dataclass(frozen=True)
class Call:
    """A scene, its far end aligned with the echo, and how many samples that delayed it."""

    scene: EchoScene
    far_end: np.ndarray
    shift: int


def calls(duration_s: float) -> Iterator[Call]:
    """Yield twelve calls in three rooms; the near end speaks in the second half."""
    duration_s = min(duration_s, LONGEST_S)
    for i, rt60_s in enumerate(RT60S_S):
        rng = np.random.default_rng(500 + i)
        room = draw_echo_room(rt60_s, rng)
        for j, signal_to_echo_db in enumerate(SIGNAL_TO_ECHO_DB):
            talker = (i + 2 * j) % N_TALKERS
            scene = echo_scene(
                data.speech_clip(talker, duration_s),
                data.speech_clip((talker + 3) % N_TALKERS, duration_s / 2),
                rng,
                room=room,
                signal_to_echo_db=signal_to_echo_db,
                near_end_start_s=duration_s / 2,
                delay_s=0.02 * j,
            )
            far_end = align(scene.far_end, scene.microphone)
            delay = estimate_delay(scene.far_end, scene.microphone)
            yield Call(scene, far_end, max(0, delay - round(0.001 * scene.sample_rate)))


def _mean(values: list[float], digits: int = 1) -> str:
    return f"{np.mean(values):.{digits}f}" if len(values) else "–"


def fit_table(n_epochs: int, found: dict[str, list[dict[str, float]]]) -> Table:
    """Tell how the models did: one row a model, loss and optimiser, means over calls."""
    table = Table(
        title=f"echo models of {N_TAPS} taps, {n_epochs} epochs, means over {len(next(iter(found.values())))}"
    )
    for heading in (
        "model, loss, optimiser",
        "seconds",
        "of them training",
        "echo SNR, dB",
        "worst",
        "misalignment, dB",
        "loss / oracle's",
    ):
        table.add_column(heading, justify="left" if heading.startswith("model") else "right")
    for name, rows in found.items():
        column = {key: [row[key] for row in rows] for key in rows[0]}
        misalignments = [value for value in column["misalignment"] if np.isfinite(value)]
        table.add_row(
            name,
            _mean(column["seconds"], 2),
            _mean(column["training"], 2),
            _mean(column["snr"]),
            f"{min(column['snr']):.1f}",
            _mean(misalignments),
            _mean(column["ratio"], 3),
        )
    return table


@study("echo-models")
def fits(duration_s: float) -> Iterator[Table]:
    from course_lib.aec.echo_models import WaveformEchoModel, fit_stft_model, fit_waveform_model

    n_epochs = max(2, round(20 * min(1.0, duration_s / LONGEST_S)))
    found: dict[str, list[dict[str, float]]] = {}
    for call in calls(duration_s):
        for domain, fit in (("waveform", fit_waveform_model), ("STFT", fit_stft_model)):
            for loss in ("waveform", "spectral"):
                for optimiser in ("sgd", "adam"):
                    start = time.perf_counter()
                    result = fit(
                        call.far_end,
                        call.scene.microphone,
                        N_TAPS,
                        rng=np.random.default_rng(0),
                        echo=call.scene.echo,
                        loss=loss,
                        optimiser=optimiser,
                        n_epochs=n_epochs,
                    )
                    seconds = time.perf_counter() - start
                    distance = np.nan
                    if isinstance(result.model, WaveformEchoModel):
                        h = np.pad(result.model.impulse_response.detach().numpy(), (call.shift, 0))
                        distance = misalignment(call.scene.impulse_responses[0], h)
                    found.setdefault(f"{domain} model, {loss} loss, {optimiser}", []).append(
                        {
                            "seconds": seconds,
                            "training": result.seconds[-1],
                            "snr": result.echo_snr_db[result.best_epoch],
                            "misalignment": distance,
                            "ratio": result.losses[result.best_epoch] / result.oracle_loss,
                        }
                    )
    yield fit_table(n_epochs, found)


Statistic = Callable[[Call, np.ndarray], np.ndarray]
DETECTORS: dict[str, Statistic] = {
    "Geigel, 1024 taps": lambda call, _: geigel(call.far_end, call.scene.microphone).statistic,
    "normalised cross-correlation with an estimate": lambda call, estimate: (
        cross_correlation_detector(estimate, call.scene.microphone).statistic
    ),
    "coherence with the far end": lambda call, _: coherence_detector(call.far_end, call.scene.microphone).statistic,
    "coherence with an estimate, short frames": lambda call, estimate: (
        coherence_detector(estimate, call.scene.microphone, frame_length=512, memory_s=0.1).statistic
    ),
}


@study("echo-models")
def detectors(duration_s: float) -> Iterator[Table]:
    areas: dict[str, list[float]] = {name: [] for name in DETECTORS}
    seconds: dict[str, list[float]] = {name: [] for name in DETECTORS}
    for i, call in enumerate(calls(duration_s)):
        h = call.scene.impulse_responses[0]
        error = np.random.default_rng(i).standard_normal(len(h))
        error *= np.linalg.norm(h) / np.linalg.norm(error) * 10 ** (ESTIMATE_MISALIGNMENT_DB / 20)
        n_samples = len(call.scene.far_end)
        estimate = np.convolve(call.scene.far_end, h + error)[:n_samples]
        counts = slice(n_samples // 8, None)  # averages fill first
        for name, statistic in DETECTORS.items():
            start = time.perf_counter()
            values = statistic(call, estimate)
            seconds[name].append(time.perf_counter() - start)
            areas[name].append(roc_curve(values[counts], call.scene.double_talk[counts]).area)
    table = Table(title=f"double-talk detectors over {len(next(iter(areas.values())))} calls")
    for heading in ("detector", "mean area under the ROC curve", "smallest", "milliseconds"):
        table.add_column(heading, justify="left" if heading == "detector" else "right")
    for name in DETECTORS:
        table.add_row(
            name, _mean(areas[name], 3), f"{min(areas[name]):.3f}", f"{1e3 * float(np.median(seconds[name])):.0f}"
        )
    yield table
