"""`Supertype`: the parameters of an agent or an env, of which some are drawn for each episode."""

import dataclasses
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import gymnasium as gym
import numpy as np

from phantom.utils.samplers import Sampler


@dataclass
class Supertype(ABC):  # noqa: B024  a base class for dataclasses, without methods to fill in
    """Subclass it as a dataclass (not frozen); fields may hold samplers."""

    def sample(self) -> Self:
        """Return an instance with a value in place of each sampler.

        An env that manages the supertype has drawn the values; anybody else draws new ones.
        """
        is_managed = hasattr(self, "_managed")
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.init}
        return type(self)(**{name: _drawn(value, is_managed) for name, value in values.items()})

    def sample_in(self, values: Any, owner: object) -> Self:
        """Called by the env at each reset."""
        return self.sample()

    def to_obs_space_compatible_type(self) -> dict[str, Any]:
        """Return the fields as elements of `to_obs_space()`.

        Raises:
            ValueError: for a field that is neither number, array, list, tuple nor dict.
        """
        return {f.name: _to_element(f.name, getattr(self, f.name)) for f in dataclasses.fields(self)}

    def to_obs_space(self, low: float = -np.inf, high: float = np.inf) -> gym.spaces.Dict:
        """Return the space of `to_obs_space_compatible_type()`.

        Raises:
            ValueError: for a field that is neither number, array, list, tuple nor dict.
        """
        fields = dataclasses.fields(self)
        return gym.spaces.Dict({f.name: _to_space(f.name, getattr(self, f.name), low, high) for f in fields})


def _drawn(value: Any, is_managed: bool) -> Any:
    if not isinstance(value, Sampler):
        return value
    return value.value if is_managed else value.sample()


def _is_number(value: object) -> bool:
    return isinstance(value, (bool, int, float, np.number, np.bool_))


def _to_element(name: str, value: Any) -> Any:
    if _is_number(value):
        return np.array([value], dtype=np.float32)
    if isinstance(value, Mapping):
        return {key: _to_element(f"{name}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_to_element(f"{name}[{index}]", item) for index, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, np.ndarray):
        return value
    raise _unfit(name, value)


def _to_space(name: str, value: Any, low: float, high: float) -> gym.Space[Any]:
    if _is_number(value):
        return gym.spaces.Box(low, high, (1,), np.float32)
    if isinstance(value, Mapping):
        return gym.spaces.Dict(
            {key: _to_space(f"{name}[{key!r}]", item, low, high) for key, item in value.items()}
        )
    if isinstance(value, (list, tuple)):
        return gym.spaces.Tuple(
            [_to_space(f"{name}[{index}]", item, low, high) for index, item in enumerate(value)]
        )
    if isinstance(value, np.ndarray):
        return gym.spaces.Box(low, high, value.shape, np.float32)
    raise _unfit(name, value)


def _unfit(name: str, value: object) -> ValueError:
    return ValueError(
        f"Field {name} of a supertype is {value!r} ({type(value).__name__}). Expected a number, an array, "
        "or a list, tuple or dict of those: only they fit into an observation space."
    )
