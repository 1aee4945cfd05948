"""What metrics read from an env, when they record, and how they reduce an episode."""

import copy
import pickle
from enum import Enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph
from phantom_core.metrics import (
    AggregatedAgentMetric,
    LambdaMetric,
    Metric,
    SimpleAgentMetric,
    SimpleEnvMetric,
    not_recorded,
    record_metrics,
    reduce_metrics,
)


class Shop(ph.Agent):
    """Has a stock."""

    def __init__(self, agent_id: str, stock: float) -> None:
        super().__init__(agent_id)
        self.stock = stock
        self.shelf = SimpleNamespace(size=2 * stock)

    @property
    def double(self) -> float:
        return 2 * self.stock


@pytest.fixture
def env() -> ph.PhantomEnv:
    env = ph.PhantomEnv(5, ph.Network([Shop("S1", 1), Shop("S2", 2), Shop("S3", 6)]))
    env.reset(1)
    return env


# ---------------------------------------------------------------------- reading


def test_an_env_metric_reads_an_attribute_of_the_env_or_of_what_it_has(env: ph.PhantomEnv) -> None:
    env.step({})
    assert SimpleEnvMetric("current_step").extract(env) == 1
    assert SimpleEnvMetric("turn_order.first.__name__").extract(env) == "first"


def test_an_agent_metric_reads_an_attribute_of_its_agent(env: ph.PhantomEnv) -> None:
    assert SimpleAgentMetric("S2", "stock").extract(env) == 2
    assert SimpleAgentMetric("S2", "double").extract(env) == 4
    assert SimpleAgentMetric("S2", "shelf.size").extract(env) == 4


@pytest.mark.parametrize(
    ("action", "value"), [("min", 1), ("max", 6), ("sum", 9), ("mean", 3.0), (None, 3.0)]
)
def test_an_aggregated_metric_reduces_its_agents_in_each_step(
    env: ph.PhantomEnv, action: Any, value: float
) -> None:
    kwargs = {} if action is None else {"group_reduce_action": action}
    metric = AggregatedAgentMetric((f"S{number}" for number in (1, 2, 3)), "stock", **kwargs)
    assert metric.extract(env) == value
    assert metric.extract(env) == value  # ids that come from a generator are read again


def test_a_lambda_metric_is_made_of_functions(env: ph.PhantomEnv) -> None:
    metric = LambdaMetric(lambda env: env["S1"].stock, sum, max, description="stock of S1")
    assert metric.extract(env) == 1
    assert metric.reduce([1, 2, 4], "train") == 7
    assert metric.reduce([1, 2, 4], "evaluate") == 4
    assert (metric.fsm_stages, metric.description) == (None, "stock of S1")


# ---------------------------------------------------------------------- reducing


@pytest.mark.parametrize(("action", "value"), [("last", 4), ("sum", 7), ("mean", 7 / 3)])
def test_an_episode_is_reduced_by_name(action: Any, value: float) -> None:
    train = SimpleEnvMetric("x", train_reduce_action=action, eval_reduce_action=None)
    assert train.reduce([1, 2, 4], "train") == value
    evaluate = SimpleEnvMetric("x", train_reduce_action="last", eval_reduce_action=action)
    assert evaluate.reduce([1, 2, 4], "evaluate") == value


def test_training_averages_and_evaluations_keep_every_value_unless_told_otherwise() -> None:
    metric = SimpleAgentMetric("S1", "stock")
    assert metric.reduce([1, 2, 4], "train") == 7 / 3
    kept = metric.reduce([1, 2, 4], "evaluate")
    assert isinstance(kept, np.ndarray)
    assert kept.tolist() == [1, 2, 4]


def test_a_metric_of_ones_own_keeps_the_last_value_unless_it_says_otherwise() -> None:
    class Own(Metric):
        def extract(self, env: Any) -> int:
            return 3

    assert Own().reduce([1, 2], "train") == Own().reduce([1, 2], "evaluate") == 2


def test_values_that_are_no_number_are_not_hidden() -> None:
    metric = SimpleEnvMetric("x")
    assert np.isnan(metric.reduce([1.0, float("nan")], "train"))


def test_metrics_without_a_value_are_left_out_of_the_episode() -> None:
    metrics = {"a": SimpleEnvMetric("x"), "b": SimpleEnvMetric("x"), "c": SimpleEnvMetric("x")}
    assert reduce_metrics(metrics, {"a": [1.0, 3.0], "b": []}, "train") == {"a": 2.0}


