"""Whole episodes of the examples as text, so that a change of behaviour is a diff to read.

pytest tests/golden --update-golden     accepts the change
"""

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import phantom_core as ph

CASES = {
    "supply_chain_box.txt": ("SupplyChainEnv", [[8.0], [2.5], [0.0], [100.0], [3.5], [100.0]]),
    "supply_chain_discrete.txt": ("DiscreteSupplyChainEnv", [8, 2, 0, 30, 4, 30]),
}


def show(value: Any) -> str:
    """Write an observation, an action or a reward in a few digits."""
    return " ".join(f"{float(number):.6g}" for number in np.ravel(value))


def episode_as_text(env: ph.PhantomEnv, seed: int, actions: Sequence[Any]) -> Iterator[str]:
    """Play an episode of one shop, and tell all that happens in it line by line."""
    yield f"{type(env).__name__}, seed {seed}: {', '.join(repr(agent) for agent in env.agents.values())}"
    observations, _ = env.reset(seed)
    yield f"reset    SHOP observes {show(observations['SHOP'])}"
    resolver = env.network.resolver
    for action in actions:
        result = env.step({"SHOP": action})
        yield ""
        yield f"step {env.current_step}   SHOP acts {show(action)}"
        for message in resolver.tracked_messages:
            yield f"         {message.sender_id} → {message.receiver_id}: {message.payload}"
        resolver.clear_tracked_messages()
        observation, reward = show(result.observations["SHOP"]), show(result.rewards["SHOP"])
        yield f"         SHOP observes {observation}, is rewarded {reward}"
        for name, ends in (("terminated", result.terminations), ("truncated", result.truncations)):
            if any(ends.values()):
                yield f"         {name}: {', '.join(str(agent_id) for agent_id, end in ends.items() if end)}"


@pytest.mark.parametrize("name", CASES)
def test_the_episode_is_the_golden_one(
    name: str, supply_chain: ModuleType, compare_with_golden: Callable[[str, str], None]
) -> None:
    env_class, actions = CASES[name]
    env = getattr(supply_chain, env_class)(customers_per_shop=2)
    env.num_steps = len(actions)
    env.network.resolver.enable_tracking = True
    compare_with_golden(name, "\n".join(episode_as_text(env, 3, actions)) + "\n")


def test_every_golden_file_has_its_episode(request: pytest.FixtureRequest) -> None:
    files = request.path.parent.glob("*.txt")
    assert sorted(path.name for path in files) == sorted(CASES)
