"""Train the residual-echo suppressor: draw calls, run the canceller over them, fit the network, write its parameters.

    python -m course_lib.training.residual_echo --help

Every call is drawn from the seed and its number, and so is every batch: a run that was stopped goes on where it
stopped and ends with what it would have ended with. Voices f1 and m1 are never trained on: with them, and with rooms of
their own, the validation calls are made, and whoever wants an honest figure should take them too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import ArrayLike, NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from course_lib import data
from course_lib.aec._suppressor_features import (
    FRAME_LENGTH,
    HOP_LENGTH,
    WINDOW,
    band_interpolation,
    suppressor_features,
)
from course_lib.aec.residual import CHECKPOINT_NAME
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.scenes import EchoRoom, draw_echo_room, echo_scene
from course_lib.stft import stft
from course_lib.validation import as_positive_integer

if TYPE_CHECKING:
    import torch

    from course_lib.models.residual_echo_suppressor import ResidualEchoSuppressor

HELD_OUT_VOICES: Final = ("f1", "m1")
"""Voices of the validation calls."""

_N_SIGNALS: Final = 5
_FAR_END, _MICROPHONE, _OUTPUT, _ECHO_ESTIMATE, _NEAR_END = range(_N_SIGNALS)
_SPEECH_RMS: Final = 0.05
_EXPONENT: Final = 0.3
# What is 40 dB below the microphone's level is as good as gone: to press it further would cost speech.
_MAGNITUDE_FLOOR: Final = 1e-2
_WEIGHT_OF_LOST_SPEECH: Final = 4.0
_CROP_S: Final = 3.0
_BATCH_SIZE: Final = 8
_EVALUATE_EVERY: Final = 100
_WARM_UP_STEPS: Final = 100
_LARGEST_GRADIENT: Final = 1.0

_KINDS: Final = ("training", "validation")
_N_ROOMS: Final = (72, 12)
_DURATION_S: Final = 7.0

Report = Callable[[int, float, float | None], None]
"""Called after each step with its number from 1, its loss, and the validation loss where there is one."""


# --- calls -------------------------------------------------------------------------------------------------------


def _draw_rooms(n_rooms: int, rng: np.random.Generator) -> list[EchoRoom]:
    """Draw rooms with two places of the loudspeaker each.

    Args:
        n_rooms: how many.
        rng: draws them.
    Returns:
        The rooms.
    Raises:
        RoomSimulationError: if pyroomacoustics is missing.
    """
    return [draw_echo_room(rng.uniform(0.15, 0.5), rng, n_paths=2) for _ in range(n_rooms)]


def draw_call(
    voices: Sequence[str], rooms: Sequence[EchoRoom], rng: np.random.Generator, *, duration_s: float = _DURATION_S
) -> NDArray[np.float32]:
    """Draw a call, and run the canceller over it.

    Equation: y = h ∗ f(x) + s + v, e = y − ŷ

    Half of the loudspeakers saturate, a third are moved during the call, noise is white or of the corpus at 10 to 45
    dB. In some calls one side says nothing, or the far end plays music. The canceller starts from nothing, so that
    every call also has its first seconds, when it knows the echo path badly.

    Args:
        voices: of both sides, by name; each call takes two.
        rooms: one of which is taken.
        rng: draws the call.
        duration_s: length in seconds.
    Returns:
        Far end as the canceller saw it, microphone, the canceller's output, its echo estimate and the near-end speech
        to keep, shape (5, n_samples).
    Raises:
        ValueError: if there are fewer than two voices.
    Cost: that of the canceller.
    Reference: Hänsler & Schmidt, Acoustic Echo and Noise Control, Wiley, 2004, ch. 3.
    Lesson: 05 §9
    """
    n_samples = round(duration_s * SAMPLE_RATE_HZ)
    far_voice, near_voice = rng.choice(np.asarray(voices), size=2, replace=False)
    kind = rng.choice(["double talk", "far end only", "near end mostly", "music"], p=[0.6, 0.15, 0.15, 0.1])
    if kind == "music":
        piece = data.music_clip(str(rng.choice(data.stem_names())), 16.0)
        far_end = np.roll(piece, int(rng.integers(len(piece))))[:n_samples]
    else:
        far_end = _talk(str(far_voice), n_samples, rng)
    if kind == "near end mostly":
        n_silent = round(n_samples * rng.uniform(0.5, 0.85))
        far_end[:n_silent] = 0.0
        if rng.random() < 0.5:
            far_end = np.roll(far_end, -n_silent)
    near_end, start_s = None, 0.0
    if kind != "far end only":
        near_end = _talk(str(near_voice), round(n_samples * rng.uniform(0.4, 0.9)), rng)
        start_s = rng.uniform(0.0, 0.4) * duration_s
    scene = echo_scene(
        far_end,
        near_end,
        rng,
        signal_to_echo_db=rng.uniform(-15.0, 15.0),
        noise_snr_db=math.inf,
        path_change_s=rng.uniform(0.3, 0.8) * duration_s if rng.random() < 0.33 else None,
        clipping=float(np.exp(rng.uniform(0.0, np.log(8.0)))) if rng.random() < 0.5 else None,
        delay_s=rng.uniform(0.0, 0.1),
        near_end_start_s=start_s,
        room=rooms[int(rng.integers(len(rooms)))],
    )
    microphone = scene.echo + scene.near_end
    noise = _noise(n_samples, rng)
    microphone += noise * _rms(microphone) / _rms(noise) * 10.0 ** (-rng.uniform(10.0, 45.0) / 20.0)
    cancelled = _cancel(scene.far_end, microphone, rng)
    return np.stack([cancelled[0], microphone, *cancelled[1:], scene.near_end]).astype(np.float32)


def _cancel(
    far_end: NDArray[np.float64], microphone: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the far end as a canceller saw it, its output and its echo estimate.

    Half the cancellers are as they come; the others are worse, so that the network knows more than one's habits.
    """
    from course_lib.adaptive import frequency_domain_kalman
    from course_lib.aec.canceller import cancel_echo

    kind = rng.choice(["as it comes", "linear", "plain"], p=[0.5, 0.25, 0.25])
    tail_s = rng.uniform(0.06, 0.3)
    if kind == "plain":
        adaptation = frequency_domain_kalman(far_end, microphone, round(tail_s * SAMPLE_RATE_HZ))
        return far_end, adaptation.error, adaptation.estimate
    if kind == "linear":
        cancelled = cancel_echo(far_end, microphone, tail_s=tail_s, nonlinear=False)
    else:
        cancelled = cancel_echo(far_end, microphone)
    return cancelled.far_end, cancelled.linear_output, cancelled.echo_estimate


