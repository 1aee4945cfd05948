"""Copies of an env as experiments of their own, each with its own seed and its own parameters."""

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class Walker(ph.StrategicAgent):
    """Goes where it is told, a little further or less far."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = gym.spaces.Discrete(5)

    def reset(self) -> None:
        self.place = self.random.random()

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.place += action * self.random.random()

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([self.place])

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.place


class Walks(ph.PhantomEnv):
    """Two walkers, and episodes of four steps."""

    def __init__(self) -> None:
        super().__init__(4, ph.Network([Walker("A"), Walker("B")]))


class Tired(ph.Policy):
    """Draws a step that is at most so long."""

    def __init__(self, observation_space: Any, action_space: Any, *, most: int) -> None:
        super().__init__(observation_space, action_space)
        self.most = most

    def compute_action(self, observation: Any) -> int:
        return self.most

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> Any:
        return [int(draw * (self.most + 1)) for draw in rng.uniform()], {}


class TiredByCopy(ph.PolicyByCopy):
    """Likewise, with another length in each copy."""

    def __init__(self, observation_space: Any, action_space: Any, *, most: Sequence[int]) -> None:
        super().__init__(observation_space, action_space)
        self.most, self.num_copies = np.array(most), len(most)

    def compute_actions(self, observations: Any, env_indices: Any) -> Any:
        return self.most[env_indices].tolist()

    def sample_actions(self, observations: Any, rng: ph.RowStreams, env_indices: Any) -> Any:
        return (np.array(rng.uniform()) * (self.most[env_indices] + 1)).astype(int).tolist(), {}

    def of_copy(self, env_index: int) -> Tired:
        return Tired(self.observation_space, self.action_space, most=int(self.most[env_index]))


def by_copy(*most: int) -> TiredByCopy:
    return TiredByCopy(Walker.observation_space, Walker.action_space, most=most)


def played(envs: Any, policy: ph.BasePolicy, seeds: Sequence[int]) -> ph.Transitions:
    mapping = {"A": "p", "B": "p"}
    collector = ph.Collector(envs, {"p": policy}, mapping, seed=7, seeds=seeds, learning=["p"])
    return collector.collect(ph.CollectPlan(steps=10 * len(seeds)))["p"].transitions


@pytest.mark.parametrize("workers", [0, 2])
def test_a_copy_plays_what_it_would_play_alone_with_its_seed(workers: int) -> None:
    seeds, policy = [5, 6, 7], by_copy(1, 2, 4)
    envs = ph.make_vector_env(Walks, 3, workers=workers)
    together = played(envs, policy, seeds)
    envs.close()
    for number, seed in enumerate(seeds):
        alone = played([Walks()], policy.of_copy(number), [seed])
        own = together.env_indices == number
        assert len(alone) == 20
        assert together.observations[own].tolist() == alone.observations.tolist()
        assert together.actions[own].tolist() == alone.actions.tolist()
        assert together.rewards[own].tolist() == alone.rewards.tolist()
        assert together.episodes[own].tolist() == alone.episodes.tolist()


def test_finished_policies_are_told_the_copy_too() -> None:
    ends: list[ph.EpisodeSummary] = []
    collector = ph.Collector(
        [Walks(), Walks()],
        {"p": by_copy(0, 3)},
        {"A": "p", "B": "p"},
        seed=1,
        mode="evaluate",
        on_episode=ends.append,
    )
    collector.collect(ph.CollectPlan(episodes=2))
    still, going = (end.episode_returns["A"] for end in sorted(ends, key=lambda end: end.env_index))
    assert still < 4 < going


def test_it_is_played_in_as_many_copies_as_it_is_for() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.evaluate(Walks(), {"p": by_copy(1, 2)}, {"A": "p", "B": "p"}, num_episodes=1, seed=1)
    assert str(caught.value) == (
        "Policy 'p' has parameters for 2 copies of the env, but is to be played in 1. Play the policy of one "
        "of them: policies['p'].of_copy(0), where policies = ph.load_policies(run) for a saved run."
    )


class Experiments(ph.Trainer):
    """Plays three copies, each as an experiment of its own."""

    policy_class = ph.RandomPolicy
    plan = ph.CollectPlan(steps=12, copies=3, is_independent=True)
    earned: ClassVar[list[ph.Transitions]] = []

    def collect_plan(self) -> ph.CollectPlan:
        return self.plan

    def update(self, policy_id: str, policy: Any, batch: ph.Batch, rng: Any) -> dict[str, float]:
        self.earned.append(batch.transitions)
        return {}


class Alone(Experiments):
    """Plays one."""

    plan = ph.CollectPlan(steps=4)


def test_copy_k_of_a_run_is_the_run_with_the_seed_k_later() -> None:
    Experiments.earned.clear()
    ph.train(Experiments(), env=Walks, num_iterations=1, seed=11, run_dir=None)
    for number in range(3):
        ph.train(Alone(), env=Walks, num_iterations=1, seed=11 + number, run_dir=None)
        together, alone = Experiments.earned[0], Experiments.earned[-1]
        own = together.rewards[together.env_indices == number]
        assert own.tolist() == alone.rewards.tolist()
        assert len(own) == 8


def test_experiments_are_those_of_one_trainer() -> None:
    policies = {"p": ["A"], "q": ph.PolicySpec(agents=["B"], trainer=Alone())}
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train(Experiments(), env=Walks, policies=policies, num_iterations=1, run_dir=None)
    assert str(caught.value) == (
        "Experiments learns in 3 independent experiments (sessions), each in a copy of the env of its own, "
        "so no other trainer can learn in the same run, but 'Alone' would. Give the run one trainer, or "
        "leave the sessions out."
    )


@pytest.mark.parametrize("is_online", [False, True])
def test_a_copy_that_a_plan_is_without_stands_still_and_then_goes_on(
    is_online: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    def play(*plans: ph.CollectPlan) -> tuple[list[list[str]], int]:
        found: list[list[str]] = [[], [], []]

        def hear(rows: ph.Transitions) -> None:
            for one in rows:
                found[one.env_index].append(repr(one))

        collector = ph.Collector(
            [Walks() for _ in range(3)],
            {"p": by_copy(1, 2, 4)},
            {"A": "p", "B": "p"},
            seed=7,
            seeds=[5, 6, 7],
            learning=["p"],
            learn_steps={"p": hear} if is_online else {},
        )
        for plan in plans:
            hear(collector.collect(plan)["p"].transitions)
        return found, collector.env_steps

    def plan(*without: int) -> ph.CollectPlan:
        return ph.CollectPlan(steps=9, copies=3, is_independent=True, without=without)

    all_three, env_steps = play(plan(), plan(), plan(), plan())
    found, counted = play(plan(), plan(1), plan(1, 0), plan())
    assert counted == env_steps == 36
    assert [len(own) for own in found] == [18, 12, 24]
    assert [own[: len(its)] for own, its in zip(all_three, found, strict=True)] == found


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 6, "copies": 3, "is_independent": True, "without": [0, 1, 2]},
        {"steps": 6, "copies": 3, "is_independent": True, "without": [3]},
        {"steps": 6, "copies": 3, "without": [1]},
        {"episodes": 6, "copies": 3, "is_independent": True, "without": [1]},
        {"steps": 6, "copies": 3, "is_independent": True, "without": 1},
        {"steps": 6, "copies": 3, "is_independent": True, "without": ["1"]},
    ],
)
def test_a_plan_is_without_some_copies_of_independent_ones(settings: dict[str, Any]) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.CollectPlan(**settings)
    assert str(caught.value).endswith(
        " is not a plan. without names copies that stand still: numbers from 0 to copies - 1, but not all of "
        "them. It needs steps, copies and is_independent=True."
    )


class Side(Alone):
    """Plays another number of copies."""

    plan = ph.CollectPlan(steps=4, copies=2)


@pytest.mark.parametrize("main", [Experiments, Side])
def test_another_trainer_is_refused_before_its_number_of_copies_is(main: type[ph.Trainer]) -> None:
    other = Side if main is Experiments else Experiments
    policies = {"p": ["A"], "q": ph.PolicySpec(agents=["B"], trainer=other())}
    with pytest.raises(ph.errors.ConfigError, match=r"^Experiments learns in 3 independent .* 'Side' would"):
        ph.train(main(), env=Walks, policies=policies, num_iterations=1, run_dir=None)
