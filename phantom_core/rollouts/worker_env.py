"""`WorkerVectorEnv`: copies of an env in worker processes, stepped in parallel."""

from __future__ import annotations

import ctypes
import multiprocessing
import pickle
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.errors import ConfigError, EnvError, PluginError, error_text
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.env_host import CopyFacts
from phantom_core.rollouts.shared_rows import SharedRows
from phantom_core.rollouts.vector_env import CopyError, VectorEnv
from phantom_core.rollouts.worker_process import UNGUARDED, Failure, Reply, leave_if_starting, work
from phantom_core.types import Action, AgentID, Observation, PolicyID

_PATIENCE: Final = 2.0
"""Seconds that a worker has to close its envs before it is ended."""

_NOTHING: Final = object()


class WorkerVectorEnv(VectorEnv):
    """Copies of an env in worker processes; `make_vector_env` makes one.

    Policies stay in the driver. Observations, actions, rewards and flags of array-like spaces go
    through shared memory, everything else is pickled.

    Attributes:
        workers: the driver's ends of the workers.
    """

    def __init__(
        self, make_env: Callable[[], MultiAgentEnv], num_copies: int, num_workers: int, first: MultiAgentEnv
    ) -> None:
        """Start the workers, each with its share of the copies; `first` tells the agents, and is closed.

        Raises:
            ConfigError: if `make_env` cannot be sent to a worker, or the script has no `__main__` guard.
            EnvError: if a worker cannot make its copies.
        """
        leave_if_starting()
        self.num_copies = num_copies
        self.env_name = type(first).__name__
        self._facts = [CopyFacts.of(first) for _ in range(num_copies)]
        first.close()
        facts = self._facts[0]
        self._metrics: list[dict[str, Any]] = [{} for _ in range(num_copies)]
        self.workers: list[WorkerHandle] = []
        self._place: list[tuple[WorkerHandle, int]] = []
        bounds = [index * num_copies // num_workers for index in range(num_workers + 1)]
        try:
            for index in range(num_workers):
                numbers = list(range(bounds[index], bounds[index + 1]))
                worker = WorkerHandle(index, numbers, make_env, facts, self.env_name)
                self.workers.append(worker)
                self._place += [(worker, local) for local in range(len(numbers))]
            for worker in self.workers:
                worker.begin()
        except BaseException:
            self.close()
            raise

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[AgentID, Observation] | None]:
        """Start an episode in each of these copies, in parallel."""
        found: dict[int, dict[AgentID, Observation]] = {}
        seed_by_number = dict(zip(numbers, seeds, strict=True))
        asked = self._by_worker(numbers)
        for worker, mine in asked.items():
            worker.ask("reset", worker.locals_of(mine), [seed_by_number[number] for number in mine])
        for worker, mine in asked.items():
            for number, reply in zip(mine, worker.receive(), strict=True):
                self._learn(number, reply)
                found[number] = reply.rest
        return [found[number] for number in numbers]

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[AgentID, Action]]) -> list[StepResult]:
        """Play one step in each of these copies, in parallel."""
        found: dict[int, StepResult] = {}
        chosen = dict(zip(numbers, actions, strict=True))
        asked = self._by_worker(numbers)
        for worker, mine in asked.items():
            copies = worker.locals_of(mine)
            rest = [
                worker.rows.write_actions(copy, chosen[number])
                for copy, number in zip(copies, mine, strict=True)
            ]
            worker.ask("step", copies, rest)
        for worker, mine in asked.items():
            replies: list[Reply] = worker.receive()
            for copy, number, reply in zip(worker.locals_of(mine), mine, replies, strict=True):
                self._learn(number, reply)
                found[number] = worker.rows.read_result(copy, reply.rest)
        return [found[number] for number in numbers]

    def facts(self, number: int) -> CopyFacts:
        """Return what a copy says about itself."""
        return self._facts[number]

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics, beside the envs, after each step from now on."""
        if metrics:
            _pickled((metrics, mode), "The metrics")
        for worker in self.workers:
            worker.ask("measure", metrics, mode)
            worker.receive()

    def take_metrics(self, number: int) -> dict[str, Any]:
        """Return the reduced metrics of the episode that just ended in a copy."""
        return self._metrics[number]

    def policies_for(
        self, number: int, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]
    ) -> list[PolicyID]:
        """Return the policies whose rule holds for an agent that joined a copy."""
        rules = {i: PolicySpec(agents=spec.agents) for i, spec in specs.items() if callable(spec.agents)}
        _pickled(rules, "The rules of the policies")
        worker, copy = self._place[number]
        worker.ask("policies_for", copy, agent_id, rules)
        found: list[PolicyID] = worker.receive()
        return found

    def fingerprint(self, number: int) -> str:
        """Return a hash of the states of a copy's named generators."""
        worker, copy = self._place[number]
        worker.ask("fingerprint", copy)
        return str(worker.receive())

    def close(self) -> None:
        """Close every copy and end every worker."""
        for worker in self.workers:
            worker.close()

    def _by_worker(self, numbers: Sequence[int]) -> dict[WorkerHandle, list[int]]:
        found: dict[WorkerHandle, list[int]] = {}
        for number in numbers:
            found.setdefault(self._place[number][0], []).append(number)
        return found

    def _learn(self, number: int, reply: Reply) -> None:
        """Take in what a worker says about a copy."""
        if reply.facts is not None:
            self._facts[number] = reply.facts
        self._facts[number].acting_agent_ids = reply.acting_agent_ids
        if reply.metrics is not None:
            self._metrics[number] = reply.metrics