def _talk(voice: str, n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return sentences of a voice with pauses between them, somewhat faster or slower, and so higher or lower."""
    import scipy.signal

    pieces: list[NDArray[np.float64]] = []
    while sum(map(len, pieces)) < n_samples:
        sentence = data.speech(voice, str(rng.choice(np.asarray(data.sentences()))))
        sentence = scipy.signal.resample_poly(sentence, 50, int(rng.integers(42, 60)))
        pieces += [sentence, np.zeros(int(rng.uniform(0.05, 0.8) * SAMPLE_RATE_HZ))]
    speech = np.concatenate(pieces)[:n_samples]
    speech *= _SPEECH_RMS / _rms(speech)
    return speech


def _noise(n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    if rng.random() < 0.3:
        return rng.standard_normal(n_samples)
    noise = data.noise(str(rng.choice([name for name in data.noise_names() if name != "babble"])))
    return np.roll(noise, int(rng.integers(len(noise))))[:n_samples]


def _rms(x: NDArray[Any]) -> float:
    return math.sqrt(float(np.mean(np.square(x))))


# --- loss ----------------------------------------------------------------------------------------------------------


def suppression_loss(gains: torch.Tensor, output: torch.Tensor, near_end: torch.Tensor) -> torch.Tensor:
    """Compare the suppressor's result with the near-end speech, as hearing would and as energy does.

    Equation: 0.7 ⟨w (Â − A)²⟩ + 0.3 ⟨|Â e^(jφ_E) − A e^(jφ_S)|²⟩ + 0.1 log₁₀(Σ|Ŝ − S|² / (Σ|S|² + 0.1 Σ|E|²) + 10⁻³)
        with Ŝ = g E, Â = (|Ŝ|² + 10⁻⁴)^0.15, A = (|S|² + 10⁻⁴)^0.15 and w = 4 where Â < A, else 1

    The compressed magnitudes make a residual matter that is soft but audible; speech that is lost counts four times
    as much as echo that stays. The last term minds the loud parts, which signal-to-distortion ratios measure; with the
    output's energy in it, it is defined where the near end is silent.

    Args:
        gains: g, shape (n_batch, n_frames, n_bands).
        output: E, the canceller's output, complex, shape (n_batch, n_frames, n_freqs); the microphone's level is 1.
        near_end: S, complex, shape (n_batch, n_frames, n_freqs).
    Returns:
        One number.
    Raises:
        RuntimeError: if the shapes do not agree.
    Cost: O(n_frames·n_freqs).
    Reference: S. Braun and I. Tashev, "A consolidated view of loss functions for supervised deep learning-based speech
        enhancement", TSP 2021.
    Lesson: 05 §9
    """
    import torch

    interpolation = torch.from_numpy(band_interpolation().copy()).to(gains.dtype)
    estimate = gains @ interpolation.T * output
    compressed, wanted = (
        (z.real**2 + z.imag**2 + _MAGNITUDE_FLOOR**2) ** (0.5 * _EXPONENT) for z in (estimate, near_end)
    )
    weights = torch.where(compressed < wanted, _WEIGHT_OF_LOST_SPEECH, 1.0)
    magnitude_loss = (weights * (compressed - wanted) ** 2).mean()
    cosine = torch.cos(torch.angle(output) - torch.angle(near_end))
    complex_loss = (compressed**2 + wanted**2 - 2.0 * compressed * wanted * cosine).mean()
    distortion = _energy(estimate - near_end)
    ratio = distortion / (_energy(near_end) + 0.1 * _energy(output) + _MAGNITUDE_FLOOR**2)
    return 0.7 * magnitude_loss + 0.3 * complex_loss + 0.1 * torch.log10(ratio + 1e-3).mean()


def _energy(z: torch.Tensor) -> torch.Tensor:
    return (z.real**2 + z.imag**2).mean(dim=(1, 2))


def prepare_batch(
    calls: Sequence[ArrayLike], rng: np.random.Generator | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Turn calls into what the network is given and what the loss needs.

    Equation: X_i[k,m] = c_i[k] STFT(x_i)[k,m], with the same random response c for all that the microphone hears

    Args:
        calls: arrays as of :func:`draw_call`, all of one length, each of shape (5, n_samples).
        rng: draws another microphone and another loudspeaker's equaliser for each call; the calls as they are unless
            given.
    Returns:
        Features (n_batch, n_frames, 4, n_bands), and the spectra of output and near end (n_batch, n_frames, n_freqs).
    Raises:
        ValueError: if the calls are of different lengths.
    Cost: O(n_samples·log K).
    Reference: J.-M. Valin, "A hybrid DSP/deep learning approach to real-time full-band speech enhancement", MMSP 2018.
    Lesson: 05 §9
    """
    import torch

    features, outputs, near_ends = [], [], []
    for call in calls:
        X = stft(np.asarray(call, dtype=np.float32), WINDOW, frame_length=FRAME_LENGTH, hop_length=HOP_LENGTH)
        if rng is not None:
            near_response, far_response = _random_response(rng), _random_response(rng)
            X[_FAR_END] *= far_response
            X[_MICROPHONE:] *= near_response
        level = np.sqrt(np.mean(X[_MICROPHONE].real ** 2 + X[_MICROPHONE].imag ** 2))
        X = X / level if level > 0.0 else X
        features.append(suppressor_features(X[:_NEAR_END])[0])
        outputs.append(X[_OUTPUT].T)
        near_ends.append(X[_NEAR_END].T)
    return (
        torch.from_numpy(np.stack(features)),
        torch.from_numpy(np.stack(outputs)).to(torch.complex64),
        torch.from_numpy(np.stack(near_ends)).to(torch.complex64),
    )


def _random_response(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a smooth magnitude response within about ±8 dB, shape (n_freqs, 1)."""
    n_freqs = FRAME_LENGTH // 2 + 1
    knots = rng.normal(0.0, 4.0, 6)
    response_db = np.interp(np.linspace(0.0, 1.0, n_freqs) ** 0.5, np.linspace(0.0, 1.0, len(knots)), knots)
    return np.asarray(10.0 ** (response_db[:, None] / 20.0), dtype=np.float32)


# --- fitting ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """How a training went.

    Lesson: 05 §9
    """

    losses: NDArray[np.float64]
    """Of each step, on the batch before the update, shape (n_steps,)."""
    validation_steps: NDArray[np.int64]
    """After how many steps the validation calls were tried, shape (n_validations,)."""
    validation_losses: NDArray[np.float64]
    """Shape (n_validations,)."""
    best_parameters: dict[str, NDArray[np.float32]]
    """The parameters with the least validation loss."""

    is_complete: bool
    """Whether all steps have been made."""


def _copy_parameters(network: torch.nn.Module) -> dict[str, NDArray[np.float32]]:
    """Copy a network's parameters, so that further training leaves the copy as it is.

    ``state_dict()`` alone returns the very memory that the optimiser goes on changing: the best snapshot would turn
    into the last.

    Args:
        network: any module.
    Returns:
        Arrays by name, in memory of their own.
    """
    return {name: values.detach().cpu().numpy().copy() for name, values in network.state_dict().items()}


def _validation_loss(network: ResidualEchoSuppressor, calls: Sequence[ArrayLike]) -> float:
    """Return the mean loss over whole calls.

    Args:
        network: it stays as it is.
        calls: arrays as of :func:`draw_call`.
    Returns:
        The mean.
    """
    import torch

    losses = []
    with torch.inference_mode():
        for call in calls:
            features, output, near_end = prepare_batch([call])
            losses.append(float(suppression_loss(network(features)[0], output, near_end)))
    return float(np.mean(losses))


def fit(
    network: ResidualEchoSuppressor,
    calls: Sequence[NDArray[np.float32]],
    validation_calls: Sequence[NDArray[np.float32]],
    *,
    n_steps: int,
    seed: int = 0,
    learning_rate: float = 2e-3,
    minutes: float = math.inf,
    state_file: Path | None = None,
    report: Report | None = None,
) -> TrainingRun:
    """Train the network, and keep the parameters that did best on calls it is not trained on.

    Equation: AdamW on batches of 8 stretches of 3 s; the step size rises for 100 steps, then falls along a half cosine

    Args:
        network: trained in place; holds the last parameters afterwards, not the best.
        calls: to train on, as of :func:`draw_call`, each of shape (5, n_samples).
        validation_calls: to choose by, each of shape (5, n_samples).
        n_steps: updates in all, which fixes how the step size falls.
        seed: of the batches; batch i depends on it and i only.
        learning_rate: largest step size.
        minutes: stop after that time even if not all steps are made.
        state_file: where to keep what is needed to go on; read first if it exists.
        report: called after each step.
    Returns:
        Losses and the best parameters.
    Raises:
        ValueError: if n_steps is no whole number from 1, there are no calls, or the state is of another run.
    Cost: 0.3 s a step on one core of 2020.
    Reference: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
    Lesson: 05 §9
    """
    import torch

    n_steps = as_positive_integer(n_steps, "n_steps")
    if not calls or not validation_calls:
        raise ValueError(
            f"calls: got {len(calls)} to train on and {len(validation_calls)} to choose by, expected some."
        )
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-3)
    losses: list[float] = []
    validations: list[tuple[int, float]] = []
    best = _copy_parameters(network)
    if state_file is not None and state_file.exists():
        state = torch.load(state_file, weights_only=True)
        if state["n_steps"] != n_steps or state["seed"] != seed:
            raise ValueError(
                f"state_file: {state_file} is of a run of {state['n_steps']} steps with seed {state['seed']}, "
                f"not of {n_steps} with {seed}. Remove it to begin anew."
            )
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        losses, validations = state["losses"], [(int(step), float(loss)) for step, loss in state["validations"]]
        best = {name: values.numpy() for name, values in state["best"].items()}

    end = time.monotonic() + 60.0 * minutes
    while len(losses) < n_steps and time.monotonic() < end:
        step = len(losses)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * _step_size(step, n_steps)
        features, output, near_end = prepare_batch(*_draw_batch(calls, np.random.default_rng([seed, step])))
        optimiser.zero_grad()
        loss = suppression_loss(network(features)[0], output, near_end)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
        optimiser.step()
        losses.append(float(loss.detach()))
        tried = None
        if len(losses) % _EVALUATE_EVERY == 0 or len(losses) == n_steps:
            tried = _validation_loss(network, validation_calls)
            if not validations or tried < min(loss for _, loss in validations):
                best = _copy_parameters(network)
            validations.append((len(losses), tried))
        if state_file is not None and (tried is not None or time.monotonic() >= end):
            _save_state(state_file, network, optimiser, n_steps, seed, losses, validations, best)
        if report is not None:
            report(len(losses), losses[-1], tried)
    return TrainingRun(
        losses=np.array(losses),
        validation_steps=np.array([step for step, _ in validations], dtype=np.int64),
        validation_losses=np.array([loss for _, loss in validations]),
        best_parameters=best,
        is_complete=len(losses) == n_steps,
    )


def _step_size(step: int, n_steps: int) -> float:
    warm_up = min(_WARM_UP_STEPS, n_steps // 4)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up)))


def _draw_batch(
    calls: Sequence[NDArray[np.float32]], rng: np.random.Generator
) -> tuple[list[NDArray[np.float32]], np.random.Generator]:
    """Cut stretches out of random calls; hand on the generator, for what else is random about them."""
    chosen = [calls[i] for i in rng.integers(len(calls), size=_BATCH_SIZE)]
    n_samples = min(round(_CROP_S * SAMPLE_RATE_HZ), *(call.shape[1] for call in chosen))
    starts = [int(rng.integers(call.shape[1] - n_samples + 1)) for call in chosen]
    return [call[:, start : start + n_samples] for call, start in zip(chosen, starts, strict=True)], rng


def _save_state(
    state_file: Path,
    network: ResidualEchoSuppressor,
    optimiser: torch.optim.Optimizer,
    n_steps: int,
    seed: int,
    losses: list[float],
    validations: list[tuple[int, float]],
    best: dict[str, NDArray[np.float32]],
) -> None:
    import torch

    state = {
        "n_steps": n_steps,
        "seed": seed,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "losses": losses,
        "validations": validations,
        "best": {name: torch.from_numpy(values) for name, values in best.items()},
    }
    unfinished = state_file.with_suffix(".unfinished")
    torch.save(state, unfinished)
    unfinished.replace(state_file)


def _new_network(seed: int) -> ResidualEchoSuppressor:
    """Return an untrained network whose weights depend on the seed only.

    Args:
        seed: of the weights.
    Returns:
        The network; PyTorch's own generator is left as it was.
    """
    import torch

    from course_lib.models.residual_echo_suppressor import ResidualEchoSuppressor

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ResidualEchoSuppressor()


# --- command line ----------------------------------------------------------------------------------------------------

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@app.command(help=__doc__)
def _main(
    folder: Annotated[Path, typer.Option(help="Where calls, rooms and the state of the training are kept.")] = Path(
        "build/residual_echo"
    ),
    checkpoint: Annotated[
        Path | None, typer.Option(help="Where the parameters go; into the folder unless given.")
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="Calls to train on.")] = 240,
    validation_scenes: Annotated[int, typer.Option(min=1, help="Calls to choose the best parameters by.")] = 24,
    steps: Annotated[int, typer.Option(min=1, help="Updates in all.")] = 1300,
    minutes: Annotated[float, typer.Option(help="Stop training after that time; the same command goes on.")] = math.inf,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Cores to train with.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="A few calls and steps, to see that it works.")] = False,
) -> None:
    """Train the suppressor and write its parameters."""
    import torch

    torch.set_num_threads(threads)
    duration_s, n_rooms = _DURATION_S, dict(zip(_KINDS, _N_ROOMS, strict=True))
    if quick:
        scenes, validation_scenes, steps, duration_s, n_rooms = 4, 1, 8, 4.0, dict.fromkeys(_KINDS, 1)
    # Calls of another seed or length are not to be taken for this run's.
    folder = folder / f"{'quick' if quick else 'seed'}_{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    all_voices = [voice.name for voice in data.voices()]
    voices = [name for name in all_voices if name not in HELD_OUT_VOICES]

    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bars:

        def prepare(kind: str, n_calls: int, speakers: Sequence[str]) -> list[NDArray[np.float32]]:
            stream = _KINDS.index(kind)
            places = _kept_rooms(folder / f"{kind}_rooms.npz", n_rooms[kind], np.random.default_rng([seed, stream]))
            calls = []
            for i in bars.track(range(n_calls), description=f"calls, {kind}"):
                file = folder / f"{kind}_{i:04d}.npy"
                if not file.exists():
                    rng = np.random.default_rng([seed, stream, i])
                    call = draw_call(speakers, places, rng, duration_s=duration_s)
                    unfinished = file.with_suffix(".unfinished")
                    with unfinished.open("wb") as opened:
                        np.save(opened, call)
                    unfinished.replace(file)
                calls.append(np.load(file, mmap_mode="r"))
            return calls

        calls = prepare("training", scenes, voices)
        validation_calls = prepare("validation", validation_scenes, HELD_OUT_VOICES)

        bar = bars.add_task("steps", total=steps)

        def report(step: int, loss: float, tried: float | None) -> None:
            bars.update(bar, completed=step)
            if tried is not None:
                bars.console.print(f"step {step}: loss {loss:.4f}, validation {tried:.4f}")

        network = _new_network(seed)
        run = fit(
            network,
            calls,
            validation_calls,
            n_steps=steps,
            seed=seed,
            minutes=minutes,
            state_file=folder / "state.pt",
            report=report,
        )
    if len(run.validation_losses):
        target = folder / CHECKPOINT_NAME if checkpoint is None else checkpoint
        np.savez_compressed(target, **run.best_parameters)  # type: ignore[arg-type]
        console.print(f"{target}: {target.stat().st_size / 1e3:.0f} kB")
    if not run.is_complete:
        console.print(f"stopped after {len(run.losses)} of {steps} steps; repeat the command to go on")


def _kept_rooms(file: Path, n_rooms: int, rng: np.random.Generator) -> list[EchoRoom]:
    """Return the rooms kept in a file, drawn and kept first if there is none."""
    if not file.exists():
        drawn = _draw_rooms(n_rooms, rng)
        arrays = {f"echo_paths_{i}": room.echo_paths for i, room in enumerate(drawn)}
        arrays |= {f"near_end_path_{i}": room.near_end_path for i, room in enumerate(drawn)}
        np.savez(file, **arrays)  # type: ignore[arg-type]
    with np.load(file, allow_pickle=False) as kept:
        return [
            EchoRoom(kept[f"echo_paths_{i}"], kept[f"near_end_path_{i}"], SAMPLE_RATE_HZ)
            for i in range(len(kept.files) // 2)
        ]


if __name__ == "__main__":
    app()
