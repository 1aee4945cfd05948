"""§1.9 of the predecessor: contexts are those of the start of a step, and whose views are asked for, when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom as ph


@ph.msg_payload()
class Tick:
    """Something to handle."""


@dataclass(frozen=True)
class PriceView(ph.AgentView):
    price: float


@dataclass(frozen=True)
class TotalView(ph.EnvView):
    total: float


class Priced(ph.Agent):
    """Shows a price that rises by one in each step, and notes who asks for it."""

    def __init__(self, agent_id: str, price: float = 1.0) -> None:
        super().__init__(agent_id)
        self.price = price
        self.asked_by: list[Any] = []
        self.calls: list[str] = []

    def view(self, neighbour_id: Any = None) -> PriceView:
        self.asked_by.append(neighbour_id)
        return PriceView(self.price)

    def pre_message_resolution(self, ctx: ph.Context) -> None:
        self.calls.append("pre")

    def post_message_resolution(self, ctx: ph.Context) -> None:
        self.calls.append("post")
        self.price += 1

    @ph.agents.msg_handler(Tick)
    def on_tick(self, ctx: ph.Context, message: ph.Message[Tick]) -> None:
        self.calls.append("tick")


class Seer(Priced, ph.StrategicAgent):
    """Observes what it sees of its neighbours, by id, and the env's view."""

    observation_space = action_space = gym.spaces.Discrete(9)
    terminates_at = -1

    def decode_action(self, ctx: ph.Context, action: Any) -> Any:
        return []

    def encode_observation(self, ctx: ph.Context) -> Any:
        seen: dict[Any, Any] = dict(ctx.agent_views)
        prices = {i: view.price for i, view in seen.items() if view is not None}
        return ctx.neighbour_ids, prices, getattr(ctx.env_view, "total", None)

    def compute_reward(self, ctx: ph.Context) -> float:
        return 0.0

    def is_terminated(self, ctx: ph.Context) -> bool:
        return ctx.env_view.current_step == self.terminates_at


class TotalEnv(ph.PhantomEnv):
    """Its view is the sum of the prices of all its agents."""

    def view(self, agent_views: Any) -> TotalView:
        plain = super().view(agent_views)
        total = sum(agent_views[agent_id].price for agent_id in self.agent_ids)
        return TotalView(plain.current_step, plain.proportion_time_elapsed, total)


def first_to_end(env_class: type[ph.PhantomEnv], *others: ph.Agent) -> Any:
    ending = Seer("a", 1.0)
    ending.terminates_at = 1
    network = ph.Network([ending, Seer("b", 10.0), *others], connections=[("a", "b")])
    return env_class(5, network)


# ---------------------------------------------------------------- agents that ended


def test_an_agent_that_ended_is_still_among_the_views_of_the_env() -> None:
    env = first_to_end(TotalEnv)
    env.reset()
    env.step({})
    assert env.step({}).observations["b"] == (["a"], {"a": 2.0}, 13.0)
    assert env.step({}).observations["b"] == (["a"], {"a": 2.0}, 14.0)  # it has no part in a step any more


@pytest.mark.parametrize("kind", ["plain", "without a view"])
def test_views_of_the_env_are_by_id_of_every_agent(kind: str) -> None:
    keys: list[Any] = []

    class Noting(ph.PhantomEnv):
        def view(self, agent_views: Any) -> ph.EnvView:
            keys.append({i: view is not None for i, view in agent_views.items()})
            return super().view(agent_views)

    env = first_to_end(Noting, Priced("c") if kind == "plain" else ph.Agent("c"))
    env.reset()
    for _ in range(3):
        env.step({})
    assert keys == [{"a": True, "b": True, "c": kind == "plain"}] * 4
    assert [list(own) for own in keys] == [["a", "b", "c"]] * 4


def test_ends_that_are_set_from_outside_leave_the_views_of_the_env_alone() -> None:
    env = first_to_end(TotalEnv)
    env._truncations = {"a"}
    assert env.step({}).observations == {"b": (["a"], {"a": 1.0}, 11.0)}


def test_every_view_is_asked_once_in_the_step_after_an_end() -> None:
    env = first_to_end(TotalEnv, Priced("c", 0.0))
    env.network.add_connection("b", "c")
    env.reset()
    env.step({})
    for agent in env.agents.values():
        agent.asked_by.clear()
    env.step({})
    assert {i: agent.asked_by for i, agent in env.agents.items()} == {
        "a": [None, "b"],
        "b": [None, "c"],  # nobody asks for those that `a` saw
        "c": [None, "b"],
    }


def test_every_view_is_asked_once_in_the_step_after_a_change_of_the_network() -> None:
    env = TotalEnv(5, ph.Network([Seer("a"), Priced("b")], connections=[("a", "b")]))
    env.reset()
    env.network.add_agent(Priced("c"))
    env.network.add_connection("a", "c")
    env["b"].asked_by.clear()  # type: ignore[attr-defined]
    env.step({})
    assert (env["b"].asked_by, env["c"].asked_by) == ([None, "a"], [None, "a"])  # type: ignore[attr-defined]


