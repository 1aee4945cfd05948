"""`WorkerVectorEnv`: copies of an env in worker processes, stepped in parallel."""

from __future__ import annotations

import ctypes
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from multiprocessing.util import Finalize
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.measured_env import CopyFacts
from phantom_core.rollouts.row_table import CopyRows, RowTable, StepRows
from phantom_core.rollouts.shared_rows import RowReader, SharedRows
from phantom_core.rollouts.vector_env import VectorEnv
from phantom_core.rollouts.worker_handle import WorkerHandle, end_workers, pickled, starting
from phantom_core.rollouts.worker_process import Reply, leave_if_starting
from phantom_core.types import Action, AgentID, Observation, PolicyID

_MOST_PLANS: Final = 256
"""So many tables are remembered."""


class WorkerVectorEnv(VectorEnv):
    """Copies of an env in worker processes; `make_vector_env` makes one.

    Policies stay in the driver. Observations, actions and rewards of array-like spaces go through shared
    memory, everything else is pickled. Workers end with the driver, or when the vector env is closed or
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
        buffer = multiprocessing.RawArray(ctypes.c_byte, SharedRows(facts, num_copies).size)
        self._rows = SharedRows(facts, num_copies, buffer)
        self.workers: list[WorkerHandle] = []
        self._end = Finalize(
            self, end_workers, (self.workers,), exitpriority=10
        )  # before others are waited for
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
        unfit: dict[int, dict[AgentID, Action]] = {}
        for (number, agent_id), action in zip(plan.acting, actions, strict=True):
            if not self._rows.put_action(number, agent_id, action):
                unfit.setdefault(number, {})[agent_id] = action
        for worker, copies, question in plan.questions:
            if unfit:
                worker.ask("step_rows", copies, unfit)
            else:
                worker.send("step_rows", question)
        replies: list[Reply] = []
        for worker, _, _ in plan.questions:
            replies += worker.receive() or ()
        for copy in table.copies:  # those that replied are corrected below
            self._facts[copy.env_index].acting_agent_ids = copy.acting_next
        observations, rewards = plan.reader.observations(), plan.reader.rewards()
        others: list[tuple[int, StepResult]] = []
        for reply in replies:
            self._learn(reply)
            place, result = plan.places[reply.number], reply.returned
            seen, paid = plan.bounds[place]
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
        worker = self.workers[self._worker_of[number]]
        worker.ask("policies_for", number, agent_id, rules, what="The rules of the policies")
        return list(worker.receive() or ())

    def fingerprint(self, number: int) -> str:
        """Return a hash of the states of a copy's named generators."""
        worker = self.workers[self._worker_of[number]]
        worker.ask("fingerprint", number)
        return str(worker.receive())

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
            self._facts[reply.number] = reply.facts
        self._facts[reply.number].acting_agent_ids = reply.acting_agent_ids
        if reply.metrics is not None:
            self._metrics[reply.number] = reply.metrics

    def _plan_of(self, table: RowTable) -> _Plan:
        key = [(copy.observers, copy.payees, copy.acting_next) for copy in table.copies]
        plan = self._plans.get(table)
        if plan is None or plan.key != key:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            places = {number: place for place, number in enumerate(table.env_indices)}
            questions = []
            for worker, own in self._by_worker(table.env_indices):
                copies = [table.copies[places[number]].without_rows() for number in own]
                questions.append((worker, copies, pickled(("step_rows", (copies, {})), "The agents")))
            plan = self._plans[table] = _Plan(table, key, self._rows, places, questions)
        return plan


class _Plan:
    """How the copies of a table are played, as long as the same is expected of them.

    Attributes:
        key: what is expected.
        acting: the copy and agent of each row.
        places: the place of each copy in the table.
        questions: of each worker its copies, and the question that lets it play them.
        reader: reads what is expected.
        bounds: which observations and rewards are those of each copy.
    """

    def __init__(
        self,
        table: RowTable,
        key: list[Any],
        rows: SharedRows,
        places: dict[int, int],
        questions: list[tuple[WorkerHandle, list[CopyRows], bytes]],
    ) -> None:
        self.key, self.places, self.questions = key, places, questions
        self.acting = [(row.env_index, row.agent_id) for row in table.rows]
        observers = [(copy.env_index, agent_id) for copy in table.copies for agent_id in copy.observers or ()]
        payees = [(copy.env_index, agent_id) for copy in table.copies for agent_id in copy.payees]
        self.reader = RowReader(rows, observers, payees)
        self.bounds = list(
            zip(
                _slices([len(copy.observers or ()) for copy in table.copies]),
                _slices([len(copy.payees) for copy in table.copies]),
                strict=True,
            )
        )


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = list(accumulate(sizes))
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
