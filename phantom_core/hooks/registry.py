"""From a name to a component: refuses ambiguity, suggests the nearest name, imports on selection only."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from phantom_core.errors import (
    AmbiguousNameError,
    ConfigError,
    IncompatiblePluginError,
    PluginError,
    UnknownNameError,
    did_you_mean,
    place_of,
    told,
)
from phantom_core.hooks.discovery import CORE_DISTRIBUTION, InstalledEntry, core_version, normalised
from phantom_core.hooks.hookspecs import Kind

DISTRIBUTION_BY_NAME: Final = {
    "console": "phantom-console",
    "mlp-actor-critic": "phantom-ppo",
    "mlflow": "phantom-mlflow",
    "ppo": "phantom-ppo",
    "q-learning": "phantom-qlearning",
    "q-table": "phantom-qlearning",
    "tensorboard": "phantom-tensorboard",
    "wandb": "phantom-wandb",
}
"""Which distribution to install for a well-known name."""


@dataclass(frozen=True, slots=True)
class Component:
    """One registered component: what it is called, and who offers it.

    Attributes:
        kind: `"trainer"`, `"policy"`, `"metric"`, `"logger"` or `"env"`.
        name: the name it is selected by.
        target: the class, or where to import it from.
        summary: one line for people.
        distribution: the distribution, or the plugin object, that offers it.
        version: the version of that distribution; empty for a plugin object.
        core_specifier: the distribution's version bound on the core.
        is_compatible: whether the installed core meets it.
    """

    kind: Kind
    name: str
    target: str | type
    summary: str
    distribution: str
    version: str = ""
    core_specifier: str = ""
    is_compatible: bool = True

    @property
    def qualified_name(self) -> str:
        """`distribution:name`, which is never ambiguous."""
        return f"{self.distribution}:{self.name}"

    @property
    def provider(self) -> str:
        """The distribution with its version."""
        return f"{self.distribution} {self.version}".rstrip()

    def load(self) -> type[Any]:
        """Import the component's class.

        Raises:
            IncompatiblePluginError: if the core does not meet its version bound; nothing is imported.
            PluginError: if it cannot be imported, or is not a class.
        """
        if not self.is_compatible:
            msg = (
                f"{self.kind.capitalize()} {self.name!r} of {self.provider} needs {CORE_DISTRIBUTION}"
                f"{self.core_specifier}, but {core_version()} is installed. "
                f"Run: pip install -U {self.distribution} {CORE_DISTRIBUTION}"
            )
            raise IncompatiblePluginError(msg, plugin=self.distribution)
        target = self.target if isinstance(self.target, type) else self._import(self.target)
        if not isinstance(target, type):
            msg = (
                f"{self.kind.capitalize()} {self.name!r} of {self.provider} is {target!r}. "
                "Expected a class: mend its entry point."
            )
            raise PluginError(msg, plugin=self.distribution)
        return target

    def _import(self, target: str) -> Any:
        module_name, _, attribute = target.partition(":")
        what = f"{self.kind.capitalize()} {self.name!r} of {self.provider} could not be loaded"
        try:
            value: Any = importlib.import_module(module_name)
            for part in filter(None, attribute.split(".")):
                value = getattr(value, part)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if missing.split(".")[0] == module_name.split(".")[0]:
                msg = (
                    f"{what}: there is no module {missing}. Its entry point says {target!r}: "
                    f"reinstall {self.distribution}."
                )
            else:
                msg = (
                    f"{what}: {error}{place_of(error)}. If {missing.split('.')[0]} is a package, install it; "
                    f"else mend the import, or select another {self.kind}."
                )
            raise PluginError(msg, plugin=self.distribution) from error
        except (Exception, SystemExit) as error:
            msg = f"{what}: {told(error)}. This is a defect of {self.distribution}; the traceback is with -v."
            raise PluginError(msg, plugin=self.distribution) from error
        return value


class Registry:
    """All components that are offered, by kind and name."""

    def __init__(
        self, components: Iterable[Component], disabled: Mapping[InstalledEntry, str] = MappingProxyType({})
    ) -> None:
        """Take what is offered.

        Args:
            components: the components.
            disabled: entries that are installed and not offered, with the reason.
        """
        self._components = tuple(components)
        self._disabled = disabled

    def components(self, kind: Kind | None = None) -> Sequence[Component]:
        """Return the components of a kind, or all, sorted by kind, name and distribution."""
        chosen = [c for c in self._components if kind is None or c.kind == kind]
        return sorted(chosen, key=lambda c: (c.kind, normalised(c.name), c.distribution))

    def find(self, kind: Kind, name: str) -> Component:
        """Return the one component of this kind and name; nothing is imported.

        Args:
            kind: what to look for.
            name: its name, or `distribution:name`. Case, and `-` or `_`, make no difference.

        Raises:
            UnknownNameError: if there is none.
            AmbiguousNameError: if several distributions offer one.
            ConfigError: if it is disabled.
        """
        found = self._named(kind, name)
        if not found:
            self._check_disabled(kind, name)
            raise self._unknown(kind, name)
        if len(found) > 1:
            raise _ambiguous(kind, name, found)
        return found[0]

    def has(self, kind: Kind, name: str) -> bool:
        """Tell whether there is a component of this kind and name."""
        return bool(self._named(kind, name))

    def _named(self, kind: Kind, name: str) -> list[Component]:
        distribution, _, bare = name.rpartition(":")
        return [
            component
            for component in self.components(kind)
            if normalised(component.name) == normalised(bare)
            and (not distribution or normalised(component.distribution) == normalised(distribution))
        ]

    def _check_disabled(self, kind: Kind, name: str) -> None:
        distribution, _, bare = name.rpartition(":")
        for entry, refusal in self._disabled.items():
            is_named = normalised(entry.name) == normalised(bare) and entry.kind == kind
            if is_named and normalised(distribution) in ("", normalised(entry.distribution)):
                raise ConfigError(
                    f"{kind.capitalize()} {entry.name!r} of {entry.distribution} {entry.version} is "
                    f"disabled: {refusal} Change that, or select another {kind}."
                )

    def _unknown(self, kind: Kind, name: str) -> UnknownNameError:
        known = tuple(component.name for component in self.components(kind))
        registered = ", ".join(f"{c.name} ({c.provider})" for c in self.components(kind)) or "none"
        advice = install_advice(name)
        if kind == "env" and not advice:
            advice = " A class is named './file.py:Class' or 'package.module:Class'."
            if re.search(r"-v\d+$", name):
                advice = f" If it is a Gymnasium env: env='gymnasium', env_config={{'env': {name!r}}}."
        msg = f"No {kind} named {name!r}.{did_you_mean(name, known)} Registered: {registered}.{advice}"
        return UnknownNameError(msg, kind=kind, name=name, known=known)


def install_advice(name: str) -> str:
    """Return how to install what a well-known name belongs to, or an empty string.

    >>> install_advice("PPO")
    ' To install it: pip install phantom-ppo'
    """
    distribution = DISTRIBUTION_BY_NAME.get(normalised(name), normalised(name))
    is_known = distribution in DISTRIBUTION_BY_NAME.values()
    return f" To install it: pip install {distribution}" if is_known else ""


def _ambiguous(kind: Kind, name: str, found: Sequence[Component]) -> AmbiguousNameError:
    choices = tuple(component.qualified_name for component in found)
    offers = ", ".join(f"{c.provider} ({c.target})" for c in found)
    msg = (
        f"{len(found)} distributions offer a {kind} named {name!r}: {offers}. Choose one: "
        f"{' or '.join(map(repr, choices))}."
    )
    return AmbiguousNameError(msg, kind=kind, name=name, choices=choices)
