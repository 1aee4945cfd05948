"""A collector that is saved and loaded between two iterations goes on as if nothing had happened."""

import random
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_core.rollouts.copy_state import decode_history, encode_history
from phantom_core.training.checkpoint import load_checkpoint, save_checkpoint

BOX = gym.spaces.Box(-100.0, 100.0, (2,), np.float32)


class Wanderer(ph.StrategicAgent):
    """Walks at random; may act in each step, in turns, or until it dies."""

    observation_space = BOX

    def __init__(self, agent_id: str, action_space: gym.Space[Any], dies_after: int | None = None) -> None:
        super().__init__(agent_id)
        self.action_space, self.dies_after = action_space, dies_after

    def reset(self) -> None:
        self.place, self.age = self.rng.normal(size=2).astype(np.float32), 0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        push = sum(action.values()) if isinstance(action, dict) else float(np.sum(action))
        self.place = self.place + np.float32(push) * np.float32(self.random.random())
        self.place, self.age = np.clip(self.place, -100, 100), self.age + 1

    def encode_observation(self, ctx: ph.Context) -> Any:
        return self.place

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.place[0])

    def is_terminated(self, ctx: ph.Context) -> bool:
        return self.age == self.dies_after


class InTurns:
    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn("a", acting=("A",))

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return ph.Turn("b", acting=("B",)) if turn.name == "a" else ph.Turn("a", acting=("A",))


ACTIONS: dict[str, gym.Space[Any]] = {
    "Discrete": gym.spaces.Discrete(3),
    "Box": gym.spaces.Box(-1.0, 1.0, (2,), np.float32),
    "scalar": gym.spaces.Box(-1.0, 1.0, (), np.float32),
    "Dict": gym.spaces.Dict({"left": gym.spaces.Discrete(2), "right": gym.spaces.Discrete(3)}),
    "Tuple": gym.spaces.Tuple((gym.spaces.Discrete(2), gym.spaces.Discrete(3))),
}


