"""The doctor finds what outlives an episode, unless the env hands it over to a run that is resumed."""

# ruff: noqa: ARG001, ARG005  what stands in for a method has its arguments, used or not

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_testing import diagnose
from phantom_testing.hash_order import CHILD

ADVICE = "Set everything anew in reset(), or give the env state_dict() and load_state_dict()."
INCOMPLETE = (
    "a new env that is given the state_dict() of one that played other episodes goes on differently in "
    "{what}: {values}. Let state_dict() return, and load_state_dict() restore, everything that an episode "
    "hands to the next."
)


class Saver(ph.StrategicAgent):
    """Saves what it likes; nothing is wrong with it."""

    observation_space: Any = gym.spaces.Box(-1000.0, 1000.0, (2,), np.float32)
    action_space: Any = gym.spaces.Discrete(3)
    saved = 0

    def reset(self) -> None:
        self.saved = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.saved += int(action)

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([self.saved, ctx.env_view.current_step], np.float32)

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.saved)


class Bank(ph.PhantomEnv):
    """Two savers, who act in turns if it is said so."""

    def __init__(
        self, num_steps: int | None = 4, *, savers: type[Saver] = Saver, in_turns: bool = False
    ) -> None:
        network = ph.Network([savers("A"), Saver("B")])
        super().__init__(num_steps, network, turn_order=InTurns() if in_turns else None)


