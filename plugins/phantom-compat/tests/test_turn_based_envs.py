"""§1.10 and §1.11 of the predecessor: stages, leaders and followers."""

from __future__ import annotations

from enum import Enum
from typing import Any

import gymnasium as gym
import pytest

import phantom as ph
from phantom.fsm import FSMEnvView, FSMRuntimeError, FSMValidationError

NO_END = {"__all__": False}


@ph.msg_payload()
class Hello:
    n: int = 0


class Learner(ph.StrategicAgent):
    """Observes the number of the step; its reward is ten times that."""

    observation_space = action_space = gym.spaces.Discrete(99)

    def __init__(self, agent_id: Any, greets: Any = None) -> None:
        super().__init__(agent_id)
        self.greets = greets
        self.calls: list[Any] = []
        self.blind_at: set[int] = set()
        self.terminates_at = -1

    def decode_action(self, ctx: ph.Context, action: Any) -> Any:
        self.calls.append(("decode", action))
        return [] if self.greets is None else [(self.greets, Hello())]

    def generate_messages(self, ctx: ph.Context) -> Any:
        self.calls.append("generate")
        return []

    def encode_observation(self, ctx: ph.Context) -> Any:
        self.calls.append("encode")
        step = ctx.env_view.current_step
        return None if step in self.blind_at else step

    def compute_reward(self, ctx: ph.Context) -> float:
        self.calls.append("reward")
        return 10.0 * ctx.env_view.current_step

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        return {"seen": ctx.env_view}

    def is_terminated(self, ctx: ph.Context) -> bool:
        return ctx.env_view.current_step == self.terminates_at


class Plain(ph.Agent):
    def __init__(self, agent_id: Any) -> None:
        super().__init__(agent_id)
        self.calls: list[Any] = []

    def generate_messages(self, ctx: ph.Context) -> Any:
        self.calls.append("generate")

    @ph.agents.msg_handler(Hello)
    def on_hello(self, ctx: ph.Context, message: Any) -> None:
        self.calls.append("hello")


def stage(name: Any, acting: Any, then: Any, rewarded: Any = None, handler: Any = None) -> ph.FSMStage:
    return ph.FSMStage(name, acting, rewarded, then, handler)


def fsm_of(agents: Any, stages: Any, num_steps: Any = 4, initial: Any = None) -> ph.FiniteStateMachineEnv:
    first = stages[0].id if initial is None else initial
    return ph.FiniteStateMachineEnv(num_steps, ph.Network(agents), first, stages=stages)


def odd_even(num_steps: int = 4) -> tuple[Learner, Learner, ph.FiniteStateMachineEnv]:
    odd, even = Learner("odd"), Learner("even")
    stages = [stage("ODD", ["odd"], ["EVEN"], ["odd"]), stage("EVEN", ["even"], ["ODD"], ["even"])]
    return odd, even, fsm_of([odd, even], stages, num_steps)


# ---------------------------------------------------------------- stages


def test_a_stage_keeps_what_it_is_given() -> None:
    kept = ph.FSMStage(stage_id=0, acting_agents=["a"], rewarded_agents=["b"], next_stages=[0, 1])
    assert (kept.id, kept.acting_agents, kept.rewarded_agents) == (0, ["a"], ["b"])
    assert (kept.next_stages, kept.handler) == ([0, 1], None)
    assert ph.FSMStage(0, []).next_stages == []
    assert ph.FSMStage(0, []).rewarded_agents is None


def test_a_decorated_method_is_returned_as_it_is() -> None:
    def handler(_: Any) -> Any:
        return 0

    kept = ph.FSMStage(0, [])
    assert kept(handler) is handler
    assert (kept.handler, handler._decorator) == (handler, kept)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("stages", "initial", "message"),
    [
        ([], "A", "No registered stages"),
        ([stage("A", [], ["A"])], "B", "Initial stage 'B'"),
        ([stage("A", [], ["C"])], "A", "Next stage 'C'"),
        ([stage("A", [], [])], "A", "exactly one next stage"),
        ([stage("A", [], ["A", "B"]), stage("B", [], ["A"])], "A", "exactly one next stage"),
    ],
)
def test_stages_that_do_not_fit_together_are_refused(stages: Any, initial: Any, message: str) -> None:
    with pytest.raises(FSMValidationError, match=message):
        ph.FiniteStateMachineEnv(3, ph.Network(), initial, stages=stages)
    assert FSMValidationError.__bases__ == FSMRuntimeError.__bases__ == (Exception,)


