"""What hooks do in a run: ask for evaluations and checkpoints, add values, offer components."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph


class WalkAgent(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.reward = float(action)

    def reset(self) -> None:
        self.reward = 0.0

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.reward


class WalkEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=3, network=ph.Network([WalkAgent("A")]))


def train(trainer: Any = "q-learning", **options: Any) -> ph.TrainingResults:
    given: dict[str, Any] = {"num_iterations": 4, "run_dir": None, "seed": 1, **options}
    return ph.train(trainer, env=WalkEnv, **given)


class Asking(ph.Hooks):
    """Asks for an evaluation and a checkpoint in some iterations."""

    def __init__(self, *iterations: int) -> None:
        super().__init__()
        self.iterations = iterations
        self.checkpoints: list[str] = []

    def should_evaluate(self, event: ph.IterationEnd) -> bool:
        assert "rewards/A" in event.values
        return event.iteration in self.iterations

    def should_checkpoint(self, event: ph.IterationEnd) -> bool:
        return event.iteration in self.iterations

    def on_checkpoint(self, event: ph.CheckpointSaved) -> None:
        self.checkpoints.append(event.path.name)


def evaluated(results: ph.TrainingResults) -> list[int]:
    return [int(row["iteration"]) for row in results.history if "eval/mean_return" in row]


def test_a_hook_asks_for_evaluations_beside_those_of_the_plan() -> None:
    plan = ph.EvaluationPlan(episodes=1)
    assert evaluated(train(hooks=[Asking(1)], evaluation=plan)) == [1, 3]
    every = ph.EvaluationPlan(episodes=1, every=2)
    assert evaluated(train(hooks=[Asking(0)], evaluation=every)) == [0, 1, 3]


def test_nobody_is_asked_for_evaluations_without_a_plan() -> None:
    class Never(ph.Hooks):
        def should_evaluate(self, event: ph.IterationEnd) -> bool:
            raise AssertionError

    assert train(hooks=[Never()]).hook_failures == ()


def test_a_hook_asks_for_checkpoints_with_and_without_a_plan(tmp_path: Path) -> None:
    asking = Asking(1)
    train(hooks=[asking], run_dir=tmp_path)
    assert asking.checkpoints == ["iteration-000002", "policies"]
    asking = Asking(0)
    train(hooks=[asking], run_dir=tmp_path, checkpoint=ph.CheckpointPlan(every=3))
    assert asking.checkpoints == ["iteration-000001", "iteration-000003", "policies"]


def test_nobody_is_asked_for_checkpoints_without_a_run_directory() -> None:
    class Never(ph.Hooks):
        def should_checkpoint(self, event: ph.IterationEnd) -> bool:
            raise AssertionError

    assert train(hooks=[Never()]).hook_failures == ()


class Counting(ph.Hooks):
    """Logs values of its own, and keeps a number from one process to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.seen: list[float] = []

    def extra_values(self, event: ph.IterationEnd) -> Mapping[str, float]:
        self.count += 1
        return {"count": self.count, "double": 2 * event.values["rewards/A"]}

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        self.seen.append(event.values["Counting/count"])

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}


def test_extra_values_are_logged_under_the_name_of_the_plugin() -> None:
    counting = Counting()
    results = train(hooks=[counting])
    assert counting.seen == [1, 2, 3, 4]
    for row in results.history:
        assert row["Counting/double"] == 2 * row["rewards/A"]


