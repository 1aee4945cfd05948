"""From a step to a line of JSON: directly where that is exact, else value by value."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from types import NoneType
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from phantom_core.envs.env_recorder import Turns
from phantom_core.envs.step_result import StepResult
from phantom_core.errors import RecordingError
from phantom_core.recording.json_values import (
    action_to_plain,
    id_text,
    payload_to_plain,
    to_plain,
)
from phantom_core.recording.recorded_rows import StepRow
from phantom_core.types import Action, AgentID
from phantom_core.world.messages import Message
from phantom_core.world.network import Network
from phantom_core.world.round_watch import Batches

if TYPE_CHECKING:
    from phantom_core.envs.env import PhantomEnv

_EXACT = frozenset({int, bool, str, float})


class StepEncoder:
    """Encodes the steps of one env.

    JSON has no NaN and only text as keys, and what is written must be a copy. Where the ids of all
    agents are text, the fields of all payloads plain and all numbers finite, msgspec encodes the step
    as it is, which takes a fifth of the time.

    Attributes:
        rounds: the messages of the step that is being made, as JSON.
    """

    def __init__(self) -> None:
        self.rounds: list[bytes] = []
        self._json = msgspec.json.Encoder(enc_hook=_array_or_plain)
        self._network: Network | None = None
        self._version = -1
        self._names: list[str] = []
        self._dtypes: dict[AgentID, np.dtype[Any]] = {}
        self._has_text_ids = False
        self._payload_classes: AbstractSet[type] = set()
        self._num_payloads = -1
        self._types_by_payload: dict[type, frozenset[Any]] = {}
        self._has_plain_payloads = False
        self._has_floats = False

    def names(self, env: PhantomEnv) -> list[str]:
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

    def on_round(self, batches: Batches) -> None:
        """Called before the messages of a round are delivered: encode them at once."""
        if len(self._payload_classes) != self._num_payloads:
            self._meet()
        if self._has_plain_payloads:
            written = self._json.encode(batches)
            if not self._has_floats or b"null" not in written:
                self.rounds.append(written)
                return
        self.rounds.append(self._json.encode(_plain_round(batches)))

    def step(
        self,
        env: PhantomEnv,
        turns: Turns,
        actions: Mapping[Any, Action],
        result: StepResult,
        metrics: dict[str, Any],
    ) -> tuple[bytes, ...]:
        """Return the line of a step, in parts, with the rounds of messages since the last one."""
        if env.network.version != self._version:
            self.names(env)
        line = self._direct_line(env, turns, actions, result, metrics) if self._has_text_ids else None
        if line is None or b"null" in line:
            line = self._json.encode(self._plain_row(env, turns, actions, result, metrics))
        rounds = self.rounds
        if not rounds:
            return (line, b"\n")
        self.rounds = []
        return (line[:-1], b',"messages":[', b",".join(rounds), b"]}\n")

    def _direct_line(
        self,
        env: PhantomEnv,
        turns: Turns,
        actions: Mapping[Any, Any],
        result: StepResult,
        metrics: dict[str, Any],
    ) -> bytes | None:
        """Let msgspec encode the step as it is; None: it cannot. What is not finite becomes null."""
        observations, rewards, terminations, truncations, infos = result
        (turn, next_turn), dtypes = turns, self._dtypes
        name = turn.name
        for agent_id, action in actions.items():
            dtype = dtypes.get(agent_id)
            is_array = type(action) is np.ndarray and action.dtype is dtype and action.ndim and action.size
            if not is_array and type(action) is not int:
                actions = {i: action_to_plain(part, dtypes.get(i)) for i, part in actions.items()}
                break
        try:
            return self._json.encode(
                StepRow(
                    env.current_step,
                    name if type(name) is str else to_plain(name),
                    None if next_turn is turn or next_turn is None else to_plain(next_turn.name),
                    actions,  # type: ignore[arg-type]  # a dict by ids that are text
                    observations,  # type: ignore[arg-type]  # likewise, as are the next two
                    rewards,  # type: ignore[arg-type]
                    _ended(terminations) if True in terminations.values() else [],
                    _ended(truncations) if True in truncations.values() else [],
                    to_plain(infos) if any(infos.values()) else infos,  # type: ignore[arg-type]
                    metrics,
                )
            )
        except (TypeError, ValueError, OverflowError):  # keys that are no text, numbers that are too large
            return None

    def _plain_row(
        self,
        env: PhantomEnv,
        turns: Turns,
        actions: Mapping[AgentID, Action],
        result: StepResult,
        metrics: dict[str, Any],
    ) -> StepRow:
        """Return the step value by value: NaN as text, ids by their names."""
        turn, next_turn = turns
        return StepRow(
            step=env.current_step,
            turn=to_plain(turn.name),
            next_turn=None if next_turn is turn or next_turn is None else to_plain(next_turn.name),
            actions={
                id_text(i): action_to_plain(action, self._dtypes.get(i)) for i, action in actions.items()
            },
            observations=to_plain(result.observations),
            rewards=to_plain(result.rewards),
            terminations=_ended(result.terminations),
            truncations=_ended(result.truncations),
            infos=to_plain(result.infos),
            metrics=metrics,
        )

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Leave it out of copies and pickles of its network: they have none."""
        return NoneType, ()

    def _meet(self) -> None:
        """Find out how messages with the payloads that were sent so far are encoded."""
        network = self._network
        assert network is not None
        self._num_payloads = len(self._payload_classes)
        known = self._types_by_payload
        types: set[Any] = set()
        for payload_class in self._payload_classes:
            if payload_class not in known:
                known[payload_class] = _field_types(payload_class)
            types |= known[payload_class]
        has_all = type(network).check_message is Network.check_message  # else some may be missing here
        has_all = has_all and network.message_class is Message
        self._has_plain_payloads = self._has_text_ids and has_all and types <= _EXACT
        self._has_floats = float in types


