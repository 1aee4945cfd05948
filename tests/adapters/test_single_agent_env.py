"""One agent of a multi-agent env is a Gymnasium env; the others play given policies."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph

ONE = {"action": 1}


@pytest.fixture
def gym_id() -> Iterator[str]:
    """An id of Gymnasium's registry that is free, and is forgotten after the test."""
    yield "players-of-a-test-v0"
    gym.registry.pop("players-of-a-test-v0", None)


def play(env: gym.Env[Any, Any], seed: int, actions: list[int]) -> list[Any]:
    """Return all that an episode shows, played with these actions over and over."""
    shown: list[Any] = [env.reset(seed=seed)]
    step = 0
    while True:
        shown.append(env.step(actions[step % len(actions)]))
        step += 1
        if shown[-1][2] or shown[-1][3]:
            return shown


def flags(shown: list[Any]) -> list[tuple[bool, bool]]:
    return [(terminated, truncated) for _, _, terminated, truncated, _ in shown[1:]]


def rewards(shown: list[Any]) -> list[float]:
    return [step[1] for step in shown[1:]]


@pytest.mark.parametrize("agent_id", ["player_0", "player_1"])
def test_gymnasiums_own_check_passes_without_a_warning(
    make_players: Callable[[], ph.PhantomEnv], gym_id: str, agent_id: str
) -> None:
    others = {"others": ("random", ph.StrategicAgent)}
    kwargs = {"env_class": make_players, "agent_id": agent_id, "other_policies": others}
    gym.register(gym_id, entry_point=ph.SingleAgentEnvAdapter, kwargs=kwargs)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(gym_id).unwrapped)


@given(
    order=st.sampled_from(["simultaneous", "turns", "leader", "stages"]),
    agent_id=st.sampled_from(["player_0", "player_1"]),
    lifetimes=st.dictionaries(st.sampled_from(["player_0", "player_1", "player_2"]), st.integers(3, 7)),
    seed=st.integers(0, 9),
)
def test_the_agent_gets_every_reward_once(
    envs_by_order: Any, order: str, agent_id: str, lifetimes: dict[str, int], seed: int
) -> None:
    env = ph.SingleAgentEnvAdapter(
        lambda: envs_by_order[order](3, 9, lifetimes),
        agent_id,
        {"others": (ph.RandomPolicy, ph.StrategicAgent)},
    )
    try:
        shown = play(env, seed, [0, 1, 2])
    except ph.errors.EnvError:
        assert lifetimes[agent_id] <= 3  # it ended before its turn
        return
    assert sum(rewards(shown)) == env.env.agents[agent_id].computed  # type: ignore[attr-defined]


def test_it_passes_the_check_for_the_supply_chain(supply_chain: Any) -> None:
    env = ph.SingleAgentEnvAdapter(
        supply_chain.DiscreteSupplyChainEnv, "SHOP1", {"SHOP2": "random"}, {"num_shops": 2}
    )
    check_env(env, skip_render_check=True)


def test_all_others_act_in_the_same_step_when_everybody_acts_at_once(players_env: Any) -> None:
    env = ph.SingleAgentEnvAdapter(players_env, "player_0", {"player_1": ("constant", ONE)}, {"num_steps": 3})
    observation, info = env.reset(seed=1)
    assert env.observation_space.contains(observation)
    assert info == {"age": 0}
    observation, reward, terminated, truncated, info = env.step(2)
    assert (observation[0], observation[2]) == (np.float32(1 / 3), 1.0)
    assert (reward, terminated, truncated, info) == (3.0, False, False, {"age": 1})
    assert env.env.agents["player_1"].actions == [1]  # type: ignore[attr-defined]
    assert flags([None, env.step(0), env.step(0)]) == [(False, False), (False, True)]


