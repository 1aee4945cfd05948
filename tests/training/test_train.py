"""`ph.train` as a whole: runs, hooks, directories, endings."""

import json
import os
import signal
import threading
from collections.abc import Callable, Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_qlearning import QLearningTrainer


class WalkAgent(ph.StrategicAgent):
    """Walks left or right at random slips; is paid for being right."""

    observation_space = gym.spaces.Discrete(7)
    action_space = gym.spaces.Discrete(2)

    def reset(self) -> None:
        self.place = 3

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        step = 1 if action == 1 else -1
        self.place = min(6, max(0, self.place + (step if self.random.random() < 0.8 else -step)))

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.place

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.place == 6)


class WalkEnv(ph.PhantomEnv):
    def __init__(self, num_agents: int = 1) -> None:
        super().__init__(10, ph.Network([WalkAgent(f"W{i}") for i in range(num_agents)]))


def run(**options: Any) -> ph.TrainingResults:
    settings: dict[str, Any] = {"env": WalkEnv, "num_iterations": 4, "seed": 1, "run_dir": None, **options}
    return ph.train(settings.pop("trainer", "q-learning"), **settings)


def table(results: ph.TrainingResults, policy_id: str = "default") -> list[list[float]]:
    return results.policies[policy_id].state_dict()["table"].tolist()


