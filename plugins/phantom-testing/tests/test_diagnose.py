"""The doctor finds exactly what is wrong with an env, and nothing in one that is well."""

# ruff: noqa: ARG001, ARG005  what stands in for a method has its arguments, used or not

import contextlib
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_testing import diagnose
from phantom_testing.findings import KINDS
from phantom_testing.hash_order import CHILD

BOX = gym.spaces.Box(0.0, 1.0, (2,), np.float32)


class Walker(ph.StrategicAgent):
    """Walks between 0 and 1, and is paid for how far it is; nothing is wrong with it."""

    observation_space: Any = BOX
    action_space: Any = gym.spaces.Discrete(2)
    place, step = 0.5, 0

    def reset(self) -> None:
        self.place, self.step = self.random.random(), 0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.step += 1
        self.place = min(1.0, max(0.0, self.place + (0.1 if action == 1 else -0.1)))

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([self.place, self.step % 2], np.float32)

    def compute_reward(self, ctx: ph.Context) -> Any:
        return self.place


def env_of(
    num_steps: int | None = 12, *, env_members: Mapping[str, Any] | None = None, **members: Any
) -> Callable[..., Any]:
    """Return an env of the agents A and B, in which these members of A's class are changed."""
    changed: Any = type("Changed", (Walker,), members)

    def init(self: Any) -> None:
        ph.PhantomEnv.__init__(self, num_steps, ph.Network([changed("A"), Walker("B")]))

    return type("<locals>", (ph.PhantomEnv,), {"__init__": init, **(env_members or {})})


def passed_on(change: Callable[[int, ph.StepResult], ph.StepResult]) -> Callable[..., Any]:
    """Return an env that is no PhantomEnv, in which the results of steps are changed."""
    env_class = env_of()

    class PassedOn:
        def __init__(self) -> None:
            self.inner = env_class()

        def step(self, actions: Any) -> ph.StepResult:
            return change(self.inner.current_step + 1, self.inner.step(actions))

        def __getattr__(self, name: str) -> Any:
            if name == "num_steps":
                raise AttributeError(name)
            return getattr(self.inner, name)

        def __dir__(self) -> list[str]:
            return [*dir(self.inner), "step"]

    return PassedOn


def found_in(env: Callable[..., Any], **settings: Any) -> list[str]:
    """Return the findings, each with its severity and check."""
    diagnosis = diagnose(env, **settings)
    return [f"{f.severity} {f.check}: {f}" for f in diagnosis.findings]


# ---------------------------------------------------------------------- envs with one thing wrong


