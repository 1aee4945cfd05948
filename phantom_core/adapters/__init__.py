"""Envs of other libraries, made playable and trainable here."""
