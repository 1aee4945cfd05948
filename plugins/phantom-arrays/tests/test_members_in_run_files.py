"""Members of a population in a run file: some are selected by their ids, or all by their class."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph

WORLD = Path(__file__).with_name("counting_world.py")
RUN = f"""
env = "{WORLD}:CounterEnv"
env_config = {{ size = 3 }}
trainer = "q-learning"
iterations = 2
seed = 1
"""
SPLIT = """
[policies.first]
agents = [["counters", 0]]
[policies.others]
agents = [["counters", 1], ["counters", 2]]
policy = "random"
[metrics.right]
metric = "agent"
agent_id = ["counters", 2]
agent_property = "right"
"""
ALL = f"""
[policies.all]
class = "{WORLD}:Counter.Member"
"""


@pytest.mark.parametrize(
    ("policies", "names"), [(SPLIT, ["first", "others", "others"]), (ALL, ["all"] * 3)], ids=["ids", "class"]
)
def test_members_are_split_among_policies(
    policies: str, names: list[str], phantom: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "counting.toml").write_text(RUN + policies)
    outcome = phantom("train", str(tmp_path / "counting.toml"), "--run-dir", str(tmp_path / "runs"))
    assert outcome.code == 0, outcome.err
    (run,) = (tmp_path / "runs").iterdir()
    facts = json.loads((run / "run.json").read_text())
    assert [name for _, name in facts["policy_by_agent"]] == names
    assert facts["not_in_config"] == []
    again = phantom("train", str(run / "config.toml"), "--run-dir", str(tmp_path / "again"))
    assert again.code == 0, again.err
    assert phantom("evaluate", str(run), "--episodes", "1").code == 0


def test_a_world_without_a_time_limit_is_told_at_once(
    counting: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Endless(counting.CounterEnv):  # type: ignore[misc]  # loaded by its file
        def __init__(self) -> None:
            super().__init__(2)
            self.num_steps = None

        def is_terminated(self) -> Any:
            return self.current_step == 3

    ph.train("q-learning", env=Endless, num_iterations=1, seed=1, run_dir=None)
    assert caplog.messages == [
        (
            "QLearningTrainer waits for whole episodes, and Endless has no time limit: num_steps is None. "
            "If an episode may never end, give the env num_steps, or set steps_per_iteration of the "
            "trainer, such as steps_per_iteration = 1000: then it waits for so many steps instead."
        )
    ]