def test_the_others_turns_are_played_and_their_rewards_added_up(players_env: Any) -> None:
    env = ph.SingleAgentEnvAdapter(
        players_env,
        "player_1",
        {"others": ("constant", ["player_0", "player_2"], ONE)},
        {"num_players": 3, "num_steps": 8, "takes_turns": True},
    )
    shown = play(env, 1, [2, 0])
    # Steps 1 to 8 are the turns of 0 1 2 0 1 2 0 1; a player is paid its last action + 1 in each.
    assert shown[0][1] == {"age": 1}
    assert [info["age"] for *_, info in shown[1:]] == [4, 7, 8]
    assert rewards(shown) == [1 + 3 + 3 + 3, 1 + 1 + 1, 3]
    assert flags(shown) == [(False, False), (False, False), (False, True)]
    assert env.env.agents["player_1"].computed == sum(rewards(shown))  # type: ignore[attr-defined]


def test_the_last_observation_at_the_time_limit_is_the_agents_own(players_env: Any) -> None:
    config = {"num_steps": 4, "takes_turns": True}
    env = ph.SingleAgentEnvAdapter(players_env, "player_0", {"player_1": ("constant", ONE)}, config)
    observation, _, _, truncated, info = play(env, 1, [2])[-1]
    assert (observation[0], observation[2], truncated, info) == (1.0, 1.0, True, {"age": 4})


def test_it_ends_with_its_agent_though_others_play_on(players_env: Any) -> None:
    config = {"lifetimes": {"player_0": 2}}
    env = ph.SingleAgentEnvAdapter(players_env, "player_0", {"player_1": ("constant", ONE)}, config)
    assert flags(play(env, 1, [0])) == [(False, False), (True, False)]
    with pytest.raises(ph.errors.EpisodeError) as caught:
        env.step(0)
    assert str(caught.value) == (
        "SingleAgentEnvAdapter was stepped after its episode ended. Call env.reset()."
    )


def test_it_plays_on_when_another_agent_ends(players_env: Any) -> None:
    for takes_turns in (False, True):
        config = {"lifetimes": {"player_1": 2}, "num_steps": 5, "takes_turns": takes_turns}
        env = ph.SingleAgentEnvAdapter(players_env, "player_0", {"player_1": ("constant", ONE)}, config)
        assert flags(play(env, 1, [0]))[-1] == (False, True)
        assert env.env.agents["player_1"].actions == [1] * (2 - takes_turns)  # type: ignore[attr-defined]


def test_an_agent_that_ends_without_observing_gets_its_newest_observation_once_more(players_env: Any) -> None:
    config = {"lifetimes": {"player_0": 2}, "takes_turns": True}
    env = ph.SingleAgentEnvAdapter(players_env, "player_0", {"player_1": ("constant", ONE)}, config)
    (first, _), (last, reward, terminated, _, info) = play(env, 1, [2])
    assert last is not first
    assert data_equivalence(first, last)
    assert (reward, terminated, info) == (6.0, True, {})


class Dice(ph.Policy):
    """Draws from its action space, as policies that know nothing of streams do."""

    def compute_action(self, observation: Any) -> Any:
        return self.action_space.sample()


def test_the_same_seed_plays_the_same_episode_whatever_the_others_draw(players_env: Any) -> None:
    def make() -> ph.SingleAgentEnvAdapter:
        others = {"player_1": "random", "player_2": Dice}
        return ph.SingleAgentEnvAdapter(players_env, "player_0", others, {"num_players": 3, "num_steps": 20})

    def episode(env: ph.SingleAgentEnvAdapter, seed: int) -> list[Any]:
        shown = play(env, seed, [0, 1, 2])
        return [shown, *(env.env.agents[i].actions for i in ("player_1", "player_2"))]  # type: ignore[attr-defined]

    env = make()
    first = episode(env, 7)
    assert data_equivalence(first, episode(env, 7))
    assert data_equivalence(first, episode(make(), 7))
    other = episode(env, 8)
    assert all(one != two for one, two in zip(first[1:], other[1:], strict=True))


@pytest.mark.parametrize("policy", ["random", Dice])
def test_two_policies_of_others_draw_apart(players_env: Any, policy: Any) -> None:
    others = {"player_1": policy, "player_2": policy}
    env = ph.SingleAgentEnvAdapter(players_env, "player_0", others, {"num_players": 3, "num_steps": 20})
    play(env, 7, [0])
    one, other = (env.env.agents[i].actions for i in others)  # type: ignore[attr-defined]
    assert len(one) == len(other) == 20
    assert one != other


