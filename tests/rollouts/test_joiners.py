"""Agents that join or leave during an episode."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_qlearning import QLearningTrainer


class Guest(ph.StrategicAgent):
    """Observes how many steps it has been there; is paid 1 for each."""

    observation_space = gym.spaces.Discrete(20)
    action_space = gym.spaces.Discrete(2)

    def reset(self) -> None:
        self.age = 0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.age += 1

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.age

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


class TallGuest(Guest):
    """Has other spaces."""

    observation_space = gym.spaces.Discrete(30)


class Host(Guest):
    """Is there all the time."""


class Hotel(ph.PhantomEnv):
    """HOST stays; GUEST joins in step 2 of each second episode and leaves in step 4."""

    guest_class: type[Guest] = Guest
    number = 0

    def __init__(self) -> None:
        super().__init__(6, ph.Network([Host("HOST")]))

    def on_reset(self) -> None:
        if "GUEST" in self.agents:
            self.network.remove_agent("GUEST")
        self.number += 1

    def pre_message_resolution(self) -> None:
        super().pre_message_resolution()
        if self.number % 2 == 0 and self.current_step == 2:
            self.network.add_agent(self.guest_class("GUEST"))
        if self.number % 2 == 0 and self.current_step == 4:
            self.network.remove_agent("GUEST")


def policy_of(agent_class: type[Guest] = Guest) -> ph.Policy:
    return ph.RandomPolicy(agent_class.observation_space, agent_class.action_space)


def is_guest(agent: ph.Agent) -> bool:
    return isinstance(agent, Guest) and not isinstance(agent, Host)


RULES = {"hosts": ph.PolicySpec(agents=Host), "guests": ph.PolicySpec(agents=is_guest)}


class Tall(Hotel):
    guest_class = TallGuest


def collector_of(env: ph.PhantomEnv, specs: dict[str, ph.PolicySpec] | None, **options: Any) -> ph.Collector:
    policies = {"hosts": policy_of(), "guests": policy_of()}
    return ph.Collector(
        [env], policies, {"HOST": "hosts"}, specs=specs, seed=1, learning=["hosts", "guests"], **options
    )


def test_an_agent_that_joins_gets_its_policy_by_rule_and_one_that_leaves_ends_its_trajectory() -> None:
    episodes: list[ph.EpisodeSummary] = []
    collector = collector_of(Hotel(), RULES, on_episode=episodes.append)
    batches = collector.collect(ph.CollectPlan(episodes=2))
    (stay,) = batches["guests"].trajectories
    assert (stay.agent_id, stay.episode, stay.observations) == ("GUEST", 1, [0, 1])
    assert (stay.terminated, stay.truncated, stay.next_observation) == (True, False, None)
    assert [len(t) for t in batches["hosts"].trajectories] == [6, 6]
    assert [dict(e.episode_returns).keys() for e in episodes] == [{"HOST"}, {"HOST", "GUEST"}]
    assert collector.policy_by_agent == {"HOST": "hosts", "GUEST": "guests"}


def test_an_agent_that_no_rule_holds_for_is_named_with_step_and_policies() -> None:
    lists = {"hosts": ph.PolicySpec(agents=["HOST"]), "guests": ph.PolicySpec(agents=["GUEST"])}
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        collector_of(Hotel(), lists).collect(ph.CollectPlan(episodes=2))
    assert str(caught.value) == (
        "Agent 'GUEST' joined Hotel at step 2, and none of the policies is meant for it ('hosts', 'guests'). "
        "Select it by its class or by a predicate: a list of ids holds only for agents that are there after "
        "the first reset."
    )


def test_an_agent_that_two_rules_hold_for_is_named() -> None:
    both = {"hosts": ph.PolicySpec(agents=Guest), "guests": ph.PolicySpec(agents=is_guest)}
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        collector_of(Hotel(), both).collect(ph.CollectPlan(episodes=2))
    assert str(caught.value) == (
        "Agent 'GUEST' joined Hotel at step 2, and is meant for two policies: 'hosts', 'guests'. Leave it in "
        "one."
    )


def test_an_agent_that_joins_with_other_spaces_is_named_with_both() -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        collector_of(Tall(), RULES).collect(ph.CollectPlan(episodes=2))
    assert str(caught.value) == (
        "Policy 'guests' was made for the observation space Discrete(20), but agent 'GUEST' has "
        "Discrete(30). Give the agent another policy, or the space of the others."
    )


def test_a_visit_that_an_iteration_cuts_goes_on_in_the_next() -> None:
    collector = collector_of(Hotel(), RULES)
    pieces = [collector.collect(ph.CollectPlan(steps=1))["guests"].trajectories for _ in range(12)]
    assert [o for piece in pieces for t in piece for o in t.observations] == [0, 1]
    assert [t.terminated for piece in pieces for t in piece] == [False, True]


def test_a_collector_is_restored_while_a_guest_is_there() -> None:
    class Always(Hotel):
        number = 1

        def on_reset(self) -> None:
            super().on_reset()
            self.number = 2

    whole, first, second = (collector_of(Always(), RULES) for _ in range(3))
    for collector in (whole, first):
        collector.collect(ph.CollectPlan(steps=3))
    second.load_state_dict(first.state_dict())
    rows = [
        c.collect(ph.CollectPlan(steps=3))["guests"].transitions.observations.tolist()
        for c in (whole, second)
    ]
    assert rows[0] == rows[1] == [1]


def test_training_logging_and_evaluation_cope_with_agents_of_some_episodes() -> None:
    results = ph.train(
        QLearningTrainer(episodes_per_iteration=1),
        env=Hotel,
        policies={"all": Guest},
        num_iterations=4,
        seed=1,
        run_dir=None,
        evaluation=ph.EvaluationPlan(episodes=4),
    )
    assert [("rewards/GUEST" in row) for row in results.history] == [True, False, True, False]
    assert results.evaluation is not None
    lengths = {agent_id: len(found) for agent_id, found in results.evaluation.episode_returns.items()}
    assert lengths == {"HOST": 4, "GUEST": 2}
    assert np.isfinite(results.evaluation.mean_return)
    assert results.policy_by_agent == {"HOST": "all", "GUEST": "all"}


def train(guests: Any, env: Any = Hotel, **options: Any) -> ph.TrainingResults:
    return ph.train(
        QLearningTrainer, env=env, policies={"hosts": Host, "guests": guests}, num_iterations=6, seed=1,
        **{"run_dir": None, **options},
    )  # fmt: skip


NOT_YET = "Policy 'guests' has no agents: {} selects none of those that act ('HOST')."


class Visitor(Guest):
    """Comes later."""


class Inn(Hotel):
    guest_class = Visitor


def test_a_policy_may_be_for_agents_that_only_join_later(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    results = train(Visitor, env=Inn, run_dir=tmp_path)
    assert caplog.messages[0] == f"{NOT_YET.format('Visitor')} It is for agents that join later."
    assert results.policies["guests"].observation_space == Visitor.observation_space
    assert {"guests/td_error", "rewards/GUEST"} <= {name for row in results.history for name in row}
    saved = ph.load_policies(results.run_directory)
    assert saved["guests"].observation_space == Visitor.observation_space


def test_a_predicate_may_select_joiners_for_a_policy_that_was_made(caplog: pytest.LogCaptureFixture) -> None:
    train((policy_of(), is_guest))
    assert caplog.messages[0] == f"{NOT_YET.format('is_guest')} It is for agents that join later."


@pytest.mark.parametrize("guests", [is_guest, ("random", is_guest)])
def test_a_predicate_that_selects_nobody_says_nothing_of_spaces(guests: Any) -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        train(guests)
    assert str(caught.value) == (
        f"{NOT_YET.format('is_guest')} Select at least one. If they join later, select them by a class that "
        "has observation_space and action_space, or give a policy that was made."
    )
