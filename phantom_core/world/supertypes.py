"""`Supertype`: the parameters of an agent or env as distributions. A sampled supertype is a *type*."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeAlias

import gymnasium as gym
import numpy as np

from phantom_core.errors import ConfigError, did_you_mean, listing
from phantom_core.seeding import fresh_seed, make_rng
from phantom_core.world.samplers import SampledValues, Sampler

_Draw: TypeAlias = Callable[[Sampler[Any], tuple[object, ...]], Any]
"""Returns the value of a sampler, given its path."""


class Supertype:
    """The parameters of an agent or env, any of which may be a `Sampler`.

    Subclass it as a dataclass (frozen or not), by convention as the inner class `Supertype` of an
    agent or env class, which is then used by default. At each reset the samplers are sampled; the
    result, an object of the same class, is the agent's `type` (or the env's `env_type`) in that episode.

    Fields may hold samplers, lists, tuples and dicts of samplers, and supertypes. A sampler that is
    passed to several supertypes of one env has one value per episode, which they share. A sampler that
    is the default of a field is sampled for each agent or env separately.
    """

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Mark the samplers that are defaults of fields, so that copies of an agent keep the mark."""
        super().__init_subclass__(**kwargs)
        for value in vars(cls).values():
            default = value.default if isinstance(value, dataclasses.Field) else value
            for sampler in _samplers_in(default):
                object.__setattr__(sampler, "is_default", True)  # also where it is a frozen dataclass

    def sample(self, seed: int | None = None) -> Self:
        """Return a type: a copy in which each sampler is replaced by a value.

        Args:
            seed: the seed of the values. None for a random seed from the operating system.

        Raises:
            ConfigError: if the class is not a dataclass, or a sampler is inside an unsupported collection.
        """
        return self.sample_in(SampledValues(fresh_seed() if seed is None else seed), None)

    def sample_in(self, values: SampledValues, owner: object) -> Self:
        """Return the type for an owner (an agent or env) in an episode; called at each reset."""
        sampled: Self = _replaced(self, lambda sampler, place: values.value_of(sampler, owner, *place), ())
        return sampled

    def to_obs_space(self, low: float = -math.inf, high: float = math.inf) -> gym.spaces.Dict:
        """Return the space of `to_obs_space_compatible_type()`, for a type or a supertype.

        A number or bool is a float32 `Box` of shape (1,) from `low` to `high`, an array a `Box` of its
        shape. Lists and tuples are `Tuple` spaces, dicts and supertypes are `Dict` spaces. Raises ConfigError
        if a field holds another type, such as a string.
        """
        example = _replaced(self, lambda sampler, place: sampler.draw(make_rng(0, *place)), ())
        observed = _observed(example, ())
        return gym.spaces.Dict({name: _space_of(value, low, high) for name, value in observed.items()})

    def to_obs_space_compatible_type(self) -> dict[str, Any]:
        """Return the values of a type as an observation: an element of `to_obs_space()`.

        Raises ConfigError if a field is not a number, an array or a collection of them.
        """
        observed: dict[str, Any] = _observed(self, ())
        return observed


def inner_supertype(owner: type) -> type[Supertype] | None:
    """Return the inner class `Supertype` of an agent or env class; None if it has none."""
    inner = getattr(owner, "Supertype", None)
    return inner if isinstance(inner, type) and issubclass(inner, Supertype) else None


def default_supertype(owner: type) -> Supertype | None:
    """Return the default supertype of a class; None if it has none, or its fields have no defaults."""
    inner = inner_supertype(owner)
    return None if inner is None or _required_fields(inner) else inner()


def checked_supertype(owner: type, name: str, given: object) -> Supertype:
    """Return the supertype that a user passed as an object or as a dict of its fields, or raise ConfigError.

    Messages name the owner, an agent or env, such as `ShopAgent 'SHOP'`.
    """
    inner = inner_supertype(owner)
    if isinstance(given, Mapping):
        if inner is None:
            raise ConfigError(
                f"{name} got the supertype {given!r}, but {owner.__name__} has no inner class Supertype to "
                "build from it. Write one, or give an object of a Supertype class."
            )
        known, required = [f.name for f in _fields(inner) if f.init], _required_fields(inner)
        unknown = [key for key in given if key not in known]
        missing = [key for key in required if key not in given]
        if unknown:
            raise ConfigError(
                f"{name} got a supertype with {listing(unknown)}, which {inner.__qualname__} does not "
                f"have.{did_you_mean(unknown[0], known)} Its fields: {listing(known)}."
            )
        if missing:
            raise ConfigError(
                f"{name} got a supertype without {listing(missing)}, which {inner.__qualname__} needs. Give "
                "it a value or a sampler."
            )
        return inner(**given)
    expected = Supertype if inner is None else inner
    if not isinstance(given, expected):
        form = f"an object of {expected.__qualname__}, or a dict of its fields"
        raise ConfigError(f"{name} got the supertype {given!r}. Expected {form}.")
    return given