class Drawing(ph.RandomPolicy):
    """Random, and says what it drew."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        actions, _ = super().sample_actions(observations, rng)
        return actions, {"draw": np.asarray(rng.uniform(), np.float32)}


def make_collector(action_space: gym.Space[Any], *, copies: int = 2, in_turns: bool = False) -> ph.Collector:
    envs = [
        ph.PhantomEnv(
            7,
            ph.Network([Wanderer("A", action_space), Wanderer("B", action_space, dies_after=3)]),
            turn_order=InTurns() if in_turns else None,
        )
        for _ in range(copies)
    ]
    policy = Drawing(BOX, action_space)
    return ph.Collector(envs, {"p": policy}, {"A": "p", "B": "p"}, seed=4, learning=["p"])


def as_rows(batch: ph.Batch) -> list[Any]:
    return [
        (
            *(t.agent_id, t.env_index, t.episode, t.rewards, t.terminated, t.truncated),
            repr(t.observations),
            repr(t.actions),
            repr(t.extras),
            repr(t.next_observation),
        )
        for t in batch.trajectories
    ]


@pytest.mark.parametrize("in_turns", [False, True])
@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("steps", [6, 10, 14])
def test_a_loaded_collector_goes_on_bit_by_bit(
    tmp_path: Path,
    name: str,
    steps: int,
    in_turns: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    plan = ph.CollectPlan(steps=steps, copies=2)
    whole, first, second = (make_collector(ACTIONS[name], in_turns=in_turns) for _ in range(3))
    for collector in (whole, first):
        collector.collect(plan)
        collector.collect(plan)
    save_checkpoint(tmp_path / "state", first.state_dict())
    second.load_state_dict(load_checkpoint(tmp_path / "state"))
    assert second.env_steps == 2 * steps
    for _ in range(3):
        assert as_rows(second.collect(plan)["p"]) == as_rows(whole.collect(plan)["p"])


def test_a_step_of_a_long_episode_takes_two_bytes_for_each_agent() -> None:
    agents = {
        "A": (1, gym.spaces.Discrete(3)),
        "B": (3, gym.spaces.Discrete(5, start=-2)),  # it acts in every third step
    }
    history = [
        {i: int(space.start) + step % 3 for i, (every, space) in agents.items() if step % every == 0}
        for step in range(3000)
    ]
    policies = {i: (i, space) for i, (_, space) in agents.items()}
    saved = encode_history(history, policies)
    sizes = {name: taken["steps"].nbytes + taken["actions"].nbytes for name, taken in saved["agents"].items()}
    assert sizes == {"'A'": 2 * 3000, "'B'": 2 * 1000}
    loaded = decode_history(saved, {i: space for i, (_, space) in agents.items()})
    assert loaded == [{repr(i): action for i, action in chosen.items()} for chosen in history]
    assert all(type(action) is int for chosen in loaded for action in chosen.values())


def test_a_collector_that_went_on_can_go_back() -> None:
    plan = ph.CollectPlan(steps=5)
    collector = make_collector(ACTIONS["Discrete"], copies=1)
    collector.collect(plan)
    state = collector.state_dict()
    once = as_rows(collector.collect(plan)["p"])
    collector.load_state_dict(state)
    assert as_rows(collector.collect(plan)["p"]) == once


def test_metrics_of_an_episode_that_was_cut_by_loading_are_those_of_the_whole_episode() -> None:
    def collect(*, is_cut: bool) -> list[Any]:
        episodes: list[ph.EpisodeSummary] = []
        found = {"age": ph.metrics.SimpleAgentMetric("A", "age", train_reduce_action="sum")}

        def collector() -> ph.Collector:
            env = ph.PhantomEnv(7, ph.Network([Wanderer("A", ACTIONS["Discrete"])]))
            policy = Drawing(BOX, ACTIONS["Discrete"])
            return ph.Collector(
                [env],
                {"p": policy},
                {"A": "p"},
                seed=4,
                learning=["p"],
                metrics=found,
                on_episode=episodes.append,
            )

        first = collector()
        first.collect(ph.CollectPlan(steps=3))
        second = collector() if is_cut else first
        if is_cut:
            second.load_state_dict(first.state_dict())
        second.collect(ph.CollectPlan(steps=4))
        return [(e.length, e.metrics, dict(e.episode_returns)) for e in episodes]

    assert collect(is_cut=True) == collect(is_cut=False)


class Unseeded(Wanderer):
    """Draws from a generator that no seed reaches."""

    def compute_reward(self, ctx: ph.Context) -> float:
        return random.random()  # noqa: S311  unseeded is what is tested


def test_an_env_that_goes_otherwise_than_before_is_said_to() -> None:
    def collector() -> ph.Collector:
        env = ph.PhantomEnv(7, ph.Network([Unseeded("A", ACTIONS["Discrete"])]))
        policy = Drawing(BOX, ACTIONS["Discrete"])
        return ph.Collector([env], {"p": policy}, {"A": "p"}, seed=4, learning=["p"])

    first = collector()
    first.collect(ph.CollectPlan(steps=3))
    with pytest.raises(ph.errors.CheckpointError) as caught:
        collector().load_state_dict(first.state_dict())
    assert str(caught.value) == (
        "Copy 0 of PhantomEnv cannot be restored: episode 0, played again from its seed with the same "
        "actions for 3 steps, gives other observations, rewards or random draws. Let everything in it "
        "follow from reset(seed=...)."
    )


def test_a_collector_with_other_copies_is_refused() -> None:
    state = make_collector(ACTIONS["Discrete"], copies=2).state_dict()
    with pytest.raises(ph.errors.CheckpointError) as caught:
        make_collector(ACTIONS["Discrete"], copies=3).load_state_dict(state)
    assert str(caught.value) == (
        "The saved collector has seed 4 and 2 copies of the env, but this one has seed 4 and 3. Make it with "
        "the same."
    )


class Endless(gym.Env[int, int]):
    observation_space = action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, Any]:
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        return 0, 0.0, False, False, {}


def test_an_episode_that_is_too_long_to_be_played_again_cannot_be_saved() -> None:
    env = ph.GymnasiumEnv(Endless())
    policies = {"p": ph.ConstantPolicy(Endless.observation_space, Endless.action_space, action=1)}
    collector = ph.Collector([env], policies, {"agent": "p"}, seed=1)
    collector.collect(ph.CollectPlan(steps=100_000))
    collector.state_dict()
    collector.collect(ph.CollectPlan(steps=1))
    with pytest.raises(ph.errors.CheckpointError) as caught:
        collector.state_dict()
    assert str(caught.value) == (
        "Episode 0 of copy 0 of GymnasiumEnv has gone on for 100,001 steps, and only the actions of 100,000 "
        "are kept to play it again. Give the env a time limit, save after an episode ended, or "
        "let the env save its episodes (saves_episodes)."
    )
