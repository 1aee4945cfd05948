"""§1.13 and §1.18 of the predecessor: metrics, and what is printed and written."""

from __future__ import annotations

import copy
import json
import pickle
from collections import defaultdict
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom as ph
from phantom.metrics import (
    AggregatedAgentMetric,
    LambdaMetric,
    Metric,
    NotRecorded,
    SimpleAgentMetric,
    SimpleEnvMetric,
    logging_helper,
    not_recorded,
)
from phantom.telemetry import logger

MOCK: Any = SimpleNamespace(
    price=3.0,
    agents={"A": SimpleNamespace(stock=1.0, book=SimpleNamespace(size=4)), "B": SimpleNamespace(stock=3.0)},
)


@ph.msg_payload()
class Greeting:
    n: int


class Greeter(ph.Agent):
    def generate_messages(self, ctx: ph.Context) -> Any:
        return [("L", Greeting(np.int64(3)))]


class Learner(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(9)
    sees = True

    def decode_action(self, ctx: ph.Context, action: Any) -> Any:
        return None

    @ph.agents.msg_handler(Greeting)
    def on_greeting(self, ctx: ph.Context, message: Any) -> None:
        return None

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([ctx.env_view.current_step]) if self.sees else None

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1 / 3

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        return {"n": 1}


def env_of(num_steps: int = 2, agent_id: Any = "L") -> ph.PhantomEnv:
    network = ph.Network([Greeter("G"), Learner(agent_id)])
    network.add_connection("G", agent_id)
    return ph.PhantomEnv(num_steps, network)


def fsm_env() -> ph.FiniteStateMachineEnv:
    stages = [ph.FSMStage("A", ["L"], None, ["B"]), ph.FSMStage("B", ["L"], None, ["A"])]
    return ph.FiniteStateMachineEnv(2, ph.Network([Learner("L")]), "A", stages=stages)


# ---------------------------------------------------------------- metrics


def test_not_recorded_is_one_object() -> None:
    assert repr(not_recorded) == "<NotRecorded>"
    assert NotRecorded() is not_recorded
    assert copy.deepcopy(not_recorded) is pickle.loads(pickle.dumps(not_recorded)) is not_recorded  # noqa: S301  our own


def test_simple_metrics_read_properties_also_with_dots() -> None:
    assert SimpleAgentMetric("A", "book.size").extract(MOCK) == 4
    assert SimpleEnvMetric("price").extract(MOCK) == 3.0
    groups = {
        kind: AggregatedAgentMetric(iter("AB"), "stock", kind) for kind in ("min", "max", "mean", "sum")
    }
    assert {kind: m.extract(MOCK) for kind, m in groups.items()} == {"min": 1, "max": 3, "mean": 2, "sum": 4}
    assert groups["sum"].extract(MOCK) == 4  # ids from an iterator are kept


@pytest.mark.parametrize(("action", "reduced"), [("last", 6), ("mean", 3.0), ("sum", 9)])
def test_simple_metrics_reduce_by_name(action: str, reduced: float) -> None:
    metric = SimpleEnvMetric("price", action, "none")
    assert metric.reduce([1, 2, 6], "train") == reduced
    assert metric.reduce([1, 2, 6], mode="evaluate").tolist() == [1, 2, 6]
    assert SimpleEnvMetric("price", eval_reduce_action=action).reduce([1, 2, 6], "anything") == reduced


def test_unknown_reductions_are_refused() -> None:
    for options in ({"train_reduce_action": "none"}, {"eval_reduce_action": "max"}):
        with pytest.raises(ValueError, match="Expected one of"):
            SimpleEnvMetric("price", **options)
    with pytest.raises(ValueError, match="Expected one of"):
        AggregatedAgentMetric(["A"], "stock", "last")


def test_sentinels_are_left_out_where_there_are_stages() -> None:
    metric = SimpleEnvMetric("price", "mean", "last", fsm_stages=["A"])
    assert metric.reduce([not_recorded, 2, 4], "train") == 3.0
    assert metric.reduce([not_recorded], "evaluate") is None
    assert SimpleEnvMetric("x", fsm_stages=["A"]).reduce([not_recorded, 1], "evaluate")[0] is not_recorded


def test_a_lambda_metric_knows_two_modes() -> None:
    metric = LambdaMetric(lambda env: env.price, max, min, description="price")
    assert metric.extract(MOCK) == 3.0
    assert (metric.reduce([1, 5], "train"), metric.reduce([1, 5], "evaluate")) == (5, 1)
    assert (metric.description, metric.fsm_stages) == ("price", None)
    with pytest.raises(ValueError, match="Expected 'train' or 'evaluate'"):
        metric.reduce([1], "test")


def test_a_metric_of_ones_own_gives_the_last_value() -> None:
    class Own(Metric[float]):
        def extract(self, env: Any) -> float:
            return 1.0

    assert Own(fsm_stages=["A"], description="d").reduce([1, 2], "train") == 2


def test_metrics_that_call_no_super_work_in_machines_too() -> None:
    class Own(Metric[int]):
        def __init__(self, n: int) -> None:
            self.n = n

        def extract(self, env: Any) -> int:
            return self.n

        def reduce(self, values: Any, mode: Any = None) -> Any:
            return sum(values)

    values: Any = defaultdict(list)
    logging_helper(fsm_env(), {"own": Own(3)}, values)
    assert values == {"own": [3]}


def test_the_stage_filter_asks_the_stage_that_comes_next() -> None:
    env, values = fsm_env(), defaultdict(list)
    metrics: Any = {
        "a": SimpleEnvMetric("current_step", fsm_stages=["A"]),
        "b": SimpleEnvMetric("current_step", fsm_stages=["B"]),
    }
    env.reset()
    for _ in range(2):
        env.step({"L": 1})
        logging_helper(env, metrics, values)
    assert values == {"a": [not_recorded, 2], "b": [1, not_recorded]}
    logging_helper(env_of(), metrics, values)
    assert values["a"][-1] == 0  # other envs have no stages


# ---------------------------------------------------------------- files

STEP_KEYS = {
    "actions",
    "terminations",
    "truncations",
    "infos",
    "messages",
    "metrics",
    "observations",
    "rewards",
}


def play(env: ph.PhantomEnv, steps: int = 2) -> None:
    env.reset()
    for _ in range(steps):
        env.step({env.strategic_agent_ids[0]: np.int64(2)})


def test_nothing_is_kept_without_a_file() -> None:
    play(env_of())
    assert logger._current_episode is None
    assert not logger.is_on


def test_each_finished_episode_is_one_line_of_json(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    logger.configure_file_logging(
        file_path=str(path), append=False, metrics={"step": SimpleEnvMetric("current_step")}
    )
    env = env_of()
    env.reset()
    assert logger._current_episode is not None
    assert len(logger._current_episode["steps"]) == 1
    assert path.read_text() == ""
    env.step({"L": 2})
    assert set(logger._current_episode["steps"][1]) == STEP_KEYS
    env.step({"L": 2})
    play(env)
    episodes = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(episodes) == 2
    assert set(episodes[0]) == {"start", "steps"}
    first, *others = episodes[0]["steps"]
    assert first == {"messages": [], "metrics": [], "observations": {"L": [0]}}
    assert [set(step) for step in others] == [STEP_KEYS] * 2
    assert others[0] == {
        "messages": [{"sender_id": "G", "receiver_id": "L", "payload": {"n": 3}}],
        "actions": {"L": 2},
        "observations": {"L": [1]},
        "rewards": {"L": 1 / 3},
        "terminations": [],
        "truncations": [],
        "infos": {"L": {"n": 1}},
        "metrics": {"step": 1},
    }


def test_a_file_needs_no_metrics_and_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for _ in range(2):
        logger.configure_file_logging(path)
        play(env_of())
    logger.configure_file_logging(None)
    assert logger._current_episode is None
    play(env_of())
    assert len(path.read_text().splitlines()) == 2


def test_an_episode_that_was_broken_off_is_written(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    logger.configure_file_logging(path)
    env = env_of()
    play(env, steps=1)
    env.reset()
    assert len(json.loads(path.read_text())["steps"]) == 2


def test_a_readable_file_has_one_value_per_line(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    logger.configure_file_logging(path, human_readable=True)
    play(env_of())
    assert path.read_text().startswith('{\n  "start"')
    assert len(json.loads(path.read_text())["steps"]) == 3


def test_machines_note_their_stages(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    logger.configure_file_logging(path, metrics={"a": SimpleEnvMetric("current_step", fsm_stages=["A"])})
    play(fsm_env())
    steps = json.loads(path.read_text())["steps"]
    assert [(s["fsm_current_stage"], s["fsm_next_stage"]) for s in steps[1:]] == [("A", "B"), ("B", "A")]
    assert [s["metrics"]["a"] for s in steps[1:]] == ["<NotRecorded>", 2]


def ending_in_none() -> ph.FiniteStateMachineEnv:
    """L acts in A, then F in B; then comes the stage with id None."""
    stages = [
        ph.FSMStage("A", ["L"], ["L"], ["B"]),
        ph.FSMStage("B", ["F"], ["F"], [None]),
        ph.FSMStage(None, [], [], [None]),
    ]
    return ph.FiniteStateMachineEnv(9, ph.Network([Learner("L"), Learner("F")]), "A", stages=stages)


def test_an_episode_that_ends_in_the_stage_none_is_written_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.jsonl"
    logger.configure_file_logging(path)
    logger.configure_print_logging(enable=True)
    env = ending_in_none()
    play(env, steps=1)
    assert path.read_text() == ""
    env.step({})
    assert len(json.loads(path.read_text())["steps"]) == 3
    assert capsys.readouterr().out.count("EPISODE DONE") == 1
    play(env)
    assert len(path.read_text().splitlines()) == 2  # each once


def test_the_last_step_writes_what_was_observed_in_it(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    logger.configure_file_logging(path)
    stages = [ph.FSMStage("A", ["L"], ["L"], ["B"]), ph.FSMStage("B", ["F"], ["F"], ["A"])]
    turns = ph.FiniteStateMachineEnv(2, ph.Network([Learner("L"), Learner("F")]), "A", stages=stages)
    for env, observed in ((turns, {"L": [2]}), (ending_in_none(), {})):
        env.reset()
        env.step({})
        last = env.step({})
        assert last.observations.keys() == last.infos.keys() == {"F"} | observed.keys()  # of everybody
        step = json.loads(path.read_text().splitlines()[-1])["steps"][-1]
        assert (step["observations"], step["infos"]) == (observed, {i: {"n": 1} for i in observed})
        assert step["rewards"] == {"L": 1 / 3, "F": 1 / 3}  # as returned


def test_leaders_and_followers_write_the_rewards_that_are_returned(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    logger.configure_file_logging(path)
    play(ph.StackelbergEnv(2, ph.Network([Learner("L"), Learner("F")]), ["L"], ["F"]))
    assert json.loads(path.read_text())["steps"][2]["rewards"] == {"L": 1 / 3, "F": 1 / 3}


def test_any_ids_and_values_can_be_written(tmp_path: Path) -> None:
    class Name(Enum):
        ONE = 1

    path = tmp_path / "log.jsonl"
    logger.configure_file_logging(path)
    network = ph.Network([Learner(("a", 1)), Learner(Name.ONE), Learner(5)])
    env = ph.PhantomEnv(1, network)
    env.reset()
    env.step({("a", 1): (np.float32(0.5), {Name.ONE: [np.bool_(True)]})})
    step = json.loads(path.read_text())["steps"][1]
    assert step["actions"] == {"('a', 1)": [0.5, {"Name.ONE": [True]}]}
    assert set(step["observations"]) == {"('a', 1)", "Name.ONE", "5"}


# ---------------------------------------------------------------- prints


def test_nothing_is_printed_until_it_is_enabled(capsys: pytest.CaptureFixture[str]) -> None:
    play(env_of())
    logger.configure_print_logging(print_rewards=True)
    play(env_of())
    assert capsys.readouterr().out == ""


def test_an_episode_is_printed_in_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    everything: Any = {
        f"print_{kind}": True
        for kind in ("actions", "observations", "rewards", "terminations", "truncations", "infos", "messages")
    }
    logger.configure_print_logging(
        enable=True, metrics={"step": SimpleEnvMetric("current_step")}, **everything
    )
    play(env_of(), steps=1)
    rule = "=" * 80
    assert capsys.readouterr().out.splitlines() == [
        rule,
        "ENV RESET",
        rule,
        "    OBSERVATIONS:",
        "        L: [0]",
        rule,
        "STEP 1/2",
        rule,
        "    ACTIONS:",
        "        L: 2",
        "    DECODING ACTIONS:",
        "        MSG SEND: G --> L  Greeting(n: 3)",
        "    RESOLVING MESSAGES:",
        "        ROUND 1/Inf:",
        "        MSG RECV: G --> L  Greeting(n: 3)",
        "    OBSERVATIONS:",
        "        L: [1]",
        "    REWARDS:",
        "        L: 0.33",
        "    TERMINATIONS: None",
        "    TRUNCATIONS: None",
        "    INFOS:",
        "        L: {'n': 1}",
        "    METRICS:",
        "        step: 1",
    ]
    logger.configure_print_logging(print_messages=["X"], print_observations=["X"], print_rewards=False)
    play(fsm_env())
    printed = capsys.readouterr().out
    ends = [line.strip() for line in printed.splitlines() if set(line) != {"="}][-6:]
    assert ends[-4:] == ["METRICS:", "step: 2", "FSM TRANSITION: B --> A", "EPISODE DONE"]
    assert "OBSERVATIONS: None" in printed
    assert "MSG" not in printed.replace("RESOLVING", "")
    assert "REWARDS" not in printed


def test_a_missing_observation_and_strange_ids_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    logger.configure_print_logging(
        enable=True, print_observations=True, print_terminations=True, print_actions=True
    )
    env = ph.PhantomEnv(2, ph.Network([Learner(("a", 1))]))
    env[("a", 1)].sees = False  # type: ignore[attr-defined]
    env.reset()
    env.step({("a", 1): None})
    printed = capsys.readouterr().out
    assert "OBSERVATIONS: None" in printed
    assert "('a', 1): None" in printed
