"""Action masks: one entry for each choice of an action, also where an action has several choices."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.int8]


def num_choices(space: gym.Space[Any]) -> int:
    """Return how many entries a mask of a space has: those of its Discrete and MultiDiscrete parts, in order.

    >>> num_choices(gym.spaces.Tuple([gym.spaces.MultiDiscrete([2, 3]), gym.spaces.Box(0, 1)]))
    5
    """
    if isinstance(space, gym.spaces.Discrete):
        return int(space.n)
    if isinstance(space, gym.spaces.MultiDiscrete):
        return int(space.nvec.sum())
    return sum(map(num_choices, _parts(space)))


def sample_allowed(space: gym.Space[Any], mask: Any) -> Any:
    """Return a random element of a space that a mask allows, drawn from the space's own generator.

    A choice of which the mask allows nothing is free. So is everything if the mask has another number of
    entries than the space has choices.
    """
    entries = np.ravel(mask).astype(np.int8)
    if not len(entries) or len(entries) != num_choices(space):
        return space.sample()
    return space.sample(mask=_as_gymnasium_has_it(space, entries))


def _as_gymnasium_has_it(space: gym.Space[Any], entries: Mask) -> Any:
    """Return a mask nested as the space is, for its `sample`; None for parts without choices."""
    if isinstance(space, gym.spaces.Discrete):
        return entries if entries.any() else np.ones_like(entries)
    if isinstance(space, gym.spaces.MultiDiscrete):
        choices = np.split(entries, np.cumsum(space.nvec.ravel())[:-1])
        flat = [own if own.any() else np.ones_like(own) for own in choices]
        return _shaped(flat, space.nvec.shape)
    parts = _parts(space)
    if not parts:
        return None
    ends = np.cumsum([num_choices(part) for part in parts])[:-1]
    nested = [
        _as_gymnasium_has_it(part, own) for part, own in zip(parts, np.split(entries, ends), strict=True)
    ]
    return (
        dict(zip(space.spaces, nested, strict=True)) if isinstance(space, gym.spaces.Dict) else tuple(nested)
    )


def _parts(space: gym.Space[Any]) -> list[gym.Space[Any]]:
    if isinstance(space, gym.spaces.Dict):
        return list(space.spaces.values())
    return list(space.spaces) if isinstance(space, gym.spaces.Tuple) else []


def _shaped(flat: list[Mask], shape: tuple[int, ...]) -> Any:
    """Return the masks of choices as tuples, nested as the choices are arranged."""
    if len(shape) <= 1:
        return tuple(flat)
    size = len(flat) // shape[0]
    return tuple(_shaped(flat[n * size : (n + 1) * size], shape[1:]) for n in range(shape[0]))
