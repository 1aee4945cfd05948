from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class CounterAgent(ph.StrategicAgent):
    """Observes the number of its own actions so far; is paid 1 for each step."""

    observation_space = gym.spaces.Discrete(1000)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, agent_id: ph.AgentID, ends_after: int | None = None, *, is_cut: bool = False) -> None:
        super().__init__(agent_id)
        self.ends_after, self.is_cut = ends_after, is_cut

    def reset(self) -> None:
        self.count, self.start = 0, int(self.random.random() * 500)

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.count += 1

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.start + self.count

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0

    def is_terminated(self, ctx: ph.Context) -> bool:
        return self.count == self.ends_after and not self.is_cut

    def is_truncated(self, ctx: ph.Context) -> bool:
        return self.count == self.ends_after and self.is_cut


class AlternatingOrder:
    """A acts in even steps, B in odd ones; both are rewarded in each step."""

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn("a", acting=("A",))

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return ph.Turn("b", acting=("B",)) if turn.name == "a" else ph.Turn("a", acting=("A",))


def make_env(*agents: ph.Agent, num_steps: int = 5, **options: Any) -> ph.PhantomEnv:
    return ph.PhantomEnv(num_steps, ph.Network(agents), **options)


def policies_for(
    env: ph.PhantomEnv, policy_class: type[ph.Policy] = ph.RandomPolicy
) -> tuple[dict[str, ph.Policy], dict[ph.AgentID, str]]:
    space = env.observation_spaces["A"], env.action_spaces["A"]
    return {"p": policy_class(*space)}, dict.fromkeys(env.strategic_agent_ids, "p")


def collector_for(*envs: ph.PhantomEnv, seed: int = 1, **options: Any) -> ph.Collector:
    policies, mapping = policies_for(envs[0])
    return ph.Collector(envs, policies, mapping, seed=seed, learning=["p"], **options)


def as_tuples(batch: ph.Batch) -> list[tuple[Any, ...]]:
    return [
        (t.agent_id, t.env_index, t.episode, t.observations, t.actions, t.rewards, t.next_observation)
        for t in batch.trajectories
    ]


def test_a_decision_is_followed_by_its_reward_and_the_next_observation() -> None:
    batch = collector_for(make_env(CounterAgent("A"))).collect(ph.CollectPlan(episodes=1))["p"]
    (trajectory,) = batch.trajectories
    start = trajectory.observations[0]
    assert trajectory.observations == [start + t for t in range(5)]
    assert trajectory.rewards == [1.0] * 5
    assert trajectory.next_observation == start + 5
    assert len(batch) == len(trajectory) == 5


def test_the_time_limit_truncates_and_keeps_the_final_observation() -> None:
    batch = collector_for(make_env(CounterAgent("A"))).collect(ph.CollectPlan(episodes=1))["p"]
    assert [(t.terminated, t.truncated) for t in batch.trajectories] == [(False, True)]


def test_a_terminated_agent_gives_no_samples_while_others_go_on() -> None:
    env = make_env(CounterAgent("A", ends_after=2), CounterAgent("B"))
    batch = collector_for(env).collect(ph.CollectPlan(episodes=1))["p"]
    ends = {t.agent_id: (len(t), t.terminated, t.truncated) for t in batch.trajectories}
    assert ends == {"A": (2, True, False), "B": (5, False, True)}


def test_an_agent_cut_off_early_is_truncated_with_its_final_observation() -> None:
    env = make_env(CounterAgent("A", ends_after=2, is_cut=True), CounterAgent("B"))
    batch = collector_for(env).collect(ph.CollectPlan(episodes=1))["p"]
    cut = next(t for t in batch.trajectories if t.agent_id == "A")
    assert (cut.terminated, cut.truncated) == (False, True)
    assert cut.next_observation == cut.observations[-1] + 1


def test_both_flags_together_count_as_terminated() -> None:
    env = make_env(CounterAgent("A", ends_after=5))  # terminates in the step of the time limit
    batch = collector_for(env).collect(ph.CollectPlan(episodes=1))["p"]
    assert [(t.terminated, t.truncated) for t in batch.trajectories] == [(True, False)]


def test_reward_between_two_decisions_belongs_to_the_earlier_one() -> None:
    env = make_env(CounterAgent("A"), CounterAgent("B"), num_steps=5, turn_order=AlternatingOrder())
    batch = collector_for(env).collect(ph.CollectPlan(episodes=1))["p"]
    rewards = {t.agent_id: t.rewards for t in batch.trajectories}
    # A decides in steps 1, 3, 5; what it earns in step 2 is paid with its observation after step 2.
    assert rewards["A"] == [2.0, 2.0, 1.0]
    # B's first decision is in step 2; what it earned in step 1 precedes it and teaches nothing.
    assert rewards["B"] == [2.0, 2.0]


