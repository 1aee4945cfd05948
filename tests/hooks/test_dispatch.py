"""What happens when a plugin fails, and when one wants to stop."""

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phantom_core as ph
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.training.logged_values import guarded

HOOK = "on_iteration_start"


class Witness(ph.Hooks):
    """Logs what it is told, and fails when its plan says so."""

    def __init__(self, *failures: BaseException | None) -> None:
        super().__init__()
        self.plan = list(failures)
        self.log: list[str] = []

    def on_train_start(self, event: ph.TrainStart) -> None:
        self.log.append("on_train_start")

    def on_iteration_start(self, event: ph.IterationStart) -> None:
        self.log.append(HOOK)
        failure = self.plan.pop(0) if self.plan else None
        if failure is not None:
            raise failure

    def on_train_end(self, event: ph.TrainEnd) -> None:
        self.log.append("on_train_end")


class Stopper(ph.Hooks):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def dispatcher(
    plugins: dict[str, ph.Hooks],
    *,
    is_strict: bool = False,
    clock: Clock | None = None,
    permanent: str = "",
) -> Dispatcher:
    manager = PluginManager()
    for name, plugin in plugins.items():
        manager.register(plugin, name, is_permanent=name == permanent)
    return Dispatcher(manager, is_strict=is_strict, clock=clock or Clock())


def begin(dispatch: Dispatcher, times: int, clock: Clock | None = None, apart: float = 0.0) -> None:
    for iteration in range(times):
        dispatch.fire(HOOK, ph.IterationStart(iteration=iteration, env_steps=0))
        if clock is not None:
            clock.seconds += apart


def end(dispatch: Dispatcher) -> None:
    dispatch.fire("on_train_end", ph.TrainEnd(status="completed", iterations=0, env_steps=0))


def reasons(answers: Sequence[Any], *, is_strict: bool = False) -> tuple[list[str], Dispatcher]:
    plugins: dict[str, ph.Hooks] = {f"p{number}": Stopper(answer) for number, answer in enumerate(answers)}
    dispatch = dispatcher(plugins, is_strict=is_strict)
    return dispatch.stop_reasons(ph.IterationEnd(iteration=0, env_steps=0, values={})), dispatch


def test_a_failure_is_contained_and_the_others_still_run() -> None:
    broken, whole = Witness(OSError("no disk.")), Witness()
    dispatch = dispatcher({"a": broken, "b": whole})
    begin(dispatch, 2)
    assert broken.log == whole.log == [HOOK] * 2
    assert dispatch.failure_sentences() == (f"Plugin 'a' failed once in {HOOK}: OSError: no disk.",)


def test_after_failures_in_a_row_over_half_a_minute_a_plugin_is_off_but_learns_of_the_end() -> None:
    broken, clock = Witness(*[OSError("no disk")] * 9), Clock()
    dispatch = dispatcher({"a": broken}, clock=clock)
    begin(dispatch, 9, clock, apart=10.0)
    end(dispatch)
    assert broken.log == [HOOK] * 4 + ["on_train_end"]
    assert dispatch.failure_sentences() == (
        f"Plugin 'a' failed 4 times in {HOOK} and was switched off: OSError: no disk.",
    )


def test_two_failures_are_too_few_however_long_they_take() -> None:
    failure = OSError("no disk")
    broken, clock = Witness(failure, failure, None, failure, failure), Clock()
    dispatch = dispatcher({"a": broken}, clock=clock)
    begin(dispatch, 6, clock, apart=1000.0)
    assert broken.log == [HOOK] * 6


def test_a_thousand_failures_within_half_a_minute_switch_nothing_off() -> None:
    broken, clock = Witness(*[OSError("no disk")] * 1000), Clock()
    dispatch = dispatcher({"a": broken}, clock=clock)
    begin(dispatch, 1100, clock, apart=0.02)
    assert broken.log == [HOOK] * 1100
    assert dispatch.failure_sentences() == (f"Plugin 'a' failed 1000 times in {HOOK}: OSError: no disk.",)


def test_the_cores_own_record_is_never_switched_off() -> None:
    broken, clock = Witness(*[OSError("no disk")] * 100), Clock()
    dispatch = dispatcher({"a": broken}, clock=clock, permanent="a")
    begin(dispatch, 100, clock, apart=10.0)
    assert broken.log == [HOOK] * 100


