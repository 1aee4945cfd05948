"""Kinds are open: a distribution declares one, and its components are found like trainers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph

FakeDistribution = Callable[..., Path]

BASE = "class Exporter:\n    def run(self, tasks):\n        return [task() for task in tasks]\n"
KIND = {
    "phantom_core.kinds": {"exporter": "acme_base:Exporter"},
    "phantom_core.exporters": {"local": "acme_base:Exporter"},
}
OTHER = "from acme_base import Exporter\nclass Cluster(Exporter): ...\nclass Stranger: ...\n"


@pytest.fixture(autouse=True)
def acme(fake_distribution: FakeDistribution) -> None:
    """A distribution that declares the kind `exporter` and offers `local`."""
    fake_distribution("acme", KIND, {"acme_base": BASE}, folder="acme")


@pytest.fixture
def other(fake_distribution: FakeDistribution) -> None:
    """Another distribution, which offers two exporters."""
    targets = {"cluster": "other_base:Cluster", "stranger": "other_base:Stranger"}
    fake_distribution("other", {"phantom_core.exporters": targets}, {"other_base": OTHER}, folder="other")


@pytest.mark.usefixtures("other")
def test_components_of_a_declared_kind_are_found_by_name() -> None:
    assert [c.qualified_name for c in ph.components("exporter")] == [
        "other:cluster",
        "acme:local",
        "other:stranger",
    ]
    exporter = ph.find("exporter", "Cluster").load()()
    assert exporter.run([lambda: 1]) == [1]


@pytest.mark.usefixtures("other")
def test_a_component_of_a_declared_kind_has_its_base_class() -> None:
    with pytest.raises(ph.errors.PluginError) as caught:
        ph.find("exporter", "stranger").load()
    assert str(caught.value) == (
        "Exporter 'stranger' of other 1.0 is Stranger, which is no Exporter. This is a defect of other: "
        "derive it from acme_base.Exporter."
    )


def test_an_unknown_name_or_kind_suggests_the_nearest() -> None:
    with pytest.raises(ph.errors.UnknownNameError) as caught:
        ph.find("exporter", "locl")
    assert str(caught.value) == (
        "No exporter named 'locl'. Did you mean 'local'? Registered: local (acme 1.0)."
    )
    with pytest.raises(ph.errors.UnknownNameError) as caught:
        ph.components("exproter")
    assert _core_and_acme(str(caught.value)) == (
        "No kind of component is called 'exproter'. Did you mean 'exporter'? There are: trainer, policy, "
        "metric, logger, hook, env, command, exporter. A distribution declares more in the entry-point group "
        "phantom_core.kinds."
    )


def test_a_name_of_two_distributions_is_ambiguous(fake_distribution: FakeDistribution) -> None:
    fake_distribution("zoom", {"phantom_core.exporters": {"local": "zoom:Local"}}, folder="zoom")
    with pytest.raises(ph.errors.AmbiguousNameError) as caught:
        ph.find("exporter", "local")
    assert str(caught.value) == (
        "2 distributions offer an exporter named 'local': acme 1.0 (acme_base:Exporter), zoom 1.0 "
        "(zoom:Local). Choose one: 'acme:local' or 'zoom:local'."
    )


def test_of_two_that_declare_one_kind_the_first_counts(fake_distribution: FakeDistribution) -> None:
    fake_distribution("zoom", {"phantom_core.kinds": {"exporter": "zoom:Exporter"}}, folder="zoom")
    from phantom_core.installed.discovery import installed

    (entry,) = [entry for entry in installed().entries if entry.distribution == "zoom"]
    assert entry.problem == "acme declares the kind 'exporter' already"
    assert ph.find("exporter", "local").base == "acme_base:Exporter"


def test_a_plugin_object_may_offer_components_of_any_kind() -> None:
    class Offering(ph.Hooks):
        def phantom_register_components(self) -> list[ph.Registration]:
            return [ph.Registration("exporter", "late", "acme_base:Exporter")]

    from phantom_core.hooks.plugin_manager import PluginManager

    manager = PluginManager()
    manager.register(Offering(), "offering")
    assert manager.registry.find("exporter", "late").load().__name__ == "Exporter"


def test_a_registration_of_an_unknown_kind_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    class Offering(ph.Hooks):
        def phantom_register_components(self) -> list[ph.Registration]:
            return [ph.Registration("wallpaper", "late", "acme_base:Exporter")]

    from phantom_core.hooks.plugin_manager import PluginManager

    PluginManager().register(Offering(), "offering")
    assert [_core_and_acme(message) for message in caplog.messages] == [
        (
            "Plugin 'offering': phantom_register_components() failed: UnknownNameError: No kind of component "
            "is called 'wallpaper'. There are: trainer, policy, metric, logger, hook, env, command, "
            "exporter. A distribution declares more in the entry-point group phantom_core.kinds. What it "
            "would offer is left out."
        )
    ]


def test_the_command_line_shows_declared_kinds(phantom: Callable[..., Any]) -> None:
    rows = json.loads(phantom("plugins", "list", "--json").out)
    found = {(row["kind"], row["name"], row["status"]) for row in rows if row["distribution"] == "acme"}
    assert found == {("exporter", "local", "ok"), ("kind", "exporter", "ok")}
    assert phantom("plugins", "check", "acme").out.splitlines() == [
        "exporter local  (acme 1.0)",
        "  ok      it loads",
        "kind exporter  (acme 1.0)",
        "  ok      it is a base class",
        "2 checks passed, 0 failed.",
    ]


def test_the_core_finds_its_own_kinds_the_same_way() -> None:
    assert ph.find("trainer", "q-learning").provider.startswith("phantom-qlearning ")
    assert {c.name for c in ph.components("hook")} == {"early-stopping"}
    assert isinstance(ph.components()[0], ph.Component)


def _core_and_acme(message: str) -> str:
    """Return a message without the kind that phantom-experiments declares, where that is installed."""
    return message.replace("exporter, executor.", "exporter.")
