"""Every setting of our components is documented: in its source, and of the core's loggers in a page too."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.installed.discovery import CORE_DISTRIBUTION
from phantom_core.installed.registry import Component
from phantom_testing.scaffold import OWN_DISTRIBUTIONS

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/loggers.md"
NEEDS_MORE = ("torch-actor-critic", "torch-q-network", "torch-soft-actor")  # need torch to be imported
OURS = [
    component
    for component in PluginManager().registry.components()
    if component.distribution in {CORE_DISTRIBUTION, *OWN_DISTRIBUTIONS} and component.name not in NEEDS_MORE
]


def settings_of(component: Component) -> dict[str, str]:
    """Return the names of the settings, each with what the source says of it."""
    config_class: Any = component.config_class()
    if config_class is None:
        return {}
    documents = component.setting_documents()
    return {f.name: documents.get(f.name, "") for f in dataclasses.fields(config_class) if f.init}


@pytest.mark.parametrize("component", OURS, ids=lambda component: component.name)
def test_every_setting_has_a_sentence_below_it(component: Component) -> None:
    attributes = component.load().__doc__ or ""
    undocumented = [
        name for name, text in settings_of(component).items() if not text and f"{name}:" not in attributes
    ]
    assert undocumented == []


@pytest.mark.parametrize(
    "component",
    [c for c in OURS if c.kind == "logger" and c.distribution == CORE_DISTRIBUTION],
    ids=lambda component: component.name,
)
def test_every_logger_of_the_core_has_a_section_that_names_its_settings(component: Component) -> None:
    sections = dict(
        re.findall(r"^## `([\w-]+)`\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    )
    text = sections[component.name]
    assert [
        name for name in settings_of(component) if not re.search(rf"^{name} = ", text, re.MULTILINE)
    ] == []
