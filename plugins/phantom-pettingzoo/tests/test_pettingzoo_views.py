"""Our envs are PettingZoo envs: they pass PettingZoo's tests, and stricter ones over whole episodes."""

import random
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph
from phantom_pettingzoo import PettingZooEnv, to_aec, to_parallel


def sampled(env: Any, agent: Any, observation: Any) -> Any:
    mask = observation.get("action_mask") if isinstance(observation, dict) else None
    return env.action_space(agent).sample(mask)


def parallel_episode(env: Any, seed: int) -> list[Any]:
    """Return all that a whole episode shows, with actions that follow from the seed."""
    observations, infos = env.reset(seed=seed)
    shown: list[Any] = [(observations, infos)]
    for number, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(seed + number)
    while env.agents:
        actions = {agent: sampled(env, agent, observations[agent]) for agent in env.agents}
        shown.append((actions, *env.step(actions), list(env.agents)))
        observations = shown[-1][1]
    return shown


def aec_episode(env: Any, seed: int) -> list[Any]:
    """Return all that a whole episode shows, with actions that follow from the seed."""
    env.reset(seed=seed)
    shown: list[Any] = []
    for number, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(seed + number)
    for agent in env.agent_iter():
        last = env.last()
        action = None if last[2] or last[3] else sampled(env, agent, last[0])
        shown.append((agent, last, action))
        env.step(action)
    return shown


def check_seed_fixes_episodes(make_view: Callable[[], Any], episode: Callable[[Any, int], list[Any]]) -> None:
    """The seed test that PettingZoo's own is not: every step of whole episodes counts."""
    view = make_view()
    first = episode(view, 5)
    assert data_equivalence(first, episode(view, 5)), "the same env, reset with the same seed, differs"
    assert data_equivalence(first, episode(make_view(), 5)), "another env with the same seed differs"
    assert not data_equivalence(first, episode(view, 6)), "another seed plays the same episode"


@pytest.mark.filterwarnings("ignore:Observation numpy array is all zeros")  # of who ended before it observed
def test_pettingzoos_own_tests_pass_without_another_warning(
    make_players: Callable[[], ph.PhantomEnv], zoo_kit: Any
) -> None:
    zoo_kit.parallel_api_test(to_parallel(make_players()), num_cycles=50)
    zoo_kit.api_test(to_aec(make_players()), num_cycles=50)
    zoo_kit.parallel_seed_test(lambda: to_parallel(make_players()))
    zoo_kit.seed_test(lambda: to_aec(make_players()))


@pytest.mark.filterwarnings("ignore:We recommend agents to be named")
@pytest.mark.filterwarnings("ignore:Observation numpy array is all zeros")
@pytest.mark.filterwarnings("ignore:Observation is not a NumPy array")
@pytest.mark.parametrize("name", ["SupplyChainEnv", "DiscreteSupplyChainEnv"])
def test_pettingzoos_own_tests_pass_for_the_supply_chain(supply_chain: Any, zoo_kit: Any, name: str) -> None:
    def make() -> ph.PhantomEnv:
        env: ph.PhantomEnv = getattr(supply_chain, name)(num_shops=3)
        return env

    zoo_kit.parallel_api_test(to_parallel(make()), num_cycles=150)
    zoo_kit.api_test(to_aec(make()), num_cycles=150)
    zoo_kit.parallel_seed_test(lambda: to_parallel(make()))
    zoo_kit.seed_test(lambda: to_aec(make()))
    check_seed_fixes_episodes(lambda: to_parallel(make()), parallel_episode)
    check_seed_fixes_episodes(lambda: to_aec(make()), aec_episode)


def test_a_seed_fixes_every_step_of_an_episode(make_players: Callable[[], ph.PhantomEnv]) -> None:
    check_seed_fixes_episodes(lambda: to_parallel(make_players()), parallel_episode)
    check_seed_fixes_episodes(lambda: to_aec(make_players()), aec_episode)


def test_our_seed_test_finds_what_pettingzoos_own_misses(players_env: Any, zoo_kit: Any) -> None:
    unseeded = random.Random()  # noqa: S311  not cryptography

    class RandomLater(players_env):  # type: ignore[misc]  the fixture is a class
        def post_message_resolution(self) -> None:
            super().post_message_resolution()
            if self.current_step > 1:
                self.agents["player_0"].action = unseeded.randrange(3)

    def make_view() -> Any:
        return to_parallel(RandomLater(2, 50))

    zoo_kit.parallel_seed_test(make_view)
    with pytest.raises(AssertionError, match="with the same seed"):
        check_seed_fixes_episodes(make_view, parallel_episode)


