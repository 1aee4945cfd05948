"""What a recorder writes, when, and that it changes nothing."""

import copy
import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_recording import RecordedMessage, Recorder, read_recording

ORDER = {"SHOP": np.array([10.0], np.float32)}


@pytest.fixture
def shop_env(supply_chain: ModuleType) -> Callable[..., ph.PhantomEnv]:
    """Makes a supply chain with one customer."""
    return lambda customers=1: supply_chain.SupplyChainEnv(customers)  # type: ignore[no-any-return]


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def play(env: ph.PhantomEnv, actions: Any, num_steps: int, seed: int = 1) -> list[ph.StepResult]:
    env.reset(seed=seed)
    return [copy.deepcopy(env.step(actions)) for _ in range(num_steps)]


def test_an_episode_is_a_line_for_the_reset_for_each_step_and_for_the_end(
    shop_env: Callable[..., ph.PhantomEnv], tmp_path: Path
) -> None:
    path = tmp_path / "episodes.jsonl"
    env = shop_env()
    env.recorder = Recorder(path, env_config={"customers_per_shop": 1})
    play(env, ORDER, 2)
    env.close()
    start, *rows = lines_of(path)
    payloads = [row for row in rows if isinstance(row, dict) and row["record"] == "payload"]
    ordered, answered, first, _, _, second, end = [row for row in rows if row not in payloads]
    assert start == {
        "record": "start",
        "format": 2,
        "seed": 1,
        "env_class": "SupplyChainEnv",
        "agents": ["FACTORY", "SHOP", "CUST1"],
        "env": start["env"],
        "env_config": {"customers_per_shop": 1},
        "next_turn": "simultaneous",
        "observations": {"SHOP": [0.0, 0.0, 0.0]},
        "infos": {"SHOP": {}},
        "signature": start["signature"],  # see test_trust_of_recordings.py
    }
    assert start["env"].endswith("SupplyChainEnv")
    missed = ordered[1][1][0][2][1]
    assert payloads == [
        {"record": "payload", "name": "OrderRequest", "fields": ["size"]},
        {"record": "payload", "name": "StockRequest", "fields": ["size"]},
        {"record": "payload", "name": "OrderResponse", "fields": ["size"]},
        {"record": "payload", "name": "StockResponse", "fields": ["size"]},
    ]
    assert ordered == [
        ["FACTORY", [["SHOP", "FACTORY", ["StockRequest", 10]]]],
        ["SHOP", [["CUST1", "SHOP", ["OrderRequest", missed]]]],
    ]
    assert answered == [
        ["SHOP", [["FACTORY", "SHOP", ["StockResponse", 10]]]],
        ["CUST1", [["SHOP", "CUST1", ["OrderResponse", 0]]]],
    ]
    assert first == {
        "record": "step",
        "step": 1,
        "turn": "simultaneous",
        "actions": {"SHOP": [10.0]},
        "observations": {"SHOP": pytest.approx([0.1, 0.0, missed / 5])},
        "rewards": {"SHOP": -1.0},
    }
    assert second["step"] == 2
    lines, _, checksum = path.read_bytes().rpartition(b',"crc32":')
    assert checksum == b"%d}\n" % zlib.crc32(lines + b"}\n")
    assert end == {"record": "end", "num_steps": 2, "is_finished": False, "crc32": end["crc32"]}


def test_what_is_read_is_what_happened(shop_env: Callable[..., ph.PhantomEnv], tmp_path: Path) -> None:
    env = shop_env(3)
    metrics: dict[str, ph.Metric] = {
        "stock": ph.metrics.SimpleAgentMetric("SHOP", "stock", eval_reduce_action="sum")
    }
    with Recorder(tmp_path / "x", metrics=metrics) as recorder:
        env.recorder = recorder
        results = play(env, ORDER, 100)
    (episode,) = read_recording(tmp_path / "x")
    assert (episode.seed, episode.num_steps, episode.is_finished) == (1, 100, True)
    for result, step in zip(results, episode.steps[1:], strict=True):
        assert step.observations == {i: o.tolist() for i, o in result.observations.items()}
        assert step.rewards == result.rewards
        assert step.terminations == tuple(i for i, is_end in result.terminations.items() if is_end)
        assert step.truncations == tuple(i for i, is_end in result.truncations.items() if is_end)
        assert len(step.messages) == 8
        assert {message.round for message in step.messages} == {1, 2}
        assert step.metrics == {"stock": round(100 * result.observations["SHOP"][0])}
    assert episode.metrics == {"stock": sum(step.metrics["stock"] for step in episode.steps[1:])}


def test_recording_changes_nothing(shop_env: Callable[..., ph.PhantomEnv], tmp_path: Path) -> None:
    env, recorded = shop_env(2), shop_env(2)
    recorded.recorder = Recorder(tmp_path / "x")
    for one, other in zip(play(env, ORDER, 30), play(recorded, ORDER, 30), strict=True):
        assert one.rewards == other.rewards
        assert np.array_equal(one.observations["SHOP"], other.observations["SHOP"])
    recorded.close()


