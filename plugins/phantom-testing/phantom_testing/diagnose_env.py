"""`diagnose`: plays an env with random actions and says what will bite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

import phantom_core as ph
from phantom_testing.agent_checks import check_agents, has_spaces
from phantom_testing.episode_trace import QUIET, Difference, first_difference
from phantom_testing.findings import Diagnosis, Finding
from phantom_testing.global_random import GlobalRandom, restored_afterwards
from phantom_testing.hash_order import MAX_STEPS, NotChecked, find_hash_order
from phantom_testing.made_env import made_env
from phantom_testing.moved_episode import MovedEpisodeEnv
from phantom_testing.observation_checks import AliasingCheck, MaskCheck, SpaceCheck
from phantom_testing.play_episode import EnvCheck, PlayedEpisode, play_episode
from phantom_testing.presence_checks import (
    EndCheck,
    GlobalRandomCheck,
    JoinerCheck,
    PresenceCheck,
    global_random_message,
)
from phantom_testing.reward_checks import RewardCheck
from phantom_testing.scale_checks import RewardScaleCheck, ScaleCheck
from phantom_testing.state_checks import StateCheck
from phantom_testing.trainer_opinions import trainer_opinions


def diagnose(
    env: Callable[..., ph.MultiAgentEnv],
    env_config: Mapping[str, Any] | None = None,
    *,
    num_episodes: int = 3,
    max_steps: int = 1000,
    seed: int = 0,
) -> Diagnosis:
    """Play an env with random actions; return what will bite in training, with agent and step.

    Every episode is looked at step by step. The first one is played again after the others, and
    alone in new envs, with the same actions; an env with a `state_dict` is given what was carried into it.
    All of them are played in three other processes that hash strings differently.
    The process-wide random generators are as before when it returns.

    Args:
        env: makes the env: a class or function, called with `env_config`.
        env_config: keyword arguments for `env`.
        num_episodes: how many episodes to play.
        max_steps: the most steps of each.
        seed: the seed of the first episode; the next ones follow. Actions follow from the seed too.

    Raises:
        ConfigError: if a number is not positive, or `env` makes no multi-agent env.
        EnvError: if the env cannot be made.
    """
    for name, number in (("num_episodes", num_episodes), ("max_steps", max_steps)):
        if number < 1:
            raise ph.errors.ConfigError(f"diagnose got {name}={number}. Expected a positive number.")
    seeds = range(seed, seed + num_episodes)
    with restored_afterwards() as global_random:
        return _Visit(env, dict(env_config or {}), seeds, max_steps, global_random).diagnosis()


class _Visit:
    """One visit of the doctor: what was found so far."""

    def __init__(
        self,
        env_class: Callable[..., ph.MultiAgentEnv],
        env_config: Mapping[str, Any],
        seeds: Sequence[int],
        max_steps: int,
        global_random: GlobalRandom,
    ) -> None:
        self._env_class, self._env_config = env_class, env_config
        self._seeds, self._max_steps = seeds, max_steps
        self._global_random = global_random
        self._findings: dict[tuple[str, ph.AgentID], Finding] = {}
        self._episodes: list[PlayedEpisode] = []
        self._not_checked: list[str] = []

    def diagnosis(self) -> Diagnosis:
        """Look at everything that can be looked at."""
        env = self._make()
        for name in self._global_random.used():
            message = f"in the constructor, {global_random_message(name)}"
            self._note([Finding(check="global-random", message=message)])
        trainers: Mapping[str, str | None] = {}
        try:
            if self._can_be_played(env):
                trainers = trainer_opinions(env)
                self._play(env)
                self._play_again(env)
        finally:
            env.close()
        return Diagnosis(
            findings=tuple(self._findings.values()),
            num_episodes=len(self._episodes),
            num_steps=sum(len(episode.actions) for episode in self._episodes),
            not_checked=tuple(self._not_checked),
            trainers=trainers,
        )

    def _make(self) -> ph.MultiAgentEnv:
        self._global_random.fix()
        return made_env(self._env_class, self._env_config)

    def _note(self, findings: Iterable[Finding]) -> None:
        """Keep the first finding of each kind and agent."""
        for finding in findings:
            self._findings.setdefault((finding.check, finding.agent_id), finding)

    def _can_be_played(self, env: ph.MultiAgentEnv) -> bool:
        """Reset the env once, as training does, and look at its agents."""
        first = play_episode(env, self._seeds[0], 0, self._global_random)
        self._note(first.findings)
        if first.findings:
            return False
        self._note(check_agents(env))
        return all(has_spaces(env, agent_id) for agent_id in env.strategic_agent_ids)

    def _play(self, env: ph.MultiAgentEnv) -> None:
        """Play every episode under the eyes of every check."""
        checks: list[EnvCheck] = [
            SpaceCheck(),
            MaskCheck(),
            AliasingCheck(),
            RewardCheck(),
            ScaleCheck(),
            RewardScaleCheck(),
            JoinerCheck(),
            PresenceCheck(),
            EndCheck(),
            GlobalRandomCheck(),
            StateCheck(),
        ]
        for seed in self._seeds:
            episode = play_episode(env, seed, self._max_steps, self._global_random, checks=checks)
            self._episodes.append(episode)
            self._note(episode.findings)
        self._note(chain.from_iterable(check.finish() for check in checks))

    def _play_again(self, env: ph.MultiAgentEnv) -> None:
        """Play the first episode after all others and alone in new envs, and all in other processes."""
        checks = {check for check, _ in self._findings}
        if "unstable-id" in checks:
            self._not_checked.append("seed and hash order: the ids differ from env to env")
            return
        first = self._episodes[0]
        last = play_episode(env, first.seed, self._max_steps, self._global_random, actions=first.actions)
        found = self._alone(first, env) or self._alone(last, env)
        if found is None and getattr(env, "saves_episodes", False):
            found = self._moved(first, env)
        if found is None and getattr(env, "state_space", None) is not None:
            found = self._changed_by_asking(first, env)
        if found is not None:
            self._note([found])
        if found is not None and found.check == "seed-does-not-fix-the-episode":
            self._not_checked.append("hash order: the episodes of two processes differ anyway")
            return
        try:
            parted = self._parted_processes()
        except NotChecked as reason:
            self._not_checked.append(f"hash order: {reason}")
            return
        if parted is not None:
            self._note([_differs("hash-order", _HASH_ORDER, parted[1], env, parted[0])])

    def _alone(self, episode: PlayedEpisode, env: ph.MultiAgentEnv) -> Finding | None:
        """Play an episode alone in a new env, which is given what `env` carried into it."""
        alone = self._in_new_env(episode)
        broken = [finding for finding in alone.findings if finding.check == "unrestorable-state"]
        if broken or first_difference(alone.trace, episode.trace) is None:
            return broken[0] if broken else None
        again = self._in_new_env(episode)
        chance = first_difference(alone.trace, again.trace, QUIET)
        if chance is not None and not self._processes_agree(chance.step):
            return _differs("seed-does-not-fix-the-episode", _NOT_FIXED, chance, env, episode.seed)
        but = () if first_difference(alone.trace, again.trace) is None else QUIET
        difference = chance or first_difference(alone.trace, episode.trace, but)
        if difference is None:
            return None
        if episode.carried is not None:
            return _differs("incomplete-state", _INCOMPLETE, difference, env, episode.seed)
        message = _LEAK if chance is None else _SHARED
        return _differs("leak-between-episodes", message, difference, env, episode.seed)

    def _moved(self, episode: PlayedEpisode, env: ph.MultiAgentEnv) -> Finding | None:
        """Play an episode that goes on in a new env from its middle on."""
        if len(episode.actions) < 2:  # noqa: PLR2004  it has no middle
            return None
        moving: Any = MovedEpisodeEnv(self._make, len(episode.actions) // 2, episode.carried)
        try:
            moved = play_episode(
                moving,
                episode.seed,
                self._max_steps,
                self._global_random,
                actions=episode.actions,
                carried=episode.carried,
            )
        finally:
            moving.close()
        broken = [finding for finding in moved.findings if finding.check == "unrestorable-state"]
        difference = None if broken else first_difference(moved.trace, episode.trace)
        if difference is None:
            return broken[0] if broken else None
        return _differs("incomplete-episode-state", _INCOMPLETE_EPISODE, difference, env, episode.seed)

    def _changed_by_asking(self, episode: PlayedEpisode, env: ph.MultiAgentEnv) -> Finding | None:
        """Play an episode in a new env that is asked for its state at the end only."""
        asked = [[entry for entry in step if entry[1] != "state"] for step in episode.trace[:-1]]
        asked.append(episode.trace[-1])
        unasked = self._in_new_env(episode, asks_states=False).trace
        difference = first_difference(unasked, asked)
        if difference is not None and difference.what in QUIET:
            again = self._in_new_env(episode, asks_states=False).trace
            but = () if first_difference(unasked, again) is None else QUIET  # which differ by chance
            difference = first_difference(unasked, asked, but)
        if difference is None:
            return None
        return _differs("state-changes-the-episode", _CHANGED_BY_ASKING, difference, env, episode.seed)

    def _in_new_env(self, episode: PlayedEpisode, *, asks_states: bool = True) -> PlayedEpisode:
        new = self._make()
        try:
            return play_episode(
                new,
                episode.seed,
                self._max_steps,
                self._global_random,
                actions=episode.actions,
                carried=episode.carried,
                asks_states=asks_states,
            )
        finally:
            new.close()

    def _processes_agree(self, step: int) -> bool:
        """Return whether new processes play alike up to a step: what parts two envs in one is no chance."""
        try:
            return step <= MAX_STEPS and self._parted_processes() is None
        except NotChecked:
            return False

    def _parted_processes(self) -> tuple[int, Difference] | None:
        return find_hash_order(self._env_class, self._env_config, list(self._seeds), self._max_steps)


_NOT_FIXED = (
    "two envs with the same seed and actions differ in {what}. Draw everything from self.random or self.rng "
    "of the agents and the env, and keep nothing in classes or modules."
)
_LEAK = (
    "the same episode differs in {what} when other episodes were played before it: {one} alone, {other} "
    "after them. Set everything anew in reset(), or give the env state_dict() and load_state_dict()."
)
_SHARED = (
    "two envs with the same seed and actions differ in {what} in one process, and not in new processes: "
    "{one} and {other}. Keep nothing in classes or modules, or give the env state_dict() and "
    "load_state_dict()."
)
_INCOMPLETE = (
    "a new env that is given the state_dict() of one that played other episodes goes on differently in "
    "{what}: {one} instead of {other}. Let state_dict() return, and load_state_dict() restore, everything "
    "that an episode hands to the next."
)
_INCOMPLETE_EPISODE = (
    "an episode that goes on in a new env, from where state_dict() says that it stands, goes on differently "
    "in {what}: {one} instead of {other}. Let state_dict() return, and load_state_dict() restore, everything "
    "that changes in an episode, or do not set saves_episodes."
)
_CHANGED_BY_ASKING = (
    "the same episode differs in {what} when state() is called after each step: {one} without, {other} with "
    "it. Let state() only read: draw nothing and change nothing in it."
)
_HASH_ORDER = (
    "the same episode differs in {what} between processes that hash strings differently. Do not go through "
    "sets of ids: sort them, or use lists or dicts."
)
_WHAT: Final = MappingProxyType(
    {
        "observation": "what it observes",
        "reward": "its reward",
        "end": "whether it ended",
        "info": "its info",
        "generator": "the state of its generators",
        "state": "the global state",
    }
)


def _differs(check: str, message: str, difference: Difference, env: ph.MultiAgentEnv, seed: int) -> Finding:
    what = _WHAT.get(difference.what, f"the {difference.what}")
    one, other = difference.values
    return Finding(
        check=check,
        message=message.format(what=what, one=one, other=other),
        agent_id=next((i for i in env.agents if repr(i) == difference.agent), None),
        step=difference.step,
        seed=seed,
    )
