"""What counts as a plugin, and what is refused because it would be silent."""

import types
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import phantom_core as ph
from phantom_core.hooks.plugin_manager import PluginManager


class Stopper(ph.Hooks):
    def should_stop(self, event: ph.IterationEnd, /) -> str | None:
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
    return [subscriber.plugin_name for subscriber in manager.subscribers(hook)]


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
    module.on_train_end = ph.hookimpl(lambda _: None)  # type: ignore[attr-defined]
    assert names_of(Marked(), "on_train_end") == ["mine"]
    assert names_of(module, "on_train_end") == ["mine"]


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
    [("on_trainend", "on_train_end"), ("phantom_register_trainer", "phantom_register_trainers")],
)
def test_a_misspelt_hook_is_refused_with_the_nearest_name(misspelt: str, meant: str) -> None:
    plugin = type("Typo", (ph.Hooks,), {misspelt: lambda *_: None})
    assert str(error_of(plugin())) == (
        f"Plugin 'mine' has {misspelt}(), but there is no such hook. Did you mean {meant!r}? Rename it; "
        f"_{misspelt} if it is none."
    )


def test_a_value_whose_name_begins_like_a_hook_is_no_hook() -> None:
    class Patient(Stopper):
        on_patience = 3

    assert names_of(Patient(), "should_stop") == ["mine"]


@pytest.mark.parametrize("plugin", [ph.Hooks(), ph.Hooks, 3, types.ModuleType("empty")])
def test_a_plugin_that_implements_nothing_is_refused(plugin: object) -> None:
    error = error_of(plugin)
    assert isinstance(error, ph.errors.HookError)
    assert str(error) == (
        "Plugin 'mine' implements no hook. Override a method of ph.Hooks, such as on_iteration_end, or leave "
        "it out."
    )


def test_wrong_parameters_are_refused() -> None:
    class Curious(ph.Hooks):
        def on_train_end(self, event: Any, mood: str) -> None:  # type: ignore[override]
            """Want too much."""

    class Greedy:
        @ph.hookimpl
        def phantom_register_trainers(self, registry: Any) -> list[ph.Registration]:
            return []

    assert str(error_of(Curious())) == (
        "on_train_end() of plugin 'mine' has the parameters (event: Any, mood: str) -> None. "
        "Expected one parameter, the event."
    )
    assert str(error_of(Greedy())) == (
        "phantom_register_trainers() of plugin 'mine' has the parameters (registry: Any) -> "
        "list[phantom_core.hooks.hookspecs.Registration]. Expected no parameters."
    )


def test_a_class_that_needs_arguments_is_refused() -> None:
    class Needy(ph.Hooks):
        def __init__(self, path: str) -> None:
            """Want a path."""

    message = str(error_of(Needy))
    assert message.startswith("Plugin 'mine' could not be made: TypeError: ")
    assert message.endswith(
        ".__init__() missing 1 required positional argument: 'path'. It is called without arguments; pass an "
        "instance instead."
    )


def test_two_equal_plugins_are_two_plugins() -> None:
    @dataclass(eq=True)
    class Counter(ph.Hooks):
        count: int = 0

        def on_train_end(self, event: ph.TrainEnd, /) -> None:
            """Do nothing."""

    manager = PluginManager()
    assert manager.register(Counter(), "Counter") == manager.register(Counter(), "Counter")
    assert [s.plugin_name for s in manager.subscribers("on_train_end")] == ["Counter", "Counter-2"]


def test_a_plugin_may_compare_as_an_array() -> None:
    class Arrayed(Marked):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> Any:
            return np.array([True, False])

    manager = PluginManager()
    manager.register(Arrayed(), "a")
    manager.register(Arrayed(), "b")
    assert [s.plugin_name for s in manager.subscribers("on_train_end")] == ["a", "b"]


def test_a_property_of_a_plugin_is_not_read() -> None:
    class Shy(Stopper):
        @property
        def on_demand(self) -> Any:
            raise AssertionError

    assert names_of(Shy(), "should_stop") == ["mine"]