def _array_or_plain(value: Any) -> Any:
    return value.tolist() if type(value) is np.ndarray else to_plain(value)


def _names_of(network: Network) -> list[str]:
    names: dict[str, AgentID] = {}
    for agent_id in network.agents:
        other = names.setdefault(id_text(agent_id), agent_id)
        if other != agent_id:
            raise RecordingError(
                f"The agents {other!r} and {agent_id!r} have the same name in a recording, "
                f"{id_text(agent_id)}. Give one of them another id."
            )
    return list(names)


def _action_dtypes(network: Network) -> dict[AgentID, np.dtype[Any]]:
    """Return the dtype of each agent's action space that has one."""
    spaces = {i: getattr(agent, "action_space", None) for i, agent in network.agents.items()}
    dtypes = {i: getattr(space, "dtype", None) for i, space in spaces.items()}
    return {i: dtype for i, dtype in dtypes.items() if dtype is not None}


def _ended(ends: Mapping[AgentID, bool]) -> list[str]:
    return [id_text(agent_id) for agent_id, is_end in ends.items() if is_end]


def _plain_round(batches: Batches) -> list[Any]:
    return [[id_text(receiver_id), [_plain_message(m) for m in batch]] for receiver_id, batch in batches]


def _plain_message(message: Any) -> list[Any]:
    return [id_text(message.sender_id), id_text(message.receiver_id), payload_to_plain(message.payload)]


def _field_types(payload_class: Any) -> frozenset[Any]:
    """Return the declared types of a payload's fields; `object` for what is not known to be plain."""
    config = getattr(payload_class, "__struct_config__", None)
    if config is None or config.tag is None:
        return frozenset([object])
    try:
        hints = typing.get_type_hints(payload_class)
    except (NameError, TypeError):  # written as text that names something local
        return frozenset([object])
    return frozenset(hints.get(name, object) for name in payload_class.__struct_fields__)
