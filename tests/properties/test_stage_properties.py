"""What holds in every finite state machine, whoever acts, is rewarded, joins or ends."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph

ALL = "__all__"
STRATEGIC = ("A", "B", "C")
DEFAULT_POLICIES = (*STRATEGIC, "X")
MAX_STEPS = 7


@dataclass
class Log:
    """What the agents were asked for, as (agent, step)."""

    computed: list[tuple[str, int]] = field(default_factory=list)
    observed: list[tuple[str, int]] = field(default_factory=list)


class Player(ph.StrategicAgent):
    """Earns 2 to the power of the step, and ends when its script says so."""

    def __init__(self, agent_id: str, log: Log, ends: dict[str, int]) -> None:
        super().__init__(agent_id)
        self.log = log
        self.end = ends.get(agent_id)

    def encode_observation(self, ctx: ph.Context) -> int:
        self.log.observed.append((str(self.id), ctx.env_view.current_step))
        return ctx.env_view.current_step

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        """Send nothing."""

    def compute_reward(self, ctx: ph.Context) -> float:
        self.log.computed.append((str(self.id), ctx.env_view.current_step))
        return 2.0**ctx.env_view.current_step

    def is_terminated(self, ctx: ph.Context) -> bool:
        return ctx.env_view.current_step == self.end


def subsets(ids: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(ids), unique=True)


@st.composite
def machines(draw: st.DrawFn) -> list[ph.FSMStage]:
    """Draw a machine in which every stage can be reached, with and without handlers."""
    count = draw(st.integers(1, 4))
    stages = []
    for stage_id in range(count):
        others = draw(st.sets(st.integers(0, count - 1)))
        targets = [(stage_id + 1) % count, *sorted(others - {(stage_id + 1) % count})]
        chooses = len(targets) > 1 or draw(st.booleans())
        picks = draw(st.lists(st.sampled_from(targets), min_size=1, max_size=3))
        stages.append(
            ph.FSMStage(
                stage_id,
                draw(st.none() | subsets(DEFAULT_POLICIES) | st.just(Player) | st.just([Player, "X"])),
                draw(st.none() | subsets(STRATEGIC) | st.just(Player)),
                targets,
                (lambda env, picks=picks: picks[env.current_step % len(picks)]) if chooses else None,
            )
        )
    return stages


ENDS = st.dictionaries(st.sampled_from(STRATEGIC), st.integers(1, MAX_STEPS))


def play(
    stages: list[ph.FSMStage], ends: dict[str, int], num_steps: int, joins: int | None
) -> tuple[Log, list[ph.StepResult], ph.FiniteStateMachineEnv]:
    """Play an episode; in step `joins`, an agent J joins between two steps."""
    log = Log()
    agents: list[ph.Agent] = [Player(agent_id, log, ends) for agent_id in STRATEGIC]
    env = ph.FiniteStateMachineEnv(num_steps, ph.Network([*agents, ph.Agent("X")]), 0, stages=stages)
    env.reset(1)
    steps: list[ph.StepResult] = []
    while not steps or not (steps[-1].terminations[ALL] or steps[-1].truncations[ALL]):
        if len(steps) == joins:
            env.network.add_agent(Player("J", log, ends))
        steps.append(env.step(dict.fromkeys(STRATEGIC, 0)))
    return log, steps, env


JOINS = st.none() | st.integers(1, MAX_STEPS)


@given(machines(), ENDS, st.integers(1, MAX_STEPS), JOINS)
def test_all_rewards_that_are_computed_are_delivered_once(
    stages: list[ph.FSMStage], ends: dict[str, int], num_steps: int, joins: int | None
) -> None:
    log, steps, _ = play(stages, ends, num_steps, joins)
    for agent_id in (*STRATEGIC, "J"):
        computed = sum(2.0**step for who, step in log.computed if who == agent_id)
        assert sum(result.rewards.get(agent_id, 0.0) for result in steps) == computed


@given(machines(), ENDS, st.integers(1, MAX_STEPS), JOINS)
def test_no_agent_is_observed_or_rewarded_after_its_end(
    stages: list[ph.FSMStage], ends: dict[str, int], num_steps: int, joins: int | None
) -> None:
    log, _, _ = play(stages, ends, num_steps, joins)
    late = [(who, step) for who, step in log.observed + log.computed if step > ends.get(who, MAX_STEPS)]
    assert late == []


@given(machines(), st.integers(1, MAX_STEPS))
def test_who_observes_acts_in_the_next_stage_and_who_is_rewarded_is_said_by_the_stage(
    stages: list[ph.FSMStage], num_steps: int
) -> None:
    log = Log()
    agents: list[ph.Agent] = [Player(agent_id, log, {}) for agent_id in STRATEGIC]
    env = ph.FiniteStateMachineEnv(num_steps, ph.Network([*agents, ph.Agent("X")]), 0, stages=stages)
    assert set(env.reset(1)[0]) == {i for i in STRATEGIC if env.turn.acting is None or i in env.turn.acting}  # type: ignore[union-attr]
    for step in range(1, num_steps):
        result = env.step({})
        acting, turn = env.acting_agent_ids, env.executed_turn
        assert set(result.observations) == {i for i in STRATEGIC if acting is None or i in acting}
        assert turn is not None
        stage = next(stage for stage in stages if stage.id == turn.name)
        if stage.rewarded_agents is None:
            expected = {i for i in STRATEGIC if turn.acting is None or i in turn.acting}
        else:
            expected = set(STRATEGIC if Player in stage.rewarded_agents else stage.rewarded_agents)
        assert {who for who, when in log.computed if when == step} == expected
