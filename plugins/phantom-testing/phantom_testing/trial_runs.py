"""Short trainings that checks look at: repeatable, without output, with the global generators fixed."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import phantom_core as ph
from phantom_testing.episode_trace import fingerprint
from phantom_testing.first_decisions import as_plain_policy
from phantom_testing.global_random import GlobalRandom, restored_afterwards
from phantom_testing.process_state import ProcessState
from phantom_testing.toy_agents import ToyForm
from phantom_testing.toy_envs import IdentityEnv, RivalsEnv, right_choice_of

FORMS = (
    ToyForm("discrete", "discrete"),
    ToyForm("box", "discrete"),
    ToyForm("box", "box"),
    ToyForm("discrete", "box"),
)
"""The spaces in which toy envs can be played, in the order in which they are tried."""


GLOBAL_SEED: Final = 20_251_130
"""What the process-wide generators are seeded with; somebody may set them to 0, so it is another number."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How a trainer is tried.

    Attributes:
        trainer: the class.
        config: its settings.
        form: the spaces of the toy envs.
        subject: what it is called in messages.
        warm_up_iterations: iterations in which it need not learn, before those that are asked for.
    """

    trainer: type[ph.Trainer]
    config: Mapping[str, Any] = field(default_factory=dict)
    form: ToyForm
    subject: str
    warm_up_iterations: int = 0

    def run(
        self,
        *,
        env: Callable[..., Any] = IdentityEnv,
        num_iterations: int = 2,
        seed: int = 1,
        num_agents: int | None = None,
        drawn: list[str] | None = None,
        global_seed: int = GLOBAL_SEED,
        restores: bool = True,
        **arguments: Any,
    ) -> ph.TrainingResults:
        """Train in a toy env; nothing is written.

        Args:
            env: the toy env.
            num_iterations: how many iterations to make after the warm-up.
            seed: the seed of the run.
            num_agents: how many agents the env has; None: as many as it has.
            drawn: is told which of the process-wide generators were used.
            global_seed: what the process-wide generators are seeded with.
            restores: whether what it changed in the process is undone.
            **arguments: of `ph.train`.

        Raises:
            AssertionError: if it raises.
        """
        sizes = {} if num_agents is None else {"num_agents": num_agents}
        num_iterations += self.warm_up_iterations
        with undisturbed(global_seed, restores=restores) as global_random:
            try:
                return ph.train(
                    self.trainer,
                    env=env,
                    env_config={"observes": self.form.observes, "acts": self.form.acts, **sizes},
                    num_iterations=num_iterations,
                    trainer_config=self.config,
                    seed=seed,
                    **{"run_dir": None, **arguments},
                )
            except Exception as error:
                name = getattr(env, "__name__", "a toy env")
                raise AssertionError(
                    f"{self.subject} raised {ph.tools.error_text(error)} when it trained in {name}. Expected "
                    f"{num_iterations} iterations: train it there yourself to see the traceback."
                ) from error
            finally:
                if drawn is not None:
                    drawn += global_random.used()

    def run_in_two_parts(self, num_iterations: int, folder: Path) -> tuple[ph.TrainingResults, Rows]:
        """Train as `run` does, but stop before the last iteration and resume; return also what was logged.

        Raises:
            AssertionError: if it raises.
        """
        num_first, rows = num_iterations - 1 + self.warm_up_iterations, Rows()
        plan = ph.CheckpointPlan(every=num_first)
        first = self.run(
            num_iterations=num_iterations, hooks=[rows, Stop(num_first)], run_dir=folder, checkpoint=plan
        )
        assert first.run_directory is not None
        with undisturbed():
            try:
                return ph.resume(first.run_directory, hooks=[rows], trust=True), rows
            except Exception as error:
                raise AssertionError(
                    f"{self.subject} raised {ph.tools.error_text(error)} when its run was resumed. Expected "
                    f"load_state_dict() to take what state_dict() returned after {num_first} iterations."
                ) from error


class Stop(ph.Hooks):
    """Stops a run after so many iterations."""

    def __init__(self, num_iterations: int) -> None:
        super().__init__()
        self._num_iterations = num_iterations

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        """Count."""
        return "enough" if event.iteration + 1 == self._num_iterations else None


class Rows(ph.Hooks):
    """Keeps what is logged.

    Attributes:
        history: as in the results of a run.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        """Keep a row."""
        self.history.append({"iteration": event.iteration, "env_steps": event.env_steps, **event.values})


class SolvedIdentity(ph.Hooks):
    """Stops training once the policy repeats every number, twice in a row.

    A recurrent policy is never asked: its first decisions say nothing about those with a memory.
    """

    def __init__(self, form: ToyForm) -> None:
        super().__init__()
        self._form = form
        self._in_a_row = 0

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        """Ask the policy about each number."""
        policy = event.policies["default"]
        if isinstance(policy, ph.RecurrentPolicy):
            return None
        is_solved = all(choice_of(policy, self._form, state, 3, 3) == state for state in range(3))
        self._in_a_row = self._in_a_row + 1 if is_solved else 0
        return "solved" if self._in_a_row == 2 else None  # noqa: PLR2004  twice, as said


