"""What a recurrent policy remembers is that of one agent in one episode, however it is played."""

import functools
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph
from phantom_core.policies.batching import map_arrays
from phantom_core.training.checkpoint import load_checkpoint, save_checkpoint

PLANS = st.one_of(
    st.builds(ph.CollectPlan, steps=st.integers(1, 25)), st.builds(ph.CollectPlan, episodes=st.integers(1, 5))
)


class Chains:
    """Replays what each agent saw, one decision after the other, over many batches."""

    def __init__(self, policy: ph.RecurrentPolicy) -> None:
        self.policy = policy
        self.states: dict[Any, Any] = {}
        self.num_starts = self.num_cuts = 0

    def follow(self, batch: ph.Batch) -> None:
        found = batch.trajectories
        for k, trajectory in enumerate(found):
            own = trajectory.env_index, trajectory.episode, trajectory.agent_id
            is_cut = own in self.states
            self.num_cuts, self.num_starts = self.num_cuts + is_cut, self.num_starts + (not is_cut)
            state = self.states.pop(own, None) or batched(self.policy.initial_state())
            assert equal(state, map_arrays(lambda part, k=k: part[k : k + 1], batch.initial_states))
            for n, observation in enumerate(trajectory.observations):
                actions, state = self.policy.compute_actions(observation[None], state)
                assert trajectory.actions[n] == actions[0]
                assert np.array_equal(trajectory.extras["trail"][n], state["sums"][1][0])
            self.states[own] = state


def batched(state: Any) -> Any:
    return map_arrays(lambda part: np.asarray(part)[None], state)


def equal(one: Any, other: Any) -> bool:
    return fingerprint(one) == fingerprint(other)


def fingerprint(state: Any) -> Any:
    parts: list[Any] = []
    map_arrays(lambda part: parts.append((part.dtype.str, part.shape, part.tolist())), state)
    return parts


@settings(max_examples=30)
@given(
    in_turns=st.booleans(),
    copies=st.integers(1, 4),
    changes=st.sampled_from([0.0, 0.1, 0.3]),
    max_steps=st.sampled_from([None, 4]),
    plans=st.lists(PLANS, min_size=1, max_size=6),
)
def test_the_memory_is_that_of_the_agent_in_its_episode(
    casts: Any,
    in_turns: bool,  # noqa: FBT001  a parameter of the test
    copies: int,
    changes: float,
    max_steps: int | None,
    plans: list[ph.CollectPlan],
) -> None:
    envs = [casts.RandomCast(in_turns=in_turns, changes=changes) for _ in range(copies)]
    kinds = {"learner": casts.Remembering, "frozen": casts.Remembering, "plain": casts.Plain}
    collector = casts.collector(envs, kinds, ["learner", "plain"], max_steps=max_steps)
    policy = casts.Remembering(casts.RandomCast.observation_space, casts.RandomCast.action_space)
    chains = Chains(policy)
    for plan in plans:
        found = collector.collect(plan)
        assert set(found) == {"learner", "plain"}
        chains.follow(found["learner"])
        assert found["plain"].initial_states is None


def as_values(batch: ph.Batch) -> Any:
    found = batch.trajectories
    arrays = {
        n: getattr(found, n) for n in ("observations", "actions", "rewards", "starts", "steps", "states")
    }
    return repr((arrays, found.extras, found.initial_states, list(found)))