def test_decorated_and_listed_stages_go_together_but_ids_are_unique() -> None:
    class Mixed(ph.FiniteStateMachineEnv):
        @ph.FSMStage("A", [], next_stages=["B"])
        def play_a(self) -> str:
            self.resolve_network()
            return "B"

    env = Mixed(3, ph.Network([Learner("L")]), "A", stages=[stage("B", [], ["A"])])
    env.reset()
    played = []
    for _ in range(3):
        env.step({})
        played.append((env.previous_stage, env.current_stage))
    assert played == [("A", "B"), ("B", "A"), ("A", "B")]
    with pytest.raises(FSMValidationError, match="'A'"):
        Mixed(3, ph.Network(), "A", stages=[stage("A", [], ["A"])])


def test_of_listed_stages_with_one_id_the_first_counts() -> None:
    env = fsm_of([Learner("L")], [stage("A", ["L"], ["A"]), stage("A", [], ["A"])])
    env.reset()
    env.step({"L": 1})
    assert ("decode", 1) in env["L"].calls  # type: ignore[attr-defined]


class Color(Enum):
    RED = 1
    BLUE = 2


@pytest.mark.parametrize(("first", "second"), [(0, 1), (Color.RED, Color.BLUE), (("a", 1), ("a", 2))])
def test_stage_ids_are_any_hashable(first: Any, second: Any) -> None:
    env = fsm_of([Learner("L")], [stage(first, [], [second]), stage(second, [], [first])])
    env.reset()
    env.step({})
    assert (env.previous_stage, env.current_stage) == (first, second)


def test_a_machine_is_deterministic_if_every_stage_has_one_next_stage() -> None:
    def handler(env: Any) -> str:
        env.resolve_network()
        return "A"

    assert odd_even()[2].is_fsm_deterministic()
    loops = [stage("A", [], ["A", "B"], handler=handler), stage("B", [], ["A"])]
    assert not fsm_of([Learner("L")], loops).is_fsm_deterministic()


# ---------------------------------------------------------------- how a machine is played


def test_before_the_first_reset_the_stage_is_the_initial_one() -> None:
    env = odd_even()[2]
    assert (env.initial_stage, env.current_stage, env.previous_stage) == ("ODD", "ODD", None)


def test_those_who_act_first_observe_at_reset() -> None:
    odd, even, env = odd_even()
    assert env.reset() == ({"odd": 0}, {})
    assert (odd.calls, even.calls) == (["encode"], [])


def test_two_agents_take_turns() -> None:
    odd, even, env = odd_even(num_steps=3)
    env.reset()
    odd.calls.clear()
    view = FSMEnvView(1, 1 / 3, "ODD")
    assert env.step({"odd": 1, "even": 9}) == (
        {"even": 1},
        {"even": None},  # it was never rewarded
        {"odd": False, "even": False, **NO_END},
        {"odd": False, "even": False, **NO_END},
        {"even": {"seen": view}},  # the stage that was played
    )
    assert odd.calls == [("decode", 1), "reward"]
    assert even.calls == ["encode"]
    step = env.step({"even": 2})
    assert (step.observations, step.rewards) == ({"odd": 2}, {"odd": 10.0})
    last = env.step({"odd": 3})
    assert last.observations == {"odd": 2, "even": 3}  # the newest of everybody
    assert last.rewards == {"odd": 30.0, "even": 20.0}
    assert last.infos["odd"]["seen"].stage == "EVEN"
    assert last.truncations == {"odd": False, "even": False, "__all__": True}


def test_a_reward_comes_again_with_each_observation() -> None:
    learner = Learner("L")
    stages = [stage("A", ["L"], ["B"], ["L"]), stage("B", ["L"], ["C"], []), stage("C", ["L"], ["A"], [])]
    env = fsm_of([learner], stages, num_steps=4)
    env.reset()
    assert [env.step({}).rewards for _ in range(4)] == [{"L": 10.0}, {"L": 10.0}, {"L": 10.0}, {"L": 40.0}]


def test_without_rewarded_agents_everybody_is_rewarded_and_observes() -> None:
    odd, even = Learner("odd"), Learner("even")
    env = fsm_of([odd, even], [stage("ODD", ["odd"], ["EVEN"]), stage("EVEN", ["even"], ["ODD"])])
    env.reset()
    step = env.step({"odd": 1})
    assert (step.observations, step.rewards) == ({"odd": 1, "even": 1}, {"odd": 10.0, "even": 10.0})


