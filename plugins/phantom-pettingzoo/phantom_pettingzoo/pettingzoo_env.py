"""`PettingZooEnv`: any env of PettingZoo as an env that can be trained in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gymnasium as gym
from pettingzoo import ParallelEnv

import phantom_core as ph
from phantom_pettingzoo.make_pettingzoo_env import make_pettingzoo_env
from phantom_pettingzoo.pettingzoo_games import Game, ParallelGame, TurnGame

_WHOLE_ENV = {ph.tools.ALL}


class PettingZooAgent(ph.StrategicAgent):
    """Stands for whoever acts in the PettingZoo env; only its id and spaces are used."""


class PettingZooEnv:
    """An env of PettingZoo as one of ours.

    A `ParallelEnv`, or an `AECEnv` that PettingZoo calls parallelizable, is played with all live agents
    at once. Any other `AECEnv` is played as it is: one agent acts in each step, and observes when its
    turn comes, or at its end, together with what it earned since its last turn.

    An env with `state_dict` and `load_state_dict` carries what they hold from one episode to the next, also
    in a run that is resumed. Finite observations beyond the bounds of a Box are clipped to them for policies,
    with a warning.

    Attributes:
        pettingzoo_env: the env of PettingZoo.
        clips_observations: True.
    """

    clips_observations = True

    def __init__(self, env: str | Callable[..., Any] | Any, **make_kwargs: Any) -> None:
        """Wrap an env.

        Args:
            env: an env; or what makes one: a function or class, `"package.module:function"`, a module
                such as `"mpe2.simple_spread_v3"`, or an id of PettingZoo's registry. The parallel env
                is made where there are both.
            **make_kwargs: passed to what makes the env.

        Raises:
            ConfigError: if the env cannot be found or made.
        """
        made = make_pettingzoo_env(env, make_kwargs)
        self.pettingzoo_env: Any = made
        is_parallel = isinstance(made, ParallelEnv)
        self._game: Game = ParallelGame(made) if is_parallel else TurnGame(made)
        self._agents: dict[ph.AgentID, PettingZooAgent] = {}
        if not hasattr(made, "possible_agents"):  # it makes up its agents as it goes
            made.reset()
            self._meet(made.agents)
        else:
            self._meet(made.possible_agents)
        inner = made.unwrapped
        is_own = hasattr(type(self), "state_dict")  # a subclass says what is carried over
        if not is_own and hasattr(inner, "state_dict") and hasattr(inner, "load_state_dict"):
            self.state_dict, self.load_state_dict = inner.state_dict, inner.load_state_dict

    @property
    def agents(self) -> Mapping[ph.AgentID, ph.Agent]:
        """The possible agents by id, and those that appeared without having been announced."""
        return self._agents

    @property
    def strategic_agent_ids(self) -> list[ph.AgentID]:
        """The ids of `agents`: all of them act."""
        return list(self._agents)

    @property
    def observation_spaces(self) -> dict[ph.AgentID, gym.Space[Any]]:
        """Observation space by agent id."""
        return {i: self.pettingzoo_env.observation_space(i) for i in self._agents}

    @property
    def action_spaces(self) -> dict[ph.AgentID, gym.Space[Any]]:
        """Action space by agent id."""
        return {i: self.pettingzoo_env.action_space(i) for i in self._agents}

    @property
    def acting_agent_ids(self) -> tuple[ph.AgentID, ...] | None:
        """The agent whose turn it is; None in parallel envs: everybody."""
        return self._game.acting_agent_ids

    @property
    def state_space(self) -> gym.Space[Any] | None:
        """The space of the global state; None if the env has none."""
        space: gym.Space[Any] | None = getattr(self.pettingzoo_env, "state_space", None)
        return space

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the env says about itself, such as its name and render modes."""
        found: Mapping[str, Any] = getattr(self.pettingzoo_env, "metadata", {})
        return found

    @property
    def render_mode(self) -> str | None:
        """The render mode of the env."""
        mode: str | None = getattr(self.pettingzoo_env, "render_mode", None)
        return mode

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[ph.AgentID, ph.Observation], dict[ph.AgentID, dict[str, Any]]]:
        """Start an episode.

        Args:
            seed: passed to the env; taken modulo 2**31, because some envs take no larger ones.
            options: passed to the env.
        """
        given = None if options is None else dict(options)
        observations, infos = self._game.reset(ph.seeding.small_seed(seed), given)
        self._meet(observations)
        return observations, infos

    def step(self, actions: Mapping[ph.AgentID, ph.Action]) -> ph.StepResult:
        """Play one step.

        Raises:
            EnvError: if there is no action for an agent whose turn it is.
            EpisodeError: before the first reset, or after the end.
        """
        result = self._game.step(actions)
        if not result.terminations.keys() - _WHOLE_ENV <= self._agents.keys():
            self._meet(result.terminations.keys() - _WHOLE_ENV)
        return result

    def state(self) -> Any:
        """Return the global state, as the env itself does."""
        return self.pettingzoo_env.state()

    def render(self) -> Any:
        """Return what the env's own `render` returns."""
        return self.pettingzoo_env.render()

    def close(self) -> None:
        """Close the env."""
        self.pettingzoo_env.close()

    def _meet(self, agent_ids: Iterable[ph.AgentID]) -> None:
        for agent_id in agent_ids:
            if agent_id not in self._agents:
                agent = self._agents[agent_id] = PettingZooAgent(agent_id)
                agent.observation_space = self.pettingzoo_env.observation_space(agent_id)
                agent.action_space = self.pettingzoo_env.action_space(agent_id)
