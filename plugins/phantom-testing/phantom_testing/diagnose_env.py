"""`diagnose`: plays an env with random actions and says what will bite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import phantom_core as ph
from phantom_testing.agent_checks import check_agents, has_spaces
from phantom_testing.episode_trace import Difference, first_difference
from phantom_testing.findings import Diagnosis, Finding
from phantom_testing.global_random import GlobalRandom, restored_afterwards
from phantom_testing.hash_order import NotChecked, find_hash_order
from phantom_testing.made_env import made_env
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

    Every episode is looked at step by step. The first one is played again in the same env and in a new
    one, with the same actions, and all of them in three other processes that hash strings differently.
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
            JoinerCheck(),
            PresenceCheck(),
            EndCheck(),
            GlobalRandomCheck(),
        ]
        for seed in self._seeds:
            episode = play_episode(env, seed, self._max_steps, self._global_random, checks=checks)
            self._episodes.append(episode)
            self._note(episode.findings)
        self._note(chain.from_iterable(check.finish() for check in checks))

    def _play_again(self, env: ph.MultiAgentEnv) -> None:
        """Play the first episode in a new env and in the old one, and all of them in other processes."""
        checks = {check for check, _ in self._findings}
        if "unstable-id" in checks:
            self._not_checked.append("seed and hash order: the ids differ from env to env")
            return
        first = self._episodes[0]
        new = self._make()
        try:
            in_new = self._replay(new, first)
        finally:
            new.close()
        if in_new is not None:
            self._note([_differs("seed-does-not-fix-the-episode", _NOT_FIXED, in_new, env, first.seed)])
        elif (in_old := self._replay(env, first)) is not None:
            self._note([_differs("leak-between-episodes", _LEAK, in_old, env, first.seed)])
        if in_new is not None:
            self._not_checked.append("hash order: the episodes of two processes differ anyway")
            return
        try:
            found = find_hash_order(self._env_class, self._env_config, list(self._seeds), self._max_steps)
        except NotChecked as reason:
            self._not_checked.append(f"hash order: {reason}")
            return
        if found is not None:
            self._note([_differs("hash-order", _HASH_ORDER, found[1], env, found[0])])

    def _replay(self, env: ph.MultiAgentEnv, episode: PlayedEpisode) -> Difference | None:
        again = play_episode(env, episode.seed, self._max_steps, self._global_random, actions=episode.actions)
        return first_difference(episode.trace, again.trace)


_NOT_FIXED = (
    "two envs with the same seed and actions differ in {what}. Draw everything from self.random or self.rng "
    "of the agents and the env."
)
_LEAK = (
    "the same episode differs in {what} when other episodes were played before it. Set everything anew in "
    "reset()."
)
_HASH_ORDER = (
    "the same episode differs in {what} between processes that hash strings differently. Do not go through "
    "sets of ids: sort them, or use lists or dicts."
)


def _differs(check: str, message: str, difference: Difference, env: ph.MultiAgentEnv, seed: int) -> Finding:
    agent_id = next((i for i in env.agents if repr(i) == difference.agent), None)
    what = {"observation": "what it observes", "reward": "its reward", "end": "whether it ended"}.get(
        difference.what, f"the {difference.what}"
    )
    if agent_id is None and difference.agent is not None:  # the whole env
        what = "whether it ended"
    return Finding(
        check=check,
        message=message.format(what=what),
        agent_id=agent_id,
        step=difference.step,
        seed=seed,
    )
