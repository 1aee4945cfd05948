"""All parameters of a policy in one flat vector: their names, first weights and averages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ParameterLayout:
    """Where each named array lies in a flat vector.

    Attributes:
        shapes: shape by name, in the order of the vector.
        size: the length of the vector.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        self.size = sum(map(math.prod, self.shapes.values()))

    def views(self, flat: Any) -> dict[str, Any]:
        """Return each named array as a view of `flat`: whoever writes into one writes into the other.

        Args:
            flat: a vector of NumPy or torch.
        """
        assert flat.shape == (self.size,)
        views, begin = {}, 0
        for name, shape in self.shapes.items():
            end = begin + math.prod(shape)
            views[name] = flat[begin:end].reshape(shape)
            begin = end
        return views


def orthogonal(rng: np.random.Generator, rows: int, columns: int, gain: float) -> NDArray[np.float64]:
    """Draw a matrix [rows, columns] with orthogonal rows or columns, times `gain`.

    Source: Saxe, McClelland and Ganguli 2014, arXiv:1312.6120.
    """
    drawn = rng.standard_normal((max(rows, columns), min(rows, columns)))
    basis, triangle = np.linalg.qr(drawn)
    basis *= np.where(np.diag(triangle) < 0.0, -1.0, 1.0)  # without it the distribution is not uniform
    return gain * (basis if rows >= columns else basis.T)


def polyak(target: NDArray[Any], source: NDArray[Any], rate: float) -> None:
    """Move a target vector in place towards another one: θ⁻ ← θ⁻ + τ (θ − θ⁻).

    Args:
        target: θ⁻.
        source: θ.
        rate: τ, from 0 to 1; 1 copies.

    Source: Lillicrap et al. 2016, arXiv:1509.02971, algorithm 1; Polyak and Juditsky 1992.
    """
    if rate == 1.0:
        target[:] = source
        return
    work = source - target
    work *= rate
    target += work