def test_resets_without_a_seed_follow_from_the_last_given_one(players_env: Any) -> None:
    def draws() -> list[float]:
        env = ph.SingleAgentEnvAdapter(players_env, "player_0", {"player_1": "random"})
        return [float(env.reset(seed=seed)[0][1]) for seed in (3, None, None)]

    first = draws()
    assert first == draws()
    assert len(set(first)) == 3


def test_policies_given_as_instances_are_copied_and_can_get_new_parameters(players_env: Any) -> None:
    class Learned(ph.Policy):
        """Takes the action that it was given last."""

        action = 0

        def compute_action(self, observation: Any) -> Any:
            return self.action

        def load_state_dict(self, state: Any) -> None:
            self.action = state["action"]

    space = players_env().agents["player_1"]
    given = Learned(space.observation_space, space.action_space)
    env = ph.SingleAgentEnvAdapter(players_env, "player_0", {"player_1": given}, {"num_steps": 1})
    given.action = 2
    play(env, 1, [0])
    assert env.env.agents["player_1"].actions == [0]  # type: ignore[attr-defined]
    env.policies["player_1"].load_state_dict({"action": 1})
    play(env, 1, [0])
    assert env.env.agents["player_1"].actions == [1]  # type: ignore[attr-defined]


def test_policies_are_asked_once_for_all_their_agents_with_batched_observations(players_env: Any) -> None:
    class Asked(ph.Policy):
        """Takes action 1, and notes what it is shown."""

        def __init__(self, observation_space: Any, action_space: Any) -> None:
            super().__init__(observation_space, action_space)
            self.shapes: list[tuple[int, ...]] = []

        def compute_action(self, observation: Any) -> Any:
            raise NotImplementedError

        def compute_actions(self, observations: Any) -> Any:
            self.shapes.append(observations.shape)
            return [1] * len(observations)

    others = {"others": (Asked, players_env.player_class)}
    env = ph.SingleAgentEnvAdapter(players_env, "player_0", others, {"num_players": 4, "num_steps": 2})
    play(env, 1, [0])
    assert env.policies["others"].shapes == [(3, 3), (3, 3)]  # type: ignore[attr-defined]


def test_an_observation_of_another_agent_outside_its_space_is_an_error(players_env: Any) -> None:
    class Wild(players_env.player_class):  # type: ignore[misc]  the fixture is a class
        def encode_observation(self, ctx: ph.Context) -> Any:
            return np.full(2, 7.0) if self.id == "player_1" else super().encode_observation(ctx)

    class WildEnv(players_env):  # type: ignore[misc]  likewise
        player_class = Wild

    env = ph.SingleAgentEnvAdapter(WildEnv, "player_0", {"player_1": "random"})
    env.reset(seed=1)
    with pytest.raises(ph.errors.ObservationError) as caught:
        env.step(0)
    assert str(caught.value) == (
        "Observation of 'player_1' is array([7., 7.]), but its observation space is Box(0.0, 1.0, (3,), "
        "float32). Change encode_observation() or the space."
    )


def test_every_form_of_policy_mapping_is_understood(players_env: Any) -> None:
    player = players_env.player_class
    for others in (
        {"player_1": ("constant", ONE), "player_2": (ph.ConstantPolicy, ONE)},
        {"others": (ph.ConstantPolicy, ["player_1", "player_2"], ONE)},
        {"others": (ph.ConstantPolicy, player, ONE)},
        {"others": ("constant", lambda agent: agent.id != "clerk", ONE)},
        {"others": ph.PolicySpec(agents=player, policy="constant", config=ONE)},
    ):
        env = ph.SingleAgentEnvAdapter(players_env, "player_0", others, {"num_players": 3, "num_steps": 1})
        play(env, 1, [0])
        acted = [env.env.agents[f"player_{n}"].actions for n in range(3)]  # type: ignore[attr-defined]
        assert acted == [[0], [1], [1]]


def test_an_agent_without_rivals_needs_no_policies(players_env: Any) -> None:
    env = ph.SingleAgentEnvAdapter(players_env, "player_0", env_config={"num_players": 1, "num_steps": 2})
    assert rewards(play(env, 1, [1])) == [2.0, 2.0]


