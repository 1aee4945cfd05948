"""What does not fit together when one agent is to be played is said in a sentence."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


@pytest.mark.parametrize(
    ("agent_id", "others", "message"),
    [
        (
            "player_9",
            {},
            (
                "Agent 'player_9' is no agent of PlayersEnv. Did you mean 'player_1'? Agents that act: "
                "'player_0', 'player_1'."
            ),
        ),
        ("clerk", {}, "Agent 'clerk' does not act. Agents that act: 'player_0', 'player_1'."),
        (
            "player_0",
            {},
            (
                "There is no policy for 'player_1'. Select every agent that acts in one of the policies "
                "(none), or give it one that does not learn, such as 'random'."
            ),
        ),
        (
            "player_0",
            {"rivals": ("random", ["player_1", "player_0"])},
            (
                "other_policies gives policy 'rivals' to 'player_0', the agent that is played from outside. "
                "Leave it out."
            ),
        ),
        (
            "player_0",
            {"player_1": "random", "player_7": "random"},
            (
                "Policy 'player_7' names agent 'player_7', but there is no such agent. Did you mean "
                "'player_1'? Agents that act: 'player_1'."
            ),
        ),
        (
            "player_0",
            {"rivals": ["player_1"]},
            (
                "other_policies says who uses policy 'rivals', but not what it is. Nothing is trained here: "
                "write ('random', [ids]) or (policy, AgentClass)."
            ),
        ),
        (
            "player_0",
            ["player_1"],
            (
                "other_policies is ['player_1']. Expected a mapping, such as {'RIVAL': 'random'} or "
                "{'rivals': ('random', ['RIVAL'])}."
            ),
        ),
        (
            "player_0",
            {"player_1": "randm"},
            "No policy named 'randm'. Did you mean 'random'?",
        ),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_so(
    players_env: Any, agent_id: str, others: Any, message: str
) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.SingleAgentEnvAdapter(players_env, agent_id, others)
    assert str(caught.value).startswith(message)  # the registry lists what is installed


def test_an_env_that_cannot_be_made_is_an_error(players_env: Any) -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        ph.SingleAgentEnvAdapter(players_env, "player_0", env_config={"players": 3})
    assert str(caught.value) == (
        "PlayersEnv could not be made: TypeError: PlayersEnv.__init__() got an unexpected keyword argument "
        "'players'. Its env_config: {'players': 3}."
    )
    with pytest.raises(ph.errors.ConfigError) as caught_config:
        ph.SingleAgentEnvAdapter(players_env(), "player_0")
    assert str(caught_config.value).startswith(
        "env_class is <PlayersEnv step 0/6, 3 agents>. Expected an env class"
    )
    with pytest.raises(ph.errors.ConfigError) as caught_config:
        ph.SingleAgentEnvAdapter(lambda: gym.make("CartPole-v1"), "player_0")  # type: ignore[arg-type, return-value]
    assert str(caught_config.value) == (
        "Expected a multi-agent env, but got a TimeLimit. Give an instance of a ph.PhantomEnv, or an adapter "
        "such as ph.GymnasiumEnv."
    )


@pytest.mark.parametrize("action", [7, None, 1.0])
def test_an_action_outside_the_space_is_an_error(players_env: Any, action: Any) -> None:
    env = ph.SingleAgentEnvAdapter(players_env, "player_0", {"player_1": "random"})
    env.reset(seed=1)
    with pytest.raises(ph.errors.EnvError) as caught:
        env.step(action)
    assert str(caught.value) == (
        f"The action of 'player_0' is {action!r}, but its action space is Discrete(3). Give an element of "
        "the space."
    )
    assert env.env.current_step == 0  # type: ignore[attr-defined]  a PhantomEnv


class Steerer(ph.StrategicAgent):
    """Steers between two bounds."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Box(0.1, 0.7, (2,), np.float32)

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.action = action

    def compute_reward(self, ctx: ph.Context) -> float:
        return 0.0


STRETCHED = np.float32(0.1) + np.float32(0.5 * (1.0 + 1.0)) * (np.float32(0.7) - np.float32(0.1))


@pytest.mark.parametrize(
    ("action", "is_inside"),
    [
        (np.array([0.1, 0.7], np.float32), True),
        (np.array([0.2, 0.5]), True),  # float64
        (np.array([STRETCHED + np.float32(1e-7), 0.5], np.float32), True),  # a rounding error
        (np.array([0.71, 0.5], np.float32), False),
        (np.array([np.nan, 0.5], np.float32), False),
        (np.array([0.2], np.float32), False),
        (np.array([0.2, 0.5j]), False),
    ],
)
def test_an_action_in_a_box_may_be_off_by_a_rounding_error(action: Any, *, is_inside: bool) -> None:
    env = ph.SingleAgentEnvAdapter(lambda: ph.PhantomEnv(3, ph.Network([Steerer("A")])), "A")
    env.reset(seed=1)
    if is_inside:
        env.step(action)
        assert env.env.agents["A"].action is action  # type: ignore[attr-defined]  a Steerer
        return
    with pytest.raises(ph.errors.EnvError, match=r"^The action of 'A' is .*, but its action space is Box\("):
        env.step(action)