def test_a_success_begins_the_count_anew() -> None:
    failure = OSError("no disk")
    broken = Witness(failure, failure, None, failure, failure, None)
    dispatch = dispatcher({"a": broken})
    begin(dispatch, 7)
    assert broken.log == [HOOK] * 7
    assert dispatch.failure_sentences() == (f"Plugin 'a' failed 4 times in {HOOK}: OSError: no disk.",)


def test_the_first_failure_and_the_switching_off_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    begin(dispatcher({"a": Witness(*[KeyError("x")] * 3)}, clock=clock), 3, clock, apart=15.0)
    assert caplog.messages == [
        f"Plugin 'a' failed once in {HOOK}: KeyError: 'x'.",
        f"Plugin 'a' failed 3 times in {HOOK} and was switched off: KeyError: 'x'.",
    ]


def test_strict_mode_raises_after_everybody_was_told() -> None:
    whole = Witness()
    dispatch = dispatcher(
        {("a"): Witness(OSError("one")), "b": Witness(OSError("two")), "c": whole}, is_strict=True
    )
    with pytest.raises(ph.errors.HookError) as caught:
        begin(dispatch, 1)
    assert str(caught.value) == (
        f"Plugin 'a' failed in {HOOK}: OSError: one. Mend it, or leave it out of the run."
    )
    assert caught.value.plugin == "a"
    assert isinstance(caught.value.__cause__, OSError)
    assert whole.log == [HOOK]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_not_contained(interruption: type[BaseException]) -> None:
    with pytest.raises(interruption):
        begin(dispatcher({"a": Witness(interruption())}), 1)


def test_everybody_is_asked_to_stop_and_every_reason_is_recorded() -> None:
    found, dispatch = reasons(["enough", None, "", OSError("no clock"), "late"])
    assert found == ["p0: enough", "p4: late"]
    assert dispatch.failure_sentences() == ("Plugin 'p3' failed once in should_stop: OSError: no clock.",)


@pytest.mark.parametrize("answer", [True, 3, np.array([1, 2]), (reason for reason in ["never"])])
def test_a_reason_that_is_no_text_is_contained(answer: Any) -> None:
    found, dispatch = reasons([answer, "late"])
    assert found == ["p1: late"]
    assert dispatch.failure_sentences() == (
        (
            f"Plugin 'p0' failed once in should_stop: TypeError: it returned {answer!r}. Expected a reason "
            "(str) to stop, or None."
        ),
    )


def test_wrong_answers_over_half_a_minute_switch_a_plugin_off() -> None:
    clock = Clock()
    dispatch = dispatcher({"a": Stopper(3)}, clock=clock)
    for _ in range(3):
        dispatch.stop_reasons(ph.IterationEnd(iteration=0, env_steps=0, values={}))
        clock.seconds += 15.0
    assert dispatch.is_off("a")


class Wishing(ph.Hooks):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def should_evaluate(self, event: ph.IterationEnd) -> bool | None:
        return self.answer

    def extra_values(self, event: ph.IterationEnd) -> Any:
        return self.answer


END = ph.IterationEnd(iteration=0, env_steps=0, values={})


@pytest.mark.parametrize(
    ("answers", "is_wanted"),
    [
        ([], False),
        ([None, False], False),
        ([True, False], True),
        ([False, True], True),
        ([np.bool_(True)], True),  # noqa: FBT003
    ],
)
def test_one_true_is_enough(answers: list[Any], is_wanted: bool) -> None:  # noqa: FBT001
    dispatch = dispatcher({f"p{number}": Wishing(answer) for number, answer in enumerate(answers)})
    assert dispatch.is_wanted("should_evaluate", END) is is_wanted
    assert dispatch.failure_sentences() == ()


def test_a_wish_that_is_neither_true_nor_false_is_contained() -> None:
    dispatch = dispatcher({"a": Wishing("yes")})
    assert not dispatch.is_wanted("should_evaluate", END)
    assert dispatch.failure_sentences() == (
        "Plugin 'a' failed once in should_evaluate: TypeError: it returned 'yes'. Expected True or False.",
    )


