"""The API of the predecessor's page `Trainer`, used as its programs did, with the core's own `ph.Trainer`."""

import copy
import gc
import importlib
import os
import pickle
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph

ENV_CONFIG = {"num_steps": 2}


class Player(ph.StrategicAgent):
    """Is paid its action."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(9)
    action = 0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.action = action

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.action)


class GameEnv(ph.PhantomEnv):
    def __init__(self, num_steps: int = 3) -> None:
        super().__init__(num_steps, ph.Network([Player("A"), Player("B"), ph.Agent("PLAIN")]))


class MyPolicy(ph.Policy):
    """Takes the action `action`."""

    action = 1

    def compute_action(self, observation: Any) -> int:
        return self.action

    def state_dict(self) -> dict[str, Any]:
        return {"action": self.action}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.action = state["action"]


class MyTrainer(ph.Trainer):
    """Plays one episode per iteration; then the trained policies choose one more."""

    policy_class = MyPolicy

    def __init__(self, tensorboard_log_dir: Any = None) -> None:
        super().__init__(tensorboard_log_dir)
        self.made = 0

    def training_step(
        self,
        env: Any,
        policy_mapping: Mapping[ph.AgentID, str],
        policies: Mapping[str, ph.Policy],
        policies_to_train: Sequence[str],
    ) -> None:
        observations, _ = env.reset()
        while observations:
            actions = {a: policies[policy_mapping[a]].compute_action(o) for a, o in observations.items()}
            result = env.step(actions)
            self.log_metrics(env)
            self.log_rewards(result.rewards)
            observations = {} if result.truncations["__all__"] else result.observations
        self.made += 1
        for policy_id in policies_to_train:
            policies[policy_id].action += 1  # type: ignore[attr-defined]  # it is a MyPolicy


class Spy(ph.Hooks):
    """Notes (iteration, env steps, values) of everything that is logged, without times."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int, dict[str, float]]] = []

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        values = {name: value for name, value in event.values.items() if not name.startswith("time/")}
        self.seen.append((event.iteration, event.env_steps, values))


POLICIES = {"a": ["A"], "b": ["B"]}
METRICS = {"action": ph.metrics.SimpleAgentMetric("A", "action")}


def message_of(call: Callable[[], object], error: type[ph.PhantomError] = ph.errors.ConfigError) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def run(trainer: Any, **options: Any) -> ph.TrainingResults:
    options = {"num_iterations": 2, "env_config": ENV_CONFIG, "run_dir": None, "seed": 1} | options
    return ph.train(trainer, env=GameEnv, policies=POLICIES, policies_to_train=["a"], **options)


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("events.out.*"))