class InTurns:
    """A acts in each second step, B in the others."""

    def first(self, env: Any) -> ph.Turn:
        return ph.Turn(0, acting=("A",))

    def advance(self, env: Any, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        following = 1 - turn.name  # type: ignore[operator]  # it is an int
        return ph.Turn(following, acting=("AB"[following],))


class Interest(Bank):
    """Pays more in each episode."""

    level = 0

    def on_reset(self) -> None:
        self.level += 1

    def step(self, actions: Mapping[ph.AgentID, Any]) -> ph.StepResult:
        result = super().step(actions)
        return result._replace(rewards={i: float(self.level) for i in result.rewards})


class InterestInTurns(Interest):
    def __init__(self) -> None:
        super().__init__(in_turns=True)


class EndlessInterest(Interest):
    def __init__(self) -> None:
        super().__init__(None)


class Counting(Saver):
    num_seen = 0

    def encode_observation(self, ctx: ph.Context) -> Any:
        self.num_seen += 1
        return np.array([self.num_seen, 0], np.float32)


class Counted(Bank):
    def __init__(self) -> None:
        super().__init__(savers=Counting)


class Longer(Bank):
    """Ends later in each episode."""

    num_episodes = 0

    def on_reset(self) -> None:
        self.num_episodes += 1
        self.num_steps = self.num_episodes


class Telling(Saver):
    num_told = 0

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        self.num_told += 1
        return {"told": self.num_told}


class Informing(Bank):
    def __init__(self) -> None:
        super().__init__(savers=Telling)


class Drawing(Bank):
    """Draws from a generator that no reset seeds."""

    def __init__(self) -> None:
        super().__init__()
        self.luck = np.random.default_rng(7)

    def step(self, actions: Mapping[ph.AgentID, Any]) -> ph.StepResult:
        result = super().step(actions)
        return result._replace(rewards={i: float(self.luck.integers(1000)) for i in result.rewards})


class DrawingInVain(Bank):
    """Draws from a generator that no reset seeds, and uses the draw nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.luck = np.random.default_rng(7)

    def on_reset(self) -> None:
        self.luck.random()


class Alternating(Bank):
    """Pays in each second episode only."""

    is_paying = False

    def on_reset(self) -> None:
        self.is_paying = not self.is_paying

    def step(self, actions: Mapping[ph.AgentID, Any]) -> ph.StepResult:
        result = super().step(actions)
        return result._replace(rewards={i: float(self.is_paying) for i in result.rewards})


class Widening(gym.Env[Any, Any]):
    """A Gymnasium env that observes more in each episode."""

    observation_space = gym.spaces.Box(0, 1000, (20,), np.float32)
    action_space = gym.spaces.Discrete(2)
    num_episodes = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.num_episodes += 1
        return np.full(20, self.num_episodes, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.full(20, self.num_episodes, np.float32), float(self.num_episodes), True, False, {}


def adapted() -> ph.GymnasiumEnv:
    return ph.GymnasiumEnv(Widening())


def leak(what: str, alone: str, after: str) -> str:
    return f"{what} when other episodes were played before it: {alone} alone, {after} after them. {ADVICE}"


LEAKS: dict[str, tuple[Callable[..., Any], str]] = {
    "a counter of the env": (
        Interest,
        leak("agent 'A', step 1: the same episode differs in its reward", "1.0", "2.0"),
    ),
    "a counter of an env with turns": (
        InterestInTurns,
        leak("agent 'B', step 1: the same episode differs in its reward", "1.0", "2.0"),
    ),
    "a counter of an agent": (
        Counted,
        leak(
            "agent 'A', reset: the same episode differs in what it observes",
            "array([1.0, 0.0], float32)",
            "array([2.0, 0.0], float32)",
        ),
    ),
    "when it ends": (
        Longer,
        leak("agent 'A', step 1: the same episode differs in whether it ended", "truncated", "not ended"),
    ),
    "infos": (
        Informing,
        leak("agent 'A', reset: the same episode differs in its info", "{'told': 1}", "{'told': 2}"),
    ),
    "an own generator": (
        Drawing,
        leak("agent 'A', step 1: the same episode differs in its reward", "944.0", "719.0"),
    ),
    "an own generator that changes nothing": (
        DrawingInVain,
        leak(
            "step 4: the same episode differs in the state of its generators",
            "…'luck': '2db9e96f77f93bce'}",
            "…'luck': 'dc4b7e7da97a7f17'}",
        ),
    ),
    "something that comes and goes": (
        Alternating,
        leak("agent 'A', step 1: the same episode differs in its reward", "1.0", "0.0"),
    ),
    "a Gymnasium env": (
        adapted,
        leak(
            "agent 'agent', reset: the same episode differs in what it observes",
            f"array([{'1.0, ' * 10}1.0…",
            f"array([{'2.0, ' * 10}2.0…",
        ),
    ),
}


@pytest.fixture
def _one_process_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing processes takes seconds, and has tests of its own."""
    monkeypatch.setenv(CHILD, "1")


def found_in(env: Callable[..., Any], **settings: Any) -> list[str]:
    """Return the findings, each with its severity and check, but for those on the size of rewards."""
    findings = [f for f in diagnose(env, **settings).findings if f.check != "reward-scale"]
    return [f"{f.severity} {f.check}: {f}" for f in findings]


@pytest.mark.usefixtures("_one_process_only")
@pytest.mark.parametrize("name", LEAKS)
def test_what_outlives_an_episode_is_found(name: str) -> None:
    env, sentence = LEAKS[name]
    assert found_in(env) == [f"warning leak-between-episodes: {sentence}"]


def handed_over(env: type[Any], *names: str, **members: Any) -> type[Any]:
    """Return an env that hands over these attributes, in which some methods are others."""

    def state_dict(self: Any) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self: Any, state: Mapping[str, Any]) -> None:
        for name in names:
            setattr(self, name, state[name])

    methods = {"state_dict": state_dict, "load_state_dict": load_state_dict}
    return type("<locals>", (env,), {**methods, **members})


def generator_state(self: Any) -> dict[str, Any]:
    return ph.seeding.generator_states(self)


@pytest.mark.usefixtures("_one_process_only")
@pytest.mark.parametrize(
    "env",
    [
        handed_over(Interest, "level"),
        handed_over(InterestInTurns, "level"),
        handed_over(Longer, "num_episodes"),
        handed_over(Alternating, "is_paying"),
        handed_over(
            Drawing,
            state_dict=generator_state,
            load_state_dict=ph.seeding.restore_generators,
        ),
        handed_over(Bank),
    ],
)
def test_an_env_that_hands_over_what_outlives_an_episode_is_well(env: type[Any]) -> None:
    assert found_in(env) == []


@pytest.mark.usefixtures("_one_process_only")
def test_a_state_that_lacks_something_is_found() -> None:
    sentence = INCOMPLETE.format(what="its reward", values="1.0 instead of 2.0")
    assert found_in(handed_over(Interest, "num_steps")) == [
        f"warning incomplete-state: agent 'A', step 1: {sentence}"
    ]


def failing(*_: Any) -> None:
    raise KeyError("level")


FAILING_LINE = failing.__code__.co_firstlineno + 1


