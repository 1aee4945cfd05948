"""`WorkerVectorEnv`: copies of an env in worker processes, stepped in parallel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.measured_env import CopyFacts
from phantom_core.rollouts.row_table import ListsOfRows, RowTable, StepRows
from phantom_core.rollouts.shared_rows import SharedRows
from phantom_core.rollouts.vector_env import CopyError, VectorEnv
from phantom_core.rollouts.worker_handle import WorkerHandle, ask_all, end_workers, pickled, starting
from phantom_core.rollouts.worker_process import leave_if_starting
from phantom_core.types import Action, AgentID, Observation, PolicyID

_MOST_PLANS: Final = 256
"""So many plans are remembered."""


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
        self._metrics: list[dict[str, Any]] = [{}] * num_copies
        self._plans: dict[RowTable, _Plan] = {}
        pickled(make_env, self.env_name)
        self._rows = SharedRows(facts, num_copies)
        self.workers: list[WorkerHandle] = []
        self._end = Finalize(self, end_workers, (self.workers,), exitpriority=10)  # at the exit, too
        try:
            with starting():
                for index in range(num_workers):
                    self.workers.append(WorkerHandle(index, self.env_name, self._rows.buffers))
            self._worker_of = [self.workers[n * num_workers // num_copies] for n in range(num_copies)]
            shares = self._shares(range(num_copies))
            questions = {w: (make_env, self.env_name, own, num_copies, facts) for w, own in shares.items()}
            self._call("make", questions, self.env_name)
        except BaseException:
            self.close()
            raise

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[AgentID, Observation] | None]:
        """Start an episode in each of these copies, in parallel."""
        return self._play_each("reset", numbers, seeds)

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[AgentID, Action]]) -> list[StepResult]:
        """Play one step in each of these copies, in parallel."""
        return self._play_each("step", numbers, actions)

    def step_rows(self, table: RowTable, actions: Sequence[Action]) -> StepRows:
        """Play one step; what copies do as expected is read from the shared rows."""
        plan = self._plan_of(table)
        for copy in table.copies:  # unless they reply
            self._facts[copy.env_index].acting_agent_ids = copy.acting_next
        questions = {w: (plan.number, [a for rows in own for a in actions[rows]]) for w, own in plan.shares}
        results = self._play("step_rows", questions, "An action")
        if plan.read is not None and not results:
            return plan.read()
        found: ListsOfRows = ([], [], [])
        for place, copy in enumerate(table.copies):
            result = results.get(copy.env_index)
            if result is None:
                seen, paid = self._rows.get(copy)
            elif copy.is_expected(result, self._facts[copy.env_index].acting_agent_ids):
                seen, paid = [*result.observations.values()], [*result.rewards.values()]
            else:
                copy.set_apart(found, place, result)
                continue
            found[0].extend(seen)
            found[1].extend(paid)
        return StepRows(*found)

    def facts(self, number: int) -> CopyFacts:
        """Return what a copy says about itself."""
        return self._facts[number]

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics, beside the envs, after each step from now on.

        Raises:
            ConfigError: if a worker cannot be sent or import them.
        """
        shares = self._shares(range(self.num_copies))
        questions = {w: (own, "measure", metrics, mode) for w, own in shares.items()}
        self._call("call", questions, "The metrics")

    def take_metrics(self, number: int) -> dict[str, Any]:
        """Return the reduced metrics of the episode that just ended in a copy."""
        return self._metrics[number]

    def policies_for(
        self, number: int, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]
    ) -> list[PolicyID]:
        """Return the policies whose rule holds for an agent that joined a copy."""
        rules = {i: PolicySpec(agents=spec.agents) for i, spec in specs.items() if callable(spec.agents)}
        question = {self._worker_of[number]: ([number], "policies_for", agent_id, rules)}
        return list(self._call("call", question, "The rules of the policies")[0][0])

    def fingerprint(self, number: int) -> str:
        """Return a hash of the states of a copy's named generators."""
        question = {self._worker_of[number]: ([number], "fingerprint")}
        return str(self._call("call", question, "The fingerprint")[0][0])

    def close(self) -> None:
        """Close every copy and end every worker."""
        self._end()

    def _play_each(self, name: str, numbers: Sequence[int], given: Sequence[Any]) -> list[Any]:
        """Let each of these copies do something with what it is given; return what comes back."""
        given_to = dict(zip(numbers, given, strict=True))
        shares = self._shares(numbers)
        questions = {w: (own, [given_to[n] for n in own]) for w, own in shares.items()}
        found = self._play(name, questions, "What it is asked")
        return [found[number] for number in numbers]

    def _play(self, name: str, questions: Mapping[WorkerHandle, Sequence[Any]], what: str) -> dict[int, Any]:
        """Let workers play; take in what they say about copies, and return what these returned."""
        found = {}
        for replies in ask_all(name, questions, what):
            for number, returned, acting, news, metrics in replies:
                self._metrics[number] = metrics
                facts = self._facts[number] = news or self._facts[number]
                facts.acting_agent_ids = acting
                found[number] = returned
        return found

    def _call(self, name: str, questions: Mapping[WorkerHandle, Sequence[Any]], what: str) -> list[Any]:
        """Ask workers for something that is no step; what is raised there is raised here."""
        try:
            return ask_all(name, questions, what)
        except CopyError as error:
            raise error.__cause__ or error from None

    def _shares(self, numbers: Sequence[int]) -> dict[WorkerHandle, list[int]]:
        """Return, by worker, which of these copies it plays."""
        found: dict[WorkerHandle, list[int]] = {}
        for number in numbers:
            found.setdefault(self._worker_of[number], []).append(number)
        return found

    def _plan_of(self, table: RowTable) -> _Plan:
        """Return how a table is played; tell the workers, if something else is expected than before."""
        expected = [(copy.observers, copy.payees, copy.acting_next) for copy in table.copies]
        plan = self._plans.get(table)
        if plan is not None and plan.expected == expected:
            return plan
        if plan is None and len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        number = len(self._plans) if plan is None else plan.number
        shares = self._shares(table.env_indices)
        bounds = {copy.env_index: (copy, slice(first, end)) for copy, first, end in table.bounds}
        rows = [(worker, [bounds[n][1] for n in own]) for worker, own in shares.items()]
        plan = self._plans[table] = _Plan(number, [], rows, self._rows.reader(table.copies))
        copies = {w: (number, [bounds[n][0].without_rows() for n in own]) for w, own in shares.items()}
        ask_all("expect", copies, "What is expected")
        plan.expected = expected
        return plan


@dataclass(slots=True)
class _Plan:
    """How the copies of a table are played, as long as the same is expected of them."""

    number: int
    expected: list[Any]  # empty until all workers know it
    shares: list[tuple[WorkerHandle, list[slice]]]  # which rows of the table are whose
    read: Callable[[], StepRows] | None  # returns what is expected
