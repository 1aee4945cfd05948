import itertools
import operator
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph
from phantom_qlearning import QTablePolicy
from phantom_testing import IdentityEnv

DISCRETE_2 = gym.spaces.Discrete(2)
TRAINERS = ["q-learning", "sarsa", "expected-sarsa", "double-q-learning"]


def newest(name: str) -> str:
    """Return the newest version of an env's id that this Gymnasium registers."""
    return max((i for i in gym.registry if i.split("-v")[0] == name), key=lambda i: int(i.split("-v")[1]))


def policy_with(observations: int = 2, actions: int = 2, **config: Any) -> QTablePolicy:
    return QTablePolicy(gym.spaces.Discrete(observations), gym.spaces.Discrete(actions), **config)


def exact_return(policy: QTablePolicy, env: Any, horizon: int) -> float:
    """Return the exact expected undiscounted return of the greedy policy, by dynamic programming on env.P."""
    transitions: Mapping[int, Any] = env.unwrapped.P
    chosen = [transitions[state][policy.compute_action(state)] for state in range(len(transitions))]
    value = [0.0] * len(chosen)
    for _ in range(horizon):
        value = [
            sum(
                probability * (reward + (0.0 if terminated else value[after]))
                for probability, after, reward, terminated in outcomes
            )
            for outcomes in chosen
        ]
    starts = np.asarray(env.unwrapped.initial_state_distrib)
    return float(starts @ value)


