"""The trainer `es`: what a candidate earns, in which episodes, and which policies it trains."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_es import ESTrainer, GreedyActorPolicy
from phantom_testing import IdentityEnv


class Aimer(ph.StrategicAgent):
    """Sees a number, and is paid the more the nearer its action is to 2 times the number plus 1."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Box(-9.0, 9.0, (1,), np.float32)
    seen = paid = 0.0

    def encode_observation(self, ctx: ph.Context) -> Any:
        self.seen = self.rng.uniform(-1.0, 1.0)
        return np.array([self.seen], np.float32)

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.paid = -((float(action[0]) - 2.0 * self.seen - 1.0) ** 2)

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.paid


class AimEnv(ph.PhantomEnv):
    """As many aimers as are wanted."""

    def __init__(self, num_agents: int = 1, num_steps: int | None = 5) -> None:
        super().__init__(num_steps, ph.Network([Aimer(f"A{n + 1}") for n in range(num_agents)]))


class Line(ph.Policy):
    """A rule with two numbers: slope and intercept. It counts how often it was loaded."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)
        self.line, self.kept = np.zeros(2), "this"

    def compute_action(self, observation: Any) -> Any:
        return np.clip(self.line[:1] * observation + self.line[1:], -9.0, 9.0).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        return {"parameters": self.line.copy(), "kept": self.kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.line, self.kept = np.array(state["parameters"]), state["kept"]


class RememberedLine(ph.RecurrentPolicy):
    """The same, with a memory that it does not use."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)
        self.line = Line(observation_space, action_space)

    def initial_state(self) -> Any:
        return np.int64(0)

    def compute_actions(self, observations: Any, state: Any) -> tuple[Any, Any]:
        return self.line.compute_actions(observations), state + 1

    def state_dict(self) -> dict[str, Any]:
        return self.line.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.line.load_state_dict(state)


class Unsearchable(ph.RandomPolicy):
    """A policy without parameters."""


class Stubborn(ph.Policy):
    """Has parameters, and keeps them."""

    def compute_action(self, observation: Any) -> Any:
        return np.zeros(1, np.float32)

    def state_dict(self) -> dict[str, Any]:
        return {"parameters": np.zeros(2)}


class Whole(Line):
    """A policy whose parameters are no floats."""

    def state_dict(self) -> dict[str, Any]:
        return {"parameters": [1, 2]}


