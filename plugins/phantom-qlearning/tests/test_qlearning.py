import itertools
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_qlearning import QLearningTrainer, QTablePolicy
from phantom_qlearning.qlearning_trainer import learn
from phantom_testing import IdentityEnv

DISCRETE_2 = gym.spaces.Discrete(2)


def newest(name: str) -> str:
    """Return the newest version of an env's id that this Gymnasium registers."""
    return max((i for i in gym.registry if i.split("-v")[0] == name), key=lambda i: int(i.split("-v")[1]))


def policy_with(observations: int = 2, actions: int = 2, **config: float) -> QTablePolicy:
    return QTablePolicy(gym.spaces.Discrete(observations), gym.spaces.Discrete(actions), **config)


def exact_return(policy: QTablePolicy, env: Any, horizon: int) -> float:
    """Return the exact expected undiscounted return of the greedy policy, by dynamic programming on env.P."""
    transitions: Mapping[int, Any] = env.unwrapped.P
    num_states = len(transitions)
    value = np.zeros(num_states)
    for _ in range(horizon):
        value = np.array(
            [
                sum(
                    probability * (reward + (0.0 if terminated else value[after]))
                    for probability, after, reward, terminated in transitions[state][
                        policy.compute_action(state)
                    ]
                )
                for state in range(num_states)
            ]
        )
    starts = np.asarray(env.unwrapped.initial_state_distrib)
    return float(starts @ value)


def train_on(name: str, *, steps: int, seed: int, config: dict[str, float], **make: Any) -> QTablePolicy:
    results = ph.train(
        "q-learning",
        env=ph.GymnasiumEnv,
        env_config={"env": newest(name), **make},
        total_steps=steps,
        trainer_config=config,
        seed=seed,
        run_dir=None,
    )
    policy = results.policies["default"]
    assert isinstance(policy, QTablePolicy)
    return policy


def test_one_update_is_the_formula() -> None:
    policy = policy_with()
    policy.table = [[1.0, 2.0], [3.0, 5.0]]
    trajectory = ph.Trajectory("a", 0, 0, observations=[0], actions=[1], rewards=[10.0], next_observation=1)
    error = learn(policy, trajectory, alpha=0.5, gamma=0.9)
    # target = 10 + 0.9 * max(3, 5) = 14.5; error = 14.5 - 2; new value = 2 + 0.5 * 12.5
    assert error == pytest.approx(12.5)
    assert policy.table == [[1.0, pytest.approx(8.25)], [3.0, 5.0]]


def test_nothing_follows_a_termination() -> None:
    policy = policy_with()
    policy.table = [[0.0, 0.0], [100.0, 100.0]]
    ended = ph.Trajectory("a", 0, 0, [0], [0], [1.0], next_observation=1, terminated=True)
    learn(policy, ended, alpha=1.0, gamma=0.9)
    assert policy.table[0] == [1.0, 0.0]


def test_a_truncation_bootstraps_from_the_final_observation() -> None:
    policy = policy_with()
    policy.table = [[0.0, 0.0], [100.0, 100.0]]
    cut = ph.Trajectory("a", 0, 0, [0], [0], [1.0], next_observation=1, truncated=True)
    learn(policy, cut, alpha=1.0, gamma=0.9)
    assert policy.table[0] == [91.0, 0.0]


def test_a_decision_without_a_known_outcome_teaches_nothing() -> None:
    policy = policy_with()
    cut = ph.Trajectory("a", 0, 0, [0], [0], [1.0], next_observation=None, truncated=True)
    assert learn(policy, cut, alpha=1.0, gamma=0.9) == 0.0
    assert policy.table == [[0.0, 0.0], [0.0, 0.0]]


class TwoStateAgent(ph.StrategicAgent):
    """State 0: action 1 pays 0 and leads to state 1, action 0 pays 1 and stays. State 1: action 1 pays 3
    and stays, action 0 pays 0 and leads to state 0."""

    observation_space = action_space = DISCRETE_2

    def reset(self) -> None:
        self.state, self.reward = 0, 0.0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.reward = (1.0, 0.0)[action] if self.state == 0 else (0.0, 3.0)[action]
        self.state = 1 if action == 1 else 0

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.state

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.reward


class TwoStateEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=20, network=ph.Network([TwoStateAgent("A")]))


def test_two_state_mdp_reaches_the_values_solved_by_hand() -> None:
    config = {"alpha": 0.5, "alpha_final": 0.1, "gamma": 0.5, "epsilon": 0.5, "epsilon_final": 0.5}
    results = ph.train(
        "q-learning", env=TwoStateEnv, num_iterations=30, trainer_config=config, seed=1, run_dir=None
    )
    # V(1) = 3 / (1 - 0.5) = 6; Q(0, 1) = 0.5 V(1) = 3 = V(0); Q(0, 0) = 1 + 0.5 V(0); Q(1, 0) = 0.5 V(0).
    # The time limit truncates every episode: with a wrong bootstrap Q(1, 1) would be pulled towards 3.
    table = np.array(results.policies["default"].state_dict()["table"])
    assert table == pytest.approx(np.array([[2.5, 3.0], [1.5, 6.0]]), abs=1e-6)


@pytest.mark.parametrize("seed", [1, 2])
def test_frozen_lake_is_played_as_well_as_a_stationary_policy_can(seed: int) -> None:
    config = {"alpha": 0.1, "alpha_final": 0.002, "epsilon_final": 0.3, "decay_fraction": 1.0}
    policy = train_on("FrozenLake", steps=200_000, seed=seed, config=config, is_slippery=True)
    assert exact_return(policy, gym.make(newest("FrozenLake")), horizon=100) >= 0.73


def test_taxi_is_played_almost_perfectly() -> None:
    config = {"alpha": 0.3, "alpha_final": 0.1, "episodes_per_iteration": 2}
    policy = train_on("Taxi", steps=300_000, seed=1, config=config)
    assert exact_return(policy, gym.make(newest("Taxi")), horizon=200) >= 7.8


def test_cliff_walking_finds_the_shortest_path() -> None:
    config = {
        "alpha": 0.5,
        "alpha_final": 0.5,
        "gamma": 1.0,
        "epsilon": 0.1,
        "epsilon_final": 0.1,
        "episodes_per_iteration": 1,
    }
    policy = train_on("CliffWalking", steps=50_000, seed=1, config=config, max_episode_steps=200)
    assert exact_return(policy, gym.make(newest("CliffWalking")), horizon=200) == -13.0