@settings(max_examples=20)
@given(
    in_turns=st.booleans(),
    copies=st.integers(1, 3),
    plans=st.lists(PLANS, min_size=1, max_size=3),
    later=st.lists(PLANS, min_size=1, max_size=3),
)
def test_a_loaded_collector_remembers_what_the_saved_one_did(
    casts: Any,
    tmp_path_factory: pytest.TempPathFactory,
    in_turns: bool,  # noqa: FBT001  a parameter of the test
    copies: int,
    plans: list[ph.CollectPlan],
    later: list[ph.CollectPlan],
) -> None:
    def collector() -> ph.Collector:
        envs = [casts.RandomCast(in_turns=in_turns) for _ in range(copies)]
        kinds = {"learner": casts.Remembering, "frozen": casts.Remembering}
        return casts.collector(envs, kinds, ["learner"], needs=("state",))

    saved, loaded = collector(), collector()
    for plan in plans:
        saved.collect(plan)
    folder = tmp_path_factory.mktemp("saved")
    save_checkpoint(folder / "state", saved.state_dict())
    loaded.load_state_dict(load_checkpoint(folder / "state"))
    for plan in later:
        assert as_values(loaded.collect(plan)["learner"]) == as_values(saved.collect(plan)["learner"])


def test_a_collection_that_was_broken_off_leaves_no_memory(casts: Any) -> None:
    class Failing(casts.RandomCast):
        steps_left = 20

        def step(self, actions: Any) -> ph.StepResult:
            self.steps_left -= 1
            if not self.steps_left:
                raise KeyboardInterrupt
            return super().step(actions)

    collector = casts.collector([Failing(), casts.RandomCast()], {"p": casts.Remembering}, ["p"])
    chains = Chains(casts.Remembering(Failing.observation_space, Failing.action_space))
    chains.follow(collector.collect(ph.CollectPlan(steps=10))["p"])
    with pytest.raises(KeyboardInterrupt):
        collector.collect(ph.CollectPlan(steps=1000))
    chains.follow(collector.collect(ph.CollectPlan(steps=100))["p"])
    assert chains.num_starts > 20


@pytest.mark.parametrize("in_turns", [False, True])
def test_an_evaluation_remembers(casts: Any, in_turns: bool) -> None:  # noqa: FBT001
    env = casts.RandomCast(in_turns=in_turns)
    policies = {"p": casts.Remembering(env.observation_space, env.action_space)}
    found = ph.evaluate(env, policies, dict.fromkeys(env.IDS, "p"), num_episodes=20, seed=1)
    assert len(found.episodes) == 20
    assert max(episode.length for episode in found.episodes) > 3


@pytest.mark.parametrize("in_turns", [False, True])
@pytest.mark.parametrize("changes", [0.0, 0.2])
def test_each_of_the_other_agents_of_an_adapter_has_its_own_memory(
    casts: Any,
    in_turns: bool,  # noqa: FBT001  a parameter of the test
    changes: float,
) -> None:
    policy = casts.Remembering(casts.RandomCast.observation_space, casts.RandomCast.action_space)
    others = {"others": (policy, lambda agent: agent.id != "A")}
    env_config = {"in_turns": in_turns, "changes": changes, "longest": 20}
    env = ph.SingleAgentEnvAdapter(casts.RandomCast, "A", others, env_config)
    for seed in range(30):
        env.reset(seed=seed)
        is_over = False
        while not is_over:
            *_, terminated, truncated, _ = env.step(0)
            is_over = terminated or truncated


def test_in_workers_it_remembers_the_same(casts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[2])])  # workers import the env
    found = []
    for workers in (0, 2):
        make_env = functools.partial(casts.RandomCast, in_turns=True)
        envs = ph.make_vector_env(make_env, 3, workers=workers)
        kinds = {"learner": casts.Remembering, "frozen": casts.Remembering}
        collector = casts.collector(envs, kinds, ["learner"], needs=("state",))
        found.append([as_values(collector.collect(ph.CollectPlan(steps=60))["learner"]) for _ in range(2)])
        collector.close()
    assert found[0] == found[1]


