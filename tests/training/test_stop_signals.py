"""SIGINT and SIGTERM: when the run ends, and that nothing of it is lost."""

import json
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.training import stop_signals
from phantom_testing import CoinEnv


class SignallingEnv(CoinEnv):
    """Sends signals to this process at steps of its second episode, the third reset; may have no end then."""

    def __init__(self, signals: Mapping[int, int], *, is_endless: bool = True, wait: float = 0.0) -> None:
        super().__init__()
        self.num_steps = None if is_endless else 2
        self.signals, self.wait, self.num_resets = signals, wait, 0

    def reset(self, **options: Any) -> Any:
        self.num_resets += 1
        return super().reset(**options)

    def step(self, actions: Any) -> ph.StepResult:
        if self.num_resets == 3:
            if self.current_step in self.signals:
                signal.raise_signal(self.signals[self.current_step])
                time.sleep(self.wait)
            return super().step(actions)
        result = super().step(actions)
        result.truncations["__all__"] = True
        return result


class CountingPolicy(ph.Policy):
    """Knows how often it was updated."""

    num_updates = 0

    def compute_action(self, observation: Any) -> int:
        return 0

    def state_dict(self) -> dict[str, Any]:
        return {"num_updates": self.num_updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.num_updates = state["num_updates"]


class ImpatientlySavedPolicy(CountingPolicy):
    """Its user loses patience while it is saved after an iteration."""

    def state_dict(self) -> dict[str, Any]:
        if self.num_updates:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return super().state_dict()


class CountingTrainer(ph.Trainer):
    policy_class = CountingPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def update(self, policy_id: Any, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        policy.num_updates += 1
        return {}


def train(signals: Mapping[int, int], **options: Any) -> ph.TrainingResults:
    """Train for five iterations; the second one receives the signals at these steps."""
    given = {"env_config": {"signals": signals, **options.pop("env_config", {})}, "num_iterations": 5}
    return ph.train(CountingTrainer, **{"env": SignallingEnv, "seed": 1, **given, **options})


def facts_and_policy(parent: Path) -> tuple[dict[str, Any], Any]:
    (directory,) = parent.iterdir()
    facts = json.loads((directory / "run.json").read_text())
    return facts, ph.load_policies(directory)["default"]


@pytest.fixture(autouse=True)
def _is_in_the_main_thread() -> Iterator[None]:
    """Signals end the process there, also if the tests are run with nohup, which ignores SIGHUP."""
    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (
            signal.SIGINT,
            (
                "SIGINT: the run ends when this iteration is finished. At a second one it ends at once. What "
                "it learned is saved in {directory}."
            ),
        ),
        (
            signal.SIGTERM,
            (
                "SIGTERM: the run ends when this iteration is finished. In 5 seconds, or at a second one, it "
                "ends at once. What it learned is saved in {directory}."
            ),
        ),
        (
            signal.SIGHUP,
            (
                "SIGHUP: the run ends when this iteration is finished. In 5 seconds, or at a second one, it "
                "ends at once. What it learned is saved in {directory}."
            ),
        ),
    ],
)
def test_the_first_signal_says_when_the_run_ends_and_where_it_is_saved(
    number: int, expected: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results = train({1: number}, env_config={"is_endless": False}, run_dir=tmp_path)
    assert (results.status, results.iterations) == ("interrupted", 2)
    assert caplog.messages == [expected.format(directory=results.run_directory)]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (signal.SIGINT, "At a second one it ends at once"),
        (signal.SIGTERM, "In 5 seconds, or at a second one, it ends at once"),
    ],
)
def test_without_a_run_directory_the_first_signal_says_what_will_be_lost(
    number: signal.Signals, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert train({1: number}, env_config={"is_endless": False}, run_dir=None).status == "interrupted"
    assert caplog.messages == [
        (
            f"{number.name}: the run ends when this iteration is finished. {expected}, and what it learned "
            "is lost: it has no run directory."
        )
    ]


def test_who_ignores_hangups_goes_on(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        results = train({1: signal.SIGHUP}, env_config={"is_endless": False}, run_dir=tmp_path)
        assert (results.status, results.iterations) == ("completed", 5)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


class Stopper(ph.Hooks):
    """Sends SIGINT when the final policies are written: nothing is being iterated then."""

    def on_checkpoint(self, event: ph.CheckpointSaved) -> None:
        signal.raise_signal(signal.SIGINT)


def test_a_signal_between_iterations_ends_the_run_when_it_is_done_with_what_it_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results = train({}, hooks=[Stopper()], run_dir=tmp_path, env_config={"is_endless": False})
    assert (results.status, results.iterations) == ("interrupted", 5)
    assert caplog.messages == [
        (
            "SIGINT: the run ends when what it is doing is finished. At a second one it ends at once. What "
            f"it learned is saved in {results.run_directory}."
        )
    ]


def test_the_second_signal_breaks_an_episode_without_an_end_off_and_says_where_the_run_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train({10: signal.SIGINT, 11: signal.SIGTERM}, run_dir=tmp_path)
    facts, policy = facts_and_policy(tmp_path)
    assert (facts["status"], facts["iterations"], policy.num_updates) == ("interrupted", 1, 1)
    assert facts["policy_by_agent"] == [["A1", "default"]]
    (directory,) = tmp_path.iterdir()
    assert caplog.messages[2:] == [
        (
            "The run broke off after 1 iteration. What it learned is saved, for phantom evaluate and "
            f"ph.load_policies, in {directory}. It cannot be resumed: it had written no checkpoint yet."
        )
    ]


def test_a_while_after_sigterm_an_episode_without_an_end_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop_signals, "GRACE", 0.01)
    with pytest.raises(KeyboardInterrupt):
        train({10: signal.SIGTERM}, run_dir=tmp_path)
    facts, policy = facts_and_policy(tmp_path)
    assert (facts["status"], facts["stop_reasons"], policy.num_updates) == ("interrupted", ["SIGTERM"], 1)


class Deaf:
    """Waits in a finaliser, whose exceptions Python drops."""

    def __del__(self) -> None:
        time.sleep(3600.0)


class DeafEnv(SignallingEnv):
    """Is broken off in a finaliser the first time."""

    def step(self, actions: Any) -> ph.StepResult:
        if self.num_resets == 3 and self.current_step == 3:
            Deaf()
        return super().step(actions)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_after_sigterm_an_interruption_that_python_drops_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop_signals, "GRACE", 0.05)
    monkeypatch.setattr(stop_signals, "AGAIN", 0.05)
    with pytest.raises(KeyboardInterrupt):
        train({1: signal.SIGTERM}, env=DeafEnv, run_dir=tmp_path)
    assert facts_and_policy(tmp_path)[0]["status"] == "interrupted"


