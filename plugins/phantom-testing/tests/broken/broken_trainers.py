"""Trainers with one defect each, and two without: what the tests of the conformance kit look at."""

import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph


@dataclass(frozen=True)
class TableConfig:
    """Settings of these trainers."""

    alpha: float = 0.2
    """Step size."""
    gamma: float = 0.9
    """Discount factor."""


class Table(ph.Policy):
    """One value for each state and choice; greedy, sometimes random while it learns."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)
        if not isinstance(action_space, gym.spaces.Discrete):
            raise ph.errors.ConfigError("a table needs a Discrete action space")
        rows = getattr(observation_space, "n", None) or observation_space.shape[0]
        self.values = np.zeros((int(rows), int(action_space.n)))

    def seed(self, rng: np.random.Generator) -> None:
        self.values = rng.normal(0.0, 1e-3, self.values.shape)

    def compute_action(self, observation: Any) -> int:
        return int(np.argmax(self.values[state_of(observation)]))

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        number = self.values.shape[1]
        chosen = [self.compute_action(observation) for observation in observations]
        draws = zip(chosen, rng.uniform(), strict=True)
        return [int(draw / 0.3 * number) if draw < 0.3 else best for best, draw in draws], {}

    def state_dict(self) -> dict[str, Any]:
        return {"values": self.values.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.values = np.array(state["values"])


def state_of(observation: Any) -> int:
    return int(np.argmax(observation)) if np.ndim(observation) else int(observation)


class Correct(ph.Trainer):
    """Q-learning as it should be."""

    config_class = TableConfig
    policy_class = Table

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=4)

    def update(
        self, policy_id: str, policy: ph.Policy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        assert isinstance(policy, Table)
        error = 0.0
        for k, path in enumerate(batch.trajectories):
            last = len(path) - 1
            for t, (action, reward) in enumerate(zip(path.actions, path.rewards, strict=True)):
                follows = self.value_at_the_end(policy, batch, k)
                if t < last:
                    follows = policy.values[state_of(path.observations[t + 1])].max()
                row = policy.values[state_of(path.observations[t])]
                error = reward + self.config.gamma * follows - row[action]
                row[action] += self.config.alpha * error
        return {"error": float(error)}

    def value_at_the_end(self, policy: Table, batch: ph.Batch, k: int) -> float:
        """Return the value of what follows the last decision of trajectory k."""
        path = batch.trajectories[k]
        if path.terminated or path.next_observation is None:
            return 0.0
        return float(policy.values[state_of(path.next_observation)].max())


class SimpleCorrect(ph.Trainer):
    """Q-learning that steps the env itself."""

    config_class = TableConfig
    policy_class = Table

    def training_step(
        self,
        env: Any,
        policy_mapping: Mapping[Any, str],
        policies: Mapping[str, ph.Policy],
        policies_to_train: Sequence[str],
    ) -> None:
        for _ in range(4):
            self.play_episode(env, policy_mapping, policies, policies_to_train)

    def play_episode(self, env: Any, mapping: Any, policies: Any, to_train: Sequence[str]) -> None:
        observations = dict(env.reset(seed=self.episode_seed())[0])
        owed: dict[Any, tuple[int, int, float]] = {}  # state, action and what was earned since
        is_over = False
        while not is_over:
            acting = env.acting_agent_ids
            asked = [a for a in observations if acting is None or a in acting]
            actions = {a: self.act(policies[mapping[a]], observations[a]) for a in asked}
            for agent, action in actions.items():
                owed[agent] = (state_of(observations.pop(agent)), action, 0.0)
            result = env.step(actions)
            self.log_rewards(result.rewards)
            for agent, reward in result.rewards.items():
                if agent in owed:
                    owed[agent] = (*owed[agent][:2], owed[agent][2] + reward)
            observations.update(result.observations)
            is_over = result.terminations["__all__"] or result.truncations["__all__"]
            for agent in list(owed):
                ended, cut = result.terminations.get(agent, False), result.truncations.get(agent, False)
                if agent in result.observations or ended or cut or is_over:
                    if mapping[agent] in self.changed(to_train, mapping):
                        follows = None if ended else observations.get(agent)
                        self.learn(policies[mapping[agent]], *owed[agent], follows)
                    del owed[agent]
                if ended or cut:
                    observations.pop(agent, None)

    def episode_seed(self) -> int:
        return int(self.rng.integers(2**31))

    def changed(self, to_train: Sequence[str], mapping: Mapping[Any, str]) -> Sequence[str]:
        return to_train

    def act(self, policy: Table, observation: Any) -> int:
        if self.rng.random() < 0.3:
            return int(self.rng.integers(policy.values.shape[1]))
        return policy.compute_action(observation)

    def learn(self, policy: Table, state: int, action: int, reward: float, follows: Any) -> None:
        value = 0.0 if follows is None else policy.values[state_of(follows)].max()
        row = policy.values[state]
        row[action] += self.config.alpha * (reward + self.config.gamma * value - row[action])


# ---------------------------------------------------------------------- one defect each


class EmptyTable(Table):
    """Begins with zeros."""

    def seed(self, rng: np.random.Generator) -> None:
        pass


class IgnoresTheSeed(SimpleCorrect):
    """Draws from a generator with a seed of its own."""

    policy_class = EmptyTable

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.own = np.random.default_rng(7)

    def episode_seed(self) -> int:
        return int(self.own.integers(2**31))

    def act(self, policy: Table, observation: Any) -> int:
        if self.own.random() < 0.3:
            return int(self.own.integers(policy.values.shape[1]))
        return policy.compute_action(observation)

    def state_dict(self) -> dict[str, Any]:
        return {"own": self.own.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.own.bit_generator.state = state["own"]


class DrawsFresh(SimpleCorrect):
    """Seeds each run in another way."""

    runs = itertools.count()

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.fresh = np.random.default_rng(next(self.runs))

    def episode_seed(self) -> int:
        return int(self.fresh.integers(2**31))


class TrainsFrozen(SimpleCorrect):
    """Trains whoever acts."""

    def changed(self, to_train: Sequence[str], mapping: Mapping[Any, str]) -> Sequence[str]:
        return list(mapping.values())


class ForgetsOptimiser(Correct):
    """Learns with momentum that no checkpoint holds."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.momentum: dict[str, Any] = {}

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        before = policy.values.copy()
        quantities = super().update(policy_id, policy, batch, rng)
        moved = policy.values - before
        policy.values += 0.1 * self.momentum.get(policy_id, 0.0)
        self.momentum[policy_id] = moved
        return quantities


