"""§1.17 and §1.19 of the predecessor: rollouts and evaluated policies, of runs of phantom_core."""

from __future__ import annotations

import io
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom as ph
import phantom_core
from phantom.metrics import LambdaMetric, SimpleAgentMetric, SimpleEnvMetric, not_recorded
from phantom.utils.ranges import LinspaceRange, Range, UniformRange, UnitArrayUniformRange
from phantom.utils.rllib import evaluate_policy, rollout
from phantom.utils.rllib.choosing import batched
from phantom.utils.rllib.range_grid import RangeGrid
from phantom.utils.rollout import Rollout, rollouts_to_dataframe, rollouts_to_jsonl
from phantom.utils.samplers import UniformFloatSampler

sys.path.insert(0, str(Path(__file__).parent))
from rollout_models import Counting, Drawing, Echo, Idle, IdleWithMemory, Machine, Seller, Trade


def train(parent: Path, env: Any = Trade, trainer: Any = Idle, **settings: Any) -> Path:
    plan: dict[str, Any] = {
        "policies": {"sellers": Seller},
        "num_iterations": 1,
        "seed": 1,
        "run_dir": parent,
        **settings,
    }
    done = phantom_core.train(trainer, env=env, **plan)
    assert done.run_directory is not None
    return done.run_directory


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned, with a checkpoint after each of two iterations."""
    plan = phantom_core.CheckpointPlan(every=1)
    return train(tmp_path_factory.mktemp("runs"), trainer="q-learning", num_iterations=2, checkpoint=plan)


def play(run: Any, **settings: Any) -> list[Rollout]:
    return list(rollout(run, **{"num_workers": 0, "show_progress_bar": False, **settings}))


def seen(rollouts: list[Rollout]) -> list[Any]:
    return [(r.rollout_id, r.repeat_id, r.env_config, r.rollout_params, r.steps, r.metrics) for r in rollouts]


# ---------------------------------------------------------------- the grid


def test_the_first_range_varies_the_slowest_and_repeats_the_fastest(run: Path) -> None:
    config = {"price": LinspaceRange(0, 1, 2, "price"), "nested": [UniformRange(5, 8, name="inner")]}
    rollouts = play(run, env_config=config, num_repeats=2)
    assert [(r.rollout_id, r.repeat_id, r.rollout_params) for r in rollouts] == [
        (2 * point + repeat, repeat, {"price": price, "inner": inner})
        for point, (price, inner) in enumerate((p, i) for p in (0.0, 1.0) for i in (5.0, 6.0, 7.0))
        for repeat in (0, 1)
    ]
    assert rollouts[3].env_config == {"price": 0.0, "nested": [6.0]}
    assert isinstance(config["price"], Range)


def test_ranges_without_a_name_are_numbered_from_the_last_one() -> None:
    ranges = [UniformRange(0, 1), UniformRange(1, 2, name="named"), UniformRange(2, 3), UniformRange(3, 4)]
    grid = RangeGrid({"a": ranges[0], "b": ranges[1:]})
    assert grid.params(0) == {"range-2": 0, "named": 1, "range-1": 2, "range-0": 3}


def test_a_range_in_several_places_has_one_value_in_all_of_them(run: Path) -> None:
    shared = UniformRange(1, 3, name="x")
    rollouts = play(run, env_config={"price": shared, "nested": {"deep": (shared, 7)}})
    assert [r.env_config for r in rollouts] == [{"price": x, "nested": {"deep": (x, 7)}} for x in (1.0, 2.0)]
    assert [r.rollout_params for r in rollouts] == [{"x": 1.0}, {"x": 2.0}]


def test_each_point_has_a_copy_of_the_config_and_values_as_ranges_give_them(run: Path) -> None:
    shared: list[int] = []
    config = {"price": UnitArrayUniformRange(0, 2, name="p"), "nested": shared}
    first, second = play(run, env_config=config)
    assert type(first.rollout_params["p"]) is np.ndarray
    assert first.env_config["nested"] == []
    assert first.env_config["nested"] is not second.env_config["nested"]
    assert first.env_config["nested"] is not shared
    (one, _) = play(run, env_config={"price": UniformRange(0, 2)})
    assert type(one.rollout_params["range-0"]) is np.float64


@given(st.lists(st.integers(0, 3), max_size=4))
@settings(max_examples=30, deadline=None)
def test_the_grid_is_a_cartesian_product_in_the_order_of_discovery(sizes: list[int]) -> None:
    import itertools

    ranges = [UniformRange(0, size, name=f"r{number}") for number, size in enumerate(sizes)]
    grid = RangeGrid({"all": ranges})
    points = [grid.value_at(point)["all"] for point in range(len(grid))]
    assert points == [list(map(float, one)) for one in itertools.product(*map(range, sizes))]


def test_without_ranges_there_is_a_rollout_for_each_repeat_with_the_settings_of_the_run(
    tmp_path: Path,
) -> None:
    run = train(tmp_path, env_config={"num_steps": 2})
    rollouts = play(run, num_repeats=3)
    assert [(r.rollout_id, r.repeat_id, r.rollout_params) for r in rollouts] == [
        (number, number, {}) for number in range(3)
    ]
    assert {len(r.steps) for r in rollouts} == {2}
    assert rollouts[0].env_config == {"num_steps": 2}
    assert [len(r.steps) for r in play(run, env_config={})] == [3]


# ---------------------------------------------------------------- seeds


def test_the_number_of_a_rollout_is_its_seed(run: Path) -> None:
    metrics = {"seed": SimpleEnvMetric("seed", eval_reduce_action="last")}
    rollouts = play(run, env_config={"price": UniformRange(0, 2)}, num_repeats=2, metrics=metrics)
    assert [r.metrics["seed"] for r in rollouts] == [0, 1, 2, 3]


def test_the_global_generators_begin_with_it_and_are_put_back(run: Path) -> None:
    metrics = {"drawn": SimpleEnvMetric("python_draw", eval_reduce_action="last")}
    np.random.seed(7)
    random.seed(7)
    expected = np.random.random(), random.random()  # noqa: S311  as programs draw
    np.random.seed(7)
    random.seed(7)
    rollouts = play(run, env_config={"num_sellers": 1}, num_repeats=2, metrics=metrics)
    assert (np.random.random(), random.random()) == expected  # noqa: S311  as programs draw
    for number, one in enumerate(rollouts):
        draws = np.random.RandomState(number).randint(100, size=4).tolist()
        found = [*one.observations_for_agent("S0"), one.steps[-1].observations["S0"]]
        assert found[:3] == draws[:3]
        assert one.metrics["drawn"] == random.Random(number).random()  # noqa: S311


def test_neither_workers_nor_batches_nor_other_rollouts_change_a_rollout(run: Path) -> None:
    given: dict[str, Any] = {
        "env_config": {"price": UniformRange(0, 2, name="price")},
        "num_repeats": 2,
        "custom_policy_mapping": {"S1": Drawing},
        "record_messages": True,
        "metrics": {
            "step": LambdaMetric(lambda env: env.current_step, sum, sum),
            "process": SimpleEnvMetric("process", eval_reduce_action="last"),
        },
        "explore": True,
    }
    here = play(run, **given)
    there = play(run, **given, num_workers=2)
    assert {r.metrics.pop("process") for r in here} == {os.getpid()}
    assert os.getpid() not in {r.metrics.pop("process") for r in there}
    assert seen(there) == seen(here)
    batched = play(run, **given, policy_inference_batch_size=3)
    assert [(r.rollout_id, r.rollout_params) for r in batched] == [
        (r.rollout_id, r.rollout_params) for r in here
    ]
    chosen = [[step.actions for step in r.steps] for r in here]
    assert [[step.actions for step in r.steps] for r in batched] == chosen
    assert len({str(one) for one in chosen}) == 4
    given["env_config"] = {"price": UniformRange(5, 7, name="price")}
    again = play(run, **given)
    assert [r.steps for r in again] == [r.steps for r in here]


def test_rollouts_are_played_as_they_are_asked_for(run: Path) -> None:
    made: list[int] = []

    class Noting(Trade):
        def __init__(self) -> None:
            made.append(1)
            super().__init__()

    rollouts = rollout(run, Noting, num_repeats=9, num_workers=0, show_progress_bar=False)
    assert not made
    next(rollouts)
    assert len(made) == 1
    rollouts.close()


# ---------------------------------------------------------------- steps


def test_steps_hold_what_actions_were_computed_from_and_what_came_of_them(run: Path) -> None:
    (one,) = play(run, env_config={"num_sellers": 1}, custom_policy_mapping={"S0": Counting})
    draws = np.random.RandomState(0).randint(100, size=4).tolist()
    for number, step in enumerate(one.steps):
        assert step.i == number
        assert step.observations == {"S0": draws[number]}
        assert step.actions == {"S0": number + 1}
        assert step.rewards == {"S0": number + 1.0}
        assert step.terminations == {"S0": False, "__all__": False}
        assert step.truncations == {"S0": False, "__all__": number == 2}
        assert step.infos == {"S0": {}}
        assert (step.messages, step.stage) == (None, None)
    assert one.actions_for_agent("S0") == [1, 2, 3]
    assert one[1] is one.steps[1]


def test_messages_are_recorded_step_by_step_if_that_is_asked_for(run: Path) -> None:
    (one,) = play(run, record_messages=True)
    sent = [
        [(m.sender_id, m.receiver_id, m.payload.price) for m in step.messages or ()] for step in one.steps
    ]
    assert sent == [[("S0", "BUYER", 1.0), ("S1", "BUYER", 1.0)]] * 3


def test_an_episode_that_ended_goes_on_to_its_number_of_steps(run: Path) -> None:
    config = {"num_steps": UniformRange(2, 5, dtype=int), "ends_at": 2}
    rollouts = play(run, env_config=config)
    assert [len(r.steps) for r in rollouts] == [2, 3, 4]
    assert [step.terminations["__all__"] for step in rollouts[2].steps] == [False, True, True, True]


def test_the_stage_of_a_step_is_the_one_that_was_played(tmp_path: Path) -> None:
    metrics = {"a": SimpleEnvMetric("current_step", eval_reduce_action="none", fsm_stages=["A"])}
    (one,) = play(train(tmp_path, Machine), metrics=metrics)
    assert [step.stage for step in one.steps] == ["A", "B", "A", "B"]
    assert [list(step.actions) for step in one.steps] == [["S0"], ["S1"], ["S0"], ["S1"]]
    assert one.actions_for_agent("S0", stages=["A"]) == [1, 1]
    assert one.metrics["a"].tolist() == [not_recorded, 2, not_recorded, 4]


class CoreSeller(phantom_core.StrategicAgent):
    observation_space, action_space = gym.spaces.Discrete(9), gym.spaces.Discrete(5)

    def decode_action(self, ctx: Any, action: Any) -> None:
        """Do nothing."""

    def encode_observation(self, ctx: Any) -> int:
        return 0

    def compute_reward(self, ctx: Any) -> float:
        return 1.0

    def is_terminated(self, ctx: Any) -> bool:
        return bool(ctx.env_view.current_step == 2)


class CoreTrade(phantom_core.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=4, network=phantom_core.Network([CoreSeller("S")]))


def test_an_env_of_the_core_ends_when_it_ends(tmp_path: Path) -> None:
    run = train(tmp_path, CoreTrade, policies={"sellers": CoreSeller})
    (one,) = play(run)
    assert [step.terminations["__all__"] for step in one.steps] == [False, True]


# ---------------------------------------------------------------- metrics


def test_metrics_are_reduced_as_in_evaluation(run: Path) -> None:
    metrics = {
        "steps": SimpleEnvMetric("current_step", "last", "none"),
        "sum": SimpleAgentMetric("S0", "chosen", "last", "sum"),
        "mode": LambdaMetric(lambda _: 1, lambda _: "train", lambda values: ("evaluate", len(values))),
    }
    (one,) = play(run, metrics=metrics)
    assert one.metrics.pop("steps").tolist() == [1, 2, 3]
    assert one.metrics == {"sum": 3, "mode": ("evaluate", 3)}


def test_tables_are_made_of_them(run: Path) -> None:
    pytest.importorskip("pandas")
    metrics = {"chosen": SimpleAgentMetric("S0", "chosen", eval_reduce_action="mean")}
    config = {"price": LinspaceRange(0, 1, 2, name="price")}
    rollouts = play(run, env_config=config, num_repeats=2, metrics=metrics)
    table = rollouts_to_dataframe(rollouts)
    assert table["chosen"].to_dict() == {0.0: 1.0, 1.0: 1.0}
    assert table.index.name == "price"


def test_json_lines_are_made_of_them(run: Path) -> None:
    config = {"price": LinspaceRange(0, 1, 2, name="price")}
    rollouts = play(run, env_config=config, num_repeats=2, record_messages=True)
    file = io.StringIO()
    rollouts_to_jsonl(rollouts, file)
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [line["rollout_params"] for line in lines] == [{"price": p} for p in (0.0, 0.0, 1.0, 1.0)]


# ---------------------------------------------------------------- who plays


def test_custom_policies_replace_those_of_the_run_and_are_new_in_each_rollout(run: Path) -> None:
    rollouts = play(run, custom_policy_mapping={"S1": Counting}, num_repeats=2)
    for one in rollouts:
        assert one.actions_for_agent("S0") == [1, 1, 1]
        assert one.actions_for_agent("S1") == [1, 2, 3]
    everybody = play(run, custom_policy_mapping={"S0": Counting, "S1": Counting})
    assert everybody[0].count_agent_actions("S0") == [(1, 1), (2, 1), (3, 1)]


def test_who_joins_an_agents_class_plays_its_policy(run: Path) -> None:
    (one,) = play(run, env_config={"num_sellers": 4})
    assert list(one.steps[0].actions) == ["S0", "S1", "S2", "S3"]


def test_another_env_class_takes_the_place_of_the_runs(run: Path) -> None:
    (one,) = play(run, env_class=Machine)
    assert [step.stage for step in one.steps] == ["A", "B", "A", "B"]


@pytest.mark.parametrize(("size", "sizes"), [(1, [2] * 12), (3, [6] * 3 + [2] * 3), (9, [8] * 3)])
def test_a_policy_is_asked_once_for_a_batch_of_rollouts(run: Path, size: int, sizes: list[int]) -> None:
    Echo.sizes.clear()
    rollouts = play(run, num_repeats=4, policy_inference_batch_size=size)
    assert Echo.sizes == sizes
    assert [r.rollout_id for r in rollouts] == [0, 1, 2, 3]


def test_the_envs_of_a_batch_may_have_other_agents_and_lengths(run: Path) -> None:
    sizes = UniformRange(1, 4, dtype=int)
    config = {"num_sellers": sizes, "num_steps": sizes}
    rollouts = play(run, env_config=config, policy_inference_batch_size=3)
    assert [[list(step.actions) for step in r.steps] for r in rollouts] == [
        [[f"S{i}" for i in range(size)]] * size for size in (1, 2, 3)
    ]


def test_policies_explore_only_if_that_is_asked_for(run: Path) -> None:
    config = {"num_steps": 40}
    assert {a for a, _ in play(run, env_config=config)[0].count_actions()} == {1}
    assert {a for a, _ in play(run, env_config=config, explore=True)[0].count_actions()} == {0, 1, 2, 3, 4}


def test_a_checkpoint_is_that_of_an_iteration(learned: Path) -> None:
    tables = {}
    for checkpoint in (1, 2, None):
        folder = "." if checkpoint is None else f"checkpoints/iteration-{checkpoint:06d}"
        policy = phantom_core.load_policies(learned / folder)["sellers"]
        obs = UniformRange(0, 100, dtype=int)
        found = evaluate_policy(
            learned, "sellers", obs, explore=False, checkpoint=checkpoint, show_progress_bar=False
        )
        tables[checkpoint] = [action for _, _, action in found]
        assert isinstance(policy, phantom_core.Policy)
        assert tables[checkpoint] == list(policy.compute_actions(list(range(100))))
        (one,) = play(learned, checkpoint=checkpoint)
        for step in one.steps:
            assert all(tables[checkpoint][step.observations[i]] == a for i, a in step.actions.items())
    assert tables[1] != tables[2] == tables[None]
    assert ph.rllib.get_checkpoints(learned) == [1, 2]
    path = learned / "checkpoints" / "iteration-000001"
    assert ph.rllib.construct_results_paths(learned, 1) == (learned, path)


# ---------------------------------------------------------------- what is refused, with the first rollout


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ({"num_repeats": 0}, AssertionError, "num_repeats is 0. Expected at least 1."),
        ({"num_workers": -1}, AssertionError, "num_workers is -1. Expected at least 0."),
        (
            {"policy_inference_batch_size": 0},
            AssertionError,
            "policy_inference_batch_size is 0. Expected at least 1.",
        ),
        (
            {"env_config": {"price": UniformFloatSampler()}},
            TypeError,
            "env_config holds a sampler. Rollouts take values and ranges.",
        ),
        (
            {"env_class": Machine, "env_config": {"num_ways": 2}, "policy_inference_batch_size": 2},
            ValueError,
            (
                "policy_inference_batch_size is 2, but a stage of Machine has several next stages, so the "
                "envs of a batch could be in different ones. Set it to 1."
            ),
        ),
        (
            {"custom_policy_mapping": {"BUYER": Counting}},
            ValueError,
            (
                "custom_policy_mapping has a policy for 'BUYER', but the agents that act are: 'S0', 'S1'. "
                "Name one of them."
            ),
        ),
    ],
)
def test_arguments_are_checked_when_the_first_rollout_is_asked_for(
    run: Path, wrong: Any, kind: Any, message: str
) -> None:
    rollouts = rollout(run, **{"num_workers": 0, "show_progress_bar": False, **wrong})
    with pytest.raises(kind) as caught:
        next(rollouts)
    assert str(caught.value).split("\n")[0] == message


def test_machines_that_stay_together_are_played_in_batches(run: Path) -> None:
    config = {"num_ways": UniformRange(1, 2, dtype=int)}
    rollouts = play(run, env_class=Machine, env_config=config, num_repeats=2, policy_inference_batch_size=2)
    assert [len(r.steps) for r in rollouts] == [4, 4]
    one = {"env_class": Machine, "env_config": {"num_ways": 2}}
    assert len(play(run, **one, policy_inference_batch_size=1)) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_what_an_env_raises_reaches_the_caller_with_its_rollout(run: Path, workers: int) -> None:
    config = {"breaks_at": UniformRange(3, 5, name="last", dtype=int)}
    rollouts = rollout(
        run, env_config=config, num_repeats=2, num_workers=workers, show_progress_bar=False, metrics={}
    )
    with pytest.raises(KeyError, match="no more offers") as caught:
        list(rollouts)
    assert caught.value.__notes__[0] == "In rollout 0 (last=3)."


@pytest.mark.parametrize("name", ["phantom-training-params.pkl", "checkpoint_000002"])
def test_a_directory_of_rllib_is_refused_with_what_exists(tmp_path: Path, name: str) -> None:
    (tmp_path / "PPO_Trade" / name).mkdir(parents=True)
    for refused in (
        rollout(tmp_path / "PPO_Trade"),
        evaluate_policy(tmp_path / "LATEST", "sellers", 0, explore=False),
    ):
        with pytest.raises(ImportError) as caught:
            next(refused)
        assert str(caught.value) == (
            f"'{tmp_path / 'PPO_Trade'}' was written by RLlib (it has {name}), and phantom-compat does not "
            "drive ray 2.7.1, which could read its policies. Rollouts are made from run directories of "
            "phantom_core: train with phantom_core.train(...), which takes the same env classes and "
            "policies, and give the directory that it made. RLlib itself plays its policies in "
            "phantom_pettingzoo.to_parallel(env)."
        )


def test_other_directories_are_refused_too(tmp_path: Path, learned: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        next(rollout("nowhere"))
    assert str(caught.value) == "There is no directory 'nowhere', nor one in '~/ray_results'."
    with pytest.raises(phantom_core.errors.RunDirectoryError, match="no run directory: it has no run"):
        next(rollout(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        next(rollout(learned, checkpoint=7))
    assert str(caught.value) == f"There is no checkpoint 7 in '{learned}'. There are: [1, 2]."


def test_the_newest_run_beside_it_is_meant_by_latest(learned: Path) -> None:
    assert len(play(learned.parent / "LATEST")) == 1


# ---------------------------------------------------------------- evaluated policies


def test_a_policy_is_evaluated_at_every_point_of_an_observation(run: Path) -> None:
    obs = UniformRange(0, 5, name="draw", dtype=int)
    found = list(evaluate_policy(run, "sellers", obs, explore=False, show_progress_bar=False))
    assert found == [({"draw": value}, value, 1) for value in range(5)]


@pytest.mark.parametrize(("size", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (100, [5])])
def test_it_is_asked_for_so_many_observations_at_once(run: Path, size: int, sizes: list[int]) -> None:
    obs = UniformRange(0, 5, dtype=int)
    plain = list(evaluate_policy(run, "sellers", obs, explore=True, show_progress_bar=False))
    Echo.sizes.clear()
    list(evaluate_policy(run, "sellers", obs, explore=False, batch_size=size, show_progress_bar=False))
    assert Echo.sizes == sizes
    drawn = evaluate_policy(run, "sellers", obs, explore=True, batch_size=size, show_progress_bar=False)
    assert list(drawn) == plain
    assert len({action for _, _, action in plain}) > 1


def test_a_policy_that_a_run_has_not_is_refused_with_the_first_action(run: Path) -> None:
    for wrong, kind, message in (
        ({"batch_size": 0}, AssertionError, "batch_size is 0. Expected at least 1."),
        (
            {"policy_id": "seller"},
            ValueError,
            (
                f"policy_id is 'seller', but '{run}' has no such policy. Did you mean 'sellers'? There are: "
                "'sellers'."
            ),
        ),
    ):
        found = evaluate_policy(
            **{"directory": run, "policy_id": "sellers", "obs": 0, "explore": False, **wrong}
        )
        with pytest.raises(kind) as caught:
            next(found)
        assert str(caught.value).split("\n")[0] == message


def test_observations_of_every_space_are_batched_as_policies_take_them() -> None:
    space = gym.spaces.Dict(
        {
            "box": gym.spaces.Box(0, 1, (2,)),
            "pair": gym.spaces.Tuple([gym.spaces.Discrete(3), gym.spaces.MultiBinary(2)]),
            "text": gym.spaces.Text(3),
        }
    )
    seen = [{"box": np.full(2, n), "pair": (n, [n, 0]), "text": str(n)} for n in (0, 1)]
    batch = batched(space, seen)
    assert batch["box"].dtype == np.float32
    assert batch["box"].tolist() == [[0, 0], [1, 1]]
    assert batch["pair"][0] == [0, 1]
    assert batch["pair"][1].tolist() == [[0, 0], [1, 0]]
    assert batch["text"] == ["0", "1"]


def test_each_agent_has_its_own_memory_in_each_rollout(tmp_path: Path) -> None:
    run = train(tmp_path, trainer=IdleWithMemory)
    for size in (1, 2):
        for explore in (False, True):
            rollouts = play(run, num_repeats=2, policy_inference_batch_size=size, explore=explore)
            assert [r.actions_for_agent(i) for r in rollouts for i in ("S0", "S1")] == [[1, 2, 3]] * 4


def test_a_bar_is_drawn_only_where_somebody_sees_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list(rollout(run, num_workers=0, show_progress_bar=True))
    assert capsys.readouterr() == ("", "")
