"""`Registry`: finds components by kind and name. They are imported only when selected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final

from phantom_core.component_config import config_class_of, field_documents
from phantom_core.errors import (
    AmbiguousNameError,
    ConfigError,
    IncompatiblePluginError,
    PluginError,
    UnknownNameError,
    did_you_mean,
    error_place,
    error_text,
    with_article,
)
from phantom_core.importing import exit_report, import_object, top_package
from phantom_core.installed.discovery import CORE_KINDS, InstalledEntry, Kind, core_mismatch, normalised

DISTRIBUTION_BY_NAME: Final = {
    "console": "phantom-console",
    "csv": "phantom-loggers",
    "dqn": "phantom-dqn",
    "early-stopping": "phantom-loggers",
    "es": "phantom-es",
    "greedy-actor": "phantom-es",
    "gru-actor-critic": "phantom-ppo",
    "local": "phantom-experiments",
    "mappo": "phantom-ppo",
    "mlp-actor-critic": "phantom-ppo",
    "mlp-q-network": "phantom-dqn",
    "mlp-soft-actor": "phantom-sac",
    "mlp-stochastic-actor": "phantom-ppo",
    "mlflow": "phantom-mlflow",
    "pettingzoo": "phantom-pettingzoo",
    "ppo": "phantom-ppo",
    "q-learning": "phantom-qlearning",
    "q-table": "phantom-qlearning",
    "sac": "phantom-sac",
    "tensorboard": "phantom-tensorboard",
    "wandb": "phantom-wandb",
}
"""The distribution to install for a well-known component name."""

DISTRIBUTION_BY_COMMAND: Final = {
    "record": "phantom-recording",
    "runs": "phantom-runs",
    "show": "phantom-recording",
    "simulate": "phantom-experiments",
    "table": "phantom-experiments",
    "doctor": "phantom-testing",
    "plot": "phantom-experiments",
    "plugins.check": "phantom-testing",
    "plugins.doctor": "phantom-testing",
    "plugins.new": "phantom-testing",
    "plugins.order": "phantom-testing",
}
"""The distribution to install for a command of `phantom`; one of a group is called `plugins.check`."""


@dataclass(frozen=True, slots=True)
class Component:
    """One registered component.

    Attributes:
        kind: the kind, such as `"trainer"`.
        name: the name that users select it by.
        target: the class, or a reference to it.
        summary: a one-line description.
        distribution: the distribution or plugin object that provides it.
        version: the version of that distribution; empty for a plugin object.
        core_specifier: the distribution's version specifier for the core.
        is_compatible: whether the installed core matches it.
        base: the base class of its kind, as `package.module:Class`.
    """

    kind: str
    name: str
    target: str | type
    summary: str
    distribution: str
    version: str = ""
    core_specifier: str = ""
    is_compatible: bool = True
    base: str = "builtins:object"

    @classmethod
    def of(cls, entry: InstalledEntry, kind: Kind) -> Component:
        """Return the component of an entry point."""
        names = {field.name for field in fields(cls)} - {"base"}
        return cls(**{name: getattr(entry, name) for name in names}, base=kind.base)

    @property
    def qualified_name(self) -> str:
        """`distribution:name`, which is never ambiguous."""
        return f"{self.distribution}:{self.name}"

    @property
    def provider(self) -> str:
        """The distribution and its version."""
        return f"{self.distribution} {self.version}".rstrip()

    def load(self) -> Any:
        """Import the component: a class derived from the base class of its kind, or a click command.

        Raises:
            IncompatiblePluginError: if the core does not match its version specifier; nothing is imported.
            PluginError: if the import fails, or the object has the wrong type for its kind.
        """
        if not self.is_compatible:
            mismatch = core_mismatch(self.distribution, self.core_specifier)
            raise IncompatiblePluginError(f"{self._title} {mismatch}", plugin=self.distribution)
        target = self._import(self.target) if isinstance(self.target, str) else self.target
        base: type = import_object(self.base)
        if self.kind == "command":
            if not isinstance(target, base):
                self._fail(f"is {target!r}. Expected a click command: mend its entry point.")
        elif not isinstance(target, type):
            self._fail(f"is {target!r}. Expected a class: mend its entry point.")
        elif not issubclass(target, base):
            module = "ph" if base.__module__.startswith("phantom_core.") else base.__module__
            self._fail(
                f"is {target.__name__}, which is no {base.__name__}. This is a defect of "
                f"{self.distribution}: derive it from {module}.{base.__qualname__}."
            )
        return target

    def config_class(self) -> type | None:
        """Import the component, as `load`, and return the dataclass of its settings, or None."""
        target = self.load()
        return config_class_of(target) if isinstance(target, type) else None

    def setting_documents(self) -> dict[str, str]:
        """Import the component, as `load`, and return, by name, the string below each field of its settings.

        A field without one is left out; without a `config_class` there are none.
        """
        config_class = self.config_class()
        return {} if config_class is None else field_documents(config_class)

    @property
    def _title(self) -> str:
        return f"{self.kind.capitalize()} {self.name!r} of {self.provider}"

    def _fail(self, what: str) -> None:
        raise PluginError(f"{self._title} {what}", plugin=self.distribution)

    def _import(self, target: str) -> Any:
        try:
            with exit_report(f"{self.kind} {self.qualified_name!r}"):
                return import_object(target)
        except (Exception, SystemExit) as error:
            missing = (error.name or "") if isinstance(error, ModuleNotFoundError) else None
            if missing is None:
                reason = (
                    f"{error_text(error)}. This is a defect of {self.distribution}; the traceback is with -v."
                )
            elif top_package(missing) == top_package(target):
                reason = (
                    f"there is no module {missing}. Its entry point says {target!r}: reinstall "
                    f"{self.distribution}."
                )
            else:
                reason = (
                    f"{error}{error_place(error)}. If {top_package(missing)} is a package, install it; else "
                    f"mend the import, or select another {self.kind}."
                )
            what = f"{self._title} could not be loaded: {reason}"
            raise PluginError(what, plugin=self.distribution) from error


class Registry:
    """The available components, by kind and name."""

    def __init__(
        self,
        components: Iterable[Component] = (),
        disabled: Mapping[InstalledEntry, str] = MappingProxyType({}),
        kinds: Mapping[str, Kind] = CORE_KINDS,
        broken: Iterable[InstalledEntry] = (),
    ) -> None:
        """Create a registry; `disabled` and `broken` entries, the first with the reason, cannot be used."""
        self.kinds = kinds
        self._components = list(components)
        self._disabled = disabled
        self._broken = tuple(broken)

    def add(self, components: Iterable[Component]) -> None:
        """Add components, such as those that a plugin object provides."""
        self._components += components

    def components(self, kind: str | None = None) -> Sequence[Component]:
        """Return the components of a kind, or all, sorted by kind, name and distribution."""
        if kind is not None:
            self.check_kind(kind)
        chosen = [c for c in self._components if kind is None or c.kind == kind]
        return sorted(chosen, key=lambda c: (c.kind, normalised(c.name), c.distribution))

    def find(self, kind: str, name: str) -> Component:
        """Return the component with this kind and name, as `ph.find` does; nothing is imported."""
        found = self._named(kind, name)
        if not found:
            self._check_unusable(kind, name)
            raise self._unknown(kind, name)
        if len(found) > 1:
            raise _ambiguous(kind, name, found)
        return found[0]

    def has(self, kind: str, name: str) -> bool:
        """Return whether there is a component of this kind and name."""
        return bool(self._named(kind, name))

    def _named(self, kind: str, name: str) -> list[Component]:
        return [component for component in self.components(kind) if _is_named(component, kind, name)]

    def _check_unusable(self, kind: str, name: str) -> None:
        """Raise if an installed entry with this name is disabled or invalid."""
        for entry in (*self._disabled, *self._broken):
            if _is_named(entry, kind, name):
                what = f"{kind.capitalize()} {entry.name!r} of {entry.distribution} {entry.version}"
                if entry in self._disabled:
                    advice = f"Change that, or select another {kind}."
                    raise ConfigError(f"{what} is disabled: {self._disabled[entry]} {advice}")
                advice = f"This is a defect of {entry.distribution}: mend its entry point."
                problem = f"{what} cannot be used: {entry.problem}. {advice}"
                raise PluginError(problem, plugin=entry.distribution)

    def check_kind(self, kind: str) -> None:
        """Raise UnknownNameError if a kind is unknown; the message suggests the nearest."""
        if kind not in self.kinds:
            known = tuple(self.kinds)
            raise UnknownNameError(
                f"No kind of component is called {kind!r}.{did_you_mean(kind, known)} There are: "
                f"{', '.join(known)}. A distribution declares more in the entry-point group "
                "phantom_core.kinds.",
                kind="kind",
                name=kind,
                known=known,
            )

    def _unknown(self, kind: str, name: str) -> UnknownNameError:
        known = tuple(component.name for component in self.components(kind))
        registered = ", ".join(f"{c.name} ({c.provider})" for c in self.components(kind)) or "none"
        advice = install_advice(name)
        others = [c for c in self._components if c.kind != kind and normalised(c.name) == normalised(name)]
        if others:
            advice = f" There is {with_article(others[0].kind)} of that name."
            if (kind, others[0].kind) == ("logger", "hook"):
                advice = f" It is a hook: hooks = [{others[0].name!r}]."
        elif kind == "hook" and not advice:
            advice = " A place is named './file.py:Class' or 'package.module:Class'."
        elif kind == "env" and not advice:
            advice = " A class is named './file.py:Class' or 'package.module:Class'."
            if re.search(r"-v\d+$", name):
                advice = f" If it is a Gymnasium env: env='gymnasium', env_config={{'env': {name!r}}}."
        msg = f"No {kind} named {name!r}.{did_you_mean(name, known)} Registered: {registered}.{advice}"
        return UnknownNameError(msg, kind=kind, name=name, known=known)


def install_advice(name: str) -> str:
    """Return how to install the distribution of a well-known name, or an empty string.

    >>> install_advice("PPO")
    ' To install it: pip install phantom-ppo'
    """
    distribution = DISTRIBUTION_BY_NAME.get(normalised(name), normalised(name))
    is_known = distribution in DISTRIBUTION_BY_NAME.values()
    return f" To install it: pip install {distribution}" if is_known else ""


def _is_named(item: Component | InstalledEntry, kind: str, name: str) -> bool:
    """Return whether `name` or `distribution:name` names a component or entry point."""
    distribution, _, bare = name.rpartition(":")
    return (
        item.kind == kind
        and normalised(item.name) == normalised(bare)
        and normalised(distribution) in ("", normalised(item.distribution))
    )


def _ambiguous(kind: str, name: str, found: Sequence[Component]) -> AmbiguousNameError:
    choices = tuple(component.qualified_name for component in found)
    offers = ", ".join(f"{c.provider} ({c.target})" for c in found)
    return AmbiguousNameError(
        f"{len(found)} distributions offer {with_article(kind)} named {name!r}: {offers}. Choose one: "
        f"{' or '.join(map(repr, choices))}.",
        kind=kind,
        name=name,
        choices=choices,
    )
