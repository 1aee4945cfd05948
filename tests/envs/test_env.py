"""What `PhantomEnv.reset` and `PhantomEnv.step` do, in what order, and when an episode ends."""

from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph

ALL = "__all__"


@ph.msg_payload()
class Ping:
    """Says hello."""


class Player(ph.StrategicAgent):
    """Observes the step, pings whom it was told to act on, and notes what is called in a shared log."""

    observation_space = gym.spaces.Discrete(100)
    action_space = gym.spaces.Discrete(2)

    def __init__(
        self,
        agent_id: ph.AgentID,
        log: list[str] | None = None,
        *,
        terminates_at: int | None = None,
        truncates_at: int | None = None,
        reward: Any = 1.0,
    ) -> None:
        super().__init__(agent_id)
        self.log = [] if log is None else log
        self.terminates_at = terminates_at
        self.truncates_at = truncates_at
        self.reward = reward

    def note(self, method: str) -> None:
        self.log.append(f"{self.id}.{method}")

    def reset(self) -> None:
        self.note("reset")

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList | None:
        self.note("generate_messages")
        return None

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList | None:
        self.note(f"decode_action({action})")
        return [(neighbour_id, Ping()) for neighbour_id in ctx.neighbour_ids] if action else None

    def pre_message_resolution(self, ctx: ph.Context) -> None:
        self.note("pre_message_resolution")

    @ph.msg_handler(Ping)
    def ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> None:
        self.note("ping")

    def post_message_resolution(self, ctx: ph.Context) -> None:
        self.note("post_message_resolution")

    def encode_observation(self, ctx: ph.Context) -> Any:
        self.note("encode_observation")
        return ctx.env_view.current_step

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        self.note("collect_infos")
        return {"of": self.id}

    def compute_reward(self, ctx: ph.Context) -> float:
        self.note("compute_reward")
        return self.reward

    def is_terminated(self, ctx: ph.Context) -> bool:
        self.note("is_terminated")
        return ctx.env_view.current_step == self.terminates_at

    def is_truncated(self, ctx: ph.Context) -> bool:
        self.note("is_truncated")
        return ctx.env_view.current_step == self.truncates_at


class Crowd(ph.Agent):
    """A plain agent that notes when it is its turn."""

    def __init__(self, agent_id: ph.AgentID, log: list[str]) -> None:
        super().__init__(agent_id)
        self.log = log

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
        self.log.append(f"{self.id}.generate_messages")
        return []


class Rounds:
    """Plays the turns it was given again and again; None in the list ends the episode."""

    def __init__(self, *turns: ph.Turn | None) -> None:
        self.turns = turns

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        assert self.turns[0] is not None
        return self.turns[0]

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn | None:
        env.resolve_network()
        return self.turns[env.current_step % len(self.turns)]


def make_env(*agents: ph.Agent, num_steps: int | None = None, **kwargs: Any) -> ph.PhantomEnv:
    return ph.PhantomEnv(num_steps, ph.Network(agents), **kwargs)


# ---------------------------------------------------------------------- the order of calls


def test_reset_resets_every_agent_before_the_first_observes() -> None:
    log: list[str] = []
    env = make_env(Player("A", log), Player("B", log))
    assert log == []  # nothing is reset while the world is built

    assert env.reset(1) == ({"A": 0, "B": 0}, {"A": {"of": "A"}, "B": {"of": "B"}})
    assert log == [
        "A.reset",
        "B.reset",
        "A.encode_observation",
        "A.collect_infos",
        "B.encode_observation",
        "B.collect_infos",
    ]


def test_a_step_acts_then_resolves_then_settles_one_agent_after_the_other() -> None:
    log: list[str] = []
    env = make_env(Player("A", log), Player("B", log), Crowd("C", log))
    env.network.add_connection("A", "B")
    env.reset(1)
    log.clear()
    env.step({"B": 1, "A": 1})
    assert log == [
        "A.decode_action(1)",
        "B.decode_action(1)",
        "C.generate_messages",
        "A.pre_message_resolution",
        "B.pre_message_resolution",
        "B.ping",
        "A.ping",
        "A.post_message_resolution",
        "B.post_message_resolution",
        "A.encode_observation",
        "A.collect_infos",
        "A.compute_reward",
        "A.is_terminated",
        "A.is_truncated",
        "B.encode_observation",
        "B.collect_infos",
        "B.compute_reward",
        "B.is_terminated",
        "B.is_truncated",
    ]


