"""The two ways in which PettingZoo's envs are played: everybody at once, or one after the other.

Infos are copied, because many envs hand out the same dicts again and again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Protocol

import numpy as np

import phantom_core as ph

FirstObservations = tuple[dict[ph.AgentID, ph.Observation], dict[ph.AgentID, dict[str, Any]]]


class Game(Protocol):
    """An env of PettingZoo, played as ours are."""

    @property
    def acting_agent_ids(self) -> tuple[ph.AgentID, ...] | None:
        """Who may act in the next step; None: everybody."""

    def reset(self, seed: int | None, options: dict[str, Any] | None) -> FirstObservations:
        """Start an episode."""

    def step(self, actions: Mapping[ph.AgentID, ph.Action]) -> ph.StepResult:
        """Play one step."""


class ParallelGame:
    """Plays a `ParallelEnv`: every live agent acts in every step.

    An agent that the env lets go without a word is truncated. One that is in `agents` again after its
    end is in the game again.
    """

    acting_agent_ids: None = None

    def __init__(self, env: Any) -> None:
        self._env = env
        self._live: list[ph.AgentID] = []
        self._has_truncated = False

    def reset(self, seed: int | None, options: dict[str, Any] | None) -> FirstObservations:
        """Start an episode; everybody observes."""
        observations, infos = _dicts("reset", self._env.reset(seed=seed, options=options), _FIRST)
        self._live, self._has_truncated = list(self._env.agents), False
        seen = {i: observations[i] for i in self._live if i in observations}
        return seen, {i: dict(infos.get(i, ())) for i in seen}

    def step(self, actions: Mapping[ph.AgentID, ph.Action]) -> ph.StepResult:
        """Let every live agent act."""
        before = self._live
        try:
            chosen = {agent_id: actions[agent_id] for agent_id in before}
        except KeyError as missing:
            raise _no_action(missing.args[0], actions) from None
        if not before:
            raise _not_running()
        found = _dicts("step", self._env.step(chosen), _STEP)
        observations, rewards, terminations, truncations, infos = found
        remaining = self._env.agents
        result = ph.StepResult({}, {}, {}, {}, {})
        self._live = []
        for agent_id in remaining if remaining == before else dict.fromkeys((*before, *remaining)):
            terminated = bool(terminations.get(agent_id, False))
            truncated = bool(truncations.get(agent_id, False))
            if not (terminated or truncated):
                if agent_id in remaining:
                    self._live.append(agent_id)
                else:
                    truncated = True
            elif agent_id not in before:
                continue  # it ended before, but the env still lists it
            self._has_truncated |= truncated
            result.terminations[agent_id], result.truncations[agent_id] = terminated, truncated
            if agent_id in observations:
                result.observations[agent_id] = observations[agent_id]
                result.infos[agent_id] = dict(infos.get(agent_id, ()))
            if agent_id in rewards:
                result.rewards[agent_id] = _as_float(rewards[agent_id])
        _end_if_over(result, is_over=not self._live, has_truncated=self._has_truncated)
        return result


class TurnGame:
    """Plays an `AECEnv` natively: one agent acts in each step, and observes when its turn comes."""

    def __init__(self, env: Any) -> None:
        self._env = env
        self._is_over = True
        self._has_truncated = False

    @property
    def acting_agent_ids(self) -> tuple[ph.AgentID, ...]:
        """The agent whose turn it is."""
        return () if self._is_over else (self._env.agent_selection,)

    def reset(self, seed: int | None, options: dict[str, Any] | None) -> FirstObservations:
        """Start an episode; the first agent observes."""
        self._env.reset(seed=seed, options=options)
        if not (hasattr(self._env, "terminations") and hasattr(self._env, "truncations")):
            raise ph.errors.EnvError(
                f"{self._env} has no terminations and truncations after its reset. Expected two dicts by "
                "agent id; dones are PettingZoo's old form."
            )
        self._has_truncated = False
        result = self._hear(list(self._env.agents))
        return result.observations, result.infos

    def step(self, actions: Mapping[ph.AgentID, ph.Action]) -> ph.StepResult:
        """Let the agent whose turn it is act."""
        if self._is_over:
            raise _not_running()
        env = self._env
        agent_id = env.agent_selection
        if agent_id not in actions:
            raise _no_action(agent_id, actions)
        before = list(env.agents)
        env.step(actions[agent_id])
        return self._hear(before)

    def _hear(self, before: list[ph.AgentID]) -> ph.StepResult:
        """Take leave of the agents that ended; stop at the one that is to act next."""
        env = self._env
        result = ph.StepResult({}, {}, dict.fromkeys(before, False), dict.fromkeys(before, False), {})
        is_over = True
        while env.agents:
            agent_id = env.agent_selection
            observation, reward, terminated, truncated, info = env.last()
            result.observations[agent_id], result.infos[agent_id] = observation, dict(info)
            result.rewards[agent_id] = _as_float(reward)
            result.terminations[agent_id], result.truncations[agent_id] = bool(terminated), bool(truncated)
            if not (terminated or truncated):
                is_over = False
                break
            self._has_truncated |= bool(truncated)
            env.step(None)
            if agent_id in env.agents:
                raise ph.errors.EnvError(
                    f"{env} keeps {agent_id!r} among its agents after its end, so nobody's turn would ever "
                    "come. Begin step() with: if self.terminations[agent] or self.truncations[agent]: return "
                    "self._was_dead_step(action)."
                )
        self._is_over = is_over
        _end_if_over(result, is_over=is_over, has_truncated=self._has_truncated)
        return result


_FIRST = ("observations", "infos")
_STEP = ("observations", "rewards", "terminations", "truncations", "infos")


def _dicts(method: str, found: Any, names: Sequence[str]) -> tuple[Mapping[ph.AgentID, Any], ...]:
    """Return what a parallel env returned, or raise EnvError if that is not so many dicts by agent id."""
    if not isinstance(found, tuple) or len(found) != len(names):
        what = f"a tuple of {len(found)}" if isinstance(found, tuple) else f"{found!r}"
        is_old = isinstance(found, (tuple, Mapping))
        old = " PettingZoo's old form has dones, and no infos of the reset." if is_old else ""
        raise ph.errors.EnvError(
            f"{method}() returned {what}. Expected ({', '.join(names)}), each a dict by agent id.{old}"
        )
    for name, part in zip(names, found, strict=True):
        if type(part) is not dict and not isinstance(part, Mapping):
            raise ph.errors.EnvError(f"{method}() returned {name}={part!r}. Expected a dict by agent id.")
    return found


def _as_float(reward: Any) -> float:
    """Return a reward as a float, from a number, a NumPy scalar or an array of size 1."""
    if isinstance(reward, np.ndarray) and reward.size == 1:
        reward = reward.item()
    if isinstance(reward, (Real, np.number, np.bool_)):
        return float(reward)
    raise ph.errors.EnvError(f"step() returned the reward {reward!r}. Expected a number.")


def _end_if_over(result: ph.StepResult, *, is_over: bool, has_truncated: bool) -> None:
    """Say of the whole episode whether it ended, and how: in the rules if every agent did."""
    result.terminations[ph.tools.ALL] = is_over and not has_truncated
    result.truncations[ph.tools.ALL] = is_over and has_truncated


def _no_action(agent_id: ph.AgentID, actions: Mapping[ph.AgentID, ph.Action]) -> ph.errors.EnvError:
    return ph.errors.EnvError(
        f"There is no action for {agent_id!r}, whose turn it is. The actions are for: "
        f"{ph.tools.listing(actions)}."
    )


def _not_running() -> ph.errors.EpisodeError:
    return ph.errors.EpisodeError(
        "PettingZooEnv was stepped before its first reset or after its episode ended. Call env.reset()."
    )
