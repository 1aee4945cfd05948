"""Envs that go from stage to stage: who acts, observes and is paid, and which machines are refused."""

import copy
import functools
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest

import phantom_core as ph

ALL = "__all__"


class Player(ph.StrategicAgent):
    """Observes the step, and earns ten times as much in each step: 10, 100, 1000."""

    def encode_observation(self, ctx: ph.Context) -> int:
        return ctx.env_view.current_step

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        """Send nothing."""

    def compute_reward(self, ctx: ph.Context) -> float:
        return 10.0**ctx.env_view.current_step


class Watcher(Player):
    """Observes the stage that it sees."""

    def encode_observation(self, ctx: ph.Context) -> Any:
        assert isinstance(ctx.env_view, ph.FSMEnvView)
        return ctx.env_view.stage


class Crowd(ph.Agent):
    """A plain agent that counts how often it was asked for messages."""

    asked = 0

    def generate_messages(self, ctx: ph.Context) -> None:
        self.asked += 1


def network(*extra: ph.Agent) -> ph.Network:
    return ph.Network([Player("A"), Player("B"), *extra])


def make_env(*stages: ph.FSMStage, num_steps: int | None = None, extra: tuple[ph.Agent, ...] = ()) -> Any:
    return ph.FiniteStateMachineEnv(num_steps, network(*extra), stages[0].id, stages=stages)


def message_of(refuse: Callable[[], object], error: type[Exception] = ph.errors.ConfigError) -> str:
    with pytest.raises(error) as caught:
        refuse()
    return str(caught.value)


# ---------------------------------------------------------------------- who acts, observes and is paid


def test_the_acting_agents_of_a_stage_are_rewarded_and_those_who_act_next_observe() -> None:
    env = make_env(ph.FSMStage("a", ["A"], next_stages=["b"]), ph.FSMStage("b", ["B"], next_stages=["a"]))
    assert env.reset(1)[0] == {"A": 0}
    first = env.step({"A": 0})
    assert (first.observations, first.rewards) == ({"B": 1}, {})
    second = env.step({"B": 0})
    assert (second.observations, second.rewards) == ({"A": 2}, {"A": 10.0})
    third = env.step({"A": 0})
    assert (third.observations, third.rewards) == ({"B": 3}, {"B": 100.0})


def test_a_stage_may_reward_others_than_those_who_act() -> None:
    env = make_env(
        ph.FSMStage("a", ["A"], ["A", "B"], next_stages=["b"]), ph.FSMStage("b", ["B"], [], next_stages=["a"])
    )
    env.reset(1)
    assert env.step({"A": 0}).rewards == {"B": 10.0}
    assert env.step({"B": 0}).rewards == {"A": 10.0}


def test_an_agent_rewarded_in_three_stages_that_observes_once_gets_the_sum() -> None:
    stages = [
        ph.FSMStage(0, ["A"], ["B"], next_stages=[1]),
        ph.FSMStage(1, ["A"], ["B"], next_stages=[2]),
        ph.FSMStage(2, ["A"], ["B"], next_stages=[3]),
        ph.FSMStage(3, ["B"], [], next_stages=[0]),
    ]
    env = make_env(*stages)
    env.reset(1)
    assert [env.step({"A": 0}).rewards for _ in range(3)] == [{}, {}, {"B": 10.0 + 100.0 + 1000.0}]


def test_each_reward_is_paid_once_also_at_the_end() -> None:
    env = make_env(ph.FSMStage("a", ["A"], ["A"], next_stages=["a"]), num_steps=3)
    env.reset(1)
    assert [env.step({"A": 0}).rewards for _ in range(3)] == [{"A": 10.0}, {"A": 100.0}, {"A": 1000.0}]


def test_a_stage_for_everybody_rewards_everybody() -> None:
    env = make_env(ph.FSMStage("all", None, next_stages=["all"]))
    assert env.reset(1)[0] == {"A": 0, "B": 0}
    assert env.step({"A": 0, "B": 0}).rewards == {"A": 10.0, "B": 10.0}
    assert env.acting_agent_ids is None


