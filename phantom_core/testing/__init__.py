"""Checks of what others write: the doctor of envs."""
