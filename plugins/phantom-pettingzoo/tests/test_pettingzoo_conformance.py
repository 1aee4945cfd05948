from typing import Any, ClassVar

from phantom_pettingzoo import to_parallel
from phantom_testing import DilemmaEnv, EnvConformance


def dilemma() -> Any:
    return to_parallel(DilemmaEnv())


class TestPettingZooEnv(EnvConformance):
    name = "pettingzoo"
    config: ClassVar = {"env": dilemma}
