"""From a step to a line of JSON: directly where that is exact, else value by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import NoneType
from typing import Any, get_type_hints

import msgspec
import numpy as np

import phantom_core as ph
from phantom_recording.json_values import (
    action_to_plain,
    id_text,
    payload_to_plain,
    to_plain,
)
from phantom_recording.packed_arrays import part_to_plain
from phantom_recording.recorded_rows import PayloadRow, StepRow

_EXACT = frozenset({int, bool, str, float})


class StepEncoder:
    """Encodes the steps of one env.

    JSON has no NaN and only text as keys, and what is written must be a copy. Where the ids of all
    agents are text, the fields of all payloads plain and all numbers finite, msgspec encodes the step
    as it is, which takes a fifth of the time. All is appended to one buffer: whatever is kept of a step
    any longer pushes the world itself out of the caches.

    Attributes:
        lines: what was encoded and not written yet.
    """

    def __init__(self) -> None:
        self.lines = bytearray()
        self._put = msgspec.json.Encoder(enc_hook=_array_or_plain).encode_into
        self._put_step = msgspec.json.Encoder(enc_hook=np.ndarray.tolist).encode_into  # no call of Python
        self._network: ph.Network | None = None
        self._version = -1
        self._names: list[str] = []
        self._dtypes: dict[ph.AgentID, np.dtype[Any]] = {}
        self._has_text_ids = False
        self._payload_classes: AbstractSet[type] = set()
        self._num_payloads = -1
        self._fields: dict[str, tuple[str, ...]] = {}  # of payloads whose fields are written, by name
        self._types: dict[type, set[Any]] = {}
        self._has_plain_payloads = False
        self._has_floats = False

    def names(self, env: ph.PhantomEnv) -> list[str]:
        """Return what the env's agents are called.

        Raises:
            RecordingError: if two have the same name.
        """
        network = env.network
        if network is not self._network or network.version != self._version:
            self._network, self._version, self._num_payloads = network, network.version, -1
            self._payload_classes = network.payload_classes
            self._names = _names_of(network)
            self._has_text_ids = all(type(agent_id) is str for agent_id in network.agents)
            self._dtypes = _action_dtypes(network)
        return self._names

    def add(self, row: msgspec.Struct) -> None:
        """Append a line."""
        self.lines += msgspec.json.encode(row) + b"\n"

    def on_round(self, batches: Sequence[tuple[ph.AgentID, Sequence[ph.Message[Any]]]]) -> None:
        """Called before the messages of a round are delivered: append them at once."""
        if len(self._payload_classes) != self._num_payloads:
            self._meet()
        lines = self.lines
        start = len(lines)
        try:
            if self._has_plain_payloads:
                self._put(batches, lines, -1)
            if not self._has_plain_payloads or (self._has_floats and lines.find(b"null", start) >= 0):
                del lines[start:]
                self._put(_plain_round(batches), lines, -1)
        except BaseException:  # what was encoded so far is no line
            del lines[start:]
            raise
        lines += b"\n"

    def add_step(
        self,
        number: int,
        env: ph.PhantomEnv,
        turns: tuple[ph.Turn, ph.Turn | None],
        actions: Mapping[Any, Any],
        result: ph.StepResult,
        metrics: dict[str, Any],
    ) -> None:
        """Append the line of a step."""
        if env.network.version != self._version:
            self.names(env)
        lines = self.lines
        start = len(lines)
        try:
            if not (self._has_text_ids and self._add_as_it_is(number, turns, actions, result, metrics)):
                del lines[start:]
                self._put(self._plain_row(number, turns, actions, result, metrics), lines, -1)
        except BaseException:  # what was encoded so far is no line
            del lines[start:]
            raise
        lines += b"\n"

    def _add_as_it_is(
        self,
        number: int,
        turns: tuple[ph.Turn, ph.Turn | None],
        actions: Mapping[Any, Any],
        result: ph.StepResult,
        metrics: dict[str, Any],
    ) -> bool:
        """Let msgspec encode a step; False: what it appended is not exact."""
        observations, rewards, terminations, truncations, infos = result
        (turn, next_turn), dtypes, lines = turns, self._dtypes, self.lines
        name, start = turn.name, len(lines)
        for agent_id, action in actions.items():
            dtype = dtypes.get(agent_id)
            is_array = type(action) is np.ndarray and action.dtype is dtype and action.ndim and action.size
            if not is_array and type(action) is not int:
                actions = {i: action_to_plain(part, dtypes.get(i)) for i, part in actions.items()}
                break
        row = StepRow(
            number,
            name if type(name) is str else to_plain(name),
            None if next_turn is turn or next_turn is None else to_plain(next_turn.name),
            actions,  # type: ignore[arg-type]  # a dict by ids that are text
            observations,  # type: ignore[arg-type]  # likewise, as are the next two
            rewards,  # type: ignore[arg-type]
            _ended(terminations) if True in terminations.values() else (),
            _ended(truncations) if True in truncations.values() else (),
            to_plain(infos) if any(infos.values()) else {},
            metrics,
        )
        try:
            self._put_step(row, lines, -1)
        except (TypeError, ValueError, OverflowError):  # a number of NumPy, a key that is no text, ...
            self._put_step = self._put
            return False
        return lines.find(b"null", start) < 0  # as what is not finite is written

    def _plain_row(
        self,
        number: int,
        turns: tuple[ph.Turn, ph.Turn | None],
        actions: Mapping[ph.AgentID, ph.Action],
        result: ph.StepResult,
        metrics: dict[str, Any],
    ) -> StepRow:
        """Return the step value by value: NaN as text, ids by their names."""
        turn, next_turn = turns
        return StepRow(
            step=number,
            turn=to_plain(turn.name),
            next_turn=None if next_turn is turn or next_turn is None else to_plain(next_turn.name),
            actions={
                id_text(i): action_to_plain(action, self._dtypes.get(i)) for i, action in actions.items()
            },
            observations=to_plain(result.observations),
            rewards=to_plain(result.rewards),
            terminations=_ended(result.terminations),
            truncations=_ended(result.truncations),
            infos=to_plain(result.infos) if any(result.infos.values()) else {},
            metrics=metrics,
        )

    def _meet(self) -> None:
        """Find out how messages with the payloads that were sent so far are encoded; announce new ones."""
        network = self._network
        assert network is not None
        self._num_payloads = len(self._payload_classes)
        types: set[Any] = set()
        for payload_class in sorted(self._payload_classes, key=lambda cls: cls.__name__):
            if payload_class not in self._types:
                self._types[payload_class] = self._announced(payload_class)
            types |= self._types[payload_class]
        has_all = type(network).check_message is ph.Network.check_message  # else some may be missing here
        has_all = has_all and network.message_class is ph.Message
        self._has_plain_payloads = self._has_text_ids and has_all and types <= _EXACT
        self._has_floats = float in types

    def _announced(self, payload_class: Any) -> set[Any]:
        """Return the types of a payload's fields, whose names are written; `object`: they go with each."""
        config = getattr(payload_class, "__struct_config__", None)
        name, types = payload_class.__name__, _field_types(payload_class)
        if config is None or not config.array_like or config.tag != name or types is None:
            return {object}
        fields = payload_class.__struct_fields__
        if name not in self._fields:
            self._fields[name] = fields
            self.add(PayloadRow(name, fields))
        is_same = self._fields[name] == fields  # else it is another class of the same name
        return {types.get(field, object) for field in fields} if is_same else {object}

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Leave it out of copies and pickles of its network: they have none."""
        return NoneType, ()


def _array_or_plain(value: Any) -> Any:
    return value.tolist() if type(value) is np.ndarray else to_plain(value)


def _names_of(network: ph.Network) -> list[str]:
    names: dict[str, ph.AgentID] = {}
    for agent_id in network.agents:
        other = names.setdefault(id_text(agent_id), agent_id)
        if other != agent_id:
            raise ph.errors.RecordingError(
                f"The agents {other!r} and {agent_id!r} have the same name in a recording, "
                f"{id_text(agent_id)}. Give one of them another id."
            )
    return list(names)


def _action_dtypes(network: ph.Network) -> dict[ph.AgentID, np.dtype[Any]]:
    """Return the dtype of each agent's action space that has one."""
    spaces = {i: getattr(agent, "action_space", None) for i, agent in network.agents.items()}
    dtypes = {i: getattr(space, "dtype", None) for i, space in spaces.items()}
    return {i: dtype for i, dtype in dtypes.items() if dtype is not None}


def _field_types(payload_class: type) -> dict[str, Any] | None:
    """Return the declared type of each field of a payload class; None if they cannot be resolved."""
    try:
        return get_type_hints(payload_class)
    except (NameError, TypeError):  # a string annotation with a local name
        return None


def _ended(ends: Mapping[ph.AgentID, bool]) -> tuple[str, ...]:
    return tuple(id_text(agent_id) for agent_id, is_end in ends.items() if is_end)


def _plain_round(batches: Sequence[tuple[ph.AgentID, Sequence[ph.Message[Any]]]]) -> list[Any]:
    return [[id_text(receiver_id), [_plain_message(m) for m in batch]] for receiver_id, batch in batches]


def _plain_message(message: Any) -> list[Any]:
    return [
        id_text(message.sender_id),
        id_text(message.receiver_id),
        payload_to_plain(message.payload, part_to_plain),
    ]
