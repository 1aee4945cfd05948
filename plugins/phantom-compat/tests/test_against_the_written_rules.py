"""Random worlds, played by phantom-compat and by §1.9 to §1.11 as written: all calls and results agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom as ph

IDS = ("A", "B", "C", "D")
NUM_STEPS = 4
NEVER = -1


@ph.msg_payload()
class Note:
    n: int


@dataclass(frozen=True)
class Shown(ph.AgentView):
    """How much was written down when it was asked for: the order of all calls shows in it."""

    when: int


class Recorded(ph.Agent):
    """Writes down every call; what it does follows from the plan of the example."""

    net: ph.Network

    def __init__(self, agent_id: str, plan: dict[str, Any], notes: list[Any]) -> None:
        super().__init__(agent_id)
        self.plan, self.notes = plan, notes

    def note(self, *what: Any) -> None:
        self.notes.append((self.id, *what))

    def reset(self) -> None:
        self.note("reset")

    def view(self, neighbour_id: Any = None) -> Any:
        self.note("view", neighbour_id)
        return Shown(len(self.notes)) if self.plan["shows"] else None

    def connects(self, when: str, ctx: ph.Context) -> None:
        step, planned, other = self.plan["connects"]
        if (step, planned) == (ctx.env_view.current_step, when):
            self.net.add_connection(self.id, other)

    def sends(self, ctx: ph.Context) -> list[Any]:
        return [(i, Note(ctx.env_view.current_step)) for i in self.plan["sends"] if i in ctx]

    def generate_messages(self, ctx: ph.Context) -> Any:
        self.note("generate", ctx.env_view.current_step)
        return self.sends(ctx)

    def pre_message_resolution(self, ctx: ph.Context) -> None:
        self.note("pre")
        self.connects("pre", ctx)

    def post_message_resolution(self, ctx: ph.Context) -> None:
        self.note("post")
        self.connects("post", ctx)

    @ph.agents.msg_handler(Note)
    def on_note(self, ctx: ph.Context, message: ph.Message[Note]) -> Any:
        self.note("note", message.sender_id, message.payload.n)
        self.connects("note", ctx)
        if self.plan["replies"] and message.payload.n < 100:
            return [(message.sender_id, Note(message.payload.n + 100))]
        return None


class Strategic(Recorded, ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(99)

    def decode_action(self, ctx: ph.Context, action: Any) -> Any:
        self.note("decode", action)
        return self.sends(ctx)

    def encode_observation(self, ctx: ph.Context) -> Any:
        step = ctx.env_view.current_step
        self.note("encode", step)
        return None if step in self.plan["blind"] else (self.id, step, tuple(ctx.agent_views.items()))

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        self.note("infos")
        return {"step": ctx.env_view.current_step}

    def compute_reward(self, ctx: ph.Context) -> float:
        self.note("reward")
        return 10.0 * ctx.env_view.current_step

    def is_terminated(self, ctx: ph.Context) -> bool:
        self.note("terminated?")
        return ctx.env_view.current_step == self.plan["terminates"]

    def is_truncated(self, ctx: ph.Context) -> bool:
        self.note("truncated?")
        return ctx.env_view.current_step == self.plan["truncates"]


def world(plans: dict[str, Any], edges: Any) -> tuple[ph.Network, list[Any]]:
    notes: list[Any] = []
    agents = [(Strategic if plan["acts"] else Recorded)(i, plan, notes) for i, plan in plans.items()]
    network = ph.Network(agents, connections=edges)
    for agent in agents:
        agent.net = network
    return network, notes


class NotedView(ph.PhantomEnv):
    """Writes down what it is shown when it is asked for its view."""

    notes: list[Any]

    def view(self, agent_views: Any) -> Any:
        self.notes.append(("env view", *agent_views.items()))
        return super().view(agent_views)


class Simultaneous(NotedView):
    """Everybody acts."""


class Machine(NotedView, ph.FiniteStateMachineEnv):
    """Agents act in stages."""


class Leading(NotedView, ph.StackelbergEnv):
    """Leaders act, then followers."""


class Written:
    """The rules, one after the other. `kind` is "base", "fsm" or "stackelberg"."""

    def __init__(self, kind: str, network: ph.Network, notes: Any, stages: Any, sides: Any) -> None:
        self.kind, self.network, self.stages, self.sides = kind, network, stages, sides
        self.notes = notes
        self.agents: Any = network.agents
        self.learners = [i for i, agent in self.agents.items() if isinstance(agent, ph.StrategicAgent)]
        for agent in self.agents.values():
            agent.reset()
        self.begin()

    def begin(self) -> None:
        self.step_number = 0
        self.terminated: set[Any] = set()
        self.truncated: set[Any] = set()
        self.stored: Any = dict.fromkeys(self.learners)
        self.observed: Any = {}
        self.informed: Any = {}
        self.stage = 0

    def contexts(self, ids: Any) -> dict[Any, ph.Context]:
        shown = {i: agent.view(None) for i, agent in self.agents.items()}
        self.notes.append(("env view", *shown.items()))
        view = ph.EnvView(self.step_number, self.step_number / NUM_STEPS)
        return {i: self.network.context_for(i, view) for i in ids if i not in self.ended}

    @property
    def ended(self) -> set[Any]:
        return self.terminated | self.truncated

    def reset(self) -> Any:
        self.begin()
        self.network.reset()
        first = {"base": self.learners, "fsm": self.stages[0][0], "stackelberg": self.sides[0]}[self.kind]
        contexts = self.contexts([i for i in first if i in self.learners])
        seen = {i: ctx.agent.encode_observation(ctx) for i, ctx in contexts.items()}
        return {i: o for i, o in seen.items() if o is not None}, {}

    def turn(self) -> tuple[Any, Any, Any]:
        """Return who acts, is rewarded and observes."""
        if self.kind == "base":
            return list(self.agents), self.learners, self.learners
        if self.kind == "stackelberg":
            side = (self.step_number + 1) % 2
            return self.sides[side], self.sides[side], self.sides[1 - side]
        acting, rewarded, then = self.stages[self.stage]
        if rewarded is None:
            return acting, self.learners, self.learners
        return acting, rewarded, self.stages[then][0]

    def step(self, actions: dict[str, Any]) -> Any:
        self.step_number += 1
        contexts = self.contexts(self.agents)
        acting, rewarded, observing = self.turn()
        for i in acting:
            if i in contexts:
                can_act = i in actions
                ctx, agent = contexts[i], self.agents[i]
                sent = agent.decode_action(ctx, actions[i]) if can_act else agent.generate_messages(ctx)
                for receiver_id, payload in sent or ():
                    self.network.send(i, receiver_id, payload)
        for i, ctx in contexts.items():
            self.agents[i].pre_message_resolution(ctx)
        self.network.resolve(contexts)
        for i, ctx in contexts.items():
            self.agents[i].post_message_resolution(ctx)
        return self.settle(contexts, rewarded, observing)

    def settle(self, contexts: Any, rewarded: Any, observing: Any) -> Any:
        obs, rewards, te, tr, infos = {}, {}, {}, {}, {}  # type: ignore[var-annotated]
        for i in self.learners:
            if i not in contexts:
                continue
            agent, ctx = self.agents[i], contexts[i]
            seen = agent.encode_observation(ctx) if i in observing else None
            if seen is not None:
                obs[i], infos[i] = seen, agent.collect_infos(ctx)
            if i in rewarded and (self.kind != "base" or seen is not None):
                rewards[i] = agent.compute_reward(ctx)
            te[i], tr[i] = agent.is_terminated(ctx), agent.is_truncated(ctx)
            self.terminated |= {i} if te[i] else set()
            self.truncated |= {i} if tr[i] else set()
        te["__all__"] = len(self.terminated) == len(self.learners)
        tr["__all__"] = self.step_number == NUM_STEPS or len(self.truncated) == len(self.learners)
        self.stored.update(rewards)
        self.observed.update(obs)
        self.informed.update(infos)
        if self.kind == "fsm":
            self.stage = self.stages[self.stage][2]
        over = te["__all__"] or tr["__all__"]
        if self.kind == "stackelberg":
            paid = {i: self.stored[i] for i in obs if self.stored[i] is not None}
            return obs, dict(self.stored) if over else paid, te, tr, infos
        if self.kind == "fsm":
            if over:
                return dict(self.observed), dict(self.stored), te, tr, dict(self.informed)
            return obs, {i: self.stored[i] for i in obs}, te, tr, infos
        return obs, rewards, te, tr, infos


SOME = st.lists(st.sampled_from(IDS), unique=True, max_size=4)
PLAN = st.fixed_dictionaries(
    {
        "acts": st.booleans(),
        "sends": SOME,
        "replies": st.booleans(),
        "shows": st.booleans(),
        "connects": st.tuples(
            st.integers(0, NUM_STEPS), st.sampled_from(["pre", "note", "post"]), st.sampled_from(IDS)
        ),
        "blind": st.sets(st.integers(0, NUM_STEPS), max_size=3),
        "terminates": st.sampled_from([NEVER, NEVER, 1, 2, 3]),
        "truncates": st.sampled_from([NEVER, NEVER, 1, 2, 3]),
    }
)
STAGE = st.tuples(SOME, st.none() | SOME, st.integers(0, 2))


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["base", "fsm", "stackelberg"]),
    plans=st.fixed_dictionaries(dict.fromkeys(IDS, PLAN)),
    edges=st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=8),
    stages=st.tuples(STAGE, STAGE, STAGE),
    leaders=SOME,
    acting=st.lists(st.sets(st.sampled_from(IDS)), min_size=6, max_size=6),
)
def test_every_call_and_every_result_is_as_written(
    kind: str, plans: Any, edges: Any, stages: Any, leaders: Any, acting: Any
) -> None:
    sides = (leaders, [i for i in IDS if i not in leaders][:2])
    network, notes = world(plans, edges)
    other_network, expected_notes = world(plans, edges)
    env: NotedView
    if kind == "base":
        env = Simultaneous(NUM_STEPS, network)
    elif kind == "fsm":
        listed = [ph.FSMStage(n, a, rewarded, [then]) for n, (a, rewarded, then) in enumerate(stages)]
        env = Machine(NUM_STEPS, network, 0, stages=listed)
    else:
        env = Leading(NUM_STEPS, network, *sides)
    env.notes = notes
    written = Written(kind, other_network, expected_notes, stages, sides)
    can_act = {i for i, plan in plans.items() if plan["acts"]}
    for _ in range(2):
        assert env.reset() == written.reset()
        for number, ids in enumerate(acting):  # two steps past the time limit
            actions = dict.fromkeys(sorted(ids & can_act), number)
            assert tuple(env.step(actions)) == written.step(actions)
            assert notes == expected_notes