@pytest.mark.parametrize("metric", [SimpleEnvMetric("x"), LambdaMetric(sum, sum, sum)])
def test_an_episode_without_a_value_has_no_reduced_value(metric: Metric) -> None:
    assert metric.reduce([], "train") is not_recorded
    assert metric.reduce([not_recorded], "evaluate") is not_recorded


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["a", "b"], "'a', 'b': "),
        ([None, None, None, None], "None, None, None: unsupported operand type(s) for +: 'NoneType' and"),
        ([[1], [1, 2]], "[1], [1, 2]: "),
    ],
)
def test_values_that_cannot_be_reduced_are_named(values: list[Any], reason: str) -> None:
    with pytest.raises(ph.PhantomError) as caught:
        SimpleEnvMetric("x").reduce(values, "train")
    assert str(caught.value).startswith(f"A metric cannot take the mean of {reason}")
    assert str(caught.value).endswith(". Record numbers, or reduce in another way.")


NUMBERS_WITH_HOLES = st.lists(st.one_of(st.just(not_recorded), st.integers(-9, 9)), max_size=12)


@given(NUMBERS_WITH_HOLES)
def test_whoever_reduces_never_meets_a_step_without_a_value(values: list[Any]) -> None:
    seen: list[Any] = []

    def total(recorded: Any) -> Any:
        seen.extend(recorded)
        return sum(recorded)

    class Own(Metric):
        def extract(self, env: Any) -> int:
            return 0

        def reduce(self, values: Any, mode: Any = None) -> Any:
            assert mode == "train"
            return total(values)

    numbers = [value for value in values if value is not not_recorded]
    expected = {"m": sum(numbers)} if numbers else {}
    for metric in (LambdaMetric(sum, total, total), Own()):
        assert reduce_metrics({"m": metric}, {"m": values}, "train") == expected
    assert not_recorded not in seen


@given(NUMBERS_WITH_HOLES, st.sampled_from(["last", "mean", "sum", None]))
def test_reducing_by_name_is_what_numpy_makes_of_the_steps_with_a_value(
    values: list[Any], action: Any
) -> None:
    numbers = [value for value in values if value is not not_recorded]
    reduced = SimpleEnvMetric("x", eval_reduce_action=action).reduce(values, "evaluate")
    if not numbers:
        assert reduced is not_recorded
    else:
        by_name = {"last": numbers[-1], "mean": np.mean(numbers), "sum": np.sum(numbers), None: numbers}
        assert np.array_equal(reduced, by_name[action])


# ---------------------------------------------------------------------- recording


class Alternating:
    """Plays two turns in turn."""

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn("lead")

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return ph.Turn("follow" if turn.name == "lead" else "lead")


class OneTurn:
    """Plays one turn."""

    def __init__(self, name: Any) -> None:
        self.turn = ph.Turn(name)

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return self.turn

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        return turn


def test_a_metric_with_stages_records_after_the_turns_it_names() -> None:
    env = ph.PhantomEnv(5, turn_order=Alternating())
    env.reset(1)
    metrics: dict[str, Metric] = {
        "all": SimpleEnvMetric("current_step"),
        "lead": SimpleEnvMetric("current_step", fsm_stages=["lead"]),
        "follow": LambdaMetric(lambda env: env.current_step, sum, sum, fsm_stages=("follow",)),
        "never": SimpleEnvMetric("current_step", fsm_stages=()),
    }
    values: dict[str, list[Any]] = {name: [] for name in metrics}
    for _ in range(5):
        env.step({})
        record_metrics(env, metrics, values)
    assert values == {"all": [1, 2, 3, 4, 5], "lead": [1, 3, 5], "follow": [2, 4], "never": []}


def test_a_metric_with_stages_records_nothing_in_an_env_without_turns() -> None:
    values: dict[str, list[Any]] = {"m": []}
    record_metrics(SimpleNamespace(x=1), {"m": SimpleEnvMetric("x", fsm_stages=["lead"])}, values)
    assert values == {"m": []}


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=6),
    st.sets(st.sampled_from("abcd")),
    st.integers(1, 12),
)
def test_a_metric_records_exactly_the_turns_that_were_played_and_that_it_names(
    names: list[str], stages: set[str], num_steps: int
) -> None:
    class Cycle:
        def first(self, env: ph.PhantomEnv) -> ph.Turn:
            return ph.Turn(names[0])

        def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
            return ph.Turn(names[env.current_step % len(names)])

    env = ph.PhantomEnv(num_steps, turn_order=Cycle())
    env.reset(1)
    values: dict[str, list[Any]] = {}
    metrics = {"m": SimpleEnvMetric("executed_turn.name", fsm_stages=iter(stages))}
    for _ in range(num_steps):
        env.step({})
        record_metrics(env, metrics, values)
    played = [names[step % len(names)] for step in range(num_steps)]
    assert values.get("m", []) == [name for name in played if name in stages]


