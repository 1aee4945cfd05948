"""The protocols between a run and its trainer: `Session` and `Learner`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.metrics import Metric
from phantom_core.policies.policy import Policy
from phantom_core.policies.policy_mapping import PolicyMapping, PolicySpec
from phantom_core.rollouts.batch import Batch
from phantom_core.rollouts.collect_plan import CollectPlan
from phantom_core.training.run_state import RunFacts, RunState
from phantom_core.types import AgentID, PolicyID


class Session(Protocol):
    """The run, as its trainer sees it."""

    @property
    def facts(self) -> RunFacts:
        """The fixed facts of the run."""

    @property
    def state(self) -> RunState:
        """The current state of the run."""

    @property
    def seed(self) -> int:
        """The seed of the run."""

    @property
    def iteration(self) -> int:
        """The number of the current iteration; -1 before the first."""

    @property
    def progress(self) -> float:
        """The fraction of the run completed before this iteration, from 0.0 to 1.0."""

    def log(self, values: Mapping[str, Any]) -> None:
        """Log values at the end of the iteration; several values with the same name are averaged."""

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Send values to the loggers immediately, with the given step."""

    def write_if_idle(self, iteration: int) -> None:
        """Send logged values to the loggers, unless an iteration is running and will do so at its end."""

    def each_iteration(self, num_iterations: int | None) -> Iterator[int]:
        """Yield the number of each iteration; fire hooks and log around it."""


class Learner(Protocol):
    """The trainer, as its run sees it. Users derive from `Trainer`, which implements it."""

    policy_class: ClassVar[type[Policy]]
    metrics: Mapping[str, Metric]

    @property
    def is_full(self) -> bool:
        """Whether the core collects experience for the trainer, instead of the trainer stepping the env."""

    def collect_plan(self) -> CollectPlan:
        """Return how much the core collects in each iteration."""

    def begin_iteration(self, policy_id: PolicyID, policy: Policy) -> None:
        """Called for each policy before the collection of an iteration."""

    def update(
        self, policy_id: PolicyID, policy: Policy, batch: Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Update one policy from the experience of its agents in this iteration."""

    def training_step(
        self,
        env: Any,
        policy_mapping: Mapping[AgentID, PolicyID],
        policies: Mapping[PolicyID, Policy],
        policies_to_train: Sequence[PolicyID],
    ) -> None:
        """Run one iteration of a trainer that steps the env itself."""

    def iterations(self, num_iterations: int | None = None) -> Iterator[int]:
        """Yield the number of each iteration."""

    def setup_policy_specs_and_mapping(
        self, env: MultiAgentEnv, policies: PolicyMapping
    ) -> tuple[dict[AgentID, PolicyID], dict[PolicyID, Policy]]:
        """Return the policy id of each agent that acts, and the policies."""

    def trainer_of(self, spec: PolicySpec) -> Learner:
        """Return the trainer of a policy."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state kept between iterations, without the policies."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state returned by `state_dict`."""
