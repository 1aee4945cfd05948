from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph


class DiceAgent(ph.StrategicAgent):
    """Is paid the action times a die that it throws; observes the last die."""

    observation_space = gym.spaces.Discrete(7)
    action_space = gym.spaces.Discrete(2)

    def reset(self) -> None:
        self.die, self.reward = 0, 0.0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.die = self.random.randint(1, 6)
        self.reward = float(action * self.die)

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.die

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.reward


class DiceEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=4, network=ph.Network([DiceAgent("A"), DiceAgent("B")]))


def evaluate(policies: dict[str, ph.Policy], **options: Any) -> ph.Evaluation:
    mapping = {"A": "one", "B": "other"}
    return ph.evaluate(DiceEnv(), policies, mapping, **{"num_episodes": 5, "seed": 1, **options})


def make_policies() -> dict[str, ph.Policy]:
    spaces = DiceAgent.observation_space, DiceAgent.action_space
    return {"one": ph.ConstantPolicy(*spaces, action=1), "other": ph.ConstantPolicy(*spaces, action=0)}


def test_mean_return_is_over_the_agents_that_count() -> None:
    of_a = evaluate(make_policies(), agent_ids=["A"])
    assert of_a.mean_return == sum(of_a.episode_returns["A"]) / 5
    assert evaluate(make_policies(), agent_ids=["B"]).mean_return == 0.0
    assert evaluate(make_policies()).mean_return == of_a.mean_return / 2


def test_the_same_seed_gives_the_same_episodes_and_another_seed_others() -> None:
    first, again, other = (evaluate(make_policies(), seed=seed).episode_returns for seed in (1, 1, 2))
    assert first == again != other


def test_more_episodes_begin_with_the_same_ones() -> None:
    few, many = (evaluate(make_policies(), num_episodes=n).episode_returns["A"] for n in (3, 6))
    assert many[:3] == few


def test_random_policies_repeat_too_and_are_not_changed() -> None:
    policies = make_policies()
    policies["one"] = ph.RandomPolicy(DiceAgent.observation_space, DiceAgent.action_space)
    assert evaluate(policies).episode_returns == evaluate(policies).episode_returns


def test_metrics_are_reduced_for_evaluation() -> None:
    metrics = {"die": ph.metrics.SimpleAgentMetric("A", "die", eval_reduce_action="sum")}
    evaluation = evaluate(make_policies(), metrics=metrics)
    assert evaluation.metrics["die"] == evaluation.episode_returns["A"]


@pytest.mark.parametrize(
    ("env", "mapping", "message"),
    [
        (DiceEnv, {"A": "one", "B": "other"}, (
            "env is the class DiceEnv. Expected an env that was made, such as DiceEnv().")),
        (DiceEnv(), {"A": "one"}, (
            "Agent 'B' of DiceEnv has no policy: policy_by_agent names only 'A'. Add the agent, with one of "
            "the policies 'one', 'other'.")),
        (DiceEnv(), {"A": "one", "B": "othr"}, (
            "Agent 'B' is given the policy 'othr', but there is none of that id. Did you mean 'other'? There "
            "are: 'one', 'other'.")),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_one_sentence(env: Any, mapping: dict[str, str], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.evaluate(env, make_policies(), mapping, num_episodes=1, seed=1)
    assert str(caught.value) == message
