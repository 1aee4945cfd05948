"""Plays an env as the collector does, with random actions, and lets checks look at every step."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import gymnasium as gym
import numpy as np

import phantom_core as ph
from phantom_testing.carried_state import StateError, carried_over, carry
from phantom_testing.episode_trace import Entry, Trace, entries_of, generator_entries, state_entry
from phantom_testing.findings import Finding
from phantom_testing.global_random import GlobalRandom
from phantom_testing.moved_episode import MovedEpisodeEnv
from phantom_testing.raised_place import raised_place

MASK = "action_mask"


@dataclass(frozen=True, slots=True)
class Moment:
    """An env after its reset or after a step.

    Attributes:
        env: the env.
        seed: the seed of the episode.
        step: steps made in it; 0 after the reset.
        observations: what was observed.
        result: what the step returned; None after the reset.
        asked: the agents that were asked for an action in this step.
        global_draws: the process-wide generators that were used.
        is_over: whether the episode ended.
        state: the global state; None if there is none, it was not asked for, or `state_error` says why.
        state_error: what state() raised, and what to do; empty if it did not.
    """

    env: ph.MultiAgentEnv
    seed: int
    step: int
    observations: Mapping[ph.AgentID, ph.Observation]
    result: ph.StepResult | None
    asked: tuple[ph.AgentID, ...]
    global_draws: tuple[str, ...]
    is_over: bool
    state: Any = None
    state_error: str = ""

    def finding(self, check: str, message: str, agent_id: ph.AgentID | None = None) -> Finding:
        """Return a finding of this moment."""
        return Finding(check=check, message=message, agent_id=agent_id, step=self.step, seed=self.seed)


class EnvCheck:
    """Looks at an env while it is played; subclasses override what they need."""

    def look(self, moment: Moment) -> Iterable[Finding]:
        """Called after each reset and each step."""
        return ()

    def end(self, moment: Moment) -> Iterable[Finding]:
        """Called after the last step that was played of each episode."""
        return ()

    def finish(self) -> Iterable[Finding]:
        """Called after the last episode."""
        return ()


@dataclass(slots=True)
class PlayedEpisode:
    """What is needed to play an episode again, and to see whether it was the same.

    Attributes:
        seed: its seed.
        actions: actions by agent id, of each step.
        trace: what happened.
        findings: what the checks found.
        carried: what the env carried into it; None: the env has no `state_dict`.
    """

    seed: int
    actions: list[Mapping[ph.AgentID, ph.Action]] = field(default_factory=list)
    trace: Trace = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    carried: Mapping[str, Any] | None = None


def play_episode(
    env: ph.MultiAgentEnv,
    seed: int,
    max_steps: int,
    global_random: GlobalRandom,
    *,
    checks: Sequence[EnvCheck] = (),
    actions: Sequence[Mapping[ph.AgentID, ph.Action]] | None = None,
    carried: Mapping[str, Any] | None = None,
    asks_states: bool = True,
) -> PlayedEpisode:
    """Play an episode to its end, or for `max_steps`.

    Args:
        env: the env.
        seed: the seed of the episode, and of the actions: each agent's follow from its id.
        max_steps: the most steps to play.
        global_random: fixed before the reset.
        checks: look at each moment.
        actions: of each step, from an earlier play; None: random ones.
        carried: what an env that played it earlier carried into it; given to this env, unless it is None.
        asks_states: whether the env is asked for its global state at each moment, or, with `actions`, at the
            last one only.
    """
    episode = PlayedEpisode(seed)
    last: Moment | None = None
    try:
        if carried is not None:
            carry(env, carried)
        episode.carried = carried_over(env)
        for moment in _moments(env, episode, max_steps, global_random, actions, asks_states=asks_states):
            last = moment
            for check in checks:
                episode.findings += check.look(moment)
    except _RaisedError as raised:
        episode.findings.append(raised.finding)
    except StateError as error:
        episode.findings.append(Finding(check="unrestorable-state", message=str(error)))
    else:
        if last is not None:
            now = env.now if isinstance(env, MovedEpisodeEnv) else env
            episode.trace[-1] += generator_entries(now)
            for check in checks:
                episode.findings += check.end(last)
    return episode


class _RaisedError(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def _moments(
    env: ph.MultiAgentEnv,
    episode: PlayedEpisode,
    max_steps: int,
    global_random: GlobalRandom,
    actions: Sequence[Mapping[ph.AgentID, ph.Action]] | None,
    *,
    asks_states: bool,
) -> Iterator[Moment]:
    """Yield the moment after the reset and after each step."""
    seed = episode.seed
    global_random.fix()
    try:
        observations, infos = env.reset(seed=seed)
    except Exception as error:  # whatever a user's env raises
        raise _RaisedError(_raised(error, seed, 0)) from error
    episode.trace.append(entries_of(observations, {}, {}, infos))
    num_steps = max_steps if actions is None else len(actions)
    state = _asked_state(env, episode.trace[-1]) if asks_states or num_steps == 0 else _NO_STATE
    is_over = False
    yield Moment(env, seed, 0, observations, None, (), global_random.used(), is_over, *state)
    chooser, pending = _Chooser(env, seed), dict(observations)
    for step in range(1, num_steps + 1):
        chosen = chooser.choose(pending) if actions is None else actions[step - 1]
        episode.actions.append(chosen)
        for agent_id in chosen:
            pending.pop(agent_id, None)
        try:
            result = ph.StepResult(*env.step({i: copy.deepcopy(action) for i, action in chosen.items()}))
        except StateError:
            raise
        except Exception as error:
            raise _RaisedError(_raised(error, seed, step)) from error
        is_over = _is_over(result, seed, step)
        pending = _still_pending({**pending, **result.observations}, result)
        ends = {i: (bool(end), bool(result.truncations.get(i))) for i, end in result.terminations.items()}
        episode.trace.append(entries_of(result.observations, result.rewards, ends, result.infos))
        state = _asked_state(env, episode.trace[-1]) if asks_states or step == num_steps else _NO_STATE
        seen, asked, draws = result.observations, tuple(chosen), global_random.used()
        yield Moment(env, seed, step, seen, result, asked, draws, is_over, *state)
        if is_over:
            return


_NO_STATE: Final = (None, "")


def _asked_state(env: Any, trace: list[Entry]) -> tuple[Any, str]:
    """Ask an env for its global state; return it, and what is wrong if it raised. It joins the trace."""
    if getattr(env, "state_space", None) is None:
        return _NO_STATE
    try:
        state = env.state()
    except Exception as error:  # whatever a user's env raises
        advice = "Fix it, or set state_space to None."
        return None, f"state() raised {ph.tools.error_text(error)}{raised_place(error)}. {advice}"
    trace.append(state_entry(state))
    return state, ""


class _Chooser:
    """Draws random actions; an agent's draws follow from the seed and its id alone."""

    def __init__(self, env: ph.MultiAgentEnv, seed: int) -> None:
        self._env, self._seed = env, seed
        self._spaces: dict[ph.AgentID, gym.Space[Any]] = {}

    def choose(self, pending: Mapping[ph.AgentID, ph.Observation]) -> dict[ph.AgentID, ph.Action]:
        """Return an action for each agent that is to act now."""
        acting, spaces = self._env.acting_agent_ids, self._env.action_spaces
        return {
            agent_id: self._draw(agent_id, observation)
            for agent_id, observation in pending.items()
            if agent_id in spaces and (acting is None or agent_id in acting)
        }

    def _draw(self, agent_id: ph.AgentID, observation: ph.Observation) -> ph.Action:
        if agent_id not in self._spaces:
            space = copy.deepcopy(self._env.action_spaces[agent_id])  # the env's own generator stays as it is
            space.seed(ph.seeding.derive_seed(self._seed, "doctor", agent_id) % 2**31)
            self._spaces[agent_id] = space
        mask = observation.get(MASK) if isinstance(observation, Mapping) else None
        if isinstance(mask, np.ndarray):
            return ph.RandomPolicy.sample_allowed(self._spaces[agent_id], mask)
        return self._spaces[agent_id].sample()