class Spy(ph.Hooks):
    """Notes every event."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def on_train_start(self, event: ph.TrainStart) -> None:
        self.events.append(event)

    def on_episode_end(self, event: ph.EpisodeEnd) -> None:
        self.events.append(event)

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        self.events.append(event)

    def on_evaluation_end(self, event: ph.EvaluationEnd) -> None:
        self.events.append(event)

    def on_checkpoint(self, event: ph.CheckpointSaved) -> None:
        self.events.append(event)

    def on_exception(self, event: ph.TrainFailed) -> None:
        self.events.append(event)

    def on_train_end(self, event: ph.TrainEnd) -> None:
        self.events.append(event)

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


class StopAfter(ph.Hooks):
    def __init__(self, iterations: int, reason: str) -> None:
        super().__init__()
        self.iterations, self.reason = iterations, reason

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        return self.reason if event.iteration + 1 >= self.iterations else None


class Broken(ph.Hooks):
    """A logger that raises whatever it is asked."""

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        raise OSError(28, "No space left on device")


def test_observers_never_change_training() -> None:
    plain = run()
    watched = run(
        hooks=[Spy(), Broken()],
        metrics={"place": ph.metrics.SimpleAgentMetric("W0", "place")},
        evaluation=ph.EvaluationPlan(episodes=3, every=1),
    )
    assert table(plain) == table(watched)
    assert [row["rewards/W0"] for row in plain.history] == [row["rewards/W0"] for row in watched.history]


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    assert table(run()) == table(run())
    assert table(run()) != table(run(seed=2))


def test_training_leaves_the_global_generators_alone() -> None:
    state, spelled = np.random.get_state(), repr(np.random.get_state())  # noqa: NPY002  it is what is tested
    run()
    assert repr(np.random.get_state()) == spelled  # noqa: NPY002
    assert state is not None


def test_total_steps_ends_the_run_after_a_whole_iteration() -> None:
    results = run(num_iterations=None, total_steps=150)
    assert (results.iterations, results.env_steps) == (2, 200)


def test_every_reason_to_stop_is_recorded_with_its_plugin() -> None:
    spy = Spy()
    results = run(hooks=[StopAfter(2, "enough"), StopAfter(2, "too warm"), StopAfter(9, "never"), spy])
    assert results.status == "stopped"
    assert results.iterations == 2
    assert results.stop_reasons == ("StopAfter: enough", "StopAfter-2: too warm")
    assert spy.events[-1].stop_reasons == results.stop_reasons


def test_a_failing_logger_loses_neither_run_nor_neighbours(tmp_path: Path) -> None:
    spy = Spy()
    results = run(hooks=[Broken(), spy], run_dir=tmp_path)
    sentence = "Plugin 'Broken' failed 4 times in on_metrics: OSError: [Errno 28] No space left on device."
    assert results.hook_failures == (sentence,)
    assert spy.events[-1].hook_failures == (sentence,)
    assert results.run_directory is not None
    assert json.loads((results.run_directory / "run.json").read_text())["hook_failures"] == [sentence]
    assert len((results.run_directory / "metrics.jsonl").read_text().splitlines()) == 4


def test_strict_hooks_end_the_run_and_tell_everybody() -> None:
    spy = Spy()
    with pytest.raises(ph.errors.HookError) as caught:
        run(hooks=[Broken(), spy], strict_hooks=True)
    assert str(caught.value) == (
        "Plugin 'Broken' failed in on_metrics: OSError: [Errno 28] No space left on device. Mend it, or "
        "leave it out of the run."
    )
    assert spy.names()[-2:] == ["TrainFailed", "TrainEnd"]
    assert spy.events[-1].status == "failed"


def test_the_environment_variable_makes_hooks_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHANTOM_STRICT", "1")
    with pytest.raises(ph.errors.HookError):
        run(hooks=[Broken()])


def test_a_run_directory_holds_config_record_metrics_and_policies(tmp_path: Path) -> None:
    results = run(run_dir=tmp_path, name="my walk", evaluation=ph.EvaluationPlan(episodes=2))
    directory = results.run_directory
    assert directory is not None
    assert directory.parent == tmp_path
    assert directory.name.startswith("my-walk-")
    assert sorted(path.name for path in directory.iterdir()) == [
        "checkpoints",
        "config.toml",
        "metrics.jsonl",
        "policies",
        "run.json",
    ]
    facts = json.loads((directory / "run.json").read_text())
    assert facts["status"] == "completed"
    assert facts["seed"] == 1
    assert facts["evaluation"]["mean_return"] == results.evaluation.mean_return  # type: ignore[union-attr]
    versions = {plugin["distribution"]: plugin["version"] for plugin in facts["plugins"]}
    assert versions["phantom-qlearning"] == version("phantom-qlearning")
    rows = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [0, 1, 2, 3, 3]  # and the evaluation after the last
    assert rows[-1]["values"] == {"eval/mean_return": results.evaluation.mean_return}  # type: ignore[union-attr]


def test_loaded_policies_are_those_that_were_trained(tmp_path: Path) -> None:
    results = run(run_dir=tmp_path)
    assert results.run_directory is not None
    loaded = ph.load_policies(results.run_directory)
    assert loaded["default"].state_dict()["table"].tolist() == table(results)
    assert loaded["default"].observation_space == WalkAgent.observation_space


def test_trained_policies_serve_as_frozen_opponents_and_for_a_warm_start(tmp_path: Path) -> None:
    first = run(run_dir=tmp_path)
    assert first.run_directory is not None
    frozen = ph.load_policies(first.run_directory)["default"]
    before = frozen.state_dict()["table"].tolist()
    results = run(
        env_config={"num_agents": 2},
        policies={"frozen": ph.PolicySpec(agents=["W0"], policy=frozen), "learner": ["W1"]},
    )
    assert results.policies["frozen"] is frozen
    assert frozen.state_dict()["table"].tolist() == before
    warm = run(policies={"learner": ph.PolicySpec(agents=["W0"], policy=frozen, train=True)})
    assert table(warm, "learner") != before


class Own(QLearningTrainer):
    """Another trainer, as far as a run can tell."""


def test_groups_may_use_trainers_of_their_own() -> None:
    policies = {"a": ["W0"], "b": ph.PolicySpec(agents=["W1"], trainer="q-learning")}
    mixed = run(trainer=Own(alpha=0.5), env_config={"num_agents": 2}, policies=policies)
    alone = run(
        env_config={"num_agents": 2}, policies={"a": ["W0"], "b": ["W1"]}, trainer_config={"alpha": 0.5}
    )
    assert table(mixed, "a") == table(alone, "a")
    assert mixed.history[0]["a/alpha"] == 0.5
    assert mixed.history[0]["b/alpha"] == 0.7
    assert table(mixed, "b") != table(alone, "b")


class SteppingTrainer(ph.Trainer):
    policy_class = ph.RandomPolicy

    def training_step(self, *args: Any) -> None:
        """Do nothing."""


def test_a_trainer_that_steps_the_env_itself_cannot_share_a_run() -> None:
    policies = {"a": ["W0"], "b": ph.PolicySpec(agents=["W1"], trainer="q-learning")}
    with pytest.raises(ph.errors.ConfigError) as caught:
        run(trainer=SteppingTrainer, env_config={"num_agents": 2}, policies=policies)
    assert str(caught.value) == (
        "SteppingTrainer steps the env itself, so it cannot share a run with other trainers. Train its "
        "policies in a run of their own, or use trainers with update()."
    )


class FailingTrainer(ph.Trainer):
    """Fails in the third iteration."""

    policy_class = ph.RandomPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def update(
        self, policy_id: str, policy: ph.Policy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        return {"quotient": 1.0 / (2 - self.run.iteration)}


def test_an_exception_in_a_trainer_reaches_everybody_and_the_record(tmp_path: Path) -> None:
    spy = Spy()
    with pytest.raises(ZeroDivisionError):
        run(trainer=FailingTrainer, hooks=[spy], run_dir=tmp_path)
    assert spy.names()[-3:] == ["CheckpointSaved", "TrainFailed", "TrainEnd"]
    assert isinstance(spy.events[-2].exception, ZeroDivisionError)
    assert (spy.events[-1].status, spy.events[-1].iterations) == ("failed", 2)
    (directory,) = tmp_path.iterdir()
    facts = json.loads((directory / "run.json").read_text())
    assert (facts["status"], facts["error"]) == ("failed", "ZeroDivisionError: float division by zero")
    assert (directory / "policies" / "state.json").is_file()


class Signaller(ph.Hooks):
    """Sends a signal to this process after the second iteration."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__()
        self.number = number

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        if event.iteration == 1:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_iteration_and_keeps_everything(
    number: signal.Signals, tmp_path: Path
) -> None:
    before = signal.getsignal(number)
    results = run(hooks=[Signaller(number)], run_dir=tmp_path)
    assert (results.status, results.iterations, results.stop_reasons) == ("interrupted", 2, (number.name,))
    assert signal.getsignal(number) is before
    assert results.run_directory is not None
    assert ph.load_policies(results.run_directory)