def test_step_returns_a_named_tuple_of_dicts_by_agent() -> None:
    env = make_env(Player("A"), Player(("B", 2), reward=3))
    env.reset(1)
    assert env.step({}) == ph.StepResult(
        observations={"A": 1, ("B", 2): 1},
        rewards={"A": 1.0, ("B", 2): 3.0},
        terminations={"A": False, ("B", 2): False, ALL: False},
        truncations={"A": False, ("B", 2): False, ALL: False},
        infos={"A": {"of": "A"}, ("B", 2): {"of": ("B", 2)}},
    )


def test_a_strategic_agent_without_an_action_generates_messages() -> None:
    log: list[str] = []
    env = make_env(Player("A", log), Player("B", log))
    env.reset(1)
    log.clear()
    env.step({"B": 0})
    assert log[:2] == ["A.generate_messages", "B.decode_action(0)"]


def test_agents_act_in_the_order_of_the_turn() -> None:
    log: list[str] = []
    turn = ph.Turn("only", acting=("C", "B", "A"))
    env = make_env(Player("A", log), Player("B", log), Crowd("C", log), turn_order=Rounds(turn))
    env.reset(1)
    log.clear()
    env.step({"A": 0, "B": 0})
    assert log[:3] == ["C.generate_messages", "B.decode_action(0)", "A.decode_action(0)"]


def test_actions_of_agents_whose_turn_it_is_not_are_ignored() -> None:
    log: list[str] = []
    env = make_env(Player("A", log), Player("B", log), turn_order=Rounds(ph.Turn("only", acting=("A",))))
    env.reset(1)
    env.step({"A": 0, "B": 1})
    assert "B.decode_action(1)" not in log


def test_actions_of_agents_that_ended_are_ignored() -> None:
    log: list[str] = []
    env = make_env(Player("A", log, terminates_at=1), Player("B"))
    env.reset(1)
    env.step({})
    log.clear()
    env.step({"A": 0, "B": 0})
    assert log == []


def test_a_turn_may_name_agents_that_ended() -> None:
    env = make_env(
        Player("A", terminates_at=1), Player("B"), turn_order=Rounds(ph.Turn("only", ("A", "B"), ("A", "B")))
    )
    env.reset(1)
    env.step({})
    assert env.step({"A": 0, "B": 0}).rewards == {"B": 1.0}


def test_the_hooks_of_the_env_surround_those_of_the_agents() -> None:
    log: list[str] = []

    class Env(ph.PhantomEnv):
        def on_reset(self) -> None:
            log.append("env.on_reset")

        def pre_message_resolution(self) -> None:
            log.append("env.pre")
            super().pre_message_resolution()

        def post_message_resolution(self) -> None:
            super().post_message_resolution()
            log.append("env.post")

    env = Env(network=ph.Network([Player("A", log)]))
    env.reset(1)
    assert log[:2] == ["env.on_reset", "A.reset"]
    log.clear()
    env.step({})
    assert log[1:5] == ["env.pre", "A.pre_message_resolution", "A.post_message_resolution", "env.post"]


# ---------------------------------------------------------------------- how agents and episodes end


def test_the_time_limit_truncates_every_agent() -> None:
    env = make_env(Player("A"), Player("B"), num_steps=2)
    env.reset(1)
    assert env.step({}).truncations == {"A": False, "B": False, ALL: False}
    last = env.step({})
    assert last.terminations == {"A": False, "B": False, ALL: False}
    assert last.truncations == {"A": True, "B": True, ALL: True}


def test_an_env_without_strategic_agents_runs_to_its_time_limit() -> None:
    env = make_env(Crowd("C", []), num_steps=2)
    assert env.reset(1) == ({}, {})
    assert env.step({}) == ({}, {}, {ALL: False}, {ALL: False}, {})
    assert env.step({}) == ({}, {}, {ALL: False}, {ALL: True}, {})


