"""Who is left out: environment variables, phantom.toml and the run file, all before anything is imported."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import phantom_core as ph
from phantom_core.hooks.plugin_manager import PluginManager, SkippedPlugin
from phantom_core.installed.discovery import InstalledEntry, installed_entries
from phantom_core.installed.plugin_settings import PluginSettings

SUICIDAL = "import os\nos._exit(1)\n"


@pytest.fixture
def acme(fake_distribution: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a distribution installed that ends the process when it is imported."""
    groups = {
        "phantom_core.plugins": {"follow": "acme_s:S"},
        "phantom_core.trainers": {"acme-rl": "acme_s:T"},
    }
    fake_distribution("acme", groups, {"acme_s": SUICIDAL})
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def entry(name: str, distribution: str = "acme") -> InstalledEntry:
    return InstalledEntry("phantom_core.loggers", name, "m:C", distribution, "1.0", "", "")


def skipped() -> list[SkippedPlugin]:
    """Load the installed plugin objects, which would end the process if one of acme's were imported."""
    manager = PluginManager()
    manager.load_installed_plugins()
    assert "acme_s" not in sys.modules
    return manager.skipped


def message_of(text: str) -> str:
    Path("phantom.toml").write_text(text)
    with pytest.raises(ph.errors.ConfigError) as caught:
        PluginSettings.of_surroundings()
    return str(caught.value)


@pytest.mark.usefixtures("acme")
def test_phantom_toml_in_the_working_directory_disables_by_name() -> None:
    Path("phantom.toml").write_text("[plugins]\ndisable = ['Acme']\n")
    reason = "plugins.disable in phantom.toml names it."
    assert skipped() == [SkippedPlugin("acme:follow", reason, "disabled")]


@pytest.mark.usefixtures("acme")
def test_who_is_not_on_a_list_of_allowed_names_takes_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHANTOM_ALLOWED_PLUGINS", "phantom-qlearning, console")
    reason = "PHANTOM_ALLOWED_PLUGINS does not name it."
    assert skipped() == [SkippedPlugin("acme:follow", reason, "disabled")]
    registry = PluginManager().registry
    trainers = ["double-q-learning", "expected-sarsa", "q-learning", "sarsa"]
    assert sorted(c.name for c in registry.components("trainer")) == trainers
    assert {c.name for c in registry.components("logger")} >= {"console", "jsonl"}  # jsonl is the core's own
    assert not registry.has("logger", "tensorboard")


def test_every_list_of_allowed_names_must_name_it() -> None:
    settings = PluginSettings().with_table({"allow": ["acme", "zoom"]}, "phantom.toml")
    settings = settings.with_table({"allow": ["acme"], "disable": ["acme:b"]}, "guess.toml")
    assert settings.refusal_of(entry("a")) == ""
    assert settings.refusal_of(entry("b")) == "plugins.disable in guess.toml names it."
    assert settings.refusal_of(entry("z", "zoom")) == "plugins.allow in guess.toml does not name it."


def test_an_empty_list_of_allowed_names_leaves_the_core_alone() -> None:
    settings = PluginSettings().with_table({"allow": []}, "phantom.toml")
    assert {e.distribution for e in installed_entries() if not settings.refusal_of(e)} == {"phantom-rl-core"}


@pytest.mark.usefixtures("acme")
def test_a_disabled_component_that_is_selected_says_who_disabled_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHANTOM_DISABLED_PLUGINS", "acme")
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train("acme_rl", env="gymnasium", num_iterations=1)
    assert str(caught.value) == (
        "Trainer 'acme-rl' of acme 1.0 is disabled: PHANTOM_DISABLED_PLUGINS names it. Change that, or "
        "select another trainer."
    )


def test_names_that_mean_nothing_are_told() -> None:
    settings = PluginSettings().with_table({"disable": ["consol", "console"]}, "phantom.toml")
    assert settings.unknown_names(installed_entries()) == [("consol", "plugins.disable in phantom.toml")]


@pytest.mark.usefixtures("acme")
def test_a_run_says_which_names_mean_nothing_and_which_are_near(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Path("phantom.toml").write_text("[plugins]\ndisable = ['acme:folow', 'acme']\nallow = ['zzz', 'acme']\n")
    monkeypatch.setenv("PHANTOM_DISABLED_PLUGINS", "phantom-consol")
    monkeypatch.setenv("PHANTOM_DISABLE_PLUGINS", "acme")
    skipped()
    hint = "phantom plugins list shows what is."
    assert caplog.messages == [
        (
            "PHANTOM_DISABLED_PLUGINS names 'phantom-consol', which is not installed. Did you mean "
            f"'phantom-console'? {hint}"
        ),
        (
            "plugins.disable in phantom.toml names 'acme:folow', which is not installed. Did you mean "
            f"'acme:follow'? {hint}"
        ),
        f"plugins.allow in phantom.toml names 'zzz', which is not installed. {hint}",
        (
            "The environment variable PHANTOM_DISABLE_PLUGINS means nothing. Did you mean "
            "'PHANTOM_DISABLED_PLUGINS'?"
        ),
    ]


@pytest.mark.usefixtures("acme")
def test_what_is_wrong_with_phantom_toml_is_told() -> None:
    assert message_of("seed = 1\n") == (
        "phantom.toml has 'seed', but only the table [plugins] is read from it. Settings of a run go into a "
        "run file."
    )
    assert message_of("[plugins]\ndisabel = []\n") == (
        "phantom.toml: plugins has no setting 'disabel'. Did you mean 'disable'? Its settings: disable, "
        "allow."
    )
    assert message_of("plugins = 3\n") == "phantom.toml: plugins = 3 is wrong. Expected a table: [plugins]."
    assert message_of("[plugins\n").startswith("phantom.toml cannot be read: Expected ']'")


def test_a_broken_plugin_ends_the_run_if_plugins_are_strict(
    fake_distribution: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_distribution("acme", {"phantom_core.plugins": {"f": "acme_broken:F"}}, {"acme_broken": "1 / 0"})
    monkeypatch.setenv("PHANTOM_STRICT", "1")
    with pytest.raises(ph.errors.PluginError) as caught:
        ph.train("q-learning", env="gymnasium", num_iterations=1)
    assert str(caught.value) == (
        "Plugin 'acme:f' cannot take part, and plugins are strict: it could not be loaded: "
        "ZeroDivisionError: division by zero."
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_strictness_is_yes_or_no(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, is_strict in (("1", True), ("yes", True), ("0", False), ("no", False), ("", False)):
        monkeypatch.setenv("PHANTOM_STRICT", value)
        assert PluginSettings.of_surroundings().is_strict is is_strict
    monkeypatch.setenv("PHANTOM_STRICT", "yess")
    with pytest.raises(ph.errors.ConfigError) as caught:
        PluginSettings.of_surroundings()
    assert str(caught.value) == "PHANTOM_STRICT is 'yess'. Expected 1 or 0."
