"""Leaders and followers: whose half-turn it is, who is paid for it when, and what is refused."""

from collections.abc import Callable
from typing import Any, cast

import pytest

import phantom_core as ph

ALL = "__all__"


class Player(ph.StrategicAgent):
    def encode_observation(self, ctx: ph.Context) -> int:
        return ctx.env_view.current_step

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        """Send nothing."""

    def compute_reward(self, ctx: ph.Context) -> float:
        return 10.0**ctx.env_view.current_step


class Crowd(ph.Agent):
    asked = 0

    def generate_messages(self, ctx: ph.Context) -> None:
        self.asked += 1


def make_env(
    leaders: Any = ("L",),
    followers: Any = ("F",),
    num_steps: int | None = None,
    extra: tuple[ph.Agent, ...] = (),
) -> Any:
    return ph.StackelbergEnv(num_steps, ph.Network([Player("F"), Player("L"), *extra]), leaders, followers)


def test_both_sides_are_rewarded_when_both_have_acted_and_paid_with_their_next_observation() -> None:
    env = make_env(num_steps=4)
    assert env.reset(1)[0] == {"L": 0}
    assert (env.current_stage, env.acting_agent_ids) == ("leaders", ("L",))
    steps = [env.step({"L": 0, "F": 0}) for _ in range(4)]
    assert [step.observations for step in steps] == [{"F": 1}, {"L": 2}, {"F": 3}, {"L": 4, "F": 4}]
    first, second = 100.0, 10_000.0
    rewards = [{}, {"L": first}, {"F": first}, {"F": second, "L": second}]
    assert [step.rewards for step in steps] == rewards
    assert steps[-1].truncations == {"F": True, "L": True, ALL: True}


def test_plain_agents_in_neither_list_generate_messages_in_both_half_turns_after_those_in_one() -> None:
    crowd, lackey = Crowd("C"), Crowd("D")
    env = make_env(leaders=["D", "L"], extra=(crowd, lackey))
    env.reset(1)
    assert env.acting_agent_ids == ("D", "L", "C")
    env.step({})
    assert env.acting_agent_ids == ("F", "C")
    env.step({})
    assert (crowd.asked, lackey.asked) == (2, 1)
    env.network.add_agent(Crowd("E"))
    env.step({})
    assert env.acting_agent_ids == ("F", "C", "E")


def test_it_is_a_machine_of_two_stages() -> None:
    env = make_env(leaders=["L"], followers=iter(["F"]))
    assert isinstance(env, ph.FiniteStateMachineEnv)
    assert env.is_fsm_deterministic()
    assert (env.leader_agents, env.follower_agents) == (("L",), ("F",))


def test_sides_may_be_selected_by_class_also_those_that_join_later() -> None:
    class Follower(Player):
        """Follows."""

    env: Any = ph.StackelbergEnv(None, ph.Network([Follower("F"), Player("L"), Crowd("C")]), ["L"], Follower)
    env.reset(1)
    env.network.add_agent(Follower("G"))
    assert (env.leader_agents, env.follower_agents) == (("L",), ("F", "G"))
    env.step({})
    assert (env.acting_agent_ids, env.turn.rewarded) == (("F", "G", "C"), ("L", "F", "G"))
    assert env.step({}).rewards == {"L": 100.0}


@pytest.mark.parametrize(
    ("refuse", "message"),
    [
        (
            lambda: make_env(leaders=["L", "X"]),
            (
                "StackelbergEnv names in leader_agents 'X', but the network has no such agent. Its agents: "
                "'F', 'L'. Select those that join later by their class or by a function."
            ),
        ),
        (
            lambda: make_env(leaders=["L", "F"]),
            "StackelbergEnv got 'F' as leader and as follower. Name each agent once.",
        ),
        (
            lambda: make_env(followers=["F", "F"]),
            "StackelbergEnv got 'F' twice in follower_agents. Name each one once.",
        ),
        (
            lambda: make_env(followers=[], extra=(Player("G"),)),
            (
                "StackelbergEnv has strategic agents that neither lead nor follow, and so would never act: "
                "'F', 'G'. Name them in leader_agents or in follower_agents."
            ),
        ),
        (
            lambda: ph.StackelbergEnv(2, ph.Network([ph.Agent("A")]), [], ["A"]),
            "StackelbergEnv got no leader_agents. Name at least one agent, or use PhantomEnv.",
        ),
        (
            lambda: ph.StackelbergEnv(2, ph.Network([ph.Agent("A")]), ["A"], []),
            "StackelbergEnv got no follower_agents. Name at least one agent, or use PhantomEnv.",
        ),
        (
            lambda: ph.StackelbergEnv(2, cast("Any", None), ["L"], ["F"]),
            (
                "StackelbergEnv got network=None. Expected a ph.Network, such as ph.Network([agent, ...], "
                "connections=[...])."
            ),
        ),
        (
            lambda: make_env(leaders="L"),
            "StackelbergEnv got leader_agents='L'. Expected a list: write ['L'].",
        ),
    ],
)
def test_sides_that_do_not_fit_the_network_are_refused(refuse: Callable[[], object], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        refuse()
    assert str(caught.value) == message
