"""The plugin through which entry-point lines become registrations, as those of any other plugin."""

from __future__ import annotations

from collections.abc import Sequence

from phantom_core.hooks.discovery import KIND_BY_GROUP, InstalledEntry
from phantom_core.hooks.hookspecs import Kind, Registration, hookimpl


class EntryPointPlugin:
    """Turns the entry-point lines of one distribution into registrations."""

    def __init__(self, entries: Sequence[InstalledEntry]) -> None:
        self.entries = {(KIND_BY_GROUP[entry.group], entry.name): entry for entry in entries}

    def _of(self, kind: Kind) -> list[Registration]:
        return [
            Registration(kind, name, entry.target, entry.summary)
            for (of_kind, name), entry in self.entries.items()
            if of_kind == kind
        ]

    @hookimpl
    def phantom_register_trainers(self) -> list[Registration]:
        """Return the trainers of the distribution."""
        return self._of("trainer")

    @hookimpl
    def phantom_register_policies(self) -> list[Registration]:
        """Return the policies of the distribution."""
        return self._of("policy")

    @hookimpl
    def phantom_register_metrics(self) -> list[Registration]:
        """Return the metrics of the distribution."""
        return self._of("metric")

    @hookimpl
    def phantom_register_loggers(self) -> list[Registration]:
        """Return the loggers of the distribution."""
        return self._of("logger")

    @hookimpl
    def phantom_register_envs(self) -> list[Registration]:
        """Return the envs of the distribution."""
        return self._of("env")
