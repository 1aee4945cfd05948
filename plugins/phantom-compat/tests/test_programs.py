"""Whole programs for Phantom 2.2.0 run unchanged; their numbers are known."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phantom as ph
import phantom_core

PROGRAMS = Path(__file__).parent / "programs"


def load(name: str) -> dict[str, Any]:
    return runpy.run_path(str(PROGRAMS / name))


def test_shops_with_types_views_metrics_and_a_log(tmp_path: Path) -> None:
    program = load("supply_chain_with_types.py")
    totals = program["main"](str(tmp_path / "log.json"))
    assert totals == program["main"](str(tmp_path / "log.json"))  # it seeds NumPy's global generator
    assert len({rewards for rewards, _ in totals}) == 3
    assert not ph.telemetry.logger.is_on


def test_an_auction_in_stages() -> None:
    program = load("advertising_stages.py")
    wins = program["main"]()
    assert set(wins) == {"ADV_1", "ADV_2", "ADV_3"}
    assert 10 <= sum(wins.values()) <= 20  # a winner is read after both stages
    assert program["main"](seed=1) == wins


def test_a_market_with_a_leader_and_a_trainer(tmp_path: Path) -> None:
    pytest.importorskip("phantom_tensorboard")
    results, total, sold, ends = load("energy_market.py")["main"](str(tmp_path))
    prosumers = results.policies["prosumers"]
    assert [prosumers.compute_action(price) for price in range(3)] == [3, 3, 3]  # buys while it pays
    assert ends == [True, False]  # enough was sold
    assert (sold, total) == (12, {"M": 0.0, "P1": 18.0, "P2": 18.0})  # the leader's turn ends before they buy
    assert len(list(tmp_path.rglob("events.out.tfevents.*"))) == 1


def test_an_env_with_a_step_of_its_own() -> None:
    played = load("own_step_function.py")["main"]()
    assert played == [
        (8.0, 1.0, False),
        (8.0, 1.0, False),
        (6.0, 2.0, False),
        (4.0, 3.0, False),
        (2.0, 4.0, True),
    ]


def test_the_global_generator_is_the_only_randomness() -> None:
    program = load("supply_chain_with_types.py")
    states = []
    for seed in (None, 5):
        np.random.seed(2)
        env = program["SupplyChainEnv"]()
        env.reset(seed=seed)
        for _ in range(5):
            env.step({})
        states.append(np.random.get_state()[1].tolist())  # type: ignore[union-attr]
    assert states[0] == states[1]


def test_the_cores_trainers_train_in_envs_of_programs() -> None:
    program = load("energy_market.py")
    results = phantom_core.train(
        "q-learning",
        env=program["StackelbergEnvCustom"],
        policies={"mediator": ["M"], "prosumers": program["PROSUMERS"]},
        num_iterations=2,
        run_dir=None,
        seed=1,
    )
    assert results.history[-1]["episode_length"] == 10
    assert results.history[-1]["prosumers/episode_return"] > 0
