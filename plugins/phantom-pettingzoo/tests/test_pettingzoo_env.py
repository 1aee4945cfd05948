"""Any env of PettingZoo is an env of ours, whose policies can be trained."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pettingzoo
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.utils.conversions import parallel_to_aec

import phantom_core as ph
from phantom_pettingzoo import PettingZooEnv, to_aec, to_parallel

AGENTS = ("guesser_0", "guesser_1")


class Guess(pettingzoo.ParallelEnv):  # type: ignore[misc]  it ships no types
    """Each agent sees a number and earns 1 for naming it, for `num_steps` steps."""

    metadata = {"name": "guess_v0"}  # noqa: RUF012  as PettingZoo wants it
    render_mode = None

    def __init__(self, num_steps: int = 5) -> None:
        self.possible_agents = list(AGENTS)
        self.num_steps = num_steps
        self.seeds: list[int | None] = []

    def observation_space(self, agent: str) -> gym.Space[Any]:
        return gym.spaces.Discrete(3)

    def action_space(self, agent: str) -> gym.Space[Any]:
        return gym.spaces.Discrete(3)

    def reset(
        self, seed: int | None = None, options: Any = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        self.seeds.append(seed)
        self.random = np.random.default_rng(seed)
        self.agents, self.count = list(self.possible_agents), 0
        return self.draw(), {agent: {"options": options} for agent in self.agents}

    def draw(self) -> dict[str, Any]:
        self.numbers = {agent: int(self.random.integers(3)) for agent in self.agents}
        return dict(self.numbers)

    def step(self, actions: Mapping[str, Any]) -> tuple[Any, ...]:
        assert list(actions) == self.agents
        self.count += 1
        rewards = {agent: np.float32(actions[agent] == self.numbers[agent]) for agent in self.agents}
        is_over = np.bool_(self.count >= self.num_steps)
        result = (
            self.draw(),
            rewards,
            dict.fromkeys(self.agents, np.bool_(False)),  # noqa: FBT003  what NumPy's comparisons return
            dict.fromkeys(self.agents, is_over),
            {agent: {} for agent in self.agents},
        )
        if is_over:
            self.agents = []
        return result


class Nim(pettingzoo.AECEnv):  # type: ignore[misc]  it ships no types
    """Two players take one or two sticks in turn; who takes the last one wins."""

    metadata = {"name": "nim_v0"}  # noqa: RUF012  as PettingZoo wants it
    render_mode = None

    def __init__(self, sticks: int = 5) -> None:
        self.possible_agents = ["player_0", "player_1"]
        self.sticks = sticks

    def observation_space(self, agent: str) -> gym.Space[Any]:
        return gym.spaces.Discrete(self.sticks + 1)

    def action_space(self, agent: str) -> gym.Space[Any]:
        return gym.spaces.Discrete(2)

    def reset(self, seed: int | None = None, options: Any = None) -> None:
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self.agent_selection, self.left = "player_0", self.sticks

    def observe(self, agent: str) -> int:
        return self.left

    def step(self, action: Any) -> None:
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        self._cumulative_rewards[agent] = 0
        self.left -= min(action + 1, self.left)
        self._clear_rewards()
        other = self.possible_agents[1 - self.possible_agents.index(agent)]
        if not self.left:
            self.rewards = {agent: 1, other: -1}
            self.terminations = dict.fromkeys(self.agents, True)
        self.agent_selection = other
        self._accumulate_rewards()


def test_everybody_acts_at_once_in_a_parallel_env() -> None:
    env = PettingZooEnv(Guess, num_steps=2)
    assert (env.strategic_agent_ids, env.acting_agent_ids) == (list(AGENTS), None)
    assert all(isinstance(agent, ph.StrategicAgent) for agent in env.agents.values())
    assert env.observation_spaces == env.action_spaces == dict.fromkeys(AGENTS, gym.spaces.Discrete(3))
    observations, infos = env.reset(3, {"a": 1})
    assert infos == {key: {"options": {"a": 1}} for key in AGENTS}
    result = env.step(observations)
    assert result.rewards == {"guesser_0": 1.0, "guesser_1": 1.0}
    assert result.terminations == {"guesser_0": False, "guesser_1": False, "__all__": False}
    result = env.step({"guesser_0": -1, "guesser_1": -1})
    assert result.rewards == {"guesser_0": 0.0, "guesser_1": 0.0}
    assert result.terminations == {"guesser_0": False, "guesser_1": False, "__all__": False}
    assert result.truncations == {"guesser_0": True, "guesser_1": True, "__all__": True}
    assert set(result.observations) == set(AGENTS)
    assert {type(value) for value in result.truncations.values()} == {bool}
    assert {type(value) for value in result.rewards.values()} == {float}


def test_one_agent_acts_at_a_time_in_a_turn_based_env() -> None:
    env = PettingZooEnv(Nim(3))
    assert env.reset(1) == ({"player_0": 3}, {"player_0": {}})
    assert env.acting_agent_ids == ("player_0",)
    assert env.step({"player_0": 0}) == ph.StepResult(
        observations={"player_1": 2},
        rewards={"player_1": 0.0},
        terminations={"player_0": False, "player_1": False, "__all__": False},
        truncations={"player_0": False, "player_1": False, "__all__": False},
        infos={"player_1": {}},
    )
    assert env.acting_agent_ids == ("player_1",)
    assert env.step({"player_1": 1}) == ph.StepResult(
        observations={"player_0": 0, "player_1": 0},
        rewards={"player_0": -1.0, "player_1": 1.0},
        terminations={"player_0": True, "player_1": True, "__all__": True},
        truncations={"player_0": False, "player_1": False, "__all__": False},
        infos={"player_0": {}, "player_1": {}},
    )
    assert env.acting_agent_ids == ()


def test_a_turn_based_env_that_is_parallelizable_is_played_in_parallel() -> None:
    env = PettingZooEnv(parallel_to_aec(Guess()))
    assert env.acting_agent_ids is None
    assert set(env.reset(1)[0]) == set(AGENTS)


def test_q_learning_learns_to_guess() -> None:
    results = ph.train(
        "q-learning",
        env="pettingzoo",
        env_config={"env": Guess},
        policies={"guesser": list(AGENTS)},
        num_iterations=30,
        evaluation=ph.EvaluationPlan(episodes=5),
        seed=1,
        run_dir=None,
    )
    assert [results.policies["guesser"].compute_action(number) for number in range(3)] == [0, 1, 2]
    assert results.evaluation is not None
    assert results.evaluation.mean_return == 5.0


def test_q_learning_learns_nim_against_itself() -> None:
    results = ph.train(
        "q-learning",
        env=PettingZooEnv,
        env_config={"env": Nim},
        policies={"player": ["player_0", "player_1"]},
        num_iterations=100,
        seed=1,
        run_dir=None,
    )
    # Leave a multiple of three: from 5 and 2 take two, from 4 and 1 one. From 3 everything loses.
    best = {5: 1, 4: 0, 2: 1}
    assert {left: results.policies["player"].compute_action(left) for left in best} == best


class Reborn(Guess):
    """guesser_1 dies in step 2, is still listed in step 3, is back in step 4; guesser_2 joins in step 3."""

    def step(self, actions: Mapping[str, Any]) -> tuple[Any, ...]:
        observations, rewards, terminations, truncations, infos = super().step(
            {agent: actions.get(agent, 0) for agent in self.agents}
        )
        terminations["guesser_1"] = self.count in {2, 3}
        if self.count == 3:
            self.agents.append("guesser_2")
            self.numbers["guesser_2"] = observations["guesser_2"] = 0
        return observations, rewards, terminations, truncations, infos


def test_agents_may_die_come_back_and_join() -> None:
    env = PettingZooEnv(Reborn, num_steps=5)
    env.reset(1)
    alive = ["guesser_0", "guesser_1"]
    seen = []
    for _ in range(5):
        result = env.step(dict.fromkeys(alive, 0))
        ended = {i for i in result.terminations if result.terminations[i] or result.truncations[i]}
        alive = sorted(i for i in result.terminations if i not in {*ended, "__all__"})
        seen.append((sorted(result.rewards), alive))
    one, two, three = "guesser_0", "guesser_1", "guesser_2"
    assert seen == [
        ([one, two], [one, two]),
        ([one, two], [one]),
        ([one], [one, three]),
        ([one, two, three], [one, two, three]),
        ([one, two, three], []),
    ]
    assert result.truncations["__all__"]
    assert env.strategic_agent_ids == [one, two, three]


class Leaving(Guess):
    """guesser_1 is gone after step 2 without a word."""

    def step(self, actions: Mapping[str, Any]) -> tuple[Any, ...]:
        result = super().step(actions)
        if self.count == 2:
            self.agents.remove("guesser_1")
        return result


def test_an_agent_that_is_gone_without_a_word_is_truncated() -> None:
    env = PettingZooEnv(Leaving)
    env.reset(1)
    env.step(dict.fromkeys(AGENTS, 0))
    result = env.step(dict.fromkeys(AGENTS, 0))
    assert result.terminations == {"guesser_0": False, "guesser_1": False, "__all__": False}
    assert result.truncations == {"guesser_0": False, "guesser_1": True, "__all__": False}
    assert set(env.step({"guesser_0": 0}).rewards) == {"guesser_0"}


def test_agents_that_are_made_up_on_the_way_are_known_after_a_reset() -> None:
    class MadeUp(Guess):
        def __init__(self) -> None:
            super().__init__()
            del self.possible_agents

        def reset(self, seed: int | None = None, options: Any = None) -> Any:
            self.possible_agents = ["newcomer_0"]
            result = super().reset(seed, options)
            del self.possible_agents
            return result

    assert PettingZooEnv(MadeUp).strategic_agent_ids == ["newcomer_0"]


def test_seeds_are_passed_on_modulo_two_to_the_31() -> None:
    env = PettingZooEnv(Guess)
    for seed in (7, 2**31 + 7, 2**63 - 1, None):
        env.reset(seed)
    assert env.pettingzoo_env.seeds == [7, 7, 2**31 - 1, None]


def lives(env: ph.MultiAgentEnv, seed: int) -> dict[Any, list[Any]]:
    """Return for each agent what it saw and then earned, decision by decision, and how it ended."""
    pending = dict(env.reset(seed)[0])
    lived: dict[Any, list[Any]] = {agent_id: [] for agent_id in env.strategic_agent_ids}
    is_over = False
    while not is_over:
        acting = env.acting_agent_ids
        actions = {}
        for agent_id in [i for i in pending if acting is None or i in acting]:
            actions[agent_id] = len(lived[agent_id]) % 3
            lived[agent_id].append([pending.pop(agent_id).tolist(), 0.0])
        result = env.step(actions)
        for agent_id, reward in result.rewards.items():
            if lived[agent_id]:
                lived[agent_id][-1][1] += reward
        pending.update(result.observations)
        is_over = result.terminations["__all__"] or result.truncations["__all__"]
        for agent_id in result.terminations.keys() - {"__all__"}:
            how = (result.terminations[agent_id], result.truncations[agent_id])
            if any(how):
                lived[agent_id].append(how)
                pending.pop(agent_id, None)
    return lived


def test_there_and_back_through_pettingzoo_agents_live_the_same_life(
    make_players: Callable[[], ph.PhantomEnv],
) -> None:
    assert lives(make_players(), 5) == lives(PettingZooEnv(to_aec(make_players())), 5)


def test_there_and_back_in_parallel_agents_live_the_same_life(players_env: Any) -> None:
    def make() -> ph.PhantomEnv:
        env: ph.PhantomEnv = players_env(3, 9, {"player_1": 4})
        return env

    assert lives(make(), 5) == lives(PettingZooEnv(to_parallel(make())), 5)


def test_one_agent_of_a_pettingzoo_env_is_a_gymnasium_env() -> None:
    for env_class, agent_id, other in ((Nim, "player_1", "player_0"), (Guess, "guesser_0", "guesser_1")):
        env = ph.SingleAgentEnvAdapter(
            PettingZooEnv, agent_id, {other: ("constant", {"action": 0})}, {"env": env_class}
        )
        check_env(env, skip_render_check=True)
    nim = ph.SingleAgentEnvAdapter(
        PettingZooEnv, "player_1", {"player_0": ("constant", {"action": 0})}, {"env": lambda: Nim(4)}
    )
    assert nim.reset(seed=1) == (3, {})
    assert nim.step(0) == (1, 0.0, False, False, {})
    assert nim.step(0) == (0, 1.0, True, False, {})


def test_an_agent_that_is_to_act_needs_an_action() -> None:
    env = PettingZooEnv(Guess)
    with pytest.raises(ph.errors.EpisodeError) as caught:
        env.step({})
    assert str(caught.value) == (
        "PettingZooEnv was stepped before its first reset or after its episode ended. Call env.reset()."
    )
    env.reset(1)
    with pytest.raises(ph.errors.EnvError) as caught_missing:
        env.step({"guesser_0": 1})
    assert str(caught_missing.value) == (
        "There is no action for 'guesser_1', whose turn it is. The actions are for: 'guesser_0'."
    )
    turns = PettingZooEnv(Nim)
    turns.reset(1)
    with pytest.raises(ph.errors.EnvError) as caught_missing:
        turns.step({})
    assert str(caught_missing.value) == (
        "There is no action for 'player_0', whose turn it is. The actions are for: none."
    )


@pytest.mark.parametrize(
    ("reward", "shown"), [(None, "None"), ("1", "'1'"), (np.ones(2), "array([1., 1.])")], ids=str
)
def test_a_reward_that_is_no_number_is_an_error(reward: Any, shown: str) -> None:
    class Strange(Guess):
        def step(self, actions: Mapping[str, Any]) -> tuple[Any, ...]:
            observations, rewards, *rest = super().step(actions)
            return observations, {**rewards, "guesser_1": reward}, *rest

    env = PettingZooEnv(Strange)
    env.reset(1)
    with pytest.raises(ph.errors.EnvError) as caught:
        env.step(dict.fromkeys(AGENTS, 0))
    assert str(caught.value) == f"step() returned the reward {shown}. Expected a number."


class Changed(Guess):
    """Returns something else than it should."""

    def __init__(self, method: str, change: Callable[[Any], Any]) -> None:
        super().__init__()
        self.method, self.change = method, change

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        found = super().reset(seed, options)
        return self.change(found) if self.method == "reset" else found

    def step(self, actions: Mapping[str, Any]) -> Any:
        found = super().step(actions)
        return self.change(found) if self.method == "step" else found


OF_STEP = "Expected (observations, rewards, terminations, truncations, infos), each a dict by agent id."
OF_RESET = "Expected (observations, infos), each a dict by agent id."
OLD = "PettingZoo's old form has dones, and no infos of the reset."


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        ("step", lambda r: (*r[:3], r[4]), f"step() returned a tuple of 4. {OF_STEP} {OLD}"),
        ("step", lambda _: None, f"step() returned None. {OF_STEP}"),
        ("step", lambda r: (r[0], [1.0, 2.0], *r[2:]),
            "step() returned rewards=[1.0, 2.0]. Expected a dict by agent id."),
        ("step", lambda r: (*r[:3], False, r[4]),
            "step() returned truncations=False. Expected a dict by agent id."),
        ("reset", lambda _: {"guesser_0": 1, "guesser_1": 2},
            f"reset() returned {{'guesser_0': 1, 'guesser_1': 2}}. {OF_RESET} {OLD}"),
        ("reset", lambda r: (r[0], None), "reset() returned infos=None. Expected a dict by agent id."),
    ],
)  # fmt: skip
def test_what_is_not_dicts_by_agent_is_an_error(
    method: str, change: Callable[[Any], Any], message: str
) -> None:
    env = PettingZooEnv(Changed(method, change))
    if method == "step":
        env.reset()
    with pytest.raises(ph.errors.EnvError) as caught:
        env.reset() if method == "reset" else env.step(dict.fromkeys(AGENTS, 0))
    assert str(caught.value) == message


class Undead(Nim):
    """Its players stay after their end."""

    def step(self, action: int | None) -> None:
        if action is not None:
            super().step(action)


def test_a_turn_based_env_that_keeps_its_dead_agents_is_an_error() -> None:
    env = PettingZooEnv(Undead(sticks=1))
    env.reset()
    with pytest.raises(ph.errors.EnvError) as caught:
        env.step({"player_0": 0})
    assert str(caught.value) == (
        "nim_v0 keeps 'player_1' among its agents after its end, so nobody's turn would ever come. Begin "
        "step() with: if self.terminations[agent] or self.truncations[agent]: return "
        "self._was_dead_step(action)."
    )


class OldNim(Nim):
    def reset(self, seed: int | None = None, options: Any = None) -> None:
        super().reset(seed, options)
        self.dones = self.terminations
        del self.terminations, self.truncations


def test_a_turn_based_env_of_the_old_form_is_an_error() -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        PettingZooEnv(OldNim()).reset()
    assert str(caught.value) == (
        "nim_v0 has no terminations and truncations after its reset. Expected two dicts by agent id; dones "
        "are PettingZoo's old form."
    )


def test_a_reward_may_be_an_array_of_one_number() -> None:
    class Wrapped(Guess):
        def step(self, actions: Mapping[str, Any]) -> tuple[Any, ...]:
            observations, rewards, *rest = super().step(actions)
            return observations, {i: np.array([reward]) for i, reward in rewards.items()}, *rest

    env = PettingZooEnv(Wrapped)
    observations, _ = env.reset(1)
    assert env.step(observations).rewards == dict.fromkeys(AGENTS, 1.0)
