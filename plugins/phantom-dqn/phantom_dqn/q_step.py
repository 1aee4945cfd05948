"""What a gradient step of a Q-network needs to know, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StepSettings:
    """Settings of one update, those of `DQNConfig`.

    `learning_rate` stands where its schedule stands now; `target_rate` is None if the target network stands
    still.
    """

    learning_rate: float
    max_grad_norm: float
    is_double: bool
    target_rate: float | None


class StepReport(NamedTuple):
    """What one gradient step found.

    Attributes:
        loss: Huber's loss before the step.
        value: the mean value of the options that were taken.
        norm: the norm of the gradient.
        errors: |Q − y| of each transition, the mean over its branches [B].
    """

    loss: float
    value: float
    norm: float
    errors: NDArray[Any]
