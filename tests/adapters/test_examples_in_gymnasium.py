"""Each agent of every env of the examples passes the test of Gymnasium."""

import ast
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from gymnasium.utils.env_checker import check_env

import phantom_core as ph

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
ENVS = [
    (path.stem, node.name)
    for path in sorted(EXAMPLES.glob("*.py"))
    for node in ast.parse(path.read_bytes()).body
    if isinstance(node, ast.ClassDef) and node.name.endswith("Env")
]

pytestmark = [
    pytest.mark.parametrize(("example_name", "env_name"), ENVS, ids=[name for _, name in ENVS]),
    pytest.mark.filterwarnings("ignore:Observation"),  # is no array, is all zeros, is a single number
    pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space"),
]

LoadExample = Callable[[str], ModuleType]


def test_each_agent_passes_the_test_of_gymnasium(
    example: LoadExample, example_name: str, env_name: str
) -> None:
    env_class = getattr(example(example_name), env_name)
    for agent_id in env_class().strategic_agent_ids:
        others = {"others": (ph.RandomPolicy, lambda _: True)}
        if len(env_class().strategic_agent_ids) == 1:
            others = {}
        env = ph.SingleAgentEnvAdapter(env_class, agent_id, others)
        check_env(env, skip_render_check=True)
