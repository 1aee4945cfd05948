"""`ReplayBuffer`: what off-policy trainers learn from again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.component_config import is_whole
from phantom_core.errors import CheckpointError, ConfigError
from phantom_core.policies.batching import map_arrays, put_rows, slice_rows, take_rows
from phantom_core.rollouts.batch import Transitions
from phantom_core.rollouts.copy_state import decode_batch, encode_batch
from phantom_core.rollouts.n_step_chains import NStepChains
from phantom_core.rollouts.space_batcher import make_batcher


@dataclass(eq=False, slots=True)
class ReplaySample:
    """B transitions over up to n steps each, drawn from a `ReplayBuffer`; arrays of its own.

    A value target is `rewards + discounts * value(next_observations)`.

    Attributes:
        observations: B elements of the observation space, laid out as in `Transitions`.
        actions: B actions, as they were added.
        rewards: float64 array [B]; the discounted sum of the rewards of those steps.
        next_observations: B elements of the observation space: what followed the last of those steps.
        discounts: float64 array [B]; how much the value of what followed counts: γᵏ after k steps, and 0.0
            after a termination, where `next_observations` may be any element of the space.
        extras: by name, what `sample_actions` said about each decision; arrays [B, ...].
        states: B elements of the state space, as `observations`; None without a `state_space`.
        next_states: B elements of it, as `next_observations`.
    """

    observations: Any
    actions: Any
    rewards: NDArray[np.float64]
    next_observations: Any
    discounts: NDArray[np.float64]
    extras: Mapping[str, NDArray[Any]]
    states: Any = None
    next_states: Any = None

    def __len__(self) -> int:
        """Return B."""
        return len(self.rewards)


class ReplayBuffer:
    """The newest transitions of a policy's agents, over up to n steps each, to be drawn uniformly.

        Rₜ = rₜ + γ rₜ₊₁ + … + γᵏ⁻¹ rₜ₊ₖ₋₁        value target: Rₜ + γᵏ v(oₜ₊ₖ)

    k is `num_steps`, or less where the agent's chain of steps ends before. A chain is what one agent went
    through in one episode of one copy of the env, over as many batches as it takes. After a termination the
    factor of v is 0; after a truncation the final observation has a value. A transition without a known
    outcome is left out, and ends the chain before it; so does a gap, where steps were not collected.

    A transition that waits for its successors is neither drawn nor counted. When `capacity` is reached, each
    new transition takes the place of the oldest. The arrays for all of them are made when the first comes,
    without writing to them: most systems hand memory out as it is written. What followed is stored too.

    Sources: Lin 1992, "Self-improving reactive agents based on reinforcement learning, planning and
    teaching", Machine Learning 8, 293-321; Sutton and Barto 2018, chapter 7; Hessel et al. 2018,
    arXiv:1710.02298, for n steps with replay.

    Attributes:
        capacity: the largest number of transitions.
        num_steps: n.
        gamma: γ, the discount factor per decision.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        capacity: int = 100_000,
        num_steps: int = 1,
        gamma: float = 0.99,
        *,
        state_space: gym.Space[Any] | None = None,
    ) -> None:
        """Make an empty buffer.

        Args:
            observation_space: Box, Discrete, MultiDiscrete or MultiBinary, or a Dict or Tuple of these.
            action_space: likewise; actions are kept in the dtype and shape of the first that are added.
            capacity: the largest number of transitions.
            num_steps: n.
            gamma: γ, from 0 to 1.
            state_space: that of the env, likewise, if global states are to be kept.

        Raises:
            ConfigError: if a number is out of its range, or a space is none of these.
        """
        for name, number in (("capacity", capacity), ("num_steps", num_steps)):
            if not is_whole(number):
                raise ConfigError(f"ReplayBuffer got {name}={number!r}. Expected a positive integer.")
        if not 0 <= gamma <= 1:
            raise ConfigError(f"ReplayBuffer got gamma={gamma!r}. Expected a number from 0 to 1.")
        self.capacity, self.num_steps, self.gamma = capacity, num_steps, gamma
        self._spaces = {"observations": observation_space, "actions": action_space}
        if state_space is not None:
            self._spaces["states"] = state_space
        layout = {name: _no_rows(name, space) for name, space in self._spaces.items()}
        del layout["actions"]  # they may be laid out otherwise
        layout |= {f"next_{name}": rows for name, rows in layout.items()}
        self._layout = layout | {"rewards": np.zeros(0)}
        self._clear()

    def _clear(self) -> None:
        self._first: dict[str, Any] = {}  # no rows of actions and extras, as the first were laid out
        self._columns: Any = None  # arrays [capacity, ...] by name, once there were transitions
        self._added = 0  # since the beginning
        self._chains = NStepChains(self.num_steps, self.gamma)

    def __len__(self) -> int:
        """Return how many transitions can be drawn."""
        return min(self._added, self.capacity)

    @property
    def added(self) -> int:
        """How many transitions were added since the beginning: the newest is at (added − 1) % capacity."""
        return self._added

    def add(self, transitions: Transitions) -> None:
        """Add what happened since the last call, of any agents in any copies, in time order.

        Raises:
            ConfigError: if it is not laid out as the spaces and, for actions and extras, the first ones are.
        """
        if not len(transitions):
            return
        columns = self._checked(transitions)
        if self.num_steps > 1:
            self._write(self._chains.fold(transitions, columns))
            return
        columns["discounts"] = np.where(transitions.terminated, 0.0, self.gamma)
        is_known = transitions.has_next | transitions.terminated
        self._write(columns if is_known.all() else take_rows(columns, np.flatnonzero(is_known)))

    def sample(self, batch_size: int, rng: np.random.Generator) -> ReplaySample:
        """Draw so many transitions uniformly, with replacement.

        Raises `ConfigError` if there are none.
        """
        if not self._added:
            raise ConfigError(
                f"The ReplayBuffer is empty; {len(self._chains)} transitions wait for their successors. Add "
                "more, and sample once len(buffer) is as large as you need it."
            )
        return self.take(rng.integers(len(self), size=batch_size))

    def take(self, places: NDArray[np.int64]) -> ReplaySample:
        """Return the transitions at these places [B], each from 0 to len(buffer) − 1.

        For draws that are not uniform. The transition that was added as number n, from 0, is at
        n % capacity, until another one takes its place.
        """
        return ReplaySample(**take_rows(self._columns, places))

    def state_dict(self) -> dict[str, Any]:
        """Return all transitions, also those that wait, as arrays and JSON values."""
        rows = {} if self._columns is None else slice_rows(self._columns, 0, len(self))
        waiting = self._chains.state_dict()
        return {
            "settings": self._settings(),
            "added": self._added,
            "columns": encode_batch(map_arrays(np.copy, rows)),
            "waiting": waiting | {"rows": encode_batch(waiting["rows"])},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned: all is drawn as from that buffer, bit for bit.

        Raises `CheckpointError` if that buffer was made with other arguments.
        """
        saved, own = state["settings"], self._settings()
        for name in [*own, *saved]:
            if saved.get(name) != own.get(name):
                raise CheckpointError(
                    f"The saved ReplayBuffer has {name}={saved.get(name)}, but this one has "
                    f"{name}={own.get(name)}. Make it with the same."
                )
        self._clear()
        if state["columns"]:
            rows = self._decoded(state["columns"])
            self._first = slice_rows({name: rows[name] for name in ("actions", "extras")}, 0, 0)
            self._write(rows)
        self._added = int(state["added"])
        waiting = state["waiting"]
        self._chains.load_state_dict({**waiting, "rows": self._decoded(waiting["rows"])})

    def _settings(self) -> dict[str, Any]:
        """Return the arguments as JSON values."""
        found = {"capacity": self.capacity, "num_steps": self.num_steps, "gamma": self.gamma}
        return found | {f"{name[:-1]}_space": str(space) for name, space in self._spaces.items()}

    def _decoded(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        """Return saved columns, nested as their spaces are."""
        spaces = self._spaces | {f"next_{name}": space for name, space in self._spaces.items()}
        return {
            name: decode_batch(spaces[name], rows) if name in spaces else rows for name, rows in saved.items()
        }

    def _checked(self, transitions: Transitions) -> dict[str, Any]:
        """Return the columns that are kept, if they are laid out as they should be."""
        if "states" in self._spaces and transitions.states is None:
            raise ConfigError(
                "ReplayBuffer.add() got transitions without states, but has a state_space. Collect them with "
                'CollectPlan(needs=("state",)).'
            )
        size, columns = len(transitions), {name: getattr(transitions, name) for name in self._layout}
        columns |= {"actions": transitions.actions, "extras": dict(transitions.extras)}
        first = self._first or map_arrays(
            lambda part: np.asarray(part)[:0].copy(), {name: columns[name] for name in ("actions", "extras")}
        )
        for like, origin in ((self._layout, "as its space says"), (first, "as the first ones")):
            for name, rows in like.items():
                if not _is_like(rows, columns[name], size):
                    raise ConfigError(
                        f"ReplayBuffer.add() got {size} transitions with {name} {_described(columns[name])}. "
                        f"Expected {_described(rows, size)}, {origin}."
                    )
        self._first = first
        return columns

    def _write(self, rows: Mapping[str, Any]) -> None:
        """Add transitions in the place of the oldest."""
        size = len(rows["rewards"])
        if self._columns is None:
            self._columns = map_arrays(
                lambda part: np.empty((self.capacity, *part.shape[1:]), part.dtype), dict(rows)
            )
        start = max(0, size - self.capacity)  # older ones would not stay
        while start < size:
            place = (self._added + start) % self.capacity
            end = min(size, start + self.capacity - place)
            put_rows(self._columns, place, rows if end - start == size else slice_rows(rows, start, end))
            start = end
        self._added += size


def _no_rows(name: str, space: gym.Space[Any]) -> Any:
    """Return a batch of no elements of a space, if it is of arrays."""
    rows = make_batcher(space).joined([])
    parts: list[Any] = []
    map_arrays(parts.append, rows)
    if not all(isinstance(part, np.ndarray) for part in parts):
        raise ConfigError(
            f"ReplayBuffer got {name[:-1]}_space={space}. Expected Box, Discrete, MultiDiscrete or "
            "MultiBinary, or a Dict or Tuple of these, whose batches are arrays."
        )
    return rows


def _is_like(own: Any, rows: Any, size: int) -> bool:
    """Return whether so many rows have the dtypes and shapes of some others."""

    def check(own: NDArray[Any], part: Any) -> None:
        if part.dtype != own.dtype or part.shape != (size, *own.shape[1:]):
            raise ValueError

    try:
        map_arrays(check, own, rows)
    except (AttributeError, LookupError, TypeError, ValueError):
        return False
    return not isinstance(own, dict) or own.keys() == rows.keys()


def _described(rows: Any, size: int | None = None) -> Any:
    """Return the dtypes and shapes of rows, for a message; with another number of them, if it is given."""

    def describe(part: Any) -> str:
        if not isinstance(part, np.ndarray):
            return type(part).__name__
        return f"{part.dtype} {[*part.shape] if size is None else [size, *part.shape[1:]]}"

    return map_arrays(describe, rows)
