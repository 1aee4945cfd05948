"""`SoloPlay`: the short way of playing copies whose one agent acts in every step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from phantom_core.rollouts.batch import EpisodeSummary
from phantom_core.rollouts.columns import OutsideSpaceError
from phantom_core.rollouts.env_copy import EnvCopy
from phantom_core.rollouts.policy_rows import Lane, PolicyRows
from phantom_core.rollouts.solo_envs import CopyError, SoloEnvs, SoloStep
from phantom_core.types import Action

MOST_UNTOLD: Final = 10_000
"""After so many steps every copy is told, so that an episode without end does not fill the memory."""


class SoloPlay:
    """Plays copies of an env of one agent, with lists by copy instead of dicts by agent.

    A copy is told what happened in it when its episode ends and when the play does, all at once, and in
    long episodes now and then. What it is told, and what is logged, is what it would have seen step by step.
    """

    def __init__(self, envs: SoloEnvs, copies: Sequence[EnvCopy], group: PolicyRows) -> None:
        self._envs = envs
        self._copies = copies
        self._numbers = [copy.number for copy in copies]
        self._places = {number: index for index, number in enumerate(self._numbers)}
        self._group = group
        self._lanes: list[Lane] = []
        self._observations: Any = []
        self._first_row = len(group.log.rewards)
        self._actions: list[Sequence[Action]] = []  # by step, then by copy
        self._rewards: list[list[float]] = []
        self._told = [0] * len(copies)  # the steps of this play that each copy knows of
        self._resetting: list[int] = []
        self._played: Sequence[Action] = []
        self._kept: Sequence[Action] = []
        self._result = SoloStep([], [], [])

    def prepare(self, begun: Sequence[EnvCopy]) -> None:
        """Take in the first observations of the episodes that just began."""
        if not self._lanes:
            self._lanes = [copy.only_lane for copy in self._copies]
            self._observations = [lane.observation for lane in self._lanes]
        for copy in begun:
            self._observations[self._places[copy.number]] = copy.only_lane.observation
        self._resetting = [self._places[copy.number] for copy in begun if copy.is_over]

    def decide(self) -> None:
        """Ask the policy for the actions of all copies."""
        try:
            self._played = self._group.choose(self._lanes, self._observations)
        except OutsideSpaceError as error:
            self.finish()
            lane = self._lanes[error.index]
            raise self._group.outside(lane, self._observations[error.index]) from None
        self._kept = self._group.kept(self._played)

    def step(self) -> None:
        """Play these actions."""
        try:
            self._result = self._envs.step(self._numbers, self._played)
        except CopyError:
            self.finish()
            raise

    def take(self) -> list[tuple[EnvCopy, EpisodeSummary]]:
        """Take in what the step returned; return the copies whose episodes ended."""
        self._observations, rewards, ends = self._result
        self._actions.append(self._kept)
        self._rewards.append(rewards)
        if not -math.inf < sum(rewards) < math.inf:
            self._check(rewards)
        if self._group.is_learning:
            self._group.log.rewards[-len(rewards) :] = rewards
        if self._resetting:
            self._begin()
        found = []
        for index, observation, terminated, truncated in ends:
            copy = self._copies[index]
            self._observations[index] = observation
            self._tell(index, is_over=True)
            found.append((copy, copy.end(is_terminated=terminated, is_truncated=truncated)))
        if len(self._rewards) >= MOST_UNTOLD:
            self._forget_what_is_told()
        return found

    def finish(self) -> None:
        """Tell every copy what it does not know yet."""
        for index, copy in enumerate(self._copies):
            if not copy.is_over:
                self._tell(index)

    def _forget_what_is_told(self) -> None:
        self.finish()
        self._first_row = len(self._group.log.rewards)
        self._actions, self._rewards, self._told = [], [], [0] * len(self._copies)

    def _tell(self, index: int, *, is_over: bool = False) -> None:
        """Tell a copy what it does not know yet; the actions only if they may have to be played again."""
        first, last = self._told[index], len(self._rewards)
        self._told[index] = last
        number, start = len(self._copies), self._first_row + index
        is_logged = self._group.is_learning
        observation = self._observations[index]
        if isinstance(self._observations, np.ndarray):  # a row is a view
            observation = observation.copy()
        self._copies[index].catch_up(
            observation,
            () if is_over else [actions[index] for actions in self._actions[first:]],
            [rewards[index] for rewards in self._rewards[first:]],
            range(start + first * number, start + last * number, number) if is_logged else (),
        )

    def _begin(self) -> None:
        """Begin episodes whose first observation comes with a step, in which nothing was decided."""
        for index in self._resetting:
            copy = self._copies[index]
            copy.begin({self._envs.agent_id: self._observations[index]})
            self._told[index] = len(self._rewards)

    def _check(self, rewards: Sequence[float]) -> None:
        for index, reward in enumerate(rewards):
            if not -math.inf < reward < math.inf:
                self._tell(index)
                raise self._copies[index].not_finite(self._envs.agent_id, reward)
