"""`phantom record`: the episodes of a run's policies, on file."""

import shlex
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_recording import read_recording, replay

RUN_FILE = """
env = "./guess_world.py:GuessEnv"
trainer = "q-learning"
iterations = 2
seed = 1

[checkpoint]
every = 1

[evaluate]
episodes = 4
"""


@pytest.fixture
def run(phantom: Callable[..., Any], guess_folder: Path) -> Path:
    """A finished run of the guessing game, with an evaluation and two checkpoints; relative to its folder."""
    (guess_folder / "guess.toml").write_text(RUN_FILE)
    return Path(phantom("train", "guess.toml").out.splitlines()[0].removeprefix("run directory: "))


def seeds(file: Path) -> list[int | None]:
    return [episode.seed for episode in read_recording(file)]


def returns(file: Path) -> list[float]:
    return [sum(step.rewards.get("G1", 0.0) for step in episode.steps) for episode in read_recording(file)]


def test_the_evaluation_of_a_run_is_recorded_in_its_directory(run: Path, phantom: Callable[..., Any]) -> None:
    outcome = phantom("record", run)
    file = run / "episodes.jsonl"
    assert (outcome.code, outcome.out, outcome.err) == (
        0,
        f"4 episodes in {file}. Show them: phantom show {file}\n",
        "",
    )
    episodes = list(read_recording(file))
    assert [(episode.num_steps, episode.is_finished) for episode in episodes] == [(5, True)] * 4
    found = returns(file)
    mean = f"{sum(found) / 4:.1f} ± {statistics.stdev(found) / 2:.1f}"
    assert phantom("evaluate", run).out.splitlines()[0] == (
        f"G1: mean {mean}, from {min(found):.1f} to {max(found):.1f}, 4 episodes"
    )


def test_what_is_said_at_the_end_shows_the_recording(
    run: Path, phantom: Callable[..., Any], tmp_path: Path
) -> None:
    said = phantom("record", run, "-o", tmp_path / "my episodes.jsonl").out
    outcome = phantom(*shlex.split(said.partition(": phantom ")[2]))
    assert (outcome.code, outcome.out.count("──── finished after 5 steps")) == (0, 4)


def test_a_recorded_episode_of_a_run_is_replayed(run: Path, phantom: Callable[..., Any]) -> None:
    phantom("record", run)
    world = replay(run / "episodes.jsonl", episode=2, step=3)
    assert (world.current_step, world.episode_seed) == (3, seeds(run / "episodes.jsonl")[2])


def test_episodes_seed_and_file_can_be_chosen(run: Path, phantom: Callable[..., Any], tmp_path: Path) -> None:
    one, other, third = (tmp_path / name for name in ("one", "other", "third"))
    outcome = phantom("record", run, "--episodes", "1", "--seed", "3", "--output", one)
    assert outcome.out == f"1 episode in {one}. Show it: phantom show {one}\n"
    phantom("record", run, "--episodes", "2", "--seed", "3", "-o", other)
    phantom("record", run, "--episodes", "2", "--seed", "4", "-o", third)
    assert seeds(one) == seeds(other)[:1]
    assert set(seeds(other)).isdisjoint(seeds(third))


def test_a_checkpoint_is_recorded_beside_its_run(
    run: Path, phantom: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = phantom("record", run / "checkpoints" / "iteration-000001", "--episodes", "1")
    file = run / "episodes-iteration-000001.jsonl"
    assert outcome.out == f"1 episode in {file}. Show it: phantom show {file}\n"
    folder = run.absolute()
    monkeypatch.chdir(folder / "checkpoints")
    phantom("record", "iteration-000002/", "--episodes", "1")
    assert len(seeds(folder / "episodes-iteration-000002.jsonl")) == 1
    assert sorted(path.name for path in (folder / "checkpoints").rglob("*.jsonl")) == []


def test_a_recording_that_exists_is_replaced_only_if_told_so(run: Path, phantom: Callable[..., Any]) -> None:
    phantom("record", run)
    file = run / "episodes.jsonl"
    before = file.read_bytes()
    outcome = phantom("record", run, "--seed", "9")
    assert (outcome.code, outcome.out, outcome.err) == (
        2,
        "",
        (
            f"Error: The recording {file} exists already. Record to another file, delete this one, or "
            "replace it: Recorder(…, overwrite=True), or phantom record --overwrite.\n"
        ),
    )
    assert file.read_bytes() == before
    assert phantom("record", run, "--seed", "9", "--overwrite").code == 0
    assert file.read_bytes() != before


@pytest.mark.parametrize("earlier", [None, "of another day\n"], ids=["no file", "an earlier recording"])
def test_what_is_refused_leaves_the_file_as_it_was(
    earlier: str | None, phantom: Callable[..., Any], guess_folder: Path
) -> None:
    (guess_folder / "endless.py").write_text(
        "from guess_world import *\n\n\nclass Endless(GuessEnv):\n    def __init__(self):\n"
        "        super().__init__()\n        self.num_steps = None\n"
    )
    text = RUN_FILE.partition("[checkpoint]")[0].replace("guess_world.py:GuessEnv", "endless.py:Endless")
    settings = "[trainer.q-learning]\nsteps_per_iteration = 5\n"
    (guess_folder / "endless.toml").write_text(text.replace('trainer = "q-learning"\n', "") + settings)
    run = Path(phantom("train", "endless.toml").out.splitlines()[0].removeprefix("run directory: "))
    file = run / "episodes.jsonl"
    if earlier is not None:
        file.write_text(earlier)
    outcome = phantom("record", run, "--overwrite")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("Error: The evaluation plays whole episodes, but an episode of Endless ")
    assert (file.read_text() if file.exists() else None) == earlier


def test_only_a_phantom_env_is_recorded(phantom: Callable[..., Any], tmp_path: Path) -> None:
    results = ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=1,
        run_dir=tmp_path / "runs",
    )
    outcome = phantom("record", str(results.run_directory))
    assert (outcome.code, outcome.out, outcome.err) == (
        2,
        "",
        (
            f"Error: The env of {results.run_directory} is a GymnasiumEnv, which cannot be recorded, only a "
            f"PhantomEnv. To play it without a recording: phantom evaluate {results.run_directory}\n"
        ),
    )
    assert list(tmp_path.rglob("episodes.jsonl")) == []


def test_a_run_that_is_none_is_one_message(phantom: Callable[..., Any]) -> None:
    outcome = phantom("record", "runs/no")
    assert (outcome.code, outcome.out, outcome.err) == (
        2,
        "",
        (
            "Error: runs/no is no run directory: it has no run.json. Name a folder such as "
            "runs/<name>-<time>-<id>.\n"
        ),
    )
