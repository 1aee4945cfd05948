"""From what a run names to what it uses: trainers, envs, policies, metrics and loggers, built and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from phantom_core.component_config import build, config_class_of
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError, PhantomError, PluginError
from phantom_core.hooks.hookspecs import Hooks, Kind
from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.hooks.registry import Component, Registry
from phantom_core.metrics import Metric
from phantom_core.policies.policy import Policy
from phantom_core.training.trainer import Trainer


class Components:
    """The registered components of one run, and the plugins that follow it.

    Attributes:
        manager: the plugins.
        registry: the names.
        used: the components that were selected so far, for the record.
    """

    def __init__(self) -> None:
        self.manager = PluginManager()
        self.manager.load_installed_plugins()
        self.registry: Registry = self.manager.registry()
        self.used: list[Component] = []

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
            name, trainer_class = choice, self._load("trainer", choice, Trainer)
            settings = {**configs.get(choice, {}), **configs.get("", {})}
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
        return self._load("policy", name, Policy)

    def env_class(self, choice: str | Callable[..., MultiAgentEnv]) -> Callable[..., MultiAgentEnv]:
        """Return an env class: the one given, or the one that is registered under a name."""
        if not isinstance(choice, str):
            if not callable(choice):
                raise ConfigError(
                    f"env is {choice!r}, not a class. Expected an env class or a function "
                    "that makes an env, so that several can be made."
                )
            return choice
        return self._load("env", choice, object)

    def metric(self, name: str, kind: str, settings: Mapping[str, Any]) -> Metric:
        """Build the metric of a run file's table `[metrics.<name>]`."""
        metric_class = self._load("metric", kind, Metric)
        built = self._build("metrics", name, metric_class, settings)
        assert isinstance(built, Metric)
        return built

    def attach_logger(self, choice: str | Hooks, settings: Mapping[str, Any]) -> None:
        """Let a logger follow the run: a registered name with settings, or an instance."""
        if isinstance(choice, str):
            logger = self._build("logger", choice, self._load("logger", choice, Hooks), settings)
            self.manager.register(logger, choice)
        else:
            self.attach(choice)

    def attach(self, hooks: object) -> None:
        """Let an object follow the run, under the name of its class or module."""
        owner = hooks if isinstance(hooks, type) or hasattr(hooks, "__name__") else type(hooks)
        self.manager.register(hooks, str(getattr(owner, "__name__", owner)))

    def _load(self, kind: Kind, name: str, base: type) -> type[Any]:
        component = self.registry.find(kind, name)
        loaded = component.load()
        if not issubclass(loaded, base):
            raise PluginError(
                f"{kind.capitalize()} {name!r} of {component.provider} is {loaded.__name__}, "
                f"which is no {base.__name__}. "
                f"This is a defect of {component.distribution}: derive it from ph.{base.__name__}.",
                plugin=component.distribution,
            )
        self.used.append(component)
        return loaded

    def _build(self, table: str, name: str, component: type[Any], settings: Mapping[str, Any]) -> Any:
        """Check settings under the path that the user knows them by, then build."""
        config_class = config_class_of(component)
        if config_class is not None:
            checked = build(config_class, settings, f"{table}.{name}")
            if config_class is component:
                return checked
        elif settings:
            raise ConfigError(
                f"{table}.{name} takes no settings, but got: "
                f"{', '.join(map(repr, settings))}. Leave them out."
            )
        try:
            return component(**settings)
        except PhantomError:
            raise
        except Exception as error:  # whatever a stranger's constructor raises
            raise PluginError(
                f"{table}.{name} could not be built: {type(error).__name__}: {error}", plugin=name
            ) from error
