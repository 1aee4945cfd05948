"""An env that saves its episodes goes on in the middle of one without playing it again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_core.training.checkpoint import load_checkpoint, save_checkpoint


class Traveller(ph.StrategicAgent):
    """Walks, draws, and is paid for each second step only."""

    observation_space: Any = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space: Any = gym.spaces.Discrete(3)

    def __init__(self, agent_id: str, dies_after: int | None = None) -> None:
        super().__init__(agent_id)
        self.dies_after = dies_after

    def reset(self) -> None:
        self.place, self.age = self.random.random(), 0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.place += int(action) - 1 + self.rng.normal() / 10
        self.age += 1

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([self.place, self.random.random()]) if self.age % 3 else None

    def compute_reward(self, ctx: ph.Context) -> float:
        return -abs(self.place)

    def is_terminated(self, ctx: ph.Context) -> bool:
        return self.age == self.dies_after


class Seen(Traveller):
    """Observes in every step."""

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([self.place, self.random.random()])


class Journey(ph.PhantomEnv):
    """Two travellers without an end; each keeps its place and age."""

    saves_episodes = True
    travellers: Any = (Seen("A"), Seen("B"))

    def __init__(self) -> None:
        super().__init__(None, ph.Network(self.make_travellers()))

    def make_travellers(self) -> list[ph.Agent]:
        return [Seen("A"), Seen("B")]

    def state_dict(self) -> dict[str, Any]:
        return {i: [a.place, a.age] for i, a in self.agents.items() if hasattr(a, "age")}  # type: ignore[misc]  # ids are texts

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for agent_id, (place, age) in state.items():
            agent: Any = self[agent_id]
            agent.place, agent.age = place, age


class Forgetful(Journey):
    """Observes now and then, so rewards are owed; B dies."""

    def make_travellers(self) -> list[ph.Agent]:
        return [Traveller("A"), Traveller("B", dies_after=11), Seen("C")]


class InTurns:
    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn("a", acting=("A",))

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        following = {"a": "b", "b": "a"}[str(turn.name)]
        return ph.Turn(following, acting=(following.upper(),))


class OneAfterTheOther(Journey):
    def __init__(self) -> None:
        ph.PhantomEnv.__init__(self, None, ph.Network(self.make_travellers()), turn_order=InTurns())


class Staged(ph.FiniteStateMachineEnv):
    saves_episodes = True
    state_dict = Journey.state_dict
    load_state_dict = Journey.load_state_dict

    def __init__(self) -> None:
        stages = [
            ph.FSMStage(("first", 1), ["A"], ["A"], [("second", 2)]),
            ph.FSMStage(("second", 2), ["B"], ["A", "B"], [("first", 1)]),
        ]
        super().__init__(None, ph.Network([Seen("A"), Seen("B")]), ("first", 1), stages=stages)


class Moving(ph.PhantomEnv):
    """An env whose agents join and leave; it makes them again."""

    saves_episodes = True

    def __init__(self) -> None:
        super().__init__(40, ph.Network([Seen("A")]))

    def on_reset(self) -> None:
        for agent_id in [i for i in self.agents if i != "A"]:
            self.network.remove_agent(agent_id)

    def pre_message_resolution(self) -> None:
        super().pre_message_resolution()
        if self.current_step % 4 == 0:
            self.add(f"N{self.current_step}")
        if self.current_step % 8 == 6:
            self.network.remove_agent(list(self.agents)[1])

    def add(self, agent_id: str) -> None:
        agent = Seen(agent_id)
        self.network.add_agent(agent)
        agent.reset()

    def state_dict(self) -> dict[str, Any]:
        return {"places": [[i, a.place, a.age] for i, a in self.agents.items() if hasattr(a, "age")]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for agent_id, place, age in state["places"]:
            if agent_id not in self.agents:
                self.add(agent_id)
            agent: Any = self[agent_id]
            agent.place, agent.age = place, age


class Counter:
    """An env of dicts, not derived from anything, with a generator of its own."""

    saves_episodes = True
    acting_agent_ids = None
    strategic_agent_ids = ("A",)

    def __init__(self) -> None:
        self.observation_spaces = {"A": gym.spaces.Discrete(1000)}
        self.action_spaces = {"A": gym.spaces.Discrete(2)}
        self.agents = {"A": ph.StrategicAgent("A")}
        self.rng = np.random.default_rng(0)
        self.count = 0

    def reset(self, seed: int | None = None, options: object = None) -> Any:
        self.rng, self.count = np.random.default_rng(seed), 0
        return {"A": 0}, {"A": {}}

    def step(self, actions: Mapping[ph.AgentID, Any]) -> ph.StepResult:
        self.count = (self.count + int(actions["A"]) + int(self.rng.integers(5))) % 1000
        ends = {"A": False, "__all__": False}
        return ph.StepResult({"A": self.count}, {"A": float(self.count)}, ends, dict(ends), {"A": {}})

    def close(self) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.count = state["count"]
        self.rng.bit_generator.state = state["rng"]


def place_and_one(env: Any) -> Any:
    return np.array([env["A"].place, 1.0])


def single_place(env: Any) -> Any:
    return np.float32(env["A"].place)


METRICS = {
    "place": ph.metrics.SimpleAgentMetric("A", "place"),
    "age": ph.metrics.SimpleAgentMetric("A", "age", train_reduce_action="sum"),
    "both": ph.metrics.LambdaMetric(place_and_one, np.mean, np.mean),
    "single": ph.metrics.LambdaMetric(single_place, np.sum, np.sum),
}


def make_collector(
    env_class: Any, *, workers: int = 0, max_steps: int | None = 60, played: Any = None
) -> ph.Collector:
    env = env_class()
    env.reset(seed=1)
    agent_id = env.strategic_agent_ids[0]
    policy = ph.RandomPolicy(env.observation_spaces[agent_id], env.action_spaces[agent_id])
    envs: Any = [env_class() for _ in range(2)]
    if workers:
        envs, max_steps = ph.make_vector_env(env_class, 2, workers=workers), None
    return ph.Collector(
        envs,
        {"p": policy},
        dict.fromkeys(env.strategic_agent_ids, "p"),
        specs={"p": ph.PolicySpec(agents=ph.Agent, policy=ph.RandomPolicy)},
        seed=4,
        learning=["p"],
        metrics=None if issubclass(env_class, Counter) else METRICS,
        on_episode=None if played is None else played.append,
        max_steps=max_steps,
    )


def as_rows(batch: ph.Batch) -> list[Any]:
    return [
        (
            *(t.agent_id, t.env_index, t.episode, repr(t.rewards), t.terminated, t.truncated),
            *(repr(t.observations), repr(t.actions), repr(t.next_observation)),
        )
        for t in batch.trajectories
    ]


def episodes_of(played: list[ph.EpisodeSummary]) -> list[Any]:
    return [(e.env_index, e.episode, e.seed, e.length, e.episode_returns, repr(e.metrics)) for e in played]


ENVS = [Journey, Forgetful, OneAfterTheOther, Staged, Moving, Counter]


@pytest.mark.parametrize("env_class", ENVS)
@pytest.mark.parametrize("steps", [3, 10, 22])
def test_a_loaded_collector_goes_on_bit_by_bit(env_class: Any, steps: int, tmp_path: Path) -> None:
    plan = ph.CollectPlan(steps=2 * steps, copies=2)
    summaries: list[list[ph.EpisodeSummary]] = [[], [], []]
    whole, first, second = (make_collector(env_class, played=played) for played in summaries)
    for collector in (whole, first):
        collector.collect(plan)
    summaries[0].clear()
    state = first.state_dict()
    assert [one["history"]["agents"] for one in state["copies"]] == [{}, {}], "no action is kept"
    save_checkpoint(tmp_path / "state", state)
    second.load_state_dict(load_checkpoint(tmp_path / "state"))
    for _ in range(6):
        expected, found = whole.collect(plan), second.collect(plan)
        assert as_rows(found["p"]) == as_rows(expected["p"])
    assert episodes_of(summaries[2]) == episodes_of(summaries[0])
    assert second.env_steps == whole.env_steps


@pytest.mark.parametrize("workers", [(0, 2), (2, 0)])
def test_workers_save_their_episodes_too(workers: tuple[int, int], tmp_path: Path) -> None:
    plan = ph.CollectPlan(steps=20, copies=2)
    whole = make_collector(Moving, max_steps=None)
    first, second = (make_collector(Moving, workers=n, max_steps=None) for n in workers)
    try:
        for collector in (whole, first):
            collector.collect(plan)
        save_checkpoint(tmp_path / "state", first.state_dict())
        second.load_state_dict(load_checkpoint(tmp_path / "state"))
        for _ in range(3):
            assert as_rows(second.collect(plan)["p"]) == as_rows(whole.collect(plan)["p"])
    finally:
        first.close()
        second.close()


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_a_checkpoint_does_not_grow_with_the_episode(tmp_path: Path) -> None:
    collector = make_collector(Counter, max_steps=None)
    sizes = []
    for number in range(3):
        collector.collect(ph.CollectPlan(steps=4000, copies=2))
        save_checkpoint(tmp_path / str(number), collector.state_dict())
        sizes.append(size_of(tmp_path / str(number)))
    assert max(sizes) - min(sizes) < 100, "but for the digits of counts"


def test_no_more_than_some_actions_are_kept_in_memory() -> None:
    collector = make_collector(Counter, max_steps=None)
    collector.collect(ph.CollectPlan(steps=20_000, copies=2))
    history: Any = vars(collector)["_history"]
    kept = sum(len(actions) for _, _, actions in history._runs)  # noqa: SLF001  memory has no public face
    assert kept <= 2 * 2 * 1101


def test_what_load_state_dict_forgets_is_told_where_it_can_be_known() -> None:
    class Careless(Counter):
        def load_state_dict(self, state: Mapping[str, Any]) -> None:
            self.count = state["count"]

    first, second = make_collector(Careless), make_collector(Careless)
    first.collect(ph.CollectPlan(steps=6, copies=2))
    with pytest.raises(ph.errors.CheckpointError) as caught:
        second.load_state_dict(first.state_dict())
    assert str(caught.value) == (
        "Copy 0 of Careless cannot be restored to the middle of episode 0: a generator of it stands "
        "elsewhere. Let load_state_dict() put it back."
    )


def test_agents_that_are_not_made_again_are_told() -> None:
    class Careless(Moving):
        def load_state_dict(self, state: Mapping[str, Any]) -> None:
            pass

    first, second = make_collector(Careless), make_collector(Careless)
    first.collect(ph.CollectPlan(steps=10, copies=2))
    with pytest.raises(ph.errors.CheckpointError) as caught:
        second.load_state_dict(first.state_dict())
    assert str(caught.value) == (
        "Copy 0 of Careless cannot be restored to the middle of episode 0: Careless has other agents or "
        "connections than its episode had when it was saved. Let load_state_dict() make those that reset() "
        "does not make."
    )


def test_metrics_whose_values_cannot_be_saved_are_told() -> None:
    env = Journey()
    collector = ph.Collector(
        [env],
        {"p": ph.RandomPolicy(Seen.observation_space, Seen.action_space)},
        {"A": "p", "B": "p"},
        seed=1,
        metrics={"names": ph.metrics.LambdaMetric(lambda _: "here", len, len)},
    )
    collector.collect(ph.CollectPlan(steps=2))
    with pytest.raises(ph.errors.CheckpointError) as caught:
        collector.state_dict()
    assert str(caught.value) == (
        "Copy 0 of Journey cannot be saved in the middle of episode 0: the metric 'names' recorded 'here'. "
        "Let it record numbers, or arrays of numbers of one shape."
    )


class Growing(Journey):
    """Keeps a list, and hands out that very list."""

    def __init__(self) -> None:
        super().__init__()
        self.met: list[int] = []

    def on_reset(self) -> None:
        self.met.append(len(self.met))

    def pre_message_resolution(self) -> None:
        super().pre_message_resolution()
        self.met.append(self.current_step)

    def state_dict(self) -> dict[str, Any]:
        return {"met": self.met, "others": super().state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.met = list(state["met"])
        if all(hasattr(agent, "age") for agent in self.agents.values()):
            super().load_state_dict(state["others"])


class GrowingOnce(Growing):
    """Is played again, so it must be given what it carried in, not what became of that."""

    saves_episodes = False

    def __init__(self) -> None:
        super().__init__()
        self.num_steps = 50

    def state_dict(self) -> dict[str, Any]:
        return {"met": self.met, "others": {}}


def met(collector: ph.Collector) -> list[list[int]]:
    envs: Any = vars(collector)["_envs"]
    return [envs.facts(number).met for number in range(2)]


@pytest.mark.parametrize("env_class", [Growing, GrowingOnce])
def test_what_an_env_hands_out_may_change_later(env_class: Any) -> None:
    plan = ph.CollectPlan(steps=30, copies=2)
    whole, first, second = (make_collector(env_class) for _ in range(3))
    for collector in (whole, first):
        collector.collect(plan)
        collector.collect(plan)
    state = first.state_dict()
    first.collect(plan)
    second.load_state_dict(state)
    for _ in range(3):
        assert as_rows(second.collect(plan)["p"]) == as_rows(whole.collect(plan)["p"])
    assert met(second) == met(whole)


def test_a_run_goes_on_in_an_episode_of_any_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phantom_core.rollouts.env_copy.MAX_HISTORY", 8)
    settings: dict[str, Any] = {"trainer": "q-learning", "env": TableOfJourneys, "seed": 3}
    settings |= {"policies": {"p": ["A", "B"]}, "trainer_config": {"steps_per_iteration": 50}}
    settings |= {"checkpoint": ph.CheckpointPlan(every=1), "num_iterations": 6}
    expected = ph.train(run_dir=tmp_path / "whole", **settings).run_directory
    with pytest.raises(KeyboardInterrupt):
        ph.train(run_dir=tmp_path / "cut", hooks=[Stop()], **settings)
    (run,) = (tmp_path / "cut").iterdir()
    assert ph.resume(run, hooks=[]).status == "completed"
    (resumed,) = json.loads((run / "run.json").read_text())["resumed"]
    assert resumed["differences"] == []
    assert expected is not None
    tables = [ph.load_policies(path)["p"].state_dict()["table"] for path in (expected, run)]
    assert np.array_equal(*tables)
    assert np.any(tables[0])


class Stop(ph.Hooks):
    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        if event.iteration == 3:
            raise KeyboardInterrupt


class Place(Seen):
    observation_space = gym.spaces.Discrete(10)

    def encode_observation(self, ctx: ph.Context) -> int:
        return min(9, int(abs(self.place)))


class TableOfJourneys(Journey):
    def make_travellers(self) -> list[ph.Agent]:
        return [Place("A"), Place("B")]


class Broken(Journey):
    """Finds nothing of what it saved."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        raise KeyError("D")