@given(
    order=st.sampled_from(["simultaneous", "turns", "leader", "stages"]),
    num_players=st.integers(2, 4),
    lifetimes=st.dictionaries(st.sampled_from(["player_0", "player_1", "player_2"]), st.integers(1, 7)),
    seed=st.integers(0, 9),
)
def test_every_reward_is_delivered_once(
    envs_by_order: Any, order: str, num_players: int, lifetimes: dict[str, int], seed: int
) -> None:
    def computed(env: ph.PhantomEnv) -> dict[Any, float]:
        return {agent.id: agent.computed for agent in env.strategic_agents}  # type: ignore[attr-defined]

    known = {agent_id: steps for agent_id, steps in lifetimes.items() if agent_id < f"player_{num_players}"}
    env = envs_by_order[order](num_players, 8, known)
    steps = parallel_episode(to_parallel(env), seed)[1:]
    paid = {i: sum(rewards.get(i, 0.0) for _, _, rewards, *_ in steps) for i in env.strategic_agent_ids}
    assert paid == computed(env)

    env = envs_by_order[order](num_players, 8, known)
    turns = aec_episode(to_aec(env), seed)
    paid = {i: sum(last[1] for agent, last, _ in turns if agent == i) for i in env.strategic_agent_ids}
    assert paid == computed(env)


def test_a_reward_of_none_is_paid_as_nothing(players_env: Any) -> None:
    class Unpaid(ph.RewardLedger):
        returns_none = True

        def settle(self, observations: Any, infos: Any, payees: Any) -> Any:
            return observations, dict.fromkeys(self.deliver(payees), None), infos

    def make() -> ph.PhantomEnv:
        env: ph.PhantomEnv = players_env(2, 2)
        env.reward_ledger = Unpaid()
        return env

    parallel = to_parallel(make())
    parallel.reset(seed=1)
    assert parallel.step({"player_0": 2, "player_1": 2})[1] == {"player_0": 0.0, "player_1": 0.0}
    turns = aec_episode(to_aec(make()), seed=1)
    assert {last[1] for _, last, _ in turns} == {0.0}


def test_parallel_repeats_the_newest_observation_until_the_agent_observes_again(players_env: Any) -> None:
    env = to_parallel(players_env(2, 4, takes_turns=True))
    observations, infos = env.reset(seed=1)
    assert env.agents == env.possible_agents == ["player_0", "player_1"]
    assert observations["player_1"].tolist() == [0.0, 0.0, 0.0]  # it has not observed yet
    assert infos == {"player_0": {"age": 0, "has_turn": True}, "player_1": {"has_turn": False}}
    first = observations["player_0"]
    observations, rewards, terminations, truncations, infos = env.step({"player_0": 2, "player_1": 2})
    assert observations["player_0"].tolist() == first.tolist()
    assert observations["player_1"].tolist()[::2] == [0.25, 0.0]  # its action was not used
    assert rewards == {"player_0": 0.0, "player_1": 1.0}
    assert terminations == truncations == {"player_0": False, "player_1": False}
    assert infos == {"player_0": {"has_turn": False}, "player_1": {"age": 1, "has_turn": True}}
    observations, rewards, *_ = env.step({"player_0": 0, "player_1": 1})
    assert observations["player_0"].tolist()[::2] == [0.5, 1.0]
    assert rewards == {"player_0": 3.0 + 3.0, "player_1": 0.0}


def test_parallel_truncates_everybody_at_the_time_limit(players_env: Any) -> None:
    env = to_parallel(players_env(2, 2, takes_turns=True))
    env.reset(seed=1)
    env.step({"player_0": 0, "player_1": 0})
    _, _, terminations, truncations, _ = env.step({"player_0": 0, "player_1": 0})
    assert terminations == {"player_0": False, "player_1": False}
    assert truncations == {"player_0": True, "player_1": True}
    assert env.agents == []
    with pytest.raises(ph.errors.EpisodeError):
        env.step({})