def test_extra_values_have_the_name_of_their_plugin() -> None:
    dispatch = dispatcher({"a": Wishing({"x": 1, "y": np.float32(0.5)}), "b": Wishing(None)})
    assert dispatch.extra_values(END) == {"a/x": 1.0, "a/y": 0.5}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (3, "TypeError: it returned 3. Expected a dict of numbers, or None"),
        ({"x": "much"}, "TypeError: it returned 'much' as 'x'. Expected a number"),
    ],
)
def test_extra_values_that_are_no_numbers_are_contained(answer: Any, reason: str) -> None:
    dispatch = dispatcher({"a": Wishing(answer), "b": Wishing({"x": 1})})
    assert dispatch.extra_values(END) == {"b/x": 1.0}
    assert dispatch.failure_sentences() == (f"Plugin 'a' failed once in extra_values: {reason}.",)


def test_extra_values_are_numbers_as_all_logged_values_are() -> None:
    dispatch = dispatcher({"a": Wishing({"huge": -(10**400), "one": np.array([0.5])})})
    assert dispatch.extra_values(END) == {"a/huge": -math.inf, "a/one": 0.5}
    assert dispatch.failure_sentences() == ()
    dispatch = dispatcher({"a": Wishing({"text": "3"})})
    assert dispatch.extra_values(END) == {}
    assert dispatch.failure_sentences() == (
        "Plugin 'a' failed once in extra_values: TypeError: it returned '3' as 'text'. Expected a number.",
    )


def test_a_state_that_is_returned_now_and_then_switches_nothing_off() -> None:
    class Forgetful(Wishing):
        states: tuple[Any, ...] = ({}, OSError("one"), {}, OSError("two"), {"x": 1}, OSError("three"))

        def state_dict(self) -> dict[str, Any]:
            *self.states, state = self.states
            if isinstance(state, Exception):
                raise state
            return state

    clock = Clock()
    dispatch = dispatcher({"a": Forgetful(None)}, clock=clock)
    found = []
    for _ in range(6):
        found.append(dispatch.hook_states())
        clock.seconds += 20.0
    assert found == [{}, {"a": {"x": 1}}, {}, {}, {}, {}]
    assert not dispatch.is_off("a")


def test_a_metric_that_reduces_now_and_then_is_not_switched_off() -> None:
    class Half(ph.Metric):
        def extract(self, env: Any) -> float:
            return 0.5

        def reduce(self, values: Sequence[Any], mode: Any) -> float:
            return values[0] / values[1]

    clock = Clock()
    dispatch = dispatcher({}, clock=clock)
    metric = guarded({"half": Half()}, dispatch)["half"]
    for divisor in (0, 1, 0, 2, 0):
        metric.reduce([1.0, divisor], "train")
        clock.seconds += 20.0
    assert not dispatch.is_off("metrics.half")


def test_an_exception_without_a_text_is_contained_too() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise OSError

    dispatch = dispatcher({"a": Witness(MuteError())})
    begin(dispatch, 1)
    assert dispatch.failure_sentences() == (f"Plugin 'a' failed once in {HOOK}: MuteError.",)


def test_who_implements_a_hook_is_settled_when_the_run_starts() -> None:
    manager = PluginManager()
    manager.register(Witness(), "a")
    dispatch = Dispatcher(manager)
    manager.register(Witness(), "b")
    assert dispatch.order(HOOK) == ["a"]
    assert dispatch.has_subscribers(HOOK)
    assert not dispatch.has_subscribers("on_metrics")


# ---------------------------------------------------------------------- in a run


class Refusing(Witness):
    def on_train_start(self, event: ph.TrainStart) -> None:
        raise ConnectionError("no server.")


class IdleTrainer(ph.Trainer):
    policy_class = ph.RandomPolicy

    def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
        """Do nothing."""


def idle_run(**changes: Any) -> ph.TrainingResults:
    config = {"env": "FrozenLake-v1"}
    return ph.train(
        IdleTrainer, env=("gymnasium"), env_config=config, num_iterations=2, run_dir=None, **changes
    )


def test_a_selected_plugin_may_refuse_the_run_before_it_begins() -> None:
    refusing, witness = Refusing(), Witness()
    with pytest.raises(ph.errors.HookError) as caught:
        idle_run(hooks=[witness, refusing])
    assert str(caught.value) == (
        "Plugin 'Refusing' failed in on_train_start: ConnectionError: no server. Mend it, or leave "
        "it out of the run."
    )
    assert witness.log == ["on_train_end"]  # it comes later in the order; the end is told to everybody
    assert refusing.log == ["on_train_end"]