def test_a_reward_needs_no_observation_but_infos_do() -> None:
    learner = Learner("L")
    learner.blind_at = {1}
    env = fsm_of([learner], [stage("A", ["L"], ["A"], ["L"])])
    env.reset()
    learner.calls.clear()
    assert env.step({})[:2] == ({}, {})
    assert learner.calls == ["generate", "encode", "reward"]
    learner.blind_at = set(range(9))
    env.reset()
    assert env.step({}).infos == {}


def test_nothing_is_left_over_from_another_episode() -> None:
    learner, other = Learner("L"), Learner("M")
    env = fsm_of([learner, other], [stage("A", ["L", "M"], ["A"], ["L"])], num_steps=2)
    env.reset()
    env.step({})
    first = env.step({})
    assert set(first.observations) == {"L", "M"}
    kept = [dict(part) for part in first]
    other.blind_at = {0, 1, 2}
    env.reset()
    assert (env.previous_stage, env.current_stage) == (None, "A")
    env.step({})
    assert set(env.step({}).observations) == {"L"}
    assert [dict(part) for part in first] == kept  # a result is not changed afterwards


def test_only_acting_agents_act_in_the_order_of_the_list() -> None:
    order: list[Any] = []

    class Noting(Plain):
        def generate_messages(self, ctx: ph.Context) -> Any:
            order.append(self.id)

    env = fsm_of([Noting("A"), Noting("B"), Noting("C"), Learner("L")], [stage("S", ["C", "A"], ["S"])])
    env.reset()
    env.step({})
    assert order == ["C", "A"]


def test_a_plain_function_gets_the_env_and_a_bound_method_nothing() -> None:
    got: list[Any] = []

    class Own(ph.FiniteStateMachineEnv):
        def __init__(self) -> None:
            stages = [
                stage("A", ["L"], ["B"], handler=handle_a),
                stage("B", ["L"], ["A"], handler=self.handle_b),
            ]
            super().__init__(9, ph.Network([Learner("L")]), "A", stages=stages)

        def handle_b(self) -> str:
            got.append("b")
            self.resolve_network()
            return "A"

    def handle_a(env: Any) -> str:
        got.append(type(env))
        env.resolve_network()
        return "B"

    env = Own()
    env.reset()
    env.step({})
    env.step({})
    assert got == [Own, "b"]


def test_messages_are_resolved_by_the_handler() -> None:
    def lazy(_: Any) -> str:
        return "A"

    plain = Plain("P")
    agents = [Learner("L", greets="P"), plain]
    env = ph.FiniteStateMachineEnv(
        3, ph.Network(agents, connections=[("L", "P")]), "A", stages=[stage("A", ["L"], ["A"], handler=lazy)]
    )
    env.reset()
    env.step({"L": 1})
    assert plain.calls == []
    assert len(env.network.resolver.messages["P"]) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("nowhere", ["C", None])
def test_a_stage_may_only_go_where_it_said(nowhere: Any) -> None:
    def handler(env: Any) -> Any:
        env.resolve_network()
        return nowhere

    env = fsm_of([Learner("L")], [stage("A", [], ["A", "B"], handler=handler), stage("B", [], ["A"])])
    env.reset()
    with pytest.raises(FSMRuntimeError, match="invalid transition from 'A'"):
        env.step({})


def test_a_stage_called_none_ends_an_episode() -> None:
    learner, other = Learner("L"), Learner("M")
    stages = [stage("A", ["L"], [None], ["L"]), stage(None, [], [None], [])]
    env = fsm_of([learner, other], stages)
    env.reset()
    step = env.step({"L": 1})
    assert (step.observations, step.rewards) == ({}, {"L": 10.0, "M": None})
    assert env.current_stage is None


def test_a_terminated_agent_is_asked_no_more() -> None:
    odd, _, env = odd_even(num_steps=9)
    odd.terminates_at = 1
    env.reset()
    assert env.step({"odd": 1}).terminations == {"odd": True, "even": False, **NO_END}
    odd.calls.clear()
    step = env.step({"even": 1})
    assert (step.observations, step.terminations) == ({}, {"even": False, **NO_END})
    assert env.step({"odd": 5}).observations == {"even": 3}
    assert odd.calls == []


def test_a_machine_may_be_stepped_without_reset_and_past_its_end() -> None:
    env = odd_even(num_steps=1)[2]
    assert env.step({}).truncations["__all__"]
    step = env.step({"even": 7})
    assert (env.previous_stage, env["even"].calls[-2:]) == ("EVEN", [("decode", 7), "reward"])  # type: ignore[attr-defined]
    assert not step.truncations["__all__"]