def events_of(file: Path) -> list[Any]:
    """Read an event file; each record is a length (8 bytes), its checksum, an event, and its checksum."""
    event_class = importlib.import_module("tensorboardX.proto.event_pb2").Event
    data, events = file.read_bytes(), []
    while data:
        length = int.from_bytes(data[:8], "little")
        events.append(event_class.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    return events


def scalars_in(folder: Path) -> list[tuple[str, int, float]]:
    """Return (name, step, value) of every scalar, without times."""
    return [
        (value.tag, event.step, value.simple_value)
        for file in files_in(folder)
        for event in events_of(file)
        for value in event.summary.value
        if not value.HasField("metadata") and not value.tag.startswith("time/")
    ]


def is_closed(file: Path) -> bool:
    return any(v.tag == "_hparams_/session_end_info" for e in events_of(file) for v in e.summary.value)


def drops_of(folder: Path) -> list[int]:
    """Return the steps from which on TensorBoard drops what earlier files of the folder have."""
    return [
        event.step for file in files_in(folder) for event in events_of(file) if event.HasField("session_log")
    ]


@pytest.fixture
def board(tmp_path: Path) -> Path:
    pytest.importorskip("phantom_tensorboard")
    return tmp_path / "board"


# ---------------------------------------------------------------- the class, its results, and train


def test_the_log_dir_is_the_first_argument(board: Path) -> None:
    trainer = MyTrainer("log_dir")
    assert trainer.tensorboard_log_dir == "log_dir"
    assert (trainer.metrics, dict(trainer.logged_metrics), dict(trainer.logged_rewards)) == ({}, {}, {})
    assert MyTrainer().tensorboard_log_dir is None
    assert not board.exists()


def test_results_are_made_of_the_policies() -> None:
    policies: dict[str, ph.Policy] = {}
    assert ph.TrainingResults(policies).policies is policies


def test_train_takes_its_arguments_by_position() -> None:
    results = MyTrainer().train(GameEnv, 3, POLICIES, ["a"], ENV_CONFIG, METRICS)
    assert isinstance(results, ph.TrainingResults)
    assert {i: policy.state_dict() for i, policy in results.policies.items()} == {
        "a": {"action": 4},
        "b": {"action": 1},
    }
    rows = [(row["env_steps"], row["action"], row["rewards/A"], row["rewards/B"]) for row in results.history]
    assert rows == [(2, 1.0, 1.0, 1.0), (4, 2.0, 2.0, 1.0), (6, 3.0, 3.0, 1.0)]


def test_train_takes_its_arguments_by_name() -> None:
    results = MyTrainer().train(
        env_class=GameEnv,
        num_iterations=2,
        policies=POLICIES,
        policies_to_train=["b"],
        env_config=ENV_CONFIG,
        metrics=METRICS,
    )
    assert [results.policies[i].state_dict()["action"] for i in "ab"] == [1, 3]
    assert results.history[1]["action"] == 1.0


def test_train_writes_each_iteration_under_its_number(board: Path) -> None:
    MyTrainer(str(board)).train(GameEnv, 2, POLICIES, ["a"], ENV_CONFIG, METRICS)
    assert scalars_in(board) == [
        ("action", 0, 1.0),
        ("rewards/A", 0, 1.0),
        ("rewards/B", 0, 1.0),
        ("rewards/group", 0, 1.0),
        ("action", 1, 2.0),
        ("rewards/A", 1, 2.0),
        ("rewards/B", 1, 1.0),
        ("rewards/group", 1, 1.5),
    ]
    (file,) = files_in(board)
    assert is_closed(file)


def test_a_training_without_policies_to_train_is_refused() -> None:
    assert message_of(lambda: MyTrainer().train(GameEnv, 1, POLICIES, [])) == (
        "policies_to_train is empty: there is nothing to train. Name at least one of the policies: 'a', 'b'."
    )


def test_train_begins_without_what_was_logged_before_it() -> None:
    trainer = MyTrainer()
    trainer.log_rewards({"A": 100.0, "X": 100.0})
    trainer.logged_metrics["action"].append(100.0)
    (row,) = trainer.train(GameEnv, 1, POLICIES, ["a"], ENV_CONFIG, METRICS).history
    assert (row["action"], row["rewards/A"], "rewards/X" in row) == (1.0, 1.0, False)


def test_a_second_direct_train_goes_on_with_the_instance_and_ph_train_copies_it() -> None:
    trainer = MyTrainer()
    for made in (2, 4):
        results = trainer.train(GameEnv, 2, POLICIES, ["a"])
        assert [row["iteration"] for row in results.history] == [0, 1]
        assert results.policies["a"].state_dict() == {"action": 3}
        assert trainer.made == made
    run(trainer)
    assert trainer.made == 4


# ---------------------------------------------------------------- logging outside of a run


def test_metrics_are_logged_outside_of_a_run() -> None:
    trainer, envs = MyTrainer(), [GameEnv(), GameEnv()]
    trainer.metrics = METRICS
    for action, env in enumerate(envs):
        env.reset()
        env.step({"A": 2 * action, "B": 0})
    trainer.log_metrics(envs[1])
    trainer.log_vec_metrics(envs)
    assert trainer.logged_metrics == {"action": [2, 1.0]}


def test_rewards_are_logged_outside_of_a_run() -> None:
    trainer = MyTrainer()
    trainer.log_rewards({"A": 1.0, "B": 2.0})
    trainer.log_vec_rewards([{"A": 3.0}, {"A": 5.0, "B": 4.0}])
    assert trainer.logged_rewards == {"A": [1.0, 3.0, 5.0], "B": [2.0, 4.0]}


def test_writing_without_a_log_dir_reduces_and_clears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reduced: list[Any] = []

    class Noting(ph.metrics.Metric):
        def extract(self, env: Any) -> int:
            return env["A"].action

        def reduce(self, values: Sequence[Any], mode: Any) -> float:
            reduced.append((list(values), mode))
            return 0.0

    trainer, env = MyTrainer(), GameEnv()
    trainer.metrics = {"action": Noting()}
    env.reset()
    env.step({"A": 2, "B": 0})
    trainer.log_metrics(env)
    trainer.log_rewards({"A": 1.0})
    trainer.tbx_write_values(0)
    trainer.tbx_write_scalar("x", 1.0, 0)
    assert reduced == [([2], "train")]
    assert not trainer.logged_metrics
    assert not trainer.logged_rewards
    assert not list(tmp_path.iterdir())


def test_policies_are_set_up_outside_of_a_run() -> None:
    mapping, policies = MyTrainer().setup_policy_specs_and_mapping(
        GameEnv(), {"a": ["A"], "b": (ph.ConstantPolicy, ["B"], {"action": 7})}
    )
    assert mapping == {"A": "a", "B": "b"}
    assert isinstance(policies["a"], MyPolicy)
    assert policies["a"].action_space == Player.action_space
    assert policies["b"].compute_action(0) == 7


# ---------------------------------------------------------------- event files outside of a run


def test_a_scalar_is_written_at_once_at_its_own_step(board: Path) -> None:
    trainer, steps = MyTrainer(board), [0, 1, 2, 3, 4, 2, 0, -1, 10**6]
    for number, step in enumerate(steps):
        trainer.tbx_write_scalar("loss", float(step), step)
        assert len(scalars_in(board)) == number + 1
    assert scalars_in(board) == [("loss", step, float(step)) for step in steps]


def test_values_are_written_at_the_step_that_they_are_given(board: Path) -> None:
    trainer = MyTrainer(board)
    trainer.metrics = METRICS
    trainer.tbx_write_scalar("loss", 0.5, 100)
    for step in (3, 1):
        trainer.logged_metrics["action"] += [step, step + 1]
        trainer.log_vec_rewards([{"A": step}, {"A": step + 2, "B": 0.0}])
        trainer.tbx_write_values(step)
        assert not trainer.logged_metrics
        assert not trainer.logged_rewards
    assert scalars_in(board) == [
        ("loss", 100, 0.5),
        ("action", 3, 3.5),
        ("rewards/A", 3, 4.0),
        ("rewards/B", 3, 0.0),
        ("rewards/group", 3, pytest.approx(8 / 3)),
        ("action", 1, 1.5),
        ("rewards/A", 1, 2.0),
        ("rewards/B", 1, 0.0),
        ("rewards/group", 1, pytest.approx(4 / 3)),
    ]


def test_nothing_logged_writes_nothing(board: Path) -> None:
    trainer = MyTrainer(board)
    assert trainer.logged_rewards["A"] == []  # reading makes an empty list
    trainer.tbx_write_values(0)
    assert scalars_in(board) == []


def test_the_garbage_collector_closes_the_file(board: Path) -> None:
    trainer = MyTrainer(board)
    trainer.tbx_write_scalar("loss", 0.5, 1)
    (file,) = files_in(board)
    assert not is_closed(file)
    gone = weakref.ref(trainer)
    del trainer
    gc.collect()
    assert gone() is None
    assert is_closed(file)
    assert scalars_in(board) == [("loss", 1, 0.5)]


def test_the_end_of_the_program_closes_the_file(board: Path) -> None:
    program = (
        "import sys, phantom_core as ph\n"
        "MyTrainer = type('MyTrainer', (ph.Trainer,), {'policy_class': ph.RandomPolicy})\n"
        "trainer = MyTrainer(sys.argv[1])\n"
        "trainer.tbx_write_scalar('loss', 0.5, 1)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(board)], check=True)
    (file,) = files_in(board)
    assert is_closed(file)
    assert scalars_in(board) == [("loss", 1, 0.5)]


def test_a_run_closes_the_file_and_writes_one_of_its_own(board: Path) -> None:
    trainer = MyTrainer(board)
    trainer.tbx_write_scalar("loss", 0.5, 7)
    (first,) = files_in(board)
    trainer.train(GameEnv, 1, POLICIES, ["a"])
    assert is_closed(first)
    trainer.tbx_write_scalar("loss", 0.25, 8)
    files = files_in(board)
    assert [is_closed(file) for file in files] == [True, True, False]
    assert [row for row in scalars_in(board) if row[0] == "loss"] == [("loss", 7, 0.5), ("loss", 8, 0.25)]


def test_tensorboard_goes_on_showing_what_a_trainer_wrote_before(board: Path) -> None:
    trainer = MyTrainer(board)
    trainer.tbx_write_scalar("loss", 0.5, 7)
    run(trainer)
    trainer.train(GameEnv, 1, POLICIES, ["a"])
    trainer.tbx_write_scalar("loss", 0.5, 0)
    assert len(files_in(board)) == 4
    assert drops_of(board) == []
    run(MyTrainer(board))  # another one, such as the next start of the program
    assert drops_of(board) == [0]


@pytest.fixture
def ctrl_c_raises() -> Iterator[None]:
    """Let Ctrl-C raise as in a terminal; a process that was started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_raises")
def test_ctrl_c_outside_of_a_run_is_the_programs(board: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    trainer = MyTrainer(board)
    trainer.tbx_write_scalar("loss", 0.5, 0)
    trainer.log_rewards({"A": 1.0})
    trainer.tbx_write_values(0)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    trainer.tbx_write_scalar("loss", 0.25, 1)
    assert ("loss", 1, 0.25) in scalars_in(board)


def test_installed_plugins_follow_runs_only(
    board: Path, tmp_path: Path, fake_distribution: Callable[..., Path]
) -> None:
    notes = tmp_path / "notes"
    source = (
        "import pathlib, phantom_core as ph\n"
        "class Noting(ph.Hooks):\n"
        "    def on_train_start(self, event):\n"
        f"        with open({str(notes)!r}, 'a') as file:\n"
        "            file.write('run\\n')\n"
        "noting = Noting()\n"
    )
    fake_distribution(
        "noting", {"phantom_core.plugins": {"noting": "noting_plugin:noting"}}, {"noting_plugin": source}
    )
    trainer = MyTrainer(board)
    trainer.tbx_write_scalar("loss", 0.5, 0)
    assert not notes.exists()
    trainer.train(GameEnv, 1, POLICIES, ["a"])
    assert notes.read_text() == "run\n"


def pickled(trainer: MyTrainer) -> Any:
    return pickle.loads(pickle.dumps(trainer))  # noqa: S301  it was made here


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_copy_opens_a_file_of_its_own(board: Path, copied: Any) -> None:
    trainer = MyTrainer(board)
    trainer.tbx_write_scalar("loss", 0.5, 0)
    twin = copied(trainer)
    twin.tbx_write_scalar("loss", 0.25, 1)
    trainer.tbx_write_scalar("loss", 0.125, 2)
    assert [len(events_of(file)) for file in files_in(board)] == [4, 3]  # each begins with two others
    del trainer
    gc.collect()
    assert [is_closed(file) for file in files_in(board)] == [True, False]
    twin.tbx_write_scalar("loss", 0.0, 3)
    assert sorted(scalars_in(board), key=lambda row: row[1]) == [
        ("loss", 0, 0.5),
        ("loss", 1, 0.25),
        ("loss", 2, 0.125),
        ("loss", 3, 0.0),
    ]


# ---------------------------------------------------------------- writing in a run


class Writing(MyTrainer):
    """Writes 0 to 4 at the steps 0 to 4, within one iteration."""

    def training_step(self, *args: Any) -> None:
        super().training_step(*args)
        for step in range(5):
            self.tbx_write_scalar("loss", float(step), step)


def test_a_scalar_fires_on_metrics_at_once_with_its_step() -> None:
    spy = Spy()
    run(Writing, num_iterations=1, hooks=[spy])
    rewards = {"rewards/A": 1.0, "rewards/B": 1.0, "rewards/group": 1.0}
    assert spy.seen == [*((step, step, {"loss": float(step)}) for step in range(5)), (0, 2, rewards)]


@pytest.mark.parametrize("start", [lambda trainer: trainer.train(GameEnv, 2, POLICIES, ["a"]), run])
def test_scalars_of_steps_ahead_do_not_move_those_of_the_iterations(board: Path, start: Any) -> None:
    start(Writing(board))
    found = scalars_in(board)
    assert [row for row in found if row[0] == "loss"] == 2 * [
        ("loss", step, float(step)) for step in range(5)
    ]
    assert [row for row in found if row[0] == "rewards/A"] == [("rewards/A", 0, 1.0), ("rewards/A", 1, 2.0)]


class OwnLoop(MyTrainer):
    """Overrides `train` as the predecessor's programs did, without `iterations`."""

    def train(  # type: ignore[override]  # the predecessor's signature
        self,
        env_class: Any,
        num_iterations: int,
        policies: Any,
        policies_to_train: Sequence[str],
        env_config: Mapping[str, Any] | None = None,
        metrics: Mapping[str, ph.Metric] | None = None,
    ) -> ph.TrainingResults:
        self.metrics = metrics or {}
        ph.check_env_config(env_config or {})
        env = env_class(**(env_config or {}))
        env.reset()
        mapping, made = self.setup_policy_specs_and_mapping(env, policies)
        for i in range(num_iterations):
            self.training_step(env, mapping, made, policies_to_train)
            self.tbx_write_values(10 * i)
            self.tbx_write_scalar("loss", 0.5, 100 + i)
        return ph.TrainingResults(made)


@pytest.mark.parametrize(
    "start",
    [
        lambda trainer: trainer.train(GameEnv, 2, POLICIES, ["a"], ENV_CONFIG, METRICS),
        lambda trainer: run(trainer, metrics=METRICS),
    ],
)
def test_a_loop_of_ones_own_writes_at_its_own_steps(board: Path, start: Any) -> None:
    results = start(OwnLoop(board))
    assert [policy.state_dict()["action"] for policy in results.policies.values()] == [3, 1]
    assert [row for row in scalars_in(board) if row[0] in ("action", "loss", "rewards/group")] == [
        ("action", 0, 1.0),
        ("rewards/group", 0, 1.0),
        ("loss", 100, 0.5),
        ("action", 10, 2.0),
        ("rewards/group", 10, 1.5),
        ("loss", 101, 0.5),
    ]


# ---------------------------------------------------------------- results with more in them


@dataclass(frozen=True)
class MoreResults(ph.TrainingResults):
    best: float
    name: str = "none"


class MoreTrainer(OwnLoop):
    def train(self, *args: Any, **kwargs: Any) -> MoreResults:  # type: ignore[override]  # the same
        return MoreResults(super().train(*args, **kwargs).policies, 0.5, name="mine")


@pytest.mark.parametrize("start", [lambda trainer: trainer.train(GameEnv, 2, POLICIES, ["a"]), run])
def test_results_with_fields_of_ones_own_are_returned(start: Any) -> None:
    results = start(MoreTrainer())
    assert isinstance(results, MoreResults)
    assert (results.best, results.name) == (0.5, "mine")
    assert results.policies["a"].state_dict() == {"action": 3}
    assert results.status == "completed"


@pytest.mark.parametrize("returned", [None, {"policies": {}}])
def test_ph_train_refuses_what_is_no_result(returned: Any) -> None:
    trainer = type("Odd", (MyTrainer,), {"train": lambda *_: returned})
    assert message_of(lambda: run(trainer)) == (
        f"Odd.train() returned {returned!r}. Expected ph.TrainingResults(policies), or an instance of a "
        "class derived from it."
    )


# ---------------------------------------------------------------- what is no number


class Text:
    def __repr__(self) -> str:
        return "Text()"


LEAVE, CONVERT = "leave agents out that have no reward", "convert it first"


@pytest.mark.parametrize("log", ["log_rewards", "log_vec_rewards"])
@pytest.mark.parametrize(
    ("reward", "advice"),
    [(None, LEAVE), *((r, CONVERT) for r in ("x", "1.0", b"1", Text(), [1.0], 1j, np.array([1.0, 2.0])))],
)
def test_a_reward_that_is_no_number_is_a_sentence(log: str, reward: Any, advice: str) -> None:
    trainer = MyTrainer()
    rewards: Any = {"b": 1.0, "a": reward}
    assert message_of(lambda: getattr(trainer, log)([rewards] if "vec" in log else rewards)) == (
        f"log_rewards got {reward!r} as the reward of 'a'. Expected a number: {advice}."
    )
    assert not trainer.logged_rewards


@pytest.mark.parametrize(
    "reward", [2, True + 1, np.float32(2), np.float64(2), np.int64(2), np.array(2.0), np.array([2.0])]
)
def test_rewards_may_be_numbers_of_numpy(reward: Any) -> None:
    trainer = MyTrainer()
    trainer.log_rewards({"A": reward})
    trainer.log_vec_rewards([{"A": reward}])
    assert trainer.logged_rewards == {"A": [2.0, 2.0]}
    assert {type(value) for value in trainer.logged_rewards["A"]} == {float}


@pytest.mark.parametrize(("value", "step"), [(np.float32(0.5), np.int64(3)), (np.array([0.5]), np.array(3))])
def test_scalars_and_steps_may_be_numbers_of_numpy(value: Any, step: Any, board: Path) -> None:
    trainer = MyTrainer(board)
    trainer.tbx_write_scalar("loss", value, step)
    trainer.log_rewards({"A": value})
    trainer.tbx_write_values(step)
    assert scalars_in(board) == [("loss", 3, 0.5), ("rewards/A", 3, 0.5), ("rewards/group", 3, 0.5)]


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (
            lambda trainer: trainer.tbx_write_scalar("loss", None, 0),
            "tbx_write_scalar got None as 'loss'. Expected a number: convert it first, or leave it out.",
        ),
        (
            lambda trainer: trainer.tbx_write_scalar("loss", "low", 0),
            "tbx_write_scalar got 'low' as 'loss'. Expected a number: convert it first, or leave it out.",
        ),
        (
            lambda trainer: trainer.tbx_write_scalar("loss", 0.5, None),
            "tbx_write_scalar got step=None. Expected a whole number, such as that of the iteration.",
        ),
        (
            lambda trainer: trainer.tbx_write_values("first"),
            "tbx_write_values got step='first'. Expected a whole number, such as that of the iteration.",
        ),
    ],
)
def test_scalars_and_steps_that_are_no_numbers_are_sentences(write: Any, sentence: str, board: Path) -> None:
    assert message_of(lambda: write(MyTrainer(board))) == sentence


