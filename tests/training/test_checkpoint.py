import hashlib
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
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
    file = tmp_path / "state" / "manifest.json"
    file.write_text(file.read_text().replace('"format": 2', '"format": 9'))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "state")
    assert str(caught.value) == (
        f"The checkpoint {tmp_path / 'state'} has format 9; this version of phantom_core reads formats up "
        "to 2. Run: pip install -U phantom-rl-core"
    )


def test_a_checkpoint_of_the_first_format_has_no_manifest(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {"a": np.zeros(2)})
    (tmp_path / "state" / "manifest.json").unlink()
    file = tmp_path / "state" / "state.json"
    with pytest.raises(CheckpointError, match=r"is damaged: it has no manifest\.json"):
        load_checkpoint(tmp_path / "state")
    file.write_text(file.read_text().replace('"format": 2', '"format": 1'))
    assert load_checkpoint(tmp_path / "state")["a"].tolist() == [0.0, 0.0]


def test_what_is_known_about_a_checkpoint_is_in_its_manifest(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {"a": np.zeros(2)}, {"run": "r", "iterations": 3})
    manifest = json.loads((tmp_path / "state" / "manifest.json").read_text())
    assert (manifest["run"], manifest["iterations"]) == ("r", 3)
    for name, facts in manifest["files"].items():
        content = (tmp_path / "state" / name).read_bytes()
        assert facts == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize("name", ["arrays.npz", "state.json"])
def test_a_missing_or_damaged_checkpoint_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read: FileNotFoundError"):
        load_checkpoint(tmp_path / "nowhere")
    save_checkpoint(tmp_path / "state", {"a": np.zeros(30)})
    file = tmp_path / "state" / name
    whole = file.read_bytes()
    for damaged in (b"", whole[:10], whole[:-1], whole + b" ", whole[:60] + b"?" + whole[61:], b"no file"):
        file.write_bytes(damaged)
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(tmp_path / "state")
        assert str(caught.value) == (
            f"The checkpoint {tmp_path / 'state'} is damaged: {name} is not as it was written. Use another "
            "one."
        )
    file.unlink()
    with pytest.raises(CheckpointError, match="it has no" if name == "arrays.npz" else "is damaged|cannot"):
        load_checkpoint(tmp_path / "state")


@given(data=st.data())
@settings(max_examples=40)
def test_no_flipped_bit_is_loaded_in_silence(data: st.DataObject, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("flipped") / "state"
    state = {"a": np.arange(30.0), "b": [1, {"c": 0.5}], "d": "text"}
    save_checkpoint(folder, state)
    file = folder / data.draw(st.sampled_from(["arrays.npz", "state.json"]))
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    with pytest.raises(CheckpointError):
        load_checkpoint(folder)


def test_the_arrays_of_another_iteration_are_noticed(tmp_path: Path) -> None:
    for number in (4, 8):
        save_checkpoint(tmp_path / f"{number}", {"a": np.full(3, float(number)), "n": number})
    (tmp_path / "4" / "arrays.npz").replace(tmp_path / "8" / "arrays.npz")
    with pytest.raises(CheckpointError, match=r"arrays\.npz is not as it was written"):
        load_checkpoint(tmp_path / "8")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", ["arrays.npz", "state.json", "manifest.json"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(name: str, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {"a": np.zeros(3)})
    (tmp_path / "state" / name).unlink()
    os.mkfifo(tmp_path / "state" / name)
    with pytest.raises(CheckpointError, match=f"is damaged: {re.escape(name)} is no file"):
        load_checkpoint(tmp_path / "state")


def resigned(folder: Path) -> None:
    """Let the manifest say what is there now."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        content = (folder / name).read_bytes()
        manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_small_archive_that_declares_much_is_not_unpacked(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {"a": np.zeros(3)})
    np.savez_compressed(tmp_path / "state" / "arrays.npz", a0=np.zeros(1_000_000))
    resigned(tmp_path / "state")
    with pytest.raises(CheckpointError, match=r"declares 8,000,\d+ bytes, which are more than it has"):
        load_checkpoint(tmp_path / "state")


@pytest.mark.parametrize("version", ["-5", '"x"', "null", "true", "[]"])
def test_a_format_that_is_none_is_named(version: str, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {})
    file = tmp_path / "state" / "state.json"
    file.write_text(file.read_text().replace('"format": 2', f'"format": {version}'))
    resigned(tmp_path / "state")
    with pytest.raises(CheckpointError, match=r"is damaged: it has the format .*, which is none"):
        load_checkpoint(tmp_path / "state")
    save_checkpoint(tmp_path / "state", {})
    file = tmp_path / "state" / "manifest.json"
    file.write_text(file.read_text().replace('"format": 2', f'"format": {version}'))
    with pytest.raises(CheckpointError, match=r"is damaged: it has the format .*, which is none"):
        load_checkpoint(tmp_path / "state")


def test_a_state_that_is_none_is_named(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {})
    (tmp_path / "state" / "state.json").write_text('{"format": 2, "state": 3}')
    resigned(tmp_path / "state")
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