class Episodes(ph.Hooks):
    """Keeps the seed of each episode, and what was earned in it."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds: list[tuple[int, int]] = []
        self.returns: list[float] = []

    def on_episode_end(self, event: ph.EpisodeEnd) -> None:
        self.seeds.append((event.iteration, event.seed))
        self.returns.append(float(np.mean(list(event.episode_returns.values()))))


def trained(*, num_agents: int = 1, num_iterations: int = 3, **options: Any) -> ph.TrainingResults:
    given: dict[str, Any] = {
        "policies": {"line": ph.PolicySpec(agents=Aimer, policy=Line, train=True)},
        "trainer_config": {"episodes": 2},
        "seed": 1,
        "run_dir": None,
        **options,
    }
    return ph.train(
        "es", env=AimEnv, env_config={"num_agents": num_agents}, num_iterations=num_iterations, **given
    )


def message(**options: Any) -> str:
    with pytest.raises(ph.PhantomError) as caught:
        trained(**options)
    return str(caught.value)


@pytest.mark.parametrize("policy", [Line, RememberedLine])
def test_it_finds_the_two_numbers_of_a_rule(policy: Any) -> None:
    policies = {"line": ph.PolicySpec(agents=Aimer, policy=policy, train=True)}
    results = trained(policies=policies, num_iterations=30)
    state = results.policies["line"].state_dict()
    assert state["parameters"] == pytest.approx([2.0, 1.0], abs=0.05)
    assert state["kept"] == "this"


def test_all_candidates_of_a_generation_play_the_same_episodes() -> None:
    episodes = Episodes()
    results = trained(hooks=[episodes], num_iterations=2)
    assert results.env_steps == 2 * 6 * 2 * 5  # generations, candidates, episodes, steps
    assert [row["env_steps"] for row in results.history] == [60, 120]
    played = Counter(episodes.seeds)
    assert list(played.values()) == [6] * 4  # each of 2 episodes in each of 2 generations, by 6 candidates
    assert len({seed for _, seed in played}) == 4


def test_a_candidate_earns_the_mean_return_of_the_agents_of_its_policy() -> None:
    episodes = Episodes()
    results = trained(num_agents=3, hooks=[episodes], num_iterations=1)
    by_candidate = np.array(episodes.returns).reshape(6, 2).mean(axis=1)
    assert results.history[0]["line/best_return"] == pytest.approx(by_candidate.max())
    assert results.history[0]["line/episode_return"] == pytest.approx(by_candidate.mean())


def test_several_policies_are_searched_in_turn_and_others_stay() -> None:
    policies = {
        "one": ph.PolicySpec(agents=["A1"], policy=Line, train=True),
        "two": ph.PolicySpec(agents=["A2"], policy=Line, train=True),
        "fixed": ph.PolicySpec(agents=["A3"], policy=Line),
    }
    results = trained(num_agents=3, policies=policies, num_iterations=25)
    found = {policy_id: policy.state_dict()["parameters"] for policy_id, policy in results.policies.items()}
    assert found["one"] == pytest.approx([2.0, 1.0], abs=0.2)
    assert found["two"] == pytest.approx([2.0, 1.0], abs=0.2)
    assert found["fixed"].tolist() == [0.0, 0.0]
    assert results.env_steps == 25 * 2 * 6 * 2 * 5


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers: int) -> None:
    options: dict[str, Any] = {"env": IdentityEnv, "num_iterations": 2, "seed": 1, "run_dir": None}
    alone, shared = (ph.train("es", workers=number, **options) for number in (0, workers))
    one, other = (results.policies["default"].state_dict()["parameters"] for results in (alone, shared))
    assert np.array_equal(one, other)
    assert alone.history[-1]["default/best_return"] == shared.history[-1]["default/best_return"]


def test_a_run_that_is_broken_off_has_the_mean_and_no_candidate() -> None:
    class Impatient(ESTrainer):
        def setup(self, policy_id: ph.PolicyID, policy: ph.BasePolicy, rng: np.random.Generator) -> None:
            super().setup(policy_id, policy, rng)
            policies.append((policy, policy.state_dict()["parameters"]))

    class CtrlC(ph.metrics.SimpleEnvMetric):
        def extract(self, env: Any) -> float:
            policy, before = policies[0]
            assert not np.array_equal(policy.network.parameters, before)  # a candidate plays
            raise KeyboardInterrupt

    policies: list[tuple[Any, Any]] = []
    with pytest.raises(KeyboardInterrupt):
        ph.train(
            Impatient,
            env=IdentityEnv,
            metrics={"break": CtrlC("current_step")},
            num_iterations=1,
            seed=1,
            run_dir=None,
        )
    policy, before = policies[0]
    assert np.array_equal(policy.network.parameters, before)


def test_more_than_200_parameters_have_a_diagonal_covariance() -> None:
    trainer = ESTrainer()
    spaces = gym.spaces.Box(-1.0, 1.0, (3,)), gym.spaces.Discrete(2)
    sizes = {"small": (32,), "large": (40,)}  # 194 and 242 parameters
    for policy_id, size in sizes.items():
        policy = GreedyActorPolicy(*spaces, hidden_sizes=size)
        trainer.setup(policy_id, policy, np.random.default_rng(1))
    found = {policy_id: state["covariance"] for policy_id, state in trainer.state_dict().items()}
    assert found == {"small": "full", "large": "diagonal"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"policies": {"line": ph.PolicySpec(agents=Aimer, policy=Unsearchable, train=True)}},
            (
                "Policy 'line' (Unsearchable) has no parameters: its state_dict() has none. es searches the "
                "numbers in state_dict()['parameters']: return an array of floats there, and take it over in "
                "load_state_dict()."
            ),
        ),
        (
            {"policies": {"line": ph.PolicySpec(agents=Aimer, policy=Stubborn, train=True)}},
            (
                "Policy 'line' (Stubborn) does not take over other parameters, so es cannot search them. Let "
                "load_state_dict() set them from state['parameters']."
            ),
        ),
        (
            {"policies": {"line": ph.PolicySpec(agents=Aimer, policy=Whole, train=True)}},
            (
                "Policy 'line' (Whole) has the parameters [1, 2]. es searches the numbers in "
                "state_dict()['parameters']: return an array of floats there, and take it over in "
                "load_state_dict()."
            ),
        ),
        (
            {"trainer_config": {"population": 3}},
            "es got population=3. Expected an integer from 4 on, or None.",
        ),
        ({"trainer_config": {"episodes": 0}}, "es got episodes=0. Expected a positive integer."),
        ({"trainer_config": {"sigma": 0.0}}, "es got sigma=0.0. Expected a positive number."),
    ],
)
def test_what_cannot_be_searched_is_refused(options: Any, said: str) -> None:
    assert message(**options) == said


def test_an_env_whose_episodes_never_end_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train("es", env=AimEnv, env_config={"num_steps": None}, num_iterations=1, run_dir=None)
    assert str(caught.value) == (
        "ESTrainer waits for whole episodes, but an episode of AimEnv never ends: num_steps is None, and "
        "neither it nor an agent overrides is_terminated() or is_truncated(). Give the env num_steps, or use "
        "a trainer, or settings of it, that collects steps."
    )