class ReadsGlobalRandom(Correct):
    """Visits trajectories in an order that the global generator draws."""

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        random.random()  # noqa: S311  this is its defect
        return super().update(policy_id, policy, batch, rng)


class LearnsFromReset(Correct):
    """Takes the first observation of the next trajectory for what follows an end."""

    def value_at_the_end(self, policy: Table, batch: ph.Batch, k: int) -> float:
        path = batch.trajectories[k]
        if not path.terminated:
            return super().value_at_the_end(policy, batch, k)
        following = batch.trajectories[(k + 1) % len(batch.trajectories)]
        return float(policy.values[state_of(following.observations[0])].max())


class SwallowsTruncation(Correct):
    """Takes every end for a termination."""

    def value_at_the_end(self, policy: Table, batch: ph.Batch, k: int) -> float:
        return 0.0


class IgnoresTermination(Correct):
    """Values what was seen last, ended or not."""

    def value_at_the_end(self, policy: Table, batch: ph.Batch, k: int) -> float:
        observation = batch.trajectories[k].next_observation
        return 0.0 if observation is None else float(policy.values[state_of(observation)].max())


class MutatesObservations(SimpleCorrect):
    """Normalises observations where they are."""

    def learn(self, policy: Table, state: int, action: int, reward: float, follows: Any) -> None:
        super().learn(policy, state, action, reward, follows)
        if isinstance(follows, np.ndarray):
            follows *= 2.0


class WatchesMetrics(Correct):
    """Learns otherwise when metrics are measured."""

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        if self.metrics:
            policy.values += 1e-6
        return super().update(policy_id, policy, batch, rng)


class SwallowsErrors(SimpleCorrect):
    """Goes on when the env breaks down."""

    def play_episode(self, env: Any, mapping: Any, policies: Any, to_train: Sequence[str]) -> None:
        try:
            super().play_episode(env, mapping, policies, to_train)
        except Exception:
            return


