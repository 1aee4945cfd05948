"""`Supertype`: the parameters of an agent or env as distributions; a sampled one is its *type*."""

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
"""Returns a value of a sampler, given its place."""


class Supertype:
    """The parameters of an agent or of an env, any of which may be a `Sampler`.

    Subclass it as a dataclass (frozen or not); by convention as the inner class `Supertype` of an
    agent or env class, which is then used by default. At each reset the samplers are drawn, and the
    result, an object of the same class, is the agent's `type` (the env's `env_type`) in that episode.

    Samplers may stand in fields and in lists, tuples and dicts in them; a field may be a supertype
    itself. A sampler that was given to several supertypes of one env has one value per episode, which
    all of them see. A sampler that is the default of a field is drawn for each owner on its own.
    """

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Note which samplers belong to the class: copies of an agent, made in any way, still know it."""
        super().__init_subclass__(**kwargs)
        for value in vars(cls).values():
            default = value.default if isinstance(value, dataclasses.Field) else value
            for sampler in _samplers_in(default):
                object.__setattr__(sampler, "is_default", True)  # also where it is a frozen dataclass

    def sample(self, seed: int | None = None) -> Self:
        """Return a type: a copy in which each sampler is replaced by a value.

        Args:
            seed: what the values follow from; None: a fresh one from the operating system.

        Raises:
            ConfigError: if the class is not a dataclass, or a sampler is where it cannot be drawn.
        """
        return self.sample_in(SampledValues(fresh_seed() if seed is None else seed), None)

    def sample_in(self, values: SampledValues, owner: object) -> Self:
        """Return the type that the owner of this supertype has in an episode; called at each reset."""
        sampled: Self = _replaced(self, lambda sampler, place: values.value_of(sampler, owner, *place), ())
        return sampled

    def to_obs_space(self, low: float = -math.inf, high: float = math.inf) -> gym.spaces.Dict:
        """Return the space of `to_obs_space_compatible_type()`, of a type or of a supertype.

        Each number (or truth value) is a float32 `Box` of shape (1,) from `low` to `high`, each array
        one of its shape; lists and tuples are `Tuple` spaces, dicts and supertypes `Dict` spaces.

        Raises:
            ConfigError: if a field holds something else, as a text.
        """
        example = _replaced(self, lambda sampler, place: sampler.draw(make_rng(0, *place)), ())
        return gym.spaces.Dict(
            {name: _space_of(value, low, high) for name, value in _observed(example, ()).items()}
        )

    def to_obs_space_compatible_type(self) -> dict[str, Any]:
        """Return the values of a type as an observation: float32 arrays in the shape of `to_obs_space`.

        Raises:
            ConfigError: if a field holds no number, array or collection of them, as a sampler or a text.
        """
        observed: dict[str, Any] = _observed(self, ())
        return observed


def inner_supertype(owner: type) -> type[Supertype] | None:
    """Return the inner class `Supertype` of an agent or env class; None if it has none."""
    inner = getattr(owner, "Supertype", None)
    return inner if isinstance(inner, type) and issubclass(inner, Supertype) else None


def default_supertype(owner: type) -> Supertype | None:
    """Return the supertype that a class has by default; None if it has none, or one that needs values."""
    inner = inner_supertype(owner)
    return None if inner is None or _required_fields(inner) else inner()


def checked_supertype(owner: type, name: str, given: object) -> Supertype:
    """Return a supertype that was given to an agent or env as an object, or as a dict of its fields.

    Args:
        owner: the class of the agent or env.
        name: what messages call it, such as `ShopAgent 'SHOP'`.
        given: what the user gave.

    Raises:
        ConfigError: if it is of the wrong kind, or its fields are.
    """
    inner = inner_supertype(owner)
    if isinstance(given, Mapping):
        if inner is None:
            raise ConfigError(
                f"{name} got the supertype {given!r}, but {owner.__name__} has no inner class Supertype to "
                "build from it. Write one, or give an object of a Supertype class."
            )
        return _built(inner, name, given)
    expected = Supertype if inner is None else inner
    if not isinstance(given, expected):
        raise ConfigError(
            f"{name} got the supertype {given!r}. Expected an object of {expected.__qualname__}, or a dict "
            "of its fields."
        )
    return given


def check_has_supertype(owner: type, name: str) -> None:
    """Refuse an owner without a supertype whose class has one that cannot be built by default.

    Raises:
        ConfigError: that names the fields which need values.
    """
    inner = inner_supertype(owner)
    if inner is not None:
        raise ConfigError(
            f"{name} got no supertype, and {inner.__qualname__} has fields without a default: "
            f"{listing(_required_fields(inner))}. Give it one, or give each field a default."
        )


def _built(inner: type[Supertype], name: str, given: Mapping[Any, Any]) -> Supertype:
    known = [f.name for f in _fields(inner) if f.init]
    unknown = [key for key in given if key not in known]
    missing = [key for key in _required_fields(inner) if key not in given]
    if unknown:
        raise ConfigError(
            f"{name} got a supertype with {listing(unknown)}, which {inner.__qualname__} does not "
            f"have.{did_you_mean(unknown[0], known)} Its fields: {listing(known)}."
        )
    if missing:
        raise ConfigError(
            f"{name} got a supertype without {listing(missing)}, which {inner.__qualname__} needs. Give it "
            "a value or a sampler."
        )
    return inner(**given)


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
    """Copy a supertype with every sampler replaced by what `draw` returns for it."""
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
        object.__setattr__(result, field_name, value)  # also where the class is frozen
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
        _check_no_sampler(value, place)
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


def _check_no_sampler(value: Any, place: tuple[object, ...]) -> None:
    items = value.values() if isinstance(value, dict) else value
    if any(isinstance(item, Sampler) for item in items):
        raise ConfigError(
            f"The supertype field {_dotted(place)} is a {type(value).__name__} with samplers in it, which "
            "are not drawn there. Put them into a list, a tuple or a dict."
        )


def _observed(value: Any, place: tuple[object, ...]) -> Any:
    """Turn a value into nested dicts and tuples of float32 arrays."""
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