def test_training_works_in_a_thread() -> None:
    results: list[ph.TrainingResults] = []
    thread = threading.Thread(target=lambda: results.append(run()))
    thread.start()
    thread.join()
    assert table(results[0]) == table(run())


def test_evaluations_are_repeated_on_the_same_episodes() -> None:
    spy = Spy()
    results = run(hooks=[spy], evaluation=ph.EvaluationPlan(episodes=4, every=2))
    evaluations = [event for event in spy.events if isinstance(event, ph.EvaluationEnd)]
    assert [event.iteration for event in evaluations] == [1, 3]  # the last one serves as the final one too
    assert results.evaluation is not None
    assert evaluations[-1].mean_return == results.evaluation.mean_return
    assert [row.get("eval/mean_return") is not None for row in results.history] == [False, True, False, True]


def test_events_tell_what_happened() -> None:
    spy = Spy()
    run(hooks=[spy], num_iterations=1, name="walk")
    start, *episodes, iteration, end = spy.events
    assert (start.run_name, start.trainer_name, start.num_iterations, start.seed) == (
        "walk",
        "q-learning",
        1,
        1,
    )
    assert start.policies_to_train == ("default",)
    assert [(e.env_index, e.episode, e.length, e.terminated) for e in episodes] == [
        (0, i, 10, False) for i in range(10)
    ]
    assert (iteration.iteration, iteration.env_steps) == (0, 100)
    assert sum(e.episode_returns["W0"] for e in episodes) / 100 == pytest.approx(
        iteration.values["rewards/W0"]
    )
    assert (end.status, end.iterations, end.env_steps) == ("completed", 1, 100)


def test_one_trainer_object_cannot_train_twice_at_once() -> None:
    trainer = SteppingTrainer()
    with pytest.raises(ph.errors.ConfigError) as caught:
        trainer.train(lambda: trainer.enter(trainer.run), 1, {"p": WalkAgent}, None)
    assert str(caught.value) == (
        "This SteppingTrainer is already training. Make a second instance for a second run."
    )


def factory(num_agents: int) -> Callable[[], WalkEnv]:
    return lambda: WalkEnv(num_agents)


def test_a_function_that_makes_an_env_will_do() -> None:
    assert run(env=factory(2)).policy_by_agent == {"W0": "default", "W1": "default"}


def test_a_spec_that_names_the_trainer_of_the_run_means_just_that() -> None:
    policies = {"a": ph.PolicySpec(agents=["W0"], trainer="q-learning")}
    assert run(policies=policies, trainer_config={"alpha": 0.5}).history[0]["a/alpha"] == 0.5


class Sour(ph.metrics.Metric):
    """Raises whenever it is read."""

    def extract(self, env: Any) -> float:
        raise KeyError("lemon")


def test_a_metric_that_raises_is_contained_like_a_logger() -> None:
    metrics = {"sour": Sour(), "place": ph.metrics.SimpleAgentMetric("W0", "place")}
    results = run(metrics=metrics, evaluation=ph.EvaluationPlan(episodes=1))
    assert results.status == "completed"
    assert results.hook_failures == ("Plugin 'metrics.sour' failed 411 times in extract: KeyError: 'lemon'.",)
    assert "place" in results.history[0]
    assert "sour" not in results.history[0]


