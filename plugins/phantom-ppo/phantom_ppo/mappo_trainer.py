"""`MAPPOTrainer`: PPO with a critic that sees the whole env."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_ppo.actor_policy import ActorPolicy, MLPStochasticActorPolicy
from phantom_ppo.central_backend import CentralBackend, CentralCritic
from phantom_ppo.central_view import CentralView, GlobalState, JoinedObservations, Oneself, Seats, View
from phantom_ppo.mappo_config import MAPPOConfig
from phantom_ppo.ppo_trainer import PPOTrainer

Array = NDArray[Any]


class MAPPOTrainer(PPOTrainer):
    """PPO for teams: each agent acts on what it sees, and a critic that sees everything judges it.

        A = GAE(λ) of δₜ = rₜ + γ V(sₜ₊₁) − V(sₜ)

    in the loss of `ppo`, where s is, in this order of preference,

    - `env.state()`, in an env that has one;
    - the observations of all agents of the policy at that moment, side by side, with zeros for agents that
      ended or do not act then.

    With `agent_specific` the agent's own observation and a one-hot number of the agent follow: where agents
    are paid differently, or share no state, their values differ, too. With `normalize_values` the critic
    learns (R − μ) / σ, with the running mean μ and deviation σ of returns, and its value is σ V̂ + μ
    (`ValueScale`). Rows of agents that ended are no samples.

    Actor and critic are two networks, each with an optimiser of its own. The critic belongs to the trainer:
    its weights are saved in the trainer's state, are resumed, and are no part of the policy, which needs
    nothing but its own observation. Where a policy has one agent, in an env without a state, the critic sees
    no more than that of `ppo`. Agents are those that are there when the run begins; one that joins later is
    a `ConfigError`, unless the critic sees a state and nothing of who is judged.

    Source: Yu et al. 2022, "The surprising effectiveness of PPO in cooperative multi-agent games",
    arXiv:2103.01955, section 5.
    """

    config_class: ClassVar[type[MAPPOConfig]] = MAPPOConfig
    policy_class: ClassVar[type[MLPStochasticActorPolicy]] = MLPStochasticActorPolicy
    trainable_class = MLPStochasticActorPolicy
    conformance: Mapping[str, Any] = {}
    config: MAPPOConfig

    def collect_plan(self) -> ph.CollectPlan:
        """Play so many env steps in each copy of the env, and note its states, if it has any."""
        has_state = self.run.state_space is not None
        return replace(super().collect_plan(), needs=("state",) if has_state else ())

    def update(
        self,
        policy_id: ph.PolicyID,
        policy: ActorPolicy,
        batch: ph.Batch,
        rng: np.random.Generator,
    ) -> Mapping[str, float]:
        """Make the policy and its critic better, in several passes over what its agents went through."""
        quantities = super().update(policy_id, policy, batch, rng)
        if quantities:
            backend: Any = self._learners[policy_id].backend
            backend.critic.view.see(batch.trajectories)
        return quantities

    def _backend(
        self, policy_id: ph.PolicyID, policy: MLPStochasticActorPolicy, rng: np.random.Generator
    ) -> CentralBackend:
        """Make the critic of a policy."""
        sizes = self.config.critic_hidden_sizes
        critic = CentralCritic(
            self._view(policy_id, policy),
            policy.config.hidden_sizes if sizes is None else sizes,
            policy.config.activation,
            rng,
            is_scaled=self.config.normalize_values,
        )
        return CentralBackend(policy, critic)

    def _view(self, policy_id: ph.PolicyID, policy: MLPStochasticActorPolicy) -> CentralView:
        """Return what the critic of a policy sees."""
        run, width = self.run, policy.layout.width
        seats = Seats(policy_id, [agent for agent, its in run.policy_by_agent.items() if its == policy_id])
        clip = policy.config.observation_clip if policy.config.normalize_observations else None
        views: list[View] = [
            JoinedObservations(seats, width)
            if run.state_space is None
            else GlobalState(run.state_space, clip)
        ]
        return CentralView(*views, *[Oneself(seats, width)] * self.config.agent_specific)

    def _features(self, policy: ActorPolicy, backend: Any, batch: ph.Trajectories) -> tuple[Array, Array]:
        """Return what actor and critic see, side by side."""
        own, own_next = super()._features(policy, backend, batch)
        seen, seen_next = backend.critic.view(batch, own, own_next)
        return np.concatenate((own, seen), axis=1), np.concatenate((own_next, seen_next), axis=1)