class LearnsNothing(Correct):
    """Has the sign of the error wrong."""

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        before = policy.values.copy()
        quantities = super().update(policy_id, policy, batch, rng)
        if policy.values.shape == (3, 3):  # the identity env alone
            policy.values = before - (policy.values - before)
        return quantities


class TrainsOneOnly(SimpleCorrect):
    """Trains the first policy and forgets the others."""

    def changed(self, to_train: Sequence[str], mapping: Mapping[Any, str]) -> Sequence[str]:
        return to_train[:1]


class NeedsEverybody(SimpleCorrect):
    """Expects everybody to observe in every step."""

    def play_episode(self, env: Any, mapping: Any, policies: Any, to_train: Sequence[str]) -> None:
        if env.acting_agent_ids is not None:
            raise KeyError("ANSWERER")
        super().play_episode(env, mapping, policies, to_train)


class OneAgentOnly(SimpleCorrect):
    """Cannot train two agents with one policy."""

    def play_episode(self, env: Any, mapping: Any, policies: Any, to_train: Sequence[str]) -> None:
        if len(policies) == 1 and sorted(mapping) == ["A1", "A2"]:
            raise ValueError("expected one agent per policy")
        super().play_episode(env, mapping, policies, to_train)


class TakesAnything(Correct):
    """Ignores settings that it does not know."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{name: value for name, value in settings.items() if name in ("alpha", "gamma")})


@dataclass(frozen=True)
class SilentConfig(TableConfig):
    """Settings, one of which is a secret."""

    secret: float = 0.0


class Undocumented(Correct):
    """Does not say what its settings are."""

    config_class = SilentConfig

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        policy.values += 1e-6 * self.config.secret
        return super().update(policy_id, policy, batch, rng)


class ForgetfulTable(Table):
    """Loads nothing."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state["values"].shape != self.values.shape:
            raise ValueError("another shape")
        self.values = np.array(state["values"]).round(2)


class SavesHalf(Correct):
    """Its policies are rounded when they are loaded."""

    policy_class = ForgetfulTable


class LambdaTable(Table):
    """Holds a function without a name."""

    def __init__(self, *spaces: Any) -> None:
        super().__init__(*spaces)
        self.best = lambda row: int(np.argmax(row))


class CannotTravel(Correct):
    """Its policies cannot be pickled."""

    policy_class = LambdaTable


# ---------------------------------------------------------------------- what a resumed run does not know


class SimpleSaved(SimpleCorrect):
    """Has nothing to save, and says so."""

    def state_dict(self) -> dict[str, Any]:
        return {}


class OwnLoop(Correct):
    """Trains in a loop of its own."""

    def train(self, *arguments: Any, **settings: Any) -> ph.TrainingResults:
        return super().train(*arguments, **settings)


class ForgetsItsCounter(Correct):
    """Counts its updates, in no checkpoint."""

    count = 0

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        self.count += 1
        return {**super().update(policy_id, policy, batch, rng), "updates": self.count}


COUNTS: Counter[str] = Counter()


class CountsInTheModule(Correct):
    """Counts its updates where no checkpoint looks, from 0 in each run."""

    def setup(self, policy_id: str, policy: Any, rng: Any) -> None:
        COUNTS[policy_id] = 0

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        COUNTS[policy_id] += 1
        return {**super().update(policy_id, policy, batch, rng), "updates": COUNTS[policy_id]}


class ForgetsItsBuffer(Correct):
    """Learns the batch before once more, which no checkpoint holds."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.before: dict[str, Any] = {}

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        if policy_id in self.before:
            super().update(policy_id, policy, self.before[policy_id], rng)
        self.before[policy_id] = batch
        return super().update(policy_id, policy, batch, rng)


class SimpleForgetsItsCounter(SimpleSaved):
    """Counts its episodes, in no checkpoint."""

    count = 0

    def play_episode(self, env: Any, mapping: Any, policies: Any, to_train: Sequence[str]) -> None:
        super().play_episode(env, mapping, policies, to_train)
        self.count += 1
        self.log_scalar("episodes", self.count)
