"""`NStepChains`: transitions over n steps each, made of those over one step, also across batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantom_core.policies.batching import join_rows, map_arrays, take_rows
from phantom_core.rollouts.batch import Transitions


class NStepChains:
    """Each agent's last n - 1 transitions at most, which wait for their successors.

    A chain is what one agent went through in one episode of one copy of the env. Its transitions wait in a
    slot of their own, so that adding to some chains costs nothing for the others.
    """

    def __init__(self, num_steps: int, gamma: float) -> None:
        self._num_steps = num_steps
        self._powers = np.array([gamma**k for k in range(num_steps + 1)])
        self._waiting: Any = None  # arrays [slots * (n - 1), ...] by name; the oldest of a chain comes first
        self._counts = np.zeros(0, np.int64)  # how many wait in each slot
        self._slots: dict[tuple[int, str], int] = {}  # by copy of the env and repr of the agent
        self._free: list[int] = []

    def __len__(self) -> int:
        """Return how many transitions wait."""
        return int(self._counts.sum())

    def fold(self, transitions: Transitions, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Add transitions, given by their columns too; return those over n steps that are complete now.

        They are in the order in which they became complete, wherever batches begin and end.
        """
        of, n = transitions, self._num_steps
        owners = list(zip(of.env_indices.tolist(), map(repr, of.agent_ids), strict=True))
        slots, columns = self._slots_of(owners), {**columns, "episodes": of.episodes}
        if self._waiting is None or len(self._waiting["episodes"]) < len(self._counts) * (n - 1):
            self._grow(columns)
        active = np.unique(slots)
        waiting = self._counts[active]
        rows = join_rows([take_rows(self._waiting, self._places(active, waiting)), columns])
        owner = np.concatenate([np.repeat(active, waiting), slots])
        order = np.argsort(owner, kind="stable")  # chain by chain; below, positions are in this order
        owner = owner[order]

        def in_order(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
            return np.concatenate([np.zeros(len(order) - len(flags), np.bool_), flags])[order]

        terminated, unknown = in_order(of.terminated), in_order(~(of.has_next | of.terminated))
        is_end = terminated | unknown | in_order(of.truncated)
        is_same = owner[1:] == owner[:-1]
        goes_on = is_same & ~is_end[:-1] & _follows(rows, order)
        lasts = np.flatnonzero(np.append(~goes_on, True))
        last = np.repeat(lasts, np.diff(lasts, prepend=-1))  # where each one's chain is cut, or open
        is_cut = np.append(is_same & ~goes_on, False) | is_end
        known = last - unknown[last]  # the last one of the chain with a known outcome
        full = np.arange(len(order)) + n - 1
        is_full = full <= known
        is_done = (is_full | is_cut[last]) & ~unknown

        done = np.flatnonzero(is_done)
        completing = np.where(is_full, full, last + ~is_end[last])[done]  # if cut, what came instead
        done = done[np.argsort(order[completing], kind="stable")]
        until = np.minimum(full, known)[done]
        rewards, returns = rows["rewards"][order], np.zeros(len(done))
        for k in range(n):
            is_within = done + k <= until
            returns += np.where(is_within, self._powers[k] * rewards[np.where(is_within, done + k, 0)], 0.0)
        left = np.flatnonzero(~(is_done | unknown))
        counts = np.bincount(np.searchsorted(active, owner[left]), minlength=len(active))
        self._keep(owners, active, counts, take_rows(rows, order[left]))

        found = {}
        for name in columns:
            found[name] = take_rows(rows[name], order[until if name.startswith("next_") else done])
        del found["episodes"]
        discounts = np.where(terminated[until], 0.0, self._powers[until - done + 1])
        return found | {"rewards": returns, "discounts": discounts}

    def state_dict(self) -> dict[str, Any]:
        """Return what waits, by name, and whose it is and how many."""
        slots = np.array([*self._slots.values()], np.int64)
        counts = self._counts[slots]
        return {
            "owners": [[*owner, int(count)] for owner, count in zip(self._slots, counts, strict=True)],
            "rows": take_rows(self._waiting, self._places(slots, counts)) if self._slots else {},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, in a new object."""
        owners = [(int(env_index), str(name)) for env_index, name, _ in state["owners"]]
        counts = np.array([count for *_, count in state["owners"]], np.int64)
        if owners:
            slots = self._slots_of(owners)
            self._grow(state["rows"])
            self._keep(owners, slots, counts, state["rows"])

    def _slots_of(self, owners: Sequence[tuple[int, str]]) -> NDArray[np.int64]:
        """Return the slot of each one's chain, a new one if it has none."""
        for owner in dict.fromkeys(owners):
            if owner not in self._slots:
                if not self._free:
                    size = len(self._counts)
                    self._counts = np.append(self._counts, np.zeros(max(size, 4), np.int64))
                    self._free = list(range(size, len(self._counts)))[::-1]
                self._slots[owner] = self._free.pop()
        return np.array([self._slots[owner] for owner in owners])

    def _grow(self, like: Mapping[str, Any]) -> None:
        """Have room for all slots."""
        size, old = len(self._counts) * (self._num_steps - 1), self._waiting
        self._waiting = map_arrays(lambda part: np.empty((size, *part.shape[1:]), part.dtype), dict(like))
        if old is not None:
            map_arrays(lambda own, part: own.__setitem__(slice(len(part)), part), self._waiting, old)

    def _places(self, slots: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where the first so many transitions of these slots are."""
        firsts = slots * (self._num_steps - 1) - (np.cumsum(counts) - counts)
        return np.repeat(firsts, counts) + np.arange(counts.sum())

    def _keep(
        self,
        owners: Sequence[tuple[int, str]],
        slots: NDArray[np.int64],
        counts: NDArray[np.int64],
        rows: Mapping[str, Any],
    ) -> None:
        """Let so many transitions wait in these slots, and free those of these owners that are empty."""
        places = self._places(slots, counts)
        map_arrays(lambda own, part: own.__setitem__(places, part), self._waiting, rows)
        self._counts[slots] = counts
        for owner in dict.fromkeys(owners):
            if not self._counts[self._slots[owner]]:
                self._free.append(self._slots.pop(owner))


def _follows(rows: Mapping[str, Any], order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether each but the first, in this order, begins with what followed the one before it."""
    episodes = rows["episodes"][order]
    follows: NDArray[np.bool_] = episodes[1:] == episodes[:-1]

    def compare(observations: NDArray[Any], following: NDArray[Any]) -> None:
        same = observations[order[1:]] == following[order[:-1]]
        follows[:] &= same.all(axis=tuple(range(1, same.ndim)))

    map_arrays(compare, rows["observations"], rows["next_observations"])
    return follows
