"""A training plan says whose turn it is to learn."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_qlearning import QLearningTrainer, QTablePolicy


class MatcherAgent(ph.StrategicAgent):
    """Is paid 1 for doing what the other one does in the same step."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)
    action = 0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.action = action

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0


class MatchingEnv(ph.PhantomEnv):
    """Two agents, A and B, that want the same: to agree."""

    def __init__(self) -> None:
        super().__init__(num_steps=10, network=ph.Network([Matcher("A", self), Matcher("B", self)]))


class Matcher(MatcherAgent):
    def __init__(self, agent_id: str, env: ph.PhantomEnv) -> None:
        super().__init__(agent_id)
        self.env = env

    def compute_reward(self, ctx: ph.Context) -> float:
        actions = {agent.action for agent in self.env.agents.values() if isinstance(agent, Matcher)}
        return float(len(actions) == 1)


class Updates(list[tuple[int, str, int]]):
    """A list that a copy of its trainer shares."""

    def __deepcopy__(self, memo: Any) -> "Updates":
        return self


class RecordingTrainer(ph.Trainer):
    """Notes who learns in which iteration, from how many decisions, and how the others act."""

    policy_class = QTablePolicy

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.updates = Updates()

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=4)

    def update(
        self, policy_id: str, policy: ph.Policy, batch: ph.Batch, rng: np.random.Generator
    ) -> dict[str, float]:
        self.updates.append((self.run.iteration, policy_id, len(batch)))
        return {}


POLICIES: dict[str, Any] = {"a": ["A"], "b": ["B"]}
PLAN: list[dict[str, Any]] = [{"policies": ["a"], "iterations": 2}, {"policies": ["b"], "iterations": 1}]


def train(trainer: Any, **options: Any) -> ph.TrainingResults:
    settings = {"env": MatchingEnv, "policies": POLICIES, "num_iterations": 5, "seed": 1, "run_dir": None}
    return ph.train(trainer, **{**settings, **options})


def test_phases_follow_each_other_and_begin_again() -> None:
    trainer = RecordingTrainer()
    train(trainer, training_plan=PLAN)
    assert [(iteration, policy_id) for iteration, policy_id, _ in trainer.updates] == [
        (0, "a"),
        (1, "a"),
        (2, "b"),
        (3, "a"),
        (4, "a"),
    ]
    assert all(number == 4 for *_, number in trainer.updates)


def test_without_a_plan_all_learn_in_every_iteration() -> None:
    trainer = RecordingTrainer()
    train(trainer, num_iterations=2)
    assert [update[:2] for update in trainer.updates] == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]


def test_each_learns_the_best_answer_to_the_other_as_it_is() -> None:
    # B's first table prefers 1 (its values below are given), and B never learns before A: A must learn to
    # answer 1; then B has nothing to gain from changing. Both end at the known best reply: (1, 1).
    first = QTablePolicy(MatcherAgent.observation_space, MatcherAgent.action_space)
    first.load_state_dict({"table": np.array([[0.0, 0.5]])})
    plan = [{"policies": ["a"], "iterations": 20}, {"policies": ["b"], "iterations": 20}]
    results = train(
        QLearningTrainer(gamma=0.0, epsilon=0.5, epsilon_final=0.5, episodes_per_iteration=2),
        policies={"a": ["A"], "b": ph.PolicySpec(agents=["B"], policy=first, train=True)},
        policies_to_train=["a", "b"],
        training_plan=plan,
        num_iterations=40,
    )
    tables = [results.policies[policy_id].state_dict()["table"] for policy_id in ("a", "b")]
    assert [int(table.argmax()) for table in tables] == [1, 1]
    # A met B's finished behaviour, which is always 1: what it learned of 0 and 1 is exact.
    assert tables[0][0, 0] == 0.0
    assert tables[0][0, 1] > 0.99


def test_the_one_whose_turn_it_is_not_does_not_change() -> None:
    results = train(QLearningTrainer(), training_plan=PLAN, num_iterations=2)
    assert not results.policies["b"].state_dict()["table"].any()


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            [{"policies": ["a"], "iterations": 1}],
            (
                "The training plan gives no turn to 'b'. Name it in a phase, or take it out of "
                "policies_to_train."
            ),
        ),
        (
            [{"policies": ["a", "b", "bb"], "iterations": 1}],
            (
                "The training plan names policy 'bb', which is not trained. Did you mean 'b'? Policies that "
                "are trained: 'a', 'b'."
            ),
        ),
        (
            [],
            (
                "training_plan is []. Expected a list of phases, such as [{'policies': ['a'], "
                "'iterations': 5}, {'policies': ['b'], 'iterations': 5}]."
            ),
        ),
        (
            [{"policies": ["a"], "iterations": 0}],
            "A phase of the training plan has iterations=0. Expected a positive integer.",
        ),
        (
            [{"policies": [], "iterations": 1}],
            "A phase of the training plan has policies=[]. Expected a list of policy ids that is not empty.",
        ),
        (["a"], "training_plan[0] is 'a'. Expected a dict of policies and iterations."),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(plan: Any, message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(QLearningTrainer(), training_plan=plan)
    assert str(caught.value) == message


def test_a_trainer_that_steps_the_env_itself_cannot_follow_a_plan() -> None:
    class Simple(ph.Trainer):
        policy_class = QTablePolicy

        def training_step(self, *_: Any) -> None: ...

    with pytest.raises(ph.errors.ConfigError) as caught:
        train(Simple, training_plan=PLAN)
    assert str(caught.value) == (
        "Simple steps the env itself, so it cannot follow a training_plan. Use a trainer with update()."
    )


def test_a_run_file_holds_a_plan_and_checkpoints(guess_folder: Path) -> None:
    file = guess_folder / "run.toml"
    file.write_text(
        """
        env = "./guess_world.py:GuessEnv"
        trainer = "q-learning"
        iterations = 4
        seed = 1
        [env_config]
        num_agents = 2
        [policies.one]
        agents = ["G1"]
        [policies.other]
        agents = ["G2"]
        [checkpoint]
        every = 2
        [[training_plan]]
        policies = ["one"]
        iterations = 1
        [[training_plan]]
        policies = ["other"]
        iterations = 1
        """
    )
    from phantom_core.training.run_file import RunFile

    settings = RunFile.read(file).settings()
    assert settings.checkpoint == ph.CheckpointPlan(every=2)
    config, _ = settings.to_table(file.parent)
    assert config["checkpoint"] == {"every": 2, "keep_last": 3, "keep_best": 0}
    assert config["training_plan"] == [
        {"policies": ["one"], "iterations": 1},
        {"policies": ["other"], "iterations": 1},
    ]


def test_the_shares_of_time_are_logged() -> None:
    row = train(QLearningTrainer(), num_iterations=1).history[0]
    shares = [row[f"time/{name}_share"] for name in ("env", "inference", "update")]
    assert all(share > 0 for share in shares)
    assert sum(shares) < 1