def test_stages_may_be_members_of_an_enum() -> None:
    class Stage(Enum):
        OPEN = "open"

    env = ph.PhantomEnv(1, turn_order=OneTurn(Stage.OPEN))
    env.reset(1)
    env.step({})
    values: dict[str, list[Any]] = {}
    record_metrics(env, {"m": SimpleEnvMetric("current_step", fsm_stages=[Stage.OPEN])}, values)
    assert values == {"m": [1]}


def test_a_metric_of_ones_own_need_not_call_its_base_class() -> None:
    class Own(Metric):
        def __init__(self) -> None:
            self.factor = 2

        def extract(self, env: Any) -> int:
            return self.factor * env.current_step

    class WithStages(Metric):
        fsm_stages = ("lead",)

        def extract(self, env: Any) -> int:
            return int(env.current_step)

    class CallsItWithStages(WithStages):
        def __init__(self) -> None:
            super().__init__()

    class CallsIt(Metric):
        def __init__(self) -> None:
            super().__init__(iter(["follow"]), "steps")

        def extract(self, env: Any) -> int:
            return int(env.current_step)

    env = ph.PhantomEnv(4, turn_order=Alternating())
    env.reset(1)
    metrics: dict[str, Metric] = {
        "own": Own(),
        "stages": WithStages(),
        "calls": CallsIt(),
        "both": CallsItWithStages(),
    }
    values: dict[str, list[Any]] = {}
    for _ in range(4):
        env.step({})
        record_metrics(env, metrics, values)
    assert values == {"own": [2, 4, 6, 8], "stages": [1, 3], "calls": [2, 4], "both": [1, 3]}
    assert reduce_metrics(metrics, values, "evaluate") == {"own": 8, "stages": 3, "calls": 4, "both": 3}
    assert metrics["calls"].description == "steps"


def test_an_agent_that_is_not_there_has_no_value_in_that_step() -> None:
    agents: dict[str, ph.Agent] = {}
    world: Any = SimpleNamespace(agents=agents)
    metrics: dict[str, Metric] = {
        "one": SimpleAgentMetric("S2", "stock", eval_reduce_action=None),
        "ids": AggregatedAgentMetric(["S1", "S2"], "stock", group_reduce_action="sum"),
        "class": AggregatedAgentMetric(Shop, "stock", group_reduce_action="max"),
        "predicate": AggregatedAgentMetric(lambda agent: agent.stock > 1, "stock"),
    }
    values: dict[str, list[Any]] = {}
    record_metrics(world, metrics, values)
    assert values == {}
    agents["S1"] = Shop("S1", 1)
    record_metrics(world, metrics, values)
    agents |= {"S2": Shop("S2", 5), "CLERK": ph.Agent("CLERK")}
    metrics.pop("predicate")  # a clerk has no stock to ask for
    record_metrics(world, metrics, values)
    del agents["S1"]
    record_metrics(world, metrics, values)
    assert values == {"one": [5, 5], "ids": [1, 6, 5], "class": [1, 5, 5]}


def test_a_step_that_is_not_recorded_is_skipped() -> None:
    metric = LambdaMetric(lambda env: env.x if env.x > 1 else not_recorded, sum, sum)
    values: dict[str, list[Any]] = {"m": []}
    for x in (1, 2, 3):
        record_metrics(SimpleNamespace(x=x), {"m": metric}, values)
    assert values == {"m": [2, 3]}


