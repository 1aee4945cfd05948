"""Envs: one step pipeline, and turn orders that decide which agents act."""
