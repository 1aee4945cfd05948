"""What a run asks of a trainer, and what a trainer sees of its run: the two protocols between them."""

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
    """What a trainer sees of the run that it is in."""

    @property
    def facts(self) -> RunFacts:
        """What the run is."""

    @property
    def state(self) -> RunState:
        """Where it stands."""

    @property
    def seed(self) -> int:
        """What everything random in the run follows from."""

    @property
    def iteration(self) -> int:
        """The iteration that is being made; -1 before the first."""

    @property
    def progress(self) -> float:
        """The share of the run made before this iteration, from 0.0 to 1.0."""

    def log(self, values: Mapping[str, Any]) -> None:
        """Keep values for the end of the iteration; several under one name are averaged."""

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Hand values to the loggers at once, under a step of their own."""

    def write_if_idle(self, iteration: int) -> None:
        """Hand over what was logged, if no iteration is being made that will do it at its end."""

    def each_iteration(self, num_iterations: int | None) -> Iterator[int]:
        """Yield the number of each iteration; fire hooks and log around it."""


class Learner(Protocol):
    """What a run asks of a trainer; `Trainer` is the class that users derive from."""

    policy_class: ClassVar[type[Policy]]
    metrics: Mapping[str, Metric]

    @property
    def is_full(self) -> bool:
        """Whether it learns from what the core collects, instead of stepping the env itself."""

    def collect_plan(self) -> CollectPlan:
        """Return how much the core collects in each iteration."""

    def begin_iteration(self, policy_id: PolicyID, policy: Policy) -> None:
        """Called for each policy before an iteration's collection."""

    def update(
        self, policy_id: PolicyID, policy: Policy, batch: Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Learn from what the agents of one policy went through in this iteration."""

    def training_step(
        self,
        env: Any,
        policy_mapping: Mapping[AgentID, PolicyID],
        policies: Mapping[PolicyID, Policy],
        policies_to_train: Sequence[PolicyID],
    ) -> None:
        """Make one iteration of a trainer that steps the env itself."""

    def iterations(self, num_iterations: int | None = None) -> Iterator[int]:
        """Yield the number of each iteration."""

    def setup_policy_specs_and_mapping(
        self, env: MultiAgentEnv, policies: PolicyMapping
    ) -> tuple[dict[AgentID, PolicyID], dict[PolicyID, Policy]]:
        """Return the policy id of each agent that acts, and the policies."""

    def trainer_of(self, spec: PolicySpec) -> Learner:
        """Return who trains a policy."""

    def state_dict(self) -> dict[str, Any]:
        """Return what it keeps from one iteration to the next, apart from its policies."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
