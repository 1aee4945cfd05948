"""Trainers that depend on the process they train in, or change it: one defect each."""

import datetime as dt
import importlib
import random
import tempfile
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from broken_trainers import Correct, SimpleCorrect, TableConfig


class Nudges(Correct):
    """Moves all values by what `nudge` says before it learns."""

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        policy.values += 1e-3 * self.nudge(policy_id, batch)
        return super().update(policy_id, policy, batch, rng)

    def nudge(self, policy_id: str, batch: Any) -> float:
        return 0.0


# ---------------------------------------------------------------------- what it depends on


class HashesNames(Nudges):
    """Seeds a generator with the hash of a name."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        return float(np.random.default_rng(abs(hash(policy_id))).random())


class VisitsASet(Nudges):
    """Goes through what its agents did in the order of a set, large enough to differ in each process."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        deeds = {f"{path.agent_id} {number}" for path in batch.trajectories for number in range(9)}
        total = 0.0
        for deed in deeds:
            total = 0.5 * total + ord(deed[-1]) / 1000
        return total


class SumsByThreads(Nudges):
    """Depends on how many threads torch has, as its sums do; nothing is wrong with it."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        return float(importlib.import_module("torch").get_num_threads())


class ReadsTheClock(Nudges):
    """Seeds a generator with the hour."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        return float(np.random.default_rng(int(time.time()) // 3600).random())


class ReadsTheDate(Nudges):
    """Anneals with the date."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        return float(dt.datetime.now(tz=dt.UTC).toordinal() % 97) / 97.0


class TrustsTheGlobalSeed(Nudges):
    """Seeds a generator of its own with the state of the global one."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        return float(np.random.default_rng(np.random.get_state()[1]).random())  # noqa: NPY002  its defect


class BorrowsTheGlobalGenerator(SimpleCorrect):
    """Draws from the global generator, and puts it back."""

    def episode_seed(self) -> int:
        before = random.getstate()
        drawn = random.getrandbits(31)
        random.setstate(before)
        return drawn + super().episode_seed() // 2


class SeedsTheGlobalGenerator(Nudges):
    """Sets the global seed to 0 and draws from it."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        np.random.seed(0)  # noqa: NPY002  this is its defect
        drawn = float(np.random.random())  # noqa: NPY002  likewise
        np.random.seed(0)  # noqa: NPY002  likewise
        return drawn


# ---------------------------------------------------------------------- what it changes


class SilencesNumPy(Nudges):
    """Wants to hear nothing of overflows."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        np.seterr(all="ignore")
        return 0.0


class PatchesNumPy(Nudges):
    """Replaces a function of NumPy."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        original = np.random.permutation
        np.random.permutation = lambda x: original(x)  # noqa: PLW0108  this is its defect
        return 0.0


class PrintsShort(Nudges):
    """Sets the print options of everybody."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        np.set_printoptions(precision=3)
        return 0.0


class LeavesAThread(Nudges):
    """Starts a thread that nobody ends."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        threading.Thread(None, time.sleep, "pump", (5,), daemon=True).start()
        return 0.0


class IgnoresWarnings(Nudges):
    """Silences warnings for everybody."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        warnings.simplefilter("ignore", RuntimeWarning)
        return 0.0


class WritesHere(Nudges):
    """Leaves notes where it was started."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        Path("debug.txt").write_text("hello")
        return 0.0


class WritesElsewhere(Nudges):
    """Leaves notes in the folder of temporary files."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        with tempfile.NamedTemporaryFile("w", prefix="broken-", suffix=".txt", delete=False) as file:
            file.write("hello")
        return 0.0


class CleansUp(Nudges):
    """Uses a temporary file, as it may."""

    def nudge(self, policy_id: str, batch: Any) -> float:
        with tempfile.TemporaryFile("w") as file:
            file.write("hello")
        with np.errstate(all="ignore"), np.printoptions(precision=3), warnings.catch_warnings():
            warnings.simplefilter("ignore")
        return 0.0


# ---------------------------------------------------------------------- its settings


@dataclass(frozen=True)
class UnusedConfig(TableConfig):
    """Settings, one of which nobody reads."""

    momentum: float = 0.5
    """How much of the last step is made again."""


class IgnoresASetting(Correct):
    """Declares a setting and never reads it."""

    config_class = UnusedConfig


@dataclass(frozen=True)
class SwitchConfig(TableConfig):
    """Settings, one of which is a switch without a wire."""

    double: bool = False
    """Whether there are two tables."""


class IgnoresASwitch(Correct):
    """Has a switch that switches nothing."""

    config_class = SwitchConfig


class OverridesASetting(Correct):
    """Knows better what the step size is."""

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        config = self.config
        try:
            self.config = TableConfig(alpha=0.2, gamma=config.gamma)
            return super().update(policy_id, policy, batch, rng)
        finally:
            self.config = config


class OverridesAtTheStart(SimpleCorrect):
    """Takes the discount factor of the paper, whatever it is told."""

    def learn(self, policy: Any, state: int, action: int, reward: float, follows: Any) -> None:
        self.config = TableConfig(self.config.alpha)
        super().learn(policy, state, action, reward, follows)


@dataclass(frozen=True)
class WarmUpConfig(TableConfig):
    """Settings of a trainer that begins late."""

    warm_up: int = 5
    """Updates that are let pass before the first."""


class WarmsUp(Correct):
    """Learns nothing in the first updates, as it may if it says so."""

    config_class = WarmUpConfig

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.updates: dict[str, int] = {}

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        self.updates[policy_id] = self.updates.get(policy_id, 0) + 1
        if self.updates[policy_id] <= self.config.warm_up:
            return {}
        return super().update(policy_id, policy, batch, rng)

    def state_dict(self) -> dict[str, Any]:
        return {"updates": dict(self.updates)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.updates = dict(state["updates"])


class NeverTrains(Correct):
    """Learns nothing at all."""

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        return {}