def test_an_env_without_a_time_limit_goes_on() -> None:
    env = make_env(Player("A"))
    env.reset(1)
    assert not any(env.step({}).truncations[ALL] for _ in range(500))


@pytest.mark.parametrize(
    ("ends_of_a", "ends_of_b", "end"),
    [
        ({"terminates_at": 1}, {"terminates_at": 2}, "terminated"),
        ({"truncates_at": 1}, {"truncates_at": 2}, "truncated"),
        ({"terminates_at": 1}, {"truncates_at": 2}, "truncated"),
        ({"truncates_at": 1}, {"terminates_at": 2}, "truncated"),
        ({"terminates_at": 2}, {"terminates_at": 2}, "terminated"),
    ],
)
def test_the_episode_ends_when_every_agent_ended_and_is_terminated_if_all_of_them_are(
    ends_of_a: dict[str, int], ends_of_b: dict[str, int], end: str
) -> None:
    env = make_env(Player("A", **ends_of_a), Player("B", **ends_of_b))
    env.reset(1)
    first = env.step({})
    assert (first.terminations[ALL], first.truncations[ALL]) == (False, False)
    last = env.step({})
    assert (last.terminations[ALL], last.truncations[ALL]) == (end == "terminated", end == "truncated")


def test_an_env_that_terminates_ends_every_agent_and_truncates_none() -> None:
    class Env(ph.PhantomEnv):
        def is_terminated(self) -> bool:
            return self.current_step == 2

    env = Env(network=ph.Network([Player("A", truncates_at=1), Player("B"), Player("C")]))
    env.reset(1)
    env.step({})
    last = env.step({})
    assert last.terminations == {"B": True, "C": True, ALL: True}
    assert last.truncations == {"B": False, "C": False, ALL: False}


def test_an_env_may_truncate_before_its_time_limit() -> None:
    class Env(ph.PhantomEnv):
        def is_truncated(self) -> bool:
            return self.current_step == 1 or super().is_truncated()

    env = Env(5, ph.Network([Player("A")]))
    env.reset(1)
    assert env.step({}).truncations == {"A": True, ALL: True}


def test_a_turn_order_ends_the_episode_by_returning_none() -> None:
    env = make_env(Player("A"), Player("B"), turn_order=Rounds(ph.Turn("only", acting=("A",)), None))
    env.reset(1)
    last = env.step({"A": 0})
    assert last.terminations == {"A": True, "B": True, ALL: True}
    assert last.truncations == {"A": False, "B": False, ALL: False}
    assert last.observations == {}  # nobody acts next
    assert last.rewards == {"A": 1.0, "B": 1.0}


def test_an_agent_that_ended_is_left_out_of_all_that_follows() -> None:
    log: list[str] = []
    env = make_env(Player("A", log, terminates_at=1), Player("B"))
    env.network.add_connection("A", "B")
    env.reset(1)
    assert env.step({}).terminations == {"A": True, "B": False, ALL: False}
    log.clear()
    assert env.step({"B": 1}) == (
        {"B": 2},
        {"B": 1.0},
        {"B": False, ALL: False},
        {"B": False, ALL: False},
        {"B": {"of": "B"}},
    )
    assert log == []


def test_agents_that_ended_are_back_after_a_reset() -> None:
    env = make_env(Player("A", terminates_at=1), Player("B", truncates_at=1))
    env.reset(1)
    assert env.step({}).truncations[ALL]
    assert env.reset(2)[0] == {"A": 0, "B": 0}
    assert env.step({}).terminations == {"A": True, "B": False, ALL: False}


def test_who_is_cut_off_observes_once_more_after_all_were_rewarded() -> None:
    log: list[str] = []
    turn = ph.Turn("only", acting=("A",), observing=("A",))
    env = make_env(Player("A", log), Player("B", log), num_steps=1, turn_order=Rounds(turn))
    env.reset(1)
    log.clear()
    assert env.step({}).observations == {"A": 1, "B": 1}
    assert [call for call in log if "observation" in call or "reward" in call] == [
        "A.encode_observation",
        "A.compute_reward",
        "B.compute_reward",
        "B.encode_observation",
    ]