def test_a_plan_by_steps_cuts_trajectories_and_goes_on_with_them() -> None:
    collector = collector_for(make_env(CounterAgent("A")))
    first = collector.collect(ph.CollectPlan(steps=3))["p"].trajectories
    second = collector.collect(ph.CollectPlan(steps=3))["p"].trajectories
    assert [len(t) for t in first] == [3]
    assert first[0].next_observation == second[0].observations[0]
    assert first[0].terminated is first[0].truncated is False
    assert [(len(t), t.episode) for t in second] == [(2, 0), (1, 1)]
    assert collector.env_steps == 6


def test_a_cut_between_decision_and_outcome_keeps_the_decision_for_later() -> None:
    env = make_env(CounterAgent("A"), CounterAgent("B"), num_steps=6, turn_order=AlternatingOrder())
    collector = collector_for(env)
    pieces = [collector.collect(ph.CollectPlan(steps=1))["p"].trajectories for _ in range(6)]
    of_a = [t for piece in pieces for t in piece if t.agent_id == "A"]
    assert [r for t in of_a for r in t.rewards] == [2.0, 2.0, 2.0]
    whole = collector_for(
        make_env(CounterAgent("A"), CounterAgent("B"), num_steps=6, turn_order=AlternatingOrder())
    )
    (uncut,) = [t for t in whole.collect(ph.CollectPlan(episodes=1))["p"].trajectories if t.agent_id == "A"]
    assert [o for t in of_a for o in t.observations] == uncut.observations
    assert [a for t in of_a for a in t.actions] == uncut.actions


