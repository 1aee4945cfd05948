"""`TorchMemory`: a policy's flat vector of parameters on a device, and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import phantom_core as ph

Array = NDArray[Any]


class TorchMemory:
    """Parameters that PyTorch changes and NumPy acts by: on a CPU they are the very same memory.

    On a CPU torch is set to one thread, because networks of this size are faster that way.

    Attributes:
        device: where torch computes.
        parameters: the parameters on the device.
        gradient: their gradient, as one vector.
    """

    def __init__(self, acting: Array, device: str, trainer: str) -> None:
        """Take over parameters.

        Args:
            acting: the vector that the policy acts by.
            device: such as `"cpu"` or `"cuda"`.
            trainer: what the trainer is called in messages.

        Raises:
            ConfigError: if there is no such device.
        """
        if device == "cpu":
            torch.set_num_threads(1)
        self.device = device
        self._acting = torch.from_numpy(acting)
        self.parameters = _on_device(self._acting, device, trainer)
        self.gradient = torch.zeros_like(self.parameters)

    def collect_gradients(self, tensors: Sequence[torch.Tensor]) -> None:
        """Let autograd add up the gradients of these views of the parameters in `gradient`."""
        sizes = [tensor.numel() for tensor in tensors]
        for tensor, part in zip(tensors, self.gradient.split(sizes), strict=True):
            tensor.grad = part.view_as(tensor)

    def pull(self) -> None:
        """Take over what the policy acts by."""
        self.parameters.copy_(self._acting)

    def push(self) -> None:
        """Let the policy act by what torch made of the parameters."""
        self._acting.copy_(self.parameters)

    def tensor(self, array: Array) -> torch.Tensor:
        """Return an array on the device; on a CPU it shares memory with a contiguous one."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def to_numpy(tensor: torch.Tensor) -> Array:
    """Return a tensor of any device as an array; one on the CPU shares its memory."""
    array: Array = tensor.cpu().numpy()
    return array


def _on_device(tensor: torch.Tensor, device: str, trainer: str) -> torch.Tensor:
    try:
        return tensor.to(device)
    except (RuntimeError, AssertionError) as error:  # what torch says depends on how it was built
        raise ph.errors.ConfigError(
            f"{trainer} got device={device!r}, which torch cannot use ({error}). Expected one that it finds "
            "on this machine, such as 'cpu'."
        ) from error