def test_odd_ids_stages_dicts_and_values_are_written(
    odd_market: Any, bid: dict[Any, Any], tmp_path: Path
) -> None:
    env = odd_market()
    env.recorder = Recorder(tmp_path / "x")
    env.reset(seed=3)
    first = float(env["buyer", 1].prices[0])
    for _ in range(4):
        env.step(bid)
    env.close()
    (episode,) = read_recording(tmp_path / "x")
    buyer = "('buyer', 1)"
    assert episode.agents == (buyer, "7")
    assert episode.is_finished
    reset, *steps = episode.steps
    assert reset.observations == {buyer: {"prices": [first, first], "turn": 0}}
    assert [(step.turn, step.next_turn) for step in steps[:2]] == [
        ("Stage.BID", "Stage.SELL"),
        ("Stage.SELL", "Stage.BID"),
    ]
    assert steps[0].observations == {buyer: {"prices": [2.5, 3.0], "turn": 1}}
    assert steps[0].infos == {buyer: {"mood": None, "luck": "nan", "seen": [1, 2]}}
    sent, answered = steps[0].messages
    assert sent == RecordedMessage(1, buyer, "7", "Bid", {"price": 2.5, "quantity": 3})
    assert answered == RecordedMessage(2, "7", buyer, "Note", {"numbers": [2.5, 3.0], "text": "hello"})


def test_a_resolver_that_delivers_no_pairs_is_told_what_they_are(tmp_path: Path) -> None:
    @ph.msg_payload()
    class Letter:
        text: str

    class Writer(ph.Agent):
        def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
            return [("B", Letter("hello"))]

    class Post(ph.BatchResolver):
        def resolve(self, network: ph.Network, contexts: Any) -> None:
            network.deliver([("B", "hello")])  # type: ignore[list-item]  # the mistake

    env = ph.PhantomEnv(1, ph.Network([Writer("A"), ph.Agent("B")], Post(), [("A", "B")]))
    with Recorder(tmp_path / "x") as recorder:
        env.recorder = recorder
        env.reset(seed=1)
        with pytest.raises(ph.errors.ResolverError) as caught:
            env.step({})
    assert str(caught.value).startswith("The resolver called network.deliver with ('B', 'hello'). Expected ")


def test_numbers_that_are_not_finite_are_text(tmp_path: Path) -> None:
    @ph.msg_payload()
    class Price:
        value: float

    class Odd(ph.StrategicAgent):
        observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

        def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
            return [("B", Price(float("nan"))), ("B", Price(1.5))]

        def encode_observation(self, ctx: ph.Context) -> Any:
            return np.array([np.inf, 1.0], np.float32)

        def compute_reward(self, ctx: ph.Context) -> float:
            return float("-inf")

    class Sink(ph.Agent):
        @ph.msg_handler(Price)
        def take(self, ctx: ph.Context, message: ph.Message[Price]) -> None:
            """Take it."""

    env = ph.PhantomEnv(1, ph.Network([Odd("A"), Sink("B")], connections=[("A", "B")]))
    env.recorder = Recorder(tmp_path / "x")
    play(env, {"A": np.array([np.nan], np.float32)}, 1)
    env.close()
    (episode,) = read_recording(tmp_path / "x")
    step = episode.steps[1]
    assert step.actions == {"A": ["nan"]}
    assert step.observations == {"A": ["inf", 1.0]}
    assert step.rewards == {"A": "-inf"}
    assert [message.fields for message in step.messages] == [{"value": "nan"}, {"value": 1.5}]


# ---------------------------------------------------------------------- begin and end


def test_an_episode_that_is_reset_before_its_end_is_marked(
    shop_env: Callable[..., ph.PhantomEnv], tmp_path: Path
) -> None:
    env = shop_env()
    env.recorder = Recorder(tmp_path / "x")
    play(env, ORDER, 3, seed=1)
    play(env, ORDER, 100, seed=2)
    env.reset(seed=3)
    env.close()
    found = [(e.seed, e.num_steps, e.is_finished) for e in read_recording(tmp_path / "x")]
    assert found == [(1, 3, False), (2, 100, True), (3, 0, False)]


def test_recording_starts_at_a_reset_and_stops_at_once(
    shop_env: Callable[..., ph.PhantomEnv], tmp_path: Path
) -> None:
    env = shop_env()
    env.reset(seed=1)
    recorder = Recorder(tmp_path / "x")
    env.recorder = recorder
    env.step(ORDER)
    play(env, ORDER, 2, seed=2)
    env.recorder = None
    env.step(ORDER)
    assert env.network.recorder is None
    play(env, ORDER, 2, seed=3)
    env.recorder = recorder
    play(env, ORDER, 1, seed=4)
    recorder.close()
    assert env.recorder is None
    env.step(ORDER)
    assert [(e.seed, e.num_steps) for e in read_recording(tmp_path / "x")] == [(2, 2), (4, 1)]


