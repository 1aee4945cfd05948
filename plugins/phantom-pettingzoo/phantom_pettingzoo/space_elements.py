"""Elements of Gymnasium spaces, made as PettingZoo wants them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces


def blank(space: spaces.Space[Any]) -> Any:
    """Return the element nearest to zero, to stand for an observation that was not made.

    Of spaces other than Gymnasium's simple and composed ones: a drawn one.

    >>> blank(spaces.Box(1.0, 2.0, (2,)))
    array([1., 1.], dtype=float32)
    """
    element: Any
    match space:
        case spaces.Box():
            element = np.clip(np.zeros(space.shape, space.dtype), space.low, space.high)
        case spaces.Discrete():
            element = space.dtype.type(min(max(0, space.start), space.start + space.n - 1))
        case spaces.MultiDiscrete():
            last = space.start + space.nvec - 1
            element = np.clip(np.zeros(space.shape, space.dtype), space.start, last)
        case spaces.MultiBinary():
            element = np.zeros(space.shape, space.dtype)
        case spaces.Dict():
            element = {key: blank(part) for key, part in space.items()}
        case spaces.Tuple():
            element = tuple(blank(part) for part in space.spaces)
        case _:
            element = space.sample()
    return element


def as_numpy(space: spaces.Space[Any], element: Any) -> Any:
    """Return an element with plain integers of discrete spaces as NumPy integers; else as it is.

    PettingZoo's own tests ask elements of discrete spaces for their dtype.
    """
    match space:
        case spaces.Discrete() if isinstance(element, int):
            return space.dtype.type(element)
        case spaces.Dict():
            return {key: as_numpy(part, element[key]) for key, part in space.items()}
        case spaces.Tuple():
            return tuple(as_numpy(part, one) for part, one in zip(space.spaces, element, strict=True))
    return element
