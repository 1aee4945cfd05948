"""What a central critic sees: the state of the env or the joined observations, and who is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_nn import FeatureScaler, ObservationLayout

Array = NDArray[Any]


class View(Protocol):
    """One part of what the critic sees.

    Attributes:
        width: how many columns it has.
    """

    width: int

    def __call__(self, batch: ph.Trajectories, own: Array, own_next: Array) -> tuple[Array, Array]:
        """Return it at each decision, [B, width], and after each trajectory, [K, width].

        Args:
            batch: B decisions in K trajectories.
            own: what the agent itself observed at each decision, as the actor takes it [B, D].
            own_next: what it observed after each trajectory [K, D].
        """

    def see(self, batch: ph.Trajectories) -> None:
        """Take a batch into the running moments, if it has any."""

    def state_dict(self) -> dict[str, Any]:
        """Return the moments."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""


class Momentless:
    """A part without running moments."""

    def see(self, batch: ph.Trajectories) -> None:
        """Keep nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Need nothing."""


class GlobalState:
    """The global state of the env, laid out as observations are."""

    def __init__(self, space: gym.Space[Any], clip: float | None) -> None:
        """Lay out a space.

        Args:
            space: the env's `state_space`.
            clip: the bound on the size of a number that is normalised by its running mean and deviation;
                None: numbers stay as they are.

        Raises:
            ConfigError: if the space has a part that is not numbers.
        """
        try:
            self._layout = ObservationLayout(space)
        except ph.errors.ConfigError as error:
            raise ph.errors.ConfigError(
                f"The critic of mappo cannot read the env's state_space. {error}"
            ) from error
        self.width = self._layout.width
        self._scaler = None if clip is None else FeatureScaler(self._layout.is_number, clip)

    def __call__(self, batch: ph.Trajectories, own: Array, own_next: Array) -> tuple[Array, Array]:
        """Return the states of the batch."""
        both = self._layout.features(batch.states), self._layout.features(batch.next_states)
        return both if self._scaler is None else (self._scaler(both[0]), self._scaler(both[1]))

    def see(self, batch: ph.Trajectories) -> None:
        """Take the states into the running mean and deviation."""
        if self._scaler is not None:
            self._scaler.see(self._layout.features(batch.states))

    def state_dict(self) -> dict[str, Any]:
        """Return the moments."""
        return {} if self._scaler is None else self._scaler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        if self._scaler is not None:
            self._scaler.load_state_dict(state)


class Seats:
    """Gives each of the agents of a policy a number, those that are there when the run begins."""

    def __init__(self, policy_id: ph.PolicyID, agent_ids: Sequence[ph.AgentID]) -> None:
        self._policy_id, self._numbers = policy_id, {agent: seat for seat, agent in enumerate(agent_ids)}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._numbers)

    def of(self, agent_ids: Sequence[ph.AgentID]) -> NDArray[np.int64]:
        """Return their numbers; raise `ConfigError` if one is not known."""
        try:
            return np.array([self._numbers[agent_id] for agent_id in agent_ids], np.int64)
        except KeyError as error:
            raise ph.errors.ConfigError(
                f"Agent {error.args[0]!r} plays policy {self._policy_id!r}, but was not there when the run "
                f"began. The critic of mappo knows {ph.tools.listing(list(self._numbers))}. Have the env "
                "list all its agents from the start, give it state() and state_space with "
                "agent_specific=false, or use ppo."
            ) from None


class JoinedObservations(Momentless):
    """What all agents of the policy observe at one moment, each in columns of its own.

    Behind each observation stands a 1. An agent that ended, that does not act at that moment or that is not
    there has zeros in all its columns ("death masking" of Yu et al. 2022, arXiv:2103.01955).
    """

    def __init__(self, seats: Seats, own_width: int) -> None:
        self._seats, self.width = seats, len(seats) * (own_width + 1)

    def __call__(self, batch: ph.Trajectories, own: Array, own_next: Array) -> tuple[Array, Array]:
        """Return what was observed at the moment of each decision, and at that after each trajectory."""
        moments, number = self._moments(batch)
        decided, following = moments[: len(own)], moments[len(own) :]
        seats, goes_on = self._seats.of(batch.agent_ids), batch.has_next & ~batch.terminated
        table = np.zeros((number, len(self._seats), own.shape[1] + 1), own.dtype)
        table[decided, np.repeat(seats, np.diff(batch.starts))] = _with_one(own)
        now = table[decided]  # before what follows is written: it is seen by nobody who decides
        table[following[goes_on], seats[goes_on]] = _with_one(own_next[goes_on])
        return now.reshape(-1, self.width), table[following].reshape(-1, self.width)

    def _moments(self, batch: ph.Trajectories) -> tuple[NDArray[np.int64], int]:
        """Number the moments of the batch: those of B decisions, then those after K trajectories."""
        starts, steps = batch.starts, batch.steps
        places = np.array([batch.env_indices, batch.episodes], np.int64)
        keys = np.concatenate(
            (
                np.vstack((np.repeat(places, np.diff(starts), axis=1), steps)),
                np.vstack((places, steps[starts[1:] - 1] + 1)),
            ),
            axis=1,
        )
        order = np.lexsort(keys[::-1])
        ordered = keys[:, order]
        is_new = np.any(ordered[:, 1:] != ordered[:, :-1], axis=0)
        numbers = np.empty(len(order), np.int64)
        numbers[order] = np.concatenate(([0], np.cumsum(is_new)))
        return numbers, int(np.count_nonzero(is_new)) + 1


def _with_one(rows: Array) -> Array:
    return np.concatenate((rows, np.ones((len(rows), 1), rows.dtype)), axis=1)


class Oneself(Momentless):
    """What the judged agent itself observes, and which one of the policy's agents it is, one-hot."""

    def __init__(self, seats: Seats, own_width: int) -> None:
        self._seats, self.width = seats, own_width + len(seats)

    def __call__(self, batch: ph.Trajectories, own: Array, own_next: Array) -> tuple[Array, Array]:
        """Return both, side by side."""
        seats = np.eye(len(self._seats), dtype=own.dtype)[self._seats.of(batch.agent_ids)]
        rows = np.repeat(seats, np.diff(batch.starts), axis=0)
        return np.concatenate((own, rows), axis=1), np.concatenate((own_next, seats), axis=1)


class CentralView:
    """All that the critic sees: views side by side.

    Attributes:
        width: how many columns it has.
    """

    def __init__(self, *views: View) -> None:
        self._views = views
        self.width = sum(view.width for view in views)

    def __call__(self, batch: ph.Trajectories, own: Array, own_next: Array) -> tuple[Array, Array]:
        """Return it at each decision, [B, width], and after each trajectory, [K, width]."""
        now, after = zip(*(view(batch, own, own_next) for view in self._views), strict=True)
        return np.concatenate(now, axis=1), np.concatenate(after, axis=1)

    def see(self, batch: ph.Trajectories) -> None:
        """Take a batch into the running moments."""
        for view in self._views:
            view.see(batch)

    def state_dict(self) -> dict[str, Any]:
        """Return the moments."""
        return {type(view).__name__: view.state_dict() for view in self._views}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        for view in self._views:
            view.load_state_dict(state[type(view).__name__])
