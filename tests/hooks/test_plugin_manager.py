"""The plugins of a run: in which order their hooks run, and which installed ones take part."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph
from phantom_core.hooks.plugin_manager import PluginManager, SkippedPlugin

PLUGIN = """
import phantom_core as ph
class Follower(ph.Hooks):
    def on_train_end(self, event):
        pass
"""


class Follower(ph.Hooks):
    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Do nothing."""


class First(ph.Hooks):
    @ph.hookimpl(tryfirst=True)
    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Do nothing."""


class Last(ph.Hooks):
    @ph.hookimpl(trylast=True)
    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Do nothing."""


def order_of(plugins: dict[str, ph.Hooks]) -> list[str]:
    manager = PluginManager()
    for name, hooks in plugins.items():
        manager.register(hooks, name)
    return [subscriber.plugin_name for subscriber in manager.subscribers()["on_train_end"]]


def test_hooks_run_in_the_order_of_the_plugins_names() -> None:
    assert order_of({"console": Follower(), "Alpha": Follower(), "beta": Follower()}) == [
        ("Alpha"),
        "beta",
        "console",
    ]


def test_a_logger_may_be_called_like_its_distribution(
    tmp_path: Path, fake_distribution: Callable[..., Path]
) -> None:
    entries = {"phantom_core.loggers": {"follow": "acme_follow:Follower"}}
    fake_distribution("follow", entries, {"acme_follow": PLUGIN})
    facts = run_facts(tmp_path, loggers=["follow"])
    assert facts["hook_order"]["on_train_end"] == ["follow", "jsonl"]
    assert {"kind": "logger", "name": "follow", "distribution": "follow"} in facts["components"]


def test_tryfirst_and_trylast_move_a_plugin_and_equals_go_by_name() -> None:
    assert order_of({"a": Last(), "b": Follower(), "z": First(), "c": Follower()}) == ["z", "b", "c", "a"]
    assert order_of({"d": Last(), "c": First(), "b": Last(), "a": First()}) == ["a", "c", "b", "d"]


def test_the_place_of_each_is_known() -> None:
    manager = PluginManager()
    for name, hooks in {"a": Last(), "b": Follower(), "z": First()}.items():
        manager.register(hooks, name)
    found = manager.subscribers()["on_train_end"]
    assert [(s.plugin_name, s.place) for s in found] == [
        ("z", "tryfirst"),
        ("b", "by name"),
        ("a", "trylast"),
    ]


@given(
    names=st.permutations(["a", "b", "c", "d", "e"]),
    kinds=st.fixed_dictionaries({name: st.sampled_from([First, Follower, Last]) for name in "abcde"}),
)
def test_the_order_does_not_depend_on_who_registers_first(
    names: list[str], kinds: dict[str, type[ph.Hooks]]
) -> None:
    found = order_of({name: kinds[name]() for name in names})
    assert found == sorted(names, key=lambda name: ([First, Follower, Last].index(kinds[name]), name))


def test_the_order_is_written_down(tmp_path: Path, fake_distribution: Callable[..., Path]) -> None:
    fake_distribution(
        ("acme"), {"phantom_core.plugins": {"follow": "acme_follow:Follower"}}, {"acme_follow": PLUGIN}
    )
    facts = run_facts(tmp_path)
    assert facts["hook_order"]["on_train_end"] == ["acme:follow", "jsonl"]


# ---------------------------------------------------------------------- installed plugin objects


@pytest.mark.parametrize(
    ("target"), ["acme_follow:Follower", "acme_follow:make", "acme_follow:instance", "acme_module"]
)
def test_an_installed_plugin_object_takes_part(target: str, fake_distribution: Callable[..., Path]) -> None:
    source = PLUGIN + "instance = Follower()\ndef make():\n    return Follower()\n"
    module = "import phantom_core as ph\n@ph.hookimpl\ndef on_train_end(event):\n    pass\n"
    fake_distribution(
        "acme", {"phantom_core.plugins": {"follow": target}}, {"acme_follow": source, "acme_module": module}
    )
    manager = PluginManager()
    manager.load_installed_plugins()
    assert manager.skipped == []
    (subscriber,) = manager.subscribers()["on_train_end"]
    assert subscriber.plugin_name == "acme:follow"
    assert "acme:follow" in manager.ambient_names


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            ("import no_such_thing"),
            (
                "it could not be loaded: ModuleNotFoundError: No module named 'no_such_thing'. Install "
                "no_such_thing, or disable the plugin."
            ),
        ),
        ("raise SystemExit(3)", "it could not be loaded: SystemExit: 3."),
        (
            ("Other = 3"),
            "it could not be loaded: AttributeError: module 'acme_follow' has no attribute 'Follower'.",
        ),
        (
            "class Follower: pass",
            (
                "Plugin 'acme:follow' implements no hook. Override a method of ph.Hooks, such as "
                "on_iteration_end, mark a function with @ph.hookimpl, or leave it out."
            ),
        ),
    ],
)
def test_a_broken_plugin_object_is_reported_and_skipped(
    source: str, reason: str, fake_distribution: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    fake_distribution(
        ("acme"), {"phantom_core.plugins": {"follow": "acme_follow:Follower"}}, {"acme_follow": source}
    )
    manager = PluginManager()
    manager.load_installed_plugins()
    assert [(s.name, s.reason) for s in manager.skipped] == [("acme:follow", reason)]
    assert manager.skipped[0].status == ("missing dependency" if "no_such" in reason else "failed")
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.WARNING, f"Plugin 'acme:follow' is skipped: {reason}")
    ]


