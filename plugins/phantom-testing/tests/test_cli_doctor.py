"""`phantom doctor`: what it prints, and how it exits."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ILL = """
import gymnasium as gym
import phantom_core as ph


class Seller(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(3)
    action_space = gym.spaces.Box(float("-inf"), float("inf"), (1,))

    def decode_action(self, ctx, action):
        pass

    def encode_observation(self, ctx):
        return self.observed

    def compute_reward(self, ctx):
        return 0.0


class Shop(ph.PhantomEnv):
    def __init__(self, observed=3, others=0):
        Seller.observed = observed
        super().__init__(3, ph.Network([Seller("S"), *(Seller(f"S{n}") for n in range(others))]))


class Empty(ph.PhantomEnv):
    def __init__(self):
        super().__init__(3, ph.Network([ph.Agent("A")]))
"""


@pytest.fixture
def ill(guess_folder: Path) -> str:
    (guess_folder / "ill_shop.py").write_text(ILL)
    return "ill_shop.py:Shop"


def test_an_env_that_is_well_exits_with_0(phantom: Callable[..., Any]) -> None:
    outcome = phantom("doctor", "guess_world.py:GuessEnv", "--episodes", "2", "--set", "num_agents=2")
    assert (outcome.code, outcome.err) == (0, "")
    first, *others = outcome.out.splitlines()
    assert first == "Played 2 episodes, 10 steps. Found nothing that will bite."
    said = " ".join(" ".join(others).split())
    able, _, unable = said.removeprefix("Trainers ").partition(" can train this env.")
    tables = {"double-q-learning", "expected-sarsa", "ppo", "q-learning", "sarsa"}
    assert tables <= set(able.split(", ")) <= tables | {"dqn", "es", "mappo"}
    assert unable in (
        "",
        " Trainer sac cannot: Agent 'G1': mlp-soft-actor cannot act in Discrete(3). Use a Box of floats.",
    )


def test_what_will_bite_comes_first_and_exits_with_1(
    phantom: Callable[..., Any], ill: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    outcome = phantom("doctor", ill, "--episodes", "1", "--seed", "7")
    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out.startswith(
        "error   agent 'S', reset: its observation is 3 (int), but its space is Discrete(3). Change\n"
        "        encode_observation() or the space. (seed 7)\n"
        "        → The collector stops the run with an ObservationError.\n"
        "\n"
        "note    agent 'S': its action space Box(-inf, inf, (1,), float32) has no bounds. Bound it, if not\n"
        "        every number is meant.\n"
        "        → The policy 'random' draws from a normal or exponential distribution there, and nothing\n"
        "        clips what other policies choose.\n"
        "\n"
        "Played 1 episode, 3 steps. Found 1 error, 1 note.\n"
        "Trainers "
    )


@pytest.mark.parametrize(
    ("others", "who"),
    [(1, "agent 'S0'"), (2, "agents 'S0', 'S1'"), (6, "agents 'S0', 'S1', 'S2' and 3 more")],
)
def test_what_is_wrong_with_several_agents_is_said_once(
    others: int, who: str, phantom: Callable[..., Any], ill: str
) -> None:
    outcome = phantom("doctor", ill, "--episodes", "1", "--set", f"others={others}")
    text = " ".join(outcome.out.split())
    assert f"Change encode_observation() or the space. (seed 0) The same goes for {who}. → The" in text
    assert "Found 1 error, 1 note." in text
    assert len(json.loads(phantom("doctor", ill, "--json", "--set", f"others={others}").out)["findings"]) == (
        2 * (others + 1)
    )


def test_trainers_can_train_an_env_once_its_errors_are_fixed(phantom: Callable[..., Any], ill: str) -> None:
    outcome = phantom("doctor", ill)
    (said,) = re.findall(
        r"^Trainers? (.*) can train this env once the error above is fixed", outcome.out, re.MULTILINE
    )
    assert "ppo" in said.split(", ")
    outcome = phantom("doctor", "ill_shop.py:Empty")
    assert outcome.code == 0, "it can be simulated"
    assert "Trainer" not in outcome.out


def test_a_note_alone_exits_with_0(phantom: Callable[..., Any], ill: str) -> None:
    outcome = phantom("doctor", ill, "--set", "observed=1")
    assert outcome.code == 0
    assert "Found 1 note." in outcome.out


def test_the_same_comes_as_json(phantom: Callable[..., Any], ill: str) -> None:
    outcome = phantom("doctor", ill, "--json", "--max-steps", "2")
    table = json.loads(outcome.out)
    assert outcome.code == 1
    assert table["findings"][1] == {
        "check": "observation-outside-space",
        "severity": "error",
        "agent_id": "S",
        "step": 0,
        "seed": 0,
        "message": (
            "its observation is 3 (int), but its space is Discrete(3). Change encode_observation() or the "
            "space."
        ),
        "consequence": "The collector stops the run with an ObservationError.",
    }
    assert (table["num_episodes"], table["num_steps"], table["not_checked"]) == (3, 6, [])
    assert "Discrete" in table["trainers"]["q-learning"]


def test_a_registered_env_is_named(phantom: Callable[..., Any]) -> None:
    outcome = phantom("doctor", "gymnasium", "--set", "env=FrozenLake-v1", "--episodes", "1")
    assert outcome.code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nowhere.py:Env"],
            (
                "ENV = 'nowhere.py:Env': there is no file {folder}/nowhere.py. Relative paths start at the "
                "current folder."
            ),
        ),
        (["guess_world.py:__doc__"], "ENV = 'guess_world.py:__doc__' is {doc!r}. Expected an env class."),
        (
            ["guess_world.py:GuessEnv", "--set", "agents=2"],
            (
                "GuessEnv could not be made: TypeError: GuessEnv.__init__() got an unexpected keyword "
                "argument 'agents'. Its env_config: {{'agents': 2}}."
            ),
        ),
        (
            ["guess_world.py:GuessEnv", "--set", "token=sesame", "--set", "user=env:HOME"],
            (
                "GuessEnv could not be made: TypeError: GuessEnv.__init__() got an unexpected keyword "
                "argument 'token'. Its env_config: {{'token': '***masked***', 'user': 'env:HOME'}}."
            ),
        ),
        (
            ["guess_world.py:GuessEnv", "--set", "user=env:GONE"],
            "user = 'env:GONE', but there is no environment variable 'GONE'. Set it: export GONE=…",
        ),
        (
            ["guess_world.py:GuessAgent"],
            (
                "GuessAgent is no multi-agent env: it has no step. Derive it from ph.PhantomEnv, or wrap a "
                "single-agent env in ph.GymnasiumEnv."
            ),
        ),
        (
            ["guess_world.py:GuessEnv", "--set", "agents"],
            "--set 'agents' is no assignment. Expected key=value, such as seed=2.",
        ),
    ],
)
def test_what_cannot_be_played_is_one_message_and_exit_code_2(
    arguments: list[str], message: str, phantom: Callable[..., Any], guess_folder: Path
) -> None:
    outcome = phantom("doctor", *arguments)
    doc = "Guess the number that you see: an env that every trainer solves."
    expected = message.format(folder=guess_folder.resolve(), doc=doc)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: {expected}\n")


def test_an_env_that_is_not_registered_is_refused(phantom: Callable[..., Any]) -> None:
    outcome = phantom("doctor", "gymnasum")
    assert outcome.code == 2
    assert outcome.err.startswith("Error: No env named 'gymnasum'. Did you mean 'gymnasium'?")
