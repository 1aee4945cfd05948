"""Whole episodes of the examples as text, so that a change of behaviour is a diff to read.

pytest tests/golden --update-golden     accepts the change
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import phantom_core as ph


@dataclass
class Case:
    """An episode: the env of an example, and what its agents do in each step."""

    example: str
    make: Callable[[ModuleType], ph.PhantomEnv]
    actions: Sequence[Mapping[str, Any]]
    seed: int = 3


def make_supply_chain(env_class: str) -> Callable[[ModuleType], ph.PhantomEnv]:
    return lambda example: getattr(example, env_class)(customers_per_shop=2)


def shop(orders: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"SHOP": order} for order in orders]


def in_turn(*rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Put a step without decisions after each row."""
    return [step for row in rows for step in (dict(row), {})]


CASES = {
    "competing_shops.txt": Case(
        "competing_shops",
        lambda example: example.CompetingShopsEnv(),
        in_turn({"SHOP1": 6, "SHOP2": 6, "SHOP3": 7}, {"SHOP1": 5, "SHOP2": 6, "SHOP3": 4}),
    ),
    "dealer_market.txt": Case(
        "dealer_market",
        lambda example: example.DealerMarketEnv(),
        [{"INVESTOR": 3}, {"INVESTOR": 1}, {"INVESTOR": 2}],
    ),
    "digital_ads.txt": Case(
        "digital_ads",
        lambda example: example.DigitalAdsEnv(),
        [
            {},
            {"ADV1": 3, "ADV2": 2, "ADV3": 2},
            {},
            {"ADV1": 2, "ADV2": 6, "ADV3": 5},
            {},
            {"ADV1": 0, "ADV2": 0, "ADV3": 0},
            {},
            {"ADV1": 4, "ADV2": 4, "ADV3": 4},
        ],
        seed=4,
    ),
    "double_auction.txt": Case("double_auction", lambda example: example.DoubleAuctionEnv(), [{}] * 10),
    "pricing_duopoly.txt": Case(
        "pricing_duopoly",
        lambda example: example.DuopolyEnv(),
        [{"ANN": 0, "BOB": 14}, {"ANN": 7, "BOB": 7}, {"ANN": 14, "BOB": 0}],
    ),
    "repeated_dilemma.txt": Case(
        "repeated_dilemma",
        lambda example: example.RepeatedDilemmaEnv(),
        [{"ANN": 0, "BOB": 0}, {"ANN": 0, "BOB": 1}, {"ANN": 1, "BOB": 0}, {"ANN": 1, "BOB": 1}],
    ),
    "stackelberg_pricing.txt": Case(
        "stackelberg_pricing",
        lambda example: example.StackelbergPricingEnv(),
        [{"LEADER": 3}, {"FOLLOWER": 5}, {"LEADER": 0}, {"FOLLOWER": 9}],
    ),
    "supply_chain_box.txt": Case(
        "supply_chain",
        make_supply_chain("SupplyChainEnv"),
        shop([[8.0], [2.5], [0.0], [100.0], [3.5], [100.0]]),
    ),
    "supply_chain_discrete.txt": Case(
        "supply_chain", make_supply_chain("DiscreteSupplyChainEnv"), shop([8, 2, 0, 30, 4, 30])
    ),
}


def show(value: Any) -> str:
    """Write an observation, an action or a reward in a few digits."""
    return " ".join(f"{float(number):.6g}" for number in np.ravel(value))


def outcomes(result: ph.StepResult) -> Iterator[str]:
    """Tell what each agent sees and is paid, and what ends."""
    for agent_id in dict.fromkeys([*result.observations, *result.rewards]):
        told = []
        if agent_id in result.observations:
            told.append(f"observes {show(result.observations[agent_id])}")
        if agent_id in result.rewards:
            told.append(f"is rewarded {show(result.rewards[agent_id])}")
        yield f"{agent_id} {', '.join(told)}"
    for name, ends in (("terminated", result.terminations), ("truncated", result.truncations)):
        if any(ends.values()):
            yield f"{name}: {', '.join(str(agent_id) for agent_id, end in ends.items() if end)}"


def one_step(env: ph.PhantomEnv, actions: Mapping[str, Any]) -> Iterator[str]:
    """Play a step, and tell what happens in it."""
    assert env.turn is not None
    if isinstance(env, ph.FiniteStateMachineEnv):
        yield f"stage {env.current_stage}"
    result = env.step(actions)
    yield from (f"{agent_id} acts {show(action)}" for agent_id, action in actions.items())
    resolver = env.network.resolver
    for message in resolver.tracked_messages:
        yield f"{message.sender_id} → {message.receiver_id}: {message.payload}"
    resolver.clear_tracked_messages()
    yield from outcomes(result)


def episode_as_text(env: ph.PhantomEnv, case: Case) -> Iterator[str]:
    """Play an episode, and tell all that happens in it line by line."""
    yield f"{type(env).__name__}, seed {case.seed}: {', '.join(repr(agent) for agent in env.agents.values())}"
    observations, _ = env.reset(case.seed)
    yield from (f"type     {agent.id} is {agent.type}" for agent in env.agents.values() if agent.type)
    yield from (f"reset    {agent_id} observes {show(seen)}" for agent_id, seen in observations.items())
    for number, actions in enumerate(case.actions, 1):
        yield ""
        for line, text in enumerate(one_step(env, actions)):
            yield f"step {number}   {text}" if line == 0 else f"         {text}"


@pytest.mark.parametrize("name", CASES)
def test_the_episode_is_the_golden_one(
    name: str, example: Callable[[str], ModuleType], compare_with_golden: Callable[[str, str], None]
) -> None:
    case = CASES[name]
    env = case.make(example(case.example))
    if env.num_steps is not None:
        env.num_steps = len(case.actions)
    env.network.resolver.enable_tracking = True
    compare_with_golden(name, "\n".join(episode_as_text(env, case)) + "\n")


def test_every_golden_file_has_its_episode_and_every_example_its_golden_file(
    request: pytest.FixtureRequest, repository: Any
) -> None:
    files = request.path.parent.glob("*.txt")
    assert sorted(path.name for path in files) == sorted(CASES)
    examples = (repository / "docs" / "examples").glob("*.py")
    assert {path.stem for path in examples} == {case.example for case in CASES.values()}
