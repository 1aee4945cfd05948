"""PettingZoo's own envs are well in the eyes of the doctor."""

from importlib.util import find_spec
from typing import Any

import pytest

from phantom_pettingzoo import PettingZooEnv
from phantom_testing import diagnose
from phantom_testing.hash_order import CHILD

GAMES = ["classic/tictactoe-v3", "classic/connect_four-v3", "classic/rps-v2"]
MPE2 = [
    "simple_v3",
    "simple_adversary_v3",
    "simple_push_v3",
    "simple_reference_v3",
    "simple_speaker_listener_v4",
    "simple_spread_v3",
    "simple_tag_v3",
    "simple_world_comm_v3",
]


def found_in(name: str, monkeypatch: pytest.MonkeyPatch, **config: Any) -> list[str]:
    monkeypatch.setenv(CHILD, "1")  # without other processes
    diagnosis = diagnose(PettingZooEnv, {"env": name, **config}, num_episodes=2, max_steps=100)
    return [f"{finding.check}: {finding}" for finding in diagnosis.findings]


@pytest.mark.integration
@pytest.mark.skipif(find_spec("mpe2") is None, reason="mpe2 is not installed: run make check-integrations")
@pytest.mark.parametrize("name", MPE2)
def test_particle_envs_are_well(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found_in(f"mpe2.{name}", monkeypatch) == []


@pytest.mark.integration
@pytest.mark.skipif(
    find_spec("pygame") is None, reason="pygame is not installed: run make check-integrations"
)
@pytest.mark.parametrize("name", GAMES)
def test_turn_based_games_are_well(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found_in(name, monkeypatch) == []
