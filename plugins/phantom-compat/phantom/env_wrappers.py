"""One agent of an env as a single-agent env of Gymnasium."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

import phantom_core as ph
from phantom.env import PhantomEnv
from phantom.policy import Policy
from phantom.types import AgentID


class SingleAgentEnvAdapter(gym.Env[Any, Any]):
    """Plays one agent; the others act by policies of their own.

    `step` goes on until the agent observes again, and sums its rewards.
    """

    def __init__(
        self,
        env_class: type[PhantomEnv],
        agent_id: AgentID,
        other_policies: Mapping[AgentID, tuple[type[Policy], Mapping[str, Any]]],
        env_config: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the env and the policies.

        Args:
            env_class: the env to play in.
            agent_id: the agent to play.
            other_policies: policy class and settings of each other agent that acts.
            env_config: keyword arguments for `env_class`.

        Raises:
            ValueError: if an agent does not exist, has two policies or has none.
        """
        self._env = env_class(**dict(env_config or {}))
        self._active_agent = agent_id
        self._check(other_policies)
        self._observations: dict[AgentID, Any] = {}
        self._actions: dict[AgentID, Any] = {}
        self._ended: set[AgentID] = set()
        self._env.reset()
        self._policies = {
            other_id: policy_class(
                self.agents[other_id].observation_space, self.agents[other_id].action_space, **config
            )
            for other_id, (policy_class, config) in other_policies.items()
        }

    @property
    def active_agent(self) -> AgentID:
        """The id of the agent that is played."""
        return self._active_agent

    @property
    def agents(self) -> Mapping[AgentID, Any]:
        """Agent by id."""
        return self._env.agents

    @property
    def agent_ids(self) -> list[AgentID]:
        """The ids of all agents."""
        return self._env.agent_ids

    @property
    def n_agents(self) -> int:
        """The number of agents."""
        return self._env.n_agents

    @property
    def current_step(self) -> int:
        """The number of steps taken in this episode."""
        return self._env.current_step

    @property
    def action_space(self) -> gym.Space[Any]:  # type: ignore[override]  # an attribute there
        """The action space of the agent."""
        space: gym.Space[Any] = self.agents[self._active_agent].action_space
        return space

    @property
    def observation_space(self) -> gym.Space[Any]:  # type: ignore[override]  # an attribute there
        """The observation space of the agent."""
        space: gym.Space[Any] = self.agents[self._active_agent].observation_space
        return space

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; others act until the agent observes."""
        super().reset(seed=seed)
        self._observations, _ = self._env.reset(seed=seed, options=options)
        self._actions = {}
        self._ended.clear()
        infos: dict[str, Any] = {}
        while self._active_agent not in self._observations:
            step = self._play({})
            infos = step.infos.get(self._active_agent, {})
            if _is_over(step):
                raise RuntimeError(
                    f"Agent {self._active_agent!r} observed nothing in a whole episode. Play another one."
                )
        return self._observations[self._active_agent], infos

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Act, and go on until the agent observes again or the episode ends."""
        me = self._active_agent
        observation, reward = self._observations[me], 0.0
        infos: dict[str, Any] = {}
        step = self._play({me: action})
        while True:
            reward += step.rewards.get(me) or 0.0
            observation, infos = step.observations.get(me, observation), step.infos.get(me, infos)
            terminated = bool(step.terminations.get(me) or step.terminations["__all__"])
            truncated = bool(step.truncations.get(me) or step.truncations["__all__"])
            if me in step.observations or terminated or truncated:
                self._observations.setdefault(me, observation)
                return observation, reward, terminated, truncated, infos
            step = self._play({})

    def _play(self, own: dict[AgentID, Any]) -> ph.StepResult:
        """Make one step with the own action and those of the others who observed."""
        others = {
            agent_id: self._policies[agent_id].compute_action(observation)
            for agent_id, observation in self._observations.items()
            if agent_id in self._policies and agent_id not in self._ended
        }
        self._actions = {**own, **others}
        step = self._env.step(self._actions)
        self._observations = dict(step.observations)
        ends = (*step.terminations.items(), *step.truncations.items())
        self._ended |= {agent_id for agent_id, has_ended in ends if has_ended}
        return step

    def _check(self, other_policies: Mapping[AgentID, Any]) -> None:
        me, name = self._active_agent, type(self._env).__name__
        for agent_id in (me, *other_policies):
            if agent_id not in self.agents:
                raise ValueError(f"{name} has no agent '{agent_id}'. Its agents: {self.agent_ids}.")
        if me in other_policies:
            raise ValueError(f"Agent '{me}' is the active agent, so it may not be in other_policies.")
        for agent_id in self._env.strategic_agent_ids:
            has_space = self.agents[agent_id].action_space is not None
            if agent_id != me and agent_id not in other_policies and has_space:
                raise ValueError(f"Agent '{agent_id}' acts, but has no policy. Add it to other_policies.")


def _is_over(step: ph.StepResult) -> bool:
    return step.terminations["__all__"] or step.truncations["__all__"]
