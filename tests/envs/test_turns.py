"""Whose turn it is: who acts, who is rewarded and who observes."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

import phantom_core as ph


class Player(ph.StrategicAgent):
    """Observes the step, earns 10 in the first step, 20 in the second and so on."""

    def encode_observation(self, ctx: ph.Context) -> int:
        return ctx.env_view.current_step

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        """Send nothing."""

    def compute_reward(self, ctx: ph.Context) -> float:
        return 10.0 * ctx.env_view.current_step


class Rounds:
    """Plays the given turns again and again."""

    def __init__(self, *turns: ph.Turn) -> None:
        self.turns = turns

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return self.turns[0]

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return self.turns[env.current_step % len(self.turns)]


def make_env(*turns: ph.Turn, num_steps: int | None = None) -> ph.PhantomEnv:
    return ph.PhantomEnv(num_steps, ph.Network([Player("A"), Player("B")]), turn_order=Rounds(*turns))


def test_by_default_everybody_acts_is_rewarded_and_observes() -> None:
    env = ph.PhantomEnv(network=ph.Network([Player("A"), Player("B")]))
    assert isinstance(env.turn_order, ph.Simultaneous)
    observations, _ = env.reset(1)
    assert observations == {"A": 0, "B": 0}
    assert env.turn == ph.Turn("simultaneous")
    assert env.acting_agent_ids is None
    result = env.step({"A": 0, "B": 0})
    assert result.observations == {"A": 1, "B": 1}
    assert result.rewards == {"A": 10.0, "B": 10.0}


def test_a_turn_lets_everybody_act_rewards_everybody_and_shows_the_world_to_those_who_act_next() -> None:
    turn = ph.Turn("any")
    assert (turn.acting, turn.rewarded, turn.observing) == (None, None, ph.ACTING_NEXT)


def test_those_who_act_first_observe_at_reset() -> None:
    assert make_env(ph.Turn("a", ("A",)), ph.Turn("b", ("B",))).reset(1)[0] == {"A": 0}
    assert make_env(ph.Turn("b", ("B",)), ph.Turn("a", ("A",))).reset(1)[0] == {"B": 0}
    assert make_env(ph.Turn("nobody", ())).reset(1)[0] == {}


def test_those_who_act_next_observe() -> None:
    env = make_env(ph.Turn("a", ("A",)), ph.Turn("b", ("B",)), ph.Turn("all"))
    env.reset(1)
    assert env.step({}).observations == {"B": 1}
    assert env.step({}).observations == {"A": 2, "B": 2}
    assert env.step({}).observations == {"A": 3}


@pytest.mark.parametrize(
    ("observing", "seen"), [(None, {"A": 1, "B": 1}), (("A",), {"A": 1}), ((), {})], ids=str
)
def test_a_turn_may_say_who_observes_at_its_end(
    observing: tuple[str, ...] | None, seen: dict[str, int]
) -> None:
    env = make_env(ph.Turn("a", ("A",), observing=observing), ph.Turn("b", ("B",)))
    env.reset(1)
    assert env.step({}).observations == seen


def test_alternating_agents_are_paid_with_their_next_observation() -> None:
    env = make_env(ph.Turn("a", ("A",)), ph.Turn("b", ("B",)), num_steps=4)
    env.reset(1)
    assert env.step({}).rewards == {"B": 10.0}
    assert env.step({}).rewards == {"A": 10.0 + 20.0}
    assert env.step({}).rewards == {"B": 20.0 + 30.0}
    assert env.step({}).rewards == {"A": 30.0 + 40.0, "B": 40.0}  # the end pays what is left


def test_a_turn_may_say_who_is_rewarded() -> None:
    env = make_env(ph.Turn("a", ("A",), rewarded=("A",)), ph.Turn("b", ("B",), rewarded=("B",)), num_steps=3)
    env.reset(1)
    assert env.step({}).rewards == {}
    assert env.step({}).rewards == {"A": 10.0}
    assert env.step({}).rewards == {"A": 30.0, "B": 20.0}


def test_agents_that_a_turn_does_not_name_are_still_told_whether_they_ended() -> None:
    env = make_env(ph.Turn("a", ("A",), ("A",), ("A",)), num_steps=1)
    env.reset(1)
    assert env.step({}).truncations == {"A": True, "B": True, "__all__": True}


def test_a_turn_order_may_look_at_what_the_messages_did() -> None:
    class UntilRich:
        def first(self, env: ph.PhantomEnv) -> ph.Turn:
            return ph.Turn(f"starts with {len(env.agents)}")

        def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn | None:
            env.resolve_network()
            return None if env.current_step == 2 else ph.Turn("goes on")

    env = ph.PhantomEnv(network=ph.Network([Player("A")]), turn_order=UntilRich())
    env.reset(1)
    assert env.turn == ph.Turn("starts with 1")
    assert env.step({}).terminations == {"A": False, "__all__": False}
    assert env.turn == ph.Turn("goes on")
    assert env.step({}).terminations == {"A": True, "__all__": True}


def test_a_turn_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        ph.Turn("a").name = "b"
