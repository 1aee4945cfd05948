"""`LanePlay`: the way of playing copies of every kind of env, agent by agent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from phantom_core.envs.step_result import StepResult
from phantom_core.rollouts.env_copy import EnvCopy
from phantom_core.rollouts.policy_rows import PolicyRows
from phantom_core.rollouts.trajectory import EpisodeSummary
from phantom_core.rollouts.vector_env import VectorEnv
from phantom_core.types import Action, AgentID


class LanePlay:
    """Plays copies of an env in which any agents act, observe, earn, join and leave in any step."""

    def __init__(self, envs: VectorEnv, copies: Sequence[EnvCopy], groups: Collection[PolicyRows]) -> None:
        self._envs = envs
        self._copies = copies
        self._numbers = [copy.number for copy in copies]
        self._groups = groups
        self._actions: list[Mapping[AgentID, Action]] = []
        self._results: Sequence[StepResult] = []

    def prepare(self, begun: Sequence[EnvCopy]) -> None:
        """Let the agents that are to act put their questions."""
        self._actions = [copy.put_questions() for copy in self._copies]

    def decide(self) -> None:
        """Ask each policy once for the actions of all its agents."""
        for group in self._groups:
            if group.lanes:
                group.decide()

    def step(self) -> None:
        """Play these actions."""
        self._results = self._envs.step(self._numbers, self._actions)

    def take(self) -> list[tuple[EnvCopy, EpisodeSummary]]:
        """Take in what the step returned; return the copies whose episodes ended."""
        found = []
        for copy, result in zip(self._copies, self._results):  # noqa: B905  strict costs as much as the loop
            summary = copy.take(result)
            if summary is not None:
                found.append((copy, summary))
        return found

    def finish(self) -> None:
        """Nothing is left to do: the copies know everything."""
