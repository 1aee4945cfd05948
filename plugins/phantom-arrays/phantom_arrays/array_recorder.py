"""`ArrayRecorder`: what records an `ArrayEnv`, in columns; and how a step is handed to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phantom_arrays.array_world import ArrayWorld, PopulationStep, WorldStep
from phantom_arrays.copy_of_env import CopyOfEnv
from phantom_arrays.message_batch import Mask, Messages, fields_of

Members: TypeAlias = NDArray[np.int64] | None
"""Numbers of members of a population, increasing; None: all of them."""

Column: TypeAlias = tuple[NDArray[Any], Members]
"""Values of a population, a row for each of some members, and which these are."""


class ArrayRecorder(Protocol):
    """What is set as `recorder` of an `ArrayEnv`; `phantom_recording.Recorder` is one.

    It must not change what it is given. Arrays are the env's own and change as soon as a method has returned,
    so copy what is kept. An exception in a method is raised by `env.reset` or `env.step`.
    """

    def attach(self, env: Any) -> None:
        """Called when it is set as the recorder of an env; raises if it cannot record this one."""

    def detach(self) -> None:
        """Called when the env gets another recorder, or None."""

    def on_array_reset(
        self, env: Any, sizes: Mapping[str, int | None], observations: Mapping[str, Column]
    ) -> None:
        """Called at the end of each reset.

        Args:
            env: the copy of the env, as metrics read it.
            sizes: how many members each population has, by name; None: it is one agent, with one row.
            observations: by population, of those that act first.
        """

    def on_array_messages(
        self,
        number: int,
        ends: tuple[str, str],
        payload: Any,
        columns: Mapping[str, NDArray[Any]],
        who: Any,
    ) -> None:
        """Called with all messages of one kind along one link, just before they are delivered.

        Args:
            number: of the round, from 1.
            ends: the names of the sending and of the receiving population.
            payload: the content.
            columns: the fields of the payload, a row for each message.
            who: the numbers of the members that send, and of those that receive, by message; None:
                it is one agent, or all members, one message each in order.
        """

    def on_array_step(
        self,
        env: Any,
        actions: Mapping[str, Column],
        observations: Mapping[str, Column],
        rewards: Mapping[str, Column],
        ended: tuple[Mapping[str, Members], Mapping[str, Members]],
        over: tuple[bool, bool],
    ) -> None:
        """Called at the end of each step that did not raise.

        Args:
            env: the copy of the env, as metrics read it.
            actions: by population, of those that acted.
            observations: by population, of those that observed.
            rewards: by population, of those that were paid.
            ended: who was terminated, and who was truncated, by population.
            over: whether the whole episode is terminated, and whether it is truncated.
        """

    def close(self) -> None:
        """Called by `env.close()`: finish what was recorded. It may be called again."""


class RecordedWorld:
    """Hands what happens in a world of one copy to a recorder."""

    def __init__(self, world: ArrayWorld, recorder: ArrayRecorder) -> None:
        self._world, self._recorder = world, recorder
        self._env = CopyOfEnv(world, 0)
        self._actors: dict[str, Mask | None] = {}

    def on_reset(self, found: Mapping[str, PopulationStep]) -> None:
        """Called after each reset with what is observed."""
        populations = self._world.populations.values()
        sizes = {p.name: None if p.is_single else int(p.sizes[0]) for p in populations}
        self._recorder.on_array_reset(self._env, sizes, _observed(found))
        self._note_actors()

    def on_messages(self, number: int, messages: Messages) -> None:
        """Called with messages before they are delivered."""
        payload, edges, where = messages.payload, messages.edges, messages.where
        columns = {name: getattr(payload, name) for name in fields_of(payload)}
        rows: Any = slice(None)
        if where is not None:
            rows = np.flatnonzero(where)
            columns = {name: column[rows] for name, column in columns.items()}
        is_dense = where is None
        who = tuple(
            None if self._world.populations[name].is_single or (is_dense and is_each) else side[rows]
            for name, side, is_each in (
                (edges.source, edges.senders, edges.is_by_sender),
                (edges.to, edges.receivers, edges.width == 1),
            )
        )
        self._recorder.on_array_messages(number, (edges.source, edges.to), payload, columns, who)

    def on_step(self, actions: Mapping[str, Any], found: WorldStep) -> None:
        """Called after each step with the actions of all rows."""
        taken = {name: _column(values, self._actors.get(name)) for name, values in actions.items()}
        ended: tuple[dict[str, Members], dict[str, Members]] = ({}, {})
        rewards: dict[str, Column] = {}
        for name, own in found.by_population.items():
            rewards[name] = _column(own.rewards, own.paid)
            there = own.present if own.left is None or own.present is None else own.present | own.left
            terminated = own.terminated
            if own.left is not None:
                terminated = own.left if terminated is None else terminated | own.left
            for noted, mask in zip(ended, (terminated, own.truncated), strict=True):
                if mask is not None and mask.any():
                    is_everybody = bool((mask if there is None else mask | ~there).all())
                    noted[name] = None if is_everybody else np.flatnonzero(mask)
        over = tuple(mask is not None and bool(mask[0]) for mask in (found.terminated, found.truncated))
        self._recorder.on_array_step(
            self._env, _some(taken), _observed(found.by_population), _some(rewards), ended, (over[0], over[1])
        )
        self._note_actors()

    def _note_actors(self) -> None:
        """Note who acts in the next step."""
        for name, population in self._world.strategic.items():
            acting = population.alive.copy() if population.has_dead else None
            if population.acting is not None:
                acting = population.acting.copy() if acting is None else acting & population.acting
            self._actors[name] = acting


def _observed(found: Mapping[str, PopulationStep]) -> dict[str, Column]:
    columns = {}
    for name, own in found.items():
        mask = own.observed
        if own.present is not None:
            mask = own.present if mask is None else mask & own.present
        columns[name] = _column(own.observations, mask)
    return _some(columns)


def _column(values: Any, mask: Mask | None) -> Column:
    if mask is None or mask.all():
        return values, None
    members = np.flatnonzero(mask)
    return values[members], members


def _some(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Leave out populations of which nobody is meant."""
    return {name: (values, members) for name, (values, members) in columns.items() if len(values)}
