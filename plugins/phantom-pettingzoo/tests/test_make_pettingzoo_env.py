"""Envs of PettingZoo are found by name, and what cannot be found says why."""

from typing import Any

import pettingzoo
import pytest

import phantom_core as ph
from phantom_pettingzoo import PettingZooEnv


def make_env(num_steps: int = 5) -> Any:
    """Make no env."""


EXPECTED = (
    "Expected a PettingZoo env, a function that makes one, 'module:function', a module such as "
    "'mpe2.simple_spread_v3', or an id of PettingZoo's registry."
)


def test_a_function_that_a_stranger_names_is_not_called() -> None:
    with pytest.raises(ph.errors.TrustError) as caught, ph.trust.untrusted("The run a"):
        PettingZooEnv("os:system", command="exit 1")
    assert str(caught.value).startswith(
        "The run a was not written here, or was changed since. It names 'os:system'"
    )


@pytest.mark.parametrize(
    ("env", "kwargs", "message"),
    [
        (3, {}, f"PettingZooEnv got env=3. {EXPECTED}"),
        (
            "no_such_zoo.chess_v9",
            {},
            (
                "PettingZooEnv got env='no_such_zoo.chess_v9', but 'no_such_zoo.chess_v9' could not be "
                "imported: ModuleNotFoundError: No module named 'no_such_zoo'. Install the package that it "
                f"is part of, or mend the name. {EXPECTED}"
            ),
        ),
        (
            "pettingzoo:chess",
            {},
            "PettingZooEnv got env='pettingzoo:chess', but pettingzoo has no function 'chess'. It has: ",
        ),
        (
            "pettingzoo.utils",
            {},
            (
                "PettingZooEnv got env='pettingzoo.utils', but pettingzoo.utils has no function "
                "'parallel_env' or 'env'. It has: "
            ),
        ),
        ("classic/no_such_game-v3", {}, "PettingZooEnv got env='classic/no_such_game-v3', which PettingZoo "),
        (
            "classic/ches-v6",
            {},
            (
                "PettingZooEnv got env='classic/ches-v6', which PettingZoo does not know. Did you mean "
                f"'classic/chess-v6'? {EXPECTED}"
            ),
        ),
        (
            make_env,
            {"steps": 3},
            (
                "PettingZoo env make_env could not be made: TypeError: make_env() got an unexpected "
                "keyword argument 'steps'. Its arguments: {'steps': 3}."
            ),
        ),
        (
            make_env,
            {"token": "sesame"},
            (
                "PettingZoo env make_env could not be made: TypeError: make_env() got an unexpected "
                "keyword argument 'token'. Its arguments: {'token': '***masked***'}."
            ),
        ),
        (
            dict,
            {},
            "PettingZooEnv got dict, which makes a dict. Expected a ParallelEnv or an AECEnv.",
        ),
        (
            pettingzoo.ParallelEnv(),
            {"num_steps": 3},
            (
                "PettingZooEnv got num_steps beside an env that is made already. Pass what makes the env "
                "instead, or set it where you make the env."
            ),
        ),
    ],
)
def test_an_env_that_cannot_be_had_is_an_error_that_says_why(
    env: Any, kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        PettingZooEnv(env, **kwargs)
    assert str(caught.value).startswith(message)  # lists of what is installed follow
