"""What counts as a plugin, and what is refused because it would be silent."""

import functools
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import phantom_core as ph
from phantom_core.hooks.plugin_manager import PluginManager


class Stopper(ph.Hooks):
    def should_stop(self, event: ph.IterationEnd) -> str | None:
        return "enough"


class Marked:
    """A plain object with a marked method."""

    @ph.hookimpl
    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Do nothing."""

    def unrelated(self) -> None:
        """Be no hook."""


def names_of(plugin: object, hook: str, name: str = "mine") -> list[str]:
    manager = PluginManager()
    manager.register(plugin, name)
    return [subscriber.plugin_name for subscriber in manager.subscribers()[hook]]


def error_of(plugin: object) -> ph.errors.PluginError:
    with pytest.raises(ph.errors.PluginError) as caught:
        PluginManager().register(plugin, "mine")
    assert caught.value.plugin == "mine"
    return caught.value


def make_stopper() -> Stopper:
    return Stopper()


@pytest.mark.parametrize("plugin", [Stopper, Stopper(), make_stopper], ids=["class", "instance", "factory"])
def test_hooks_are_taken_as_class_instance_or_factory(plugin: object) -> None:
    assert names_of(plugin, "should_stop") == ["mine"]


def test_a_class_or_factory_makes_a_fresh_plugin_for_each_run() -> None:
    first, second = (PluginManager().register(Stopper, "mine") for _ in range(2))
    assert isinstance(first, Stopper)
    assert first is not second


def test_only_overridden_methods_are_implementations() -> None:
    assert names_of(Stopper(), "on_train_end") == []


def test_a_plain_object_or_module_implements_what_is_marked() -> None:
    module = types.ModuleType("acme_plugin")
    module.on_train_end = ph.hookimpl(lambda event: None)  # type: ignore[attr-defined]  # noqa: ARG005
    assert names_of(Marked(), "on_train_end") == ["mine"]
    assert names_of(module, "on_train_end") == ["mine"]


def test_a_method_of_hooks_may_be_static_or_of_the_instance() -> None:
    class Static(ph.Hooks):
        @staticmethod
        def on_train_end(event: ph.TrainEnd) -> None:  # type: ignore[override]
            """Do nothing."""

    late = Stopper()
    late.on_train_end = lambda event: None  # type: ignore[method-assign]  # noqa: ARG005
    assert names_of(Static(), "on_train_end") == ["mine"]
    assert names_of(late, "on_train_end") == ["mine"]


def test_an_object_that_is_not_marked_is_refused() -> None:
    class Forgotten:
        def on_train_end(self, event: ph.TrainEnd) -> None:
            """Do nothing."""

    assert str(error_of(Forgotten())) == (
        "Plugin 'mine' has on_train_end(), which is not marked as a hook. Decorate it with @ph.hookimpl, or "
        "derive the class from ph.Hooks."
    )


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("on_trainend", "on_train_end"),
        ("phantom_register_trainer", "phantom_register_trainers"),
        ("should_stp", "should_stop"),
        ("extra_value", "extra_values"),
        ("shouldEvaluate", "should_evaluate"),
    ],
)
def test_a_misspelt_hook_is_refused_with_the_nearest_name(misspelt: str, meant: str) -> None:
    plugin = type("Typo", (ph.Hooks,), {misspelt: lambda *_: None})
    assert str(error_of(plugin())) == (
        f"Plugin 'mine' has {misspelt}(), but there is no such hook. Did you mean {meant!r}? Rename it, "
        f"to _{misspelt} if it is not a hook."
    )


def test_a_helper_of_a_plain_plugin_may_be_called_as_it_likes() -> None:
    class Widget(Marked):
        def on_click(self) -> None:
            """Have nothing to do with runs."""

        def should_log(self) -> bool:
            return True

    assert names_of(Widget(), "on_train_end") == ["mine"]


def test_a_value_whose_name_begins_like_a_hook_is_no_hook() -> None:
    class Patient(Stopper):
        on_patience = 3

    assert names_of(Patient(), "should_stop") == ["mine"]


def test_a_callable_that_is_no_function_is_refused() -> None:
    class Partial(ph.Hooks):
        def __init__(self) -> None:
            super().__init__()
            self.on_train_end = functools.partial(int, 3)  # type: ignore[method-assign]

    assert str(error_of(Partial())) == (
        "on_train_end of plugin 'mine' is functools.partial(<class 'int'>, 3), not a function. Write a "
        "method."
    )


@pytest.mark.parametrize("plugin", [ph.Hooks(), ph.Hooks, 3, types.ModuleType("empty")])
def test_a_plugin_that_implements_nothing_is_refused(plugin: object) -> None:
    error = error_of(plugin)
    assert isinstance(error, ph.errors.HookError)
    assert str(error) == (
        "Plugin 'mine' implements no hook. Override a method of ph.Hooks, such as on_iteration_end, mark a "
        "function with @ph.hookimpl, or leave it out."
    )


def test_parameters_that_pluggy_would_not_fill_are_refused() -> None:
    class Curious(ph.Hooks):
        def on_train_end(self, event: Any, mood: str) -> None:  # type: ignore[override]
            """Want too much."""

    class Renamed(ph.Hooks):
        def on_train_end(self, ev: Any) -> None:  # type: ignore[override]
            """Call it otherwise."""

    class Keyword(ph.Hooks):
        def on_train_end(self, *, event: Any) -> None:  # type: ignore[override]
            """Want it by keyword."""

    class Optional(ph.Hooks):
        def on_train_end(self, event: Any = None) -> None:
            """Be called without it, as pluggy does it."""

    class Greedy:
        @ph.hookimpl
        def phantom_register_trainers(self, registry: Any) -> list[ph.Registration]:
            return []

    for plugin, parameters in (
        (Curious(), "(event: Any, mood: str) -> None"),
        (Renamed(), "(ev: Any) -> None"),
        (Keyword(), "(*, event: Any) -> None"),
        (Optional(), "(event: Any = None) -> None"),
    ):
        assert str(error_of(plugin)) == (
            f"on_train_end() of plugin 'mine' has the parameters {parameters}. Arguments are passed by name, "
            "as pluggy does it: expected one parameter called event, or none."
        )
    assert str(error_of(Greedy())) == (
        "phantom_register_trainers() of plugin 'mine' has the parameters (registry: Any) -> "
        "list[phantom_core.hooks.hookspecs.Registration]. Arguments are passed by name, as pluggy does it: "
        "expected no parameters."
    )


@pytest.mark.parametrize("option", ["wrapper", "hookwrapper"])
def test_a_wrapper_is_refused_with_the_reason(option: str) -> None:
    class Wrapping:
        @ph.hookimpl(**{option: True})
        def on_train_end(self, event: ph.TrainEnd) -> Iterator[None]:
            yield

    assert str(error_of(Wrapping())) == (
        "Plugin 'mine' marks on_train_end() as a wrapper. Each implementation is called by itself, so that "
        "its exceptions are contained and named; what wraps others could not be. Write a plain function: "
        "tryfirst=True or trylast=True says when it is called."
    )


def test_a_generator_function_is_refused_since_its_body_would_never_run() -> None:
    class Yielding(ph.Hooks):
        def on_metrics(self, event: ph.MetricsRecorded) -> Iterator[None]:  # type: ignore[override]
            yield

    assert str(error_of(Yielding())) == (
        "on_metrics() of plugin 'mine' is a generator function, so its body would never run. Write return "
        "instead of yield."
    )


def test_what_is_registered_may_be_yielded() -> None:
    class Offering(ph.Hooks):
        def phantom_register_policies(self) -> Iterator[ph.Registration]:
            yield ph.Registration("policy", "lazy", ph.ConstantPolicy)

    manager = PluginManager()
    manager.register(Offering(), "mine")
    assert manager.registry.find("policy", "lazy").load() is ph.ConstantPolicy


def test_an_async_hook_is_refused() -> None:
    class Async(ph.Hooks):
        async def on_train_end(self, event: ph.TrainEnd) -> None:
            """Never be awaited."""

    assert str(error_of(Async())) == (
        "on_train_end() of plugin 'mine' is async, and nobody would await it. Make it a plain function."
    )


def test_a_class_that_needs_arguments_is_refused() -> None:
    class Needy(ph.Hooks):
        def __init__(self, path: str) -> None:
            """Want a path."""

    message = str(error_of(Needy))
    assert message.startswith("Plugin 'mine' could not be created: TypeError: ")
    assert message.endswith(
        ".__init__() missing 1 required positional argument: 'path'. It is called without arguments; pass an "
        "instance instead."
    )


def test_two_equal_plugins_are_two_plugins() -> None:
    @dataclass(eq=True)
    class Counter(ph.Hooks):
        count: int = 0

        def on_train_end(self, event: ph.TrainEnd) -> None:
            """Do nothing."""

    manager = PluginManager()
    assert manager.register(Counter(), "Counter") == manager.register(Counter(), "Counter")
    found = manager.subscribers()["on_train_end"]
    assert [s.plugin_name for s in found] == ["Counter", "Counter-2"]


def test_one_object_takes_part_once() -> None:
    manager, plugin = PluginManager(), Stopper()
    manager.register(plugin, "mine")
    with pytest.raises(ph.errors.PluginError) as caught:
        manager.register(plugin, "other")
    assert str(caught.value) == (
        "Plugin 'other' is already registered as 'mine': they are the same object. Register it once, or "
        "create two objects."
    )


def test_a_plugin_may_compare_as_an_array() -> None:
    class Arrayed(Marked):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> Any:
            return np.array([True, False])

    manager = PluginManager()
    manager.register(Arrayed(), "a")
    manager.register(Arrayed(), "b")
    assert [s.plugin_name for s in manager.subscribers()["on_train_end"]] == ["a", "b"]


def test_a_property_of_a_plugin_is_not_read() -> None:
    class Shy(Stopper):
        @property
        def on_demand(self) -> Any:
            raise AssertionError

    assert names_of(Shy(), "should_stop") == ["mine"]


def test_a_marked_function_alone_is_refused() -> None:
    @ph.hookimpl
    def on_train_end(event: ph.TrainEnd) -> None:
        """Do nothing."""

    assert str(error_of(on_train_end)) == (
        "Plugin 'mine' is a function that is marked as a hook. Put it into a class or a module, and pass "
        "that."
    )


def test_a_method_without_self_is_refused() -> None:
    class Selfless:
        @ph.hookimpl
        def on_train_end() -> None:  # type: ignore[misc]
            """Forget self."""

    assert str(error_of(Selfless())) == (
        "on_train_end() of plugin 'mine' is a method without self. Write: def on_train_end(self, event)."
    )


def test_none_is_refused() -> None:
    assert str(error_of(None)) == "Plugin 'mine' is None. Expected an object with hook implementations."


def test_an_object_that_cannot_be_searched_is_named() -> None:
    class Opaque:
        def __dir__(self) -> list[str]:
            raise OSError("closed.")

    assert str(error_of(Opaque())) == (
        "Plugin 'mine' (Opaque) cannot be searched for hooks: OSError: closed. Pass an object with ordinary "
        "attributes."
    )


def test_a_class_that_exits_when_it_is_created_is_named() -> None:
    class Leaving(Marked):
        def __init__(self) -> None:
            raise SystemExit(3)

    assert str(error_of(Leaving)) == (
        "Plugin 'mine' could not be created: SystemExit: 3. It is called without arguments; pass an instance "
        "instead."
    )


def test_one_wrong_registration_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    class Half(ph.Hooks):
        def phantom_register_policies(self) -> Any:
            return [3, ph.Registration("policy", "lazy", ph.ConstantPolicy)]

        def phantom_register_metrics(self) -> Any:
            return None

    manager = PluginManager()
    manager.register(Half(), "mine")
    assert manager.registry.has("policy", "lazy")
    assert caplog.messages == [
        (
            "Plugin 'mine': phantom_register_policies() failed: TypeError: expected ph.Registration objects, "
            "got 3. What it would offer is left out."
        )
    ]