def test_who_terminates_and_does_not_observe_in_this_step_observes_no_more() -> None:
    turn = ph.Turn("only", acting=("A",), observing=("A",))
    env = make_env(Player("A"), Player("B", terminates_at=1), num_steps=1, turn_order=Rounds(turn))
    env.reset(1)
    assert env.step({}).observations == {"A": 1}


# ---------------------------------------------------------------------- turns that an env tells of


def test_the_turn_changes_after_the_agents_observed() -> None:
    seen: list[tuple[object, ...]] = []

    class Watcher(Player):
        def compute_reward(self, ctx: ph.Context) -> float:
            seen.append((env.turn, env.executed_turn, env.acting_agent_ids))
            return 0.0

    one, two = ph.Turn("one", acting=("A",)), ph.Turn("two", acting=("B",))
    env = make_env(Watcher("A"), Player("B"), num_steps=2, turn_order=Rounds(one, two))
    assert (env.turn, env.executed_turn) == (None, None)
    env.reset(1)
    assert (env.turn, env.executed_turn, env.acting_agent_ids) == (one, None, ("A",))
    env.step({})
    assert (env.turn, env.executed_turn, env.acting_agent_ids) == (two, one, ("B",))
    env.step({})
    assert (env.turn, env.executed_turn) == (None, two)
    assert seen == [(one, None, ("A",)), (two, one, ("B",))]
    env.reset(1)
    assert (env.turn, env.executed_turn) == (one, None)


def test_an_env_lists_its_agents_in_network_order() -> None:
    env = make_env(Player("B"), Crowd("C", []), Player("A"), num_steps=3)
    assert list(env.agents) == env.agent_ids == ["B", "C", "A"]
    assert env.strategic_agent_ids == ["B", "A"]
    assert env.non_strategic_agent_ids == ["C"]
    assert env.strategic_agents == [env["B"], env["A"]]
    assert env.non_strategic_agents == [env["C"]]
    assert env.observation_spaces == dict.fromkeys("BA", Player.observation_space)
    assert env.action_spaces == dict.fromkeys("BA", Player.action_space)
    assert repr(env) == "<PhantomEnv step 0/3, 3 agents>"
    assert repr(make_env()) == "<PhantomEnv step 0/∞, 0 agents>"


# ---------------------------------------------------------------------- what changes in mid-episode


def test_a_connection_made_during_an_episode_counts_at_once() -> None:
    log: list[str] = []
    env = make_env(Player("A"), Player("B", log))
    env.reset(1)
    env.step({"A": 1})
    assert "B.ping" not in log
    env.network.add_connection("A", "B")
    env.step({"A": 1})
    assert "B.ping" in log


def test_an_agent_added_during_an_episode_joins_it() -> None:
    env = make_env(Player("A"))
    env.reset(1)
    env.step({})
    env.network.add_agent(Player("B"))
    assert env.step({}).observations == {"A": 2, "B": 2}


def test_an_agent_added_before_messages_are_delivered_is_reset_and_joins_the_same_step() -> None:
    class Env(ph.PhantomEnv):
        def pre_message_resolution(self) -> None:
            super().pre_message_resolution()
            if self.current_step == 1:
                self.network.add_agent(Player("B", log))

    log: list[str] = []
    env = Env(network=ph.Network([Player("A")]))
    env.reset(1)
    assert env.step({}).observations == {"A": 1, "B": 1}
    assert log[:2] == ["B.reset", "B.post_message_resolution"]


def test_on_reset_may_build_another_network() -> None:
    class Env(ph.PhantomEnv):
        def on_reset(self) -> None:
            self.network = ph.Network([Player(f"A{self.rng.integers(1000)}")])

    env = Env()
    names = [list(env.reset(seed)[0]) for seed in (1, 2, 1)]
    assert names[0] == names[2] != names[1]