def test_a_finished_episode_is_on_file_before_the_recorder_is_closed(
    shop_env: Callable[..., ph.PhantomEnv], tmp_path: Path
) -> None:
    env = shop_env()
    env.recorder = Recorder(tmp_path / "x")
    play(env, ORDER, 100)
    assert [episode.is_finished for episode in read_recording(tmp_path / "x")] == [True]
    env.close()
    env.close()


@pytest.mark.parametrize("earlier", [None, b"", b"lines\n"], ids=["no file", "an empty file", "lines"])
def test_a_recorder_without_an_episode_leaves_its_file_as_it_was(
    earlier: bytes | None, shop_env: Callable[..., ph.PhantomEnv], tmp_path: Path
) -> None:
    file = tmp_path / "episodes.jsonl"
    if earlier is not None:
        file.write_bytes(earlier)
    env = shop_env()
    env.recorder = Recorder(file, overwrite=True)
    env.close()
    assert (file.read_bytes() if file.exists() else None) == earlier
    env.recorder = Recorder(file, overwrite=True)
    env.reset(seed=1)
    env.close()
    assert [episode.seed for episode in read_recording(file)] == [1]


def test_two_envs_write_to_two_files_at_once(shop_env: Callable[..., ph.PhantomEnv], tmp_path: Path) -> None:
    envs = [shop_env(1), shop_env(2)]
    for number, env in enumerate(envs):
        env.recorder = Recorder(tmp_path / str(number))
        env.reset(seed=number)
    for _ in range(3):
        for env in envs:
            env.step(ORDER)
    for env in envs:
        env.close()
    found = [next(iter(read_recording(tmp_path / str(number)))) for number in (0, 1)]
    assert [(e.seed, e.num_steps, len(e.agents)) for e in found] == [(0, 3, 3), (1, 3, 4)]
    assert [len(e.steps[2].messages) for e in found] == [4, 6]


def test_copies_and_pickles_of_an_env_have_no_recorder(tmp_path: Path) -> None:
    with Recorder(tmp_path / "x") as recorder:
        holder = {"recorder": recorder}
        assert copy.deepcopy(holder) == {"recorder": None}
        assert pickle.loads(pickle.dumps(holder)) == {"recorder": None}  # noqa: S301  our own bytes


def test_agents_that_join_are_recorded(tmp_path: Path) -> None:
    class Plain(ph.StrategicAgent):
        observation_space = action_space = gym.spaces.Discrete(3)

        def decode_action(self, ctx: ph.Context, action: Any) -> None:
            """Do nothing."""

        def encode_observation(self, ctx: ph.Context) -> int:
            return 1

        def compute_reward(self, ctx: ph.Context) -> float:
            return 1.0

    class Growing(ph.PhantomEnv):
        def post_message_resolution(self) -> None:
            if self.current_step == 2:
                self.network.add_agent(Plain((1, "late")))

    env = Growing(4, ph.Network([Plain("A")]))
    env.recorder = Recorder(tmp_path / "x")
    play(env, {"A": 1}, 4)
    env.close()
    (episode,) = read_recording(tmp_path / "x")
    assert [list(step.observations) for step in episode.steps] == [["A"], ["A"], *[["A", "(1, 'late')"]] * 3]


# ---------------------------------------------------------------------- what is refused


def test_what_cannot_be_recorded_is_refused(shop_env: Callable[..., ph.PhantomEnv], tmp_path: Path) -> None:
    with pytest.raises(ph.errors.RecordingError) as caught:
        Recorder(tmp_path)
    assert str(caught.value) == f"The recording {tmp_path} cannot be written: Is a directory."
    kept = tmp_path / "kept.jsonl"
    kept.write_text("old")
    with pytest.raises(ph.errors.RecordingError) as caught:
        Recorder(kept)
    assert str(caught.value) == (
        f"The recording {kept} exists already. Record to another file, delete this one, or replace "
        "it: Recorder(…, overwrite=True), or phantom record --overwrite."
    )
    assert kept.read_text() == "old"
    Recorder(kept, overwrite=True).close()
    assert kept.read_text() == "old", "nothing was recorded"
    recorder = Recorder(tmp_path / "x")
    env, other = shop_env(), shop_env()
    env.recorder = recorder
    with pytest.raises(ph.errors.RecordingError) as caught:
        other.recorder = recorder
    assert str(caught.value) == "This Recorder already records another SupplyChainEnv. Make one for each env."
    recorder.close()
    with pytest.raises(ph.errors.RecordingError) as caught:
        env.recorder = recorder
    assert str(caught.value) == "This Recorder is closed. Make another one."


def test_two_agents_with_one_name_are_refused(tmp_path: Path) -> None:
    env = ph.PhantomEnv(1, ph.Network([ph.Agent(1), ph.Agent("1")]))
    env.recorder = Recorder(tmp_path / "x")
    with pytest.raises(ph.errors.RecordingError) as caught:
        env.reset(seed=1)
    assert str(caught.value) == (
        "The agents 1 and '1' have the same name in a recording, 1. Give one of them another id."
    )
    env.close()
