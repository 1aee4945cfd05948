"""Learning: trainers, the loop that they run in, and what a run leaves on disk."""