def test_parallel_lets_agents_go_when_they_end(players_env: Any) -> None:
    env = to_parallel(players_env(3, 4, {"player_1": 2}))
    env.reset(seed=1)
    shown = []
    while env.agents:
        _, rewards, terminations, _, _ = env.step(dict.fromkeys(env.agents, 0))
        shown.append((sorted(rewards), [agent for agent, ended in terminations.items() if ended]))
    everybody, rest = ["player_0", "player_1", "player_2"], ["player_0", "player_2"]
    assert shown == [(everybody, []), (everybody, ["player_1"]), (rest, []), (rest, [])]
    assert env.possible_agents == everybody


def test_parallel_refuses_actions_of_nobody(players_env: Any) -> None:
    env = to_parallel(players_env())
    env.reset(seed=1)
    with pytest.raises(ph.errors.EnvError, match="There is an action for 'nobody', but no such agent"):
        env.step({"player_0": 0, "nobody": 0})


@pytest.mark.parametrize("action", [7, None])
def test_parallel_refuses_actions_outside_the_space(players_env: Any, action: Any) -> None:
    env = to_parallel(players_env(1))
    env.reset(seed=1)
    with pytest.raises(ph.errors.EnvError) as caught:
        env.step({"player_0": action})
    assert str(caught.value) == (
        f"The action of 'player_0' is {action!r}, but its action space is Discrete(3). Give an element of "
        "the space."
    )
    env.step({"player_0": 2})
    assert env.env.current_step == 1  # the refused action played none


def test_parallel_lets_actions_be_that_are_not_used(players_env: Any) -> None:
    env = to_parallel(players_env(2, takes_turns=True))
    env.reset(seed=1)
    env.step({"player_0": 0, "player_1": None})
    assert env.env.current_step == 1


def test_aec_selects_only_those_whose_turn_it_is(players_env: Any) -> None:
    turns = aec_episode(to_aec(players_env(3, 5, takes_turns=True)), 1)
    decided = [agent for agent, _, action in turns if action is not None]
    assert decided == ["player_0", "player_1", "player_2", "player_0", "player_1"]
    ended = [(agent, last[2:4]) for agent, last, action in turns if action is None]
    assert ended == [(f"player_{n}", (False, True)) for n in range(3)]


def test_aec_agents_of_one_step_see_nothing_of_each_other(players_env: Any) -> None:
    env = to_aec(players_env(2, 3))
    env.reset(seed=1)
    before = env.observe("player_1")
    env.step(2)
    assert env.agent_selection == "player_1"
    assert env.rewards == {"player_0": 0.0, "player_1": 0.0}
    assert env.observe("player_1") is before
    env.step(0)
    assert env.agent_selection == "player_0"
    assert env.rewards == {"player_0": 3.0, "player_1": 1.0}
    assert env.last()[1:] == (3.0, False, False, {"age": 1})


def test_aec_asks_agents_that_ended_first_and_for_no_action(players_env: Any) -> None:
    env = to_aec(players_env(2, 5, {"player_1": 1}))
    env.reset(seed=1)
    env.step(0)
    with pytest.raises(ph.errors.EnvError) as caught:
        env.step(None)
    assert str(caught.value) == "'player_1' is in the episode, but its action is None. Expected an action."
    env.step(0)
    assert (env.agent_selection, env.last()[1:4]) == ("player_1", (1.0, True, False))
    with pytest.raises(ph.errors.EnvError) as caught:
        env.step(0)
    assert str(caught.value) == "'player_1' ended, but its action is 0. Expected None."
    env.step(None)
    assert (env.agent_selection, env.agents) == ("player_0", ["player_0"])


def test_aec_is_not_stepped_outside_an_episode(players_env: Any) -> None:
    env = to_aec(players_env(1, 1))
    with pytest.raises(ph.errors.EpisodeError) as caught:
        env.step(0)
    assert str(caught.value) == "PhantomAECEnv was stepped outside an episode. Call env.reset()."
    aec_episode(env, 1)
    with pytest.raises(ph.errors.EpisodeError):
        env.step(0)


class MaskedAgent(ph.StrategicAgent):
    """May not take the same action twice in a row."""

    observation_space = gym.spaces.Dict(
        observation=gym.spaces.Discrete(9), action_mask=gym.spaces.MultiBinary(3)
    )
    action_space = gym.spaces.Discrete(3)

    def reset(self) -> None:
        self.last = 0

    def encode_observation(self, ctx: ph.Context) -> Any:
        mask = np.ones(3, np.int8)
        mask[self.last] = 0
        return {"observation": ctx.env_view.current_step, "action_mask": mask}

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        assert action != self.last
        self.last = int(action)

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