class WorkerHandle:
    """The driver's end of one worker.

    Attributes:
        rows: what is shared with it.
    """

    def __init__(
        self,
        index: int,
        numbers: Sequence[int],
        make_env: Callable[[], MultiAgentEnv],
        facts: CopyFacts,
        env_name: str,
    ) -> None:
        self._index = index
        self._numbers = numbers
        self._env_name = env_name
        order = _pickled((make_env, len(numbers), facts), env_name)
        context = multiprocessing.get_context("spawn")
        size = SharedRows(facts, len(numbers)).size
        buffer = context.RawArray(ctypes.c_byte, size)
        self.rows = SharedRows(facts, len(numbers), buffer)
        self._connection, remote = context.Pipe()
        self._process = context.Process(target=work, args=(remote, order, buffer), daemon=True)
        self._process.start()
        remote.close()
        self._is_asked = True  # a worker says when it is ready

    @property
    def process_id(self) -> int:
        """The id of the worker's process."""
        return self._process.pid or 0

    def begin(self) -> None:
        """Wait until the worker made its copies."""
        try:
            self.receive()
        except CopyError as error:
            cause = error.__cause__
            if isinstance(cause, (EnvError, PluginError)):
                raise cause from cause.__cause__
            failed = EnvError(
                f"Worker {self._index} could not make copy {error.number} of {self._env_name}: "
                f"{error_text(cause) + error.place if cause else 'it gave no reason'}. Mend the env, or use "
                "workers=0."
            )
            for note in getattr(cause, "__notes__", ()):
                failed.add_note(note)
            raise failed from cause

    def locals_of(self, numbers: Sequence[int]) -> list[int]:
        """Return copies as the worker counts them."""
        return [number - self._numbers[0] for number in numbers]

    def ask(self, name: str, *arguments: Any) -> None:
        """Ask the worker for something; `receive` returns the answer.

        Raises:
            CopyError: if the worker died.
        """
        if self._is_asked:  # nobody waited for the last answer, because the collection was broken off
            with suppress(CopyError):
                self.receive()
        try:
            self._connection.send((name, arguments))
        except (BrokenPipeError, ConnectionResetError):
            raise self._died() from None
        self._is_asked = True

    def receive(self) -> Any:
        """Wait for the answer.

        Raises:
            CopyError: if an env raised, or the worker died.
        """
        wait([self._connection, self._process.sentinel])
        try:
            answer = self._connection.recv() if self._connection.poll() else _NOTHING
        except (EOFError, ConnectionResetError):
            answer = _NOTHING
        if answer is _NOTHING:
            raise self._died()
        self._is_asked = False
        if isinstance(answer, Failure):
            answer.error.add_note(f"In worker {self._index}:\n{answer.text}")
            raise CopyError(self._numbers[answer.copy], answer.place) from answer.error
        return answer

    def close(self) -> None:
        """Let the worker close its envs; end it if it does not."""
        process = self._process
        if process.is_alive() and not self._is_asked:
            try:
                self._connection.send(("close", ()))
                if self._connection.poll(_PATIENCE):
                    self._connection.recv()
            except (EOFError, OSError):
                pass  # it is gone
        self._connection.close()  # which ends its loop
        process.join(0.0 if self._is_asked else _PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()

    def _died(self) -> CopyError:
        """Return the error that the worker is no more.

        Raises:
            ConfigError: if it never began, because the script has no guard.
        """
        self._process.join()
        code = self._process.exitcode or 0
        if code == UNGUARDED:
            script = getattr(sys.modules["__main__"], "__file__", "the script")
            raise ConfigError(
                f"Worker {self._index} could not begin: a worker imports {script}, which starts the workers "
                'again. Put what it runs under `if __name__ == "__main__":`, or use workers=0.'
            )
        number = self._numbers[int(self.rows.current[0])]
        name = f" ({signal.Signals(-code).name})" if -code in set(signal.Signals) else ""
        cause = EnvError(
            f"Worker {self._index} died with exit code {code}{name} while it played copy {number} of "
            f"{self._env_name}."
        )
        error = CopyError(number)
        error.__cause__ = cause
        return error


def _pickled(value: Any, name: str) -> bytes:
    try:
        return pickle.dumps(value)
    except Exception as error:  # whatever pickling raises about a user's object
        raise ConfigError(
            f"{name} cannot be sent to a worker process: {error_text(error)}. Define classes and functions "
            "at the top level of a module, or use workers=0."
        ) from error