class Mute(Journey):
    """Can say nothing in mid-episode."""

    def state_dict(self) -> dict[str, Any]:
        if self.current_step:
            raise LookupError("lost")
        return {}


BROKEN_LINE = Broken.load_state_dict.__code__.co_firstlineno + 1
MUTE_LINE = Mute.state_dict.__code__.co_firstlineno + 2


@pytest.mark.parametrize("workers", [0, 1])
def test_what_load_state_dict_raises_is_a_sentence_with_its_place(workers: int) -> None:
    first = make_collector(Journey)
    first.collect(ph.CollectPlan(steps=6, copies=2))
    state = first.state_dict()
    for copy in state["copies"]:
        copy["carried"] = None
    second = make_collector(Broken, workers=workers)
    try:
        with pytest.raises(ph.errors.CheckpointError) as caught:
            second.load_state_dict(state)
    finally:
        second.close()
    assert str(caught.value) == (
        "Copy 0 of Broken cannot be restored to the middle of episode 0: KeyError: 'D' "
        f"(test_saved_episodes.py, line {BROKEN_LINE}, in load_state_dict)."
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_what_state_dict_raises_is_a_sentence_with_its_place(workers: int) -> None:
    collector = make_collector(Mute, workers=workers)
    try:
        collector.collect(ph.CollectPlan(steps=6, copies=2))
        with pytest.raises(ph.errors.CheckpointError) as caught:
            collector.state_dict()
    finally:
        collector.close()
    assert str(caught.value) == (
        "Copy 0 of Mute cannot be saved in the middle of episode 0: LookupError: lost "
        f"(test_saved_episodes.py, line {MUTE_LINE}, in state_dict)."
    )


def test_turns_with_odd_names_and_missing_agents_are_told() -> None:
    names = {repr(agent_id): agent_id for agent_id in ("A", "B")}
    turn = ph.Turn("bid", acting=("A",), rewarded=None, observing=("B", "A"))
    assert ph.Turn.from_json(json.loads(json.dumps(turn.as_json())), names) == turn
    plain = ph.Turn(3)
    assert ph.Turn.from_json(json.loads(json.dumps(plain.as_json())), names) == plain
    with pytest.raises(ph.errors.EnvError) as caught:
        ph.Turn.from_json(ph.Turn(("bid", 1)).as_json(), names)
    assert str(caught.value) == (
        "The turn ('bid', 1) cannot be made again. Give turns a str or an int as name."
    )
    with pytest.raises(ph.errors.EnvError) as caught:
        ph.Turn.from_json(turn.as_json(), {repr("A"): "A"})
    assert str(caught.value) == "The turn 'bid' cannot be made again: there is no agent 'B'."
