"""The toy envs have the answers that their docstrings give."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import phantom_core as ph
import phantom_testing
from phantom_testing import diagnose
from phantom_testing.ending_envs import CutOffEnv, DeadEndEnv, LongWayEnv
from phantom_testing.toy_agents import ToyForm
from phantom_testing.toy_envs import right_choice_of

FORMS = [("discrete", "discrete"), ("box", "discrete"), ("discrete", "box"), ("box", "box")]
TOYS = [
    phantom_testing.IdentityEnv,
    phantom_testing.CoinEnv,
    phantom_testing.DilemmaEnv,
    phantom_testing.RivalsEnv,
    phantom_testing.DelayedRewardEnv,
    phantom_testing.TurnBasedEnv,
    phantom_testing.DyingAgentsEnv,
    CutOffEnv,
    DeadEndEnv,
    LongWayEnv,
]


def mean_returns(env: Any, choose: Callable[[int], int], num_episodes: int = 20) -> dict[Any, float]:
    """Return the mean return of each agent, when all of them choose so in each state."""
    agents = env.strategic_agent_ids
    spaces = env.observation_spaces, env.action_spaces
    policies = {a: ph.FunctionPolicy(*(space[a] for space in spaces), function=choose) for a in agents}
    found = ph.evaluate(env, policies, {a: a for a in agents}, num_episodes=num_episodes, seed=1)
    return {agent: float(np.mean(returns)) for agent, returns in found.episode_returns.items()}


def test_repeating_the_number_solves_the_identity_env() -> None:
    env = phantom_testing.IdentityEnv(2)
    assert mean_returns(env, lambda state: state) == {"A1": 5.0, "A2": 5.0}
    assert mean_returns(env, lambda state: (state + 1) % 3) == {"A1": 0.0, "A2": 0.0}


def test_heads_is_right_in_four_of_five_throws() -> None:
    returns = mean_returns(phantom_testing.CoinEnv(), lambda _: 1, num_episodes=300)
    assert returns["A1"] == pytest.approx(8.0, abs=0.25)


@pytest.mark.parametrize(("choice", "each"), [(0, 15.0), (1, 5.0)])
def test_silence_pays_more_if_both_are_silent(choice: int, each: float) -> None:
    assert mean_returns(phantom_testing.DilemmaEnv(), lambda _: choice) == {"A1": each, "A2": each}


def test_to_betray_pays_more_whatever_the_other_one_does() -> None:
    env = phantom_testing.DilemmaEnv()
    env.reset(seed=1)
    result = env.step({"A1": 1, "A2": 0})
    assert result.rewards == {"A1": 5.0, "A2": 0.0}
    assert result.observations == {"A1": 1, "A2": 2}


@pytest.mark.parametrize("choice", [0, 1])
def test_the_first_choice_is_paid_in_the_third_step(choice: int) -> None:
    env = phantom_testing.DelayedRewardEnv()
    env.reset(seed=1)
    rewards = [env.step({"A1": action}).rewards["A1"] for action in (choice, 1 - choice, 0)]
    assert rewards == ([0.0, 0.0, 1.0] if choice == 1 else [0.2, 0.0, 0.0])
    assert env.terminated_agent_ids == {"A1"}


def test_to_keep_is_best_among_rivals_whatever_the_others_do() -> None:
    env = phantom_testing.RivalsEnv()
    env.reset(seed=1)
    keep = {agent.id: right_choice_of(agent.states[0]) for agent in env.rivals}
    give = {agent_id: (choice + 1) % 3 for agent_id, choice in keep.items()}
    hurt = {agent_id: (choice + 2) % 3 for agent_id, choice in keep.items()}
    assert set(env.step(keep).rewards.values()) == {1.0}
    for others, earned in ((give, 1.8), (hurt, -1.8)):
        for own, gain in ((keep, 1.0), (give, 0.0), (hurt, 0.0)):
            env.reset(seed=1)
            assert env.step({**others, "A1": own["A1"]}).rewards["A1"] == pytest.approx(earned + gain)
    assert mean_returns(phantom_testing.RivalsEnv(), right_choice_or_zero) == dict.fromkeys(keep, 3.0)


def right_choice_or_zero(state: int) -> int:
    return right_choice_of(state) if state < 12 else 0


def test_an_action_outside_of_the_space_is_refused() -> None:
    env = phantom_testing.IdentityEnv(acts="box")
    env.reset(seed=1)
    with pytest.raises(ValueError, match=r"'A1' was to do array\(\[1\.5\]\), which is not in Box"):
        env.step({"A1": np.array([1.5])})


@pytest.mark.parametrize(("action", "reward"), [(-2.0 / 3.0, 1.0), (0.0, 1.0 / 3.0), (1.0, -2.0 / 3.0)])
def test_in_a_box_what_is_nearer_to_the_right_choice_is_paid_more(action: float, reward: float) -> None:
    rightness = ToyForm(acts="box").rightness(np.array([action]), 0, 3)
    assert rightness == pytest.approx(reward)


def test_caller_and_answerer_take_turns() -> None:
    env = phantom_testing.TurnBasedEnv()
    assert list(env.reset(seed=1)[0]) == ["CALLER"]
    assert env.step({"CALLER": 2}).observations == {"ANSWERER": 2}
    assert mean_returns(env, lambda state: state) == {"CALLER": 5.0, "ANSWERER": 5.0}


def test_agents_die_one_after_the_other() -> None:
    assert mean_returns(phantom_testing.DyingAgentsEnv(), lambda _: 1) == {"A1": 1.0, "A2": 2.0, "A3": 3.0}


def test_what_is_cut_off_at_the_fork_is_seen_in_the_rich_room() -> None:
    env = CutOffEnv()
    seed = next(seed for seed in range(9) if env.reset(seed=seed)[0]["A1"] == 0)
    env.reset(seed=seed)
    result = env.step({"A1": 1})
    assert (result.observations["A1"], result.rewards["A1"]) == (1, 0.0)
    assert (result.terminations["A1"], result.truncations["A1"]) == (False, True)


def test_a_dead_end_terminates_in_view_of_the_rich_room() -> None:
    env = DeadEndEnv()
    seed = next(seed for seed in range(9) if env.reset(seed=seed)[0]["A1"] == 0)
    env.reset(seed=seed)
    result = env.step({"A1": 1})
    assert (result.observations["A1"], result.rewards["A1"]) == (1, 0.0)
    assert (result.terminations["A1"], result.truncations["A1"]) == (True, False)


def test_the_long_way_pays_twice_as_much_in_three_times_as_many_steps() -> None:
    assert mean_returns(LongWayEnv(), lambda _: 0) == {"A1": 0.5}
    assert mean_returns(LongWayEnv(), lambda _: 1) == {"A1": 1.0}


@pytest.mark.parametrize("env_class", TOYS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize(("observes", "acts"), FORMS)
def test_every_toy_is_well_in_every_form(env_class: Any, observes: str, acts: str) -> None:
    def make(**config: Any) -> Any:  # no reference leads to it, so that no other process is started
        return env_class(**config)

    diagnosis = diagnose(make, {"observes": observes, "acts": acts})
    assert diagnosis.findings == ()


@pytest.mark.parametrize(("action", "choice"), [(-1.0, 0), (-0.4, 0), (0.0, 1), (0.4, 2), (1.0, 2), (7.0, 2)])
def test_a_box_is_divided_into_choices(action: float, choice: int) -> None:
    assert ToyForm(acts="box").choice(np.array([action], np.float32), 3) == choice
