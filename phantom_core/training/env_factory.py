"""Make copies of a run's env, also in worker processes, which must have the same plugins as the run."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError, EnvError, PhantomError, PluginError, error_place, error_text
from phantom_core.installed.discovery import CORE_DISTRIBUTION, core_version, installed_entries, normalised
from phantom_core.installed.registry import Component
from phantom_core.rollouts.measured_env import check_is_env, made_env
from phantom_core.seeding import derive_seed
from phantom_core.training.references import load_reference, reference_to
from phantom_core.world.ranges import Range
from phantom_core.world.samplers import Sampler
from phantom_core.world.supertypes import Supertype

_SAMPLED: Final = ("env_supertype", "agent_supertypes")


@dataclass(frozen=True, slots=True)
class EnvFactory:
    """Makes an env each time it is called. It can be pickled if its attributes can."""

    env_class: Callable[..., MultiAgentEnv]
    env_config: Mapping[str, Any] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Callable[..., EnvFactory], tuple[Any, Mapping[str, Any]]]:
        """Send a class of a file by its place: a worker cannot import it by name."""
        place = reference_to(self.env_class) or ""
        is_in_file = place.rpartition(":")[0].endswith(".py")
        return _made_again, (place if is_in_file else self.env_class, self.env_config)

    def __call__(self) -> MultiAgentEnv:
        """Make an env; raise `EnvError` if the constructor raises, `ConfigError` if the result is no env."""
        env = made_env(self.env_class, self.env_config)
        check_is_env(env)
        return env


def _made_again(env_class: Any, env_config: Mapping[str, Any]) -> EnvFactory:
    if isinstance(env_class, str):
        env_class = load_reference(env_class, setting="env", folder=Path())
    return EnvFactory(env_class, env_config)


@dataclass(frozen=True, slots=True)
class PluginPlan:
    """The components that every process of a run must have. Unpickling it imports no plugin."""

    core_version: str
    components: tuple[Component, ...]  # those selected by name, without those of plugin objects

    @classmethod
    def of(cls, components: Iterable[Component]) -> PluginPlan:
        """Return the plan of a run with these components."""
        return cls(core_version(), tuple(c for c in components if isinstance(c.target, str) and c.version))

    def verify(self) -> None:
        """Raise `PluginError` if a component is missing here or differs; nothing is imported."""
        if core_version() != self.core_version:
            raise _mismatch("core", CORE_DISTRIBUTION, core_version(), self.core_version)
        installed = {(e.kind, e.name, normalised(e.distribution)): e for e in reversed(installed_entries())}
        for planned in self.components:
            found = installed.get((planned.kind, planned.name, normalised(planned.distribution)))
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


@dataclass(frozen=True, slots=True)
class PlannedFactory:
    """A factory for a worker process: unpickling it verifies the plan first."""

    plan: PluginPlan
    factory: Callable[[], Any]

    def __call__(self) -> Any:
        """Call the factory."""
        return self.factory()

    def __reduce__(self) -> tuple[Callable[..., PlannedFactory], tuple[PluginPlan, bytes]]:
        """Pickle the factory as bytes, so that the plan is verified before it is unpickled."""
        return _verify_and_unpickle, (self.plan, pickle.dumps(self.factory))


def _verify_and_unpickle(plan: PluginPlan, pickled: bytes) -> PlannedFactory:
    plan.verify()
    return PlannedFactory(plan, pickle.loads(pickled))  # noqa: S301  sent by the process that started this one


def _mismatch(what: str, distribution: str, here: str, there: str) -> PluginError:
    return PluginError(
        f"The {what} has version {here} in this worker process, but {there} in the process that started the "
        f"run. Install one version in both, and start the run again: pip install {distribution}=={there}",
        plugin=distribution,
    )


def check_env_config(env_config: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if there is a range anywhere, or a sampler that is not in a supertype.

    Training uses one value of a range. Samplers are drawn at each reset only inside a supertype.
    """
    if not isinstance(env_config, Mapping):
        raise ConfigError(
            f"env_config is {env_config!r}. Expected a dict of keyword arguments for the env, such as "
            "{'num_steps': 10}."
        )
    for key, value in env_config.items():
        for path, part in _parts(value, f"env_config[{key!r}]", within=()):
            if isinstance(part, Range):
                raise ConfigError(
                    f"{path} is a {type(part).__name__}, but training takes one value. Use a sampler in a "
                    "supertype; ranges are for studies: px.Study(env, env_config=…) of phantom-experiments."
                )
            if isinstance(part, Sampler) and key not in _SAMPLED:
                raise ConfigError(
                    f"{path} is a {type(part).__name__}, and nobody would draw from it. Samplers are drawn "
                    "from in env_supertype and agent_supertypes."
                )


def _parts(value: Any, path: str, *, within: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    """Yield a value and all that is in it, each with its place; what contains itself, only once."""
    yield path, value
    if id(value) in within:
        return
    inner: Iterable[tuple[str, Any]] = ()
    if isinstance(value, Mapping):
        inner = ((f"{path}[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        inner = ((f"{path}[{number}]", part) for number, part in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        inner = ((f"an element of {path}", part) for part in value)
    elif isinstance(value, Supertype):
        inner = ((f"{path}.{name}", part) for name, part in vars(value).items())
    elif is_dataclass(value) and not isinstance(value, type):
        inner = ((f"{path}.{f.name}", getattr(value, f.name, None)) for f in fields(value))
    for place, part in inner:
        yield from _parts(part, place, within=(*within, id(value)))


def reset_once(env: MultiAgentEnv, seed: int) -> None:
    """Reset the env before agents are mapped to policies: some envs build their network in `reset`."""
    try:
        env.reset(seed=derive_seed(seed, "setup"))
    except PhantomError:
        raise
    except Exception as error:  # a user's env may raise anything
        raise EnvError(
            f"{type(env).__name__} failed in its first reset: {error_text(error)}{error_place(error)}. Mend "
            "the env, then train."
        ) from error