def train_on(
    name: str, *, steps: int, seed: int, config: dict[str, float], trainer: str = "q-learning", **make: Any
) -> QTablePolicy:
    results = ph.train(
        trainer,
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


class Rows(list[ph.Transition]):
    """As many as there are, as if a step had returned them."""

    def outcomes(self) -> Iterator[Any]:
        return (one[:6] for one in self)


def moved(
    policy: QTablePolicy,
    *rows: ph.Transition,
    trainer: str = "q-learning",
    epsilon: float = 0.0,
    **config: Any,
) -> ph.Trainer:
    """Let a trainer learn from these, one after the other, with alpha = 0.5 and gamma = 0.9."""
    settings = {"alpha": 0.5, "alpha_final": 0.5, "gamma": 0.9, "epsilon": epsilon, "epsilon_final": epsilon}
    run = SimpleNamespace(env_steps=0, progress=0.0, copies=1)
    trainer_class = type("Alone", (ph.find("trainer", trainer).load(),), {"run": run})
    found: ph.Trainer = trainer_class(**(settings | config))
    found.setup("p", policy, np.random.default_rng(1))
    found.begin_round("p", policy)
    for row in rows:
        found.learn_step("p", policy, Rows([row]), np.random.default_rng(1))  # type: ignore[arg-type]
    return found


def row(observation: Any, action: int, reward: float, after: Any, **changes: Any) -> ph.Transition:
    one = ph.Transition(observation, action, reward, after, True, False, False, "a", 0, 0, 0, {})  # noqa: FBT003
    return one._replace(**changes)


def test_one_update_is_the_formula() -> None:
    policy = policy_with()
    policy.table = [[1.0, 2.0], [3.0, 5.0]]
    moved(policy, row(0, 1, 10.0, 1))
    # target = 10 + 0.9 * max(3, 5) = 14.5; error = 14.5 - 2; new value = 2 + 0.5 * 12.5
    assert policy.table == [[1.0, pytest.approx(8.25)], [3.0, 5.0]]


def test_expected_sarsa_weighs_each_action_with_its_probability() -> None:
    policy = policy_with()
    policy.table = [[1.0, 2.0], [3.0, 5.0]]
    moved(policy, row(0, 1, 10.0, 1), trainer="expected-sarsa", epsilon=0.5)
    # V = 0.5 * 5 + 0.5 * (3 + 5) / 2 = 4.5; target = 10 + 0.9 * 4.5 = 14.05
    assert policy.table[0][1] == pytest.approx(2.0 + 0.5 * 12.05)


def test_sarsa_learns_when_the_next_action_is_known() -> None:
    policy = policy_with()
    policy.table = [[1.0, 2.0], [3.0, 5.0]]
    first = row(0, 1, 10.0, 1)
    moved(policy, first, trainer="sarsa")
    assert policy.table[0] == [1.0, 2.0]
    moved(policy, first, row(1, 0, 0.0, 0, step=1), trainer="sarsa")
    # target = 10 + 0.9 * Q(1, 0) = 12.7
    assert policy.table == [[1.0, pytest.approx(2.0 + 0.5 * 10.7)], [3.0, 5.0]]


def test_sarsa_pairs_decisions_of_one_agent_in_one_episode() -> None:
    policy = policy_with()
    others = [
        row(1, 0, 0.0, 0, agent_id="b"),
        row(1, 0, 0.0, 0, env_index=1),
        row(1, 0, 0.0, 0, episode=1),
    ]
    for other in others:
        moved(policy, row(0, 1, 10.0, 1), other, trainer="sarsa")
        assert policy.table == [[0.0, 0.0], [0.0, 0.0]]


def test_after_a_truncation_sarsa_expects_what_it_would_do() -> None:
    policy = policy_with()
    policy.table = [[0.0, 0.0], [4.0, 8.0]]
    moved(policy, row(0, 0, 1.0, 1, truncated=True), trainer="sarsa", epsilon=0.5)
    assert policy.table[0][0] == pytest.approx(0.5 * (1.0 + 0.9 * (0.5 * 8.0 + 0.5 * 6.0)))


def test_double_q_learning_lets_one_table_choose_and_the_other_tell_the_value() -> None:
    policy = policy_with()
    trainer = moved(policy, trainer="double-q-learning")
    tables = {"one": [[0.0, 0.0], [1.0, 2.0]], "two": [[0.0, 0.0], [7.0, 3.0]]}
    trainer.load_state_dict({"p": {"changed_at": 0, "memory": np.array(list(tables.values()))}})
    draws = np.random.default_rng(1)
    trainer.learn_step("p", policy, Rows([row(0, 0, 1.0, 1)]), draws)  # type: ignore[arg-type]
    # the first changed: 0.5 * (1 + 0.9 * Q2(1, 1)) = 1.85, or the second: 0.5 * (1 + 0.9 * Q1(1, 0)) = 0.95
    first = np.random.default_rng(1).random() < 0.5
    saved = trainer.state_dict()["p"]["memory"]
    assert saved[0 if first else 1][0][0] == pytest.approx(1.85 if first else 0.95)
    assert saved[1 if first else 0][0][0] == 0.0
    assert policy.table[0][0] == pytest.approx((1.85 if first else 0.95) / 2)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_nothing_follows_a_termination(trainer: str) -> None:
    policy = policy_with(initial_value=100.0)
    policy.table[0] = [0.0, 0.0]
    moved(policy, row(0, 0, 1.0, 1, terminated=True), trainer=trainer, alpha=1.0, alpha_final=1.0)
    assert policy.table[0][0] in (1.0, 0.5, 50.5)  # of two tables one was changed, which began with 100
    if trainer != "double-q-learning":
        assert policy.table[0] == [1.0, 0.0]


def test_a_truncation_bootstraps_from_the_final_observation() -> None:
    policy = policy_with()
    policy.table = [[0.0, 0.0], [100.0, 100.0]]
    moved(policy, row(0, 0, 1.0, 1, truncated=True), alpha=1.0, alpha_final=1.0)
    assert policy.table[0] == [91.0, 0.0]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_decision_without_a_known_outcome_teaches_nothing(trainer: str) -> None:
    policy = policy_with()
    moved(policy, row(0, 0, 1.0, 0, has_next=False, truncated=True), trainer=trainer)
    assert policy.table == [[0.0, 0.0], [0.0, 0.0]]


MASKED = gym.spaces.Dict(observation=DISCRETE_2, action_mask=gym.spaces.MultiBinary(3))


def masked(observation: int, *mask: int) -> dict[str, Any]:
    return {"observation": observation, "action_mask": np.array(mask, np.int8)}


def test_what_a_mask_forbids_is_neither_chosen_nor_expected() -> None:
    policy = QTablePolicy(MASKED, gym.spaces.Discrete(3))
    policy.table = [[0.0, 0.0, 0.0], [9.0, 4.0, 2.0]]
    assert policy.compute_action(masked(1, 0, 1, 1)) == 1
    batch = {"observation": np.array([1, 1]), "action_mask": np.array([[0, 0, 1], [1, 1, 1]], np.int8)}
    assert policy.compute_actions(batch) == [2, 0]
    policy.epsilon = 1.0
    streams = ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(1))] * 2)
    drawn = [policy.sample_actions(batch, streams)[0] for _ in range(300)]
    assert {one for one, _ in drawn} == {2}
    assert {other for _, other in drawn} == {0, 1, 2}
    moved(policy, row(masked(0, 1, 1, 1), 0, 1.0, masked(1, 0, 1, 1)))
    assert policy.table[0][0] == pytest.approx(0.5 * (1.0 + 0.9 * 4.0))
    moved(policy, row(masked(0, 1, 1, 1), 1, 1.0, masked(1, 0, 1, 1)), trainer="expected-sarsa", epsilon=0.5)
    assert policy.table[0][1] == pytest.approx(0.5 * (1.0 + 0.9 * (0.5 * 4.0 + 0.5 * 3.0)))


