"""What an env, a policy or a caller must not hand to the collector is refused with a sentence."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph

SPACE = gym.spaces.Discrete(3)


class Clock:
    """A multi-agent env without anything around it: one agent, which sees 1 and earns 1."""

    acting_agent_ids = None
    strategic_agent_ids = ("A",)
    observation_spaces = action_spaces = {"A": SPACE}  # noqa: RUF012  never changed

    def __init__(self, answer: Callable[[int], Any] | None = None, *, seen: Any = 1) -> None:
        self.agents = {"A": ph.StrategicAgent("A")}
        self.answer, self.seen = answer, seen

    def reset(self, seed: Any = None, options: Any = None) -> tuple[Any, Any]:
        self.count = 0
        return {"A": self.seen}, {}

    def step(self, actions: Any) -> Any:
        self.count += 1
        if self.answer is not None and self.count == 2:
            return self.answer(self.count)
        flags = {"A": False, "__all__": False}
        return ph.StepResult({"A": self.seen}, {"A": 1.0}, flags, flags, {})

    def close(self) -> None:
        """Nothing to close."""


class Zero(ph.Policy):
    """Always does the same; its extras are what a test says."""

    extras: Callable[[int], Any] = staticmethod(lambda _number: {})

    def compute_action(self, observation: Any) -> int:
        return 0

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, Any]:
        return [0] * len(rng), self.extras(len(rng))


def collect(envs: Any, policy: type[Zero] = Zero, learning: Any = ("p",)) -> ph.Batch:
    collector = ph.Collector(envs, {"p": policy(SPACE, SPACE)}, {"A": "p"}, seed=1, learning=learning)
    return collector.collect(ph.CollectPlan(steps=5))["p"]


FLAGS = {"A": False, "__all__": False}


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: ({"A": 1}, [1.0], FLAGS, FLAGS, {}),
        lambda _: ph.StepResult({"A": 1}, [1.0], FLAGS, FLAGS, {}),  # type: ignore[arg-type]
    ],
)
def test_a_step_that_returns_something_else_is_told_what_is_expected(answer: Callable[[int], Any]) -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        collect([Clock(answer)])
    assert str(caught.value).startswith("step() of Clock returned ")
    assert str(caught.value).endswith(
        "Expected a ph.StepResult of dicts by agent id: observations, rewards, terminations, truncations, "
        "infos."
    )


def test_an_array_with_one_integer_is_no_element_of_a_discrete_space() -> None:
    with pytest.raises(ph.errors.ObservationError, match=r"^Observation of 'A' at step 0 has shape"):
        collect([Clock(seen=np.array([1]))])


@pytest.mark.parametrize(
    ("values", "shape"), [(lambda n: [0.0] * 2 * n, "(2,)"), (lambda _: [], "(0,)"), (lambda _: 0.5, "()")]
)
def test_extras_of_another_number_than_observations_are_refused(
    values: Callable[[int], Any], shape: str
) -> None:
    class Telling(Zero):
        extras = staticmethod(lambda number: {"v": values(number)})

    with pytest.raises(ph.errors.ConfigError) as caught:
        collect([Clock()], Telling)
    assert str(caught.value) == (
        f"sample_actions() returned the extra 'v' of shape {shape} for 1 observations. Return one value for "
        "each."
    )


@pytest.mark.parametrize(("learning", "hint"), [(["q"], ""), ("p", ""), (["pp"], " Did you mean 'p'?")])
def test_learners_that_there_are_not_are_refused(learning: Any, hint: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        collect([Clock()], learning=learning)
    assert str(caught.value) == (
        f"learning is {learning!r}. Expected a list of ids of policies.{hint} There are: 'p'."
    )


@pytest.mark.parametrize("envs", [[], Clock()])
def test_what_is_no_list_of_envs_is_refused(envs: Any) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        collect(envs)
    assert str(caught.value) == f"Expected a list of envs, or a ph.VectorEnv, but got {envs!r}."


@pytest.mark.parametrize("made", [Clock(), "farm:Farm"])
def test_what_cannot_be_called_makes_no_env(made: Any) -> None:
    with pytest.raises(
        ph.errors.ConfigError, match=r"^make_vector_env got .* Expected what makes an env when"
    ):
        ph.make_vector_env(made, copies=2)


def test_a_batch_can_be_changed() -> None:
    batch = collect([Clock()])
    batch.transitions.rewards *= 0.5
    assert batch.transitions.rewards.tolist() == [0.5] * 5


class Counting(ph.VectorEnv):
    """One clock, whose `step_rows` returns so many observations and rewards."""

    num_copies, env_name = 1, "Counting"

    def __init__(self, observations: int, rewards: int, *, knows: bool) -> None:
        self.clock, self.numbers, self.knows = Clock(), (observations, rewards), knows

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[Any]:
        return [self.clock.reset()[0]]

    def step(self, numbers: Sequence[int], actions: Sequence[Any]) -> list[Any]:
        return [self.clock.step(actions[0])]

    def step_rows(self, table: ph.RowTable, actions: Sequence[Any]) -> ph.StepRows:
        if self.knows and not table.repeats:
            return super().step_rows(table, actions)
        observations, rewards = self.numbers
        return table.step([1] * observations, [1.0] * rewards)

    def facts(self, number: int) -> Any:
        return self.clock

    def measure(self, metrics: Any, mode: Any) -> None:
        """Measure nothing."""

    def take_metrics(self, number: int) -> dict[str, Any]:
        return {}

    def policies_for(self, number: int, agent_id: Any, specs: Any) -> list[str]:
        return []

    def fingerprint(self, number: int) -> str:
        return ""

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("numbers", [(2, 1), (1, 2), (0, 1), (1, 0)])
def test_step_rows_returns_one_of_each_for_each_row(numbers: tuple[int, int]) -> None:
    assert len(collect(Counting(1, 1, knows=True))) == 5
    with pytest.raises(ph.errors.EnvError) as caught:
        collect(Counting(*numbers, knows=True))
    assert str(caught.value) == (
        f"step_rows() of Counting returned {numbers[0]} observations and {numbers[1]} rewards, but 1 and 1 "
        "are expected in this step. Return one for each row while table.repeats, and what "
        "super().step_rows() returns in other steps."
    )


def test_step_rows_answers_by_dicts_before_it_is_known_what_to_expect() -> None:
    with pytest.raises(ph.errors.EnvError, match=r"but 0 and 0 are expected in this step\."):
        collect(Counting(1, 1, knows=False))
