"""Several policies in one run: each learns what it would learn by itself."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph
from phantom_ppo import MLPActorCriticPolicy

FAST = {"copies": 4, "steps_per_copy": 32, "epochs": 5, "minibatch_size": 64, "lr": 5e-3}


class EchoAgent(ph.StrategicAgent):
    """Sees one of three numbers and is paid 1 for the number that is `shift` further on, modulo three."""

    observation_space = action_space = gym.spaces.Discrete(3)
    shift = 0

    def reset(self) -> None:
        self.shown, self.paid = self.random.randrange(3), 0.0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.paid = float(action == (self.shown + self.shift) % 3)
        self.shown = self.random.randrange(3)

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.shown

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.paid


class NextAgent(EchoAgent):
    shift = 1


class EchoEnv(ph.PhantomEnv):
    """A1 and A2 echo, B1 is to say the next number, C1 and D1 echo."""

    def __init__(self) -> None:
        agents = [EchoAgent("A1"), EchoAgent("A2"), NextAgent("B1"), EchoAgent("C1"), EchoAgent("D1")]
        super().__init__(num_steps=20, network=ph.Network(agents))


def answers(policy: ph.Policy) -> list[int]:
    return [int(policy.compute_action(shown)) for shown in range(3)]


def train(policies: dict[str, Any], num_iterations: int = 20, **options: Any) -> ph.TrainingResults:
    is_mixed = any(isinstance(spec, ph.PolicySpec) and spec.trainer for spec in policies.values())
    config = {"ppo": FAST} if is_mixed else FAST
    settings: dict[str, Any] = {"trainer_config": config, "seed": 1, "run_dir": None, **options}
    return ph.train("ppo", env=EchoEnv, policies=policies, num_iterations=num_iterations, **settings)


def test_several_agents_share_one_policy_and_others_have_their_own() -> None:
    results = train({"echo": ["A1", "A2", "C1", "D1"], "next": NextAgent})
    assert answers(results.policies["echo"]) == [0, 1, 2]
    assert answers(results.policies["next"]) == [1, 2, 0]


def test_a_shared_policy_learns_from_all_its_agents() -> None:
    others = {"rest": ph.PolicySpec(agents=["B1", "C1", "D1"], policy=ph.RandomPolicy)}
    one = train({"echo": ["A1"], "a2": ph.PolicySpec(agents=["A2"], policy=ph.RandomPolicy), **others}, 1)
    two = train({"echo": ["A1", "A2"], **others}, 1)
    steps = [results.history[0]["echo/gradient_steps"] for results in (one, two)]
    assert steps == [5 * 2, 5 * 4]  # 128 and 256 decisions in minibatches of 64, five times


def test_ppo_learns_beside_q_learning_scripted_and_frozen_policies() -> None:
    frozen = train(
        {"d": ["D1"], "rest": ph.PolicySpec(agents=["A1", "A2", "B1", "C1"], policy=ph.RandomPolicy)}
    )
    before = frozen.policies["d"].state_dict()["parameters"].tolist()
    results = train(
        {
            "a": ["A1", "A2"],
            "b": ph.PolicySpec(agents=["B1"], trainer="q-learning"),
            "c": ph.PolicySpec(agents=["C1"], policy=ph.ConstantPolicy, config={"action": 2}),
            "d": ph.PolicySpec(agents=["D1"], policy=frozen.policies["d"]),
        },
        policies_to_train=["a", "b"],
        evaluation=ph.EvaluationPlan(episodes=10),
    )
    assert answers(results.policies["a"]) == [0, 1, 2]
    assert answers(results.policies["b"]) == [1, 2, 0]
    assert answers(results.policies["c"]) == [2, 2, 2]
    assert answers(results.policies["d"]) == [0, 1, 2]
    assert results.policies["d"].state_dict()["parameters"].tolist() == before
    assert results.evaluation is not None
    returns = results.evaluation.episode_returns
    assert set(returns["A1"] + returns["A2"] + returns["B1"] + returns["D1"]) == {20.0}
    assert "a/approx_kl" in results.history[-1]
    assert any("b/td_error" in row for row in results.history)  # after each ten episodes
    assert not [name for name in results.history[-1] if name.startswith(("c/", "d/"))]


def test_what_one_policy_learns_does_not_depend_on_another_that_learns_beside_it() -> None:
    others = {
        "rest": ph.PolicySpec(agents=["A2", "C1", "D1"], policy=ph.ConstantPolicy, config={"action": 0})
    }
    together = train({"a": ["A1"], "b": ["B1"], **others}, 3)
    alone = train({"a": ["A1"], "b": ["B1"], **others}, 3, policies_to_train=["a"])
    first, second = (r.policies["a"].state_dict()["parameters"].tolist() for r in (together, alone))
    assert first == second


def test_a_trained_policy_is_saved_with_its_normaliser_and_loaded_for_a_warm_start(tmp_path: Path) -> None:
    policies = {
        "echo": ph.PolicySpec(agents=["A1"], config={"normalize_observations": True, "hidden_sizes": [8]}),
        "rest": ph.PolicySpec(agents=["A2", "B1", "C1", "D1"], policy=ph.RandomPolicy),
    }
    results = train(policies, 3, run_dir=tmp_path)
    assert results.run_directory is not None
    loaded = ph.load_policies(results.run_directory)["echo"]
    assert isinstance(loaded, MLPActorCriticPolicy)
    saved, found = results.policies["echo"].state_dict(), loaded.state_dict()
    assert found["parameters"].tolist() == saved["parameters"].tolist()
    assert found["observations"]["count"] == 3 * 128
    warm = train(
        {**policies, "echo": ph.PolicySpec(agents=["A1"], policy=loaded)}, 1, policies_to_train=["echo"]
    )
    assert warm.policies["echo"].state_dict()["observations"]["count"] == 4 * 128
    assert loaded.state_dict()["parameters"].tolist() == saved["parameters"].tolist()


def test_a_policy_that_no_actor_critic_can_be_is_named() -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        train(
            {"all": ph.PolicySpec(agents=lambda _: True, policy=ph.RandomPolicy)}, policies_to_train=["all"]
        )
    assert str(caught.value) == (
        "Policy 'all' is a RandomPolicy, but PPOTrainer trains only ActorCriticPolicy. Take it out of "
        "policies_to_train, or leave its policy class out."
    )