def check_has_supertype(owner: type, name: str) -> None:
    """Raise ConfigError if a class has a supertype with required fields, for an owner without a supertype."""
    inner = inner_supertype(owner)
    if inner is not None:
        raise ConfigError(
            f"{name} got no supertype, and {inner.__qualname__} has fields without a default: "
            f"{listing(_required_fields(inner))}. Give it one, or give each field a default."
        )


def _fields(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else None
    is_decorated = "__dataclass_fields__" in vars(cls)
    adds_fields = inspect.get_annotations(cls) or any(f.name in vars(cls) for f in fields or ())
    if fields is None or (adds_fields and not is_decorated):
        raise ConfigError(f"{cls.__qualname__} is a Supertype but no dataclass. Decorate it with @dataclass.")
    return fields


def _required_fields(cls: type) -> list[str]:
    missing = dataclasses.MISSING
    return [f.name for f in _fields(cls) if f.init and f.default is missing and f.default_factory is missing]


def _replaced(supertype: Any, draw: _Draw, place: tuple[object, ...]) -> Any:
    """Copy a supertype with every sampler replaced by the result of `draw`."""
    given, computed = {}, {}
    for f in _fields(type(supertype)):
        value = getattr(supertype, f.name)
        replaced = _replaced_value(value, draw, (*place, f.name))
        if f.init:
            given[f.name] = replaced
        elif replaced is not value:
            computed[f.name] = replaced
    result = dataclasses.replace(supertype, **given)
    for field_name, value in computed.items():
        object.__setattr__(result, field_name, value)  # the class may be frozen
    return result


def _replaced_value(value: Any, draw: _Draw, place: tuple[object, ...]) -> Any:
    if isinstance(value, Sampler):
        return draw(value, place)
    if isinstance(value, Supertype):
        return _replaced(value, draw, place)
    if isinstance(value, np.ndarray):
        return value.copy()
    kind = type(value)
    if kind is dict:
        return {key: _replaced_value(item, draw, (*place, key)) for key, item in value.items()}
    if kind is list or isinstance(value, tuple):
        items = [_replaced_value(item, draw, (*place, i)) for i, item in enumerate(value)]
        return items if kind is list else kind(*items) if hasattr(kind, "_fields") else kind(items)
    if isinstance(value, (set, frozenset, list, dict)):
        inside = value.values() if isinstance(value, dict) else value
        if any(isinstance(item, Sampler) for item in inside):
            raise ConfigError(
                f"The supertype field {_dotted(place)} is a {kind.__name__} with samplers in it, which are "
                "not drawn there. Put them into a list, a tuple or a dict."
            )
    return value


def _samplers_in(value: Any) -> Iterator[Sampler[Any]]:
    """Yield the samplers in a default."""
    if isinstance(value, Sampler):
        yield value
    elif isinstance(value, Supertype):
        yield from _samplers_in([getattr(value, f.name) for f in _fields(type(value))])
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _samplers_in(item)


def _observed(value: Any, place: tuple[object, ...]) -> Any:
    """Convert a value to nested dicts and tuples of float32 arrays."""
    if isinstance(value, Supertype):
        return {f.name: _observed(getattr(value, f.name), (*place, f.name)) for f in _fields(type(value))}
    if isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
        return np.array([value], dtype=np.float32)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return value.astype(np.float32)
    if isinstance(value, Mapping):
        return {key: _observed(item, (*place, key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_observed(item, (*place, i)) for i, item in enumerate(value))
    if isinstance(value, Sampler):
        raise ConfigError(
            f"The supertype field {_dotted(place)} is {value!r}, which has no value yet. Convert the type "
            "that sample() returns, such as agent.type, instead of the supertype."
        )
    raise ConfigError(
        f"The supertype field {_dotted(place)} is {value!r} ({type(value).__name__}), which cannot be "
        "observed. Expected a number, an array, or a list, tuple or dict of those. Leave it out with an "
        "encoder of your own."
    )


def _space_of(observed: Any, low: float, high: float) -> gym.Space[Any]:
    if isinstance(observed, dict):
        return gym.spaces.Dict({key: _space_of(value, low, high) for key, value in observed.items()})
    if isinstance(observed, tuple):
        return gym.spaces.Tuple([_space_of(value, low, high) for value in observed])
    return gym.spaces.Box(low, high, observed.shape, np.float32)


def _dotted(place: tuple[object, ...]) -> str:
    return repr(".".join(str(step) for step in place))
