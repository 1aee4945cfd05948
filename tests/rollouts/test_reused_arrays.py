"""Envs and policies may write into one array over and over: what is learned from is what it held then."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph

BOX = gym.spaces.Box(-100.0, 100.0, (2,), np.float32)
SPACES: dict[str, gym.Space[Any]] = {
    "Box": BOX,
    "Dict": gym.spaces.Dict({"place": BOX}),
    "Tuple": gym.spaces.Tuple((BOX,)),
}


class OneArrayEnv(gym.Env[Any, Any]):
    """Observes [episode, step] in one array; ends after three steps, earning the action in each."""

    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, kind: str = "Box") -> None:
        self.observation_space = SPACES[kind]
        self.array, self.episode = np.zeros(2, np.float32), -1
        self.seen: Any = {"Box": self.array, "Dict": {"place": self.array}, "Tuple": (self.array,)}[kind]

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.episode += 1
        self.array[:] = self.episode, 0
        return self.seen, {}

    def step(self, action: Any) -> Any:
        self.array[1] += 1
        reward = float(action[0])
        action *= 0.5  # what it was handed is its own
        return self.seen, reward, False, bool(self.array[1] == 3), {}


class OneArrayPolicy(ph.Policy):
    """Answers in one array: the step, divided by ten."""

    array = np.zeros((2, 1), np.float32)

    def compute_action(self, observation: Any) -> Any:
        raise AssertionError("it is asked for samples")

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> Any:
        self.array[:, 0] = plain(self.observation_space, observations)[:, 1] / 10
        return self.array, {}


def plain(space: gym.Space[Any], observations: Any) -> Any:
    """Return batched observations as the array in them."""
    if isinstance(space, gym.spaces.Dict):
        return observations["place"]
    return observations[0] if isinstance(space, gym.spaces.Tuple) else observations


@pytest.mark.parametrize("kind", sorted(SPACES))
def test_final_observations_are_those_of_the_end_of_the_episode(gymnasium_env: Any, kind: str) -> None:
    envs = [gymnasium_env(OneArrayEnv, kind=kind) for _ in range(2)]
    space = SPACES[kind]
    policy = OneArrayPolicy(space, OneArrayEnv.action_space)
    collector = ph.Collector(envs, {"p": policy}, {"agent": "p"}, seed=1, learning=["p"])
    batch = collector.collect(ph.CollectPlan(steps=2 * 8, copies=2))["p"].trajectories
    one_copy = [[episode, step] for episode in (0, 1, 2) for step in range(3)][:8]
    assert plain(space, batch.observations).tolist() == 2 * one_copy
    assert plain(space, batch.next_observations).tolist() == 2 * [[0, 3], [1, 3], [2, 2]]


def test_a_collector_is_saved_with_the_actions_that_were_played(gymnasium_env: Any) -> None:
    collectors = []
    for _ in range(2):
        envs = [gymnasium_env(OneArrayEnv) for _ in range(2)]
        policy = OneArrayPolicy(BOX, OneArrayEnv.action_space)
        collectors.append(ph.Collector(envs, {"p": policy}, {"agent": "p"}, seed=1, learning=["p"]))
    first, second = collectors
    first.collect(ph.CollectPlan(steps=4, copies=2))
    saved = first.state_dict()
    second.load_state_dict(saved)  # plays them again
    assert repr(second.state_dict()) == repr(saved)


class Turns:
    """A acts, then B twice; what A observes after B's first turn has to wait for the second."""

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn("a", acting=("A",))

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        if turn.name == "a":
            return ph.Turn("b", acting=("B",), observing=("A", "B"))
        return ph.Turn("c", acting=("B",), observing=()) if turn.name == "b" else self.first(env)


class Watcher(ph.StrategicAgent):
    """Observes [step, 0] in one array, which the world then writes into."""

    observation_space = BOX
    action_space = OneArrayEnv.action_space

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.array = np.zeros(2, np.float32)

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        return None

    def encode_observation(self, ctx: ph.Context) -> Any:
        self.array[:] = ctx.env_view.current_step, 0
        return self.array

    def compute_reward(self, ctx: ph.Context) -> float:
        return 0.0


class TurnEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(7, ph.Network([Watcher("A"), Watcher("B")]), turn_order=Turns())

    def pre_message_resolution(self) -> None:
        super().pre_message_resolution()
        for agent in self.strategic_agents:
            agent.array[1] += 1


def test_an_observation_that_waits_for_its_turn_stays_what_it_was() -> None:
    policy = ph.RandomPolicy(BOX, OneArrayEnv.action_space)
    policies = {"A": "p", "B": "p"}
    collector = ph.Collector([TurnEnv()], {"p": policy}, policies, seed=1, learning=["p"])
    batch = collector.collect(ph.CollectPlan(episodes=1))["p"]
    by_agent = {t.agent_id: np.array(t.observations).tolist() for t in batch.trajectories}
    assert by_agent["A"] == [[0, 0], [2, 0], [5, 0]]
