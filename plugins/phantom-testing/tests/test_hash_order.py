"""Envs that depend on the order of hashes are found by playing them in other processes."""

from pathlib import Path

import pytest

import phantom_core as ph
from phantom_testing import diagnose

WORLD = """
import gymnasium as gym
import phantom_core as ph


class Buyer(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(9)

    def decode_action(self, ctx, action):
        pass

    def encode_observation(self, ctx):
        print("an env may print")
        return ctx.env_view.rank[self.id]

    def compute_reward(self, ctx):
        return 0.0


class Ranks(ph.EnvView):
    pass


class Market(ph.PhantomEnv):
    def __init__(self, names=("ann", "ben", "cleo", "dora"), is_sorted=False, extra=None):
        super().__init__(3, ph.Network([Buyer(name) for name in names]))
        self.is_sorted = is_sorted

    def view(self, agent_views):
        view = Ranks(self.current_step, 0.0)
        names = set(self.agents)
        ranked = sorted(names) if self.is_sorted else names
        object.__setattr__(view, "rank", {name: rank for rank, name in enumerate(ranked)})
        return view
"""


@pytest.fixture
def market(tmp_path: Path, forgotten_modules: None) -> type[ph.PhantomEnv]:  # noqa: ARG001  cleans up
    (tmp_path / "market_by_hash.py").write_text(WORLD)
    found: type[ph.PhantomEnv] = ph.tools.load_reference(
        "market_by_hash.py:Market", setting="env", folder=tmp_path
    )
    return found


def test_a_set_of_ids_is_found_out(market: type[ph.PhantomEnv]) -> None:
    (finding,) = diagnose(market, num_episodes=1).findings
    assert (finding.check, finding.step, finding.seed) == ("hash-order", 0, 0)
    assert finding.agent_id in {"ann", "ben", "cleo", "dora"}
    assert finding.message == (
        "the same episode differs in what it observes between processes that hash strings differently. Do "
        "not go through sets of ids: sort them, or use lists or dicts."
    )


def test_a_set_that_is_sorted_is_well(market: type[ph.PhantomEnv]) -> None:
    diagnosis = diagnose(market, {"is_sorted": True}, num_episodes=1)
    assert (diagnosis.findings, diagnosis.not_checked) == ((), ())


def test_an_env_config_that_no_process_can_be_told_is_said(market: type[ph.PhantomEnv]) -> None:
    diagnosis = diagnose(market, {"extra": object()}, num_episodes=1)
    assert diagnosis.not_checked == ("hash order: env_config holds more than plain values",)


def test_a_process_that_fails_is_said(market: type[ph.PhantomEnv], tmp_path: Path) -> None:
    (tmp_path / "market_by_hash.py").write_text("raise OSError('the file is gone')")
    (reason,) = diagnose(market, num_episodes=1).not_checked
    assert reason.startswith("hash order: another process failed: phantom_core.errors.ConfigError: env = ")
    assert "the file is gone" in reason