class LowScalar(MyTrainer):
    def training_step(self, *_: Any) -> None:
        self.log_scalar("loss", "low")  # type: ignore[arg-type]  # that is the mistake


def test_a_logged_scalar_that_is_no_number_is_a_sentence() -> None:
    assert message_of(lambda: LowScalar().train(GameEnv, 1, POLICIES, ["a"])) == (
        "log_scalar got 'low' as 'loss'. Expected a number: convert it first, or leave it out."
    )


class Wordy(ph.metrics.Metric):
    def extract(self, env: Any) -> str:
        return "words"


def test_a_metric_that_is_no_number_is_a_sentence_outside_of_a_run() -> None:
    trainer = MyTrainer()
    trainer.metrics = {"words": Wordy()}
    trainer.log_metrics(None)
    assert message_of(lambda: trainer.tbx_write_values(0)).startswith(
        "Metric 'words' has the values 'words', which have no mean: "
    )


def test_a_metric_that_is_no_number_is_contained_in_a_loop_of_ones_own() -> None:
    spy = Spy()
    results = run(OwnLoop, metrics={"words": Wordy(), **METRICS}, hooks=[spy])
    assert results.iterations == 0  # its loop is not counted
    assert [values["action"] for _, _, values in spy.seen if "action" in values] == [1.0, 2.0]
    assert "metrics.words" in results.hook_failures[0]
    assert OwnLoop().train(GameEnv, 1, POLICIES, ["a"], metrics={"words": Wordy()}).policies


# ---------------------------------------------------------------- check_env_config


def test_check_env_config_refuses_ranges_and_samplers_that_nobody_would_draw_from() -> None:
    ph.check_env_config({"num_steps": 3, "env_supertype": {"size": ph.samplers.UniformFloatSampler()}})
    assert message_of(lambda: ph.check_env_config({"num_steps": ph.ranges.LinspaceRange(1, 2, 2)})) == (
        "env_config['num_steps'] is a LinspaceRange, but training takes one value. Use a sampler in a "
        "supertype; ranges are for studies: px.Study(env, env_config=…) of phantom-experiments."
    )
    assert message_of(
        lambda: OwnLoop().train(
            GameEnv, 1, POLICIES, ["a"], {"num_steps": [ph.samplers.UniformFloatSampler()]}
        )
    ) == (
        "env_config['num_steps'][0] is a UniformFloatSampler, and nobody would draw from it. Samplers are "
        "drawn from in env_supertype and agent_supertypes."
    )
