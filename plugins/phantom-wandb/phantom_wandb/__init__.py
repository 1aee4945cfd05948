"""Weights & Biases runs for phantom_core: the logger `wandb`."""

from phantom_wandb.wandb_logger import WandbConfig, WandbLogger

__all__ = ["WandbConfig", "WandbLogger"]