def test_an_env_that_is_set_up_by_a_function_can_be_played(players_env: Any) -> None:
    env = ph.SingleAgentEnvAdapter(lambda: players_env(1, 2), "player_0")
    assert rewards(play(env, 1, [1])) == [2.0, 2.0]


class Watcher(ph.StrategicAgent):
    """Observes in every `period`-th episode only."""

    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)
    episodes = 0
    period: int | None = 3

    def reset(self) -> None:
        self.episodes += 1

    def encode_observation(self, ctx: ph.Context) -> Any:
        return 0 if self.period is not None and self.episodes % self.period == 0 else None

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        """Do nothing."""

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


class WatchEnv(ph.PhantomEnv):
    def __init__(self, period: int | None) -> None:
        watcher = Watcher("watcher")
        watcher.period = period
        super().__init__(num_steps=4, network=ph.Network([watcher]))


def test_episodes_in_which_the_agent_never_acts_are_passed_over() -> None:
    env = ph.SingleAgentEnvAdapter(WatchEnv, "watcher", env_config={"period": 3})
    env.reset(seed=1)
    assert env.env.agents["watcher"].episodes == 3  # type: ignore[attr-defined]
    assert rewards([None, env.step(0)]) == [1.0]


def test_an_agent_that_never_acts_is_an_error() -> None:
    env = ph.SingleAgentEnvAdapter(WatchEnv, "watcher", env_config={"period": None})
    with pytest.raises(ph.errors.EnvError) as caught:
        env.reset(seed=1)
    assert str(caught.value) == (
        "'watcher' did not act in 100 episodes of WatchEnv. Choose an agent that observes and has a turn."
    )


def test_it_renders_if_the_env_does(players_env: Any) -> None:
    class Drawn(players_env):  # type: ignore[misc]  the fixture is a class
        render_mode = "ansi"

        def render(self) -> str:
            return f"step {self.current_step}"

    env = ph.SingleAgentEnvAdapter(Drawn, "player_0", env_config={"num_players": 1})
    env.reset(seed=1)
    assert (env.render_mode, env.metadata["render_modes"], env.render()) == ("ansi", ["ansi"], "step 0")
    plain = ph.SingleAgentEnvAdapter(players_env, "player_0", env_config={"num_players": 1})
    assert (plain.render_mode, plain.metadata["render_modes"], plain.render()) == (None, [], None)


def test_an_env_that_renders_passes_gymnasiums_check(players_env: Any, gym_id: str) -> None:
    class Drawn(players_env):  # type: ignore[misc]  the fixture is a class
        metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012  as Gymnasium wants it

        def __init__(self, render_mode: str | None = None) -> None:
            super().__init__(1)
            self.render_mode = render_mode

        def render(self) -> str | None:
            return None if self.render_mode is None else f"step {self.current_step}"

    kwargs = {"env_class": Drawn, "agent_id": "player_0"}
    gym.register(gym_id, entry_point=ph.SingleAgentEnvAdapter, kwargs=kwargs)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".* that is not in the possible render_modes")  # of the class
        check_env(gym.make(gym_id, render_mode="ansi").unwrapped)


def test_it_ends_with_an_agent_that_leaves(players_env: Any) -> None:
    class Leaving(players_env):  # type: ignore[misc]  the fixture is a class
        def post_message_resolution(self) -> None:
            super().post_message_resolution()
            if self.current_step == 2:
                self.network.remove_agent("player_1")

    one = ph.SingleAgentEnvAdapter(Leaving, "player_0", {"player_1": "random"}, {"num_steps": 4})
    assert flags(play(one, 1, [0])) == [(False, False)] * 3 + [(False, True)]
    other = ph.SingleAgentEnvAdapter(Leaving, "player_1", {"player_0": "random"}, {"num_steps": 4})
    assert flags(play(other, 1, [0])) == [(False, False), (True, False)]


def test_a_step_before_the_first_reset_is_an_error(players_env: Any) -> None:
    env = ph.SingleAgentEnvAdapter(players_env, "player_0", {"player_1": "random"})
    with pytest.raises(ph.errors.EpisodeError) as caught:
        env.step(0)
    assert str(caught.value) == (
        "SingleAgentEnvAdapter was stepped before its first reset. Call env.reset()."
    )
