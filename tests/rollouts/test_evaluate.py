import math
from typing import Any

import gymnasium as gym
import numpy as np
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


class EndlessEnv(gym.Env[Any, Any]):
    """Observes the step, and ends when it is told to."""

    observation_space = gym.spaces.Box(0.0, 1000.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.count = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        reward = float(self.np_random.random()) + action
        return np.full(1, self.count, np.float32), reward, reward > 1.95, False, {}


def played(envs: list[gym.Env[Any, Any]], **options: Any) -> tuple[list[Any], list[Any]]:
    episodes: list[ph.EpisodeSummary] = []
    policy = ph.RandomPolicy(EndlessEnv.observation_space, EndlessEnv.action_space)
    collector = ph.Collector(
        [ph.GymnasiumEnv(env) for env in envs],
        {"p": policy},
        {"agent": "p"},
        seed=1,
        learning=["p"],
        on_episode=episodes.append,
        **options,
    )
    plan = ph.CollectPlan(steps=50 * len(envs), copies=len(envs))
    batches = [collector.collect(plan)["p"] for _ in range(2)]
    return episodes, [
        (t.env_index, t.episode, str(t.observations), list(t.rewards), t.terminated, t.truncated,
         str(t.next_observation))
        for batch in batches for t in batch.trajectories
    ]  # fmt: skip


@pytest.mark.parametrize("copies", [1, 3])
def test_max_steps_is_what_a_time_limit_of_the_env_is(copies: int) -> None:
    limited = played([gym.wrappers.TimeLimit(EndlessEnv(), 7) for _ in range(copies)])
    assert played([EndlessEnv() for _ in range(copies)], max_steps=7) == limited
    assert {episode.terminated for episode in limited[0]} == {True, False}


class LongDiceEnv(ph.PhantomEnv):
    def __init__(self, num_steps: int) -> None:
        super().__init__(num_steps=num_steps, network=ph.Network([DiceAgent("A"), DiceAgent("B")]))


def test_an_evaluation_cuts_off_each_episode_after_max_steps() -> None:
    metrics = {"die": ph.metrics.SimpleAgentMetric("A", "die", eval_reduce_action="sum")}
    found = [
        ph.evaluate(
            LongDiceEnv(num_steps), make_policies(), {"A": "one", "B": "other"},
            num_episodes=3, seed=1, max_steps=max_steps, metrics=metrics,
        )
        for num_steps, max_steps in ((6, None), (50, 6), (6, 50))
    ]  # fmt: skip
    assert found[0] == found[1] == found[2]
    assert [episode.length for episode in found[0].episodes] == [6, 6, 6]


def test_max_steps_needs_envs_that_reset_when_they_are_told_to() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.Collector(
            ph.NativeVectorEnv(gym.vector.SyncVectorEnv([EndlessEnv])),
            {"p": ph.RandomPolicy(EndlessEnv.observation_space, EndlessEnv.action_space)},
            {"agent": "p"},
            seed=1,
            max_steps=3,
        )
    assert str(caught.value) == (
        "max_steps is 3, but a NativeVectorEnv resets by itself. Give a list of envs, or a time limit to "
        "each env."
    )


def test_the_mean_return_of_nobody_is_an_error() -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        _ = evaluate(make_policies(), agent_ids=["C"]).mean_return
    assert str(caught.value) == (
        "There is no mean return: none of the agents that count ('C') took part in 5 episodes, but 'A', "
        "'B'. Play more episodes, or name others in agent_ids or policy_ids."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_episodes": 1.5}, "num_episodes is 1.5. Expected a positive integer."),
        ({"num_episodes": True}, "num_episodes is True. Expected a positive integer."),
        ({"max_steps": 0}, "max_steps is 0. Expected a positive integer, or None."),
        ({"max_steps": 2.5}, "max_steps is 2.5. Expected a positive integer, or None."),
        ({"seed": None}, "seed is None. Expected an integer that is not negative."),
        ({"metrics": ["die"]}, "metrics is ['die']. Expected a dict of ph.metrics.Metric by name."),
        ({"metrics": {"die": "agent"}},
            "metrics['die'] is 'agent'. Expected a dict of ph.metrics.Metric by name."),
        ({"policies": {"p": "random"}},
            "policies['p'] is 'random'. Expected a dict of ph.Policy by id, such as ph.load_policies(run)."),
        ({"policies": ["p"]},
            "policies is ['p']. Expected a dict of ph.Policy by id, such as ph.load_policies(run)."),
        ({"policy_by_agent": "p"}, "policy_by_agent is 'p'. Expected a dict of policy ids by agent id."),
        ({"env": "CartPole-v1"}, (
            "str is no multi-agent env: it has no reset. Derive it from ph.PhantomEnv, or wrap a "
            "single-agent env in ph.GymnasiumEnv.")),
        ({"env": EndlessEnv()}, (
            "EndlessEnv is a single-agent Gymnasium env. Wrap it: ph.GymnasiumEnv(EndlessEnv). Where an env "
            "is given by its name, write a function that returns this, and name the function.")),
    ],
)  # fmt: skip
def test_arguments_of_an_evaluation_are_checked(options: dict[str, Any], message: str) -> None:
    given = {"env": DiceEnv(), "policies": make_policies(), "policy_by_agent": {"A": "one", "B": "other"}}
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.evaluate(**{"num_episodes": 1, "seed": 1, **given, **options})  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize("amount", [{"steps": 1.5}, {"episodes": 2.0}, {"episodes": 2, "copies": 1.5}])
def test_a_plan_of_collection_is_in_whole_numbers(amount: dict[str, Any]) -> None:
    with pytest.raises(ph.errors.ConfigError, match="is not a plan"):
        ph.CollectPlan(**amount)