def test_only_the_agents_of_a_stage_generate_messages() -> None:
    crowd = Crowd("C")
    env = make_env(
        ph.FSMStage("a", ["C", "A"], next_stages=["b"]),
        ph.FSMStage("b", ["B"], next_stages=["a"]),
        extra=(crowd,),
    )
    env.reset(1)
    assert env.acting_agent_ids == ("C", "A")
    for _ in range(4):
        env.step({"A": 0, "B": 0})
    assert crowd.asked == 2


def test_a_stage_may_select_agents_by_class_or_function_also_those_that_join_later() -> None:
    stage = ph.FSMStage("all", acting_agents=["B", Crowd, lambda agent: agent.id == "A"], next_stages=["all"])
    env = make_env(stage, extra=(Crowd("C"),))
    env.reset(1)
    assert env.acting_agent_ids == ("B", "C", "A")
    assert env.turn.rewarded == ("B", "A")
    env.network.add_agent(Crowd("D"))
    env.step({})
    assert env.acting_agent_ids == ("B", "C", "D", "A")


def test_a_single_rule_needs_no_list() -> None:
    env = make_env(ph.FSMStage("all", Player, Player, next_stages=["all"]))
    env.reset(1)
    assert env.turn == ph.Turn("all", ("A", "B"), ("A", "B"))


# ---------------------------------------------------------------------- from stage to stage


class Light(Enum):
    RED = 0
    GREEN = 1


@pytest.mark.parametrize(
    "ids", [(0, 1), ("", "x"), (Light.RED, Light.GREEN), (("a", 1), frozenset())], ids=str
)
def test_a_stage_id_may_be_anything_hashable(ids: tuple[Any, Any]) -> None:
    one, two = ids
    env = make_env(ph.FSMStage(one, ["A"], next_stages=[two]), ph.FSMStage(two, ["B"], next_stages=[one]))
    assert (env.initial_stage, env.current_stage, env.previous_stage) == (one, None, None)
    env.reset(1)
    assert (env.current_stage, env.previous_stage) == (one, None)
    env.step({})
    assert (env.current_stage, env.previous_stage) == (two, one)
    env.step({})
    assert (env.current_stage, env.previous_stage) == (one, two)
    env.reset(1)
    assert (env.current_stage, env.previous_stage) == (one, None)


def test_agents_see_the_stage_that_is_being_played_also_when_they_observe() -> None:
    stages = [ph.FSMStage("a", ["W"], next_stages=["b"]), ph.FSMStage("b", ["W"], next_stages=["a"])]
    env = ph.FiniteStateMachineEnv(None, ph.Network([Watcher("W")]), "a", stages=stages)
    assert env.reset(1)[0] == {"W": "a"}
    assert env.step({}).observations == {"W": "a"}
    assert env.step({}).observations == {"W": "b"}
    assert env.reset(1)[0] == {"W": "a"}


