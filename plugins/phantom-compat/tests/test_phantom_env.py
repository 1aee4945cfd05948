"""§1.9 of the predecessor: construction, reset and the exact order of one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest

import phantom as ph

SPACE = gym.spaces.Discrete(10)


@ph.msg_payload()
class Ping:
    n: int


class Plain(ph.Agent):
    def __init__(self, agent_id: Any, notes: list[Any], to: Any = None) -> None:
        super().__init__(agent_id)
        self.notes, self.to, self.num_resets = notes, to, 0

    def reset(self) -> None:
        self.num_resets += 1

    def view(self, neighbour_id: Any = None) -> None:
        self.notes.append(("view", self.id, neighbour_id))

    def generate_messages(self, ctx: ph.Context) -> Any:
        self.notes.append(("generate", self.id))
        return [] if self.to is None else [(self.to, Ping(1))]

    def pre_message_resolution(self, ctx: ph.Context) -> None:
        self.notes.append(("pre", self.id))

    def post_message_resolution(self, ctx: ph.Context) -> None:
        self.notes.append(("post", self.id))

    @ph.agents.msg_handler(Ping)
    def on_ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> Any:
        self.notes.append(("ping", self.id, message.sender_id))


class Learner(ph.StrategicAgent):
    observation_space = action_space = SPACE

    def __init__(self, agent_id: Any, notes: list[Any] | None = None, to: Any = None) -> None:
        super().__init__(agent_id)
        self.notes = [] if notes is None else notes
        self.to = to
        self.num_resets = 0
        self.blind_at: set[int] = set()
        self.terminates_at = self.truncates_at = -1

    def reset(self) -> None:
        self.num_resets += 1

    def view(self, neighbour_id: Any = None) -> None:
        self.notes.append(("view", self.id, neighbour_id))

    def decode_action(self, ctx: ph.Context, action: Any) -> Any:
        self.notes.append(("decode", self.id, action))
        return None if self.to is None else [(self.to, Ping(action))]

    def generate_messages(self, ctx: ph.Context) -> Any:
        self.notes.append(("generate", self.id))

    def pre_message_resolution(self, ctx: ph.Context) -> None:
        self.notes.append(("pre", self.id))

    def post_message_resolution(self, ctx: ph.Context) -> None:
        self.notes.append(("post", self.id))

    def encode_observation(self, ctx: ph.Context) -> Any:
        self.notes.append(("encode", self.id))
        step = ctx.env_view.current_step
        return None if step in self.blind_at else step

    def compute_reward(self, ctx: ph.Context) -> float:
        self.notes.append(("reward", self.id))
        return 10.0 * ctx.env_view.current_step

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        self.notes.append(("infos", self.id))
        return {"step": ctx.env_view.current_step}

    def is_terminated(self, ctx: ph.Context) -> bool:
        self.notes.append(("terminated?", self.id))
        return ctx.env_view.current_step == self.terminates_at

    def is_truncated(self, ctx: ph.Context) -> bool:
        self.notes.append(("truncated?", self.id))
        return ctx.env_view.current_step == self.truncates_at

    @ph.agents.msg_handler(Ping)
    def on_ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> Any:
        self.notes.append(("ping", self.id, message.sender_id))


class NotedEnv(ph.PhantomEnv):
    notes: ClassVar[list[Any]] = []

    def view(self, agent_views: Any) -> ph.EnvView:
        self.notes.append(("env view", dict(agent_views)))
        return super().view(agent_views)

    def pre_message_resolution(self) -> None:
        self.notes.append("env pre")
        super().pre_message_resolution()

    def post_message_resolution(self) -> None:
        self.notes.append("env post")
        super().post_message_resolution()

    def is_terminated(self) -> bool:
        self.notes.append("env terminated?")
        return super().is_terminated()

    def is_truncated(self) -> bool:
        self.notes.append("env truncated?")
        return super().is_truncated()


def env_of(*agents: Any, num_steps: Any = 5, connections: Any = ()) -> ph.PhantomEnv:
    return ph.PhantomEnv(num_steps, ph.Network(list(agents), connections=connections))


def test_one_step_calls_everything_in_this_order() -> None:
    notes: ClassVar[list[Any]] = []
    agents = [Learner("L", notes, to="P"), Plain("P", notes, to="M"), Learner("M", notes)]
    env = NotedEnv(5, ph.Network(agents, connections=[("L", "P"), ("P", "M")]))
    env.reset()
    NotedEnv.notes = notes
    notes.clear()
    env.step({"L": 3})
    assert notes == [
        ("view", "L", None),
        ("view", "P", None),
        ("view", "M", None),
        ("env view", {"L": None, "P": None, "M": None}),
        ("view", "P", "L"),
        ("view", "L", "P"),
        ("view", "M", "P"),
        ("view", "P", "M"),
        ("decode", "L", 3),
        ("generate", "P"),
        ("generate", "M"),
        "env pre",
        ("pre", "L"),
        ("pre", "P"),
        ("pre", "M"),
        ("ping", "P", "L"),
        ("ping", "M", "P"),
        "env post",
        ("post", "L"),
        ("post", "P"),
        ("post", "M"),
        ("encode", "L"),
        ("infos", "L"),
        ("reward", "L"),
        ("terminated?", "L"),
        ("truncated?", "L"),
        ("encode", "M"),
        ("infos", "M"),
        ("reward", "M"),
        ("terminated?", "M"),
        ("truncated?", "M"),
        "env terminated?",
        "env truncated?",
    ]


def test_a_step_returns_a_named_tuple_with_five_dicts() -> None:
    env = env_of(Learner("L"))
    env.reset()
    step = env.step({"L": 1})
    assert isinstance(step, ph.PhantomEnv.Step)
    assert step._fields == ("observations", "rewards", "terminations", "truncations", "infos")
    assert step == (
        {"L": 1},
        {"L": 10.0},
        {"L": False, "__all__": False},
        {"L": False, "__all__": False},
        {"L": {"step": 1}},
    )


def test_every_agent_is_reset_at_construction_and_again_by_reset() -> None:
    learner, plain = Learner("L"), Plain("P", [])
    env = env_of(learner, plain)
    assert (learner.num_resets, plain.num_resets) == (1, 1)
    env.reset()
    assert (learner.num_resets, plain.num_resets) == (2, 2)


def test_reset_returns_observations_of_strategic_agents_and_no_infos() -> None:
    learner = Learner("L")
    env = env_of(learner, Plain("P", []))
    learner.notes.clear()
    assert env.reset() == ({"L": 0}, {})
    assert ("infos", "L") not in learner.notes


def test_a_none_observation_at_reset_is_left_out() -> None:
    learner, other = Learner("L"), Learner("M")
    learner.blind_at = {0}
    assert env_of(learner, other).reset() == ({"M": 0}, {})


def test_an_agent_without_an_observation_gets_no_reward_and_no_infos() -> None:
    learner, other = Learner("L"), Learner("M")
    learner.blind_at = {1}
    env = env_of(learner, other)
    env.reset()
    learner.notes.clear()
    step = env.step({})
    assert (step.observations, step.rewards) == ({"M": 1}, {"M": 10.0})
    assert step.infos == {"M": {"step": 1}}
    assert step.terminations == {"L": False, "M": False, "__all__": False}
    asked = [note[0] for note in learner.notes]
    assert asked[-3:] == ["encode", "terminated?", "truncated?"]


def test_the_reward_of_a_step_without_an_observation_is_lost() -> None:
    learner = Learner("L")
    learner.blind_at = {1}
    env = env_of(learner)
    env.reset()
    env.step({})
    assert env.step({}).rewards == {"L": 20.0}


@pytest.mark.parametrize(("terminates_at", "truncates_at"), [(2, -1), (-1, 2)])
def test_an_agent_that_ends_is_seen_once_more_and_then_absent(terminates_at: int, truncates_at: int) -> None:
    learner, other = Learner("L"), Learner("M")
    learner.terminates_at, learner.truncates_at = terminates_at, truncates_at
    env = env_of(learner, other)
    env.reset()
    env.step({})
    last = env.step({})
    assert (last.observations["L"], last.rewards["L"]) == (2, 20.0)
    assert last.terminations == {"L": terminates_at == 2, "M": False, "__all__": False}
    assert last.truncations == {"L": truncates_at == 2, "M": False, "__all__": False}
    learner.notes.clear()
    step = env.step({"L": 5, "M": 1})  # an action of one that ended is ignored
    assert [set(part) - {"__all__"} for part in step] == [{"M"}] * 5
    assert [note for note in learner.notes if note[0] != "view"] == []


def test_neighbours_go_on_seeing_an_agent_that_ended() -> None:
    learner, other = Learner("L"), Learner("M")
    learner.terminates_at = 1
    env = env_of(learner, other, connections=[("L", "M")])
    env.reset()
    env.step({})
    env.step({})
    assert env._ctxs["M"].neighbour_ids == ["L"]
    assert "L" not in env._ctxs


def test_all_is_terminated_when_every_strategic_agent_is_terminated() -> None:
    learner, other = Learner("L"), Learner("M")
    learner.terminates_at, other.terminates_at = 1, 2
    env = env_of(learner, other, Plain("P", []))
    env.reset()
    assert env.step({}).terminations["__all__"] is False
    step = env.step({})
    assert (step.terminations["__all__"], step.truncations["__all__"]) == (True, False)


def test_ends_of_different_kinds_never_end_the_episode() -> None:
    learner, other = Learner("L"), Learner("M")
    learner.terminates_at, other.truncates_at = 1, 1
    env = env_of(learner, other, num_steps=3)
    env.reset()
    ends = [env.step({}) for _ in range(3)]
    assert [step.terminations["__all__"] for step in ends] == [False] * 3
    assert [step.truncations["__all__"] for step in ends] == [False, False, True]
    assert ends[1] == ({}, {}, {"__all__": False}, {"__all__": False}, {})


def test_at_the_time_limit_only_all_is_truncated() -> None:
    env = env_of(Learner("L"), num_steps=2)
    env.reset()
    env.step({})
    step = env.step({})
    assert step.truncations == {"L": False, "__all__": True}
    assert step.terminations == {"L": False, "__all__": False}


def test_steps_past_the_time_limit_are_played_and_not_truncated() -> None:
    env = env_of(Learner("L"), num_steps=1)
    env.reset()
    assert [env.step({}).truncations["__all__"] for _ in range(3)] == [True, False, False]


def test_without_strategic_agents_everything_ends_at_once() -> None:
    env = env_of(Plain("P", []))
    env.reset()
    step = env.step({})
    assert step == ({}, {}, {"__all__": True}, {"__all__": True}, {})


def test_a_step_needs_no_reset_before_it() -> None:
    env = env_of(Learner("L"))
    step = env.step({"L": 2})
    assert (step.observations, step.rewards, env.current_step) == ({"L": 1}, {"L": 10.0}, 1)


def test_an_env_goes_on_after_an_error_in_a_step() -> None:
    class Faulty(Learner):
        def decode_action(self, ctx: ph.Context, action: Any) -> Any:
            raise RuntimeError("broken")

    env = env_of(Faulty("L"))
    env.reset()
    with pytest.raises(RuntimeError, match="broken"):
        env.step({"L": 1})
    assert env.step({}).observations == {"L": 2}


def test_views_are_those_of_the_start_of_the_step() -> None:
    @dataclass(frozen=True)
    class CountView(ph.AgentView):
        count: int

    class Counter(ph.Agent):
        count = 0

        def view(self, neighbour_id: Any = None) -> CountView:
            return CountView(self.count)

        def generate_messages(self, ctx: ph.Context) -> Any:
            self.count += 1

    class Watcher(Learner):
        def encode_observation(self, ctx: ph.Context) -> Any:
            view = ctx["C"]
            assert isinstance(view, CountView)
            return view.count

    env = env_of(Watcher("L"), Counter("C"), connections=[("L", "C")])
    assert env.reset()[0] == {"L": 0}
    assert [env.step({}).observations["L"] for _ in range(3)] == [0, 1, 2]


def test_actions_for_nobody_are_ignored() -> None:
    env = env_of(Learner("L"))
    env.reset()
    assert env.step({"X": 1, "L": 2}).observations == {"L": 1}


def test_an_action_for_a_plain_agent_is_an_attribute_error() -> None:
    env = env_of(Learner("L"), Plain("P", []))
    env.reset()
    with pytest.raises(AttributeError, match="decode_action"):
        env.step({"P": 1})


def test_members_of_an_env() -> None:
    learner, plain = Learner("L"), Plain("P", [])
    env = env_of(learner, plain, num_steps=7)
    assert (env.num_steps, env.current_step, env.n_agents) == (7, 0, 2)
    assert env.agents == {"L": learner, "P": plain}
    assert (env.agent_ids, env.strategic_agents, env.non_strategic_agents) == (["L", "P"], [learner], [plain])
    assert (env.strategic_agent_ids, env.non_strategic_agent_ids) == (["L"], ["P"])
    assert env["P"] is plain
    assert isinstance(env, gym.Env)
    assert (env.render(), env.env_type, env.env_supertype) == (None, None, None)  # type: ignore[func-returns-value]
    assert env.view({}) == ph.EnvView(0, 0.0)
    env._current_step = 7
    assert env.view({}) == ph.EnvView(7, 1.0)


def test_num_steps_is_not_looked_at_when_an_env_is_made() -> None:
    network = ph.Network()
    assert ph.PhantomEnv(network).num_steps is network  # type: ignore[arg-type]
    assert len(ph.PhantomEnv(3).network) == 0


def test_ends_can_be_set_from_outside() -> None:
    env = env_of(Learner("L"), Learner("M"))
    env._terminations = {"L"}
    assert (env.is_terminated(), env.is_truncated()) == (False, False)
    env._terminations = {"L", "M"}
    assert (env.is_terminated(), env.is_truncated()) == (True, False)
    env._truncations = {"L", "M"}
    assert env.is_truncated()
    env._truncations = set()
    env._current_step = 5
    assert env.is_truncated()
    env.reset()
    assert (env._terminations, env._truncations) == (set(), set())


@pytest.mark.parametrize("has_reset", [True, False])
def test_ends_that_were_set_from_outside_count_in_the_next_step(has_reset: bool) -> None:
    env = env_of(Learner("L"), Learner("M"), Learner("N"))
    if has_reset:
        env.reset()
    env._terminations, env._truncations = {"L"}, {"M"}
    step = env.step({"L": 1, "N": 1})
    assert [set(part) - {"__all__"} for part in step] == [{"N"}] * 5
    env._terminations = set()
    assert set(env.step({}).rewards) == {"L", "N"}
    env._truncations.clear()
    env._terminations.update("LMN")
    assert env.step({}) == ({}, {}, {"__all__": True}, {"__all__": False}, {})


def test_reset_seeds_np_random_and_nothing_else() -> None:
    env = env_of(Learner("L"))
    np.random.seed(3)
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    env.reset(seed=5)
    first = env.np_random.random()
    env.reset(5, {"any": "options"})
    assert env.np_random.random() == first
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]


def test_programs_may_name_their_attributes_as_the_core_does() -> None:
    class OwnNames(ph.PhantomEnv):
        def __init__(self) -> None:
            super().__init__(3, ph.Network([Learner("L")]))
            self.turn, self.rng, self.random = "mine", "own", 7

    env = OwnNames()
    env.reset()
    env.step({})
    assert (env.turn, env.rng, env.random) == ("mine", "own", 7)
    env["L"].rng = env["L"].random = "own"  # type: ignore[assignment]
    env.reset()
    assert (env["L"].rng, env["L"].random) == ("own", "own")


def test_an_env_may_override_step() -> None:
    """As programs did: with `_make_ctxs`, `_handle_acting_agents` and `resolve_network`."""

    class OwnStep(ph.PhantomEnv):
        def step(self, actions: Any) -> ph.PhantomEnv.Step:
            self._current_step += 1
            self._make_ctxs(self.agent_ids)
            self._handle_acting_agents(self.agent_ids, actions)
            self.resolve_network()
            observations, rewards, terminations, truncations = {}, {}, {}, {}
            for agent in self.strategic_agents:
                if agent.id in self._terminations or agent.id in self._truncations:
                    continue
                ctx = self._ctxs[agent.id]
                observations[agent.id] = ctx.agent.encode_observation(ctx)
                rewards[agent.id] = ctx.agent.compute_reward(ctx)
                terminations[agent.id] = ctx.agent.is_terminated(ctx)
                truncations[agent.id] = ctx.agent.is_truncated(ctx)
                if terminations[agent.id]:
                    self._terminations.add(agent.id)
            terminations["__all__"], truncations["__all__"] = self.is_terminated(), self.is_truncated()
            return self.Step(observations, rewards, terminations, truncations, {})

    notes: ClassVar[list[Any]] = []
    learner = Learner("L", notes, to="P")
    learner.terminates_at = 2
    env = OwnStep(4, ph.Network([learner, Plain("P", notes, to="M"), Learner("M", notes)]))
    env.network.add_connections_from([("L", "P"), ("P", "M")])
    for _ in range(2):  # two episodes
        env.reset()
        notes.clear()
        step = env.step({"L": 3})
        assert step.observations == {"L": 1, "M": 1}
        assert [note for note in notes if note[0] in ("decode", "generate", "ping", "pre")] == [
            ("decode", "L", 3),
            ("generate", "P"),
            ("generate", "M"),
            ("pre", "L"),
            ("pre", "P"),
            ("pre", "M"),
            ("ping", "P", "L"),
            ("ping", "M", "P"),
        ]
        assert env.step({}).terminations == {"L": True, "M": False, "__all__": False}
        notes.clear()
        assert set(env.step({"L": 3}).observations) == {"M"}
        assert not [note for note in notes if note[0] != "view" and note[1] == "L"]
        assert env.step({}).truncations["__all__"]


def test_an_own_reset_may_do_without_super() -> None:
    class OwnReset(ph.PhantomEnv):
        def reset(self, seed: int | None = None, options: Any = None) -> Any:
            self._current_step = 0
            for sampler in self._samplers:
                sampler.sample()
            self.network.reset()
            self._terminations, self._truncations = set(), set()
            self._make_ctxs(self.strategic_agent_ids)
            observations = {i: ctx.agent.encode_observation(ctx) for i, ctx in self._ctxs.items()}
            return {i: obs for i, obs in observations.items() if obs is not None}, {}

    learner = Learner("L")
    learner.terminates_at = 1
    env = OwnReset(3, ph.Network([learner, Learner("M"), Plain("P", [], to="M")], connections=[("P", "M")]))
    for _ in range(2):
        assert env.reset() == ({"L": 0, "M": 0}, {})
        assert set(env.step({}).observations) == {"L", "M"}
        assert set(env.step({}).observations) == {"M"}