class ConstantStateAgent(ph.StrategicAgent):
    """Pays 1 for one of three actions, in a world that never changes."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(3)
    right_action = 2

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.action = action

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.action == self.right_action)


class OtherStateAgent(ConstantStateAgent):
    right_action = 1


class GroupsEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        agents = [ConstantStateAgent("A1"), ConstantStateAgent("A2"), OtherStateAgent("B1")]
        super().__init__(num_steps=10, network=ph.Network(agents))


def test_several_agents_learn_one_table_and_several_tables_in_one_run() -> None:
    results = ph.train(
        "q-learning",
        env=GroupsEnv,
        policies={"a": ["A1", "A2"], "b": OtherStateAgent},
        num_iterations=20,
        seed=1,
        run_dir=None,
    )
    assert results.policies["a"].compute_action(0) == 2
    assert results.policies["b"].compute_action(0) == 1


def test_policies_that_are_not_trained_stay_as_they_are() -> None:
    policies = {"a": ["A1", "A2"], "b": ph.PolicySpec(agents=["B1"], policy=QTablePolicy)}
    results = ph.train("q-learning", env=GroupsEnv, policies=policies, num_iterations=3, seed=1, run_dir=None)
    assert results.policies["b"].state_dict()["table"].tolist() == [[0.0, 0.0, 0.0]]


def test_same_seed_gives_the_same_table_and_another_seed_another() -> None:
    def table(seed: int) -> list[list[float]]:
        results = ph.train(
            "q-learning", env=ph.GymnasiumEnv, env_config={"env": newest("Taxi")},
            num_iterations=2, seed=seed, run_dir=None,
        )  # fmt: skip
        return results.policies["default"].state_dict()["table"].tolist()

    assert table(1) == table(1)
    assert table(1) != table(2)


def test_exploration_draws_every_action_equally_often() -> None:
    policy = policy_with(observations=1, actions=4)
    policy.epsilon = 1.0
    streams = ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(1))] * 4000)
    actions, _ = policy.sample_actions([0] * 4000, streams)
    counts = np.bincount(actions, minlength=4)
    assert counts.sum() == 4000
    assert counts.min() > 900


def test_of_equal_values_the_first_action_is_taken() -> None:
    assert policy_with().compute_action(0) == 0


def test_a_table_is_saved_and_loaded_bit_for_bit() -> None:
    policy, other = policy_with(), policy_with()
    policy.table = [[0.1, 0.2], [1 / 3, -5.0]]
    other.load_state_dict(policy.state_dict())
    assert other.table == policy.table


def test_a_table_of_another_shape_is_refused() -> None:
    with pytest.raises(ph.errors.CheckpointError) as caught:
        policy_with().load_state_dict(policy_with(observations=3).state_dict())
    assert str(caught.value) == (
        "The saved q-table has shape (3, 2), but this policy's is (2, 2). Load it into a policy with the "
        "spaces that it was trained for."
    )


def test_spaces_that_are_not_discrete_are_refused() -> None:
    box = gym.spaces.Box(0.0, 1.0, (2,), np.float32)
    with pytest.raises(ph.errors.ConfigError) as caught:
        QTablePolicy(box, DISCRETE_2)
    assert str(caught.value) == (
        "A q-table needs Discrete spaces, but the observation space is Box(0.0, 1.0, (2,), float32). Make "
        "it Discrete, or use a policy for such spaces."
    )


def test_spaces_that_do_not_start_at_zero_are_shifted() -> None:
    policy = QTablePolicy(gym.spaces.Discrete(2, start=10), gym.spaces.Discrete(2, start=-1))
    trajectory = ph.Trajectory("a", 0, 0, [10], [0], [1.0], next_observation=11, terminated=True)
    learn(policy, trajectory, alpha=1.0, gamma=0.9)
    assert policy.table == [[0.0, 1.0], [0.0, 0.0]]
    assert policy.compute_action(10) == 0
    assert policy.compute_action(11) == -1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 1.5}, "q-learning got alpha=1.5. Expected a number from 0 to 1."),
        ({"gamma": -0.1}, "q-learning got gamma=-0.1. Expected a number from 0 to 1."),
        (
            {"episodes_per_iteration": 0},
            "q-learning got episodes_per_iteration=0. Expected a positive number.",
        ),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        QLearningTrainer(**settings)
    assert str(caught.value) == message


def test_schedules_go_linearly_from_first_to_final_value() -> None:
    config = {"epsilon": 1.0, "epsilon_final": 0.2, "decay_fraction": 0.5, "alpha": 0.4, "alpha_final": 0.0}
    results = ph.train(
        "q-learning", env=TwoStateEnv, num_iterations=8, trainer_config=config, seed=1, run_dir=None
    )
    epsilons = [row["default/epsilon"] for row in results.history]
    assert epsilons == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2, 0.2])
    assert all(
        later <= earlier for earlier, later in itertools.pairwise(r["default/alpha"] for r in results.history)
    )


def test_of_several_updates_in_an_iteration_the_last_step_size_is_logged() -> None:
    class InRounds(ph.Trainer):
        """Lets four rounds of ten steps be an iteration."""

        policy_class = ph.RandomPolicy

        def collect_plan(self) -> ph.CollectPlan:
            return ph.CollectPlan(steps=10, rounds=4)

        def update(self, *arguments: Any) -> Mapping[str, float]:
            return {}

    results = ph.train(
        InRounds,
        env=IdentityEnv,
        env_config={"num_agents": 2},
        policies={
            "idle": ph.PolicySpec(agents=["A1"]),
            "table": ph.PolicySpec(agents=["A2"], trainer="q-learning"),
        },
        trainer_config={
            "q-learning": {
                "episodes_per_iteration": 2,
                "alpha": 1.0,
                "alpha_final": 0.0,
                "epsilon": 0.4,
                "epsilon_final": 0.0,
                "decay_fraction": 1.0,
            }
        },
        num_iterations=1,
        seed=1,
        run_dir=None,
    )
    (row,) = results.history
    assert row["table/alpha"] == 0.25  # in the last quarter of the run
    assert row["table/epsilon"] == 0.2  # set when what was learned from then began, a quarter before
