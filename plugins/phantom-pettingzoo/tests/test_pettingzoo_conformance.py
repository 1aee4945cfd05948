from typing import Any, ClassVar

from phantom_core.testing import DilemmaEnv, EnvConformance
from phantom_pettingzoo import to_parallel


def dilemma() -> Any:
    return to_parallel(DilemmaEnv())


class TestPettingZooEnv(EnvConformance):
    name = "pettingzoo"
    config: ClassVar = {"env": dilemma}
