"""Reading recordings, and values that come back as they were."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import phantom_core as ph
from phantom_recording import Recorder, read_recording, replay

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
ARRAYS = st.one_of(
    hnp.arrays(np.dtype(np.float32), SHAPES),
    hnp.arrays(np.dtype(np.float64), SHAPES),
    hnp.arrays(np.dtype(np.int64), SHAPES),
    hnp.arrays(np.dtype(np.int8), SHAPES),
    hnp.arrays(np.dtype(bool), SHAPES),
)


def total(array: Any) -> Any:
    """Return a NumPy scalar; infinities of both signs add up to NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.sum(array)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), ARRAYS, ARRAYS.map(total)
)
ACTIONS = st.recursive(
    SCALARS,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3),
        st.lists(parts, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), parts, max_size=3),
    ),
    max_leaves=6,
)


def is_same(one: Any, other: Any) -> bool:
    """Compare type, dtype, shape and value; NaN is NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (np.ndarray, np.generic)):
        equal = np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        return bool(equal and one.dtype == other.dtype and one.shape == other.shape)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(is_same(one[key], other[key]) for key in one)
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


class Keeper(ph.StrategicAgent):
    """Keeps its newest action, and observes what it is told to."""

    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action: Any = None
    observation: Any = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.action = action

    def encode_observation(self, ctx: ph.Context) -> Any:
        return self.observation

    def compute_reward(self, ctx: ph.Context) -> float:
        return 0.0


@given(action=ACTIONS, name=st.sampled_from(["A", 7]))
def test_actions_come_back_with_type_dtype_and_value(
    action: Any, name: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("actions") / "x"
    env = ph.PhantomEnv(1, ph.Network([Keeper(name)]))
    env.recorder = Recorder(path)
    env.reset(seed=1)
    env.step({name: action})
    env.close()
    world: Any = replay(path, env=ph.PhantomEnv(1, ph.Network([Keeper(name)])))
    assert is_same(world[name].action, action)


def plain(value: Any) -> Any:
    """Return what a recording should hold of a value that JSON knows."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list):
        return [plain(part) for part in value]
    return {key: plain(part) for key, part in value.items()} if isinstance(value, dict) else value


