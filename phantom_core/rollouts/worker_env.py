"""`WorkerVectorEnv`: copies of an env in worker processes, stepped in parallel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from multiprocessing.util import Finalize
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.processes import leave_if_starting, starting
from phantom_core.rollouts.measured_env import CopyFacts
from phantom_core.rollouts.row_table import CopyRows, ListsOfRows, RowTable, StepRows
from phantom_core.rollouts.shared_rows import SharedRows
from phantom_core.rollouts.vector_env import CopyError, VectorEnv
from phantom_core.rollouts.worker_handle import WorkerHandle, end_workers, pickled
from phantom_core.types import Action, AgentID, Observation, PolicyID

_MOST_TOLD: Final = 64
"""So many expectations are remembered for each copy."""

_ANYTHING: Final = "What it is asked"


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
        self.saves_episodes = facts.saves_episodes
        self.clips_observations = facts.clips_observations
        self._metrics: list[dict[str, Any]] = [{}] * num_copies
        self._told: dict[CopyRows, tuple[int, tuple[Any, ...]]] = {}  # numbers of what workers know
        pickled(make_env, self.env_name)
        self._rows = SharedRows(facts, num_copies)
        self.workers: list[WorkerHandle] = []
        self._end = Finalize(self, end_workers, (self.workers,), exitpriority=10)  # at the exit, too
        try:
            with starting():
                for index in range(num_workers):
                    self.workers.append(WorkerHandle(index, self.env_name, self._rows.buffer))
            self._worker_of = [self.workers[n * num_workers // num_copies] for n in range(num_copies)]
            shares = [[n for n in range(num_copies) if self._worker_of[n] is w] for w in self.workers]
            given = {own[0]: (make_env, self.env_name, own, num_copies, facts) for own in shares}
            self._call("make", given, self.env_name)
        except BaseException:
            self.close()
            raise

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[AgentID, Observation] | None]:
        """Start an episode in each of these copies, in parallel."""
        found = self._play("reset", {n: (seed,) for n, seed in zip(numbers, seeds, strict=True)})
        return [found[number] for number in numbers]

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[AgentID, Action]]) -> list[StepResult]:
        """Play one step in each of these copies, in parallel."""
        found = self._play("step", {n: (own,) for n, own in zip(numbers, actions, strict=True)})
        return [found[number] for number in numbers]

    def step_rows(self, table: RowTable, actions: Sequence[Action]) -> StepRows:
        """Play one step; what copies do as expected is read from the shared rows."""
        given = {}
        for copy, first, end in table.bounds:
            expected = copy.observers, copy.payees, copy.acting_next
            number, told = self._told.get(copy, (-1, None))
            news = (number, None) if told == expected else self._tell(copy, expected)
            given[copy.env_index] = *news, actions[first:end]
            self._facts[copy.env_index].acting_agent_ids = copy.acting_next  # unless it replies
        results = self._play("step_rows", given, "An action")
        seen, paid = self._rows.get()
        if not results:  # as in most steps, in which this is faster
            return StepRows(
                [seen[i][copy.env_index] for copy in table.copies for i in copy.observers or ()],
                [paid[i][copy.env_index] for copy in table.copies for i in copy.payees],
            )
        found: ListsOfRows = ([], [], [])
        observations, rewards, _ = found
        for place, copy in enumerate(table.copies):
            result = results.get(copy.env_index)
            if result is None:
                observations += [seen[i][copy.env_index] for i in copy.observers or ()]
                rewards += [paid[i][copy.env_index] for i in copy.payees]
            elif copy.is_expected(result, self._facts[copy.env_index].acting_agent_ids):
                observations += result.observations.values()
                rewards += result.rewards.values()
            else:
                copy.set_apart(found, place, result)
        return StepRows(*found)

    def abandon(self) -> None:
        """Tell workers anew what is expected: nobody knows what they got to know."""
        self._told.clear()

    def facts(self, number: int) -> CopyFacts:
        """Return what a copy says about itself."""
        return self._facts[number]

    def states(self, numbers: Sequence[int]) -> list[Any]:
        """Return the global state of each of these copies."""
        found = self._ask("call", dict.fromkeys(numbers, ("state",)), _ANYTHING)
        return [found[number] for number in numbers]

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics, beside the envs, after each step from now on.

        Raises:
            ConfigError: if a worker cannot be sent or import them.
        """
        given = dict.fromkeys(range(self.num_copies), ("measure", metrics, mode))
        self._call("call", given, "The metrics")

    def take_metrics(self, number: int) -> dict[str, Any]:
        """Return the reduced metrics of the episode that just ended in a copy."""
        return self._metrics[number]

    def policies_for(
        self, number: int, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]
    ) -> list[PolicyID]:
        """Return the policies whose rule holds for an agent that joined a copy."""
        rules = {i: PolicySpec(agents=spec.agents) for i, spec in specs.items() if callable(spec.agents)}
        given = {number: ("policies_for", agent_id, rules)}
        return list(self._call("call", given, "The rules of the policies")[number])

    def fingerprint(self, number: int) -> str:
        """Return a hash of the states of a copy's named generators."""
        return str(self._call("call", {number: ("fingerprint",)})[number])

    def carried(self, number: int, *, is_over: bool) -> dict[str, Any] | None:
        """Return the `state_dict` of a copy before the episode that goes on; `is_over`: before the next."""
        name = "carried_over" if is_over else "carried_in"
        return self._call("call", {number: (name,)}).get(number)

    def carry(self, number: int, state: Mapping[str, Any]) -> None:
        """Give a copy what `carried` returned."""
        self._call("call", {number: ("carry", state)})

    def episode_state(self, number: int) -> dict[str, Any]:
        """Return where the episode of a copy stands."""
        return dict(self._ask("call", {number: ("episode_state",)}, _ANYTHING)[number])

    def restore_episode(self, number: int, seed: int, state: Mapping[str, Any]) -> None:
        """Let a copy stand where it stood when `episode_state` was called."""
        self._play("restore", {number: (seed, state)})

    def close(self) -> None:
        """Close every copy and end every worker."""
        self._end()

    def _tell(self, copy: CopyRows, expected: tuple[Any, ...]) -> tuple[int, CopyRows]:
        """Return the number of what is expected of a copy now, and the same in full, for its worker."""
        if copy not in self._told and len(self._told) >= _MOST_TOLD * self.num_copies:
            self._told.clear()
        number, _ = self._told.get(copy, (len(self._told), None))
        self._told[copy] = number, expected
        return number, copy.without_rows()

    def _play(self, name: str, given: Mapping[int, tuple[Any, ...]], what: str = _ANYTHING) -> dict[int, Any]:
        """Let copies play; take in what workers say about them, and return what they returned."""
        found = {}
        for number, reply in self._ask(name, given, what).items():
            found[number], acting, facts, self._metrics[number] = reply
            if facts is not None:
                for part in CopyFacts.__slots__:  # whoever asked for the facts finds them up to date
                    setattr(self._facts[number], part, getattr(facts, part))
            self._facts[number].acting_agent_ids = acting
        return found

    def _call(self, name: str, given: Mapping[int, tuple[Any, ...]], what: str = _ANYTHING) -> dict[int, Any]:
        """Ask for something that is no step: what is raised there is raised here."""
        try:
            return self._ask(name, given, what)
        except CopyError as error:
            raise error.__cause__ or error from None

    def _ask(self, name: str, given: Mapping[int, tuple[Any, ...]], what: str) -> dict[int, Any]:
        """Call a method of `Worker` for each of these copies; return what comes back, unless it is None."""
        shares: dict[WorkerHandle, dict[int, tuple[Any, ...]]] = {}
        for number, own in given.items():
            shares.setdefault(self._worker_of[number], {})[number] = own
        for worker, share in shares.items():
            worker.ask(name, share, what)
        return {number: answer for worker in shares for number, answer in worker.receive().items()}