def at(step: int, value: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return an `encode_observation` that returns something else at one step."""
    return lambda self, ctx: (
        value(self) if ctx.env_view.current_step == step else Walker.encode_observation(self, ctx)
    )


def in_place(self: Any, ctx: ph.Context) -> Any:
    self.array = getattr(self, "array", np.zeros(2, np.float32))
    self.array[:] = self.place, 0.0
    return self.array


MASKED = gym.spaces.Dict({"observation": BOX, "action_mask": gym.spaces.Box(0, 1, (2,), np.int8)})


def masked(mask: list[int]) -> dict[str, Any]:
    def encode(self: Any, ctx: ph.Context) -> Any:
        allowed = mask if ctx.env_view.current_step == 3 else [0, 1]
        return {"observation": np.zeros(2, np.float32), "action_mask": np.array(allowed, np.int8)}

    def decode(self: Any, ctx: ph.Context, action: Any) -> None:
        assert action == 1 or ctx.env_view.current_step == 4  # the mask is heeded where it allows anything

    return {"observation_space": MASKED, "encode_observation": encode, "decode_action": decode}


OBSERVATIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "float64": (
        env_of(encode_observation=lambda self, ctx: np.array([self.place, 0.0])),
        (
            "note observation-cast: agent 'A', reset: its observation is float64, but its space is "
            "Box(0.0, 1.0, (2,), float32). It is faster to return it as float32: np.asarray(observation, "
            "np.float32)."
        ),
    ),
    "int64": (
        env_of(encode_observation=lambda self, ctx: np.array([1, 0])),
        (
            "error observation-dtype: agent 'A', reset: its observation is int64, but its space is "
            "Box(0.0, 1.0, (2,), float32). Return it as float32: np.asarray(observation, np.float32)."
        ),
    ),
    "too large": (
        env_of(encode_observation=at(7, lambda self: np.array([0.0, 1.5], np.float32))),
        (
            "error observation-outside-space: agent 'A', step 7: its observation is 1.5 at (1,), but its "
            "space goes from 0.0 to 1.0 there. Change encode_observation() or the space."
        ),
    ),
    "of another shape": (
        env_of(encode_observation=at(2, lambda self: np.zeros(3, np.float32))),
        (
            "error observation-outside-space: agent 'A', step 2: its observation has shape (3,), but its "
            "space is Box(0.0, 1.0, (2,), float32). Change one of the two."
        ),
    ),
    "no number": (
        env_of(encode_observation=at(3, lambda self: np.array([np.nan, 0.0], np.float32))),
        (
            "error observation-not-a-number: agent 'A', step 3: its observation is NaN at (0,). Find where "
            "it comes from: a division by zero, for instance, or a value that was never set."
        ),
    ),
    "infinite": (
        env_of(
            observation_space=gym.spaces.Box(-np.inf, np.inf, (2,), np.float32),
            encode_observation=at(3, lambda self: np.array([0.0, np.inf], np.float32)),
        ),
        (
            "error observation-infinite: agent 'A', step 3: its observation is infinite at (1,). Clip it, "
            "and bound its space."
        ),
    ),
    "no member of a Discrete space": (
        env_of(observation_space=gym.spaces.Discrete(4), encode_observation=lambda self, ctx: self.step),
        (
            "error observation-outside-space: agent 'A', step 4: its observation is 4 (int), but its space "
            "is Discrete(4). Change encode_observation() or the space."
        ),
    ),
    "without a key": (
        env_of(
            observation_space=gym.spaces.Dict({"place": BOX}),
            encode_observation=lambda self, ctx: {"palce": np.zeros(2, np.float32)},
        ),
        (
            "error observation-outside-space: agent 'A', reset: its observation has the keys ['palce'], but "
            "its space has ['place']. Return exactly these."
        ),
    ),
    "wrong in one part": (
        env_of(
            observation_space=gym.spaces.Dict({"place": gym.spaces.Tuple([gym.spaces.Discrete(2), BOX])}),
            encode_observation=lambda self, ctx: {"place": (0, np.zeros(2))},
        ),
        (
            "note observation-cast: agent 'A', reset: its observation['place'][1] is float64, but its space "
            "is Box(0.0, 1.0, (2,), float32). It is faster to return it as float32: "
            "np.asarray(observation, np.float32)."
        ),
    ),
    "changed in place": (
        env_of(encode_observation=in_place),
        (
            "note observation-changed-later: agent 'A', step 1: its observation of step 0 changed in "
            "place until step 1. Return a new object in each step, such as a copy of the array."
        ),
    ),
    "masked without an action": (
        env_of(**masked([0, 0])),
        (
            "warning no-allowed-action: agent 'A', step 3: its action_mask [0, 0] allows no action. Allow at "
            "least one."
        ),
    ),
    "hardly varies": (
        env_of(
            observation_space=gym.spaces.Dict({"place": BOX}),
            encode_observation=lambda self, ctx: {
                "place": np.array([self.step % 2, 0.5 + 0.001 * (self.step % 2)], np.float32)
            },
        ),
        (
            "note observation-scale: agent 'A': its observation['place'] went from 0.5 to 0.501 at (1,). Set "
            "normalize_observations=True for its policy, or scale it in encode_observation()."
        ),
    ),
    "in thousands": (
        env_of(
            observation_space=gym.spaces.Box(0.0, 1e6, (2,), np.float32),
            encode_observation=lambda self, ctx: np.array([1.0, 5000.0 + self.step], np.float32),
        ),
        (
            "note observation-scale: agent 'A': its observation went from 5e+03 to 5.01e+03 at (1,). Set "
            "normalize_observations=True for its policy, or scale it in encode_observation()."
        ),
    ),
    "for nobody": (
        passed_on(lambda step, r: r._replace(observations={**r.observations, "BB": 0}) if step == 2 else r),
        (
            "error observation-for-nobody: agent 'BB', step 2: there is an observation for it, but no such "
            "agent acts. Did you mean 'B'? Those that act: 'A', 'B'."
        ),
    ),
}


class Beyond(gym.Env[Any, Any]):
    """Shows a number beyond its bounds in its third step."""

    observation_space, action_space = gym.spaces.Box(0.0, 1.0, (2,), np.float32), gym.spaces.Discrete(2)

    def __init__(self, number: float) -> None:
        self.number = number

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        number = self.number if self.count == 3 else 0.5
        return np.array([0.5, number], np.float32), 0.0, self.count == 5, False, {}


OF_OTHERS: dict[str, tuple[Callable[..., Any], str]] = {
    "beyond its bounds": (
        lambda: ph.GymnasiumEnv(Beyond(1.5)),
        (
            "note observation-clipped: agent 'agent', step 3: its observation is 1.5 at (1,), but its space "
            "goes from 0.0 to 1.0 there. Policies get it clipped to these."
        ),
    ),
    "infinitely beyond": (
        lambda: ph.GymnasiumEnv(Beyond(float("inf"))),
        (
            "error observation-outside-space: agent 'agent', step 3: its observation is inf at (1,), but "
            "its space goes from 0.0 to 1.0 there. Change encode_observation() or the space."
        ),
    ),
}


REWARDS: dict[str, tuple[Callable[..., Any], str]] = {
    "large": (
        env_of(compute_reward=lambda self, ctx: 6.0 if self.step % 2 else 8.0),
        (
            "note reward-scale: agent 'A': its rewards have a root mean square of 7.07. Set "
            "normalize_rewards=True for the trainer ppo, or scale them in compute_reward()."
        ),
    ),
    "late": (
        env_of(
            40,
            compute_reward=lambda self, ctx: 40.0 if ctx.env_view.current_step == 38 else 1.0,
            is_terminated=lambda self, ctx: ctx.env_view.current_step == 38,
        ),
        (
            "note late-reward: agent 'A': 52% of what it earned, in size, came with an episode's end. Set "
            "gamma=0.999, gae_lambda=0.98, copies=16, steps_per_copy=256, epochs=10 and minibatch_size=64 "
            "for the trainer ppo, or reward it on the way."
        ),
    ),
    "almost infinite": (
        env_of(compute_reward=lambda self, ctx: 1e200),
        (
            "note reward-scale: agent 'A': its rewards have a root mean square of 1e+200. Set "
            "normalize_rewards=True for the trainer ppo, or scale them in compute_reward()."
        ),
    ),
    "not finite": (
        env_of(compute_reward=lambda self, ctx: float("nan") if self.step == 4 else 0.0),
        "error reward-not-finite: agent 'A', step 4: its reward is nan. Return a finite number.",
    ),
    "no number": (
        passed_on(lambda step, r: r._replace(rewards={"A": None, "B": 1.0}) if step == 5 else r),
        "error reward-not-a-number: agent 'A', step 5: its reward is None (NoneType). Return a float.",
    ),
    "an array": (
        passed_on(lambda step, r: r._replace(rewards={"B": np.ones(1)})),
        "error reward-not-a-number: agent 'B', step 1: its reward is array([1.]) (ndarray). Return a float.",
    ),
    "for nobody": (
        passed_on(lambda step, r: r._replace(rewards={"C": 1.0}) if step == 2 else r),
        (
            "error reward-for-nobody: agent 'C', step 2: there is a reward for it, but no such agent acts. "
            "Those that act: 'A', 'B'."
        ),
    ),
}


class OnlyBActs:
    """B acts, both observe."""

    def first(self, env: Any) -> ph.Turn:
        return ph.Turn("b", acting=("B",), observing=None)

    def advance(self, env: Any, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return turn


def only_b_acts(self: Any) -> None:
    ph.PhantomEnv.__init__(self, 12, ph.Network([Walker("A"), Walker("B")]), turn_order=OnlyBActs())


def joined_late(self: Any) -> None:
    if self.current_step == 3:
        self.network.add_agent(Walker("LATE"))
    ph.PhantomEnv.post_message_resolution(self)


def late_walkers_at(step: int, number: int) -> Callable[[Any], None]:
    def join(self: Any) -> None:
        if self.current_step == step:
            for count in range(number):
                self.network.add_agent(Walker(f"LATE{count}"))
        ph.PhantomEnv.post_message_resolution(self)

    return join


def two_agents(self: Any) -> None:
    self.network = ph.Network([Walker("A"), Walker("B")])


def no_strategic_agent(self: Any) -> None:
    ph.PhantomEnv.__init__(self, 12, ph.Network([ph.Agent("A")]))


class Nameless:
    """An id without a repr of its own."""

    def __repr__(self) -> str:
        return "<Nameless object at 0x7f00>"


def nameless_id(self: Any) -> None:
    ph.PhantomEnv.__init__(self, 12, ph.Network([Walker("B"), Walker(Nameless())]))


AGENTS: dict[str, tuple[Callable[..., Any], str]] = {
    "never observes": (
        env_of(encode_observation=lambda self, ctx: None),
        (
            "warning never-observes: agent 'A': it never observed. Let encode_observation() return something "
            "when its turn comes, or make it a plain Agent."
        ),
    ),
    "never acts": (
        env_of(env_members={"__init__": only_b_acts}),
        (
            "warning never-acts: agent 'A': it observed, but it was never its turn to act. Give it a turn, "
            "or make it a plain Agent."
        ),
    ),
    "observes no more": (
        env_of(
            30,
            encode_observation=lambda self, ctx: (
                Walker.encode_observation(self, ctx) if ctx.env_view.current_step < 5 else None
            ),
        ),
        (
            "warning observes-no-more: agent 'A', step 4: it observed in step 4 and not again until step 30. "
            "Let it observe, or end it with is_terminated()."
        ),
    ),
    "joins late": (
        env_of(env_members={"post_message_resolution": joined_late, "on_reset": two_agents}),
        (
            "note late-joiner: agent 'LATE', step 3: it was not there after the first reset. Select the "
            "policy of each Walker that joins by its class or by a predicate."
        ),
    ),
    "none acts": (
        env_of(env_members={"__init__": no_strategic_agent}),
        (
            "note no-strategic-agent: none of its agents is strategic: 'A'. If some are to learn, derive "
            "those from ph.StrategicAgent."
        ),
    ),
    "has no space": (
        env_of(observation_space=None),
        ("error no-space: agent 'A': its observation_space is None. Set a gymnasium space in Changed."),
    ),
    "has unbounded actions": (
        env_of(
            action_space=gym.spaces.Box(-np.inf, np.inf, (1,), np.float32),
            decode_action=lambda self, ctx, action: None,
        ),
        (
            "note unbounded-action-space: agent 'A': its action space Box(-inf, inf, (1,), float32) has no "
            "bounds. Bound it, if not every number is meant."
        ),
    ),
    "has an id that is an address": (
        env_of(env_members={"__init__": nameless_id}),
        (
            "warning unstable-id: agent <Nameless object at 0x7f00>: the repr of its id is an address, "
            "<Nameless object at 0x7f00>. Give the id's class a __repr__, or use a str, an int or a tuple."
        ),
    ),
}


def failing(step: int) -> Callable[[Any], None]:
    def view(self: Any) -> None:
        if self.current_step == step:
            raise KeyError("price")

    return view


FAILING_LINE = failing.__code__.co_firstlineno + 3


def drawing_in_the_constructor(self: Any) -> None:
    self.luck = random.random()  # noqa: S311  as it should not be
    ph.PhantomEnv.__init__(self, 12, ph.Network([Walker("A")]))


def keeps_its_place(self: Any) -> None:
    self.step = 0  # and self.place stays where the last episode left it


WORLDS: dict[str, tuple[Callable[..., Any], str]] = {
    "fails in reset": (
        env_of(env_members={"on_reset": failing(0)}),
        (
            "error env-raised: reset: reset() raised KeyError: 'price' (test_diagnose.py, line "
            f"{FAILING_LINE}, in view). Fix it: env.reset(seed=0) starts the episode again."
        ),
    ),
    "fails in a step": (
        env_of(env_members={"pre_message_resolution": failing(3)}),
        (
            "error env-raised: step 3: step() raised KeyError: 'price' (test_diagnose.py, line "
            f"{FAILING_LINE}, in view). Fix it: env.reset(seed=0) starts the episode again."
        ),
    ),
    "does not say when it ends": (
        passed_on(lambda step, r: r._replace(terminations={})),
        (
            "error no-end-flags: step 1: step() returned terminations without the key '__all__'. Set it in "
            "each step: whether the whole episode ended."
        ),
    ),
    "has no time limit": (
        env_of(None),
        (
            "warning no-time-limit: the episode did not end within 50 steps of random actions. The env has "
            "no time limit: set num_steps."
        ),
    ),
    "draws from np.random": (
        env_of(compute_reward=lambda self, ctx: np.random.rand() if self.step == 3 else 0.0),  # noqa: NPY002
        (
            "warning global-random: step 3: the env uses the global generator of np.random. Draw from "
            "self.rng of the agent or the env instead."
        ),
    ),
    "seeds np.random": (
        env_of(env_members={"on_reset": lambda self: np.random.seed(1)}),  # noqa: NPY002
        (
            "warning global-random: reset: the env uses the global generator of np.random. Draw from "
            "self.rng of the agent or the env instead."
        ),
    ),
    "draws from random": (
        env_of(compute_reward=lambda self, ctx: random.random()),  # noqa: S311
        (
            "warning global-random: step 1: the env uses the global generator of random. Draw from "
            "self.random of the agent or the env instead."
        ),
    ),
    "draws in its constructor": (
        env_of(env_members={"__init__": drawing_in_the_constructor}),
        (
            "warning global-random: in the constructor, the env uses the global generator of random. Draw "
            "from self.random of the agent or the env instead."
        ),
    ),
    "draws without its seed": (
        env_of(compute_reward=lambda self, ctx: np.random.default_rng().random() if self.step == 2 else 0.0),
        (
            "warning seed-does-not-fix-the-episode: agent 'A', step 2: two envs with the same seed and "
            "actions differ in its reward. Draw everything from self.random or self.rng of the agents and "
            "the env, and keep nothing in classes or modules."
        ),
    ),
    "keeps something for the next episode": (
        env_of(reset=keeps_its_place),
        (
            "warning leak-between-episodes: agent 'A', reset: the same episode differs in what it observes "
            "when other episodes were played before it: array([0.5, 0.0], float32) alone, "
            "array([0.30000001192092896, 0.0], float32) after them. Set everything anew in reset(), or give "
            "the env state_dict() and load_state_dict()."
        ),
    ),
}


def state_of(state: Callable[[Any], Any] | None, space: Any = BOX, **members: Any) -> Callable[..., Any]:
    """Return an env with this global state."""
    stated = {} if state is None else {"state": state}
    return env_of(env_members={"state_space": space, **stated, **members})


def state_at(step: int, value: Any) -> Callable[[Any], Any]:
    return lambda self: value if self.current_step == step else np.zeros(2, np.float32)


def state_in_place(self: Any) -> Any:
    self.buffer = getattr(self, "buffer", np.zeros(2, np.float32))
    self.buffer[:] = self.current_step / 12
    return self.buffer


def moving_walkers(self: Any) -> Any:
    for agent in self.agents.values():
        agent.place = 0.0
    return np.zeros(2, np.float32)


def counting_questions(self: Any) -> Any:
    self.asked = getattr(self, "asked", 0) + 1 if self.current_step else 0
    return np.array([self.asked / 99, 0.0], np.float32)


STATES: dict[str, tuple[Callable[..., Any], str]] = {
    "raises": (
        state_of(lambda self: failing(self.current_step)(self)),
        (
            "error state-raised: reset: state() raised KeyError: 'price' (test_diagnose.py, line "
            f"{FAILING_LINE}, in view). Fix it, or set state_space to None."
        ),
    ),
    "has no space": (
        state_of(lambda self: np.zeros(2, np.float32), None),
        (
            "note state-without-space: it has state(), but its state_space is None. Set it to the space of "
            "state()."
        ),
    ),
    "has a shape for a space": (
        state_of(lambda self: np.zeros(2, np.float32), (2,)),
        "error state-outside-space: its state_space is (2,). Set it to a gymnasium space.",
    ),
    "has another shape at the end": (
        state_of(state_at(12, np.zeros(3, np.float32))),
        (
            "error state-outside-space: step 12: the global state has shape (3,), but its space is Box(0.0, "
            "1.0, (2,), float32). Change one of the two."
        ),
    ),
    "is too large": (
        state_of(state_at(7, np.array([0.0, 1.5], np.float32))),
        (
            "error state-outside-space: step 7: the global state is 1.5 at (1,), but its space goes from "
            "0.0 to 1.0 there. Change state() or the space."
        ),
    ),
    "is float64": (
        state_of(lambda self: np.zeros(2)),
        (
            "note state-cast: reset: the global state is float64, but its space is Box(0.0, 1.0, (2,), "
            "float32). It is faster to return it as float32: np.asarray(state, np.float32)."
        ),
    ),
    "is of ints": (
        state_of(lambda self: np.zeros(2, np.int64)),
        (
            "error state-dtype: reset: the global state is int64, but its space is Box(0.0, 1.0, (2,), "
            "float32). Return it as float32: np.asarray(state, np.float32)."
        ),
    ),
    "is no number": (
        state_of(state_at(3, np.array([np.nan, 0.0], np.float32))),
        (
            "error state-not-a-number: step 3: the global state is NaN at (0,). Find where it comes from: a "
            "division by zero, for instance, or a value that was never set."
        ),
    ),
    "is infinite in one part": (
        state_of(
            lambda self: {"price": np.full(1, np.inf, np.float32)},
            gym.spaces.Dict(price=gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)),
        ),
        (
            "error state-infinite: reset: the global state['price'] is infinite at (0,). Clip it, and bound "
            "its space."
        ),
    ),
    "changes in place": (
        state_of(state_in_place),
        (
            "note state-changed-later: step 1: the global state of step 0 changed in place until step 1. If "
            "other code than trainers keeps it, let state() return a copy."
        ),
    ),
    "moves the agents": (
        state_of(moving_walkers),
        (
            "warning state-changes-the-episode: agent 'A', step 1: the same episode differs in what it "
            "observes when state() is called after each step: array([0.7891611456871033, 1.0], float32) "
            "without, array([0.10000000149011612, 1.0], float32) with it. Let state() only read: draw "
            "nothing and change nothing in it."
        ),
    ),
    "is noise that the seed fixes": (
        state_of(lambda self: self.rng.random(2, np.float32)),
        (
            "warning state-changes-the-episode: step 12: the same episode differs in the global state when "
            "state() is called after each step: array([0.511712372303009, 0.707593560218811], float32) "
            "without, array([0.3303236961364746, 0.797078549861908], float32) with it. Let state() only "
            "read: draw nothing and change nothing in it."
        ),
    ),
    "counts how often it is called": (
        state_of(counting_questions),
        (
            "warning state-changes-the-episode: step 12: the same episode differs in the global state when "
            "state() is called after each step: array([0.010101010091602802, 0.0], float32) without, "
            "array([0.12121212482452393, 0.0], float32) with it. Let state() only read: draw nothing and "
            "change nothing in it."
        ),
    ),
    "is chance": (
        state_of(lambda self: np.random.default_rng().random(2, np.float32)),
        (
            "warning seed-does-not-fix-the-episode: reset: two envs with the same seed and actions differ "
            "in the global state. Draw everything from self.random or self.rng of the agents and the env, "
            "and keep nothing in classes or modules."
        ),
    ),
    "draws from np.random": (
        state_of(lambda self: (np.zeros if self.current_step else np.random.random)(2).astype(np.float32)),
        (
            "warning global-random: reset: the env uses the global generator of np.random. Draw from "
            "self.rng of the agent or the env instead."
        ),
    ),
}

CASES = {
    f"{what} {name}": case
    for what, cases in (
        ("observation", OBSERVATIONS),
        ("observation of others", OF_OTHERS),
        ("reward", REWARDS),
        ("agent", AGENTS),
        ("env", WORLDS),
        ("state", STATES),
    )
    for name, case in cases.items()
}


def test_random_play_heeds_the_mask_of_an_action_of_several_choices() -> None:
    def decode(self: Any, ctx: ph.Context, action: Any) -> None:
        assert (action[0].tolist(), action[1]) == ([1, 0], 2)

    space = gym.spaces.Tuple([gym.spaces.MultiDiscrete([2, 2]), gym.spaces.Discrete(3), BOX])
    mask = np.array([0, 1, 1, 0, 0, 0, 1], np.int8)
    observed = {
        "observation_space": gym.spaces.Dict(observation=BOX, action_mask=gym.spaces.MultiBinary(7)),
        "encode_observation": lambda self, ctx: {
            "observation": np.zeros(2, np.float32) + self.random.random(),
            "action_mask": mask.copy(),
        },
    }
    assert found_in(env_of(action_space=space, decode_action=decode, **observed)) == []


@pytest.mark.parametrize("name", CASES)
def test_the_doctor_finds_what_is_wrong_and_nothing_else(name: str) -> None:
    env, sentence = CASES[name]
    assert found_in(env, max_steps=50) == [sentence]


def test_every_kind_of_finding_is_triggered_by_a_broken_env() -> None:
    triggered = {sentence.split()[1].rstrip(":") for _, sentence in CASES.values()}
    elsewhere = {"hash-order", "no-end", "incomplete-state", "incomplete-episode-state", "unrestorable-state"}
    assert triggered | elsewhere == set(KINDS)


class Dice(ph.Trainer):
    """Collects 60 steps with policies that act at random, and learns nothing."""

    policy_class = ph.RandomPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=60, needs=("state",) if self.run.state_space else ())

    def update(self, *args: Any) -> dict[str, float]:
        return {}


def test_an_env_in_which_nobody_acts_can_be_simulated_and_is_no_error() -> None:
    diagnosis = diagnose(CASES["agent none acts"][0])
    (finding,) = diagnosis.findings
    assert finding.severity == "note"
    assert finding.consequence == (
        "It can be simulated (phantom simulate), not trained: no agent can be given a policy."
    )
    assert diagnosis.num_steps > 0


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"agent none acts"}))  # which has nothing to train
def test_training_stops_where_the_doctor_says_so(name: str) -> None:
    env, sentence = CASES[name]
    is_error = sentence.startswith("error")

    def policy_of(agent_id: Any, ids: list[Any]) -> ph.PolicySpec:
        def is_meant(agent: ph.Agent) -> bool:  # the first policy is for those that join, too
            is_joiner = repr(agent.id) not in map(repr, ids)
            return repr(agent.id) == repr(agent_id) or (is_joiner and agent_id == ids[0])

        return ph.PolicySpec(agents=is_meant, train=True)

    def train() -> None:
        probe = env()
        with contextlib.suppress(Exception):  # some fail in their first reset
            probe.reset(seed=1)
        ids = probe.strategic_agent_ids or ["nobody"]
        policies = {f"p{number}": policy_of(agent_id, ids) for number, agent_id in enumerate(ids)}
        Dice().train(env, 1, policies, None, seed=1)

    if is_error:
        with pytest.raises((ph.PhantomError, KeyError)):
            train()
    else:
        train()


@pytest.mark.parametrize("step", [3, 12])
def test_agents_that_join_are_one_note_per_class_even_in_the_last_step(step: int) -> None:
    join = late_walkers_at(step, number=3)
    env = env_of(env_members={"post_message_resolution": join, "on_reset": two_agents})
    diagnosis = diagnose(env)
    assert [(f.check, f.agent_id, f.severity) for f in diagnosis.findings] == [
        ("late-joiner", "LATE0", "note")
    ]
    assert diagnosis.findings[0].consequence == (
        "It gets the policy whose class or predicate holds for it; a list of ids cannot match it, and "
        "without a policy for it the collector stops the run with a PolicyMappingError."
    )


# ---------------------------------------------------------------------- envs that are well


@pytest.mark.parametrize("space", [BOX, gym.spaces.Dict(places=BOX)])
def test_a_global_state_that_only_reads_is_well(space: Any) -> None:
    def state(self: Any) -> Any:
        places = np.array([agent.place for agent in self.agents.values()], np.float32)
        return places if space is BOX else {"places": places}

    assert found_in(state_of(state, space)) == []


def test_generators_that_stand_elsewhere_by_chance_were_not_moved_by_the_state() -> None:
    def reset(self: Any) -> None:
        self.luck = np.random.default_rng()

    assert found_in(state_of(lambda self: np.zeros(2, np.float32), on_reset=reset)) == []


GYMNASIUM = [
    "Acrobot-v1",
    "Blackjack-v1",
    "CartPole-v1",
    "CliffWalking-v1",
    "FrozenLake-v1",
    "MountainCar-v0",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
    max(name for name in gym.registry if name.startswith("Taxi-v")),
]


@pytest.mark.parametrize("name", GYMNASIUM)
def test_gymnasium_envs_are_well(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHILD, "1")  # without other processes
    limit = gym.spec(name).max_episode_steps
    config = {"env": name, **({} if limit else {"max_episode_steps": 200})}
    known = {"MountainCar-v0": ["observation-scale"], "MountainCarContinuous-v0": ["observation-scale"]}
    known["Pendulum-v1"] = ["reward-scale"]
    diagnosis = diagnose(ph.GymnasiumEnv, config, num_episodes=2)
    assert [finding.check for finding in diagnosis.findings] == known.get(name, [])
    assert not diagnosis.will_bite


def test_a_network_is_told_to_normalise_the_velocity_of_a_mountain_car(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CHILD, "1")
    (finding,) = diagnose(ph.GymnasiumEnv, {"env": "MountainCarContinuous-v0"}, num_episodes=1).findings
    assert finding.severity == "note"
    assert finding.message.endswith(
        " at (1,). Set normalize_observations=True for its policy, or scale it in encode_observation()."
    )
    assert finding.consequence.startswith(
        "A network hardly sees what changes so little, and saturates where numbers are so large:"
    )


@pytest.mark.parametrize(
    ("last", "others", "expected"),
    [
        (40.0, 1.0, ["late-reward"]),
        (-40.0, 0.5, ["late-reward"]),  # a fall
        (1.0, 0.0, ["late-reward"]),  # nothing else
        (9.0, 1.0, []),  # too small
        (400.0, 7.0, ["late-reward", "reward-scale"]),
        (40.0, 5.0, ["reward-scale"]),  # of all, as the last one is like the others
    ],
)
def test_late_rewards_are_told_from_large_ones(last: float, others: float, expected: list[str]) -> None:
    env = env_of(
        60,
        compute_reward=lambda self, ctx: last if ctx.env_view.current_step == 38 else others,
        is_terminated=lambda self, ctx: ctx.env_view.current_step == 38,
    )
    assert [finding.check for finding in diagnose(env).findings] == expected


def test_a_gymnasium_env_without_a_limit_gets_a_note_only() -> None:
    diagnosis = diagnose(ph.GymnasiumEnv, {"env": "CliffWalking-v1"}, num_episodes=1, max_steps=20)
    assert [finding.check for finding in diagnosis.findings] == ["no-end"]
    assert not diagnosis.will_bite


class OneAfterTheOther:
    """Agents act one per step."""

    def first(self, env: Any) -> ph.Turn:
        return ph.Turn(0, acting=(env.strategic_agent_ids[0],))

    def advance(self, env: Any, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        following = (turn.name + 1) % len(env.strategic_agent_ids)  # type: ignore[operator]  # it is an int
        return ph.Turn(following, acting=(env.strategic_agent_ids[following],))


def test_turns_ends_and_odd_ids_are_well() -> None:
    class Leaver(Walker):
        def is_terminated(self, ctx: ph.Context) -> bool:
            return ctx.env_view.current_step == 3

    class Turns(ph.PhantomEnv):
        def __init__(self) -> None:
            agents = [Walker(1), Walker(("x", 2)), Leaver("C"), ph.Agent("D")]
            super().__init__(40, ph.Network(agents), turn_order=OneAfterTheOther())

    assert found_in(Turns) == []


def test_an_episode_may_be_longer_than_the_doctor_plays() -> None:
    assert found_in(env_of(100), max_steps=10) == []


EXAMPLES = sorted((Path(__file__).parents[3] / "docs" / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_well(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHILD, "1")  # without other processes
    monkeypatch.syspath_prepend(path.parent)
    module = ph.tools.load_reference(f"{path}:__dict__", setting="env", folder=path.parent)
    own = [v for v in module.values() if isinstance(v, type) and v.__module__ == module["__name__"]]
    envs = [cls for cls in own if issubclass(cls, ph.PhantomEnv)]
    endless = (
        "warning no-time-limit: the episode did not end within 1000 steps of random actions. The env has no "
        "time limit: set num_steps."
    )
    expected = {env.__name__: [endless] if env.__name__ == "DuopolyEnv" else [] for env in envs}
    found = {env.__name__: found_in(env) for env in envs}
    for env in envs:
        if not env().strategic_agents:  # a model in which nobody learns
            assert found[env.__name__].pop(0).startswith("note no-strategic-agent: ")
    assert {name: [f for f in each if " reward-scale: " not in f] for name, each in found.items()} == expected


def test_the_example_is_well_in_other_processes_too(supply_chain: ModuleType) -> None:
    diagnosis = diagnose(supply_chain.SupplyChainEnv, {"num_shops": 2}, num_episodes=1)
    assert (diagnosis.findings, diagnosis.num_episodes, diagnosis.num_steps) == ((), 1, 100)


# ---------------------------------------------------------------------- how it looks


def test_process_wide_generators_are_given_back_as_they_were() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    env, _ = CASES["env draws from np.random"]
    diagnose(env, num_episodes=1, max_steps=5)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_one_finding_of_a_kind_is_kept_for_each_agent() -> None:
    bad = {"compute_reward": lambda self, ctx: float("inf")}

    def init(self: Any) -> None:
        changed: Any = type("Changed", (Walker,), bad)
        ph.PhantomEnv.__init__(self, 12, ph.Network([changed("A"), changed("B")]))

    found = diagnose(env_of(env_members={"__init__": init})).findings
    assert [(f.agent_id, f.step, f.seed) for f in found] == [("A", 1, 0), ("B", 1, 0)]
    assert {f.consequence for f in found} == {"The collector stops the run with an EnvError."}


def test_what_cannot_be_compared_is_said() -> None:
    assert diagnose(env_of(), num_episodes=1).not_checked == (
        "hash order: the env's class cannot be imported by name",
    )
    env, _ = CASES["agent has an id that is an address"]
    assert diagnose(env).not_checked == ("seed and hash order: the ids differ from env to env",)
    env, _ = CASES["env draws without its seed"]
    assert diagnose(env).not_checked == ("hash order: the episodes of two processes differ anyway",)


def test_trainers_say_themselves_whether_they_can_train() -> None:
    diagnosis = diagnose(env_of(), num_episodes=1)
    assert diagnosis.trainers["q-learning"] == (
        "Agent 'A': A q-table needs Discrete or MultiDiscrete observations, or a Dict of such an "
        "'observation' and an 'action_mask', but the observation space is Box(0.0, 1.0, (2,), float32). Make "
        "it one of these, or use a policy for such spaces."
    )
    tabular = {"observation_space": gym.spaces.Discrete(99), "encode_observation": lambda self, ctx: 0}

    def init(self: Any) -> None:
        ph.PhantomEnv.__init__(self, 12, ph.Network([type("Tabular", (Walker,), tabular)("A")]))

    assert diagnose(env_of(env_members={"__init__": init})).trainers["q-learning"] is None


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"num_episodes": 0}, "diagnose got num_episodes=0. Expected a positive number."),
        ({"max_steps": 0}, "diagnose got max_steps=0. Expected a positive number."),
    ],
)
def test_numbers_that_make_no_sense_are_refused(settings: dict[str, int], error: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        diagnose(env_of(), **settings)
    assert str(caught.value) == error


def test_trainers_have_no_opinion_on_an_env_in_which_nobody_acts() -> None:
    assert diagnose(env_of(env_members={"__init__": no_strategic_agent})).trainers == {}


def test_a_class_of_agents_is_no_env() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        diagnose(ph.StrategicAgent)  # type: ignore[arg-type]  # that is the point
    assert str(caught.value) == (
        "StrategicAgent is no multi-agent env: it has no step. Derive it from ph.PhantomEnv, or wrap a "
        "single-agent env in ph.GymnasiumEnv."
    )


def test_what_is_no_env_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError, match="dict is no multi-agent env: it has no reset"):
        diagnose(dict)  # type: ignore[arg-type]  # that is the point


def test_a_single_agent_env_is_to_be_wrapped() -> None:
    class Alone(gym.Env[Any, Any]):
        """Has one agent."""

    with pytest.raises(ph.errors.ConfigError, match=r"Wrap it: ph.GymnasiumEnv\(Alone\)"):
        diagnose(Alone)