def test_a_metric_that_never_had_a_value_is_named_at_the_end() -> None:
    metrics = {"typo": ph.metrics.SimpleAgentMetric("WO", "place")}
    results = run(metrics=metrics, strict_hooks=True)
    assert results.status == "completed"
    (failure,) = results.hook_failures
    assert failure == (
        "Plugin 'metrics.typo' failed once in extract: PhantomError: no step had a value of this "
        "SimpleAgentMetric. Check its ids and stages; agents at the end: 'W0'."
    )


def test_a_metric_that_raises_ends_a_strict_run() -> None:
    with pytest.raises(ph.PhantomError, match=r"Plugin 'metrics\.sour' failed in extract"):
        run(metrics={"sour": Sour()}, strict_hooks=True)


class Wordy(ph.metrics.Metric):
    def extract(self, env: Any) -> str:
        return "no number"


def test_a_metric_that_makes_no_numbers_is_left_out() -> None:
    results = run(metrics={"words": Wordy()})
    assert "words" not in results.history[0]
    (failure,) = results.hook_failures
    assert failure == (
        "Plugin 'metrics.words' failed 40 times in reduce: TypeError: it returned 'no number'. Expected a "
        "number, or an array of numbers."
    )


class Told(ph.metrics.Metric):
    """A metric whose reduced value is given."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def extract(self, env: Any) -> float:
        return 1.0

    def reduce(self, values: Any, mode: Any) -> Any:
        return self.result


@pytest.mark.parametrize("result", ["3", b"3", None, {"a": 1}, {1}, 1j, [[1], [1, 2]], [date(2026, 11, 29)]])
def test_a_reduced_value_that_is_no_number_is_left_out(result: Any) -> None:
    results = run(metrics={"told": Told(result)})
    assert "told" not in results.history[0]
    assert "failed 40 times in reduce: " in results.hook_failures[0]


@pytest.mark.parametrize("result", [3, True, 0.5, np.float32(0.5), [1, 2], np.arange(3)])
def test_a_reduced_value_is_a_number_or_an_array_of_numbers(result: Any) -> None:
    results = run(metrics={"told": Told(result)})
    assert results.history[0]["told"] == pytest.approx(np.mean(result))
    assert results.hook_failures == ()


class Ragged(ph.metrics.Metric):
    """Its reduced array is longer in every other episode."""

    number = 0

    def extract(self, env: Any) -> float:
        return 1.0

    def reduce(self, values: Any, mode: Any) -> Any:
        self.number += 1
        return np.ones(1 + self.number % 2)


def test_reduced_arrays_of_several_lengths_have_the_mean_of_all_numbers() -> None:
    results = run(metrics={"ragged": Ragged()}, evaluation=ph.EvaluationPlan(episodes=2))
    assert (results.history[0]["ragged"], results.history[-1]["eval/ragged"]) == (1.0, 1.0)
    assert results.hook_failures == ()


def test_a_metric_may_not_take_a_name_of_the_run() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        run(metrics={"rewards/W0": Sour()})
    assert str(caught.value) == (
        "A metric is named 'rewards/W0', but every run logs a value of its own under that "
        "name. Choose another."
    )


class Idler(SteppingTrainer):
    """Never counts an env step."""


def test_steps_that_are_never_counted_end_the_run_instead_of_never_ending() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        run(trainer=Idler, policies={"p": WalkAgent}, num_iterations=None, total_steps=10)
    assert str(caught.value) == (
        "Iteration 0 counted no env step, so total_steps=10 is never reached. Call log_rewards() after "
        "each env step, or give num_iterations."
    )


class Leaver(ph.Hooks):
    """Leaves the process when the run ends."""

    def on_train_end(self, event: ph.TrainEnd) -> None:
        raise SystemExit(3)


def test_even_an_exit_in_on_train_end_leaves_nobody_without_it() -> None:
    spy = Spy()
    with pytest.raises(SystemExit):
        run(hooks=[Leaver(), spy])
    assert spy.names()[-1] == "TrainEnd"


def test_an_interrupted_run_is_not_evaluated() -> None:
    results = run(hooks=[Signaller(signal.SIGINT)], evaluation=ph.EvaluationPlan(episodes=1))
    assert (results.status, results.evaluation) == ("interrupted", None)


def test_the_last_row_of_the_history_holds_the_final_evaluation() -> None:
    results = run(evaluation=ph.EvaluationPlan(episodes=2))
    assert results.evaluation is not None
    assert results.history[-1]["eval/mean_return"] == results.evaluation.mean_return


class Drawing(SteppingTrainer):
    """Draws one number per iteration."""

    def training_step(self, *args: Any) -> None:
        self.log_scalar("draw", self.rng.random())


def test_the_generator_of_a_trainer_goes_on_and_repeats_with_the_seed() -> None:
    first, again = (
        [row["draw"] for row in run(trainer=Drawing, policies={"p": WalkAgent}).history] for _ in range(2)
    )
    assert first == again
    assert len(set(first)) == 4


class LateEnv(ph.PhantomEnv):
    """Builds its network at the first reset."""

    def __init__(self) -> None:
        super().__init__(5)

    def on_reset(self) -> None:
        if "W0" not in self.network:
            self.network.add_agent(WalkAgent("W0"))


def test_an_env_may_build_its_network_in_reset() -> None:
    results = run(env=LateEnv, evaluation=ph.EvaluationPlan(episodes=2))
    assert results.evaluation is not None
    assert results.policy_by_agent == {"W0": "default"}


def test_evaluations_use_an_env_of_their_own_even_if_one_was_given() -> None:
    config = {"env": gym.make("FrozenLake-v1", is_slippery=False)}
    plain = run(env=ph.GymnasiumEnv, env_config=config)
    watched = run(env=ph.GymnasiumEnv, env_config=config, evaluation=ph.EvaluationPlan(episodes=1, every=1))
    assert table(plain) == table(watched)


def test_a_spec_that_trains_and_a_list_that_does_not_contradict_each_other() -> None:
    policies = {"a": ["W0"], "b": ph.PolicySpec(agents=["W1"], train=True)}
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        run(env_config={"num_agents": 2}, policies=policies, policies_to_train=["a"])
    assert str(caught.value) == (
        "The spec of policy 'b' says train=True, but policies_to_train leaves it out. Change one of the two."
    )


def test_a_warm_start_leaves_the_policy_that_was_given_as_it_is() -> None:
    given = run().policies["default"]
    before = given.state_dict()["table"].tolist()
    policies = {"p": ph.PolicySpec(agents=["W0"], policy=given, train=True)}
    first, again = run(policies=policies, seed=2), run(policies=policies, seed=2)
    assert given.state_dict()["table"].tolist() == before
    assert table(first, "p") == table(again, "p") != before


def test_steps_and_iterations_of_the_same_length_train_alike() -> None:
    by_iterations, by_steps = run(num_iterations=5), run(num_iterations=None, total_steps=500)
    assert table(by_iterations) == table(by_steps)


class Awaited(ph.Hooks):
    async def on_iteration_end(self, event: ph.IterationEnd) -> None:  # type: ignore[override]
        """Would never run."""


def test_hooks_that_would_be_ignored_are_refused() -> None:
    with pytest.raises(ph.errors.HookError) as caught:
        run(hooks=[Awaited()])
    assert str(caught.value) == (
        "on_iteration_end() of plugin 'Awaited' is async, and nobody would await it. Make it a plain "
        "function."
    )


class Late(ph.Hooks):
    """Gets its hook as an attribute of the instance."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.on_iteration_end = lambda event: self.seen.append(event.iteration)  # type: ignore[method-assign]


def test_a_hook_of_an_instance_is_a_hook() -> None:
    hooks = Late()
    run(hooks=[hooks], num_iterations=2)
    assert hooks.seen == [0, 1]


class Injector(ph.Hooks):
    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        event.values["injected"] = 1.0  # type: ignore[index]


def test_a_logger_cannot_change_what_others_see() -> None:
    results = run(hooks=[Injector()])
    assert "injected" not in results.history[0]
    assert len(results.hook_failures) == 1


@pytest.mark.parametrize("policy_id", [1, ""])
def test_a_policy_id_is_a_text(policy_id: Any) -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        run(policies={policy_id: ["W0"]})
    assert str(caught.value) == (
        f"A policy has the id {policy_id!r}. Expected a text that is not empty, such as 'shop'."
    )


def test_a_run_says_what_its_config_cannot_say(tmp_path: Path) -> None:
    results = run(run_dir=tmp_path, env=factory(1))
    assert results.run_directory is not None
    facts = json.loads((results.run_directory / "run.json").read_text())
    assert facts["not_in_config"] == ["env"]
