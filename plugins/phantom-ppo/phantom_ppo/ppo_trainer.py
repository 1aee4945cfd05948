"""`PPOTrainer`: proximal policy optimisation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_ppo.actor_critic import ActorCriticPolicy, MLPActorCriticPolicy
from phantom_ppo.actor_policy import ActorPolicy
from phantom_ppo.advantages import gae
from phantom_ppo.numpy_backend import NumpyBackend
from phantom_ppo.ppo_config import PPOConfig
from phantom_ppo.ppo_loss import LossSettings, Minibatch, Samples, Step, normalised
from phantom_ppo.reward_scale import RewardScale
from phantom_ppo.sequences import Inputs, shuffled_rows
from phantom_ppo.twin_mlp import TwinMLP
from phantom_ppo.update_report import UpdateReport, check_first_ratio

Array = NDArray[Any]


class Backend(Protocol):
    """Computes values, probabilities and gradient steps of one policy."""

    def values(self, features: Inputs) -> Array:
        """Return the value of each row of features: [B]."""

    def evaluate(self, features: Inputs, masks: Array | None, actions: Array) -> tuple[Array, Array]:
        """Return how likely each action is now, and the value of each row: log π(a|s) [B] and V(s) [B]."""

    def descend(
        self, samples: Samples, minibatches: Iterable[Minibatch], settings: LossSettings
    ) -> list[Step]:
        """Make a gradient step on each minibatch, until the policy has moved too far."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimiser."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""


@dataclass(frozen=True, slots=True)
class Learner:
    """What the trainer keeps for one policy between updates."""

    backend: Backend
    reward_scale: RewardScale