class WatchingOrder(AlternatingOrder):
    """The same, but everybody observes in every step."""

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn("a", acting=("A",), observing=None)

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        name, actor = ("b", "B") if turn.name == "a" else ("a", "A")
        return ph.Turn(name, acting=(actor,), observing=None)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_no_reward_or_end_is_lost_however_often_trajectories_are_cut(steps: int) -> None:
    def collect(plan: ph.CollectPlan, times: int) -> list[ph.Trajectory]:
        env = make_env(CounterAgent("A"), CounterAgent("B"), num_steps=6, turn_order=WatchingOrder())
        collector = collector_for(env)
        return [t for _ in range(times) for t in collector.collect(plan)["p"].trajectories]

    whole = [t for t in collect(ph.CollectPlan(episodes=1), 1) if t.episode == 0]
    cut = [t for t in collect(ph.CollectPlan(steps=steps), -(-12 // steps)) if t.episode == 0]
    for agent_id in ("A", "B"):
        expected = [reward for t in whole if t.agent_id == agent_id for reward in t.rewards]
        assert [reward for t in cut if t.agent_id == agent_id for reward in t.rewards] == expected
        assert [t.truncated for t in cut if t.agent_id == agent_id].count(True) == 1


@pytest.mark.parametrize("number", [2, 5])
def test_copy_i_plays_the_same_episodes_whatever_the_number_of_copies(number: int) -> None:
    def traces(copies: int) -> list[tuple[Any, ...]]:
        envs = [make_env(CounterAgent("A"), CounterAgent("B", ends_after=3)) for _ in range(copies)]
        batch = collector_for(*envs).collect(ph.CollectPlan(episodes=2 * copies, copies=copies))["p"]
        return [trace for trace in as_tuples(batch) if trace[1] == 0]

    assert traces(number) == traces(1)


def test_another_seed_gives_other_episodes() -> None:
    one, other = (
        as_tuples(collector_for(make_env(CounterAgent("A")), seed=s).collect(ph.CollectPlan(episodes=1))["p"])
        for s in (1, 2)
    )
    assert one != other


class BatchPolicy(ph.RandomPolicy):
    """Counts how often it is asked, and for how many rows."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)
        self.rows: list[int] = []

    def sample_actions(
        self, observations: Sequence[Any], rng: ph.RowStreams
    ) -> tuple[list[int], dict[str, list[int]]]:
        self.rows.append(len(observations))
        assert len(rng) == len(observations)
        return [0] * len(observations), {"row": list(range(len(observations)))}


def test_a_policy_is_asked_once_per_step_for_all_agents_in_all_copies() -> None:
    envs = [make_env(CounterAgent("A"), CounterAgent("B"), num_steps=3) for _ in range(4)]
    policies, mapping = policies_for(envs[0], BatchPolicy)
    collector = ph.Collector(envs, policies, mapping, seed=1, learning=["p"])
    batch = collector.collect(ph.CollectPlan(episodes=4, copies=4))["p"]
    assert policies["p"].rows == [8, 8, 8]  # type: ignore[attr-defined]
    extras = sorted(tuple(t.extras["row"]) for t in batch.trajectories)
    assert extras == [(row, row, row) for row in range(8)]


class WideningPolicy(ph.RandomPolicy):
    """Samples 10, 11 or 12 where the env knows 0, 1 and 2."""

    def sample_actions(self, observations: Sequence[Any], rng: ph.RowStreams) -> tuple[list[int], dict]:
        actions, extras = super().sample_actions(observations, rng)
        return [action + 10 for action in actions], extras

    def env_actions(self, actions: Sequence[int]) -> list[int]:
        return [action - 10 for action in actions]


def test_the_sampled_action_is_kept_and_the_env_gets_what_the_policy_makes_of_it() -> None:
    env = make_env(CounterAgent("A"), num_steps=20)
    policies, mapping = policies_for(env, WideningPolicy)
    collector = ph.Collector([env], policies, mapping, seed=1, learning=["p"])
    (trajectory,) = collector.collect(ph.CollectPlan(episodes=1))["p"].trajectories
    assert set(trajectory.actions) == {10, 11, 12}


def test_policies_that_do_not_learn_behave_as_deployed_and_keep_no_trajectories() -> None:
    env = make_env(CounterAgent("A"))
    policies, mapping = policies_for(env, BatchPolicy)
    policies["p"].__class__.acts_randomly = False
    try:
        assert ph.Collector([env], policies, mapping, seed=1).collect(ph.CollectPlan(episodes=1)) == {}
        assert policies["p"].rows == []  # type: ignore[attr-defined]
    finally:
        BatchPolicy.acts_randomly = True


def test_each_ended_episode_is_summarised_with_metrics() -> None:
    episodes: list[ph.EpisodeSummary] = []
    metrics = {"count": ph.metrics.SimpleAgentMetric("A", "count", train_reduce_action="last")}
    collector = collector_for(make_env(CounterAgent("A")), metrics=metrics, on_episode=episodes.append)
    collector.collect(ph.CollectPlan(episodes=2))
    assert [(e.env_index, e.episode, e.length, e.episode_returns, e.metrics) for e in episodes] == [
        (0, 0, 5, {"A": 5.0}, {"count": 5}),
        (0, 1, 5, {"A": 5.0}, {"count": 5}),
    ]


class LateObserver(CounterAgent):
    """Observes nothing at the end."""

    def encode_observation(self, ctx: ph.Context) -> int | None:
        return None if self.count == 5 else super().encode_observation(ctx)


def test_an_end_without_a_final_observation_leaves_the_next_observation_empty() -> None:
    batch = collector_for(make_env(LateObserver("A"))).collect(ph.CollectPlan(episodes=1))["p"]
    (trajectory,) = batch.trajectories
    assert trajectory.next_observation is None
    assert trajectory.rewards == [1.0] * 5


class WrongObserver(CounterAgent):
    def encode_observation(self, ctx: ph.Context) -> int:
        return -1 if self.count == 2 else 0


def test_an_observation_outside_its_space_names_agent_step_and_space() -> None:
    with pytest.raises(ph.errors.ObservationError) as caught:
        collector_for(make_env(WrongObserver("A"))).collect(ph.CollectPlan(episodes=1))
    assert str(caught.value) == (
        "Observation of 'A' at step 2 is -1 (int), but its observation space is Discrete(1000). Change "
        "encode_observation(), or reset() and step() of a Gymnasium env, or the space. Play it again with "
        "env.reset(seed=1401479987715871550)."
    )


class Payer(CounterAgent):
    """Is paid whatever it is told."""

    pay: Any = 1.0

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.pay  # type: ignore[no-any-return]


def test_a_reward_that_is_not_finite_is_refused() -> None:
    agent = Payer("A")
    agent.pay = float("nan")
    with pytest.raises(ph.errors.EnvError) as caught:
        collector_for(make_env(agent)).collect(ph.CollectPlan(episodes=1))
    assert str(caught.value) == (
        "The reward of 'A' at step 1 is nan. Expected a finite number: change compute_reward(), or step() of "
        "a Gymnasium env."
    )


def test_a_reward_that_is_no_number_names_the_agent() -> None:
    agent = Payer("A")
    agent.pay = None
    with pytest.raises(ph.errors.EnvError) as caught:
        collector_for(make_env(agent)).collect(ph.CollectPlan(episodes=1))
    seed = ph.seeding.derive_seed(1, "episode", 0, 0)
    assert str(caught.value) == (
        "The reward of 'A' is None. Expected a number: change compute_reward(). (PhantomEnv failed in "
        f"step 1 of episode 0. Play it again with env.reset(seed={seed}).)"
    )


class FailingAgent(CounterAgent):
    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0 / (2 - self.count)


class LookingAgent(CounterAgent):
    def compute_reward(self, ctx: ph.Context) -> float:
        return float(ctx["B"] is None)


def test_a_rule_that_is_broken_in_a_users_code_is_named_with_its_line() -> None:
    with pytest.raises(ph.errors.NeighbourError) as caught:
        collector_for(make_env(LookingAgent("A"))).collect(ph.CollectPlan(episodes=1))
    seed = ph.seeding.derive_seed(1, "episode", 0, 0)
    line = LookingAgent.compute_reward.__code__.co_firstlineno + 1
    assert str(caught.value).endswith(
        f" (PhantomEnv failed in step 1 of episode 0 (test_collect.py, line {line}, in compute_reward). Play "
        f"it again with env.reset(seed={seed}).)"
    )


def test_an_env_that_raises_is_named_with_step_episode_and_seed() -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        collector_for(make_env(FailingAgent("A"))).collect(ph.CollectPlan(episodes=1))
    seed = ph.seeding.derive_seed(1, "episode", 0, 0)
    line = FailingAgent.compute_reward.__code__.co_firstlineno + 1
    assert str(caught.value) == (
        "PhantomEnv failed in step 2 of episode 0: ZeroDivisionError: float division by zero "
        f"(test_collect.py, line {line}, in compute_reward). Play it "
        f"again with env.reset(seed={seed})."
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "amounts", [{}, {"steps": 1, "episodes": 1}, {"steps": 0}, {"episodes": 1, "copies": 0}]
)
def test_a_plan_that_says_nothing_or_two_things_is_refused(amounts: dict[str, int]) -> None:
    with pytest.raises(
        ph.errors.ConfigError,
        match=r"is not a plan\. Give either steps or episodes, and at least one copy and one round, as",
    ):
        ph.CollectPlan(**amounts)


def test_an_action_outside_its_space_names_policy_agent_and_space() -> None:
    env = make_env(CounterAgent("A"))
    spaces = CounterAgent.observation_space, CounterAgent.action_space
    policies = {"p": ph.FunctionPolicy(*spaces, function=lambda _: 99)}
    with pytest.raises(ph.errors.EnvError) as caught:
        ph.Collector([env], policies, {"A": "p"}, seed=1).collect(ph.CollectPlan(episodes=1))
    assert str(caught.value) == (
        "Policy 'p' chose 99 for agent 'A', which is not in its action space Discrete(3). Change what the "
        "policy returns."
    )


@pytest.mark.parametrize("reward", [float("inf"), [1.0]])
def test_a_reward_of_an_env_of_another_library_is_checked_too(reward: Any) -> None:
    class Strange(ph.GymnasiumEnv):
        def step(self, actions: Any) -> ph.StepResult:
            return super().step(actions)._replace(rewards={"agent": reward})

    env = Strange("FrozenLake-v1")
    policy = ph.RandomPolicy(env.gym_env.observation_space, env.gym_env.action_space)
    with pytest.raises(ph.errors.EnvError) as caught:
        ph.Collector([env], {"p": policy}, {"agent": "p"}, seed=1).collect(ph.CollectPlan(episodes=1))
    assert str(caught.value) == (
        f"The reward of 'agent' at step 1 is {reward!r}. Expected a finite number: change "
        "compute_reward(), or step() of a Gymnasium env."
    )


class ArrayPolicy(ph.Policy):
    """Does with its whole array of actions what it was made for."""

    def __init__(self, *spaces: gym.Space[Any], value: float = 0.0) -> None:
        super().__init__(*spaces)
        self.value = value

    def compute_action(self, observation: ph.Observation) -> Any:
        return np.full(1, self.value, np.float32)

    def compute_actions(self, observations: Any) -> Any:
        return np.full((len(observations), 1), self.value, np.float32)

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, Any]:
        return self.compute_actions(observations), {}

    def env_actions(self, actions: Any) -> Any:
        return actions * 2.0


class SteeringAgent(CounterAgent):
    """Does a number; notes what it did."""

    action_space = gym.spaces.Box(-9.0, 9.0, (1,))

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        super().decode_action(ctx, 0)
        self.did = action.tolist()


def test_several_policies_may_return_their_actions_as_arrays() -> None:
    agents = SteeringAgent("A"), SteeringAgent("B")
    env = make_env(*agents)
    spaces = env.observation_spaces["A"], env.action_spaces["A"]
    policies = {name: ArrayPolicy(*spaces, value=value) for name, value in (("a", 1.0), ("b", 2.0))}
    collector = ph.Collector([env], policies, {"A": "a", "B": "b"}, seed=1, learning=["a", "b"])
    batches = collector.collect(ph.CollectPlan(steps=2))
    assert [agent.did for agent in agents] == [[2.0], [4.0]]
    assert [batches[name].transitions.actions.tolist() for name in "ab"] == [[[1.0]] * 2, [[2.0]] * 2]
