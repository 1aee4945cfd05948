"""The rules of a step that a kind of env may change, each beside the default."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

import phantom_core as ph

ALL = "__all__"


@dataclass(frozen=True)
class LevelView(ph.AgentView):
    level: int


@ph.msg_payload()
class Raise:
    """Raises the level by one."""


class Tank(ph.Agent):
    level = 0

    def reset(self) -> None:
        self.level = 0

    def view(self, neighbour_id: ph.AgentID | None = None) -> LevelView:
        return LevelView(self.level)

    @ph.msg_handler(Raise)
    def fill(self, ctx: ph.Context, message: ph.Message[Raise]) -> None:
        self.level += 1


class Keeper(ph.StrategicAgent):
    """Fills the tank and observes its level, but nothing in the steps it was told to sleep."""

    asleep: tuple[int, ...] = ()
    ends_at = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        return [("TANK", Raise())]

    def encode_observation(self, ctx: ph.Context) -> int | None:
        view = ctx["TANK"]
        assert isinstance(view, LevelView)
        return None if ctx.env_view.current_step in self.asleep else view.level

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(ctx.env_view.current_step)

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        return {"step": ctx.env_view.current_step}

    def is_truncated(self, ctx: ph.Context) -> bool:
        return ctx.env_view.current_step == self.ends_at


def make_env(rules: ph.StepRules | None = None, **kwargs: Any) -> ph.PhantomEnv:
    network = ph.Network([Keeper("K"), Tank("TANK")], connections=[("K", "TANK")])
    env = ph.PhantomEnv(3, network, **kwargs)
    if rules is not None:
        env.step_rules = rules
    return env


def keeper(env: ph.PhantomEnv) -> Keeper:
    agent = env.agents["K"]
    assert isinstance(agent, Keeper)
    return agent


def test_agents_may_observe_the_views_of_the_start_of_the_step() -> None:
    class Stale(ph.StepRules):
        has_fresh_views = False

    for rules, seen in ((None, [1, 2, 3]), (Stale(), [0, 1, 2])):
        env = make_env(rules)
        env.reset(1)
        assert [env.step({"K": 0}).observations["K"] for _ in range(3)] == seen


def test_a_change_during_a_step_may_count_from_the_next_one_on() -> None:
    class Later(ph.StepRules):
        notices_changes = False

    class Inviting(ph.PhantomEnv):
        def post_message_resolution(self) -> None:
            super().post_message_resolution()
            if self.current_step == 1:
                self.network.add_agent(Keeper("L"))
                self.network.add_connection("L", "TANK")

    observed = []
    for rules in (ph.StepRules(), Later()):
        env = Inviting(3, ph.Network([Keeper("K"), Tank("TANK")], connections=[("K", "TANK")]))
        env.step_rules = rules
        env.reset(1)
        observed.append([env.step({}).observations for _ in range(2)])
    assert observed == [[{"K": 0, "L": 0}, {"K": 0, "L": 0}], [{"K": 0}, {"K": 0, "L": 0}]]


class _LastFirst:
    """L acts before K."""

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn("both", acting=("L", "TANK", "K", "L"))

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return turn


def test_those_who_act_first_may_observe_in_that_order() -> None:
    class InOrder(ph.StepRules):
        observes_in_acting_order = True

    for rules, order in ((ph.StepRules(), ["K", "L"]), (InOrder(), ["L", "K"])):
        network = ph.Network([Keeper("K"), Tank("TANK"), Keeper("L")])
        network.add_connections_between(["TANK"], ["K", "L"])
        env = ph.PhantomEnv(3, network, turn_order=_LastFirst())
        env.step_rules = rules
        assert list(env.reset(1)[0]) == order
        simultaneous = make_env(rules)
        assert list(simultaneous.reset(1)[0]) == ["K"]


def test_a_reward_may_need_an_observation() -> None:
    class Seen(ph.StepRules):
        pays_unseen = False

    for rules, paid in ((None, [{"K": 1.0}, {}, {"K": 5.0}]), (Seen(), [{"K": 1.0}, {}, {"K": 3.0}])):
        env = make_env(rules)
        keeper(env).asleep = (2,)
        env.reset(1)
        assert [env.step({"K": 0}).rewards for _ in range(3)] == paid


class _Blind:
    """Nobody observes."""

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn("blind", observing=())

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return turn


def test_the_final_observation_may_be_left_out() -> None:
    class Unseen(ph.StepRules):
        has_final_observation = False

    for rules, seen in ((None, {"K": 1}), (Unseen(), {})):
        env = make_env(rules, turn_order=_Blind())
        keeper(env).ends_at = 1
        env.reset(1)
        assert env.step({"K": 0}).observations == seen


def test_reset_may_collect_no_infos() -> None:
    class Silent(ph.StepRules):
        has_first_infos = False

    assert make_env().reset(1) == ({"K": 0}, {"K": {"step": 0}})
    assert make_env(Silent()).reset(1) == ({"K": 0}, {})


def test_a_step_may_need_no_reset_before_it_nor_after_the_end() -> None:
    class Free(ph.StepRules):
        needs_reset = False

    env = make_env(Free())
    results = [env.step({"K": 0}) for _ in range(4)]
    assert [result.observations for result in results] == [{"K": 1}, {"K": 2}, {"K": 3}, {}]
    assert [result.truncations[ALL] for result in results] == [False, False, True, True]


def test_an_env_may_end_by_other_rules() -> None:
    class Limit(ph.StepRules):
        """The time limit is told under `"__all__"` alone."""

        def cut_off(self, env: ph.PhantomEnv, next_turn: ph.Turn | None) -> tuple[bool, bool]:
            return False, False

        def conclude(
            self, env: ph.PhantomEnv, *, terminated: bool, truncated: bool, is_deserted: bool
        ) -> tuple[bool, bool]:
            return env.is_terminated(), env.is_truncated()

    env = make_env(Limit())
    env.reset(1)
    truncations = [env.step({"K": 0}).truncations for _ in range(3)]
    assert truncations == [{"K": False, ALL: False}, {"K": False, ALL: False}, {"K": False, ALL: True}]


def test_who_ended_is_public_to_rules_of_ones_own() -> None:
    env = make_env()
    keeper(env).ends_at = 2
    env.reset(1)
    env.step({"K": 0})
    assert (env.terminated_agent_ids, env.truncated_agent_ids) == (set(), set())
    env.step({"K": 0})
    assert (env.terminated_agent_ids, env.truncated_agent_ids) == (set(), {"K"})
    env.reset(1)
    assert env.truncated_agent_ids == set()


def test_stray_actions_may_be_ignored() -> None:
    class Lenient(ph.StepRules):
        def check_unused_actions(self, env: ph.PhantomEnv, actions: Mapping[ph.AgentID, Any]) -> None:
            """Let them pass."""

    env = make_env(Lenient())
    env.reset(1)
    assert env.step({"K": 0, "NOBODY": 0}).observations == {"K": 1}
    strict = make_env()
    strict.reset(1)
    with pytest.raises(ph.errors.EnvError):
        strict.step({"K": 0, "NOBODY": 0})


def test_a_ledger_of_ones_own_may_replace_what_a_step_returns() -> None:
    class Latest(ph.RewardLedger):
        """Returns the newest observation of everybody at the end."""

        def __init__(self) -> None:
            super().__init__()
            self.newest: dict[ph.AgentID, Any] = {}

        def settle(self, observations: Any, infos: Any, payees: Any) -> Any:
            self.newest |= observations
            seen = self.newest if payees is None else observations
            return dict(seen), self.deliver(payees), infos

    env = make_env(turn_order=_Blind())
    env.step_rules = type("Unseen", (ph.StepRules,), {"has_final_observation": False})()
    ledger = env.reward_ledger = Latest()
    env.reset(1)
    ledger.newest["K"] = 7
    results = [env.step({"K": 0}) for _ in range(3)]
    assert [result.observations for result in results] == [{}, {}, {"K": 7}]
    assert results[-1].rewards == {"K": 6.0}
