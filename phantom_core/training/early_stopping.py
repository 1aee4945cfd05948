"""The hooks `early-stopping`: end a run when a value stops getting better, or is good enough."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from phantom_core.errors import did_you_mean, listing
from phantom_core.hooks.events import IterationEnd, TrainEnd, TrainStart
from phantom_core.hooks.hookspecs import PROJECT, Hooks

_log = logging.getLogger(PROJECT)


@dataclass(frozen=True)
class EarlyStoppingConfig:
    """Settings of the hooks `early-stopping`."""

    quantity: str
    """The value to watch, by the name it is logged under, such as `rewards/group` or `eval/mean_return`."""

    patience: int | None = 10
    """Stop after so many values in a row that are no better than the best one; none: never for that."""

    min_delta: float = 0.0
    """By how much a value must be better than the best one to count as better."""

    mode: Literal["max", "min"] = "max"
    """Whether a greater value is better, or a smaller one."""

    threshold: float | None = None
    """Stop as soon as a value is as good as this; none: never for that."""

    def __post_init__(self) -> None:
        """Refuse settings that stop never, or at once.

        Raises:
            ValueError: that names the setting.
        """
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience is {self.patience}. Expected 1 or more")
        if not self.min_delta >= 0:
            raise ValueError(f"min_delta is {self.min_delta}. Expected 0 or more")
        if self.patience is None and self.threshold is None:
            raise ValueError("neither patience nor threshold is given, so it would never stop. Give one")


class EarlyStopping(Hooks):
    """Ends a run when a value has not become better for a while, or has reached a threshold.

    Only iterations that log the value count: `eval/mean_return`, say, is logged where an evaluation was
    made. NaN is never better. A value that no iteration logs is reported at the end of the run.
    """

    config_class: ClassVar[type] = EarlyStoppingConfig
    conformance: ClassVar[Mapping[str, Any]] = {"config": {"quantity": "rewards/group"}}
    config: EarlyStoppingConfig
    _best: float | None = None
    _waited: int = 0
    _seen: tuple[str, ...] = ()
    _was_logged: bool = False

    def on_train_start(self, event: TrainStart) -> None:
        """Forget what an earlier run had."""
        self._best, self._waited, self._seen, self._was_logged = None, 0, (), False

    def should_stop(self, event: IterationEnd) -> str | None:
        """Return why to stop, with the values."""
        config = self.config
        value = event.values.get(config.quantity)
        if value is None:
            self._seen = tuple(sorted({*self._seen, *event.values}))
            return None
        self._was_logged = True
        sign = 1.0 if config.mode == "max" else -1.0
        if config.threshold is not None and sign * value >= sign * config.threshold:
            return f"{config.quantity} is {value:.6g}, which meets the threshold {config.threshold:.6g}"
        if self._is_better(value, sign):
            self._best, self._waited = value, 0
            return None
        self._waited += 1
        if config.patience is None or self._waited < config.patience:
            return None
        times = "1 value" if self._waited == 1 else f"{self._waited} values"
        best = "no number" if self._best is None else f"{self._best:.6g}"
        return f"{config.quantity} was no better than {best} for {times}"

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, and how many values have been no better since."""
        return {"best": self._best, "waited": self._waited, "was_logged": self._was_logged}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on waiting where another run stood."""
        self._best, self._waited, self._was_logged = state["best"], state["waited"], state["was_logged"]

    def on_train_end(self, event: TrainEnd) -> None:
        """Say it if the value was never there: a misspelt name must not pass for patience."""
        if self._seen and not self._was_logged:
            name = self.config.quantity
            _log.warning(
                "early-stopping: no iteration logged %r, so nothing could stop the run.%s Logged: %s.",
                name,
                did_you_mean(name, self._seen),
                listing(self._seen),
            )

    def _is_better(self, value: float, sign: float) -> bool:
        if math.isnan(value):
            return False
        return self._best is None or sign * (value - self._best) > self.config.min_delta