class CountEnv(gym.Env[Any, Any]):
    """Observes [episode, 0, step, step]: whose episode it is and how often its agent decided."""

    observation_space = gym.spaces.Box(-1.0, 2.0**53, (4,), np.float64)
    action_space = gym.spaces.Discrete(5)

    def __init__(self, number: int, shortest: int) -> None:
        self.number, self.episode, self.count, self.shortest = number, -1, 0, shortest

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.episode, self.count = self.episode + 1, 0
        return self._observation(), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        is_over = self.count == self.number + self.shortest
        return (
            self._observation(),
            1.0,
            is_over and not self.number % 2,
            is_over and bool(self.number % 2),
            {},
        )

    def _observation(self) -> Any:
        return np.array([self.number + 10 * self.episode, 0, self.count, self.count], np.float64)


class ByDicts(ph.NativeVectorEnv):
    """Returns dicts by agent, as a vector env of one's own may."""

    step_rows = ph.VectorEnv.step_rows


@pytest.mark.parametrize("is_learning", [False, True])
@pytest.mark.parametrize("kind", [ph.NativeVectorEnv, ByDicts])
@pytest.mark.parametrize("shortest", [1, 2])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_step_that_only_resets_a_copy_leaves_no_mark(
    casts: Any,
    mode: AutoresetMode,
    shortest: int,
    kind: type[ph.NativeVectorEnv],
    is_learning: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    makers = [functools.partial(CountEnv, number, shortest) for number in range(3)]
    envs = kind(SyncVectorEnv(makers, autoreset_mode=mode))
    policy = casts.Remembering(CountEnv.observation_space, CountEnv.action_space)
    learning = ["p"] if is_learning else []
    collector = ph.Collector(envs, {"p": policy}, {"agent": "p"}, seed=1, learning=learning)
    chains = Chains(policy)
    for steps in (3, 6, 3, 12, 30):
        found = collector.collect(ph.CollectPlan(steps=steps))
        if is_learning:
            chains.follow(found["p"])
    assert not is_learning or (chains.num_starts > 10 and chains.num_cuts > 2)


SPACE = gym.spaces.Discrete(5)


class Counter(ph.RecurrentPolicy):
    """Counts its decisions; what it returns may be replaced."""

    answer: Any = None
    initial: Any = None

    def initial_state(self) -> Any:
        return {"h": np.zeros(3), "more": (np.int64(0),)} if self.initial is None else self.initial[0]

    def compute_actions(self, observations: Any, state: Any) -> Any:
        if self.answer is not None:
            return self.answer(state)
        count = state["more"][0]
        return (count % 5).tolist(), {"h": state["h"], "more": (count + 1,)}

    def sample_actions(self, observations: Any, rng: ph.RowStreams, state: Any) -> Any:
        found = self.compute_actions(observations, state)
        return (found[0], {}, found[1]) if type(found) is tuple and len(found) == 2 else found


class Line(gym.Env[int, int]):
    """Observes the step; its agent earns what it chose."""

    observation_space = action_space = SPACE

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, Any]:
        self.count = 0
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.count += 1
        return self.count, float(action), self.count == 4, False, {}


RIGHT = "{'h': 'float64 (2, 3)', 'more': ('int64 (2,)',)}"
COUNTS = (np.ones(2, np.int64),)
WRONG_STATES = {
    "a shape": (
        lambda _: {"h": np.zeros((2, 4)), "more": COUNTS},
        "{'h': 'float64 (2, 4)', 'more': ('int64 (2,)',)}",
    ),
    "too few rows": (
        lambda _: {"h": np.zeros((1, 3)), "more": COUNTS},
        "{'h': 'float64 (1, 3)', 'more': ('int64 (2,)',)}",
    ),
    "a dtype": (
        lambda _: {"h": np.zeros((2, 3)), "more": (np.ones(2),)},
        "{'h': 'float64 (2, 3)', 'more': ('float64 (2,)',)}",
    ),
    "a part missing": (lambda _: {"h": np.zeros((2, 3))}, "{'h': 'float64 (2, 3)'}"),
    "a part too much": (
        lambda state: state | {"rest": np.ones(2)},
        "{'h': 'float64 (2, 3)', 'more': ('int64 (2,)',), 'rest': 'float64 (2,)'}",
    ),
    "another nesting": (lambda _: (np.zeros((2, 3)), 1), "('float64 (2, 3)', 'int64 ()')"),
    "ragged": (lambda _: {"h": [[1], [1, 2]], "more": COUNTS}, "{'h': 'list', 'more': ('int64 (2,)',)}"),
    "none": (lambda _: None, "object ()"),
}