def test_there_is_only_one_not_recorded() -> None:
    assert repr(not_recorded) == "<NotRecorded>"
    assert copy.deepcopy(not_recorded) is not_recorded
    assert pickle.loads(pickle.dumps(not_recorded)) is not_recorded  # noqa: S301  our own bytes
    assert type(not_recorded)() is not_recorded


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (
            lambda: SimpleEnvMetric("x", train_reduce_action="avg"),
            "SimpleEnvMetric got train_reduce_action='avg'. Expected one of: 'last', 'mean', 'sum'.",
        ),
        (
            lambda: SimpleAgentMetric("A", "x", train_reduce_action="none"),
            "SimpleAgentMetric got train_reduce_action='none'. Expected one of: 'last', 'mean', 'sum'.",
        ),
        (
            lambda: SimpleAgentMetric("A", "x", eval_reduce_action="means"),
            (
                "SimpleAgentMetric got eval_reduce_action='means'. Did you mean 'mean'? Expected one of: "
                "'last', 'mean', 'sum', None."
            ),
        ),
        (
            lambda: AggregatedAgentMetric(["A"], "x", group_reduce_action="last"),
            (
                "AggregatedAgentMetric got group_reduce_action='last'. Expected one of: 'min', 'max', "
                "'mean', 'sum'."
            ),
        ),
        (
            lambda: AggregatedAgentMetric(["A"], "x", eval_reduce_action="none"),
            (
                "AggregatedAgentMetric got eval_reduce_action='none'. Did you mean None? Expected one of: "
                "'last', 'mean', 'sum', None."
            ),
        ),
        (
            lambda: SimpleEnvMetric("x").reduce([1], "eval"),
            "A metric was reduced with mode='eval'. Expected one of: 'train', 'evaluate'.",
        ),
        (
            lambda: AggregatedAgentMetric("S1", "stock"),
            (
                "AggregatedAgentMetric got agent_ids='S1'. Expected a list of ids, a class of agents or a "
                "predicate."
            ),
        ),
        (
            lambda: AggregatedAgentMetric(7, "stock"),
            (
                "AggregatedAgentMetric got agent_ids=7. Expected a list of ids, a class of agents or a "
                "predicate."
            ),
        ),
        (
            lambda: AggregatedAgentMetric([], "stock"),
            "AggregatedAgentMetric got no agent ids. Name at least one agent.",
        ),
        (
            lambda: SimpleEnvMetric("x", fsm_stages="lead"),
            "SimpleEnvMetric got fsm_stages='lead'. Expected several names: ['lead'].",
        ),
        (
            lambda: LambdaMetric(sum, sum, sum, fsm_stages="lead"),
            "LambdaMetric got fsm_stages='lead'. Expected several names: ['lead'].",
        ),
        (
            lambda: type("Own", (Metric,), {"fsm_stages": "lead"}),
            "Own got fsm_stages='lead'. Expected several names: ['lead'].",
        ),
        (
            lambda: LambdaMetric(sum, sum, sum).reduce([1], "test"),
            "A metric was reduced with mode='test'. Expected one of: 'train', 'evaluate'.",
        ),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(make: Any, error: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make()
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("metric", "error"),
    [
        (
            SimpleAgentMetric("S1", "stocks"),
            (
                "A metric reads 'stocks' of agent 'S1', but 'Shop' object has no attribute 'stocks'. Did you "
                "mean 'stock'? Name an attribute that exists after each step."
            ),
        ),
        (
            SimpleAgentMetric("S1", "duoble"),  # a property
            (
                "A metric reads 'duoble' of agent 'S1', but 'Shop' object has no attribute 'duoble'. Did you "
                "mean 'double'? Name an attribute that exists after each step."
            ),
        ),
        (
            SimpleAgentMetric("S1", "shelf.height"),
            (
                "A metric reads 'shelf.height' of agent 'S1', but 'types.SimpleNamespace' object has no "
                "attribute 'height'. Name an attribute that exists after each step."
            ),
        ),
        (
            SimpleEnvMetric("price"),
            (
                "A metric reads 'price' of the env, but 'PhantomEnv' object has no attribute 'price'. Name "
                "an attribute that exists after each step."
            ),
        ),
    ],
)
def test_what_a_metric_cannot_read_is_named(env: ph.PhantomEnv, metric: Metric, error: str) -> None:
    with pytest.raises(ph.PhantomError) as caught:
        metric.extract(env)
    assert str(caught.value) == error


def test_what_a_metric_cannot_read_is_named_also_in_an_env_with_slots() -> None:
    class Slotted:
        __slots__ = ("price",)

    with pytest.raises(ph.PhantomError) as caught:
        SimpleEnvMetric("prices").extract(Slotted())
    assert str(caught.value) == (
        "A metric reads 'prices' of the env, but 'Slotted' object has no attribute 'prices'. Did you mean "
        "'price'? Name an attribute that exists after each step."
    )
