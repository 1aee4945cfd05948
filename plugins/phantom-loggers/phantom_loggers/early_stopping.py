"""The hooks `early-stopping`: stop a run when a value stops improving, or reaches a threshold."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import phantom_core as ph

_log = logging.getLogger("phantom_core")


@dataclass(frozen=True)
class EarlyStoppingConfig:
    """Settings of the hooks `early-stopping`."""

    quantity: str
    """The name of the logged value to watch, such as `rewards/group` or `eval/mean_return`."""

    patience: int | None = 10
    """Stop after this many consecutive values without improvement; none to disable."""

    min_delta: float = 0.0
    """The smallest change from the best value that counts as an improvement."""

    mode: Literal["max", "min"] = "max"
    """Whether a larger (`max`) or a smaller (`min`) value is better."""

    threshold: float | None = None
    """Stop as soon as a value reaches this threshold; none to disable."""

    def __post_init__(self) -> None:
        """Raise if the run would stop immediately or never.

        Raises:
            ValueError: if a setting is out of range, or neither `patience` nor `threshold` is set.
        """
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience is {self.patience}. Expected 1 or more")
        if not self.min_delta >= 0:
            raise ValueError(f"min_delta is {self.min_delta}. Expected 0 or more")
        if self.patience is None and self.threshold is None:
            raise ValueError("neither patience nor threshold is given, so it would never stop. Give one")


class EarlyStopping(ph.Hooks):
    """Stops a run when a value has not improved for a while, or has reached a threshold.

    Only iterations that log the value count: `eval/mean_return`, for example, is logged only when an
    evaluation is run. NaN never counts as an improvement. If no iteration logs the value, a warning is logged
    at the end of the run.
    """

    config_class: ClassVar[type] = EarlyStoppingConfig
    conformance: ClassVar[Mapping[str, Any]] = {"config": {"quantity": "rewards/group"}}
    config: EarlyStoppingConfig
    _best: float | None = None
    _waited: int = 0
    _seen: tuple[str, ...] = ()
    _was_logged: bool = False

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Clear the state of an earlier run; one that is resumed goes on counting."""
        if not event.is_resumed:
            self._best, self._waited, self._seen, self._was_logged = None, 0, (), False

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        """Return the reason to stop, with the values, or None."""
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
        """Return the best value, the number of values since without improvement, and what was logged."""
        return {
            "best": self._best,
            "waited": self._waited,
            "seen": list(self._seen),
            "was_logged": self._was_logged,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._best, self._waited = state["best"], state["waited"]
        self._seen, self._was_logged = tuple(state["seen"]), state["was_logged"]

    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Warn if the value was never logged: its name is probably misspelt."""
        if self._seen and not self._was_logged:
            name = self.config.quantity
            _log.warning(
                "early-stopping: no iteration logged %r, so nothing could stop the run.%s Logged: %s.",
                name,
                ph.tools.did_you_mean(name, self._seen),
                ph.tools.listing(self._seen),
            )

    def _is_better(self, value: float, sign: float) -> bool:
        if math.isnan(value):
            return False
        return self._best is None or sign * (value - self._best) > self.config.min_delta
