"""Agents and connections that come and go during an episode."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph

ALL = "__all__"


@ph.msg_payload()
class Ping:
    """Says hello."""


class Player(ph.StrategicAgent):
    """Observes the step; earns 2 to the power of the step; notes what it is asked."""

    def __init__(self, agent_id: str, *, terminates_at: int | None = None) -> None:
        super().__init__(agent_id)
        self.terminates_at = terminates_at
        self.calls: list[str] = []

    def reset(self) -> None:
        self.calls.append("reset")

    def encode_observation(self, ctx: ph.Context) -> int:
        self.calls.append("observe")
        return ctx.env_view.current_step

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        self.calls.append("act")
        return [(other, Ping()) for other in ctx.neighbour_ids]

    def compute_reward(self, ctx: ph.Context) -> float:
        self.calls.append("reward")
        return 2.0**ctx.env_view.current_step

    def is_terminated(self, ctx: ph.Context) -> bool:
        return ctx.env_view.current_step == self.terminates_at

    @ph.msg_handler(Ping)
    def ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> None:
        self.calls.append(f"ping from {message.sender_id}")


class Listener(ph.Agent):
    """Hears hellos."""

    @ph.msg_handler(Ping)
    def ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> None:
        """Do nothing."""


class World(ph.PhantomEnv):
    """Does what it was told before the messages of a step are delivered."""

    def __init__(self, *agents: ph.Agent, num_steps: int | None = 10, **kwargs: Any) -> None:
        super().__init__(num_steps, ph.Network(agents), **kwargs)
        self.plan: dict[int, Callable[[ph.Network], Any]] = {}

    def pre_message_resolution(self) -> None:
        super().pre_message_resolution()
        if self.current_step in self.plan:
            self.plan[self.current_step](self.network)


def play(env: ph.PhantomEnv, num_steps: int) -> list[ph.StepResult]:
    return [env.step(dict.fromkeys(env.strategic_agent_ids, 0)) for _ in range(num_steps)]


def test_a_joiner_is_reset_observes_in_the_step_in_which_it_joins_and_is_rewarded_from_the_next() -> None:
    env = World(Player("A"))
    joiner = Player("B")
    env.plan[2] = lambda network: network.add_agent(joiner)
    env.reset(1)
    _, second, third = play(env, 3)
    assert second.observations == {"A": 2, "B": 2}
    assert second.rewards == {"A": 4.0}
    assert second.terminations == {"A": False, "B": False, ALL: False}
    assert third.rewards == {"A": 8.0, "B": 8.0}
    assert joiner.calls == ["reset", "observe", "act", "observe", "reward"]


def test_a_joiner_draws_from_the_seed_of_the_episode_and_its_name() -> None:
    draws = []
    for seed in (1, 2, 1):
        env = World(Player("A"))
        joiner = Player("B")
        env.plan[1] = lambda network, joiner=joiner: network.add_agent(joiner)  # type: ignore[misc]  # bound now
        env.reset(seed)
        play(env, 1)
        draws.append((joiner.random.random(), float(joiner.rng.random())))
    assert draws[0] == draws[2] != draws[1]


def test_a_joiner_gets_the_messages_that_are_sent_to_it_in_the_step_in_which_it_joins() -> None:
    class Greeter(Player):
        @ph.msg_handler(Ping)
        def ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> ph.MessageList:  # type: ignore[override]
            env.network.add_agent(joiner)
            env.network.add_connection("G", "B")
            return [("B", Ping())]

    env = World(Player("A"), Greeter("G"))
    joiner = Player("B")
    env.network.add_connection("A", "G", directed=True)
    env.reset(1)
    env.step({"A": 0})
    assert joiner.calls == ["reset", "ping from G", "observe"]


def test_a_leaver_is_paid_what_it_is_owed_is_terminated_and_is_not_asked_again() -> None:
    turn = ph.Turn("hidden", observing=())
    env = World(Player("A"), Player("B"), turn_order=_Always(turn))
    leaver = env.agents["B"]
    assert isinstance(leaver, Player)
    env.plan[3] = lambda network: network.remove_agent("B")
    env.reset(1)
    first, second, third, fourth = play(env, 4)
    assert first.rewards == second.rewards == {}
    assert third.rewards == {"B": 2.0 + 4.0}
    assert third.terminations == {"A": False, "B": True, ALL: False}
    assert third.truncations == {"A": False, "B": False, ALL: False}
    assert "B" not in fourth.terminations
    assert leaver.calls == ["reset", "observe", "act", "reward", "act", "reward", "act"]


class _Always:
    """Plays one turn again and again."""

    def __init__(self, turn: ph.Turn) -> None:
        self.turn = turn

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return self.turn

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return self.turn


def test_messages_to_an_agent_that_left_are_not_delivered_but_counted() -> None:
    env = World(Player("A"), Player("B"))
    env.network.add_connection("A", "B")
    leaver = env.agents["B"]
    assert isinstance(leaver, Player)
    env.plan[1] = lambda network: network.remove_agent("B")
    env.reset(1)
    env.step({"A": 0})
    assert env.network.resolver.undelivered == 1
    assert "ping from A" not in leaver.calls


def test_an_agent_that_another_ones_action_removes_does_not_act_anymore() -> None:
    class Killer(Player):
        def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
            if "B" in env.agents:
                env.network.remove_agent("B")
            return []

    env = World(Killer("A"), Player("B"), Player("C"))
    victim = env.agents["B"]
    assert isinstance(victim, Player)
    env.reset(1)
    result = env.step({"A": 0, "B": 0, "C": 0})
    assert victim.calls == ["reset", "observe"]
    assert result.terminations == {"A": False, "C": False, "B": True, ALL: False}


def test_the_episode_ends_when_the_last_strategic_agent_leaves() -> None:
    env = World(Player("A"), ph.Agent("X"))
    env.plan[2] = lambda network: network.remove_agent("A")
    env.reset(1)
    _, second = play(env, 2)
    assert second.terminations == {"A": True, ALL: True}
    assert second.truncations == {"A": False, ALL: False}


def test_the_episode_ends_when_some_have_ended_and_the_others_left() -> None:
    env = World(Player("A", terminates_at=1), Player("B"))
    env.plan[2] = lambda network: network.remove_agent("B")
    env.reset(1)
    first, second = play(env, 2)
    assert not first.terminations[ALL]
    assert second.terminations == {"B": True, ALL: True}


def test_an_agent_that_leaves_and_comes_back_in_one_step_just_stays() -> None:
    env = World(Player("A"), Player("B"))
    env.plan[1] = lambda network: network.add_agent(network.remove_agent("B"))
    env.reset(1)
    (first,) = play(env, 1)
    assert first.observations == {"A": 1, "B": 1}
    assert first.rewards == {"A": 2.0, "B": 2.0}


def test_an_agent_may_come_back_later_in_the_episode() -> None:
    env = World(Player("A"), Player("B"))
    away: list[ph.Agent] = []
    env.plan[1] = lambda network: away.append(network.remove_agent("B"))
    env.plan[3] = lambda network: network.add_agent(away.pop())
    env.reset(1)
    results = play(env, 4)
    assert [("B" in r.observations, r.rewards.get("B")) for r in results] == [
        (False, None),
        (False, None),
        (True, None),
        (True, 16.0),
    ]


def test_what_changed_in_an_episode_is_undone_at_the_next_reset() -> None:
    env = World(Player("A"), Player("B"), Listener("X"))
    env.network.add_connections_from([("A", "X"), ("B", "X")])
    before = env.network.connections()

    def change(network: ph.Network) -> None:
        network.remove_agent("B")
        network.add_agent(Player("C"))
        network.add_connection("C", "A")
        network.remove_connection("A", "X")

    env.plan[1] = change
    histories = []
    for _ in range(2):
        observations, _ = env.reset(1)
        assert observations == {"A": 0, "B": 0}
        assert list(env.agents) == ["A", "B", "X"]
        assert env.network.connections() == before
        histories.append(play(env, 3))
        assert list(env.agents) == ["A", "X", "C"]
    assert histories[0] == histories[1]


def test_what_changes_after_the_end_of_an_episode_stays() -> None:
    env = World(Player("A"), Player("B"), num_steps=1)
    env.plan[1] = lambda network: network.remove_agent("B")
    env.reset(1)
    play(env, 1)
    env.network.add_agent(Player("C"))
    env.plan.clear()
    env.reset(1)
    assert list(env.agents) == ["A", "B", "C"]


def test_changes_before_the_first_reset_and_in_on_reset_stay() -> None:
    class Growing(World):
        def on_reset(self) -> None:
            self.network.add_agent(Player(f"N{len(self.agents)}"))

    env = Growing(Player("A"))
    env.network.add_agent(Player("B"))
    env.reset(1)
    env.reset(1)
    assert list(env.agents) == ["A", "B", "N2", "N3"]
    joined = env.agents["N3"]
    assert isinstance(joined, Player)
    assert joined.calls == ["reset", "observe"]


def test_an_agent_that_is_added_in_another_ones_reset_is_reset_once() -> None:
    class Parent(Player):
        def reset(self) -> None:
            super().reset()
            if "CHILD" not in env.agents:
                env.network.add_agent(child)

    env = World(Parent("P"))
    child = Player("CHILD")
    observations, _ = env.reset(1)
    assert observations == {"P": 0, "CHILD": 0}
    assert child.calls == ["reset", "observe"]


@pytest.mark.parametrize("num_steps", [3, None])
def test_agents_that_ended_are_back_in_the_next_episode_with_their_neighbours(num_steps: int | None) -> None:
    env = World(Player("A", terminates_at=1), Player("B", terminates_at=3), num_steps=num_steps)
    env.network.add_connection("A", "B")
    for _ in range(2):
        env.reset(1)
        assert env.network.contexts["B"].neighbour_ids == ["A"]
        play(env, 2)
        assert env.network.contexts["B"].neighbour_ids == []
        assert play(env, 1)[0].terminations[ALL]


IDS = st.sampled_from("ABCDEF")
PLANS = st.dictionaries(
    st.integers(1, 8), st.lists(st.tuples(st.sampled_from(["join", "leave"]), IDS), max_size=4)
)


class Turns:
    """Plays given turns in a circle."""

    def __init__(self, turns: list[ph.Turn]) -> None:
        self.turns = turns

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return self.turns[0]

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return self.turns[env.current_step % len(self.turns)]


SOME = st.none() | st.lists(IDS, unique=True).map(tuple)
TURNS = st.lists(
    st.builds(
        ph.Turn,
        name=st.just("t"),
        acting=SOME,
        rewarded=SOME,
        observing=st.just(ph.ACTING_NEXT) | SOME,
    ),
    min_size=1,
    max_size=3,
)


class Counted(Player):
    """Counts the rewards that were computed for it, also over several lives under one name."""

    computed: Counter[ph.AgentID]

    def compute_reward(self, ctx: ph.Context) -> float:
        reward = super().compute_reward(ctx)
        self.computed[self.id] += int(reward)
        return reward


@given(PLANS, TURNS, st.dictionaries(IDS, st.integers(1, 8)))
def test_every_reward_is_delivered_once_whoever_comes_and_goes(
    plan: dict[int, list[tuple[str, str]]], turns: list[ph.Turn], ends: dict[str, int]
) -> None:
    computed: Counter[ph.AgentID] = Counter()

    def make(agent_id: str) -> Counted:
        agent = Counted(agent_id, terminates_at=ends.get(agent_id))
        agent.computed = computed
        return agent

    def follow(network: ph.Network, changes: list[tuple[str, str]]) -> None:
        for change, agent_id in changes:
            if change == "join" and agent_id not in network:
                network.add_agent(make(agent_id))
            elif change == "leave" and agent_id in network:
                network.remove_agent(agent_id)

    env = World(make("A"), make("B"), make("C"), num_steps=9, turn_order=Turns(turns))
    for step, changes in plan.items():
        env.plan[step] = lambda network, changes=changes: follow(network, changes)  # type: ignore[misc]
    histories = []
    for _ in range(2):
        computed.clear()
        delivered: Counter[ph.AgentID] = Counter()
        history: list[Any] = [env.reset(5)]
        is_over = False
        in_play = set("ABC")
        while not is_over:
            result = env.step(dict.fromkeys(env.strategic_agent_ids, 0))
            history.append(result)
            delivered.update({agent_id: int(reward) for agent_id, reward in result.rewards.items()})
            ended = {i for i in result.terminations if result.terminations[i] or result.truncations[i]}
            joined = {i for c, i in plan.get(env.current_step, ()) if c == "join"}
            assert set(result.observations) <= in_play | joined
            in_play = (set(result.terminations) - ended) - {ALL}
            is_over = ALL in ended
        assert +delivered == +computed
        histories.append(history)
    assert histories[0] == histories[1]