def test_a_mask_that_allows_nothing_is_an_error_where_somebody_decides() -> None:
    policy = QTablePolicy(MASKED, gym.spaces.Discrete(3))
    with pytest.raises(ph.errors.EnvError) as caught:
        policy.compute_action(masked(1, 0, 0, 0))
    assert str(caught.value) == (
        "The action mask of observation 0 of 1 in this step allows none of the actions. Expected at least "
        "one 1 in 'action_mask'."
    )
    moved(policy, row(masked(0, 1, 1, 1), 0, 1.0, masked(1, 0, 0, 0), truncated=True))
    assert policy.table[0][0] == pytest.approx(0.5)


def test_a_mask_of_another_width_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        QTablePolicy(MASKED, gym.spaces.Discrete(4))
    assert str(caught.value) == (
        "The action mask is MultiBinary(3), but there are 4 actions. Expected a MultiBinary or a Box with an "
        "entry for each: MultiBinary(4)."
    )


@given(nvec=st.lists(st.integers(1, 4), min_size=1, max_size=4), start=st.integers(-3, 3))
def test_each_observation_of_a_multi_discrete_space_has_a_row_of_its_own(nvec: list[int], start: int) -> None:
    space = gym.spaces.MultiDiscrete(nvec, start=[start] * len(nvec))
    policy = QTablePolicy(space, DISCRETE_2)
    every = [np.array(one) + start for one in itertools.product(*map(range, nvec))]
    places = [policy.observations.place(one) for one in every]
    assert places == list(range(len(every))) == list(policy.observations.batch(np.array(every))[0])
    named = QTablePolicy(space, DISCRETE_2, initial_value=lambda seen, action: seen.sum() + action)
    assert named.table == [[one.sum(), one.sum() + 1] for one in every]


@pytest.mark.parametrize(
    ("initial", "table"),
    [
        (2.0, [[2.0, 2.0], [2.0, 2.0]]),
        ([1.0, 2.0], [[1.0, 2.0], [1.0, 2.0]]),
        (np.array([[1, 2], [3, 4]]), [[1.0, 2.0], [3.0, 4.0]]),
        (lambda observation, action: 10.0 * observation + action, [[49.0, 50.0], [59.0, 60.0]]),
        ("operator:add", [[4.0, 5.0], [5.0, 6.0]]),
    ],
)
def test_initial_values_are_a_number_an_array_or_a_function(initial: Any, table: list[list[float]]) -> None:
    spaces = gym.spaces.Discrete(2, start=5), gym.spaces.Discrete(2, start=-1)
    assert QTablePolicy(*spaces, initial_value=initial).table == table


