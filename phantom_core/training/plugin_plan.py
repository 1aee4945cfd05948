"""`PluginPlan`: checks that worker processes have the same plugins installed as the run."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from phantom_core.errors import PluginError
from phantom_core.installed.discovery import (
    CORE_DISTRIBUTION,
    InstalledEntry,
    core_version,
    installed_entries,
    normalised,
)
from phantom_core.installed.registry import Component

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class PlannedComponent:
    """One component of a run, as installed in the process that started the run.

    Attributes:
        kind: the kind of component.
        name: its name.
        target: where it is imported from.
        distribution: the distribution that ships it.
        version: the version of that distribution.
    """

    kind: str
    name: str
    target: str
    distribution: str
    version: str


@dataclass(frozen=True, slots=True)
class PluginPlan:
    """The components that every process of a run must have. Unpickling it imports no plugin.

    Attributes:
        core_version: the version of the core.
        components: the components selected by name, without those of plugin objects.
    """

    core_version: str
    components: tuple[PlannedComponent, ...]

    @classmethod
    def of(cls, components: Iterable[Component]) -> PluginPlan:
        """Return the plan of a run with these components."""
        return cls(
            core_version(),
            tuple(
                PlannedComponent(c.kind, c.name, c.target, c.distribution, c.version)
                for c in components
                if isinstance(c.target, str) and c.version
            ),
        )

    def verify(self) -> None:
        """Check that this process has the same components, without importing them.

        Raises:
            PluginError: if a component is missing here, or has another version or target.
        """
        if core_version() != self.core_version:
            raise _mismatch("core", CORE_DISTRIBUTION, core_version(), self.core_version)
        for planned in self.components:
            found = self._find(planned)
            what = f"{planned.kind} {planned.name!r} of {planned.distribution}"
            if found is None:
                raise PluginError(
                    f"The {what} {planned.version} is not installed in this worker process. Install it "
                    f"there: pip install {planned.distribution}=={planned.version}",
                    plugin=planned.distribution,
                )
            if found.version != planned.version:
                raise _mismatch(what, planned.distribution, found.version, planned.version)
            if found.target != planned.target:
                raise PluginError(
                    f"The {what} {planned.version} is {found.target} in this worker process, but "
                    f"{planned.target} in the process that started the run. Install {planned.distribution} "
                    "again in both.",
                    plugin=planned.distribution,
                )

    def _find(self, planned: PlannedComponent) -> InstalledEntry | None:
        for entry in installed_entries():
            is_named = (entry.kind, entry.name) == (planned.kind, planned.name)
            if is_named and normalised(entry.distribution) == normalised(planned.distribution):
                return entry
        return None


@dataclass(frozen=True, slots=True)
class PlannedFactory(Generic[ValueT]):
    """A factory for a worker process. Unpickling it verifies the plan first.

    Attributes:
        plan: the components that the worker must have.
        factory: a function without parameters.
    """

    plan: PluginPlan
    factory: Callable[[], ValueT]

    def __call__(self) -> ValueT:
        """Call the factory."""
        return self.factory()

    def __reduce__(self) -> tuple[Callable[..., PlannedFactory[Any]], tuple[PluginPlan, bytes]]:
        """Pickle the factory as bytes, so that the plan is verified before it is unpickled."""
        return _verify_and_unpickle, (self.plan, pickle.dumps(self.factory))


def _verify_and_unpickle(plan: PluginPlan, pickled: bytes) -> PlannedFactory[Any]:
    plan.verify()
    return PlannedFactory(plan, pickle.loads(pickled))  # noqa: S301  sent by the process that started this one


def _mismatch(what: str, distribution: str, here: str, there: str) -> PluginError:
    return PluginError(
        f"The {what} has version {here} in this worker process, but {there} in the process that started the "
        f"run. Install one version in both, and start the run again: pip install {distribution}=={there}",
        plugin=distribution,
    )