def test_the_state_of_hooks_is_saved_with_each_checkpoint(tmp_path: Path) -> None:
    results = train(hooks=[Counting(), Asking(1)], run_dir=tmp_path)
    assert results.run_directory is not None
    state = json.loads(
        (results.run_directory / "checkpoints" / "iteration-000002" / "state.json").read_text()
    )
    lines = (results.run_directory / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    assert state["state"]["hooks"] == {
        "Counting": {"count": 2},
        "jsonl": {"size": sum(map(len, lines[:2]))},
    }


class Lazy(ph.Trainer):
    policy_class = ph.RandomPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def update(self, policy_id: str, policy: Any, batch: ph.Batch, rng: Any) -> dict[str, float]:
        return {}


class Offering(ph.Hooks):
    def phantom_register_trainers(self) -> list[ph.Registration]:
        return [ph.Registration("trainer", "lazy", Lazy, "Learns nothing.")]


def test_a_run_finds_the_trainer_that_its_hooks_offer() -> None:
    assert train("lazy", hooks=[Offering()]).iterations == 4
    with pytest.raises(ph.errors.UnknownNameError):
        train("lazy")


PLUG = """
import phantom_core as ph
class Lazy(ph.Trainer):
    policy_class = ph.RandomPolicy
    def collect_plan(self):
        return ph.CollectPlan(episodes=1)
    def update(self, policy_id, policy, batch, rng):
        return {}
class Half(ph.metrics.Metric):
    def extract(self, env):
        return 0.5
class Plug(ph.Hooks):
    def phantom_register_trainers(self):
        return [ph.Registration("trainer", "lazy", Lazy)]
    def phantom_register_metrics(self):
        return [ph.Registration("metric", "half", Half)]
"""


def test_a_run_file_finds_what_its_hooks_offer(guess_folder: Path, phantom: Callable[..., Any]) -> None:
    (guess_folder / "plug.py").write_text(PLUG)
    (guess_folder / "run.toml").write_text(
        'env = "./guess_world.py:GuessEnv"\ntrainer = "lazy"\niterations = 1\nhooks = ["./plug.py:Plug"]\n'
        '[metrics.half]\nmetric = "half"\n'
    )
    outcome = phantom("train", "run.toml")
    assert (outcome.code, outcome.err.splitlines()[1:]) == (0, [])  # it warns that nothing is saved
    (metrics,) = guess_folder.glob("runs/*/metrics.jsonl")
    assert json.loads(metrics.read_text())["values"]["half"] == 0.5


class Collecting(ph.Trainer):
    """A simple trainer that lets the core play."""

    policy_class = ph.RandomPolicy
    collector: ph.Collector | None = None

    def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
        if self.collector is None:
            self.collector = self.make_collector([env], policies, policy_mapping, learning=policies_to_train)
        batches = self.collector.collect(ph.CollectPlan(steps=4))
        assert len(batches["default"]) == 4


class Episodes(ph.Hooks):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int, int]] = []

    def on_episode_end(self, event: ph.EpisodeEnd) -> None:
        self.seen.append((event.iteration, event.episode, event.length))


def test_episodes_of_a_simple_trainer_with_a_collector_are_told_and_logged() -> None:
    episodes = Episodes()
    metrics = {"time": ph.metrics.SimpleEnvMetric("current_step")}
    results = train(Collecting, hooks=[episodes], metrics=metrics)
    assert episodes.seen == [(0, 0, 3), (1, 1, 3), (2, 2, 3), (2, 3, 3), (3, 4, 3)]
    assert [row["env_steps"] for row in results.history] == [4, 8, 12, 16]
    assert all(0 <= row["rewards/A"] <= 1 and row["episode_length"] == 3 for row in results.history)
    assert all(row["time"] == 2 for row in results.history)  # the mean over an episode


def test_a_simple_trainer_is_told_of_each_episode_of_its_collector_and_its_envs_are_closed() -> None:
    lengths: list[int] = []
    closed: list[object] = []

    class Told(Collecting):
        def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
            env.close = lambda: closed.append(env)
            collector = self.make_collector(
                [env], policies, policy_mapping, on_episode=lambda episode: lengths.append(episode.length)
            )
            collector.collect(ph.CollectPlan(episodes=2))
            assert closed == []

    episodes = Episodes()
    train(Told, hooks=[episodes], num_iterations=1)
    assert (lengths, len(episodes.seen), len(closed)) == ([3, 3], 2, 1)


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        (
            "import os\nos._exit(3)\n",
            3,
            (
                "Error: os._exit(3) was called while plugin 'acme:bad' was imported, which ends the process. "
                "Disable it or uninstall it."
            ),
        ),
        ("import os\nos.abort()\n", -6, 'acme_bad.py", line 2 in <module>'),
        ("import ctypes\nctypes.string_at(0)\n", -11, 'acme_bad.py", line 2 in <module>'),
    ],
    ids=["os._exit", "abort", "segmentation fault"],
)
def test_a_plugin_that_ends_the_process_is_named(
    source: str, code: int, said: str, fake_distribution: Callable[..., Path]
) -> None:
    site = fake_distribution("acme", {"phantom_core.plugins": {"bad": "acme_bad:Bad"}}, {"acme_bad": source})
    train_something = (
        "import phantom_core as ph\n"
        "ph.train('q-learning', env='gymnasium', env_config={'env': 'FrozenLake-v1'}, num_iterations=1, "
        "run_dir=None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", train_something],
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stderr