def test_a_while_after_sigterm_a_step_that_waits_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop_signals, "GRACE", 0.01)
    with pytest.raises(KeyboardInterrupt):
        train({1: signal.SIGTERM}, env_config={"wait": 3600.0}, run_dir=tmp_path)
    assert facts_and_policy(tmp_path)[0]["status"] == "interrupted"


def test_an_iteration_that_ends_in_time_is_finished_after_sigterm_and_nothing_comes_later() -> None:
    before = signal.getsignal(signal.SIGTERM)
    results = train({1: signal.SIGTERM}, env_config={"is_endless": False}, run_dir=None)
    assert (results.status, results.iterations) == ("interrupted", 2)
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert all(timer.finished.is_set() for timer in timers)  # cancelled
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_signal_while_policies_are_saved_does_not_lose_them(tmp_path: Path) -> None:
    class Trainer(CountingTrainer):
        policy_class = ImpatientlySavedPolicy

    results = ph.train(
        Trainer,
        env=SignallingEnv,
        env_config={"signals": {}, "is_endless": False},
        num_iterations=2,
        run_dir=tmp_path,
    )
    assert (results.status, results.problems) == ("interrupted", ())
    assert facts_and_policy(tmp_path)[1].num_updates == 2


class LastWord(ph.Hooks):
    """Never comes to its end; its user loses patience."""

    def on_train_end(self, event: ph.TrainEnd) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_a_plugin_that_does_not_end_can_be_left_and_the_record_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train({}, hooks=[LastWord()], env_config={"is_endless": False}, run_dir=tmp_path)
    facts, policy = facts_and_policy(tmp_path)
    assert (facts["status"], facts["iterations"], policy.num_updates) == ("interrupted", 5, 5)
