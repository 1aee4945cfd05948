"""`ModuleNetwork`: a module of the user's that PyTorch computes in the memory of a flat vector."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from phantom_nn.flat_parameters import ParameterLayout
from phantom_nn.observation_layout import ObservationLayout

Array = NDArray[Any]
_EXTRA: Final = ".extra"
"""The name of `extra` among those of a module, none of which begins with a dot."""


class ModuleNetwork:
    """A `torch.nn.Module` of the user's as the network of a policy.

    The module is made as `module_class(observation_space, num_outputs)`. It is called with batched
    observations as float32 tensors: a Box or MultiBinary as [B, *shape], a Discrete or MultiDiscrete one-hot
    as [B, sizes], a Dict or Tuple as dict or tuple of these; of an observation with a mask the module sees
    what is under `observation`. What it returns is up to the algorithm.

    Attributes:
        module: the module.
        parameters: all parameters and floating buffers of the module as one float32 vector, in whose
            memory it computes.
        extra: the last of them, which do not depend on the input.
        tensors: the same as tensors, in the same memory.
    """

    def __init__(
        self,
        module_class: Callable[..., torch.nn.Module],
        layout: ObservationLayout,
        num_outputs: int,
        num_extra: int = 0,
    ) -> None:
        """Make the module.

        Args:
            module_class: makes it.
            layout: how observations become features, and back.
            num_outputs: passed to `module_class`.
            num_extra: the number of parameters beside the module's, such as a Gaussian's log σ.
        """
        self._made_of = module_class, layout, num_outputs, num_extra
        self.module = self._made(0)
        shapes = {name: tuple(tensor.shape) for name, tensor in _state(self.module).items()}
        self._layout = ParameterLayout({**shapes, _EXTRA: (num_extra,)})
        self.parameters: Array = np.zeros(self._layout.size, np.float32)
        self.extra: Array = self._layout.views(self.parameters)[_EXTRA]
        self.tensors: Sequence[torch.Tensor] = []
        self._adopt()

    def __getstate__(self) -> tuple[Any, Array]:
        """Return what a copy is made of; the views are not, because a copied view is no view."""
        return self._made_of, self.parameters

    def __setstate__(self, state: tuple[Any, Array]) -> None:
        made_of, parameters = state
        self.__init__(*made_of)  # type: ignore[misc]  # as if it was made anew
        self.parameters[:] = parameters

    def initialise(self, rng: np.random.Generator) -> None:
        """Make the module anew, as it draws its weights; `extra` stays as it is."""
        self.module = self._made(int(rng.integers(2**63)))
        self._adopt()

    def __call__(self, features: torch.Tensor) -> Any:
        """Return what the module returns for features [B, width]."""
        return self.module(self._made_of[1].unflatten(features))

    def on(self, parameters: torch.Tensor) -> Self:
        """Return this network in the memory of these parameters, on their device: itself if it is there."""
        if parameters.data_ptr() == self.parameters.ctypes.data:
            return self
        moved = copy.copy(self)
        moved.move_to(parameters)
        return moved

    def move_to(self, parameters: torch.Tensor) -> None:
        """Compute from now on in the memory of these parameters, on their device."""
        views = self._layout.views(parameters)
        self.module.to(parameters.device)
        state = _state(self.module)
        for name, tensor in state.items():
            tensor.data = views[name]
        self.tensors = [*state.values(), views[_EXTRA].detach().requires_grad_()]

    def _made(self, seed: int) -> torch.nn.Module:
        """Make a module whose weights follow from a seed, without touching torch's own generator."""
        module_class, layout, num_outputs, _ = self._made_of
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return module_class(layout.inner_space, num_outputs).float()

    def _adopt(self) -> None:
        """Let the module live in the flat vector, with the weights that it has."""
        views = self._layout.views(self.parameters)
        for name, tensor in _state(self.module).items():
            views[name][...] = tensor.detach().numpy()
        self.move_to(torch.from_numpy(self.parameters))


def _state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return what a module computes with: parameters, and buffers of floats, which no gradient reaches."""
    buffers = {name: buffer for name, buffer in module.named_buffers() if buffer.is_floating_point()}
    return {**dict(module.named_parameters()), **buffers}
