"""What metrics read from an env, when they record, and how they reduce an episode."""

import copy
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

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
    train = SimpleEnvMetric("x", train_reduce_action=action, eval_reduce_action="none")
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


# ---------------------------------------------------------------------- recording


class Alternating:
    """Plays two turns in turn."""

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn("lead")

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return ph.Turn("follow" if turn.name == "lead" else "lead")


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
                "'last', 'mean', 'sum', 'none'."
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
            lambda: AggregatedAgentMetric(["A"], "x", eval_reduce_action=None),
            (
                "AggregatedAgentMetric got eval_reduce_action=None. Did you mean 'none'? Expected one of: "
                "'last', 'mean', 'sum', 'none'."
            ),
        ),
        (
            lambda: SimpleEnvMetric("x").reduce([1], "eval"),
            "A metric was reduced with mode='eval'. Expected one of: 'train', 'evaluate'.",
        ),
        (
            lambda: LambdaMetric(sum, sum, sum).reduce([1], "test"),
            "A metric was reduced with mode='test'. Expected one of: 'train', 'evaluate'.",
        ),
    ],
)
def test_a_reduction_that_does_not_exist_is_refused(make: Any, error: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make()
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("metric", "error"),
    [
        (
            SimpleAgentMetric("S4", "stock"),
            "A metric reads agent 'S4', but there is no such agent. Agents: 'S1', 'S2', 'S3'.",
        ),
        (
            AggregatedAgentMetric(["S1", "NOBODY"], "stock"),
            "A metric reads agent 'NOBODY', but there is no such agent. Agents: 'S1', 'S2', 'S3'.",
        ),
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