@pytest.mark.parametrize("initial", [[1.0, 2.0, 3.0], float("nan"), None, np.ones(3), "high", "math:nan"])
def test_other_initial_values_are_refused(initial: Any) -> None:
    shown = "nan" if isinstance(initial, str) and ":" in initial else repr(initial)
    with pytest.raises(ph.errors.ConfigError) as caught:
        policy_with(initial_value=initial)
    assert str(caught.value) == (
        f"initial_value is {shown}. Expected a finite number, an array that NumPy broadcasts to the "
        "shape (2, 2), a function of an observation and an action that returns such a number, or text such "
        "as './values.py:first' that names one of these."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("./nowhere.py:first", "initial_value = './nowhere.py:first'"),
        ("./values.py:nothing", "initial_value = './values.py:nothing': ./values.py has no 'nothing'."),
    ],
)
def test_text_names_initial_values_in_a_file(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "values.py").write_text(
        "ROW = [1.0, 2.0]\ndef first(seen, action):\n    return 2 * seen + action\n"
    )
    monkeypatch.chdir(tmp_path)
    assert policy_with(initial_value="./values.py:ROW").table == [[1.0, 2.0], [1.0, 2.0]]
    assert policy_with(initial_value="./values.py:first").table == [[0.0, 1.0], [2.0, 3.0]]
    assert policy_with(initial_value=f"{tmp_path}/values.py:first").table == [[0.0, 1.0], [2.0, 3.0]]
    with pytest.raises(ph.errors.ConfigError) as caught:
        policy_with(initial_value=text)
    assert str(caught.value).startswith(message)


def test_a_function_of_a_run_is_there_again_when_the_run_is_evaluated(tmp_path: Path) -> None:
    results = ph.train(
        "q-learning",
        env=TwoStateEnv,
        policies={"p": ph.PolicySpec(agents=["A"], config={"initial_value": operator.add})},
        num_iterations=1,
        seed=1,
        run_dir=tmp_path,
    )
    assert results.run_directory is not None
    loaded = ph.load_policies(results.run_directory)["p"]
    assert np.array_equal(loaded.state_dict()["table"], results.policies["p"].state_dict()["table"])


@given(values=st.lists(st.tuples(st.integers(0, 2), st.integers(-2, 2).map(float)), min_size=1, max_size=30))
def test_the_greedy_action_is_always_the_first_of_the_best(values: list[tuple[int, float]]) -> None:
    policy = policy_with(observations=1, actions=3)
    for action, value in values:
        before = policy.compute_action(0)
        has_changed = policy.put(0, action, value)
        best = policy.table[0].index(max(policy.table[0]))
        assert policy.compute_action(0) == best
        assert has_changed is (best != before)


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


def values_by_hand(epsilon: float, gamma: float) -> np.ndarray[Any, Any]:
    """Return the values of acting ε-greedily by them, by repeated backups; ε = 0: the best values."""
    rewards, after = np.array([[1.0, 0.0], [0.0, 3.0]]), np.array([[0, 1], [0, 1]])
    values = np.zeros((2, 2))
    for _ in range(200):
        following = (1.0 - epsilon) * values.max(axis=1) + epsilon * values.mean(axis=1)
        values = rewards + gamma * following[after]
    return values


@pytest.mark.parametrize("update", ["step", "iteration"])
@pytest.mark.parametrize("trainer", TRAINERS)
def test_two_state_mdp_reaches_the_values_computed_by_hand(trainer: str, update: str) -> None:
    is_noisy = trainer == "sarsa"  # it learns from drawn actions
    config = {"alpha": 0.5, "alpha_final": 0.01 if is_noisy else 0.1, "gamma": 0.5}
    config |= {"epsilon": 0.5, "epsilon_final": 0.5}
    results = ph.train(
        trainer,
        env=TwoStateEnv,
        num_iterations=60,
        trainer_config=config | {"update": update},
        seed=1,
        run_dir=None,
    )
    best = values_by_hand(0.0, 0.5)
    # V(1) = 3 / (1 - 0.5) = 6; Q(0, 1) = 0.5 V(1) = 3 = V(0); Q(0, 0) = 1 + 0.5 V(0); Q(1, 0) = 0.5 V(0).
    # The time limit truncates every episode: with a wrong bootstrap Q(1, 1) would be pulled towards 3.
    assert best == pytest.approx(np.array([[2.5, 3.0], [1.5, 6.0]]))
    exact = best if "q-learning" in trainer else values_by_hand(0.5, 0.5)
    table = np.array(results.policies["default"].state_dict()["table"])
    assert table == pytest.approx(exact, abs=0.15 if is_noisy else 1e-6)


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


class FourActionsAgent(ConstantStateAgent):
    """Has one action more, which is the one that pays."""

    action_space = gym.spaces.Discrete(4)
    right_action = 3


class FourActionsEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=None, network=ph.Network([FourActionsAgent("A")]))


