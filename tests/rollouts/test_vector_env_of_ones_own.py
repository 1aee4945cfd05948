"""A vector env written from public names alone: n walkers as two arrays, stepped without dicts."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph

OBSERVATION = gym.spaces.Box(-100.0, 100.0, (1,), np.float64)
ACTION = gym.spaces.Discrete(3)


class WalkerFacts:
    """What each copy says about itself: one agent, which acts in every step."""

    acting_agent_ids = None
    strategic_agent_ids = ("walker",)
    observation_spaces: Mapping[Any, gym.Space[Any]] = {"walker": OBSERVATION}
    action_spaces: Mapping[Any, gym.Space[Any]] = {"walker": ACTION}


class Walkers(ph.VectorEnv):
    """Each walker goes left, stands or goes right; copy i ends after i + 3 steps."""

    env_name = "Walkers"

    def __init__(self, num_copies: int) -> None:
        self.num_copies = num_copies
        self.places, self.ages = np.zeros(num_copies), np.zeros(num_copies, np.int64)
        self.calls = 0

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[Any, Any] | None]:
        self.places[list(numbers)] = [seed % 10 for seed in seeds]
        self.ages[list(numbers)] = 0
        return [{"walker": self.places[number : number + 1].copy()} for number in numbers]

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[Any, Any]]) -> list[ph.StepResult]:
        chosen = list(numbers)
        self.places[chosen] += [given["walker"] - 1 for given in actions]
        self.ages[chosen] += 1
        return [self.result(number) for number in numbers]

    def result(self, number: int) -> ph.StepResult:
        is_over = bool(self.ages[number] == number + 3)
        place = self.places[number]
        return ph.StepResult(
            {"walker": np.array([place])},
            {"walker": float(place)},
            {"walker": is_over, "__all__": is_over},
            {"walker": False, "__all__": False},
            {},
        )

    def facts(self, number: int) -> WalkerFacts:
        return WalkerFacts()

    def measure(self, metrics: Any, mode: Any) -> None:
        assert not metrics

    def take_metrics(self, number: int) -> dict[str, Any]:
        return {}

    def policies_for(self, number: int, agent_id: Any, specs: Any) -> list[str]:
        return []

    def fingerprint(self, number: int) -> str:
        return f"{self.places[number]} {self.ages[number]}"

    def close(self) -> None:
        """Nothing to close."""


class ArrayWalkers(Walkers):
    """The same, without dicts where nothing ends."""

    def step_rows(self, table: Any, actions: Sequence[Any]) -> Any:
        if not table.repeats:
            return super().step_rows(table, actions)
        self.calls += 1
        self.places += np.array(actions) - 1
        self.ages += 1
        others = [(place, self.result(place)) for place in range(self.num_copies) if self.ends(place)]
        rewards = self.places.tolist()
        for place, _ in others:
            rewards[place] = 0.0
        return table.step(self.places[:, None].copy(), rewards, others)

    def ends(self, place: int) -> bool:
        return bool(self.ages[place] == place + 3)


class Wanderer(ph.Policy):
    """Draws its actions."""

    def compute_action(self, observation: Any) -> int:
        return 1

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        return [int(3 * draw) for draw in rng.uniform()], {}


def collected(envs: ph.VectorEnv) -> list[Any]:
    collector = ph.Collector(
        envs, {"p": Wanderer(OBSERVATION, ACTION)}, {"walker": "p"}, seed=3, learning=["p"]
    )
    batches = [collector.collect(ph.CollectPlan(steps=4 * n, copies=4))["p"] for n in (5, 1, 7)]
    return [
        (t.env_index, t.episode, [o.tolist() for o in t.observations], t.actions, t.rewards, t.terminated)
        for batch in batches
        for t in batch.trajectories
    ]


def test_it_is_played_like_any_other() -> None:
    found = collected(Walkers(4))
    assert sum(len(actions) for _, _, _, actions, _, _ in found) == 4 * 13
    assert {env_index for env_index, *_ in found} == {0, 1, 2, 3}
    for _, _, observations, actions, rewards, _ in found:
        places = [place for (place,) in observations]
        assert rewards == [place + action - 1 for place, action in zip(places, actions, strict=True)]


def test_with_step_rows_it_hands_over_the_same() -> None:
    envs = ArrayWalkers(4)
    assert collected(envs) == collected(Walkers(4))
    assert envs.calls > 5


class RewardsOfItsOwn(ArrayWalkers):
    """The same, and looks at whether the rewards that it returned are still as they were."""

    def __init__(self, num_copies: int) -> None:
        super().__init__(num_copies)
        self.returned: list[float] = []
        self.rewards: list[float] = []

    def step_rows(self, table: Any, actions: Sequence[Any]) -> Any:
        assert self.returned == self.rewards
        found = super().step_rows(table, actions)
        self.returned, self.rewards = found.rewards, [*found.rewards]
        return found


def test_its_rewards_are_not_written_into_where_an_online_learner_ends() -> None:
    heard: list[float] = []
    collector = ph.Collector(
        RewardsOfItsOwn(4), {"p": Wanderer(OBSERVATION, ACTION)}, {"walker": "p"}, seed=3, learning=["p"],
        learn_steps={"p": lambda rows: heard.extend(one.reward for one in rows if one.terminated)},
    )  # fmt: skip
    collector.collect(ph.CollectPlan(steps=4 * 20))
    assert len(heard) > 10
    assert any(heard)


@pytest.mark.parametrize("name", ["reset", "facts", "measure", "take_metrics", "policies_for", "fingerprint"])
def test_what_it_has_to_implement_is_abstract(name: str) -> None:
    assert name in ph.VectorEnv.__abstractmethods__


class StatefulFacts(WalkerFacts):
    state_space = OBSERVATION


class StatefulWalkers(Walkers):
    def facts(self, number: int) -> StatefulFacts:
        return StatefulFacts()


def test_a_state_space_without_states_is_named() -> None:
    policies = {"p": Wanderer(OBSERVATION, ACTION)}
    collector = ph.Collector(
        StatefulWalkers(2), policies, {"walker": "p"}, seed=3, learning=["p"], needs=["state"]
    )
    with pytest.raises(ph.errors.EnvError) as caught:
        collector.collect(ph.CollectPlan(steps=4))
    assert str(caught.value) == (
        "StatefulWalkers has a state_space, but no states(). Override it, and return the global state of "
        "each of these copies."
    )


class WalkerEnv(WalkerFacts):
    """One walker as an env, whose class steps copies together."""

    agents: Mapping[Any, Any] = {}

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        return {"walker": np.zeros(1)}, {}

    def step(self, actions: Any) -> ph.StepResult:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing to close."""

    @classmethod
    def vectorized(cls, envs: Sequence[Any]) -> Any:
        return ArrayWalkers(len(envs))


def test_a_class_may_say_how_its_copies_are_stepped_together() -> None:
    envs = ph.make_vector_env(WalkerEnv, 4)
    assert isinstance(envs, ArrayWalkers)
    assert collected(envs) == collected(ArrayWalkers(4))


def test_what_steps_another_number_of_copies_is_refused() -> None:
    class Wrong(WalkerEnv):
        @classmethod
        def vectorized(cls, envs: Sequence[Any]) -> Any:
            return len(envs)

    with pytest.raises(ph.errors.ConfigError) as raised:
        ph.make_vector_env(Wrong, 3)
    assert str(raised.value) == (
        "Wrong.vectorized() returned 3 for 3 envs. Expected a ph.VectorEnv of as many copies."
    )