def test_acting_agents_may_change_during_an_episode() -> None:
    changing = stage("A", ["L"], ["A"])
    env = fsm_of([Learner("L"), Learner("M")], [changing])
    env.reset()
    env.step({"L": 1})
    changing.acting_agents = ["M"]
    env["L"].calls.clear()  # type: ignore[attr-defined]
    env.step({"L": 1, "M": 2})  # the turn was made before the change
    env.step({"L": 1, "M": 2})
    assert ("decode", 2) in env["M"].calls  # type: ignore[attr-defined]


def test_what_was_seen_last_is_kept_on_the_env() -> None:
    env = odd_even()[2]
    env.reset()
    assert (env._rewards, env._observations, env._infos) == ({"odd": None, "even": None}, {}, {})
    env.step({"odd": 1})
    assert (env._rewards, env._observations) == ({"odd": 10.0, "even": None}, {"even": 1})


# ---------------------------------------------------------------- leaders and followers


def stackelberg(num_steps: int = 4, *more: Any) -> tuple[Learner, Learner, ph.StackelbergEnv]:
    leader, follower = Learner("L"), Learner("F")
    network = ph.Network([leader, follower, *more])
    return leader, follower, ph.StackelbergEnv(num_steps, network, ["L"], ["F"])


def test_leaders_and_followers_have_to_exist_and_be_different() -> None:
    network = ph.Network([Learner("L"), Learner("F")])
    with pytest.raises(AssertionError, match="'X' not in network"):
        ph.StackelbergEnv(3, network, ["X"], ["F"])
    with pytest.raises(AssertionError, match="'X' not in network"):
        ph.StackelbergEnv(3, network, ["L"], ["X"])
    with pytest.raises(AssertionError, match="both leader and follower"):
        ph.StackelbergEnv(3, network, ["L", "F"], ["F"])
    env = ph.StackelbergEnv(3, network, ["L"], ["F"])
    assert (env.leader_agents, env.follower_agents) == (["L"], ["F"])


def test_leaders_are_rewarded_when_they_observe_again() -> None:
    leader, follower, env = stackelberg(num_steps=3)
    assert env.reset() == ({"L": 0}, {})
    leader.calls.clear()
    step = env.step({"L": 1, "F": 9})
    assert (step.observations, step.rewards) == ({"F": 1}, {})  # it was never rewarded
    assert step.infos == {"F": {"seen": ph.EnvView(1, 1 / 3)}}
    assert (leader.calls, follower.calls) == ([("decode", 1), "reward"], ["encode"])
    step = env.step({"F": 2})
    assert (step.observations, step.rewards) == ({"L": 2}, {"L": 10.0})
    last = env.step({"L": 3})
    assert last.observations == {"F": 3}
    assert last.rewards == {"L": 30.0, "F": 20.0}
    assert set(last.infos) == {"F"}
    assert last.truncations == {"L": False, "F": False, "__all__": True}


def test_the_last_step_returns_none_for_who_was_never_rewarded() -> None:
    env = stackelberg(num_steps=1)[2]
    env.reset()
    last = env.step({"L": 1})
    assert last.rewards == {"L": 10.0, "F": None}
    env.reset()
    assert last.rewards == {"L": 10.0, "F": None}


def test_agents_in_neither_list_only_answer() -> None:
    plain = Plain("P")
    leader, follower, env = stackelberg(4, plain)
    leader.greets = "P"
    env.network.add_connection("L", "P")
    env.reset()
    env.step({"L": 1})
    env.step({"F": 1})
    assert plain.calls == ["hello"]
    assert follower.calls.count("generate") == 0


def test_plain_agents_may_lead() -> None:
    plain = Plain("P")
    env = ph.StackelbergEnv(4, ph.Network([plain, Learner("F")]), ["P"], ["F"])
    assert env.reset() == ({}, {})
    assert env.step({}).observations == {"F": 1}
    assert env.step({"F": 1}).observations == {}
    assert plain.calls == ["generate"]


def test_the_alternation_follows_the_number_of_the_step() -> None:
    leader, follower, env = stackelberg(num_steps=1)
    env.step({"L": 1})
    env.step({"F": 2})
    env.step({"L": 3})
    assert [c for c in leader.calls if c[0] == "decode"] == [("decode", 1), ("decode", 3)]
    assert [c for c in follower.calls if c[0] == "decode"] == [("decode", 2)]
