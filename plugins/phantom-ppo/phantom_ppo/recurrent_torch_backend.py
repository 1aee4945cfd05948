"""`RecurrentTorchBackend`: gradients back through the steps of sequences. Needs `phantom-ppo[torch]`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from phantom_ppo.ppo_loss import Samples
from phantom_ppo.sequences import Sequences
from phantom_ppo.torch_backend import TorchBackend
from phantom_ppo.torch_gru import PaddedSequences

Array = NDArray[Any]


class RecurrentTorchBackend(TorchBackend):
    """A `TorchBackend` that is given `Sequences` for features, and minibatches of whole sequences."""

    def _look_up(self, features: Any) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            self._memory.pull()
            rows, states = map(self._memory.tensor, (features.features, features.states))
            return self._values(self._padded(replace(features, features=rows, states=states)))

    def _moved(self, samples: Samples) -> Any:
        sequences = samples.features
        moved = super()._moved(replace(samples, features=sequences.features))
        states = self._memory.tensor(sequences.states)
        return replace(moved, features=replace(sequences, features=moved.features, states=states))

    def _picked(self, samples: Any, rows: Array | None, advantages: Array) -> Any:
        picked = super()._picked(replace(samples, features=samples.features.features), rows, advantages)
        chosen = replace(samples.features, features=picked.features)
        if rows is not None:
            chosen = replace(chosen, numbers=chosen.numbers[rows], steps=chosen.steps[rows])
        return replace(picked, features=self._padded(chosen))

    def _padded(self, sequences: Sequences) -> PaddedSequences:
        """Return sequences, whose features and states are tensors, side by side."""
        numbers, steps = sequences.numbers, sequences.steps
        begins = np.flatnonzero(steps == 0)
        columns = np.cumsum(steps == 0) - 1
        number, length = len(begins), int(steps.max()) + 1
        places = steps * number + columns
        rows = np.zeros(length * number, np.int64)  # after its end a sequence sees some row, and nobody looks
        rows[places] = np.arange(len(numbers))
        features = sequences.features[self._memory.tensor(rows)]
        return PaddedSequences(
            features.reshape(length, number, -1),
            sequences.states[self._memory.tensor(numbers[begins])],
            self._memory.tensor(places),
        )