REFUSING = """
import phantom_core as ph
log = []
class Refusing(ph.Hooks):
    def on_train_start(self, event):
        raise ConnectionError("no server")
    def on_iteration_start(self, event):
        log.append("on_iteration_start")
    def on_train_end(self, event):
        log.append("on_train_end")
"""


def test_an_installed_plugin_that_fails_at_the_start_is_left_out(
    fake_distribution: Callable[..., Path],
) -> None:
    fake_distribution(
        ("acme"), {"phantom_core.plugins": {"r": "acme_refusing:Refusing"}}, {"acme_refusing": REFUSING}
    )
    results = idle_run()
    assert results.status == "completed"
    assert results.hook_failures == (
        "Plugin 'acme:r' failed once in on_train_start and was switched off: ConnectionError: no server.",
    )
    import sys

    assert sys.modules["acme_refusing"].log == ["on_train_end"]


def test_the_environment_variable_makes_hooks_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHANTOM_STRICT", "1")
    with pytest.raises(ph.errors.HookError):
        idle_run(hooks=[Witness(OSError("no disk"))])
    assert idle_run(hooks=[Witness(OSError("no disk"))], strict_hooks=False).status == "completed"


class Greedy(ph.Hooks):
    """Tries to change what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    def change(self, *tables: Any) -> None:
        for table in tables:
            try:
                table["mine"] = 1.0
            except TypeError:
                self.refused += 1

    def on_train_start(self, event: ph.TrainStart) -> None:
        self.change(event.hyper_parameters, event.policies)

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        self.change(event.values)

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        self.change(event.values, event.policies)


def test_tables_of_events_cannot_be_changed() -> None:
    greedy = Greedy()
    results = idle_run(hooks=[greedy])
    assert greedy.refused == 2 + 2 * 3
    assert not any("mine" in row for row in results.history)
    assert results.hook_failures == ()


@pytest.mark.parametrize("exit_error", [SystemExit("bye"), GeneratorExit()])
def test_a_plugin_that_ends_the_run_on_purpose_is_named(
    exit_error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    for hook_is_failing in (False, True):
        dispatch = dispatcher({"a": Witness(*([OSError("no disk")] if hook_is_failing else []), exit_error)})
        begin(dispatch, int(hook_is_failing))
        with pytest.raises(type(exit_error)):
            begin(dispatch, 1)
        told = "SystemExit: bye" if isinstance(exit_error, SystemExit) else "GeneratorExit"
        assert caplog.messages[-1] == f"Plugin 'a' ends the run in {HOOK}: it raised {told}."


def test_a_plugin_that_ends_the_run_at_its_start_is_named(caplog: pytest.LogCaptureFixture) -> None:
    class Leaving(ph.Hooks):
        def on_train_start(self, event: ph.TrainStart) -> None:
            sys.exit("bye")

    with pytest.raises(SystemExit):
        idle_run(hooks=[Leaving()])
    assert (
        caplog.messages[-1] == "Plugin 'Leaving' ends the run in on_train_start: it raised SystemExit: bye."
    )


def test_a_hook_whose_failing_plugin_is_off_is_no_longer_failing() -> None:
    clock = Clock()
    dispatch = dispatcher({"a": Witness(*[OSError("no disk")] * 3)}, clock=clock)
    begin(dispatch, 3, clock, apart=20.0)
    assert dispatch.is_off("a")
    assert not dispatch.is_failing(HOOK)


def test_ctrl_c_blames_no_plugin(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt):
        begin(dispatcher({"a": Witness(KeyboardInterrupt())}), 1)
    assert caplog.messages == []


class Forgetful(Witness):
    def state_dict(self) -> Any:
        return [("a", 1)]


def test_a_state_that_is_no_dict_is_contained() -> None:
    dispatch = dispatcher({"a": Forgetful()})
    assert dispatch.hook_states() == {}
    assert dispatch.failure_sentences() == (
        "Plugin 'a' failed once in state_dict: TypeError: it returned [('a', 1)]. Expected a dict.",
    )