@pytest.mark.usefixtures("_one_process_only")
@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        (
            handed_over(Interest, state_dict=lambda self: {"seen": {1}}),
            (
                "what state_dict() returned cannot be saved: state.carried.seen is {1} (set). Expected NumPy "
                "arrays and JSON values in dicts with str keys."
            ),
        ),
        (
            handed_over(Interest, state_dict=failing),
            (
                f"state_dict() raised KeyError: 'level' (test_carried_state.py, line {FAILING_LINE}, in "
                "failing). It is called before each reset: return what an episode hands to the next, as "
                "NumPy arrays and JSON values."
            ),
        ),
        (
            handed_over(Interest, load_state_dict=failing),
            (
                "load_state_dict() of a new env raised KeyError: 'level' (test_carried_state.py, line "
                f"{FAILING_LINE}, in failing). Let it take what state_dict() returned."
            ),
        ),
    ],
    ids=["a set", "state_dict() raises", "load_state_dict() raises"],
)
def test_a_state_that_no_run_can_be_resumed_from_is_found(env: type[Any], sentence: str) -> None:
    assert found_in(env) == [f"error unrestorable-state: {sentence}"]


@pytest.mark.usefixtures("_one_process_only")
def test_endless_envs_are_played_within_bounds() -> None:
    diagnosis = diagnose(EndlessInterest, max_steps=5)
    assert [(f.check, f.step) for f in diagnosis.findings] == [
        ("no-time-limit", None),
        ("leak-between-episodes", 1),
    ]


SHARED = """
import gymnasium as gym
import phantom_core as ph

RESETS = []


class Reader(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(1000)
    action_space = gym.spaces.Discrete(2)

    def decode_action(self, ctx, action):
        pass

    def encode_observation(self, ctx):
        return ctx.env_view.current_step

    def compute_reward(self, ctx):
        return 0.0


class Library(ph.PhantomEnv):
    num_resets = 0

    def __init__(self):
        super().__init__(3, ph.Network([Reader("R")]))

    def on_reset(self):
        RESETS.append(self.current_step)
        Library.num_resets += 1

    def pays(self):
        return 1

    def step(self, actions):
        result = super().step(actions)
        return result._replace(rewards={i: float(self.pays()) for i in result.rewards})


class InClass(Library):
    def pays(self):
        return Library.num_resets


class InModule(Library):
    def pays(self):
        return len(RESETS)


class HandsOver(InClass):
    def state_dict(self):
        return {"num_resets": Library.num_resets}

    def load_state_dict(self, state):
        Library.num_resets = state["num_resets"]


class Unseeded(Library):
    def pays(self):
        return self.time.random()

    def on_reset(self):
        import random
        self.time = random.SystemRandom()
"""


@pytest.fixture
def shared(tmp_path: Path, forgotten_modules: None) -> Callable[[str], Any]:  # cleans up
    (tmp_path / "shared_library.py").write_text(textwrap.dedent(SHARED))
    return lambda name: ph.tools.load_reference(f"shared_library.py:{name}", setting="env", folder=tmp_path)


@pytest.mark.parametrize("name", ["InClass", "InModule"])
def test_what_is_kept_in_classes_and_modules_is_told_from_chance(
    name: str, shared: Callable[[str], Any]
) -> None:
    sentence = (
        "agent 'R', step 1: two envs with the same seed and actions differ in its reward in one process, and "
        "not in new processes: 6.0 and 7.0. Keep nothing in classes or modules, or give the env state_dict() "
        "and load_state_dict()."
    )
    diagnosis = diagnose(shared(name))
    assert [f"{f.check}: {f}" for f in diagnosis.findings] == [f"leak-between-episodes: {sentence}"]
    assert diagnosis.not_checked == ()


def test_a_class_that_is_handed_over_is_well(shared: Callable[[str], Any]) -> None:
    assert found_in(shared("HandsOver")) == []


def test_chance_is_told_from_what_is_kept(shared: Callable[[str], Any]) -> None:
    (finding,) = diagnose(shared("Unseeded")).findings
    assert (finding.check, finding.agent_id, finding.step) == ("seed-does-not-fix-the-episode", "R", 1)


@pytest.mark.usefixtures("_one_process_only")
def test_infos_and_generators_that_differ_by_chance_are_no_finding() -> None:
    class Clock(Saver):
        def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
            return {"id": object()}

    class Timed(Bank):
        def __init__(self) -> None:
            super().__init__(savers=Clock)
            self.unused = np.random.default_rng()

    assert found_in(Timed) == []
