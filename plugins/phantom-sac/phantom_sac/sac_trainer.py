"""`SACTrainer`: soft actor-critic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_sac.actor_networks import ActorNetwork
from phantom_sac.numpy_soft_backend import NumpySoftBackend
from phantom_sac.sac_config import SACConfig
from phantom_sac.soft_actor import MLPSoftActorPolicy
from phantom_sac.soft_losses import Minibatch, StepReport, StepSettings
from phantom_sac.temperature import Temperature

Array = NDArray[Any]
ROWS_AT_ONCE: Final = 8192
"""Transitions that are drawn at once, for several gradient steps."""


class Backend(Protocol):
    """Computes gradient steps of one policy and its critics."""

    def descend(self, minibatches: Sequence[Minibatch], settings: StepSettings) -> list[StepReport]:
        """Make a gradient step on each of some minibatches of one size."""

    def state_dict(self) -> dict[str, Any]:
        """Return critics, targets, temperature and optimisers."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""


class Learner:
    """What the trainer keeps for one policy between updates.

    Attributes:
        policy: the policy.
        backend: critics and optimisers.
        buffer: the transitions.
        unused: decisions since the last gradient step, but for the steps that they made.
    """

    def __init__(self, policy: MLPSoftActorPolicy, backend: Backend, config: SACConfig) -> None:
        self.policy, self.backend = policy, backend
        spaces = policy.observation_space, policy.action_space
        self.buffer = ph.ReplayBuffer(*spaces, config.capacity, gamma=config.gamma)
        self.unused = 0

    def state_dict(self) -> dict[str, Any]:
        """Return everything, the transitions too."""
        return {
            "backend": self.backend.state_dict(),
            "buffer": self.buffer.state_dict(),
            "unused": self.unused,
            "noise": None if self.policy.noise is None else self.policy.noise.copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.backend.load_state_dict(state["backend"])
        self.buffer.load_state_dict(state["buffer"])
        self.unused = int(state["unused"])
        self.policy.noise = None if state["noise"] is None else np.array(state["noise"])


class SACTrainer(ph.Trainer):
    """Learns from replayed transitions to earn much and to stay as random as it can afford.

        maximise  Σ γᵗ (rₜ + α H(π(·|sₜ)))
        y = r + γ (min(Q₁⁻, Q₂⁻)(s′, a′) − α log π(a′|s′)),   a′ ~ π(·|s′)
        L(Q) = ½ Σ mean((Q(s, a) − y)²)        L(π) = mean(α log π(a|s) − min(Q₁, Q₂)(s, a)),   a ~ π(·|s)
        J(log α) = −log α · mean(log π + H̄)        θ⁻ ← θ⁻ + τ (θ − θ⁻)

    Each gradient step changes critics, actor, temperature α (unless it is fixed) and targets once, in the
    order: temperature, critics, actor, targets. After a termination the value of what followed does not
    count, after a truncation it does. A decision without a known outcome is left out.

    Gradient steps are counted by decisions: an agent that decides rarely, or several that share a policy,
    make fewer or more of them. Until `warm_up` transitions are there, actions are uniform in their bounds.

    Sources: Haarnoja et al. 2018a, arXiv:1801.01290; Haarnoja et al. 2018b, arXiv:1812.05905 (temperature);
    Fujimoto et al. 2018, arXiv:1802.09477 (two critics); Raffin et al. 2022, arXiv:2005.05719
    (state-dependent exploration).
    """

    config_class = SACConfig
    policy_class = MLPSoftActorPolicy
    keep_last = ("learning_rate", "transitions")
    config: SACConfig

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._learners: dict[ph.PolicyID, Learner] = {}

    def collect_plan(self) -> ph.CollectPlan:
        """Play some env steps, several times in an iteration."""
        return ph.CollectPlan(steps=self.config.steps, rounds=self.config.rounds, copies=self.config.copies)

    def setup(self, policy_id: ph.PolicyID, policy: MLPSoftActorPolicy, rng: np.random.Generator) -> None:
        """Make buffer, critics and optimisers before anything is played."""
        self._learners[policy_id] = Learner(policy, self._backend(policy, rng), self.config)

    def begin_round(self, policy_id: ph.PolicyID, policy: MLPSoftActorPolicy) -> None:
        """Let the policy explore: uniformly at first, then by its own noise."""
        policy.is_uniform = len(self._learners[policy_id].buffer) < self.config.warm_up
        policy.renew_noise()

    def update(
        self, policy_id: ph.PolicyID, policy: MLPSoftActorPolicy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Keep what happened, and learn from draws of all that was kept."""
        learner, happened = self._learners[policy_id], batch.transitions
        if len(happened):
            policy.see(policy.layout.features(happened.observations))
        learner.buffer.add(happened)
        found: dict[str, float] = {"transitions": len(learner.buffer)}
        if len(learner.buffer) < self.config.warm_up:
            return found
        learner.unused += len(happened)
        number, learner.unused = divmod(learner.unused, self.config.decisions_per_gradient_step)
        settings = self._settings()
        reports = self._descend(learner, number, settings, rng)
        if reports:
            means = np.mean(reports, axis=0).tolist()
            found |= dict(zip(StepReport._fields, means, strict=True))
        return found | {"learning_rate": settings.learning_rate, "gradient_steps": number}

    def leave(self) -> None:
        """Stop working for a run, and forget what was kept for it."""
        super().leave()
        self._learners.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return, for each policy, its transitions, critics, optimisers and temperature."""
        return {"learners": {policy_id: own.state_dict() for policy_id, own in self._learners.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, after `setup`."""
        for policy_id, saved in state["learners"].items():
            self._learners[policy_id].load_state_dict(saved)

    def _descend(
        self, learner: Learner, number: int, settings: StepSettings, rng: np.random.Generator
    ) -> list[StepReport]:
        """Make so many gradient steps, in groups whose transitions are drawn at once."""
        size, reports = self.config.batch_size, []
        group = max(1, ROWS_AT_ONCE // size)
        for start in range(0, number, group):
            steps = min(group, number - start)
            drawn = learner.buffer.sample(steps * size, rng)
            minibatches = self._minibatches(learner.policy, drawn, steps, rng)
            reports += learner.backend.descend(minibatches, settings)
        return reports

    @staticmethod
    def _minibatches(
        policy: MLPSoftActorPolicy, drawn: ph.ReplaySample, number: int, rng: np.random.Generator
    ) -> list[Minibatch]:
        """Return what was drawn in so many minibatches of one size, each with noise for new actions."""
        size, num_actions = len(drawn) // number, policy.distribution.num_actions
        features, following = policy.features(drawn.observations), policy.features(drawn.next_observations)
        rewards, discounts = drawn.rewards.astype(np.float32), drawn.discounts.astype(np.float32)
        noise = rng.standard_normal((number, 2 * size, num_actions), dtype=np.float32)
        found = []
        for step in range(number):
            rows = slice(step * size, (step + 1) * size)
            columns = features[rows], drawn.actions[rows], rewards[rows], discounts[rows], following[rows]
            found.append(Minibatch(*columns, noise[step]))
        return found

    def _settings(self) -> StepSettings:
        config = self.config
        final = config.lr if config.lr_final is None else config.lr_final
        rate = config.lr + (final - config.lr) * self.progress
        return StepSettings(learning_rate=rate, target_rate=config.target_rate)

    def _backend(self, policy: MLPSoftActorPolicy, rng: np.random.Generator) -> Backend:
        config = self.config
        if config.backend == "numpy" and not isinstance(policy.network, ActorNetwork):
            raise ph.errors.ConfigError(
                f"A {type(policy).__name__} computes in torch, but sac has backend='numpy'. Set "
                "backend='torch' for the trainer."
            )
        temperature, critic = self._temperature(policy), policy.make_critic(config.critic_hidden_sizes, rng)
        if config.backend == "numpy":
            return NumpySoftBackend(policy, critic, temperature)
        try:
            from phantom_sac.torch_soft_backend import TorchSoftBackend
        except ImportError as error:
            raise ph.errors.ConfigError(
                "sac has backend='torch', but torch is not installed. Run: pip install 'phantom-sac[torch]'"
            ) from error
        return TorchSoftBackend(policy, critic, temperature, config.device)

    def _temperature(self, policy: MLPSoftActorPolicy) -> Temperature:
        """Return α as it begins: fixed, or with the target that is set, or minus the number of dimensions."""
        config = self.config
        if config.temperature is not None:
            return Temperature(config.temperature, None)
        target = config.target_entropy
        return Temperature(
            config.initial_temperature, -float(policy.distribution.num_actions) if target is None else target
        )
