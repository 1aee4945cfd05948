"""What happens in a worker process: it plays some copies of an env and answers the driver."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.errors import EnvError, error_place, error_text
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.measured_env import CopyFacts, MeasuredEnv, acting_ids, check_apart
from phantom_core.rollouts.row_table import CopyRows
from phantom_core.rollouts.shared_rows import SharedRows
from phantom_core.types import Action, AgentID, PolicyID
from phantom_core.world.agents import ALL

PATIENCE: Final = 2.0
"""Seconds that a worker has to close its envs before it is killed."""

UNGUARDED: Final = 86
"""The exit code of a worker that would start a run of its own while it imports the script."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker says about one copy after a step or reset.

    Attributes:
        number: the index of the copy.
        acting_agent_ids: who may act in the next step.
        facts: what the copy says about itself, if that changed.
        returned: what the step or reset returned.
        metrics: the reduced metrics, if the episode ended.
    """

    number: int
    acting_agent_ids: Container[AgentID] | None
    facts: CopyFacts | None
    returned: Any
    metrics: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception in a worker.

    Attributes:
        number: the index of the copy; None: the worker cannot import what it was sent.
        error: the exception, or one that says the same.
        text: its traceback.
        place: where in the user's code it was raised, as a part of a sentence.
    """

    number: int | None
    error: Exception
    text: str
    place: str


def leave_if_starting() -> None:
    """End a worker process that is importing the script, which begins a run without a guard."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing itself asks
        sys.exit(UNGUARDED)  # the driver says what happened


def work(connection: Connection, buffer: Any, current: Any) -> None:
    """Answer the driver until it closes the connection or ends; then close the copies.

    Args:
        connection: to the driver.
        buffer: the memory of the shared rows.
        current: shared: the index of the copy that is being played.
    """
    _leave_signals_to_driver()
    threading.Thread(target=_end_with_driver, daemon=True).start()
    worker = Worker(buffer, current)
    with suppress(EOFError, OSError):  # the driver is gone, or done
        while True:
            connection.send_bytes(worker.answer(connection.recv_bytes()))
    worker.close()


def _leave_signals_to_driver() -> None:
    """Let signals pass: the driver gets them too, and ends its workers. Processes of an env heed them."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # so that the driver can kill the worker with its children
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which other programs would inherit
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(signal.signal, number, usual))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))


def _end_with_driver() -> None:
    """Wait until the driver ended, in whatever way; end this process and its children if it does not."""
    driver, parent_id = multiprocessing.parent_process(), os.getppid()
    assert driver is not None
    while driver.is_alive() and os.getppid() == parent_id:
        driver.join(1.0)
    time.sleep(PATIENCE)
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


