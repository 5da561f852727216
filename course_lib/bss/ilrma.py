"""Independent low-rank matrix analysis: IVA whose source models are non-negative factorisations of the spectrograms.

Conventions as in :mod:`course_lib.bss.iva`. Every source model holds, besides its bases, a constant power 100 dB below
the mean power of its output at the frequency, taken at the start: no model reaches zero, and the loss is that of the
model with this constant, which falls in every iteration. Even so the loss need not settle: with two bases or more, a
basis and a row of W can join to null a single frame at a frequency, and then gain a little in every iteration.

Scale. Multiplying a row of W and the bases of its source to match changes neither the loss nor the path of the
iteration, so nothing is normalised between iterations; at the start every output gets unit power at every frequency.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.bss._mixture import Callback, Mixture, Scale, check_choice, check_options, prepare_mixture
from course_lib.bss._solve import SourceModel, normalise_outputs, solve_ilrma, solve_iva, start_filter
from course_lib.bss.iva import Update
from course_lib.bss.separation import Separation
from course_lib.validation import as_positive_integer, describe

Start = Literal["identity", "iva"]

# Random factors stay away from zero, from which a multiplicative update hardly leads back.
_SMALLEST_FACTOR: Final = 0.1


def ilrma(
    X: ArrayLike,
    n_sources: int | None = None,
    *,
    n_bases: int = 2,
    partitioned: bool = False,
    update: Update = "iss",
    n_iterations: int = 50,
    start: Start = "iva",
    start_iterations: int = 30,
    demixing_filter: ArrayLike | None = None,
    continue_from: Separation | None = None,
    reference_channel: int = 0,
    scale: Scale | None = "projection_back",
    callback: Callback | None = None,
    rng: np.random.Generator,
) -> Separation:
    """Separate a recording by Gaussian independent low-rank matrix analysis (Gauss-ILRMA).

    Equation: minimise (1/M) Σ_n,k,m ( |y_n[k,m]|² / R_n[k,m] + log R_n[k,m] ) − 2 Σ_k log|det W[k]|,
        y[k,m] = W[k] x[k,m], with R_n = T_n V_n, or R_n = Σ_b z_nb t_b v_bᵀ if partitioned; M frames.

    An iteration updates the partition, the bases, the activations and the filter, in this order. The first three are
    the multiplicative updates of Itakura–Saito with exponent ½, t ← t ( Σ |y|² v/R² / Σ v/R )^½ and likewise v and z;
    the columns of z are brought to a sum of one by moving their sum into t. The filter is updated as in
    :func:`course_lib.bss.auxiva` with the weights φ_n[k,m] = 1/R_n[k,m]. No step raises the loss. log|det W| of a
    reduced recording, silent frequencies and silent frames are as there.

    Start. "identity" begins with the recorded channels as outputs. "iva" runs Gauss-model AuxIVA first, from its
    sphered start; that is an ILRMA with one flat basis, settles which output is whose before the bases learn, costs
    about a third as much an iteration, and makes the result depend less on chance. Its start_iterations come before,
    and are not among, the n_iterations: give n_iterations=50 − start_iterations for a comparison at 50 iterations in
    all. Bases and activations start at random, at each frequency with the power of the output.

    Args:
        X: mixture, shape (n_channels, n_freqs, n_frames), complex; computed in double precision whatever its own.
        n_sources: at least 2 and at most n_channels; n_channels if None.
        n_bases: spectra a source model has; of all sources together if partitioned.
        partitioned: whether the sources share the bases and learn which is whose.
        update: "iss" or "ip".
        n_iterations: iterations of ILRMA.
        start: "identity" or "iva".
        start_iterations: iterations of AuxIVA if start is "iva".
        demixing_filter: warm start in place of ``start``, shape (n_freqs, n_sources, n_channels).
        continue_from: a result of this function with scale=None on the same mixture, to go on exactly where it stopped,
            source models included; ``start`` and ``n_bases`` then have no say.
        reference_channel: microphone that projection back aims at.
        scale: "projection_back", "minimal_distortion", or None for the filter as the iteration left it.
        callback: called as callback(iteration, demixing_filter, loss) with iteration 0 for the start and then after
            each, the filter scaled as the result.
        rng: source of the random bases and activations.
    Returns:
        Sources, filter, losses and source models. The bases of the plain model are scaled with the sources, so that T V
        is their power; those of the partitioned model are shared, and stay as they fit the filter of scale=None.
    Raises:
        ValueError: if X is no complex spectrogram of at least 2 channels, there are more sources than channels, or an
            option or the shape of a warm start is wrong.
    Cost: O(n_freqs·n_frames·n_sources·(n_sources + n_bases)) an iteration for "iss".
    Reference: D. Kitamura, N. Ono, H. Sawada, H. Kameoka and H. Saruwatari, "Determined blind source separation
        unifying independent vector analysis and nonnegative matrix factorization", IEEE/ACM Trans. ASLP 24(9), 2016.
    Lesson: 03 §7
    """
    check_choice(update, "update", ("iss", "ip"))
    check_choice(start, "start", ("identity", "iva"))
    mixture = prepare_mixture(X, n_sources)
    channel, n_iterations = check_options(scale, reference_channel, len(mixture.X), n_iterations)
    n_bases = as_positive_integer(n_bases, "n_bases")
    start_iterations = as_positive_integer(start_iterations, "start_iterations", minimum=0)
    if continue_from is not None:
        if demixing_filter is not None:
            raise ValueError("demixing_filter: got one beside continue_from, which holds its own. Pass one of the two.")
        W = start_filter(mixture, continue_from.demixing_filter)
        model = _model_inside(mixture, continue_from, partitioned)
    else:
        W = start_filter(mixture, demixing_filter, sphered=start == "iva")
        if demixing_filter is None and start == "iva":
            solve_iva(mixture, W, "gauss", update, start_iterations, lambda iteration, loss: None)
        normalise_outputs(mixture, W)
        model = _random_model(mixture, n_bases, partitioned, rng)
    losses = np.zeros(n_iterations + 1)

    def report(iteration: int, loss: float) -> None:
        losses[iteration] = loss
        if callback is not None:
            callback(iteration, mixture.filter_outside(W, scale, channel), loss)

    solve_ilrma(mixture, W, model, update, n_iterations, report)
    unscaled = mixture.filter_outside(W, None, channel)
    outside = mixture.filter_outside(W, scale, channel)
    bases, activations = _model_outside(mixture, model)
    if not partitioned:
        norms = np.linalg.norm(unscaled, axis=2)
        bases *= ((np.linalg.norm(outside, axis=2) / np.where(norms > 0, norms, 1.0)) ** 2).T[:, :, None]
    return Separation(mixture.sources(outside), outside, losses, bases, activations, model.partition)


def _random_model(mixture: Mixture, n_bases: int, partitioned: bool, rng: np.random.Generator) -> SourceModel:
    n_sources = mixture.n_sources
    n_freqs, n_frames = len(mixture.active_freqs), len(mixture.active_frames)
    models = () if partitioned else (n_sources,)
    T = rng.uniform(_SMALLEST_FACTOR, 1.0, (n_freqs, *models, n_bases))[mixture.active_freqs]
    V = rng.uniform(_SMALLEST_FACTOR, 1.0, (*models, n_bases, n_frames))[..., mixture.active_frames]
    Z = None
    if partitioned:
        Z = rng.uniform(_SMALLEST_FACTOR, 1.0, (n_sources, n_bases))
        Z /= Z.sum(axis=0)
    if T.size and V.size:
        # The outputs have unit mean power at every frequency, and so shall the model.
        shares = 1.0 if Z is None else Z.mean(axis=0)
        T /= np.sum(T * shares * V.mean(axis=-1), axis=-1, keepdims=True)
    return SourceModel(T, np.ascontiguousarray(V), Z)


def _model_inside(mixture: Mixture, separation: Separation, partitioned: bool) -> SourceModel:
    if separation.bases is None or separation.activations is None:
        raise ValueError(
            "continue_from: got a result without bases, expected one of ilrma. Pass demixing_filter=… instead."
        )
    if partitioned != (separation.partition is not None):
        raise ValueError(f"continue_from: got a result whose model fits partitioned={not partitioned}. Pass the same.")
    n_freqs, n_frames = len(mixture.active_freqs), len(mixture.active_frames)
    bases = separation.bases if partitioned else separation.bases.transpose(1, 0, 2)
    if len(bases) != n_freqs or separation.activations.shape[-1] != n_frames:
        raise ValueError(
            f"continue_from: got bases of shape {separation.bases.shape} and activations of shape "
            f"{separation.activations.shape}, expected those of {n_freqs} frequencies and {n_frames} frames: "
            f"the result for {describe(mixture.X)}."
        )
    return SourceModel(
        np.ascontiguousarray(bases[mixture.active_freqs]),
        np.ascontiguousarray(separation.activations[..., mixture.active_frames]),
        None if separation.partition is None else separation.partition.copy(),
    )


def _model_outside(mixture: Mixture, model: SourceModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    bases = np.zeros((len(mixture.active_freqs), *model.bases.shape[1:]))
    bases[mixture.active_freqs] = model.bases
    activations = np.zeros((*model.activations.shape[:-1], len(mixture.active_frames)))
    activations[..., mixture.active_frames] = model.activations
    return bases if model.partition is not None else bases.transpose(1, 0, 2).copy(), activations
