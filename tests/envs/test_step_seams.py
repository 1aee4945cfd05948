"""Where a kind of env may differ: contexts, views, checks of messages, and steps outside an episode."""

from typing import Any

import gymnasium as gym

import phantom_core as ph


@ph.msg_payload()
class Hello:
    """Says hello."""


class Talker(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)
    heard = 0
    asked_for_infos = 0
    seen: Any = None

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
        self.seen = ctx
        return [(receiver_id, Hello()) for receiver_id in ("A", "B") if receiver_id != self.id]

    @ph.msg_handler(Hello)
    def hear(self, ctx: ph.Context, message: ph.Message[Hello]) -> None:
        self.heard += 1

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        self.asked_for_infos += 1
        return {}


def test_a_network_class_chooses_what_a_context_is() -> None:
    class Seen:
        def __init__(self, agent: ph.Agent, views: dict[Any, Any], frame: Any) -> None:
            self.agent, self.views, self.frame = agent, views, frame

    class SeenNetwork(ph.Network):
        context_class = Seen

    talkers = [Talker("A"), Talker("B")]
    env = ph.PhantomEnv(3, SeenNetwork(talkers, connections=[("A", "B")]))
    env.reset(seed=1)
    env.step({})
    assert type(talkers[0].seen) is Seen
    assert (talkers[0].seen.agent, talkers[0].seen.views) == (talkers[0], {"B": None})
    assert talkers[0].seen.frame.look().current_step == 1


def test_a_network_class_may_allow_more_messages_and_is_asked_once_for_each_kind() -> None:
    asked = []

    class OpenNetwork(ph.Network):
        def check_message(self, sender_id: Any, receiver_id: Any, payload_class: type) -> bool:
            asked.append((sender_id, receiver_id, payload_class))
            return sender_id == "B" or super().check_message(sender_id, receiver_id, payload_class)

    talkers = [Talker("A"), Talker("B")]
    network = OpenNetwork(talkers)
    network.add_connection("A", "B", directed=True)
    env = ph.PhantomEnv(3, network)
    env.reset(seed=1)
    env.step({})
    env.step({})
    assert [talker.heard for talker in talkers] == [2, 2]
    assert asked == [("A", "B", Hello), ("B", "A", Hello), ("B", "A", Hello)]  # only what is allowed is kept


def test_an_env_class_may_refresh_views_in_its_own_way() -> None:
    class FrozenEnv(ph.PhantomEnv):
        def refresh_views(self) -> None:
            self.network.frame.view = ph.EnvView(77, 0.5)

    talker = Talker("A")
    env = FrozenEnv(3, ph.Network([talker, Talker("B")], connections=[("A", "B")]))
    env.reset(seed=1)
    env.step({})
    assert talker.seen.env_view == ph.EnvView(77, 0.5)


def test_infos_that_no_reset_returns_are_not_collected() -> None:
    class WithoutFirstInfos(ph.StepRules):
        has_first_infos = False

    talker = Talker("A")
    env = ph.PhantomEnv(3, ph.Network([talker]))
    env.step_rules = WithoutFirstInfos()
    assert env.reset(seed=1) == ({"A": 0}, {})
    assert talker.asked_for_infos == 0


def test_rules_say_which_agents_count_as_ended() -> None:
    class NotesNobody(ph.StepRules):
        def note_ends(self, env: Any, ended: Any, terminations: Any, truncations: Any) -> None:
            noted.append((list(ended), terminations["A"], truncations["A"]))

    class Ending(Talker):
        def is_terminated(self, ctx: ph.Context) -> bool:
            return True

        is_truncated = is_terminated

    noted: list[Any] = []
    ended = []
    for rules in (ph.StepRules(), NotesNobody()):
        env = ph.PhantomEnv(3, ph.Network([Ending("A"), Talker("B")], connections=[("A", "B")]))
        env.step_rules = rules
        env.reset(seed=1)
        env.step({})
        ended.append((env.terminated_agent_ids, env.truncated_agent_ids))
    assert ended == [({"A"}, set()), (set(), set())]
    assert noted == [(["A"], True, True)]


def test_who_leaves_in_a_step_is_left_out_where_rules_say_so() -> None:
    class LeavesThemOut(ph.StepRules):
        reports_leavers = False

    class Dismissing(ph.PhantomEnv):
        def pre_message_resolution(self) -> None:
            self.network.remove_agent("B")

    reported = []
    for rules in (ph.StepRules(), LeavesThemOut()):
        env = Dismissing(3, ph.Network([Talker("A"), Talker("B")], connections=[("A", "B")]))
        env.step_rules = rules
        env.reset(seed=1)
        reported.append(env.step({}).terminations)
    assert reported[0] == {"A": False, "B": True, "__all__": False}
    assert reported[1] == {"A": False, "__all__": False}


def test_who_joins_in_a_step_is_rewarded_for_it_where_rules_say_so() -> None:
    class PaysNewcomers(ph.StepRules):
        pays_newcomers = True

    class Inviting(ph.PhantomEnv):
        def pre_message_resolution(self) -> None:
            if self.current_step == 1:
                self.network.add_agent(Talker("C"))

    rewards = []
    for rules in (ph.StepRules(), PaysNewcomers()):
        env = Inviting(3, ph.Network([Talker("A"), Talker("B")], connections=[("A", "B")]))
        env.step_rules = rules
        env.reset(seed=1)
        rewards.append(env.step({}).rewards)
    assert rewards == [{"A": 1.0, "B": 1.0}, {"A": 1.0, "B": 1.0, "C": 1.0}]


def test_a_step_outside_an_episode_plays_the_first_turn_where_rules_allow_it() -> None:
    class Anytime(ph.StepRules):
        needs_reset = False

    class Duel:
        """A and B act in turn; the first turn follows from the number of the step."""

        turns = (ph.Turn("a", ("A",)), ph.Turn("b", ("B",)))

        def first(self, env: ph.PhantomEnv) -> ph.Turn:
            return self.turns[env.current_step % 2]

        def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
            env.resolve_network()
            return self.turns[env.current_step % 2]

    talkers = [Talker("A"), Talker("B")]
    env = ph.PhantomEnv(3, ph.Network(talkers, connections=[("A", "B")]), turn_order=Duel())
    env.step_rules = Anytime()
    played = []
    for _ in range(5):
        env.step({})
        assert env.executed_turn is not None
        played.append(env.executed_turn.name)
    assert played == ["a", "b", "a", "b", "a"]
