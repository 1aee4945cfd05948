"""`DQNTrainer`: deep Q-learning from replayed transitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_dqn.dqn_config import DQNConfig
from phantom_dqn.numpy_q_backend import NumpyQBackend
from phantom_dqn.prioritized_draws import PrioritizedDraws
from phantom_dqn.q_loss import Minibatch
from phantom_dqn.q_network import QNetwork
from phantom_dqn.q_policy import MLPQPolicy
from phantom_dqn.q_step import StepReport, StepSettings

Array = NDArray[Any]
ROWS_AT_ONCE: Final = 8192
"""Transitions that are drawn at once, for several gradient steps."""


class Backend(Protocol):
    """Computes gradient steps of one policy, towards its target network."""

    def copy_to_target(self) -> None:
        """Let the target network say what the network says now."""

    def descend(self, minibatches: Sequence[Minibatch], settings: StepSettings) -> list[StepReport]:
        """Make a gradient step on each of some minibatches of one size."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimiser, and the parameters of the target network."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""


class Learner:
    """What the trainer keeps for one policy between updates.

    Attributes:
        backend: optimiser and target network.
        buffer: the transitions.
        draws: priorities, if there are any.
        unused: decisions since the last gradient step, but for the steps that they made.
        since_copy: decisions since the target network was copied.
    """

    def __init__(self, policy: MLPQPolicy, backend: Backend, config: DQNConfig) -> None:
        self.backend = backend
        self.buffer = ph.ReplayBuffer(
            policy.observation_space, policy.action_space, config.capacity, config.num_steps, config.gamma
        )
        self.draws: PrioritizedDraws | None = None
        if config.is_prioritized:
            self.draws = PrioritizedDraws(config.capacity, config.priority_exponent)
        self.unused = self.since_copy = 0

    def state_dict(self) -> dict[str, Any]:
        """Return everything, the transitions too."""
        return {
            "backend": self.backend.state_dict(),
            "buffer": self.buffer.state_dict(),
            "draws": None if self.draws is None else self.draws.state_dict(),
            "unused": self.unused,
            "since_copy": self.since_copy,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.backend.load_state_dict(state["backend"])
        self.buffer.load_state_dict(state["buffer"])
        if self.draws is not None:
            self.draws.load_state_dict(state["draws"])
        self.unused, self.since_copy = int(state["unused"]), int(state["since_copy"])


class DQNTrainer(ph.Trainer):
    """Learns the values of actions from replayed transitions, towards a target network that follows slowly.

        y = R + γᵏ Q⁻(s′, argmaxₐ Q(s′, a))        L = mean h(Q(s, a) − y),  h Huber's loss
        θ⁻ ← θ⁻ + τ (θ − θ⁻) after each gradient step, or θ⁻ ← θ every so many decisions

    R is the discounted sum of the rewards of up to n decisions; after a termination the value of what
    followed does not count, after a truncation it does. A decision without a known outcome is left out.
    Without double learning the target network also chooses the action. Of a MultiDiscrete action each
    choice is valued by itself, towards the mean over all choices. An action that the mask forbids is neither
    taken nor counted on.

    Gradient steps are counted by decisions: an agent that decides rarely, or several that share a policy,
    make fewer or more of them.

    Sources: Mnih et al. 2015, "Human-level control through deep reinforcement learning", Nature 518; van
    Hasselt et al. 2016, arXiv:1509.06461 (double); Wang et al. 2016, arXiv:1511.06581 (dueling); Schaul et
    al. 2016, arXiv:1511.05952 (priorities); Hessel et al. 2018, arXiv:1710.02298 (n steps); Tavakoli et al.
    2018, arXiv:1711.08946 (several choices); Lillicrap et al. 2016, arXiv:1509.02971 (τ).
    """

    config_class = DQNConfig
    policy_class = MLPQPolicy
    keep_last = ("epsilon", "learning_rate", "transitions")
    conformance: ClassVar = {
        "config": {
            "steps": 16,
            "rounds": 4,
            "decisions_per_gradient_step": 2,
            "warm_up": 16,
            "capacity": 150,
            "batch_size": 32,
            "lr": 1e-2,
        },
        "learning_iterations": 24,
        "idle_settings": ("max_grad_norm",),  # gradients are small there
    }
    config: DQNConfig

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._learners: dict[ph.PolicyID, Learner] = {}

    def collect_plan(self) -> ph.CollectPlan:
        """Play some env steps, several times in an iteration."""
        return ph.CollectPlan(steps=self.config.steps, rounds=self.config.rounds, copies=self.config.copies)

    def setup(self, policy_id: ph.PolicyID, policy: MLPQPolicy, rng: np.random.Generator) -> None:
        """Make buffer, optimiser and target network before anything is played."""
        self._learners[policy_id] = Learner(policy, self._backend(policy), self.config)

    def begin_round(self, policy_id: ph.PolicyID, policy: MLPQPolicy) -> None:
        """Let the policy explore, less and less."""
        first, final, span = self.config.epsilon, self.config.epsilon_final, self.config.exploration_fraction
        passed = min(self.progress / span, 1.0) if span else 1.0
        policy.epsilon = first + (final - first) * passed

    def update(
        self, policy_id: ph.PolicyID, policy: MLPQPolicy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Keep what happened, and learn from draws of all that was kept."""
        learner, happened = self._learners[policy_id], batch.transitions
        if policy.config.normalize_observations:
            policy.see(policy.layout.features(happened.observations))
        learner.buffer.add(happened)
        if learner.draws is not None:
            learner.draws.add(learner.buffer.added)
        found: dict[str, float] = {"epsilon": policy.epsilon, "transitions": len(learner.buffer)}
        learner.since_copy += len(happened)
        if len(learner.buffer) < self.config.warm_up:
            return found
        learner.unused += len(happened)
        number, learner.unused = divmod(learner.unused, self.config.decisions_per_gradient_step)
        every = self.config.target_every
        if every is not None and learner.since_copy >= every:
            learner.backend.copy_to_target()
            learner.since_copy = 0
        settings = self._settings()
        reports = [
            report for group in self._steps(learner, policy, number, settings, rng) for report in group
        ]
        if reports:
            found |= {
                "loss": sum(report.loss for report in reports) / number,
                "value": sum(report.value for report in reports) / number,
                "gradient_norm": sum(report.norm for report in reports) / number,
            }
        return found | {"learning_rate": settings.learning_rate, "gradient_steps": number}

    def leave(self) -> None:
        """Stop working for a run, and forget what was kept for it."""
        super().leave()
        self._learners.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return, for each policy, its transitions, optimiser and target network."""
        return {"learners": {policy_id: own.state_dict() for policy_id, own in self._learners.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, after `setup`."""
        for policy_id, saved in state["learners"].items():
            self._learners[policy_id].load_state_dict(saved)

    def _steps(
        self,
        learner: Learner,
        policy: MLPQPolicy,
        number: int,
        settings: StepSettings,
        rng: np.random.Generator,
    ) -> Iterator[list[StepReport]]:
        """Make so many gradient steps, in groups whose transitions are drawn at once."""
        size, draws = self.config.batch_size, learner.draws
        if draws is not None:
            beta = self.config.importance_exponent
            for _ in range(number):
                places, weights = draws.draw(size, rng, beta + (1.0 - beta) * self.progress)
                drawn = learner.buffer.take(places)
                (report,) = learner.backend.descend(self._minibatches(policy, drawn, 1, weights), settings)
                draws.learn(places, report.errors)
                yield [report]
            return
        group = max(1, ROWS_AT_ONCE // size)
        for start in range(0, number, group):
            steps = min(group, number - start)
            drawn = learner.buffer.sample(steps * size, rng)
            yield learner.backend.descend(self._minibatches(policy, drawn, steps), settings)

    @staticmethod
    def _minibatches(
        policy: MLPQPolicy, drawn: ph.ReplaySample, number: int, weights: Array | None = None
    ) -> list[Minibatch]:
        """Return what was drawn in so many minibatches of one size."""
        columns = (
            policy.features(drawn.observations),
            policy.branches.index(np.asarray(drawn.actions)),
            drawn.rewards.astype(np.float32),
            drawn.discounts.astype(np.float32),
            policy.features(drawn.next_observations),
            policy.layout.any_mask(drawn.next_observations),
            None if weights is None else weights.astype(np.float32),
        )
        size = len(drawn) // number
        places = [slice(start, start + size) for start in range(0, len(drawn), size)]
        parts = [
            [None if part is None else part[place] for place in places]  # np.split takes ten times as long
            for part in columns
        ]
        return [Minibatch(*row) for row in zip(*parts, strict=True)]

    def _settings(self) -> StepSettings:
        config = self.config
        return StepSettings(
            learning_rate=config.lr + (config.lr_final - config.lr) * self.progress,
            max_grad_norm=config.max_grad_norm,
            is_double=config.is_double,
            target_rate=config.target_rate if config.target_every is None else None,
        )

    def _backend(self, policy: MLPQPolicy) -> Backend:
        if self.config.backend == "numpy" and isinstance(policy.network, QNetwork):
            return NumpyQBackend(policy)
        if self.config.backend == "numpy":
            raise ph.errors.ConfigError(
                f"A {type(policy).__name__} computes in torch, but dqn has backend='numpy'. Set "
                "backend='torch' for the trainer."
            )
        try:
            from phantom_dqn.torch_q_backend import TorchQBackend
        except ImportError as error:
            raise ph.errors.ConfigError(
                "dqn has backend='torch', but torch is not installed. Run: pip install 'phantom-dqn[torch]'"
            ) from error
        return TorchQBackend(policy, self.config.device)