def test_an_evaluation_plan_is_in_whole_numbers() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.EvaluationPlan(episodes=1.5)  # type: ignore[arg-type]
    assert str(caught.value) == "evaluate.episodes = 1.5. Expected a positive integer."


class ForeverEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(None, ph.Network([]))


def test_a_game_without_end_is_not_waited_for() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.evaluate(ForeverEnv(), {}, {}, num_episodes=1, seed=1)
    assert str(caught.value) == (
        "The evaluation plays whole episodes, but an episode of ForeverEnv never ends. Say after how many "
        "steps it is cut off: --max-steps 1000, max_steps in [evaluate], ph.EvaluationPlan(max_steps=1000) "
        "or ph.evaluate(..., max_steps=1000)."
    )


def summary(number: int, returns: dict[str, float], **metrics: Any) -> ph.EpisodeSummary:
    return ph.EpisodeSummary(
        env_index=0,
        episode=number,
        seed=number,
        length=3,
        episode_returns=returns,
        terminated=True,
        metrics=metrics,
    )


def test_spreads_are_over_the_episodes_that_have_a_value_and_arrays_count_as_their_mean() -> None:
    episodes = [
        summary(0, {"A": 1.0, "B": 5.0}, price=2, wealth=np.array([1.0, 3.0]), word="x"),
        summary(1, {"A": 3.0}, price=4, wealth=np.array([6.0]), word="y"),
    ]
    found = ph.Evaluation(episodes, ["A"])
    assert found.return_spreads["A"] == (2, 2.0, 1.0, 1.0, 3.0)
    assert found.return_spreads["B"][:2] == (1, 5.0)
    assert math.isnan(found.return_spreads["B"].se)
    assert found.metric_numbers == {"price": (2.0, 4.0), "wealth": (2.0, 6.0)}
    assert found.metric_spreads["wealth"] == (2, 4.0, 2.0, 2.0, 6.0)


def test_a_notebook_shows_an_evaluation_as_a_table() -> None:
    found = ph.Evaluation([summary(0, {"<A>": 1.0}, price=2), summary(1, {"<A>": 3.0}, price=2)], ["<A>"])
    assert found._repr_html_() == (
        "<table><thead><tr><th></th><th>mean</th><th>s.e.</th><th>least</th><th>greatest</th><th>episodes</th></tr>"
        "</thead><tbody>"
        "<tr><th>return of &lt;A&gt;</th><td>2</td><td>1</td><td>1</td><td>3</td><td>2</td></tr>"
        "<tr><th>price</th><td>2</td><td>0</td><td>2</td><td>2</td><td>2</td></tr>"
        "</tbody></table>"
    )
