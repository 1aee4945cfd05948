"""A script that starts workers without a `__main__` guard is told so in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WORLD = """
import sys

import gymnasium as gym

import phantom_core as ph


class Walker(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)

    def decode_action(self, ctx, action):
        pass

    def encode_observation(self, ctx):
        return 0

    def compute_reward(self, ctx):
        return 1.0


class WalkEnv(ph.PhantomEnv):
    def __init__(self):
        super().__init__(2, ph.Network([Walker("W")]))


try:
    {call}
except ph.errors.PhantomError as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""

TRAIN = 'ph.train("q-learning", env=WalkEnv, num_iterations=1, workers=2, run_dir="runs", seed=1)'
MAKE = "ph.make_vector_env(WalkEnv, 2, workers=2)"


@pytest.mark.parametrize("call", [TRAIN, MAKE])
def test_workers_without_a_guard_are_one_sentence(call: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(WORLD.format(call=call))
    command = [sys.executable, str(script)]
    done = subprocess.run(
        command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.stdout) == ("", (
        f"ConfigError: Worker 0 could not begin: a worker imports {script}, which starts the workers again. "
        'Put what it runs under `if __name__ == "__main__":`, or use workers=0.\n'
    ))  # fmt: skip
    assert not list(tmp_path.glob("runs/*"))  # neither the workers', nor that of a run that never began


@pytest.mark.parametrize("stem", ["env_of_file", "json", "env.of.file"])
def test_workers_make_the_env_of_a_file(stem: str, tmp_path: Path) -> None:
    """Its module cannot be imported by name in a worker, or not as the same file."""
    (tmp_path / "elsewhere").mkdir()
    world = WORLD.partition("\n\ntry:")[0]
    (tmp_path / "elsewhere" / f"{stem}.py").write_text(world)
    script = tmp_path / "script.py"
    script.write_text(
        "import phantom_core as ph\n"
        'if __name__ == "__main__":\n'
        f'    results = ph.train("q-learning", env="./elsewhere/{stem}.py:WalkEnv", num_iterations=1,\n'
        "                       workers=2, run_dir=None, seed=1)\n"
        "    print(results.status)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.stderr, done.stdout) == ("", "completed\n")
