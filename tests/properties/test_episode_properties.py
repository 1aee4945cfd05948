"""What holds in every episode, whatever the turn order, the endings, the messages and the failures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph

ALL = "__all__"
STRATEGIC = ("A", "B", "C")
PLAIN = ("X", "Y")
DEFAULT_POLICIES = (*STRATEGIC, *PLAIN)
MAX_STEPS = 6
FALLIBLE = (
    "reset",
    "decode_action",
    "generate_messages",
    "ping",
    "encode_observation",
    "compute_reward",
    "is_terminated",
    "post_message_resolution",
)


class BoomError(Exception):
    """What a script raises where it says so."""


@ph.msg_payload()
class Ping:
    hops: int
    draw: float


@dataclass(frozen=True)
class Call:
    """One call of an agent's method."""

    method: str
    agent_id: str
    step: int


@dataclass
class Script:
    """All that happens in an episode that is not drawn from a seed."""

    num_steps: int
    turns: tuple[ph.Turn, ...]
    num_turns: int | None
    hops: int
    unseen: frozenset[tuple[str, int]]
    terminated: Mapping[str, int]
    truncated: Mapping[str, int]
    idle: frozenset[tuple[str, int]]
    fault: Call | None = None
    calls: list[Call] = field(default_factory=list, compare=False)

    def note(self, method: str, agent_id: str, step: int) -> None:
        call = Call(method, agent_id, step)
        self.calls.append(call)
        if call == self.fault:
            raise BoomError

    def steps_of(self, method: str, agent_id: str) -> list[int]:
        return [call.step for call in self.calls if call.method == method and call.agent_id == agent_id]


