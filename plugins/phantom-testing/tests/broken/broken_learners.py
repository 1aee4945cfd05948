"""Trainers that learn something else than what they were paid for: one defect each.

They learn from trajectories as `Correct` does; what they get wrong is which rewards belong to them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from broken_trainers import Correct, SimpleCorrect, Table


class Relearns(Correct):
    """Learns from trajectories that `paths_of` may change first."""

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        return super().update(policy_id, policy, Paths(self.paths_of(policy_id, batch)), rng)

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        return list(batch.trajectories)


class Paths:
    """Trajectories in place of a batch."""

    def __init__(self, trajectories: list[Any]) -> None:
        self.trajectories = trajectories


def paid(path: Any, rewards: Sequence[float]) -> Any:
    """Return a trajectory with other rewards."""
    return replace(path, rewards=list(rewards))


def of_one_episode(paths: list[Any], path: Any) -> list[Any]:
    """Return the trajectories of everybody in the episode of one of them."""
    return [p for p in paths if (p.env_index, p.episode) == (path.env_index, path.episode)]


# ---------------------------------------------------------------------- whose reward


class LearnsFromTheTeam(Relearns):
    """Learns from the mean reward of all agents of its policy."""

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        paths = list(batch.trajectories)
        found = []
        for path in paths:
            team = [p.rewards for p in of_one_episode(paths, path) if len(p) == len(path)]
            found.append(paid(path, np.mean(team, axis=0)))
        return found


class LearnsFromTheNeighbour(Relearns):
    """Learns from the reward of another agent of its policy."""

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        paths = sorted(batch.trajectories, key=lambda path: (path.env_index, path.episode))
        found = []
        for path in paths:
            episode = of_one_episode(paths, path)
            neighbour = episode[(episode.index(path) + 1) % len(episode)]
            found.append(paid(path, neighbour.rewards) if len(neighbour) == len(path) else path)
        return found


class LearnsFromTheOtherPolicy(Relearns):
    """Learns from the rewards that another policy earned in the same iteration."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.latest: dict[str, list[Any]] = {}

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        paths = list(batch.trajectories)
        others = [p for other, latest in self.latest.items() if other != policy_id for p in latest]
        self.latest[policy_id] = paths
        rewards = {(p.env_index, p.episode): p.rewards for p in others}
        found = []
        for path in paths:
            theirs = rewards.get((path.env_index, path.episode), ())
            found.append(paid(path, theirs) if len(theirs) == len(path) else path)
        return found


class LearnsFromEverybody(SimpleCorrect):
    """Learns from the sum of what all agents earn in a step."""

    def play_episode(self, env: Any, mapping: Any, policies: Any, to_train: Sequence[str]) -> None:
        super().play_episode(SumsRewards(env), mapping, policies, to_train)


