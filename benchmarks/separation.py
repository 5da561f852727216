"""How well ILRMA and AuxIVA separate: beside their peers, and from different starts.

Two studies on the seeded scenes of :mod:`benchmarks.scenes`. The figure of merit is the SI-SDR improvement at the first
microphone against the images there, averaged over the sources of a scene, for the best assignment of outputs to
sources. Speed has its own topic: here two scenes are worked on at a time, which disturbs the clock of both.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from rich.table import Table

from benchmarks import separation_peers as peers
from benchmarks.registry import study
from benchmarks.scenes import RECIPES
from course_lib.bss import auxiva, ilrma
from course_lib.metrics import best_permutation, si_sdr_improvement
from course_lib.stft import istft, stft

N_ITERATIONS = 50
START_ITERATIONS = 20
"""Of N_ITERATIONS, spent on IVA before ILRMA where a start does so."""
N_BASES = 2
N_SEEDS = 3
N_PROCESSES = 2
LONGEST_S = 10.0
FRAME_LENGTH, HOP_LENGTH = 2048, 1024

Method = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, float]]
"""From a mixture (n_channels, n_freqs, n_frames) to sources of the same shape and the final loss (NaN if unknown)."""


@dataclass(frozen=True)
class Contender:
    """One way to separate; those that draw random numbers run once a seed."""

    name: str
    separate: Method
    ours: bool = False
    n_seeds: int = 1


@dataclass(frozen=True)
class Outcome:
    """What a contender did on one scene: one entry a seed in each array."""

    improvement_db: np.ndarray
    loss: np.ndarray
    seconds: np.ndarray


def _ours_auxiva(X: np.ndarray, rng: np.random.Generator, source_model: str, update: str) -> tuple[np.ndarray, float]:
    result = auxiva(X, source_model=source_model, update=update, n_iterations=N_ITERATIONS)
    return result.sources, result.losses[-1]


def _ours_ilrma(X: np.ndarray, rng: np.random.Generator, **options: object) -> tuple[np.ndarray, float]:
    """Run our ILRMA for as many iterations as the peers, those of its start included."""
    n_start = int(options.pop("start_iterations", START_ITERATIONS)) if options.get("start", "iva") == "iva" else 0
    result = ilrma(
        X, n_bases=N_BASES, n_iterations=N_ITERATIONS - n_start, start_iterations=n_start, rng=rng, **options
    )
    return result.sources, result.losses[-1]


def _whitened_ilrma(X: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    channels = X.transpose(1, 0, 2)
    eigenvalues, eigenvectors = np.linalg.eigh(channels @ channels.conj().swapaxes(1, 2) / channels.shape[2])
    roots = np.sqrt(np.maximum(eigenvalues, 1e-12 * eigenvalues[:, -1:] + np.finfo(float).tiny))
    whitening = (eigenvectors / roots[:, None, :]) @ eigenvectors.conj().swapaxes(1, 2)
    result = ilrma(X, n_bases=N_BASES, n_iterations=N_ITERATIONS, demixing_filter=whitening, rng=rng)
    return result.sources, result.losses[-1]


def _laplace_started_ilrma(X: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    started = auxiva(X, source_model="laplace", n_iterations=START_ITERATIONS, scale=None)
    result = ilrma(
        X,
        n_bases=N_BASES,
        n_iterations=N_ITERATIONS - START_ITERATIONS,
        demixing_filter=started.demixing_filter,
        rng=rng,
    )
    return result.sources, result.losses[-1]


def _peer_auxiva(
    X: np.ndarray, rng: np.random.Generator, run: Callable[..., np.ndarray], **options: str
) -> tuple[np.ndarray, float]:
    return run(X, N_ITERATIONS, **options), np.nan


def _peer_ilrma(
    X: np.ndarray, rng: np.random.Generator, run: Callable[..., np.ndarray], n_bases: int = N_BASES, **options: bool
) -> tuple[np.ndarray, float]:
    return run(X, N_ITERATIONS, n_bases, rng, **options), np.nan


def improvement_db(references: np.ndarray, estimates: np.ndarray, mixture: np.ndarray) -> float:
    """Return the SI-SDR improvement, the mean over references of the best assignment of estimates.

    References and estimates (n_sources, n_samples), mixture (n_samples,).
    """
    scores = np.array([[si_sdr_improvement(r, estimate, mixture) for estimate in estimates] for r in references])
    return float(np.mean(scores[np.arange(len(scores)), best_permutation(scores)]))


def run_contender(
    contender: Contender, mixture: np.ndarray, references: np.ndarray, frame_length: int, hop_length: int
) -> Outcome:
    """Separate one scene with one contender, once a seed; mixture (n_channels, n_samples), references at channel 0."""
    grid = {"frame_length": frame_length, "hop_length": hop_length}
    X = stft(mixture, **grid)
    improvements, losses, seconds = [], [], []
    for seed in range(contender.n_seeds):
        rng = np.random.default_rng(seed)
        start = time.perf_counter()
        sources, loss = contender.separate(X, rng)
        seconds.append(time.perf_counter() - start)
        estimates = istft(sources, **grid, n_samples=mixture.shape[1])
        improvements.append(improvement_db(references, estimates, mixture[0]))
        losses.append(loss / X.shape[1])
    return Outcome(np.array(improvements), np.array(losses), np.array(seconds))


def _run_scene(scene_index: int, names: tuple[str, ...], duration_s: float, grid: tuple[int, int]) -> list[Outcome]:
    """Build a scene in a worker and run the named contenders on it; names travel where functions would not."""
    scene = RECIPES[scene_index].build(duration_s)
    n_samples = round(duration_s * scene.sample_rate)
    mixture, references = scene.mixture[:, :n_samples], scene.images[:, 0, :n_samples]
    outcomes = []
    for name in names:
        contender = CONTENDERS[name]
        if contender.ours and scene_index < N_PROCESSES:  # the first scene of a worker also compiles
            contender.separate(
                stft(mixture[:, :8192], frame_length=grid[0], hop_length=grid[1]), np.random.default_rng(0)
            )
        outcomes.append(run_contender(contender, mixture, references, *grid))
    return outcomes


def run_scenes(
    names: tuple[str, ...], duration_s: float, grid: tuple[int, int] = (FRAME_LENGTH, HOP_LENGTH)
) -> dict[str, list[Outcome]]:
    """Run contenders on all scenes, two scenes at a time; return the outcomes of each, one a scene."""
    run = partial(_run_scene, names=names, duration_s=duration_s, grid=grid)
    # Fresh interpreters: a fork would inherit the threads of BLAS in an unknown state.
    with multiprocessing.get_context("spawn").Pool(N_PROCESSES) as pool:
        by_scene = pool.map(run, range(len(RECIPES)), chunksize=1)
    return {name: [outcomes[i] for outcomes in by_scene] for i, name in enumerate(names)}


def _starts() -> Iterator[Contender]:
    for name, separate in {
        "identity": partial(_ours_ilrma, start="identity"),
        "whitened": _whitened_ilrma,
        **{
            f"Gauss-IVA for {n} of {N_ITERATIONS}": partial(_ours_ilrma, start="iva", start_iterations=n)
            for n in (10, 20, 30)
        },
        f"Laplace-IVA for {START_ITERATIONS} of {N_ITERATIONS}": _laplace_started_ilrma,
    }.items():
        yield Contender(f"{STARTED_FROM}{name}", separate, ours=True, n_seeds=N_SEEDS)


def _methods() -> Iterator[Contender]:
    for model in ("laplace", "gauss"):
        for update in ("iss", "ip"):
            run = partial(_ours_auxiva, source_model=model, update=update)
            yield Contender(f"course_lib auxiva, {model}, {update}", run, ours=True)
        run = partial(_peer_auxiva, run=peers.pyroomacoustics_auxiva, source_model=model)
        yield Contender(f"pyroomacoustics auxiva, {model}, ip", run)
        for update in ("iss", "ip"):
            run = partial(_peer_auxiva, run=peers.ssspy_auxiva, source_model=model, update=update)
            yield Contender(f"ssspy Aux{model.title()}IVA, {update}", run)
    yield Contender("course_lib ilrma", _ours_ilrma, ours=True, n_seeds=N_SEEDS)
    yield Contender("course_lib ilrma, ip", partial(_ours_ilrma, update="ip"), ours=True, n_seeds=N_SEEDS)
    yield Contender("pyroomacoustics ilrma, ip", partial(_peer_ilrma, run=peers.pyroomacoustics_ilrma), n_seeds=N_SEEDS)
    yield Contender("ssspy GaussILRMA, iss", partial(_peer_ilrma, run=peers.ssspy_ilrma), n_seeds=N_SEEDS)


STARTED_FROM = "ilrma from: "
CONTENDERS = {contender.name: contender for contender in (*_methods(), *_starts())}


def comparison(title: str, outcomes: dict[str, list[Outcome]], *, with_loss: bool) -> Table:
    """Make a table with one row a contender; statistics are over scenes, each averaged over its seeds."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("method")
    statistics = ["mean, dB", "median", "worst", "2 sources", "3", "4", "spread of seeds"]
    for column in [*statistics, *(["final loss"] if with_loss else []), "s a scene"]:
        table.add_column(column, justify="right")
    n_sources = np.array([len(recipe.sources) for recipe in RECIPES])
    means = {name: np.array([o.improvement_db.mean() for o in found]) for name, found in outcomes.items()}
    for name in sorted(outcomes, key=lambda name: -means[name].mean()):
        found, scenes = outcomes[name], means[name]
        spread = np.mean([o.improvement_db.std() for o in found])
        table.add_row(
            name.removeprefix(STARTED_FROM),
            *(f"{value:.2f}" for value in (scenes.mean(), np.median(scenes), scenes.min())),
            *(f"{scenes[n_sources == n].mean():.2f}" for n in (2, 3, 4)),
            f"{spread:.2f}" if CONTENDERS[name].n_seeds > 1 else "",
            *([f"{np.mean([o.loss.mean() for o in found]):.3f}"] if with_loss else []),
            f"{np.mean([o.seconds.mean() for o in found]):.2f}",
            style="green" if CONTENDERS[name].ours else "",
        )
    return table


