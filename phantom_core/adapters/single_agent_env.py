"""`SingleAgentEnvAdapter`: one agent of a multi-agent env as a Gymnasium env."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym

from phantom_core.adapters.other_agents import OtherAgents, OtherPolicies
from phantom_core.adapters.playthrough import Playthrough
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError, EnvError, EpisodeError, did_you_mean, listing
from phantom_core.policies.policy import BasePolicy
from phantom_core.rollouts.measured_env import made_env
from phantom_core.seeding import MAX_SEED
from phantom_core.types import Action, AgentID, Observation, PolicyID

_MOST_EPISODES_WITHOUT_A_TURN = 100


class SingleAgentEnvAdapter(gym.Env[Any, Any]):
    """One agent of a multi-agent env as a Gymnasium env; the others play given policies.

    `step` plays the env until the agent is to decide again, however many env steps that takes, and
    returns all that it earned in between. It ends with the agent: when the agent terminates or is
    truncated (as by the time limit), even if others play on. The last observation is the agent's final
    one; if it made none at its end, its newest once more, with an empty info.

    All draws of an episode, those of the others' policies too, follow from its seed.

    Attributes:
        env: the multi-agent env.
        agent_id: the agent that acts through this env.
    """

    def __init__(
        self,
        env_class: Callable[..., MultiAgentEnv],
        agent_id: AgentID,
        other_policies: OtherPolicies | None = None,
        env_config: Mapping[str, Any] | None = None,
        *,
        render_mode: str | None = None,
    ) -> None:
        """Make the env and the policies of the other agents.

        Args:
            env_class: the class of the env, or a function that makes one.
            agent_id: the agent that acts through this env.
            other_policies: who plays the other strategic agents: a policy mapping as in `train`, with
                a policy in each entry; or by agent id a policy, or `(policy, config)`. A policy is an
                instance (it is copied), a class, or a registered name. Classes and predicates select
                among the other agents. None if there are no others.
            env_config: keyword arguments for the env.
            render_mode: one more keyword argument for the env, if given, as by `gymnasium.make`.

        Raises:
            ConfigError: if the agent does not exist or act.
            PolicyMappingError: if an agent has no policy or two, or a policy cannot be built.
            EnvError: if the env cannot be made.
        """
        if not callable(env_class):
            expected = "Expected an env class, or a function that makes an env."
            raise ConfigError(f"env_class is {env_class!r}. {expected}")
        given = {} if render_mode is None else {"render_mode": render_mode}
        self.env = made_env(env_class, {**(env_config or {}), **given})
        self._play = Playthrough(self.env)
        if agent_id not in self.env.strategic_agent_ids:
            self.env.reset()  # it may build its network there
        acting = self.env.strategic_agent_ids
        if agent_id not in acting:
            is_known, hint = agent_id in self.env.agents, did_you_mean(agent_id, acting)
            what = "does not act" if is_known else f"is no agent of {type(self.env).__name__}"
            raise ConfigError(f"Agent {agent_id!r} {what}.{hint} Agents that act: {listing(acting)}.")
        self.agent_id = agent_id
        self.observation_space = copy.deepcopy(self.env.observation_spaces[agent_id])
        self.action_space = copy.deepcopy(self.env.action_spaces[agent_id])
        self.render_mode: str | None = getattr(self.env, "render_mode", None)
        self.metadata = {
            "render_modes": [] if self.render_mode is None else [self.render_mode],
            **getattr(self.env, "metadata", {}),
        }
        self._others = OtherAgents(self.env, agent_id, other_policies or {})
        self._has_ended = True
        self._earned = 0.0

    @property
    def policies(self) -> Mapping[PolicyID, BasePolicy]:
        """The policies of the other agents, by policy id; `load_state_dict` gives one new parameters."""
        return self._others.policies

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode and play it until the agent is to decide.

        An episode in which it never is to is followed by the next one, up to 100 times. What the agent
        earns before its first decision is paid with its first step.

        Args:
            seed: the seed of the episode; None: the next of the stream that the last given one started.
            options: passed to the env.

        Raises:
            EnvError: if the agent is never to decide.
        """
        super().reset(seed=seed)
        for _ in range(_MOST_EPISODES_WITHOUT_A_TURN):
            episode_seed = int(self.np_random.integers(MAX_SEED, endpoint=True)) if seed is None else seed
            seed = None
            self._others.begin_episode(episode_seed)
            self._play.reset(episode_seed, options)
            self._has_ended, self._earned = False, 0.0
            self._play_on()
            if not self._has_ended:
                return self._play.observations[self.agent_id], self._play.infos.get(self.agent_id, {})
        raise EnvError(
            f"{self.agent_id!r} did not act in {_MOST_EPISODES_WITHOUT_A_TURN} episodes of "
            f"{type(self.env).__name__}. Choose an agent that observes and has a turn."
        )

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Act, and play the env until the agent is to decide again or has ended.

        Raises `EnvError` if the action is outside the agent's space, `EpisodeError` outside of an episode.
        """
        if self._has_ended:
            when = "after its episode ended" if self._play.observations else "before its first reset"
            raise EpisodeError(f"{type(self).__name__} was stepped {when}. Call env.reset().")
        self._play.check_action(self.agent_id, action)
        seen = self._play.observations[self.agent_id]
        terminated, truncated = self._play_once({self.agent_id: action})
        if not self._has_ended:
            terminated, truncated = self._play_on()
        earned, self._earned = self._earned, 0.0
        observation, info = self._play.observations[self.agent_id], self._play.infos.get(self.agent_id, {})
        if observation is seen:  # it made none at its end
            observation, info = copy.deepcopy(seen), {}
        return observation, earned, terminated, truncated, info

    def render(self) -> Any:
        """Return what the env's own `render` returns; None if it has none."""
        render = getattr(self.env, "render", None)
        return None if render is None else render()

    def close(self) -> None:
        """Close the env."""
        self.env.close()

    def _play_on(self) -> tuple[bool, bool]:
        """Play until the agent is to decide or has ended; tell whether it terminated, was truncated."""
        flags = (False, False)
        while not self._has_ended and self.agent_id not in self._play.deciding_agent_ids:
            flags = self._play_once({})
        return flags

    def _play_once(self, own: Mapping[AgentID, Action]) -> tuple[bool, bool]:
        """Play one env step with this agent's action, if it is to decide, and those of the others."""
        play, agent_id = self._play, self.agent_id
        others = {i: play.observations[i] for i in play.deciding_agent_ids if i != agent_id}
        result = play.step({**self._others.decide(others), **own})
        self._earned += result.rewards.get(agent_id, 0.0)
        terminated = result.terminations.get(agent_id, False)
        truncated = result.truncations.get(agent_id, False)
        self._has_ended = terminated or truncated or play.is_over
        return terminated, truncated