class SumsRewards:
    """An env that pays everybody what all of them earn."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def step(self, actions: Any) -> Any:
        result = self.env.step(actions)
        total = sum(result.rewards.values())
        return result._replace(rewards=dict.fromkeys(result.rewards, total))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)


class LearnsFromTheFirst(SimpleCorrect):
    """Learns from the reward of the first agent, whoever acted."""

    def play_episode(self, env: Any, mapping: Any, policies: Any, to_train: Sequence[str]) -> None:
        super().play_episode(PaysTheFirst(env), mapping, policies, to_train)


class PaysTheFirst(SumsRewards):
    """An env that pays everybody what the first one earns."""

    def step(self, actions: Any) -> Any:
        result = self.env.step(actions)
        first = next(iter(result.rewards.values()), 0.0)
        return result._replace(rewards=dict.fromkeys(result.rewards, first))


# ---------------------------------------------------------------------- which agents


class IgnoresAllButTheFirst(Relearns):
    """Learns from the first agent that uses the policy."""

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        first = min(path.agent_id for path in batch.trajectories)
        return [path for path in batch.trajectories if path.agent_id == first]


class IgnoresTheLast(Relearns):
    """Learns from all agents of the policy but the last, if there are several."""

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        last = max(path.agent_id for path in batch.trajectories)
        return [path for path in batch.trajectories if path.agent_id != last] or list(batch.trajectories)


class StepsTheFirstOnly(SimpleCorrect):
    """Plays for everybody, and learns for the first agent of each policy."""

    def play_episode(self, env: Any, mapping: Any, policies: Any, to_train: Sequence[str]) -> None:
        first = {policy_id: agent_id for agent_id, policy_id in reversed(list(mapping.items()))}
        own = {a: p if first[p] == a else f"not {p}" for a, p in mapping.items()}
        every = {**policies, **{f"not {name}": policy for name, policy in policies.items()}}
        super().play_episode(env, own, every, to_train)


# ---------------------------------------------------------------------- which step


class DropsTheLastReward(Relearns):
    """Loses what the last decision of a trajectory earned."""

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        return [paid(path, [*path.rewards[:-1], 0.0]) for path in batch.trajectories]


class DropsTheFirstReward(Relearns):
    """Loses what the first decision of a trajectory earned."""

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        return [paid(path, [0.0, *path.rewards[1:]]) for path in batch.trajectories]


class ShiftsRewardsLater(Relearns):
    """Pays a decision with what the one before it earned."""

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        return [paid(path, [0.0, *path.rewards[:-1]]) for path in batch.trajectories]


class ShiftsRewardsEarlier(Relearns):
    """Pays a decision with what the one after it earned."""

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        return [paid(path, [*path.rewards[1:], 0.0]) for path in batch.trajectories]


class ShiftsRewardsAcross(Relearns):
    """Counts the rewards of the whole batch one place off, over the ends of trajectories."""

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        rewards = np.roll(np.concatenate([path.rewards for path in batch.trajectories]), 1).tolist()
        found = []
        for path in batch.trajectories:
            found.append(paid(path, rewards[: len(path)]))
            rewards = rewards[len(path) :]
        return found


class IsMyopic(Correct):
    """Learns from single rewards, as if nothing followed."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        object.__setattr__(self, "config", replace(self.config, gamma=0.0))


class DropsTheLastRewardInPlay(SimpleCorrect):
    """Loses what is paid in the step that ends an episode."""

    def play_episode(self, env: Any, mapping: Any, policies: Any, to_train: Sequence[str]) -> None:
        super().play_episode(PaysNothingAtTheEnd(env), mapping, policies, to_train)


class PaysNothingAtTheEnd(SumsRewards):
    """An env that pays nothing in the step that ends an agent."""

    def step(self, actions: Any) -> Any:
        result = self.env.step(actions)
        over = {a for a in result.rewards if result.terminations.get(a) or result.truncations.get(a)}
        return result._replace(rewards={a: 0.0 if a in over else r for a, r in result.rewards.items()})


# ---------------------------------------------------------------------- how often


class LearnsTheLastBatchAgain(Relearns):
    """Keeps the last batch, and learns it once more with the next one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.kept: dict[str, list[Any]] = {}

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        before, now = self.kept.get(policy_id, []), list(batch.trajectories)
        self.kept[policy_id] = now
        return before + now


class NeverForgets(Relearns):
    """Learns everything again in every update: it forgets to empty its list."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.kept: dict[str, list[Any]] = {}

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        self.kept.setdefault(policy_id, []).extend(batch.trajectories)
        return list(self.kept[policy_id])


class LearnsOneBehind(Relearns):
    """Learns the batch of the iteration before."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.kept: dict[str, list[Any]] = {}

    def paths_of(self, policy_id: str, batch: Any) -> list[Any]:
        before = self.kept.get(policy_id, [])
        self.kept[policy_id] = list(batch.trajectories)
        return before


class ReplaysInPlay(SimpleCorrect):
    """Learns the last episode again before it plays the next."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lessons: list[Any] = []
        self.new: list[Any] = []

    def play_episode(self, env: Any, mapping: Any, policies: Any, to_train: Sequence[str]) -> None:
        for lesson in self.lessons:
            super().learn(*lesson)
        super().play_episode(env, mapping, policies, to_train)
        self.lessons, self.new = self.new, []

    def learn(self, policy: Table, state: int, action: int, reward: float, follows: Any) -> None:
        super().learn(policy, state, action, reward, follows)
        self.new.append((policy, state, action, reward, follows))