class PPOTrainer(ph.Trainer):
    """Learns from what the policy just did, in steps that keep it close to what it was.

    Each iteration plays the policy, estimates advantages with GAE(λ), and then makes several passes
    over the decisions in shuffled minibatches, descending the clipped loss of `ppo_loss`.

    Values and log-probabilities are computed after the rollout, in one pass, with the weights that the
    policy acted with. A decision that waited for its outcome through an update is counted as one of
    the policy as it is now.

    Source: Schulman et al. 2017, "Proximal policy optimization algorithms", arXiv:1707.06347; details
    as collected by Huang et al. 2022, "The 37 implementation details of proximal policy optimization".
    """

    config_class: ClassVar[type[PPOConfig]] = PPOConfig
    policy_class: ClassVar[type[ActorPolicy]] = MLPActorCriticPolicy
    trainable_class: ClassVar[type[ph.BasePolicy] | None] = ActorCriticPolicy
    conformance: Mapping[str, Any] = {"idle_settings": ("sequence_length",)}  # its policies have no memory
    keep_last = ("learning_rate",)
    config: PPOConfig

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._learners: dict[ph.PolicyID, Learner] = {}

    def collect_plan(self) -> ph.CollectPlan:
        """Play so many env steps in each copy of the env."""
        copies = self.config.copies
        return ph.CollectPlan(steps=copies * self.config.steps_per_copy, copies=copies)

    def setup(self, policy_id: ph.PolicyID, policy: ActorPolicy, rng: np.random.Generator) -> None:
        """Make the optimiser before anything is played: what it lacks is said at once."""
        scale = RewardScale(self.config.gamma, self.config.reward_clip)
        self._learners[policy_id] = Learner(self._backend(policy_id, policy, rng), scale)

    def update(
        self,
        policy_id: ph.PolicyID,
        policy: ActorPolicy,
        batch: ph.Batch,
        rng: np.random.Generator,
    ) -> Mapping[str, float]:
        """Make the policy better, in several passes over what its agents went through."""
        if not len(batch):
            return {}
        learner, settings = self._learners[policy_id], self._settings()
        samples = self._samples(policy, learner, batch.trajectories)
        if not len(samples):
            return {}
        report = UpdateReport(learner.backend.descend(samples, self._minibatches(samples, rng), settings))
        check_first_ratio(report.first, policy)
        policy.see(policy.layout.features(batch.trajectories.observations))
        return report.quantities(samples, settings)

    def leave(self) -> None:
        """Stop working for a run, and forget its optimisers."""
        super().leave()
        self._learners.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return, for each policy, the state of its optimiser and the scale of its rewards."""
        learners = {
            policy_id: {
                "optimizer": learner.backend.state_dict(),
                "rewards": learner.reward_scale.state_dict(),
            }
            for policy_id, learner in self._learners.items()
        }
        return {"learners": learners}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, after `setup`."""
        for policy_id, saved in state["learners"].items():
            self._learners[policy_id].backend.load_state_dict(saved["optimizer"])
            self._learners[policy_id].reward_scale.load_state_dict(saved["rewards"])

    def _backend(self, policy_id: ph.PolicyID, policy: Any, rng: np.random.Generator) -> Backend:
        """Return what computes gradients for a policy."""
        if self.config.backend == "numpy" and isinstance(policy.network, TwinMLP):
            return NumpyBackend(policy)
        if self.config.backend == "numpy":
            raise ph.errors.ConfigError(
                f"A {type(policy).__name__} learns in torch, but ppo has backend='numpy'. Set "
                "backend='torch' for the trainer."
            )
        try:
            from phantom_ppo.recurrent_torch_backend import RecurrentTorchBackend
            from phantom_ppo.torch_backend import TorchBackend
        except ImportError as error:
            raise ph.errors.ConfigError(
                "ppo has backend='torch', but torch is not installed. Run: pip install 'phantom-ppo[torch]'"
            ) from error
        is_recurrent = isinstance(policy, ph.RecurrentPolicy)
        return (RecurrentTorchBackend if is_recurrent else TorchBackend)(policy, self.config.device)

    def _settings(self) -> LossSettings:
        """Return the settings of this update: schedules go linearly from first to final value."""
        config, progress = self.config, self.progress

        def now(first: float, final: float) -> float:
            return first + (final - first) * progress

        return LossSettings(
            learning_rate=now(config.lr, config.lr_final),
            clip_range=now(config.clip_range, config.clip_range_final),
            entropy_coefficient=now(config.entropy_coefficient, config.entropy_coefficient_final),
            value_coefficient=config.value_coefficient,
            clip_range_value=config.clip_range_value,
            max_grad_norm=config.max_grad_norm,
            max_kl=None if config.target_kl is None else 1.5 * config.target_kl,
        )

    def _features(self, policy: ActorPolicy, backend: Any, batch: ph.Trajectories) -> tuple[Inputs, Inputs]:
        """Return what the networks are given: for each decision, and for what followed each trajectory."""
        return policy.inputs(batch, self.config.sequence_length)

    def _samples(self, policy: ActorPolicy, learner: Learner, batch: ph.Trajectories) -> Samples:
        """Return what was collected, with values, advantages and log-probabilities."""
        backend = learner.backend
        rewards = learner.reward_scale(batch) if self.config.normalize_rewards else batch.rewards
        features, next_features = self._features(policy, backend, batch)
        masks = policy.layout.mask(batch.observations)
        actions = policy.distribution.as_array(batch.actions)
        log_probs, values = backend.evaluate(features, masks, actions)
        is_over, is_unknown = batch.terminated, ~(batch.has_next | batch.terminated)
        last_unknown = batch.starts[1:][is_unknown] - 1
        if is_unknown.any():  # such a decision earned what the critic promised, and teaches nothing
            rewards = rewards.copy()
            rewards[last_unknown] = values[last_unknown]
            is_over = is_over | is_unknown
        advantages = gae(
            rewards,
            values,
            backend.values(next_features),
            is_over,
            batch.starts,
            gamma=self.config.gamma,
            gae_lambda=self.config.gae_lambda,
        )
        samples = Samples(
            features,
            masks,
            actions,
            log_probs,
            values,
            advantages.astype(values.dtype),
            (advantages + values).astype(values.dtype),
        )
        return samples[np.delete(np.arange(len(samples)), last_unknown)] if is_unknown.any() else samples

    def _minibatches(self, samples: Samples, rng: np.random.Generator) -> Iterator[Minibatch]:
        """Yield every decision once per epoch, in shuffled minibatches of nearly equal size."""
        number = -(-len(samples) // self.config.minibatch_size)
        if number == 1:  # the order of the rows makes no difference
            yield from repeat((None, self._comparable(samples.advantages)), self.config.epochs)
            return
        for _ in range(self.config.epochs):
            for rows in shuffled_rows(samples.features, number, rng):
                yield rows, self._comparable(samples.advantages[rows])

    def _comparable(self, advantages: Array) -> Array:
        """Return the advantages of a minibatch normalised, if so set."""
        return normalised(advantages) if self.config.normalize_advantages else advantages
