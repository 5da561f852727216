"""Joining PyTorch's graphs of the two processes, so that ``backward`` runs through a student's function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .session import Session


class _ThroughStudent(torch.autograd.Function):
    """One call of a student's function, as a node of the graph here."""

    @staticmethod
    def forward(
        ctx: Any, session: Session, number: int, outputs: list[torch.Tensor], *inputs: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Return the values that the student's function returned."""
        ctx.session, ctx.number, ctx.inputs = session, number, inputs
        return tuple(output.detach().clone() for output in outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[Any, ...]:
        """Ask the student's process for the gradients of the inputs."""
        found = ctx.session.backward(ctx.number, [None if one is None else one.detach() for one in gradients])
        taken = found if type(found) is list else []
        # The first input only ties the node to the graph where no argument needs a gradient.
        own: list[Any] = [_usable(one, like) for one, like in zip(taken, ctx.inputs[1:], strict=False)]
        own += [None] * (len(ctx.inputs) - 1 - len(own))
        return (None, None, None, None, *own)


def _usable(gradient: Any, like: torch.Tensor) -> torch.Tensor | None:
    if isinstance(gradient, torch.Tensor) and gradient.shape == like.shape:
        return gradient.detach().to(like.dtype)
    return None


def through_student(
    session: Session, number: int, outputs: list[torch.Tensor], inputs: list[torch.Tensor]
) -> list[torch.Tensor]:
    """Return the outputs of a student's call, joined to the graph of its inputs.

    Args:
        session: with the student's process.
        number: of the call there.
        outputs: tensors that the student's function returned.
        inputs: tensor arguments that need a gradient.
    Returns:
        Tensors with the same values that require gradients.
    """
    tie = torch.zeros((), requires_grad=True)
    with torch.enable_grad():
        return list(_ThroughStudent.apply(session, number, outputs, tie, *inputs))  # type: ignore[no-untyped-call]
