"""`EnvHost`: what happens beside an env, in the process in which it lives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.metrics import Metric, Mode, record_metrics, reduce_metrics
from phantom_core.policies.policy_mapping import PolicySpec, policies_for
from phantom_core.rollouts.copy_state import digest, generators_of
from phantom_core.types import Action, AgentID, Observation, PolicyID


class EnvHost:
    """Steps one env and reads its metrics, which need the env's own objects.

    Attributes:
        env: the env.
        step: plays one step.
    """

    def __init__(self, env: MultiAgentEnv) -> None:
        self.env = env
        self.step = env.step
        self._metrics: Mapping[str, Metric] = {}
        self._mode: Mode = "train"
        self._values: defaultdict[str, list[Any]] = defaultdict(list)

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics after each step from now on."""
        self._metrics, self._mode = metrics, mode
        self.step = self._step_and_measure if metrics else self.env.step

    def reset(self, seed: int) -> dict[AgentID, Observation]:
        """Start an episode; return the first observations."""
        self._values.clear()
        return self.env.reset(seed=seed)[0]

    def take_metrics(self) -> dict[str, Any]:
        """Return the reduced metrics of the episode that just ended."""
        return reduce_metrics(self._metrics, self._values, self._mode) if self._metrics else {}

    def policies_for(self, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]) -> list[PolicyID]:
        """Return the policies whose rule holds for an agent that joined."""
        return policies_for(self.env.agents[agent_id], specs)

    def fingerprint(self) -> str:
        """Return a hash of the states of the env's named generators."""
        return digest(generators_of(self.env))

    def _step_and_measure(self, actions: Mapping[AgentID, Action]) -> StepResult:
        result = self.env.step(actions)
        record_metrics(self.env, self._metrics, self._values)
        return result