# ---------------------------------------------------------------- who is asked at reset


class Drawing(Seer):
    """Its view, and what it observes, are draws from the global generator."""

    def view(self, neighbour_id: Any = None) -> PriceView:
        self.asked_by.append(neighbour_id)
        return PriceView(float(np.random.random()))

    def encode_observation(self, ctx: ph.Context) -> Any:
        return float(np.random.random())


def machine(acting: Any, agents: Any, connections: Any = ()) -> ph.FiniteStateMachineEnv:
    stages = [ph.FSMStage("A", acting, acting, ["B"]), ph.FSMStage("B", ["c"], ["c"], ["A"])]
    return ph.FiniteStateMachineEnv(9, ph.Network(agents, connections=connections), "A", stages=stages)


def leading(leaders: Any, agents: Any, connections: Any = ()) -> ph.StackelbergEnv:
    return ph.StackelbergEnv(9, ph.Network(agents, connections=connections), leaders, ["c"])


@pytest.mark.parametrize("make", [machine, leading])
def test_those_who_act_first_observe_in_the_order_of_the_list(make: Any) -> None:
    env = make(["b", "a"], [Drawing("a"), Drawing("b"), Drawing("c")])
    np.random.seed(3)
    _views = np.random.random(3)  # of the agents for the env
    drawn = {"b": np.random.random(), "a": np.random.random()}
    np.random.seed(3)
    observations, _ = env.reset()
    assert observations == drawn
    assert list(observations) == ["b", "a"]


@pytest.mark.parametrize("make", [machine, leading])
def test_plain_agents_in_the_list_do_not_observe(make: Any) -> None:
    env = make(["p", "b", "a"], [Seer("a"), Seer("b"), Seer("c"), Priced("p")])
    assert list(env.reset()[0]) == ["b", "a"]


@pytest.mark.parametrize("make", [machine, leading])
def test_in_a_step_agents_observe_in_the_order_of_the_network(make: Any) -> None:
    env = make(["b", "a"], [Seer("a"), Seer("b"), Seer("c")])
    env.reset()
    env.step({})
    assert list(env.step({}).observations) == ["a", "b"]


@pytest.mark.parametrize("make", [machine, leading])
def test_a_reset_asks_only_for_the_views_that_somebody_observes(make: Any) -> None:
    agents = [Seer("a"), Seer("b"), Seer("c"), Priced("p")]
    env = make(["b", "a"], agents, [("a", "p"), ("b", "p"), ("c", "p"), ("a", "c")])
    for agent in agents:
        agent.asked_by.clear()
    env.reset()
    assert {agent.id: agent.asked_by for agent in agents} == {
        "a": [None],  # neither `c` nor `p` observes
        "b": [None],
        "c": [None, "a"],
        "p": [None, "b", "a"],
    }


def test_a_reset_of_a_plain_env_asks_for_what_strategic_agents_see() -> None:
    agents = [Priced("p"), Seer("a"), Seer("b")]
    env = ph.PhantomEnv(9, ph.Network(agents, connections=[("p", "a"), ("a", "b")]))
    for agent in agents:
        agent.asked_by.clear()
    env.reset()
    assert [agent.asked_by for agent in agents] == [[None, "a"], [None, "b"], [None, "a"]]


def test_draws_of_views_at_a_reset_do_not_shift_the_episode() -> None:
    agents = [Drawing("a"), Priced("p"), Drawing("c")]
    env = leading(["a"], agents, [("p", "c"), ("a", "c"), ("p", "a")])
    np.random.seed(5)
    np.random.random(2)  # two views for the env
    np.random.random()  # `a` sees `c`
    first = np.random.random()
    np.random.seed(5)
    assert env.reset()[0] == {"a": first}


def test_own_contexts_ask_for_the_views_of_their_own_neighbours() -> None:
    agents = [Seer("a"), Seer("b"), Priced("p")]
    env = ph.PhantomEnv(9, ph.Network(agents, connections=[("a", "p"), ("b", "p")]))
    env.reset()
    for agent in agents:
        agent.asked_by.clear()
        agent.calls.clear()
    env._make_ctxs(["b"])
    env.resolve_network()
    assert [agent.asked_by for agent in agents] == [[None], [None], [None, "b"]]
    assert [agent.calls for agent in agents] == [[], ["pre", "post"], []]
    assert list(env._ctxs) == ["b"]


def test_after_a_reset_there_are_contexts_of_those_who_observed() -> None:
    env = machine(["b", "a"], [Seer("a"), Seer("b"), Seer("c")])
    env.reset()
    assert list(env._ctxs) == ["b", "a"]
    env.step({})
    assert list(env._ctxs) == ["a", "b", "c"]