@pytest.mark.parametrize("name", WRONG_STATES)
@pytest.mark.parametrize("is_learning", [False, True])
def test_states_of_another_kind_are_one_sentence(name: str, is_learning: bool) -> None:  # noqa: FBT001
    change, text = WRONG_STATES[name]
    policy = Counter(SPACE, SPACE)
    policy.answer = lambda state: ([0, 0], change(state))
    collector = ph.Collector(
        [ph.GymnasiumEnv(Line), ph.GymnasiumEnv(Line)], {"p": policy}, {"agent": "p"}, seed=1,
        learning=["p"] if is_learning else [],
    )  # fmt: skip
    with pytest.raises(ph.errors.ConfigError) as caught:
        collector.collect(ph.CollectPlan(steps=2))
    method = "sample_actions" if is_learning else "compute_actions"
    assert str(caught.value) == (
        f"Counter.{method}() of policy 'p' was given 2 observations and returned the states {text}. Expected "
        f"{RIGHT}: as initial_state() nests them, with one row for each."
    )
    policy.answer = None
    assert collector.collect(ph.CollectPlan(episodes=2)).keys() == set(collector.learning)


@pytest.mark.parametrize("is_learning", [False, True])
def test_actions_without_states_are_one_sentence(is_learning: bool) -> None:  # noqa: FBT001
    policy = Counter(SPACE, SPACE)
    policy.answer = lambda _: [0]
    learning = ["p"] if is_learning else []
    collector = ph.Collector(
        [ph.GymnasiumEnv(Line)], {"p": policy}, {"agent": "p"}, seed=1, learning=learning
    )
    with pytest.raises(ph.errors.ConfigError) as caught:
        collector.collect(ph.CollectPlan(steps=2))
    assert str(caught.value) == (
        "Counter.sample_actions() of policy 'p' returned [0]. Expected (actions, extras, states): one "
        "action for each observation, a dict, such as {}, and the states after them."
        if is_learning
        else "Counter.compute_actions() of policy 'p' returned [0]. Expected (actions, states): one action "
        "for each observation, and the states after them."
    )


@pytest.mark.parametrize("initial", [None, {}, (), {"h": object}])
def test_an_initial_state_without_arrays_is_one_sentence(initial: Any) -> None:
    policy = Counter(SPACE, SPACE)
    policy.initial = [initial]
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.Collector([ph.GymnasiumEnv(Line)], {"p": policy}, {"agent": "p"}, seed=1)
    assert str(caught.value) == (
        f"Counter.initial_state() returned {initial!r}. Expected an array, or arrays nested in dicts or "
        "tuples."
    )


def test_a_state_may_be_one_array() -> None:
    policy = Counter(SPACE, SPACE)
    policy.initial = [np.float32(0.5)]
    policy.answer = lambda state: ([0] * len(state), state + 1)
    collector = ph.Collector([ph.GymnasiumEnv(Line)], {"p": policy}, {"agent": "p"}, seed=1, learning=["p"])
    collector.collect(ph.CollectPlan(steps=3))
    batch = collector.collect(ph.CollectPlan(steps=3))["p"]
    assert batch.initial_states.dtype == np.float32
    assert batch.initial_states.tolist() == [3.5, 0.5]


def test_a_batch_of_a_plain_policy_has_no_initial_states(casts: Any) -> None:
    collector = casts.collector([casts.RandomCast()], {"p": casts.Plain}, ["p"])
    assert collector.collect(ph.CollectPlan(steps=5))["p"].initial_states is None
