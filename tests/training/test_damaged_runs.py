"""Runs that are not as they were written: each a sentence that says where, and nothing is waited for."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.training.run_directory import RunDirectory
from phantom_core.training.run_file import RunFile

NO_FILE = "It is no regular file"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a checkpoint."""
    results = ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=2,
        checkpoint=ph.CheckpointPlan(every=2),
        seed=1,
        run_dir=tmp_path_factory.mktemp("runs"),
    )
    assert results.run_directory is not None
    return results.run_directory


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be damaged."""
    return shutil.copytree(finished, tmp_path / "run")


def refusal(function: Callable[..., object], *args: Any) -> str:
    with pytest.raises(ph.errors.PhantomError) as caught:
        function(*args)
    return str(caught.value)


def evaluate(path: Path) -> None:
    ph.tools.evaluate_run(path, num_episodes=1)


def logged(path: Path) -> list[Any]:
    return list(ph.tools.SavedRun.read(path).logged_values())


NEWER = (
    "it has format 9; this version of phantom_core reads formats up to 1. Run: pip install -U phantom-rl-core"
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "Expected `object`, got `array`"),
        ("null", "Expected `object`, got `null`"),
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"seed": "x"}', "Expected `int`, got `str` - at `$.seed`"),
        ('{"seed": -1}', "Expected `int` >= 0 - at `$.seed`"),
        ('{"format": -5}', "Expected `int` >= 1 - at `$.format`"),
        ('{"format": 9}', NEWER),
        ('{"trainer": 3}', "Expected `str`, got `int` - at `$.trainer`"),
        ('{"process": []}', "Expected `object`, got `array` - at `$.process`"),
        ('{"not_in_config": "x"}', "Expected `array`, got `str` - at `$.not_in_config`"),
        ('{"policies_to_train": [1]}', "Expected `str`, got `int` - at `$.policies_to_train[0]`"),
        ('{"policy_by_agent": [["A"]]}', "Expected `array` of length 2, got 1 - at `$.policy_by_agent[0]`"),
        ('{"policy_by_agent": [[{}, "p"]]}', "{} is no id of an agent - at `$.policy_by_agent`"),
        ('{"plugins": [{}]}', "Object missing required field `distribution` - at `$.plugins[0]`"),
    ],
    ids=range(15),
)
def test_a_record_that_is_none_is_refused_by_all_that_read_it(content: str, reason: str, run: Path) -> None:
    (run / "run.json").write_text(content)
    for function in (evaluate, ph.tools.SavedRun.read):
        assert refusal(function, run) == f"{run / 'run.json'} cannot be read: {reason}."


@pytest.mark.parametrize("key", ["seed", "policies_to_train"])
def test_a_record_that_lacks_what_an_evaluation_needs_is_named(key: str, run: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    del facts[key]
    (run / "run.json").write_text(json.dumps(facts))
    assert refusal(evaluate, run) == f"{run / 'run.json'} is damaged: it has no {key}."
    assert "trainer" in ph.tools.SavedRun.read(run).facts


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("seed = 1", "env is None. Expected the name of an env"),
        ("env = 3", "env is 3. Expected the name of an env"),
        ('env = "gymnasium"\nenv_config = 3', "env_config is 3. Expected a table"),
        ('env = "gymnasium"\nmetrics = "x"', "metrics is 'x'. Expected a table"),
    ],
)
def test_settings_that_lack_an_env_are_named(content: str, reason: str, run: Path) -> None:
    (run / "config.toml").write_text(content)
    assert refusal(evaluate, run) == f"{run / 'config.toml'} is damaged: {reason}."


def test_an_evaluation_that_is_no_table_is_named(run: Path) -> None:
    (run / "config.toml").write_text('env = "gymnasium"\nevaluate = 1')
    assert refusal(evaluate, run) == "config.toml: evaluate = 1 is wrong. Expected a table."


def test_a_checkpoint_that_does_not_say_who_uses_which_policy_is_named(run: Path) -> None:
    path = run / "checkpoints" / "iteration-000002"
    state = ph.tools.load_checkpoint(path)
    ph.tools.save_checkpoint(path, {key: state[key] for key in state if key != "policy_by_agent"})
    reason = "Object missing required field `policy_by_agent`"
    assert refusal(evaluate, path) == f"The checkpoint {path} cannot be read: {reason}."
    ph.tools.save_checkpoint(path, {key: state[key] for key in state if key != "policies"})
    reason = "its policies are None. Expected them by id"
    assert refusal(ph.load_policies, path) == f"{path} cannot be read: {reason}."


def test_the_newest_checkpoint_is_found_by_its_number(run: Path) -> None:
    shutil.rmtree(run / "policies")
    for name in (
        "iteration-999999",
        "iteration-1000000",
        "iteration-x",
        "iteration-",
        f"iteration-{'9' * 50}",
    ):
        (run / "checkpoints" / name).mkdir()
    hint = " for phantom evaluate and ph.load_policies, is "
    assert refusal(ph.load_policies, run).endswith(f"{hint}{run / 'checkpoints' / 'iteration-1000000'}")
    there = "There are: iteration-000002, iteration-999999, iteration-1000000."
    assert refusal(evaluate, run / "checkpoints" / "iteration-000009").endswith(there)
    assert RunDirectory(run / "policies").numbered_checkpoints() == []


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


ODD_FILES = pytest.mark.parametrize("put", [pipe, endless, Path.mkdir])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.timeout(10)
@ODD_FILES
@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "config.toml",
        "metrics.jsonl",
        "policies/state.json",
        "policies/arrays.npz",
        "policies/manifest.json",
    ],
)
def test_what_is_no_file_is_neither_waited_for_nor_read_without_end(
    name: str, put: Callable[[Path], None], run: Path
) -> None:
    file = run / name
    file.unlink()
    put(file)
    reason = "Is a directory" if put is Path.mkdir else NO_FILE
    expected = f"The checkpoint {file.parent} is damaged: {file.name} is no file. Use another one."
    if name == "run.json":
        expected = f"{run} is no run directory: it has no run.json. Name a folder such as "
        expected += "runs/<name>-<time>-<id>."
    if name == "config.toml":
        expected = f"The run file {file} cannot be read: {reason}. Name a TOML file."
    if name == "metrics.jsonl":
        expected = f"{file} cannot be read: {reason}."
    assert refusal(logged if name == "metrics.jsonl" else evaluate, run) == expected


@pytest.mark.timeout(10)
@ODD_FILES
def test_settings_that_are_no_file_are_empty(put: Callable[[Path], None], run: Path) -> None:
    (run / "config.toml").unlink()
    put(run / "config.toml")
    assert ph.tools.SavedRun.read(run).settings == {}


@pytest.mark.parametrize("name", ["run.json", "config.toml", "metrics.jsonl"])
def test_a_file_that_is_large_beyond_reason_is_not_read(name: str, run: Path) -> None:
    with (run / name).open("r+b") as file:
        file.truncate(0)
        file.truncate(1 << 40)  # it takes no room
    said = refusal(logged if name == "metrics.jsonl" else evaluate, run)
    assert f"{run / name} cannot be read: It has more than 67,108,864 bytes" in said


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[]", "Expected `object`, got `array`"),
        ('{"iteration":0,"env_steps":0}', "Object missing required field `values`"),
        ('{"iteration":"x","env_steps":0,"values":{}}', "Expected `int`, got `str` - at `$.iteration`"),
        (
            '{"iteration":0,"env_steps":0,"values":{"a":[]}}',
            "Expected `float | str`, got `array` - at `$.values[...]`",
        ),
        ('{"iteration":0,"env_steps":0,"values":{"a":"x"}}', "Invalid enum value 'x' - at `$.values[...]`"),
        ('{"iteration":0,"env_st', "JSON is malformed: invalid character (byte 22)"),
        ("[" * 100_000, "Expected `object`, got `array`"),
        (
            f'{{"iteration":0,"env_steps":0,"values":{{"a":{"9" * 400}}}}}',
            "Number out of range - at `$.values[...]`",
        ),
    ],
    ids=range(8),
)
def test_a_damaged_line_of_logged_values_is_named(line: str, reason: str, run: Path) -> None:
    file = run / "metrics.jsonl"
    first, second = file.read_text().splitlines()
    file.write_text(f"{first}\n{line}\n{second}\n")
    assert refusal(logged, run) == f"{file} is damaged in line 2: {reason}."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a=" + "[" * 100_000, "maximum recursion depth exceeded"),
        ("a=" + "1" * 10_000, "Exceeds the limit (4300 digits) for integer string conversion"),
    ],
    ids=["nested", "long"],
)
def test_a_run_file_beyond_reason_is_one_sentence(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(content)
    said = refusal(RunFile.read, tmp_path / "a.toml")
    assert said.startswith(f"The run file {tmp_path / 'a.toml'} cannot be read: {reason}")
    assert said.endswith(". Name a TOML file.")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("state", 3, "TypeError: 'int' object is not iterable"),
        (
            "action_space",
            {"kind": "Discrete", "n": 10**30, "start": 0},
            "OverflowError: Python int too large to convert to C long",
        ),
    ],
)
def test_a_policy_that_is_none_is_named(key: str, value: object, reason: str, run: Path) -> None:
    saved = ph.tools.load_checkpoint(run / "policies")
    saved["default"][key] = value
    ph.tools.save_checkpoint(run / "policies", saved)
    assert refusal(ph.load_policies, run) == f"Policy 'default' of {run} cannot be read: {reason}."
