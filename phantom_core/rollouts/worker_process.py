"""What happens in a worker process: it plays some copies of an env and answers the driver."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.errors import EnvError, error_place, error_text
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.env_host import CopyFacts, EnvHost, acting_ids, check_apart
from phantom_core.rollouts.shared_rows import SharedRows
from phantom_core.types import Action, AgentID, PolicyID
from phantom_core.world.agents import ALL


@dataclass(slots=True)
class Reply:
    """What a worker says about one copy after a step or reset, beside the shared rows.

    Attributes:
        acting_agent_ids: who may act in the next step.
        facts: what the copy says about itself, if that changed.
        rest: what does not fit into the shared rows.
        metrics: the reduced metrics, if the episode ended.
    """

    acting_agent_ids: tuple[AgentID, ...] | None
    facts: CopyFacts | None = None
    rest: Any = None
    metrics: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception in a worker.

    Attributes:
        copy: the copy, as the worker counts.
        error: the exception, or one that says the same.
        text: its traceback.
        place: where in the user's code it was raised, as a part of a sentence.
    """

    copy: int
    error: Exception
    text: str
    place: str


UNGUARDED: Final = 86
"""The exit code of a worker that would start a run of its own while it imports the script."""


def leave_if_starting() -> None:
    """End a worker process that is importing the script, which begins a run without a guard."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing itself asks
        sys.exit(UNGUARDED)  # the driver says what happened


def work(connection: Connection, order: bytes, buffer: Any) -> None:
    """Make the copies and answer the driver until it closes the connection.

    Args:
        connection: to the driver.
        order: pickled: what makes an env, how many copies, and the agents and spaces.
        buffer: the memory of the shared rows.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # the driver gets them too, and ends its workers
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError):  # the driver is gone, or done
        try:
            make_env, number, facts = pickle.loads(order)  # noqa: S301  from our own driver
            worker = Worker(make_env, number, SharedRows(facts, number, buffer))
        except Exception as error:  # whatever a user's module or constructor raises
            connection.send(_failure(0, error))
            return
        connection.send(None)
        while True:
            name, arguments = connection.recv()
            connection.send(worker.answer(name, arguments))


class Worker:
    """Plays some copies of an env, one after the other."""

    def __init__(self, make_env: Callable[[], MultiAgentEnv], number: int, rows: SharedRows) -> None:
        self._rows = rows
        self._hosts: list[EnvHost] = []
        for copy in range(number):
            rows.current[0] = copy
            self._hosts.append(EnvHost(make_env()))
        check_apart([host.env for host in self._hosts])
        self._facts = [CopyFacts.of(host.env) for host in self._hosts]

    def answer(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Do what the driver asks for; return the answer, or the failure."""
        try:
            return getattr(self, name)(*arguments)
        except Exception as error:  # whatever a user's env raises
            return _failure(int(self._rows.current[0]), error)

    def reset(self, copies: Sequence[int], seeds: Sequence[int]) -> list[Reply]:
        """Start an episode in each of these copies; the observations are pickled."""
        replies = []
        for copy, seed in zip(copies, seeds, strict=True):
            self._rows.current[0] = copy
            observations = self._hosts[copy].reset(seed)
            reply = self._reply(copy, is_changed=True)
            reply.rest = observations
            replies.append(reply)
        return replies

    def step(self, copies: Sequence[int], rest: Sequence[Mapping[AgentID, Action]]) -> list[Reply]:
        """Play one step in each of these copies."""
        replies = []
        for copy, actions in zip(copies, rest, strict=True):
            self._rows.current[0] = copy
            result = self._hosts[copy].step(self._rows.read_actions(copy, actions))
            left = self._rows.write_result(copy, result)
            reply = self._reply(copy, is_changed=left is not None and self._is_changed(copy, left))
            reply.rest = left
            if result.terminations[ALL] or result.truncations[ALL]:
                reply.metrics = self._hosts[copy].take_metrics()
            replies.append(reply)
        return replies

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics from now on."""
        for host in self._hosts:
            host.measure(metrics, mode)

    def policies_for(
        self, copy: int, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]
    ) -> list[PolicyID]:
        """Return the policies whose rule holds for an agent that joined a copy."""
        return self._hosts[copy].policies_for(agent_id, specs)

    def fingerprint(self, copy: int) -> str:
        """Return a hash of the states of a copy's named generators."""
        return self._hosts[copy].fingerprint()

    def close(self) -> None:
        """Close every copy."""
        for host in self._hosts:
            host.env.close()

    def _is_changed(self, copy: int, left: StepResult) -> bool:
        known = self._facts[copy].observation_spaces
        return any(agent_id not in known for part in left for agent_id in part)

    def _reply(self, copy: int, *, is_changed: bool) -> Reply:
        env = self._hosts[copy].env
        if not is_changed:
            return Reply(acting_ids(env, self._facts[copy].strategic_agent_ids))
        facts = CopyFacts.of(env)
        if facts.strategic_agent_ids == self._facts[copy].strategic_agent_ids:
            return Reply(facts.acting_agent_ids)
        self._facts[copy] = facts
        return Reply(facts.acting_agent_ids, facts)


def _failure(copy: int, error: Exception) -> Failure:
    text, place = "".join(traceback.format_exception(error)), error_place(error)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    except Exception:  # whatever a user's exception does when it is pickled
        error = EnvError(error_text(error))
    error.__cause__ = error.__context__ = None
    return Failure(copy, error, text, place)
