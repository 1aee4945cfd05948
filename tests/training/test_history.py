"""`results.history`: a row per iteration, read from `metrics.jsonl`, or kept where there is none."""

import gc
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph


class Bandit(ph.Trainer):
    """Logs a number in each iteration, and one at once."""

    policy_class = ph.RandomPolicy

    def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
        env.reset()
        self.log_rewards(env.step({}).rewards)
        self.run.log({"number": float(self.run.iteration), "none": float("nan")})
        self.tbx_write_scalar("at once", 1.0, 3)


@pytest.fixture
def train(example: Callable[[str], Any], tmp_path: Path) -> Callable[..., ph.TrainingResults]:
    """Train for five iterations, with an evaluation at the end."""
    env = example("repeated_dilemma").RepeatedDilemmaEnv

    def call(num_iterations: int = 5, **settings: Any) -> ph.TrainingResults:
        given = {"env": env, "seed": 1, "evaluation": ph.EvaluationPlan(episodes=1), "run_dir": tmp_path}
        return ph.train(Bandit, num_iterations=num_iterations, **{**given, **settings})

    return call


def without_times(rows: Any) -> list[str]:
    return [repr({n: v for n, v in row.items() if not n.startswith("time/")}) for row in rows]


def test_it_is_the_same_with_and_without_a_file(train: Callable[..., ph.TrainingResults]) -> None:
    read, kept = train().history, train(run_dir=None).history
    assert without_times(read) == without_times(kept)
    assert len(read) == len(kept) == 5
    for index in (0, 3, 4, -1, -5):
        assert without_times([read[index]]) == without_times([kept[index]])
    for part in (slice(1, 3), slice(None, None, 2), slice(-2, None), slice(9, 10)):
        assert without_times(read[part]) == without_times(kept[part])
    assert "eval/mean_return" in read[-1]
    assert "eval/mean_return" not in read[-2]
    assert [row["number"] for row in read] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_what_was_written_at_once_is_of_no_iteration(train: Callable[..., ph.TrainingResults]) -> None:
    results = train()
    assert results.run_directory is not None
    rows = list(ph.tools.SavedRun.read(results.run_directory).logged_values())
    own = [row for row in rows if not row.is_of_iteration]
    assert [(row.iteration, row.env_steps, dict(row.values)) for row in own] == [(3, 3, {"at once": 1.0})] * 5
    assert all("at once" not in row for row in results.history)


def test_a_row_that_is_not_there_is_an_index_error(train: Callable[..., ph.TrainingResults]) -> None:
    with pytest.raises(IndexError, match=r"^history has 5 rows, and none is number 5$"):
        train().history[5]


def test_its_file_may_be_gone_or_damaged(train: Callable[..., ph.TrainingResults]) -> None:
    results = train()
    assert results.run_directory is not None
    file = results.run_directory / "metrics.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:2], b"{}\n", *lines[2:]]))
    with pytest.raises(ph.errors.RunDirectoryError, match=r"metrics\.jsonl is damaged in line 3: "):
        len(results.history)
    shutil.rmtree(results.run_directory)
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        results.history[0]
    assert str(caught.value) == (
        f"The history of the run was in {file}, which cannot be read: No such file or directory."
    )


def test_it_is_found_from_another_folder(
    train: Callable[..., ph.TrainingResults], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    history = train(run_dir="runs").history
    monkeypatch.chdir("/")
    assert len(history) == 5


def test_the_memory_of_a_run_does_not_grow(train: Callable[..., ph.TrainingResults]) -> None:
    class Census(ph.Hooks):
        """Counts all objects from time to time."""

        counts: dict[int, int]

        def on_train_start(self, event: ph.TrainStart) -> None:
            self.counts = {}

        def on_iteration_start(self, event: ph.IterationStart) -> None:
            if event.iteration in (50, 250):
                gc.collect()
                self.counts[event.iteration] = len(gc.get_objects())

    census = Census()
    train(260, hooks=[census])
    assert census.counts[250] - census.counts[50] < 100


def test_without_the_record_it_is_kept(train: Callable[..., ph.TrainingResults]) -> None:
    results = train(plugins={"disable": ["jsonl"]})
    assert results.run_directory is not None
    assert not (results.run_directory / "metrics.jsonl").exists()
    assert len(results.history) == 5


def test_another_logger_of_that_name_is_not_the_record(
    train: Callable[..., ph.TrainingResults], fake_distribution: Callable[..., Path]
) -> None:
    silent = "class Silent(ph.Hooks):\n    def on_metrics(self, event):\n        pass\n"
    module = f"import phantom_core as ph\n\n{silent}"
    fake_distribution("acme", {"phantom_core.loggers": {"jsonl": "acme_log:Silent"}}, {"acme_log": module})
    results = train(loggers=["acme:jsonl"], plugins={"disable": ["phantom-rl-core:jsonl"]})
    assert results.run_directory is not None
    assert not (results.run_directory / "metrics.jsonl").exists()
    assert len(results.history) == 5


def test_results_are_tables_in_a_notebook() -> None:
    evaluation = ph.evaluate(
        ph.GymnasiumEnv("FrozenLake-v1"),
        {"p": ph.ConstantPolicy(gym.spaces.Discrete(16), gym.spaces.Discrete(4), action=0)},
        {"agent": "p"},
        num_episodes=1,
        seed=1,
    )
    results = ph.TrainingResults(
        {},
        history=[{"iteration": 0, "env_steps": 1200, "a<b": 2 / 3}],
        iterations=1,
        env_steps=1200,
        status="stopped",
        stop_reasons=("It is enough.",),
        problems=("The disk is full.",),
        evaluation=evaluation,
    )
    assert results._repr_html_() == (
        "<table><tbody><tr><th>status</th><td>stopped</td></tr><tr><th>iterations</th><td>1</td></tr>"
        "<tr><th>env steps</th><td>1,200</td></tr><tr><th>run directory</th><td>none</td></tr>"
        "<tr><th>stopped because</th><td>It is enough.</td></tr>"
        "<tr><th>failures</th><td>The disk is full.</td></tr></tbody></table>"
        "<table><tbody><tr><th>a&lt;b</th><td>0.6667</td></tr></tbody></table>" + evaluation._repr_html_()
    )
