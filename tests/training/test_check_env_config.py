"""What `ph.check_env_config` looks at, and that `Trainer.train` asks it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import phantom_core as ph
from phantom_testing import IdentityEnv


class RandomTrainer(ph.Trainer):
    policy_class = ph.RandomPolicy

    def training_step(self, *_: Any) -> None:
        """Do nothing."""


POLICIES = {"p": ph.StrategicAgent}


def message_of(call: Callable[[], object]) -> str:
    with pytest.raises(ph.errors.ConfigError) as caught:
        call()
    return str(caught.value)


@dataclass
class Settings:
    size: Any


SAMPLER = ph.samplers.UniformFloatSampler()
RANGE = (
    ", but training takes one value. Use a sampler in a supertype; ranges are for studies: px.Study(env, "
    "env_config=…) of phantom-experiments."
)
DRAW = ", and nobody would draw from it. Samplers are drawn from in env_supertype and agent_supertypes."
NO_DICT = (
    "env_config is [('num_steps', 2)]. Expected a dict of keyword arguments for the env, such as "
    "{'num_steps': 10}."
)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            {"num_steps": ph.ranges.LinspaceRange(1, 2, 2)},
            f"env_config['num_steps'] is a LinspaceRange{RANGE}",
        ),
        (
            {"env_supertype": {"sizes": [1, ph.ranges.UniformRange(1, 2)]}},
            f"env_config['env_supertype']['sizes'][1] is a UniformRange{RANGE}",
        ),
        ({"sizes": (SAMPLER,)}, f"env_config['sizes'][0] is a UniformFloatSampler{DRAW}"),
        ({"settings": Settings(SAMPLER)}, f"env_config['settings'].size is a UniformFloatSampler{DRAW}"),
        ({"sizes": {SAMPLER}}, f"an element of env_config['sizes'] is a UniformFloatSampler{DRAW}"),
        ([("num_steps", 2)], NO_DICT),
    ],
)
def test_check_env_config_names_what_an_env_cannot_be_trained_with(config: Any, sentence: str) -> None:
    assert message_of(lambda: ph.check_env_config(config)) == sentence
    assert message_of(lambda: RandomTrainer().train(IdentityEnv, 1, POLICIES, ["p"], config)) == sentence


def test_check_env_config_takes_the_rest() -> None:
    loop: list[Any] = [Settings]
    loop.append({"again": loop})
    ph.check_env_config({})
    ph.check_env_config({"num_steps": 2, "loop": loop, "none": None, "settings": Settings("x")})
    ph.check_env_config({"env_supertype": {"size": SAMPLER}, "agent_supertypes": {"A": {"size": SAMPLER}}})