@given(
    value=st.recursive(
        st.one_of(st.booleans(), st.integers(-9, 9), st.floats(), st.text(max_size=3), st.none()),
        lambda parts: st.one_of(
            st.lists(parts, max_size=3), st.dictionaries(st.text(max_size=3), parts, max_size=3)
        ),
        max_leaves=6,
    ).filter(lambda value: value is not None)
)
def test_observations_come_back_as_json_has_them(
    value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("observations") / "x"
    agent = Keeper("A")
    agent.observation = value
    env = ph.PhantomEnv(1, ph.Network([agent]))
    env.recorder = Recorder(path)
    env.reset(seed=1)
    env.step({"A": 1})
    env.close()
    (episode,) = read_recording(path)
    assert [step.observations for step in episode.steps] == [{"A": plain(value)}] * 2


def test_an_observation_that_changes_later_is_written_as_it_was(tmp_path: Path) -> None:
    agent = Keeper("A")
    agent.observation = np.zeros(2)
    env = ph.PhantomEnv(3, ph.Network([agent]))
    env.recorder = Recorder(tmp_path / "x")
    env.reset(seed=1)
    for number in range(3):
        result = env.step({"A": 1})
        agent.observation += 1.0
        result.rewards["A"] = 99.0 + number
    env.close()
    (episode,) = read_recording(tmp_path / "x")
    assert [step.observations["A"] for step in episode.steps] == [[0, 0], [0, 0], [1, 1], [2, 2]]
    assert [step.rewards for step in episode.steps[1:]] == [{"A": 0.0}] * 3


def test_messages_that_change_later_are_written_as_they_were(tmp_path: Path) -> None:
    @ph.msg_payload()
    class Basket:
        items: list[int]

    class Buyer(ph.Agent):
        def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
            return [("SHOP", Basket([1])), ("SHOP", Basket([2]))]

    class Shop(ph.Agent):
        def handle_batch(self, ctx: ph.Context, batch: Any) -> ph.MessageList:
            batch[0].payload.items.append(9)
            batch.clear()
            return []

    env = ph.PhantomEnv(2, ph.Network([Buyer("BUYER"), Shop("SHOP")], connections=[("BUYER", "SHOP")]))
    env.recorder = Recorder(tmp_path / "x")
    env.reset(seed=1)
    for _ in range(2):
        env.step({})
    env.close()
    (episode,) = read_recording(tmp_path / "x")
    for step in episode.steps[1:]:
        assert [message.fields for message in step.messages] == [{"items": [1]}, {"items": [2]}]


def test_payloads_of_one_name_and_other_fields_are_told_apart(tmp_path: Path) -> None:
    def order(fields: dict[str, Any]) -> Any:
        return ph.msg_payload()(type("Order", (), {"__annotations__": fields, "__module__": __name__}))

    sent = [order({"size": int})(3), order({"price": float, "note": str})(0.5, "now")]

    class Buyer(ph.Agent):
        def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
            return [("SHOP", payload) for payload in sent]

    class Shop(ph.Agent):
        def handle_message(self, ctx: ph.Context, message: ph.Message[Any]) -> None:
            """Take it."""

    env = ph.PhantomEnv(1, ph.Network([Buyer("BUYER"), Shop("SHOP")], connections=[("BUYER", "SHOP")]))
    env.recorder = Recorder(tmp_path / "x")
    env.reset(seed=1)
    env.step({})
    env.close()
    (episode,) = read_recording(tmp_path / "x")
    found = [(message.payload_class, message.fields) for message in episode.steps[1].messages]
    assert found == [("Order", {"size": 3}), ("Order", {"price": 0.5, "note": "now"})]


def test_a_step_that_cannot_be_written_leaves_no_trace(tmp_path: Path) -> None:
    class Unspeakable:
        def __repr__(self) -> str:
            raise ValueError("no words")

    agent = Keeper("A")
    env = ph.PhantomEnv(5, ph.Network([agent]))
    env.recorder = Recorder(tmp_path / "x")
    env.reset(seed=1)
    env.step({"A": 1})
    agent.observation = Unspeakable()
    with pytest.raises(ValueError, match="no words"):
        env.step({"A": 1})
    agent.observation = 0
    env.reset(seed=2)
    env.step({"A": 1})
    env.close()
    assert [episode.seed for episode in read_recording(tmp_path / "x")] == [1, 2]


# ---------------------------------------------------------------------- files


def recorded(path: Path, num_steps: int = 3) -> bytes:
    env = ph.PhantomEnv(num_steps, ph.Network([Keeper("A")]))
    env.recorder = Recorder(path)
    env.reset(seed=1)
    for _ in range(num_steps):
        env.step({"A": 1})
    env.close()
    return path.read_bytes()


def test_a_file_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    whole = recorded(path)
    path.write_bytes(whole[:-80])
    (episode,) = read_recording(path)
    assert (episode.num_steps, episode.is_finished) == (2, False)
    path.write_bytes(b"")
    assert list(read_recording(path)) == []


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    whole = recorded(path)
    start, step, *_ = whole.splitlines(keepends=True)
    newer = json.dumps({**json.loads(start), "format": 9}).encode() + b"\n"
    cases = {
        b"{}\n": "is damaged in line 1: Object missing required field `record`. Record the episode again.",
        start + b"[1\n": "is damaged in line 2: Input data was truncated. Record the episode again.",
        start + b"[1]\n" + step: (
            "is damaged in line 3: its messages cannot be read. Record the episode again."
        ),
        start + b'[["B",[["A","B",["Order",1]]]]]\n' + step: (
            "is damaged in line 3: its messages cannot be read. Record the episode again."
        ),
        step: "begins in the middle of an episode.",
        newer: "has format 9, but this version reads up to 3. Update phantom-recording.",
    }
    for text, reason in cases.items():
        path.write_bytes(text)
        with pytest.raises(ph.errors.RecordingError) as caught:
            list(read_recording(path))
        assert str(caught.value) == f"The recording {path} {reason}"
    with pytest.raises(ph.errors.RecordingError) as caught:
        list(read_recording(tmp_path / "y"))
    assert str(caught.value) == f"The recording {tmp_path / 'y'} cannot be read: No such file or directory."


def test_a_folder_is_no_recording_and_the_command_that_writes_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(ph.errors.RecordingError) as caught:
        list(read_recording(tmp_path))
    assert str(caught.value) == (
        f"The recording {tmp_path} cannot be read: Is a directory. Name a file in it, such as the "
        "episodes.jsonl that phantom record RUN writes."
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.timeout(10)
def test_what_is_no_file_is_neither_waited_for_nor_read_without_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "endless"):
        with pytest.raises(ph.errors.RecordingError) as caught:
            list(read_recording(tmp_path / name))
        assert str(caught.value) == (
            f"The recording {tmp_path / name} cannot be read: It is no regular file."
        )


def test_an_episode_that_is_not_as_it_was_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    whole = recorded(path)
    path.write_bytes(whole.replace(b'"rewards":{"A":0.0}', b'"rewards":{"A":9.0}', 1))
    with pytest.raises(ph.errors.RecordingError) as caught:
        list(read_recording(path))
    reason = "the episode that ends there is not as it was written"
    assert str(caught.value) == (
        f"The recording {path} is damaged in line 5: {reason}. Record the episode again."
    )


def test_lines_that_are_missing_or_doubled_are_noticed_without_a_checksum_too(tmp_path: Path) -> None:
    path = tmp_path / "x"
    start, first, second, third, _ = recorded(path).splitlines(keepends=True)
    end = b'{"record":"end","num_steps":3,"is_finished":true}\n'
    older = start.replace(b'"format":3', b'"format":1')
    cases = {
        older + first + third: "3: it is step 3, after step 1",
        older + first + first: "3: it is step 1, after step 1",
        older + first + end: "3: it ends 3 steps, but 1 are there",
        start + first + start: "3: the episode before has no end",
    }
    for text, reason in cases.items():
        path.write_bytes(text)
        with pytest.raises(ph.errors.RecordingError) as caught:
            list(read_recording(path))
        assert str(caught.value) == (
            f"The recording {path} is damaged in line {reason}. Record the episode again."
        )
    path.write_bytes(older + first + second + third + end + older + first)
    assert [(e.num_steps, e.is_finished) for e in read_recording(path)] == [(3, True), (1, False)]


class Trap(ph.Agent):
    """Raises in the second episode."""

    is_armed = False

    def reset(self) -> None:
        if Trap.is_armed:
            raise AttributeError("no door")


class TrapEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(2, ph.Network([Trap("A")]))


def test_an_env_that_raises_in_a_replay_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = TrapEnv()
    with Recorder(tmp_path / "x") as recorder:
        env.recorder = recorder
        env.reset(seed=1)
        env.step({})
    monkeypatch.setattr(Trap, "is_armed", True)
    with pytest.raises(ph.errors.PhantomError) as caught:
        replay(tmp_path / "x", env=TrapEnv)
    assert "AttributeError: no door" in str(caught.value)


@pytest.mark.parametrize("loss", ["deleted", "replaced"])
def test_a_recording_that_was_lost_while_it_was_written_is_said(loss: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    env = ph.PhantomEnv(2, ph.Network([Keeper("A")]))
    env.recorder = Recorder(path)
    env.reset(seed=1)
    path.unlink()
    if loss == "replaced":
        (tmp_path / "y").write_text("other")
        (tmp_path / "y").rename(path)
    env.step({"A": 1})
    with pytest.raises(ph.errors.RecordingError) as caught:
        env.close()
    reason = "No such file or directory" if loss == "deleted" else "It was replaced by another file"
    assert str(caught.value) == (
        f"The recording {path} cannot be written: {reason}. What was written before may be there; record to "
        "another file."
    )
    env.close()
    assert not path.exists() or path.read_text() == "other"


def test_a_disk_that_is_full_ends_a_recording_once_and_leaves_no_empty_file(
    tmp_path: Path, size_limit: Callable[[int | None], None]
) -> None:
    path = tmp_path / "x"
    env = ph.PhantomEnv(2, ph.Network([Keeper("A")]))
    env.recorder = Recorder(path)
    env.reset(seed=1)
    env.step({"A": 1})
    size_limit(0)
    with pytest.raises(ph.errors.RecordingError) as caught:
        env.step({"A": 1})
    size_limit(None)
    assert str(caught.value) == (
        f"The recording {path} cannot be written: File too large. What was written before may be there; "
        "record to another file."
    )
    assert not path.exists()
    env.reset(seed=2)
    env.step({"A": 1})
    env.close()
