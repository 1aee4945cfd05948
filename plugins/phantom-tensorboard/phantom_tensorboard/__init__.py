"""TensorBoard event files for phantom_core: the logger `tensorboard`."""

from phantom_tensorboard.tensorboard_logger import TensorboardConfig, TensorboardLogger

__all__ = ["TensorboardConfig", "TensorboardLogger"]
