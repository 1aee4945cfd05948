"""Policies, and the mapping from agents to policies."""
