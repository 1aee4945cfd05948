"""`NumpyQBackend`: gradients by hand, in NumPy."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phantom_dqn.q_loss import Minibatch, huber, targets
from phantom_dqn.q_network import QNetwork
from phantom_dqn.q_policy import MLPQPolicy
from phantom_dqn.q_step import StepReport, StepSettings
from phantom_nn import FlatAdam, clip_norm, polyak

Array = NDArray[Any]
EPSILON: Final = 1e-8


class NumpyQBackend:
    """Computes with the policy's own network and changes its parameters in place."""

    def __init__(self, policy: MLPQPolicy) -> None:
        assert isinstance(policy.network, QNetwork)  # the trainer sees to it
        self._network, self._branches = policy.network, policy.branches
        self._target = copy.deepcopy(policy.network)
        self._adam = FlatAdam(self._network.parameters, EPSILON)

    def copy_to_target(self) -> None:
        """Let the target network say what the network says now."""
        self._target.parameters[:] = self._network.parameters

    def descend(self, minibatches: Sequence[Minibatch], settings: StepSettings) -> list[StepReport]:
        """Make a gradient step on each of some minibatches of one size.

        A target network that stands still is asked once for all of them.
        """
        known: Sequence[Array | None] = [None] * len(minibatches)
        if settings.target_rate is None:
            every = self._target.evaluate_q(np.concatenate([batch.next_features for batch in minibatches]))
            size = len(minibatches[0].rewards)
            known = [every[start : start + size] for start in range(0, len(every), size)]
        return [self._step(batch, values, settings) for batch, values in zip(minibatches, known, strict=True)]

    def loss(self, batch: Minibatch, settings: StepSettings, next_values: Array | None = None) -> StepReport:
        """Return the loss on a minibatch, and leave its gradient in the network.

        Args:
            batch: the minibatch.
            settings: how its targets are made.
            next_values: what the target network says about what followed [B, A], if that is known.
        """
        network, branches, number = self._network, self._branches, len(batch.rewards)
        if next_values is None:
            next_values = self._target.q_values(batch.next_features)
        if settings.is_double:  # one pass for what was observed and what followed
            values = network.forward_q(np.concatenate([batch.features, batch.next_features]))
            preferred = branches.best(values[number:], batch.next_masks)
            values = values[:number]
        else:
            values = network.forward_q(batch.features)
            preferred = branches.best(next_values, batch.next_masks)
        rows = np.arange(number)[:, None]
        goals = targets(batch.rewards, batch.discounts, next_values[rows, preferred])
        chosen = values[rows, batch.index]
        errors = chosen - goals[:, None]
        loss, slope = huber(errors, batch.weights)
        d_values = np.zeros_like(values)
        d_values[rows, batch.index] = slope
        network.backward_q(d_values)
        size = np.abs(errors)
        each = size[:, 0] if len(branches) == 1 else size.mean(axis=1)
        return StepReport(loss, float(np.add.reduce(chosen, axis=None)) / chosen.size, 0.0, each)

    @property
    def gradient(self) -> Array:
        """The gradient of the last loss, as one vector."""
        return self._network.gradient

    def _step(self, batch: Minibatch, next_values: Array | None, settings: StepSettings) -> StepReport:
        report = self.loss(batch, settings, next_values)
        network = self._network
        norm = clip_norm(network.gradient, settings.max_grad_norm)
        self._adam.step(network.gradient, settings.learning_rate)
        if settings.target_rate is not None:
            polyak(self._target.parameters, network.parameters, settings.target_rate)
        return report._replace(norm=norm)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimiser, and the parameters of the target network."""
        return {"optimizer": self._adam.state_dict(), "target": self._target.parameters.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of either backend returned."""
        self._adam.load_state_dict(state["optimizer"])
        self._target.parameters[:] = state["target"]