class Shop(ph.FiniteStateMachineEnv):
    """Two stages with handlers of its own, and a property that would fail while the env is built."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(None, network(), "open", **kwargs)

    @property
    def fragile(self) -> int:
        raise AssertionError

    @ph.FSMStage("open", ["A"], next_stages=["open", "closed"])
    def trade(self) -> str:
        self.resolve_network()
        return "closed" if self.current_step == 2 else "open"

    @ph.FSMStage("closed", ["B"], next_stages=["open"])
    def rest(self) -> str:
        return "open"


def test_decorated_methods_choose_the_next_stage() -> None:
    env = Shop()
    env.reset(1)
    stages = []
    for _ in range(4):
        stages.append(env.current_stage)
        env.step({})
    assert stages == ["open", "open", "closed", "open"]
    assert not env.is_fsm_deterministic()


def test_decorated_methods_and_listed_stages_may_be_mixed() -> None:
    class Mixed(ph.FiniteStateMachineEnv):
        @ph.FSMStage("a", ["A"], next_stages=["b"])
        def go(self) -> str:
            return "b"

    env = Mixed(None, network(), "a", stages=[ph.FSMStage("b", ["B"], next_stages=["a"])])
    env.reset(1)
    env.step({})
    assert env.current_stage == "b"
    assert env.is_fsm_deterministic()


def test_a_method_that_overrides_a_decorated_one_takes_its_place() -> None:
    class Lazy(Shop):
        def trade(self) -> str:
            return "closed"

    class Other(Shop):
        @ph.FSMStage("open", ["B"], next_stages=["closed"])
        def trade(self) -> str:
            return "closed"

    lazy, other = Lazy(), Other()
    assert lazy.reset(1)[0] == {"A": 0}
    lazy.step({})
    assert lazy.current_stage == "closed"
    assert other.reset(1)[0] == {"B": 0}


def test_two_envs_of_one_class_do_not_share_their_stages() -> None:
    one, two = Shop(), Shop()
    one.reset(1)
    two.reset(1)
    for _ in range(2):
        one.step({})
    assert (one.current_stage, two.current_stage) == ("closed", "open")
    two.step({})
    assert (one.current_step, two.current_step) == (2, 1)


def test_a_copy_of_an_env_plays_on_its_own() -> None:
    env = Shop()
    env.reset(1)
    env.step({})
    twin = copy.deepcopy(env)
    twin.step({})
    assert (env.current_stage, twin.current_stage) == ("open", "closed")
    assert (env.current_step, twin.current_step) == (1, 2)
    env.step({})
    assert env.current_stage == "closed"


def stay(env: ph.FiniteStateMachineEnv) -> str:
    assert isinstance(env, ph.FiniteStateMachineEnv)
    return "a"


class Stay:
    def __call__(self, env: ph.FiniteStateMachineEnv) -> str:
        return stay(env)

    def method(self, env: ph.FiniteStateMachineEnv) -> str:
        return stay(env)

    def bare(self) -> str:
        return "a"


def stay_put(env: ph.FiniteStateMachineEnv, where: str) -> str:
    return where if env else ""


@pytest.mark.parametrize(
    "handler",
    [
        stay,
        Stay(),
        Stay().method,
        Stay().bare,
        lambda: "a",
        lambda env: env.current_stage,
        lambda *_: "a",
        functools.partial(stay_put, where="a"),
        functools.partial(lambda where: where, "a"),
    ],
)
def test_a_handler_may_be_anything_that_can_be_called_with_or_without_the_env(handler: Any) -> None:
    env = make_env(ph.FSMStage("a", ["A"], next_stages=["a"], handler=handler))
    env.reset(1)
    env.step({})
    assert env.current_stage == "a"


@ph.msg_payload()
class Note:
    """Is counted."""


class Writer(Player):
    received = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:  # type: ignore[override]
        return [("W", Note())]

    @ph.msg_handler(Note)
    def count(self, ctx: ph.Context, message: ph.Message[Note]) -> None:
        self.received += 1


@pytest.mark.parametrize("resolves", [True, False])
def test_messages_are_resolved_in_their_step_by_the_handler_or_after_it(resolves: bool) -> None:  # noqa: FBT001  a case
    seen: list[int] = []

    def handler(env: ph.FiniteStateMachineEnv) -> str:
        if resolves:
            env.resolve_network()
        seen.append(env["W"].received)  # type: ignore[attr-defined]
        return "a"

    world = ph.Network([Writer("W")], connections=[("W", "W")])
    stages = [ph.FSMStage("a", ["W"], next_stages=["a"], handler=handler)]
    env = ph.FiniteStateMachineEnv(None, world, "a", stages=stages)
    env.reset(1)
    for count in (1, 2):
        env.step({"W": 0})
        assert env["W"].received == count  # type: ignore[attr-defined]
    assert seen == ([1, 2] if resolves else [0, 1])


def test_a_handler_ends_the_episode_by_returning_none_if_its_stage_allows_it() -> None:
    env = make_env(ph.FSMStage("a", ["A"], next_stages=["a", None], handler=lambda: None))
    env.reset(1)
    assert env.step({}).terminations == {"A": True, "B": True, ALL: True}
    assert (env.current_stage, env.previous_stage) == (None, "a")
    last = make_env(ph.FSMStage("a", ["A"], next_stages=[None]))
    last.reset(1)
    assert last.step({}).terminations[ALL]


@pytest.mark.parametrize(
    ("found", "advice"),
    [("bid", "Return one of those"), (None, "Let its handler return one of those")],
)
def test_a_stage_that_moves_where_it_may_not_is_an_error(found: object, advice: str) -> None:
    env = make_env(
        ph.FSMStage("lead", ["A"], next_stages=["follow"], handler=lambda: found),
        ph.FSMStage("follow", ["B"], next_stages=["lead"]),
    )
    env.reset(1)
    with pytest.raises(ph.errors.StageError) as caught:
        env.step({})
    assert str(caught.value) == (
        f"Stage 'lead' moved to {found!r}, which is not one of its next stages: 'follow'. {advice}, or add "
        "it to next_stages."
    )
    assert (caught.value.stage, caught.value.next_stage, caught.value.allowed) == ("lead", found, ("follow",))
    with pytest.raises(ph.errors.EpisodeError):
        env.step({})


# ---------------------------------------------------------------------- between episodes


def test_what_a_step_returned_is_not_changed_by_later_episodes() -> None:
    env = make_env(ph.FSMStage("a", None, next_stages=["a"]), num_steps=2)
    env.reset(1)
    env.step({})
    last = env.step({})
    before = copy.deepcopy(last)
    env.reset(2)
    env.step({})
    assert last == before


def test_the_end_of_a_short_episode_holds_nothing_of_a_longer_one() -> None:
    class Env(ph.FiniteStateMachineEnv):
        length = 4

        def is_terminated(self) -> bool:
            return self.current_step == self.length

    stages = [ph.FSMStage("a", ["A"], next_stages=["b"]), ph.FSMStage("b", ["B"], next_stages=["a"])]
    env = Env(None, network(), "a", stages=stages)
    env.reset(1)
    for _ in range(4):
        env.step({})
    env.length = 1
    env.reset(1)
    last = env.step({})
    assert (last.observations, last.rewards) == ({"B": 1}, {"A": 10.0})


# ---------------------------------------------------------------------- what is refused


def go(
    stage_id: Any = "a", acting: Any = ("A",), rewarded: Any = None, next_stages: Any = ("a",), **kwargs: Any
) -> Any:
    return ph.FSMStage(stage_id, acting, rewarded, next_stages, **kwargs)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "no stage": (
        lambda: ph.FiniteStateMachineEnv(1, network(), "a"),
        "A FiniteStateMachineEnv got no stage. Decorate a method with FSMStage, or give stages=[...].",
    ),
    "id None": (
        lambda: make_env(go(None)),
        "A stage got the id None, which stands for the end of the episode. Use another id.",
    ),
    "two of one id": (
        lambda: make_env(go("a"), go("a")),
        "Several stages have the id 'a'. Give each stage its own id.",
    ),
    "decorated and listed": (
        lambda: Shop(stages=[go("open")]),
        "Several stages have the id 'open'. Give each stage its own id.",
    ),
    "unknown initial stage": (
        lambda: ph.FiniteStateMachineEnv(1, network(), "bids", stages=[go("bid", next_stages=["bid"])]),
        "The initial stage 'bids' does not exist. Did you mean 'bid'? Stages: 'bid'.",
    ),
    "unknown next stage": (
        lambda: make_env(go("bid", next_stages=["bidd", "x"], handler=lambda: "x")),
        "Stage 'bid' has unknown next stages: 'bidd', 'x'. Did you mean 'bid'? Stages: 'bid'.",
    ),
    "no next stage": (
        lambda: make_env(go(next_stages=None)),
        "Stage 'a' has no handler and 0 next stages: none. Expected exactly one, or a handler that chooses.",
    ),
    "a choice without a handler": (
        lambda: make_env(go(next_stages=["a", "b"]), go("b")),
        (
            "Stage 'a' has no handler and 2 next stages: 'a', 'b'. Expected exactly one, or a handler that "
            "chooses."
        ),
    ),
    "a handler without a choice": (
        lambda: make_env(go(next_stages=[], handler=lambda: "a")),
        "Stage 'a' has no next stage. Name in next_stages every id that its handler returns.",
    ),
    "out of reach": (
        lambda: make_env(go("a"), go("b", next_stages=["c"]), go("c", next_stages=["b"])),
        (
            "Stages that cannot be reached from the initial stage 'a': 'b', 'c'. Name them in the "
            "next_stages of a stage that can be reached, or remove them."
        ),
    ),
    "unknown acting agents": (
        lambda: make_env(go(acting=["A", "X", "Y"])),
        (
            "Stage 'a' names in acting_agents 'X', 'Y', but the network has no such agent. Its agents: 'A', "
            "'B'. Select those that join later by their class or by a function."
        ),
    ),
    "unknown rewarded agents": (
        lambda: make_env(go(rewarded=["X"])),
        (
            "Stage 'a' names in rewarded_agents 'X', but the network has no such agent. Its agents: 'A', "
            "'B'. Select those that join later by their class or by a function."
        ),
    ),
    "a reward for a plain agent": (
        lambda: make_env(go(rewarded=["C"]), extra=(Crowd("C"),)),
        (
            "Stage 'a' names in rewarded_agents 'C', but only a StrategicAgent can be there. Leave them out, "
            "or change their class."
        ),
    ),
    "an agent twice": (
        lambda: go(acting=["A", "B", "A"]),
        "Stage 'a' got 'A' twice in acting_agents. Name each one once.",
    ),
    "an id for a list": (
        lambda: go(acting="SHOP"),
        "Stage 'a' got acting_agents='SHOP'. Expected a list: write ['SHOP'].",
    ),
    "a stage id that is not hashable": (
        lambda: go(["a"]),
        "A stage got the id ['a'], which is not hashable. Use a str, an int or an Enum.",
    ),
    "an agent id that is not hashable": (
        lambda: go(acting=["A", ["B"]]),
        "Stage 'a' names in acting_agents ['B'], which is not hashable. Use a str, an int or an Enum.",
    ),
    "no stage among the stages": (
        lambda: ph.FiniteStateMachineEnv(1, network(), "a", stages=["a"]),  # type: ignore[list-item]
        "A FiniteStateMachineEnv got the stage 'a'. Expected an FSMStage object.",
    ),
    "a stage for a list": (
        lambda: go(next_stages=0),
        "Stage 'a' got next_stages=0. Expected a list: write [0].",
    ),
    "a handler that is none": (
        lambda: make_env(go(handler="a")),
        "Stage 'a' got handler='a'. Expected a function that returns a stage id.",
    ),
    "a handler that needs more": (
        lambda: make_env(go(handler=stay_put)),
        (
            "Stage 'a' got a handler that needs 'env', 'where'. Expected a function of the env alone, or one "
            "without arguments."
        ),
    ),
    "a decorated method with two stages": (
        lambda: go()(go("b")(stay)),
        (
            "Stage 'a' cannot decorate stay: the stage already has a handler, or the method already belongs "
            "to a stage. Give each stage one handler, and each handler one stage."
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_machine_that_cannot_be_played_is_refused_when_it_is_built(case: str) -> None:
    refuse, message = REFUSED[case]
    try:
        assert message_of(refuse) == message
    finally:
        vars(stay).clear()  # what the decorator noted


def test_agents_of_a_network_that_is_built_in_on_reset_are_looked_for_at_the_first_reset() -> None:
    class Env(ph.FiniteStateMachineEnv):
        def on_reset(self) -> None:
            self.network = ph.Network([Player("X")])

    env = Env(2, ph.Network(), "a", stages=[go(acting=["X"])])
    assert env.reset(1)[0] == {"X": 0}
    assert env.reset(1)[0] == {"X": 0}
    wrong = Env(2, ph.Network(), "a", stages=[go(acting=["Y"])])
    assert message_of(lambda: wrong.reset(1)).startswith("Stage 'a' names in acting_agents 'Y', but")
