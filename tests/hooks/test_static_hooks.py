"""What the source of a plugin says of its hooks, without executing it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from phantom_core.hooks.discovery import PLUGIN_GROUP, installed_entries
from phantom_core.hooks.plugin_adapter import PluginAdapter
from phantom_core.hooks.registry import Component
from phantom_core.hooks.static_hooks import Place, read_hooks

HEAD = "import os\nimport phantom_core as ph\nos._exit(1)\n"


@pytest.fixture
def read(
    fake_distribution: Callable[..., Path],
) -> Callable[..., tuple[dict[str, Place], str]]:
    """Read a target in modules of which each would end the process if it were imported."""

    def make(target: str, **modules: str) -> tuple[dict[str, Place], str]:
        sources = {name: HEAD + source for name, source in modules.items()}
        fake_distribution("acme", {"phantom_core.loggers": {"acme": target}}, sources)
        found = read_hooks(target)
        assert not set(modules) & set(sys.modules)
        return found.places, found.unknown

    return make


def test_overridden_methods_are_hooks_and_the_class_says_where(read: Callable[..., object]) -> None:
    source = """
class A(ph.Hooks):
    before: "tuple[str, ...]" = ("console",)
    after = ["jsonl"]
    def on_metrics(self, event, /): ...
    def should_stop(self, event, /): ...
    def helper(self): ...
"""
    place = Place(("console",), ("jsonl",))
    assert read("acme_a:A", acme_a=source) == ({"on_metrics": place, "should_stop": place}, "")


def test_marked_functions_of_a_module_are_hooks(read: Callable[..., object]) -> None:
    source = """
@ph.hookimpl(after=("z",))
def on_train_end(event): ...
@ph.hookimpl
def on_metrics(event): ...
def on_checkpoint(event): ...
"""
    assert read("acme_b", acme_b=source) == ({"on_train_end": Place((), ("z",)), "on_metrics": Place()}, "")


@pytest.mark.parametrize("target", ["acme_c:Outer", "acme_c:instance", "acme_c:make"])
def test_names_are_followed_through_imports_instances_and_factories(
    target: str, read: Callable[..., object]
) -> None:
    modules = {
        "acme_c": "from acme_d import Inner as Outer\ninstance = Outer()\ndef make():\n    return Outer()\n",
        "acme_d": "class Inner(ph.Hooks):\n    def on_metrics(self, event, /): ...\n",
    }
    assert read(target, **modules) == ({"on_metrics": Place()}, "")


def test_a_subclass_has_the_hooks_of_its_base_and_its_own_place(read: Callable[..., object]) -> None:
    source = """
class Base(ph.Hooks):
    after = ("jsonl",)
    def on_metrics(self, event, /): ...
    @ph.hookimpl(before=("x",))
    def on_checkpoint(self, event): ...
class A(Base):
    after = ()
    def on_train_end(self, event, /): ...
"""
    places = {"on_metrics": Place(), "on_checkpoint": Place(("x",)), "on_train_end": Place()}
    assert read("acme_e:A", acme_e=source) == (places, "")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("A = type('A', (ph.Hooks,), {})", "A is made when acme_f is imported"),
        ("import x\nclass A(x.Base): ...", "its base class x.Base is elsewhere"),
        (
            "class A(ph.Hooks):\n    after = os.environ['X']",
            "its before or after is made when it is imported",
        ),
        ("class A(ph.Hooks):\n  def", "its source cannot be read (invalid syntax (acme_f.py, line 5))"),
        ("from acme_f import A", "its definition cannot be followed"),
        (
            "from no_such_module import A",
            "the source of no_such_module cannot be read (there is no source of no_such_module)",
        ),
    ],
)
def test_what_cannot_be_read_is_said_to_be_unknown(
    source: str, reason: str, read: Callable[..., object]
) -> None:
    assert read("acme_f:A", acme_f=source) == ({}, reason)


def test_of_every_logger_that_is_installed_here_the_source_says_what_the_import_says() -> None:
    for entry in installed_entries():
        if entry.group not in ("phantom_core.loggers", PLUGIN_GROUP):
            continue
        target = Component("logger", entry.name, entry.target, "", entry.distribution).load()
        settings = {"quantity": "x"} if entry.name == "early-stopping" else {}
        adapter = PluginAdapter(target(**settings), entry.name)
        found = read_hooks(entry.target)
        assert found.unknown == ""
        assert found.places == {h: Place(i.before, i.after) for h, i in adapter.implementations.items()}