class RivalVotes(ph.Hooks):
    """Notes in the last third of a run what the policies choose in the states of `RivalsEnv`.

    A learner with a constant step size errs now and then; what counts is what it chooses mostly.
    """

    def __init__(self, form: ToyForm, policy_by_agent: Mapping[ph.AgentID, ph.PolicyID]) -> None:
        super().__init__()
        self._form = form
        self._rivals = [(rival, policy_by_agent[rival.id]) for rival in RivalsEnv().rivals]
        self._num_right: Counter[tuple[ph.AgentID, int]] = Counter()
        self._num_votes = 0
        self._num_iterations = 0

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Note how long it will take."""
        self._num_iterations = event.num_iterations or 0

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        """Ask the policy of each agent what to do in each step."""
        if 3 * event.iteration < 2 * self._num_iterations:
            return
        self._num_votes += 1
        for rival, policy_id in self._rivals:
            for step, state in enumerate(rival.states):
                choice = choice_of(event.policies[policy_id], self._form, state, rival.num_states, 3)
                self._num_right[rival.id, step] += choice == right_choice_of(state)

    def wrong_steps(self) -> dict[ph.AgentID, list[int]]:
        """Return, for each agent that is wrong somewhere, the steps in which it is wrong mostly."""
        wrong = {
            rival.id: [s for s in range(rival.steps) if 2 * self._num_right[rival.id, s] <= self._num_votes]
            for rival, _ in self._rivals
        }
        return {agent_id: steps for agent_id, steps in wrong.items() if steps}


def choice_of(policy: Any, form: ToyForm, state: int, num_states: int, num_choices: int) -> int:
    """Return what a policy chooses in a state; the choice it makes most often of 25, if it draws."""
    observation = form.observation(state, num_states)
    asked, plain = 25 if policy.acts_randomly else 1, as_plain_policy(policy)
    choices = [form.choice(plain.compute_action(observation), num_choices) for _ in range(asked)]
    return max(choices, key=choices.count)


def form_of(
    policy_class: type[ph.BasePolicy], forms: Sequence[ToyForm] = FORMS, **config: Any
) -> ToyForm | None:
    """Return the first spaces that a policy can be built for."""
    for form in forms:
        try:
            policy_class(form.observation_space(3), form.action_space(3), **config)
        except Exception:  # a policy may refuse spaces in any way  # noqa: S112
            continue
        return form
    return None


def curve(results: ph.TrainingResults | Rows) -> list[dict[str, float]]:
    """Return what was logged in each iteration, without times."""
    return [
        {name: float(v) for name, v in row.items() if not name.startswith("time/")} for row in results.history
    ]


def difference(one: Sequence[Mapping[str, float]], other: Sequence[Mapping[str, float]]) -> str:
    """Say where two curves part, as half a sentence; nothing if they do not."""
    for iteration, (row, its_other) in enumerate(zip(one, other, strict=False)):
        for name in {**row, **its_other}:
            left, right = row.get(name), its_other.get(name)
            if repr(left) != repr(right):
                return f"in iteration {iteration}, {name!r} was {left} and then {right}"
    return "" if len(one) == len(other) else f"they have {len(one)} and {len(other)} iterations"


def through_a_file(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state as a checkpoint that is written and read holds it."""
    with tempfile.TemporaryDirectory() as folder:
        ph.tools.save_checkpoint(Path(folder, "state"), state)
        return ph.tools.load_checkpoint(Path(folder, "state"))


def states(policies: Mapping[ph.PolicyID, ph.BasePolicy]) -> dict[ph.PolicyID, str]:
    """Return a text for each policy that is equal for equal states."""
    return {policy_id: fingerprint(policy.state_dict()) for policy_id, policy in policies.items()}


def changed(before: Mapping[ph.PolicyID, str], after: Mapping[ph.PolicyID, str]) -> str:
    """Name the policies whose state differs; nothing if none does."""
    found = [policy_id for policy_id in after if before.get(policy_id) != after[policy_id]]
    return ph.tools.listing(found) if found else ""


@contextmanager
def undisturbed(global_seed: int = GLOBAL_SEED, *, restores: bool = True) -> Iterator[GlobalRandom]:
    """Run a block with fixed global generators, and without output; the process is as before afterwards."""
    state = ProcessState()
    with (
        restored_afterwards() as global_random,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        global_random.fix(global_seed)
        try:
            yield global_random
        finally:
            if restores:
                state.restore()


CROWD: Final = {"many": ["A1", "A2", "A3", "A4", "A5"], "one": ["A6"], "two": ["A7"], "three": ["A8"]}
"""So many agents and policies that sets of their names are hardly in the same order by chance."""


def crowd(trial: Trial, **arguments: Any) -> ph.TrainingResults:
    """Train eight agents with four policies for two iterations."""
    return trial.run(num_agents=8, policies=CROWD, **arguments)
