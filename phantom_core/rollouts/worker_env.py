"""`WorkerVectorEnv`: copies of an env in worker processes, stepped in parallel."""

from __future__ import annotations

import ctypes
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.util import Finalize
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.measured_env import CopyFacts
from phantom_core.rollouts.row_table import CopyRows, RowTable, StepRows
from phantom_core.rollouts.shared_rows import SharedRows
from phantom_core.rollouts.vector_env import VectorEnv
from phantom_core.rollouts.worker_handle import WorkerHandle, end_workers, pickled, starting
from phantom_core.rollouts.worker_process import Reply, leave_if_starting
from phantom_core.types import Action, AgentID, Observation, PolicyID

_MOST_PLANS: Final = 256
"""So many tables are remembered."""


class WorkerVectorEnv(VectorEnv):
    """Copies of an env in worker processes; `make_vector_env` makes one.

    Policies stay in the driver. Rewards and observations of array-like spaces go through shared memory,
    everything else is pickled. Workers end with the driver, or when the vector env is closed or
    dropped.

    Attributes:
        workers: the driver's ends of the workers.
    """

    def __init__(
        self, make_env: Callable[[], MultiAgentEnv], num_copies: int, num_workers: int, first: MultiAgentEnv
    ) -> None:
        """Start the workers, each with its share of the copies; `first` tells the agents, and is closed.

        Raises:
            ConfigError: if a worker cannot get `make_env`, or the script has no `__main__` guard.
            EnvError: if a worker cannot make its copies.
        """
        leave_if_starting()
        self.num_copies = num_copies
        self.env_name = type(first).__name__
        self._facts = [CopyFacts.of(first) for _ in range(num_copies)]
        first.close()
        facts = self._facts[0]
        self._metrics: list[dict[str, Any]] = [{} for _ in range(num_copies)]
        self._plans: dict[RowTable, _Plan] = {}
        pickled(make_env, self.env_name)
        buffer = multiprocessing.RawArray(ctypes.c_byte, max(1, SharedRows(facts, num_copies).size))
        self._rows = SharedRows(facts, num_copies, buffer)
        self.workers: list[WorkerHandle] = []
        self._end = Finalize(self, end_workers, (self.workers,), exitpriority=10)  # at the exit, too
        self._worker_of = {n: n * num_workers // num_copies for n in range(num_copies)}
        try:
            with starting():
                for index in range(num_workers):
                    self.workers.append(WorkerHandle(index, self.env_name, buffer))
            for worker, numbers in self._by_worker(range(num_copies)):
                worker.ask("make", make_env, numbers, num_copies, facts, what=self.env_name)
            for worker in self.workers:
                worker.receive_made()
        except BaseException:
            self.close()
            raise

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[AgentID, Observation] | None]:
        """Start an episode in each of these copies, in parallel."""
        return self._ask_for_each("reset", numbers, seeds)

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[AgentID, Action]]) -> list[StepResult]:
        """Play one step in each of these copies, in parallel."""
        return self._ask_for_each("step", numbers, actions)

    def step_rows(self, table: RowTable, actions: Sequence[Action]) -> StepRows:
        """Play one step; what copies do as expected is read from the shared rows."""
        plan = self._plan_of(table)
        for worker, copies, slices in plan.shares:
            given: list[Action] = []
            for of_copy in slices:
                given += actions[of_copy]
            worker.ask("step_rows", plan.number, None if plan.is_known else copies, given, what="An action")
        plan.is_known = True
        replies = [reply for worker, _, _ in plan.shares for reply in worker.receive() or ()]
        for copy in table.copies:  # those that replied are corrected below
            self._facts[copy.env_index].acting_agent_ids = copy.acting_next
        observations, rewards = plan.read()
        others: list[tuple[int, StepResult]] = []
        for reply in replies:
            self._learn(reply)
            place, result = table.env_indices.index(reply.number), reply.returned
            seen, paid = plan.slices[place]
            if table.copies[place].is_expected(result, reply.acting_agent_ids):
                observations = list(observations)
                observations[seen], rewards[paid] = result.observations.values(), result.rewards.values()
            else:
                others.append((place, result))
                rewards[paid] = [0.0] * (paid.stop - paid.start)
        return StepRows(observations, rewards, others)

    def facts(self, number: int) -> CopyFacts:
        """Return what a copy says about itself."""
        return self._facts[number]

    def states(self, numbers: Sequence[int]) -> list[Any]:
        """Return the global state of each of these copies."""
        asked = self._by_worker(numbers)
        for worker, own in asked:
            worker.ask("states", own)
        found: dict[int, Any] = {}
        for worker, own in asked:
            found |= zip(own, worker.receive(), strict=True)
        return [found[number] for number in numbers]

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics, beside the envs, after each step from now on.

        Raises:
            ConfigError: if a worker cannot be sent or import them.
        """
        for worker in self.workers:
            worker.ask("measure", metrics, mode, what="The metrics")
        for worker in self.workers:
            worker.receive()

    def take_metrics(self, number: int) -> dict[str, Any]:
        """Return the reduced metrics of the episode that just ended in a copy."""
        return self._metrics[number]

    def policies_for(
        self, number: int, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]
    ) -> list[PolicyID]:
        """Return the policies whose rule holds for an agent that joined a copy."""
        rules = {i: PolicySpec(agents=spec.agents) for i, spec in specs.items() if callable(spec.agents)}
        return list(self._call(number, "policies_for", agent_id, rules) or ())

    def fingerprint(self, number: int) -> str:
        """Return a hash of the states of a copy's named generators."""
        return str(self._call(number, "fingerprint"))

    def close(self) -> None:
        """Close every copy and end every worker."""
        self._end()

    def _by_worker(self, numbers: Sequence[int]) -> list[tuple[WorkerHandle, list[int]]]:
        found: dict[int, list[int]] = {}
        for number in numbers:
            found.setdefault(self._worker_of[number], []).append(number)
        return [(self.workers[index], own) for index, own in found.items()]

    def _ask_for_each(self, name: str, numbers: Sequence[int], given: Sequence[Any]) -> list[Any]:
        """Let each of these copies do something with what it is given; return what comes back."""
        given_by_number = dict(zip(numbers, given, strict=True))
        asked = self._by_worker(numbers)
        for worker, own in asked:
            worker.ask(name, own, [given_by_number[number] for number in own])
        found: dict[int, Any] = {}
        for worker, _ in asked:
            for reply in worker.receive():
                self._learn(reply)
                found[reply.number] = reply.returned
        return [found[number] for number in numbers]

    def _learn(self, reply: Reply) -> None:
        """Take in what a worker says about a copy."""
        if reply.facts is not None:
            for name in CopyFacts.__slots__:  # whoever asked for the facts finds them up to date
                setattr(self._facts[reply.number], name, getattr(reply.facts, name))
        self._facts[reply.number].acting_agent_ids = reply.acting_agent_ids
        if reply.metrics is not None:
            self._metrics[reply.number] = reply.metrics

    def _call(self, number: int, name: str, *arguments: Any) -> Any:
        worker = self.workers[self._worker_of[number]]
        worker.ask("call", number, name, *arguments, what="The rules of the policies")
        return worker.receive()

    def _plan_of(self, table: RowTable) -> _Plan:
        expected = [(copy.observers, copy.payees, copy.acting_next) for copy in table.copies]
        plan = self._plans.get(table)
        if plan is None or plan.expected != expected:
            if plan is None and len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            number = len(self._plans) if plan is None else plan.number
            plan = self._plans[table] = _Plan(number, expected, table, self._rows)
            for worker, own in self._by_worker(table.env_indices):
                bounds = [bound for bound in table.bounds if bound[0].env_index in own]
                copies = [copy.without_rows() for copy, _, _ in bounds]
                plan.shares.append((worker, copies, [slice(first, end) for _, first, end in bounds]))
        return plan


class _Plan:
    """How the copies of a table are played, as long as the same is expected of them.

    Attributes:
        number: its number.
        expected: what is expected.
        is_known: whether the workers know it.
        shares: of each worker its copies, and which rows of the table are each one's.
        read: returns the observations and rewards that are expected.
        slices: which of these are a copy's, by place.
    """

    def __init__(self, number: int, expected: list[Any], table: RowTable, rows: SharedRows) -> None:
        self.number = number
        self.expected = expected
        self.is_known = False
        self.shares: list[tuple[WorkerHandle, list[CopyRows], list[slice]]] = []
        observers: list[tuple[int, AgentID]] = []
        payees: list[tuple[int, AgentID]] = []
        self.slices = []
        for copy in table.copies:
            first, first_paid = len(observers), len(payees)
            observers += [(copy.env_index, agent_id) for agent_id in copy.observers or ()]
            payees += [(copy.env_index, agent_id) for agent_id in copy.payees]
            self.slices.append((slice(first, len(observers)), slice(first_paid, len(payees))))
        self.read = rows.reader(observers, payees)
