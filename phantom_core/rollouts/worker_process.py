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
from phantom_core.rollouts.measured_env import CopyFacts, MeasuredEnv, acting_ids, check_apart
from phantom_core.rollouts.row_table import CopyRows
from phantom_core.rollouts.shared_rows import SharedRows
from phantom_core.types import Action, AgentID
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
    """Let signals pass: the driver gets them too, and ends its workers. An env's own processes get them."""
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
        self._plans: dict[int, Sequence[CopyRows]] = {}

    def answer(self, question: bytes) -> bytes:
        """Do what the driver asks for; return the answer, if there is one, or the failure, pickled."""
        try:
            name, arguments = pickle.loads(question)  # noqa: S301  from our own driver
        except Exception as error:  # whatever importing a user's module raises
            return _failure(None, error)
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
        return [self._reply(n, self._env(n).reset(seed)) for n, seed in zip(numbers, seeds, strict=True)]

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[AgentID, Action]]) -> list[Reply]:
        """Play one step in each of these copies."""
        return [self._reply(n, self._env(n).step(own)) for n, own in zip(numbers, actions, strict=True)]

    def step_rows(
        self, plan: int, copies: Sequence[CopyRows] | None, actions: Sequence[Action]
    ) -> list[Reply]:
        """Play one step in the copies of a plan; reply for those that do not do, or fit, what is expected.

        Args:
            plan: its number.
            copies: what is expected of each copy; None: as the last time.
            actions: one for each agent, copy by copy.
        """
        if copies is not None:
            self._plans[plan] = copies
        replies, rest = [], iter(actions)
        for copy in self._plans[plan]:
            number = copy.env_index
            env = self._env(number)
            result = env.step(dict(zip(copy.agent_ids, rest)))  # noqa: B905  the rest is of other copies
            acting = acting_ids(env.env, self._facts[number].strategic_agent_ids)
            if not (copy.is_expected(result, acting) and self._rows.put(number, result)):
                replies.append(self._reply(number, result))
        return replies

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics from now on."""
        for env in self._envs.values():
            env.measure(metrics, mode)

    def states(self, numbers: Sequence[int]) -> list[Any]:
        """Return the global state of each of these copies."""
        return [self._env(number).state() for number in numbers]

    def call(self, number: int, name: str, *arguments: Any) -> Any:
        """Call a method of `MeasuredEnv`."""
        return getattr(self._envs[number], name)(*arguments)

    def close(self) -> None:
        """Close every copy."""
        for env in self._envs.values():
            with suppress(Exception):  # nobody is there to be told
                env.env.close()

    def _env(self, number: int) -> MeasuredEnv:
        self._current.value = number
        return self._envs[number]

    def _reply(self, number: int, returned: Any) -> Reply:
        """Return what to say of a copy; also what it says about itself, if other agents are there now."""
        env, facts, metrics, news = self._envs[number], self._facts[number], None, None
        if isinstance(returned, StepResult):
            returned = returned._replace(infos={})  # nobody reads them
            if returned.terminations[ALL] or returned.truncations[ALL]:
                metrics = env.take_metrics()
        if tuple(env.env.strategic_agent_ids) != facts.strategic_agent_ids:
            facts = news = self._facts[number] = CopyFacts.of(env.env)
        return Reply(number, acting_ids(env.env, facts.strategic_agent_ids), news, returned, metrics)


def _failure(number: int | None, error: Exception) -> bytes:
    text, place = "".join(traceback.format_exception(error)), error_place(error)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    except Exception:  # whatever a user's exception does when it is pickled
        error = EnvError(error_text(error))
    error.__cause__ = error.__context__ = None
    return pickle.dumps(Failure(number, error, text, place))