@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_defaults_solve_a_trivial_task(trainer: str) -> None:
    results = ph.train(
        trainer,
        env=FourActionsEnv,
        trainer_config={"steps_per_iteration": 1000},
        num_iterations=20,
        seed=1,
        run_dir=None,
    )
    assert results.policies["default"].compute_action(0) == 3
    last = results.history[-1]
    assert last["stable_steps"] == last["default/stable_steps"] > 1000


def test_whole_episodes_of_a_game_without_end_are_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train("q-learning", env=FourActionsEnv, num_iterations=2, seed=1, run_dir=None)
    assert str(caught.value) == (
        "QLearningTrainer waits for whole episodes, but an episode of FourActionsEnv never ends: num_steps "
        "is None, and neither it nor an agent overrides is_terminated() or is_truncated(). Give the env "
        "num_steps, or set steps_per_iteration of the trainer, such as steps_per_iteration = 1000: then it "
        "waits for so many steps instead."
    )


class LuckyAgent(FourActionsAgent):
    def is_terminated(self, ctx: ph.Context) -> bool:
        return self.random.random() < 0.5


class LuckyEnv(ph.PhantomEnv):
    def __init__(self, num_steps: int | None = None) -> None:
        super().__init__(num_steps=num_steps, network=ph.Network([LuckyAgent("A")]))


@pytest.mark.parametrize("trainer", ["q-learning", "sarsa"])
def test_whole_episodes_that_only_the_rules_of_a_game_may_end_are_told_at_once(
    trainer: str, caplog: pytest.LogCaptureFixture
) -> None:
    ph.train(trainer, env=LuckyEnv, num_iterations=1, seed=1, run_dir=None)
    (said,) = caplog.messages
    assert said.endswith(
        "Trainer waits for whole episodes, and LuckyEnv has no time limit: num_steps is None. If an episode "
        "may never end, give the env num_steps, or set steps_per_iteration of the trainer, such as "
        "steps_per_iteration = 1000: then it waits for so many steps instead."
    )


