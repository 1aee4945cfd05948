"""Each trainer of a run is called when its own plan is fulfilled, with what its agents went through."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.training.cadence import Cadence
from phantom_core.training.components import Components
from phantom_core.training.full_training import FullTraining
from phantom_core.training.run_loop import RunLoop
from phantom_core.training.run_state import RunFacts, RunState

Key = tuple[Any, ...]


class Walker(ph.StrategicAgent):
    """Observes a number that it draws, and is paid by what it does."""

    observation_space, action_space = gym.spaces.Discrete(100), gym.spaces.Discrete(5)

    def reset(self) -> None:
        self.paid = 0.0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.paid = float(action)

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.random.randrange(100)

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.paid


class Walks(ph.PhantomEnv):
    def __init__(self, num_steps: int | None = 7) -> None:
        super().__init__(num_steps, ph.Network([Walker("A"), Walker("B"), Walker("C")]))


class EndingWalks(Walks):
    """Ends at steps that are drawn."""

    def is_terminated(self) -> bool:
        return self.random.random() < 0.2


class KeepingPolicy(ph.RandomPolicy):
    """Counts how often it was trained."""

    def __init__(self, observation_space: Any, action_space: Any) -> None:
        super().__init__(observation_space, action_space)
        self.updates = np.zeros(1)

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.updates = state["updates"]


class Keeper(ph.Trainer):
    """Keeps the batches that it gets, and the env steps at which it gets them."""

    policy_class = KeepingPolicy
    plan: ClassVar[ph.CollectPlan] = ph.CollectPlan(steps=10)
    batches: ClassVar[list[tuple[int, int, ph.Batch]]]

    def collect_plan(self) -> ph.CollectPlan:
        return self.plan

    def update(self, policy_id: str, policy: Any, batch: ph.Batch, rng: Any) -> Mapping[str, float]:
        policy.updates += 1
        self.batches.append((self.run.iteration, self.run.env_steps, batch))
        return {"size": len(batch), "count": float(policy.updates[0])}


def keeper(plan: ph.CollectPlan, base: type[Keeper] = Keeper, **attributes: Any) -> type[Keeper]:
    """Return a trainer class of its own with a plan."""
    name = f"{base.__name__}{keeper.number}"  # type: ignore[attr-defined]
    keeper.number += 1  # type: ignore[attr-defined]
    return type(name, (base,), {"plan": plan, "batches": [], **attributes})


keeper.number = 0  # type: ignore[attr-defined]


def train(main: type[Keeper], others: Mapping[str, type[Keeper]] | None = None, **settings: Any) -> Any:
    policies: dict[str, Any] = {"a": ["A"]}
    for (policy_id, trainer), agent_id in zip((others or {}).items(), "BC", strict=False):
        policies[policy_id] = ph.PolicySpec(agents=[agent_id], trainer=trainer)
    rest = [agent_id for agent_id in "ABC" if agent_id not in ("A", *"BC"[: len(others or {})])]
    if rest:
        policies["rest"] = ("random", rest)
    defaults: dict[str, Any] = {
        "env": Walks, "policies": policies, "policies_to_train": ["a", *(others or {})],
        "num_iterations": 4, "seed": 1, "run_dir": None,
    }  # fmt: skip
    return ph.train(main, **defaults | settings)


def rows(batch: ph.Batch) -> list[Key]:
    of = batch.transitions
    return list(
        zip(
            of.env_indices.tolist(), of.episodes.tolist(), of.steps.tolist(), of.agent_ids,
            of.observations.tolist(), of.actions.tolist(), of.rewards.tolist(),
            of.next_observations.tolist(), of.terminated.tolist(), of.truncated.tolist(),
            strict=True,
        )
    )  # fmt: skip


def test_three_trainers_each_get_what_they_planned() -> None:
    on_policy = keeper(ph.CollectPlan(steps=256, copies=2))
    off_policy = keeper(ph.CollectPlan(steps=4))
    by_episode = keeper(ph.CollectPlan(episodes=10))
    train(on_policy, {"off": off_policy, "whole": by_episode}, env=EndingWalks)
    assert [(iteration, steps, len(b)) for iteration, steps, b in on_policy.batches] == [
        (n, 256 * (n + 1), 256) for n in range(4)
    ]
    assert [(steps, len(b)) for _, steps, b in off_policy.batches] == [(4 * n, 4) for n in range(1, 257)]
    assert len(by_episode.batches) > 5
    for number, (_, _, batch) in enumerate(by_episode.batches):
        whole = batch.trajectories
        assert (whole.terminated | whole.truncated).all()
        assert [t.steps[0] for t in whole] == [0] * 10
        found = sorted(zip(whole.env_indices, whole.episodes, strict=True))
        own = range(5 * number, 5 * number + 5)
        assert found == [(copy, episode) for copy in (0, 1) for episode in own]


def test_nobody_gets_a_transition_twice_and_none_is_left_out() -> None:
    trainers = {
        "off": keeper(ph.CollectPlan(steps=6)),
        "whole": keeper(ph.CollectPlan(episodes=4)),
    }
    main = keeper(ph.CollectPlan(steps=40, copies=2))
    train(main, trainers, env=EndingWalks, num_iterations=5)
    for trainer in (main, *trainers.values()):
        found = [row for _, _, batch in trainer.batches for row in rows(batch)]
        assert len(set(found)) == len(found)
        by_copy: defaultdict[Key, list[int]] = defaultdict(list)
        for copy, episode, step, *_ in found:
            by_copy[copy, episode].append(step)
        assert all(steps == list(range(len(steps))) for steps in by_copy.values())
        assert {copy for copy, _ in by_copy} == {0, 1}


@pytest.mark.parametrize(
    "plan", [ph.CollectPlan(steps=6), ph.CollectPlan(steps=100), ph.CollectPlan(episodes=4)]
)
def test_a_trainer_gets_beside_another_what_it_gets_alone(plan: ph.CollectPlan) -> None:
    beside, alone = keeper(plan), keeper(plan)
    train(keeper(ph.CollectPlan(steps=100)), {"p": beside}, env=EndingWalks, num_iterations=8)
    policies = {"p": ["B"], "rest": ("random", ["A", "C"])}
    number = len(beside.batches)
    assert number >= 8
    train(alone, env=EndingWalks, policies=policies, policies_to_train=["p"], num_iterations=number)
    for (_, _, one), (_, _, other) in zip(beside.batches, alone.batches, strict=True):
        assert rows(one) == rows(other)


def test_a_main_trainer_by_episodes_beside_one_by_steps() -> None:
    main, other = keeper(ph.CollectPlan(episodes=4, copies=2)), keeper(ph.CollectPlan(steps=10))
    train(main, {"p": other}, num_iterations=3)
    assert [(steps, len(batch)) for _, steps, batch in main.batches] == [(28, 28), (56, 28), (84, 28)]
    assert [(steps, len(batch)) for _, steps, batch in other.batches] == [(10 * n, 10) for n in range(1, 9)]


def test_rounds_make_an_iteration_whose_values_are_means_and_last_ones() -> None:
    seen: list[tuple[int, float, int]] = []

    class Looking(Keeper):
        keep_last = ("count",)

        def begin_round(self, policy_id: str, policy: Any) -> None:
            seen.append((self.run.round, self.progress, self.run.env_steps))

    main = keeper(ph.CollectPlan(steps=10, rounds=3), Looking)
    results = train(main, num_iterations=2)
    assert [(row["env_steps"], row["a/size"], row["a/count"]) for row in results.history] == [
        (30, 10.0, 3.0), (60, 10.0, 6.0),
    ]  # fmt: skip
    assert [number for number, _, _ in seen] == list(range(6))
    assert [progress for _, progress, _ in seen] == pytest.approx([n / 6 for n in range(6)])
    assert [steps for _, _, steps in seen] == [10 * n for n in range(6)]


def test_episodes_of_all_rounds_are_logged_once() -> None:
    ended: list[int] = []

    class Listening(ph.Hooks):
        def on_episode_end(self, event: ph.EpisodeEnd) -> None:
            ended.append(event.episode)

    results = train(keeper(ph.CollectPlan(steps=14, rounds=3)), num_iterations=1, hooks=[Listening()])
    assert ended == list(range(6))
    assert results.history[0]["episode_length"] == 7.0


def test_a_run_ends_with_the_round_that_has_its_steps() -> None:
    main = keeper(ph.CollectPlan(steps=10, rounds=5))
    results = train(main, num_iterations=None, total_steps=70)
    assert (results.env_steps, results.iterations, len(main.batches)) == (70, 2, 7)


def test_a_plan_may_grow() -> None:
    class Growing(Keeper):
        def collect_plan(self) -> ph.CollectPlan:
            return ph.CollectPlan(steps=5 * (len(self.batches) + 1))

    main = keeper(ph.CollectPlan(steps=1), Growing)
    train(main)
    assert [len(batch) for _, _, batch in main.batches] == [5, 10, 15, 20]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            ph.CollectPlan(steps=5, copies=2),
            (
                "collect_plan() returned CollectPlan(steps=5, episodes=None, copies=2, rounds=1, needs=(), "
                "is_independent=False, without=frozenset()), but copies=None, needs=() and "
                "is_independent=False when the run began. Keep them as they were."
            ),
        ),
        (
            ph.CollectPlan(steps=5, needs=["state"]),
            (
                "collect_plan() returned CollectPlan(steps=5, episodes=None, copies=None, rounds=1, "
                "needs=['state'], is_independent=False, without=frozenset()), but copies=None, needs=() and "
                "is_independent=False when the run began. Keep them as they were."
            ),
        ),
        (
            None,
            (
                "collect_plan() returned None. Expected how much to collect, such as "
                "ph.CollectPlan(episodes=10)."
            ),
        ),
    ],
)
def test_copies_and_needs_are_fixed(changed: Any, said: str) -> None:
    class Fickle(Keeper):
        def collect_plan(self) -> ph.CollectPlan:
            found: ph.CollectPlan = changed if self.batches else ph.CollectPlan(steps=5)
            return found

    main = keeper(ph.CollectPlan(steps=1), Fickle)
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(main)
    assert str(caught.value) == f"{main.__name__}.{said}"


def test_trainers_that_do_not_agree_on_copies_are_refused() -> None:
    main, other = keeper(ph.CollectPlan(steps=8, copies=4)), keeper(ph.CollectPlan(steps=8, copies=2))
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(main, {"p": other})
    assert str(caught.value) == (
        f"{other.__name__} plans copies=2, but {main.__name__}, the main trainer of the run, plays 4. Give "
        "both the same number."
    )


PLAN = [{"policies": ["a"], "iterations": 1}, {"policies": ["p"], "iterations": 2}]


def test_an_iteration_has_the_main_trainers_length_when_only_others_learn() -> None:
    main, other = keeper(ph.CollectPlan(steps=20)), keeper(ph.CollectPlan(steps=8))
    results = train(main, {"p": other}, training_plan=PLAN, num_iterations=6)
    assert [row["env_steps"] for row in results.history] == [20, 40, 60, 80, 100, 120]
    assert [(iteration, len(batch)) for iteration, _, batch in main.batches] == [(0, 20), (3, 20)]
    assert [iteration for iteration, _, _ in other.batches] == [1, 1, 2, 2, 2, 4, 4, 5, 5, 5]


def test_a_phase_discards_what_is_not_finished() -> None:
    main, whole = keeper(ph.CollectPlan(steps=20)), keeper(ph.CollectPlan(episodes=2))
    train(main, {"p": whole}, training_plan=PLAN, num_iterations=6)
    for _, _, batch in whole.batches:
        assert [len(t) for t in batch.trajectories] == [7, 7]
        assert batch.trajectories.truncated.all()
    # 20 steps of the first phase end within episode 2, which is not counted
    assert [t.episode for _, _, batch in whole.batches for t in batch.trajectories] == [
        3,
        4,
        5,
        6,
        12,
        13,
        14,
        15,
    ]


class Online(Keeper):
    """Learns from each step."""

    rows: ClassVar[list[ph.Transitions]]

    def learn_step(self, policy_id: str, policy: Any, rows: ph.Transitions, rng: Any) -> None:
        self.rows.append(rows)


def test_an_online_learner_gets_each_step_and_then_an_empty_batch() -> None:
    online = keeper(ph.CollectPlan(steps=10, copies=2), Online, rows=[])
    assert issubclass(online, Online)
    train(online, env=EndingWalks, num_iterations=3)
    assert [len(found) for found in online.rows] == [2] * 15
    assert [(steps, len(batch)) for _, steps, batch in online.batches] == [(10, 0), (20, 0), (30, 0)]
    same = keeper(ph.CollectPlan(steps=10, copies=2))
    train(same, env=EndingWalks, num_iterations=3)
    found = [
        (*key[:-3], nexts) for rows_ in online.rows for *key, nexts in zip(
            rows_.env_indices.tolist(), rows_.episodes.tolist(), rows_.steps.tolist(), rows_.agent_ids,
            rows_.observations.tolist(), rows_.actions.tolist(), rows_.rewards.tolist(),
            rows_.terminated.tolist(), rows_.truncated.tolist(), rows_.has_next.tolist(),
            rows_.next_observations.tolist(), strict=True,
        )
    ]  # fmt: skip
    expected = [(*row[:7], row[7]) for _, _, batch in same.batches for row in rows(batch)]
    assert [(*row[:7], row[-1]) for row in found] == expected


def test_an_online_learner_may_plan_by_episodes() -> None:
    online = keeper(ph.CollectPlan(episodes=2), Online, rows=[])
    assert issubclass(online, Online)
    results = train(online, num_iterations=2)
    assert [row["env_steps"] for row in results.history] == [14, 28]
    assert len(online.rows) == 28
    assert [len(batch) for _, _, batch in online.batches] == [0, 0]


def test_whole_episodes_of_an_env_without_end_are_refused_before_the_first_step() -> None:
    main = keeper(ph.CollectPlan(episodes=2))
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(main, env_config={"num_steps": None})
    assert str(caught.value) == (
        f"{main.__name__} waits for whole episodes, but an episode of Walks never ends: num_steps is None, "
        "and neither it nor an agent overrides is_terminated() or is_truncated(). Give the env num_steps, "
        "or use a trainer, or settings of it, that collects steps."
    )


def test_an_env_without_end_can_be_trained_in_by_steps() -> None:
    main = keeper(ph.CollectPlan(steps=30))
    results = train(main, env_config={"num_steps": None}, num_iterations=3)
    assert results.env_steps == 90
    assert {len(batch.trajectories) for _, _, batch in main.batches} == {1}


def test_an_env_that_may_end_is_not_refused() -> None:
    results = train(keeper(ph.CollectPlan(episodes=2)), env=EndingWalks, env_config={"num_steps": None})
    assert results.iterations == 4


def test_an_online_learner_beside_one_that_is_not() -> None:
    online, main = keeper(ph.CollectPlan(steps=5), Online, rows=[]), keeper(ph.CollectPlan(steps=10))
    assert issubclass(online, Online)
    train(main, {"p": online}, num_iterations=2)
    assert len(online.rows) == 20
    assert [len(batch) for _, _, batch in main.batches] == [10, 10]
    assert {found.agent_ids[0] for found in online.rows} == {"B"}


def test_setup_comes_once_for_each_policy_with_a_stream_of_its_own() -> None:
    made: list[tuple[str, float, int]] = []

    class SetUp(Keeper):
        def setup(self, policy_id: str, policy: Any, rng: np.random.Generator) -> None:
            made.append((policy_id, rng.random(), self.run.iteration))

    main = keeper(ph.CollectPlan(steps=10), SetUp)
    policies = {"one": ["A"], "two": ["B"], "rest": ("random", ["C"])}
    for _ in range(2):
        train(main, policies=policies, policies_to_train=["one", "two"])
    assert [(policy_id, iteration) for policy_id, _, iteration in made] == [("one", -1), ("two", -1)] * 2
    assert made[:2] == made[2:]
    assert made[0][1] != made[1][1]


def test_a_trainer_may_stop_its_run() -> None:
    class Stopping(Keeper):
        def update(self, policy_id: str, policy: Any, batch: ph.Batch, rng: Any) -> Mapping[str, float]:
            if self.run.env_steps >= 40:
                self.run.stop("it has seen enough")
            return super().update(policy_id, policy, batch, rng)

    main = keeper(ph.CollectPlan(steps=10, rounds=3), Stopping)
    results = train(main, num_iterations=10)
    assert (results.env_steps, results.status, results.stop_reasons) == (
        40,
        "stopped",
        ("it has seen enough",),
    )


def test_a_trainer_knows_its_run() -> None:
    known: list[Any] = []

    class Knowing(Keeper):
        def update(self, policy_id: str, policy: Any, batch: ph.Batch, rng: Any) -> Mapping[str, float]:
            run = self.run
            known.append(
                (run.name, run.seed, run.directory, run.num_iterations, run.total_steps, run.workers,
                 run.iteration, run.round, run.env_steps, run.progress, list(run.policies),
                 dict(run.policy_by_agent), list(run.policies_to_train))
            )  # fmt: skip
            run.log({"mine": 2})
            return {}

    results = train(keeper(ph.CollectPlan(steps=10), Knowing), num_iterations=2, name="walk")
    agents = {"A": "a", "B": "rest", "C": "rest"}
    assert known == [
        ("walk", 1, None, 2, None, 0, n, n, 10 * (n + 1), n / 2, ["a", "rest"], agents, ["a"])
        for n in range(2)
    ]
    assert [row["mine"] for row in results.history] == [2.0, 2.0]


def test_settings_of_the_trainer_reach_its_policies() -> None:
    class Sized(KeepingPolicy):
        def __init__(
            self, observation_space: Any, action_space: Any, *, size: int = 1, depth: int = 1
        ) -> None:
            super().__init__(observation_space, action_space)
            self.size, self.depth = size, depth

    class Sizing(Keeper):
        policy_class = Sized

        def policy_settings(self) -> Mapping[str, Any]:
            return {"size": 8, "depth": 2}

    main = keeper(ph.CollectPlan(steps=10), Sizing)
    policies = {
        "one": ["A"],
        "two": ph.PolicySpec(agents=["B"], config={"depth": 5}),
        "rest": ("random", ["C"]),
    }
    results = train(main, policies=policies, policies_to_train=["one", "two"], num_iterations=1)
    found = {i: (p.size, p.depth, p.given_settings) for i, p in results.policies.items() if i != "rest"}
    assert found == {
        "one": (8, 2, {"size": 8, "depth": 2}),
        "two": (8, 5, {"size": 8, "depth": 5}),
    }


def training_of(trainers: Mapping[str, type[Keeper]]) -> tuple[RunLoop, FullTraining]:
    components = Components()
    env = EndingWalks()
    policies = {i: KeepingPolicy(env.observation_spaces["A"], env.action_spaces["A"]) for i in trainers}
    state = RunState(
        num_iterations=9,
        policies=policies,
        policy_by_agent=dict(zip("ABC", trainers, strict=True)),
        policies_to_train=tuple(trainers),
    )
    facts = RunFacts(name="t", seed=3, trainer_name="t", load_policy_class=components.policy_class)
    loop = RunLoop(facts, state, Dispatcher(components.manager))
    made = {policy_id: trainer() for policy_id, trainer in trainers.items()}
    for trainer in made.values():
        trainer.enter(loop)
    cadences = Cadence.of_run(made["a"], made, loop, EndingWalks())
    return loop, FullTraining(loop, [EndingWalks(), EndingWalks()], cadences, metrics={})


def test_what_nobody_took_yet_is_saved() -> None:
    def trainers() -> dict[str, type[Keeper]]:
        return {
            "a": keeper(ph.CollectPlan(steps=10, copies=2)),
            "b": keeper(ph.CollectPlan(steps=16)),
            "c": keeper(ph.CollectPlan(episodes=6)),
        }

    unbroken, first, second = trainers(), trainers(), trainers()
    for kinds, numbers in ((unbroken, [8]), (first, [3])):
        loop, training = training_of(kinds)
        for number in numbers:
            for iteration in loop.each_iteration(number):
                training.iterate(iteration)
    saved, state = training.state_dict(), loop.state
    loop, training = training_of(second)
    training.load_state_dict(saved)
    loop.state.iterations, loop.state.env_steps = state.iterations, state.env_steps
    for iteration in loop.each_iteration(5):
        training.iterate(iteration)
    for policy_id, whole in unbroken.items():
        pieces = first[policy_id].batches + second[policy_id].batches
        assert [steps for _, steps, _ in pieces] == [steps for _, steps, _ in whole.batches]
        assert [rows(batch) for *_, batch in pieces] == [rows(batch) for *_, batch in whole.batches]


class Searcher(ph.Trainer):
    """Plays in the workers of its run."""

    policy_class = KeepingPolicy
    uses_workers = True

    def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
        envs = self.run.make_vector_env(2)
        collector = self.make_collector(envs, policies, policy_mapping)
        collector.collect(ph.CollectPlan(episodes=2))
        self.log_scalar("workers", len(getattr(envs, "workers", ())))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_simple_trainer_may_use_workers(workers: int) -> None:
    results = ph.train(
        Searcher,
        env=f"{__file__}:Walks",  # a place that workers find wherever the tests are run
        policies={"p": ["A", "B", "C"]},
        num_iterations=1,
        workers=workers,
        seed=1,
        run_dir=None,
    )
    assert (results.history[0]["workers"], results.env_steps) == (workers, 14)


class Failing(ph.metrics.SimpleEnvMetric):
    """Has no value."""

    def extract(self, env: Any) -> float:
        raise ZeroDivisionError("there is none")


def test_a_metric_that_fails_in_a_worker_of_a_simple_trainer_ends_nothing() -> None:
    results = ph.train(
        Searcher,
        env=f"{__file__}:Walks",
        policies={"p": ["A", "B", "C"]},
        metrics={"failing": Failing("current_step"), "time": ph.metrics.SimpleEnvMetric("current_step")},
        num_iterations=1,
        workers=1,
        seed=1,
        run_dir=None,
    )
    assert "failing" not in results.history[0]
    assert results.history[0]["time"] == 4.0
    assert [failure.split(" failed ")[0] for failure in results.hook_failures] == ["Plugin 'metrics.failing'"]


def test_a_simple_trainer_that_does_not_say_so_may_not() -> None:
    class Plain(Searcher):
        uses_workers = False

    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train(Plain, env=Walks, policies={"p": Walker}, num_iterations=1, workers=2, run_dir=None)
    assert str(caught.value) == (
        "Plain steps the env itself, so it cannot use workers=2. Leave workers out, use a trainer with "
        "update(), or set uses_workers = True in its class and play in self.run.make_vector_env(copies)."
    )
