"""Non-negative matrix factorisation: spectrograms as sums of parts, V ≈ WH, by multiplicative updates.

Conventions. V is ``(n_freqs, n_frames)`` and not negative: a magnitude or power spectrogram. The columns of W
``(n_freqs, n_components)`` are the spectra of the components, the rows of H ``(n_components, n_frames)`` say how loud
each one is when. All is computed in the precision of the input; losses are summed in float64.

Silence. Quotients and logarithms have no value at zero, and Itakura–Saito is infinite at V = 0 whatever the model. So
Kullback–Leibler and Itakura–Saito compare V + b with WH + b, where b = 10⁻¹⁵·mean(V), 150 dB below the mean of a power
spectrogram (10⁻¹², 120 dB, in float32). That is beneath anything recorded, keeps every loss finite, is 0 for a silent
cell with a silent model, and the updates take it into account: a loss with a background of its own still never rises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib._nmf_sweeps import Problem, Sweep, Sweeps, divergence_of, quotient, smallest_entry
from course_lib.validation import as_number, as_positive_integer, as_signal, describe

Divergence = Literal["frobenius", "kl", "is"]
Start = Literal["random", "nndsvd"]
Callback = Callable[[int, NDArray[Any], NDArray[Any], float], object]

_BACKGROUND = {"float32": 1e-12, "float64": 1e-15}
"""What is added to V and to its model, relative to the mean of V. In float32, less squared would leave its range."""


@dataclass(frozen=True)
class NMF:
    """A factorisation V ≈ WH, and how it was found.

    Attributes:
        W: spectra of the components, shape (n_freqs, n_components): unit Euclidean norm, fixed columns as they were
            given.
        H: activations, shape (n_components, n_frames).
        losses: the divergence, with the sparsity penalty if there is one, of the start and after each iteration, shape
            (n_iterations + 1,), float64.
    Lesson: 03 §2
    """

    W: NDArray[Any]
    H: NDArray[Any]
    losses: NDArray[np.float64]


def nmf(
    V: ArrayLike,
    n_components: int,
    *,
    divergence: Divergence = "frobenius",
    n_iterations: int = 100,
    start: Start = "random",
    W: ArrayLike | None = None,
    H: ArrayLike | None = None,
    fixed_dictionary: ArrayLike | None = None,
    sparsity: float = 0.0,
    callback: Callback | None = None,
    rng: np.random.Generator | None = None,
) -> NMF:
    """Factorise a spectrogram into parts by multiplicative updates that never raise the loss.

    Equation: minimise D(V | WH) + λ m^(β−1) Σ_k ‖w_k‖ Σ_m h_k[m] over W, H ≥ 0, m = mean(V), by
        H ← H ⊙ ( Wᵀ(V ⊙ V̂^(β−2)) / (Wᵀ V̂^(β−1) + λ m^(β−1) ‖w‖) )^γ and likewise W, V̂ = WH, with β = 2, 1, 0 for
        "frobenius", "kl", "is"; γ = 1 for β ≥ 1 and 1/(2 − β) = ½ for "is", as majorisation–minimisation gives it.

    One iteration updates W, then H. The penalty counts an activation as if its spectrum had unit norm: otherwise it
    would shrink H and grow W, and no component would become sparser. The factor m^(β−1) gives λ no unit, so that V and
    a louder V follow the same path. With the penalty, W's update solves the majoriser that contains ‖w_k‖, rather than
    normalise after a step that ignored it, which can raise the loss.

    A fixed dictionary makes the factorisation supervised (all columns fixed) or semi-supervised (some).
    An all-zero V returns the start with H = 0 and losses of 0.

    Args:
        V: magnitude or power spectrogram, shape (n_freqs, n_frames), not negative. For "is" usually power.
        n_components: number of spectra, the fixed ones included.
        divergence: what to minimise, see :func:`divergence`.
        n_iterations: number of iterations, from 0.
        start: "random", or "nndsvd" (see :func:`nndsvd`), which needs no rng; for what W and H do not give.
        W: warm start of all spectra, shape (n_freqs, n_components). A zero stays zero.
        H: warm start of the activations, shape (n_components, n_frames). A zero stays zero.
        fixed_dictionary: spectra that stay as they are, shape (n_freqs, n_fixed): the first n_fixed columns of W.
        sparsity: λ ≥ 0, weight of the penalty on H.
        callback: called as callback(iteration, W, H, loss) with iteration 0 for the start and then after each; it may
            keep the arrays, which are copies.
        rng: source of the random start.
    Returns:
        W, H and the losses; in float64 if any array given is, else float32. Free columns of W have unit norm.
    Raises:
        ValueError: if V is negative, complex, not finite or no matrix, a start or dictionary does not fit it, an option
            is unknown, or a random start has no rng.
    Cost: O(n_iterations·n_freqs·n_frames·n_components): 3, 4 and 6 matrix products an iteration, the loss included.
    Reference: C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", Neural
        Computation 23(9), 2011; J. Le Roux, F. Weninger and J. Hershey, "Sparse NMF – half-baked or well done?",
        MERL TR2015-023, 2015.
    Lesson: 03 §2
    """
    beta = _as_beta(divergence)
    V = _as_nonnegative(V, "V", "Pass a magnitude or power spectrogram, np.abs(X) or np.abs(X) ** 2.")
    n_components = as_positive_integer(n_components, "n_components")
    n_iterations = as_positive_integer(n_iterations, "n_iterations", minimum=0)
    sparsity = as_number(sparsity, "sparsity", 0)
    W, H, n_fixed = _starting_point(V, n_components, start, W, H, fixed_dictionary, rng)
    dtype = np.result_type(V, W, H)
    fixed = W[:, :n_fixed].astype(dtype)
    # In units near its mean neither squares nor reciprocals of V can leave the range of float32, and no threshold
    # depends on how loud the recording is. A power of two changes no digit.
    unit = _unit_of(V)
    V, W, H = np.array(V / unit, dtype, order="F"), np.array(W, dtype, order="F"), np.array(H / unit, dtype, order="F")
    # Fixed spectra have unit norm in here too, so that the penalty sees all alike.
    fixed_norms = _normalise_columns(W, H)[:n_fixed]
    is_silent = not V.any()
    if is_silent:
        H[:] = 0
    penalty = sparsity * float(V.mean(dtype=np.float64)) ** (beta - 1) if sparsity and not is_silent else 0.0
    problem = _problem_of(V, beta, penalty)

    def outside() -> tuple[NDArray[Any], NDArray[Any]]:
        """Return copies of W and H in the units of the caller."""
        H_outside = H * dtype.type(unit)
        H_outside[:n_fixed] /= fixed_norms[:, None]
        return np.hstack([fixed, W[:, n_fixed:]]), H_outside

    losses = np.zeros(n_iterations + 1)
    sweep: Sweep | None = None
    with Sweeps(problem, n_components) as sweeps:
        for iteration in range(n_iterations + 1):
            if not is_silent:
                if sweep is not None and n_fixed < n_components:
                    _update_spectra(W, H, beta, sweep, penalty, n_fixed)
                sweep = sweeps.run(
                    W, H, update=iteration > 0, accumulate=n_fixed < n_components and iteration < n_iterations
                )
                losses[iteration] = (sweep.divergence + penalty * float(H.sum(dtype=np.float64))) * unit**beta
            if callback is not None:
                callback(iteration, *outside(), float(losses[iteration]))
    return NMF(*outside(), losses)


def divergence(V: ArrayLike, V_hat: ArrayLike, name: Divergence = "frobenius") -> float:
    """Measure how far a model is from a spectrogram, summed over all cells.

    Equation: ½ Σ (v − v̂)² for "frobenius", Σ v log(v/v̂) − v + v̂ for "kl", Σ v/v̂ − log(v/v̂) − 1 for "is".

    These are the β-divergences for β = 2, 1, 0; when both V and V̂ grow by c, they grow by c^β: Itakura–Saito hears
    quiet and loud parts alike. Zeros count as the module's docstring says, so that every value is finite, except that
    of "is" for an all-zero V and another model, which is inf.

    Args:
        V: spectrogram, shape (n_freqs, n_frames), not negative.
        V_hat: model, of the same shape (n_freqs, n_frames), not negative.
        name: which divergence.
    Returns:
        The divergence, at least 0 and 0 only for equal arguments.
    Raises:
        ValueError: if the shapes differ, a value is negative, complex or not finite, or the name is unknown.
    Cost: O(n_freqs·n_frames).
    Reference: C. Févotte, N. Bertin and J.-L. Durrieu, "Nonnegative matrix factorization with the Itakura–Saito
        divergence", Neural Computation 21(3), 2009.
    Lesson: 03 §2
    """
    beta = _as_beta(name)
    V, V_hat = (_as_nonnegative(value, label).astype(np.float64) for value, label in ((V, "V"), (V_hat, "V_hat")))
    if V.shape != V_hat.shape:
        raise ValueError(f"V_hat: got {describe(V_hat)}, expected the shape of V, {V.shape}. Pass the product W @ H.")
    if not V.any() and (beta == 0 or not V_hat.any()):
        return float("inf") if V_hat.any() else 0.0
    unit = _unit_of(V if V.any() else V_hat)
    return divergence_of(_problem_of(V / unit, beta), V_hat / unit) * unit**beta


def normalise(W: ArrayLike, H: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give every spectrum unit Euclidean norm, and its activations the factor, so that WH stays as it is.

    Equation: w_k ← w_k / ‖w_k‖, h_k ← ‖w_k‖ h_k.

    Args:
        W: spectra, shape (n_freqs, n_components). A spectrum of zeros stays, with its activations.
        H: activations, shape (n_components, n_frames).
    Returns:
        New W and H.
    Raises:
        ValueError: if a value is negative, complex or not finite, or the two do not fit each other.
    Cost: O((n_freqs + n_frames)·n_components).
    Reference: J. Le Roux, F. Weninger and J. Hershey, "Sparse NMF – half-baked or well done?", MERL TR2015-023, 2015.
    Lesson: 03 §2
    """
    W, H = _as_factors(W, H)
    W, H = W.copy(), H.copy()
    _normalise_columns(W, H)
    return W, H