class Worker:
    """Plays some copies of an env, one after the other."""

    def __init__(self, buffer: Any, current: Any) -> None:
        self._buffer = buffer
        self._current = current
        self._envs: dict[int, MeasuredEnv] = {}
        self._facts: dict[int, CopyFacts] = {}
        self._question = b""  # the last one, if it may come again
        self._call: tuple[str, tuple[Any, ...]] = ("", ())

    def answer(self, question: bytes) -> bytes:
        """Do what the driver asks for; return the answer, if there is one, or the failure, pickled."""
        try:
            if question != self._question:
                self._call = pickle.loads(question)  # noqa: S301  from our own driver
        except Exception as error:  # whatever importing a user's module raises
            return _failure(None, error)
        name, arguments = self._call
        self._question = question if name == "step_rows" and not arguments[1] else b""
        try:
            found = getattr(self, name)(*arguments)
        except Exception as error:  # whatever a user's env raises
            return _failure(self._current.value, error)
        try:
            return pickle.dumps(found) if found else b""
        except Exception as error:  # whatever pickling raises about a user's object
            text = f"What it returned cannot be sent to the driver: {error_text(error)}. Use workers=0."
            return _failure(self._current.value, EnvError(text))

    def make(
        self, make_env: Callable[[], MultiAgentEnv], numbers: Sequence[int], num_copies: int, facts: CopyFacts
    ) -> None:
        """Make these copies, of so many that there are in all."""
        self._rows = SharedRows(facts, num_copies, self._buffer)
        for number in numbers:
            self._current.value = number
            self._envs[number] = MeasuredEnv(make_env())
        check_apart([env.env for env in self._envs.values()])
        self._facts = {number: CopyFacts.of(env.env) for number, env in self._envs.items()}

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[Reply]:
        """Start an episode in each of these copies."""
        replies = []
        for number, seed in zip(numbers, seeds, strict=True):
            self._current.value = number
            observations = self._envs[number].reset(seed)
            replies.append(Reply(number, *self._changed(number), observations))
        return replies

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[AgentID, Action]]) -> list[Reply]:
        """Play one step in each of these copies."""
        return [
            self._reply(number, self._play(number, chosen))
            for number, chosen in zip(numbers, actions, strict=True)
        ]

    def step_rows(
        self, copies: Sequence[CopyRows], unfit: Mapping[int, Mapping[AgentID, Action]]
    ) -> list[Reply]:
        """Play one step with the actions in the shared rows; reply for copies that do not fit into them.

        Args:
            copies: what is expected of each copy. Who does it writes into the shared rows.
            unfit: the actions that are not in the shared rows.
        """
        replies = []
        for copy in copies:
            number = copy.env_index
            given = unfit.get(number, {})
            result = self._play(number, self._rows.actions(number, copy.agent_ids, given))
            acting = acting_ids(self._envs[number].env, self._facts[number].strategic_agent_ids)
            if not (copy.is_expected(result, acting) and self._rows.put_result(number, result)):
                replies.append(self._reply(number, result))
        return replies

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics from now on."""
        for env in self._envs.values():
            env.measure(metrics, mode)

    def policies_for(
        self, number: int, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]
    ) -> list[PolicyID]:
        """Return the policies whose rule holds for an agent that joined a copy."""
        return self._envs[number].policies_for(agent_id, specs)

    def fingerprint(self, number: int) -> str:
        """Return a hash of the states of a copy's named generators."""
        return self._envs[number].fingerprint()

    def close(self) -> None:
        """Close every copy."""
        for env in self._envs.values():
            with suppress(Exception):  # nobody is there to be told
                env.env.close()

    def _play(self, number: int, actions: Mapping[AgentID, Action]) -> StepResult:
        self._current.value = number
        return self._envs[number].step(actions)

    def _reply(self, number: int, result: StepResult) -> Reply:
        env, facts = self._envs[number], self._facts[number]
        result = result._replace(infos={})  # nobody reads them
        is_over = result.terminations[ALL] or result.truncations[ALL]
        metrics = env.take_metrics() if is_over else None
        known = facts.observation_spaces
        if any(agent_id not in known and agent_id != ALL for part in result for agent_id in part):
            return Reply(number, *self._changed(number), result, metrics)
        return Reply(number, acting_ids(env.env, facts.strategic_agent_ids), None, result, metrics)

    def _changed(self, number: int) -> tuple[Container[AgentID] | None, CopyFacts | None]:
        """Return who may act, and what a copy says about itself if other agents are there now."""
        facts = CopyFacts.of(self._envs[number].env)
        if facts.strategic_agent_ids == self._facts[number].strategic_agent_ids:
            return facts.acting_agent_ids, None
        self._facts[number] = facts
        return facts.acting_agent_ids, facts


def _failure(number: int | None, error: Exception) -> bytes:
    text, place = "".join(traceback.format_exception(error)), error_place(error)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    except Exception:  # whatever a user's exception does when it is pickled
        error = EnvError(error_text(error))
    error.__cause__ = error.__context__ = None
    return pickle.dumps(Failure(number, error, text, place))