def _is_over(result: ph.StepResult, seed: int, step: int) -> bool:
    """Tell whether the episode ended, as the collector does."""
    for name in ("terminations", "truncations"):
        if ph.tools.ALL not in getattr(result, name):
            message = (
                f"step() returned {name} without the key {ph.tools.ALL!r}. Set it in each step: whether the "
                "whole episode ended."
            )
            raise _RaisedError(Finding(check="no-end-flags", message=message, step=step, seed=seed))
    return bool(result.terminations[ph.tools.ALL] or result.truncations[ph.tools.ALL])


def _still_pending(
    pending: dict[ph.AgentID, ph.Observation], result: ph.StepResult
) -> dict[ph.AgentID, ph.Observation]:
    """Return the observations that nobody acted on, without those of agents that ended."""
    ended = {
        i for flags in (result.terminations, result.truncations) for i, is_end in flags.items() if is_end
    }
    return {i: observation for i, observation in pending.items() if i not in ended}


def _raised(error: Exception, seed: int, step: int) -> Finding:
    where = "reset()" if step == 0 else "step()"
    message = (
        f"{where} raised {ph.tools.error_text(error)}{raised_place(error)}. Fix it: "
        f"env.reset(seed={seed}) starts the episode again."
    )
    return Finding(check="env-raised", message=message, step=step, seed=seed)
