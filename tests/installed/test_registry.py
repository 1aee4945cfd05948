"""From a name to a component."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import phantom_core as ph
from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.installed.registry import Component, Registry


def component(name: str, distribution: str = "acme", version: str = "1.0") -> Component:
    return Component("trainer", name, f"{distribution}:Trainer", "", distribution, version)


def message_of(registry: Registry, name: str) -> str:
    with pytest.raises(ph.errors.ConfigError) as caught:
        registry.find("trainer", name)
    return str(caught.value)


def loading_error(fake_distribution: Callable[..., Path], source: str, target: str = "acme_rl:Acme") -> str:
    fake_distribution("acme", {"phantom_core.trainers": {"acme": target}}, {"acme_rl": source})
    with pytest.raises(ph.errors.PluginError) as caught:
        PluginManager().registry.find("trainer", "acme").load()
    assert caught.value.plugin == "acme"
    return str(caught.value)


def test_an_unknown_name_lists_the_nearest_and_all_that_is_registered() -> None:
    registry = Registry([component("acme"), component("zoom", "other", "0.3")])
    assert message_of(registry, "acmee") == (
        "No trainer named 'acmee'. Did you mean 'acme'? Registered: acme (acme 1.0), zoom (other 0.3)."
    )
    with pytest.raises(ph.errors.UnknownNameError) as caught:
        registry.find("trainer", "x")
    assert (caught.value.kind, caught.value.name, caught.value.known) == ("trainer", "x", ("acme", "zoom"))


def test_a_known_name_that_is_not_installed_says_what_to_install() -> None:
    assert message_of(Registry([]), "PPO") == (
        "No trainer named 'PPO'. Registered: none. To install it: pip install phantom-ppo"
    )


def test_a_name_of_two_distributions_lists_both_and_how_to_choose() -> None:
    registry = Registry([component("ppo", "zoom", "2.0"), component("ppo", "acme")])
    assert message_of(registry, "ppo") == (
        "2 distributions offer a trainer named 'ppo': acme 1.0 (acme:Trainer), zoom 2.0 (zoom:Trainer). "
        "Choose one: 'acme:ppo' or 'zoom:ppo'."
    )
    with pytest.raises(ph.errors.AmbiguousNameError) as caught:
        registry.find("trainer", "ppo")
    assert caught.value.choices == ("acme:ppo", "zoom:ppo")
    assert registry.find("trainer", "zoom:ppo").distribution == "zoom"


@pytest.mark.parametrize("name", ["Q_Learning", "q.learning", "q--learning", "Phantom_QLearning:q-learning"])
def test_case_and_separators_make_no_difference(name: str) -> None:
    assert PluginManager().registry.find("trainer", name).name == "q-learning"


def test_a_name_of_another_kind_is_not_found() -> None:
    assert not Registry([component("acme")]).has("logger", "acme")


def test_looking_up_imports_nothing_and_loading_does(fake_distribution: Callable[..., Path]) -> None:
    source = "import phantom_core as ph\nclass Acme(ph.Trainer): pass\n"
    fake_distribution("acme", {"phantom_core.trainers": {"acme": "acme_rl:Acme"}}, {"acme_rl": source})
    found = PluginManager().registry.find("trainer", "acme")
    assert "acme_rl" not in sys.modules
    assert found.load().__name__ == "Acme"


def test_a_missing_library_is_named_as_what_to_install(fake_distribution: Callable[..., Path]) -> None:
    assert loading_error(fake_distribution, "import no_such_lib.deep\n") == (
        "Trainer 'acme' of acme 1.0 could not be loaded: No module named 'no_such_lib' (acme_rl.py, "
        "line 1). If no_such_lib is a package, install it; else mend the import, or select another trainer."
    )


def test_a_module_that_is_missing_from_its_own_distribution_is_named(
    fake_distribution: Callable[..., Path],
) -> None:
    assert loading_error(fake_distribution, "", "acme_gone.trainer:Acme") == (
        "Trainer 'acme' of acme 1.0 could not be loaded: there is no module acme_gone. Its entry point says "
        "'acme_gone.trainer:Acme': reinstall acme."
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("Other = 3", "AttributeError: module 'acme_rl' has no attribute 'Acme'"),
        ("raise SystemExit", "SystemExit"),
    ],
)
def test_a_plugin_that_cannot_be_imported_has_a_defect(
    source: str, reason: str, fake_distribution: Callable[..., Path]
) -> None:
    assert loading_error(fake_distribution, source) == (
        f"Trainer 'acme' of acme 1.0 could not be loaded: {reason}. This is a defect of acme; the traceback "
        "is with -v."
    )


def test_an_entry_point_that_is_no_class_is_a_defect(fake_distribution: Callable[..., Path]) -> None:
    assert loading_error(fake_distribution, "Acme = 3") == (
        "Trainer 'acme' of acme 1.0 is 3. Expected a class: mend its entry point."
    )


def test_a_component_of_another_kind_is_a_defect(fake_distribution: Callable[..., Path]) -> None:
    fake_distribution(
        ("acme"), {"phantom_core.trainers": {"acme": "acme_rl:Acme"}}, {"acme_rl": "class Acme: ..."}
    )
    with pytest.raises(ph.errors.PluginError) as caught:
        ph.train("acme", env=ph.PhantomEnv, num_iterations=1)
    assert str(caught.value) == (
        "Trainer 'acme' of acme 1.0 is Acme, which is no Trainer. This is a defect of acme: derive it from "
        "ph.Trainer."
    )


def test_a_component_for_another_core_is_not_imported(fake_distribution: Callable[..., Path]) -> None:
    fake_distribution(
        "acme",
        {"phantom_core.trainers": {"acme": "acme_rl:Acme"}},
        {"acme_rl": "1 / 0"},
        requires="phantom-rl-core>=7",
    )
    with pytest.raises(ph.errors.IncompatiblePluginError) as caught:
        PluginManager().registry.find("trainer", "acme").load()
    assert str(caught.value) == (
        f"Trainer 'acme' of acme 1.0 needs phantom-rl-core>=7, but {ph.__version__} is installed. Run: pip "
        "install -U acme phantom-rl-core"
    )
    assert "acme_rl" not in sys.modules


@pytest.mark.parametrize(
    ("kind", "name", "distribution"),
    [("hook", "early-stopping", "phantom-loggers"), ("env", "pettingzoo", "phantom-pettingzoo")],
)
def test_what_left_the_core_is_found_by_its_distribution(kind: str, name: str, distribution: str) -> None:
    registry = Registry([])
    with pytest.raises(ph.errors.UnknownNameError) as caught:
        registry.find(kind, name)
    assert str(caught.value) == (
        f"No {kind} named '{name}'. Registered: none. To install it: pip install {distribution}"
    )


def test_a_component_says_what_its_settings_are(fake_distribution: Callable[..., Path]) -> None:
    source = (
        "from dataclasses import dataclass\nimport phantom_core as ph\n@dataclass(frozen=True)\n"
        'class Settings:\n    every: int = 1\n    """Write so often."""\n    other: int = 2\n'
        "class Diary(ph.Hooks):\n    config_class = Settings\n"
        "class Plain(ph.Hooks): ...\n"
    )
    entries = {"phantom_core.loggers": {"diary": "acme_logs:Diary", "plain": "acme_logs:Plain"}}
    fake_distribution("acme", entries, {"acme_logs": source})
    diary, plain = ph.find("logger", "diary"), ph.find("logger", "plain")
    config_class = diary.config_class()
    assert config_class is not None
    assert config_class.__name__ == "Settings"
    assert diary.setting_documents() == {"every": "Write so often."}
    assert (plain.config_class(), plain.setting_documents()) == (None, {})


EVERY = '"""Write so often."""\n'


@pytest.mark.parametrize(
    "source",
    [
        f"class Settings:\n    every: int = 1\n# to the left\n    {EVERY}",
        f"class Settings(\n    object,\n):\n    every: int = 1\n    {EVERY}",
        f'class Settings:\n    """How often.\nTo the left.\n"""\n    every: int = 1\n    {EVERY}',
        f"def f():\n    class Settings: ...\n@dataclass\nclass Settings:\n    every: int = 1\n    {EVERY}",
        f"if True:\n    @dataclass\n    class Settings:\n        every: int = 1\n        {EVERY}",
    ],
    ids=["comment", "header", "text", "namesake", "indented"],
)
def test_it_does_however_the_class_of_its_settings_is_written(
    source: str, fake_distribution: Callable[..., Path]
) -> None:
    begin = "from dataclasses import dataclass\nimport phantom_core as ph\n"
    begin += "@dataclass\n" if source.startswith("class") else ""
    logger = "class Diary(ph.Hooks):\n    config_class = Settings\n"
    entries = {"phantom_core.loggers": {"diary": "acme_logs:Diary"}}
    fake_distribution("acme", entries, {"acme_logs": begin + source + logger})
    assert ph.find("logger", "diary").setting_documents() == {"every": "Write so often."}


def test_a_command_has_no_settings(fake_distribution: Callable[..., Path]) -> None:
    source = "import click\n@click.command()\ndef greet(): ...\n"
    fake_distribution("acme", {"phantom_core.commands": {"greet": "acme_c:greet"}}, {"acme_c": source})
    assert ph.find("command", "greet").config_class() is None


def test_the_status_of_an_entry_says_where_it_is_from(fake_distribution: Callable[..., Path]) -> None:
    requires = "phantom-rl-core<9,>=0.2"
    entries = {"phantom_core.loggers": {"good": "acme_x:Good", "bad": "acme_x Bad"}}
    site = fake_distribution("acme", entries, {"acme_x": ""}, requires=requires)
    good, bad = (
        next(s for s in ph.tools.plugin_statuses() if (s.distribution, s.name) == ("acme", name))
        for name in ("good", "bad")
    )
    assert (good.group, good.location, good.requires) == ("phantom_core.loggers", str(site), (requires,))
    assert (good.core_specifier, good.problem, good.status) == ("<9,>=0.2", "", "ok")
    assert (bad.status, bad.problem) == ("failed", bad.reason)
    assert bad.problem.startswith("its target is 'acme_x Bad'")
