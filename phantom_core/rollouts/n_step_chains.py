"""`NStepChains`: transitions over n steps each, made of those over one step, also across batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phantom_core.policies.batching import map_arrays, put_rows, slice_rows, take_rows
from phantom_core.rollouts.batch import Transitions

_NOTES: Final = np.dtype(
    [
        ("before", np.int64),  # the index of the transition before it in its chain; -1: there is none
        ("until", np.int64),  # the index of the last one that its return covers
        ("steps", np.int64),  # how many its return covers
        ("returns", np.float64),
        ("is_done", np.bool_),  # it waits no longer, or its outcome is not known
    ]
)


class NStepChains:
    """Transitions that wait for their successors: each agent's last n - 1 at most.

    A chain is what one agent went through in one episode of one copy of the env; each transition knows the
    one before it. All are in one log, in time order; what waits no longer is swept out when it is full.
    """

    def __init__(self, num_steps: int, gamma: float) -> None:
        """Make chains for n > 1 steps."""
        self._num_steps = num_steps
        self._powers = np.array([gamma**k for k in range(num_steps + 1)])
        self._log: Any = None  # arrays by name; the first `_size` rows count
        self._notes = np.zeros(0, _NOTES)  # of each row of the log
        self._size = 0
        self._newest: dict[tuple[int, str], int] = {}  # by copy and repr of the agent: index in the log

    def __len__(self) -> int:
        """Return how many transitions wait."""
        return int(np.count_nonzero(~self._notes["is_done"][: self._size]))

    def fold(self, transitions: Transitions, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Add transitions, given by their columns too; return those over n steps that are complete now.

        They are in the order in which they became complete, wherever batches begin and end.
        """
        of, n = transitions, self._num_steps
        is_known = of.has_next | of.terminated
        is_end = of.terminated | of.truncated | ~is_known
        new = self._append({**columns, "episodes": of.episodes, "terminated": of.terminated}, is_known)
        notes, newest, found = self._notes, self._newest, []
        for row, env_index, agent_id, ends in zip(
            new.tolist(), of.env_indices.tolist(), of.agent_ids, is_end.tolist(), strict=True
        ):
            owner = env_index, repr(agent_id)
            found.append(newest.pop(owner, -1))
            if not ends:
                newest[owner] = row
        before = np.array(found)
        has_before = before >= 0
        goes_on = has_before & is_known & self._follows(new, before)
        notes["before"][new] = np.where(goes_on, before, -1)
        notes["returns"][new] = 0.0

        owners, until = new[is_known], new[is_known]  # of k-step returns, which become (k + 1)-step returns
        for k in range(n):
            if k:
                owners, until = self._step_back(owners, until)
            notes["returns"][owners] += self._powers[k] * self._log["rewards"][until]
            notes["until"][owners] = until
            notes["steps"][owners] = k + 1
        is_cut, is_last = has_before & ~goes_on, is_known & is_end
        if is_cut.any() or is_last.any():  # nothing is to come for those of the last n - 1 steps
            done, by = [owners], [until]
            owners = np.concatenate([before[is_cut], new[is_last]])
            until = np.concatenate([new[is_cut], new[is_last]])
            for k in range(n - 1):
                if k:
                    owners, until = self._step_back(owners, until)
                done.append(owners)
                by.append(until)
            owners, until = np.concatenate(done), np.concatenate(by)
            owners = owners[np.lexsort((owners, until))]
        return self._complete(owners, columns)

    def state_dict(self) -> dict[str, Any]:
        """Return what waits, by name, and the newest of each chain."""
        self._sweep(0)
        rows = {} if self._log is None else map_arrays(np.copy, slice_rows(self._log, 0, self._size))
        return {
            "rows": rows,
            "notes": {name: self._notes[name][: self._size].copy() for name in _NOTES.names or ()},
            "newest": [[*owner, row] for owner, row in self._newest.items()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, in a new object."""
        if state["rows"]:
            new = self._append(state["rows"], np.ones(len(state["rows"]["rewards"]), np.bool_))
            for name, values in state["notes"].items():
                self._notes[name][new] = values
        self._newest = {(int(env), str(name)): int(row) for env, name, row in state["newest"]}

    def _append(self, rows: Mapping[str, Any], is_known: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Write transitions to the log; return where they are."""
        number = len(is_known)
        if self._log is None:
            self._log = slice_rows(rows, 0, 0)
        if self._size + number > len(self._notes):
            self._sweep(number)
        first, self._size = self._size, self._size + number
        put_rows(self._log, first, rows)
        self._notes["is_done"][first : self._size] = ~is_known
        return np.arange(first, self._size)

    def _sweep(self, number: int) -> None:
        """Remove what waits no longer, and have room for so many more and for as many as there are."""
        notes = self._notes[: self._size]
        kept = np.flatnonzero(~notes["is_done"])
        place = np.full(self._size + 1, -1)  # its last one is that of no transition
        place[kept] = np.arange(len(kept))
        capacity = len(self._notes)
        if 2 * len(kept) + number > capacity:
            capacity = max(64, 2 * capacity, 2 * len(kept) + number)
        self._notes = np.zeros(capacity, _NOTES)
        self._notes[: len(kept)] = notes[kept]
        for name in ("before", "until"):
            self._notes[name][: len(kept)] = place[notes[name][kept]]
        if self._log is not None:
            rows = take_rows(self._log, kept)
            if len(self._log["rewards"]) < capacity:
                self._log = map_arrays(lambda part: np.empty((capacity, *part.shape[1:]), part.dtype), rows)
            put_rows(self._log, 0, rows)
        self._newest = {owner: int(place[row]) for owner, row in self._newest.items()}
        self._size = len(kept)

    def _step_back(
        self, rows: NDArray[np.int64], others: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the transitions before those, where there are any, and what belongs to them."""
        before = self._notes["before"][rows]
        exists = before >= 0
        return before[exists], others[exists]

    def _follows(self, rows: NDArray[np.int64], before: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether transitions begin, in the same episode, with what followed those before them."""
        log = self._log
        follows: NDArray[np.bool_] = log["episodes"][rows] == log["episodes"][before]

        def compare(observations: NDArray[Any], following: NDArray[Any]) -> None:
            same = observations[rows] == following[before]
            follows[:] &= same.all(axis=tuple(range(1, same.ndim)))

        map_arrays(compare, log["observations"], log["next_observations"])
        return follows

    def _complete(self, rows: NDArray[np.int64], names: Mapping[str, Any]) -> dict[str, Any]:
        """Return these over all the steps that they cover; they wait no longer."""
        notes, log = self._notes[rows], self._log
        self._notes["is_done"][rows] = True
        until = notes["until"]
        found = {name: take_rows(log[name], until if name.startswith("next_") else rows) for name in names}
        found["rewards"] = notes["returns"]
        found["discounts"] = np.where(log["terminated"][until], 0.0, self._powers[notes["steps"]])
        return found
