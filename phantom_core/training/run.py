"""`Run`: what a trainer may know of its run, and do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.policies.policy import BasePolicy
from phantom_core.rollouts.make_vector_env import make_vector_env
from phantom_core.rollouts.vector_env import VectorEnv
from phantom_core.training.run_loop import RunLoop
from phantom_core.types import AgentID, PolicyID


class Run:
    """The run that a trainer works for: `self.run` in a trainer.

    Attributes:
        name: the name of the run.
        seed: its seed, from which everything random follows.
        directory: the run directory; None if the run writes none.
        total_steps: after so many env steps it ends; None: after `num_iterations`.
        workers: how many worker processes the run was given; 0: envs are stepped in this process.
        make_env: makes the run's env; None if the trainer overrides `train`, to which the env is passed.
    """

    def __init__(self, loop: RunLoop, make_env: Callable[[], MultiAgentEnv] | None) -> None:
        self.loop, self.make_env = loop, make_env
        facts = loop.facts
        self.name: str = facts.name
        self.seed: int = facts.seed
        self.directory: Path | None = facts.directory
        self.total_steps: int | None = facts.total_steps
        self.workers: int = facts.workers

    @property
    def num_iterations(self) -> int | None:
        """After so many iterations it ends; None: after `total_steps`."""
        return self.loop.state.num_iterations

    @property
    def iteration(self) -> int:
        """The number of the current iteration, from 0; -1 before the first."""
        return self.loop.state.iteration

    @property
    def round(self) -> int:
        """The number of the current round, from 0 and over all iterations; -1 before the first.

        A round is a collection and an update of the main trainer; for a simple trainer, an iteration.
        """
        return self.loop.state.rounds - 1

    @property
    def env_steps(self) -> int:
        """The env steps that were made so far; during a collection, before it."""
        return self.loop.state.env_steps

    @property
    def copies(self) -> int:
        """How many copies of the env a full trainer's run plays side by side."""
        return self.loop.state.copies

    @property
    def progress(self) -> float:
        """The fraction of the run that was completed before this round, from 0.0 to 1.0."""
        return self.loop.state.progress

    @property
    def policies(self) -> Mapping[PolicyID, BasePolicy]:
        """Every policy by id."""
        return self.loop.state.policies

    @property
    def policy_by_agent(self) -> Mapping[AgentID, PolicyID]:
        """Policy id by agent id."""
        return self.loop.state.policy_by_agent

    @property
    def policies_to_train(self) -> Sequence[PolicyID]:
        """Ids of the policies that are trained."""
        return self.loop.state.policies_to_train

    @property
    def state_space(self) -> gym.Space[Any] | None:
        """The space of the env's global state, for a central critic; None if the env has none."""
        return self.loop.state.state_space

    def log(self, values: Mapping[str, Any], *, keep_last: bool = False) -> None:
        """Log numbers by name at the end of the iteration: the mean of several with one name, or the last."""
        self.loop.log(values, keep_last=keep_last)

    def stop(self, reason: str) -> None:
        """End the run after this round; `reason` is half a sentence for people to read."""
        self.loop.state.stop_reasons.append(self.loop.facts.secrets.hide(reason))

    def make_vector_env(self, copies: int) -> VectorEnv:
        """Return copies of the run's env, in its worker processes if it has any; close it when done.

        Raises:
            ConfigError: if the trainer overrides `train`, to which the env is passed.
            EnvError: if an env cannot be made.
        """
        if self.make_env is None:
            raise ConfigError(
                "The run does not know its env, because the trainer overrides train(). Make it from the "
                "env_class that train() is given: ph.make_vector_env(env_class, copies)."
            )
        return make_vector_env(self.make_env, copies, workers=self.workers)