def nndsvd(V: ArrayLike, n_components: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Start a factorisation from the singular vectors: the same every time, and close to the solution.

    Equation: V = Σ_k σ_k u_k v_kᵀ; (w_k, h_k) = √(σ_k ‖u±‖ ‖v±‖) (u±/‖u±‖, v±/‖v±‖), where ± is the sign whose parts,
        the positive or the negative entries, have the larger ‖u±‖‖v±‖.

    Zeros would stay zero under multiplicative updates; entries below √(mean(V)/n_components)/100 are raised to that.

    Args:
        V: spectrogram, shape (n_freqs, n_frames), not negative.
        n_components: number of spectra, at most the smaller of n_freqs and n_frames.
    Returns:
        W, shape (n_freqs, n_components), and H, shape (n_components, n_frames), both positive unless V is zero.
    Raises:
        ValueError: if V is negative, complex or not finite, or has fewer singular vectors than n_components.
    Cost: O(n_freqs·n_frames·min(n_freqs, n_frames)), one singular value decomposition.
    Reference: C. Boutsidis and E. Gallopoulos, "SVD based initialization: a head start for nonnegative matrix
        factorization", Pattern Recognition 41(4), 2008.
    Lesson: 03 §2
    """
    V = _as_nonnegative(V, "V")
    n_components = as_positive_integer(n_components, "n_components")
    if n_components > min(V.shape):
        raise ValueError(
            f"n_components: got {n_components}, but V of shape {V.shape} has only {min(V.shape)} singular vectors. "
            'Take fewer components, or start="random".'
        )
    unit = _unit_of(V)
    U, singular_values, Vt = np.linalg.svd(V / V.dtype.type(unit), full_matrices=False)
    W, H = np.empty((V.shape[0], n_components), V.dtype), np.empty((n_components, V.shape[1]), V.dtype)
    for k in range(n_components):
        parts = [(np.maximum(sign * U[:, k], 0), np.maximum(sign * Vt[k], 0)) for sign in (1, -1)]
        w, h = max(parts, key=lambda part: float(np.linalg.norm(part[0]) * np.linalg.norm(part[1])))
        size = np.linalg.norm(w), np.linalg.norm(h)
        strength = np.sqrt(singular_values[k])
        # √(σ ‖w‖ ‖h‖) to each, less the norm that each has already.
        W[:, k] = strength * w * np.sqrt(size[1] / size[0]) if size[0] > 0 else 0
        H[k] = strength * h * np.sqrt(size[0] / size[1]) if size[1] > 0 else 0
    smallest = np.sqrt((V / V.dtype.type(unit)).mean() / n_components) / 100
    root = V.dtype.type(np.sqrt(unit))
    return np.maximum(W, smallest) * root, np.maximum(H, smallest) * root


def part_powers(W: ArrayLike, H: ArrayLike, groups: Sequence[Any]) -> NDArray[Any]:
    """Add up the components of each group: the model's spectrogram of each source.

    Equation: P_j[k,m] = Σ_{i ∈ group j} w_i[k] h_i[m].

    With :func:`course_lib.masks.wiener_masks` they become masks, and those on the mixture's STFT separate it.

    Args:
        W: spectra, shape (n_freqs, n_components).
        H: activations, shape (n_components, n_frames).
        groups: the components of each source: index lists, ranges or slices. A component may be in none, not in two.
    Returns:
        P, shape (n_groups, n_freqs, n_frames): powers if V was a power spectrogram, magnitudes if it was one of those.
    Raises:
        ValueError: if W and H do not fit each other, a group is empty or names what is no component, or two groups
            share one.
    Cost: O(n_freqs·n_frames·n_components).
    Reference: C. Févotte, N. Bertin and J.-L. Durrieu, "Nonnegative matrix factorization with the Itakura–Saito
        divergence", Neural Computation 21(3), 2009.
    Lesson: 03 §3
    """
    W, H = _as_factors(W, H)
    n_components = W.shape[1]
    members: list[NDArray[np.intp]] = []
    for j, group in enumerate(groups):
        index = group if isinstance(group, slice) else np.asarray(group, dtype=None if np.size(group) else np.intp)
        try:
            chosen = np.atleast_1d(np.arange(n_components)[index])
        except IndexError as error:
            raise ValueError(
                f"groups[{j}]: got {describe(group)}, expected whole numbers from 0 to {n_components - 1}: "
                "components of W."
            ) from error
        if chosen.size == 0:
            raise ValueError(
                f"groups[{j}]: got {describe(group)}, expected at least one component. Leave empty groups out."
            )
        members.append(chosen)
    if not members:
        raise ValueError(
            "groups: got none, expected at least one group of components, such as [range(0, 4), range(4, 8)]."
        )
    component, count = np.unique(np.concatenate(members), return_counts=True)
    if count.max() > 1:
        raise ValueError(
            f"groups: component {component[count.argmax()]} is named more than once, and would be counted as often. "
            "Put each component in one group."
        )
    return np.stack([W[:, chosen] @ H[chosen] for chosen in members])


def _problem_of(V: NDArray[Any], beta: int, penalty: float = 0.0) -> Problem:
    """Return the problem with what the module's docstring says about silence."""
    if beta == 2:
        return Problem(V, beta, 0.0, penalty)
    background = _BACKGROUND[V.dtype.name] * (float(V.mean(dtype=np.float64)) or 1.0)
    return Problem(V + V.dtype.type(background), beta, background, penalty)


def _update_spectra(W: NDArray[Any], H: NDArray[Any], beta: int, sweep: Sweep, penalty: float, n_fixed: int) -> None:
    """Update the free columns of W, which have unit norm, in place, and give them unit norm again."""
    free = W[:, n_fixed:]
    # The penalty's ‖w‖ lies below (Σ w² + 1)/2 and touches it where the norm is 1.
    curvature = free.dtype.type(penalty) * H[n_fixed:].sum(axis=1) if penalty else None
    free[:] = _minimiser(beta, free, sweep.pull[:, n_fixed:], sweep.push[..., n_fixed:], curvature)
    free *= free >= smallest_entry(free.dtype)
    _divide_columns(W, H, _column_norms(free), n_fixed)


def _minimiser(
    beta: int, W: NDArray[Any], pull: NDArray[Any], push: NDArray[Any], curvature: NDArray[Any] | None
) -> NDArray[Any]:
    """Return the minimiser of the majoriser of the loss in W, cell by cell: the multiplicative update.

    Without curvature it is W ⊙ (pull/push)^γ. With it, its derivative is zero where
    β = 2: push·w/w̃ + c w = pull; β = 1: push·w + c w² = pull·w̃; β = 0: push·w² + c w³ = pull·w̃².
    """
    if curvature is None or not curvature.any():
        factor = quotient(pull, push)
        return W * (np.sqrt(factor) if beta == 0 else factor)
    if beta == 2:
        return W * quotient(pull, push + curvature * W)
    if beta == 1:
        product = pull * W
        return quotient(2 * product, push + np.sqrt(push**2 + 4 * curvature * product))
    # The function is convex and rises, so Newton's iteration stays above the zero from its second point on. The smaller
    # of the two zeros that it would have with one term only is at most 1.4 times its own.
    target = pull * W**2
    bounds = np.sqrt(quotient(target, push)), np.cbrt(quotient(target, np.broadcast_to(curvature, W.shape)))
    w: NDArray[Any] = np.where(curvature > 0, np.minimum(*bounds), bounds[0])
    for _ in range(6):
        w -= quotient(w**2 * (push + curvature * w) - target, w * (2 * push + 3 * curvature * w))
    return w


def _column_norms(W: NDArray[Any]) -> NDArray[Any]:
    norms: NDArray[Any] = np.sqrt(np.einsum("fk,fk->k", W, W))
    return norms


def _divide_columns(W: NDArray[Any], H: NDArray[Any], sizes: NDArray[Any], first: int = 0) -> None:
    """Divide the columns of W from ``first`` on by their sizes, if not 0, and multiply H's rows by them, in place."""
    sizes[sizes == 0] = 1
    W[:, first:] /= sizes
    H[first:] *= sizes[:, None]


def _normalise_columns(W: NDArray[Any], H: NDArray[Any]) -> NDArray[Any]:
    """Give all columns of W unit norm, in place, and H's rows the factor; return the norms."""
    peaks = W.max(axis=0)  # first, so that no square over- or underflows
    _divide_columns(W, H, peaks)
    norms = _column_norms(W)
    _divide_columns(W, H, norms)
    return np.asarray(peaks * norms)


def _unit_of(V: NDArray[Any]) -> float:
    """Return the power of two at or below the mean of V, 1 for silence."""
    peak = float(V.max())
    if peak == 0:
        return 1.0
    return float(2.0 ** np.floor(np.log2((V / V.dtype.type(peak)).mean(dtype=np.float64)) + np.log2(peak)))


def _starting_point(
    V: NDArray[Any],
    n_components: int,
    start: str,
    W: ArrayLike | None,
    H: ArrayLike | None,
    fixed_dictionary: ArrayLike | None,
    rng: np.random.Generator | None,
) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Return the first W and H, and how many columns of W are fixed."""
    if start not in ("random", "nndsvd"):
        raise ValueError(f'start: got {start!r}, expected "random" or "nndsvd".')
    n_freqs, n_frames = V.shape
    fixed = np.empty((n_freqs, 0), dtype=V.dtype)
    if fixed_dictionary is not None:
        fixed = _as_nonnegative(
            fixed_dictionary, "fixed_dictionary", "Learn it from spectrograms of the same kind as V."
        )
        if fixed.shape[0] != n_freqs:
            raise ValueError(
                f"fixed_dictionary: got {describe(fixed)}, expected (n_freqs, n_fixed) with n_freqs = {n_freqs} as in "
                "V. Learn it with the same STFT."
            )
        if fixed.shape[1] > n_components:
            raise ValueError(
                f"fixed_dictionary: got {fixed.shape[1]} spectra, but n_components = {n_components} counts them in. "
                f"Pass n_components = {fixed.shape[1]} to be supervised, more to have free spectra too."
            )
    n_fixed = fixed.shape[1]
    if W is not None:
        W = _as_nonnegative(W, "W")
        if W.shape != (n_freqs, n_components):
            raise ValueError(f"W: got {describe(W)}, expected (n_freqs, n_components) = {(n_freqs, n_components)}.")
        if not np.array_equal(W[:, :n_fixed], fixed):
            raise ValueError(
                f"W: its first {n_fixed} columns differ from fixed_dictionary, which stays as it is. Pass only one."
            )
    if H is not None:
        H = _as_nonnegative(H, "H")
        if H.shape != (n_components, n_frames):
            raise ValueError(f"H: got {describe(H)}, expected (n_components, n_frames) = {(n_components, n_frames)}.")
    is_missing = (W is None and n_fixed < n_components) or H is None
    if start == "random" and is_missing and not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"rng: got {describe(rng)}, expected the generator that a random start draws from. "
            'Pass rng=np.random.default_rng(0), or both W and H, or start="nndsvd".'
        )
    H_free: NDArray[Any] | None = None
    if W is None:
        if n_fixed == n_components:
            W_free = fixed[:, n_fixed:]
        elif start == "nndsvd":
            W_free, H_free = nndsvd(V, n_components - n_fixed)
        else:
            assert rng is not None
            W_free = 2 * (1 - rng.random((n_freqs, n_components - n_fixed)))
            if H is not None:
                W_free *= _levels(V, n_components, H[n_fixed:].mean(axis=1))
        W = np.hstack([fixed, W_free.astype(np.result_type(V, fixed))])
    if H is None:
        if start == "nndsvd":
            H = np.ones((n_components, n_frames))
        else:
            assert rng is not None
            H = 2 * (1 - rng.random((n_components, n_frames)))
        H = (H * _levels(V, n_components, W.mean(axis=0))[:, None]).astype(W.dtype)
        if H_free is not None:
            H[n_fixed:] = H_free
    return W, H, n_fixed


def _levels(V: NDArray[Any], n_components: int, means: NDArray[Any]) -> NDArray[np.float64]:
    """Return the means of the h_k that let components with w_k of such means share that of V (or of w_k, given h_k)."""
    share = float(V.mean(dtype=np.float64)) / n_components
    means = means.astype(np.float64)
    levels: NDArray[np.float64] = np.divide(share, means, out=np.zeros_like(means), where=means > 0)
    return levels


def _as_beta(name: str) -> int:
    betas = {"frobenius": 2, "kl": 1, "is": 0}
    if name not in betas:
        raise ValueError(f"divergence: got {name!r}, expected one of {', '.join(map(repr, betas))}.")
    return betas[name]


def _as_nonnegative(value: ArrayLike, name: str, remedy: str = "Clip or square before the call.") -> NDArray[Any]:
    if np.iscomplexobj(value):
        raise ValueError(f"{name}: got complex values, expected none below 0. {remedy}")
    matrix = as_signal(value, name, n_axes=2)
    if matrix.min() < 0:
        raise ValueError(f"{name}: the smallest value is {matrix.min():.3g}, expected none below 0. {remedy}")
    return matrix


def _as_factors(W: ArrayLike, H: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    W, H = _as_nonnegative(W, "W"), _as_nonnegative(H, "H")
    if W.shape[1] != H.shape[0]:
        raise ValueError(
            f"H: got {describe(H)}, expected n_components = {W.shape[1]} rows, one for each column of W {W.shape}."
        )
    return W, H
