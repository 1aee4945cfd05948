"""`env.state()` and `env.state_space`: none by default; a subclass's own reach the transitions."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

import phantom_core as ph


class Walker(ph.StrategicAgent):
    """Walks one or two steps; ends at 7."""

    observation_space = gym.spaces.Discrete(20)
    action_space = gym.spaces.Discrete(2)
    place = 0

    def reset(self) -> None:
        self.place = 0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.place += 1 + action

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.place

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0

    def is_terminated(self, ctx: ph.Context) -> bool:
        return self.place >= 7


class WithState:
    """The global state is where both walkers are, and the step."""

    state_space: Any = gym.spaces.Dict(
        {"places": gym.spaces.Box(0, 20, (2,), np.int64), "step": gym.spaces.Discrete(20)}
    )

    def state(self: Any) -> Any:
        places = np.array([self.agents["A"].place, self.agents["B"].place])
        return {"places": places, "step": self.current_step}


class Race(WithState, ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(6, ph.Network([Walker("A"), Walker("B")]))


class Led(WithState, ph.StackelbergEnv):
    def __init__(self) -> None:
        super().__init__(9, ph.Network([Walker("A"), Walker("B")]), ["A"], ["B"])


class Staged(WithState, ph.FiniteStateMachineEnv):
    def __init__(self) -> None:
        stages = [
            ph.FSMStage("one", acting_agents=["A"], next_stages=["both"]),
            ph.FSMStage("both", acting_agents=["A", "B"], next_stages=["none"]),
            ph.FSMStage("none", acting_agents=[], next_stages=["one"]),
        ]
        super().__init__(9, ph.Network([Walker("A"), Walker("B")]), initial_stage="one", stages=stages)


def make_collector(env: Any, **options: Any) -> ph.Collector:
    policy = ph.RandomPolicy(Walker.observation_space, Walker.action_space)
    return ph.Collector(
        [env], {"p": policy}, {"A": "p", "B": "p"}, seed=1, learning=["p"], needs=["state"], **options
    )


def test_an_env_has_no_global_state_unless_it_says_so() -> None:
    env = ph.PhantomEnv(6, ph.Network([Walker("A"), Walker("B")]))
    assert env.state_space is None
    with pytest.raises(ph.errors.EnvError) as caught:
        env.state()
    assert str(caught.value) == (
        "PhantomEnv has no global state. Set state_space, and override state() to return an element of it."
    )
    with pytest.raises(ph.errors.ConfigError) as refused:
        make_collector(env)
    assert str(refused.value) == (
        "The global state is needed, but PhantomEnv has none: state_space is None. Give it state_space and "
        "state(), or use a trainer that does without."
    )


def test_a_vector_env_of_gymnasium_has_none() -> None:
    envs = ph.NativeVectorEnv(SyncVectorEnv([lambda: gym.make("FrozenLake-v1")]))
    policy = ph.RandomPolicy(gym.spaces.Discrete(16), gym.spaces.Discrete(4))
    with pytest.raises(ph.errors.ConfigError) as refused:
        ph.Collector(envs, {"p": policy}, {"agent": "p"}, seed=1, learning=["p"], needs=["state"])
    assert str(refused.value) == (
        "The global state is needed, but SyncVectorEnv has none: state_space is None. Give it state_space "
        "and state(), or use a trainer that does without."
    )


@pytest.mark.parametrize("env_class", [Race, Led, Staged])
def test_states_are_those_of_the_decision_and_of_what_followed(env_class: type[ph.PhantomEnv]) -> None:
    collector = make_collector(env_class())
    for _ in range(3):
        batch = collector.collect(ph.CollectPlan(steps=25))["p"]
        found = batch.transitions
        own = np.array([agent_id == "B" for agent_id in found.agent_ids]).astype(int)
        rows = np.arange(len(found))
        assert (found.states["places"][rows, own] == found.observations).all()
        assert (found.states["step"] == found.steps).all()
        assert (found.next_states["places"][rows, own] == found.next_observations)[found.has_next].all()
        assert (found.next_states["step"] > found.steps)[found.has_next].all()
        ended = found.terminated & found.has_next
        assert (found.next_states["places"][rows, own] >= 7)[ended].all()
        assert batch.trajectories.next_states["step"].shape == (len(batch.trajectories),)
    assert found.states["step"].dtype == np.int64


def test_a_state_may_be_discrete() -> None:
    class Steps(Race):
        state_space = gym.spaces.Discrete(20)

        def state(self) -> Any:
            return np.int64(self.current_step)

    found = make_collector(Steps()).collect(ph.CollectPlan(steps=25))["p"]
    for states, steps in (
        (found.transitions.states, found.transitions.steps),
        (found.trajectories.states, found.trajectories.steps),
    ):
        assert states.dtype == np.int64
        assert (states == steps).all()
    assert isinstance(found.transitions.next_states, np.ndarray)


def test_a_state_outside_its_space_is_one_sentence() -> None:
    class Far(Race):
        state_space = gym.spaces.Discrete(3)

        def state(self) -> Any:
            return self.current_step

    with pytest.raises(ph.errors.EnvError) as caught:
        make_collector(Far()).collect(ph.CollectPlan(steps=25))
    assert str(caught.value) == (
        "state() of Far returned 3, which is not in its state_space, Discrete(3). Change state(), or the "
        "space."
    )


@pytest.mark.parametrize("failing_step", [0, 2])
def test_an_exception_in_state_says_where_it_was(failing_step: int) -> None:
    class Broken(Race):
        def state(self) -> Any:
            if self.current_step == failing_step:
                raise ValueError("no state today")
            return super().state()

    collector = make_collector(Broken())
    with pytest.raises(ph.errors.EnvError) as caught:
        collector.collect(ph.CollectPlan(steps=25))
    seed = ph.seeding.derive_seed(1, "episode", 0, 0)
    assert str(caught.value).startswith(
        f"Broken failed in state() at step {failing_step} of episode 0: ValueError: no state today"
    )
    assert str(caught.value).endswith(f"Play it again with env.reset(seed={seed}).")
