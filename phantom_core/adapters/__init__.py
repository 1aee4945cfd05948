"""Envs of other libraries made playable and trainable here, and ours there."""
