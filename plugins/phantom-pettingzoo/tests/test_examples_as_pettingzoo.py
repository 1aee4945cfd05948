"""Every env of the examples passes the tests of PettingZoo."""

import ast
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from gymnasium.utils.env_checker import data_equivalence

from phantom_pettingzoo import to_aec, to_parallel

# In the double auction nobody is asked for an action.
EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"
ENVS = [
    (path.stem, node.name)
    for path in sorted(EXAMPLES.glob("*.py"))
    for node in ast.parse(path.read_bytes()).body
    if isinstance(node, ast.ClassDef) and node.name.endswith("Env") and path.stem != "double_auction"
]

pytestmark = [
    pytest.mark.parametrize(("example_name", "env_name"), ENVS, ids=[name for _, name in ENVS]),
    pytest.mark.filterwarnings("ignore:We recommend agents to be named"),
    pytest.mark.filterwarnings("ignore:Observation"),  # is no array, is all zeros, is a single number
    pytest.mark.filterwarnings("ignore:Agents have different observation space sizes"),
    pytest.mark.filterwarnings("ignore:The class of observation spaces is different between two agents"),
]

LoadExample = Callable[[str], ModuleType]


def test_it_passes_the_tests_of_pettingzoo(
    example: LoadExample, example_name: str, env_name: str, zoo_kit: Any
) -> None:
    env_class = getattr(example(example_name), env_name)
    zoo_kit.parallel_api_test(to_parallel(env_class()), num_cycles=150)
    zoo_kit.api_test(to_aec(env_class()), num_cycles=150)
    zoo_kit.parallel_seed_test(lambda: to_parallel(env_class()))
    zoo_kit.seed_test(lambda: to_aec(env_class()))


def test_a_seed_fixes_all_that_an_agent_sees(example: LoadExample, example_name: str, env_name: str) -> None:
    env_class = getattr(example(example_name), env_name)

    def episode() -> list[Any]:
        env = to_parallel(env_class())
        shown: list[Any] = [env.reset(seed=3)]
        for agent in env.agents:
            env.action_space(agent).seed(3)
        while env.agents and len(shown) < 500:  # a game may have no end
            shown.append(env.step({agent: env.action_space(agent).sample() for agent in env.agents}))
        return shown

    assert data_equivalence(episode(), episode())
