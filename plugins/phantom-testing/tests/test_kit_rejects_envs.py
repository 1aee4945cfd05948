"""Every broken env fails exactly its own check, with this message; the correct one fails none."""

from collections.abc import Callable

import pytest

from phantom_testing import EnvConformance
from phantom_testing.hash_order import CHILD

Failures = Callable[..., dict[str, str]]

BROKEN = [
    (
        "Breaks",
        "it_can_be_played",
        (
            "Env 'breaks', step 3: step() raised ZeroDivisionError: division by zero (broken_envs.py, line "
            "40, in pre_message_resolution). Fix it: env.reset(seed=0) starts the episode again. "
            "(env-raised)"
        ),
    ),
    (
        "LeavesItsSpace",
        "what_is_observed_is_in_the_spaces",
        (
            "Env 'leavesitsspace', agent 'A', reset: its observation is 3 (int), but its space is "
            "Discrete(3). Change encode_observation() or the space. (observation-outside-space)"
        ),
    ),
    (
        "DrawsFromEverybody",
        "the_seed_fixes_the_episode",
        (
            "Env 'drawsfromeverybody', reset: the env uses the global generator of random. Draw from "
            "self.random of the agent or the env instead. (global-random)"
        ),
    ),
    (
        "StatesTooMuch",
        "the_global_state_is_in_its_space",
        (
            "Env 'statestoomuch', step 3: the global state is 3 (int), but its space is Discrete(3). Change "
            "state() or the space. (state-outside-space)"
        ),
    ),
    (
        "SeesNothing",
        "everybody_observes_and_acts",
        (
            "Env 'seesnothing', agent 'B': it never observed. Let encode_observation() return something "
            "when its turn comes, or make it a plain Agent. (never-observes)"
        ),
    ),
]


@pytest.fixture(autouse=True)
def one_process_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing processes takes seconds, and has tests of its own."""
    monkeypatch.setenv(CHILD, "1")


def test_a_correct_env_passes_every_check(failures: Failures) -> None:
    assert failures(EnvConformance, "broken_envs", "CorrectEnv") == {}


@pytest.mark.parametrize(("name", "check", "message"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_a_broken_env_fails_its_own_check(failures: Failures, name: str, check: str, message: str) -> None:
    assert failures(EnvConformance, "broken_envs", name) == {check: message}


def test_what_is_as_it_should_be_is_allowed(failures: Failures) -> None:
    assert failures(EnvConformance, "broken_envs", "SeesNothing", allowed=("never-observes",)) == {}
