"""Rewards are owed until they are paid, each exactly once."""

import math
from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph


def test_rewards_add_up_until_the_agent_is_paid() -> None:
    ledger = ph.RewardLedger()
    ledger.add("A", 1.0)
    ledger.add("B", 10.0)
    assert ledger.deliver([]) == {}
    ledger.add("A", 2.0)
    assert ledger.deliver(["A", "C"]) == {"A": 3.0}
    assert ledger.deliver(["A"]) == {}
    assert ledger.deliver(["A", "B"]) == {"B": 10.0}


def test_everybody_is_paid_at_the_end() -> None:
    ledger = ph.RewardLedger()
    ledger.add("A", 1.0)
    ledger.add("B", 2.0)
    assert ledger.deliver(None) == {"A": 1.0, "B": 2.0}
    assert ledger.deliver(None) == {}


def test_a_reward_of_nothing_is_paid_too() -> None:
    ledger = ph.RewardLedger()
    ledger.add("A", 0)
    assert ledger.deliver(["A"]) == {"A": 0.0}


def test_reset_forgets_what_is_owed() -> None:
    ledger = ph.RewardLedger()
    ledger.add("A", 1.0)
    ledger.reset()
    assert ledger.deliver(None) == {}


def test_what_was_paid_does_not_change_afterwards() -> None:
    ledger = ph.RewardLedger()
    ledger.add("A", 1.0)
    paid = ledger.deliver(["A"])
    ledger.add("A", 2.0)
    assert paid == {"A": 1.0}


class Worker(ph.StrategicAgent):
    """Earns what it was told to, and observes only in the steps it was told to."""

    def __init__(self, agent_id: str, rewards: list[float], observes_at: set[int]) -> None:
        super().__init__(agent_id)
        self.rewards = rewards
        self.observes_at = observes_at

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        """Send nothing."""

    def encode_observation(self, ctx: ph.Context) -> int | None:
        step = ctx.env_view.current_step
        return step if step in self.observes_at else None

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.rewards[ctx.env_view.current_step - 1]


def play(worker: Worker, num_steps: int) -> list[dict[Any, float]]:
    env = ph.PhantomEnv(num_steps, ph.Network([worker]))
    env.reset(1)
    return [env.step({}).rewards for _ in range(num_steps)]


def test_no_observation_postpones_the_reward_and_never_loses_it() -> None:
    worker = Worker("A", [1.0, 2.0, 4.0, 8.0, 16.0], observes_at={3})
    assert play(worker, 5) == [{}, {}, {"A": 7.0}, {}, {"A": 24.0}]


def test_a_reward_that_is_no_number_is_passed_on_and_spoils_no_later_one() -> None:
    first, second = play(Worker("A", [math.nan, 1.0], observes_at={1, 2}), 2)
    assert math.isnan(first["A"])
    assert second == {"A": 1.0}


def test_an_env_can_be_given_another_ledger() -> None:
    class HalfNow(ph.RewardLedger):
        def add(self, agent_id: ph.AgentID, reward: float) -> None:
            super().add(agent_id, reward / 2)

    env = ph.PhantomEnv(network=ph.Network([Worker("A", [10.0], observes_at={1})]))
    env.reward_ledger = HalfNow()
    env.reset(1)
    assert env.step({}).rewards == {"A": 5.0}


class SecondOnly(ph.RewardLedger):
    """Returns None until the second reward."""

    returns_none = True

    def settle(self, observations: Any, infos: Any, payees: Any) -> Any:
        found = self.deliver(payees)
        return observations, {i: None if reward == 1.0 else reward for i, reward in found.items()}, infos


class Clerk(Worker):
    observation_space = action_space = gym.spaces.Discrete(4)


def make_sometimes_unpaid(ledger: ph.RewardLedger | None = None) -> ph.PhantomEnv:
    workers = [Clerk(i, [1.0, 2.0, 4.0], {0, 1, 2, 3}) for i in ("A", "B")]
    env = ph.PhantomEnv(3, ph.Network(workers))
    env.reward_ledger = SecondOnly() if ledger is None else ledger
    return env


def rewards_in(env: ph.PhantomEnv, plan: ph.CollectPlan, metrics: Any = None) -> tuple[Any, list[Any]]:
    summaries: list[ph.EpisodeSummary] = []
    policies = {"p": ph.RandomPolicy(Clerk.observation_space, Clerk.action_space)}
    collector = ph.Collector(
        [env],
        policies,
        {"A": "p", "B": "p"},
        seed=1,
        learning=["p"],
        on_episode=summaries.append,
        metrics=metrics,
    )
    batch = collector.collect(plan)["p"]
    return batch.transitions.rewards.tolist(), [summary.episode_returns for summary in summaries]


def test_a_reward_of_none_counts_for_no_action_where_the_ledger_returns_it() -> None:
    env = make_sometimes_unpaid()
    env.reset(1)
    assert [env.step({}).rewards for _ in range(2)] == [{"A": None, "B": None}, {"A": 2.0, "B": 2.0}]
    for metrics in (None, {"step": ph.metrics.SimpleEnvMetric("current_step")}):
        rewards, returns = rewards_in(env, ph.CollectPlan(episodes=2), metrics)
        assert sorted(rewards) == [0.0] * 4 + [2.0] * 4 + [4.0] * 4
        assert returns == [{"A": 6.0, "B": 6.0}] * 2


def test_a_reward_of_none_is_an_error_where_the_ledger_does_not_say_so() -> None:
    class Careless(SecondOnly):
        returns_none = False

    with pytest.raises(ph.errors.EnvError) as caught:
        rewards_in(make_sometimes_unpaid(Careless()), ph.CollectPlan(episodes=1))
    assert str(caught.value) == (
        "The reward of 'A' at step 1 is None. Expected a finite number: change compute_reward(), or step() "
        "of a Gymnasium env."
    )


def test_adapters_leave_out_rewards_of_none() -> None:
    play = ph.tools.Playthrough(make_sometimes_unpaid())
    play.reset(1)
    assert [play.step({}).rewards for _ in range(2)] == [{}, {"A": 2.0, "B": 2.0}]
    policy = ph.RandomPolicy(Clerk.observation_space, Clerk.action_space)
    adapter = ph.SingleAgentEnvAdapter(make_sometimes_unpaid, "A", {"B": policy})
    adapter.reset(seed=1)
    assert [adapter.step(0)[1] for _ in range(3)] == [0.0, 2.0, 4.0]
