"""`Components`: finds, builds and checks the components of a run, and attaches its plugins."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, cast

from phantom_core.component_config import build, check_parameters, config_class_of
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError, PhantomError, PluginError, error_text
from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.importing import find_module, import_object
from phantom_core.installed.discovery import CORE_DISTRIBUTION, normalised
from phantom_core.installed.plugin_settings import PluginSettings
from phantom_core.installed.registry import Component, Registry
from phantom_core.metrics import Metric
from phantom_core.policies.policy import BasePolicy
from phantom_core.rollouts.measured_env import check_is_env
from phantom_core.secrets import Secrets, masked
from phantom_core.training.references import load_hooks, load_reference, trainer_key
from phantom_core.training.run_settings import Configs, matches_trainer


class Components:
    """The components and plugins of one run.

    A component can be given as a registered name, as a reference (`package.module:Class` or
    `./file.py:Class`), or as a class.
    """

    def __init__(
        self,
        settings: PluginSettings | None = None,
        *,
        folder: Path | None = None,
        start: str = "the current folder",
        takes_plugins: bool = True,
    ) -> None:
        """Load the installed plugins, if they follow the run; without settings, those of its surroundings.

        Relative references start from `folder`, which messages call `start`; None for the current folder.
        """
        self.manager = PluginManager(settings)
        if takes_plugins:
            self.manager.load_installed_plugins()
        self.registry: Registry = self.manager.registry
        self.used: list[Component] = []  # the registered ones that were selected so far
        self.attached: list[tuple[str, object]] = []  # the objects passed by the user, each with its name
        self._places: set[str] = set()
        self._folder = Path() if folder is None else folder
        self._start = start

    def trainer(self, choice: Any, configs: Configs) -> tuple[str, Any]:
        """Return the name and a new instance of a trainer; an instance is copied."""
        base = cast("type", import_object(self.registry.kinds["trainer"].base))
        if isinstance(choice, base):
            return type(choice).__name__, self._copy(choice, configs)
        found, component = self._resolve("trainer", choice, "trainer.name")
        if not (isinstance(found, type) and issubclass(found, base)):
            expected = "Expected a registered name such as 'q-learning', or a Trainer class or instance."
            raise ConfigError(f"trainer is {choice!r}. {expected}")
        name = found.__name__ if component is None else component.name
        return name, self._build("trainer", name, found, settings_of(component, choice, configs))

    def policy_class(self, choice: str) -> type[BasePolicy]:
        """Return the policy class for a name or reference."""
        return cast("type[BasePolicy]", self._resolve("policy", choice, "policy")[0])

    def env_class(self, choice: str | Callable[..., MultiAgentEnv]) -> Callable[..., MultiAgentEnv]:
        """Return an env class, or a function that makes an env; raise `ConfigError` if it is neither."""
        found = self._resolve("env", choice, "env")[0]
        if not callable(found) and isinstance(choice, str):
            raise ConfigError(f"env = {choice!r} is a {type(found).__name__}. Expected an env class.")
        if not callable(found):
            expected = "Expected an env class or a function that makes an env, so that several can be made."
            raise ConfigError(f"env is {choice!r}, not a class. {expected}")
        if isinstance(found, type):  # the env that a function returns is checked when it is made
            check_is_env(found, ("reset", "step"))
        return cast("Callable[..., MultiAgentEnv]", found)

    def metric(self, name: str, choice: Any) -> Metric:
        """Return a metric: the object given, or one built from a name, class or table with `metric`."""
        if isinstance(choice, Metric):
            return choice
        table = choice if isinstance(choice, Mapping) else {"metric": choice}
        if not isinstance(table.get("metric"), (str, type)):
            if isinstance(choice, Mapping):
                advice = "Give it a registered name, such as 'agent'."
                raise ConfigError(f"metrics.{name} needs a value for 'metric' (str). {advice}")
            raise ConfigError(
                f"metrics[{name!r}] is {choice!r}. Expected an instance of ph.metrics.Metric, such as "
                "ph.metrics.SimpleEnvMetric('current_step')."
            )
        found = self._resolve("metric", table["metric"], f"metrics.{name}.metric")[0]
        if not (isinstance(found, type) and issubclass(found, Metric)):
            raise ConfigError(
                f"metrics.{name}.metric is {getattr(found, '__name__', repr(found))}. "
                "Expected a registered name, or a Metric class."
            )
        settings = {key: value for key, value in table.items() if key != "metric"}
        built: Metric = self._build("metrics", name, found, settings)
        return built

    def attach_logger(self, choice: object, configs: Configs) -> None:
        """Attach a logger to the run, given by name, reference, class or object."""
        if isinstance(choice, str) and (":" not in choice or self.registry.has("logger", choice)):
            self._attach_component(choice, self.registry.find("logger", choice), "loggers", configs)
        elif isinstance(choice, str):
            self._attach_place(choice, "loggers")
        else:
            self.attach(choice)

    def attach_tensorboard(self, directory: str | Path | None, *, adds_to_earlier: bool) -> None:
        """Attach the logger `tensorboard`, which writes to a directory over iterations; None for nothing."""
        if directory is not None:
            settings = {"directory": str(directory), "step_axis": "iteration"}
            own = {"tensorboard": settings | {"replaces_earlier": not adds_to_earlier}}
            self.attach_logger("tensorboard", own)

    def attach_hooks(self, choice: object, configs: Mapping[str, Configs]) -> None:
        """Attach hooks to the run: hooks or a logger by name, a reference, a module, a class or an object.

        `configs` holds settings by kind (`"hook"`, `"logger"`) and name.
        """
        if not isinstance(choice, str):
            self.attach(choice)
            return
        if not choice.strip():
            expected = "Expected the name of hooks, or a place such as './file.py'."
            raise ConfigError(f"hooks has {choice!r}. {expected}")
        for kind in ("hook", "logger"):
            if self.registry.has(kind, choice):
                component = self.registry.find(kind, choice)
                self._attach_component(choice, component, "hooks", configs.get(kind, {}))
                return
        if re.fullmatch(r"\w+(-\w+)*", choice) and (not choice.isidentifier() or find_module(choice) is None):
            self.registry.find("hook", choice)  # raises: neither a module nor a registered name
        self._attach_place(choice, "hooks")

    def attach_record(self, configs: Configs) -> None:
        """Attach the logger `jsonl` to a run with a directory, unless it is disabled or already attached."""
        if self.registry.has("logger", "jsonl") and self.registry.find("logger", "jsonl") not in self.used:
            self.attach_logger("jsonl", configs)

    @property
    def has_record(self) -> bool:
        """Whether the core's logger `jsonl` follows the run: not another of this name, and not disabled."""
        return any(map(_is_record, self.used))

    def attach(self, hooks: object) -> None:
        """Attach an object to the run, under the name of its class or module."""
        owner = hooks if isinstance(hooks, (type, FunctionType, ModuleType)) else type(hooks)
        self.attached.append((owner.__name__, self.manager.register(hooks, owner.__name__)))

    def _attach_place(self, choice: str, setting: str) -> None:
        if choice in self._places:
            raise ConfigError(f"{setting} names {choice!r} twice. Name it once.")
        self._places.add(choice)
        self.attach(load_hooks(choice, setting=setting, folder=self._folder, start=self._start))

    def _attach_component(self, name: str, component: Component, setting: str, configs: Configs) -> None:
        if component in self.used:
            raise ConfigError(f"{setting} names {name!r} twice. Name it once.")
        settings = settings_of(component, name, configs)
        hooks = self._build(component.kind, component.name, self._load(component), settings)
        self.manager.register(hooks, component.name, is_permanent=_is_record(component))

    def _resolve(self, kind: str, choice: Any, setting: str) -> tuple[Any, Component | None]:
        """Resolve a name or reference; return the object, and its component if it is registered."""
        if not isinstance(choice, str):
            return choice, None
        if ":" in choice and not self.registry.has(kind, choice):
            base = import_object(self.registry.kinds[kind].base)
            found = load_reference(
                choice, setting=setting, folder=self._folder, start=self._start, expected=base
            )
            return found, None
        component = self.registry.find(kind, choice)
        return self._load(component), component

    def _load(self, component: Component) -> type[Any]:
        loaded: type[Any] = component.load()
        self.used.append(component)
        return loaded

    @staticmethod
    def _copy(trainer: Any, configs: Configs) -> Any:
        name = type(trainer).__name__
        if any(configs.get(key) for key in configs if key.rpartition(":")[2] == name):
            advice = "Give the settings to the instance."
            raise ConfigError(f"trainer is an instance of {name}, so trainer_config has no use. {advice}")
        try:
            return copy.deepcopy(trainer)
        except Exception as error:  # a user's object may raise anything
            raise ConfigError(
                f"trainer is an instance of {name} that cannot be copied, so that each run begins alike: "
                f"{error_text(error)}. Give the class, and its settings as trainer_config."
            ) from error

    def _build(self, table: str, name: str, component: type[Any], settings: Mapping[str, Any]) -> Any:
        """Check the settings, naming them as the user wrote them, and build the component."""
        config_class = config_class_of(component)
        if config_class is not None:
            checked = build(config_class, settings, f"{table}.{name}")
            if config_class is component:
                return checked
            try:
                inspect.signature(component).bind(**settings)
            except TypeError as error:  # its own __init__ does not take the fields by name
                raise PluginError(
                    f"{table}.{name} could not be built: {component.__name__}.__init__ does not take the "
                    f"fields of {config_class.__name__} by name: {error_text(error)}. Leave __init__ out and "
                    "read self.config, or write it as: def __init__(self, **settings): "
                    "super().__init__(**settings).",
                    plugin=component.__name__,
                ) from error
        else:
            check_parameters(component, settings, f"{table}.{name}")
        try:
            return component(**settings)
        except PhantomError:
            raise
        except Exception as error:  # a plugin's constructor may raise anything
            raise PluginError(
                f"{table}.{name} could not be built: {Secrets.of(settings).hide(error_text(error))}. "
                f"Its settings: {masked(dict(settings))}.",
                plugin=name,
            ) from error


def _is_record(component: Component) -> bool:
    return (component.distribution, component.name) == (CORE_DISTRIBUTION, "jsonl")


def settings_of(component: Component | None, choice: Any, configs: Configs) -> dict[str, Any]:
    """Return the settings of a component by its name in any spelling, or of a class by its reference."""
    if component is None:
        own_name = trainer_key(choice)
        matching = [key for key in configs if matches_trainer(key, own_name)]
    else:
        own = {normalised(component.name), normalised(component.qualified_name)}
        matching = [key for key in configs if normalised(key) in own]
    return {name: value for key in matching for name, value in configs[key].items()}
