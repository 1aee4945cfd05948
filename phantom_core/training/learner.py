"""`Learner`: the contract between a run and a learning algorithm."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from phantom_core.metrics import Metric
from phantom_core.policies.policy import BasePolicy
from phantom_core.rollouts.batch import Batch, Transitions
from phantom_core.rollouts.collect_plan import CollectPlan
from phantom_core.types import AgentID, PolicyID


class Learner:
    """What a trainer overrides, and the run calls. Users derive from `Trainer`.

    Attributes:
        policy_class: the class of the policies that it trains.
        trainable_class: what a policy must be derived from to be trained, if that is more than
            `policy_class`, which then is the class of those that name none; None: `policy_class`.
        keep_last: names of what `update` returns of which an iteration logs the last value, such as counters
            and schedules. Of all others it logs the mean over its updates.
        uses_workers: whether a simple trainer plays in `self.run.make_vector_env(copies)`, so that a run
            may have workers.
        steps_setting: the setting that has it collect so many env steps, if it collects whole episodes
            otherwise: messages about episodes that do not end name it.
        metrics: metric by name, of the present run.
    """

    policy_class: ClassVar[type[BasePolicy]]
    trainable_class: ClassVar[type[BasePolicy] | None] = None
    keep_last: ClassVar[Collection[str]] = ()
    uses_workers: ClassVar[bool] = False
    steps_setting: ClassVar[str] = ""
    metrics: Mapping[str, Metric]

    def iterations(self, num_iterations: int | None = None) -> Iterator[int]:
        """Yield the number of each iteration until the run ends."""
        raise NotImplementedError

    def policy_settings(self) -> Mapping[str, Any]:
        """Return settings of the policies that it trains, by name, such as `{"hidden_sizes": (64, 64)}`.

        A policy that has a setting of its own in the policy mapping keeps that. The default is none.
        """
        return {}

    def setup(self, policy_id: PolicyID, policy: Any, rng: np.random.Generator) -> None:
        """Called once for each policy that it trains: make its optimiser and buffers here.

        That is before the first iteration and before `load_state_dict`.

        Args:
            policy_id: the id of the policy.
            policy: the policy, an instance of `policy_class`.
            rng: a random generator for what is made.
        """

    def collect_plan(self) -> CollectPlan:
        """Return how much is collected before the next update. A full trainer overrides it.

        It is asked before each collection; `copies` and `needs` must stay as they were when the run began.
        """
        raise NotImplementedError

    @property
    def learns_online(self) -> bool:
        """Whether `learn_step` is called; the default: if it is overridden. It must not change in a run."""
        return type(self).learn_step is not Learner.learn_step

    def begin_round(self, policy_id: PolicyID, policy: Any) -> None:
        """Called for each policy before each collection, such as to set its exploration."""

    def learn_step(
        self, policy_id: PolicyID, policy: Any, rows: Transitions, rng: np.random.Generator
    ) -> None:
        """Learn from one env step; whoever overrides it learns online, unless `learns_online` is False.

        Nothing else is kept of the experience then: `update` is called with an empty batch when the plan is
        fulfilled, to return what is to be logged.

        Args:
            policy_id: the id of the policy.
            policy: the policy, to be updated in place.
            rows: the transitions whose outcome is known since this step, of all agents in all copies.
            rng: the random generator of this policy.
        """
        raise NotImplementedError

    def update(
        self, policy_id: PolicyID, policy: Any, batch: Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Update one policy from what its agents went through since the last call.

        A full trainer overrides it.

        Args:
            policy_id: the id of the policy.
            policy: the policy, to be updated in place.
            batch: what its agents went through: as much as was planned.
            rng: the random generator of this policy.

        Returns:
            Scalars to log as `<policy_id>/<name>`, such as the loss.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return the state kept between iterations, without the policies.

        Optimisers and running statistics belong here, as NumPy arrays and JSON values, nested in dicts
        and lists. Schedules that follow `progress` need no state. The default is an empty dict.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state returned by `state_dict`, between two iterations or before the first."""

    def training_step(
        self,
        env: Any,
        policy_mapping: Mapping[AgentID, PolicyID],
        policies: Mapping[PolicyID, BasePolicy],
        policies_to_train: Sequence[PolicyID],
    ) -> None:
        """Run one iteration of a simple trainer: step the env, log rewards, update the policies in place.

        Args:
            env: the env, which was reset once.
            policy_mapping: policy id by id of each strategic agent.
            policies: policy by id.
            policies_to_train: ids of the policies to update.
        """
        raise NotImplementedError