@pytest.mark.filterwarnings("ignore:Observation is not a NumPy array")
@pytest.mark.filterwarnings("ignore:Observation space for each agent probably should be")
@pytest.mark.parametrize("takes_turns", [False, True])
def test_action_masks_are_passed_on(players_env: Any, zoo_kit: Any, *, takes_turns: bool) -> None:
    def make() -> ph.PhantomEnv:
        order = players_env(takes_turns=True).turn_order if takes_turns else None
        agents = [MaskedAgent("masked_0"), MaskedAgent("masked_1")]
        for agent in agents:
            agent.is_alive = True  # type: ignore[attr-defined]  for the turn order
        return ph.PhantomEnv(8, ph.Network(agents), turn_order=order)

    zoo_kit.parallel_api_test(to_parallel(make()), num_cycles=20)
    zoo_kit.api_test(to_aec(make()), num_cycles=20)
    check_seed_fixes_masked(make)


def check_seed_fixes_masked(make: Callable[[], ph.PhantomEnv]) -> None:
    assert data_equivalence(
        parallel_episode(to_parallel(make()), 5), parallel_episode(to_parallel(make()), 5)
    )
    assert data_equivalence(aec_episode(to_aec(make()), 5), aec_episode(to_aec(make()), 5))


def test_agents_that_join_are_asked_too(players_env: Any) -> None:
    class Growing(players_env):  # type: ignore[misc]  the fixture is a class
        def post_message_resolution(self) -> None:
            super().post_message_resolution()
            if self.current_step == 2 and "player_9" not in self.agents:
                joining = self.player_class("player_9", None)
                self.network.add_agent(joining)
                self.network.add_connection("player_9", "clerk")
                joining.reset()

    parallel = to_parallel(Growing(1, 4))
    steps = parallel_episode(parallel, 1)[1:]
    both = ["player_0", "player_9"]
    assert [sorted(step[-1]) for step in steps] == [["player_0"], both, both, []]
    assert parallel.possible_agents == ["player_0", "player_9"]
    turns = aec_episode(to_aec(Growing(1, 4)), 1)
    assert [agent for agent, _, action in turns if action is not None] == [
        *["player_0"] * 2,
        *["player_0", "player_9"] * 2,
    ]
    others = {"others": ("constant", players_env.player_class, {"action": 1})}
    env = ph.SingleAgentEnvAdapter(Growing, "player_0", others, {"num_steps": 4})
    env.reset(seed=1)
    while not env.step(0)[3]:
        pass
    assert env.env.agents["player_9"].actions == [1, 1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("join_step", [1, 2])
def test_agents_may_join_in_any_step_the_last_too(players_env: Any, zoo_kit: Any, join_step: int) -> None:
    class Growing(players_env):  # type: ignore[misc]  the fixture is a class
        def post_message_resolution(self) -> None:
            super().post_message_resolution()
            if self.current_step == join_step:
                self.network.add_agent(self.player_class("player_9", None))
                self.network.add_connection("player_9", "clerk")

    shown = parallel_episode(to_parallel(Growing(1, 2)), 1)
    assert shown[-1][4] == {"player_0": True, "player_9": True}  # truncated
    assert shown[-1][1]["player_9"].shape == (3,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an agent that was not there before puzzles the test
        zoo_kit.parallel_api_test(to_parallel(Growing(1, 2)))
    zoo_kit.api_test(to_aec(Growing(1, 2)))


def test_agents_that_leave_are_let_go(players_env: Any) -> None:
    class Leaving(players_env):  # type: ignore[misc]  the fixture is a class
        def post_message_resolution(self) -> None:
            super().post_message_resolution()
            if self.current_step == 2:
                self.network.remove_agent("player_1")

    steps = parallel_episode(to_parallel(Leaving(2, 3)), 1)[1:]
    both = ["player_0", "player_1"]
    assert [sorted(step[2]) for step in steps] == [both, both, ["player_0"]]
    assert [step[3].get("player_1") for step in steps] == [False, True, None]
    turns = aec_episode(to_aec(Leaving(2, 3)), 1)
    assert [agent for agent, _, action in turns if action is not None] == [*both, *both, "player_0"]
    assert [agent for agent, _, action in turns if action is None] == ["player_1", "player_0"]


def test_an_agent_that_joins_and_leaves_unseen_is_let_go(players_env: Any) -> None:
    class Passing(players_env):  # type: ignore[misc]  the fixture is a class
        def post_message_resolution(self) -> None:
            super().post_message_resolution()
            if self.current_step == 2:
                self.network.add_agent(self.player_class("player_9", None))
                self.network.add_connection("player_9", "clerk")
            if self.current_step == 3:
                self.network.remove_agent("player_9")

    parallel = to_parallel(Passing(3, 5, takes_turns=True))
    steps = parallel_episode(parallel, 1)[1:]
    assert [step[3].get("player_9") for step in steps] == [None, False, True, None, None]
    turns = aec_episode(to_aec(Passing(3, 5, takes_turns=True)), 1)
    assert [action for agent, _, action in turns if agent == "player_9"] == [None]


def test_only_agents_that_were_there_have_spaces(players_env: Any) -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        to_parallel(players_env()).action_space("player_7")
    assert str(caught.value) == (
        "There is no agent 'player_7'. Did you mean 'player_1'? Those that were there so far: 'player_0', "
        "'player_1'."
    )


def test_what_is_no_env_is_refused(players_env: Any) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        to_aec(players_env)
    assert str(caught.value) == (
        "Expected a multi-agent env, but got the class PlayersEnv. Give an instance of a ph.PhantomEnv, or "
        "an adapter such as ph.GymnasiumEnv."
    )


def test_an_env_without_strategic_agents_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        to_parallel(ph.PhantomEnv(3, ph.Network([ph.Agent("clerk")])))
    assert str(caught.value) == "PhantomEnv has no strategic agent, so PettingZoo has nobody to ask."


def with_state(players_env: Any, **settings: Any) -> ph.PhantomEnv:
    class StatePlayers(players_env):  # type: ignore[misc]
        state_space = gym.spaces.Box(0.0, 100.0, (2,), np.float64)

        def state(self) -> Any:
            return np.array([self.current_step + 1, len(self.agents)], np.float64)

    return StatePlayers(**settings)


@pytest.mark.parametrize("takes_turns", [False, True])
def test_the_global_state_is_passed_on(players_env: Any, zoo_kit: Any, takes_turns: bool) -> None:  # noqa: FBT001
    def make() -> ph.PhantomEnv:
        return with_state(players_env, takes_turns=takes_turns)

    zoo_kit.state_test(to_aec(make()), to_parallel(make()))
    view = to_parallel(make())
    view.reset(seed=1)
    assert view.state_space == gym.spaces.Box(0.0, 100.0, (2,), np.float64)
    assert view.state_space is not view.env.state_space
    assert view.state().tolist() == [1.0, 3.0]
    view.step({agent: view.action_space(agent).sample() for agent in view.agents})
    assert view.state().tolist() == [2.0, 3.0]


@pytest.mark.parametrize("to_view", [to_parallel, to_aec])
def test_a_view_of_an_env_without_a_global_state_has_none(players_env: Any, to_view: Any) -> None:
    view = to_view(players_env())
    assert not hasattr(view, "state_space")
    with pytest.raises(ph.errors.EnvError) as caught:
        view.state()
    assert str(caught.value) == (
        "PlayersEnv has no global state: state_space is None. Give it state_space and state()."
    )


def test_the_state_of_a_view_comes_back_to_the_collector(players_env: Any) -> None:
    view = to_parallel(with_state(players_env))
    env = PettingZooEnv(view)
    assert env.state_space == gym.spaces.Box(0.0, 100.0, (2,), np.float64)
    spaces = env.observation_spaces["player_0"], env.action_spaces["player_0"]
    policy_by_agent = dict.fromkeys(env.agents, "p")
    collector = ph.Collector(
        [env], {"p": ph.RandomPolicy(*spaces)}, policy_by_agent, seed=1, learning=["p"], needs=["state"]
    )
    found = collector.collect(ph.CollectPlan(episodes=2))["p"].transitions
    assert (found.states[:, 0] == found.steps + 1).all()
    assert (found.next_states[:, 0] == found.steps + 2).all()


def test_an_env_of_pettingzoo_without_a_global_state_has_none(players_env: Any) -> None:
    assert PettingZooEnv(to_parallel(players_env())).state_space is None
