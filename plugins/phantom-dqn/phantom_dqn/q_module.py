"""`QModule`: a `torch.nn.Module` of the user's that gives each option a value."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from phantom_nn.module_network import ModuleNetwork

Array = NDArray[Any]


class QModule(ModuleNetwork):
    """A module that returns values [B, A], as a policy in NumPy uses it."""

    def q_values(self, features: Array) -> Array:
        """Return the values of all options for features [B, width]: [B, A]."""
        with torch.no_grad():
            values: Array = self(torch.from_numpy(np.ascontiguousarray(features))).numpy()
            return values