@pytest.mark.parametrize(
    ("num_steps", "settings"), [(9, {}), (None, {"steps_per_iteration": 10})], ids=["a limit", "steps"]
)
def test_nothing_is_told_where_no_end_is_waited_for_without_a_limit(
    num_steps: int | None, settings: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    ph.train(
        "q-learning",
        env=LuckyEnv,
        env_config={"num_steps": num_steps},
        trainer_config=settings,
        num_iterations=1,
        seed=1,
        run_dir=None,
    )
    assert caplog.messages == []


class StopWhenStable(ph.Hooks):
    """Does what `early-stopping` does with a threshold; that is in another distribution."""

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        return "stable" if event.values["stable_steps"] >= 1000 else None


def test_stability_ends_a_run() -> None:
    results = ph.train(
        "q-learning",
        env=FourActionsEnv,
        trainer_config={"steps_per_iteration": 100, "epsilon": 0.5},
        num_iterations=100,
        hooks=[StopWhenStable()],
        seed=1,
        run_dir=None,
    )
    assert 10 <= results.iterations < 100
    assert results.history[-1]["stable_steps"] >= 1000 > results.history[-2]["stable_steps"]


def test_the_least_stable_of_the_policies_counts() -> None:
    results = ph.train(
        "q-learning",
        env=GroupsEnv,
        policies={"a": ["A1", "A2"], "b": OtherStateAgent},
        num_iterations=20,
        seed=1,
        run_dir=None,
    )
    for values in results.history:
        each = values["a/stable_steps"], values["b/stable_steps"]
        assert values["stable_steps"] == min(each)
    assert results.history[-1]["stable_steps"] > 0


def test_the_least_stable_counts_whichever_trainer_it_has() -> None:
    restless = {"alpha_final": 0.7, "epsilon_final": 1.0, "steps_per_iteration": 10}
    results = ph.train(
        "q-learning",
        env=GroupsEnv,
        policies={
            "a": ["A1", "A2"],
            "b": ph.PolicySpec(agents=OtherStateAgent, trainer="sarsa", config={"initial_value": 3.0}),
        },
        trainer_config={"q-learning": {"steps_per_iteration": 100}, "sarsa": restless},
        num_iterations=10,
        seed=1,
        run_dir=None,
    )
    for values in results.history:
        assert values["stable_steps"] == min(values["a/stable_steps"], values["b/stable_steps"])


def test_what_is_stable_is_the_best_of_the_allowed_actions() -> None:
    policy = QTablePolicy(MASKED, gym.spaces.Discrete(3))
    policy.table = [[0.0, 0.0, 100.0], [0.0, 0.0, 0.0]]
    assert not policy.put(0, 1, 5.0)  # of all three the last one is still the best
    assert policy.put(0, 0, 7.0, [0, 1])
    assert not policy.put(0, 1, 6.0, [0, 1])
    assert policy.greedy[0] == 2
    for trainer in TRAINERS:
        policy.table, policy.changed_at = [[0.0, 0.0, 100.0], [0.0, 0.0, 0.0]], 0
        seen, after = masked(0, 1, 1, 0), masked(1, 1, 1, 0)
        last = row(after, 0, 0.0, after, terminated=True, step=1)
        moved(policy, row(seen, 1, 1.0, after), last, trainer=trainer)
        assert policy.changed_at > 0, trainer


def test_updates_in_each_step_change_what_two_learners_find() -> None:
    def table(update: str) -> Any:
        config = {"update": update, "alpha": 0.3, "epsilon": 0.3, "episodes_per_iteration": 20}
        results = ph.train(
            "q-learning", env=TwoStateEnv, trainer_config=config, num_iterations=2, seed=1, run_dir=None
        )
        return results.policies["default"].state_dict()["table"].tolist()

    assert table("step") != table("iteration")


@pytest.mark.parametrize("trainer", TRAINERS)
def test_copies_learn_one_table(trainer: str) -> None:
    results = ph.train(
        trainer,
        env=FourActionsEnv,
        trainer_config={"steps_per_iteration": 1000, "copies": 8},
        num_iterations=5,
        seed=1,
        run_dir=None,
    )
    assert results.env_steps == 5000
    assert results.policies["default"].compute_action(0) == 3


def test_frozen_lake_is_played_as_well_as_a_stationary_policy_can() -> None:
    policy = train_on("FrozenLake", steps=20_000, seed=1, config={"gamma": 0.99}, is_slippery=True)
    assert exact_return(policy, gym.make(newest("FrozenLake")), horizon=100) >= 0.73


def test_taxi_is_played_almost_perfectly() -> None:
    config = {"alpha": 1.0, "alpha_final": 1.0, "epsilon": 0.1, "epsilon_final": 0.1}  # nothing is random
    policy = train_on("Taxi", steps=50_000, seed=1, config=config)
    assert exact_return(policy, gym.make(newest("Taxi")), horizon=200) >= 7.8


def test_cliff_walking_finds_the_shortest_path_and_sarsa_a_safe_one() -> None:
    cliff = gym.make(newest("CliffWalking"))
    config = {"gamma": 1.0, "alpha": 0.5, "alpha_final": 0.05, "epsilon": 0.1, "epsilon_final": 0.1}
    options: dict[str, Any] = {"seed": 1, "config": config, "max_episode_steps": 200}
    steps = dict.fromkeys(TRAINERS, 10_000) | {"double-q-learning": 20_000}  # each table learns half of it
    found = [
        exact_return(
            train_on("CliffWalking", trainer=trainer, steps=steps[trainer], **options), cliff, horizon=200
        )
        for trainer in TRAINERS
    ]
    assert found[0] == -13.0
    assert found[3] >= -17.0
    assert -30.0 <= found[1] <= -15.0
    assert -30.0 <= found[2] <= -15.0


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
        "A q-table needs Discrete or MultiDiscrete observations, or a Dict of such an 'observation' and an "
        "'action_mask', but the observation space is Box(0.0, 1.0, (2,), float32). Make it one of these, or "
        "use a policy for such spaces."
    )
    with pytest.raises(ph.errors.ConfigError) as caught:
        QTablePolicy(DISCRETE_2, box)
    assert str(caught.value) == (
        "A q-table needs a Discrete action space, but it is Box(0.0, 1.0, (2,), float32). Make it Discrete, "
        "or use a policy for such spaces."
    )
    with pytest.raises(ph.errors.ConfigError) as caught:
        QTablePolicy(gym.spaces.MultiDiscrete([1000] * 7), DISCRETE_2)
    assert str(caught.value) == (
        "A q-table of 1,000,000,000,000,000,000,000 observations and 2 actions has more than 50,000,000 "
        "values. Observe less, or use a trainer that approximates, such as ppo."
    )


