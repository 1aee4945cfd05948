import math
import os
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from phantom_core.errors import CheckpointError
from phantom_core.training.checkpoint import (
    check_state,
    decode_space,
    encode_space,
    load_checkpoint,
    save_checkpoint,
)

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text().filter(lambda text: text not in ("nan", "inf", "-inf"))
    | npst.arrays(npst.scalar_dtypes().filter(lambda d: d.kind in "iufb"), npst.array_shapes(min_dims=0))
)
keys = st.text().filter(lambda key: key != "__array__")  # reserved
states = st.dictionaries(
    keys,
    st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=8),
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and bool(one == other)


@given(state=states)
def test_what_is_saved_is_loaded(state: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("checkpoint") / "state"
    save_checkpoint(folder, state)
    assert same(state, load_checkpoint(folder))


def test_saving_again_replaces_the_old_state_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for number in (1, 2):
        save_checkpoint(tmp_path / "state", {"number": number})
    assert load_checkpoint(tmp_path / "state") == {"number": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_arrays_whose_paths_are_spelt_alike_stay_apart(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {"a.b": np.zeros(2), "a": {"b": np.ones(2)}})
    loaded = load_checkpoint(tmp_path / "state")
    assert (loaded["a.b"].tolist(), loaded["a"]["b"].tolist()) == ([0, 0], [1, 1])


@pytest.mark.parametrize("exception", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_the_old_state_is_back_if_the_new_one_cannot_take_its_place(
    exception: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path / "state", {"number": 1})
    rename, calls = Path.rename, []

    def fail_second(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise exception
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_second)
    with pytest.raises(CheckpointError if isinstance(exception, OSError) else KeyboardInterrupt):
        save_checkpoint(tmp_path / "state", {"number": 2})
    assert load_checkpoint(tmp_path / "state") == {"number": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="folders cannot be forced to disk here")
def test_the_renamed_folder_is_forced_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    force, forced = os.fsync, []

    def note(descriptor: int) -> None:
        forced.append((os.fstat(descriptor).st_ino, (tmp_path / "state").exists()))
        force(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    save_checkpoint(tmp_path / "state", {})
    assert forced[-1] == (tmp_path.stat().st_ino, True)


def test_a_state_is_checked_without_writing() -> None:
    check_state({"a": [1, np.zeros(2)]})
    with pytest.raises(CheckpointError, match=r"state\.a is 1j"):
        check_state({"a": 1j})
    with pytest.raises(CheckpointError, match="longdouble"):
        check_state({"a": np.longdouble(1)})


def test_numpy_scalars_become_plain_numbers(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {"a": np.float32(0.5), "b": np.int64(3)})
    assert load_checkpoint(tmp_path / "state") == {"a": 0.5, "b": 3}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"a": {"b": {1, 2}}},
            "state.a.b is {1, 2} (set). Expected NumPy arrays and JSON values in dicts with str keys.",
        ),
        (
            {"a": ["nan"]},
            "state.a[0] is 'nan' (str). Expected NumPy arrays and JSON values in dicts with str keys.",
        ),
        (
            {"a": {1: 2}},
            "state.a is {1: 2} (dict). Expected NumPy arrays and JSON values in dicts with str keys.",
        ),
        ({"a": np.array([None])}, "state.a is an array of Python objects. Expected an array of numbers."),
    ],
)
def test_values_that_cannot_be_saved_are_named(state: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        save_checkpoint(tmp_path / "state", state)
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {})
    file = tmp_path / "state" / "state.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "state")
    assert str(caught.value) == (
        f"The checkpoint {tmp_path / 'state'} has format 9; this version of phantom_core reads formats up "
        "to 1. Run: pip install -U phantom-rl-core"
    )


def test_a_missing_or_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read: FileNotFoundError"):
        load_checkpoint(tmp_path / "nowhere")
    save_checkpoint(tmp_path / "state", {"a": np.zeros(3)})
    (tmp_path / "state" / "arrays.npz").write_bytes(b"no zip file")
    with pytest.raises(CheckpointError, match="cannot be read: ValueError"):
        load_checkpoint(tmp_path / "state")


@pytest.mark.parametrize("length", [0, 10, 200])
def test_truncated_arrays_are_named(length: int, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {"a": np.zeros(30)})
    file = tmp_path / "state" / "arrays.npz"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path / "state")


def test_damaged_arrays_and_states_are_named(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {"a": np.zeros(30)})
    file = tmp_path / "state" / "arrays.npz"
    content = bytearray(file.read_bytes())
    content[200] ^= 255
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read: BadZipFile"):
        load_checkpoint(tmp_path / "state")
    (tmp_path / "state" / "state.json").write_text('{"format": 1, "state": 3}')
    with pytest.raises(CheckpointError, match="cannot be read: TypeError"):
        load_checkpoint(tmp_path / "state")


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Box(-1.0, np.inf, (2, 3), np.float32),
        gym.spaces.Box(np.array([0, 1]), np.array([5, 9]), dtype=np.int16),
        gym.spaces.Discrete(5, start=-2),
        gym.spaces.MultiDiscrete([2, 3]),
        gym.spaces.MultiBinary(4),
        gym.spaces.MultiBinary([2, 2]),
        gym.spaces.Dict({"b": gym.spaces.Discrete(2), "a": gym.spaces.Tuple([gym.spaces.Discrete(3)])}),
    ],
)
def test_spaces_are_saved_and_loaded(space: gym.Space, tmp_path: Path) -> None:  # type: ignore[type-arg]
    save_checkpoint(tmp_path / "state", {"space": encode_space(space)})
    assert decode_space(load_checkpoint(tmp_path / "state")["space"]) == space


def test_a_space_that_cannot_be_saved_is_named() -> None:
    with pytest.raises(CheckpointError) as caught:
        encode_space(gym.spaces.Text(3))
    assert str(caught.value).endswith(
        "cannot be saved. Supported: Box, Discrete, MultiDiscrete, MultiBinary, Dict and Tuple."
    )