class Cycle:
    """Goes through the turns of a script again and again, until it has played enough of them."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return self.script.turns[0]

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn | None:
        env.resolve_network()
        if env.current_step == self.script.num_turns:
            return None
        return self.script.turns[env.current_step % len(self.script.turns)]


class Chatter(ph.Agent):
    """Pings everybody when its turn comes, and answers each ping until its hops are used up."""

    def __init__(self, agent_id: str, script: Script, others: tuple[str, ...]) -> None:
        super().__init__(agent_id)
        self.script = script
        self.others = others

    def note(self, method: str, ctx: ph.Context | None = None) -> None:
        step = 0 if ctx is None else ctx.env_view.current_step
        self.script.note(method, str(self.id), step)

    def reset(self) -> None:
        self.note("reset")

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
        self.note("generate_messages", ctx)
        return self.pings()

    def post_message_resolution(self, ctx: ph.Context) -> None:
        self.note("post_message_resolution", ctx)

    def pings(self) -> ph.MessageList:
        return [(other, Ping(self.script.hops, float(self.rng.random()))) for other in self.others]

    @ph.msg_handler(Ping)
    def ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> ph.MessageList | None:
        self.note("ping", ctx)
        hops = message.payload.hops
        return [(message.sender_id, Ping(hops - 1, self.random.random()))] if hops else None


class Player(Chatter, ph.StrategicAgent):
    """Earns 2 to the power of the step, so that a sum of rewards tells of which steps it is."""

    def encode_observation(self, ctx: ph.Context) -> Any:
        self.note("encode_observation", ctx)
        step = ctx.env_view.current_step
        return None if (self.id, step) in self.script.unseen else (step, self.random.random())

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        self.note("decode_action", ctx)
        return self.pings()

    def compute_reward(self, ctx: ph.Context) -> float:
        self.note("compute_reward", ctx)
        return 2.0**ctx.env_view.current_step

    def is_terminated(self, ctx: ph.Context) -> bool:
        self.note("is_terminated", ctx)
        return self.script.terminated.get(str(self.id)) == ctx.env_view.current_step

    def is_truncated(self, ctx: ph.Context) -> bool:
        return self.script.truncated.get(str(self.id)) == ctx.env_view.current_step


def make_env(script: Script, extra: str | None = None, position: int = 0) -> ph.PhantomEnv:
    """Build the world of a script; `extra` adds a bystander who talks to nobody."""
    agents: list[ph.Agent] = [
        Player(i, script, tuple(j for j in DEFAULT_POLICIES if j != i)) for i in STRATEGIC
    ]
    agents += [Chatter(i, script, tuple(j for j in DEFAULT_POLICIES if j != i)) for i in PLAIN]
    if extra is not None:
        agents.insert(position, Chatter(extra, replace(script, calls=[]), ()))
    network = ph.Network(agents, ph.BatchResolver(enable_tracking=True, shuffle_batches=True))
    network.add_connections_between(DEFAULT_POLICIES[:-1], DEFAULT_POLICIES[1:])
    return ph.PhantomEnv(script.num_steps, network, turn_order=Cycle(script))


def play(env: ph.PhantomEnv, script: Script, seed: int | None = None) -> list[Any]:
    """Play an episode; return what `reset` returned, then what each step returned."""
    script.calls.clear()
    env.network.resolver.clear_tracked_messages()
    history: list[Any] = [env.reset(seed)]
    is_over = False
    while not is_over:
        step = env.current_step + 1
        actions = {agent_id: 0 for agent_id in STRATEGIC if (agent_id, step) not in script.idle}
        result = env.step(actions)
        history.append(result)
        is_over = result.terminations[ALL] or result.truncations[ALL]
    return history


def everything(env: ph.PhantomEnv, script: Script, seed: int) -> tuple[object, ...]:
    """Play an episode; return all that can be seen of it."""
    history = play(env, script, seed)
    return (
        history,
        list(script.calls),
        env.network.resolver.tracked_messages,
        env.network.resolver.undelivered,
    )


def end_step_by_agent(steps: list[ph.StepResult]) -> dict[str, int]:
    """Return the step in which each agent that ended did so."""
    return {
        agent_id: step
        for step, result in enumerate(steps, 1)
        for agent_id in STRATEGIC
        if result.terminations.get(agent_id) or result.truncations.get(agent_id)
    }


def some_ids(ids: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(ids), unique=True).map(tuple)


def moments(ids: tuple[str, ...]) -> st.SearchStrategy[frozenset[tuple[str, int]]]:
    return st.frozensets(st.tuples(st.sampled_from(ids), st.integers(0, MAX_STEPS)))


TURNS = st.builds(
    ph.Turn,
    name=st.sampled_from(["one", "two"]),
    acting=st.none() | some_ids(DEFAULT_POLICIES),
    rewarded=st.none() | some_ids(STRATEGIC),
    observing=st.just(ph.ACTING_NEXT) | st.none() | some_ids(STRATEGIC),
)
ENDS = st.dictionaries(st.sampled_from(STRATEGIC), st.integers(1, MAX_STEPS))
SCRIPTS = st.builds(
    Script,
    num_steps=st.integers(1, MAX_STEPS),
    turns=st.lists(TURNS, min_size=1, max_size=3).map(tuple),
    num_turns=st.none() | st.integers(1, MAX_STEPS),
    hops=st.integers(0, 2),
    unseen=moments(STRATEGIC),
    terminated=ENDS,
    truncated=ENDS,
    idle=moments(STRATEGIC),
)
SEEDS = st.integers(0, ph.seeding.MAX_SEED)


@given(SCRIPTS)
def test_every_reward_is_delivered_exactly_once(script: Script) -> None:
    _, *steps = play(make_env(script), script, 1)
    for agent_id in STRATEGIC:
        computed = sum(2.0**step for step in script.steps_of("compute_reward", agent_id))
        delivered = sum(result.rewards.get(agent_id, 0.0) for result in steps)
        assert delivered == computed  # powers of two: no two sets of steps have the same sum


@given(SCRIPTS)
def test_rewards_come_with_the_next_observation_or_at_the_end(script: Script) -> None:
    _, *steps = play(make_env(script), script, 1)
    owed: dict[str, float] = {}
    for step, result in enumerate(steps, 1):
        for agent_id in STRATEGIC:
            if step in script.steps_of("compute_reward", agent_id):
                owed[agent_id] = owed.get(agent_id, 0.0) + 2.0**step
        is_over = result.terminations[ALL] or result.truncations[ALL]
        ended = {i for ends in (result.terminations, result.truncations) for i, end in ends.items() if end}
        due = [i for i in owed if is_over or i in ended or i in result.observations]
        assert result.rewards == {agent_id: owed.pop(agent_id) for agent_id in due}
    assert owed == {}


@given(SCRIPTS)
def test_agents_are_rewarded_once_in_each_turn_that_rewards_them(script: Script) -> None:
    _, *steps = play(make_env(script), script, 1)
    ends = end_step_by_agent(steps)
    for agent_id in STRATEGIC:
        turns = [script.turns[(step - 1) % len(script.turns)] for step in range(1, len(steps) + 1)]
        rewarding = [
            step
            for step, turn in enumerate(turns, 1)
            if (turn.rewarded is None or agent_id in turn.rewarded) and step <= ends.get(agent_id, len(steps))
        ]
        assert script.steps_of("compute_reward", agent_id) == rewarding


@given(SCRIPTS)
def test_nothing_is_asked_of_an_agent_after_its_end(script: Script) -> None:
    _, *steps = play(make_env(script), script, 1)
    ends = end_step_by_agent(steps)
    assert [call for call in script.calls if call.step > ends.get(call.agent_id, MAX_STEPS)] == []
    for step, result in enumerate(steps, 1):
        alive = {agent_id for agent_id in STRATEGIC if ends.get(agent_id, MAX_STEPS) >= step}
        assert result.terminations.keys() == result.truncations.keys() == alive | {ALL}
        assert result.observations.keys() | result.rewards.keys() | result.infos.keys() <= alive


@given(SCRIPTS)
def test_infos_come_with_observations_and_none_is_no_observation(script: Script) -> None:
    history = play(make_env(script), script, 1)
    for step, result in enumerate(history):
        observations, infos = (result[0], result[1]) if step == 0 else (result.observations, result.infos)
        assert observations.keys() == infos.keys()
        assert not {(agent_id, step) for agent_id in observations} & script.unseen


@given(SCRIPTS)
def test_an_agent_that_is_cut_off_observes_in_its_last_step(script: Script) -> None:
    _, *steps = play(make_env(script), script, 1)
    for agent_id, step in end_step_by_agent(steps).items():
        result = steps[step - 1]
        observed = script.steps_of("encode_observation", agent_id).count(step)
        assert observed <= 1
        if not result.terminations[agent_id]:
            assert observed == 1


@given(SCRIPTS)
def test_the_episode_ends_when_every_agent_ended_or_the_limit_or_the_turn_order_says_so(
    script: Script,
) -> None:
    _, *steps = play(make_env(script), script, 1)
    last = min(script.num_steps, script.num_turns or MAX_STEPS)
    ends = [
        min(script.terminated.get(agent_id, MAX_STEPS), script.truncated.get(agent_id, MAX_STEPS))
        for agent_id in STRATEGIC
    ]
    assert len(steps) == min(last, max(ends))
    for result in steps[:-1]:
        assert (result.terminations[ALL], result.truncations[ALL]) == (False, False)


@given(SCRIPTS)
def test_messages_delivered_and_undelivered_are_those_sent(script: Script) -> None:
    env = make_env(script)
    play(env, script, 1)
    delivered = sum(call.method == "ping" for call in script.calls)
    assert delivered + env.network.resolver.undelivered == len(env.network.resolver.tracked_messages)


@given(SCRIPTS)
def test_only_agents_whose_turn_it_is_act(script: Script) -> None:
    play(make_env(script), script, 1)
    for call in script.calls:
        turn = script.turns[(call.step - 1) % len(script.turns)]
        if call.method in {"decode_action", "generate_messages"}:
            assert turn.acting is None or call.agent_id in turn.acting
            has_no_action = call.agent_id in PLAIN or (call.agent_id, call.step) in script.idle
            assert (call.method == "generate_messages") == has_no_action


@given(SCRIPTS, SEEDS)
def test_the_same_seed_plays_the_same_episode(script: Script, seed: int) -> None:
    assert everything(make_env(script), script, seed) == everything(make_env(script), script, seed)


@given(SCRIPTS, SEEDS, SEEDS)
def test_nothing_leaks_from_one_episode_into_the_next(script: Script, seed: int, earlier_seed: int) -> None:
    env = make_env(script)
    play(env, script, earlier_seed)
    env.reset(earlier_seed)
    env.step({})  # and an episode that is left before its end
    assert everything(env, script, seed) == everything(make_env(script), script, seed)


@given(SCRIPTS, SEEDS)
def test_episodes_without_a_seed_follow_from_the_last_seed_given(script: Script, seed: int) -> None:
    def episodes() -> Iterator[object]:
        env = make_env(script)
        for given_seed in (seed, None, None):
            yield play(env, script, given_seed)
            yield env.episode_seed

    assert list(episodes()) == list(episodes())


@given(SCRIPTS, SEEDS, st.integers(0, len(DEFAULT_POLICIES)))
def test_adding_a_bystander_shifts_no_other_agents_draws(script: Script, seed: int, position: int) -> None:
    alone = everything(make_env(script), script, seed)
    assert everything(make_env(script, "BYSTANDER", position), script, seed) == alone


FAULTS = st.builds(
    Call, st.sampled_from(FALLIBLE), st.sampled_from(DEFAULT_POLICIES), st.integers(0, MAX_STEPS)
)


@given(SCRIPTS, FAULTS)
def test_after_an_exception_only_reset_goes_on_and_nothing_is_left_behind(
    script: Script, fault: Call
) -> None:
    failing = replace(script, fault=fault)
    env = make_env(failing)
    try:
        play(env, failing, 1)
    except BoomError:
        with pytest.raises(ph.errors.EpisodeError):
            env.step({})
    failing.fault = None
    assert everything(env, failing, 2) == everything(make_env(script), script, 2)


@given(SCRIPTS, FAULTS)
def test_after_an_exception_in_reset_no_step_is_played(script: Script, fault: Call) -> None:
    env = make_env(script)
    env.reset(1)
    script.fault = replace(fault, step=0, method="reset")
    with pytest.raises(BoomError):
        env.reset(2)
    with pytest.raises(ph.errors.EpisodeError):
        env.step({})