def test_spaces_that_do_not_start_at_zero_are_shifted() -> None:
    policy = QTablePolicy(gym.spaces.Discrete(2, start=10), gym.spaces.Discrete(2, start=-1))
    moved(policy, row(10, 0, 1.0, 11, terminated=True), alpha=1.0, alpha_final=1.0)
    assert policy.table == [[0.0, 1.0], [0.0, 0.0]]
    assert policy.compute_action(10) == 0
    assert policy.compute_action(11) == -1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 1.5}, "QLearningTrainer: alpha is 1.5. Expected a number from 0 to 1."),
        ({"gamma": -0.1}, "QLearningTrainer: gamma is -0.1. Expected a number from 0 to 1."),
        ({"copies": 0}, "QLearningTrainer: copies is 0. Expected a positive number."),
        (
            {"episodes_per_iteration": 0},
            "QLearningTrainer: episodes_per_iteration is 0. Expected a positive number.",
        ),
        (
            {"episodes_per_iteration": 5, "steps_per_iteration": 5},
            (
                "QLearningTrainer: both steps_per_iteration and episodes_per_iteration are given. "
                "Give one of them."
            ),
        ),
        (
            {"decay_steps": 5, "decay_rate": 0.1},
            "QLearningTrainer: both decay_steps and decay_rate are given. Give one of them.",
        ),
        ({"decay_rate": -1.0}, "QLearningTrainer: decay_rate is -1.0. Expected 0 or more."),
        (
            {"decay_rate": 0.1, "epsilon": 0.1, "epsilon_final": 0.5},
            "QLearningTrainer: epsilon is 0.1 and epsilon_final 0.5, but decay_rate only lowers it.",
        ),
        (
            {"schedule": "exponential", "epsilon_final": 0.0},
            (
                "QLearningTrainer: epsilon cannot go exponentially from 1.0 to 0.0. "
                "Give two positive numbers, or decay_rate."
            ),
        ),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.find("trainer", "q-learning").load()(**settings)
    assert str(caught.value) == message


def logged(name: str, **config: Any) -> list[float]:
    config = {
        "epsilon": 1.0,
        "epsilon_final": 0.25,
        "decay_fraction": 1.0,
        "steps_per_iteration": 100,
    } | config
    results = ph.train(
        "q-learning", env=TwoStateEnv, num_iterations=4, trainer_config=config, seed=1, run_dir=None
    )
    return [values[f"default/{name}"] for values in results.history]


def test_by_the_run_schedules_move_once_in_an_iteration() -> None:
    assert logged("epsilon") == pytest.approx([1.0, 0.8125, 0.625, 0.4375])
    assert logged("epsilon", decay_fraction=0.5) == pytest.approx([1.0, 0.625, 0.25, 0.25])
    assert logged("epsilon", schedule="exponential") == pytest.approx([0.25 ** (n / 4) for n in range(4)])
    assert logged("alpha", alpha=0.4, alpha_final=0.0) == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_by_env_steps_schedules_move_in_each() -> None:
    assert logged("epsilon", decay_steps=400) == pytest.approx([0.8125, 0.625, 0.4375, 0.25])
    ratio = [0.25 ** (n / 4) for n in range(1, 5)]
    assert logged("epsilon", decay_steps=400, schedule="exponential") == pytest.approx(ratio)
    assert logged("epsilon", decay_steps=400, copies=4) == pytest.approx([0.8125, 0.625, 0.4375, 0.25])


def test_a_rate_is_a_rate_per_env_step_down_to_the_final_value() -> None:
    steps = np.array([100, 200, 300, 400])
    assert logged("epsilon", decay_rate=0.004) == pytest.approx(np.maximum(0.25, np.exp(-0.004 * steps)))
    constant = logged("alpha", decay_rate=0.004, alpha=0.15, alpha_final=0.15)
    assert constant == [0.15] * 4


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
                "update": "iteration",
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
