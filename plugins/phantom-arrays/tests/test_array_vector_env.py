"""The collector and trainers play copies of an array env as they play any env."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_arrays as pa
import phantom_core as ph
from phantom_arrays import array_world


class Guesser(ph.Policy):
    """Draws its actions."""

    def compute_action(self, observation: Any) -> int:
        return 1

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        return [int(4 * draw) for draw in rng.uniform()], {}


def zoo_env(zoo: Any, num_traders: int = 5, **changes: Any) -> Any:
    """Return a world in which everybody stays, unless the changes say otherwise."""
    settings = {"turns": False, "visits": True, "leaving": 0.0, "joining": 0.0, "enough": 10**6, "cut": 0.0}
    edges = (np.repeat(np.arange(num_traders), 2), np.tile([0, 1], num_traders))
    friends = (np.arange(num_traders - 1), np.arange(1, num_traders))
    return zoo.ZooEnv((num_traders, 2), edges, friends, 9, **settings | changes)


def collected(zoo: Any, envs: Any, rounds: int = 4) -> list[Any]:
    """Return what a policy goes through in some collections."""
    space, actions = zoo.Traders.observation_space, zoo.Traders.action_space
    first = envs[0] if isinstance(envs, list) else envs.facts(0)
    spec = ph.PolicySpec(agents=zoo.Traders.Member)
    episodes: list[ph.EpisodeSummary] = []
    collector = ph.Collector(
        envs,
        {"p": Guesser(space, actions)},
        dict.fromkeys(first.strategic_agent_ids, "p"),
        specs={"p": spec},
        seed=3,
        learning=["p"],
        metrics={
            "wealth": ph.metrics.SimpleAgentMetric(("traders", 1), "wealth"),
            "held": ph.metrics.LambdaMetric(lambda env: float(env["traders"].held.sum()), list, list),
        },
        on_episode=episodes.append,
    )
    batches = [collector.collect(ph.CollectPlan(steps=12, copies=3))["p"] for _ in range(rounds)]
    found = [
        (
            t.agent_id,
            t.env_index,
            t.episode,
            np.array(t.observations).tobytes(),
            t.actions,
            t.rewards,
            t.steps,
            t.terminated,
            t.truncated,
        )
        for batch in batches
        for t in batch.trajectories
    ]
    return [sorted(found, key=repr), sorted(map(repr, episodes))]


CHANGES: dict[str, dict[str, Any]] = {
    "everybody stays": {},
    "some end": {"enough": 12},
    "some are cut off": {"cut": 0.05},
    "some leave": {"leaving": 0.3},
    "they come and go": {"leaving": 0.3, "joining": 0.3},
    "they take turns": {"turns": True},
}


@pytest.mark.parametrize("case", CHANGES)
def test_the_collector_plays_copies_together_as_one_by_one(zoo: Any, case: str) -> None:
    def envs() -> list[Any]:
        return [zoo_env(zoo, **CHANGES[case]) for _ in range(3)]

    together = collected(zoo, pa.ArrayVectorEnv(envs()))
    assert together == collected(zoo, envs())
    assert together == collected(zoo, pa.ArrayVectorEnv(envs(), tile_rows=1))


@pytest.mark.parametrize("tile_rows", [1, 14, 1000])
@pytest.mark.parametrize("case", ["everybody stays", "some end", "they come and go", "they take turns"])
def test_copies_that_stand_still_change_nothing_for_the_others(zoo: Any, case: str, tile_rows: int) -> None:
    def play(*without: list[int]) -> list[list[str]]:
        found: list[list[str]] = [[], [], []]
        envs = pa.ArrayVectorEnv([zoo_env(zoo, **CHANGES[case]) for _ in range(3)], tile_rows=tile_rows)
        collector = ph.Collector(
            envs,
            {"p": Guesser(zoo.Traders.observation_space, zoo.Traders.action_space)},
            dict.fromkeys(envs.facts(0).strategic_agent_ids, "p"),
            specs={"p": ph.PolicySpec(agents=zoo.Traders.Member)},
            seed=3,
            learning=["p"],
            learn_steps={"p": lambda rows: [found[one.env_index].append(repr(one)) for one in rows]},
        )
        for own in without:
            plan = ph.CollectPlan(steps=12, copies=3, is_independent=True, without=own)
            for one in collector.collect(plan)["p"].transitions:
                found[one.env_index].append(repr(one))
        return found

    all_three = play([], [], [], [])
    for own, its in zip(all_three, play([], [1], [1, 0], []), strict=True):
        assert its
        assert own[: len(its)] == its


def test_make_vector_env_steps_copies_together(zoo: Any) -> None:
    envs = ph.make_vector_env(lambda: zoo_env(zoo), 3)
    assert isinstance(envs, pa.ArrayVectorEnv)
    assert envs.num_copies == 3


def test_a_grid_over_the_number_of_agents_runs_in_one_batch(counting: Any) -> None:
    sizes = (2, 9, 5)
    envs = pa.ArrayVectorEnv([counting.CounterEnv(size) for size in sizes])
    policy = Guesser(counting.Counter.observation_space, counting.Counter.action_space)
    episodes: list[ph.EpisodeSummary] = []
    agents = dict.fromkeys(envs.facts(1).strategic_agent_ids, "p")
    ph.Collector(envs, {"p": policy}, agents, seed=1, on_episode=episodes.append).collect(
        ph.CollectPlan(episodes=3)
    )
    assert [len(episode.episode_returns) for episode in episodes] == list(sizes)


@pytest.mark.parametrize("way", ["together", "one by one"])
def test_q_learning_solves_a_game_of_many(counting: Any, way: str, monkeypatch: Any) -> None:
    if way == "one by one":
        monkeypatch.delattr(pa.ArrayEnv, "vectorized")
    results = ph.train(
        "q-learning",
        env=counting.CounterEnv,
        policies={"counters": counting.Counter.Member},
        num_iterations=20,
        evaluation=ph.EvaluationPlan(episodes=3),
        metrics={"right": ph.metrics.AggregatedAgentMetric(counting.Counter.Member, "right")},
        seed=2,
        run_dir=None,
    )
    assert results.evaluation is not None
    assert results.evaluation.mean_return == 10.0
    assert results.evaluation.episodes[0].metrics["right"].mean() == 1.0


def test_global_states_are_those_of_each_copy(counting: Any) -> None:
    envs = pa.ArrayVectorEnv([counting.CounterEnv(4), counting.CounterEnv(4)])
    envs.reset([0, 1], [5, 6])
    seen = [envs.reset([b], [5 + b])[0] for b in range(2)]
    right = [dict(one) for one in seen if one is not None]
    wrong = {agent_id: (value + 1) % 3 for agent_id, value in right[1].items()}
    envs.step([0, 1], [right[0], wrong])
    assert [state.tolist() for state in envs.states([0, 1])] == [[1.0], [0.0]]


class StopAfterThree(ph.Hooks):
    """Ends a run in the middle of its episodes."""

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        return "three are enough" if event.iteration == 2 else None


def test_a_run_is_resumed_where_it_stood(counting: Any, tmp_path: Any) -> None:
    def trained(run_dir: Any, *hooks: object) -> ph.TrainingResults:
        return ph.train(
            "q-learning",
            env=counting.CounterEnv,
            policies={"counters": counting.Counter.Member},
            trainer_config={"steps_per_iteration": 7},
            num_iterations=6,
            hooks=hooks,
            checkpoint=ph.CheckpointPlan(every=1),
            seed=4,
            run_dir=run_dir,
            name="counters",
        )

    whole, part = trained(tmp_path / "whole"), trained(tmp_path / "part", StopAfterThree())
    assert part.status == "stopped"
    assert part.run_directory is not None
    resumed = ph.resume(part.run_directory)
    assert repr(resumed.policies["counters"].state_dict()) == repr(whole.policies["counters"].state_dict())


def test_errors_name_the_episode_and_the_step(counting: Any) -> None:
    class Broken(counting.Counter):
        def compute_rewards(self) -> Any:
            return np.zeros(3)

    class BrokenEnv(pa.ArrayEnv):
        def __init__(self) -> None:
            super().__init__(10, [Broken("counters", 2)])

    envs = ph.make_vector_env(BrokenEnv, 2)
    policy = ph.RandomPolicy(counting.Counter.observation_space, counting.Counter.action_space)
    collector = ph.Collector(
        envs, {"p": policy}, dict.fromkeys(envs.facts(0).strategic_agent_ids, "p"), seed=1
    )
    with pytest.raises(ph.errors.EnvError) as raised:
        collector.collect(ph.CollectPlan(steps=4))
    said = str(raised.value)
    assert said.startswith(
        "Broken.compute_rewards() returned an array of shape (3,) and dtype float64. Expected rewards for "
        "all 4 rows of 'counters': an array whose first axis is that long. (BrokenEnv failed in step 1 of "
        "episode 0 ("
    )


class Chooser(pa.StrategicPopulation):
    """Takes one of three, and sees what it took."""

    observation_space = gym.spaces.Discrete(3)
    action_space: gym.Space[Any] = gym.spaces.Discrete(3)
    taken = pa.state(np.int64)

    def decode_actions(self, actions: Any) -> None:
        assert actions.dtype == np.int64
        self.taken[:] = actions

    def encode_observations(self) -> Any:
        return self.taken

    def compute_rewards(self) -> Any:
        return self.draw.uniform()


class Number(Chooser):
    """Says how much."""

    action_space = gym.spaces.Box(0.0, 1.0, (), np.float32)

    def decode_actions(self, actions: Any) -> None:
        assert actions.dtype == np.float32
        self.taken[:] = actions > 0.5


class Numbers(Chooser):
    """Says how much of two."""

    action_space = gym.spaces.Box(0.0, 1.0, (2,), np.float32)

    def decode_actions(self, actions: Any) -> None:
        assert (actions.dtype, actions.shape[1:]) == (np.float32, (2,))
        self.taken[:] = actions[:, 0] > 0.5


@pytest.mark.parametrize("other", [Number, Numbers])
def test_populations_may_have_actions_of_different_kinds(other: type[Chooser]) -> None:
    envs = pa.ArrayVectorEnv([pa.ArrayEnv(20, [Chooser("one", 2), other("other", 3)]) for _ in range(4)])
    policies = {
        name: ph.RandomPolicy(own.observation_space, own.action_space)
        for name, own in (("one", Chooser), ("other", other))
    }
    mapping = {agent_id: agent_id[0] for agent_id in envs.facts(0).strategic_agent_ids}
    collector = ph.Collector(envs, policies, mapping, seed=1, learning=["one", "other"])
    batches = collector.collect(ph.CollectPlan(steps=60, copies=4))
    assert [len(batches[name]) for name in ("one", "other")] == [15 * 4 * 2, 15 * 4 * 3]


def test_an_env_in_which_nobody_acts_is_collected() -> None:
    envs = pa.ArrayVectorEnv([pa.ArrayEnv(5, [pa.Population("crowd", 3)]) for _ in range(2)])
    collector = ph.Collector(envs, {}, {}, seed=1)
    collector.collect(ph.CollectPlan(episodes=4))
    assert collector.env_steps == 20


def test_draws_are_made_ahead_while_the_same_copies_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    step_keys = array_world.step_keys
    monkeypatch.setattr(array_world, "step_keys", lambda *given: made.append(1) or step_keys(*given))
    envs = pa.ArrayVectorEnv([pa.ArrayEnv(None, [Chooser("one", 1)]) for _ in range(4)])
    policy = ph.RandomPolicy(Chooser.observation_space, Chooser.action_space)
    mapping = dict.fromkeys(envs.facts(0).strategic_agent_ids, "p")
    collector = ph.Collector(envs, {"p": policy}, mapping, seed=1)
    plan = ph.CollectPlan(steps=4 * 120, copies=4, is_independent=True, without=[2])
    collector.collect(plan)
    assert len(made) < 10