@study("separation")
def methods_beside_peers(duration_s: float) -> Iterator[Table]:
    """Compare our methods with their peers at equal iterations and bases."""
    names = tuple(contender.name for contender in _methods())
    title = (
        f"SI-SDR improvement over {len(RECIPES)} scenes, {N_ITERATIONS} iterations in all, {N_BASES} bases a source, "
        f"frames of {FRAME_LENGTH} every {HOP_LENGTH}"
    )
    outcomes = run_scenes(names, min(duration_s, LONGEST_S))
    yield comparison(title, outcomes, with_loss=False)


@study("separation")
def starts(duration_s: float) -> Iterator[Table]:
    """Compare the starts of ILRMA, and let the final loss choose between them."""
    names = tuple(contender.name for contender in _starts())
    outcomes = run_scenes(names, min(duration_s, LONGEST_S))
    title = (
        f"Starts of ILRMA: {N_ITERATIONS} iterations in all, {N_SEEDS} seeds; the loss is a frequency's, and counts "
        "with those of the same scenes only"
    )
    yield comparison(title, outcomes, with_loss=True)
    yield chosen_by_loss(outcomes)


def chosen_by_loss(outcomes: dict[str, list[Outcome]]) -> Table:
    """Show what choosing by the lowest final loss gains: among seeds of one start, and among all."""
    table = Table(title="Choosing by the lowest final loss", title_justify="left", title_style="bold")
    for column in ("among", "chosen, dB", "mean, dB", "best, dB", "correlation of loss and improvement in a scene"):
        table.add_column(column, justify="left" if column == "among" else "right")
    pools = {name.removeprefix(STARTED_FROM): [name] for name in outcomes} | {"all starts": list(outcomes)}
    for label, names in pools.items():
        improvement = np.array(
            [np.concatenate([outcomes[name][i].improvement_db for name in names]) for i in _scenes()]
        )
        loss = np.array([np.concatenate([outcomes[name][i].loss for name in names]) for i in _scenes()])
        chosen = improvement[_scenes(), loss.argmin(axis=1)]
        correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(improvement, loss, strict=True) if np.ptp(b) > 0]
        table.add_row(
            f"{loss.shape[1]} of {label}",
            *(f"{value.mean():.2f}" for value in (chosen, improvement, improvement.max(axis=1))),
            f"{np.mean(correlations):.2f}",
        )
    return table


def _scenes() -> range:
    return range(len(RECIPES))
