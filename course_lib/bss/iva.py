"""Independent vector analysis: all frequencies of a source are judged together, so no permutation is left to solve.

Conventions. k is the frequency, m the frame, n the source. Inside, each frequency is scaled to about unit mean power;
silent frequencies (200 dB below the mean) and frames (100 dB) take no part: the filter of a silent frequency is the
identity. The level of a source in a frame is floored 100 dB below the mean level of the mixture, and the loss is that
of the model with this floor, so it is exact and falls in every iteration. How loud a mixture is has no influence. An
output that cancellation has emptied at a frequency, as of identical channels, is left as it is there.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from course_lib.bss._mixture import Callback, Scale, check_choice, check_options, prepare_mixture
from course_lib.bss._solve import solve_iva, start_filter
from course_lib.bss.separation import Separation

SourceModel = Literal["laplace", "gauss"]
Update = Literal["iss", "ip"]
Start = Literal["sphered", "identity"]


def auxiva(
    X: ArrayLike,
    n_sources: int | None = None,
    *,
    source_model: SourceModel = "laplace",
    update: Update = "iss",
    n_iterations: int = 50,
    start: Start = "sphered",
    demixing_filter: ArrayLike | None = None,
    reference_channel: int = 0,
    scale: Scale | None = "projection_back",
    callback: Callback | None = None,
) -> Separation:
    """Separate a recording by independent vector analysis with an auxiliary function (AuxIVA).

    Equation: minimise (1/M) Σ_n,m G(r_n[m]) − 2 Σ_k log|det W[k]|, r_n[m] = (Σ_k |y_n[k,m]|²)^½, y[k,m] = W[k] x[k,m],
        with G(r) = r for "laplace" and G(r) = K log(r²/K) + K for "gauss"; K frequencies, M frames.

    G is replaced by a parabola φ_n[m] r² that touches it from above at the present r: φ = 1/(2r) or K/r². What is left
    is quadratic in each row w_n[k], and two ways lower it. Iterative projection ("ip") solves for one row after the
    other: w_n ← (W U_n)⁻¹ e_n, scaled to w_nᴴ U_n w_n = 1, with U_n = (1/M) Σ_m φ_n x xᴴ. Iterative source steering
    ("iss") takes one output after the other out of all the rest, without an inverse: y_j ← y_j − v_j y_n with
    v_j = Σ_m φ_j y_j y_n* / Σ_m φ_j |y_n|² and v_n = 1 − ((1/M) Σ_m φ_n |y_n|²)^−½. Neither raises the loss. With two
    sources both find the same directions in a sweep, if one goes through the sources in the opposite order.

    Start. "identity" begins with the recorded channels as outputs. Close microphones hear nearly the same, so these
    outputs are nearly equal, and which becomes whose at a frequency is left to small differences. "sphered" makes them
    uncorrelated first, W = R^(−1/2) at each frequency, which of all whitenings stays nearest to the channels, and
    keeps the level of each frequency, so that the loud ones still decide when a source is active.

    Extra channels are reduced to the principal components of each frequency first; log|det W| then means
    ½ log det W Wᴴ. The loss counts only frequencies and frames that are not silent (see the module).

    Args:
        X: mixture, shape (n_channels, n_freqs, n_frames), complex; computed in double precision whatever its own.
        n_sources: at least 2 and at most n_channels; n_channels if None.
        source_model: "laplace" (spherical, fixed scale) or "gauss" (a variance for each source and frame).
        update: "iss" or "ip".
        n_iterations: updates of all rows.
        start: "sphered" or "identity".
        demixing_filter: warm start in place of ``start``, shape (n_freqs, n_sources, n_channels). With scale=None a
            call goes on exactly where another stopped. A frequency at which it is singular starts from the identity.
        reference_channel: microphone that projection back aims at.
        scale: "projection_back", "minimal_distortion", or None for the filter as the iteration left it.
        callback: called as callback(iteration, demixing_filter, loss) with iteration 0 for the start and then after
            each, the filter scaled as the result.
    Returns:
        Sources, filter and losses.
    Raises:
        ValueError: if X is no complex spectrogram of at least 2 channels, there are more sources than channels, or an
            option or the shape of the warm start is wrong.
    Cost: O(n_freqs·n_frames·n_sources²) an iteration for "iss", n_sources times that for "ip".
    Reference: N. Ono, "Stable and fast update rules for independent vector analysis based on auxiliary function
        technique", WASPAA 2011; R. Scheibler and N. Ono, "Fast and stable blind source separation with rank-1 updates",
        ICASSP 2020.
    Lesson: 03 §6
    """
    check_choice(source_model, "source_model", ("laplace", "gauss"))
    check_choice(update, "update", ("iss", "ip"))
    check_choice(start, "start", ("sphered", "identity"))
    mixture = prepare_mixture(X, n_sources)
    channel, n_iterations = check_options(scale, reference_channel, len(mixture.X), n_iterations)
    W = start_filter(mixture, demixing_filter, sphered=start == "sphered")
    losses = np.zeros(n_iterations + 1)

    def report(iteration: int, loss: float) -> None:
        losses[iteration] = loss
        if callback is not None:
            callback(iteration, mixture.filter_outside(W, scale, channel), loss)

    solve_iva(mixture, W, source_model, update, n_iterations, report)
    outside = mixture.filter_outside(W, scale, channel)
    return Separation(mixture.sources(outside), outside, losses)
