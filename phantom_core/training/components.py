"""From what a run names to what it uses: trainers, envs, policies, metrics and loggers, built and checked."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from phantom_core.component_config import build, check_parameters, config_class_of
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError, PhantomError, PluginError, told
from phantom_core.hooks.discovery import CORE_DISTRIBUTION, normalised
from phantom_core.hooks.entry_status import find_module
from phantom_core.hooks.hookspecs import Hooks
from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.hooks.plugin_settings import PluginSettings
from phantom_core.hooks.registry import Component, Registry
from phantom_core.metrics import Metric
from phantom_core.policies.policy import Policy
from phantom_core.training.named_hooks import load_hooks
from phantom_core.training.train_loop import check_is_env
from phantom_core.training.trainer import Trainer


class Components:
    """The registered components of one run, and the plugins that follow it.

    Attributes:
        manager: the plugins.
        registry: the names.
        used: the components that were selected so far, for the record.
        attached: the objects that were handed over, each with its name, for the record.
    """

    def __init__(self, settings: PluginSettings | None = None) -> None:
        """Look around for plugins.

        Args:
            settings: who is left out; None: as environment variables and `phantom.toml` say.
        """
        self.manager = PluginManager(settings)
        self.manager.load_installed_plugins()
        self.registry: Registry = self.manager.registry
        self.used: list[Component] = []
        self.attached: list[tuple[str, object]] = []

    def trainer(
        self, choice: str | type[Trainer] | Trainer, configs: Mapping[str, Mapping[str, Any]]
    ) -> tuple[str, Trainer]:
        """Return the name and the instance of a trainer.

        Args:
            choice: a registered name, a class or an instance.
            configs: settings by trainer name; those of a class are under the empty name.

        Raises:
            ConfigError: if it is unknown, or a setting is wrong.
            PluginError: if it cannot be imported.
        """
        if isinstance(choice, Trainer):
            if configs.get(""):
                raise ConfigError(
                    f"trainer is an instance of {type(choice).__name__}, so trainer_config "
                    "has no use. Give the settings to the instance."
                )
            return type(choice).__name__, choice
        if isinstance(choice, str):
            component = self.registry.find("trainer", choice)
            name, trainer_class = component.name, self._load(component)
            settings = {**settings_of(component, configs), **configs.get("", {})}
        elif isinstance(choice, type) and issubclass(choice, Trainer):
            name, trainer_class, settings = choice.__name__, choice, dict(configs.get("", {}))
        else:
            raise ConfigError(
                f"trainer is {choice!r}. Expected a registered name such as 'q-learning', or "
                "a Trainer class or instance."
            )
        built = self._build("trainer", name, trainer_class, settings)
        assert isinstance(built, Trainer)
        return name, built

    def policy_class(self, name: str) -> type[Policy]:
        """Return the policy class that is registered under a name."""
        return self._load(self.registry.find("policy", name))

    def env_class(self, choice: str | Callable[..., MultiAgentEnv]) -> Callable[..., MultiAgentEnv]:
        """Return an env class: the one given, or the one that is registered under a name."""
        if not isinstance(choice, str):
            if not callable(choice):
                raise ConfigError(
                    f"env is {choice!r}, not a class. Expected an env class or a function "
                    "that makes an env, so that several can be made."
                )
            if isinstance(choice, type):  # what a function makes is looked at when it is made
                check_is_env(choice, ("reset", "step"))
            return choice
        return self._load(self.registry.find("env", choice))

    def metric(self, name: str, choice: str | type[Metric], settings: Mapping[str, Any]) -> Metric:
        """Build the metric of a run file's table `[metrics.<name>]`."""
        metric_class = choice
        if isinstance(choice, str):
            metric_class = self._load(self.registry.find("metric", choice))
        if not (isinstance(metric_class, type) and issubclass(metric_class, Metric)):
            raise ConfigError(
                f"metrics.{name}.metric is {getattr(metric_class, '__name__', repr(metric_class))}. "
                "Expected a registered name, or a Metric class."
            )
        built = self._build("metrics", name, metric_class, settings)
        assert isinstance(built, Metric)
        return built

    def attach_logger(self, choice: str | Hooks, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Let a logger follow the run: a registered name, or an instance.

        Args:
            choice: the logger.
            configs: settings by logger name.

        Raises:
            ConfigError: if it is unknown, was attached before, or a setting is wrong.
            PluginError: if it cannot be imported or built.
        """
        if isinstance(choice, str):
            self._attach_component(choice, self.registry.find("logger", choice), "loggers", configs)
        else:
            self.attach(choice)

    def attach_hooks(
        self,
        choice: object,
        configs: Mapping[str, Mapping[str, Mapping[str, Any]]],
        *,
        folder: Path | None = None,
        start: str = "the current folder",
    ) -> None:
        """Let hooks follow the run: the registered name of hooks or of a logger, a place, or an object.

        Args:
            choice: the hooks; a place is a module, or `./file.py:Class`.
            configs: settings by kind (`"hook"`, `"logger"`) and name.
            folder: what a relative place is relative to; None: the current folder.
            start: what that folder is, for messages.

        Raises:
            ConfigError: if it is unknown, was attached before, or a setting is wrong.
            PluginError: if it cannot be imported or built.
        """
        if not isinstance(choice, str):
            self.attach(choice)
            return
        for kind in ("hook", "logger"):
            if self.registry.has(kind, choice):
                component = self.registry.find(kind, choice)
                self._attach_component(choice, component, "hooks", configs.get(kind, {}))
                return
        if re.fullmatch(r"\w+(-\w+)*", choice) and (not choice.isidentifier() or find_module(choice) is None):
            self.registry.find("hook", choice)  # raises: it is no module, and no name either
        self.attach(load_hooks(choice, folder=folder, start=start))

    def _attach_component(
        self, name: str, component: Component, setting: str, configs: Mapping[str, Mapping[str, Any]]
    ) -> None:
        if component in self.used:
            raise ConfigError(f"{setting} names {name!r} twice. Name it once.")
        hooks_class = self._load(component)
        hooks = self._build(component.kind, component.name, hooks_class, settings_of(component, configs))
        is_core = component.distribution == CORE_DISTRIBUTION
        self.manager.register(hooks, component.name, is_permanent=is_core)

    def uses(self, kind: str, name: str) -> bool:
        """Return whether a component was selected."""
        return self.registry.find(kind, name) in self.used

    def attach(self, hooks: object) -> None:
        """Let an object follow the run, under the name of its class or module."""
        owner = hooks if isinstance(hooks, type) or hasattr(hooks, "__name__") else type(hooks)
        name = str(getattr(owner, "__name__", owner))
        self.attached.append((name, self.manager.register(hooks, name)))

    def _load(self, component: Component) -> type[Any]:
        loaded: type[Any] = component.load()
        self.used.append(component)
        return loaded

    def _build(self, table: str, name: str, component: type[Any], settings: Mapping[str, Any]) -> Any:
        """Check settings under the path that the user knows them by, then build."""
        config_class = config_class_of(component)
        if config_class is not None:
            checked = build(config_class, settings, f"{table}.{name}")
            if config_class is component:
                return checked
            _check_takes_settings(component, config_class, settings, f"{table}.{name}")
        else:
            check_parameters(component, settings, f"{table}.{name}")
        try:
            return component(**settings)
        except PhantomError:
            raise
        except Exception as error:  # whatever a stranger's constructor raises
            raise PluginError(
                f"{table}.{name} could not be built: {told(error)}. Its settings: {dict(settings)}.",
                plugin=name,
            ) from error


def _check_takes_settings(
    component: type[Any], config_class: type, settings: Mapping[str, Any], path: str
) -> None:
    """Refuse a component with a `config_class` whose own `__init__` does not take its fields by name."""
    try:
        inspect.signature(component).bind(**settings)
    except TypeError as error:
        raise PluginError(
            f"{path} could not be built: {component.__name__}.__init__ does not take the fields of "
            f"{config_class.__name__} by name: {told(error)}. Leave __init__ out and read self.config, or "
            "write it as: def __init__(self, **settings): super().__init__(**settings).",
            plugin=component.__name__,
        ) from error


def settings_of(component: Component, configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings of a component, however its name is spelt."""
    own = {normalised(component.name), normalised(component.qualified_name)}
    found: dict[str, Any] = {}
    for name, settings in configs.items():
        if normalised(name) in own:
            found.update(settings)
    return found
