"""`Sequences`: decisions that followed each other, as a network with a memory goes through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Advance: TypeAlias = "Callable[[Array, Array], Array]"
"""From features [B, D] and states [B, …] to the states after them."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """N decisions in S sequences, one sequence after the other; each begins with a state.

    Attributes:
        features: what was observed [N, D].
        states: what the network remembered before the first decision of each sequence [S, …].
        numbers: the sequence of each decision, int64 [N].
        steps: the place of each decision in its sequence, from 0, int64 [N].
    """

    features: Array
    states: Array
    numbers: NDArray[np.int64]
    steps: NDArray[np.int64]

    def __len__(self) -> int:
        """Return N."""
        return len(self.features)

    def __getitem__(self, rows: Any) -> Sequences:
        """Return some of the decisions: with each one all that came before it in its sequence, in order."""
        return Sequences(self.features[rows], self.states, self.numbers[rows], self.steps[rows])

    def shuffled(self, number: int, rng: np.random.Generator) -> list[Array]:
        """Return the rows of so many minibatches of whole sequences, with nearly as many decisions each.

        There are fewer if there are not that many sequences.
        """
        lengths = np.bincount(self.numbers, minlength=len(self.states))
        begins, order = np.cumsum(lengths) - lengths, rng.permutation(len(lengths))
        middles = np.cumsum(lengths[order]) - lengths[order] / 2.0
        places = (middles * (number / len(self))).astype(np.int64)
        parts = [order[places == place] for place in range(number)]
        return [
            np.concatenate([np.arange(begins[k], begins[k] + lengths[k]) for k in part])
            for part in parts
            if lengths[part].any()
        ]


Inputs: TypeAlias = Any
"""What networks are given for N decisions: features [N, D]; those with a memory `Sequences`."""


def shuffled_rows(inputs: Inputs, number: int, rng: np.random.Generator) -> list[Array]:
    """Return the rows of so many shuffled minibatches of nearly equal size; sequences stay whole."""
    if isinstance(inputs, Sequences):
        return inputs.shuffled(number, rng)
    return np.array_split(rng.permutation(len(inputs)), number)


def cut_into_sequences(
    features: Array, starts: NDArray[np.int64], states: Array, length: int, advance: Advance
) -> tuple[Sequences, Array]:
    """Cut trajectories into sequences, each with the state that the network had there.

    Args:
        features: what was observed [N, D] in K trajectories, one after the other.
        starts: int array [K + 1]: trajectory k is rows `starts[k]` to `starts[k + 1]`; none is empty.
        states: what the network remembered before the first decision of each trajectory [K, …].
        length: most decisions of a sequence; only the last sequence of a trajectory may have fewer.
        advance: makes one step of the network.

    Returns:
        The sequences, and the states after the last decision of each trajectory.
    """
    lengths, states = np.diff(starts), np.array(states)
    per_trajectory = -(-lengths // length)
    firsts = np.cumsum(per_trajectory) - per_trajectory  # the first sequence of each trajectory
    found = np.empty((int(per_trajectory.sum()), *states.shape[1:]), states.dtype)
    for step in range(int(lengths.max(initial=0))):
        going = np.flatnonzero(lengths > step)
        if step % length == 0:
            found[firsts[going] + step // length] = states[going]
        states[going] = advance(features[starts[going] + step], states[going])
    steps = np.arange(len(features)) - np.repeat(starts[:-1], lengths)
    numbers = np.repeat(firsts, lengths) + steps // length
    return Sequences(features, found, numbers, steps % length), states
