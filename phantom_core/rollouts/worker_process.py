"""What happens in a worker process: it plays some copies of an env and answers the driver."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.errors import EnvError, PhantomError, error_place, error_text
from phantom_core.processes import leave_signals_to_driver
from phantom_core.rollouts.measured_env import CopyFacts, MeasuredEnv, acting_ids, check_apart
from phantom_core.rollouts.row_table import CopyRows
from phantom_core.rollouts.shared_rows import SharedRows
from phantom_core.types import Action, AgentID
from phantom_core.world.agents import ALL

PATIENCE: Final = 2.0
"""Seconds that a worker has to close its envs before it is killed."""


class Reply(NamedTuple):
    """What a worker says about one copy after a step or reset."""

    returned: Any  # by the step or reset
    acting_agent_ids: Container[AgentID] | None  # who may act in the next step
    facts: CopyFacts | None  # what the copy says about itself, if that changed
    metrics: dict[str, Any]  # reduced, if the episode ended


class Failure(NamedTuple):
    """An exception in a worker."""

    number: int | None  # the index of the copy; None: the worker cannot import what it was sent
    error: Exception  # or one that says the same
    text: str  # its traceback
    place: str  # where in the user's code it was raised, as a part of a sentence


def work(connection: Connection, buffer: Any, current: Any) -> None:
    """Answer the driver until it closes the connection or ends; then close the copies.

    Args:
        connection: to the driver.
        buffer: the memory of the shared rows.
        current: shared: the index of the copy that is being played.
    """
    leave_signals_to_driver()
    threading.Thread(target=_end_with_driver, daemon=True).start()
    worker = Worker(buffer, current)
    with suppress(EOFError, OSError):  # the driver is gone, or done
        while True:
            connection.send_bytes(worker.answer(connection.recv_bytes()))
    worker.close()


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
    """Plays some copies of an env; the driver asks for its methods, one copy after the other."""

    def __init__(self, buffer: Any, current: Any) -> None:
        self._buffer = buffer
        self._current = current
        self._envs: dict[int, MeasuredEnv] = {}
        self._facts: dict[int, CopyFacts] = {}
        self._expected: dict[int, CopyRows] = {}

    def answer(self, question: bytes) -> bytes:
        """Do what the driver asks for; return what came back by copy, or the failure, pickled."""
        is_read = False
        try:
            name, given = pickle.loads(question)  # noqa: S301  from our own driver
            is_read = True
            found = {}
            for number, arguments in given.items():
                self._current.value = number
                returned = getattr(self, name)(number, *arguments)
                if returned is not None:
                    found[number] = returned
            try:
                return pickle.dumps(found)
            except Exception as error:  # whatever pickling raises about a user's object
                problem = f"What it returned cannot be sent to the driver: {error_text(error)}"
                raise EnvError(f"{problem}. Use workers=0.") from None
        except Exception as error:  # whatever a user's module or env raises
            return _failure(self._current.value if is_read else None, error)

    def make(
        self,
        _: int,
        make_env: Callable[[], MultiAgentEnv],
        env_name: str,
        numbers: Sequence[int],
        num_copies: int,
        facts: CopyFacts,
    ) -> None:
        """Make these copies, of so many in all; `facts` are those of the driver's env."""
        self._rows = SharedRows(facts, num_copies, self._buffer)
        try:
            for number in numbers:
                self._current.value = number
                self._envs[number] = MeasuredEnv(make_env())
            check_apart([env.env for env in self._envs.values()])
            self._facts = {number: CopyFacts.of(env.env) for number, env in self._envs.items()}
        except PhantomError:
            raise
        except Exception as error:  # whatever a user's constructor raises
            what = f"{multiprocessing.current_process().name} could not make copy {number} of {env_name}"
            said = f"{error_text(error)}{error_place(error)}"
            raise EnvError(f"{what}: {said}. Fix the env, or use workers=0.") from error

    def reset(self, number: int, seed: int) -> Reply:
        """Start an episode in a copy."""
        return self._reply(number, self._envs[number].reset(seed))

    def restore(self, number: int, seed: int, state: Mapping[str, Any]) -> Reply:
        """Go back to an episode of a copy."""
        self._envs[number].restore_episode(seed, state)
        return self._reply(number, None)

    def step(self, number: int, actions: Mapping[AgentID, Action]) -> Reply:
        """Play one step in a copy."""
        return self._reply(number, self._envs[number].step(actions))

    def step_rows(
        self, number: int, expectation: int, expected: CopyRows | None, actions: Sequence[Action]
    ) -> Reply | None:
        """Play one step in a copy; reply unless it does what is expected, and fits the shared rows.

        Args:
            number: the index of the copy.
            expectation: the number of what is expected.
            expected: what is expected; None: what it was the last time that this number was given.
            actions: one for each agent that acts.
        """
        if expected is not None:
            self._expected[expectation] = expected
        copy, env = self._expected[expectation], self._envs[number]
        result = env.step(dict(zip(copy.agent_ids, actions)))  # noqa: B905  as many as there are rows
        acting = acting_ids(env.env, self._facts[number].strategic_agent_ids)
        if copy.is_expected(result, acting) and self._rows.put(number, result):
            return None
        return self._reply(number, result)

    def call(self, number: int, name: str, *arguments: Any) -> Any:
        """Call a method of `MeasuredEnv`."""
        return getattr(self._envs[number], name)(*arguments)

    def close(self) -> None:
        """Close every copy."""
        for env in self._envs.values():
            with suppress(Exception):  # nobody is there to be told
                env.env.close()

    def _reply(self, number: int, returned: Any) -> Reply:
        """Return what to say of a copy; also what it says about itself, if other agents are there now."""
        env, news, metrics = self._envs[number], None, {}
        if isinstance(returned, StepResult):
            returned = returned._replace(infos={})  # nobody reads them
            if returned.terminations[ALL] or returned.truncations[ALL]:
                metrics = env.take_metrics()
        if tuple(env.env.strategic_agent_ids) != self._facts[number].strategic_agent_ids:
            news = self._facts[number] = CopyFacts.of(env.env)
        acting = acting_ids(env.env, self._facts[number].strategic_agent_ids)
        return Reply(returned, acting, news, metrics)


def _failure(number: int | None, error: Exception) -> bytes:
    text, place = "".join(traceback.format_exception(error)), error_place(error)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    except Exception:  # whatever a user's exception does when it is pickled
        error = EnvError(error_text(error))
    return pickle.dumps(Failure(number, error, text, place))
