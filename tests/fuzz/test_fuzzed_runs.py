"""Runs that were damaged at random: a sentence, or the run as it was; never another exception."""

import hashlib
import json
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

import phantom_core as ph

pytestmark = pytest.mark.fuzz

Mutators = Callable[[int], Iterator[Any]]
IsRefused = Callable[..., bool]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with two checkpoints."""
    results = ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=2,
        checkpoint=ph.CheckpointPlan(every=1),
        evaluation=ph.EvaluationPlan(episodes=2),
        seed=1,
        run_dir=tmp_path_factory.mktemp("runs"),
    )
    assert results.run_directory is not None
    return results.run_directory


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be damaged."""
    return shutil.copytree(run, tmp_path / "copy")


def evaluate(path: Path) -> None:
    ph.tools.evaluate_run(path, num_episodes=1, max_steps=5)


def read(path: Path) -> None:
    list(ph.tools.SavedRun.read(path).logged_values())


def test_a_record_of_other_types_is_refused(copy: Path, mutators: Mutators, is_refused: IsRefused) -> None:
    file, refused = copy / "run.json", 0
    facts = json.loads(file.read_text())
    for mutator in mutators(150):
        file.write_text(json.dumps(mutator.value(facts)))
        refused += is_refused(read, copy)
        is_refused(evaluate, copy)
    assert refused > 50


def test_a_record_with_other_bytes_is_refused_or_read(
    copy: Path, mutators: Mutators, is_refused: IsRefused
) -> None:
    for name in ("run.json", "config.toml", "metrics.jsonl"):
        content = (copy / name).read_bytes()
        for mutator in mutators(60):
            (copy / name).write_bytes(mutator.content(content))
            is_refused(read, copy)
            is_refused(evaluate, copy)
        (copy / name).write_bytes(content)


def test_settings_of_other_types_are_refused(copy: Path, mutators: Mutators, is_refused: IsRefused) -> None:
    file, refused = copy / "config.toml", 0
    settings = tomllib.loads(file.read_text())
    settings["metrics"] = {"m": {"metric": "simple-env", "env_property": "current_step"}}
    for mutator in mutators(100):
        changed = without_null(mutator.value(settings))
        file.write_text(tomli_w.dumps(changed if isinstance(changed, dict) else {"x": 1}))
        refused += is_refused(evaluate, copy)
        is_refused(read, copy)
    assert refused > 5


def without_null(value: Any) -> Any:
    """Return a value as TOML can hold it."""
    if isinstance(value, dict):
        return {key: without_null(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [without_null(part) for part in value if part is not None]
    return value


def states(path: Path) -> Any:
    return {i: policy.state_dict() for i, policy in ph.load_policies(path).items()}


def is_same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else bool(one == other)


def test_no_damage_to_a_checkpoint_is_loaded_in_silence(copy: Path, mutators: Mutators) -> None:
    before = states(copy)
    for name in ("state.json", "arrays.npz", "manifest.json"):
        file = copy / "policies" / name
        content = file.read_bytes()
        for mutator in mutators(60):
            file.write_bytes(mutator.content(content))
            try:
                now = states(copy)
            except ph.errors.CheckpointError:
                continue
            assert is_same(before, now)
        file.write_bytes(content)


def test_files_of_different_checkpoints_do_not_go_together(copy: Path, is_refused: IsRefused) -> None:
    first, second = (copy / "checkpoints" / f"iteration-00000{number}" for number in (1, 2))
    for name in ("state.json", "arrays.npz", "manifest.json"):
        content, other = (second / name).read_bytes(), (first / name).read_bytes()
        (second / name).write_bytes(other)
        assert is_refused(ph.load_policies, second) == (content != other)
        (second / name).write_bytes(content)
    assert not is_refused(ph.load_policies, second)


def resign(folder: Path) -> None:
    """Let the manifest say what is there now, as somebody does who writes checkpoints of his own."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        content = (folder / name).read_bytes()
        manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("part", ["policies", "checkpoints/iteration-000002"])
def test_a_checkpoint_with_other_values_is_refused_or_loaded(
    part: str, copy: Path, mutators: Mutators, is_refused: IsRefused
) -> None:
    folder = copy / part
    run = copy if part == "policies" else folder
    document = json.loads((folder / "state.json").read_text())
    refused = 0
    for mutator in mutators(150):
        (folder / "state.json").write_text(json.dumps(mutator.value(document)))
        resign(folder)
        refused += is_refused(ph.load_policies, run)
        is_refused(evaluate, run)
    assert refused > 20


def test_a_run_goes_on_from_other_values_or_refuses(
    copy: Path, mutators: Mutators, is_refused: IsRefused
) -> None:
    file = copy / "checkpoints" / "iteration-000002" / "state.json"
    document, record = json.loads(file.read_text()), (copy / "run.json").read_bytes()
    refused = 0
    for mutator in mutators(40):
        shutil.rmtree(copy / "checkpoints" / "iteration-000003", ignore_errors=True)
        (copy / "run.json").write_bytes(record)
        file.write_text(json.dumps(mutator.value(document)))
        resign(file.parent)
        refused += is_refused(ph.resume, copy, num_iterations=3, checkpoint=file.parent, trust=True)
    assert refused > 5


SPACES: list[dict[str, Any]] = [
    {"kind": "Discrete", "n": 10**30, "start": 0},
    {"kind": "Discrete", "n": -1, "start": 0},
    {"kind": "Discrete", "n": 2**62, "start": 2**62},
    {"kind": "MultiDiscrete", "nvec": [10**30], "start": [0], "dtype": "int64"},
    {"kind": "MultiDiscrete", "nvec": [2**62] * 9, "start": [0] * 9, "dtype": "int64"},
    {"kind": "MultiDiscrete", "nvec": "x", "start": None, "dtype": "V99999999999"},
    {"kind": "Box", "low": 0.0, "high": 1.0, "dtype": "float32"},
    {"kind": "Box", "low": [0.0], "high": [[1.0]], "dtype": "float32"},
    {"kind": "MultiBinary", "n": [10**9, 10**9], "is_flat": False},
    {"kind": "MultiBinary", "n": [10**30], "is_flat": True},
    {"kind": "Dict", "spaces": [[1, 2, 3]]},
    {"kind": "Tuple", "spaces": 3},
    {"kind": ["Tuple"]},
    {},
]


@pytest.mark.parametrize("key", ["observation_space", "action_space"])
def test_spaces_that_are_absurd_are_refused(
    key: str, copy: Path, mutators: Mutators, is_refused: IsRefused
) -> None:
    folder = copy / "policies"
    document = json.loads((folder / "state.json").read_text())
    nested: Any = {"kind": "Discrete", "n": 2, "start": 0}
    for _ in range(300):
        nested = {"kind": "Tuple", "spaces": [nested]}
    for space, _ in zip([*SPACES, nested], mutators(len(SPACES) + 1), strict=False):
        document["state"]["default"][key] = space
        (folder / "state.json").write_text(json.dumps(document))
        resign(folder)
        assert is_refused(ph.load_policies, copy), space