# ---------------------------------------------------------------- changes during a step


class Changing(ph.PhantomEnv):
    """Changes its network at step 2, before or after the messages."""

    def __init__(self, when: str, change: Any) -> None:
        agents = [Seer("a"), Priced("b", 5.0), Priced("c", 7.0)]
        super().__init__(9, ph.Network(agents, connections=[("a", "b")]))
        self.when, self.change = when, change

    def pre_message_resolution(self) -> None:
        super().pre_message_resolution()
        if self.when == "pre" and self.current_step == 2:
            self.change(self.network)

    def post_message_resolution(self) -> None:
        if self.when == "post" and self.current_step == 2:
            self.change(self.network)
        super().post_message_resolution()


def connect(network: ph.Network) -> None:
    network.add_connection("a", "c")


def disconnect(network: ph.Network) -> None:
    network.remove_connection("a", "b")


def add(network: ph.Network) -> None:
    network.add_agent(Priced("d", 9.0))
    network.add_connection("a", "d")


@pytest.mark.parametrize("when", ["pre", "post"])
@pytest.mark.parametrize(
    ("change", "later"),
    [
        (connect, (["b", "c"], {"b": 7.0, "c": 9.0}, None)),
        (disconnect, ([], {}, None)),
        (add, (["b", "d"], {"b": 7.0, "d": 9.0}, None)),
    ],
)
def test_a_change_during_a_step_shows_in_the_next_one(when: str, change: Any, later: Any) -> None:
    env = Changing(when, change)
    env.reset()
    assert env.step({}).observations["a"] == (["b"], {"b": 5.0}, None)
    env["b"].asked_by.clear()  # type: ignore[attr-defined]
    assert env.step({}).observations["a"] == (["b"], {"b": 6.0}, None)
    assert env["b"].asked_by == [None, "a"]  # type: ignore[attr-defined]
    assert env.step({}).observations["a"] == later


def test_an_agent_that_joins_during_a_step_has_no_part_in_it() -> None:
    class Inviting(Priced):
        def generate_messages(self, ctx: ph.Context) -> Any:
            if ctx.env_view.current_step == 1:
                env.network.add_agent(Priced("c"))
                env.network.add_connection("b", "c")
            return [("c", Tick())]

    env = ph.PhantomEnv(9, ph.Network([Seer("a"), Inviting("b")]))
    env.reset()
    env.step({})
    assert env["c"].calls == []  # type: ignore[attr-defined]  # a message to who has no context is dropped
    env.step({})
    assert env["c"].calls == ["pre", "tick", "post"]  # type: ignore[attr-defined]


def test_an_agent_that_a_handler_invites_has_no_part_in_the_step() -> None:
    class Host(Priced):
        @ph.agents.msg_handler(Tick)
        def on_tick(self, ctx: ph.Context, message: ph.Message[Tick]) -> Any:
            if "c" not in env.agents:
                env.network.add_agent(Priced("c"))
                env.network.add_connection("b", "c")
            return [("c", Tick())]

    class Caller(Seer):
        def generate_messages(self, ctx: ph.Context) -> Any:
            return [("b", Tick())]

    env = ph.PhantomEnv(9, ph.Network([Caller("a"), Host("b")], connections=[("a", "b")]))
    env.reset()
    env.step({})
    assert env["c"].calls == []  # type: ignore[attr-defined]
    env.step({})
    assert env["c"].calls == ["pre", "tick", "post"]  # type: ignore[attr-defined]


def test_messages_use_a_connection_that_is_made_during_the_step() -> None:
    class Connecting(Priced):
        def generate_messages(self, ctx: ph.Context) -> Any:
            env.network.add_connection("b", "a")
            return [("a", Tick())]

    env = ph.PhantomEnv(9, ph.Network([Seer("a"), Connecting("b")]))
    env.reset()
    assert env.step({}).observations["a"] == ([], {}, None)
    assert env["a"].calls == ["pre", "tick", "post"]  # type: ignore[attr-defined]


def test_a_network_may_be_replaced_between_episodes() -> None:
    class Renewing(TotalEnv):
        made = 0

        def __init__(self) -> None:
            super().__init__(9, self.make())

        def make(self) -> ph.Network:
            self.made += 1
            return ph.Network([Seer("a", self.made), Priced("b", 10.0)], connections=[("a", "b")])

        def reset(self, seed: int | None = None, options: Any = None) -> Any:
            self.network = self.make()
            return super().reset(seed, options)

    env = Renewing()
    for made in (2, 3):
        assert env.reset()[0] == {"a": (["b"], {"b": 10.0}, 10.0 + made)}
        assert env.step({}).observations == {"a": (["b"], {"b": 10.0}, 10.0 + made)}
        assert env.step({}).observations == {"a": (["b"], {"b": 11.0}, 12.0 + made)}