@pytest.mark.parametrize("disabled", ["acme", "follow", "acme:follow", "ACME", "other, acme"])
def test_a_disabled_plugin_object_is_not_imported(
    disabled: str, fake_distribution: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_distribution(
        ("acme"), {"phantom_core.plugins": {"follow": "acme_follow:Follower"}}, {"acme_follow": PLUGIN}
    )
    monkeypatch.setenv("PHANTOM_DISABLED_PLUGINS", disabled)
    manager = PluginManager()
    manager.load_installed_plugins()
    assert manager.skipped == [SkippedPlugin("acme:follow", "PHANTOM_DISABLED_PLUGINS names it.", "disabled")]
    assert "acme_follow" not in sys.modules


def test_a_plugin_object_for_another_core_is_not_imported(fake_distribution: Callable[..., Path]) -> None:
    fake_distribution(
        "acme",
        {"phantom_core.plugins": {"follow": "acme_follow:Follower"}},
        {"acme_follow": PLUGIN},
        requires="phantom-rl-core>=7",
    )
    manager = PluginManager()
    manager.load_installed_plugins()
    reason = (
        f"it needs phantom-rl-core>=7, but {ph.__version__} is installed. Run: pip install -U acme "
        "phantom-rl-core"
    )
    assert manager.skipped == [SkippedPlugin("acme:follow", reason, "incompatible")]
    assert "acme_follow" not in sys.modules


def test_a_run_with_a_broken_plugin_object_goes_on_and_says_so(
    tmp_path: Path, fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution(
        ("acme"), {"phantom_core.plugins": {"follow": "acme_follow:Follower"}}, {"acme_follow": "1 / 0"}
    )
    reason = "it could not be loaded: ZeroDivisionError: division by zero."
    assert run_facts(tmp_path)["skipped_plugins"] == [
        {"name": "acme:follow", "status": "failed", "reason": reason}
    ]


def test_a_disabled_component_is_not_offered(
    fake_distribution: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_distribution("acme", {"phantom_core.trainers": {"acme-rl": "acme_rl:Trainer"}})
    assert PluginManager().registry.has("trainer", "acme-rl")
    monkeypatch.setenv("PHANTOM_DISABLED_PLUGINS", "acme")
    assert not PluginManager().registry.has("trainer", "acme-rl")


def test_a_plugin_object_offers_components(fake_distribution: Callable[..., Path]) -> None:
    source = """
import phantom_core as ph
@ph.hookimpl
def phantom_register_policies():
    return [ph.Registration("policy", "lazy", "acme_lazy:Lazy", "Does little.")]
class Lazy(ph.ConstantPolicy):
    pass
"""
    fake_distribution("acme", {"phantom_core.plugins": {"lazy": "acme_lazy"}}, {"acme_lazy": source})
    manager = PluginManager()
    manager.load_installed_plugins()
    component = manager.registry.find("policy", "lazy")
    assert (component.summary, component.provider) == ("Does little.", "acme:lazy")
    assert issubclass(component.load(), ph.ConstantPolicy)


def test_a_plugin_whose_registration_fails_is_reported_and_the_others_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(ph.Hooks):
        def phantom_register_trainers(self) -> list[ph.Registration]:
            raise OSError("no disk.")

    manager = PluginManager()
    manager.register(Broken(), "broken")
    assert manager.registry.has("trainer", "q-learning")
    reason = "phantom_register_trainers() failed: OSError: no disk."
    assert manager.skipped == [SkippedPlugin("broken", reason)]
    assert caplog.messages == [f"Plugin 'broken': {reason} What it would offer is left out."]


def run_facts(folder: Path, **changes: Any) -> dict[str, Any]:
    """Make a short run, and return its run.json."""
    results = ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=1,
        run_dir=folder,
        **changes,
    )
    assert results.run_directory is not None
    facts: dict[str, Any] = json.loads((results.run_directory / "run.json").read_text())
    return facts
